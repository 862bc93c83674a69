// SPDX-License-Identifier: Apache-2.0
/* The contract of a writer, checked once for all formats. */
#include "core/writer.h"

#include "base/checked.h"
#include "base/error.h"
#include "io/output.h"

#include <inttypes.h>

void writer_init(struct tranship_writer *w, const struct writer_ops *ops, uint64_t size,
		 uint32_t unit)
{
	w->ops = ops;
	w->size = size;
	w->unit = unit;
	w->sector_size = 512;
}

uint64_t tranship_writer_size(const struct tranship_writer *writer)
{
	return writer->size;
}

uint32_t tranship_writer_unit(const struct tranship_writer *writer)
{
	return writer->unit;
}

/* Ascending, without a gap, in units, not past the end. */
static int check_range(const struct tranship_writer *w, uint64_t off, uint64_t len,
		       struct tranship_error *err)
{
	if (w->failed || w->finished)
		return error_set(err, TRANSHIP_EINVAL, "writer: it %s and takes nothing more",
				 w->failed ? "failed" : "is finished");
	if (off != w->pos)
		return error_set(err, TRANSHIP_EINVAL,
				 "writer: offset %" PRIu64 " does not follow %" PRIu64, off,
				 w->pos);
	if (!range_ok(off, len, w->size))
		return error_set(err, TRANSHIP_EINVAL,
				 "writer: %" PRIu64 " bytes at %" PRIu64
				 " pass the end of the disk (%" PRIu64 " bytes)",
				 len, off, w->size);
	if (len & (w->unit - 1) && off + len != w->size)
		return error_set(err, TRANSHIP_EINVAL,
				 "writer: %" PRIu64 " bytes are no multiple of the unit (%" PRIu32
				 ")",
				 len, w->unit);
	return 0;
}

static int passed(struct tranship_writer *w, uint64_t len, int rc)
{
	if (rc)
		w->failed = true;
	else
		w->pos += len;
	return rc;
}

int writer_scratch_new(struct tranship_writer *w, void **out, struct tranship_error *err)
{
	*out = NULL;
	return w->ops->scratch_new ? w->ops->scratch_new(w, out, err) : 0;
}

void writer_scratch_free(struct tranship_writer *w, void *scratch)
{
	if (scratch && w->ops->scratch_free)
		w->ops->scratch_free(scratch);
}

int writer_encode(struct tranship_writer *w, void *scratch, uint64_t off, const void *data,
		  size_t len, struct buffer *out, struct tranship_error *err)
{
	return w->ops->encode(w, scratch, off, data, len, out, err);
}

int writer_put_encoded(struct tranship_writer *w, uint64_t off, uint64_t len, const void *stored,
		       size_t stored_len, struct tranship_error *err)
{
	int rc = check_range(w, off, len, err);

	if (rc || len == 0)
		return rc;
	return passed(w, len, w->ops->put(w, off, len, stored, stored_len, err));
}

int tranship_writer_put(struct tranship_writer *writer, uint64_t off, const void *data, size_t len,
			struct tranship_error *err)
{
	struct buffer *encoded = &writer->own_encoded;
	int rc = check_range(writer, off, len, err);

	if (rc || len == 0)
		return rc;
	if (!writer->ops->encode)
		return writer_put_encoded(writer, off, len, data, len, err);
	if (!writer->own_scratch)
		rc = writer_scratch_new(writer, &writer->own_scratch, err);
	encoded->len = 0;
	if (rc == 0)
		rc = writer_encode(writer, writer->own_scratch, off, data, len, encoded, err);
	if (rc)
		return passed(writer, 0, rc);
	return writer_put_encoded(writer, off, len, encoded->bytes, encoded->len, err);
}

int tranship_writer_zero(struct tranship_writer *writer, uint64_t off, uint64_t len,
			 struct tranship_error *err)
{
	int rc = check_range(writer, off, len, err);

	if (rc || len == 0)
		return rc;
	return passed(writer, len, writer->ops->zero(writer, off, len, err));
}

int tranship_writer_skip(struct tranship_writer *writer, uint64_t off, uint64_t len,
			 struct tranship_error *err)
{
	int rc = check_range(writer, off, len, err);

	if (rc == 0 && !writer->has_base)
		rc = error_set(
			err, TRANSHIP_EINVAL,
			"writer: at %" PRIu64 " nothing may be skipped: the disk has no base", off);
	if (rc || len == 0)
		return rc;
	return passed(writer, len,
		      writer->ops->skip ? writer->ops->skip(writer, off, len, err) : 0);
}

int tranship_writer_finish(struct tranship_writer *writer, struct tranship_error *err)
{
	int rc = check_range(writer, writer->pos, 0, err);

	if (rc)
		return rc;
	if (writer->pos != writer->size)
		return error_set(err, TRANSHIP_EINVAL,
				 "writer: finished at %" PRIu64
				 ", before the end of the disk (%" PRIu64 " bytes)",
				 writer->pos, writer->size);
	rc = writer->ops->finish ? writer->ops->finish(writer, err) : 0;
	if (rc == 0 && writer->output)
		rc = output_finish(writer->output, err);
	if (rc)
		writer->failed = true;
	else
		writer->finished = true;
	return rc;
}

void tranship_writer_close(struct tranship_writer *writer)
{
	struct output *output;

	if (!writer)
		return;
	output = writer->output;
	writer_scratch_free(writer, writer->own_scratch);
	buffer_free(&writer->own_encoded);
	writer->ops->close(writer);
	output_close(output);
}
