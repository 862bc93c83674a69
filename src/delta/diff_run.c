// SPDX-License-Identifier: Apache-2.0
#include "base/checked.h"
#include "base/cpus.h"
#include "base/error.h"
#include "copy/pipeline.h"
#include "core/disk.h"
#include "delta/diff.h"

#define THREADS_DEFAULT_MAX 8U

static int diff_idle(void *ctx, struct tranship_error *err)
{
	return meter_tick(&((struct diff *)ctx)->meter, err);
}

static void diff_cancel(void *ctx)
{
	struct diff *d = ctx;

	disk_cancel(d->target);
	if (d->old)
		disk_cancel(d->old);
}

static const struct pipeline_ops diff_ops = {
	.spare_items = 4, /* a window may have a megabyte of changes */
	.plan = diff_plan,
	.work = diff_work,
	.commit = diff_commit,
	.idle = diff_idle,
	.cancel = diff_cancel,
	.worker_new = diff_worker_new,
	.worker_free = diff_worker_free,
	.item_new = diff_item_new,
	.item_free = diff_item_free,
};

/* Every block size divides the unit; what is read at once has whole units. */
static void choose_unit(struct diff *d)
{
	uint32_t unit = d->digester.block_size;

	if (d->print_writer)
		unit = (uint32_t)max_u64(unit, d->print.block_size);
	if (d->verify)
		unit = (uint32_t)max_u64(unit, fingerprint_head(d->verify)->block_size);
	if (d->carry)
		unit = (uint32_t)max_u64(unit, fingerprint_head(d->carry)->block_size);
	d->unit = unit;
	d->chunk = (size_t)max_u64(DIFF_CHUNK, unit);
	d->window = (size_t)max_u64(DIFF_WINDOW, unit);
	d->end = round_up(max_u64(d->target->size, d->head.base_size), unit);
}

/*
 * The changes in whole units, with all that one of the disks has behind the end of the other: the
 * list is of one size of the disk. Their own size is the larger one's then.
 */
static int round_changes(struct diff *d, struct tranship_error *err)
{
	const struct tranship_changes *given = d->layers ? d->layers : d->options->changes;
	uint64_t low = min_u64(d->target->size, d->head.base_size);
	size_t i, count = tranship_changes_count(given);
	struct tranship_changes *whole;
	int rc = tranship_changes_new(d->end, &whole, err);

	if (rc)
		return rc;
	for (i = 0; i < count && rc == 0; i++) {
		struct tranship_change c = tranship_changes_at(given, i);

		rc = tranship_changes_add(whole, c.off, c.len, false, err);
	}
	if (rc == 0 && low < d->end && d->target->size != d->head.base_size)
		rc = tranship_changes_add(whole, low, d->end - low, false, err);
	if (rc == 0)
		rc = tranship_changes_round(whole, d->unit, &d->changes, err);
	tranship_changes_free(whole);
	return rc;
}

unsigned diff_threads(const struct diff *d)
{
	unsigned asked = d->options->copy.threads, cpus = cpus_usable();

	return asked ? asked : cpus < THREADS_DEFAULT_MAX ? cpus : THREADS_DEFAULT_MAX;
}

int diff_run(struct diff *d, const char *phase, struct tranship_error *err)
{
	unsigned threads = diff_threads(d);
	int rc = 0;

	choose_unit(d);
	if (d->layers || d->options->changes)
		rc = round_changes(d, err);
	if (rc)
		return rc;
	if ((d->target->forward || (d->old && d->old->forward)) && threads == 1)
		threads = 2; /* a pipe may keep one waiting: the caller's thread stays free */
	meter_start(&d->meter, &d->options->copy, phase, d->end);
	rc = pipeline_run(&diff_ops, d, threads, err);
	if (rc == 0)
		rc = diff_sink_end(d, err);
	if (rc == 0)
		diff_told(d);
	return rc ? rc : meter_end(&d->meter, err);
}
