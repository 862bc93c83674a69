// SPDX-License-Identifier: Apache-2.0
/* Changing a raw disk where it stands. It has no tables, so nothing of it needs a journal. */
#include "raw/raw.h"

#include "base/error.h"
#include "core/modify.h"

#include <inttypes.h>

static int raw_write(struct tranship_disk *disk, uint64_t off, const void *buf, size_t len,
		     struct tranship_error *err)
{
	struct raw_disk *raw = raw_of(disk);

	return modify_free(raw->file, raw->start + off, buf, len, err);
}

static int raw_zero(struct tranship_disk *disk, uint64_t off, uint64_t len,
		    struct tranship_error *err)
{
	struct raw_disk *raw = raw_of(disk);

	return modify_zero_free(raw->file, raw->start + off, len, err);
}

static int raw_flush(struct tranship_disk *disk, struct tranship_error *err)
{
	return modify_apply(raw_of(disk)->file, err);
}

static int raw_can_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err)
{
	struct raw_disk *raw = raw_of(disk);

	if (raw->start > 0 || raw->start + disk->size != tranship_file_size(raw->file))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "raw: a part of a file cannot have another size");
	if (size > INT64_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "raw: a file cannot have %" PRIu64 " bytes",
				 size);
	return 0;
}

static int raw_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err)
{
	struct raw_disk *raw = raw_of(disk);
	int rc = raw_can_resize(disk, size, err);

	if (rc)
		return rc;
	if (size < disk->size)
		rc = modify_cut(raw->file, size, err);
	else
		rc = file_resize(raw->file, size, err);
	if (rc == 0)
		rc = modify_apply(raw->file, err);
	if (rc == 0)
		disk->size = size;
	return rc;
}

const struct modify_ops raw_modify_ops = {
	.write = raw_write,
	.zero = raw_zero,
	.flush = raw_flush,
	.resize = raw_resize,
	.can_resize = raw_can_resize,
};
