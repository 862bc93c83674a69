// SPDX-License-Identifier: Apache-2.0
/* Looking for parents: the wrong ones, missing ones, ones that come back, and what is said then. */
#include "support.h"

#include "heap.h"
#include "image_vhdx.h"
#include "layers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALL UINT64_MAX
#define ID(byte)                                                      \
	byte byte byte byte "-" byte byte "-" byte byte "-" byte byte \
			    "-" byte byte byte byte byte byte

static unsigned fail_read; /* this read from now on fails, 0: none */
static unsigned reads;

ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
	if (++reads == fail_read) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, buf, len, off);
}

/* base.vhd: 0xB0 everywhere. */
static void write_base(const char *folder, const char *name)
{
	layer_write(path_in(folder, name),
		    &(struct layer_image){ .id = 0x0B, .owned = ALL, .fill = 0xB0 });
}

/* A child of it, 0xC0 in every other sector. */
static void write_child(const char *folder, const char *hint, const char *other, const char *third)
{
	layer_write(path_in(folder, "child.vhd"),
		    &(struct layer_image){ .id = 0x0C,
					   .parent = 0x0B,
					   .hints = { hint, other, third },
					   .owned = 0x5555555555555555,
					   .fill = 0xC0 });
}

static void assert_is_child_over_base(struct tranship_disk *disk)
{
	assert_int_equal(tranship_disk_layer_count(disk), 2);
	assert_int_equal(layer_byte(disk, 0), 0xC0);
	assert_int_equal(layer_byte(disk, 1), 0xB0);
	assert_int_equal(layer_byte(disk, LAYER_SECTORS - 1), 0xB0);
}

static void assert_opens(const char *folder)
{
	unsigned before = count_descriptors();
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(layer_open(path_in(folder, "child.vhd"), 0, &disk, &err), &err);
	assert_is_child_over_base(disk);
	tranship_disk_close(disk);
	assert_int_equal(count_descriptors(), before);
}

static void assert_refused(const char *path, unsigned flags, int code, const char *const *pieces,
			   size_t count)
{
	unsigned before = count_descriptors();
	struct tranship_disk *disk;
	struct tranship_error err;
	size_t i;

	for (i = 0; i < count; i++) {
		assert_fails(layer_open(path, flags, &disk, &err), code, &err, pieces[i]);
		assert_null(disk);
	}
	assert_int_equal(layer_open(path, flags, &disk, NULL), code);
	assert_int_equal(count_descriptors(), before);
}

#define REFUSED(path, flags, code, ...)                                               \
	assert_refused((path), (flags), (code), (const char *const[]){ __VA_ARGS__ }, \
		       COUNT_OF(((const char *const[]){ __VA_ARGS__ })))

static void test_parent__is_missing(void **state)
{
	const char *path = path_in(*state, "child.vhd");

	write_child(*state, ".\\disks\\base.vhd", NULL, NULL);
	REFUSED(path, 0, TRANSHIP_EIO, "the parent " ID("0b") " is needed",
		"'.\\x5cdisks\\x5cbase.vhd'", "No such file");
	write_child(*state, NULL, NULL, NULL);
	REFUSED(path, 0, TRANSHIP_EMISMATCH, "needs the parent " ID("0b"),
		"does not say where it is");
}

static void test_parent__is_another_one(void **state)
{
	const char *path = path_in(*state, "child.vhd");

	layer_write(path_in(*state, "base.vhd"),
		    &(struct layer_image){ .id = 0x0D, .owned = ALL, .fill = 0xB0 });
	write_child(*state, "base.vhd", NULL, NULL);
	REFUSED(path, 0, TRANSHIP_EMISMATCH, "wanted is " ID("0b"), "base.vhd' is " ID("0d"));
	/* What was found and is wrong says more than what was not found, wherever it was named. */
	write_child(*state, "gone.vhd", "base.vhd", NULL);
	REFUSED(path, 0, TRANSHIP_EMISMATCH, "wanted is " ID("0b"), "base.vhd' is " ID("0d"));
	write_child(*state, "base.vhd", "gone.vhd", NULL);
	REFUSED(path, 0, TRANSHIP_EMISMATCH, "wanted is " ID("0b"), "base.vhd' is " ID("0d"));
}

/* A parent has its child's format; what is none of it is not probed. */
static void test_parent__is_no_such_image(void **state)
{
	const char *path = path_in(*state, "child.vhd");
	char junk[4096];

	memset(junk, 'j', sizeof(junk));
	write_path(path_in(*state, "base.vhd"), junk, sizeof(junk));
	write_child(*state, "base.vhd", NULL, NULL);
	REFUSED(path, 0, TRANSHIP_ECORRUPT, "the parent " ID("0b") " is needed", "base.vhd");
	write_path(path_in(*state, "base.vhd"), "", 0);
	REFUSED(path, 0, TRANSHIP_ECORRUPT, "base.vhd");
}

static void test_parent__is_where_a_later_hint_says(void **state)
{
	write_base(*state, "base.vhd");
	write_child(*state, "gone.vhd", "base.vhd", NULL);
	assert_opens(*state);
	write_child(*state, "C:\\gone\\x.vhd", "../base.vhd", "D:\\disks\\base.vhd");
	assert_opens(*state);
	layer_write(path_in(*state, "wrong.vhd"), &(struct layer_image){ .id = 0x0E });
	write_child(*state, "wrong.vhd", "child.vhd", "base.vhd");
	assert_opens(*state);
}

static void test_chain__comes_back(void **state)
{
	static const char *const names[] = { "a.vhd", "b.vhd", "c.vhd" };
	size_t length, i;

	for (length = 1; length <= 3; length++) {
		for (i = 0; i < length; i++) {
			const char *hint = names[(i + 1) % length];

			layer_write(path_in(*state, names[i]),
				    &(struct layer_image){ .id = 0x0A,
							   .parent = 0x0A,
							   .hints = { hint },
							   .owned = 1 });
		}
		REFUSED(path_in(*state, "a.vhd"), 0, TRANSHIP_ECORRUPT,
			"the chain of parents comes back to", "a.vhd'");
	}
	/* A loop that the first image is no part of, and one over another name. */
	layer_write(path_in(*state, "top.vhd"),
		    &(struct layer_image){ .id = 1, .parent = 0x0A, .hints = { "b.vhd" } });
	REFUSED(path_in(*state, "top.vhd"), 0, TRANSHIP_ECORRUPT, "comes back to");
	assert_int_equal(unlink(path_in(*state, "c.vhd")), 0);
	assert_int_equal(link(path_in(*state, "b.vhd"), path_in(*state, "c.vhd")), 0);
	REFUSED(path_in(*state, "top.vhd"), 0, TRANSHIP_ECORRUPT, "comes back to");
}

static const char *numbered(const char *folder, unsigned i)
{
	char name[20];

	snprintf(name, sizeof(name), "%u.vhd", i);
	return path_in(folder, name);
}

/* 0.vhd is the child; the last one has no parent. */
static void write_chain(const char *folder, unsigned count)
{
	char hint[20];
	unsigned i;

	for (i = 0; i < count; i++) {
		struct layer_image layer = { .id = (unsigned char)(i + 1),
					     .owned = 1U << i % 16,
					     .fill = (unsigned char)(0x80 + i) };

		snprintf(hint, sizeof(hint), "%u.vhd", i + 1);
		layer.parent = i + 1 < count ? (unsigned char)(i + 2) : 0;
		layer.hints[0] = i + 1 < count ? hint : NULL;
		layer_write(numbered(folder, i), &layer);
	}
}

static int open_deep(const char *path, unsigned depth, struct tranship_disk **disk,
		     struct tranship_error *err)
{
	struct tranship_policy policy = { .kind = TRANSHIP_POLICY_BESIDE, .chain_depth = depth };
	struct tranship_open_options open = { .policy = &policy };

	return tranship_open(path, &open, disk, err);
}

static void test_chain__is_as_deep_as_the_policy_says(void **state)
{
	unsigned before = count_descriptors();
	struct tranship_disk *disk;
	struct tranship_error err;

	write_chain(*state, TRANSHIP_CHAIN_DEPTH + 1);
	assert_ok(open_deep(numbered(*state, 1), 0, &disk, &err), &err);
	assert_int_equal(tranship_disk_layer_count(disk), 64);
	assert_int_equal(layer_byte(disk, 1), 0x81);
	assert_int_equal(layer_byte(disk, 0), 0x90); /* the sector of the 17th image */
	tranship_disk_close(disk);
	assert_fails(open_deep(numbered(*state, 0), 0, &disk, &err), TRANSHIP_ELIMIT, &err,
		     "more than 64 images");
	assert_ok(open_deep(numbered(*state, 0), 65, &disk, &err), &err);
	tranship_disk_close(disk);
	assert_ok(open_deep(numbered(*state, 62), 3, &disk, &err), &err);
	tranship_disk_close(disk);
	assert_fails(open_deep(numbered(*state, 62), 2, &disk, &err), TRANSHIP_ELIMIT, &err,
		     "more than 2 images");
	assert_fails(open_deep(numbered(*state, 63), 1, &disk, &err), TRANSHIP_ELIMIT, &err,
		     "more than 1 images");
	assert_ok(open_deep(numbered(*state, 64), 1, &disk, &err), &err);
	tranship_disk_close(disk);
	assert_int_equal(count_descriptors(), before);
}

static int open_with(const char *path, const struct tranship_policy *policy,
		     const char *const *parents, size_t count, struct tranship_disk **disk,
		     struct tranship_error *err)
{
	struct tranship_open_options open = { .policy = policy,
					      .parents = parents,
					      .parent_count = count };

	return tranship_open(path, &open, disk, err);
}

/* The caller's word opens a file whatever the policy; it must be the right one all the same. */
static void test_parents__that_the_caller_names(void **state)
{
	char path[4200], moved[4200], wrong[4200], gone[4200];
	const char *const parents[] = { moved, wrong, gone }, *none[] = { "" };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_int_equal(mkdir(path_in(*state, "far"), 0700), 0);
	snprintf(path, sizeof(path), "%s", path_in(*state, "child.vhd"));
	snprintf(moved, sizeof(moved), "%s", path_in(*state, "far/renamed"));
	snprintf(wrong, sizeof(wrong), "%s", path_in(*state, "wrong.vhd"));
	snprintf(gone, sizeof(gone), "%s", path_in(*state, "gone.vhd"));
	write_base(*state, "far/renamed");
	layer_write(wrong, &(struct layer_image){ .id = 0x0E });
	write_child(*state, "base.vhd", NULL, NULL);
	assert_ok(open_with(path, NULL, parents, 1, &disk, &err), &err);
	assert_is_child_over_base(disk);
	assert_string_equal(tranship_disk_file_name(tranship_disk_layer(disk, 1), 0), moved);
	tranship_disk_close(disk);
	assert_ok(open_with(path, NULL, parents, 3, &disk, &err), &err); /* the rest is not used */
	assert_is_child_over_base(disk);
	tranship_disk_close(disk);
	assert_fails(open_with(path, NULL, parents + 1, 1, &disk, &err), TRANSHIP_EMISMATCH, &err,
		     "wrong.vhd' is " ID("0e"));
	assert_fails(open_with(path, NULL, parents + 2, 1, &disk, &err), TRANSHIP_EIO, &err,
		     "gone.vhd'");
	assert_fails(open_with(path, NULL, none, 1, &disk, &err), TRANSHIP_EIO, &err, "No such");
	assert_fails(open_with(path, NULL, (const char *const[]){ path }, 1, &disk, &err),
		     TRANSHIP_ECORRUPT, &err, "comes back");
	assert_fails(open_with(path, NULL, (const char *const[]){ *state }, 1, &disk, &err),
		     TRANSHIP_EINVAL, &err, "it is a directory");
	assert_int_equal(mkfifo(path_in(*state, "pipe"), 0600), 0); /* nobody writes into it */
	snprintf(gone, sizeof(gone), "%s", path_in(*state, "pipe"));
	assert_fails(open_with(path, NULL, parents + 2, 1, &disk, &err), TRANSHIP_EINVAL, &err,
		     "pipe'");
}

/* The parent of a parent that was named is looked for beneath that one's folder. */
static void test_parents__of_a_parent_that_is_named(void **state)
{
	struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
	const char *path = path_in(*state, "child.vhd");
	char middle[4200];
	const char *const parents[] = { middle };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_int_equal(mkdir(path_in(*state, "far"), 0700), 0);
	snprintf(middle, sizeof(middle), "%s", path_in(*state, "far/middle.vhd"));
	layer_write(middle, &(struct layer_image){ .id = 0x0B,
						   .parent = 0x0A,
						   .hints = { "last.vhd" },
						   .owned = 2,
						   .fill = 0xB0 });
	layer_write(path_in(*state, "far/last.vhd"),
		    &(struct layer_image){ .id = 0x0A, .owned = ALL, .fill = 0xA0 });
	write_child(*state, "middle.vhd", NULL, NULL);
	assert_ok(open_with(path, &beside, parents, 1, &disk, &err), &err);
	assert_int_equal(tranship_disk_layer_count(disk), 3);
	assert_int_equal(layer_byte(disk, 0), 0xC0);
	assert_int_equal(layer_byte(disk, 1), 0xB0);
	assert_int_equal(layer_byte(disk, 3), 0xA0);
	tranship_disk_close(disk);
	assert_fails(open_with(path, NULL, parents, 1, &disk, &err), TRANSHIP_EDENIED, &err,
		     "the policy allows no other files");
	assert_int_equal(rename(path_in(*state, "far/last.vhd"), path_in(*state, "last.vhd")), 0);
	assert_fails(open_with(path, &beside, parents, 1, &disk, &err), TRANSHIP_EIO, &err,
		     "the parent " ID("0a") " is needed");
}

static void write_vhdx(const char *path, struct image_vhdx *vhdx)
{
	struct buffer out = { 0 };

	assert_int_equal(image_vhdx(vhdx, &out), 0);
	write_path(path, out.bytes, out.len);
	buffer_free(&out);
}

static void test_parent__of_another_sector_size(void **state)
{
	static const unsigned char linkage[] = { 0x44, 0x33, 0x22, 0x11, 0x66, 0x55, 0x88, 0x77,
						 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF, 0x00 };
	struct image_vhdx child = image_vhdx_defaults(), parent = image_vhdx_defaults();
	struct tranship_disk *disk;
	struct tranship_error err;

	child.has_parent = true;
	child.locator = image_vhdx_locator;
	child.locator_pairs = COUNT_OF(image_vhdx_locator);
	memcpy(parent.data_write_guid.bytes, linkage, 16);
	write_vhdx(path_in(*state, "child.vhdx"), &child);
	write_vhdx(path_in(*state, "parent.vhdx"), &parent);
	assert_ok(layer_open(path_in(*state, "child.vhdx"), 0, &disk, &err), &err);
	tranship_disk_close(disk);
	parent.logical_sector = 4096;
	write_vhdx(path_in(*state, "parent.vhdx"), &parent);
	REFUSED(path_in(*state, "child.vhdx"), 0, TRANSHIP_EMISMATCH, "sectors have 512 bytes",
		"parent.vhdx' 4096");
}

/* Memory runs out at each place: what was opened is closed, and nothing else is said. */
static void test_sweep__allocations(void **state)
{
	const char *top = numbered(*state, 0);
	unsigned before = count_descriptors();
	struct heap_seen seen = { .failed = true };
	unsigned long n;

	if (!HEAP_WATCHED)
		skip();
	write_chain(*state, 4);
	for (n = 1; seen.failed; n++) {
		struct tranship_error err = { 0 };
		struct tranship_disk *disk;
		int rc;

		heap_watch(n, n % 2);
		rc = layer_open(top, 0, &disk, &err);
		if (rc == 0)
			tranship_disk_close(disk);
		seen = heap_unwatch();
		assert_int_equal(seen.held, 0);
		assert_int_equal(count_descriptors(), before);
		if (seen.failed)
			assert_int_equal(rc, TRANSHIP_ENOMEM);
		else
			assert_ok(rc, &err);
	}
	assert_true(n > 60);
}

/* Memory that runs out is not hidden behind a hint that led nowhere. */
static void test_sweep__allocations_with_several_hints(void **state)
{
	const char *path = path_in(*state, "child.vhd");
	struct heap_seen seen = { .failed = true };
	unsigned long n;

	if (!HEAP_WATCHED)
		skip();
	write_base(*state, "base.vhd");
	write_child(*state, "gone.vhd", "base.vhd", "gone2.vhd");
	for (n = 1; seen.failed; n++) {
		struct tranship_error err = { 0 };
		struct tranship_disk *disk;
		int rc;

		heap_watch(n, true);
		rc = layer_open(path, 0, &disk, &err);
		if (rc == 0)
			tranship_disk_close(disk);
		seen = heap_unwatch();
		assert_int_equal(seen.held, 0);
		assert_int_equal(rc, seen.failed ? TRANSHIP_ENOMEM : 0);
	}
	assert_true(n > 30);
}

static void test_sweep__reads(void **state)
{
	const char *top = numbered(*state, 0);
	unsigned before = count_descriptors(), n = 0;
	bool failed;

	write_chain(*state, 4);
	do {
		struct tranship_error err = { 0 };
		struct tranship_disk *disk;
		int rc;

		reads = 0;
		fail_read = ++n;
		rc = layer_open(top, 0, &disk, &err);
		failed = reads >= fail_read;
		fail_read = 0;
		if (failed)
			assert_fails(rc, TRANSHIP_EIO, &err, "Input/output error");
		else
			assert_ok(rc, &err);
		assert_true((rc == 0) == (disk != NULL));
		tranship_disk_close(disk);
		assert_int_equal(count_descriptors(), before);
	} while (failed);
	assert_true(n > 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_parent__is_missing),
		IN_FOLDER(test_parent__is_another_one),
		IN_FOLDER(test_parent__is_no_such_image),
		IN_FOLDER(test_parent__is_where_a_later_hint_says),
		IN_FOLDER(test_chain__comes_back),
		IN_FOLDER(test_chain__is_as_deep_as_the_policy_says),
		IN_FOLDER(test_parents__that_the_caller_names),
		IN_FOLDER(test_parents__of_a_parent_that_is_named),
		IN_FOLDER(test_parent__of_another_sector_size),
		IN_FOLDER(test_sweep__allocations),
		IN_FOLDER(test_sweep__allocations_with_several_hints),
		IN_FOLDER(test_sweep__reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
