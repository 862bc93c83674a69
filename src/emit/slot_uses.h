/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many units and pages of a point are in each slot: what its manifest lists. A run begins with
 * the predecessor's and changes what it replaces, so the list is exact without walking the table.
 */
#ifndef EMIT_SLOT_USES_H
#define EMIT_SLOT_USES_H

#include "emit/manifest.h"

struct slot_uses;
/* From the list of a predecessor; NULL, 0: empty. */
int slot_uses_new(const struct manifest_slot *slots, size_t count, struct slot_uses **out,
		  struct tranship_error *err);
void slot_uses_free(struct slot_uses *u);
/* TRANSHIP_ECORRUPT: fewer are known than are taken away. */
int slot_uses_change(struct slot_uses *u, const struct slot_id *id, int64_t by,
		     struct tranship_error *err);
/* Those that are used, ascending by id; malloc'ed. */
int slot_uses_list(const struct slot_uses *u, struct manifest_slot **out, size_t *count,
		   struct tranship_error *err);

#endif
