// SPDX-License-Identifier: Apache-2.0
/* In which ranges a disk differs under two boot plans. */
#include "base/checked.h"
#include "base/error.h"
#include "tranship/boot.h"

#include <inttypes.h>
#include <string.h>

/* Extent number index of a plan; false past the last one, and of no plan. */
static bool extent_at(const struct tranship_boot_plan *plan, uint32_t index,
		      struct tranship_boot_extent *out)
{
	return plan && tranship_boot_plan_extent(plan, index, out) == 0;
}

static int add(struct tranship_changes *changes, const struct tranship_boot_extent *e,
	       struct tranship_error *err)
{
	uint64_t size = tranship_changes_size(changes);

	if (e->off >= size)
		return 0;
	return tranship_changes_add(changes, e->off, min_u64(e->len, size - e->off), false, err);
}

static bool same(const struct tranship_boot_extent *a, const struct tranship_boot_extent *b)
{
	return a->off == b->off && a->len == b->len &&
	       memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0;
}

/* Both are ascending: what stands in both alike is passed over, the rest differs. */
static int add_differences(const struct tranship_boot_plan *old_plan,
			   const struct tranship_boot_plan *new_plan,
			   struct tranship_changes *changes, struct tranship_error *err)
{
	struct tranship_boot_extent a, b;
	uint32_t i = 0, j = 0;
	int rc = 0;

	while (rc == 0) {
		bool has_a = extent_at(old_plan, i, &a), has_b = extent_at(new_plan, j, &b);

		if (!has_a && !has_b)
			break;
		if (has_a && has_b && same(&a, &b)) {
			i++;
			j++;
		} else if (has_a && (!has_b || a.off <= b.off)) {
			rc = add(changes, &a, err);
			i++;
		} else {
			rc = add(changes, &b, err);
			j++;
		}
	}
	return rc;
}

static int check(const struct tranship_boot_plan *plan, struct tranship_error *err)
{
	const char *refusal = plan ? tranship_boot_plan_refusal(plan, 0) : NULL;

	if (refusal)
		return error_set(err, TRANSHIP_EINVAL, "boot: the plan is refused: %s", refusal);
	return 0;
}

int tranship_boot_dirty(const struct tranship_boot_plan *old_plan,
			const struct tranship_boot_plan *new_plan, struct tranship_changes **out,
			struct tranship_error *err)
{
	const struct tranship_boot_plan *newer = new_plan ? new_plan : old_plan;
	struct tranship_changes *changes;
	int rc = check(old_plan, err);

	*out = NULL;
	if (rc == 0)
		rc = check(new_plan, err);
	if (rc == 0 && !newer)
		rc = error_set(err, TRANSHIP_EINVAL, "boot: one plan is needed");
	if (rc)
		return rc;
	if (old_plan && tranship_boot_plan_size(old_plan) > tranship_boot_plan_size(newer))
		return error_set(err, TRANSHIP_EMISMATCH,
				 "boot: the plans are of disks of %" PRIu64 " and %" PRIu64
				 " bytes",
				 tranship_boot_plan_size(old_plan), tranship_boot_plan_size(newer));
	rc = tranship_changes_new(tranship_boot_plan_size(newer), &changes, err);
	if (rc)
		return rc;
	rc = add_differences(old_plan, new_plan, changes, err);
	if (rc == 0)
		rc = tranship_changes_set_origin(changes, "boot", err);
	if (rc) {
		tranship_changes_free(changes);
		return rc;
	}
	*out = changes;
	return 0;
}
