// SPDX-License-Identifier: Apache-2.0
/* The passes of a run over its source: one, and another for what gc took away while it ran. */
#include "pipeline/replicate_inside.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/disk.h"

#include <stdlib.h>
#include <string.h>

/* Slots that go away faster than they can be stored again: somebody deletes on purpose. */
#define REPAIRS_MAX 3

static int open_sink(struct replication *run, uint64_t first, struct tranship_error *err)
{
	struct sink_params params = { .store = run->store,
				      .first = first,
				      .uploads = run->o->uploads };

	memcpy(params.writer, run->lease.writer, WRITER_ID_SIZE);
	return sink_new(&params, &run->sink, err);
}

static void fill_params(struct replication *run, struct put_params *p)
{
	*p = (struct put_params){ .store = run->store,
				  .source = run->source,
				  .old = run->old,
				  .old_root = run->last.root,
				  .old_size = run->old ? run->last.size : 0,
				  .changes = run->changes,
				  .bad = run->bad,
				  .seed = run->seed,
				  .level = run->o->level == TRANSHIP_LEVEL_NONE ? 0
					   : run->o->level                      ? run->o->level
										: 1,
				  .threads = run->threads,
				  .sink = run->sink,
				  .index = run->index,
				  .uses = &run->uses,
				  .meter = &run->meter,
				  .leaf_done = replication_leaf_done,
				  .idle = replication_idle,
				  .ctx = run,
				  .first_leaf = run->checkpoint.next_leaf,
				  .done = run->checkpoint.pages,
				  .done_count = run->checkpoint.page_count };
}

/* All slots of the new point that are not to be named; of a point like the last one there are
 * none. */
static int check_slots(struct replication *run, struct slot_set **bad, struct tranship_error *err)
{
	struct manifest_slot *slots;
	size_t count;
	int rc = slot_uses_list(&run->uses, &slots, &count, err);

	if (rc == 0)
		rc = commit_check(run->store, slots, count, bad, err);
	free(slots);
	return rc;
}

/* What the new table has in bad slots is read and stored again. */
static int repair(struct replication *run, const struct slot_set *bad, struct tranship_error *err)
{
	struct put_params p;
	struct tranship_changes *nothing = NULL;
	struct put_counts ignored = { 0 };
	struct table *table = NULL;
	int rc = table_open(run->store->slots, &run->root, run->source->size, &table, err);

	if (rc == 0)
		rc = tranship_changes_new(round_up(run->source->size, STORE_BLOCK), &nothing, err);
	if (rc == 0) {
		fill_params(run, &p);
		p.old = table;
		p.old_root = run->root;
		p.old_size = run->source->size;
		p.changes = nothing;
		p.bad = bad;
		p.first_leaf = 0;
		p.done_count = 0;
		run->checkpointed = false; /* it is of the first pass */
		meter_start(&run->meter, &run->meter_options, "repairing", run->source->size);
		rc = put_run(&p, &run->root, &ignored, err);
	}
	if (rc == 0)
		rc = sink_drain(run->sink, err);
	run->counts.read += ignored.read;
	tranship_changes_free(nothing);
	table_close(table);
	return rc;
}

static int check_and_repair(struct replication *run, struct tranship_error *err)
{
	struct slot_set *bad = NULL;
	int tries, rc = 0;

	for (tries = 0; rc == 0; tries++) {
		slot_set_free(bad);
		bad = NULL;
		rc = check_slots(run, &bad, err);
		if (rc || !bad)
			break;
		if (tries == REPAIRS_MAX)
			rc = error_set(
				err, TRANSHIP_EIO,
				"%s: slots go away while the run stores them: %zu are missing "
				"or marked as trash after %d tries",
				run->store->target->name, slot_set_count(bad), tries);
		else if (run->source->forward)
			rc = error_set(err, TRANSHIP_EIO,
				       "%s: %zu slots were deleted while the run stored them, and "
				       "its source cannot be read again",
				       run->store->target->name, slot_set_count(bad));
		else
			rc = repair(run, bad, err);
	}
	slot_set_free(bad);
	return rc;
}

int replication_store(struct replication *run, struct tranship_error *err)
{
	struct put_params p;
	int rc = open_sink(run, replication_first_slot(run->checkpoint.head.epoch), err);

	if (rc)
		return rc;
	fill_params(run, &p);
	meter_start(&run->meter, &run->meter_options, "reading",
		    max_u64(run->source->size, p.old_size));
	rc = put_run(&p, &run->root, &run->counts, err);
	if (rc == 0)
		rc = sink_drain(run->sink, err);
	if (rc == 0)
		rc = check_and_repair(run, err);
	run->sent = sink_bytes(run->sink);
	run->slots = sink_sent(run->sink);
	return rc;
}
