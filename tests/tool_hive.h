/* SPDX-License-Identifier: Apache-2.0 */
/* test-tool hive ...: registry hives as we build, read and edit them. */
#ifndef TESTS_TOOL_HIVE_H
#define TESTS_TOOL_HIVE_H

#define TOOL_HIVE_USAGE                                                                            \
	"hive make bcd|bcd-bios|system|li|lf|lh|ri|wide|big FILE | hive export FILE | hive check " \
	"FILE | hive to-bios FILE | hive judge FILE | hive mounted FILE | hive delete FILE "       \
	"PATH..."

/* argv[1] is "hive". Returns the exit code: 0, 1 for an error, 2 for a wrong call. */
int tool_hive(int argc, char **argv);

#endif
