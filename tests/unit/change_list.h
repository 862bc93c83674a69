/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of lists of changes share. */
#ifndef TESTS_UNIT_CHANGE_LIST_H
#define TESTS_UNIT_CHANGE_LIST_H

#include "support.h"

#include "base/buffer.h"
#include "heap.h"

/* Reads a list that is in memory. */
int list_read(const void *text, size_t len, const struct tranship_changes_options *options,
	      struct tranship_changes **out, struct tranship_error *err);

/* "off+len off+lenz": zeros are marked with z. malloc'ed. */
char *list_text(const struct tranship_changes *set);
/* Fails unless it is that. */
void list_check(struct tranship_changes *set, const char *want);

/* A list of a disk of 10000 bytes with blocks of 512, and what becomes of it. */
struct list_case {
	const char *format, *text;
	int code;
	const char *piece; /* of the message; where the code is 0 the set */
};
void list_check_cases(const struct list_case *cases, size_t count);

/* Reads a list and frees it; what it took of the heap, where that is watched. */
struct heap_seen list_read_watched(struct buffer *text,
				   const struct tranship_changes_options *options, int *rc,
				   struct tranship_changes **out, struct tranship_error *err);

#endif
