/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of "tranship boot" share. */
#ifndef CLI_BOOT_H
#define CLI_BOOT_H

#include "cli.h"

/* argv[0] is "tranship boot VERB". Return exit codes. */
int boot_plan(int argc, char **argv);
int boot_verify(int argc, char **argv);
int boot_dirty(int argc, char **argv);

#endif
