/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-tool tables DISK [SECTOR-SIZE]
 *     what gpt_read and mbr_read say, to be compared with others' programs. First line:
 *     gpt GUID FIRST-USABLE LAST-USABLE, or
 *     mbr KIND SIGNATURE; then a line a partition:
 *     NUMBER START SECTORS TYPE ID NAME of a GPT, NUMBER START SECTORS TYPE *|- of an MBR
 *     and "fault: ..." or "note: ..." where something is wrong. Numbers are in sectors.
 * test-tool gpt-put DISK [SECTOR-SIZE]
 * test-tool gpt-erase DISK [SECTOR-SIZE]
 *     writes both copies anew, or erases them, in place.
 */
#ifndef TESTS_TOOL_TABLES_H
#define TESTS_TOOL_TABLES_H

int tool_tables(int argc, char **argv);

#endif
