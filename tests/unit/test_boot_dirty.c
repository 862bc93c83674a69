// SPDX-License-Identifier: Apache-2.0
/* Plans told as JSON and read again, and the ranges in which two of them differ. */
#include "boot_plans.h"
#include "heap.h"

#include <stdlib.h>
#include <string.h>

#define SIZE ((size_t)1 << 20)

static struct tranship_disk *zero_disk(size_t size)
{
	unsigned char *zeros = calloc(1, size);
	struct tranship_disk *disk = memory_disk(zeros, size);

	free(zeros);
	return disk;
}

/* A plan with these bytes at these places: up to three. */
struct piece {
	uint64_t off;
	size_t len;
	char byte;
};
static struct tranship_boot_plan *plan_of(struct tranship_disk *disk, const struct piece *pieces,
					  size_t count)
{
	struct tranship_boot_plan *plan = plan_for(disk);
	size_t i;

	for (i = 0; i < count; i++) {
		char *bytes = malloc(pieces[i].len);

		memset(bytes, pieces[i].byte, pieces[i].len);
		plan_replace(plan, disk, NULL, pieces[i].off, bytes, pieces[i].len, "test");
		free(bytes);
	}
	plan_ready(plan, disk);
	return plan;
}

static void expect_ranges(const struct tranship_changes *changes, const uint64_t *ranges,
			  size_t count)
{
	size_t i;

	assert_int_equal(tranship_changes_count(changes), count);
	for (i = 0; i < count; i++) {
		struct tranship_change c = tranship_changes_at(changes, i);

		assert_int_equal(c.off, ranges[2 * i]);
		assert_int_equal(c.len, ranges[2 * i + 1]);
	}
}

static void expect_dirty(const struct tranship_boot_plan *a, const struct tranship_boot_plan *b,
			 const uint64_t *ranges, size_t count)
{
	struct tranship_changes *changes;
	struct tranship_error err;

	assert_ok(tranship_boot_dirty(a, b, &changes, &err), &err);
	expect_ranges(changes, ranges, count);
	assert_string_equal(tranship_changes_origin(changes), "boot");
	tranship_changes_free(changes);
	assert_ok(tranship_boot_dirty(b, a, &changes, &err), &err);
	expect_ranges(changes, ranges, count); /* either way */
	tranship_changes_free(changes);
}

static void test_boot_dirty__ranges(void **state)
{
	static const struct piece one[] = { { 512, 1024, 'a' }, { 8192, 512, 'b' } };
	static const struct piece two[] = { { 512, 1024, 'a' }, { 8192, 512, 'c' } };
	static const struct piece three[] = { { 512, 1024, 'a' }, { 65536, 512, 'b' } };
	static const uint64_t changed[] = { 8192, 512 }, moved[] = { 8192, 512, 65536, 512 };
	static const uint64_t all[] = { 512, 1024, 8192, 512 };
	struct tranship_disk *disk = zero_disk(SIZE);
	struct tranship_boot_plan *a = plan_of(disk, one, 2), *b = plan_of(disk, two, 2),
				  *c = plan_of(disk, three, 2), *none = plan_of(disk, NULL, 0);

	(void)state;
	expect_dirty(a, a, NULL, 0);
	expect_dirty(a, b, changed, 1);
	expect_dirty(a, c, moved, 2);
	expect_dirty(a, none, all, 2);
	expect_dirty(a, NULL, all, 2);
	assert_string_not_equal(tranship_boot_plan_digest(a), tranship_boot_plan_digest(b));
	tranship_boot_plan_free(a);
	tranship_boot_plan_free(b);
	tranship_boot_plan_free(c);
	tranship_boot_plan_free(none);
	tranship_disk_close(disk);
}

/* A long run is cut: what changes in one piece of it does not drag the others along. */
static void test_boot_dirty__long_run(void **state)
{
	static const struct piece one[] = { { 0, 300 << 10, 'a' } };
	static const struct piece two[] = { { 0, 300 << 10, 'a' }, { 100 << 10, 512, 'b' } };
	static const uint64_t changed[] = { 64 << 10, 64 << 10 };
	struct tranship_disk *disk = zero_disk(SIZE);
	struct tranship_boot_plan *a = plan_of(disk, one, 1), *b = plan_of(disk, two, 2);

	(void)state;
	assert_int_equal(tranship_boot_plan_count(a), 5);
	expect_dirty(a, b, changed, 1);
	tranship_boot_plan_free(a);
	tranship_boot_plan_free(b);
	tranship_disk_close(disk);
}

static void test_boot_dirty__other_disks(void **state)
{
	static const struct piece at_end[] = { { SIZE - 512, 512, 'e' } };
	static const uint64_t end[] = { SIZE - 512, 512 };
	struct tranship_disk *small = zero_disk(SIZE), *large = zero_disk(2 * SIZE);
	struct tranship_boot_plan *a = plan_of(small, at_end, 1), *b = plan_of(large, NULL, 0);
	struct tranship_changes *changes;
	struct tranship_error err;

	(void)state;
	assert_ok(tranship_boot_dirty(a, b, &changes, &err), &err);
	assert_int_equal(tranship_changes_size(changes), 2 * SIZE);
	expect_ranges(changes, end, 1);
	tranship_changes_free(changes);
	assert_fails(tranship_boot_dirty(b, a, &changes, &err), TRANSHIP_EMISMATCH, &err,
		     "2097152 and 1048576");
	assert_fails(tranship_boot_dirty(NULL, NULL, &changes, &err), TRANSHIP_EINVAL, &err,
		     "plan");
	assert_ok(sentences_add(&b->refusals, "it is too late", &err), &err);
	assert_fails(tranship_boot_dirty(a, b, &changes, &err), TRANSHIP_EINVAL, &err,
		     "it is too late");
	tranship_boot_plan_free(a);
	tranship_boot_plan_free(b);
	tranship_disk_close(small);
	tranship_disk_close(large);
}

static void test_boot_plan_json__reads_back(void **state)
{
	static const struct piece pieces[] = { { 512, 1024, 'a' }, { 8192, 512, 'b' } };
	struct tranship_disk *disk = zero_disk(SIZE);
	struct tranship_boot_plan *plan = plan_of(disk, pieces, 2), *again;
	const char *path = path_in(*state, "plan.json");
	struct tranship_error err;
	char *json, *json_again;

	assert_ok(sentences_add(&plan->notes, "a \"note\"", &err), &err);
	assert_ok(tranship_boot_plan_json(plan, &json, &err), &err);
	write_path(path, json, strlen(json));
	assert_ok(tranship_boot_plan_load(path, &again, &err), &err);
	assert_ok(tranship_boot_plan_json(again, &json_again, &err), &err);
	assert_string_equal(json, json_again);
	expect_dirty(plan, again, NULL, 0);
	assert_null(tranship_boot_plan_layout(again));
	free(json);
	free(json_again);
	tranship_boot_plan_free(plan);
	tranship_boot_plan_free(again);
	tranship_disk_close(disk);
}

/* Where memory ends there is the whole text or none. */
static void test_boot_plan_json__memory_ends(void **state)
{
	static const struct piece pieces[] = { { 512, 1024, 'a' }, { 8192, 512, 'b' } };
	struct tranship_disk *disk = zero_disk(SIZE);
	struct tranship_boot_plan *plan = plan_of(disk, pieces, 2);
	struct tranship_error err;
	struct heap_seen seen;
	unsigned long nth = 0;
	char *whole, *json;

	(void)state;
	assert_ok(sentences_add(&plan->notes, "a note", &err), &err);
	assert_ok(tranship_boot_plan_json(plan, &whole, &err), &err);
	do {
		int rc;

		heap_watch(++nth, false);
		rc = tranship_boot_plan_json(plan, &json, &err);
		seen = heap_unwatch();
		assert_true(rc == 0 || rc == TRANSHIP_ENOMEM);
		if (rc == 0)
			assert_string_equal(json, whole);
		free(json);
	} while (seen.failed);
	free(whole);
	tranship_boot_plan_free(plan);
	tranship_disk_close(disk);
}

#define HEAD                                                                                  \
	"{\"format\":\"tranship boot plan\",\"version\":1,\"size\":4096,\"sector-size\":512," \
	"\"digest\":\"0000000000000000000000000000000000000000000000000000000000000000\","    \
	"\"refusals\":[],\"notes\":[],\"extents\":["
#define EXTENT(start, length)                                                     \
	"{\"start\":" start ",\"length\":" length ",\"reason\":\"r\",\"sha256\":" \
	"\"0000000000000000000000000000000000000000000000000000000000000000\"}"

static void test_boot_plan_load__hostile(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *piece;
	} rows[] = {
		{ "", TRANSHIP_ECORRUPT, "no JSON" },
		{ "[]", TRANSHIP_ECORRUPT, "format" },
		{ "{\"format\":\"tranship boot plan\",\"version\":2}", TRANSHIP_EUNSUPPORTED,
		  "version" },
		{ "{\"format\":\"tranship boot plan\",\"version\":1,\"size\":-1}",
		  TRANSHIP_ECORRUPT, "size" },
		{ HEAD "{}]}", TRANSHIP_ECORRUPT, "extent 0" },
		{ HEAD EXTENT("4096", "512") "]}", TRANSHIP_ECORRUPT, "extent 0" },
		{ HEAD EXTENT("0", "0") "]}", TRANSHIP_ECORRUPT, "extent 0" },
		{ HEAD EXTENT("512", "512") "," EXTENT("0", "512") "]}", TRANSHIP_ECORRUPT,
		  "extent 1" },
		{ HEAD EXTENT("9223372036854775807", "9223372036854775807") "]}", TRANSHIP_ECORRUPT,
		  "extent 0" },
		{ HEAD "{\"start\":0,\"length\":512,\"reason\":\"r\",\"sha256\":\"00\"}]}",
		  TRANSHIP_ECORRUPT, "sha256" },
		{ HEAD "{\"start\":0,\"length\":512,\"reason\":\"a\\nb\",\"sha256\":\"00\"}]}",
		  TRANSHIP_ECORRUPT, "reason" },
	};
	const char *path = path_in(*state, "plan.json");
	struct tranship_boot_plan *plan;
	struct tranship_error err;
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		write_path(path, rows[i].text, strlen(rows[i].text));
		assert_fails(tranship_boot_plan_load(path, &plan, &err), rows[i].code, &err,
			     rows[i].piece);
		assert_null(plan);
	}
	assert_fails(tranship_boot_plan_load(path_in(*state, "none"), &plan, &err), TRANSHIP_EIO,
		     &err, "No such file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boot_dirty__ranges),
		cmocka_unit_test(test_boot_dirty__long_run),
		cmocka_unit_test(test_boot_dirty__other_disks),
		IN_FOLDER(test_boot_plan_json__reads_back),
		cmocka_unit_test(test_boot_plan_json__memory_ends),
		IN_FOLDER(test_boot_plan_load__hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
