/* SPDX-License-Identifier: Apache-2.0 */
/* What the writers of a VHDX share: alone (vhdx_create.c) and over a base (vhdx_write_child.c). */
#ifndef VHDX_VHDX_WRITE_H
#define VHDX_VHDX_WRITE_H

#include "vhdx/vhdx.h"

#define VHDX_BAT_PAGE 4096U
#define VHDX_BAT_PAGE_ENTRIES (VHDX_BAT_PAGE / 8)

/* The blocks of a disk that is written over a base, as far as they are not settled. */
struct vhdx_child {
	struct buffer locator; /* the parent locator, which stands at VHDX_METADATA_ENCODED */
	unsigned char *bits;   /* the sector bitmap of the chunk at hand */
	uint64_t chunk;        /* which one that is */
	bool partial;          /* a block of it needs the bitmap */
	uint64_t own;          /* sectors of the block at hand that were put or zeroed */
	bool stored;           /* some of them have bytes: the block has a place */
};

struct vhdx_writer {
	struct tranship_writer writer;
	struct tranship_file *file;
	struct vhdx_header header;
	struct vhdx_regions regions;
	struct vhdx_metadata metadata;
	uint64_t ratio;
	uint64_t start;    /* where the first block goes */
	uint64_t next;     /* where the next one goes */
	uint64_t block;    /* the block at hand, UINT64_MAX: none */
	uint64_t data;     /* where it stands */
	uint64_t bat_page; /* the page of the BAT at hand */
	bool page_used;
	unsigned char page[VHDX_BAT_PAGE];
	struct vhdx_child child;
};

static inline struct vhdx_writer *vhdx_writer_of(struct tranship_writer *w)
{
	return (struct vhdx_writer *)w;
}

/* Puts an entry into the BAT, numbers ascending. */
int vhdx_put_entry(struct vhdx_writer *w, uint64_t number, uint64_t entry,
		   struct tranship_error *err);

/* Makes the writer one over a base, before it is laid out: locator, sector bitmap. */
int vhdx_child_begin(struct vhdx_writer *w, const struct base_info *base,
		     struct tranship_error *err);
int vhdx_child_put(struct tranship_writer *writer, uint64_t off, uint64_t len, const void *stored,
		   size_t stored_len, struct tranship_error *err);
int vhdx_child_zero(struct tranship_writer *writer, uint64_t off, uint64_t len,
		    struct tranship_error *err);
/* Settles the last block and its chunk. */
int vhdx_child_end(struct vhdx_writer *w, struct tranship_error *err);

#endif
