// SPDX-License-Identifier: Apache-2.0
#include "emit/block_index.h"

#include "base/bytes.h"
#include "base/error.h"
#include "copy/pipeline.h"
#include "emit/block_rows.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The table has at most this many places of 8 bytes, of which three quarters are used: 16 MiB for
 * a million and a half blocks. */
#define PLACES_MAX (1U << 21)
#define PLACES_MIN (1U << 12)
#define FETCHES 8U
/* Rows of slots that are gone are tolerated up to as many as there are others. */
#define DEAD_MIN 65536U

/* A place: a piece of the name, and the row that has all of it. Row 0 stands for none. */
struct place {
	uint32_t tag;
	uint32_t row; /* its number + 1; rows that the run added count from OWN on */
};
#define OWN (1U << 31)

struct block_index {
	struct tranship_store *store;
	struct block_rows *cached, *own;
	struct place *places;
	size_t cap, count;
	pthread_rwlock_t lock; /* of the places */
};

static size_t slot_of(const unsigned char *name, size_t cap)
{
	return (size_t)get_le32(name) & (cap - 1);
}

static void put_place(struct place *places, size_t cap, size_t at, struct place p)
{
	while (places[at].row)
		at = (at + 1) & (cap - 1);
	places[at] = p;
}

static bool row_of(const struct block_index *index, uint32_t row, struct block_row *out)
{
	return row - 1 >= OWN ? block_rows_get(index->own, row - 1 - OWN, out)
			      : block_rows_get(index->cached, row - 1, out);
}

/* Twice the places. The home of an entry is in its row. */
static int grow(struct block_index *index, struct tranship_error *err)
{
	size_t cap = index->cap ? 2 * index->cap : PLACES_MIN, i;
	struct place *places = calloc(cap, sizeof(*places));
	struct block_row row;

	if (!places)
		return error_nomem(err, cap * sizeof(*places));
	index->count = 0;
	for (i = 0; i < index->cap; i++)
		if (index->places[i].row && row_of(index, index->places[i].row, &row)) {
			put_place(places, cap, slot_of(row.name, cap), index->places[i]);
			index->count++;
		}
	free(index->places);
	index->places = places;
	index->cap = cap;
	return 0;
}

/* What does not fit is left out. */
static int remember(struct block_index *index, const unsigned char *name, uint64_t row,
		    struct tranship_error *err)
{
	struct place p = { .tag = get_le32(name + 4), .row = (uint32_t)(row + 1) };
	int rc = 0;

	if (4 * (index->count + 1) > 3 * index->cap) {
		if (index->cap == PLACES_MAX)
			return 0;
		rc = grow(index, err);
	}
	if (rc)
		return rc;
	put_place(index->places, index->cap, slot_of(name, index->cap), p);
	index->count++;
	return 0;
}

/* Filling from the store. */
struct filling {
	struct block_index *index;
	const struct slot_set *without;
	struct slot_set *usable; /* listed, and not without */
	struct slot_set *known;  /* whose index is in the cache */
	struct slot_id *unknown;
	size_t unknown_count, unknown_cap, next;
	uint64_t dead;
};

static int take_listed(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	struct filling *f = ctx;
	struct slot_id id;

	if (!slot_id_of_key(object->key, &id) || slot_set_has(f->without, &id))
		return 0;
	return slot_set_add(f->usable, &id, err);
}

static int take_cached(struct filling *f, struct tranship_error *err)
{
	struct block_index *index = f->index;
	uint64_t count = block_rows_count(index->cached), i;
	struct block_row row;
	int rc = 0;

	if (count > OWN - 1)
		return block_rows_clear(index->cached, err);
	for (i = 0; i < count && rc == 0; i++) {
		if (!block_rows_get(index->cached, i, &row) ||
		    !slot_set_has(f->usable, &row.at.slot)) {
			f->dead++;
			continue;
		}
		if (row.raw == 0)
			rc = slot_set_add(f->known, &row.at.slot, err);
		else
			rc = remember(index, row.name, i, err);
	}
	return rc;
}

static int take_unknown(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	struct filling *f = ctx;
	struct slot_id id;

	if (!slot_id_of_key(object->key, &id) || !slot_set_has(f->usable, &id) ||
	    slot_set_has(f->known, &id))
		return 0;
	if (f->unknown_count == f->unknown_cap) {
		size_t cap = f->unknown_cap ? 2 * f->unknown_cap : 64;
		struct slot_id *more = realloc(f->unknown, cap * sizeof(*more));

		if (!more)
			return error_nomem(err, cap * sizeof(*more));
		f->unknown = more;
		f->unknown_cap = cap;
	}
	f->unknown[f->unknown_count++] = id;
	return 0;
}

/* The indexes of slots are fetched side by side. */
struct fetch {
	struct slot_id id;
	struct slot_index index;
	bool there;
};

static int fetch_plan(void *ctx, void *item, struct tranship_error *err)
{
	struct filling *f = ctx;
	struct fetch *fetch = item;

	(void)err;
	if (f->next == f->unknown_count)
		return 0;
	slot_index_fini(&fetch->index);
	memset(&fetch->index, 0, sizeof(fetch->index));
	fetch->id = f->unknown[f->next++];
	return 1;
}

/* A slot that went away, or is damaged, has nothing to offer; verify says what is wrong with it. */
static int fetch_work(void *ctx, void *worker, void *item, struct tranship_error *err)
{
	struct filling *f = ctx;
	struct tranship_store *store = f->index->store;
	struct fetch *fetch = item;
	int rc = slot_index_read(store->target, &store->keys, &fetch->id, &fetch->index, err);

	(void)worker;
	fetch->there = rc == 0;
	return rc == TRANSHIP_ENOTFOUND || rc == TRANSHIP_ECORRUPT ? 0 : rc;
}

static int fetch_commit(void *ctx, void *item, struct tranship_error *err)
{
	struct filling *f = ctx;
	struct block_index *index = f->index;
	struct fetch *fetch = item;
	struct block_row row = { .at.slot = fetch->id };
	uint32_t i;
	int rc = 0;

	for (i = 0; fetch->there && i < fetch->index.count && rc == 0; i++) {
		const struct slot_entry *e = &fetch->index.entries[i];

		if (e->kind != RECORD_BLOCK)
			continue;
		memcpy(row.name, e->name, NAME_SIZE);
		row.at.record = i;
		row.raw = e->raw;
		rc = block_rows_add(index->cached, &row, err);
		if (rc == 0)
			rc = remember(index, row.name, block_rows_count(index->cached) - 1, err);
	}
	if (rc || !fetch->there)
		return rc;
	memset(&row, 0, sizeof(row));
	row.at.slot = fetch->id; /* all of its rows stand before this one */
	return block_rows_add(index->cached, &row, err);
}

/* Those who fetch need nothing of their own. */
static int fetcher_new(void *ctx, void **worker, struct tranship_error *err)
{
	(void)err;
	*worker = ctx;
	return 0;
}

static void fetcher_free(void *ctx, void *worker)
{
	(void)ctx;
	(void)worker;
}

static int fetch_new(void *ctx, void **item, struct tranship_error *err)
{
	(void)ctx;
	*item = calloc(1, sizeof(struct fetch));
	return *item ? 0 : error_nomem(err, sizeof(struct fetch));
}

static void fetch_free(void *ctx, void *item)
{
	(void)ctx;
	slot_index_fini(&((struct fetch *)item)->index);
	free(item);
}

static const struct pipeline_ops fetch_ops = {
	.spare_items = 4,
	.plan = fetch_plan,
	.work = fetch_work,
	.commit = fetch_commit,
	.worker_new = fetcher_new,
	.worker_free = fetcher_free,
	.item_new = fetch_new,
	.item_free = fetch_free,
};

/* What is in the cache of slots that are gone is thrown away when it is more than the rest. */
static int forget_dead(struct filling *f, struct tranship_error *err)
{
	struct block_index *index = f->index;
	int rc;

	if (f->dead < DEAD_MIN || 2 * f->dead < block_rows_count(index->cached))
		return 0;
	rc = block_rows_clear(index->cached, err);
	memset(index->places, 0, index->cap * sizeof(*index->places));
	index->count = 0;
	slot_set_free(f->known);
	f->known = NULL;
	return rc ? rc : slot_set_new(&f->known, err);
}

static int fill(struct block_index *index, const struct slot_set *without,
		struct tranship_error *err)
{
	struct target *target = index->store->target;
	struct filling f = { .index = index, .without = without };
	int rc = slot_set_new(&f.usable, err);

	if (rc == 0)
		rc = slot_set_new(&f.known, err);
	if (rc == 0)
		rc = target_list(target, "slots/", take_listed, &f, err);
	if (rc == 0)
		rc = take_cached(&f, err);
	if (rc == 0)
		rc = forget_dead(&f, err);
	if (rc == 0)
		rc = target_list(target, "slots/", take_unknown, &f, err);
	if (rc == 0 && f.unknown_count > 0)
		rc = pipeline_run(&fetch_ops, &f, FETCHES, err);
	if (rc == 0)
		rc = block_rows_settle(index->cached, err);
	slot_set_free(f.usable);
	slot_set_free(f.known);
	free(f.unknown);
	return rc;
}

/* A cache that cannot be used is none: blocks are looked for in the store each time. */
static int open_cached(struct block_index *index, struct tranship_error *err)
{
	struct tranship_store *store = index->store;

	if (store->cache_folder && block_rows_open(store->cache_folder, &index->cached, NULL) == 0)
		return 0;
	return block_rows_open(NULL, &index->cached, err);
}

int block_index_open(struct tranship_store *store, const struct slot_set *without,
		     struct block_index **out, struct tranship_error *err)
{
	struct block_index *index = calloc(1, sizeof(*index));
	int rc;

	*out = NULL;
	if (!index)
		return error_nomem(err, sizeof(*index));
	index->store = store;
	pthread_rwlock_init(&index->lock, NULL);
	rc = grow(index, err);
	if (rc == 0)
		rc = open_cached(index, err);
	if (rc == 0)
		rc = block_rows_open(NULL, &index->own, err);
	if (rc == 0)
		rc = fill(index, without, err);
	if (rc) {
		block_index_close(index);
		return rc;
	}
	*out = index;
	return 0;
}

void block_index_close(struct block_index *index)
{
	if (!index)
		return;
	block_rows_close(index->cached);
	block_rows_close(index->own);
	free(index->places);
	pthread_rwlock_destroy(&index->lock);
	free(index);
}

int block_index_find(struct block_index *index, const unsigned char name[NAME_SIZE], uint32_t raw,
		     struct record_ref *out, struct tranship_error *err)
{
	uint32_t tag = get_le32(name + 4);
	struct block_row row;
	int found = 0;
	size_t at;

	(void)err;
	pthread_rwlock_rdlock(&index->lock);
	for (at = slot_of(name, index->cap); index->places[at].row && !found;
	     at = (at + 1) & (index->cap - 1))
		if (index->places[at].tag == tag && row_of(index, index->places[at].row, &row) &&
		    row.raw == raw && memcmp(row.name, name, NAME_SIZE) == 0)
			found = 1;
	pthread_rwlock_unlock(&index->lock);
	if (found)
		*out = row.at;
	return found;
}

int block_index_add(struct block_index *index, const unsigned char name[NAME_SIZE], uint32_t raw,
		    const struct record_ref *ref, struct tranship_error *err)
{
	struct block_row row = { .at = *ref, .raw = raw };
	uint64_t number = block_rows_count(index->own);
	int rc;

	if (number >= OWN - 1)
		return 0;
	memcpy(row.name, name, NAME_SIZE);
	pthread_rwlock_wrlock(&index->lock);
	rc = block_rows_add(index->own, &row, err);
	if (rc == 0)
		rc = remember(index, name, OWN + number, err);
	pthread_rwlock_unlock(&index->lock);
	return rc;
}
