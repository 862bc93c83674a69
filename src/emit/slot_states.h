/* SPDX-License-Identifier: Apache-2.0 */
/* Which slots were found to be readable and which not: asking a server once a slot is enough. */
#ifndef EMIT_SLOT_STATES_H
#define EMIT_SLOT_STATES_H

#include "emit/slot.h"

struct slot_states;
int slot_states_new(struct slot_states **out, struct tranship_error *err);
void slot_states_free(struct slot_states *states);

/* *sound: whether the slot is there and its index can be read. What says nothing of the slot (no
 * memory, no rights) is an error. Any number of threads. */
int slot_states_ask(struct slot_states *states, struct slots *slots, const struct slot_id *id,
		    bool *sound, struct tranship_error *err);

#endif
