// SPDX-License-Identifier: Apache-2.0
/*
 * Notes. A note is written under a partial name and renamed: so it is the old one or the new one,
 * and whole, at any instant; a partial one that a crash left means nothing.
 */
#include "io/edit.h"
#include "io/journal.h"

#include "base/crc32c.h"
#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

static int write_partial(const struct journal_site *site, const unsigned char *raw, size_t len,
			 struct tranship_error *err)
{
	const struct medium *m = site->medium;
	int file, sys, rc;

	rc = medium_unlink(m, site->folder, site->note_partial, err);
	if (rc)
		return rc;
	sys = m->ops->open(m->ctx, site->folder, site->note_partial, true, &file);
	if (sys)
		return error_sys(err, sys, "'%s' could not be created", site->note_partial);
	rc = medium_write(m, file, "the note", 0, raw, len, err);
	if (rc == 0)
		rc = medium_sync(m, file, "the note", err);
	m->ops->close(m->ctx, file);
	return rc;
}

int journal_note_write(const struct journal_site *site, uint32_t kind, const char *text,
		       struct tranship_error *err)
{
	const struct medium *m = site->medium;
	unsigned char raw[JOURNAL_HEADER + NOTE_TEXT_MAX];
	struct note_header h = { .kind = kind, .ino = site->device ? 0 : site->ino };
	size_t len = strlen(text);
	int rc, sys;

	if (len > NOTE_TEXT_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "a note of %zu bytes is longer than %u", len,
				 NOTE_TEXT_MAX);
	h.len = (uint32_t)len;
	h.crc = crc32c(0, text, len);
	note_header_encode(&h, raw);
	memcpy(raw + JOURNAL_HEADER, text, len);
	rc = write_partial(site, raw, JOURNAL_HEADER + len, err);
	if (rc == 0) {
		sys = m->ops->rename(m->ctx, site->folder, site->note_partial, site->note);
		if (sys)
			rc = error_sys(err, sys, "'%s' could not be renamed to '%s'",
				       site->note_partial, site->note);
	}
	if (rc) {
		m->ops->unlink(m->ctx, site->folder, site->note_partial);
		return rc;
	}
	return medium_sync_folder(m, site->folder, err);
}

const char *journal_note_work(uint32_t kind)
{
	switch (kind) {
	case EDIT_NOTE_APPLY: return "applying a delta to it";
	case EDIT_NOTE_PART: return "a change of an image that it is a part of";
	default: return "a commit into it";
	}
}

int journal_note_refuse(const struct note_header *h, const char *text, struct tranship_error *err)
{
	char shown[300];

	text_show(shown, sizeof(shown), text, strlen(text));
	return error_set(err, TRANSHIP_EBUSY, "%s was interrupted and must be finished first: %s",
			 journal_note_work(h->kind), shown);
}

static int damaged(struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT, "the note of interrupted work is damaged");
}

int journal_note_decode(const struct medium *m, int file, struct note_header *h, char *text,
			struct tranship_error *err)
{
	unsigned char raw[JOURNAL_HEADER];
	size_t got;
	int rc = medium_read(m, file, "the note", 0, raw, sizeof(raw), &got, err);

	if (rc)
		return rc;
	if (got < sizeof(raw) || !note_header_decode(raw, h))
		return damaged(err);
	rc = medium_read(m, file, "the note", JOURNAL_HEADER, text, h->len, &got, err);
	if (rc)
		return rc;
	if (got < h->len || crc32c(0, text, h->len) != h->crc)
		return damaged(err);
	text[h->len] = '\0';
	return 0;
}

int journal_note_read(const struct journal_site *site, bool *found, uint32_t *kind, char *text,
		      struct tranship_error *err)
{
	const struct medium *m = site->medium;
	struct note_header h = { 0 };
	int file, rc, sys = m->ops->open(m->ctx, site->folder, site->note, false, &file);

	*found = false;
	if (sys == ENOENT || sys == ENAMETOOLONG)
		return 0;
	if (sys)
		return error_sys(err, sys, "the note '%s' could not be opened", site->note);
	rc = journal_note_decode(m, file, &h, text, err);
	m->ops->close(m->ctx, file);
	if (rc)
		return rc;
	if (h.ino != (site->device ? 0 : site->ino))
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the note '%s' belongs to another file: if this one replaced "
				 "that, remove the note; if it is a copy of that, it is unfinished",
				 site->note);
	*kind = h.kind;
	*found = true;
	return 0;
}

int journal_note_remove(const struct journal_site *site, struct tranship_error *err)
{
	int rc = medium_unlink(site->medium, site->folder, site->note, err);

	return rc ? rc : medium_sync_folder(site->medium, site->folder, err);
}
