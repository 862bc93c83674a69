// SPDX-License-Identifier: Apache-2.0
#include "base/bitmap.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>

#define BITS_MAX ((uint64_t)1 << 32)

int bitmap_init(struct bitmap *map, uint64_t bits, struct tranship_error *err)
{
	*map = (struct bitmap){ .bits = bits };
	if (bits > BITS_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "a map of %" PRIu64 " units is too large",
				 bits);
	map->words = calloc((size_t)(bits / 64 + 1), sizeof(*map->words));
	return map->words ? 0 : error_nomem(err, (size_t)(bits / 8));
}

void bitmap_free(struct bitmap *map)
{
	free(map->words);
	*map = (struct bitmap){ 0 };
}

uint64_t bitmap_set(struct bitmap *map, uint64_t first, uint64_t count)
{
	uint64_t before = 0;

	while (count > 0) {
		unsigned at = (unsigned)(first % 64);
		unsigned n = (unsigned)min_u64(64 - at, count);
		uint64_t mask = (n == 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1) << at;
		uint64_t *word = &map->words[first / 64];

		before += (uint64_t)__builtin_popcountll(*word & mask);
		*word |= mask;
		first += n;
		count -= n;
	}
	return before;
}

uint64_t bitmap_next(const struct bitmap *map, uint64_t from, bool set)
{
	while (from < map->bits) {
		uint64_t word = map->words[from / 64];
		uint64_t left = (set ? word : ~word) >> (from % 64);

		if (left) {
			from += (uint64_t)__builtin_ctzll(left);
			break;
		}
		from = (from / 64 + 1) * 64;
	}
	return from < map->bits ? from : map->bits;
}
