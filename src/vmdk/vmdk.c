// SPDX-License-Identifier: Apache-2.0
/*
 * VMDK: the disk over its extents.
 *
 * VMware, "Virtual Disk Format 5.0". Quirks that are taken on purpose:
 *   - ZERO extents are zeros, RDONLY extents are read, NOACCESS extents fail where they are read;
 * qemu drops all three, which shortens the disk and shifts what follows;
 *   - a sparse extent file of any kind, opened alone, reads as the disk of its own capacity;
 *   - the names in an embedded descriptor are not looked at: a renamed file still reads.
 */
#include "vmdk/vmdk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_sparse_file(const struct probe_input *in)
{
	uint32_t magic = in->head_len >= 4 ? get_le32(in->head) : 0;

	return magic == VMDK_MAGIC_SPARSE || magic == VMDK_MAGIC_COWD ||
	       (in->head_len >= 8 && magic == VMDK_MAGIC_SESPARSE && get_le32(in->head + 4) == 0);
}

static int vmdk_probe(const struct probe_input *in, bool *mine, struct tranship_error *err)
{
	bool text = vmdk_descriptor_recognise(in->head, in->head_len);

	(void)err;
	/* A text that names files is believed only where no guest's disk would fit. */
	*mine = is_sparse_file(in) || (text && in->file_size <= VMDK_DESCRIPTOR_MAX);
	if (text && !*mine && in->file_size != UINT64_MAX)
		warn_send(in->warn, in->warn_ctx,
			  "it begins as a VMDK descriptor, but is larger than one can be: read as "
			  "raw");
	return 0;
}

static void free_extents(struct vmdk_disk *vmdk)
{
	size_t i;

	for (i = 0; i < vmdk->extent_count; i++) {
		free(vmdk->extents[i].lost);
		vmdk_sparse_close(&vmdk->extents[i].sparse);
		tranship_file_close(vmdk->extents[i].file);
	}
	free(vmdk->extents);
}

static void vmdk_close(struct tranship_disk *disk)
{
	free_extents(vmdk_of(disk));
	tranship_file_close(vmdk_of(disk)->file);
	free(disk);
}

/* Extents are in order of their start: the last one that begins at or before off. */
struct vmdk_extent *vmdk_extent_at(struct vmdk_disk *vmdk, uint64_t off)
{
	size_t low = 0, high = vmdk->extent_count;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (vmdk->extents[mid].start <= off)
			low = mid;
		else
			high = mid;
	}
	return &vmdk->extents[low];
}

static int vmdk_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		    struct tranship_error *err)
{
	struct vmdk_extent *extent = vmdk_extent_at(vmdk_of(disk), off);
	struct tranship_file_extent part;
	uint64_t at = off - extent->start, left = extent->len - at;
	bool lost = extent->lost && at >= extent->there;
	int rc = 0;

	if (extent->lost && !lost)
		left = extent->there - at;

	out->len = left;
	out->file_index = extent->file_index;
	if (extent->no_access || lost) {
		out->kind = lost ? TRANSHIP_LOST : TRANSHIP_DATA;
		return 0;
	}
	switch (extent->kind) {
	case VMDK_EXTENT_ZERO: out->kind = TRANSHIP_ZERO; break;
	case VMDK_EXTENT_FLAT:
		rc = tranship_file_map(extent->file, extent->file_off + at, &part, err);
		out->kind = part.hole ? TRANSHIP_ZERO : TRANSHIP_DATA;
		out->file_off = extent->file_off + at;
		out->len = min_u64(left, part.len);
		break;
	case VMDK_EXTENT_SPARSE:
		rc = vmdk_sparse_map(&extent->sparse, at, out, err);
		out->len = min_u64(left, out->len);
		break;
	}
	return rc;
}

static int read_extent(struct vmdk_disk *vmdk, struct vmdk_extent *extent,
		       struct vmdk_scratch *scratch, uint64_t at, void *buf, size_t len,
		       struct tranship_error *err)
{
	if (extent->lost && at + len > extent->there)
		return error_set(err, TRANSHIP_ECORRUPT, "%s", extent->lost);
	if (extent->no_access)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: extent %zu is marked NOACCESS and has no readable content",
				 (size_t)(extent - vmdk->extents) + 1);
	switch (extent->kind) {
	case VMDK_EXTENT_FLAT:
		return tranship_file_read(extent->file, extent->file_off + at, buf, len, err);
	case VMDK_EXTENT_SPARSE:
		return vmdk_sparse_read(&extent->sparse, scratch, at, buf, len, err);
	default: memset(buf, 0, len); return 0;
	}
}

static int vmdk_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf, size_t len,
		     struct tranship_error *err)
{
	struct vmdk_disk *vmdk = vmdk_of(disk);
	unsigned char *to = buf;

	while (len > 0) {
		struct vmdk_extent *extent = vmdk_extent_at(vmdk, off);
		uint64_t at = off - extent->start;
		size_t n = (size_t)min_u64(len, extent->len - at);
		int rc = read_extent(vmdk, extent, scratch, at, to, n, err);

		if (rc)
			return rc;
		off += n;
		to += n;
		len -= n;
	}
	return 0;
}

static int vmdk_scratch_new(struct tranship_disk *disk, void **out, struct tranship_error *err)
{
	(void)disk;
	*out = calloc(1, sizeof(struct vmdk_scratch)); /* filled as reads need it */
	return *out ? 0 : error_nomem(err, sizeof(struct vmdk_scratch));
}

static void vmdk_properties(struct tranship_disk *disk, struct property_sink *sink)
{
	struct vmdk_disk *vmdk = vmdk_of(disk);
	char name[64];
	size_t i;

	property_number(sink, "cid", vmdk->cid);
	property_number(sink, "parent-cid", vmdk->parent_cid);
	if (disk->parent && disk->parent->hint_count > 0)
		property_text(sink, "parent", disk->parent->hints[0]);
	property_text(sink, "create-type", vmdk->create_type);
	for (i = 0; i < vmdk->extent_count; i++) {
		const struct vmdk_extent *extent = &vmdk->extents[i];
		bool sparse = extent->kind == VMDK_EXTENT_SPARSE && !extent->no_access;

		if (sparse && extent->sparse.header.flags & VMDK_FLAG_COMPRESSED) {
			snprintf(name, sizeof(name), "extents.%zu.compressed", i);
			property_bool(sink, name, true);
		}
		snprintf(name, sizeof(name), "extents.%zu.virtual-size", i);
		property_number(sink, name, extent->len);
		snprintf(name, sizeof(name), "extents.%zu.filename", i);
		property_text(sink, name,
			      extent->kind != VMDK_EXTENT_ZERO && !extent->no_access
				      ? disk->files[extent->file_index].name
				      : "");
		if (sparse) {
			snprintf(name, sizeof(name), "extents.%zu.cluster-size", i);
			property_number(sink, name, extent->sparse.grain_size);
		}
		snprintf(name, sizeof(name), "extents.%zu.format", i);
		property_text(sink, name, extent->type);
	}
}

static const struct disk_ops vmdk_disk_ops = {
	.map = vmdk_map,
	.read = vmdk_read,
	.scratch_new = vmdk_scratch_new,
	.scratch_free = vmdk_scratch_free,
	.properties = vmdk_properties,
	.check = vmdk_check,
	.close = vmdk_close,
};

/* The same, of what can be changed in place. */
static void take_modify(struct vmdk_disk *vmdk)
{
	const struct modify_ops *modify = vmdk_modify_ops(vmdk);

	if (!modify)
		return;
	vmdk->ops = vmdk_disk_ops;
	vmdk->ops.modify = modify;
	vmdk->disk.ops = &vmdk->ops;
}

static int vmdk_open(struct tranship_file *file, const struct open_params *params,
		     struct tranship_disk **out, struct tranship_error *err)
{
	struct vmdk_disk *vmdk;
	int rc;

	if (params->flags & TRANSHIP_OPEN_SALVAGE) {
		bool mine;

		rc = vmdk_salvage_open(file, params, &mine, out, err);
		if (rc || mine)
			return rc;
	}
	vmdk = calloc(1, sizeof(*vmdk));
	if (!vmdk)
		return error_nomem(err, sizeof(*vmdk));
	disk_init(&vmdk->disk, &vmdk_disk_ops, "vmdk");
	vmdk->disk.salvage = params->flags & TRANSHIP_OPEN_SALVAGE;
	vmdk->parent_cid = VMDK_NO_PARENT;
	vmdk->report = params->report;
	rc = vmdk_open_extents(vmdk, file, params, err);
	if (rc) {
		free_extents(vmdk);
		disk_fini(&vmdk->disk);
		free(vmdk);
		return rc;
	}
	vmdk->file = file;
	take_modify(vmdk);
	*out = &vmdk->disk;
	return 0;
}

static const struct tranship_option_info vmdk_open_options[] = { { 0 } };

const struct format vmdk_format = {
	.name = "vmdk",
	.probe = vmdk_probe,
	.open = vmdk_open,
	.streams = vmdk_streams,
	.open_stream = vmdk_stream_open,
	.create = vmdk_create,
	.open_options = vmdk_open_options,
	.create_options = vmdk_create_options,
	.compressed = "subformat=streamOptimized",
};
