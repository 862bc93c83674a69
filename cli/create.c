// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include <inttypes.h>
#include <stdio.h>

struct create_args {
	struct cli_target target;
	bool quiet;
	bool no_clobber;
	const char *path;
	const char *size_text;
	uint64_t size;
};

enum { OPT_NO_CLOBBER = 0x200 };

static const struct argp_option options[] = {
	{ "format", 'f', "FORMAT", 0, "Format of the image (default: raw)", 0 },
	{ "options", 'o', "KEY=VALUE,...", 0, "Options of the format; 'help' lists them", 0 },
	{ "no-clobber", OPT_NO_CLOBBER, NULL, 0, "Refuse to replace an existing file", 0 },
	{ "quiet", 'q', NULL, 0, "Print nothing but errors", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct create_args *args = state->input;

	switch (key) {
	case 'f': args->target.format = arg; break;
	case 'o': cli_target_option(&args->target, arg); break;
	case OPT_NO_CLOBBER: args->no_clobber = true; break;
	case 'q': args->quiet = true; break;
	case ARGP_KEY_ARG:
		if (!args->path) {
			args->path = arg;
		} else if (!args->size_text) {
			args->size_text = arg;
			args->size = cli_parse_size(state, "size", arg);
		} else {
			argp_error(state, "one image at a time");
		}
		break;
	case ARGP_KEY_END:
		if (!args->target.help && !args->size_text)
			argp_error(state, "a file and a size are needed");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"FILE SIZE",
	"Makes an empty image: a disk of zeros."
	"\vExample: tranship create -f vhdx -o block_size=2M disk.vhdx 100G",
	NULL,
	NULL,
	NULL
};

static int create(const struct create_args *args)
{
	struct tranship_create_options options_;
	struct tranship_writer *writer;
	struct tranship_error err;
	int rc;

	if (cli_create_options(&args->target, args->quiet, &options_))
		return EXIT_ERROR;
	options_.size = args->size;
	options_.flags |= args->no_clobber ? TRANSHIP_CREATE_NO_CLOBBER : 0;
	cli_catch_signals();
	rc = tranship_create(args->path, &options_, &writer, &err);
	if (rc == 0 && !args->quiet)
		cli_say_in_place(args->path, options_.flags);
	if (rc == 0)
		rc = tranship_writer_zero(writer, 0, tranship_writer_size(writer), &err);
	if (rc == 0)
		rc = tranship_writer_finish(writer, &err);
	tranship_writer_close(writer);
	if (rc) {
		cli_report(args->path, &err);
		return EXIT_ERROR;
	}
	if (!args->quiet)
		printf("Formatting '%s', fmt=%s size=%" PRIu64 "%s%s\n", args->path,
		       args->target.format, args->size, args->target.options ? " " : "",
		       args->target.options ? args->target.options : "");
	return EXIT_OK;
}

int cmd_create(int argc, char **argv)
{
	struct create_args args = { .target.format = "raw" };
	int code;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	code = args.target.help ? cli_option_help(args.target.format) : create(&args);
	cli_target_free(&args.target);
	return code;
}
