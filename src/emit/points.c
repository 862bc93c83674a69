// SPDX-License-Identifier: Apache-2.0
/*
 * Going through the points of a store. Only the heads of manifests are read, in batches: the first
 * is of one point, each next one of twice as many, so that who looks for the newest reads one, and
 * who wants all of them does not wait for one after the other.
 */
#include "emit/points.h"

#include "base/error.h"
#include "base/text.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 64U
#define THREADS_MAX 8U

/* ---- Ids ---- */

struct id_listing {
	struct tranship_store *store;
	size_t prefix;
	struct point_ids *ids;
};

static int grow(struct point_ids *ids, struct tranship_error *err)
{
	size_t cap = ids->cap ? 2 * ids->cap : 64;
	void *at;

	if (ids->count < ids->cap)
		return 0;
	if (ids->count == POINTS_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "a store has at most %u points", POINTS_MAX);
	at = realloc(ids->at, cap * sizeof(*ids->at));
	if (!at)
		return error_nomem(err, cap * sizeof(*ids->at));
	ids->at = at;
	ids->cap = cap;
	return 0;
}

static int take_id(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	const struct id_listing *l = ctx;
	const char *id = object->key + l->prefix;
	int rc;

	if (!manifest_id_parse(id, NULL)) {
		warn_send(l->store->warn, l->store->warn_ctx, "%s/%s is no restore point",
			  l->store->target->name, object->key);
		return 0;
	}
	rc = grow(l->ids, err);
	if (rc == 0)
		strcpy(l->ids->at[l->ids->count++], id);
	return rc;
}

int point_ids_list(struct tranship_store *store, const char *prefix, struct point_ids *out,
		   struct tranship_error *err)
{
	struct id_listing l = { store, strlen(prefix), out };

	return target_list(store->target, prefix, take_id, &l, err);
}

void point_ids_free(struct point_ids *ids)
{
	free(ids->at);
	*ids = (struct point_ids){ 0 };
}

/* ---- Heads ---- */

struct head {
	const char *id;
	struct manifest m;
	struct tags tags;
	int rc;
	struct tranship_error err;
};

struct batch {
	struct tranship_store *store;
	bool with_tags;
	size_t count;
	atomic_size_t next;
	struct head heads[BATCH_MAX];
};

static void fetch(struct batch *b, struct head *h)
{
	h->tags.count = 0;
	h->rc = manifest_read(b->store, h->id, false, &h->m, &h->err);
	if (h->rc || !b->with_tags)
		return;
	h->rc = tags_read(b->store, h->id, &h->tags, &h->err);
	if (h->rc)
		manifest_free(&h->m);
}

static void *fetch_some(void *ctx)
{
	struct batch *b = ctx;
	size_t i;

	while ((i = atomic_fetch_add(&b->next, 1)) < b->count)
		fetch(b, &b->heads[i]);
	return NULL;
}

/* This thread is one of those that fetch, so it works where no other can be made. */
static void fetch_batch(struct batch *b)
{
	pthread_t threads[THREADS_MAX - 1];
	size_t n, made = 0;

	atomic_store(&b->next, 0);
	for (n = 1; n < b->count && n < THREADS_MAX; n++)
		if (pthread_create(&threads[made], NULL, fetch_some, b) == 0)
			made++;
	fetch_some(b);
	while (made > 0)
		pthread_join(threads[--made], NULL);
}

static int tell(struct batch *b, struct points_walk *walk, struct head *h,
		struct tranship_error *err)
{
	if (h->rc == TRANSHIP_ENOTFOUND)
		return 0;
	if (h->rc == TRANSHIP_ECORRUPT) {
		warn_send(b->store->warn, b->store->warn_ctx, "%s", h->err.message);
		if (walk->damage.code == 0)
			walk->damage = h->err;
		return 0;
	}
	if (h->rc)
		return error_copy(err, &h->err, h->rc);
	return walk->fn(walk->ctx, &h->m, &h->tags, err);
}

static int tell_batch(struct batch *b, struct points_walk *walk, struct tranship_error *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < b->count; i++) {
		if (rc == 0)
			rc = tell(b, walk, &b->heads[i], err);
		if (b->heads[i].rc == 0)
			manifest_free(&b->heads[i].m);
	}
	return rc;
}

int points_walk(struct tranship_store *store, const struct point_ids *ids, struct points_walk *walk,
		struct tranship_error *err)
{
	struct batch *b = calloc(1, sizeof(*b));
	size_t done = 0, want = 1, i;
	int rc = 0;

	walk->damage = (struct tranship_error){ 0 };
	if (!b)
		return error_nomem(err, sizeof(*b));
	b->store = store;
	b->with_tags = walk->with_tags;
	while (rc == 0 && done < ids->count) {
		b->count = want < ids->count - done ? want : ids->count - done;
		for (i = 0; i < b->count; i++, done++)
			b->heads[i].id = ids->at[walk->newest_first ? ids->count - 1 - done : done];
		fetch_batch(b);
		rc = tell_batch(b, walk, err);
		want = 2 * want < BATCH_MAX ? 2 * want : BATCH_MAX;
	}
	free(b);
	return rc;
}

/* ---- Listing ---- */

void point_of_manifest(const struct manifest *m, const struct tags *tags,
		       const char *list[TAGS_MAX], struct tranship_point *out)
{
	size_t i;

	for (i = 0; i < tags->count; i++)
		list[i] = tags->at[i];
	*out = (struct tranship_point){
		.id = m->id,
		.name = m->name,
		.disk = m->disk,
		.version = m->version,
		.predecessor = m->predecessor,
		.time = m->time_us,
		.size = m->size,
		.sector_size = m->sector_size,
		.data = m->data,
		.changed = m->changed,
		.stored = m->stored,
		.boot = m->boot ? m->boot->target : "",
		.tag_count = tags->count,
		.tags = list,
	};
}

struct told {
	const char *disk;
	tranship_point_fn *fn;
	void *ctx;
};

static int tell_point(void *ctx, const struct manifest *m, const struct tags *tags,
		      struct tranship_error *err)
{
	const struct told *t = ctx;
	const char *list[TAGS_MAX];
	struct tranship_point point;
	int rc;

	if (t->disk && strcmp(t->disk, m->disk) != 0)
		return 0;
	point_of_manifest(m, tags, list, &point);
	rc = t->fn(t->ctx, &point);
	return rc ? error_set(err, rc, "the listing was stopped") : 0;
}

int tranship_store_list(struct tranship_store *store, const char *disk, tranship_point_fn *fn,
			void *ctx, struct tranship_error *err)
{
	struct told told = { disk, fn, ctx };
	struct points_walk walk = { .with_tags = true, .fn = tell_point, .ctx = &told };
	struct point_ids ids = { 0 };
	int rc = point_ids_list(store, POINTS_PREFIX, &ids, err);

	if (rc == 0)
		rc = points_walk(store, &ids, &walk, err);
	if (rc == 0 && walk.damage.code)
		rc = error_copy(err, &walk.damage, walk.damage.code);
	point_ids_free(&ids);
	return rc;
}

int tranship_store_find(struct tranship_store *store, const char *point, tranship_point_fn *fn,
			void *ctx, struct tranship_error *err)
{
	struct told told = { NULL, fn, ctx };
	struct manifest m;
	struct tags tags;
	int rc = manifest_find(store, point, false, &m, err);

	if (rc)
		return rc;
	rc = tags_read(store, m.id, &tags, err);
	if (rc == 0)
		rc = tell_point(&told, &m, &tags, err);
	manifest_free(&m);
	return rc;
}
