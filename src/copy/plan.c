// SPDX-License-Identifier: Apache-2.0
#include "copy/plan.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/disk.h"

/* A run of what is lost ends after so many extents, so that planning it always ends soon. */
#define LOST_EXTENTS_MAX 4096U

static int ask_map(struct map_cursor *cursor, uint64_t off, struct tranship_error *err)
{
	bool survive = cursor->salvage && !tranship_disk_is_forward(cursor->disk);
	int rc;

	cursor->why.code = 0;
	rc = tranship_disk_map(cursor->disk, off, &cursor->extent, &cursor->why);
	if (rc == 0) {
		cursor->why.code = 0; /* what it said on its way does not count */
		return 0;
	}
	if (survive && is_loss(rc)) {
		disk_pass_over(cursor->disk, off, &cursor->extent);
		return 0;
	}
	cursor->extent.len = 0;
	return error_copy(err, &cursor->why, rc);
}

int map_cursor_kind(struct map_cursor *cursor, uint64_t off, enum tranship_extent_kind *kind,
		    uint64_t *end, struct tranship_error *err)
{
	const struct tranship_extent *e = &cursor->extent;

	*kind = TRANSHIP_ZERO;
	*end = UINT64_MAX;
	if (off >= tranship_disk_size(cursor->disk))
		return 0;
	if (e->len == 0 || off < e->off || off - e->off >= e->len) {
		int rc = ask_map(cursor, off, err);

		if (rc)
			return rc;
	}
	if (e->kind == TRANSHIP_DATA || e->kind == TRANSHIP_LOST)
		*kind = cursor->salvage ? e->kind : TRANSHIP_DATA;
	*end = e->off + e->len;
	return 0;
}

int map_cursor_at(struct map_cursor *cursor, uint64_t off, bool *data, uint64_t *end,
		  struct tranship_error *err)
{
	enum tranship_extent_kind kind;
	int rc = map_cursor_kind(cursor, off, &kind, end, err);

	*data = kind != TRANSHIP_ZERO;
	return rc;
}

/* As map_cursor_kind; over a base that has data nothing is zeros by itself. */
static int plan_kind(struct plan *plan, uint64_t off, enum tranship_extent_kind *kind,
		     uint64_t *end, struct tranship_error *err)
{
	uint64_t base_end;
	bool data;
	int rc = map_cursor_kind(&plan->cursor, off, kind, end, err);

	if (rc || !plan->base.disk || *kind != TRANSHIP_ZERO)
		return rc;
	rc = map_cursor_at(&plan->base, off, &data, &base_end, err);
	if (data)
		*kind = TRANSHIP_DATA;
	*end = min_u64(*end, base_end);
	return rc;
}

/* The end of what begins at off and is zeros, or lost: a whole number of units, or the end of
 * everything. */
static int kind_end(struct plan *plan, uint64_t off, enum tranship_extent_kind want, uint64_t *end,
		    struct tranship_error *err)
{
	enum tranship_extent_kind kind;
	uint64_t at = off;
	unsigned extents;
	int rc;

	for (extents = 0; at < plan->end; extents++) {
		rc = plan_kind(plan, at, &kind, end, err);
		if (rc)
			return rc;
		if (kind != want || (want == TRANSHIP_LOST && extents == LOST_EXTENTS_MAX))
			break;
		at = *end;
	}
	*end = at >= plan->end ? plan->end : round_down(at, plan->unit);
	return 0;
}

/*
 * A run of data begins at off and has some data in its first unit. It ends at the next multiple of
 * its largest size, or where zeros begin that are worth leaving out, or so much that is lost. A
 * forward disk's extents are never cut.
 */
static int data_end(struct plan *plan, uint64_t off, uint64_t *end, struct tranship_error *err)
{
	uint64_t size = max_u64(RUN_SIZE, plan->unit);
	uint64_t limit = min_u64(round_down(off, size) + size, plan->end);
	uint64_t at = off, part;
	enum tranship_extent_kind kind;
	int rc;

	while (at < limit) {
		rc = plan_kind(plan, at, &kind, &part, err);
		if (rc)
			return rc;
		if (kind == TRANSHIP_LOST || (kind == TRANSHIP_ZERO && !plan->all_data)) {
			uint64_t zeros = round_up(at, plan->unit);

			if (zeros > off && part > zeros &&
			    part - zeros >= max_u64(HOLE_MIN, plan->unit)) {
				limit = min_u64(zeros, limit);
				break;
			}
		}
		at = part;
	}
	*end = limit;
	return 0;
}

/* A run that need not be read, if one begins here: 1, else 0. */
static int plan_unread(struct plan *plan, struct run *run, struct tranship_error *err)
{
	uint64_t size = max_u64(RUN_SIZE, plan->unit), end;
	enum tranship_extent_kind kind;
	int rc = plan_kind(plan, plan->off, &kind, &end, err);

	if (rc || kind == TRANSHIP_DATA || (kind == TRANSHIP_ZERO && plan->all_data))
		return rc;
	run->lost = kind == TRANSHIP_LOST;
	run->why = plan->cursor.why;
	rc = kind_end(plan, plan->off, kind, &end, err);
	if (rc)
		return rc;
	run->data = plan->all_data;
	if (run->data)
		end = min_u64(end, round_down(plan->off, size) + size);
	run->len = end - plan->off;
	plan->off = end;
	return run->len > 0;
}

int plan_next_run(struct plan *plan, struct run *run, struct tranship_error *err)
{
	uint64_t end;
	int rc;

	if (plan->off >= plan->end)
		return 0;
	run->off = plan->off;
	rc = plan_unread(plan, run, err);
	if (rc)
		return rc;
	run->lost = false;
	rc = data_end(plan, plan->off, &end, err);
	if (rc)
		return rc;
	run->data = true;
	run->len = end - plan->off;
	plan->off = end;
	return 1;
}
