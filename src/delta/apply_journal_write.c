// SPDX-License-Identifier: Apache-2.0
/*
 * Making a journal: under a partial name, which is locked, and renamed when all of it is durable.
 * Whoever holds the partial file decides alone what stands under the final name.
 */
#include "base/checked.h"
#include "base/error.h"
#include "base/zero.h"
#include "delta/apply_journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK (1U << 20)
#define WHAT APPLY_JOURNAL_WHAT

/* A partial journal begins with the magic number, and nothing else is written before that lasts. */
static bool looks_partial(const struct medium *m, int file)
{
	unsigned char raw[APPLY_HEAD_SECTOR];
	struct medium_info info;
	size_t got;

	if (m->ops->info(m->ctx, file, &info) ||
	    m->ops->read(m->ctx, file, 0, raw, sizeof(raw), &got))
		return false;
	if (got == sizeof(raw) && memcmp(raw, APPLY_MAGIC, 8) == 0)
		return true;
	return info.size <= sizeof(raw) && bytes_are_zero(raw, got);
}

int apply_journal_tidy(struct apply_journal *j, struct tranship_error *err)
{
	const struct medium *m = j->medium;
	int file, sys = 0;
	bool ours;

	if (m->ops->claim(m->ctx, j->folder, j->partial, &file, NULL))
		return 0; /* there is none, or it is in use: who makes a journal will see */
	ours = looks_partial(m, file);
	if (ours)
		sys = m->ops->unlink(m->ctx, j->folder, j->partial);
	m->ops->close(m->ctx, file);
	if (sys)
		return error_sys(err, sys, "what is left of the journal '%s' could not be removed",
				 j->path);
	return ours ? medium_sync_folder(m, j->folder, err) : 0;
}

/* Whether the name is the file that is open in j->file. */
static bool is_named(const struct apply_journal *j, const char *name)
{
	const struct medium *m = j->medium;
	struct medium_info ours, there;
	int file, sys;

	if (m->ops->info(m->ctx, j->file, &ours) ||
	    m->ops->open(m->ctx, j->folder, name, false, &file))
		return false;
	sys = m->ops->info(m->ctx, file, &there);
	m->ops->close(m->ctx, file);
	return sys == 0 && ours.ino == there.ino && ours.dev == there.dev;
}

static int create_partial(struct apply_journal *j, struct tranship_error *err)
{
	const struct medium *m = j->medium;
	int rc, file, sys = m->ops->open(m->ctx, j->folder, j->partial, true, &file);

	if (sys == EEXIST)
		return error_set(err, TRANSHIP_EBUSY,
				 "'%s" APPLY_PARTIAL_SUFFIX "' is there: another run is making a "
				 "journal in the same place, or it is a file that has nothing to "
				 "do with that and is in the way",
				 j->path);
	if (sys)
		return error_sys(err, sys, "the journal '%s' could not be created", j->path);
	m->ops->close(m->ctx, file);
	rc = m->ops->claim(m->ctx, j->folder, j->partial, &j->file, err);
	if (rc)
		j->file = -1;
	return rc ? error_in_file(err, rc, j->path) : 0;
}

/* Nobody made another one since this one was read. */
static int check_still(struct apply_journal *j, struct tranship_error *err)
{
	const struct medium *m = j->medium;
	unsigned char raw[APPLY_HEAD_SECTOR];
	size_t got = 0;
	int file, sys = m->ops->open(m->ctx, j->folder, j->name, false, &file);
	bool there = sys == 0;

	if (there) {
		sys = m->ops->read(m->ctx, file, 0, raw, sizeof(raw), &got);
		m->ops->close(m->ctx, file);
	} else if (sys == ENOENT) {
		sys = 0;
	}
	if (sys)
		return error_sys(err, sys, "the journal '%s' could not be read", j->path);
	if (there == j->found &&
	    (!there || (got == sizeof(raw) && memcmp(raw, j->seen, sizeof(raw)) == 0)))
		return 0;
	return error_set(err, TRANSHIP_EBUSY, "another run made the journal '%s' meanwhile",
			 j->path);
}

static int mark_partial(struct apply_journal *j, struct tranship_error *err)
{
	unsigned char raw[APPLY_HEAD_SECTOR] = APPLY_MAGIC;
	int rc = medium_write(j->medium, j->file, WHAT, 0, raw, sizeof(raw), err);

	return rc ? rc : medium_sync(j->medium, j->file, WHAT, err);
}

int apply_journal_begin(struct apply_journal *j, const struct delta_head *back,
			struct tranship_error *err)
{
	int rc = apply_journal_tidy(j, err);

	if (rc == 0)
		rc = create_partial(j, err);
	if (rc)
		return rc;
	rc = mark_partial(j, err);
	if (rc == 0)
		rc = check_still(j, err);
	if (rc == 0)
		rc = apply_journal_part(j, APPLY_HEAD_SIZE, 0, &j->partial_file, err);
	if (rc == 0)
		rc = delta_writer_new(j->partial_file, back, &j->writer, err);
	if (rc)
		apply_journal_abandon(j);
	return rc;
}

static void end_writing(struct apply_journal *j)
{
	delta_writer_free(j->writer);
	tranship_file_close(j->partial_file);
	j->writer = NULL;
	j->partial_file = NULL;
	apply_journal_close_file(j);
}

void apply_journal_abandon(struct apply_journal *j)
{
	if (j->file < 0 || j->back_file)
		return;
	if (is_named(j, j->partial))
		j->medium->ops->unlink(j->medium->ctx, j->folder, j->partial);
	end_writing(j);
}

static int copy_forward(struct apply_journal *j, struct tranship_file *forward,
			struct tranship_error *err)
{
	uint64_t size = tranship_file_size(forward), off;
	unsigned char *bytes = malloc(CHUNK);
	int rc = bytes ? 0 : error_nomem(err, CHUNK);

	for (off = 0; rc == 0 && off < size; off += CHUNK) {
		size_t n = (size_t)min_u64(CHUNK, size - off);

		rc = tranship_file_read(forward, off, bytes, n, err);
		if (rc == 0)
			rc = medium_write(j->medium, j->file, WHAT, j->head.forward_off + off,
					  bytes, n, err);
	}
	free(bytes);
	return rc;
}

/* All of it but its name. */
static int write_rest(struct apply_journal *j, struct tranship_file *forward,
		      struct tranship_error *err)
{
	struct delta_end end;
	int rc = delta_writer_finish(j->writer, &end, err);

	if (rc)
		return rc;
	j->head.state = APPLY_UNFINISHED;
	j->head.back_len = end.size;
	j->head.forward_off = round_up(APPLY_HEAD_SIZE + end.size, APPLY_HEAD_SIZE);
	j->head.forward_len = tranship_file_size(forward);
	rc = copy_forward(j, forward, err);
	if (rc)
		return rc;
	apply_head_encode(&j->head, j->seen);
	rc = medium_write(j->medium, j->file, WHAT, 0, j->seen, sizeof(j->seen), err);
	return rc ? rc : medium_sync(j->medium, j->file, WHAT, err);
}

/* The lock keeps other runs away, but for a file system without locks: there it is seen that one
 * was not kept away, before the target is touched. */
static int give_name(struct apply_journal *j, struct tranship_error *err)
{
	const struct medium *m = j->medium;
	int sys = is_named(j, j->partial) ? m->ops->rename(m->ctx, j->folder, j->partial, j->name)
					  : EBUSY;

	if (sys)
		return error_sys(err, sys, "the journal could not be renamed to '%s'", j->path);
	j->found = is_named(j, j->name);
	return j->found ? check_still(j, err)
			: error_set(err, TRANSHIP_EBUSY,
				    "another run made the journal '%s' meanwhile", j->path);
}

int apply_journal_end(struct apply_journal *j, struct tranship_file *forward,
		      struct tranship_error *err)
{
	const struct medium *m = j->medium;
	int rc = write_rest(j, forward, err);

	if (rc == 0)
		rc = give_name(j, err);
	if (rc == 0) {
		rc = medium_sync_folder(m, j->folder, err);
		if (rc && is_named(j, j->name))
			m->ops->unlink(m->ctx, j->folder, j->name);
	}
	if (rc)
		apply_journal_abandon(j);
	else
		end_writing(j);
	return rc;
}
