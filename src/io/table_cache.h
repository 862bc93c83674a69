/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded cache over the tables of an image (grain tables, BATs, bitmaps): a table may have
 * gigabytes, what is held of it has not. Safe for any number of threads; entries are copied out.
 */
#ifndef IO_TABLE_CACHE_H
#define IO_TABLE_CACHE_H

#include "tranship/file.h"

struct table_cache;

/* memory: bytes to hold, 0 for the default of 1 MiB. The file stays the caller's and outlives the
 * cache. */
int table_cache_new(struct tranship_file *file, size_t memory, struct table_cache **out,
		    struct tranship_error *err);
void table_cache_free(struct table_cache *cache);

/* Copies [off, off + len) of the file, which must lie inside it. */
int table_cache_read(struct table_cache *cache, uint64_t off, void *buf, size_t len,
		     struct tranship_error *err);

/* [off, off + len) of the file was written: what is held of it is read again. Not beside reads. */
void table_cache_forget(struct table_cache *cache, uint64_t off, uint64_t len);

/* Whether [off, off + len) is known to be a hole of the file, so that it reads as zeros. */
bool table_cache_is_hole(struct table_cache *cache, uint64_t off, uint64_t len);

#endif
