// SPDX-License-Identifier: Apache-2.0
/* Pages of the block table: packed and unpacked, and bytes that no writer made. */
#include "support.h"

#include "base/bytes.h"
#include "leaves.h"

#include <stdlib.h>
#include <string.h>

static const struct leaf_kind kinds[] = {
	{ 1000, 3, false }, { 1000, 5000, true }, { 500, 40, false },
	{ 20, 2, true },    { 4, 1, false },      { 1000, 1, false },
};

static void pack(const struct table_leaf *leaf, uint64_t number, struct buffer *out)
{
	struct tranship_error err;

	out->len = 0;
	assert_ok(table_leaf_encode(leaf, number, out, &err), &err);
	assert_true(out->len <= LEAF_ENCODED_MAX);
}

static void test_leaf__comes_back(void **state)
{
	struct table_leaf *leaf = new_leaf(), *back = new_leaf();
	struct buffer a = { 0 }, b = { 0 };
	struct rng rng = { 11 };
	struct tranship_error err;
	size_t i;

	(void)state;
	for (i = 0; i < 10 * COUNT_OF(kinds); i++) {
		table_leaf_clear(leaf);
		fill_leaf(&rng, &kinds[i % COUNT_OF(kinds)], leaf);
		if (table_leaf_is_zero(leaf))
			continue;
		pack(leaf, i << 30, &a);
		assert_ok(table_leaf_decode(a.bytes, a.len, i << 30, back, &err), &err);
		assert_same_leaf(leaf, back);
		pack(back, i << 30, &b);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.bytes, b.bytes, a.len);
	}
	buffer_free(&a);
	buffer_free(&b);
	free_leaf(leaf);
	free_leaf(back);
}

/* However it came to be what it is, with other slots in its list and in another order. */
static void test_leaf__equal_ones_have_equal_bytes(void **state)
{
	struct table_leaf *leaf = new_leaf(), *other = new_leaf();
	struct buffer a = { 0 }, b = { 0 };
	struct rng rng = { 5 };
	struct tranship_error err;
	size_t i;

	(void)state;
	fill_leaf(&rng, &kinds[2], leaf);
	for (i = 0; i < 300; i++) {
		struct slot_id id = slot_id_number(i * 7 % 100);
		uint16_t number;

		assert_ok(table_leaf_slot(other, &id, &number, &err), &err);
	}
	for (i = LEAF_UNITS; i-- > 0;) {
		other->units[i] = leaf->units[i];
		if (leaf->units[i].slot != UNIT_ZERO)
			assert_ok(table_leaf_slot(other, &leaf->slots[leaf->units[i].slot],
						  &other->units[i].slot, &err),
				  &err);
	}
	pack(leaf, 9, &a);
	pack(other, 9, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.bytes, b.bytes, a.len);
	buffer_free(&a);
	buffer_free(&b);
	free_leaf(leaf);
	free_leaf(other);
}

/* The largest there is, and the smallest. */
static void test_leaf__sizes(void **state)
{
	struct table_leaf *leaf = new_leaf(), *back = new_leaf();
	struct buffer out = { 0 };
	struct tranship_error err;
	size_t i;

	(void)state;
	for (i = 0; i < LEAF_UNITS; i++) {
		struct slot_id id = slot_id_number(i);

		assert_ok(table_leaf_slot(leaf, &id, &leaf->units[i].slot, &err), &err);
		leaf->units[i].record = SLOT_RECORDS_MAX - 1;
		leaf->units[i].sub = 7;
	}
	pack(leaf, UINT64_MAX, &out);
	assert_int_equal(out.len, LEAF_ENCODED_MAX);
	assert_ok(table_leaf_decode(out.bytes, out.len, UINT64_MAX, back, &err), &err);
	assert_same_leaf(leaf, back);
	table_leaf_clear(leaf);
	assert_true(table_leaf_is_zero(leaf));
	leaf->slot_count = 1;
	leaf->units[4000] = (struct table_unit){ 0, 3, 0, { 1 } };
	assert_false(table_leaf_is_zero(leaf));
	pack(leaf, 0, &out);
	assert_true(out.len < 128);
	buffer_free(&out);
	free_leaf(leaf);
	free_leaf(back);
}

/* Each unit is replaced many times over by one of a slot of its own. */
static void test_leaf__list_of_slots_is_bounded(void **state)
{
	struct table_leaf *leaf = new_leaf(), *back = new_leaf();
	struct buffer out = { 0 };
	struct tranship_error err;
	uint64_t n;
	size_t i;

	(void)state;
	for (n = 0; n < 5 * (uint64_t)LEAF_UNITS; n++) {
		struct slot_id id = slot_id_number(n);

		i = (size_t)(n * 37 % LEAF_UNITS);
		assert_ok(table_leaf_slot(leaf, &id, &leaf->units[i].slot, &err), &err);
		leaf->units[i].sub = (uint8_t)(n % 8);
		assert_true(leaf->slot_count <= LEAF_SLOTS_MAX);
	}
	for (n = 4 * (uint64_t)LEAF_UNITS; n < 5 * (uint64_t)LEAF_UNITS; n++) {
		struct slot_id id = slot_id_number(n);

		i = (size_t)(n * 37 % LEAF_UNITS);
		assert_true(slot_id_equal(&leaf->slots[leaf->units[i].slot], &id));
	}
	pack(leaf, 1, &out);
	assert_ok(table_leaf_decode(out.bytes, out.len, 1, back, &err), &err);
	assert_same_leaf(leaf, back);
	assert_int_equal(back->slot_count, LEAF_UNITS);
	buffer_free(&out);
	free_leaf(leaf);
	free_leaf(back);
}

static void test_leaf__encoder_refuses(void **state)
{
	struct table_leaf *leaf = new_leaf();
	struct buffer out = { 0 };
	struct tranship_error err;

	(void)state;
	assert_fails(table_leaf_encode(leaf, 3, &out, &err), TRANSHIP_EINVAL, &err, "zeros");
	leaf->units[5] = (struct table_unit){ .slot = 0 };
	assert_fails(table_leaf_encode(leaf, 3, &out, &err), TRANSHIP_EINVAL, &err, "slot 0 of 0");
	leaf->units[5].slot = LEAF_SLOTS_MAX;
	assert_fails(table_leaf_encode(leaf, 3, &out, &err), TRANSHIP_EINVAL, &err, "slot");
	assert_int_equal(out.len, 0);
	buffer_free(&out);
	free_leaf(leaf);
}

/* Two slots; block 1 has units 0 and 1 in record 9 of the first and 3 in record 4 of the second;
 * block 3 unit 7 in the first. */
#define SMALL_SLOTS 16U
#define SMALL_BITS 48U
#define SMALL_BLOCK (SMALL_BITS + 64U) /* its mask */
#define SMALL_RUN (SMALL_BLOCK + 1U)
#define SMALL_RUN2 (SMALL_RUN + 5U)
#define SMALL_BLOCK3 (SMALL_RUN2 + 5U + 48U)
#define SMALL_SIZE (SMALL_BLOCK3 + 1U + 5U + 16U)

static void small_leaf(struct buffer *out)
{
	struct table_leaf *leaf = new_leaf();
	struct slot_id ids[2] = { slot_id_number(70), slot_id_number(71) };
	struct tranship_error err;
	uint16_t a, b;

	assert_ok(table_leaf_slot(leaf, &ids[0], &a, &err), &err);
	assert_ok(table_leaf_slot(leaf, &ids[1], &b, &err), &err);
	leaf->units[8] = (struct table_unit){ a, 9, 2, { 1 } };
	leaf->units[9] = (struct table_unit){ a, 9, 3, { 2 } };
	leaf->units[11] = (struct table_unit){ b, 4, 0, { 3 } };
	leaf->units[31] = (struct table_unit){ a, 1, 0, { 4 } };
	pack(leaf, 6, out);
	assert_int_equal(out->len, SMALL_SIZE);
	free_leaf(leaf);
}

static void test_leaf__hostile(void **state)
{
	static const struct {
		size_t off;
		unsigned char value;
		const char *piece;
	} cases[] = {
		{ 0, 'T', "no page" },
		{ 4, 1, "of level 1 stands where" },
		{ 6, 0, "0 slots" },
		{ 7, 0xFF, "slots (1 to 4096)" },
		{ 6, 3, "" },
		{ 6, 1, "" },
		{ 8, 7, "page 7 of level 0 stands where page 6" },
		{ 15, 1, "stands where" },
		{ SMALL_SLOTS + 31, 70, "slots 0 and 1 of page 6 are one" },
		{ SMALL_BITS, 0x08, "" },
		{ SMALL_BITS, 0x0B, "ends in a block" },
		{ SMALL_BITS + 63, 0x80, "ends in a block" },
		{ SMALL_BLOCK, 0, "zeros among" },
		{ SMALL_BLOCK, 0x0F, "" },
		{ SMALL_BLOCK, 0x09, "covers unit 1" },
		{ SMALL_RUN, 1, "in slot 1; 0 of 2" },
		{ SMALL_RUN + 1, 1, "in slot 256" },
		{ SMALL_RUN + 3, 0x40, "record 16393" },
		{ SMALL_RUN + 4, 0x17, "units 7 to 9" },
		{ SMALL_RUN + 4, 0x12 + 0x60, "units 2 to 10" },
		{ SMALL_RUN + 4, 0x08, "units 8 to 9" },
		{ SMALL_RUN + 4, 0x02, "" },
		{ SMALL_RUN2, 2, "in slot 2; 1 of 2" },
		{ SMALL_RUN2, 0, "" },
		{ SMALL_RUN2 + 4, 0x10, "covers unit 4" },
		{ SMALL_BLOCK3, 0xC0, "" },
	};
	struct table_leaf *leaf = new_leaf();
	struct buffer good = { 0 }, bad = { 0 };
	struct tranship_error err;
	size_t i;

	(void)state;
	small_leaf(&good);
	for (i = 0; i < COUNT_OF(cases); i++) {
		bad.len = 0;
		assert_ok(buffer_append(&bad, good.bytes, good.len, &err), &err);
		bad.bytes[cases[i].off] = cases[i].value;
		assert_fails(table_leaf_decode(bad.bytes, bad.len, 6, leaf, &err),
			     TRANSHIP_ECORRUPT, &err, cases[i].piece);
		assert_true(table_leaf_is_zero(leaf) && leaf->slot_count == 0);
	}
	buffer_free(&good);
	buffer_free(&bad);
	free_leaf(leaf);
}

/* Two runs that say what one would. */
static void test_leaf__one_form_only(void **state)
{
	struct table_leaf *leaf = new_leaf();
	struct buffer good = { 0 }, bad = { 0 };
	static const unsigned char runs[10] = { 0, 0, 9, 0, 2, 0, 0, 9, 0, 3 };
	struct tranship_error err;

	(void)state;
	small_leaf(&good);
	assert_ok(buffer_append(&bad, good.bytes, SMALL_RUN, &err), &err);
	assert_ok(buffer_append(&bad, runs, sizeof(runs), &err), &err);
	assert_ok(buffer_append(&bad, good.bytes + SMALL_RUN2, good.len - SMALL_RUN2, &err), &err);
	assert_fails(table_leaf_decode(bad.bytes, bad.len, 6, leaf, &err), TRANSHIP_ECORRUPT, &err,
		     "two runs that are one");
	buffer_free(&good);
	buffer_free(&bad);
	free_leaf(leaf);
}

/* Cut anywhere, or longer: an exact copy in its own memory, so that a sanitizer sees its end. */
static void refuse_lengths(const struct buffer *good, struct table_leaf *leaf)
{
	struct tranship_error err;
	size_t len;

	for (len = 0; len <= good->len + 1; len++) {
		unsigned char *copy = calloc(1, len ? len : 1);

		assert_non_null(copy);
		memcpy(copy, good->bytes, len < good->len ? len : good->len);
		if (len == good->len)
			assert_ok(table_leaf_decode(copy, len, 6, leaf, &err), &err);
		else
			assert_fails(table_leaf_decode(copy, len, 6, leaf, &err), TRANSHIP_ECORRUPT,
				     &err, "");
		free(copy);
	}
}

static void test_leaf__lengths_and_flips(void **state)
{
	struct table_leaf *leaf = new_leaf();
	struct buffer good = { 0 }, again = { 0 };
	struct tranship_error err;
	size_t bit;

	(void)state;
	small_leaf(&good);
	refuse_lengths(&good, leaf);
	/* What is accepted is what would be written. */
	for (bit = 0; bit < good.len * 8; bit++) {
		good.bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
		if (table_leaf_decode(good.bytes, good.len, 6, leaf, &err) == 0) {
			pack(leaf, 6, &again);
			assert_int_equal(again.len, good.len);
			assert_memory_equal(again.bytes, good.bytes, good.len);
		}
		good.bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
	}
	buffer_free(&good);
	buffer_free(&again);
	free_leaf(leaf);
}

static void fill_node(struct rng *rng, struct table_node *node, unsigned refs, unsigned slots)
{
	size_t i;

	memset(node, 0, sizeof(*node));
	for (i = 0; i < TABLE_FANOUT; i++) {
		struct page_ref *ref = &node->refs[i];

		if (rng_below(rng, TABLE_FANOUT) >= refs)
			continue;
		ref->there = true;
		ref->at.slot = slot_id_number(rng_below(rng, slots));
		ref->at.record = (uint32_t)rng_below(rng, SLOT_RECORDS_MAX);
		rng_fill(rng, ref->pin, sizeof(ref->pin));
	}
}

static void assert_same_node(const struct table_node *a, const struct table_node *b)
{
	size_t i;

	for (i = 0; i < TABLE_FANOUT; i++)
		assert_true(page_ref_equal(&a->refs[i], &b->refs[i]));
}

static void test_node__comes_back(void **state)
{
	static const unsigned refs[] = { 512, 100, 1 }, slots[] = { 1, 3, 100000 };
	struct table_node node, back;
	struct buffer out = { 0 }, again = { 0 };
	struct rng rng = { 3 };
	struct tranship_error err;
	size_t i;

	(void)state;
	for (i = 0; i < 90; i++) {
		uint32_t level = (uint32_t)(i % 4 + 1);

		fill_node(&rng, &node, refs[i % 3], slots[i / 3 % 3]);
		out.len = again.len = 0;
		if (table_node_is_zero(&node)) {
			assert_fails(table_node_encode(&node, level, i, &out, &err),
				     TRANSHIP_EINVAL, &err, "zeros");
			continue;
		}
		assert_ok(table_node_encode(&node, level, i, &out, &err), &err);
		assert_true(out.len <= NODE_ENCODED_MAX);
		assert_ok(table_node_decode(out.bytes, out.len, level, i, &back, &err), &err);
		assert_same_node(&node, &back);
		assert_ok(table_node_encode(&back, level, i, &again, &err), &err);
		assert_int_equal(out.len, again.len);
		assert_memory_equal(out.bytes, again.bytes, out.len);
	}
	buffer_free(&out);
	buffer_free(&again);
}

static void test_node__hostile(void **state)
{
	/* Two slots from 16 on, refs 3 and 5 from 48 on. */
	static const struct {
		size_t off;
		unsigned char value;
		const char *piece;
	} cases[] = {
		{ 1, 0, "no page" },
		{ 4, 0, "level 0 stands where" },
		{ 6, 1, "" },
		{ 6, 3, "" },
		{ 7, 2, "slots (1 to 512)" },
		{ 48, 5, "ref 5 where 6" },
		{ 49, 2, "ref 515 where 0 to 511" },
		{ 70, 2, "ref 2 where 4" },
		{ 50, 1, "in slot 1; 0 of 2" },
		{ 51, 1, "in slot 256" },
		{ 47, 1, "slots 0 and 1 of page 0 are one" },
		{ 72, 0, "uses 1 of its 2" },
		{ 53, 0x40, "has record 16386" },
	};
	struct table_node node, back;
	struct buffer good = { 0 };
	struct tranship_error err;
	size_t i;

	(void)state;
	memset(&node, 0, sizeof(node));
	node.refs[3] = (struct page_ref){ true, { slot_id_number(1), 2 }, { 1 } };
	node.refs[5] = (struct page_ref){ true, { slot_id_number(2), 2 }, { 1 } };
	assert_ok(table_node_encode(&node, 1, 0, &good, &err), &err);
	assert_int_equal(good.len, 48 + 44);
	for (i = 0; i < COUNT_OF(cases); i++) {
		unsigned char was = good.bytes[cases[i].off];

		good.bytes[cases[i].off] = cases[i].value;
		assert_fails(table_node_decode(good.bytes, good.len, 1, 0, &back, &err),
			     TRANSHIP_ECORRUPT, &err, cases[i].piece);
		assert_true(table_node_is_zero(&back));
		good.bytes[cases[i].off] = was;
	}
	for (i = 0; i < good.len; i++)
		assert_fails(table_node_decode(good.bytes, i, 1, 0, &back, &err), TRANSHIP_ECORRUPT,
			     &err, "");
	buffer_free(&good);
}

static void test_levels__least_that_is_enough(void **state)
{
	(void)state;
	assert_int_equal(table_levels(0), 0);
	assert_int_equal(table_levels(LEAF_BYTES), 0);
	assert_int_equal(table_levels(LEAF_BYTES + 1), 1);
	assert_int_equal(table_levels(512 * LEAF_BYTES), 1);
	assert_int_equal(table_levels(512 * LEAF_BYTES + 1), 2);
	assert_int_equal(table_levels(16ULL << 40), 2);
	assert_int_equal(table_levels(64ULL << 40), 2);
	assert_int_equal(table_levels(INT64_MAX), TABLE_LEVELS_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaf__comes_back),
		cmocka_unit_test(test_leaf__equal_ones_have_equal_bytes),
		cmocka_unit_test(test_leaf__sizes),
		cmocka_unit_test(test_leaf__list_of_slots_is_bounded),
		cmocka_unit_test(test_leaf__encoder_refuses),
		cmocka_unit_test(test_leaf__hostile),
		cmocka_unit_test(test_leaf__one_form_only),
		cmocka_unit_test(test_leaf__lengths_and_flips),
		cmocka_unit_test(test_node__comes_back),
		cmocka_unit_test(test_node__hostile),
		cmocka_unit_test(test_levels__least_that_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
