// SPDX-License-Identifier: Apache-2.0
/* A set of slots: an open hash table of ids. Ids are half random, half a counter, and nobody gains
 * from making them collide but slow lookups in his own store. */
#include "emit/block_index.h"

#include "base/bytes.h"
#include "base/error.h"

#include <stdlib.h>

#define FIRST_CAP 64U

struct slot_set {
	struct slot_id *at;
	unsigned char *taken;
	size_t count, cap; /* cap is a power of two, or 0 */
};

static size_t hash(const struct slot_id *id)
{
	uint64_t h = get_be64(id->bytes) ^ get_be64(id->bytes + 8) * 0x9E3779B97F4A7C15ULL;

	return (size_t)(h ^ h >> 32);
}

int slot_set_new(struct slot_set **out, struct tranship_error *err)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : error_nomem(err, sizeof(**out));
}

void slot_set_free(struct slot_set *set)
{
	if (!set)
		return;
	free(set->at);
	free(set->taken);
	free(set);
}

/* Where the id is, or would be. */
static size_t place_of(const struct slot_set *set, const struct slot_id *id)
{
	size_t i = hash(id) & (set->cap - 1);

	while (set->taken[i] && !slot_id_equal(&set->at[i], id))
		i = (i + 1) & (set->cap - 1);
	return i;
}

static int grow(struct slot_set *set, struct tranship_error *err)
{
	size_t cap = set->cap ? 2 * set->cap : FIRST_CAP, i;
	struct slot_set larger = { .count = set->count, .cap = cap };

	larger.at = malloc(cap * sizeof(*larger.at));
	larger.taken = calloc(cap, 1);
	if (!larger.at || !larger.taken) {
		free(larger.at);
		free(larger.taken);
		return error_nomem(err, cap * sizeof(*larger.at));
	}
	for (i = 0; i < set->cap; i++)
		if (set->taken[i]) {
			size_t to = place_of(&larger, &set->at[i]);

			larger.at[to] = set->at[i];
			larger.taken[to] = 1;
		}
	free(set->at);
	free(set->taken);
	*set = larger;
	return 0;
}

int slot_set_add(struct slot_set *set, const struct slot_id *id, struct tranship_error *err)
{
	size_t i;
	int rc = 4 * (set->count + 1) > 3 * set->cap ? grow(set, err) : 0;

	if (rc)
		return rc;
	i = place_of(set, id);
	if (!set->taken[i]) {
		set->at[i] = *id;
		set->taken[i] = 1;
		set->count++;
	}
	return 0;
}

bool slot_set_has(const struct slot_set *set, const struct slot_id *id)
{
	return set && set->cap && set->taken[place_of(set, id)];
}

size_t slot_set_count(const struct slot_set *set)
{
	return set ? set->count : 0;
}
