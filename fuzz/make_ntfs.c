// SPDX-License-Identifier: Apache-2.0
#include "make_ntfs.h"

#include "base/bytes.h"
#include "ntfs_input.h"

#include <string.h>

/* One change to the scene. type: of an attribute of that record, whose value (or runs) `off` counts
 * from; 0: from the place's begin. */
static const struct seed {
	const char *name;
	unsigned char flags, place, type;
	unsigned short off;
	unsigned char len;
	const char *bytes;
} seeds[] = {
	{ "small-clusters", 0, 0, 0, 0, 0, "" },
	{ "large-records", 2, 0, 0, 0, 0, "" },
	{ "large-clusters", 4, 0, 0, 0, 0, "" },
	{ "large-sectors", 6, 0, 0, 0, 0, "" },
	{ "broken-fixups", NTFS_AS_IT_IS, 0, 0, 0, 0, "" },
	{ "bitlocker", 0, NTFS_AT_BOOT, 0, 3, 8, "-FVE-FS-" },
	{ "runs", 0, IMAGE_PLAIN, 0x80, 0, 4, "\x11\x01\x40\x01" },
	{ "list", 0, IMAGE_LISTED, 0x20, 32 + 16, 2, "\x11\0" },
	{ "unit", 0, IMAGE_PACKED, 0x80, 0, 1, "\x12" },
	{ "loop", 0, NTFS_AT_FOLDER + 1, 0, 48 + 96, 1, "\x02" },
	{ "upcase", 0, 10, 0x80, 0, 6, "\x02\0\x01\0\0\0" },
	{ "folder-of-itself", 0, NTFS_AT_FOLDER, 0, 48, 1, "\x13" },
};

void make_ntfs(void (*save)(const char *target, const char *name, const void *bytes, size_t size))
{
	struct image_ntfs image = { 0 };
	size_t i;

	image_ntfs_scene(&image);
	for (i = 0; i < sizeof(seeds) / sizeof(*seeds); i++) {
		const struct seed *s = &seeds[i];
		unsigned char out[64] = { s->flags, s->place };
		size_t off = s->off;

		if (s->type) {
			const unsigned char *a = image_ntfs_attribute(&image, s->place, s->type);

			off += (size_t)(a - image_ntfs_record(&image, s->place)) +
			       get_le16(a + (a[8] ? 32 : 20));
		}
		put_le16(out + 2, (uint16_t)off);
		out[4] = s->len;
		memcpy(out + 5, s->bytes, s->len);
		save("ntfs", s->name, out, s->len ? 5 + (size_t)s->len : 1);
	}
	image_ntfs_free(&image);
}
