// SPDX-License-Identifier: Apache-2.0
#include "mbr-gpt/gpt_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* UEFI 2.10, table 5.5: the header. */
enum {
	OFF_SIGNATURE = 0,
	OFF_REVISION = 8,
	OFF_HEADER_SIZE = 12,
	OFF_HEADER_CRC32 = 16,
	OFF_MY_LBA = 24,
	OFF_ALTERNATE_LBA = 32,
	OFF_FIRST_USABLE_LBA = 40,
	OFF_LAST_USABLE_LBA = 48,
	OFF_DISK_GUID = 56,
	OFF_PARTITION_ENTRY_LBA = 72,
	OFF_NUMBER_OF_PARTITION_ENTRIES = 80,
	OFF_SIZE_OF_PARTITION_ENTRY = 84,
	OFF_PARTITION_ENTRY_ARRAY_CRC32 = 88,
};

/* Table 5.6: an entry. */
enum {
	OFF_PARTITION_TYPE_GUID = 0,
	OFF_UNIQUE_PARTITION_GUID = 16,
	OFF_STARTING_LBA = 32,
	OFF_ENDING_LBA = 40,
	OFF_ATTRIBUTES = 48,
};

static const char signature[GPT_SIGNATURE_LEN + 1] = "EFI PART";

bool gpt_has_signature(const unsigned char *raw)
{
	return memcmp(raw + OFF_SIGNATURE, signature, GPT_SIGNATURE_LEN) == 0;
}

/* The checksum counts its own field as zeros. */
static uint32_t header_crc(const unsigned char *raw, uint32_t size)
{
	static const unsigned char no_crc[4];
	unsigned long crc = crc32(0, raw, OFF_HEADER_CRC32);

	crc = crc32(crc, no_crc, sizeof(no_crc));
	return (uint32_t)crc32(crc, raw + OFF_HEADER_CRC32 + 4, size - OFF_HEADER_CRC32 - 4);
}

static int check_frame(const unsigned char *raw, uint32_t sector_size, uint64_t lba,
		       struct tranship_error *err)
{
	uint32_t size = get_le32(raw + OFF_HEADER_SIZE), crc;

	if (!gpt_has_signature(raw))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "gpt: no partition table begins in sector %" PRIu64, lba);
	if (get_le32(raw + OFF_REVISION) >> 16 != 1)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "gpt: the header in sector %" PRIu64 " has revision 0x%08" PRIX32
				 ", only 1.x is known",
				 lba, get_le32(raw + OFF_REVISION));
	if (size < GPT_HEADER_MIN || size > sector_size)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "gpt: the header in sector %" PRIu64 " is %" PRIu32
				 " bytes long (%d to %" PRIu32 ")",
				 lba, size, GPT_HEADER_MIN, sector_size);
	crc = header_crc(raw, size);
	if (crc != get_le32(raw + OFF_HEADER_CRC32))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "gpt: the header in sector %" PRIu64 " has checksum 0x%08" PRIX32
				 ", its bytes have 0x%08" PRIX32,
				 lba, get_le32(raw + OFF_HEADER_CRC32), crc);
	if (get_le64(raw + OFF_MY_LBA) != lba)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "gpt: the header in sector %" PRIu64
				 " says that it stands in sector %" PRIu64,
				 lba, get_le64(raw + OFF_MY_LBA));
	return 0;
}

int gpt_header_decode(const unsigned char *raw, uint32_t sector_size, uint64_t lba,
		      struct gpt_header *out, struct tranship_error *err)
{
	struct gpt_header h;
	int rc = check_frame(raw, sector_size, lba, err);

	if (rc)
		return rc;
	h.revision = get_le32(raw + OFF_REVISION);
	h.size = get_le32(raw + OFF_HEADER_SIZE);
	h.my_lba = get_le64(raw + OFF_MY_LBA);
	h.alternate_lba = get_le64(raw + OFF_ALTERNATE_LBA);
	h.first_usable = get_le64(raw + OFF_FIRST_USABLE_LBA);
	h.last_usable = get_le64(raw + OFF_LAST_USABLE_LBA);
	memcpy(h.disk.bytes, raw + OFF_DISK_GUID, sizeof(h.disk.bytes));
	h.array_lba = get_le64(raw + OFF_PARTITION_ENTRY_LBA);
	h.count = get_le32(raw + OFF_NUMBER_OF_PARTITION_ENTRIES);
	h.entry_size = get_le32(raw + OFF_SIZE_OF_PARTITION_ENTRY);
	h.array_crc = get_le32(raw + OFF_PARTITION_ENTRY_ARRAY_CRC32);
	*out = h;
	return 0;
}

void gpt_header_encode(const struct gpt_header *h, unsigned char *raw, uint32_t sector_size)
{
	memset(raw, 0, sector_size);
	memcpy(raw + OFF_SIGNATURE, signature, GPT_SIGNATURE_LEN);
	put_le32(raw + OFF_REVISION, h->revision);
	put_le32(raw + OFF_HEADER_SIZE, h->size);
	put_le64(raw + OFF_MY_LBA, h->my_lba);
	put_le64(raw + OFF_ALTERNATE_LBA, h->alternate_lba);
	put_le64(raw + OFF_FIRST_USABLE_LBA, h->first_usable);
	put_le64(raw + OFF_LAST_USABLE_LBA, h->last_usable);
	memcpy(raw + OFF_DISK_GUID, h->disk.bytes, sizeof(h->disk.bytes));
	put_le64(raw + OFF_PARTITION_ENTRY_LBA, h->array_lba);
	put_le32(raw + OFF_NUMBER_OF_PARTITION_ENTRIES, h->count);
	put_le32(raw + OFF_SIZE_OF_PARTITION_ENTRY, h->entry_size);
	put_le32(raw + OFF_PARTITION_ENTRY_ARRAY_CRC32, h->array_crc);
	put_le32(raw + OFF_HEADER_CRC32, header_crc(raw, h->size));
}

static int check_array(const struct gpt_header *h, struct tranship_error *err)
{
	uint64_t bytes;

	/* 128 x 2^n (UEFI 2.10, table 5.5). */
	if (h->entry_size < GPT_ENTRY_MIN || !is_pow2(h->entry_size))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "gpt: the header in sector %" PRIu64 " has entries of %" PRIu32
				 " bytes, no 128 times a power of two",
				 h->my_lba, h->entry_size);
	if (h->count == 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "gpt: the header in sector %" PRIu64 " has room for no entries",
				 h->my_lba);
	bytes = (uint64_t)h->count * h->entry_size;
	if (bytes > GPT_ARRAY_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "gpt: the header in sector %" PRIu64 " has %" PRIu32
				 " entries of %" PRIu32 " bytes, at most %u bytes are read",
				 h->my_lba, h->count, h->entry_size, GPT_ARRAY_MAX);
	return 0;
}

/* Whether two ranges of sectors, both with their last ones, share one. */
static bool overlap(uint64_t a, uint64_t a_last, uint64_t b, uint64_t b_last)
{
	return a <= b_last && b <= a_last;
}

int gpt_header_check(const struct gpt_header *h, uint32_t sector_size, uint64_t sectors,
		     struct tranship_error *err)
{
	uint64_t array_sectors;
	int rc = check_array(h, err);

	if (rc)
		return rc;
	if (h->first_usable > h->last_usable || h->last_usable >= sectors)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "gpt: the header in sector %" PRIu64 " has usable sectors %" PRIu64
				 " to %" PRIu64 ", the disk has %" PRIu64,
				 h->my_lba, h->first_usable, h->last_usable, sectors);
	array_sectors = gpt_array_sectors(h, sector_size);
	if (h->array_lba <= GPT_PRIMARY_LBA || !range_ok(h->array_lba, array_sectors, sectors) ||
	    overlap(h->array_lba, h->array_lba + array_sectors - 1, h->my_lba, h->my_lba))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "gpt: the header in sector %" PRIu64 " has its %" PRIu64
				 " sectors of entries at sector %" PRIu64
				 ", which is no place for them (the disk has %" PRIu64 ")",
				 h->my_lba, array_sectors, h->array_lba, sectors);
	if (overlap(h->first_usable, h->last_usable, h->array_lba,
		    h->array_lba + array_sectors - 1) ||
	    overlap(h->first_usable, h->last_usable, h->my_lba, h->my_lba) ||
	    h->first_usable <= GPT_PRIMARY_LBA)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "gpt: the header in sector %" PRIu64 " has usable sectors %" PRIu64
				 " to %" PRIu64 ", over the table itself",
				 h->my_lba, h->first_usable, h->last_usable);
	return 0;
}

size_t gpt_array_bytes(const struct gpt_header *h)
{
	return (size_t)h->count * h->entry_size;
}

uint64_t gpt_array_sectors(const struct gpt_header *h, uint32_t sector_size)
{
	return div_up(gpt_array_bytes(h), sector_size);
}

void gpt_entry_decode(const unsigned char *raw, struct gpt_entry *out)
{
	memcpy(out->type.bytes, raw + OFF_PARTITION_TYPE_GUID, sizeof(out->type.bytes));
	memcpy(out->id.bytes, raw + OFF_UNIQUE_PARTITION_GUID, sizeof(out->id.bytes));
	out->first = get_le64(raw + OFF_STARTING_LBA);
	out->last = get_le64(raw + OFF_ENDING_LBA);
	out->attributes = get_le64(raw + OFF_ATTRIBUTES);
	text_from_utf16le(out->name, sizeof(out->name), raw + GPT_OFF_ENTRY_NAME, GPT_NAME_UNITS);
}

bool gpt_entry_is_free(const struct gpt_entry *entry)
{
	return guid_is_zero(&entry->type);
}

void gpt_entry_encode(const struct gpt_entry *entry, unsigned char *raw, uint32_t entry_size)
{
	uint16_t units[GPT_NAME_UNITS];
	long count = text_to_utf16(units, GPT_NAME_UNITS, entry->name), i;

	memset(raw, 0, entry_size);
	if (gpt_entry_is_free(entry))
		return;
	memcpy(raw + OFF_PARTITION_TYPE_GUID, entry->type.bytes, sizeof(entry->type.bytes));
	memcpy(raw + OFF_UNIQUE_PARTITION_GUID, entry->id.bytes, sizeof(entry->id.bytes));
	put_le64(raw + OFF_STARTING_LBA, entry->first);
	put_le64(raw + OFF_ENDING_LBA, entry->last);
	put_le64(raw + OFF_ATTRIBUTES, entry->attributes);
	for (i = 0; i < count; i++)
		put_le16(raw + GPT_OFF_ENTRY_NAME + 2 * i, units[i]);
}

int gpt_entries_decode(const unsigned char *array, uint32_t count, uint32_t entry_size,
		       struct gpt_entry **out, struct tranship_error *err)
{
	struct gpt_entry *entries = calloc(count, sizeof(*entries));
	uint32_t i;

	*out = entries;
	if (!entries)
		return error_nomem(err, (size_t)count * sizeof(*entries));
	for (i = 0; i < count; i++)
		gpt_entry_decode(array + (size_t)i * entry_size, &entries[i]);
	return 0;
}

struct place {
	uint64_t first, last;
	uint32_t index;
};

static int by_first(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

/* Ascending ones: each behind the one before. */
static int check_overlap(struct place *places, uint32_t count, struct tranship_error *err)
{
	uint32_t i;

	qsort(places, count, sizeof(*places), by_first);
	for (i = 1; i < count; i++)
		if (places[i].first <= places[i - 1].last)
			return error_set(
				err, TRANSHIP_ECORRUPT,
				"gpt: partition %" PRIu32 " begins in sector %" PRIu64
				", inside of partition %" PRIu32 " (%" PRIu64 " to %" PRIu64 ")",
				places[i].index + 1, places[i].first, places[i - 1].index + 1,
				places[i - 1].first, places[i - 1].last);
	return 0;
}

int gpt_entries_check(const struct gpt_entry *entries, uint32_t count, uint64_t first_usable,
		      uint64_t last_usable, struct tranship_error *err)
{
	struct place *places = calloc(count ? count : 1, sizeof(*places));
	uint32_t i, used = 0;
	int rc = 0;

	if (!places)
		return error_nomem(err, (size_t)count * sizeof(*places));
	for (i = 0; i < count && rc == 0; i++) {
		const struct gpt_entry *e = &entries[i];

		if (gpt_entry_is_free(e))
			continue;
		if (e->first > e->last || e->first < first_usable || e->last > last_usable)
			rc = error_set(err, TRANSHIP_ECORRUPT,
				       "gpt: partition %" PRIu32 " has sectors %" PRIu64
				       " to %" PRIu64 ", usable are %" PRIu64 " to %" PRIu64,
				       i + 1, e->first, e->last, first_usable, last_usable);
		places[used++] = (struct place){ e->first, e->last, i };
	}
	if (rc == 0)
		rc = check_overlap(places, used, err);
	free(places);
	return rc;
}
