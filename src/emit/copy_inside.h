/* SPDX-License-Identifier: Apache-2.0 */
/* Copying points from one store to another. */
#ifndef EMIT_COPY_INSIDE_H
#define EMIT_COPY_INSIDE_H

#include "copy/meter.h"
#include "emit/block_index.h"
#include "emit/lease.h"
#include "emit/manifest.h"
#include "emit/page.h"
#include "emit/sink.h"
#include "emit/slot_uses.h"

/* A record on its way. */
struct copy_record {
	struct record_ref from;
	struct record_ref to; /* where it is in the end */
	uint32_t raw;
	uint8_t subs; /* the most that a unit wants of it, and one */
};

struct copy_pool;

struct copying {
	struct tranship_store *from, *to;
	struct lease *lease;
	struct sink *sink;
	struct block_index *index;
	struct copy_pool *pool;
	struct slots_scratch *scratch; /* for pages; of any store */
	struct slot_uses uses;         /* of the point that is made */
	struct tranship_copy_options options;
	struct meter meter;
};

/* Threads that read records from one store, and name and pack them for the other. */
int copy_pool_new(struct tranship_store *from, struct tranship_store *to, struct block_index *index,
		  unsigned threads, struct copy_pool **out, struct tranship_error *err);
void copy_pool_free(struct copy_pool *pool);
/* Finds or stores each record in the other store. */
int copy_records(struct copying *c, struct copy_record *records, size_t count,
		 struct tranship_error *err);

/* What a page is made from: itself, and the same page of the point before it in both stores, which
 * are there or not together. */
struct copy_pages {
	struct page_ref from, from_base, to_base;
};
/* c->uses begins as the base's and ends as the point's. */
int copy_table(struct copying *c, uint32_t level, const struct copy_pages *roots, uint64_t size,
	       struct page_ref *out, struct tranship_error *err);

#endif
