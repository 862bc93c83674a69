/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows' boot configuration data: a registry hive of objects with elements. What has to change in
 * it where a GPT disk becomes an MBR disk and UEFI becomes BIOS, and what is right in it then.
 */
#ifndef MBR_GPT_BCD_H
#define MBR_GPT_BCD_H

#include "base/guid.h"
#include "mbr-gpt/regf.h"

/* Where a partition of the disk is known from and by. */
struct bcd_partition {
	struct guid id; /* GPT */
	uint64_t off;   /* MBR: bytes from the disk's start; 0: it was dropped */
};

/* A disk, before and after. */
struct bcd_disk {
	struct guid id;     /* GPT; zeros are no disk's */
	uint32_t signature; /* MBR */
	const struct bcd_partition *partitions;
	uint32_t count;
};

struct bcd_report {
	uint32_t devices;  /* rewritten */
	uint32_t unmapped; /* of this disk, but of no partition that it will have: left */
	uint32_t paths;    /* winload.efi and the like */
	uint32_t deleted;  /* elements */
};

/*
 * Rewrites the devices of all elements, wherever they are nested; winload.efi and winresume.efi
 * become .exe; the boot manager's path (12000002) and "attempt resume" (26000005), and the
 * "isolated context" (16000060) of all objects are deleted; memory diagnostics get
 * \Boot\memtest.exe. The firmware's own objects stay: a BIOS does not ask for them. All of the hive
 * is checked first (regf_check). `note` is told what maps to nothing, and what else is left; may be
 * NULL. A second call changes nothing. Where it fails, some may have been changed; it is still a
 * sound hive, but no more than that. Whether to convert a hive that is dirty is the caller's
 * choice.
 */
int bcd_to_bios(struct regf *hive, const struct bcd_disk *disk,
		void (*note)(void *ctx, const char *sentence), void *ctx, struct bcd_report *out,
		struct tranship_error *err);

/*
 * Looks at a BCD as a BIOS reads it: the boot manager has a default entry that exists, has devices
 * on an MBR disk of this signature with a partition at one of these offsets, and a path that ends
 * in .exe. Each sentence of what is wrong goes to `fault`, of what cannot be judged to `note`; both
 * may be NULL. *path gets the loader's path ("\Windows\system32\winload.exe") in UTF-8 and
 * *partition its partition's offset; "" and 0 where there is none. Errors are those of the hive.
 */
int bcd_judge(struct regf *hive, uint32_t signature, const uint64_t *offsets, uint32_t count,
	      void (*fault)(void *ctx, const char *sentence),
	      void (*note)(void *ctx, const char *sentence), void *ctx, char *path, size_t cap,
	      uint64_t *partition, struct tranship_error *err);

/*
 * The SYSTEM hive's MountedDevices: values that name a partition of the disk by its GPT id get its
 * MBR form, in place. *changed counts them.
 */
int bcd_mounted_devices(struct regf *system, const struct bcd_disk *disk, uint32_t *changed,
			struct tranship_error *err);

#endif
