// SPDX-License-Identifier: Apache-2.0
/*
 * Writing a disk into an image that exists (-n). The image is opened for changes and gets what is
 * put, piece by piece; its identity changes first, so that its children are refused from then on.
 * Each piece is safe by itself; the whole is not atomic.
 */
#include "core/in_place.h"

#include "base/error.h"
#include "core/modify.h"

#include <inttypes.h>
#include <stdlib.h>

#define FLUSH_BYTES ((uint64_t)64 << 20)

struct in_place {
	struct tranship_writer writer;
	struct modified target;
	bool zeros_stay; /* the target reads as zeros already */
	uint64_t unflushed;
};

static const struct modify_ops *ops_of(const struct in_place *w)
{
	return w->target.disk->ops->modify;
}

static int flush_now_and_then(struct in_place *w, uint64_t len, struct tranship_error *err)
{
	w->unflushed += len;
	if (w->unflushed < FLUSH_BYTES)
		return 0;
	w->unflushed = 0;
	return ops_of(w)->flush(w->target.disk, err);
}

static int in_place_put(struct tranship_writer *writer, uint64_t off, uint64_t len,
			const void *stored, size_t stored_len, struct tranship_error *err)
{
	struct in_place *w = (struct in_place *)writer;
	int rc = ops_of(w)->write(w->target.disk, off, stored, stored_len, err);

	return rc ? rc : flush_now_and_then(w, len, err);
}

static int in_place_zero(struct tranship_writer *writer, uint64_t off, uint64_t len,
			 struct tranship_error *err)
{
	struct in_place *w = (struct in_place *)writer;

	return w->zeros_stay ? 0 : ops_of(w)->zero(w->target.disk, off, len, err);
}

static int in_place_finish(struct tranship_writer *writer, struct tranship_error *err)
{
	struct in_place *w = (struct in_place *)writer;

	return ops_of(w)->flush(w->target.disk, err);
}

/* It is there already. */
static uint64_t in_place_full_size(const struct tranship_writer *writer)
{
	return writer->size;
}

static void in_place_close(struct tranship_writer *writer)
{
	modify_close(&((struct in_place *)writer)->target);
	free(writer);
}

static const struct writer_ops in_place_ops = {
	.put = in_place_put,
	.zero = in_place_zero,
	.finish = in_place_finish,
	.full_size = in_place_full_size,
	.close = in_place_close,
};

struct tranship_disk *in_place_disk(struct tranship_writer *writer)
{
	return writer->ops == &in_place_ops ? ((struct in_place *)writer)->target.disk : NULL;
}

static int prepare(struct in_place *w, const struct tranship_create_options *options,
		   struct tranship_error *err)
{
	struct tranship_disk *disk = w->target.disk;
	struct idgen ids;
	int rc;

	if (disk->size < options->size)
		return error_set(err, TRANSHIP_ELIMIT,
				 "%s: the target has %" PRIu64 " bytes, the disk needs %" PRIu64,
				 disk->format, disk->size, options->size);
	if (w->zeros_stay && disk->parent)
		return error_set(err, TRANSHIP_EINVAL,
				 "%s: the target has a parent, whose content is not zeros by "
				 "anybody's word",
				 disk->format);
	rc = idgen_init(&ids, NULL, err);
	if (rc == 0 && ops_of(w)->renew)
		rc = ops_of(w)->renew(disk, &ids, err);
	writer_init(&w->writer, &in_place_ops, disk->size,
		    ops_of(w)->whole_clusters ? disk->cluster_size : disk->sector_size);
	w->writer.sector_size = disk->sector_size;
	return rc;
}

int in_place_create(const char *path, const struct tranship_create_options *options,
		    struct tranship_writer **out, struct tranship_error *err)
{
	struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
	struct tranship_open_options open_options = { .format = options->format,
						      .policy = &beside,
						      .warn = options->warn,
						      .warn_ctx = options->warn_ctx };
	struct in_place *w = calloc(1, sizeof(*w));
	int rc;

	*out = NULL;
	if (!w)
		return error_nomem(err, sizeof(*w));
	w->zeros_stay = options->flags & TRANSHIP_CREATE_TARGET_IS_ZERO;
	rc = modify_open(path, &open_options, false, &w->target, err);
	if (rc == 0)
		rc = prepare(w, options, err);
	if (rc) {
		modify_close(&w->target);
		free(w);
		return rc;
	}
	*out = &w->writer;
	return 0;
}
