// SPDX-License-Identifier: Apache-2.0
/*
 * Another size for a VHD.
 *
 * Fixed: only the end of the file says that it is one. A longer disk is one transaction: the old
 * footer becomes zeros, the new one ends the file. A shorter one may lose more than a transaction
 * can keep: a transaction puts the new footer at the new end and, marked, at the old one, which is
 * the new disk with bytes behind it that nothing uses (vhd_open knows the mark); then the file is
 * cut.
 *
 * Dynamic: a BAT for more blocks grows where it stands, since readers expect it in front of the
 * blocks. Blocks and parent locators in its way move to the end of the file first, each in a
 * transaction that leaves the disk as it was.
 *
 * A creator whose disks many readers give the size of the geometry is changed to Hyper-V's, if the
 * geometry is not the size.
 */
#include "vhd/vhd_change.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

static int check_size(uint64_t size, struct tranship_error *err)
{
	if (size <= VHD_SIZE_MAX)
		return 0;
	return error_set(err, TRANSHIP_ELIMIT,
			 "vhd: a disk of %" PRIu64
			 " bytes is too large, VHD ends at 2040 GiB; vhdx goes to 64 TiB",
			 size);
}

static void set_size(struct vhd_disk *vhd, uint64_t size)
{
	static const char exact[][4] = { { 'w', 'i', 'n', ' ' },
					 { 'q', 'e', 'm', '2' },
					 { 'd', '2', 'v', ' ' },
					 { 't', 'a', 'p', '\0' } };
	struct vhd_footer *f = &vhd->footer;
	bool is_exact = false;
	size_t i;

	f->current_size = f->original_size = size; /* libvhdi reads the latter */
	vhd_geometry_for(size, f);
	for (i = 0; i < sizeof(exact) / sizeof(exact[0]); i++)
		is_exact = is_exact || memcmp(f->creator, exact[i], 4) == 0;
	if (!is_exact && vhd_geometry_size(f) != size) {
		memcpy(f->creator, exact[0], 4);
		f->creator_version = 0x000A0000;
	}
}

int vhd_fixed_cut(struct vhd_disk *vhd, struct tranship_error *err)
{
	uint64_t size = vhd->footer.current_size;
	int rc = modify_cut(vhd->file, size + VHD_FOOTER_SIZE, err);

	if (rc)
		return rc;
	vhd->cut_short = false;
	vhd->change.tail = vhd->change.source = size;
	return 0;
}

static int mark_old_end(struct vhd_disk *vhd, uint64_t old_tail, struct tranship_error *err)
{
	unsigned char raw[VHD_FOOTER_SIZE];
	int rc = tranship_file_read(vhd->file, vhd->change.tail, raw, sizeof(raw), err);

	vhd_footer_mark_cut(raw);
	return rc ? rc : file_write(vhd->file, old_tail, raw, sizeof(raw), err);
}

int vhd_fixed_can_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err)
{
	(void)disk;
	return check_size(size, err);
}

int vhd_fixed_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err)
{
	static const unsigned char zeros[VHD_FOOTER_SIZE];
	struct vhd_disk *vhd = vhd_of(disk);
	struct vhd_footer old = vhd->footer;
	uint64_t old_tail;
	int rc;

	rc = check_size(size, err);
	if (rc)
		return rc;
	size = round_up(size, VHD_SECTOR);
	vhd_change_begin(vhd);
	if (vhd->cut_short)
		rc = vhd_fixed_cut(vhd, err);
	else if (vhd->change.tail != vhd->footer.current_size)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "vhd: the footer stands at %" PRIu64
			       ", not at the end of the disk of %" PRIu64 " bytes",
			       vhd->change.tail, vhd->footer.current_size);
	if (rc)
		return rc;
	old_tail = vhd->change.tail;
	set_size(vhd, size);
	vhd->change.tail = size;
	rc = vhd_footers_write(vhd, err);
	if (rc == 0 && size < old_tail)
		rc = mark_old_end(vhd, old_tail, err);
	if (rc == 0 && size > old_tail)
		rc = file_write(vhd->file, old_tail, zeros, sizeof(zeros), err);
	if (rc == 0)
		rc = vhd_apply(vhd, err);
	if (rc == 0 && size < old_tail)
		rc = vhd_fixed_cut(vhd, err);
	if (rc) {
		vhd->footer = old;
		return rc;
	}
	disk->size = size;
	return 0;
}

/* A BAT that ends at `end` has what in its way that does not move? */
static int check_way(struct vhd_disk *vhd, uint64_t old_end, uint64_t end,
		     struct tranship_error *err)
{
	unsigned char cookie[8];
	uint64_t header = vhd->footer.data_offset;
	int rc;

	if (header >= vhd->dynamic.table_offset && header < end)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vhd: the dynamic disk header at %" PRIu64
				 " is in the way of a BAT that ends at %" PRIu64,
				 header, end);
	if (memcmp(vhd->footer.creator, "tap", 4) != 0 ||
	    !range_ok(old_end, sizeof(cookie), tranship_file_size(vhd->file)))
		return 0;
	rc = tranship_file_read(vhd->file, old_end, cookie, sizeof(cookie), err);
	if (rc == 0 && memcmp(cookie, "tdbatmap", sizeof(cookie)) == 0)
		rc = error_set(err, TRANSHIP_EUNSUPPORTED,
			       "vhd: XenServer's map of full blocks stands at %" PRIu64
			       ", behind a BAT that would have to grow",
			       old_end);
	return rc;
}

int vhd_dynamic_can_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err)
{
	struct vhd_disk *vhd = vhd_of(disk);
	const struct vhd_dynamic *d = &vhd->dynamic;
	uint64_t old_end, end;
	int rc = check_size(size, err);

	if (rc)
		return rc;
	old_end = round_up(d->table_offset + (uint64_t)d->max_entries * 4, VHD_SECTOR);
	end = round_up(d->table_offset + div_up(size, d->block_size) * 4, VHD_SECTOR);
	return end > old_end ? check_way(vhd, old_end, end, err) : 0;
}

static int move_blocks(struct vhd_disk *vhd, uint64_t end, struct tranship_error *err)
{
	uint64_t total = vhd_blocks_wanted(vhd), i, to;
	uint32_t entry;
	int rc = 0;

	for (i = 0; i < total && rc == 0; i++) {
		rc = vhd_bat_entries(vhd, i, 1, &entry, err);
		if (rc || (uint64_t)entry * VHD_SECTOR >= end)
			continue;
		rc = vhd_allocate(vhd, vhd->bitmap_size, vhd_stride(vhd), &to, err);
		if (rc == 0)
			rc = vhd_copy_free(vhd, (uint64_t)entry * VHD_SECTOR, to, vhd_stride(vhd),
					   err);
		if (rc == 0)
			rc = vhd_bat_write(vhd, i, (uint32_t)(to / VHD_SECTOR), err);
	}
	return rc;
}

static int move_locators(struct vhd_disk *vhd, uint64_t from, uint64_t end,
			 struct tranship_error *err)
{
	uint64_t to;
	int rc = 0, i;

	for (i = 0; i < VHD_LOCATORS && vhd->footer.type == VHD_DIFFERENCING && rc == 0; i++) {
		struct vhd_locator *l = &vhd->dynamic.locators[i];

		if (l->platform == 0 || l->data_offset >= end ||
		    l->data_offset + l->data_length <= from || l->data_length > VHD_LOCATOR_MAX)
			continue;
		rc = vhd_allocate(vhd, 0, round_up(l->data_length, VHD_SECTOR), &to, err);
		if (rc == 0)
			rc = vhd_copy_free(vhd, l->data_offset, to, l->data_length, err);
		if (rc == 0)
			l->data_offset = to;
	}
	return rc;
}

/* Entries that the size does not ask for yet: nobody looks at them. */
static int unused_entries(struct vhd_disk *vhd, uint64_t first, uint64_t end_off,
			  struct tranship_error *err)
{
	uint64_t off = vhd->dynamic.table_offset + 4 * first;
	unsigned char ones[4096];
	size_t n;
	int rc = 0;

	memset(ones, 0xFF, sizeof(ones));
	for (; off < end_off && rc == 0; off += n) {
		n = (size_t)min_u64(end_off - off, sizeof(ones));
		rc = modify_free(vhd->file, off, ones, n, err);
		table_cache_forget(vhd->cache, off, n);
	}
	return rc;
}

/* Makes room for a BAT of so many entries, in transactions of their own. */
static int grow_bat(struct vhd_disk *vhd, uint64_t entries, struct tranship_error *err)
{
	struct vhd_dynamic *d = &vhd->dynamic;
	uint64_t old_end = round_up(d->table_offset + (uint64_t)d->max_entries * 4, VHD_SECTOR);
	uint64_t end = round_up(d->table_offset + entries * 4, VHD_SECTOR);
	int rc;

	if (end <= old_end)
		return 0;
	rc = check_way(vhd, old_end, end, err);
	if (rc == 0)
		rc = vhd_reserve(vhd, end, err);
	if (rc == 0)
		rc = move_blocks(vhd, end, err);
	if (rc == 0)
		rc = move_locators(vhd, old_end, end, err);
	if (rc == 0)
		rc = vhd_header_write(vhd, err);
	return rc ? rc : vhd_apply(vhd, err);
}

static int larger(struct vhd_disk *vhd, uint64_t size, struct tranship_error *err)
{
	struct vhd_dynamic *d = &vhd->dynamic;
	uint64_t wanted = vhd_blocks_wanted(vhd), entries = div_up(size, d->block_size);
	uint64_t old = vhd->footer.current_size, rest = wanted * d->block_size - old;
	uint32_t entry = VHD_BAT_UNUSED;
	int rc = vhd_change_space(vhd, err);

	if (rc == 0 && rest > 0)
		rc = vhd_bat_entries(vhd, wanted - 1, 1, &entry, err);
	if (rc == 0 && entry != VHD_BAT_UNUSED) /* what was behind the end */
		rc = vhd->disk.ops->modify->zero(&vhd->disk, old, rest, err);
	if (rc == 0)
		rc = grow_bat(vhd, entries, err);
	if (rc == 0)
		rc = unused_entries(vhd, wanted,
				    round_up(d->table_offset + 4 * max_u64(entries, d->max_entries),
					     VHD_SECTOR),
				    err);
	if (rc)
		return rc;
	d->max_entries = (uint32_t)max_u64(entries, d->max_entries);
	set_size(vhd, size);
	rc = vhd_header_write(vhd, err);
	if (rc == 0)
		rc = vhd_footers_write(vhd, err);
	return rc;
}

/* The BAT keeps its length: what lies behind the end is dropped when nobody looks there. */
static int smaller(struct vhd_disk *vhd, uint64_t size, struct tranship_error *err)
{
	uint64_t old = vhd_blocks_wanted(vhd), i;
	int rc;

	set_size(vhd, size);
	vhd_change_begin(vhd);
	rc = vhd_footers_write(vhd, err);
	if (rc == 0)
		rc = vhd_apply(vhd, err);
	for (i = vhd_blocks_wanted(vhd); i < old && rc == 0; i++) {
		uint32_t entry;

		rc = vhd_bat_entries(vhd, i, 1, &entry, err);
		if (rc == 0 && entry != VHD_BAT_UNUSED)
			rc = vhd_bat_write(vhd, i, VHD_BAT_UNUSED, err);
	}
	if (rc == 0)
		rc = vhd_apply(vhd, err);
	vhd->change.end = 0;
	return rc ? rc : vhd_change_space(vhd, err);
}

int vhd_dynamic_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err)
{
	struct vhd_disk *vhd = vhd_of(disk);
	struct vhd_footer footer = vhd->footer;
	struct vhd_dynamic dynamic = vhd->dynamic;
	int rc;

	rc = check_size(size, err);
	if (rc)
		return rc;
	size = round_up(size, VHD_SECTOR);
	rc = size < vhd->footer.current_size ? smaller(vhd, size, err) : larger(vhd, size, err);
	if (rc == 0)
		rc = vhd_trim(vhd, err);
	if (rc) {
		vhd->footer = footer;
		vhd->dynamic = dynamic;
		return rc;
	}
	disk->size = size;
	return 0;
}
