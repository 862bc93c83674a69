// SPDX-License-Identifier: Apache-2.0
/*
 * Checking a VHD: both footers, the header, every BAT entry, a child's parent locators, blocks that
 * overlap each other or the metadata,
 * space that nothing uses. The places of the blocks are sorted, four bytes a block, so the time is
 * near linear; comparing each with each takes minutes on real disks (xapi-project/sm#82).
 */
#include "vhd/vhd.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/check.h"

#include <inttypes.h>
#include <stdlib.h>

#define ENTRIES_AT_ONCE 256U

/* Where the allocated blocks stand, sectors. */
struct blocks {
	uint32_t *at;
	size_t count;
};

static int by_sector(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int add_block(struct blocks *blocks, size_t *cap, uint32_t sector,
		     struct tranship_error *err)
{
	if (blocks->count == *cap) {
		size_t more = *cap ? 2 * *cap : 1024;
		uint32_t *at = realloc(blocks->at, more * sizeof(*at));

		if (!at)
			return error_nomem(err, more * sizeof(*at));
		blocks->at = at;
		*cap = more;
	}
	blocks->at[blocks->count++] = sector;
	return 0;
}

/*
 * Every entry that is used must point at a whole block in the file. More blocks than the file has
 * room for overlap each other, and need not be collected to say so.
 */
static int collect(struct vhd_disk *vhd, struct check *check, struct blocks *blocks,
		   struct tranship_error *err)
{
	uint64_t total = div_up(vhd->disk.size, vhd->dynamic.block_size), i = 0;
	uint64_t len = (uint64_t)vhd->bitmap_size + vhd->dynamic.block_size,
		 size = tranship_file_size(vhd->file), room = size / len + 1;
	uint32_t entries[ENTRIES_AT_ONCE];
	size_t cap = 0, n, count;
	int rc = 0;

	for (; i < total && rc == 0; i += count) {
		count = (size_t)min_u64(total - i, ENTRIES_AT_ONCE);
		rc = vhd_bat_entries(vhd, i, count, entries, err);
		for (n = 0; n < count && rc == 0; n++) {
			if (entries[n] == VHD_BAT_UNUSED)
				continue;
			check_unit(check, (uint64_t)entries[n] * VHD_SECTOR, len, false);
			if (blocks->count == room) {
				check_error(check,
					    "vhd: at BAT[%" PRIu64 "] there are more blocks than "
					    "the file has room for: the rest is not checked",
					    i + n);
				check->result.total = total;
				return 0;
			}
			if (entries[n] > 0 &&
			    range_ok((uint64_t)entries[n] * VHD_SECTOR, len, size))
				rc = add_block(blocks, &cap, entries[n], err);
			else
				check_error(check,
					    "vhd: BAT[%" PRIu64 "] points at sector %" PRIu32
					    ", where no block fits between the footer's copy and "
					    "the end of the file (sector %" PRIu64 ")",
					    i + n, entries[n], size / VHD_SECTOR);
		}
	}
	check->result.total = total;
	return rc;
}

/* What lies between two things that are used. Less than a block is padding. */
static void check_gap(struct vhd_disk *vhd, struct check *check, uint64_t from, uint64_t to)
{
	uint64_t stride = (uint64_t)vhd->bitmap_size + vhd->dynamic.block_size;

	if (to > from && to - from >= stride)
		check_leak(check, (to - from) / stride,
			   "vhd: %" PRIu64 " bytes at %" PRIu64 " are used by nothing", to - from,
			   from);
}

/* Whether a block stands on some of [off, off + len). They are sorted. */
static bool block_on(const struct vhd_disk *vhd, const struct blocks *blocks, uint64_t off,
		     uint64_t len)
{
	uint64_t stride = (uint64_t)vhd->bitmap_size + vhd->dynamic.block_size;
	size_t low = 0, high = blocks->count;

	while (low < high) { /* the first one that ends behind off */
		size_t mid = low + (high - low) / 2;

		if ((uint64_t)blocks->at[mid] * VHD_SECTOR + stride <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low < blocks->count && (uint64_t)blocks->at[low] * VHD_SECTOR < off + len;
}

/* A child's parent locators lie in the file and under no block. Returns where the metadata ends,
 * the locators in front of all blocks included. */
static uint64_t check_locators(const struct vhd_disk *vhd, struct check *check,
			       const struct blocks *blocks, uint64_t end)
{
	uint64_t size = tranship_file_size(vhd->file);
	uint64_t first = blocks->count > 0 ? (uint64_t)blocks->at[0] * VHD_SECTOR : size;
	int i;

	for (i = 0; i < VHD_LOCATORS && vhd->footer.type == VHD_DIFFERENCING; i++) {
		const struct vhd_locator *l = &vhd->dynamic.locators[i];

		if (l->platform == 0 || l->data_length == 0)
			continue;
		if (!range_ok(l->data_offset, l->data_length, size))
			check_error(check,
				    "vhd: parent locator %d, %" PRIu32 " bytes at %" PRIu64
				    ", passes the end of the file (%" PRIu64 " bytes)",
				    i, l->data_length, l->data_offset, size);
		else if (block_on(vhd, blocks, l->data_offset, l->data_length))
			check_error(check, "vhd: a block overlaps parent locator %d at %" PRIu64, i,
				    l->data_offset);
		else if (l->data_offset < first)
			end = max_u64(end, l->data_offset + l->data_length);
	}
	return end;
}

static void check_places(struct vhd_disk *vhd, struct check *check, const struct blocks *blocks)
{
	uint64_t len = (uint64_t)vhd->bitmap_size + vhd->dynamic.block_size;
	uint64_t end = max_u64(vhd->footer.data_offset + VHD_DYNAMIC_SIZE,
			       vhd->dynamic.table_offset + (uint64_t)vhd->dynamic.max_entries * 4);
	uint64_t footer = tranship_file_size(vhd->file) - (vhd->tail_there ? VHD_FOOTER_SIZE : 0);
	size_t i;

	end = round_up(check_locators(vhd, check, blocks, end), VHD_SECTOR);
	for (i = 0; i < blocks->count; i++) {
		uint64_t at = (uint64_t)blocks->at[i] * VHD_SECTOR;

		if (at < end)
			check_error(check,
				    "vhd: the block at sector %" PRIu32
				    " overlaps %s, which ends at sector %" PRIu64,
				    blocks->at[i],
				    i == 0 ? "the metadata" : "what stands before it",
				    end / VHD_SECTOR);
		else
			check_gap(vhd, check, end, at);
		end = max_u64(end, at + len);
	}
	if (end > footer)
		check_error(check, "vhd: the last block overlaps the footer at %" PRIu64, footer);
	else
		check_gap(vhd, check, end, footer);
	check->result.image_end = end + VHD_FOOTER_SIZE;
}

int vhd_check(struct tranship_disk *disk, struct check *check, struct tranship_error *err)
{
	struct vhd_disk *vhd = vhd_of(disk);
	struct blocks blocks = { 0 };
	int rc;

	if (!vhd->tail_ok)
		check_error(check, "vhd: the footer at the end of the file is damaged");
	if (vhd->footer.type == VHD_FIXED) {
		check->result.image_end = tranship_file_size(vhd->file);
		return 0;
	}
	if (!vhd->head_ok)
		check_error(check,
			    "vhd: the copy of the footer at the beginning of the file is damaged");
	if (!vhd->header_ok)
		check_error(check, "vhd: the checksum of the dynamic disk header is wrong");
	rc = collect(vhd, check, &blocks, err);
	if (rc == 0) {
		if (blocks.count > 0)
			qsort(blocks.at, blocks.count, sizeof(*blocks.at), by_sector);
		check_places(vhd, check, &blocks);
	}
	free(blocks.at);
	return rc;
}
