// SPDX-License-Identifier: Apache-2.0
/* FAT32 volumes, read: good ones of all sizes, and boot sectors and tables that lie. */
#include "fat_scene.h"

#include "base/bytes.h"
#include "mbr-gpt/fat_ondisk.h"

#include <stdlib.h>
#include <string.h>

static void test_fat_open__says_what_the_boot_sector_says(void **state)
{
	struct fat_scene s;

	(void)state;
	fat_scene_make(&s, NULL);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_int_equal(s.fat.sector_size, 512);
	assert_int_equal(s.fat.cluster_size, 512);
	assert_int_equal(s.fat.clusters, 120);
	assert_int_equal(s.fat.data_off, (8 + 2) * 512);
	assert_int_equal(s.fat.root_cluster, 2);
	assert_int_equal(s.fat.info_sector, 1);
	assert_int_equal(s.fat.backup_sector, 6);
	assert_int_equal(s.fat.serial, 0x5EED0001);
	assert_int_equal(s.fat.hidden_sectors, 2048);
	assert_string_equal(s.fat.label, "ESP");
	assert_false(s.fat.dirty);
	fat_scene_close(&s);
}

/* One field of the boot sector, and what is said of it. code 0: it opens. */
static const struct {
	size_t off;
	unsigned width;
	uint32_t value;
	int code;
	const char *piece;
} boot_cases[] = {
	{ 510, 2, 0x55AA, TRANSHIP_ECORRUPT, "no signature" },
	{ 0, 1, 0, TRANSHIP_ECORRUPT, "no jump" },
	{ 0, 1, 0xE9, 0, NULL },
	{ 21, 1, 0xF1, TRANSHIP_ECORRUPT, "media byte is 0xF1" },
	{ 21, 1, 0xF0, 0, NULL },
	{ 11, 2, 0, TRANSHIP_ECORRUPT, "sector size is 0" },
	{ 11, 2, 256, TRANSHIP_ECORRUPT, "sector size is 256" },
	{ 11, 2, 513, TRANSHIP_ECORRUPT, "sector size is 513" },
	{ 11, 2, 8192, TRANSHIP_ECORRUPT, "sector size is 8192" },
	{ 11, 2, 4096, TRANSHIP_ECORRUPT, "sectors of 4096 bytes, but it has" },
	{ 13, 1, 0, TRANSHIP_ECORRUPT, "a cluster has 0 sectors" },
	{ 13, 1, 3, TRANSHIP_ECORRUPT, "a cluster has 3 sectors" },
	{ 13, 1, 128, TRANSHIP_ECORRUPT, "0 clusters" },
	{ 14, 2, 0, TRANSHIP_ECORRUPT, "no reserved sectors" },
	{ 14, 2, 128, TRANSHIP_ECORRUPT, "the data begins at sector 130 of 130" },
	{ 14, 2, 6, TRANSHIP_ECORRUPT, "backup of the boot sector is sector 6, of 6" },
	{ 16, 1, 0, TRANSHIP_ECORRUPT, "no copies of the table" },
	{ 16, 1, 122, TRANSHIP_ECORRUPT, "the data begins at sector 130 of 130" },
	{ 17, 2, 16, TRANSHIP_ECORRUPT, "no fixed root folder, this one has 16" },
	{ 19, 2, 130, 0, NULL },
	{ 19, 2, 129, TRANSHIP_ECORRUPT, "129 sectors by one field and 130" },
	{ 22, 2, 1, TRANSHIP_EUNSUPPORTED, "FAT12" },
	{ 22, 2, 100, TRANSHIP_ECORRUPT, "the data begins at sector 208 of 130" },
	{ 32, 4, 0, TRANSHIP_ECORRUPT, "0 sectors" },
	{ 32, 4, 131, TRANSHIP_ECORRUPT, "says that it has 131 sectors" },
	{ 32, 4, UINT32_MAX, TRANSHIP_ECORRUPT, "says that it has 4294967295 sectors" },
	{ 32, 4, 10, TRANSHIP_ECORRUPT, "the data begins at sector 10 of 10" },
	{ 32, 4, 11, 0, NULL },
	{ 36, 4, 0, TRANSHIP_ECORRUPT, "the table has 0 sectors" },
	{ 36, 4, UINT32_MAX, TRANSHIP_ECORRUPT, "the data begins at sector 8589934598" },
	{ 36, 4, 2, 0, NULL },
	{ 40, 2, 0x81, 0, NULL },
	{ 40, 2, 0x82, TRANSHIP_ECORRUPT, "table 2 is the active one, of 2" },
	{ 40, 2, 0x02, 0, NULL },
	{ 42, 2, 0x0102, TRANSHIP_EUNSUPPORTED, "version is 1.2" },
	{ 44, 4, 0, TRANSHIP_ECORRUPT, "root folder is at cluster 0" },
	{ 44, 4, 1, TRANSHIP_ECORRUPT, "root folder is at cluster 1" },
	{ 44, 4, 122, TRANSHIP_ECORRUPT, "root folder is at cluster 122, out of 2 to 121" },
	{ 44, 4, 121, 0, NULL },
	{ 44, 4, 0xF0000002, 0, NULL },
	{ 48, 2, 8, TRANSHIP_ECORRUPT, "FSInfo is sector 8, of 8" },
	{ 48, 2, 0, 0, NULL },
	{ 48, 2, 0xFFFF, 0, NULL },
	{ 48, 2, 6, TRANSHIP_ECORRUPT, "sector 6 is FSInfo and the backup" },
	{ 50, 2, 9, TRANSHIP_ECORRUPT, "backup of the boot sector is sector 9" },
	{ 50, 2, 0, 0, NULL },
};

static void test_fat_open__fields_of_the_boot_sector(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(boot_cases); i++) {
		unsigned char value[4];
		struct fat_scene s;
		int rc;

		fat_scene_make(&s, NULL);
		put_le32(value, boot_cases[i].value);
		memcpy(s.image.bytes + boot_cases[i].off, value, boot_cases[i].width);
		rc = fat_scene_open(&s);
		if (boot_cases[i].code)
			assert_fails(rc, boot_cases[i].code, &s.err, boot_cases[i].piece);
		else
			assert_ok(rc, &s.err);
		fat_scene_close(&s);
	}
}

static void test_fat_open__a_table_too_short(void **state)
{
	struct image_fat image = image_fat_defaults();
	struct fat_scene s;

	(void)state;
	image.clusters = 126;
	fat_scene_make(&s, &image);
	assert_ok(fat_scene_open(&s), &s.err);
	fat_scene_close(&s);
	image.clusters = 127; /* takes a second sector, which is not given to it */
	fat_scene_make(&s, &image);
	put_le32(s.image.bytes + FAT_BOOT_FAT_SECTORS_32, 1);
	assert_fails(fat_scene_open(&s), TRANSHIP_ECORRUPT, &s.err, "too short for 129 clusters");
	fat_scene_close(&s);
}

/* Of a table of 16 bits, by the count of clusters. */
static void expect_small(uint32_t clusters, int code, const char *piece)
{
	struct image_fat image = image_fat_defaults();
	struct fat_scene s;

	image.clusters = clusters;
	fat_scene_make(&s, &image);
	put_le16(s.image.bytes + FAT_BOOT_FAT_SECTORS_16, (uint16_t)s.image.fat_sectors);
	assert_fails(fat_scene_open(&s), code, &s.err, piece);
	fat_scene_close(&s);
}

static void test_fat_open__names_fat12_and_fat16(void **state)
{
	(void)state;
	expect_small(4084, TRANSHIP_EUNSUPPORTED, "FAT12 (4084 clusters)");
	expect_small(4085, TRANSHIP_EUNSUPPORTED, "FAT16 (4085 clusters)");
	expect_small(65524, TRANSHIP_EUNSUPPORTED, "FAT16");
	expect_small(65525, TRANSHIP_ECORRUPT, "that of FAT16");
}

static void test_fat_open__no_volume(void **state)
{
	struct tranship_open_options raw = { .format = "raw" };
	unsigned char zeros[1024] = { 0 };
	struct tranship_disk *disk;
	struct tranship_error err;
	struct volume volume;
	struct fat fat;

	(void)state;
	assert_ok(tranship_open_file(file_of(zeros, sizeof(zeros)), &raw, &disk, &err), &err);
	volume = volume_whole(disk, NULL);
	assert_fails(fat_open(&volume, &fat, &err), TRANSHIP_ECORRUPT, &err, "no signature");
	volume.len = 511;
	assert_fails(fat_open(&volume, &fat, &err), TRANSHIP_ECORRUPT, &err, "pass its end");
	volume.len = 0;
	assert_int_equal(fat_open(&volume, &fat, NULL), TRANSHIP_ECORRUPT);
	tranship_disk_close(disk);
}

static void test_fat_open__dirty(void **state)
{
	static const struct {
		uint32_t entry;
		unsigned char byte;
		bool dirty;
	} cases[] = { { 0x0FFFFFFF, 0, false }, { 0x07FFFFFF, 0, true }, { 0x0BFFFFFF, 0, true },
		      { 0xFFFFFFFF, 0, false }, { 0x0FFFFFFF, 1, true }, { 0x0FFFFFFF, 2, true },
		      { 0x0FFFFFFF, 4, false } };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct fat_scene s;

		fat_scene_make(&s, NULL);
		image_fat_link(&s.image, 1, cases[i].entry);
		s.image.bytes[FAT_BOOT_STATE] = cases[i].byte;
		assert_ok(fat_scene_open(&s), &s.err);
		assert_int_equal(s.fat.dirty, cases[i].dirty);
		fat_scene_close(&s);
	}
}

static void test_fat_open__labels(void **state)
{
	static const struct {
		const char *raw, *label;
		unsigned char kind;
	} cases[] = { { "NO NAME    ", "", 0x29 },
		      { "A B        ", "A B", 0x29 },
		      { "FULL  LABEL", "FULL  LABEL", 0x29 },
		      { "LABEL      ", "", 0x28 },
		      { "           ", "", 0x29 },
		      { "A\n\x80        ", "A__", 0x29 } };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct fat_scene s;

		fat_scene_make(&s, NULL);
		memcpy(s.image.bytes + FAT_BOOT_LABEL, cases[i].raw, 11);
		s.image.bytes[FAT_BOOT_EXTENDED] = cases[i].kind;
		assert_ok(fat_scene_open(&s), &s.err);
		assert_string_equal(s.fat.label, cases[i].label);
		fat_scene_close(&s);
	}
}

static void expect_all(struct fat_scene *s)
{
	size_t cluster_size = s->fat.cluster_size;

	fat_scene_expect(s, "EFI/BOOT/BOOTX64.EFI", 6, 100);
	fat_scene_expect(s, "\\efi\\Boot\\bootx64.efi", 6, 100);
	fat_scene_expect(s, "/EMPTY.TXT", 0, 0);
	fat_scene_expect(s, "a LONG name.TXT", 5, 2 * cluster_size + 100);
	fat_scene_expect(s, "alongn~1.txt", 5, 2 * cluster_size + 100);
}

static void test_fat_read__all_geometries(void **state)
{
	struct image_fat image = image_fat_defaults();

	(void)state;
	for (image.sector_size = 512; image.sector_size <= 4096; image.sector_size *= 2)
		for (image.cluster_sectors = 1; image.cluster_sectors <= 128;
		     image.cluster_sectors *= 2)
			for (image.fats = 1; image.fats <= 3; image.fats += 2) {
				struct fat_scene s;

				if (image.sector_size * image.cluster_sectors > 65536)
					continue;
				image.clusters = 40;
				fat_scene_make(&s, &image);
				assert_ok(fat_scene_open(&s), &s.err);
				expect_all(&s);
				fat_scene_close(&s);
			}
}

static void test_fat_read__the_active_table(void **state)
{
	struct fat_scene s;

	(void)state;
	fat_scene_make(&s, NULL);
	put_le16(s.image.bytes + FAT_BOOT_FLAGS, 0x81);
	memset(image_fat_table(&s.image, 0), 0, 512);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_int_equal(s.fat.active_fat, 1);
	assert_false(s.fat.mirrored);
	expect_all(&s);
	fat_scene_close(&s);
}

static void test_fat_read__pieces(void **state)
{
	static const struct {
		uint64_t off;
		size_t len;
	} cases[] = { { 0, 1 }, { 511, 2 }, { 512, 512 }, { 600, 500 }, { 1123, 1 }, { 1124, 0 } };
	unsigned char buf[1124];
	struct fat_entry file;
	struct fat_scene s;
	bool found;
	size_t i, k;

	(void)state;
	fat_scene_make(&s, NULL);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_ok(fat_find(&s.fat, "ALONGN~1.TXT", &found, &file, &s.err), &s.err);
	assert_true(found);
	for (i = 0; i < COUNT_OF(cases); i++) {
		assert_ok(fat_read(&s.fat, &file, cases[i].off, buf, cases[i].len, &s.err), &s.err);
		for (k = 0; k < cases[i].len; k++)
			assert_int_equal(buf[k], image_fat_byte(5, (size_t)cases[i].off + k));
	}
	assert_fails(fat_read(&s.fat, &file, 1124, buf, 1, &s.err), TRANSHIP_EINVAL, &s.err,
		     "pass the end");
	assert_fails(fat_read(&s.fat, &file, UINT64_MAX, buf, 2, &s.err), TRANSHIP_EINVAL, &s.err,
		     "pass the end");
	fat_scene_close(&s);
}

/* What the table has for a cluster, and what reading /ALONGN~1.TXT (5, 9, 7) then says. */
static const struct {
	uint32_t cluster, value;
	const char *piece;
} chain_cases[] = {
	{ 5, 0, "the table has 0 for cluster 5, which is used: it is free" },
	{ 9, 1, "the table has 1 for cluster 9, which is used: out of range" },
	{ 9, 122, "has 122 for cluster 9, which is used: out of range" },
	{ 9, 0x0FFFFFF6, "out of range" },
	{ 7, FAT_BAD, "it is bad" },
	{ 7, 0, "it is free" },
	{ 9, 0x0FFFFFFF, "ends behind 2 clusters" },
	{ 5, 0x0FFFFFF8, "ends behind 1 clusters" },
	{ 5, 5, "is a loop: it comes back to cluster 5" },
	{ 9, 5, "is a loop" },
	{ 7, 9, "is a loop" },
	{ 7, 7, "is a loop" },
	{ 7, 121, "the table has 0 for cluster 121" },
};

static void test_fat_read__broken_chains(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(chain_cases); i++) {
		struct fat_scene s;
		unsigned char *bytes;
		size_t len;

		fat_scene_make(&s, NULL);
		image_fat_link(&s.image, chain_cases[i].cluster, chain_cases[i].value);
		assert_ok(fat_scene_open(&s), &s.err);
		assert_fails(fat_scene_read(&s, "ALONGN~1.TXT", &bytes, &len), TRANSHIP_ECORRUPT,
			     &s.err, chain_cases[i].piece);
		fat_scene_close(&s);
	}
}

static void test_fat_read__entries_that_lie(void **state)
{
	static const struct {
		uint32_t cluster, size;
		const char *piece;
	} cases[] = { { 0, 1, "ends behind 0 clusters" },
		      { 1, 1, "cluster 1 is used, out of 2 to 121" },
		      { 122, 1, "cluster 122 is used" },
		      { 0x0FFFFFFF, 1, "cluster 268435455 is used" },
		      { 12, 120 * 512 + 1, "clusters less" },
		      { 12, UINT32_MAX, "clusters less" },
		      { 12, 513, "ends behind 1 clusters" } };
	size_t i, len;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct fat_scene s;
		unsigned char *bytes;

		fat_scene_make(&s, NULL);
		image_fat_entry(image_fat_slot(&s.image, 2, 7), "BOOTMGR    ", 0, cases[i].cluster,
				cases[i].size);
		assert_ok(fat_scene_open(&s), &s.err);
		assert_fails(fat_scene_read(&s, "BOOTMGR", &bytes, &len), TRANSHIP_ECORRUPT, &s.err,
			     cases[i].piece);
		fat_scene_close(&s);
	}
}

/* The upper four bits are nobody's; a chain longer than the size is left alone. */
static void test_fat_read__odd_but_legal(void **state)
{
	struct fat_scene s;

	(void)state;
	fat_scene_make(&s, NULL);
	image_fat_link(&s.image, 5, 0xA0000009);
	image_fat_link(&s.image, 9, 0xF0000007);
	image_fat_link(&s.image, 7, 0x50000019); /* 25 */
	image_fat_link(&s.image, 25, 0xFFFFFFF8);
	assert_ok(fat_scene_open(&s), &s.err);
	expect_all(&s);
	fat_scene_close(&s);
}

static void test_fat_read_all__limit(void **state)
{
	struct fat_entry file, folder;
	unsigned char *bytes, byte;
	struct fat_scene s;
	bool found;

	(void)state;
	fat_scene_make(&s, NULL);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_ok(fat_find(&s.fat, "BOOTMGR", &found, &file, &s.err), &s.err);
	assert_fails(fat_read_all(&s.fat, &file, 299, &bytes, &s.err), TRANSHIP_ELIMIT, &s.err,
		     "'BOOTMGR' has 300 bytes, more than 299");
	assert_null(bytes);
	assert_ok(fat_read_all(&s.fat, &file, 300, &bytes, &s.err), &s.err);
	free(bytes);
	assert_ok(fat_find(&s.fat, "EFI", &found, &folder, &s.err), &s.err);
	assert_fails(fat_read(&s.fat, &folder, 0, &byte, 0, &s.err), TRANSHIP_EINVAL, &s.err,
		     "'EFI' is a folder");
	fat_scene_close(&s);
}

/* Each read fails in turn: so does what was asked for, with what the disk said. */
static void test_fat_read__failing_reads(void **state)
{
	unsigned nth;
	bool more = true;

	(void)state;
	for (nth = 1; more; nth++) {
		struct fat_scene s;
		unsigned char *bytes = NULL;
		size_t len;
		int rc;

		fat_scene_make(&s, NULL);
		s.faults.fail_read = nth;
		s.faults.reads = 0;
		rc = fat_scene_open(&s);
		if (rc == 0)
			rc = fat_scene_read(&s, "EFI/BOOT/BOOTX64.EFI", &bytes, &len);
		more = s.faults.failed;
		if (more)
			assert_fails(rc, TRANSHIP_EIO, &s.err, FAULT_MESSAGE);
		else
			assert_ok(rc, &s.err);
		free(bytes);
		fat_scene_close(&s);
	}
	assert_true(nth > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fat_open__says_what_the_boot_sector_says),
		cmocka_unit_test(test_fat_open__fields_of_the_boot_sector),
		cmocka_unit_test(test_fat_open__a_table_too_short),
		cmocka_unit_test(test_fat_open__names_fat12_and_fat16),
		cmocka_unit_test(test_fat_open__no_volume),
		cmocka_unit_test(test_fat_open__dirty),
		cmocka_unit_test(test_fat_open__labels),
		cmocka_unit_test(test_fat_read__all_geometries),
		cmocka_unit_test(test_fat_read__the_active_table),
		cmocka_unit_test(test_fat_read__pieces),
		cmocka_unit_test(test_fat_read__broken_chains),
		cmocka_unit_test(test_fat_read__entries_that_lie),
		cmocka_unit_test(test_fat_read__odd_but_legal),
		cmocka_unit_test(test_fat_read_all__limit),
		cmocka_unit_test(test_fat_read__failing_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
