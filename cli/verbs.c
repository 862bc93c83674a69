// SPDX-License-Identifier: Apache-2.0
#include "verbs.h"

#include "cli.h"

#include <stdio.h>
#include <string.h>

static void help(const struct cli_verbs *verbs, FILE *out)
{
	size_t i;

	fprintf(out,
		"Usage: %s %s VERB [OPTION...] %s\n%s\nVerbs (each has --help with an example):\n",
		cli_name, verbs->command, verbs->usage, verbs->about);
	for (i = 0; i < verbs->count; i++)
		fprintf(out, "  %-7s %s\n", verbs->at[i].name, verbs->at[i].help);
	fprintf(out, "\nExample: %s %s\n", cli_name, verbs->example);
}

int cli_run_verb(const struct cli_verbs *verbs, int argc, char **argv)
{
	char name[200];
	size_t i;

	if (argc < 2) {
		help(verbs, stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0) {
		help(verbs, stdout);
		return EXIT_OK;
	}
	for (i = 0; i < verbs->count; i++) {
		if (strcmp(argv[1], verbs->at[i].name) != 0)
			continue;
		snprintf(name, sizeof(name), "%s %s %s", cli_name, verbs->command, argv[1]);
		argv[1] = name; /* what argp's usage calls the program */
		return verbs->at[i].run(argc - 1, argv + 1);
	}
	cli_error("%s: verb '%s' is unknown; '%s %s --help' lists them", verbs->command, argv[1],
		  cli_name, verbs->command);
	return EXIT_USAGE;
}
