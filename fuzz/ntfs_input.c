// SPDX-License-Identifier: Apache-2.0
#include "ntfs_input.h"

#include "base/bytes.h"

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

void ntfs_input(const uint8_t *data, size_t size, struct image_ntfs *out)
{
	static const struct image_ntfs geometries[NTFS_GEOMETRIES] = {
		{ 512, 512, 1024, 1024 },
		{ 512, 1024, 4096, 4096 },
		{ 512, 4096, 1024, 1024 },
		{ 4096, 4096, 4096, 4096 },
	};
	unsigned flags = size > 0 ? data[0] : 0;
	size_t places[NTFS_AT_SECTORS], at, n, off;

	*out = geometries[flags / 2 % NTFS_GEOMETRIES];
	image_ntfs_scene(out);
	/* Where things stand is asked before anything is changed. */
	for (n = 0; n < NTFS_AT_SECTORS; n++)
		places[n] = place_of(out, (unsigned)n);
	for (at = 1; at + 4 < size; at += 4 + n) {
		unsigned place = data[at];

		n = data[at + 3] < size - at - 4 ? data[at + 3] : size - at - 4;
		off = (place < NTFS_AT_SECTORS ? places[place] : place_of(out, place)) +
		      get_le16(data + at + 1);
		if (off <= out->front && n <= out->front - off)
			memcpy(out->bytes + off, data + at + 4, n);
	}
	if (!(flags & NTFS_AS_IT_IS))
		image_ntfs_seal(out->bytes, (size_t)out->front, out->record_size, out->block_size);
}
