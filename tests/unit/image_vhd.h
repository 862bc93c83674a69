/* SPDX-License-Identifier: Apache-2.0 */
/* Builds small VHD files, also of kinds that the library reads but does not write. */
#ifndef TESTS_UNIT_IMAGE_VHD_H
#define TESTS_UNIT_IMAGE_VHD_H

#include "base/buffer.h"
#include "vhd/vhd_ondisk.h"

/* Where the fields of footer and dynamic header stand. */
enum {
	VHD_FOOTER_CHECKSUM = 64,
	VHD_DYNAMIC_CHECKSUM = 36,
	VHD_DYNAMIC_LOCATORS = 576, /* 24 bytes each: code, space, length, reserved, offset (8) */
};

/* What a child's header says of its parent. */
struct image_vhd_locator {
	uint32_t platform;
	uint32_t data_space; /* as it is written, in whatever unit */
	const void *data;
	uint32_t len;
};

struct image_vhd {
	enum vhd_type type;
	const char *creator; /* four characters */
	uint32_t block_size;
	uint16_t cylinders; /* heads 4, 17 sectors a track; 0: the geometry of the size */
	bool whole_blocks;  /* all bits of a block's bitmap are set, not only its data's */
	bool dirty;         /* sectors whose bit is clear have something in them */
	/* A byte for each sector of the disk: nonzero where the image has it, be it zeros. NULL: it
	 * has what is not zeros. */
	const unsigned char *owned;
	/* Of a child. The data of the locators stands between BAT and blocks, each from a sector
	 * on. */
	struct guid parent_id;
	uint32_t parent_timestamp;
	const char *parent_name; /* ASCII; NULL: "" */
	const struct image_vhd_locator *locators;
	size_t locator_count;
};

/* A dynamic disk of 'win ' with blocks of 4 KiB, which keep an image small. */
struct image_vhd image_vhd_defaults(void);

/*
 * Appends the image of the `size` bytes at `content`, a multiple of a sector, to `out`, which is
 * empty: head copy, dynamic header, BAT, blocks, footer; or, fixed, the content and the footer.
 * Returns 0 or -1.
 */
int image_vhd(const struct image_vhd *image, const unsigned char *content, size_t size,
	      struct buffer *out);

/* Makes the checksum over raw[0, len) in the four bytes at `field` right. */
void image_vhd_sum(unsigned char *raw, size_t len, size_t field);

/* The same for every structure of an image that can be found: both footers, the dynamic header. */
void image_vhd_repair(unsigned char *image, size_t len);

#endif
