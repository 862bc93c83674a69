// SPDX-License-Identifier: Apache-2.0
/* A part of a disk as a disk of its own: requests go down shifted, extents come back up. */
#include "core/disk.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>

struct window {
	struct tranship_disk disk;
	struct tranship_disk *whole;
	uint64_t start;
};

static struct window *window_of(struct tranship_disk *disk)
{
	return (struct window *)disk;
}

static int window_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		      struct tranship_error *err)
{
	struct window *w = window_of(disk);
	int rc = tranship_disk_map(w->whole, w->start + off, out, err);

	out->off = off;
	return rc;
}

static int window_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf,
		       size_t len, struct tranship_error *err)
{
	struct window *w = window_of(disk);

	return tranship_disk_read(w->whole, scratch, w->start + off, buf, len, err);
}

static int window_scratch_new(struct tranship_disk *disk, void **out, struct tranship_error *err)
{
	struct tranship_scratch *scratch;
	int rc = tranship_scratch_new(window_of(disk)->whole, &scratch, err);

	*out = scratch;
	return rc;
}

static void window_scratch_free(void *scratch)
{
	tranship_scratch_free(scratch);
}

static void window_cancel(struct tranship_disk *disk)
{
	disk_cancel(window_of(disk)->whole);
}

static void window_close(struct tranship_disk *disk)
{
	tranship_disk_close(window_of(disk)->whole);
	free(disk);
}

static const struct disk_ops window_ops = {
	.map = window_map,
	.read = window_read,
	.scratch_new = window_scratch_new,
	.scratch_free = window_scratch_free,
	.cancel = window_cancel,
	.close = window_close,
};

int tranship_disk_window(struct tranship_disk *disk, uint64_t off, uint64_t len,
			 struct tranship_disk **out, struct tranship_error *err)
{
	struct window *w;
	uint32_t first;
	int rc;

	*out = NULL;
	if (!range_ok(off, len, disk->size))
		return error_set(err, TRANSHIP_EINVAL,
				 "%" PRIu64 " bytes at %" PRIu64
				 " pass the end of the disk (%" PRIu64 " bytes)",
				 len, off, disk->size);
	if (disk->forward)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "a part of a disk cannot be read from a pipe");
	rc = disk_require_complete(disk, err);
	if (rc)
		return rc;
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_nomem(err, sizeof(*w));
	disk_init(&w->disk, &window_ops, disk->format);
	w->disk.size = len;
	w->disk.sector_size = disk->sector_size;
	w->disk.allocated = disk->allocated;
	w->whole = disk;
	w->start = off;
	rc = disk_add_files_of(&w->disk, disk, &first, err);
	if (rc) {
		disk_fini(&w->disk);
		free(w);
		return rc;
	}
	*out = &w->disk;
	return 0;
}
