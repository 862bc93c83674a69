/* SPDX-License-Identifier: Apache-2.0 */
/* Where GRUB's images come from: what the files behind grub.h share. */
#ifndef MBR_GPT_GRUB_INSIDE_H
#define MBR_GPT_GRUB_INSIDE_H

#include "base/buffer.h"
#include "mbr-gpt/grub.h"

enum { GRUB_SECTOR = 512 };

/* The two ways of grub_images_get. */
int grub_files_get(const struct tranship_boot_options *options, struct grub_images *out,
		   struct tranship_error *err);
int grub_mkimage_get(const struct tranship_boot_options *options, const struct grub_config *config,
		     struct grub_images *out, struct tranship_error *err);

/* Checks both images and makes them `images`: takes over core's bytes, and pads them. `from` is
 * whose they are, for messages ("the given"). */
int grub_images_take(struct grub_images *images, const unsigned char *boot, size_t boot_len,
		     struct buffer *core, const char *from, struct tranship_error *err);

/* Appends the bytes of a regular file. TRANSHIP_ELIMIT: more than max; TRANSHIP_ENOTFOUND: it is
 * not there. */
int grub_file_read(const char *path, size_t max, struct buffer *out, struct tranship_error *err);

/* Text that means nothing to GRUB's parser between single quotes: an identifier of a file system;
 * an absolute path. */
bool grub_id_ok(const char *id);
bool grub_path_ok(const char *path);

/*
 * The archive that core.img carries, a tar with boot/grub.cfg: where GRUB begins. Appended.
 * `linux_module` is NULL where core.img has the command blscfg; else the module with the commands
 * linux and initrd, which core.img must not have itself: grub_bls_script loads it.
 */
int grub_memdisk_make(const struct grub_config *config, const struct buffer *linux_module,
		      struct buffer *out, struct tranship_error *err);

/* blscfg as a function, and linux and initrd. */
extern const char grub_bls_script[];

/* Runs the program `argv` (argv[0] is looked for in PATH unless it has a slash) with `in` as
 * descriptor GRUB_RUN_INPUT. What it prints is appended to out, at most max bytes. Ends with 0 only
 * if it does; TRANSHIP_ENOTFOUND: there is no such program; TRANSHIP_ELIMIT: it prints more. One
 * that does not end within minutes is ended. */
enum { GRUB_RUN_INPUT = 3 };
int grub_run(const char *const *argv, const struct buffer *in, size_t max, struct buffer *out,
	     struct tranship_error *err);

#endif
