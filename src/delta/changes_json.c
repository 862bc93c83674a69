// SPDX-License-Identifier: Apache-2.0
/*
 * The library's own list (docs/formats/changes.md): one array, so that it is read as it comes. Its
 * first element is the head, its last one the end, which counts the others; without it the list is
 * not whole.
 */
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "delta/import.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "tranship-changes"
#define VERSION 1U

/* How much text is handed over at once. */
#define PIECE ((size_t)32 << 10)

struct own {
	uint64_t ranges, bytes;
	bool ended;
};

static int get_text(const struct json_objects *j, const json_t *head, const char *key, char *to,
		    size_t max, struct tranship_error *err)
{
	const json_t *value = json_object_get(head, key);
	const char *text = json_string_value(value);

	if (!value)
		return 0;
	if (!text || !text_is_line(text, max))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: '%s' is no line of text of at most %zu bytes", j->unit, key,
				 max);
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

static int read_head(struct import *in, const struct json_objects *j, const json_t *head,
		     struct tranship_error *err)
{
	const char *format = json_string_value(json_object_get(head, "format"));
	uint64_t version, size;
	int rc;

	if (!format || strcmp(format, FORMAT) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: the first element is no head of \"" FORMAT "\"", j->unit);
	rc = json_get_u64(j, head, "version", &version, err);
	if (rc == 0 && version != VERSION)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "%s: the list is of version %" PRIu64 ", not %u", j->unit, version,
				 VERSION);
	if (rc == 0)
		rc = json_get_u64(j, head, "size", &size, err);
	if (rc == 0)
		rc = import_size(in, size, err);
	if (rc == 0)
		rc = get_text(j, head, "origin", in->origin, CHANGES_ORIGIN_MAX, err);
	if (rc == 0)
		rc = get_text(j, head, "base-id", in->base_id, TRANSHIP_ID_MAX, err);
	if (rc == 0)
		rc = get_text(j, head, "target-id", in->target_id, TRANSHIP_ID_MAX, err);
	return rc;
}

static int read_range(struct import *in, const struct json_objects *j, const json_t *range,
		      struct own *own, struct tranship_error *err)
{
	uint64_t off, len;
	bool zero = false;
	int rc = json_get_u64(j, range, "start", &off, err);

	if (rc == 0)
		rc = json_get_u64(j, range, "length", &len, err);
	if (rc == 0 && json_has(range, "zero"))
		rc = json_get_bool(j, range, "zero", &zero, err);
	if (rc == 0)
		rc = import_range(in, j->count, off, len, zero, err);
	own->ranges++;
	if (rc == 0 && !add_ok(own->bytes, len, &own->bytes))
		rc = error_set(err, TRANSHIP_ECORRUPT, "%s: the ranges pass 2^64 bytes", j->unit);
	return rc;
}

static int read_end(const struct json_objects *j, const json_t *end, const struct own *own,
		    struct tranship_error *err)
{
	uint64_t ranges, bytes;
	bool is_end;
	int rc = json_get_bool(j, end, "end", &is_end, err);

	if (rc == 0)
		rc = json_get_u64(j, end, "ranges", &ranges, err);
	if (rc == 0)
		rc = json_get_u64(j, end, "bytes", &bytes, err);
	if (rc == 0 && (!is_end || ranges != own->ranges || bytes != own->bytes))
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "%s: the end counts %" PRIu64 " ranges of %" PRIu64
			       " bytes, there are %" PRIu64 " of %" PRIu64,
			       j->unit, ranges, bytes, own->ranges, own->bytes);
	return rc;
}

static int read_element(struct import *in, const struct json_objects *j, const json_t *element,
			void *ctx, struct tranship_error *err)
{
	static const char *const known[] = { "format",    "version", "size",   "origin", "base-id",
					     "target-id", "start",   "length", "zero",   "end",
					     "ranges",    "bytes",   NULL };
	struct own *own = ctx;
	int rc = json_known(j, element, known, err);

	if (rc)
		return rc;
	if (j->count == 1)
		return read_head(in, j, element, err);
	if (own->ended)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: element %" PRIu64 " stands behind the end", j->unit,
				 j->count);
	if (!json_object_get(element, "end"))
		return read_range(in, j, element, own, err);
	own->ended = true;
	return read_end(j, element, own, err);
}

static int read_own(struct import *in, struct tranship_error *err)
{
	static const struct json_rules rules = { .one_array = true, .object = read_element };
	struct own own = { 0 };
	int rc = json_read(in, &rules, &own, NULL, err);

	if (rc == 0 && !own.ended)
		rc = error_set(err, TRANSHIP_ECORRUPT, "%s: the list has no end element", in->unit);
	return rc;
}

const struct import_kind import_tranship = { .name = "tranship", .read = read_own };

/* , "key": "text" */
static int put_text(struct buffer *b, const char *key, const char *text, struct tranship_error *err)
{
	json_t *value;
	char *quoted;
	int rc;

	if (*text == '\0')
		return 0;
	value = json_string(text);
	quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
	json_decref(value);
	if (!quoted)
		return error_nomem(err, strlen(text));
	rc = buffer_printf(b, err, ",\"%s\":%s", key, quoted);
	free(quoted);
	return rc;
}

static int put_head(struct buffer *b, const struct tranship_changes *changes,
		    struct tranship_error *err)
{
	int rc = buffer_printf(b, err,
			       "[\n{\"format\":\"" FORMAT "\",\"version\":%u,\"size\":%" PRIu64,
			       VERSION, changes->size);

	if (rc == 0)
		rc = put_text(b, "origin", changes->origin, err);
	if (rc == 0)
		rc = put_text(b, "base-id", changes->base_id, err);
	if (rc == 0)
		rc = put_text(b, "target-id", changes->target_id, err);
	return rc ? rc : buffer_append(b, "}", 1, err);
}

int tranship_changes_write(const struct tranship_changes *changes,
			   int (*put)(void *ctx, const char *text, size_t len,
				      struct tranship_error *err),
			   void *ctx, struct tranship_error *err)
{
	struct buffer b = { 0 };
	size_t i;
	int rc = put_head(&b, changes, err);

	for (i = 0; rc == 0 && i < changes->set.count; i++) {
		const struct range *r = &changes->set.at[i];

		rc = buffer_printf(
			&b, err, ",\n{\"start\":%" PRIu64 ",\"length\":%" PRIu64 ",\"zero\":%s}",
			r->off, range_len(r), range_kind(r) == RANGE_ZERO ? "true" : "false");
		if (rc == 0 && b.len >= PIECE) {
			rc = put(ctx, (const char *)b.bytes, b.len, err);
			b.len = 0;
		}
	}
	if (rc == 0)
		rc = buffer_printf(&b, err,
				   ",\n{\"end\":true,\"ranges\":%zu,\"bytes\":%" PRIu64 "}\n]\n",
				   changes->set.count, tranship_changes_bytes(changes));
	if (rc == 0)
		rc = put(ctx, (const char *)b.bytes, b.len, err);
	buffer_free(&b);
	return rc;
}
