// SPDX-License-Identifier: Apache-2.0
/*
 * Where a VHD that is changed in place gets its space. The footer stands at the end of the file,
 * and a block that was appended over it would leave none until the transaction is done. So the file
 * grows first, by some blocks at once, in a transaction that does no more than put the footer at
 * the new end; then blocks are written free into the space before it. Whenever the program is
 * killed, a sound footer ends the file, and what was not referred to yet is a leak. When the work
 * is done the footer is written, free, right behind what is in use, and the file is cut behind it.
 */
#include "vhd/vhd_change.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

#define DATA_ALIGN 4096U
#define ENTRIES_AT_ONCE 256U
#define GROW_BLOCKS 15U /* more than are needed */
/* What a transaction takes in memory before it is applied; a write may touch two pages. */
#define PENDING_MAX ((size_t)16 << 20)
#define PENDING_WRITE ((size_t)8 << 10)
#define PIECE (32U << 10)

uint64_t vhd_blocks_wanted(const struct vhd_disk *vhd)
{
	return div_up(vhd->footer.current_size, vhd->dynamic.block_size);
}

void vhd_change_begin(struct vhd_disk *vhd)
{
	struct vhd_change *c = &vhd->change;
	uint64_t size = tranship_file_size(vhd->file);

	if (c->begun)
		return;
	c->begun = true;
	c->tail = vhd->tail_there ? size - VHD_FOOTER_SIZE : round_up(size, VHD_SECTOR);
	c->clean = c->tail;
	c->source = vhd->tail_ok || (vhd->tail_there && !vhd->head_ok) ? c->tail : 0;
}

uint64_t vhd_metadata_end(const struct vhd_disk *vhd, uint64_t limit)
{
	const struct vhd_dynamic *d = &vhd->dynamic;
	uint64_t end = max_u64(vhd->footer.data_offset + VHD_DYNAMIC_SIZE,
			       d->table_offset + (uint64_t)d->max_entries * 4);
	uint64_t size = tranship_file_size(vhd->file);
	int i;

	for (i = 0; i < VHD_LOCATORS && vhd->footer.type == VHD_DIFFERENCING; i++) {
		const struct vhd_locator *l = &d->locators[i];

		if (l->platform != 0 && l->data_offset < limit &&
		    range_ok(l->data_offset, l->data_length, size))
			end = max_u64(end, l->data_offset + l->data_length);
	}
	return round_up(end, VHD_SECTOR);
}

int vhd_change_space(struct vhd_disk *vhd, struct tranship_error *err)
{
	struct vhd_change *c = &vhd->change;
	uint64_t total = vhd_blocks_wanted(vhd), end, i;
	uint32_t entries[ENTRIES_AT_ONCE];
	size_t n, count;
	int rc = 0;

	vhd_change_begin(vhd);
	end = vhd_metadata_end(vhd, UINT64_MAX);
	for (i = 0; rc == 0 && c->end == 0 && i < total; i += count) {
		count = (size_t)min_u64(total - i, ENTRIES_AT_ONCE);
		rc = vhd_bat_entries(vhd, i, count, entries, err);
		for (n = 0; rc == 0 && n < count; n++) {
			uint64_t at = (uint64_t)entries[n] * VHD_SECTOR;

			if (entries[n] == VHD_BAT_UNUSED)
				continue;
			if (at == 0 || !range_ok(at, vhd_stride(vhd), c->tail))
				return error_set(err, TRANSHIP_ECORRUPT,
						 "vhd: BAT[%" PRIu64 "] points at sector %" PRIu32
						 ", where no block fits in front of the footer at "
						 "%" PRIu64 ": the image must be mended first",
						 i + n, entries[n], c->tail);
			end = max_u64(end, at + vhd_stride(vhd));
		}
	}
	if (rc == 0 && c->end == 0)
		c->end = end;
	return rc;
}

/* The footer that is believed, with what changed in memory. */
static int footer_bytes(struct vhd_disk *vhd, unsigned char raw[VHD_FOOTER_SIZE],
			struct tranship_error *err)
{
	int rc = tranship_file_read(vhd->file, vhd->change.source, raw, VHD_FOOTER_SIZE, err);

	if (rc == 0)
		vhd_footer_update(&vhd->footer, raw);
	return rc;
}

static void footer_is_at(struct vhd_disk *vhd, uint64_t tail)
{
	vhd->change.tail = vhd->change.source = tail;
	vhd->tail_there = vhd->tail_ok = true;
}

int vhd_apply(struct vhd_disk *vhd, struct tranship_error *err)
{
	vhd->change.pending = 0;
	return modify_apply(vhd->file, err);
}

int vhd_reserve(struct vhd_disk *vhd, uint64_t end, struct tranship_error *err)
{
	struct vhd_change *c = &vhd->change;
	uint64_t tail = round_up(end, VHD_SECTOR), old = c->tail;
	unsigned char raw[VHD_FOOTER_SIZE];
	int rc;

	c->end = max_u64(c->end, end);
	if (tail <= c->tail && vhd->tail_there)
		return 0;
	rc = footer_bytes(vhd, raw, err);
	tail = max_u64(tail, old) + GROW_BLOCKS * vhd_stride(vhd);
	if (rc == 0)
		rc = file_write(vhd->file, tail, raw, sizeof(raw), err);
	if (rc == 0)
		rc = vhd_apply(vhd, err);
	if (rc)
		return rc;
	footer_is_at(vhd, tail);
	c->clean = old + VHD_FOOTER_SIZE;
	c->grown = true;
	return 0;
}

int vhd_allocate(struct vhd_disk *vhd, uint64_t lead, uint64_t len, uint64_t *at,
		 struct tranship_error *err)
{
	struct vhd_change *c = &vhd->change;
	uint64_t end;
	uint32_t sector;
	int rc;

	*at = round_up(c->end + lead, DATA_ALIGN) - lead;
	if (!narrow32_ok(*at / VHD_SECTOR, &sector) || sector == VHD_BAT_UNUSED)
		return error_set(err, TRANSHIP_ELIMIT,
				 "vhd: a file ends at 2 TiB, its BAT cannot name sector %" PRIu64,
				 *at / VHD_SECTOR);
	end = *at + len;
	rc = vhd_reserve(vhd, end, err);
	if (rc == 0 && *at < c->clean)
		rc = vhd_zero_free(vhd, *at, min_u64(end, c->clean) - *at, err);
	return rc;
}

int vhd_zero_free(struct vhd_disk *vhd, uint64_t off, uint64_t len, struct tranship_error *err)
{
	return modify_zero_free(vhd->file, off, len, err);
}

int vhd_copy_free(struct vhd_disk *vhd, uint64_t from, uint64_t to, uint64_t len,
		  struct tranship_error *err)
{
	unsigned char bytes[PIECE];
	uint64_t done;
	size_t n;
	int rc = 0;

	for (done = 0; done < len && rc == 0; done += n) {
		n = (size_t)min_u64(len - done, sizeof(bytes));
		rc = tranship_file_read(vhd->file, from + done, bytes, n, err);
		if (rc == 0)
			rc = modify_free(vhd->file, to + done, bytes, n, err);
	}
	table_cache_forget(vhd->cache, to, len);
	return rc;
}

int vhd_table_write(struct vhd_disk *vhd, uint64_t off, const void *buf, size_t len,
		    struct tranship_error *err)
{
	int rc = file_write(vhd->file, off, buf, len, err);

	table_cache_forget(vhd->cache, off, len);
	vhd->change.pending += PENDING_WRITE + len;
	if (rc == 0 && vhd->change.pending >= PENDING_MAX)
		rc = vhd_apply(vhd, err);
	return rc;
}

int vhd_bat_write(struct vhd_disk *vhd, uint64_t index, uint32_t sector, struct tranship_error *err)
{
	unsigned char raw[4];

	put_be32(raw, sector);
	return vhd_table_write(vhd, vhd->dynamic.table_offset + 4 * index, raw, sizeof(raw), err);
}

int vhd_footers_write(struct vhd_disk *vhd, struct tranship_error *err)
{
	unsigned char raw[VHD_FOOTER_SIZE];
	int rc = footer_bytes(vhd, raw, err);

	if (rc == 0 && vhd->footer.type != VHD_FIXED)
		rc = file_write(vhd->file, 0, raw, sizeof(raw), err);
	if (rc == 0)
		rc = file_write(vhd->file, vhd->change.tail, raw, sizeof(raw), err);
	if (rc)
		return rc;
	vhd->head_ok = vhd->footer.type != VHD_FIXED;
	footer_is_at(vhd, vhd->change.tail);
	return 0;
}

int vhd_header_write(struct vhd_disk *vhd, struct tranship_error *err)
{
	unsigned char raw[VHD_DYNAMIC_SIZE];
	uint64_t at = vhd->footer.data_offset;
	int rc = tranship_file_read(vhd->file, at, raw, sizeof(raw), err);

	vhd_dynamic_update(&vhd->dynamic, raw);
	if (rc == 0)
		rc = file_write(vhd->file, at, raw, sizeof(raw), err);
	if (rc == 0)
		vhd->header_ok = true;
	return rc;
}

int vhd_trim(struct vhd_disk *vhd, struct tranship_error *err)
{
	struct vhd_change *c = &vhd->change;
	uint64_t tail = round_up(c->end, VHD_SECTOR);
	unsigned char raw[VHD_FOOTER_SIZE];
	int rc = vhd_apply(vhd, err);

	if (rc || tail + VHD_FOOTER_SIZE > c->tail)
		return rc;
	rc = footer_bytes(vhd, raw, err);
	if (rc == 0)
		rc = modify_free(vhd->file, tail, raw, sizeof(raw), err);
	if (rc == 0)
		rc = vhd_apply(vhd, err);
	if (rc == 0)
		rc = modify_cut(vhd->file, tail + VHD_FOOTER_SIZE, err);
	if (rc)
		return rc;
	footer_is_at(vhd, tail);
	c->clean = tail;
	c->grown = false;
	return 0;
}
