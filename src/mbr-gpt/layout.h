/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands on a disk, for the planner and for boot verify, too: the tables as they were read,
 * and what each partition holds.
 */
#ifndef MBR_GPT_LAYOUT_H
#define MBR_GPT_LAYOUT_H

#include "mbr-gpt/gpt.h"
#include "mbr-gpt/mbr.h"
#include "tranship/boot.h"

enum { FS_LABEL_TEXT = 256 * 3 + 1, FS_ID_TEXT = 40 };

/* A file system, or what else stands in a partition, as blkid names it. */
struct fs_found {
	/* "fat12", "fat16", "fat32", "ntfs", "exfat", "refs", "bitlocker", "ext2", "ext3", "ext4",
	 * "jbd" (a journal of its own), "xfs", "btrfs", "squashfs", "iso9660", "swap", "swsuspend"
	 * (swap with a hibernated system), "lvm2", "raid", "luks"; "" */
	const char *type;
	char id[FS_ID_TEXT];
	char label[FS_LABEL_TEXT];
};
/* fs_probe.c: one const row and one short function a file system. Never fails for what it finds. */
int fs_probe(const struct volume *volume, struct fs_found *out, struct tranship_error *err);

struct layout_partition {
	struct tranship_partition public; /* its texts point to what follows */
	struct guid type, id;             /* of a GPT */
	uint32_t entry; /* of the GPT, or of the MBR (from 0; logical ones from 4) */
	char type_text[GUID_TEXT_SIZE], id_text[GUID_TEXT_SIZE];
	char name[GPT_NAME_TEXT];
	struct fs_found fs;
};

/* What the EFI system partition has: the first one that is FAT32 and starts something, or the first
 * one that is FAT32. */
struct layout_esp {
	bool present;
	uint32_t partition; /* index */
	bool windows;       /* EFI/Microsoft/Boot/bootmgfw.efi and BCD */
	bool linux; /* EFI/X/grub*.efi, shim*.efi, grub.cfg or systemd-boot; EFI/Microsoft apart */
	bool fallback;  /* EFI/BOOT/BOOTX64.EFI */
	char stub[300]; /* the path of the first grub.cfg of a Linux, by name; "": none */
	char grub[300]; /* the same of grubx64.efi */
};

struct tranship_layout {
	struct tranship_disk *disk; /* borrowed while it is read; NULL afterwards */
	struct gpt gpt;
	struct mbr mbr;
	enum tranship_table table;
	char id[GUID_TEXT_SIZE];
	unsigned boots;
	struct layout_partition *at;
	uint32_t count;
	struct layout_esp esp;
	char **notes;
	uint32_t note_count;
};

/* The partition as a volume of this disk, seen through `over` (NULL: as it is). */
struct volume layout_volume(const struct layout_partition *partition, struct tranship_disk *disk,
			    const struct patches *over);

#endif
