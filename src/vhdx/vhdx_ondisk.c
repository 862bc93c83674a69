// SPDX-License-Identifier: Apache-2.0
#include "vhdx/vhdx_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

enum {
	HEAD_OFF_SIGNATURE = 0,
	HEAD_OFF_CHECKSUM = 4,
	HEAD_OFF_SEQUENCE = 8,
	HEAD_OFF_FILE_WRITE_GUID = 16,
	HEAD_OFF_DATA_WRITE_GUID = 32,
	HEAD_OFF_LOG_GUID = 48,
	HEAD_OFF_LOG_VERSION = 64,
	HEAD_OFF_VERSION = 66,
	HEAD_OFF_LOG_LENGTH = 68,
	HEAD_OFF_LOG_OFFSET = 72,

	TABLE_OFF_SIGNATURE = 0,
	REGION_OFF_CHECKSUM = 4,
	REGION_OFF_ENTRY_COUNT = 8,
	REGION_ENTRIES = 16,
	METADATA_OFF_ENTRY_COUNT = 10,
	METADATA_ENTRIES = 32,
	ENTRY_SIZE = 32,
	ENTRIES_MAX = 2047,

	REGION_OFF_FILE_OFFSET = 16,
	REGION_OFF_LENGTH = 24,
	REGION_OFF_REQUIRED = 28,

	ITEM_OFF_OFFSET = 16,
	ITEM_OFF_LENGTH = 20,
	ITEM_OFF_FLAGS = 24,
	ITEM_IS_USER = 1,
	ITEM_IS_VIRTUAL_DISK = 2,
	ITEM_IS_REQUIRED = 4,

	FILE_LEAVE_BLOCKS_ALLOCATED = 1,
	FILE_HAS_PARENT = 2,
};

static const struct guid bat_region =
	GUID_LE(0x2DC27766, 0xF623, 0x4200, 0x9D, 0x64, 0x11, 0x5E, 0x9B, 0xFD, 0x4A, 0x08);
static const struct guid metadata_region =
	GUID_LE(0x8B7CA206, 0x4790, 0x4B9A, 0xB8, 0xFE, 0x57, 0x5F, 0x05, 0x0F, 0x88, 0x6E);

/* 2.6.2, in the order of enum item. */
enum item {
	ITEM_FILE_PARAMETERS,
	ITEM_DISK_SIZE,
	ITEM_DISK_ID,
	ITEM_LOGICAL_SECTOR,
	ITEM_PHYSICAL_SECTOR,
	ITEM_PARENT_LOCATOR,
	ITEM_COUNT,
};

static const struct {
	struct guid id;
	const char *name;
	uint32_t length; /* 0: it varies */
	uint32_t flags;  /* that we write */
} items[ITEM_COUNT] = {
	{ GUID_LE(0xCAA16737, 0xFA36, 0x4D43, 0xB3, 0xB6, 0x33, 0xF0, 0xAA, 0x44, 0xE7, 0x6B),
	  "file parameters", 8, ITEM_IS_REQUIRED },
	{ GUID_LE(0x2FA54224, 0xCD1B, 0x4876, 0xB2, 0x11, 0x5D, 0xBE, 0xD8, 0x3B, 0xF4, 0xB8),
	  "virtual disk size", 8, ITEM_IS_REQUIRED | ITEM_IS_VIRTUAL_DISK },
	{ GUID_LE(0xBECA12AB, 0xB2E6, 0x4523, 0x93, 0xEF, 0xC3, 0x09, 0xE0, 0x00, 0xC7, 0x46),
	  "virtual disk id", 16, ITEM_IS_REQUIRED | ITEM_IS_VIRTUAL_DISK },
	{ GUID_LE(0x8141BF1D, 0xA96F, 0x4709, 0xBA, 0x47, 0xF2, 0x33, 0xA8, 0xFA, 0xAB, 0x5F),
	  "logical sector size", 4, ITEM_IS_REQUIRED | ITEM_IS_VIRTUAL_DISK },
	{ GUID_LE(0xCDA348C7, 0x445D, 0x4471, 0x9C, 0xC9, 0xE9, 0x88, 0x52, 0x51, 0xC5, 0x56),
	  "physical sector size", 4, ITEM_IS_REQUIRED | ITEM_IS_VIRTUAL_DISK },
	{ GUID_LE(0xA8D35F2D, 0xB30B, 0x454D, 0xAB, 0xF7, 0xD3, 0xD8, 0x48, 0x34, 0xAB, 0x0C),
	  "parent locator", 0, ITEM_IS_REQUIRED },
};

/* CRC-32C of len bytes with the four at `field` taken as zero. */
static uint32_t checksum(const unsigned char *raw, size_t len, size_t field)
{
	static const unsigned char zeros[4];
	uint32_t crc = crc32c(0, raw, field);

	crc = crc32c(crc, zeros, sizeof(zeros));
	return crc32c(crc, raw + field + 4, len - field - 4);
}

static int check_sum(const unsigned char *raw, size_t len, size_t field, const char *what,
		     struct tranship_error *err)
{
	uint32_t want = checksum(raw, len, field), has = get_le32(raw + field);

	if (want == has)
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vhdx: the checksum of the %s is 0x%08" PRIx32
			 ", its content has 0x%08" PRIx32,
			 what, has, want);
}

static struct guid get_guid(const unsigned char *raw)
{
	struct guid g;

	memcpy(g.bytes, raw, sizeof(g.bytes));
	return g;
}

int vhdx_header_decode(const unsigned char raw[VHDX_HEADER_SIZE], bool force,
		       struct vhdx_header *out, struct tranship_error *err)
{
	struct vhdx_header h;
	int rc;

	if (memcmp(raw + HEAD_OFF_SIGNATURE, "head", 4) != 0)
		return error_set(err, TRANSHIP_ECORRUPT, "vhdx: there is no header");
	rc = force ? 0 : check_sum(raw, VHDX_HEADER_SIZE, HEAD_OFF_CHECKSUM, "header", err);
	if (rc)
		return rc;
	h.sequence = get_le64(raw + HEAD_OFF_SEQUENCE);
	h.file_write_guid = get_guid(raw + HEAD_OFF_FILE_WRITE_GUID);
	h.data_write_guid = get_guid(raw + HEAD_OFF_DATA_WRITE_GUID);
	h.log_guid = get_guid(raw + HEAD_OFF_LOG_GUID);
	h.log_version = get_le16(raw + HEAD_OFF_LOG_VERSION);
	h.version = get_le16(raw + HEAD_OFF_VERSION);
	h.log_length = get_le32(raw + HEAD_OFF_LOG_LENGTH);
	h.log_offset = get_le64(raw + HEAD_OFF_LOG_OFFSET);
	if (h.version != 1)
		return error_set(err, TRANSHIP_EUNSUPPORTED, "vhdx: version %u; 1 is known",
				 (unsigned)h.version);
	*out = h;
	return 0;
}

void vhdx_header_encode(const struct vhdx_header *h, unsigned char raw[VHDX_HEADER_SIZE])
{
	memset(raw, 0, VHDX_HEADER_SIZE);
	memcpy(raw + HEAD_OFF_SIGNATURE, "head", 4);
	put_le64(raw + HEAD_OFF_SEQUENCE, h->sequence);
	memcpy(raw + HEAD_OFF_FILE_WRITE_GUID, h->file_write_guid.bytes, 16);
	memcpy(raw + HEAD_OFF_DATA_WRITE_GUID, h->data_write_guid.bytes, 16);
	memcpy(raw + HEAD_OFF_LOG_GUID, h->log_guid.bytes, 16);
	put_le16(raw + HEAD_OFF_LOG_VERSION, h->log_version);
	put_le16(raw + HEAD_OFF_VERSION, h->version);
	put_le32(raw + HEAD_OFF_LOG_LENGTH, h->log_length);
	put_le64(raw + HEAD_OFF_LOG_OFFSET, h->log_offset);
	put_le32(raw + HEAD_OFF_CHECKSUM, checksum(raw, VHDX_HEADER_SIZE, HEAD_OFF_CHECKSUM));
}

/* 2.2.3.2: a region is at least 1 MiB from the start, in whole MiB. */
static int take_region(struct vhdx_region *region, const char *name, const unsigned char *entry,
		       struct tranship_error *err)
{
	uint64_t offset = get_le64(entry + REGION_OFF_FILE_OFFSET),
		 length = get_le32(entry + REGION_OFF_LENGTH);

	if (region->length > 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: the region table lists the %s twice", name);
	if (offset < VHDX_MB || offset % VHDX_MB || length == 0 || length % VHDX_MB ||
	    offset > INT64_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: the %s, %" PRIu64 " bytes at %" PRIu64
				 ", is not in whole MiB behind the first",
				 name, length, offset);
	region->offset = offset;
	region->length = length;
	return 0;
}

static int unknown_entry(const char *what, const unsigned char *entry, struct tranship_error *err)
{
	struct guid id = get_guid(entry);
	char text[GUID_TEXT_SIZE];

	guid_text_le(&id, text);
	return error_set(err, TRANSHIP_EUNSUPPORTED, "vhdx: %s %s is required and unknown", what,
			 text);
}

int vhdx_regions_decode(const unsigned char raw[VHDX_TABLE_SIZE], bool force,
			struct vhdx_regions *out, struct tranship_error *err)
{
	struct vhdx_regions regions = { 0 };
	uint32_t count = get_le32(raw + REGION_OFF_ENTRY_COUNT), i;
	int rc;

	if (memcmp(raw + TABLE_OFF_SIGNATURE, "regi", 4) != 0)
		return error_set(err, TRANSHIP_ECORRUPT, "vhdx: there is no region table");
	rc = force ? 0 : check_sum(raw, VHDX_TABLE_SIZE, REGION_OFF_CHECKSUM, "region table", err);
	if (rc)
		return rc;
	if (count > ENTRIES_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: the region table has %" PRIu32 " entries, more than %d",
				 count, ENTRIES_MAX);
	for (i = 0; i < count && rc == 0; i++) {
		const unsigned char *entry = raw + REGION_ENTRIES + (size_t)i * ENTRY_SIZE;
		struct guid id = get_guid(entry);

		if (guid_equal(&id, &bat_region))
			rc = take_region(&regions.bat, "BAT", entry, err);
		else if (guid_equal(&id, &metadata_region))
			rc = take_region(&regions.metadata, "metadata region", entry, err);
		else if (get_le32(entry + REGION_OFF_REQUIRED) & 1)
			rc = unknown_entry("region", entry, err);
		else
			regions.others = true;
	}
	if (rc)
		return rc;
	if (regions.bat.length == 0 || regions.metadata.length == 0)
		return error_set(err, TRANSHIP_ECORRUPT, "vhdx: the region table lacks the %s",
				 regions.bat.length == 0 ? "BAT" : "metadata region");
	*out = regions;
	return 0;
}

static void put_region(unsigned char *entry, const struct guid *id,
		       const struct vhdx_region *region)
{
	memcpy(entry, id->bytes, 16);
	put_le64(entry + REGION_OFF_FILE_OFFSET, region->offset);
	put_le32(entry + REGION_OFF_LENGTH, (uint32_t)region->length);
	put_le32(entry + REGION_OFF_REQUIRED, 1);
}

void vhdx_regions_encode(const struct vhdx_regions *regions, unsigned char raw[VHDX_TABLE_SIZE])
{
	memset(raw, 0, VHDX_TABLE_SIZE);
	memcpy(raw + TABLE_OFF_SIGNATURE, "regi", 4);
	put_le32(raw + REGION_OFF_ENTRY_COUNT, 2);
	put_region(raw + REGION_ENTRIES, &bat_region, &regions->bat);
	put_region(raw + REGION_ENTRIES + ENTRY_SIZE, &metadata_region, &regions->metadata);
	put_le32(raw + REGION_OFF_CHECKSUM, checksum(raw, VHDX_TABLE_SIZE, REGION_OFF_CHECKSUM));
}

void vhdx_regions_place_bat(unsigned char raw[VHDX_TABLE_SIZE], const struct vhdx_region *bat)
{
	uint32_t count = get_le32(raw + REGION_OFF_ENTRY_COUNT), i;

	for (i = 0; i < count && i < ENTRIES_MAX; i++) {
		unsigned char *entry = raw + REGION_ENTRIES + (size_t)i * ENTRY_SIZE;

		if (memcmp(entry, bat_region.bytes, 16) == 0)
			put_region(entry, &bat_region, bat);
	}
	put_le32(raw + REGION_OFF_CHECKSUM, checksum(raw, VHDX_TABLE_SIZE, REGION_OFF_CHECKSUM));
}

/* Finds the known items of a table; at[i] is where item i stands in raw, NULL where it is missing.
 */
static int find_items(const unsigned char *raw, size_t len, const unsigned char *at[ITEM_COUNT],
		      uint32_t lengths[ITEM_COUNT], struct tranship_error *err)
{
	uint32_t count = get_le16(raw + METADATA_OFF_ENTRY_COUNT), i;
	int known;

	if (count > ENTRIES_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: the metadata table has %" PRIu32 " entries, more than %d",
				 count, ENTRIES_MAX);
	for (i = 0; i < count; i++) {
		const unsigned char *entry = raw + METADATA_ENTRIES + (size_t)i * ENTRY_SIZE;
		uint32_t offset = get_le32(entry + ITEM_OFF_OFFSET),
			 length = get_le32(entry + ITEM_OFF_LENGTH);
		uint32_t flags = get_le32(entry + ITEM_OFF_FLAGS);
		struct guid id = get_guid(entry);

		for (known = 0; known < ITEM_COUNT && !guid_equal(&id, &items[known].id); known++)
			;
		if (known == ITEM_COUNT || flags & ITEM_IS_USER) {
			if (flags & ITEM_IS_REQUIRED)
				return unknown_entry("metadata item", entry, err);
			continue;
		}
		if (at[known])
			return error_set(err, TRANSHIP_ECORRUPT,
					 "vhdx: the metadata table lists the %s twice",
					 items[known].name);
		if (offset < VHDX_METADATA_ITEMS || !range_ok(offset, length, len) ||
		    (items[known].length && length != items[known].length))
			return error_set(err, TRANSHIP_ECORRUPT,
					 "vhdx: the %s, %" PRIu32 " bytes at %" PRIu32
					 " of the metadata region (%zu bytes), "
					 "is misplaced or of a wrong size",
					 items[known].name, length, offset, len);
		at[known] = raw + offset;
		lengths[known] = length;
	}
	return 0;
}

static int check_metadata(const struct vhdx_metadata *m, struct tranship_error *err)
{
	if (!is_pow2(m->block_size) || m->block_size < VHDX_BLOCK_MIN ||
	    m->block_size > VHDX_BLOCK_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: block size %" PRIu32
				 "; a power of two from 1 to 256 MiB is taken",
				 m->block_size);
	if (m->logical_sector != 512 && m->logical_sector != 4096)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: logical sector size %" PRIu32 "; 512 or 4096 is taken",
				 m->logical_sector);
	if (m->physical_sector != 512 && m->physical_sector != 4096)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: physical sector size %" PRIu32 "; 512 or 4096 is taken",
				 m->physical_sector);
	if (m->disk_size > VHDX_SIZE_MAX || m->disk_size % m->logical_sector)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: virtual disk size %" PRIu64 "; whole sectors of %" PRIu32
				 " bytes up to 64 TiB are taken",
				 m->disk_size, m->logical_sector);
	return 0;
}

int vhdx_metadata_decode(const unsigned char *raw, size_t len, struct vhdx_metadata *out,
			 struct tranship_error *err)
{
	const unsigned char *at[ITEM_COUNT] = { NULL };
	uint32_t lengths[ITEM_COUNT] = { 0 };
	struct vhdx_metadata m = { 0 };
	uint32_t flags;
	int rc, i;

	if (len < VHDX_TABLE_SIZE || memcmp(raw + TABLE_OFF_SIGNATURE, "metadata", 8) != 0)
		return error_set(err, TRANSHIP_ECORRUPT, "vhdx: there is no metadata table");
	rc = find_items(raw, len, at, lengths, err);
	if (rc)
		return rc;
	for (i = 0; i < ITEM_PARENT_LOCATOR; i++)
		if (!at[i])
			return error_set(err, TRANSHIP_ECORRUPT, "vhdx: the metadata lacks the %s",
					 items[i].name);
	flags = get_le32(at[ITEM_FILE_PARAMETERS] + 4);
	m.block_size = get_le32(at[ITEM_FILE_PARAMETERS]);
	m.leave_blocks_allocated = flags & FILE_LEAVE_BLOCKS_ALLOCATED;
	m.has_parent = flags & FILE_HAS_PARENT;
	m.disk_size = get_le64(at[ITEM_DISK_SIZE]);
	m.size_offset = (uint32_t)(at[ITEM_DISK_SIZE] - raw);
	m.disk_id = get_guid(at[ITEM_DISK_ID]);
	m.logical_sector = get_le32(at[ITEM_LOGICAL_SECTOR]);
	m.physical_sector = get_le32(at[ITEM_PHYSICAL_SECTOR]);
	if (at[ITEM_PARENT_LOCATOR]) {
		m.locator_offset = (uint32_t)(at[ITEM_PARENT_LOCATOR] - raw);
		m.locator_length = lengths[ITEM_PARENT_LOCATOR];
	}
	rc = check_metadata(&m, err);
	if (rc == 0)
		*out = m;
	return rc;
}

static void put_item(unsigned char *raw, unsigned number, enum item item, uint32_t offset,
		     uint32_t length)
{
	unsigned char *entry = raw + METADATA_ENTRIES + number * ENTRY_SIZE;

	memcpy(entry, items[item].id.bytes, 16);
	put_le32(entry + ITEM_OFF_OFFSET, offset);
	put_le32(entry + ITEM_OFF_LENGTH, length);
	put_le32(entry + ITEM_OFF_FLAGS, items[item].flags);
	put_le32(entry + ITEM_OFF_FLAGS + 4, 0);
}

static void put_parameters(unsigned char *item, const struct vhdx_metadata *m)
{
	put_le32(item, m->block_size);
	put_le32(item + 4, (m->leave_blocks_allocated ? FILE_LEAVE_BLOCKS_ALLOCATED : 0U) |
				   (m->has_parent ? FILE_HAS_PARENT : 0U));
}

void vhdx_metadata_encode(const struct vhdx_metadata *m, unsigned char raw[VHDX_METADATA_ENCODED])
{
	unsigned char *at[ITEM_COUNT];
	uint32_t offset = VHDX_METADATA_ITEMS;
	unsigned i;

	memset(raw, 0, VHDX_METADATA_ENCODED);
	memcpy(raw + TABLE_OFF_SIGNATURE, "metadata", 8);
	for (i = 0; i < ITEM_PARENT_LOCATOR; i++) {
		put_item(raw, i, (enum item)i, offset, items[i].length);
		at[i] = raw + offset;
		offset += items[i].length;
	}
	if (m->locator_length > 0)
		put_item(raw, i++, ITEM_PARENT_LOCATOR, m->locator_offset, m->locator_length);
	put_le16(raw + METADATA_OFF_ENTRY_COUNT, (uint16_t)i);
	put_parameters(at[ITEM_FILE_PARAMETERS], m);
	put_le64(at[ITEM_DISK_SIZE], m->disk_size);
	memcpy(at[ITEM_DISK_ID], m->disk_id.bytes, 16);
	put_le32(at[ITEM_LOGICAL_SECTOR], m->logical_sector);
	put_le32(at[ITEM_PHYSICAL_SECTOR], m->physical_sector);
}

/* The entry of the locator among `count`, or `count`; *end is where all other items end. */
static uint32_t find_locator(const unsigned char *raw, uint32_t count, uint64_t *end)
{
	uint32_t found = count, i;

	*end = VHDX_METADATA_ITEMS;
	for (i = 0; i < count; i++) {
		const unsigned char *entry = raw + METADATA_ENTRIES + (size_t)i * ENTRY_SIZE;

		if (memcmp(entry, items[ITEM_PARENT_LOCATOR].id.bytes, 16) == 0 &&
		    !(get_le32(entry + ITEM_OFF_FLAGS) & ITEM_IS_USER))
			found = i;
		else
			*end = max_u64(*end, (uint64_t)get_le32(entry + ITEM_OFF_OFFSET) +
						     get_le32(entry + ITEM_OFF_LENGTH));
	}
	return found;
}

int vhdx_metadata_relink(unsigned char *raw, size_t len, const unsigned char *locator,
			 size_t locator_len, struct tranship_error *err)
{
	const unsigned char *at[ITEM_COUNT] = { NULL };
	uint32_t lengths[ITEM_COUNT] = { 0 }, count = get_le16(raw + METADATA_OFF_ENTRY_COUNT);
	uint32_t number, flags;
	unsigned char *parameters;
	uint64_t end;
	int rc = find_items(raw, len, at, lengths, err);

	if (rc)
		return rc;
	parameters = raw + (at[ITEM_FILE_PARAMETERS] - raw);
	flags = get_le32(parameters + 4) & ~(uint32_t)FILE_HAS_PARENT;
	number = find_locator(raw, count, &end);
	if (locator_len == 0 && number < count) { /* the last entry takes its place */
		unsigned char *last = raw + METADATA_ENTRIES + (size_t)--count * ENTRY_SIZE;

		memmove(raw + METADATA_ENTRIES + (size_t)number * ENTRY_SIZE, last, ENTRY_SIZE);
		memset(last, 0, ENTRY_SIZE);
	} else if (locator_len > 0) {
		end = round_up(end, 8);
		if (!range_ok(end, locator_len, len) || number == ENTRIES_MAX)
			return error_set(err, TRANSHIP_ELIMIT,
					 "vhdx: the metadata region of %zu bytes, of which %" PRIu64
					 " are used, has no room for a parent locator of %zu bytes",
					 len, end, locator_len);
		put_item(raw, number, ITEM_PARENT_LOCATOR, (uint32_t)end, (uint32_t)locator_len);
		memcpy(raw + end, locator, locator_len);
		count += number == count;
		flags = (flags & ~(uint32_t)FILE_LEAVE_BLOCKS_ALLOCATED) | FILE_HAS_PARENT;
	}
	put_le16(raw + METADATA_OFF_ENTRY_COUNT, (uint16_t)count);
	put_le32(parameters + 4, flags);
	return 0;
}

uint64_t vhdx_blocks(const struct vhdx_metadata *m)
{
	return div_up(m->disk_size, m->block_size);
}

uint64_t vhdx_bat_entries(const struct vhdx_metadata *m)
{
	uint64_t blocks = vhdx_blocks(m), ratio = vhdx_chunk_ratio(m);

	if (m->has_parent)
		return div_up(blocks, ratio) * (ratio + 1);
	return blocks == 0 ? 0 : blocks + (blocks - 1) / ratio;
}
