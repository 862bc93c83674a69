// SPDX-License-Identifier: Apache-2.0
/* Points copied between stores that are encrypted or not; beside gc. */
#include "support.h"

#include "emit/lease.h"
#include "emit/point_alias.h"
#include "emit/slot_uses.h"
#include "made_stores.h"
#include "memory_target.h"
#include "whole_points.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE (100U * STORE_UNIT)

/* Three points of a disk in a store, and a store to copy to. */
struct scene {
	struct tranship_store *from, *to;
	struct made made;
	unsigned char *content[3];
	struct manifest points[3];
};

static void scene_make(struct scene *s, bool from_encrypted, bool to_encrypted)
{
	struct rng rng = { 21 };
	unsigned i;

	memset(s, 0, sizeof(*s));
	s->from = store_make(from_encrypted);
	s->to = store_make(to_encrypted);
	made_into(&s->made, s->from, 1U << 20);
	for (i = 0; i < 3; i++) {
		s->content[i] = malloc(SIZE);
		assert_non_null(s->content[i]);
		if (i == 0) {
			rng_fill(&rng, s->content[0], SIZE);
			memset(s->content[0] + 20 * STORE_UNIT, 0, 30 * STORE_UNIT);
			memset(s->content[0] + 70 * STORE_UNIT, 'x', 16 * STORE_UNIT);
		} else {
			memcpy(s->content[i], s->content[i - 1], SIZE);
			rng_fill(&rng, s->content[i] + 30 * i * STORE_UNIT, 8 * STORE_UNIT);
			memset(s->content[i] + (80 + 4 * i) * STORE_UNIT, 0, STORE_UNIT);
		}
		whole_point(&s->made, "a", s->content[i], SIZE, i ? &s->points[i - 1] : NULL,
			    i ? s->content[i - 1] : NULL, &s->points[i]);
	}
}

static void scene_free(struct scene *s)
{
	unsigned i;

	made_close(&s->made);
	for (i = 0; i < 3; i++) {
		manifest_free(&s->points[i]);
		free(s->content[i]);
	}
	tranship_store_close(s->from);
	tranship_store_close(s->to);
}

static uint64_t copy(struct scene *s, const char *const *points, size_t count)
{
	struct tranship_store_copy_options options = { .points = points,
						       .point_count = count,
						       .threads = 2 };
	struct tranship_error err;
	uint64_t copied;

	assert_ok(tranship_store_copy(s->from, s->to, &options, &copied, &err), &err);
	return copied;
}

/* What verifying and reading say of the other store, whose indexes are read anew. */
static void assert_sound(struct scene *s)
{
	struct tranship_store_verify_options options = { .read_data = true };
	struct tranship_store_verify_result result;
	struct tranship_error err;
	unsigned i;

	slots_free(s->to->slots);
	assert_ok(slots_new(s->to->target, &s->to->keys, &s->to->slots, &err), &err);
	assert_ok(tranship_store_verify(s->to, &options, &result, &err), &err);
	assert_int_equal(result.errors, 0);
	for (i = 0; i < 3; i++) {
		char key[TARGET_KEY_MAX + 1];
		unsigned char *got;

		manifest_key(s->points[i].id, key);
		if (!memory_target_has(s->to->target, key))
			continue;
		got = whole_content(s->to, s->points[i].id, SIZE);
		assert_memory_equal(got, s->content[i], SIZE);
		free(got);
	}
}

static size_t count_objects(struct tranship_store *store, const char *prefix)
{
	struct memory_target *m = memory_target_of(store->target);
	size_t i, n = 0;

	for (i = 0; i < m->count; i++)
		n += strncmp(m->objects[i].info.key, prefix, strlen(prefix)) == 0;
	return n;
}

static void assert_kept(struct scene *s, unsigned i)
{
	const struct manifest *was = &s->points[i];
	struct tranship_error err;
	struct manifest m;

	assert_ok(manifest_read(s->to, was->id, true, &m, &err), &err);
	assert_string_equal(m.predecessor, was->predecessor);
	assert_string_equal(m.version, was->version);
	assert_true(m.time_us == was->time_us);
	assert_memory_equal(&m.seed, &was->seed, sizeof(m.seed));
	manifest_free(&m);
}

static void test_copy__all(void **state)
{
	struct scene s;
	unsigned i, k;

	(void)state;
	for (i = 0; i < 4; i++) {
		scene_make(&s, i & 1, i & 2);
		assert_int_equal(copy(&s, NULL, 0), 3);
		assert_sound(&s);
		for (k = 0; k < 3; k++)
			assert_kept(&s, k);
		assert_int_equal(count_objects(s.to, "leases/"), 0);
		assert_int_equal(copy(&s, NULL, 0), 0);
		scene_free(&s);
	}
}

/* The others follow, and find what is there. */
static void test_copy__some(void **state)
{
	static const char *const tags[] = { "gold" };
	const char *last;
	struct tranship_error err;
	struct manifest m;
	uint64_t puts;
	struct scene s;
	bool alias;
	size_t slots;

	(void)state;
	scene_make(&s, false, true);
	last = s.points[2].id;
	assert_ok(tranship_store_tag(s.from, last, tags, 1, NULL, 0, &err), &err);
	assert_ok(point_add_alias(s.from, last, "the same again", &err), &err);
	assert_int_equal(copy(&s, &last, 1), 1);
	assert_sound(&s);
	assert_int_equal(count_objects(s.to, "tags/"), 1);
	assert_ok(point_has_alias(s.to, last, "the same again", &alias, &err), &err);
	assert_true(alias);
	assert_ok(manifest_read(s.to, last, false, &m, &err), &err);
	assert_string_equal(m.predecessor, "");
	manifest_free(&m);
	slots = count_objects(s.to, "slots/");
	puts = memory_target_of(s.to->target)->puts;
	assert_int_equal(copy(&s, NULL, 0), 2);
	assert_true(memory_target_of(s.to->target)->puts > puts);
	/* Some 18 blocks and three leaves; the store has slots of 25 MiB. */
	assert_true(count_objects(s.to, "slots/") <= slots + 4);
	assert_sound(&s);
	assert_kept(&s, 1);
	scene_free(&s);
}

static void test_copy__refuses(void **state)
{
	struct tranship_store_copy_options options = { 0 };
	const char *none = "nobody";
	struct tranship_error err;
	struct scene s;
	uint64_t copied;

	(void)state;
	scene_make(&s, false, false);
	assert_fails(tranship_store_copy(s.from, s.from, &options, &copied, &err), TRANSHIP_EINVAL,
		     &err, "is this one");
	options.points = &none;
	options.point_count = 1;
	assert_int_equal(tranship_store_copy(s.from, s.to, &options, &copied, &err),
			 TRANSHIP_ENOTFOUND);
	assert_int_equal(count_objects(s.to, "leases/"), 0);
	scene_free(&s);
}

struct beside {
	struct tranship_store *store;
	unsigned long at, seen;
};

static void gc_beside(void *ctx, enum memory_op op, const char *key, bool after)
{
	struct beside *b = ctx;
	struct tranship_gc_options options = { 0 };
	struct tranship_gc_result result;
	struct tranship_error err;

	(void)op;
	(void)key;
	if (after || ++b->seen != b->at)
		return;
	assert_ok(tranship_store_gc(b->store, &options, &result, &err), &err);
}

/* A point is pruned whose slots the copy finds; gc runs at operations of the copy. */
static void test_copy__beside_gc(void **state)
{
	struct tranship_prune_options prune = { .keep_last = 1 };
	struct tranship_gc_options gc = { 0 };
	struct tranship_gc_result result;
	struct tranship_error err;
	struct beside beside;
	struct scene s;
	unsigned long at;
	bool more = true;

	(void)state;
	for (at = 1; more; at += 1 + at / 4) {
		const char *two[2];

		scene_make(&s, false, false);
		two[0] = s.points[0].id;
		two[1] = s.points[1].id;
		assert_int_equal(copy(&s, two, 2), 2);
		assert_ok(tranship_store_prune(s.to, &prune, &err), &err);
		if (at % 2)
			assert_ok(tranship_store_gc(s.to, &gc, &result, &err), &err);
		beside = (struct beside){ .store = s.to, .at = at };
		memory_target_hook(s.to->target, gc_beside, &beside);
		copy(&s, NULL, 0);
		memory_target_hook(s.to->target, NULL, NULL);
		more = beside.seen >= at;
		assert_sound(&s);
		memory_target_set_time(s.to->target, 2000000000);
		assert_ok(tranship_store_gc(s.to, &gc, &result, &err), &err);
		memory_target_set_time(s.to->target, 2001000000);
		assert_ok(tranship_store_gc(s.to, &gc, &result, &err), &err);
		assert_sound(&s);
		scene_free(&s);
	}
}

/* At the nth listing of slots they all go away, whoever did that. */
struct loss {
	struct target *t;
	unsigned at, seen;
};

static void lose_all(void *ctx, enum memory_op op, const char *key, bool after)
{
	struct memory_target *m;
	struct loss *l = ctx;
	struct tranship_error err;
	size_t i;

	if (after || op != MEMORY_LIST || strcmp(key, "slots/") != 0 || ++l->seen != l->at)
		return;
	m = memory_target_of(l->t);
	for (i = m->count; i > 0; i--)
		if (strncmp(m->objects[i - 1].info.key, "slots/", 6) == 0)
			assert_ok(target_remove(l->t, m->objects[i - 1].info.key, &err), &err);
}

/* Before the index of what is there is made, before the check: all is stored again. */
static void test_copy__slots_go_away(void **state)
{
	struct tranship_error err;
	struct loss loss;
	unsigned at;

	(void)state;
	for (at = 1; at <= 2; at++) {
		unsigned char *got;
		const char *two[2];
		struct scene s;

		scene_make(&s, false, at == 2);
		two[0] = s.points[0].id;
		two[1] = s.points[1].id;
		assert_int_equal(copy(&s, two, 2), 2);
		slots_free(s.to->slots);
		assert_ok(slots_new(s.to->target, &s.to->keys, &s.to->slots, &err), &err);
		loss = (struct loss){ .t = s.to->target, .at = at };
		memory_target_hook(s.to->target, lose_all, &loss);
		assert_int_equal(copy(&s, NULL, 0), 1);
		memory_target_hook(s.to->target, NULL, NULL);
		assert_true(loss.seen >= at);
		slots_free(s.to->slots);
		assert_ok(slots_new(s.to->target, &s.to->keys, &s.to->slots, &err), &err);
		got = whole_content(s.to, s.points[2].id, SIZE);
		assert_memory_equal(got, s.content[2], SIZE);
		free(got);
		scene_free(&s);
	}
}

/* Any operation of the other store fails: what is there is sound, and the next copy ends it. */
static void test_copy__faults(void **state)
{
	struct tranship_store_copy_options options = { .threads = 1 };
	struct tranship_error err;
	struct scene s;
	unsigned long nth;
	uint64_t copied;
	int rc = -1;

	(void)state;
	for (nth = 1; rc; nth += 1 + nth / 4) {
		scene_make(&s, false, true);
		memory_target_fail(s.to->target, nth, TRANSHIP_EIO);
		rc = tranship_store_copy(s.from, s.to, &options, &copied, &err);
		memory_target_fail(s.to->target, 0, 0);
		assert_sound(&s);
		assert_int_equal(copied + copy(&s, NULL, 0), 3);
		assert_sound(&s);
		scene_free(&s);
	}
}

static void die_after_a_point(void *ctx, enum memory_op op, const char *key, bool after)
{
	if (after && op == MEMORY_PUT && strncmp(key, "points/", 7) == 0)
		memory_target_fail(ctx, 1, TRANSHIP_EIO);
}

/* What keeps a point from prune is there when the point is: who copies again passes over it. */
static void test_copy__ends_right_behind_a_point(void **state)
{
	struct tranship_store_copy_options options = { .threads = 1 };
	static const char *const tags[] = { "gold" };
	struct tranship_error err;
	struct scene s;
	uint64_t copied;
	unsigned i;

	(void)state;
	scene_make(&s, false, true);
	for (i = 0; i < 3; i++)
		assert_ok(tranship_store_tag(s.from, s.points[i].id, tags, 1, NULL, 0, &err), &err);
	memory_target_hook(s.to->target, die_after_a_point, s.to->target);
	assert_fails(tranship_store_copy(s.from, s.to, &options, &copied, &err), TRANSHIP_EIO, &err,
		     "");
	memory_target_hook(s.to->target, NULL, NULL);
	memory_target_fail(s.to->target, 0, 0);
	assert_int_equal(count_objects(s.to, "points/"), 1);
	copy(&s, NULL, 0);
	assert_int_equal(count_objects(s.to, "points/"), 3);
	assert_int_equal(count_objects(s.to, "tags/"), 3);
	scene_free(&s);
}

static void test_copy__damaged_source(void **state)
{
	struct tranship_store_copy_options options = { 0 };
	struct memory_target *m;
	struct tranship_error err;
	struct scene s;
	uint64_t copied;
	size_t i;

	(void)state;
	scene_make(&s, false, false);
	m = memory_target_of(s.from->target);
	slots_free(s.from->slots);
	assert_ok(slots_new(s.from->target, &s.from->keys, &s.from->slots, &err), &err);
	for (i = 0; i < m->count; i++)
		if (strncmp(m->objects[i].info.key, "slots/", 6) == 0)
			m->objects[i].bytes[m->objects[i].info.size / 2] ^= 1;
	assert_int_equal(tranship_store_copy(s.from, s.to, &options, &copied, &err),
			 TRANSHIP_ECORRUPT);
	assert_int_equal(copied, 0);
	assert_int_equal(count_objects(s.to, "points/"), 0);
	assert_int_equal(count_objects(s.to, "leases/"), 0);
	scene_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy__all),
		cmocka_unit_test(test_copy__some),
		cmocka_unit_test(test_copy__refuses),
		cmocka_unit_test(test_copy__beside_gc),
		cmocka_unit_test(test_copy__slots_go_away),
		cmocka_unit_test(test_copy__faults),
		cmocka_unit_test(test_copy__ends_right_behind_a_point),
		cmocka_unit_test(test_copy__damaged_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
