// SPDX-License-Identifier: Apache-2.0
/*
 * Clusters of a FAT32 volume, taken and freed. The lowest free one is taken each time, by a cursor
 * that only goes up, so the table is searched once. All goes into patches; the page of the table
 * that is kept follows.
 */
#include "mbr-gpt/fat_writer.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int fat_writer_put(struct fat_writer *w, uint64_t off, const void *bytes, size_t len,
		   struct tranship_error *err)
{
	const struct volume *volume = &w->fat->volume;

	return patches_put(w->patches, volume->disk, volume->off + off, bytes, len, w->reason, err);
}

/* Sets an entry in the tables that are kept; the upper four bits stay ("FAT Data Structure"). */
static int set_entry(struct fat_writer *w, uint32_t cluster, uint32_t value,
		     struct tranship_error *err)
{
	struct fat *fat = w->fat;
	uint32_t copy = fat->mirrored ? 0 : fat->active_fat;
	uint32_t end = fat->mirrored ? fat->fat_count : copy + 1;
	uint64_t at = (uint64_t)cluster * 4;
	unsigned char raw[4];

	for (; copy < end; copy++) {
		uint64_t off = fat_table_off(fat, copy) + at;
		int rc = volume_read(&fat->volume, off, raw, sizeof(raw), err);

		if (rc)
			return rc;
		put_le32(raw, (get_le32(raw) & ~FAT_MASK) | value);
		rc = fat_writer_put(w, off, raw, sizeof(raw), err);
		if (rc)
			return rc;
		if (copy == fat->active_fat && fat->page_off == at - at % FAT_PAGE)
			memcpy(fat->page + at % FAT_PAGE, raw, sizeof(raw));
	}
	return 0;
}

int fat_writer_take(struct fat_writer *w, uint32_t previous, uint32_t *out,
		    struct tranship_error *err)
{
	struct fat *fat = w->fat;
	int rc;

	for (; fat_is_cluster(fat, w->cursor); w->cursor++) {
		uint32_t value;

		rc = fat_table_get(fat, w->cursor, &value, err);
		if (rc)
			return rc;
		if ((value & FAT_MASK) == 0)
			break;
	}
	if (!fat_is_cluster(fat, w->cursor))
		return error_set(err, TRANSHIP_ELIMIT,
				 "fat: the volume has no room: none of its %" PRIu32
				 " clusters is free any more, %" PRIu32 " were taken",
				 fat->clusters, w->taken);
	*out = w->last = w->cursor++;
	w->taken++;
	rc = set_entry(w, *out, FAT_MASK, err);
	if (rc == 0 && previous != 0)
		rc = set_entry(w, previous, *out, err);
	return rc;
}

int fat_writer_store(struct fat_writer *w, const void *bytes, size_t len, uint32_t *first,
		     struct tranship_error *err)
{
	uint32_t size = w->fat->cluster_size, cluster = 0;
	const unsigned char *from = bytes;
	unsigned char *last = NULL;
	int rc = 0;

	*first = 0;
	while (rc == 0 && len > 0) {
		size_t piece = (size_t)min_u64(len, size);

		if (piece < size) {
			last = calloc(1, size);
			if (!last)
				return error_nomem(err, size);
			memcpy(last, from, piece);
		}
		rc = fat_writer_take(w, cluster, &cluster, err);
		if (rc == 0)
			rc = fat_writer_put(w, fat_cluster_off(w->fat, cluster), last ? last : from,
					    size, err);
		if (*first == 0)
			*first = cluster;
		from += piece;
		len -= piece;
	}
	free(last);
	return rc;
}

int fat_writer_blank(struct fat_writer *w, uint32_t previous, uint32_t *out,
		     struct tranship_error *err)
{
	unsigned char *zeros = calloc(1, w->fat->cluster_size);
	int rc;

	if (!zeros)
		return error_nomem(err, w->fat->cluster_size);
	rc = fat_writer_take(w, previous, out, err);
	if (rc == 0)
		rc = fat_writer_put(w, fat_cluster_off(w->fat, *out), zeros, w->fat->cluster_size,
				    err);
	free(zeros);
	return rc;
}

int fat_writer_free(struct fat_writer *w, const struct fat_entry *file, struct tranship_error *err)
{
	uint32_t cluster = file->cluster, next;
	int rc = fat_check_chain(w->fat, file, err);

	/* A loop behind what the size needs ends at a cluster that was freed here. */
	for (; rc == 0 && cluster != 0; cluster = next) {
		rc = fat_next(w->fat, cluster, &next, err);
		if (rc == 0)
			rc = set_entry(w, cluster, 0, err);
		if (rc)
			break;
		w->freed++;
	}
	return rc;
}

/* What was counted, after this; a count that cannot be becomes unknown. */
static uint32_t new_count(const struct fat_writer *w, uint32_t count)
{
	uint64_t sum = (uint64_t)count + w->freed;

	if (count == FAT_INFO_UNKNOWN || sum < w->taken || sum - w->taken > w->fat->clusters)
		return FAT_INFO_UNKNOWN;
	return (uint32_t)(sum - w->taken);
}

/* Reads an FSInfo; *there false: that is none, or there is no such sector. */
static int read_info(struct fat_writer *w, uint32_t sector, unsigned char raw[FAT_INFO_SIZE],
		     bool *there, struct tranship_error *err)
{
	const struct fat *fat = w->fat;
	int rc;

	*there = false;
	if (sector == 0 || sector >= fat->reserved_sectors)
		return 0;
	rc = volume_read(&fat->volume, (uint64_t)sector * fat->sector_size, raw, FAT_INFO_SIZE,
			 err);
	*there = rc == 0 && fat_info_is(raw);
	return rc;
}

/* Puts both numbers, but where one is unknown that it stays. */
static int put_info(struct fat_writer *w, uint32_t sector, const unsigned char *raw, uint32_t count,
		    struct tranship_error *err)
{
	unsigned char both[8];

	memcpy(both, raw + FAT_INFO_FREE, sizeof(both));
	if (get_le32(both) != FAT_INFO_UNKNOWN)
		put_le32(both, count);
	if (get_le32(both + 4) != FAT_INFO_UNKNOWN && w->last != 0)
		put_le32(both + 4, w->last);
	return fat_writer_put(w, (uint64_t)sector * w->fat->sector_size + FAT_INFO_FREE, both,
			      sizeof(both), err);
}

int fat_writer_finish(struct fat_writer *w, struct tranship_error *err)
{
	uint32_t info = w->fat->info_sector, backup = w->fat->backup_sector;
	unsigned char raw[FAT_INFO_SIZE];
	uint32_t count;
	bool there;
	int rc = read_info(w, info, raw, &there, err);

	if (rc || !there)
		return rc;
	count = new_count(w, get_le32(raw + FAT_INFO_FREE));
	rc = put_info(w, info, raw, count, err);
	/* "Backup Boot Sector": what stands behind the boot sector has its copy there, too. */
	if (rc || backup == 0)
		return rc;
	rc = read_info(w, backup + info, raw, &there, err);
	if (rc || !there)
		return rc;
	return put_info(w, backup + info, raw, count, err);
}
