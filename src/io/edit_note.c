// SPDX-License-Identifier: Apache-2.0
/*
 * The notes of an image that has several files. The main file's says what is to be done and counts;
 * while it stands each of the others has one that leads there, so that nobody takes a lone extent
 * for a disk. The main one is written first and removed last: a crash in between leaves too few of
 * the others, which the next edit_join adds.
 */
#include "base/error.h"
#include "base/text.h"
#include "io/edit_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A sync may have failed, which is final. */
static int changed(struct edit *e, int rc)
{
	e->failed = rc != 0 && rc != TRANSHIP_ELIMIT;
	return rc;
}

/* The main file is known by its inode at the end: names change. */
static size_t describe_main(const struct edit *e, char *text, size_t cap)
{
	char shown[1000];
	size_t len = strlen(e->site.note) - strlen(NOTE_SUFFIX), end;

	text_escape(shown, sizeof(shown), e->site.note, len);
	end = (size_t)snprintf(text, cap,
			       "the note of '%s' says how; where that is gone 'check -r all' of it "
			       "removes this one",
			       shown);
	snprintf(text + end, cap - end, " (inode %" PRIu64 ")", e->site.ino);
	return end;
}

static int write_part(const struct edit *e, const struct edit *part, struct tranship_error *err)
{
	char text[EDIT_NOTE_MAX + 1];

	describe_main(e, text, sizeof(text));
	return journal_note_write(&part->site, EDIT_NOTE_PART, text, err);
}

/* Whether the note of a part leads to this main file. */
static bool leads_here(const struct edit *e, uint32_t kind, const char *text)
{
	char own[EDIT_NOTE_MAX + 1];
	const char *token = own + describe_main(e, own, sizeof(own));
	size_t len = strlen(token), all = strlen(text);

	return kind == EDIT_NOTE_PART && all >= len && strcmp(text + all - len, token) == 0;
}

int edit_join(struct edit *e, struct edit *part, struct tranship_error *err)
{
	char text[EDIT_NOTE_MAX + 1], main_text[EDIT_NOTE_MAX + 1];
	struct note_header h = { 0 };
	bool noted, found;
	int rc = journal_note_read(&e->site, &noted, &h.kind, main_text, err);

	if (rc == 0)
		rc = journal_note_read(&part->site, &found, &h.kind, text, err);
	if (rc == 0 && found && !leads_here(e, h.kind, text))
		rc = journal_note_refuse(&h, text, err);
	if (rc == 0 && noted && !found)
		rc = write_part(e, part, err);
	if (rc == 0 && !noted && found) /* somebody removed the main one */
		rc = journal_note_remove(&part->site, err);
	if (rc)
		return rc;
	part->next_part = e->parts;
	e->parts = part;
	return 0;
}

int edit_note_write(struct edit *e, enum edit_note_kind kind, const char *text,
		    struct tranship_error *err)
{
	const struct edit *part;
	int rc;

	if (e->failed)
		return edit_refuse_failed(err);
	rc = journal_note_write(&e->site, (uint32_t)kind, text, err);
	for (part = e->parts; rc == 0 && part; part = part->next_part)
		rc = write_part(e, part, err);
	return changed(e, rc);
}

int edit_note_read(struct edit *e, bool *found, uint32_t *kind, char *text,
		   struct tranship_error *err)
{
	return journal_note_read(&e->site, found, kind, text, err);
}

int edit_note_remove(struct edit *e, struct tranship_error *err)
{
	const struct edit *part;
	int rc = 0;

	if (e->failed)
		return edit_refuse_failed(err);
	for (part = e->parts; rc == 0 && part; part = part->next_part)
		rc = journal_note_remove(&part->site, err);
	return changed(e, rc ? rc : journal_note_remove(&e->site, err));
}
