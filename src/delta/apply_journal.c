// SPDX-License-Identifier: Apache-2.0
#include "delta/apply_journal.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "io/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHAT APPLY_JOURNAL_WHAT

/* A part of the journal, as a file. */
struct part {
	const struct medium *medium;
	int handle;
	uint64_t base;
};

static int part_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	const struct part *p = ctx;
	size_t got;
	int rc = medium_read(p->medium, p->handle, WHAT, p->base + off, buf, len, &got, err);

	if (rc == 0 && got < len)
		rc = error_set(err, TRANSHIP_ECORRUPT, "the journal of a delta is cut short");
	return rc;
}

static int part_write(void *ctx, uint64_t off, const void *buf, size_t len,
		      struct tranship_error *err)
{
	const struct part *p = ctx;

	return medium_write(p->medium, p->handle, WHAT, p->base + off, buf, len, err);
}

static void part_close(void *ctx)
{
	free(ctx);
}

static const struct tranship_file_ops part_ops = {
	.read = part_read,
	.write = part_write,
	.close = part_close,
};

int apply_journal_part(const struct apply_journal *j, uint64_t base, uint64_t len,
		       struct tranship_file **out, struct tranship_error *err)
{
	struct part *p = malloc(sizeof(*p));
	int rc;

	*out = NULL;
	if (!p)
		return error_nomem(err, sizeof(*p));
	*p = (struct part){ j->medium, j->file, base };
	rc = tranship_file_new(&part_ops, p, len, out, err);
	if (rc)
		free(p);
	return rc;
}

int apply_journal_place(struct apply_journal *j, const struct medium *medium, const char *target,
			const char *path, struct tranship_error *err)
{
	char real[PATH_MAX], work[PATH_MAX], full[2 * PATH_MAX];
	const char *name;
	int rc, sys;

	*j = (struct apply_journal){ .medium = medium, .folder = -1, .file = -1 };
	sys = path ? 0 : medium->ops->resolve(medium->ctx, target, real);
	if (sys)
		return error_sys(err, sys, "could not be opened");
	rc = medium_open_folder_of(medium, path ? path : real, work, &j->folder, &name, err);
	if (rc)
		return rc;
	snprintf(j->name, sizeof(j->name), "%s%s", name, path ? "" : APPLY_JOURNAL_SUFFIX);
	snprintf(j->partial, sizeof(j->partial), "%s" APPLY_PARTIAL_SUFFIX, j->name);
	text_escape(j->path, sizeof(j->path), path ? path : j->name, strlen(path ? path : j->name));
	if (path)
		apply_absolute(path, full, sizeof(full));
	else
		snprintf(full, sizeof(full), "%s" APPLY_JOURNAL_SUFFIX, real);
	text_escape(j->where, sizeof(j->where), full, strlen(full));
	return 0;
}

/* Opens what stands there for reading; *found. */
static int open_named(struct apply_journal *j, bool *found, struct tranship_error *err)
{
	const struct medium *m = j->medium;
	int sys = m->ops->open(m->ctx, j->folder, j->name, false, &j->file);

	*found = sys == 0;
	if (sys)
		j->file = -1;
	if (sys && sys != ENOENT && sys != ENAMETOOLONG)
		return error_sys(err, sys, "the journal '%s' could not be opened", j->path);
	return 0;
}

void apply_journal_close_file(struct apply_journal *j)
{
	if (j->file >= 0)
		j->medium->ops->close(j->medium->ctx, j->file);
	j->file = -1;
}

static int read_head(struct apply_journal *j, struct tranship_error *err)
{
	const struct medium *m = j->medium;
	unsigned char raw[APPLY_HEAD_SECTOR];
	struct medium_info info;
	size_t got;
	int rc, sys = m->ops->info(m->ctx, j->file, &info);

	if (sys)
		return error_sys(err, sys, "fstat of the journal failed");
	rc = medium_read(m, j->file, WHAT, 0, raw, sizeof(raw), &got, err);
	if (rc == 0 && got < sizeof(raw))
		rc = error_set(err, TRANSHIP_ECORRUPT, "the journal of a delta is cut short");
	if (rc)
		return rc;
	memcpy(j->seen, raw, sizeof(raw));
	return apply_head_decode(raw, info.size, &j->head, err);
}

int apply_journal_load(struct apply_journal *j, struct tranship_error *err)
{
	int rc = open_named(j, &j->found, err);

	if (rc == 0 && j->found)
		rc = read_head(j, err);
	apply_journal_close_file(j);
	return rc ? error_in_file(err, rc, j->path) : 0;
}

static int open_delta(const struct apply_journal *j, uint64_t off, uint64_t len,
		      struct tranship_file **file, struct delta **out, struct tranship_error *err)
{
	int rc = apply_journal_part(j, off, len, file, err);

	if (rc == 0)
		rc = delta_open(*file, 0, out, err);
	return rc ? rc : delta_verify(*out, NULL, NULL, err);
}

/* Whether they are each other's way back. */
static bool is_pair(const struct apply_head *h, const struct delta *back,
		    const struct delta *forward)
{
	const struct delta_head *b = delta_head(back), *f = delta_head(forward);

	return memcmp(delta_end(forward)->sha256, h->sha256, sizeof(h->sha256)) == 0 &&
	       f->base_size == h->base_size && f->target_size == h->target_size &&
	       b->base_size == f->target_size && b->target_size == f->base_size &&
	       b->block_size == f->block_size && b->kind == f->kind && b->lineages == f->lineages;
}

int apply_journal_open(struct apply_journal *j, struct tranship_error *err)
{
	const struct apply_head *h = &j->head;
	bool found;
	int rc = open_named(j, &found, err);

	if (rc == 0 && !found)
		rc = error_set(err, TRANSHIP_EBUSY, "it was removed while it was opened");
	if (rc == 0)
		rc = open_delta(j, APPLY_HEAD_SIZE, h->back_len, &j->back_file, &j->back, err);
	if (rc == 0)
		rc = open_delta(j, h->forward_off, h->forward_len, &j->forward_file, &j->forward,
				err);
	if (rc == 0 && !is_pair(h, j->back, j->forward))
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "the journal of a delta is damaged: its parts do not belong "
			       "together");
	return rc ? error_in_file(err, rc, j->path) : 0;
}

int apply_journal_secure(struct apply_journal *j, struct tranship_error *err)
{
	bool found;
	int rc = open_named(j, &found, err);

	if (rc == 0 && found)
		rc = medium_sync(j->medium, j->file, WHAT, err);
	apply_journal_close_file(j);
	return rc ? rc : medium_sync_folder(j->medium, j->folder, err);
}

int apply_journal_mark(struct apply_journal *j, enum apply_state state, struct tranship_error *err)
{
	const struct medium *m = j->medium;
	unsigned char raw[APPLY_HEAD_SECTOR];
	int file, rc = m->ops->claim(m->ctx, j->folder, j->name, &file, err);

	if (rc)
		return error_in_file(err, rc, j->path);
	j->head.state = state;
	apply_head_encode(&j->head, raw);
	rc = medium_write(m, file, WHAT, 0, raw, sizeof(raw), err);
	if (rc == 0)
		rc = medium_sync(m, file, WHAT, err);
	m->ops->close(m->ctx, file);
	memcpy(j->seen, raw, sizeof(raw));
	return rc;
}

int apply_journal_remove(struct apply_journal *j, struct tranship_error *err)
{
	int rc = medium_unlink(j->medium, j->folder, j->name, err);

	j->found = false;
	return rc ? rc : medium_sync_folder(j->medium, j->folder, err);
}

void apply_journal_close_parts(struct apply_journal *j)
{
	delta_close(j->back);
	delta_close(j->forward);
	tranship_file_close(j->back_file);
	tranship_file_close(j->forward_file);
	j->back = j->forward = NULL;
	j->back_file = j->forward_file = NULL;
	apply_journal_close_file(j);
}

void apply_journal_close(struct apply_journal *j)
{
	apply_journal_abandon(j);
	apply_journal_close_parts(j);
	if (j->medium && j->folder >= 0)
		j->medium->ops->close(j->medium->ctx, j->folder);
	j->folder = -1;
}
