// SPDX-License-Identifier: Apache-2.0
/*
 * VHDX: opening. [MS-VHDX]. Quirks that are taken on purpose:
 *   - Disk2vhd writes two headers with equal sequence numbers; the first counts then;
 *   - block state 5 is "unmapped" in drafts of the specification and in old files of qemu.
 */
#include "vhdx/vhdx_modify.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int vhdx_probe(const struct probe_input *in, bool *mine, struct tranship_error *err)
{
	(void)err;
	*mine = in->head_len >= 8 && memcmp(in->head, VHDX_SIGNATURE, 8) == 0;
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
	if (vhdx->log)
		property_number(sink, "log-entries", vhdx->log->entries);
}

/* What an open has made, but not the file. */
static void release(struct vhdx_disk *vhdx)
{
	table_cache_free(vhdx->cache);
	if (vhdx->log)
		tranship_file_close(vhdx->file); /* the view */
	vhdx_log_free(vhdx->log);
}

static void vhdx_close(struct tranship_disk *disk)
{
	struct vhdx_disk *vhdx = vhdx_of(disk);

	release(vhdx);
	tranship_file_close(vhdx->base);
	free(vhdx);
}

static const struct disk_ops vhdx_disk_ops = {
	.map = vhdx_map,
	.read = vhdx_read,
	.properties = vhdx_properties,
	.check = vhdx_check,
	.modify = &vhdx_modify_ops,
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
		vhdx->header_there[i] = memcmp(raw, "head", 4) == 0;
		vhdx->header_ok[i] = vhdx_header_decode(raw, force, &header[i], &why[i]) == 0;
	}
	if (!vhdx->header_ok[0] && !vhdx->header_ok[1])
		return error_copy(err, &why[0], why[0].code);
	i = !vhdx->header_ok[0] || (vhdx->header_ok[1] && header[1].sequence > header[0].sequence);
	vhdx->header = header[i];
	vhdx->current = i;
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

static int check_place(const char *name, const struct vhdx_region *place, uint64_t size,
		       struct tranship_error *err)
{
	if (place->length == 0 ||
	    (place->offset >= VHDX_MB && place->offset % VHDX_MB == 0 &&
	     place->length % VHDX_MB == 0 && range_ok(place->offset, place->length, size)))
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vhdx: the %s, %" PRIu64 " bytes at %" PRIu64
			 ", is not in whole MiB inside the file (%" PRIu64 " bytes)",
			 name, place->length, place->offset, size);
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
		int rc = check_place(names[i], &places[i], size, err);

		if (rc)
			return rc;
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

/* From here on everything is read as it is after the replay of the log. */
static int open_log(struct vhdx_disk *vhdx, struct tranship_file *file, struct tranship_error *err)
{
	const struct vhdx_region place = { vhdx->header.log_offset, vhdx->header.log_length };
	int rc = check_place("log", &place, tranship_file_size(file), err);

	vhdx->file = file;
	if (rc == 0)
		rc = vhdx_log_open(&vhdx->header, file, &vhdx->log, err);
	if (rc || !vhdx->log)
		return rc;
	rc = vhdx_log_view(vhdx->log, &vhdx->file, err);
	if (rc) {
		vhdx_log_free(vhdx->log);
		vhdx->log = NULL;
	}
	return rc;
}

static int read_metadata(struct vhdx_disk *vhdx, struct tranship_error *err)
{
	size_t len = (size_t)min_u64(vhdx->regions.metadata.length, VHDX_MB);
	unsigned char *raw = malloc(len);
	int rc;

	if (!raw)
		return error_nomem(err, len);
	rc = tranship_file_read(vhdx->file, vhdx->regions.metadata.offset, raw, len, err);
	if (rc == 0)
		rc = vhdx_metadata_decode(raw, len, &vhdx->metadata, err);
	if (rc == 0)
		rc = vhdx_parent_read(vhdx, raw, err);
	free(raw);
	return rc;
}

static int read_identifier(struct tranship_file *file, struct tranship_error *err)
{
	uint64_t size = tranship_file_size(file);
	unsigned char magic[8];
	int rc;

	if (size < VHDX_MB)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: %" PRIu64 " bytes are too few for its headers", size);
	rc = tranship_file_read(file, 0, magic, sizeof(magic), err);
	if (rc == 0 && memcmp(magic, VHDX_SIGNATURE, sizeof(magic)) != 0)
		rc = error_set(err, TRANSHIP_ECORRUPT, "vhdx: there is no file identifier");
	return rc;
}

static int check_bat(const struct vhdx_disk *vhdx, struct tranship_error *err)
{
	uint64_t need = vhdx_bat_entries(&vhdx->metadata) * 8;

	if (need <= vhdx->regions.bat.length)
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vhdx: the BAT of %" PRIu64 " bytes is too short, the disk needs %" PRIu64,
			 vhdx->regions.bat.length, need);
}

static void warn_of_damage(const struct vhdx_disk *vhdx, const struct open_params *params)
{
	if (vhdx_header_lost(vhdx))
		warn_send(params->warn, params->warn_ctx,
			  "vhdx: the %s header is damaged, the other one is used",
			  vhdx->header_ok[0] ? "second" : "first");
	if (!vhdx->regions_ok[0] || !vhdx->regions_ok[1])
		warn_send(params->warn, params->warn_ctx,
			  "vhdx: the %s region table is damaged, the other one is used",
			  vhdx->regions_ok[0] ? "second" : "first");
	if (vhdx->log)
		warn_send(params->warn, params->warn_ctx,
			  "vhdx: the disk was not closed cleanly: its log holds %" PRIu32
			  " entries that were not replayed; it is read as if they were",
			  vhdx->log->entries);
}

/* For probing: what is known before anything is refused. */
static void report(const struct vhdx_disk *vhdx, const struct open_params *params)
{
	report_kind(params->report, subformat(&vhdx->metadata));
	report_size(params->report, vhdx->metadata.disk_size);
	if (vhdx->metadata.has_parent)
		report_parent(params->report, NULL);
	if (vhdx->log)
		report_unclean(params->report);
}

static int open_all(struct vhdx_disk *vhdx, struct tranship_file *file,
		    const struct open_params *params, struct tranship_error *err)
{
	bool force = params->flags & TRANSHIP_OPEN_FORCE_CHECKSUM;
	int rc = read_identifier(file, err);

	if (rc == 0)
		rc = read_headers(vhdx, file, force, err);
	if (rc == 0)
		rc = open_log(vhdx, file, err);
	if (rc == 0)
		rc = read_regions(vhdx, vhdx->file, force, err);
	if (rc == 0)
		rc = check_places(vhdx, tranship_file_size(vhdx->file), err);
	if (rc == 0)
		rc = read_metadata(vhdx, err);
	if (rc == 0)
		report(vhdx, params);
	if (rc == 0)
		rc = check_bat(vhdx, err);
	if (rc)
		return rc;
	warn_of_damage(vhdx, params);
	vhdx->disk.size = vhdx->metadata.disk_size;
	vhdx->disk.sector_size = vhdx->metadata.logical_sector;
	vhdx->disk.cluster_size = vhdx->metadata.block_size;
	guid_text_le(&vhdx->header.data_write_guid, vhdx->disk.identity);
	return table_cache_new(vhdx->file, resolver_table_memory(params->resolver), &vhdx->cache,
			       err);
}

static int vhdx_open(struct tranship_file *file, const struct open_params *params,
		     struct tranship_disk **out, struct tranship_error *err)
{
	struct vhdx_disk *vhdx = calloc(1, sizeof(*vhdx));
	int rc;

	if (!vhdx)
		return error_nomem(err, sizeof(*vhdx));
	disk_init(&vhdx->disk, &vhdx_disk_ops, "vhdx");
	vhdx->disk.salvage = params->flags & TRANSHIP_OPEN_SALVAGE;
	rc = open_all(vhdx, file, params, err);
	if (rc == 0)
		rc = disk_add_file(&vhdx->disk, file, params->name, NULL, err);
	if (rc) {
		release(vhdx);
		disk_fini(&vhdx->disk);
		free(vhdx);
		return rc;
	}
	vhdx->base = file;
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
