/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changed blocks, ascending, into the records of a delta file: each as large as can be, packed on
 * threads of their own, and written in order on the caller's. What is written does not depend on
 * the number of threads.
 */
#ifndef DELTA_PACKER_H
#define DELTA_PACKER_H

#include "delta/delta_file.h"

/* Changed blocks as they were found; the pointers lend. */
struct changed {
	uint64_t off;
	uint32_t blocks;
	enum record_piece_kind kind;
	uint8_t lineage;
	const unsigned char *data;        /* of RECORD_DATA */
	const unsigned char *old_digests; /* one a block */
	const unsigned char *new_digests; /* one a block of RECORD_DATA */
};

struct packer;

/* The writer stays the caller's. `threads` 1: everything on the caller's; level as for
 * record_builder_new. */
int packer_new(struct delta_writer *writer, const struct record_rule *rule, int level,
	       unsigned threads, struct packer **out, struct tranship_error *err);
/* Waits where too many records are under way. */
int packer_add(struct packer *p, const struct changed *c, struct tranship_error *err);
/* Writes what is left. */
int packer_finish(struct packer *p, struct tranship_error *err);
void packer_free(struct packer *p);

#endif
