// SPDX-License-Identifier: Apache-2.0
/*
 * What a delta touches, compared with what it says of it, and saved in the journal on the way: read
 * once, by all cores. What is compared is what is saved, so nothing can come in between.
 */
#include "base/checked.h"
#include "base/error.h"
#include "base/zero.h"
#include "copy/pipeline.h"
#include "delta/apply_inside.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_ALIGN 4096U
/* The journal is written once and hardly ever read: packing it costs less than writing it does. */
#define JOURNAL_LEVEL 1

struct comparing {
	struct apply *a;
	struct delta *delta;
	const struct record_rule *rule;
	uint32_t blocks_max; /* of an item */
	/* Planning: where it is in which record. */
	struct record record;
	uint64_t at;
	uint32_t piece, within, block, data_block;
	bool left;  /* of this record there is more */
	bool whole; /* nothing that is found ends it */
	/* Of the journal. */
	atomic_bool back;
	struct delta_head back_head;
	struct record_rule back_rule;
	struct apply_found *found;
};

/* Some blocks, of one record. */
struct item {
	uint32_t count;
	uint8_t lineage;
	uint64_t offs[APPLY_BLOCKS];
	unsigned char old[APPLY_BLOCKS * DIGEST_SIZE_MAX];
	unsigned char new[APPLY_BLOCKS * DIGEST_SIZE_MAX];
	struct apply_found found;
	struct buffer encoded; /* the record that goes back; empty: none is wanted any more */
	struct record_span span;
};

struct worker {
	struct tranship_scratch *scratch;
	unsigned char *bytes;
	unsigned char *digests;
	struct record_builder *builder;
};

int apply_read(const struct apply *a, struct tranship_scratch *scratch, uint64_t off,
	       unsigned char *bytes, size_t len, struct tranship_error *err)
{
	struct tranship_disk *disk = a->target.disk;
	size_t have = off < disk->size ? (size_t)min_u64(len, disk->size - off) : 0;

	memset(bytes + have, 0, len - have);
	return have ? tranship_disk_read(disk, scratch, off, bytes, have, err) : 0;
}

/* Moves on to a record with something left; 0: there is none. */
static int next_record(struct comparing *c, struct tranship_error *err)
{
	uint64_t where;
	int rc;

	if (c->left)
		return 1;
	rc = delta_find(c->delta, c->at, &c->record, &where, err);
	if (rc != 1)
		return rc;
	c->at = c->record.head.end;
	c->piece = c->within = c->block = c->data_block = 0;
	c->left = true;
	return 1;
}

static void take_block(struct comparing *c, struct item *item)
{
	const struct record_piece *p = &c->record.pieces[c->piece];
	size_t size = c->rule->digest_size, to = item->count * size;

	item->offs[item->count++] = p->off + (uint64_t)c->within * c->rule->block_size;
	memcpy(item->old + to, c->record.old_digests + c->block++ * size, size);
	if (p->kind == RECORD_DATA)
		memcpy(item->new + to, c->record.new_digests + c->data_block++ * size, size);
	else
		memset(item->new + to, 0, size);
	if (++c->within < p->blocks)
		return;
	c->within = 0;
	c->left = ++c->piece < c->record.head.pieces;
}

static int compare_plan(void *ctx, void *arg, struct tranship_error *err)
{
	struct comparing *c = ctx;
	struct item *item = arg;
	int rc = next_record(c, err);

	if (rc != 1)
		return rc;
	item->count = 0;
	item->lineage = c->record.head.lineage;
	while (c->left && item->count < c->blocks_max)
		take_block(c, item);
	return 1;
}

/* Reads the blocks, those that follow each other at once. */
static int read_blocks(const struct comparing *c, struct worker *w, const struct item *item,
		       struct tranship_error *err)
{
	size_t unit = c->rule->block_size;
	uint32_t first, i;
	int rc = 0;

	for (first = 0; first < item->count && rc == 0; first = i) {
		for (i = first + 1; i < item->count; i++)
			if (item->offs[i] != item->offs[i - 1] + unit)
				break;
		rc = apply_read(c->a, w->scratch, item->offs[first], w->bytes + first * unit,
				(i - first) * unit, err);
	}
	return rc;
}

static void extend(struct apply_range *r, uint64_t off, uint64_t len)
{
	if (r->len == 0)
		*r = (struct apply_range){ off, len };
	else if (r->off + r->len == off)
		r->len += len;
}

static void judge(const struct comparing *c, const struct worker *w, struct item *item)
{
	size_t size = c->rule->digest_size, unit = c->rule->block_size;
	struct apply_found *f = &item->found;
	uint32_t i;

	*f = (struct apply_found){ .old = true, .new = true };
	for (i = 0; i < item->count; i++) {
		const unsigned char *is = w->digests + i * size;
		bool old = memcmp(is, item->old + i * size, size) == 0;
		bool new = memcmp(is, item->new + i *size, size) == 0;

		f->old = f->old && old;
		f->new = f->new &&new;
		f->some_new = f->some_new || (new && !old);
		if (!old)
			extend(&f->not_old, item->offs[i], unit);
		if (!new)
			extend(&f->not_new, item->offs[i], unit);
	}
}

/* The record that makes the new blocks the old ones again. */
static int encode_back(struct comparing *c, struct worker *w, struct item *item,
		       struct tranship_error *err)
{
	const struct digester *digester = delta_digester(c->delta, item->lineage);
	size_t size = c->rule->digest_size, unit = c->rule->block_size;
	uint32_t first, i;
	int rc = 0;

	for (first = 0; first < item->count && rc == 0; first = i) {
		bool zero = digest_is_zero(digester, item->old + first * size);

		for (i = first + 1; i < item->count; i++)
			if (item->offs[i] != item->offs[i - 1] + unit ||
			    digest_is_zero(digester, item->old + i * size) != zero)
				break;
		rc = record_builder_add(w->builder, item->offs[first], i - first,
					zero ? RECORD_ZERO : RECORD_DATA, item->lineage,
					w->bytes + first * unit, item->new + first *size,
					item->old + first * size, err);
	}
	return rc ? rc : record_builder_encode(w->builder, &item->encoded, &item->span, err);
}

static int compare_work(void *ctx, void *worker, void *arg, struct tranship_error *err)
{
	struct comparing *c = ctx;
	struct worker *w = worker;
	struct item *item = arg;
	int rc = read_blocks(c, w, item, err);

	item->encoded.len = 0;
	if (rc == 0)
		rc = digest_blocks(delta_digester(c->delta, item->lineage), w->bytes, item->count,
				   w->digests, err);
	if (rc)
		return rc;
	judge(c, w, item);
	return item->found.old && atomic_load(&c->back) ? encode_back(c, w, item, err) : 0;
}

static int compare_commit(void *ctx, void *arg, struct tranship_error *err)
{
	struct comparing *c = ctx;
	struct item *item = arg;
	struct apply_found *f = c->found;
	int rc = 0;

	if (f->old && !item->found.old)
		f->not_old = item->found.not_old;
	if (f->new && !item->found.new)
		f->not_new = item->found.not_new;
	f->some_new = f->some_new || item->found.some_new;
	f->old = f->old && item->found.old;
	f->new = f->new && item->found.new;
	if (!f->old)
		atomic_store(&c->back, false);
	if (!f->old && !f->new && !c->whole)
		return 1;
	if (f->old && item->encoded.len > 0 && !c->a->journal.writer)
		rc = apply_journal_begin(&c->a->journal, &c->back_head, err);
	if (rc == 0 && f->old && item->encoded.len > 0)
		rc = delta_writer_put(c->a->journal.writer, &item->span,
				      item->encoded.bytes + item->span.at, err);
	return rc ? rc
		  : meter_add(&c->a->meter, (uint64_t)item->count * c->rule->block_size, 0, err);
}

static int compare_idle(void *ctx, struct tranship_error *err)
{
	return meter_tick(&((struct comparing *)ctx)->a->meter, err);
}

static void worker_free(void *ctx, void *arg)
{
	struct worker *w = arg;

	(void)ctx;
	tranship_scratch_free(w->scratch);
	record_builder_free(w->builder);
	free(w->bytes);
	free(w->digests);
	free(w);
}

static int worker_new(void *ctx, void **out, struct tranship_error *err)
{
	struct comparing *c = ctx;
	struct worker *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return error_nomem(err, sizeof(*w));
	*out = w; /* freed by worker_free, whole or not */
	w->bytes = aligned_alloc(BUFFER_ALIGN, APPLY_PIECE);
	w->digests = malloc(APPLY_BLOCKS * DIGEST_SIZE_MAX);
	if (!w->bytes || !w->digests)
		return error_nomem(err, APPLY_PIECE);
	rc = tranship_scratch_new(c->a->target.disk, &w->scratch, err);
	if (rc == 0 && atomic_load(&c->back))
		rc = record_builder_new(&c->back_rule, JOURNAL_LEVEL, &w->builder, err);
	return rc;
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
	buffer_free(&item->encoded);
	free(item);
}

static const struct pipeline_ops compare_ops = {
	.spare_items = APPLY_SPARE_ITEMS,
	.plan = compare_plan,
	.work = compare_work,
	.commit = compare_commit,
	.idle = compare_idle,
	.worker_new = worker_new,
	.worker_free = worker_free,
	.item_new = item_new,
	.item_free = item_free,
};

/* What goes back turns the two versions round. */
static int back_head(const struct apply *a, const struct delta_head *forward,
		     struct delta_head *out, struct tranship_error *err)
{
	struct idgen ids;
	int rc = idgen_init(&ids, NULL, err);

	*out = *forward;
	out->base_size = forward->target_size;
	out->target_size = forward->base_size;
	memcpy(out->base_id, forward->target_id, sizeof(out->base_id));
	memcpy(out->target_id, forward->base_id, sizeof(out->target_id));
	memcpy(out->base_format, a->journal.head.format, sizeof(out->base_format));
	out->base_hint[0] = '\0';
	return rc ? rc : idgen_bytes(&ids, &out->file_id, sizeof(out->file_id), err);
}

int apply_compare(struct apply *a, struct delta *delta, enum apply_compare_mode mode,
		  struct apply_found *out, struct tranship_error *err)
{
	bool back = mode == APPLY_COMPARE_SAVE;
	const struct delta_head *head = delta_head(delta);
	const struct record_rule *rule = delta_record_rule(delta);
	uint64_t size = a->target.disk->size;
	struct comparing c = { .a = a,
			       .delta = delta,
			       .rule = rule,
			       .blocks_max = APPLY_PIECE / rule->block_size,
			       .whole = mode == APPLY_COMPARE_ALL,
			       .found = out };
	int rc = 0;

	*out = (struct apply_found){ .old = size == head->base_size,
				     .new = size == head->target_size };
	if (!out->old && !out->new)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the target has %" PRIu64 " bytes, the delta is for %" PRIu64,
				 size, head->base_size);
	atomic_init(&c.back, back && out->old);
	if (back)
		rc = back_head(a, head, &c.back_head, err);
	c.back_rule = delta_rule(&c.back_head);
	if (rc == 0)
		rc = pipeline_run(&compare_ops, &c, a->threads, err);
	record_free(&c.record);
	if (rc == 0 && back && out->old && !out->new && !a->journal.writer) /* it touches nothing */
		rc = apply_journal_begin(&a->journal, &c.back_head, err);
	return rc;
}

/* [off, end) of the target must be zeros. */
static int check_zeros(const struct apply *a, uint64_t off, uint64_t end, unsigned char *bytes,
		       struct tranship_error *err)
{
	int rc = 0;

	while (rc == 0 && off < end) {
		struct tranship_extent extent;
		size_t n;

		rc = tranship_disk_map(a->target.disk, off, &extent, err);
		if (rc)
			break;
		if (extent.kind != TRANSHIP_DATA) {
			off += extent.len;
			continue;
		}
		n = (size_t)min_u64(min_u64(extent.len, end - off), APPLY_PIECE);
		rc = tranship_disk_read(a->target.disk, NULL, off, bytes, n, err);
		if (rc == 0 && !bytes_are_zero(bytes, n))
			rc = error_set(err, TRANSHIP_EMISMATCH,
				       "the target has data that would be cut off and that the "
				       "delta does not know, between %" PRIu64 " and %" PRIu64,
				       off, off + n);
		off += n;
	}
	return rc;
}

int apply_check_tail(struct apply *a, struct delta *delta, uint64_t from,
		     struct tranship_error *err)
{
	uint64_t end = a->target.disk->size, unit = delta_record_rule(delta)->block_size, where;
	unsigned char *bytes;
	struct record r = { 0 };
	uint32_t i;
	int rc = 1;

	if (from >= end)
		return 0;
	bytes = malloc(APPLY_PIECE);
	if (!bytes)
		return error_nomem(err, APPLY_PIECE);
	while (rc == 1 && from < end && (rc = delta_find(delta, from, &r, &where, err)) == 1) {
		for (i = 0; rc == 1 && i < r.head.pieces; i++) {
			const struct record_piece *p = &r.pieces[i];

			if (p->off > from)
				rc = check_zeros(a, from, min_u64(p->off, end), bytes, err);
			if (rc == 0)
				rc = 1;
			from = max_u64(from, p->off + p->blocks * unit);
		}
	}
	if (rc == 0 && from < end)
		rc = check_zeros(a, from, end, bytes, err);
	record_free(&r);
	free(bytes);
	return rc < 0 ? rc : 0;
}
