/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of points: tags/TIME-ID is the sealed JSON list of them, and not there where there are none.
 */
#ifndef EMIT_TAGS_H
#define EMIT_TAGS_H

#include "emit/store_inside.h"

#define TAGS_MAX 64U /* of a point */
#define TAG_MAX 64U  /* bytes */

/* Ascending. */
struct tags {
	size_t count;
	char at[TAGS_MAX][TAG_MAX + 1];
};

/* id: of a point, well formed. out: TARGET_KEY_MAX + 1. */
void tags_key(const char *id, char *out);
/* None is no error. */
int tags_read(struct tranship_store *store, const char *id, struct tags *out,
	      struct tranship_error *err);
int tags_write(struct tranship_store *store, const char *id, const struct tags *tags,
	       struct tranship_error *err);
bool tags_have(const struct tags *tags, const char *tag);

#endif
