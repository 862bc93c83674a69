// SPDX-License-Identifier: Apache-2.0
/* Files put into FAT32 volumes: what changes and what does not, and that nothing is half put. */
#include "fat_scene.h"
#include "heap.h"

#include "base/bytes.h"
#include "mbr-gpt/fat_ondisk.h"

#include <stdlib.h>
#include <string.h>

#define FREE 110U /* clusters, in a filled volume */

static const unsigned char *content(void)
{
	static unsigned char bytes[60000];
	size_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 13 + i / 251);
	return bytes;
}

static void expect_content(struct fat_scene *s, const char *path, size_t len)
{
	unsigned char *bytes;
	size_t got;

	assert_ok(fat_scene_read(s, path, &bytes, &got), &s->err);
	assert_int_equal(got, len);
	assert_memory_equal(bytes, content(), len);
	free(bytes);
}

static void expect_others(struct fat_scene *s)
{
	fat_scene_expect(s, "EFI/BOOT/BOOTX64.EFI", 6, 100);
	fat_scene_expect(s, "A long name.txt", 5, 2 * s->fat.cluster_size + 100);
	fat_scene_expect(s, "EMPTY.TXT", 0, 0);
}

/* FSInfo in this sector. */
static void expect_info(struct fat_scene *s, uint32_t sector, uint32_t free_count, uint32_t next)
{
	uint64_t off = (uint64_t)sector * s->fat.sector_size;

	assert_int_equal(fat_scene_word(s, off + FAT_INFO_FREE), free_count);
	assert_int_equal(fat_scene_word(s, off + FAT_INFO_NEXT), next);
}

static void test_fat_put__lowest_clusters_in_order(void **state)
{
	struct fat_scene s;
	uint32_t copy;

	(void)state;
	fat_scene_make(&s, NULL);
	image_fat_link(&s.image, 11, 0xA0000000);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_ok(fat_scene_put(&s, "NEW.TXT", content(), 4 * 512 + 1), &s.err);
	for (copy = 0; copy < 2; copy++) {
		assert_int_equal(fat_scene_entry(&s, copy, 8), 11);
		assert_int_equal(fat_scene_entry(&s, copy, 11), 0xA000000D);
		assert_int_equal(fat_scene_entry(&s, copy, 13), 14);
		assert_int_equal(fat_scene_entry(&s, copy, 14), 15);
		assert_int_equal(fat_scene_entry(&s, copy, 15), 0x0FFFFFFF);
		assert_int_equal(fat_scene_entry(&s, copy, 10), FAT_BAD);
	}
	expect_info(&s, 1, FREE - 5, 15);
	expect_info(&s, 7, FREE - 5, 15);
	expect_content(&s, "new.txt", 4 * 512 + 1);
	fat_scene_expect(&s, "BOOTMGR", 12, 300);
	expect_others(&s);
	fat_scene_close(&s);
}

/* The tail of the last cluster is zeros, whatever was there; the slot that was deleted is used. */
static void test_fat_put__tail_and_slot(void **state)
{
	unsigned char raw[512];
	struct fat_entry entry;
	struct fat_scene s;
	bool found;
	size_t i;

	(void)state;
	fat_scene_make(&s, NULL);
	memset(image_fat_cluster(&s.image, 8), 0xAA, 512);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_ok(fat_put(&s.fat, &s.patches, "NEW", 0x27, content(), 100, "a test", &s.err),
		  &s.err);
	assert_ok(volume_read(&s.fat.volume, s.fat.data_off + 6 * 512, raw, 512, &s.err), &s.err);
	for (i = 100; i < 512; i++)
		assert_int_equal(raw[i], 0);
	assert_ok(fat_find(&s.fat, "NEW", &found, &entry, &s.err), &s.err);
	assert_true(found);
	assert_int_equal(entry.attributes, 0x27);
	assert_int_equal(entry.entry_off, s.fat.data_off + 2 * FAT_SLOT);
	/* Created, accessed, written on 1980-01-01. */
	assert_int_equal(fat_scene_word(&s, entry.entry_off + 16), 0x00210021);
	assert_int_equal(fat_scene_word(&s, entry.entry_off + 22), 0x00210000);
	fat_scene_close(&s);
}

static void test_fat_put__replaces(void **state)
{
	struct fat_scene s;
	uint32_t copy;

	(void)state;
	fat_scene_make(&s, NULL);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_ok(fat_scene_put(&s, "ALONGN~1.TXT", content(), 600), &s.err);
	for (copy = 0; copy < 2; copy++) {
		assert_int_equal(fat_scene_entry(&s, copy, 5), 7);
		assert_int_equal(fat_scene_entry(&s, copy, 7), 0x0FFFFFFF);
		assert_int_equal(fat_scene_entry(&s, copy, 9), 0);
	}
	expect_info(&s, 1, FREE + 1, 7);
	expect_content(&s, "alongn~1.txt", 600);
	assert_int_equal(fat_scene_word(&s, s.fat.data_off + 3 * FAT_SLOT) & 0xFF, 0xE5);
	assert_int_equal(fat_scene_word(&s, s.fat.data_off + 4 * FAT_SLOT) & 0xFF, 0xE5);
	/* The new one has no long name. */
	assert_int_equal(
		fat_scene_read(&s, "A long name.txt", &(unsigned char *){ NULL }, &(size_t){ 0 }),
		1);
	assert_ok(fat_scene_put(&s, "EMPTY.TXT", content(), 700), &s.err);
	assert_ok(fat_scene_put(&s, "ALONGN~1.TXT", NULL, 0), &s.err);
	expect_content(&s, "EMPTY.TXT", 700);
	expect_content(&s, "ALONGN~1.TXT", 0);
	fat_scene_close(&s);
}

static void test_fat_put__makes_folders(void **state)
{
	struct fat_entry folder;
	struct fat_scene s;
	bool found;
	uint64_t off;

	(void)state;
	fat_scene_make(&s, NULL);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_ok(fat_scene_put(&s, "\\Boot//a/BCD", content(), 1000), &s.err);
	assert_ok(fat_find(&s.fat, "BOOT", &found, &folder, &s.err), &s.err);
	assert_int_equal(folder.attributes, FAT_ATTR_DIRECTORY);
	assert_int_equal(folder.cluster, 8);
	off = s.fat.data_off + 6 * 512;
	assert_int_equal(fat_scene_word(&s, off) & 0xFFFF, 0x202E);
	assert_int_equal(fat_scene_word(&s, off + 26) & 0xFFFF, 8);
	assert_int_equal(fat_scene_word(&s, off + 32 + 26) & 0xFFFF, 0); /* the root */
	off = s.fat.data_off + 9 * 512;
	assert_int_equal(fat_scene_word(&s, off + 26) & 0xFFFF, 11);
	assert_int_equal(fat_scene_word(&s, off + 32 + 26) & 0xFFFF, 8);
	expect_content(&s, "boot/A/bcd", 1000);
	expect_info(&s, 1, FREE - 4, 14);
	expect_others(&s);
	fat_scene_close(&s);
}

static void test_fat_put__extends_a_full_folder(void **state)
{
	struct fat_scene s;

	(void)state;
	fat_scene_make(&s, NULL);
	memset(image_fat_cluster(&s.image, 11), 0xAA, 512);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_ok(fat_scene_put(&s, "EFI/BOOT/ONE", content(), 1), &s.err);
	assert_int_equal(fat_scene_entry(&s, 1, 20), 0x0FFFFFFF);
	assert_ok(fat_scene_put(&s, "EFI/BOOT/TWO", content(), 2), &s.err);
	assert_int_equal(fat_scene_entry(&s, 0, 20), 13);
	assert_int_equal(fat_scene_entry(&s, 1, 20), 13);
	assert_int_equal(fat_scene_entry(&s, 1, 13), 0x0FFFFFFF);
	expect_content(&s, "EFI/BOOT/ONE", 1);
	expect_content(&s, "EFI/BOOT/TWO", 2);
	expect_others(&s);
	fat_scene_close(&s);
}

/* What stands behind the end of a folder stays out of it. */
static void test_fat_put__garbage_behind_the_end(void **state)
{
	struct fat_scene s;
	bool found;
	struct fat_entry entry;

	(void)state;
	fat_scene_make(&s, NULL);
	image_fat_entry(image_fat_slot(&s.image, 2, 2), "FILLER     ", FAT_ATTR_VOLUME, 0, 0);
	image_fat_entry(image_fat_slot(&s.image, 2, 9), "GARBAGE    ", 0, 99, 99);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_ok(fat_scene_put(&s, "NEW", content(), 3), &s.err);
	expect_content(&s, "NEW", 3);
	assert_ok(fat_find(&s.fat, "GARBAGE", &found, &entry, &s.err), &s.err);
	assert_false(found);
	fat_scene_close(&s);
}

/* FSInfo before, and after 5 clusters were taken. */
static void test_fat_put__fsinfo(void **state)
{
	static const struct {
		uint32_t signature, count, next, want_count, want_next;
	} cases[] = {
		{ 0x41615252, FREE, 2, FREE - 5, 15 },
		{ 0x41615252, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF },
		{ 0x41615252, FREE, 0xFFFFFFFF, FREE - 5, 0xFFFFFFFF },
		{ 0x41615252, 4, 999, 0xFFFFFFFF, 15 },
		{ 0x41615252, 0x7FFFFFFF, 2, 0xFFFFFFFF, 15 },
		{ 0x41615253, FREE, 2, FREE, 2 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct fat_scene s;
		unsigned char *info;

		fat_scene_make(&s, NULL);
		info = s.image.bytes + 512;
		put_le32(info, cases[i].signature);
		put_le32(info + FAT_INFO_FREE, cases[i].count);
		put_le32(info + FAT_INFO_NEXT, cases[i].next);
		assert_ok(fat_scene_open(&s), &s.err);
		assert_ok(fat_scene_put(&s, "NEW", content(), 5 * 512), &s.err);
		expect_info(&s, 1, cases[i].want_count, cases[i].want_next);
		fat_scene_close(&s);
	}
}

static void test_fat_put__one_table_of_two(void **state)
{
	struct fat_scene s;

	(void)state;
	fat_scene_make(&s, NULL);
	put_le16(s.image.bytes + FAT_BOOT_FLAGS, 0x81);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_ok(fat_scene_put(&s, "NEW", content(), 512), &s.err);
	assert_int_equal(fat_scene_entry(&s, 0, 8), 0);
	assert_int_equal(fat_scene_entry(&s, 1, 8), 0x0FFFFFFF);
	fat_scene_close(&s);
}

/* A failure puts nothing, and what was put before stays. */
static void expect_refused(struct fat_scene *s, const char *path, size_t len, int code,
			   const char *piece)
{
	struct patches before;
	size_t i;

	assert_ok(patches_copy(&s->patches, &before, &s->err), &s->err);
	assert_fails(fat_scene_put(s, path, content(), len), code, &s->err, piece);
	assert_int_equal(s->patches.count, before.count);
	for (i = 0; i < before.count; i++) {
		assert_int_equal(s->patches.at[i].sector, before.at[i].sector);
		assert_memory_equal(s->patches.at[i].bytes, before.at[i].bytes, 512);
	}
	patches_free(&before);
}

static void test_fat_put__refusals(void **state)
{
	struct fat_scene s;

	(void)state;
	fat_scene_make(&s, NULL);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_ok(fat_scene_put(&s, "BEFORE", content(), 512), &s.err);
	expect_refused(&s, "EFI", 1, TRANSHIP_EUNSUPPORTED, "'EFI' is a folder");
	expect_refused(&s, "BOOTMGR/BCD", 1, TRANSHIP_EUNSUPPORTED, "'BOOTMGR' is a file");
	expect_refused(&s, "NEW/BOOT.MGR.X", 1, TRANSHIP_EINVAL, "'BOOT.MGR.X' is no name");
	expect_refused(&s, "123456789", 1, TRANSHIP_EINVAL, "is no name");
	expect_refused(&s, "A.", 1, TRANSHIP_EINVAL, "is no name");
	expect_refused(&s, ".A", 1, TRANSHIP_EINVAL, "is no name");
	expect_refused(&s, "A.TEXT", 1, TRANSHIP_EINVAL, "is no name");
	expect_refused(&s, "..", 1, TRANSHIP_EINVAL, "is no name");
	expect_refused(&s, "A B/C", 1, TRANSHIP_EINVAL, "'A B' is no name");
	expect_refused(&s, "A\n\x80", 1, TRANSHIP_EINVAL, "'A\\x0a\\x80' is no name");
	expect_refused(&s, "A long name.txt", 1, TRANSHIP_EINVAL, "is no name");
	expect_refused(&s, "", 1, TRANSHIP_EINVAL, "path of the file is empty");
	expect_refused(&s, "//", 1, TRANSHIP_EINVAL, "path of the file is empty");
	expect_refused(&s, "NEW", (FREE - 1) * 512 + 1, TRANSHIP_ELIMIT, "has no room");
	expect_refused(&s, "D/NEW", (FREE - 2) * 512 + 1, TRANSHIP_ELIMIT, "has no room");
	expect_refused(&s, "BOOTMGR", FREE * 512 + 1, TRANSHIP_ELIMIT, "has no room");
	assert_fails(fat_put(&s.fat, &s.patches, "X", FAT_ATTR_DIRECTORY, NULL, 0, "", &s.err),
		     TRANSHIP_EINVAL, &s.err, "0x10 are no attributes");
	assert_fails(fat_put(&s.fat, &s.patches, "X", 0, content(), (size_t)1 << 32, "", &s.err),
		     TRANSHIP_ELIMIT, &s.err, "longer than FAT32");
	assert_fails(fat_put(&s.fat, &(struct patches){ 0 }, "X", 0, NULL, 0, "", &s.err),
		     TRANSHIP_EINVAL, &s.err, "not read through");
	/* To the last cluster it does. */
	assert_ok(fat_scene_put(&s, "D/NEW", content(), (FREE - 2) * 512), &s.err);
	expect_info(&s, 1, 0, 121);
	expect_content(&s, "D/NEW", (FREE - 2) * 512);
	expect_others(&s);
	fat_scene_close(&s);
}

/* The table has a value for a cluster: replacing ALONGN~1.TXT (5, 9, 7) then puts nothing. */
static void test_fat_put__broken_chains(void **state)
{
	static const struct {
		uint32_t cluster, value;
		const char *piece;
	} cases[] = {
		{ 9, 5, "is a loop" },      { 9, 0, "it is free" },
		{ 7, 122, "out of range" }, { 5, 0x0FFFFFFF, "ends behind 1" },
		{ 2, 0, "for cluster 2" },  { 2, 2, "is in its folder twice" },
	};
	struct fat_scene s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		fat_scene_make(&s, NULL);
		for (uint32_t k = 8; k < 16; k++)
			image_fat_entry(image_fat_slot(&s.image, 2, k), "FILLER     ",
					FAT_ATTR_VOLUME, 0, 0);
		image_fat_link(&s.image, cases[i].cluster, cases[i].value);
		assert_ok(fat_scene_open(&s), &s.err);
		expect_refused(&s, "ALONGN~1.TXT", 1, TRANSHIP_ECORRUPT, cases[i].piece);
		fat_scene_close(&s);
	}
	/* A loop behind what its size needs. */
	fat_scene_make(&s, NULL);
	image_fat_link(&s.image, 7, 40);
	for (i = 40; i < 60; i++)
		image_fat_link(&s.image, (uint32_t)i, i == 59 ? 50 : (uint32_t)i + 1);
	assert_ok(fat_scene_open(&s), &s.err);
	expect_refused(&s, "ALONGN~1.TXT", 1, TRANSHIP_ECORRUPT, "cluster");
	fat_scene_close(&s);
	/* A folder whose loop stands behind its end. */
	fat_scene_make(&s, NULL);
	image_fat_link(&s.image, 20, 4);
	assert_ok(fat_scene_open(&s), &s.err);
	expect_refused(&s, "EFI/BOOT/NEW", 1, TRANSHIP_ECORRUPT, "is a loop");
	fat_scene_close(&s);
	/* One name twice. */
	fat_scene_make(&s, NULL);
	image_fat_entry(image_fat_slot(&s.image, 2, 8), "BOOTMGR    ", 0, 0, 0);
	assert_ok(fat_scene_open(&s), &s.err);
	expect_refused(&s, "BOOTMGR", 1, TRANSHIP_ECORRUPT, "is in its folder twice");
	fat_scene_close(&s);
}

static void test_fat_put__the_longest_folder(void **state)
{
	struct image_fat image = image_fat_defaults();
	struct fat_scene s;
	uint32_t i;

	(void)state;
	image.cluster_sectors = 128;
	image.clusters = 64;
	fat_scene_make(&s, &image);
	for (i = 30; i < 62; i++)
		image_fat_link(&s.image, i, i + 1 < 62 ? i + 1 : FAT_MASK);
	for (i = 0; i < FAT_SLOTS_MAX; i++)
		image_fat_entry(image_fat_slot(&s.image, 30, i), "FILLER     ", FAT_ATTR_VOLUME, 0,
				0);
	image_fat_entry(image_fat_slot(&s.image, 2, 8), "LONG       ", FAT_ATTR_DIRECTORY, 30, 0);
	assert_ok(fat_scene_open(&s), &s.err);
	expect_refused(&s, "LONG/NEW", 1, TRANSHIP_ELIMIT, "its folder, which is full");
	fat_scene_close(&s);
}

/* The most sectors that a plan replaces: what does not fit is not put in part. */
static void test_fat_put__too_many_sectors(void **state)
{
	struct image_fat image = image_fat_defaults();
	size_t len = (size_t)PATCHES_SECTORS_MAX * 512;
	unsigned char *bytes = calloc(1, len);
	struct fat_scene s;

	(void)state;
	assert_non_null(bytes);
	image.clusters = 600;
	image.cluster_sectors = 128;
	fat_scene_make(&s, &image);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_fails(fat_scene_put(&s, "BIG", bytes, len), TRANSHIP_ELIMIT, &s.err,
		     "more than 65536 sectors");
	assert_int_equal(s.patches.count, 0);
	fat_scene_close(&s);
	free(bytes);
}

/* How many reads it takes where the first free cluster is this one. */
static unsigned reads_to_put(uint32_t first)
{
	struct image_fat image = image_fat_defaults();
	struct fat_scene s;
	unsigned reads;
	uint32_t i;

	image.clusters = 20000;
	fat_scene_make(&s, &image);
	for (i = 13; i < first; i++)
		if (i != 20)
			image_fat_link(&s.image, i, FAT_BAD);
	image_fat_link(&s.image, 8, FAT_BAD);
	image_fat_link(&s.image, 11, FAT_BAD);
	assert_ok(fat_scene_open(&s), &s.err);
	s.faults.reads = 0;
	assert_ok(fat_scene_put(&s, "NEW/A/FILE", content(), 20 * 512), &s.err);
	reads = s.faults.reads;
	fat_scene_close(&s);
	return reads;
}

/* 19,900 entries behind each other stand in 5 pages of the table. */
static void test_fat_put__searches_the_table_once(void **state)
{
	(void)state;
	assert_true(reads_to_put(19900) <= reads_to_put(21) + 4);
}

/* Each read fails in turn. */
static void test_fat_put__failing_reads(void **state)
{
	unsigned nth;
	bool more = true;

	(void)state;
	for (nth = 1; more; nth++) {
		struct fat_scene s;

		fat_scene_make(&s, NULL);
		assert_ok(fat_scene_open(&s), &s.err);
		s.faults.reads = 0;
		s.faults.fail_read = nth;
		if (fat_scene_put(&s, "BOOT/BCD", content(), 3000)) {
			assert_true(s.faults.failed);
			assert_int_equal(s.err.code, TRANSHIP_EIO);
			assert_int_equal(s.patches.count, 0);
		}
		more = s.faults.failed;
		s.faults.fail_read = 0;
		assert_ok(fat_scene_put(&s, "BOOT/BCD", content(), 3000), &s.err);
		expect_content(&s, "BOOT/BCD", 3000);
		expect_info(&s, 1, FREE - 7, 17);
		fat_scene_close(&s);
	}
	assert_true(nth > 20);
}

static void test_fat_put__failing_allocations(void **state)
{
	unsigned long nth;
	bool more = HEAP_WATCHED;

	(void)state;
	for (nth = 1; more; nth++) {
		struct heap_seen seen;
		struct fat_scene s;
		int rc;

		fat_scene_make(&s, NULL);
		assert_ok(fat_scene_open(&s), &s.err);
		assert_ok(fat_scene_put(&s, "BEFORE", content(), 700), &s.err);
		heap_watch(nth, false);
		rc = fat_scene_put(&s, "BOOT/BCD", content(), 3000);
		seen = heap_unwatch();
		more = seen.failed;
		if (rc) {
			assert_int_equal(rc, TRANSHIP_ENOMEM);
			expect_info(&s, 1, FREE - 2, 11);
			assert_ok(fat_scene_put(&s, "BOOT/BCD", content(), 3000), &s.err);
		}
		expect_content(&s, "BEFORE", 700);
		expect_content(&s, "BOOT/BCD", 3000);
		fat_scene_close(&s);
	}
	assert_true(!HEAP_WATCHED || nth > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fat_put__lowest_clusters_in_order),
		cmocka_unit_test(test_fat_put__tail_and_slot),
		cmocka_unit_test(test_fat_put__replaces),
		cmocka_unit_test(test_fat_put__makes_folders),
		cmocka_unit_test(test_fat_put__extends_a_full_folder),
		cmocka_unit_test(test_fat_put__garbage_behind_the_end),
		cmocka_unit_test(test_fat_put__fsinfo),
		cmocka_unit_test(test_fat_put__one_table_of_two),
		cmocka_unit_test(test_fat_put__refusals),
		cmocka_unit_test(test_fat_put__broken_chains),
		cmocka_unit_test(test_fat_put__the_longest_folder),
		cmocka_unit_test(test_fat_put__too_many_sectors),
		cmocka_unit_test(test_fat_put__searches_the_table_once),
		cmocka_unit_test(test_fat_put__failing_reads),
		cmocka_unit_test(test_fat_put__failing_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
