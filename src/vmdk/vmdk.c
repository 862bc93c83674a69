// SPDX-License-Identifier: Apache-2.0
/*
 * VMDK: opening, and the disk over its extents.
 *
 * VMware, "Virtual Disk Format 5.0". Quirks that are taken on purpose:
 *   - ZERO extents are zeros, RDONLY extents are read, NOACCESS extents fail where they are read;
 * qemu drops all three, which shortens the disk and shifts what follows;
 *   - a sparse extent file of a split disk, opened alone, reads as the disk of its own capacity;
 *   - the names in an embedded descriptor are not looked at: a renamed file still reads.
 */
#include "vmdk/vmdk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool vmdk_probe(const struct probe_input *in)
{
	if (in->head_len >= 4) {
		uint32_t magic = get_le32(in->head);

		if (magic == VMDK_MAGIC_SPARSE || magic == VMDK_MAGIC_COWD)
			return true;
		if (in->head_len >= 8 && magic == VMDK_MAGIC_SESPARSE &&
		    get_le32(in->head + 4) == 0)
			return true;
	}
	/* A text that names files is believed only where no guest's disk would fit. */
	return in->file_size <= VMDK_DESCRIPTOR_MAX &&
	       vmdk_descriptor_recognise(in->head, in->head_len);
}

int vmdk_take_descriptor(struct vmdk_disk *vmdk, const struct vmdk_descriptor *d,
			 struct tranship_error *err)
{
	char shown[100];

	vmdk->cid = d->cid;
	vmdk->parent_cid = d->parent_cid;
	strcpy(vmdk->create_type, d->create_type);
	if (d->encrypted)
		return error_set(err, TRANSHIP_EUNSUPPORTED, "vmdk: the disk is encrypted");
	if (d->parent_cid != VMDK_NO_PARENT) {
		text_escape(shown, sizeof(shown), d->parent_hint ? d->parent_hint : "",
			    d->parent_hint ? strlen(d->parent_hint) : 0);
		return error_set(
			err, TRANSHIP_EUNSUPPORTED,
			"vmdk: it is a delta link and needs its parent '%s' (CID %08" PRIx32
			"); links are not read",
			shown, d->parent_cid);
	}
	return 0;
}

int vmdk_take_embedded(struct vmdk_disk *vmdk, const void *text, size_t len,
		       struct tranship_error *err)
{
	struct vmdk_descriptor d;
	int rc = vmdk_descriptor_parse(text, len, &d, err);

	if (rc)
		return rc;
	rc = vmdk_take_descriptor(vmdk, &d, err);
	if (rc == 0 && d.extent_count > 1)
		rc = error_set(err, TRANSHIP_EUNSUPPORTED,
			       "vmdk: the descriptor inside a sparse file lists %zu extents, it "
			       "can have one",
			       d.extent_count);
	vmdk_descriptor_free(&d);
	return rc;
}

static int read_embedded(struct vmdk_disk *vmdk, struct tranship_file *file,
			 const struct vmdk_header *h, struct tranship_error *err)
{
	uint64_t off, len;
	char *text;
	int rc;

	if (h->descriptor_offset == 0 || h->descriptor_sectors == 0)
		return 0;
	if (!mul_ok(h->descriptor_offset, VMDK_SECTOR, &off) ||
	    !mul_ok(h->descriptor_sectors, VMDK_SECTOR, &len) || len > VMDK_EMBEDDED_MAX ||
	    !range_ok(off, len, tranship_file_size(file)))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: the descriptor, %" PRIu64 " sectors at %" PRIu64
				 ", is larger than %u bytes or passes the end of the file",
				 h->descriptor_sectors, h->descriptor_offset, VMDK_EMBEDDED_MAX);
	text = malloc((size_t)len);
	if (!text)
		return error_nomem(err, (size_t)len);
	rc = tranship_file_read(file, off, text, (size_t)len, err);
	if (rc == 0)
		rc = vmdk_take_embedded(vmdk, text, (size_t)len, err);
	free(text);
	return rc;
}

static int add_extent(struct vmdk_disk *vmdk, struct vmdk_extent **out, struct tranship_error *err)
{
	size_t bytes = (vmdk->extent_count + 1) * sizeof(*vmdk->extents);
	struct vmdk_extent *extents = realloc(vmdk->extents, bytes);

	if (!extents)
		return error_nomem(err, bytes);
	vmdk->extents = extents;
	*out = &extents[vmdk->extent_count++];
	**out = (struct vmdk_extent){ 0 };
	return 0;
}

static void warn_of_sparse(const struct vmdk_sparse *s, const struct open_params *params)
{
	if (s->header.unclean)
		warn_send(params->warn, params->warn_ctx,
			  "vmdk: the image was not closed cleanly (a running or crashed machine)");
	if (s->by_redundant)
		warn_send(params->warn, params->warn_ctx,
			  "vmdk: the grain directory is lost, its redundant copy is used");
}

/* A sparse file by itself. On failure the file stays the caller's. */
static int open_sparse_file(struct vmdk_disk *vmdk, struct tranship_file *file,
			    const struct open_params *params, struct tranship_error *err)
{
	struct vmdk_extent *extent;
	int rc = add_extent(vmdk, &extent, err);

	if (rc == 0)
		rc = disk_add_file(&vmdk->disk, file, params->name, &extent->file_index, err);
	if (rc)
		return rc;
	extent->kind = VMDK_EXTENT_SPARSE;
	rc = vmdk_sparse_open(&extent->sparse, file, resolver_table_memory(params->resolver), err);
	if (rc == 0)
		rc = read_embedded(vmdk, file, &extent->sparse.header, err);
	if (rc)
		return rc;
	warn_of_sparse(&extent->sparse, params);
	extent->len = extent->sparse.size;
	vmdk->disk.size = extent->len;
	vmdk->disk.cluster_size = extent->sparse.grain_size;
	return 0;
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcasecmp(word, *words) == 0)
			return true;
	return false;
}

static int extent_kind(const struct vmdk_extent_line *line, size_t number,
		       enum vmdk_extent_kind *out, struct tranship_error *err)
{
	static const char *const flat[] = { "FLAT", "VMFS", NULL };
	static const char *const sparse[] = { "SPARSE", NULL };
	static const char *const known[] = { "VMFSSPARSE", "SESPARSE", "VMFSRDM", "VMFSRAW", NULL };
	char shown[40];

	text_escape(shown, sizeof(shown), line->type, strlen(line->type));
	if (strcasecmp(line->type, "ZERO") == 0)
		*out = VMDK_EXTENT_ZERO;
	else if (is_one_of(line->type, flat))
		*out = VMDK_EXTENT_FLAT;
	else if (is_one_of(line->type, sparse))
		*out = VMDK_EXTENT_SPARSE;
	else
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: extent %zu is of %s type %s, which is not read", number,
				 is_one_of(line->type, known) ? "the" : "an unknown", shown);
	if (*out != VMDK_EXTENT_ZERO && !line->name && line->access != VMDK_NOACCESS)
		return error_set(err, TRANSHIP_ECORRUPT, "vmdk: extent %zu (%s) has no file name",
				 number, shown);
	return 0;
}

static int check_flat(const struct vmdk_extent *extent, const char *name,
		      struct tranship_error *err)
{
	if (range_ok(extent->file_off, extent->len, tranship_file_size(extent->file)))
		return 0;
	error_set(err, TRANSHIP_ECORRUPT,
		  "vmdk: the extent needs %" PRIu64 " bytes from %" PRIu64
		  ", the file has %" PRIu64,
		  extent->len, extent->file_off, tranship_file_size(extent->file));
	return error_in_file(err, TRANSHIP_ECORRUPT, name);
}

static int open_sparse_extent(struct vmdk_extent *extent, const char *name, size_t cache_memory,
			      struct tranship_error *err)
{
	int rc = vmdk_sparse_open(&extent->sparse, extent->file, cache_memory, err);

	if (rc == 0 && extent->sparse.size < extent->len)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "vmdk: the extent has %" PRIu64
			       " bytes, the descriptor wants %" PRIu64,
			       extent->sparse.size, extent->len);
	return rc ? error_in_file(err, rc, name) : 0;
}

/* Opens what extent line `number` names. What it opened is in vmdk->extents, and closed with it. */
static int open_extent(struct vmdk_disk *vmdk, const struct vmdk_extent_line *line, size_t number,
		       size_t cache_memory, const struct open_params *params,
		       struct tranship_error *err)
{
	struct vmdk_extent *extent;
	int rc = add_extent(vmdk, &extent, err);

	if (rc == 0)
		rc = extent_kind(line, number, &extent->kind, err);
	if (rc)
		return rc;
	strcpy(extent->type, line->type);
	extent->start = vmdk->disk.size;
	extent->len = line->sectors * VMDK_SECTOR;
	extent->file_off = line->offset * VMDK_SECTOR;
	extent->no_access = line->access == VMDK_NOACCESS;
	if (!add_ok(vmdk->disk.size, extent->len, &vmdk->disk.size) ||
	    vmdk->disk.size > VMDK_CAPACITY_MAX * VMDK_SECTOR)
		return error_set(err, TRANSHIP_ELIMIT,
				 "vmdk: extent %zu takes the disk past %" PRIu64 " sectors", number,
				 VMDK_CAPACITY_MAX);
	if (extent->kind == VMDK_EXTENT_ZERO || extent->no_access)
		return 0;
	rc = open_other_file(params, &vmdk->disk, line->name, &extent->file, &extent->file_index,
			     err);
	if (rc)
		return rc;
	if (extent->kind == VMDK_EXTENT_FLAT)
		return check_flat(extent, line->name, err);
	rc = open_sparse_extent(extent, line->name, cache_memory, err);
	if (rc)
		return rc;
	warn_of_sparse(&extent->sparse, params);
	vmdk->disk.cluster_size = extent->sparse.grain_size;
	return 0;
}

static int not_vmdk(struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vmdk: neither a sparse header nor a descriptor of at most %u bytes",
			 VMDK_DESCRIPTOR_MAX);
}

static int open_descriptor_file(struct vmdk_disk *vmdk, struct tranship_file *file,
				const struct open_params *params, struct tranship_error *err)
{
	static const char *const devices[] = { "fullDevice",       "partitionedDevice",
					       "vmfsRaw",          "vmfsRDM",
					       "vmfsRDMP",         "vmfsPassthroughRawDeviceMap",
					       "vmfsRawDeviceMap", NULL };
	size_t len = (size_t)tranship_file_size(file),
	       memory = resolver_table_memory(params->resolver), i;
	struct vmdk_descriptor d;
	char *text = malloc(len + 1);
	int rc;

	if (!text)
		return error_nomem(err, len + 1);
	rc = tranship_file_read(file, 0, text, len, err);
	if (rc == 0 && !vmdk_descriptor_recognise((unsigned char *)text, len))
		rc = not_vmdk(err);
	if (rc == 0)
		rc = vmdk_descriptor_parse(text, len, &d, err);
	free(text);
	if (rc)
		return rc;
	rc = vmdk_take_descriptor(vmdk, &d, err);
	if (rc == 0 && is_one_of(d.create_type, devices))
		rc = error_set(err, TRANSHIP_EUNSUPPORTED,
			       "vmdk: a disk of type %s stands for a device, which is not read",
			       d.create_type);
	if (rc == 0 && d.extent_count == 0)
		rc = error_set(err, TRANSHIP_ECORRUPT, "vmdk: the descriptor lists no extents");
	if (rc == 0)
		rc = disk_add_file(&vmdk->disk, file, params->name, NULL, err);
	/* All extents together keep to the memory that one image may take. */
	memory = (memory ? memory : 1U << 20) / (d.extent_count ? d.extent_count : 1);
	for (i = 0; rc == 0 && i < d.extent_count; i++)
		rc = open_extent(vmdk, &d.extents[i], i + 1, memory > 16384 ? memory : 16384,
				 params, err);
	vmdk_descriptor_free(&d);
	return rc;
}

static void free_extents(struct vmdk_disk *vmdk)
{
	size_t i;

	for (i = 0; i < vmdk->extent_count; i++) {
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
static struct vmdk_extent *find_extent(struct vmdk_disk *vmdk, uint64_t off)
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
	struct vmdk_extent *extent = find_extent(vmdk_of(disk), off);
	struct tranship_file_extent part;
	uint64_t at = off - extent->start, left = extent->len - at;
	int rc = 0;

	out->len = left;
	out->file_index = extent->file_index;
	if (extent->no_access) {
		out->kind = TRANSHIP_DATA;
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
		struct vmdk_extent *extent = find_extent(vmdk, off);
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

static int open_by_magic(struct vmdk_disk *vmdk, struct tranship_file *file,
			 const struct open_params *params, struct tranship_error *err)
{
	unsigned char head[512];
	size_t len = (size_t)min_u64(tranship_file_size(file), sizeof(head));
	uint32_t magic;
	int rc = tranship_file_read(file, 0, head, len, err);

	if (rc)
		return rc;
	magic = len >= 4 ? get_le32(head) : 0;
	if (magic == VMDK_MAGIC_SPARSE)
		return open_sparse_file(vmdk, file, params, err);
	if (magic == VMDK_MAGIC_COWD)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: a COWD (vmfsSparse) extent, which is not read");
	if (magic == VMDK_MAGIC_SESPARSE)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: an seSparse extent, which is not read");
	if (tranship_file_size(file) > VMDK_DESCRIPTOR_MAX)
		return not_vmdk(err);
	return open_descriptor_file(vmdk, file, params, err);
}

static int vmdk_open(struct tranship_file *file, const struct open_params *params,
		     struct tranship_disk **out, struct tranship_error *err)
{
	struct vmdk_disk *vmdk = calloc(1, sizeof(*vmdk));
	int rc;

	if (!vmdk)
		return error_nomem(err, sizeof(*vmdk));
	disk_init(&vmdk->disk, &vmdk_disk_ops, "vmdk");
	vmdk->parent_cid = VMDK_NO_PARENT;
	rc = open_by_magic(vmdk, file, params, err);
	if (rc) {
		free_extents(vmdk);
		disk_fini(&vmdk->disk);
		free(vmdk);
		return rc;
	}
	vmdk->file = file;
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
