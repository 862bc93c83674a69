// SPDX-License-Identifier: Apache-2.0
#include "base/checked.h"
#include "base/error.h"
#include "delta/import.h"
#include "io/stream.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_BUFFER ((size_t)64 << 10)

int text_init(struct text *t, const char *unit, struct tranship_error *err)
{
	t->unit = unit;
	t->bytes = malloc(TEXT_BUFFER);
	return t->bytes ? 0 : error_nomem(err, TEXT_BUFFER);
}

void text_free(struct text *t)
{
	free(t->bytes);
	t->bytes = NULL;
}

/* Reads behind what was not taken yet. */
static int text_read(struct text *t, size_t *got, struct tranship_error *err)
{
	size_t room = TEXT_BUFFER - t->end;
	int rc = 0;

	*got = 0;
	if (t->stream) {
		rc = stream_read_some(t->stream, t->bytes + t->end, room, got, err);
	} else {
		*got = (size_t)min_u64(room, tranship_file_size(t->file) - t->taken);
		if (*got > 0)
			rc = tranship_file_read(t->file, t->taken, t->bytes + t->end, *got, err);
	}
	if (rc)
		return rc;
	t->taken += *got;
	if (t->taken > IMPORT_TEXT_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "%s: the list is longer than %u MiB",
				 t->unit, (unsigned)(IMPORT_TEXT_MAX >> 20));
	t->end += *got;
	return 0;
}

int text_fill(struct text *t, size_t *got, struct tranship_error *err)
{
	*got = t->end - t->at;
	if (*got > 0)
		return 0;
	t->at = 0;
	t->end = 0;
	return text_read(t, got, err);
}

int text_more(struct text *t, bool *ended, struct tranship_error *err)
{
	size_t got;
	int rc;

	memmove(t->bytes, t->bytes + t->at, t->end - t->at);
	t->end -= t->at;
	t->at = 0;
	rc = text_read(t, &got, err);
	*ended = rc == 0 && got == 0;
	return rc;
}

int text_peek(struct text *t, int *c, struct tranship_error *err)
{
	size_t got;
	int rc;

	*c = -1;
	for (;;) {
		rc = text_fill(t, &got, err);
		if (rc || got == 0)
			return rc;
		for (; t->at < t->end; t->at++) {
			*c = t->bytes[t->at];
			if (*c != ' ' && *c != '\t' && *c != '\n' && *c != '\r')
				return 0;
		}
		*c = -1;
	}
}
