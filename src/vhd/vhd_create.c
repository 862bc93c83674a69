// SPDX-License-Identifier: Apache-2.0
/*
 * Writing VHD. The creator is 'win ' (what Hyper-V writes), because every reader takes the current
 * size from such a file, and with 'vpc ' or 'qemu' some take the geometry, which is not the size
 * that was asked for.
 *
 * A dynamic disk's blocks are appended in order, each with all bits of its bitmap set; data begins
 * at a multiple of 4096 bytes, which disks with such sectors need. The BAT is written page by page
 * as the blocks pass.
 *
 * Over a base the disk is a differencing one: a bit is set for each sector that was put or zeroed.
 * The bitmap of the block at hand is kept in memory and written when the block is left; a block in
 * which everything is skipped is not allocated.
 */
#include "vhd/vhd.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DATA_ALIGN 4096U
#define BAT_PAGE 4096U
#define BAT_PAGE_ENTRIES (BAT_PAGE / 4)

struct vhd_writer {
	struct tranship_writer writer;
	struct tranship_file *file;
	struct vhd_footer footer;
	/* dynamic and differencing: */
	struct vhd_dynamic header;
	struct buffer locators; /* what stands at VHD_LOCATORS_AT */
	unsigned char *bitmap;  /* of the block at hand; NULL without a base: all bits are set */
	uint32_t block_size;
	uint32_t bitmap_size;
	uint64_t entries;
	uint64_t next;     /* offset behind the last block */
	uint64_t block;    /* the block at hand, UINT64_MAX: none */
	uint64_t data;     /* where its data begins */
	uint64_t bat_page; /* the page of the BAT at hand */
	unsigned char page[BAT_PAGE];
};

static struct vhd_writer *writer_of(struct tranship_writer *w)
{
	return (struct vhd_writer *)w;
}

static int write_footer(struct vhd_writer *w, uint64_t off, struct tranship_error *err)
{
	unsigned char raw[VHD_FOOTER_SIZE];

	vhd_footer_encode(&w->footer, raw);
	return file_write(w->file, off, raw, sizeof(raw), err);
}

static int fixed_put(struct tranship_writer *w, uint64_t off, uint64_t len, const void *stored,
		     size_t stored_len, struct tranship_error *err)
{
	(void)len;
	return file_write(writer_of(w)->file, off, stored, stored_len, err);
}

static int nothing_to_write(struct tranship_writer *w, uint64_t off, uint64_t len,
			    struct tranship_error *err)
{
	(void)w;
	(void)off;
	(void)len;
	(void)err;
	return 0;
}

static int fixed_finish(struct tranship_writer *w, struct tranship_error *err)
{
	/* What lies before it and was not written is a hole. */
	return write_footer(writer_of(w), w->size, err);
}

static uint64_t fixed_full_size(const struct tranship_writer *w)
{
	return w->size + VHD_FOOTER_SIZE;
}

static void vhd_writer_close(struct tranship_writer *writer)
{
	struct vhd_writer *w = writer_of(writer);

	buffer_free(&w->locators);
	free(w->bitmap);
	free(w);
}

static const struct writer_ops fixed_ops = {
	.put = fixed_put,
	.zero = nothing_to_write,
	.finish = fixed_finish,
	.full_size = fixed_full_size,
	.close = vhd_writer_close,
};

/* Writes BAT pages up to the one with `entry`; pages that are passed over have no block. */
static int reach_bat(struct vhd_writer *w, uint64_t entry, struct tranship_error *err)
{
	int rc = 0;

	while (rc == 0 && w->bat_page < entry / BAT_PAGE_ENTRIES) {
		uint64_t first = w->bat_page * BAT_PAGE_ENTRIES;
		size_t bytes = (size_t)min_u64(BAT_PAGE_ENTRIES,
					       round_up(w->entries, VHD_SECTOR / 4) - first) *
			       4;

		rc = file_write(w->file, w->header.table_offset + first * 4, w->page, bytes, err);
		memset(w->page, 0xFF, sizeof(w->page));
		w->bat_page++;
	}
	return rc;
}

/* Writes the bitmap of the block at hand. */
static int leave_block(struct vhd_writer *w, struct tranship_error *err)
{
	if (!w->bitmap || w->block == UINT64_MAX)
		return 0;
	return file_write(w->file, w->data - w->bitmap_size, w->bitmap, w->bitmap_size, err);
}

static int write_full_bitmap(struct vhd_writer *w, uint64_t at, struct tranship_error *err)
{
	unsigned char bits[4096];
	uint32_t left;
	int rc = 0;

	memset(bits, 0xFF, sizeof(bits));
	for (left = w->bitmap_size; left > 0 && rc == 0;
	     left -= (uint32_t)min_u64(left, sizeof(bits)))
		rc = file_write(w->file, at + w->bitmap_size - left, bits,
				(size_t)min_u64(left, sizeof(bits)), err);
	return rc;
}

/* Makes `block` the block at hand: it is allocated behind the one before. */
static int reach_block(struct vhd_writer *w, uint64_t block, struct tranship_error *err)
{
	uint64_t at = round_up(w->next + w->bitmap_size, DATA_ALIGN) - w->bitmap_size;
	uint32_t sector;
	int rc;

	if (block == w->block)
		return 0;
	rc = leave_block(w, err);
	if (rc == 0)
		rc = reach_bat(w, block, err);
	if (rc == 0 && !narrow32_ok(at / VHD_SECTOR, &sector))
		rc = error_set(err, TRANSHIP_ELIMIT,
			       "vhd: a file ends at 2 TiB, its BAT cannot name sector %" PRIu64,
			       at / VHD_SECTOR);
	if (rc)
		return rc;
	if (w->bitmap)
		memset(w->bitmap, 0, w->bitmap_size);
	else
		rc = write_full_bitmap(w, at, err);
	put_be32(w->page + 4 * (block % BAT_PAGE_ENTRIES), sector);
	w->block = block;
	w->data = at + w->bitmap_size;
	w->next = w->data + w->block_size;
	return rc;
}

/* The sectors of [within, within + len) of the block at hand are the disk's own. */
static void own_sectors(struct vhd_writer *w, uint64_t within, uint64_t len)
{
	uint64_t i;

	for (i = within / VHD_SECTOR; w->bitmap && i < div_up(within + len, VHD_SECTOR); i++)
		w->bitmap[i / 8] |= (unsigned char)(0x80 >> i % 8);
}

static int dynamic_put(struct tranship_writer *writer, uint64_t off, uint64_t len,
		       const void *stored, size_t stored_len, struct tranship_error *err)
{
	struct vhd_writer *w = writer_of(writer);
	const unsigned char *from = stored;
	int rc = 0;

	(void)len;
	while (stored_len > 0 && rc == 0) {
		uint64_t block = off / w->block_size, within = off % w->block_size;
		size_t n = (size_t)min_u64(stored_len, w->block_size - within);

		rc = reach_block(w, block, err);
		if (rc == 0)
			rc = file_write(w->file, w->data + within, from, n, err);
		if (rc == 0)
			own_sectors(w, within, n);
		off += n;
		from += n;
		stored_len -= n;
	}
	return rc;
}

/* Zeros over a base hide what it has: the sectors are the disk's own, their data is a hole. */
static int child_zero(struct tranship_writer *writer, uint64_t off, uint64_t len,
		      struct tranship_error *err)
{
	struct vhd_writer *w = writer_of(writer);
	int rc = 0;

	while (len > 0 && rc == 0) {
		uint64_t within = off % w->block_size, n = min_u64(len, w->block_size - within);

		rc = reach_block(w, off / w->block_size, err);
		if (rc == 0)
			own_sectors(w, within, n);
		off += n;
		len -= n;
	}
	return rc;
}

static int dynamic_finish(struct tranship_writer *writer, struct tranship_error *err)
{
	struct vhd_writer *w = writer_of(writer);
	unsigned char raw[VHD_DYNAMIC_SIZE];
	int rc = leave_block(w, err);

	if (rc == 0)
		rc = reach_bat(w, round_up(w->entries, BAT_PAGE_ENTRIES), err);
	vhd_dynamic_encode(&w->header, raw);
	if (rc == 0)
		rc = file_write(w->file, VHD_FOOTER_SIZE, raw, sizeof(raw), err);
	if (rc == 0 && w->locators.len > 0)
		rc = file_write(w->file, VHD_LOCATORS_AT, w->locators.bytes, w->locators.len, err);
	if (rc == 0)
		rc = write_footer(w, w->next, err);
	return rc ? rc : write_footer(w, 0, err);
}

static uint64_t dynamic_start(const struct vhd_writer *w)
{
	return w->header.table_offset + round_up(w->entries * 4, VHD_SECTOR);
}

static uint64_t dynamic_full_size(const struct tranship_writer *writer)
{
	const struct vhd_writer *w = (const struct vhd_writer *)writer;
	uint64_t stride = round_up((uint64_t)w->block_size + w->bitmap_size, DATA_ALIGN);

	return round_up(dynamic_start(w), DATA_ALIGN) + w->entries * stride + VHD_FOOTER_SIZE;
}

static const struct writer_ops dynamic_ops = {
	.put = dynamic_put,
	.zero = nothing_to_write,
	.finish = dynamic_finish,
	.full_size = dynamic_full_size,
	.close = vhd_writer_close,
};

static const struct writer_ops child_ops = {
	.put = dynamic_put,
	.zero = child_zero, /* what is skipped needs nothing */
	.finish = dynamic_finish,
	.full_size = dynamic_full_size,
	.close = vhd_writer_close,
};

const struct tranship_option_info vhd_create_options[] = {
	{ "subformat", "dynamic|fixed",
	  "which kind of VHD (default: dynamic); over a base it is a differencing one" },
	{ "block_size", "size", "of a dynamic disk: a power of two, 512k to 256M (default: 2M)" },
	{ "force_size", "bool", "taken for qemu-img's sake: the size is always exact" },
	{ 0 },
};

static int new_writer(const struct create_params *params, uint64_t size, bool fixed,
		      struct vhd_writer **out, struct tranship_error *err)
{
	struct vhd_writer *w;
	int rc;

	if (size > VHD_SIZE_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "vhd: a disk of %" PRIu64
				 " bytes is too large, VHD ends at 2040 GiB; vhdx goes to 64 TiB",
				 size);
	if (output_is_in_place(params->output))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vhd: it cannot be written in place or to a device");
	if (output_is_stream(params->output) && !fixed)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vhd: only subformat fixed can go to a pipe");
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_nomem(err, sizeof(*w));
	w->file = output_main(params->output);
	w->footer = (struct vhd_footer){ .data_offset = fixed ? UINT64_MAX : VHD_FOOTER_SIZE,
					 .timestamp = (uint32_t)(max_u64(params->time, VHD_EPOCH) -
								 VHD_EPOCH),
					 .creator = { 'w', 'i', 'n', ' ' },
					 .creator_version = 0x000A0000,
					 .creator_os = { 'W', 'i', '2', 'k' },
					 .original_size = size,
					 .current_size = size,
					 .type = fixed ? VHD_FIXED : VHD_DYNAMIC };
	vhd_geometry_for(size, &w->footer);
	writer_init(&w->writer, fixed ? &fixed_ops : &dynamic_ops, size, VHD_SECTOR);
	rc = idgen_guid_be(params->ids, &w->footer.id, err);
	if (rc) {
		free(w);
		return rc;
	}
	*out = w;
	return 0;
}

int vhd_create_azure(const struct create_params *params, struct tranship_writer **out,
		     struct tranship_error *err)
{
	struct vhd_writer *w;
	int rc = new_writer(params, round_up(params->size, 1U << 20), true, &w, err);

	if (rc == 0)
		*out = &w->writer;
	return rc;
}

/* Makes a dynamic disk a differencing one. */
static int lay_over_base(struct vhd_writer *w, const struct base_info *base,
			 struct tranship_error *err)
{
	w->footer.type = VHD_DIFFERENCING;
	w->writer.ops = &child_ops;
	w->writer.has_base = true;
	w->bitmap = malloc(w->bitmap_size);
	if (!w->bitmap)
		return error_nomem(err, w->bitmap_size);
	return vhd_parent_describe(base, &w->header, &w->locators, err);
}

int vhd_create(const struct create_params *params, struct tranship_writer **out,
	       struct tranship_error *err)
{
	bool fixed = strcmp(options_text(params->options, "subformat", "dynamic"), "fixed") == 0;
	uint64_t block = options_size(params->options, "block_size", VHD_BLOCK_DEFAULT);
	struct vhd_writer *w;
	int rc;

	if (fixed && params->base)
		return error_set(err, TRANSHIP_EINVAL, "vhd: a fixed disk has no base");
	if (!is_pow2(block) || block < 512U << 10 || block > VHD_BLOCK_MAX)
		return error_set(err, TRANSHIP_EINVAL,
				 "vhd: block_size %" PRIu64
				 "; a power of two from 512k to 256M is taken",
				 block);
	rc = new_writer(params, round_up(params->size, VHD_SECTOR), fixed, &w, err);
	if (rc)
		return rc;
	w->block_size = (uint32_t)block;
	w->bitmap_size = vhd_bitmap_size(w->block_size);
	w->entries = div_up(w->writer.size, block);
	w->block = UINT64_MAX;
	if (params->base)
		rc = lay_over_base(w, params->base, err);
	if (rc) {
		vhd_writer_close(&w->writer);
		return rc;
	}
	w->header.table_offset = VHD_LOCATORS_AT + w->locators.len;
	w->header.max_entries = (uint32_t)w->entries;
	w->header.block_size = w->block_size;
	w->next = dynamic_start(w);
	memset(w->page, 0xFF, sizeof(w->page));
	*out = &w->writer;
	return 0;
}
