/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FAT file systems (Microsoft's FAT32 specification 1.03; ECMA-107), as far as an EFI system
 * partition is one: read, and files put in. FAT12 and FAT16 are recognised, not read. A volume that
 * has no 16-bit size of its table is FAT32 however small it is, as all systems take it.
 */
#ifndef MBR_GPT_FAT_H
#define MBR_GPT_FAT_H

#include "mbr-gpt/patches.h"
#include "mbr-gpt/volume.h"

#include <stdbool.h>

enum {
	FAT_NAME_TEXT = 255 * 3 + 1,
	FAT_ATTR_READ_ONLY = 0x01,
	FAT_ATTR_HIDDEN = 0x02,
	FAT_ATTR_SYSTEM = 0x04,
	FAT_ATTR_VOLUME = 0x08,
	FAT_ATTR_DIRECTORY = 0x10,
	FAT_ATTR_ARCHIVE = 0x20,
};

/* The boot sector, decoded and checked against the volume. */
struct fat {
	struct volume volume;
	uint32_t sector_size, cluster_size; /* bytes */
	uint32_t reserved_sectors, fat_count, fat_sectors;
	uint32_t active_fat; /* the one that is read; others mirror it unless mirroring is off */
	bool mirrored;
	uint64_t data_off; /* of cluster 2, bytes of the volume */
	uint32_t clusters; /* of data: 2 to clusters + 1 are valid */
	uint32_t root_cluster;
	uint32_t info_sector, backup_sector; /* 0: none */
	uint32_t serial, hidden_sectors;
	char label[12];
	bool dirty; /* not unmounted, or errors were met */
	/* A page of the table, the last one that was looked at. Not for several threads. */
	unsigned char *page;
	uint64_t page_off;
};

/*
 * TRANSHIP_EUNSUPPORTED: FAT12 or FAT16, which the message names; TRANSHIP_ECORRUPT: no FAT, or one
 * that contradicts itself or the volume. *out must be closed after success.
 */
int fat_open(const struct volume *volume, struct fat *out, struct tranship_error *err);
void fat_close(struct fat *fat);

struct fat_entry {
	char name[FAT_NAME_TEXT]; /* the long one where there is one, UTF-8 */
	char short_name[13];      /* "BOOTMGR", "GRUBX64.EFI" */
	unsigned attributes;
	uint32_t cluster; /* the first one; 0: empty */
	uint32_t size;
	uint64_t entry_off; /* of the 32 bytes of the short entry, in the volume */
};

/* Calls fn for each entry of a directory but volume labels, "." and ".."; dir NULL: the root. Stops
 * where fn returns nonzero, with that. */
int fat_list(struct fat *fat, const struct fat_entry *dir,
	     int (*fn)(void *ctx, const struct fat_entry *entry), void *ctx,
	     struct tranship_error *err);

/* Looks up "EFI/Microsoft/Boot/BCD": '/' or '\', case of ASCII letters does not count, long or
 * short names. *found says whether it is there. "" is the root folder. */
int fat_find(struct fat *fat, const char *path, bool *found, struct fat_entry *out,
	     struct tranship_error *err);

/* Reads len bytes at off of a file. TRANSHIP_ECORRUPT: the chain of clusters is broken, or too
 * short, or a loop. Passing its size is TRANSHIP_EINVAL. */
int fat_read(struct fat *fat, const struct fat_entry *file, uint64_t off, void *buf, size_t len,
	     struct tranship_error *err);
/* All of it, malloc'ed (one byte at least). TRANSHIP_ELIMIT: longer than max. */
int fat_read_all(struct fat *fat, const struct fat_entry *file, size_t max, unsigned char **out,
		 struct tranship_error *err);

/* The next cluster of a chain: *next 0 at its end. TRANSHIP_ECORRUPT: free, bad or out of range. */
int fat_next(struct fat *fat, uint32_t cluster, uint32_t *next, struct tranship_error *err);

/*
 * Puts a file into a directory (a path whose folders exist or are made; "BOOTMGR", "Boot/BCD"),
 * names in 8.3 only. An existing file of the name is replaced: its clusters are freed first.
 * Clusters are the lowest free ones, in order; table copies, the free count and the times (a fixed
 * date: the plan repeats) are kept right, so that fsck.vfat finds nothing. Everything goes into
 * `patches`, through which `fat` must be reading (fat->volume.over); where it fails they are as
 * they were. The names of folders that exist may be long ones. TRANSHIP_ELIMIT: the volume, the
 * folder or the patches have no room, or the file that is replaced has more than 64 MiB;
 * TRANSHIP_EUNSUPPORTED: a folder has the file's name, or a file that of a folder on the path;
 * TRANSHIP_EINVAL: a name is not 8.3, other attributes; TRANSHIP_ECORRUPT: a folder on the path or
 * the file that is replaced is damaged.
 */
int fat_put(struct fat *fat, struct patches *patches, const char *path, unsigned attributes,
	    const void *bytes, size_t len, const char *reason, struct tranship_error *err);

#endif
