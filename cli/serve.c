// SPDX-License-Identifier: Apache-2.0
/*
 * `serve` makes the socket and hands it to nbdkit with our plugin, as systemd would: so the URI is
 * known at once, a client that comes early waits, any free port can be had, and the socket is ours
 * to remove.
 */
#include "cli.h"
#include "serve_run.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLUGIN "nbdkit-tranship-plugin.so"

struct serve_args {
	struct cli_source source;
	struct serve_where where;
	const char *path;
	const char *run; /* NULL: no command */
	const char *tls_certificates, *tls_psk;
	unsigned threads; /* 0: nbdkit's own number */
};

enum { OPT_UNIX = 0x200, OPT_PORT, OPT_IPADDR, OPT_RUN, OPT_TLS_CERTIFICATES, OPT_TLS_PSK };

static const struct argp_option options[] = {
	{ "unix", OPT_UNIX, "PATH", 0, "Listen on a Unix socket (default: one in a new folder)",
	  0 },
	{ "port", OPT_PORT, "N", 0, "Listen on this TCP port (0: any that is free)", 0 },
	{ "ipaddr", OPT_IPADDR, "ADDRESS", 0, "Of this address (default: 127.0.0.1)", 0 },
	{ "run", OPT_RUN, "COMMAND", 0,
	  "Run it by the shell, with $uri, $unixsocket and $port, and end with it", 0 },
	{ "tls-certificates", OPT_TLS_CERTIFICATES, "FOLDER", 0,
	  "Only with TLS: ca-cert.pem, server-cert.pem, server-key.pem", 0 },
	{ "tls-psk", OPT_TLS_PSK, "FILE", 0, "Only with TLS: the keys of users", 0 },
	{ NULL, 'm', "N", 0, "Threads for each client (default: 16)", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &cli_source_argp, 0, NULL, 0 }, { 0 } };

static void check_args(struct serve_args *args, struct argp_state *state)
{
	if (args->where.unix_path && (args->where.port || args->where.address))
		argp_error(state, "--unix and --port are two places");
	if (args->source.image_opts)
		argp_error(state, "--image-opts cannot be used here");
	if (args->path && strcmp(args->path, "-") == 0)
		argp_error(state, "standard input cannot be served");
	args->where.tls = args->tls_certificates || args->tls_psk;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct serve_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &args->source; break;
	case OPT_UNIX: args->where.unix_path = arg; break;
	case OPT_PORT: args->where.port = arg; break;
	case OPT_IPADDR: args->where.address = arg; break;
	case OPT_RUN: args->run = arg; break;
	case OPT_TLS_CERTIFICATES: args->tls_certificates = arg; break;
	case OPT_TLS_PSK: args->tls_psk = arg; break;
	case 'm': args->threads = cli_parse_threads(state, arg); break;
	case ARGP_KEY_ARG:
		if (args->path)
			argp_error(state, "one disk at a time");
		args->path = arg;
		break;
	case ARGP_KEY_NO_ARGS: argp_error(state, "a disk is needed"); break;
	case ARGP_KEY_END: check_args(args, state); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"DISK",
	"Lets other programs read a disk over NBD, until it is interrupted."
	"\vAny disk that can be read: an image, a chain, a delta over its base, the export of "
	"another "
	"server. It cannot be written to. Who can connect can read it: without TLS keep to Unix "
	"sockets and the loopback. nbdkit is needed."
	"\n\nExample: tranship serve disk.vmdk --run 'qemu-img info \"$uri\"'",
	children,
	NULL,
	NULL
};

/* nbdkit's command line, grown as it is made. */
struct words {
	char **at;
	size_t count;
};

static void add_word(struct words *words, const char *key, const char *value)
{
	char **at = realloc(words->at, (words->count + 2) * sizeof(*at));

	if (!at || asprintf(&at[words->count], "%s%s", key, value) < 0)
		abort();
	words->at = at;
	at[++words->count] = NULL;
}

static void add_if(struct words *words, const char *key, const char *value)
{
	if (value)
		add_word(words, key, value);
}

static void free_words(struct words *words)
{
	while (words->count > 0)
		free(words->at[--words->count]);
	free(words->at);
}

static void add_disk(struct words *words, const struct serve_args *args)
{
	static const char *const policies[] = { "none", "beside", NULL, "anywhere" };
	const struct cli_source *source = &args->source;
	size_t i;

	add_word(words, "file=", args->path);
	add_if(words, "format=", source->format);
	add_if(words, "options=", source->options);
	add_if(words, "member=", source->member);
	for (i = 0; i < source->parent_count; i++)
		add_word(words, "parent=", source->parents[i]);
	add_if(words, "other-files=", policies[source->policy.kind]);
	if (source->policy.kind == TRANSHIP_POLICY_LISTED)
		for (i = 0; i < source->policy.folder_count; i++)
			add_word(words, "other-files=", source->policy.folders[i]);
	if (source->flags & TRANSHIP_OPEN_FORCE_SHARE)
		add_word(words, "force-share=", "true");
	if (source->flags & TRANSHIP_OPEN_FORCE_CHECKSUM)
		add_word(words, "force-checksum=", "true");
	if (source->flags & TRANSHIP_OPEN_STRICT)
		add_word(words, "strict=", "true");
	if (source->flags & TRANSHIP_OPEN_LAYER)
		add_word(words, "layer=", "true");
}

static void make_words(struct words *words, const struct serve_args *args, const char *plugin)
{
	char threads[20];

	add_word(words, "nbdkit", "");
	add_word(words, "--exit-with-parent", "");
	add_word(words, "--readonly", "");
	if (args->threads) {
		snprintf(threads, sizeof(threads), "%u", args->threads);
		add_word(words, "--threads=", threads);
	}
	if (args->where.tls)
		add_word(words, "--tls=", "require");
	add_if(words, "--tls-certificates=", args->tls_certificates);
	add_if(words, "--tls-psk=", args->tls_psk);
	add_word(words, plugin, "");
	add_disk(words, args);
}

/* Beside this program, as it was built or as it was installed. */
static char *find_plugin(void)
{
	static const char *const places[] = { "../nbdkit/" PLUGIN,
					      "../" TRANSHIP_LIBDIR "/nbdkit/plugins/" PLUGIN };
	char self[PATH_MAX], *path;
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t i;

	self[len > 0 ? len : 0] = '\0';
	if (strrchr(self, '/'))
		strrchr(self, '/')[1] = '\0';
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (asprintf(&path, "%s%s", self, places[i]) < 0)
			abort();
		if (access(path, R_OK) == 0)
			return path;
		free(path);
	}
	cli_error("the plugin for nbdkit (" PLUGIN ") is not installed");
	return NULL;
}

/* What is wrong with the disk is said here, in this program's words, before a server is there. */
static bool opens(const struct serve_args *args)
{
	struct tranship_disk *disk = cli_open(&args->source, args->path, NULL);
	bool ok = disk && tranship_disk_is_complete(disk) && !tranship_disk_is_forward(disk);

	if (disk && !ok)
		cli_error("'%s': a disk that comes through a pipe cannot be served", args->path);
	tranship_disk_close(disk);
	return ok;
}

int cmd_serve(int argc, char **argv)
{
	struct serve_args args = { 0 };
	struct serve_socket where = { .fd = -1 };
	struct words words = { 0 };
	char *plugin = NULL;
	int code = EXIT_ERROR;

	cli_source_init(&args.source);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (opens(&args))
		plugin = find_plugin();
	if (plugin && serve_socket_open(&args.where, &where) == 0) {
		make_words(&words, &args, plugin);
		code = serve_run(words.at, &where, args.run);
	}
	serve_socket_close(&where);
	free_words(&words);
	free(plugin);
	cli_source_free(&args.source);
	return code;
}
