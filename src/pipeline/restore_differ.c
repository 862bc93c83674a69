// SPDX-License-Identifier: Apache-2.0
#include "pipeline/restore_differ.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/zero.h"
#include "core/disk.h"

#include <stdlib.h>
#include <string.h>

/* What is compared as one, and read as one. */
#define CHUNK 4096U
#define PIECE (1U << 20)

struct differ {
	struct tranship_writer writer;
	struct tranship_writer *inner;
	struct tranship_disk *old;
	bool owns_old;
	struct differ_count *count;
	size_t chunk, piece;
	unsigned char *bytes; /* a piece of the old disk */
};

static struct differ *differ_of(struct tranship_writer *w)
{
	return (struct differ *)w;
}

static int pass(struct differ *d, uint64_t off, const unsigned char *data, size_t len, bool same,
		struct tranship_error *err)
{
	if (same) {
		d->count->same += len;
		return tranship_writer_skip(d->inner, off, len, err);
	}
	d->count->written += len;
	return data ? tranship_writer_put(d->inner, off, data, len, err)
		    : tranship_writer_zero(d->inner, off, len, err);
}

/* Reads a piece of what is there; false where it cannot be read. */
static bool read_old(struct differ *d, uint64_t off, size_t len, int *rc,
		     struct tranship_error *err)
{
	struct tranship_error why;

	*rc = tranship_disk_read(d->old, NULL, off, d->bytes, len, &why);
	if (*rc == 0)
		return true;
	*rc = is_loss(*rc) ? 0 : error_copy(err, &why, *rc);
	return false;
}

/* One piece; data NULL: zeros. */
static int compare_piece(struct differ *d, uint64_t off, const unsigned char *data, size_t len,
			 struct tranship_error *err)
{
	size_t at, n, end;
	int rc;

	if (!read_old(d, off, len, &rc, err))
		return rc ? rc : pass(d, off, data, len, false, err);
	for (at = 0; at < len && rc == 0; at = end) {
		bool first = true, same = false;

		for (end = at; end < len; end += n) {
			bool equal;

			n = (size_t)min_u64(d->chunk, len - end);
			equal = data ? memcmp(data + end, d->bytes + end, n) == 0
				     : bytes_are_zero(d->bytes + end, n);
			if (first)
				same = equal;
			else if (equal != same)
				break;
			first = false;
		}
		rc = pass(d, off + at, data ? data + at : NULL, end - at, same, err);
	}
	return rc;
}

static int differ_put(struct tranship_writer *w, uint64_t off, uint64_t len, const void *stored,
		      size_t stored_len, struct tranship_error *err)
{
	struct differ *d = differ_of(w);
	const unsigned char *data = stored;
	int rc = 0;

	(void)len;
	while (stored_len > 0 && rc == 0) {
		size_t n = (size_t)min_u64(stored_len, d->piece);

		rc = compare_piece(d, off, data, n, err);
		off += n;
		data += n;
		stored_len -= n;
	}
	return rc;
}

/* How much from off on is zeros by the old disk's map, in whole chunks; 0: it is to be read. */
static uint64_t zeros_at(struct differ *d, uint64_t off, uint64_t end)
{
	struct tranship_extent e;

	if (tranship_disk_map(d->old, off, &e, NULL) || e.kind == TRANSHIP_DATA ||
	    e.kind == TRANSHIP_LOST)
		return 0;
	return e.len >= end - off ? end - off : round_down(e.len, d->chunk);
}

static int differ_zero(struct tranship_writer *w, uint64_t off, uint64_t len,
		       struct tranship_error *err)
{
	struct differ *d = differ_of(w);
	uint64_t end = off + len, n;
	int rc = 0;

	for (; off < end && rc == 0; off += n) {
		n = zeros_at(d, off, end);
		if (n > 0) {
			d->count->same += n;
			rc = tranship_writer_skip(d->inner, off, n, err);
			continue;
		}
		n = min_u64(end - off, d->piece);
		rc = compare_piece(d, off, NULL, (size_t)n, err);
	}
	return rc;
}

static int differ_finish(struct tranship_writer *w, struct tranship_error *err)
{
	return tranship_writer_finish(differ_of(w)->inner, err);
}

static uint64_t differ_full_size(const struct tranship_writer *w)
{
	return w->size;
}

static void differ_close(struct tranship_writer *w)
{
	struct differ *d = differ_of(w);

	if (d->owns_old)
		tranship_disk_close(d->old);
	tranship_writer_close(d->inner);
	free(d->bytes);
	free(d);
}

static const struct writer_ops differ_ops = {
	.put = differ_put,
	.zero = differ_zero,
	.finish = differ_finish,
	.full_size = differ_full_size,
	.close = differ_close,
};

int differ_new(struct tranship_writer *inner, struct tranship_disk *old, bool owns_old,
	       struct differ_count *count, struct tranship_writer **out, struct tranship_error *err)
{
	struct differ *d = calloc(1, sizeof(*d));

	*out = NULL;
	if (!d)
		return error_nomem(err, sizeof(*d));
	d->chunk = (size_t)max_u64(CHUNK, inner->unit);
	d->piece = (size_t)max_u64(PIECE, d->chunk);
	d->bytes = malloc(d->piece);
	if (!d->bytes) {
		free(d);
		return error_nomem(err, PIECE);
	}
	writer_init(&d->writer, &differ_ops, inner->size, (uint32_t)d->chunk);
	d->writer.sector_size = inner->sector_size;
	inner->has_base = true; /* what is there already, which is skipped */
	d->inner = inner;
	d->old = old;
	d->owns_old = owns_old;
	d->count = count;
	*out = &d->writer;
	return 0;
}
