// SPDX-License-Identifier: Apache-2.0
/* gpt_put and gpt_erase: what was put over a disk is what gpt_read finds there afterwards. */
#include "support.h"

#include "heap.h"
#include "image_gpt.h"
#include "mbr-gpt/gpt.h"
#include "sparse_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTORS 8192U
#define LAST (SECTORS - 1)

static const struct image_gpt_entry two[] = {
	{ &gpt_type_esp, 2048, 4095, 1, "EFI System" },
	{ &gpt_type_linux, 4096, 8000, 4, "root" },
};
static const struct image_gpt usual = { .entries = two, .used = 2 };

static struct tranship_disk *disk_with(const struct image_gpt *image, uint32_t sector_size)
{
	struct tranship_disk *disk = sparse_disk((uint64_t)SECTORS * sector_size, sector_size);

	assert_non_null(disk);
	image_gpt_write(disk, image);
	return disk;
}

static void read_gpt(struct tranship_disk *disk, struct gpt *gpt)
{
	struct tranship_error err;

	assert_ok(gpt_read(disk, gpt, &err), &err);
}

static unsigned char *array_of(const struct gpt *gpt)
{
	size_t len = (size_t)gpt->count * gpt->used->header.entry_size;
	unsigned char *array = malloc(len);

	assert_non_null(array);
	memcpy(array, gpt->used->array, len);
	return array;
}

/* Puts the array over the disk, which is changed, and reads it again. */
static void put_and_read(struct tranship_disk *disk, struct gpt *gpt, const unsigned char *array)
{
	struct patches patches;
	struct tranship_error err;

	patches_init(&patches, disk);
	assert_ok(gpt_put(gpt, disk, array, &patches, &err), &err);
	sparse_disk_patch(disk, &patches);
	patches_free(&patches);
	gpt_free(gpt);
	read_gpt(disk, gpt);
	assert_true(gpt->primary.good && gpt->backup.good);
	assert_false(gpt->differ || gpt->backup_misplaced);
	assert_int_equal(gpt->primary.header.alternate_lba, gpt->sectors - 1);
	assert_int_equal(gpt->backup.header.alternate_lba, 1);
}

static void test_gpt_put__an_edited_array(void **state)
{
	static const uint32_t sizes[] = { 512, 4096 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(sizes); i++) {
		struct tranship_disk *disk = disk_with(&usual, sizes[i]);
		struct gpt_entry boot = { .type = gpt_type_bios_boot, .first = 40, .last = 2047 };
		unsigned char *array;
		struct gpt gpt;

		snprintf(boot.name, sizeof(boot.name), "BIOS b\xC3\xB6\xC3\xB6t \xF0\x9F\x98\x80");
		boot.id.bytes[3] = 9;
		read_gpt(disk, &gpt);
		array = array_of(&gpt);
		gpt_entry_encode(&boot, array + 127 * 128, 128);
		put_and_read(disk, &gpt, array);
		assert_string_equal(gpt.entries[127].name, boot.name);
		assert_int_equal(gpt.entries[127].first, 40);
		assert_true(guid_equal(&gpt.entries[127].id, &boot.id));
		assert_string_equal(gpt.entries[1].name, "root");
		memset(&boot.type, 0, sizeof(boot.type));
		gpt_entry_encode(&boot, array + 127 * 128, 128);
		assert_same_bytes(array + 126 * 128, array + 127 * 128, 128);
		put_and_read(disk, &gpt, array);
		assert_true(guid_is_zero(&gpt.entries[127].type));
		free(array);
		gpt_free(&gpt);
		tranship_disk_close(disk);
	}
}

/* An array that is not changed: not a byte of the disk is. */
static void test_gpt_put__the_same_again(void **state)
{
	struct tranship_disk *disk = disk_with(&usual, 512);
	struct patches patches;
	struct tranship_error err;
	struct gpt gpt;

	(void)state;
	read_gpt(disk, &gpt);
	patches_init(&patches, disk);
	assert_ok(gpt_put(&gpt, disk, gpt.used->array, &patches, &err), &err);
	assert_int_equal(patches.count, 66);
	assert_ok(patches_drop_equal(&patches, disk, &err), &err);
	assert_int_equal(patches.count, 0);
	patches_free(&patches);
	gpt_free(&gpt);
	tranship_disk_close(disk);
}

static void test_gpt_put__mends_what_was_wrong(void **state)
{
	static const uint64_t damage[] = { 512, 512 + 60, 1024, LAST * 512ULL,
					   LAST * 512ULL - 512 };
	size_t i;

	(void)state;
	for (i = 0; i <= COUNT_OF(damage); i++) {
		struct tranship_disk *disk = disk_with(&usual, 512);
		unsigned char *array;
		struct gpt gpt;

		if (i < COUNT_OF(damage))
			sparse_disk_write(disk, damage[i], "?", 1);
		else
			sparse_disk_resize(disk, 5 * SECTORS * 512ULL + 1);
		read_gpt(disk, &gpt);
		array = array_of(&gpt);
		put_and_read(disk, &gpt, array);
		assert_int_equal(gpt.used->header.last_usable, gpt.sectors - 34);
		free(array);
		gpt_free(&gpt);
		tranship_disk_close(disk);
	}
}

/* A table that sets more aside than it needs gives it back where a partition wants it. */
static void test_gpt_put__room_before_the_first_partition(void **state)
{
	struct image_gpt image = usual;
	struct gpt_entry boot = { .type = gpt_type_bios_boot, .first = 34, .last = 2047 };
	struct tranship_disk *disk;
	unsigned char *array;
	struct gpt gpt;

	(void)state;
	image.first_usable = 2048;
	disk = disk_with(&image, 512);
	read_gpt(disk, &gpt);
	array = array_of(&gpt);
	put_and_read(disk, &gpt, array);
	assert_int_equal(gpt.used->header.first_usable, 2048);
	gpt_entry_encode(&boot, array + 2 * 128, 128);
	put_and_read(disk, &gpt, array);
	assert_int_equal(gpt.used->header.first_usable, 34);
	free(array);
	gpt_free(&gpt);
	tranship_disk_close(disk);
}

static void test_gpt_put__partitions_in_the_way(void **state)
{
	static const struct {
		uint64_t first, last;
	} cases[] = { { 33, 40 }, { 0, 1 }, { 8100, LAST - 32 }, { 8100, UINT64_MAX }, { 90, 80 } };
	struct tranship_disk *disk = disk_with(&usual, 512);
	struct tranship_error err;
	struct patches patches;
	struct gpt gpt, none = { 0 };
	size_t i;

	(void)state;
	read_gpt(disk, &gpt);
	patches_init(&patches, disk);
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct gpt_entry e = { .type = gpt_type_linux,
				       .first = cases[i].first,
				       .last = cases[i].last };
		unsigned char *array = array_of(&gpt);

		gpt_entry_encode(&e, array + 5 * 128, 128);
		assert_fails(gpt_put(&gpt, disk, array, &patches, &err), TRANSHIP_EUNSUPPORTED,
			     &err, "partition 6");
		free(array);
	}
	assert_fails(gpt_put(&none, disk, NULL, &patches, &err), TRANSHIP_EINVAL, &err, "no table");
	assert_int_equal(patches.count, 0);
	patches_free(&patches);
	gpt_free(&gpt);
	tranship_disk_close(disk);
}

/* Erases, and fails unless no signature is left anywhere. Returns the sectors that were replaced.
 */
static size_t erase(struct tranship_disk *disk)
{
	size_t size = (size_t)tranship_disk_size(disk), count;
	unsigned char *bytes = malloc(size);
	struct tranship_error err;
	struct patches patches;
	struct gpt gpt;

	read_gpt(disk, &gpt);
	patches_init(&patches, disk);
	assert_ok(gpt_erase(&gpt, disk, &patches, &err), &err);
	gpt_free(&gpt);
	sparse_disk_patch(disk, &patches);
	count = patches.count;
	patches_free(&patches);
	sparse_disk_read(disk, 0, bytes, size);
	assert_null(memmem(bytes, size, "EFI PART", 8));
	/* None of the entries either: their types are gone. */
	assert_null(memmem(bytes, size, gpt_type_esp.bytes, 16));
	assert_int_equal(bytes[510], 0x55);
	free(bytes);
	read_gpt(disk, &gpt);
	assert_false(gpt.found || gpt.primary.present || gpt.backup.present);
	gpt_free(&gpt);
	return count;
}

static void test_gpt_erase__leaves_nothing(void **state)
{
	static const uint64_t damage[] = { 512 + 60, 1024 + 100, LAST * 512ULL + 60,
					   LAST * 512ULL - 512 };
	struct tranship_disk *disk;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(damage); i++) {
		disk = disk_with(&usual, 512);
		sparse_disk_write(disk, damage[i], "?", 1);
		assert_int_equal(erase(disk), 66);
		assert_int_equal(erase(disk), 0);
		tranship_disk_close(disk);
	}
	disk = disk_with(&usual, 4096);
	assert_int_equal(erase(disk), 10);
	tranship_disk_close(disk);
	/* Grown, and with the remains of another table in the new last sector. */
	disk = disk_with(&usual, 512);
	sparse_disk_resize(disk, 2 * SECTORS * 512ULL);
	assert_int_equal(erase(disk), 66);
	tranship_disk_close(disk);
	disk = disk_with(&usual, 512);
	sparse_disk_resize(disk, 2 * SECTORS * 512ULL);
	sparse_disk_write(disk, (2 * SECTORS - 1) * 512ULL, "EFI PART", 8);
	assert_int_equal(erase(disk), 66 + 33);
	tranship_disk_close(disk);
}

/* Where partitions lie nothing is erased: here the end of one is what the backup's array was. */
static void test_gpt_erase__spares_partitions(void **state)
{
	static const struct image_gpt_entry grown[] = {
		{ &gpt_type_linux, 2048, 15000, 0, "grown" }, { NULL, 0, 0, 0, NULL }
	};
	static const struct image_gpt image = {
		.entries = grown, .used = 2, .first_usable = 34, .last_usable = 2 * SECTORS - 40
	};
	struct tranship_disk *disk = disk_with(&usual, 512);
	unsigned char header[512], after[512];
	struct tranship_error err;
	struct patches patches;
	struct gpt gpt;
	size_t i;

	(void)state;
	sparse_disk_resize(disk, 2 * SECTORS * 512ULL);
	image_gpt_write_copy(disk, &image, 1, LAST, 2);
	sparse_disk_read(disk, LAST * 512ULL, header, sizeof(header));
	read_gpt(disk, &gpt);
	patches_init(&patches, disk);
	assert_ok(gpt_erase(&gpt, disk, &patches, &err), &err);
	assert_int_equal(patches.count, 33);
	for (i = 0; i < patches.count; i++)
		assert_true(patches.at[i].sector >= 1 && patches.at[i].sector < 34);
	sparse_disk_patch(disk, &patches);
	sparse_disk_read(disk, LAST * 512ULL, after, sizeof(after));
	assert_same_bytes(header, after, sizeof(after));
	patches_free(&patches);
	gpt_free(&gpt);
	tranship_disk_close(disk);
}

/* Memory ends while a table is read, or put. */
static void test_gpt__memory_ends(void **state)
{
	struct tranship_disk *disk = disk_with(&usual, 512);
	struct tranship_error err;
	struct patches patches;
	unsigned long n;
	struct gpt gpt;
	bool failed = HEAP_WATCHED;

	(void)state;
	read_gpt(disk, &gpt);
	gpt_free(&gpt);
	for (n = 1; failed; n++) {
		struct heap_seen seen;
		int rc;

		heap_watch(n, false);
		patches_init(&patches, disk);
		rc = gpt_read(disk, &gpt, &err);
		if (rc == 0)
			rc = gpt_put(&gpt, disk, gpt.used->array, &patches, &err);
		gpt_free(&gpt);
		patches_free(&patches);
		seen = heap_unwatch();
		assert_int_equal(seen.held, 0);
		failed = seen.failed;
		assert_int_equal(rc, failed ? TRANSHIP_ENOMEM : 0);
	}
	tranship_disk_close(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gpt_put__an_edited_array),
		cmocka_unit_test(test_gpt_put__the_same_again),
		cmocka_unit_test(test_gpt_put__mends_what_was_wrong),
		cmocka_unit_test(test_gpt_put__room_before_the_first_partition),
		cmocka_unit_test(test_gpt_put__partitions_in_the_way),
		cmocka_unit_test(test_gpt_erase__leaves_nothing),
		cmocka_unit_test(test_gpt_erase__spares_partitions),
		cmocka_unit_test(test_gpt__memory_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
