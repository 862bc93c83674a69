// SPDX-License-Identifier: Apache-2.0
/*
 * Local outputs when the system refuses: every call that writes, syncs or renames fails once. Then
 * what was there before is there still, or nothing is; never a part, never a mixture. The calls are
 * replaced in this executable by ones that count.
 */
#include "support.h"

#include "heap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DISK (300 * 1024 + 512)

/* What the replaced calls do. */
static struct {
	unsigned calls;   /* that may fail, until now */
	unsigned fail_at; /* this one does, 0: none */
	int sys;          /* with this errno */
	bool failed;
	size_t most;         /* bytes that one read or write moves at most, 0: all */
	unsigned interrupts; /* so many of the next reads and writes are interrupted first */
} os;

static bool refused(void)
{
	if (++os.calls != os.fail_at)
		return false;
	os.failed = true;
	errno = os.sys;
	return true;
}

static bool interrupted(void)
{
	if (os.interrupts == 0)
		return false;
	os.interrupts--;
	errno = EINTR;
	return true;
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	size_t n = os.most && len > os.most ? os.most : len;

	if (interrupted() || refused())
		return -1;
	return syscall(SYS_pwrite64, fd, buf, n, off);
}

ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
	size_t n = os.most && len > os.most ? os.most : len;

	return interrupted() ? -1 : syscall(SYS_pread64, fd, buf, n, off);
}

int ftruncate(int fd, off_t size)
{
	return refused() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int fsync(int fd)
{
	return refused() ? -1 : (int)syscall(SYS_fsync, fd);
}

int fchmod(int fd, mode_t mode)
{
	return refused() ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

int renameat(int from, const char *a, int to, const char *b)
{
	return refused() ? -1 : (int)syscall(SYS_renameat2, from, a, to, b, 0);
}

int renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
	return refused() ? -1 : (int)syscall(SYS_renameat2, from, a, to, b, flags);
}

static const struct {
	const char *format, *options;
	bool several; /* files */
} kinds[] = {
	{ "raw", NULL, false },
	{ "vmdk", NULL, false },
	{ "vmdk", "subformat=streamOptimized", false },
	{ "vmdk", "subformat=monolithicFlat", true },
	{ "vmdk", "subformat=twoGbMaxExtentSparse", true },
	{ "vpc", NULL, false },
	{ "azure", NULL, false },
	{ "vhdx", "block_size=1M", false },
};

static unsigned char *content;

static int make_content(void **state)
{
	struct rng rng = { 95 };

	(void)state;
	content = random_disk(&rng, DISK);
	return 0;
}

static int free_content(void **state)
{
	(void)state;
	free(content);
	return 0;
}

/* Writes the content as an image of kind k to PATH, in two runs and a hole. */
static int write_image(size_t k, const char *path, unsigned flags, struct tranship_error *err)
{
	struct tranship_create_options create = {
		.format = kinds[k].format, .options = kinds[k].options, .size = DISK, .flags = flags
	};
	struct tranship_writer *writer;
	uint64_t size;
	int rc = tranship_create(path, &create, &writer, err);

	if (rc)
		return rc;
	size = tranship_writer_size(writer);
	rc = tranship_writer_put(writer, 0, content, 65536, err);
	if (rc == 0)
		rc = tranship_writer_put(writer, 65536, content + 65536, 131072, err);
	if (rc == 0)
		rc = tranship_writer_zero(writer, 196608, size - 196608, err);
	if (rc == 0)
		rc = tranship_writer_finish(writer, err);
	tranship_writer_close(writer);
	return rc;
}

/* Whether PATH is such an image, and a whole one. */
static bool is_whole(const char *path)
{
	static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
	static unsigned char back[196608];
	struct tranship_open_options open = { .policy = &beside };
	struct tranship_disk *disk;
	bool whole;

	if (tranship_open(path, &open, &disk, NULL))
		return false;
	whole = tranship_disk_size(disk) >= DISK &&
		tranship_disk_read(disk, NULL, 0, back, sizeof(back), NULL) == 0 &&
		memcmp(back, content, sizeof(back)) == 0;
	tranship_disk_close(disk);
	return whole;
}

static bool is_old(const char *path)
{
	size_t size;
	unsigned char *bytes = read_path(path, &size);
	bool old = size == 3 && memcmp(bytes, "old", 3) == 0;

	free(bytes);
	return old;
}

static bool is_there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

/* The state of the folder after a failure, with an old file of that name before or without. */
static void check_left(size_t k, const char *folder, const char *path, bool had_old)
{
	unsigned entries = count_entries(folder);

	if (!is_there(path)) {
		/* Only an image of several files is missing for a moment, and then as a whole. */
		assert_true(!had_old || kinds[k].several);
		assert_int_equal(entries, 0);
	} else if (had_old && is_old(path)) {
		assert_int_equal(entries, 1);
	} else {
		/* It was renamed; what failed is the sync of the folder. */
		assert_true(is_whole(path));
		assert_int_equal(entries, kinds[k].several ? 2 : 1);
	}
}

static void empty_folder(const char *folder)
{
	char command[4200];

	snprintf(command, sizeof(command), "rm -rf '%s'/*", folder);
	assert_int_equal(system(command), 0);
}

/* Every call fails once with this errno. Returns how many there were. */
static unsigned sweep(size_t k, const char *folder, bool had_old, unsigned flags, int sys)
{
	const char *path = path_in(folder, "disk.vmdk");
	unsigned before = count_descriptors(), n;

	os.failed = true;
	for (n = 1; os.failed; n++) {
		struct tranship_error err = { 0 };
		int rc;

		empty_folder(folder);
		if (had_old)
			write_path(path, "old", 3);
		memset(&os, 0, sizeof(os));
		os.fail_at = n;
		os.sys = sys;
		rc = write_image(k, path, flags, &err);
		assert_int_equal(count_descriptors(), before);
		if (!os.failed) {
			assert_ok(rc, &err);
			assert_true(is_whole(path));
			break;
		}
		if (rc != TRANSHIP_EIO || err.sys_errno != sys)
			fail_msg("%s %s: call %u failed, and that was %s: %s", kinds[k].format,
				 kinds[k].options, n, tranship_code_name(rc), err.message);
		check_left(k, folder, path, had_old);
	}
	memset(&os, 0, sizeof(os));
	return n;
}

static void test_sweep__calls_that_fail_onto_nothing(void **state)
{
	size_t k;

	for (k = 0; k < COUNT_OF(kinds); k++)
		assert_true(sweep(k, *state, false, 0, ENOSPC) > 3);
}

static void test_sweep__calls_that_fail_onto_an_old_image(void **state)
{
	size_t k;

	for (k = 0; k < COUNT_OF(kinds); k++)
		assert_true(sweep(k, *state, true, 0, EIO) > 4);
}

static void test_sweep__calls_that_fail_without_clobbering(void **state)
{
	size_t k;

	for (k = 0; k < COUNT_OF(kinds); k++)
		assert_true(sweep(k, *state, false, TRANSHIP_CREATE_NO_CLOBBER, EDQUOT) > 3);
}

/* A system that moves little at once, and is interrupted, changes nothing. */
static void test_local__short_and_interrupted_reads_and_writes(void **state)
{
	const char *path = path_in(*state, "disk.vmdk");
	struct tranship_error err;
	size_t k;

	for (k = 0; k < COUNT_OF(kinds); k++) {
		empty_folder(*state);
		os.most = 10000;
		os.interrupts = 3;
		assert_ok(write_image(k, path, 0, &err), &err);
		os.interrupts = 3;
		assert_true(is_whole(path));
		memset(&os, 0, sizeof(os));
		assert_true(is_whole(path));
	}
}

/*
 * Memory runs out while names are made. Fresh memory holds the name of a file that must survive:
 * nothing may be removed by a name that was not written yet.
 */
static void test_create__out_of_memory_removes_nothing_else(void **state)
{
	const char *victim = path_in(*state, "victim"), *path = path_in(*state, "disk.vmdk");
	unsigned before = count_descriptors();
	bool failed = true;
	unsigned long n;
	size_t k;

	if (!HEAP_WATCHED)
		skip();
	assert_int_equal(chdir(*state), 0);
	for (k = 0; k < COUNT_OF(kinds); k++, failed = true)
		for (n = 1; failed; n++) {
			struct tranship_error err = { 0 };
			struct heap_seen seen;
			int rc;

			write_path(victim, "old", 3);
			heap_paint("victim");
			heap_watch(n, false);
			rc = write_image(k, path, 0, &err);
			seen = heap_unwatch();
			heap_paint(NULL);
			failed = seen.failed;
			assert_int_equal(seen.held, 0);
			if (failed)
				assert_int_equal(rc, TRANSHIP_ENOMEM);
			else
				assert_ok(rc, &err);
			assert_true(is_there(victim) && is_old(victim));
			assert_int_equal(count_descriptors(), before);
		}
	assert_int_equal(chdir("/"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_sweep__calls_that_fail_onto_nothing),
		IN_FOLDER(test_sweep__calls_that_fail_onto_an_old_image),
		IN_FOLDER(test_sweep__calls_that_fail_without_clobbering),
		IN_FOLDER(test_local__short_and_interrupted_reads_and_writes),
		IN_FOLDER(test_create__out_of_memory_removes_nothing_else),
	};

	return cmocka_run_group_tests(tests, make_content, free_content);
}
