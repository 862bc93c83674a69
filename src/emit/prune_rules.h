/* SPDX-License-Identifier: Apache-2.0 */
/* Which points of a disk stay: the newest of each hour, day, week, month and year, counted from the
 * newest point back. In UTC; weeks begin on Monday, as ISO 8601 has them. */
#ifndef EMIT_PRUNE_RULES_H
#define EMIT_PRUNE_RULES_H

#include "tranship/store.h"

/* Rules are bits. */
enum {
	PRUNE_NEWEST = 1U << 0,
	PRUNE_TAG = 1U << 1,
	PRUNE_LAST = 1U << 2,
	PRUNE_HOURLY = 1U << 3,
	PRUNE_DAILY = 1U << 4,
	PRUNE_WEEKLY = 1U << 5,
	PRUNE_MONTHLY = 1U << 6,
	PRUNE_YEARLY = 1U << 7,
};
#define PRUNE_PERIODS 6U

/* What one disk has used up of each rule. */
struct prune_state {
	unsigned left[PRUNE_PERIODS];
	int64_t period[PRUNE_PERIODS]; /* that was kept last */
	bool any[PRUNE_PERIODS];
	bool begun;
};

void prune_begin(struct prune_state *s, const struct tranship_prune_options *options);
/* The next older point: which rules keep it; 0: none. time_us: microseconds since 1970. */
unsigned prune_next(struct prune_state *s, int64_t time_us, bool tagged);
/* "last, daily"; "" for 0. `text` has 80 bytes. */
const char *prune_why(unsigned rules, char *text);

#endif
