// SPDX-License-Identifier: Apache-2.0
/* Comparing two disks: what both call zeros is not read, what one calls zeros is read on the other
 * side only. */
#include "tranship/copy.h"

#include "base/checked.h"
#include "base/cpus.h"
#include "base/error.h"
#include "base/zero.h"
#include "copy/meter.h"
#include "copy/pipeline.h"
#include "copy/plan.h"
#include "core/disk.h"

#include <stdlib.h>
#include <string.h>

/* A worker's turn; read and compared in pieces, of which two stay in a core's cache. */
#define COMPARE_RUN (1U << 20)
#define PIECE (256U << 10)
#define BUFFER_ALIGN 4096U

struct side {
	struct tranship_disk *disk;
	struct map_cursor cursor;
};

struct compare_item {
	uint64_t off;
	uint64_t len;
	bool data[2];     /* whether that side must be read */
	bool map_differs; /* strict: at off, and nothing was read */
	bool differs;
	uint64_t differs_at;
};

struct compare_worker {
	struct tranship_scratch *scratch[2];
	unsigned char *bytes[2]; /* a piece of each side */
};

struct compare {
	struct side side[2];
	bool strict;
	uint64_t off, end;
	struct meter meter;
	struct tranship_compare_result *result;
};

static void compare_item_free(void *ctx, void *item)
{
	(void)ctx;
	free(item);
}

static int compare_item_new(void *ctx, void **out, struct tranship_error *err)
{
	(void)ctx;
	*out = calloc(1, sizeof(struct compare_item));
	return *out ? 0 : error_nomem(err, sizeof(struct compare_item));
}

static void compare_worker_free(void *ctx, void *arg)
{
	struct compare_worker *worker = arg;
	int i;

	(void)ctx;
	for (i = 0; i < 2; i++) {
		tranship_scratch_free(worker->scratch[i]);
		free(worker->bytes[i]);
	}
	free(worker);
}

static int compare_worker_new(void *ctx, void **out, struct tranship_error *err)
{
	struct compare *compare = ctx;
	struct compare_worker *worker = calloc(1, sizeof(*worker));
	int i, rc;

	if (!worker)
		return error_nomem(err, sizeof(*worker));
	*out = worker; /* freed by compare_worker_free, whole or not */
	for (i = 0; i < 2; i++) {
		rc = tranship_scratch_new(compare->side[i].disk, &worker->scratch[i], err);
		if (rc)
			return rc;
		worker->bytes[i] = aligned_alloc(BUFFER_ALIGN, PIECE);
		if (!worker->bytes[i])
			return error_nomem(err, PIECE);
	}
	return 0;
}

/* What both sides hold at off, and how far that goes. */
static int kinds_at(struct compare *compare, uint64_t off, bool data[2], uint64_t *end,
		    struct tranship_error *err)
{
	uint64_t ends[2];
	int i, rc;

	for (i = 0; i < 2; i++) {
		rc = map_cursor_at(&compare->side[i].cursor, off, &data[i], &ends[i], err);
		if (rc)
			return rc;
	}
	*end = min_u64(min_u64(ends[0], ends[1]), compare->end);
	return 0;
}

/*
 * A run of one pair of kinds; short stretches of other kinds are read along with it. Where both
 * sides are zeros the run may be of any length.
 */
static int compare_plan(void *ctx, void *arg, struct tranship_error *err)
{
	struct compare *compare = ctx;
	struct compare_item *item = arg;
	uint64_t at = compare->off, limit = compare->end;
	bool first[2] = { false, false };

	if (at >= compare->end)
		return 0;
	*item = (struct compare_item){ .off = at };
	while (at < limit) {
		bool data[2], same;
		uint64_t end;
		int rc = kinds_at(compare, at, data, &end, err);

		if (rc)
			return rc;
		if (at == item->off) {
			memcpy(first, data, sizeof(first));
			if (data[0] || data[1])
				limit = min_u64(limit, round_down(at, COMPARE_RUN) + COMPARE_RUN);
		}
		same = data[0] == first[0] && data[1] == first[1];
		if (compare->strict && data[0] != data[1] && at > item->off)
			break;
		item->map_differs = compare->strict && data[0] != data[1];
		if (!same && (end - at >= HOLE_MIN || !(first[0] || first[1])))
			break;
		item->data[0] |= data[0];
		item->data[1] |= data[1];
		at = min_u64(end, limit);
		if (item->map_differs)
			break;
	}
	item->len = at - item->off;
	compare->off = at;
	return 1;
}

/* The first byte that differs, found by halves; the two are known to differ. */
static size_t first_difference(const unsigned char *a, const unsigned char *b, size_t len)
{
	size_t at = 0;

	while (len > 1) {
		size_t half = len / 2;

		if (memcmp(a + at, b + at, half) == 0) {
			at += half;
			len -= half;
		} else {
			len = half;
		}
	}
	return at;
}

/* One side of [off, off + len); zeros where it is known to be zeros, and behind its end. */
static int read_side(struct compare *compare, struct compare_worker *worker, int i, uint64_t off,
		     size_t len, struct tranship_error *err)
{
	struct tranship_disk *disk = compare->side[i].disk;
	size_t have = off < disk->size ? (size_t)min_u64(len, disk->size - off) : 0;
	int rc = have ? tranship_disk_read(disk, worker->scratch[i], off, worker->bytes[i], have,
					   err)
		      : 0;

	if (rc)
		return error_in_file(err, rc, i == 0 ? "first image" : "second image");
	memset(worker->bytes[i] + have, 0, len - have);
	return 0;
}

static int compare_piece(struct compare *compare, struct compare_worker *worker,
			 struct compare_item *item, uint64_t off, size_t len,
			 struct tranship_error *err)
{
	int i, rc;

	for (i = 0; i < 2; i++) {
		if (!item->data[i])
			continue;
		rc = read_side(compare, worker, i, off, len, err);
		if (rc)
			return rc;
	}
	if (item->data[0] && item->data[1])
		item->differs = memcmp(worker->bytes[0], worker->bytes[1], len) != 0;
	else
		item->differs = !bytes_are_zero(worker->bytes[item->data[0] ? 0 : 1], len);
	if (item->differs) {
		for (i = 0; i < 2; i++)
			if (!item->data[i])
				memset(worker->bytes[i], 0, len);
		item->differs_at = off + first_difference(worker->bytes[0], worker->bytes[1], len);
	}
	return 0;
}

static int compare_work(void *ctx, void *worker, void *arg, struct tranship_error *err)
{
	struct compare_item *item = arg;
	uint64_t at, end = item->off + item->len;
	int rc = 0;

	if (item->map_differs || !(item->data[0] || item->data[1]))
		return 0;
	for (at = item->off; at < end && rc == 0 && !item->differs; at += PIECE)
		rc = compare_piece(ctx, worker, item, at, (size_t)min_u64(PIECE, end - at), err);
	return rc;
}

static int compare_commit(void *ctx, void *arg, struct tranship_error *err)
{
	struct compare *compare = ctx;
	const struct compare_item *item = arg;
	bool data = item->data[0] || item->data[1];

	if (item->map_differs || item->differs) {
		compare->result->difference =
			item->differs ? TRANSHIP_CONTENT_DIFFERS : TRANSHIP_MAP_DIFFERS;
		compare->result->off = item->differs ? item->differs_at : item->off;
		return 1;
	}
	return meter_add(&compare->meter, item->len, data ? item->len : 0, err);
}

static int compare_idle(void *ctx, struct tranship_error *err)
{
	return meter_tick(&((struct compare *)ctx)->meter, err);
}

static void compare_cancel(void *ctx)
{
	struct compare *compare = ctx;

	disk_cancel(compare->side[0].disk);
	disk_cancel(compare->side[1].disk);
}

static const struct pipeline_ops compare_ops = {
	.plan = compare_plan,
	.work = compare_work,
	.commit = compare_commit,
	.idle = compare_idle,
	.cancel = compare_cancel,
	.worker_new = compare_worker_new,
	.worker_free = compare_worker_free,
	.item_new = compare_item_new,
	.item_free = compare_item_free,
};

int tranship_compare(struct tranship_disk *a, struct tranship_disk *b, bool strict,
		     const struct tranship_copy_options *options,
		     struct tranship_compare_result *out, struct tranship_error *err)
{
	static const struct tranship_copy_options defaults;
	struct tranship_copy_options mine = options ? *options : defaults;
	struct compare compare = { .side = { { a, { .disk = a } }, { b, { .disk = b } } },
				   .strict = strict,
				   .end = max_u64(a->size, b->size),
				   .result = out };
	unsigned threads;
	int rc;

	*out = (struct tranship_compare_result){ .difference = TRANSHIP_SAME,
						 .size_differs = a->size != b->size };
	rc = disk_require_complete(a, err);
	if (rc == 0)
		rc = disk_require_complete(b, err);
	if (rc)
		return rc;
	if (strict && out->size_differs) {
		out->difference = TRANSHIP_SIZE_DIFFERS;
		out->off = min_u64(a->size, b->size);
		return 0;
	}
	mine.rate = 0;
	meter_start(&compare.meter, &mine, "comparing", compare.end);
	threads = mine.threads ? mine.threads : cpus_usable();
	if ((a->forward || b->forward) && threads == 1)
		threads = 2; /* as in tranship_copy */
	rc = pipeline_run(&compare_ops, &compare, threads, err);
	return rc || out->difference != TRANSHIP_SAME ? rc : meter_end(&compare.meter, err);
}
