// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "base/text.h"
#include "emit/point_ids.h"

#include <stdlib.h>
#include <string.h>

/* Points of a store: far more than anybody keeps. */
#define POINTS_MAX (16U << 20)

struct reader {
	struct point_ids *out;
	size_t prefix;
};

static int grow(struct point_ids *ids, struct tranship_error *err)
{
	size_t cap = ids->cap ? ids->cap + ids->cap / 2 : 64;
	void *more;

	if (ids->count >= POINTS_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "the store has more than %u points",
				 POINTS_MAX);
	more = realloc(ids->at, cap * sizeof(*ids->at));
	if (!more)
		return error_nomem(err, cap * sizeof(*ids->at));
	ids->at = more;
	more = realloc(ids->times, cap * sizeof(*ids->times));
	if (!more)
		return error_nomem(err, cap * sizeof(*ids->times));
	ids->times = more;
	ids->cap = cap;
	return 0;
}

static int take(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	struct reader *r = ctx;
	const char *id = object->key + r->prefix;
	size_t len = strlen(id);
	char shown[200];
	int rc = 0;

	if (len == 0 || len >= POINT_ID_TEXT || strchr(id, '/')) {
		text_escape(shown, sizeof(shown), object->key, strlen(object->key));
		return error_set(err, TRANSHIP_ECORRUPT, "'%s' is no point, and stands among them",
				 shown);
	}
	if (r->out->count == r->out->cap)
		rc = grow(r->out, err);
	if (rc)
		return rc;
	memcpy(r->out->at[r->out->count], id, len + 1);
	r->out->times[r->out->count++] = object->time;
	return 0;
}

int point_ids_read(struct tranship_store *store, const char *prefix, struct point_ids *out,
		   struct tranship_error *err)
{
	struct reader r = { .out = out, .prefix = strlen(prefix) };
	int rc;

	*out = (struct point_ids){ 0 };
	rc = target_list(store->target, prefix, take, &r, err);
	if (rc)
		point_ids_free(out);
	return rc;
}

void point_ids_free(struct point_ids *ids)
{
	free(ids->at);
	free(ids->times);
	*ids = (struct point_ids){ 0 };
}
