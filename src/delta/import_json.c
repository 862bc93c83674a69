// SPDX-License-Identifier: Apache-2.0
/*
 * Lists have millions of elements, so neither they nor a page of them is ever held whole: brackets
 * and commas are read here, and each object, once its end is found, by jansson. The long arrays of
 * a page are cut out of it: their elements are read one at a time as they come, and jansson gets
 * the page with empty ones in their place.
 */
#include "base/error.h"
#include "base/text.h"
#include "delta/import.h"

#include <inttypes.h>
#include <string.h>

static int cut_short(const struct json_objects *j, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT,
			 "%s: the list ends without its end, %s element %" PRIu64, j->unit,
			 j->in_object ? "inside of" : "before",
			 j->in_object ? j->count : j->count + 1);
}

static int misplaced(const struct json_objects *j, int c, const char *wanted,
		     struct tranship_error *err)
{
	char byte = (char)c, shown[8];

	if (c < 0)
		return cut_short(j, err);
	text_escape(shown, sizeof(shown), &byte, 1);
	return error_set(err, TRANSHIP_ECORRUPT,
			 "%s: '%s' stands %s element %" PRIu64 ", %s should", j->unit, shown,
			 j->in_object ? "inside of" : "before",
			 j->in_object ? j->count : j->count + 1, wanted);
}

/* Where the text stands between being outside and inside of strings and brackets. */
struct nesting {
	unsigned depth;
	bool in_string;
	bool escaped;
};

/* Takes a byte; true: what was opened outermost was closed with it. */
static bool nesting_step(struct nesting *n, unsigned char c)
{
	if (n->in_string) {
		if (n->escaped)
			n->escaped = false;
		else if (c == '\\')
			n->escaped = true;
		else if (c == '"')
			n->in_string = false;
		return !n->in_string && n->depth == 0;
	}
	if (c == '"')
		n->in_string = true;
	else if (c == '{' || c == '[')
		n->depth++;
	else if (c == '}' || c == ']')
		n->depth--;
	return !n->in_string && n->depth == 0;
}

static int append(const struct json_objects *j, struct buffer *to, const void *text, size_t len,
		  struct tranship_error *err)
{
	char place[JSON_PLACE_MAX];

	if (to->len + len > IMPORT_OBJECT_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "%s: %s is longer than %u KiB", j->unit,
				 json_place(j, place), (unsigned)(IMPORT_OBJECT_MAX >> 10));
	return buffer_append(to, text, len, err);
}

/* Appends what begins here with a bracket or a quote. */
static int take_nested(struct json_objects *j, struct buffer *to, struct tranship_error *err)
{
	struct nesting n = { 0 };
	char place[JSON_PLACE_MAX];
	bool done = false;

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
						 "%s: %s is nested more than %u deep", j->unit,
						 json_place(j, place), IMPORT_DEPTH_MAX);
		}
		rc = append(j, to, j->text->bytes + j->text->at, at - j->text->at, err);
		if (rc)
			return rc;
		j->text->at = at;
	}
	return 0;
}

static bool ends_word(unsigned char c)
{
	return c <= ' ' || strchr(",:[]{}\"", c);
}

/* Appends a number or a word, and a space, so that two of them do not become one. */
static int take_word(struct json_objects *j, struct buffer *to, struct tranship_error *err)
{
	size_t got, at;
	int rc;

	do {
		rc = text_fill(j->text, &got, err);
		if (rc)
			return rc;
		at = j->text->at;
		while (at < j->text->end && !ends_word(j->text->bytes[at]))
			at++;
		rc = append(j, to, j->text->bytes + j->text->at, at - j->text->at, err);
		if (rc)
			return rc;
		j->text->at = at;
	} while (got > 0 && at == j->text->end);
	return append(j, to, " ", 1, err);
}

/* Appends the value that begins with c, or one mark. jansson says whether that is right here. */
static int take_token(struct json_objects *j, struct buffer *to, int c, struct tranship_error *err)
{
	char mark = (char)c;

	if (c == '{' || c == '[' || c == '"')
		return take_nested(j, to, err);
	if (!ends_word((unsigned char)c))
		return take_word(j, to, err);
	j->text->at++;
	return append(j, to, &mark, 1, err);
}

static int parse(const struct json_objects *j, const void *text, size_t len, json_t **out,
		 struct tranship_error *err)
{
	char shown[120], place[JSON_PLACE_MAX];
	json_error_t json;

	*out = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &json);
	if (*out)
		return 0;
	/* It has no words for this. */
	if (*json.text == '\0')
		return error_nomem(err, len);
	text_escape(shown, sizeof(shown), json.text, strlen(json.text));
	return error_set(err, TRANSHIP_ECORRUPT, "%s: %s: %s", j->unit, json_place(j, place),
			 shown);
}

/* Hands over one element of a list. */
static int take_item(struct json_objects *j, int c, struct tranship_error *err)
{
	json_t *item;
	int rc;

	j->items++;
	j->item.len = 0;
	rc = take_token(j, &j->item, c, err);
	if (rc == 0)
		rc = parse(j, j->item.bytes, j->item.len, &item, err);
	if (rc)
		return rc;
	rc = j->rules->item(j->in, j, item, j->ctx, err);
	json_decref(item);
	return rc;
}

/* Hands over all of them, from behind '[' to behind ']'. */
static int take_items(struct json_objects *j, struct tranship_error *err)
{
	int c, rc = text_peek(j->text, &c, err);

	while (rc == 0 && (j->items > 0 || c != ']')) {
		if (c < 0 || c == ',' || c == ']' || c == '}' || c == ':')
			return misplaced(j, c, "an element of an array", err);
		rc = take_item(j, c, err);
		if (rc == 0)
			rc = text_peek(j->text, &c, err);
		if (rc || c == ']')
			break;
		if (c != ',')
			return misplaced(j, c, "',' or ']'", err);
		j->text->at++;
		rc = text_peek(j->text, &c, err);
	}
	if (rc == 0)
		j->text->at++;
	return rc;
}

/* Which of the rules' lists this text, in quotes, names. -1: none */
static int find_list(const struct json_objects *j, const void *text, size_t len, int *list,
		     struct tranship_error *err)
{
	json_t *name;
	int i, rc;

	*list = -1;
	rc = parse(j, text, len, &name, err);
	if (rc)
		return rc;
	for (i = 0; i < JSON_LISTS_MAX && j->rules->lists[i]; i++)
		if (is(json_string_value(name), j->rules->lists[i]))
			*list = i;
	json_decref(name);
	return 0;
}

/* In front of the '[' of a member whose name stands in the slice from `key` on, with a ':' behind
 * it. *taken: it was a list, and all of it was handed over. */
static int take_list(struct json_objects *j, size_t key, bool *taken, struct tranship_error *err)
{
	int list, rc;

	*taken = false;
	rc = find_list(j, j->slice.bytes + key, j->slice.len - 1 - key, &list, err);
	if (rc || list < 0)
		return rc;
	*taken = true;
	if (j->seen & 1U << list)
		return error_set(err, TRANSHIP_ECORRUPT, "%s: element %" PRIu64 " has '%s' twice",
				 j->unit, j->count, j->rules->lists[list]);
	j->seen |= 1U << list;
	j->text->at++;
	j->list = list;
	j->items = 0;
	rc = take_items(j, err);
	j->list = -1;
	return rc ? rc : append(j, &j->slice, "[]", 2, err);
}

/* Copies the object that begins here into the slice, without the elements of its lists. */
static int take_slice(struct json_objects *j, struct tranship_error *err)
{
	size_t string = 0; /* where the last string began */
	int c, rc = append(j, &j->slice, "{", 1, err);
	int before[2] = { 0 }; /* what the last two tokens began with */

	j->text->at++;
	while (rc == 0) {
		bool taken = false;

		rc = text_peek(j->text, &c, err);
		if (rc == 0 && (c < 0 || c == ']'))
			rc = misplaced(j, c, "a member", err);
		if (rc == 0 && c == '[' && before[0] == ':' && before[1] == '"')
			rc = take_list(j, string, &taken, err);
		if (c == '"')
			string = j->slice.len;
		if (rc == 0 && !taken)
			rc = take_token(j, &j->slice, c, err);
		if (c == '}')
			break;
		before[1] = before[0];
		before[0] = c;
	}
	return rc;
}

static int take_object(struct json_objects *j, json_t **out, struct tranship_error *err)
{
	int rc;

	j->count++;
	j->in_object = true;
	j->seen = 0;
	j->slice.len = 0;
	rc = take_slice(j, err);
	if (rc == 0)
		rc = parse(j, j->slice.bytes, j->slice.len, out, err);
	j->in_object = false;
	return rc;
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

int json_read(struct import *in, const struct json_rules *rules, void *ctx, uint64_t *count,
	      struct tranship_error *err)
{
	struct json_objects j = { .text = &in->text,
				  .unit = in->unit,
				  .in = in,
				  .rules = rules,
				  .ctx = ctx,
				  .list = -1 };
	json_t *object;
	int rc;

	for (;;) {
		rc = rules->one_array ? next_in_list(&j, &object, err)
				      : next_anywhere(&j, &object, err);
		if (rc || !object)
			break;
		rc = rules->object(in, &j, object, ctx, err);
		json_decref(object);
		if (rc)
			break;
	}
	if (rc == 0 && !rules->one_array && j.count == 0)
		rc = error_set(err, TRANSHIP_ECORRUPT, "%s: the list is empty", in->unit);
	buffer_free(&j.slice);
	buffer_free(&j.item);
	if (count)
		*count = j.count;
	return rc;
}
