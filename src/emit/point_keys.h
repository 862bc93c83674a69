/* SPDX-License-Identifier: Apache-2.0 */
/* The ids of the points of a store, or of those that prune put aside. */
#ifndef EMIT_POINT_KEYS_H
#define EMIT_POINT_KEYS_H

#include "emit/points.h"

#define POINTS_TRASH_PREFIX "trash/points/"

struct point_keys {
	char (*at)[POINT_ID_TEXT]; /* ascending, which is by time */
	int64_t *times;            /* server's clock, when it was put */
	size_t count, cap;
	char stray[TARGET_KEY_MAX + 1]; /* a key that can be no point's; "": there is none */
};

/* All objects under the prefix. */
int point_keys_read(struct tranship_store *store, const char *prefix, struct point_keys *out,
		    struct tranship_error *err);
/* TRANSHIP_ECORRUPT where there is a stray: who must not miss a point does not go on then. */
int point_keys_only(const struct point_keys *ids, struct tranship_error *err);
/* Behind the others; id has POINT_ID_TEXT bytes. */
int point_keys_add(struct point_keys *ids, const char *id, int64_t time,
		   struct tranship_error *err);
void point_keys_free(struct point_keys *ids);

#endif
