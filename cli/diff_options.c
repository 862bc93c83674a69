// SPDX-License-Identifier: Apache-2.0
/* The command line of `tranship diff`. */
#include "diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool diff_is_stdout(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

int diff_streams(const struct diff_args *args)
{
	return diff_is_stdout(args->out) + diff_is_stdout(args->diff.fingerprint_out) +
	       diff_is_stdout(args->changes_out);
}

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
	OPT_OLD_PLAN,
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
	{ "old-plan", OPT_OLD_PLAN, "PLAN", 0,
	  "With --boot and --changes: the plan through which OLD was read, as 'tranship boot plan "
	  "--output=json' printed it, or 'none'",
	  0 },
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

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 },
					      { &cli_boot_argp, 0, NULL, 0 },
					      { 0 } };

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
	case OPT_OLD_PLAN: args->old_plan = arg; break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* The list is of the disk itself: what the plans have different is not in it. */
static void check_boot(const struct diff_args *args, struct argp_state *state)
{
	cli_boot_check(&args->boot, state);
	if (args->boot.wanted && args->changes && !args->old_plan)
		argp_error(state, "--boot with --changes needs --old-plan: what differs between "
				  "that plan and this one is not in the list");
	if (args->old_plan && !(args->boot.wanted && args->changes))
		argp_error(state, "--old-plan goes with --boot and --changes");
}

static void check_args(const struct diff_args *args, struct argp_state *state)
{
	if (!args->new)
		argp_error(state, "an old and a new disk are needed");
	check_boot(args, state);
	if (args->output == OUTPUT_UNKNOWN && !args->blocks)
		argp_error(state, "--output takes human, json or blocks");
	if (args->verify && !args->changes)
		argp_error(state, "--verify-changes goes with --changes");
	if (args->diff.format && strcmp(args->diff.format, "tsd") != 0 && !args->out)
		argp_error(state, "-O goes with -o");
	if (diff_is_stdout(args->svg))
		argp_error(state, "the picture needs a file: standard output takes the report");
	if (args->level && args->diff.format && strcmp(args->diff.format, "tsd") != 0)
		argp_error(state, "--level is for delta files");
	if (diff_streams(args) > (args->blocks || args->output != OUTPUT_HUMAN ? 0 : 1))
		argp_error(state, "standard output takes one thing only");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct diff_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->source;
		state->child_inputs[1] = &args->boot;
		break;
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

void diff_take_options(struct diff_args *args, int argc, char **argv)
{
	argp_parse(&argp, argc, argv, 0, NULL, args);
}
