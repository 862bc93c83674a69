// SPDX-License-Identifier: Apache-2.0
#include "vmdk/vmdk_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

enum {
	OFF_MAGIC = 0,
	OFF_VERSION = 4,
	OFF_FLAGS = 8,
	OFF_CAPACITY = 12,
	OFF_GRAIN_SIZE = 20,
	OFF_DESCRIPTOR_OFFSET = 28,
	OFF_DESCRIPTOR_SIZE = 36,
	OFF_NUM_GTES_PER_GT = 44,
	OFF_RGD_OFFSET = 48,
	OFF_GD_OFFSET = 56,
	OFF_OVERHEAD = 64,
	OFF_UNCLEAN_SHUTDOWN = 72,
	OFF_SINGLE_END_LINE_CHAR = 73,
	OFF_COMPRESS_ALGORITHM = 77,
};

/* A transfer that turns newlines around damages these. */
static const unsigned char newline_test[4] = { '\n', ' ', '\r', '\n' };

static int check_fields(const struct vmdk_header *h, struct tranship_error *err)
{
	bool packed = h->flags & VMDK_FLAG_COMPRESSED;
	uint64_t grain_max = packed ? VMDK_PACKED_GRAIN_SECTORS_MAX : VMDK_GRAIN_SECTORS_MAX;

	if (h->version < 1 || h->version > 3)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: version %" PRIu32 "; 1 to 3 are known", h->version);
	if (h->capacity > VMDK_CAPACITY_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "vmdk: capacity of %" PRIu64 " sectors, more than %" PRIu64,
				 h->capacity, VMDK_CAPACITY_MAX);
	if (!is_pow2(h->grain_sectors) || h->grain_sectors > grain_max)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: grains of %" PRIu64
				 " sectors; a power of two up to %" PRIu64 " is taken",
				 h->grain_sectors, grain_max);
	if (h->gtes_per_gt == 0 || h->gtes_per_gt > VMDK_GTES_PER_GT_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: grain tables of %" PRIu32 " entries; 1 to %u are taken",
				 h->gtes_per_gt, VMDK_GTES_PER_GT_MAX);
	if (vmdk_gd_entries(h) > VMDK_GD_ENTRIES_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "vmdk: a grain directory of %" PRIu64 " entries, more than %u",
				 vmdk_gd_entries(h), VMDK_GD_ENTRIES_MAX);
	if (packed && h->compress != VMDK_COMPRESS_DEFLATE)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: compression algorithm %u; only 1 (deflate) is known",
				 (unsigned)h->compress);
	return 0;
}

int vmdk_header_decode(const unsigned char raw[VMDK_HEADER_SIZE], struct vmdk_header *out,
		       struct tranship_error *err)
{
	struct vmdk_header h;
	int rc;

	if (get_le32(raw + OFF_MAGIC) != VMDK_MAGIC_SPARSE)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: no sparse header, it begins 0x%08" PRIx32,
				 get_le32(raw + OFF_MAGIC));
	h.version = get_le32(raw + OFF_VERSION);
	h.flags = get_le32(raw + OFF_FLAGS);
	h.capacity = get_le64(raw + OFF_CAPACITY);
	h.grain_sectors = get_le64(raw + OFF_GRAIN_SIZE);
	h.descriptor_offset = get_le64(raw + OFF_DESCRIPTOR_OFFSET);
	h.descriptor_sectors = get_le64(raw + OFF_DESCRIPTOR_SIZE);
	h.gtes_per_gt = get_le32(raw + OFF_NUM_GTES_PER_GT);
	h.rgd_offset = get_le64(raw + OFF_RGD_OFFSET);
	h.gd_offset = get_le64(raw + OFF_GD_OFFSET);
	h.overhead = get_le64(raw + OFF_OVERHEAD);
	h.unclean = raw[OFF_UNCLEAN_SHUTDOWN] != 0;
	h.compress = get_le16(raw + OFF_COMPRESS_ALGORITHM);
	rc = check_fields(&h, err);
	if (rc)
		return rc;
	if (h.flags & VMDK_FLAG_NEWLINE_TEST &&
	    memcmp(raw + OFF_SINGLE_END_LINE_CHAR, newline_test, sizeof(newline_test)) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: the newline test in the header failed; a text-mode "
				 "transfer damaged the file");
	*out = h;
	return 0;
}

void vmdk_header_encode(const struct vmdk_header *h, unsigned char raw[VMDK_HEADER_SIZE])
{
	memset(raw, 0, VMDK_HEADER_SIZE);
	put_le32(raw + OFF_MAGIC, VMDK_MAGIC_SPARSE);
	put_le32(raw + OFF_VERSION, h->version);
	put_le32(raw + OFF_FLAGS, h->flags);
	put_le64(raw + OFF_CAPACITY, h->capacity);
	put_le64(raw + OFF_GRAIN_SIZE, h->grain_sectors);
	put_le64(raw + OFF_DESCRIPTOR_OFFSET, h->descriptor_offset);
	put_le64(raw + OFF_DESCRIPTOR_SIZE, h->descriptor_sectors);
	put_le32(raw + OFF_NUM_GTES_PER_GT, h->gtes_per_gt);
	put_le64(raw + OFF_RGD_OFFSET, h->rgd_offset);
	put_le64(raw + OFF_GD_OFFSET, h->gd_offset);
	put_le64(raw + OFF_OVERHEAD, h->overhead);
	raw[OFF_UNCLEAN_SHUTDOWN] = h->unclean;
	memcpy(raw + OFF_SINGLE_END_LINE_CHAR, newline_test, sizeof(newline_test));
	put_le16(raw + OFF_COMPRESS_ALGORITHM, h->compress);
}

uint64_t vmdk_gd_entries(const struct vmdk_header *h)
{
	return div_up(div_up(h->capacity, h->grain_sectors), h->gtes_per_gt);
}

uint64_t vmdk_gt_sectors(const struct vmdk_header *h)
{
	return div_up((uint64_t)h->gtes_per_gt * 4, VMDK_SECTOR);
}

uint64_t vmdk_gd_sectors(const struct vmdk_header *h)
{
	return div_up(vmdk_gd_entries(h) * 4, VMDK_SECTOR);
}

void vmdk_marker_decode(const unsigned char raw[16], struct vmdk_marker *out)
{
	out->value = get_le64(raw);
	out->size = get_le32(raw + 8);
	out->type = get_le32(raw + 12);
}

void vmdk_marker_encode(const struct vmdk_marker *marker, unsigned char raw[VMDK_SECTOR])
{
	memset(raw, 0, VMDK_SECTOR);
	put_le64(raw, marker->value);
	put_le32(raw + 8, marker->size);
	put_le32(raw + 12, marker->type);
}
