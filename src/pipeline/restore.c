// SPDX-License-Identifier: Apache-2.0
/*
 * The way back: a point is a disk, and what a disk becomes is what tranship_copy makes of it. Every
 * block is verified as it is read (emit/point_disk.c). A new output takes its name when it is
 * whole. An existing one is compared as it is written, and written only where it differs; that is
 * not atomic, but a restore that was interrupted is finished by doing it again, and costs what is
 * left.
 */
#include "tranship/pipeline.h"

#include "base/error.h"
#include "core/disk.h"
#include "core/in_place.h"
#include "pipeline/restore_differ.h"

#include <string.h>
#include <sys/stat.h>

struct restore {
	const struct tranship_restore_options *options;
	const char *path;
	struct tranship_disk *disk; /* the point */
	struct tranship_writer *writer;
	struct differ_count count;
	bool compares;
	uint64_t lost;
};

/* Whether what is at the path can be read back. */
static bool is_storage(const char *path)
{
	struct stat st;

	return path && stat(path, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

/* The disk that stands where the writer writes; NULL: it cannot be compared with. */
static int open_old(struct restore *r, struct tranship_disk **out, bool *owns,
		    struct tranship_error *err)
{
	/* Shared with nobody but the writer, which has the lock. */
	const struct tranship_open_options raw = { .format = "raw",
						   .flags = TRANSHIP_OPEN_FORCE_SHARE };

	*out = in_place_disk(r->writer);
	*owns = false;
	if (*out) {
		/* What its parent holds is not compared with what is restored. */
		if ((*out)->parent)
			*out = NULL;
		return 0;
	}
	if (strcmp(r->options->format, "raw") != 0 || !is_storage(r->path))
		return 0;
	*owns = true;
	return tranship_open(r->path, &raw, out, err);
}

static int compare_with_old(struct restore *r, struct tranship_error *err)
{
	struct tranship_writer *differ;
	struct tranship_disk *old;
	bool owns;
	int rc;

	if (!(r->options->create_flags & TRANSHIP_CREATE_IN_PLACE) ||
	    r->options->create_flags & TRANSHIP_CREATE_TARGET_IS_ZERO)
		return 0;
	rc = open_old(r, &old, &owns, err);
	if (rc || !old)
		return rc;
	rc = differ_new(r->writer, old, owns, &r->count, &differ, err);
	if (rc) {
		if (owns)
			tranship_disk_close(old);
		return rc;
	}
	r->writer = differ;
	r->compares = true;
	return 0;
}

static void lose(void *ctx, uint64_t off, uint64_t len, const char *why)
{
	struct restore *r = ctx;

	r->lost += len;
	r->options->lost(r->options->lost_ctx, off, len, why);
}

static int copy(struct restore *r, struct tranship_error *err)
{
	struct tranship_copy_options options = r->options->copy;
	struct tranship_progress last = { "finishing", r->disk->size, r->disk->size, 0 };
	int rc;

	options.lost = r->options->lost ? lose : NULL;
	options.lost_ctx = r;
	rc = tranship_copy(r->disk, r->writer, &options, err);
	if (rc)
		return rc;
	if (options.progress && options.progress(options.progress_ctx, &last))
		return error_set(err, TRANSHIP_ECANCELED, "canceled");
	return tranship_writer_finish(r->writer, err);
}

static int create(struct restore *r, struct tranship_error *err)
{
	const struct tranship_restore_options *o = r->options;
	const struct tranship_create_options options = { .format = o->format,
							 .size = r->disk->size,
							 .options = o->options,
							 .flags = o->create_flags,
							 .cache = o->cache,
							 .source = r->disk,
							 .time = o->time,
							 .warn = o->copy.warn,
							 .warn_ctx = o->copy.warn_ctx };
	int rc = tranship_create(r->path, &options, &r->writer, err);

	return rc ? rc : compare_with_old(r, err);
}

int tranship_restore(struct tranship_store *store, const char *point, const char *path,
		     const struct tranship_restore_options *options,
		     struct tranship_restore_result *out, struct tranship_error *err)
{
	struct restore r = { .options = options, .path = path };
	int rc;

	*out = (struct tranship_restore_result){ 0 };
	if (!options->format)
		return error_set(err, TRANSHIP_EINVAL, "the output needs a format");
	rc = tranship_store_open_point(store, point, options->lost ? TRANSHIP_OPEN_SALVAGE : 0,
				       &r.disk, err);
	if (rc == 0)
		rc = create(&r, err);
	if (rc == 0)
		rc = copy(&r, err);
	if (rc == 0) {
		out->written = r.compares ? r.count.written : r.disk->size;
		out->same = r.count.same;
		out->lost = r.lost;
	}
	tranship_writer_close(r.writer);
	tranship_disk_close(r.disk);
	return rc;
}
