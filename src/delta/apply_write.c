// SPDX-License-Identifier: Apache-2.0
/* Writing what a delta makes of its target: records are unpacked by all cores and written in order.
 * What is written is durable when it is through. */
#include "base/checked.h"
#include "base/error.h"
#include "copy/pipeline.h"
#include "delta/apply_inside.h"

#include <stdlib.h>

struct writing {
	struct apply *a;
	struct delta *delta;
	enum record_piece_kind kind; /* of the pieces that this pass writes */
	uint64_t at;
	uint64_t unflushed;
};

struct item {
	struct record record;
	uint64_t where;
};

static int write_plan(void *ctx, void *arg, struct tranship_error *err)
{
	struct writing *w = ctx;
	struct item *item = arg;
	int rc = delta_find(w->delta, w->at, &item->record, &item->where, err);

	if (rc == 1)
		w->at = item->record.head.end;
	return rc;
}

static int write_work(void *ctx, void *worker, void *arg, struct tranship_error *err)
{
	struct writing *w = ctx;
	struct item *item = arg;

	if (w->kind != RECORD_DATA)
		return 0;
	return delta_read_data(w->delta, worker, item->where, &item->record, err);
}

/* `len` bytes at most are there of a piece: behind its end the disk has zeros, which are not
 * written. */
static int write_piece(struct writing *w, const struct record_piece *p, uint64_t len,
		       const unsigned char *data, struct tranship_error *err)
{
	struct tranship_disk *disk = w->a->target.disk;
	const struct modify_ops *ops = disk->ops->modify;
	int rc;

	if (p->off >= disk->size)
		return 0;
	len = min_u64(len, disk->size - p->off);
	rc = p->kind == RECORD_DATA ? ops->write(disk, p->off, data, (size_t)len, err)
				    : ops->zero(disk, p->off, len, err);
	w->unflushed += len;
	w->a->result->written += len;
	if (rc == 0 && w->unflushed >= APPLY_FLUSH) {
		w->unflushed = 0;
		rc = ops->flush(disk, err);
	}
	return rc ? rc : meter_add(&w->a->meter, len, len, err);
}

static int write_commit(void *ctx, void *arg, struct tranship_error *err)
{
	struct writing *w = ctx;
	struct item *item = arg;
	uint64_t unit = delta_record_rule(w->delta)->block_size;
	const unsigned char *data = item->record.data;
	uint32_t i;
	int rc = 0;

	for (i = 0; i < item->record.head.pieces && rc == 0; i++) {
		const struct record_piece *p = &item->record.pieces[i];

		if (p->kind == w->kind)
			rc = write_piece(w, p, p->blocks * unit, data, err);
		if (p->kind == RECORD_DATA && data) /* none was read where zeros are written */
			data += p->blocks * unit;
	}
	return rc;
}

static int write_idle(void *ctx, struct tranship_error *err)
{
	return meter_tick(&((struct writing *)ctx)->a->meter, err);
}

static int worker_new(void *ctx, void **out, struct tranship_error *err)
{
	struct unpacker *u;
	int rc = unpacker_new(&u, err);

	(void)ctx;
	*out = u;
	return rc;
}

static void worker_free(void *ctx, void *worker)
{
	(void)ctx;
	unpacker_free(worker);
}

static int item_new(void *ctx, void **out, struct tranship_error *err)
{
	(void)ctx;
	*out = calloc(1, sizeof(struct item));
	return *out ? 0 : error_nomem(err, sizeof(struct item));
}

static void item_free(void *ctx, void *arg)
{
	struct item *item = arg;

	(void)ctx;
	record_free(&item->record);
	free(item);
}

static const struct pipeline_ops write_pipeline = {
	.spare_items = APPLY_SPARE_ITEMS,
	.plan = write_plan,
	.work = write_work,
	.commit = write_commit,
	.idle = write_idle,
	.worker_new = worker_new,
	.worker_free = worker_free,
	.item_new = item_new,
	.item_free = item_free,
};

/*
 * On a full disk the way back must not need what the way forward gave away: so zeros come last in
 * the one, and first in the other, where they give room back.
 */
int apply_write(struct apply *a, struct delta *delta, bool back, struct tranship_error *err)
{
	unsigned pass;
	int rc = 0;

	for (pass = 0; rc == 0 && pass < 2; pass++) {
		struct writing w = { .a = a,
				     .delta = delta,
				     .kind = (pass == 0) == back ? RECORD_ZERO : RECORD_DATA };

		if (w.kind == RECORD_DATA || delta_end(delta)->zero > 0)
			rc = pipeline_run(&write_pipeline, &w, a->threads, err);
	}
	return rc ? rc : a->target.disk->ops->modify->flush(a->target.disk, err);
}
