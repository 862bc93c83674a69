/* SPDX-License-Identifier: Apache-2.0 */
/* What `tranship diff` is asked to do. */
#ifndef CLI_DIFF_H
#define CLI_DIFF_H

#include "boot_options.h"

struct diff_args {
	struct cli_source source;
	struct cli_boot boot;
	const char *old, *new;
	const char *old_format;
	const char *out;
	const char *changes;
	const char *changes_out;
	const char *old_plan; /* that OLD was read through */
	const char *base_fingerprint;
	const char *svg;
	char *create_options;
	bool verify;
	bool level; /* --level was given */
	bool progress;
	enum cli_output output;
	bool blocks;
	struct tranship_changes_options list;
	struct tranship_diff_options diff;
};

/* Fills it from the command line; wrong options end the program. */
void diff_take_options(struct diff_args *args, int argc, char **argv);

/* How many outputs go to standard output, and whether this one does. */
int diff_streams(const struct diff_args *args);
bool diff_is_stdout(const char *path);

#endif
