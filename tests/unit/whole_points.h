/* SPDX-License-Identifier: Apache-2.0 */
/* Points as a run leaves them: a disk's content, the table, the slots that it uses, committed. */
#ifndef TESTS_UNIT_WHOLE_POINTS_H
#define TESTS_UNIT_WHOLE_POINTS_H

#include "points_made.h"

/* Fills in the slots of a manifest by going through its table. */
void whole_uses(struct tranship_store *store, struct manifest *m);
/* Commits a point of this content; before NULL: it is the first. *out is to be freed. */
void whole_point(struct made *m, const char *disk, const unsigned char *content, size_t size,
		 const struct manifest *before, const unsigned char *content_before,
		 struct manifest *out);
/* All of a point's content, read as a disk; malloc'ed. */
unsigned char *whole_content(struct tranship_store *store, const char *id, size_t size);

#endif
