// SPDX-License-Identifier: Apache-2.0
/* A disk with replaced sectors over it: every way of reading it says the same, and the source
 * stays. */
#include "boot_plans.h"

#include <stdlib.h>
#include <string.h>

#define SIZE ((size_t)2 << 20)
#define TAIL 300U /* the disk does not end with a sector */
#define EDITS 40U

struct scene {
	unsigned char *source, *expected;
	size_t size;
	struct tranship_disk *disk;
};

/* A disk under a plan of random edits, and its bytes as they should be. */
static void scene_make(struct scene *s, uint64_t seed)
{
	struct rng rng = { seed };
	struct tranship_boot_plan *plan;
	struct tranship_disk *source;
	struct tranship_error err;
	unsigned i;

	s->size = SIZE + TAIL;
	s->source = random_disk(&rng, s->size);
	s->expected = malloc(s->size);
	assert_non_null(s->expected);
	memcpy(s->expected, s->source, s->size);
	source = memory_disk(s->source, s->size);
	plan = plan_for(source);
	for (i = 0; i < EDITS; i++) {
		unsigned char bytes[3000];
		size_t len = 1 + (size_t)rng_below(&rng, sizeof(bytes));

		rng_fill(&rng, bytes, len);
		plan_replace(plan, source, s->expected, rng_below(&rng, SIZE - len), bytes, len,
			     i % 2 ? "odd" : "even");
	}
	plan_replace(plan, source, s->expected, 0, "first", 5, "odd");
	plan_replace(plan, source, s->expected, SIZE - 4, "last", 4, "odd");
	plan_ready(plan, source);
	assert_ok(tranship_boot_open(source, plan, &s->disk, &err), &err);
	tranship_boot_plan_free(plan); /* the disk has what it needs */
}

static void scene_free(struct scene *s)
{
	tranship_disk_close(s->disk);
	free(s->source);
	free(s->expected);
}

static void test_boot_open__random_ranges(void **state)
{
	unsigned char *buf = malloc(SIZE);
	struct rng rng = { 7 };
	struct tranship_error err;
	struct scene s;
	unsigned i;

	(void)state;
	scene_make(&s, 1);
	for (i = 0; i < 3000; i++) {
		uint64_t off = rng_below(&rng, s.size);
		size_t len = 1 + (size_t)rng_below(&rng, i % 10 ? 2000 : SIZE - 1);

		if (len > s.size - off)
			len = (size_t)(s.size - off);
		assert_ok(tranship_disk_read(s.disk, NULL, off, buf, len, &err), &err);
		assert_same_bytes(buf, s.expected + off, len);
	}
	free(buf);
	scene_free(&s);
}

/* The map tiles the disk; zeros are zeros, and no replaced sector is called one. */
static void test_boot_open__map(void **state)
{
	struct tranship_extent extent;
	struct tranship_error err;
	struct scene s;
	uint64_t off, i;

	(void)state;
	scene_make(&s, 2);
	for (off = 0; off < s.size; off += extent.len) {
		assert_ok(tranship_disk_map(s.disk, off, &extent, &err), &err);
		assert_int_equal(extent.off, off);
		assert_true(extent.len > 0);
		for (i = off; extent.kind != TRANSHIP_DATA && i < off + extent.len; i++)
			assert_int_equal(s.expected[i], 0);
	}
	assert_int_equal(off, s.size);
	scene_free(&s);
}

/* A copy, which reads by the map and with several threads, is the expected disk. */
static void test_boot_open__copied(void **state)
{
	struct tranship_create_options create = { .format = "raw" };
	struct tranship_copy_options copy = { .threads = 3 };
	struct tranship_writer *writer;
	struct tranship_error err;
	unsigned char *bytes;
	struct scene s;
	size_t size;
	const char *path = path_in(*state, "out.raw");

	scene_make(&s, 3);
	create.size = s.size;
	assert_ok(tranship_create(path, &create, &writer, &err), &err);
	assert_ok(tranship_copy(s.disk, writer, &copy, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	bytes = read_path(path, &size);
	assert_true(size >= s.size);
	assert_same_bytes(bytes, s.expected, s.size);
	free(bytes);
	scene_free(&s);
}

static void test_boot_open__refuses(void **state)
{
	unsigned char *zeros = calloc(1, SIZE);
	struct tranship_disk *a = memory_disk(zeros, SIZE), *b = memory_disk(zeros, SIZE / 2), *out;
	struct tranship_boot_plan *plan = plan_for(a);
	struct tranship_error err;

	(void)state;
	plan_ready(plan, a);
	assert_fails(tranship_boot_open(b, plan, &out, &err), TRANSHIP_EINVAL, &err, "1048576");
	assert_null(out);
	plan->loaded = true;
	assert_fails(tranship_boot_open(a, plan, &out, &err), TRANSHIP_EINVAL, &err, "from a file");
	plan->loaded = false;
	assert_ok(sentences_add(&plan->refusals, "it is green", &err), &err);
	assert_fails(tranship_boot_open(a, plan, &out, &err), TRANSHIP_EINVAL, &err, "it is green");
	tranship_boot_plan_free(plan);
	tranship_disk_close(a);
	tranship_disk_close(b);
	free(zeros);
}

static void test_patches__limits(void **state)
{
	unsigned char *zeros = calloc(1, SIZE + TAIL);
	struct tranship_disk *disk = memory_disk(zeros, SIZE + TAIL);
	struct tranship_error err;
	struct patches p;

	(void)state;
	patches_init(&p, disk);
	assert_fails(patches_put(&p, disk, SIZE, "x", 1, "r", &err), TRANSHIP_EINVAL, &err,
		     "last sector");
	assert_fails(patches_put(&p, disk, UINT64_MAX, "x", 2, "r", &err), TRANSHIP_EINVAL, &err,
		     "last sector");
	assert_int_equal(p.count, 0);
	/* What the disk has already is no replacement. */
	assert_ok(patches_put(&p, disk, 1000, "\0\0", 2, "r", &err), &err);
	assert_ok(patches_put(&p, disk, 5000, "ab", 2, "r", &err), &err);
	assert_ok(patches_drop_equal(&p, disk, &err), &err);
	assert_int_equal(p.count, 1);
	assert_int_equal(p.at[0].sector, 5000 / 512);
	patches_free(&p);
	tranship_disk_close(disk);
	free(zeros);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boot_open__random_ranges),
		cmocka_unit_test(test_boot_open__map),
		IN_FOLDER(test_boot_open__copied),
		cmocka_unit_test(test_boot_open__refuses),
		cmocka_unit_test(test_patches__limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
