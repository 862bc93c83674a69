/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path of a run: from a disk to records in slots and a block table.
 *
 * The disk is cut into items (put_plan.c): blocks that a worker reads, digests, compares with the
 * last point and packs (put_work.c), and stretches that stay as they were or are zeros. The
 * caller's thread takes them in order (put_commit.c), adds records to the sink and fills in leaves;
 * a leaf that is done becomes a page, and pages above name it (put_table.c). What did not change
 * keeps its pages, so the table of a run costs as much as what the run changed.
 */
#ifndef EMIT_PUT_H
#define EMIT_PUT_H

#include "copy/meter.h"
#include "copy/plan.h"
#include "emit/block_index.h"
#include "emit/sink.h"
#include "emit/slot_uses.h"
#include "emit/table.h"

/* What is counted of a run, in bytes. */
struct put_counts {
	uint64_t read;         /* of the disk */
	uint64_t changed;      /* units that differ and are not zeros */
	uint64_t zeroed;       /* units that became zeros */
	uint64_t deduplicated; /* of the changed ones: were in the store */
	int64_t grown;         /* of the new point that are not zeros, beyond the old one's */
};

/* A page of the new table that is not the old one's. */
struct put_page {
	uint64_t leaf;
	struct page_ref ref;
};

struct put_params {
	struct tranship_store *store;
	struct tranship_disk *source;
	/* The last point; NULL: none. And the size of its disk. */
	struct table *old;
	struct table_root old_root;
	uint64_t old_size;
	/* In whole blocks of the larger of the two disks: only these are read. NULL: all. */
	const struct tranship_changes *changes;
	/* Slots that cannot be used: what the old table has there is read and stored again. NULL:
	 * none. */
	const struct slot_set *bad;
	struct digest_seed seed; /* the old point's */
	int level;               /* of zstd; 0: not compressed */
	unsigned threads;
	struct sink *sink;
	struct block_index *index;
	struct slot_uses *uses; /* of the old point; becomes those of the new one */
	struct meter *meter;
	/* Called on the caller's thread when leaf number `leaf` is done, or kept (ref NULL). */
	int (*leaf_done)(void *ctx, uint64_t leaf, const struct page_ref *ref,
			 struct tranship_error *err);
	/* Called now and then on the caller's thread. */
	int (*idle)(void *ctx, struct tranship_error *err);
	void *ctx;
	/* Leaves before this one were done by an interrupted run, with these pages, ascending; the
	 * leaves that are not among them stayed as they were. */
	uint64_t first_leaf;
	const struct put_page *done;
	size_t done_count;
};

/* Reads and stores; the sink is not drained. On success *root is the new table. *counts is added to
 * as the run goes on. */
int put_run(const struct put_params *params, struct table_root *root, struct put_counts *counts,
	    struct tranship_error *err);

#endif
