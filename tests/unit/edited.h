/* SPDX-License-Identifier: Apache-2.0 */
/* A file in a recording folder that tests of changes in place work on, and the change that they
 * make. */
#ifndef TESTS_UNIT_EDITED_H
#define TESTS_UNIT_EDITED_H

#include "recording.h"

#include "io/edit.h"
#include "io/journal.h"

#define PAGE 4096U
#define SIZE (6 * PAGE + 300)

/* Before and after the change. */
extern unsigned char initial[SIZE], changed[SIZE];

/* Fills both; a group's setup. */
int edited_content(void **state);

/* Two pages change. */
int change(struct edit *e, struct tranship_error *err);

/* A folder in which "disk" is `initial`. */
struct recording *make_disk(void);
struct edit *open_disk(struct recording *rec);
bool disk_is(const struct recording *rec, const unsigned char *bytes);
bool has_journal(const struct recording *rec);
int recover_disk(struct recording *rec, bool *found, struct tranship_error *err);

#endif
