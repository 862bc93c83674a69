// SPDX-License-Identifier: Apache-2.0
/*
 * A Windows on an MBR disk: the first sector's code loads the boot sector of the active partition,
 * that one \BOOTMGR, which reads \Boot\BCD. The active partition is FAT32 where we made it, NTFS
 * where a Windows setup did.
 */
#include "base/bytes.h"
#include "base/error.h"
#include "mbr-gpt/boot_code.h"
#include "mbr-gpt/boot_verify.h"
#include "mbr-gpt/boot_verify_system.h"
#include "mbr-gpt/mbr_ondisk.h"
#include "mbr-gpt/ntfs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	OFF_HIDDEN = 0x1C,      /* of the boot sector: sectors before the volume */
	OFF_DRIVE_FAT32 = 0x40, /* the BIOS's number of the disk */
	OFF_STATE_FAT32 = 0x41, /* "not unmounted", in the first copy only */
	OFF_DRIVE_NTFS = 0x24,
	OFF_CODE_NTFS = 0x54,
	OFF_SIGNATURE = 510,
	FIRST_DISK = 0x80,
	BCD_MAX = 32 << 20,
};

/* What mkfs.fat and mkntfs put where boot code belongs: it says so, and waits for a key. */
static bool says_not_bootable(const unsigned char *sector)
{
	static const char text[] = "is not a bootable disk";

	return memmem(sector, MBR_SIZE, text, sizeof(text) - 1) != NULL;
}

static void check_parameters(struct verify *v, const struct verify_system *s,
			     const unsigned char *sector)
{
	uint32_t number = s->partition->number, hidden = get_le32(sector + OFF_HIDDEN);
	unsigned drive = sector[s->is_fat ? OFF_DRIVE_FAT32 : OFF_DRIVE_NTFS];

	if (sector[0] != 0xEB && sector[0] != 0xE9)
		verify_fault(v,
			     "boot: the boot sector of partition %" PRIu32
			     " does not begin with a jump",
			     number);
	if (s->is_fat && s->fat.sector_size != MBR_SIZE)
		verify_fault(v,
			     "boot: partition %" PRIu32 " has sectors of %" PRIu32
			     " bytes, boot code reads those of 512",
			     number, s->fat.sector_size);
	if (sector[OFF_SIGNATURE] != 0x55 || sector[OFF_SIGNATURE + 1] != 0xAA)
		verify_fault(v,
			     "boot: the boot sector of partition %" PRIu32 " does not end in 55 AA",
			     number);
	if (hidden != s->partition->first)
		verify_fault(v,
			     "boot: the boot sector of partition %" PRIu32 " has %" PRIu32
			     " hidden sectors, %" PRIu64 " stand before it",
			     number, hidden, s->partition->first);
	if (drive != FIRST_DISK)
		verify_fault(v,
			     "boot: the boot sector of partition %" PRIu32
			     " has drive 0x%02x instead of 0x80",
			     number, drive);
}

static bool has_our_code(const struct verify_system *s, const unsigned char *sector)
{
	return s->is_fat &&
	       memcmp(sector + BOOT_CODE_FAT32_OFF, boot_code_fat32, boot_code_fat32_len) == 0;
}

static void check_boot_code(struct verify *v, const struct verify_system *s,
			    const unsigned char *sector)
{
	uint32_t number = s->partition->number;
	size_t at = s->is_fat ? BOOT_CODE_FAT32_OFF : OFF_CODE_NTFS;

	if (verify_zeros(sector + at, OFF_SIGNATURE - at))
		verify_fault(v, "boot: the boot sector of partition %" PRIu32 " has no code",
			     number);
	else if (says_not_bootable(sector))
		verify_fault(v,
			     "boot: the boot sector of partition %" PRIu32
			     " only says that the disk is not bootable",
			     number);
	else if (s->is_fat && verify_nearly(sector + at, boot_code_fat32, boot_code_fat32_len))
		verify_fault(
			v, "boot: the code in the boot sector of partition %" PRIu32 " is damaged",
			number);
	else if (!has_our_code(s, sector))
		verify_remark(v,
			      "boot: the code in the boot sector of partition %" PRIu32
			      " is not known here",
			      number);
}

/* Nothing starts from the backup. Others' tools write the first one alone; ours has both. */
static int check_backup(struct verify *v, const struct verify_system *s, unsigned char *sector,
			struct tranship_error *err)
{
	uint32_t number = s->partition->number, backup = s->fat.backup_sector;
	void (*tell)(struct verify *, const char *, ...) =
		has_our_code(s, sector) ? verify_fault : verify_remark;
	unsigned char other[MBR_SIZE];
	size_t i;
	int rc;

	if (backup == 0) {
		verify_remark(v, "boot: partition %" PRIu32 " has no backup boot sector", number);
		return 0;
	}
	rc = volume_read(&s->fat.volume, (uint64_t)backup * s->fat.sector_size, other,
			 sizeof(other), err);
	if (rc)
		return verify_error(v, "boot: the backup boot sector", rc, err);
	if (verify_zeros(other, sizeof(other))) {
		tell(v,
		     "boot: the backup boot sector of partition %" PRIu32 " (its sector %" PRIu32
		     ") is missing",
		     number, backup);
		return 0;
	}
	other[OFF_STATE_FAT32] = sector[OFF_STATE_FAT32];
	for (i = 0; i < MBR_SIZE; i++)
		if (other[i] != sector[i]) {
			tell(v,
			     "boot: the backup boot sector of partition %" PRIu32
			     " (its sector %" PRIu32 ") differs from the first one at byte %zu",
			     number, backup, i);
			break;
		}
	return 0;
}

static int check_boot_sectors(struct verify *v, const struct verify_system *s,
			      struct tranship_error *err)
{
	struct volume volume = verify_volume(v, s->partition);
	unsigned char sector[MBR_SIZE];
	int rc = volume_read(&volume, 0, sector, sizeof(sector), err);

	if (rc)
		return rc;
	check_parameters(v, s, sector);
	check_boot_code(v, s, sector);
	return s->is_fat ? check_backup(v, s, sector, err) : 0;
}

/* What a comparison with the files that the Windows itself has to put there told, each counted. */
struct compared {
	unsigned seen, same, damaged;
};

/* Updates of Windows renew its own file, and the one that starts it not always. But two versions
 * are packed, and have hardly a byte in common: where most are the same one of them is damaged. */
static void compare_bytes(const struct verify_file *file, const struct verify_file *bootmgr,
			  struct compared *c)
{
	size_t common = file->len < bootmgr->len ? file->len : bootmgr->len, i, same = 0;

	for (i = 0; i < common; i++)
		same += file->bytes[i] == bootmgr->bytes[i];
	c->seen++;
	if (file->len == bootmgr->len && same == common)
		c->same++;
	else if (same > common / 2)
		c->damaged++;
}

static int compare_bootmgr(const struct verify *v, const struct verify_partition *p,
			   const struct verify_file *bootmgr, struct compared *c,
			   struct tranship_error *err)
{
	struct verify_system other = { 0 };
	struct verify_file file = { 0 };
	int rc = verify_system_open(v, p, &other, err);

	if (rc == 0 && other.ntfs)
		rc = verify_system_read(&other, "Windows/Boot/PCAT/bootmgr", BOOT_CODE_BOOTMGR_MAX,
					&file, err);
	if (rc == 0 && file.found)
		compare_bytes(&file, bootmgr, c);
	free(file.bytes);
	verify_system_close(&other);
	/* A volume that cannot be read is no reason against another one. */
	return rc == TRANSHIP_EIO || rc == TRANSHIP_ENOMEM ? rc : 0;
}

static int check_bootmgr_bytes(struct verify *v, const struct verify_file *bootmgr,
			       struct tranship_error *err)
{
	struct compared c = { 0 };
	uint32_t i;
	int rc = 0;

	for (i = 0; i < v->count && rc == 0; i++)
		rc = compare_bootmgr(v, &v->at[i], bootmgr, &c, err);
	if (rc)
		return rc;
	if (c.seen == 0)
		verify_remark(v, "boot: \\BOOTMGR could not be compared: there is no "
				 "\\Windows\\Boot\\PCAT\\bootmgr");
	else if (c.same == 0 && c.damaged > 0)
		verify_fault(v, "boot: \\BOOTMGR has other bytes than \\Windows\\Boot\\PCAT\\"
				"bootmgr, if not many: one of both is damaged");
	else if (c.same == 0)
		verify_remark(v, "boot: \\BOOTMGR is another version than \\Windows\\Boot\\"
				 "PCAT\\bootmgr, or none");
	return 0;
}

static int check_bootmgr(struct verify *v, struct verify_system *s, struct tranship_error *err)
{
	uint32_t number = s->partition->number;
	struct verify_file file = { 0 };
	int rc = verify_system_read(s, "BOOTMGR", BOOT_CODE_BOOTMGR_MAX, &file, err);

	if (rc)
		return verify_error(v, "boot: \\BOOTMGR", rc, err);
	if (!file.found)
		verify_fault(v, "boot: the active partition %" PRIu32 " has no \\BOOTMGR", number);
	else if (file.len == 0 || verify_zeros(file.bytes, file.len))
		verify_fault(v, "boot: \\BOOTMGR of partition %" PRIu32 " is empty", number);
	else
		rc = check_bootmgr_bytes(v, &file, err);
	/* Boot code looks at short names. */
	if (rc == 0 && file.found && s->is_fat && strcmp(file.short_name, "BOOTMGR") != 0)
		verify_fault(v,
			     "boot: \\BOOTMGR of partition %" PRIu32
			     " has the short name '%s', by which it is not found",
			     number, file.short_name);
	free(file.bytes);
	return rc;
}

/* Whether Windows has a log of the changes of its BCD. */
static int has_log(struct verify_system *s, bool *has, struct tranship_error *err)
{
	int rc = verify_system_has(s, "Boot/BCD.LOG", has, err);

	return rc || *has ? rc : verify_system_has(s, "Boot/BCD.LOG1", has, err);
}

static int check_files(struct verify *v, struct verify_system *s, struct tranship_error *err)
{
	struct verify_file bcd = { 0 };
	bool log = false;
	int rc = check_bootmgr(v, s, err);

	if (rc)
		return rc;
	rc = verify_system_read(s, "Boot/BCD", BCD_MAX, &bcd, err);
	if (rc)
		return verify_error(v, "boot: \\Boot\\BCD", rc, err);
	if (bcd.found)
		rc = has_log(s, &log, err);
	if (bcd.found && rc == 0)
		rc = verify_bcd(v, bcd.bytes, bcd.len, log, err);
	else if (rc == 0)
		verify_fault(v, "boot: the active partition %" PRIu32 " has no \\Boot\\BCD",
			     s->partition->number);
	free(bcd.bytes);
	return rc;
}

static int check_active(struct verify *v, const struct verify_partition *p,
			struct tranship_error *err)
{
	struct verify_system s = { 0 };
	int rc = verify_system_open(v, p, &s, err);

	if (rc == 0 && !s.is_fat && !s.ntfs)
		verify_fault(v, "boot: the active partition %" PRIu32 " is neither FAT32 nor NTFS",
			     p->number);
	else if (rc == 0 && (rc = check_boot_sectors(v, &s, err)) == 0)
		rc = check_files(v, &s, err);
	verify_system_close(&s);
	return verify_error(v, "boot: the active partition", rc, err);
}

/* The one active partition; NULL: a fault was found. */
static const struct verify_partition *find_active(struct verify *v)
{
	const struct verify_partition *active = NULL;
	unsigned i, count = 0, number = 0;
	uint32_t k;

	for (i = 0; i < MBR_ENTRIES; i++) {
		const struct mbr_entry *e = &v->mbr.at[i];

		if (e->type == 0 || !e->active)
			continue;
		if (++count > 1) {
			verify_fault(v, "mbr: partitions %u and %u are both active", number, i + 1);
			return NULL;
		}
		number = i + 1;
	}
	for (k = 0; k < v->count; k++)
		if (v->at[k].number == number)
			active = &v->at[k];
	if (count == 0)
		verify_fault(v, "mbr: no partition is active");
	else if (!active)
		verify_fault(v, "mbr: the active partition %u cannot be started from", number);
	return active;
}

int verify_windows(struct verify *v, struct tranship_error *err)
{
	const struct verify_partition *active;

	if (v->verdict->table != TRANSHIP_TABLE_MBR) {
		verify_fault(v, "boot: under BIOS Windows starts from an MBR disk only");
		return 0;
	}
	if (verify_nearly(v->mbr.raw, boot_code_mbr, boot_code_mbr_len))
		verify_fault(v, "boot: the first sector's code is damaged");
	else if (memcmp(v->mbr.raw, boot_code_mbr, boot_code_mbr_len) != 0 &&
		 !verify_zeros(v->mbr.raw, MBR_CODE_SIZE))
		verify_remark(v, "boot: the first sector's code is not known here");
	if (v->mbr.signature == 0)
		verify_fault(v, "mbr: the disk has no signature, which Windows knows it by");
	active = find_active(v);
	return active ? check_active(v, active, err) : 0;
}

int verify_is_windows(struct verify *v, bool *is, struct tranship_error *err)
{
	uint32_t i;
	int rc = 0;

	*is = false;
	for (i = 0; i < v->count && rc == 0 && !*is; i++) {
		struct verify_system s = { 0 };

		if (v->at[i].gpt || v->at[i].number > MBR_ENTRIES)
			continue;
		rc = verify_system_open(v, &v->at[i], &s, err);
		if (rc == 0)
			rc = verify_system_has(&s, "BOOTMGR", is, err);
		verify_system_close(&s);
		if (rc != TRANSHIP_EIO && rc != TRANSHIP_ENOMEM)
			rc = 0;
	}
	return rc;
}
