/* SPDX-License-Identifier: Apache-2.0 */
/* A volume that Windows starts from, FAT32 or NTFS, as far as a verification reads it. */
#ifndef MBR_GPT_BOOT_VERIFY_SYSTEM_H
#define MBR_GPT_BOOT_VERIFY_SYSTEM_H

#include "mbr-gpt/boot_verify.h"
#include "mbr-gpt/fat.h"
#include "mbr-gpt/ntfs.h"

struct verify_system {
	const struct verify_partition *partition;
	bool is_fat;
	struct fat fat;
	struct ntfs *ntfs; /* NULL: it is FAT, or neither */
};

/* Looks at the boot sector for which of both it is, and opens it. Errors are those of fat_open and
 * ntfs_open; a FAT12 or FAT16 is one. *out must be closed in any case. */
int verify_system_open(const struct verify *v, const struct verify_partition *p,
		       struct verify_system *out, struct tranship_error *err);
/* One of zeros is accepted. */
void verify_system_close(struct verify_system *s);

struct verify_file {
	bool found;
	unsigned char *bytes; /* malloc'ed */
	size_t len;
	char short_name[13]; /* of a FAT */
};
/* Reads a whole file. A folder of the name is none. */
int verify_system_read(struct verify_system *s, const char *path, size_t max,
		       struct verify_file *out, struct tranship_error *err);
int verify_system_has(struct verify_system *s, const char *path, bool *has,
		      struct tranship_error *err);

#endif
