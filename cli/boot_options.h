/* SPDX-License-Identifier: Apache-2.0 */
/* --boot: a disk is read as a plan makes it start under BIOS (tranship/boot.h). */
#ifndef CLI_BOOT_OPTIONS_H
#define CLI_BOOT_OPTIONS_H

#include "cli.h"

/* All zero is a good start: no --boot. */
struct cli_boot {
	bool wanted; /* --boot */
	bool how;    /* an option was given that only says how */
	struct tranship_boot_options options;
};

/* --boot with all that says how, an argp child; and the latter alone. The input is a struct
 * cli_boot. */
extern const struct argp cli_boot_argp;
extern const struct argp cli_boot_how_argp;

/* "bios-mbr", "bios-gpt"; "windows", "linux". False: another word. */
bool cli_boot_target(struct cli_boot *boot, const char *word);
bool cli_boot_os(struct cli_boot *boot, const char *word);

const char *cli_boot_target_word(enum tranship_boot_target target);
const char *cli_boot_os_word(enum tranship_boot_os os);

/* Joins "--boot" and a target behind it, which argp does not take as its argument. Returns argc. */
int cli_boot_join(int argc, char **argv);

/* What says how goes with --boot: else a usage error. */
void cli_boot_check(const struct cli_boot *boot, struct argp_state *state);

/* A plan, refused or not; a disk from a pipe has none. Says what is wrong instead of printing it.
 */
int cli_boot_plan(const struct cli_boot *boot, struct tranship_disk *disk,
		  struct tranship_boot_plan **out, struct tranship_error *err);

/* The reasons why the plan is refused as one error. */
int cli_boot_refusal(const struct tranship_boot_plan *plan, struct tranship_error *err);

/* Tells the plan's notes of the image at `path`; also that nothing has to be replaced. */
void cli_boot_tell_notes(const struct tranship_boot_plan *plan, const char *path,
			 tranship_warn_fn *warn, void *ctx);

/*
 * With --boot: *disk becomes the disk as its plan makes it, notes are printed. EXIT_OK, or an exit
 * code after what was wrong is printed: EXIT_REFUSED, EXIT_ERROR; *disk is then as it was. Without
 * --boot nothing is done. plan: NULL, or where the plan goes, NULL without one; the caller's.
 */
int cli_boot_open(const struct cli_boot *boot, const struct cli_source *source, const char *path,
		  struct tranship_disk **disk, struct tranship_boot_plan **plan);

#endif
