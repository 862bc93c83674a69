// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct merge_args {
	const char **deltas;
	size_t count;
	const char *out;
	char level[32];
	bool progress;
	bool quiet;
	struct tranship_merge_options merge;
};

enum { OPT_LEVEL = 0x200, OPT_NO_CLOBBER };

static const struct argp_option options[] = {
	{ "out", 'o', "FILE", 0, "Write the result here; '-': standard output", 0 },
	{ "level", OPT_LEVEL, "N", 0, "Compress it by zstd -N (default 1; 0: do not)", 0 },
	{ "no-clobber", OPT_NO_CLOBBER, NULL, 0, "Refuse to replace an existing output", 0 },
	{ "progress", 'p', NULL, 0, "Show progress on a terminal", 0 },
	{ "quiet", 'q', NULL, 0, "Say nothing but errors", 0 },
	{ 0 },
};

static void take_level(struct merge_args *args, struct argp_state *state, const char *arg)
{
	char *end;
	unsigned long level = strtoul(arg, &end, 10);

	if (*end || end == arg || level > 19)
		argp_error(state, "--level takes a number from 0 to 19, not '%s'", arg);
	snprintf(args->level, sizeof(args->level), "level=%lu", level);
	args->merge.options = args->level;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct merge_args *args = state->input;

	switch (key) {
	case 'o': args->out = arg; break;
	case OPT_LEVEL: take_level(args, state, arg); break;
	case OPT_NO_CLOBBER: args->merge.create_flags |= TRANSHIP_CREATE_NO_CLOBBER; break;
	case 'p': args->progress = true; break;
	case 'q': args->quiet = true; break;
	case ARGP_KEY_ARG: args->deltas[args->count++] = arg; break;
	case ARGP_KEY_END:
		if (args->count < 2)
			argp_error(state, "two deltas or more are needed");
		if (!args->out)
			argp_error(state, "an output is needed: -o FILE");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"DELTA DELTA...",
	"Makes of deltas that follow each other, oldest first, one that does the same in one step."
	"\vWhat changed and changed back is left out. Deltas that do not follow each other, by "
	"their ids, sizes, or what is in them, are refused.\n\n"
	"Example: tranship merge monday.tsd tuesday.tsd wednesday.tsd -o week.tsd",
	NULL,
	NULL,
	NULL
};

static void report(const struct merge_args *args, const struct tranship_diff_result *r)
{
	FILE *out = strcmp(args->out, "-") == 0 ? stderr : stdout;
	char changed[32], zeroed[32], written[32];

	if (args->quiet)
		return;
	fprintf(out, "%s changed and %s became zeros, in %" PRIu64 " pieces; %s written\n",
		cli_size_text(r->changed, changed), cli_size_text(r->zeroed, zeroed), r->pieces,
		cli_size_text(r->written, written));
	fprintf(out, "id of the new version: %s\n", r->target_id);
}

int cmd_merge(int argc, char **argv)
{
	struct merge_args args = { .deltas = calloc((size_t)argc + 1, sizeof(*args.deltas)) };
	struct tranship_diff_result result;
	struct tranship_error err;
	struct cli_meter meter;
	int rc;

	if (!args.deltas)
		abort();
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	cli_meter_init(&meter, args.progress && !args.quiet);
	args.merge.copy.progress = cli_progress;
	args.merge.copy.progress_ctx = &meter;
	cli_catch_signals();
	rc = tranship_delta_merge(args.deltas, args.count, args.out, &args.merge, &result, &err);
	cli_meter_clear(&meter);
	if (rc)
		cli_error("'%s' could not be made: %s", args.out, err.message);
	else
		report(&args, &result);
	free(args.deltas);
	return rc ? cli_exit_code(&err) : EXIT_OK;
}
