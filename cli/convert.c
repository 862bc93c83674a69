// SPDX-License-Identifier: Apache-2.0
#include "boot_options.h"
#include "places.h"
#include "target.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct convert_args {
	struct cli_source source;
	struct cli_target target;
	struct cli_boot boot;
	struct tranship_copy_options copy;
	const char *from;
	const char *to;
	enum tranship_cache cache; /* -t */
	unsigned flags;            /* TRANSHIP_CREATE_* */
	bool progress;
	bool salvage;
};

/* What --salvage could not read. */
struct losses {
	uint64_t ranges;
	uint64_t bytes;
	struct cli_meter *meter; /* makes room for a line */
};

enum { OPT_TARGET_IS_ZERO = 0x200, OPT_NO_CLOBBER, OPT_SALVAGE };

static const struct argp_option options[] = {
	{ "target-format", 'O', "FORMAT", 0,
	  "Format of the output (default: raw); null reads and checks only", 0 },
	{ "options", 'o', "KEY=VALUE,...", 0, "Options of the output; 'help' lists them", 0 },
	{ "compress", 'c', NULL, 0, "Compressed output (vmdk: streamOptimized)", 0 },
	{ "base", 'B', "FILE", 0,
	  "Lay the output over this image, seen from the output's folder: only what differs is "
	  "written",
	  0 },
	{ "base-format", 'F', "FORMAT", 0, "Format of that one: the output's own", 0 },
	{ "progress", 'p', NULL, 0, "Show phase, rate and time left on a terminal", 0 },
	{ "sparse-size", 'S', "SIZE", 0,
	  "Leave out zeros of this length (default: 4k; 0: leave out none)", 0 },
	{ "threads", 'm', "N", 0, "Worker threads (default: one for each CPU)", 0 },
	{ "rate", 'r', "SIZE", 0, "Copy at most so many bytes a second", 0 },
	{ "no-create", 'n', NULL, 0, "Write into the existing output; not atomic", 0 },
	{ "target-is-zero", OPT_TARGET_IS_ZERO, NULL, 0,
	  "With -n: the output reads as zeros already", 0 },
	{ "no-clobber", OPT_NO_CLOBBER, NULL, 0, "Refuse to replace an existing output", 0 },
	{ "salvage", OPT_SALVAGE, NULL, 0,
	  "Go on where the source cannot be read: zeros instead, named on standard error; exit "
	  "code 4",
	  0 },
	{ "copy-range", 'C', NULL, OPTION_HIDDEN, NULL, 0 },
	{ "out-of-order", 'W', NULL, OPTION_HIDDEN, NULL, 0 },
	{ "target-cache", 't', "MODE", 0,
	  "Output: writeback (default), none, writethrough or unsafe", 0 },
	{ "source-cache", 'T', "MODE", 0,
	  "Source: writeback (default; leaves the page cache as it was) or none (O_DIRECT)", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 },
					      { &cli_boot_argp, 0, NULL, 0 },
					      { 0 } };

static void take_sparse_size(struct convert_args *args, struct argp_state *state, const char *arg)
{
	args->copy.sparse_size = cli_parse_size(state, "sparse size", arg);
	if (args->copy.sparse_size % 512)
		argp_error(state, "sparse size '%s' is no multiple of 512", arg);
	if (args->copy.sparse_size > TRANSHIP_SPARSE_MAX)
		argp_error(state, "sparse size '%s' is larger than %uk", arg,
			   TRANSHIP_SPARSE_MAX / 1024);
	if (args->copy.sparse_size == 0)
		args->copy.sparse_size = TRANSHIP_SPARSE_OFF;
}

static void check_args(const struct convert_args *args, struct argp_state *state)
{
	if (!args->from || (!args->to && strcmp(args->target.format, "null") != 0))
		argp_error(state, "a source and an output are needed");
	if (args->flags & TRANSHIP_CREATE_TARGET_IS_ZERO &&
	    !(args->flags & TRANSHIP_CREATE_IN_PLACE))
		argp_error(state, "--target-is-zero goes with -n");
	if (args->target.base && args->flags & TRANSHIP_CREATE_IN_PLACE)
		argp_error(state, "-n keeps the base that the output has; -B goes without");
	if (args->flags & TRANSHIP_CREATE_NO_CLOBBER && args->flags & TRANSHIP_CREATE_IN_PLACE)
		argp_error(state, "-n writes into what --no-clobber keeps");
	cli_boot_check(&args->boot, state);
	if (args->boot.wanted && args->salvage)
		argp_error(state, "--boot needs a disk that can be read, --salvage is for one that "
				  "cannot: salvage it first, and convert what comes out");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct convert_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->source;
		state->child_inputs[1] = &args->boot;
		break;
	case 'O': args->target.format = arg; break;
	case 'o': cli_target_option(&args->target, arg); break;
	case 'c': args->target.compressed = true; break;
	case 'C':
	case 'W': break; /* qemu-img's ways to be faster */
	case 'B': args->target.base = arg; break;
	case 'F': args->target.base_format = arg; break;
	case 'p': args->progress = true; break;
	case 'S': take_sparse_size(args, state, arg); break;
	case 'm': args->copy.threads = cli_parse_threads(state, arg); break;
	case 'r': args->copy.rate = cli_parse_size(state, "rate", arg); break;
	case 'n': args->flags |= TRANSHIP_CREATE_IN_PLACE; break;
	case OPT_TARGET_IS_ZERO: args->flags |= TRANSHIP_CREATE_TARGET_IS_ZERO; break;
	case OPT_NO_CLOBBER: args->flags |= TRANSHIP_CREATE_NO_CLOBBER; break;
	case OPT_SALVAGE:
		args->salvage = true;
		args->source.flags |= TRANSHIP_OPEN_SALVAGE;
		break;
	case 't': cli_target_cache(&args->cache, state, arg); break;
	case 'T': cli_source_cache(&args->source, state, arg); break;
	case ARGP_KEY_ARG:
		if (!args->from)
			args->from = arg;
		else if (!args->to)
			args->to = arg;
		else
			argp_error(state, "one source and one output are taken");
		break;
	case ARGP_KEY_END:
		if (!args->target.help)
			check_args(args, state);
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"SOURCE [OUTPUT]",
	"Copies a disk into another format. '-' is standard input or output, where the format can "
	"stream."
	"\vThe output takes its name only when it is whole and on stable storage."
	"\n\nExample: tranship convert -p -O vmdk -o subformat=streamOptimized disk.vhdx disk.vmdk",
	children,
	NULL,
	NULL
};

/* One line a range, whatever -q says. */
static void lose(void *ctx, uint64_t off, uint64_t len, const char *why)
{
	struct losses *losses = ctx;

	losses->ranges++;
	losses->bytes += len;
	cli_meter_clear(losses->meter);
	cli_error("lost: offset %" PRIu64 ", length %" PRIu64 ": %s", off, len, why);
}

static int copy(const struct convert_args *args, struct tranship_disk *disk,
		struct tranship_writer *writer, struct losses *losses, struct tranship_error *err)
{
	struct tranship_copy_options copy_options = args->copy;
	struct cli_meter meter;
	int rc;

	cli_meter_init(&meter, args->progress && !args->source.quiet);
	copy_options.progress = cli_progress;
	copy_options.progress_ctx = &meter;
	copy_options.warn = args->source.quiet ? NULL : cli_warn;
	losses->meter = &meter;
	copy_options.lost = args->salvage ? lose : NULL;
	copy_options.lost_ctx = losses;
	rc = tranship_copy(disk, writer, &copy_options, err);
	if (rc == 0) {
		cli_progress(&meter, &(struct tranship_progress){ "finishing", 1, 1, 0 });
		rc = tranship_writer_finish(writer, err);
	}
	cli_meter_clear(&meter);
	return rc;
}

static int convert(struct convert_args *args)
{
	struct tranship_create_options create;
	struct tranship_writer *writer = NULL;
	struct tranship_disk *disk, *base = NULL;
	struct tranship_error err;
	struct losses losses = { 0 };
	int rc, code = EXIT_ERROR;

	if (cli_spare_stores(args->to) ||
	    cli_create_options(&args->target, args->source.quiet, &create))
		return EXIT_ERROR;
	create.cache = args->cache;
	args->source.flags |= TRANSHIP_OPEN_DROP_BEHIND;
	disk = cli_open(&args->source, args->from, NULL);
	if (disk)
		code = cli_boot_open(&args->boot, &args->source, args->from, &disk, NULL);
	if (code == EXIT_OK &&
	    cli_open_base(&args->target, &args->source, args->to ? args->to : "", &base))
		code = EXIT_ERROR;
	if (code != EXIT_OK) {
		tranship_disk_close(disk);
		return code;
	}
	create.size = tranship_disk_size(disk);
	create.flags |= args->flags;
	create.source = disk;
	create.base = base;
	create.base_hint = args->target.base;
	cli_catch_signals();
	rc = tranship_create(args->to, &create, &writer, &err);
	if (rc) {
		cli_report(args->to, &err);
	} else {
		if (!args->source.quiet && args->to)
			cli_say_in_place(args->to, args->flags);
		rc = copy(args, disk, writer, &losses, &err);
		if (rc)
			cli_error("converting '%s' to '%s' failed: %s", args->from,
				  args->to ? args->to : "null", err.message);
	}
	tranship_writer_close(writer);
	tranship_disk_close(disk);
	tranship_disk_close(base);
	if (rc == 0 && losses.ranges > 0)
		cli_error("'%s': lost in all: %" PRIu64 " bytes, ranges: %" PRIu64
			  "; they are zeros in the output",
			  args->from, losses.bytes, losses.ranges);
	return rc ? cli_exit_code(&err) : losses.ranges > 0 ? EXIT_LOST : EXIT_OK;
}

int cmd_convert(int argc, char **argv)
{
	struct convert_args args = { .target.format = "raw" };
	char *spool;
	int code;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	spool = cli_spool_folder(args.to);
	args.source.spool = spool;
	code = args.target.help ? cli_option_help(args.target.format) : convert(&args);
	free(spool);
	cli_target_free(&args.target);
	cli_source_free(&args.source);
	return code;
}
