// SPDX-License-Identifier: Apache-2.0
#include "emit/gc_names.h"

#include "base/error.h"
#include "emit/point_keys.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Writers at once: far more than anybody runs. */
#define LEASES_MAX 65536U

void gc_names_free(struct gc_names *names)
{
	slot_set_free(names->points);
	slot_set_free(names->bases);
	free(names->live);
	free(names->dead);
	*names = (struct gc_names){ 0 };
}

static int compare_writer(const void *a, const void *b)
{
	const struct lease_info *one = a, *two = b;

	return memcmp(one->writer, two->writer, sizeof(one->writer));
}

bool gc_names_has(const struct gc_names *names, const struct slot_id *id)
{
	struct lease_info key;

	if (slot_set_has(names->points, id) || slot_set_has(names->bases, id))
		return true;
	memcpy(key.writer, id->bytes, sizeof(key.writer));
	return names->live_count &&
	       bsearch(&key, names->live, names->live_count, sizeof(key), compare_writer);
}

bool gc_names_has_base(const struct gc_names *names, const char *point)
{
	size_t i;

	for (i = 0; i < names->live_count; i++)
		if (strcmp(names->live[i].base, point) == 0)
			return true;
	return false;
}

struct reading {
	struct tranship_store *store;
	uint64_t grace;
	struct gc_names *names;
};

/* Room for one more in an array whose room doubles. */
static int room_for(void **array, size_t count, size_t size, struct tranship_error *err)
{
	void *more;

	if (count >= LEASES_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "the store has more than %u leases",
				 LEASES_MAX);
	if (count & (count - 1))
		return 0;
	more = realloc(*array, (count ? count * 2 : 1) * size);
	if (!more)
		return error_nomem(err, (count ? count * 2 : 1) * size);
	*array = more;
	return 0;
}

static int take_lease(void *ctx, const struct lease_info *info, struct tranship_error *err)
{
	struct reading *r = ctx;
	struct gc_names *names = r->names;
	int64_t age = names->now - info->renewed;
	int rc = 0;

	/* It may rely on that for as long; with no grace at all nobody is there, says who runs gc.
	 */
	if (r->grace > 0 && info->grace > r->grace && (age < 0 || (uint64_t)age < info->grace))
		return error_set(err, TRANSHIP_EBUSY,
				 "a writer counts on a grace of %" PRIu64
				 " seconds, gc was given %" PRIu64,
				 info->grace, r->grace);
	if (age < 0 || (uint64_t)age < r->grace) {
		rc = room_for((void **)&names->live, names->live_count, sizeof(*info), err);
		if (rc == 0)
			names->live[names->live_count++] = *info;
	} else if ((uint64_t)age / 2 > r->grace) {
		rc = room_for((void **)&names->dead, names->dead_count, sizeof(*names->dead), err);
		if (rc == 0)
			memcpy(names->dead[names->dead_count++], info->writer, WRITER_ID_SIZE);
	}
	return rc;
}

static int add_slots(struct gc_names *names, struct slot_set *to, const struct manifest *m,
		     struct tranship_error *err)
{
	size_t i;
	int rc = 0;

	/* What is in `points` is not kept twice. */
	for (i = 0; i < m->slot_count && rc == 0; i++)
		if (to == names->points || !slot_set_has(names->points, &m->slots[i].id))
			rc = slot_set_add(to, &m->slots[i].id, err);
	return rc;
}

/* Adds what a manifest of points/ names. TRANSHIP_ENOTFOUND: it is no point. */
static int add_point(struct reading *r, const char *id, struct tranship_error *err)
{
	struct manifest m = { 0 };
	int rc = manifest_read(r->store, id, true, &m, err);

	if (rc == 0)
		rc = add_slots(r->names, r->names->points, &m, err);
	manifest_free(&m);
	return rc;
}

/* The same of trash/points/, for the bases. */
static int add_pruned(struct reading *r, const char *id, struct tranship_error *err)
{
	struct manifest m = { 0 };
	char key[TARGET_KEY_MAX + 1];
	unsigned char *bytes;
	size_t len;
	int rc;

	manifest_trash_key(id, key);
	rc = target_get_all(r->store->target, key, MANIFEST_SIZE_MAX, &bytes, &len, err);
	if (rc == 0)
		rc = manifest_decode(&r->store->keys, id, bytes, len, true, &m, err);
	free(bytes);

	if (rc == 0)
		rc = add_slots(r->names, r->names->bases, &m, err);
	manifest_free(&m);
	return rc;
}

static int read_points(struct reading *r, struct tranship_error *err)
{
	struct point_keys ids;
	size_t i;
	int rc = point_keys_read(r->store, POINTS_PREFIX, &ids, err);

	if (rc == 0)
		rc = point_keys_only(&ids, err);
	for (i = 0; i < ids.count && rc == 0; i++) {
		rc = add_point(r, ids.at[i], err);
		if (rc == TRANSHIP_ENOTFOUND)
			rc = 0; /* pruned since, or the listing lags: reading one key does not */
	}
	point_keys_free(&ids);
	return rc;
}

static int read_pruned(struct reading *r, struct tranship_error *err)
{
	struct point_keys ids;
	size_t i;
	int rc = point_keys_read(r->store, POINTS_TRASH_PREFIX, &ids, err);

	if (rc == 0)
		rc = point_keys_only(&ids, err);
	for (i = 0; i < ids.count && rc == 0; i++) {
		int64_t age = r->names->now - ids.times[i];

		if (age >= 0 && (uint64_t)age >= r->grace)
			continue;
		rc = add_pruned(r, ids.at[i], err);
		if (rc == TRANSHIP_ENOTFOUND)
			rc = 0;
	}
	point_keys_free(&ids);
	return rc;
}

/* By their keys, since listings lag; in the order in which prune moves them. */
static int read_bases(struct reading *r, struct tranship_error *err)
{
	struct gc_names *names = r->names;
	size_t i;
	int rc = 0;

	for (i = 0; i < names->live_count && rc == 0; i++) {
		if (!*names->live[i].base)
			continue;
		rc = add_point(r, names->live[i].base, err);
		if (rc == TRANSHIP_ENOTFOUND)
			rc = add_pruned(r, names->live[i].base, err);
		if (rc == TRANSHIP_ENOTFOUND) {
			memcpy(names->lost_base, names->live[i].base, sizeof(names->lost_base));
			rc = 0;
		}
	}
	return rc;
}

int gc_names_read(struct tranship_store *store, uint64_t grace, bool pruned, struct gc_names *out,
		  struct tranship_error *err)
{
	struct reading r = { .store = store, .grace = grace, .names = out };
	int rc;

	*out = (struct gc_names){ 0 };
	rc = target_now(store->target, &out->now, err);
	if (rc == 0)
		rc = slot_set_new(&out->points, err);
	if (rc == 0)
		rc = slot_set_new(&out->bases, err);
	/* Leases first: a writer drops its lease when its point is there. */
	if (rc == 0)
		rc = lease_list(store, take_lease, &r, err);
	if (rc == 0 && out->live_count)
		qsort(out->live, out->live_count, sizeof(*out->live), compare_writer);
	if (rc == 0)
		rc = read_points(&r, err);
	if (rc == 0)
		rc = read_bases(&r, err);
	if (rc == 0 && pruned)
		rc = read_pruned(&r, err);
	if (rc)
		gc_names_free(out);
	return rc;
}
