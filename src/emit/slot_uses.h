/* SPDX-License-Identifier: Apache-2.0 */
/* How often a point uses each slot: what a manifest lists, while it is counted. */
#ifndef EMIT_SLOT_USES_H
#define EMIT_SLOT_USES_H

#include "emit/manifest.h"

/* Zero-initialise it. */
struct slot_uses {
	struct manifest_slot *at; /* open addressing; empty: `taken` is not set */
	unsigned char *taken;
	size_t count, cap;
};

void slot_uses_free(struct slot_uses *u);
/* Adds `more`, which may be negative (as two's complement). */
int slot_uses_add(struct slot_uses *u, const struct slot_id *id, uint64_t more,
		  struct tranship_error *err);
/* 0: not there. */
uint64_t slot_uses_of(const struct slot_uses *u, const struct slot_id *id);
int slot_uses_add_all(struct slot_uses *u, const struct manifest_slot *slots, size_t count,
		      struct tranship_error *err);
/* Those that are used, ascending; malloc'ed. */
int slot_uses_list(const struct slot_uses *u, struct manifest_slot **slots, size_t *count,
		   struct tranship_error *err);

#endif
