// SPDX-License-Identifier: Apache-2.0
/*
 * Lists have millions of elements, so their array is never held whole: its brackets and commas are
 * read here, and each object, once its end is found, by jansson.
 */
#include "base/error.h"
#include "base/text.h"
#include "delta/import.h"

#include <inttypes.h>
#include <string.h>

static int cut_short(const struct json_objects *j, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT,
			 "%s: the list ends behind element %" PRIu64 " without its end", j->unit,
			 j->count);
}

static int misplaced(const struct json_objects *j, int c, const char *wanted,
		     struct tranship_error *err)
{
	char byte = (char)c, shown[8];

	if (c < 0)
		return cut_short(j, err);
	text_escape(shown, sizeof(shown), &byte, 1);
	return error_set(err, TRANSHIP_ECORRUPT,
			 "%s: '%s' stands behind element %" PRIu64 ", %s should", j->unit, shown,
			 j->count, wanted);
}

/* Where the text stands between being outside and inside of strings and brackets. */
struct nesting {
	unsigned depth;
	bool in_string;
	bool escaped;
};

/* Takes a byte; true: the outermost bracket was closed with it. */
static bool nesting_step(struct nesting *n, unsigned char c)
{
	if (n->in_string) {
		if (n->escaped)
			n->escaped = false;
		else if (c == '\\')
			n->escaped = true;
		else if (c == '"')
			n->in_string = false;
		return false;
	}
	if (c == '"')
		n->in_string = true;
	else if (c == '{' || c == '[')
		n->depth++;
	else if (c == '}' || c == ']')
		n->depth--;
	return n->depth == 0;
}

/* Copies the object that begins here into the slice. */
static int take_slice(struct json_objects *j, struct tranship_error *err)
{
	struct nesting n = { 0 };
	bool done = false;

	j->slice.len = 0;
	while (!done) {
		size_t got, at;
		int rc = text_fill(j->text, &got, err);

		if (rc)
			return rc;
		if (got == 0)
			return cut_short(j, err);
		for (at = j->text->at; !done && at < j->text->end; at++) {
			done = nesting_step(&n, j->text->bytes[at]);
			if (n.depth > IMPORT_DEPTH_MAX)
				return error_set(err, TRANSHIP_ECORRUPT,
						 "%s: element %" PRIu64
						 " is nested more than %u deep",
						 j->unit, j->count, IMPORT_DEPTH_MAX);
		}
		got = at - j->text->at;
		if (j->slice.len + got > IMPORT_OBJECT_MAX)
			return error_set(err, TRANSHIP_ELIMIT,
					 "%s: element %" PRIu64 " is longer than %u MiB", j->unit,
					 j->count, (unsigned)(IMPORT_OBJECT_MAX >> 20));
		rc = buffer_append(&j->slice, j->text->bytes + j->text->at, got, err);
		if (rc)
			return rc;
		j->text->at = at;
	}
	return 0;
}

static int take_object(struct json_objects *j, json_t **out, struct tranship_error *err)
{
	json_error_t json;
	char shown[120];
	int rc = take_slice(j, err);

	if (rc)
		return rc;
	*out = json_loadb((const char *)j->slice.bytes, j->slice.len, JSON_REJECT_DUPLICATES,
			  &json);
	/* It has no words for this. */
	if (!*out && *json.text == '\0')
		return error_nomem(err, j->slice.len);
	if (!*out) {
		text_escape(shown, sizeof(shown), json.text, strlen(json.text));
		return error_set(err, TRANSHIP_ECORRUPT, "%s: element %" PRIu64 ": %s", j->unit,
				 j->count, shown);
	}
	j->count++;
	return 0;
}

/* A mark of UTF-8 at the front means nothing; other encodings begin with one, too. */
static int pass_mark(struct json_objects *j, struct tranship_error *err)
{
	size_t got;
	int rc = text_fill(j->text, &got, err);
	const unsigned char *p = j->text->bytes + j->text->at;

	if (rc)
		return rc;
	if (got >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0)
		j->text->at += 3;
	else if (got >= 2 && (memcmp(p, "\xFF\xFE", 2) == 0 || memcmp(p, "\xFE\xFF", 2) == 0))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "%s: the list is UTF-16, it has to be UTF-8", j->unit);
	return 0;
}

/* In an array, in front of an element or of the end. `first`: none came before. */
static int next_in_array(struct json_objects *j, bool first, json_t **out,
			 struct tranship_error *err)
{
	int c, rc = text_peek(j->text, &c, err);

	if (rc)
		return rc;
	if (c == ']') {
		j->text->at++;
		j->in_array = false;
		return 0;
	}
	if (!first) {
		if (c != ',')
			return misplaced(j, c, "',' or ']'", err);
		j->text->at++;
		rc = text_peek(j->text, &c, err);
		if (rc)
			return rc;
	}
	return c == '{' ? take_object(j, out, err) : misplaced(j, c, "an object", err);
}

/* The next one, or NULL at the end of the text, which must not stand inside of an array. */
static int next_anywhere(struct json_objects *j, json_t **out, struct tranship_error *err)
{
	int c, rc = j->count == 0 && !j->in_array && j->arrays == 0 ? pass_mark(j, err) : 0;

	*out = NULL;
	if (rc == 0 && j->in_array)
		rc = next_in_array(j, false, out, err);
	while (rc == 0 && !*out) {
		rc = text_peek(j->text, &c, err);
		if (rc || c < 0)
			break;
		if (c == '[') {
			j->text->at++;
			j->in_array = true;
			j->arrays++;
			rc = next_in_array(j, true, out, err);
		} else {
			rc = c == '{' ? take_object(j, out, err)
				      : misplaced(j, c, "an object", err);
		}
	}
	return rc;
}

/* The next one of a text that is one array; NULL where it was closed. */
static int next_in_list(struct json_objects *j, json_t **out, struct tranship_error *err)
{
	bool first = j->arrays == 0;
	int c, rc = 0;

	*out = NULL;
	if (first) {
		rc = pass_mark(j, err);
		if (rc == 0)
			rc = text_peek(j->text, &c, err);
		if (rc)
			return rc;
		if (c != '[')
			return misplaced(j, c, "the '[' of a list", err);
		j->text->at++;
		j->in_array = true;
		j->arrays = 1;
	}
	rc = next_in_array(j, first, out, err);
	if (rc || *out)
		return rc;
	rc = text_peek(j->text, &c, err);
	if (rc == 0 && c >= 0)
		rc = misplaced(j, c, "the end of the file", err);
	return rc;
}

int json_read(struct import *in, bool list, json_element_fn *fn, void *ctx, uint64_t *count,
	      struct tranship_error *err)
{
	struct json_objects j = { .text = &in->text, .unit = in->unit };
	json_t *object;
	int rc;

	for (;;) {
		rc = list ? next_in_list(&j, &object, err) : next_anywhere(&j, &object, err);
		if (rc || !object)
			break;
		rc = fn(in, &j, object, ctx, err);
		json_decref(object);
		if (rc)
			break;
	}
	if (rc == 0 && !list && j.count == 0)
		rc = error_set(err, TRANSHIP_ECORRUPT, "%s: the list is empty", in->unit);
	buffer_free(&j.slice);
	if (count)
		*count = j.count;
	return rc;
}

bool json_has(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return value && !json_is_null(value);
}

int json_get_u64(const struct json_objects *j, const json_t *object, const char *key, uint64_t *out,
		 struct tranship_error *err)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: element %" PRIu64 ": '%s' %s a number of bytes or blocks",
				 j->unit, j->count, key, value ? "is not" : "is missing,");
	*out = (uint64_t)json_integer_value(value);
	return 0;
}

int json_get_bool(const struct json_objects *j, const json_t *object, const char *key, bool *out,
		  struct tranship_error *err)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_boolean(value))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: element %" PRIu64 ": '%s' is not true or false", j->unit,
				 j->count, key);
	*out = json_is_true(value);
	return 0;
}

int json_get_array(const struct json_objects *j, const json_t *object, const char *key,
		   json_t **out, struct tranship_error *err)
{
	*out = json_has(object, key) ? json_object_get(object, key) : NULL;
	if (*out && !json_is_array(*out))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: element %" PRIu64 ": '%s' is no array", j->unit, j->count,
				 key);
	return 0;
}
