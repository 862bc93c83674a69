// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a delta file front to back: every byte of it belongs to something, every record is what
 * its digests and the index say, and all that the end counts is used up exactly.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "delta/delta_inside.h"
#include "io/file.h"

#include <inttypes.h>
#include <string.h>

#define PAGE_MAGIC "TPGE"

struct verifying {
	struct delta *delta;
	struct sha256 *sha;
	struct unpacker *unpacker;
	struct record record;
	struct buffer raw;
	uint64_t at, limit;           /* where it reads, and where the end begins */
	uint64_t disk_end;            /* of the last record */
	uint64_t key;                 /* entries of the index before it were seen */
	uint64_t records, data, zero; /* that are still to come */
};

/* The next `len` bytes, of which `have` are in the buffer already. */
static int take(struct verifying *v, size_t have, size_t len, struct tranship_error *err)
{
	int rc;

	if (!range_ok(v->at, len, v->limit))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: what begins at %" PRIu64
				 " of the file passes the last record's end at %" PRIu64,
				 v->at, v->limit);
	v->raw.len = have;
	rc = buffer_reserve(&v->raw, len - have, err);
	if (rc || len == have)
		return rc;
	rc = tranship_file_read(delta_of_file(v->delta), v->at + have, v->raw.bytes + have,
				len - have, err);
	if (rc == 0)
		v->raw.len = len;
	return rc;
}

/* Takes what is at hand as read. */
static int consume(struct verifying *v, struct tranship_error *err)
{
	int rc = sha256_update(v->sha, v->raw.bytes, v->raw.len, err);

	if (rc == 0)
		v->at += v->raw.len;
	return rc;
}

/* Against what is left of each budget, before anything is unpacked. */
static int check_budgets(struct verifying *v, const struct record_head *h,
			 struct tranship_error *err)
{
	uint64_t unit = delta_record_rule(v->delta)->block_size;
	uint64_t data = h->data_blocks * unit, zero = (h->blocks - h->data_blocks) * unit;

	if (h->off < v->disk_end)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the record at %" PRIu64 " of the file is for %" PRIu64
				 " of the disk, the one before it ends at %" PRIu64,
				 v->at, h->off, v->disk_end);
	if (v->records == 0 || data > v->data || zero > v->zero)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: with the record at %" PRIu64
				 " of the file there is more than its end counts",
				 v->at);
	v->records--;
	v->data -= data;
	v->zero -= zero;
	return 0;
}

/* The index must have this record next. */
static int check_index(struct verifying *v, const struct record_head *h, struct tranship_error *err)
{
	struct delta_entry e;
	int rc = delta_next_entry(v->delta, v->key, &e, err);

	if (rc < 0)
		return rc;
	if (rc == 0 || e.at != v->at)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the index does not have the record at %" PRIu64
				 " of the file",
				 v->at);
	return delta_match_entry(&e, h, err);
}

static int verify_record(struct verifying *v, struct tranship_error *err)
{
	const struct record_rule *rule = delta_record_rule(v->delta);
	struct record_head h;
	size_t table;
	int rc = record_decode_head(rule, v->raw.bytes, &h, err);

	if (rc == 0)
		rc = check_budgets(v, &h, err);
	if (rc == 0)
		rc = check_index(v, &h, err);
	if (rc)
		return rc;
	table = (size_t)RECORD_HEAD + h.table_len;
	rc = take(v, RECORD_HEAD, table + h.stored_len, err);
	if (rc == 0)
		rc = record_decode_table(rule, v->raw.bytes, table, &v->record, err);
	if (rc == 0)
		rc = record_decode_data(v->unpacker, rule, delta_digester(v->delta, h.lineage),
					v->raw.bytes + table, &v->record, err);
	v->key = h.off + 1;
	v->disk_end = h.end;
	return rc ? rc : consume(v, err);
}

/* A record or a page of the index. */
static int verify_next(struct verifying *v, struct tranship_error *err)
{
	int rc = take(v, 0, RECORD_HEAD, err);

	if (rc)
		return rc;
	if (memcmp(v->raw.bytes, PAGE_MAGIC, 4) != 0)
		return verify_record(v, err);
	rc = take(v, RECORD_HEAD, PAGE_SIZE_BYTES, err);
	return rc ? rc : consume(v, err);
}

/* Nothing may be left over, anywhere. */
static int verify_end(struct verifying *v, struct tranship_error *err)
{
	unsigned char raw[DELTA_END_HASHED], sha256[32];
	struct delta_entry e;
	int rc = delta_next_entry(v->delta, v->key, &e, err);

	if (rc < 0)
		return rc;
	if (rc > 0 || v->records > 0 || v->data > 0 || v->zero > 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: its index and its end count more than there is: %" PRIu64
				 " records more, %" PRIu64 " bytes of data and %" PRIu64
				 " of zeros",
				 v->records, v->data, v->zero);
	rc = tranship_file_read(delta_of_file(v->delta), v->limit, raw, sizeof(raw), err);
	if (rc == 0)
		rc = sha256_update(v->sha, raw, sizeof(raw), err);
	if (rc == 0)
		rc = sha256_final(v->sha, sha256, err);
	if (rc)
		return rc;
	if (memcmp(sha256, delta_end(v->delta)->sha256, sizeof(sha256)) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the file is damaged: it has another SHA-256");
	return 0;
}

static int verify_all(struct verifying *v,
		      int (*tick)(void *ctx, uint64_t done, struct tranship_error *err), void *ctx,
		      struct tranship_error *err)
{
	int rc = take(v, 0, DELTA_HEAD_SIZE, err);

	if (rc == 0)
		rc = consume(v, err);
	while (rc == 0 && v->at < v->limit) {
		rc = verify_next(v, err);
		if (rc == 0 && tick)
			rc = tick(ctx, v->at, err);
	}
	return rc ? rc : verify_end(v, err);
}

int delta_verify(struct delta *d, int (*tick)(void *ctx, uint64_t done, struct tranship_error *err),
		 void *ctx, struct tranship_error *err)
{
	const struct delta_end *end = delta_end(d);
	struct verifying v = {
		.delta = d,
		.limit = end->size - DELTA_END_SIZE,
		.records = end->records,
		.data = end->data,
		.zero = end->zero,
	};
	int rc = sha256_new(&v.sha, err);

	if (rc == 0)
		rc = unpacker_new(&v.unpacker, err);
	if (rc == 0)
		rc = verify_all(&v, tick, ctx, err);
	record_free(&v.record);
	buffer_free(&v.raw);
	unpacker_free(v.unpacker);
	sha256_free(v.sha);
	return rc;
}
