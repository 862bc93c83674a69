// SPDX-License-Identifier: Apache-2.0
/* tranship store: which verbs there are, and those that are about the store itself. */
#include "store.h"

#include "verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_verb list[] = {
	{ "init", store_init, "make a store in an empty place" },
	{ "list", store_list, "list its restore points" },
	{ "show", store_show, "say what a store, or one of its restore points, is" },
	{ "verify", store_verify, "check that all that it should have is there, and sound" },
	{ "prune", store_prune, "take restore points out of it by rules" },
	{ "gc", store_gc, "give back the space of what no restore point needs" },
	{ "copy", store_copy, "copy restore points to another store" },
	{ "tag", store_tag, "add tags to a restore point, or take some off" },
	{ "rekey", store_rekey, "give an encrypted store another passphrase or key file" },
};

static const struct cli_verbs verbs = {
	.command = "store",
	.usage = "STORE ...",
	.about = "Takes care of a store, which is a folder or s3://BUCKET/PREFIX.\n",
	.example = "store init --encrypt /backup",
	.at = list,
	.count = sizeof(list) / sizeof(list[0]),
};

int cmd_store(int argc, char **argv)
{
	return cli_run_verb(&verbs, argc, argv);
}

/* ---- Shared ---- */

void store_print_json(json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(4) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(json);
}

enum cli_output store_take_output(struct argp_state *state, const char *arg)
{
	enum cli_output output = cli_parse_output(arg);

	if (output == OUTPUT_UNKNOWN)
		argp_error(state, "--output takes human or json");
	return output;
}

void store_print_info(const struct tranship_store *store, const char *location,
		      enum cli_output output)
{
	struct tranship_store_info info;
	char slot[32];

	tranship_store_get_info(store, &info);
	if (output == OUTPUT_JSON) {
		store_print_json(json_pack("{s:o*, s:s, s:b, s:I, s:i, s:i}", "location",
					   json_string(location), "id", info.id, "encrypted",
					   info.encrypted, "slot-size", (json_int_t)info.slot_size,
					   "block-size", (int)info.block_size, "unit-size",
					   (int)info.unit_size));
		return;
	}
	printf("store: ");
	cli_print_text(location);
	printf("\nid: %s\nencrypted: %s\nslots: %s\n", info.id, info.encrypted ? "yes" : "no",
	       cli_size_text(info.slot_size, slot));
}

/* ---- init ---- */

enum { OPT_OUTPUT = 0x200, OPT_ENCRYPT, OPT_SLOT_SIZE, OPT_NEW_KEY_FILE, OPT_NEW_PASSPHRASE };

struct init_args {
	struct cli_store store;
	struct tranship_store_init_options init;
	enum cli_output output;
	const char *location;
};

static const struct argp_option init_options[] = {
	{ "encrypt", OPT_ENCRYPT, NULL, 0,
	  "Nobody can read it without the passphrase or the key file", 0 },
	{ "slot-size", OPT_SLOT_SIZE, "SIZE", 0,
	  "Of the objects that hold data, 1M to 256M "
	  "(default: 25M)",
	  0 },
	{ "output", OPT_OUTPUT, "human|json", 0, "How to print what was made", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_store_argp, 0, NULL, 0 }, { 0 } };

static error_t parse_init(int key, char *arg, struct argp_state *state)
{
	struct init_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->store; break;
	case OPT_ENCRYPT: args->init.encrypt = true; break;
	case OPT_SLOT_SIZE:
		args->init.slot_size = cli_parse_size(state, "slot size", arg);
		if (args->init.slot_size < 1U << 20 || args->init.slot_size > 256U << 20)
			argp_error(state, "slot size '%s' is not from 1M to 256M", arg);
		break;
	case OPT_OUTPUT: args->output = store_take_output(state, arg); break;
	case ARGP_KEY_ARG:
		if (args->location)
			argp_error(state, "one store at a time");
		args->location = arg;
		break;
	case ARGP_KEY_NO_ARGS: argp_error(state, "a place for the store is needed"); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp init_argp = {
	init_options,
	parse_init,
	"STORE",
	"Makes a store in an empty folder, one that is not there, or in S3."
	"\vA lost passphrase or key file cannot be replaced: nobody can read the store then."
	"\n\nExample: tranship store init --encrypt --key-file backup.key /backup",
	children,
	NULL,
	NULL
};

static int init(struct init_args *args)
{
	struct tranship_store *store;
	struct tranship_error err;

	if (cli_store_secret(&args->store))
		return EXIT_ERROR;
	if (args->init.encrypt && !args->store.open.key_file && !args->store.open.passphrase) {
		args->store.passphrase = cli_new_passphrase(NULL);
		if (!args->store.passphrase)
			return EXIT_ERROR;
		args->store.open.passphrase = args->store.passphrase;
	}
	args->init.open = args->store.open;
	if (tranship_store_init(args->location, &args->init, &err) ||
	    tranship_store_open(args->location, &args->store.open, &store, &err)) {
		cli_report(NULL, &err);
		return EXIT_ERROR;
	}
	store_print_info(store, args->location, args->output);
	tranship_store_close(store);
	return EXIT_OK;
}

int store_init(int argc, char **argv)
{
	struct init_args args = { .output = OUTPUT_HUMAN };
	int code;

	cli_store_init(&args.store);
	argp_parse(&init_argp, argc, argv, 0, NULL, &args);
	code = init(&args);
	cli_store_free(&args.store);
	return code;
}

/* ---- rekey ---- */

struct rekey_args {
	struct cli_store store;
	const char *location;
	const char *key_file, *passphrase_file; /* the new ones */
};

static const struct argp_option rekey_options[] = {
	{ "new-key-file", OPT_NEW_KEY_FILE, "FILE", 0, "What unlocks it from now on", 0 },
	{ "new-passphrase-file", OPT_NEW_PASSPHRASE, "FILE", 0,
	  "Or: its new passphrase is the first line of this file (default: asked for on a "
	  "terminal)",
	  0 },
	{ 0 },
};

static error_t parse_rekey(int key, char *arg, struct argp_state *state)
{
	struct rekey_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->store; break;
	case OPT_NEW_KEY_FILE: args->key_file = arg; break;
	case OPT_NEW_PASSPHRASE: args->passphrase_file = arg; break;
	case ARGP_KEY_ARG:
		if (args->location)
			argp_error(state, "one store at a time");
		args->location = arg;
		break;
	case ARGP_KEY_NO_ARGS: argp_error(state, "a store is needed"); break;
	case ARGP_KEY_END:
		if (args->key_file && args->passphrase_file)
			argp_error(state,
				   "one of --new-key-file and --new-passphrase-file is taken");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp rekey_argp = {
	rekey_options,
	parse_rekey,
	"STORE",
	"Gives an encrypted store another passphrase or key file."
	"\vWhat is stored stays as it is: the key of the data is the same, and is only locked "
	"anew. Whoever once had that key, or has a copy of store.json and the old passphrase, can "
	"still read the store."
	"\n\nExample: tranship store rekey --new-key-file new.key /backup",
	children,
	NULL,
	NULL
};

static int rekey(struct rekey_args *args)
{
	struct tranship_store *store = cli_store_open(&args->store, args->location);
	struct tranship_store_info info;
	struct tranship_error err;
	char *passphrase = NULL;
	int rc = -1;

	if (!store)
		return EXIT_ERROR;
	tranship_store_get_info(store, &info);
	if (!args->key_file && info.encrypted)
		passphrase = cli_new_passphrase(args->passphrase_file);
	if (args->key_file || passphrase || !info.encrypted) {
		rc = tranship_store_rekey(store, passphrase, args->key_file, &err);
		if (rc)
			cli_report(NULL, &err);
	}
	if (rc == 0)
		cli_error("note: the key of the data is the same as before; who had it, has it");
	cli_wipe(passphrase);
	tranship_store_close(store);
	return rc ? EXIT_ERROR : EXIT_OK;
}

int store_rekey(int argc, char **argv)
{
	struct rekey_args args = { .location = NULL };
	int code;

	cli_store_init(&args.store);
	argp_parse(&rekey_argp, argc, argv, 0, NULL, &args);
	code = rekey(&args);
	cli_store_free(&args.store);
	return code;
}
