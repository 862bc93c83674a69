/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that have verbs: tranship store, tranship boot. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include <stddef.h>

struct cli_verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
};

struct cli_verbs {
	const char *command;
	const char *usage;   /* what follows "VERB [OPTION...] " */
	const char *about;   /* whole lines */
	const char *example; /* what follows the program's name */
	const struct cli_verb *at;
	size_t count;
};

/* Runs the verb that argv[1] names, with argv from there on. Returns the exit code. */
int cli_run_verb(const struct cli_verbs *verbs, int argc, char **argv);

#endif
