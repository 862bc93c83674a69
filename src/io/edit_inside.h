/* SPDX-License-Identifier: Apache-2.0 */
/* What edit.c (the transaction) and edit_open.c (the place) share. */
#ifndef IO_EDIT_INSIDE_H
#define IO_EDIT_INSIDE_H

#include "io/edit.h"
#include "io/edit_pages.h"

struct edit {
	struct journal_site site;
	struct edit_pages pages;
	struct tranship_file
		*file;       /* what edit_file gives; its size is that after the transaction */
	uint64_t medium_len; /* the length on the medium now */
	uint64_t undo_len;   /* and before anything was written free */
	/* The other files of the image, whose notes follow this one's (edit_join). */
	struct edit *parts;
	struct edit *next_part;
	bool free_unsynced;
	bool zero_surely;
	bool recovered;
	bool failed;
};

extern const struct tranship_file_ops edit_file_ops;

int edit_refuse_failed(struct tranship_error *err);

/* Changes what of the range stands in a page of the transaction. */
void edit_put_pages(struct edit *e, uint64_t off, const unsigned char *from, size_t len);

#endif
