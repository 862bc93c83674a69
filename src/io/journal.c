// SPDX-License-Identifier: Apache-2.0
/* The journal's writing half. The order of its syncs is what in-place work stands on. */
#include "io/journal.h"

#include "base/buffer.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define WRITE_CHUNK (1U << 20)

/* A journal being written: its parts pass through one buffer. */
struct journal_out {
	const struct journal_site *site;
	int file;
	struct buffer buf;
	uint64_t off; /* of the buffer in the file */
	uint32_t crc; /* of everything so far */
};

int journal_read_target(const struct journal_site *site, uint64_t page, uint64_t size,
			unsigned char *out, struct tranship_error *err)
{
	uint64_t off = page * JOURNAL_PAGE;
	size_t len = off < size ? (size_t)min_u64(JOURNAL_PAGE, size - off) : 0, got = 0;
	int rc = 0;

	if (len > 0)
		rc = medium_read(site->medium, site->target, "the file", off, out, len, &got, err);
	if (rc == 0)
		memset(out + got, 0, JOURNAL_PAGE - got);
	return rc;
}

static int flush(struct journal_out *j, struct tranship_error *err)
{
	int rc = medium_write(j->site->medium, j->file, "the journal", j->off, j->buf.bytes,
			      j->buf.len, err);

	j->off += j->buf.len;
	j->buf.len = 0;
	return rc;
}

static int add(struct journal_out *j, const void *bytes, size_t len, struct tranship_error *err)
{
	int rc = j->buf.len + len > WRITE_CHUNK ? flush(j, err) : 0;

	if (rc)
		return rc;
	j->crc = crc32c(j->crc, bytes, len);
	return buffer_append(&j->buf, bytes, len, err);
}

static int add_page(struct journal_out *j, const struct journal_header *h,
		    const struct journal_page *page, struct tranship_error *err)
{
	unsigned char old[JOURNAL_PAGE], raw[JOURNAL_HEAD];
	struct journal_head head = { .id = h->id, .page = page->page };
	int rc = journal_read_target(j->site, page->page, h->old_len, old, err);

	if (rc)
		return rc;
	head.old_crc = crc32c(0, old, JOURNAL_PAGE);
	head.new_crc = crc32c(0, page->bytes, JOURNAL_PAGE);
	journal_head_encode(&head, raw);
	rc = add(j, raw, sizeof(raw), err);
	if (rc == 0)
		rc = add(j, old, JOURNAL_PAGE, err);
	return rc ? rc : add(j, page->bytes, JOURNAL_PAGE, err);
}

static int write_parts(struct journal_out *j, const struct journal_header *h,
		       const struct journal_page *pages, struct tranship_error *err)
{
	unsigned char raw[JOURNAL_HEADER];
	uint64_t i;
	int rc;

	journal_header_encode(h, raw);
	rc = add(j, raw, JOURNAL_HEADER, err);
	for (i = 0; rc == 0 && i < h->pages; i++)
		rc = add_page(j, h, &pages[i], err);
	if (rc)
		return rc;
	journal_trailer_encode(h, j->crc, raw);
	rc = add(j, raw, JOURNAL_TRAILER, err);
	return rc ? rc : flush(j, err);
}

int journal_remove(const struct journal_site *site, struct tranship_error *err)
{
	int rc = medium_unlink(site->medium, site->folder, site->journal, err);

	return rc ? rc : medium_sync_folder(site->medium, site->folder, err);
}

int journal_write(const struct journal_site *site, struct journal_header *h,
		  const struct journal_page *pages, bool *final, struct tranship_error *err)
{
	const struct medium *m = site->medium;
	struct journal_out j = { .site = site };
	int rc, sys;

	*final = false;
	h->device = site->device;
	h->ino = site->ino;
	h->dev = site->dev;
	if (getrandom(&h->id, sizeof(h->id), 0) != sizeof(h->id))
		return error_sys(err, errno, "the system gave no random bytes");
	sys = m->ops->open(m->ctx, site->folder, site->journal, true, &j.file);
	if (sys)
		return error_sys(err, sys, "the journal '%s' could not be created", site->journal);
	rc = write_parts(&j, h, pages, err);
	buffer_free(&j.buf);
	if (rc == 0) {
		rc = medium_sync(m, j.file, "the journal", err);
		if (rc == 0) /* a journal that loses its name in a power loss is none */
			rc = medium_sync_folder(m, site->folder, err);
		*final = rc != 0;
	}
	m->ops->close(m->ctx, j.file);
	/* One that stayed, or came back, would undo what is done to the target from now on. */
	if (rc && journal_remove(site, NULL))
		*final = true;
	return rc;
}
