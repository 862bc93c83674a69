// SPDX-License-Identifier: Apache-2.0
/* Block tables that were written to slots, read back: by several threads, of disks of any size,
 * damaged. */
#include "support.h"

#include "base/checked.h"
#include "leaves.h"
#include "memory_target.h"
#include "points_made.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TIB ((uint64_t)1 << 40)
#define LEAVES 60U

/* A table with what it was made from. */
struct scene {
	struct made made;
	struct made_leaf leaves[LEAVES];
	size_t count;
	uint64_t size;
	struct table_root root;
	struct table *table;
};

/* Leaves here and there, in groups. */
static void scene_open(struct scene *s, uint64_t size, bool encrypted, uint64_t seed)
{
	static const struct leaf_kind kinds[] = { { 1000, 3, false },
						  { 300, 700, true },
						  { 3, 2, false } };
	uint64_t leaves = div_up(size, LEAF_BYTES), at;
	struct rng rng = { seed };
	struct tranship_error err;

	memset(s, 0, sizeof(*s));
	s->size = size;
	made_open(&s->made, encrypted, 1U << 20);
	for (at = rng_below(&rng, 3); at < leaves && s->count < LEAVES;) {
		struct table_leaf *leaf = new_leaf();

		fill_leaf(&rng, &kinds[s->count % COUNT_OF(kinds)], leaf);
		s->leaves[s->count++] = (struct made_leaf){ at, leaf };
		at += rng_below(&rng, 4) > 0 ? 1 : 1 + rng_below(&rng, leaves / 8 + 1);
	}
	made_table(&s->made, s->leaves, s->count, size, &s->root);
	assert_ok(table_open(s->made.store->slots, &s->root, size, &s->table, &err), &err);
}

static void scene_close(struct scene *s)
{
	size_t i;

	table_close(s->table);
	for (i = 0; i < s->count; i++)
		free_leaf(s->leaves[i].leaf);
	made_close(&s->made);
}

static const struct table_leaf *leaf_of(const struct scene *s, uint64_t number)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (s->leaves[i].number == number && !table_leaf_is_zero(s->leaves[i].leaf))
			return s->leaves[i].leaf;
	return NULL;
}

static bool same_block(const struct table_leaf *leaf, uint64_t block, const struct table_block *got)
{
	size_t i;

	for (i = 0; i < STORE_BLOCK_UNITS; i++) {
		const struct table_unit *u =
			leaf ? &leaf->units[block % LEAF_BLOCKS * STORE_BLOCK_UNITS + i] : NULL;

		if (!u || u->slot == UNIT_ZERO) {
			if (!got->units[i].zero)
				return false;
			continue;
		}
		if (got->units[i].zero || got->units[i].sub != u->sub ||
		    got->units[i].at.record != u->record ||
		    !slot_id_equal(&got->units[i].at.slot, &leaf->slots[u->slot]) ||
		    memcmp(got->units[i].digest, u->digest, UNIT_DIGEST) != 0)
			return false;
	}
	return true;
}

static void check_all(struct scene *s)
{
	struct table_leaf *copy = new_leaf();
	struct table_block got;
	struct tranship_error err;
	size_t i, b;

	for (i = 0; i < s->count; i++) {
		uint64_t first = s->leaves[i].number * LEAF_BLOCKS;

		assert_ok(table_read_leaf(s->table, s->leaves[i].number, copy, &err), &err);
		assert_same_leaf(s->leaves[i].leaf, copy);
		for (b = 0; b < LEAF_BLOCKS; b += 1 + b % 7) {
			assert_ok(table_read_block(s->table, first + b, &got, &err), &err);
			assert_true(same_block(leaf_of(s, first / LEAF_BLOCKS), first + b, &got));
		}
	}
	free_leaf(copy);
}

static void test_table__sizes(void **state)
{
	static const uint64_t sizes[] = { 1,
					  STORE_BLOCK,
					  LEAF_BYTES,
					  LEAF_BYTES + 1,
					  512 * LEAF_BYTES,
					  512 * LEAF_BYTES + 4096,
					  16 * TIB,
					  64 * TIB,
					  INT64_MAX };
	struct scene s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(sizes); i++) {
		scene_open(&s, sizes[i], i % 2, i + 1);
		assert_int_equal(s.root.level, table_levels(sizes[i]));
		check_all(&s);
		scene_close(&s);
	}
}

/* Goes from page to page and finds just those that are there. */
static void test_next__jumps_over_what_is_absent(void **state)
{
	static const uint64_t sizes[] = { 100 * LEAF_BYTES, 16 * TIB, 64 * TIB + 512 };
	struct scene s;
	struct tranship_error err;
	uint64_t at, next;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT_OF(sizes); i++) {
		scene_open(&s, sizes[i], false, i + 40);
		for (at = 0, n = 0;; at = (next / LEAF_BLOCKS + 1) * LEAF_BLOCKS) {
			assert_ok(table_next(s.table, at, &next, &err), &err);
			while (n < s.count && !leaf_of(&s, s.leaves[n].number))
				n++;
			if (n == s.count)
				break;
			assert_int_equal(next, s.leaves[n].number * LEAF_BLOCKS);
			n++;
			if (next + 5 < div_up(s.size, STORE_BLOCK)) {
				assert_ok(table_next(s.table, next + 5, &at, &err), &err);
				assert_int_equal(at, next + 5);
			}
		}
		assert_true(next == UINT64_MAX);
		assert_ok(table_next(s.table, UINT64_MAX, &next, &err), &err);
		assert_true(next == UINT64_MAX);
		scene_close(&s);
	}
}

static void test_open__reads_one_page(void **state)
{
	struct scene s;
	struct tranship_error err;
	struct slots *fresh;
	struct table *table;
	unsigned long reads, index;
	struct slot_entry entry;

	(void)state;
	scene_open(&s, 16 * TIB, false, 9);
	/* The reads that its slot's index takes, and one more. */
	assert_ok(slots_new(s.made.store->target, &s.made.store->keys, &fresh, &err), &err);
	reads = memory_target_of(s.made.store->target)->reads;
	assert_ok(slots_entry(fresh, &s.root.page.at, &entry, &err), &err);
	index = memory_target_of(s.made.store->target)->reads - reads;
	slots_free(fresh);
	assert_ok(slots_new(s.made.store->target, &s.made.store->keys, &fresh, &err), &err);
	reads = memory_target_of(s.made.store->target)->reads;
	assert_ok(table_open(fresh, &s.root, s.size, &table, &err), &err);
	assert_int_equal(memory_target_of(s.made.store->target)->reads - reads, index + 1);
	table_close(table);
	slots_free(fresh);
	scene_close(&s);
}

static void test_open__nothing_but_zeros(void **state)
{
	struct scene s;
	struct tranship_error err;
	struct table *table;
	struct table_root root = { .level = 2 };
	struct table_block block;
	struct page_ref ref;
	uint64_t next;

	(void)state;
	scene_open(&s, LEAF_BYTES, false, 9);
	assert_ok(table_open(s.made.store->slots, &root, 16 * TIB, &table, &err), &err);
	assert_ok(table_next(table, 0, &next, &err), &err);
	assert_true(next == UINT64_MAX);
	assert_ok(table_read_block(table, 12345678, &block, &err), &err);
	assert_true(same_block(NULL, 0, &block));
	assert_ok(table_page_ref(table, 0, 77, &ref, &err), &err);
	assert_false(ref.there);
	table_close(table);
	root.level = 1;
	assert_fails(table_open(s.made.store->slots, &root, 16 * TIB, &table, &err),
		     TRANSHIP_ECORRUPT, &err, "level 1, not 2");
	assert_null(table);
	scene_close(&s);
}

static void test_page_ref__what_is_where(void **state)
{
	struct scene s;
	struct tranship_error err;
	struct page_ref ref;
	size_t i;

	(void)state;
	scene_open(&s, 16 * TIB, false, 12);
	for (i = 0; i < s.count; i++) {
		uint64_t number = s.leaves[i].number;
		bool there = leaf_of(&s, number);

		assert_ok(table_page_ref(s.table, 0, number, &ref, &err), &err);
		assert_int_equal(ref.there, there);
		assert_ok(table_page_ref(s.table, 1, number / TABLE_FANOUT, &ref, &err), &err);
		assert_true(ref.there || !there);
	}
	assert_ok(table_page_ref(s.table, 2, 0, &ref, &err), &err);
	assert_true(page_ref_equal(&ref, &s.root.page));
	assert_ok(table_page_ref(s.table, 2, 1, &ref, &err), &err);
	assert_false(ref.there);
	assert_ok(table_page_ref(s.table, 0, UINT64_MAX, &ref, &err), &err);
	assert_false(ref.there);
	scene_close(&s);
}

struct reader {
	struct scene *scene;
	uint64_t seed;
	bool wrong;
};

static void *read_at_random(void *arg)
{
	struct reader *r = arg;
	struct rng rng = { r->seed };
	struct table_block got;
	unsigned i;

	for (i = 0; i < 3000 && !r->wrong; i++) {
		size_t n = (size_t)rng_below(&rng, r->scene->count);
		uint64_t leaf = r->scene->leaves[n].number + rng_below(&rng, 2);
		uint64_t block = leaf * LEAF_BLOCKS + rng_below(&rng, LEAF_BLOCKS), next;

		r->wrong = table_read_block(r->scene->table, block, &got, NULL) != 0 ||
			   !same_block(leaf_of(r->scene, leaf), block, &got) ||
			   table_next(r->scene->table, block, &next, NULL) != 0;
	}
	return NULL;
}

/* More leaves than are kept, so that they come and go beneath the readers. */
static void test_table__several_threads(void **state)
{
	struct reader readers[4];
	pthread_t threads[4];
	struct scene s;
	size_t i;

	(void)state;
	scene_open(&s, 16 * TIB, true, 77);
	assert_true(s.count > 40);
	for (i = 0; i < COUNT_OF(threads); i++) {
		readers[i] = (struct reader){ &s, i + 1, false };
		assert_int_equal(pthread_create(&threads[i], NULL, read_at_random, &readers[i]), 0);
	}
	for (i = 0; i < COUNT_OF(threads); i++) {
		pthread_join(threads[i], NULL);
		assert_false(readers[i].wrong);
	}
	scene_close(&s);
}

/* A page that is sound and stands where another one should, or a block in its place. */
static void test_table__only_the_page_that_is_meant(void **state)
{
	struct scene s;
	struct tranship_error err;
	struct table *table;
	struct table_root root;
	struct record_ref block;
	unsigned char name[NAME_SIZE], bytes[4096] = { 1 };

	(void)state;
	scene_open(&s, 16 * TIB, false, 5);
	root = s.root;
	root.page.pin[3] ^= 1;
	assert_fails(table_open(s.made.store->slots, &root, s.size, &table, &err),
		     TRANSHIP_ECORRUPT, &err, "is not page 0 of level 2");
	root = s.root;
	root.page.at.record--;
	assert_fails(table_open(s.made.store->slots, &root, s.size, &table, &err),
		     TRANSHIP_ECORRUPT, &err, "is not page 0 of level 2");
	made_record(&s.made, RECORD_BLOCK, bytes, sizeof(bytes), &block, name);
	made_flush(&s.made);
	root.page.at = block;
	memcpy(root.page.pin, name, sizeof(root.page.pin));
	assert_fails(table_open(s.made.store->slots, &root, s.size, &table, &err),
		     TRANSHIP_ECORRUPT, &err, "is not page 0 of level 2");
	root.page.at.slot = slot_id_number(99);
	assert_fails(table_open(s.made.store->slots, &root, s.size, &table, &err),
		     TRANSHIP_ENOTFOUND, &err, "");
	scene_close(&s);
}

/* Damage shows when it is read, and what can be read is not affected. */
static void test_table__a_slot_goes(void **state)
{
	struct scene s;
	struct tranship_error err;
	struct slots *fresh;
	struct table *table;
	struct page_ref ref, root;
	char key[TARGET_KEY_MAX + 1];
	struct table_block block;
	size_t i, lost = 0, sound = 0;

	(void)state;
	scene_open(&s, 16 * TIB, false, 77);
	assert_ok(table_page_ref(s.table, 0, s.leaves[0].number, &ref, &err), &err);
	assert_ok(table_page_ref(s.table, 2, 0, &root, &err), &err);
	assert_false(slot_id_equal(&ref.at.slot, &root.at.slot));
	slot_key(&ref.at.slot, key);
	assert_ok(target_remove(s.made.store->target, key, &err), &err);
	assert_ok(slots_new(s.made.store->target, &s.made.store->keys, &fresh, &err), &err);
	assert_ok(table_open(fresh, &s.root, s.size, &table, &err), &err);
	for (i = 0; i < s.count; i++) {
		uint64_t number = s.leaves[i].number;
		int rc = table_read_block(table, number * LEAF_BLOCKS, &block, &err);

		if (rc == 0) {
			assert_true(same_block(leaf_of(&s, number), number * LEAF_BLOCKS, &block));
			sound++;
		} else {
			assert_fails(rc, TRANSHIP_ENOTFOUND, &err, "");
			lost++;
		}
	}
	assert_true(lost > 0 && sound > 0);
	table_close(table);
	slots_free(fresh);
	scene_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table__sizes),
		cmocka_unit_test(test_next__jumps_over_what_is_absent),
		cmocka_unit_test(test_open__reads_one_page),
		cmocka_unit_test(test_open__nothing_but_zeros),
		cmocka_unit_test(test_page_ref__what_is_where),
		cmocka_unit_test(test_table__several_threads),
		cmocka_unit_test(test_table__only_the_page_that_is_meant),
		cmocka_unit_test(test_table__a_slot_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
