// SPDX-License-Identifier: Apache-2.0
/*
 * A set of slots: an ascending array, and a small hash table of those that came since, which are
 * merged into it when there are many. So a slot takes 16 bytes and a share of the table, less than
 * 24 together, and both adding and looking are fast.
 */
#include "emit/block_index.h"

#include "base/bytes.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define FRESH_MIN 2048U

struct slot_set {
	struct slot_id *sorted;
	size_t count, cap;
	struct slot_id *fresh; /* open addressing; all zero: empty */
	size_t fresh_count, fresh_cap;
	bool zero; /* the id of all zeros is in it */
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct slot_id));
}

static bool is_zero(const struct slot_id *id)
{
	static const struct slot_id zero;

	return slot_id_equal(id, &zero);
}

int slot_set_new(struct slot_set **out, struct tranship_error *err)
{
	struct slot_set *set = calloc(1, sizeof(*set));

	*out = NULL;
	if (!set)
		return error_nomem(err, sizeof(*set));
	set->fresh_cap = 2U * FRESH_MIN;
	set->fresh = calloc(set->fresh_cap, sizeof(*set->fresh));
	if (!set->fresh) {
		free(set);
		return error_nomem(err, 2U * FRESH_MIN * sizeof(struct slot_id));
	}
	*out = set;
	return 0;
}

void slot_set_free(struct slot_set *set)
{
	if (!set)
		return;
	free(set->sorted);
	free(set->fresh);
	free(set);
}

/* Where it is among the fresh ones, or would be. */
static struct slot_id *fresh_place(const struct slot_set *set, const struct slot_id *id)
{
	uint64_t hash = (get_be64(id->bytes) ^ get_be64(id->bytes + 8) * 0x9E3779B97F4A7C15U) *
			0xD6E8FEB86659FD93U;
	size_t at = (size_t)((hash ^ hash >> 32) % set->fresh_cap);

	while (!is_zero(&set->fresh[at]) && !slot_id_equal(&set->fresh[at], id))
		at = at + 1 == set->fresh_cap ? 0 : at + 1;
	return &set->fresh[at];
}

bool slot_set_has(const struct slot_set *set, const struct slot_id *id)
{
	if (!set)
		return false;
	if (is_zero(id))
		return set->zero;
	return (set->count && bsearch(id, set->sorted, set->count, sizeof(*id), compare)) ||
	       !is_zero(fresh_place(set, id));
}

/* Both are ascending and have none in common; the array has room for both. */
static void merge(struct slot_set *set, const struct slot_id *fresh, size_t n)
{
	size_t i = set->count, to = set->count + n;

	while (n > 0) {
		if (i > 0 && compare(&set->sorted[i - 1], &fresh[n - 1]) > 0)
			set->sorted[--to] = set->sorted[--i];
		else
			set->sorted[--to] = fresh[--n];
	}
}

static int settle(struct slot_set *set, struct tranship_error *err)
{
	size_t want = set->count + set->fresh_count, i, n = 0;

	if (want > set->cap) {
		struct slot_id *more = realloc(set->sorted, (want + want / 16) * sizeof(*more));

		if (!more)
			return error_nomem(err, (want + want / 16) * sizeof(*more));
		set->sorted = more;
		set->cap = want + want / 16;
	}
	for (i = 0; i < set->fresh_cap; i++)
		if (!is_zero(&set->fresh[i]))
			set->fresh[n++] = set->fresh[i];
	qsort(set->fresh, n, sizeof(*set->fresh), compare);
	merge(set, set->fresh, n);
	memset(set->fresh, 0, set->fresh_cap * sizeof(*set->fresh));
	set->count = want;
	set->fresh_count = 0;
	return 0;
}

/* The table grows with the array: merging costs a few steps an id, whatever the number. */
static int make_room(struct slot_set *set, struct tranship_error *err)
{
	size_t cap;
	struct slot_id *more;
	int rc = settle(set, err);

	cap = set->count / 8 & ~(size_t)1;
	if (rc || cap <= set->fresh_cap + set->fresh_cap / 4)
		return rc;
	more = calloc(cap, sizeof(*more));
	if (!more)
		return error_nomem(err, cap * sizeof(*more));
	free(set->fresh);
	set->fresh = more;
	set->fresh_cap = cap;
	return 0;
}

int slot_set_add(struct slot_set *set, const struct slot_id *id, struct tranship_error *err)
{
	int rc;

	if (is_zero(id)) {
		set->zero = true;
		return 0;
	}
	if (slot_set_has(set, id))
		return 0;
	if (set->fresh_count >= set->fresh_cap / 2) {
		rc = make_room(set, err);
		if (rc)
			return rc;
	}
	*fresh_place(set, id) = *id;
	set->fresh_count++;
	return 0;
}

size_t slot_set_count(const struct slot_set *set)
{
	return set ? set->count + set->fresh_count + set->zero : 0;
}

int slot_set_list(struct slot_set *set, const struct slot_id **ids, size_t *count,
		  struct tranship_error *err)
{
	int rc = settle(set, err);

	*ids = set->sorted;
	*count = set->count;
	return rc;
}
