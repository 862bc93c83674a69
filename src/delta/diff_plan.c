// SPDX-License-Identifier: Apache-2.0
/* Which stretches of the disk are looked at, and in what pieces. */
#include "delta/diff.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/disk.h"

/* Where the old side is a fingerprint: it may have something wherever a page of it does. Only asked
 * where the new disk has nothing, because what it has is hashed anyway. */
static int fingerprint_kind(struct tranship_fingerprint *fp, uint64_t off, bool *data,
			    uint64_t *end, struct tranship_error *err)
{
	uint64_t block_size = fingerprint_head(fp)->block_size, next;
	int rc = fingerprint_next(fp, off / block_size, &next, err);

	if (rc)
		return rc;
	*data = next <= off / block_size;
	*end = UINT64_MAX;
	if (!*data && next < UINT64_MAX / block_size)
		*end = next * block_size;
	if (*data)
		*end = round_down(off, block_size) + block_size;
	return 0;
}

/* What both sides may have at off, and how far that goes. */
static int kinds_at(struct diff *d, enum diff_item_kind kind, uint64_t off, bool data[2],
		    uint64_t *end, struct tranship_error *err)
{
	struct tranship_fingerprint *fp = kind == ITEM_VERIFY ? d->verify : d->was;
	uint64_t other = UINT64_MAX;
	int rc = map_cursor_at(&d->cursor[0], off, &data[0], end, err);

	data[1] = false;
	if (rc == 0 && fp && data[0])
		data[1] = true;
	else if (rc == 0 && fp)
		rc = fingerprint_kind(fp, off, &data[1], &other, err);
	else if (rc == 0 && d->old)
		rc = map_cursor_at(&d->cursor[1], off, &data[1], &other, err);
	*end = min_u64(*end, other);
	return rc;
}

/* The same for whole units from `off`, a multiple of the unit, on. */
static int segment_at(struct diff *d, enum diff_item_kind kind, uint64_t off, bool data[2],
		      uint64_t *end, struct tranship_error *err)
{
	uint64_t unit_end = off + d->unit;
	int rc = kinds_at(d, kind, off, data, end, err);

	if (rc == 0 && *end >= unit_end) {
		*end = round_down(*end, d->unit);
		return 0;
	}
	while (rc == 0 && *end < unit_end) {
		bool more[2];

		rc = kinds_at(d, kind, *end, more, end, err);
		data[0] |= more[0];
		data[1] |= more[1];
	}
	*end = unit_end;
	return rc;
}

/*
 * A stretch of one pair of kinds, up to `limit`; short stretches of others are read along with it.
 * Where nobody has anything it is of any length.
 */
static int plan_window(struct diff *d, struct diff_item *item, uint64_t limit,
		       struct tranship_error *err)
{
	bool first[2] = { false, false };
	uint64_t at = item->off;

	while (at < limit) {
		bool data[2];
		uint64_t end;
		int rc = segment_at(d, item->kind, at, data, &end, err);

		if (rc)
			return rc;
		if (at == item->off) {
			first[0] = data[0];
			first[1] = data[1];
			if (data[0] || data[1])
				limit = min_u64(limit, round_down(at, d->window) + d->window);
		} else if ((data[0] != first[0] || data[1] != first[1]) &&
			   (end - at >= HOLE_MIN || !(first[0] || first[1]))) {
			break;
		}
		item->data[0] |= data[0];
		item->data[1] |= data[1];
		at = min_u64(end, limit);
	}
	item->len = at - item->off;
	if (!item->data[0] && !item->data[1])
		item->kind = ITEM_SAME;
	return 0;
}

/* Where the changes do not go: the end of the gap, or of the range, at off. */
static uint64_t changes_end(const struct diff *d, bool *inside)
{
	size_t n = tranship_changes_find(d->changes, d->off);
	struct tranship_change range;

	*inside = false;
	if (n == tranship_changes_count(d->changes))
		return d->end;
	range = tranship_changes_at(d->changes, n);
	*inside = range.off <= d->off;
	return *inside ? range.off + range.len : range.off;
}

int diff_plan(void *ctx, void *arg, struct tranship_error *err)
{
	struct diff *d = ctx;
	struct diff_item *item = arg;
	uint64_t limit = d->end;
	bool inside = true;
	int rc = 0;

	if (d->off >= d->end)
		return 0;
	if (d->changes)
		limit = changes_end(d, &inside);
	item->kind = inside ? ITEM_COMPARE : d->verify ? ITEM_VERIFY : ITEM_UNREAD;
	item->off = d->off;
	item->len = limit - d->off;
	item->data[0] = item->data[1] = false;
	if (item->kind != ITEM_UNREAD)
		rc = plan_window(d, item, limit, err);
	d->off += item->len;
	return rc ? rc : 1;
}
