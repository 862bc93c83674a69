// SPDX-License-Identifier: Apache-2.0
/* What was found, in order: into the outputs, the result, and the caller's ear. */
#include "delta/diff.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/disk.h"

#include <stdlib.h>
#include <string.h>

/* So many digests are carried over at once. */
#define CARRY_BLOCKS 4096U

/* Hands a stretch on when the next one is of another kind. Nothing lies behind the larger disk. */
static void tell(struct diff *d, const struct stretch *s)
{
	if (d->told.len > 0 && d->told.kind == s->kind) {
		d->told.len += s->len;
		return;
	}
	diff_told(d);
	d->told = *s;
}

void diff_told(struct diff *d)
{
	uint64_t size = d->target->size;
	struct stretch *s = &d->told;

	if (!d->alone)
		size = max_u64(size, d->head.base_size);
	if (s->len > 0 && s->off < size) {
		s->len = min_u64(s->len, size - s->off);
		d->result->pieces +=
			s->kind == TRANSHIP_DIFF_CHANGED || s->kind == TRANSHIP_DIFF_ZEROED;
		if (s->kind == TRANSHIP_DIFF_CHANGED)
			d->result->changed += s->len;
		if (s->kind == TRANSHIP_DIFF_ZEROED)
			d->result->zeroed += s->len;
		if (d->options->found)
			d->options->found(d->options->found_ctx, s->off, s->len, s->kind);
	}
	s->len = 0;
}

/* Where nothing was read the new fingerprint has what the base's has. */
static int carry_over(struct diff *d, const struct diff_item *item, struct tranship_error *err)
{
	const struct digester *g = &d->print;
	uint64_t block = item->off / g->block_size;
	uint64_t end =
		min_u64(block + item->len / g->block_size, div_up(d->target->size, g->block_size));
	unsigned char *digests = malloc(CARRY_BLOCKS * g->size);
	int rc = digests ? 0 : error_nomem(err, CARRY_BLOCKS * g->size);

	while (rc == 0) {
		size_t count;

		rc = fingerprint_next(d->carry, block, &block, err);
		if (rc || block >= end)
			break;
		count = (size_t)min_u64(CARRY_BLOCKS, end - block);
		rc = fingerprint_read(d->carry, block, count, digests, err);
		if (rc == 0)
			rc = fingerprint_writer_add(d->print_writer, block, count, digests, err);
		block += count;
	}
	free(digests);
	return rc;
}

static int commit_print(struct diff *d, const struct diff_item *item, struct tranship_error *err)
{
	uint64_t block_size = d->print.block_size;
	uint64_t last = div_up(d->target->size, block_size), first, count;

	if (!d->print_writer || item->kind == ITEM_SAME)
		return 0;
	if (item->kind == ITEM_UNREAD)
		return carry_over(d, item, err);
	first = item->off / block_size;
	count = min_u64(item->len / block_size, last > first ? last - first : 0);
	return count == 0 ? 0
			  : fingerprint_writer_add(d->print_writer, first, (size_t)count,
						   item->print, err);
}

/* Outside of the changes: whatever is not the same they should have named. */
static int commit_missed(struct diff *d, const struct diff_item *item, struct tranship_error *err)
{
	uint64_t size = tranship_changes_size(d->missed);
	size_t i;
	int rc = 0;

	for (i = 0; i < item->stretch_count && rc == 0; i++) {
		const struct stretch *s = &item->stretches[i];

		if (s->kind != TRANSHIP_DIFF_SAME && s->off < size)
			rc = tranship_changes_add(d->missed, s->off, min_u64(s->len, size - s->off),
						  false, err);
	}
	return rc;
}

int diff_commit(void *ctx, void *arg, struct tranship_error *err)
{
	struct diff *d = ctx;
	struct diff_item *item = arg;
	uint64_t read = item->data[0] && item->kind != ITEM_UNREAD ? item->len : 0;
	size_t i;
	int rc = item->kind == ITEM_VERIFY ? commit_missed(d, item, err) : 0;

	for (i = 0; i < item->stretch_count; i++)
		tell(d, &item->stretches[i]);
	if (rc == 0)
		rc = diff_sink_item(d, item, err);
	if (rc == 0)
		rc = commit_print(d, item, err);
	if (rc)
		return rc;
	d->result->read += read;
	return meter_add(&d->meter, item->len, read, err);
}
