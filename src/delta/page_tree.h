/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sorted index in a file that is written in one pass and read by pread: entries of one size that
 * begin with a 64-bit key, ascending, in pages of 4 KiB; full pages are named by entries of pages
 * above them, up to one root. Pages stand wherever the writer was when they became full, between
 * other things; so it needs no seeking, and a page of each level in memory.
 *
 * A page: magic "TPGE", level (0: the caller's entries), count, the id of the file, its own offset,
 * a check over all of it (check64); then the entries. Entries above level 0 are key, offset.
 * Little-endian. A page of another file, or from another place, is refused.
 */
#ifndef DELTA_PAGE_TREE_H
#define DELTA_PAGE_TREE_H

#include "tranship/file.h"

#include <stdint.h>

#define PAGE_SIZE_BYTES 4096U
#define PAGE_HEAD 32U
#define PAGE_TREE_LEVELS 8U
/* The entry's key is its first 8 bytes. */
#define PAGE_ENTRY_MAX 64U

/* Where a tree is: what its writer leaves to its reader. */
struct page_root {
	uint64_t off; /* 0: the tree is empty */
	uint32_t level;
	uint64_t count; /* of entries */
};

/* Writes PAGE_SIZE_BYTES at the current end of the file. *off: says where that is before, so that
 * the page can name it. */
struct page_sink {
	uint64_t (*where)(void *ctx);
	int (*put)(void *ctx, const void *page, size_t len, struct tranship_error *err);
	void *ctx;
};

struct page_tree_writer;
int page_tree_writer_new(size_t entry_size, uint64_t file_id, const struct page_sink *sink,
			 struct page_tree_writer **out, struct tranship_error *err);
int page_tree_writer_add(struct page_tree_writer *w, const unsigned char *entry,
			 struct tranship_error *err);
/* Writes what is left, up to the root. */
int page_tree_writer_finish(struct page_tree_writer *w, struct page_root *root,
			    struct tranship_error *err);
void page_tree_writer_free(struct page_tree_writer *w);

struct page_tree;
/* `memory` bounds the cache in bytes (0: a default). The file stays the caller's. `what` is put in
 * front of messages. Any number of threads. */
int page_tree_open(struct tranship_file *file, const char *what, size_t entry_size,
		   uint64_t file_id, const struct page_root *root, size_t memory,
		   struct page_tree **out, struct tranship_error *err);
void page_tree_close(struct page_tree *tree);
/* The entry with the greatest key at most `key`; the one with the smallest key at least `key`. 1:
 * it is in `entry`; 0: there is none; negative: a code. */
int page_tree_at_most(struct page_tree *tree, uint64_t key, unsigned char *entry,
		      struct tranship_error *err);
int page_tree_at_least(struct page_tree *tree, uint64_t key, unsigned char *entry,
		       struct tranship_error *err);

#endif
