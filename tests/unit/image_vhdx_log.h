/* SPDX-License-Identifier: Apache-2.0 */
/* Puts entries into the log of a built VHDX, whole ones and what a crash leaves. */
#ifndef TESTS_UNIT_IMAGE_VHDX_LOG_H
#define TESTS_UNIT_IMAGE_VHDX_LOG_H

#include "base/buffer.h"
#include "image_vhdx.h"

#include <stdbool.h>

#define IMAGE_VHDX_LOG_SIZE ((uint32_t)VHDX_MB)

/* Where fields stand in an entry, its descriptors and its data sectors. */
enum {
	LOG_CHECKSUM = 4,
	LOG_LENGTH = 8,
	LOG_TAIL = 12,
	LOG_SEQUENCE = 16,
	LOG_DESCRIPTORS = 24,
	LOG_GUID = 32,
	LOG_FLUSHED = 48,
	LOG_LAST = 56,
	LOG_FIRST = 64, /* the first descriptor; each has 32 bytes */
	LOG_DESC_LENGTH = 8,
	LOG_DESC_OFFSET = 16,
	LOG_DESC_SEQUENCE = 24,
	LOG_SECTOR = 4096,
};

/* One descriptor: a sector that repeats `fill`, or zeros. */
struct image_log_write {
	uint64_t off;
	uint64_t zeros;     /* how many bytes; 0: a sector of data */
	unsigned char fill; /* all bytes of the sector, */
	const void *bytes;  /* or these; NULL: the former */
};

struct image_log_entry {
	uint64_t sequence;
	uint32_t tail; /* offset in the log */
	uint64_t flushed, last;
	const struct image_log_write *writes;
	size_t count;
};

/* The log GUID that entries and the header get. */
extern const unsigned char image_log_guid[16];

/* Puts an entry at `at` of the log, round its end if need be. Returns where the next one goes. */
uint32_t image_log_put(unsigned char *image, uint32_t at, const struct image_log_entry *entry);

/* Makes the checksum of the entry at `at` right, as far as its length makes sense. */
void image_log_sum(unsigned char *image, uint32_t at);

/* Makes the second header, which must be the current one, name the log. */
void image_log_name(unsigned char *image);

/*
 * An image whose log has the entries 7 and 8, the tail of both, from offset 0 on. Entry 7 writes
 * BAT entry 1 (the block of what is at the end of the file), entry 8 zeros of 8 KiB at the first
 * block's beginning and the sector behind them, filled with 0x88. Returns 0 or -1.
 */
int image_log_usual(unsigned char *image, size_t size);

#endif
