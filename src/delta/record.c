// SPDX-License-Identifier: Apache-2.0
/* Reading records. Nothing is unpacked before its size is known and allowed, and what comes out is
 * what the digests say, or it is refused. */
#include "delta/record.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "delta/record_ondisk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct unpacker {
	ZSTD_DCtx *zstd;
	struct buffer in;
};

void record_clear(struct record *r)
{
	r->head = (struct record_head){ 0 };
	r->data = NULL;
}

void record_free(struct record *r)
{
	buffer_free(&r->memory);
	buffer_free(&r->data_memory);
	*r = (struct record){ 0 };
}

/* The parts of the head that say how much memory it takes. */
static int check_counts(const struct record_rule *rule, const struct record_head *h,
			struct tranship_error *err)
{
	uint64_t table = (uint64_t)h->pieces * RECORD_PIECE_SIZE +
			 ((uint64_t)h->blocks + h->data_blocks) * rule->digest_size;
	uint64_t data = (uint64_t)h->data_blocks * rule->block_size;

	if (h->blocks == 0 || h->blocks > RECORD_BLOCKS_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: a record has %" PRIu32 " blocks, allowed are 1 to %u",
				 h->blocks, RECORD_BLOCKS_MAX);
	if (h->pieces == 0 || h->pieces > h->blocks)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: a record has %" PRIu32 " pieces for %" PRIu32 " blocks",
				 h->pieces, h->blocks);
	if (h->data_blocks > h->blocks || data > RECORD_DATA_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: a record has %" PRIu32 " blocks of data; of its blocks, and "
				 "in %u bytes, there are fewer",
				 h->data_blocks, RECORD_DATA_MAX);
	if (h->table_len != table)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the table of a record has %" PRIu32
				 " bytes, its counts need %" PRIu64,
				 h->table_len, table);
	if (h->compressed ? h->stored_len == 0 || h->stored_len >= data : h->stored_len != data)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: a record stores %" PRIu32 " bytes for %" PRIu64
				 " bytes of data",
				 h->stored_len, data);
	return 0;
}

int record_decode_head(const struct record_rule *rule, const unsigned char *raw,
		       struct record_head *out, struct tranship_error *err)
{
	struct record_head h = {
		.pieces = get_le32(raw + RECORD_OFF_PIECES),
		.blocks = get_le32(raw + RECORD_OFF_BLOCKS),
		.data_blocks = get_le32(raw + RECORD_OFF_DATA_BLOCKS),
		.table_len = get_le32(raw + RECORD_OFF_TABLE_LEN),
		.stored_len = get_le32(raw + RECORD_OFF_STORED_LEN),
		.compressed = raw[RECORD_OFF_FLAGS] & RECORD_FLAG_COMPRESSED,
		.lineage = raw[RECORD_OFF_LINEAGE],
		.off = get_le64(raw + RECORD_OFF_OFF),
		.end = get_le64(raw + RECORD_OFF_END),
	};
	int rc;

	if (memcmp(raw + RECORD_OFF_MAGIC, RECORD_MAGIC, 8) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: there is no record where one was expected");
	if (raw[RECORD_OFF_FLAGS] & ~RECORD_FLAG_COMPRESSED)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "tsd: a record has the flags 0x%02x, of which only 0x01 is known",
				 raw[RECORD_OFF_FLAGS]);
	rc = check_counts(rule, &h, err);
	if (rc)
		return rc;
	if (h.lineage >= rule->lineages)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: a record is of lineage %u, the file has %" PRIu32,
				 (unsigned)h.lineage, rule->lineages);
	if (h.off >= h.end || h.end > rule->limit || h.off % rule->block_size != 0 ||
	    h.end % rule->block_size != 0 || (h.end - h.off) / rule->block_size < h.blocks)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: a record of %" PRIu32 " blocks covers %" PRIu64
				 " to %" PRIu64 " of a disk of %" PRIu64,
				 h.blocks, h.off, h.end, rule->limit);
	*out = h;
	return 0;
}

uint64_t record_check(const struct record_rule *rule, const unsigned char *raw, size_t len)
{
	unsigned char head[RECORD_HEAD];
	uint64_t seed;

	memcpy(head, raw, RECORD_HEAD);
	put_le64(head + RECORD_OFF_CHECK, 0);
	seed = check64(head, RECORD_HEAD, rule->file_id);
	return check64(raw + RECORD_HEAD, len - RECORD_HEAD, seed);
}

/* One piece, behind `from`. */
static int decode_piece(const struct record_rule *rule, const unsigned char *raw, uint64_t from,
			struct record_piece *out, struct tranship_error *err)
{
	uint64_t off = get_le64(raw + PIECE_OFF_OFF);
	uint32_t blocks = get_le32(raw + PIECE_OFF_BLOCKS), kind = get_le32(raw + PIECE_OFF_KIND);
	uint64_t limit = kind == RECORD_DATA ? rule->target : rule->limit;

	if (kind != RECORD_DATA && kind != RECORD_ZERO)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the piece at %" PRIu64 " is of the unknown kind %" PRIu32,
				 off, kind);
	if (blocks == 0 || blocks > RECORD_BLOCKS_MAX || off % rule->block_size != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the piece at %" PRIu64 " has %" PRIu32 " blocks of %" PRIu32,
				 off, blocks, rule->block_size);
	if (off < from || !range_ok(off, (uint64_t)blocks * rule->block_size, limit))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the piece at %" PRIu64 " of %" PRIu32
				 " blocks does not lie between %" PRIu64 " and %" PRIu64,
				 off, blocks, from, limit);
	*out = (struct record_piece){ off, blocks, kind };
	return 0;
}

static int decode_pieces(const struct record_rule *rule, const unsigned char *raw, struct record *r,
			 struct tranship_error *err)
{
	const struct record_head *h = &r->head;
	uint64_t at = h->off, blocks = 0, data_blocks = 0;
	uint32_t i;

	for (i = 0; i < h->pieces; i++) {
		struct record_piece *p = &r->pieces[i];
		int rc = decode_piece(rule, raw + (size_t)i * RECORD_PIECE_SIZE, at, p, err);

		if (rc)
			return rc;
		at = p->off + (uint64_t)p->blocks * rule->block_size;
		blocks += p->blocks;
		if (p->kind == RECORD_DATA)
			data_blocks += p->blocks;
	}
	if (blocks != h->blocks || data_blocks != h->data_blocks || r->pieces[0].off != h->off ||
	    at != h->end)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the pieces of the record at %" PRIu64
				 " do not add up to what its head says",
				 h->off);
	return 0;
}

static int take_memory(const struct record_rule *rule, struct record *r, struct tranship_error *err)
{
	const struct record_head *h = &r->head;
	size_t pieces = h->pieces * sizeof(*r->pieces);
	size_t digests = ((size_t)h->blocks + h->data_blocks) * rule->digest_size;
	int rc = buffer_reserve(&r->memory, pieces + digests, err);

	if (rc)
		return rc;
	r->pieces = (void *)r->memory.bytes;
	r->old_digests = r->memory.bytes + pieces;
	r->new_digests = r->old_digests + h->blocks * rule->digest_size;
	return 0;
}

int record_decode_table(const struct record_rule *rule, const unsigned char *raw, size_t len,
			struct record *r, struct tranship_error *err)
{
	struct record_head head;
	size_t pieces;
	int rc = record_decode_head(rule, raw, &head, err);

	record_clear(r);
	if (rc)
		return rc;
	if (len != (size_t)RECORD_HEAD + head.table_len)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the table of the record at %" PRIu64 " is cut short",
				 head.off);
	if (record_check(rule, raw, len) != get_le64(raw + RECORD_OFF_CHECK))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the record at %" PRIu64 " of the disk is damaged", head.off);
	r->head = head;
	pieces = (size_t)head.pieces * RECORD_PIECE_SIZE;
	rc = take_memory(rule, r, err);
	if (rc == 0)
		rc = decode_pieces(rule, raw + RECORD_HEAD, r, err);
	if (rc == 0)
		memcpy(r->old_digests, raw + RECORD_HEAD + pieces, head.table_len - pieces);
	else
		record_clear(r);
	return rc;
}

int unpacker_new(struct unpacker **out, struct tranship_error *err)
{
	struct unpacker *u = calloc(1, sizeof(*u));

	*out = NULL;
	if (!u)
		return error_nomem(err, sizeof(*u));
	u->zstd = ZSTD_createDCtx();
	if (!u->zstd) {
		unpacker_free(u);
		return error_set(err, TRANSHIP_ENOMEM, "tsd: no memory to unpack records");
	}
	*out = u;
	return 0;
}

void unpacker_free(struct unpacker *u)
{
	if (!u)
		return;
	ZSTD_freeDCtx(u->zstd);
	buffer_free(&u->in);
	free(u);
}

unsigned char *unpacker_room(struct unpacker *u, size_t len, struct tranship_error *err)
{
	u->in.len = 0;
	/* A record of zeros has none. */
	return buffer_reserve(&u->in, len > 0 ? len : 1, err) == 0 ? u->in.bytes : NULL;
}

/* One frame, which fills `len` bytes exactly: it is asked what it holds before it is unpacked. No
 * window is allocated, because it is unpacked in one step. */
static int unpack(struct unpacker *u, const struct record_head *h, const unsigned char *stored,
		  unsigned char *to, size_t len, struct tranship_error *err)
{
	size_t n;

	if (ZSTD_getFrameContentSize(stored, h->stored_len) != len ||
	    ZSTD_findFrameCompressedSize(stored, h->stored_len) != h->stored_len)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the data of the record at %" PRIu64
				 " is not one zstd frame of %zu bytes",
				 h->off, len);
	n = ZSTD_decompressDCtx(u->zstd, to, len, stored, h->stored_len);
	if (ZSTD_isError(n) || n != len)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the data of the record at %" PRIu64 " does not unpack: %s",
				 h->off, ZSTD_isError(n) ? ZSTD_getErrorName(n) : "it is short");
	return 0;
}

/* Where number `index` of the blocks of data stands on the disk. */
static uint64_t data_block_off(const struct record_rule *rule, const struct record *r,
			       uint32_t index)
{
	uint32_t i;

	for (i = 0; i < r->head.pieces; i++) {
		if (r->pieces[i].kind != RECORD_DATA)
			continue;
		if (index < r->pieces[i].blocks)
			return r->pieces[i].off + (uint64_t)index * rule->block_size;
		index -= r->pieces[i].blocks;
	}
	return r->head.end;
}

static int compare_digests(const struct record_rule *rule, const struct digester *digester,
			   const struct record *r, const unsigned char *data,
			   struct tranship_error *err)
{
	unsigned char digest[DIGEST_SIZE_MAX];
	uint32_t i;

	for (i = 0; i < r->head.data_blocks; i++) {
		int rc = digest_blocks(digester, data + (size_t)i * rule->block_size, 1, digest,
				       err);

		if (rc)
			return rc;
		if (memcmp(digest, r->new_digests + i * rule->digest_size, rule->digest_size) != 0)
			return error_set(err, TRANSHIP_ECORRUPT,
					 "tsd: the data for the block at %" PRIu64
					 " is damaged: it has another digest",
					 data_block_off(rule, r, i));
	}
	return 0;
}

int record_decode_data(struct unpacker *u, const struct record_rule *rule,
		       const struct digester *digester, const unsigned char *stored,
		       struct record *r, struct tranship_error *err)
{
	size_t len = (size_t)r->head.data_blocks * rule->block_size;
	unsigned char *data;
	int rc;

	r->data = NULL;
	r->data_memory.len = 0;
	rc = buffer_reserve(&r->data_memory, len > 0 ? len : 1, err);
	if (rc)
		return rc;
	data = r->data_memory.bytes;
	if (r->head.compressed)
		rc = unpack(u, &r->head, stored, data, len, err);
	else if (len > 0)
		memcpy(data, stored, len);
	if (rc == 0)
		rc = compare_digests(rule, digester, r, data, err);
	if (rc == 0)
		r->data = data;
	return rc;
}
