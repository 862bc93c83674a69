// SPDX-License-Identifier: Apache-2.0
#include "ntfs_input.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

static size_t place_of(const struct image_ntfs *image, unsigned place)
{
	const unsigned char *at;

	if (place < NTFS_AT_ROOT)
		at = image_ntfs_record(image, place);
	else if (place < NTFS_AT_FOLDER)
		at = image_ntfs_block(image, 5, place - NTFS_AT_ROOT);
	else if (place < NTFS_AT_BOOT)
		at = image_ntfs_block(image, IMAGE_FOLDER, place - NTFS_AT_FOLDER);
	else if (place == NTFS_AT_BOOT)
		at = image->bytes;
	else
		at = image_ntfs_record(image, IMAGE_RECORDS) + (place - NTFS_AT_SECTORS) * 512U;
	return (size_t)(at - image->bytes);
}

/* Built once: that takes longer than reading it. */
static struct image_ntfs *scene(unsigned geometry)
{
	static struct image_ntfs scenes[NTFS_GEOMETRIES] = {
		{ 512, 512, 1024, 1024 },
		{ 512, 1024, 4096, 4096 },
		{ 512, 4096, 1024, 1024 },
		{ 4096, 4096, 4096, 4096 },
	};
	struct image_ntfs *image = &scenes[geometry % NTFS_GEOMETRIES];

	if (!image->bytes)
		image_ntfs_scene(image);
	return image;
}

struct ntfs_input ntfs_input(const uint8_t *data, size_t size)
{
	unsigned flags = size > 0 ? data[0] : 0;
	const struct image_ntfs *good = scene(flags / 2);
	struct ntfs_input out = { good, malloc((size_t)good->front) };
	size_t at, n, off;

	if (!out.front)
		return out;
	memcpy(out.front, good->bytes, (size_t)good->front);
	for (at = 1; at + 4 < size; at += 4 + n) {
		n = data[at + 3] < size - at - 4 ? data[at + 3] : size - at - 4;
		off = place_of(good, data[at]) + get_le16(data + at + 1);
		if (off <= good->front && n <= good->front - off)
			memcpy(out.front + off, data + at + 4, n);
	}
	if (!(flags & NTFS_AS_IT_IS))
		image_ntfs_seal(out.front, (size_t)good->front, good->record_size,
				good->block_size);
	return out;
}
