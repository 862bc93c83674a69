// SPDX-License-Identifier: Apache-2.0
/* The set of changes against a model: a byte for each unit of a small disk. */
#include "support.h"

#include "base/checked.h"
#include "delta/changes.h"
#include "heap.h"

#include <stdlib.h>
#include <string.h>

#define UNITS 200
#define ROUNDS 3000

/* What a unit is: 0 not changed, 1 zeros, 2 changed (as enum range_kind). */
struct model {
	unsigned char at[UNITS];
};

static struct tranship_changes *set_new(uint64_t size)
{
	struct tranship_changes *set;
	struct tranship_error err;

	assert_ok(tranship_changes_new(size, &set, &err), &err);
	return set;
}

static void model_add(struct model *m, size_t off, size_t len, bool zero)
{
	size_t i;

	for (i = off; i < off + len; i++)
		if (m->at[i] < (zero ? 1 : 2))
			m->at[i] = zero ? 1 : 2;
}

/* The set is the model, in its shortest form, and find says so, too. */
static void check(const struct tranship_changes *set, const struct model *m)
{
	size_t count = 0, bytes = 0, i;

	for (i = 0; i < UNITS; i++) {
		size_t at = tranship_changes_find(set, i);
		struct tranship_change c = { 0 };

		count += m->at[i] && (i == 0 || m->at[i - 1] != m->at[i]);
		bytes += m->at[i] != 0;
		if (at < tranship_changes_count(set))
			c = tranship_changes_at(set, at);
		assert_true(m->at[i] == 0
				    ? c.len == 0 || c.off > i
				    : c.off <= i && i < c.off + c.len && c.zero == (m->at[i] == 1));
		if (at > 0 && at <= tranship_changes_count(set)) {
			c = tranship_changes_at(set, at - 1);
			assert_true(c.off + c.len <= i);
		}
	}
	assert_int_equal(tranship_changes_count(set), count);
	assert_int_equal(tranship_changes_bytes(set), bytes);
}

static struct tranship_changes *random_set(struct rng *rng, struct model *m, bool ascending)
{
	struct tranship_changes *set = set_new(UNITS);
	size_t ranges = (size_t)rng_below(rng, 40), off = 0;
	struct tranship_error err;

	memset(m, 0, sizeof(*m));
	while (ranges-- > 0) {
		size_t len = (size_t)rng_below(rng, rng_below(rng, 10) ? 8 : 80) + 1;
		bool zero = rng_below(rng, 2);

		off = ascending ? off + (size_t)rng_below(rng, 9) : (size_t)rng_below(rng, UNITS);
		if (off >= UNITS)
			break;
		len = len < UNITS - off ? len : UNITS - off;
		/* Ascending ranges may overlap, too. */
		assert_ok(tranship_changes_add(set, off, len, zero, &err), &err);
		model_add(m, off, len, zero);
	}
	return set;
}

static void test_add__any_order(void **state)
{
	struct rng rng = { 1 };
	struct model m;
	int i;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		struct tranship_changes *set = random_set(&rng, &m, i % 2);

		check(set, &m);
		tranship_changes_free(set);
	}
}

static void test_heap__any_order(void **state)
{
	struct rng rng = { 2 };
	struct tranship_error err;
	int i;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		struct ranges_heap heap = { .set.max = SIZE_MAX };
		struct tranship_changes *set = set_new(UNITS);
		struct model m = { { 0 } };
		int n;

		for (n = (int)rng_below(&rng, 60); n > 0; n--) {
			size_t off = (size_t)rng_below(&rng, UNITS);
			size_t len = (size_t)rng_below(&rng, min_u64(20, UNITS - off)) + 1;
			bool zero = rng_below(&rng, 2);

			assert_ok(ranges_heap_add(&heap, off, len, zero ? RANGE_ZERO : RANGE_DATA,
						  &err),
				  &err);
			model_add(&m, off, len, zero);
			if (rng_below(&rng, 10) == 0)
				assert_ok(ranges_heap_settle(&heap, &err), &err);
		}
		assert_ok(ranges_heap_settle(&heap, &err), &err);
		set->set = heap.set;
		heap.set.at = NULL;
		check(set, &m);
		ranges_heap_free(&heap);
		tranship_changes_free(set);
	}
}

typedef int combine_fn(const struct tranship_changes *a, const struct tranship_changes *b,
		       struct tranship_changes **out, struct tranship_error *err);

static void check_combined(combine_fn *fn, range_rule *rule, const struct tranship_changes *a,
			   const struct model *ma, const struct tranship_changes *b,
			   const struct model *mb)
{
	struct tranship_changes *out;
	struct tranship_error err;
	struct model m;
	size_t i;

	for (i = 0; i < UNITS; i++)
		m.at[i] = (unsigned char)rule(ma->at[i], mb->at[i]);
	assert_ok(fn(a, b, &out, &err), &err);
	check(out, &m);
	tranship_changes_free(out);
}

static void test_combine__any_sets(void **state)
{
	struct rng rng = { 3 };
	int i;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		struct model ma, mb;
		struct tranship_changes *a = random_set(&rng, &ma, i % 2);
		struct tranship_changes *b = random_set(&rng, &mb, i % 3);

		check_combined(tranship_changes_union, range_union, a, &ma, b, &mb);
		check_combined(tranship_changes_intersect, range_intersect, a, &ma, b, &mb);
		check_combined(tranship_changes_subtract, range_subtract, a, &ma, b, &mb);
		check_combined(tranship_changes_union, range_union, a, &ma, a, &ma);
		tranship_changes_free(a);
		tranship_changes_free(b);
	}
}

static void test_rules__are_what_they_say(void **state)
{
	(void)state;
	assert_int_equal(range_union(RANGE_ZERO, RANGE_DATA), RANGE_DATA);
	assert_int_equal(range_union(RANGE_NONE, RANGE_ZERO), RANGE_ZERO);
	assert_int_equal(range_intersect(RANGE_DATA, RANGE_NONE), RANGE_NONE);
	assert_int_equal(range_intersect(RANGE_DATA, RANGE_ZERO), RANGE_DATA);
	assert_int_equal(range_intersect(RANGE_ZERO, RANGE_ZERO), RANGE_ZERO);
	assert_int_equal(range_subtract(RANGE_ZERO, RANGE_NONE), RANGE_ZERO);
	assert_int_equal(range_subtract(RANGE_ZERO, RANGE_DATA), RANGE_NONE);
}

/* A block is changed where something in it is, and zeros where all of it is. */
static void test_round__any_set(void **state)
{
	struct rng rng = { 4 };
	struct tranship_error err;
	int i;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		struct model m, want;
		struct tranship_changes *a = random_set(&rng, &m, i % 2), *out;
		size_t block = (size_t)1 << rng_below(&rng, 9), at, n;

		for (at = 0; at < UNITS; at += block) {
			size_t len = min_u64(block, UNITS - at), some = 0, zeros = 0;

			for (n = 0; n < len; n++) {
				some += m.at[at + n] != 0;
				zeros += m.at[at + n] == 1;
			}
			memset(want.at + at, zeros == len ? 1 : some ? 2 : 0, len);
		}
		assert_ok(tranship_changes_round(a, block, &out, &err), &err);
		check(out, &want);
		tranship_changes_free(out);
		tranship_changes_free(a);
	}
}

static void test_round__block_larger_than_the_disk(void **state)
{
	struct tranship_changes *a = set_new(5000), *out;
	struct tranship_error err;

	(void)state;
	assert_ok(tranship_changes_add(a, 4999, 1, false, &err), &err);
	assert_ok(tranship_changes_round(a, (uint64_t)1 << 63, &out, &err), &err);
	assert_int_equal(tranship_changes_bytes(out), 5000);
	tranship_changes_free(out);
	assert_fails(tranship_changes_round(a, 0, &out, &err), TRANSHIP_EINVAL, &err,
		     "no power of two");
	assert_null(out);
	assert_fails(tranship_changes_round(a, 3, &out, &err), TRANSHIP_EINVAL, &err,
		     "no power of two");
	tranship_changes_free(a);
}

/* Past the bound it grows coarse: never less than it was, zeros only where they were. */
static void test_ranges__bound(void **state)
{
	struct rng rng = { 5 };
	struct tranship_error err;
	int i;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		struct ranges_heap heap = { .set.max = 2 + (size_t)rng_below(&rng, 10) };
		struct model m = { { 0 } };
		size_t n, at;

		for (n = 0; n < 40; n++) {
			size_t off = (size_t)rng_below(&rng, UNITS - 4);
			size_t len = (size_t)rng_below(&rng, 4) + 1;
			bool zero = rng_below(&rng, 2);

			assert_ok(ranges_heap_add(&heap, off, len, zero ? RANGE_ZERO : RANGE_DATA,
						  &err),
				  &err);
			model_add(&m, off, len, zero);
			if (i % 2)
				assert_ok(ranges_heap_settle(&heap, &err), &err);
		}
		assert_ok(ranges_heap_settle(&heap, &err), &err);
		assert_true(heap.set.count <= heap.set.max);
		for (n = 0; n < UNITS; n++) {
			at = ranges_find(&heap.set, n);
			if (m.at[n] == 0)
				continue;
			assert_true(at < heap.set.count && heap.set.at[at].off <= n);
			assert_true(range_kind(&heap.set.at[at]) == RANGE_DATA || m.at[n] == 1);
		}
		for (n = 0; n < heap.set.count; n++)
			for (at = heap.set.at[n].off; at < range_end(&heap.set.at[n]); at++)
				assert_true(range_kind(&heap.set.at[n]) == RANGE_DATA ||
					    m.at[at] == 1);
		ranges_heap_free(&heap);
	}
}

/* The nearest ones go first. */
static void test_ranges__nearest_become_one(void **state)
{
	static const uint64_t offs[] = { 0, 100, 110, 300, 305, 900 };
	struct ranges r = { .max = 5 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(offs); i++)
		assert_int_equal(ranges_append(&r, offs[i], 2, RANGE_ZERO, NULL), 0);
	/* Of six at most two are wanted: all gaps but the one before 900 are closed. */
	assert_int_equal(r.count, 2);
	assert_int_equal(range_end(&r.at[0]), 307);
	assert_int_equal(range_kind(&r.at[0]), RANGE_DATA);
	assert_int_equal(r.at[1].off, 900);
	assert_int_equal(range_kind(&r.at[1]), RANGE_ZERO);
	ranges_free(&r);
}

static void test_changes__a_million(void **state)
{
	struct tranship_changes *set = set_new((uint64_t)1 << 40);
	uint64_t i, n = TRANSHIP_CHANGES_MAX;
	struct tranship_error err;

	(void)state;
	for (i = 0; i < n; i++)
		assert_ok(tranship_changes_add(set, i * 8192, 4096, false, &err), &err);
	assert_int_equal(tranship_changes_count(set), n);
	assert_int_equal(tranship_changes_bytes(set), n * 4096);
	assert_ok(tranship_changes_add(set, n * 8192, 4096, false, &err), &err);
	assert_true(tranship_changes_count(set) <= n / 2);
	assert_true(tranship_changes_bytes(set) >= (n + 1) * 4096);
	tranship_changes_free(set);
}

static void test_changes__arguments(void **state)
{
	char long_id[TRANSHIP_ID_MAX + 2];
	struct tranship_changes *a = set_new(1000), *b = set_new(1001), *out;
	struct tranship_error err;

	(void)state;
	memset(long_id, 'x', sizeof(long_id) - 1);
	long_id[sizeof(long_id) - 1] = '\0';
	assert_fails(tranship_changes_new((uint64_t)1 << 63, &out, &err), TRANSHIP_ELIMIT, &err,
		     "at most");
	assert_null(out);
	assert_fails(tranship_changes_add(a, 5, 0, false, &err), TRANSHIP_EINVAL, &err, "empty");
	assert_fails(tranship_changes_add(a, 5, 996, false, &err), TRANSHIP_EINVAL, &err,
		     "pass the end");
	assert_fails(tranship_changes_add(a, 5, UINT64_MAX, false, &err), TRANSHIP_EINVAL, &err,
		     "pass the end");
	assert_fails(tranship_changes_union(a, b, &out, &err), TRANSHIP_EMISMATCH, &err,
		     "1000 and 1001");
	assert_null(out);
	assert_fails(tranship_changes_set_ids(a, long_id, NULL, &err), TRANSHIP_EINVAL, &err,
		     "longer");
	assert_fails(tranship_changes_set_ids(a, NULL, long_id, &err), TRANSHIP_EINVAL, &err,
		     "longer");
	assert_fails(tranship_changes_set_origin(a, long_id, &err), TRANSHIP_EINVAL, &err,
		     "longer");
	long_id[TRANSHIP_ID_MAX] = '\0';
	assert_ok(tranship_changes_set_ids(a, long_id, "t", &err), &err);
	assert_string_equal(tranship_changes_base_id(a), long_id);
	assert_ok(tranship_changes_set_ids(a, tranship_changes_target_id(a), NULL, &err), &err);
	assert_string_equal(tranship_changes_base_id(a), "t");
	assert_string_equal(tranship_changes_target_id(a), "");
	tranship_changes_free(a);
	tranship_changes_free(b);
	tranship_changes_free(NULL);
}

static void check_ids(const char *const ids[4], combine_fn *fn, const char *base,
		      const char *target)
{
	struct tranship_changes *a = set_new(10), *b = set_new(10), *out;
	struct tranship_error err;

	assert_ok(tranship_changes_set_ids(a, ids[0], ids[1], &err), &err);
	assert_ok(tranship_changes_set_ids(b, ids[2], ids[3], &err), &err);
	assert_ok(tranship_changes_set_origin(a, "x", &err), &err);
	assert_ok(tranship_changes_set_origin(b, "x", &err), &err);
	assert_ok(fn(a, b, &out, &err), &err);
	assert_string_equal(tranship_changes_base_id(out), base);
	assert_string_equal(tranship_changes_target_id(out), target);
	assert_string_equal(tranship_changes_origin(out), "x");
	tranship_changes_free(a);
	tranship_changes_free(b);
	tranship_changes_free(out);
}

static void test_combine__ids(void **state)
{
	static const char *const same[] = { "A", "B", "A", "B" };
	static const char *const chain[] = { "A", "B", "B", "C" };
	static const char *const back[] = { "B", "C", "A", "B" };
	static const char *const half[] = { "A", "B", "A", "" };
	static const char *const none[] = { "A", "", "", "B" };

	(void)state;
	check_ids(same, tranship_changes_union, "A", "B");
	check_ids(same, tranship_changes_subtract, "A", "B");
	check_ids(chain, tranship_changes_union, "A", "C");
	check_ids(back, tranship_changes_union, "A", "C");
	check_ids(chain, tranship_changes_intersect, "", "");
	check_ids(half, tranship_changes_union, "A", "");
	check_ids(none, tranship_changes_union, "", "");
}

/* Whatever allocation fails, nothing leaks and the set is what it was. */
static void test_changes__no_memory(void **state)
{
	unsigned long nth;

	(void)state;
	for (nth = 1; HEAP_WATCHED; nth++) {
		struct tranship_changes *a = NULL, *b = NULL, *c = NULL, *d = NULL;
		struct tranship_error err;
		struct heap_seen seen;
		int rc;
		uint64_t i;

		heap_watch(nth, nth % 2);
		rc = tranship_changes_new(100000, &a, &err);
		for (i = 0; rc == 0 && i < 40; i++)
			rc = tranship_changes_add(a, (i * 7919) % 99000, 10, i % 3 == 0, &err);
		if (rc == 0)
			rc = tranship_changes_round(a, 512, &b, &err);
		if (rc == 0)
			rc = tranship_changes_union(a, b, &c, &err);
		if (rc == 0)
			rc = tranship_changes_subtract(b, a, &d, &err);
		tranship_changes_free(a);
		tranship_changes_free(b);
		tranship_changes_free(c);
		tranship_changes_free(d);
		seen = heap_unwatch();
		assert_int_equal(seen.held, 0);
		if (!seen.failed) {
			assert_ok(rc, &err);
			break;
		}
		assert_int_equal(rc, TRANSHIP_ENOMEM);
	}
}

/* What an image holds is what its map says; anything else is refused. */
static void test_layers__are_the_map(void **state)
{
	size_t size = 5 << 20, n = 0;
	unsigned char *content = calloc(1, size);
	struct tranship_open_options open = { .format = "vhdx" };
	struct tranship_changes *set;
	struct tranship_disk *disk;
	struct tranship_error err;
	struct tranship_extent e;
	uint64_t off;

	(void)state;
	assert_non_null(content);
	memset(content + (1 << 20), 'x', 1 << 20);
	memset(content + (4 << 20), 'y', 1 << 20);
	assert_ok(tranship_open_file(image_of("vhdx", "block_size=1M", content, size, 1), &open,
				     &disk, &err),
		  &err);
	free(content);
	assert_fails(tranship_changes_of_layers(disk, 0, &set, &err), TRANSHIP_EINVAL, &err,
		     "has 1 images, not 0");
	assert_null(set);
	assert_fails(tranship_changes_of_layers(disk, 2, &set, &err), TRANSHIP_EINVAL, &err,
		     "has 1 images, not 2");
	assert_ok(tranship_changes_of_layers(disk, 1, &set, &err), &err);
	assert_string_equal(tranship_changes_origin(set), "layers");
	assert_string_equal(tranship_changes_base_id(set), "");
	for (off = 0; off < size; off += e.len) {
		struct tranship_change c = { .off = UINT64_MAX };

		assert_ok(tranship_disk_map(disk, off, &e, &err), &err);
		if (tranship_changes_find(set, off) < tranship_changes_count(set))
			c = tranship_changes_at(set, tranship_changes_find(set, off));
		assert_int_equal(c.off <= off, e.kind != TRANSHIP_ABSENT);
		if (c.off <= off)
			assert_int_equal(c.zero, e.kind == TRANSHIP_ZERO);
		n += e.kind == TRANSHIP_DATA ? e.len : 0;
	}
	assert_int_equal(n, 2 << 20);
	tranship_changes_free(set);
	tranship_disk_close(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add__any_order),
		cmocka_unit_test(test_heap__any_order),
		cmocka_unit_test(test_combine__any_sets),
		cmocka_unit_test(test_rules__are_what_they_say),
		cmocka_unit_test(test_round__any_set),
		cmocka_unit_test(test_round__block_larger_than_the_disk),
		cmocka_unit_test(test_ranges__bound),
		cmocka_unit_test(test_ranges__nearest_become_one),
		cmocka_unit_test(test_changes__a_million),
		cmocka_unit_test(test_changes__arguments),
		cmocka_unit_test(test_combine__ids),
		cmocka_unit_test(test_changes__no_memory),
		cmocka_unit_test(test_layers__are_the_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
