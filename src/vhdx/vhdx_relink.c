// SPDX-License-Identifier: Apache-2.0
/*
 * The parent of a VHDX that is changed: another one, none, or the child emptied. The parent locator
 * is replaced in the metadata region, whose other items stay as and where they are.
 *
 * Without a parent there are no sector bitmaps: first the blocks that are partially present become
 * whole ones, with zeros where the parent was; in several transactions if they are many, because
 * whoever asks has made sure that the parent had zeros there. The last transaction ends the link.
 */
#include "vhdx/vhdx_modify.h"

#include "base/checked.h"
#include "base/error.h"
#include "vhdx/vhdx_locator_ondisk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* `locator` is empty: no parent. */
static int change_locator(struct vhdx_disk *vhdx, unsigned char *raw, size_t len,
			  const struct buffer *locator, struct tranship_error *err)
{
	struct vhdx_metadata m;
	int rc = vhdx_metadata_relink(raw, len, locator->bytes, locator->len, err);

	if (rc == 0)
		rc = vhdx_metadata_decode(raw, len, &m, err);
	if (rc == 0)
		rc = file_write(vhdx->base, vhdx->regions.metadata.offset, raw, len, err);
	if (rc == 0)
		vhdx->metadata = m;
	return rc;
}

/* The metadata region, as far as it is looked at. malloc'ed. */
static int read_region(struct vhdx_disk *vhdx, unsigned char **out, size_t *len,
		       struct tranship_error *err)
{
	*len = (size_t)min_u64(vhdx->regions.metadata.length, VHDX_MB);
	*out = malloc(*len);
	return *out ? tranship_file_read(vhdx->file, vhdx->regions.metadata.offset, *out, *len, err)
		    : error_nomem(err, *len);
}

static int link_to(struct vhdx_disk *vhdx, const struct base_info *base, struct tranship_error *err)
{
	struct vhdx_metadata child = vhdx->metadata;
	uint64_t at, end = vhdx_bat_entries(&vhdx->metadata);
	struct vhdx_locator old = { 0 };
	struct buffer locator = { 0 };
	unsigned char *raw;
	size_t len;
	int rc = read_region(vhdx, &raw, &len, err);

	if (rc == 0 && child.has_parent)
		rc = vhdx_locator_decode(raw + child.locator_offset, child.locator_length, &old,
					 err);
	if (rc == 0)
		rc = vhdx_parent_describe(base, child.has_parent ? &old : NULL, &locator, err);
	child.has_parent = true; /* its last chunk is a whole one */
	if (rc == 0)
		rc = vhdx_bat_reserve(vhdx, vhdx_bat_entries(&child), err);
	for (at = end; rc == 0 && at < vhdx_bat_entries(&child); at++)
		rc = vhdx_bat_write(vhdx, at, 0, err);
	if (rc == 0)
		rc = change_locator(vhdx, raw, len, &locator, err);
	buffer_free(&locator);
	free(raw);
	return rc ? rc : vhdx_flush(&vhdx->disk, err);
}

/* A partially present block becomes a whole one. */
static int complete_block(struct vhdx_disk *vhdx, void *ctx, uint64_t number, uint64_t entry,
			  struct tranship_error *err)
{
	const struct vhdx_metadata *m = &vhdx->metadata;
	uint64_t block = number - number / (vhdx_chunk_ratio(m) + 1), at, from;
	unsigned char *bits = ctx;
	uint64_t sectors =
		min_u64(m->block_size, m->disk_size - block * m->block_size) / m->logical_sector;
	int rc;

	if (vhdx_is_bitmap_entry(m, number) || vhdx_entry_length(vhdx, number, entry) == 0 ||
	    vhdx_entry_state(entry) != VHDX_BLOCK_PARTIALLY_PRESENT)
		return 0;
	rc = vhdx_bits_read(vhdx, block, bits, err);
	for (at = 0; rc == 0 && at < sectors; at++) {
		for (from = at; at < sectors && !(bits[at / 8] >> at % 8 & 1); at++)
			;
		if (at > from)
			rc = vhdx_zero_free(vhdx,
					    vhdx_entry_offset(entry) + from * m->logical_sector,
					    (at - from) * m->logical_sector, err);
	}
	if (rc == 0)
		rc = vhdx_bat_write(vhdx, number,
				    vhdx_entry_offset(entry) | VHDX_BLOCK_FULLY_PRESENT, err);
	return rc ? rc : vhdx_flush_much(vhdx, err);
}

static int clear_bitmap(struct vhdx_disk *vhdx, void *ctx, uint64_t number, uint64_t entry,
			struct tranship_error *err)
{
	(void)ctx;
	(void)entry;
	if (!vhdx_is_bitmap_entry(&vhdx->metadata, number))
		return 0;
	return vhdx_bat_write(vhdx, number, 0, err);
}

static int unlink_parent(struct vhdx_disk *vhdx, struct tranship_error *err)
{
	const struct buffer nothing = { 0 };
	unsigned char *bits = malloc(vhdx_bits_size(&vhdx->metadata)), *raw = NULL;
	size_t len;
	int rc = bits ? 0 : error_nomem(err, vhdx_bits_size(&vhdx->metadata));

	if (rc == 0)
		rc = vhdx_bat_walk(vhdx, complete_block, bits, err);
	if (rc == 0)
		rc = vhdx_bat_walk(vhdx, clear_bitmap, NULL, err);
	if (rc == 0)
		rc = read_region(vhdx, &raw, &len, err);
	if (rc == 0)
		rc = change_locator(vhdx, raw, len, &nothing, err);
	free(bits);
	free(raw);
	if (rc == 0)
		rc = vhdx_flush(&vhdx->disk, err);
	return rc ? rc : vhdx_cut_tail(vhdx, err);
}

int vhdx_relink(struct tranship_disk *disk, const struct base_info *base,
		struct tranship_error *err)
{
	struct vhdx_disk *vhdx = vhdx_of(disk);
	int rc;

	if (base && base->sector_size != 0 && base->sector_size != vhdx->metadata.logical_sector)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "vhdx: the parent's sectors have %" PRIu32
				 " bytes, those of the image %" PRIu32,
				 base->sector_size, vhdx->metadata.logical_sector);
	if (!base && !vhdx->metadata.has_parent)
		return 0;
	rc = vhdx_change_begin(vhdx, err);
	if (rc)
		return rc;
	return base ? link_to(vhdx, base, err) : unlink_parent(vhdx, err);
}

/* In the order of the BAT the blocks of a chunk go before their bitmap. */
static int clear_entry(struct vhdx_disk *vhdx, void *ctx, uint64_t number, uint64_t entry,
		       struct tranship_error *err)
{
	int rc = vhdx_bat_write(vhdx, number, 0, err);

	(void)ctx;
	(void)entry;
	return rc ? rc : vhdx_flush_much(vhdx, err);
}

int vhdx_empty(struct tranship_disk *disk, struct tranship_error *err)
{
	struct vhdx_disk *vhdx = vhdx_of(disk);
	int rc = vhdx_change_begin(vhdx, err);

	if (rc == 0)
		rc = vhdx_bat_walk(vhdx, clear_entry, NULL, err);
	if (rc == 0)
		rc = vhdx_flush(disk, err);
	return rc ? rc : vhdx_cut_tail(vhdx, err);
}
