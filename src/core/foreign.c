// SPDX-License-Identifier: Apache-2.0
/*
 * Images of other people's formats. What no format here claims is raw, and such an image would be
 * copied as if its headers were a disk; people who want just that say so by naming the format.
 * Probing names more of them: those whose bytes may well be a disk (a LUKS volume), or that a guest
 * could write into the last sector of one (DMG), are read as raw nevertheless.
 */
#include "core/format.h"

#include <string.h>

static const struct foreign signatures[] = {
	{ "qcow", "qcow", 0, 8, "QFI\xfb\0\0\0\1", false, false, false },
	{ "qcow2", "qcow2", 0, 4, "QFI\xfb", false, false, false },
	{ "qed", "QED", 0, 4, "QED\0", false, false, false },
	{ "vdi", "VirtualBox VDI", 64, 4, "\x7f\x10\xda\xbe", false, false, false },
	{ "parallels", "Parallels", 0, 16, "WithoutFreeSpace", false, false, false },
	{ "parallels", "Parallels", 0, 16, "WithouFreSpacExt", false, false, false },
	{ "bochs", "Bochs", 0, 22, "Bochs Virtual HD Image", false, false, false },
	{ "luks", "LUKS", 0, 6, "LUKS\xba\xbe", false, true, true },
	{ "dmg", "Apple DMG", 0, 4, "koly", true, true, false },
	{ "rbd", "Ceph RBD difference", 0, 11, "rbd diff v1", false, false, false },
	{ "rbd", "Ceph RBD difference", 0, 11, "rbd diff v2", false, false, false },
	{ "fingerprint", "tranship fingerprint", 0, 8, "TSHPFPRT", false, false, false },
	{ "gzip", "gzip", 0, 3, "\x1f\x8b\x08", false, true, false },
	{ "xz", "xz", 0, 6,
	  "\xfd"
	  "7zXZ\0",
	  false, true, false },
	{ "zstd", "zstd", 0, 4, "\x28\xb5\x2f\xfd", false, true, false },
	{ "zip", "ZIP", 0, 4, "PK\3\4", false, true, false },
	{ "tar", "tar", 257, 5, "ustar", false, true, false },
};

const struct foreign *foreign_find(const struct probe_input *in)
{
	size_t i;

	for (i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
		const struct foreign *f = &signatures[i];
		const unsigned char *from = f->tail ? in->tail : in->head;
		size_t have = f->tail ? (in->tail ? 512 : 0) : in->head_len;

		if (have >= f->off + f->len && memcmp(from + f->off, f->magic, f->len) == 0)
			return f;
	}
	return NULL;
}
