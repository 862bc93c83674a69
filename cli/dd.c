// SPDX-License-Identifier: Apache-2.0
#include "places.h"
#include "target.h"

#include <stdio.h>
#include <string.h>

struct dd_args {
	struct cli_source source;
	struct cli_target target;
	const char *from;
	const char *to;
	uint64_t block;
	uint64_t count; /* blocks; UINT64_MAX: all */
	uint64_t skip;  /* blocks */
};

static const struct argp_option options[] = {
	{ "target-format", 'O', "FORMAT", 0, "Format of the output (default: raw)", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

/* One "key=value". */
static void take_operand(struct dd_args *args, struct argp_state *state, char *arg)
{
	char *value = strchr(arg, '=');

	if (!value)
		argp_error(state, "'%s' is no operand: if=, of=, bs=, count= and skip= are", arg);
	*value++ = '\0';
	if (strcmp(arg, "if") == 0)
		args->from = value;
	else if (strcmp(arg, "of") == 0)
		args->to = value;
	else if (strcmp(arg, "bs") == 0)
		args->block = cli_parse_size(state, "block size", value);
	else if (strcmp(arg, "count") == 0)
		args->count = cli_parse_size(state, "count", value);
	else if (strcmp(arg, "skip") == 0)
		args->skip = cli_parse_size(state, "skip", value);
	else
		argp_error(state, "operand '%s' is unknown", arg);
	if (args->block == 0 || args->block > INT32_MAX)
		argp_error(state, "a block has 1 to 2147483647 bytes");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct dd_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case 'O': args->target.format = arg; break;
	case ARGP_KEY_ARG: take_operand(args, state, arg); break;
	case ARGP_KEY_END:
		if (!args->from || !args->to)
			argp_error(state, "if= and of= are needed");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"if=SOURCE of=OUTPUT [bs=SIZE] [count=BLOCKS] [skip=BLOCKS]",
	"Copies a part of a disk: count blocks of bs bytes (default: 512), from block skip on."
	"\vExample: tranship dd -O vhdx if=disk.vmdk of=first.vhdx bs=1M count=100",
	children,
	NULL,
	NULL
};

/* blocks * size, at most `limit`. */
static uint64_t bytes_of(uint64_t blocks, uint64_t size, uint64_t limit)
{
	return blocks > limit / size ? limit : blocks * size;
}

static int write_output(const struct dd_args *args, struct tranship_disk *disk,
			struct tranship_error *err)
{
	struct tranship_copy_options copy = { .progress = cli_progress };
	struct tranship_create_options create;
	struct tranship_writer *writer;
	struct cli_meter meter;
	int rc;

	if (cli_create_options(&args->target, args->source.quiet, &create))
		return TRANSHIP_EINVAL;
	create.size = tranship_disk_size(disk);
	create.source = disk;
	cli_meter_init(&meter, false);
	copy.progress_ctx = &meter;
	cli_catch_signals();
	rc = tranship_create(args->to, &create, &writer, err);
	if (rc)
		return rc;
	rc = tranship_copy(disk, writer, &copy, err);
	if (rc == 0)
		rc = tranship_writer_finish(writer, err);
	tranship_writer_close(writer);
	return rc;
}

static int dd(const struct dd_args *args)
{
	struct tranship_disk *disk, *part;
	struct tranship_error err = { 0 };
	uint64_t size, start;
	int rc;

	if (cli_spare_stores(args->to))
		return EXIT_ERROR;
	disk = cli_open(&args->source, args->from, NULL);
	if (!disk)
		return EXIT_ERROR;
	size = tranship_disk_size(disk);
	start = bytes_of(args->skip, args->block, size);
	rc = tranship_disk_window(disk, start, bytes_of(args->count, args->block, size - start),
				  &part, &err);
	if (rc) {
		cli_report(args->from, &err);
		tranship_disk_close(disk);
		return EXIT_ERROR;
	}
	rc = write_output(args, part, &err);
	if (rc && err.code)
		cli_report(args->to, &err);
	tranship_disk_close(part);
	return rc ? cli_exit_code(&err) : EXIT_OK;
}

int cmd_dd(int argc, char **argv)
{
	struct dd_args args = { .target.format = "raw", .block = 512, .count = UINT64_MAX };
	int code;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	args.source.flags |= TRANSHIP_OPEN_DROP_BEHIND;
	code = dd(&args);
	cli_source_free(&args.source);
	return code;
}
