/* SPDX-License-Identifier: Apache-2.0 */
/* test-tool fat: a FAT32 volume that fills an image, as the library sees and changes it. */
#ifndef TESTS_TOOL_FAT_H
#define TESTS_TOOL_FAT_H

#define TOOL_FAT_USAGE "fat list IMAGE | fat cat IMAGE PATH | fat put IMAGE PATH FILE ATTRIBUTES"

/* argv[1] is "fat". Returns the exit code. */
int tool_fat(int argc, char **argv);

#endif
