// SPDX-License-Identifier: Apache-2.0
/* The target of a delta: opened for changes, with its note and its journal, and made what a delta
 * makes of it. */
#include "base/cpus.h"
#include "base/error.h"
#include "base/text.h"
#include "delta/apply_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Each has a piece of the disk in memory, twice: that is what bounds what apply takes of it. */
#define THREADS_DEFAULT_MAX 8U

bool apply_is_device(const struct apply *a)
{
	return S_ISBLK(a->info.mode);
}

struct edit *apply_main_edit(const struct apply *a)
{
	return a->target.edits.edits[0];
}

/* The target's note, and whose it is. */
static int read_note(struct apply *a, struct tranship_error *err)
{
	char text[EDIT_NOTE_MAX + 1], shown[400];
	uint32_t kind;
	int rc = edit_note_read(apply_main_edit(a), &a->noted, &kind, text, err);

	if (rc || !a->noted || (kind == EDIT_NOTE_APPLY && a->journal.found))
		return rc;
	text_show(shown, sizeof(shown), text, strlen(text));
	if (kind != EDIT_NOTE_APPLY)
		return error_set(err, TRANSHIP_EBUSY, "a commit must be finished first: %s", shown);
	return error_set(err, TRANSHIP_EBUSY,
			 "an apply was interrupted, and there is no journal '%.300s': %s; if "
			 "that is lost, the target is neither version, and only the removal of its "
			 ".tranship-note frees it",
			 a->journal.path, shown);
}

int apply_write_note(struct apply *a, struct tranship_error *err)
{
	char text[EDIT_NOTE_MAX + 1];
	int rc;

	if (a->noted)
		return 0;
	snprintf(text, sizeof(text),
		 "tranship apply with the same delta finishes it, tranship apply --undo goes back; "
		 "the journal is %.3000s",
		 a->journal.where);
	rc = edit_note_write(apply_main_edit(a), EDIT_NOTE_APPLY, text, err);
	a->noted = rc == 0;
	return rc;
}

int apply_remove_note(struct apply *a, struct tranship_error *err)
{
	int rc = a->noted ? edit_note_remove(apply_main_edit(a), err) : 0;

	a->noted = a->noted && rc != 0;
	return rc;
}

/*
 * A journal that stands may be about a target that probing would take for something else by now,
 * because what a guest wrote decides: its word counts.
 */
int apply_open_target(struct apply *a, const char *target, bool undo, struct tranship_error *err)
{
	struct tranship_open_options options =
		a->options->target ? *a->options->target : (struct tranship_open_options){ 0 };
	const struct apply_head *head = &a->journal.head;
	int rc;

	if (a->options->journal &&
	    (size_t)snprintf(a->pages, sizeof(a->pages), "%s" APPLY_PAGES_SUFFIX,
			     a->options->journal) < sizeof(a->pages))
		options.journal = a->pages;
	if (!options.format && a->journal.found && (undo || head->state == APPLY_UNFINISHED))
		options.format = head->format;
	rc = modify_open(target, &options, true, &a->target, err);
	if (rc == 0)
		rc = edit_info(apply_main_edit(a), &a->info, err);
	if (rc == 0 && a->target.disk->parent)
		rc = error_set(err, TRANSHIP_EUNSUPPORTED,
			       "%s: the image has a parent, which a delta is not applied over; "
			       "'apply --to' makes a new image",
			       a->target.disk->format);
	if (rc == 0) /* now that it is locked nobody changes it */
		rc = apply_journal_load(&a->journal, err);
	if (rc == 0)
		apply_owner(a, target, &a->owner);
	if (rc == 0)
		rc = apply_check_owner(a, err);
	if (rc == 0)
		rc = apply_journal_tidy(&a->journal, err);
	if (rc == 0 && a->options->journal) /* one that was removed does not come back */
		rc = medium_sync_folder(a->journal.medium, a->journal.folder, err);
	return rc ? rc : read_note(a, err);
}

/*
 * A journal without a note: the run was killed between the two, before anything was begun; unless
 * the note was lost, with a name that the target had then. So what stands on the target decides,
 * which may have been in use since.
 */
static int was_begun(struct apply *a, bool *begun, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	uint64_t size = a->target.disk->size;
	struct apply_found found;
	int rc = 0;

	*begun = false;
	if (size != j->head.base_size && size != j->head.target_size)
		return 0;
	*begun = size != j->head.base_size;
	if (!*begun)
		rc = apply_journal_open(j, err);
	if (rc == 0 && !*begun) {
		rc = apply_compare(a, j->forward, APPLY_COMPARE_ALL, &found, err);
		*begun = rc == 0 && found.some_new;
	}
	apply_journal_close_parts(j);
	return rc;
}

/* What had ended, but for the last steps, or had not begun. *was: it had ended. */
int apply_settle(struct apply *a, bool *was, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	bool begun = true;
	int rc = 0;

	if (j->found && j->head.state == APPLY_UNFINISHED && !a->noted)
		rc = was_begun(a, &begun, err);
	if (rc)
		return rc;
	if (!begun)
		j->head.state = APPLY_VOID;
	*was = j->found && j->head.state != APPLY_UNFINISHED && a->noted;
	if (*was)
		rc = apply_journal_secure(j, err);
	if (rc == 0 && *was)
		rc = apply_remove_note(a, err);
	if (rc == 0 && j->found && j->head.state == APPLY_VOID)
		rc = apply_journal_remove(j, err);
	return rc;
}

/* The files of the target as they are: anything that writes to one changes this. */
int apply_stamp(const struct apply *a, uint64_t *out, struct tranship_error *err)
{
	size_t i;
	int rc = 0;

	*out = a->target.edits.count;
	for (i = 0; i < a->target.edits.count && rc == 0; i++) {
		struct medium_info info = { 0 };
		uint64_t values[2];

		rc = edit_info(a->target.edits.edits[i], &info, err);
		values[0] = info.size;
		values[1] = (uint64_t)info.mtime_ns;
		*out = check64(values, sizeof(values), *out);
	}
	return rc;
}

static int resize(struct apply *a, uint64_t size, struct tranship_error *err)
{
	struct tranship_disk *disk = a->target.disk;
	int rc = disk->ops->modify->resize(disk, size, err);

	if (rc == 0 && disk->size != size)
		rc = error_set(err, TRANSHIP_EUNSUPPORTED,
			       "%s: the disk would have %" PRIu64 " bytes instead of %" PRIu64,
			       disk->format, disk->size, size);
	return rc;
}

/* Makes the target what the delta makes of it. */
int apply_carry(struct apply *a, struct delta *to, bool back, struct tranship_error *err)
{
	uint64_t size = delta_head(to)->target_size;
	size_t i;
	int rc = 0;

	for (i = 0; i < a->target.edits.count; i++)
		edit_zero_surely(a->target.edits.edits[i], back || a->result->resumed);
	if (a->target.disk->size < size)
		rc = resize(a, size, err);
	if (rc == 0)
		rc = apply_write(a, to, back, err);
	if (rc == 0 && a->target.disk->size > size)
		rc = resize(a, size, err);
	return rc;
}

/* What a failure means for who reads the message. */
static int explain(const struct apply *a, int rc, struct tranship_error *err)
{
	size_t used;

	if (!rc || !err || !a->changing || !a->noted)
		return rc;
	used = strlen(err->message);
	snprintf(err->message + used, sizeof(err->message) - used,
		 "; the target is unfinished: apply the same delta again, or go back with "
		 "'tranship apply --undo'");
	return rc;
}

void apply_init(struct apply *a, const struct medium *medium,
		const struct tranship_apply_options *options, struct tranship_apply_result *out)
{
	static const struct tranship_apply_options defaults;

	*out = (struct tranship_apply_result){ 0 };
	*a = (struct apply){ .medium = medium,
			     .options = options ? options : &defaults,
			     .target.edits.medium = medium,
			     .journal.folder = -1,
			     .journal.file = -1,
			     .result = out };
	a->threads = a->options->copy.threads;
	if (a->threads == 0)
		a->threads =
			cpus_usable() < THREADS_DEFAULT_MAX ? cpus_usable() : THREADS_DEFAULT_MAX;
}

/* Whose the journal is, before anything is locked. */
static int peek_owner(struct apply *a, const char *target, struct tranship_error *err)
{
	const struct medium *m = a->journal.medium;
	char real[PATH_MAX], work[PATH_MAX];
	int folder, file, rc, sys = m->ops->resolve(m->ctx, target, real);
	const char *name;

	if (sys)
		return error_sys(err, sys, "could not be opened");
	rc = medium_open_folder_of(m, real, work, &folder, &name, err);
	if (rc)
		return rc;
	sys = m->ops->open(m->ctx, folder, name, false, &file);
	m->ops->close(m->ctx, folder);
	if (sys)
		return error_sys(err, sys, "could not be opened");
	sys = m->ops->info(m->ctx, file, &a->info);
	m->ops->close(m->ctx, file);
	if (sys)
		return error_sys(err, sys, "fstat failed");
	apply_owner(a, target, &a->owner);
	return apply_check_owner(a, err);
}

int apply_place(struct apply *a, const char *target, struct tranship_error *err)
{
	int rc = apply_journal_place(&a->journal, a->medium ? a->medium : &medium_local, target,
				     a->options->journal, err);

	if (rc == 0)
		rc = apply_journal_load(&a->journal, err);
	/* Opening a device to change it ends what its journal of pages began: only with its own. */
	return rc || !a->journal.found ? rc : peek_owner(a, target, err);
}

int apply_end(struct apply *a, int rc, struct tranship_error *err)
{
	apply_journal_close(&a->journal);
	modify_close(&a->target);
	if (rc == 0) /* too late to cancel it */
		meter_end(&a->meter, NULL);
	return explain(a, rc, err);
}
