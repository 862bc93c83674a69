// SPDX-License-Identifier: Apache-2.0
/* Going back by the journal: from an apply that was interrupted, or one that is finished. */
#include "base/error.h"
#include "delta/apply_inside.h"

#include <inttypes.h>
#include <string.h>

/* Whether nobody wrote to the target since it was finished. */
static int check_untouched(struct apply *a, struct tranship_error *err)
{
	const struct apply_journal *j = &a->journal;
	struct apply_found found;
	uint64_t stamp;
	int rc = apply_stamp(a, &stamp, err);

	if (rc)
		return rc;
	if ((!apply_is_device(a) && stamp != j->head.stamp) ||
	    strcmp(a->target.disk->identity, j->head.identity_after) != 0)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the target was written since the delta was applied: going back "
				 "would mix the two");
	rc = apply_compare(a, j->back, APPLY_COMPARE, &found, err);
	if (rc == 0 && !found.old)
		rc = error_set(err, TRANSHIP_EMISMATCH,
			       "the target was written since the delta was applied, at %" PRIu64
			       " to begin with",
			       found.not_old.off);
	return rc ? rc : apply_check_tail(a, j->back, j->head.base_size, err);
}

static int check_back(struct apply *a, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	int rc = apply_journal_secure(j, err);

	if (rc == 0)
		rc = apply_journal_open(j, err);
	if (rc == 0)
		a->meter.progress.total = 2 * (delta_end(j->back)->data + delta_end(j->back)->zero);
	if (rc == 0 && j->head.state == APPLY_FINISHED)
		return check_untouched(a, err);
	if (rc == 0)
		rc = apply_compare_torn(a, j->back, j->forward, err);
	return rc ? rc : apply_check_tail(a, j->back, j->head.base_size, err);
}

/*
 * All is written, also what reads as if it had been: after a failed fsync what is read may stand in
 * memory alone.
 */
static int go_back(struct apply *a, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	struct tranship_disk *disk = a->target.disk;
	int rc;

	a->changing = j->head.state == APPLY_UNFINISHED;
	rc = apply_write_note(a, err);
	if (rc == 0 && j->head.state == APPLY_FINISHED)
		rc = apply_journal_mark(j, APPLY_UNFINISHED, err);
	a->changing = true;
	if (rc == 0)
		rc = apply_carry(a, j->back, true, err);
	if (rc == 0 && disk->ops->modify->restore &&
	    strcmp(disk->identity, j->head.identity_before) != 0)
		rc = disk->ops->modify->restore(disk, j->head.identity_before, err);
	if (rc == 0)
		rc = apply_journal_mark(j, APPLY_VOID, err);
	if (rc == 0)
		rc = apply_remove_note(a, err);
	return rc ? rc : apply_journal_remove(j, err);
}

static int undo(struct apply *a, struct tranship_error *err)
{
	struct apply_journal *j = &a->journal;
	bool was;
	int rc;

	if (!j->found)
		return error_set(
			err, TRANSHIP_EINVAL,
			"there is no journal '%s' to go back by: it is kept only when that "
			"is asked for",
			j->path);
	rc = apply_settle(a, &was, err);
	a->result->nothing = j->head.state == APPLY_VOID;
	a->result->resumed = j->head.state == APPLY_UNFINISHED;
	if (rc || a->result->nothing)
		return rc;
	rc = check_back(a, err);
	return rc ? rc : go_back(a, err);
}

int apply_undo_on(const struct medium *medium, const char *target,
		  const struct tranship_apply_options *options, struct tranship_apply_result *out,
		  struct tranship_error *err)
{
	struct apply a;
	int rc;

	apply_init(&a, medium, options, out);
	meter_start(&a.meter, &a.options->copy, "going back", 0);
	rc = apply_place(&a, target, err);
	if (rc == 0)
		rc = apply_open_target(&a, target, true, err);
	if (rc == 0)
		rc = undo(&a, err);
	return apply_end(&a, rc, err);
}

int tranship_apply_undo(const char *target, const struct tranship_apply_options *options,
			struct tranship_apply_result *out, struct tranship_error *err)
{
	return apply_undo_on(NULL, target, options, out, err);
}
