/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a master boot record, and of the boot records of an extended partition: its last 66
 * bytes (UEFI specification 2.10, section 5.2.1). */
#ifndef MBR_GPT_MBR_ONDISK_H
#define MBR_GPT_MBR_ONDISK_H

#include "mbr-gpt/mbr.h"

enum { MBR_ENTRY_SIZE = 16 };

/* 55 AA at the end of 512 bytes. */
bool mbr_has_signature(const unsigned char raw[MBR_SIZE]);
/* Entry number index, 0 to 3; CHS fields are not looked at. */
void mbr_entry_decode(const unsigned char raw[MBR_SIZE], unsigned index, struct mbr_entry *out);
/* The number that Windows knows the disk by; 0: it has none. */
uint32_t mbr_disk_signature(const unsigned char raw[MBR_SIZE]);
/* Whether this is the boot sector of a file system: FAT, NTFS and exFAT have 55 AA, too. */
bool mbr_is_file_system(const unsigned char raw[MBR_SIZE]);

#endif
