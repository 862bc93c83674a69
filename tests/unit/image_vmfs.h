/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the sparse extents that ESXi writes and the library only reads: COWD and seSparse. */
#ifndef TESTS_UNIT_IMAGE_VMFS_H
#define TESTS_UNIT_IMAGE_VMFS_H

#include "base/buffer.h"
#include "vmdk/vmdk_cowd_ondisk.h"
#include "vmdk/vmdk_sesparse_ondisk.h"

struct image_cowd {
	uint32_t grain_sectors;
	const char *parent_name; /* NULL: a root */
	uint32_t parent_generation;
	bool unclean;
	uint32_t spare_sectors; /* behind the next free one */
};

/* Grains of a sector, as ESXi writes them. */
struct image_cowd image_cowd_defaults(void);

struct image_sesparse {
	enum vmdk_sesparse_grain hole; /* what a grain of zeros is */
	bool replay;
	uint64_t first_grain; /* the number of the first one that is used */
	bool descending;      /* grains stand from the last one of the disk to the first */
};

struct image_sesparse image_sesparse_defaults(void);

/*
 * Both append the image of the `size` bytes at `content`, a multiple of a sector, to `out`, which
 * is empty. Return 0 or -1.
 */
int image_cowd(const struct image_cowd *image, const unsigned char *content, size_t size,
	       struct buffer *out);
int image_sesparse(const struct image_sesparse *image, const unsigned char *content, size_t size,
		   struct buffer *out);

#endif
