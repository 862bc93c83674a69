/* SPDX-License-Identifier: Apache-2.0 */
/* The command that prepares a pass: it takes the next snapshot, say, and tells what changed. */
#ifndef CLI_PASS_COMMAND_H
#define CLI_PASS_COMMAND_H

#include "tranship/error.h"

#include <stddef.h>
#include <stdint.h>

#define PASS_ANSWER_MAX (1U << 20)

/* What it finds in its environment. */
struct pass_state {
	unsigned pass;       /* TRANSHIP_PASS: the pass that comes, from 2 */
	const char *version; /* TRANSHIP_LAST_VERSION */
	const char *point;   /* TRANSHIP_LAST_POINT: its id */
	uint64_t changed;    /* TRANSHIP_LAST_CHANGED: bytes that the last pass found changed */
};

/*
 * Runs it by sh, with nothing on standard input, and takes what it prints; malloc'ed. A signal to
 * end the run ends the command, too.
 */
int pass_command_run(const char *command, const struct pass_state *state, char **answer,
		     size_t *len, struct tranship_error *err);

#endif
