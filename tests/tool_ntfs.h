/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-tool ntfs: the NTFS reader, as a command. IMAGE is a raw volume.
 *   info IMAGE             label, serial number, whether it is dirty
 *   sums IMAGE [FOLDER]    a line "SHA256 RECORD PATH" for each file below, in any order; the
 * code's name stands there for a file that is refused list IMAGE FOLDER      its names cat IMAGE
 * PATH         a file; "RECORD" in digits and a leading '#' goes by number where IMAGE PATH       a
 * line "FILE-OFFSET VOLUME-OFFSET LENGTH" for each stretch that has a place cost IMAGE PATH LEN
 * reads LEN bytes of the file, and prints how many were read of the image
 *   uninitialised IMAGE PATH LEN
 *                          changes the image: what lies behind LEN bytes of the file was never
 * written
 */
#ifndef TESTS_TOOL_NTFS_H
#define TESTS_TOOL_NTFS_H

#define TOOL_NTFS_USAGE "ntfs info|sums|list|cat|where|cost|uninitialised IMAGE [PATH [LEN]]"

/* argv[1] is "ntfs". Returns the exit code. */
int tool_ntfs(int argc, char **argv);

#endif
