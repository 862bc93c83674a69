// SPDX-License-Identifier: Apache-2.0
#include "copy/plan.h"

#include "base/checked.h"

int map_cursor_at(struct map_cursor *cursor, uint64_t off, bool *data, uint64_t *end,
		  struct tranship_error *err)
{
	struct tranship_extent *e = &cursor->extent;

	if (off >= tranship_disk_size(cursor->disk)) {
		*data = false;
		*end = UINT64_MAX;
		return 0;
	}
	if (e->len == 0 || off < e->off || off - e->off >= e->len) {
		int rc = tranship_disk_map(cursor->disk, off, e, err);

		if (rc) {
			e->len = 0;
			return rc;
		}
	}
	*data = e->kind == TRANSHIP_DATA;
	*end = e->off + e->len;
	return 0;
}

/* The end of the zeros that begin at off: a whole number of units, or the end of everything. */
static int zeros_end(struct plan *plan, uint64_t off, uint64_t *end, struct tranship_error *err)
{
	uint64_t at = off;
	bool data;
	int rc;

	while (at < plan->end) {
		rc = map_cursor_at(&plan->cursor, at, &data, end, err);
		if (rc)
			return rc;
		if (data)
			break;
		at = *end;
	}
	*end = at >= plan->end ? plan->end : round_down(at, plan->unit);
	return 0;
}

/*
 * A run of data begins at off and has some data in its first unit. It ends at the next multiple of
 * its largest size, or where zeros begin that are worth leaving out. A forward disk's extents are
 * never cut.
 */
static int data_end(struct plan *plan, uint64_t off, uint64_t *end, struct tranship_error *err)
{
	uint64_t size = max_u64(RUN_SIZE, plan->unit);
	uint64_t limit = min_u64(round_down(off, size) + size, plan->end);
	uint64_t at = off, part;
	bool data;
	int rc;

	while (at < limit) {
		rc = map_cursor_at(&plan->cursor, at, &data, &part, err);
		if (rc)
			return rc;
		if (!data && !plan->all_data) {
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

int plan_next_run(struct plan *plan, struct run *run, struct tranship_error *err)
{
	bool data;
	uint64_t end;
	int rc;

	if (plan->off >= plan->end)
		return 0;
	run->off = plan->off;
	if (!plan->all_data) {
		rc = map_cursor_at(&plan->cursor, plan->off, &data, &end, err);
		if (rc)
			return rc;
		if (!data) {
			rc = zeros_end(plan, plan->off, &end, err);
			if (rc)
				return rc;
			if (end > plan->off) {
				run->data = false;
				run->len = end - plan->off;
				plan->off = end;
				return 1;
			}
		}
	}
	rc = data_end(plan, plan->off, &end, err);
	if (rc)
		return rc;
	run->data = true;
	run->len = end - plan->off;
	plan->off = end;
	return 1;
}
