// SPDX-License-Identifier: Apache-2.0
#include "image_vhdx.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <string.h>

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

	memcpy(raw, VHDX_SIGNATURE, 8);
	h.sequence = image->sequence[0];
	vhdx_header_encode(&h, raw + VHDX_HEADER_1);
	h.sequence = image->sequence[1];
	vhdx_header_encode(&h, raw + VHDX_HEADER_2);
	vhdx_regions_encode(&regions, raw + VHDX_REGION_TABLE_1);
	vhdx_regions_encode(&regions, raw + VHDX_REGION_TABLE_2);
}

static int append_blocks(const struct image_vhdx *image, const struct vhdx_metadata *m,
			 struct buffer *out)
{
	uint64_t ratio = vhdx_chunk_ratio(m), entry;
	size_t i;

	for (i = 0; i < image->blocks; i++) {
		entry = image->states[i];
		if (image->states[i] == VHDX_BLOCK_FULLY_PRESENT) {
			entry |= out->len;
			if (buffer_reserve(out, image->block_size, NULL))
				return -1;
			memset(out->bytes + out->len, image->fill[i], image->block_size);
			out->len += image->block_size;
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

	if (buffer_reserve(out, IMAGE_VHDX_BLOCKS, NULL))
		return -1;
	memset(out->bytes, 0, IMAGE_VHDX_BLOCKS);
	out->len = IMAGE_VHDX_BLOCKS;
	put_headers(image, out->bytes);
	vhdx_metadata_encode(&m, out->bytes + IMAGE_VHDX_METADATA);
	return append_blocks(image, &m, out);
}
