/* SPDX-License-Identifier: Apache-2.0 */
/* Builds small delta files, and the two disks that they are between. */
#ifndef TESTS_UNIT_IMAGE_DELTA_H
#define TESTS_UNIT_IMAGE_DELTA_H

#include "base/buffer.h"
#include "delta/delta_file.h"

struct image_delta {
	struct delta_head head;
	int level;              /* of zstd; 0: data is stored as it is */
	size_t record_data;     /* a record is closed when it holds so much data */
	uint32_t record_blocks; /* or so many blocks; 0: as many as fit */
};

/* Blocks of 4 KiB, XXH3, one lineage, level 1, records of 64 KiB; the disks have this size. */
struct image_delta image_delta_defaults(uint64_t base_size, uint64_t target_size);

/*
 * Appends the delta that makes of `base` the `target`, whose sizes are in the head, to `out`, which
 * is empty. Record number n is of lineage n modulo their number. Returns 0 or -1.
 */
int image_delta(const struct image_delta *image, const unsigned char *base,
		const unsigned char *target, struct buffer *out);

/* Makes every check and the SHA-256 of a delta, wherever a part of it can be found, right again. */
void image_delta_repair(unsigned char *bytes, size_t len);

/* Where record number `index` stands; SIZE_MAX: there is none. */
size_t image_delta_record(const unsigned char *bytes, size_t len, unsigned index);
/* The same for the pages of the index. */
size_t image_delta_page(const unsigned char *bytes, size_t len, unsigned index);

#endif
