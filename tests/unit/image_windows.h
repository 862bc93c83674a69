/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small disk like a Windows on an MBR: an active FAT32 with our boot code, BOOTMGR and BCD, and
 * an NTFS with the files that these lead to. Nothing of the planner makes it. All files are
 * stand-ins.
 */
#ifndef TESTS_UNIT_IMAGE_WINDOWS_H
#define TESTS_UNIT_IMAGE_WINDOWS_H

#include "image_bcd.h"
#include "tranship/disk.h"

enum {
	WINDOWS_SECTORS = 8192,
	WINDOWS_ESP = 2048, /* first sectors */
	WINDOWS_ESP_SECTORS = 1200,
	WINDOWS_NTFS = 4096,
	WINDOWS_NTFS_SECTORS = 2560,
	WINDOWS_SIGNATURE = 0x0BADCAFE,
	WINDOWS_BOOTMGR_LEN = 100003,
};

/* How it is to be; what is zero is as it should be. */
struct image_windows {
	/* A file that is missing: "BOOTMGR", "BCD" of the FAT32; "bootmgr", "winload.exe",
	 * "ntoskrnl.exe", "SYSTEM" of the NTFS. */
	const char *without;
	void (*edit_bcd)(struct hive_image *hive, struct image_bcd *bcd);
	void (*edit_bcd_bytes)(struct buffer *bytes);
	unsigned machine;      /* of winload.exe; 0: x86-64 */
	const char *loader;    /* instead of a program */
	uint32_t bootmgr_size; /* that its folder says; 0: WINDOWS_BOOTMGR_LEN */
	bool empty_bootmgr;
	bool long_bootmgr;     /* it is called so by a long name only */
	bool other_bootmgr;    /* the NTFS has another one */
	bool native;           /* as a Windows setup makes it: the NTFS is active and has all */
	bool mounted_by_gpt;   /* MountedDevices has ids of GPT partitions */
	bool folder_for_files; /* BOOTMGR is a folder */
};

struct tranship_disk *image_windows(const struct image_windows *windows);

#endif
