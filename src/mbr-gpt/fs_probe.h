/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows of fs_probe.c share: one door to the bytes of a volume, and how ids and labels are
 * put down. */
#ifndef MBR_GPT_FS_PROBE_H
#define MBR_GPT_FS_PROBE_H

#include "mbr-gpt/layout.h"

enum {
	PROBE_HEAD = 8192, /* bytes of the volume's start that most rows look at, read once */
	PROBE_PAGE = 4096, /* the most that a row asks for at once */
};

struct probe {
	const struct volume *volume;
	struct fs_found *out; /* rows fill in id and label, and the type where it has variants */
	struct tranship_error *err;
	int rc; /* why the disk could not be read; nothing more is read then */
	size_t head_len;
	unsigned char head[PROBE_HEAD], page[PROBE_PAGE];
};

/* len bytes at off, at most PROBE_PAGE behind the head; what is not in the head lives until the
 * next call. NULL: the volume does not have them, or could not be read (p->rc). */
const unsigned char *probe_bytes(struct probe *p, uint64_t off, size_t len);

/* 16 bytes as 8-4-4-4-12 digits; zeros are no id. */
void probe_uuid(struct probe *p, const unsigned char *bytes);
/* A serial number of 32 bits, "ABCD-0123". */
void probe_serial(struct probe *p, uint32_t serial);
/* Up to a NUL; blanks at the end do not count. Of UTF-16: units. */
void probe_label(struct probe *p, const unsigned char *bytes, size_t len);
void probe_label_utf16(struct probe *p, const unsigned char *bytes, size_t units);

/* Whether it is one: then id and label are set. */
typedef bool probe_fn(struct probe *p);

/* fs_probe_windows.c */
probe_fn probe_bitlocker, probe_fat, probe_ntfs, probe_exfat, probe_refs;
/* fs_probe_linux.c */
probe_fn probe_ext, probe_xfs, probe_btrfs, probe_swap, probe_squashfs, probe_iso9660;
/* fs_probe_member.c */
probe_fn probe_raid, probe_lvm2, probe_luks;

#endif
