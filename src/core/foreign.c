// SPDX-License-Identifier: Apache-2.0
/*
 * Images of other people's formats. What no format here claims is raw, and such an image would be
 * copied as if its headers were a disk; people who want just that say so by naming the format.
 */
#include "core/format.h"

#include <string.h>

static const struct {
	const char *name;
	size_t off;
	size_t len;
	const char *magic;
} signatures[] = {
	{ "qcow2", 0, 4, "QFI\xfb" },
	{ "QED", 0, 4, "QED\0" },
	{ "VirtualBox VDI", 64, 4, "\x7f\x10\xda\xbe" },
	{ "Parallels", 0, 16, "WithoutFreeSpace" },
	{ "Parallels", 0, 16, "WithouFreSpacExt" },
};

const char *foreign_format(const struct probe_input *in)
{
	size_t i;

	for (i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
		if (in->head_len >= signatures[i].off + signatures[i].len &&
		    memcmp(in->head + signatures[i].off, signatures[i].magic, signatures[i].len) ==
			    0)
			return signatures[i].name;
	return NULL;
}
