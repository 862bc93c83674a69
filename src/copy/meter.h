/* SPDX-License-Identifier: Apache-2.0 */
/* Progress, cancellation and the rate limit of a long operation; used on the caller's thread only.
 */
#ifndef COPY_METER_H
#define COPY_METER_H

#include "tranship/copy.h"

struct meter {
	const struct tranship_copy_options *options;
	struct tranship_progress progress;
	uint64_t started_ns;
	uint64_t reported_ns;
};

void meter_start(struct meter *m, const struct tranship_copy_options *options, const char *phase,
		 uint64_t total);

/* len more bytes are through, `data` of them data. Waits where the rate says so.
 * TRANSHIP_ECANCELED. */
int meter_add(struct meter *m, uint64_t len, uint64_t data, struct tranship_error *err);

/* Reports if it is time. TRANSHIP_ECANCELED. */
int meter_tick(struct meter *m, struct tranship_error *err);

/* The last report, with everything done. */
int meter_end(struct meter *m, struct tranship_error *err);

#endif
