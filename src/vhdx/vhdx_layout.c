// SPDX-License-Identifier: Apache-2.0
/* What stands where in the file of a VHDX, for those who change it. */
#include "base/checked.h"
#include "base/error.h"
#include "vhdx/vhdx_modify.h"

#include <inttypes.h>

#define ENTRIES_AT_ONCE 512U

int vhdx_bat_walk(struct vhdx_disk *vhdx, vhdx_entry_fn *fn, void *ctx, struct tranship_error *err)
{
	uint64_t total = vhdx_bat_entries(&vhdx->metadata), at, n;
	uint64_t entries[ENTRIES_AT_ONCE];
	size_t i;
	int rc = 0;

	for (at = 0; at < total && rc == 0; at += n) {
		n = min_u64(total - at, ENTRIES_AT_ONCE);
		if (table_cache_is_hole(vhdx->cache, vhdx->regions.bat.offset + 8 * at, 8 * n))
			continue;
		rc = vhdx_bat_read(vhdx, at, (size_t)n, entries, err);
		for (i = 0; i < n && rc == 0; i++)
			if (entries[i] != 0)
				rc = fn(vhdx, ctx, at + i, entries[i], err);
	}
	return rc;
}

uint64_t vhdx_entry_length(const struct vhdx_disk *vhdx, uint64_t number, uint64_t entry)
{
	const struct vhdx_metadata *m = &vhdx->metadata;
	uint64_t ratio = vhdx_chunk_ratio(m);

	if (vhdx_is_bitmap_entry(m, number))
		return vhdx_entry_state(entry) == VHDX_BITMAP_PRESENT ? VHDX_BITMAP_SIZE : 0;
	if (number - number / (ratio + 1) >= vhdx_blocks(m)) /* fills up the last chunk */
		return 0;
	return vhdx_has_place(entry) ? m->block_size : 0;
}

struct scan {
	struct usage *usage;
	uint64_t size; /* of the file */
	uint64_t end;
};

static int take(struct scan *s, const char *what, uint64_t number, uint64_t off, uint64_t len,
		struct tranship_error *err)
{
	uint64_t inside = off < s->size ? min_u64(len, s->size - off) : 0;

	if (len == 0)
		return 0;
	if (inside == 0 || (off < VHDX_MB && number > 0) || !usage_mark(s->usage, off, inside))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: %s %" PRIu64 " at %" PRIu64
				 " overlaps something else or is outside the file (%" PRIu64
				 " bytes): such an image is not changed",
				 what, number, off, s->size);
	s->end = max_u64(s->end, off + len);
	return 0;
}

static int take_entry(struct vhdx_disk *vhdx, void *ctx, uint64_t number, uint64_t entry,
		      struct tranship_error *err)
{
	return take(ctx, "what is named by BAT entry", number, vhdx_entry_offset(entry),
		    vhdx_entry_length(vhdx, number, entry), err);
}

int vhdx_layout_scan(struct vhdx_disk *vhdx, struct usage *usage, uint64_t *end,
		     struct tranship_error *err)
{
	struct scan s = { .usage = usage, .size = tranship_file_size(vhdx->file) };
	const struct vhdx_region *bat = &vhdx->regions.bat, *metadata = &vhdx->regions.metadata;
	int rc = usage_init(usage, s.size, VHDX_MB, 0, err);

	if (rc == 0)
		rc = take(&s, "the header section", 0, 0, VHDX_MB, err);
	if (rc == 0)
		rc = take(&s, "the log", 0, vhdx->header.log_offset, vhdx->header.log_length, err);
	if (rc == 0)
		rc = take(&s, "the metadata region", 0, metadata->offset, metadata->length, err);
	if (rc == 0)
		rc = take(&s, "the BAT", 0, bat->offset, bat->length, err);
	if (rc == 0)
		rc = vhdx_bat_walk(vhdx, take_entry, &s, err);
	*end = s.end;
	return rc;
}

int vhdx_cut_tail(struct vhdx_disk *vhdx, struct tranship_error *err)
{
	struct usage usage;
	int rc;

	if (vhdx->regions.others) /* who knows where they are */
		return 0;
	rc = vhdx_layout_scan(vhdx, &usage, &vhdx->end, err);
	usage_free(&usage);
	if (rc == 0 && vhdx->end < tranship_file_size(vhdx->file))
		rc = modify_cut(vhdx->base, vhdx->end, err);
	return rc;
}
