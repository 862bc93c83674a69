// SPDX-License-Identifier: Apache-2.0
/*
 * The table of a point that is copied, page by page. Where a page is the one that the point before
 * it has, so is its copy; where only units of it are, those have places in the other store already.
 * Uses of slots are counted by what the pages say that differ.
 */
#include "emit/copy_inside.h"

#include "base/checked.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define HASH_SIZE (4 * LEAF_UNITS)
#define PAGE_LEVEL 3

/* Some 2 MB, once; nodes once a level. */
struct table_copy {
	struct copying *c;
	uint64_t size;
	struct table_leaf from, from_base, to_base, to;
	struct {
		struct table_node from, from_base, to_base, to;
	} nodes[TABLE_LEVELS_MAX];
	struct copy_record records[LEAF_UNITS];
	uint16_t numbers[HASH_SIZE];      /* of records, and one; 0: none */
	uint16_t unit_record[LEAF_UNITS]; /* that a unit is in */
	unsigned char packed[LEAF_ENCODED_MAX];
	struct buffer page;
	ZSTD_CCtx *packer;
};

static int read_leaf(struct table_copy *t, struct tranship_store *store, const struct page_ref *ref,
		     uint64_t number, struct table_leaf *leaf, struct tranship_error *err)
{
	table_leaf_clear(leaf);
	if (!ref->there)
		return 0;
	return page_read(store->slots, t->c->scratch, ref, 0, number, leaf, NULL, err);
}

static int read_node(struct table_copy *t, struct tranship_store *store, const struct page_ref *ref,
		     uint32_t level, uint64_t number, struct table_node *node,
		     struct tranship_error *err)
{
	memset(node, 0, sizeof(*node));
	if (!ref->there)
		return 0;
	return page_read(store->slots, t->c->scratch, ref, level, number, NULL, node, err);
}

/* Counts the units of a leaf, up (1) or down (-1). */
static int count_units(struct table_copy *t, const struct table_leaf *leaf, int64_t sign,
		       struct tranship_error *err)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < LEAF_UNITS && rc == 0; i++)
		if (leaf->units[i].slot != UNIT_ZERO)
			rc = slot_uses_add(&t->c->uses, &leaf->slots[leaf->units[i].slot],
					   (uint64_t)sign, err);
	return rc;
}

static int count_page(struct table_copy *t, const struct page_ref *ref, int64_t sign,
		      struct tranship_error *err)
{
	return ref->there ? slot_uses_add(&t->c->uses, &ref->at.slot, (uint64_t)sign, err) : 0;
}

/* The number of the record among those of this leaf, to which it is added. */
static uint16_t record_number(struct table_copy *t, size_t *count, const struct record_ref *ref)
{
	uint64_t low, high;
	size_t at;

	memcpy(&low, ref->slot.bytes, sizeof(low));
	memcpy(&high, ref->slot.bytes + 8, sizeof(high));
	low = (low ^ high * 0x9E3779B97F4A7C15U ^ ref->record) * 0xD6E8FEB86659FD93U;
	for (at = (size_t)(low >> 32) % HASH_SIZE; t->numbers[at]; at = (at + 1) % HASH_SIZE) {
		const struct record_ref *other = &t->records[t->numbers[at] - 1].from;

		if (other->record == ref->record && slot_id_equal(&other->slot, &ref->slot))
			return (uint16_t)(t->numbers[at] - 1);
	}
	t->records[*count] = (struct copy_record){ .from = *ref };
	t->numbers[at] = (uint16_t)++ * count;
	return (uint16_t)(*count - 1);
}

static bool same_place(const struct table_leaf *a, const struct table_leaf *b, uint32_t i)
{
	const struct table_unit *u = &a->units[i], *w = &b->units[i];

	return u->slot != UNIT_ZERO && w->slot != UNIT_ZERO && u->record == w->record &&
	       u->sub == w->sub && slot_id_equal(&a->slots[u->slot], &b->slots[w->slot]);
}

static int place(struct table_copy *t, uint32_t i, const struct record_ref *at,
		 struct tranship_error *err)
{
	struct table_unit *u = &t->to.units[i];
	uint16_t slot;
	int rc = table_leaf_slot(&t->to, &at->slot, &slot, err);

	if (rc)
		return rc;
	*u = t->from.units[i];
	u->slot = slot;
	u->record = (uint16_t)at->record;
	return 0;
}

/* The units of t->from, in places of the other store, to t->to. */
static int translate(struct table_copy *t, struct tranship_error *err)
{
	size_t count = 0;
	uint32_t i;
	int rc;

	memset(t->numbers, 0, sizeof(t->numbers));
	for (i = 0; i < LEAF_UNITS; i++) {
		const struct table_unit *u = &t->from.units[i];
		struct record_ref ref;

		t->unit_record[i] = UINT16_MAX;
		if (u->slot == UNIT_ZERO || (same_place(&t->from, &t->from_base, i) &&
					     t->to_base.units[i].slot != UNIT_ZERO))
			continue;
		ref = (struct record_ref){ t->from.slots[u->slot], u->record };
		t->unit_record[i] = record_number(t, &count, &ref);
		if (u->sub >= t->records[t->unit_record[i]].subs)
			t->records[t->unit_record[i]].subs = (uint8_t)(u->sub + 1);
	}
	rc = copy_records(t->c, t->records, count, err);
	table_leaf_clear(&t->to);
	for (i = 0; i < LEAF_UNITS && rc == 0; i++) {
		const struct table_unit *b = &t->to_base.units[i];

		if (t->unit_record[i] != UINT16_MAX) {
			rc = place(t, i, &t->records[t->unit_record[i]].to, err);
		} else if (t->from.units[i].slot != UNIT_ZERO) {
			struct record_ref at = { t->to_base.slots[b->slot], b->record };

			rc = place(t, i, &at, err);
		}
	}
	return rc;
}

/* Stores t->page. */
static int add_page(struct table_copy *t, struct page_ref *out, struct tranship_error *err)
{
	struct slot_entry e = { .raw = (uint32_t)t->page.len, .kind = RECORD_PAGE };
	const unsigned char *stored = t->page.bytes;
	size_t got;
	int rc = name_of(&t->c->to->keys, t->page.bytes, t->page.len, e.name, err);

	if (rc)
		return rc;
	got = ZSTD_compressCCtx(t->packer, t->packed, t->page.len - 1, t->page.bytes, t->page.len,
				PAGE_LEVEL);
	e.stored = e.raw;
	if (!ZSTD_isError(got)) {
		e.codec = CODEC_ZSTD;
		e.stored = (uint32_t)got;
		stored = t->packed;
	}
	rc = sink_add(t->c->sink, &e, stored, &out->at, err);
	out->there = rc == 0;
	memcpy(out->pin, e.name, sizeof(out->pin));
	return rc ? rc : count_page(t, out, 1, err);
}

static int copy_leaf(struct table_copy *t, uint64_t number, const struct copy_pages *p,
		     struct page_ref *out, struct tranship_error *err)
{
	int rc = read_leaf(t, t->c->from, &p->from, number, &t->from, err);

	if (rc == 0)
		rc = read_leaf(t, t->c->from, &p->from_base, number, &t->from_base, err);
	if (rc == 0)
		rc = read_leaf(t, t->c->to, &p->to_base, number, &t->to_base, err);
	if (rc == 0)
		rc = count_units(t, &t->to_base, -1, err);
	if (rc == 0)
		rc = translate(t, err);
	if (rc == 0)
		rc = count_units(t, &t->to, 1, err);
	if (rc || table_leaf_is_zero(&t->to))
		return rc;
	t->page.len = 0;
	rc = table_leaf_encode(&t->to, number, &t->page, err);
	return rc ? rc : add_page(t, out, err);
}

static int copy_page(struct table_copy *t, uint32_t level, uint64_t number,
		     const struct copy_pages *p, struct page_ref *out, struct tranship_error *err);

static int copy_node(struct table_copy *t, uint32_t level, uint64_t number,
		     const struct copy_pages *p, struct page_ref *out, struct tranship_error *err)
{
	struct table_node *to = &t->nodes[level].to;
	uint32_t i;
	int rc = read_node(t, t->c->from, &p->from, level, number, &t->nodes[level].from, err);

	if (rc == 0)
		rc = read_node(t, t->c->from, &p->from_base, level, number,
			       &t->nodes[level].from_base, err);
	if (rc == 0)
		rc = read_node(t, t->c->to, &p->to_base, level, number, &t->nodes[level].to_base,
			       err);
	memset(to, 0, sizeof(*to));
	for (i = 0; i < TABLE_FANOUT && rc == 0; i++) {
		struct copy_pages below = { t->nodes[level].from.refs[i],
					    t->nodes[level].from_base.refs[i],
					    t->nodes[level].to_base.refs[i] };

		rc = copy_page(t, level - 1, number * TABLE_FANOUT + i, &below, &to->refs[i], err);
	}
	if (rc || table_node_is_zero(to))
		return rc;
	t->page.len = 0;
	rc = table_node_encode(to, level, number, &t->page, err);
	return rc ? rc : add_page(t, out, err);
}

/* The depth is that of the tree. */
static int copy_page(struct table_copy *t, uint32_t level, uint64_t number,
		     const struct copy_pages *p, struct page_ref *out, struct tranship_error *err)
{
	uint64_t bytes = page_bytes(level), off;
	bool data = p->from.there;
	int rc;

	memset(out, 0, sizeof(*out));
	if (!mul_ok(number, bytes, &off) || off >= t->size)
		return p->from.there ? error_set(err, TRANSHIP_ECORRUPT,
						 "the table has pages behind the end of the disk")
				     : 0;
	bytes = min_u64(bytes, t->size - off);
	if (page_ref_equal(&p->from, &p->from_base) && p->from.there == p->to_base.there) {
		*out = p->to_base;
		return meter_add(&t->c->meter, bytes, 0, err);
	}
	rc = count_page(t, &p->to_base, -1, err);
	if (rc == 0)
		rc = lease_keep(t->c->lease, err);
	if (rc == 0)
		rc = level == 0 ? copy_leaf(t, number, p, out, err)
				: copy_node(t, level, number, p, out, err);
	return rc || level ? rc : meter_add(&t->c->meter, bytes, data ? bytes : 0, err);
}

int copy_table(struct copying *c, uint32_t level, const struct copy_pages *roots, uint64_t size,
	       struct page_ref *out, struct tranship_error *err)
{
	struct table_copy *t = calloc(1, sizeof(*t));
	int rc = 0;

	if (!t)
		return error_nomem(err, sizeof(*t));
	t->c = c;
	t->size = size;
	t->packer = ZSTD_createCCtx();
	if (!t->packer)
		rc = error_nomem(err, 0);
	else if (level >= TABLE_LEVELS_MAX || level != table_levels(size))
		rc = error_set(err, TRANSHIP_ECORRUPT, "the table has not the levels of its disk");
	if (rc == 0)
		rc = copy_page(t, level, 0, roots, out, err);
	table_leaf_fini(&t->from);
	table_leaf_fini(&t->from_base);
	table_leaf_fini(&t->to_base);
	table_leaf_fini(&t->to);
	buffer_free(&t->page);
	ZSTD_freeCCtx(t->packer);
	free(t);
	return rc;
}
