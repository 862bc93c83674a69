/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of a disk of two kinds, ascending and disjoint; neighbours of one kind that touch are one.
 * There are at most `max` of them: past that those with the smallest gaps between them become one,
 * so the set may grow, and is never less than what was put in.
 */
#ifndef BASE_RANGES_H
#define BASE_RANGES_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RANGE_ZERO: known to be zeros; RANGE_DATA: anything. */
enum range_kind { RANGE_NONE, RANGE_ZERO, RANGE_DATA };

/* Offsets and lengths are less than 2^63; 16 bytes, because there may be a million. */
struct range {
	uint64_t off;
	uint64_t bits; /* twice the length, and 1 where it is zeros */
};

static inline struct range range_of(uint64_t off, uint64_t len, enum range_kind kind)
{
	return (struct range){ off, len << 1 | (kind == RANGE_ZERO) };
}

static inline uint64_t range_len(const struct range *r)
{
	return r->bits >> 1;
}

static inline uint64_t range_end(const struct range *r)
{
	return r->off + (r->bits >> 1);
}

static inline enum range_kind range_kind(const struct range *r)
{
	return r->bits & 1 ? RANGE_ZERO : RANGE_DATA;
}

/* Zero-initialise it and set max (at least 2); ranges_free gives the memory back. */
struct ranges {
	struct range *at;
	size_t count;
	size_t cap;
	size_t max;
};

void ranges_free(struct ranges *r);

/* Adds behind the others: off is not before the last one's. Where it overlaps the last one, the
 * overlap is data if either is. */
int ranges_append(struct ranges *r, uint64_t off, uint64_t len, enum range_kind kind,
		  struct tranship_error *err);
/* The same anywhere: takes time in proportion to how many stand behind it. */
int ranges_insert(struct ranges *r, uint64_t off, uint64_t len, enum range_kind kind,
		  struct tranship_error *err);

/* The first range that ends behind off; count if there is none. */
size_t ranges_find(const struct ranges *r, uint64_t off);

/* What becomes of a stretch that is of one kind in a and of another in b. Of two RANGE_NONE nothing
 * becomes. */
typedef enum range_kind range_rule(enum range_kind a, enum range_kind b);
enum range_kind range_union(enum range_kind a, enum range_kind b);
enum range_kind range_intersect(enum range_kind a, enum range_kind b);
enum range_kind range_subtract(enum range_kind a, enum range_kind b);

/* Goes through both and appends to *out, which is neither of them. */
int ranges_combine(const struct ranges *a, const struct ranges *b, range_rule *rule,
		   struct ranges *out, struct tranship_error *err);

/*
 * A set that is filled in any order: ranges wait, are sorted many at a time, and then join the
 * others. Zero-initialise it and set set.max.
 */
struct ranges_heap {
	struct ranges set;
	struct range *waiting;
	size_t count;
};

int ranges_heap_add(struct ranges_heap *h, uint64_t off, uint64_t len, enum range_kind kind,
		    struct tranship_error *err);
/* After this all of them are in h->set. */
int ranges_heap_settle(struct ranges_heap *h, struct tranship_error *err);
void ranges_heap_free(struct ranges_heap *h);

#endif
