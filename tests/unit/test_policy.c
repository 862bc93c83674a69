// SPDX-License-Identifier: Apache-2.0
/*
 * What a hostile image reaches through the path of its parent: nothing that the policy does not
 * allow. Each way out would find a parent that fits.
 *
 *	FOLDER/secret.vhd	FOLDER/home/child.vhd	FOLDER/home/base.vhd
 *	FOLDER/home/sub/	FOLDER/listed/base.vhd
 *
 * All of it with the kernel's openat2 and, as on a kernel that has none, without.
 */
#include "support.h"

#include "layers.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALL UINT64_MAX

static struct {
	int sys;          /* what openat2 answers; 0: what the kernel says */
	unsigned answers; /* so many of them, 0: all */
} openat2_says;

/* The library makes no other call in this way. */
long syscall(long number, ...)
{
	static long (*next)(long, ...);
	va_list ap;
	long args[4];
	int i;

	if (number != SYS_openat2)
		abort();
	if (openat2_says.sys) {
		errno = openat2_says.sys;
		if (openat2_says.answers > 0 && --openat2_says.answers == 0)
			openat2_says.sys = 0;
		return -1;
	}
	if (!next) {
		void *found = dlsym(RTLD_NEXT, "syscall");

		memcpy(&next, &found, sizeof(next));
	}
	va_start(ap, number);
	for (i = 0; i < 4; i++)
		args[i] = va_arg(ap, long);
	va_end(ap);
	return next(number, args[0], args[1], args[2], args[3]);
}

static void write_base(const char *folder, const char *name, unsigned char fill)
{
	layer_write(path_in(folder, name),
		    &(struct layer_image){ .id = 0x0B, .owned = ALL, .fill = fill });
}

static void write_child(const char *folder, const char *name, const char *hint)
{
	layer_write(
		path_in(folder, name),
		&(struct layer_image){
			.id = 0x0C, .parent = 0x0B, .hints = { hint }, .owned = 1, .fill = 0xC0 });
}

static int make_tree(void **state)
{
	const char *folder;

	if (folder_make(state))
		return -1;
	folder = *state;
	if (mkdir(path_in(folder, "home"), 0700) || mkdir(path_in(folder, "home/sub"), 0700) ||
	    mkdir(path_in(folder, "listed"), 0700) ||
	    symlink("base.vhd", path_in(folder, "home/inside.vhd")) ||
	    symlink("../secret.vhd", path_in(folder, "home/outside.vhd")) ||
	    symlink("..", path_in(folder, "home/up")) ||
	    mkfifo(path_in(folder, "home/pipe.vhd"), 0600) ||
	    mkdir(path_in(folder, "home/folder.vhd"), 0700) ||
	    symlink("/dev/zero", path_in(folder, "home/zero.vhd")) ||
	    symlink("/proc/self/cwd", path_in(folder, "home/magic")))
		return -1;
	write_base(folder, "secret.vhd", 0x55);
	write_base(folder, "home/base.vhd", 0xB0);
	write_base(folder, "listed/base.vhd", 0x11);
	write_base(folder, "listed/other.vhd", 0x12);
	return 0;
}

static const struct tranship_policy none = { .kind = TRANSHIP_POLICY_NONE };
static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
static const struct tranship_policy anywhere = { .kind = TRANSHIP_POLICY_ANYWHERE };

/* Opens an image of the tree. What its second sector has, which is a parent's, goes to *byte. */
static int open_image(const char *path, const struct tranship_policy *policy, unsigned char *byte,
		      struct tranship_error *err)
{
	struct tranship_open_options open = { .policy = policy };
	unsigned before = count_descriptors();
	struct tranship_disk *disk;
	int rc = tranship_open(path, &open, &disk, err);

	assert_true((rc == 0) == (disk != NULL));
	if (rc == 0) {
		*byte = layer_byte(disk, 1);
		tranship_disk_close(disk);
	}
	assert_int_equal(count_descriptors(), before);
	return rc;
}

static int open_hint(const char *folder, const struct tranship_policy *policy, const char *hint,
		     unsigned char *byte, struct tranship_error *err)
{
	write_child(folder, "home/child.vhd", hint);
	return open_image(path_in(folder, "home/child.vhd"), policy, byte, err);
}

static void assert_finds(const char *folder, const struct tranship_policy *policy, const char *hint,
			 unsigned char want)
{
	struct tranship_error err;
	unsigned char byte;

	assert_ok(open_hint(folder, policy, hint, &byte, &err), &err);
	assert_int_equal(byte, want);
}

static void assert_refused(const char *folder, const struct tranship_policy *policy,
			   const char *hint, int code)
{
	struct tranship_error err;
	unsigned char byte;
	int rc = open_hint(folder, policy, hint, &byte, &err);

	if (rc != code)
		print_error("the hint was '%s'\n", hint);
	assert_fails(rc, code, &err, "0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b");
}

/* Ways out of the folder, and what is no file. */
static void test_policy__beside_and_ways_out(void **state)
{
	static const char *const hints[] = { "../secret.vhd",
					     "..\\secret.vhd",
					     "sub/../../secret.vhd",
					     "sub\\..\\..\\secret.vhd",
					     "./../secret.vhd",
					     "outside.vhd",
					     ".\\outside.vhd",
					     "/somewhere/outside.vhd",
					     "C:\\vm\\outside.vhd",
					     "up/secret.vhd",
					     "up\\secret.vhd",
					     "magic/base.vhd",
					     "zero.vhd",
					     "pipe.vhd",
					     "folder.vhd",
					     "sub/",
					     "..",
					     "C:\\",
					     "/" };
	size_t i;

	for (i = 0; i < COUNT_OF(hints); i++) {
		struct tranship_error err;
		unsigned char byte;
		int rc = open_hint(*state, &beside, hints[i], &byte, &err);

		/* By hand a link on the way is no folder. */
		if (rc == TRANSHIP_EIO && err.sys_errno == ENOTDIR && openat2_says.sys)
			continue;
		if (rc != TRANSHIP_EDENIED)
			print_error("the hint was '%s'\n", hints[i]);
		assert_fails(rc, TRANSHIP_EDENIED, &err, "the parent 0b0b0b0b-");
	}
}

/* Only the last component of what is no relative name counts; a URL is a name like any other. */
static void test_policy__beside_and_foreign_paths(void **state)
{
	static const char *const found[] = { "base.vhd",
					     ".\\base.vhd",
					     "./base.vhd",
					     "C:\\vm\\base.vhd",
					     "c:base.vhd\\base.vhd",
					     "\\\\?\\Volume{5e0bd954-0000}\\base.vhd",
					     "\\\\server\\share\\base.vhd",
					     "\\base.vhd",
					     "/proc/self/cwd/base.vhd",
					     "/dev/shm/base.vhd" };
	static const char *const missing[] = {
		"http://host/base.vhd",
		"nbd:localhost:10809",
		"nbd://host/base.vhd",
		"file:///base.vhd",
		"json:{\"driver\":\"file\",\"filename\":\"base.vhd\"}",
		"fat:rw:.",
		"ssh://host/base.vhd",
		"/etc/passwd",
		"/proc/self/mem",
		"/dev/zero",
		"C:\\secret.vhd",
		"base.vhd ",
		"BASE.VHD"
	};
	size_t i;

	for (i = 0; i < COUNT_OF(found); i++)
		assert_finds(*state, &beside, found[i], 0xB0);
	for (i = 0; i < COUNT_OF(missing); i++)
		assert_refused(*state, &beside, missing[i], TRANSHIP_EIO);
}

static void test_policy__links_that_stay_inside(void **state)
{
	if (openat2_says.sys) /* by hand no link is followed */
		assert_refused(*state, &beside, "inside.vhd", TRANSHIP_EDENIED);
	else
		assert_finds(*state, &beside, "inside.vhd", 0xB0);
}

static void test_policy__long_names(void **state)
{
	char name[1025], path[1025];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	name[300] = '\0';
	assert_refused(*state, &beside, name, openat2_says.sys ? TRANSHIP_EDENIED : TRANSHIP_EIO);
	assert_refused(*state, &anywhere, name, openat2_says.sys ? TRANSHIP_EDENIED : TRANSHIP_EIO);
	name[255] = '\0';
	assert_refused(*state, &beside, name, TRANSHIP_EIO);
	memset(path, '/', sizeof(path));
	path[0] = '.';
	strcpy(path + sizeof(path) - sizeof("base.vhd"), "base.vhd");
	assert_finds(*state, &beside, path, 0xB0);
}

static void test_policy__none(void **state)
{
	static const char *const hints[] = { "base.vhd", "/etc/passwd", "C:\\base.vhd" };
	size_t i;

	for (i = 0; i < COUNT_OF(hints); i++) {
		assert_refused(*state, &none, hints[i], TRANSHIP_EDENIED);
		assert_refused(*state, NULL, hints[i], TRANSHIP_EDENIED);
	}
}

static void test_policy__listed(void **state)
{
	char listed[4200], path[4300];
	const char *folders[] = { listed };
	struct tranship_policy policy = { .kind = TRANSHIP_POLICY_LISTED,
					  .folders = folders,
					  .folder_count = 1 };

	snprintf(listed, sizeof(listed), "%s", path_in(*state, "listed"));
	assert_finds(*state, &policy, "base.vhd", 0xB0);
	assert_finds(*state, &policy, "other.vhd", 0x12);
	assert_finds(*state, &policy, "D:\\x\\other.vhd", 0x12);
	snprintf(path, sizeof(path), "%s/base.vhd", listed);
	assert_finds(*state, &policy, path, 0xB0); /* beside comes first */
	snprintf(path, sizeof(path), "%s/../secret.vhd", listed);
	assert_refused(*state, &policy, path, TRANSHIP_EIO);
	assert_refused(*state, &policy, "../secret.vhd", TRANSHIP_EDENIED);
	assert_finds(*state, &policy, "../other.vhd", 0x12); /* it was moved there */
	/* The folder above is listed: what a name leads up to is there, however the two are
	 * spelled. */
	snprintf(listed, sizeof(listed), "%s", (const char *)*state);
	if (!openat2_says.sys) { /* by hand no ".." is followed */
		assert_finds(*state, &policy, "..\\secret.vhd", 0x55);
		assert_finds(*state, &policy, "../secret.vhd", 0x55);
	}
	snprintf(listed, sizeof(listed), "%s/home/..", (const char *)*state);
	assert_finds(*state, &policy, "..\\secret.vhd", 0x55);
	assert_refused(*state, &policy, "../../secret2.vhd", TRANSHIP_EDENIED);
}

static void test_policy__anywhere(void **state)
{
	char path[4200];

	assert_finds(*state, &anywhere, "../secret.vhd", 0x55);
	assert_finds(*state, &anywhere, "..\\secret.vhd", 0x55);
	assert_finds(*state, &anywhere, "..\\listed\\other.vhd", 0x12);
	assert_finds(*state, &anywhere, "outside.vhd", 0x55);
	snprintf(path, sizeof(path), "%s", path_in(*state, "listed/other.vhd"));
	assert_finds(*state, &anywhere, path, 0x12);
	assert_finds(*state, &anywhere, "C:\\vm\\base.vhd", 0xB0);
	assert_refused(*state, &anywhere, "/dev/zero", TRANSHIP_EDENIED);
	assert_refused(*state, &anywhere, "pipe.vhd", TRANSHIP_EDENIED);
	assert_refused(*state, &anywhere, "http://host/base.vhd", TRANSHIP_EIO);
}

/* A path to another file system counts by its last component, and a link to it leads out. */
static void test_policy__another_file_system(void **state)
{
	char name[] = "/dev/shm/tranship-unit-XXXXXX";
	int fd = mkstemp(name);

	if (fd < 0)
		skip();
	close(fd);
	layer_write(name, &(struct layer_image){ .id = 0x0B, .owned = ALL, .fill = 0x77 });
	assert_refused(*state, &beside, name, TRANSHIP_EIO);
	assert_finds(*state, &anywhere, name, 0x77);
	assert_int_equal(symlink(name, path_in(*state, "home/shm.vhd")), 0);
	assert_refused(*state, &beside, "shm.vhd", TRANSHIP_EDENIED);
	assert_finds(*state, &anywhere, "shm.vhd", 0x77);
	unlink(name);
}

/* The folder is that of the first image, whichever image of the chain names the file. */
static void test_policy__nested_folders(void **state)
{
	struct tranship_error err;
	unsigned char byte = 0;

	write_child(*state, "home/sub/child.vhd", "..\\base.vhd");
	layer_write(
		path_in(*state, "home/top.vhd"),
		&(struct layer_image){ .id = 1, .parent = 0x0C, .hints = { "sub\\child.vhd" } });
	if (!openat2_says.sys) { /* by hand ".." is refused, too */
		assert_ok(open_image(path_in(*state, "home/top.vhd"), &beside, &byte, &err), &err);
		assert_int_equal(byte, 0xB0);
	}
	assert_fails(open_image(path_in(*state, "home/sub/child.vhd"), &beside, &byte, &err),
		     TRANSHIP_EDENIED, &err, "leads out of the image's folder");
	assert_ok(open_image(path_in(*state, "home/sub/child.vhd"), &anywhere, &byte, &err), &err);
	assert_int_equal(byte, 0xB0);
}

/* So in the third image of a chain as in the first. */
static void test_policy__a_later_link_leads_out(void **state)
{
	struct tranship_error err;
	unsigned char byte;

	write_child(*state, "home/third.vhd", "../secret.vhd");
	layer_write(path_in(*state, "home/second.vhd"),
		    &(struct layer_image){ .id = 2, .parent = 0x0C, .hints = { "third.vhd" } });
	layer_write(path_in(*state, "home/first.vhd"),
		    &(struct layer_image){ .id = 1, .parent = 2, .hints = { "second.vhd" } });
	assert_fails(open_image(path_in(*state, "home/first.vhd"), &beside, &byte, &err),
		     TRANSHIP_EDENIED, &err, "leads out of the image's folder");
	assert_ok(open_image(path_in(*state, "home/first.vhd"), &anywhere, &byte, &err), &err);
	assert_int_equal(byte, 0x55);
}

/* A name relative to the current folder; the folder may be unreadable or gone by then. */
static void test_policy__the_current_folder(void **state)
{
	struct tranship_error err;
	unsigned char byte;

	write_child(*state, "home/child.vhd", "base.vhd");
	write_child(*state, "home/out.vhd", "../secret.vhd");
	assert_int_equal(chdir(path_in(*state, "home")), 0);
	assert_ok(open_image("child.vhd", &beside, &byte, &err), &err);
	assert_int_equal(byte, 0xB0);
	assert_ok(open_image("./child.vhd", &beside, &byte, &err), &err);
	assert_fails(open_image("out.vhd", &beside, &byte, &err), TRANSHIP_EDENIED, &err,
		     "leads out");
	assert_int_equal(chdir("/"), 0);
}

/* An image that is no file has no folder, so no parent; one that the caller names it has. */
static void test_policy__an_image_in_memory(void **state)
{
	const char *const parents[] = { path_in(*state, "home/base.vhd") };
	struct tranship_open_options open = { .policy = &beside };
	struct tranship_file *file;
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned char *bytes;
	size_t size;

	write_child(*state, "home/child.vhd", "base.vhd");
	bytes = read_path(path_in(*state, "home/child.vhd"), &size);
	file = file_of(bytes, size);
	assert_fails(tranship_open_file(file, &open, &disk, &err), TRANSHIP_EDENIED, &err,
		     "it has no folder");
	open.parents = parents;
	open.parent_count = 1;
	assert_ok(tranship_open_file(file, &open, &disk, &err), &err);
	assert_int_equal(layer_byte(disk, 1), 0xB0);
	tranship_disk_close(disk);
	free(bytes);
}

/* Something on the system was renamed while ".." was followed: the kernel wants to be asked again.
 */
static void test_policy__the_kernel_wants_to_be_asked_again(void **state)
{
	openat2_says.sys = EAGAIN;
	openat2_says.answers = 3;
	assert_finds(*state, &beside, "sub/../base.vhd", 0xB0);
	assert_int_equal(openat2_says.answers, 0);
	openat2_says.sys = EAGAIN; /* but not for ever */
	assert_refused(*state, &beside, "sub/../base.vhd", TRANSHIP_EIO);
	openat2_says.sys = 0;
}

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, make_tree, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TREE(test_policy__beside_and_ways_out),
		IN_TREE(test_policy__beside_and_foreign_paths),
		IN_TREE(test_policy__links_that_stay_inside),
		IN_TREE(test_policy__long_names),
		IN_TREE(test_policy__none),
		IN_TREE(test_policy__listed),
		IN_TREE(test_policy__anywhere),
		IN_TREE(test_policy__another_file_system),
		IN_TREE(test_policy__nested_folders),
		IN_TREE(test_policy__a_later_link_leads_out),
		IN_TREE(test_policy__the_current_folder),
		IN_TREE(test_policy__an_image_in_memory),
	};
	const struct CMUnitTest again[] = {
		IN_TREE(test_policy__the_kernel_wants_to_be_asked_again),
	};
	int failed = cmocka_run_group_tests_name("openat2", tests, NULL, NULL);

	failed += cmocka_run_group_tests_name("again", again, NULL, NULL);
	openat2_says.sys = ENOSYS;
	failed += cmocka_run_group_tests_name("by hand", tests, NULL, NULL);
	return failed;
}
