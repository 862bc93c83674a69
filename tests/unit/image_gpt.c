// SPDX-License-Identifier: Apache-2.0
#include "image_gpt.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "sparse_disk.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

void image_poke32(struct tranship_disk *disk, uint64_t off, uint32_t value)
{
	unsigned char raw[4];

	put_le32(raw, value);
	sparse_disk_write(disk, off, raw, sizeof(raw));
}

void image_poke64(struct tranship_disk *disk, uint64_t off, uint64_t value)
{
	unsigned char raw[8];

	put_le64(raw, value);
	sparse_disk_write(disk, off, raw, sizeof(raw));
}

static uint32_t count_of(const struct image_gpt *image)
{
	return image->count ? image->count : 128;
}

static uint32_t entry_size_of(const struct image_gpt *image)
{
	return image->entry_size ? image->entry_size : 128;
}

static uint64_t array_sectors(const struct tranship_disk *disk, const struct image_gpt *image)
{
	return div_up((uint64_t)count_of(image) * entry_size_of(image),
		      tranship_disk_sector_size(disk));
}

static void write_entry(struct tranship_disk *disk, uint64_t off, const struct image_gpt_entry *e,
			unsigned number)
{
	unsigned char raw[128] = { 0 };
	size_t i;

	if (e->type) {
		memcpy(raw, e->type->bytes, 16);
		memset(raw + 16, (int)number, 16);
		put_le64(raw + 32, e->first);
		put_le64(raw + 40, e->last);
		put_le64(raw + 48, e->attributes);
		for (i = 0; e->name && e->name[i]; i++)
			raw[56 + 2 * i] = (unsigned char)e->name[i];
	}
	sparse_disk_write(disk, off, raw, sizeof(raw));
}

void image_gpt_write_copy(struct tranship_disk *disk, const struct image_gpt *image, uint64_t my,
			  uint64_t alternate, uint64_t array)
{
	uint32_t sector_size = tranship_disk_sector_size(disk), i;
	uint64_t sectors = tranship_disk_size(disk) / sector_size, at = my * sector_size;
	uint64_t n = array_sectors(disk, image);
	unsigned char raw[92] = "EFI PART";

	put_le32(raw + 8, 0x00010000);
	put_le32(raw + 12, sizeof(raw));
	put_le64(raw + 24, my);
	put_le64(raw + 32, alternate);
	put_le64(raw + 40, image->first_usable ? image->first_usable : 2 + n);
	put_le64(raw + 48, image->last_usable ? image->last_usable : sectors - 2 - n);
	memset(raw + 56, 0xD1, 16);
	put_le64(raw + 72, array);
	put_le32(raw + 80, count_of(image));
	put_le32(raw + 84, entry_size_of(image));
	sparse_disk_write(disk, at, raw, sizeof(raw));
	for (i = 0; i < image->used; i++)
		write_entry(disk, array * sector_size + (uint64_t)i * entry_size_of(image),
			    &image->entries[i], i + 1);
	image_gpt_sum(disk, my);
}

void image_gpt_write(struct tranship_disk *disk, const struct image_gpt *image)
{
	uint64_t sectors = tranship_disk_size(disk) / tranship_disk_sector_size(disk);

	image_mbr_entry(disk, 0, 0, 0, 0xEE, 1,
			sectors - 1 > UINT32_MAX ? UINT32_MAX : (uint32_t)(sectors - 1));
	image_gpt_write_copy(disk, image, 1, sectors - 1, 2);
	image_gpt_write_copy(disk, image, sectors - 1, 1, sectors - 1 - array_sectors(disk, image));
}

void image_gpt_sum_header(struct tranship_disk *disk, uint64_t lba)
{
	uint32_t sector_size = tranship_disk_sector_size(disk), size;
	uint64_t at = lba * sector_size;
	unsigned char raw[4096];

	sparse_disk_read(disk, at, raw, sector_size);
	size = get_le32(raw + 12);
	if (size < 20 || size > sector_size)
		return;
	put_le32(raw + 16, 0);
	image_poke32(disk, at + 16, (uint32_t)crc32(0, raw, size));
}

void image_gpt_sum(struct tranship_disk *disk, uint64_t lba)
{
	uint32_t sector_size = tranship_disk_sector_size(disk);
	uint64_t at = lba * sector_size, array, len;
	unsigned char raw[92], *entries;

	sparse_disk_read(disk, at, raw, sizeof(raw));
	len = (uint64_t)get_le32(raw + 80) * get_le32(raw + 84);
	array = get_le64(raw + 72);
	if (len > 1U << 20 || array > tranship_disk_size(disk) / sector_size ||
	    !range_ok(array * sector_size, len, tranship_disk_size(disk))) {
		image_gpt_sum_header(disk, lba);
		return;
	}
	entries = malloc(len ? (size_t)len : 1);
	if (!entries)
		abort();
	sparse_disk_read(disk, array * sector_size, entries, (size_t)len);
	image_poke32(disk, at + 88, (uint32_t)crc32(0, entries, (unsigned)len));
	free(entries);
	image_gpt_sum_header(disk, lba);
}

void image_mbr_entry(struct tranship_disk *disk, uint64_t lba, unsigned index, unsigned status,
		     unsigned type, uint32_t first, uint32_t sectors)
{
	uint64_t at = lba * tranship_disk_sector_size(disk);
	unsigned char raw[16] = { (unsigned char)status, 0xFE, 0xFF, 0xFF,
				  (unsigned char)type,   0xFE, 0xFF, 0xFF };

	put_le32(raw + 8, first);
	put_le32(raw + 12, sectors);
	sparse_disk_write(disk, at + 446 + (size_t)index * 16, raw, sizeof(raw));
	sparse_disk_write(disk, at + 510, "\x55\xAA", 2);
}
