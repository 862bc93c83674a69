// SPDX-License-Identifier: Apache-2.0
#include "places.h"
#include "target.h"

#include <inttypes.h>
#include <stdio.h>

struct create_args {
	struct cli_target target;
	struct cli_source source; /* of the base */
	bool no_clobber;
	const char *path;
	const char *size_text;
	uint64_t size;
};

enum { OPT_NO_CLOBBER = 0x200 };

static const struct argp_option options[] = {
	{ "format", 'f', "FORMAT", 0, "Format of the image (default: raw)", 0 },
	{ "options", 'o', "KEY=VALUE,...", 0, "Options of the format; 'help' lists them", 0 },
	{ "no-clobber", OPT_NO_CLOBBER, NULL, 0, "Refuse to replace an existing file", 0 },
	{ "backing", 'b', "FILE", 0,
	  "Lay the image over this one, seen from the image's folder; SIZE is then its size", 0 },
	{ "backing-format", 'F', "FORMAT", 0, "Format of that one: the image's own", 0 },
	{ "unsafe", 'u', NULL, 0, "Do not open the base's own parents", 0 },
	{ "quiet", 'q', NULL, 0, "Print nothing but errors", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct create_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case 'f': args->target.format = arg; break;
	case 'o': cli_target_option(&args->target, arg); break;
	case OPT_NO_CLOBBER: args->no_clobber = true; break;
	case 'b': args->target.base = arg; break;
	case 'F': args->target.base_format = arg; break;
	case 'u': args->target.base_alone = true; break;
	case 'q': args->source.quiet = true; break;
	case ARGP_KEY_ARG:
		if (!args->path) {
			args->path = arg;
		} else if (!args->size_text) {
			args->size_text = arg;
			args->size = cli_parse_size(state, "size", arg);
		} else {
			argp_error(state, "one image at a time");
		}
		break;
	case ARGP_KEY_END:
		if (!args->target.help && (!args->path || (!args->size_text && !args->target.base)))
			argp_error(state, "a file and a size are needed");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
	options,
	parse,
	"FILE [SIZE]",
	"Makes an empty image: a disk of zeros, or of what its base has."
	"\vExample: tranship create -f vhdx -o block_size=2M disk.vhdx 100G",
	children,
	NULL,
	NULL
};

/* All of it in one go: as the base has it, or zeros. */
static int fill(struct tranship_writer *writer, bool over_base, struct tranship_error *err)
{
	uint64_t size = tranship_writer_size(writer);
	int rc = over_base ? tranship_writer_skip(writer, 0, size, err)
			   : tranship_writer_zero(writer, 0, size, err);

	return rc ? rc : tranship_writer_finish(writer, err);
}

static void say(const struct create_args *args, uint64_t size)
{
	const struct cli_target *t = &args->target;

	printf("Formatting '%s', fmt=%s size=%" PRIu64, args->path, t->format, size);
	if (t->base)
		printf(" backing_file=%s", t->base);
	if (t->base_format)
		printf(" backing_fmt=%s", t->base_format);
	printf("%s%s\n", t->options ? " " : "", t->options ? t->options : "");
}

static int create(struct create_args *args)
{
	struct tranship_create_options create_options;
	struct tranship_writer *writer = NULL;
	struct tranship_disk *base;
	struct tranship_error err;
	int rc;

	if (cli_spare_stores(args->path) ||
	    cli_create_options(&args->target, args->source.quiet, &create_options) ||
	    cli_open_base(&args->target, &args->source, args->path, &base))
		return EXIT_ERROR;
	create_options.size = args->size_text ? args->size : base ? tranship_disk_size(base) : 0;
	create_options.size =
		(create_options.size + 511) / 512 * 512; /* a disk has whole sectors */
	create_options.base = base;
	create_options.base_hint = args->target.base;
	create_options.flags |= args->no_clobber ? TRANSHIP_CREATE_NO_CLOBBER : 0;
	cli_catch_signals();
	rc = tranship_create(args->path, &create_options, &writer, &err);
	if (rc == 0 && !args->source.quiet)
		cli_say_in_place(args->path, create_options.flags);
	if (rc == 0)
		rc = fill(writer, base, &err);
	tranship_writer_close(writer);
	tranship_disk_close(base);
	if (rc) {
		cli_report(args->path, &err);
		return EXIT_ERROR;
	}
	if (!args->source.quiet)
		say(args, args->size_text ? args->size : create_options.size);
	return EXIT_OK;
}

int cmd_create(int argc, char **argv)
{
	struct create_args args = { .target.format = "raw" };
	int code;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	code = args.target.help ? cli_option_help(args.target.format) : create(&args);
	cli_target_free(&args.target);
	cli_source_free(&args.source);
	return code;
}
