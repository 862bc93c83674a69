/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves and nodes of block tables, made at random. */
#ifndef TESTS_UNIT_LEAVES_H
#define TESTS_UNIT_LEAVES_H

#include "emit/table.h"
#include "support.h"

/* A slot id that belongs to this number. */
struct slot_id slot_id_number(uint64_t number);

/* calloc'ed and clear; free_leaf. */
struct table_leaf *new_leaf(void);
void free_leaf(struct table_leaf *leaf);

/* How a leaf is filled: of a thousand blocks so many are there, in this many slots, whole records
 * or units that stand anywhere. */
struct leaf_kind {
	unsigned blocks; /* of a thousand */
	unsigned slots;
	bool scattered;
};
void fill_leaf(struct rng *rng, const struct leaf_kind *kind, struct table_leaf *leaf);

/* What a unit says, wherever its slot stands in the list. */
void assert_same_leaf(const struct table_leaf *a, const struct table_leaf *b);

#endif
