/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The boot code that a Windows plan puts in: 16-bit programs in code/, assembled by
 * scripts/boot-code into boot_code.c. The MBR's loads the first sector of the active partition to
 * 0:7C00; the FAT32 boot sector's loads \BOOTMGR whole to 2000:0000 and jumps there, with DL the
 * drive. Both read by INT 13h function 42h and say what is missing.
 *
 * The second one takes a volume with sectors of 512 bytes, of fewer than 2^27 clusters, that begins
 * at its field HiddenSectors; the boot sector must begin with EB 58 90. Each program is as long as
 * its place, so that nothing is left of what was there.
 */
#ifndef MBR_GPT_BOOT_CODE_H
#define MBR_GPT_BOOT_CODE_H

#include <stddef.h>

enum {
	BOOT_CODE_MBR_MAX = 440,
	BOOT_CODE_FAT32_OFF =
		0x5A, /* in the boot sector: what stands before is the file system's */
	BOOT_CODE_FAT32_MAX = 0x1FE - 0x5A,
	/* The longest BOOTMGR that is loaded: a BIOS keeps the last KiB of memory below 640 KiB, at
	 * least; INT 12h tells the code how much it is. */
	BOOT_CODE_BOOTMGR_MAX = 0x9FC00 - 0x20000,
};

extern const unsigned char boot_code_mbr[];
extern const size_t boot_code_mbr_len;
extern const unsigned char boot_code_fat32[];
extern const size_t boot_code_fat32_len;

#endif
