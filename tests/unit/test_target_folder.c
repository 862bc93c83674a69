// SPDX-License-Identifier: Apache-2.0
/* A folder as a target: what put promises, in which order it does it, the order of listings, and
 * that nothing leads out of the folder. */
#include "support.h"

#include "base/buffer.h"
#include "emit/target.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- What the system is asked to do: these stand before the C library's ---- */

static struct {
	bool on;
	char text[2000]; /* a letter a call: f and d fsync of a file and a folder, r, u */
	int fsync_fails; /* with this errno value, if it is of what `fails_on` says */
	char fails_on;
	int write_fails;
} calls;

static void note(char what)
{
	size_t len = strlen(calls.text);

	if (calls.on && len + 1 < sizeof(calls.text))
		calls.text[len] = what;
}

int fsync(int fd)
{
	struct stat st;
	char what;

	if (fstat(fd, &st) < 0)
		return -1;
	what = S_ISDIR(st.st_mode) ? 'd' : 'f';
	note(what);
	if (calls.fsync_fails && calls.fails_on == what) {
		errno = calls.fsync_fails;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

int renameat(int from, const char *old, int to, const char *new)
{
	note('r');
	return (int)syscall(SYS_renameat2, from, old, to, new, 0);
}

int unlinkat(int folder, const char *name, int flags)
{
	note('u');
	return (int)syscall(SYS_unlinkat, folder, name, flags);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
	if (calls.write_fails) {
		errno = calls.write_fails;
		return -1;
	}
	/* A short one, as the system may do. */
	if (calls.on && len > 3)
		len = 3;
	return syscall(SYS_write, fd, bytes, len);
}

static void calls_begin(void)
{
	memset(&calls, 0, sizeof(calls));
	calls.on = true;
}

static const char *calls_end(void)
{
	calls.on = false;
	calls.fsync_fails = 0;
	calls.write_fails = 0;
	return calls.text;
}

/* ---- Words for checks ---- */

static struct target *open_in(const char *folder)
{
	struct tranship_error err;
	struct target *t;

	assert_ok(target_folder_open(folder, false, &t, &err), &err);
	return t;
}

static void put(struct target *t, const char *key, const char *text)
{
	struct tranship_error err;

	assert_ok(target_put(t, key, text, strlen(text), NULL, &err), &err);
}

static void assert_object(struct target *t, const char *key, const char *want)
{
	struct tranship_error err;
	unsigned char *bytes;
	size_t len;

	assert_ok(target_get_all(t, key, 1000, &bytes, &len, &err), &err);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(bytes, want, len);
	free(bytes);
}

static int take(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	return buffer_printf(ctx, err, "%s:%d ", object->key, (int)object->size);
}

static void assert_list(struct target *t, const char *prefix, const char *want)
{
	struct buffer text = { 0 };
	struct tranship_error err;

	assert_ok(target_list(t, prefix, take, &text, &err), &err);
	assert_ok(buffer_append(&text, "", 1, &err), &err);
	assert_string_equal((char *)text.bytes, want);
	buffer_free(&text);
}

static unsigned mode_of(const char *folder, const char *name)
{
	struct stat st;

	assert_int_equal(lstat(path_in(folder, name), &st), 0);
	return st.st_mode & 07777;
}

/* ---- Objects ---- */

static void test_put__is_read_back_and_replaced(void **state)
{
	struct target *t = open_in(*state);
	struct tranship_error err;
	struct object_info info;
	char buf[8] = { 0 };
	uint64_t size;
	size_t got;

	put(t, "slots/ab/00ab", "0123456789");
	assert_object(t, "slots/ab/00ab", "0123456789");
	assert_ok(target_get(t, "slots/ab/00ab", 8, buf, 8, &got, &err), &err);
	assert_int_equal(got, 2);
	assert_memory_equal(buf, "89", 2);
	assert_ok(target_get(t, "slots/ab/00ab", UINT64_MAX, buf, 8, &got, &err), &err);
	assert_int_equal(got, 0);
	assert_ok(target_tail(t, "slots/ab/00ab", buf, 4, &got, &size, &err), &err);
	assert_int_equal(got, 4);
	assert_int_equal(size, 10);
	assert_memory_equal(buf, "6789", 4);
	put(t, "slots/ab/00ab", "new");
	assert_object(t, "slots/ab/00ab", "new");
	assert_ok(target_tail(t, "slots/ab/00ab", buf, 8, &got, &size, &err), &err);
	assert_int_equal(got, 3);
	assert_ok(target_stat(t, "slots/ab/00ab", &info, &err), &err);
	assert_string_equal(info.key, "slots/ab/00ab");
	assert_int_equal(info.size, 3);
	put(t, "empty", "");
	assert_object(t, "empty", "");
	target_close(t);
}

static void test_put__only_the_owner_may_read(void **state)
{
	struct target *t = open_in(*state);
	mode_t mask = umask(0);

	put(t, "slots/ab/1", "x");
	umask(mask);
	assert_int_equal(mode_of(*state, "slots"), 0700);
	assert_int_equal(mode_of(*state, "slots/ab"), 0700);
	assert_int_equal(mode_of(*state, "slots/ab/1"), 0600);
	target_close(t);
}

static void test_put__syncs_before_and_after_the_rename(void **state)
{
	struct target *t = open_in(*state);
	struct tranship_error err;

	calls_begin();
	put(t, "slots/ab/1", "0123456789");
	/* Both folders are new, so those that they are in are synced; then the object. */
	assert_string_equal(calls_end(), "ddfrd");
	calls_begin();
	put(t, "slots/ab/2", "x");
	assert_string_equal(calls_end(), "frd");
	target_close(t);
	/* Who did not make the folders does not know whether they are on stable storage. */
	t = open_in(*state);
	calls_begin();
	put(t, "slots/ab/3", "x");
	assert_string_equal(calls_end(), "ddfrd");
	assert_object(t, "slots/ab/1", "0123456789");
	/* One that went away and is made again is a new one. */
	put(t, "tags/1", "x");
	assert_ok(target_remove(t, "tags/1", &err), &err);
	assert_int_equal(rmdir(path_in(*state, "tags")), 0);
	calls_begin();
	put(t, "tags/1", "x");
	assert_string_equal(calls_end(), "dfrd");
	target_close(t);
}

static void test_put__a_failure_leaves_what_was_there(void **state)
{
	struct target *t = open_in(*state);
	struct tranship_error err;

	put(t, "points/a", "old");
	calls_begin();
	calls.write_fails = ENOSPC;
	assert_fails(target_put(t, "points/a", "new", 3, NULL, &err), TRANSHIP_EIO, &err,
		     "points/a could not be written: No space left on device");
	assert_int_equal(err.sys_errno, ENOSPC);
	calls_end();
	calls_begin();
	calls.fsync_fails = EIO;
	calls.fails_on = 'f';
	assert_fails(target_put(t, "points/a", "new", 3, NULL, &err), TRANSHIP_EIO, &err,
		     "could not be written");
	assert_string_equal(calls_end(), "fu");
	assert_object(t, "points/a", "old");
	assert_int_equal(count_entries(path_in(*state, "points")), 1);
	calls_begin();
	calls.fsync_fails = EIO;
	calls.fails_on = 'd';
	assert_fails(target_put(t, "points/a", "new", 3, NULL, &err), TRANSHIP_EIO, &err,
		     "fsync of its folder failed");
	calls_end();
	target_close(t);
}

static void test_get__says_that_there_is_none(void **state)
{
	struct target *t = open_in(*state);
	struct tranship_error err;
	struct object_info info;
	unsigned char *bytes;
	char buf[4];
	uint64_t size;
	size_t got;

	put(t, "points/a", "x");
	assert_fails(target_get(t, "points/b", 0, buf, 4, &got, &err), TRANSHIP_ENOTFOUND, &err,
		     "points/b is not there");
	assert_fails(target_get(t, "slots/ab/b", 0, buf, 4, &got, &err), TRANSHIP_ENOTFOUND, &err,
		     "is not there");
	assert_fails(target_tail(t, "points/b", buf, 4, &got, &size, &err), TRANSHIP_ENOTFOUND,
		     &err, "is not there");
	assert_fails(target_stat(t, "points/b", &info, &err), TRANSHIP_ENOTFOUND, &err,
		     "is not there");
	assert_fails(target_get_exactly(t, "points/a", 0, buf, 2, &err), TRANSHIP_ECORRUPT, &err,
		     "ends at byte 1");
	assert_fails(target_get_all(t, "points/a", 0, &bytes, &got, &err), TRANSHIP_ELIMIT, &err,
		     "at most 0");
	assert_fails(target_stat(t, "points", &info, &err), TRANSHIP_ECORRUPT, &err,
		     "no regular file");
	target_close(t);
}

static void test_remove__is_synced_and_may_find_nothing(void **state)
{
	struct target *t = open_in(*state);
	struct tranship_error err;
	struct object_info info;

	put(t, "trash/a", "x");
	calls_begin();
	assert_ok(target_remove(t, "trash/a", &err), &err);
	assert_string_equal(calls_end(), "ud");
	assert_fails(target_stat(t, "trash/a", &info, &err), TRANSHIP_ENOTFOUND, &err, "not there");
	assert_ok(target_remove(t, "trash/a", &err), &err);
	assert_ok(target_remove(t, "none/a", &err), &err);
	calls_begin();
	calls.fsync_fails = EIO;
	calls.fails_on = 'd';
	assert_fails(target_remove(t, "trash/a", &err), TRANSHIP_EIO, &err, "fsync");
	calls_end();
	target_close(t);
}

/* ---- Listings ---- */

static void test_list__is_in_order_of_whole_keys(void **state)
{
	struct target *t = open_in(*state);

	put(t, "a/b", "1");
	put(t, "a-b", "12");
	put(t, "a.b", "");
	put(t, "a0", "");
	put(t, "a/b-c", "");
	put(t, "a/c/d", "");
	put(t, "a/c-d", "");
	put(t, "store.json", "");
	assert_list(t, "", "a-b:2 a.b:0 a/b:1 a/b-c:0 a/c-d:0 a/c/d:0 a0:0 store.json:0 ");
	assert_list(t, "a", "a-b:2 a.b:0 a/b:1 a/b-c:0 a/c-d:0 a/c/d:0 a0:0 ");
	assert_list(t, "a/", "a/b:1 a/b-c:0 a/c-d:0 a/c/d:0 ");
	assert_list(t, "a/c", "a/c-d:0 a/c/d:0 ");
	assert_list(t, "a/c/", "a/c/d:0 ");
	assert_list(t, "b", "");
	assert_list(t, "b/", "");
	target_close(t);
}

static void test_list__leaves_out_what_is_no_object(void **state)
{
	struct target *t = open_in(*state);

	put(t, "slots/aa/1", "x");
	write_path(path_in(*state, "slots/aa/.1.0123456789abcdef.partial"), "x", 1);
	write_path(path_in(*state, "slots/.hidden"), "x", 1);
	write_path(path_in(*state, "slots/no key"), "x", 1);
	assert_int_equal(mkfifo(path_in(*state, "slots/pipe"), 0600), 0);
	assert_int_equal(mkdir(path_in(*state, "slots/empty"), 0700), 0);
	assert_list(t, "", "slots/aa/1:1 ");
	target_close(t);
}

static int stop_at_two(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	unsigned *count = ctx;

	(void)object;
	(void)err;
	return ++*count == 2 ? TRANSHIP_ECANCELED : 0;
}

static void test_list__ends_where_it_is_told(void **state)
{
	struct target *t = open_in(*state);
	unsigned count = 0, open_before;

	put(t, "a/b/c", "");
	put(t, "a/b/d", "");
	put(t, "a/b/e", "");
	open_before = count_descriptors();
	assert_int_equal(target_list(t, "", stop_at_two, &count, NULL), TRANSHIP_ECANCELED);
	assert_int_equal(count, 2);
	assert_int_equal(count_descriptors(), open_before);
	/* Twice: a listing begins at the beginning. */
	assert_list(t, "", "a/b/c:0 a/b/d:0 a/b/e:0 ");
	assert_list(t, "", "a/b/c:0 a/b/d:0 a/b/e:0 ");
	target_close(t);
}

/* A folder that cannot be listed is an error: gc must not take what it cannot see for gone. */
static void test_list__says_what_it_cannot_see(void **state)
{
	struct target *t = open_in(*state);
	struct tranship_error err;
	unsigned count = 0;

	bool root = geteuid() == 0; /* who may see everything */

	if (root) {
		assert_int_equal(chown(*state, 65534, (gid_t)-1), 0);
		assert_int_equal(seteuid(65534), 0);
	}
	put(t, "a/b", "");
	assert_int_equal(chmod(path_in(*state, "a"), 0), 0);
	assert_fails(target_list(t, "", stop_at_two, &count, &err), TRANSHIP_EDENIED, &err,
		     "could not be listed");
	assert_fails(target_put(t, "a/c", "", 0, NULL, &err), TRANSHIP_EDENIED, &err,
		     "/a could not be opened");
	assert_int_equal(chmod(path_in(*state, "a"), 0700), 0);
	if (root)
		assert_int_equal(seteuid(0), 0);
	target_close(t);
}

/* ---- Threads ---- */

struct writer {
	pthread_t thread;
	struct target *t;
	unsigned number;
	int rc;
};

static void *write_some(void *ctx)
{
	struct writer *w = ctx;
	char key[32], got[32];
	unsigned i;

	for (i = 0; i < 16 && w->rc == 0; i++) {
		snprintf(key, sizeof(key), "slots/%02u/%u", i, w->number);
		w->rc = target_put(w->t, key, key, strlen(key), NULL, NULL);
		if (w->rc == 0)
			w->rc = target_get_exactly(w->t, key, 0, got, strlen(key), NULL);
		/* all of them replace this one */
		if (w->rc == 0)
			w->rc = target_put(w->t, "same", "0123456789", 10, NULL, NULL);
		if (w->rc == 0)
			w->rc = target_get_exactly(w->t, "same", 0, got, 10, NULL);
	}
	return NULL;
}

static void test_threads__write_at_once(void **state)
{
	struct target *t = open_in(*state);
	struct writer writers[6] = { 0 };
	struct tranship_error err;
	unsigned i, count = 1000;

	for (i = 0; i < COUNT_OF(writers); i++) {
		writers[i].t = t;
		writers[i].number = i;
		assert_int_equal(pthread_create(&writers[i].thread, NULL, write_some, &writers[i]),
				 0);
	}
	for (i = 0; i < COUNT_OF(writers); i++) {
		pthread_join(writers[i].thread, NULL);
		assert_int_equal(writers[i].rc, 0);
	}
	assert_ok(target_list(t, "slots/", stop_at_two, &count, &err), &err);
	assert_int_equal(count, 1000 + 6 * 16);
	assert_object(t, "same", "0123456789");
	assert_int_equal(count_entries(*state), 2);
	target_close(t);
}

/* ---- What would lead out of the folder ---- */

static void test_keys__do_not_lead_out_of_the_folder(void **state)
{
	static const char *const bad[] = { "",    "/etc/x", "../x", "a/../x",
					   ".x",  "a/.x",   "a//b", "a/",
					   "a b", "a\nb",   "A/b",  "a\\b",
					   "./a", "..",     "a/..", "points/\xc3\xa4" };
	struct target *t = open_in(*state);
	char key[TARGET_KEY_MAX + 2];
	struct tranship_error err;
	struct object_info info;
	size_t i;

	for (i = 0; i < COUNT_OF(bad); i++) {
		assert_fails(target_put(t, bad[i], "x", 1, NULL, &err), TRANSHIP_EINVAL, &err,
			     "not a key");
		assert_fails(target_stat(t, bad[i], &info, &err), TRANSHIP_EINVAL, &err,
			     "not a key");
		assert_fails(target_remove(t, bad[i], &err), TRANSHIP_EINVAL, &err, "not a key");
	}
	assert_fails(target_list(t, "../", take, NULL, &err), TRANSHIP_EINVAL, &err, "begin with");
	memset(key, 'a', sizeof(key));
	key[TARGET_KEY_MAX + 1] = '\0';
	assert_fails(target_put(t, key, "x", 1, NULL, &err), TRANSHIP_EINVAL, &err, "not a key");
	assert_int_equal(count_entries(*state), 0);
	key[TARGET_KEY_MAX] = '\0';
	put(t, key, "longest");
	assert_object(t, key, "longest");
	target_close(t);
}

static void test_links__are_not_followed(void **state)
{
	struct target *t = open_in(path_in(*state, "."));
	struct tranship_error err;
	struct stat st;
	size_t got;
	char buf[4];

	write_path(path_in(*state, ".outside"), "keep", 4);
	assert_int_equal(mkdir(path_in(*state, ".elsewhere"), 0700), 0);
	assert_int_equal(symlink(".outside", path_in(*state, "object")), 0);
	assert_int_equal(symlink(".elsewhere", path_in(*state, "slots")), 0);
	assert_int_not_equal(target_get(t, "object", 0, buf, 4, &got, &err), 0);
	assert_int_not_equal(target_put(t, "slots/a", "x", 1, NULL, &err), 0);
	assert_int_equal(count_entries(path_in(*state, ".elsewhere")), 0);
	/* and a listing says that there is something that it does not know */
	assert_fails(target_list(t, "", take, NULL, &err), TRANSHIP_EDENIED, &err,
		     "is a symbolic link");
	assert_int_not_equal(target_list(t, "slots/", take, NULL, &err), 0);
	/* put replaces the link, not what it points to */
	put(t, "object", "new");
	assert_int_equal(lstat(path_in(*state, "object"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_object(t, "object", "new");
	assert_int_equal(lstat(path_in(*state, ".outside"), &st), 0);
	assert_int_equal(st.st_size, 4);
	target_close(t);
}

/* ---- Opening, clock, leftovers ---- */

static void test_open__makes_one_level(void **state)
{
	unsigned before = count_descriptors();
	struct tranship_error err;
	struct target *t;

	assert_fails(target_folder_open(path_in(*state, "new"), false, &t, &err),
		     TRANSHIP_ENOTFOUND, &err, "there is no such folder");
	assert_null(t);
	calls_begin();
	assert_ok(target_folder_open(path_in(*state, "new"), true, &t, &err), &err);
	assert_string_equal(calls_end(), "d");
	assert_int_equal(mode_of(*state, "new"), 0700);
	target_close(t);
	assert_ok(target_folder_open(path_in(*state, "new"), true, &t, &err), &err);
	target_close(t);
	assert_int_not_equal(target_folder_open(path_in(*state, "a/b"), true, &t, &err), 0);
	write_path(path_in(*state, "file"), "x", 1);
	assert_fails(target_folder_open(path_in(*state, "file"), true, &t, &err), TRANSHIP_EIO,
		     &err, "could not be opened as a folder");
	assert_int_equal(count_descriptors(), before);
}

static void test_open__takes_a_location(void **state)
{
	struct tranship_store_options options = { 0 };
	struct tranship_error err;
	char location[300];
	struct target *t;

	snprintf(location, sizeof(location), "store:%s", (char *)*state);
	assert_ok(target_open(location, false, &options, &t, &err), &err);
	assert_string_equal(t->name, *state);
	target_close(t);
	assert_ok(target_open(*state, false, &options, &t, &err), &err);
	target_close(t);
	assert_fails(target_open("http://x", false, &options, &t, &err), TRANSHIP_EINVAL, &err,
		     "'http://x' is no place of a store");
	assert_fails(target_open("store:", false, &options, &t, &err), TRANSHIP_EINVAL, &err,
		     "no place of a store");
	assert_fails(target_open("", false, &options, &t, &err), TRANSHIP_EINVAL, &err,
		     "no place of a store");
}

static void test_now__is_the_clock_that_dates_objects(void **state)
{
	struct target *t = open_in(*state);
	struct object_info info;
	struct tranship_error err;
	int64_t before, after;

	assert_ok(target_now(t, &before, &err), &err);
	put(t, "a", "");
	assert_ok(target_now(t, &after, &err), &err);
	assert_ok(target_stat(t, "a", &info, &err), &err);
	assert_true(before <= info.time && info.time <= after);
	assert_int_equal(count_entries(*state), 1);
	target_close(t);
}

static void age(const char *path, time_t seconds)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - seconds },
				     { .tv_sec = time(NULL) - seconds } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_sweep__takes_old_partial_files_only(void **state)
{
	static const char *const names[] = { "slots/aa/.1.0123456789abcdef.partial",
					     "slots/aa/.2.0123456789abcdef.partial", "slots/aa/3",
					     "slots/aa/.other" };
	struct target *t = open_in(*state);
	struct tranship_error err;
	uint64_t removed;
	struct stat st;
	size_t i;

	put(t, "slots/aa/1", "x");
	for (i = 0; i < COUNT_OF(names); i++) {
		write_path(path_in(*state, names[i]), "x", 1);
		if (i != 1)
			age(path_in(*state, names[i]), 3 * 86400);
	}
	assert_ok(target_folder_sweep(t, &removed, &err), &err);
	assert_int_equal(removed, 1);
	for (i = 0; i < COUNT_OF(names); i++)
		assert_int_equal(lstat(path_in(*state, names[i]), &st), i == 0 ? -1 : 0);
	assert_object(t, "slots/aa/1", "x");
	target_close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_put__is_read_back_and_replaced),
		IN_FOLDER(test_put__only_the_owner_may_read),
		IN_FOLDER(test_put__syncs_before_and_after_the_rename),
		IN_FOLDER(test_put__a_failure_leaves_what_was_there),
		IN_FOLDER(test_get__says_that_there_is_none),
		IN_FOLDER(test_remove__is_synced_and_may_find_nothing),
		IN_FOLDER(test_list__is_in_order_of_whole_keys),
		IN_FOLDER(test_list__leaves_out_what_is_no_object),
		IN_FOLDER(test_list__ends_where_it_is_told),
		IN_FOLDER(test_list__says_what_it_cannot_see),
		IN_FOLDER(test_threads__write_at_once),
		IN_FOLDER(test_keys__do_not_lead_out_of_the_folder),
		IN_FOLDER(test_links__are_not_followed),
		IN_FOLDER(test_open__makes_one_level),
		IN_FOLDER(test_open__takes_a_location),
		IN_FOLDER(test_now__is_the_clock_that_dates_objects),
		IN_FOLDER(test_sweep__takes_old_partial_files_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
