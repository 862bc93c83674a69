// SPDX-License-Identifier: Apache-2.0
#include "fat_input.h"

#include "base/bytes.h"
#include "mbr-gpt/fat_ondisk.h"

#include <string.h>

const char *const fat_input_paths[8] = {
	"BOOTMGR",
	"Boot/BCD",
	"ALONGN~1.TXT",
	"EFI/BOOT/BOOTX64.EFI",
	"EFI\\BOOT\\NEW.EFI",
	"EMPTY.TXT",
	"EFI/A/B/C.D",
	"boot/memtest.exe",
};

/* The bytes of a place. */
static unsigned char *place_of(const struct image_fat *image, unsigned place, size_t *len)
{
	*len = 512;
	if (place == FAT_AT_BOOT)
		return image->bytes;
	if (place == FAT_AT_INFO)
		return image->bytes + image->sector_size;
	*len = (size_t)image->fat_sectors * image->sector_size;
	if (place == FAT_AT_TABLE)
		return image_fat_table(image, 0);
	*len = (size_t)image->cluster_sectors * image->sector_size;
	return image_fat_cluster(image, 2 + (place - FAT_AT_CLUSTERS) % image->clusters);
}

/* The checksums of long names, by the short entry that they stand before. */
static void repair_names(const struct image_fat *image)
{
	unsigned char *slot = image_fat_cluster(image, 2), *end = image->bytes + image->size;
	size_t count = 0, i;

	for (; slot < end; slot += FAT_SLOT) {
		if (slot[0] != FAT_SLOT_FREE && slot[0] != FAT_SLOT_LAST &&
		    fat_slot_is_long(slot)) {
			count++;
			continue;
		}
		for (i = 1; i <= count && i <= FAT_LONG_SLOTS; i++)
			slot[13 - (ptrdiff_t)(i * FAT_SLOT)] = fat_short_checksum(slot);
		count = 0;
	}
}

static void apply(struct image_fat *image, const uint8_t *data, size_t size)
{
	unsigned records = 0;

	while (size >= 4 && records++ < FAT_INPUT_RECORDS_MAX) {
		size_t off = get_le16(data + 1), len = data[3], space;
		unsigned char *to = place_of(image, data[0], &space);

		len = len < size - 4 ? len : size - 4;
		off %= space;
		memcpy(to + off, data + 4, len < space - off ? len : space - off);
		data += 4 + len;
		size -= 4 + len;
	}
}

int fat_input_parse(const uint8_t *data, size_t size, struct fat_input *out)
{
	unsigned flags = size > 1 ? data[0] : 0;

	*out = (struct fat_input){ .image = image_fat_defaults() };
	if (size < 2)
		return -1;
	out->image.sector_size = 512U << (flags & FAT_INPUT_SECTOR);
	out->image.cluster_sectors = flags & FAT_INPUT_PAIRS ? 2 : 1;
	out->image.clusters = 48;
	out->path = fat_input_paths[flags >> FAT_INPUT_PATH_SHIFT];
	out->len = (size_t)data[1] * data[1] / 2;
	if (image_fat_new(&out->image))
		return -1;
	image_fat_fill(&out->image);
	apply(&out->image, data + 2, size - 2);
	if (!(flags & FAT_INPUT_ONE))
		memcpy(image_fat_table(&out->image, 1), image_fat_table(&out->image, 0),
		       (size_t)out->image.fat_sectors * out->image.sector_size);
	if (flags & FAT_INPUT_RAW)
		return 0;
	put_le16(out->image.bytes + FAT_BOOT_SIGNATURE, 0xAA55);
	repair_names(&out->image);
	return 0;
}

int fat_input_record(struct buffer *out, unsigned place, unsigned off, const void *bytes,
		     size_t len)
{
	unsigned char head[4] = { (unsigned char)place, (unsigned char)off,
				  (unsigned char)(off >> 8), (unsigned char)len };

	return buffer_append(out, head, sizeof(head), NULL) || buffer_append(out, bytes, len, NULL)
		       ? -1
		       : 0;
}
