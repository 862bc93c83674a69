/* SPDX-License-Identifier: Apache-2.0 */
/* Space, footers and tables of a VHD that is changed in place; beneath vhd_modify.c. */
#ifndef VHD_VHD_CHANGE_H
#define VHD_VHD_CHANGE_H

#include "core/modify.h"
#include "vhd/vhd.h"

/* A block with its bitmap. */
static inline uint64_t vhd_stride(const struct vhd_disk *vhd)
{
	return (uint64_t)vhd->bitmap_size + vhd->dynamic.block_size;
}

/* Blocks that the disk's size asks for. */
uint64_t vhd_blocks_wanted(const struct vhd_disk *vhd);

/* Finds the footer; before anything else here. */
void vhd_change_begin(struct vhd_disk *vhd);
/* The same, and where what is in use ends; TRANSHIP_ECORRUPT if a BAT entry leads nowhere. */
int vhd_change_space(struct vhd_disk *vhd, struct tranship_error *err);

/* Where the metadata end, locators in front of `limit` included. */
uint64_t vhd_metadata_end(const struct vhd_disk *vhd, uint64_t limit);

/*
 * Takes `len` bytes behind everything, so that lead bytes from *at on are in front of a multiple of
 * 4096; they are zeros. It may apply what is pending.
 */
int vhd_allocate(struct vhd_disk *vhd, uint64_t lead, uint64_t len, uint64_t *at,
		 struct tranship_error *err);
/* Everything up to `end` is in use, and the footer behind it. It may apply what is pending. */
int vhd_reserve(struct vhd_disk *vhd, uint64_t end, struct tranship_error *err);

/* Zeros, or copies of other bytes of the file, where nothing refers to. */
int vhd_zero_free(struct vhd_disk *vhd, uint64_t off, uint64_t len, struct tranship_error *err);
int vhd_copy_free(struct vhd_disk *vhd, uint64_t from, uint64_t to, uint64_t len,
		  struct tranship_error *err);

/* Tables, in the transaction; it is applied when it grows large, so what is written must be right
 * as it stands. */
int vhd_table_write(struct vhd_disk *vhd, uint64_t off, const void *buf, size_t len,
		    struct tranship_error *err);
int vhd_bat_write(struct vhd_disk *vhd, uint64_t index, uint32_t sector,
		  struct tranship_error *err);

/* Both footers, and the dynamic header, as they are in memory; in the transaction. */
int vhd_footers_write(struct vhd_disk *vhd, struct tranship_error *err);
int vhd_header_write(struct vhd_disk *vhd, struct tranship_error *err);

int vhd_apply(struct vhd_disk *vhd, struct tranship_error *err);
/* Applies; then the footer goes right behind what is in use and the file ends there. */
int vhd_trim(struct vhd_disk *vhd, struct tranship_error *err);

/* Ends what an interrupted vhd_fixed_resize began. */
int vhd_fixed_cut(struct vhd_disk *vhd, struct tranship_error *err);
int vhd_fixed_can_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err);
int vhd_dynamic_can_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err);
int vhd_fixed_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err);
int vhd_dynamic_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err);
int vhd_repair(struct tranship_disk *disk, unsigned flags, struct tranship_error *err);

#endif
