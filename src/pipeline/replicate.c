// SPDX-License-Identifier: Apache-2.0
/* One run, from the lease to the point. docs/pipeline.md tells it in words. */
#include "pipeline/replicate_inside.h"

#include "base/cpus.h"
#include "base/error.h"
#include "base/text.h"
#include "core/disk.h"
#include "delta/fingerprint.h"
#include "emit/point_alias.h"
#include "mbr-gpt/boot_plan.h"
#include "pipeline/last_seen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_DEFAULT_MAX 8U
#define LEVEL_MAX 19

static int check_options(const struct tranship_disk *source,
			 const struct tranship_replicate_options *o, struct tranship_error *err)
{
	const char *const texts[] = { o->disk, o->name, o->version, o->source_identity };
	size_t i;

	if (!o->disk || !*o->disk)
		return error_set(err, TRANSHIP_EINVAL, "which disk it is has to be said");
	if (o->name && (!*o->name || strchr(o->name, '@')))
		return error_set(err, TRANSHIP_EINVAL,
				 "the name of a point is empty or has an '@': STORE@NAME could not "
				 "find it");
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i] && !text_is_line(texts[i], TRANSHIP_ID_MAX))
			return error_set(err, TRANSHIP_EINVAL,
					 "an id or a name is no line of text of at most %d bytes",
					 TRANSHIP_ID_MAX);
	if (o->level < TRANSHIP_LEVEL_NONE || o->level > LEVEL_MAX)
		return error_set(err, TRANSHIP_EINVAL, "compression level %d; 1 to %d are taken",
				 o->level, LEVEL_MAX);
	return disk_require_complete(source, err);
}

static int report_progress(void *ctx, const struct tranship_progress *common)
{
	struct replication *run = ctx;
	struct tranship_replicate_progress progress = {
		.common = *common,
		.read = run->counts.read,
		.changed = run->counts.changed + run->counts.zeroed,
		.sent = run->sink ? sink_bytes(run->sink) : 0
	};

	return run->o->progress ? run->o->progress(run->o->progress_ctx, &progress) : 0;
}

static void run_init(struct replication *run)
{
	unsigned cpus = cpus_usable();

	run->threads = run->o->threads              ? run->o->threads
		       : cpus < THREADS_DEFAULT_MAX ? cpus
						    : THREADS_DEFAULT_MAX;
	run->meter_options = (struct tranship_copy_options){ .rate = run->o->rate,
							     .progress = report_progress,
							     .progress_ctx = run,
							     .warn = run->o->warn,
							     .warn_ctx = run->o->warn_ctx };
	run->checkpoint.fd = run->checkpoint.old_fd = -1;
}

static int find_last(struct replication *run, struct tranship_error *err)
{
	struct tranship_error why;
	int rc = manifest_newest(run->store, run->o->disk, true, &run->last, &why);

	if (rc == TRANSHIP_ENOTFOUND)
		return 0;
	/* Its front alone will do, to say what is not built upon. */
	if (rc == TRANSHIP_ECORRUPT) {
		run->last_fault = why;
		rc = manifest_newest(run->store, run->o->disk, false, &run->last, &why);
	}
	if (rc)
		return error_copy(err, &why, rc);
	run->has_last = true;
	if (strcmp(run->last.source_format, run->source->format) != 0)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the disk was of the format %s at its last point, and is %s now",
				 run->last.source_format, run->source->format);
	run->seed = run->last.seed;
	snprintf(run->result->predecessor, sizeof(run->result->predecessor), "%s", run->last.id);
	return manifest_digest(run->store, run->last.id, run->last_digest, err);
}

/* Ids begin with their time, so they are in order of it. */
static int look_for_rollback(struct replication *run, struct tranship_error *err)
{
	const char *newest = run->has_last ? run->last.id : "";
	char seen[POINT_ID_TEXT];
	int rc = 0;

	if (!run->o->checkpoint)
		return 0;
	rc = last_seen_read(run->o->checkpoint, run->store->id, run->o->disk, seen, err);
	if (rc == 0 && strcmp(seen, newest) > 0)
		warn_send(run->o->warn, run->o->warn_ctx,
			  "the last point that was seen from here, %s, is not in the store, whose "
			  "newest of this disk is %s: it was deleted, or the store is an older one",
			  seen, *newest ? newest : "none");
	return rc;
}

static int identify(struct replication *run, struct tranship_error *err)
{
	char *view = NULL;
	int rc = files_id(run->source, run->files, err);

	if (rc == 0 && run->o->boot && !boot_plan_fits(run->o->boot, run->files)) {
		run->result->source_changed = true;
		return error_set(err, TRANSHIP_EBUSY,
				 "the source changed after it was planned for: no point was made");
	}
	if (rc == 0)
		rc = replication_view(run, &view, err);
	if (rc == 0)
		rc = source_view_id(run->source,
				    run->o->source_identity ? run->o->source_identity : run->files,
				    view, run->source_id, err);
	free(view);
	return rc;
}

/* The store as it is now: what must not be named, what need not be stored. */
static int look_at_store(struct replication *run, struct tranship_error *err)
{
	int rc = trash_list(run->store, &run->bad, err);

	if (rc == 0)
		rc = block_index_open(run->store, run->bad, &run->index, err);
	return rc ? rc : replication_open_last(run, err);
}

/* A local file that somebody wrote while it was read is neither what it was nor what it is. */
static int check_source(struct replication *run, struct tranship_error *err)
{
	char files[SOURCE_ID_TEXT];
	int rc = files_id(run->source, files, err);

	if (rc == 0 && strcmp(files, run->files) != 0) {
		run->result->source_changed = true;
		return error_set(err, TRANSHIP_EBUSY,
				 "the source changed while it was read: no point was made");
	}
	return rc;
}

static int choose_version(struct replication *run, struct tranship_error *err)
{
	char *version = run->result->version;
	const char *target = run->o->changes ? tranship_changes_target_id(run->o->changes) : "";
	struct idgen ids;
	int rc;

	if (run->o->version && *target && strcmp(run->o->version, target) != 0)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the version was given, and the changes lead to another one");
	if (run->o->version || *target) {
		snprintf(version, TRANSHIP_ID_MAX + 1, "%s",
			 run->o->version ? run->o->version : target);
		return 0;
	}
	rc = idgen_init(&ids, NULL, err);
	return rc ? rc : new_version_id(&ids, version, err);
}

/*
 * Under another plan the same bytes are another point: what the guest wrote may be what the last
 * plan had put there, and is no difference to the next run unless the point remembers this plan.
 */
static bool nothing_changed(const struct replication *run)
{
	return run->old && run->last.size == run->source->size &&
	       manifest_boot_same(run->last.boot, run->boot) &&
	       run->last.root.level == run->root.level &&
	       page_ref_equal(&run->last.root.page, &run->root.page);
}

/* The next list of changes will begin at a version that has no point of its own. */
static int end_without_point(struct replication *run, struct tranship_error *err)
{
	bool said = run->o->version ||
		    (run->o->changes && *tranship_changes_target_id(run->o->changes));

	run->result->nothing = true;
	snprintf(run->result->point, sizeof(run->result->point), "%s", run->last.id);
	if (said && strcmp(run->last.version, run->result->version) != 0)
		return point_add_alias(run->store, run->last.id, run->result->version, err);
	if (!said)
		snprintf(run->result->version, sizeof(run->result->version), "%s",
			 run->last.version);
	return 0;
}

static int commit(struct replication *run, struct tranship_error *err)
{
	struct manifest m = { .size = run->source->size,
			      .sector_size = run->source->sector_size,
			      .seed = run->seed,
			      .root = run->root,
			      .boot = run->boot,
			      .changed = run->counts.changed + run->counts.zeroed,
			      .stored = run->sent };
	int rc;

	run->boot = NULL; /* it is the manifest's */
	m.data = (run->old ? run->last.data : 0) + (uint64_t)run->counts.grown;
	snprintf(m.name, sizeof(m.name), "%s", run->o->name ? run->o->name : run->o->disk);
	snprintf(m.disk, sizeof(m.disk), "%s", run->o->disk);
	snprintf(m.version, sizeof(m.version), "%s", run->result->version);
	snprintf(m.source_format, sizeof(m.source_format), "%s", run->source->format);
	if (run->has_last) {
		snprintf(m.predecessor, sizeof(m.predecessor), "%s", run->last.id);
		memcpy(m.predecessor_digest, run->last_digest, sizeof(m.predecessor_digest));
		m.time_us = run->last.time_us + 1; /* at least */
	}
	rc = slot_uses_list(&run->uses, &m.slots, &m.slot_count, err);
	if (rc == 0)
		rc = lease_check(&run->lease, err);
	if (rc == 0)
		rc = manifest_write(run->store, &m, NULL, err);
	if (rc == 0)
		snprintf(run->result->point, sizeof(run->result->point), "%s", m.id);
	manifest_free(&m);
	return rc;
}

/* What is left to do when the run is over cannot undo it. */
static void tidy(struct replication *run)
{
	struct tranship_error err;

	if (run->leased && lease_drop(&run->lease, &err))
		warn_send(run->o->warn, run->o->warn_ctx, "the lease stays until it is too old: %s",
			  err.message);
	if (run->checkpoint.fd >= 0 && (last_seen_write(run->o->checkpoint, run->store->id,
							run->o->disk, run->result->point, &err) ||
					checkpoint_remove(&run->checkpoint, &err)))
		warn_send(run->o->warn, run->o->warn_ctx, "%s", err.message);
}

static int run_all(struct replication *run, struct tranship_error *err)
{
	int rc = replication_take_boot(run, err);

	if (rc == 0)
		rc = identify(run, err);
	if (rc == 0)
		rc = random_bytes(run->seed.bytes, sizeof(run->seed.bytes), err);
	if (rc == 0)
		rc = find_last(run, err);
	if (rc == 0)
		rc = look_for_rollback(run, err);
	if (rc == 0)
		rc = replication_choose_method(run, err);
	if (rc == 0)
		rc = choose_version(run, err);
	if (rc == 0)
		rc = replication_checkpoint_open(run, err);
	if (rc == 0)
		rc = look_at_store(run, err);
	if (rc == 0)
		rc = replication_checkpoint_begin(run, err);
	if (rc == 0)
		rc = replication_store(run, err);
	if (rc == 0)
		rc = check_source(run, err);
	if (rc == 0)
		rc = nothing_changed(run) ? end_without_point(run, err) : commit(run, err);
	if (rc == 0)
		(void)meter_end(&run->meter, NULL); /* there is nothing left to cancel */
	return rc;
}

static void run_fini(struct replication *run)
{
	sink_free(run->sink);
	block_index_close(run->index);
	slot_uses_free(&run->uses);
	slot_set_free(run->bad);
	table_close(run->old);
	free(run->boot);
	tranship_changes_free(run->changes);
	if (run->has_last)
		manifest_free(&run->last);
	replication_checkpoint_fini(run);
	explicit_bzero(&run->seed, sizeof(run->seed));
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int tranship_replicate(struct tranship_disk *source, struct tranship_store *store,
		       const struct tranship_replicate_options *options,
		       struct tranship_replicate_result *out, struct tranship_error *err)
{
	struct tranship_replicate_result ignored;
	struct replication run = { .o = options, .source = source, .store = store };
	double started = seconds_now();
	int rc = check_options(source, options, err);

	run.result = out ? out : &ignored;
	memset(run.result, 0, sizeof(*run.result));
	if (rc)
		return rc;
	run_init(&run);
	rc = run_all(&run, err);
	/* Who goes on from the checkpoint goes on with the lease. */
	if (rc == 0 || (run.checkpoint.fd < 0 && !run.result->resumed))
		tidy(&run);
	run.result->size = source->size;
	run.result->read = run.counts.read;
	run.result->changed = run.counts.changed;
	run.result->zeroed = run.counts.zeroed;
	run.result->deduplicated = run.counts.deduplicated;
	run.result->sent = run.sent;
	run.result->slots = run.slots;
	run.result->seconds = seconds_now() - started;
	run_fini(&run);
	return rc;
}
