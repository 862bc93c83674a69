// SPDX-License-Identifier: Apache-2.0
/*
 * FAT32 volumes, read. The table is read by pages, of which one is kept; a chain of clusters is
 * walked no further than what is asked for needs.
 */
#include "mbr-gpt/fat_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "mbr-gpt/fat_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int fat_open(const struct volume *volume, struct fat *out, struct tranship_error *err)
{
	unsigned char raw[FAT_BOOT_SIZE];
	uint32_t state = 0;
	struct fat fat;
	int rc;

	*out = (struct fat){ 0 };
	rc = volume_read(volume, 0, raw, sizeof(raw), err);
	if (rc == 0)
		rc = fat_boot_decode(raw, volume->len, &fat, err);
	if (rc)
		return rc;
	fat.volume = *volume;
	fat.page_off = FAT_NO_PAGE;
	fat.page = malloc(FAT_PAGE);
	if (!fat.page)
		return error_nomem(err, FAT_PAGE);
	rc = fat_table_get(&fat, 1, &state, err);
	if (rc) {
		fat_close(&fat);
		return rc;
	}
	fat.dirty |= !(state & FAT_CLEAN) || !(state & FAT_NO_ERRORS);
	*out = fat;
	return 0;
}

void fat_close(struct fat *fat)
{
	free(fat->page);
	fat->page = NULL;
}

int fat_table_get(struct fat *fat, uint32_t cluster, uint32_t *value, struct tranship_error *err)
{
	uint64_t table = (uint64_t)fat->fat_sectors * fat->sector_size;
	uint64_t at = (uint64_t)cluster * 4, page = at - at % FAT_PAGE;
	int rc;

	if (fat->page_off != page) {
		fat->page_off = FAT_NO_PAGE;
		rc = volume_read(&fat->volume, fat_table_off(fat, fat->active_fat) + page,
				 fat->page, (size_t)min_u64(FAT_PAGE, table - page), err);
		if (rc)
			return rc;
		fat->page_off = page;
	}
	*value = get_le32(fat->page + (at - page));
	return 0;
}

int fat_next(struct fat *fat, uint32_t cluster, uint32_t *next, struct tranship_error *err)
{
	uint32_t value = 0;
	int rc;

	*next = 0;
	if (!fat_is_cluster(fat, cluster))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: cluster %" PRIu32 " is used, out of 2 to %" PRIu32, cluster,
				 fat->clusters + 1);
	rc = fat_table_get(fat, cluster, &value, err);
	if (rc)
		return rc;
	value &= FAT_MASK;
	if (value >= FAT_END)
		return 0;
	if (!fat_is_cluster(fat, value))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: the table has %" PRIu32 " for cluster %" PRIu32
				 ", which is used: %s",
				 value, cluster,
				 value == 0         ? "it is free"
				 : value == FAT_BAD ? "it is bad"
						    : "out of range");
	*next = value;
	return 0;
}

static int too_short(const struct fat_entry *file, uint64_t clusters, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT,
			 "fat: the chain of '%s' (%" PRIu32 " bytes) ends behind %" PRIu64
			 " clusters",
			 file->short_name, file->size, clusters);
}

int fat_check_chain(struct fat *fat, const struct fat_entry *file, struct tranship_error *err)
{
	uint64_t need = div_up(file->size, fat->cluster_size), steps, limit, power = 1;
	uint32_t at = file->cluster, mark = at, next = 0;

	if (need > fat->clusters)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: '%s' has %" PRIu32 " bytes, the volume's %" PRIu32
				 " clusters less",
				 file->short_name, file->size, fat->clusters);
	if (need > 0 && file->cluster == 0)
		return too_short(file, 0, err);
	/* Brent: what comes back to the mark is a loop. One that begins within what is needed is
	 * met within three times as many steps. */
	limit = 3 * need;
	for (steps = 1; steps <= limit; steps++, at = next) {
		int rc = fat_next(fat, at, &next, err);

		if (rc)
			return rc;
		if (next == 0)
			return steps < need ? too_short(file, steps, err) : 0;
		if (next == mark)
			return error_set(
				err, TRANSHIP_ECORRUPT,
				"fat: the chain of '%s' is a loop: it comes back to cluster "
				"%" PRIu32,
				file->short_name, next);
		if (steps == power) {
			mark = next;
			power *= 2;
		}
	}
	return 0;
}

int fat_read(struct fat *fat, const struct fat_entry *file, uint64_t off, void *buf, size_t len,
	     struct tranship_error *err)
{
	uint32_t size = fat->cluster_size, cluster = file->cluster;
	unsigned char *to = buf;
	uint64_t skip = off / size;
	int rc;

	if (file->attributes & FAT_ATTR_DIRECTORY)
		return error_set(err, TRANSHIP_EINVAL, "fat: '%s' is a folder", file->short_name);
	if (!range_ok(off, len, file->size))
		return error_set(err, TRANSHIP_EINVAL,
				 "fat: %zu bytes at %" PRIu64 " pass the end of '%s' (%" PRIu32
				 " bytes)",
				 len, off, file->short_name, file->size);
	if (len == 0)
		return 0;
	rc = fat_check_chain(fat, file, err);
	while (rc == 0 && skip-- > 0)
		rc = fat_next(fat, cluster, &cluster, err);
	while (rc == 0 && len > 0) {
		uint64_t within = off % size;
		size_t piece = (size_t)min_u64(len, size - within);

		rc = volume_read(&fat->volume, fat_cluster_off(fat, cluster) + within, to, piece,
				 err);
		to += piece;
		off += piece;
		len -= piece;
		if (rc == 0 && len > 0)
			rc = fat_next(fat, cluster, &cluster, err);
	}
	return rc;
}

int fat_read_all(struct fat *fat, const struct fat_entry *file, size_t max, unsigned char **out,
		 struct tranship_error *err)
{
	unsigned char *bytes;
	int rc;

	*out = NULL;
	if (file->size > max)
		return error_set(err, TRANSHIP_ELIMIT,
				 "fat: '%s' has %" PRIu32 " bytes, more than %zu", file->short_name,
				 file->size, max);
	/* Before malloc: the size is the volume's word alone. */
	rc = fat_check_chain(fat, file, err);
	if (rc)
		return rc;
	bytes = malloc((size_t)file->size + 1);
	if (!bytes)
		return error_nomem(err, (size_t)file->size + 1);
	rc = fat_read(fat, file, 0, bytes, file->size, err);
	if (rc) {
		free(bytes);
		return rc;
	}
	*out = bytes;
	return 0;
}
