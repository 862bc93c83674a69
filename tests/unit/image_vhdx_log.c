// SPDX-License-Identifier: Apache-2.0
#include "image_vhdx_log.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <stdlib.h>
#include <string.h>

const unsigned char image_log_guid[16] = { 0x10, 0x9, 0x10, 0x9, 5, 6, 7, 8, 9 };

/* A byte at an offset of the ring. */
static unsigned char *ring(unsigned char *image, uint64_t at)
{
	return image + IMAGE_VHDX_LOG + at % IMAGE_VHDX_LOG_SIZE;
}

void image_log_sum(unsigned char *image, uint32_t at)
{
	uint32_t len = get_le32(ring(image, at) + LOG_LENGTH), done, crc = 0;

	if (len == 0 || len % LOG_SECTOR || len > IMAGE_VHDX_LOG_SIZE)
		return;
	put_le32(ring(image, at) + LOG_CHECKSUM, 0);
	for (done = 0; done < len; done += LOG_SECTOR)
		crc = crc32c(crc, ring(image, (uint64_t)at + done), LOG_SECTOR);
	put_le32(ring(image, at) + LOG_CHECKSUM, crc);
}

static void put_data(unsigned char *descriptor, unsigned char *sector, uint64_t sequence,
		     const struct image_log_write *write)
{
	if (write->bytes)
		memcpy(sector, write->bytes, LOG_SECTOR);
	else
		memset(sector, write->fill, LOG_SECTOR);
	memcpy(descriptor, "desc", 4);
	memcpy(descriptor + 4, sector + LOG_SECTOR - 4, 4);
	memcpy(descriptor + 8, sector, 8);
	memcpy(sector, "data", 4);
	put_le32(sector + 4, (uint32_t)(sequence >> 32));
	put_le32(sector + LOG_SECTOR - 4, (uint32_t)sequence);
}

uint32_t image_log_put(unsigned char *image, uint32_t at, const struct image_log_entry *entry)
{
	uint64_t heads = (LOG_FIRST + 32 * entry->count + LOG_SECTOR - 1) / LOG_SECTOR;
	uint64_t next = at + heads * LOG_SECTOR, place = at + LOG_FIRST, i;
	unsigned char *head = ring(image, at);

	for (i = 0; i < heads; i++)
		memset(ring(image, at + i * LOG_SECTOR), 0, LOG_SECTOR);
	for (i = 0; i < entry->count; i++, place += 32) {
		const struct image_log_write *write = &entry->writes[i];
		unsigned char *descriptor = ring(image, place);

		if (write->zeros > 0) {
			memcpy(descriptor, "zero", 4);
			put_le64(descriptor + LOG_DESC_LENGTH, write->zeros);
		} else {
			put_data(descriptor, ring(image, next), entry->sequence, write);
			next += LOG_SECTOR;
		}
		put_le64(descriptor + LOG_DESC_OFFSET, write->off);
		put_le64(descriptor + LOG_DESC_SEQUENCE, entry->sequence);
	}
	memcpy(head, "loge", 4);
	put_le32(head + LOG_LENGTH, (uint32_t)(next - at));
	put_le32(head + LOG_TAIL, entry->tail);
	put_le64(head + LOG_SEQUENCE, entry->sequence);
	put_le32(head + LOG_DESCRIPTORS, (uint32_t)entry->count);
	memcpy(head + LOG_GUID, image_log_guid, 16);
	put_le64(head + LOG_FLUSHED, entry->flushed);
	put_le64(head + LOG_LAST, entry->last);
	image_log_sum(image, at);
	return (uint32_t)(next % IMAGE_VHDX_LOG_SIZE);
}

void image_log_name(unsigned char *image)
{
	memcpy(image + VHDX_HEADER_2 + VHDX_HEAD_LOG_GUID, image_log_guid, 16);
	image_vhdx_sum(image + VHDX_HEADER_2, VHDX_HEADER_SIZE, VHDX_HEAD_CHECKSUM);
}

int image_log_usual(unsigned char *image, size_t size)
{
	unsigned char *bat = malloc(LOG_SECTOR);
	const struct image_log_write first[] = { { .off = IMAGE_VHDX_BAT, .bytes = bat } };
	const struct image_log_write second[] = {
		{ .off = IMAGE_VHDX_BLOCKS, .zeros = 2 * LOG_SECTOR },
		{ .off = IMAGE_VHDX_BLOCKS + 2 * LOG_SECTOR, .fill = 0x88 }
	};
	struct image_log_entry entry = { 7, 0, size, size + VHDX_MB, first, 1 };
	uint32_t at;

	if (!bat)
		return -1;
	memcpy(bat, image + IMAGE_VHDX_BAT, LOG_SECTOR);
	put_le64(bat + 8, size | VHDX_BLOCK_FULLY_PRESENT);
	at = image_log_put(image, 0, &entry);
	entry.sequence = 8;
	entry.writes = second;
	entry.count = 2;
	image_log_put(image, at, &entry);
	image_log_name(image);
	free(bat);
	return 0;
}
