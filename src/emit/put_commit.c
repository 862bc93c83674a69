// SPDX-License-Identifier: Apache-2.0
/* What workers found, in order: records into slots, places into leaves. */
#include "emit/put_inside.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int put_change_uses(struct put *put, const struct slot_id *id, int64_t by,
		    struct tranship_error *err)
{
	uint64_t had = slot_uses_of(put->p->uses, id);

	if (by < 0 && had < (uint64_t)-by)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "the last point's manifest says that %" PRIu64
				 " units and pages are in a slot of which its table names %" PRId64
				 " more",
				 had, -by - (int64_t)had);
	return slot_uses_add(put->p->uses, id, (uint64_t)by, err);
}

/* The units of a leaf into the counts of uses, or out of them. */
static int count_leaf(struct put *put, const struct table_leaf *leaf, int64_t sign,
		      struct tranship_error *err)
{
	uint32_t *counts = calloc(leaf->slot_count + 1, sizeof(*counts)), i;
	int rc = 0;

	if (!counts)
		return error_nomem(err, (leaf->slot_count + 1) * sizeof(*counts));
	for (i = 0; i < LEAF_UNITS; i++)
		if (leaf->units[i].slot != UNIT_ZERO) {
			counts[leaf->units[i].slot]++;
			put->counts->grown += sign * (int64_t)STORE_UNIT;
		}
	for (i = 0; i < leaf->slot_count && rc == 0; i++)
		if (counts[i])
			rc = put_change_uses(put, &leaf->slots[i], sign * counts[i], err);
	free(counts);
	return rc;
}

static int old_page(struct put *put, uint64_t leaf, struct page_ref *out,
		    struct tranship_error *err)
{
	memset(out, 0, sizeof(*out));
	return put->p->old ? table_page_ref(put->p->old, 0, leaf, out, err) : 0;
}

/* Leaf number put->leaf has this page now instead of that one. */
static int replace_leaf(struct put *put, const struct page_ref *was, const struct page_ref *now,
			struct tranship_error *err)
{
	int rc = count_leaf(put, put->was, -1, err);

	if (rc == 0)
		rc = count_leaf(put, put->now, 1, err);
	if (rc == 0 && was->there)
		rc = put_change_uses(put, &was->at.slot, -1, err);
	if (rc == 0 && now->there)
		rc = put_change_uses(put, &now->at.slot, 1, err);
	return rc ? rc : put_tree_leaf(put, put->leaf, now, err);
}

/* The leaf stays as it was, as far as anybody looked at it. */
static int keep_leaf(struct put *put, uint64_t leaf, const struct page_ref *ref,
		     struct tranship_error *err)
{
	int rc = put_tree_leaf(put, leaf, ref, err);

	return rc ? rc : put->p->leaf_done(put->p->ctx, leaf, NULL, err);
}

static int leaf_begin(struct put *put, uint64_t leaf, struct tranship_error *err)
{
	put->leaf = leaf;
	put->leaf_open = true;
	table_leaf_clear(put->now);
	table_leaf_clear(put->was);
	return put->p->old ? table_read_leaf(put->p->old, leaf, put->was, err) : 0;
}

int put_leaf_end(struct put *put, struct tranship_error *err)
{
	struct page_ref was, now = { 0 };
	unsigned char name[NAME_SIZE];
	int rc;

	if (!put->leaf_open)
		return 0;
	put->leaf_open = false;
	rc = old_page(put, put->leaf, &was, err);
	put->page.len = 0;
	if (rc == 0 && table_leaf_is_zero(put->now)) {
		if (!was.there)
			return keep_leaf(put, put->leaf, &was, err);
	} else if (rc == 0) {
		rc = table_leaf_encode(put->now, put->leaf, &put->page, err);
		if (rc == 0)
			rc = name_of(&put->p->store->keys, put->page.bytes, put->page.len, name,
				     err);
		if (rc == 0 && was.there && memcmp(was.pin, name, sizeof(was.pin)) == 0 &&
		    !slot_set_has(put->p->bad, &was.at.slot))
			return keep_leaf(put, put->leaf, &was, err);
		if (rc == 0)
			rc = put_page(put, &now, err);
	}
	if (rc == 0)
		rc = replace_leaf(put, &was, &now, err);
	return rc ? rc : put->p->leaf_done(put->p->ctx, put->leaf, &now, err);
}

static int keep_unit(struct put *put, uint32_t n, struct tranship_error *err)
{
	const struct table_unit *was = &put->was->units[n];
	struct table_unit *now = &put->now->units[n];

	*now = *was;
	return was->slot == UNIT_ZERO
		       ? 0
		       : table_leaf_slot(put->now, &put->was->slots[was->slot], &now->slot, err);
}

/* A record gets its place: where it is already, or in the slot that is being filled. */
static int place_record(struct put *put, struct put_item *item, struct put_record *r,
			struct tranship_error *err)
{
	int rc = 0;

	if (!r->known) { /* an earlier item may have stored it meanwhile */
		rc = block_index_find(put->p->index, r->entry.name, r->entry.raw, &r->at, err);
		if (rc < 0)
			return rc;
		r->known = rc == 1 && !slot_set_has(put->p->bad, &r->at.slot);
	}
	if (r->known) {
		put->counts->deduplicated += r->count * STORE_UNIT;
		return 0;
	}
	rc = sink_add(put->p->sink, &r->entry, item->stored.bytes + r->stored_at, &r->at, err);
	return rc ? rc : block_index_add(put->p->index, r->entry.name, r->entry.raw, &r->at, err);
}

static int commit_record(struct put *put, struct put_item *item, struct put_record *r,
			 uint32_t first_unit, struct tranship_error *err)
{
	const struct put_block *b = &item->block;
	uint16_t slot;
	unsigned i;
	int rc = place_record(put, item, r, err);

	if (rc == 0)
		rc = table_leaf_slot(put->now, &r->at.slot, &slot, err);
	for (i = 0; i < r->count && rc == 0; i++) {
		unsigned n = r->first + i;
		struct table_unit *u = &put->now->units[first_unit + n];

		if (b->zero & 1U << n)
			continue;
		u->slot = slot;
		u->record = (uint16_t)r->at.record;
		u->sub = (uint8_t)i;
		memcpy(u->digest, b->digests + n * UNIT_DIGEST, UNIT_DIGEST);
	}
	return rc;
}

static int commit_block(struct put *put, struct put_item *item, uint32_t first_unit,
			struct tranship_error *err)
{
	struct put_block *b = &item->block;
	uint32_t i;
	int rc = 0;

	put->counts->read += STORE_BLOCK;
	put->counts->changed +=
		STORE_UNIT * (unsigned)__builtin_popcount((uint8_t)(b->differ & ~b->zero));
	put->counts->zeroed += STORE_UNIT * (unsigned)__builtin_popcount(b->differ & b->zero);
	for (i = 0; i < STORE_BLOCK_UNITS && rc == 0; i++)
		if ((b->keep & ~b->zero) & 1U << i)
			rc = keep_unit(put, first_unit + i, err);
	for (i = 0; i < b->record_count && rc == 0; i++)
		rc = commit_record(put, item, &b->records[i], first_unit, err);
	return rc;
}

/* Zeros that need no reading. */
static void commit_zeros(struct put *put, uint32_t first, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (put->was->units[first + i].slot != UNIT_ZERO)
			put->counts->zeroed += STORE_UNIT;
}

static int commit_item(struct put *put, struct put_item *item, struct tranship_error *err)
{
	uint32_t first = (uint32_t)(item->first % LEAF_BLOCKS) * STORE_BLOCK_UNITS, i;
	uint32_t units = (uint32_t)item->count * STORE_BLOCK_UNITS;
	int rc = 0;

	if (item->kind == PUT_ZERO)
		commit_zeros(put, first, units);
	for (i = 0; item->kind == PUT_KEEP && i < units && rc == 0; i++)
		rc = keep_unit(put, first + i, err);
	if (item->kind == PUT_READ)
		rc = commit_block(put, item, first, err);
	return rc;
}

/* All of a leaf that stays, or that was zeros and is: nobody needs to look at it. */
static int commit_whole(struct put *put, const struct put_item *item, bool *done,
			struct tranship_error *err)
{
	uint64_t leaf = item->first / LEAF_BLOCKS;
	struct page_ref ref;
	int rc;

	*done = false;
	if (item->count != LEAF_BLOCKS || item->kind == PUT_READ)
		return 0;
	rc = old_page(put, leaf, &ref, err);
	if (rc ||
	    (ref.there && (item->kind == PUT_ZERO || slot_set_has(put->p->bad, &ref.at.slot))))
		return rc;
	*done = true;
	return keep_leaf(put, leaf, &ref, err);
}

int put_commit(void *ctx, void *arg, struct tranship_error *err)
{
	struct put *put = ctx;
	struct put_item *item = arg;
	uint64_t leaf = item->first / LEAF_BLOCKS, len = item->count * STORE_BLOCK;
	bool done = false;
	int rc = 0;

	if (put->leaf_open && put->leaf != leaf)
		rc = put_leaf_end(put, err);
	if (rc == 0 && !put->leaf_open)
		rc = commit_whole(put, item, &done, err);
	if (rc == 0 && !done && !put->leaf_open)
		rc = leaf_begin(put, leaf, err);
	if (rc == 0 && !done)
		rc = commit_item(put, item, err);
	if (rc == 0)
		rc = meter_add(put->p->meter, len, item->kind == PUT_READ ? len : 0, err);
	/* A thread that always finds the next item ready would never be idle. */
	return rc ? rc : put->p->idle(put->p->ctx, err);
}

/* A leaf that an interrupted run made. */
static int replay_leaf(struct put *put, const struct put_page *page, struct tranship_error *err)
{
	struct page_ref was;
	int rc = leaf_begin(put, page->leaf, err);

	put->leaf_open = false;
	if (rc == 0)
		rc = old_page(put, page->leaf, &was, err);
	if (rc == 0 && page->ref.there)
		rc = table_leaf_fetch(put->p->store->slots, &page->ref, page->leaf, put->now, err);
	return rc ? rc : replace_leaf(put, &was, &page->ref, err);
}

int put_replay(struct put *put, struct tranship_error *err)
{
	const struct put_params *p = put->p;
	uint64_t leaf;
	size_t next = 0;
	int rc = 0;

	for (leaf = 0; leaf < p->first_leaf && rc == 0; leaf++) {
		struct page_ref ref;

		if (next < p->done_count && p->done[next].leaf == leaf) {
			rc = replay_leaf(put, &p->done[next++], err);
			continue;
		}
		rc = old_page(put, leaf, &ref, err);
		if (rc == 0)
			rc = put_tree_leaf(put, leaf, &ref, err);
	}
	put->next = p->first_leaf * LEAF_BLOCKS;
	return rc;
}
