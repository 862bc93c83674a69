// SPDX-License-Identifier: Apache-2.0
/* Which blocks are read, and which need not be. */
#include "emit/put_inside.h"

#include "base/checked.h"
#include "core/disk.h"

/* Where the changes say what of a block on: the end of the gap, or of the range, in blocks. */
static uint64_t changes_end(const struct put *put, uint64_t block, bool *inside)
{
	const struct tranship_changes *changes = put->p->changes;
	uint64_t off = block * STORE_BLOCK;
	size_t n = tranship_changes_find(changes, off);
	struct tranship_change range;

	*inside = false;
	if (n == tranship_changes_count(changes))
		return put->blocks;
	range = tranship_changes_at(changes, n);
	*inside = range.off <= off;
	return div_up(*inside ? range.off + range.len : range.off, STORE_BLOCK);
}

static bool block_is_bad(const struct table_leaf *leaf, const struct slot_set *bad, uint32_t block)
{
	const struct table_unit *u = &leaf->units[block * STORE_BLOCK_UNITS];
	uint32_t i;

	for (i = 0; i < STORE_BLOCK_UNITS; i++)
		if (u[i].slot != UNIT_ZERO && slot_set_has(bad, &leaf->slots[u[i].slot]))
			return true;
	return false;
}

/* How many blocks from `block` on are alike in whether the old table can have them kept; *bad:
 * they cannot. At most to `end`, which is within a leaf. */
static int bad_stretch(struct put *put, uint64_t block, uint64_t end, bool *bad, uint64_t *stop,
		       struct tranship_error *err)
{
	uint64_t leaf = block / LEAF_BLOCKS, at;
	int rc = 0;

	*bad = false;
	*stop = end;
	if (!put->planned)
		return 0;
	if (put->planned_leaf != leaf) {
		rc = table_read_leaf(put->p->old, leaf, put->planned, err);
		put->planned_leaf = rc ? UINT64_MAX : leaf;
	}
	if (rc)
		return rc;
	*bad = block_is_bad(put->planned, put->p->bad, (uint32_t)(block % LEAF_BLOCKS));
	for (at = block + 1; at < end; at++)
		if (block_is_bad(put->planned, put->p->bad, (uint32_t)(at % LEAF_BLOCKS)) != *bad)
			break;
	*stop = at;
	return 0;
}

/* Whether the map has data in the block; all of it is asked for, as a pipe wants it. *stop: where
 * the last extent ends. */
static int block_has_data(struct put *put, uint64_t block, bool *has, uint64_t *stop,
			  struct tranship_error *err)
{
	uint64_t at = block * STORE_BLOCK, end = at + STORE_BLOCK;
	int rc = 0;

	for (*has = false; at < end && rc == 0; at = *stop) {
		bool data;

		rc = map_cursor_at(&put->cursor, at, &data, stop, err);
		*has |= data;
	}
	return rc;
}

/* A block that is read, or blocks that the map knows to be zeros. */
static int plan_read(struct put *put, struct put_item *item, uint64_t end,
		     struct tranship_error *err)
{
	bool data;
	uint64_t stop;
	int rc = block_has_data(put, item->first, &data, &stop, err);

	item->kind = data ? PUT_READ : PUT_ZERO;
	item->count = data ? 1 : min_u64(stop / STORE_BLOCK, end) - item->first;
	return rc;
}

int put_plan(void *ctx, void *arg, struct tranship_error *err)
{
	struct put *put = ctx;
	struct put_item *item = arg;
	uint64_t end = put->blocks, stop;
	bool inside = true, bad;
	int rc;

	if (put->next >= put->blocks)
		return 0;
	item->first = put->next;
	if (put->p->changes)
		end = min_u64(end, changes_end(put, item->first, &inside));
	end = min_u64(end, round_down(item->first, LEAF_BLOCKS) + LEAF_BLOCKS);
	item->kind = PUT_KEEP;
	item->count = end - item->first;
	rc = 0;
	if (!inside) {
		rc = bad_stretch(put, item->first, end, &bad, &stop, err);
		inside = bad;
		end = stop;
		item->count = end - item->first;
	}
	if (rc == 0 && inside)
		rc = plan_read(put, item, end, err);
	put->next += item->count;
	return rc ? rc : 1;
}
