/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of changing a VHDX in place share. Tables and headers are changed in the
 * transaction at hand, bytes that nothing names at once (core/modify.h). Functions that change
 * entries keep vhdx->cache right.
 */
#ifndef VHDX_VHDX_MODIFY_H
#define VHDX_VHDX_MODIFY_H

#include "core/check.h"
#include "core/modify.h"
#include "vhdx/vhdx.h"

/* When so many bytes of tables are pending they are applied, between two blocks. */
#define VHDX_PENDING_MAX ((uint64_t)8 << 20)

static inline bool vhdx_has_place(uint64_t entry)
{
	return vhdx_entry_state(entry) == VHDX_BLOCK_FULLY_PRESENT ||
	       vhdx_entry_state(entry) == VHDX_BLOCK_PARTIALLY_PRESENT;
}

/* Which BAT entry is that of a payload block; and whether one is that of a sector bitmap. */
static inline uint64_t vhdx_payload_entry(const struct vhdx_metadata *m, uint64_t block)
{
	return block + block / vhdx_chunk_ratio(m);
}

static inline bool vhdx_is_bitmap_entry(const struct vhdx_metadata *m, uint64_t number)
{
	return number % (vhdx_chunk_ratio(m) + 1) == vhdx_chunk_ratio(m);
}

/* vhdx_layout.c */

/* Calls fn for the BAT entries of the disk that are not zero, until it fails. It may change the
 * entry that it is given. */
typedef int vhdx_entry_fn(struct vhdx_disk *vhdx, void *ctx, uint64_t number, uint64_t entry,
			  struct tranship_error *err);
int vhdx_bat_walk(struct vhdx_disk *vhdx, vhdx_entry_fn *fn, void *ctx, struct tranship_error *err);

/* How much of the file a BAT entry that is not zero takes; 0: none. */
uint64_t vhdx_entry_length(const struct vhdx_disk *vhdx, uint64_t number, uint64_t entry);

/*
 * Finds what is used of the file, a bit a MiB, and its end, in whole MiB; TRANSHIP_ECORRUPT if
 * anything overlaps or lies outside. The caller frees *usage, also after a failure.
 */
int vhdx_layout_scan(struct vhdx_disk *vhdx, struct usage *usage, uint64_t *end,
		     struct tranship_error *err);

/* Cuts off what nothing uses behind the last thing in the file; nothing is pending. */
int vhdx_cut_tail(struct vhdx_disk *vhdx, struct tranship_error *err);

/* vhdx_modify.c */

/* Once an open, before the first change: see vhdx_modify.c. The second one leaves out whether
 * anything in the file overlaps. */
int vhdx_change_begin(struct vhdx_disk *vhdx, struct tranship_error *err);
int vhdx_change_headers(struct vhdx_disk *vhdx, struct tranship_error *err);
/* A new DataWriteGuid, durably. */
int vhdx_renew(struct tranship_disk *disk, struct idgen *ids, struct tranship_error *err);

int vhdx_bat_write(struct vhdx_disk *vhdx, uint64_t number, uint64_t entry,
		   struct tranship_error *err);
/* Reserves len bytes (whole MiB) at the end of the file, which read as zeros. */
int vhdx_append(struct vhdx_disk *vhdx, uint64_t len, uint64_t *off, struct tranship_error *err);
/* Makes bytes that nothing names zeros, and has the file reach so far. */
int vhdx_zero_free(struct vhdx_disk *vhdx, uint64_t off, uint64_t len, struct tranship_error *err);
int vhdx_flush(struct tranship_disk *disk, struct tranship_error *err);
/* Applies what is pending if that is much. */
int vhdx_flush_much(struct vhdx_disk *vhdx, struct tranship_error *err);
int vhdx_zero_range(struct tranship_disk *disk, uint64_t off, uint64_t len,
		    struct tranship_error *err);

/* vhdx_bits.c: the sector bitmap of one block */

/* Bytes of it. */
static inline size_t vhdx_bits_size(const struct vhdx_metadata *m)
{
	return m->block_size / m->logical_sector / 8;
}

/* A block that was not present becomes partially present: its bits are cleared, in a bitmap block
 * that is made if the chunk has none. */
int vhdx_bits_begin(struct vhdx_disk *vhdx, uint64_t block, struct tranship_error *err);
/* Sets the bits of sectors [first, first + count) of the block. *full: now the disk's are all set.
 */
int vhdx_bits_set(struct vhdx_disk *vhdx, uint64_t block, uint64_t first, uint64_t count,
		  bool *full, struct tranship_error *err);
/* Copies them; `bits` has vhdx_bits_size bytes. */
int vhdx_bits_read(struct vhdx_disk *vhdx, uint64_t block, unsigned char *bits,
		   struct tranship_error *err);

/* vhdx_resize.c */

/* Has the BAT region take so many entries, in the transaction at hand; vhdx->regions follows. */
int vhdx_bat_reserve(struct vhdx_disk *vhdx, uint64_t entries, struct tranship_error *err);
/* Both region tables say what vhdx->regions does, in the transaction at hand. */
int vhdx_write_region_tables(struct vhdx_disk *vhdx, struct tranship_error *err);
int vhdx_can_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err);
int vhdx_resize(struct tranship_disk *disk, uint64_t size, struct tranship_error *err);

/* vhdx_relink.c */
int vhdx_relink(struct tranship_disk *disk, const struct base_info *base,
		struct tranship_error *err);
int vhdx_empty(struct tranship_disk *disk, struct tranship_error *err);

/* vhdx_repair.c */
int vhdx_repair(struct tranship_disk *disk, unsigned flags, struct tranship_error *err);

extern const struct modify_ops vhdx_modify_ops;

#endif
