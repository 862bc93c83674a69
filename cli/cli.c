// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <libgen.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *cli_name = "tranship";

static volatile sig_atomic_t caught;

void cli_error(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", cli_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void cli_warn(void *ctx, const char *message)
{
	const char *file = ctx;

	if (file)
		cli_error("warning: '%s': %s", file, message);
	else
		cli_error("warning: %s", message);
}

void cli_report(const char *file, const struct tranship_error *err)
{
	if (file)
		cli_error("'%s': %s", file, err->message);
	else
		cli_error("%s", err->message);
}

enum {
	OPT_IMAGE_OPTION = 0x100,
	OPT_MEMBER,
	OPT_OTHER_FILES,
	OPT_PROBE,
	OPT_FORCE_CHECKSUM,
	OPT_PARENT,
	OPT_IMAGE_OPTS,
	OPT_JOURNAL,
};

static const struct argp_option source_options[] = {
	{ NULL, 0, NULL, 0, "Options for every image that is read:", 10 },
	{ NULL, 'f', "FORMAT", 0, "Format of the image (default: found out by looking)", 10 },
	{ "force-share", 'U', NULL, 0, "Read it although another program is writing it", 10 },
	{ "image-option", OPT_IMAGE_OPTION, "KEY=VALUE", 0,
	  "Option of the format (vpc: force_size_calc=chs; raw: size=, offset=)", 10 },
	{ "image-opts", OPT_IMAGE_OPTS, NULL, 0,
	  "The image is written as driver=FORMAT,file.filename=FILE and its format's options", 10 },
	{ "journal", OPT_JOURNAL, "FILE", 0,
	  "Where the journal of a block device that is changed in place is kept", 10 },
	{ "member", OPT_MEMBER, "NAME", 0, "The image is this member of a tar archive (OVA)", 10 },
	{ "other-files", OPT_OTHER_FILES, "POLICY", 0,
	  "Which other files it may lead to: none, beside (default), anywhere, or a folder "
	  "(repeatable)",
	  10 },
	{ "parent", OPT_PARENT, "FILE", 0,
	  "Where its parent is now, if that was moved (repeatable: the parent's parent)", 10 },
	{ "layer", 'u', NULL, 0, "Take this image alone: what its parents hold reads as zeros",
	  10 },
	{ "probe", OPT_PROBE, "strict", 0, "Refuse an image that refers to other files", 10 },
	{ "force-checksum", OPT_FORCE_CHECKSUM, NULL, 0,
	  "Go on where a checksum of its structure is wrong", 10 },
	{ "quiet", 'q', NULL, 0, "Print nothing but errors", 10 },
	{ 0 },
};

static void add_text(const char ***list, size_t *count, const char *text)
{
	*list = realloc(*list, (*count + 1) * sizeof(**list));
	if (!*list)
		abort();
	(*list)[(*count)++] = text;
}

void cli_source_folder(struct cli_source *source, const char *folder)
{
	add_text(&source->folders, &source->policy.folder_count, folder);
	source->policy.folders = source->folders;
	source->policy.kind = TRANSHIP_POLICY_LISTED;
}

void cli_source_parent(struct cli_source *source, const char *path)
{
	add_text(&source->parents, &source->parent_count, path);
}

bool cli_source_policy(struct cli_source *source, const char *word)
{
	static const struct {
		const char *word;
		enum tranship_policy_kind kind;
	} words[] = { { "none", TRANSHIP_POLICY_NONE },
		      { "beside", TRANSHIP_POLICY_BESIDE },
		      { "anywhere", TRANSHIP_POLICY_ANYWHERE } };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i].word) == 0) {
			source->policy.kind = words[i].kind;
			return true;
		}
	return false;
}

static error_t parse_source(int key, char *arg, struct argp_state *state)
{
	struct cli_source *source = state->input;

	switch (key) {
	case 'f': source->format = arg; break;
	case 'U': source->flags |= TRANSHIP_OPEN_FORCE_SHARE; break;
	case 'q': source->quiet = true; break;
	case OPT_IMAGE_OPTION: cli_join_options(&source->options, arg); break;
	case OPT_MEMBER: source->member = arg; break;
	case OPT_OTHER_FILES:
		if (!cli_source_policy(source, arg))
			cli_source_folder(source, arg);
		break;
	case OPT_PROBE:
		if (strcmp(arg, "strict") != 0)
			argp_error(state, "--probe takes 'strict'");
		source->flags |= TRANSHIP_OPEN_STRICT;
		break;
	case OPT_IMAGE_OPTS: source->image_opts = true; break;
	case OPT_JOURNAL: source->journal = arg; break;
	case OPT_PARENT: cli_source_parent(source, arg); break;
	case 'u': source->flags |= TRANSHIP_OPEN_LAYER | TRANSHIP_OPEN_ABSENT_IS_ZERO; break;
	case OPT_FORCE_CHECKSUM: source->flags |= TRANSHIP_OPEN_FORCE_CHECKSUM; break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

const struct argp cli_source_argp = { .options = source_options, .parser = parse_source };

void cli_source_init(struct cli_source *source)
{
	*source = (struct cli_source){ .policy = { .kind = TRANSHIP_POLICY_BESIDE } };
}

void cli_source_free(struct cli_source *source)
{
	free(source->options);
	free(source->folders);
	free(source->parents);
}

void cli_source_cache(struct cli_source *source, struct argp_state *state, const char *mode)
{
	if (strcmp(mode, "none") == 0 || strcmp(mode, "directsync") == 0)
		source->flags |= TRANSHIP_OPEN_DIRECT;
	else if (strcmp(mode, "writeback") != 0 && strcmp(mode, "unsafe") != 0 &&
		 strcmp(mode, "writethrough") != 0)
		argp_error(state, "cache mode '%s' is unknown", mode);
}

void cli_open_options(const struct cli_source *source, const char *path,
		      struct tranship_open_options *out)
{
	*out = (struct tranship_open_options){ .format = source->format,
					       .options = source->options,
					       .member = source->member,
					       .flags = source->flags,
					       .policy = &source->policy,
					       .parents = source->parents,
					       .parent_count = source->parent_count,
					       .journal = source->journal,
					       .spool_folder = source->spool,
					       .warn = source->quiet ? NULL : cli_warn,
					       .warn_ctx = (char *)path };
}

/* "driver=vpc,file.filename=disk.vhd,force_size_calc=chs": *path is the file in it. TRANSHIP_EINVAL
 * if there is none; what only qemu has is refused by the format. */
static int take_image_opts(char *text, struct tranship_open_options *options, char **own,
			   const char **path, struct tranship_error *err)
{
	char *option;

	*path = NULL;
	while ((option = strsep(&text, ","))) {
		char *value = strchr(option, '=');

		if (value &&
		    (strncmp(option, "driver=", 7) == 0 || strncmp(option, "format=", 7) == 0))
			options->format = value + 1;
		else if (value && (strncmp(option, "file.filename=", 14) == 0 ||
				   strncmp(option, "filename=", 9) == 0))
			*path = value + 1;
		else if (strcmp(option, "file.driver=file") != 0)
			cli_join_options(own, option);
	}
	options->options = *own;
	if (*path)
		return 0;
	*err = (struct tranship_error){ .code = TRANSHIP_EINVAL,
					.message = "--image-opts: file.filename is missing" };
	return err->code;
}

int cli_open_disk(const struct cli_source *source, const char *path, const char *format,
		  struct tranship_disk **out, struct tranship_error *err)
{
	struct tranship_open_options options;
	char *text = NULL, *own = NULL;
	const char *file = path;
	int rc = 0;

	*out = NULL;
	cli_open_options(source, path, &options);
	if (format)
		options.format = format;
	if (source->image_opts) {
		text = strdup(path);
		if (!text)
			abort();
		if (source->options)
			cli_join_options(&own, source->options);
		rc = take_image_opts(text, &options, &own, &file, err);
	}
	if (rc == 0)
		rc = tranship_open(file, &options, out, err);
	free(text);
	free(own);
	return rc;
}

struct tranship_disk *cli_open(const struct cli_source *source, const char *path,
			       const char *format)
{
	struct tranship_disk *disk;
	struct tranship_error err;

	if (cli_open_disk(source, path, format, &disk, &err))
		cli_error("Could not open '%s': %s", path, err.message);
	return disk;
}

/* Control characters: of ASCII, and U+0080 to U+009F, which are C2 80 to C2 9F. */
void cli_print_text(const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text, next = (unsigned char)text[1];
		bool c1 = c == 0xC2 && next >= 0x80 && next < 0xA0;

		putchar(c < 0x20 || c == 0x7F || c1 ? '?' : c);
		text += c1;
	}
}

enum cli_output cli_parse_output(const char *text)
{
	return strcmp(text, "json") == 0    ? OUTPUT_JSON
	       : strcmp(text, "human") == 0 ? OUTPUT_HUMAN
					    : OUTPUT_UNKNOWN;
}

void cli_join_options(char **list, const char *more)
{
	char *joined;

	if (asprintf(&joined, "%s%s%s", *list ? *list : "", *list ? "," : "", more) < 0)
		abort();
	free(*list);
	*list = joined;
}

uint64_t cli_parse_size(struct argp_state *state, const char *what, const char *text)
{
	uint64_t size = 0;

	if (tranship_parse_size(text, &size))
		argp_error(state, "%s '%s' is no size (a number with k, M, G, T, P or E)", what,
			   text);
	return size;
}

char *cli_spool_folder(const char *output)
{
	const char *tmp = getenv("TMPDIR");
	struct stat st;
	char *copy, *folder;

	if (!output || strcmp(output, "-") == 0 || (stat(output, &st) == 0 && !S_ISREG(st.st_mode)))
		return strdup(tmp && *tmp ? tmp : "/var/tmp");
	copy = strdup(output);
	folder = copy ? strdup(dirname(copy)) : NULL;
	free(copy);
	return folder;
}

unsigned cli_parse_threads(struct argp_state *state, const char *arg)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || n < 1 || n > 256)
		argp_error(state, "-m takes a number of threads from 1 to 256, not '%s'", arg);
	return (unsigned)n;
}

const char *cli_size_text(uint64_t bytes, char *text)
{
	static const char *const suffixes[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" };
	int exponent;

	/* The suffix under which the number shows at most three digits before the point. */
	frexp((double)bytes / (1000.0 / 1024.0), &exponent);
	exponent = exponent > 0 ? (exponent - 1) / 10 : 0;
	snprintf(text, 32, "%0.3g %sB", (double)bytes / (double)((uint64_t)1 << (10 * exponent)),
		 suffixes[exponent]);
	return text;
}

int cli_option_help(const char *format)
{
	const struct tranship_option_info *info;
	unsigned i;

	if (!tranship_format_can_write(format)) {
		cli_error("format '%s' is unknown or cannot be written", format);
		return EXIT_ERROR;
	}
	printf("Supported %s options:\n", format);
	for (i = 0; (info = tranship_format_option(format, i)); i++)
		printf("  %s=<%s> - %s\n", info->name, info->type, info->help);
	printf("  seed=<text> - hexadecimal seed for identifiers, instead of random ones\n");
	return EXIT_OK;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void cli_meter_init(struct cli_meter *meter, bool wanted)
{
	*meter = (struct cli_meter){ .show = wanted && isatty(STDERR_FILENO), .started = now() };
}

/* "copying 42.0 %, 1.5 GiB/s, 0:12 left" on one line, drawn over. */
int cli_progress(void *ctx, const struct tranship_progress *progress)
{
	struct cli_meter *meter = ctx;
	double elapsed = now() - meter->started;
	double share = progress->total ? (double)progress->done / (double)progress->total : 1;
	char rate[32];

	if (caught)
		return 1;
	if (!meter->show)
		return 0;
	cli_size_text(elapsed > 0 ? (uint64_t)((double)progress->data / elapsed) : 0, rate);
	fprintf(stderr, "\r%s %5.1f %%, %s/s", progress->phase, share * 100, rate);
	if (share > 0 && share < 1 && elapsed > 1) {
		unsigned left = (unsigned)(elapsed / share * (1 - share) + 0.5);

		fprintf(stderr, ", %u:%02u left", left / 60, left % 60);
	}
	fputs("\033[K", stderr);
	meter->drawn = true;
	return 0;
}

void cli_meter_clear(struct cli_meter *meter)
{
	if (meter->drawn)
		fputs("\r\033[K", stderr);
	meter->drawn = false;
}

static void on_signal(int sig)
{
	caught = sig;
}

void cli_catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction old;
	size_t i;

	/* What the caller ignores (nohup) stays ignored. */
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
}

bool cli_interrupted(void)
{
	return caught != 0;
}

int cli_exit_code(const struct tranship_error *err)
{
	return err->code == TRANSHIP_ECANCELED && caught ? 128 + caught : EXIT_ERROR;
}

int cli_flush(int code, int trouble)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	cli_error("writing to standard output failed: %m");
	return code == EXIT_OK ? trouble : code;
}
