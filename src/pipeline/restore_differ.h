/* SPDX-License-Identifier: Apache-2.0 */
/* Writing into what exists only what differs from it. */
#ifndef PIPELINE_RESTORE_DIFFER_H
#define PIPELINE_RESTORE_DIFFER_H

#include "core/writer.h"

/* Bytes of the disk. */
struct differ_count {
	uint64_t written;
	uint64_t same;
};

/*
 * A writer in front of `inner`, which it takes over on success: what it is given is compared with
 * `old`, the disk that stands where inner writes, and only what differs is passed on. `old` is read
 * on the thread that writes, ahead of what is written; it is taken over, too, unless it belongs to
 * inner. What of it cannot be read counts as different. *count lives as long as the writer.
 */
int differ_new(struct tranship_writer *inner, struct tranship_disk *old, bool owns_old,
	       struct differ_count *count, struct tranship_writer **out,
	       struct tranship_error *err);

#endif
