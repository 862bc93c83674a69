// SPDX-License-Identifier: Apache-2.0
#include "vhd/vhd_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

enum {
	OFF_COOKIE = 0,
	OFF_FEATURES = 8,
	OFF_VERSION = 12,
	OFF_DATA_OFFSET = 16,
	OFF_TIMESTAMP = 24,
	OFF_CREATOR_APPLICATION = 28,
	OFF_CREATOR_VERSION = 32,
	OFF_CREATOR_HOST_OS = 36,
	OFF_ORIGINAL_SIZE = 40,
	OFF_CURRENT_SIZE = 48,
	OFF_CYLINDERS = 56,
	OFF_HEADS = 58,
	OFF_SECTORS_PER_TRACK = 59,
	OFF_DISK_TYPE = 60,
	OFF_CHECKSUM = 64,
	OFF_UNIQUE_ID = 68,
	OFF_SAVED_STATE = 84,
	OFF_CUT_MARK = 256, /* ours, in what is reserved */

	DYN_OFF_COOKIE = 0,
	DYN_OFF_DATA_OFFSET = 8,
	DYN_OFF_TABLE_OFFSET = 16,
	DYN_OFF_HEADER_VERSION = 24,
	DYN_OFF_MAX_TABLE_ENTRIES = 28,
	DYN_OFF_BLOCK_SIZE = 32,
	DYN_OFF_CHECKSUM = 36,
	DYN_OFF_PARENT_ID = 40,
	DYN_OFF_PARENT_TIMESTAMP = 56,
	DYN_OFF_PARENT_NAME = 64,
	DYN_OFF_LOCATORS = 576,

	LOC_SIZE = 24,
	LOC_OFF_PLATFORM_CODE = 0,
	LOC_OFF_DATA_SPACE = 4,
	LOC_OFF_DATA_LENGTH = 8,
	LOC_OFF_DATA_OFFSET = 16,
};

#define FEATURES_RESERVED 2U /* always set */
#define VERSION_1_0 0x00010000U

static const char footer_cookie[8] = { 'c', 'o', 'n', 'e', 'c', 't', 'i', 'x' };
static const char cut_mark[8] = { 'c', 'u', 't', 's', 'h', 'o', 'r', 't' };
static const char dynamic_cookie[8] = { 'c', 'x', 's', 'p', 'a', 'r', 's', 'e' };

/* The one's complement of the sum of all bytes but the checksum's own. */
static uint32_t checksum(const unsigned char *raw, size_t len, size_t field)
{
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < len; i++)
		if (i < field || i >= field + 4)
			sum += raw[i];
	return ~sum;
}

static int check_sum(const unsigned char *raw, size_t len, size_t field, const char *what,
		     struct tranship_error *err)
{
	uint32_t want = checksum(raw, len, field), has = get_be32(raw + field);

	if (want == has)
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vhd: the checksum of the %s is 0x%08" PRIx32
			 ", its content has 0x%08" PRIx32,
			 what, has, want);
}

bool vhd_footer_recognise(const unsigned char *raw)
{
	return memcmp(raw + OFF_COOKIE, footer_cookie, sizeof(footer_cookie)) == 0;
}

int vhd_footer_decode(const unsigned char raw[VHD_FOOTER_SIZE], bool force, struct vhd_footer *out,
		      struct tranship_error *err)
{
	struct vhd_footer f;
	uint32_t version = get_be32(raw + OFF_VERSION);
	int rc;

	if (!vhd_footer_recognise(raw))
		return error_set(err, TRANSHIP_ECORRUPT, "vhd: there is no footer");
	rc = force ? 0 : check_sum(raw, VHD_FOOTER_SIZE, OFF_CHECKSUM, "footer", err);
	if (rc)
		return rc;
	if (version >> 16 != VERSION_1_0 >> 16)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vhd: version 0x%08" PRIx32 "; 1.0 is known", version);
	f.data_offset = get_be64(raw + OFF_DATA_OFFSET);
	f.timestamp = get_be32(raw + OFF_TIMESTAMP);
	memcpy(f.creator, raw + OFF_CREATOR_APPLICATION, sizeof(f.creator));
	f.creator_version = get_be32(raw + OFF_CREATOR_VERSION);
	memcpy(f.creator_os, raw + OFF_CREATOR_HOST_OS, sizeof(f.creator_os));
	f.original_size = get_be64(raw + OFF_ORIGINAL_SIZE);
	f.current_size = get_be64(raw + OFF_CURRENT_SIZE);
	f.cylinders = get_be16(raw + OFF_CYLINDERS);
	f.heads = raw[OFF_HEADS];
	f.sectors_per_track = raw[OFF_SECTORS_PER_TRACK];
	f.type = get_be32(raw + OFF_DISK_TYPE);
	memcpy(f.id.bytes, raw + OFF_UNIQUE_ID, sizeof(f.id.bytes));
	f.saved_state = raw[OFF_SAVED_STATE] != 0;
	if (f.type < VHD_FIXED || f.type > VHD_DIFFERENCING)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vhd: disk type %" PRIu32 "; 2 to 4 are known", f.type);
	if (f.current_size % VHD_SECTOR)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhd: current size %" PRIu64 " is no whole number of sectors",
				 f.current_size);
	if (f.current_size > (uint64_t)1 << 48)
		return error_set(err, TRANSHIP_ELIMIT,
				 "vhd: current size %" PRIu64 " is past all limits",
				 f.current_size);
	*out = f;
	return 0;
}

void vhd_footer_encode(const struct vhd_footer *f, unsigned char raw[VHD_FOOTER_SIZE])
{
	memset(raw, 0, VHD_FOOTER_SIZE);
	memcpy(raw + OFF_COOKIE, footer_cookie, sizeof(footer_cookie));
	put_be32(raw + OFF_FEATURES, FEATURES_RESERVED);
	put_be32(raw + OFF_VERSION, VERSION_1_0);
	vhd_footer_update(f, raw);
}

void vhd_footer_update(const struct vhd_footer *f, unsigned char raw[VHD_FOOTER_SIZE])
{
	put_be64(raw + OFF_DATA_OFFSET, f->data_offset);
	put_be32(raw + OFF_TIMESTAMP, f->timestamp);
	memcpy(raw + OFF_CREATOR_APPLICATION, f->creator, sizeof(f->creator));
	put_be32(raw + OFF_CREATOR_VERSION, f->creator_version);
	memcpy(raw + OFF_CREATOR_HOST_OS, f->creator_os, sizeof(f->creator_os));
	put_be64(raw + OFF_ORIGINAL_SIZE, f->original_size);
	put_be64(raw + OFF_CURRENT_SIZE, f->current_size);
	put_be16(raw + OFF_CYLINDERS, f->cylinders);
	raw[OFF_HEADS] = f->heads;
	raw[OFF_SECTORS_PER_TRACK] = f->sectors_per_track;
	put_be32(raw + OFF_DISK_TYPE, f->type);
	memcpy(raw + OFF_UNIQUE_ID, f->id.bytes, sizeof(f->id.bytes));
	raw[OFF_SAVED_STATE] = f->saved_state;
	put_be32(raw + OFF_CHECKSUM, checksum(raw, VHD_FOOTER_SIZE, OFF_CHECKSUM));
}

void vhd_footer_mark_cut(unsigned char raw[VHD_FOOTER_SIZE])
{
	memcpy(raw + OFF_CUT_MARK, cut_mark, sizeof(cut_mark));
	put_be32(raw + OFF_CHECKSUM, checksum(raw, VHD_FOOTER_SIZE, OFF_CHECKSUM));
}

bool vhd_footer_is_cut(const unsigned char raw[VHD_FOOTER_SIZE])
{
	return memcmp(raw + OFF_CUT_MARK, cut_mark, sizeof(cut_mark)) == 0;
}

uint64_t vhd_geometry_size(const struct vhd_footer *f)
{
	return (uint64_t)f->cylinders * f->heads * f->sectors_per_track * VHD_SECTOR;
}

/* "Appendix: CHS Calculation". The result never stands for more than the size. */
void vhd_geometry_for(uint64_t size, struct vhd_footer *f)
{
	uint64_t total = min_u64(size / VHD_SECTOR, (uint64_t)65535 * 16 * 255), times_heads;
	uint32_t heads, sectors;

	if (total >= (uint64_t)65535 * 16 * 63) {
		sectors = 255;
		heads = 16;
		times_heads = total / sectors;
	} else {
		sectors = 17;
		times_heads = total / sectors;
		heads = (uint32_t)((times_heads + 1023) / 1024);
		if (heads < 4)
			heads = 4;
		if (times_heads >= (uint64_t)heads * 1024 || heads > 16) {
			sectors = 31;
			heads = 16;
			times_heads = total / sectors;
		}
		if (times_heads >= (uint64_t)heads * 1024) {
			sectors = 63;
			heads = 16;
			times_heads = total / sectors;
		}
	}
	f->cylinders = (uint16_t)(times_heads / heads);
	f->heads = (uint8_t)heads;
	f->sectors_per_track = (uint8_t)sectors;
}

static void locator_decode(const unsigned char *raw, struct vhd_locator *out)
{
	out->platform = get_be32(raw + LOC_OFF_PLATFORM_CODE);
	out->data_space = get_be32(raw + LOC_OFF_DATA_SPACE);
	out->data_length = get_be32(raw + LOC_OFF_DATA_LENGTH);
	out->data_offset = get_be64(raw + LOC_OFF_DATA_OFFSET);
}

static void locator_encode(const struct vhd_locator *locator, unsigned char *raw)
{
	put_be32(raw + LOC_OFF_PLATFORM_CODE, locator->platform);
	put_be32(raw + LOC_OFF_DATA_SPACE, locator->data_space);
	put_be32(raw + LOC_OFF_DATA_LENGTH, locator->data_length);
	put_be64(raw + LOC_OFF_DATA_OFFSET, locator->data_offset);
}

int vhd_dynamic_decode(const unsigned char raw[VHD_DYNAMIC_SIZE], bool force,
		       struct vhd_dynamic *out, struct tranship_error *err)
{
	struct vhd_dynamic d;
	uint32_t version = get_be32(raw + DYN_OFF_HEADER_VERSION);
	int rc, i;

	if (memcmp(raw + DYN_OFF_COOKIE, dynamic_cookie, sizeof(dynamic_cookie)) != 0)
		return error_set(err, TRANSHIP_ECORRUPT, "vhd: there is no dynamic disk header");
	rc = force ? 0
		   : check_sum(raw, VHD_DYNAMIC_SIZE, DYN_OFF_CHECKSUM, "dynamic disk header", err);
	if (rc)
		return rc;
	if (version >> 16 != VERSION_1_0 >> 16)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vhd: dynamic header version 0x%08" PRIx32 "; 1.0 is known",
				 version);
	d.table_offset = get_be64(raw + DYN_OFF_TABLE_OFFSET);
	d.max_entries = get_be32(raw + DYN_OFF_MAX_TABLE_ENTRIES);
	d.block_size = get_be32(raw + DYN_OFF_BLOCK_SIZE);
	memcpy(d.parent_id.bytes, raw + DYN_OFF_PARENT_ID, sizeof(d.parent_id.bytes));
	d.parent_timestamp = get_be32(raw + DYN_OFF_PARENT_TIMESTAMP);
	memcpy(d.parent_name, raw + DYN_OFF_PARENT_NAME, sizeof(d.parent_name));
	for (i = 0; i < VHD_LOCATORS; i++)
		locator_decode(raw + DYN_OFF_LOCATORS + i * LOC_SIZE, &d.locators[i]);
	if (!is_pow2(d.block_size) || d.block_size < VHD_BLOCK_MIN || d.block_size > VHD_BLOCK_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhd: block size %" PRIu32
				 "; a power of two from %u to %u is taken",
				 d.block_size, VHD_BLOCK_MIN, VHD_BLOCK_MAX);
	*out = d;
	return 0;
}

void vhd_dynamic_encode(const struct vhd_dynamic *d, unsigned char raw[VHD_DYNAMIC_SIZE])
{
	memset(raw, 0, VHD_DYNAMIC_SIZE);
	memcpy(raw + DYN_OFF_COOKIE, dynamic_cookie, sizeof(dynamic_cookie));
	put_be64(raw + DYN_OFF_DATA_OFFSET, UINT64_MAX);
	put_be32(raw + DYN_OFF_HEADER_VERSION, VERSION_1_0);
	vhd_dynamic_update(d, raw);
}

void vhd_dynamic_update(const struct vhd_dynamic *d, unsigned char raw[VHD_DYNAMIC_SIZE])
{
	int i;

	put_be64(raw + DYN_OFF_TABLE_OFFSET, d->table_offset);
	put_be32(raw + DYN_OFF_MAX_TABLE_ENTRIES, d->max_entries);
	put_be32(raw + DYN_OFF_BLOCK_SIZE, d->block_size);
	memcpy(raw + DYN_OFF_PARENT_ID, d->parent_id.bytes, sizeof(d->parent_id.bytes));
	put_be32(raw + DYN_OFF_PARENT_TIMESTAMP, d->parent_timestamp);
	memcpy(raw + DYN_OFF_PARENT_NAME, d->parent_name, sizeof(d->parent_name));
	for (i = 0; i < VHD_LOCATORS; i++)
		locator_encode(&d->locators[i], raw + DYN_OFF_LOCATORS + i * LOC_SIZE);
	put_be32(raw + DYN_OFF_CHECKSUM, checksum(raw, VHD_DYNAMIC_SIZE, DYN_OFF_CHECKSUM));
}

uint32_t vhd_bitmap_size(uint32_t block_size)
{
	return (uint32_t)round_up(div_up(block_size / VHD_SECTOR, 8), VHD_SECTOR);
}
