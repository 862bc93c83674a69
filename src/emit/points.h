/* SPDX-License-Identifier: Apache-2.0 */
/* The points of a store: their ids, and going through them. */
#ifndef EMIT_POINTS_H
#define EMIT_POINTS_H

#include "emit/manifest.h"
#include "emit/tags.h"

#define POINTS_PREFIX "points/"
#define POINTS_MAX (1U << 20)

/* The time of an id, in microseconds since 1970. False: it is no id, or of no time. */
bool point_id_time(const char *id, int64_t *time_us);

/* Ids, ascending: oldest first. */
struct point_ids {
	char (*at)[POINT_ID_TEXT];
	size_t count, cap;
};
/* Those under POINTS_PREFIX (or another prefix). What has no id as its name is warned of and left
 * out. Zero *out before. */
int point_ids_list(struct tranship_store *store, const char *prefix, struct point_ids *out,
		   struct tranship_error *err);
void point_ids_free(struct point_ids *ids);

/* A point while it is told; m has no slots. Nonzero stops with that code. */
typedef int points_fn(void *ctx, const struct manifest *m, const struct tags *tags,
		      struct tranship_error *err);
struct points_walk {
	bool newest_first;
	bool with_tags; /* else there are none */
	points_fn *fn;
	void *ctx;
	/* The first point that is damaged (or whose tags are); code 0: none. They are warned of,
	 * and not told. */
	struct tranship_error damage;
};
/* Points that went away meanwhile are not told. They are fetched on several threads, and told on
 * this one, in order. */
int points_walk(struct tranship_store *store, const struct point_ids *ids, struct points_walk *walk,
		struct tranship_error *err);

/* What is told of a point to who uses the library; `list` is filled with the tags. */
void point_of_manifest(const struct manifest *m, const struct tags *tags,
		       const char *list[TAGS_MAX], struct tranship_point *out);

#endif
