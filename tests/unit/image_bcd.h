/* SPDX-License-Identifier: Apache-2.0 */
/* Builds hives like those of a Windows: boot configuration data, and the SYSTEM hive's
 * MountedDevices. For tests and fuzzing. */
#ifndef TESTS_UNIT_IMAGE_BCD_H
#define TESTS_UNIT_IMAGE_BCD_H

#include "base/guid.h"
#include "image_hive.h"

#define BCD_BOOTMGR "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
#define BCD_FWBOOTMGR "{a5a30fa2-3d06-4e9f-b5f4-a01df9d1fcba}"
#define BCD_MEMDIAG "{b2721d73-1db4-4c62-bf78-c548a880142d}"
/* What a Windows makes at random. */
#define BCD_LOADER "{3b8a5e6f-0e3c-11ee-8f2b-806e6f6e6963}"
#define BCD_RESUME "{3b8a5e6d-0e3c-11ee-8f2b-806e6f6e6963}"
#define BCD_WINRE "{3b8a5e71-0e3c-11ee-8f2b-806e6f6e6963}"
#define BCD_WINRE_OPTIONS "{3b8a5e72-0e3c-11ee-8f2b-806e6f6e6963}"
#define BCD_VHD "{3b8a5e80-0e3c-11ee-8f2b-806e6f6e6963}"
#define BCD_USB "{3b8a5e90-0e3c-11ee-8f2b-806e6f6e6963}"

struct image_bcd_partition {
	struct guid id; /* GPT */
	uint64_t off;   /* MBR: bytes */
};

struct image_bcd {
	bool bios;          /* as a Windows on an MBR disk has it; else UEFI and GPT */
	struct guid disk;   /* GPT */
	uint32_t signature; /* MBR */
	struct image_bcd_partition esp, windows, recovery;
	bool winre; /* recovery in a ram disk, from a file of the recovery partition */
	bool vhd;   /* another entry, that starts from a file of the Windows partition */
};

/* GUIDs, offsets and signature that differ from each other; with winre, without vhd. */
struct image_bcd image_bcd_defaults(void);

/* The objects: boot manager, default loader, resume loader, memory diagnostics, firmware boot
 * manager (UEFI), a settings object, a firmware entry that starts from a stick (locate device). */
void image_bcd_tree(const struct image_bcd *bcd, struct hive_image *hive);
/* The file; `out` is empty. */
void image_bcd(const struct image_bcd *bcd, struct buffer *out);

/* A value for an "Element" of a device: a partition of the disk. */
enum { BCD_DEVICE_SIZE = 0x58 };
void image_bcd_device(const struct image_bcd *bcd, const struct image_bcd_partition *partition,
		      unsigned char raw[BCD_DEVICE_SIZE]);
/* The key of an element's value, made where it is missing: "11000001". */
struct hive_key *image_bcd_element(struct hive_image *hive, const char *object,
				   const char *element);

/* A SYSTEM hive: MountedDevices with C: (windows), two volume names, a stick, a partition that no
 * disk has, beside Select, ControlSet001 and Setup. */
void image_system_tree(const struct image_bcd *bcd, struct hive_image *hive);
void image_system(const struct image_bcd *bcd, struct buffer *out);

#endif
