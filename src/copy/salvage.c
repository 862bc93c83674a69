// SPDX-License-Identifier: Apache-2.0
#include "copy/salvage.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/disk.h"

#include <stdlib.h>
#include <string.h>

/* The smallest piece that is tried by itself. */
#define SECTOR 512U

void lost_list_free(struct lost_list *list)
{
	free(list->ranges);
	*list = (struct lost_list){ 0 };
}

int lost_list_add(struct lost_list *list, uint64_t off, uint64_t len,
		  const struct tranship_error *why, struct tranship_error *err)
{
	struct lost_range *last = list->count > 0 ? &list->ranges[list->count - 1] : NULL;

	if (last && last->off + last->len == off) {
		last->len += len;
		return 0;
	}
	if (list->count == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 4;
		struct lost_range *ranges = realloc(list->ranges, cap * sizeof(*ranges));

		if (!ranges)
			return error_nomem(err, cap * sizeof(*ranges));
		list->ranges = ranges;
		list->cap = cap;
	}
	list->ranges[list->count++] = (struct lost_range){ off, len, *why };
	return 0;
}

/* The depth is that of halving a run: under 30. */
int salvage_read(struct tranship_disk *disk, struct tranship_scratch *scratch,
		 const atomic_bool *stop, uint64_t off, unsigned char *buf, size_t len,
		 struct lost_list *lost, struct tranship_error *err)
{
	uint64_t last = round_down(off + len - 1, SECTOR), middle;
	struct tranship_error why = { 0 };
	int rc;

	if (atomic_load(stop))
		return error_set(err, TRANSHIP_ECANCELED, "canceled");
	rc = tranship_disk_read(disk, scratch, off, buf, len, &why);
	if (rc == 0)
		return 0;
	if (!is_loss(rc))
		return error_copy(err, &why, rc);
	if (last <= off) {
		memset(buf, 0, len);
		return lost_list_add(lost, off, len, &why, err);
	}
	middle = min_u64(round_up(off + len / 2, SECTOR), last);
	rc = salvage_read(disk, scratch, stop, off, buf, (size_t)(middle - off), lost, err);
	if (rc == 0)
		rc = salvage_read(disk, scratch, stop, middle, buf + (middle - off),
				  (size_t)(off + len - middle), lost, err);
	return rc;
}

void lost_report_end(struct lost_report *report)
{
	if (report->last.len > 0)
		report->fn(report->ctx, report->last.off, report->last.len,
			   report->last.why.message);
	report->last.len = 0;
}

void lost_report_add(struct lost_report *report, const struct lost_list *list)
{
	struct lost_range *last = &report->last;
	size_t i;

	for (i = 0; i < list->count; i++) {
		const struct lost_range *range = &list->ranges[i];

		if (last->len > 0 && last->off + last->len == range->off) {
			last->len += range->len;
			continue;
		}
		lost_report_end(report);
		*last = *range;
	}
}
