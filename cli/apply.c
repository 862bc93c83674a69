// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct apply_args {
	struct cli_source source;
	struct cli_target output; /* of --to */
	const char *first, *second;
	const char *to;
	const char *fingerprint;
	bool full, undo, progress, no_clobber;
	struct tranship_apply_options apply;
};

enum {
	OPT_TO = 0x200,
	OPT_UNDO,
	OPT_VERIFY,
	OPT_FINGERPRINT,
	OPT_BASE_ID,
	OPT_KEEP_JOURNAL,
	OPT_NO_CLOBBER
};

static const struct argp_option options[] = {
	{ "undo", OPT_UNDO, NULL, 0,
	  "Make the target what it was before: an apply that was interrupted, or one whose journal "
	  "was kept",
	  0 },
	{ "keep-journal", OPT_KEEP_JOURNAL, NULL, 0, "Keep the journal for --undo", 0 },
	{ "verify", OPT_VERIFY, "full", 0,
	  "Compare all of the target with the --fingerprint of the base first, not only what the "
	  "delta replaces",
	  0 },
	{ "fingerprint", OPT_FINGERPRINT, "FILE", 0, "The fingerprint of the base", 0 },
	{ "base-id", OPT_BASE_ID, "ID", 0, "Which version of the disk the target is", 0 },
	{ "to", OPT_TO, "FILE", 0, "Leave the target alone and make this new image", 0 },
	{ "target-format", 'O', "FORMAT", 0, "Format of the new image (default: that of the base)",
	  0 },
	{ "options", 'o', "KEY=VALUE,...", 0, "Options of that format; -o help lists them", 0 },
	{ "no-clobber", OPT_NO_CLOBBER, NULL, 0, "Refuse to replace an existing new image", 0 },
	{ "progress", 'p', NULL, 0, "Show phase, rate and time left on a terminal", 0 },
	{ "threads", 'm', "N", 0, "Worker threads (default: one for each CPU)", 0 },
	{ "rate", 'r', "SIZE", 0, "Write at most so many bytes a second", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static void check_args(const struct apply_args *args, struct argp_state *state)
{
	if (args->undo ? !args->first || args->second : !args->second)
		argp_error(state, args->undo ? "--undo takes the target alone"
					     : "a delta and its target are needed");
	if (args->full != (args->fingerprint != NULL))
		argp_error(state, "--verify=full and --fingerprint go together");
	if (args->undo &&
	    (args->to || args->full || args->apply.base_id || args->apply.keep_journal))
		argp_error(state, "--undo goes with --journal only");
	if (args->no_clobber && !args->to)
		argp_error(state, "--no-clobber goes with --to");
	if (args->to && (args->full || args->apply.keep_journal || args->source.journal))
		argp_error(state, "--to leaves the target alone: there is no journal, and nothing "
				  "to verify beyond the delta's own digests");
	if (args->output.help && !args->output.format)
		argp_error(state, "-o help goes with -O");
	if (!args->to && (args->output.format || args->output.options))
		argp_error(state, "-O and -o go with --to");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct apply_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case OPT_UNDO: args->undo = true; break;
	case OPT_KEEP_JOURNAL: args->apply.keep_journal = true; break;
	case OPT_VERIFY:
		if (strcmp(arg, "full") != 0)
			argp_error(state, "--verify takes full");
		args->full = true;
		break;
	case OPT_FINGERPRINT: args->fingerprint = arg; break;
	case OPT_BASE_ID: args->apply.base_id = arg; break;
	case OPT_TO: args->to = arg; break;
	case OPT_NO_CLOBBER: args->no_clobber = true; break;
	case 'O': args->output.format = arg; break;
	case 'o': cli_target_option(&args->output, arg); break;
	case 'p': args->progress = true; break;
	case 'm': args->apply.copy.threads = cli_parse_threads(state, arg); break;
	case 'r': args->apply.copy.rate = cli_parse_size(state, "rate", arg); break;
	case ARGP_KEY_ARG:
		if (!args->first)
			args->first = arg;
		else if (!args->second)
			args->second = arg;
		else
			argp_error(state, "a delta and a target are taken");
		break;
	case ARGP_KEY_END: check_args(args, state); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"DELTA TARGET\n--undo TARGET\nDELTA BASE --to NEW",
	"Makes the image TARGET what a delta (tranship diff) makes of it, where it stands. '-' is "
	"a "
	"delta from standard input."
	"\vEverything is verified before the first byte changes, and what is replaced stands in "
	"TARGET.tranship-journal until the work is done. If it is interrupted, every command "
	"refuses "
	"the target until the same command has finished it or --undo has gone back. A block device "
	"needs --journal.\n\nExample: tranship apply -p tuesday.tsd disk.vhdx",
	children,
	NULL,
	NULL
};

/* What comes through a pipe waits beside the target. */
static char *folder_of(const char *path)
{
	struct stat st;
	char *copy, *folder;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return strdup("/var/tmp");
	copy = strdup(path);
	folder = copy ? strdup(dirname(copy)) : NULL;
	free(copy);
	return folder;
}

static int copy_to_new(struct apply_args *args, struct tranship_disk *disk,
		       struct tranship_error *err)
{
	struct tranship_create_options create;
	struct tranship_writer *writer = NULL;
	int rc;

	if (!args->output.format)
		args->output.format = tranship_disk_format(
			tranship_disk_layer(disk, tranship_disk_layer_count(disk) > 1 ? 1 : 0));
	if (cli_create_options(&args->output, args->source.quiet, &create))
		return EXIT_ERROR;
	create.size = tranship_disk_size(disk);
	create.source = disk;
	if (args->no_clobber)
		create.flags |= TRANSHIP_CREATE_NO_CLOBBER;
	rc = tranship_create(args->to, &create, &writer, err);
	if (rc == 0)
		rc = tranship_copy(disk, writer, &args->apply.copy, err);
	if (rc == 0)
		rc = tranship_writer_finish(writer, err);
	tranship_writer_close(writer);
	return rc;
}

/* What the delta is told about its base; commas of an id are doubled. */
static char *base_options(const struct apply_args *args)
{
	const char *format = args->source.format, *id = args->apply.base_id;
	size_t cap = (format ? strlen(format) : 0) + (id ? 2 * strlen(id) : 0) + 40;
	char *out = malloc(cap), *to;

	if (!out)
		abort();
	to = out + snprintf(out, cap, "%s%s,", format ? "base-format=" : "", format ? format : "");
	if (id)
		to += sprintf(to, "base-id=");
	for (; id && *id; id++) {
		*to++ = *id;
		if (*id == ',')
			*to++ = ',';
	}
	*to = '\0';
	return out;
}

/* The delta over its base is a disk, of which this is a copy. */
static int apply_to_new(struct apply_args *args, struct tranship_error *err)
{
	struct cli_source source = args->source;
	struct tranship_open_options open_options;
	struct tranship_disk *disk;
	char *base = base_options(args);
	int rc;

	source.format = "tsd";
	source.options = base;
	cli_open_options(&source, args->first, &open_options);
	open_options.parents = &args->second;
	open_options.parent_count = 1;
	rc = tranship_open(args->first, &open_options, &disk, err);
	if (rc)
		cli_report(args->first, err);
	free(base);
	if (rc)
		return rc;
	rc = copy_to_new(args, disk, err);
	if (rc)
		cli_report(args->to, err);
	tranship_disk_close(disk);
	return rc;
}

static void say(const struct apply_args *args, const struct tranship_apply_result *result)
{
	char size[32];

	if (args->source.quiet)
		return;
	if (result->nothing && args->undo)
		puts("Nothing to do: there is nothing to go back from.");
	else if (result->nothing)
		puts("Nothing to do: the target is what the delta makes of it.");
	else
		printf("%s: %s written.\n",
		       args->undo        ? "Went back"
		       : result->resumed ? "Delta applied, an interrupted apply is finished"
					 : "Delta applied",
		       cli_size_text(result->written, size));
}

static int apply_in_place(struct apply_args *args, struct tranship_error *err)
{
	const char *target = args->undo ? args->first : args->second;
	struct tranship_apply_result result;
	struct tranship_open_options open_options;
	struct tranship_fingerprint *fingerprint = NULL;
	int rc = 0;

	if (args->fingerprint)
		rc = tranship_fingerprint_open(args->fingerprint, &fingerprint, err);
	if (rc) {
		cli_report(args->fingerprint, err);
		return rc;
	}
	cli_open_options(&args->source, target, &open_options);
	open_options.journal = NULL;
	args->apply.target = &open_options;
	args->apply.journal = args->source.journal;
	args->apply.verify = fingerprint;
	args->apply.spool_folder = args->source.spool;
	rc = args->undo ? tranship_apply_undo(target, &args->apply, &result, err)
			: tranship_apply(args->first, target, &args->apply, &result, err);
	cli_meter_clear(args->apply.copy.progress_ctx);
	if (rc)
		cli_report(target, err);
	else
		say(args, &result);
	tranship_fingerprint_close(fingerprint);
	return rc;
}

int cmd_apply(int argc, char **argv)
{
	struct apply_args args = { 0 };
	struct tranship_error err;
	struct cli_meter meter;
	char *spool;
	int rc;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (args.output.help)
		return cli_option_help(args.output.format);
	spool = folder_of(args.undo ? args.first : args.to ? args.to : args.second);
	args.source.spool = spool;
	cli_meter_init(&meter, args.progress && !args.source.quiet);
	args.apply.copy.progress = cli_progress;
	args.apply.copy.progress_ctx = &meter;
	args.apply.copy.warn = args.source.quiet ? NULL : cli_warn;
	cli_catch_signals();
	rc = args.to ? apply_to_new(&args, &err) : apply_in_place(&args, &err);
	cli_meter_clear(&meter);
	free(spool);
	cli_target_free(&args.output);
	cli_source_free(&args.source);
	return rc ? cli_exit_code(&err) : EXIT_OK;
}
