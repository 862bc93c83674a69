// SPDX-License-Identifier: Apache-2.0
/*
 * COWD: header, directory, then each table in front of its first grain. seSparse: headers, journal,
 * directory, a table for each entry of it, bitmap and backmap (which nothing reads), grains.
 */
#include "image_vmfs.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/zero.h"
#include "vmdk/vmdk_ondisk.h"

#include <stdio.h>
#include <string.h>

#define COWD_GT_SECTORS (VMDK_COWD_GTES_PER_GT * 4 / VMDK_SECTOR)

struct image_cowd image_cowd_defaults(void)
{
	return (struct image_cowd){ .grain_sectors = 1 };
}

struct image_sesparse image_sesparse_defaults(void)
{
	return (struct image_sesparse){ .hole = VMDK_SESPARSE_ABSENT };
}

/* Zeros up to `len`, of which all callers know that it is small. */
static int extend(struct buffer *out, size_t len)
{
	size_t more = len > out->len ? len - out->len : 0;

	if (buffer_reserve(out, more, NULL))
		return -1;
	memset(out->bytes + out->len, 0, more);
	out->len += more;
	return 0;
}

/* Puts grain `index` at `at`; what the disk does not have of it is zeros. */
static int put_grain(struct buffer *out, size_t at, const unsigned char *content, size_t size,
		     uint64_t index, size_t grain_size)
{
	size_t off = (size_t)index * grain_size, have = (size_t)min_u64(grain_size, size - off);

	if (extend(out, at + grain_size))
		return -1;
	memcpy(out->bytes + at, content + off, have);
	return 0;
}

static bool is_hole(const unsigned char *content, size_t size, uint64_t index, size_t grain_size)
{
	size_t off = (size_t)index * grain_size;

	return bytes_are_zero(content + off, (size_t)min_u64(grain_size, size - off));
}

static int cowd_grains(struct vmdk_cowd_header *h, const unsigned char *content, size_t size,
		       struct buffer *out)
{
	size_t grain_size = (size_t)h->grain_sectors * VMDK_SECTOR;
	uint64_t grains = div_up(h->capacity, h->grain_sectors), i, gt_of = UINT64_MAX;
	size_t table = 0;

	for (i = 0; i < grains; i++) {
		uint64_t gt = i / VMDK_COWD_GTES_PER_GT;

		if (is_hole(content, size, i, grain_size))
			continue;
		if (gt != gt_of) {
			gt_of = gt;
			table = out->len;
			put_le32(out->bytes + h->gd_offset * VMDK_SECTOR + 4 * gt,
				 (uint32_t)(table / VMDK_SECTOR));
			if (extend(out, table + COWD_GT_SECTORS * VMDK_SECTOR))
				return -1;
		}
		put_le32(out->bytes + table + 4 * (i % VMDK_COWD_GTES_PER_GT),
			 (uint32_t)(out->len / VMDK_SECTOR));
		if (put_grain(out, out->len, content, size, i, grain_size))
			return -1;
	}
	return 0;
}

int image_cowd(const struct image_cowd *image, const unsigned char *content, size_t size,
	       struct buffer *out)
{
	struct vmdk_cowd_header h = { .flags = VMDK_COWD_CHECK_CAPABLE,
				      .capacity = (uint32_t)(size / VMDK_SECTOR),
				      .grain_sectors = image->grain_sectors,
				      .gd_offset = VMDK_COWD_HEADER_SECTORS,
				      .parent_generation = image->parent_generation,
				      .generation = image->parent_generation + 1,
				      .unclean = image->unclean };
	size_t gd;

	h.gd_entries = (uint32_t)div_up(div_up(h.capacity, h.grain_sectors), VMDK_COWD_GTES_PER_GT);
	gd = (size_t)div_up(h.gd_entries * 4U, VMDK_SECTOR);
	if (image->parent_name)
		snprintf(h.parent_name, sizeof(h.parent_name), "%s", image->parent_name);
	else
		h.flags |= VMDK_COWD_ROOT;
	if (extend(out, (h.gd_offset + gd) * VMDK_SECTOR) || cowd_grains(&h, content, size, out))
		return -1;
	h.free_sector = (uint32_t)(out->len / VMDK_SECTOR);
	vmdk_cowd_encode(&h, out->bytes);
	return extend(out, out->len + image->spare_sectors * VMDK_SECTOR);
}

/* Lays the parts of the file behind each other. */
static void sesparse_parts(struct vmdk_sesparse_header *h, uint64_t grains)
{
	uint64_t tables = div_up(grains, VMDK_SESPARSE_GTES_PER_GT), at = 1;
	const uint64_t sizes[VMDK_SESPARSE_PARTS] = {
		[VMDK_SESPARSE_VOLATILE_HEADER] = 1,
		[VMDK_SESPARSE_JOURNAL_HEADER] = 2,
		[VMDK_SESPARSE_JOURNAL] = 12,
		[VMDK_SESPARSE_GRAIN_DIRECTORY] = round_up(div_up(tables * 8, VMDK_SECTOR), 8),
		[VMDK_SESPARSE_GRAIN_TABLES] = tables * VMDK_SESPARSE_GT_SECTORS,
		[VMDK_SESPARSE_FREE_BITMAP] = round_up(div_up(div_up(grains, 8), VMDK_SECTOR), 8),
		[VMDK_SESPARSE_BACKMAP] = round_up(div_up(grains * 8, VMDK_SECTOR), 8),
		[VMDK_SESPARSE_GRAINS] = grains * VMDK_SESPARSE_GRAIN_SECTORS,
	};
	size_t i;

	for (i = 0; i < VMDK_SESPARSE_PARTS; i++) {
		h->parts[i].offset = at;
		h->parts[i].size = sizes[i];
		at += sizes[i];
	}
}

static int sesparse_grains(const struct image_sesparse *image, const struct vmdk_sesparse_header *h,
			   const unsigned char *content, size_t size, struct buffer *out)
{
	const size_t grain_size = VMDK_SESPARSE_GRAIN_SECTORS * VMDK_SECTOR;
	uint64_t grains = div_up(h->capacity, VMDK_SESPARSE_GRAIN_SECTORS), i;
	uint64_t next = image->first_grain;
	size_t gd = (size_t)h->parts[VMDK_SESPARSE_GRAIN_DIRECTORY].offset * VMDK_SECTOR;
	size_t gt = (size_t)h->parts[VMDK_SESPARSE_GRAIN_TABLES].offset * VMDK_SECTOR;
	size_t data = (size_t)h->parts[VMDK_SESPARSE_GRAINS].offset * VMDK_SECTOR;

	if (extend(out, data))
		return -1;
	for (i = 0; i < grains; i++) {
		uint64_t index = image->descending ? grains - 1 - i : i, entry;
		uint64_t table = index / VMDK_SESPARSE_GTES_PER_GT;

		if (is_hole(content, size, index, grain_size)) {
			entry = vmdk_sesparse_gte_encode(image->hole, 0);
		} else {
			entry = vmdk_sesparse_gte_encode(VMDK_SESPARSE_ALLOCATED, next);
			if (put_grain(out, data + (size_t)next++ * grain_size, content, size, index,
				      grain_size))
				return -1;
		}
		if (entry) {
			put_le64(out->bytes + gd + 8 * table,
				 vmdk_sesparse_gde_encode((uint32_t)table));
			put_le64(out->bytes + gt + 8 * index, entry);
		}
	}
	return 0;
}

int image_sesparse(const struct image_sesparse *image, const unsigned char *content, size_t size,
		   struct buffer *out)
{
	struct vmdk_sesparse_header h = { .capacity = size / VMDK_SECTOR };

	sesparse_parts(&h, div_up(h.capacity, VMDK_SESPARSE_GRAIN_SECTORS));
	if (sesparse_grains(image, &h, content, size, out))
		return -1;
	vmdk_sesparse_encode(&h, out->bytes);
	vmdk_sesparse_volatile_encode(image->replay,
				      out->bytes + h.parts[VMDK_SESPARSE_VOLATILE_HEADER].offset *
							   VMDK_SECTOR);
	return 0;
}
