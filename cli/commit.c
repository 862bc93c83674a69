// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <stdio.h>
#include <string.h>

struct commit_args {
	struct cli_source source;
	struct tranship_copy_options copy;
	const char *path;
	const char *base;
	unsigned flags; /* TRANSHIP_COMMIT_* */
	bool progress;
};

static const struct argp_option options[] = {
	{ "base", 'b', "FILE", 0, "Commit into this one of its parents (default: the next one)",
	  0 },
	{ "keep", 'd', NULL, 0, "Do not empty the image afterwards", 0 },
	{ "progress", 'p', NULL, 0, "Show progress on a terminal", 0 },
	{ "rate", 'r', "SIZE", 0, "Copy at most so many bytes a second", 0 },
	{ "cache", 't', "MODE", 0, "Taken for qemu-img's sake", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct commit_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case 'b': args->base = arg; break;
	case 'd': args->flags |= TRANSHIP_COMMIT_KEEP_CHILD; break;
	case 'p': args->progress = true; break;
	case 'r': args->copy.rate = cli_parse_size(state, "rate", arg); break;
	case 't': break;
	case ARGP_KEY_ARG:
		if (args->path)
			argp_error(state, "one image at a time");
		args->path = arg;
		break;
	case ARGP_KEY_NO_ARGS: argp_error(state, "an image is needed"); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"IMAGE",
	"Writes what an image holds into its parent."
	"\vIf this is interrupted nothing is lost: the image keeps its data until all of it is in "
	"the parent, which is refused until the same command has finished the work."
	"\n\nExample: tranship commit -p checkpoint.avhdx",
	children,
	NULL,
	NULL
};

int cmd_commit(int argc, char **argv)
{
	struct commit_args args = { 0 };
	struct tranship_open_options open_options;
	struct tranship_error err;
	struct cli_meter meter;
	int rc;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	cli_open_options(&args.source, args.path, &open_options);
	cli_meter_init(&meter, args.progress && !args.source.quiet);
	args.copy.progress = cli_progress;
	args.copy.progress_ctx = &meter;
	cli_catch_signals();
	rc = tranship_commit(args.path, &open_options, args.base, args.flags, &args.copy, &err);
	cli_meter_clear(&meter);
	if (rc)
		cli_report(args.path, &err);
	else if (!args.source.quiet)
		puts("Image committed.");
	cli_source_free(&args.source);
	return rc ? cli_exit_code(&err) : EXIT_OK;
}
