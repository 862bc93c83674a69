/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of records into a store: they are collected in slots, one being filled for blocks and one
 * for pages; a full slot is sealed and put by one of a few threads of the sink's own. Where a
 * record will be is known when it is added, before its slot is stored.
 *
 * Threads: one thread adds. An error of a put comes from the next call.
 */
#ifndef EMIT_SINK_H
#define EMIT_SINK_H

#include "emit/lease.h"
#include "emit/slot.h"

struct sink_params {
	struct tranship_store *store;
	unsigned char writer[WRITER_ID_SIZE]; /* the lease's */
	uint64_t first;                       /* number of the first slot; 1 for a new writer */
	unsigned uploads;                     /* slots on their way at once; 0: 2 */
};

struct sink;
int sink_new(const struct sink_params *params, struct sink **out, struct tranship_error *err);
/* What was not drained is given up. NULL is accepted. */
void sink_free(struct sink *s);
/* entry->off is ignored. */
int sink_add(struct sink *s, const struct slot_entry *entry, const void *stored,
	     struct record_ref *out, struct tranship_error *err);
/* Sends the slots that are being filled on their way, full or not. */
int sink_flush(struct sink *s, struct tranship_error *err);
/* How many slots were sent; and how many of them, counted from the first, are stored. */
uint64_t sink_sent(const struct sink *s);
uint64_t sink_stored(struct sink *s);
/* Flushes, and waits until all is stored. */
int sink_drain(struct sink *s, struct tranship_error *err);
/* Bytes that were put. */
uint64_t sink_bytes(struct sink *s);

#endif
