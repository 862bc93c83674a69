// SPDX-License-Identifier: Apache-2.0
/* VMDKs that are damaged, and mended where they stand. */
#include "changed_vmdk.h"

#include "base/bytes.h"
#include "base/checked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_at(const char *path, size_t off, const void *with, size_t len)
{
	size_t size;
	unsigned char *bytes = read_path(path, &size);

	assert_true(off + len <= size);
	memcpy(bytes + off, with, len);
	write_path(path, bytes, size);
	free(bytes);
}

static void repair(const char *path, unsigned flags, uint64_t errors, uint64_t left)
{
	struct tranship_check_result before, after;
	struct tranship_error err;

	assert_ok(tranship_repair(path, &layer, flags, NULL, NULL, &before, &after, NULL, &err),
		  &err);
	assert_int_equal(before.errors, errors);
	assert_int_equal(after.errors, left);
}

/* Each entry of directories and tables, wrong in one copy. */
static void test_repair__copies(void **state)
{
	static const uint32_t wrong[] = { 0, 0x00FFFFFF, 1 };
	unsigned char *content = content_new(SIZE), raw[4], *image;
	const char *path = make(state, &kinds[4], content, SIZE);
	uint64_t gd, rgd, where[4];
	size_t size, i, w;

	image = read_path(path, &size);
	rgd = get_le64(image + 48) * 512;
	gd = get_le64(image + 56) * 512;
	where[0] = rgd + 4;                                /* a redundant table's place */
	where[1] = get_le32(image + rgd + 4) * 512ULL + 4; /* its entry */
	where[2] = gd + 4;
	where[3] = get_le32(image + gd + 4) * 512ULL + 4;
	free(image);
	for (i = 0; i < COUNT_OF(where); i++)
		for (w = 0; w < COUNT_OF(wrong); w++) {
			struct tranship_check_result before, after;
			struct tranship_error err;

			if (i >= 2 && wrong[w] != 0x00FFFFFF)
				continue; /* what the primary says is right if it can be */
			path = make(state, &kinds[4], content, SIZE);
			put_le32(raw, wrong[w]);
			put_at(path, where[i], raw, 4);
			assert_ok(tranship_repair(path, &layer, TRANSHIP_REPAIR_ERRORS, NULL, NULL,
						  &before, &after, NULL, &err),
				  &err);
			assert_true(before.errors > 0);
			expect(path, &layer, content, SIZE, true);
			repair(path, TRANSHIP_REPAIR_ERRORS | TRANSHIP_REPAIR_LEAKS, 0, 0);
			expect(path, &layer, content, SIZE, false);
		}
	free(content);
}

/* The whole directory is gone, or what the header says of its place. */
static void test_repair__a_lost_directory(void **state)
{
	unsigned char *content = content_new(SIZE), zeros[512] = { 0 }, *image;
	const char *path;
	size_t size, i;
	struct tranship_error err;

	for (i = 0; i < 2; i++) {
		path = make(state, &kinds[4], content, SIZE);
		image = read_path(path, &size);
		if (i == 0)
			put_at(path, get_le64(image + 56) * 512, zeros, 512);
		else
			put_at(path, 56, "\xff\xff\xff\0", 4);
		free(image);
		assert_fails(tranship_resize(path, &layer, LARGE, 0, &err), TRANSHIP_ECORRUPT, &err,
			     "must be repaired");
		repair(path, TRANSHIP_REPAIR_ERRORS, 1, 0);
		expect(path, &layer, content, SIZE, true);
		scribble(path, content, SIZE, 8);
		expect(path, &layer, content, SIZE, true);
		assert_ok(tranship_resize(path, &layer, LARGE, 0, &err), &err);
		repair(path, TRANSHIP_REPAIR_LEAKS, 0, 0);
		expect(path, &layer, content, LARGE, false);
	}
	free(content);
}

/* Two grains in one place stay so, and nothing else is lost. */
static void test_repair__what_cannot_be_mended(void **state)
{
	unsigned char *content = content_new(SIZE), raw[8], *image;
	const char *path = make(state, &kinds[6], content, SIZE);
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned char *back = malloc(SIZE), *again = malloc(SIZE);
	uint64_t table;
	size_t size, i;

	assert_true(back && again);
	image = read_path(path, &size);
	table = get_le32(image + get_le64(image + 56) * 512) * 512ULL;
	for (i = 0; get_le32(image + table + 4 * i) == 0; i++)
		;
	put_le32(raw, get_le32(image + table + 4 * i));
	free(image);
	put_at(path, table + 4 * (i == 3 ? 2 : i + 1), raw, 4);
	assert_ok(tranship_open(path, &layer, &disk, &err), &err);
	assert_ok(tranship_disk_read(disk, NULL, 0, back, SIZE, &err), &err);
	tranship_disk_close(disk);
	repair(path, TRANSHIP_REPAIR_ERRORS | TRANSHIP_REPAIR_LEAKS, 1, 1);
	assert_ok(tranship_open(path, &layer, &disk, &err), &err);
	assert_ok(tranship_disk_read(disk, NULL, 0, again, SIZE, &err), &err);
	tranship_disk_close(disk);
	assert_memory_equal(back, again, SIZE);
	free(back);
	free(again);
	free(content);
}

/* An image whose bytes are turned around here and there is never read differently after a repair,
 * where it was read before, and never has more errors. */
static void test_repair__never_worse(void **state)
{
	unsigned char *content = content_new(SIZE), *image, *before = malloc(SIZE),
		      *after = malloc(SIZE);
	const char *path = make(state, &kinds[4], content, SIZE);
	struct rng rng = { 12 };
	size_t size, i, changed = 0;

	assert_true(before && after);
	image = read_path(path, &size);
	for (i = 0; i < 400; i++) {
		/* the header's numbers, or directories and tables */
		size_t from = get_le64(image + 48) * 512, to = get_le64(image + 64) * 512;
		size_t at = i % 5 ? from + (size_t)rng_below(&rng, to - from)
				  : 12 + (size_t)rng_below(&rng, 61);
		unsigned char byte = (unsigned char)(image[at] ^ (1U << rng_below(&rng, 8)));
		struct tranship_check_result a, b;
		struct tranship_disk *disk;
		struct tranship_error err;
		size_t n;
		int rc;

		write_path(path, image, size);
		put_at(path, at, &byte, 1);
		if (tranship_open(path, &layer, &disk, &err))
			continue;
		n = (size_t)min_u64(tranship_disk_size(disk), SIZE);
		rc = tranship_disk_read(disk, NULL, 0, before, n, &err);
		tranship_disk_close(disk);
		if (tranship_repair(path, &layer, TRANSHIP_REPAIR_ERRORS | TRANSHIP_REPAIR_LEAKS,
				    NULL, NULL, &a, &b, NULL, &err))
			continue;
		assert_true(b.errors <= a.errors);
		changed += b.errors < a.errors;
		if (rc)
			continue;
		assert_ok(tranship_open(path, &layer, &disk, &err), &err);
		assert_ok(tranship_disk_read(disk, NULL, 0, after, n, &err), &err);
		tranship_disk_close(disk);
		assert_memory_equal(before, after, n);
	}
	assert_true(changed > 10);
	free(image);
	free(before);
	free(after);
	free(content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_repair__copies),
		IN_FOLDER(test_repair__a_lost_directory),
		IN_FOLDER(test_repair__what_cannot_be_mended),
		IN_FOLDER(test_repair__never_worse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
