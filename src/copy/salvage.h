/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying what can be read of a damaged disk: a read that fails is tried again in halves, down to
 * sectors, and what is lost is noted with the run that it belongs to and reported in order.
 */
#ifndef COPY_SALVAGE_H
#define COPY_SALVAGE_H

#include "tranship/copy.h"

#include <stdatomic.h>

/* A range of the disk that could not be read. */
struct lost_range {
	uint64_t off;
	uint64_t len;
	struct tranship_error why;
};

/* What is lost of a run, ascending; ranges that touch are one. */
struct lost_list {
	struct lost_range *ranges;
	size_t count, cap;
};

void lost_list_free(struct lost_list *list);
int lost_list_add(struct lost_list *list, uint64_t off, uint64_t len,
		  const struct tranship_error *why, struct tranship_error *err);

/* Reads len bytes at off; what cannot be read is zeros and in the list. TRANSHIP_ECANCELED once
 * *stop is set. */
int salvage_read(struct tranship_disk *disk, struct tranship_scratch *scratch,
		 const atomic_bool *stop, uint64_t off, unsigned char *buf, size_t len,
		 struct lost_list *lost, struct tranship_error *err);

/* Joins what is lost of one run with what is lost of the next. */
struct lost_report {
	tranship_lost_fn *fn; /* NULL: nobody asks */
	void *ctx;
	struct lost_range last; /* not yet told; len 0: none */
};

void lost_report_add(struct lost_report *report, const struct lost_list *list);
void lost_report_end(struct lost_report *report);

#endif
