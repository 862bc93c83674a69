/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a run got, in a local file: a line of JSON that says whose it is, then sections, each
 * appended when all that it names is stored. A section is a line for each leaf of the block table
 * that the run made, and a line that ends it with a check of the section. What is behind the last
 * whole section is as if it was not there. The file is locked while a run has it.
 */
#ifndef PIPELINE_CHECKPOINT_H
#define PIPELINE_CHECKPOINT_H

#include "emit/lease.h"
#include "emit/put.h"
#include "pipeline/source.h"

/* Whose it is. A checkpoint of another store, disk, or last point is of no use. */
struct checkpoint_head {
	char store[40];
	char disk[TRANSHIP_ID_MAX + 1];
	char base[64];                /* the id of the point that is built upon; "": none */
	char source[SOURCE_ID_TEXT];  /* "": not known */
	char changes[SOURCE_ID_TEXT]; /* a digest of those that were given; "": all was read */
	uint64_t size;
	unsigned char writer[WRITER_ID_SIZE];
	/* The slots of each run have numbers of their own. By chance, not counted: of a checkpoint
	 * there may be copies (a home that was restored or cloned). */
	uint32_t epoch;
	struct digest_seed seed;
};

struct checkpoint {
	char *path;
	int fd, old_fd;
	bool made; /* there was none: old_fd is an empty file, for the lock */
	struct checkpoint_head head;
	/* What interrupted runs did. */
	uint64_t next_leaf; /* all before it are done */
	struct put_page *pages;
	size_t page_count, page_cap;
	struct put_counts counts;
};

/*
 * Reads what is there, if anything. `found`: there was a checkpoint of this store and disk: head
 * and pages are its. Where there is none the file is made, and removed by checkpoint_close unless
 * the run begins its own. TRANSHIP_EBUSY: another run has it.
 */
int checkpoint_open(const char *path, struct checkpoint *out, bool *found,
		    struct tranship_error *err);
/* Begins the file anew with the head and, below next_leaf, the pages that are in it. */
int checkpoint_begin(struct checkpoint *cp, struct tranship_error *err);
/* Another section: all leaves before `next_leaf` are done, these pages were made since. */
int checkpoint_add(struct checkpoint *cp, uint64_t next_leaf, const struct put_page *pages,
		   size_t count, const struct put_counts *counts, struct tranship_error *err);
/* The run is over: removes the file. */
int checkpoint_remove(struct checkpoint *cp, struct tranship_error *err);
/* Closes; the file stays. A zeroed one is accepted. */
void checkpoint_close(struct checkpoint *cp);

#endif
