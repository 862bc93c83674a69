/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-tool boot ...: what a script does with boot code.
 *   boot bytes mbr|fat32
 *       the built-in program, to standard output
 *   boot install DISK LBA
 *       the MBR's program into a disk, the other one into the FAT32 volume that begins at LBA: into
 *       its boot sector and the copy of that
 *   boot stand-in FILE SIZE
 *       makes boot/bootmgr.asm's program SIZE bytes long with bytes that do not repeat, and puts
 *       its size and sum in
 */
#ifndef TESTS_TOOL_BOOT_H
#define TESTS_TOOL_BOOT_H

#define TOOL_BOOT_USAGE "boot bytes mbr|fat32 | boot install DISK LBA | boot stand-in FILE SIZE"

/* argv[1] is "boot". Returns the exit code: 2 for a wrong call. */
int tool_boot(int argc, char **argv);

#endif
