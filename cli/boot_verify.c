// SPDX-License-Identifier: Apache-2.0
/* tranship boot verify: whether a disk would start under BIOS. */
#include "boot.h"

#include "boot_options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPT_OUTPUT = 0x200 };

struct verify_args {
	struct cli_source source;
	enum cli_output output;
	const char *path;
	json_t *faults, *remarks; /* with --output=json */
};

static const struct argp_option options[] = {
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print what was found", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct verify_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case OPT_OUTPUT:
		args->output = cli_parse_output(arg);
		if (args->output == OUTPUT_UNKNOWN)
			argp_error(state, "--output takes human or json");
		break;
	case ARGP_KEY_ARG:
		if (args->path)
			argp_error(state, "one disk at a time");
		args->path = arg;
		break;
	case ARGP_KEY_NO_ARGS: argp_error(state, "a disk is needed"); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"DISK",
	"Says whether a disk would start under BIOS: its tables, the active flag, the boot code, "
	"and "
	"the files that it loads."
	"\vExit codes: 0 no fault was found, 1 there are faults, or it could not be looked at."
	"\n\nExample: tranship boot verify disk.raw",
	children,
	NULL,
	NULL
};

static void tell(void *ctx, bool fault, const char *finding)
{
	struct verify_args *args = ctx;

	if (args->output == OUTPUT_JSON)
		json_array_append_new(fault ? args->faults : args->remarks, json_string(finding));
	else if (fault || !args->source.quiet)
		printf("%s: %s\n", fault ? "fault" : "remark", finding);
}

static const char *table_word(enum tranship_table table)
{
	switch (table) {
	case TRANSHIP_TABLE_MBR: return "mbr";
	case TRANSHIP_TABLE_GPT: return "gpt";
	case TRANSHIP_TABLE_HYBRID: return "hybrid";
	case TRANSHIP_TABLE_NONE: break;
	}
	return "none";
}

static void print_json(struct verify_args *args, const struct tranship_boot_verdict *verdict)
{
	json_t *root =
		json_pack("{s:b, s:s, s:s, s:O, s:O}", "starts", verdict->faults == 0, "table",
			  table_word(verdict->table), "os", cli_boot_os_word(verdict->os), "faults",
			  args->faults, "remarks", args->remarks);

	if (!root)
		abort();
	json_dumpf(root, stdout, JSON_INDENT(4));
	putchar('\n');
	json_decref(root);
}

static int verify(struct verify_args *args)
{
	struct tranship_disk *disk = cli_open(&args->source, args->path, NULL);
	struct tranship_boot_verdict verdict = { 0 };
	struct tranship_error err;
	int code = EXIT_ERROR;

	if (!disk)
		return EXIT_ERROR;
	args->faults = json_array();
	args->remarks = json_array();
	if (tranship_boot_verify(disk, tell, args, &verdict, &err)) {
		cli_report(args->path, &err);
	} else {
		if (args->output == OUTPUT_JSON)
			print_json(args, &verdict);
		else if (verdict.faults > 0)
			printf("%" PRIu32 " faults: the disk would not start under BIOS\n",
			       verdict.faults);
		else if (!args->source.quiet)
			puts("No fault was found: the disk should start under BIOS.");
		code = verdict.faults > 0 ? EXIT_ERROR : EXIT_OK;
	}
	json_decref(args->faults);
	json_decref(args->remarks);
	tranship_disk_close(disk);
	return code;
}

int boot_verify(int argc, char **argv)
{
	struct verify_args args = { .output = OUTPUT_HUMAN };
	char *spool = cli_spool_folder(NULL);
	int code;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	args.source.spool = spool;
	code = verify(&args);
	cli_source_free(&args.source);
	free(spool);
	return code;
}
