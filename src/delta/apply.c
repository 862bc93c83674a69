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
#include "base/error.h"
#include "base/text.h"
#include "delta/apply_delta.h"
#include "delta/fingerprint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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
	rc = apply_write_note(a, err);
	if (rc == 0)
		rc = renew(a, err);
	if (rc == 0)
		rc = apply_carry(a, to, false, err);
	if (rc)
		return rc;
	j->head.keep = j->head.keep || a->options->keep_journal;
	memcpy(j->head.identity_after, a->target.disk->identity, sizeof(j->head.identity_after));
	rc = apply_stamp(a, &j->head.stamp, err);
	if (rc == 0)
		rc = apply_journal_mark(j, APPLY_FINISHED, err);
	if (rc == 0)
		rc = apply_remove_note(a, err);
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
	struct tranship_disk *disk = a->target.disk;

	if (head->target_size == head->base_size)
		return 0;
	if (apply_is_device(a))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "a device cannot become %" PRIu64 " bytes instead of %" PRIu64,
				 head->target_size, head->base_size);
	if (strcmp(disk->format, "raw") != 0 && head->target_size % disk->sector_size != 0)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "%s: a disk cannot have %" PRIu64
				 " bytes, its sectors have %" PRIu32,
				 disk->format, head->target_size, disk->sector_size);
	return disk->size == head->target_size
		       ? 0
		       : disk->ops->modify->can_resize(disk, head->target_size, err);
}

static int wrong_base(const struct apply *a, const struct apply_found *found,
		      struct tranship_error *err)
{
	uint64_t end = min_u64(found->not_old.off + found->not_old.len, a->target.disk->size);

	if (found->not_old.len == 0)
		return error_set(
			err, TRANSHIP_EMISMATCH,
			"the target has %" PRIu64
			" bytes, as the delta makes it, but its bytes %" PRIu64 " to %" PRIu64
			" are the first that differ from that",
			a->target.disk->size, found->not_new.off,
			min_u64(found->not_new.off + found->not_new.len, a->target.disk->size));
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
		rc = apply_compare(a, d, APPLY_COMPARE_SAVE, &found, err);
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

	*out = a->owner;
	out->state = APPLY_UNFINISHED;
	out->keep = a->options->keep_journal;
	out->base_size = delta_head(d)->base_size;
	out->target_size = delta_head(d)->target_size;
	memcpy(out->sha256, delta_end(d)->sha256, sizeof(out->sha256));
	snprintf(out->format, sizeof(out->format), "%s", format_find(disk->format)->name);
	snprintf(out->identity_before, sizeof(out->identity_before), "%s", disk->identity);
}

/* The target is what was wanted. A journal that was not to be kept, and that a crash left, goes. */
static int nothing_to_do(struct apply *a, const struct apply_head *old, bool had,
			 struct tranship_error *err)
{
	if (!had || old->keep)
		return 0;
	return apply_journal_remove(&a->journal, err);
}

/*
 * The delta is verified beside the comparison, which takes as long and does nothing but read: of a
 * delta that is damaged as well that is told.
 */
static int check_all(struct apply *a, struct apply_delta *d, struct tranship_error *err)
{
	struct tranship_error why;
	int rc = 0, bad = 0;

	apply_delta_verify(d, a->threads == 1);
	if (a->threads > 1 || d->rc == 0)
		rc = check_fresh(a, d->delta, err);
	bad = apply_delta_verified(d, rc == TRANSHIP_ECANCELED, &why);
	if (bad)
		rc = error_copy(err, &why, bad);
	return rc ? rc : meter_add(&a->meter, delta_end(d->delta)->size, 0, err);
}

static int apply_fresh(struct apply *a, struct apply_delta *d, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	struct apply_head old = j->head;
	bool had = j->found && memcmp(old.sha256, delta_end(d->delta)->sha256, 32) == 0;
	char text[EDIT_NOTE_MAX + 1];
	uint32_t kind;
	int rc;

	describe(a, d->delta, &j->head);
	rc = check_all(a, d, err);
	if (rc == 0 && a->result->nothing) {
		apply_journal_abandon(j);
		return nothing_to_do(a, &old, had, err);
	}
	if (rc == 0)
		rc = apply_check_room(a, d->delta, err);
	if (rc == 0)
		rc = apply_journal_end(j, d->file, err);
	if (rc)
		return rc;
	rc = apply_write_note(a, err);
	if (rc == 0)
		return go_forward(a, d->delta, err);
	/* No room for it, say: nothing was begun. */
	if (edit_note_read(apply_main_edit(a), &a->noted, &kind, text, NULL) == 0 && !a->noted)
		apply_journal_remove(j, NULL);
	return rc;
}

static int apply_again(struct apply *a, struct apply_delta *d, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	int rc;

	if (memcmp(j->head.sha256, delta_end(d->delta)->sha256, sizeof(j->head.sha256)) != 0)
		return error_set(err, TRANSHIP_EBUSY,
				 "applying another delta was interrupted: apply that one again, or "
				 "go back with 'tranship apply --undo' (journal '%s')",
				 j->path);
	apply_delta_verify(d, true);
	rc = apply_delta_verified(d, false, err);
	if (rc == 0)
		rc = apply_journal_secure(j, err);
	if (rc == 0)
		rc = apply_journal_open(j, err);
	if (rc == 0)
		rc = apply_compare_torn(a, j->forward, j->back, err);
	if (rc == 0)
		rc = apply_check_tail(a, j->forward, j->head.target_size, err);
	a->result->resumed = true;
	return rc ? rc : go_forward(a, j->forward, err);
}

static int apply_delta_to(struct apply *a, struct apply_delta *d, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	bool was = false;
	int rc = apply_settle(a, &was, err);

	if (rc == 0 && j->found && j->head.state == APPLY_UNFINISHED)
		return apply_again(a, d, err);
	a->result->resumed = was;
	return rc ? rc : apply_fresh(a, d, err);
}

int apply_on(const struct medium *medium, const char *delta, const char *target,
	     const struct tranship_apply_options *options, struct tranship_apply_result *out,
	     struct tranship_error *err)
{
	struct apply_delta d;
	struct apply a;
	const struct delta_end *all;
	int rc;

	apply_init(&a, medium, options, out);
	meter_start(&a.meter, &a.options->copy, "reading the delta", 0);
	rc = apply_delta_open(&d, delta, a.options->spool_folder, &a.meter, err);
	if (rc)
		return error_in_file(err, rc, delta);
	all = delta_end(d.delta);
	meter_start(&a.meter, &a.options->copy, "applying",
		    all->size + 2 * (all->data + all->zero) +
			    (a.options->verify ? delta_head(d.delta)->base_size : 0));
	rc = check_ids(&a, delta_head(d.delta), err);
	if (rc == 0)
		rc = apply_place(&a, target, err);
	if (rc == 0)
		rc = apply_open_target(&a, target, false, err);
	if (rc == 0)
		rc = apply_delta_to(&a, &d, err);
	rc = apply_end(&a, rc, err);
	apply_delta_close(&d);
	return rc;
}

int tranship_apply(const char *delta, const char *target,
		   const struct tranship_apply_options *options, struct tranship_apply_result *out,
		   struct tranship_error *err)
{
	return apply_on(NULL, delta, target, options, out, err);
}
