// SPDX-License-Identifier: Apache-2.0
/*
 * The changes that the upper images of a chain hold: what their tables say, no data is read. They
 * have no ids: what a format knows its parent by does not change with every write.
 */
#include "delta/changes.h"

#include "base/error.h"
#include "tranship/disk.h"

#include <inttypes.h>

static int collect(struct tranship_disk *disk, uint32_t depth, struct tranship_changes *into,
		   struct tranship_error *err)
{
	uint64_t size = tranship_disk_size(disk), off = 0;
	struct tranship_extent e;

	while (off < size) {
		int rc = tranship_disk_map(disk, off, &e, err);

		if (rc)
			return rc;
		off += e.len;
		if (e.depth >= depth || e.kind == TRANSHIP_ABSENT)
			continue;
		if (e.kind == TRANSHIP_LOST)
			return error_set(err, TRANSHIP_ECORRUPT,
					 "changes: what the image holds at %" PRIu64 " is lost",
					 e.off);
		rc = tranship_changes_add(into, e.off, e.len, e.kind == TRANSHIP_ZERO, err);
		if (rc)
			return rc;
	}
	return 0;
}

int tranship_changes_of_layers(struct tranship_disk *disk, uint32_t depth,
			       struct tranship_changes **out, struct tranship_error *err)
{
	struct tranship_changes *new;
	int rc;

	*out = NULL;
	if (depth == 0 || depth > tranship_disk_layer_count(disk))
		return error_set(err, TRANSHIP_EINVAL,
				 "changes: the chain has %" PRIu32 " images, not %" PRIu32,
				 tranship_disk_layer_count(disk), depth);
	if (tranship_disk_is_forward(disk))
		return error_set(err, TRANSHIP_EINVAL,
				 "changes: the map of a pipe cannot be listed without reading it");
	rc = tranship_changes_new(tranship_disk_size(disk), &new, err);
	if (rc)
		return rc;
	rc = collect(disk, depth, new, err);
	if (rc == 0)
		rc = tranship_changes_set_origin(new, "layers", err);
	if (rc) {
		tranship_changes_free(new);
		return rc;
	}
	*out = new;
	return 0;
}
