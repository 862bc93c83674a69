/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VHDX has at least four MiB, nearly all of them zeros; an input is what differs from a good one:
 *
 *	1 byte	flags: 1 leaves checksums as they are, 2 opens with wrong ones passed over; what to
 *		start from: 4 sectors of 4096 bytes, 8 a differencing disk, 16 a dirty log
 *	2 bytes	the size of the file in units of 4 KiB, 0: as it is (little-endian, like all here)
 *	then records:
 *	1 byte	the place (below)
 *	2 bytes	offset from it
 *	1 byte	length n
 *	n bytes	that stand there instead
 *
 * Places: 0 the file's beginning, 1 and 2 a header, 3 both, 4 and 5 a region table, 6 both, 7 the
 * metadata table, 8 its items, 9 the BAT, 10 the log, 11 the blocks (offset in sectors), 12 the
 * parent locator, 13 the BAT entry of the sector bitmap, 14 the last 64 KiB of the log.
 */
#ifndef FUZZ_VHDX_INPUT_H
#define FUZZ_VHDX_INPUT_H

#include "base/buffer.h"
#include "image_vhdx.h"
#include "patched.h"

#include <stdbool.h>

enum vhdx_place {
	VHDX_AT_START,
	VHDX_AT_HEADER_1,
	VHDX_AT_HEADER_2,
	VHDX_AT_HEADERS,
	VHDX_AT_REGIONS_1,
	VHDX_AT_REGIONS_2,
	VHDX_AT_REGIONS,
	VHDX_AT_METADATA,
	VHDX_AT_ITEMS,
	VHDX_AT_BAT,
	VHDX_AT_LOG,
	VHDX_AT_BLOCKS,
	VHDX_AT_LOCATOR,
	VHDX_AT_BITMAP_ENTRY,
	VHDX_AT_LOG_END,
	VHDX_PLACES,
};

enum {
	VHDX_RECORDS_MAX = 32,
	VHDX_LOG_SUMS_MAX = 16,
};

/* The flags that say what to start from, as a number below VHDX_BASES. */
enum {
	VHDX_INPUT_LARGE_SECTORS = 4,
	VHDX_INPUT_CHILD = 8,
	VHDX_INPUT_DIRTY = 16,
	VHDX_BASES = 8,
};

/* The image that inputs with these flags start from; made once. NULL where memory runs out. */
const struct buffer *vhdx_input_base(unsigned flags);

/* An input, taken apart. */
struct vhdx_input {
	unsigned flags;
	bool repair, force;
	uint64_t size; /* of the file; 0: as it is */
	size_t count;
	struct patch patches[2 * VHDX_RECORDS_MAX + 4 + VHDX_LOG_SUMS_MAX];
	unsigned char *sums[4]; /* structures whose checksum was made right: patches, too */
	unsigned char log_sums[VHDX_LOG_SUMS_MAX][4]; /* and those of entries of the log */
};

/* Takes the input apart; what makes no sense in it is passed over. `data` is borrowed. */
void vhdx_input_parse(const uint8_t *data, size_t size, struct vhdx_input *out);

/* Whether a record changes some of [at, at + len). */
bool vhdx_input_touches(const struct vhdx_input *in, uint64_t at, uint64_t len);

/* Adds patches that make the checksums right of what others changed. 0 or -1. */
int vhdx_input_repair(struct vhdx_input *in, const struct buffer *base);
void vhdx_input_free(struct vhdx_input *in);

/* Appends the head, or a record, to an input that is being made. */
int vhdx_input_begin(struct buffer *out, unsigned flags, uint16_t units);
int vhdx_input_record(struct buffer *out, enum vhdx_place place, uint16_t off, const void *bytes,
		      uint8_t len);

#endif
