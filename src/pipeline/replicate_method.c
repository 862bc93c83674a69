// SPDX-License-Identifier: Apache-2.0
/* What is read: what was given as changed, or all of the disk. */
#include "pipeline/replicate_inside.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "emit/point_alias.h"

#include <inttypes.h>
#include <string.h>

static bool last_is_version(struct replication *run, const char *id, bool *is,
			    struct tranship_error *err, int *rc)
{
	*is = strcmp(run->last.version, id) == 0;
	*rc = *is ? 0 : point_has_alias(run->store, run->last.id, id, is, err);
	return *rc == 0;
}

/* Whether the list that was given can be trusted to begin at the last point. */
static int tracks(struct replication *run, struct tranship_error *err)
{
	const struct tranship_changes *changes = run->o->changes;
	const char *base = tranship_changes_base_id(changes);
	const char *target = tranship_changes_target_id(changes);
	char shown[2][300];
	bool is = false;
	int rc;

	if (!*base || !*target)
		return error_set(err, TRANSHIP_ETRACKING,
				 "the changes do not say from which version to which they are: a "
				 "base id and a target id are needed");
	text_show(shown[0], sizeof(shown[0]), base, strlen(base));
	if (!run->has_last)
		return error_set(err, TRANSHIP_ETRACKING,
				 "the changes begin at version '%s', and the disk has no point in "
				 "this store",
				 shown[0]);
	if (!last_is_version(run, base, &is, err, &rc))
		return rc;
	if (!is) {
		text_show(shown[1], sizeof(shown[1]), run->last.version, strlen(run->last.version));
		return error_set(err, TRANSHIP_ETRACKING,
				 "the changes begin at version '%.100s', and the last point is "
				 "'%.100s'",
				 shown[0], shown[1]);
	}
	return 0;
}

/* The list in whole blocks, with all that one of the two sizes has behind the other, and all in
 * which the two plans differ. */
static int round_changes(struct replication *run, struct tranship_error *err)
{
	const struct tranship_changes *given = run->o->changes;
	uint64_t size = run->source->size, old = run->last.size, end;
	struct tranship_changes *whole;
	size_t i, count = tranship_changes_count(given);
	int rc;

	if (tranship_changes_size(given) != size && tranship_changes_size(given) != old)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the changes are of a disk of %" PRIu64
				 " bytes, this one has %" PRIu64,
				 tranship_changes_size(given), size);
	end = round_up(max_u64(size, old), STORE_BLOCK);
	rc = tranship_changes_new(end, &whole, err);
	if (rc)
		return rc;
	for (i = 0; i < count && rc == 0; i++) {
		struct tranship_change c = tranship_changes_at(given, i);

		rc = tranship_changes_add(whole, c.off, c.len, false, err);
	}
	if (rc == 0 && size != old)
		rc = tranship_changes_add(whole, min_u64(size, old), end - min_u64(size, old),
					  false, err);
	if (rc == 0)
		rc = replication_add_boot(run, whole, err);
	if (rc == 0)
		rc = tranship_changes_round(whole, STORE_BLOCK, &run->changes, err);
	tranship_changes_free(whole);
	return rc;
}

int replication_choose_method(struct replication *run, struct tranship_error *err)
{
	struct tranship_replicate_result *result = run->result;
	struct tranship_error why;
	int rc;

	result->method = run->has_last ? TRANSHIP_METHOD_FINGERPRINT : TRANSHIP_METHOD_FULL;
	if (!run->o->changes)
		return 0;
	rc = tracks(run, &why);
	if (rc == 0 && run->source->forward) /* nothing of it can be left out */
		return 0;
	if (rc == 0) {
		result->method = TRANSHIP_METHOD_CHANGES;
		return round_changes(run, err);
	}
	if (rc != TRANSHIP_ETRACKING ||
	    run->o->on_lost_tracking != TRANSHIP_LOST_TRACKING_FINGERPRINT)
		return error_copy(err, &why, rc);
	result->lost_tracking = true;
	warn_send(run->o->warn, run->o->warn_ctx, "%s; all of the disk is read", why.message);
	return 0;
}
