/* SPDX-License-Identifier: Apache-2.0 */
/* test-tool target ...: what a script does with the objects of a store. */
#ifndef TESTS_TOOL_TARGET_H
#define TESTS_TOOL_TARGET_H

#define TOOL_TARGET_USAGE                                                                          \
	"target put LOCATION KEY FILE | target get LOCATION KEY OFFSET LENGTH FILE | target tail " \
	"LOCATION KEY LENGTH FILE | target stat LOCATION KEY | target list LOCATION PREFIX | "     \
	"target remove LOCATION KEY | target now LOCATION"

/* argv[1] is "target". Returns the exit code: 0, 2 for a wrong call, 10 + n for the error -n. */
int tool_target(int argc, char **argv);

#endif
