// SPDX-License-Identifier: Apache-2.0
/*
 * Applying a delta where its target stands. Nothing of the target changes before
 *
 *   1. all of the delta is read and what it says of itself holds;
 *   2. every block that it touches is what it replaces;
 *   3. what it replaces, and the delta itself, stand in the journal (delta/apply_journal.h);
 *   4. a note stands beside the target, so that readers refuse it.
 *
 * Then the target gets a new identity, its size, the data, and is flushed; the journal is marked as
 * finished; and the note goes. What is interrupted in between is finished by the same call, or
 * undone: both look at every block first, and either may follow the other at any place.
 */
#include "delta/apply_inside.h"

#include "base/checked.h"
#include "base/cpus.h"
#include "base/error.h"
#include "base/text.h"
#include "delta/apply_delta.h"
#include "delta/fingerprint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool is_device(const struct apply *a)
{
	return S_ISBLK(a->info.mode);
}

static uint64_t own_ino(const struct apply *a)
{
	return is_device(a) ? 0 : a->info.ino;
}

static struct edit *main_edit(const struct apply *a)
{
	return a->target.edits.edits[0];
}

/* The target's note, and whose it is. */
static int read_note(struct apply *a, struct tranship_error *err)
{
	char text[EDIT_NOTE_MAX + 1];
	uint32_t kind;
	int rc = edit_note_read(main_edit(a), &a->noted, &kind, text, err);
	bool ours = a->journal.found && a->journal.head.ino == own_ino(a);

	if (rc || !a->noted || (kind == EDIT_NOTE_APPLY && ours))
		return rc;
	return error_set(err, TRANSHIP_EBUSY, "%s must be finished first: %.400s",
			 kind == EDIT_NOTE_APPLY ? "another apply" : "a commit", text);
}

static int write_note(struct apply *a, struct tranship_error *err)
{
	char text[EDIT_NOTE_MAX + 1];
	int rc;

	if (a->noted)
		return 0;
	snprintf(text, sizeof(text),
		 "'tranship apply' with the same delta finishes it, 'tranship apply --undo' goes "
		 "back; the journal is '%.3000s'",
		 a->journal.path);
	rc = edit_note_write(main_edit(a), EDIT_NOTE_APPLY, text, err);
	a->noted = rc == 0;
	return rc;
}

static int remove_note(struct apply *a, struct tranship_error *err)
{
	int rc = a->noted ? edit_note_remove(main_edit(a), err) : 0;

	a->noted = a->noted && rc != 0;
	return rc;
}

/*
 * A journal that stands may be about a target that probing would take for something else by now,
 * because what a guest wrote decides: its word counts.
 */
static int open_target(struct apply *a, const char *target, bool undo, struct tranship_error *err)
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
		rc = edit_info(main_edit(a), &a->info, err);
	if (rc == 0 && a->target.disk->parent)
		rc = error_set(err, TRANSHIP_EUNSUPPORTED,
			       "%s: the image has a parent, which a delta is not applied over; "
			       "'apply --to' makes a new image",
			       a->target.disk->format);
	if (rc == 0) /* now that it is locked nobody changes it */
		rc = apply_journal_load(&a->journal, err);
	if (rc == 0)
		rc = apply_journal_tidy(&a->journal, err);
	if (rc == 0 && a->options->journal) /* one that was removed does not come back */
		rc = medium_sync_folder(a->journal.medium, a->journal.folder, err);
	return rc ? rc : read_note(a, err);
}

/* What had ended, but for the last steps. *was: it had. */
static int settle(struct apply *a, bool *was, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	int rc = 0;

	*was = j->found && j->head.state != APPLY_UNFINISHED && a->noted;
	if (*was)
		rc = apply_journal_secure(j, err);
	if (rc == 0 && *was)
		rc = remove_note(a, err);
	if (rc == 0 && j->found && j->head.state == APPLY_VOID)
		rc = apply_journal_remove(j, err);
	return rc;
}

/* The files of the target as they are: anything that writes to one changes this. */
static int stamp_of(const struct apply *a, uint64_t *out, struct tranship_error *err)
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
static int carry(struct apply *a, struct delta *to, struct tranship_error *err)
{
	uint64_t size = delta_head(to)->target_size;
	int rc = 0;

	if (a->target.disk->size < size)
		rc = resize(a, size, err);
	if (rc == 0)
		rc = apply_write(a, to, err);
	if (rc == 0 && a->target.disk->size > size)
		rc = resize(a, size, err);
	return rc;
}

static int renew(struct apply *a, struct tranship_error *err)
{
	struct tranship_disk *disk = a->target.disk;
	struct idgen ids;
	int rc;

	if (!disk->ops->modify->renew ||
	    strcmp(disk->identity, a->journal.head.identity_before) != 0)
		return 0;
	rc = idgen_init(&ids, NULL, err);
	return rc ? rc : disk->ops->modify->renew(disk, &ids, err);
}

/* The journal stands; from the note on nobody else uses the target. */
static int go_forward(struct apply *a, struct delta *to, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	int rc;

	a->changing = true;
	rc = write_note(a, err);
	if (rc == 0)
		rc = renew(a, err);
	if (rc == 0)
		rc = carry(a, to, err);
	if (rc)
		return rc;
	j->head.keep = j->head.keep || a->options->keep_journal;
	memcpy(j->head.identity_after, a->target.disk->identity, sizeof(j->head.identity_after));
	rc = stamp_of(a, &j->head.stamp, err);
	if (rc == 0)
		rc = apply_journal_mark(j, APPLY_FINISHED, err);
	if (rc == 0)
		rc = remove_note(a, err);
	if (rc == 0 && !j->head.keep)
		rc = apply_journal_remove(j, err);
	return rc;
}

static int mismatch_ids(const char *what, const char *is, const char *wanted,
			struct tranship_error *err)
{
	char shown[2][TRANSHIP_ID_MAX + 1];

	if (!is || !*is || !*wanted || strcmp(is, wanted) == 0)
		return 0;
	text_escape(shown[0], sizeof(shown[0]), is, strlen(is));
	text_escape(shown[1], sizeof(shown[1]), wanted, strlen(wanted));
	return error_set(err, TRANSHIP_EMISMATCH, "%s is '%.120s', the delta is for '%.120s'", what,
			 shown[0], shown[1]);
}

static int check_ids(const struct apply *a, const struct delta_head *head,
		     struct tranship_error *err)
{
	int rc = mismatch_ids("the target", a->options->base_id, head->base_id, err);

	if (rc == 0 && a->options->verify)
		rc = mismatch_ids("the disk of the fingerprint",
				  fingerprint_head(a->options->verify)->id, head->base_id, err);
	return rc;
}

/* What would fail in the middle is refused at the start. */
static int check_size(const struct apply *a, const struct delta_head *head,
		      struct tranship_error *err)
{
	const struct tranship_disk *disk = a->target.disk;

	if (head->target_size == head->base_size)
		return 0;
	if (is_device(a))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "a device cannot become %" PRIu64 " bytes instead of %" PRIu64,
				 head->target_size, head->base_size);
	if (strcmp(disk->format, "raw") != 0 && head->target_size % disk->sector_size != 0)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "%s: a disk cannot have %" PRIu64
				 " bytes, its sectors have %" PRIu32,
				 disk->format, head->target_size, disk->sector_size);
	return 0;
}

static int wrong_base(const struct apply *a, const struct apply_found *found,
		      struct tranship_error *err)
{
	uint64_t end = min_u64(found->not_old.off + found->not_old.len, a->target.disk->size);

	if (found->not_old.len == 0)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the target has %" PRIu64
				 " bytes, as the delta makes it, but not all of its content",
				 a->target.disk->size);
	return error_set(err, TRANSHIP_EMISMATCH,
			 "the target is not the base of the delta: its bytes %" PRIu64
			 " to %" PRIu64 " are the first that differ",
			 found->not_old.off, end);
}

/* All that can be wrong is found out here, and the way back is written on the way. */
static int check_fresh(struct apply *a, struct delta *d, struct tranship_error *err)
{
	struct apply_found found;
	int rc = check_size(a, delta_head(d), err);

	if (rc == 0)
		rc = apply_compare(a, d, true, &found, err);
	if (rc)
		return rc;
	a->result->nothing = found.new;
	if (found.new)
		return 0;
	if (!found.old)
		return wrong_base(a, &found, err);
	if (a->options->verify)
		rc = apply_verify_all(a, err);
	return rc ? rc : apply_check_tail(a, d, delta_head(d)->target_size, err);
}

static void describe(struct apply *a, const struct delta *d, struct apply_head *out)
{
	const struct tranship_disk *disk = a->target.disk;

	*out = (struct apply_head){ .state = APPLY_UNFINISHED,
				    .keep = a->options->keep_journal,
				    .ino = own_ino(a),
				    .base_size = delta_head(d)->base_size,
				    .target_size = delta_head(d)->target_size };
	memcpy(out->sha256, delta_end(d)->sha256, sizeof(out->sha256));
	snprintf(out->format, sizeof(out->format), "%s", format_find(disk->format)->name);
	snprintf(out->identity_before, sizeof(out->identity_before), "%s", disk->identity);
}

/* The target is what was wanted. A journal that was not to be kept, and that a crash left, goes. */
static int nothing_to_do(struct apply *a, const struct apply_head *old, bool had,
			 struct tranship_error *err)
{
	if (!had || old->keep || old->ino != own_ino(a))
		return 0;
	return apply_journal_remove(&a->journal, err);
}

static int apply_fresh(struct apply *a, const struct apply_delta *d, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	struct apply_head old = j->head;
	bool had = j->found && memcmp(old.sha256, delta_end(d->delta)->sha256, 32) == 0;
	char text[EDIT_NOTE_MAX + 1];
	uint32_t kind;
	int rc;

	describe(a, d->delta, &j->head);
	rc = check_fresh(a, d->delta, err);
	if (rc == 0 && a->result->nothing) {
		apply_journal_abandon(j);
		return nothing_to_do(a, &old, had, err);
	}
	if (rc == 0)
		rc = apply_journal_end(j, d->file, err);
	if (rc)
		return rc;
	rc = write_note(a, err);
	if (rc == 0)
		return go_forward(a, d->delta, err);
	/* No room for it, say: nothing was begun. */
	if (edit_note_read(main_edit(a), &a->noted, &kind, text, NULL) == 0 && !a->noted)
		apply_journal_remove(j, NULL);
	return rc;
}

static int apply_again(struct apply *a, const struct apply_delta *d, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	bool done;
	int rc;

	if (memcmp(j->head.sha256, delta_end(d->delta)->sha256, sizeof(j->head.sha256)) != 0)
		return error_set(err, TRANSHIP_EBUSY,
				 "applying another delta was interrupted: apply that one again, or "
				 "go back with 'tranship apply --undo' (journal '%s')",
				 j->path);
	rc = apply_journal_secure(j, err);
	if (rc == 0)
		rc = apply_journal_open(j, err);
	if (rc == 0)
		rc = apply_compare_torn(a, j->forward, j->back, &done, err);
	if (rc == 0)
		rc = apply_check_tail(a, j->forward, j->head.target_size, err);
	a->result->resumed = true;
	return rc ? rc : go_forward(a, j->forward, err);
}

/* Whether nobody wrote to the target since it was finished. */
static int check_untouched(struct apply *a, struct tranship_error *err)
{
	const struct apply_journal *j = &a->journal;
	struct apply_found found;
	uint64_t stamp;
	int rc = stamp_of(a, &stamp, err);

	if (rc)
		return rc;
	if ((!is_device(a) && stamp != j->head.stamp) ||
	    strcmp(a->target.disk->identity, j->head.identity_after) != 0)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the target was written since the delta was applied: going back "
				 "would mix the two");
	rc = apply_compare(a, j->back, false, &found, err);
	if (rc == 0 && !found.old)
		rc = error_set(err, TRANSHIP_EMISMATCH,
			       "the target was written since the delta was applied, at %" PRIu64
			       " to begin with",
			       found.not_old.off);
	return rc ? rc : apply_check_tail(a, j->back, j->head.base_size, err);
}

static int check_back(struct apply *a, bool *done, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	int rc = apply_journal_secure(j, err);

	*done = false;
	if (rc == 0)
		rc = apply_journal_open(j, err);
	if (rc == 0)
		a->meter.progress.total = 2 * (delta_end(j->back)->data + delta_end(j->back)->zero);
	if (rc == 0 && j->head.state == APPLY_FINISHED)
		return check_untouched(a, err);
	if (rc == 0)
		rc = apply_compare_torn(a, j->back, j->forward, done, err);
	return rc ? rc : apply_check_tail(a, j->back, j->head.base_size, err);
}

static int go_back(struct apply *a, bool done, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	struct tranship_disk *disk = a->target.disk;
	int rc;

	a->changing = j->head.state == APPLY_UNFINISHED;
	rc = write_note(a, err);
	if (rc == 0 && j->head.state == APPLY_FINISHED)
		rc = apply_journal_mark(j, APPLY_UNFINISHED, err);
	a->changing = true;
	if (rc == 0 && !done)
		rc = carry(a, j->back, err);
	if (rc == 0 && disk->ops->modify->restore &&
	    strcmp(disk->identity, j->head.identity_before) != 0)
		rc = disk->ops->modify->restore(disk, j->head.identity_before, err);
	if (rc == 0)
		rc = apply_journal_mark(j, APPLY_VOID, err);
	if (rc == 0)
		rc = remove_note(a, err);
	return rc ? rc : apply_journal_remove(j, err);
}

static int undo(struct apply *a, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	bool was, done;
	int rc;

	if (!j->found)
		return error_set(
			err, TRANSHIP_EINVAL,
			"there is no journal '%s' to go back by: it is kept only when that "
			"is asked for",
			j->path);
	if (j->head.ino != own_ino(a))
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the journal '%s' belongs to another file", j->path);
	a->result->nothing = j->head.state == APPLY_VOID;
	a->result->resumed = j->head.state == APPLY_UNFINISHED;
	rc = settle(a, &was, err);
	if (rc || a->result->nothing)
		return rc;
	rc = check_back(a, &done, err);
	return rc ? rc : go_back(a, done, err);
}

static int apply_delta_to(struct apply *a, const struct apply_delta *d, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	bool was, ours = j->found && j->head.ino == own_ino(a);
	int rc;

	if (j->found && j->head.state == APPLY_UNFINISHED)
		return ours ? apply_again(a, d, err)
			    : error_set(err, TRANSHIP_EMISMATCH,
					"the journal '%s' is of an apply to another file that was "
					"interrupted",
					j->path);
	rc = settle(a, &was, err);
	a->result->resumed = was;
	return rc ? rc : apply_fresh(a, d, err);
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

static void init(struct apply *a, const struct medium *medium,
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
	a->threads = a->options->copy.threads ? a->options->copy.threads : cpus_usable();
}

static int place(struct apply *a, const char *target, struct tranship_error *err)
{
	int rc = apply_journal_place(&a->journal, a->medium ? a->medium : &medium_local, target,
				     a->options->journal, err);

	return rc ? rc : apply_journal_load(&a->journal, err);
}

static int end(struct apply *a, int rc, struct tranship_error *err)
{
	apply_journal_close(&a->journal);
	modify_close(&a->target);
	if (rc == 0) /* too late to cancel it */
		meter_end(&a->meter, NULL);
	return explain(a, rc, err);
}

static int verify_tick(void *ctx, uint64_t done, struct tranship_error *err)
{
	struct apply *a = ctx;

	return meter_add(&a->meter, done - a->meter.progress.done, 0, err);
}

int apply_on(const struct medium *medium, const char *delta, const char *target,
	     const struct tranship_apply_options *options, struct tranship_apply_result *out,
	     struct tranship_error *err)
{
	struct apply_delta d;
	struct apply a;
	const struct delta_end *all;
	int rc;

	init(&a, medium, options, out);
	rc = apply_delta_open(&d, delta, a.options->spool_folder, err);
	if (rc)
		return error_in_file(err, rc, delta);
	all = delta_end(d.delta);
	meter_start(&a.meter, &a.options->copy, "applying",
		    all->size + 2 * (all->data + all->zero) +
			    (a.options->verify ? delta_head(d.delta)->base_size : 0));
	rc = delta_verify(d.delta, verify_tick, &a, err);
	if (rc && rc != TRANSHIP_ECANCELED)
		error_in_file(err, rc, delta);
	if (rc == 0)
		rc = check_ids(&a, delta_head(d.delta), err);
	if (rc == 0)
		rc = place(&a, target, err);
	if (rc == 0)
		rc = open_target(&a, target, false, err);
	if (rc == 0)
		rc = apply_delta_to(&a, &d, err);
	rc = end(&a, rc, err);
	apply_delta_close(&d);
	return rc;
}

int apply_undo_on(const struct medium *medium, const char *target,
		  const struct tranship_apply_options *options, struct tranship_apply_result *out,
		  struct tranship_error *err)
{
	struct apply a;
	int rc;

	init(&a, medium, options, out);
	meter_start(&a.meter, &a.options->copy, "going back", 0);
	rc = place(&a, target, err);
	if (rc == 0)
		rc = open_target(&a, target, true, err);
	if (rc == 0)
		rc = undo(&a, err);
	return end(&a, rc, err);
}

int tranship_apply(const char *delta, const char *target,
		   const struct tranship_apply_options *options, struct tranship_apply_result *out,
		   struct tranship_error *err)
{
	return apply_on(NULL, delta, target, options, out, err);
}

int tranship_apply_undo(const char *target, const struct tranship_apply_options *options,
			struct tranship_apply_result *out, struct tranship_error *err)
{
	return apply_undo_on(NULL, target, options, out, err);
}
