/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of put share. */
#ifndef EMIT_PUT_INSIDE_H
#define EMIT_PUT_INSIDE_H

#include "base/buffer.h"
#include "emit/put.h"

enum put_kind {
	PUT_KEEP, /* as the last point has it, of any length within a leaf */
	PUT_ZERO, /* zeros, of any length within a leaf */
	PUT_READ, /* one block */
};

/* A record of an item: a run of units of one block. */
struct put_record {
	uint8_t first, count; /* units */
	bool known;           /* it is in the store, at `at` */
	struct record_ref at;
	struct slot_entry entry;
	size_t stored_at; /* in the item's buffer */
};

/* What became of a block. */
struct put_block {
	uint8_t keep;   /* units that stay as they were, a bit each */
	uint8_t zero;   /* units that are zeros */
	uint8_t differ; /* units whose content is another */
	uint8_t was_zero;
	uint8_t record_count;
	struct put_record records[STORE_BLOCK_UNITS];
	unsigned char digests[STORE_BLOCK_UNITS * UNIT_DIGEST];
};

struct put_item {
	enum put_kind kind;
	uint64_t first, count;  /* blocks */
	struct put_block block; /* of PUT_READ */
	struct buffer stored;
};

/* Pages of the new table, being made. */
struct put_tree {
	uint32_t level;                             /* of the root */
	struct table_node *nodes[TABLE_LEVELS_MAX]; /* index 0 is not used; being filled */
	uint64_t numbers[TABLE_LEVELS_MAX];         /* of these */
	struct page_ref root;
};

struct put {
	const struct put_params *p;
	struct digester digester;
	uint64_t blocks; /* of the larger disk, in whole leaves */
	uint64_t next;   /* block that is planned next */
	uint64_t leaf;   /* that is committed, */
	bool leaf_open;  /* and whether `now` and `was` are its */
	struct table_leaf *now, *was;
	uint64_t planned_leaf; /* of the planner's copy, which is there where slots are bad */
	struct table_leaf *planned;
	struct map_cursor cursor;
	struct put_tree tree;
	struct buffer page, packed;
	struct put_counts *counts;
};

int put_plan(void *ctx, void *item, struct tranship_error *err);
int put_work(void *ctx, void *worker, void *item, struct tranship_error *err);
int put_commit(void *ctx, void *item, struct tranship_error *err);
int put_worker_new(void *ctx, void **worker, struct tranship_error *err);
void put_worker_free(void *ctx, void *worker);
/* Ends the leaf that is open. */
int put_leaf_end(struct put *put, struct tranship_error *err);
/* How often the slot is used. TRANSHIP_ECORRUPT: less than is taken away. */
int put_change_uses(struct put *put, const struct slot_id *id, int64_t by,
		    struct tranship_error *err);
/* The leaves of an interrupted run. */
int put_replay(struct put *put, struct tranship_error *err);

/* put_table.c: leaves in ascending order, all of them, and the end. */
int put_tree_begin(struct put *put, struct tranship_error *err);
int put_tree_leaf(struct put *put, uint64_t leaf, const struct page_ref *ref,
		  struct tranship_error *err);
int put_tree_end(struct put *put, struct page_ref *root, struct tranship_error *err);
void put_tree_fini(struct put *put);
/* Stores put->page as a record. */
int put_page(struct put *put, struct page_ref *out, struct tranship_error *err);

#endif
