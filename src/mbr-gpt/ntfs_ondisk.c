// SPDX-License-Identifier: Apache-2.0
/* The boot sector, fixups, file records and their attributes. */
#include "mbr-gpt/ntfs_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

enum {
	BOOT_OFF_OEM_ID = 0x03,
	BOOT_OFF_BYTES_PER_SECTOR = 0x0B,
	BOOT_OFF_SECTORS_PER_CLUSTER = 0x0D,
	BOOT_OFF_TOTAL_SECTORS = 0x28,
	BOOT_OFF_MFT_LCN = 0x30,
	BOOT_OFF_CLUSTERS_PER_RECORD = 0x40,
	BOOT_OFF_CLUSTERS_PER_BLOCK = 0x44,
	BOOT_OFF_SERIAL = 0x48,

	HEAD_OFF_USA_OFFSET = 4,
	HEAD_OFF_USA_COUNT = 6,

	RECORD_OFF_SEQUENCE = 16,
	RECORD_OFF_FIRST_ATTRIBUTE = 20,
	RECORD_OFF_FLAGS = 22,
	RECORD_OFF_USED = 24,
	RECORD_OFF_BASE = 32,
	RECORD_HEAD = 42, /* of NTFS 3.0; 48 since 3.1 */
	RECORD_FLAG_IN_USE = 1,
	RECORD_FLAG_DIRECTORY = 2,

	ATTRIBUTE_OFF_LENGTH = 4,
	ATTRIBUTE_OFF_NON_RESIDENT = 8,
	ATTRIBUTE_OFF_NAME_LENGTH = 9,
	ATTRIBUTE_OFF_NAME_OFFSET = 10,
	ATTRIBUTE_OFF_FLAGS = 12,
	ATTRIBUTE_OFF_INSTANCE = 14,
	ATTRIBUTE_FLAG_COMPRESSION = 0x00FF,
	ATTRIBUTE_FLAG_ENCRYPTED = 0x4000,

	RESIDENT_OFF_VALUE_LENGTH = 16,
	RESIDENT_OFF_VALUE_OFFSET = 20,
	RESIDENT_HEAD = 24,

	NON_RESIDENT_OFF_LOWEST_VCN = 16,
	NON_RESIDENT_OFF_HIGHEST_VCN = 24,
	NON_RESIDENT_OFF_RUNS = 32,
	NON_RESIDENT_OFF_COMPRESSION_UNIT = 34,
	NON_RESIDENT_OFF_SIZE = 48,
	NON_RESIDENT_OFF_INITIALISED = 56,
	NON_RESIDENT_HEAD = 64,

	ENTRY_OFF_LENGTH = 4,
	ENTRY_OFF_NAME_LENGTH = 6,
	ENTRY_OFF_NAME_OFFSET = 7,
	ENTRY_OFF_LOWEST_VCN = 8,
	ENTRY_OFF_REFERENCE = 16,
	ENTRY_OFF_INSTANCE = 24,
	ENTRY_HEAD = 26,
};

#define ATTRIBUTE_END 0xFFFFFFFFU

/* A size in clusters or, negative, as a power of two in bytes; 0: neither. */
static uint64_t size_from(unsigned char field, uint32_t cluster_size)
{
	if (field < 0x80)
		return (uint64_t)field * cluster_size;
	return 256 - field < 32 ? (uint64_t)1 << (256 - field) : 0;
}

static int check_size(const char *what, uint64_t size, uint32_t least, uint32_t most,
		      struct tranship_error *err)
{
	if (is_pow2(size) && size >= least && size <= most)
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "ntfs: %s of %" PRIu64
			 " bytes in the boot sector; powers of two from %u to %u are possible",
			 what, size, least, most);
}

static int decode_sizes(const unsigned char *raw, struct ntfs_geometry *g,
			struct tranship_error *err)
{
	unsigned per_cluster = raw[BOOT_OFF_SECTORS_PER_CLUSTER];
	uint64_t cluster, record, block;
	int rc;

	g->sector_size = get_le16(raw + BOOT_OFF_BYTES_PER_SECTOR);
	rc = check_size("sectors", g->sector_size, 512, 4096, err);
	if (rc)
		return rc;
	/* Above 128 sectors it is a negative power, too. */
	cluster = per_cluster <= 0x80      ? (uint64_t)per_cluster
		  : 256 - per_cluster < 32 ? (uint64_t)1 << (256 - per_cluster)
					   : 0;
	cluster *= g->sector_size;
	rc = check_size("clusters", cluster, (uint32_t)max_u64(NTFS_CLUSTER_MIN, g->sector_size),
			NTFS_CLUSTER_MAX, err);
	if (rc)
		return rc;
	g->cluster_size = (uint32_t)cluster;
	record = size_from(raw[BOOT_OFF_CLUSTERS_PER_RECORD], g->cluster_size);
	rc = check_size("file records", record, NTFS_RECORD_MIN, NTFS_RECORD_MAX, err);
	if (rc)
		return rc;
	g->record_size = (uint32_t)record;
	block = size_from(raw[BOOT_OFF_CLUSTERS_PER_BLOCK], g->cluster_size);
	rc = check_size("index blocks", block, NTFS_BLOCK_MIN, NTFS_BLOCK_MAX, err);
	if (rc)
		return rc;
	g->block_size = (uint32_t)block;
	return 0;
}

int ntfs_boot_decode(const unsigned char raw[NTFS_BOOT_SIZE], uint64_t volume_len,
		     struct ntfs_geometry *out, struct tranship_error *err)
{
	struct ntfs_geometry g = { 0 };
	uint64_t sectors, bytes;
	int rc;

	if (memcmp(raw + BOOT_OFF_OEM_ID, "-FVE-FS-", 8) == 0)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "ntfs: the volume is encrypted by BitLocker");
	if (memcmp(raw + BOOT_OFF_OEM_ID, "NTFS    ", 8) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: the boot sector is not that of an NTFS");
	rc = decode_sizes(raw, &g, err);
	if (rc)
		return rc;
	sectors = get_le64(raw + BOOT_OFF_TOTAL_SECTORS);
	if (!mul_ok(sectors, g.sector_size, &bytes) || bytes > volume_len)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: %" PRIu64
				 " sectors of %u bytes in the boot sector; the volume has %" PRIu64
				 " bytes",
				 sectors, g.sector_size, volume_len);
	g.clusters = bytes / g.cluster_size;
	g.mft_lcn = get_le64(raw + BOOT_OFF_MFT_LCN);
	if (g.mft_lcn >= g.clusters)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: the MFT begins at cluster %" PRIu64 " of %" PRIu64,
				 g.mft_lcn, g.clusters);
	g.serial = get_le64(raw + BOOT_OFF_SERIAL);
	*out = g;
	return 0;
}

int ntfs_fixup(unsigned char *raw, size_t size, const char *signature, const char *what,
	       uint64_t number, struct tranship_error *err)
{
	size_t strides = size / NTFS_STRIDE, off = get_le16(raw + HEAD_OFF_USA_OFFSET), i;
	unsigned count = get_le16(raw + HEAD_OFF_USA_COUNT);

	if (memcmp(raw, "BAAD", 4) == 0)
		return error_set(err, TRANSHIP_ECORRUPT, "ntfs: %s %" PRIu64 " is marked as bad",
				 what, number);
	if (memcmp(raw, signature, 4) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: %s %" PRIu64 " has no signature (%s)", what, number,
				 signature);
	/* It must stand in front of the first bytes that it guards. */
	if (count != strides + 1 || off < HEAD_OFF_USA_COUNT + 2 ||
	    !range_ok(off, 2 * (size_t)count, NTFS_STRIDE - 2))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: %s %" PRIu64
				 ": an update sequence array of %u at %zu, for %zu strides",
				 what, number, count, off, strides);
	for (i = 0; i < strides; i++) {
		unsigned char *last = raw + (i + 1) * NTFS_STRIDE - 2;

		if (memcmp(last, raw + off, 2) != 0)
			return error_set(err, TRANSHIP_ECORRUPT,
					 "ntfs: %s %" PRIu64 ": stride %zu has fixup %04x, the "
					 "update sequence number is %04x: it was written in part",
					 what, number, i, get_le16(last), get_le16(raw + off));
		memcpy(last, raw + off + 2 * (i + 1), 2);
	}
	return 0;
}

int ntfs_record_decode(struct ntfs_record *record, uint32_t size, struct tranship_error *err)
{
	const unsigned char *raw = record->raw;
	unsigned flags;
	int rc = ntfs_fixup(record->raw, size, "FILE", "file record", record->number, err);

	if (rc)
		return rc;
	record->sequence = get_le16(raw + RECORD_OFF_SEQUENCE);
	record->base = get_le64(raw + RECORD_OFF_BASE);
	record->attributes_off = get_le16(raw + RECORD_OFF_FIRST_ATTRIBUTE);
	record->used = get_le32(raw + RECORD_OFF_USED);
	flags = get_le16(raw + RECORD_OFF_FLAGS);
	record->in_use = flags & RECORD_FLAG_IN_USE;
	record->directory = flags & RECORD_FLAG_DIRECTORY;
	if (record->used > size || record->attributes_off < RECORD_HEAD ||
	    record->attributes_off % 8 != 0 || record->attributes_off > record->used)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: file record %" PRIu64
				 ": attributes from %u to %u of %u bytes",
				 record->number, record->attributes_off, record->used, size);
	return 0;
}

bool ntfs_attribute_is(const struct ntfs_attribute *a, uint32_t type, const char *name)
{
	unsigned i;

	if (a->type != type || a->name_units != strlen(name))
		return false;
	for (i = 0; i < a->name_units; i++)
		if (get_le16(a->name + 2 * (size_t)i) != (unsigned char)name[i])
			return false;
	return true;
}

static int bad_attribute(uint64_t number, uint32_t type, const char *what, uint64_t value,
			 struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT,
			 "ntfs: file record %" PRIu64 ": attribute 0x%x: %s (%" PRIu64 ")", number,
			 type, what, value);
}

static int decode_resident(const unsigned char *raw, uint32_t len, uint64_t number,
			   struct ntfs_attribute *a, struct tranship_error *err)
{
	uint32_t off = get_le16(raw + RESIDENT_OFF_VALUE_OFFSET);

	a->value_len = get_le32(raw + RESIDENT_OFF_VALUE_LENGTH);
	if (!range_ok(off, a->value_len, len))
		return bad_attribute(number, a->type, "its value passes its end", a->value_len,
				     err);
	a->value = raw + off;
	return 0;
}

static int decode_non_resident(const unsigned char *raw, uint32_t len, uint64_t number,
			       struct ntfs_attribute *a, struct tranship_error *err)
{
	uint32_t off;
	uint64_t highest;

	if (len < NON_RESIDENT_HEAD)
		return bad_attribute(number, a->type, "too short for runs", len, err);
	off = get_le16(raw + NON_RESIDENT_OFF_RUNS);
	if (off < NON_RESIDENT_HEAD || off > len)
		return bad_attribute(number, a->type, "its runs are not within it", off, err);
	a->runs = raw + off;
	a->runs_len = len - off;
	a->lowest_vcn = get_le64(raw + NON_RESIDENT_OFF_LOWEST_VCN);
	highest = get_le64(raw + NON_RESIDENT_OFF_HIGHEST_VCN);
	a->next_vcn = highest + 1; /* -1: there are no clusters */
	if (a->lowest_vcn > INT64_MAX || a->next_vcn > INT64_MAX)
		return bad_attribute(number, a->type, "a VCN is negative", a->lowest_vcn, err);
	a->compression_unit = raw[NON_RESIDENT_OFF_COMPRESSION_UNIT];
	a->size = get_le64(raw + NON_RESIDENT_OFF_SIZE);
	a->initialised = get_le64(raw + NON_RESIDENT_OFF_INITIALISED);
	return 0;
}

int ntfs_attribute_next(const struct ntfs_record *record, uint32_t *at, struct ntfs_attribute *out,
			struct tranship_error *err)
{
	uint32_t off = *at ? *at : record->attributes_off, left = record->used - off, len;
	const unsigned char *raw = record->raw + off;
	struct ntfs_attribute a = { 0 };
	unsigned name_off, flags;
	int rc;

	if (left >= 4 && get_le32(raw) == ATTRIBUTE_END)
		return 0;
	if (left < RESIDENT_HEAD)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: file record %" PRIu64 ": its attributes have no end",
				 record->number);
	a.type = get_le32(raw);
	len = get_le32(raw + ATTRIBUTE_OFF_LENGTH);
	if (len < RESIDENT_HEAD || len > left || len % 8 != 0)
		return bad_attribute(record->number, a.type, "its length is wrong", len, err);
	a.name_units = raw[ATTRIBUTE_OFF_NAME_LENGTH];
	name_off = get_le16(raw + ATTRIBUTE_OFF_NAME_OFFSET);
	if (a.name_units > 0 && !range_ok(name_off, 2 * (uint64_t)a.name_units, len))
		return bad_attribute(record->number, a.type, "its name passes its end", name_off,
				     err);
	a.name = a.name_units > 0 ? raw + name_off : NULL;
	flags = get_le16(raw + ATTRIBUTE_OFF_FLAGS);
	a.compression = flags & ATTRIBUTE_FLAG_COMPRESSION;
	a.encrypted = flags & ATTRIBUTE_FLAG_ENCRYPTED;
	a.instance = get_le16(raw + ATTRIBUTE_OFF_INSTANCE);
	a.resident = raw[ATTRIBUTE_OFF_NON_RESIDENT] == 0;
	rc = a.resident ? decode_resident(raw, len, record->number, &a, err)
			: decode_non_resident(raw, len, record->number, &a, err);
	if (rc)
		return rc;
	*at = off + len;
	*out = a;
	return 1;
}

int ntfs_list_entry_next(const unsigned char *list, uint32_t len, uint64_t number, uint32_t *at,
			 struct ntfs_list_entry *out, struct tranship_error *err)
{
	const unsigned char *raw = list + *at;
	uint32_t left = len - *at, size = 0;
	struct ntfs_list_entry e;
	unsigned name_off;

	if (left == 0)
		return 0;
	if (left >= ENTRY_HEAD)
		size = get_le16(raw + ENTRY_OFF_LENGTH);
	if (size < ENTRY_HEAD || size > left)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: file record %" PRIu64
				 ": attribute list: an entry of %u bytes at %u of %u",
				 number, size, *at, len);
	e.type = get_le32(raw);
	e.name_units = raw[ENTRY_OFF_NAME_LENGTH];
	name_off = raw[ENTRY_OFF_NAME_OFFSET];
	if (e.name_units > 0 && !range_ok(name_off, 2 * (uint64_t)e.name_units, size))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: file record %" PRIu64
				 ": attribute list: the name of the entry at %u passes its end",
				 number, *at);
	e.name = e.name_units > 0 ? raw + name_off : NULL;
	e.lowest_vcn = get_le64(raw + ENTRY_OFF_LOWEST_VCN);
	e.reference = get_le64(raw + ENTRY_OFF_REFERENCE);
	e.instance = get_le16(raw + ENTRY_OFF_INSTANCE);
	*at += size;
	*out = e;
	return 1;
}
