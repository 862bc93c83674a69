// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct probe_args {
	struct cli_source source;
	enum cli_output output;
	const char *path;
};

enum { OPT_OUTPUT = 0x200 };

static const struct argp_option options[] = {
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print it", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct probe_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case OPT_OUTPUT:
		args->output = cli_parse_output(arg);
		if (args->output == OUTPUT_UNKNOWN)
			argp_error(state, "--output takes human or json");
		break;
	case ARGP_KEY_ARG:
		if (args->path)
			argp_error(state, "one file at a time");
		args->path = arg;
		break;
	case ARGP_KEY_NO_ARGS: argp_error(state, "a file is needed"); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"FILE",
	"Says what a file is and which other files it refers to. Only its own headers are read: no "
	"other file is opened."
	"\vExit code: 0 it was found out, also that it is damaged, encrypted or of no format that "
	"is read; 1 the file cannot be read."
	"\n\nExample: tranship probe --output=json upload.vmdk",
	children,
	NULL,
	NULL
};

/* JSON takes UTF-8 only; a name that is none shows its bytes as \xNN. */
static json_t *json_text(const char *text)
{
	json_t *string = json_string(text);
	char *escaped, *to;

	if (string)
		return string;
	escaped = to = malloc(4 * strlen(text) + 1);
	if (!escaped)
		abort();
	for (; *text; text++)
		to += sprintf(to, (unsigned char)*text < 0x80 ? "%c" : "\\x%02x",
			      (unsigned char)*text);
	string = json_string(escaped);
	free(escaped);
	return string;
}

static json_t *json_text_or_null(const char *text)
{
	return text && *text ? json_text(text) : json_null();
}

static json_t *references(const struct tranship_probe_result *r)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < r->reference_count; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:o}", "role",
						tranship_role_name(r->references[i].role), "place",
						tranship_place_name(r->references[i].place), "path",
						json_text(r->references[i].path)));
	return list;
}

static json_t *members(const struct tranship_probe_result *r)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < r->member_count; i++)
		json_array_append_new(list,
				      json_pack("{s:o, s:I}", "name", json_text(r->members[i].name),
						"size", (json_int_t)r->members[i].size));
	return list;
}

static json_t *notes(const struct tranship_probe_result *r)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < r->note_count; i++)
		json_array_append_new(list, json_text(r->notes[i]));
	return list;
}

/* Every key is always there: null is "nothing to say". */
static void print_json(const struct tranship_probe_result *r, const char *path)
{
	json_t *root = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:o, s:o, s:b, s:o, s:o, s:b, s:o}",
		"filename", json_text(path), "format", json_text_or_null(r->format),
		"foreign-format", json_text_or_null(r->foreign), "kind", json_text_or_null(r->kind),
		"virtual-size",
		r->size_known ? json_integer((json_int_t)r->virtual_size) : json_null(),
		"encrypted", r->encrypted, "unclean", r->unclean, "needs-parent", r->needs_parent,
		"parent-identity", json_text_or_null(r->parent_id), "references", references(r),
		"ambiguous", r->ambiguous, "notes", notes(r), "reason",
		json_text_or_null(r->reason), "archive", r->archive, "members", members(r));

	json_dumpf(root, stdout, JSON_INDENT(4) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(root);
}

/* "label: text", where there is a text. */
static void print_line(const char *label, const char *text)
{
	if (!text || !*text)
		return;
	printf("%s: ", label);
	cli_print_text(text);
	putchar('\n');
}

static void print_human(const struct tranship_probe_result *r, const char *path)
{
	char size[32], label[60];
	size_t i;

	print_line("file", path);
	print_line("file format", r->format ? r->format : "none that is read");
	print_line("foreign format", r->foreign);
	print_line("kind", r->kind);
	if (r->size_known)
		printf("virtual size: %s (%" PRIu64 " bytes)\n",
		       cli_size_text(r->virtual_size, size), r->virtual_size);
	print_line("encrypted", r->encrypted ? "yes" : "no");
	print_line("unclean", r->unclean ? "yes" : "no");
	print_line("needs a parent", r->needs_parent ? "yes" : "no");
	print_line("identity of the parent", r->parent_id);
	for (i = 0; i < r->member_count; i++)
		print_line("member", r->members[i].name);
	for (i = 0; i < r->reference_count; i++) {
		snprintf(label, sizeof(label), "refers to (%s, %s)",
			 tranship_role_name(r->references[i].role),
			 tranship_place_name(r->references[i].place));
		print_line(label, r->references[i].path);
	}
	if (r->ambiguous)
		puts("ambiguous: yes");
	for (i = 0; i < r->note_count; i++)
		print_line("note", r->notes[i]);
	print_line("reason", r->reason);
}

int cmd_probe(int argc, char **argv)
{
	struct probe_args args = { .output = OUTPUT_HUMAN };
	struct tranship_open_options open = { 0 };
	struct tranship_probe_result *result;
	struct tranship_error err;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	open.format = args.source.format;
	open.options = args.source.options;
	open.member = args.source.member;
	open.flags = args.source.flags;
	if (tranship_probe(args.path, &open, &result, &err))
		cli_error("Could not probe '%s': %s", args.path, err.message);
	else if (args.output == OUTPUT_JSON)
		print_json(result, args.path);
	else
		print_human(result, args.path);
	cli_source_free(&args.source);
	tranship_probe_free(result);
	return result ? EXIT_OK : EXIT_ERROR;
}
