// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a block table. Pages are immutable, so those that were unpacked are shared: a page has a
 * count of who holds it, of which the cache is one. It is filled outside of the lock; two threads
 * that miss at once both read it, which does no harm.
 */
#include "emit/table.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LEAVES_KEPT 24U /* 100 KB each */
#define NODES_KEPT 32U  /* 20 KB each */
#define SCRATCHES_KEPT 2U

struct page {
	uint32_t level;
	uint64_t number;
	unsigned holders;
	uint64_t used; /* by the table's clock, last */
	struct table_node *node;
	struct table_leaf leaf[]; /* of level 0: one */
};

struct table {
	struct slots *slots;
	struct table_root root;
	uint64_t blocks, leaves; /* of the disk */
	pthread_mutex_t lock;
	uint64_t clock;
	struct page *kept_leaves[LEAVES_KEPT];
	struct page *kept_nodes[NODES_KEPT];
	struct slots_scratch *scratches[SCRATCHES_KEPT];
};

static struct page **kept(struct table *t, uint32_t level, size_t *count)
{
	*count = level == 0 ? LEAVES_KEPT : NODES_KEPT;
	return level == 0 ? t->kept_leaves : t->kept_nodes;
}

static void page_free(struct page *p)
{
	if (p->level == 0)
		table_leaf_fini(p->leaf);
	free(p->node);
	free(p);
}

static struct page *page_new(uint32_t level, uint64_t number)
{
	struct page *p = calloc(1, sizeof(*p) + (level == 0 ? sizeof(p->leaf[0]) : 0));

	if (!p)
		return NULL;
	p->level = level;
	p->number = number;
	p->holders = 1;
	if (level > 0)
		p->node = malloc(sizeof(*p->node));
	if (level > 0 && !p->node) {
		free(p);
		return NULL;
	}
	return p;
}

/* With the lock. */
static void drop_locked(struct page *p)
{
	if (--p->holders == 0)
		page_free(p);
}

static void page_drop(struct table *t, struct page *p)
{
	pthread_mutex_lock(&t->lock);
	drop_locked(p);
	pthread_mutex_unlock(&t->lock);
}

/* With the lock: the page, of which the caller becomes a holder, or NULL. */
static struct page *find_locked(struct table *t, uint32_t level, uint64_t number)
{
	size_t count, i;
	struct page **pages = kept(t, level, &count);

	for (i = 0; i < count; i++)
		if (pages[i] && pages[i]->number == number && pages[i]->level == level) {
			pages[i]->holders++;
			pages[i]->used = ++t->clock;
			return pages[i];
		}
	return NULL;
}

/* Takes the place of what was used longest ago. */
static void keep_page(struct table *t, struct page *p)
{
	size_t count, i, oldest = 0;
	struct page **pages = kept(t, p->level, &count), *other;

	pthread_mutex_lock(&t->lock);
	other = find_locked(t, p->level, p->number);
	if (other) { /* another thread was faster */
		drop_locked(other);
		pthread_mutex_unlock(&t->lock);
		return;
	}
	for (i = 0; i < count && pages[oldest]; i++)
		if (!pages[i] || pages[i]->used < pages[oldest]->used)
			oldest = i;
	if (pages[oldest])
		drop_locked(pages[oldest]);
	p->used = ++t->clock;
	p->holders++;
	pages[oldest] = p;
	pthread_mutex_unlock(&t->lock);
}

static int scratch_borrow(struct table *t, struct slots_scratch **out, struct tranship_error *err)
{
	size_t i;

	*out = NULL;
	pthread_mutex_lock(&t->lock);
	for (i = 0; i < SCRATCHES_KEPT && !*out; i++) {
		*out = t->scratches[i];
		t->scratches[i] = NULL;
	}
	pthread_mutex_unlock(&t->lock);
	return *out ? 0 : slots_scratch_new(out, err);
}

static void scratch_return(struct table *t, struct slots_scratch *scratch)
{
	size_t i;

	pthread_mutex_lock(&t->lock);
	for (i = 0; i < SCRATCHES_KEPT && scratch; i++)
		if (!t->scratches[i]) {
			t->scratches[i] = scratch;
			scratch = NULL;
		}
	pthread_mutex_unlock(&t->lock);
	slots_scratch_free(scratch);
}

/* The record must be the page that is meant: a slot that was put in the place of another one, whole
 * and sound, has other names in it. */
static int check_pin(struct table *t, const struct page_ref *ref, const struct page *p,
		     struct tranship_error *err)
{
	struct slot_entry entry;
	int rc = slots_entry(t->slots, &ref->at, &entry, err);

	if (rc)
		return rc;
	if (entry.kind == RECORD_PAGE && memcmp(entry.name, ref->pin, sizeof(ref->pin)) == 0)
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "store: record %" PRIu32 " is not page %" PRIu64 " of level %" PRIu32
			 " of the block table",
			 ref->at.record, p->number, p->level);
}

static int fill_page(struct table *t, const struct page_ref *ref, struct page *p,
		     struct tranship_error *err)
{
	struct slots_scratch *scratch;
	const unsigned char *raw;
	size_t len;
	int rc = check_pin(t, ref, p, err);

	if (rc == 0)
		rc = scratch_borrow(t, &scratch, err);
	if (rc)
		return rc;
	rc = slots_read(t->slots, scratch, &ref->at, &raw, &len, err);
	if (rc == 0 && p->level == 0)
		rc = table_leaf_decode(raw, len, p->number, p->leaf, err);
	else if (rc == 0)
		rc = table_node_decode(raw, len, p->level, p->number, p->node, err);
	scratch_return(t, scratch);
	return rc;
}

static int page_get(struct table *t, uint32_t level, uint64_t number, struct page **out,
		    struct tranship_error *err);

/* The depth is that of the tree. */
int table_page_ref(struct table *t, uint32_t level, uint64_t number, struct page_ref *out,
		   struct tranship_error *err)
{
	struct page *above;
	int rc;

	*out = (struct page_ref){ 0 };
	if (level >= t->root.level) {
		if (level == t->root.level && number == 0)
			*out = t->root.page;
		return 0;
	}
	if (number / TABLE_FANOUT >= t->leaves) /* behind the end, whatever the level */
		return 0;
	rc = page_get(t, level + 1, number / TABLE_FANOUT, &above, err);
	if (rc || !above)
		return rc;
	*out = above->node->refs[number % TABLE_FANOUT];
	page_drop(t, above);
	return 0;
}

/* *out NULL: there is no such page, only zeros. Undone by page_drop. */
static int page_get(struct table *t, uint32_t level, uint64_t number, struct page **out,
		    struct tranship_error *err)
{
	struct page_ref ref;
	struct page *p;
	int rc;

	pthread_mutex_lock(&t->lock);
	*out = find_locked(t, level, number);
	pthread_mutex_unlock(&t->lock);
	if (*out)
		return 0;
	rc = table_page_ref(t, level, number, &ref, err);
	if (rc || !ref.there)
		return rc;
	p = page_new(level, number);
	if (!p)
		return error_nomem(err, sizeof(struct table_leaf));
	rc = fill_page(t, &ref, p, err);
	if (rc) {
		page_drop(t, p);
		return rc;
	}
	keep_page(t, p);
	*out = p;
	return 0;
}

int table_open(struct slots *slots, const struct table_root *root, uint64_t size,
	       struct table **out, struct tranship_error *err)
{
	struct table *t;
	struct page *p = NULL;
	int rc;

	*out = NULL;
	if (root->level != table_levels(size))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "store: the block table of a disk of %" PRIu64
				 " bytes has level %" PRIu32 ", not %" PRIu32,
				 size, root->level, table_levels(size));
	t = calloc(1, sizeof(*t));
	if (!t)
		return error_nomem(err, sizeof(*t));
	t->slots = slots;
	t->root = *root;
	t->blocks = div_up(size, STORE_BLOCK);
	t->leaves = div_up(size, LEAF_BYTES);
	pthread_mutex_init(&t->lock, NULL);
	rc = page_get(t, root->level, 0, &p, err); /* now, rather than in the middle of something */
	if (rc) {
		table_close(t);
		return rc;
	}
	if (p)
		page_drop(t, p);
	*out = t;
	return 0;
}

void table_close(struct table *t)
{
	size_t i;

	if (!t)
		return;
	for (i = 0; i < LEAVES_KEPT; i++)
		if (t->kept_leaves[i])
			drop_locked(t->kept_leaves[i]);
	for (i = 0; i < NODES_KEPT; i++)
		if (t->kept_nodes[i])
			drop_locked(t->kept_nodes[i]);
	for (i = 0; i < SCRATCHES_KEPT; i++)
		slots_scratch_free(t->scratches[i]);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

int table_leaf_borrow(struct table *t, uint64_t number, const struct table_leaf **out,
		      struct tranship_error *err)
{
	struct page *p = NULL;
	int rc = number < t->leaves ? page_get(t, 0, number, &p, err) : 0;

	*out = p ? p->leaf : NULL;
	return rc;
}

void table_leaf_return(struct table *t, const struct table_leaf *leaf)
{
	if (leaf)
		page_drop(t,
			  (struct page *)((char *)(uintptr_t)leaf - offsetof(struct page, leaf)));
}

static void copy_block(const struct table_leaf *leaf, uint64_t block, struct table_block *out)
{
	size_t i;

	for (i = 0; i < STORE_BLOCK_UNITS; i++) {
		const struct table_unit *u =
			&leaf->units[block % LEAF_BLOCKS * STORE_BLOCK_UNITS + i];

		out->units[i].zero = u->slot == UNIT_ZERO;
		if (out->units[i].zero)
			continue;
		out->units[i].at.slot = leaf->slots[u->slot];
		out->units[i].at.record = u->record;
		out->units[i].sub = u->sub;
		memcpy(out->units[i].digest, u->digest, UNIT_DIGEST);
	}
}

int table_read_block(struct table *t, uint64_t block, struct table_block *out,
		     struct tranship_error *err)
{
	const struct table_leaf *leaf;
	size_t i;
	int rc = table_leaf_borrow(t, block / LEAF_BLOCKS, &leaf, err);

	memset(out, 0, sizeof(*out));
	for (i = 0; i < STORE_BLOCK_UNITS; i++)
		out->units[i].zero = true;
	if (rc || !leaf)
		return rc;
	copy_block(leaf, block, out);
	table_leaf_return(t, leaf);
	return 0;
}

int table_read_leaf(struct table *t, uint64_t number, struct table_leaf *out,
		    struct tranship_error *err)
{
	const struct table_leaf *leaf;
	int rc = table_leaf_borrow(t, number, &leaf, err);

	table_leaf_clear(out);
	if (rc || !leaf)
		return rc;
	rc = table_leaf_copy(leaf, out, err);
	table_leaf_return(t, leaf);
	return rc;
}

/* The first leaf from `leaf` on that is there; that of the end where there is none. */
static int next_leaf(struct table *t, uint64_t leaf, uint64_t *next, struct tranship_error *err)
{
	uint64_t at = leaf;

	while (at < t->leaves) {
		uint32_t level = t->root.level + 1;
		struct page_ref ref = { .there = true };

		while (level > 0 && ref.there) {
			int rc;

			level--;
			rc = table_page_ref(t, level, at >> (level * TABLE_FANOUT_BITS), &ref, err);
			if (rc)
				return rc;
		}
		if (ref.there)
			break;
		/* Behind all that the page would have said something of. */
		at = ((at >> (level * TABLE_FANOUT_BITS)) + 1) << (level * TABLE_FANOUT_BITS);
	}
	*next = at;
	return 0;
}

int table_next(struct table *t, uint64_t block, uint64_t *next, struct tranship_error *err)
{
	uint64_t leaf;
	int rc;

	*next = UINT64_MAX;
	if (block >= t->blocks)
		return 0;
	rc = next_leaf(t, block / LEAF_BLOCKS, &leaf, err);
	if (rc == 0 && leaf < t->leaves)
		*next = max_u64(block, leaf * LEAF_BLOCKS);
	return rc;
}
