/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which parts of an export hold data, as the server's base:allocation says. Some replies are kept,
 * each cut at a number of extents, so memory does not grow with the export.
 */
#ifndef NBD_NBD_MAP_H
#define NBD_NBD_MAP_H

#include "nbd/nbd_pool.h"
#include "tranship/disk.h"

#define NBD_CONTEXT_ALLOCATION "base:allocation"

struct nbd_map;

/* The pool must outlive the map; its target's context is base:allocation. */
int nbd_map_new(struct nbd_pool *pool, struct nbd_map **out, struct tranship_error *err);
/* NULL is accepted. */
void nbd_map_free(struct nbd_map *map);

/* Fills in length and kind of the extent at off; from any thread. */
int nbd_map_find(struct nbd_map *map, uint64_t off, struct tranship_extent *out,
		 struct tranship_error *err);

#endif
