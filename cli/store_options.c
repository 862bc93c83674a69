// SPDX-License-Identifier: Apache-2.0
#include "store_options.h"

#include "passphrase.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_KEY_FILE = 0x300,
	OPT_PASSPHRASE_FILE,
	OPT_CACHE,
	OPT_ENDPOINT,
	OPT_REGION,
	OPT_PROFILE,
	OPT_INSTANCE,
	OPT_VIRTUAL_HOST,
	OPT_CA_FILE,
	OPT_PROXY,
	OPT_RETRIES,
	OPT_TIMEOUT,
};

static const struct argp_option store_options[] = {
	{ NULL, 0, NULL, 0, "Options for every store:", 20 },
	{ "key-file", OPT_KEY_FILE, "FILE", 0,
	  "What unlocks an encrypted store (default: $TRANSHIP_KEY_FILE)", 20 },
	{ "passphrase-file", OPT_PASSPHRASE_FILE, "FILE", 0,
	  "Its passphrase is the first line of this file (default: $TRANSHIP_PASSPHRASE, or asked "
	  "for on a terminal)",
	  20 },
	{ "cache", OPT_CACHE, "FOLDER", 0,
	  "For what can be built again; '' for none (default: tranship in $XDG_CACHE_HOME or "
	  "~/.cache)",
	  20 },
	{ NULL, 0, NULL, 0, "Options for stores in S3 (s3://BUCKET/PREFIX):", 21 },
	{ "endpoint", OPT_ENDPOINT, "URL", 0, "The server (default: $AWS_ENDPOINT_URL, or Amazon)",
	  21 },
	{ "region", OPT_REGION, "REGION", 0, "Its region (default: $AWS_REGION)", 21 },
	{ "profile", OPT_PROFILE, "NAME", 0, "Whose credentials of ~/.aws (default: $AWS_PROFILE)",
	  21 },
	{ "instance-credentials", OPT_INSTANCE, NULL, 0,
	  "Ask the instance's metadata service for credentials", 21 },
	{ "virtual-host", OPT_VIRTUAL_HOST, NULL, 0, "The bucket is part of the server's name",
	  21 },
	{ "ca-file", OPT_CA_FILE, "FILE", 0, "Certificates to trust instead of the system's", 21 },
	{ "proxy", OPT_PROXY, "URL", 0, "Reach it by this proxy", 21 },
	{ "retries", OPT_RETRIES, "N", 0, "Of a request (default: 8)", 21 },
	{ "timeout", OPT_TIMEOUT, "SECONDS", 0, "Without a byte moving (default: 60)", 21 },
	{ 0 },
};

static unsigned take_count(struct argp_state *state, const char *what, const char *arg)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(arg, &end, 10);
	if (errno || *arg < '0' || *arg > '9' || *end || v < 1 || v > 100000)
		argp_error(state, "%s '%s' is no number from 1 to 100000", what, arg);
	return (unsigned)v;
}

static error_t parse_store(int key, char *arg, struct argp_state *state)
{
	struct cli_store *s = state->input;

	switch (key) {
	case OPT_KEY_FILE: s->key_file = arg; break;
	case OPT_PASSPHRASE_FILE: s->passphrase_file = arg; break;
	case OPT_CACHE: s->open.cache = arg; break;
	case OPT_ENDPOINT: s->open.s3.endpoint = arg; break;
	case OPT_REGION: s->open.s3.region = arg; break;
	case OPT_PROFILE: s->open.s3.profile = arg; break;
	case OPT_INSTANCE: s->open.s3.instance = true; break;
	case OPT_VIRTUAL_HOST: s->open.s3.virtual_host = true; break;
	case OPT_CA_FILE: s->open.s3.ca_file = arg; break;
	case OPT_PROXY: s->open.s3.proxy = arg; break;
	case OPT_RETRIES: s->open.s3.retries = take_count(state, "--retries", arg); break;
	case OPT_TIMEOUT: s->open.s3.timeout = take_count(state, "--timeout", arg); break;
	case ARGP_KEY_END:
		if (s->key_file && s->passphrase_file)
			argp_error(state, "one of --key-file and --passphrase-file is taken");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

const struct argp cli_store_argp = { .options = store_options, .parser = parse_store };

void cli_wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

static const char *ask(void *ctx)
{
	struct cli_store *s = ctx;

	if (!s->passphrase)
		s->passphrase = passphrase_ask("Passphrase of the store: ");
	return s->passphrase;
}

void cli_store_init(struct cli_store *s)
{
	*s = (struct cli_store){ .open = { .warn = cli_warn } };
}

void cli_store_free(struct cli_store *s)
{
	cli_wipe(s->passphrase);
	s->passphrase = NULL;
}

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

void cli_store_files(const struct cli_store *s, struct named_file *out)
{
	const struct named_file files[CLI_STORE_FILES] = {
		{ "--key-file", s->key_file, false },
		{ "--passphrase-file", s->passphrase_file, false },
		{ "TRANSHIP_KEY_FILE", environment("TRANSHIP_KEY_FILE"), false },
		{ "--ca-file", s->open.s3.ca_file, false },
	};

	memcpy(out, files, sizeof(files));
}

int cli_store_secret(struct cli_store *s)
{
	s->open.key_file = s->key_file;
	s->open.passphrase = NULL;
	if (s->key_file || s->plain)
		return 0;
	if (s->passphrase_file) {
		cli_wipe(s->passphrase);
		s->passphrase = passphrase_read(s->passphrase_file);
		s->open.passphrase = s->passphrase;
		return s->passphrase ? 0 : -1;
	}
	s->open.key_file = environment("TRANSHIP_KEY_FILE");
	s->open.passphrase = environment("TRANSHIP_PASSPHRASE");
	return 0;
}

int cli_store_reach(struct cli_store *s, const char *location, struct tranship_store **out,
		    struct tranship_error *err)
{
	*out = NULL;
	s->open.ask = ask;
	s->open.ask_ctx = s;
	if (cli_store_secret(s)) {
		*err = (struct tranship_error){ .code = TRANSHIP_EDENIED,
						.message = "the passphrase could not be read" };
		return err->code;
	}
	return tranship_store_open(location, &s->open, out, err);
}

struct tranship_store *cli_store_open(struct cli_store *s, const char *location)
{
	struct tranship_store *store;
	struct tranship_error err;

	if (cli_store_reach(s, location, &store, &err))
		cli_report(NULL, &err);
	return store;
}

char *cli_new_passphrase(const char *file)
{
	char *first, *second;

	if (file)
		return passphrase_read(file);
	first = passphrase_ask("New passphrase: ");
	second = first ? passphrase_ask("The same again: ") : NULL;
	if (first && second && *first && strcmp(first, second) == 0) {
		cli_wipe(second);
		return first;
	}
	cli_error(!second  ? "a passphrase is needed, and there is no terminal to ask for one"
		  : *first ? "the two passphrases are not the same"
			   : "the passphrase is empty");
	cli_wipe(first);
	cli_wipe(second);
	return NULL;
}
