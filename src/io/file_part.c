// SPDX-License-Identifier: Apache-2.0
/* A part of another file, as a file: requests shift up, extents shift down. */
#include "io/file_part.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>

struct part {
	struct tranship_file *whole;
	uint64_t start;
};

static int part_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	const struct part *part = ctx;

	return tranship_file_read(part->whole, part->start + off, buf, len, err);
}

static int part_map(void *ctx, uint64_t off, struct tranship_file_extent *out,
		    struct tranship_error *err)
{
	const struct part *part = ctx;

	return tranship_file_map(part->whole, part->start + off, out, err);
}

static void part_close(void *ctx)
{
	struct part *part = ctx;

	tranship_file_close(part->whole);
	free(part);
}

static const struct tranship_file_ops part_ops = {
	.read = part_read,
	.map = part_map,
	.close = part_close,
};

int tranship_file_part(struct tranship_file *file, uint64_t off, uint64_t len,
		       struct tranship_file **out, struct tranship_error *err)
{
	struct part *part;
	int rc;

	*out = NULL;
	if (!range_ok(off, len, file->size))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "a part of %" PRIu64 " bytes at %" PRIu64
				 " passes the end of the file (%" PRIu64 " bytes)",
				 len, off, file->size);
	part = calloc(1, sizeof(*part));
	if (!part)
		return error_nomem(err, sizeof(*part));
	rc = tranship_file_new(&part_ops, part, len, out, err);
	if (rc) {
		free(part);
		return rc;
	}
	part->whole = file;
	part->start = off;
	(*out)->has_id = file->has_id;
	(*out)->id = file->id;
	(*out)->allocated = file->allocated;
	return 0;
}

void file_part_release(struct tranship_file *part)
{
	free(part->ctx);
	free(part);
}
