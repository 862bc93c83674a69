// SPDX-License-Identifier: Apache-2.0
#include "passes.h"

#include "pass_command.h"
#include "run_meter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double passes_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Says in front which file it is about. */
static int of_file(const char *file, struct tranship_error *err)
{
	char message[sizeof(err->message)], shown[TEXT_SHOWN];

	memcpy(message, err->message, sizeof(message));
	snprintf(err->message, sizeof(err->message), "'%s': %.370s", text_shown(file, shown),
		 message);
	return err->code;
}

static int open_changes(const struct job *job, const struct tranship_disk *disk,
			struct tranship_changes **out, struct tranship_error *err)
{
	const struct job_changes *c = &job->changes;
	struct tranship_changes_options options = { .format = c->format,
						    .size = c->size ? c->size
								    : tranship_disk_size(disk),
						    .block_size = c->block_size,
						    .base_id = c->base_id,
						    .target_id = c->target_id };

	if (!c->file)
		return 0;
	return tranship_changes_open(c->file, &options, out, err) ? of_file(c->file, err) : 0;
}

/* How the source is looked at: other words may make another disk of the same file. */
static char *view_of(const struct cli_source *source)
{
	char *view;

	if (asprintf(&view, "%s %s,%s,%u", source->member ? source->member : "",
		     source->options ? source->options : "", source->format ? source->format : "",
		     source->flags) < 0)
		abort();
	return view;
}

static int replicate(const struct job *job, struct tranship_disk *disk,
		     const struct tranship_changes *changes, struct tranship_store *store,
		     struct run_pass *pass, struct tranship_error *err)
{
	char *view = view_of(&job->source);
	struct tranship_store_info info;
	struct run_meter meter;
	struct tranship_replicate_options options = {
		.name = job->name,
		.disk = job->disk,
		.version = job->version ? job->version
			   : changes    ? NULL
					: job->changes.target_id,
		.changes = changes,
		.on_lost_tracking = job->on_lost_tracking,
		.boot = pass->plan,
		.source_identity = job->source_identity,
		.source_view = view,
		.checkpoint = job->no_checkpoint ? NULL : job->checkpoint,
		.level = job->level,
		.threads = job->threads,
		.uploads = job->uploads,
		.rate = job->rate,
		.grace = job->grace,
		.progress = run_meter_progress,
		.progress_ctx = &meter,
		.warn = job->source.quiet ? NULL : run_meter_warn,
		.warn_ctx = &meter,
	};
	int rc;

	tranship_store_get_info(store, &info);
	run_meter_init(&meter, job->progress && !job->source.quiet, disk, changes, info.block_size);
	rc = tranship_replicate(disk, store, &options, &pass->result, err);
	cli_meter_clear(&meter.line);
	free(view);
	return rc;
}

/* With --boot: the disk as a plan of what it is now makes it. */
static int boot_disk(const struct job *job, struct tranship_disk **disk, struct run_pass *pass,
		     struct tranship_error *err)
{
	struct tranship_disk *booted;
	int rc;

	if (!job->boot.wanted)
		return 0;
	rc = cli_boot_plan(&job->boot, *disk, &pass->plan, err);
	if (rc == 0 && tranship_boot_plan_refusal(pass->plan, 0))
		rc = cli_boot_refusal(pass->plan, err);
	if (rc == 0 && !job->source.quiet)
		cli_boot_tell_notes(pass->plan, job->location, cli_warn, NULL);
	if (rc == 0)
		rc = tranship_boot_open(*disk, pass->plan, &booted, err);
	pass->result.source_changed = rc == TRANSHIP_EBUSY;
	if (rc && cli_interrupted()) /* and with it the program that makes GRUB's image */
		return texts_error(err, TRANSHIP_ECANCELED, "interrupted");
	if (rc)
		return of_file(job->location, err);
	*disk = booted;
	return 0;
}

static int one_pass(const struct job *job, struct tranship_store *store, struct run_pass *pass,
		    struct tranship_error *err)
{
	struct cli_source source = job->source;
	struct tranship_changes *changes = NULL;
	struct tranship_disk *disk;
	char *spool = cli_spool_folder(NULL);
	int rc;

	pass->started = passes_now();
	source.flags |= TRANSHIP_OPEN_DROP_BEHIND;
	source.spool = spool;
	rc = cli_open_disk(&source, job->location, NULL, &disk, err);
	if (rc)
		of_file(job->location, err);
	if (rc == 0)
		rc = boot_disk(job, &disk, pass, err);
	if (rc == 0)
		rc = open_changes(job, disk, &changes, err);
	if (rc == 0)
		rc = replicate(job, disk, changes, store, pass, err);
	tranship_changes_free(changes);
	tranship_disk_close(disk);
	free(spool);
	pass->failed = rc != 0;
	return rc;
}

/* What is read next: what the pass command says; without one the same source, compared. */
static int prepare(struct job *job, const struct run_record *run, bool *last,
		   struct tranship_error *err)
{
	const struct tranship_replicate_result *before = &run->passes[run->pass_count - 1].result;
	struct pass_state state = { .pass = run->pass_count + 1,
				    .version = before->version,
				    .point = before->point,
				    .changed = before->changed + before->zeroed };
	char *answer;
	size_t len;
	int rc;

	if (!job->pass_command) {
		job->changes = (struct job_changes){ 0 };
		return 0;
	}
	rc = pass_command_run(job->pass_command, &state, &answer, &len, err);
	if (rc)
		return rc;
	rc = job_take_answer(job, answer, len, last, err);
	free(answer);
	return rc;
}

static void say_pass(const struct job *job, const struct run_record *run)
{
	const struct tranship_replicate_result *r = &run->passes[run->pass_count - 1].result;
	char changed[32], sent[32];

	if (!job->until_quiet || job->source.quiet || job->output == OUTPUT_JSON)
		return;
	printf("pass %u: %s changed, %s sent\n", run->pass_count,
	       cli_size_text(r->changed + r->zeroed, changed), cli_size_text(r->sent, sent));
	fflush(stdout);
}

static int all_passes(struct job *job, struct tranship_store *store, struct run_record *run)
{
	unsigned most = job->until_quiet ? job->max_passes : 1;
	bool last = false;

	while (run->pass_count < most && !run->quiet) {
		struct run_pass *pass = &run->passes[run->pass_count];
		int rc = run->pass_count > 0 ? prepare(job, run, &last, &run->err) : 0;

		if (rc)
			return rc;
		rc = one_pass(job, store, pass, &run->err);
		run->pass_count++;
		if (rc)
			return rc;
		say_pass(job, run);
		run->quiet = job->until_quiet &&
			     (last || pass->result.changed + pass->result.zeroed < job->quiet);
	}
	return 0;
}

/* Whether the last pass had no plan to read the disk through. */
static bool was_refused(const struct run_record *run)
{
	const struct tranship_boot_plan *plan =
		run->pass_count > 0 ? run->passes[run->pass_count - 1].plan : NULL;

	return plan && tranship_boot_plan_refusal(plan, 0);
}

static int exit_code_of(const struct job *job, const struct run_record *run)
{
	unsigned i, made = 0;

	if (run->err.code) {
		int code = cli_exit_code(&run->err);

		if (code != EXIT_ERROR)
			return code;
		if (run->err.code == TRANSHIP_ETRACKING)
			return EXIT_TRACKING;
		if (was_refused(run))
			return EXIT_REFUSED;
		return run->pass_count > 0 && run->passes[run->pass_count - 1].result.source_changed
			       ? EXIT_SOURCE_CHANGED
			       : EXIT_ERROR;
	}
	for (i = 0; i < run->pass_count; i++)
		made += !run->passes[i].result.nothing;
	return job->until_quiet && !run->quiet ? EXIT_NOT_QUIET : made ? EXIT_OK : EXIT_NOTHING;
}

void passes_run(struct job *job, struct run_record *run)
{
	struct tranship_store *store = NULL;
	struct tranship_store_info info;

	run->err = (struct tranship_error){ 0 };
	if (cli_store_reach(&job->store_options, job->store, &store, &run->err) == 0) {
		tranship_store_get_info(store, &info);
		snprintf(run->store_id, sizeof(run->store_id), "%s", info.id);
		job_place_checkpoint(job, info.id, cli_warn);
		if (all_passes(job, store, run) == 0)
			run->err.code = 0;
	}
	tranship_store_close(store);
	run->exit_code = exit_code_of(job, run);
}
