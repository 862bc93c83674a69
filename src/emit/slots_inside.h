/* SPDX-License-Identifier: Apache-2.0 */
/* The indexes of slots that are kept, as the reading of records uses them. */
#ifndef EMIT_SLOTS_INSIDE_H
#define EMIT_SLOTS_INSIDE_H

#include "emit/slot.h"

/* One that is kept. Its index is constant while it is held. */
struct kept_slot {
	struct slot_index index;
	struct kept_slot *next;
	uint64_t used; /* when it was held last; counts up */
	unsigned holders;
	bool loading; /* its holder reads the index; nobody else looks at it */
};

/* Reads the index where it is not kept. slots_release it. */
int slots_hold(struct slots *s, const struct slot_id *id, struct kept_slot **out,
	       struct tranship_error *err);
void slots_release(struct slots *s, struct kept_slot *slot);
struct target *slots_target(const struct slots *s);
const struct store_keys *slots_keys(const struct slots *s);

/* TRANSHIP_ECORRUPT where the slot has no such record: what names it is wrong. */
int slots_check_ref(const struct slot_index *index, uint32_t record, struct tranship_error *err);

#endif
