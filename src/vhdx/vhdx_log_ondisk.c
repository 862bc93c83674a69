// SPDX-License-Identifier: Apache-2.0
#include "vhdx/vhdx_log_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"

#include <string.h>

enum {
	ENTRY_OFF_SIGNATURE = 0,
	ENTRY_OFF_ENTRY_LENGTH = 8,
	ENTRY_OFF_TAIL = 12,
	ENTRY_OFF_SEQUENCE_NUMBER = 16,
	ENTRY_OFF_DESCRIPTOR_COUNT = 24,
	ENTRY_OFF_LOG_GUID = 32,
	ENTRY_OFF_FLUSHED_FILE_OFFSET = 48,
	ENTRY_OFF_LAST_FILE_OFFSET = 56,

	DESC_OFF_SIGNATURE = 0,
	DESC_OFF_TRAILING_BYTES = 4, /* of a data descriptor */
	DESC_OFF_LEADING_BYTES = 8,  /* of a data descriptor */
	DESC_OFF_ZERO_LENGTH = 8,    /* of a zero descriptor */
	DESC_OFF_FILE_OFFSET = 16,
	DESC_OFF_SEQUENCE_NUMBER = 24,

	DATA_OFF_SIGNATURE = 0,
	DATA_OFF_SEQUENCE_HIGH = 4,
	DATA_OFF_SEQUENCE_LOW = 4092,
};

bool vhdx_log_entry_decode(const unsigned char raw[VHDX_LOG_HEAD], struct vhdx_log_entry *out)
{
	if (memcmp(raw + ENTRY_OFF_SIGNATURE, "loge", 4) != 0)
		return false;
	out->length = get_le32(raw + ENTRY_OFF_ENTRY_LENGTH);
	out->tail = get_le32(raw + ENTRY_OFF_TAIL);
	out->sequence = get_le64(raw + ENTRY_OFF_SEQUENCE_NUMBER);
	out->descriptors = get_le32(raw + ENTRY_OFF_DESCRIPTOR_COUNT);
	memcpy(out->log_guid.bytes, raw + ENTRY_OFF_LOG_GUID, sizeof(out->log_guid.bytes));
	out->flushed_size = get_le64(raw + ENTRY_OFF_FLUSHED_FILE_OFFSET);
	out->last_size = get_le64(raw + ENTRY_OFF_LAST_FILE_OFFSET);
	return true;
}

bool vhdx_log_descriptor_decode(const unsigned char raw[VHDX_LOG_DESCRIPTOR],
				struct vhdx_log_descriptor *out)
{
	struct vhdx_log_descriptor d = { 0 };

	d.is_data = memcmp(raw + DESC_OFF_SIGNATURE, "desc", 4) == 0;
	if (!d.is_data && memcmp(raw + DESC_OFF_SIGNATURE, "zero", 4) != 0)
		return false;
	d.offset = get_le64(raw + DESC_OFF_FILE_OFFSET);
	d.sequence = get_le64(raw + DESC_OFF_SEQUENCE_NUMBER);
	if (d.is_data) {
		d.length = VHDX_LOG_SECTOR;
		memcpy(d.leading, raw + DESC_OFF_LEADING_BYTES, sizeof(d.leading));
		memcpy(d.trailing, raw + DESC_OFF_TRAILING_BYTES, sizeof(d.trailing));
	} else {
		d.length = get_le64(raw + DESC_OFF_ZERO_LENGTH);
	}
	*out = d;
	return true;
}

bool vhdx_log_data_ok(const unsigned char raw[VHDX_LOG_SECTOR], uint64_t sequence)
{
	return memcmp(raw + DATA_OFF_SIGNATURE, "data", 4) == 0 &&
	       get_le32(raw + DATA_OFF_SEQUENCE_HIGH) == sequence >> 32 &&
	       get_le32(raw + DATA_OFF_SEQUENCE_LOW) == (uint32_t)sequence;
}

void vhdx_log_data_restore(unsigned char raw[VHDX_LOG_SECTOR],
			   const struct vhdx_log_descriptor *descriptor)
{
	memcpy(raw, descriptor->leading, sizeof(descriptor->leading));
	memcpy(raw + DATA_OFF_SEQUENCE_LOW, descriptor->trailing, sizeof(descriptor->trailing));
}

uint64_t vhdx_log_head_sectors(uint32_t descriptors)
{
	return div_up(VHDX_LOG_HEAD + (uint64_t)descriptors * VHDX_LOG_DESCRIPTOR, VHDX_LOG_SECTOR);
}
