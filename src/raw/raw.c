// SPDX-License-Identifier: Apache-2.0
/*
 * Raw: the bytes of the disk and nothing else. Holes of the file are zeros that need not be read,
 * and zeros become holes. A file need not end at a sector's end, and neither does its disk.
 */
#include "raw/raw.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int raw_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		   struct tranship_error *err)
{
	struct raw_disk *raw = raw_of(disk);
	struct tranship_file_extent extent;
	int rc = tranship_file_map(raw->file, raw->start + off, &extent, err);

	if (rc)
		return rc;
	out->len = extent.len;
	out->kind = extent.hole ? TRANSHIP_ZERO : TRANSHIP_DATA;
	out->file_off = extent.off;
	return 0;
}

static int raw_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf, size_t len,
		    struct tranship_error *err)
{
	struct raw_disk *raw = raw_of(disk);

	(void)scratch;
	return tranship_file_read(raw->file, raw->start + off, buf, len, err);
}

static void raw_close(struct tranship_disk *disk)
{
	struct raw_disk *raw = raw_of(disk);

	tranship_file_close(raw->file);
	free(raw);
}

static const struct disk_ops raw_disk_ops = {
	.map = raw_map,
	.read = raw_read,
	.modify = &raw_modify_ops,
	.close = raw_close,
};

int raw_open(struct tranship_file *file, const struct open_params *params,
	     struct tranship_disk **out, struct tranship_error *err)
{
	uint64_t file_size = tranship_file_size(file);
	uint64_t start = options_size(params->options, "offset", 0), size;
	struct raw_disk *raw;
	int rc;

	if (start > file_size)
		return error_set(err, TRANSHIP_EINVAL,
				 "raw: offset %" PRIu64 " is past the end of the file (%" PRIu64
				 " bytes)",
				 start, file_size);
	size = options_size(params->options, "size", file_size - start);
	if (!range_ok(start, size, file_size))
		return error_set(err, TRANSHIP_EINVAL,
				 "raw: %" PRIu64 " bytes at %" PRIu64
				 " pass the end of the file (%" PRIu64 " bytes)",
				 size, start, file_size);
	raw = calloc(1, sizeof(*raw));
	if (!raw)
		return error_nomem(err, sizeof(*raw));
	disk_init(&raw->disk, &raw_disk_ops, "raw");
	raw->disk.size = size;
	raw->start = start;
	rc = disk_add_file(&raw->disk, file, params->name, NULL, err);
	if (rc) {
		disk_fini(&raw->disk);
		free(raw);
		return rc;
	}
	raw->file = file;
	*out = &raw->disk;
	return 0;
}

struct raw_writer {
	struct tranship_writer writer;
	struct tranship_file *file;
	bool keeps; /* what is not written stays as it was, so zeros must be written */
	bool cut;   /* the file ends where the disk ends */
};

static int raw_put(struct tranship_writer *w, uint64_t off, uint64_t len, const void *stored,
		   size_t stored_len, struct tranship_error *err)
{
	(void)len;
	return file_write(((struct raw_writer *)w)->file, off, stored, stored_len, err);
}

static int raw_zero(struct tranship_writer *w, uint64_t off, uint64_t len,
		    struct tranship_error *err)
{
	struct raw_writer *raw = (struct raw_writer *)w;

	return raw->keeps ? file_zero(raw->file, off, len, err) : 0;
}

static int raw_finish(struct tranship_writer *w, struct tranship_error *err)
{
	struct raw_writer *raw = (struct raw_writer *)w;

	return raw->cut ? file_resize(raw->file, w->size, err) : 0;
}

static uint64_t raw_full_size(const struct tranship_writer *w)
{
	return w->size;
}

static void raw_writer_close(struct tranship_writer *w)
{
	free(w);
}

static const struct writer_ops raw_writer_ops = {
	.put = raw_put,
	.zero = raw_zero,
	.finish = raw_finish,
	.full_size = raw_full_size,
	.close = raw_writer_close,
};

static int raw_create(const struct create_params *params, struct tranship_writer **out,
		      struct tranship_error *err)
{
	struct tranship_file *file = output_main(params->output);
	bool in_place = output_is_in_place(params->output);
	struct raw_writer *raw;

	if (in_place && tranship_file_size(file) < params->size)
		return error_set(err, TRANSHIP_ELIMIT,
				 "raw: the target has %" PRIu64 " bytes, the disk needs %" PRIu64,
				 tranship_file_size(file), params->size);
	raw = calloc(1, sizeof(*raw));
	if (!raw)
		return error_nomem(err, sizeof(*raw));
	writer_init(&raw->writer, &raw_writer_ops, params->size, 1);
	raw->file = file;
	raw->keeps = in_place && !(params->flags & TRANSHIP_CREATE_TARGET_IS_ZERO);
	raw->cut = !in_place;
	*out = &raw->writer;
	return 0;
}

static const struct tranship_option_info raw_open_options[] = {
	{ "offset", "size", "where the disk begins in the file" },
	{ "size", "size", "how many bytes the disk has; from a pipe: how many will come" },
	{ 0 },
};

static const struct tranship_option_info raw_create_options[] = { { 0 } };

const struct format raw_format = {
	.name = "raw",
	.open = raw_open,
	.streams = raw_streams,
	.open_stream = raw_stream_open,
	.create = raw_create,
	.open_options = raw_open_options,
	.create_options = raw_create_options,
};
