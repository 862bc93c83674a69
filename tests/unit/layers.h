/* SPDX-License-Identifier: Apache-2.0 */
/* Images of chains in files, small, and as odd as a test wants them. */
#ifndef TESTS_UNIT_LAYERS_H
#define TESTS_UNIT_LAYERS_H

#include "tranship/tranship.h"

#define LAYER_HINTS 3
#define LAYER_SECTORS 16

/* A VHD. Each of its sectors repeats the byte `fill`; it has those whose bits are set in `owned`,
 * sector 0 in the lowest one, again from sector 64 on. */
struct layer_image {
	unsigned char id;               /* its identity repeats this byte */
	unsigned char parent;           /* so does its parent's; 0: it stands alone */
	const char *hints[LAYER_HINTS]; /* where that is, in this order; up to NULL */
	uint64_t owned;
	unsigned char fill;
	unsigned sectors; /* 0: LAYER_SECTORS */
};

void layer_write(const char *path, const struct layer_image *layer);

/* Opens it with the policy "beside" and these flags. */
int layer_open(const char *path, unsigned flags, struct tranship_disk **out,
	       struct tranship_error *err);

/* What sector number `sector` of the disk repeats; fails if it repeats nothing. */
unsigned char layer_byte(struct tranship_disk *disk, unsigned sector);

#endif
