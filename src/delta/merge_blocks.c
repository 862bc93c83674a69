// SPDX-License-Identifier: Apache-2.0
#include "delta/merge.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/zero.h"

#include <inttypes.h>
#include <string.h>

/* The block at off, of which s says something that cannot be. */
static int mismatch(const struct merge *m, const struct merge_source *s, uint64_t off,
		    const char *what, struct tranship_error *err)
{
	error_set(err, TRANSHIP_EMISMATCH,
		  "it does not follow the delta in front of it: %s [%" PRIu64 ", %" PRIu64 ")",
		  what, off, off + m->head.block_size);
	return error_in_file(err, TRANSHIP_EMISMATCH, s->name);
}

static const unsigned char *old_digest(const struct merge_source *s)
{
	return s->record.old_digests + s->block * delta_record_rule(s->delta)->digest_size;
}

static const unsigned char *new_digest(const struct merge_source *s)
{
	return s->record.new_digests + s->data * delta_record_rule(s->delta)->digest_size;
}

static uint8_t lineage_of(const struct merge_source *s)
{
	return s->lineages[s->record.head.lineage];
}

/* Data that is zeros counts as zeros. */
static bool leaves_zeros(const struct merge *m, const struct merge_source *s)
{
	return s->record.pieces[s->piece].kind == RECORD_ZERO ||
	       digest_is_zero(&m->digesters[0], new_digest(s));
}

static int block_data(struct merge *m, struct merge_source *s, const unsigned char **out,
		      struct tranship_error *err)
{
	int rc = delta_read_data(s->delta, m->unpacker, s->record_off, &s->record, err);

	*out = NULL;
	if (rc)
		return error_in_file(err, rc, s->name);
	*out = s->record.data + (size_t)s->data * m->head.block_size;
	return 0;
}

/* The digest of what s leaves, in a lineage of the result. */
static int digest_in(struct merge *m, struct merge_source *s, uint8_t lineage, unsigned char *out,
		     struct tranship_error *err)
{
	const unsigned char *data;
	int rc;

	memset(out, 0, DIGEST_SIZE_MAX);
	if (leaves_zeros(m, s))
		return 0;
	if (lineage == lineage_of(s)) {
		memcpy(out, new_digest(s), m->rule.digest_size);
		return 0;
	}
	rc = block_data(m, s, &data, err);
	return rc ? rc : digest_blocks(&m->digesters[lineage], data, 1, out, err);
}

/* Moves on to where its record has a block, or to the next record. */
static int settle(struct merge_source *s, uint64_t from, struct tranship_error *err)
{
	int rc = delta_find(s->delta, from, &s->record, &s->record_off, err);

	s->piece = s->in_piece = s->block = s->data = 0;
	s->off = rc > 0 ? s->record.pieces[0].off : UINT64_MAX;
	return rc < 0 ? error_in_file(err, rc, s->name) : 0;
}

static int advance(struct merge_source *s, struct tranship_error *err)
{
	const struct record_piece *p = &s->record.pieces[s->piece];

	s->block++;
	s->data += p->kind == RECORD_DATA;
	if (++s->in_piece == p->blocks) {
		s->in_piece = 0;
		p++;
		if (++s->piece == s->record.head.pieces)
			return settle(s, s->record.head.end, err);
	}
	s->off = p->off + (uint64_t)s->in_piece * delta_record_rule(s->delta)->block_size;
	return 0;
}

/* The first delta that has the block found something there: no disk before it may have ended. */
static int check_first(const struct merge *m, const struct merge_source *s, uint64_t off,
		       struct tranship_error *err)
{
	const struct merge_source *before;

	if (digest_is_zero(&m->digesters[0], old_digest(s)))
		return 0;
	for (before = m->sources; before <= s; before++)
		if (off >= delta_head(before->delta)->base_size)
			return mismatch(m, s, off,
					"it replaces something behind the end of the disk, at",
					err);
	return 0;
}

/* `last` left what `next` found. */
static int check_follows(struct merge *m, struct merge_source *last,
			 const struct merge_source *next, uint64_t off, struct tranship_error *err)
{
	unsigned char left[DIGEST_SIZE_MAX];
	int rc = digest_in(m, last, lineage_of(next), left, err);

	if (rc)
		return rc;
	if (memcmp(left, old_digest(next), m->rule.digest_size) == 0)
		return 0;
	return mismatch(m, next, off, "another version of the disk has", err);
}

/* What the end of a smaller disk cuts off is named by its delta, unless it was zeros. */
static int check_cut(struct merge *m, struct merge_source *last, const struct merge_source *next,
		     uint64_t off, struct tranship_error *err)
{
	uint64_t size = delta_head(next->delta)->target_size;
	size_t block_size = m->head.block_size, kept = 0;
	const unsigned char *data;

	if (range_ok(off, block_size, size) || leaves_zeros(m, last))
		return 0;
	if (off < size) {
		int rc = block_data(m, last, &data, err);

		if (rc)
			return rc;
		kept = (size_t)(size - off);
		if (bytes_are_zero(data + kept, block_size - kept))
			return 0;
	}
	return mismatch(m, next, off, "it cuts off, and does not name,", err);
}

/* The stretch that was told ends here. */
static void end_told(struct merge *m)
{
	uint64_t size = max_u64(m->head.base_size, m->head.target_size);
	uint64_t len = m->told_off < size ? min_u64(m->told_end, size) - m->told_off : 0;

	if (len == 0)
		return;
	m->result->pieces++;
	if (m->told_kind == RECORD_DATA)
		m->result->changed += len;
	else
		m->result->zeroed += len;
}

static void tell(struct merge *m, uint64_t off, enum record_piece_kind kind)
{
	if (m->told_end != off || m->told_kind != kind) {
		end_told(m);
		m->told_off = off;
		m->told_kind = kind;
	}
	m->told_end = off + m->head.block_size;
}

/* What `first` found and `last` left is the result, unless it is the same. A record has one
 * lineage: that of what was found. */
static int put_block(struct merge *m, const struct merge_source *first, struct merge_source *last,
		     uint64_t off, struct tranship_error *err)
{
	enum record_piece_kind kind = leaves_zeros(m, last) ? RECORD_ZERO : RECORD_DATA;
	uint8_t lineage = lineage_of(first);
	unsigned char digest[DIGEST_SIZE_MAX];
	const unsigned char *data = NULL;
	int rc = digest_in(m, last, lineage, digest, err);

	if (rc || memcmp(digest, old_digest(first), m->rule.digest_size) == 0)
		return rc;
	if (kind == RECORD_DATA)
		rc = block_data(m, last, &data, err);
	if (rc)
		return rc;
	tell(m, off, kind);
	return packer_add(m->packer,
			  &(struct changed){ .off = off,
					     .blocks = 1,
					     .kind = kind,
					     .lineage = lineage,
					     .data = data,
					     .old_digests = old_digest(first),
					     .new_digests = digest },
			  err);
}

static int merge_block(struct merge *m, uint64_t off, struct tranship_error *err)
{
	struct merge_source *s, *first = NULL, *last = NULL, *end = m->sources + m->count;
	int rc = 0;

	for (s = m->sources; s < end && rc == 0; s++) {
		if (s->off != off) {
			rc = last ? check_cut(m, last, s, off, err) : 0;
			continue;
		}
		rc = last ? check_follows(m, last, s, off, err) : check_first(m, s, off, err);
		first = first ? first : s;
		last = s;
	}
	if (rc == 0)
		rc = put_block(m, first, last, off, err);
	for (s = m->sources; s < end && rc == 0; s++)
		if (s->off == off)
			rc = advance(s, err);
	return rc;
}

static uint64_t next_off(const struct merge *m)
{
	uint64_t off = UINT64_MAX;
	size_t i;

	for (i = 0; i < m->count; i++)
		off = min_u64(off, m->sources[i].off);
	return off;
}

int merge_blocks(struct merge *m, struct tranship_error *err)
{
	uint64_t off;
	size_t i;
	int rc = 0;

	for (i = 0; i < m->count && rc == 0; i++)
		rc = settle(&m->sources[i], 0, err);
	while (rc == 0) {
		off = next_off(m);
		if (off == UINT64_MAX)
			break;
		rc = merge_block(m, off, err);
		if (rc == 0 && off < m->meter.progress.total) {
			rc = meter_add(&m->meter, off - m->metered, 0, err);
			m->metered = off;
		}
	}
	end_told(m);
	return rc;
}
