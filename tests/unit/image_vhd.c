// SPDX-License-Identifier: Apache-2.0
#include "image_vhd.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/zero.h"

#include <string.h>

#define BAT_OFFSET (VHD_FOOTER_SIZE + VHD_DYNAMIC_SIZE)

struct image_vhd image_vhd_defaults(void)
{
	return (struct image_vhd){ .type = VHD_DYNAMIC, .creator = "win ", .block_size = 4096 };
}

void image_vhd_sum(unsigned char *raw, size_t len, size_t field)
{
	uint32_t total = 0;
	size_t i;

	put_be32(raw + field, 0);
	for (i = 0; i < len; i++)
		total += raw[i];
	put_be32(raw + field, ~total);
}

void image_vhd_repair(unsigned char *image, size_t len)
{
	unsigned char *footers[2] = { image, image + len - VHD_FOOTER_SIZE };
	int i;

	if (len < VHD_FOOTER_SIZE)
		return;
	for (i = 0; i < 2; i++) {
		uint64_t at = get_be64(footers[i] + 16);

		if (!vhd_footer_recognise(footers[i]))
			continue;
		if (range_ok(at, VHD_DYNAMIC_SIZE, len) && memcmp(image + at, "cxsparse", 8) == 0)
			image_vhd_sum(image + at, VHD_DYNAMIC_SIZE, VHD_DYNAMIC_CHECKSUM);
	}
	for (i = 0; i < 2; i++)
		if (vhd_footer_recognise(footers[i]))
			image_vhd_sum(footers[i], VHD_FOOTER_SIZE, VHD_FOOTER_CHECKSUM);
}

static int append_footer(const struct image_vhd *image, size_t size, struct buffer *out)
{
	struct vhd_footer f = { .data_offset =
					image->type == VHD_FIXED ? UINT64_MAX : VHD_FOOTER_SIZE,
				.creator_version = 0x000A0000,
				.original_size = size,
				.current_size = size,
				.type = image->type };
	unsigned char raw[VHD_FOOTER_SIZE];

	memcpy(f.creator, image->creator, 4);
	memcpy(f.creator_os, "Wi2k", 4);
	vhd_geometry_for(size, &f);
	if (image->cylinders) {
		f.cylinders = image->cylinders;
		f.heads = 4;
		f.sectors_per_track = 17;
	}
	vhd_footer_encode(&f, raw);
	return buffer_append(out, raw, sizeof(raw), NULL);
}

/* One block: its bitmap, then its data; what lies behind the end of the disk is zeros. */
static int append_block(const struct image_vhd *image, const unsigned char *data, size_t have,
			struct buffer *out)
{
	size_t bitmap = vhd_bitmap_size(image->block_size), at = out->len, i;
	unsigned char *bits, *sectors;

	if (buffer_reserve(out, bitmap + image->block_size, NULL))
		return -1;
	out->len += bitmap + image->block_size;
	bits = out->bytes + at;
	sectors = bits + bitmap;
	memset(bits, 0, bitmap + image->block_size);
	for (i = 0; i < image->block_size / VHD_SECTOR; i++) {
		unsigned char *sector = sectors + i * VHD_SECTOR;
		const unsigned char *from = data + i * VHD_SECTOR;
		bool inside = i * VHD_SECTOR < have;

		if (image->whole_blocks || (inside && !bytes_are_zero(from, VHD_SECTOR)))
			bits[i / 8] |= (unsigned char)(0x80 >> i % 8);
		else if (image->dirty)
			memset(sector, 0xDD, VHD_SECTOR);
		if (inside && !bytes_are_zero(from, VHD_SECTOR))
			memcpy(sector, from, VHD_SECTOR);
	}
	return 0;
}

static int append_dynamic(const struct image_vhd *image, const unsigned char *content, size_t size,
			  struct buffer *out)
{
	struct vhd_dynamic d = { .table_offset = BAT_OFFSET, .block_size = image->block_size };
	unsigned char raw[VHD_DYNAMIC_SIZE], bat[VHD_SECTOR];
	size_t i, at, have;

	d.max_entries = (uint32_t)div_up(size, image->block_size);
	memset(bat, 0xFF, sizeof(bat));
	vhd_dynamic_encode(&d, raw);
	if (d.max_entries > sizeof(bat) / 4 || append_footer(image, size, out) ||
	    buffer_append(out, raw, sizeof(raw), NULL) ||
	    buffer_append(out, bat, sizeof(bat), NULL))
		return -1;
	for (i = 0; i < d.max_entries; i++) {
		at = i * image->block_size;
		have = (size_t)min_u64(image->block_size, size - at);
		if (bytes_are_zero(content + at, have))
			continue;
		put_be32(out->bytes + BAT_OFFSET + 4 * i, (uint32_t)(out->len / VHD_SECTOR));
		if (append_block(image, content + at, have, out))
			return -1;
	}
	return append_footer(image, size, out);
}

int image_vhd(const struct image_vhd *image, const unsigned char *content, size_t size,
	      struct buffer *out)
{
	if (image->type != VHD_FIXED)
		return append_dynamic(image, content, size, out);
	return buffer_append(out, content, size, NULL) ? -1 : append_footer(image, size, out);
}
