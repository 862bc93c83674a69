/* SPDX-License-Identifier: Apache-2.0 */
/* Small FAT32 volumes, built in code; all of one is in memory, to be spoiled. */
#ifndef TESTS_UNIT_IMAGE_FAT_H
#define TESTS_UNIT_IMAGE_FAT_H

#include <stddef.h>
#include <stdint.h>

struct image_fat {
	uint32_t sector_size, cluster_sectors, reserved, fats, clusters;
	/* What image_fat_new makes of it. */
	uint32_t fat_sectors;
	unsigned char *bytes;
	size_t size;
};

/* 512-byte sectors, one a cluster, 8 reserved, 2 tables, 120 clusters. */
struct image_fat image_fat_defaults(void);

/* An empty volume: root folder at cluster 2, FSInfo in sector 1, copies of both from sector 6 on.
 * 0, or -1: no memory. image->bytes is the caller's to free. */
int image_fat_new(struct image_fat *image);

unsigned char *image_fat_table(const struct image_fat *image, uint32_t copy);
/* Sets an entry in all tables. */
void image_fat_link(struct image_fat *image, uint32_t cluster, uint32_t value);
unsigned char *image_fat_cluster(const struct image_fat *image, uint32_t cluster);
/* Slot number index of a folder's cluster. */
unsigned char *image_fat_slot(const struct image_fat *image, uint32_t cluster, uint32_t index);

/* A short entry; name: 11 bytes. */
void image_fat_entry(unsigned char *slot, const char *name, unsigned attributes, uint32_t cluster,
		     uint32_t size);
/* The slots of a long name (ASCII) and behind them those of a short one. Returns how many. */
unsigned image_fat_long(unsigned char *slots, const char *text, const char *name,
			unsigned attributes, uint32_t cluster, uint32_t size);

/*
 * Fills an empty volume:
 *   /EFI (cluster 3)/BOOT (4, 20)/BOOTX64.EFI (6, 100 bytes)
 *   "/A long name.txt", ALONGN~1.TXT (5, 9, 7; two clusters and 100 bytes)
 *   /EMPTY.TXT, /BOOTMGR (12; 300 bytes)
 * /EFI/BOOT is full but for a slot. Cluster 10 is bad. FSInfo says what is free.
 */
void image_fat_fill(struct image_fat *image);
/* What stands at byte i of a file that begins at a cluster. */
unsigned char image_fat_byte(uint32_t cluster, size_t i);

#endif
