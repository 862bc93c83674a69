/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EMIT_TRASH_H
#define EMIT_TRASH_H

#include "emit/block_index.h"

/* All slots that are marked as trash, as a new set. */
int trash_list(struct tranship_store *store, struct slot_set **out, struct tranship_error *err);

#endif
