/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a disk into runs: what is worth a worker's turn, and what need not be read at all. */
#ifndef COPY_PLAN_H
#define COPY_PLAN_H

#include "tranship/copy.h"
#include "tranship/disk.h"

#define RUN_SIZE TRANSHIP_SPARSE_MAX

/* Holes shorter than this are read along with their neighbours. */
#define HOLE_MIN (64U << 10)

/*
 * Walks the map of one disk. Beyond its end everything is zeros.
 *
 * `salvage`: where the map fails one cluster is lost (where there are no clusters, a stretch is
 * data and reading it shows what is lost). A pipe's map knows itself what is lost: it must not
 * fail.
 */
struct map_cursor {
	struct tranship_disk *disk;
	bool salvage;
	struct tranship_extent extent; /* the last one that was asked for */
	struct tranship_error why;     /* what its map failed with; code 0: it did not */
};

/* What [off, ...) is, and where that ends: TRANSHIP_DATA, TRANSHIP_ZERO for all that reads as
 * zeros, TRANSHIP_LOST with `salvage` only. */
int map_cursor_kind(struct map_cursor *cursor, uint64_t off, enum tranship_extent_kind *kind,
		    uint64_t *end, struct tranship_error *err);

/* Whether [off, ...) is data, and where that ends. */
int map_cursor_at(struct map_cursor *cursor, uint64_t off, bool *data, uint64_t *end,
		  struct tranship_error *err);

struct plan {
	struct map_cursor cursor;
	struct map_cursor base; /* what the output is laid over; its disk NULL: nothing */
	uint64_t off;           /* where the next run begins */
	uint64_t end;           /* the size of what is produced, at least that of the disk */
	uint32_t unit;          /* runs begin and end at its multiples */
	bool all_data;          /* zeros are data, too */
};

struct run {
	uint64_t off;
	uint64_t len;              /* of data: at most RUN_SIZE, or one unit */
	bool data;                 /* it is read and put; or zeros are put, if it is lost */
	bool lost;                 /* nothing is to be read */
	struct tranship_error why; /* lost: why, if the map said so; else code 0 */
};

/* 1: a run; 0: the end; negative: a code. */
int plan_next_run(struct plan *plan, struct run *run, struct tranship_error *err);

#endif
