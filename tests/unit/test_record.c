// SPDX-License-Identifier: Apache-2.0
/* Records of a delta: what goes in comes out, and what is wrong in one field is refused. */
#include "support.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "delta/record_ondisk.h"
#include "heap.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static const struct digest_seed seed = { { 1, 2, 3 } };

static struct record_rule rule_of(uint32_t block_size, size_t digest_size, uint64_t blocks)
{
	return (struct record_rule){
		.block_size = block_size,
		.digest_size = digest_size,
		.limit = blocks * block_size,
		.target = blocks * block_size,
		.file_id = 0x5EED,
		.lineages = 3,
	};
}

/* What was put into a builder. */
struct content {
	struct record_piece pieces[RECORD_BLOCKS_MAX];
	uint32_t count;
	struct buffer old_digests, new_digests, data;
};

static void content_free(struct content *c)
{
	buffer_free(&c->old_digests);
	buffer_free(&c->new_digests);
	buffer_free(&c->data);
}

static void content_add(struct content *c, uint64_t off, uint32_t blocks, uint32_t block_size,
			enum record_piece_kind kind)
{
	struct record_piece *last = c->count > 0 ? &c->pieces[c->count - 1] : NULL;

	if (last && last->kind == kind && last->off + (uint64_t)last->blocks * block_size == off)
		last->blocks += blocks;
	else
		c->pieces[c->count++] = (struct record_piece){ off, blocks, kind };
}

/* Random pieces until the builder is full, or `most` were added. */
static void fill(struct rng *rng, struct record_builder *b, const struct record_rule *rule,
		 const struct digester *digester, unsigned most, struct content *c)
{
	uint64_t off = rng_below(rng, 5) * rule->block_size;
	struct tranship_error err;

	for (; most > 0; most--) {
		enum record_piece_kind kind = rng_below(rng, 2) ? RECORD_DATA : RECORD_ZERO;
		uint32_t room = record_builder_room(b, kind);
		uint32_t blocks = (uint32_t)rng_below(rng, 9) + 1;
		size_t bytes = (size_t)blocks * rule->block_size;
		unsigned char old[9 * DIGEST_SIZE_MAX], new[9 * DIGEST_SIZE_MAX];
		unsigned char *data;

		if (room < blocks)
			break;
		data = random_disk(rng, bytes);
		rng_fill(rng, old, sizeof(old));
		assert_ok(digest_blocks(digester, data, blocks, new, &err), &err);
		assert_ok(record_builder_add(b, off, blocks, kind, 2, data, old, new, &err), &err);
		buffer_append(&c->old_digests, old, blocks * rule->digest_size, NULL);
		if (kind == RECORD_DATA) {
			buffer_append(&c->new_digests, new, blocks * rule->digest_size, NULL);
			buffer_append(&c->data, data, bytes, NULL);
		}
		content_add(c, off, blocks, rule->block_size, kind);
		off += bytes + rng_below(rng, 3) * rule->block_size;
		free(data);
	}
}

static void expect_content(const struct record *r, const struct content *c)
{
	uint32_t i;

	assert_int_equal(r->head.pieces, c->count);
	for (i = 0; i < c->count; i++) {
		assert_int_equal(r->pieces[i].off, c->pieces[i].off);
		assert_int_equal(r->pieces[i].blocks, c->pieces[i].blocks);
		assert_int_equal(r->pieces[i].kind, c->pieces[i].kind);
	}
	assert_memory_equal(r->old_digests, c->old_digests.bytes, c->old_digests.len);
	if (c->new_digests.len > 0)
		assert_memory_equal(r->new_digests, c->new_digests.bytes, c->new_digests.len);
	if (c->data.len > 0)
		assert_memory_equal(r->data, c->data.bytes, c->data.len);
}

/* Decodes what stands in a buffer. */
static int decode(struct unpacker *u, const struct record_rule *rule,
		  const struct digester *digester, const unsigned char *raw, size_t len,
		  struct record *r, struct tranship_error *err)
{
	struct record_head head;
	int rc = record_decode_head(rule, raw, &head, err);
	size_t table = (size_t)RECORD_HEAD + head.table_len;

	if (rc)
		return rc;
	assert_true(table + head.stored_len <= len);
	rc = record_decode_table(rule, raw, table, r, err);
	return rc ? rc : record_decode_data(u, rule, digester, raw + table, r, err);
}

static void test_record__round_trips(void **state)
{
	static const int levels[] = { 0, 1, 7 };
	struct rng rng = { 99 };
	struct record r = { 0 };
	struct tranship_error err;
	struct unpacker *u;
	unsigned n;

	(void)state;
	assert_ok(unpacker_new(&u, &err), &err);
	for (n = 0; n < 60; n++) {
		enum digest_kind kind = rng_below(&rng, 2) ? DIGEST_XXH3 : DIGEST_SHA256;
		uint32_t block = 4096U << rng_below(&rng, 5);
		struct digester digester;
		struct record_rule rule;
		struct record_builder *b;
		struct buffer out = { 0 };
		unsigned round;

		assert_ok(digester_init(&digester, kind, block, &seed, &err), &err);
		rule = rule_of(block, digester.size, 100000);
		assert_ok(record_builder_new(&rule, levels[n % 3], &b, &err), &err);
		for (round = 0; round < 3; round++) { /* it is empty again, and as good as new */
			static struct content c;
			struct record_span span;

			c.count = 0;
			fill(&rng, b, &rule, &digester, (unsigned)rng_below(&rng, 300) + 1, &c);
			assert_int_equal(record_builder_lineage(b), 2);
			assert_ok(record_builder_encode(b, &out, &span, &err), &err);
			assert_int_equal(span.at + span.len, out.len);
			assert_int_equal(record_builder_blocks(b), 0);
			assert_int_equal(span.data, c.data.len);
			assert_ok(decode(u, &rule, &digester, out.bytes + span.at, span.len, &r,
					 &err),
				  &err);
			assert_int_equal(r.head.off, span.off);
			assert_int_equal(r.head.end, span.end);
			assert_int_equal(r.head.lineage, 2);
			expect_content(&r, &c);
			content_free(&c);
		}
		buffer_free(&out);
		record_builder_free(b);
	}
	record_free(&r);
	unpacker_free(u);
}

static void test_builder__holds_so_much_and_no_more(void **state)
{
	struct record_rule rule = rule_of(4096, 16, 100000);
	unsigned char *data = calloc(1, RECORD_DATA_MAX);
	unsigned char *digests = calloc(RECORD_BLOCKS_MAX, 16);
	struct record_builder *b;
	struct buffer out = { 0 };
	struct record_span span;
	struct record_head head;
	struct tranship_error err;

	(void)state;
	assert_ok(record_builder_new(&rule, 1, &b, &err), &err);
	assert_int_equal(record_builder_room(b, RECORD_DATA), RECORD_DATA_MAX / 4096);
	assert_int_equal(record_builder_room(b, RECORD_ZERO), RECORD_BLOCKS_MAX);
	assert_ok(record_builder_add(b, 0, RECORD_DATA_MAX / 4096, RECORD_DATA, 0, data, digests,
				     digests, &err),
		  &err);
	assert_int_equal(record_builder_room(b, RECORD_DATA), 0);
	assert_int_equal(record_builder_room(b, RECORD_ZERO),
			 RECORD_BLOCKS_MAX - RECORD_DATA_MAX / 4096);
	assert_ok(record_builder_add(b, RECORD_DATA_MAX, RECORD_BLOCKS_MAX - RECORD_DATA_MAX / 4096,
				     RECORD_ZERO, 0, NULL, digests, NULL, &err),
		  &err);
	assert_int_equal(record_builder_room(b, RECORD_ZERO), 0);
	assert_ok(record_builder_encode(b, &out, &span, &err), &err);
	assert_ok(record_decode_head(&rule, out.bytes, &head, &err), &err);
	assert_int_equal(head.pieces, 2);
	assert_int_equal(head.blocks, RECORD_BLOCKS_MAX);
	assert_int_equal(span.zero, (RECORD_BLOCKS_MAX - RECORD_DATA_MAX / 4096) * 4096ULL);
	buffer_free(&out);
	record_builder_free(b);
	free(digests);
	free(data);
}

/* ---- Hostile ---- */

#define BLOCK 4096U
#define DIGEST 16U
#define TABLE (4 * RECORD_PIECE_SIZE + 6 * DIGEST + 3 * DIGEST)

/* A record: data at 1 and 2, zeros at 3, data at 8, zeros at 12 and 13 of 20 blocks; 18 of the new
 * disk. */
static struct buffer good;
static struct digester good_digester;
static struct record_rule good_rule;

static int make_good(void **state)
{
	static unsigned char data[2 * BLOCK], digests[4 * DIGEST];
	struct record_builder *b;
	struct record_span span;
	int rc;

	(void)state;
	good_rule = rule_of(BLOCK, DIGEST, 20);
	good_rule.target = 18 * BLOCK;
	memset(data, 'd', sizeof(data));
	memset(digests, 7, sizeof(digests));
	rc = digester_init(&good_digester, DIGEST_XXH3, BLOCK, &seed, NULL);
	if (rc == 0)
		rc = digest_blocks(&good_digester, data, 2, digests + 2 * DIGEST, NULL);
	if (rc == 0)
		rc = record_builder_new(&good_rule, 1, &b, NULL);
	if (rc)
		return -1;
	if (record_builder_add(b, BLOCK, 2, RECORD_DATA, 1, data, digests, digests + 2 * DIGEST,
			       NULL) ||
	    record_builder_add(b, 3 * BLOCK, 1, RECORD_ZERO, 1, NULL, digests, NULL, NULL) ||
	    record_builder_add(b, 8 * BLOCK, 1, RECORD_DATA, 1, data, digests, digests + 2 * DIGEST,
			       NULL) ||
	    record_builder_add(b, 12 * BLOCK, 2, RECORD_ZERO, 1, NULL, digests, NULL, NULL) ||
	    record_builder_encode(b, &good, &span, NULL))
		return -1;
	record_builder_free(b);
	return 0;
}

static int free_good(void **state)
{
	(void)state;
	buffer_free(&good);
	return 0;
}

#define BAD TRANSHIP_ECORRUPT
#define PIECE(n, field) (RECORD_HEAD + (n)*RECORD_PIECE_SIZE + PIECE_OFF_##field)

static const struct row {
	const char *what;
	size_t off, width;
	uint64_t value;
	int code;
	const char *piece;
} rows[] = {
	{ "magic", 0, 1, 'X', BAD, "there is no record" },
	{ "an unknown flag", RECORD_OFF_FLAGS, 1, 3, TRANSHIP_EUNSUPPORTED, "flags 0x03" },
	{ "no blocks", RECORD_OFF_BLOCKS, 4, 0, BAD, "has 0 blocks" },
	{ "many blocks", RECORD_OFF_BLOCKS, 4, RECORD_BLOCKS_MAX + 1, BAD, "has 4097 blocks" },
	{ "all blocks", RECORD_OFF_BLOCKS, 4, UINT32_MAX, BAD, "blocks, allowed" },
	{ "no pieces", RECORD_OFF_PIECES, 4, 0, BAD, "0 pieces for 6 blocks" },
	{ "more pieces than blocks", RECORD_OFF_PIECES, 4, 7, BAD, "7 pieces for 6 blocks" },
	{ "a piece more", RECORD_OFF_PIECES, 4, 5, BAD, "its counts need" },
	{ "more data than blocks", RECORD_OFF_DATA_BLOCKS, 4, 7, BAD, "has 7 blocks of data" },
	{ "less data", RECORD_OFF_DATA_BLOCKS, 4, 2, BAD, "its counts need" },
	{ "a longer table", RECORD_OFF_TABLE_LEN, 4, TABLE + 16, BAD, "its counts need" },
	{ "nothing stored", RECORD_OFF_STORED_LEN, 4, 0, BAD, "stores 0 bytes for 12288" },
	{ "more stored than packed", RECORD_OFF_STORED_LEN, 4, 12288, BAD, "stores 12288 bytes" },
	{ "stored as it is", RECORD_OFF_FLAGS, 1, 0, BAD, "for 12288 bytes of data" },
	{ "an unknown lineage", RECORD_OFF_LINEAGE, 1, 3, BAD, "is of lineage 3, the file has 3" },
	{ "it begins in a block", RECORD_OFF_OFF, 8, 4097, BAD, "of 6 blocks covers 4097" },
	{ "it begins behind its end", RECORD_OFF_OFF, 8, 15 * BLOCK, BAD, "covers 61440" },
	{ "it is shorter than its blocks", RECORD_OFF_OFF, 8, 9 * BLOCK, BAD, "covers 36864" },
	{ "it ends in a block", RECORD_OFF_END, 8, 14 * BLOCK + 512, BAD, "to 57856" },
	{ "it ends behind the disk", RECORD_OFF_END, 8, 21 * BLOCK, BAD, "to 86016 of a disk" },
	{ "it ends nowhere", RECORD_OFF_END, 8, UINT64_MAX - BLOCK + 1, BAD, "of a disk of" },
	{ "it begins earlier", RECORD_OFF_OFF, 8, 0, BAD, "do not add up" },
	{ "it ends later", RECORD_OFF_END, 8, 15 * BLOCK, BAD, "do not add up" },
	{ "a piece of another kind", PIECE(0, KIND), 4, 3, BAD, "of the unknown kind 3" },
	{ "a piece of no kind", PIECE(0, KIND), 4, 0, BAD, "of the unknown kind 0" },
	{ "data that are zeros", PIECE(0, KIND), 4, RECORD_ZERO, BAD, "do not add up" },
	{ "a piece without blocks", PIECE(1, BLOCKS), 4, 0, BAD, "has 0 blocks" },
	{ "a piece of too many", PIECE(1, BLOCKS), 4, 4097, BAD, "has 4097 blocks" },
	{ "a piece of one more", PIECE(3, BLOCKS), 4, 3, BAD, "do not add up" },
	{ "a piece in a block", PIECE(1, OFF), 8, 3 * BLOCK + 1, BAD, "12289 has 1 blocks" },
	{ "pieces that overlap", PIECE(1, OFF), 8, 2 * BLOCK, BAD, "does not lie between 12288" },
	{ "a piece before its record", PIECE(0, OFF), 8, 0, BAD, "does not lie between 4096" },
	{ "the first piece later", PIECE(0, OFF), 8, 2 * BLOCK, BAD, "does not lie between" },
	{ "the last piece earlier", PIECE(3, OFF), 8, 11 * BLOCK, BAD, "do not add up" },
	{ "data behind the new disk", PIECE(2, OFF), 8, 18 * BLOCK, BAD, "and 73728" },
	{ "zeros behind both disks", PIECE(3, OFF), 8, 19 * BLOCK, BAD, "and 81920" },
	{ "a piece that wraps", PIECE(3, OFF), 8, UINT64_MAX - BLOCK + 1, BAD, "does not lie" },
	{ "another digest", RECORD_HEAD + TABLE - 1, 1, 0xEE, BAD, "for the block at 32768" },
	{ "no frame", RECORD_HEAD + TABLE, 1, 0, BAD, "not one zstd frame of 12288" },
};

static int decode_good(const unsigned char *raw, size_t len, struct tranship_error *err)
{
	struct record r = { 0 };
	struct unpacker *u;
	int rc;

	assert_ok(unpacker_new(&u, err), err);
	rc = decode(u, &good_rule, &good_digester, raw, len, &r, err);
	if (rc)
		assert_null(r.data);
	record_free(&r);
	unpacker_free(u);
	return rc;
}

static void test_decode__refuses_hostile_fields(void **state)
{
	struct tranship_error err;
	size_t i, j;

	(void)state;
	assert_ok(decode_good(good.bytes, good.len, &err), &err);
	for (i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		unsigned char *raw = malloc(good.len + 64);

		memcpy(raw, good.bytes, good.len);
		for (j = 0; j < row->width; j++)
			raw[row->off + j] = (unsigned char)(row->value >> 8 * j);
		put_le64(raw + RECORD_OFF_CHECK,
			 record_check(&good_rule, raw, RECORD_HEAD + TABLE));
		if (decode_good(raw, good.len + 64, &err) == 0)
			fail_msg("accepted: %s", row->what);
		assert_fails(err.code, row->code, &err, row->piece);
		free(raw);
	}
}

/* The check is of this file, and over all of head and table. */
static void test_decode__knows_its_own_file(void **state)
{
	struct record_rule other = good_rule;
	struct record r = { 0 };
	struct tranship_error err;

	(void)state;
	other.file_id++;
	assert_fails(record_decode_table(&other, good.bytes, RECORD_HEAD + TABLE, &r, &err), BAD,
		     &err, "the record at 4096 of the disk is damaged");
	assert_fails(record_decode_table(&good_rule, good.bytes, RECORD_HEAD + TABLE - 1, &r, &err),
		     BAD, &err, "is cut short");
	assert_int_equal(r.head.blocks, 0);
	record_free(&r);
}

/* Frames that would fill more, or less, or come with something behind them. */
static void test_decode__refuses_frames_of_another_size(void **state)
{
	static unsigned char bytes[8 * BLOCK];
	static const size_t sizes[] = { 3 * BLOCK - 1, 3 * BLOCK + 1, 8 * BLOCK };
	unsigned char *raw = calloc(1, 8 * BLOCK);
	size_t i, n, table = RECORD_HEAD + TABLE;
	struct tranship_error err;

	(void)state;
	memset(bytes, 'd', sizeof(bytes));
	for (i = 0; i < COUNT_OF(sizes) + 2; i++) {
		size_t size = i < COUNT_OF(sizes) ? sizes[i] : 3 * BLOCK;

		memcpy(raw, good.bytes, table);
		n = ZSTD_compress(raw + table, 4096, bytes, size, 1);
		assert_false(ZSTD_isError(n));
		if (i == COUNT_OF(sizes))
			raw[table + n++] = 0; /* a byte behind it */
		if (i == COUNT_OF(sizes) + 1) /* a frame of nothing behind it */
			n += ZSTD_compress(raw + table + n, 100, bytes, 0, 1);
		put_le32(raw + RECORD_OFF_STORED_LEN, (uint32_t)n);
		put_le64(raw + RECORD_OFF_CHECK, record_check(&good_rule, raw, table));
		assert_fails(decode_good(raw, 8 * BLOCK, &err), BAD, &err, "is not one zstd frame");
	}
	free(raw);
}

/* Any allocation may fail: the code says so, nothing is kept, and a record is empty. */
static void test_sweep__allocations(void **state)
{
	static unsigned char data[BLOCK], digest[DIGEST];
	unsigned long n;
	bool failed = true;

	(void)state;
	if (!HEAP_WATCHED)
		skip();
	for (n = 1; failed; n++) {
		struct record_builder *b = NULL;
		struct unpacker *u = NULL;
		struct buffer out = { 0 };
		struct record r = { 0 };
		struct record_span span;
		struct heap_seen seen;
		int rc;

		heap_watch(n, false);
		rc = record_builder_new(&good_rule, 1, &b, NULL);
		if (rc == 0)
			rc = record_builder_add(b, 0, 1, RECORD_DATA, 0, data, digest, digest,
						NULL);
		if (rc == 0)
			rc = record_builder_add(b, 4 * BLOCK, 1, RECORD_ZERO, 0, NULL, digest, NULL,
						NULL);
		if (rc == 0)
			rc = record_builder_encode(b, &out, &span, NULL);
		if (rc == 0)
			rc = unpacker_new(&u, NULL);
		if (rc == 0)
			rc = decode(u, &good_rule, &good_digester, out.bytes, out.len, &r, NULL);
		record_builder_free(b);
		unpacker_free(u);
		record_free(&r);
		buffer_free(&out);
		seen = heap_unwatch();
		failed = seen.failed;
		assert_int_equal(seen.held, 0);
		assert_int_equal(rc, failed ? TRANSHIP_ENOMEM : 0);
	}
	assert_true(n > 8);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record__round_trips),
		cmocka_unit_test(test_builder__holds_so_much_and_no_more),
		cmocka_unit_test(test_decode__refuses_hostile_fields),
		cmocka_unit_test(test_decode__knows_its_own_file),
		cmocka_unit_test(test_decode__refuses_frames_of_another_size),
		cmocka_unit_test(test_sweep__allocations),
	};

	return cmocka_run_group_tests(tests, make_good, free_good);
}
