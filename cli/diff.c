// SPDX-License-Identifier: Apache-2.0
#include "cli.h"
#include "picture.h"
#include "places.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* So many ranges that the changes missed are told one by one. */
#define MISSED_MAX 20

struct diff_args {
	struct cli_source source;
	const char *old, *new;
	const char *old_format;
	const char *out;
	const char *changes;
	const char *changes_out;
	const char *base_fingerprint;
	const char *svg;
	char *create_options;
	bool verify;
	bool level; /* --level was given */
	bool progress;
	enum cli_output output;
	bool blocks;
	struct tranship_changes_options list;
	struct tranship_diff_options diff;
};

/* What is open while it runs. */
struct diff_run {
	struct tranship_disk *old, *new;
	struct tranship_fingerprint *was, *base_fingerprint;
	struct tranship_changes *changes, *missed;
	struct tranship_changes *found; /* --changes-out */
	struct tranship_error found_err;
	struct picture *picture;
	struct cli_meter meter;
	struct tranship_diff_result result;
};

enum {
	OPT_CHANGES = 0x200,
	OPT_CHANGES_FORMAT,
	OPT_CHANGES_OUT,
	OPT_BLOCK_SIZE,
	OPT_VERIFY,
	OPT_FINGERPRINT_OUT,
	OPT_BASE_FINGERPRINT,
	OPT_BASE_ID,
	OPT_TARGET_ID,
	OPT_HASH,
	OPT_LIKE,
	OPT_LEVEL,
	OPT_OPTIONS,
	OPT_NO_CLOBBER,
	OPT_SVG,
	OPT_OUTPUT
};

static const struct argp_option options[] = {
	{ "out", 'o', "FILE", 0, "Write the difference here; '-': standard output", 0 },
	{ "target-format", 'O', "FORMAT", 0,
	  "tsd (default: a delta file), rbd (for rbd import-diff), or vhdx, vpc, vmdk: an image "
	  "over "
	  "OLD",
	  0 },
	{ "options", OPT_OPTIONS, "KEY=VALUE,...", 0, "Options of that format", 0 },
	{ "level", OPT_LEVEL, "N", 0, "Compress a delta file by zstd -N (default 1; 0: do not)",
	  0 },
	{ "fingerprint-out", OPT_FINGERPRINT_OUT, "FILE", 0,
	  "Write the fingerprint of NEW here, in the same pass", 0 },
	{ "base-fingerprint", OPT_BASE_FINGERPRINT, "FILE", 0,
	  "The fingerprint of OLD, where OLD is a disk", 0 },
	{ "like", OPT_LIKE, "FILE", 0,
	  "Where OLD is a disk: take hash and secret of this delta or fingerprint, so that the "
	  "deltas can be merged",
	  0 },
	{ "hash", OPT_HASH, "HASH", 0, "xxh3 (default) or sha256, where OLD is a disk", 0 },
	{ "changes", OPT_CHANGES, "LIST", 0, "Look at these ranges only; '-': standard input", 0 },
	{ "changes-format", OPT_CHANGES_FORMAT, "FORMAT", 0,
	  "Who wrote the list: tranship (default), vmware, rct, azure, rbd, qemu, nbd, ebs, era, "
	  "thin",
	  0 },
	{ "block-size", OPT_BLOCK_SIZE, "SIZE", 0, "Of an era block, for the format era", 0 },
	{ "verify-changes", OPT_VERIFY, NULL, 0,
	  "Read all of NEW and prove by the fingerprint of OLD that the list names all that "
	  "changed",
	  0 },
	{ "changes-out", OPT_CHANGES_OUT, "FILE", 0, "Write the ranges that differ here, as JSON",
	  0 },
	{ "base-id", OPT_BASE_ID, "ID", 0, "Which version of the disk OLD is", 0 },
	{ "target-id", OPT_TARGET_ID, "ID", 0, "Which version NEW is (default: a random UUID)", 0 },
	{ "old-format", 'F', "FORMAT", 0, "Format of OLD (default: found out by looking)", 0 },
	{ "no-clobber", OPT_NO_CLOBBER, NULL, 0, "Refuse to replace an existing output", 0 },
	{ "svg", OPT_SVG, "FILE", 0, "Draw what changed", 0 },
	{ "output", OPT_OUTPUT, "HOW", 0, "human (default), json, or blocks: a picture", 0 },
	{ "progress", 'p', NULL, 0, "Show phase, rate and time left on a terminal", 0 },
	{ "threads", 'm', "N", 0, "Worker threads (default: one for each CPU)", 0 },
	{ "rate", 'r', "SIZE", 0, "Read at most so many bytes a second", 0 },
	{ "source-cache", 'T', "MODE", 0,
	  "writeback (default; leaves the page cache as it was) or none (O_DIRECT)", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static void take_arg(struct diff_args *args, char *arg, struct argp_state *state)
{
	if (!args->old)
		args->old = arg;
	else if (!args->new)
		args->new = arg;
	else
		argp_error(state, "an old and a new disk are taken");
}

static void take_level(struct diff_args *args, struct argp_state *state, const char *arg)
{
	char text[32], *end;
	unsigned long level = strtoul(arg, &end, 10);

	args->level = true;
	if (*arg < '0' || *arg > '9' || *end || level > 19)
		argp_error(state, "--level takes a number from 0 to 19, not '%s'", arg);
	snprintf(text, sizeof(text), "level=%lu", level);
	cli_join_options(&args->create_options, text);
}

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	struct diff_args *args = state->input;

	switch (key) {
	case OPT_CHANGES: args->changes = arg; break;
	case OPT_CHANGES_FORMAT: args->list.format = arg; break;
	case OPT_CHANGES_OUT: args->changes_out = arg; break;
	case OPT_BLOCK_SIZE:
		args->list.block_size = cli_parse_size(state, "block size", arg);
		break;
	case OPT_VERIFY: args->verify = true; break;
	case OPT_FINGERPRINT_OUT: args->diff.fingerprint_out = arg; break;
	case OPT_BASE_FINGERPRINT: args->base_fingerprint = arg; break;
	case OPT_BASE_ID: args->diff.base_id = arg; break;
	case OPT_TARGET_ID: args->diff.target_id = arg; break;
	case OPT_HASH: args->diff.hash = arg; break;
	case OPT_LIKE: args->diff.like = arg; break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static bool is_stdout(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

/* How many outputs go to standard output. */
static int streams(const struct diff_args *args)
{
	return is_stdout(args->out) + is_stdout(args->diff.fingerprint_out) +
	       is_stdout(args->changes_out);
}

static void check_args(const struct diff_args *args, struct argp_state *state)
{
	if (!args->new)
		argp_error(state, "an old and a new disk are needed");
	if (args->output == OUTPUT_UNKNOWN && !args->blocks)
		argp_error(state, "--output takes human, json or blocks");
	if (args->verify && !args->changes)
		argp_error(state, "--verify-changes goes with --changes");
	if (args->diff.format && strcmp(args->diff.format, "tsd") != 0 && !args->out)
		argp_error(state, "-O goes with -o");
	if (is_stdout(args->svg))
		argp_error(state, "the picture needs a file: standard output takes the report");
	if (args->level && args->diff.format && strcmp(args->diff.format, "tsd") != 0)
		argp_error(state, "--level is for delta files");
	if (streams(args) > (args->blocks || args->output != OUTPUT_HUMAN ? 0 : 1))
		argp_error(state, "standard output takes one thing only");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct diff_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case 'o': args->out = arg; break;
	case 'O': args->diff.format = arg; break;
	case 'F': args->old_format = arg; break;
	case 'p': args->progress = true; break;
	case 'm': args->diff.copy.threads = cli_parse_threads(state, arg); break;
	case 'r': args->diff.copy.rate = cli_parse_size(state, "rate", arg); break;
	case 'T': cli_source_cache(&args->source, state, arg); break;
	case OPT_OPTIONS: cli_join_options(&args->create_options, arg); break;
	case OPT_LEVEL: take_level(args, state, arg); break;
	case OPT_NO_CLOBBER: args->diff.create_flags |= TRANSHIP_CREATE_NO_CLOBBER; break;
	case OPT_SVG: args->svg = arg; break;
	case OPT_OUTPUT:
		args->blocks = strcmp(arg, "blocks") == 0;
		args->output = cli_parse_output(arg);
		break;
	case ARGP_KEY_ARG: take_arg(args, arg, state); break;
	case ARGP_KEY_END: check_args(args, state); break;
	default: return parse_list(key, arg, state);
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"OLD NEW",
	"Finds what changed from one version of a disk to the next, and writes it."
	"\vOLD is a disk or a fingerprint of one (tranship fingerprint), NEW a disk, in any "
	"format. "
	"Without -o only what differs is told.\n\n"
	"Example: tranship diff -p monday.fp disk.vmdk -o tuesday.tsd --fingerprint-out tuesday.fp",
	children,
	NULL,
	NULL
};

static int report_file(const char *path, const struct tranship_error *err)
{
	cli_report(path, err);
	return -1;
}

static int open_fingerprint(const char *path, struct tranship_fingerprint **out)
{
	struct tranship_error err;

	return tranship_fingerprint_open(path, out, &err) ? report_file(path, &err) : 0;
}

/* No output may be another one's file, or one that is read; but the new fingerprint may take the
 * place of the old one. */
static int check_places(const struct diff_args *args)
{
	const char *renewed = args->diff.fingerprint_out;
	const struct named_file files[] = {
		{ "-o", args->out, true },
		{ "--changes-out", args->changes_out, true },
		{ "--svg", args->svg, true },
		{ "--fingerprint-out", renewed, true },
		{ "OLD", args->old, false },
		{ "NEW", args->new, false },
		{ "--changes", args->changes, false },
		{ "--base-fingerprint", args->base_fingerprint, false },
		{ "--like", args->diff.like, false },
	};

	return cli_check_places(files, sizeof(files) / sizeof(files[0]), renewed);
}

/* What is written at the end can fail at the beginning. */
static int check_folder(const char *path)
{
	char folder[PATH_MAX];

	if (!path || is_stdout(path) || strlen(path) >= PATH_MAX)
		return 0;
	strcpy(folder, path);
	if (access(dirname(folder), W_OK) == 0)
		return 0;
	cli_error("'%s' cannot be written: %s", path, strerror(errno));
	return -1;
}

static int open_old(const struct diff_args *args, struct diff_run *run)
{
	struct cli_source source = args->source;

	if (!args->old_format && tranship_is_fingerprint(args->old))
		return open_fingerprint(args->old, &run->was);
	source.parent_count = 0; /* those that are given are of the new disk, */
	source.format = NULL;    /* and so is everything else */
	source.member = NULL;
	source.options = NULL;
	run->old = cli_open(&source, args->old, args->old_format);
	return run->old ? 0 : -1;
}

static int open_changes(struct diff_args *args, struct diff_run *run)
{
	struct tranship_error err;

	args->list.size = tranship_disk_size(run->new);
	args->list.base_id = args->diff.base_id;
	args->list.target_id = args->diff.target_id;
	return tranship_changes_open(args->changes, &args->list, &run->changes, &err)
		       ? report_file(args->changes, &err)
		       : 0;
}

static int open_sides(struct diff_args *args, struct diff_run *run)
{
	int rc = open_old(args, run);

	if (rc == 0) {
		run->new = cli_open(&args->source, args->new, args->source.format);
		rc = run->new ? 0 : -1;
	}
	if (rc == 0 && args->base_fingerprint)
		rc = open_fingerprint(args->base_fingerprint, &run->base_fingerprint);
	if (rc == 0 && args->changes)
		rc = open_changes(args, run);
	if (rc == 0 && args->verify && !run->was && !run->base_fingerprint) {
		cli_error("--verify-changes needs a fingerprint: as OLD or by --base-fingerprint");
		rc = -1;
	}
	return rc;
}

static void found(void *ctx, uint64_t off, uint64_t len, enum tranship_diff_kind kind)
{
	struct diff_run *run = ctx;

	if (run->picture)
		picture_add_diff(run->picture, off, len, kind);
	if (run->found && run->found_err.code == 0 &&
	    (kind == TRANSHIP_DIFF_CHANGED || kind == TRANSHIP_DIFF_ZEROED) &&
	    off < tranship_changes_size(run->found)) {
		uint64_t rest = tranship_changes_size(run->found) - off;

		tranship_changes_add(run->found, off, len < rest ? len : rest,
				     kind == TRANSHIP_DIFF_ZEROED, &run->found_err);
	}
}

/* What the changes left out. */
static void print_missed(const struct tranship_changes *missed)
{
	size_t i, count = missed ? tranship_changes_count(missed) : 0;

	for (i = 0; i < count && i < MISSED_MAX; i++) {
		struct tranship_change c = tranship_changes_at(missed, i);

		cli_error("missed: [%" PRIu64 ", %" PRIu64 ")", c.off, c.off + c.len);
	}
	if (count > 0)
		cli_error("missed: %" PRIu64 " bytes in %zu ranges", tranship_changes_bytes(missed),
			  count);
}

/* The list that another diff takes by --changes. */
static int write_changes(const struct diff_args *args, struct diff_run *run)
{
	struct tranship_error err = run->found_err;
	int rc = err.code;

	if (rc == 0)
		rc = tranship_changes_set_origin(run->found, "diff", &err);
	if (rc == 0)
		rc = tranship_changes_set_ids(run->found, run->result.base_id,
					      run->result.target_id, &err);
	if (rc == 0)
		rc = tranship_changes_save(run->found, args->changes_out, &err);
	return rc ? report_file(args->changes_out, &err) : 0;
}

static int print_json(const struct diff_run *run)
{
	const struct tranship_diff_result *r = &run->result;
	json_t *root = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "base-id", r->base_id,
				 "target-id", r->target_id, "target-size",
				 (json_int_t)tranship_disk_size(run->new), "changed",
				 (json_int_t)r->changed, "zeroed", (json_int_t)r->zeroed, "pieces",
				 (json_int_t)r->pieces, "read", (json_int_t)r->read, "written",
				 (json_int_t)r->written);

	int rc = !root || json_dumpf(root, stdout, JSON_INDENT(4)) ? -1 : 0;

	if (rc)
		cli_error("the report could not be written");
	else
		putchar('\n');
	json_decref(root);
	return rc;
}

static void print_human(const struct diff_args *args, const struct diff_run *run)
{
	const struct tranship_diff_result *r = &run->result;
	FILE *out = streams(args) ? stderr : stdout;
	char changed[32], zeroed[32], read[32], written[32];

	if (args->source.quiet)
		return;
	fprintf(out, "%s changed and %s became zeros, in %" PRIu64 " pieces; %s read",
		cli_size_text(r->changed, changed), cli_size_text(r->zeroed, zeroed), r->pieces,
		cli_size_text(r->read, read));
	if (args->out)
		fprintf(out, ", %s written", cli_size_text(r->written, written));
	fprintf(out, "\n");
	if (args->out || args->diff.fingerprint_out)
		fprintf(out, "id of the new version: %s\n", r->target_id);
}

static int report(const struct diff_args *args, struct diff_run *run)
{
	int rc = 0;

	if (args->changes_out)
		rc = write_changes(args, run);
	if (rc == 0 && args->svg)
		rc = picture_write_svg(run->picture, args->svg, run->old);
	if (args->blocks)
		picture_print_blocks(run->picture);
	else if (args->output == OUTPUT_JSON && print_json(run))
		rc = -1;
	else if (args->output != OUTPUT_JSON && rc == 0)
		print_human(args, run);
	return rc ? EXIT_ERROR : EXIT_OK;
}

static int run_diff(struct diff_args *args, struct diff_run *run)
{
	struct tranship_diff_base base = { .disk = run->old, .fingerprint = run->was };
	char hint[PATH_MAX];
	struct tranship_error err;
	int rc;

	cli_meter_init(&run->meter, args->progress && !args->source.quiet);
	args->diff.copy.progress = cli_progress;
	args->diff.copy.progress_ctx = &run->meter;
	args->diff.copy.warn = args->source.quiet ? NULL : cli_warn;
	args->diff.options = args->create_options;
	args->diff.changes = run->changes;
	args->diff.base_fingerprint = run->base_fingerprint;
	args->diff.verify = !args->verify ? NULL : run->was ? run->was : run->base_fingerprint;
	args->diff.missed = &run->missed;
	args->diff.base_hint = run->old ? cli_relative_path(args->out, args->old, hint) : NULL;
	if (args->svg || args->blocks)
		run->picture = picture_new(args->new, run->new, 0, tranship_disk_size(run->new));
	args->diff.found = found;
	args->diff.found_ctx = run;
	cli_catch_signals();
	rc = tranship_diff(&base, run->new, args->out, &args->diff, &run->result, &err);
	cli_meter_clear(&run->meter);
	if (rc == 0)
		return report(args, run);
	print_missed(run->missed);
	cli_error("comparing '%s' with '%s' failed: %s", args->old, args->new, err.message);
	return cli_exit_code(&err);
}

int cmd_diff(int argc, char **argv)
{
	struct diff_args args = { 0 };
	struct diff_run run = { 0 };
	struct tranship_error err;
	char *spool;
	int code = EXIT_ERROR;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	args.source.flags |= TRANSHIP_OPEN_DROP_BEHIND;
	spool = cli_spool_folder(args.out);
	args.source.spool = spool;
	if (check_places(&args) == 0 && check_folder(args.svg) == 0 &&
	    check_folder(args.changes_out) == 0 && open_sides(&args, &run) == 0) {
		if (args.changes_out &&
		    tranship_changes_new(tranship_disk_size(run.new), &run.found, &err))
			cli_report(args.changes_out, &err);
		else
			code = run_diff(&args, &run);
	}
	picture_free(run.picture);
	tranship_changes_free(run.found);
	tranship_changes_free(run.changes);
	tranship_changes_free(run.missed);
	tranship_fingerprint_close(run.was);
	tranship_fingerprint_close(run.base_fingerprint);
	tranship_disk_close(run.new);
	tranship_disk_close(run.old);
	free(args.create_options);
	free(spool);
	cli_source_free(&args.source);
	return code;
}
