/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the blocks are that a store has already, by their names: the index of deduplication. It is
 * built from the indexes of the slots, of which a local cache keeps copies, and bounded in memory:
 * what does not fit is not found again, which costs space and nothing else. Slots that are marked
 * as trash, or are not in the listing, are not in it.
 */
#ifndef EMIT_BLOCK_INDEX_H
#define EMIT_BLOCK_INDEX_H

#include "emit/store_inside.h"

/* A set of slots; less than 24 bytes each. */
struct slot_set;
int slot_set_new(struct slot_set **out, struct tranship_error *err);
void slot_set_free(struct slot_set *set);
int slot_set_add(struct slot_set *set, const struct slot_id *id, struct tranship_error *err);
/* NULL: an empty set. */
bool slot_set_has(const struct slot_set *set, const struct slot_id *id);
size_t slot_set_count(const struct slot_set *set);
/* Its ids, ascending, until the next one is added; the id of all zeros, which no slot has, is left
 * out. */
int slot_set_list(struct slot_set *set, const struct slot_id **ids, size_t *count,
		  struct tranship_error *err);

struct block_index;
/* `without`: slots that nothing may be found in. */
int block_index_open(struct tranship_store *store, const struct slot_set *without,
		     struct block_index **out, struct tranship_error *err);
void block_index_close(struct block_index *index);
/* 1: it is at *out; 0: it is not known; negative: a code. Any thread, beside block_index_add. */
int block_index_find(struct block_index *index, const unsigned char name[NAME_SIZE], uint32_t raw,
		     struct record_ref *out, struct tranship_error *err);
int block_index_add(struct block_index *index, const unsigned char name[NAME_SIZE], uint32_t raw,
		    const struct record_ref *ref, struct tranship_error *err);

#endif
