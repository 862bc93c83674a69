// SPDX-License-Identifier: Apache-2.0
/*
 * Writing VHDX ([MS-VHDX] 2.2 to 2.6). Headers, log, metadata and BAT take the first MiBs, blocks
 * are appended in the order of the disk. The BAT is written page by page as the blocks pass; its
 * pages without a block stay holes, which say NOT_PRESENT, the state of a new disk's blocks. Over a
 * base the blocks are those of vhdx_write_child.c.
 */
#include "vhdx/vhdx_write.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "version.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LOG_DEFAULT (1U << 20)
#define LOG_MAX (64U << 20)
#define METADATA_SIZE (1U << 20)
#define CHILD_BLOCK (2U << 20) /* what Hyper-V gives a differencing disk */

static int write_bat_page(struct vhdx_writer *w, struct tranship_error *err)
{
	int rc = 0;

	if (w->page_used)
		rc = file_write(w->file, w->regions.bat.offset + w->bat_page * VHDX_BAT_PAGE,
				w->page, sizeof(w->page), err);
	memset(w->page, 0, sizeof(w->page));
	w->page_used = false;
	return rc;
}

int vhdx_put_entry(struct vhdx_writer *w, uint64_t number, uint64_t entry,
		   struct tranship_error *err)
{
	int rc = 0;

	if (number / VHDX_BAT_PAGE_ENTRIES != w->bat_page) {
		rc = write_bat_page(w, err);
		w->bat_page = number / VHDX_BAT_PAGE_ENTRIES;
	}
	put_le64(w->page + 8 * (number % VHDX_BAT_PAGE_ENTRIES), entry);
	w->page_used = true;
	return rc;
}

static int begin_block(struct vhdx_writer *w, uint64_t block, struct tranship_error *err)
{
	w->block = block;
	w->data = w->next;
	w->next += w->metadata.block_size;
	return vhdx_put_entry(w, block + block / w->ratio, w->data | VHDX_BLOCK_FULLY_PRESENT, err);
}

static int vhdx_put(struct tranship_writer *writer, uint64_t off, uint64_t len, const void *stored,
		    size_t stored_len, struct tranship_error *err)
{
	struct vhdx_writer *w = vhdx_writer_of(writer);
	const unsigned char *from = stored;
	int rc = 0;

	(void)len;
	while (stored_len > 0 && rc == 0) {
		uint64_t block = off / w->metadata.block_size,
			 within = off % w->metadata.block_size;
		size_t n = (size_t)min_u64(stored_len, w->metadata.block_size - within);

		if (block != w->block)
			rc = begin_block(w, block, err);
		if (rc == 0)
			rc = file_write(w->file, w->data + within, from, n, err);
		off += n;
		from += n;
		stored_len -= n;
	}
	return rc;
}

/* Zeros inside a block that is there are a hole of the file; a fixed disk has all its blocks. */
static int vhdx_zero(struct tranship_writer *writer, uint64_t off, uint64_t len,
		     struct tranship_error *err)
{
	struct vhdx_writer *w = vhdx_writer_of(writer);
	uint64_t block, last = (off + len - 1) / w->metadata.block_size;
	int rc = 0;

	if (!w->metadata.leave_blocks_allocated)
		return 0;
	for (block = off / w->metadata.block_size; block <= last && rc == 0; block++)
		if (block != w->block)
			rc = begin_block(w, block, err);
	return rc;
}

static int write_headers(struct vhdx_writer *w, struct tranship_error *err)
{
	unsigned char raw[VHDX_HEADER_SIZE];
	int rc;

	w->header.sequence = 1;
	vhdx_header_encode(&w->header, raw);
	rc = file_write(w->file, VHDX_HEADER_1, raw, sizeof(raw), err);
	w->header.sequence = 2;
	vhdx_header_encode(&w->header, raw);
	return rc ? rc : file_write(w->file, VHDX_HEADER_2, raw, sizeof(raw), err);
}

static int write_tables(struct vhdx_writer *w, struct tranship_error *err)
{
	unsigned char *raw = calloc(1, VHDX_METADATA_ENCODED);
	int rc;

	if (!raw)
		return error_nomem(err, VHDX_METADATA_ENCODED);
	vhdx_metadata_encode(&w->metadata, raw);
	rc = file_write(w->file, w->regions.metadata.offset, raw, VHDX_METADATA_ENCODED, err);
	if (rc == 0)
		rc = file_write(w->file, w->regions.metadata.offset + w->metadata.locator_offset,
				w->child.locator.bytes, w->child.locator.len, err);
	vhdx_regions_encode(&w->regions, raw);
	if (rc == 0)
		rc = file_write(w->file, VHDX_REGION_TABLE_1, raw, VHDX_TABLE_SIZE, err);
	if (rc == 0)
		rc = file_write(w->file, VHDX_REGION_TABLE_2, raw, VHDX_TABLE_SIZE, err);
	free(raw);
	return rc;
}

/* 2.2.1: the signature and, for people, who made it. */
static int write_identifier(struct vhdx_writer *w, struct tranship_error *err)
{
	unsigned char raw[8 + 512];

	memcpy(raw, VHDX_SIGNATURE, 8);
	text_to_utf16le(raw + 8, 256, "tranship " TRANSHIP_VERSION);
	return file_write(w->file, 0, raw, sizeof(raw), err);
}

static int vhdx_finish(struct tranship_writer *writer, struct tranship_error *err)
{
	struct vhdx_writer *w = vhdx_writer_of(writer);
	int rc = w->writer.has_base ? vhdx_child_end(w, err) : 0;

	if (rc == 0)
		rc = write_bat_page(w, err);
	if (rc == 0)
		rc = file_resize(w->file, w->next, err);
	if (rc == 0)
		rc = write_tables(w, err);
	if (rc == 0)
		rc = write_headers(w, err);
	return rc ? rc : write_identifier(w, err);
}

static uint64_t vhdx_full_size(const struct tranship_writer *writer)
{
	const struct vhdx_writer *w = (const struct vhdx_writer *)writer;
	uint64_t blocks = vhdx_blocks(&w->metadata);

	return w->start + blocks * w->metadata.block_size +
	       (w->writer.has_base ? div_up(blocks, w->ratio) * VHDX_BITMAP_SIZE : 0);
}

static void vhdx_writer_close(struct tranship_writer *writer)
{
	struct vhdx_writer *w = vhdx_writer_of(writer);

	buffer_free(&w->child.locator);
	free(w->child.bits);
	free(w);
}

static const struct writer_ops vhdx_ops = {
	.put = vhdx_put,
	.zero = vhdx_zero,
	.finish = vhdx_finish,
	.full_size = vhdx_full_size,
	.close = vhdx_writer_close,
};

static const struct writer_ops child_ops = {
	.put = vhdx_child_put,
	.zero = vhdx_child_zero, /* what is skipped needs nothing */
	.finish = vhdx_finish,
	.full_size = vhdx_full_size,
	.close = vhdx_writer_close,
};

const struct tranship_option_info vhdx_create_options[] = {
	{ "subformat", "dynamic|fixed",
	  "which kind of VHDX (default: dynamic); over a base it is a differencing one" },
	{ "block_size", "size",
	  "a power of two, 1M to 256M; 0: by the size of the disk, 2M over a base (default)" },
	{ "log_size", "size", "of the log, whole MiB (default: 1M)" },
	{ "logical_sector_size", "512|4096", "bytes (default: the source's, else 512)" },
	{ 0 },
};

/* Large blocks keep the BAT of a large disk small, small ones keep a small image small. */
static uint64_t block_size_for(uint64_t size)
{
	const uint64_t gib = (uint64_t)1 << 30;

	return (size > 32768 * gib ? 64 : size > 100 * gib ? 32 : size > gib ? 16 : 8) * VHDX_MB;
}

static int check_options(const struct create_params *params, uint64_t block, uint64_t log,
			 struct tranship_error *err)
{
	if (params->size > VHDX_SIZE_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "vhdx: a disk of %" PRIu64
				 " bytes is too large, VHDX ends at 64 TiB",
				 params->size);
	if (!is_pow2(block) || block < VHDX_BLOCK_MIN || block > VHDX_BLOCK_MAX)
		return error_set(err, TRANSHIP_EINVAL,
				 "vhdx: block_size %" PRIu64
				 "; a power of two from 1M to 256M is taken",
				 block);
	if (log < VHDX_MB || log % VHDX_MB || log > LOG_MAX)
		return error_set(err, TRANSHIP_EINVAL,
				 "vhdx: log_size %" PRIu64 "; whole MiB from 1M to 64M are taken",
				 log);
	if (output_is_in_place(params->output) || output_is_stream(params->output))
		return error_set(
			err, TRANSHIP_EUNSUPPORTED,
			"vhdx: it cannot go to a pipe or a device, or be written in place");
	return 0;
}

/* First the headers, then log, metadata, BAT, blocks. */
static void lay_out(struct vhdx_writer *w, uint64_t log)
{
	w->header.log_offset = VHDX_MB;
	w->header.log_length = (uint32_t)log;
	w->regions.metadata = (struct vhdx_region){ VHDX_MB + log, METADATA_SIZE };
	w->regions.bat.offset = w->regions.metadata.offset + METADATA_SIZE;
	w->regions.bat.length = round_up(max_u64(vhdx_bat_entries(&w->metadata) * 8, 1), VHDX_MB);
	w->start = w->regions.bat.offset + w->regions.bat.length;
	w->next = w->start;
}

/* That of the base, where there is one: bits and addresses are in its sectors. */
static int sector_size_for(const struct create_params *params, uint32_t *out,
			   struct tranship_error *err)
{
	const char *asked = options_text(params->options, "logical_sector_size", NULL);

	*out = asked ? (strcmp(asked, "4096") == 0 ? 4096 : 512)
		     : (params->sector_size == 4096 ? 4096 : 512);
	if (!params->base)
		return 0;
	if (asked && *out != params->base->sector_size)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "vhdx: logical_sector_size %" PRIu32
				 " over a base whose sectors have %" PRIu32 " bytes",
				 *out, params->base->sector_size);
	*out = params->base->sector_size;
	if (*out == 512 || *out == 4096)
		return 0;
	return error_set(err, TRANSHIP_EMISMATCH,
			 "vhdx: the parent's sectors have %" PRIu32 " bytes; VHDX has 512 or 4096",
			 *out);
}

static int fill_in(struct vhdx_writer *w, const struct create_params *params, uint64_t log,
		   struct tranship_error *err)
{
	int rc = params->base ? vhdx_child_begin(w, params->base, err) : 0;

	w->metadata.locator_length = (uint32_t)w->child.locator.len;
	lay_out(w, log);
	if (rc == 0)
		rc = idgen_guid_le(params->ids, &w->header.file_write_guid, err);
	if (rc == 0)
		rc = idgen_guid_le(params->ids, &w->header.data_write_guid, err);
	return rc ? rc : idgen_guid_le(params->ids, &w->metadata.disk_id, err);
}

int vhdx_create(const struct create_params *params, struct tranship_writer **out,
		struct tranship_error *err)
{
	bool fixed = strcmp(options_text(params->options, "subformat", "dynamic"), "fixed") == 0;
	uint64_t log = options_size(params->options, "log_size", LOG_DEFAULT), block, size;
	struct vhdx_writer *w;
	uint32_t sector;
	int rc = sector_size_for(params, &sector, err);

	if (rc == 0 && fixed && params->base)
		rc = error_set(err, TRANSHIP_EINVAL, "vhdx: a fixed disk has no base");
	if (rc)
		return rc;
	size = round_up(params->size, sector);
	block = options_size(params->options, "block_size", 0);
	if (block == 0)
		block = params->base ? CHILD_BLOCK : block_size_for(size);
	rc = check_options(params, block, log, err);
	if (rc)
		return rc;
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_nomem(err, sizeof(*w));
	writer_init(&w->writer, params->base ? &child_ops : &vhdx_ops, size, sector);
	w->writer.sector_size = sector;
	w->file = output_main(params->output);
	w->header.version = 1;
	w->metadata = (struct vhdx_metadata){ .block_size = (uint32_t)block,
					      .leave_blocks_allocated = fixed,
					      .disk_size = size,
					      .logical_sector = sector,
					      .physical_sector = 4096 };
	w->ratio = vhdx_chunk_ratio(&w->metadata);
	w->block = UINT64_MAX;
	rc = fill_in(w, params, log, err);
	if (rc) {
		vhdx_writer_close(&w->writer);
		return rc;
	}
	*out = &w->writer;
	return 0;
}
