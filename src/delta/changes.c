// SPDX-License-Identifier: Apache-2.0
/* The set: ranges of base/ranges.h with the size of the disk, an origin and two ids. */
#include "delta/changes.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int tranship_changes_new(uint64_t size, struct tranship_changes **out, struct tranship_error *err)
{
	*out = NULL;
	if (size > CHANGES_SIZE_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "changes: a disk of %" PRIu64 " bytes, at most %" PRIu64 " can be",
				 size, CHANGES_SIZE_MAX);
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return error_nomem(err, sizeof(**out));
	(*out)->size = size;
	(*out)->set.max = TRANSHIP_CHANGES_MAX;
	return 0;
}

void tranship_changes_free(struct tranship_changes *changes)
{
	if (!changes)
		return;
	ranges_free(&changes->set);
	free(changes);
}

int tranship_changes_add(struct tranship_changes *changes, uint64_t off, uint64_t len, bool zero,
			 struct tranship_error *err)
{
	struct ranges *set = &changes->set;
	enum range_kind kind = zero ? RANGE_ZERO : RANGE_DATA;

	if (len == 0)
		return error_set(err, TRANSHIP_EINVAL, "changes: the range at %" PRIu64 " is empty",
				 off);
	if (!range_ok(off, len, changes->size))
		return error_set(err, TRANSHIP_EINVAL,
				 "changes: %" PRIu64 " bytes at %" PRIu64
				 " pass the end of the disk (%" PRIu64 ")",
				 len, off, changes->size);
	if (set->count == 0 || set->at[set->count - 1].off <= off)
		return ranges_append(set, off, len, kind, err);
	return ranges_insert(set, off, len, kind, err);
}

uint64_t tranship_changes_size(const struct tranship_changes *changes)
{
	return changes->size;
}

size_t tranship_changes_count(const struct tranship_changes *changes)
{
	return changes->set.count;
}

uint64_t tranship_changes_bytes(const struct tranship_changes *changes)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < changes->set.count; i++)
		bytes += range_len(&changes->set.at[i]);
	return bytes;
}

struct tranship_change tranship_changes_at(const struct tranship_changes *changes, size_t index)
{
	const struct range *r = &changes->set.at[index];

	assert(index < changes->set.count);
	return (struct tranship_change){ .off = r->off,
					 .len = range_len(r),
					 .zero = range_kind(r) == RANGE_ZERO };
}

size_t tranship_changes_find(const struct tranship_changes *changes, uint64_t off)
{
	return ranges_find(&changes->set, off);
}

const char *tranship_changes_origin(const struct tranship_changes *changes)
{
	return changes->origin;
}

const char *tranship_changes_base_id(const struct tranship_changes *changes)
{
	return changes->base_id;
}

const char *tranship_changes_target_id(const struct tranship_changes *changes)
{
	return changes->target_id;
}

/* NULL is "". */
static int check_text(const char *what, const char *text, size_t max, struct tranship_error *err)
{
	size_t len = text ? strlen(text) : 0;

	if (len > max)
		return error_set(err, TRANSHIP_EINVAL,
				 "changes: %s of %zu bytes is longer than %zu", what, len, max);
	if (text && !text_is_line(text, max))
		return error_set(err, TRANSHIP_EINVAL, "changes: %s is no line of UTF-8", what);
	return 0;
}

static void set_text(char *to, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	memmove(to, text ? text : "", len);
	to[len] = '\0';
}

int tranship_changes_set_origin(struct tranship_changes *changes, const char *origin,
				struct tranship_error *err)
{
	int rc = check_text("an origin", origin, CHANGES_ORIGIN_MAX, err);

	if (rc == 0)
		set_text(changes->origin, origin);
	return rc;
}

int tranship_changes_set_ids(struct tranship_changes *changes, const char *base_id,
			     const char *target_id, struct tranship_error *err)
{
	int rc = check_text("a base id", base_id, TRANSHIP_ID_MAX, err);

	if (rc == 0)
		rc = check_text("a target id", target_id, TRANSHIP_ID_MAX, err);
	if (rc)
		return rc;
	set_text(changes->base_id, base_id);
	set_text(changes->target_id, target_id);
	return 0;
}

static const char *agreed(const char *a, const char *b)
{
	return strcmp(a, b) == 0 ? a : "";
}

static int combine(const struct tranship_changes *a, const struct tranship_changes *b,
		   range_rule *rule, struct tranship_changes **out, struct tranship_error *err)
{
	struct tranship_changes *new;
	int rc;

	*out = NULL;
	if (a->size != b->size)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "changes: of disks of %" PRIu64 " and %" PRIu64 " bytes", a->size,
				 b->size);
	rc = tranship_changes_new(a->size, &new, err);
	if (rc)
		return rc;
	rc = ranges_combine(&a->set, &b->set, rule, &new->set, err);
	if (rc) {
		tranship_changes_free(new);
		return rc;
	}
	set_text(new->origin, agreed(a->origin, b->origin));
	set_text(new->base_id, agreed(a->base_id, b->base_id));
	set_text(new->target_id, agreed(a->target_id, b->target_id));
	*out = new;
	return 0;
}

/* Whether b goes on where a ends. */
static bool follows(const struct tranship_changes *a, const struct tranship_changes *b)
{
	return *a->target_id && strcmp(a->target_id, b->base_id) == 0;
}

int tranship_changes_union(const struct tranship_changes *a, const struct tranship_changes *b,
			   struct tranship_changes **out, struct tranship_error *err)
{
	int rc = combine(a, b, range_union, out, err);

	if (rc)
		return rc;
	if (follows(a, b)) {
		set_text((*out)->base_id, a->base_id);
		set_text((*out)->target_id, b->target_id);
	} else if (follows(b, a)) {
		set_text((*out)->base_id, b->base_id);
		set_text((*out)->target_id, a->target_id);
	}
	return 0;
}

int tranship_changes_intersect(const struct tranship_changes *a, const struct tranship_changes *b,
			       struct tranship_changes **out, struct tranship_error *err)
{
	return combine(a, b, range_intersect, out, err);
}

int tranship_changes_subtract(const struct tranship_changes *a, const struct tranship_changes *b,
			      struct tranship_changes **out, struct tranship_error *err)
{
	return combine(a, b, range_subtract, out, err);
}

/* Where the block ends in which the last byte before `end` stands; the disk may end before that. */
static uint64_t block_end(uint64_t end, uint64_t block, uint64_t size)
{
	uint64_t up;

	return round_up_ok(end, block, &up) ? min_u64(up, size) : size;
}

/* Zeros become zeros in the blocks that they fill; the rest of them is rounded like data. */
static int round_zero(struct ranges *to, uint64_t off, uint64_t end, uint64_t block, uint64_t size,
		      struct tranship_error *err)
{
	uint64_t outer = round_down(off, block), outer_end = block_end(end, block, size);
	uint64_t inner = block_end(off, block, size);
	uint64_t inner_end = end == size ? size : round_down(end, block);
	int rc = 0;

	if (inner >= inner_end)
		return ranges_append(to, outer, outer_end - outer, RANGE_DATA, err);
	if (outer < inner)
		rc = ranges_append(to, outer, inner - outer, RANGE_DATA, err);
	if (rc == 0)
		rc = ranges_append(to, inner, inner_end - inner, RANGE_ZERO, err);
	if (rc == 0 && inner_end < outer_end)
		rc = ranges_append(to, inner_end, outer_end - inner_end, RANGE_DATA, err);
	return rc;
}

static int round_into(const struct tranship_changes *changes, uint64_t block, struct ranges *to,
		      struct tranship_error *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < changes->set.count; i++) {
		const struct range *r = &changes->set.at[i];
		uint64_t off = round_down(r->off, block);

		if (range_kind(r) == RANGE_ZERO)
			rc = round_zero(to, r->off, range_end(r), block, changes->size, err);
		else
			rc = ranges_append(to, off,
					   block_end(range_end(r), block, changes->size) - off,
					   RANGE_DATA, err);
	}
	return rc;
}

int tranship_changes_round(const struct tranship_changes *changes, uint64_t block,
			   struct tranship_changes **out, struct tranship_error *err)
{
	struct tranship_changes *new;
	int rc;

	*out = NULL;
	if (!is_pow2(block))
		return error_set(err, TRANSHIP_EINVAL,
				 "changes: a block of %" PRIu64 " bytes is no power of two", block);
	rc = tranship_changes_new(changes->size, &new, err);
	if (rc)
		return rc;
	rc = round_into(changes, block, &new->set, err);
	if (rc) {
		tranship_changes_free(new);
		return rc;
	}
	set_text(new->origin, changes->origin);
	set_text(new->base_id, changes->base_id);
	set_text(new->target_id, changes->target_id);
	*out = new;
	return 0;
}
