// SPDX-License-Identifier: Apache-2.0
/*
 * Copying points to another store, in order of time. What is written is a writer's work like any
 * other: a lease first, a check of everything that is named just before the commit, the manifest
 * last. A point keeps its id, time, version and digests; where its predecessor is in both stores
 * only what differs from that is looked at.
 */
#include "emit/copy_inside.h"

#include "base/cpus.h"
#include "base/digest.h"
#include "base/error.h"
#include "emit/commit_check.h"
#include "emit/point_alias.h"
#include "emit/point_keys.h"
#include "emit/tags.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Slots of the other store that vanish under a copy make it begin again; not for ever. */
#define TRIES 4

struct point_copy {
	struct copying *c;
	struct manifest from;
	struct manifest from_base, to_base; /* of the predecessor, where both stores have it */
	bool based;
	unsigned char base_digest[32]; /* of to_base's object */
	bool has_predecessor;
};

static int has_object(struct tranship_store *store, const char *key, bool *out,
		      struct tranship_error *err)
{
	struct object_info info;
	int rc = target_stat(store->target, key, &info, err);

	*out = rc == 0;
	return rc == TRANSHIP_ENOTFOUND ? 0 : rc;
}

static int has_point(struct tranship_store *store, const char *id, bool *out,
		     struct tranship_error *err)
{
	char key[TARGET_KEY_MAX + 1];

	manifest_key(id, key);
	return has_object(store, key, out, err);
}

/* Its manifest, and the SHA-256 of that. */
static int read_with_digest(struct tranship_store *store, const char *id, struct manifest *out,
			    unsigned char digest[32], struct tranship_error *err)
{
	char key[TARGET_KEY_MAX + 1];
	struct sha256 *s = NULL;
	unsigned char *bytes;
	size_t len;
	int rc;

	manifest_key(id, key);
	rc = target_get_all(store->target, key, MANIFEST_SIZE_MAX, &bytes, &len, err);
	if (rc == 0)
		rc = sha256_new(&s, err);
	if (rc == 0)
		rc = sha256_update(s, bytes, len, err);
	if (rc == 0)
		rc = sha256_final(s, digest, err);
	if (rc == 0)
		rc = manifest_decode(&store->keys, id, bytes, len, true, out, err);
	sha256_free(s);
	free(bytes);
	return rc;
}

/* The predecessor in both stores; one that is not there is no fault. */
static int find_base(struct point_copy *p, struct tranship_error *err)
{
	int rc;

	if (!*p->from.predecessor)
		return 0;
	rc = read_with_digest(p->c->to, p->from.predecessor, &p->to_base, p->base_digest, err);
	if (rc == TRANSHIP_ENOTFOUND)
		return 0;
	p->has_predecessor = rc == 0;
	if (rc == 0)
		rc = manifest_read(p->c->from, p->from.predecessor, false, &p->from_base, err);
	if (rc == TRANSHIP_ENOTFOUND)
		return 0;
	p->based = rc == 0 && p->from_base.root.level == p->from.root.level &&
		   p->to_base.root.level == p->from.root.level;
	return rc;
}

/* The table, as it is in the other store. */
static int make_table(struct point_copy *p, struct table_root *root, struct tranship_error *err)
{
	struct copying *c = p->c;
	struct copy_pages roots = { .from = p->from.root.page };
	int rc = 0;

	slot_uses_free(&c->uses);
	if (p->based) {
		roots.from_base = p->from_base.root.page;
		roots.to_base = p->to_base.root.page;
		rc = slot_uses_add_all(&c->uses, p->to_base.slots, p->to_base.slot_count, err);
	}
	root->level = p->from.root.level;
	if (rc == 0)
		rc = copy_table(c, root->level, &roots, p->from.size, &root->page, err);
	return rc ? rc : sink_drain(c->sink, err);
}

/* What it is in the other store. */
static void make_manifest(const struct point_copy *p, const struct table_root *root,
			  uint64_t stored, struct manifest *out)
{
	*out = p->from;
	out->root = *root;
	out->stored = stored;
	out->slots = NULL;
	out->slot_count = 0;
	if (!p->has_predecessor) {
		*out->predecessor = '\0';
		memset(out->predecessor_digest, 0, sizeof(out->predecessor_digest));
	} else {
		memcpy(out->predecessor_digest, p->base_digest, sizeof(p->base_digest));
	}
}

static int commit(struct point_copy *p, struct manifest *m, struct tranship_error *err)
{
	char key[TARGET_KEY_MAX + 1];
	unsigned char *bytes = NULL, digest[32];
	size_t len;
	int rc = manifest_encode(m, &p->c->to->keys, &bytes, &len, digest, err);

	manifest_key(m->id, key);
	if (rc == 0)
		rc = lease_check(p->c->lease, err);
	if (rc == 0)
		rc = target_put(p->c->to->target, key, bytes, len, digest, err);
	free(bytes);
	return rc;
}

/* What may be found in the other store already, and who looks. */
static int open_index(struct copying *c, const struct slot_set *without, struct tranship_error *err)
{
	unsigned threads = c->options.threads ? c->options.threads : cpus_usable();
	int rc;

	copy_pool_free(c->pool);
	c->pool = NULL;
	block_index_close(c->index);
	c->index = NULL;
	rc = block_index_open(c->to, without, &c->index, err);
	if (rc == 0)
		rc = copy_pool_new(c->from, c->to, c->index,
				   c->options.threads || threads < 8 ? threads : 8, &c->pool, err);
	return rc;
}

/* 1: something that it names is gone or marked, and is to be stored again. */
static int try_point(struct point_copy *p, uint64_t stored_before, struct tranship_error *err)
{
	struct slot_set *bad = NULL;
	struct table_root root = { 0 };
	struct manifest m;
	int rc = make_table(p, &root, err);

	/* It may be the other store's point that cannot be read: then nothing is built upon it. */
	if ((rc == TRANSHIP_ENOTFOUND || rc == TRANSHIP_ECORRUPT) && p->based) {
		p->based = false;
		return 1;
	}
	if (rc)
		return rc;
	make_manifest(p, &root, sink_bytes(p->c->sink) - stored_before, &m);
	rc = slot_uses_list(&p->c->uses, &m.slots, &m.slot_count, err);
	if (rc == 0)
		rc = lease_keep(p->c->lease, err);
	if (rc == 0)
		rc = commit_check(p->c->to, m.slots, m.slot_count, &bad, err);
	if (rc == 0 && bad) {
		p->based = false;
		rc = open_index(p->c, bad, err);
		rc = rc ? rc : 1;
	} else if (rc == 0) {
		rc = commit(p, &m, err);
	}
	slot_set_free(bad);
	free(m.slots);
	return rc;
}

/* Before the point is there: a copy that ends in between would leave it without what keeps it from
 * prune, and who copies again passes over points that are there. */
static int copy_tags(const struct point_copy *p, struct tranship_error *err)
{
	struct tags tags;
	int rc = tags_read(p->c->from, p->from.id, &tags, err);

	if (rc == 0 && tags.count > 0)
		rc = tags_write(p->c->to, p->from.id, &tags, err);
	return rc ? rc : point_copy_aliases(p->c->from, p->c->to, p->from.id, err);
}

static int copy_point(struct copying *c, const char *id, struct tranship_error *err)
{
	struct point_copy p = { .c = c };
	uint64_t stored = sink_bytes(c->sink);
	int rc = manifest_read(c->from, id, false, &p.from, err), tries;

	if (rc == 0)
		rc = find_base(&p, err);
	if (rc)
		goto out;
	rc = copy_tags(&p, err);
	if (rc)
		goto out;
	meter_start(&c->meter, &c->options, "copying", p.from.size);
	for (rc = 1, tries = 0; rc == 1 && tries < TRIES; tries++)
		rc = try_point(&p, stored, err);
	if (rc == 1)
		rc = error_set(err, TRANSHIP_EBUSY,
			       "point %s: slots of %s went away %d times while it was copied; does "
			       "gc run with no grace?",
			       id, c->to->target->name, TRIES);
	if (rc == 0)
		rc = meter_end(&c->meter, err);
out:
	manifest_free(&p.from);
	manifest_free(&p.from_base);
	manifest_free(&p.to_base);
	return rc;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Those that were asked for, by their ids. */
static int find_points(struct tranship_store *from,
		       const struct tranship_store_copy_options *options, struct point_keys *out,
		       struct tranship_error *err)
{
	size_t i;
	int rc = 0;

	*out = (struct point_keys){ 0 };
	out->at = calloc(options->point_count, sizeof(*out->at));
	if (!out->at)
		return error_nomem(err, options->point_count * sizeof(*out->at));
	for (i = 0; i < options->point_count && rc == 0; i++) {
		struct manifest m = { 0 };

		rc = manifest_find(from, options->points[i], false, &m, err);
		if (rc == 0)
			memcpy(out->at[out->count++], m.id, sizeof(m.id));
		manifest_free(&m);
	}
	qsort(out->at, out->count, sizeof(*out->at), compare_ids);
	return rc;
}

struct predecessors {
	struct point_keys ids;
	struct tranship_error *err;
};

static int take_predecessor(void *ctx, const struct tranship_point *point)
{
	struct predecessors *p = ctx;

	return *point->predecessor ? point_keys_add(&p->ids, point->predecessor, 0, p->err) : 0;
}

/* What points of the other store were made upon: those of them that are not there were pruned. They
 * do not come back by themselves: they would have other manifests than those that the points after
 * them name, which looks like a rollback. */
static int find_pruned(struct tranship_store *to, struct point_keys *out,
		       struct tranship_error *err)
{
	struct tranship_error own;
	struct predecessors p = { .err = err ? err : &own };
	int rc = tranship_store_list(to, NULL, take_predecessor, &p, p.err);

	if (rc == 0 && p.ids.count)
		qsort(p.ids.at, p.ids.count, sizeof(*p.ids.at), compare_ids);
	*out = p.ids;
	return rc;
}

static int copy_all(struct copying *c, const struct point_keys *ids,
		    const struct point_keys *pruned, uint64_t *copied, struct tranship_error *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < ids->count && rc == 0; i++) {
		bool there;

		if (pruned->count && bsearch(ids->at[i], pruned->at, pruned->count,
					     sizeof(*pruned->at), compare_ids))
			continue;
		rc = has_point(c->to, ids->at[i], &there, err);
		if (rc || there)
			continue;
		if (!c->index)
			rc = open_index(c, NULL, err);
		if (rc == 0)
			rc = copy_point(c, ids->at[i], err);
		*copied += rc == 0;
	}
	return rc;
}

static int copy_under_lease(struct copying *c, const struct point_keys *ids,
			    const struct point_keys *pruned, uint64_t *copied,
			    struct tranship_error *err)
{
	struct sink_params params = { .store = c->to, .first = 1 };
	int rc;

	memcpy(params.writer, c->lease->writer, sizeof(params.writer));
	rc = sink_new(&params, &c->sink, err);
	if (rc == 0)
		rc = slots_scratch_new(&c->scratch, err);
	if (rc == 0)
		rc = copy_all(c, ids, pruned, copied, err);
	copy_pool_free(c->pool);
	block_index_close(c->index);
	sink_free(c->sink);
	slots_scratch_free(c->scratch);
	slot_uses_free(&c->uses);
	return rc;
}

int tranship_store_copy(struct tranship_store *from, struct tranship_store *to,
			const struct tranship_store_copy_options *options, uint64_t *copied,
			struct tranship_error *err)
{
	struct lease lease;
	struct copying c = { .from = from,
			     .to = to,
			     .lease = &lease,
			     .options = { .threads = options->threads,
					  .progress = options->progress,
					  .progress_ctx = options->progress_ctx } };
	struct point_keys ids, pruned = { 0 };
	int rc, dropped;

	*copied = 0;
	if (strcmp(from->id, to->id) == 0)
		return error_set(err, TRANSHIP_EINVAL, "the other store is this one");
	rc = options->point_count ? find_points(from, options, &ids, err)
				  : point_keys_read(from, POINTS_PREFIX, &ids, err);
	if (rc == 0 && options->point_count == 0)
		rc = find_pruned(to, &pruned, err);
	if (rc == 0)
		rc = lease_take(to, NULL, "", 0, &lease, err);
	if (rc == 0) {
		rc = copy_under_lease(&c, &ids, &pruned, copied, err);
		dropped = lease_drop(&lease, rc ? NULL : err);
		rc = rc ? rc : dropped;
	}
	point_keys_free(&ids);
	point_keys_free(&pruned);
	return rc;
}
