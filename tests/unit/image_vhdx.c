// SPDX-License-Identifier: Apache-2.0
#include "image_vhdx.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <string.h>

static const unsigned char locator_type[16] = { 0xB7, 0xEF, 0x4A, 0xB0, 0x9E, 0xD1, 0x81, 0x4A,
						0xB7, 0x89, 0x25, 0xB8, 0xE9, 0x44, 0x59, 0x13 };
static const unsigned char locator_item[16] = { 0x2D, 0x5F, 0xD3, 0xA8, 0x0B, 0xB3, 0x4D, 0x45,
						0xAB, 0xF7, 0xD3, 0xD8, 0x48, 0x34, 0xAB, 0x0C };

const struct image_vhdx_pair image_vhdx_locator[5] = {
	{ "absolute_win32_path", "C:\\disks\\parent.vhdx" },
	{ "parent_linkage", "{11223344-5566-7788-99AA-BBCCDDEEFF00}" },
	{ "parent_linkage2", "{00000000-0000-0000-0000-000000000000}" },
	{ "relative_path", ".\\parent.vhdx" },
	{ "volume_path", "\\\\?\\Volume{5e0bd954}\\disks\\parent.vhdx" },
};

struct image_vhdx image_vhdx_defaults(void)
{
	static const unsigned states[] = { VHDX_BLOCK_FULLY_PRESENT, VHDX_BLOCK_NOT_PRESENT };
	static const unsigned char fill[] = { 0xA1, 0xB2 };

	return (struct image_vhdx){ .block_size = VHDX_BLOCK_MIN,
				    .logical_sector = 512,
				    .disk_size = 2 * VHDX_MB,
				    .blocks = 2,
				    .states = states,
				    .fill = fill,
				    .sequence = { 1, 2 } };
}

void image_vhdx_sum(unsigned char *raw, size_t len, size_t field)
{
	put_le32(raw + field, 0);
	put_le32(raw + field, crc32c(0, raw, len));
}

void image_vhdx_repair(unsigned char *image, size_t len)
{
	static const uint32_t headers[] = { VHDX_HEADER_1, VHDX_HEADER_2 };
	static const uint32_t tables[] = { VHDX_REGION_TABLE_1, VHDX_REGION_TABLE_2 };
	int i;

	if (len < VHDX_MB)
		return;
	for (i = 0; i < 2; i++) {
		image_vhdx_sum(image + headers[i], VHDX_HEADER_SIZE, VHDX_HEAD_CHECKSUM);
		image_vhdx_sum(image + tables[i], VHDX_TABLE_SIZE, VHDX_REGION_CHECKSUM);
	}
}

static void put_headers(const struct image_vhdx *image, unsigned char *raw)
{
	struct vhdx_header h = { .version = 1,
				 .log_length = (uint32_t)VHDX_MB,
				 .log_offset = IMAGE_VHDX_LOG };
	struct vhdx_regions regions = { .bat = { IMAGE_VHDX_BAT, VHDX_MB },
					.metadata = { IMAGE_VHDX_METADATA, VHDX_MB } };

	h.data_write_guid = image->data_write_guid;
	memcpy(raw, VHDX_SIGNATURE, 8);
	h.sequence = image->sequence[0];
	vhdx_header_encode(&h, raw + VHDX_HEADER_1);
	h.sequence = image->sequence[1];
	vhdx_header_encode(&h, raw + VHDX_HEADER_2);
	vhdx_regions_encode(&regions, raw + VHDX_REGION_TABLE_1);
	vhdx_regions_encode(&regions, raw + VHDX_REGION_TABLE_2);
}

static int append_text(struct buffer *out, const char *ascii, unsigned char *off,
		       unsigned char *len, size_t start)
{
	put_le32(off, (uint32_t)(out->len - start));
	put_le16(len, (uint16_t)(2 * strlen(ascii)));
	for (; *ascii; ascii++) {
		unsigned char unit[2] = { (unsigned char)*ascii, 0 };

		if (buffer_append(out, unit, sizeof(unit), NULL))
			return -1;
	}
	return 0;
}

int image_vhdx_locate(const struct image_vhdx_pair *pairs, size_t count, struct buffer *out)
{
	unsigned char head[20 + 12 * 8] = { 0 };
	size_t start = out->len, size = 20 + 12 * count, i;
	int rc = 0;

	if (size > sizeof(head))
		return -1;
	memcpy(head, locator_type, 16);
	put_le16(head + 18, (uint16_t)count);
	if (buffer_append(out, head, size, NULL))
		return -1;
	for (i = 0; i < count && rc == 0; i++) {
		unsigned char *pair = head + 20 + 12 * i;

		rc = append_text(out, pairs[i].key, pair, pair + 8, start);
		if (rc == 0)
			rc = append_text(out, pairs[i].value, pair + 4, pair + 10, start);
	}
	if (rc == 0)
		memcpy(out->bytes + start, head, size);
	return rc;
}

/* The sixth item. */
static int put_locator(const struct image_vhdx *image, unsigned char *metadata)
{
	unsigned char *entry = metadata + VHDX_METADATA_FIRST + 32 * 5;
	struct buffer out = { 0 };
	int rc = image_vhdx_locate(image->locator, image->locator_pairs, &out);

	if (rc == 0) {
		put_le16(metadata + VHDX_METADATA_COUNT, 6);
		memcpy(entry, locator_item, 16);
		put_le32(entry + 16, VHDX_LOCATOR);
		put_le32(entry + 20, (uint32_t)out.len);
		put_le32(entry + 24, 4);
		memcpy(metadata + VHDX_LOCATOR, out.bytes, out.len);
	}
	buffer_free(&out);
	return rc;
}

static int append_filled(struct buffer *out, unsigned char fill, size_t len)
{
	if (buffer_reserve(out, len, NULL))
		return -1;
	memset(out->bytes + out->len, fill, len);
	out->len += len;
	return 0;
}

/* Sets the bits of block i; *bitmap is where that of its chunk stands, 0: not yet there. */
static int put_bits(const struct image_vhdx *image, const struct vhdx_metadata *m, size_t i,
		    uint64_t *bitmap, struct buffer *out)
{
	uint64_t ratio = vhdx_chunk_ratio(m);
	size_t bytes = m->block_size / m->logical_sector / 8;

	if (*bitmap == 0) {
		*bitmap = out->len;
		if (append_filled(out, 0, VHDX_BITMAP_SIZE))
			return -1;
		put_le64(out->bytes + IMAGE_VHDX_BAT + 8 * vhdx_bitmap_entry(m, i / ratio),
			 *bitmap | VHDX_BITMAP_PRESENT);
	}
	memset(out->bytes + *bitmap + i % ratio * bytes, image->bits[i], bytes);
	return 0;
}

static int append_blocks(const struct image_vhdx *image, const struct vhdx_metadata *m,
			 struct buffer *out)
{
	uint64_t ratio = vhdx_chunk_ratio(m), bitmap = 0;
	size_t i;

	for (i = 0; i < image->blocks; i++) {
		unsigned state = image->states[i];
		uint64_t entry = state;

		if (i % ratio == 0)
			bitmap = 0;
		if (state == VHDX_BLOCK_PARTIALLY_PRESENT && put_bits(image, m, i, &bitmap, out))
			return -1;
		if (state == VHDX_BLOCK_FULLY_PRESENT || state == VHDX_BLOCK_PARTIALLY_PRESENT) {
			entry |= out->len;
			if (append_filled(out, image->fill[i], image->block_size))
				return -1;
		}
		put_le64(out->bytes + IMAGE_VHDX_BAT + 8 * (i + i / ratio), entry);
	}
	return 0;
}

int image_vhdx(const struct image_vhdx *image, struct buffer *out)
{
	struct vhdx_metadata m = { .block_size = image->block_size,
				   .has_parent = image->has_parent,
				   .disk_size = image->disk_size,
				   .logical_sector = image->logical_sector,
				   .physical_sector = 4096 };

	if (append_filled(out, 0, IMAGE_VHDX_BLOCKS))
		return -1;
	put_headers(image, out->bytes);
	vhdx_metadata_encode(&m, out->bytes + IMAGE_VHDX_METADATA);
	if (image->locator && put_locator(image, out->bytes + IMAGE_VHDX_METADATA))
		return -1;
	return append_blocks(image, &m, out);
}
