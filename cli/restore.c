// SPDX-License-Identifier: Apache-2.0
#include "places.h"
#include "store_options.h"
#include "target.h"
#include "texts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct restore_args {
	struct cli_store store;
	struct cli_target target;
	struct tranship_copy_options copy;
	char *location; /* of the store */
	const char *point;
	const char *from; /* both, as typed */
	const char *to;
	enum tranship_cache cache; /* -t */
	unsigned flags;            /* TRANSHIP_CREATE_* */
	enum cli_output output;
	bool progress, salvage, quiet;
};

/* What --salvage could not read. */
struct losses {
	uint64_t ranges;
	json_t *list;
	struct cli_meter *meter; /* makes room for a line */
};

enum { OPT_TARGET_IS_ZERO = 0x200, OPT_NO_CLOBBER, OPT_SALVAGE, OPT_OUTPUT };

static const struct argp_option options[] = {
	{ "target-format", 'O', "FORMAT", 0,
	  "Format of the output (default: raw); null reads and checks only", 0 },
	{ "options", 'o', "KEY=VALUE,...", 0, "Options of the output; 'help' lists them", 0 },
	{ "compress", 'c', NULL, 0, "Compressed output (vmdk: streamOptimized)", 0 },
	{ "no-create", 'n', NULL, 0,
	  "Write what differs into the existing output; not atomic, finished by doing it again",
	  0 },
	{ "target-is-zero", OPT_TARGET_IS_ZERO, NULL, 0,
	  "With -n: the output reads as zeros already", 0 },
	{ "no-clobber", OPT_NO_CLOBBER, NULL, 0, "Refuse to replace an existing output", 0 },
	{ "salvage", OPT_SALVAGE, NULL, 0,
	  "Go on where blocks are missing or damaged: zeros instead, named on standard error; "
	  "exit code 4",
	  0 },
	{ "progress", 'p', NULL, 0, "Show phase, rate and time left on a terminal", 0 },
	{ "threads", 'm', "N", 0, "Worker threads (default: one for each CPU)", 0 },
	{ "rate", 'r', "SIZE", 0, "Write at most so many bytes of data a second", 0 },
	{ "target-cache", 't', "MODE", 0,
	  "Output: writeback (default), none, writethrough or unsafe", 0 },
	{ "output", OPT_OUTPUT, "FORMAT", 0, "Say what was done: human (default) or json", 0 },
	{ "quiet", 'q', NULL, 0, "Say only what is wrong", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_store_argp, 0, NULL, 0 }, { 0 } };

/* The last '@' is between store and point: folders may have one in their names. */
static void take_location(struct restore_args *args, struct argp_state *state, const char *arg)
{
	char *at;

	args->from = arg;
	free(args->location);
	args->location = strdup(arg);
	if (!args->location)
		argp_failure(state, EXIT_ERROR, 0, "memory ran out");
	at = args->location ? strrchr(args->location, '@') : NULL;
	if (!at || at == args->location || at[1] == '\0') {
		argp_error(state, "'%s' names no restore point: it is written LOCATION@POINT", arg);
		return;
	}
	*at = '\0';
	args->point = at + 1;
}

static void check_flags(const struct restore_args *args, struct argp_state *state)
{
	bool in_place = args->flags & TRANSHIP_CREATE_IN_PLACE;

	if (args->flags & TRANSHIP_CREATE_TARGET_IS_ZERO && !in_place)
		argp_error(state, "--target-is-zero goes with -n");
	if (args->flags & TRANSHIP_CREATE_NO_CLOBBER && in_place)
		argp_error(state, "-n writes into what --no-clobber keeps");
	if (args->target.base)
		argp_error(state, "what is restored stands alone: it has no base");
	if (args->output == OUTPUT_JSON && args->to && strcmp(args->to, "-") == 0)
		argp_error(state, "the disk and the report cannot both go to standard output");
}

static void take_end(const struct restore_args *args, struct argp_state *state)
{
	if (args->target.help)
		return;
	if (!args->from || (!args->to && strcmp(args->target.format, "null") != 0))
		argp_error(state, "a restore point and an output are needed");
	check_flags(args, state);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct restore_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->store; break;
	case 'O': args->target.format = arg; break;
	case 'o': cli_target_option(&args->target, arg); break;
	case 'c': args->target.compressed = true; break;
	case 'n': args->flags |= TRANSHIP_CREATE_IN_PLACE; break;
	case OPT_TARGET_IS_ZERO: args->flags |= TRANSHIP_CREATE_TARGET_IS_ZERO; break;
	case OPT_NO_CLOBBER: args->flags |= TRANSHIP_CREATE_NO_CLOBBER; break;
	case OPT_SALVAGE: args->salvage = true; break;
	case 'p': args->progress = true; break;
	case 'q': args->quiet = true; break;
	case 'm': args->copy.threads = cli_parse_threads(state, arg); break;
	case 'r': args->copy.rate = cli_parse_size(state, "rate", arg); break;
	case 't': cli_target_cache(&args->cache, state, arg); break;
	case OPT_OUTPUT:
		args->output = cli_parse_output(arg);
		if (args->output == OUTPUT_UNKNOWN)
			argp_error(state, "output '%s' is unknown", arg);
		break;
	case ARGP_KEY_ARG:
		if (!args->from)
			take_location(args, state, arg);
		else if (!args->to)
			args->to = arg;
		else
			argp_error(state, "one restore point and one output are taken");
		break;
	case ARGP_KEY_END: take_end(args, state); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"LOCATION@POINT [OUTPUT]",
	"Writes a restore point as an image; every block is verified. LOCATION is a folder or "
	"s3://BUCKET/PREFIX, POINT an id or a name, of which the newest is meant."
	"\vThe output takes its name only when it is whole and on stable storage."
	"\n\nExample: tranship restore -p -O vhdx /backup@web-1 web-1.vhdx",
	children,
	NULL,
	NULL
};

/* One line a range, whatever -q says. */
static void lose(void *ctx, uint64_t off, uint64_t len, const char *why)
{
	struct losses *losses = ctx;

	losses->ranges++;
	cli_meter_clear(losses->meter);
	cli_error("lost: offset %" PRIu64 ", length %" PRIu64 ": %s", off, len, why);
	json_array_append_new(losses->list, json_pack("{s:I, s:I}", "offset", (json_int_t)off,
						      "length", (json_int_t)len));
}

/* A path may be anything; what is printed is UTF-8. */
static json_t *path_text(const char *path)
{
	char shown[TEXT_SHOWN];
	json_t *string = json_string(path);

	return string ? string : json_string(text_shown(path, shown));
}

static void print_json(const struct restore_args *args, const struct losses *losses,
		       const struct tranship_restore_result *result)
{
	json_t *json = json_pack(
		"{s:o, s:o, s:s, s:I, s:I, s:I, s:O}", "source", path_text(args->from), "output",
		args->to ? path_text(args->to) : json_null(), "format", args->target.format,
		"written", (json_int_t)result->written, "same", (json_int_t)result->same, "lost",
		(json_int_t)result->lost, "lost-ranges", losses->list);

	json_dumpf(json, stdout, JSON_INDENT(4));
	putchar('\n');
	json_decref(json);
}

static void report(const struct restore_args *args, const struct losses *losses,
		   const struct tranship_restore_result *result)
{
	char written[32], same[32];

	if (losses->ranges > 0)
		cli_error("'%s': lost in all: %" PRIu64 " bytes, ranges: %" PRIu64
			  "; they are zeros in the output",
			  args->from, result->lost, losses->ranges);
	if (args->output == OUTPUT_JSON) {
		print_json(args, losses, result);
		return;
	}
	if (args->quiet || !(args->flags & TRANSHIP_CREATE_IN_PLACE))
		return;
	printf("written: %s, the same already: %s\n", cli_size_text(result->written, written),
	       cli_size_text(result->same, same));
}

static int run(struct restore_args *args, struct tranship_store *store, struct losses *losses)
{
	struct tranship_create_options create;
	struct tranship_restore_options o = { .format = args->target.format,
					      .options = args->target.options,
					      .cache = args->cache,
					      .lost = args->salvage ? lose : NULL,
					      .lost_ctx = losses,
					      .copy = args->copy };
	struct tranship_restore_result result;
	struct tranship_error err;
	struct cli_meter meter;
	int rc;

	if (cli_create_options(&args->target, args->quiet, &create))
		return EXIT_ERROR;
	o.create_flags = args->flags | create.flags;
	o.time = create.time;
	cli_meter_init(&meter, args->progress && !args->quiet);
	losses->meter = &meter;
	o.copy.progress = cli_progress;
	o.copy.progress_ctx = &meter;
	o.copy.warn = args->quiet ? NULL : cli_warn;
	if (!args->quiet && args->to)
		cli_say_in_place(args->to, args->flags);
	cli_catch_signals();
	rc = tranship_restore(store, args->point, args->to, &o, &result, &err);
	cli_meter_clear(&meter);
	if (rc) {
		cli_error("restoring '%s' to '%s' failed: %s", args->from,
			  args->to ? args->to : "null", err.message);
		return cli_exit_code(&err);
	}
	report(args, losses, &result);
	return losses->ranges > 0 ? EXIT_LOST : EXIT_OK;
}

/* Neither the store nor what opens it may be restored over. */
static int check_outputs(const struct restore_args *args)
{
	struct named_file files[1 + CLI_STORE_FILES] = { { "the output", args->to, true } };

	cli_store_files(&args->store, files + 1);
	return cli_check_places(files, sizeof(files) / sizeof(files[0]), NULL);
}

static int restore(struct restore_args *args)
{
	struct losses losses;
	struct tranship_store *store;
	int code;

	if (check_outputs(args))
		return EXIT_ERROR;
	losses = (struct losses){ .list = json_array() };
	store = cli_store_open(&args->store, args->location);
	code = store ? run(args, store, &losses) : EXIT_ERROR;

	tranship_store_close(store);
	json_decref(losses.list);
	return code;
}

int cmd_restore(int argc, char **argv)
{
	struct restore_args args = { .target.format = "raw" };
	int code;

	cli_store_init(&args.store);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	code = args.target.help ? cli_option_help(args.target.format) : restore(&args);
	cli_target_free(&args.target);
	cli_store_free(&args.store);
	free(args.location);
	return code;
}
