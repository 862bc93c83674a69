// SPDX-License-Identifier: Apache-2.0
/*
 * Checking a VHDX: both headers and region tables, every BAT entry, blocks that overlap, space that
 * nothing uses (qemu-img leaves 4 MiB before the first block). Everything stands at whole MiB, so
 * one bit a MiB of the file tells all.
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

static void check_payload(struct vhdx_checking *c, uint64_t index, uint64_t entry)
{
	const struct vhdx_metadata *m = &c->vhdx->metadata;
	uint64_t off = vhdx_entry_offset(entry), size = tranship_file_size(c->vhdx->file);
	uint64_t len = min_u64(m->block_size, m->disk_size - index * m->block_size);
	unsigned state = vhdx_entry_state(entry);

	if (state == 4 || state == VHDX_BLOCK_PARTIALLY_PRESENT)
		check_error(c->check,
			    "vhdx: block %" PRIu64
			    " has state %u, which a disk without a parent cannot have",
			    index, state);
	if (state != VHDX_BLOCK_FULLY_PRESENT)
		return;
	check_unit(c->check, off, m->block_size, false);
	if (entry & ENTRY_RESERVED)
		check_error(c->check,
			    "vhdx: BAT entry of block %" PRIu64 " is 0x%016" PRIx64
			    ", with reserved bits set",
			    index, entry);
	if (off < VHDX_MB || !range_ok(off, len, size)) {
		check_error(c->check,
			    "vhdx: block %" PRIu64 " is said to be at %" PRIu64
			    ", outside the file (%" PRIu64 " bytes) or in its headers",
			    index, off, size);
		return;
	}
	len = min_u64(m->block_size, size - off);
	if (!usage_mark(&c->usage, off, len))
		check_error(c->check, "vhdx: block %" PRIu64 " at %" PRIu64 " overlaps %s", index,
			    off, other_user(c->vhdx, off, len));
	c->end = max_u64(c->end, off + len);
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
					8 * n))
			continue;
		rc = vhdx_bat_read(c->vhdx, at, (size_t)n, entries, err);
		if (rc)
			return rc;
		for (i = 0; i < n; i++) {
			if ((at + i) % (ratio + 1) != ratio)
				check_payload(c, at + i - (at + i) / (ratio + 1), entries[i]);
			else if (vhdx_entry_state(entries[i]) != 0)
				check_error(c->check,
					    "vhdx: BAT entry %" PRIu64
					    " is a sector bitmap in state %u; only a "
					    "differencing disk has these",
					    at + i, vhdx_entry_state(entries[i]));
		}
	}
	return 0;
}

static void check_copies(struct vhdx_checking *c)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (!c->vhdx->header_ok[i] &&
		    c->vhdx->header.sequence > 1) /* a new file may have one header only */
			check_error(c->check, "vhdx: header %d is damaged", i + 1);
		if (!c->vhdx->regions_ok[i])
			check_error(c->check, "vhdx: region table %d is damaged", i + 1);
	}
}

int vhdx_check(struct tranship_disk *disk, struct check *check, struct tranship_error *err)
{
	struct vhdx_checking c = { .vhdx = vhdx_of(disk), .check = check };
	const struct vhdx_disk *vhdx = c.vhdx;
	int rc = usage_init(&c.usage, tranship_file_size(vhdx->file), VHDX_MB, 0, err);

	if (rc)
		return rc;
	check->result.total = vhdx_blocks(&vhdx->metadata);
	check_copies(&c);
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
