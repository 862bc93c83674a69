/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a FAT32 volume differs from a good one (image_fat_fill), and what is put into it. An input
 * is a byte of flags, a byte that says how long a file is put, and records: a place, an offset
 * (u16), a length (u8), that many bytes.
 */
#ifndef FUZZ_FAT_INPUT_H
#define FUZZ_FAT_INPUT_H

#include "image_fat.h"

#include "base/buffer.h"

enum {
	FAT_INPUT_SECTOR = 0x03,  /* 512 << this */
	FAT_INPUT_PAIRS = 0x04,   /* two sectors a cluster */
	FAT_INPUT_RAW = 0x08,     /* signatures and checksums are not made right */
	FAT_INPUT_ONE = 0x10,     /* records change the first table only */
	FAT_INPUT_PATH_SHIFT = 5, /* the upper three bits: the path of what is put */
	FAT_INPUT_RECORDS_MAX = 64,
};

/* Places; from FAT_AT_CLUSTERS on: this cluster, less FAT_AT_CLUSTERS, plus 2. */
enum { FAT_AT_BOOT, FAT_AT_INFO, FAT_AT_TABLE, FAT_AT_CLUSTERS };

extern const char *const fat_input_paths[8];

struct fat_input {
	struct image_fat image; /* its bytes are malloc'ed */
	const char *path;
	size_t len; /* of what is put; at most 32 KiB */
};

/* 0; -1: no memory, or no input. */
int fat_input_parse(const uint8_t *data, size_t size, struct fat_input *out);

/* Appends a record to an input that is being made. 0 or -1. */
int fat_input_record(struct buffer *out, unsigned place, unsigned off, const void *bytes,
		     size_t len);

#endif
