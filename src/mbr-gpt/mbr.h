/* SPDX-License-Identifier: Apache-2.0 */
/* The master boot record and its extended partitions, read and written. */
#ifndef MBR_GPT_MBR_H
#define MBR_GPT_MBR_H

#include "mbr-gpt/patches.h"

#include <stdbool.h>

enum {
	MBR_SIZE = 512,
	MBR_CODE_SIZE = 440,
	MBR_OFF_SIGNATURE = 440,
	MBR_OFF_TABLE = 446,
	MBR_ENTRIES = 4,
	MBR_LOGICAL_MAX = 128, /* more than any system shows */
	MBR_TYPE_PROTECTIVE = 0xEE,
};

struct mbr_entry {
	bool active;
	unsigned char status; /* as it stands: 0 or 0x80 in a sound one */
	unsigned char type;   /* 0: free */
	uint32_t first, sectors;
};

enum mbr_kind {
	MBR_NONE,  /* no 55 AA, or entries that make no sense (a boot sector of a file system) */
	MBR_PLAIN, /* no entry of type 0xEE */
	MBR_PROTECTIVE, /* one, at sector 1, and nothing else */
	MBR_HYBRID,     /* 0xEE and others */
};

struct mbr {
	enum mbr_kind kind;
	unsigned char raw[MBR_SIZE];
	uint32_t signature;
	struct mbr_entry at[MBR_ENTRIES];
	/* Logical partitions in the order of their chain; first is the disk's LBA. */
	struct mbr_entry logical[MBR_LOGICAL_MAX];
	uint32_t logical_count;
	/* code 0: all is well; else what is wrong with the table or the chain (overlaps, loops,
	 * past the end of the disk): what stands before that is there all the same. */
	struct tranship_error fault;
};

/* Fails only where the disk cannot be read. */
int mbr_read(struct tranship_disk *disk, struct mbr *out, struct tranship_error *err);

/* 16 bytes; CHS fields out of range are FE FF FF, others by 255 heads and 63 sectors. */
void mbr_entry_encode(const struct mbr_entry *entry, unsigned char raw[16]);

/* Whether a type is an extended partition. */
bool mbr_is_extended(unsigned char type);
/* The type in words; NULL: not known. */
const char *mbr_type_name(unsigned char type);

#endif
