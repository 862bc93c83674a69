/* SPDX-License-Identifier: Apache-2.0 */
/* The steps by which a layout is read, in this order; each adds its notes. */
#ifndef MBR_GPT_LAYOUT_INSIDE_H
#define MBR_GPT_LAYOUT_INSIDE_H

#include "mbr-gpt/layout.h"

/* Adds a sentence; 0 or TRANSHIP_ENOMEM. */
int layout_note(struct tranship_layout *layout, struct tranship_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Notes that something about a partition could not be made out, and returns 0; what is no word on
 * the disk (no memory, canceled) is returned. */
int layout_note_fault(struct tranship_layout *layout, const struct layout_partition *partition,
		      int rc, const struct tranship_error *fault, struct tranship_error *err);

/* layout_tables.c: which table counts, and its partitions. */
int layout_read_tables(struct tranship_layout *layout, struct tranship_error *err);
/* layout_esp.c: what the EFI system partition has. */
int layout_read_esp(struct tranship_layout *layout, struct tranship_error *err);
/* layout_boots.c: what starts the disk. */
int layout_read_boots(struct tranship_layout *layout, struct tranship_error *err);

#endif
