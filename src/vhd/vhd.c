// SPDX-License-Identifier: Apache-2.0
/*
 * VHD: opening and reading. Microsoft, "Virtual Hard Disk Image Format Specification" 1.0.
 *
 * Size: the footer has the current size, and a geometry that is often smaller. Old Virtual PC ('vpc
 * ') and qemu ('qemu') show guests the geometry; everybody else ('win ', 'd2v ', 'tap', 'vbox',
 * 'wa', 'qem2', 'vs  ') the current size. The current size is what the disk can hold, so that is
 * what is read, whoever made it; force_size_calc=chs asks for the geometry.
 *
 * Sector bitmaps: in a dynamic disk a clear bit says "never written", so such a sector reads as
 * zeros even when the block's space in the file has something in it, as on XenServer's raw volumes.
 * qemu does not look at them. In a differencing disk it says that the parent has the sector. Both
 * are ABSENT here; what lies beneath decides.
 */
#include "vhd/vhd.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "core/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_AT_ONCE 256U
/* A map looks no further than this many blocks, so that it always returns soon. */
#define MAP_BLOCKS_MAX (1U << 20)

/*
 * A disk image may end in anything that its guest wrote. A fixed VHD is believed only if its
 * footer's checksum is right and the file has exactly the size that it says. A dynamic one has a
 * copy of its footer in front; where only the end says that it is one, it may be a damaged VHD or a
 * guest that wants its disk to be taken for another, and the caller must say which.
 */
static int vhd_probe(const struct probe_input *in, bool *mine, struct tranship_error *err)
{
	struct vhd_footer footer;
	struct tranship_error why;

	*mine = in->head_len >= VHD_FOOTER_SIZE && vhd_footer_recognise(in->head);
	if (*mine || !in->tail || !vhd_footer_recognise(in->tail))
		return 0;
	if (vhd_footer_decode(in->tail, false, &footer, &why) == 0) {
		if (footer.type != VHD_FIXED)
			return error_set(err, TRANSHIP_ECORRUPT,
					 "vhd: the file ends as a dynamic disk of %" PRIu64
					 " bytes and does not begin as one: a damaged vpc, or raw; "
					 "give the format",
					 footer.current_size);
		*mine = footer.current_size + VHD_FOOTER_SIZE == in->file_size;
		if (*mine)
			return 0;
		error_set(&why, TRANSHIP_ECORRUPT,
			  "vhd: the footer is of a disk of %" PRIu64
			  " bytes, the file has %" PRIu64,
			  footer.current_size, in->file_size);
	}
	warn_send(in->warn, in->warn_ctx,
		  "the last sector looks like a VHD footer but is none (%s); read as raw, unless "
		  "the format is given",
		  why.message);
	return 0;
}

int vhd_bat_entries(struct vhd_disk *vhd, uint64_t first, size_t count, uint32_t *entries,
		    struct tranship_error *err)
{
	unsigned char raw[4 * ENTRIES_AT_ONCE];
	size_t i, n;

	for (; count > 0; count -= n, first += n, entries += n) {
		int rc;

		n = count < ENTRIES_AT_ONCE ? count : ENTRIES_AT_ONCE;
		rc = table_cache_read(vhd->cache, vhd->dynamic.table_offset + 4 * first, raw, 4 * n,
				      err);
		if (rc)
			return rc;
		for (i = 0; i < n; i++)
			entries[i] = get_be32(raw + 4 * i);
	}
	return 0;
}

/* How many bits of the bitmap, from bit `from` to `to`, are like the first. Bit 0 is the top one of
 * byte 0. */
static uint32_t same_bits(const unsigned char *bitmap, uint32_t from, uint32_t to, bool *value)
{
	uint32_t at = from;

	*value = bitmap[from / 8] >> (7 - from % 8) & 1;
	while (at < to) {
		if (at % 8 == 0 && at + 8 <= to && bitmap[at / 8] == (*value ? 0xFF : 0x00)) {
			at += 8;
			continue;
		}
		if ((bitmap[at / 8] >> (7 - at % 8) & 1) != *value)
			break;
		at++;
	}
	return at - from;
}

/*
 * Where what there is of the `len` bytes of a block ends in the file: whole sectors, and no footer
 * among them. Only salvage reads a block that is not all there; it must have its bitmap.
 */
static int find_block_end(const struct vhd_disk *vhd, uint64_t index, uint32_t sector, uint64_t len,
			  uint64_t *end, struct tranship_error *err)
{
	uint64_t at = (uint64_t)sector * VHD_SECTOR, size = tranship_file_size(vhd->file);

	*end = at + vhd->bitmap_size + len;
	if (sector != 0 && *end <= size)
		return 0;
	*end = round_down(size, VHD_SECTOR) - (vhd->tail_there ? VHD_FOOTER_SIZE : 0);
	if (vhd->disk.salvage && sector != 0 && at + vhd->bitmap_size < *end)
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vhd: BAT[%" PRIu64 "] points at sector %" PRIu32
			 ", where no block fits between the footer's copy and the end of the file "
			 "(sector %" PRIu64 ")",
			 index, sector, size / VHD_SECTOR);
}

/* A stretch of data ends with the file; behind that it is lost. */
static void cut_data(struct tranship_extent *out, uint64_t file_off, uint64_t end)
{
	if (file_off < end) {
		out->kind = TRANSHIP_DATA;
		out->file_off = file_off;
		out->len = min_u64(out->len, end - file_off);
	} else {
		out->kind = TRANSHIP_LOST;
	}
}

/* The extent at `within` bytes of an allocated block; `len` bytes of the block are on the disk. */
static int map_block(struct vhd_disk *vhd, uint64_t index, uint32_t sector, uint64_t within,
		     uint64_t len, struct tranship_extent *out, struct tranship_error *err)
{
	unsigned char bitmap[VHD_SECTOR];
	uint64_t at = (uint64_t)sector * VHD_SECTOR, end;
	uint32_t first = (uint32_t)(within / VHD_SECTOR), base = first - first % (8 * VHD_SECTOR);
	uint32_t last = (uint32_t)min_u64(div_up(len, VHD_SECTOR), base + 8 * VHD_SECTOR), n;
	bool present;
	int rc = find_block_end(vhd, index, sector, len, &end, err);

	if (rc)
		return rc;
	rc = table_cache_read(vhd->cache, at + base / 8, bitmap, sizeof(bitmap), err);
	if (rc)
		return rc;
	n = same_bits(bitmap, first - base, last - base, &present);
	out->len = (uint64_t)(first + n) * VHD_SECTOR - within;
	out->kind = TRANSHIP_ABSENT;
	if (present)
		cut_data(out, at + vhd->bitmap_size + within, end);
	return 0;
}

static int dynamic_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		       struct tranship_error *err)
{
	struct vhd_disk *vhd = vhd_of(disk);
	uint64_t block = vhd->dynamic.block_size, first = off / block, at = first;
	uint64_t blocks = div_up(disk->size, block);
	uint32_t entries[ENTRIES_AT_ONCE];

	while (at < blocks && at - first < MAP_BLOCKS_MAX) {
		size_t count = (size_t)min_u64(blocks - at, ENTRIES_AT_ONCE), n;
		int rc = vhd_bat_entries(vhd, at, count, entries, err);

		if (rc && at > first) /* what is damaged there ends what is sound here */
			break;
		if (rc && count > 1) {
			count = 1;
			rc = vhd_bat_entries(vhd, at, 1, entries, err);
		}
		if (rc)
			return rc;
		if (at == first && entries[0] != VHD_BAT_UNUSED)
			return map_block(vhd, at, entries[0], off % block,
					 min_u64(block, disk->size - at * block), out, err);
		for (n = 0; n < count && entries[n] == VHD_BAT_UNUSED; n++)
			;
		at += n;
		if (n < count)
			break;
	}
	out->kind = TRANSHIP_ABSENT;
	out->len = at * block - off;
	return 0;
}

static int dynamic_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf,
			size_t len, struct tranship_error *err)
{
	unsigned char *to = buf;

	(void)scratch;
	while (len > 0) {
		struct tranship_extent extent = { .off = off };
		int rc = dynamic_map(disk, off, &extent, err);
		size_t n;

		if (rc)
			return rc;
		n = (size_t)min_u64(len, extent.len);
		if (extent.kind == TRANSHIP_DATA)
			rc = tranship_file_read(vhd_of(disk)->file, extent.file_off, to, n, err);
		else if (extent.kind == TRANSHIP_LOST)
			rc = error_set(err, TRANSHIP_ECORRUPT,
				       "vhd: block %" PRIu64
				       " passes the end of the file (sector %" PRIu64 ")",
				       off / vhd_of(disk)->dynamic.block_size,
				       tranship_file_size(vhd_of(disk)->file) / VHD_SECTOR);
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

static int fixed_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		     struct tranship_error *err)
{
	struct tranship_file_extent extent;
	int rc = tranship_file_map(vhd_of(disk)->file, off, &extent, err);

	if (rc)
		return rc;
	out->len = extent.len;
	out->kind = extent.hole ? TRANSHIP_ZERO : TRANSHIP_DATA;
	out->file_off = off;
	return 0;
}

static int fixed_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf,
		      size_t len, struct tranship_error *err)
{
	(void)scratch;
	return tranship_file_read(vhd_of(disk)->file, off, buf, len, err);
}

const char *vhd_subformat(const struct vhd_disk *vhd)
{
	return vhd->footer.type == VHD_FIXED     ? "fixed"
	       : vhd->footer.type == VHD_DYNAMIC ? "dynamic"
						 : "differencing";
}

static void parent_properties(const struct vhd_disk *vhd, struct property_sink *sink)
{
	const struct disk_parent *parent = vhd->disk.parent;
	uint32_t time = vhd->dynamic.parent_timestamp;

	property_text(sink, "parent-unique-id", parent->ids[0]);
	property_number(sink, "parent-timestamp", time ? (uint64_t)time + VHD_EPOCH : 0);
	if (parent->hint_count > 0)
		property_text(sink, "parent", parent->hints[0]);
}

static void vhd_properties(struct tranship_disk *disk, struct property_sink *sink)
{
	const struct vhd_disk *vhd = vhd_of(disk);
	char text[GUID_TEXT_SIZE], creator[5] = { 0 };
	int i;

	property_text(sink, "subformat", vhd_subformat(vhd));
	for (i = 0; i < 4; i++)
		creator[i] = vhd->footer.creator[i] >= ' ' && vhd->footer.creator[i] <= '~'
				     ? vhd->footer.creator[i]
				     : '\0';
	property_text(sink, "creator", creator);
	property_number(sink, "current-size", vhd->footer.current_size);
	property_number(sink, "chs-size", vhd_geometry_size(&vhd->footer));
	guid_text_be(&vhd->footer.id, text);
	property_text(sink, "unique-id", text);
	property_bool(sink, "saved-state", vhd->footer.saved_state);
	if (disk->parent)
		parent_properties(vhd, sink);
}

static void vhd_close(struct tranship_disk *disk)
{
	struct vhd_disk *vhd = vhd_of(disk);

	table_cache_free(vhd->cache);
	tranship_file_close(vhd->file);
	free(vhd);
}

const struct disk_ops vhd_fixed_ops = {
	.map = fixed_map,
	.read = fixed_read,
	.properties = vhd_properties,
	.check = vhd_check,
	.modify = &vhd_fixed_modify,
	.close = vhd_close,
};

const struct disk_ops vhd_dynamic_ops = {
	.map = dynamic_map,
	.read = dynamic_read,
	.properties = vhd_properties,
	.check = vhd_check,
	.modify = &vhd_dynamic_modify,
	.close = vhd_close,
};

static const struct tranship_option_info vhd_open_options[] = {
	{ "force_size_calc", "current_size|chs",
	  "which field says how large the disk is (default: current_size)" },
	{ 0 },
};

const struct format vhd_format = {
	.name = "vpc",
	.alias = "vhd",
	.probe = vhd_probe,
	.open = vhd_open,
	.create = vhd_create,
	.open_options = vhd_open_options,
	.create_options = vhd_create_options,
};

static const struct tranship_option_info azure_options[] = { { 0 } };

const struct format azure_format = {
	.name = "azure",
	.create = vhd_create_azure,
	.create_options = azure_options,
};
