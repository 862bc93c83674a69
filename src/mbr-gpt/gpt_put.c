// SPDX-License-Identifier: Apache-2.0
/* Both copies of a GPT written anew, or erased: as patches, the disk itself is not touched. */
#include "base/checked.h"
#include "base/error.h"
#include "mbr-gpt/gpt_ondisk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <zlib.h>

/* An array where none can be told from the header (UEFI 2.10, 5.3.1: at least so much is set
 * aside). */
#define ARRAY_BYTES_USUAL 16384U

/* No partition may lie outside of the area that the new table leaves. */
static int check_room(const struct gpt_header *h, const struct gpt_entry *entries,
		      struct tranship_error *err)
{
	uint32_t i;

	for (i = 0; i < h->count; i++) {
		const struct gpt_entry *e = &entries[i];

		if (gpt_entry_is_free(e) || (e->first >= h->first_usable && e->first <= e->last &&
					     e->last <= h->last_usable))
			continue;
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "gpt: partition %" PRIu32 " (sectors %" PRIu64 " to %" PRIu64
				 ") is in the way of the table, which leaves %" PRIu64
				 " to %" PRIu64,
				 i + 1, e->first, e->last, h->first_usable, h->last_usable);
	}
	return 0;
}

bool gpt_put_area(const struct gpt *gpt, uint64_t *first, uint64_t *last)
{
	uint64_t array_sectors = gpt_array_sectors(&gpt->used->header, gpt->sector_size);

	/* Both arrays and headers, the MBR, and one sector to be used. */
	if (gpt->sectors < 2 * array_sectors + 4)
		return false;
	*first = GPT_PRIMARY_LBA + 1 + array_sectors;
	*last = gpt->sectors - array_sectors - 2;
	return true;
}

/* The header of the primary for these entries. */
static int place_header(const struct gpt *gpt, const struct gpt_entry *entries,
			struct gpt_header *h, struct tranship_error *err)
{
	uint64_t lowest = UINT64_MAX, first, last;
	uint32_t i;

	*h = gpt->used->header;
	for (i = 0; i < h->count; i++)
		if (!gpt_entry_is_free(&entries[i]))
			lowest = min_u64(lowest, entries[i].first);
	if (!gpt_put_area(gpt, &first, &last))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "gpt: the disk has %" PRIu64 " sectors, too few for two tables",
				 gpt->sectors);
	h->my_lba = GPT_PRIMARY_LBA;
	h->alternate_lba = gpt->sectors - 1;
	h->array_lba = GPT_PRIMARY_LBA + 1;
	h->last_usable = last;
	/* It may be behind where the backup comes now, too: the disk is smaller. */
	if (lowest < h->first_usable || h->first_usable < first || h->first_usable > last)
		h->first_usable = first;
	return check_room(h, entries, err);
}

static int put_copy(const struct gpt *gpt, struct tranship_disk *disk, const struct gpt_header *h,
		    const unsigned char *array, struct patches *patches, const char *reason,
		    struct tranship_error *err)
{
	unsigned char raw[GPT_SECTOR_MAX];
	int rc;

	gpt_header_encode(h, raw, gpt->sector_size);
	rc = patches_put(patches, disk, h->my_lba * gpt->sector_size, raw, gpt->sector_size, reason,
			 err);
	if (rc == 0)
		rc = patches_put(patches, disk, h->array_lba * gpt->sector_size, array,
				 gpt_array_bytes(h), reason, err);
	return rc;
}

int gpt_put(const struct gpt *gpt, struct tranship_disk *disk, const unsigned char *array,
	    struct patches *patches, struct tranship_error *err)
{
	struct gpt_entry *entries = NULL;
	struct gpt_header h;
	int rc;

	if (!gpt->found)
		return error_set(err, TRANSHIP_EINVAL, "gpt: there is no table to write");
	h = gpt->used->header;
	rc = gpt_entries_decode(array, h.count, h.entry_size, &entries, err);
	if (rc == 0)
		rc = place_header(gpt, entries, &h, err);
	free(entries);
	if (rc)
		return rc;
	h.array_crc = (uint32_t)crc32(0, array, (unsigned)gpt_array_bytes(&h));
	rc = put_copy(gpt, disk, &h, array, patches, "GPT", err);
	if (rc)
		return rc;
	h.my_lba = h.alternate_lba;
	h.alternate_lba = GPT_PRIMARY_LBA;
	h.array_lba = h.last_usable + 1;
	return put_copy(gpt, disk, &h, array, patches, "backup GPT", err);
}

/* Whether a sector belongs to a partition. */
static bool in_partition(const struct gpt *gpt, uint64_t lba)
{
	uint32_t i;

	for (i = 0; i < gpt->count; i++)
		if (!gpt_entry_is_free(&gpt->entries[i]) && lba >= gpt->entries[i].first &&
		    lba <= gpt->entries[i].last)
			return true;
	return false;
}

/* Zeros over `count` sectors, so far as they are the disk's, no partition's, and not the MBR. */
static int zero(const struct gpt *gpt, struct tranship_disk *disk, uint64_t lba, uint64_t count,
		struct patches *patches, const char *reason, struct tranship_error *err)
{
	static const unsigned char zeros[GPT_SECTOR_MAX];
	int rc = 0;

	for (; count > 0 && lba < gpt->sectors && rc == 0; count--, lba++)
		if (lba > 0 && !in_partition(gpt, lba))
			rc = patches_put(patches, disk, lba * gpt->sector_size, zeros,
					 gpt->sector_size, reason, err);
	return rc;
}

/* Erases the copy whose header stands in the sector `lba`, if there is one. */
static int erase_copy(const struct gpt *gpt, struct tranship_disk *disk, uint64_t lba,
		      struct patches *patches, struct tranship_error *err)
{
	uint64_t count = div_up(ARRAY_BYTES_USUAL, gpt->sector_size), array;
	const char *reason = lba == GPT_PRIMARY_LBA ? "GPT erased" : "backup GPT erased";
	unsigned char raw[GPT_SECTOR_MAX];
	struct gpt_header h;
	int rc;

	if (lba == 0 || lba >= gpt->sectors)
		return 0;
	rc = tranship_disk_read(disk, NULL, lba * gpt->sector_size, raw, gpt->sector_size, err);
	if (rc || !gpt_has_signature(raw))
		return rc;
	array = lba == GPT_PRIMARY_LBA ? lba + 1 : lba - min_u64(lba, count);
	if (gpt_header_decode(raw, gpt->sector_size, lba, &h, NULL) == 0 &&
	    gpt_header_check(&h, gpt->sector_size, gpt->sectors, NULL) == 0) {
		array = h.array_lba;
		count = gpt_array_sectors(&h, gpt->sector_size);
	}
	rc = zero(gpt, disk, lba, 1, patches, reason, err);
	return rc ? rc : zero(gpt, disk, array, count, patches, reason, err);
}

int gpt_erase(const struct gpt *gpt, struct tranship_disk *disk, struct patches *patches,
	      struct tranship_error *err)
{
	uint64_t last = gpt->sectors ? gpt->sectors - 1 : 0;
	uint64_t alternate = gpt->primary.header.alternate_lba;
	int rc = erase_copy(gpt, disk, GPT_PRIMARY_LBA, patches, err);

	if (rc == 0 && last > GPT_PRIMARY_LBA)
		rc = erase_copy(gpt, disk, last, patches, err);
	if (rc == 0 && alternate > GPT_PRIMARY_LBA && alternate < last)
		rc = erase_copy(gpt, disk, alternate, patches, err);
	return rc;
}
