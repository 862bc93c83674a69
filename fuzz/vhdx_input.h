/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VHDX has at least four MiB, nearly all of them zeros; an input is what differs from a good one:
 *
 *	1 byte	flags: 1 leaves checksums as they are, 2 opens with wrong ones passed over, 4 starts
 *		from the image with sectors of 4096 bytes
 *	2 bytes	the size of the file in units of 4 KiB, 0: as it is (little-endian, like all here)
 *	then records:
 *	1 byte	the place (below)
 *	2 bytes	offset from it
 *	1 byte	length n
 *	n bytes	that stand there instead
 *
 * Places: 0 the file's beginning, 1 and 2 a header, 3 both, 4 and 5 a region table, 6 both, 7 the
 * metadata table, 8 its items, 9 the BAT, 10 the log, 11 the blocks (offset in sectors).
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
	VHDX_PLACES,
};

enum { VHDX_RECORDS_MAX = 32 };

/* An input, taken apart. */
struct vhdx_input {
	bool repair, force, large_sectors;
	uint64_t size; /* of the file; 0: as it is */
	size_t count;
	struct patch patches[2 * VHDX_RECORDS_MAX + 4];
	unsigned char *sums[4]; /* structures whose checksum was made right: patches, too */
};

/* Takes the input apart; what makes no sense in it is passed over. `data` is borrowed. */
void vhdx_input_parse(const uint8_t *data, size_t size, struct vhdx_input *out);

/* Adds patches that make the checksums right of what others changed. 0 or -1. */
int vhdx_input_repair(struct vhdx_input *in, const struct buffer *base);
void vhdx_input_free(struct vhdx_input *in);

/* Appends the head, or a record, to an input that is being made. */
int vhdx_input_begin(struct buffer *out, unsigned flags, uint16_t units);
int vhdx_input_record(struct buffer *out, enum vhdx_place place, uint16_t off, const void *bytes,
		      uint8_t len);

#endif
