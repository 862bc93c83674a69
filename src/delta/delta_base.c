// SPDX-License-Identifier: Apache-2.0
/* Whether a disk is the one that a delta was made from: its size, and the old digest of every block
 * that the delta replaces. */
#include "base/checked.h"
#include "base/error.h"
#include "delta/delta_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct comparing {
	struct delta *delta;
	struct tranship_disk *base;
	struct tranship_scratch *scratch;
	struct record record;
	unsigned char *bytes;      /* RECORD_DATA_MAX */
	uint64_t bad_off, bad_end; /* the first range that differs; equal: none yet */
};

/* Blocks of the base, with zeros behind its end. */
static int read_blocks(struct comparing *c, uint64_t off, size_t len, struct tranship_error *err)
{
	size_t n = off < c->base->size ? (size_t)min_u64(len, c->base->size - off) : 0;

	memset(c->bytes + n, 0, len - n);
	return n > 0 ? tranship_disk_read(c->base, c->scratch, off, c->bytes, n, err) : 0;
}

/* Compares some blocks. 1: the first range that differs has ended. */
static int compare_blocks(struct comparing *c, uint64_t off, uint32_t blocks,
			  const unsigned char *digests, struct tranship_error *err)
{
	const struct digester *digester = delta_digester(c->delta, c->record.head.lineage);
	size_t size = digester->block_size;
	uint32_t i;
	int rc = read_blocks(c, off, blocks * size, err);

	for (i = 0; i < blocks && rc == 0; i++, off += size) {
		unsigned char digest[DIGEST_SIZE_MAX];
		bool bad = c->bad_end > c->bad_off;

		rc = digest_blocks(digester, c->bytes + i * size, 1, digest, err);
		if (rc)
			return rc;
		if (bad && c->bad_end != off)
			return 1;
		if (memcmp(digest, digests + i * digester->size, digester->size) != 0) {
			c->bad_off = bad ? c->bad_off : off;
			c->bad_end = off + size;
		} else if (bad) {
			return 1;
		}
	}
	return rc;
}

static int compare_record(struct comparing *c, struct tranship_error *err)
{
	const struct record_rule *rule = delta_record_rule(c->delta);
	const unsigned char *digests = c->record.old_digests;
	uint32_t most = RECORD_DATA_MAX / rule->block_size, i, at, n;
	int rc = 0;

	for (i = 0; i < c->record.head.pieces && rc == 0; i++) {
		const struct record_piece *p = &c->record.pieces[i];

		for (at = 0; at < p->blocks && rc == 0; at += n) {
			n = p->blocks - at < most ? p->blocks - at : most;
			rc = compare_blocks(c, p->off + (uint64_t)at * rule->block_size, n, digests,
					    err);
			digests += n * rule->digest_size;
		}
	}
	return rc;
}

static int differs(const struct comparing *c, struct tranship_error *err)
{
	uint64_t end = c->bad_end;

	if (c->bad_off < c->base->size)
		end = min_u64(end, c->base->size);
	return error_set(
		err, TRANSHIP_EMISMATCH,
		"tsd: the base is not the disk that the delta was made from: it differs at "
		"%" PRIu64 " to %" PRIu64,
		c->bad_off, end);
}

static int compare_all(struct comparing *c,
		       int (*tick)(void *ctx, uint64_t done, struct tranship_error *err), void *ctx,
		       struct tranship_error *err)
{
	uint64_t off = 0, at;
	int rc = 0;

	while (rc == 0) {
		rc = delta_find(c->delta, off, &c->record, &at, err);
		if (rc <= 0)
			break;
		rc = compare_record(c, err);
		off = c->record.head.end;
		if (rc == 0 && tick)
			rc = tick(ctx, at, err);
	}
	if (rc < 0)
		return rc;
	return c->bad_end > c->bad_off ? differs(c, err) : 0;
}

int delta_check_base(struct delta *d, struct tranship_disk *base,
		     int (*tick)(void *ctx, uint64_t done, struct tranship_error *err), void *ctx,
		     struct tranship_error *err)
{
	struct comparing c = { .delta = d, .base = base };
	uint64_t size = delta_head(d)->base_size;
	int rc;

	if (base->size != size)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "tsd: the base has %" PRIu64
				 " bytes, the delta was made from one of %" PRIu64,
				 base->size, size);
	c.bytes = malloc(RECORD_DATA_MAX);
	rc = c.bytes ? tranship_scratch_new(base, &c.scratch, err)
		     : error_nomem(err, RECORD_DATA_MAX);
	if (rc == 0)
		rc = compare_all(&c, tick, ctx, err);
	record_free(&c.record);
	tranship_scratch_free(c.scratch);
	free(c.bytes);
	return rc;
}
