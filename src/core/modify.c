// SPDX-License-Identifier: Apache-2.0
/* Images that are changed where they stand: opening, another size, mending. */
#include "core/modify.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/zero.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PIECE (1U << 20)

int edit_list_open(struct edit_list *list, const char *path, const struct file_id *id,
		   bool with_note, struct tranship_file **out, struct tranship_error *err)
{
	struct edit_params params = { .with_note = with_note,
				      .part = list->count > 0,
				      .medium = list->medium };
	size_t bytes = (list->count + 1) * sizeof(struct edit *);
	struct stat st;
	struct edit **edits = realloc(list->edits, bytes);
	struct edit *edit;
	int rc;

	*out = NULL;
	if (!edits)
		return error_nomem(err, bytes);
	list->edits = edits;
	if (list->journal && stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		params.journal_path = list->journal;
	rc = edit_open(path, &params, &edit, err);
	if (rc)
		return rc;
	rc = edit_view(edit, out, err);
	if (rc == 0 && id && !file_id_equal(id, &(*out)->id)) {
		rc = error_set(err, TRANSHIP_EBUSY, "it was replaced while it was opened");
	}
	if (rc == 0 && list->count > 0)
		rc = edit_join(list->edits[0], edit, err);
	if (rc) {
		tranship_file_close(*out);
		*out = NULL;
		edit_close(edit);
		return rc;
	}
	edits[list->count++] = edit;
	return 0;
}

static void edit_list_close(struct edit_list *list)
{
	while (list->count > 0)
		edit_close(list->edits[--list->count]);
	free(list->edits);
	list->edits = NULL;
}

int modify_free(struct tranship_file *file, uint64_t off, const void *buf, size_t len,
		struct tranship_error *err)
{
	int rc = edit_write_free(edit_of(file), off, buf, len, err);

	if (rc == 0)
		file->size = max_u64(file->size, off + len);
	return rc;
}

int modify_zero_free(struct tranship_file *file, uint64_t off, uint64_t len,
		     struct tranship_error *err)
{
	int rc = edit_zero_free(edit_of(file), off, len, err);

	if (rc == 0)
		file->size = max_u64(file->size, off + len);
	return rc;
}

int modify_apply(struct tranship_file *file, struct tranship_error *err)
{
	return edit_apply(edit_of(file), err);
}

int modify_cut(struct tranship_file *file, uint64_t size, struct tranship_error *err)
{
	int rc = edit_truncate(edit_of(file), size, err);

	if (rc == 0)
		file->size = size;
	return rc;
}

int modify_open(const char *path, const struct tranship_open_options *options, bool with_note,
		struct modified *out, struct tranship_error *err)
{
	struct tranship_file *file;
	int rc;

	out->edits.journal = options ? options->journal : NULL;
	rc = edit_list_open(&out->edits, path, NULL, with_note, &file, err);
	if (rc == 0) {
		out->recovered = edit_recovered(out->edits.edits[0]);
		rc = open_for_change(file, path, options, &out->edits, &out->disk, err);
		if (rc)
			tranship_file_close(file);
	}
	if (rc == 0 && !out->disk->ops->modify)
		rc = error_set(err, TRANSHIP_EUNSUPPORTED,
			       "%s: an image of this kind cannot be changed in place",
			       out->disk->format);
	if (rc)
		modify_close(out);
	return rc;
}

void modify_close(struct modified *m)
{
	tranship_disk_close(m->disk);
	edit_list_close(&m->edits);
	m->disk = NULL;
}

/* The disk from `from` on must be absent or zeros. */
static int check_unused(struct tranship_disk *disk, uint64_t from, struct tranship_error *err)
{
	unsigned char *bytes = malloc(PIECE);
	uint64_t off = from;
	int rc = bytes ? 0 : error_nomem(err, PIECE);

	while (rc == 0 && off < disk->size) {
		struct tranship_extent extent;
		size_t n;

		rc = tranship_disk_map(disk, off, &extent, err);
		if (rc)
			break;
		if (extent.kind != TRANSHIP_DATA) {
			off += extent.len;
			continue;
		}
		n = (size_t)min_u64(extent.len, PIECE);
		rc = tranship_disk_read(disk, NULL, off, bytes, n, err);
		if (rc == 0 && !bytes_are_zero(bytes, n))
			rc = error_set(err, TRANSHIP_EINVAL,
				       "there is data behind the new end of %" PRIu64
				       " bytes, at %" PRIu64 " or not far behind it",
				       from, off);
		off += n;
	}
	free(bytes);
	return rc;
}

/*
 * What the parents hold is part of a child's disk, too: it must not be cut off, and what they have
 * behind the child's end must not appear when that moves.
 */
static int check_parents(const char *path, const struct tranship_open_options *options,
			 uint64_t old, uint64_t size, struct tranship_error *err)
{
	struct tranship_open_options whole =
		options ? *options : (struct tranship_open_options){ 0 };
	struct tranship_disk *disk;
	int rc;

	whole.flags &= ~(unsigned)(TRANSHIP_OPEN_LAYER | TRANSHIP_OPEN_ABSENT_IS_ZERO);
	rc = tranship_open(path, &whole, &disk, err);
	if (rc)
		return rc;
	if (size < old)
		rc = check_unused(disk, size, err);
	else if (tranship_disk_layer(disk, 1)->size > old)
		rc = error_set(err, TRANSHIP_EUNSUPPORTED,
			       "%s: the parent has %" PRIu64
			       " bytes, what it has behind the %" PRIu64
			       " of its child would appear in it",
			       disk->format, tranship_disk_layer(disk, 1)->size, old);
	tranship_disk_close(disk);
	return rc;
}

static int check_new_size(const struct modified *m, uint64_t size, unsigned flags,
			  struct tranship_error *err)
{
	if (size >= m->disk->size)
		return 0;
	if (!(flags & TRANSHIP_RESIZE_SHRINK))
		return error_set(err, TRANSHIP_EINVAL,
				 "the disk has %" PRIu64 " bytes; %" PRIu64
				 " are fewer, which must be asked for",
				 m->disk->size, size);
	return check_unused(m->disk, size, err);
}

/* Unless the caller says that the image is to be taken alone. */
static bool needs_parents(const struct modified *m, const struct tranship_open_options *options,
			  uint64_t size)
{
	if (!m->disk->parent || size == m->disk->size ||
	    (options && options->flags & TRANSHIP_OPEN_LAYER))
		return false;
	return size < m->disk->size || !m->disk->ops->modify->grows_over_parent;
}

int tranship_resize(const char *path, const struct tranship_open_options *options, uint64_t size,
		    unsigned flags, struct tranship_error *err)
{
	struct modified m = { 0 };
	uint64_t old;
	int rc = modify_open(path, options, false, &m, err);

	if (rc)
		return rc;
	old = m.disk->size;
	rc = check_new_size(&m, size, flags, err);
	if (rc == 0 && needs_parents(&m, options, size)) {
		modify_close(&m); /* its lock gives way to the chain's for a moment */
		rc = check_parents(path, options, old, size, err);
		if (rc == 0)
			rc = modify_open(path, options, false, &m, err);
		if (rc == 0)
			rc = check_new_size(&m, size, flags, err);
		if (rc == 0 && m.disk->size != old)
			rc = error_set(err, TRANSHIP_EBUSY, "another program changed its size");
	}
	if (rc == 0 && size != old)
		rc = m.disk->ops->modify->resize(m.disk, size, err);
	modify_close(&m);
	return rc;
}

struct repair_findings {
	tranship_repair_fn *fn;
	void *ctx;
	bool left;
};

static void take_finding(void *ctx, enum tranship_finding_kind kind, const char *message)
{
	const struct repair_findings *f = ctx;

	if (f->fn)
		f->fn(f->ctx, kind, message, f->left);
}

static int check_again(const char *path, const struct tranship_open_options *options,
		       struct repair_findings *findings, struct tranship_check_result *after,
		       struct tranship_error *err)
{
	struct tranship_open_options alone =
		options ? *options : (struct tranship_open_options){ 0 };
	struct tranship_disk *disk;
	int rc;

	alone.flags |= TRANSHIP_OPEN_LAYER;
	alone.warn = NULL; /* it was said already */
	findings->left = true;
	rc = tranship_open(path, &alone, &disk, err);
	if (rc)
		return rc;
	rc = tranship_check(disk, take_finding, findings, after, err);
	tranship_disk_close(disk);
	return rc;
}

/* A commit into the image was interrupted: that is finished by doing it again, and by nothing else.
 */
static int report_note(const struct modified *m, struct repair_findings *findings, bool *found,
		       struct tranship_error *err)
{
	char text[EDIT_NOTE_MAX + 1];
	uint32_t kind;
	int rc = edit_note_read(m->edits.edits[0], found, &kind, text, err);

	if (rc == 0 && *found) {
		findings->left = true;
		take_finding(findings, TRANSHIP_FINDING_ERROR, text);
	}
	return rc;
}

int tranship_repair(const char *path, const struct tranship_open_options *options, unsigned flags,
		    tranship_repair_fn *finding, void *ctx, struct tranship_check_result *before,
		    struct tranship_check_result *after, const char **format,
		    struct tranship_error *err)
{
	struct repair_findings findings = { finding, ctx, false };
	struct modified m = { 0 };
	bool unfinished = false;
	int rc = modify_open(path, options, flags & TRANSHIP_REPAIR_ERRORS, &m, err);

	*before = *after = (struct tranship_check_result){ 0 };
	if (rc)
		return rc;
	if (format)
		*format = m.disk->format;
	rc = tranship_check(m.disk, take_finding, &findings, before, err);
	if (rc == 0)
		rc = report_note(&m, &findings, &unfinished, err);
	if (rc == 0 && unfinished) {
		before->errors++;
		*after = *before;
		modify_close(&m);
		return 0;
	}
	if (rc == 0 && m.disk->ops->modify->repair && (before->errors || before->leaks))
		rc = m.disk->ops->modify->repair(m.disk, flags, err);
	if (rc == 0 && m.recovered) {
		before->errors++;
		take_finding(&findings, TRANSHIP_FINDING_ERROR,
			     "a change of the image had been interrupted; it was undone");
	}
	modify_close(&m);
	return rc ? rc : check_again(path, options, &findings, after, err);
}
