// SPDX-License-Identifier: Apache-2.0
/* Whether the last point can be built upon. */
#include "pipeline/replicate_inside.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/disk.h"

#include <stdlib.h>
#include <string.h>

/* The run begins at the front of the disk. */
static void forget_progress(struct replication *run)
{
	run->checkpoint.next_leaf = 0;
	run->checkpoint.page_count = 0;
	memset(&run->counts, 0, sizeof(run->counts));
}

/* TRANSHIP_ENOTFOUND: a slot that it names is not in the store. What is only marked as trash is
 * still there to be read, and will be stored again. */
static int check_presence(struct replication *run, struct tranship_error *err)
{
	struct slot_set *bad = NULL;
	size_t missing = 0, i;
	int rc = commit_check(run->store, run->last.slots, run->last.slot_count, &bad, err);

	for (i = 0; rc == 0 && i < run->last.slot_count; i++)
		missing += slot_set_has(bad, &run->last.slots[i].id) &&
			   !slot_set_has(run->bad, &run->last.slots[i].id);
	slot_set_free(bad);
	if (rc == 0 && missing > 0)
		return error_set(err, TRANSHIP_ENOTFOUND, "%zu of its slots are not in the store",
				 missing);
	return rc;
}

/* Reads all of its table. */
static int check_pages(struct replication *run, struct tranship_error *err)
{
	uint64_t leaves = div_up(run->last.size, LEAF_BYTES), leaf = 0, block;
	struct table_leaf *page = calloc(1, sizeof(*page));
	int rc = 0;

	if (!page)
		return error_nomem(err, sizeof(*page));
	table_leaf_clear(page);
	while (rc == 0 && leaf < leaves) {
		rc = table_next(run->old, leaf * LEAF_BLOCKS, &block, err);
		if (rc || block == UINT64_MAX)
			break;
		leaf = block / LEAF_BLOCKS;
		rc = table_read_leaf(run->old, leaf++, page, err);
	}
	table_leaf_fini(page);
	free(page);
	return rc;
}

static int open_last(struct replication *run, struct tranship_error *err)
{
	int rc;

	if (run->last_fault.code)
		return error_copy(err, &run->last_fault, run->last_fault.code);
	rc = check_presence(run, err);
	if (rc == 0)
		rc = table_open(run->store->slots, &run->last.root, run->last.size, &run->old, err);
	/* Where changes are given only the pages that they touch are read. */
	if (rc == 0 && !run->changes)
		rc = check_pages(run, err);
	return rc;
}

/* What an interrupted run left may be gone: its lease protected it for the grace and no longer.
 * What its leaves name is looked at before the commit. */
static int check_checkpoint(struct replication *run, struct tranship_error *err)
{
	struct checkpoint *cp = &run->checkpoint;
	struct table_leaf *page;
	struct tranship_error why;
	size_t i;
	int rc = 0;

	if (cp->page_count == 0)
		return 0;
	page = calloc(1, sizeof(*page));
	if (!page)
		return error_nomem(err, sizeof(*page));
	table_leaf_clear(page);
	for (i = 0; i < cp->page_count && rc == 0; i++)
		if (cp->pages[i].ref.there)
			rc = table_leaf_fetch(run->store->slots, &cp->pages[i].ref,
					      cp->pages[i].leaf, page, &why);
	table_leaf_fini(page);
	free(page);
	if (rc != TRANSHIP_ENOTFOUND && rc != TRANSHIP_ECORRUPT)
		return rc ? error_copy(err, &why, rc) : 0;
	warn_send(run->o->warn, run->o->warn_ctx,
		  "what the interrupted run stored is not whole (%s): all is read again",
		  why.message);
	forget_progress(run);
	return 0;
}

int replication_open_last(struct replication *run, struct tranship_error *err)
{
	struct tranship_error why;
	int rc = run->has_last ? open_last(run, &why) : 0;

	if (rc == 0)
		rc = slot_uses_add_all(&run->uses, run->last.slots, run->last.slot_count, &why);
	if (rc == 0)
		return check_checkpoint(run, err);
	if (rc != TRANSHIP_ENOTFOUND && rc != TRANSHIP_ECORRUPT)
		return error_copy(err, &why, rc);
	table_close(run->old);
	run->old = NULL;
	if (run->changes) {
		if (run->o->on_lost_tracking != TRANSHIP_LOST_TRACKING_FINGERPRINT)
			return error_set(err, TRANSHIP_ETRACKING,
					 "the last point, %s, is damaged (%.300s): changes do not "
					 "suffice",
					 run->last.id, why.message);
		run->result->lost_tracking = true;
		tranship_changes_free(run->changes);
		run->changes = NULL;
	}
	warn_send(run->o->warn, run->o->warn_ctx,
		  "the last point, %s, is damaged (%s): all of the disk is stored that the store "
		  "does not have",
		  run->last.id, why.message);
	run->result->method = TRANSHIP_METHOD_FULL;
	forget_progress(run); /* it was built upon that point */
	return 0;
}
