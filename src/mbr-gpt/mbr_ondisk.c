// SPDX-License-Identifier: Apache-2.0
#include "mbr-gpt/mbr_ondisk.h"

#include "base/bytes.h"

#include <stddef.h>
#include <string.h>

/* An entry. */
enum {
	OFF_STATUS = 0,
	OFF_CHS_FIRST = 1,
	OFF_TYPE = 4,
	OFF_CHS_LAST = 5,
	OFF_FIRST_LBA = 8,
	OFF_SECTORS = 12,
	OFF_BOOT_SIGNATURE = 510,
	STATUS_ACTIVE = 0x80,
};

/* The geometry that all systems pretend. */
enum { HEADS = 255, TRACK_SECTORS = 63, CYLINDERS = 1024 };

bool mbr_has_signature(const unsigned char raw[MBR_SIZE])
{
	return raw[OFF_BOOT_SIGNATURE] == 0x55 && raw[OFF_BOOT_SIGNATURE + 1] == 0xAA;
}

void mbr_entry_decode(const unsigned char raw[MBR_SIZE], unsigned index, struct mbr_entry *out)
{
	const unsigned char *p = raw + MBR_OFF_TABLE + (size_t)index * MBR_ENTRY_SIZE;

	out->status = p[OFF_STATUS];
	out->active = p[OFF_STATUS] == STATUS_ACTIVE;
	out->type = p[OFF_TYPE];
	out->first = get_le32(p + OFF_FIRST_LBA);
	out->sectors = get_le32(p + OFF_SECTORS);
}

/* Cylinder, head and sector of a sector, in three bytes. */
static void put_chs(unsigned char *p, uint64_t lba)
{
	uint64_t cylinder = lba / (HEADS * TRACK_SECTORS);

	if (cylinder >= CYLINDERS) {
		memcpy(p, "\xFE\xFF\xFF", 3);
		return;
	}
	p[0] = (unsigned char)(lba / TRACK_SECTORS % HEADS);
	p[1] = (unsigned char)((lba % TRACK_SECTORS + 1) | (cylinder >> 2 & 0xC0));
	p[2] = (unsigned char)cylinder;
}

void mbr_entry_encode(const struct mbr_entry *entry, unsigned char raw[MBR_ENTRY_SIZE])
{
	memset(raw, 0, MBR_ENTRY_SIZE);
	if (entry->type == 0)
		return;
	raw[OFF_STATUS] = entry->active ? STATUS_ACTIVE : 0;
	put_chs(raw + OFF_CHS_FIRST, entry->first);
	raw[OFF_TYPE] = entry->type;
	put_chs(raw + OFF_CHS_LAST,
		(uint64_t)entry->first + (entry->sectors ? entry->sectors - 1 : 0));
	put_le32(raw + OFF_FIRST_LBA, entry->first);
	put_le32(raw + OFF_SECTORS, entry->sectors);
}

uint32_t mbr_disk_signature(const unsigned char raw[MBR_SIZE])
{
	return get_le32(raw + MBR_OFF_SIGNATURE);
}

bool mbr_is_file_system(const unsigned char raw[MBR_SIZE])
{
	/* A jump, then the name of who made it; FAT's type at 54 or 82 is only text, but what else
	 * should be there. */
	if (raw[0] != 0xEB && raw[0] != 0xE9)
		return false;
	return memcmp(raw + 3, "NTFS    ", 8) == 0 || memcmp(raw + 3, "EXFAT   ", 8) == 0 ||
	       memcmp(raw + 3, "-FVE-FS-", 8) == 0 || memcmp(raw + 54, "FAT", 3) == 0 ||
	       memcmp(raw + 82, "FAT32", 5) == 0;
}
