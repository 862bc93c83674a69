// SPDX-License-Identifier: Apache-2.0
/* tranship store copy: restore points to another store. */
#include "store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_OUTPUT = 0x200, OPT_TO_KEY_FILE, OPT_TO_PASSPHRASE_FILE, OPT_TO_PLAIN };

struct copy_args {
	struct cli_store from, to;
	enum cli_output output;
	const char *from_location, *to_location;
	bool progress, quiet;
	struct tranship_store_copy_options copy;
	const char **points;
};

static const struct argp_child children[] = { { &cli_store_argp, 0, NULL, 0 }, { 0 } };

static const struct argp_option options[] = {
	{ "to-key-file", OPT_TO_KEY_FILE, "FILE", 0,
	  "What unlocks the other store (default: what unlocks the first)", 0 },
	{ "to-passphrase-file", OPT_TO_PASSPHRASE_FILE, "FILE", 0, "Or: its passphrase", 0 },
	{ "to-plain", OPT_TO_PLAIN, NULL, 0, "Or: it is not encrypted", 0 },
	{ "threads", 'm', "N", 0, "That read and pack (default: one a CPU, at most 8)", 0 },
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print what was done", 0 },
	{ "progress", 'p', NULL, 0, "Show progress on a terminal", 0 },
	{ "quiet", 'q', NULL, 0, "Print nothing but errors", 0 },
	{ 0 },
};

static void take_location(struct copy_args *args, const char *arg)
{
	if (!args->from_location)
		args->from_location = arg;
	else if (!args->to_location)
		args->to_location = arg;
	else
		args->points[args->copy.point_count++] = arg;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct copy_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->from; break;
	case OPT_TO_KEY_FILE: args->to.key_file = arg; break;
	case OPT_TO_PASSPHRASE_FILE: args->to.passphrase_file = arg; break;
	case OPT_TO_PLAIN: args->to.plain = true; break;
	case OPT_OUTPUT: args->output = store_take_output(state, arg); break;
	case 'm': args->copy.threads = cli_parse_threads(state, arg); break;
	case 'p': args->progress = true; break;
	case 'q': args->quiet = true; break;
	case ARGP_KEY_ARG: take_location(args, arg); break;
	case ARGP_KEY_END:
		if (!args->to_location)
			argp_error(state, "two stores are needed");
		if ((args->to.key_file ? 1 : 0) + (args->to.passphrase_file ? 1 : 0) +
			    (args->to.plain ? 1 : 0) >
		    1)
			argp_error(state, "one of --to-key-file, --to-passphrase-file and "
					  "--to-plain is taken");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"FROM TO [POINT...]",
	"Copies restore points to another store: those that are named, or all that it lacks."
	"\vWhat the other store has already is not copied. The stores may be encrypted by "
	"different keys, or not at all. Restore points keep their ids, times and tags. The options "
	"for stores in S3 are for both."
	"\n\nExample: tranship store copy /backup s3://offsite/backup",
	children,
	NULL,
	NULL
};

static int copy(struct copy_args *args, struct tranship_store *from, struct tranship_store *to)
{
	struct tranship_error err;
	struct cli_meter meter;
	uint64_t copied;
	int rc;

	cli_meter_init(&meter, args->progress && !args->quiet);
	args->copy.points = args->points;
	args->copy.progress = cli_progress;
	args->copy.progress_ctx = &meter;
	cli_catch_signals();
	rc = tranship_store_copy(from, to, &args->copy, &copied, &err);
	cli_meter_clear(&meter);
	if (rc)
		cli_report(NULL, &err);
	if (args->output == OUTPUT_JSON)
		store_print_json(json_pack("{s:I}", "copied", (json_int_t)copied));
	else if (!args->quiet)
		printf("%" PRIu64 " restore points were copied\n", copied);
	return rc ? cli_exit_code(&err) : EXIT_OK;
}

int store_copy(int argc, char **argv)
{
	struct copy_args args = { .output = OUTPUT_HUMAN };
	struct tranship_store *from, *to = NULL;
	int code = EXIT_ERROR;

	args.points = calloc((size_t)argc + 1, sizeof(*args.points));
	if (!args.points)
		abort();
	cli_store_init(&args.from);
	cli_store_init(&args.to);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	args.to.open = args.from.open;
	if (!args.to.key_file && !args.to.passphrase_file && !args.to.plain) {
		args.to.key_file = args.from.key_file;
		args.to.passphrase_file = args.from.passphrase_file;
	}
	from = cli_store_open(&args.from, args.from_location);
	if (from)
		to = cli_store_open(&args.to, args.to_location);
	if (to)
		code = copy(&args, from, to);
	tranship_store_close(to);
	tranship_store_close(from);
	cli_store_free(&args.to);
	cli_store_free(&args.from);
	free(args.points);
	return code;
}
