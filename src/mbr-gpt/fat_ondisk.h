/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in a FAT32 volume (Microsoft, "FAT32 File System Specification" 1.03): boot sector,
 * FSInfo, directory slots, names. All integers are little-endian.
 */
#ifndef MBR_GPT_FAT_ONDISK_H
#define MBR_GPT_FAT_ONDISK_H

#include "mbr-gpt/fat.h"

/* "Boot Sector and BPB Structure" */
enum {
	FAT_BOOT_SIZE = 512, /* whatever the size of a sector */
	FAT_BOOT_SECTOR_SIZE = 11,
	FAT_BOOT_CLUSTER_SECTORS = 13,
	FAT_BOOT_RESERVED = 14,
	FAT_BOOT_FATS = 16,
	FAT_BOOT_ROOT_ENTRIES = 17,
	FAT_BOOT_TOTAL_16 = 19,
	FAT_BOOT_MEDIA = 21,
	FAT_BOOT_FAT_SECTORS_16 = 22,
	FAT_BOOT_HIDDEN = 28,
	FAT_BOOT_TOTAL_32 = 32,
	FAT_BOOT_FAT_SECTORS_32 = 36,
	FAT_BOOT_FLAGS = 40,
	FAT_BOOT_VERSION = 42,
	FAT_BOOT_ROOT = 44,
	FAT_BOOT_INFO = 48,
	FAT_BOOT_BACKUP = 50,
	FAT_BOOT_STATE = 65,
	FAT_BOOT_EXTENDED = 66, /* 0x28: a serial number follows; 0x29: a label, too */
	FAT_BOOT_SERIAL = 67,
	FAT_BOOT_LABEL = 71,
	FAT_BOOT_SIGNATURE = 510,
};

/* Of an entry of the table: the upper four bits are not its own. */
#define FAT_MASK 0x0FFFFFFFU
#define FAT_BAD 0x0FFFFFF7U
#define FAT_END 0x0FFFFFF8U /* and above; FAT_MASK is what is written */
#define FAT_FIRST 2U
/* Of entry 1: not so, and it was not unmounted, or a sector could not be read. */
#define FAT_CLEAN 0x08000000U
#define FAT_NO_ERRORS 0x04000000U

/* Fills in what the boot sector says, all checked; `volume` and the page are the caller's. */
int fat_boot_decode(const unsigned char raw[FAT_BOOT_SIZE], uint64_t volume_len, struct fat *out,
		    struct tranship_error *err);

/* "FSInfo Sector Structure": unknown values are FAT_INFO_UNKNOWN. */
#define FAT_INFO_UNKNOWN 0xFFFFFFFFU
enum { FAT_INFO_SIZE = 512, FAT_INFO_FREE = 488, FAT_INFO_NEXT = 492 };

/* Whether its three signatures are there. */
bool fat_info_is(const unsigned char raw[FAT_INFO_SIZE]);

/* "FAT Directory Structure": slots of 32 bytes, a short entry or a part of a long name each. */
enum {
	FAT_SLOT = 32,
	FAT_SLOT_SHORT = 11, /* bytes of a short name, no dot */
	FAT_SLOT_FREE = 0xE5,
	FAT_SLOT_LAST = 0, /* free, and so are all behind it */
	FAT_SLOTS_MAX = 65536,
	FAT_LONG_UNITS = 13,
	FAT_LONG_SLOTS = 20,
	FAT_LONG_UNITS_MAX = 255,
};

bool fat_slot_is_long(const unsigned char raw[FAT_SLOT]);
/* Fills in all but the long name and entry_off; `name` is the short one, as its case flags say. */
void fat_slot_decode(const unsigned char raw[FAT_SLOT], struct fat_entry *out);
/* A short entry with the fixed date. */
void fat_slot_encode(const unsigned char name[FAT_SLOT_SHORT], unsigned attributes,
		     uint32_t cluster, uint32_t size, unsigned char raw[FAT_SLOT]);

/* A long name as its slots come by, the last part first. Zero-initialised: none. */
struct fat_long {
	unsigned count; /* parts */
	unsigned next;  /* the part that must come next, from `count` down; 0: all are there */
	unsigned char checksum;
	unsigned char units[FAT_LONG_SLOTS * FAT_LONG_UNITS * 2];
};

/* Takes a slot that is part of a long name; one that does not follow begins anew, or ends it. */
void fat_long_add(struct fat_long *name, const unsigned char raw[FAT_SLOT]);
/* Whether it is whole and belongs to this short entry; if so, text is the name in UTF-8. */
bool fat_long_finish(const struct fat_long *name, const unsigned char raw[FAT_SLOT],
		     char text[FAT_NAME_TEXT]);
unsigned char fat_short_checksum(const unsigned char name[FAT_SLOT_SHORT]);

/* One component of a path, len bytes, as a short name in upper case. False: it is none. */
bool fat_short_encode(const char *text, size_t len, unsigned char name[FAT_SLOT_SHORT]);
/* Whether an entry is called so, by its long or its short name; case of ASCII letters does not
 * count. raw: its slot. */
bool fat_name_is(const struct fat_entry *entry, const unsigned char raw[FAT_SLOT], const char *text,
		 size_t len);

#endif
