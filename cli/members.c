// SPDX-License-Identifier: Apache-2.0
#include "members.h"

#include "duration.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fault(const struct members *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int fault(const struct members *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	texts_error_v(m->err, TRANSHIP_EINVAL, fmt, ap);
	va_end(ap);
	return TRANSHIP_EINVAL;
}

static const char *path_of(const struct members *m, const char *text)
{
	if (!m->folder || *text == '/')
		return texts_keep(m->texts, text);
	return texts_printf(m->texts, "%s/%s", m->folder, text);
}

/* "s3://", "nbd+unix://": letters, digits, '+', '.', '-', then "://". */
static bool is_url(const char *text)
{
	size_t n = 0;

	while (isalnum((unsigned char)text[n]) || strchr("+.-", text[n] ? text[n] : ' '))
		n++;
	return n > 0 && isalpha((unsigned char)*text) && strncmp(text + n, "://", 3) == 0;
}

const char *members_location(const struct members *m, const char *text)
{
	if (strcmp(text, "-") == 0 || is_url(text))
		return texts_keep(m->texts, text);
	if (strncmp(text, "store:", 6) == 0)
		return texts_printf(m->texts, "store:%s", path_of(m, text + 6));
	return path_of(m, text);
}

static const char *take_text(const struct members *m, enum member_type type, void *out,
			     const json_t *value)
{
	const char *text = json_string_value(value);

	if (!text || !*text)
		return "a string that is not empty";
	*(const char **)out = type == MEMBER_TEXT       ? texts_keep(m->texts, text)
			      : type == MEMBER_LOCATION ? members_location(m, text)
							: path_of(m, text);
	return NULL;
}

static const char *take_amount(enum member_type type, uint64_t *out, const json_t *value)
{
	const char *text = json_string_value(value);
	bool good;

	if (json_is_integer(value)) {
		good = json_integer_value(value) >= 0;
		*out = good ? (uint64_t)json_integer_value(value) : 0;
	} else if (type == MEMBER_SIZE) {
		good = text && tranship_parse_size(text, out) == 0;
	} else {
		good = text && cli_duration(text, out) == 0;
	}
	if (type == MEMBER_DURATION && (*out == 0 || *out > DURATION_MAX))
		good = false;
	if (good)
		return NULL;
	return type == MEMBER_SIZE
		       ? "a size (a number, or a string with k, M, G, T, P or E)"
		       : "a time that is not 0 (seconds, or a string with s, m, h or d)";
}

static const char *take_count(const struct member *row, unsigned *out, const json_t *value)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 1 || n > row->max)
		return "a number from 1 to ";
	*out = (unsigned)n;
	return NULL;
}

static const char *take_bool(bool *out, const json_t *value)
{
	*out = json_is_true(value);
	return json_is_boolean(value) ? NULL : "true or false";
}

static const char *take(const struct members *m, const struct member *row, void *out,
			const json_t *value)
{
	void *place = (char *)out + row->at;

	switch (row->type) {
	case MEMBER_SIZE:
	case MEMBER_DURATION: return take_amount(row->type, place, value);
	case MEMBER_COUNT: return take_count(row, place, value);
	case MEMBER_BOOL: return take_bool(place, value);
	case MEMBER_OTHER: return row->take(m, out, value);
	default: return take_text(m, row->type, place, value);
	}
}

int members_take(const struct members *m, void *out, const json_t *object)
{
	const char *name, *wanted;
	json_t *value;

	*m->err = (struct tranship_error){ 0 };
	json_object_foreach((json_t *)object, name, value)
	{
		const struct member *row = m->table;
		char shown[TEXT_SHOWN];

		while (row->name && strcmp(row->name, name) != 0)
			row++;
		if (!row->name)
			return fault(m, "%s: there is no member '%s'", m->where,
				     text_shown(name, shown));
		wanted = take(m, row, out, value);
		if (m->err->code)
			return m->err->code;
		if (wanted && row->type == MEMBER_COUNT)
			return fault(m, "%s: '%s' has to be %s%u", m->where, name, wanted,
				     row->max);
		if (wanted)
			return fault(m, "%s: '%s' has to be %s", m->where, name, wanted);
	}
	return 0;
}

int members_parse(const char *text, size_t len, const char *where, json_t **out,
		  struct tranship_error *err)
{
	json_error_t fault;
	char shown[TEXT_SHOWN];
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &fault);

	*out = NULL;
	if (!root)
		return texts_error(err, TRANSHIP_EINVAL, "%s: line %d: %s", where, fault.line,
				   text_shown(fault.text, shown));
	if (!json_is_object(root)) {
		json_decref(root);
		return texts_error(err, TRANSHIP_EINVAL, "%s: it is no JSON object", where);
	}
	*out = root;
	return 0;
}
