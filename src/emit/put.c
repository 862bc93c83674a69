// SPDX-License-Identifier: Apache-2.0
#include "emit/put.h"

#include "base/checked.h"
#include "base/error.h"
#include "copy/pipeline.h"
#include "core/disk.h"
#include "emit/put_inside.h"

#include <stdlib.h>

static int item_new(void *ctx, void **out, struct tranship_error *err)
{
	(void)ctx;
	*out = calloc(1, sizeof(struct put_item));
	return *out ? 0 : error_nomem(err, sizeof(struct put_item));
}

static void item_free(void *ctx, void *arg)
{
	(void)ctx;
	buffer_free(&((struct put_item *)arg)->stored);
	free(arg);
}

static int idle(void *ctx, struct tranship_error *err)
{
	struct put *put = ctx;
	int rc = meter_tick(put->p->meter, err);

	return rc ? rc : put->p->idle(put->p->ctx, err);
}

static void cancel(void *ctx)
{
	disk_cancel(((struct put *)ctx)->p->source);
}

static const struct pipeline_ops put_ops = {
	.spare_items = 4, /* a slot that is on its way keeps the committing thread waiting */
	.plan = put_plan,
	.work = put_work,
	.commit = put_commit,
	.idle = idle,
	.cancel = cancel,
	.worker_new = put_worker_new,
	.worker_free = put_worker_free,
	.item_new = item_new,
	.item_free = item_free,
};

static void put_fini(struct put *put)
{
	struct table_leaf *leaves[] = { put->now, put->was, put->planned };
	size_t i;

	for (i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		if (leaves[i]) {
			table_leaf_fini(leaves[i]);
			free(leaves[i]);
		}
	put_tree_fini(put);
	buffer_free(&put->page);
	buffer_free(&put->packed);
}

static int leaf_new(struct table_leaf **out, struct tranship_error *err)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return error_nomem(err, sizeof(**out));
	table_leaf_clear(*out);
	return 0;
}

static int put_init(struct put *put, const struct put_params *p, struct put_counts *counts,
		    struct tranship_error *err)
{
	int rc = digester_init(&put->digester, DIGEST_XXH3, STORE_UNIT, &p->seed, err);

	put->p = p;
	put->counts = counts;
	put->blocks = LEAF_BLOCKS * div_up(max_u64(p->source->size, p->old_size), LEAF_BYTES);
	put->cursor.disk = p->source;
	put->planned_leaf = UINT64_MAX;
	if (rc == 0)
		rc = leaf_new(&put->now, err);
	if (rc == 0)
		rc = leaf_new(&put->was, err);
	if (rc == 0 && p->old && slot_set_count(p->bad) > 0)
		rc = leaf_new(&put->planned, err);
	return rc ? rc : put_tree_begin(put, err);
}

int put_run(const struct put_params *params, struct table_root *root, struct put_counts *counts,
	    struct tranship_error *err)
{
	struct put put = { 0 };
	unsigned threads = params->threads;
	int rc = put_init(&put, params, counts, err);

	if (params->source->forward && threads == 1)
		threads = 2; /* a pipe may keep one waiting: the caller's thread stays free */
	if (rc == 0)
		rc = put_replay(&put, err);
	if (rc == 0)
		rc = pipeline_run(&put_ops, &put, threads, err);
	if (rc == 0)
		rc = put_leaf_end(&put, err);
	if (rc == 0)
		rc = put_tree_end(&put, &root->page, err);
	root->level = put.tree.level;
	put_fini(&put);
	return rc;
}
