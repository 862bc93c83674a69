/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store in memory, and points in it, made by the simplest code there is: each record is
 * compressed and added to the one slot that is being filled. A test fails where anything does.
 */
#ifndef TESTS_UNIT_POINTS_MADE_H
#define TESTS_UNIT_POINTS_MADE_H

#include "emit/manifest.h"
#include "emit/slot.h"
#include "emit/store_inside.h"
#include "emit/table.h"
#include "support.h"

struct made {
	struct tranship_store *store;
	struct digest_seed seed; /* of the points that are made next */
	struct slot_builder *builder;
	uint64_t slots; /* that were begun */
	size_t slot_limit;
	bool ends_here; /* the store and its target are the maker's own */
};

/* A store over a memory target (memory_target_of(m->store->target)). */
void made_open(struct made *m, bool encrypted, size_t slot_limit);
/* Adds to a store that is open. */
void made_into(struct made *m, struct tranship_store *store, size_t slot_limit);
void made_close(struct made *m);

/* The slot that is being filled is put when the next record does not fit; by made_flush at once. */
void made_record(struct made *m, enum record_kind kind, const void *bytes, size_t len,
		 struct record_ref *at, unsigned char name[NAME_SIZE]);
void made_flush(struct made *m);

/* A table of the leaves that are given, ascending by number; the others are zeros. Flushes. */
struct made_leaf {
	uint64_t number;
	struct table_leaf *leaf;
};
void made_table(struct made *m, const struct made_leaf *leaves, size_t count, uint64_t size,
		struct table_root *out);

/*
 * A point of a disk. before: units that it has in the same place are its; NULL: none. `out` is
 * filled in but for what manifest_write gives it. manifest_free.
 */
struct made_disk {
	const unsigned char *content;
	size_t size;
	const struct manifest *before;
	const unsigned char *content_before;
	const char *disk, *name;
};
void made_point(struct made *m, const struct made_disk *disk, struct manifest *out);

#endif
