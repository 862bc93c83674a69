// SPDX-License-Identifier: Apache-2.0
/*
 * Writing a differencing VHDX ([MS-VHDX] 2.5): its blocks say which of their sectors the disk
 * itself has. The bits of the chunk at hand are kept in memory; what a block becomes is known when
 * it is left, and whether the chunk needs a sector bitmap block when that is left:
 *
 *   nothing put or zeroed   NOT_PRESENT, the parent's
 *   all of it zeroed        ZERO, without a place
 *   all of it, some put     FULLY_PRESENT
 *   some of it              PARTIALLY_PRESENT, with bits; what was zeroed is a hole
 */
#include "vhdx/vhdx_write.h"

#include "base/checked.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* The last block of a disk may have fewer sectors than others. */
static uint64_t sectors_of_block(const struct vhdx_writer *w)
{
	const struct vhdx_metadata *m = &w->metadata;

	return min_u64(m->block_size, m->disk_size - w->block * m->block_size) / m->logical_sector;
}

static void give_place(struct vhdx_writer *w)
{
	if (w->child.stored)
		return;
	w->child.stored = true;
	w->data = w->next;
	w->next += w->metadata.block_size;
}

static int leave_block(struct vhdx_writer *w, struct tranship_error *err)
{
	bool whole;
	unsigned state;

	if (w->block == UINT64_MAX || w->child.own == 0)
		return 0;
	whole = w->child.own == sectors_of_block(w);
	if (whole && !w->child.stored)
		return vhdx_put_entry(w, w->block + w->block / w->ratio, VHDX_BLOCK_ZERO, err);
	give_place(w);
	w->child.partial = w->child.partial || !whole;
	state = whole ? VHDX_BLOCK_FULLY_PRESENT : VHDX_BLOCK_PARTIALLY_PRESENT;
	return vhdx_put_entry(w, w->block + w->block / w->ratio, w->data | state, err);
}

static int leave_chunk(struct vhdx_writer *w, struct tranship_error *err)
{
	uint64_t at = w->next;
	int rc;

	if (!w->child.partial)
		return 0;
	w->next += VHDX_BITMAP_SIZE;
	rc = file_write(w->file, at, w->child.bits, VHDX_BITMAP_SIZE, err);
	return rc ? rc
		  : vhdx_put_entry(w, vhdx_bitmap_entry(&w->metadata, w->child.chunk),
				   at | VHDX_BITMAP_PRESENT, err);
}

static int reach_block(struct vhdx_writer *w, uint64_t block, struct tranship_error *err)
{
	int rc;

	if (block == w->block)
		return 0;
	rc = leave_block(w, err);
	if (rc == 0 && block / w->ratio != w->child.chunk) {
		rc = leave_chunk(w, err);
		w->child.chunk = block / w->ratio;
		w->child.partial = false;
		memset(w->child.bits, 0, VHDX_BITMAP_SIZE);
	}
	w->block = block;
	w->child.own = 0;
	w->child.stored = false;
	return rc;
}

/* The sectors of [off, off + len), in the block at hand, are the disk's own. */
static void own_sectors(struct vhdx_writer *w, uint64_t off, uint64_t len)
{
	uint32_t sector = w->metadata.logical_sector;
	uint64_t first = (off - w->child.chunk * w->ratio * w->metadata.block_size) / sector;
	uint64_t count = len / sector, i;

	for (i = first; i < first + count; i++)
		w->child.bits[i / 8] |= (unsigned char)(1U << i % 8);
	w->child.own += count;
}

int vhdx_child_put(struct tranship_writer *writer, uint64_t off, uint64_t len, const void *stored,
		   size_t stored_len, struct tranship_error *err)
{
	struct vhdx_writer *w = vhdx_writer_of(writer);
	const unsigned char *from = stored;
	int rc = 0;

	(void)len;
	while (stored_len > 0 && rc == 0) {
		uint64_t within = off % w->metadata.block_size;
		size_t n = (size_t)min_u64(stored_len, w->metadata.block_size - within);

		rc = reach_block(w, off / w->metadata.block_size, err);
		if (rc == 0) {
			give_place(w);
			own_sectors(w, off, n);
			rc = file_write(w->file, w->data + within, from, n, err);
		}
		off += n;
		from += n;
		stored_len -= n;
	}
	return rc;
}

int vhdx_child_zero(struct tranship_writer *writer, uint64_t off, uint64_t len,
		    struct tranship_error *err)
{
	struct vhdx_writer *w = vhdx_writer_of(writer);
	int rc = 0;

	while (len > 0 && rc == 0) {
		uint64_t n = min_u64(len, w->metadata.block_size - off % w->metadata.block_size);

		rc = reach_block(w, off / w->metadata.block_size, err);
		if (rc == 0)
			own_sectors(w, off, n);
		off += n;
		len -= n;
	}
	return rc;
}

int vhdx_child_end(struct vhdx_writer *w, struct tranship_error *err)
{
	int rc = leave_block(w, err);

	return rc ? rc : leave_chunk(w, err);
}

int vhdx_child_begin(struct vhdx_writer *w, const struct base_info *base,
		     struct tranship_error *err)
{
	w->writer.has_base = true;
	w->metadata.has_parent = true;
	w->metadata.locator_offset = VHDX_METADATA_ENCODED;
	w->child.bits = calloc(1, VHDX_BITMAP_SIZE);
	if (!w->child.bits)
		return error_nomem(err, VHDX_BITMAP_SIZE);
	return vhdx_parent_describe(base, NULL, &w->child.locator, err);
}
