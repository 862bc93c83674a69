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

/* Where things stand in an image, in bytes. */
struct places {
	uint64_t rgd, gd, grains, rgt, gt; /* the tables are the first ones */
	size_t size;
};

static struct places places_of(const char *path)
{
	struct places at;
	unsigned char *image = read_path(path, &at.size);

	at.rgd = get_le64(image + 48) * 512;
	at.gd = get_le64(image + 56) * 512;
	at.grains = get_le64(image + 64) * 512;
	at.rgt = get_le32(image + at.rgd) * 512ULL;
	at.gt = get_le32(image + at.gd) * 512ULL;
	free(image);
	return at;
}

static void fill_at(const char *path, uint64_t off, int byte, size_t len)
{
	unsigned char *bytes = malloc(len);

	assert_non_null(bytes);
	memset(bytes, byte, len);
	put_at(path, (size_t)off, bytes, len);
	free(bytes);
}

static void count_warning(void *ctx, const char *message)
{
	(void)message;
	++*(unsigned *)ctx;
}

/* Opens with so many warnings and this content; a check finds errors, and no leaks if there is a
 * warning. */
static void expect_damaged(const char *path, const unsigned char *content, size_t size,
			   unsigned warnings)
{
	struct tranship_open_options open = layer;
	unsigned char *bytes = malloc(size);
	struct tranship_check_result result;
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned warned = 0;

	assert_non_null(bytes);
	open.warn = count_warning;
	open.warn_ctx = &warned;
	assert_ok(tranship_open(path, &open, &disk, &err), &err);
	assert_int_equal(warned, warnings);
	assert_ok(tranship_disk_read(disk, NULL, 0, bytes, size, &err), &err);
	assert_memory_equal(bytes, content, size);
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	assert_true(result.errors > 0);
	if (warnings > 0)
		assert_int_equal(result.leaks, 0);
	tranship_disk_close(disk);
	free(bytes);
}

static void repair_all(const char *path)
{
	struct tranship_check_result before, after;
	struct tranship_error err;

	assert_ok(tranship_repair(path, &layer, TRANSHIP_REPAIR_ERRORS | TRANSHIP_REPAIR_LEAKS,
				  NULL, NULL, &before, &after, NULL, &err),
		  &err);
	assert_int_equal(after.errors, 0);
}

/* The header names another thing of the file for its directory: that thing is not written over, and
 * the redundant directory is used. */
static void test_repair__a_directory_elsewhere(void **state)
{
	unsigned char *content = content_new(SIZE), *image, *mended, sector[8];
	const char *path;
	size_t i, k, size;

	for (i = 0; i < 5; i++) {
		struct places at = places_of(path = make(state, &kinds[4], content, SIZE));
		const uint64_t wrong[] = { 0, 512, at.grains, at.gt, at.grains + 4096 };

		put_le64(sector, wrong[i] / 512);
		put_at(path, 56, sector, 8);
		image = read_path(path, &size);
		expect_damaged(path, content, SIZE, 1);
		repair_all(path);
		expect(path, &layer, content, SIZE, true);
		mended = read_path(path, &size);
		for (k = 0; k < at.size; k++)
			if (k >= 512 || k < 48)
				assert_int_equal(mended[k], image[k]);
		free(image);
		free(mended);
	}
	free(content);
}

/* The same of the redundant directory; the primary one is right. */
static void test_repair__a_redundant_directory_elsewhere(void **state)
{
	unsigned char *content = content_new(SIZE), *image, *mended, sector[8];
	const char *path;
	size_t i, k, size;

	for (i = 0; i < 5; i++) {
		struct places at = places_of(path = make(state, &kinds[4], content, SIZE));
		const uint64_t wrong[] = { 0, 512, at.grains, at.gt, at.gd };

		put_le64(sector, wrong[i] / 512);
		put_at(path, 48, sector, 8);
		image = read_path(path, &size);
		expect_damaged(path, content, SIZE, 0);
		repair_all(path);
		expect(path, &layer, content, SIZE, true);
		mended = read_path(path, &size);
		for (k = 0; k < at.size; k++)
			if (k >= 512 || k < 48)
				assert_int_equal(mended[k], image[k]);
		free(image);
		free(mended);
	}
	free(content);
}

/* Entries of the directory, and entries of a table, that only the copy has. */
static void test_repair__what_only_the_copy_says(void **state)
{
	unsigned char *content = content_new(SIZE);
	struct tranship_error err;
	unsigned i;

	for (i = 0; i < 5; i++) {
		const char *path = make(state, &kinds[4], content, SIZE);
		struct places at = places_of(path);

		switch (i) {
		case 0: fill_at(path, at.gd, 0, 4); break;
		case 1: fill_at(path, at.gd, 0xff, 4); break;
		case 2: fill_at(path, at.gd, 0xff, 6 * 4); break;
		case 3: fill_at(path, at.gt, 0xff, 4 * 4); break;
		case 4: fill_at(path, at.gd + 8, 0, 8); break;
		}
		expect_damaged(path, content, SIZE, 1);
		if (i != 3)
			assert_fails(tranship_resize(path, &layer, LARGE, 0, &err),
				     TRANSHIP_ECORRUPT, &err, "must be repaired");
		repair_all(path);
		expect(path, &layer, content, SIZE, true);
		scribble(path, content, SIZE, i);
		expect(path, &layer, content, SIZE, true);
	}
	free(content);
}

/* A table of zeros comes back, one entry of zeros stays: the grain that the copy names is kept. */
static void test_repair__zeros_and_a_copy(void **state)
{
	unsigned char *content = content_new(SIZE), *seen = malloc(SIZE), *image, *mended;
	const char *path = make(state, &kinds[4], content, SIZE);
	struct places at = places_of(path);
	struct tranship_check_result before, after;
	struct tranship_error err;
	size_t i, first = 4, named = 0, size;

	assert_non_null(seen);
	image = read_path(path, &size);
	for (i = 4; i-- > 0;)
		if (get_le32(image + at.gt + 4 * i)) {
			first = i;
			named++;
		}
	free(image);
	assert_true(named > 1);

	memcpy(seen, content, SIZE);
	memset(seen, 0, 4 * GRAIN);
	fill_at(path, at.gt, 0, 16);
	expect_damaged(path, seen, SIZE, 0);
	repair_all(path);
	expect(path, &layer, content, SIZE, false);

	memcpy(seen, content, SIZE);
	memset(seen + first * GRAIN, 0, GRAIN);
	fill_at(path, at.gt + 4 * first, 0, 4);
	expect_damaged(path, seen, SIZE, 0);
	image = read_path(path, &size);
	assert_ok(tranship_repair(path, &layer, TRANSHIP_REPAIR_ERRORS | TRANSHIP_REPAIR_LEAKS,
				  NULL, NULL, &before, &after, NULL, &err),
		  &err);
	assert_int_equal(before.errors, 1);
	assert_int_equal(after.errors, 1);
	mended = read_path(path, &i);
	assert_int_equal(i, size);
	assert_memory_equal(mended, image, size);
	free(image);
	free(mended);
	free(seen);
	free(content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_repair__copies),
		IN_FOLDER(test_repair__a_lost_directory),
		IN_FOLDER(test_repair__what_cannot_be_mended),
		IN_FOLDER(test_repair__never_worse),
		IN_FOLDER(test_repair__a_directory_elsewhere),
		IN_FOLDER(test_repair__a_redundant_directory_elsewhere),
		IN_FOLDER(test_repair__what_only_the_copy_says),
		IN_FOLDER(test_repair__zeros_and_a_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
