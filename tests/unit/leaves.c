// SPDX-License-Identifier: Apache-2.0
#include "leaves.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

struct slot_id slot_id_number(uint64_t number)
{
	struct slot_id id;

	put_be64(id.bytes, 0x5157494E47ULL);
	put_be64(id.bytes + 8, number);
	return id;
}

struct table_leaf *new_leaf(void)
{
	struct table_leaf *leaf = calloc(1, sizeof(*leaf));

	assert_non_null(leaf);
	table_leaf_clear(leaf);
	return leaf;
}

void free_leaf(struct table_leaf *leaf)
{
	if (!leaf)
		return;
	table_leaf_fini(leaf);
	free(leaf);
}

static void fill_block(struct rng *rng, const struct leaf_kind *kind, struct table_leaf *leaf,
		       size_t block)
{
	struct table_unit *units = leaf->units + block * STORE_BLOCK_UNITS;
	unsigned first = (unsigned)rng_below(rng, STORE_BLOCK_UNITS), i;
	unsigned record = (unsigned)rng_below(rng, SLOT_RECORDS_MAX);
	struct slot_id id = slot_id_number(rng_below(rng, kind->slots));
	struct tranship_error err;

	if (rng_below(rng, 3) > 0)
		first = 0;
	for (i = first; i < STORE_BLOCK_UNITS; i++) {
		if (rng_below(rng, 8) == 0)
			continue; /* zeros within a record */
		if (kind->scattered) {
			id = slot_id_number(rng_below(rng, kind->slots));
			record = (unsigned)rng_below(rng, SLOT_RECORDS_MAX);
		}
		assert_ok(table_leaf_slot(leaf, &id, &units[i].slot, &err), &err);
		units[i].record = (uint16_t)record;
		units[i].sub =
			(uint8_t)(kind->scattered ? rng_below(rng, STORE_BLOCK_UNITS) : i - first);
		rng_fill(rng, units[i].digest, UNIT_DIGEST);
	}
}

void fill_leaf(struct rng *rng, const struct leaf_kind *kind, struct table_leaf *leaf)
{
	size_t b;

	for (b = 0; b < LEAF_BLOCKS; b++)
		if (rng_below(rng, 1000) < kind->blocks)
			fill_block(rng, kind, leaf, b);
}

void assert_same_leaf(const struct table_leaf *a, const struct table_leaf *b)
{
	size_t i;

	for (i = 0; i < LEAF_UNITS; i++) {
		const struct table_unit *x = &a->units[i], *y = &b->units[i];

		assert_int_equal(x->slot == UNIT_ZERO, y->slot == UNIT_ZERO);
		assert_memory_equal(x->digest, y->digest, UNIT_DIGEST);
		if (x->slot == UNIT_ZERO)
			continue;
		assert_true(x->slot < a->slot_count && y->slot < b->slot_count);
		assert_true(slot_id_equal(&a->slots[x->slot], &b->slots[y->slot]));
		assert_int_equal(x->record, y->record);
		assert_int_equal(x->sub, y->sub);
	}
}
