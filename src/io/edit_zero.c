// SPDX-License-Identifier: Apache-2.0
/* Zeros for bytes that nothing refers to, at once. */
#include "base/checked.h"
#include "base/zero.h"
#include "io/edit_inside.h"

#define PIECE (64U << 10)

static const unsigned char zeros[PIECE];

void edit_zero_surely(struct edit *e, bool surely)
{
	e->zero_surely = surely;
}

static bool is_inside(const struct edit *e, uint64_t off, uint64_t len)
{
	return range_ok(off, len, e->medium_len) && range_ok(off, len, e->file->size);
}

static bool punch(struct edit *e, uint64_t off, uint64_t len)
{
	const struct medium *m = e->site.medium;
	uint64_t done, n;

	if (len == 0 || e->site.device || e->failed || !m->ops->punch || !is_inside(e, off, len))
		return false;
	e->free_unsynced = true;
	if (m->ops->punch(m->ctx, e->site.target, off, len))
		return false;
	for (done = 0; done < len; done += n) {
		n = min_u64(len - done, PIECE);
		edit_put_pages(e, off + done, zeros, (size_t)n);
	}
	return true;
}

/* Of a piece only what is not zeros; what is behind the end is written, so that the file grows. */
static int zero_piece(struct edit *e, uint64_t off, size_t len, struct tranship_error *err)
{
	unsigned char bytes[PIECE];
	size_t at, n, from = 0;
	int rc;

	if (!is_inside(e, off, len))
		return edit_write_free(e, off, zeros, len, err);
	rc = edit_file_ops.read(e, off, bytes, len, err);
	for (at = 0; rc == 0 && at < len; at += n) {
		n = (size_t)min_u64(len - at, JOURNAL_PAGE - (off + at) % JOURNAL_PAGE);
		if (!bytes_are_zero(bytes + at, n))
			continue;
		rc = edit_write_free(e, off + from, zeros, at - from, err);
		from = at + n;
	}
	return rc ? rc : edit_write_free(e, off + from, zeros, len - from, err);
}

int edit_zero_free(struct edit *e, uint64_t off, uint64_t len, struct tranship_error *err)
{
	int rc = 0;

	if (e->zero_surely && punch(e, off, len))
		return 0;
	while (len > 0 && rc == 0) {
		size_t n = (size_t)min_u64(len, PIECE);

		rc = e->zero_surely ? edit_write_free(e, off, zeros, n, err)
				    : zero_piece(e, off, n, err);
		off += n;
		len -= n;
	}
	return rc;
}
