// SPDX-License-Identifier: Apache-2.0
/* tranship boot plan: what stands on a disk, what would change, or why nothing can. */
#include "boot.h"

#include "boot_options.h"
#include "info_layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPT_OUTPUT = 0x200, OPT_TO };

struct plan_args {
	struct cli_source source;
	struct cli_boot boot;
	enum cli_output output;
	const char *path;
};

static const struct argp_option options[] = {
	{ "to", OPT_TO, "TARGET", 0,
	  "bios-mbr: the GPT becomes an MBR; bios-gpt: the GPT stays (default: Windows bios-mbr, "
	  "Linux bios-gpt)",
	  0 },
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print it", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_boot_how_argp, 0, NULL, 1 },
					      { &cli_source_argp, 0, NULL, 0 },
					      { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct plan_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->boot;
		state->child_inputs[1] = &args->source;
		break;
	case OPT_TO:
		if (!cli_boot_target(&args->boot, arg))
			argp_error(state, "--to takes bios-mbr or bios-gpt, not '%s'", arg);
		break;
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
	"Says what makes a disk that starts by UEFI start under BIOS, extent by extent, or why "
	"nothing can. Nothing is written."
	"\vPlans for Windows are experimental. Exit codes: 0 there is a plan, 8 it is refused, 1 "
	"anything else. What --output=json prints is what 'tranship boot dirty' compares."
	"\n\nExample: tranship boot plan --to bios-mbr disk.vhdx",
	children,
	NULL,
	NULL
};

static void print_extents(const struct tranship_boot_plan *plan)
{
	struct tranship_boot_extent e;
	uint64_t bytes = 0;
	uint32_t i, count = tranship_boot_plan_count(plan);
	char size[32];

	if (count == 0) {
		printf("nothing is replaced: the disk starts under BIOS as it is\n");
		return;
	}
	printf("what is replaced:\n  %14s %10s  %s\n", "Offset", "Length", "Why");
	for (i = 0; i < count; i++) {
		if (tranship_boot_plan_extent(plan, i, &e))
			continue;
		printf("  %14" PRIu64 " %10" PRIu64 "  ", e.off, e.len);
		cli_print_text(e.reason);
		putchar('\n');
		bytes += e.len;
	}
	printf("%s (%" PRIu64 " bytes) in %" PRIu32 " extents\n", cli_size_text(bytes, size), bytes,
	       count);
}

static void print_human(const struct plan_args *args, const struct tranship_boot_plan *plan)
{
	const struct tranship_layout *layout = tranship_boot_plan_layout(plan);
	const char *text;
	uint32_t i;

	printf("disk: ");
	cli_print_text(args->path);
	putchar('\n');
	if (layout)
		info_layout_print_tables(layout);
	for (i = 0; (text = tranship_boot_plan_note(plan, i)); i++)
		printf("note: %s\n", text);
	if (tranship_boot_plan_refusal(plan, 0)) {
		for (i = 0; (text = tranship_boot_plan_refusal(plan, i)); i++)
			printf("refused: %s\n", text);
		return;
	}
	printf("target: %s", cli_boot_target_word(tranship_boot_plan_target(plan)));
	if (tranship_boot_plan_os(plan) != TRANSHIP_OS_ANY)
		printf(", for %s", tranship_boot_plan_os(plan) == TRANSHIP_OS_WINDOWS
					   ? "Windows (experimental)"
					   : "Linux");
	putchar('\n');
	print_extents(plan);
	printf("digest: %s\n", tranship_boot_plan_digest(plan));
}

static int print_json(const struct tranship_boot_plan *plan)
{
	struct tranship_error err;
	char *text;

	if (tranship_boot_plan_json(plan, &text, &err)) {
		cli_report(NULL, &err);
		return EXIT_ERROR;
	}
	puts(text);
	free(text);
	return EXIT_OK;
}

static int plan_disk(const struct plan_args *args)
{
	struct tranship_disk *disk = cli_open(&args->source, args->path, NULL);
	struct tranship_boot_plan *plan = NULL;
	struct tranship_error err;
	int code = EXIT_OK;

	if (!disk)
		return EXIT_ERROR;
	if (cli_boot_plan(&args->boot, disk, &plan, &err)) {
		cli_report(args->path, &err);
		code = EXIT_ERROR;
	} else if (args->output == OUTPUT_JSON) {
		code = print_json(plan);
	} else {
		print_human(args, plan);
	}
	if (code == EXIT_OK && tranship_boot_plan_refusal(plan, 0))
		code = EXIT_REFUSED;
	tranship_boot_plan_free(plan);
	tranship_disk_close(disk);
	return code;
}

int boot_plan(int argc, char **argv)
{
	struct plan_args args = { .output = OUTPUT_HUMAN };
	char *spool = cli_spool_folder(NULL);
	int code;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	args.source.spool = spool;
	code = plan_disk(&args);
	cli_source_free(&args.source);
	free(spool);
	return code;
}
