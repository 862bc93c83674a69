// SPDX-License-Identifier: Apache-2.0
/*
 * Undoing an interrupted change. Looks first, at all of the journal and then at all of the target,
 * and writes only when everything is as a crash of ours can have left it. What is old already is
 * not written again: a change that stopped because the disk was full must be undone without new
 * blocks.
 */
#include "io/journal.h"

#include "base/checked.h"
#include "base/crc32c.h"
#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct recovery {
	const struct journal_site *site;
	int file;
	uint64_t file_size;
	uint64_t target_size;
	struct journal_header h;
	enum journal_part header;
	uint64_t at;                          /* the record at hand, */
	struct journal_head head;             /* its head, */
	unsigned char record[JOURNAL_RECORD]; /* and all of it */
	unsigned char target[JOURNAL_PAGE];   /* the target's page of it */
};

static const unsigned char *old_page(const struct recovery *r)
{
	return r->record + JOURNAL_HEAD;
}

static const unsigned char *new_page(const struct recovery *r)
{
	return r->record + JOURNAL_HEAD + JOURNAL_PAGE;
}

/* Bytes of the journal; what is behind its end counts as lost. */
static int read_journal(struct recovery *r, uint64_t off, unsigned char *out, size_t len,
			struct tranship_error *err)
{
	size_t got;
	int rc = medium_read(r->site->medium, r->file, "the journal", off, out, len, &got, err);

	if (rc == 0)
		memset(out + got, 0, len - got);
	return rc;
}

/* Record number `at`; *good: its digests are right. */
static int load_record(struct recovery *r, uint64_t at, bool *good, struct tranship_error *err)
{
	int rc = read_journal(r, JOURNAL_HEADER + at * JOURNAL_RECORD, r->record, JOURNAL_RECORD,
			      err);

	r->at = at;
	*good = rc == 0 && journal_head_decode(r->record, &r->head) == JOURNAL_GOOD &&
		r->head.id == r->h.id && crc32c(0, old_page(r), JOURNAL_PAGE) == r->head.old_crc &&
		crc32c(0, new_page(r), JOURNAL_PAGE) == r->head.new_crc;
	return rc;
}

static int load_target(struct recovery *r, struct tranship_error *err)
{
	return journal_read_target(r->site, r->head.page, r->target_size, r->target, err);
}

/* Whether every digest is right. */
static int check_whole(struct recovery *r, bool *whole, struct tranship_error *err)
{
	unsigned char raw[JOURNAL_HEADER];
	uint64_t i, last = 0;
	uint32_t crc;
	int rc = read_journal(r, 0, raw, sizeof(raw), err);

	*whole = false;
	if (rc)
		return rc;
	r->header = journal_header_decode(raw, &r->h, err);
	if (r->header == JOURNAL_DAMAGED)
		return err ? err->code : TRANSHIP_ECORRUPT;
	if (r->header == JOURNAL_LOST || r->file_size != journal_length(&r->h))
		return 0;
	crc = crc32c(0, raw, sizeof(raw));
	for (i = 0; i < r->h.pages; i++) {
		bool good;

		rc = load_record(r, i, &good, err);
		if (rc || !good || (i > 0 && r->head.page <= last))
			return rc;
		last = r->head.page;
		crc = crc32c(crc, r->record, JOURNAL_RECORD);
	}
	rc = read_journal(r, journal_length(&r->h) - JOURNAL_TRAILER, raw, JOURNAL_TRAILER, err);
	*whole = rc == 0 && journal_trailer_ok(raw, &r->h, crc);
	return rc;
}

static int damaged(const struct recovery *r, const char *evidence, uint64_t value,
		   struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT,
			 "journal: '%s' is damaged, and %s %" PRIu64
			 " does not agree with it; nothing was written",
			 r->site->journal, evidence, value);
}

/* A head of a journal that is not whole: the page that it names must not have changed. */
static int check_untouched(struct recovery *r, uint64_t at, const unsigned char *raw,
			   struct tranship_error *err)
{
	uint64_t off = JOURNAL_HEADER + at * JOURNAL_RECORD;
	enum journal_part part = journal_head_decode(raw, &r->head);
	int rc;

	if (part == JOURNAL_LOST || (r->header == JOURNAL_LOST && journal_trailer_alone_ok(raw)))
		return 0;
	if (part == JOURNAL_DAMAGED || (r->header == JOURNAL_GOOD && r->head.id != r->h.id))
		return damaged(r, "its head at", off, err);
	rc = load_target(r, err);
	if (rc)
		return rc;
	if (crc32c(0, r->target, JOURNAL_PAGE) != r->head.old_crc)
		return damaged(r, "the file's page at", r->head.page * JOURNAL_PAGE, err);
	return 0;
}

/* Not whole: it was torn, if all that is left of it agrees with a target that was not touched. */
static int check_torn(struct recovery *r, struct tranship_error *err)
{
	unsigned char raw[JOURNAL_HEAD];
	uint64_t i, off;
	int rc = 0;

	if (r->header == JOURNAL_GOOD && r->target_size != r->h.old_len)
		return damaged(r, "the file's length", r->target_size, err);
	for (i = 0; rc == 0; i++) {
		off = JOURNAL_HEADER + i * JOURNAL_RECORD;
		if ((r->header == JOURNAL_GOOD && i >= r->h.pages) || off >= r->file_size)
			break;
		rc = read_journal(r, off, raw, sizeof(raw), err);
		if (rc == 0)
			rc = check_untouched(r, i, raw, err);
	}
	return rc;
}

/* Where the next piece of a page begins that was written, cut or zeroed as one: behind a sector, or
 * at one of the ends that the file had or would have had. */
static uint64_t piece_end(const struct recovery *r, uint64_t off)
{
	uint64_t ends[] = { r->h.undo_len, r->h.old_len, r->h.new_len, r->target_size };
	uint64_t end = round_down(off, JOURNAL_SECTOR) + JOURNAL_SECTOR;
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (ends[i] > off)
			end = min_u64(end, ends[i]);
	return end;
}

/* Bytes that a longer file gained, or a shorter one lost, count as zeros on the side that has none.
 */
static bool piece_ok(const struct recovery *r, size_t at, size_t len)
{
	return memcmp(r->target + at, old_page(r) + at, len) == 0 ||
	       memcmp(r->target + at, new_page(r) + at, len) == 0;
}

static int check_page(struct recovery *r, struct tranship_error *err)
{
	uint64_t start = r->head.page * JOURNAL_PAGE, off, end;
	int rc = load_target(r, err);

	for (off = start; rc == 0 && off < start + JOURNAL_PAGE && off < r->target_size;
	     off = end) {
		end = piece_end(r, off);
		if (!piece_ok(r, (size_t)(off - start), (size_t)(end - off)))
			return error_set(err, TRANSHIP_ECORRUPT,
					 "journal: the file's %" PRIu64 " bytes at %" PRIu64
					 " are neither what they were before the interrupted "
					 "change nor what it would have made; nothing was written",
					 end - off, off);
	}
	return rc;
}

static int check_target(struct recovery *r, struct tranship_error *err)
{
	const struct journal_header *h = &r->h;
	uint64_t low = min_u64(h->undo_len, min_u64(h->old_len, h->new_len));
	uint64_t high = max_u64(h->undo_len, max_u64(h->old_len, h->new_len));
	uint64_t i;
	bool good;
	int rc = 0;

	if (h->device != r->site->device || (!h->device && h->ino != r->site->ino))
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the journal '%s' belongs to another file (inode %" PRIu64
				 ", this one is %" PRIu64 "): if this one "
				 "replaced that, remove the journal; if it is a copy of that, it "
				 "is unfinished",
				 r->site->journal, h->ino, r->site->ino);
	if (r->target_size < low || r->target_size > high)
		return error_set(err, h->device ? TRANSHIP_EMISMATCH : TRANSHIP_ECORRUPT,
				 "journal: the file is %" PRIu64
				 " bytes long, which the interrupted change (%" PRIu64
				 " to %" PRIu64 ") cannot have left; nothing was written",
				 r->target_size, low, high);
	for (i = 0; rc == 0 && i < h->pages; i++) {
		rc = load_record(r, i, &good, err);
		if (rc == 0)
			rc = good ? check_page(r, err)
				  : damaged(r, "its record", i, err); /* between two reads */
	}
	return rc;
}

static int undo_page(struct recovery *r, struct tranship_error *err)
{
	uint64_t off = r->head.page * JOURNAL_PAGE;
	size_t len;
	int rc;

	if (off >= r->h.undo_len)
		return 0;
	len = (size_t)min_u64(JOURNAL_PAGE, r->h.undo_len - off);
	rc = load_target(r, err);
	if (rc)
		return rc;
	if (off + len <= r->target_size && memcmp(r->target, old_page(r), len) == 0)
		return 0;
	return medium_write(r->site->medium, r->site->target, "the file", off, old_page(r), len,
			    err);
}

static int undo(struct recovery *r, struct tranship_error *err)
{
	const struct medium *m = r->site->medium;
	uint64_t i;
	bool good;
	/* Whole in memory may be torn on the medium, if its writer was killed before the sync. */
	int rc = medium_sync(m, r->file, "the journal", err);

	for (i = 0; rc == 0 && i < r->h.pages; i++) {
		rc = load_record(r, i, &good, err);
		if (rc == 0)
			rc = good ? undo_page(r, err) : damaged(r, "its record", i, err);
	}
	if (rc == 0 && !r->h.device)
		rc = medium_resize(m, r->site->target, "the file", r->h.undo_len, err);
	return rc ? rc : medium_sync(m, r->site->target, "the file", err);
}

static int recover_open(struct recovery *r, struct tranship_error *err)
{
	const struct medium *m = r->site->medium;
	struct medium_info info;
	bool whole;
	int rc, sys = m->ops->info(m->ctx, r->file, &info);

	if (sys)
		return error_sys(err, sys, "fstat of the journal failed");
	if (!S_ISREG(info.mode))
		return error_set(err, TRANSHIP_ECORRUPT, "the journal '%s' is no regular file",
				 r->site->journal);
	r->file_size = info.size;
	sys = m->ops->info(m->ctx, r->site->target, &info);
	if (sys)
		return error_sys(err, sys, "fstat failed");
	r->target_size = info.size;
	rc = check_whole(r, &whole, err);
	if (rc)
		return rc;
	if (!whole)
		return check_torn(r, err);
	rc = check_target(r, err);
	return rc ? rc : undo(r, err);
}

int journal_recover(const struct journal_site *site, bool *found, struct tranship_error *err)
{
	const struct medium *m = site->medium;
	struct recovery *r;
	struct tranship_error local;
	int file, rc, sys = m->ops->open(m->ctx, site->folder, site->journal, false, &file);

	*found = sys == 0;
	if (sys == ENOENT || sys == ENAMETOOLONG)
		return 0;
	if (sys)
		return error_sys(err, sys, "the journal '%s' could not be opened", site->journal);
	r = calloc(1, sizeof(*r));
	if (!r) {
		m->ops->close(m->ctx, file);
		return error_nomem(err, sizeof(*r));
	}
	r->site = site;
	r->file = file;
	rc = recover_open(r, &local);
	m->ops->close(m->ctx, file);
	free(r);
	return rc ? error_copy(err, &local, rc) : journal_remove(site, err);
}
