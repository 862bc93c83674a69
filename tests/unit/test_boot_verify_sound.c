// SPDX-License-Identifier: Apache-2.0
/* tranship_boot_verify of disks that start, if not as we would make them: no fault, remarks at
 * most.
 */
#include "support.h"

#include "boot_found.h"
#include "image_gpt.h"
#include "image_windows.h"
#include "sparse_disk.h"

#include <string.h>

#define ESP_OFF (WINDOWS_ESP * UINT64_C(512))
#define NTFS_OFF (WINDOWS_NTFS * UINT64_C(512))

static void zero(struct tranship_disk *disk, uint64_t off, size_t len)
{
	static const unsigned char zeros[512];

	assert_true(len <= sizeof(zeros));
	sparse_disk_write(disk, off, zeros, len);
}

static void test_boot_verify__a_good_disk(void **state)
{
	static const struct image_windows good;
	struct tranship_disk *disk = image_windows(&good);
	struct tranship_boot_verdict verdict;
	struct boot_found found;

	(void)state;
	boot_verify(disk, &found, &verdict);
	assert_string_equal(found.text, "");
	assert_int_equal(verdict.table, TRANSHIP_TABLE_MBR);
	assert_int_equal(verdict.os, TRANSHIP_OS_WINDOWS);
	assert_int_equal(verdict.faults, 0);
	tranship_disk_close(disk);
}

/* As bcdedit makes it of "locate": no longer than what it has to say. */
static void bcd_locate(struct hive_image *hive, struct image_bcd *bcd)
{
	static const unsigned char raw[16 + 0x20] = { [16] = 8, [24] = 0x20 };

	(void)bcd;
	hive_image_value(image_bcd_element(hive, BCD_LOADER, "21000001"), "Element", HIVE_BINARY,
			 raw, sizeof(raw));
}

static void test_boot_verify__remarks(void **state)
{
	static const struct image_windows mounted = { .mounted_by_gpt = true },
					  without = { .without = "bootmgr" }, good = { 0 },
					  updated = { .other_bootmgr = true },
					  locating = { .edit_bcd = bcd_locate };
	unsigned char code[440];
	struct tranship_boot_verdict verdict;
	struct tranship_disk *disk = image_windows(&mounted);
	struct boot_found found;

	(void)state;
	boot_verify(disk, &found, &verdict);
	assert_int_equal(found.faults, 0);
	assert_non_null(strstr(found.text, "MountedDevices has 4 values"));
	tranship_disk_close(disk);
	disk = image_windows(&without);
	boot_verify(disk, &found, &verdict);
	assert_int_equal(found.faults, 0);
	assert_non_null(strstr(found.text, "could not be compared"));
	tranship_disk_close(disk);
	disk = image_windows(&updated);
	boot_verify(disk, &found, &verdict);
	assert_int_equal(found.faults, 0);
	assert_non_null(strstr(found.text, "another version"));
	tranship_disk_close(disk);
	disk = image_windows(&locating);
	boot_verify(disk, &found, &verdict);
	assert_int_equal(found.faults, 0);
	assert_non_null(strstr(found.text, "of type 8, is not judged"));
	tranship_disk_close(disk);
	/* Code that is not ours, as Windows' own; it is not in the backup, nor is there one. */
	disk = image_windows(&good);
	memset(code, 0x33, sizeof(code));
	sparse_disk_write(disk, 0, code, 440);
	sparse_disk_write(disk, ESP_OFF + 0x5A, code, 420);
	boot_verify(disk, &found, &verdict);
	assert_int_equal(found.faults, 0);
	assert_non_null(strstr(found.text, "(its sector 6) differs"));
	zero(disk, ESP_OFF + 0x32, 2);
	boot_verify(disk, &found, &verdict);
	assert_int_equal(found.faults, 0);
	assert_int_equal(verdict.os, TRANSHIP_OS_WINDOWS);
	assert_non_null(strstr(found.text, "remark: boot: the first sector's code is not known"));
	assert_non_null(strstr(found.text, "partition 1 is not known here"));
	tranship_disk_close(disk);
}

/* What a Windows setup makes for BIOS, with nothing of ours. */
static void test_boot_verify__an_active_ntfs(void **state)
{
	static const struct image_windows native = { .native = true },
					  no_bcd = { .native = true, .without = "BCD" };
	struct tranship_boot_verdict verdict;
	struct tranship_disk *disk = image_windows(&native);
	unsigned char code[440];
	struct boot_found found;

	(void)state;
	memset(code, 0x33, sizeof(code));
	sparse_disk_write(disk, 0, code, sizeof(code));
	boot_verify(disk, &found, &verdict);
	assert_int_equal(found.faults, 0);
	assert_int_equal(found.remarks, 2);
	assert_int_equal(verdict.os, TRANSHIP_OS_WINDOWS);
	image_poke32(disk, NTFS_OFF + 0x1C, 63);
	boot_verify(disk, &found, &verdict);
	assert_int_equal(found.faults, 1);
	assert_non_null(strstr(found.text, "partition 2 has 63 hidden sectors"));
	zero(disk, NTFS_OFF + 0x54, 420);
	boot_verify(disk, &found, &verdict);
	assert_int_equal(found.faults, 2);
	assert_non_null(strstr(found.text, "boot sector of partition 2 has no code"));
	tranship_disk_close(disk);
	disk = image_windows(&no_bcd);
	boot_verify(disk, &found, &verdict);
	assert_int_equal(found.faults, 1);
	assert_non_null(strstr(found.text, "the active partition 2 has no \\Boot\\BCD"));
	tranship_disk_close(disk);
}

static void test_boot_verify__disks_of_nothing(void **state)
{
	static const struct {
		uint64_t size;
		uint32_t sector_size;
		const char *what;
	} cases[] = {
		{ 0, 512, "boot: the disk is empty" },
		{ 100, 512, "boot: the disk is empty" },
		{ 512, 512, "does not end in 55 AA" },
		{ 1 << 20, 512, "does not end in 55 AA" },
		{ 1 << 20, 4096, "the disk has sectors of 4096 bytes" },
	};
	struct tranship_boot_verdict verdict;
	struct boot_found found;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct tranship_disk *disk = sparse_disk(cases[i].size, cases[i].sector_size);

		boot_verify(disk, &found, &verdict);
		assert_non_null(strstr(found.text, cases[i].what));
		assert_int_equal(verdict.table, TRANSHIP_TABLE_NONE);
		assert_int_equal(verdict.os, TRANSHIP_OS_ANY);
		tranship_disk_close(disk);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boot_verify__a_good_disk),
		cmocka_unit_test(test_boot_verify__remarks),
		cmocka_unit_test(test_boot_verify__an_active_ntfs),
		cmocka_unit_test(test_boot_verify__disks_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
