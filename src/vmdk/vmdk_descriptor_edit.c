// SPDX-License-Identifier: Apache-2.0
/*
 * A descriptor that exists, with other values: line by line, so that what is not understood stays
 * as it is, and comments, order and line ends too.
 */
#include "vmdk/vmdk_descriptor.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One line of the text. */
struct line {
	const char *text;
	size_t len; /* without its end */
	const char *end;
	size_t end_len; /* "\n", "\r\n", or nothing at the end of the text */
	/* Where it is KEY = VALUE: */
	const char *key, *value;
	size_t key_len, value_len;
	bool extent;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void trim(const char **text, size_t *len)
{
	while (*len > 0 && is_blank(**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && is_blank((*text)[*len - 1]))
		(*len)--;
}

static bool begins_with(const char *text, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len > n && strncasecmp(text, word, n) == 0 && is_blank(text[n]);
}

static void take_setting(struct line *line, const char *text, size_t len)
{
	const char *equals = memchr(text, '=', len);

	if (!equals)
		return;
	line->key = text;
	line->key_len = (size_t)(equals - text);
	line->value = equals + 1;
	line->value_len = len - line->key_len - 1;
	trim(&line->key, &line->key_len);
	trim(&line->value, &line->value_len);
	if (line->value_len >= 2 && line->value[0] == '"' &&
	    line->value[line->value_len - 1] == '"') {
		line->value++;
		line->value_len -= 2;
	}
}

/* Cuts the next line off; false at the end of the text. */
static bool next_line(const char **text, size_t *left, struct line *out)
{
	const char *newline, *body;
	size_t len;

	if (*left == 0)
		return false;
	newline = memchr(*text, '\n', *left);
	len = newline ? (size_t)(newline - *text) : *left;
	*out = (struct line){ .text = *text, .len = len, .end_len = newline != NULL };
	if (newline && len > 0 && newline[-1] == '\r') {
		out->len--;
		out->end_len++;
	}
	out->end = out->text + out->len;
	*text += out->len + out->end_len;
	*left -= out->len + out->end_len;
	body = out->text;
	len = out->len;
	trim(&body, &len);
	out->extent = begins_with(body, len, "RW") || begins_with(body, len, "RDONLY") ||
		      begins_with(body, len, "NOACCESS");
	if (len > 0 && *body != '#' && !out->extent)
		take_setting(out, body, len);
	return true;
}

static bool has_key(const struct line *line, const char *key)
{
	return line->key && line->key_len == strlen(key) &&
	       strncasecmp(line->key, key, line->key_len) == 0;
}

/* A number that the text gives for a key; 0: none. */
static uint64_t find_number(const char *text, size_t len, const char *key)
{
	struct line line;
	uint64_t found = 0;
	char digits[24];

	while (next_line(&text, &len, &line))
		if (has_key(&line, key) && line.value_len < sizeof(digits)) {
			memcpy(digits, line.value, line.value_len);
			digits[line.value_len] = '\0';
			found = strtoull(digits, NULL, 10);
		}
	return found;
}

static int keep(const struct line *line, struct buffer *out, struct tranship_error *err)
{
	return buffer_append(out, line->text, line->len + line->end_len, err);
}

/* The line with another value, which may be longer or shorter. */
static int set_value(const struct line *line, const char *value, struct buffer *out,
		     struct tranship_error *err)
{
	const char *behind = line->value + line->value_len;
	int rc = buffer_append(out, line->text, (size_t)(line->value - line->text), err);

	if (rc == 0)
		rc = buffer_append(out, value, strlen(value), err);
	return rc ? rc
		  : buffer_append(out, behind, (size_t)(line->end + line->end_len - behind), err);
}

/* The same for a CID. */
static int set_cid(const struct line *line, uint32_t cid, struct buffer *out,
		   struct tranship_error *err)
{
	char text[9];

	snprintf(text, sizeof(text), "%08" PRIx32, cid);
	return set_value(line, text, out, err);
}

/* VMware repeats the CID at the end of the long content id. */
static int set_content_id(const struct line *line, uint32_t cid, struct buffer *out,
			  struct tranship_error *err)
{
	struct line low = *line;

	if (line->value_len != 32)
		return keep(line, out, err);
	low.value += 24;
	low.value_len = 8;
	return set_cid(&low, cid, out, err);
}

/* Another size in an extent line. */
static int set_sectors(const struct line *line, uint64_t sectors, struct buffer *out,
		       struct tranship_error *err)
{
	struct line number = *line;
	const char *p = line->text;
	char text[24];

	while (p < line->end && is_blank(*p))
		p++;
	while (p < line->end && !is_blank(*p))
		p++;
	while (p < line->end && is_blank(*p))
		p++;
	number.value = p;
	while (p < line->end && *p >= '0' && *p <= '9')
		p++;
	number.value_len = (size_t)(p - number.value);
	snprintf(text, sizeof(text), "%" PRIu64, sectors);
	return set_value(&number, text, out, err);
}

/* What is said of the parent stands behind the CID; what was said of it goes. */
static int add_parent(const struct line *line, const struct vmdk_edits *e, struct buffer *out,
		      struct tranship_error *err)
{
	const char *end = line->end_len == 2 ? "\r\n" : "\n";
	int rc = line->end_len ? 0 : buffer_printf(out, err, "\n");

	if (rc == 0)
		rc = buffer_printf(out, err, "parentCID=%08" PRIx32 "%s", e->parent_cid, end);
	if (rc == 0 && e->hint && *e->hint)
		rc = buffer_printf(out, err, "parentFileNameHint=\"%s\"%s", e->hint, end);
	return rc;
}

/* As a new disk has it; 0: the descriptor has no heads or no sectors. */
static uint64_t cylinders(const char *text, size_t len, uint64_t capacity)
{
	uint64_t heads = find_number(text, len, "ddb.geometry.heads");
	uint64_t sectors = find_number(text, len, "ddb.geometry.sectors"), n;

	if (heads == 0 || heads > 255 || sectors == 0 || sectors > 63)
		return 0;
	n = capacity / (heads * sectors);
	return n < VMDK_CYLINDERS_MAX ? n : VMDK_CYLINDERS_MAX;
}

static int edit_setting(const struct line *line, const struct vmdk_edits *e, uint64_t geometry,
			bool *has_cid, struct buffer *out, struct tranship_error *err)
{
	char text[24];
	int rc;

	if (has_key(line, "CID")) {
		bool first = !*has_cid;

		*has_cid = true;
		rc = e->new_cid ? set_cid(line, e->cid, out, err) : keep(line, out, err);
		return rc || !first || !e->new_parent ? rc : add_parent(line, e, out, err);
	}
	if (e->new_parent &&
	    (has_key(line, "parentCID") || (e->hint && has_key(line, "parentFileNameHint"))))
		return 0;
	if (e->new_cid && has_key(line, "ddb.longContentID"))
		return set_content_id(line, e->cid, out, err);
	if (e->capacity && geometry && has_key(line, "ddb.geometry.cylinders")) {
		snprintf(text, sizeof(text), "%" PRIu64, geometry);
		return set_value(line, text, out, err);
	}
	return keep(line, out, err);
}

/* A path is UTF-8; a descriptor that says it is something else cannot hold all of them. */
static int check_hint(const char *text, size_t len, const char *hint, struct tranship_error *err)
{
	struct line line;
	bool ascii = true;

	for (; hint && *hint; hint++)
		ascii = ascii && (unsigned char)*hint < 0x80;
	while (!ascii && next_line(&text, &len, &line))
		if (has_key(&line, "encoding") &&
		    (line.value_len != 5 || strncasecmp(line.value, "UTF-8", 5) != 0))
			return error_set(err, TRANSHIP_EUNSUPPORTED,
					 "vmdk: the parent's path is not ASCII, and the "
					 "descriptor's encoding is not UTF-8");
	return 0;
}

int vmdk_descriptor_edit(const char *text, size_t len, const struct vmdk_edits *e,
			 struct buffer *out, struct tranship_error *err)
{
	uint64_t geometry = cylinders(text, len, e->capacity), extents = 0;
	struct line line;
	bool has_cid = false;
	int rc = e->new_parent ? check_hint(text, len, e->hint, err) : 0;

	while (rc == 0 && next_line(&text, &len, &line)) {
		extents += line.extent;
		if (line.extent && extents == e->extent)
			rc = set_sectors(&line, e->sectors, out, err);
		else
			rc = edit_setting(&line, e, geometry, &has_cid, out, err);
	}
	if (rc == 0 && (e->new_cid || e->new_parent) && !has_cid)
		rc = error_set(err, TRANSHIP_EUNSUPPORTED, "vmdk: the descriptor has no CID");
	return rc;
}
