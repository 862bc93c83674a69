// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>

struct compare_args {
	struct cli_source source;
	const char *second_format;
	const char *a, *b;
	bool progress;
	bool strict;
	unsigned threads;
};

/* As in qemu-img. */
enum { EXIT_SAME = 0, EXIT_DIFFERENT = 1 };

static const struct argp_option options[] = {
	{ NULL, 'F', "FORMAT", 0, "Format of the second image (default: found out by looking)", 0 },
	{ "progress", 'p', NULL, 0, "Show progress on a terminal", 0 },
	{ "strict", 's', NULL, 0, "Sizes, and what is stored at all, must agree, too", 0 },
	{ "source-cache", 'T', "MODE", 0,
	  "writeback (default; leaves the page cache as it was) or none (O_DIRECT)", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct compare_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case 'F': args->second_format = arg; break;
	case 'p': args->progress = true; break;
	case 's': args->strict = true; break;
	case 'T': cli_source_cache(&args->source, state, arg); break;
	case ARGP_KEY_ARG:
		if (!args->a)
			args->a = arg;
		else if (!args->b)
			args->b = arg;
		else
			argp_error(state, "two images are taken");
		break;
	case ARGP_KEY_END:
		if (!args->b)
			argp_error(state, "two images are needed");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"IMAGE1 IMAGE2",
	"Compares the content of two disks of any formats."
	"\vA longer disk whose rest is zeros counts as the same, unless -s is given. Exit code: 0 "
	"the same, "
	"1 different, 2 trouble.\n\nExample: tranship compare -p disk.vmdk disk.vhdx",
	children,
	NULL,
	NULL
};

static int verdict(const struct compare_args *args, const struct tranship_compare_result *result)
{
	bool quiet = args->source.quiet;

	if (result->size_differs && result->difference != TRANSHIP_SIZE_DIFFERS && !quiet)
		puts("Warning: Image size mismatch!");
	switch (result->difference) {
	case TRANSHIP_SAME:
		if (!quiet)
			puts("Images are identical.");
		return EXIT_SAME;
	case TRANSHIP_CONTENT_DIFFERS:
		if (!quiet)
			printf("Content mismatch at offset %" PRIu64 "!\n", result->off);
		break;
	case TRANSHIP_MAP_DIFFERS:
		if (!quiet)
			printf("Strict mode: Offset %" PRIu64 " block status mismatch!\n",
			       result->off);
		break;
	case TRANSHIP_SIZE_DIFFERS:
		if (!quiet)
			puts("Strict mode: Image size mismatch!");
		break;
	}
	return EXIT_DIFFERENT;
}

static int compare(const struct compare_args *args, struct tranship_disk *a,
		   struct tranship_disk *b)
{
	struct tranship_copy_options copy_options = { 0 };
	struct tranship_compare_result result;
	struct tranship_error err;
	struct cli_meter meter;
	int rc;

	cli_meter_init(&meter, args->progress && !args->source.quiet);
	copy_options.progress = cli_progress;
	copy_options.progress_ctx = &meter;
	cli_catch_signals();
	rc = tranship_compare(a, b, args->strict, &copy_options, &result, &err);
	cli_meter_clear(&meter);
	if (rc == 0)
		return verdict(args, &result);
	cli_error("comparing '%s' with '%s' failed: %s", args->a, args->b, err.message);
	return err.code == TRANSHIP_ECANCELED ? cli_exit_code(&err) : EXIT_TROUBLE;
}

int cmd_compare(int argc, char **argv)
{
	struct compare_args args = { 0 };
	struct tranship_disk *a, *b = NULL;
	int code = EXIT_TROUBLE;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	args.source.flags |= TRANSHIP_OPEN_DROP_BEHIND;
	a = cli_open(&args.source, args.a, args.source.format);
	args.source.format = NULL;
	if (a)
		b = cli_open(&args.source, args.b, args.second_format);
	if (b)
		code = compare(&args, a, b);
	tranship_disk_close(b);
	tranship_disk_close(a);
	cli_source_free(&args.source);
	return code;
}
