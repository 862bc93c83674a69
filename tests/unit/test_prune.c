// SPDX-License-Identifier: Apache-2.0
/* Which points stay, and what becomes of the others. */
#include "support.h"

#include "emit/prune_rules.h"
#include "made_stores.h"
#include "memory_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* "2026-11-21 19:00:00" */
static int64_t at(const char *text)
{
	struct tm tm = { 0 };

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return (int64_t)timegm(&tm) * 1000000;
}

/* Goes through the times, newest first; each with the rules that are to keep it. */
struct expected {
	const char *time;
	const char *why;
};

static void walk(const struct tranship_prune_options *options, const struct expected *list,
		 size_t count)
{
	struct prune_state s;
	char why[80];
	size_t i;

	prune_begin(&s, options);
	for (i = 0; i < count; i++)
		assert_string_equal(prune_why(prune_next(&s, at(list[i].time), false), why),
				    list[i].why);
}

static void test_rules__last(void **state)
{
	static const struct expected list[] = {
		{ "2026-11-21 19:00:00", "newest, last" },
		{ "2026-11-21 19:00:00", "last" },
		{ "2026-11-20 19:00:00", "" },
	};
	const struct tranship_prune_options options = { .keep_last = 2 };

	(void)state;
	walk(&options, list, COUNT_OF(list));
}

/* The newest of a day, in UTC; days without a point do not count. */
static void test_rules__days(void **state)
{
	static const struct expected list[] = {
		{ "2026-11-21 00:00:00", "newest, daily" },
		{ "2026-11-20 23:59:59", "daily" },
		{ "2026-11-20 12:00:00", "" },
		{ "2026-11-03 01:00:00", "daily" },
		{ "2026-11-02 01:00:00", "" },
	};
	const struct tranship_prune_options options = { .keep_daily = 3 };

	(void)state;
	walk(&options, list, COUNT_OF(list));
}

/* 2027 begins in the week that ends on its third day. */
static void test_rules__weeks(void **state)
{
	static const struct expected list[] = {
		{ "2027-01-04 00:00:00", "newest, weekly" },
		{ "2027-01-03 23:59:59", "weekly" },
		{ "2026-12-28 00:00:00", "" },
		{ "2026-12-27 23:59:59", "weekly" },
		{ "2026-12-21 00:00:00", "" },
		{ "2026-12-20 00:00:00", "" },
	};
	const struct tranship_prune_options options = { .keep_weekly = 3 };

	(void)state;
	walk(&options, list, COUNT_OF(list));
}

static void test_rules__all_periods(void **state)
{
	static const struct expected list[] = {
		{ "2026-03-01 10:30:00", "newest, hourly, daily, weekly, monthly, yearly" },
		{ "2026-03-01 10:00:00", "" },
		{ "2026-03-01 09:59:59", "hourly" },
		{ "2026-02-28 09:59:59", "daily, monthly" },
		{ "2026-02-22 00:00:00", "weekly" },
		{ "2025-12-31 23:59:59", "yearly" },
		{ "2024-12-31 23:59:59", "" },
	};
	const struct tranship_prune_options options = { .keep_hourly = 2,
							.keep_daily = 2,
							.keep_weekly = 2,
							.keep_monthly = 2,
							.keep_yearly = 2 };

	(void)state;
	walk(&options, list, COUNT_OF(list));
}

static void test_rules__before_1970(void **state)
{
	struct tranship_prune_options options = { .keep_hourly = 9, .keep_daily = 9 };
	struct prune_state s;
	char why[80];

	(void)state;
	prune_begin(&s, &options);
	prune_next(&s, 1, false);
	assert_string_equal(prune_why(prune_next(&s, -1, false), why), "hourly, daily");
	assert_string_equal(prune_why(prune_next(&s, -2, false), why), "");
}

struct told {
	unsigned stay, go;
	char last_why[80];
};

static void tell(void *ctx, const struct tranship_point *point, bool stays, const char *why)
{
	struct told *t = ctx;

	(void)point;
	t->stay += stays;
	t->go += !stays;
	snprintf(t->last_why, sizeof(t->last_why), "%s", why);
}

static bool has_point(struct tranship_store *store, const char *id, bool trash)
{
	char key[TARGET_KEY_MAX + 1];

	if (trash)
		manifest_trash_key(id, key);
	else
		manifest_key(id, key);
	return memory_target_has(store->target, key);
}

static void test_prune__each_disk(void **state)
{
	struct tranship_store *store = store_make(false);
	char a[3][POINT_ID_TEXT], b[POINT_ID_TEXT];
	struct told told = { 0 };
	struct tranship_prune_options options = {
		.keep_last = 1, .dry_run = true, .told = tell, .told_ctx = &told
	};
	struct tranship_error err;

	(void)state;
	point_make(store, "b", "x", "", b);
	point_make(store, "a", "x", "", a[0]);
	point_make(store, "a", "x", a[0], a[1]);
	point_make(store, "a", "x", a[1], a[2]);
	assert_ok(tranship_store_prune(store, &options, &err), &err);
	assert_int_equal(told.stay, 2);
	assert_int_equal(told.go, 2);
	assert_string_equal(told.last_why, "newest, last");
	assert_true(has_point(store, a[0], false));
	options.dry_run = false;
	options.disk = "b";
	assert_ok(tranship_store_prune(store, &options, &err), &err);
	assert_true(has_point(store, a[0], false));
	options.disk = NULL;
	assert_ok(tranship_store_prune(store, &options, &err), &err);
	assert_false(has_point(store, a[0], false) || has_point(store, a[1], false));
	assert_true(has_point(store, a[0], true) && has_point(store, a[1], true));
	assert_true(has_point(store, a[2], false) && has_point(store, b, false));
	tranship_store_close(store);
}

static void test_prune__tags(void **state)
{
	static const char *const gold[] = { "gold" };
	struct tranship_store *store = store_make(false);
	struct tranship_prune_options options = { .keep_tag_count = 1, .keep_tags = gold };
	char id[3][POINT_ID_TEXT];
	struct tranship_error err;

	(void)state;
	point_make(store, "a", "x", "", id[0]);
	point_make(store, "a", "x", id[0], id[1]);
	point_make(store, "a", "x", id[1], id[2]);
	assert_ok(tranship_store_tag(store, id[0], gold, 1, NULL, 0, &err), &err);
	assert_ok(tranship_store_prune(store, &options, &err), &err);
	assert_true(has_point(store, id[0], false));
	assert_false(has_point(store, id[1], false));
	assert_true(has_point(store, id[2], false)); /* the newest, whatever the rules */
	tranship_store_close(store);
}

static void test_prune__no_rule(void **state)
{
	struct tranship_store *store = store_make(false);
	struct tranship_prune_options options = { 0 };
	struct tranship_error err;

	(void)state;
	assert_fails(tranship_store_prune(store, &options, &err), TRANSHIP_EINVAL, &err, "no rule");
	tranship_store_close(store);
}

/* Whatever operation fails, a point is in the list or put aside, and the newest is in the list. */
static void test_prune__faults(void **state)
{
	struct tranship_prune_options options = { .keep_last = 1 };
	struct tranship_error err;
	char id[3][POINT_ID_TEXT];
	unsigned long nth;
	int rc = -1;

	(void)state;
	for (nth = 1; rc; nth++) {
		struct tranship_store *store = store_make(false);
		unsigned i;

		point_make(store, "a", "x", "", id[0]);
		point_make(store, "a", "x", id[0], id[1]);
		point_make(store, "a", "x", id[1], id[2]);
		memory_target_fail(store->target, nth, TRANSHIP_EIO);
		rc = tranship_store_prune(store, &options, &err);
		for (i = 0; i < 3; i++)
			assert_true(has_point(store, id[i], false) ||
				    has_point(store, id[i], true));
		assert_true(has_point(store, id[2], false));
		tranship_store_close(store);
		assert_true(nth < 200);
	}
	assert_true(nth > 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules__last),
		cmocka_unit_test(test_rules__days),
		cmocka_unit_test(test_rules__weeks),
		cmocka_unit_test(test_rules__all_periods),
		cmocka_unit_test(test_rules__before_1970),
		cmocka_unit_test(test_prune__each_disk),
		cmocka_unit_test(test_prune__tags),
		cmocka_unit_test(test_prune__no_rule),
		cmocka_unit_test(test_prune__faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
