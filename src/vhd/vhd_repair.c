// SPDX-License-Identifier: Apache-2.0
/*
 * Mending a VHD: a damaged copy of the footer is written from the good one (or, where checksums
 * are passed over, from itself with the right one), so is the dynamic disk header. Leaks are given
 * back by moving the last blocks of the file into gaps and cutting the tail. Blocks that overlap or
 * lead nowhere are left as they are, and then nothing is moved.
 */
#include "vhd/vhd_change.h"

#include "base/checked.h"
#include "base/error.h"

#include <stdlib.h>

/* More blocks than this are not sorted; see vhd_check.c. */
#define BLOCKS_MAX ((uint64_t)1 << 24)

/* Sector in the upper half, number of the BAT entry in the lower one. */
struct places {
	uint64_t *at;
	size_t count;
};

static int by_sector(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t place_off(const struct places *p, size_t i)
{
	return (p->at[i] >> 32) * VHD_SECTOR;
}

static int collect(struct vhd_disk *vhd, struct places *out, struct tranship_error *err)
{
	uint64_t total = vhd_blocks_wanted(vhd), i;
	uint64_t room = min_u64(total, vhd->change.tail / vhd_stride(vhd) + 1);
	uint32_t entry;
	int rc = 0;

	out->at = malloc((size_t)(min_u64(room, BLOCKS_MAX) + 1) * sizeof(*out->at));
	if (!out->at)
		return error_nomem(err, (size_t)room * sizeof(*out->at));
	for (i = 0; i < total && rc == 0 && out->count < min_u64(room, BLOCKS_MAX); i++) {
		rc = vhd_bat_entries(vhd, i, 1, &entry, err);
		if (rc == 0 && entry != VHD_BAT_UNUSED)
			out->at[out->count++] = (uint64_t)entry << 32 | i;
	}
	if (out->count > 0)
		qsort(out->at, out->count, sizeof(*out->at), by_sector);
	return rc;
}

/* Whether every block lies behind the metadata, on its own. */
static bool sound(const struct vhd_disk *vhd, const struct places *p, uint64_t start)
{
	uint64_t end = start;
	size_t i;

	for (i = 0; i < p->count; i++) {
		if (place_off(p, i) < end ||
		    !range_ok(place_off(p, i), vhd_stride(vhd), vhd->change.tail))
			return false;
		end = place_off(p, i) + vhd_stride(vhd);
	}
	return true;
}

/* Where behind `at` a block stands on no parent locator. */
static uint64_t past_locators(const struct vhd_disk *vhd, uint64_t at)
{
	int i, again;

	for (again = 0; again < VHD_LOCATORS; again++)
		for (i = 0; i < VHD_LOCATORS && vhd->footer.type == VHD_DIFFERENCING; i++) {
			const struct vhd_locator *l = &vhd->dynamic.locators[i];

			if (l->platform && l->data_offset < at + vhd_stride(vhd) &&
			    at < l->data_offset + l->data_length)
				at = round_up(l->data_offset + l->data_length, VHD_SECTOR);
		}
	return at;
}

/* Fills the gaps in front of the blocks with the last ones. */
static int compact(struct vhd_disk *vhd, struct places *p, uint64_t start,
		   struct tranship_error *err)
{
	uint64_t at = past_locators(vhd, start), stride = vhd_stride(vhd);
	size_t next = 0, left = p->count;
	int rc = 0;

	while (next < left && rc == 0) {
		if (place_off(p, next) < at + stride) {
			at = past_locators(vhd, place_off(p, next++) + stride);
			continue;
		}
		left--;
		rc = vhd_copy_free(vhd, place_off(p, left), at, stride, err);
		if (rc == 0)
			rc = vhd_bat_write(vhd, (uint32_t)p->at[left], (uint32_t)(at / VHD_SECTOR),
					   err);
		at = past_locators(vhd, at + stride);
	}
	return rc ? rc : vhd_apply(vhd, err);
}

static int repair_leaks(struct vhd_disk *vhd, struct tranship_error *err)
{
	struct places p = { 0 };
	uint64_t start;
	int rc = collect(vhd, &p, err);

	start = vhd_metadata_end(vhd, p.count > 0 ? place_off(&p, 0) : UINT64_MAX);
	if (rc == 0 && vhd->tail_ok && p.count < BLOCKS_MAX && sound(vhd, &p, start)) {
		rc = compact(vhd, &p, start, err);
		if (rc == 0)
			rc = vhd_change_space(vhd, err);
		if (rc == 0)
			rc = vhd_trim(vhd, err);
	}
	free(p.at);
	return rc;
}

/* The footer goes where the last sector is no part of anything, else behind the file. */
static int repair_footers(struct vhd_disk *vhd, struct tranship_error *err)
{
	struct vhd_change *c = &vhd->change;
	uint64_t size = tranship_file_size(vhd->file);
	int rc;

	if (!vhd->tail_there && size % VHD_SECTOR == 0 && vhd_change_space(vhd, NULL) == 0 &&
	    c->end + VHD_FOOTER_SIZE <= size)
		c->tail = size - VHD_FOOTER_SIZE;
	rc = vhd_footers_write(vhd, err);
	if (rc == 0 && vhd->footer.type != VHD_FIXED && !vhd->header_ok)
		rc = vhd_header_write(vhd, err);
	return rc ? rc : vhd_apply(vhd, err);
}

int vhd_repair(struct tranship_disk *disk, unsigned flags, struct tranship_error *err)
{
	struct vhd_disk *vhd = vhd_of(disk);
	bool fixed = vhd->footer.type == VHD_FIXED;
	int rc = 0;

	vhd_change_begin(vhd);
	if (flags & TRANSHIP_REPAIR_ERRORS &&
	    (!vhd->tail_ok || (!fixed && (!vhd->head_ok || !vhd->header_ok))))
		rc = repair_footers(vhd, err);
	if (rc || !(flags & TRANSHIP_REPAIR_LEAKS))
		return rc;
	if (!fixed)
		return repair_leaks(vhd, err);
	return vhd->cut_short ? vhd_fixed_cut(vhd, err) : 0;
}
