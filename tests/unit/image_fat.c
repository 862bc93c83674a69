// SPDX-License-Identifier: Apache-2.0
#include "image_fat.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "mbr-gpt/fat_ondisk.h"

#include <stdlib.h>
#include <string.h>

struct image_fat image_fat_defaults(void)
{
	return (struct image_fat){
		.sector_size = 512, .cluster_sectors = 1, .reserved = 8, .fats = 2, .clusters = 120
	};
}

static void make_info(const struct image_fat *image, uint32_t sector)
{
	unsigned char *info = image->bytes + (size_t)sector * image->sector_size;

	put_le32(info, 0x41615252);
	put_le32(info + 484, 0x61417272);
	put_le32(info + FAT_INFO_FREE, image->clusters - 1);
	put_le32(info + FAT_INFO_NEXT, 2);
	put_le32(info + 508, 0xAA550000);
}

static void make_boot(const struct image_fat *image, uint32_t total)
{
	unsigned char *boot = image->bytes;

	memcpy(boot, "\xEB\x58\x90MSDOS5.0", 11);
	put_le16(boot + FAT_BOOT_SECTOR_SIZE, (uint16_t)image->sector_size);
	boot[FAT_BOOT_CLUSTER_SECTORS] = (unsigned char)image->cluster_sectors;
	put_le16(boot + FAT_BOOT_RESERVED, (uint16_t)image->reserved);
	boot[FAT_BOOT_FATS] = (unsigned char)image->fats;
	boot[FAT_BOOT_MEDIA] = 0xF8;
	put_le32(boot + FAT_BOOT_HIDDEN, 2048);
	put_le32(boot + FAT_BOOT_TOTAL_32, total);
	put_le32(boot + FAT_BOOT_FAT_SECTORS_32, image->fat_sectors);
	put_le32(boot + FAT_BOOT_ROOT, 2);
	put_le16(boot + FAT_BOOT_INFO, 1);
	put_le16(boot + FAT_BOOT_BACKUP, 6);
	boot[FAT_BOOT_EXTENDED] = 0x29;
	put_le32(boot + FAT_BOOT_SERIAL, 0x5EED0001);
	memcpy(boot + FAT_BOOT_LABEL, "ESP        FAT32   ", 19);
	put_le16(boot + FAT_BOOT_SIGNATURE, 0xAA55);
	memcpy(boot + (size_t)6 * image->sector_size, boot, FAT_BOOT_SIZE);
}

int image_fat_new(struct image_fat *image)
{
	uint32_t total;

	image->fat_sectors =
		(uint32_t)div_up((uint64_t)(image->clusters + 2) * 4, image->sector_size);
	total = image->reserved + image->fats * image->fat_sectors +
		image->clusters * image->cluster_sectors;
	image->size = (size_t)total * image->sector_size;
	image->bytes = calloc(1, image->size);
	if (!image->bytes)
		return -1;
	make_boot(image, total);
	make_info(image, 1);
	make_info(image, 7);
	image_fat_link(image, 0, 0x0FFFFFF8);
	image_fat_link(image, 1, 0x0FFFFFFF);
	image_fat_link(image, 2, 0x0FFFFFFF);
	return 0;
}

unsigned char *image_fat_table(const struct image_fat *image, uint32_t copy)
{
	return image->bytes +
	       (size_t)(image->reserved + copy * image->fat_sectors) * image->sector_size;
}

void image_fat_link(struct image_fat *image, uint32_t cluster, uint32_t value)
{
	uint32_t i;

	for (i = 0; i < image->fats; i++)
		put_le32(image_fat_table(image, i) + (size_t)cluster * 4, value);
}

unsigned char *image_fat_cluster(const struct image_fat *image, uint32_t cluster)
{
	return image_fat_table(image, image->fats) +
	       (size_t)(cluster - 2) * image->cluster_sectors * image->sector_size;
}

unsigned char *image_fat_slot(const struct image_fat *image, uint32_t cluster, uint32_t index)
{
	return image_fat_cluster(image, cluster) + (size_t)index * FAT_SLOT;
}

void image_fat_entry(unsigned char *slot, const char *name, unsigned attributes, uint32_t cluster,
		     uint32_t size)
{
	fat_slot_encode((const unsigned char *)name, attributes, cluster, size, slot);
}

/* Where a unit of a part stands in its slot. */
static size_t unit_at(unsigned unit)
{
	return unit < 5 ? 1 + 2 * unit : unit < 11 ? 14 + 2 * (unit - 5) : 28 + 2 * (unit - 11);
}

unsigned image_fat_long(unsigned char *slots, const char *text, const char *name,
			unsigned attributes, uint32_t cluster, uint32_t size)
{
	size_t len = strlen(text);
	unsigned parts = (unsigned)div_up(len, FAT_LONG_UNITS), part, unit;

	for (part = 0; part < parts; part++) {
		unsigned char *slot = slots + (size_t)(parts - 1 - part) * FAT_SLOT;

		memset(slot, 0, FAT_SLOT);
		slot[0] = (unsigned char)((part + 1) | (part + 1 == parts ? 0x40 : 0));
		slot[11] = 0x0F;
		slot[13] = fat_short_checksum((const unsigned char *)name);
		for (unit = 0; unit < FAT_LONG_UNITS; unit++) {
			size_t at = (size_t)part * FAT_LONG_UNITS + unit;

			put_le16(slot + unit_at(unit), at < len    ? (unsigned char)text[at]
						       : at == len ? 0
								   : 0xFFFF);
		}
	}
	image_fat_entry(slots + (size_t)parts * FAT_SLOT, name, attributes, cluster, size);
	return parts + 1;
}

unsigned char image_fat_byte(uint32_t cluster, size_t i)
{
	return (unsigned char)(i * 7 + i / 256 + cluster);
}

/* Chains the clusters (a 0 ends them) and fills them with a file of this size. */
static void make_file(struct image_fat *image, const uint32_t *clusters, size_t size)
{
	size_t cluster_size = (size_t)image->cluster_sectors * image->sector_size, i;

	for (i = 0; i < size; i++)
		image_fat_cluster(image, clusters[i / cluster_size])[i % cluster_size] =
			image_fat_byte(clusters[0], i);
	for (; *clusters; clusters++)
		image_fat_link(image, clusters[0], clusters[1] ? clusters[1] : 0x0FFFFFFF);
}

static void make_folder(struct image_fat *image, uint32_t cluster, uint32_t parent)
{
	image_fat_link(image, cluster, 0x0FFFFFFF);
	image_fat_entry(image_fat_slot(image, cluster, 0), ".          ", FAT_ATTR_DIRECTORY,
			cluster, 0);
	image_fat_entry(image_fat_slot(image, cluster, 1), "..         ", FAT_ATTR_DIRECTORY,
			parent, 0);
}

void image_fat_fill(struct image_fat *image)
{
	static const uint32_t boot_file[] = { 6, 0 }, pieces[] = { 5, 9, 7, 0 }, mgr[] = { 12, 0 };
	uint32_t cluster_size = image->cluster_sectors * image->sector_size;
	uint32_t size = 2 * cluster_size + 100, slots = cluster_size / FAT_SLOT, i;
	unsigned char *root = image_fat_cluster(image, 2);
	unsigned n = 1;

	image_fat_entry(root, "ESP        ", FAT_ATTR_VOLUME, 0, 0);
	image_fat_entry(root + FAT_SLOT * n++, "EFI        ", FAT_ATTR_DIRECTORY, 3, 0);
	image_fat_entry(root + FAT_SLOT * n++, "\345LD     TXT", 0, 50, 10);
	n += image_fat_long(root + FAT_SLOT * n, "A long name.txt", "ALONGN~1TXT", 0x20, 5, size);
	image_fat_entry(root + FAT_SLOT * n++, "EMPTY   TXT", 0x21, 0, 0);
	image_fat_entry(root + FAT_SLOT * n++, "BOOTMGR    ", 0x27, 12, 300);
	make_file(image, pieces, size);
	make_file(image, boot_file, 100);
	make_file(image, mgr, 300);
	make_folder(image, 3, 0);
	image_fat_entry(image_fat_slot(image, 3, 2), "BOOT       ", FAT_ATTR_DIRECTORY, 4, 0);
	make_folder(image, 4, 3);
	image_fat_link(image, 4, 20);
	image_fat_link(image, 20, 0x0FFFFFFF);
	for (i = 0; i < slots - 1; i++)
		image_fat_entry(image_fat_slot(image, 20, i), "FILLER     ", FAT_ATTR_VOLUME, 0, 0);
	for (i = 2; i < slots; i++)
		image_fat_entry(image_fat_slot(image, 4, i), "FILLER     ", FAT_ATTR_VOLUME, 0, 0);
	image_fat_entry(image_fat_slot(image, 20, 0), "BOOTX64 EFI", 0x20, 6, 100);
	image_fat_link(image, 10, FAT_BAD);
	put_le32(image->bytes + image->sector_size + FAT_INFO_FREE, image->clusters - 10);
	put_le32(image->bytes + (size_t)7 * image->sector_size + FAT_INFO_FREE,
		 image->clusters - 10);
}
