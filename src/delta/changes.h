/* SPDX-License-Identifier: Apache-2.0 */
/* A set of changes from inside; tranship/changes.h has the rest. */
#ifndef DELTA_CHANGES_H
#define DELTA_CHANGES_H

#include "base/ranges.h"
#include "tranship/changes.h"

#define CHANGES_ORIGIN_MAX 31

struct tranship_changes {
	uint64_t size;
	char origin[CHANGES_ORIGIN_MAX + 1];
	char base_id[TRANSHIP_ID_MAX + 1];
	char target_id[TRANSHIP_ID_MAX + 1];
	struct ranges set;
};

/* Offsets of a disk, and where they end, have to fit. */
#define CHANGES_SIZE_MAX ((uint64_t)INT64_MAX)

#endif
