// SPDX-License-Identifier: Apache-2.0
/*
 * Another size of a VHDX: the virtual disk size in the metadata, and a BAT that has its entries.
 *
 * Where the region of the BAT is too short it grows in place if the MiBs behind it are free, else a
 * copy of it becomes a region at the end of the file and both region tables change; blocks never
 * move. Entries of new blocks are written before the size says that they exist, so that what an
 * earlier shrink left there does not matter: NOT_PRESENT; ZERO in a child, whose parent may be
 * longer; a place in a fixed disk. Of a last block that was shorter than the others the rest
 * becomes zeros. Entries of blocks that are cut off are cleared once the size is smaller.
 */
#include "vhdx/vhdx_modify.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/zero.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PIECE (256U << 10)

static bool is_free(const struct usage *usage, const struct vhdx_disk *vhdx, uint64_t off,
		    uint64_t end)
{
	for (; off < end && off < vhdx->end; off += VHDX_MB)
		if (off / VHDX_MB >= usage->map.bits || bitmap_get(&usage->map, off / VHDX_MB))
			return false;
	return true;
}

/* The region with the length that is needed, if it can have it where it is. */
static int extend_bat(struct vhdx_disk *vhdx, struct vhdx_region *bat, bool *done,
		      struct tranship_error *err)
{
	uint64_t old_end = vhdx->regions.bat.offset + vhdx->regions.bat.length, end;
	struct usage usage;
	int rc = vhdx_layout_scan(vhdx, &usage, &end, err);

	bat->offset = vhdx->regions.bat.offset;
	end = bat->offset + bat->length;
	*done = rc == 0 && !vhdx->regions.others && is_free(&usage, vhdx, old_end, end);
	usage_free(&usage);
	if (!*done)
		return rc;
	vhdx->end = max_u64(vhdx->end, end);
	return vhdx_zero_free(vhdx, old_end, end - old_end, err);
}

/* A copy of the BAT at the end of the file. */
static int move_bat(struct vhdx_disk *vhdx, struct vhdx_region *bat, struct tranship_error *err)
{
	const struct vhdx_region *old = &vhdx->regions.bat;
	unsigned char *bytes = malloc(PIECE);
	uint64_t at;
	int rc =
		bytes ? vhdx_append(vhdx, bat->length, &bat->offset, err) : error_nomem(err, PIECE);

	for (at = 0; rc == 0 && at < old->length; at += PIECE) {
		rc = tranship_file_read(vhdx->base, old->offset + at, bytes, PIECE, err);
		if (rc == 0 && !bytes_are_zero(bytes, PIECE))
			rc = modify_free(vhdx->base, bat->offset + at, bytes, PIECE, err);
	}
	free(bytes);
	return rc;
}

int vhdx_write_region_tables(struct vhdx_disk *vhdx, struct tranship_error *err)
{
	static const uint32_t places[2] = { VHDX_REGION_TABLE_1, VHDX_REGION_TABLE_2 };
	unsigned char *raw = malloc(VHDX_TABLE_SIZE);
	int rc = raw ? 0 : error_nomem(err, VHDX_TABLE_SIZE), i;

	if (rc == 0)
		rc = tranship_file_read(vhdx->base, places[!vhdx->regions_ok[0]], raw,
					VHDX_TABLE_SIZE, err);
	if (rc == 0)
		vhdx_regions_place_bat(raw, &vhdx->regions.bat);
	for (i = 0; i < 2 && rc == 0; i++) {
		rc = file_write(vhdx->base, places[i], raw, VHDX_TABLE_SIZE, err);
		vhdx->regions_ok[i] = rc == 0 || vhdx->regions_ok[i];
	}
	free(raw);
	return rc;
}

int vhdx_bat_reserve(struct vhdx_disk *vhdx, uint64_t entries, struct tranship_error *err)
{
	struct vhdx_region bat = { .length = round_up(max_u64(entries * 8, 1), VHDX_MB) };
	bool done;
	int rc;

	if (bat.length <= vhdx->regions.bat.length)
		return 0;
	rc = extend_bat(vhdx, &bat, &done, err);
	if (rc == 0 && !done)
		rc = move_bat(vhdx, &bat, err);
	if (rc)
		return rc;
	table_cache_forget(vhdx->cache, bat.offset, bat.length);
	vhdx->regions.bat = bat;
	return vhdx_write_region_tables(vhdx, err);
}

/* What entries of blocks become that the disk did not have, or has no more. */
enum fill { FILL_CLEAR, FILL_ZERO_STATE, FILL_PLACES };

static int fill_entry(struct vhdx_disk *vhdx, uint64_t number, enum fill fill, uint64_t *entry,
		      struct tranship_error *err)
{
	const struct vhdx_metadata *m = &vhdx->metadata;
	int rc = 0;

	*entry = vhdx_is_bitmap_entry(m, number) ? 0 : VHDX_BLOCK_ZERO;
	if (*entry != 0 && fill == FILL_PLACES) {
		rc = vhdx_append(vhdx, m->block_size, entry, err);
		*entry |= VHDX_BLOCK_FULLY_PRESENT;
	}
	return rc;
}

/* Entries [first, end) at once: no block of the disk has them. Cleared ones stay holes. */
static int fill_run(struct vhdx_disk *vhdx, uint64_t first, uint64_t end, enum fill fill,
		    struct tranship_error *err)
{
	uint64_t bat = vhdx->regions.bat.offset, at, n, i, entry = 0;
	unsigned char raw[16384];
	int rc = 0;

	if (fill == FILL_CLEAR && first < end)
		return vhdx_zero_free(vhdx, bat + 8 * first, 8 * (end - first), err);
	for (at = first; at < end && rc == 0; at += n) {
		n = min_u64(end - at, sizeof(raw) / 8);
		for (i = 0; i < n && rc == 0; i++) {
			rc = fill_entry(vhdx, at + i, fill, &entry, err);
			put_le64(raw + 8 * i, entry);
		}
		if (rc == 0)
			rc = modify_free(vhdx->base, bat + 8 * at, raw, (size_t)(8 * n), err);
	}
	return rc;
}

/* The same; but the sector bitmap of a chunk that begins before them stays. */
static int fill_entries(struct vhdx_disk *vhdx, uint64_t first, uint64_t end, enum fill fill,
			struct tranship_error *err)
{
	const struct vhdx_metadata *m = &vhdx->metadata;
	uint64_t per_chunk = vhdx_chunk_ratio(m) + 1;
	uint64_t kept = first / per_chunk * per_chunk + per_chunk - 1;
	int rc;

	table_cache_forget(vhdx->cache, vhdx->regions.bat.offset, vhdx->regions.bat.length);
	if (!m->has_parent || first % per_chunk == 0)
		return fill_run(vhdx, first, end, fill, err);
	rc = fill_run(vhdx, first, min_u64(kept, end), fill, err);
	return rc ? rc : fill_run(vhdx, kept + 1, end, fill, err);
}

/* In the transaction at hand, and for this disk from now on. */
static int set_size(struct vhdx_disk *vhdx, uint64_t size, struct tranship_error *err)
{
	unsigned char raw[8];

	put_le64(raw, size);
	vhdx->metadata.disk_size = vhdx->disk.size = size;
	return file_write(vhdx->base, vhdx->regions.metadata.offset + vhdx->metadata.size_offset,
			  raw, sizeof(raw), err);
}

/* What the last block has behind the old end was nobody's. */
static int zero_rest(struct vhdx_disk *vhdx, uint64_t old, struct tranship_error *err)
{
	const struct vhdx_metadata *m = &vhdx->metadata;
	uint64_t end = min_u64(round_up(old, m->block_size), m->disk_size), entry = 0;
	int rc;

	if (old == end)
		return 0;
	rc = vhdx_bat_read(vhdx, vhdx_payload_entry(m, old / m->block_size), 1, &entry, err);
	if (rc || (!m->has_parent && !vhdx_has_place(entry)))
		return rc;
	return vhdx_zero_range(&vhdx->disk, old, end - old, err);
}

static int grow(struct vhdx_disk *vhdx, uint64_t size, struct tranship_error *err)
{
	struct vhdx_metadata larger = vhdx->metadata;
	uint64_t old = vhdx->metadata.disk_size, first;
	enum fill fill = larger.has_parent               ? FILL_ZERO_STATE
			 : larger.leave_blocks_allocated ? FILL_PLACES
							 : FILL_CLEAR;
	int rc;

	larger.disk_size = size;
	first = vhdx_payload_entry(&larger, vhdx_blocks(&vhdx->metadata));
	if (!larger.has_parent) /* the bitmap entry before it was not the disk's */
		first = min_u64(first, vhdx_bat_entries(&vhdx->metadata));
	rc = vhdx_bat_reserve(vhdx, vhdx_bat_entries(&larger), err);
	if (rc == 0)
		rc = fill_entries(vhdx, first, vhdx_bat_entries(&larger), fill, err);
	if (rc == 0)
		rc = set_size(vhdx, size, err);
	if (rc == 0)
		rc = zero_rest(vhdx, old, err);
	return rc ? rc : vhdx_flush(&vhdx->disk, err);
}

static int shrink(struct vhdx_disk *vhdx, uint64_t size, struct tranship_error *err)
{
	uint64_t end = vhdx_bat_entries(&vhdx->metadata);
	int rc = set_size(vhdx, size, err);

	if (rc == 0)
		rc = vhdx_flush(&vhdx->disk, err);
	if (rc == 0)
		rc = fill_entries(vhdx,
				  vhdx_payload_entry(&vhdx->metadata, vhdx_blocks(&vhdx->metadata)),
				  end, FILL_CLEAR, err);
	if (rc == 0)
		rc = vhdx_flush(&vhdx->disk, err);
	return rc ? rc : vhdx_cut_tail(vhdx, err);
}

int vhdx_can_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err)
{
	uint64_t rounded;

	if (round_up_ok(size, disk->sector_size, &rounded) && rounded <= VHDX_SIZE_MAX)
		return 0;
	return error_set(err, TRANSHIP_ELIMIT,
			 "vhdx: a disk of %" PRIu64
			 " bytes is too large, VHDX ends at 64 TiB; raw has no limit",
			 size);
}

int vhdx_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err)
{
	struct vhdx_disk *vhdx = vhdx_of(disk);
	uint64_t rounded;
	struct idgen ids;
	int rc = vhdx_can_resize(disk, size, err);

	if (rc)
		return rc;
	rounded = round_up(size, disk->sector_size);
	if (rounded == disk->size)
		return 0;
	rc = vhdx_change_begin(vhdx, err);
	if (rc == 0)
		rc = rounded > disk->size ? grow(vhdx, rounded, err) : shrink(vhdx, rounded, err);
	/* Last: what failed, or was killed, has changed nothing of what children see of it. */
	if (rc == 0)
		rc = idgen_init(&ids, NULL, err);
	return rc ? rc : vhdx_renew(disk, &ids, err);
}
