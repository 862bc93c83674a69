/* SPDX-License-Identifier: Apache-2.0 */
/* This machine's files as a medium for in-place work, one call of which fails. */
#ifndef TESTS_UNIT_FAILING_MEDIUM_H
#define TESTS_UNIT_FAILING_MEDIUM_H

#include "io/journal_medium.h"

#include <stdatomic.h>

struct failing {
	struct medium medium;
	/* Which call fails, 1: the first; 0: none. Of all, with EIO; of writes, with ENOSPC, and
	 * all behind it, too; of syncs of files and folders, with EIO. */
	unsigned fail, fail_write, fail_sync;
	unsigned fail_rename; /* and nothing is renamed or removed behind it */
	atomic_uint calls;    /* workers read side by side */
	unsigned writes, syncs, renames;
	atomic_bool failed;
};

void failing_init(struct failing *f, unsigned fail);

#endif
