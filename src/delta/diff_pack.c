// SPDX-License-Identifier: Apache-2.0
/*
 * Changed blocks on their way into a delta file or another image.
 *
 * Records have at least 64 KiB of data, wherever the changes stand, and are packed on the workers
 * as far as that can be: of a window the first 64 KiB go to the committer as they are, which
 * completes with them what earlier windows left; the worker makes records of the rest; and what is
 * too little for one at the end is left to the committer again.
 */
#include "delta/diff.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/writer.h"

#include <stdlib.h>
#include <string.h>

void loose_clear(struct loose *l)
{
	l->count = 0;
	l->data.len = l->old_digests.len = l->new_digests.len = 0;
}

void loose_free(struct loose *l)
{
	free(l->runs);
	buffer_free(&l->data);
	buffer_free(&l->old_digests);
	buffer_free(&l->new_digests);
}

static int loose_add_run(struct loose *l, const struct loose_run *run, struct tranship_error *err)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 32;
		struct loose_run *runs = realloc(l->runs, cap * sizeof(*runs));

		if (!runs)
			return error_nomem(err, cap * sizeof(*runs));
		l->runs = runs;
		l->cap = cap;
	}
	l->runs[l->count++] = *run;
	return 0;
}

int loose_add(struct loose *l, const struct changed *c, uint32_t block_size, size_t digest_size,
	      struct tranship_error *err)
{
	size_t digests = c->run.blocks * digest_size;
	int rc = 0;

	if (c->run.kind == RECORD_DATA)
		rc = buffer_append(&l->data, c->data, (size_t)c->run.blocks * block_size, err);
	if (rc == 0 && c->old_digests)
		rc = buffer_append(&l->old_digests, c->old_digests, digests, err);
	if (rc == 0 && c->new_digests && c->run.kind == RECORD_DATA)
		rc = buffer_append(&l->new_digests, c->new_digests, digests, err);
	return rc ? rc : loose_add_run(l, &c->run, err);
}

/* The first blocks of what was found, which then begins behind them. */
static struct changed split(const struct diff *d, struct changed *c, uint32_t blocks)
{
	uint64_t bytes = (uint64_t)blocks * d->digester.block_size;
	struct changed first = *c;

	first.run.blocks = blocks;
	c->run.off += bytes;
	c->run.blocks -= blocks;
	if (c->run.kind == RECORD_DATA) {
		c->data += bytes;
		c->new_digests += blocks * d->digester.size;
	}
	c->old_digests += blocks * d->digester.size;
	return first;
}

static int encode(struct record_builder *b, struct diff_item *item, struct tranship_error *err)
{
	return record_builder_encode(b, &item->encoded, &item->spans[item->span_count++], err);
}

/* Adds to a builder until it is full; what does not fit stays in *c. */
static int fill(const struct diff *d, struct record_builder *b, struct changed *c,
		struct tranship_error *err)
{
	uint32_t room = record_builder_room(b, c->run.kind);
	struct changed part = split(d, c, c->run.blocks < room ? c->run.blocks : room);

	if (part.run.blocks == 0)
		return 0;
	return record_builder_add(b, part.run.off, part.run.blocks, part.run.kind, 0, part.data,
				  part.old_digests, part.new_digests, err);
}

/* Whether there is enough for a record: of data, or of blocks of zeros. */
static bool loose_is_enough(const struct diff *d, const struct loose *l)
{
	return l->data.len >= RECORD_DATA_MIN ||
	       l->old_digests.len / d->digester.size >= RECORD_BLOCKS_MAX / 8;
}

/* Moves all of what is loose into the builder, which has room for it. */
static int move_loose(const struct diff *d, struct loose *l, struct record_builder *b,
		      int (*full)(void *ctx, struct tranship_error *err), void *ctx,
		      struct tranship_error *err)
{
	struct changed c = { .data = l->data.bytes,
			     .old_digests = l->old_digests.bytes,
			     .new_digests = l->new_digests.bytes };
	size_t i;
	int rc = 0;

	for (i = 0; i < l->count && rc == 0; i++) {
		c.run = l->runs[i];
		while (rc == 0 && c.run.blocks > 0) {
			if (full && record_builder_room(b, c.run.kind) == 0)
				rc = full(ctx, err);
			if (rc == 0)
				rc = fill(d, b, &c, err);
		}
	}
	loose_clear(l);
	return rc;
}

/* What the worker may pack itself; the committer has enough in front of it. */
static int pack_rest(const struct diff *d, struct diff_worker *w, struct diff_item *item,
		     struct changed *c, struct tranship_error *err)
{
	struct record_builder *b = w->builder;
	int rc = 0;

	while (rc == 0 && c->run.blocks > 0) {
		struct changed part;

		if (record_builder_blocks(b) > 0 && record_builder_room(b, c->run.kind) == 0)
			rc = encode(b, item, err);
		if (rc || c->run.blocks == 0)
			break;
		if (record_builder_blocks(b) > 0) {
			rc = fill(d, b, c, err);
			continue;
		}
		part = split(d, c, 1);
		rc = loose_add(&item->tail, &part, d->digester.block_size, d->digester.size, err);
		if (rc == 0 && loose_is_enough(d, &item->tail))
			rc = move_loose(d, &item->tail, b, NULL, NULL, err);
	}
	return rc;
}

int diff_pack(const struct diff *d, struct diff_worker *w, struct diff_item *item,
	      const struct changed *found, struct tranship_error *err)
{
	struct changed c = *found;
	int rc = 0;

	if (d->sink.writer) {
		c.old_digests = c.new_digests = NULL;
		return loose_add(&item->head, &c, d->digester.block_size, 0, err);
	}
	if (!w->builder)
		return 0;
	while (rc == 0 && c.run.blocks > 0 && !loose_is_enough(d, &item->head)) {
		struct changed part = split(d, &c, 1);

		rc = loose_add(&item->head, &part, d->digester.block_size, d->digester.size, err);
	}
	return rc ? rc : pack_rest(d, w, item, &c, err);
}

int diff_pack_end(const struct diff *d, struct diff_worker *w, struct diff_item *item,
		  struct tranship_error *err)
{
	(void)d;
	return w->builder && record_builder_blocks(w->builder) > 0 ? encode(w->builder, item, err)
								   : 0;
}

/* From here on: the committer. Packs what it has collected. */
static int put_pending(void *ctx, struct tranship_error *err)
{
	struct diff *d = ctx;
	struct buffer *encoded = &d->sink.encoded;
	struct record_span span;
	int rc;

	encoded->len = 0;
	rc = record_builder_encode(d->sink.builder, encoded, &span, err);
	return rc ? rc : delta_writer_put(d->sink.delta, &span, encoded->bytes + span.at, err);
}

static int sink_delta(struct diff *d, struct diff_item *item, struct tranship_error *err)
{
	struct record_builder *b = d->sink.builder;
	size_t i;
	int rc = move_loose(d, &item->head, b, put_pending, d, err);

	/* Here the head is there and enough for a record. */
	if (rc == 0 && item->span_count > 0 && record_builder_blocks(b) > 0)
		rc = put_pending(d, err);
	for (i = 0; i < item->span_count && rc == 0; i++)
		rc = delta_writer_put(d->sink.delta, &item->spans[i],
				      item->encoded.bytes + item->spans[i].at, err);
	return rc ? rc : move_loose(d, &item->tail, b, put_pending, d, err);
}

/* Names what lies between the last changed block and `off` as the base has it. */
static int skip_to(struct tranship_writer *writer, uint64_t off, struct tranship_error *err)
{
	uint64_t to = min_u64(off, writer->size);

	return to > writer->pos ? tranship_writer_skip(writer, writer->pos, to - writer->pos, err)
				: 0;
}

static int sink_writer(struct diff *d, struct diff_item *item, struct tranship_error *err)
{
	struct tranship_writer *writer = d->sink.writer;
	const unsigned char *data = item->head.data.bytes;
	size_t i;
	int rc = 0;

	for (i = 0; i < item->head.count && rc == 0; i++) {
		const struct loose_run *run = &item->head.runs[i];
		uint64_t bytes = (uint64_t)run->blocks * d->digester.block_size, len;

		if (run->off >= writer->size)
			break;
		len = min_u64(bytes, writer->size - run->off);
		rc = skip_to(writer, run->off, err);
		if (rc == 0 && run->kind == RECORD_ZERO)
			rc = tranship_writer_zero(writer, run->off, len, err);
		else if (rc == 0)
			rc = tranship_writer_put(writer, run->off, data, (size_t)len, err);
		data += run->kind == RECORD_DATA ? bytes : 0;
	}
	return rc;
}

int diff_sink_item(struct diff *d, struct diff_item *item, struct tranship_error *err)
{
	if (d->sink.writer)
		return sink_writer(d, item, err);
	return d->sink.delta ? sink_delta(d, item, err) : 0;
}

int diff_sink_end(struct diff *d, struct tranship_error *err)
{
	if (d->sink.writer)
		return skip_to(d->sink.writer, d->sink.writer->size, err);
	if (d->sink.delta && record_builder_blocks(d->sink.builder) > 0)
		return put_pending(d, err);
	return 0;
}
