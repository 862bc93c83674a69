// SPDX-License-Identifier: Apache-2.0
#include "cli.h"
#include "info_layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct info_args {
	struct cli_source source;
	enum cli_output output;
	const char *path;
	bool chain;
};

enum { OPT_OUTPUT = 0x200, OPT_BACKING_CHAIN };

static const struct argp_option options[] = {
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print it", 0 },
	{ "backing-chain", OPT_BACKING_CHAIN, NULL, 0, "Of its parents, too", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct info_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case OPT_OUTPUT:
		args->output = cli_parse_output(arg);
		if (args->output == OUTPUT_UNKNOWN)
			argp_error(state, "--output takes human or json");
		break;
	case OPT_BACKING_CHAIN: args->chain = true; break;
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
	"Says what an image is: format, size, what its format knows, and what stands on the "
	"disk."
	"\vExample: tranship info --output=json disk.vhdx",
	children,
	NULL,
	NULL
};

/* Text out of an image, or a file's name, may be anything; JSON takes UTF-8 only. */
static json_t *json_string_or_empty(const char *text)
{
	json_t *string = json_string(text);

	return string ? string : json_string("");
}

/* The value of a property as JSON. */
static json_t *property_value(const struct tranship_property *p)
{
	switch (p->type) {
	case TRANSHIP_PROPERTY_NUMBER: return json_integer((json_int_t)p->number);
	case TRANSHIP_PROPERTY_BOOL: return json_boolean(p->number);
	default: return json_string_or_empty(p->text);
	}
}

/* Puts "a.0.b" into {"a": [{"b": ...}]}. */
static int add_property(void *ctx, const struct tranship_property *p)
{
	json_t *at = ctx;
	const char *name = p->name, *dot;
	char part[64];

	while ((dot = strchr(name, '.'))) {
		json_t *next;

		snprintf(part, sizeof(part), "%.*s", (int)(dot - name), name);
		if (json_is_array(at)) {
			size_t index = strtoul(part, NULL, 10);

			while (json_array_size(at) <= index)
				json_array_append_new(at, json_object());
			next = json_array_get(at, index);
		} else {
			next = json_object_get(at, part);
			if (!next) {
				next = dot[1] >= '0' && dot[1] <= '9' ? json_array()
								      : json_object();
				json_object_set_new(at, part, next);
			}
		}
		at = next;
		name = dot + 1;
	}
	json_object_set_new(at, name, property_value(p));
	return 0;
}

static json_t *properties(struct tranship_disk *disk)
{
	json_t *data = json_object();

	tranship_disk_properties(disk, add_property, data);
	return data;
}

static json_t *describe(struct tranship_disk *disk, const char *path)
{
	json_t *root = json_object(), *data = properties(disk);

	json_object_set_new(root, "virtual-size",
			    json_integer((json_int_t)tranship_disk_size(disk)));
	json_object_set_new(root, "filename", json_string_or_empty(path));
	if (tranship_disk_cluster_size(disk))
		json_object_set_new(root, "cluster-size",
				    json_integer(tranship_disk_cluster_size(disk)));
	json_object_set_new(root, "format", json_string(tranship_disk_format(disk)));
	json_object_set_new(root, "actual-size",
			    json_integer((json_int_t)tranship_disk_allocated(disk)));
	if (json_object_size(data) > 0)
		json_object_set_new(
			root, "format-specific",
			json_pack("{s:s, s:O}", "type", tranship_disk_format(disk), "data", data));
	if (tranship_disk_parent_hint(disk, 0))
		json_object_set_new(root, "backing-filename",
				    json_string_or_empty(tranship_disk_parent_hint(disk, 0)));
	if (tranship_disk_parent_identity(disk))
		json_object_set_new(root, "backing-filename-format",
				    json_string_or_empty(tranship_disk_parent_format(disk)));
	json_object_set_new(root, "dirty-flag", json_false());
	json_decref(data);
	return root;
}

/* The path of a layer: the image's as it was given, a parent's as it was found. */
static const char *layer_path(struct tranship_disk *layer, uint32_t index, const char *path)
{
	return index == 0 ? path : tranship_disk_file_name(layer, 0);
}

/* What stands on a disk needs all of it: of a chain only the top can say it. */
static struct tranship_layout *layout_of(struct tranship_disk *disk, const struct info_args *args)
{
	return info_layout_read(disk, args->path, args->source.quiet);
}

/* One object, or a list of them with --backing-chain. */
static void print_json(struct tranship_disk *disk, const struct info_args *args)
{
	uint32_t count = args->chain ? tranship_disk_layer_count(disk) : 1, i;
	struct tranship_layout *layout = layout_of(disk, args);
	json_t *list = json_array();

	for (i = 0; i < count; i++) {
		struct tranship_disk *layer = tranship_disk_layer(disk, i);

		json_array_append_new(list, describe(layer, layer_path(layer, i, args->path)));
	}
	if (layout)
		json_object_set_new(json_array_get(list, 0), "partition-table",
				    info_layout_json(layout));
	tranship_layout_free(layout);
	json_dumpf(args->chain ? list : json_array_get(list, 0), stdout,
		   JSON_INDENT(4) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(list);
}

static void print_tree(const json_t *value, int indent);

static void print_member(const char *name, const json_t *value, int indent)
{
	printf("%*s", indent, "");
	for (; *name; name++)
		putchar(*name == '-' ? ' ' : *name);
	putchar(':');
	if (json_is_object(value) || json_is_array(value)) {
		putchar('\n');
		print_tree(value, indent + 4);
	} else if (json_is_string(value)) {
		putchar(' ');
		cli_print_text(json_string_value(value));
		putchar('\n');
	} else if (json_is_integer(value)) {
		printf(" %" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
	} else {
		printf(" %s\n", json_is_true(value) ? "true" : "false");
	}
}

static void print_tree(const json_t *value, int indent)
{
	const char *key;
	char name[24];
	json_t *member;
	size_t i;

	if (json_is_array(value)) {
		json_array_foreach(value, i, member)
		{
			snprintf(name, sizeof(name), "[%zu]", i);
			print_member(name, member, indent);
		}
		return;
	}
	json_object_foreach((json_t *)value, key, member) print_member(key, member, indent);
}

static void print_layer(struct tranship_disk *disk, const char *path)
{
	json_t *data = properties(disk);
	char size[32], used[32];

	printf("image: ");
	cli_print_text(path); /* a parent's is the image's word */
	printf("\nfile format: %s\nvirtual size: %s (%llu bytes)\ndisk size: %s\n",
	       tranship_disk_format(disk), cli_size_text(tranship_disk_size(disk), size),
	       (unsigned long long)tranship_disk_size(disk),
	       cli_size_text(tranship_disk_allocated(disk), used));
	if (tranship_disk_cluster_size(disk))
		printf("cluster_size: %u\n", (unsigned)tranship_disk_cluster_size(disk));
	if (tranship_disk_parent_identity(disk)) {
		const char *hint = tranship_disk_parent_hint(disk, 0);

		printf("backing file: ");
		cli_print_text(hint ? hint : "");
		printf("\nbacking file format: ");
		cli_print_text(tranship_disk_parent_format(disk));
		putchar('\n');
	}
	if (json_object_size(data) > 0) {
		puts("Format specific information:");
		print_tree(data, 4);
	}
	json_decref(data);
}

static void print_human(struct tranship_disk *disk, const struct info_args *args)
{
	uint32_t count = args->chain ? tranship_disk_layer_count(disk) : 1, i;
	struct tranship_layout *layout = layout_of(disk, args);

	for (i = 0; i < count; i++) {
		struct tranship_disk *layer = tranship_disk_layer(disk, i);

		if (i > 0)
			putchar('\n');
		print_layer(layer, layer_path(layer, i, args->path));
		if (i == 0 && layout)
			info_layout_print(layout);
	}
	tranship_layout_free(layout);
}

int cmd_info(int argc, char **argv)
{
	struct info_args args = { .output = OUTPUT_HUMAN };
	struct tranship_disk *disk;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (!args.chain) /* what an image is does not depend on its parents */
		args.source.flags |= TRANSHIP_OPEN_LAYER;
	disk = cli_open(&args.source, args.path, NULL);
	if (disk && args.output == OUTPUT_JSON)
		print_json(disk, &args);
	else if (disk)
		print_human(disk, &args);
	tranship_disk_close(disk);
	cli_source_free(&args.source);
	return disk ? EXIT_OK : EXIT_ERROR;
}
