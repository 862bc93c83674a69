/* SPDX-License-Identifier: Apache-2.0 */
/* test-tool fs: what stands in a file, and files with the start of a file system. */
#ifndef TESTS_TOOL_FS_H
#define TESTS_TOOL_FS_H

#define TOOL_FS_USAGE "fs FILE | fs-list | fs-make NAME FILE"

/* "fs FILE" prints type, id and label, a line each. "fs-list" prints the names that "fs-make"
 * knows: image_fs.h. Returns the exit code. */
int tool_fs(int argc, char **argv);

#endif
