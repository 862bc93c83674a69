// SPDX-License-Identifier: Apache-2.0
/*
 * A target on which work was interrupted: whether each block that the delta touches is what it was,
 * what it becomes, or was torn between the two. Nothing else could have come of the interruption,
 * so somebody else wrote there if it is something else, and nothing is written then.
 */
#include "base/checked.h"
#include "base/error.h"
#include "delta/apply_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512U

/* One of the two deltas, read at random. */
struct side {
	struct delta *delta;
	struct record record;
	uint64_t where;
};

struct torn {
	struct apply *a;
	struct side to, from;
	struct unpacker *unpacker;
	unsigned char *bytes, *digests;
	bool some_new, some_old;
};

/* The content that the side has for a block; NULL with rc 0: zeros. */
static int content_of(struct torn *t, struct side *s, uint64_t off, const unsigned char **out,
		      struct tranship_error *err)
{
	uint64_t unit = delta_record_rule(s->delta)->block_size;
	uint32_t i, data_block = 0;
	int rc = delta_find(s->delta, off, &s->record, &s->where, err);

	*out = NULL;
	for (i = 0; rc == 1 && i < s->record.head.pieces; i++) {
		const struct record_piece *p = &s->record.pieces[i];

		if (off >= p->off && off - p->off < p->blocks * unit) {
			if (p->kind == RECORD_ZERO)
				return 0;
			data_block += (uint32_t)((off - p->off) / unit);
			rc = delta_read_data(s->delta, t->unpacker, s->where, &s->record, err);
			if (rc == 0)
				*out = s->record.data + data_block * unit;
			return rc;
		}
		if (p->kind == RECORD_DATA)
			data_block += p->blocks;
	}
	return rc < 0 ? rc
		      : error_set(err, TRANSHIP_ECORRUPT,
				  "the journal of a delta is damaged: one of its parts does not "
				  "know the block at %" PRIu64,
				  off);
}

static bool is_part(const unsigned char *sector, const unsigned char *content, size_t at)
{
	static const unsigned char zeros[SECTOR];

	return memcmp(sector, content ? content + at : zeros, SECTOR) == 0;
}

static int check_mixture(struct torn *t, uint64_t off, const unsigned char *block,
			 struct tranship_error *err)
{
	size_t unit = delta_record_rule(t->to.delta)->block_size, at;
	const unsigned char *one, *other;
	int rc = content_of(t, &t->to, off, &one, err);

	if (rc == 0)
		rc = content_of(t, &t->from, off, &other, err);
	for (at = 0; rc == 0 && at < unit; at += SECTOR)
		if (!is_part(block + at, one, at) && !is_part(block + at, other, at))
			rc = error_set(err, TRANSHIP_ECORRUPT,
				       "%u bytes of the target at %" PRIu64
				       " are neither what they were nor what the delta makes of "
				       "them: something else wrote there after it was interrupted",
				       SECTOR, off + at);
	return rc;
}

/* Blocks [first, first + count) of a piece, of which the first ones have these digests. */
static int compare_run(struct torn *t, uint64_t off, uint32_t count, const unsigned char *old,
		       const unsigned char *new, struct tranship_error *err)
{
	const struct record_rule *rule = delta_record_rule(t->to.delta);
	size_t size = rule->digest_size, unit = rule->block_size;
	uint32_t i;
	int rc = apply_read(t->a, NULL, off, t->bytes, count * unit, err);

	if (rc == 0)
		rc = digest_blocks(delta_digester(t->to.delta, t->to.record.head.lineage), t->bytes,
				   count, t->digests, err);
	for (i = 0; rc == 0 && i < count; i++) {
		static const unsigned char zero[DIGEST_SIZE_MAX];
		const unsigned char *is = t->digests + i * size;

		if (memcmp(is, new ? new + i *size : zero, size) == 0) {
			t->some_new = true;
			continue;
		}
		t->some_old = true;
		if (memcmp(is, old + i * size, size) == 0)
			continue;
		t->some_new = true;
		rc = check_mixture(t, off + i * unit, t->bytes + i * unit, err);
	}
	return rc ? rc : meter_add(&t->a->meter, count * unit, 0, err);
}

static int compare_record(struct torn *t, struct tranship_error *err)
{
	const struct record_rule *rule = delta_record_rule(t->to.delta);
	const struct record *r = &t->to.record;
	uint32_t i, at, n, most = APPLY_PIECE / rule->block_size, blocks = 0, data_blocks = 0;
	int rc = 0;

	for (i = 0; i < r->head.pieces; i++) {
		const struct record_piece *p = &r->pieces[i];

		for (at = 0; rc == 0 && at < p->blocks; at += n) {
			const unsigned char *new = NULL;

			n = (uint32_t)min_u64(p->blocks - at, most);
			if (p->kind == RECORD_DATA) {
				new = r->new_digests + data_blocks * rule->digest_size;
				data_blocks += n;
			}
			rc = compare_run(t, p->off + (uint64_t)at * rule->block_size, n,
					 r->old_digests + blocks * rule->digest_size, new, err);
			blocks += n;
		}
	}
	return rc;
}

static int compare_all(struct torn *t, struct tranship_error *err)
{
	uint64_t at = 0;
	int rc = unpacker_new(&t->unpacker, err);

	t->bytes = malloc(APPLY_PIECE);
	t->digests = malloc(APPLY_BLOCKS * DIGEST_SIZE_MAX);
	if (rc == 0 && (!t->bytes || !t->digests))
		rc = error_nomem(err, APPLY_PIECE);
	if (rc)
		return rc;
	while ((rc = delta_find(t->to.delta, at, &t->to.record, &t->to.where, err)) == 1) {
		at = t->to.record.head.end;
		rc = compare_record(t, err);
		if (rc)
			return rc;
	}
	return rc;
}

int apply_compare_torn(struct apply *a, struct delta *to, struct delta *from,
		       struct tranship_error *err)
{
	const struct delta_head *head = delta_head(to);
	uint64_t size = a->target.disk->size;
	struct torn t = { .a = a, .to.delta = to, .from.delta = from };
	int rc;

	if (size != head->base_size && size != head->target_size)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the target has %" PRIu64 " bytes, it was %" PRIu64
				 " and was to become %" PRIu64,
				 size, head->base_size, head->target_size);
	rc = compare_all(&t, err);
	if (rc == 0)
		rc = apply_check_evidence(a, t.some_new && t.some_old, err);
	record_free(&t.to.record);
	record_free(&t.from.record);
	unpacker_free(t.unpacker);
	free(t.bytes);
	free(t.digests);
	return rc;
}
