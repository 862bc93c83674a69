// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct measure_args {
	struct cli_source source;
	struct cli_target target;
	enum cli_output output;
	const char *path;
	bool has_size;
	uint64_t size;
};

enum { OPT_OUTPUT = 0x200, OPT_SIZE };

static const struct argp_option options[] = {
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print it", 0 },
	{ "target-format", 'O', "FORMAT", 0, "Format of the image to measure (default: raw)", 0 },
	{ "options", 'o', "KEY=VALUE,...", 0, "Its options; 'help' lists them", 0 },
	{ "size", OPT_SIZE, "SIZE", 0, "Measure an empty disk of this size", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct measure_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case OPT_OUTPUT:
		args->output = cli_parse_output(arg);
		if (args->output == OUTPUT_UNKNOWN)
			argp_error(state, "--output takes human or json");
		break;
	case 'O': args->target.format = arg; break;
	case 'o': cli_target_option(&args->target, arg); break;
	case OPT_SIZE:
		args->size = cli_parse_size(state, "size", arg);
		args->has_size = true;
		break;
	case ARGP_KEY_ARG:
		if (args->path)
			argp_error(state, "one image at a time");
		args->path = arg;
		break;
	case ARGP_KEY_END:
		if (!args->target.help && !args->path == !args->has_size)
			argp_error(state, "either an image or --size is needed");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"[IMAGE]",
	"Says how large an image would become if a disk were converted."
	"\vThe required size is exact (but for file names in descriptors): the conversion is made, "
	"and counted instead of written."
	"\n\nExample: tranship measure -O vmdk -o subformat=streamOptimized disk.vhdx",
	children,
	NULL,
	NULL
};

static int measure(const struct measure_args *args, struct tranship_disk *disk)
{
	struct tranship_create_options create;
	struct tranship_measure measured;
	struct tranship_error err;

	if (cli_create_options(&args->target, args->source.quiet, &create))
		return EXIT_ERROR;
	create.size = args->size;
	if (tranship_measure(disk, &create, &measured, &err)) {
		cli_report(args->path, &err);
		return EXIT_ERROR;
	}
	if (args->output == OUTPUT_JSON)
		printf("{\n    \"required\": %" PRIu64 ",\n    \"fully-allocated\": %" PRIu64
		       "\n}\n",
		       measured.required, measured.fully_allocated);
	else
		printf("required size: %" PRIu64 "\nfully allocated size: %" PRIu64 "\n",
		       measured.required, measured.fully_allocated);
	return EXIT_OK;
}

int cmd_measure(int argc, char **argv)
{
	struct measure_args args = { .output = OUTPUT_HUMAN, .target.format = "raw" };
	struct tranship_disk *disk = NULL;
	int code = EXIT_ERROR;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	args.source.flags |= TRANSHIP_OPEN_DROP_BEHIND;
	if (args.target.help) {
		code = cli_option_help(args.target.format);
	} else {
		if (args.path)
			disk = cli_open(&args.source, args.path, NULL);
		if (disk || !args.path)
			code = measure(&args, disk);
	}
	tranship_disk_close(disk);
	cli_target_free(&args.target);
	cli_source_free(&args.source);
	return code;
}
