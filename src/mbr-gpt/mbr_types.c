// SPDX-License-Identifier: Apache-2.0
/* The types of partitions in an MBR, as far as virtual machines have them. */
#include "mbr-gpt/mbr.h"

#include <stddef.h>

static const struct {
	unsigned char type;
	const char *name;
} names[] = {
	{ 0x01, "FAT12" },
	{ 0x04, "FAT16 below 32 MiB" },
	{ 0x05, "extended" },
	{ 0x06, "FAT16" },
	{ 0x07, "NTFS or exFAT" },
	{ 0x0B, "FAT32" },
	{ 0x0C, "FAT32 (LBA)" },
	{ 0x0E, "FAT16 (LBA)" },
	{ 0x0F, "extended (LBA)" },
	{ 0x11, "hidden FAT12" },
	{ 0x12, "service partition" },
	{ 0x14, "hidden FAT16 below 32 MiB" },
	{ 0x16, "hidden FAT16" },
	{ 0x17, "hidden NTFS" },
	{ 0x1B, "hidden FAT32" },
	{ 0x1C, "hidden FAT32 (LBA)" },
	{ 0x1E, "hidden FAT16 (LBA)" },
	{ 0x27, "Windows recovery" },
	{ 0x39, "Plan 9" },
	{ 0x41, "PowerPC PReP boot" },
	{ 0x42, "Windows dynamic disk" },
	{ 0x63, "Unix System V" },
	{ 0x82, "Linux swap" },
	{ 0x83, "Linux" },
	{ 0x85, "Linux extended" },
	{ 0x8E, "Linux LVM" },
	{ 0xA5, "FreeBSD" },
	{ 0xA6, "OpenBSD" },
	{ 0xA9, "NetBSD" },
	{ 0xAF, "Apple HFS+" },
	{ 0xBE, "Solaris boot" },
	{ 0xBF, "Solaris" },
	{ 0xDA, "data without a file system" },
	{ 0xEA, "Linux extended boot" },
	{ 0xEE, "GPT protective" },
	{ 0xEF, "EFI system" },
	{ 0xFB, "VMware VMFS" },
	{ 0xFC, "VMware VMKCORE" },
	{ 0xFD, "Linux RAID" },
};

const char *mbr_type_name(unsigned char type)
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type)
			return names[i].name;
	return NULL;
}
