/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GRUB's two images for BIOS, which come from outside: boot.img, the code of the first sector, and
 * core.img, which stands somewhere whole and holds modules and a configuration. Their layout is of
 * GRUB 2's boot/i386/pc (boot.S, diskboot.S).
 */
#ifndef MBR_GPT_GRUB_H
#define MBR_GPT_GRUB_H

#include "tranship/boot.h"

#include <stdbool.h>

enum {
	GRUB_BOOT_SIZE = 512,
	GRUB_BOOT_CODE = 440,     /* of it is code */
	GRUB_OFF_CORE_LBA = 0x5C, /* u64 */
	GRUB_CORE_MAX = 1 << 20,
};

struct grub_images {
	unsigned char boot[GRUB_BOOT_SIZE];
	unsigned char *core;
	size_t core_len; /* a multiple of 512 */
};

/* What the configuration in core.img has to say. */
struct grub_config {
	const char *fs_id;  /* UUID of the file system with grub.cfg */
	const char *prefix; /* its folder there, "/boot/grub" */
	/* Paths of a btrfs count from its default subvolume, as in SUSE's GRUB. */
	bool btrfs_relative_path;
};

/*
 * The images that the options name, or those that grub-mkimage makes with the configuration; the
 * same ones for the same input. TRANSHIP_ENOTFOUND: a file or program is not there, the message
 * says what to install or to give; TRANSHIP_ECORRUPT: a file is no such image; TRANSHIP_EINVAL:
 * only one of the two files is named, or the configuration has text that GRUB would not take as
 * text; TRANSHIP_EUNSUPPORTED: these modules do not do what the configuration asks for.
 */
int grub_images_get(const struct tranship_boot_options *options, const struct grub_config *config,
		    struct grub_images *out, struct tranship_error *err);
void grub_images_free(struct grub_images *images);

/* Writes into the images where core.img stands: `sector` of 512 bytes. */
void grub_images_place(struct grub_images *images, uint64_t sector);

/*
 * Reads a stub (EFI/debian/grub.cfg): which file system it searches, and the prefix that it sets.
 * Understood are search.fs_uuid ID, search --fs-uuid ... ID, and set prefix=($root)/..., as Debian,
 * Ubuntu, Fedora, RHEL, SUSE and Arch write them. TRANSHIP_EUNSUPPORTED: they are not both there,
 * or the file system is an encrypted one. Both texts are of at most 127 characters that mean
 * nothing to GRUB's parser.
 */
struct grub_stub {
	char fs_id[128];
	char prefix[128];
	bool btrfs_relative_path; /* as in struct grub_config */
	/* It is not a stub but has the menu itself (RHEL 8 and before): both texts are empty, the
	 * configuration is this file, in this file system. */
	bool complete;
};
int grub_stub_parse(const char *text, size_t len, struct grub_stub *out,
		    struct tranship_error *err);

/* The same out of GRUB's own file (EFI/arch/grubx64.efi), where grub-install puts the text if there
 * is no file for it. */
int grub_stub_find(const unsigned char *image, size_t len, struct grub_stub *out,
		   struct tranship_error *err);

/* Whether these 440 bytes are GRUB's boot.img, and which sector its core.img begins at. */
bool grub_is_boot(const unsigned char *code, uint64_t *core_sector);
/* Whether the first sector of a core.img is at `raw`, how many sectors follow, and where. */
bool grub_is_core(const unsigned char raw[512], uint64_t *next_sector, uint32_t *sectors);

#endif
