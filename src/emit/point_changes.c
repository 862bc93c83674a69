// SPDX-License-Identifier: Apache-2.0
/*
 * What changed between two points, by their block tables: pages that both name are passed over, and
 * where they differ the digests of the units are compared. No block is read.
 *
 * The disks may have different sizes, and then their trees may have different heights. A page of a
 * level says the same of a disk whatever is above it, so the trees are compared from the lower
 * root's level on.
 */
#include "base/checked.h"
#include "base/error.h"
#include "emit/point_disk.h"

#include <string.h>

struct walk {
	const struct point_side *base, *target;
	struct tranship_changes *changes;
	uint64_t same_size; /* behind it one of the disks ends */
};

static bool unit_is_zero(const struct table_leaf *leaf, size_t i)
{
	return !leaf || leaf->units[i].slot == UNIT_ZERO;
}

static bool unit_is_same(const struct table_leaf *a, const struct table_leaf *b, size_t i)
{
	bool zero = unit_is_zero(a, i);

	if (zero || unit_is_zero(b, i))
		return zero && unit_is_zero(b, i);
	return memcmp(a->units[i].digest, b->units[i].digest, UNIT_DIGEST) == 0;
}

/* Adds [off, end), as far as both disks have it. */
static int add(struct walk *w, uint64_t off, uint64_t end, bool zero, struct tranship_error *err)
{
	end = min_u64(end, w->same_size);
	return off < end ? tranship_changes_add(w->changes, off, end - off, zero, err) : 0;
}

static int compare_units(struct walk *w, uint64_t number, const struct table_leaf *a,
			 const struct table_leaf *b, struct tranship_error *err)
{
	uint64_t begin = number * LEAF_BYTES;
	size_t i, n;

	for (i = 0; i < LEAF_UNITS; i += n) {
		bool zero = unit_is_zero(b, i);
		int rc;

		n = 1;
		if (unit_is_same(a, b, i))
			continue;
		while (i + n < LEAF_UNITS && !unit_is_same(a, b, i + n) &&
		       unit_is_zero(b, i + n) == zero)
			n++;
		rc = add(w, begin + i * STORE_UNIT, begin + (i + n) * STORE_UNIT, zero, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int compare_leaves(struct walk *w, uint64_t number, struct tranship_error *err)
{
	const struct table_leaf *a, *b = NULL;
	int rc = table_leaf_borrow(w->base->table, number, &a, err);

	if (rc == 0)
		rc = table_leaf_borrow(w->target->table, number, &b, err);
	if (rc == 0)
		rc = compare_units(w, number, a, b, err);
	table_leaf_return(w->base->table, a);
	table_leaf_return(w->target->table, b);
	return rc;
}

/* The depth is that of the tree. */
static int compare_pages(struct walk *w, uint32_t level, uint64_t number,
			 struct tranship_error *err)
{
	uint64_t begin = number << (level * TABLE_FANOUT_BITS), child;
	struct page_ref a, b;
	int rc;

	if (begin >= div_up(w->same_size, LEAF_BYTES))
		return 0;
	rc = table_page_ref(w->base->table, level, number, &a, err);
	if (rc == 0)
		rc = table_page_ref(w->target->table, level, number, &b, err);
	if (rc || page_ref_equal(&a, &b))
		return rc;
	if (level == 0)
		return compare_leaves(w, number, err);
	for (child = 0; child < TABLE_FANOUT && rc == 0; child++)
		rc = compare_pages(w, level - 1, number * TABLE_FANOUT + child, err);
	return rc;
}

/* What the target has behind the end of the base. */
static int add_tail(struct walk *w, struct tranship_error *err)
{
	uint64_t at = w->base->manifest->size, size = w->target->manifest->size;

	while (at < size) {
		const struct table_leaf *leaf;
		uint64_t end = min_u64(round_down(at, STORE_UNIT) + STORE_UNIT, size), next;
		bool zero;
		int rc = table_leaf_borrow(w->target->table, at / LEAF_BYTES, &leaf, err);

		if (rc == 0 && !leaf) {
			rc = table_next(w->target->table, at / STORE_BLOCK, &next, err);
			end = next == UINT64_MAX ? size : min_u64(next * STORE_BLOCK, size);
		}
		if (rc)
			return rc;
		zero = unit_is_zero(leaf, (size_t)(at % LEAF_BYTES / STORE_UNIT));
		table_leaf_return(w->target->table, leaf);
		rc = tranship_changes_add(w->changes, at, end - at, zero, err);
		if (rc)
			return rc;
		at = end;
	}
	return 0;
}

static int check_sides(const struct manifest *base, const struct manifest *target,
		       struct tranship_error *err)
{
	if (memcmp(&base->seed, &target->seed, sizeof(base->seed)) == 0)
		return 0;
	return error_set(err, TRANSHIP_EMISMATCH,
			 "points %s and %s are of different lineages: their digests say nothing of "
			 "each other",
			 base->id, target->id);
}

int point_changes(const struct point_side *base, const struct point_side *target,
		  struct tranship_changes **out, struct tranship_error *err)
{
	struct walk w = { .base = base, .target = target };
	uint32_t level = table_levels(min_u64(base->manifest->size, target->manifest->size));
	int rc = check_sides(base->manifest, target->manifest, err);

	*out = NULL;
	if (rc == 0)
		rc = tranship_changes_new(target->manifest->size, &w.changes, err);
	if (rc)
		return rc;
	w.same_size = min_u64(base->manifest->size, target->manifest->size);
	rc = tranship_changes_set_origin(w.changes, "store", err);
	if (rc == 0)
		rc = tranship_changes_set_ids(w.changes, base->manifest->version,
					      target->manifest->version, err);
	if (rc == 0)
		rc = compare_pages(&w, level, 0, err);
	if (rc == 0)
		rc = add_tail(&w, err);
	if (rc)
		tranship_changes_free(w.changes);
	else
		*out = w.changes;
	return rc;
}

/* A point's manifest and table. */
struct opened {
	struct manifest manifest;
	struct table *table;
};

static int open_side(struct tranship_store *store, const char *point, struct opened *out,
		     struct tranship_error *err)
{
	int rc = manifest_find(store, point, false, &out->manifest, err);

	return rc ? rc
		  : table_open(store->slots, &out->manifest.root, out->manifest.size, &out->table,
			       err);
}

static void close_side(struct opened *o)
{
	table_close(o->table);
	explicit_bzero(&o->manifest.seed, sizeof(o->manifest.seed));
	manifest_free(&o->manifest);
}

int tranship_store_changes(struct tranship_store *store, const char *base, const char *target,
			   struct tranship_changes **out, struct tranship_error *err)
{
	struct opened a = { 0 }, b = { 0 };
	struct point_side sides[2];
	int rc;

	*out = NULL;
	rc = open_side(store, base, &a, err);
	if (rc == 0)
		rc = open_side(store, target, &b, err);
	sides[0] = (struct point_side){ a.table, &a.manifest };
	sides[1] = (struct point_side){ b.table, &b.manifest };
	if (rc == 0)
		rc = point_changes(&sides[0], &sides[1], out, err);
	close_side(&a);
	close_side(&b);
	return rc;
}
