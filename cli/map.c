// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct map_args {
	struct cli_source source;
	enum cli_output output;
	const char *path;
	uint64_t start;
	uint64_t length;
};

enum { OPT_OUTPUT = 0x200 };

static const struct argp_option options[] = {
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print it", 0 },
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
		if (args->output == OUTPUT_UNKNOWN)
			argp_error(state, "--output takes human or json");
		break;
	case 's': args->start = cli_parse_size(state, "offset", arg); break;
	case 'l': args->length = cli_parse_size(state, "length", arg); break;
	case ARGP_KEY_ARG:
		if (args->path)
			argp_error(state, "one image at a time");
		args->path = arg;
		break;
	case ARGP_KEY_NO_ARGS: argp_error(state, "an image is needed"); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"IMAGE",
	"Lists which parts of the disk are data, and where they stand in its files."
	"\vThe table lists data only; JSON lists everything, with the keys of qemu-img."
	"\n\nExample: tranship map --output=json disk.vmdk",
	children,
	NULL,
	NULL
};

static void print_human(const struct tranship_disk *disk, const struct tranship_extent *e,
			bool first)
{
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
	cli_print_text(tranship_disk_file_name(disk, e->file_index));
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
	       e->kind == TRANSHIP_DATA ? "false" : "true",
	       e->kind == TRANSHIP_DATA ? "true" : "false");
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

static int print_map(const struct map_args *args, struct tranship_disk *disk,
		     struct tranship_error *err)
{
	uint64_t size = tranship_disk_size(disk);
	uint64_t off = args->start, end = args->length < size - off ? off + args->length : size;
	struct tranship_extent line = { .off = off }, next;
	bool first = true;

	while (off < end) {
		int rc = tranship_disk_map(disk, off, &next, err);

		if (rc)
			return rc;
		if (next.len > end - off)
			next.len = end - off;
		if (line.len == 0) {
			line = next;
		} else if (!merge(&line, &next)) {
			if (args->output == OUTPUT_JSON)
				print_json(&line, first);
			else
				print_human(disk, &line, first);
			first = false;
			line = next;
		}
		off += next.len;
	}
	if (args->output == OUTPUT_JSON) {
		print_json(&line, first);
		puts("]");
	} else {
		print_human(disk, &line, first);
	}
	return 0;
}

int cmd_map(int argc, char **argv)
{
	struct map_args args = { .output = OUTPUT_HUMAN, .length = UINT64_MAX };
	struct tranship_disk *disk;
	struct tranship_error err;
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
	else if (disk && print_map(&args, disk, &err))
		cli_report(args.path, &err);
	else if (disk)
		code = EXIT_OK;
	tranship_disk_close(disk);
	cli_source_free(&args.source);
	return code;
}
