/* SPDX-License-Identifier: Apache-2.0 */
/* A restore point as a disk, from inside. */
#ifndef EMIT_POINT_DISK_H
#define EMIT_POINT_DISK_H

#include "core/disk.h"
#include "emit/manifest.h"
#include "emit/store_inside.h"
#include "emit/table.h"

/* The disk that a manifest describes. Of the manifest nothing is kept that is not copied; the store
 * must outlive the disk. flags: TRANSHIP_OPEN_SALVAGE. */
int point_disk_open(struct tranship_store *store, const struct manifest *m, unsigned flags,
		    struct tranship_disk **out, struct tranship_error *err);

/* From now on closing the disk closes its store, too. */
void point_disk_take_store(struct tranship_disk *disk);

/* What changed between two points, by their tables. TRANSHIP_EMISMATCH: they are of different
 * lineages. */
struct point_side {
	struct table *table;
	const struct manifest *manifest; /* its list of slots is not looked at */
};
int point_changes(const struct point_side *base, const struct point_side *target,
		  struct tranship_changes **out, struct tranship_error *err);

#endif
