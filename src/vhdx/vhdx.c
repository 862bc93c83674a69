// SPDX-License-Identifier: Apache-2.0
/*
 * VHDX: opening and reading. [MS-VHDX]. Quirks that are taken on purpose:
 *   - Disk2vhd writes two headers with equal sequence numbers; the first counts then;
 *   - block state 5 is "unmapped" in drafts of the specification and in old files of qemu.
 */
#include "vhdx/vhdx.h"

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

static int vhdx_probe(const struct probe_input *in, bool *mine, struct tranship_error *err)
{
	(void)err;
	*mine = in->head_len >= 8 && memcmp(in->head, VHDX_SIGNATURE, 8) == 0;
	return 0;
}

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

/* What a block's state means where no parent is. */
static int block_kind(uint64_t index, uint64_t entry, enum tranship_extent_kind *kind,
		      struct tranship_error *err)
{
	switch (vhdx_entry_state(entry)) {
	case VHDX_BLOCK_NOT_PRESENT: *kind = TRANSHIP_ABSENT; return 0;
	case VHDX_BLOCK_UNDEFINED:
	case VHDX_BLOCK_ZERO:
	case VHDX_BLOCK_UNMAPPED:
	case VHDX_BLOCK_UNMAPPED_095: *kind = TRANSHIP_ZERO; return 0;
	case VHDX_BLOCK_FULLY_PRESENT: *kind = TRANSHIP_DATA; return 0;
	default:
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: block %" PRIu64
				 " has state %u, which a disk without a parent cannot have",
				 index, vhdx_entry_state(entry));
	}
}

static int check_block(const struct vhdx_disk *vhdx, uint64_t index, uint64_t entry,
		       struct tranship_error *err)
{
	uint64_t len = min_u64(vhdx->metadata.block_size,
			       vhdx->disk.size - index * vhdx->metadata.block_size);
	uint64_t size = tranship_file_size(vhdx->file);

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
	int rc = block_kind(index, entry, kind, err);

	return rc == 0 && *kind == TRANSHIP_DATA ? check_block(vhdx, index, entry, err) : rc;
}

/* How many of the entries continue the extent, whose data stands at `expect` next. A damaged one
 * ends it. */
static size_t continues(struct vhdx_disk *vhdx, uint64_t index, const uint64_t *entries,
			size_t count, enum tranship_extent_kind extent, uint64_t *expect)
{
	size_t n;

	for (n = 0; n < count; n++) {
		enum tranship_extent_kind kind;

		if (classify(vhdx, index + n, entries[n], &kind, NULL) || kind != extent ||
		    (kind == TRANSHIP_DATA && vhdx_entry_offset(entries[n]) != *expect))
			break;
		*expect += vhdx->metadata.block_size;
	}
	return n;
}

static int vhdx_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		    struct tranship_error *err)
{
	struct vhdx_disk *vhdx = vhdx_of(disk);
	uint64_t block = vhdx->metadata.block_size, first = off / block, at = first;
	uint64_t blocks = vhdx_blocks(&vhdx->metadata), expect = 0;
	uint64_t entries[ENTRIES_AT_ONCE];

	while (at < blocks && at - first < MAP_BLOCKS_MAX) {
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
			expect = vhdx_entry_offset(entries[0]);
			if (out->kind == TRANSHIP_DATA)
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

static int vhdx_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf, size_t len,
		     struct tranship_error *err)
{
	unsigned char *to = buf;

	(void)scratch;
	while (len > 0) {
		struct tranship_extent extent = { .off = off };
		int rc = vhdx_map(disk, off, &extent, err);
		size_t n;

		if (rc)
			return rc;
		n = (size_t)min_u64(len, extent.len);
		if (extent.kind == TRANSHIP_DATA)
			rc = tranship_file_read(vhdx_of(disk)->file, extent.file_off, to, n, err);
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

static const char *subformat(const struct vhdx_metadata *m)
{
	return m->has_parent ? "differencing" : m->leave_blocks_allocated ? "fixed" : "dynamic";
}

static void vhdx_properties(struct tranship_disk *disk, struct property_sink *sink)
{
	const struct vhdx_disk *vhdx = vhdx_of(disk);
	char text[GUID_TEXT_SIZE];

	property_text(sink, "subformat", subformat(&vhdx->metadata));
	property_number(sink, "logical-sector-size", vhdx->metadata.logical_sector);
	property_number(sink, "physical-sector-size", vhdx->metadata.physical_sector);
	guid_text_le(&vhdx->metadata.disk_id, text);
	property_text(sink, "virtual-disk-id", text);
	guid_text_le(&vhdx->header.data_write_guid, text);
	property_text(sink, "data-write-guid", text);
	property_number(sink, "log-size", vhdx->header.log_length);
}

static void vhdx_close(struct tranship_disk *disk)
{
	struct vhdx_disk *vhdx = vhdx_of(disk);

	table_cache_free(vhdx->cache);
	tranship_file_close(vhdx->file);
	free(vhdx);
}

static const struct disk_ops vhdx_disk_ops = {
	.map = vhdx_map,
	.read = vhdx_read,
	.properties = vhdx_properties,
	.check = vhdx_check,
	.close = vhdx_close,
};

/* 2.2.2: of the headers that are valid, the one with the greater sequence number is current. */
static int read_headers(struct vhdx_disk *vhdx, struct tranship_file *file, bool force,
			struct tranship_error *err)
{
	static const uint32_t places[2] = { VHDX_HEADER_1, VHDX_HEADER_2 };
	unsigned char raw[VHDX_HEADER_SIZE];
	struct vhdx_header header[2];
	struct tranship_error why[2];
	int i, rc;

	for (i = 0; i < 2; i++) {
		rc = tranship_file_read(file, places[i], raw, sizeof(raw), err);
		if (rc)
			return rc;
		vhdx->header_ok[i] = vhdx_header_decode(raw, force, &header[i], &why[i]) == 0;
	}
	if (!vhdx->header_ok[0] && !vhdx->header_ok[1])
		return error_copy(err, &why[0], why[0].code);
	i = !vhdx->header_ok[0] || (vhdx->header_ok[1] && header[1].sequence > header[0].sequence);
	vhdx->header = header[i];
	return 0;
}

static int read_regions(struct vhdx_disk *vhdx, struct tranship_file *file, bool force,
			struct tranship_error *err)
{
	static const uint32_t places[2] = { VHDX_REGION_TABLE_1, VHDX_REGION_TABLE_2 };
	struct tranship_error why[2];
	struct vhdx_regions regions;
	unsigned char *raw = malloc(VHDX_TABLE_SIZE);
	int i, rc = raw ? 0 : error_nomem(err, VHDX_TABLE_SIZE);

	for (i = 1; i >= 0 && rc == 0; i--) {
		rc = tranship_file_read(file, places[i], raw, VHDX_TABLE_SIZE, err);
		if (rc)
			break;
		vhdx->regions_ok[i] = vhdx_regions_decode(raw, force, &regions, &why[i]) == 0;
		if (vhdx->regions_ok[i])
			vhdx->regions = regions; /* the first one comes last, and wins */
	}
	if (rc == 0 && !vhdx->regions_ok[0] && !vhdx->regions_ok[1])
		rc = error_copy(err, &why[0], why[0].code);
	free(raw);
	return rc;
}

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a_len > 0 && b_len > 0 && a < b + b_len && b < a + a_len;
}

/* Log, BAT and metadata lie in the file, behind the first MiB, apart from each other. */
static int check_places(const struct vhdx_disk *vhdx, uint64_t size, struct tranship_error *err)
{
	const struct vhdx_region places[3] = { vhdx->regions.bat,
					       vhdx->regions.metadata,
					       { vhdx->header.log_offset,
						 vhdx->header.log_length } };
	static const char *const names[3] = { "BAT", "metadata region", "log" };
	int i, j;

	for (i = 0; i < 3; i++) {
		if (places[i].length > 0 &&
		    (places[i].offset < VHDX_MB || places[i].offset % VHDX_MB ||
		     places[i].length % VHDX_MB ||
		     !range_ok(places[i].offset, places[i].length, size)))
			return error_set(err, TRANSHIP_ECORRUPT,
					 "vhdx: the %s, %" PRIu64 " bytes at %" PRIu64
					 ", is not in whole MiB inside the file (%" PRIu64
					 " bytes)",
					 names[i], places[i].length, places[i].offset, size);
		for (j = 0; j < i; j++)
			if (overlap(places[i].offset, places[i].length, places[j].offset,
				    places[j].length))
				return error_set(
					err, TRANSHIP_ECORRUPT,
					"vhdx: the %s at %" PRIu64 " overlaps the %s at %" PRIu64,
					names[i], places[i].offset, names[j], places[j].offset);
	}
	return 0;
}

static int read_metadata(struct vhdx_disk *vhdx, struct tranship_file *file,
			 struct tranship_error *err)
{
	size_t len = (size_t)min_u64(vhdx->regions.metadata.length, VHDX_MB);
	unsigned char *raw = malloc(len);
	int rc;

	if (!raw)
		return error_nomem(err, len);
	rc = tranship_file_read(file, vhdx->regions.metadata.offset, raw, len, err);
	if (rc == 0)
		rc = vhdx_metadata_decode(raw, len, &vhdx->metadata, err);
	free(raw);
	return rc;
}

static int check_log(struct vhdx_disk *vhdx, struct tranship_file *file,
		     const struct open_params *params, struct tranship_error *err)
{
	bool dirty;
	int rc = vhdx_log_dirty(vhdx, file, &dirty, err);

	if (rc || !dirty)
		return rc;
	report_unclean(params->report);
	return error_set(err, TRANSHIP_EUNSUPPORTED,
			 "vhdx: the log has entries that were not replayed (the disk was "
			 "not closed cleanly); "
			 "without them its content is wrong");
}

static int open_all(struct vhdx_disk *vhdx, struct tranship_file *file,
		    const struct open_params *params, struct tranship_error *err)
{
	bool force = params->flags & TRANSHIP_OPEN_FORCE_CHECKSUM;
	uint64_t size = tranship_file_size(file), need;
	unsigned char magic[8];
	int rc;

	if (size < VHDX_MB)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: %" PRIu64 " bytes are too few for its headers", size);
	rc = tranship_file_read(file, 0, magic, sizeof(magic), err);
	if (rc == 0 && memcmp(magic, VHDX_SIGNATURE, sizeof(magic)) != 0)
		rc = error_set(err, TRANSHIP_ECORRUPT, "vhdx: there is no file identifier");
	if (rc == 0)
		rc = read_headers(vhdx, file, force, err);
	if (rc == 0)
		rc = read_regions(vhdx, file, force, err);
	if (rc == 0)
		rc = check_places(vhdx, size, err);
	if (rc == 0)
		rc = check_log(vhdx, file, params, err);
	if (rc == 0)
		rc = read_metadata(vhdx, file, err);
	if (rc)
		return rc;
	report_kind(params->report, subformat(&vhdx->metadata));
	report_size(params->report, vhdx->metadata.disk_size);
	if (vhdx->metadata.has_parent) {
		report_parent(params->report, NULL);
		return error_set(
			err, TRANSHIP_EUNSUPPORTED,
			"vhdx: a differencing disk, which needs its parent; these are not read");
	}
	need = vhdx_bat_entries(&vhdx->metadata) * 8;
	if (need > vhdx->regions.bat.length)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: the BAT of %" PRIu64
				 " bytes is too short, the disk needs %" PRIu64,
				 vhdx->regions.bat.length, need);
	if (!vhdx->regions_ok[0] || !vhdx->regions_ok[1])
		warn_send(params->warn, params->warn_ctx,
			  "vhdx: the %s region table is damaged, the other one is used",
			  vhdx->regions_ok[0] ? "second" : "first");
	vhdx->disk.size = vhdx->metadata.disk_size;
	vhdx->disk.sector_size = vhdx->metadata.logical_sector;
	vhdx->disk.cluster_size = vhdx->metadata.block_size;
	return table_cache_new(file, resolver_table_memory(params->resolver), &vhdx->cache, err);
}

static int vhdx_open(struct tranship_file *file, const struct open_params *params,
		     struct tranship_disk **out, struct tranship_error *err)
{
	struct vhdx_disk *vhdx = calloc(1, sizeof(*vhdx));
	int rc;

	if (!vhdx)
		return error_nomem(err, sizeof(*vhdx));
	disk_init(&vhdx->disk, &vhdx_disk_ops, "vhdx");
	rc = open_all(vhdx, file, params, err);
	if (rc == 0)
		rc = disk_add_file(&vhdx->disk, file, params->name, NULL, err);
	if (rc) {
		table_cache_free(vhdx->cache);
		disk_fini(&vhdx->disk);
		free(vhdx);
		return rc;
	}
	vhdx->file = file;
	*out = &vhdx->disk;
	return 0;
}

static const struct tranship_option_info vhdx_open_options[] = { { 0 } };

const struct format vhdx_format = {
	.name = "vhdx",
	.probe = vhdx_probe,
	.open = vhdx_open,
	.create = vhdx_create,
	.open_options = vhdx_open_options,
	.create_options = vhdx_create_options,
};
