/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work in order on many threads: items are planned one after the other, worked on side by side, and
 * committed in the order in which they were planned. The caller's thread commits, so what it sees
 * (and the error that it gets, if several items fail) does not depend on the number of threads.
 */
#ifndef COPY_PIPELINE_H
#define COPY_PIPELINE_H

#include "tranship/error.h"

struct pipeline_ops {
	/* How many items there are beside two for each worker, so that workers can run ahead of a
	 * commit that takes its time; 0: twelve. */
	unsigned spare_items;
	/* Fills in the next item. 1: it is one; 0: there are no more; negative: a code. One thread
	 * at a time. */
	int (*plan)(void *ctx, void *item, struct tranship_error *err);
	/* On any thread; `worker` is that thread's own. */
	int (*work)(void *ctx, void *worker, void *item, struct tranship_error *err);
	/* On the caller's thread, in order. 1: enough, stop without an error. */
	int (*commit)(void *ctx, void *item, struct tranship_error *err);
	/* On the caller's thread, while it waits, some times a second. Nonzero stops with that
	 * code. */
	int (*idle)(void *ctx, struct tranship_error *err);
	/* A stop is wanted: a plan that waits for input must return. */
	void (*cancel)(void *ctx);

	int (*worker_new)(void *ctx, void **worker, struct tranship_error *err);
	void (*worker_free)(void *ctx, void *worker);
	int (*item_new)(void *ctx, void **item, struct tranship_error *err);
	void (*item_free)(void *ctx, void *item);
};

/* threads: 1 does everything on the caller's thread; more are started beside it. */
int pipeline_run(const struct pipeline_ops *ops, void *ctx, unsigned threads,
		 struct tranship_error *err);

#endif
