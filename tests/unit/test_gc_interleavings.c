// SPDX-License-Identifier: Apache-2.0
/*
 * Each table of docs/formats/store.md, "Writers and gc", stepped through, with listings that do not
 * lag and with those of points, slots, marks and leases that do.
 */
#include "gc_scene.h"

#include <stdio.h>
#include <string.h>

static const char *const lags[] = { NULL, "points/", "slots/", "trash/", "leases/" };

/* A slot that nothing names any more; the disk has a newer point. */
static struct slot_id unnamed_slot(struct scene *s, const char *disk)
{
	struct slot_id slot;

	care_point(s, disk, NULL, &slot);
	care_point(s, disk, NULL, NULL);
	care_prune(s, disk);
	care_pass(s, LAG);
	return slot;
}

static void check_and_commit(struct scene *s)
{
	assert_int_equal(writer_check(s, 0), 0);
	assert_int_equal(writer_commit(s, 0, "b", "b"), 0);
}

static void commit(struct scene *s)
{
	assert_int_equal(writer_commit(s, 0, "b", "b"), 0);
}

/* The writer checks and commits at any operation of the gc that marks what it names. */
static void test_writer_names_what_is_marked_meanwhile(void **state)
{
	struct slot_id slot;
	struct scene s;
	unsigned long at;
	bool more;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(lags); i++)
		for (at = 1, more = true; more; at++) {
			care_open(&s, lags[i]);
			slot = unnamed_slot(&s, "a");
			assert_true(writer_begin(&s, 0, ""));
			assert_true(writer_dedupe(&s, 0, &slot));
			more = care_gc_with(&s, at, check_and_commit);
			if (!more)
				check_and_commit(&s);
			writer_end(&s, 0);
			care_end(&s);
			care_close(&s);
		}
}

/* What is marked is stored again, not named. */
static void test_marked_is_stored_again(void **state)
{
	struct slot_id slot;
	struct scene s;

	(void)state;
	care_open(&s, NULL);
	slot = unnamed_slot(&s, "a");
	assert_true(writer_begin(&s, 0, ""));
	assert_true(writer_dedupe(&s, 0, &slot));
	care_gc(&s);
	assert_int_equal(s.gc.marked, 1);
	assert_true(writer_begin(&s, 1, ""));
	assert_false(writer_dedupe(&s, 1, &slot));
	writer_end(&s, 1);
	check_and_commit(&s);
	assert_int_equal(s.writers[0].restored, 1);
	writer_end(&s, 0);
	care_pass(&s, GRACE);
	care_gc(&s);
	assert_int_equal(s.gc.deleted, 1);
	assert_false(care_has_slot(&s, &slot));
	assert_true(care_has_mark(&s, &slot)); /* the tombstone */
	care_end(&s);
	assert_false(care_has_mark(&s, &slot));
	care_close(&s);
}

/* Check; gc marks, and looks again; commit. */
static void test_mark_after_the_check(void **state)
{
	struct slot_id slot;
	struct scene s;
	unsigned long at;
	bool more;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(lags); i++)
		for (at = 1, more = true; more; at++) {
			care_open(&s, lags[i]);
			slot = unnamed_slot(&s, "a");
			assert_true(writer_begin(&s, 0, ""));
			assert_true(writer_dedupe(&s, 0, &slot));
			assert_int_equal(writer_check(&s, 0), 0);
			care_gc(&s);
			care_pass(&s, GRACE / 2 - 1);
			more = care_gc_with(&s, at, commit);
			if (!more)
				commit(&s);
			writer_end(&s, 0);
			care_pass(&s, GRACE / 2 + 1);
			care_gc(&s);
			assert_true(care_has_slot(&s, &slot));
			assert_false(care_has_mark(&s, &slot));
			care_end(&s);
			assert_true(care_has_slot(&s, &slot));
			care_close(&s);
		}
}

/* The writer's listing of marks is late, and so is gc's of points: three quarters of the grace. */
static void test_commit_as_late_as_can_be(void **state)
{
	struct slot_id slot;
	struct scene s;

	(void)state;
	care_open(&s, NULL);
	assert_true(writer_begin(&s, 1, "")); /* it leaves a slot, and no point that names it */
	slot = writer_put(&s, 1);
	writer_end(&s, 1);
	memory_target_lag(s.t, "", 0, LAG);
	assert_true(writer_begin(&s, 0, ""));
	assert_true(writer_dedupe(&s, 0, &slot));
	care_gc(&s);
	care_pass(&s, LAG - 1);
	assert_int_equal(writer_check(&s, 0), 0);
	assert_int_equal(s.writers[0].restored, 0); /* it did not see the mark */
	s.writers[0].lease.renewed_here += LAG - 1; /* renewed with the check */
	care_pass(&s, GRACE / 2);
	s.writers[0].lease.renewed_here += 0.5;
	care_gc(&s);
	commit(&s);
	writer_end(&s, 0);
	care_pass(&s, GRACE - (LAG - 1) - GRACE / 2);
	care_gc(&s);
	assert_true(care_has_slot(&s, &slot));
	care_end(&s);
	care_close(&s);
}

static void prune_a(struct scene *s)
{
	care_prune(s, "a");
}

/* The base is pruned at any operation of gc; the run goes on for long. */
static void test_base_is_pruned(void **state)
{
	char base[POINT_ID_TEXT], key[TARGET_KEY_MAX + 1];
	struct slot_id slot, own;
	struct scene s;
	unsigned long at;
	unsigned turn;
	bool more;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(lags); i++)
		for (at = 1, more = true; more; at++) {
			care_open(&s, lags[i]);
			care_point(&s, "a", base, &slot);
			assert_true(writer_begin(&s, 0, base));
			own = writer_put(&s, 0);
			care_point(&s, "a", NULL, NULL);
			more = care_gc_with(&s, at, prune_a);
			if (!more)
				prune_a(&s);
			for (turn = 0; turn < 12; turn++) {
				struct tranship_error err;

				care_pass(&s, GRACE / 4);
				assert_ok(lease_keep(&s.writers[0].lease, &err), &err);
				care_gc(&s);
				assert_int_equal(s.gc.marked, 0);
			}
			manifest_trash_key(base, key);
			assert_true(memory_target_has(s.t, key));
			check_and_commit(&s);
			assert_int_equal(s.writers[0].restored, 0);
			writer_end(&s, 0);
			care_end(&s);
			assert_true(care_has_slot(&s, &slot) && care_has_slot(&s, &own));
			assert_false(memory_target_has(s.t, key));
			care_close(&s);
		}
}

/* The base of a live lease is nowhere: what it names is not known. */
static void test_base_is_lost(void **state)
{
	char base[POINT_ID_TEXT], key[TARGET_KEY_MAX + 1];
	struct slot_id slot;
	struct scene s;
	struct tranship_error err;

	(void)state;
	care_open(&s, NULL);
	unnamed_slot(&s, "a");
	care_point(&s, "b", base, &slot);
	assert_true(writer_begin(&s, 0, base));
	manifest_key(base, key);
	assert_ok(target_remove(s.t, key, &err), &err);
	care_gc(&s);
	assert_int_equal(s.gc.marked + s.gc.deleted, 0);
	assert_non_null(strstr(s.warned, base));
	writer_end(&s, 0);
	care_gc(&s);
	assert_int_equal(s.gc.marked, 2);
	care_end(&s);
	care_close(&s);
}

/* A writer that slept does not commit: gc may have deleted what it names. */
static void test_lease_is_too_old(void **state)
{
	struct slot_id slot;
	struct scene s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(lags); i++) {
		care_open(&s, lags[i]);
		slot = unnamed_slot(&s, "a");
		assert_true(writer_begin(&s, 0, ""));
		assert_true(writer_dedupe(&s, 0, &slot));
		assert_int_equal(writer_check(&s, 0), 0);
		care_gc(&s);
		care_pass(&s, GRACE);
		care_gc(&s);
		assert_false(care_has_slot(&s, &slot));
		assert_int_equal(writer_commit(&s, 0, "b", "b"), TRANSHIP_ECANCELED);
		assert_int_equal(writer_check(&s, 0), TRANSHIP_ECANCELED);
		writer_end(&s, 0);
		care_end(&s);
		care_close(&s);
	}
}

static void resume_and_commit(struct scene *s)
{
	writer_resume(s, 0);
	check_and_commit(s);
}

/* A run dies, and goes on when gc is about to delete its slots, at any operation of that gc. */
static void resumed_while_deleted(void (*step)(struct scene *s))
{
	struct scene s;
	unsigned long at;
	bool more;
	size_t i;

	for (i = 0; i < COUNT_OF(lags); i++)
		for (at = 1, more = true; more; at++) {
			care_open(&s, lags[i]);
			assert_true(writer_begin(&s, 0, ""));
			writer_put(&s, 0);
			writer_put(&s, 0);
			writer_die(&s, 0);
			care_pass(&s, GRACE);
			care_gc(&s);
			assert_int_equal(s.gc.marked, 2);
			care_pass(&s, GRACE);
			more = care_gc_with(&s, at, step);
			if (!more)
				step(&s);
			writer_end(&s, 0);
			care_end(&s);
			care_close(&s);
		}
}

static void other_gc(struct scene *s)
{
	struct tranship_gc_options options = { .grace = GRACE };
	struct tranship_gc_result result;
	struct tranship_error err;

	assert_ok(tranship_store_gc(s->store, &options, &result, &err), &err);
}

/* The other gc sees the lease, and must leave the marks. */
static void resume_beside_gc(struct scene *s)
{
	writer_resume(s, 0);
	other_gc(s);
	check_and_commit(s);
}

static void test_resumed_while_deleted(void **state)
{
	(void)state;
	resumed_while_deleted(resume_and_commit);
	resumed_while_deleted(resume_beside_gc);
}

/* Not even the tombstone is there any more. */
static void test_resumed_much_later(void **state)
{
	struct slot_id slot;
	struct scene s;
	unsigned turn;

	(void)state;
	care_open(&s, NULL);
	assert_true(writer_begin(&s, 0, ""));
	slot = writer_put(&s, 0);
	writer_die(&s, 0);
	for (turn = 0; turn < 4; turn++) {
		care_pass(&s, GRACE);
		care_gc(&s);
	}
	assert_false(care_has_slot(&s, &slot) || care_has_mark(&s, &slot));
	resume_and_commit(&s);
	assert_int_equal(s.writers[0].restored, 1);
	writer_end(&s, 0);
	care_end(&s);
	care_close(&s);
}

/* It goes on when the slots are gone and are still listed; gc runs, which sees its lease. */
static void test_resumed_after_deletion(void **state)
{
	struct scene s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(lags); i++) {
		care_open(&s, lags[i]);
		assert_true(writer_begin(&s, 0, ""));
		writer_put(&s, 0);
		writer_die(&s, 0);
		care_pass(&s, GRACE + LAG);
		care_gc(&s);
		care_pass(&s, GRACE + LAG);
		care_gc(&s);
		assert_int_equal(s.gc.deleted, 1);
		care_pass(&s, LAG / 2);
		writer_resume(&s, 0);
		care_gc(&s);
		check_and_commit(&s);
		assert_int_equal(s.writers[0].restored, 1);
		writer_end(&s, 0);
		care_end(&s);
		care_close(&s);
	}
}

static int count_point(void *ctx, const struct tranship_point *point)
{
	*(unsigned *)ctx += strcmp(point->name, "nightly") == 0;
	return 0;
}

static void test_two_runs_with_one_name(void **state)
{
	char base[POINT_ID_TEXT];
	struct tranship_error err;
	struct scene s;
	unsigned count;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(lags); i++) {
		care_open(&s, lags[i]);
		care_point(&s, "a", base, NULL);
		assert_true(writer_begin(&s, 0, base));
		assert_true(writer_begin(&s, 1, base));
		writer_put(&s, 0);
		writer_put(&s, 1);
		assert_int_equal(writer_check(&s, 0), 0);
		assert_int_equal(writer_check(&s, 1), 0);
		care_gc(&s);
		assert_int_equal(writer_commit(&s, 0, "a", "nightly"), 0);
		assert_int_equal(writer_commit(&s, 1, "a", "nightly"), 0);
		writer_end(&s, 0);
		writer_end(&s, 1);
		care_pass(&s, LAG);
		count = 0;
		assert_ok(tranship_store_list(s.store, "a", count_point, &count, &err), &err);
		assert_int_equal(count, 2);
		care_end(&s);
		care_close(&s);
	}
}

/* One at any operation of the other, among slots to be marked, unmarked, deleted and forgotten. */
static void test_two_gcs(void **state)
{
	struct slot_id named, old, gone;
	struct scene s;
	unsigned long at;
	bool more;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(lags); i++)
		for (at = 1, more = true; more; at++) {
			care_open(&s, lags[i]);
			gone = unnamed_slot(&s, "a");
			care_gc(&s);
			care_pass(&s, GRACE);
			care_gc(&s);
			old = unnamed_slot(&s, "b");
			named = unnamed_slot(&s, "c");
			care_gc(&s);
			care_pass(&s, GRACE / 2);
			assert_true(writer_begin(&s, 0, ""));
			if (writer_dedupe(&s, 0, &named)) /* not where it sees the mark */
				assert_int_equal(writer_check(&s, 0), 0);
			commit(&s);
			writer_end(&s, 0);
			care_pass(&s, GRACE);
			unnamed_slot(&s, "d");
			more = care_gc_with(&s, at, other_gc);
			care_end(&s);
			assert_false(care_has_slot(&s, &old) || care_has_slot(&s, &gone));
			care_close(&s);
		}
}

/* While one gc sleeps in front of a mark that is to be taken away, the point is pruned that the
 * slot was named by; when the other one deletes the slot a writer must still see the mark. */
static void sleep_long(struct scene *s)
{
	care_point(s, "b", NULL, NULL);
	care_prune(s, "b");
	care_pass(s, GRACE / 3);
	other_gc(s);
}

static void test_gc_sleeps(void **state)
{
	struct slot_id slot;
	struct tranship_error err;
	struct scene s;
	unsigned long at;
	bool more;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(lags); i++)
		for (at = 1, more = true; more; at++) {
			care_open(&s, lags[i]);
			slot = unnamed_slot(&s, "a");
			assert_true(writer_begin(&s, 0, ""));
			assert_true(writer_dedupe(&s, 0, &slot));
			assert_int_equal(writer_check(&s, 0), 0);
			care_gc(&s);
			commit(&s);
			writer_end(&s, 0);
			care_pass(&s, GRACE);
			more = care_gc_with(&s, at, sleep_long);
			assert_true(writer_begin(&s, 0, ""));
			/* Listed it may be in any case. */
			if (!slot_set_has(s.writers[0].trash, &slot))
				assert_ok(slot_uses_add(&s.writers[0].uses, &slot, 1, &err), &err);
			assert_int_equal(writer_check(&s, 0), 0);
			other_gc(&s);
			commit(&s);
			writer_end(&s, 0);
			care_end(&s);
			care_close(&s);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writer_names_what_is_marked_meanwhile),
		cmocka_unit_test(test_marked_is_stored_again),
		cmocka_unit_test(test_mark_after_the_check),
		cmocka_unit_test(test_commit_as_late_as_can_be),
		cmocka_unit_test(test_base_is_pruned),
		cmocka_unit_test(test_base_is_lost),
		cmocka_unit_test(test_lease_is_too_old),
		cmocka_unit_test(test_resumed_while_deleted),
		cmocka_unit_test(test_resumed_after_deletion),
		cmocka_unit_test(test_resumed_much_later),
		cmocka_unit_test(test_two_runs_with_one_name),
		cmocka_unit_test(test_two_gcs),
		cmocka_unit_test(test_gc_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
