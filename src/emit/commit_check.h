/* SPDX-License-Identifier: Apache-2.0 */
/* What a writer looks at just before its commit: whether every slot that its point names is in the
 * store and not marked as trash. docs/formats/store.md, "Writers and gc". */
#ifndef EMIT_COMMIT_CHECK_H
#define EMIT_COMMIT_CHECK_H

#include "emit/block_index.h"
#include "emit/manifest.h"

/* The slots among these that a point must not name, as a new set. */
int commit_check(struct tranship_store *store, const struct manifest_slot *slots, size_t count,
		 struct slot_set **bad, struct tranship_error *err);

/* All slots that are marked as trash, as a new set. */
int trash_list(struct tranship_store *store, struct slot_set **out, struct tranship_error *err);

#endif
