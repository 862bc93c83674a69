// SPDX-License-Identifier: Apache-2.0
/* Seeds of fuzz_fs: volumes in which there is most to decode, each with one change where that is.
 */
#include "make_fs.h"

#include "base/bytes.h"
#include "fs_input.h"
#include "image_fs.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	uint32_t off;
	unsigned char len;
	const char *bytes;
} seeds[] = {
	{ "raid-0.90", IMAGE_FS_SIZE - 65536 + 20, 1, "i" },
	{ "raid-1.2", 4096 + 220, 4, "\x80\7\0\0" },
	{ "lvm2", 512 + 20, 4, "\xe0\1\0\0" },
	{ "luks2", 24, 3, "ab\xff" },
	{ "fat12", 16 * 512 + 64, 2, "\5b" },
	{ "fat16", 17, 2, "\0\2" },
	{ "fat32", 8 * 512 + 12, 4, "\3\0\0\0" },
	{ "swap", 1052, 2, "\xc3\xa9" },
	{ "xfs", 102, 2, "\x10\0" },
	{ "ntfs", 4 * 4096 + 3 * 1024 + 60, 2, "\x20\0" },
	{ "exfat", 24 * 512 + 20, 4, "\5\0\0\0" },
	{ "iso9660", 32768 + 830, 2, "\0\0" },
};

void make_fs(make_fs_save *save)
{
	unsigned char out[FS_INPUT_HEAD + FS_INPUT_RECORD + 255];
	size_t i;

	for (i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		const struct image_fs *fs = image_fs_find(seeds[i].name);

		if (!fs)
			abort();
		out[FS_INPUT_OFF_KIND] = (unsigned char)(fs - image_fs_list);
		out[FS_INPUT_OFF_FLAGS] = FS_INPUT_SUM;
		put_le32(out + FS_INPUT_HEAD, seeds[i].off | (uint32_t)seeds[i].len << 24);
		memcpy(out + FS_INPUT_HEAD + FS_INPUT_RECORD, seeds[i].bytes, seeds[i].len);
		save("fs", seeds[i].name, out, FS_INPUT_HEAD + FS_INPUT_RECORD + seeds[i].len);
	}
}
