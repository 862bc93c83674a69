/* SPDX-License-Identifier: Apache-2.0 */
/* Walking the directories of a FAT32 volume. */
#ifndef MBR_GPT_FAT_DIR_H
#define MBR_GPT_FAT_DIR_H

#include "mbr-gpt/fat_ondisk.h"

enum { FAT_DIR_PIECE = 4096 };

/* Goes through the slots of a directory. The chain is bounded by FAT_SLOTS_MAX. */
struct fat_dir {
	struct fat *fat;
	uint32_t cluster, next; /* the one that is walked; what follows it, 0: nothing */
	uint32_t within;        /* bytes of it that were walked */
	uint32_t slots;         /* that were walked */
	unsigned char piece[FAT_DIR_PIECE];
};

/* One slot. */
struct fat_slot {
	unsigned char raw[FAT_SLOT];
	uint64_t off; /* in the volume */
};

int fat_dir_start(struct fat *fat, uint32_t cluster, struct fat_dir *out,
		  struct tranship_error *err);
/* *more false: the chain is at its end; a slot FAT_SLOT_LAST does not end it. */
int fat_dir_slot(struct fat_dir *dir, bool *more, struct fat_slot *out, struct tranship_error *err);

/* Follows the chain to its end. Only then is it known to be no loop. */
int fat_dir_finish(struct fat_dir *dir, struct tranship_error *err);

/* A short entry with its long name, and where the slots of that are. */
struct fat_found {
	struct fat_entry entry;
	unsigned char raw[FAT_SLOT];
	unsigned long_count; /* 0: it has no long name */
	uint64_t long_off[FAT_LONG_SLOTS];
};

/* Gathers entries from slots. Zero-initialise it. */
struct fat_gather {
	struct fat_long name;
	uint64_t off[FAT_LONG_SLOTS]; /* of its parts, as they came */
};

/* Whether this slot makes an entry whole that counts (no volume label, "." or ".."). */
bool fat_gather_slot(struct fat_gather *gather, const struct fat_slot *slot, struct fat_found *out);

#endif
