// SPDX-License-Identifier: Apache-2.0
/* The copy loop: a disk's runs are read, searched for zeros and encoded on many threads, and put in
 * order. */
#include "tranship/copy.h"

#include "base/checked.h"
#include "base/cpus.h"
#include "base/error.h"
#include "base/zero.h"
#include "copy/meter.h"
#include "copy/pieces.h"
#include "copy/pipeline.h"
#include "copy/plan.h"
#include "copy/salvage.h"
#include "core/disk.h"
#include "core/writer.h"
#include "mbr-gpt/gpt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPARSE_DEFAULT 4096U
#define BUFFER_ALIGN 4096U

struct copy_item {
	struct run run;
	unsigned char *bytes;  /* of the run */
	unsigned char *base;   /* what the writer's base has there; NULL: it has none */
	struct buffer encoded; /* what the writer made of them */
	size_t piece_count;
	struct piece *pieces;
	struct lost_list lost;
};

struct copy_worker {
	struct tranship_scratch *scratch;
	struct tranship_scratch *base_scratch;
	void *writer_scratch;
};

struct copy {
	struct tranship_disk *disk;
	struct tranship_writer *writer;
	struct tranship_disk *base; /* of the writer; NULL: none */
	struct plan plan;
	struct meter meter;
	struct piece_rule rule;
	size_t run_size; /* the most bytes of a run */
	size_t max_pieces;
	bool salvage;
	struct lost_report report;
	atomic_bool stop; /* the workers' retries end */
};

static int copy_item_new(void *ctx, void **out, struct tranship_error *err)
{
	struct copy *copy = ctx;
	struct copy_item *item = calloc(1, sizeof(*item));

	if (!item)
		return error_nomem(err, sizeof(*item));
	*out = item; /* freed by copy_item_free, whole or not */
	item->bytes = aligned_alloc(BUFFER_ALIGN, copy->run_size);
	item->pieces = calloc(copy->max_pieces, sizeof(*item->pieces));
	if (copy->base)
		item->base = aligned_alloc(BUFFER_ALIGN, copy->run_size);
	return item->bytes && item->pieces && (item->base || !copy->base)
		       ? 0
		       : error_nomem(err, copy->run_size);
}

static void copy_item_free(void *ctx, void *arg)
{
	struct copy_item *item = arg;

	(void)ctx;
	free(item->bytes);
	free(item->base);
	free(item->pieces);
	buffer_free(&item->encoded);
	lost_list_free(&item->lost);
	free(item);
}

static void copy_worker_free(void *ctx, void *arg)
{
	struct copy *copy = ctx;
	struct copy_worker *worker = arg;

	tranship_scratch_free(worker->scratch);
	tranship_scratch_free(worker->base_scratch);
	writer_scratch_free(copy->writer, worker->writer_scratch);
	free(worker);
}

static int copy_worker_new(void *ctx, void **out, struct tranship_error *err)
{
	struct copy *copy = ctx;
	struct copy_worker *worker = calloc(1, sizeof(*worker));
	int rc;

	if (!worker)
		return error_nomem(err, sizeof(*worker));
	*out = worker;
	rc = tranship_scratch_new(copy->disk, &worker->scratch, err);
	if (rc == 0 && copy->base)
		rc = tranship_scratch_new(copy->base, &worker->base_scratch, err);
	if (rc == 0)
		rc = writer_scratch_new(copy->writer, &worker->writer_scratch, err);
	return rc;
}

static int copy_plan(void *ctx, void *arg, struct tranship_error *err)
{
	struct copy *copy = ctx;
	struct copy_item *item = arg;

	return plan_next_run(&copy->plan, &item->run, err);
}

static int encode_pieces(struct copy *copy, struct copy_worker *worker, struct copy_item *item,
			 struct tranship_error *err)
{
	size_t i;
	int rc = 0;

	item->encoded.len = 0;
	for (i = 0; i < item->piece_count && rc == 0; i++) {
		struct piece *piece = &item->pieces[i];

		if (piece->kind != PIECE_DATA)
			continue;
		piece->stored = item->encoded.len;
		rc = writer_encode(copy->writer, worker->writer_scratch, piece->off,
				   item->bytes + (piece->off - item->run.off), (size_t)piece->len,
				   &item->encoded, err);
		piece->stored_len = item->encoded.len - piece->stored;
	}
	return rc;
}

/* Fills in the bytes of a run, of which the disk has the first `have`. */
static int read_run(struct copy *copy, struct copy_worker *worker, struct copy_item *item,
		    size_t have, struct tranship_error *err)
{
	const struct run *run = &item->run;

	if (have == 0)
		return 0;
	return copy->salvage ? salvage_read(copy->disk, worker->scratch, &copy->stop, run->off,
					    item->bytes, have, &item->lost, err)
			     : tranship_disk_read(copy->disk, worker->scratch, run->off,
						  item->bytes, have, err);
}

/* Behind its end a base has zeros. */
static int read_base(struct copy *copy, struct copy_worker *worker, struct copy_item *item,
		     struct tranship_error *err)
{
	const struct run *run = &item->run;
	size_t have = 0;
	int rc;

	if (!copy->base)
		return 0;
	if (run->off < copy->base->size)
		have = (size_t)min_u64(run->len, copy->base->size - run->off);
	memset(item->base + have, 0, (size_t)run->len - have);
	rc = have ? tranship_disk_read(copy->base, worker->base_scratch, run->off, item->base, have,
				       err)
		  : 0;
	return rc ? error_in_file(err, rc, "base") : 0;
}

/* A run that is lost: where the map did not say why, an attempt to read it does. */
static int lose_run(struct copy *copy, struct copy_worker *worker, struct copy_item *item,
		    struct tranship_error *err)
{
	const struct run *run = &item->run;
	uint64_t len = min_u64(run->len, copy->disk->size - run->off);
	struct tranship_error why = run->why;
	unsigned char sector[512];

	if (run->data)
		memset(item->bytes, 0, (size_t)run->len);
	if (why.code == 0) {
		why.message[0] = '\0';
		if (tranship_disk_read(copy->disk, worker->scratch, run->off, sector,
				       (size_t)min_u64(len, sizeof(sector)), &why) == 0)
			error_set(&why, TRANSHIP_EIO, "where it is could not be read at first");
	}
	return lost_list_add(&item->lost, run->off, len, &why, err);
}

static int copy_work(void *ctx, void *worker_arg, void *arg, struct tranship_error *err)
{
	struct copy *copy = ctx;
	struct copy_worker *worker = worker_arg;
	struct copy_item *item = arg;
	const struct run *run = &item->run;
	size_t have;
	int rc = 0;

	item->lost.count = 0;
	if (run->lost)
		rc = lose_run(copy, worker, item, err);
	if (rc || !run->data)
		return rc;
	/* The last run may pass the end of the disk: up to a whole unit, or all of it with zeros as
	 * data. */
	have = run->off < copy->disk->size ? (size_t)min_u64(run->len, copy->disk->size - run->off)
					   : 0;
	if (!run->lost)
		rc = read_run(copy, worker, item, have, err);
	if (rc)
		return rc;
	memset(item->bytes + have, 0, (size_t)run->len - have);
	rc = read_base(copy, worker, item, err);
	if (rc)
		return rc;
	item->piece_count = pieces_find(&copy->rule, run->off, (size_t)run->len, item->bytes,
					item->base, item->pieces);
	return copy->writer->ops->encode ? encode_pieces(copy, worker, item, err) : 0;
}

static int commit_piece(struct copy *copy, const struct copy_item *item, const struct piece *piece,
			struct tranship_error *err)
{
	const unsigned char *bytes = item->bytes + (piece->off - item->run.off);

	if (piece->kind == PIECE_SKIP)
		return tranship_writer_skip(copy->writer, piece->off, piece->len, err);
	if (piece->kind == PIECE_ZERO)
		return tranship_writer_zero(copy->writer, piece->off, piece->len, err);
	if (copy->writer->ops->encode)
		return writer_put_encoded(copy->writer, piece->off, piece->len,
					  item->encoded.bytes + piece->stored, piece->stored_len,
					  err);
	return writer_put_encoded(copy->writer, piece->off, piece->len, bytes, (size_t)piece->len,
				  err);
}

static int copy_commit(void *ctx, void *arg, struct tranship_error *err)
{
	struct copy *copy = ctx;
	struct copy_item *item = arg;
	const struct run *run = &item->run;
	size_t i;
	int rc = 0;

	/* Over a base a run that need not be read is one that is zeros there, too. */
	if (!run->data && copy->base && !run->lost)
		rc = tranship_writer_skip(copy->writer, run->off, run->len, err);
	else if (!run->data)
		rc = tranship_writer_zero(copy->writer, run->off, run->len, err);
	for (i = 0; run->data && i < item->piece_count && rc == 0; i++)
		rc = commit_piece(copy, item, &item->pieces[i], err);
	if (rc)
		return rc;
	lost_report_add(&copy->report, &item->lost);
	return meter_add(&copy->meter, run->len, run->data ? run->len : 0, err);
}

static int copy_idle(void *ctx, struct tranship_error *err)
{
	return meter_tick(&((struct copy *)ctx)->meter, err);
}

static void copy_cancel(void *ctx)
{
	struct copy *copy = ctx;

	atomic_store(&copy->stop, true);
	disk_cancel(copy->disk);
}

static const struct pipeline_ops copy_ops = {
	.plan = copy_plan,
	.work = copy_work,
	.commit = copy_commit,
	.idle = copy_idle,
	.cancel = copy_cancel,
	.worker_new = copy_worker_new,
	.worker_free = copy_worker_free,
	.item_new = copy_item_new,
	.item_free = copy_item_free,
};

/* Zeros are looked for in chunks no smaller than what the writer can leave out; over a base that is
 * what is compared. */
static int choose_rule(struct copy *copy, uint64_t sparse_size, struct tranship_error *err)
{
	uint64_t want = sparse_size ? sparse_size : SPARSE_DEFAULT, chunk;

	copy->rule.zeros = sparse_size != TRANSHIP_SPARSE_OFF && !copy->writer->discards;
	if (copy->base) {
		copy->rule.chunk = copy->writer->unit;
		return 0;
	}
	if (!copy->rule.zeros)
		return 0;
	if (want > RUN_SIZE)
		return error_set(err, TRANSHIP_EINVAL,
				 "zeros of %" PRIu64 " bytes cannot be looked for, at most %u",
				 want, RUN_SIZE);
	for (chunk = 512; chunk < want;)
		chunk *= 2;
	copy->rule.chunk = max_u64(chunk, copy->writer->unit);
	return 0;
}

static void warn_of_backup_gpt(const struct copy *copy, const struct tranship_copy_options *options)
{
	char message[300];

	if (copy->writer->size == copy->disk->size || copy->writer->discards ||
	    copy->disk->forward || !options->warn)
		return;
	if (gpt_backup_misplaced(copy->disk, copy->writer->size, message, sizeof(message)))
		options->warn(options->warn_ctx, message);
}

/* Partition tables count in sectors. */
static void warn_of_sectors(const struct copy *copy, const struct tranship_copy_options *options)
{
	char message[200];

	if (copy->disk->sector_size == copy->writer->sector_size || copy->writer->discards ||
	    !options->warn)
		return;
	snprintf(message, sizeof(message),
		 "the disk has sectors of %" PRIu32
		 " bytes, the output is taken for one of %" PRIu32
		 ": its partition table may not be found there",
		 copy->disk->sector_size, copy->writer->sector_size);
	options->warn(options->warn_ctx, message);
}

int tranship_copy(struct tranship_disk *disk, struct tranship_writer *writer,
		  const struct tranship_copy_options *options, struct tranship_error *err)
{
	static const struct tranship_copy_options defaults;
	struct copy copy = { .disk = disk, .writer = writer, .base = writer->base };
	unsigned threads;
	int rc;

	if (!options)
		options = &defaults;
	if (writer->size < disk->size)
		return error_set(err, TRANSHIP_EINVAL,
				 "the writer has %" PRIu64 " bytes, too few for a disk of %" PRIu64,
				 writer->size, disk->size);
	if (copy.base && disk->forward)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "what comes through a pipe cannot be compared with a base");
	rc = disk_require_complete(disk, err);
	if (rc == 0 && copy.base)
		rc = disk_require_complete(copy.base, err);
	if (rc == 0)
		rc = choose_rule(&copy, options->sparse_size, err);
	if (rc)
		return rc;
	copy.run_size = (size_t)max_u64(RUN_SIZE, writer->unit);
	copy.max_pieces = copy.rule.chunk ? copy.run_size / (size_t)copy.rule.chunk + 1 : 1;
	copy.salvage = options->lost;
	copy.report = (struct lost_report){ .fn = options->lost, .ctx = options->lost_ctx };
	copy.plan = (struct plan){ .cursor = { .disk = disk, .salvage = copy.salvage },
				   .base = { .disk = copy.base },
				   .end = writer->size,
				   .unit = writer->unit,
				   .all_data = options->sparse_size == TRANSHIP_SPARSE_OFF };
	warn_of_backup_gpt(&copy, options);
	warn_of_sectors(&copy, options);
	threads = options->threads ? options->threads : cpus_usable();
	if ((disk->forward || copy.salvage) && threads == 1)
		threads = 2; /* a pipe, or a failing device, may keep one waiting: the caller's
				thread stays free to cancel it */
	meter_start(&copy.meter, options, "copying", writer->size);
	rc = pipeline_run(&copy_ops, &copy, threads, err);
	lost_report_end(&copy.report);
	return rc ? rc : meter_end(&copy.meter, err);
}
