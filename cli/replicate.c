// SPDX-License-Identifier: Apache-2.0
#include "duration.h"
#include "metrics.h"
#include "passes.h"
#include "places.h"
#include "run_report.h"
#include "whole_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What argp fills: twice, once to find the job, then over what the job says. */
struct replicate_args {
	struct job *job;
	const char *path; /* of the job */
	bool checks;      /* whether everything has to be there */
};

enum {
	OPT_SOURCE = 0x200,
	OPT_STORE,
	OPT_NAME,
	OPT_DISK,
	OPT_VERSION,
	OPT_SOURCE_IDENTITY,
	OPT_CHANGES,
	OPT_CHANGES_FORMAT,
	OPT_CHANGES_SIZE,
	OPT_BLOCK_SIZE,
	OPT_BASE_ID,
	OPT_TARGET_ID,
	OPT_LOST_TRACKING,
	OPT_CHECKPOINT,
	OPT_NO_CHECKPOINT,
	OPT_LEVEL,
	OPT_UPLOADS,
	OPT_RATE_LIMIT,
	OPT_GRACE,
	OPT_REPORT,
	OPT_METRICS,
	OPT_OUTPUT,
	OPT_UNTIL_QUIET,
	OPT_PASS_COMMAND,
	OPT_MAX_PASSES,
};

static const struct argp_option options[] = {
	{ "source", OPT_SOURCE, "DISK", 0, "What is read", 0 },
	{ "store", OPT_STORE, "STORE", 0, "Where the point is made: a folder or s3://bucket/prefix",
	  0 },
	{ "name", OPT_NAME, "POINT", 0, "Name of the point (default: the disk's id)", 0 },
	{ "disk", OPT_DISK, "ID", 0,
	  "Which disk the source is a version of (default: the job's name, else the source's path)",
	  0 },
	{ "version", OPT_VERSION, "ID", 0,
	  "What this version is called (default: the changes' target id, or a random one)", 0 },
	{ "source-identity", OPT_SOURCE_IDENTITY, "ID", 0,
	  "Who the source is: the same text means the same content (default: its files' times)",
	  0 },
	{ "changes", OPT_CHANGES, "LIST", 0, "Read these ranges only; '-': standard input", 0 },
	{ "changes-format", OPT_CHANGES_FORMAT, "FORMAT", 0,
	  "Who wrote the list: tranship (default), vmware, rct, azure, rbd, qemu, nbd, ebs, era, "
	  "thin",
	  0 },
	{ "changes-size", OPT_CHANGES_SIZE, "SIZE", 0,
	  "Of the disk that the list is of (default: the source's)", 0 },
	{ "block-size", OPT_BLOCK_SIZE, "SIZE", 0, "Of an era block, for the format era", 0 },
	{ "base-id", OPT_BASE_ID, "ID", 0, "The version that the changes begin at", 0 },
	{ "target-id", OPT_TARGET_ID, "ID", 0, "The version that they lead to", 0 },
	{ "on-lost-tracking", OPT_LOST_TRACKING, "WHAT", 0,
	  "Where the changes do not begin at the last point: fail (default), or read and compare "
	  "all by fingerprint",
	  0 },
	{ "checkpoint", OPT_CHECKPOINT, "FILE", 0,
	  "What an interrupted run goes on from (default: in ~/.local/state/tranship)", 0 },
	{ "no-checkpoint", OPT_NO_CHECKPOINT, NULL, 0, "Keep none", 0 },
	{ "level", OPT_LEVEL, "N", 0, "Compress by zstd -N (default 1; 0: do not)", 0 },
	{ "threads", 'm', "N", 0, "Worker threads (default: one for each CPU, at most 8)", 0 },
	{ "uploads", OPT_UPLOADS, "N", 0, "Slots on their way at once (default: 2)", 0 },
	{ "rate-limit", OPT_RATE_LIMIT, "RATE", 0, "Read at most so many bytes a second", 0 },
	{ "grace", OPT_GRACE, "TIME", 0, "The grace that gc is run with here (default: 72h)", 0 },
	{ "progress", 'p', NULL, 0, "Show progress on a terminal", 0 },
	{ "report", OPT_REPORT, "FILE", 0, "Write a report here, as JSON", 0 },
	{ "output", OPT_OUTPUT, "HOW", 0, "human (default) or json: the report", 0 },
	{ "metrics", OPT_METRICS, "FILE", 0, "Write metrics here, for Prometheus", 0 },
	{ "until-quiet", OPT_UNTIL_QUIET, "SIZE", 0,
	  "Repeat until a pass finds less than this changed", 0 },
	{ "pass-command", OPT_PASS_COMMAND, "CMD", 0,
	  "Run before each pass after the first; prints what to read, as JSON", 0 },
	{ "max-passes", OPT_MAX_PASSES, "N", 0, "Give up after so many (default: 10)", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 },
					      { &cli_store_argp, 0, NULL, 0 },
					      { &cli_boot_argp, 0, NULL, 0 },
					      { 0 } };

static unsigned take_number(struct argp_state *state, const char *option, const char *arg,
			    unsigned least, unsigned most)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || n < least || n > most)
		argp_error(state, "%s takes a number from %u to %u, not '%s'", option, least, most,
			   arg);
	return (unsigned)n;
}

static error_t parse_passes(int key, char *arg, struct argp_state *state, struct job *job)
{
	switch (key) {
	case OPT_UNTIL_QUIET:
		job->until_quiet = true;
		job->quiet = cli_parse_size(state, "bound", arg);
		break;
	case OPT_PASS_COMMAND: job->pass_command = arg; break;
	case OPT_MAX_PASSES:
		job->max_passes = take_number(state, "--max-passes", arg, 1, JOB_PASSES_MAX);
		break;
	case OPT_REPORT: job->report = arg; break;
	case OPT_METRICS: job->metrics = arg; break;
	case OPT_OUTPUT:
		job->output = cli_parse_output(arg);
		if (job->output == OUTPUT_UNKNOWN)
			argp_error(state, "--output takes human or json");
		break;
	case 'p': job->progress = true; break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t parse_changes(int key, char *arg, struct argp_state *state, struct job *job)
{
	switch (key) {
	case OPT_CHANGES: job->changes.file = arg; break;
	case OPT_CHANGES_FORMAT: job->changes.format = arg; break;
	case OPT_CHANGES_SIZE: job->changes.size = cli_parse_size(state, "size", arg); break;
	case OPT_BLOCK_SIZE:
		job->changes.block_size = cli_parse_size(state, "block size", arg);
		break;
	case OPT_BASE_ID: job->changes.base_id = arg; break;
	case OPT_TARGET_ID: job->changes.target_id = arg; break;
	case OPT_LOST_TRACKING:
		if (!job_lost_tracking(job, arg))
			argp_error(state, "--on-lost-tracking takes fail or fingerprint");
		break;
	default: return parse_passes(key, arg, state, job);
	}
	return 0;
}

static error_t parse_how(int key, char *arg, struct argp_state *state, struct job *job)
{
	switch (key) {
	case OPT_CHECKPOINT:
		job->checkpoint = arg;
		job->no_checkpoint = false;
		break;
	case OPT_NO_CHECKPOINT: job->no_checkpoint = true; break;
	case OPT_LEVEL:
		job->level = (int)take_number(state, "--level", arg, 0, JOB_LEVEL_MAX);
		job->level = job->level ? job->level : TRANSHIP_LEVEL_NONE;
		break;
	case 'm': job->threads = cli_parse_threads(state, arg); break;
	case OPT_UPLOADS:
		job->uploads = take_number(state, "--uploads", arg, 1, JOB_UPLOADS_MAX);
		break;
	case OPT_RATE_LIMIT: job->rate = cli_parse_size(state, "rate", arg); break;
	case OPT_GRACE:
		if (cli_duration(arg, &job->grace) || job->grace == 0)
			argp_error(state, "--grace takes a time (seconds, or with s, m, h or d)");
		break;
	default: return parse_changes(key, arg, state, job);
	}
	return 0;
}

static void check_job(const struct job *job, struct argp_state *state)
{
	if (!job->location || !job->store)
		argp_error(state, "a source and a store are needed");
	cli_boot_check(&job->boot, state);
	if (!job->changes.file &&
	    (job->changes.format || job->changes.base_id || job->changes.size))
		argp_error(state, "what is said of the changes goes with --changes");
	if ((job->pass_command || job->max_passes != JOB_PASSES_DEFAULT) && !job->until_quiet)
		argp_error(state, "--pass-command and --max-passes go with --until-quiet");
	if (job->until_quiet && job->quiet == 0)
		argp_error(state, "nothing is less than 0 bytes: --until-quiet takes 1 and more");
	if (job->until_quiet && (job->version || job->source_identity))
		argp_error(state,
			   "--version and --source-identity are of one pass, not of several");
	if (job->until_quiet && !job->pass_command && strcmp(job->location, "-") == 0)
		argp_error(state, "a pipe is read once: --until-quiet needs something else");
	if ((job->report && strcmp(job->report, "-") == 0) ||
	    (job->metrics && strcmp(job->metrics, "-") == 0))
		argp_error(state, "report and metrics need files (--output=json prints)");
	if (job->changes.file && strcmp(job->changes.file, "-") == 0 &&
	    strcmp(job->location, "-") == 0)
		argp_error(state, "standard input has one thing only");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct replicate_args *args = state->input;
	struct job *job = args->job;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &job->source;
		state->child_inputs[1] = &job->store_options;
		state->child_inputs[2] = &job->boot;
		break;
	case OPT_SOURCE: job->location = arg; break;
	case OPT_STORE: job->store = arg; break;
	case OPT_NAME: job->name = arg; break;
	case OPT_DISK: job->disk = arg; break;
	case OPT_VERSION: job->version = arg; break;
	case OPT_SOURCE_IDENTITY: job->source_identity = arg; break;
	case ARGP_KEY_ARG:
		if (args->path)
			argp_error(state, "one job is taken");
		args->path = arg;
		break;
	case ARGP_KEY_END:
		if (args->checks)
			check_job(job, state);
		break;
	default: return parse_how(key, arg, state, job);
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"[JOB.json]",
	"Makes a restore point: reads what changed on a disk since its last point in a store, and "
	"stores what is not there yet."
	"\vA job file says the same as the options, which stand above it. An interrupted run "
	"leaves "
	"no point; the next one goes on where it stopped. Exit codes: 0 a point was made, 3 "
	"nothing "
	"had changed, 5 the changes do not begin at the last point, 6 the source changed while it "
	"was read, 7 --max-passes was reached, 8 the plan of --boot is refused, 1 anything else."
	"\n\nExample: tranship replicate -p --source web.vmdk --store /backup --name web",
	children,
	NULL,
	NULL
};

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* What is written at the end has to have a place of its own, which can be written. */
static int check_outputs(const struct job *job, const char *path)
{
	struct named_file files[6 + CLI_STORE_FILES] = {
		{ "--report", job->report, true },
		{ "--metrics", job->metrics, true },
		{ "--checkpoint", job->no_checkpoint ? NULL : job->checkpoint, true },
		{ "--source", job->location, false },
		{ "--changes", job->changes.file, false },
		{ "JOB", path, false },
	};
	struct tranship_error err;

	cli_store_files(&job->store_options, files + 6);
	if ((job->report && whole_file_check(job->report, &err)) ||
	    (job->metrics && whole_file_check(job->metrics, &err))) {
		cli_report(NULL, &err);
		return -1;
	}
	return cli_check_places(files, sizeof(files) / sizeof(files[0]), NULL);
}

static void tell(struct run_record *run)
{
	const struct job *job = run->job;
	struct tranship_error err;
	char *json = run_report_json(run);
	int rc = 0;

	if (run->err.code)
		cli_error("replicating '%s' failed: %s", job->location, run->err.message);
	if (run->exit_code == EXIT_NOT_QUIET)
		cli_error("'%s' is not quiet after %u passes", job->location, run->pass_count);
	if (job->output == OUTPUT_JSON)
		fputs(json, stdout);
	else if (!job->source.quiet)
		run_report_print(run);
	if (job->report)
		rc = whole_file_write(job->report, json, strlen(json), &err);
	if (rc)
		cli_report(NULL, &err);
	if (job->metrics && metrics_write(run, job->metrics, &err)) {
		cli_report(NULL, &err);
		rc = -1;
	}
	if (rc && run_succeeded(run))
		run->exit_code = EXIT_ERROR;
	free(json);
}

static int replicate(struct job *job)
{
	struct run_record run = { .job = job, .started = passes_now() };
	double started = seconds_now();
	unsigned i;

	run.passes = calloc(job->max_passes, sizeof(*run.passes));
	if (!run.passes)
		abort();
	cli_catch_signals();
	passes_run(job, &run);
	run.ended = passes_now();
	run.seconds = seconds_now() - started;
	tell(&run);
	for (i = 0; i < run.pass_count; i++)
		tranship_boot_plan_free(run.passes[i].plan);
	free(run.passes);
	return run.exit_code;
}

/* The path of the job, or NULL; wrong options end the program. */
static const char *find_job(int argc, char **argv)
{
	struct job ignored;
	struct replicate_args args = { .job = &ignored };

	job_init(&ignored);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	job_free(&ignored);
	return args.path;
}

int cmd_replicate(int argc, char **argv)
{
	struct job job;
	struct replicate_args args = { .job = &job, .checks = true };
	const char *path = find_job(argc, argv);
	struct tranship_error err;
	int code = EXIT_OK;

	job_init(&job);
	if (path && job_load(&job, path, &err)) {
		cli_report(NULL, &err);
		code = err.code == TRANSHIP_EIO ? EXIT_ERROR : EXIT_USAGE;
	}
	if (code == EXIT_OK) {
		argp_parse(&argp, argc, argv, 0, NULL, &args);
		if (job_complete(&job, &err)) {
			cli_report(NULL, &err);
			code = EXIT_USAGE;
		}
	}
	if (code == EXIT_OK && check_outputs(&job, path))
		code = EXIT_ERROR;
	if (code == EXIT_OK)
		code = replicate(&job);
	job_free(&job);
	return code;
}
