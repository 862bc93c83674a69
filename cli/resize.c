// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct resize_args {
	struct cli_source source;
	const char *path;
	const char *size_text;
	uint64_t size;
	bool shrink;
};

enum { OPT_SHRINK = 0x200, OPT_PREALLOCATION };

static const struct argp_option options[] = {
	{ "shrink", OPT_SHRINK, NULL, 0,
	  "Allow a smaller size; what is cut off must be absent or zeros", 0 },
	{ "preallocation", OPT_PREALLOCATION, "off", 0, "Taken for qemu-img's sake", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct resize_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case OPT_SHRINK: args->shrink = true; break;
	case OPT_PREALLOCATION:
		if (strcmp(arg, "off") != 0)
			argp_error(state, "--preallocation takes 'off'");
		break;
	case ARGP_KEY_ARG:
		if (!args->path)
			args->path = arg;
		else if (!args->size_text)
			args->size_text = arg;
		else
			argp_error(state, "one image at a time");
		break;
	case ARGP_KEY_END:
		if (!args->size_text)
			argp_error(state, "an image and a size are needed");
		args->size = cli_parse_size(state, "size",
					    args->size_text + strspn(args->size_text, "+-"));
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"IMAGE [+|-]SIZE",
	"Gives a disk another size, where it stands. A size with a sign is a difference."
	"\vA kill or a power loss leaves the old size or the new one."
	"\n\nExample: tranship resize disk.vhdx +10G",
	children,
	NULL,
	NULL
};

/* The size that is wanted; false, with a message, if there is none such. */
static bool wanted_size(const struct resize_args *args, uint64_t old, uint64_t *out)
{
	*out = args->size;
	if (*args->size_text == '+')
		*out = old + args->size;
	else if (*args->size_text == '-')
		*out = old - args->size;
	if ((*args->size_text == '+' && *out < old) || (*args->size_text == '-' && *out > old)) {
		cli_error("'%s': the disk has %" PRIu64 " bytes, %s is out of range", args->path,
			  old, args->size_text);
		return false;
	}
	return true;
}

static int resize(struct resize_args *args)
{
	struct tranship_open_options open_options;
	struct tranship_disk *disk;
	struct tranship_error err;
	struct stat st;
	uint64_t old, size;

	bool alone = args->source.flags & TRANSHIP_OPEN_LAYER;

	if (stat(args->path, &st) == 0 && S_ISFIFO(st.st_mode)) {
		cli_error("'%s': it is a pipe", args->path);
		return EXIT_ERROR;
	}
	args->source.flags |= TRANSHIP_OPEN_LAYER;
	disk = cli_open(&args->source, args->path, NULL);
	if (!disk)
		return EXIT_ERROR;
	old = tranship_disk_size(disk);
	tranship_disk_close(disk);
	if (!wanted_size(args, old, &size))
		return EXIT_ERROR;
	if (!alone)
		args->source.flags &= ~(unsigned)TRANSHIP_OPEN_LAYER;
	args->source.quiet = true; /* what there is to warn of was said */
	cli_open_options(&args->source, args->path, &open_options);
	if (size < old && !args->shrink) {
		cli_error("'%s': %" PRIu64 " bytes are fewer than the disk's %" PRIu64
			  "; use --shrink to cut off the rest, which must be unused",
			  args->path, size, old);
		return EXIT_ERROR;
	}
	if (tranship_resize(args->path, &open_options, size,
			    args->shrink ? TRANSHIP_RESIZE_SHRINK : 0, &err)) {
		cli_report(args->path, &err);
		return EXIT_ERROR;
	}
	return EXIT_OK;
}

int cmd_resize(int argc, char **argv)
{
	struct resize_args args = { 0 };
	bool quiet;
	int code;

	/* "-1G" at the end is a size and no option. */
	if (argc > 1 && argv[argc - 1][0] == '-' && argv[argc - 1][1] >= '0' &&
	    argv[argc - 1][1] <= '9')
		args.size_text = argv[--argc];
	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	quiet = args.source.quiet;
	code = resize(&args);
	if (code == EXIT_OK && !quiet)
		puts("Image resized.");
	cli_source_free(&args.source);
	return code;
}
