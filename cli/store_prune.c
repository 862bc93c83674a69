// SPDX-License-Identifier: Apache-2.0
/* tranship store prune: which restore points stay. */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_OUTPUT = 0x200,
	OPT_DISK,
	OPT_LAST,
	OPT_HOURLY,
	OPT_DAILY,
	OPT_WEEKLY,
	OPT_MONTHLY,
	OPT_YEARLY,
	OPT_TAG,
	OPT_DRY_RUN,
};

struct prune_args {
	struct cli_store store;
	enum cli_output output;
	const char *location;
	bool quiet;
	struct tranship_prune_options prune;
	const char **tags;
	json_t *list;
	size_t stay, go;
};

static const struct argp_child children[] = { { &cli_store_argp, 0, NULL, 0 }, { 0 } };

static const struct argp_option options[] = {
	{ "keep-last", OPT_LAST, "N", 0, "Keep the newest N of each disk", 0 },
	{ "keep-hourly", OPT_HOURLY, "N", 0, "Keep the newest of each of N hours", 0 },
	{ "keep-daily", OPT_DAILY, "N", 0, "Keep the newest of each of N days", 0 },
	{ "keep-weekly", OPT_WEEKLY, "N", 0, "Keep the newest of each of N weeks", 0 },
	{ "keep-monthly", OPT_MONTHLY, "N", 0, "Keep the newest of each of N months", 0 },
	{ "keep-yearly", OPT_YEARLY, "N", 0, "Keep the newest of each of N years", 0 },
	{ "keep-tag", OPT_TAG, "TAG", 0, "Keep those that have this tag (repeatable)", 0 },
	{ "disk", OPT_DISK, "ID", 0, "Only of this disk", 0 },
	{ "dry-run", OPT_DRY_RUN, NULL, 0, "Only say what would go", 0 },
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print what stays and what goes", 0 },
	{ "quiet", 'q', NULL, 0, "Print nothing but errors", 0 },
	{ 0 },
};

static unsigned take_count(struct argp_state *state, const char *arg)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || n > 1000000)
		argp_error(state, "'%s' is no number of restore points", arg);
	return (unsigned)n;
}

static void add_tag(struct prune_args *args, const char *tag)
{
	size_t n = args->prune.keep_tag_count;

	args->tags = realloc(args->tags, (n + 1) * sizeof(*args->tags));
	if (!args->tags)
		abort();
	args->tags[n] = tag;
	args->prune.keep_tags = args->tags;
	args->prune.keep_tag_count = n + 1;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct prune_args *args = state->input;
	struct tranship_prune_options *o = &args->prune;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->store; break;
	case OPT_LAST: o->keep_last = take_count(state, arg); break;
	case OPT_HOURLY: o->keep_hourly = take_count(state, arg); break;
	case OPT_DAILY: o->keep_daily = take_count(state, arg); break;
	case OPT_WEEKLY: o->keep_weekly = take_count(state, arg); break;
	case OPT_MONTHLY: o->keep_monthly = take_count(state, arg); break;
	case OPT_YEARLY: o->keep_yearly = take_count(state, arg); break;
	case OPT_TAG: add_tag(args, arg); break;
	case OPT_DISK: o->disk = arg; break;
	case OPT_DRY_RUN: o->dry_run = true; break;
	case OPT_OUTPUT: args->output = store_take_output(state, arg); break;
	case 'q': args->quiet = true; break;
	case ARGP_KEY_ARG:
		if (args->location)
			argp_error(state, "one store at a time");
		args->location = arg;
		break;
	case ARGP_KEY_NO_ARGS: argp_error(state, "a store is needed"); break;
	case ARGP_KEY_END:
		if (!o->keep_last && !o->keep_hourly && !o->keep_daily && !o->keep_weekly &&
		    !o->keep_monthly && !o->keep_yearly && !o->keep_tag_count)
			argp_error(state, "say what stays, for example --keep-last 7");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"STORE",
	"Takes restore points out of a store but those that a rule keeps, disk by disk."
	"\vHours, days, weeks (from Monday), months and years are those of UTC, counted from the "
	"newest restore point back; those without one do not count. The newest of a disk always "
	"stays. What was pruned still takes space until gc was run, and again after the grace."
	"\n\nExample: tranship store prune --keep-daily 7 --keep-weekly 5 --keep-monthly 12 "
	"/backup",
	children,
	NULL,
	NULL
};

static void told(void *ctx, const struct tranship_point *point, bool stays, const char *why)
{
	struct prune_args *args = ctx;
	char time[STORE_TIME_TEXT];

	args->stay += stays;
	args->go += !stays;
	if (args->list) {
		json_t *json = store_point_json(point);

		json_object_set_new(json, "stays", json_boolean(stays));
		json_object_set_new(json, "why", json_string(why));
		json_array_append_new(args->list, json);
		return;
	}
	if (args->quiet)
		return;
	store_time_text(point->time, time);
	printf("%s %s %s ", stays ? "keep  " : "remove", time, point->id);
	cli_print_text(point->disk);
	printf(" @");
	cli_print_text(point->name);
	if (*why)
		printf(" (%s)", why);
	putchar('\n');
}

static int prune(struct prune_args *args, struct tranship_store *store)
{
	struct tranship_error err;
	int rc;

	if (args->output == OUTPUT_JSON)
		args->list = json_array();
	args->prune.told = told;
	args->prune.told_ctx = args;
	rc = tranship_store_prune(store, &args->prune, &err);
	if (rc)
		cli_report(NULL, &err);
	if (args->list && rc == 0)
		store_print_json(args->list);
	else if (args->list)
		json_decref(args->list);
	else if (rc == 0 && !args->quiet)
		printf("%zu restore points stay, %zu %s\n", args->stay, args->go,
		       args->prune.dry_run ? "would go" : "went");
	return rc ? cli_exit_code(&err) : EXIT_OK;
}

int store_prune(int argc, char **argv)
{
	struct prune_args args = { .output = OUTPUT_HUMAN };
	struct tranship_store *store;
	int code = EXIT_ERROR;

	cli_store_init(&args.store);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	store = cli_store_open(&args.store, args.location);
	if (store)
		code = prune(&args, store);
	tranship_store_close(store);
	cli_store_free(&args.store);
	free(args.tags);
	return code;
}
