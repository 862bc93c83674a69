// SPDX-License-Identifier: Apache-2.0
#include "mbr-gpt/gpt.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum {
	OFF_SIGNATURE = 0,
	OFF_HEADER_SIZE = 12,
	OFF_HEADER_CRC = 16,
	OFF_MY_LBA = 24,
	OFF_ALTERNATE_LBA = 32,
	HEADER_SIZE_MIN = 92,
	SECTOR_MAX = 4096,
};

/* A header with the right signature and checksum at LBA 1. */
static bool header_ok(const unsigned char *raw, uint32_t sector_size)
{
	static const unsigned char no_crc[4];
	uint32_t size = get_le32(raw + OFF_HEADER_SIZE);
	unsigned long crc;

	if (memcmp(raw + OFF_SIGNATURE, "EFI PART", 8) != 0 || size < HEADER_SIZE_MIN ||
	    size > sector_size)
		return false;
	crc = crc32(0, raw, OFF_HEADER_CRC);
	crc = crc32(crc, no_crc, sizeof(no_crc));
	crc = crc32(crc, raw + OFF_HEADER_CRC + 4, size - OFF_HEADER_CRC - 4);
	return crc == get_le32(raw + OFF_HEADER_CRC) && get_le64(raw + OFF_MY_LBA) == 1;
}

bool gpt_backup_misplaced(struct tranship_disk *disk, uint64_t new_size, char *message, size_t cap)
{
	uint32_t sector_size = tranship_disk_sector_size(disk);
	unsigned char raw[SECTOR_MAX];
	uint64_t backup, last;

	if (sector_size > sizeof(raw) || tranship_disk_size(disk) / sector_size < 2 ||
	    new_size / sector_size < 2 ||
	    tranship_disk_read(disk, NULL, sector_size, raw, sector_size, NULL) != 0 ||
	    !header_ok(raw, sector_size))
		return false;
	backup = get_le64(raw + OFF_ALTERNATE_LBA);
	last = new_size / sector_size - 1;
	if (backup == last)
		return false;
	snprintf(message, cap,
		 "gpt: the backup partition table stands at sector %" PRIu64
		 ", the new disk ends with sector %" PRIu64
		 "; systems repair that, or 'sgdisk -e' does",
		 backup, last);
	return true;
}
