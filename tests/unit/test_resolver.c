// SPDX-License-Identifier: Apache-2.0
/*
 * Which other files an image may lead to. The folder of the image holds what is allowed; around it
 * stands what an image must never reach.
 *
 *	FOLDER/secret		FOLDER/listed/disk	FOLDER/listed/sub/deep
 *	FOLDER/home/image	FOLDER/home/disk	FOLDER/home/sub/disk2
 *	FOLDER/home/a\b, .../pipe, .../folder, .../inside -> disk, .../outside -> ../secret,
 *	FOLDER/home/up -> ..
 */
#include "support.h"

#include "io/resolver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void make_file(const char *folder, const char *name)
{
	write_path(path_in(folder, name), name, strlen(name));
}

static int make_tree(void **state)
{
	const char *folder;

	if (folder_make(state))
		return -1;
	folder = *state;
	if (mkdir(path_in(folder, "home"), 0700) || mkdir(path_in(folder, "home/sub"), 0700) ||
	    mkdir(path_in(folder, "home/folder"), 0700) || mkdir(path_in(folder, "listed"), 0700) ||
	    mkdir(path_in(folder, "listed/sub"), 0700) ||
	    mkfifo(path_in(folder, "home/pipe"), 0600) ||
	    symlink("disk", path_in(folder, "home/inside")) ||
	    symlink("../secret", path_in(folder, "home/outside")) ||
	    symlink("/etc/passwd", path_in(folder, "home/absolute")) ||
	    symlink("..", path_in(folder, "home/up")))
		return -1;
	make_file(folder, "secret");
	make_file(folder, "home/image");
	make_file(folder, "home/disk");
	make_file(folder, "home/sub/disk2");
	make_file(folder, "home/a\\b");
	make_file(folder, "listed/disk");
	make_file(folder, "listed/only-here");
	make_file(folder, "listed/sub/deep");
	return 0;
}

/* Opens `hint` under `policy` as from FOLDER/home/image. Returns which file of the tree came. */
static int open_hint(const char *folder, const struct tranship_policy *policy, const char *hint,
		     char *got, struct tranship_error *err)
{
	unsigned before = count_descriptors();
	struct tranship_file *file;
	struct resolver *r;
	int rc;

	assert_ok(resolver_new(path_in(folder, "home/image"), policy, &r, err), err);
	rc = resolver_open(r, path_in(folder, "home/image"), hint, 0, &file, NULL, err);
	resolver_free(r);
	assert_true((rc == 0) == (file != NULL));
	if (rc == 0) {
		size_t len = (size_t)tranship_file_size(file);

		assert_ok(tranship_file_read(file, 0, got, len < 99 ? len : 99, err), err);
		got[len < 99 ? len : 99] = '\0';
	}
	tranship_file_close(file);
	assert_int_equal(count_descriptors(), before);
	return rc;
}

static void assert_opens(const char *folder, const struct tranship_policy *policy, const char *hint,
			 const char *want)
{
	struct tranship_error err;
	char got[100] = "";

	assert_ok(open_hint(folder, policy, hint, got, &err), &err);
	assert_string_equal(got, want);
}

static void assert_denied(const char *folder, const struct tranship_policy *policy,
			  const char *hint, const char *piece)
{
	struct tranship_error err;
	char got[100] = "";

	assert_fails(open_hint(folder, policy, hint, got, &err), TRANSHIP_EDENIED, &err, piece);
}

static void assert_missing(const char *folder, const struct tranship_policy *policy,
			   const char *hint)
{
	struct tranship_error err;
	char got[100] = "";

	assert_fails(open_hint(folder, policy, hint, got, &err), TRANSHIP_EIO, &err,
		     "No such file or directory");
}

static const struct tranship_policy none = { .kind = TRANSHIP_POLICY_NONE };
static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
static const struct tranship_policy anywhere = { .kind = TRANSHIP_POLICY_ANYWHERE };

static void test_resolver__none_opens_nothing(void **state)
{
	assert_denied(*state, &none, "disk", "the policy allows no other files");
	assert_denied(*state, NULL, "disk", "the policy allows no other files");
	assert_denied(*state, NULL, "/etc/passwd", "the policy allows no other files");
}

static void test_resolver__beside_opens_what_is_beneath(void **state)
{
	assert_opens(*state, &beside, "disk", "home/disk");
	assert_opens(*state, &beside, "./disk", "home/disk");
	assert_opens(*state, &beside, "sub/disk2", "home/sub/disk2");
	assert_opens(*state, &beside, "sub/../disk", "home/disk");
	assert_opens(*state, &beside, "sub//disk2", "home/sub/disk2");
	assert_opens(*state, &beside, "inside", "home/disk");
	assert_missing(*state, &beside, "disk3");
	assert_missing(*state, &beside, "disk2");
}

static void test_resolver__beside_stays_in_the_folder(void **state)
{
	static const char *const hints[] = { "../secret", "sub/../../secret", "outside",
					     "absolute",  "up/secret",        "./../secret" };
	size_t i;

	for (i = 0; i < COUNT_OF(hints); i++)
		assert_denied(*state, &beside, hints[i], "leads out of the image's folder");
}

/* Where the image was made is not where it is now: of such a path only the last part counts. */
static void test_resolver__beside_takes_the_last_part_of_a_foreign_path(void **state)
{
	static const char *const hints[] = {
		"/vmfs/volumes/store/vm/disk",
		"C:\\machines\\vm\\disk",
		"\\\\server\\share\\disk",
		"c:/machines/disk",
		"d:disk\\disk",
		"\\\\?\\Volume{1}\\disk",
		"/disk",
	};
	char secret[4200];
	size_t i;

	for (i = 0; i < COUNT_OF(hints); i++)
		assert_opens(*state, &beside, hints[i], "home/disk");
	snprintf(secret, sizeof(secret), "%s/secret", (const char *)*state);
	assert_missing(*state, &beside, secret);
	assert_missing(*state, &beside, "/etc/passwd");
	assert_missing(*state, &beside, "file:///etc/passwd");
	assert_missing(*state, &beside, "nbd://localhost/disk");
}

static void test_resolver__backslashes_are_a_name_first_and_folders_then(void **state)
{
	assert_opens(*state, &beside, "a\\b", "home/a\\b");
	assert_opens(*state, &beside, "sub\\disk2", "home/sub/disk2");
	assert_denied(*state, &beside, "sub\\..\\..\\secret", "leads out");
	assert_denied(*state, &beside, "..\\secret", "leads out");
	assert_missing(*state, &beside, "\\..\\secret");
	assert_denied(*state, &beside, "..\\disk3\\nothing", "leads out");
}

static void test_resolver__hints_that_are_no_name(void **state)
{
	char longest[5000];

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_denied(*state, &beside, "", "no name of a file");
	assert_denied(*state, &beside, "/", "no name of a file");
	assert_denied(*state, &beside, "sub/", "no name of a file");
	assert_denied(*state, &beside, "C:\\", "no name of a file");
	assert_denied(*state, &beside, longest, "no name of a file");
	assert_denied(*state, &beside, "..", "");
	assert_denied(*state, &beside, ".", "no regular file");
}

/* A pipe must not be waited for, a device not be read. */
static void test_resolver__only_regular_files(void **state)
{
	char device[4200];

	assert_denied(*state, &beside, "pipe", "no regular file");
	assert_denied(*state, &beside, "folder", "no regular file");
	assert_denied(*state, &anywhere, "pipe", "no regular file");
	assert_denied(*state, &anywhere, "folder", "no regular file");
	assert_denied(*state, &anywhere, "/dev/zero", "no regular file");
	snprintf(device, sizeof(device), "%s/home/null", (const char *)*state);
	if (mknod(device, S_IFCHR | 0600, makedev(1, 3)))
		skip(); /* only root may */
	assert_denied(*state, &beside, "null", "no regular file");
	assert_denied(*state, &beside, "/x/null", "no regular file");
}

static void test_resolver__the_text_of_a_hint_is_escaped(void **state)
{
	assert_denied(*state, &none, "\x1b[2J", "'\\x1b[2J'");
	assert_denied(*state, &beside, "../\x1b[2J/../secret\n/..", "\\x1b");
}

static void test_resolver__listed_folders(void **state)
{
	char listed[4200], home[4200], path[4300];
	const char *folders[] = { "/nonexistent", listed };
	struct tranship_policy policy = { .kind = TRANSHIP_POLICY_LISTED,
					  .folders = folders,
					  .folder_count = 2 };

	snprintf(listed, sizeof(listed), "%s/listed", (const char *)*state);
	snprintf(home, sizeof(home), "%s/home", (const char *)*state);
	assert_opens(*state, &policy, "disk", "home/disk"); /* beside comes first */
	assert_opens(*state, &policy, "only-here", "listed/only-here");
	assert_opens(*state, &policy, "C:\\x\\only-here", "listed/only-here");
	snprintf(path, sizeof(path), "%s/only-here", listed);
	assert_opens(*state, &policy, path, "listed/only-here");
	snprintf(path, sizeof(path), "%s/sub/deep", listed);
	assert_opens(*state, &policy, path, "listed/sub/deep");
	snprintf(path, sizeof(path), "%s/../secret", listed);
	assert_missing(*state, &policy, path);
	snprintf(path, sizeof(path), "%s-not/disk4", listed);
	assert_missing(*state, &policy, path);
	strcat(listed, "//");
	snprintf(path, sizeof(path), "%s/listed/sub/deep", (const char *)*state);
	assert_opens(*state, &policy, path, "listed/sub/deep");
}

/* "beneath the listed folders": the root is a folder like any other. */
static void test_resolver__the_root_may_be_listed(void **state)
{
	const char *folders[] = { "/" };
	struct tranship_policy policy = { .kind = TRANSHIP_POLICY_LISTED,
					  .folders = folders,
					  .folder_count = 1 };
	char path[4200];

	snprintf(path, sizeof(path), "%s/listed/sub/deep", (const char *)*state);
	assert_opens(*state, &policy, path, "listed/sub/deep");
}

static void test_resolver__anywhere(void **state)
{
	char path[4200];

	assert_opens(*state, &anywhere, "disk", "home/disk");
	assert_opens(*state, &anywhere, "../secret", "secret");
	assert_opens(*state, &anywhere, "outside", "secret");
	assert_opens(*state, &anywhere, "C:\\vm\\disk", "home/disk");
	snprintf(path, sizeof(path), "%s/listed/disk", (const char *)*state);
	assert_opens(*state, &anywhere, path, "listed/disk");
	assert_missing(*state, &anywhere, "/nonexistent/disk");
}

/* An image that has no folder: in memory, in an archive, in a pipe. */
static void test_resolver__no_folder(void **state)
{
	char listed[4200];
	const char *folders[] = { listed };
	struct tranship_policy policy = { .kind = TRANSHIP_POLICY_LISTED,
					  .folders = folders,
					  .folder_count = 1 };
	struct tranship_file *file;
	struct tranship_error err;
	struct resolver *r;

	snprintf(listed, sizeof(listed), "%s/listed", (const char *)*state);
	assert_ok(resolver_new(NULL, &beside, &r, &err), &err);
	assert_fails(resolver_open(r, "", "disk", 0, &file, NULL, &err), TRANSHIP_EDENIED, &err,
		     "it has no folder");
	resolver_free(r);
	assert_ok(resolver_new(NULL, &policy, &r, &err), &err);
	assert_ok(resolver_open(r, "", "only-here", 0, &file, NULL, &err), &err);
	tranship_file_close(file);
	assert_fails(resolver_open(r, "", "nothing", 0, &file, NULL, &err), TRANSHIP_EIO, &err,
		     "No such");
	resolver_free(r);
	assert_ok(resolver_new(NULL, &anywhere, &r, &err), &err);
	errno = 0; /* what an earlier call left is no reason */
	assert_int_equal(resolver_open(r, "", "tranship-no-such-file", 0, &file, NULL, &err),
			 TRANSHIP_EIO);
	assert_null(strstr(err.message, "Success"));
	resolver_free(r);
	resolver_free(NULL);
}

static void test_resolver__a_file_that_is_written_is_busy(void **state)
{
	struct tranship_create_options create = { .format = "raw",
						  .size = 4,
						  .flags = TRANSHIP_CREATE_IN_PLACE };
	struct tranship_writer *writer;
	struct tranship_error err;
	char got[100];

	assert_ok(tranship_create(path_in(*state, "home/disk"), &create, &writer, &err), &err);
	assert_fails(open_hint(*state, &beside, "disk", got, &err), TRANSHIP_EBUSY, &err, "'disk'");
	tranship_writer_close(writer);
}

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, make_tree, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TREE(test_resolver__none_opens_nothing),
		IN_TREE(test_resolver__beside_opens_what_is_beneath),
		IN_TREE(test_resolver__beside_stays_in_the_folder),
		IN_TREE(test_resolver__beside_takes_the_last_part_of_a_foreign_path),
		IN_TREE(test_resolver__backslashes_are_a_name_first_and_folders_then),
		IN_TREE(test_resolver__hints_that_are_no_name),
		IN_TREE(test_resolver__only_regular_files),
		IN_TREE(test_resolver__the_text_of_a_hint_is_escaped),
		IN_TREE(test_resolver__listed_folders),
		IN_TREE(test_resolver__the_root_may_be_listed),
		IN_TREE(test_resolver__anywhere),
		IN_TREE(test_resolver__no_folder),
		IN_TREE(test_resolver__a_file_that_is_written_is_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
