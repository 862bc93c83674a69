// SPDX-License-Identifier: Apache-2.0
#include "vhdx_input.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "image_vhdx_log.h"

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
	[VHDX_AT_LOCATOR] = { IMAGE_VHDX_METADATA + VHDX_LOCATOR, 0 },
	[VHDX_AT_BITMAP_ENTRY] = { IMAGE_VHDX_BAT + 8 * 4096, 0 }, /* eight times that with
								      large sectors */
	[VHDX_AT_LOG_END] = { IMAGE_VHDX_LOG + IMAGE_VHDX_LOG_SIZE - 65536, 0 },
};

static int make_base(unsigned flags, struct buffer *out)
{
	static const unsigned states[2][4] = { { VHDX_BLOCK_FULLY_PRESENT, VHDX_BLOCK_NOT_PRESENT,
						 VHDX_BLOCK_ZERO, VHDX_BLOCK_FULLY_PRESENT },
					       { VHDX_BLOCK_PARTIALLY_PRESENT,
						 VHDX_BLOCK_NOT_PRESENT, VHDX_BLOCK_ZERO,
						 VHDX_BLOCK_PARTIALLY_PRESENT } };
	static const unsigned char fill[] = { 0xA1, 0, 0, 0xD4 }, bits[] = { 0xFF, 0, 0, 0 };
	struct image_vhdx image = image_vhdx_defaults();

	image.has_parent = flags & VHDX_INPUT_CHILD;
	image.states = states[image.has_parent];
	image.fill = fill;
	image.bits = bits;
	image.blocks = 4;
	image.disk_size = 4 * VHDX_MB;
	image.logical_sector = flags & VHDX_INPUT_LARGE_SECTORS ? 4096 : 512;
	if (image.has_parent) {
		image.locator = image_vhdx_locator;
		image.locator_pairs = sizeof(image_vhdx_locator) / sizeof(image_vhdx_locator[0]);
	}
	if (image_vhdx(&image, out))
		return -1;
	return flags & VHDX_INPUT_DIRTY ? image_log_usual(out->bytes, out->len) : 0;
}

const struct buffer *vhdx_input_base(unsigned flags)
{
	static struct buffer bases[VHDX_BASES];
	struct buffer *base = &bases[flags / VHDX_INPUT_LARGE_SECTORS % VHDX_BASES];

	if (base->len == 0 && make_base(flags, base))
		return NULL;
	return base;
}

void vhdx_input_parse(const uint8_t *data, size_t size, struct vhdx_input *out)
{
	unsigned records = 0;

	*out = (struct vhdx_input){ .repair = true };
	if (size < HEAD)
		return;
	out->repair = !(data[0] & 1);
	out->force = data[0] & 2;
	out->flags = data[0];
	out->size = (uint64_t)get_le16(data + 1) << 12;
	data += HEAD;
	size -= HEAD;
	while (size > RECORD_HEAD && records++ < VHDX_RECORDS_MAX) {
		unsigned place = data[0] % VHDX_PLACES;
		uint64_t off = (uint64_t)get_le16(data + 1) << (place == VHDX_AT_BLOCKS ? 9 : 0);
		size_t len = data[3] < size - RECORD_HEAD ? data[3] : size - RECORD_HEAD;

		if (place == VHDX_AT_BITMAP_ENTRY && out->flags & VHDX_INPUT_LARGE_SECTORS)
			off += 7 * 8 * 4096;
		data += RECORD_HEAD;
		out->patches[out->count++] = (struct patch){ places[place].at + off, len, data };
		if (places[place].also)
			out->patches[out->count++] =
				(struct patch){ places[place].also + off, len, data };
		data += len;
		size -= RECORD_HEAD + len;
	}
}

bool vhdx_input_touches(const struct vhdx_input *in, uint64_t at, uint64_t len)
{
	size_t i;

	for (i = 0; i < in->count; i++)
		if (in->patches[i].off < at + len && at < in->patches[i].off + in->patches[i].len)
			return true;
	return false;
}

/* The CRC-32C of the log entry at `at` of the ring, `len` bytes, as it should stand in it. */
static int log_sum(struct tranship_file *file, uint32_t at, uint32_t len, uint32_t *sum)
{
	unsigned char raw[LOG_SECTOR];
	uint32_t done;

	*sum = 0;
	for (done = 0; done < len; done += LOG_SECTOR) {
		uint64_t off = IMAGE_VHDX_LOG + ((uint64_t)at + done) % IMAGE_VHDX_LOG_SIZE;

		if (tranship_file_read(file, off, raw, sizeof(raw), NULL))
			return -1;
		if (done == 0)
			memset(raw + LOG_CHECKSUM, 0, 4);
		*sum = crc32c(*sum, raw, sizeof(raw));
	}
	return 0;
}

/* Makes the checksums of short log entries right. */
static int repair_log(struct vhdx_input *in, struct tranship_file *file, size_t *count)
{
	uint32_t at, sum, found = 0;

	if (!vhdx_input_touches(in, IMAGE_VHDX_LOG, IMAGE_VHDX_LOG_SIZE))
		return 0;
	for (at = 0; at < IMAGE_VHDX_LOG_SIZE && found < VHDX_LOG_SUMS_MAX; at += LOG_SECTOR) {
		unsigned char head[LOG_LENGTH + 4];
		uint32_t len;

		if (tranship_file_read(file, IMAGE_VHDX_LOG + at, head, sizeof(head), NULL))
			return -1;
		len = get_le32(head + LOG_LENGTH);
		if (memcmp(head, "loge", 4) != 0 || len % LOG_SECTOR || len > 65536)
			continue;
		if (log_sum(file, at, len, &sum))
			return -1;
		put_le32(in->log_sums[found], sum);
		in->patches[(*count)++] = (struct patch){ IMAGE_VHDX_LOG + at + LOG_CHECKSUM, 4,
							  in->log_sums[found] };
		found++;
	}
	return 0;
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
		if (!vhdx_input_touches(in, sums[i].at, sums[i].size))
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
	if (rc == 0)
		rc = repair_log(in, file, &count);
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
