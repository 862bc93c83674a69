// SPDX-License-Identifier: Apache-2.0
#include "core/options.h"

#include "base/error.h"
#include "base/text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 64

struct options {
	size_t count;
	struct {
		const struct tranship_option_info *info;
		char *value;
	} given[OPTIONS_MAX];
};

int tranship_parse_size(const char *text, uint64_t *out)
{
	static const char suffixes[] = "bkmgtpe";
	uint64_t whole = 0, scaled;
	double fraction = 0, place = 0.1;
	const char *p = text;
	int shift = 0;

	if (*p < '0' || *p > '9')
		return TRANSHIP_EINVAL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
			return TRANSHIP_EINVAL;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, place /= 10)
			fraction += place * (*p - '0');
	if (*p != '\0') {
		const char *at = strchr(suffixes, *p | 0x20);

		if (!at || p[1] != '\0')
			return TRANSHIP_EINVAL;
		shift = 10 * (int)(at - suffixes);
	}
	if (fraction > 0 && shift == 0)
		return TRANSHIP_EINVAL;
	scaled = whole << shift;
	if (scaled >> shift != whole || scaled > INT64_MAX)
		return TRANSHIP_EINVAL;
	*out = scaled + (uint64_t)(fraction * (double)((uint64_t)1 << shift));
	return *out > INT64_MAX ? TRANSHIP_EINVAL : 0;
}

static const struct tranship_option_info *find(const struct tranship_option_info *table,
					       const char *name)
{
	for (; table && table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

/* Whether value is one of "a|b|c". */
static bool is_choice(const char *choices, const char *value)
{
	size_t len = strlen(value);

	for (;;) {
		size_t n = strcspn(choices, "|");

		if (n == len && memcmp(choices, value, n) == 0)
			return true;
		if (choices[n] == '\0')
			return false;
		choices += n + 1;
	}
}

static bool is_true(const char *value)
{
	return strcmp(value, "on") == 0 || strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;
}

static bool is_false(const char *value)
{
	return strcmp(value, "off") == 0 || strcmp(value, "no") == 0 || strcmp(value, "false") == 0;
}

static bool value_ok(const struct tranship_option_info *info, const char *value)
{
	uint64_t number;

	if (strcmp(info->type, "size") == 0)
		return tranship_parse_size(value, &number) == 0;
	if (strcmp(info->type, "int") == 0)
		return *value != '\0' && strlen(value) <= 10 &&
		       strtol(value, NULL, 10) <= INT_MAX &&
		       strspn(value, "0123456789") == strlen(value);
	if (strcmp(info->type, "bool") == 0)
		return is_true(value) || is_false(value);
	return strcmp(info->type, "text") == 0 || is_choice(info->type, value);
}

/* Takes one "key=value" off the text; ",," inside it is one comma. */
static char *next_item(const char **text)
{
	char *item = malloc(strlen(*text) + 1);
	size_t len = 0;

	if (!item)
		return NULL;
	while (**text) {
		if (**text == ',' && (*text)[1] != ',')
			break;
		if (**text == ',')
			(*text)++;
		item[len++] = *(*text)++;
	}
	if (**text == ',')
		(*text)++;
	item[len] = '\0';
	return item;
}

static int take(struct options *o, char *item, const struct tranship_option_info *table,
		const struct tranship_option_info *also, struct tranship_error *err)
{
	const struct tranship_option_info *info;
	char *equals = strchr(item, '=');
	const char *value =
		equals ? equals + 1 : "on"; /* a bare name switches a bool on, as in qemu-img */
	char shown[100];

	if (equals)
		*equals = '\0';
	text_escape(shown, sizeof(shown), item, strlen(item));
	info = find(table, item);
	if (!info)
		info = find(also, item);
	if (!info)
		return error_set(err, TRANSHIP_EINVAL, "option '%s' is unknown to this format",
				 shown);
	if (!value_ok(info, value)) {
		char shown_value[100];

		text_escape(shown_value, sizeof(shown_value), value, strlen(value));
		return error_set(err, TRANSHIP_EINVAL, "option '%s' takes %s, not '%s'", shown,
				 info->type, shown_value);
	}
	if (o->count == OPTIONS_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "more than %d options", OPTIONS_MAX);
	o->given[o->count].value = strdup(value);
	if (!o->given[o->count].value)
		return error_nomem(err, strlen(value) + 1);
	o->given[o->count++].info = info;
	return 0;
}

int options_parse(const char *text, const struct tranship_option_info *table,
		  const struct tranship_option_info *also, struct options **out,
		  struct tranship_error *err)
{
	struct options *o = calloc(1, sizeof(*o));
	int rc = 0;

	*out = NULL;
	if (!o)
		return error_nomem(err, sizeof(*o));
	while (text && *text && rc == 0) {
		char *item = next_item(&text);

		if (!item)
			rc = error_nomem(err, 0);
		else if (*item)
			rc = take(o, item, table, also, err);
		free(item);
	}
	if (rc) {
		options_free(o);
		return rc;
	}
	*out = o;
	return 0;
}

void options_free(struct options *o)
{
	size_t i;

	if (!o)
		return;
	for (i = 0; i < o->count; i++)
		free(o->given[i].value);
	free(o);
}

const char *options_text(const struct options *o, const char *name, const char *fallback)
{
	size_t i;

	for (i = o ? o->count : 0; i-- > 0;)
		if (strcmp(o->given[i].info->name, name) == 0)
			return o->given[i].value;
	return fallback;
}

uint64_t options_size(const struct options *o, const char *name, uint64_t fallback)
{
	const char *value = options_text(o, name, NULL);
	uint64_t number;

	return value && tranship_parse_size(value, &number) == 0 ? number : fallback;
}

int options_int(const struct options *o, const char *name, int fallback)
{
	const char *value = options_text(o, name, NULL);

	return value ? (int)strtol(value, NULL, 10) : fallback;
}

bool options_bool(const struct options *o, const char *name, bool fallback)
{
	const char *value = options_text(o, name, NULL);

	return value ? is_true(value) : fallback;
}
