// SPDX-License-Identifier: Apache-2.0
/*
 * Pruning: points are taken out of the list. A manifest is put under trash/points/ before it is
 * removed, so that a writer that has the point as its base does not lose what it names
 * (docs/formats/store.md, "Writers and gc").
 */
#include "emit/prune_rules.h"

#include "base/error.h"
#include "emit/manifest.h"

#include <stdlib.h>
#include <string.h>

struct pruned_point {
	char id[POINT_ID_TEXT];
	size_t disk; /* number of its disk */
	int64_t time;
	bool tagged;
	unsigned rules;
};

struct prune {
	struct tranship_store *store;
	const struct tranship_prune_options *options;
	struct pruned_point *points; /* oldest first */
	size_t count, cap, next;
	char (*disks)[TRANSHIP_ID_MAX + 1];
	size_t disk_count, disk_cap;
	struct tranship_error *err;
};

static int grow(void **array, size_t count, size_t *cap, size_t size, struct tranship_error *err)
{
	size_t want = *cap ? *cap * 2 : 64;
	void *more;

	if (count < *cap)
		return 0;
	more = realloc(*array, want * size);
	if (!more)
		return error_nomem(err, want * size);
	*array = more;
	*cap = want;
	return 0;
}

static int disk_number(struct prune *p, const char *disk, size_t *out)
{
	size_t i;
	int rc;

	/* Points of one disk often follow each other; disks are few. */
	for (i = p->disk_count; i > 0; i--)
		if (strcmp(p->disks[i - 1], disk) == 0) {
			*out = i - 1;
			return 0;
		}
	rc = grow((void **)&p->disks, p->disk_count, &p->disk_cap, sizeof(*p->disks), p->err);
	if (rc)
		return rc;
	strncpy(p->disks[p->disk_count], disk, sizeof(*p->disks) - 1);
	p->disks[p->disk_count][sizeof(*p->disks) - 1] = '\0';
	*out = p->disk_count++;
	return 0;
}

static bool has_tag(const struct tranship_prune_options *o, const struct tranship_point *point)
{
	size_t i, k;

	for (i = 0; i < o->keep_tag_count; i++)
		for (k = 0; k < point->tag_count; k++)
			if (strcmp(o->keep_tags[i], point->tags[k]) == 0)
				return true;
	return false;
}

static int take(void *ctx, const struct tranship_point *point)
{
	struct prune *p = ctx;
	struct pruned_point *to;
	int rc = grow((void **)&p->points, p->count, &p->cap, sizeof(*p->points), p->err);

	if (rc)
		return rc;
	to = &p->points[p->count];
	*to = (struct pruned_point){ .time = point->time, .tagged = has_tag(p->options, point) };
	strncpy(to->id, point->id, sizeof(to->id) - 1);
	rc = disk_number(p, point->disk, &to->disk);
	if (rc == 0)
		p->count++;
	return rc;
}

static int decide(struct prune *p, struct tranship_error *err)
{
	struct prune_state *states = calloc(p->disk_count + 1, sizeof(*states));
	size_t i;

	if (!states)
		return error_nomem(err, (p->disk_count + 1) * sizeof(*states));
	for (i = 0; i < p->disk_count; i++)
		prune_begin(&states[i], p->options);
	for (i = p->count; i-- > 0;)
		p->points[i].rules = prune_next(&states[p->points[i].disk], p->points[i].time,
						p->points[i].tagged);
	free(states);
	return 0;
}

/* The list again, for those who want to know; what came or went since is passed over. */
static int tell(void *ctx, const struct tranship_point *point)
{
	struct prune *p = ctx;
	char why[80];
	size_t i;

	for (i = p->next; i < p->count && strcmp(p->points[i].id, point->id) != 0; i++)
		;
	if (i == p->count)
		return 0;
	p->next = i + 1;
	p->options->told(p->options->told_ctx, point, p->points[i].rules != 0,
			 prune_why(p->points[i].rules, why));
	return 0;
}

static int put_aside(struct tranship_store *store, const char *id, struct tranship_error *err)
{
	char from[TARGET_KEY_MAX + 1], to[TARGET_KEY_MAX + 1];
	unsigned char *bytes;
	size_t len;
	int rc;

	manifest_key(id, from);
	manifest_trash_key(id, to);
	rc = target_get_all(store->target, from, MANIFEST_SIZE_MAX, &bytes, &len, err);
	if (rc == TRANSHIP_ENOTFOUND)
		return 0; /* another one pruned it */
	if (rc == 0)
		rc = target_put(store->target, to, bytes, len, NULL, err);
	if (rc == 0)
		rc = target_remove(store->target, from, err);
	free(bytes);
	return rc;
}

static bool has_rule(const struct tranship_prune_options *o)
{
	return o->keep_last || o->keep_hourly || o->keep_daily || o->keep_weekly ||
	       o->keep_monthly || o->keep_yearly || o->keep_tag_count;
}

int tranship_store_prune(struct tranship_store *store, const struct tranship_prune_options *options,
			 struct tranship_error *err)
{
	struct tranship_error own;
	struct prune p = { .store = store, .options = options, .err = err ? err : &own };
	size_t i;
	int rc;

	if (!has_rule(options))
		return error_set(err, TRANSHIP_EINVAL,
				 "no rule says which points stay; give one, for example "
				 "keep_last");
	rc = tranship_store_list(store, options->disk, take, &p, err);
	if (rc == 0)
		rc = decide(&p, err);
	if (rc == 0 && options->told)
		rc = tranship_store_list(store, options->disk, tell, &p, err);
	for (i = 0; i < p.count && rc == 0 && !options->dry_run; i++)
		if (p.points[i].rules == 0)
			rc = put_aside(store, p.points[i].id, err);
	free(p.points);
	free(p.disks);
	return rc;
}
