// SPDX-License-Identifier: Apache-2.0
/* tranship store list, show, tag: restore points. */
#include "store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OPT_OUTPUT = 0x200, OPT_DISK, OPT_ADD, OPT_DROP };

struct points_args {
	struct cli_store store;
	enum cli_output output;
	const char *location, *point;
	const char *disk;  /* list */
	const char **add;  /* tag */
	const char **drop; /* tag */
	size_t add_count, drop_count;
	size_t most; /* arguments */
	size_t told; /* points so far */
	json_t *list;
};

static void append(const char ***list, size_t *count, const char *text)
{
	*list = realloc(*list, (*count + 1) * sizeof(**list));
	if (!*list)
		abort();
	(*list)[(*count)++] = text;
}

static const struct argp_child children[] = { { &cli_store_argp, 0, NULL, 0 }, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct points_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->store; break;
	case OPT_OUTPUT: args->output = store_take_output(state, arg); break;
	case OPT_DISK: args->disk = arg; break;
	case OPT_ADD: append(&args->add, &args->add_count, arg); break;
	case OPT_DROP: append(&args->drop, &args->drop_count, arg); break;
	case ARGP_KEY_ARG:
		if (state->arg_num >= args->most)
			argp_error(state, "too many arguments");
		if (!args->location)
			args->location = arg;
		else
			args->point = arg;
		break;
	case ARGP_KEY_NO_ARGS: argp_error(state, "a store is needed"); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* Opens the store, does the work, and gives everything back. */
static int run(const struct argp *argp, size_t most, int argc, char **argv,
	       int (*work)(struct points_args *args, struct tranship_store *store))
{
	struct points_args args = { .output = OUTPUT_HUMAN, .most = most };
	struct tranship_store *store;
	int code = EXIT_ERROR;

	cli_store_init(&args.store);
	argp_parse(argp, argc, argv, 0, NULL, &args);
	store = cli_store_open(&args.store, args.location);
	if (store)
		code = work(&args, store);
	tranship_store_close(store);
	cli_store_free(&args.store);
	free(args.add);
	free(args.drop);
	return code;
}

/* ---- A point ---- */

void store_time_text(int64_t us, char out[STORE_TIME_TEXT])
{
	time_t seconds = (time_t)(us / 1000000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) ||
	    strftime(out, STORE_TIME_TEXT, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(out, STORE_TIME_TEXT, "-");
}

static json_t *time_json(int64_t us)
{
	time_t seconds = (time_t)(us / 1000000);
	char text[STORE_TIME_TEXT];
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return json_null();
	return json_sprintf("%s.%06uZ", text, (unsigned)(us % 1000000));
}

json_t *store_point_json(const struct tranship_point *p)
{
	json_t *tags = json_array(), *json;
	size_t i;

	for (i = 0; i < p->tag_count; i++)
		json_array_append_new(tags, json_string(p->tags[i]));
	json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:i, s:I, s:I, s:I, s:s, s:o}", "id",
			 p->id, "name", p->name, "disk", p->disk, "version", p->version,
			 "predecessor", p->predecessor, "time", time_json(p->time), "virtual-size",
			 (json_int_t)p->size, "sector-size", (int)p->sector_size, "data",
			 (json_int_t)p->data, "changed", (json_int_t)p->changed, "stored",
			 (json_int_t)p->stored, "boot", p->boot, "tags", tags);
	return json;
}

static void print_tags(const struct tranship_point *p)
{
	size_t i;

	for (i = 0; i < p->tag_count; i++) {
		if (i > 0)
			printf(", ");
		cli_print_text(p->tags[i]);
	}
}

/* ---- list ---- */

static const struct argp_option list_options[] = {
	{ "disk", OPT_DISK, "ID", 0, "Only those of this disk", 0 },
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print them", 0 },
	{ 0 },
};

static const struct argp list_argp = {
	list_options,
	parse,
	"STORE",
	"Lists the restore points of a store, oldest first."
	"\vTimes are UTC. Data: bytes of the disk that are not zeros; changed: those that differ "
	"from the restore point before; stored: bytes that the run added to the store."
	"\n\nExample: tranship store list --disk vm-7 /backup",
	children,
	NULL,
	NULL
};

static void print_row(const struct tranship_point *p)
{
	char time[STORE_TIME_TEXT], size[32], changed[32], stored[32];
	const char *digits = strrchr(p->id, '-');

	store_time_text(p->time, time);
	printf("%-20s %s %12s %12s %12s  ", time, digits ? digits + 1 : p->id,
	       cli_size_text(p->size, size), cli_size_text(p->changed, changed),
	       cli_size_text(p->stored, stored));
	cli_print_text(p->disk);
	printf(" @");
	cli_print_text(p->name);
	if (p->tag_count > 0) {
		printf(" [");
		print_tags(p);
		printf("]");
	}
	putchar('\n');
}

static int tell_row(void *ctx, const struct tranship_point *p)
{
	struct points_args *args = ctx;

	if (args->list) {
		json_array_append_new(args->list, store_point_json(p));
		return 0;
	}
	if (args->told++ == 0)
		printf("%-20s %-32s %12s %12s %12s  %s\n", "Time", "Id", "Size", "Changed",
		       "Stored", "Disk @Name [Tags]");
	print_row(p);
	return 0;
}

static int list(struct points_args *args, struct tranship_store *store)
{
	struct tranship_error err;
	int rc;

	if (args->output == OUTPUT_JSON)
		args->list = json_array();
	rc = tranship_store_list(store, args->disk, tell_row, args, &err);
	if (args->list)
		store_print_json(args->list);
	else if (rc == 0 && args->told == 0)
		printf("no restore points\n");
	if (rc)
		cli_report(NULL, &err);
	return rc ? EXIT_ERROR : EXIT_OK;
}

int store_list(int argc, char **argv)
{
	return run(&list_argp, 1, argc, argv, list);
}

/* ---- show ---- */

static const struct argp_option show_options[] = {
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print it", 0 },
	{ 0 },
};

static const struct argp show_argp = {
	show_options,
	parse,
	"STORE [POINT]",
	"Says what a store is, or one of its restore points."
	"\vPOINT is an id, the 32 digits at its end, or a name, of which the newest is meant."
	"\n\nExample: tranship store show --output=json /backup nightly",
	children,
	NULL,
	NULL
};

static void print_size(const char *what, uint64_t size)
{
	char text[32];

	printf("%s: %s (%" PRIu64 " bytes)\n", what, cli_size_text(size, text), size);
}

static void print_line(const char *what, const char *text)
{
	if (*text == '\0')
		return;
	printf("%s: ", what);
	cli_print_text(text);
	putchar('\n');
}

static int tell_one(void *ctx, const struct tranship_point *p)
{
	const struct points_args *args = ctx;
	char time[STORE_TIME_TEXT];

	if (args->output == OUTPUT_JSON) {
		store_print_json(store_point_json(p));
		return 0;
	}
	store_time_text(p->time, time);
	print_line("id", p->id);
	print_line("name", p->name);
	print_line("disk", p->disk);
	print_line("version", p->version);
	print_line("predecessor", p->predecessor);
	printf("time: %s UTC\n", time);
	print_size("virtual size", p->size);
	printf("sector size: %u\n", p->sector_size);
	print_line("made to start by", p->boot);
	print_size("data", p->data);
	print_size("changed", p->changed);
	print_size("stored", p->stored);
	if (p->tag_count > 0) {
		printf("tags: ");
		print_tags(p);
		putchar('\n');
	}
	return 0;
}

static int show(struct points_args *args, struct tranship_store *store)
{
	struct tranship_error err;

	if (!args->point) {
		store_print_info(store, args->location, args->output);
		return EXIT_OK;
	}
	if (tranship_store_find(store, args->point, tell_one, args, &err)) {
		cli_report(NULL, &err);
		return EXIT_ERROR;
	}
	return EXIT_OK;
}

int store_show(int argc, char **argv)
{
	return run(&show_argp, 2, argc, argv, show);
}

/* ---- tag ---- */

static const struct argp_option tag_options[] = {
	{ "add", OPT_ADD, "TAG", 0, "Add this tag (repeatable)", 0 },
	{ "drop", OPT_DROP, "TAG", 0, "Take this tag off (repeatable)", 0 },
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print the restore point then", 0 },
	{ 0 },
};

static const struct argp tag_argp = {
	tag_options,
	parse,
	"STORE POINT",
	"Adds tags to a restore point, takes some off, and says what it is then."
	"\vA tag is a line of up to 64 bytes. prune --keep-tag keeps what has one."
	"\n\nExample: tranship store tag --add before-upgrade /backup nightly",
	children,
	NULL,
	NULL
};

static int tag(struct points_args *args, struct tranship_store *store)
{
	struct tranship_error err;

	if (!args->point) {
		cli_error("a restore point is needed");
		return EXIT_USAGE;
	}
	if (tranship_store_tag(store, args->point, args->add, args->add_count, args->drop,
			       args->drop_count, &err)) {
		cli_report(NULL, &err);
		return EXIT_ERROR;
	}
	return show(args, store);
}

int store_tag(int argc, char **argv)
{
	return run(&tag_argp, 2, argc, argv, tag);
}
