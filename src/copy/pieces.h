/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a run that was read into what is put, what is zeros, and what a base has already. */
#ifndef COPY_PIECES_H
#define COPY_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum piece_kind { PIECE_DATA, PIECE_ZERO, PIECE_SKIP };

/* A stretch of a run that is written, or left out, as a whole. */
struct piece {
	uint64_t off;
	uint64_t len;
	enum piece_kind kind;
	size_t stored; /* where its stored form begins in the item's encoded bytes, and its length
			*/
	size_t stored_len;
};

struct piece_rule {
	uint64_t chunk; /* what is looked at as one: aligned, a power of two; 0: the run is data */
	bool zeros;     /* whether zeros are looked for */
};

/*
 * Cuts the len bytes at off of the disk. `base`: what a base has there; NULL: there is none. There
 * is room for len / chunk + 2 pieces; returns how many there are.
 */
size_t pieces_find(const struct piece_rule *rule, uint64_t off, size_t len,
		   const unsigned char *bytes, const unsigned char *base, struct piece *pieces);

#endif
