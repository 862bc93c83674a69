// SPDX-License-Identifier: Apache-2.0
#include "vmdk/vmdk_cowd_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "vmdk/vmdk_ondisk.h"

#include <inttypes.h>
#include <string.h>

enum {
	OFF_MAGIC_NUMBER = 0,
	OFF_VERSION = 4,
	OFF_FLAGS = 8,
	OFF_NUM_SECTORS = 12,
	OFF_GRAIN_SIZE = 16,
	OFF_GD_OFFSET = 20,
	OFF_NUM_GD_ENTRIES = 24,
	OFF_FREE_SECTOR = 28,
	OFF_PARENT_FILE_NAME = 32, /* of a child; a root has its geometry here */
	OFF_PARENT_GENERATION = 1056,
	OFF_GENERATION = 1060,
	OFF_UNCLEAN_SHUTDOWN = 1648,
};

static int check_fields(const struct vmdk_cowd_header *h, uint32_t version,
			struct tranship_error *err)
{
	uint64_t tables = h->grain_sectors ? div_up(div_up(h->capacity, h->grain_sectors),
						    VMDK_COWD_GTES_PER_GT)
					   : 0;

	/* Version 3, of Workstation 3, has tables of another size. */
	if (version != 1)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: COWD version %" PRIu32 "; only 1 is known", version);
	if (!is_pow2(h->grain_sectors) || h->grain_sectors > VMDK_GRAIN_SECTORS_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: grains of %" PRIu32
				 " sectors; a power of two up to %" PRIu64 " is taken",
				 h->grain_sectors, VMDK_GRAIN_SECTORS_MAX);
	if (h->gd_offset < VMDK_COWD_HEADER_SECTORS)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: the grain directory at sector %" PRIu32
				 " lies in the header (%u sectors)",
				 h->gd_offset, VMDK_COWD_HEADER_SECTORS);
	if (h->gd_entries < tables)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: a grain directory of %" PRIu32
				 " entries, the disk needs %" PRIu64,
				 h->gd_entries, tables);
	return 0;
}

int vmdk_cowd_decode(const unsigned char raw[VMDK_COWD_HEADER_SIZE], struct vmdk_cowd_header *out,
		     struct tranship_error *err)
{
	struct vmdk_cowd_header h = { 0 };
	int rc;

	if (get_le32(raw + OFF_MAGIC_NUMBER) != VMDK_MAGIC_COWD)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: no COWD header, it begins 0x%08" PRIx32,
				 get_le32(raw + OFF_MAGIC_NUMBER));
	h.flags = get_le32(raw + OFF_FLAGS);
	h.capacity = get_le32(raw + OFF_NUM_SECTORS);
	h.grain_sectors = get_le32(raw + OFF_GRAIN_SIZE);
	h.gd_offset = get_le32(raw + OFF_GD_OFFSET);
	h.gd_entries = get_le32(raw + OFF_NUM_GD_ENTRIES);
	h.free_sector = get_le32(raw + OFF_FREE_SECTOR);
	h.generation = get_le32(raw + OFF_GENERATION);
	h.unclean = get_le32(raw + OFF_UNCLEAN_SHUTDOWN) != 0;
	if (!(h.flags & VMDK_COWD_ROOT)) {
		memcpy(h.parent_name, raw + OFF_PARENT_FILE_NAME, VMDK_COWD_PARENT_MAX);
		h.parent_generation = get_le32(raw + OFF_PARENT_GENERATION);
	}
	rc = check_fields(&h, get_le32(raw + OFF_VERSION), err);
	if (rc == 0)
		*out = h;
	return rc;
}

void vmdk_cowd_encode(const struct vmdk_cowd_header *h, unsigned char raw[VMDK_COWD_HEADER_SIZE])
{
	memset(raw, 0, VMDK_COWD_HEADER_SIZE);
	put_le32(raw + OFF_MAGIC_NUMBER, VMDK_MAGIC_COWD);
	put_le32(raw + OFF_VERSION, 1);
	put_le32(raw + OFF_FLAGS, h->flags);
	put_le32(raw + OFF_NUM_SECTORS, h->capacity);
	put_le32(raw + OFF_GRAIN_SIZE, h->grain_sectors);
	put_le32(raw + OFF_GD_OFFSET, h->gd_offset);
	put_le32(raw + OFF_NUM_GD_ENTRIES, h->gd_entries);
	put_le32(raw + OFF_FREE_SECTOR, h->free_sector);
	if (!(h->flags & VMDK_COWD_ROOT)) {
		memcpy(raw + OFF_PARENT_FILE_NAME, h->parent_name, VMDK_COWD_PARENT_MAX);
		put_le32(raw + OFF_PARENT_GENERATION, h->parent_generation);
	}
	put_le32(raw + OFF_GENERATION, h->generation);
	put_le32(raw + OFF_UNCLEAN_SHUTDOWN, h->unclean);
}
