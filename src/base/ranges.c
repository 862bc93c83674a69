// SPDX-License-Identifier: Apache-2.0
#include "base/ranges.h"

#include "base/checked.h"
#include "base/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* How many ranges wait to be sorted together. */
#define WAITING_MAX ((size_t)1 << 16)

void ranges_free(struct ranges *r)
{
	free(r->at);
	r->at = NULL;
	r->count = 0;
	r->cap = 0;
}

/* Room for `extra` more. */
static int reserve(struct ranges *r, size_t extra, struct tranship_error *err)
{
	size_t need = r->count + extra, cap = r->cap + r->cap / 2;
	struct range *at;

	if (need <= r->cap)
		return 0;
	if (cap < need)
		cap = need < 16 ? 16 : need;
	at = realloc(r->at, cap * sizeof(*at));
	if (!at)
		return error_nomem(err, cap * sizeof(*at));
	r->at = at;
	r->cap = cap;
	return 0;
}

static uint64_t gap_before(const struct ranges *r, size_t i)
{
	return r->at[i].off - range_end(&r->at[i - 1]);
}

/* The smallest gap so that at most `want` ranges are left if gaps up to it are closed. */
static uint64_t gap_to_close(const struct ranges *r, size_t want)
{
	uint64_t low = 0, high = (uint64_t)INT64_MAX;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		size_t left = 1, i;

		for (i = 1; i < r->count; i++)
			left += gap_before(r, i) > middle;
		if (left <= want)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Makes one of those that are nearest to each other, until half of them are left. The bytes between
 * them may be anything, so what they become is data. */
static void coarsen(struct ranges *r)
{
	uint64_t gap = gap_to_close(r, r->max / 2);
	size_t to = 0, i;

	for (i = 1; i < r->count; i++) {
		struct range *last = &r->at[to];

		if (r->at[i].off - range_end(last) <= gap)
			*last = range_of(last->off, range_end(&r->at[i]) - last->off, RANGE_DATA);
		else
			r->at[++to] = r->at[i];
	}
	r->count = to + 1;
}

/* Behind the others, overlapping none. */
static int push(struct ranges *r, uint64_t off, uint64_t len, enum range_kind kind,
		struct tranship_error *err)
{
	struct range *last = r->count ? &r->at[r->count - 1] : NULL;
	int rc;

	if (len == 0)
		return 0;
	if (last && range_end(last) == off && range_kind(last) == kind) {
		*last = range_of(last->off, range_len(last) + len, kind);
		return 0;
	}
	rc = reserve(r, 1, err);
	if (rc)
		return rc;
	r->at[r->count++] = range_of(off, len, kind);
	if (r->count > r->max)
		coarsen(r);
	return 0;
}

int ranges_append(struct ranges *r, uint64_t off, uint64_t len, enum range_kind kind,
		  struct tranship_error *err)
{
	uint64_t end = off + len, tail;
	struct range last;
	int rc;

	if (r->count == 0 || range_end(&r->at[r->count - 1]) <= off)
		return push(r, off, len, kind, err);
	last = r->at[r->count - 1];
	assert(off >= last.off);
	if (range_kind(&last) == kind || kind == RANGE_ZERO) {
		/* What the last one has stays; what passes it comes behind it. */
		tail = range_end(&last);
		return end > tail ? push(r, tail, end - tail, kind, err) : 0;
	}
	/* Data over zeros: what is before it, itself, and what is behind it. */
	tail = range_end(&last);
	r->count--;
	rc = push(r, last.off, off - last.off, RANGE_ZERO, err);
	if (rc == 0)
		rc = push(r, off, len, RANGE_DATA, err);
	if (rc == 0 && tail > end)
		rc = push(r, end, tail - end, RANGE_ZERO, err);
	return rc;
}

size_t ranges_find(const struct ranges *r, uint64_t off)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (range_end(&r->at[middle]) > off)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

int ranges_insert(struct ranges *r, uint64_t off, uint64_t len, enum range_kind kind,
		  struct tranship_error *err)
{
	/* Those that it overlaps or touches are [first, behind). */
	size_t first = ranges_find(r, off ? off - 1 : 0), behind;
	struct range one = range_of(off, len, kind);
	struct ranges old, new = { &one, 1, 1, SIZE_MAX }, both = { .max = SIZE_MAX };
	int rc;

	if (len == 0)
		return 0;
	if (first == r->count)
		return push(r, off, len, kind, err);
	behind = ranges_find(r, off + len);
	if (behind < r->count && r->at[behind].off <= off + len)
		behind++;
	old = (struct ranges){ r->at + first, behind - first, 0, SIZE_MAX };
	rc = ranges_combine(&old, &new, range_union, &both, err);
	if (rc == 0)
		rc = reserve(r, both.count, err);
	if (rc == 0) {
		memmove(r->at + first + both.count, r->at + behind,
			(r->count - behind) * sizeof(one));
		memcpy(r->at + first, both.at, both.count * sizeof(one));
		r->count = r->count - (behind - first) + both.count;
		if (r->count > r->max)
			coarsen(r);
	}
	ranges_free(&both);
	return rc;
}

enum range_kind range_union(enum range_kind a, enum range_kind b)
{
	return a > b ? a : b;
}

enum range_kind range_intersect(enum range_kind a, enum range_kind b)
{
	return a == RANGE_NONE || b == RANGE_NONE ? RANGE_NONE : range_union(a, b);
}

enum range_kind range_subtract(enum range_kind a, enum range_kind b)
{
	return b == RANGE_NONE ? a : RANGE_NONE;
}

/* The kind of what begins at off, where *i is the first range that ends behind it, and in *end
 * where that ceases. */
static enum range_kind kind_at(const struct ranges *r, size_t i, uint64_t off, uint64_t *end)
{
	if (i == r->count) {
		*end = UINT64_MAX;
		return RANGE_NONE;
	}
	if (r->at[i].off > off) {
		*end = r->at[i].off;
		return RANGE_NONE;
	}
	*end = range_end(&r->at[i]);
	return range_kind(&r->at[i]);
}

int ranges_combine(const struct ranges *a, const struct ranges *b, range_rule *rule,
		   struct ranges *out, struct tranship_error *err)
{
	uint64_t off = 0;
	size_t i = 0, j = 0;
	int rc = 0;

	while (rc == 0 && (i < a->count || j < b->count)) {
		uint64_t a_end, b_end, end;
		enum range_kind of_a = kind_at(a, i, off, &a_end);
		enum range_kind of_b = kind_at(b, j, off, &b_end), kind = rule(of_a, of_b);

		end = min_u64(a_end, b_end);
		if (kind != RANGE_NONE)
			rc = push(out, off, end - off, kind, err);
		i += of_a != RANGE_NONE && a_end == end;
		j += of_b != RANGE_NONE && b_end == end;
		off = end;
	}
	return rc;
}

/* Data first, then ascending. */
static int compare(const void *left, const void *right)
{
	const struct range *a = left, *b = right;

	if ((a->bits & 1) != (b->bits & 1))
		return a->bits & 1 ? 1 : -1;
	return a->off < b->off ? -1 : a->off > b->off;
}

/* Makes one of those that overlap or touch among [first, first + count), ascending and of one kind;
 * how many are left. */
static size_t merge(struct range *first, size_t count)
{
	size_t to = 0, i;

	for (i = 1; i < count; i++) {
		uint64_t end = max_u64(range_end(&first[to]), range_end(&first[i]));

		if (first[i].off <= range_end(&first[to]))
			first[to] = range_of(first[to].off, end - first[to].off,
					     range_kind(&first[to]));
		else
			first[++to] = first[i];
	}
	return count ? to + 1 : 0;
}

/* Puts those that wait, of one kind, into the set. */
static int settle_kind(struct ranges_heap *h, struct range *first, size_t count,
		       struct tranship_error *err)
{
	struct ranges more = { first, merge(first, count), count, SIZE_MAX };
	struct ranges both = { .max = h->set.max };
	size_t i;
	int rc;

	if (more.count == 0)
		return 0;
	if (h->set.count == 0 || range_end(&h->set.at[h->set.count - 1]) <= first->off) {
		for (i = 0, rc = 0; rc == 0 && i < more.count; i++)
			rc = ranges_append(&h->set, first[i].off, range_len(&first[i]),
					   range_kind(&first[i]), err);
		return rc;
	}
	rc = ranges_combine(&h->set, &more, range_union, &both, err);
	if (rc) {
		ranges_free(&both);
		return rc;
	}
	ranges_free(&h->set);
	h->set = both;
	return 0;
}

int ranges_heap_settle(struct ranges_heap *h, struct tranship_error *err)
{
	size_t data = 0;
	int rc;

	if (h->count == 0)
		return 0;
	qsort(h->waiting, h->count, sizeof(*h->waiting), compare);
	while (data < h->count && range_kind(&h->waiting[data]) == RANGE_DATA)
		data++;
	rc = settle_kind(h, h->waiting, data, err);
	if (rc == 0)
		rc = settle_kind(h, h->waiting + data, h->count - data, err);
	h->count = 0;
	return rc;
}

int ranges_heap_add(struct ranges_heap *h, uint64_t off, uint64_t len, enum range_kind kind,
		    struct tranship_error *err)
{
	const struct range *last = h->set.count ? &h->set.at[h->set.count - 1] : NULL;

	/* Ascending ranges need not wait. */
	if (h->count == 0 && (!last || last->off <= off))
		return ranges_append(&h->set, off, len, kind, err);
	if (!h->waiting) {
		h->waiting = malloc(WAITING_MAX * sizeof(*h->waiting));
		if (!h->waiting)
			return error_nomem(err, WAITING_MAX * sizeof(*h->waiting));
	}
	h->waiting[h->count++] = range_of(off, len, kind);
	return h->count < WAITING_MAX ? 0 : ranges_heap_settle(h, err);
}

void ranges_heap_free(struct ranges_heap *h)
{
	ranges_free(&h->set);
	free(h->waiting);
	h->waiting = NULL;
	h->count = 0;
}
