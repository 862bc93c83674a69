// SPDX-License-Identifier: Apache-2.0
#include "cli.h"
#include "picture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct map_args {
	struct cli_source source;
	enum cli_output output; /* OUTPUT_UNKNOWN: no list */
	bool blocks;
	const char *svg; /* where a picture is written; NULL: none */
	const char *path;
	uint64_t start;
	uint64_t length;
};

enum { OPT_OUTPUT = 0x200, OPT_SVG, OPT_SALVAGE };

static const struct argp_option options[] = {
	{ "output", OPT_OUTPUT, "human|json|blocks", 0,
	  "How to print it: a table, JSON, or a picture of characters", 0 },
	{ "svg", OPT_SVG, "FILE", 0,
	  "Draw a picture into FILE; nothing is printed unless --output is given, too", 0 },
	{ "salvage", OPT_SALVAGE, NULL, 0, "Map what can be read of a damaged or cut image", 0 },
	{ "start-offset", 's', "OFFSET", 0, "Begin here (default: 0)", 0 },
	{ "max-length", 'l', "SIZE", 0, "List so much of the disk (default: all)", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct map_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case OPT_OUTPUT:
		args->output = cli_parse_output(arg);
		args->blocks = strcmp(arg, "blocks") == 0;
		if (args->output == OUTPUT_UNKNOWN && !args->blocks)
			argp_error(state, "--output takes human, json or blocks");
		break;
	case OPT_SVG: args->svg = arg; break;
	case OPT_SALVAGE: args->source.flags |= TRANSHIP_OPEN_SALVAGE; break;
	case 's': args->start = cli_parse_size(state, "offset", arg); break;
	case 'l': args->length = cli_parse_size(state, "length", arg); break;
	case ARGP_KEY_ARG:
		if (args->path)
			argp_error(state, "one image at a time");
		args->path = arg;
		break;
	case ARGP_KEY_NO_ARGS: argp_error(state, "an image is needed"); break;
	case ARGP_KEY_END:
		if (!args->svg && !args->blocks && args->output == OUTPUT_UNKNOWN)
			args->output = OUTPUT_HUMAN;
		if (args->svg && strcmp(args->svg, "-") == 0 &&
		    (args->blocks || args->output != OUTPUT_UNKNOWN))
			argp_error(state, "--svg - and --output cannot both have standard output");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"IMAGE",
	"Lists which parts of the disk are data, and where they stand in its files."
	"\vThe table lists data only; JSON lists everything, with the keys of qemu-img. A picture "
	"shows "
	"how much of each part of the disk is data, zeros or a hole, and which image of a chain "
	"holds it."
	"\n\nExample: tranship map --output=json disk.vmdk"
	"\n         tranship map --svg disk.svg --output=blocks disk.vmdk",
	children,
	NULL,
	NULL
};

static void print_human(const struct tranship_disk *disk, const struct tranship_extent *e,
			bool first)
{
	const char *name = tranship_disk_file_name(disk, e->file_index);

	if (first)
		printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
	if (e->len == 0 || e->kind != TRANSHIP_DATA)
		return;
	printf("%#-16" PRIx64 "%#-16" PRIx64, e->off, e->len);
	if (e->compressed)
		printf("%-16s", "compressed");
	else if (e->file_off == TRANSHIP_NO_OFFSET)
		printf("%-16s", "unreadable");
	else
		printf("%#-16" PRIx64, e->file_off);
	cli_print_text(name ? name : "");
	putchar('\n');
}

static void print_json(const struct tranship_extent *e, bool first)
{
	if (first)
		putchar('[');
	if (e->len == 0)
		return;
	printf("%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64 ", \"depth\": %" PRIu32
	       ", \"present\": %s, \"zero\": %s, \"data\": %s",
	       first ? "" : ",\n", e->off, e->len, e->depth,
	       e->kind == TRANSHIP_ABSENT ? "false" : "true",
	       e->kind == TRANSHIP_DATA || e->kind == TRANSHIP_LOST ? "false" : "true",
	       e->kind == TRANSHIP_DATA ? "true" : "false");
	if (e->kind == TRANSHIP_LOST)
		printf(", \"lost\": true");
	if (e->compressed)
		printf(", \"compressed\": true");
	else if (e->file_off != TRANSHIP_NO_OFFSET)
		printf(", \"offset\": %" PRIu64, e->file_off);
	putchar('}');
}

/* Neighbours that are alike, and follow each other in the file too, are one line. */
static bool merge(struct tranship_extent *into, const struct tranship_extent *next)
{
	bool placed = into->file_off != TRANSHIP_NO_OFFSET && !into->compressed;

	if (into->kind != next->kind || into->depth != next->depth ||
	    into->compressed != next->compressed ||
	    (placed != (next->file_off != TRANSHIP_NO_OFFSET && !next->compressed)))
		return false;
	if (placed &&
	    (into->file_index != next->file_index || into->file_off + into->len != next->file_off))
		return false;
	into->len += next->len;
	return true;
}

static void draw(struct picture *picture, const struct tranship_extent *e)
{
	static const enum picture_kind kinds[] = { [TRANSHIP_DATA] = PICTURE_DATA,
						   [TRANSHIP_ZERO] = PICTURE_ZERO,
						   [TRANSHIP_ABSENT] = PICTURE_HOLE,
						   [TRANSHIP_LOST] = PICTURE_LOST };

	if (picture)
		picture_add(picture, e->off, e->len, kinds[e->kind], e->depth);
}

static void print_line(const struct map_args *args, const struct tranship_disk *disk,
		       const struct tranship_extent *line, bool first)
{
	if (args->output == OUTPUT_JSON)
		print_json(line, first);
	else if (args->output == OUTPUT_HUMAN)
		print_human(disk, line, first);
}

/* Where the map itself is damaged, --salvage takes one unit of it for lost and goes on. */
static int map_at(const struct map_args *args, struct tranship_disk *disk, uint64_t off,
		  struct tranship_extent *out, struct tranship_error *err)
{
	uint64_t unit = tranship_disk_cluster_size(disk), rest = tranship_disk_size(disk) - off;
	int rc = tranship_disk_map(disk, off, out, err);

	if ((rc == TRANSHIP_ECORRUPT || rc == TRANSHIP_EIO) &&
	    args->source.flags & TRANSHIP_OPEN_SALVAGE) {
		unit = unit ? unit - off % unit : 65536;
		*out = (struct tranship_extent){ .off = off,
						 .len = unit < rest ? unit : rest,
						 .kind = TRANSHIP_LOST,
						 .file_off = TRANSHIP_NO_OFFSET };
		rc = 0;
	}
	return rc;
}

/* `picture` may be NULL; what is lost adds to *lost. */
static int print_map(const struct map_args *args, struct tranship_disk *disk,
		     struct picture *picture, uint64_t *lost, struct tranship_error *err)
{
	uint64_t size = tranship_disk_size(disk);
	uint64_t off = args->start, end = args->length < size - off ? off + args->length : size;
	struct tranship_extent line = { .off = off }, next;
	bool first = true;

	while (off < end) {
		int rc = map_at(args, disk, off, &next, err);

		if (rc)
			return rc;
		if (next.len > end - off)
			next.len = end - off;
		*lost += next.kind == TRANSHIP_LOST ? next.len : 0;
		draw(picture, &next);
		if (line.len == 0) {
			line = next;
		} else if (!merge(&line, &next)) {
			print_line(args, disk, &line, first);
			first = false;
			line = next;
		}
		off += next.len;
	}
	print_line(args, disk, &line, first);
	if (args->output == OUTPUT_JSON)
		puts("]");
	return 0;
}

/* The list, the picture, or both; an exit code. */
static int show(const struct map_args *args, struct tranship_disk *disk)
{
	uint64_t rest = tranship_disk_size(disk) - args->start;
	struct picture *picture = NULL;
	struct tranship_error err;
	uint64_t lost = 0;
	int code = EXIT_OK;

	if (args->svg || args->blocks)
		picture = picture_new(args->path, disk, args->start,
				      args->length < rest ? args->length : rest);
	if (print_map(args, disk, picture, &lost, &err)) {
		cli_report(args->path, &err);
		code = EXIT_ERROR;
	}
	if (code == EXIT_OK && args->blocks)
		picture_print_blocks(picture);
	if (code == EXIT_OK && args->svg && picture_write_svg(picture, args->svg, NULL))
		code = EXIT_ERROR;
	picture_free(picture);
	if (code != EXIT_OK || lost == 0)
		return code;
	cli_error("'%s': lost in all: %" PRIu64 " bytes", args->path, lost);
	return EXIT_LOST;
}

int cmd_map(int argc, char **argv)
{
	struct map_args args = { .output = OUTPUT_UNKNOWN, .length = UINT64_MAX };
	struct tranship_disk *disk;
	int code = EXIT_ERROR;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	args.source.flags |= TRANSHIP_OPEN_DELTA_LAYER;
	disk = cli_open(&args.source, args.path, NULL);
	if (disk && tranship_disk_is_forward(disk))
		cli_error("'%s': the map of a pipe cannot be listed, it would have to be read",
			  args.path);
	else if (disk && args.start > tranship_disk_size(disk))
		cli_error("'%s': offset %" PRIu64 " is past the end of the disk", args.path,
			  args.start);
	else if (disk)
		code = show(&args, disk);
	tranship_disk_close(disk);
	cli_source_free(&args.source);
	return code;
}
