// SPDX-License-Identifier: Apache-2.0
#include "diff.h"
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

/* What is open while it runs. */
struct diff_run {
	struct tranship_disk *old, *new;
	struct tranship_fingerprint *was, *base_fingerprint;
	struct tranship_changes *changes, *missed;
	struct tranship_boot_plan *plan; /* of NEW */
	struct tranship_changes *found;  /* --changes-out */
	struct tranship_error found_err;
	struct picture *picture;
	struct cli_meter meter;
	struct tranship_diff_result result;
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
		{ "--old-plan", args->old_plan, false },
	};

	return cli_check_places(files, sizeof(files) / sizeof(files[0]), renewed);
}

/* What is written at the end can fail at the beginning. */
static int check_folder(const char *path)
{
	char folder[PATH_MAX];

	if (!path || diff_is_stdout(path) || strlen(path) >= PATH_MAX)
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

/* Adds what the plans of OLD and NEW have different. */
static int add_plans(const struct diff_args *args, struct diff_run *run)
{
	struct tranship_changes *dirty = NULL, *all = NULL;
	struct tranship_boot_plan *old = NULL;
	struct tranship_error err;
	int rc = 0;

	if (strcmp(args->old_plan, "none") != 0)
		rc = tranship_boot_plan_load(args->old_plan, &old, &err);
	if (rc == 0)
		rc = tranship_boot_dirty(old, run->plan, &dirty, &err);
	if (rc == 0) /* a union keeps the ids that both have */
		rc = tranship_changes_set_ids(dirty, tranship_changes_base_id(run->changes),
					      tranship_changes_target_id(run->changes), &err);
	if (rc == 0)
		rc = tranship_changes_union(run->changes, dirty, &all, &err);
	if (rc)
		cli_report(NULL, &err);
	tranship_changes_free(dirty);
	tranship_boot_plan_free(old);
	if (rc == 0) {
		tranship_changes_free(run->changes);
		run->changes = all;
	}
	return rc;
}

/* EXIT_OK, or an exit code. */
static int open_new(const struct diff_args *args, struct diff_run *run)
{
	run->new = cli_open(&args->source, args->new, args->source.format);
	return run->new
		       ? cli_boot_open(&args->boot, &args->source, args->new, &run->new, &run->plan)
		       : EXIT_ERROR;
}

/* EXIT_OK, or an exit code after a message. */
static int open_sides(struct diff_args *args, struct diff_run *run)
{
	int rc = open_old(args, run), code;

	if (rc)
		return EXIT_ERROR;
	code = open_new(args, run);
	if (code != EXIT_OK)
		return code;
	if (rc == 0 && args->base_fingerprint)
		rc = open_fingerprint(args->base_fingerprint, &run->base_fingerprint);
	if (rc == 0 && args->changes)
		rc = open_changes(args, run);
	if (rc == 0 && args->old_plan)
		rc = add_plans(args, run);
	if (rc == 0 && args->verify && !run->was && !run->base_fingerprint) {
		cli_error("--verify-changes needs a fingerprint: as OLD or by --base-fingerprint");
		rc = -1;
	}
	return rc ? EXIT_ERROR : EXIT_OK;
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
	FILE *out = diff_streams(args) ? stderr : stdout;
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
	int code;

	cli_source_init(&args.source);
	diff_take_options(&args, argc, argv);
	args.source.flags |= TRANSHIP_OPEN_DROP_BEHIND;
	spool = cli_spool_folder(args.out);
	args.source.spool = spool;
	if (check_places(&args) == 0 && check_folder(args.svg) == 0 &&
	    check_folder(args.changes_out) == 0)
		code = open_sides(&args, &run);
	else
		code = EXIT_ERROR;
	if (code == EXIT_OK) {
		code = EXIT_ERROR;
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
	tranship_boot_plan_free(run.plan);
	tranship_fingerprint_close(run.was);
	tranship_fingerprint_close(run.base_fingerprint);
	tranship_disk_close(run.new);
	tranship_disk_close(run.old);
	free(args.create_options);
	free(spool);
	cli_source_free(&args.source);
	return code;
}
