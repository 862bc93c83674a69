// SPDX-License-Identifier: Apache-2.0
/* What a delta is not applied to, and what an interrupted apply leaves. */
#include "apply_scene.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tranship_fingerprint *print_of(const struct scene *s, const char *path,
					     const char *id)
{
	struct tranship_fingerprint_options options = { .id = id, .copy.threads = 1 };
	struct tranship_fingerprint *out;
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open(s->target, &s->open, &disk, &err), &err);
	assert_ok(tranship_fingerprint_make(disk, path, &options, &err), &err);
	tranship_disk_close(disk);
	assert_ok(tranship_fingerprint_open(path, &out, &err), &err);
	return out;
}

static void test_apply__verified_by_a_fingerprint(void **state)
{
	struct bytes before;
	struct scene s;

	scene_begin(&s, *state, vhd_kind, SIZE, SIZE);
	memset(s.content[0] + SIZE - 4096, 'x', 4096);
	memset(s.content[1] + SIZE - 4096, 'x', 4096);
	scene_finish(&s);
	s.options.verify = print_of(&s, path_in(*state, "print"), NULL);
	assert_ok(scene_apply(&s), &s.err);
	scene_expect(&s, 1);

	s.content[0][SIZE - 1] ^= 1; /* the delta does not touch it */
	target_make(vhd_kind, s.target, s.content[0], SIZE);
	before = bytes_of(s.target);
	assert_fails(scene_apply(&s), TRANSHIP_EMISMATCH, &s.err, "not those of the fingerprint");
	expect_same(s.target, &before);
	scene_expect_clean(&s);
	s.options.verify = (tranship_fingerprint_close(s.options.verify), NULL);
	assert_ok(scene_apply(&s), &s.err);
	scene_end(&s);
}

static void test_apply__fingerprint_of_another_version(void **state)
{
	struct tranship_diff_options diff = { .base_id = "monday" };
	struct scene s;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	delta_make(s.delta, s.content[0], SIZE, s.content[1], SIZE, &diff);
	s.options.verify = print_of(&s, path_in(*state, "print"), "sunday");
	assert_fails(scene_apply(&s), TRANSHIP_EMISMATCH, &s.err, "the disk of the fingerprint");
	tranship_fingerprint_close(s.options.verify);
	scene_end(&s);
}

static void test_apply__unfinished_is_refused(void **state)
{
	struct tranship_check_result result[2];
	struct tranship_disk *disk;
	struct scene s;

	scene_set(&s, *state, vhd_kind, SIZE, SIZE);
	scene_leave_unfinished(&s);
	assert_fails(tranship_open(s.target, &s.open, &disk, &s.err), TRANSHIP_EBUSY, &s.err,
		     "tranship apply --undo goes back");
	assert_int_equal(s.err.sys_errno, 0);
	assert_fails(tranship_resize(s.target, &s.open, 2 * SIZE, 0, &s.err), TRANSHIP_EBUSY,
		     &s.err, "applying a delta to it was interrupted");
	assert_ok(tranship_repair(s.target, &s.open, TRANSHIP_REPAIR_ERRORS, NULL, NULL, &result[0],
				  &result[1], NULL, &s.err),
		  &s.err);
	assert_int_equal(result[1].errors, 1);
	assert_ok(scene_apply(&s), &s.err);
	assert_true(s.result.resumed);
	scene_expect(&s, 1);
	scene_expect_clean(&s);
	scene_end(&s);
}

static void test_apply__another_delta_is_refused(void **state)
{
	struct bytes before;
	struct scene s;
	char *first;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	scene_leave_unfinished(&s);
	first = strdup(s.delta);
	place(s.delta, *state, "other");
	delta_make(s.delta, s.content[1], SIZE, s.content[0], SIZE, NULL);
	before = bytes_of(s.target);
	assert_fails(scene_apply(&s), TRANSHIP_EBUSY, &s.err, "applying another delta");
	expect_same(s.target, &before);
	strcpy(s.delta, first);
	free(first);
	assert_ok(scene_undo(&s), &s.err);
	assert_true(s.result.resumed);
	scene_expect(&s, 0);
	scene_expect_clean(&s);
	scene_end(&s);
}

/* What is half written may look like another format by then. */
static void test_apply__resumed_as_the_format_it_was(void **state)
{
	struct scene s;

	scene_begin(&s, *state, raw_kind, SIZE, SIZE);
	memset(s.content[0], 0, 4096);
	memset(s.content[1], 0, 4096);
	memcpy(s.content[1], "conectix", 8);
	scene_finish(&s);
	s.open.format = NULL;
	scene_leave_unfinished(&s);
	assert_ok(scene_apply(&s), &s.err);
	s.open.format = "raw";
	scene_expect(&s, 1);
	scene_end(&s);
}

static void test_apply__written_by_somebody_meanwhile(void **state)
{
	struct bytes before;
	struct scene s;

	scene_begin(&s, *state, raw_kind, SIZE, SIZE);
	memset(s.content[0] + 8192, 'a', 4096);
	memset(s.content[1] + 8192, 'b', 4096);
	scene_finish(&s);
	scene_leave_unfinished(&s);
	poke(s.target, 8192 + 700, 'c');
	before = bytes_of(s.target);
	assert_fails(scene_apply(&s), TRANSHIP_ECORRUPT, &s.err, "512 bytes of the target at 8704");
	assert_fails(scene_undo(&s), TRANSHIP_ECORRUPT, &s.err, "something else wrote there");
	expect_same(s.target, &before);
	poke(s.target, 8192 + 700, 'a'); /* that sector is neither yet, but for this byte */
	memset(s.content[0] + 8192, 'a', 4096);
	assert_fails(scene_apply(&s), TRANSHIP_ECORRUPT, &s.err, "at 8704");
	poke(s.target, 8192 + 700, 'b');
	assert_ok(scene_apply(&s), &s.err);
	scene_expect(&s, 1);
	scene_end(&s);
}

/* A block that was torn is told from one that was written. */
static void test_apply__torn_block(void **state)
{
	unsigned back;

	for (back = 0; back < 2; back++) {
		struct scene s;
		unsigned i;

		scene_begin(&s, *state, raw_kind, SIZE, SIZE);
		memset(s.content[0] + 8192, 'a', 4096);
		memset(s.content[1] + 8192, 'b', 4096);
		scene_finish(&s);
		scene_leave_unfinished(&s);
		for (i = 0; i < 512; i++)
			poke(s.target, 8192 + 1024 + (off_t)i, 'a');
		assert_ok(back ? scene_undo(&s) : scene_apply(&s), &s.err);
		scene_expect(&s, !back);
		scene_expect_clean(&s);
		scene_end(&s);
	}
}

static void test_apply__image_with_a_parent(void **state)
{
	struct tranship_open_options base_options = { .format = "vpc" };
	struct chain_image child = { .format = "vpc", .size = SIZE, .hint = "target" };
	struct scene s;

	scene_set(&s, *state, vhd_kind, SIZE, SIZE);
	child.path = path_in(*state, "child");
	child.content = s.content[0];
	child.base = s.target;
	child.base_options = &base_options;
	chain_make(&child);
	place(s.target, *state, "child");
	assert_fails(scene_apply(&s), TRANSHIP_EUNSUPPORTED, &s.err, "has a parent");
	scene_end(&s);
}

static void test_apply__children_of_the_old_version(void **state)
{
	struct chain_image child = { .format = "vpc", .size = SIZE, .hint = "target" };
	struct tranship_disk *disk;
	struct scene s;
	char path[PATH_MAX];

	scene_set(&s, *state, vhd_kind, SIZE, SIZE);
	place(path, *state, "child");
	child.path = path;
	child.content = s.content[1];
	child.base = s.target;
	child.base_options = &s.open;
	chain_make(&child);
	s.options.keep_journal = true;
	assert_ok(scene_apply(&s), &s.err);
	assert_fails(tranship_open(path, &s.open, &disk, &s.err), TRANSHIP_EMISMATCH, &s.err,
		     "the parent wanted is");
	assert_ok(scene_undo(&s), &s.err);
	chain_expect(path, &s.open, s.content[1], SIZE);
	scene_end(&s);
}

static void test_apply__unchangeable_image(void **state)
{
	static const struct target_kind stream = { "stream", "vmdk", "subformat=streamOptimized",
						   false };
	struct scene s;

	scene_set(&s, *state, &stream, SIZE, SIZE);
	assert_fails(scene_apply(&s), TRANSHIP_EUNSUPPORTED, &s.err, "cannot be changed in place");
	scene_end(&s);
}

static void test_apply__target_in_use(void **state)
{
	struct tranship_disk *disk;
	struct scene s;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	assert_ok(tranship_open(s.target, &s.open, &disk, &s.err), &s.err);
	assert_fails(scene_apply(&s), TRANSHIP_EBUSY, &s.err, "");
	tranship_disk_close(disk);
	assert_ok(scene_apply(&s), &s.err);
	scene_end(&s);
}

static void test_apply__damaged_delta(void **state)
{
	struct bytes delta, before;
	struct scene s;
	size_t at;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	delta = bytes_of(s.delta);
	for (at = 1; at < delta.size; at += 997) {
		before = bytes_of(s.target);
		poke(s.delta, (off_t)at, delta.bytes[at] ^ 1);
		assert_int_not_equal(scene_apply(&s), 0);
		assert_non_null(strstr(s.err.message, "delta"));
		expect_same(s.target, &before);
		poke(s.delta, (off_t)at, delta.bytes[at]);
	}
	scene_expect_clean(&s);
	free(delta.bytes);
	scene_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_apply__verified_by_a_fingerprint),
		IN_FOLDER(test_apply__fingerprint_of_another_version),
		IN_FOLDER(test_apply__unfinished_is_refused),
		IN_FOLDER(test_apply__another_delta_is_refused),
		IN_FOLDER(test_apply__resumed_as_the_format_it_was),
		IN_FOLDER(test_apply__written_by_somebody_meanwhile),
		IN_FOLDER(test_apply__torn_block),
		IN_FOLDER(test_apply__image_with_a_parent),
		IN_FOLDER(test_apply__children_of_the_old_version),
		IN_FOLDER(test_apply__unchangeable_image),
		IN_FOLDER(test_apply__target_in_use),
		IN_FOLDER(test_apply__damaged_delta),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
