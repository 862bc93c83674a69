// SPDX-License-Identifier: Apache-2.0
/* tranship boot: which verbs there are, and the one that compares two plans. */
#include "boot.h"

#include "places.h"
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_verb list[] = {
	{ "plan", boot_plan,
	  "say what would make a UEFI disk start under BIOS, or why nothing can" },
	{ "verify", boot_verify, "say whether a disk would start under BIOS" },
	{ "dirty", boot_dirty, "list the ranges in which a disk differs under two plans" },
};

static const struct cli_verbs verbs = {
	.command = "boot",
	.usage = "...",
	.about = "A disk that starts by UEFI is made to start under BIOS by a plan: sectors that "
		 "are\n"
		 "replaced while it is read. convert, diff, fingerprint and replicate take "
		 "--boot.\n",
	.example = "boot plan disk.vhdx",
	.at = list,
	.count = sizeof(list) / sizeof(list[0]),
};

int cmd_boot(int argc, char **argv)
{
	return cli_run_verb(&verbs, argc, argv);
}

/* ---- dirty ---- */

struct dirty_args {
	const char *old, *new;
	const char *out;
	const char *base_id, *target_id;
};

enum { OPT_BASE_ID = 0x200, OPT_TARGET_ID };

static const struct argp_option dirty_options[] = {
	{ "out", 'o', "LIST", 0, "Write the list here (default: '-', standard output)", 0 },
	{ "base-id", OPT_BASE_ID, "ID", 0, "Which version of the disk OLDPLAN is of", 0 },
	{ "target-id", OPT_TARGET_ID, "ID", 0, "Which version NEWPLAN is of", 0 },
	{ 0 },
};

static error_t parse_dirty(int key, char *arg, struct argp_state *state)
{
	struct dirty_args *args = state->input;

	switch (key) {
	case 'o': args->out = arg; break;
	case OPT_BASE_ID: args->base_id = arg; break;
	case OPT_TARGET_ID: args->target_id = arg; break;
	case ARGP_KEY_ARG:
		if (!args->old)
			args->old = arg;
		else if (!args->new)
			args->new = arg;
		else
			argp_error(state, "an old and a new plan are taken");
		break;
	case ARGP_KEY_END:
		if (!args->new)
			argp_error(state, "an old and a new plan are needed");
		if (strcmp(args->old, "none") == 0 && strcmp(args->new, "none") == 0)
			argp_error(state, "one of the two is a plan");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp dirty_argp = {
	dirty_options,
	parse_dirty,
	"OLDPLAN NEWPLAN",
	"Lists the ranges in which a disk differs under two plans, as 'tranship boot plan "
	"--output=json' printed them; 'none' stands for a disk without a plan."
	"\vThe list is what 'tranship changes --union' adds to the changes of the disk itself; ids "
	"that both lists have stay. replicate --boot and diff --boot --old-plan do that by "
	"themselves."
	"\n\nExample: tranship boot dirty monday.plan tuesday.plan -o boot.json",
	NULL,
	NULL,
	NULL
};

/* 0, or -1 with a message. *out is NULL where there is none. */
static int load(const char *path, struct tranship_boot_plan **out)
{
	struct tranship_error err;

	*out = NULL;
	if (strcmp(path, "none") == 0 || tranship_boot_plan_load(path, out, &err) == 0)
		return 0;
	cli_report(NULL, &err);
	return -1;
}

static int dirty(const struct dirty_args *args)
{
	const struct named_file files[] = {
		{ "-o", args->out, true },
		{ "OLDPLAN", args->old, false },
		{ "NEWPLAN", args->new, false },
	};
	struct tranship_boot_plan *old = NULL, *new = NULL;
	struct tranship_changes *changes = NULL;
	struct tranship_error err;
	int rc = cli_check_places(files, sizeof(files) / sizeof(files[0]), NULL);

	if (rc == 0)
		rc = load(args->old, &old);
	if (rc == 0)
		rc = load(args->new, &new);
	if (rc == 0) {
		rc = tranship_boot_dirty(old, new, &changes, &err);
		if (rc == 0)
			rc = tranship_changes_set_ids(changes, args->base_id ? args->base_id : "",
						      args->target_id ? args->target_id : "", &err);
		if (rc == 0)
			rc = tranship_changes_save(changes, args->out, &err);
		if (rc)
			cli_report(NULL, &err);
	}
	tranship_changes_free(changes);
	tranship_boot_plan_free(old);
	tranship_boot_plan_free(new);
	return rc ? EXIT_ERROR : EXIT_OK;
}

int boot_dirty(int argc, char **argv)
{
	struct dirty_args args = { .out = "-" };

	argp_parse(&dirty_argp, argc, argv, 0, NULL, &args);
	return dirty(&args);
}
