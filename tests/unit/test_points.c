// SPDX-License-Identifier: Apache-2.0
/* Points of a store: their order and ids, how they are found, tags, and what damage hides. */
#include "support.h"

#include "base/buffer.h"
#include "emit/points.h"
#include "made_stores.h"
#include "memory_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIGITS (POINT_ID_TEXT - 1 - 32)

static int take(void *ctx, const struct tranship_point *p)
{
	struct tranship_error err;
	size_t i;
	int rc = buffer_printf(ctx, &err, "%s@%s", p->disk, p->name);

	for (i = 0; rc == 0 && i < p->tag_count; i++)
		rc = buffer_printf(ctx, &err, "+%s", p->tags[i]);
	return rc ? rc : buffer_printf(ctx, &err, " ");
}

static const char *text_of(struct buffer *text)
{
	struct tranship_error err;

	assert_ok(buffer_append(text, "", 1, &err), &err);
	return (char *)text->bytes;
}

static void assert_points(struct tranship_store *store, const char *disk, const char *want)
{
	struct buffer text = { 0 };
	struct tranship_error err;

	assert_ok(tranship_store_list(store, disk, take, &text, &err), &err);
	assert_string_equal(text_of(&text), want);
	buffer_free(&text);
}

static void assert_found(struct tranship_store *store, const char *what, const char *id)
{
	struct tranship_error err;
	struct manifest m;

	assert_ok(manifest_find(store, what, true, &m, &err), &err);
	assert_string_equal(m.id, id);
	manifest_free(&m);
}

static void damage(struct tranship_store *store, const char *prefix, const char *id)
{
	char key[TARGET_KEY_MAX + 1];
	unsigned char *bytes;
	size_t len;

	snprintf(key, sizeof(key), "%s%s", prefix, id);
	bytes = memory_target_bytes(store->target, key, &len);
	assert_non_null(bytes);
	bytes[60] ^= 1;
}

/* Four points of two disks; two have one name. */
static void four_points(struct tranship_store *store, char ids[4][POINT_ID_TEXT])
{
	point_make(store, "a", "mon", "", ids[0]);
	point_make(store, "b", "mon", "", ids[1]);
	point_make(store, "a", "tue", ids[0], ids[2]);
	point_make(store, "b", "tue", ids[1], ids[3]);
}

/* ---- Ids and time ---- */

static void test_id__has_a_time(void **state)
{
	static const char *const bad[] = {
		"20230230T000000000000Z-00112233445566778899aabbccddeeff",
		"20231301T000000000000Z-00112233445566778899aabbccddeeff",
		"20231113T250000000000Z-00112233445566778899aabbccddeeff",
		"20231113T221320000000Z-00112233445566778899aabbccddeef",
		"19691231T235959999999Z-00112233445566778899aabbccddeeff",
		"",
	};
	int64_t us;
	size_t i;

	(void)state;
	assert_true(point_id_time("20231114T221320123456Z-00112233445566778899aabbccddeeff", &us));
	assert_int_equal(us, INT64_C(1700000000123456));
	assert_true(point_id_time("99991231T235959999999Z-00112233445566778899aabbccddeeff", &us));
	for (i = 0; i < COUNT_OF(bad); i++)
		assert_false(point_id_time(bad[i], &us));
}

static void test_write__puts_a_point_after_its_predecessor(void **state)
{
	struct tranship_store *store = store_make(false);
	char id[POINT_ID_TEXT], next[POINT_ID_TEXT];
	struct tranship_error err;
	struct manifest m = { 0 };
	int64_t us;

	(void)state;
	/* A clock that went back: the predecessor is of the year 2200. */
	point_make(store, "a", "x", "22000101T000000999999Z-00112233445566778899aabbccddeeff", id);
	assert_memory_equal(id, "22000101T000001000000Z-", 23);
	point_make(store, "a", "x", id, next);
	assert_memory_equal(next, "22000101T000001000001Z-", 23);
	point_make(store, "a", "x", "", id);
	assert_true(point_id_time(id, &us));
	assert_true(us / 1000000 <= time(NULL));
	strcpy(m.predecessor, "22001301T000000999999Z-00112233445566778899aabbccddeeff");
	assert_fails(manifest_write(store, &m, NULL, &err), TRANSHIP_EINVAL, &err, "predecessor");
	tranship_store_close(store);
}

static void test_write__makes_two_points_of_one_name(void **state)
{
	struct tranship_store *store = store_make(true);
	char one[POINT_ID_TEXT], two[POINT_ID_TEXT];

	(void)state;
	point_make(store, "a", "x", "", one);
	point_make(store, "a", "x", "", two);
	assert_string_not_equal(one, two);
	assert_points(store, NULL, "a@x a@x ");
	assert_found(store, one, one);
	assert_found(store, two, two);
	tranship_store_close(store);
}

/* ---- Listing and finding ---- */

static void check_list(bool encrypted)
{
	struct tranship_store *store = store_make(encrypted);
	char ids[4][POINT_ID_TEXT];

	assert_points(store, NULL, "");
	four_points(store, ids);
	assert_points(store, NULL, "a@mon b@mon a@tue b@tue ");
	assert_points(store, "a", "a@mon a@tue ");
	assert_points(store, "c", "");
	tranship_store_close(store);
}

static void test_list__is_in_order_of_time(void **state)
{
	(void)state;
	check_list(false);
	check_list(true);
}

/* More than one batch, on several threads. */
static void test_list__of_many_is_in_order(void **state)
{
	struct tranship_store *store = store_make(true);
	char id[POINT_ID_TEXT] = "", name[16];
	struct buffer want = { 0 };
	struct tranship_error err;
	unsigned i;

	(void)state;
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "%u", i);
		point_make(store, "a", name, id, id);
		assert_ok(buffer_printf(&want, &err, "a@%u ", i), &err);
	}
	assert_points(store, NULL, text_of(&want));
	buffer_free(&want);
	assert_found(store, "299", id);
	tranship_store_close(store);
}

static int stop(void *ctx, const struct tranship_point *point)
{
	(void)point;
	return ++*(unsigned *)ctx == 2 ? TRANSHIP_ECANCELED : 0;
}

static void test_list__ends_where_it_is_told(void **state)
{
	struct tranship_store *store = store_make(false);
	char ids[4][POINT_ID_TEXT];
	unsigned count = 0;

	(void)state;
	four_points(store, ids);
	assert_int_equal(tranship_store_list(store, NULL, stop, &count, NULL), TRANSHIP_ECANCELED);
	assert_int_equal(count, 2);
	tranship_store_close(store);
}

static void test_find__takes_ids_digits_and_names(void **state)
{
	struct tranship_store *store = store_make(false);
	static const char *const none[] = {
		"wed", "", "/", "00112233445566778899aabbccddeeff",
		"20231113T221320000000Z-00112233445566778899aabbccddeeff"
	};
	struct buffer text = { 0 };
	struct tranship_error err;
	char ids[4][POINT_ID_TEXT];
	struct manifest m;
	size_t i;

	(void)state;
	four_points(store, ids);
	for (i = 0; i < 4; i++) {
		assert_found(store, ids[i], ids[i]);
		assert_found(store, ids[i] + DIGITS, ids[i]);
	}
	assert_found(store, "mon", ids[1]);
	assert_found(store, "tue", ids[3]);
	for (i = 0; i < COUNT_OF(none); i++)
		assert_fails(manifest_find(store, none[i], true, &m, &err), TRANSHIP_ENOTFOUND,
			     &err, "has no restore point '");
	assert_ok(tranship_store_find(store, "mon", take, &text, &err), &err);
	assert_string_equal(text_of(&text), "b@mon ");
	buffer_free(&text);
	/* A name that looks like the end of an id is one where no id ends so. */
	point_make(store, "a", "00112233445566778899aabbccddeeff", "", ids[0]);
	assert_found(store, "00112233445566778899aabbccddeeff", ids[0]);
	tranship_store_close(store);
}

static void test_newest__reads_no_more_than_it_needs(void **state)
{
	struct tranship_store *store = store_make(false);
	struct tranship_error err;
	char ids[4][POINT_ID_TEXT];
	struct manifest m;
	unsigned long before;

	(void)state;
	four_points(store, ids);
	before = memory_target_of(store->target)->reads;
	assert_ok(manifest_newest(store, "b", false, &m, &err), &err);
	assert_string_equal(m.id, ids[3]);
	/* once to see whose it is, and once to have it */
	assert_int_equal(memory_target_of(store->target)->reads - before, 2);
	manifest_free(&m);
	assert_ok(manifest_newest(store, "a", true, &m, &err), &err);
	assert_string_equal(m.id, ids[2]);
	manifest_free(&m);
	assert_fails(manifest_newest(store, "c\n", true, &m, &err), TRANSHIP_ENOTFOUND, &err,
		     "no restore point of the disk 'c\\x0a'");
	tranship_store_close(store);
}

/* ---- Damage ---- */

static void test_damage__is_said_and_hides_no_other_point(void **state)
{
	struct tranship_store *store = store_make(true);
	struct warnings warnings = { 0 };
	struct buffer text = { 0 };
	struct tranship_error err;
	char ids[4][POINT_ID_TEXT];
	struct manifest m;

	(void)state;
	store->warn = warnings_take;
	store->warn_ctx = &warnings;
	four_points(store, ids);
	damage(store, "points/", ids[3]);
	assert_fails(tranship_store_list(store, NULL, take, &text, &err), TRANSHIP_ECORRUPT, &err,
		     ids[3]);
	assert_string_equal(text_of(&text), "a@mon b@mon a@tue ");
	buffer_free(&text);
	assert_int_equal(warnings.count, 1);
	assert_ok(manifest_newest(store, "b", true, &m, &err), &err);
	assert_string_equal(m.id, ids[1]);
	manifest_free(&m);
	assert_int_equal(warnings.count, 2);
	assert_found(store, "tue", ids[2]);
	assert_fails(manifest_find(store, ids[3], true, &m, &err), TRANSHIP_ECORRUPT, &err, ids[3]);
	/* What is no point at all */
	assert_ok(target_put(store->target, "points/readme", "x", 1, NULL, &err), &err);
	warnings.count = 0;
	assert_found(store, "mon", ids[1]);
	assert_non_null(strstr(warnings.last, ids[3]));
	assert_int_equal(warnings.count, 2);
	tranship_store_close(store);
}

/* A point under another's name, and one of another store. */
static void test_damage__moved_points_are_refused(void **state)
{
	struct tranship_store *store = store_make(true), *other = store_make(true);
	char id[POINT_ID_TEXT], second[POINT_ID_TEXT], key[TARGET_KEY_MAX + 1];
	struct tranship_error err;
	unsigned char *bytes;
	struct manifest m;
	size_t len;

	(void)state;
	point_make(store, "a", "x", "", id);
	point_make(store, "a", "y", id, second);
	manifest_key(id, key);
	assert_ok(target_get_all(store->target, key, 1 << 20, &bytes, &len, &err), &err);
	assert_ok(target_put(other->target, key, bytes, len, NULL, &err), &err);
	assert_int_equal(manifest_read(other, id, true, &m, &err), TRANSHIP_ECORRUPT);
	manifest_key(second, key);
	assert_ok(target_put(store->target, key, bytes, len, NULL, &err), &err);
	assert_int_equal(manifest_read(store, second, true, &m, &err), TRANSHIP_ECORRUPT);
	free(bytes);
	tranship_store_close(store);
	tranship_store_close(other);
}

/* ---- Tags ---- */

static void check_tags(bool encrypted)
{
	static const char *const first[] = { "release", "keep", "a b" }, *const drop[] = { "keep",
											   "no" };
	struct tranship_store *store = store_make(encrypted);
	char ids[4][POINT_ID_TEXT], key[TARGET_KEY_MAX + 1];
	struct tranship_error err;
	size_t len;

	four_points(store, ids);
	tags_key(ids[2], key);
	assert_ok(tranship_store_tag(store, ids[2], first, 3, NULL, 0, &err), &err);
	assert_points(store, NULL, "a@mon b@mon a@tue+a b+keep+release b@tue ");
	if (encrypted)
		assert_null(memmem(memory_target_bytes(store->target, key, &len), 60, "keep", 4));
	assert_ok(tranship_store_tag(store, ids[2] + DIGITS, NULL, 0, drop, 2, &err), &err);
	assert_points(store, "a", "a@mon a@tue+a b+release ");
	/* A name is the newest of that name. */
	assert_ok(tranship_store_tag(store, "tue", drop, 1, NULL, 0, &err), &err);
	assert_points(store, NULL, "a@mon b@mon a@tue+a b+release b@tue+keep ");
	assert_ok(tranship_store_tag(store, ids[2], first, 0, first, 3, &err), &err);
	assert_null(memory_target_bytes(store->target, key, &len));
	assert_fails(tranship_store_tag(store, "wed", first, 1, NULL, 0, &err), TRANSHIP_ENOTFOUND,
		     &err, "'wed'");
	tranship_store_close(store);
}

static void test_tags__are_added_and_dropped(void **state)
{
	(void)state;
	check_tags(false);
	check_tags(true);
}

static void test_tags__are_short_lines_and_few(void **state)
{
	struct tranship_store *store = store_make(false);
	struct tranship_error err;
	char id[POINT_ID_TEXT], text[66];
	const char *tag = text;
	unsigned i;

	(void)state;
	point_make(store, "a", "x", "", id);
	memset(text, 'x', sizeof(text));
	text[65] = '\0';
	assert_fails(tranship_store_tag(store, id, &tag, 1, NULL, 0, &err), TRANSHIP_EINVAL, &err,
		     "1 to 64 bytes");
	strcpy(text, "a\nb");
	assert_fails(tranship_store_tag(store, id, &tag, 1, NULL, 0, &err), TRANSHIP_EINVAL, &err,
		     "one line");
	strcpy(text, "");
	assert_fails(tranship_store_tag(store, id, &tag, 1, NULL, 0, &err), TRANSHIP_EINVAL, &err,
		     "one line");
	for (i = 0; i < TAGS_MAX; i++) {
		memset(text, 'x', 64);
		text[64] = '\0';
		text[0] = (char)('0' + i);
		assert_ok(tranship_store_tag(store, id, &tag, 1, NULL, 0, &err), &err);
		assert_ok(tranship_store_tag(store, id, &tag, 1, NULL, 0, &err), &err);
	}
	strcpy(text, "one more");
	assert_fails(tranship_store_tag(store, id, &tag, 1, NULL, 0, &err), TRANSHIP_ELIMIT, &err,
		     "at most 64 tags");
	tranship_store_close(store);
}

/* prune would take a point whose tags it cannot read for one without. */
static void test_tags__damaged_ones_are_damage_of_the_point(void **state)
{
	static const char *const keep[] = { "keep" };
	struct tranship_store *store = store_make(true);
	struct buffer text = { 0 };
	struct tranship_error err;
	char ids[4][POINT_ID_TEXT];

	(void)state;
	four_points(store, ids);
	assert_ok(tranship_store_tag(store, ids[1], keep, 1, NULL, 0, &err), &err);
	damage(store, "tags/", ids[1]);
	assert_fails(tranship_store_list(store, NULL, take, &text, &err), TRANSHIP_ECORRUPT, &err,
		     "is damaged");
	assert_string_equal(text_of(&text), "a@mon a@tue b@tue ");
	buffer_free(&text);
	tranship_store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_id__has_a_time),
		cmocka_unit_test(test_write__puts_a_point_after_its_predecessor),
		cmocka_unit_test(test_write__makes_two_points_of_one_name),
		cmocka_unit_test(test_list__is_in_order_of_time),
		cmocka_unit_test(test_list__of_many_is_in_order),
		cmocka_unit_test(test_list__ends_where_it_is_told),
		cmocka_unit_test(test_find__takes_ids_digits_and_names),
		cmocka_unit_test(test_newest__reads_no_more_than_it_needs),
		cmocka_unit_test(test_damage__is_said_and_hides_no_other_point),
		cmocka_unit_test(test_damage__moved_points_are_refused),
		cmocka_unit_test(test_tags__are_added_and_dropped),
		cmocka_unit_test(test_tags__are_short_lines_and_few),
		cmocka_unit_test(test_tags__damaged_ones_are_damage_of_the_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
