/* SPDX-License-Identifier: Apache-2.0 */
/* What changes a FAT32 volume, below its directories: clusters taken and freed, bytes put. */
#ifndef MBR_GPT_FAT_WRITER_H
#define MBR_GPT_FAT_WRITER_H

#include "mbr-gpt/fat_table.h"

struct fat_writer {
	struct fat *fat;
	struct patches *patches;
	const char *reason;
	uint32_t cursor; /* no cluster below it is free */
	uint32_t taken, freed;
	uint32_t last; /* that was taken; 0: none */
};

/* Puts bytes at an offset of the volume. */
int fat_writer_put(struct fat_writer *w, uint64_t off, const void *bytes, size_t len,
		   struct tranship_error *err);

/* Takes the lowest free cluster and ends a chain with it; behind `previous` unless that is 0.
 * TRANSHIP_ELIMIT: there is none. */
int fat_writer_take(struct fat_writer *w, uint32_t previous, uint32_t *out,
		    struct tranship_error *err);

/* Takes clusters for len bytes and puts these there, zeros behind them; *first is 0 for none. */
int fat_writer_store(struct fat_writer *w, const void *bytes, size_t len, uint32_t *first,
		     struct tranship_error *err);

/* Takes one cluster of zeros, behind `previous` unless that is 0. */
int fat_writer_blank(struct fat_writer *w, uint32_t previous, uint32_t *out,
		     struct tranship_error *err);

/* Frees the clusters of a file; before any is taken. */
int fat_writer_free(struct fat_writer *w, const struct fat_entry *file, struct tranship_error *err);

/* Makes FSInfo right for what was taken and freed, and its copy beside the backup boot sector. */
int fat_writer_finish(struct fat_writer *w, struct tranship_error *err);

#endif
