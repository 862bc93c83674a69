// SPDX-License-Identifier: Apache-2.0
/*
 * Directories: listed, and searched for a path. A slot whose first byte is 0 ends a directory, as
 * the specification has it; what stands behind it is never looked at.
 */
#include "mbr-gpt/fat_dir.h"

#include "base/checked.h"
#include "base/error.h"
#include "mbr-gpt/fat_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Enters a cluster; what follows it is looked up at once, so a cluster that is free, or no cluster
 * at all, is never read. */
static int enter(struct fat_dir *dir, uint32_t cluster, struct tranship_error *err)
{
	dir->cluster = cluster;
	dir->within = 0;
	return fat_next(dir->fat, cluster, &dir->next, err);
}

int fat_dir_start(struct fat *fat, uint32_t cluster, struct fat_dir *out,
		  struct tranship_error *err)
{
	out->fat = fat;
	out->slots = 0;
	return enter(out, cluster, err);
}

static int endless(const struct fat_dir *dir, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT,
			 "fat: the folder that goes on at cluster %" PRIu32
			 " is a loop, or has more than %d entries",
			 dir->cluster, FAT_SLOTS_MAX);
}

int fat_dir_finish(struct fat_dir *dir, struct tranship_error *err)
{
	uint32_t slots = dir->fat->cluster_size / FAT_SLOT;
	uint32_t left = (FAT_SLOTS_MAX - dir->slots) / slots;
	int rc = 0;

	while (rc == 0 && dir->next != 0) {
		if (left-- == 0)
			return endless(dir, err);
		rc = enter(dir, dir->next, err);
	}
	return rc;
}

int fat_dir_slot(struct fat_dir *dir, bool *more, struct fat_slot *out, struct tranship_error *err)
{
	const struct fat *fat = dir->fat;
	uint32_t size = fat->cluster_size, within;
	int rc;

	*more = false;
	if (dir->within == size && dir->next == 0)
		return 0;
	if (dir->slots == FAT_SLOTS_MAX)
		return endless(dir, err);
	if (dir->within == size) {
		rc = enter(dir, dir->next, err);
		if (rc)
			return rc;
	}
	out->off = fat_cluster_off(fat, dir->cluster) + dir->within;
	within = dir->within % FAT_DIR_PIECE;
	if (within == 0) {
		rc = volume_read(&fat->volume, out->off, dir->piece,
				 (size_t)min_u64(size, FAT_DIR_PIECE), err);
		if (rc)
			return rc;
	}
	memcpy(out->raw, dir->piece + within, FAT_SLOT);
	dir->within += FAT_SLOT;
	dir->slots++;
	*more = true;
	return 0;
}

bool fat_gather_slot(struct fat_gather *gather, const struct fat_slot *slot, struct fat_found *out)
{
	const unsigned char *raw = slot->raw;
	struct fat_long name = gather->name;

	if (raw[0] != FAT_SLOT_FREE && raw[0] != FAT_SLOT_LAST && fat_slot_is_long(raw)) {
		fat_long_add(&gather->name, raw);
		if (gather->name.count > 0)
			gather->off[gather->name.next] = slot->off;
		return false;
	}
	gather->name.count = gather->name.next = 0;
	if (raw[0] == FAT_SLOT_FREE || raw[0] == FAT_SLOT_LAST)
		return false;
	fat_slot_decode(raw, &out->entry);
	if ((out->entry.attributes & FAT_ATTR_VOLUME) || memcmp(raw, ".          ", 11) == 0 ||
	    memcmp(raw, "..         ", 11) == 0)
		return false;
	out->entry.entry_off = slot->off;
	out->long_count = fat_long_finish(&name, raw, out->entry.name) ? name.count : 0;
	memcpy(out->long_off, gather->off, sizeof(out->long_off));
	memcpy(out->raw, raw, FAT_SLOT);
	return true;
}

/* Calls fn for each entry, with all that is known. */
static int walk(struct fat *fat, uint32_t cluster,
		int (*fn)(void *ctx, const struct fat_found *found), void *ctx,
		struct tranship_error *err)
{
	struct fat_dir *dir = malloc(sizeof(*dir));
	struct fat_gather gather = { 0 };
	struct fat_found found;
	struct fat_slot slot;
	bool more = true;
	int rc;

	if (!dir)
		return error_nomem(err, sizeof(*dir));
	rc = fat_dir_start(fat, cluster, dir, err);
	while (rc == 0) {
		rc = fat_dir_slot(dir, &more, &slot, err);
		if (rc || !more || slot.raw[0] == FAT_SLOT_LAST)
			break;
		if (fat_gather_slot(&gather, &slot, &found))
			rc = fn(ctx, &found);
	}
	free(dir);
	return rc;
}

struct listing {
	int (*fn)(void *ctx, const struct fat_entry *entry);
	void *ctx;
};

static int list_one(void *ctx, const struct fat_found *found)
{
	const struct listing *listing = ctx;

	return listing->fn(listing->ctx, &found->entry);
}

int fat_list(struct fat *fat, const struct fat_entry *dir,
	     int (*fn)(void *ctx, const struct fat_entry *entry), void *ctx,
	     struct tranship_error *err)
{
	struct listing listing = { fn, ctx };

	if (dir && !(dir->attributes & FAT_ATTR_DIRECTORY))
		return error_set(err, TRANSHIP_EINVAL, "fat: what shall be listed is no folder");
	return walk(fat, dir ? dir->cluster : fat->root_cluster, list_one, &listing, err);
}

struct search {
	const char *name;
	size_t len;
	bool found;
	struct fat_entry *out;
};

static int compare_one(void *ctx, const struct fat_found *found)
{
	struct search *search = ctx;

	if (!fat_name_is(&found->entry, found->raw, search->name, search->len))
		return 0;
	search->found = true;
	*search->out = found->entry;
	return 1;
}

int fat_find(struct fat *fat, const char *path, bool *found, struct fat_entry *out,
	     struct tranship_error *err)
{
	struct fat_entry at = { .attributes = FAT_ATTR_DIRECTORY, .cluster = fat->root_cluster };

	*found = false;
	while (*(path += strspn(path, "/\\"))) {
		struct search search = { path, strcspn(path, "/\\"), false, &at };
		int rc;

		if (!(at.attributes & FAT_ATTR_DIRECTORY))
			return 0;
		rc = walk(fat, at.cluster, compare_one, &search, err);
		if (rc < 0)
			return rc;
		if (!search.found)
			return 0;
		path += search.len;
	}
	*found = true;
	*out = at;
	return 0;
}
