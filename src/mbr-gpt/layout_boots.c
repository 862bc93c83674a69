// SPDX-License-Identifier: Apache-2.0
/*
 * What starts a disk, as far as it can be seen. Under BIOS that is code in the first sector, and it
 * counts only where it leads somewhere: GRUB's boot.img to a core.img, any other code to an active
 * partition with a boot sector of its own. A protective MBR has code at times that only says that
 * the disk does not start.
 */
#include "mbr-gpt/layout_inside.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "mbr-gpt/fat.h"
#include "mbr-gpt/grub.h"

#include <inttypes.h>
#include <string.h>

enum {
	BOOT_SECTOR = 512,
	BOOT_OFF_SIGNATURE = 510,
	/* GPT attribute, UEFI specification 2.10, table 5.8: what an active flag is to an MBR. */
	ATTRIBUTE_LEGACY_BOOT = 1 << 2,
};

static bool has_text(const unsigned char *raw, size_t len, const char *text)
{
	size_t n = strlen(text), i;

	for (i = 0; i + n <= len; i++)
		if (memcmp(raw + i, text, n) == 0)
			return true;
	return false;
}

/* GRUB in the first sector, and whether its core.img is where it points. A core.img that cannot be
 * read is none. */
static bool grub_leads(const struct tranship_layout *l, uint64_t core)
{
	uint32_t sector_size = l->gpt.sector_size, sectors;
	uint64_t off, next;
	unsigned char raw[BOOT_SECTOR];

	return mul_ok(core, sector_size, &off) &&
	       range_ok(off, sizeof(raw), tranship_disk_size(l->disk)) &&
	       tranship_disk_read(l->disk, NULL, off, raw, sizeof(raw), NULL) == 0 &&
	       grub_is_core(raw, &next, &sectors);
}

/* mkfs.fat and mkntfs write code that says this. */
static bool is_boot_sector(const unsigned char *raw)
{
	return get_le16(raw + BOOT_OFF_SIGNATURE) == 0xAA55 && (raw[0] == 0xEB || raw[0] == 0xE9) &&
	       !has_text(raw, BOOT_SECTOR, "This is not a bootable disk");
}

/* Windows' boot sectors look for a file \BOOTMGR; that of NTFS names it. */
static int has_bootmgr(struct tranship_layout *l, const struct layout_partition *p,
		       const unsigned char *raw, bool *out, struct tranship_error *err)
{
	struct volume volume = layout_volume(p, l->disk, NULL);
	struct tranship_error fault;
	struct fat_entry entry;
	struct fat fat;
	int rc;

	*out = strcmp(p->fs.type, "ntfs") == 0 && has_text(raw, BOOT_SECTOR, "BOOTMGR");
	if (strcmp(p->fs.type, "fat32") != 0)
		return 0;
	rc = fat_open(&volume, &fat, &fault);
	if (rc == 0) {
		rc = fat_find(&fat, "BOOTMGR", out, &entry, &fault);
		*out = rc == 0 && *out && !(entry.attributes & FAT_ATTR_DIRECTORY);
		fat_close(&fat);
	}
	return rc ? layout_note_fault(l, p, rc, &fault, err) : 0;
}

/* The active partition: whether code in the first sector has something to go on with. */
static int look_at_active(struct tranship_layout *l, const struct layout_partition *p,
			  struct tranship_error *err)
{
	struct volume volume = layout_volume(p, l->disk, NULL);
	unsigned char raw[BOOT_SECTOR];
	bool windows;
	int rc;

	/* What cannot be read was noted by the probe. */
	if (volume_read(&volume, 0, raw, sizeof(raw), NULL) != 0 || !is_boot_sector(raw))
		return 0;
	l->boots |= TRANSHIP_BOOTS_BIOS;
	rc = has_bootmgr(l, p, raw, &windows, err);
	if (windows)
		l->boots |= TRANSHIP_BOOTS_WINDOWS;
	return rc;
}

static bool is_active(const struct tranship_layout *l, const struct layout_partition *p)
{
	return l->table == TRANSHIP_TABLE_MBR ? p->public.active && !p->public.logical
					      : (p->public.attributes & ATTRIBUTE_LEGACY_BOOT) != 0;
}

static int read_bios(struct tranship_layout *l, struct tranship_error *err)
{
	static const unsigned char no_code[MBR_CODE_SIZE];
	uint64_t core;
	uint32_t i;

	if (l->mbr.kind == MBR_NONE || memcmp(l->mbr.raw, no_code, sizeof(no_code)) == 0)
		return 0;
	if (grub_is_boot(l->mbr.raw, &core)) {
		l->boots |= TRANSHIP_BOOTS_LINUX;
		if (grub_leads(l, core)) {
			l->boots |= TRANSHIP_BOOTS_BIOS;
			return 0;
		}
		return layout_note(l, err,
				   "GRUB's code in the first sector goes on in sector %" PRIu64
				   ", where no core.img begins",
				   core);
	}
	for (i = 0; i < l->count; i++)
		if (is_active(l, &l->at[i]))
			return look_at_active(l, &l->at[i], err);
	return 0;
}

int layout_read_boots(struct tranship_layout *layout, struct tranship_error *err)
{
	const struct layout_esp *esp = &layout->esp;

	if (esp->fallback || esp->windows || esp->linux)
		layout->boots |= TRANSHIP_BOOTS_UEFI;
	if (esp->windows)
		layout->boots |= TRANSHIP_BOOTS_WINDOWS;
	if (esp->linux)
		layout->boots |= TRANSHIP_BOOTS_LINUX;
	return read_bios(layout, err);
}
