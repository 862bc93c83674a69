/* SPDX-License-Identifier: Apache-2.0 */
/* The options of what is written, shared by convert, create and measure. */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include "cli.h"

struct cli_target {
	const char *format; /* -O, or -f of create */
	char *options;      /* -o, joined */
	bool compressed;    /* -c */
	bool help;          /* -o help */
};

/* Takes one -o. */
void cli_target_option(struct cli_target *target, const char *arg);
void cli_target_free(struct cli_target *target);

/* Fills in what the environment decides (SOURCE_DATE_EPOCH); -1, with a message, if that is no
 * number. */
int cli_create_options(const struct cli_target *target, bool quiet,
		       struct tranship_create_options *out);

/* Says so if what is being written is a device or, with TRANSHIP_CREATE_IN_PLACE, a file. */
void cli_say_in_place(const char *path, unsigned flags);

#endif
