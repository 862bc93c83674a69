// SPDX-License-Identifier: Apache-2.0
/*
 * Garbage collection beside writers that it knows nothing of but their leases: mark what nothing
 * names, and delete a grace later what still is not named. Nothing is locked and nothing is
 * conditional; docs/formats/store.md, "Writers and gc", shows why no point loses a slot. In short:
 *
 * - A writer that does not see a mark commits before three quarters of the grace are over, so its
 *   point is listed when the slot could be deleted: the points are read again before that.
 * - A mark is taken away only if a point names the slot, not if a lease does: so once a slot may be
 *   deleted nobody begins to name it.
 * - When a slot is deleted its mark stays as a tombstone for another grace, put anew before the
 *   deletion, so that who still sees the slot listed sees the mark, too.
 */
#include "emit/gc_names.h"

#include "base/error.h"
#include "emit/point_alias.h"
#include "emit/point_keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct gc {
	struct tranship_store *store;
	const struct tranship_gc_options *options;
	struct tranship_gc_result *result;
	uint64_t grace; /* seconds; 0: none */
	struct gc_names names;
	struct slot_set *young, *old; /* marked, and no point names them; old: since the grace */
	struct slot_set *named_marks; /* marked, and a point names them */
	struct slot_set *unnamed;     /* there, not marked, not named */
};

static bool over(const struct gc *gc, int64_t time)
{
	int64_t age = gc->names.now - time;

	return age >= 0 && (uint64_t)age >= gc->grace;
}

static int take_mark(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	struct gc *gc = ctx;
	struct slot_id id;

	if (!slot_id_of_key(object->key, &id))
		return 0;
	if (slot_set_has(gc->names.points, &id))
		return slot_set_add(gc->named_marks, &id, err);
	return slot_set_add(over(gc, object->time) ? gc->old : gc->young, &id, err);
}

static int take_slot(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	struct gc *gc = ctx;
	struct slot_id id;
	bool named;

	if (!slot_id_of_key(object->key, &id))
		return 0;
	named = gc_names_has(&gc->names, &id);
	gc->result->slots++;
	gc->result->named += named;
	if (slot_set_has(gc->young, &id) || slot_set_has(gc->old, &id))
		gc->result->waiting++;
	else if (!named)
		return slot_set_add(gc->unnamed, &id, err);
	return 0;
}

static int put_mark(struct gc *gc, const struct slot_id *id, const char *text,
		    struct tranship_error *err)
{
	char key[TARGET_KEY_MAX + 1];

	slot_trash_key(id, key);
	return target_put(gc->store->target, key, text, strlen(text), NULL, err);
}

static int mark_all(struct gc *gc, struct tranship_error *err)
{
	const struct slot_id *ids;
	size_t count, i;
	int rc = slot_set_list(gc->unnamed, &ids, &count, err);

	for (i = 0; i < count && rc == 0; i++) {
		if (!gc->options->dry_run)
			rc = put_mark(gc, &ids[i], "marked\n", err);
		if (rc == 0)
			gc->result->marked++;
	}
	return rc;
}

/*
 * Takes away a mark. Not that of a slot that is gone, which is a tombstone; and not if the points
 * were read long ago: what named the slot could be pruned since, and another gc be about to delete
 * it. (What was pruned less than a grace ago keeps that gc from it.)
 */
static int unmark(struct gc *gc, const struct slot_id *id, struct tranship_error *err)
{
	char key[TARGET_KEY_MAX + 1];
	struct object_info info;
	int64_t now;
	int rc;

	slot_key(id, key);
	rc = target_stat(gc->store->target, key, &info, err);
	if (rc == TRANSHIP_ENOTFOUND) {
		warn_send(gc->store->warn, gc->store->warn_ctx,
			  "%.300s/%s is gone, and a point names it; 'store verify' says which",
			  gc->store->target->name, key);
		return 0;
	}
	if (rc == 0)
		rc = target_now(gc->store->target, &now, err);
	if (rc || (!gc->options->no_grace && now - gc->names.now >= (int64_t)(gc->grace / 4)))
		return rc;
	slot_trash_key(id, key);
	if (!gc->options->dry_run)
		rc = target_remove(gc->store->target, key, err);
	if (rc == 0)
		gc->result->unmarked++;
	return rc;
}

static int unmark_all(struct gc *gc, struct tranship_error *err)
{
	const struct slot_id *ids;
	size_t count, i;
	int rc = slot_set_list(gc->named_marks, &ids, &count, err);

	for (i = 0; i < count && rc == 0; i++)
		rc = unmark(gc, &ids[i], err);
	return rc;
}

/* Deletes a slot that nothing names. With no grace there are no tombstones. */
static int delete_slot(struct gc *gc, const struct slot_id *id, uint64_t size,
		       struct tranship_error *err)
{
	char key[TARGET_KEY_MAX + 1];
	int rc = 0;

	if (!gc->options->dry_run && !gc->options->no_grace)
		rc = put_mark(gc, id, "deleted\n", err);
	slot_key(id, key);
	if (rc == 0 && !gc->options->dry_run)
		rc = target_remove(gc->store->target, key, err);
	slot_trash_key(id, key);
	if (rc == 0 && !gc->options->dry_run && gc->options->no_grace)
		rc = target_remove(gc->store->target, key, err);
	if (rc == 0) {
		gc->result->deleted++;
		gc->result->freed_bytes += size;
	}
	return rc;
}

/* A slot that was marked when the marks were listed: everything is looked at again by its key.
 * `marked` false: there was no need for a mark. */
static int reap(struct gc *gc, const struct slot_id *id, bool marked, struct tranship_error *err)
{
	struct object_info mark, slot;
	char key[TARGET_KEY_MAX + 1];
	int rc = 0;

	slot_trash_key(id, key);
	if (marked)
		rc = target_stat(gc->store->target, key, &mark, err);
	if (rc == TRANSHIP_ENOTFOUND || (rc == 0 && marked && !over(gc, mark.time)))
		return 0; /* another gc took it away, or put it again */
	slot_key(id, key);
	if (rc == 0)
		rc = target_stat(gc->store->target, key, &slot, err);
	if (rc == TRANSHIP_ENOTFOUND) {
		slot_trash_key(id, key); /* a tombstone, whose time is over */
		return gc->options->dry_run ? 0 : target_remove(gc->store->target, key, err);
	}
	if (rc || gc_names_has(&gc->names, id))
		return rc;
	if (marked && gc->result->waiting)
		gc->result->waiting--;
	return delete_slot(gc, id, slot.size, err);
}

static int reap_all(struct gc *gc, struct slot_set *set, bool marked, struct tranship_error *err)
{
	const struct slot_id *ids;
	size_t count, i;
	int rc = slot_set_list(set, &ids, &count, err);

	for (i = 0; i < count && rc == 0; i++)
		rc = reap(gc, &ids[i], marked, err);
	return rc;
}

/* What there is beside the manifest of a point that is no longer in the list. */
static int forget_point(struct gc *gc, const char *id, struct tranship_error *err)
{
	char key[TARGET_KEY_MAX + 1];
	int rc;

	snprintf(key, sizeof(key), "tags/%s", id);
	rc = target_remove(gc->store->target, key, err);
	aliases_key(id, key);
	return rc ? rc : target_remove(gc->store->target, key, err);
}

/* Manifests that prune put aside. */
static int reap_points(struct gc *gc, struct tranship_error *err)
{
	struct target *t = gc->store->target;
	char key[TARGET_KEY_MAX + 1];
	struct point_keys ids;
	struct object_info info;
	size_t i;
	int rc = point_keys_read(gc->store, POINTS_TRASH_PREFIX, &ids, err);

	for (i = 0; i < ids.count && rc == 0; i++) {
		if (!over(gc, ids.times[i]) || gc_names_has_base(&gc->names, ids.at[i]))
			continue;
		gc->result->points_deleted++;
		if (gc->options->dry_run)
			continue;
		manifest_key(ids.at[i], key);
		rc = target_stat(t, key, &info, err);
		if (rc == TRANSHIP_ENOTFOUND) /* else prune did not come to its end */
			rc = forget_point(gc, ids.at[i], err);
		manifest_trash_key(ids.at[i], key);
		if (rc == 0)
			rc = target_remove(t, key, err);
	}
	point_keys_free(&ids);
	return rc;
}

/* Of writers that died long ago. One that goes on puts its lease anew. */
static int reap_leases(struct gc *gc, struct tranship_error *err)
{
	char key[TARGET_KEY_MAX + 1];
	struct object_info info;
	size_t i, k;
	int rc = 0;

	for (i = 0; i < gc->names.dead_count && rc == 0 && !gc->options->dry_run; i++) {
		int n = snprintf(key, sizeof(key), "leases/");

		for (k = 0; k < WRITER_ID_SIZE; k++)
			n += snprintf(key + n, sizeof(key) - (size_t)n, "%02x",
				      gc->names.dead[i][k]);
		rc = target_stat(gc->store->target, key, &info, err);
		if (rc == TRANSHIP_ENOTFOUND)
			rc = 0;
		else if (rc == 0 && over(gc, info.time))
			rc = target_remove(gc->store->target, key, err);
	}
	return rc;
}

/* Nothing may be taken for unnamed while it is not known what a writer's base names. */
static bool blocked(const struct gc *gc)
{
	if (!*gc->names.lost_base)
		return false;
	warn_send(gc->store->warn, gc->store->warn_ctx,
		  "a live lease names the point %s as its base, which is not there: nothing is "
		  "marked or deleted until that lease is over",
		  gc->names.lost_base);
	return true;
}

/* Phase 1: what is named, what is marked, what is neither. */
static int look(struct gc *gc, struct tranship_error *err)
{
	struct target *t = gc->store->target;
	int rc = gc_names_read(gc->store, gc->grace, false, &gc->names, err);

	if (rc == 0)
		rc = target_list(t, "trash/", take_mark, gc, err);
	if (rc == 0)
		rc = target_list(t, "slots/", take_slot, gc, err);
	return rc;
}

/* Phase 2, with everything that names slots read again. */
static int reap_phase(struct gc *gc, struct tranship_error *err)
{
	uint64_t swept;
	int rc;

	gc_names_free(&gc->names);
	rc = gc_names_read(gc->store, gc->grace, true, &gc->names, err);
	if (rc || blocked(gc))
		return rc;
	rc = reap_all(gc, gc->old, true, err);
	if (rc == 0 && gc->options->no_grace)
		rc = reap_all(gc, gc->unnamed, false, err);
	if (rc == 0)
		rc = reap_points(gc, err);
	if (rc == 0 && !gc->options->no_grace)
		rc = reap_leases(gc, err);
	if (rc == 0 && !gc->options->dry_run)
		rc = target_folder_sweep(gc->store->target, &swept, err);
	return rc;
}

int tranship_store_gc(struct tranship_store *store, const struct tranship_gc_options *options,
		      struct tranship_gc_result *out, struct tranship_error *err)
{
	struct gc gc = { .store = store, .options = options, .result = out };
	int rc;

	*out = (struct tranship_gc_result){ 0 };
	gc.grace = options->no_grace ? 0 : options->grace ? options->grace : TRANSHIP_GRACE_DEFAULT;
	rc = slot_set_new(&gc.young, err);
	if (rc == 0)
		rc = slot_set_new(&gc.old, err);
	if (rc == 0)
		rc = slot_set_new(&gc.named_marks, err);
	if (rc == 0)
		rc = slot_set_new(&gc.unnamed, err);
	if (rc == 0)
		rc = look(&gc, err);
	if (rc || blocked(&gc))
		goto out;
	rc = unmark_all(&gc, err);
	if (rc == 0 && !options->no_grace)
		rc = mark_all(&gc, err);
	if (rc == 0)
		rc = reap_phase(&gc, err);
out:
	gc_names_free(&gc.names);
	slot_set_free(gc.young);
	slot_set_free(gc.old);
	slot_set_free(gc.named_marks);
	slot_set_free(gc.unnamed);
	return rc;
}
