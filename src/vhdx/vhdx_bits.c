// SPDX-License-Identifier: Apache-2.0
/* The sector bitmaps of a differencing VHDX that is changed ([MS-VHDX] 2.5.1.2, 2.5.2). */
#include "base/checked.h"
#include "base/error.h"
#include "vhdx/vhdx_modify.h"

#include <stdlib.h>
#include <string.h>

/* Where the bits of the block are; *off is 0: its chunk has no bitmap. */
static int find_bits(struct vhdx_disk *vhdx, uint64_t block, uint64_t *off,
		     struct tranship_error *err)
{
	const struct vhdx_metadata *m = &vhdx->metadata;
	uint64_t ratio = vhdx_chunk_ratio(m), entry = 0;
	int rc = vhdx_bat_read(vhdx, vhdx_bitmap_entry(m, block / ratio), 1, &entry, err);

	*off = 0;
	if (rc == 0 && vhdx_entry_state(entry) == VHDX_BITMAP_PRESENT)
		*off = vhdx_entry_offset(entry) + block % ratio * vhdx_bits_size(m);
	return rc;
}

static int find_present_bits(struct vhdx_disk *vhdx, uint64_t block, uint64_t *off,
			     struct tranship_error *err)
{
	int rc = find_bits(vhdx, block, off, err);

	if (rc == 0 && *off == 0)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "vhdx: block %llu is partially present, but its chunk has no sector "
			       "bitmap",
			       (unsigned long long)block);
	return rc;
}

static int write_bits(struct vhdx_disk *vhdx, uint64_t off, const unsigned char *bits, size_t len,
		      struct tranship_error *err)
{
	vhdx->pending += len + 4096;
	table_cache_forget(vhdx->cache, off, len);
	return file_write(vhdx->base, off, bits, len, err);
}

int vhdx_bits_begin(struct vhdx_disk *vhdx, uint64_t block, struct tranship_error *err)
{
	const struct vhdx_metadata *m = &vhdx->metadata;
	unsigned char *zeros;
	uint64_t off;
	int rc = find_bits(vhdx, block, &off, err);

	if (rc)
		return rc;
	if (off == 0) { /* a new one has no bit set */
		rc = vhdx_append(vhdx, VHDX_BITMAP_SIZE, &off, err);
		return rc ? rc
			  : vhdx_bat_write(vhdx, vhdx_bitmap_entry(m, block / vhdx_chunk_ratio(m)),
					   off | VHDX_BITMAP_PRESENT, err);
	}
	zeros = calloc(1, vhdx_bits_size(m));
	if (!zeros)
		return error_nomem(err, vhdx_bits_size(m));
	rc = write_bits(vhdx, off, zeros, vhdx_bits_size(m), err);
	free(zeros);
	return rc;
}

int vhdx_bits_read(struct vhdx_disk *vhdx, uint64_t block, unsigned char *bits,
		   struct tranship_error *err)
{
	uint64_t off;
	int rc = find_present_bits(vhdx, block, &off, err);

	return rc ? rc
		  : tranship_file_read(vhdx->file, off, bits, vhdx_bits_size(&vhdx->metadata), err);
}

static bool all_set(const unsigned char *bits, uint64_t count)
{
	uint64_t i;

	for (i = 0; i < count; i++)
		if (!(bits[i / 8] >> i % 8 & 1))
			return false;
	return true;
}

int vhdx_bits_set(struct vhdx_disk *vhdx, uint64_t block, uint64_t first, uint64_t count,
		  bool *full, struct tranship_error *err)
{
	const struct vhdx_metadata *m = &vhdx->metadata;
	uint64_t len = min_u64(m->block_size, m->disk_size - block * m->block_size), off, i;
	uint64_t from = first / 8, to = div_up(first + count, 8);
	unsigned char *bits = malloc(vhdx_bits_size(m));
	int rc = bits ? 0 : error_nomem(err, vhdx_bits_size(m));

	if (rc == 0)
		rc = find_present_bits(vhdx, block, &off, err);
	if (rc == 0)
		rc = tranship_file_read(vhdx->file, off, bits, vhdx_bits_size(m), err);
	if (rc == 0) {
		for (i = first; i < first + count; i++)
			bits[i / 8] |= (unsigned char)(1U << i % 8);
		*full = all_set(bits, len / m->logical_sector);
		rc = write_bits(vhdx, off + from, bits + from, (size_t)(to - from), err);
	}
	free(bits);
	return rc;
}
