// SPDX-License-Identifier: Apache-2.0
/*
 * Where the bytes of the disk are ([MS-VHDX] 2.5): BAT entries, and for the blocks of a
 * differencing disk that are only partly there the sector bitmap of their chunk. Offsets are those
 * of the file as the log leaves it; a map says so where the bytes are in the log only.
 */
#include "vhdx/vhdx.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

#define ENTRIES_AT_ONCE 256U
#define BITMAP_AT_ONCE 512U
/* A map looks no further than this many blocks, so that it always returns soon. */
#define MAP_BLOCKS_MAX (1U << 20)

int vhdx_bat_read(struct vhdx_disk *vhdx, uint64_t first, size_t count, uint64_t *entries,
		  struct tranship_error *err)
{
	unsigned char raw[8 * ENTRIES_AT_ONCE];
	size_t i, n;

	for (; count > 0; count -= n, first += n, entries += n) {
		int rc;

		n = count < ENTRIES_AT_ONCE ? count : ENTRIES_AT_ONCE;
		rc = table_cache_read(vhdx->cache, vhdx->regions.bat.offset + 8 * first, raw, 8 * n,
				      err);
		if (rc)
			return rc;
		for (i = 0; i < n; i++)
			entries[i] = get_le64(raw + 8 * i);
	}
	return 0;
}

/* What a block's state means; a block that is partly there is data here. */
static int block_kind(const struct vhdx_disk *vhdx, uint64_t index, uint64_t entry,
		      enum tranship_extent_kind *kind, struct tranship_error *err)
{
	unsigned state = vhdx_entry_state(entry);

	switch (state) {
	case VHDX_BLOCK_NOT_PRESENT: *kind = TRANSHIP_ABSENT; return 0;
	case VHDX_BLOCK_UNDEFINED:
	case VHDX_BLOCK_ZERO:
	case VHDX_BLOCK_UNMAPPED:
	case VHDX_BLOCK_UNMAPPED_095: *kind = TRANSHIP_ZERO; return 0;
	case VHDX_BLOCK_FULLY_PRESENT: *kind = TRANSHIP_DATA; return 0;
	default: break;
	}
	if (state == VHDX_BLOCK_PARTIALLY_PRESENT && vhdx->metadata.has_parent) {
		*kind = TRANSHIP_DATA;
		return 0;
	}
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vhdx: block %" PRIu64 " has state %u, which a disk with%s a parent "
			 "cannot have",
			 index, state, vhdx->metadata.has_parent ? "" : "out");
}

/* For salvage a block that is not all there will do: cut_to_file says what there is of it. */
static int check_block(const struct vhdx_disk *vhdx, uint64_t index, uint64_t entry,
		       struct tranship_error *err)
{
	uint64_t len = min_u64(vhdx->metadata.block_size,
			       vhdx->disk.size - index * vhdx->metadata.block_size);
	uint64_t size = tranship_file_size(vhdx->file);

	if (vhdx->disk.salvage)
		len = 1;
	if (vhdx_entry_offset(entry) >= VHDX_MB && range_ok(vhdx_entry_offset(entry), len, size))
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vhdx: block %" PRIu64 " is said to be at %" PRIu64
			 ", outside the file (%" PRIu64 " bytes) or in its headers",
			 index, vhdx_entry_offset(entry), size);
}

/* The entries of payload blocks [first, first + count), which have a bitmap entry behind each
 * chunk. */
static int payload_entries(struct vhdx_disk *vhdx, uint64_t first, size_t count, uint64_t *entries,
			   struct tranship_error *err)
{
	uint64_t ratio = vhdx_chunk_ratio(&vhdx->metadata);

	while (count > 0) {
		size_t n = (size_t)min_u64(count, ratio - first % ratio);
		int rc = vhdx_bat_read(vhdx, first + first / ratio, n, entries, err);

		if (rc)
			return rc;
		first += n;
		entries += n;
		count -= n;
	}
	return 0;
}

static int classify(struct vhdx_disk *vhdx, uint64_t index, uint64_t entry,
		    enum tranship_extent_kind *kind, struct tranship_error *err)
{
	int rc = block_kind(vhdx, index, entry, kind, err);

	return rc == 0 && *kind == TRANSHIP_DATA ? check_block(vhdx, index, entry, err) : rc;
}

/* How many of the entries continue the extent, whose data stands at `expect` next. A damaged one,
 * or one that is only partly there, ends it. */
static size_t continues(struct vhdx_disk *vhdx, uint64_t index, const uint64_t *entries,
			size_t count, enum tranship_extent_kind extent, uint64_t *expect)
{
	size_t n;

	for (n = 0; n < count; n++) {
		enum tranship_extent_kind kind = TRANSHIP_ABSENT;

		if (classify(vhdx, index + n, entries[n], &kind, NULL) || kind != extent ||
		    vhdx_entry_state(entries[n]) == VHDX_BLOCK_PARTIALLY_PRESENT ||
		    (kind == TRANSHIP_DATA && vhdx_entry_offset(entries[n]) != *expect))
			break;
		*expect += vhdx->metadata.block_size;
	}
	return n;
}

/* 2.5.1.2: where the bitmap of a chunk is, of which a block is partly there. */
static int find_bitmap(struct vhdx_disk *vhdx, uint64_t block, uint64_t *offset,
		       struct tranship_error *err)
{
	uint64_t ratio = vhdx_chunk_ratio(&vhdx->metadata), entry = 0;
	uint64_t size = tranship_file_size(vhdx->file);
	uint64_t number = vhdx_bitmap_entry(&vhdx->metadata, block / ratio);
	int rc = vhdx_bat_read(vhdx, number, 1, &entry, err);

	if (rc)
		return rc;
	*offset = vhdx_entry_offset(entry);
	if (vhdx_entry_state(entry) != VHDX_BITMAP_PRESENT)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: block %" PRIu64
				 " is partially present, but the sector bitmap of its chunk (BAT "
				 "entry %" PRIu64 ") has state %u",
				 block, number, vhdx_entry_state(entry));
	if (*offset < VHDX_MB || !range_ok(*offset, VHDX_BITMAP_SIZE, size))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: the sector bitmap of BAT entry %" PRIu64
				 " is said to be at %" PRIu64 ", outside the file (%" PRIu64
				 " bytes) or in its headers",
				 number, *offset, size);
	return 0;
}

/* How many of the bits [at, end) from the first of `raw` on are `set`, counted from bit at. */
static uint64_t equal_bits(const unsigned char *raw, uint64_t at, uint64_t end, bool set)
{
	const unsigned whole = set ? 0xFF : 0;
	uint64_t bit = at;

	while (bit < end) {
		unsigned byte = raw[bit / 8];

		if (bit % 8 == 0 && end - bit >= 8 && byte == whole)
			bit += 8;
		else if ((byte >> bit % 8 & 1) == set)
			bit++;
		else
			break;
	}
	return bit - at;
}

/* The bits of a bitmap that are like the first one; first < end. */
static int bitmap_run(struct vhdx_disk *vhdx, uint64_t bitmap, uint64_t first, uint64_t end,
		      bool *set, uint64_t *count, struct tranship_error *err)
{
	uint64_t at = first;

	while (at < end) {
		unsigned char raw[BITMAP_AT_ONCE];
		uint64_t base = round_down(at, 8), equal, stop;
		size_t n = (size_t)min_u64(sizeof(raw), div_up(end - base, 8));
		int rc = table_cache_read(vhdx->cache, bitmap + base / 8, raw, n, err);

		if (rc)
			return rc;
		if (at == first)
			*set = raw[0] >> (at % 8) & 1;
		stop = min_u64(end, base + 8 * n);
		equal = equal_bits(raw, at - base, stop - base, *set);
		at += equal;
		if (at < stop)
			break;
	}
	*count = at - first;
	return 0;
}

/* The extent at off of a block that is partly there: no longer than the block. */
static int locate_partial(struct vhdx_disk *vhdx, uint64_t entry, uint64_t off, uint64_t want,
			  struct tranship_extent *out, struct tranship_error *err)
{
	const struct vhdx_metadata *m = &vhdx->metadata;
	uint64_t block = off / m->block_size, bitmap = 0, count = 0;
	uint64_t chunk = round_down(off, vhdx_chunk_ratio(m) * m->block_size);
	uint64_t end = min_u64((block + 1) * m->block_size, vhdx->disk.size);
	uint64_t first = (off - chunk) / m->logical_sector;
	bool set = false;
	int rc = find_bitmap(vhdx, block, &bitmap, err);

	if (rc)
		return rc;
	end = off + min_u64(want, end - off);
	rc = bitmap_run(vhdx, bitmap, first, div_up(end - chunk, m->logical_sector), &set, &count,
			err);
	if (rc)
		return rc;
	out->kind = set ? TRANSHIP_DATA : TRANSHIP_ABSENT;
	out->len = chunk + (first + count) * m->logical_sector - off;
	if (set)
		out->file_off = vhdx_entry_offset(entry) + off % m->block_size;
	return 0;
}

/* A stretch of data ends with the file, in whole sectors; behind that it is lost. */
static void cut_to_file(const struct vhdx_disk *vhdx, struct tranship_extent *out)
{
	uint64_t size = round_down(tranship_file_size(vhdx->file), 512);

	if (out->kind != TRANSHIP_DATA)
		return;
	if (out->file_off < size) {
		out->len = min_u64(out->len, size - out->file_off);
	} else {
		out->kind = TRANSHIP_LOST;
		out->file_off = TRANSHIP_NO_OFFSET;
	}
}

/* The extent at off, whose file_off is in the view. Looks no further than the block that holds the
 * last of `want` bytes. */
static int find_extent(struct vhdx_disk *vhdx, uint64_t off, uint64_t want,
		       struct tranship_extent *out, struct tranship_error *err)
{
	uint64_t block = vhdx->metadata.block_size, first = off / block, at = first;
	uint64_t blocks = vhdx_blocks(&vhdx->metadata), expect = 0;
	uint64_t entries[ENTRIES_AT_ONCE];

	blocks = min_u64(blocks, first + MAP_BLOCKS_MAX);
	want = min_u64(want, vhdx->disk.size - off);
	blocks = min_u64(blocks, div_up(off + want, block));
	while (at < blocks) {
		size_t count = (size_t)min_u64(blocks - at, ENTRIES_AT_ONCE), n;
		int rc = payload_entries(vhdx, at, count, entries, err);

		if (rc && at > first) /* what is damaged there ends what is sound here */
			break;
		if (rc && count > 1) {
			count = 1;
			rc = payload_entries(vhdx, at, 1, entries, err);
		}
		if (rc == 0 && at == first) {
			rc = classify(vhdx, first, entries[0], &out->kind, err);
			if (rc == 0 && vhdx_entry_state(entries[0]) == VHDX_BLOCK_PARTIALLY_PRESENT)
				return locate_partial(vhdx, entries[0], off, want, out, err);
			expect = vhdx_entry_offset(entries[0]);
			if (rc == 0 && out->kind == TRANSHIP_DATA)
				out->file_off = expect + off % block;
		}
		if (rc)
			return rc;
		n = continues(vhdx, at, entries, count, out->kind, &expect);
		at += n;
		if (n < count)
			break;
	}
	out->len = at * block - off;
	return 0;
}

static int locate(struct vhdx_disk *vhdx, uint64_t off, uint64_t want, struct tranship_extent *out,
		  struct tranship_error *err)
{
	int rc = find_extent(vhdx, off, want, out, err);

	if (rc == 0 && vhdx->disk.salvage)
		cut_to_file(vhdx, out);
	return rc;
}

int vhdx_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
	     struct tranship_error *err)
{
	struct vhdx_disk *vhdx = vhdx_of(disk);
	int rc = locate(vhdx, off, UINT64_MAX, out, err);
	bool in_file;

	if (rc || out->kind != TRANSHIP_DATA || !vhdx->log)
		return rc;
	out->len = vhdx_log_stretch(vhdx->log, out->file_off, out->len, &in_file);
	if (!in_file)
		out->file_off = TRANSHIP_NO_OFFSET;
	return 0;
}

int vhdx_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf, size_t len,
	      struct tranship_error *err)
{
	struct vhdx_disk *vhdx = vhdx_of(disk);
	unsigned char *to = buf;

	(void)scratch;
	while (len > 0) {
		struct tranship_extent extent = { .off = off };
		int rc = locate(vhdx, off, len, &extent, err);
		size_t n;

		if (rc)
			return rc;
		n = (size_t)min_u64(len, extent.len);
		if (extent.kind == TRANSHIP_DATA)
			rc = tranship_file_read(vhdx->file, extent.file_off, to, n, err);
		else if (extent.kind == TRANSHIP_LOST)
			rc = error_set(err, TRANSHIP_ECORRUPT,
				       "vhdx: block %" PRIu64
				       " passes the end of the file (%" PRIu64 " bytes)",
				       off / vhdx->metadata.block_size,
				       tranship_file_size(vhdx->file));
		else
			memset(to, 0, n);
		if (rc)
			return rc;
		to += n;
		off += n;
		len -= n;
	}
	return 0;
}
