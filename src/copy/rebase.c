// SPDX-License-Identifier: Apache-2.0
/*
 * Rebase: another parent for an image. First everything in which the old and the new parent differ,
 * and which the image does not hold itself, is copied into it; that changes nothing of what it
 * reads as. Then one transaction names the new parent. An interrupted rebase leaves the old parent
 * with a larger child.
 */
#include "copy/commit.h"

#include "core/modify.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/path.h"
#include "base/zero.h"
#include "copy/meter.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PIECE (256U << 10)
#define FLUSH_BYTES ((uint64_t)64 << 20)

struct rebase {
	const struct tranship_open_options *options;
	struct modified child;
	struct tranship_disk *old, *new; /* NULL: zeros */
	size_t unit;                     /* what the child can hold or not hold */
	size_t piece;                    /* what is read at once: whole units */
	unsigned char *bytes[2];
	uint64_t unflushed;
	struct meter meter;
};

/* The parent that the image has now, with its own parents; found by way of the whole chain. */
static int open_old(struct rebase *r, const char *path, struct tranship_error *err)
{
	struct tranship_open_options options = *r->options;
	struct tranship_disk *chain;
	char *found = NULL;
	int rc;

	options.flags &= ~(unsigned)(TRANSHIP_OPEN_LAYER | TRANSHIP_OPEN_ABSENT_IS_ZERO);
	rc = tranship_open(path, &options, &chain, err);
	if (rc)
		return rc;
	options.format = tranship_disk_format(tranship_disk_layer(chain, 0));
	if (tranship_disk_layer_count(chain) > 1) {
		found = strdup(tranship_disk_file_name(tranship_disk_layer(chain, 1), 0));
		rc = found ? 0 : error_nomem(err, 1);
	}
	if (options.parent_count > 0) {
		options.parents++;
		options.parent_count--;
	}
	options.options = NULL;
	options.format = format_find(options.format)->name;
	tranship_disk_close(chain);
	if (rc == 0 && found)
		rc = tranship_open(found, &options, &r->old, err);
	free(found);
	return rc;
}

static int open_new(struct rebase *r, const char *path, const char *format, bool alone,
		    struct tranship_error *err)
{
	struct tranship_open_options options = *r->options;
	int rc;

	options.format = format;
	options.options = NULL;
	options.parents = NULL;
	options.parent_count = 0;
	options.flags &= ~(unsigned)(TRANSHIP_OPEN_LAYER | TRANSHIP_OPEN_ABSENT_IS_ZERO);
	options.flags |= alone ? TRANSHIP_OPEN_LAYER : 0U;
	rc = tranship_open(path, &options, &r->new, err);
	return rc ? error_in_file(err, rc, path) : 0;
}

/* What a parent has there; zeros behind its end. */
static int read_parent(struct tranship_disk *parent, uint64_t off, unsigned char *to, size_t len,
		       struct tranship_error *err)
{
	size_t have = 0;

	if (parent && off < parent->size)
		have = (size_t)min_u64(len, parent->size - off);
	memset(to + have, 0, len - have);
	return have ? tranship_disk_read(parent, NULL, off, to, have, err) : 0;
}

/* Copies into the child what the old parent has in [off, off + len), which the child has not,
 * unless the new one has the same. Sector by sector, or cluster by cluster. */
static int rebase_piece(struct rebase *r, uint64_t off, size_t len, struct tranship_error *err)
{
	struct tranship_disk *child = r->child.disk;
	const struct modify_ops *ops = child->ops->modify;
	size_t at, end;
	int rc = read_parent(r->old, off, r->bytes[0], len, err);

	if (rc == 0)
		rc = read_parent(r->new, off, r->bytes[1], len, err);
	for (at = 0; rc == 0 && at < len; at = end) {
		bool differs = false;

		for (end = at; end < len; end += min_u64(r->unit, len - end)) {
			size_t n = (size_t)min_u64(r->unit, len - end);
			bool here = memcmp(r->bytes[0] + end, r->bytes[1] + end, n) != 0;

			if (end > at && here != differs)
				break;
			differs = here;
		}
		if (!differs)
			continue;
		rc = bytes_are_zero(r->bytes[0] + at, end - at)
			     ? ops->zero(child, off + at, end - at, err)
			     : ops->write(child, off + at, r->bytes[0] + at, end - at, err);
		r->unflushed += end - at;
	}
	if (rc == 0 && r->unflushed >= FLUSH_BYTES) {
		r->unflushed = 0;
		rc = ops->flush(child, err);
	}
	return rc;
}

/* Whether both parents have zeros from off on, and how far. */
static int both_zeros(struct rebase *r, uint64_t off, uint64_t *end, bool *out,
		      struct tranship_error *err)
{
	struct tranship_disk *parents[2] = { r->old, r->new };
	struct tranship_extent extent;
	int i, rc = 0;

	*out = true;
	for (i = 0; i < 2 && rc == 0; i++) {
		if (!parents[i] || off >= parents[i]->size)
			continue;
		rc = tranship_disk_map(parents[i], off, &extent, err);
		*out = *out && extent.kind != TRANSHIP_DATA;
		*end = min_u64(*end, off + extent.len);
	}
	return rc;
}

/* [off, *end) is absent from the child; *end becomes how far this went. */
static int rebase_absent(struct rebase *r, uint64_t off, uint64_t *end, struct tranship_error *err)
{
	struct tranship_disk *child = r->child.disk;
	uint64_t zeros_end = *end;
	bool zeros;
	int rc = both_zeros(r, off, &zeros_end, &zeros, err);

	if (rc)
		return rc;
	if (zeros_end < child->size)
		zeros_end = round_down(zeros_end, r->unit);
	if (zeros && zeros_end > off) {
		*end = zeros_end;
		return 0;
	}
	*end = min_u64(*end, round_down(off, r->piece) + r->piece);
	return rebase_piece(r, off, (size_t)(*end - off), err);
}

static int copy_differences(struct rebase *r, struct tranship_error *err)
{
	struct tranship_disk *child = r->child.disk;
	uint64_t off = 0;
	int rc = 0, i;

	r->unit = child->ops->modify->whole_clusters ? child->cluster_size : child->sector_size;
	r->piece = max_u64(PIECE, r->unit);
	for (i = 0; i < 2 && rc == 0; i++) {
		r->bytes[i] = malloc(r->piece);
		rc = r->bytes[i] ? 0 : error_nomem(err, r->piece);
	}

	while (rc == 0 && off < child->size) {
		struct tranship_extent extent;
		uint64_t end;

		rc = tranship_disk_map(child, off, &extent, err);
		if (rc)
			break;
		end = off + extent.len;
		if (extent.kind == TRANSHIP_ABSENT)
			rc = rebase_absent(r, off, &end, err);
		if (rc == 0)
			rc = meter_add(&r->meter, end - off, 0, err);
		off = end;
	}
	return rc ? rc : child->ops->modify->flush(child, err);
}

static int relink(struct rebase *r, const char *parent, const char *path,
		  struct tranship_error *err)
{
	const struct modify_ops *ops = r->child.disk->ops->modify;
	char absolute[PATH_MAX];
	struct base_info base = { .relative = *parent ? parent : NULL };

	if (!ops->relink)
		return error_set(err, TRANSHIP_EUNSUPPORTED, "%s: its images have no parents",
				 r->child.disk->format);
	if (!r->new)
		return ops->relink(r->child.disk, NULL, err);
	base.identity = r->new->identity;
	base.absolute = realpath(path, absolute);
	base.sector_size = r->new->sector_size;
	base.cluster_size = r->new->cluster_size;
	if (*base.identity == '\0')
		return error_set(err, TRANSHIP_EMISMATCH, "'%s' has no identity", path);
	return ops->relink(r->child.disk, &base, err);
}

/* Undoes what was interrupted in the image; its parents are not looked at. */
static int settle(struct rebase *r, const char *path, struct tranship_error *err)
{
	struct tranship_open_options options = *r->options;
	struct tranship_disk *disk;
	int rc;

	options.flags |= TRANSHIP_OPEN_LAYER;
	rc = open_unfinished(path, &options, r->child.edits.medium, &disk, err);
	if (rc == 0)
		tranship_disk_close(disk);
	return rc;
}

/* The new parent must not have the image among its own parents. Where these cannot be opened nobody
 * knows, and the unsafe way is the caller's word. */
static int check_loop(const struct rebase *r, const char *path, const char *new_path,
		      struct tranship_error *err)
{
	struct tranship_open_options options = *r->options;
	struct tranship_disk *chain;
	uint32_t i;
	int rc = 0;

	options.format = NULL;
	options.options = NULL;
	options.parents = NULL;
	options.parent_count = 0;
	options.warn = NULL;
	options.flags &= ~(unsigned)(TRANSHIP_OPEN_LAYER | TRANSHIP_OPEN_ABSENT_IS_ZERO);
	if (tranship_open(new_path, &options, &chain, NULL))
		return 0;
	for (i = 0; i < tranship_disk_layer_count(chain) && rc == 0; i++) {
		const char *name = tranship_disk_file_name(tranship_disk_layer(chain, i), 0);
		struct stat x, y;

		if (stat(i == 0 ? new_path : name, &x) == 0 && stat(path, &y) == 0 &&
		    x.st_dev == y.st_dev && x.st_ino == y.st_ino)
			rc = error_set(err, TRANSHIP_EINVAL,
				       "the image would be its own parent, or that of one of them");
	}
	tranship_disk_close(chain);
	return rc;
}

static int run(struct rebase *r, const char *path, const char *parent, bool unsafe,
	       struct tranship_error *err)
{
	struct tranship_open_options options = *r->options;
	char *new_path = NULL;
	int rc = settle(r, path, err);

	if (rc == 0 && parent)
		rc = path_beside(path, parent, &new_path, err);
	if (rc == 0 && parent)
		rc = check_loop(r, path, new_path, err);
	if (rc == 0 && !unsafe)
		rc = open_old(r, path, err);

	options.flags |= TRANSHIP_OPEN_LAYER;
	if (rc == 0)
		rc = modify_open(path, &options, false, &r->child, err);
	if (rc == 0 && parent)
		rc = open_new(r, new_path, r->child.disk->format, unsafe, err);
	if (rc == 0 && !unsafe && r->new && !r->child.disk->parent)
		/* What stood alone becomes a child: its zeros must hide what the parent has. */
		rc = disk_need_parent(r->child.disk, r->new->identity, NULL, err);
	if (rc == 0 && !unsafe)
		rc = copy_differences(r, err);
	if (rc == 0)
		rc = relink(r, parent ? parent : "", new_path, err);
	free(new_path);
	return rc;
}

int rebase_on(const struct medium *medium, const char *path,
	      const struct tranship_open_options *options, const char *parent, unsigned flags,
	      const struct tranship_copy_options *copy, struct tranship_error *err)
{
	static const struct tranship_open_options defaults;
	static const struct tranship_copy_options copy_defaults;
	struct rebase r = { .options = options ? options : &defaults,
			    .child.edits.medium = medium };
	int rc;

	meter_start(&r.meter, copy ? copy : &copy_defaults, "rebasing", 1);
	rc = run(&r, path, parent, flags & TRANSHIP_REBASE_UNSAFE, err);
	tranship_disk_close(r.old);
	tranship_disk_close(r.new);
	modify_close(&r.child);
	free(r.bytes[0]);
	free(r.bytes[1]);
	return rc;
}

int tranship_rebase(const char *path, const struct tranship_open_options *options,
		    const char *parent, unsigned flags, const struct tranship_copy_options *copy,
		    struct tranship_error *err)
{
	return rebase_on(NULL, path, options, parent, flags, copy, err);
}
