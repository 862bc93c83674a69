// SPDX-License-Identifier: Apache-2.0
#include "copy/meter.h"

#include "base/error.h"

#include <time.h>

#define REPORT_NS (100 * 1000 * 1000)

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

void meter_start(struct meter *m, const struct tranship_copy_options *options, const char *phase,
		 uint64_t total)
{
	*m = (struct meter){ .options = options, .progress = { .phase = phase, .total = total } };
	m->started_ns = now_ns();
}

static int report(struct meter *m, struct tranship_error *err)
{
	const struct tranship_copy_options *o = m->options;

	if (o->progress && o->progress(o->progress_ctx, &m->progress))
		return error_set(err, TRANSHIP_ECANCELED, "canceled");
	return 0;
}

int meter_tick(struct meter *m, struct tranship_error *err)
{
	uint64_t now;

	if (!m->options->progress)
		return 0;
	now = now_ns();
	if (now - m->reported_ns < REPORT_NS)
		return 0;
	m->reported_ns = now;
	return report(m, err);
}

int meter_add(struct meter *m, uint64_t len, uint64_t data, struct tranship_error *err)
{
	m->progress.done += len;
	m->progress.data += data;
	for (;;) {
		uint64_t elapsed, due;
		struct timespec nap = { .tv_nsec = REPORT_NS };
		int rc = meter_tick(m, err);

		if (rc || m->options->rate == 0)
			return rc;
		elapsed = now_ns() - m->started_ns;
		due = (uint64_t)((double)m->progress.data * 1e9 / (double)m->options->rate);
		if (due <= elapsed)
			return 0;
		if (due - elapsed < REPORT_NS)
			nap.tv_nsec = (long)(due - elapsed);
		nanosleep(&nap, NULL);
	}
}

int meter_end(struct meter *m, struct tranship_error *err)
{
	m->progress.done = m->progress.total;
	return report(m, err);
}
