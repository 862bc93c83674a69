/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of a delta file share. */
#ifndef DELTA_DELTA_INSIDE_H
#define DELTA_DELTA_INSIDE_H

#include "delta/delta_file.h"

struct tranship_file *delta_of_file(const struct delta *d);

/* The first entry of the index that begins at off or behind it: 1; 0: there is none. */
int delta_next_entry(struct delta *d, uint64_t off, struct delta_entry *out,
		     struct tranship_error *err);

/* Whether the entry is of this record. */
int delta_match_entry(const struct delta_entry *e, const struct record_head *h,
		      struct tranship_error *err);

#endif
