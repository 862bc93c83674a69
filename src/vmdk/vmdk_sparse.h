/* SPDX-License-Identifier: Apache-2.0 */
/* A hosted sparse extent that is read: its grain directory, its grain tables, its grains. */
#ifndef VMDK_VMDK_SPARSE_H
#define VMDK_VMDK_SPARSE_H

#include "io/table_cache.h"
#include "tranship/disk.h"
#include "vmdk/vmdk_ondisk.h"

struct inflater;

struct vmdk_sparse {
	struct tranship_file *file; /* borrowed */
	struct table_cache *cache;
	struct vmdk_header header; /* with the grain directory's real place */
	uint64_t size;             /* bytes of the disk that it holds */
	uint32_t grain_size;       /* bytes */
	uint64_t grains;
	bool by_redundant; /* the directory is lost, the header names its copy */
};

/* What a reading thread keeps. */
struct vmdk_scratch {
	struct inflater *inflater;
	unsigned char *packed; /* the file's bytes of a run of packed grains */
	size_t packed_cap;
	unsigned char *grain; /* one grain unpacked, for reads of a part of it */
	size_t grain_cap;
	const struct vmdk_sparse *held; /* which grain that is; NULL: none */
	uint64_t held_index;
};

/* Reads and checks the header (the footer, where the header says so). `cache_memory` as for
 * table_cache_new. */
int vmdk_sparse_open(struct vmdk_sparse *s, struct tranship_file *file, size_t cache_memory,
		     struct tranship_error *err);
void vmdk_sparse_close(struct vmdk_sparse *s);

/* Copies the grain table entries of grains [first, first + count); all exist. */
int vmdk_sparse_entries(struct vmdk_sparse *s, uint64_t first, size_t count, uint32_t *entries,
			struct tranship_error *err);

/* The same for as many of *count as can be read, at least the first one. */
int vmdk_sparse_entries_some(struct vmdk_sparse *s, uint64_t first, size_t *count,
			     uint32_t *entries, struct tranship_error *err);

/* As in a disk; offsets are the extent's own. */
int vmdk_sparse_map(struct vmdk_sparse *s, uint64_t off, struct tranship_extent *out,
		    struct tranship_error *err);
int vmdk_sparse_read(struct vmdk_sparse *s, struct vmdk_scratch *scratch, uint64_t off, void *buf,
		     size_t len, struct tranship_error *err);

void vmdk_scratch_free(void *scratch);

/*
 * Unpacks one stored grain (vmdk_grain.c). `stored` begins with the grain's marker; `need` bytes go
 * to out, which holds cap. `index` is the grain's number.
 */
int vmdk_grain_unpack(const struct vmdk_sparse *s, struct vmdk_scratch *scratch,
		      const unsigned char *stored, size_t stored_len, uint64_t index,
		      unsigned char *out, size_t cap, size_t need, struct tranship_error *err);

/* Reads [off, off + len) of a compressed extent (vmdk_grain.c). */
int vmdk_grain_read(struct vmdk_sparse *s, struct vmdk_scratch *scratch, uint64_t off,
		    unsigned char *buf, size_t len, struct tranship_error *err);

/* The size of a grain's marker, and the most bytes that marker and packed grain take. */
static inline size_t vmdk_grain_head(const struct vmdk_sparse *s)
{
	return s->header.flags & VMDK_FLAG_MARKERS ? VMDK_GRAIN_MARKER_SIZE : VMDK_GRAIN_SIZE_ONLY;
}
size_t vmdk_grain_stored_max(const struct vmdk_sparse *s);

#endif
