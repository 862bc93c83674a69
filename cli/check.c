// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct check_args {
	struct cli_source source;
	enum cli_output output;
	const char *path;
	unsigned repair; /* TRANSHIP_REPAIR_* */
	bool verbose;
};

/* As in qemu-img. */
enum { EXIT_CORRUPT = 2, EXIT_LEAKS = 3, EXIT_NO_CHECK = 63 };

enum { OPT_OUTPUT = 0x200 };

static const struct argp_option options[] = {
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print it", 0 },
	{ "repair", 'r', "leaks|all", 0,
	  "Give back what is leaked; all: mend copies of structures, the log, an interrupted "
	  "change, "
	  "too",
	  0 },
	{ "verbose", 'v', NULL, 0, "With -r: also list what was mended", 0 },
	{ "source-cache", 'T', "MODE", 0, "writeback (default) or none (O_DIRECT)", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct check_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case OPT_OUTPUT:
		args->output = cli_parse_output(arg);
		if (args->output == OUTPUT_UNKNOWN)
			argp_error(state, "--output takes human or json");
		break;
	case 'r':
		if (strcmp(arg, "leaks") != 0 && strcmp(arg, "all") != 0)
			argp_error(state, "-r takes leaks or all");
		args->repair = TRANSHIP_REPAIR_LEAKS | (*arg == 'a' ? TRANSHIP_REPAIR_ERRORS : 0U);
		break;
	case 'v': args->verbose = true; break;
	case 'T': cli_source_cache(&args->source, state, arg); break;
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
	"Checks the structure of an image: tables, overlaps, leaks. Nothing is written without -r."
	"\vExit code: 0 sound, 1 it could not be checked, 2 errors, 3 leaks only, 63 the format "
	"has no structure."
	"\n\nExample: tranship check disk.vhdx",
	children,
	NULL,
	NULL
};

static void print_finding(void *ctx, enum tranship_finding_kind kind, const char *message)
{
	const struct check_args *args = ctx;

	if (!args->source.quiet)
		fprintf(stderr, "%s: %s\n", kind == TRANSHIP_FINDING_LEAK ? "LEAK" : "ERROR",
			message);
}

/* `fixed`: what was mended; NULL: nothing was to be. */
static void print_json(const struct check_args *args, const char *format,
		       const struct tranship_check_result *result,
		       const struct tranship_check_result *fixed)
{
	json_t *root = json_object(), *name = json_string(args->path);

	json_object_set_new(root, "image-end-offset", json_integer((json_int_t)result->image_end));
	json_object_set_new(root, "total-clusters", json_integer((json_int_t)result->total));
	json_object_set_new(root, "check-errors", json_integer(0));
	if (result->errors)
		json_object_set_new(root, "corruptions", json_integer((json_int_t)result->errors));
	if (result->leaks)
		json_object_set_new(root, "leaks", json_integer((json_int_t)result->leaks));
	if (fixed && fixed->errors)
		json_object_set_new(root, "corruptions-fixed",
				    json_integer((json_int_t)fixed->errors));
	if (fixed && fixed->leaks)
		json_object_set_new(root, "leaks-fixed", json_integer((json_int_t)fixed->leaks));
	json_object_set_new(root, "allocated-clusters",
			    json_integer((json_int_t)result->allocated));
	json_object_set_new(root, "fragmented-clusters",
			    json_integer((json_int_t)result->fragmented));
	json_object_set_new(root, "compressed-clusters",
			    json_integer((json_int_t)result->compressed));
	json_object_set_new(root, "filename", name ? name : json_string(""));
	json_object_set_new(root, "format", json_string(format));
	json_dumpf(root, stdout, JSON_INDENT(4) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(root);
}

static double percent(uint64_t part, uint64_t whole)
{
	return 100.0 * (double)part / (double)whole;
}

static void print_human(const struct tranship_check_result *result)
{
	if (result->errors == 0 && result->leaks == 0)
		puts("No errors were found on the image.");
	if (result->errors)
		printf("\n%" PRIu64 " errors were found on the image.\n"
		       "Data may be corrupted, or further writes to the image may corrupt it.\n",
		       result->errors);
	if (result->leaks)
		printf("\n%" PRIu64 " leaked clusters were found on the image.\n"
		       "This means waste of disk space, but no harm to data.\n",
		       result->leaks);
	if (result->total && result->allocated)
		printf("%" PRIu64 "/%" PRIu64 " = %0.2f%% allocated, %0.2f%% fragmented, %0.2f%% "
		       "compressed clusters\n",
		       result->allocated, result->total, percent(result->allocated, result->total),
		       percent(result->fragmented, result->allocated),
		       percent(result->compressed, result->allocated));
	printf("Image end offset: %" PRIu64 "\n", result->image_end);
}

static int print_result(const struct check_args *args, const char *format,
			const struct tranship_check_result *result,
			const struct tranship_check_result *fixed)
{
	if (args->output == OUTPUT_JSON)
		print_json(args, format, result, fixed);
	else if (!args->source.quiet)
		print_human(result);
	return result->errors ? EXIT_CORRUPT : result->leaks ? EXIT_LEAKS : EXIT_OK;
}

static int failed(const struct check_args *args, const struct tranship_error *err)
{
	if (err->code == TRANSHIP_EUNSUPPORTED && strstr(err->message, "no structure")) {
		cli_error("This image format does not support checks");
		return EXIT_NO_CHECK;
	}
	cli_report(args->path, err);
	return EXIT_ERROR;
}

static int check(struct check_args *args)
{
	struct tranship_disk *disk = cli_open(&args->source, args->path, NULL);
	struct tranship_check_result result;
	struct tranship_error err;
	int code;

	if (!disk)
		return EXIT_ERROR;
	if (tranship_check(disk, print_finding, args, &result, &err))
		code = failed(args, &err);
	else
		code = print_result(args, tranship_disk_format(disk), &result, NULL);
	tranship_disk_close(disk);
	return code;
}

/* What is left is listed in any case. */
static void print_repair(void *ctx, enum tranship_finding_kind kind, const char *message, bool left)
{
	const struct check_args *args = ctx;

	if (left)
		print_finding(ctx, kind, message);
	else if (args->verbose)
		fprintf(stderr, "FOUND: %s\n", message);
}

static uint64_t less(uint64_t before, uint64_t after)
{
	return before > after ? before - after : 0;
}

static int repair(struct check_args *args)
{
	struct tranship_check_result before, after, fixed;
	struct tranship_open_options open_options;
	struct tranship_error err;
	const char *format = "";

	cli_open_options(&args->source, args->path, &open_options);
	open_options.warn = NULL; /* what deserves one is found, mended or left */
	if (tranship_repair(args->path, &open_options, args->repair, print_repair, args, &before,
			    &after, &format, &err))
		return failed(args, &err);
	fixed = (struct tranship_check_result){ .errors = less(before.errors, after.errors),
						.leaks = less(before.leaks, after.leaks) };
	if ((fixed.errors || fixed.leaks) && args->output == OUTPUT_HUMAN && !args->source.quiet)
		printf("The following inconsistencies were found and repaired:\n\n"
		       "    %" PRIu64 " leaked clusters\n    %" PRIu64 " corruptions\n\n"
		       "Double checking the fixed image now...\n",
		       fixed.leaks, fixed.errors);
	return print_result(args, format, &after, &fixed);
}

int cmd_check(int argc, char **argv)
{
	struct check_args args = { .output = OUTPUT_HUMAN };
	int code;

	cli_source_init(&args.source);
	argp_err_exit_status = EXIT_ERROR; /* 2 is a finding here */
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	args.source.flags |= TRANSHIP_OPEN_LAYER; /* its parents have checks of their own */
	code = args.repair ? repair(&args) : check(&args);
	cli_source_free(&args.source);
	return code;
}
