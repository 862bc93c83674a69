/* SPDX-License-Identifier: Apache-2.0 */
/* One replication run, inside. */
#ifndef PIPELINE_REPLICATE_INSIDE_H
#define PIPELINE_REPLICATE_INSIDE_H

#include "emit/commit_check.h"
#include "emit/put.h"
#include "emit/trash.h"
#include "pipeline/checkpoint.h"
#include "tranship/pipeline.h"

/* Leaves that are done, but whose slots are on their way. */
struct replication_section {
	uint64_t next_leaf;
	uint64_t sent; /* it counts when this many slots are stored */
	struct put_page *pages;
	size_t count, cap;
	struct put_counts counts;
};

struct replication {
	const struct tranship_replicate_options *o;
	struct tranship_disk *source;
	struct tranship_store *store;
	struct tranship_replicate_result *result;
	unsigned threads;
	/* The last point of the disk. */
	bool has_last;
	struct manifest last;
	struct tranship_error last_fault; /* code 0: its manifest is whole; else it has no slots */
	unsigned char last_digest[32];
	struct table *old;
	struct manifest_boot *boot; /* the plan through which the source is read; NULL: none */
	/* What changed, in whole blocks; NULL: all is read. */
	struct tranship_changes *changes;
	char files[SOURCE_ID_TEXT];     /* of the source, as the run began; "": not known */
	char source_id[SOURCE_ID_TEXT]; /* what the checkpoint calls the source; "": not known */
	struct digest_seed seed;
	struct lease lease;
	bool leased;
	struct slot_set *bad;
	struct block_index *index;
	struct slot_uses uses;
	struct sink *sink;
	struct checkpoint checkpoint;
	bool checkpointed; /* there is one, and it is being written */
	struct replication_section gathered, waiting;
	uint64_t sent_before; /* slots, at the last section */
	struct put_counts counts;
	struct table_root root;
	uint64_t sent; /* bytes, by sinks that are closed */
	uint64_t slots;
	struct tranship_copy_options meter_options;
	struct meter meter;
};

/* replicate_method.c: what is read. */
int replication_choose_method(struct replication *run, struct tranship_error *err);

/* replicate_boot.c. What the run's plan is remembered as; TRANSHIP_EINVAL: it is none of this
 * source. */
int replication_take_boot(struct replication *run, struct tranship_error *err);
/* How the source is looked at, with the plan; malloc'ed. */
int replication_view(const struct replication *run, char **out, struct tranship_error *err);
/* Adds the ranges in which the last point's plan and this run's differ. */
int replication_add_boot(const struct replication *run, struct tranship_changes *to,
			 struct tranship_error *err);

/* replicate_last.c: opens the last point's table; where it is damaged the run does without, and
 * reads all. The trash is known, the method is chosen. */
int replication_open_last(struct replication *run, struct tranship_error *err);

/* replicate_checkpoint.c. Looks whether there is one to go on from, and takes the lease; */
int replication_checkpoint_open(struct replication *run, struct tranship_error *err);
/* and begins this run's, when it is known what of the old one counts. Nothing is stored before. */
int replication_checkpoint_begin(struct replication *run, struct tranship_error *err);
/* put_params.leaf_done and idle; ctx is the run. */
int replication_leaf_done(void *ctx, uint64_t leaf, const struct page_ref *ref,
			  struct tranship_error *err);
int replication_idle(void *ctx, struct tranship_error *err);
void replication_checkpoint_fini(struct replication *run);

/* replicate_store.c: reads, stores, and does again what gc took away meanwhile. */
int replication_store(struct replication *run, struct tranship_error *err);

/* What is one slot's number for a run of this epoch. */
static inline uint64_t replication_first_slot(uint32_t epoch)
{
	return (uint64_t)epoch << 32 | 1;
}

#endif
