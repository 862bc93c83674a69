// SPDX-License-Identifier: Apache-2.0
/* All of a target against a fingerprint of what it should be. Holes are not read. */
#include "base/checked.h"
#include "base/error.h"
#include "copy/pipeline.h"
#include "delta/apply_inside.h"
#include "delta/fingerprint.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_ALIGN 4096U

struct verifying {
	struct apply *a;
	struct tranship_fingerprint *fp;
	const struct digester *digester;
	uint64_t at, end; /* whole blocks */
};

/* A run; without `data` it is passed over. */
struct item {
	uint64_t off, len;
	bool data;
	uint64_t bad; /* the first block that differs; UINT64_MAX: none */
};

struct worker {
	struct tranship_scratch *scratch;
	unsigned char *bytes, *digests[2];
};

/* How far from `at` on neither the disk nor the fingerprint has anything; `at` where one does. */
static int pass_over(struct verifying *v, uint64_t *end, struct tranship_error *err)
{
	struct tranship_disk *disk = v->a->target.disk;
	uint64_t unit = v->digester->block_size, next, at = v->at;
	struct tranship_extent extent;
	int rc;

	*end = at;
	if (at >= disk->size)
		return 0;
	rc = tranship_disk_map(disk, at, &extent, err);
	if (rc || extent.kind == TRANSHIP_DATA)
		return rc;
	rc = fingerprint_next(v->fp, at / unit, &next, err);
	if (rc)
		return rc;
	*end = extent.off + extent.len >= disk->size ? v->end
						     : round_down(extent.off + extent.len, unit);
	if (next <= *end / unit)
		*end = next * unit;
	*end = max_u64(*end, at);
	return 0;
}

static int verify_plan(void *ctx, void *arg, struct tranship_error *err)
{
	struct verifying *v = ctx;
	struct item *item = arg;
	uint64_t end;
	int rc;

	if (v->at >= v->end)
		return 0;
	rc = pass_over(v, &end, err);
	if (rc)
		return rc;
	*item = (struct item){ .off = v->at, .data = end == v->at, .bad = UINT64_MAX };
	if (item->data)
		end = min_u64(v->at + APPLY_PIECE, v->end);
	item->len = end - v->at;
	v->at = end;
	return 1;
}

static int verify_work(void *ctx, void *worker, void *arg, struct tranship_error *err)
{
	struct verifying *v = ctx;
	struct worker *w = worker;
	struct item *item = arg;
	const struct digester *d = v->digester;
	size_t blocks = (size_t)(item->len / d->block_size), i;
	int rc;

	if (!item->data)
		return 0;
	rc = apply_read(v->a, w->scratch, item->off, w->bytes, (size_t)item->len, err);
	if (rc == 0)
		rc = digest_blocks(d, w->bytes, blocks, w->digests[0], err);
	if (rc == 0)
		rc = fingerprint_read(v->fp, item->off / d->block_size, blocks, w->digests[1], err);
	for (i = 0; rc == 0 && i < blocks && item->bad == UINT64_MAX; i++)
		if (memcmp(w->digests[0] + i * d->size, w->digests[1] + i * d->size, d->size) != 0)
			item->bad = item->off + i * d->block_size;
	return rc;
}

static int verify_commit(void *ctx, void *arg, struct tranship_error *err)
{
	struct verifying *v = ctx;
	const struct item *item = arg;

	if (item->bad != UINT64_MAX)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the target is not the base: its bytes %" PRIu64 " to %" PRIu64
				 " are not those of the fingerprint",
				 item->bad, item->bad + v->digester->block_size);
	return meter_add(&v->a->meter, item->len, 0, err);
}

static int verify_idle(void *ctx, struct tranship_error *err)
{
	return meter_tick(&((struct verifying *)ctx)->a->meter, err);
}

static void worker_free(void *ctx, void *arg)
{
	struct worker *w = arg;

	(void)ctx;
	tranship_scratch_free(w->scratch);
	free(w->bytes);
	free(w->digests[0]);
	free(w->digests[1]);
	free(w);
}

static int worker_new(void *ctx, void **out, struct tranship_error *err)
{
	struct verifying *v = ctx;
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return error_nomem(err, sizeof(*w));
	*out = w; /* freed by worker_free, whole or not */
	w->bytes = aligned_alloc(BUFFER_ALIGN, APPLY_PIECE);
	w->digests[0] = malloc(APPLY_BLOCKS * DIGEST_SIZE_MAX);
	w->digests[1] = malloc(APPLY_BLOCKS * DIGEST_SIZE_MAX);
	if (!w->bytes || !w->digests[0] || !w->digests[1])
		return error_nomem(err, APPLY_PIECE);
	return tranship_scratch_new(v->a->target.disk, &w->scratch, err);
}

static int item_new(void *ctx, void **out, struct tranship_error *err)
{
	(void)ctx;
	*out = calloc(1, sizeof(struct item));
	return *out ? 0 : error_nomem(err, sizeof(struct item));
}

static void item_free(void *ctx, void *item)
{
	(void)ctx;
	free(item);
}

static const struct pipeline_ops verify_ops = {
	.spare_items = APPLY_SPARE_ITEMS,
	.plan = verify_plan,
	.work = verify_work,
	.commit = verify_commit,
	.idle = verify_idle,
	.worker_new = worker_new,
	.worker_free = worker_free,
	.item_new = item_new,
	.item_free = item_free,
};

int apply_verify_all(struct apply *a, struct tranship_error *err)
{
	struct tranship_fingerprint *fp = a->options->verify;
	const struct fingerprint_head *head = fingerprint_head(fp);
	struct verifying v = { .a = a, .fp = fp, .digester = fingerprint_digester(fp) };

	if (head->size != a->target.disk->size)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the target has %" PRIu64 " bytes, the fingerprint is of a disk "
				 "of %" PRIu64,
				 a->target.disk->size, head->size);
	v.end = round_up(head->size, head->block_size);
	return pipeline_run(&verify_ops, &v, a->threads, err);
}
