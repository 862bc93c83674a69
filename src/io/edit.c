// SPDX-License-Identifier: Apache-2.0
/*
 * Transactions on a file. What is pending is whole pages in memory; a page is read from the file
 * when it is first touched, its old content again when the journal is written, so that memory holds
 * each page once. Invariant: in a pending page, what lies behind the file's end is zero.
 */
#include "io/edit.h"

#include "base/checked.h"
#include "base/error.h"
#include "io/edit_inside.h"
#include "io/file_local.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int edit_refuse_failed(struct tranship_error *err)
{
	return error_set(err, TRANSHIP_EIO, "an earlier failure ended this change in place");
}

static int refuse_device_length(const struct edit *e, uint64_t size, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_EINVAL,
			 "a device of %" PRIu64 " bytes cannot become %" PRIu64 " bytes long",
			 e->medium_len, size);
}

static uint64_t page_of(uint64_t off)
{
	return off / JOURNAL_PAGE;
}

/* Up to which page [off, off + len) goes; len > 0. */
static uint64_t page_behind(uint64_t off, uint64_t len)
{
	return (off + len - 1) / JOURNAL_PAGE + 1;
}

static int edit_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	struct edit *e = ctx;
	const struct medium *m = e->site.medium;
	unsigned char *to = buf;

	while (len > 0) {
		size_t at = edit_pages_from(&e->pages, page_of(off)), got, n, skip;
		uint64_t next =
			at < e->pages.count ? e->pages.list[at].page * JOURNAL_PAGE : UINT64_MAX;
		int rc;

		if (next <= off) {
			skip = (size_t)(off - next);
			n = (size_t)min_u64(len, JOURNAL_PAGE - skip);
			memcpy(to, e->pages.list[at].bytes + skip, n);
		} else {
			n = (size_t)min_u64(len, next - off);
			rc = medium_read(m, e->site.target, "the file", off, to, n, &got, err);
			if (rc)
				return rc;
			memset(to + got, 0, n - got); /* the file will be longer */
		}
		to += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* Makes pages [first, end) pending, as they are: what fails on the way has changed nothing. */
static int hold_pages(struct edit *e, uint64_t first, uint64_t end, struct tranship_error *err)
{
	unsigned char *bytes;
	uint64_t page;
	int rc = 0;

	for (page = first; rc == 0 && page < end; page++) {
		if (edit_pages_get(&e->pages, page))
			continue;
		rc = edit_pages_add(&e->pages, page, &bytes, err);
		if (rc)
			return rc;
		rc = journal_read_target(&e->site, page, e->medium_len, bytes, err);
		if (rc)
			edit_pages_remove(&e->pages, page);
	}
	return rc;
}

/* Copies into those pages of the range that are pending. */
void edit_put_pages(struct edit *e, uint64_t off, const unsigned char *from, size_t len)
{
	while (len > 0) {
		size_t skip = (size_t)(off % JOURNAL_PAGE);
		size_t n = (size_t)min_u64(len, JOURNAL_PAGE - skip);
		unsigned char *bytes = edit_pages_get(&e->pages, page_of(off));

		if (bytes)
			memcpy(bytes + skip, from, n);
		off += n;
		from += n;
		len -= n;
	}
}

static int edit_write(void *ctx, uint64_t off, const void *buf, size_t len,
		      struct tranship_error *err)
{
	struct edit *e = ctx;
	int rc;

	if (e->failed)
		return edit_refuse_failed(err);
	if (e->site.device && off + len > e->medium_len)
		return refuse_device_length(e, off + len, err);
	rc = hold_pages(e, page_of(off), page_behind(off, len), err);
	if (rc == 0)
		edit_put_pages(e, off, buf, len);
	return rc;
}

static int edit_zero(void *ctx, uint64_t off, uint64_t len, struct tranship_error *err)
{
	static const unsigned char zeros[JOURNAL_PAGE];
	struct edit *e = ctx;
	int rc = e->failed ? edit_refuse_failed(err) : 0;

	if (rc == 0)
		rc = hold_pages(e, page_of(off), page_behind(off, len), err);
	while (rc == 0 && len > 0) {
		size_t n = (size_t)min_u64(len, JOURNAL_PAGE);

		edit_put_pages(e, off, zeros, n);
		off += n;
		len -= n;
	}
	return rc;
}

/* What is cut becomes zeros, which is what the file has there if it grows again. */
static int cut(struct edit *e, uint64_t size, struct tranship_error *err)
{
	static const unsigned char zeros[JOURNAL_PAGE];
	uint64_t old = e->medium_len;
	size_t at;
	int rc = 0;

	if (old > size && old - size > EDIT_CUT_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "a transaction cannot make a file of %" PRIu64 " bytes shorter by "
				 "more than %u bytes: %" PRIu64 " were asked for",
				 old, EDIT_CUT_MAX, old - size);
	if (old > size)
		rc = hold_pages(e, page_of(size), page_behind(size, old - size), err);
	if (rc)
		return rc;
	if (size % JOURNAL_PAGE)
		edit_put_pages(e, size, zeros, JOURNAL_PAGE - (size_t)(size % JOURNAL_PAGE));
	for (at = edit_pages_from(&e->pages, div_up(size, JOURNAL_PAGE)); at < e->pages.count; at++)
		memset(e->pages.list[at].bytes, 0, JOURNAL_PAGE);
	return 0;
}

static int edit_resize(void *ctx, uint64_t size, struct tranship_error *err)
{
	struct edit *e = ctx;

	if (e->failed)
		return edit_refuse_failed(err);
	if (e->site.device && size != e->medium_len)
		return refuse_device_length(e, size, err);
	if (size > INT64_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "a file cannot become %" PRIu64 " bytes long", size);
	return size < e->file->size ? cut(e, size, err) : 0;
}

const struct tranship_file_ops edit_file_ops = {
	.read = edit_read,
	.write = edit_write,
	.resize = edit_resize,
	.zero = edit_zero,
};

/* What goes through a view goes through the edit's own file, which keeps the length. */
static int view_write(void *ctx, uint64_t off, const void *buf, size_t len,
		      struct tranship_error *err)
{
	return file_write(((struct edit *)ctx)->file, off, buf, len, err);
}

static int view_resize(void *ctx, uint64_t size, struct tranship_error *err)
{
	return file_resize(((struct edit *)ctx)->file, size, err);
}

static int view_zero(void *ctx, uint64_t off, uint64_t len, struct tranship_error *err)
{
	return file_zero(((struct edit *)ctx)->file, off, len, err);
}

/* Holes are told as long as nothing is pending: tables of huge images are full of them. */
static int view_map(void *ctx, uint64_t off, struct tranship_file_extent *out,
		    struct tranship_error *err)
{
	const struct edit *e = ctx;

	(void)err;
	if (!edit_pending(e) && e->site.medium == &medium_local)
		file_local_map(e->site.target, off, out);
	return 0;
}

static const struct tranship_file_ops view_ops = {
	.read = edit_read,
	.map = view_map,
	.write = view_write,
	.resize = view_resize,
	.zero = view_zero,
};

struct edit *edit_of(const struct tranship_file *view)
{
	return view->ops == &view_ops ? view->ctx : NULL;
}

struct tranship_file *edit_file(struct edit *e)
{
	return e->file;
}

int edit_view(struct edit *e, struct tranship_file **out, struct tranship_error *err)
{
	int rc = tranship_file_new(&view_ops, e, e->file->size, out, err);

	if (rc == 0) {
		(*out)->has_id = e->file->has_id;
		(*out)->id = e->file->id;
		(*out)->allocated = e->file->allocated;
	}
	return rc;
}

bool edit_recovered(const struct edit *e)
{
	return e->recovered;
}

int edit_info(const struct edit *e, struct medium_info *out, struct tranship_error *err)
{
	const struct medium *m = e->site.medium;
	int sys = m->ops->info(m->ctx, e->site.target, out);

	return sys ? error_sys(err, sys, "fstat failed") : 0;
}

bool edit_failed(const struct edit *e)
{
	return e->failed;
}

bool edit_pending(const struct edit *e)
{
	return e->pages.count > 0 || e->file->size != e->undo_len || e->free_unsynced;
}

int edit_write_free(struct edit *e, uint64_t off, const void *buf, size_t len,
		    struct tranship_error *err)
{
	uint64_t end;
	int rc;

	if (e->failed)
		return edit_refuse_failed(err);
	if (!add_ok(off, len, &end) || end > INT64_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "offset %" PRIu64 " is past what a file can hold", off);
	if (e->site.device && end > e->medium_len)
		return refuse_device_length(e, end, err);
	if (e->file->size < e->medium_len)
		return error_set(err, TRANSHIP_EINVAL,
				 "nothing is free in a file that the same transaction cuts");
	if (len == 0)
		return 0;
	e->free_unsynced = true;
	rc = medium_write(e->site.medium, e->site.target, "the file", off, buf, len, err);
	if (rc) {
		e->failed = true; /* how long the file is now is not known */
		return rc;
	}
	e->medium_len = max_u64(e->medium_len, end);
	e->file->size = max_u64(e->file->size, end);
	edit_put_pages(e, off, buf, len);
	return 0;
}

int edit_sync_free(struct edit *e, struct tranship_error *err)
{
	int rc;

	if (e->failed)
		return edit_refuse_failed(err);
	if (!e->free_unsynced)
		return 0;
	rc = medium_sync(e->site.medium, e->site.target, "the file", err);
	e->failed = rc != 0;
	e->free_unsynced = false;
	return rc;
}

/* Leaves out the pages that would be written as they are. A page that is cut stays: its old content
 * is needed for the undo. */
static int drop_unchanged(struct edit *e, struct tranship_error *err)
{
	unsigned char old[JOURNAL_PAGE];
	size_t i, kept = 0;
	int rc = 0;

	for (i = 0; i < e->pages.count; i++) {
		struct journal_page *p = &e->pages.list[i];
		uint64_t off = p->page * JOURNAL_PAGE;
		bool is_cut = off < e->medium_len && e->file->size < e->medium_len &&
			      off + JOURNAL_PAGE > e->file->size;
		bool same = false;

		if (rc == 0 && !is_cut) {
			rc = journal_read_target(&e->site, p->page, e->medium_len, old, err);
			same = rc == 0 && memcmp(old, p->bytes, JOURNAL_PAGE) == 0;
		}
		if (same)
			free(p->bytes);
		else
			e->pages.list[kept++] = *p;
	}
	e->pages.count = kept;
	return rc;
}

/* The journal is durable; now the file itself. Not synced yet. */
static int change_target(struct edit *e, struct tranship_error *err)
{
	const struct medium *m = e->site.medium;
	uint64_t size = e->file->size, len = e->medium_len;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < e->pages.count; i++) {
		uint64_t off = e->pages.list[i].page * JOURNAL_PAGE;
		size_t n;

		if (off >= size)
			break;
		n = (size_t)min_u64(JOURNAL_PAGE, size - off);
		rc = medium_write(m, e->site.target, "the file", off, e->pages.list[i].bytes, n,
				  err);
		len = max_u64(len, off + n);
	}
	return rc || len == size ? rc : medium_resize(m, e->site.target, "the file", size, err);
}

/* A length alone changes wholly or not at all, without a journal. */
static int change_length(struct edit *e, uint64_t size, struct tranship_error *err)
{
	const struct medium *m = e->site.medium;
	int rc = medium_resize(m, e->site.target, "the file", size, err);

	if (rc == 0)
		rc = medium_sync(m, e->site.target, "the file", err);
	e->failed = rc != 0;
	return rc;
}

static void begin_next(struct edit *e)
{
	edit_pages_clear(&e->pages);
	e->medium_len = e->undo_len = e->file->size;
}

/* The transaction is neither empty nor refused. From here on every failure but the journal's own
 * is the end of this edit. */
static int apply_changes(struct edit *e, struct tranship_error *err)
{
	struct journal_header h = { .undo_len = e->undo_len,
				    .old_len = e->medium_len,
				    .new_len = e->file->size,
				    .pages = e->pages.count };
	bool found;
	int rc = journal_write(&e->site, &h, e->pages.list, &e->failed, err);

	if (rc)
		return rc;
	e->failed = true;
	rc = change_target(e, err);
	if (rc) { /* a full disk, for example: what can be put back at once is put back */
		journal_recover(&e->site, &found, NULL);
		return rc;
	}
	rc = medium_sync(e->site.medium, e->site.target, "the file", err);
	if (rc == 0)
		rc = journal_remove(&e->site, err);
	if (rc)
		return rc;
	e->failed = false;
	begin_next(e);
	return 0;
}

int edit_apply(struct edit *e, struct tranship_error *err)
{
	int rc = edit_sync_free(e, err);

	if (rc == 0)
		rc = drop_unchanged(e, err);
	if (rc)
		return rc;
	if (e->pages.count > 0)
		return apply_changes(e, err);
	if (e->file->size != e->medium_len)
		rc = change_length(e, e->file->size, err);
	if (rc == 0)
		begin_next(e);
	return rc;
}

int edit_truncate(struct edit *e, uint64_t size, struct tranship_error *err)
{
	int rc;

	if (e->failed)
		return edit_refuse_failed(err);
	if (e->site.device)
		return refuse_device_length(e, size, err);
	if (edit_pending(e) || size > e->medium_len)
		return error_set(err, TRANSHIP_EINVAL,
				 "a file of %" PRIu64 " bytes is cut to %" PRIu64
				 " bytes only to become shorter, and with nothing pending",
				 e->medium_len, size);
	rc = change_length(e, size, err);
	if (rc)
		return rc;
	e->file->size = size;
	begin_next(e);
	return 0;
}

void edit_close(struct edit *e)
{
	const struct medium *m;

	if (!e)
		return;
	m = e->site.medium;
	/* A tail that nothing came to refer to; if it cannot be cut it does no harm. */
	if (e->file && !e->failed && e->medium_len > e->undo_len)
		m->ops->resize(m->ctx, e->site.target, e->undo_len);
	edit_pages_clear(&e->pages);
	tranship_file_close(e->file);
	if (e->site.target >= 0)
		m->ops->close(m->ctx, e->site.target);
	if (e->site.folder >= 0)
		m->ops->close(m->ctx, e->site.folder);
	free(e);
}
