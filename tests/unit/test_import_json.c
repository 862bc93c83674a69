// SPDX-License-Identifier: Apache-2.0
/* Lists of changes as JSON, and those that are one array: rbd, qemu, nbd, and our own. */
#include "change_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct list_case json[] = {
	{ "rbd", "", TRANSHIP_ECORRUPT, "without its end, before element 1" },
	{ "rbd", "  \n", TRANSHIP_ECORRUPT, "without its end, before element 1" },
	{ "rbd", "{}", TRANSHIP_ECORRUPT, "'{' stands before element 1" },
	{ "rbd", "[]", 0, "" },
	{ "rbd", "\xEF\xBB\xBF[]", 0, "" },
	{ "rbd", "\xFF\xFE[", TRANSHIP_EUNSUPPORTED, "UTF-16" },
	{ "rbd", "[] []", TRANSHIP_ECORRUPT, "the end of the file should" },
	{ "rbd", "[],", TRANSHIP_ECORRUPT, "the end of the file should" },
	{ "rbd", "[[]]", TRANSHIP_ECORRUPT, "an object should" },
	{ "rbd", "[1]", TRANSHIP_ECORRUPT, "an object should" },
	{ "rbd", "[null]", TRANSHIP_ECORRUPT, "an object should" },
	{ "rbd", "[,]", TRANSHIP_ECORRUPT, "an object should" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":\"true\"},]", TRANSHIP_ECORRUPT,
	  "an object should" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":\"true\"} {}]", TRANSHIP_ECORRUPT,
	  "',' or ']' should" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":\"true\"}", TRANSHIP_ECORRUPT,
	  "without its end, before element 2" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"length\":2,\"exists\":\"true\"}]",
	  TRANSHIP_ECORRUPT, "duplicate" },
	{ "rbd", "[{\"offset\":0,\"length\":1e3,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT,
	  "'length' is not" },
	{ "rbd", "[{\"offset\":0,\"length\":1.0,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT,
	  "'length' is not" },
	{ "rbd", "[{\"offset\":\"0\",\"length\":1,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT,
	  "'offset' is not" },
	{ "rbd", "[{\"offset\":-1,\"length\":1,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT,
	  "'offset' is not" },
	{ "rbd", "[{\"length\":1,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT, "'offset' is missing" },
	{ "rbd", "[{\"offset\":9223372036854775808,\"length\":1,\"exists\":\"true\"}]",
	  TRANSHIP_ECORRUPT, "too big" },
	{ "rbd", "[{\"offset\":9223372036854775807,\"length\":1,\"exists\":\"true\"}]",
	  TRANSHIP_ECORRUPT, "passes the end" },
	{ "rbd",
	  "[{\"offset\":9223372036854775807,\"length\":9223372036854775807,\"exists\":\"true\"}]",
	  TRANSHIP_ECORRUPT, "passes the end" },
	{ "rbd", "[{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}]",
	  TRANSHIP_ECORRUPT, "nested" },
	/* Elements are counted from 1. */
	{ "rbd", "[{\"offset\":0 1}]", TRANSHIP_ECORRUPT, "rbd: element 1: " },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":\"true\"},{\"offset\":}]",
	  TRANSHIP_ECORRUPT, "rbd: element 2: " },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":\"true\"},{\"offset\":0",
	  TRANSHIP_ECORRUPT, "without its end, inside of element 2" },
	{ "rbd", "[{\"offset\":0,\"length\":99999,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT,
	  "range 1," },
	{ "rbd", "[{]", TRANSHIP_ECORRUPT, "']' stands inside of element 1" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":\"true\",}]", TRANSHIP_ECORRUPT,
	  "element 1" },
	{ "rbd", "[{\"a\":\"}]\\\"}\",\"offset\":0,\"length\":1,\"exists\":\"true\"}]", 0, "0+1" },
};

static void test_json__hostile(void **state)
{
	(void)state;
	list_check_cases(json, COUNT_OF(json));
}

static const struct list_case arrays[] = {
	/* rbd */
	{ "rbd", "[{\"offset\":0,\"length\":0,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT,
	  "is empty" },
	{ "rbd", "[{\"offset\":0,\"length\":10001,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT,
	  "passes the end" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":\"maybe\"}]", TRANSHIP_ECORRUPT,
	  "exists" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":1}]", TRANSHIP_ECORRUPT, "exists" },
	{ "rbd", "[{\"offset\":0,\"length\":1}]", TRANSHIP_ECORRUPT, "exists" },
	/* What is not known may say what changed, unless it is a word or a number. */
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":true,\"more\":7}]", 0, "0+1" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":true,\"more\":[]}]", TRANSHIP_EUNSUPPORTED,
	  "element 1: 'more' is not known" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":true,\"Length\":9}]",
	  TRANSHIP_EUNSUPPORTED, "'Length' is not known" },
	/* qemu */
	{ "qemu", "[]", TRANSHIP_ECORRUPT, "no extents" },
	{ "qemu", "[{\"start\":0,\"length\":9999,\"depth\":0,\"zero\":false,\"data\":true}]",
	  TRANSHIP_EMISMATCH, "9999 bytes" },
	{ "qemu", "[{\"start\":1,\"length\":9999,\"depth\":0,\"zero\":false,\"data\":true}]",
	  TRANSHIP_ECORRUPT, "begins at 1" },
	{ "qemu", "[{\"start\":0,\"length\":0,\"depth\":0,\"zero\":false,\"data\":true}]",
	  TRANSHIP_ECORRUPT, "length of 0" },
	{ "qemu", "[{\"start\":0,\"length\":10001,\"depth\":0,\"zero\":false,\"data\":true}]",
	  TRANSHIP_ECORRUPT, "passes the end" },
	{ "qemu", "[{\"start\":0,\"length\":10001,\"depth\":1,\"zero\":false,\"data\":true}]",
	  TRANSHIP_EMISMATCH, "10001" },
	{ "qemu",
	  "[{\"start\":0,\"length\":10000,\"depth\":0,\"present\":1,\"zero\":true,\"data\":true}]",
	  TRANSHIP_ECORRUPT, "'present'" },
	{ "qemu", "[{\"start\":0,\"length\":10000,\"zero\":false,\"data\":true}]",
	  TRANSHIP_ECORRUPT, "'depth' is missing" },
	{ "qemu",
	  "[{\"start\":0,\"length\":10000,\"depth\":1,\"zero\":false,\"data\":true,\"x\":{}}]",
	  TRANSHIP_EUNSUPPORTED, "'x' is not known" },
	/* Data that is known to be zeros is read. */
	{ "qemu", "[{\"start\":0,\"length\":10000,\"depth\":0,\"zero\":true,\"data\":true}]", 0,
	  "0+10000" },
	/* nbd */
	{ "nbd", "[]", TRANSHIP_ECORRUPT, "no extents" },
	{ "nbd", "[{\"offset\":0,\"length\":10000,\"type\":1}]", 0, "0+10000" },
	{ "nbd", "[{\"offset\":0,\"length\":10000,\"type\":2}]", TRANSHIP_EUNSUPPORTED, "type 2" },
	{ "nbd", "[{\"offset\":0,\"length\":10000,\"type\":1,\"description\":\"hole\"}]",
	  TRANSHIP_EUNSUPPORTED, "'hole'" },
	{ "nbd", "[{\"offset\":0,\"length\":10000,\"type\":0,\"description\":\"dirty\"}]",
	  TRANSHIP_EUNSUPPORTED, "'dirty'" },
	{ "nbd", "[{\"offset\":0,\"length\":10000,\"type\":0,\"description\":7}]",
	  TRANSHIP_EUNSUPPORTED, "''" },
	{ "nbd", "[{\"offset\":0,\"length\":10000,\"type\":0,\"x\":[1]}]", TRANSHIP_EUNSUPPORTED,
	  "'x' is not known" },
	{ "nbd", "[{\"offset\":0,\"length\":0,\"type\":0}]", TRANSHIP_ECORRUPT, "go on" },
	{ "nbd",
	  "[{\"offset\":0,\"length\":5000,\"type\":0},{\"offset\":4000,\"length\":6000,"
	  "\"type\":0}]",
	  TRANSHIP_ECORRUPT, "go on" },
};

static void test_arrays__hostile(void **state)
{
	(void)state;
	list_check_cases(arrays, COUNT_OF(arrays));
}

static const struct list_case own_list[] = {
	{ "tranship", "[]", TRANSHIP_ECORRUPT, "no end" },
	{ "tranship", "[{}]", TRANSHIP_ECORRUPT, "no head" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000,\"more\":[]}]",
	  TRANSHIP_EUNSUPPORTED, "element 1: 'more' is not known" },
	{ "tranship", "[{\"format\":\"tranship-changes\",\"version\":2,\"size\":10000}]",
	  TRANSHIP_EUNSUPPORTED, "version 2" },
	{ "tranship", "[{\"format\":\"tranship-changes\",\"version\":1}]", TRANSHIP_ECORRUPT,
	  "'size'" },
	{ "tranship", "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000}]",
	  TRANSHIP_ECORRUPT, "no end" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000,"
	  "\"base-id\":7}]",
	  TRANSHIP_ECORRUPT, "'base-id'" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000,"
	  "\"base-id\":\"a\\nb\"},{\"end\":true,\"ranges\":0,\"bytes\":0}]",
	  TRANSHIP_ECORRUPT, "'base-id' is no line" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000},"
	  "{\"end\":true,\"ranges\":0,\"bytes\":0}]",
	  0, "" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000},"
	  "{\"end\":false,\"ranges\":0,\"bytes\":0}]",
	  TRANSHIP_ECORRUPT, "the end counts" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000},"
	  "{\"end\":true,\"ranges\":1,\"bytes\":0}]",
	  TRANSHIP_ECORRUPT, "the end counts" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000},{\"start\":1,"
	  "\"length\":5},{\"end\":true,\"ranges\":1,\"bytes\":4}]",
	  TRANSHIP_ECORRUPT, "the end counts" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000},{\"start\":5,"
	  "\"length\":5},{\"start\":1,\"length\":5,\"zero\":true},"
	  "{\"end\":true,\"ranges\":2,\"bytes\":10}]",
	  0, "1+4z 5+5" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000},"
	  "{\"end\":true,\"ranges\":0,\"bytes\":0},{\"start\":1,\"length\":5}]",
	  TRANSHIP_ECORRUPT, "behind the end" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000},"
	  "{\"start\":9223372036854775807,\"length\":9223372036854775807}]",
	  TRANSHIP_ECORRUPT, "passes the end" },
};

static void test_own__hostile(void **state)
{
	(void)state;
	list_check_cases(own_list, COUNT_OF(own_list));
}

/* One element that is too long, and what it took to find out. */
static void check_long(const char *begin, const char *filling)
{
	struct tranship_changes_options options = { .format = "rbd", .size = 10000 };
	struct buffer b = { 0 };
	struct tranship_changes *set;
	struct tranship_error err;
	struct heap_seen seen;
	int i, rc;

	assert_ok(buffer_printf(&b, &err, "[{\"offset\":0,\"length\":1,\"exists\":true,%s", begin),
		  &err);
	for (i = 0; i < 100000; i++)
		assert_ok(buffer_append(&b, filling, strlen(filling), &err), &err);
	seen = list_read_watched(&b, &options, &rc, &set, &err);
	assert_fails(rc, TRANSHIP_ELIMIT, &err, "element 1 is longer than 64 KiB");
	assert_true(seen.peak < 1 << 20);
}

static void test_json__long_element(void **state)
{
	(void)state;
	check_long("\"x\":[[]", ",[]");
	check_long("\"x\":\"", "x");
	check_long("\"x\":1", "1");
	check_long("\"x\":1", ",\"y\":1");
}

static int put_buffer(void *ctx, const char *text, size_t len, struct tranship_error *err)
{
	return buffer_append(ctx, text, len, err);
}

static int put_none(void *ctx, const char *text, size_t len, struct tranship_error *err)
{
	(void)ctx, (void)text, (void)len, (void)err;
	return TRANSHIP_ECANCELED;
}

/* What is written is read as the same. */
static void test_write__reads_back(void **state)
{
	struct rng rng = { 11 };
	int i, n;

	(void)state;
	for (i = 0; i < 200; i++) {
		struct tranship_changes *set, *back;
		struct tranship_changes_options own = { 0 };
		struct buffer text = { 0 };
		struct tranship_error err;
		char *want, id[40];

		assert_ok(tranship_changes_new(INT64_MAX, &set, &err), &err);
		for (n = i * 5; n > 0; n--)
			assert_ok(tranship_changes_add(set, rng_next(&rng) >> 2,
						       rng_below(&rng, 1 << 30) + 1, n % 2, &err),
				  &err);
		snprintf(id, sizeof(id), "id \"%d\" \\ \t \xC3\xA9", i);
		assert_ok(tranship_changes_set_ids(set, i % 3 ? "A/1" : "", "B/2", &err), &err);
		assert_ok(tranship_changes_set_origin(set, i % 2 ? "x" : "tranship", &err), &err);
		assert_ok(tranship_changes_write(set, put_buffer, &text, &err), &err);
		assert_ok(list_read(text.bytes, text.len, &own, &back, &err), &err);
		want = list_text(set);
		list_check(back, want);
		assert_int_equal(tranship_changes_size(back), INT64_MAX);
		assert_string_equal(tranship_changes_origin(back), tranship_changes_origin(set));
		assert_string_equal(tranship_changes_base_id(back), tranship_changes_base_id(set));
		assert_string_equal(tranship_changes_target_id(back), "B/2");
		assert_int_equal(tranship_changes_write(set, put_none, NULL, &err),
				 TRANSHIP_ECANCELED);
		free(want);
		buffer_free(&text);
		tranship_changes_free(set);
		tranship_changes_free(back);
	}
}

static void test_write__odd_ids(void **state)
{
	struct tranship_changes *set, *back;
	struct tranship_changes_options own = { 0 };
	struct buffer text = { 0 };
	struct tranship_error err;

	(void)state;
	assert_ok(tranship_changes_new(5, &set, &err), &err);
	assert_ok(tranship_changes_set_ids(set, "a\"b\\c/\xC3\xA9", "", &err), &err);
	assert_ok(tranship_changes_write(set, put_buffer, &text, &err), &err);
	assert_ok(list_read(text.bytes, text.len, &own, &back, &err), &err);
	assert_string_equal(tranship_changes_base_id(back), "a\"b\\c/\xC3\xA9");
	tranship_changes_free(back);
	assert_fails(tranship_changes_set_ids(set, "\xFF", "", &err), TRANSHIP_EINVAL, &err,
		     "no line of UTF-8");
	buffer_free(&text);
	tranship_changes_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json__hostile),  cmocka_unit_test(test_arrays__hostile),
		cmocka_unit_test(test_own__hostile),   cmocka_unit_test(test_write__reads_back),
		cmocka_unit_test(test_write__odd_ids), cmocka_unit_test(test_json__long_element),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
