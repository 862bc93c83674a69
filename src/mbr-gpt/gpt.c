// SPDX-License-Identifier: Apache-2.0
#include "mbr-gpt/gpt.h"

#include "base/checked.h"
#include "base/error.h"
#include "mbr-gpt/gpt_ondisk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static int read_sectors(const struct gpt *gpt, struct tranship_disk *disk, uint64_t lba, void *buf,
			size_t len, struct tranship_error *err)
{
	return tranship_disk_read(disk, NULL, lba * gpt->sector_size, buf, len, err);
}

/* The entries of a header that was found right. What is wrong goes to the copy's fault. */
static int read_array(const struct gpt *gpt, struct tranship_disk *disk, struct gpt_copy *copy,
		      struct tranship_error *err)
{
	const struct gpt_header *h = &copy->header;
	size_t len = gpt_array_bytes(h);
	struct gpt_entry *entries = NULL;
	uint32_t crc;
	int rc;

	copy->array = malloc(len);
	if (!copy->array)
		return error_nomem(err, len);
	rc = read_sectors(gpt, disk, h->array_lba, copy->array, len, err);
	if (rc)
		return rc;
	crc = (uint32_t)crc32(0, copy->array, (unsigned)len);
	if (crc != h->array_crc) {
		error_set(&copy->fault, TRANSHIP_ECORRUPT,
			  "gpt: the entries at sector %" PRIu64 " have checksum 0x%08" PRIX32
			  ", the header in sector %" PRIu64 " says 0x%08" PRIX32,
			  h->array_lba, crc, h->my_lba, h->array_crc);
		return 0;
	}
	rc = gpt_entries_decode(copy->array, h->count, h->entry_size, &entries, err);
	if (rc)
		return rc;
	rc = gpt_entries_check(entries, h->count, h->first_usable, h->last_usable, &copy->fault);
	free(entries);
	if (rc == TRANSHIP_ENOMEM)
		return error_copy(err, &copy->fault, rc);
	copy->good = rc == 0;
	return 0;
}

static void copy_free(struct gpt_copy *copy)
{
	free(copy->array);
	*copy = (struct gpt_copy){ 0 };
}

/* Looks for a copy in the sector `lba`, which is one of the disk. */
static int read_copy(const struct gpt *gpt, struct tranship_disk *disk, uint64_t lba,
		     struct gpt_copy *copy, struct tranship_error *err)
{
	unsigned char raw[GPT_SECTOR_MAX];
	int rc;

	*copy = (struct gpt_copy){ .lba = lba };
	rc = read_sectors(gpt, disk, lba, raw, gpt->sector_size, err);
	if (rc)
		return rc;
	copy->present = gpt_has_signature(raw);
	if (!copy->present)
		return 0;
	if (gpt_header_decode(raw, gpt->sector_size, lba, &copy->header, &copy->fault) ||
	    gpt_header_check(&copy->header, gpt->sector_size, gpt->sectors, &copy->fault))
		return 0;
	rc = read_array(gpt, disk, copy, err);
	if (rc || !copy->good) {
		free(copy->array);
		copy->array = NULL;
	}
	return rc;
}

/*
 * The backup stands in the last sector; where that has no good one, the primary may know another
 * place, at which it stood when the disk was smaller.
 */
static int read_backup(struct gpt *gpt, struct tranship_disk *disk, struct tranship_error *err)
{
	uint64_t last = gpt->sectors - 1, alternate = gpt->primary.header.alternate_lba;
	struct gpt_copy other;
	int rc = read_copy(gpt, disk, last, &gpt->backup, err);

	/* The header is only filled in where its checksum is right. */
	if (rc || gpt->backup.good || gpt->primary.header.size == 0 ||
	    alternate <= GPT_PRIMARY_LBA || alternate >= last)
		return rc;
	rc = read_copy(gpt, disk, alternate, &other, err);
	if (rc == 0 && other.present && (other.good || !gpt->backup.present)) {
		copy_free(&gpt->backup);
		gpt->backup = other;
		gpt->backup_misplaced = true;
	} else {
		copy_free(&other);
	}
	return rc;
}

static bool copies_differ(const struct gpt_copy *a, const struct gpt_copy *b)
{
	const struct gpt_header *x = &a->header, *y = &b->header;

	return x->first_usable != y->first_usable || x->last_usable != y->last_usable ||
	       !guid_equal(&x->disk, &y->disk) || x->count != y->count ||
	       x->entry_size != y->entry_size ||
	       memcmp(a->array, b->array, gpt_array_bytes(x)) != 0;
}

/* A table of a disk with other sectors, whose bytes were copied. */
static int look_for_foreign(struct gpt *gpt, struct tranship_disk *disk, struct tranship_error *err)
{
	uint32_t other = gpt->sector_size == 512 ? 4096 : 512;
	unsigned char raw[GPT_SIGNATURE_LEN];
	int rc;

	if (!range_ok(other, sizeof(raw), tranship_disk_size(disk)))
		return 0;
	rc = tranship_disk_read(disk, NULL, other, raw, sizeof(raw), err);
	if (rc == 0 && gpt_has_signature(raw))
		gpt->foreign_sector_size = other;
	return rc;
}

static int read_both(struct gpt *gpt, struct tranship_disk *disk, struct tranship_error *err)
{
	const struct gpt_copy *used;
	int rc = 0;

	if (gpt->sectors > GPT_PRIMARY_LBA)
		rc = read_copy(gpt, disk, GPT_PRIMARY_LBA, &gpt->primary, err);
	if (rc == 0 && gpt->sectors > GPT_PRIMARY_LBA + 1)
		rc = read_backup(gpt, disk, err);
	if (rc)
		return rc;
	gpt->found = gpt->primary.good || gpt->backup.good;
	if (!gpt->found)
		return look_for_foreign(gpt, disk, err);
	gpt->differ =
		gpt->primary.good && gpt->backup.good && copies_differ(&gpt->primary, &gpt->backup);
	used = gpt->primary.good ? &gpt->primary : &gpt->backup;
	gpt->used = used;
	gpt->count = used->header.count;
	return gpt_entries_decode(used->array, used->header.count, used->header.entry_size,
				  &gpt->entries, err);
}

int gpt_read(struct tranship_disk *disk, struct gpt *out, struct tranship_error *err)
{
	int rc;

	*out = (struct gpt){ .sector_size = tranship_disk_sector_size(disk) };
	if (out->sector_size > GPT_SECTOR_MAX)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "gpt: sectors of %" PRIu32 " bytes (at most %d)", out->sector_size,
				 GPT_SECTOR_MAX);
	out->sectors = tranship_disk_size(disk) / out->sector_size;
	rc = read_both(out, disk, err);
	if (rc)
		gpt_free(out);
	return rc;
}

void gpt_free(struct gpt *gpt)
{
	copy_free(&gpt->primary);
	copy_free(&gpt->backup);
	free(gpt->entries);
	*gpt = (struct gpt){ 0 };
}

bool gpt_backup_misplaced(struct tranship_disk *disk, uint64_t new_size, char *message, size_t cap)
{
	uint32_t sector_size = tranship_disk_sector_size(disk);
	unsigned char raw[GPT_SECTOR_MAX];
	struct gpt_header header;
	uint64_t last;

	if (sector_size > sizeof(raw) || tranship_disk_size(disk) / sector_size < 2 ||
	    new_size / sector_size < 2 ||
	    tranship_disk_read(disk, NULL, sector_size, raw, sector_size, NULL) != 0 ||
	    gpt_header_decode(raw, sector_size, GPT_PRIMARY_LBA, &header, NULL) != 0)
		return false;
	last = new_size / sector_size - 1;
	if (header.alternate_lba == last)
		return false;
	snprintf(message, cap,
		 "gpt: the backup partition table stands at sector %" PRIu64
		 ", the new disk ends with sector %" PRIu64
		 "; systems repair that, or 'sgdisk -e' does",
		 header.alternate_lba, last);
	return true;
}
