// SPDX-License-Identifier: Apache-2.0
/* gpt_read: good tables of all shapes, one copy damaged, and everything that a copy must not be. */
#include "support.h"

#include "image_gpt.h"
#include "mbr-gpt/gpt.h"
#include "sparse_disk.h"

#include <stdlib.h>
#include <string.h>

#define SECTORS 8192U
#define LAST (SECTORS - 1)

static const struct image_gpt_entry two[] = {
	{ &gpt_type_esp, 2048, 4095, 1, "EFI System" },
	{ NULL, 0, 0, 0, NULL },
	{ &gpt_type_linux, 4096, 8000, 4, "root" },
};
static const struct image_gpt usual = { .entries = two, .used = 3 };

static struct tranship_disk *usual_disk(void)
{
	struct tranship_disk *disk = sparse_disk(SECTORS * 512ULL, 512);

	assert_non_null(disk);
	image_gpt_write(disk, &usual);
	return disk;
}

static void read_gpt(struct tranship_disk *disk, struct gpt *gpt)
{
	struct tranship_error err;

	assert_ok(gpt_read(disk, gpt, &err), &err);
	assert_int_equal(gpt->found, gpt->primary.good || gpt->backup.good);
	assert_ptr_equal(gpt->used, gpt->primary.good  ? &gpt->primary
				    : gpt->backup.good ? &gpt->backup
						       : NULL);
}

static void expect_usual(const struct gpt *gpt)
{
	char text[GUID_TEXT_SIZE];

	assert_true(gpt->found);
	assert_int_equal(gpt->count, 128);
	assert_true(guid_equal(&gpt->entries[0].type, &gpt_type_esp));
	guid_text_le(&gpt->entries[2].id, text);
	assert_string_equal(text, "03030303-0303-0303-0303-030303030303");
	assert_int_equal(gpt->entries[0].first, 2048);
	assert_int_equal(gpt->entries[0].last, 4095);
	assert_int_equal(gpt->entries[0].attributes, 1);
	assert_string_equal(gpt->entries[0].name, "EFI System");
	assert_true(guid_is_zero(&gpt->entries[1].type));
	assert_string_equal(gpt->entries[2].name, "root");
	assert_string_equal(gpt_type_name(&gpt->entries[2].type), "Linux");
}

static void test_gpt_read__both_copies(void **state)
{
	struct tranship_disk *disk = usual_disk();
	struct gpt gpt;

	(void)state;
	read_gpt(disk, &gpt);
	expect_usual(&gpt);
	assert_true(gpt.primary.good && gpt.backup.good);
	assert_false(gpt.differ || gpt.backup_misplaced);
	assert_int_equal(gpt.backup.lba, LAST);
	assert_int_equal(gpt.used->header.first_usable, 34);
	assert_int_equal(gpt.used->header.last_usable, SECTORS - 34);
	gpt_free(&gpt);
	tranship_disk_close(disk);
}

static void test_gpt_read__no_table(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 511, 512, 1023, 1024, 1536, 1 << 20 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(sizes); i++) {
		struct tranship_disk *disk = sparse_disk(sizes[i], 512);
		struct gpt gpt;

		read_gpt(disk, &gpt);
		assert_false(gpt.found || gpt.primary.present || gpt.backup.present);
		assert_int_equal(gpt.foreign_sector_size, 0);
		gpt_free(&gpt);
		tranship_disk_close(disk);
	}
}

/* One byte of the primary is wrong: the backup is taken. And the other way round. */
static void test_gpt_read__one_copy_damaged(void **state)
{
	static const struct {
		uint64_t off;
		bool backup; /* is what is damaged */
		const char *piece;
	} cases[] = {
		{ 512 + 60, false, "the header in sector 1 has checksum" },
		{ 1024 + 130, false, "the entries at sector 2 have checksum" },
		{ LAST * 512ULL + 60, true, "the header in sector 8191 has checksum" },
		{ (LAST - 32) * 512ULL, true, "the entries at sector 8159 have checksum" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct tranship_disk *disk = usual_disk();
		struct gpt_copy *bad, *good;
		struct gpt gpt;

		sparse_disk_write(disk, cases[i].off, "\x77", 1);
		read_gpt(disk, &gpt);
		bad = cases[i].backup ? &gpt.backup : &gpt.primary;
		good = cases[i].backup ? &gpt.primary : &gpt.backup;
		assert_true(bad->present && !bad->good && !bad->array);
		assert_fails(bad->fault.code, TRANSHIP_ECORRUPT, &bad->fault, cases[i].piece);
		assert_ptr_equal(gpt.used, good);
		expect_usual(&gpt);
		gpt_free(&gpt);
		tranship_disk_close(disk);
	}
}

static void test_gpt_read__only_the_backup(void **state)
{
	static const unsigned char zeros[512];
	struct tranship_disk *disk = usual_disk();
	struct gpt gpt;

	(void)state;
	sparse_disk_write(disk, 512, zeros, sizeof(zeros));
	read_gpt(disk, &gpt);
	assert_false(gpt.primary.present);
	expect_usual(&gpt);
	gpt_free(&gpt);
	sparse_disk_write(disk, LAST * 512ULL, zeros, sizeof(zeros));
	read_gpt(disk, &gpt);
	assert_false(gpt.found);
	gpt_free(&gpt);
	tranship_disk_close(disk);
}

static void test_gpt_read__a_disk_that_grew(void **state)
{
	struct tranship_disk *disk = usual_disk();
	struct gpt gpt;

	(void)state;
	sparse_disk_resize(disk, 3 * SECTORS * 512ULL + 100);
	read_gpt(disk, &gpt);
	expect_usual(&gpt);
	assert_true(gpt.backup_misplaced && gpt.backup.good);
	assert_int_equal(gpt.backup.lba, LAST);
	assert_false(gpt.differ);
	gpt_free(&gpt);
	/* What another disk left in the last sector is not preferred. */
	sparse_disk_write(disk, (3 * SECTORS - 1) * 512ULL, "EFI PART", 8);
	read_gpt(disk, &gpt);
	assert_true(gpt.backup_misplaced && gpt.backup.good);
	gpt_free(&gpt);
	sparse_disk_write(disk, (3 * SECTORS - 1) * 512ULL, "?", 1);
	/* With only its header the primary still knows where the backup is. */
	sparse_disk_write(disk, 1024 + 3, "?", 1);
	read_gpt(disk, &gpt);
	assert_ptr_equal(gpt.used, &gpt.backup);
	assert_true(gpt.backup_misplaced);
	gpt_free(&gpt);
	sparse_disk_write(disk, 512 + 60, "?", 1);
	read_gpt(disk, &gpt);
	assert_false(gpt.found);
	gpt_free(&gpt);
	tranship_disk_close(disk);
}

static void test_gpt_read__a_disk_that_was_cut(void **state)
{
	struct tranship_disk *disk = usual_disk();
	struct gpt gpt;

	(void)state;
	sparse_disk_resize(disk, (SECTORS - 40) * 512ULL);
	read_gpt(disk, &gpt);
	assert_false(gpt.found);
	assert_fails(gpt.primary.fault.code, TRANSHIP_ECORRUPT, &gpt.primary.fault,
		     "usable sectors 34 to 8158, the disk has 8152");
	gpt_free(&gpt);
	tranship_disk_close(disk);
}

static void test_gpt_read__copies_that_differ(void **state)
{
	struct image_gpt_entry others[3];
	struct image_gpt image = { .entries = others, .used = 3 };
	struct tranship_disk *disk = usual_disk();
	struct gpt gpt;
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		memcpy(others, two, sizeof(two));
		image.last_usable = i == 3 ? 8100 : 0;
		if (i == 0)
			others[2].last--;
		else if (i == 1)
			others[0].name = "EFI system";
		image_gpt_write_copy(disk, &image, LAST, 1, LAST - 32);
		if (i == 2) {
			image_poke32(disk, LAST * 512ULL + 56, 1); /* the disk's GUID */
			image_gpt_sum(disk, LAST);
		}
		read_gpt(disk, &gpt);
		assert_true(gpt.differ && gpt.primary.good && gpt.backup.good);
		expect_usual(&gpt);
		gpt_free(&gpt);
	}
	tranship_disk_close(disk);
}

/* Fields of a header that no good copy has; its checksums are right. */
static void test_gpt_read__header_fields(void **state)
{
	static const struct {
		size_t off;
		uint64_t value;
		size_t width;
		int code;
		const char *piece;
	} cases[] = {
		{ 8, 0x00020000, 4, TRANSHIP_ECORRUPT, "revision 0x00020000" },
		{ 8, 0, 4, TRANSHIP_ECORRUPT, "revision" },
		{ 12, 91, 4, TRANSHIP_ECORRUPT, "91 bytes long (92 to 512)" },
		{ 12, 513, 4, TRANSHIP_ECORRUPT, "513 bytes long" },
		{ 12, UINT32_MAX, 4, TRANSHIP_ECORRUPT, "4294967295 bytes long" },
		{ 24, 2, 8, TRANSHIP_ECORRUPT, "says that it stands in sector 2" },
		{ 40, 8159, 8, TRANSHIP_ECORRUPT, "usable sectors 8159 to 8158" },
		{ 40, 33, 8, TRANSHIP_ECORRUPT, "over the table itself" },
		{ 40, 0, 8, TRANSHIP_ECORRUPT, "over the table itself" },
		{ 48, SECTORS, 8, TRANSHIP_ECORRUPT, "the disk has 8192" },
		{ 48, UINT64_MAX, 8, TRANSHIP_ECORRUPT, "the disk has 8192" },
		{ 72, 0, 8, TRANSHIP_ECORRUPT, "no place for them" },
		{ 72, 1, 8, TRANSHIP_ECORRUPT, "no place for them" },
		{ 72, SECTORS - 31, 8, TRANSHIP_ECORRUPT, "no place for them" },
		{ 72, UINT64_MAX, 8, TRANSHIP_ECORRUPT, "no place for them" },
		{ 72, UINT64_MAX - 31, 8, TRANSHIP_ECORRUPT, "no place for them" },
		{ 72, 4000, 8, TRANSHIP_ECORRUPT, "over the table itself" },
		{ 80, 0, 4, TRANSHIP_ECORRUPT, "room for no entries" },
		{ 80, 8193, 4, TRANSHIP_ELIMIT, "8193 entries of 128 bytes" },
		{ 80, UINT32_MAX, 4, TRANSHIP_ELIMIT, "4294967295 entries" },
		{ 84, 0, 4, TRANSHIP_ECORRUPT, "entries of 0 bytes" },
		{ 84, 64, 4, TRANSHIP_ECORRUPT, "entries of 64 bytes" },
		{ 84, 384, 4, TRANSHIP_ECORRUPT, "entries of 384 bytes" },
		{ 84, 16384, 4, TRANSHIP_ELIMIT, "entries of 16384 bytes" },
		{ 84, 1U << 31, 4, TRANSHIP_ELIMIT, "entries of 2147483648 bytes" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct tranship_disk *disk = usual_disk();
		struct gpt gpt;

		if (cases[i].width == 4)
			image_poke32(disk, 512 + cases[i].off, (uint32_t)cases[i].value);
		else
			image_poke64(disk, 512 + cases[i].off, cases[i].value);
		image_gpt_sum(disk, 1);
		read_gpt(disk, &gpt);
		assert_true(gpt.primary.present && !gpt.primary.good);
		assert_fails(gpt.primary.fault.code, cases[i].code, &gpt.primary.fault,
			     cases[i].piece);
		assert_ptr_equal(gpt.used, &gpt.backup);
		gpt_free(&gpt);
		tranship_disk_close(disk);
	}
}

static void test_gpt_read__entries(void **state)
{
	static const struct {
		uint64_t first, last; /* of the third one */
		const char *piece;
	} cases[] = {
		{ 5000, 4999, "partition 3 has sectors 5000 to 4999" },
		{ 33, 100, "partition 3 has sectors 33 to 100, usable are 34 to 8158" },
		{ 8000, 8159, "usable are 34 to 8158" },
		{ UINT64_MAX - 1, UINT64_MAX, "usable are" },
		{ 5000, UINT64_MAX, "usable are" },
		{ UINT64_MAX, 5000, "usable are" },
		{ 0, 0, "usable are" },
		{ 4095, 5000, "partition 3 begins in sector 4095, inside of partition 1" },
		{ 2048, 4095, "partition 3 begins in sector 2048, inside of partition 1" },
		{ 100, 7000, "partition 1 begins in sector 2048, inside of partition 3" },
		{ 3000, 3000, "inside of partition 1" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct image_gpt_entry entries[3] = { two[0], two[1], two[2] };
		struct image_gpt image = { .entries = entries, .used = 3 };
		struct tranship_disk *disk = sparse_disk(SECTORS * 512ULL, 512);
		struct gpt gpt;

		entries[2].first = cases[i].first;
		entries[2].last = cases[i].last;
		image_gpt_write(disk, &image);
		read_gpt(disk, &gpt);
		assert_false(gpt.found);
		assert_fails(gpt.primary.fault.code, TRANSHIP_ECORRUPT, &gpt.primary.fault,
			     cases[i].piece);
		assert_fails(gpt.backup.fault.code, TRANSHIP_ECORRUPT, &gpt.backup.fault,
			     cases[i].piece);
		gpt_free(&gpt);
		tranship_disk_close(disk);
	}
}

/* 4K sectors; more than 2 TiB; up to the largest disk; large entries; the largest array. */
static void test_gpt_read__shapes(void **state)
{
	static const struct {
		uint64_t sectors;
		uint32_t sector_size, count, entry_size;
	} cases[] = {
		{ 8192, 4096, 128, 128 },
		{ 8192, 512, 4, 128 },
		{ 8192, 512, 5, 512 },
		{ 8192, 4096, 128, 4096 },
		{ (3ULL << 40) / 512, 512, 128, 128 },
		{ (40ULL << 40) / 4096, 4096, 128, 128 },
		{ 1ULL << 54, 512, 128, 128 },
		{ 65536, 512, 8192, 128 },
		{ 65536, 512, 2, 512 * 1024 },
		{ 65536, 4096, 1, 1 << 20 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		uint32_t ss = cases[i].sector_size;
		struct tranship_disk *disk = sparse_disk(cases[i].sectors * ss + ss / 2, ss);
		struct image_gpt_entry one = { &gpt_type_linux, 0, 0, 0, "all of it" };
		struct image_gpt image = { .entries = &one,
					   .used = 1,
					   .count = cases[i].count,
					   .entry_size = cases[i].entry_size };
		struct gpt gpt;

		one.first = 2 + ((uint64_t)cases[i].count * cases[i].entry_size + ss - 1) / ss;
		one.last = cases[i].sectors - one.first;
		sparse_disk_resize(disk, cases[i].sectors * ss);
		image_gpt_write(disk, &image);
		sparse_disk_resize(disk, cases[i].sectors * ss + ss / 2);
		read_gpt(disk, &gpt);
		assert_true(gpt.primary.good && gpt.backup.good && !gpt.differ);
		assert_int_equal(gpt.sectors, cases[i].sectors);
		assert_int_equal(gpt.count, cases[i].count);
		assert_int_equal(gpt.entries[0].last, one.last);
		assert_string_equal(gpt.entries[0].name, "all of it");
		gpt_free(&gpt);
		tranship_disk_close(disk);
	}
}

/* The bytes of a disk with other sectors. */
static void test_gpt_read__foreign_sectors(void **state)
{
	static const uint32_t sizes[] = { 512, 4096 };
	static const struct image_gpt_entry one = { &gpt_type_linux, 300, 400, 0, NULL };
	static const struct image_gpt image = { .entries = &one, .used = 1 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(sizes); i++) {
		struct tranship_disk *made = sparse_disk(8 << 20, sizes[i]);
		struct tranship_disk *disk = sparse_disk(8 << 20, sizes[1 - i]);
		unsigned char *bytes = malloc(8 << 20);
		struct gpt gpt;

		image_gpt_write(made, &image);
		sparse_disk_read(made, 0, bytes, 8 << 20);
		sparse_disk_write(disk, 0, bytes, 8 << 20);
		read_gpt(disk, &gpt);
		assert_false(gpt.found);
		assert_int_equal(gpt.foreign_sector_size, sizes[i]);
		gpt_free(&gpt);
		read_gpt(made, &gpt);
		assert_true(gpt.found);
		assert_int_equal(gpt.foreign_sector_size, 0);
		gpt_free(&gpt);
		free(bytes);
		tranship_disk_close(disk);
		tranship_disk_close(made);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gpt_read__both_copies),
		cmocka_unit_test(test_gpt_read__no_table),
		cmocka_unit_test(test_gpt_read__one_copy_damaged),
		cmocka_unit_test(test_gpt_read__only_the_backup),
		cmocka_unit_test(test_gpt_read__a_disk_that_grew),
		cmocka_unit_test(test_gpt_read__a_disk_that_was_cut),
		cmocka_unit_test(test_gpt_read__copies_that_differ),
		cmocka_unit_test(test_gpt_read__header_fields),
		cmocka_unit_test(test_gpt_read__entries),
		cmocka_unit_test(test_gpt_read__shapes),
		cmocka_unit_test(test_gpt_read__foreign_sectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
