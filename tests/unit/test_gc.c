// SPDX-License-Identifier: Apache-2.0
/* What one run of gc does, and that it does nothing where it cannot know. */
#include "gc_scene.h"

#include "base/bytes.h"
#include "made_stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void gc_with(struct scene *s, struct tranship_gc_options options)
{
	struct tranship_error err;

	assert_ok(tranship_store_gc(s->store, &options, &s->gc, &err), &err);
}

/* One point, and a slot that a dead writer left. */
static struct slot_id open_with_rest(struct scene *s)
{
	struct slot_id rest;

	care_open(s, NULL);
	care_point(s, "a", NULL, NULL);
	assert_true(writer_begin(s, 0, ""));
	rest = writer_put(s, 0);
	writer_end(s, 0);
	return rest;
}

static void test_gc__counts(void **state)
{
	struct slot_id rest;
	struct scene s;

	(void)state;
	rest = open_with_rest(&s);
	care_gc(&s);
	assert_int_equal(s.gc.slots, 2);
	assert_int_equal(s.gc.named, 1);
	assert_int_equal(s.gc.marked, 1);
	assert_int_equal(s.gc.waiting + s.gc.deleted + s.gc.unmarked, 0);
	care_pass(&s, GRACE - 1);
	care_gc(&s);
	assert_int_equal(s.gc.waiting, 1);
	assert_int_equal(s.gc.marked + s.gc.deleted, 0);
	care_pass(&s, 1);
	care_gc(&s);
	assert_int_equal(s.gc.deleted, 1);
	assert_int_equal(s.gc.waiting, 0);
	assert_int_equal(s.gc.freed_bytes, 4);
	assert_false(care_has_slot(&s, &rest));
	care_pass(&s, GRACE - 1);
	care_gc(&s);
	assert_true(care_has_mark(&s, &rest));
	care_pass(&s, 1);
	care_gc(&s);
	assert_false(care_has_mark(&s, &rest));
	assert_int_equal(s.gc.slots, 1);
	care_close(&s);
}

/* All objects and times, as a number. */
static uint64_t state_of(struct scene *s)
{
	struct memory_target *m = memory_target_of(s->t);
	uint64_t sum = m->count;
	size_t i;
	const char *c;

	for (i = 0; i < m->count; i++) {
		for (c = m->objects[i].info.key; *c; c++)
			sum = sum * 31 + (unsigned char)*c;
		sum = sum * 31 + (uint64_t)m->objects[i].info.time;
	}
	return sum;
}

static void test_gc__dry_run(void **state)
{
	const struct tranship_gc_options dry = { .grace = GRACE, .dry_run = true };
	struct scene s;
	uint64_t before;

	(void)state;
	open_with_rest(&s);
	before = state_of(&s);
	gc_with(&s, dry);
	assert_int_equal(s.gc.marked, 1);
	assert_true(state_of(&s) == before);
	care_gc(&s);
	care_point(&s, "a", NULL, NULL);
	care_prune(&s, "a");
	care_pass(&s, GRACE);
	before = state_of(&s);
	gc_with(&s, dry);
	assert_int_equal(s.gc.deleted, 1);
	assert_int_equal(s.gc.points_deleted, 1);
	assert_true(state_of(&s) == before);
	care_close(&s);
}

static void test_gc__no_grace(void **state)
{
	const struct tranship_gc_options now = { .no_grace = true };
	struct slot_id rest, marked;
	struct scene s;

	(void)state;
	rest = open_with_rest(&s);
	care_gc(&s);
	assert_true(writer_begin(&s, 0, ""));
	marked = writer_put(&s, 0);
	writer_end(&s, 0);
	gc_with(&s, now);
	assert_int_equal(s.gc.deleted, 2);
	assert_false(care_has_slot(&s, &rest) || care_has_slot(&s, &marked));
	assert_false(care_has_mark(&s, &rest) || care_has_mark(&s, &marked));
	assert_true(care_complete(&s));
	care_close(&s);
}

/* A pruned point goes with its tags after the grace; one that is back in the list keeps them. */
static void test_gc__pruned_points(void **state)
{
	static const char *const tags[] = { "gold" };
	char id[POINT_ID_TEXT], tag_key[TARGET_KEY_MAX + 1], key[TARGET_KEY_MAX + 1];
	struct tranship_error err;
	struct scene s;

	(void)state;
	care_open(&s, NULL);
	care_point(&s, "a", id, NULL);
	assert_ok(tranship_store_tag(s.store, id, tags, 1, NULL, 0, &err), &err);
	care_point(&s, "a", NULL, NULL);
	care_prune(&s, "a");
	snprintf(tag_key, sizeof(tag_key), "tags/%s", id);
	manifest_trash_key(id, key);
	care_pass(&s, GRACE - 1);
	care_gc(&s);
	assert_true(memory_target_has(s.t, tag_key) && memory_target_has(s.t, key));
	care_pass(&s, 1);
	care_gc(&s);
	assert_int_equal(s.gc.points_deleted, 1);
	assert_false(memory_target_has(s.t, tag_key) || memory_target_has(s.t, key));
	care_close(&s);
}

static void damage(struct scene *s, const char *key)
{
	size_t len;
	unsigned char *bytes = memory_target_bytes(s->t, key, &len);

	assert_non_null(bytes);
	bytes[len - 1] ^= 1;
	bytes[len / 2] ^= 1;
}

/* Where it cannot be known what is named nothing is marked, unmarked or deleted. */
static void test_gc__unreadable(void **state)
{
	const struct tranship_gc_options options = { .grace = GRACE };
	char id[POINT_ID_TEXT], key[TARGET_KEY_MAX + 1];
	struct tranship_gc_result result;
	struct tranship_error err;
	struct scene s;
	uint64_t before;
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct slot_id rest = open_with_rest(&s);

		care_gc(&s);
		care_pass(&s, GRACE);
		assert_true(writer_begin(&s, 0, ""));
		writer_put(&s, 0);
		care_point(&s, "b", id, NULL);
		manifest_key(id, key);
		if (i == 0) {
			damage(&s, key);
		} else if (i == 1) {
			snprintf(key, sizeof(key), "leases/%016llx",
				 (unsigned long long)get_be64(s.writers[0].lease.writer));
			damage(&s, key);
		} else if (i == 2) {
			strcpy(key, "points/what-is-this");
			assert_ok(target_put(s.t, key, "?", 1, NULL, &err), &err);
		} else { /* pruned just now, which counts before slots are deleted */
			care_point(&s, "b", NULL, NULL);
			care_prune(&s, "b");
			manifest_trash_key(id, key);
			damage(&s, key);
		}
		before = state_of(&s);
		assert_true(tranship_store_gc(s.store, &options, &result, &err) < 0);
		assert_true(state_of(&s) == before || i == 3);
		assert_true(care_has_slot(&s, &rest));
		care_close(&s);
	}
}

/* Any operation may fail; the next run goes on, and no point loses anything. */
static void test_gc__faults(void **state)
{
	const struct tranship_gc_options options = { .grace = GRACE };
	struct tranship_gc_result result;
	struct tranship_error err;
	struct slot_id rest;
	struct scene s;
	unsigned long nth;
	int rc = -1;

	(void)state;
	for (nth = 1; rc; nth++) {
		rest = open_with_rest(&s);
		care_gc(&s);
		care_point(&s, "a", NULL, NULL);
		care_prune(&s, "a");
		care_pass(&s, GRACE);
		memory_target_fail(s.t, nth, TRANSHIP_EIO);
		rc = tranship_store_gc(s.store, &options, &result, &err);
		memory_target_fail(s.t, 0, 0);
		assert_true(care_complete(&s));
		care_end(&s);
		assert_false(care_has_slot(&s, &rest) || care_has_mark(&s, &rest));
		care_close(&s);
		assert_true(nth < 200);
	}
	assert_true(nth > 15);
}

/* Leases of writers that died long ago do not pile up. */
static void test_gc__dead_leases(void **state)
{
	char key[TARGET_KEY_MAX + 1];
	struct scene s;

	(void)state;
	care_open(&s, NULL);
	assert_true(writer_begin(&s, 0, ""));
	snprintf(key, sizeof(key), "leases/%016llx",
		 (unsigned long long)get_be64(s.writers[0].lease.writer));
	writer_die(&s, 0);
	care_pass(&s, 2 * GRACE);
	care_gc(&s);
	assert_true(memory_target_has(s.t, key));
	care_pass(&s, 2);
	care_gc(&s);
	assert_false(memory_target_has(s.t, key));
	care_close(&s);
}

/* The check before a commit holds for half of the writer's grace, not of another one. */
static void test_gc__a_writer_counts_on_more(void **state)
{
	struct tranship_gc_options less = { .grace = GRACE - 1 };
	struct tranship_error err;
	struct scene s;

	(void)state;
	care_open(&s, NULL);
	assert_true(writer_begin(&s, 0, ""));
	writer_die(&s, 0);
	care_pass(&s, GRACE - 10);
	assert_fails(tranship_store_gc(s.store, &less, &s.gc, &err), TRANSHIP_EBUSY, &err,
		     "counts on a grace of");
	care_pass(&s, 10);
	gc_with(&s, less);
	care_close(&s);
}

static void test_slot_set(void **state)
{
	enum { COUNT = 100000 };
	struct rng rng = { 5 }, again = { 5 };
	const struct slot_id *ids;
	struct tranship_error err;
	struct slot_set *set;
	struct slot_id id;
	size_t count, i;

	(void)state;
	assert_ok(slot_set_new(&set, &err), &err);
	memset(&id, 0, sizeof(id));
	assert_false(slot_set_has(set, &id));
	assert_ok(slot_set_add(set, &id, &err), &err);
	assert_true(slot_set_has(set, &id));
	assert_int_equal(slot_set_count(set), 1);
	for (i = 0; i < 2 * COUNT; i++) { /* each twice */
		if (i == COUNT)
			rng = again;
		rng_fill(&rng, &id, sizeof(id));
		assert_ok(slot_set_add(set, &id, &err), &err);
	}
	assert_int_equal(slot_set_count(set), COUNT + 1);
	for (i = 0; i < COUNT; i++) {
		rng_fill(&again, &id, sizeof(id));
		assert_true(slot_set_has(set, &id));
		id.bytes[3] ^= 1;
		assert_false(slot_set_has(set, &id));
	}
	assert_ok(slot_set_list(set, &ids, &count, &err), &err);
	assert_int_equal(count, COUNT);
	for (i = 1; i < count; i++)
		assert_true(memcmp(&ids[i - 1], &ids[i], sizeof(*ids)) < 0);
	slot_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gc__counts),
		cmocka_unit_test(test_gc__dry_run),
		cmocka_unit_test(test_gc__no_grace),
		cmocka_unit_test(test_gc__pruned_points),
		cmocka_unit_test(test_gc__unreadable),
		cmocka_unit_test(test_gc__faults),
		cmocka_unit_test(test_gc__dead_leases),
		cmocka_unit_test(test_gc__a_writer_counts_on_more),
		cmocka_unit_test(test_slot_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
