/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging deltas that follow each other, inside: all of them are open at once, each stands at its
 * next block, and the blocks are taken in order. A block that several deltas have must be to each
 * of them what the one before left; its result is what the first of them found and what the last
 * one made of it. merge.c has what is around that, merge_blocks.c the pass itself.
 */
#ifndef DELTA_MERGE_H
#define DELTA_MERGE_H

#include "copy/meter.h"
#include "delta/delta_file.h"
#include "delta/packer.h"
#include "io/output.h"

/* Each holds a record, of up to a MiB and a half, in memory. */
#define MERGE_MAX 32U

struct merge_source {
	const char *name;
	struct tranship_file *file;
	struct delta *delta;
	uint8_t lineages[DELTA_LINEAGES_MAX]; /* which of the result's each of its own is */
	struct record record;
	uint64_t record_off;
	/* The block that it stands at; UINT64_MAX: it is through. */
	uint64_t off;
	uint32_t piece, in_piece; /* of the record's pieces, of that one's blocks */
	uint32_t block, data;     /* which of the record's blocks it is, and of those of data */
};

struct merge {
	const struct tranship_merge_options *options;
	struct tranship_diff_result *result;
	struct merge_source sources[MERGE_MAX];
	size_t count;
	struct delta_head head;
	struct record_rule rule;
	struct digester digesters[DELTA_LINEAGES_MAX];
	int level;
	struct unpacker *unpacker;
	struct packer *packer;
	struct output *output;
	struct delta_writer *writer;
	/* A stretch of the result that may go on. */
	uint64_t told_off, told_end;
	enum record_piece_kind told_kind;
	uint64_t metered; /* bytes of the disk that the meter knows of */
	struct meter meter;
};

/* Takes all blocks of all sources, and writes what comes of them. */
int merge_blocks(struct merge *m, struct tranship_error *err);

#endif
