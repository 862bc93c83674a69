/* SPDX-License-Identifier: Apache-2.0 */
/* What a metadata context says of an export, front to back. */
#ifndef NBD_NBD_BITMAP_H
#define NBD_NBD_BITMAP_H

#include "tranship/image.h"

struct nbd_bitmap;

/*
 * Connects, and asks for the context. TRANSHIP_ENOTFOUND: the server does not have it;
 * TRANSHIP_EINVAL: the location is no NBD URL.
 */
int nbd_bitmap_open(const char *location, const struct tranship_open_options *how,
		    const char *context, struct nbd_bitmap **out, struct tranship_error *err);
/* NULL is accepted. */
void nbd_bitmap_close(struct nbd_bitmap *bitmap);

/* The size of the export in bytes. */
uint64_t nbd_bitmap_size(const struct nbd_bitmap *bitmap);

/*
 * Calls fn for extents that tile the export, with the server's flags; nonzero from fn stops with
 * that code. A lost connection is not made again: what the server has by then may be another
 * bitmap, and the two would not be one.
 */
typedef int nbd_bitmap_fn(void *ctx, uint64_t off, uint64_t len, uint32_t flags,
			  struct tranship_error *err);
int nbd_bitmap_walk(struct nbd_bitmap *bitmap, nbd_bitmap_fn *fn, void *ctx,
		    struct tranship_error *err);

#endif
