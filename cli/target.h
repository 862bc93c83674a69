/* SPDX-License-Identifier: Apache-2.0 */
/* The options of what is written, shared by convert, create and measure. */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include "cli.h"

struct cli_target {
	const char *format;      /* -O, or -f of create */
	const char *base;        /* -b of create, -B of convert, -o backing_file= */
	const char *base_format; /* -F, -o backing_fmt= */
	bool base_alone;         /* the base's own parents are not opened: -u of create */
	char *options;           /* -o, joined */
	bool compressed;         /* -c */
	bool help;               /* -o help */
};

/* Takes one -o. */
void cli_target_option(struct cli_target *target, char *arg);
void cli_target_free(struct cli_target *target);

/* Takes -t; an unknown mode is a usage error. */
void cli_target_cache(enum tranship_cache *cache, struct argp_state *state, const char *mode);

/*
 * Opens the base of the output at `path`, if there is one: *disk, else NULL. Its name counts from
 * the output's folder, as it will be recorded. -1, with a message, if it cannot be opened or is of
 * another format than the output.
 */
int cli_open_base(const struct cli_target *target, const struct cli_source *source,
		  const char *path, struct tranship_disk **disk);

/* Fills in what the environment decides (SOURCE_DATE_EPOCH); -1, with a message, if that is no
 * number. */
int cli_create_options(const struct cli_target *target, bool quiet,
		       struct tranship_create_options *out);

/* Says so if what is being written is a device or, with TRANSHIP_CREATE_IN_PLACE, a file. */
void cli_say_in_place(const char *path, unsigned flags);

#endif
