// SPDX-License-Identifier: Apache-2.0
/*
 * Changing what a VHD holds where it stands.
 *
 * A new block of a disk without a parent has all bits of its bitmap set, and zeros where nothing
 * was written: qemu does not look at the bits, and blktap keeps a bitmap of full blocks. In a child
 * exactly the sectors that were written have theirs. Sectors of a block that is there are written
 * at once; bits and BAT entries belong to the transaction.
 */
#include "vhd/vhd_change.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/zero.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BITS_PER_SECTOR (8 * VHD_SECTOR)

static int fixed_write(struct tranship_disk *disk, uint64_t off, const void *buf, size_t len,
		       struct tranship_error *err)
{
	return modify_free(vhd_of(disk)->file, off, buf, len, err);
}

static int fixed_zero(struct tranship_disk *disk, uint64_t off, uint64_t len,
		      struct tranship_error *err)
{
	return vhd_zero_free(vhd_of(disk), off, len, err);
}

static int fixed_flush(struct tranship_disk *disk, struct tranship_error *err)
{
	return vhd_apply(vhd_of(disk), err);
}

static bool is_child(const struct vhd_disk *vhd)
{
	return vhd->footer.type == VHD_DIFFERENCING;
}

/* Sets the bits of sectors [first, last) of the bitmap at `at`, where that changes something. */
static int set_bits(struct vhd_disk *vhd, uint64_t at, uint64_t first, uint64_t last,
		    struct tranship_error *err)
{
	int rc = 0;

	while (first < last && rc == 0) {
		uint64_t page = first / BITS_PER_SECTOR, off = at + page * VHD_SECTOR;
		uint64_t end = min_u64(last, (page + 1) * BITS_PER_SECTOR);
		unsigned char bits[VHD_SECTOR];
		bool changed = false;

		rc = tranship_file_read(vhd->file, off, bits, sizeof(bits), err);
		for (; rc == 0 && first < end; first++) {
			unsigned char *byte = &bits[first % BITS_PER_SECTOR / 8];
			unsigned char bit = (unsigned char)(0x80 >> first % 8);

			changed = changed || !(*byte & bit);
			*byte |= bit;
		}
		if (rc == 0 && changed)
			rc = vhd_table_write(vhd, off, bits, sizeof(bits), err);
	}
	return rc;
}

/* All bits of a block that nothing refers to yet. */
static int fill_bitmap(struct vhd_disk *vhd, uint64_t at, struct tranship_error *err)
{
	unsigned char ones[VHD_SECTOR];
	uint32_t done;
	int rc = 0;

	memset(ones, 0xFF, sizeof(ones));
	for (done = 0; done < vhd->bitmap_size && rc == 0; done += VHD_SECTOR)
		rc = modify_free(vhd->file, at + done, ones, sizeof(ones), err);
	return rc;
}

static int new_block(struct vhd_disk *vhd, uint64_t index, uint64_t *at, struct tranship_error *err)
{
	int rc = vhd_change_space(vhd, err);

	if (rc == 0)
		rc = vhd_allocate(vhd, vhd->bitmap_size, vhd_stride(vhd), at, err);
	table_cache_forget(vhd->cache, *at, vhd->bitmap_size);
	if (rc == 0 && !is_child(vhd))
		rc = fill_bitmap(vhd, *at, err);
	return rc ? rc : vhd_bat_write(vhd, index, (uint32_t)(*at / VHD_SECTOR), err);
}

/* Writes into one block; buf NULL: zeros. In a disk without a parent zeros leave the bits as they
 * are: clear ones mean the same. */
static int put_block(struct vhd_disk *vhd, uint64_t index, uint64_t within, const void *buf,
		     uint64_t len, struct tranship_error *err)
{
	uint64_t at, data;
	uint32_t entry;
	int rc = vhd_bat_entries(vhd, index, 1, &entry, err);

	if (rc || (entry == VHD_BAT_UNUSED && !buf && !is_child(vhd)))
		return rc;
	at = (uint64_t)entry * VHD_SECTOR;
	if (entry == VHD_BAT_UNUSED)
		rc = new_block(vhd, index, &at, err);
	else
		rc = vhd_change_space(vhd, err); /* which finds entries that lead nowhere */
	data = at + vhd->bitmap_size + within;
	if (rc == 0 && buf)
		rc = modify_free(vhd->file, data, buf, (size_t)len, err);
	else if (rc == 0 && entry != VHD_BAT_UNUSED)
		rc = vhd_zero_free(vhd, data, len, err);
	if (rc == 0 && (buf || is_child(vhd)))
		rc = set_bits(vhd, at, within / VHD_SECTOR, (within + len) / VHD_SECTOR, err);
	return rc;
}

static int put(struct vhd_disk *vhd, uint64_t off, const unsigned char *buf, uint64_t len,
	       struct tranship_error *err)
{
	uint64_t block = vhd->dynamic.block_size;
	int rc = 0;

	while (len > 0 && rc == 0) {
		uint64_t within = off % block, n = min_u64(len, block - within);

		rc = put_block(vhd, off / block, within, buf, n, err);
		off += n;
		len -= n;
		buf = buf ? buf + n : NULL;
	}
	return rc;
}

static int dynamic_write(struct tranship_disk *disk, uint64_t off, const void *buf, size_t len,
			 struct tranship_error *err)
{
	return put(vhd_of(disk), off, buf, len, err);
}

static int dynamic_zero(struct tranship_disk *disk, uint64_t off, uint64_t len,
			struct tranship_error *err)
{
	return put(vhd_of(disk), off, NULL, len, err);
}

static int dynamic_flush(struct tranship_disk *disk, struct tranship_error *err)
{
	struct vhd_disk *vhd = vhd_of(disk);

	return vhd->change.grown ? vhd_trim(vhd, err) : vhd_apply(vhd, err);
}

static int vhd_renew(struct tranship_disk *disk, struct idgen *ids, struct tranship_error *err)
{
	struct vhd_disk *vhd = vhd_of(disk);
	int rc;

	vhd_change_begin(vhd);
	rc = idgen_guid_be(ids, &vhd->footer.id, err);
	if (rc == 0)
		rc = vhd_footers_write(vhd, err);
	if (rc == 0)
		rc = vhd_apply(vhd, err);
	guid_text_be(&vhd->footer.id, disk->identity);
	return rc;
}

static int vhd_restore(struct tranship_disk *disk, const char *identity, struct tranship_error *err)
{
	struct vhd_disk *vhd = vhd_of(disk);
	struct guid id;
	int rc;

	if (!guid_parse_be(identity, &id))
		return error_set(err, TRANSHIP_EINVAL, "vhd: '%s' is no unique id", identity);
	vhd_change_begin(vhd);
	vhd->footer.id = id;
	rc = vhd_footers_write(vhd, err);
	if (rc == 0)
		rc = vhd_apply(vhd, err);
	guid_text_be(&vhd->footer.id, disk->identity);
	return rc;
}

/* Where between the metadata and the first block `len` bytes fit, the old locators not counted; 0:
 * nowhere. XenServer has a table of its own right behind the BAT. */
static uint64_t locator_gap(const struct vhd_disk *vhd, uint64_t first_block, uint64_t len)
{
	const struct vhd_dynamic *d = &vhd->dynamic;
	uint64_t header_end = vhd->footer.data_offset + VHD_DYNAMIC_SIZE;
	uint64_t bat_end = round_up(d->table_offset + (uint64_t)d->max_entries * 4, VHD_SECTOR);
	bool bat_first = d->table_offset < vhd->footer.data_offset;
	uint64_t from[2] = { header_end, bat_end };
	uint64_t to[2] = { bat_first ? first_block : min_u64(d->table_offset, first_block),
			   bat_first ? vhd->footer.data_offset : first_block };
	int i;

	for (i = 0; i < 2; i++)
		if (memcmp(vhd->footer.creator, "tap", 4) != 0 && from[i] % VHD_SECTOR == 0 &&
		    to[i] >= from[i] && to[i] - from[i] >= len)
			return from[i];
	return 0;
}

static int first_block(struct vhd_disk *vhd, uint64_t *out, struct tranship_error *err)
{
	uint64_t total = vhd_blocks_wanted(vhd), i;
	uint32_t entry, first = UINT32_MAX;
	int rc = 0;

	for (i = 0; i < total && rc == 0; i++) {
		rc = vhd_bat_entries(vhd, i, 1, &entry, err);
		if (rc == 0 && entry < first)
			first = entry;
	}
	*out = min_u64((uint64_t)first * VHD_SECTOR, vhd->change.tail);
	return rc;
}

/* The names of the parent: in front of the blocks if they fit there, else at the end. */
static int name_parent(struct vhd_disk *vhd, const struct base_info *base,
		       struct tranship_error *err)
{
	struct vhd_dynamic d = vhd->dynamic;
	struct buffer data = { 0 };
	uint64_t at = 0, first;
	int rc, i;

	memset(d.parent_name, 0, sizeof(d.parent_name));
	memset(d.locators, 0, sizeof(d.locators));
	rc = vhd_parent_describe(base, &d, &data, err);
	if (rc == 0)
		rc = vhd_change_space(vhd, err);
	if (rc == 0)
		rc = first_block(vhd, &first, err);
	if (rc == 0 && data.len > 0) {
		at = locator_gap(vhd, first, data.len);
		if (at == 0)
			rc = vhd_allocate(vhd, 0, data.len, &at, err);
		if (rc == 0)
			rc = file_write(vhd->file, at, data.bytes, data.len, err);
		for (i = 0; i < VHD_LOCATORS; i++)
			if (d.locators[i].platform)
				d.locators[i].data_offset += at - VHD_LOCATORS_AT;
	}
	if (rc == 0)
		vhd->dynamic = d;
	buffer_free(&data);
	return rc;
}

/* Zeros for the sectors of one block that were its parent's. */
static int clean_block(struct vhd_disk *vhd, uint64_t at, struct tranship_error *err)
{
	uint64_t count = vhd->dynamic.block_size / VHD_SECTOR, i;
	unsigned char bits[VHD_SECTOR], sector[VHD_SECTOR];
	int rc = 0;

	for (i = 0; i < count && rc == 0; i++) {
		uint64_t off = at + vhd->bitmap_size + i * VHD_SECTOR;

		if (i % BITS_PER_SECTOR == 0)
			rc = tranship_file_read(vhd->file, at + i / 8, bits, sizeof(bits), err);
		if (rc || bits[i % BITS_PER_SECTOR / 8] & 0x80 >> i % 8)
			continue;
		rc = tranship_file_read(vhd->file, off, sector, sizeof(sector), err);
		if (rc == 0 && !bytes_are_zero(sector, sizeof(sector)))
			rc = vhd_zero_free(vhd, off, sizeof(sector), err);
	}
	return rc;
}

/* Without a parent clear bits mean zeros, but not to qemu: what stands there becomes zeros, too. */
static int leave_parent(struct vhd_disk *vhd, struct tranship_error *err)
{
	uint64_t total = vhd_blocks_wanted(vhd), i;
	uint32_t entry;
	int rc = vhd_change_space(vhd, err);

	for (i = 0; i < total && rc == 0; i++) {
		rc = vhd_bat_entries(vhd, i, 1, &entry, err);
		if (rc == 0 && entry != VHD_BAT_UNUSED)
			rc = clean_block(vhd, (uint64_t)entry * VHD_SECTOR, err);
	}
	if (rc)
		return rc;
	memset(&vhd->dynamic.parent_id, 0, sizeof(vhd->dynamic.parent_id));
	memset(vhd->dynamic.parent_name, 0, sizeof(vhd->dynamic.parent_name));
	memset(vhd->dynamic.locators, 0, sizeof(vhd->dynamic.locators));
	vhd->dynamic.parent_timestamp = 0;
	vhd->footer.type = VHD_DYNAMIC;
	return vhd_footers_write(vhd, err);
}

static int vhd_relink(struct tranship_disk *disk, const struct base_info *base,
		      struct tranship_error *err)
{
	struct vhd_disk *vhd = vhd_of(disk);
	int rc;

	if (!is_child(vhd)) /* what is absent in it would be its parent's, and is zeros */
		return base ? error_set(err, TRANSHIP_EUNSUPPORTED,
					"vhd: a disk without a parent cannot be given one")
			    : 0;
	vhd_change_begin(vhd);
	if (!base)
		rc = leave_parent(vhd, err);
	else if (base->relative || base->absolute)
		rc = name_parent(vhd, base, err);
	else
		rc = vhd_parent_identify(base, &vhd->dynamic, err);
	if (rc == 0)
		rc = vhd_header_write(vhd, err);
	if (rc)
		return rc;
	return vhd->change.grown ? vhd_trim(vhd, err) : vhd_apply(vhd, err);
}

/* Drops BAT entries from `first` on. */
static int drop_blocks(struct vhd_disk *vhd, uint64_t first, struct tranship_error *err)
{
	uint64_t total = vhd->dynamic.max_entries, i;
	uint32_t entry;
	int rc = 0;

	for (i = first; i < total && rc == 0; i++) {
		rc = vhd_bat_entries(vhd, i, 1, &entry, err);
		if (rc == 0 && entry != VHD_BAT_UNUSED)
			rc = vhd_bat_write(vhd, i, VHD_BAT_UNUSED, err);
	}
	return rc ? rc : vhd_apply(vhd, err);
}

/* Its size stays, and its parent has the same: each entry that goes changes nothing. */
static int vhd_empty(struct tranship_disk *disk, struct tranship_error *err)
{
	struct vhd_disk *vhd = vhd_of(disk);
	int rc;

	vhd_change_begin(vhd);
	rc = drop_blocks(vhd, 0, err);
	vhd->change.end = vhd_metadata_end(vhd, UINT64_MAX);
	return rc ? rc : vhd_trim(vhd, err);
}

const struct modify_ops vhd_fixed_modify = {
	.write = fixed_write,
	.zero = fixed_zero,
	.flush = fixed_flush,
	.resize = vhd_fixed_resize,
	.can_resize = vhd_fixed_can_resize,
	.renew = vhd_renew,
	.restore = vhd_restore,
	.repair = vhd_repair,
};

const struct modify_ops vhd_dynamic_modify = {
	.write = dynamic_write,
	.zero = dynamic_zero,
	.flush = dynamic_flush,
	.resize = vhd_dynamic_resize,
	.can_resize = vhd_dynamic_can_resize,
	.renew = vhd_renew,
	.restore = vhd_restore,
	.relink = vhd_relink,
	.empty = vhd_empty,
	.repair = vhd_repair,
};
