// SPDX-License-Identifier: Apache-2.0
/*
 * What Windows needs under BIOS besides boot code: BOOTMGR, from its own folder on NTFS, and a BCD,
 * from the one that it has for UEFI, both in the ESP; and drive letters that go by the new names of
 * partitions.
 */
#include "base/bytes.h"
#include "base/error.h"
#include "mbr-gpt/bcd.h"
#include "mbr-gpt/boot_code.h"
#include "mbr-gpt/boot_plan.h"
#include "mbr-gpt/fat.h"
#include "mbr-gpt/ntfs.h"
#include <stdio.h>

#include <stdlib.h>
#include <string.h>

#define REASON_BOOTMGR "\\BOOTMGR on the EFI system partition"
#define REASON_BCD "\\Boot\\BCD on the EFI system partition"
#define REASON_MOUNTED "drive letters (MountedDevices of the SYSTEM hive)"

#define PATH_BOOTMGR "Windows/Boot/PCAT/bootmgr"
#define PATH_WINLOAD "Windows/System32/winload.exe"
#define PATH_SYSTEM "Windows/System32/config/SYSTEM"
#define PATH_BCD "EFI/Microsoft/Boot/BCD"
#define PATH_BOOTMGFW "EFI/Microsoft/Boot/bootmgfw.efi"

/* Ten times what Windows' own loader has; a chain of clusters is walked for each read of it. */
#define PROGRAM_MAX (32U << 20)
#define BCD_MAX ((size_t)4 << 20)

enum {
	ATTR_BOOTMGR = FAT_ATTR_READ_ONLY | FAT_ATTR_HIDDEN | FAT_ATTR_SYSTEM | FAT_ATTR_ARCHIVE,
	PE_OFF_HEADER = 0x3C,
	PE_MACHINE_AMD64 = 0x8664,
	PE_MACHINE_I386 = 0x14C,
};

struct windows {
	struct planning *p;
	struct fat fat; /* of the ESP, read through what is replaced */
	bool fat_open;
	struct bcd_disk disk;
	struct bcd_partition *partitions;
	bool found; /* the volume with Windows */
};

/* Where the BCD's and MountedDevices' partitions are to be found. */
static int map_partitions(struct windows *w, uint32_t signature, struct tranship_error *err)
{
	const struct tranship_layout *l = w->p->layout;
	uint32_t i;

	w->partitions = calloc(l->count + 1, sizeof(*w->partitions));
	if (!w->partitions)
		return error_nomem(err, l->count * sizeof(*w->partitions));
	for (i = 0; i < l->count; i++)
		w->partitions[i] = (struct bcd_partition){
			l->at[i].id, plan_drops(w->p, &l->at[i]) ? 0 : l->at[i].public.off
		};
	w->disk = (struct bcd_disk){ l->gpt.used->header.disk, signature, w->partitions, l->count };
	return 0;
}

/* ARM64 has no BIOS. The machine stands behind "PE\0\0", where the DOS header says (PE
 * format, 3.3). */
static int check_machine(struct windows *w, struct tranship_error *err)
{
	unsigned char head[64], pe[6];
	struct fat_entry file;
	bool found;
	int rc = fat_find(&w->fat, PATH_BOOTMGFW, &found, &file, err);
	uint32_t off;

	if (rc || !found || file.size < sizeof(head))
		return rc ? rc : plan_refuse(w->p, err, PATH_BOOTMGFW " is missing or empty");
	if (file.size > PROGRAM_MAX)
		return plan_refuse(w->p, err, PATH_BOOTMGFW " has %u bytes: it is no loader",
				   file.size);
	rc = fat_read(&w->fat, &file, 0, head, sizeof(head), err);
	if (rc)
		return rc;
	off = get_le32(head + PE_OFF_HEADER);
	if (memcmp(head, "MZ", 2) != 0 || file.size < sizeof(pe) || off > file.size - sizeof(pe))
		return plan_refuse(w->p, err, PATH_BOOTMGFW " is no program");
	rc = fat_read(&w->fat, &file, off, pe, sizeof(pe), err);
	if (rc)
		return rc;
	if (memcmp(pe, "PE\0\0", 4) != 0 ||
	    (get_le16(pe + 4) != PE_MACHINE_AMD64 && get_le16(pe + 4) != PE_MACHINE_I386))
		return plan_refuse(w->p, err,
				   PATH_BOOTMGFW " is for a machine of type 0x%04x: only x86 has a "
						 "BIOS",
				   get_le16(pe + 4));
	return 0;
}

/* The first bytes say whether memory was saved there: Windows counts on nobody touching its disk.
 */
static int check_hibernation(struct windows *w, struct ntfs *ntfs, unsigned number,
			     struct tranship_error *err)
{
	struct ntfs_file *file;
	unsigned char head[4] = { 0 };
	int rc = ntfs_find(ntfs, "hiberfil.sys", &file, err);

	if (rc == 0 && file && ntfs_file_size(file) >= sizeof(head))
		rc = ntfs_file_read(file, 0, head, sizeof(head), err);
	if (rc == 0)
		ntfs_file_close(file);
	if (rc || (memcmp(head, "hibr", 4) != 0 && memcmp(head, "HIBR", 4) != 0))
		return rc;
	if (w->p->options->flags & TRANSHIP_BOOT_FORCE_HIBERNATED)
		return plan_note(w->p, err,
				 "partition %u: Windows is hibernated; what it had not written is "
				 "lost",
				 number);
	return plan_refuse(
		w->p, err,
		"partition %u: Windows is hibernated (or was shut down with fast start-up): "
		"shut it down fully, or use --force-hibernated",
		number);
}

static int put_bootmgr(struct windows *w, struct ntfs_file *file, struct tranship_error *err)
{
	unsigned char *bytes;
	size_t len = (size_t)ntfs_file_size(file);
	int rc = ntfs_file_read_all(file, BOOT_CODE_BOOTMGR_MAX, &bytes, err);

	if (rc)
		return rc;
	if (len == 0)
		rc = error_set(err, TRANSHIP_ECORRUPT, "it is empty");
	else
		rc = plan_refuse_error(w->p, REASON_BOOTMGR,
				       fat_put(&w->fat, &w->p->plan->patches, "BOOTMGR",
					       ATTR_BOOTMGR, bytes, len, REASON_BOOTMGR, err),
				       err);
	free(bytes);
	return rc;
}

struct hive_file {
	struct planning *p;
	struct ntfs_file *file;
	uint64_t volume_off; /* of the partition, bytes of the disk */
};

static int hive_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	struct hive_file *hive = ctx;

	return ntfs_file_read(hive->file, off, buf, len, err);
}

static int hive_write(void *ctx, uint64_t off, const void *buf, size_t len,
		      struct tranship_error *err)
{
	struct hive_file *hive = ctx;
	const unsigned char *from = buf;

	while (len > 0) {
		uint64_t at, run;
		size_t piece;
		int rc = ntfs_file_where(hive->file, off, &at, &run, err);

		if (rc)
			return rc;
		piece = run < len ? (size_t)run : len;
		rc = plan_put(hive->p, hive->volume_off + at, from, piece, REASON_MOUNTED, err);
		if (rc)
			return rc;
		from += piece;
		off += piece;
		len -= piece;
	}
	return 0;
}

/* Letters are a convenience: whatever keeps them from being kept is a note. */
static int note_letters(struct windows *w, int rc, struct tranship_error *err)
{
	struct tranship_error why = *err;

	if (rc != TRANSHIP_ECORRUPT && rc != TRANSHIP_EUNSUPPORTED && rc != TRANSHIP_ELIMIT)
		return rc;
	return plan_note(w->p, err, "%s: drive letters may change: %s", PATH_SYSTEM, why.message);
}

static int keep_letters(struct windows *w, struct ntfs_file *file,
			const struct layout_partition *part, struct tranship_error *err)
{
	struct hive_file ctx = { w->p, file, part->public.off };
	struct regf_store store = { ntfs_file_size(file), &ctx, hive_read, hive_write };
	struct regf hive;
	uint32_t changed;
	int rc = regf_open(&store, &hive, err);

	if (rc == 0 && hive.dirty)
		return plan_note(w->p, err,
				 "%s was not closed (its logs have more): it is left as it is, "
				 "drive letters may change",
				 PATH_SYSTEM);
	if (rc == 0)
		rc = bcd_mounted_devices(&hive, &w->disk, &changed, err);
	return note_letters(w, rc, err);
}

/* The BCD for BIOS starts it in place of winload.efi. A Windows for PCs has both. */
static int check_winload(struct windows *w, struct ntfs *ntfs, unsigned number,
			 struct tranship_error *err)
{
	struct ntfs_file *file;
	int rc = ntfs_find(ntfs, PATH_WINLOAD, &file, err);

	if (rc)
		return rc;
	if (!file)
		return plan_refuse(w->p, err,
				   "partition %u has no " PATH_WINLOAD
				   ", with which Windows starts under BIOS",
				   number);
	ntfs_file_close(file);
	return 0;
}

/* What is taken from a volume that has Windows' BOOTMGR for BIOS. */
static int take_windows(struct windows *w, struct ntfs *ntfs, struct ntfs_file *bootmgr,
			const struct layout_partition *part, struct tranship_error *err)
{
	struct ntfs_file *system;
	int rc = put_bootmgr(w, bootmgr, err);

	if (rc)
		return plan_refuse_error(w->p, PATH_BOOTMGR, rc, err);
	w->found = true;
	rc = check_winload(w, ntfs, part->public.number, err);
	if (rc)
		return rc;
	rc = ntfs_find(ntfs, PATH_SYSTEM, &system, err);
	if (rc || !system)
		return rc ? note_letters(w, rc, err)
			  : plan_note(w->p, err, "%s is not there", PATH_SYSTEM);
	rc = keep_letters(w, system, part, err);
	ntfs_file_close(system);
	return rc;
}

/* One that cannot be read may have no part in starting; where it has, no BOOTMGR is found. */
static int note_unread(struct planning *p, const char *where, int rc, struct tranship_error *err)
{
	struct tranship_error why = *err;

	if (rc != TRANSHIP_ECORRUPT && rc != TRANSHIP_EUNSUPPORTED && rc != TRANSHIP_ELIMIT)
		return rc;
	return plan_note(p, err, "%s: it cannot be read, and is not looked at: %s", where,
			 why.message);
}

static int look_at_volume(struct windows *w, const struct layout_partition *part,
			  struct tranship_error *err)
{
	struct volume volume = plan_volume(w->p, part);
	struct ntfs_file *bootmgr = NULL;
	char where[32];
	struct ntfs *ntfs;
	int rc = ntfs_open(&volume, &ntfs, err);

	snprintf(where, sizeof(where), "partition %u", part->public.number);
	if (rc)
		return note_unread(w->p, where, rc, err);
	if (ntfs_is_dirty(ntfs))
		rc = plan_note(w->p, err, "partition %u: the NTFS was not unmounted",
			       part->public.number);
	if (rc == 0)
		rc = check_hibernation(w, ntfs, part->public.number, err);
	if (rc == 0 && !w->found)
		rc = ntfs_find(ntfs, PATH_BOOTMGR, &bootmgr, err);
	if (rc == 0 && bootmgr)
		rc = take_windows(w, ntfs, bootmgr, part, err);
	ntfs_file_close(bootmgr);
	ntfs_close(ntfs);
	return plan_refuse_error(w->p, where, rc, err);
}

static int look_at_volumes(struct windows *w, struct tranship_error *err)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < w->p->layout->count && rc == 0; i++)
		if (strcmp(w->p->layout->at[i].fs.type, "ntfs") == 0)
			rc = look_at_volume(w, &w->p->layout->at[i], err);
	if (rc == 0 && !w->found && !plan_refused(w->p))
		rc = plan_refuse(w->p, err,
				 "no NTFS volume has " PATH_BOOTMGR ", which starts Windows under "
				 "BIOS");
	return rc;
}

static void note_bcd(void *ctx, const char *sentence)
{
	struct windows *w = ctx;

	plan_note(w->p, NULL, "BCD: %s", sentence);
}

static int convert_bcd(struct windows *w, struct regf_memory *bytes, struct tranship_error *err)
{
	struct regf_store store = regf_store_memory(bytes);
	struct bcd_report report;
	struct regf hive;
	int rc = regf_open(&store, &hive, err);

	if (rc == 0 && hive.dirty)
		rc = plan_note(w->p, err,
			       "BCD: it was not closed; its last changes may be missing");
	if (rc == 0)
		rc = bcd_to_bios(&hive, &w->disk, note_bcd, w, &report, err);
	if (rc == 0 && report.devices == 0)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "bcd: no element names a partition of this disk");
	/* The logs do not go with the copy: BOOTMGR would look for them, and give up. */
	if (rc == 0 && hive.dirty)
		rc = regf_set_clean(&hive, err);
	return rc;
}

static int put_bcd(struct windows *w, struct tranship_error *err)
{
	struct regf_memory bytes = { 0 };
	struct fat_entry file;
	bool found;
	int rc = fat_find(&w->fat, PATH_BCD, &found, &file, err);

	if (rc || !found)
		return rc ? rc : plan_refuse(w->p, err, PATH_BCD " is missing");
	rc = fat_read_all(&w->fat, &file, BCD_MAX, &bytes.bytes, err);
	if (rc)
		return rc;
	bytes.size = file.size;
	rc = convert_bcd(w, &bytes, err);
	if (rc == 0)
		rc = fat_put(&w->fat, &w->p->plan->patches, "Boot/BCD", FAT_ATTR_ARCHIVE,
			     bytes.bytes, bytes.size, REASON_BCD, err);
	free(bytes.bytes);
	return rc;
}

static int plan_files(struct windows *w, uint32_t signature, struct tranship_error *err)
{
	struct volume esp = plan_volume(w->p, &w->p->layout->at[w->p->layout->esp.partition]);
	int rc = fat_open(&esp, &w->fat, err);

	if (rc)
		return rc;
	w->fat_open = true;
	if (w->fat.dirty)
		rc = plan_note(w->p, err, "the EFI system partition was not unmounted");
	if (rc == 0)
		rc = check_machine(w, err);
	if (rc == 0)
		rc = map_partitions(w, signature, err);
	if (rc == 0)
		rc = look_at_volumes(w, err);
	if (rc == 0 && !plan_refused(w->p))
		rc = put_bcd(w, err);
	return rc;
}

int plan_windows_files(struct planning *p, uint32_t signature, struct tranship_error *err)
{
	struct windows w = { .p = p };
	int rc = plan_refuse_error(p, "the EFI system partition", plan_files(&w, signature, err),
				   err);

	if (w.fat_open)
		fat_close(&w.fat);
	free(w.partitions);
	return rc;
}
