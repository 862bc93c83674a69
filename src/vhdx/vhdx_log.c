// SPDX-License-Identifier: Apache-2.0
/*
 * The log ([MS-VHDX] 2.3). A log GUID in the header that is not zero says that entries with this
 * GUID may have to be replayed before anything else is believed. They are not replayed here: a disk
 * that has any is refused.
 */
#include "vhdx/vhdx.h"

#include "base/error.h"

#include <string.h>

enum {
	LOG_SECTOR = 4096, /* entries begin at multiples of this */
	ENTRY_OFF_LOG_GUID = 32,
	ENTRY_HEAD = 64,
};

int vhdx_log_dirty(struct vhdx_disk *vhdx, struct tranship_file *file, bool *dirty,
		   struct tranship_error *err)
{
	const struct vhdx_header *h = &vhdx->header;
	uint32_t at;

	*dirty = false;
	if (guid_is_zero(&h->log_guid))
		return 0;
	if (h->log_version != 0)
		return error_set(err, TRANSHIP_EUNSUPPORTED, "vhdx: log version %u; 0 is known",
				 (unsigned)h->log_version);
	for (at = 0; at < h->log_length; at += LOG_SECTOR) {
		unsigned char raw[ENTRY_HEAD];
		int rc = tranship_file_read(file, h->log_offset + at, raw, sizeof(raw), err);

		if (rc)
			return rc;
		if (memcmp(raw, "loge", 4) == 0 &&
		    memcmp(raw + ENTRY_OFF_LOG_GUID, h->log_guid.bytes, 16) == 0) {
			*dirty = true;
			return 0;
		}
	}
	return 0;
}
