// SPDX-License-Identifier: Apache-2.0
/* Cutting a disk into runs: they tile it, keep to the writer's unit, and leave holes unread. */
#include "support.h"

#include "base/checked.h"
#include "copy/plan.h"
#include "core/disk.h"

#include <stdio.h>
#include <string.h>

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)

/* A disk of which only the map matters: extents of these lengths, data and holes in turns. */
struct map_disk {
	struct tranship_disk disk;
	const uint64_t *lens;
	size_t count;
	bool data_first;
	unsigned maps;
	uint64_t bytes_read;
	uint64_t fail_from; /* a map at or behind it fails */
};

static int map_of(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		  struct tranship_error *err)
{
	struct map_disk *m = (struct map_disk *)disk;
	uint64_t at = 0;
	size_t i;

	(void)err;
	m->maps++;
	if (off >= m->fail_from)
		return TRANSHIP_EIO;
	for (i = 0; off >= at + m->lens[i]; i++)
		at += m->lens[i];
	out->len = at + m->lens[i] - off;
	out->kind = (i % 2 == 0) == m->data_first ? TRANSHIP_DATA
		    : i % 3 == 0                  ? TRANSHIP_ZERO
						  : TRANSHIP_ABSENT;
	return 0;
}

static int read_of(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf, size_t len,
		   struct tranship_error *err)
{
	(void)scratch;
	(void)off;
	(void)err;
	((struct map_disk *)disk)->bytes_read += len;
	memset(buf, 1, len);
	return 0;
}

static const struct disk_ops map_ops = { .map = map_of, .read = read_of };

static struct map_disk disk_of(const uint64_t *lens, size_t count, bool data_first)
{
	struct map_disk m = {
		.lens = lens, .count = count, .data_first = data_first, .fail_from = UINT64_MAX
	};
	size_t i;

	disk_init(&m.disk, &map_ops, "map");
	for (i = 0; i < count; i++)
		m.disk.size += lens[i];
	return m;
}

static bool is_data(struct map_disk *m, uint64_t off)
{
	struct tranship_extent extent;

	return off < m->disk.size && tranship_disk_map(&m->disk, off, &extent, NULL) == 0 &&
	       extent.kind == TRANSHIP_DATA;
}

/* Whether [off, off + len) has data anywhere. */
static bool has_data(struct map_disk *m, uint64_t off, uint64_t len)
{
	struct tranship_extent extent;
	uint64_t at = off;

	while (at < off + len && at < m->disk.size) {
		if (is_data(m, at))
			return true;
		assert_int_equal(tranship_disk_map(&m->disk, at, &extent, NULL), 0);
		at += extent.len;
	}
	return false;
}

static void check_run(struct map_disk *m, const struct plan *plan, const struct run *run)
{
	assert_true(run->len > 0);
	assert_true(run->off % plan->unit == 0);
	assert_true((run->off + run->len) % plan->unit == 0 || run->off + run->len == plan->end);
	if (!run->data) {
		assert_false(plan->all_data);
		assert_false(has_data(m, run->off, run->len));
		return;
	}
	assert_true(run->len <= max_u64(RUN_SIZE, plan->unit));
	/* It does not cross a multiple of the largest run: one piece of work for any neighbour. */
	assert_true(run->off / MIB == (run->off + run->len - 1) / MIB || plan->unit > MIB);
	assert_true(plan->all_data || has_data(m, run->off, run->len));
}

/* Plans the whole disk. Returns the bytes of its data runs. */
static uint64_t check_plan(struct map_disk *m, uint64_t end, uint32_t unit, bool all_data)
{
	struct plan plan = {
		.cursor = { .disk = &m->disk }, .end = end, .unit = unit, .all_data = all_data
	};
	uint64_t at = 0, data = 0;
	struct tranship_error err;
	struct run run;
	int rc;

	while ((rc = plan_next_run(&plan, &run, &err)) == 1) {
		assert_true(run.off == at);
		check_run(m, &plan, &run);
		at += run.len;
		data += run.data ? run.len : 0;
	}
	assert_int_equal(rc, 0);
	assert_true(at == end);
	assert_int_equal(plan_next_run(&plan, &run, &err), 0);
	return data;
}

static void test_plan__random_maps_are_tiled(void **state)
{
	static const uint32_t units[] = { 1, 512, 4096, 65536, 2 << 20 };
	struct rng rng = { 11 };
	int round;

	(void)state;
	for (round = 0; round < 400; round++) {
		size_t count = (size_t)rng_below(&rng, 20) + 1, i, u;
		uint64_t lens[20];
		struct map_disk m;

		for (i = 0; i < count; i++) {
			lens[i] = rng_below(&rng, (uint64_t)1 << (4 + rng_below(&rng, 19))) + 1;
			if (round % 2)
				lens[i] = round_up(lens[i], 512);
		}
		m = disk_of(lens, count, round % 4 < 2);
		for (u = 0; u < COUNT_OF(units); u++) {
			uint64_t end = round_up(m.disk.size, units[u]);

			check_plan(&m, m.disk.size, units[u], false);
			check_plan(&m, end, units[u], false);
			check_plan(&m, end + 3 * MIB, units[u], false);
			assert_true(check_plan(&m, end, units[u], true) == end);
		}
		disk_fini(&m.disk);
	}
}

static void assert_runs(const uint64_t *lens, size_t count, bool data_first, uint32_t unit,
			const char *want)
{
	struct map_disk m = disk_of(lens, count, data_first);
	struct plan plan = { .cursor = { .disk = &m.disk }, .end = m.disk.size, .unit = unit };
	char text[200] = "";
	struct run run;

	while (plan_next_run(&plan, &run, NULL) == 1) {
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%s%lluk", run.data ? " D" : " -",
			 (unsigned long long)(run.len / KIB));
	}
	assert_string_equal(text, want);
	disk_fini(&m.disk);
}

static void test_plan__a_hole_worth_it_ends_a_run(void **state)
{
	static const uint64_t large[] = { 128 * KIB, 64 * KIB, 128 * KIB },
			      small[] = { 128 * KIB, 60 * KIB, 128 * KIB };

	(void)state;
	assert_runs(large, 3, true, 512, " D128k -64k D128k");
	assert_runs(small, 3, true, 512, " D316k");
}

static void test_plan__holes_are_cut_at_the_unit(void **state)
{
	static const uint64_t lens[] = { 100 * KIB, 400 * KIB, 12 * KIB };

	(void)state;
	assert_runs(lens, 3, true, 65536, " D128k -320k D64k");
	assert_runs(lens, 3, true, 4096, " D100k -400k D12k");
}

static void test_plan__data_is_cut_at_whole_runs(void **state)
{
	static const uint64_t lens[] = { 100 * KIB, 3000 * KIB };

	(void)state;
	assert_runs(lens, 2, false, 4096, " -100k D924k D1024k D1024k D28k");
}

static void test_plan__a_hole_is_one_run_however_long(void **state)
{
	const uint64_t lens[] = { (uint64_t)1 << 46, MIB };
	struct map_disk m = disk_of(lens, 2, false);

	(void)state;
	assert_true(check_plan(&m, m.disk.size, 65536, false) == MIB);
	assert_true(m.maps < 100);
	disk_fini(&m.disk);
}

static void test_plan__an_empty_disk(void **state)
{
	struct map_disk m = disk_of(NULL, 0, true);

	(void)state;
	assert_true(check_plan(&m, 0, 512, false) == 0);
	assert_true(check_plan(&m, 5 * MIB, 512, false) == 0);
	assert_true(check_plan(&m, 5 * MIB, 512, true) == 5 * MIB);
	disk_fini(&m.disk);
}

static void test_plan__an_error_of_the_map_comes_through(void **state)
{
	static const uint64_t lens[] = { 4 * MIB, 4 * MIB, 4 * MIB };
	int data_first;
	uint64_t at;

	(void)state;
	for (data_first = 0; data_first < 2; data_first++)
		for (at = 0; at < 12; at += 4) {
			struct map_disk m = disk_of(lens, 3, data_first);
			struct plan plan = { .cursor = { .disk = &m.disk },
					     .end = m.disk.size,
					     .unit = 512 };
			struct run run;
			int rc;

			m.fail_from = at * MIB;
			while ((rc = plan_next_run(&plan, &run, NULL)) == 1)
				assert_true(run.off + run.len <= at * MIB);
			assert_int_equal(rc, TRANSHIP_EIO);
			assert_int_equal(plan_next_run(&plan, &run, NULL), TRANSHIP_EIO);
			disk_fini(&m.disk);
		}
}

/* A copy reads nothing of what the map calls zeros. */
static void test_copy__holes_are_not_read(void **state)
{
	static const uint64_t lens[] = { 2 * MIB, 50 * MIB, 100 * KIB, 70 * KIB, 30 * KIB };
	struct map_disk m = disk_of(lens, COUNT_OF(lens), true);
	struct tranship_create_options null = { .format = "null", .size = m.disk.size };
	struct tranship_copy_options copy = { .threads = 1 };
	struct tranship_writer *writer;
	struct tranship_error err;

	(void)state;
	assert_ok(tranship_create(NULL, &null, &writer, &err), &err);
	assert_ok(tranship_copy(&m.disk, writer, &copy, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	assert_true(m.bytes_read == 2 * MIB + 130 * KIB);
	disk_fini(&m.disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan__random_maps_are_tiled),
		cmocka_unit_test(test_plan__a_hole_worth_it_ends_a_run),
		cmocka_unit_test(test_plan__holes_are_cut_at_the_unit),
		cmocka_unit_test(test_plan__data_is_cut_at_whole_runs),
		cmocka_unit_test(test_plan__a_hole_is_one_run_however_long),
		cmocka_unit_test(test_plan__an_empty_disk),
		cmocka_unit_test(test_plan__an_error_of_the_map_comes_through),
		cmocka_unit_test(test_copy__holes_are_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
