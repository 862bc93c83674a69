/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-tool boot-verify DISK
 *     a line "fault: ..." or "remark: ..." for each finding; then "TABLE OS FAULTS", the first two
 *     as the numbers of enum tranship_table and tranship_boot_os.
 */
#ifndef TESTS_TOOL_VERIFY_H
#define TESTS_TOOL_VERIFY_H

/* argv[1] is "boot-verify". Returns the exit code: 0 also where there are faults. */
int tool_verify(int argc, char **argv);

#endif
