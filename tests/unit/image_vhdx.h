/* SPDX-License-Identifier: Apache-2.0 */
/* Builds VHDX files, also of kinds that the library reads but does not write. */
#ifndef TESTS_UNIT_IMAGE_VHDX_H
#define TESTS_UNIT_IMAGE_VHDX_H

#include "base/buffer.h"
#include "vhdx/vhdx_ondisk.h"

/* Where things stand in a built image, bytes: header section, log, metadata, BAT, blocks. */
enum {
	IMAGE_VHDX_LOG = 1 << 20,
	IMAGE_VHDX_METADATA = 2 << 20,
	IMAGE_VHDX_BAT = 3 << 20,
	IMAGE_VHDX_BLOCKS = 4 << 20,
};

/* Where fields that tests change stand, from the start of their structure. */
enum {
	VHDX_HEAD_CHECKSUM = 4,
	VHDX_HEAD_SEQUENCE = 8,
	VHDX_HEAD_LOG_GUID = 48,
	VHDX_HEAD_LOG_VERSION = 64,
	VHDX_HEAD_VERSION = 66,
	VHDX_HEAD_LOG_LENGTH = 68,
	VHDX_HEAD_LOG_OFFSET = 72,
	VHDX_REGION_CHECKSUM = 4,
	VHDX_REGION_COUNT = 8,
	VHDX_REGION_BAT = 16, /* the first entry */
	VHDX_REGION_METADATA = 48,
	VHDX_METADATA_COUNT = 10,
	VHDX_METADATA_FIRST = 32,                  /* the first entry; each has 32 bytes */
	VHDX_LOCATOR = VHDX_METADATA_ITEMS + 4096, /* where the parent locator stands in it */
};

/* An entry of a parent locator; ASCII, or what is to be decoded as such. */
struct image_vhdx_pair {
	const char *key, *value;
};

struct image_vhdx {
	uint32_t block_size;
	uint32_t logical_sector;
	uint64_t disk_size;
	size_t blocks;          /* in `states` */
	const unsigned *states; /* enum vhdx_block_state, a block each; behind them NOT_PRESENT */
	const unsigned char *fill; /* the bytes of blocks that are present repeat this one, each */
	uint64_t sequence[2];      /* of the headers */
	struct guid data_write_guid;
	bool has_parent;
	const struct image_vhdx_pair *locator; /* of a parent; NULL: none is written */
	size_t locator_pairs;
	/* What the bits of blocks that are partially present repeat, a byte each; the bitmap blocks
	 * stand before the first block of their chunk that needs one. */
	const unsigned char *bits;
};

/* Blocks of 1 MiB, sectors of 512 bytes, one block that is present and one that is not. */
struct image_vhdx image_vhdx_defaults(void);

/* The entries that a child of `linkage` ("{...}") has in Hyper-V. */
extern const struct image_vhdx_pair image_vhdx_locator[5];

/* Appends a parent locator. Returns 0 or -1. */
int image_vhdx_locate(const struct image_vhdx_pair *pairs, size_t count, struct buffer *out);

/* Appends the image to `out`, which is empty. Returns 0 or -1. */
int image_vhdx(const struct image_vhdx *image, struct buffer *out);

/* Makes the CRC-32C over raw[0, len) in the four bytes at `field` right. */
void image_vhdx_sum(unsigned char *raw, size_t len, size_t field);

/* The same for both headers and both region tables of an image that has them. */
void image_vhdx_repair(unsigned char *image, size_t len);

#endif
