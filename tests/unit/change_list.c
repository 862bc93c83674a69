// SPDX-License-Identifier: Apache-2.0
#include "change_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int list_read(const void *text, size_t len, const struct tranship_changes_options *options,
	      struct tranship_changes **out, struct tranship_error *err)
{
	struct tranship_file *file = file_of(text, len);
	int rc = tranship_changes_read(file, options, out, err);

	assert_true((rc == 0) == (*out != NULL));
	tranship_file_close(file);
	return rc;
}

char *list_text(const struct tranship_changes *set)
{
	struct buffer b = { 0 };
	size_t i;

	for (i = 0; i < tranship_changes_count(set); i++) {
		struct tranship_change c = tranship_changes_at(set, i);

		assert_int_equal(buffer_printf(&b, NULL, "%s%" PRIu64 "+%" PRIu64 "%s",
					       i ? " " : "", c.off, c.len, c.zero ? "z" : ""),
				 0);
	}
	assert_int_equal(buffer_append(&b, "", 1, NULL), 0);
	return (char *)b.bytes;
}

void list_check(struct tranship_changes *set, const char *want)
{
	char *got = list_text(set);

	assert_string_equal(got, want);
	free(got);
}

static void check_case(const struct list_case *c)
{
	struct tranship_changes_options options = { .format = c->format,
						    .size = 10000,
						    .block_size = 512 };
	struct tranship_changes *set;
	struct tranship_error err = { 0 };
	int rc = list_read(c->text, strlen(c->text), &options, &set, &err);

	if (rc != c->code || (rc && !strstr(err.message, c->piece)))
		print_error("%s: %s\n", c->format, c->text);
	if (c->code == 0) {
		assert_ok(rc, &err);
		list_check(set, c->piece);
		tranship_changes_free(set);
	} else {
		assert_fails(rc, c->code, &err, c->piece);
	}
}

void list_check_cases(const struct list_case *cases, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		check_case(&cases[i]);
}

struct heap_seen list_read_watched(struct buffer *text,
				   const struct tranship_changes_options *options, int *rc,
				   struct tranship_changes **out, struct tranship_error *err)
{
	struct tranship_file *file = file_of(text->bytes, text->len);
	struct heap_seen seen;

	buffer_free(text);
	*text = (struct buffer){ 0 };
	heap_watch(0, false);
	*rc = tranship_changes_read(file, options, out, err);
	seen = heap_unwatch();
	tranship_file_close(file);
	return seen;
}
