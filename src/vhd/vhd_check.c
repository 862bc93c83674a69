// SPDX-License-Identifier: Apache-2.0
/*
 * Checking a VHD: both footers, the header, every BAT entry, a child's parent locators, blocks
 * that overlap each other or the metadata, space that nothing uses. Blocks stand at any sector, so
 * one bit for each unit of the file would be one for each sector, 256 MiB for a TiB. Places and
 * entries of the blocks are sorted instead, eight bytes a block: the time is near linear (comparing
 * each with each takes minutes on real disks, xapi-project/sm#82), and each finding can name the
 * entries.
 */
#include "vhd/vhd.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ENTRIES_AT_ONCE 256U
/* 128 MiB of memory; 2040 GiB in blocks of 512 KiB are a quarter of this. */
#define BLOCKS_MAX (1U << 24)

/* The allocated blocks: sector in the upper half, number of the BAT entry in the lower one. */
struct blocks {
	uint64_t *at;
	size_t count, cap;
};

static int by_sector(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int add_block(struct blocks *blocks, uint64_t index, uint32_t sector,
		     struct tranship_error *err)
{
	if (blocks->count == BLOCKS_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "vhd: at BAT[%" PRIu64 "] there are more than %u blocks, too many "
				 "to be checked",
				 index, BLOCKS_MAX);
	if (blocks->count == blocks->cap) {
		size_t more = blocks->cap ? 2 * blocks->cap : 1024;
		uint64_t *at = realloc(blocks->at, more * sizeof(*at));

		if (!at)
			return error_nomem(err, more * sizeof(*at));
		blocks->at = at;
		blocks->cap = more;
	}
	blocks->at[blocks->count++] = (uint64_t)sector << 32 | index;
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
	size_t n, count;
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
				rc = add_block(blocks, i + n, entries[n], err);
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

		if ((blocks->at[mid] >> 32) * VHD_SECTOR + stride <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low < blocks->count && (blocks->at[low] >> 32) * VHD_SECTOR < off + len;
}

/* A child's parent locators lie in the file and under no block. Returns where the metadata ends,
 * the locators in front of all blocks included. */
static uint64_t check_locators(const struct vhd_disk *vhd, struct check *check,
			       const struct blocks *blocks, uint64_t end)
{
	uint64_t size = tranship_file_size(vhd->file);
	uint64_t first = blocks->count > 0 ? (blocks->at[0] >> 32) * VHD_SECTOR : size;
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

/* `before`: the block that reaches to `end`, NULL: the metadata do. */
static void report_overlap(struct check *check, uint64_t block, const uint64_t *before,
			   uint64_t end)
{
	char what[32] = "the metadata";

	if (before)
		snprintf(what, sizeof(what), "BAT[%" PRIu32 "]", (uint32_t)*before);
	check_error(check,
		    "vhd: the block of BAT[%" PRIu32 "] at sector %" PRIu64
		    " overlaps %s, which ends at sector %" PRIu64,
		    (uint32_t)block, block >> 32, what, end / VHD_SECTOR);
}

static void check_places(struct vhd_disk *vhd, struct check *check, const struct blocks *blocks)
{
	uint64_t len = (uint64_t)vhd->bitmap_size + vhd->dynamic.block_size;
	uint64_t end = max_u64(vhd->footer.data_offset + VHD_DYNAMIC_SIZE,
			       vhd->dynamic.table_offset + (uint64_t)vhd->dynamic.max_entries * 4);
	uint64_t footer = tranship_file_size(vhd->file) - (vhd->tail_there ? VHD_FOOTER_SIZE : 0);
	const uint64_t *last = NULL; /* the block that reaches furthest */
	size_t i;

	end = round_up(check_locators(vhd, check, blocks, end), VHD_SECTOR);
	for (i = 0; i < blocks->count; i++) {
		uint64_t at = (blocks->at[i] >> 32) * VHD_SECTOR;

		if (at < end)
			report_overlap(check, blocks->at[i], last, end);
		else
			check_gap(vhd, check, end, at);
		if (at + len > end) {
			end = at + len;
			last = &blocks->at[i];
		}
	}
	if (end <= footer)
		check_gap(vhd, check, end, footer);
	else if (last)
		check_error(check,
			    "vhd: the block of BAT[%" PRIu32 "] at sector %" PRIu64
			    " overlaps the footer at %" PRIu64,
			    (uint32_t)*last, *last >> 32, footer);
	else
		check_error(check,
			    "vhd: the metadata, which end at %" PRIu64
			    ", overlap the footer at %" PRIu64,
			    end, footer);
	check->result.image_end = end + VHD_FOOTER_SIZE;
}

/* What an interrupted change of the size left behind a fixed disk. */
static void check_slack(const struct vhd_disk *vhd, struct check *check)
{
	uint64_t end = vhd->footer.current_size + VHD_FOOTER_SIZE;

	if (vhd->cut_short)
		check_leak(check, (tranship_file_size(vhd->file) - end) / VHD_SECTOR,
			   "vhd: %" PRIu64 " bytes at %" PRIu64
			   ", behind the disk and its footer, are used by nothing",
			   tranship_file_size(vhd->file) - end, end);
}

int vhd_check(struct tranship_disk *disk, struct check *check, struct tranship_error *err)
{
	struct vhd_disk *vhd = vhd_of(disk);
	struct blocks blocks = { 0 };
	int rc;

	if (!vhd->tail_ok)
		check_error(check, "vhd: the footer at the end of the file is damaged");
	if (vhd->footer.type == VHD_FIXED) {
		check->result.image_end = vhd->footer.current_size + VHD_FOOTER_SIZE;
		check_slack(vhd, check);
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
