// SPDX-License-Identifier: Apache-2.0
/*
 * Windows (experimental): the ESP becomes the active partition of an MBR, with our boot code,
 * BOOTMGR and a BCD for BIOS in it. Only the FAT32 of the ESP gets new files; on NTFS nothing but
 * the content of one file is replaced, in place.
 */
#include "base/bytes.h"
#include "base/error.h"
#include "mbr-gpt/boot_code.h"
#include "mbr-gpt/boot_plan.h"
#include "mbr-gpt/fat.h"

#include <string.h>

#define REASON_CODE "boot code of the MBR"
#define REASON_BOOT_SECTOR "boot code of the EFI system partition"
#define REASON_BACKUP "backup of its boot sector"

enum {
	OFF_HIDDEN = 0x1C, /* sectors before the volume */
	OFF_DRIVE = 0x40,  /* of FAT32: the BIOS's number */
	FIRST_DISK = 0x80,
};

/* The volume's own boot sector with our code around its parameters. */
static void make_boot_sector(unsigned char sector[MBR_SIZE], uint32_t hidden)
{
	static const unsigned char jump[3] = { 0xEB, 0x58, 0x90 };

	memcpy(sector, jump, sizeof(jump));
	put_le32(sector + OFF_HIDDEN, hidden);
	sector[OFF_DRIVE] = FIRST_DISK;
	memset(sector + BOOT_CODE_FAT32_OFF, 0, BOOT_CODE_FAT32_MAX);
	memcpy(sector + BOOT_CODE_FAT32_OFF, boot_code_fat32, boot_code_fat32_len);
	sector[MBR_SIZE - 2] = 0x55;
	sector[MBR_SIZE - 1] = 0xAA;
}

static int put_boot_sectors(struct planning *p, const struct fat *fat, struct tranship_error *err)
{
	const struct layout_partition *esp = &p->layout->at[p->layout->esp.partition];
	unsigned char sector[MBR_SIZE];
	int rc = volume_read(&fat->volume, 0, sector, sizeof(sector), err);

	if (rc)
		return rc;
	make_boot_sector(sector, (uint32_t)(esp->public.off / MBR_SIZE));
	rc = plan_put(p, esp->public.off, sector, sizeof(sector), REASON_BOOT_SECTOR, err);
	if (rc == 0 && fat->backup_sector)
		rc = plan_put(p, esp->public.off + (uint64_t)fat->backup_sector * MBR_SIZE, sector,
			      sizeof(sector), REASON_BACKUP, err);
	return rc;
}

static int put_boot_code(struct planning *p, struct tranship_error *err)
{
	struct volume volume = plan_volume(p, &p->layout->at[p->layout->esp.partition]);
	unsigned char code[MBR_CODE_SIZE] = { 0 };
	struct fat fat;
	int rc = fat_open(&volume, &fat, err);

	if (rc)
		return plan_refuse_error(p, "the EFI system partition", rc, err);
	if (fat.sector_size != MBR_SIZE)
		rc = plan_refuse(p, err,
				 "the EFI system partition's FAT has sectors of %u bytes: the boot "
				 "code reads those of 512",
				 fat.sector_size);
	else
		rc = put_boot_sectors(p, &fat, err);
	fat_close(&fat);
	if (rc || plan_refused(p))
		return rc;
	memcpy(code, boot_code_mbr, boot_code_mbr_len);
	return plan_put(p, 0, code, sizeof(code), REASON_CODE, err);
}

int plan_windows(struct planning *p, struct tranship_error *err)
{
	int rc = plan_note(p, err,
			   "the plan for Windows is experimental: no Windows has been started from "
			   "it yet");

	if (rc == 0)
		rc = plan_windows_files(p, plan_signature(p->layout), err);
	if (rc == 0 && !plan_refused(p))
		rc = plan_table(p, 0, err);
	if (rc == 0 && !plan_refused(p))
		rc = put_boot_code(p, err);
	return rc;
}
