// SPDX-License-Identifier: Apache-2.0
/* tranship_layout_read: which table counts and what is said about it, partitions as Linux numbers
 * them, what starts the disk; small, cut and hostile disks. */
#include "support.h"

#include "base/bytes.h"
#include "image_fs.h"
#include "image_gpt.h"
#include "mbr-gpt/layout.h"
#include "sparse_disk.h"

#include <stdlib.h>
#include <string.h>

#define SECTORS 20000U
#define DISK_ID "d1d1d1d1-d1d1-d1d1-d1d1-d1d1d1d1d1d1"

static const struct image_gpt_entry entries[] = {
	{ &gpt_type_esp, 2048, 4095, 0, "EFI system partition" },
	{ NULL },
	{ &gpt_type_linux, 4096, 8191, 4, "root" },
	{ &gpt_type_swap, 8192, 9000, 1ULL << 63, NULL },
};
static const struct image_gpt table = { .entries = entries, .used = COUNT_OF(entries) };

static struct tranship_disk *blank(uint64_t size, uint32_t sector_size)
{
	struct tranship_disk *disk = sparse_disk(size, sector_size);

	assert_non_null(disk);
	return disk;
}

static struct tranship_disk *with_gpt(void)
{
	struct tranship_disk *disk = blank(SECTORS * 512ULL, 512);

	image_gpt_write(disk, &table);
	return disk;
}

static struct tranship_layout *layout_of(struct tranship_disk *disk)
{
	struct tranship_layout *layout;
	struct tranship_error err;

	assert_ok(tranship_layout_read(disk, &layout, &err), &err);
	return layout;
}

/* The disk's table, how many partitions and notes there are; each piece is in a note. */
static void expect(struct tranship_disk *disk, enum tranship_table kind, uint32_t partitions,
		   const char *const *pieces)
{
	struct tranship_layout *layout = layout_of(disk);
	uint32_t i;

	assert_int_equal(tranship_layout_table(layout), kind);
	assert_int_equal(tranship_layout_count(layout), partitions);
	assert_null(tranship_layout_partition(layout, partitions));
	for (i = 0; pieces[i]; i++) {
		const char *note = tranship_layout_note(layout, i);

		if (!note || !strstr(note, pieces[i]))
			fail_msg("note %u is '%s', wanted '%s'", i, note ? note : "(none)",
				 pieces[i]);
	}
	if (tranship_layout_note(layout, i))
		fail_msg("there is one more note: '%s'", tranship_layout_note(layout, i));
	tranship_layout_free(layout);
}

#define NOTES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_NOTES ((const char *const[]){ NULL })

static void put_fs(struct tranship_disk *disk, uint64_t sector, const char *name)
{
	unsigned char *raw = image_fs_make(image_fs_find(name), IMAGE_FS_SIZE);

	sparse_disk_write(disk, sector * 512, raw, IMAGE_FS_SIZE);
	free(raw);
}

static void test_layout__gpt(void **state)
{
	struct tranship_disk *disk = with_gpt();
	const struct tranship_partition *p;
	struct tranship_layout *layout;

	(void)state;
	put_fs(disk, 4096, "ext4");
	put_fs(disk, 8192, "swap");
	layout = layout_of(disk);
	assert_int_equal(tranship_layout_table(layout), TRANSHIP_TABLE_GPT);
	assert_string_equal(tranship_layout_id(layout), DISK_ID);
	assert_int_equal(tranship_layout_count(layout), 3);
	p = tranship_layout_partition(layout, 0);
	assert_int_equal(p->number, 1);
	assert_int_equal(p->off, 2048 * 512);
	assert_int_equal(p->len, 2048 * 512);
	assert_string_equal(p->type, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
	assert_string_equal(p->kind, "EFI system");
	assert_string_equal(p->id, "01010101-0101-0101-0101-010101010101");
	assert_string_equal(p->name, "EFI system partition");
	assert_string_equal(p->fs, "");
	p = tranship_layout_partition(layout, 1);
	assert_int_equal(p->number, 3);
	assert_int_equal(p->attributes, 4);
	assert_string_equal(p->fs, "ext4");
	assert_string_equal(p->fs_id, "00112233-4455-6677-8899-aabbccddeeff");
	p = tranship_layout_partition(layout, 2);
	assert_int_equal(p->number, 4);
	assert_string_equal(p->name, "");
	assert_string_equal(p->fs, "swap");
	assert_string_equal(p->fs_label, "swaparea");
	assert_false(p->active || p->logical);
	assert_int_equal(tranship_layout_boots(layout), 0);
	assert_string_equal(tranship_layout_note(layout, 0),
			    "partition 1: the EFI system partition has no FAT file system");
	assert_null(tranship_layout_note(layout, 1));
	tranship_layout_free(layout);
	tranship_disk_close(disk);
}

static void test_layout__mbr(void **state)
{
	struct tranship_disk *disk = blank(SECTORS * 512ULL, 512);
	const struct tranship_partition *p;
	struct tranship_layout *layout;

	(void)state;
	image_poke32(disk, 440, 0x0badcafe);
	image_mbr_entry(disk, 0, 0, 0x80, 0x83, 2048, 1000);
	image_mbr_entry(disk, 0, 2, 0, 0x0F, 4000, 10000);
	image_mbr_entry(disk, 4000, 0, 0, 0x82, 100, 900);
	image_mbr_entry(disk, 4000, 1, 0, 0x05, 1000, 3000);
	image_mbr_entry(disk, 5000, 0, 0, 0x47, 8, 600);
	put_fs(disk, 4100, "swap");
	layout = layout_of(disk);
	assert_int_equal(tranship_layout_table(layout), TRANSHIP_TABLE_MBR);
	assert_string_equal(tranship_layout_id(layout), "0badcafe");
	assert_int_equal(tranship_layout_count(layout), 4);
	p = tranship_layout_partition(layout, 0);
	assert_int_equal(p->number, 1);
	assert_string_equal(p->id, "0badcafe-01");
	assert_string_equal(p->type, "83");
	assert_string_equal(p->kind, "Linux");
	assert_true(p->active && !p->logical);
	p = tranship_layout_partition(layout, 1);
	assert_int_equal(p->number, 3);
	assert_string_equal(p->type, "0f");
	assert_string_equal(p->fs, "");
	p = tranship_layout_partition(layout, 2);
	assert_int_equal(p->number, 5);
	assert_int_equal(p->off, 4100 * 512);
	assert_string_equal(p->id, "0badcafe-05");
	assert_string_equal(p->fs, "swap");
	assert_true(p->logical);
	p = tranship_layout_partition(layout, 3);
	assert_int_equal(p->number, 6);
	assert_string_equal(p->kind, "");
	assert_null(tranship_layout_note(layout, 0));
	tranship_layout_free(layout);
	image_poke32(disk, 440, 0); /* without a signature there are no ids */
	layout = layout_of(disk);
	assert_string_equal(tranship_layout_id(layout), "");
	assert_string_equal(tranship_layout_partition(layout, 0)->id, "");
	tranship_layout_free(layout);
	tranship_disk_close(disk);
}

static void test_layout__copies_of_a_gpt(void **state)
{
	static const char no_fat[] = "has no FAT";
	struct tranship_disk *disk = with_gpt();
	uint64_t last = SECTORS - 1;

	(void)state;
	image_poke32(disk, 512 + 16, 1);
	expect(disk, TRANSHIP_TABLE_GPT, 3,
	       NOTES("the backup partition table is used: gpt: ", no_fat));
	image_poke64(disk, 512, 0);
	expect(disk, TRANSHIP_TABLE_GPT, 3,
	       NOTES("the backup partition table is used: there is no primary one", no_fat));
	image_poke32(disk, last * 512 + 16, 1);
	expect(disk, TRANSHIP_TABLE_NONE, 0,
	       NOTES("the backup partition table cannot be used: gpt: "));
	image_poke64(disk, last * 512, 0);
	expect(disk, TRANSHIP_TABLE_NONE, 0, NOTES("there is no GUID partition table"));
	tranship_disk_close(disk);

	disk = with_gpt();
	image_poke32(disk, last * 512 + 16, 1);
	expect(disk, TRANSHIP_TABLE_GPT, 3,
	       NOTES("the backup partition table cannot be used: gpt: ", no_fat));
	image_poke64(disk, last * 512, 0);
	expect(disk, TRANSHIP_TABLE_GPT, 3,
	       NOTES("there is no backup partition table in the last sector (19999)", no_fat));
	tranship_disk_close(disk);

	disk = with_gpt();
	image_poke32(disk, (last - 32) * 512 + 56, 'x'); /* a name */
	image_gpt_sum(disk, last);
	expect(disk, TRANSHIP_TABLE_GPT, 3, NOTES("copies of the partition table differ", no_fat));
	sparse_disk_resize(disk, 30000ULL * 512);
	expect(disk, TRANSHIP_TABLE_GPT, 3,
	       NOTES("stands in sector 19999, not in the last one (29999)", "copies", no_fat));
	tranship_disk_close(disk);
}

static void test_layout__which_table(void **state)
{
	static const char no_fat[] = "has no FAT";
	struct tranship_disk *disk = with_gpt();

	(void)state;
	image_mbr_entry(disk, 0, 1, 0, 0x83, 4096, 4096);
	expect(disk, TRANSHIP_TABLE_HYBRID, 3, NOTES("hybrid", no_fat));
	image_mbr_entry(disk, 0, 1, 0, 0x83, 4096, SECTORS);
	expect(disk, TRANSHIP_TABLE_HYBRID, 3, NOTES("hybrid", "mbr: partition 2", no_fat));
	image_mbr_entry(disk, 0, 0, 0, 0, 0, 0);
	expect(disk, TRANSHIP_TABLE_MBR, 1, NOTES("does not count", "mbr: partition 2"));
	image_mbr_entry(disk, 0, 1, 0, 0, 0, 0);
	expect(disk, TRANSHIP_TABLE_GPT, 3, NOTES("no protective partition", no_fat));
	sparse_disk_write(disk, 510, "\0\0", 2);
	expect(disk, TRANSHIP_TABLE_GPT, 3, NOTES("no protective partition", no_fat));
	tranship_disk_close(disk);
}

static void test_layout__foreign_sectors(void **state)
{
	struct tranship_disk *disk = blank(SECTORS * 4096ULL, 4096), *other;
	unsigned char *raw = malloc(64 * 4096);

	(void)state;
	image_gpt_write(disk, &table);
	expect(disk, TRANSHIP_TABLE_GPT, 3, NOTES("has no FAT"));
	assert_non_null(raw);
	sparse_disk_read(disk, 0, raw, 64 * 4096);
	other = blank(SECTORS * 4096ULL, 512);
	sparse_disk_write(other, 0, raw, 64 * 4096);
	expect(other, TRANSHIP_TABLE_NONE, 0,
	       NOTES("for sectors of 4096 bytes, the disk has sectors of 512 bytes"));
	tranship_disk_close(other);
	tranship_disk_close(disk);
	free(raw);
}

/* Nothing, little, and sizes that are no multiple of a sector. */
static void test_layout__small_disks(void **state)
{
	static const uint64_t sizes[] = { 0,        1,        511,          512,  513,  1024, 1536,
					  33 * 512, 34 * 512, 35 * 512 + 7, 4095, 4096, 70000 };
	struct tranship_disk *disk;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(sizes); i++) {
		disk = blank(sizes[i], 512);
		expect(disk, TRANSHIP_TABLE_NONE, 0, NO_NOTES);
		tranship_disk_close(disk);
		disk = blank(sizes[i], 4096);
		expect(disk, TRANSHIP_TABLE_NONE, 0, NO_NOTES);
		tranship_disk_close(disk);
	}
	disk = with_gpt();
	sparse_disk_resize(disk, SECTORS * 512ULL + 100);
	expect(disk, TRANSHIP_TABLE_GPT, 3, NOTES("has no FAT"));
	for (i = 0; i < COUNT_OF(sizes); i++) {
		struct tranship_disk *cut = sparse_disk_copy(disk);

		assert_non_null(cut);
		sparse_disk_resize(cut, sizes[i]);
		tranship_layout_free(layout_of(cut));
		tranship_disk_close(cut);
	}
	tranship_disk_close(disk);
}

/* Damaged chains: what stands before the damage is there, and a note. Partitions past the end are
 * looked into as far as they are there. */
static void test_layout__damaged_mbr(void **state)
{
	struct tranship_disk *disk = blank(SECTORS * 512ULL, 512);
	struct layout_partition p = { .public = { .off = 19000 * 512ULL, .len = 1ULL << 40 } };
	struct volume volume;

	(void)state;
	image_mbr_entry(disk, 0, 0, 0, 0x0F, 4000, 10000);
	image_mbr_entry(disk, 4000, 0, 0, 0x82, 100, 900);
	image_mbr_entry(disk, 4000, 1, 0, 0x05, 1000, 3000);
	image_mbr_entry(disk, 5000, 1, 0, 0x05, 1000, 3000);
	expect(disk, TRANSHIP_TABLE_MBR, 2,
	       NOTES("mbr: the boot records of the extended partition "
		     "are a loop"));
	image_mbr_entry(disk, 0, 1, 0, 0x83, 19000, UINT32_MAX);
	expect(disk, TRANSHIP_TABLE_MBR, 3, NOTES("passes the end of the disk"));
	volume = layout_volume(&p, disk, NULL);
	assert_int_equal(volume.off, 19000 * 512);
	assert_int_equal(volume.len, 1000 * 512);
	p.public.off = SECTORS * 512ULL + 1;
	volume = layout_volume(&p, disk, NULL);
	assert_int_equal(volume.off, SECTORS * 512);
	assert_int_equal(volume.len, 0);
	tranship_disk_close(disk);
}

/* The most entries that a table can have: all are named, some are looked into. */
static void test_layout__many_partitions(void **state)
{
	enum { MANY = 8192 };
	struct image_gpt_entry *many = calloc(MANY, sizeof(*many));
	struct image_gpt image = { .entries = many, .used = MANY, .count = MANY };
	struct tranship_disk *disk = blank(1ULL << 30, 512);
	struct tranship_layout *layout;
	unsigned char *fs;
	uint32_t i;

	(void)state;
	assert_non_null(many);
	for (i = 0; i < MANY; i++)
		many[i] = (struct image_gpt_entry){ &gpt_type_linux, 4096 + i, 4096 + i, 0, "p" };
	image_gpt_write(disk, &image);
	fs = image_fs_make(image_fs_find("squashfs"), IMAGE_FS_SIZE);
	for (i = 127; i < 129; i++)
		sparse_disk_write(disk, (4096 + i) * 512ULL, fs, 512);
	free(fs);
	layout = layout_of(disk);
	assert_int_equal(tranship_layout_count(layout), MANY);
	assert_string_equal(tranship_layout_partition(layout, 127)->fs, "squashfs");
	assert_string_equal(tranship_layout_partition(layout, 128)->fs, "");
	assert_int_equal(tranship_layout_partition(layout, MANY - 1)->number, MANY);
	assert_string_equal(tranship_layout_partition(layout, MANY - 1)->fs, "");
	assert_string_equal(tranship_layout_note(layout, 0),
			    "only the first 128 of 8192 partitions were looked into");
	tranship_layout_free(layout);
	tranship_disk_close(disk);
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout__gpt),
		cmocka_unit_test(test_layout__mbr),
		cmocka_unit_test(test_layout__copies_of_a_gpt),
		cmocka_unit_test(test_layout__which_table),
		cmocka_unit_test(test_layout__foreign_sectors),
		cmocka_unit_test(test_layout__small_disks),
		cmocka_unit_test(test_layout__damaged_mbr),
		cmocka_unit_test(test_layout__many_partitions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
