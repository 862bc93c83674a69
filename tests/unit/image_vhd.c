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

static bool has_sector(const struct image_vhd *image, const unsigned char *content, size_t sector)
{
	return image->owned ? image->owned[sector]
			    : !bytes_are_zero(content + sector * VHD_SECTOR, VHD_SECTOR);
}

static bool has_some(const struct image_vhd *image, const unsigned char *content, size_t at,
		     size_t len)
{
	size_t i;

	for (i = at / VHD_SECTOR; i < (at + len) / VHD_SECTOR; i++)
		if (has_sector(image, content, i))
			return true;
	return false;
}

/* The block that begins `start` bytes into the disk: its bitmap, then its data; what lies behind
 * the end of the disk is zeros. */
static int append_block(const struct image_vhd *image, const unsigned char *content, size_t start,
			size_t have, struct buffer *out)
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
		const unsigned char *from = content + start + i * VHD_SECTOR;
		bool inside = i * VHD_SECTOR < have;
		bool owned = inside && has_sector(image, content, start / VHD_SECTOR + i);

		if (image->whole_blocks || owned)
			bits[i / 8] |= (unsigned char)(0x80 >> i % 8);
		else if (image->dirty)
			memset(sector, 0xDD, VHD_SECTOR);
		if (owned)
			memcpy(sector, from, VHD_SECTOR);
	}
	return 0;
}

/* Fills in what the header says of the parent; `at`: where the locators' data will stand. */
static void describe_parent(const struct image_vhd *image, size_t at, struct vhd_dynamic *d)
{
	const char *name = image->parent_name ? image->parent_name : "";
	size_t i;

	d->parent_id = image->parent_id;
	d->parent_timestamp = image->parent_timestamp;
	for (i = 0; name[i]; i++)
		d->parent_name[2 * i + 1] = (unsigned char)name[i];
	for (i = 0; i < image->locator_count; i++) {
		const struct image_vhd_locator *l = &image->locators[i];

		d->locators[i] =
			(struct vhd_locator){ l->platform, l->data_space, l->len, (uint64_t)at };
		at += (size_t)round_up(l->len, VHD_SECTOR);
	}
}

static int append_locators(const struct image_vhd *image, struct buffer *out)
{
	static const unsigned char zeros[VHD_SECTOR];
	size_t i;

	for (i = 0; i < image->locator_count; i++) {
		const struct image_vhd_locator *l = &image->locators[i];

		if (buffer_append(out, l->data, l->len, NULL) ||
		    buffer_append(out, zeros, (size_t)round_up(l->len, VHD_SECTOR) - l->len, NULL))
			return -1;
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
	describe_parent(image, BAT_OFFSET + sizeof(bat), &d);
	vhd_dynamic_encode(&d, raw);
	if (d.max_entries > sizeof(bat) / 4 || append_footer(image, size, out) ||
	    buffer_append(out, raw, sizeof(raw), NULL) ||
	    buffer_append(out, bat, sizeof(bat), NULL) || append_locators(image, out))
		return -1;
	for (i = 0; i < d.max_entries; i++) {
		at = i * image->block_size;
		have = (size_t)min_u64(image->block_size, size - at);
		if (!has_some(image, content, at, have))
			continue;
		put_be32(out->bytes + BAT_OFFSET + 4 * i, (uint32_t)(out->len / VHD_SECTOR));
		if (append_block(image, content, at, have, out))
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
