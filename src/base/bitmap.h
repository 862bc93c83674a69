/* SPDX-License-Identifier: Apache-2.0 */
/* One bit for each unit of a file, for checks. */
#ifndef BASE_BITMAP_H
#define BASE_BITMAP_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stdint.h>

struct bitmap {
	uint64_t bits;
	uint64_t *words;
};

/* All clear. TRANSHIP_ELIMIT above 2^32 bits (512 MiB). */
int bitmap_init(struct bitmap *map, uint64_t bits, struct tranship_error *err);
void bitmap_free(struct bitmap *map);

/* Sets [first, first + count), which lies inside, and returns how many of these bits were set
 * before. */
uint64_t bitmap_set(struct bitmap *map, uint64_t first, uint64_t count);

static inline bool bitmap_get(const struct bitmap *map, uint64_t bit)
{
	return map->words[bit / 64] >> (bit % 64) & 1;
}

/* The first bit at or after from that is clear (or set), or `bits`. */
uint64_t bitmap_next(const struct bitmap *map, uint64_t from, bool set);

#endif
