// SPDX-License-Identifier: Apache-2.0
/*
 * VMDK: from a file to the extents of a disk: a sparse file alone, or a descriptor and the files
 * that it names.
 */
#include "vmdk/vmdk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "core/report.h"
#include "vmdk/vmdk_cowd_ondisk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcasecmp(word, *words) == 0)
			return true;
	return false;
}

/* Disk types that stand for a device; their extents may name files that map it. */
static const char *const device_types[] = { "fullDevice",       "partitionedDevice",
					    "vmfsRaw",          "vmfsRDM",
					    "vmfsRDMP",         "vmfsPassthroughRawDeviceMap",
					    "vmfsRawDeviceMap", NULL };

static enum tranship_role extent_role(const struct vmdk_extent_line *line, const char *create_type)
{
	static const char *const mapped[] = { "VMFSRDM", "VMFSRAW", NULL };
	bool device = is_one_of(line->type, mapped) || strcasecmp(create_type, "fullDevice") == 0 ||
		      strncmp(line->name, "/dev/", 5) == 0 ||
		      strncmp(line->name, "\\\\.\\", 4) == 0;

	return device ? TRANSHIP_ROLE_DEVICE : TRANSHIP_ROLE_EXTENT;
}

/* A delta link says which disk it was made from; core finds that one. */
static int take_parent(struct vmdk_disk *vmdk, const struct vmdk_descriptor *d,
		       struct tranship_error *err)
{
	char id[9], *hint;
	int rc;

	snprintf(id, sizeof(id), "%08" PRIx32, d->parent_cid);
	rc = disk_need_parent(&vmdk->disk, id, NULL, err);
	if (rc || !d->parent_hint)
		return rc;
	rc = vmdk_text_utf8(d->encoding, d->parent_hint, &hint, err);
	if (rc)
		return rc;
	rc = disk_add_hint(&vmdk->disk, hint, err);
	free(hint);
	return rc;
}

/* For probing: the file in which VMware notes what changed, which it opens with the disk. */
static int report_change_track(const struct vmdk_disk *vmdk, const struct vmdk_descriptor *d,
			       struct tranship_error *err)
{
	char *path;
	int rc;

	if (!vmdk->report || !d->change_track)
		return 0;
	rc = vmdk_text_utf8(d->encoding, d->change_track, &path, err);
	if (rc)
		return rc;
	rc = report_reference(vmdk->report, TRANSHIP_ROLE_CHANGES, path, err);
	free(path);
	return rc;
}

/* For probing: what the image as a whole is, before any of it is refused. */
static int report_descriptor(const struct vmdk_disk *vmdk, const struct vmdk_descriptor *d,
			     struct tranship_error *err)
{
	const struct disk_parent *parent = vmdk->disk.parent;
	int rc = report_change_track(vmdk, d, err);

	report_kind(vmdk->report, d->create_type);
	if (d->encrypted)
		report_encrypted(vmdk->report);
	if (rc || !parent)
		return rc;
	report_parent(vmdk->report, parent->ids[0]);
	return parent->hint_count > 0
		       ? report_reference(vmdk->report, TRANSHIP_ROLE_PARENT, parent->hints[0], err)
		       : 0;
}

/*
 * Whether an embedded descriptor has just its own file for an extent, whose name does not matter.
 * qemu opens what the descriptor names if the header has no capacity: such names are reported.
 */
static bool describes_its_file(const struct vmdk_disk *vmdk, const struct vmdk_descriptor *d)
{
	if (d->extent_count == 0)
		return true;
	return d->extent_count == 1 && vmdk->disk.size > 0 &&
	       strcasecmp(d->extents[0].type, "SPARSE") == 0;
}

/* For probing: the extents of a descriptor, and the size of them all. */
static int report_extents(const struct vmdk_disk *vmdk, const struct vmdk_descriptor *d,
			  struct tranship_error *err)
{
	uint64_t size = 0;
	size_t i;
	int rc = 0;

	if (!vmdk->report)
		return 0;
	for (i = 0; rc == 0 && i < d->extent_count; i++) {
		const struct vmdk_extent_line *line = &d->extents[i];

		if (line->name)
			rc = report_reference(vmdk->report, extent_role(line, d->create_type),
					      line->name, err);
		if (!add_ok(size, line->sectors * VMDK_SECTOR, &size))
			size = UINT64_MAX;
	}
	report_size(vmdk->report, size);
	return rc;
}

/* What the descriptor says about the image as a whole; refuses what is not read. */
static int take_descriptor(struct vmdk_disk *vmdk, const struct vmdk_descriptor *d,
			   struct tranship_error *err)
{
	int rc = 0;

	vmdk->cid = d->cid;
	vmdk->parent_cid = d->parent_cid;
	strcpy(vmdk->create_type, d->create_type);
	snprintf(vmdk->disk.identity, sizeof(vmdk->disk.identity), "%08" PRIx32, d->cid);
	if (d->parent_cid != VMDK_NO_PARENT)
		rc = take_parent(vmdk, d, err);
	if (rc == 0)
		rc = report_descriptor(vmdk, d, err);
	if (rc == 0 && d->encrypted)
		rc = error_set(err, TRANSHIP_EUNSUPPORTED, "vmdk: the disk is encrypted");
	return rc;
}

int vmdk_take_embedded(struct vmdk_disk *vmdk, const void *text, size_t len,
		       struct tranship_error *err)
{
	struct vmdk_descriptor d;
	int rc = vmdk_descriptor_parse(text, len, &d, err);

	if (rc)
		return rc;
	if (!describes_its_file(vmdk, &d))
		rc = report_extents(vmdk, &d, err);
	if (rc == 0)
		rc = take_descriptor(vmdk, &d, err);
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

/*
 * ESXi names parents in descriptors, and a COWD extent of it says that it has none. One that does
 * not say so is a redo log of old: its parent is known by a generation, which nothing can be
 * compared with, so that it is only read as a layer.
 */
static int take_cowd_parent(struct vmdk_disk *vmdk, struct tranship_file *file,
			    struct tranship_error *err)
{
	unsigned char raw[VMDK_COWD_HEADER_SIZE];
	struct vmdk_cowd_header h;
	char id[32];
	int rc = tranship_file_read(file, 0, raw, sizeof(raw), err);

	if (rc == 0)
		rc = vmdk_cowd_decode(raw, &h, err);
	if (rc || h.flags & VMDK_COWD_ROOT)
		return rc;
	snprintf(id, sizeof(id), "generation %08" PRIx32, h.parent_generation);
	rc = disk_need_parent(&vmdk->disk, id, NULL, err);
	return rc ? rc : disk_add_hint(&vmdk->disk, h.parent_name, err);
}

static void warn_of_sparse(const struct vmdk_sparse *s, const struct open_params *params)
{
	if (s->header.unclean) {
		report_unclean(params->report);
		warn_send(params->warn, params->warn_ctx,
			  "vmdk: the image was not closed cleanly (a running or crashed machine)");
	}
	if (s->by_redundant)
		warn_send(params->warn, params->warn_ctx,
			  "vmdk: the grain directory is lost, its redundant copy is used");
	if (s->by_copy > 0)
		warn_send(params->warn, params->warn_ctx,
			  "vmdk: the grain directory does not name all tables, its redundant copy "
			  "is used for the others");
	if (s->bad_tables > 0)
		warn_send(params->warn, params->warn_ctx,
			  "vmdk: grain tables have entries that cannot be, their redundant copies "
			  "are used for these");
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
	if (rc) {
		if (extent->sparse.header.unclean) /* a journal to replay */
			report_unclean(params->report);
		return rc;
	}
	extent->sparse.salvage = vmdk->disk.salvage;
	extent->len = extent->sparse.size;
	vmdk->disk.size = extent->len;
	report_size(params->report, extent->len);
	warn_of_sparse(&extent->sparse, params);
	if (extent->sparse.kind == VMDK_HOSTED)
		rc = read_embedded(vmdk, file, &extent->sparse.header, err);
	else if (extent->sparse.kind == VMDK_COWD)
		rc = take_cowd_parent(vmdk, file, err);
	if (rc)
		return rc;
	if (extent->sparse.kind != VMDK_HOSTED && !vmdk->disk.parent)
		warn_send(params->warn, params->warn_ctx,
			  "vmdk: this extent is opened without its descriptor, which may name a "
			  "parent: what the extent does not have reads as zeros");
	vmdk->disk.cluster_size = extent->sparse.grain_size;
	return 0;
}

static int extent_kind(const struct vmdk_extent_line *line, size_t number,
		       enum vmdk_extent_kind *out, struct tranship_error *err)
{
	static const char *const flat[] = { "FLAT", "VMFS", NULL };
	static const char *const sparse[] = { "SPARSE", "VMFSSPARSE", "SESPARSE", NULL };
	static const char *const known[] = { "VMFSRDM", "VMFSRAW", NULL };
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
	if (*out != VMDK_EXTENT_ZERO && (!line->name || !*line->name) &&
	    line->access != VMDK_NOACCESS)
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

static int open_extent_file(struct vmdk_disk *vmdk, struct vmdk_extent *extent, const char *name,
			    size_t cache_memory, const struct open_params *params,
			    struct tranship_error *err)
{
	int rc =
		open_other_file(params, &vmdk->disk, name, &extent->file, &extent->file_index, err);

	if (rc)
		return rc;
	if (extent->kind == VMDK_EXTENT_FLAT)
		return check_flat(extent, name, err);
	rc = open_sparse_extent(extent, name, cache_memory, err);
	if (rc)
		return rc;
	extent->sparse.salvage = vmdk->disk.salvage;
	warn_of_sparse(&extent->sparse, params);
	vmdk->disk.cluster_size = extent->sparse.grain_size;
	return 0;
}

/* Salvage: an extent did not open as it should, or it is too short. What there is of it is kept,
 * and why that is not all. */
static int lose_extent(struct vmdk_disk *vmdk, struct vmdk_extent *extent,
		       const struct tranship_error *why, struct tranship_error *err)
{
	uint64_t size = extent->file ? tranship_file_size(extent->file) : 0;

	extent->lost = strdup(why->message);
	if (!extent->lost)
		return error_nomem(err, strlen(why->message) + 1);
	if (extent->kind == VMDK_EXTENT_FLAT && size > extent->file_off)
		extent->there =
			min_u64(round_down(size - extent->file_off, VMDK_SECTOR), extent->len);
	if (extent->kind == VMDK_EXTENT_SPARSE && extent->sparse.cache) { /* it did open */
		extent->sparse.salvage = true;
		extent->there = min_u64(extent->sparse.size, extent->len);
		vmdk->disk.cluster_size = extent->sparse.grain_size;
	}
	extent->no_access = extent->there == 0;
	return 0;
}

/* Opens what extent line `number` names. What it opened is in vmdk->extents, and closed with it. */
static int open_extent(struct vmdk_disk *vmdk, const struct vmdk_extent_line *line, size_t number,
		       size_t cache_memory, const struct open_params *params,
		       struct tranship_error *err)
{
	struct vmdk_extent *extent;
	struct tranship_error why;
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
	extent->read_only = line->access != VMDK_RW;
	if (!add_ok(vmdk->disk.size, extent->len, &vmdk->disk.size) ||
	    vmdk->disk.size > VMDK_CAPACITY_MAX * VMDK_SECTOR)
		return error_set(err, TRANSHIP_ELIMIT,
				 "vmdk: extent %zu takes the disk past %" PRIu64 " sectors", number,
				 VMDK_CAPACITY_MAX);
	if (extent->kind == VMDK_EXTENT_ZERO || extent->no_access || params->report)
		return 0;
	rc = open_extent_file(vmdk, extent, line->name, cache_memory, params, &why);
	if (rc == 0)
		return 0;
	return vmdk->disk.salvage && is_loss(rc) ? lose_extent(vmdk, extent, &why, err)
						 : error_copy(err, &why, rc);
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
	rc = report_extents(vmdk, &d, err);
	if (rc == 0)
		rc = take_descriptor(vmdk, &d, err);
	if (rc == 0 && is_one_of(d.create_type, device_types))
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

/* What a descriptor would call an extent that begins so; NULL: it is none with a header. */
static const char *lone_kind(uint32_t magic)
{
	return magic == VMDK_MAGIC_SPARSE     ? "SPARSE"
	       : magic == VMDK_MAGIC_COWD     ? "VMFSSPARSE"
	       : magic == VMDK_MAGIC_SESPARSE ? "SESPARSE"
					      : NULL;
}

int vmdk_open_extents(struct vmdk_disk *vmdk, struct tranship_file *file,
		      const struct open_params *params, struct tranship_error *err)
{
	unsigned char head[512];
	size_t len = (size_t)min_u64(tranship_file_size(file), sizeof(head));
	const char *kind;
	int rc = tranship_file_read(file, 0, head, len, err);

	if (rc)
		return rc;
	kind = lone_kind(len >= 4 ? get_le32(head) : 0);
	if (kind) {
		report_kind(params->report, kind);
		return open_sparse_file(vmdk, file, params, err);
	}
	if (tranship_file_size(file) > VMDK_DESCRIPTOR_MAX)
		return not_vmdk(err);
	return open_descriptor_file(vmdk, file, params, err);
}
