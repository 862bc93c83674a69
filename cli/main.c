// SPDX-License-Identifier: Apache-2.0
/* The command: finds the subcommand and hands over. */
#include "boot_options.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
	int trouble; /* exit code when what was found out cannot be printed */
} commands[] = {
	{ "info", cmd_info, "say what an image is", EXIT_ERROR },
	{ "probe", cmd_probe, "say what a file is and what it refers to; opens nothing else",
	  EXIT_ERROR },
	{ "map", cmd_map, "list which parts of the disk are data, and where they stand",
	  EXIT_ERROR },
	{ "convert", cmd_convert, "copy a disk into another format", EXIT_ERROR },
	{ "create", cmd_create, "make an empty image", EXIT_ERROR },
	{ "compare", cmd_compare, "compare the content of two disks", EXIT_TROUBLE },
	{ "diff", cmd_diff, "write what changed from one version of a disk to the next",
	  EXIT_ERROR },
	{ "changes", cmd_changes, "read a list of changes that somebody else tracked", EXIT_ERROR },
	{ "merge", cmd_merge, "make one delta of several that follow each other", EXIT_ERROR },
	{ "apply", cmd_apply, "make an image the next version, by a delta", EXIT_ERROR },
	{ "restore", cmd_restore, "write a restore point of a store as an image", EXIT_ERROR },
	{ "check", cmd_check, "check the structure of an image", EXIT_ERROR },
	{ "resize", cmd_resize, "give a disk another size", EXIT_ERROR },
	{ "commit", cmd_commit, "write what an image holds into its parent", EXIT_ERROR },
	{ "rebase", cmd_rebase, "give an image another parent", EXIT_ERROR },
	{ "dd", cmd_dd, "copy a part of a disk", EXIT_ERROR },
	{ "replicate", cmd_replicate, "carry what changed on a disk into a store, as a point",
	  EXIT_ERROR },
	{ "fingerprint", cmd_fingerprint, "digest a disk, to find later what changed", EXIT_ERROR },
	{ "store", cmd_store, "make a store of restore points, list them, take care of it",
	  EXIT_ERROR },
	{ "boot", cmd_boot, "plan what makes a UEFI disk start under BIOS, verify that one does",
	  EXIT_ERROR },
	{ "serve", cmd_serve, "let other programs read a disk over NBD", EXIT_ERROR },
	{ "measure", cmd_measure, "say how large a converted image would be", EXIT_ERROR },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *out)
{
	size_t i;
	unsigned n;

	fprintf(out, "Usage: %s COMMAND [OPTION...] ...    (each has --help with an example)\n",
		cli_name);
	for (i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].help);
	fprintf(out, "Formats:");
	for (n = 0; tranship_format_name(n); n++)
		fprintf(out, " %s%s", tranship_format_name(n),
			tranship_format_can_read(tranship_format_name(n)) ? "" : " (output only)");
	fputc('\n', out);
}

/* A disk split into 2 GB extents has a file for each. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Where one of the three is closed the next file that is opened would take its place, and get what
 * is printed. What takes it instead fails as a closed one does. */
static void fill_standard_files(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			_exit(EXIT_ERROR);
}

int main(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	char name[200];
	size_t i;

	fill_standard_files();
	if (argc > 0)
		cli_name = slash ? slash + 1 : argv[0];
	argp_err_exit_status = EXIT_USAGE;
	signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error like any other, */
	signal(SIGXFSZ, SIG_IGN); /* and so is a limit on the size of files */
	raise_file_limit();
	if (argc < 2) {
		help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		help(stdout);
		return cli_flush(EXIT_OK, EXIT_ERROR);
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("tranship version %s\n", tranship_version());
		return cli_flush(EXIT_OK, EXIT_ERROR);
	}
	for (i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		snprintf(name, sizeof(name), "%s %s", cli_name, argv[1]);
		argv[1] = name; /* what argp's usage calls the program */
		argc = cli_boot_join(argc, argv);
		return cli_flush(commands[i].run(argc - 1, argv + 1), commands[i].trouble);
	}
	cli_error("command '%s' is unknown; '%s --help' lists them", argv[1], cli_name);
	return EXIT_USAGE;
}
