/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing a hosted sparse extent that is not packed, whose file is one of core/modify.h. Offsets
 * are the extent's own. Only where it is said something is durable when these return; else
 * vmdk_sparse_apply makes it so.
 */
#ifndef VMDK_VMDK_MODIFY_H
#define VMDK_VMDK_MODIFY_H

#include "core/modify.h"
#include "vmdk/vmdk_sparse.h"

/* Entries that are looked up at once. */
#define VMDK_ENTRIES_AT_ONCE 512U

/* `child`: the extent is a part of a delta link, in which an absent grain is the parent's. */
int vmdk_sparse_write(struct vmdk_sparse *s, bool child, uint64_t off, const unsigned char *buf,
		      size_t len, struct tranship_error *err);
int vmdk_sparse_zero(struct vmdk_sparse *s, bool child, uint64_t off, uint64_t len,
		     struct tranship_error *err);
int vmdk_sparse_apply(struct vmdk_sparse *s, struct tranship_error *err);

/* Another capacity in sectors; all in one transaction. */
int vmdk_sparse_resize(struct vmdk_sparse *s, uint64_t sectors, struct tranship_error *err);

/* All grains become absent; durable. */
int vmdk_sparse_empty(struct vmdk_sparse *s, struct tranship_error *err);

/* Mends what TRANSHIP_REPAIR_* name, but leaks; durable (vmdk_repair.c). */
int vmdk_sparse_mend(struct vmdk_sparse *s, struct tranship_error *err);
/* Moves the last grains into gaps and cuts the file; durable (vmdk_compact.c). */
int vmdk_sparse_compact(struct vmdk_sparse *s, struct tranship_error *err);

/* Zeros in bytes of a file, written only where there are none. */
int vmdk_zero_bytes(struct tranship_file *file, uint64_t off, uint64_t len,
		    struct tranship_error *err);

/* Where a grain table and its copy are; 0: there is none. */
struct vmdk_table {
	uint64_t table, copy;
};

/* That the directory is not lost: a repair comes before any other change. */
int vmdk_check_directory(const struct vmdk_sparse *s, struct tranship_error *err);

/* Changes of tables, each of which touches a few pages, before a transaction is applied by itself.
 */
#define VMDK_CHANGES_MAX 1024U

/* Where table `gt` is, which is put at the end of the file if there is none. */
int vmdk_find_table(struct vmdk_sparse *s, uint64_t gt, struct vmdk_table *t,
		    struct tranship_error *err);

/* Sets entries [at, at + count) of a table, at most VMDK_ENTRIES_AT_ONCE, and of its copy: the
 * first to `entry`, each that follows to `step` more. */
int vmdk_set_entries(struct vmdk_sparse *s, const struct vmdk_table *t, uint64_t at, size_t count,
		     uint32_t entry, uint32_t step, struct tranship_error *err);

/* Copies sectors to where nothing is that something refers to. */
int vmdk_copy_sectors(struct vmdk_sparse *s, uint64_t from, uint64_t to, uint64_t sectors,
		      struct tranship_error *err);

/* Puts entry `gt` of the directory at sector `gd` into the transaction. */
int vmdk_put_table(struct vmdk_sparse *s, uint64_t gd, uint64_t gt, uint64_t sector,
		   struct tranship_error *err);

/* The first sector behind the file where a grain can stand. */
uint64_t vmdk_sparse_end(const struct vmdk_sparse *s);
/* That the file may go up to this sector. */
int vmdk_check_end(uint64_t sector, struct tranship_error *err);

/* Puts s->header into the transaction. */
int vmdk_put_header(struct vmdk_sparse *s, struct tranship_error *err);

#endif
