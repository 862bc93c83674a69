// SPDX-License-Identifier: Apache-2.0
#include "io/edit_pages.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

size_t edit_pages_from(const struct edit_pages *p, uint64_t page)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->list[middle].page < page)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

unsigned char *edit_pages_get(const struct edit_pages *p, uint64_t page)
{
	size_t at = edit_pages_from(p, page);

	return at < p->count && p->list[at].page == page ? p->list[at].bytes : NULL;
}

static int grow(struct edit_pages *p, struct tranship_error *err)
{
	size_t cap = p->cap ? p->cap * 2 : 16;
	struct journal_page *list;

	if (p->count < p->cap)
		return 0;
	list = realloc(p->list, cap * sizeof(*list));
	if (!list)
		return error_nomem(err, cap * sizeof(*list));
	p->list = list;
	p->cap = cap;
	return 0;
}

int edit_pages_add(struct edit_pages *p, uint64_t page, unsigned char **bytes,
		   struct tranship_error *err)
{
	size_t at = edit_pages_from(p, page);
	int rc;

	if (p->count >= p->max)
		return error_set(err, TRANSHIP_ELIMIT,
				 "a change in place of more than %zu KiB at once is not possible",
				 p->max * (JOURNAL_PAGE / 1024));
	rc = grow(p, err);
	if (rc)
		return rc;
	*bytes = malloc(JOURNAL_PAGE);
	if (!*bytes)
		return error_nomem(err, JOURNAL_PAGE);
	memmove(&p->list[at + 1], &p->list[at], (p->count - at) * sizeof(*p->list));
	p->list[at] = (struct journal_page){ page, *bytes };
	p->count++;
	return 0;
}

void edit_pages_remove(struct edit_pages *p, uint64_t page)
{
	size_t at = edit_pages_from(p, page);

	if (at >= p->count || p->list[at].page != page)
		return;
	free(p->list[at].bytes);
	p->count--;
	memmove(&p->list[at], &p->list[at + 1], (p->count - at) * sizeof(*p->list));
}

void edit_pages_clear(struct edit_pages *p)
{
	size_t i;

	for (i = 0; i < p->count; i++)
		free(p->list[i].bytes);
	free(p->list);
	p->list = NULL;
	p->count = p->cap = 0;
}
