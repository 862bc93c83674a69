/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds hosted sparse VMDK files, small ones and of kinds that the library reads but does not
 * write: other versions, other grains, a directory in front of packed grains, grains without
 * markers.
 */
#ifndef TESTS_UNIT_IMAGE_VMDK_H
#define TESTS_UNIT_IMAGE_VMDK_H

#include "base/buffer.h"
#include "vmdk/vmdk_ondisk.h"

#include <stdbool.h>

/* What to build. Zero is a good start: see image_vmdk_defaults. */
struct image_vmdk {
	uint32_t version;
	uint32_t flags; /* VMDK_FLAG_*; what they say is done */
	uint64_t grain_sectors;
	uint32_t gtes_per_gt;
	const char *descriptor; /* embedded; NULL: none */
	bool footer;            /* the directory stands behind the grains, a footer says where */
	bool stored;            /* packed grains are stored, not compressed */
	bool short_last;        /* the last packed grain has only what the disk has of it */
	bool unpadded;          /* the file ends with the last grain, as qemu-img leaves it */
};

/* Version 1, grains of 4 KiB, tables of 4 entries, a descriptor of one extent. */
struct image_vmdk image_vmdk_defaults(void);

/*
 * Appends the image of the `size` bytes at `content`, a multiple of a sector, to `out`, which is
 * empty. A grain of zeros is absent or, with VMDK_FLAG_ZERO_GRAIN, entry 1. Returns 0 or -1.
 */
int image_vmdk(const struct image_vmdk *image, const unsigned char *content, size_t size,
	       struct buffer *out);

#endif
