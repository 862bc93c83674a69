/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of rows, one a block: its name, where it is, how long it is. The cache of a store's slot
 * indexes is one (name "blocks", in the store's folder of the cache), shared by all runs of a user;
 * what a run adds itself stands in another, unnamed one, until its slots are stored and the next
 * run reads them. Rows are checked; a row that is damaged is passed over.
 */
#ifndef EMIT_BLOCK_ROWS_H
#define EMIT_BLOCK_ROWS_H

#include "emit/slot.h"

#define BLOCK_ROW_SIZE 72U

/* raw 0: no block; it says that the index of the slot was read. */
struct block_row {
	unsigned char name[NAME_SIZE];
	struct record_ref at;
	uint32_t raw;
};

struct block_rows;
/* folder NULL: an unnamed file in the folder for temporary files. A named one is locked until it
 * is settled; where another has it that is an error. */
int block_rows_open(const char *folder, struct block_rows **out, struct tranship_error *err);
void block_rows_close(struct block_rows *rows);
uint64_t block_rows_count(const struct block_rows *rows);
/* Any thread, for rows that were added before. false: the row is damaged. */
bool block_rows_get(const struct block_rows *rows, uint64_t number, struct block_row *out);
/* Rows are buffered; they can be read at once. */
int block_rows_add(struct block_rows *rows, const struct block_row *row,
		   struct tranship_error *err);
/* Puts what is buffered into the file and lets others have it. */
int block_rows_settle(struct block_rows *rows, struct tranship_error *err);
/* Begins anew: no rows. */
int block_rows_clear(struct block_rows *rows, struct tranship_error *err);

#endif
