// SPDX-License-Identifier: Apache-2.0
#include "boot_options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is done: one of these with each call. */
enum mode { MODE_MAKE, MODE_INFO, MODE_CHECK, MODE_COMPARE };

struct fingerprint_args {
	struct cli_source source;
	struct cli_boot boot;
	struct tranship_fingerprint_options make;
	enum mode mode;
	enum cli_output output;
	const char *to;   /* -o */
	const char *like; /* --like */
	const char *base_id;
	const char *a, *b;
	bool progress;
};

enum {
	OPT_HASH = 0x200,
	OPT_BLOCK_SIZE,
	OPT_LIKE,
	OPT_BASE_ID,
	OPT_TARGET_ID,
	OPT_SEED,
	OPT_INFO,
	OPT_CHECK,
	OPT_COMPARE,
	OPT_OUTPUT
};

static const struct argp_option options[] = {
	{ "out", 'o', "FILE", 0, "Write the fingerprint here; '-': standard output", 0 },
	{ "like", OPT_LIKE, "OLD", 0,
	  "Take hash, block size and secret of this fingerprint, so that the two can be compared",
	  0 },
	{ "hash", OPT_HASH, "HASH", 0, "xxh3 (default) or sha256", 0 },
	{ "block-size", OPT_BLOCK_SIZE, "SIZE", 0, "Of a block: 4k to 1M (default: 64k)", 0 },
	{ "target-id", OPT_TARGET_ID, "ID", 0, "Which version the disk is (default: a random UUID)",
	  0 },
	{ "id", OPT_TARGET_ID, NULL, OPTION_ALIAS, NULL, 0 },
	{ "base-id", OPT_BASE_ID, "ID", 0, "Which version OLD must be", 0 },
	{ "seed", OPT_SEED, "HEX", 0,
	  "What secret and id come from, for output that repeats (default: random)", 0 },
	{ "progress", 'p', NULL, 0, "Show phase, rate and time left on a terminal", 0 },
	{ "threads", 'm', "N", 0, "Worker threads (default: one for each CPU)", 0 },
	{ "rate", 'r', "SIZE", 0, "Read at most so many bytes a second", 0 },
	{ "source-cache", 'T', "MODE", 0,
	  "writeback (default; leaves the page cache as it was) or none (O_DIRECT)", 0 },
	{ "info", OPT_INFO, NULL, 0, "Say what a fingerprint is of", 0 },
	{ "check", OPT_CHECK, NULL, 0, "Read all of a fingerprint and say whether it is sound", 0 },
	{ "compare", OPT_COMPARE, NULL, 0, "List in which blocks two fingerprints differ", 0 },
	{ "output", OPT_OUTPUT, "human|json", 0, "How --info and --compare print", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 },
					      { &cli_boot_argp, 0, NULL, 0 },
					      { 0 } };

static void take_block_size(struct fingerprint_args *args, struct argp_state *state,
			    const char *arg)
{
	uint64_t size = cli_parse_size(state, "block size", arg);

	if (size < TRANSHIP_BLOCK_MIN || size > TRANSHIP_BLOCK_MAX || size & (size - 1))
		argp_error(state, "block size '%s' is no power of two from 4k to 1M", arg);
	args->make.block_size = (uint32_t)size;
}

static void take_mode(struct fingerprint_args *args, struct argp_state *state, enum mode mode)
{
	if (args->mode != MODE_MAKE)
		argp_error(state, "one of --info, --check and --compare is taken");
	args->mode = mode;
}

static void check_args(const struct fingerprint_args *args, struct argp_state *state)
{
	if (!args->a)
		argp_error(state, args->mode == MODE_MAKE ? "a disk is needed"
							  : "a fingerprint is needed");
	if (args->mode == MODE_COMPARE && !args->b)
		argp_error(state, "two fingerprints are needed");
	if (args->mode != MODE_COMPARE && args->b)
		argp_error(state, "one file at a time");
	if (args->mode == MODE_MAKE && !args->to)
		argp_error(state, "-o is needed: where the fingerprint goes");
	if (args->mode != MODE_MAKE && args->to)
		argp_error(state, "-o goes with a disk");
	if (args->base_id && !args->like)
		argp_error(state, "--base-id says what --like must be");
	cli_boot_check(&args->boot, state);
	if (args->boot.wanted && args->mode != MODE_MAKE)
		argp_error(state, "--boot goes with a disk");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct fingerprint_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->source;
		state->child_inputs[1] = &args->boot;
		break;
	case 'o': args->to = arg; break;
	case OPT_LIKE: args->like = arg; break;
	case OPT_HASH: args->make.hash = arg; break;
	case OPT_BLOCK_SIZE: take_block_size(args, state, arg); break;
	case OPT_TARGET_ID: args->make.id = arg; break;
	case OPT_BASE_ID: args->base_id = arg; break;
	case OPT_SEED: args->make.seed = arg; break;
	case 'p': args->progress = true; break;
	case 'm': args->make.copy.threads = cli_parse_threads(state, arg); break;
	case 'r': args->make.copy.rate = cli_parse_size(state, "rate", arg); break;
	case 'T': cli_source_cache(&args->source, state, arg); break;
	case OPT_INFO: take_mode(args, state, MODE_INFO); break;
	case OPT_CHECK: take_mode(args, state, MODE_CHECK); break;
	case OPT_COMPARE: take_mode(args, state, MODE_COMPARE); break;
	case OPT_OUTPUT:
		args->output = cli_parse_output(arg);
		if (args->output == OUTPUT_UNKNOWN)
			argp_error(state, "--output takes human or json");
		break;
	case ARGP_KEY_ARG:
		if (!args->a)
			args->a = arg;
		else if (!args->b)
			args->b = arg;
		else
			argp_error(state, "too many files");
		break;
	case ARGP_KEY_END: check_args(args, state); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"DISK -o FILE\n--info FILE\n--check FILE\n--compare OLD NEW",
	"Writes a digest of each block of a disk, by which a later version is compared with it "
	"although it is gone."
	"\vThe file has a secret in it, so only its owner may read it (mode 0600): keep it that "
	"way. Fingerprints are compared where they have the same secret: make the first one of a "
	"disk alone, and each later one --like it."
	"\n\nExample: tranship fingerprint -p disk.vmdk -o monday.fp",
	children,
	NULL,
	NULL
};

static struct tranship_fingerprint *open_print(const char *path)
{
	struct tranship_fingerprint *fp;
	struct tranship_error err;

	if (tranship_fingerprint_open(path, &fp, &err))
		cli_report(path, &err);
	return fp;
}

/* ---- Making one ---- */

/* What --like names: 0, or -1 with a message. *out is NULL if there is none. */
static int open_like(const struct fingerprint_args *args, struct tranship_fingerprint **out)
{
	struct tranship_fingerprint_info info;

	*out = NULL;
	if (!args->like)
		return 0;
	*out = open_print(args->like);
	if (!*out)
		return -1;
	tranship_fingerprint_get_info(*out, &info);
	if (!args->base_id || strcmp(info.id, args->base_id) == 0)
		return 0;
	cli_error("'%s': it is of another version of the disk than '%s'", args->like,
		  args->base_id);
	return -1;
}

static int make(struct fingerprint_args *args)
{
	struct tranship_fingerprint *like = NULL;
	struct tranship_disk *disk = NULL;
	struct tranship_error err;
	struct cli_meter meter;
	int code = EXIT_ERROR, rc;

	args->source.flags |= TRANSHIP_OPEN_DROP_BEHIND;
	if (open_like(args, &like) == 0)
		disk = cli_open(&args->source, args->a, NULL);
	if (disk)
		code = cli_boot_open(&args->boot, &args->source, args->a, &disk, NULL);
	if (disk && code == EXIT_OK) {
		cli_meter_init(&meter, args->progress && !args->source.quiet);
		args->make.like = like;
		args->make.copy.progress = cli_progress;
		args->make.copy.progress_ctx = &meter;
		args->make.copy.warn = args->source.quiet ? NULL : cli_warn;
		cli_catch_signals();
		rc = tranship_fingerprint_make(disk, args->to, &args->make, &err);
		cli_meter_clear(&meter);
		if (rc)
			cli_error("the fingerprint of '%s' could not be written to '%s': %s",
				  args->a, args->to, err.message);
		code = rc ? cli_exit_code(&err) : EXIT_OK;
	}
	tranship_disk_close(disk);
	tranship_fingerprint_close(like);
	return code;
}

/* ---- Looking at one ---- */

static void print_info(const char *path, const struct tranship_fingerprint_info *info)
{
	char size[32];

	printf("fingerprint: ");
	cli_print_text(path);
	printf("\ndisk size: %s (%" PRIu64 " bytes)\n", cli_size_text(info->size, size),
	       info->size);
	printf("sector size: %" PRIu32 "\nblock size: %" PRIu32 "\nhash: %s\n", info->sector_size,
	       info->block_size, info->hash);
	if (*info->lineage)
		printf("lineage: %s\n", info->lineage);
	printf("version id: ");
	cli_print_text(info->id);
	printf("\nblocks that are not zeros: %" PRIu64 "\n", info->blocks);
}

/* The path may be anything; JSON takes UTF-8 only. */
static int print_info_json(const char *path, const struct tranship_fingerprint_info *info)
{
	json_t *root = json_pack("{s:s*, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:I}", "filename", path,
				 "format", "fingerprint", "virtual-size", (json_int_t)info->size,
				 "sector-size", (json_int_t)info->sector_size, "block-size",
				 (json_int_t)info->block_size, "hash", info->hash, "id", info->id,
				 "lineage", info->lineage, "blocks", (json_int_t)info->blocks);

	if (!root || json_dumpf(root, stdout, JSON_INDENT(4))) {
		json_decref(root);
		cli_error("out of memory");
		return EXIT_ERROR;
	}
	json_decref(root);
	putchar('\n');
	return EXIT_OK;
}

static int look(const struct fingerprint_args *args)
{
	struct tranship_fingerprint *fp = open_print(args->a);
	struct tranship_fingerprint_info info;
	struct tranship_error err;
	int code = EXIT_OK;

	if (!fp)
		return EXIT_ERROR;
	tranship_fingerprint_get_info(fp, &info);
	if (args->mode == MODE_CHECK && tranship_fingerprint_check(fp, &err)) {
		cli_report(args->a, &err);
		code = EXIT_ERROR;
	} else if (args->mode == MODE_CHECK) {
		if (!args->source.quiet)
			puts("No errors were found in the fingerprint.");
	} else if (args->output == OUTPUT_JSON) {
		code = print_info_json(args->a, &info);
	} else {
		print_info(args->a, &info);
	}
	tranship_fingerprint_close(fp);
	return code;
}

/* ---- Comparing two ---- */

static int put(void *ctx, const char *text, size_t len, struct tranship_error *err)
{
	(void)err; /* a full disk shows when the output ends */
	fwrite(text, 1, len, ctx);
	return 0;
}

static void print_changes(const struct tranship_changes *changes)
{
	size_t i, count = tranship_changes_count(changes);
	char size[32];

	printf("%-20s%-20s%s\n", "Offset", "Length", "Kind");
	for (i = 0; i < count; i++) {
		struct tranship_change c = tranship_changes_at(changes, i);

		printf("%#-20" PRIx64 "%#-20" PRIx64 "%s\n", c.off, c.len,
		       c.zero ? "zero" : "data");
	}
	printf("changed: %s (%" PRIu64 " bytes) in %zu ranges\n",
	       cli_size_text(tranship_changes_bytes(changes), size),
	       tranship_changes_bytes(changes), count);
}

static int compare(const struct fingerprint_args *args)
{
	struct tranship_fingerprint *old = open_print(args->a), *target = NULL;
	struct tranship_changes *changes = NULL;
	struct tranship_error err;
	int rc = -1;

	if (old)
		target = open_print(args->b);
	if (target) {
		rc = tranship_fingerprint_compare(old, target, &changes, &err);
		if (rc == 0 && args->output == OUTPUT_JSON)
			rc = tranship_changes_write(changes, put, stdout, &err);
		else if (rc == 0)
			print_changes(changes);
		if (rc)
			cli_error("comparing '%s' with '%s' failed: %s", args->a, args->b,
				  err.message);
	}
	tranship_changes_free(changes);
	tranship_fingerprint_close(target);
	tranship_fingerprint_close(old);
	return rc ? EXIT_ERROR : EXIT_OK;
}

int cmd_fingerprint(int argc, char **argv)
{
	struct fingerprint_args args = { .output = OUTPUT_HUMAN };
	char *spool;
	int code;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (args.mode == MODE_MAKE) {
		spool = cli_spool_folder(args.to);
		args.source.spool = spool;
		code = make(&args);
		free(spool);
	} else if (args.mode == MODE_COMPARE) {
		code = compare(&args);
	} else {
		code = look(&args);
	}
	cli_source_free(&args.source);
	return code;
}
