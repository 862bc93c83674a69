// SPDX-License-Identifier: Apache-2.0
/* The one door to bytes: ranges are checked here, so that no kind of file has to. */
#include "io/file.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>

int tranship_file_new(const struct tranship_file_ops *ops, void *ctx, uint64_t size,
		      struct tranship_file **out, struct tranship_error *err)
{
	struct tranship_file *file = calloc(1, sizeof(*file));

	*out = NULL;
	if (!file)
		return error_nomem(err, sizeof(*file));
	file->ops = ops;
	file->ctx = ctx;
	file->size = size;
	file->allocated = size;
	*out = file;
	return 0;
}

uint64_t tranship_file_size(const struct tranship_file *file)
{
	return file->size;
}

int tranship_file_read(struct tranship_file *file, uint64_t off, void *buf, size_t len,
		       struct tranship_error *err)
{
	if (!range_ok(off, len, file->size))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%zu bytes at %" PRIu64 " pass the end of the file (%" PRIu64
				 " bytes)",
				 len, off, file->size);
	if (len == 0)
		return 0;
	return file->ops->read(file->ctx, off, buf, len, err);
}

int tranship_file_map(struct tranship_file *file, uint64_t off, struct tranship_file_extent *out,
		      struct tranship_error *err)
{
	int rc;

	if (off >= file->size)
		return error_set(err, TRANSHIP_EINVAL,
				 "offset %" PRIu64 " is not inside the file (%" PRIu64 " bytes)",
				 off, file->size);
	*out = (struct tranship_file_extent){ off, file->size - off, false };
	if (!file->ops->map)
		return 0;
	rc = file->ops->map(file->ctx, off, out, err);
	if (rc)
		return rc;
	out->off = off;
	out->len = min_u64(out->len, file->size - off);
	if (out->len == 0) /* a map that makes no progress would be an endless loop above */
		*out = (struct tranship_file_extent){ off, file->size - off, false };
	return 0;
}

void tranship_file_close(struct tranship_file *file)
{
	if (!file || file->kept)
		return;
	if (file->ops->close)
		file->ops->close(file->ctx);
	free(file);
}

int file_write(struct tranship_file *file, uint64_t off, const void *buf, size_t len,
	       struct tranship_error *err)
{
	uint64_t end;
	int rc;

	if (!file->ops->write)
		return error_set(err, TRANSHIP_EINVAL, "the file is read-only");
	if (!add_ok(off, len, &end) || end > INT64_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "offset %" PRIu64 " is past what a file can hold", off);
	if (len == 0)
		return 0;
	if (file->sequential && off < file->size)
		return error_set(err, TRANSHIP_EINVAL,
				 "a pipe cannot be written at %" PRIu64 ", it stands at %" PRIu64,
				 off, file->size);
	if (file->sequential && off > file->size) {
		rc = file_zero(file, file->size, off - file->size, err);
		if (rc)
			return rc;
	}
	rc = file->ops->write(file->ctx, off, buf, len, err);
	if (rc)
		return rc;
	file->size = max_u64(file->size, end);
	return 0;
}

int file_resize(struct tranship_file *file, uint64_t size, struct tranship_error *err)
{
	int rc;

	if (file->sequential) {
		if (size < file->size)
			return error_set(err, TRANSHIP_EINVAL, "a pipe cannot be made shorter");
		return file_zero(file, file->size, size - file->size, err);
	}
	if (!file->ops->resize)
		return error_set(err, TRANSHIP_EINVAL, "the size of the file cannot be changed");
	rc = file->ops->resize(file->ctx, size, err);
	if (rc == 0)
		file->size = size;
	return rc;
}

int file_zero(struct tranship_file *file, uint64_t off, uint64_t len, struct tranship_error *err)
{
	static const unsigned char zeros[64 * 1024];
	int rc = 0;

	if (file->ops->zero && !file->sequential && len > 0) {
		uint64_t old = file->size;

		/* What a longer file gains is zeros. */
		if (off + len > old && file->ops->resize)
			rc = file_resize(file, off + len, err);
		if (rc || off >= old)
			return rc;
		return file->ops->zero(file->ctx, off, min_u64(len, old - off), err);
	}
	while (len > 0 && rc == 0) {
		size_t n = (size_t)min_u64(len, sizeof(zeros));

		rc = file_write(file, off, zeros, n, err);
		off += n;
		len -= n;
	}
	return rc;
}

int file_sync(struct tranship_file *file, struct tranship_error *err)
{
	return file->ops->sync ? file->ops->sync(file->ctx, err) : 0;
}
