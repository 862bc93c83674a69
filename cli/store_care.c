// SPDX-License-Identifier: Apache-2.0
/* tranship store verify, gc: whether all is well, and giving back what nothing needs. */
#include "duration.h"
#include "store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_OUTPUT = 0x200, OPT_READ_DATA, OPT_SUBSET, OPT_GRACE, OPT_DRY_RUN };

struct care_args {
	struct cli_store store;
	enum cli_output output;
	const char *location;
	bool progress, quiet;
	struct tranship_store_verify_options verify;
	struct tranship_gc_options gc;
	json_t *findings;
};

static const struct argp_child children[] = { { &cli_store_argp, 0, NULL, 0 }, { 0 } };

/* "2%", "2.5%", or 0.02. */
static double take_share(struct argp_state *state, const char *arg)
{
	char *end;
	double share = strtod(arg, &end);

	if (end != arg && strcmp(end, "%") == 0) {
		share /= 100;
		end++;
	}
	if (end == arg || *end || !(share > 0 && share <= 1))
		argp_error(state, "--read-data-subset takes a share like 5%%, not '%s'", arg);
	return share;
}

static void take_grace(struct care_args *args, struct argp_state *state, const char *arg)
{
	/* A number alone is seconds elsewhere; who means hours would here lose what others write.
	 */
	bool bare =
		*arg && strspn(arg, "0123456789") == strlen(arg) && strspn(arg, "0") < strlen(arg);

	if (bare || cli_duration(arg, &args->gc.grace))
		argp_error(state, "--grace takes a time like 72h, 30m, 90s or 3d, or 0; not '%s'",
			   arg);
	args->gc.no_grace = args->gc.grace == 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct care_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->store; break;
	case OPT_OUTPUT: args->output = store_take_output(state, arg); break;
	case OPT_READ_DATA: args->verify.read_data = true; break;
	case OPT_SUBSET:
		args->verify.read_data = true;
		args->verify.subset = take_share(state, arg);
		break;
	case OPT_GRACE: take_grace(args, state, arg); break;
	case OPT_DRY_RUN: args->gc.dry_run = true; break;
	case 'm': args->verify.threads = cli_parse_threads(state, arg); break;
	case 'p': args->progress = true; break;
	case 'q': args->quiet = true; break;
	case ARGP_KEY_ARG:
		if (args->location)
			argp_error(state, "one store at a time");
		args->location = arg;
		break;
	case ARGP_KEY_NO_ARGS: argp_error(state, "a store is needed"); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int run(const struct argp *argp, int argc, char **argv,
	       int (*work)(struct care_args *args, struct tranship_store *store))
{
	struct care_args args = { .output = OUTPUT_HUMAN };
	struct tranship_store *store;
	int code = EXIT_ERROR;

	cli_store_init(&args.store);
	argp_parse(argp, argc, argv, 0, NULL, &args);
	store = cli_store_open(&args.store, args.location);
	cli_catch_signals();
	if (store)
		code = work(&args, store);
	tranship_store_close(store);
	cli_store_free(&args.store);
	return code;
}

/* ---- verify ---- */

static const struct argp_option verify_options[] = {
	{ "read-data", OPT_READ_DATA, NULL, 0, "Read and check the content of all slots, too", 0 },
	{ "read-data-subset", OPT_SUBSET, "N%", 0,
	  "The same of this share of them, others each time", 0 },
	{ "threads", 'm', "N", 0, "That read (default: one a CPU, at most 8)", 0 },
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print what was found", 0 },
	{ "progress", 'p', NULL, 0, "Show progress on a terminal", 0 },
	{ "quiet", 'q', NULL, 0, "Print nothing but errors", 0 },
	{ 0 },
};

static const struct argp verify_argp = {
	verify_options,
	parse,
	"STORE",
	"Checks a store: that each restore point's manifest and table can be read, that everything "
	"that they name is there, and with --read-data that it is what it was."
	"\vNothing is written. A finding names the slot that is missing or damaged, and the ranges "
	"of the restore points that it affects.\n\n"
	"Exit code: 0 sound, 1 it could not be checked, 2 errors."
	"\n\nExample: tranship store verify --read-data-subset 5% /backup",
	children,
	NULL,
	NULL
};

/* As of check. */
enum { EXIT_DAMAGED = 2 };

static void take_finding(void *ctx, enum tranship_finding_kind kind, const char *message)
{
	struct care_args *args = ctx;

	(void)kind;
	if (args->findings)
		json_array_append_new(args->findings, json_string(message));
	else
		fprintf(stderr, "ERROR: %s\n", message);
}

static void print_verified(struct care_args *args,
			   const struct tranship_store_verify_result *result)
{
	char read[32];

	if (args->findings) {
		store_print_json(json_pack(
			"{s:I, s:I, s:I, s:I, s:O}", "points", (json_int_t)result->points, "slots",
			(json_int_t)result->slots, "read", (json_int_t)result->read, "errors",
			(json_int_t)result->errors, "findings", args->findings));
		return;
	}
	if (args->quiet)
		return;
	printf("%" PRIu64 " restore points that name %" PRIu64 " slots", result->points,
	       result->slots);
	if (args->verify.read_data)
		printf(", of which %s were read", cli_size_text(result->read, read));
	if (result->errors)
		printf("; %" PRIu64 " errors\n", result->errors);
	else
		printf("; no errors\n");
}

static int verify(struct care_args *args, struct tranship_store *store)
{
	struct tranship_store_verify_result result;
	struct tranship_error err;
	struct cli_meter meter;
	int rc;

	if (args->output == OUTPUT_JSON)
		args->findings = json_array();
	cli_meter_init(&meter, args->progress && !args->quiet);
	args->verify.finding = take_finding;
	args->verify.finding_ctx = args;
	args->verify.progress = cli_progress;
	args->verify.progress_ctx = &meter;
	rc = tranship_store_verify(store, &args->verify, &result, &err);
	cli_meter_clear(&meter);
	if (rc)
		cli_report(NULL, &err);
	else
		print_verified(args, &result);
	json_decref(args->findings);
	return rc ? cli_exit_code(&err) : result.errors ? EXIT_DAMAGED : EXIT_OK;
}

int store_verify(int argc, char **argv)
{
	return run(&verify_argp, argc, argv, verify);
}

/* ---- gc ---- */

static const struct argp_option gc_options[] = {
	{ "grace", OPT_GRACE, "TIME", 0,
	  "Between the mark and the deletion: 72h (default), 30m, 3d; 0 only where nothing else "
	  "uses the store",
	  0 },
	{ "dry-run", OPT_DRY_RUN, NULL, 0, "Only say what would be done", 0 },
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print what was done", 0 },
	{ "quiet", 'q', NULL, 0, "Print nothing but errors", 0 },
	{ 0 },
};

static const struct argp gc_argp = {
	gc_options,
	parse,
	"STORE",
	"Marks slots that no restore point and no running writer names, and deletes those that "
	"were marked longer than the grace ago and still are not named."
	"\vSo it takes two runs to give back space: one that marks, and one after the grace. "
	"Runs of replicate and other runs of gc may go on meanwhile; all must use the same grace, "
	"which has to be longer than a run may be cut off from the store, and more than four times "
	"what listings of the store may lag."
	"\n\nExample: tranship store gc /backup",
	children,
	NULL,
	NULL
};

static void print_gc(const struct care_args *args, const struct tranship_gc_result *r)
{
	const char *would = args->gc.dry_run ? "would be " : "";
	char freed[32];

	if (args->output == OUTPUT_JSON) {
		store_print_json(json_pack(
			"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "slots",
			(json_int_t)r->slots, "named", (json_int_t)r->named, "marked",
			(json_int_t)r->marked, "unmarked", (json_int_t)r->unmarked, "waiting",
			(json_int_t)r->waiting, "deleted", (json_int_t)r->deleted, "freed",
			(json_int_t)r->freed_bytes, "points-deleted", (json_int_t)r->points_deleted,
			"dry-run", args->gc.dry_run));
		return;
	}
	if (args->quiet)
		return;
	printf("%" PRIu64 " slots, %" PRIu64 " of them named\n", r->slots, r->named);
	printf("%" PRIu64 " %smarked, %" PRIu64 " %sunmarked, %" PRIu64
	       " wait for the end of the grace\n",
	       r->marked, would, r->unmarked, would, r->waiting);
	printf("%" PRIu64 " %sdeleted: %s; %" PRIu64 " pruned restore points %sforgotten\n",
	       r->deleted, would, cli_size_text(r->freed_bytes, freed), r->points_deleted, would);
}

static int gc(struct care_args *args, struct tranship_store *store)
{
	struct tranship_gc_result result;
	struct tranship_error err;

	if (args->gc.no_grace && !args->quiet)
		cli_error("warning: with no grace what another program is writing into this store "
			  "now may be deleted");
	if (tranship_store_gc(store, &args->gc, &result, &err)) {
		cli_report(NULL, &err);
		return cli_exit_code(&err);
	}
	print_gc(args, &result);
	return EXIT_OK;
}

int store_gc(int argc, char **argv)
{
	return run(&gc_argp, argc, argv, gc);
}
