/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands share: naming, messages, opening, progress, interruption. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "tranship/tranship.h"

#include <argp.h>
#include <jansson.h>

/* Exit codes. compare and check have more of their own, as in qemu-img. */
enum {
	EXIT_OK = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 2,
	EXIT_TROUBLE = 2, /* of compare */
	EXIT_NOTHING = 3, /* of replicate: nothing had changed, no point was made */
	EXIT_LOST =
		4, /* convert, restore and map with --salvage: all is there but for what was lost */
	EXIT_TRACKING = 5,       /* of replicate: the changes do not begin at the last point */
	EXIT_SOURCE_CHANGED = 6, /* of replicate: the source changed while it was read */
	EXIT_NOT_QUIET = 7,      /* of replicate: the last pass allowed still found too much */
	EXIT_REFUSED = 8,        /* with --boot, of boot plan: no plan for this disk */
};

/* The name under which the program was called; messages begin with it. */
extern const char *cli_name;

void cli_warn(void *ctx, const char *message);
void cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "NAME: 'file': message" */
void cli_report(const char *file, const struct tranship_error *err);

/* The options of every subcommand that opens an image; an argp child. The input is a struct
 * cli_source. */
struct cli_source {
	const char *format;  /* -f */
	char *options;       /* --image-option, joined */
	const char *member;  /* --member */
	const char *journal; /* --journal */
	const char *spool;   /* where what comes through a pipe is kept */
	unsigned flags;      /* TRANSHIP_OPEN_* */
	bool quiet;          /* -q */
	bool image_opts; /* --image-opts: an image is a list of options with the file among them */
	struct tranship_policy policy;
	const char **folders;
	size_t parent_count;
	const char **parents; /* --parent */
};

extern const struct argp cli_source_argp;
void cli_source_init(struct cli_source *source);
void cli_source_free(struct cli_source *source);

/* "none", "beside", "anywhere"; false: another word. */
bool cli_source_policy(struct cli_source *source, const char *word);
/* Other files may stand in this folder. */
void cli_source_folder(struct cli_source *source, const char *folder);
void cli_source_parent(struct cli_source *source, const char *path);

/* Takes -T; an unknown mode is a usage error. */
void cli_source_cache(struct cli_source *source, struct argp_state *state, const char *mode);

/* How the options say that an image is opened; `path` is named in warnings. */
void cli_open_options(const struct cli_source *source, const char *path,
		      struct tranship_open_options *out);

/* Opens an image; prints what is wrong. NULL on failure. `format` overrides the source's. */
struct tranship_disk *cli_open(const struct cli_source *source, const char *path,
			       const char *format);

/* The same, and says what is wrong instead of printing it. */
int cli_open_disk(const struct cli_source *source, const char *path, const char *format,
		  struct tranship_disk **out, struct tranship_error *err);

/* Prints text that an image may have made up, without what would drive a terminal. */
void cli_print_text(const char *text);

/* --output=human|json */
enum cli_output { OUTPUT_HUMAN, OUTPUT_JSON, OUTPUT_UNKNOWN };
enum cli_output cli_parse_output(const char *text);

/* Joins another "k=v" list to *list with a comma. */
void cli_join_options(char **list, const char *more);

/* Parses a size argument or ends the program with a usage error. */
uint64_t cli_parse_size(struct argp_state *state, const char *what, const char *text);

/* Where a disk of unknown size from a pipe waits: beside the output, where there is room for a
 * disk. malloc'ed. */
char *cli_spool_folder(const char *output);

/* Takes the argument of -m, or ends the program with a usage error. */
unsigned cli_parse_threads(struct argp_state *state, const char *arg);

/* "1.5 GiB", as qemu-img writes it. `text` has 32 bytes. */
const char *cli_size_text(uint64_t bytes, char *text);

/* Options of a format, for -o help. */
int cli_option_help(const char *format);

/* Progress on a terminal and interruption; the ctx of cli_progress. */
struct cli_meter {
	bool show;
	double started;
	bool drawn;
};
void cli_meter_init(struct cli_meter *meter, bool wanted);
int cli_progress(void *ctx, const struct tranship_progress *progress);
void cli_meter_clear(struct cli_meter *meter);

/* From here on SIGINT, SIGTERM and SIGHUP end the work in order; a second one at once. */
void cli_catch_signals(void);
/* Whether one of them came. */
bool cli_interrupted(void);
/* The exit code for an operation that failed: 128 + signal if it was interrupted. */
int cli_exit_code(const struct tranship_error *err);

/* Ends standard output, which is when a full disk shows: `trouble` where `code` said that all is
 * well. */
int cli_flush(int code, int trouble);

int cmd_info(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_map(int argc, char **argv);
int cmd_measure(int argc, char **argv);
int cmd_create(int argc, char **argv);
int cmd_convert(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_resize(int argc, char **argv);
int cmd_commit(int argc, char **argv);
int cmd_rebase(int argc, char **argv);
int cmd_dd(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_replicate(int argc, char **argv);
int cmd_fingerprint(int argc, char **argv);
int cmd_changes(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_apply(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_store(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_boot(int argc, char **argv);

#endif
