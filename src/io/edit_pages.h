/* SPDX-License-Identifier: Apache-2.0 */
/* The pages that a transaction changes, in memory: a sorted array, because the journal is sorted.
 */
#ifndef IO_EDIT_PAGES_H
#define IO_EDIT_PAGES_H

#include "io/journal.h"

struct edit_pages {
	struct journal_page *list; /* ascending */
	size_t count, cap;
	size_t max; /* pages */
};

/* The first entry with a page of at least `page`; count if there is none. */
size_t edit_pages_from(const struct edit_pages *p, uint64_t page);

/* The bytes of the page, NULL if it is not there. */
unsigned char *edit_pages_get(const struct edit_pages *p, uint64_t page);

/* Adds a page that is not there; its bytes are undefined. TRANSHIP_ELIMIT: there are too many. */
int edit_pages_add(struct edit_pages *p, uint64_t page, unsigned char **bytes,
		   struct tranship_error *err);

void edit_pages_remove(struct edit_pages *p, uint64_t page);

void edit_pages_clear(struct edit_pages *p);

#endif
