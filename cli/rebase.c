// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <string.h>

struct rebase_args {
	struct cli_source source;
	struct tranship_copy_options copy;
	const char *path;
	const char *parent;
	const char *parent_format;
	unsigned flags; /* TRANSHIP_REBASE_* */
	bool progress;
};

static const struct argp_option options[] = {
	{ "backing", 'b', "FILE", 0,
	  "The new parent, seen from the image's folder; '' for none: the image becomes complete",
	  0 },
	{ "backing-format", 'F', "FORMAT", 0, "Its format, which is that of the image", 0 },
	{ "unsafe", 'u', NULL, 0,
	  "Change the record only: the new parent has the content of the old one", 0 },
	{ "progress", 'p', NULL, 0, "Show progress on a terminal", 0 },
	{ "cache", 't', "MODE", 0, "Taken for qemu-img's sake", 0 },
	{ "source-cache", 'T', "MODE", 0, "Taken for qemu-img's sake", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct rebase_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case 'b': args->parent = arg; break;
	case 'F': args->parent_format = arg; break;
	case 'u': args->flags |= TRANSHIP_REBASE_UNSAFE; break;
	case 'p': args->progress = true; break;
	case 't':
	case 'T': break;
	case ARGP_KEY_ARG:
		if (args->path)
			argp_error(state, "one image at a time");
		args->path = arg;
		break;
	case ARGP_KEY_END:
		if (!args->path || !args->parent)
			argp_error(state, "an image and -b are needed");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"IMAGE",
	"Gives an image another parent. What the old and the new one differ in is copied into it "
	"first."
	"\vExample: tranship rebase -u -b moved/base.vhdx -F vhdx checkpoint.avhdx",
	children,
	NULL,
	NULL
};

/* A parent is of its child's format. */
static bool same_format(const struct rebase_args *args)
{
	struct cli_source alone = args->source;
	const char *format = strcmp(args->parent_format, "vhd") == 0 ? "vpc" : args->parent_format;
	struct tranship_disk *disk;
	bool same;

	alone.flags |= TRANSHIP_OPEN_LAYER;
	disk = cli_open(&alone, args->path, NULL);
	if (!disk)
		return false;
	same = strcmp(tranship_disk_format(disk), format) == 0;
	if (!same)
		cli_error("'%s': a parent of format %s cannot be had, the image is %s", args->path,
			  args->parent_format, tranship_disk_format(disk));
	tranship_disk_close(disk);
	return same;
}

int cmd_rebase(int argc, char **argv)
{
	struct rebase_args args = { 0 };
	struct tranship_open_options open_options;
	struct tranship_error err;
	struct cli_meter meter;
	int rc;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	cli_open_options(&args.source, args.path, &open_options);
	if (args.parent_format && !same_format(&args)) {
		cli_source_free(&args.source);
		return EXIT_ERROR;
	}
	cli_meter_init(&meter, args.progress && !args.source.quiet);
	args.copy.progress = cli_progress;
	args.copy.progress_ctx = &meter;
	cli_catch_signals();
	rc = tranship_rebase(args.path, &open_options, *args.parent ? args.parent : NULL,
			     args.flags, &args.copy, &err);
	cli_meter_clear(&meter);
	if (rc)
		cli_report(args.path, &err);
	cli_source_free(&args.source);
	return rc ? cli_exit_code(&err) : EXIT_OK;
}
