// SPDX-License-Identifier: Apache-2.0
#include "make_fat.h"

#include "fat_input.h"

#include "base/bytes.h"
#include "mbr-gpt/fat_ondisk.h"

#include <stdio.h>
#include <stdlib.h>

enum { FOLDER = FAT_AT_CLUSTERS, EFI_BOOT = FAT_AT_CLUSTERS + 18 };

struct seed {
	const char *name;
	unsigned flags, path, len;
	unsigned place, off;
	uint32_t value;
	size_t width; /* 0: no record */
};

static const struct seed seeds[] = {
	{ "replace", 0, 0, 60, 0, 0, 0, 0 },
	{ "folder", 0, 1, 100, 0, 0, 0, 0 },
	{ "long-name", 0, 2, 20, FOLDER, 3 * FAT_SLOT + 1, 0xD83D, 2 },
	{ "large-sectors", 3, 6, 181, 0, 0, 0, 0 },
	{ "pairs", FAT_INPUT_PAIRS | 1, 7, 220, FAT_AT_BOOT, FAT_BOOT_FLAGS, 0x81, 2 },
	{ "extend", 0, 4, 30, EFI_BOOT, 15 * FAT_SLOT, 0x202020, 4 },
	{ "loop", 0, 3, 10, FAT_AT_TABLE, 20 * 4, 4, 4 },
	{ "cross-link", 0, 0, 50, FAT_AT_TABLE, 12 * 4, 9, 4 },
	{ "info", FAT_INPUT_ONE, 5, 40, FAT_AT_INFO, FAT_INFO_FREE, 3, 4 },
	{ "raw", FAT_INPUT_RAW, 0, 5, FAT_AT_BOOT, FAT_BOOT_FAT_SECTORS_16, 1, 2 },
};

void make_fat(void (*save)(const char *target, const char *name, const void *bytes, size_t size))
{
	size_t i;

	for (i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		const struct seed *s = &seeds[i];
		unsigned char head[2] = { (unsigned char)(s->flags |
							  s->path << FAT_INPUT_PATH_SHIFT),
					  (unsigned char)s->len },
			      value[4];
		struct buffer out = { 0 };

		put_le32(value, s->value);
		if (buffer_append(&out, head, sizeof(head), NULL) ||
		    (s->width && fat_input_record(&out, s->place, s->off, value, s->width))) {
			perror("make_fat");
			exit(1);
		}
		save("fat", s->name, out.bytes, out.len);
		buffer_free(&out);
	}
}
