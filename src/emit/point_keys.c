// SPDX-License-Identifier: Apache-2.0
#include "emit/point_keys.h"
#include "base/error.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* Points of a store: far more than anybody keeps. */
#define POINT_KEYS_MAX (16U << 20)

struct reader {
	struct point_keys *out;
	size_t prefix;
};

static int grow(struct point_keys *ids, struct tranship_error *err)
{
	size_t cap = ids->cap ? ids->cap + ids->cap / 2 : 64;
	void *more;

	if (ids->count >= POINT_KEYS_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "the store has more than %u points",
				 POINT_KEYS_MAX);
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

int point_keys_add(struct point_keys *ids, const char *id, int64_t time, struct tranship_error *err)
{
	int rc = ids->count == ids->cap ? grow(ids, err) : 0;

	if (rc)
		return rc;
	memcpy(ids->at[ids->count], id, POINT_ID_TEXT);
	ids->times[ids->count++] = time;
	return 0;
}

static int take(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	struct reader *r = ctx;
	const char *id = object->key + r->prefix;

	if (manifest_id_parse(id, NULL))
		return point_keys_add(r->out, id, object->time, err);
	text_escape(r->out->stray, sizeof(r->out->stray), object->key, strlen(object->key));
	return 0;
}

int point_keys_read(struct tranship_store *store, const char *prefix, struct point_keys *out,
		    struct tranship_error *err)
{
	struct reader r = { .out = out, .prefix = strlen(prefix) };
	int rc;

	*out = (struct point_keys){ 0 };
	rc = target_list(store->target, prefix, take, &r, err);
	if (rc)
		point_keys_free(out);
	return rc;
}

int point_keys_only(const struct point_keys *ids, struct tranship_error *err)
{
	return *ids->stray ? error_set(err, TRANSHIP_ECORRUPT,
				       "'%s' is no point, and stands among them; move it away",
				       ids->stray)
			   : 0;
}

void point_keys_free(struct point_keys *ids)
{
	free(ids->at);
	free(ids->times);
	*ids = (struct point_keys){ 0 };
}
