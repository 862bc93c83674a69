// SPDX-License-Identifier: Apache-2.0
#include "vhdx_input.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#define HEAD 3
#define RECORD_HEAD 4

/* Where a place begins; the second one of a pair, or 0. */
static const struct {
	uint32_t at, also;
} places[VHDX_PLACES] = {
	[VHDX_AT_START] = { 0, 0 },
	[VHDX_AT_HEADER_1] = { VHDX_HEADER_1, 0 },
	[VHDX_AT_HEADER_2] = { VHDX_HEADER_2, 0 },
	[VHDX_AT_HEADERS] = { VHDX_HEADER_1, VHDX_HEADER_2 },
	[VHDX_AT_REGIONS_1] = { VHDX_REGION_TABLE_1, 0 },
	[VHDX_AT_REGIONS_2] = { VHDX_REGION_TABLE_2, 0 },
	[VHDX_AT_REGIONS] = { VHDX_REGION_TABLE_1, VHDX_REGION_TABLE_2 },
	[VHDX_AT_METADATA] = { IMAGE_VHDX_METADATA, 0 },
	[VHDX_AT_ITEMS] = { IMAGE_VHDX_METADATA + VHDX_METADATA_ITEMS, 0 },
	[VHDX_AT_BAT] = { IMAGE_VHDX_BAT, 0 },
	[VHDX_AT_LOG] = { IMAGE_VHDX_LOG, 0 },
	[VHDX_AT_BLOCKS] = { IMAGE_VHDX_BLOCKS, 0 },
};

void vhdx_input_parse(const uint8_t *data, size_t size, struct vhdx_input *out)
{
	unsigned records = 0;

	*out = (struct vhdx_input){ .repair = true };
	if (size < HEAD)
		return;
	out->repair = !(data[0] & 1);
	out->force = data[0] & 2;
	out->large_sectors = data[0] & 4;
	out->size = (uint64_t)get_le16(data + 1) << 12;
	data += HEAD;
	size -= HEAD;
	while (size > RECORD_HEAD && records++ < VHDX_RECORDS_MAX) {
		unsigned place = data[0] % VHDX_PLACES;
		uint64_t off = (uint64_t)get_le16(data + 1) << (place == VHDX_AT_BLOCKS ? 9 : 0);
		size_t len = data[3] < size - RECORD_HEAD ? data[3] : size - RECORD_HEAD;

		data += RECORD_HEAD;
		out->patches[out->count++] = (struct patch){ places[place].at + off, len, data };
		if (places[place].also)
			out->patches[out->count++] =
				(struct patch){ places[place].also + off, len, data };
		data += len;
		size -= RECORD_HEAD + len;
	}
}

static bool touches(const struct vhdx_input *in, uint64_t at, uint64_t len)
{
	size_t i;

	for (i = 0; i < in->count; i++)
		if (in->patches[i].off < at + len && at < in->patches[i].off + in->patches[i].len)
			return true;
	return false;
}

int vhdx_input_repair(struct vhdx_input *in, const struct buffer *base)
{
	static const struct {
		uint32_t at, size, checksum;
	} sums[4] = { { VHDX_HEADER_1, VHDX_HEADER_SIZE, VHDX_HEAD_CHECKSUM },
		      { VHDX_HEADER_2, VHDX_HEADER_SIZE, VHDX_HEAD_CHECKSUM },
		      { VHDX_REGION_TABLE_1, VHDX_TABLE_SIZE, VHDX_REGION_CHECKSUM },
		      { VHDX_REGION_TABLE_2, VHDX_TABLE_SIZE, VHDX_REGION_CHECKSUM } };
	struct tranship_file *file =
		patched_file(base->bytes, base->len, base->len, in->patches, in->count);
	size_t count = in->count, i;
	int rc = file ? 0 : -1;

	for (i = 0; i < 4 && rc == 0; i++) {
		if (!touches(in, sums[i].at, sums[i].size))
			continue;
		in->sums[i] = malloc(sums[i].size);
		rc = in->sums[i]
			     ? tranship_file_read(file, sums[i].at, in->sums[i], sums[i].size, NULL)
			     : -1;
		if (rc)
			break;
		image_vhdx_sum(in->sums[i], sums[i].size, sums[i].checksum);
		in->patches[count++] = (struct patch){ sums[i].at, sums[i].size, in->sums[i] };
	}
	tranship_file_close(file);
	in->count = count;
	return rc;
}

void vhdx_input_free(struct vhdx_input *in)
{
	int i;

	for (i = 0; i < 4; i++)
		free(in->sums[i]);
}

int vhdx_input_begin(struct buffer *out, unsigned flags, uint16_t units)
{
	unsigned char head[HEAD] = { (unsigned char)flags };

	put_le16(head + 1, units);
	return buffer_append(out, head, sizeof(head), NULL);
}

int vhdx_input_record(struct buffer *out, enum vhdx_place place, uint16_t off, const void *bytes,
		      uint8_t len)
{
	unsigned char head[RECORD_HEAD] = { (unsigned char)place };

	put_le16(head + 1, off);
	head[3] = len;
	if (buffer_append(out, head, sizeof(head), NULL))
		return -1;
	return buffer_append(out, bytes, len, NULL);
}
