/* SPDX-License-Identifier: Apache-2.0 */
/* What a writer does just before it commits a point: docs/formats/store.md, "Writers and gc". */
#ifndef EMIT_COMMIT_CHECK_H
#define EMIT_COMMIT_CHECK_H

#include "emit/block_index.h"
#include "emit/manifest.h"

/*
 * Looks whether all these slots are there and none is marked as trash. *bad: those that are not, or
 * are, which must be stored again under other ids; NULL: there are none. It lists slots/ and trash/
 * once each and asks by key for what the listing of slots lacks.
 *
 * The lease must not be renewed between this and the commit, so that lease_check then says that
 * less than half the grace is between them.
 */
int commit_check(struct tranship_store *store, const struct manifest_slot *slots, size_t count,
		 struct slot_set **bad, struct tranship_error *err);

#endif
