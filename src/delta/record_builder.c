// SPDX-License-Identifier: Apache-2.0
/* Making records. What a builder holds is what its stored form needs, and no more: it is filled and
 * emptied many times. */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "delta/record.h"
#include "delta/record_ondisk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct record_builder {
	struct record_rule rule;
	ZSTD_CCtx *zstd; /* NULL: nothing is compressed */
	struct buffer pieces, old_digests, new_digests, data;
	uint32_t blocks, data_blocks;
	uint8_t lineage;
	uint64_t off, end;
	struct record_piece last; /* which still grows; blocks == 0: none */
};

int record_builder_new(const struct record_rule *rule, int level, struct record_builder **out,
		       struct tranship_error *err)
{
	struct record_builder *b = calloc(1, sizeof(*b));

	*out = NULL;
	if (!b)
		return error_nomem(err, sizeof(*b));
	b->rule = *rule;
	if (level > 0) {
		b->zstd = ZSTD_createCCtx();
		if (!b->zstd ||
		    ZSTD_isError(ZSTD_CCtx_setParameter(b->zstd, ZSTD_c_compressionLevel, level))) {
			record_builder_free(b);
			return error_set(err, TRANSHIP_ENOMEM, "tsd: no memory to pack records");
		}
	}
	*out = b;
	return 0;
}

void record_builder_free(struct record_builder *b)
{
	if (!b)
		return;
	ZSTD_freeCCtx(b->zstd);
	buffer_free(&b->pieces);
	buffer_free(&b->old_digests);
	buffer_free(&b->new_digests);
	buffer_free(&b->data);
	free(b);
}

static void forget(struct record_builder *b)
{
	b->pieces.len = 0;
	b->old_digests.len = 0;
	b->new_digests.len = 0;
	b->data.len = 0;
	b->blocks = 0;
	b->data_blocks = 0;
	b->last.blocks = 0;
}

uint32_t record_builder_room(const struct record_builder *b, enum record_piece_kind kind)
{
	uint32_t room = RECORD_BLOCKS_MAX - b->blocks;
	uint32_t data = RECORD_DATA_MAX / b->rule.block_size - b->data_blocks;

	return kind == RECORD_DATA && data < room ? data : room;
}

uint32_t record_builder_blocks(const struct record_builder *b)
{
	return b->blocks;
}

uint8_t record_builder_lineage(const struct record_builder *b)
{
	return b->lineage;
}

void record_builder_swap(struct record_builder *a, struct record_builder *b)
{
	struct record_builder held = *a;
	ZSTD_CCtx *theirs = b->zstd;

	*a = *b;
	a->zstd = held.zstd;
	*b = held;
	b->zstd = theirs;
}

static int put_last(struct record_builder *b, struct tranship_error *err)
{
	unsigned char raw[RECORD_PIECE_SIZE];

	if (b->last.blocks == 0)
		return 0;
	put_le64(raw + PIECE_OFF_OFF, b->last.off);
	put_le32(raw + PIECE_OFF_BLOCKS, b->last.blocks);
	put_le32(raw + PIECE_OFF_KIND, b->last.kind);
	return buffer_append(&b->pieces, raw, sizeof(raw), err);
}

/* A piece that follows the last one makes that longer. */
static int add_piece(struct record_builder *b, const struct record_piece *piece,
		     struct tranship_error *err)
{
	int rc;

	if (b->last.blocks > 0 && b->end == piece->off && b->last.kind == piece->kind) {
		b->last.blocks += piece->blocks;
		return 0;
	}
	rc = put_last(b, err);
	if (rc == 0)
		b->last = *piece;
	return rc;
}

int record_builder_add(struct record_builder *b, uint64_t off, uint32_t blocks,
		       enum record_piece_kind kind, uint8_t lineage, const void *data,
		       const unsigned char *old_digests, const unsigned char *new_digests,
		       struct tranship_error *err)
{
	struct record_piece piece = { off, blocks, kind };
	size_t digests = blocks * b->rule.digest_size;
	size_t bytes = (size_t)blocks * b->rule.block_size;
	int rc;

	assert(blocks > 0 && blocks <= record_builder_room(b, kind));
	assert(b->blocks == 0 || (off >= b->end && lineage == b->lineage));
	assert(off % b->rule.block_size == 0);
	assert(range_ok(off, bytes, kind == RECORD_DATA ? b->rule.target : b->rule.limit));
	rc = buffer_append(&b->old_digests, old_digests, digests, err);
	if (rc == 0 && kind == RECORD_DATA)
		rc = buffer_append(&b->new_digests, new_digests, digests, err);
	if (rc == 0 && kind == RECORD_DATA)
		rc = buffer_append(&b->data, data, bytes, err);
	if (rc == 0)
		rc = add_piece(b, &piece, err);
	if (rc) { /* what it holds is no record any more */
		forget(b);
		return rc;
	}
	if (b->blocks == 0)
		b->off = off;
	b->end = off + bytes;
	b->lineage = lineage;
	b->blocks += blocks;
	if (kind == RECORD_DATA)
		b->data_blocks += blocks;
	return 0;
}

/* Packs the data behind `out`, where there is room for the worst. *len 0: that does not make it
 * smaller. */
static int pack(struct record_builder *b, const struct buffer *out, size_t *len,
		struct tranship_error *err)
{
	size_t n;

	*len = 0;
	if (!b->zstd || b->data.len == 0)
		return 0;
	n = ZSTD_compress2(b->zstd, out->bytes + out->len, out->cap - out->len, b->data.bytes,
			   b->data.len);
	if (ZSTD_isError(n))
		return error_set(err, TRANSHIP_ENOMEM, "tsd: a record was not packed: %s",
				 ZSTD_getErrorName(n));
	*len = n < b->data.len ? n : 0;
	return 0;
}

/* The head of what stands in `raw`, in front of its table. */
static void put_head(const struct record_builder *b, unsigned char *raw, size_t table_len,
		     size_t stored_len, bool compressed)
{
	memset(raw, 0, RECORD_HEAD);
	memcpy(raw + RECORD_OFF_MAGIC, RECORD_MAGIC, 8);
	put_le32(raw + RECORD_OFF_PIECES, (uint32_t)(b->pieces.len / RECORD_PIECE_SIZE));
	put_le32(raw + RECORD_OFF_BLOCKS, b->blocks);
	put_le32(raw + RECORD_OFF_DATA_BLOCKS, b->data_blocks);
	put_le32(raw + RECORD_OFF_TABLE_LEN, (uint32_t)table_len);
	put_le32(raw + RECORD_OFF_STORED_LEN, (uint32_t)stored_len);
	raw[RECORD_OFF_FLAGS] = compressed ? RECORD_FLAG_COMPRESSED : 0;
	raw[RECORD_OFF_LINEAGE] = b->lineage;
	put_le64(raw + RECORD_OFF_OFF, b->off);
	put_le64(raw + RECORD_OFF_END, b->end);
	put_le64(raw + RECORD_OFF_CHECK, record_check(&b->rule, raw, RECORD_HEAD + table_len));
}

/* Head (empty as yet), table and room for the data. */
static int put_table(struct record_builder *b, struct buffer *out, struct tranship_error *err)
{
	static const unsigned char head[RECORD_HEAD];
	int rc = put_last(b, err);

	b->last.blocks = 0;
	if (rc == 0)
		rc = buffer_append(out, head, sizeof(head), err);
	if (rc == 0)
		rc = buffer_append(out, b->pieces.bytes, b->pieces.len, err);
	if (rc == 0)
		rc = buffer_append(out, b->old_digests.bytes, b->old_digests.len, err);
	if (rc == 0)
		rc = buffer_append(out, b->new_digests.bytes, b->new_digests.len, err);
	if (rc == 0)
		rc = buffer_reserve(out, ZSTD_compressBound(b->data.len), err);
	return rc;
}

int record_builder_encode(struct record_builder *b, struct buffer *out, struct record_span *span,
			  struct tranship_error *err)
{
	size_t at = out->len, table_len = 0, stored_len = 0;
	bool compressed;
	int rc = put_table(b, out, err);

	assert(b->blocks > 0 || rc);
	if (rc == 0) {
		table_len = out->len - at - RECORD_HEAD;
		rc = pack(b, out, &stored_len, err);
	}
	if (rc) {
		out->len = at;
		forget(b);
		return rc;
	}
	compressed = stored_len > 0;
	if (!compressed && b->data.len > 0) {
		stored_len = b->data.len;
		memcpy(out->bytes + out->len, b->data.bytes, stored_len);
	}
	put_head(b, out->bytes + at, table_len, stored_len, compressed);
	out->len += stored_len;
	*span = (struct record_span){
		.off = b->off,
		.end = b->end,
		.data = (uint64_t)b->data_blocks * b->rule.block_size,
		.zero = (uint64_t)(b->blocks - b->data_blocks) * b->rule.block_size,
		.at = at,
		.len = out->len - at,
	};
	forget(b);
	return 0;
}
