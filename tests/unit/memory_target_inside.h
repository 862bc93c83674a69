/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_MEMORY_TARGET_INSIDE_H
#define TESTS_UNIT_MEMORY_TARGET_INSIDE_H

#include "memory_target.h"

/* With the lock held: an object was put, or removed; what is due becomes visible in listings. */
void memory_lag_note(struct memory_target *m, const struct object_info *info, bool there);
void memory_lag_settle(struct memory_target *m);

#endif
