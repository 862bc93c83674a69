// SPDX-License-Identifier: Apache-2.0
/*
 * Changing a VMDK where it stands: disks of flat extents and of hosted sparse ones that are not
 * packed. What an extent's file is, it is alone: each file has its own transactions, and between
 * them every state is a valid disk. So an extent grows before the descriptor says so, and shrinks
 * after it did.
 *
 * Only the last extent changes its size. A disk in pieces of 2 GB grows to the end of its last
 * piece: a new piece would be a new file, and files are not made or removed by a transaction.
 */
#include "vmdk/vmdk.h"

#include "base/error.h"
#include "vmdk/vmdk_modify.h"
#include "vmdk/vmdk_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int extent_apply(struct vmdk_extent *extent, struct tranship_error *err)
{
	return extent->kind == VMDK_EXTENT_SPARSE ? vmdk_sparse_apply(&extent->sparse, err)
						  : modify_apply(extent->file, err);
}

static int disk_flush(struct tranship_disk *disk, struct tranship_error *err)
{
	struct vmdk_disk *vmdk = vmdk_of(disk);
	size_t i;
	int rc = 0;

	for (i = 0; i < vmdk->extent_count && rc == 0; i++)
		rc = extent_apply(&vmdk->extents[i], err);
	return rc;
}

static int write_extent(struct vmdk_extent *extent, bool child, uint64_t at,
			const unsigned char *buf, size_t len, struct tranship_error *err)
{
	return extent->kind == VMDK_EXTENT_SPARSE
		       ? vmdk_sparse_write(&extent->sparse, child, at, buf, len, err)
		       : modify_free(extent->file, extent->file_off + at, buf, len, err);
}

static int disk_write(struct tranship_disk *disk, uint64_t off, const void *buf, size_t len,
		      struct tranship_error *err)
{
	const unsigned char *from = buf;
	int rc = 0;

	while (len > 0 && rc == 0) {
		struct vmdk_extent *extent = vmdk_extent_at(vmdk_of(disk), off);
		uint64_t at = off - extent->start;
		size_t n = (size_t)min_u64(len, extent->len - at);

		rc = write_extent(extent, disk->parent != NULL, at, from, n, err);
		off += n;
		from += n;
		len -= n;
	}
	return rc;
}

static int disk_zero(struct tranship_disk *disk, uint64_t off, uint64_t len,
		     struct tranship_error *err)
{
	int rc = 0;

	while (len > 0 && rc == 0) {
		struct vmdk_extent *extent = vmdk_extent_at(vmdk_of(disk), off);
		uint64_t at = off - extent->start, n = min_u64(len, extent->len - at);

		rc = extent->kind == VMDK_EXTENT_SPARSE
			     ? vmdk_sparse_zero(&extent->sparse, disk->parent != NULL, at, n, err)
			     : vmdk_zero_bytes(extent->file, extent->file_off + at, n, err);
		off += n;
		len -= n;
	}
	return rc;
}

/* Where the descriptor stands in vmdk->file, and how long it may be. */
static int find_descriptor(const struct vmdk_disk *vmdk, uint64_t *off, size_t *len, size_t *max,
			   struct tranship_error *err)
{
	const struct vmdk_extent *first = &vmdk->extents[0];

	*off = 0;
	*len = (size_t)tranship_file_size(vmdk->file);
	*max = VMDK_DESCRIPTOR_MAX;
	if (first->file)
		return 0;
	if (first->sparse.header.descriptor_offset == 0 ||
	    first->sparse.header.descriptor_sectors == 0)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: the file has no descriptor, it is one extent of a disk and "
				 "is changed with that disk");
	*off = first->sparse.header.descriptor_offset * VMDK_SECTOR;
	*len = (size_t)first->sparse.header.descriptor_sectors * VMDK_SECTOR;
	*max = *len;
	return 0;
}

/* The new text over the old one; a file ends with it, in a sparse file NULs follow. */
static int put_descriptor(struct vmdk_disk *vmdk, uint64_t off, size_t old_len,
			  const struct buffer *text, struct tranship_error *err)
{
	int rc = file_write(vmdk->file, off, text->bytes, text->len, err);

	if (rc || !vmdk->extents[0].file)
		return rc || text->len >= old_len
			       ? rc
			       : file_zero(vmdk->file, off + text->len, old_len - text->len, err);
	return file_resize(vmdk->file, text->len, err);
}

static int edit_descriptor(struct vmdk_disk *vmdk, const struct vmdk_edits *edits,
			   struct tranship_error *err)
{
	struct buffer text = { 0 };
	size_t len, max;
	char *old = NULL;
	uint64_t off;
	int rc = find_descriptor(vmdk, &off, &len, &max, err);

	if (rc)
		return rc;
	old = malloc(len + 1);
	if (!old)
		return error_nomem(err, len + 1);
	rc = tranship_file_read(vmdk->file, off, old, len, err);
	old[len] = '\0';
	if (rc == 0)
		rc = vmdk_descriptor_edit(old, strlen(old), edits, &text, err);
	if (rc == 0 && text.len > max)
		rc = error_set(err, TRANSHIP_ELIMIT,
			       "vmdk: the descriptor would have %zu bytes, there is room for %zu",
			       text.len, max);
	if (rc == 0)
		rc = put_descriptor(vmdk, off, strlen(old), &text, err);
	buffer_free(&text);
	free(old);
	return rc;
}

static int set_cid(struct tranship_disk *disk, uint32_t cid, struct tranship_error *err)
{
	struct vmdk_disk *vmdk = vmdk_of(disk);
	struct vmdk_edits edits = { .new_cid = true, .cid = cid };
	int rc = edit_descriptor(vmdk, &edits, err);

	if (rc == 0)
		rc = modify_apply(vmdk->file, err);
	if (rc)
		return rc;
	vmdk->cid = cid;
	snprintf(disk->identity, sizeof(disk->identity), "%08" PRIx32, vmdk->cid);
	return 0;
}

static int disk_renew(struct tranship_disk *disk, struct idgen *ids, struct tranship_error *err)
{
	uint32_t cid;
	int rc = vmdk_cid_draw(ids, &cid, err);

	return rc ? rc : set_cid(disk, cid, err);
}

/* Any CID: some images have one that would be no other's. */
static int disk_restore(struct tranship_disk *disk, const char *identity,
			struct tranship_error *err)
{
	return set_cid(disk, (uint32_t)strtoul(identity, NULL, 16), err);
}

/* A flat extent has no room for what is not its own. */
static bool has_flat(const struct vmdk_disk *vmdk)
{
	size_t i;

	for (i = 0; i < vmdk->extent_count; i++)
		if (vmdk->extents[i].kind != VMDK_EXTENT_SPARSE)
			return true;
	return false;
}

static int disk_relink(struct tranship_disk *disk, const struct base_info *base,
		       struct tranship_error *err)
{
	struct vmdk_disk *vmdk = vmdk_of(disk);
	struct vmdk_edits edits = { .new_parent = true, .parent_cid = VMDK_NO_PARENT, .hint = "" };
	char hint[VMDK_HINT_MAX];
	int rc = 0;

	if (base && has_flat(vmdk))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: a disk with a flat extent holds every byte of it and has "
				 "no parent");
	if (base) {
		rc = vmdk_parent_describe(base, &edits.parent_cid, hint, err);
		edits.hint = base->relative || base->absolute ? hint : NULL;
	}
	if (rc == 0)
		rc = edit_descriptor(vmdk, &edits, err);
	if (rc == 0)
		rc = modify_apply(vmdk->file, err);
	if (rc == 0)
		vmdk->parent_cid = edits.parent_cid;
	return rc;
}

static int disk_empty(struct tranship_disk *disk, struct tranship_error *err)
{
	struct vmdk_disk *vmdk = vmdk_of(disk);
	size_t i;
	int rc = 0;

	for (i = 0; i < vmdk->extent_count && rc == 0; i++)
		if (vmdk->extents[i].kind == VMDK_EXTENT_SPARSE)
			rc = vmdk_sparse_empty(&vmdk->extents[i].sparse, err);
	return rc;
}

/* Pending. What the file had behind the extent was not a part of the disk. */
static int grow_flat(struct vmdk_extent *extent, uint64_t len, struct tranship_error *err)
{
	uint64_t old = extent->file_off + extent->len, end, size;
	int rc;

	if (!add_ok(extent->file_off, len, &end))
		return error_set(err, TRANSHIP_ELIMIT,
				 "vmdk: a flat extent of %" PRIu64 " bytes at %" PRIu64
				 " is too large",
				 len, extent->file_off);
	size = tranship_file_size(extent->file);
	rc = vmdk_zero_bytes(extent->file, old, min_u64(size, end) - old, err);
	return rc || size >= end ? rc : file_resize(extent->file, end, err);
}

/* Pending. A sparse file may have more than its line says: that must not come to light. */
static int grow_sparse(struct vmdk_extent *extent, uint64_t len, struct tranship_error *err)
{
	int rc = 0;

	if (extent->sparse.size > extent->len)
		rc = vmdk_sparse_resize(&extent->sparse, extent->len / VMDK_SECTOR, err);
	return rc ? rc : vmdk_sparse_resize(&extent->sparse, len / VMDK_SECTOR, err);
}

static int grow_extent(struct vmdk_extent *extent, uint64_t len, struct tranship_error *err)
{
	return extent->kind == VMDK_EXTENT_SPARSE ? grow_sparse(extent, len, err)
						  : grow_flat(extent, len, err);
}

/* Durable. */
static int shrink_extent(struct vmdk_extent *extent, uint64_t len, struct tranship_error *err)
{
	int rc;

	if (extent->kind == VMDK_EXTENT_FLAT) {
		uint64_t end = extent->file_off + extent->len;

		/* What follows it in the file is somebody else's. */
		return end == tranship_file_size(extent->file)
			       ? modify_cut(extent->file, extent->file_off + len, err)
			       : 0;
	}
	rc = vmdk_sparse_resize(&extent->sparse, len / VMDK_SECTOR, err);
	return rc ? rc : vmdk_sparse_apply(&extent->sparse, err);
}

/* Whether the disk can have this size by another one of its last extent; *len is that one. */
static int check_size(const struct vmdk_disk *vmdk, uint64_t sectors, uint64_t *len,
		      struct tranship_error *err)
{
	const struct vmdk_extent *last = &vmdk->extents[vmdk->extent_count - 1];
	uint64_t size = sectors * VMDK_SECTOR;
	bool split = strncasecmp(vmdk->create_type, "twoGb", 5) == 0;

	if (sectors > VMDK_DISK_SECTORS_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "vmdk: a disk of %" PRIu64
				 " sectors is too large, VMDK ends at 62 TiB; vhdx goes to 64 TiB",
				 sectors);
	if (size < last->start || (size == last->start && vmdk->extent_count > 1))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: only the last of %zu extents, from %" PRIu64
				 " bytes on, can have another size in place; convert the disk "
				 "instead",
				 vmdk->extent_count, last->start);
	*len = size - last->start;
	if (split && *len > last->len && *len > (uint64_t)VMDK_SPLIT_SECTORS * VMDK_SECTOR)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: a disk of type %s grows in place to the end of its last "
				 "file, %" PRIu64 " bytes; convert it instead",
				 vmdk->create_type,
				 last->start + (uint64_t)VMDK_SPLIT_SECTORS * VMDK_SECTOR);
	return 0;
}

static int disk_can_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err)
{
	uint64_t len;

	return check_size(vmdk_of(disk), div_up(size, VMDK_SECTOR), &len, err);
}

static int resize_in(struct vmdk_disk *vmdk, struct vmdk_extent *last, uint64_t len,
		     const struct vmdk_edits *edits, struct tranship_error *err)
{
	bool one_file = !last->file, grows = len > last->len;
	int rc = 0;

	if (one_file) {
		rc = vmdk_sparse_resize(&last->sparse, len / VMDK_SECTOR, err);
	} else if (grows) {
		rc = grow_extent(last, len, err);
		if (rc == 0)
			rc = extent_apply(last, err);
	}
	if (rc == 0)
		rc = edit_descriptor(vmdk, edits, err);
	if (rc == 0)
		rc = modify_apply(vmdk->file, err);
	if (rc == 0 && !one_file && !grows)
		rc = shrink_extent(last, len, err);
	return rc;
}

static int disk_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err)
{
	struct vmdk_disk *vmdk = vmdk_of(disk);
	struct vmdk_extent *last = &vmdk->extents[vmdk->extent_count - 1];
	uint64_t sectors = div_up(size, VMDK_SECTOR), len = 0, off;
	struct vmdk_edits edits = { .extent = vmdk->extent_count, .capacity = sectors };
	size_t have, max;
	int rc = check_size(vmdk, sectors, &len, err);

	if (rc == 0)
		rc = find_descriptor(vmdk, &off, &have, &max, err);
	if (rc || len == last->len)
		return rc;
	edits.sectors = len / VMDK_SECTOR;
	rc = resize_in(vmdk, last, len, &edits, err);
	if (rc)
		return rc;
	last->len = len;
	disk->size = sectors * VMDK_SECTOR;
	return 0;
}

static int disk_repair(struct tranship_disk *disk, unsigned flags, struct tranship_error *err)
{
	struct vmdk_disk *vmdk = vmdk_of(disk);
	size_t i;
	int rc = 0;

	for (i = 0; i < vmdk->extent_count && rc == 0; i++) {
		struct vmdk_sparse *s = &vmdk->extents[i].sparse;

		if (vmdk->extents[i].kind != VMDK_EXTENT_SPARSE)
			continue;
		if (flags & TRANSHIP_REPAIR_ERRORS)
			rc = vmdk_sparse_mend(s, err);
		if (rc == 0 && flags & TRANSHIP_REPAIR_LEAKS)
			rc = vmdk_sparse_compact(s, err);
	}
	return rc;
}

static const struct modify_ops flat_ops = {
	.write = disk_write,
	.zero = disk_zero,
	.flush = disk_flush,
	.resize = disk_resize,
	.can_resize = disk_can_resize,
	.renew = disk_renew,
	.restore = disk_restore,
	.relink = disk_relink,
	.empty = disk_empty,
	.repair = disk_repair,
};

static const struct modify_ops sparse_ops = {
	.write = disk_write,
	.zero = disk_zero,
	.flush = disk_flush,
	.whole_clusters = true,
	.resize = disk_resize,
	.can_resize = disk_can_resize,
	.renew = disk_renew,
	.restore = disk_restore,
	.relink = disk_relink,
	.empty = disk_empty,
	.repair = disk_repair,
};

const struct modify_ops *vmdk_modify_ops(const struct vmdk_disk *vmdk)
{
	bool sparse = false;
	size_t i;

	for (i = 0; i < vmdk->extent_count; i++) {
		const struct vmdk_extent *extent = &vmdk->extents[i];
		const struct vmdk_sparse *s = &extent->sparse;

		if (extent->read_only || extent->kind == VMDK_EXTENT_ZERO)
			return NULL;
		if (extent->kind == VMDK_EXTENT_FLAT)
			continue;
		if (s->kind != VMDK_HOSTED || s->header.flags & VMDK_FLAG_COMPRESSED)
			return NULL;
		sparse = true;
	}
	return sparse ? &sparse_ops : &flat_ops;
}
