// SPDX-License-Identifier: Apache-2.0
/*
 * Checking a VHDX: both headers and region tables, the log, every BAT entry, blocks and sector
 * bitmaps that overlap, space that nothing uses (qemu-img leaves 4 MiB before the first block).
 * Everything stands at whole MiB, so one bit a MiB of the file tells all.
 */
#include "vhdx/vhdx.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/check.h"

#include <inttypes.h>

#define ENTRIES_AT_ONCE 512U
#define ENTRY_RESERVED ((uint64_t)0xFFFF8) /* bits 3 to 19 */

struct vhdx_checking {
	struct vhdx_disk *vhdx;
	struct check *check;
	struct usage usage;
	uint64_t end;
	uint64_t partial; /* a block of the chunk at hand that needs its bitmap; UINT64_MAX: none */
};

static void mark(struct vhdx_checking *c, const char *what, uint64_t off, uint64_t len)
{
	if (len == 0) /* stands nowhere, whatever its offset says */
		return;
	if (!usage_mark(&c->usage, off, len))
		check_error(c->check, "vhdx: the %s at %" PRIu64 " overlaps something else", what,
			    off);
	c->end = max_u64(c->end, off + len);
}

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b ? a_len > b - a : b_len > a - b;
}

/* What else stands where a block does. */
static const char *other_user(const struct vhdx_disk *vhdx, uint64_t off, uint64_t len)
{
	const struct vhdx_region *metadata = &vhdx->regions.metadata, *bat = &vhdx->regions.bat;

	return overlap(off, len, bat->offset, bat->length)             ? "the BAT"
	       : overlap(off, len, metadata->offset, metadata->length) ? "the metadata region"
	       : overlap(off, len, vhdx->header.log_offset, vhdx->header.log_length)
		       ? "the log"
		       : "another block";
}

/* A block of the disk or of bitmaps, of which `len` bytes must be in the file. */
static void check_place(struct vhdx_checking *c, const char *what, uint64_t index, uint64_t entry,
			uint64_t len, uint64_t unit)
{
	uint64_t off = vhdx_entry_offset(entry), size = tranship_file_size(c->vhdx->file);

	if (entry & ENTRY_RESERVED)
		check_error(c->check,
			    "vhdx: BAT entry of %s %" PRIu64 " is 0x%016" PRIx64
			    ", with reserved bits set",
			    what, index, entry);
	if (off < VHDX_MB || !range_ok(off, len, size)) {
		check_error(c->check,
			    "vhdx: %s %" PRIu64 " is said to be at %" PRIu64
			    ", outside the file (%" PRIu64 " bytes) or in its headers",
			    what, index, off, size);
		return;
	}
	unit = min_u64(unit, size - off);
	if (!usage_mark(&c->usage, off, unit))
		check_error(c->check, "vhdx: %s %" PRIu64 " at %" PRIu64 " overlaps %s", what,
			    index, off, other_user(c->vhdx, off, unit));
	c->end = max_u64(c->end, off + unit);
}

static void check_payload(struct vhdx_checking *c, uint64_t index, uint64_t entry)
{
	const struct vhdx_metadata *m = &c->vhdx->metadata;
	unsigned state = vhdx_entry_state(entry);
	bool partial = state == VHDX_BLOCK_PARTIALLY_PRESENT && m->has_parent;

	if (index >= vhdx_blocks(m)) /* fills up the last chunk of a differencing disk */
		return;
	if (state == 4 || (state == VHDX_BLOCK_PARTIALLY_PRESENT && !partial))
		check_error(c->check,
			    "vhdx: block %" PRIu64
			    " has state %u, which a disk with%s a parent cannot have",
			    index, state, m->has_parent ? "" : "out");
	if (state != VHDX_BLOCK_FULLY_PRESENT && !partial)
		return;
	if (partial)
		c->partial = index;
	check_unit(c->check, vhdx_entry_offset(entry), m->block_size, false);
	check_place(c, "block", index, entry,
		    min_u64(m->block_size, m->disk_size - index * m->block_size), m->block_size);
}

/* The last entry of a chunk. */
static void check_bitmap(struct vhdx_checking *c, uint64_t index, uint64_t entry)
{
	unsigned state = vhdx_entry_state(entry);

	if (state != 0 && (!c->vhdx->metadata.has_parent || state != VHDX_BITMAP_PRESENT))
		check_error(c->check,
			    "vhdx: BAT entry %" PRIu64 " is a sector bitmap in state %u, which a "
			    "disk with%s a parent cannot have",
			    index, state, c->vhdx->metadata.has_parent ? "" : "out");
	else if (state == 0 && c->partial != UINT64_MAX)
		check_error(c->check,
			    "vhdx: block %" PRIu64
			    " is partially present, but the sector bitmap of its chunk (BAT entry "
			    "%" PRIu64 ") is missing",
			    c->partial, index);
	else if (state != 0)
		check_place(c, "sector bitmap", index, entry, VHDX_BITMAP_SIZE, VHDX_BITMAP_SIZE);
	c->partial = UINT64_MAX;
}

/* Entries that are a hole of the file: a bitmap among them is missing. */
static void check_bitmap_hole(struct vhdx_checking *c, uint64_t at, uint64_t n)
{
	uint64_t ratio = vhdx_chunk_ratio(&c->vhdx->metadata);
	uint64_t bitmap = at + (ratio - at % (ratio + 1));

	if (c->partial != UINT64_MAX && bitmap < at + n)
		check_bitmap(c, bitmap, 0);
}

static int check_bat(struct vhdx_checking *c, struct tranship_error *err)
{
	const struct vhdx_metadata *m = &c->vhdx->metadata;
	uint64_t ratio = vhdx_chunk_ratio(m), total = vhdx_bat_entries(m), at, n;
	uint64_t entries[ENTRIES_AT_ONCE];
	size_t i;

	for (at = 0; at < total; at += n) {
		int rc;

		n = min_u64(total - at, ENTRIES_AT_ONCE);
		/* Zeros are blocks that are not present: the BAT of a huge disk is full of them. */
		if (table_cache_is_hole(c->vhdx->cache, c->vhdx->regions.bat.offset + 8 * at,
					8 * n)) {
			check_bitmap_hole(c, at, n);
			continue;
		}
		rc = vhdx_bat_read(c->vhdx, at, (size_t)n, entries, err);
		if (rc)
			return rc;
		for (i = 0; i < n; i++) {
			if ((at + i) % (ratio + 1) != ratio)
				check_payload(c, at + i - (at + i) / (ratio + 1), entries[i]);
			else
				check_bitmap(c, at + i, entries[i]);
		}
	}
	return 0;
}

static void check_copies(struct vhdx_checking *c)
{
	int i;

	if (vhdx_header_lost(c->vhdx))
		check_error(c->check, "vhdx: header %d is damaged", c->vhdx->header_ok[0] ? 2 : 1);
	for (i = 0; i < 2; i++) {
		if (!c->vhdx->regions_ok[i])
			check_error(c->check, "vhdx: region table %d is damaged", i + 1);
	}
}

int vhdx_check(struct tranship_disk *disk, struct check *check, struct tranship_error *err)
{
	struct vhdx_checking c = { .vhdx = vhdx_of(disk), .check = check, .partial = UINT64_MAX };
	const struct vhdx_disk *vhdx = c.vhdx;
	int rc = usage_init(&c.usage, tranship_file_size(vhdx->file), VHDX_MB, 0, err);

	if (rc)
		return rc;
	check->result.total = vhdx_blocks(&vhdx->metadata);
	check_copies(&c);
	if (vhdx->log)
		check_error(check,
			    "vhdx: the log holds %" PRIu32
			    " entries that were not replayed; what follows is as if they were",
			    vhdx->log->entries);
	mark(&c, "header section", 0, VHDX_MB);
	mark(&c, "log", vhdx->header.log_offset, vhdx->header.log_length);
	mark(&c, "metadata region", vhdx->regions.metadata.offset, vhdx->regions.metadata.length);
	mark(&c, "BAT", vhdx->regions.bat.offset, vhdx->regions.bat.length);
	rc = check_bat(&c, err);
	if (rc == 0)
		usage_report_leaks(&c.usage, 0, vhdx->metadata.block_size, "vhdx", check);
	check->result.image_end = c.end;
	usage_free(&c.usage);
	return rc;
}
