// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int combine_fn(const struct tranship_changes *a, const struct tranship_changes *b,
		       struct tranship_changes **out, struct tranship_error *err);

/* Another list, and what is done with it. */
struct step {
	combine_fn *combine;
	const char *path;
};

struct changes_args {
	struct cli_source source;
	struct tranship_changes_options list;
	enum cli_output output;
	const char *path;
	uint32_t layers;    /* 0: not of a chain */
	const char *bitmap; /* NULL: not of an NBD export; else, and without layers, a list */
	uint64_t round;     /* 0: not */
	struct step *steps;
	size_t step_count;
};

enum {
	OPT_OUTPUT = 0x200,
	OPT_FORMAT,
	OPT_SIZE,
	OPT_BLOCK_SIZE,
	OPT_BASE_ID,
	OPT_TARGET_ID,
	OPT_LAYERS,
	OPT_BITMAP,
	OPT_UNION,
	OPT_INTERSECT,
	OPT_SUBTRACT,
	OPT_ROUND,
};

static const struct argp_option options[] = {
	{ "changes-format", OPT_FORMAT, "FORMAT", 0,
	  "Who wrote the list: tranship (default), vmware, rct, azure, rbd, qemu, nbd, ebs, era, "
	  "thin",
	  0 },
	{ "size", OPT_SIZE, "SIZE", 0, "Of the disk, where the list does not say it", 0 },
	{ "block-size", OPT_BLOCK_SIZE, "SIZE", 0, "Of an era block, for the format era", 0 },
	{ "base-id", OPT_BASE_ID, "ID", 0, "Which version of the disk came before the changes", 0 },
	{ "target-id", OPT_TARGET_ID, "ID", 0, "Which version came out of them", 0 },
	{ "layers", OPT_LAYERS, "N", 0,
	  "Instead of a list: what the first N images of a chain hold", 0 },
	{ "bitmap", OPT_BITMAP, "NAME", 0,
	  "Instead of a list: what the dirty bitmap of an NBD export has noted", 0 },
	{ "union", OPT_UNION, "LIST", 0, "Add what is in this list of our own", 0 },
	{ "intersect", OPT_INTERSECT, "LIST", 0, "Leave out what is not in this one", 0 },
	{ "subtract", OPT_SUBTRACT, "LIST", 0, "Leave out what is in this one", 0 },
	{ "round", OPT_ROUND, "SIZE", 0, "Grow to whole blocks of so many bytes", 0 },
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print it; json is a list of our own", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static void add_step(struct argp_state *state, combine_fn *combine, const char *path)
{
	struct changes_args *args = state->input;
	struct step *steps = realloc(args->steps, (args->step_count + 1) * sizeof(*steps));

	if (!steps)
		argp_failure(state, EXIT_ERROR, 0, "out of memory");
	args->steps = steps;
	args->steps[args->step_count++] = (struct step){ combine, path };
}

static uint32_t parse_layers(struct argp_state *state, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n == 0 || n > UINT32_MAX)
		argp_error(state, "--layers '%s' is no number of images", text);
	return (uint32_t)n;
}

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	struct changes_args *args = state->input;

	switch (key) {
	case OPT_FORMAT: args->list.format = arg; break;
	case OPT_SIZE: args->list.size = cli_parse_size(state, "size", arg); break;
	case OPT_BLOCK_SIZE:
		args->list.block_size = cli_parse_size(state, "block size", arg);
		break;
	case OPT_BASE_ID: args->list.base_id = arg; break;
	case OPT_TARGET_ID: args->list.target_id = arg; break;
	case OPT_LAYERS: args->layers = parse_layers(state, arg); break;
	case OPT_BITMAP: args->bitmap = arg; break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct changes_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case OPT_UNION: add_step(state, tranship_changes_union, arg); break;
	case OPT_INTERSECT: add_step(state, tranship_changes_intersect, arg); break;
	case OPT_SUBTRACT: add_step(state, tranship_changes_subtract, arg); break;
	case OPT_ROUND:
		args->round = cli_parse_size(state, "block size", arg);
		if (args->round == 0 || (args->round & (args->round - 1)) != 0)
			argp_error(state, "--round takes a power of two");
		break;
	case OPT_OUTPUT:
		args->output = cli_parse_output(arg);
		if (args->output == OUTPUT_UNKNOWN)
			argp_error(state, "--output takes human or json");
		break;
	case ARGP_KEY_ARG:
		if (args->path)
			argp_error(state, "one list at a time");
		args->path = arg;
		break;
	case ARGP_KEY_NO_ARGS:
		argp_error(state,
			   "a list, with --layers an image, or with --bitmap a URL is needed");
		break;
	case ARGP_KEY_END:
		if (args->layers && (args->list.format || args->list.size || args->list.block_size))
			argp_error(state, "--layers takes an image, not a list");
		if (args->bitmap &&
		    (args->layers || args->list.format || args->list.size || args->list.block_size))
			argp_error(state, "--bitmap takes the URL of an NBD export, not a list");
		break;
	default: return parse_list(key, arg, state);
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"LIST",
	"Reads a list of what changed on a disk, checks that it is whole, and prints it."
	"\vThe list is what a hypervisor, a cloud or a storage system said; '-' is standard input. "
	"What is printed as JSON is taken by diff --changes. --union, --intersect and --subtract "
	"are done in the order in which they are given. With --bitmap it is the URL of an NBD "
	"export "
	"(nbd://, nbd+unix://) that has the dirty bitmap."
	"\n\nExample: rbd diff --from-snap a pool/disk@b --format json | "
	"tranship changes --changes-format rbd --size 40G --output=json - >changes.json",
	children,
	NULL,
	NULL
};

static int open_layers(const struct changes_args *args, struct tranship_changes **out)
{
	struct tranship_disk *disk = cli_open(&args->source, args->path, NULL);
	struct tranship_error err;
	int rc;

	if (!disk)
		return TRANSHIP_EIO;
	rc = tranship_changes_of_layers(disk, args->layers, out, &err);
	if (rc == 0)
		rc = tranship_changes_set_ids(*out, args->list.base_id, args->list.target_id, &err);
	if (rc)
		cli_report(args->path, &err);
	tranship_disk_close(disk);
	return rc;
}

static int open_bitmap(const struct changes_args *args, struct tranship_changes **out)
{
	struct tranship_open_options how;
	struct tranship_error err;
	int rc;

	cli_open_options(&args->source, args->path, &how);
	rc = tranship_changes_of_nbd(args->path, &how, args->bitmap, out, &err);
	if (rc == 0)
		rc = tranship_changes_set_ids(*out, args->list.base_id, args->list.target_id, &err);
	if (rc)
		cli_report(args->path, &err);
	return rc;
}

/* Puts `next` in the place of *set. */
static void replace(struct tranship_changes **set, struct tranship_changes *next)
{
	tranship_changes_free(*set);
	*set = next;
}

static int do_step(const struct step *step, struct tranship_changes **set)
{
	struct tranship_changes *other, *next;
	struct tranship_error err;
	int rc = tranship_changes_open(step->path, NULL, &other, &err);

	if (rc == 0)
		rc = step->combine(*set, other, &next, &err);
	if (rc)
		cli_report(step->path, &err);
	else
		replace(set, next);
	tranship_changes_free(other);
	return rc;
}

static int open_set(const struct changes_args *args, struct tranship_changes **set)
{
	struct tranship_changes *next;
	struct tranship_error err;
	size_t i;
	int rc;

	if (args->layers) {
		rc = open_layers(args, set);
	} else if (args->bitmap) {
		rc = open_bitmap(args, set);
	} else {
		rc = tranship_changes_open(args->path, &args->list, set, &err);
		if (rc)
			cli_report(args->path, &err);
	}
	for (i = 0; rc == 0 && i < args->step_count; i++)
		rc = do_step(&args->steps[i], set);
	if (rc == 0 && args->round) {
		rc = tranship_changes_round(*set, args->round, &next, &err);
		if (rc)
			cli_report(args->path, &err);
		else
			replace(set, next);
	}
	return rc;
}

static void print_human(const struct tranship_changes *set)
{
	size_t i, count = tranship_changes_count(set);
	char bytes[32], size[32];

	printf("%-18s%-18s%s\n", "Offset", "Length", "Now");
	for (i = 0; i < count; i++) {
		struct tranship_change c = tranship_changes_at(set, i);

		printf("%#-18" PRIx64 "%#-18" PRIx64 "%s\n", c.off, c.len,
		       c.zero ? "zeros" : "data");
	}
	printf("%zu ranges, %s of %s\n", count, cli_size_text(tranship_changes_bytes(set), bytes),
	       cli_size_text(tranship_changes_size(set), size));
}

/* What cannot be printed shows when the output is flushed. */
static int put(void *ctx, const char *text, size_t len, struct tranship_error *err)
{
	(void)ctx, (void)err;
	fwrite(text, 1, len, stdout);
	return 0;
}

int cmd_changes(int argc, char **argv)
{
	struct changes_args args = { .output = OUTPUT_HUMAN };
	struct tranship_changes *set = NULL;
	struct tranship_error err;
	int code = EXIT_ERROR;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (open_set(&args, &set) == 0) {
		code = EXIT_OK;
		if (args.output == OUTPUT_HUMAN) {
			print_human(set);
		} else if (tranship_changes_write(set, put, NULL, &err)) {
			cli_report(args.path, &err);
			code = EXIT_ERROR;
		}
	}
	tranship_changes_free(set);
	free(args.steps);
	cli_source_free(&args.source);
	return code;
}
