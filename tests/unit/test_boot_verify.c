// SPDX-License-Identifier: Apache-2.0
/* tranship_boot_verify of disks like a Windows on an MBR: each single fault of many is found, and
 * named. Sound disks are in test_boot_verify_sound.c. Disks that GRUB starts are in
 * cli/test_boot_verify_linux.sh.
 */
#include "support.h"

#include "base/bytes.h"
#include "boot_found.h"
#include "image_gpt.h"
#include "image_windows.h"
#include "mbr-gpt/fat.h"
#include "mbr-gpt/gpt.h"
#include "sparse_disk.h"

#include <stdio.h>
#include <string.h>

#define ESP_OFF (WINDOWS_ESP * UINT64_C(512))
#define NTFS_OFF (WINDOWS_NTFS * UINT64_C(512))
#define BACKUP_OFF (ESP_OFF + 6 * 512) /* of the boot sector */

/* What makes a good disk one with a fault, or its content. */
struct fault {
	const char *what; /* a piece of the sentence that must come */
	void (*edit)(struct tranship_disk *disk);
	struct image_windows windows;
};

static void zero(struct tranship_disk *disk, uint64_t off, size_t len)
{
	static const unsigned char zeros[4096];

	assert_true(len <= sizeof(zeros));
	sparse_disk_write(disk, off, zeros, len);
}

static void no_signature(struct tranship_disk *disk)
{
	zero(disk, 510, 2);
}

static void not_active(struct tranship_disk *disk)
{
	zero(disk, 446, 1);
}

static void both_active(struct tranship_disk *disk)
{
	sparse_disk_write(disk, 446 + 16, "\x80", 1);
}

static void wrong_one_active(struct tranship_disk *disk)
{
	not_active(disk);
	both_active(disk);
}

static void no_code(struct tranship_disk *disk)
{
	zero(disk, 0, 440);
}

static void no_disk_signature(struct tranship_disk *disk)
{
	zero(disk, 440, 4);
}

static void other_disk_signature(struct tranship_disk *disk)
{
	image_poke32(disk, 440, 0x12345678);
}

static void hidden_sectors(struct tranship_disk *disk)
{
	image_poke32(disk, ESP_OFF + 0x1C, 63);
	image_poke32(disk, BACKUP_OFF + 0x1C, 63);
}

static void drive(struct tranship_disk *disk)
{
	zero(disk, ESP_OFF + 0x40, 1);
	zero(disk, BACKUP_OFF + 0x40, 1);
}

static void no_volume_code(struct tranship_disk *disk)
{
	zero(disk, ESP_OFF + 0x5A, 420);
	zero(disk, BACKUP_OFF + 0x5A, 420);
}

static void not_bootable(struct tranship_disk *disk)
{
	static const char text[] = "This is not a bootable disk.  Please insert";

	sparse_disk_write(disk, ESP_OFF + 0x77, text, sizeof(text));
	sparse_disk_write(disk, BACKUP_OFF + 0x77, text, sizeof(text));
}

static void backup_differs(struct tranship_disk *disk)
{
	sparse_disk_write(disk, BACKUP_OFF + 0x80, "?", 1);
}

static void backup_missing(struct tranship_disk *disk)
{
	zero(disk, BACKUP_OFF, 512);
}

static void no_volume_signature(struct tranship_disk *disk)
{
	zero(disk, ESP_OFF + 510, 2);
}

static void no_volume(struct tranship_disk *disk)
{
	zero(disk, ESP_OFF, 512);
}

/* Sets what the table has for the cluster behind so many of BOOTMGR. */
static void link_bootmgr(struct tranship_disk *disk, unsigned steps, uint32_t value)
{
	struct volume volume = { .disk = disk, .off = ESP_OFF, .len = WINDOWS_ESP_SECTORS * 512 };
	struct tranship_error err;
	struct fat_entry entry;
	uint32_t cluster;
	struct fat fat;
	bool found;

	assert_ok(fat_open(&volume, &fat, &err), &err);
	assert_ok(fat_find(&fat, "bootmgr", &found, &entry, &err), &err);
	assert_true(found);
	for (cluster = entry.cluster; steps > 0; steps--)
		assert_ok(fat_next(&fat, cluster, &cluster, &err), &err);
	image_poke32(disk, ESP_OFF + (uint64_t)fat.reserved_sectors * 512 + (uint64_t)cluster * 4,
		     value);
	fat_close(&fat);
}

static void chain_ends(struct tranship_disk *disk)
{
	link_bootmgr(disk, 100, 0x0FFFFFFF);
}

static void chain_is_free(struct tranship_disk *disk)
{
	link_bootmgr(disk, 50, 0);
}

static void chain_loops(struct tranship_disk *disk)
{
	link_bootmgr(disk, 60, 200);
}

static void damaged_bootmgr(struct tranship_disk *disk)
{
	sparse_disk_write(disk, ESP_OFF + (8 + 2 * 9 + 400 - 2) * 512 + 77, "?!", 2);
}

static void primary_gpt(struct tranship_disk *disk)
{
	sparse_disk_write(disk, 512, "EFI PART", 8);
}

static void backup_gpt(struct tranship_disk *disk)
{
	sparse_disk_write(disk, (WINDOWS_SECTORS - 1) * UINT64_C(512), "EFI PART", 8);
}

static void overlap(struct tranship_disk *disk)
{
	image_mbr_entry(disk, 0, 2, 0, 0x83, 4000, 97);
}

static void past_the_end(struct tranship_disk *disk)
{
	image_mbr_entry(disk, 0, 2, 0, 0x83, 8000, 193);
}

static void bcd_checksum(struct buffer *bytes)
{
	bytes->bytes[508] ^= 1;
}

static void bcd_cut(struct buffer *bytes)
{
	bytes->len = 700;
}

static void set_device(struct hive_image *hive, struct image_bcd *bcd, const char *object,
		       const char *element)
{
	unsigned char raw[BCD_DEVICE_SIZE];

	image_bcd_device(bcd, &bcd->windows, raw);
	hive_image_value(image_bcd_element(hive, object, element), "Element", HIVE_BINARY, raw,
			 sizeof(raw));
}

static void bcd_offset(struct hive_image *hive, struct image_bcd *bcd)
{
	bcd->windows.off += 512;
	set_device(hive, bcd, BCD_LOADER, "11000001");
}

static void bcd_os_offset(struct hive_image *hive, struct image_bcd *bcd)
{
	bcd->windows.off -= 512;
	set_device(hive, bcd, BCD_LOADER, "21000001");
}

static void bcd_signature(struct hive_image *hive, struct image_bcd *bcd)
{
	bcd->signature = 0x01020304;
	set_device(hive, bcd, BCD_LOADER, "11000001");
}

static void bcd_gpt(struct hive_image *hive, struct image_bcd *bcd)
{
	bcd->bios = false;
	set_device(hive, bcd, BCD_LOADER, "11000001");
}

static void bcd_esp(struct hive_image *hive, struct image_bcd *bcd)
{
	bcd->windows = bcd->esp;
	set_device(hive, bcd, BCD_LOADER, "11000001");
}

static void bcd_os_elsewhere(struct hive_image *hive, struct image_bcd *bcd)
{
	bcd->windows = bcd->esp;
	set_device(hive, bcd, BCD_LOADER, "21000001");
}

static void bcd_path(struct hive_image *hive, struct image_bcd *bcd)
{
	(void)bcd;
	hive_image_text(image_bcd_element(hive, BCD_LOADER, "12000002"), "Element", HIVE_SZ,
			"\\Windows\\system32\\winload.efi");
}

static void bcd_other_path(struct hive_image *hive, struct image_bcd *bcd)
{
	(void)bcd;
	hive_image_text(image_bcd_element(hive, BCD_LOADER, "12000002"), "Element", HIVE_SZ,
			"\\Windows\\system32\\boot\\winload.exe");
}

static void bcd_no_default(struct hive_image *hive, struct image_bcd *bcd)
{
	(void)bcd;
	hive_image_remove(hive, "Objects\\" BCD_BOOTMGR "\\Elements\\23000003");
	hive_image_remove(hive, "Objects\\" BCD_BOOTMGR "\\Elements\\24000001");
}

static void bcd_dangling_default(struct hive_image *hive, struct image_bcd *bcd)
{
	(void)bcd;
	hive_image_remove(hive, "Objects\\" BCD_LOADER);
}

static void bcd_no_manager(struct hive_image *hive, struct image_bcd *bcd)
{
	(void)bcd;
	hive_image_remove(hive, "Objects\\" BCD_BOOTMGR);
}

/* Not closed; the difference of both numbers is in the checksum, too. */
static void bcd_dirty(struct buffer *bytes)
{
	bytes->bytes[4] ^= 1;
	bytes->bytes[508] ^= 1;
}

static void bcd_no_root(struct hive_image *hive, struct image_bcd *bcd)
{
	(void)bcd;
	hive_image_remove(hive, "Objects\\" BCD_LOADER "\\Elements\\22000002");
}

static void flip(struct tranship_disk *disk, uint64_t off)
{
	unsigned char byte;

	sparse_disk_read(disk, off, &byte, 1);
	byte ^= 4;
	sparse_disk_write(disk, off, &byte, 1);
}

static void damaged_code(struct tranship_disk *disk)
{
	flip(disk, 100);
}

static void damaged_volume_code(struct tranship_disk *disk)
{
	flip(disk, ESP_OFF + 0x5A + 40);
	flip(disk, BACKUP_OFF + 0x5A + 40);
}

static void windows_of_linux(struct tranship_disk *disk)
{
	image_mbr_entry(disk, 0, 1, 0, 0x83, WINDOWS_NTFS, WINDOWS_NTFS_SECTORS);
}

static void damaged_system(struct tranship_disk *disk)
{
	unsigned char sector[512];
	uint64_t off;

	for (off = NTFS_OFF; off < WINDOWS_SECTORS * UINT64_C(512); off += 512) {
		sparse_disk_read(disk, off, sector, sizeof(sector));
		if (memcmp(sector, "regf", 4) == 0) {
			flip(disk, off + 37);
			return;
		}
	}
	fail();
}

static const struct fault faults[] = {
	{ "boot: the first sector's code is damaged", damaged_code, { 0 } },
	{ "the code in the boot sector of partition 1 is damaged", damaged_volume_code, { 0 } },
	{ "partition 2, which the BCD names, is of type 0x83", windows_of_linux, { 0 } },
	{ "boot: there is no Windows/System32/config/SYSTEM", NULL, { .without = "SYSTEM" } },
	{ "boot: there is no Windows/System32/ntoskrnl.exe", NULL, { .without = "ntoskrnl.exe" } },
	{ "has its loader on the partition at byte 2097152, its system on that at byte 1048576",
	  NULL,
	  { .edit_bcd = bcd_os_elsewhere } },
	{ "Windows/System32/config/SYSTEM: regf: the header's checksum", damaged_system, { 0 } },
	{ "\\Boot\\BCD was not closed, and there is no log",
	  NULL,
	  { .edit_bcd_bytes = bcd_dirty } },
	{ "has no folder of its system (22000002)", NULL, { .edit_bcd = bcd_no_root } },
	{ "mbr: the first sector does not end in 55 AA", no_signature, { 0 } },
	{ "mbr: no partition is active", not_active, { 0 } },
	{ "mbr: partitions 1 and 2 are both active", both_active, { 0 } },
	{ "boot: the active partition 2 has no \\BOOTMGR", wrong_one_active, { 0 } },
	{ "boot: the first sector has no boot code", no_code, { 0 } },
	{ "mbr: the disk has no signature", no_disk_signature, { 0 } },
	{ "is on a disk with the signature 0x0badcafe, this one has 0x12345678",
	  other_disk_signature,
	  { 0 } },
	{ "partition 1 has 63 hidden sectors, 2048 stand before it", hidden_sectors, { 0 } },
	{ "partition 1 has drive 0x00 instead of 0x80", drive, { 0 } },
	{ "boot: the boot sector of partition 1 has no code", no_volume_code, { 0 } },
	{ "only says that the disk is not bootable", not_bootable, { 0 } },
	{ "(its sector 6) differs from the first one at byte 128", backup_differs, { 0 } },
	{ "backup boot sector of partition 1 (its sector 6) is missing", backup_missing, { 0 } },
	{ "boot: the active partition", no_volume_signature, { 0 } },
	{ "boot: the active partition 1 is neither FAT32 nor NTFS", no_volume, { 0 } },
	{ "boot: the active partition 1 has no \\BOOTMGR", NULL, { .without = "BOOTMGR" } },
	{ "boot: the active partition 1 has no \\BOOTMGR", NULL, { .folder_for_files = true } },
	{ "ends behind 101 clusters", chain_ends, { 0 } },
	{ "it is free", chain_is_free, { 0 } },
	{ "is a loop", chain_loops, { 0 } },
	{ "\\BOOTMGR has other bytes than", damaged_bootmgr, { 0 } },
	{ "has the short name 'BOOTMG~1'", NULL, { .long_bootmgr = true } },
	{ "\\BOOTMGR of partition 1 is empty", NULL, { .empty_bootmgr = true } },
	{ "'BOOTMGR' has 523265 bytes, more than 523264", NULL, { .bootmgr_size = 523265 } },
	{ "boot: the active partition 1 has no \\Boot\\BCD", NULL, { .without = "BCD" } },
	{ "boot: \\Boot\\BCD: regf: ", NULL, { .edit_bcd_bytes = bcd_checksum } },
	{ "boot: \\Boot\\BCD: regf: ", NULL, { .edit_bcd_bytes = bcd_cut } },
	{ "is a partition at byte 2097664, where none starts", NULL, { .edit_bcd = bcd_offset } },
	{ "21000001 of {3b8a5e6f-0e3c-11ee-8f2b-806e6f6e6963} is a partition at byte 2096640",
	  NULL,
	  { .edit_bcd = bcd_os_offset } },
	{ "signature 0x01020304, this one has 0x0badcafe", NULL, { .edit_bcd = bcd_signature } },
	{ "is a partition of a GPT disk", NULL, { .edit_bcd = bcd_gpt } },
	{ "boot: partition 1, which the BCD names, is no NTFS", NULL, { .edit_bcd = bcd_esp } },
	{ "winload.efi, which a BIOS cannot", NULL, { .edit_bcd = bcd_path } },
	{ "has no loader \\Windows\\system32\\boot\\winload.exe",
	  NULL,
	  { .edit_bcd = bcd_other_path } },
	{ "bcd: the boot manager has no default entry", NULL, { .edit_bcd = bcd_no_default } },
	{ "does not exist", NULL, { .edit_bcd = bcd_dangling_default } },
	{ "bcd: there is no boot manager", NULL, { .edit_bcd = bcd_no_manager } },
	{ "boot: partition 2 has no loader \\Windows\\system32\\winload.exe",
	  NULL,
	  { .without = "winload.exe" } },
	{ "winload.exe is for machine 0xaa64 (ARM64)", NULL, { .machine = 0xAA64 } },
	{ "winload.exe is no program of Windows", NULL, { .loader = "#!/bin/sh" } },
	{ "the remains of a primary table stand in sector 1", primary_gpt, { 0 } },
	{ "the remains of a backup table stand in sector 8191", backup_gpt, { 0 } },
	{ "mbr: partitions 2 and 3 overlap", overlap, { 0 } },
	{ "mbr: partition 3 (193 sectors from 8000) passes the end of the disk (8192 sectors)",
	  past_the_end,
	  { 0 } },
};

static void test_boot_verify__single_faults(void **state)
{
	struct tranship_boot_verdict verdict;
	struct boot_found found;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(faults); i++) {
		struct tranship_disk *disk = image_windows(&faults[i].windows);
		char *at;

		if (faults[i].edit)
			faults[i].edit(disk);
		boot_verify(disk, &found, &verdict);
		at = strstr(found.text, faults[i].what);
		if (!at || found.faults == 0)
			fail_msg("'%s' is not found: %s", faults[i].what, found.text);
		while (at > found.text && at[-1] != '\n')
			at--;
		assert_memory_equal(at, "fault: ", 7);
		tranship_disk_close(disk);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boot_verify__single_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
