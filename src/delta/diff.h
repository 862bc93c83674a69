/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing a disk with what it was, inside.
 *
 * The disk is cut into items (diff_plan.c): stretches that need not be looked at, of any length,
 * and windows that a worker reads, compares and hashes (diff_work.c). The caller's thread takes
 * them in order, tells what was found (diff_commit.c) and passes on what changed: to the packer of
 * a delta file, which has threads of its own, or to a writer (diff_sink.c). What is made does not
 * depend on the number of threads.
 */
#ifndef DELTA_DIFF_H
#define DELTA_DIFF_H

#include "copy/meter.h"
#include "copy/plan.h"
#include "delta/delta_file.h"
#include "delta/fingerprint.h"
#include "delta/packer.h"

/* What a worker takes at a time, and what of it stays in a core's cache. */
#define DIFF_WINDOW (1U << 20)
#define DIFF_CHUNK (256U << 10)

/* Changed blocks in the order of the disk: their bytes and, for a delta file, their digests. */
struct loose {
	struct changed *runs; /* without pointers: what they have stands in the buffers */
	size_t count, cap;
	struct buffer data, old_digests, new_digests;
};

void loose_clear(struct loose *l);
void loose_free(struct loose *l);
int loose_add(struct loose *l, const struct changed *c, uint32_t block_size, size_t digest_size,
	      struct tranship_error *err);

enum diff_item_kind {
	ITEM_SAME,    /* empty on both sides */
	ITEM_UNREAD,  /* outside of the changes */
	ITEM_COMPARE, /* is read and compared */
	ITEM_VERIFY,  /* is outside of the changes, and looked at to see that they do not lie */
};

struct stretch {
	uint64_t off, len;
	enum tranship_diff_kind kind;
};

struct diff_item {
	enum diff_item_kind kind;
	uint64_t off, len;
	bool data[2];              /* whether the new and the old disk may have something */
	struct stretch *stretches; /* what was found, ascending, tiling the item */
	size_t stretch_count;
	unsigned char *print; /* digests for the new fingerprint; NULL: none is written */
	struct loose changed;
};

struct diff_worker {
	struct tranship_scratch *scratch[2];
	unsigned char *bytes[2]; /* a chunk of the new and the old disk */
	unsigned char *digests[2];
};

/* Where what changed goes: a delta file, a writer, or nowhere. */
struct diff_sink {
	struct output *output; /* of the delta file */
	struct delta_writer *delta;
	struct packer *packer;
	struct tranship_writer *writer;
};

struct diff {
	struct tranship_disk *target;
	struct tranship_disk *old;        /* NULL: it is a fingerprint, or there is none at all */
	struct tranship_fingerprint *was; /* that fingerprint */
	struct tranship_fingerprint *verify;
	struct tranship_fingerprint *carry; /* what the new fingerprint has where nothing is read */
	struct tranship_changes *layers;    /* what the chain says has changed */
	struct tranship_changes *changes;   /* in whole units; NULL: everything is looked at */
	bool alone;                         /* there is no old side: only the fingerprint is made */
	struct digester digester;           /* of what is compared: block_size is its unit */
	struct digester print;              /* of the new fingerprint */
	bool same_digests;                  /* the two and the old fingerprint's are the same */
	uint32_t unit; /* items begin and end at its multiples: every block size divides it */
	size_t chunk;  /* what is read at once */
	size_t window;
	uint64_t end; /* of the larger disk, in whole units */
	struct map_cursor cursor[2];
	uint64_t off; /* where the next item begins */
	struct delta_head head;
	struct record_rule rule;
	int level;
	struct diff_sink sink;
	struct output *print_output;
	struct fingerprint_writer *print_writer;
	const struct tranship_diff_options *options;
	struct tranship_diff_result *result;
	struct stretch told; /* not handed to `found` yet, because it may go on */
	struct tranship_changes *missed;
	struct meter meter;
};

/* diff_sides.c, in the order in which they are called. */
void diff_describe_base(struct diff *d);
int diff_check_sides(const struct diff *d, struct tranship_error *err);
int diff_derive_changes(struct diff *d, struct tranship_error *err);
int diff_choose_ids(struct diff *d, struct idgen *ids, struct tranship_error *err);
int diff_choose_lineage(struct diff *d, struct idgen *ids, struct tranship_error *err);
/* The output is known. */
int diff_choose_block(struct diff *d, struct tranship_error *err);
int diff_choose_digests(struct diff *d, struct tranship_error *err);

/* diff_plan.c */
int diff_plan(void *ctx, void *item, struct tranship_error *err);

/* diff_work.c */
int diff_work(void *ctx, void *worker, void *item, struct tranship_error *err);
int diff_worker_new(void *ctx, void **out, struct tranship_error *err);
void diff_worker_free(void *ctx, void *worker);
int diff_item_new(void *ctx, void **out, struct tranship_error *err);
void diff_item_free(void *ctx, void *item);

/* diff_sink.c: of an item, in order; and when all is through. */
int diff_sink_item(struct diff *d, struct diff_item *item, struct tranship_error *err);
int diff_sink_end(struct diff *d, struct tranship_error *err);

/* diff_commit.c */
int diff_commit(void *ctx, void *item, struct tranship_error *err);
/* The rest of what is told, behind the last item. */
void diff_told(struct diff *d);

/* How many threads compare: those that were asked for, or one a CPU up to a bound, because each of
 * them takes memory and few of them read as fast as memory is. */
unsigned diff_threads(const struct diff *d);

/* diff_run.c: runs the items; the sinks are open, and stay so. */
int diff_run(struct diff *d, const char *phase, struct tranship_error *err);

#endif
