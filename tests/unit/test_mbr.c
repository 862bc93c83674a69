// SPDX-License-Identifier: Apache-2.0
/* mbr_read: what is an MBR and of which kind, tables that contradict themselves, and chains of
 * logical partitions, good and hostile. */
#include "support.h"

#include "image_gpt.h"
#include "mbr-gpt/mbr.h"
#include "sparse_disk.h"

#include <stdlib.h>
#include <string.h>

#define SECTORS 100000U

static struct tranship_disk *blank(void)
{
	struct tranship_disk *disk = sparse_disk(SECTORS * 512ULL, 512);

	assert_non_null(disk);
	return disk;
}

static void read_mbr(struct tranship_disk *disk, struct mbr *mbr)
{
	struct tranship_error err;

	assert_ok(mbr_read(disk, mbr, &err), &err);
}

static void test_mbr_read__kinds(void **state)
{
	struct tranship_disk *disk = blank();
	struct mbr mbr;

	(void)state;
	read_mbr(disk, &mbr);
	assert_int_equal(mbr.kind, MBR_NONE);
	sparse_disk_write(disk, 510, "\x55\xAA", 2);
	read_mbr(disk, &mbr);
	assert_int_equal(mbr.kind, MBR_PLAIN);
	image_poke32(disk, 440, 0x12345678);
	image_mbr_entry(disk, 0, 2, 0x80, 0x83, 2048, 5000);
	read_mbr(disk, &mbr);
	assert_int_equal(mbr.kind, MBR_PLAIN);
	assert_int_equal(mbr.signature, 0x12345678);
	assert_true(mbr.at[2].active);
	assert_int_equal(mbr.at[2].type, 0x83);
	assert_int_equal(mbr.at[2].first, 2048);
	assert_int_equal(mbr.at[2].sectors, 5000);
	assert_int_equal(mbr.at[0].type, 0);
	assert_int_equal(mbr.fault.code, 0);
	image_mbr_entry(disk, 0, 0, 0, 0xEE, 1, 2047);
	read_mbr(disk, &mbr);
	assert_int_equal(mbr.kind, MBR_HYBRID);
	assert_int_equal(mbr.fault.code, 0);
	image_mbr_entry(disk, 0, 2, 0, 0, 0, 0);
	read_mbr(disk, &mbr);
	assert_int_equal(mbr.kind, MBR_PROTECTIVE);
	image_mbr_entry(disk, 0, 0, 0, 0xEE, 1, UINT32_MAX);
	read_mbr(disk, &mbr);
	assert_int_equal(mbr.kind, MBR_PROTECTIVE);
	assert_int_equal(mbr.fault.code, 0);
	image_mbr_entry(disk, 0, 0, 0, 0xEE, 2, 1000);
	read_mbr(disk, &mbr);
	assert_int_equal(mbr.kind, MBR_HYBRID);
	image_mbr_entry(disk, 0, 0, 0, 0xEE, 1, UINT32_MAX);
	image_mbr_entry(disk, 0, 3, 0, 0xEE, 1, UINT32_MAX);
	read_mbr(disk, &mbr);
	assert_int_equal(mbr.kind, MBR_HYBRID);
	sparse_disk_write(disk, 511, "\xAB", 1);
	read_mbr(disk, &mbr);
	assert_int_equal(mbr.kind, MBR_NONE);
	tranship_disk_close(disk);
}

static void test_mbr_read__boot_sectors_of_file_systems(void **state)
{
	static const struct {
		size_t off;
		const char *text;
	} cases[] = {
		{ 3, "NTFS    " }, { 3, "EXFAT   " }, { 54, "FAT16   " }, { 82, "FAT32   " }
	};
	struct mbr mbr;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct tranship_disk *disk = blank();

		sparse_disk_write(disk, 0, "\xEB\x58\x90", 3);
		sparse_disk_write(disk, cases[i].off, cases[i].text, 8);
		sparse_disk_write(disk, 510, "\x55\xAA", 2);
		read_mbr(disk, &mbr);
		assert_int_equal(mbr.kind, MBR_NONE);
		/* What has partitions is a table all the same: GRUB leaves such texts there. */
		image_mbr_entry(disk, 0, 0, 0, 0x83, 2048, 5000);
		read_mbr(disk, &mbr);
		assert_int_equal(mbr.kind, MBR_PLAIN);
		sparse_disk_write(disk, 446 + 32, "\x41", 1);
		read_mbr(disk, &mbr);
		assert_int_equal(mbr.kind, MBR_NONE);
		assert_int_equal(mbr.at[0].type, 0);
		tranship_disk_close(disk);
	}
}

static void test_mbr_read__disks_too_small(void **state)
{
	static const uint64_t sizes[] = { 0, 511, 512 };
	struct mbr mbr;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(sizes); i++) {
		struct tranship_disk *disk = sparse_disk(sizes[i], 512);

		read_mbr(disk, &mbr);
		assert_int_equal(mbr.kind, MBR_NONE);
		tranship_disk_close(disk);
	}
}

static void test_mbr_read__tables_with_faults(void **state)
{
	static const struct {
		struct {
			unsigned type;
			uint32_t first, sectors;
		} at[2];
		const char *piece;
	} cases[] = {
		{ { { 0x83, 2048, 5000 }, { 0x07, 7047, 10 } }, "partitions 1 and 2 overlap" },
		{ { { 0x83, 2048, 5000 }, { 0x07, 2048, 1 } }, "partitions 1 and 2 overlap" },
		{ { { 0x83, 2048, 5000 }, { 0x07, 1, 90000 } }, "partitions 1 and 2 overlap" },
		{ { { 0x83, 2048, SECTORS - 2047 } }, "passes the end of the disk" },
		{ { { 0x83, SECTORS, 1 } }, "passes the end of the disk (100000 sectors)" },
		{ { { 0x83, UINT32_MAX, UINT32_MAX } }, "passes the end of the disk" },
		{ { { 0x83, 0, 100 } }, "partition 1 begins in sector 0" },
		{ { { 0x83, 2048, 0 } }, "has 0 sectors" },
		{ { { 0x05, 2048, 100 }, { 0x0F, 4096, 100 } },
		  "partition 2 is a second extended partition" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct tranship_disk *disk = blank();
		struct mbr mbr;
		unsigned j;

		for (j = 0; j < 2; j++)
			image_mbr_entry(disk, 0, j, 0, cases[i].at[j].type, cases[i].at[j].first,
					cases[i].at[j].sectors);
		read_mbr(disk, &mbr);
		assert_int_equal(mbr.kind, MBR_PLAIN);
		assert_fails(mbr.fault.code, TRANSHIP_ECORRUPT, &mbr.fault, cases[i].piece);
		assert_int_equal(mbr.at[0].type, cases[i].at[0].type);
		tranship_disk_close(disk);
	}
}

/* An extended partition from 10000, 80000 sectors; `count` logical ones of 1000, each 64 sectors
 * behind its record. */
static struct tranship_disk *with_chain(unsigned type, unsigned count)
{
	struct tranship_disk *disk = blank();
	unsigned i;

	image_mbr_entry(disk, 0, 0, 0x80, 0x83, 2048, 4096);
	image_mbr_entry(disk, 0, 1, 0, type, 10000, 80000);
	for (i = 0; i < count; i++) {
		image_mbr_entry(disk, 10000 + i * 2000, 0, 0, 0x83 - (i & 1), 64, 1000);
		if (i + 1 < count)
			image_mbr_entry(disk, 10000 + i * 2000, 1, 0, 5, (i + 1) * 2000, 2000);
	}
	return disk;
}

static void test_mbr_read__logical_partitions(void **state)
{
	static const unsigned types[] = { 0x05, 0x0F, 0x85 };
	struct mbr mbr;
	size_t i, j;

	(void)state;
	for (i = 0; i < COUNT_OF(types); i++) {
		struct tranship_disk *disk = with_chain(types[i], 7);

		read_mbr(disk, &mbr);
		assert_int_equal(mbr.fault.code, 0);
		assert_int_equal(mbr.logical_count, 7);
		for (j = 0; j < 7; j++) {
			assert_int_equal(mbr.logical[j].first, 10064 + j * 2000);
			assert_int_equal(mbr.logical[j].sectors, 1000);
			assert_int_equal(mbr.logical[j].type, j & 1 ? 0x82 : 0x83);
		}
		tranship_disk_close(disk);
	}
}

/* Records that stand together in front, in no order, and one of them without a partition. */
static void test_mbr_read__records_anywhere(void **state)
{
	struct tranship_disk *disk = blank();
	struct mbr mbr;

	(void)state;
	image_mbr_entry(disk, 0, 3, 0, 0x0F, 3000, 50000);
	image_mbr_entry(disk, 3000, 1, 0, 5, 9, 100);
	image_mbr_entry(disk, 3009, 0, 0, 5, 4, 100); /* the link first */
	image_mbr_entry(disk, 3009, 1, 0, 0x8E, 40000 - 9, 1000);
	image_mbr_entry(disk, 3004, 0, 0, 0x83, 1000 - 4, 39000);
	read_mbr(disk, &mbr);
	assert_int_equal(mbr.fault.code, 0);
	assert_int_equal(mbr.logical_count, 2);
	assert_int_equal(mbr.logical[0].first, 43000);
	assert_int_equal(mbr.logical[0].type, 0x8E);
	assert_int_equal(mbr.logical[1].first, 4000);
	tranship_disk_close(disk);
}

/* One entry of the third record of five is another: what stands before it stays. */
static void test_mbr_read__chains_with_faults(void **state)
{
	static const struct {
		unsigned index, type;
		uint32_t first, sectors;
		uint32_t stay;
		const char *piece;
	} cases[] = {
		{ 1, 5, 0, 2000, 3, "are a loop: sector 10000 comes twice" },
		{ 1, 5, 4000, 2000, 3, "are a loop: sector 14000 comes twice" },
		{ 1, 5, 80000, 2000, 3, "a link leads to sector 90000, outside" },
		{ 1, 5, UINT32_MAX, 2000, 3, "a link leads to sector 4294977295, outside" },
		{ 1, 5, 2100, 2000, 3, "in sector 12100 is inside of partition 6" },
		{ 1, 5, 5500, 2000, 3, "no boot record of the extended partition in sector 15500" },
		{ 0, 0x83, 0, 1000, 2, "partition 7 (1000 sectors from 14000)" },
		{ 0, 0x83, 64, 0, 2, "partition 7 (0 sectors" },
		{ 0, 0x83, 64, 76000, 2, "does not lie in the extended partition" },
		{ 0, 0x83, UINT32_MAX, UINT32_MAX, 2, "does not lie in the extended partition" },
		{ 0, 0x83, 75000, 1001, 2, "does not lie in the extended partition" },
		{ 0, 0x83, 64, 1937, 4, "in sector 16000 is inside of partition 7" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct tranship_disk *disk = with_chain(0x0F, 5);
		struct mbr mbr;

		image_mbr_entry(disk, 14000, cases[i].index, 0, cases[i].type, cases[i].first,
				cases[i].sectors);
		read_mbr(disk, &mbr);
		assert_fails(mbr.fault.code, TRANSHIP_ECORRUPT, &mbr.fault, cases[i].piece);
		assert_int_equal(mbr.logical_count, cases[i].stay == 4 ? 3 : cases[i].stay);
		assert_int_equal(mbr.logical[1].first, 12064);
		tranship_disk_close(disk);
	}
}

static void test_mbr_read__logical_ones_overlap(void **state)
{
	struct tranship_disk *disk = blank();
	struct mbr mbr;

	(void)state;
	image_mbr_entry(disk, 0, 0, 0, 5, 1000, 90000);
	image_mbr_entry(disk, 1000, 0, 0, 0x83, 5000, 1000);
	image_mbr_entry(disk, 1000, 1, 0, 5, 1, 1);
	image_mbr_entry(disk, 1001, 0, 0, 0x83, 5998, 1000);
	read_mbr(disk, &mbr);
	assert_fails(mbr.fault.code, TRANSHIP_ECORRUPT, &mbr.fault, "partitions 5 and 6 overlap");
	assert_int_equal(mbr.logical_count, 1);
	image_mbr_entry(disk, 1001, 0, 0, 0x83, 5999, 1000);
	read_mbr(disk, &mbr);
	assert_int_equal(mbr.fault.code, 0);
	assert_int_equal(mbr.logical_count, 2);
	tranship_disk_close(disk);
}

/* A partition must not cover the record of an earlier one either. */
static void test_mbr_read__a_partition_over_a_record(void **state)
{
	struct tranship_disk *disk = blank();
	struct mbr mbr;

	(void)state;
	image_mbr_entry(disk, 0, 0, 0, 5, 1000, 90000);
	image_mbr_entry(disk, 1000, 1, 0, 5, 500, 1);
	image_mbr_entry(disk, 1500, 0, 0, 0x83, 5000, 1000);
	image_mbr_entry(disk, 1500, 1, 0, 5, 100, 1);
	image_mbr_entry(disk, 1100, 0, 0, 0x83, 100, 301);
	read_mbr(disk, &mbr);
	assert_fails(mbr.fault.code, TRANSHIP_ECORRUPT, &mbr.fault,
		     "partition 6 covers the boot record in sector 1500");
	assert_int_equal(mbr.logical_count, 1);
	image_mbr_entry(disk, 1100, 0, 0, 0x83, 100, 300);
	read_mbr(disk, &mbr);
	assert_int_equal(mbr.fault.code, 0);
	assert_int_equal(mbr.logical_count, 2);
	tranship_disk_close(disk);
}

static void test_mbr_read__more_records_than_any_system_shows(void **state)
{
	struct tranship_disk *disk = blank();
	struct mbr mbr;
	uint32_t i;

	(void)state;
	image_mbr_entry(disk, 0, 0, 0, 5, 1000, 90000);
	for (i = 0; i < 200; i++) {
		image_mbr_entry(disk, 1000 + i * 4, 0, 0, 0x83, 1, 3);
		image_mbr_entry(disk, 1000 + i * 4, 1, 0, 5, (i + 1) * 4, 4);
	}
	read_mbr(disk, &mbr);
	assert_fails(mbr.fault.code, TRANSHIP_ELIMIT, &mbr.fault, "more than 128 boot records");
	assert_int_equal(mbr.logical_count, MBR_LOGICAL_MAX);
	tranship_disk_close(disk);
}

static void test_mbr_read__sectors_of_4096(void **state)
{
	struct tranship_disk *disk = sparse_disk(50000ULL * 4096, 4096);
	struct mbr mbr;

	(void)state;
	image_mbr_entry(disk, 0, 0, 0, 0x0F, 256, 40000);
	image_mbr_entry(disk, 256, 0, 0, 0x83, 256, 1000);
	image_mbr_entry(disk, 256, 1, 0, 5, 2000, 3000);
	image_mbr_entry(disk, 2256, 0, 0, 0x83, 256, 1000);
	read_mbr(disk, &mbr);
	assert_int_equal(mbr.fault.code, 0);
	assert_int_equal(mbr.logical_count, 2);
	assert_int_equal(mbr.logical[1].first, 2512);
	tranship_disk_close(disk);
}

static void test_mbr_entry_encode__chs(void **state)
{
	static const struct {
		struct mbr_entry entry;
		unsigned char raw[16];
	} cases[] = {
		/* As sfdisk writes them. */
		{ { .type = 0x83, .first = 2048, .sectors = 2048 },
		  { 0, 0x20, 0x21, 0, 0x83, 0x41, 0x01, 0, 0, 8, 0, 0, 0, 8, 0, 0 } },
		{ { .type = 0x07, .active = true, .first = 1024 * 255 * 63 - 1, .sectors = 2 },
		  { 0x80, 0xFE, 0xFF, 0xFF, 7, 0xFE, 0xFF, 0xFF, 0xFF, 0x03, 0xFB, 0, 2, 0, 0,
		    0 } },
		{ { .type = 0xEE, .first = 1, .sectors = UINT32_MAX },
		  { 0, 0, 2, 0, 0xEE, 0xFE, 0xFF, 0xFF, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF } },
		{ { .type = 0, .active = true, .first = 1, .sectors = 7 }, { 0 } },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		unsigned char raw[16];

		memset(raw, 0xAA, sizeof(raw));
		mbr_entry_encode(&cases[i].entry, raw);
		assert_memory_equal(raw, cases[i].raw, 16);
	}
	assert_string_equal(mbr_type_name(0xEE), "GPT protective");
	assert_null(mbr_type_name(0x77));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mbr_read__kinds),
		cmocka_unit_test(test_mbr_read__boot_sectors_of_file_systems),
		cmocka_unit_test(test_mbr_read__disks_too_small),
		cmocka_unit_test(test_mbr_read__tables_with_faults),
		cmocka_unit_test(test_mbr_read__logical_partitions),
		cmocka_unit_test(test_mbr_read__records_anywhere),
		cmocka_unit_test(test_mbr_read__chains_with_faults),
		cmocka_unit_test(test_mbr_read__logical_ones_overlap),
		cmocka_unit_test(test_mbr_read__a_partition_over_a_record),
		cmocka_unit_test(test_mbr_read__more_records_than_any_system_shows),
		cmocka_unit_test(test_mbr_read__sectors_of_4096),
		cmocka_unit_test(test_mbr_entry_encode__chs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
