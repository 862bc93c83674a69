// SPDX-License-Identifier: Apache-2.0
/* Applying deltas in place, and going back, on every kind of target. */
#include "apply_scene.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_apply__every_kind_and_back(void **state)
{
	unsigned i;

	for (i = 0; i < TARGET_KINDS; i++) {
		const char *folder = path_in(*state, target_kinds[i].name);
		char before[40], after[40], parents[40];
		struct scene s;

		mkdir(folder, 0700);
		scene_set(&s, folder, &target_kinds[i], SIZE, SIZE);
		chain_identities(s.target, before, parents);
		s.options.keep_journal = true;
		assert_ok(scene_apply(&s), &s.err);
		assert_false(s.result.nothing || s.result.resumed);
		assert_true(s.result.written >= 4 * KIB && s.result.written < SIZE);
		scene_expect(&s, 1);
		chain_identities(s.target, after, parents);
		assert_int_equal(strcmp(before, after) == 0, *before == '\0');
		assert_true(is_there(s.journal));

		assert_ok(scene_apply(&s), &s.err);
		assert_true(s.result.nothing);
		assert_true(is_there(s.journal));

		assert_ok(scene_undo(&s), &s.err);
		scene_expect(&s, 0);
		chain_identities(s.target, after, parents);
		assert_string_equal(before, after);
		scene_expect_clean(&s);
		assert_fails(scene_undo(&s), TRANSHIP_EINVAL, &s.err, "there is no journal");

		s.options.keep_journal = false;
		assert_ok(scene_apply(&s), &s.err);
		scene_expect(&s, 1);
		scene_expect_clean(&s);
		scene_end(&s);
	}
}

static void test_apply__sizes(void **state)
{
	static const size_t sizes[][2] = { { SIZE, SIZE + 20 * KIB },
					   { SIZE + 20 * KIB, SIZE },
					   { SIZE, 4 * KIB },
					   { 8 * KIB, SIZE } };
	unsigned i, kind;

	for (kind = 0; kind < TARGET_KINDS; kind++)
		for (i = 0; i < COUNT_OF(sizes); i++) {
			char name[40];
			struct scene s;

			snprintf(name, sizeof(name), "%u-%u", kind, i);
			mkdir(path_in(*state, name), 0700);
			scene_set(&s, path_in(*state, name), &target_kinds[kind], sizes[i][0],
				  sizes[i][1]);
			s.options.keep_journal = true;
			assert_ok(scene_apply(&s), &s.err);
			scene_expect(&s, 1);
			assert_ok(scene_undo(&s), &s.err);
			scene_expect(&s, 0);
			scene_expect_clean(&s);
			scene_end(&s);
		}
}

/* Of two deltas that know nothing of each other, with digests under a secret of each. */
static void merge_lineages(struct scene *s, const char *folder)
{
	const char *parts[2] = { path_in(folder, "first"), path_in(folder, "second") };
	struct tranship_merge_options options = { .copy.threads = 1 };
	unsigned char *middle = malloc(s->sizes[0]);
	struct tranship_diff_result result;
	struct tranship_delta_info info;
	struct rng rng = { 77 };

	assert_non_null(middle);
	memcpy(middle, s->content[0], s->sizes[0]);
	memset(middle + 4096, 'm', 4096);
	memset(s->content[1], 0, s->sizes[1]);
	memcpy(s->content[1], middle, s->sizes[0]);
	chain_change(&rng, s->content[1] + 16384, s->sizes[1] - 16384, 5);
	delta_make(parts[0], s->content[0], s->sizes[0], middle, s->sizes[0], NULL);
	delta_make(parts[1], middle, s->sizes[0], s->content[1], s->sizes[1], NULL);
	assert_ok(tranship_delta_merge(parts, 2, s->delta, &options, &result, &s->err), &s->err);
	assert_ok(tranship_delta_inspect(s->delta, true, &info, &s->err), &s->err);
	target_make(s->kind, s->target, s->content[0], s->sizes[0]);
	free(middle);
}

static void test_apply__several_lineages(void **state)
{
	unsigned i;

	for (i = 0; i < TARGET_KINDS; i++) {
		const char *folder = path_in(*state, target_kinds[i].name);
		struct scene s;

		mkdir(folder, 0700);
		scene_begin(&s, folder, &target_kinds[i], SIZE, SIZE + 20 * KIB);
		merge_lineages(&s, folder);
		s.options.keep_journal = true;
		assert_ok(scene_apply(&s), &s.err);
		scene_expect(&s, 1);
		assert_ok(scene_undo(&s), &s.err);
		scene_expect(&s, 0);
		if (i == 0) { /* where each interruption is finished, and undone */
			scene_leave_unfinished(&s);
			assert_ok(scene_apply(&s), &s.err);
			scene_expect(&s, 1);
			target_make(s.kind, s.target, s.content[0], s.sizes[0]);
			unlink(s.journal);
			scene_leave_unfinished(&s);
			assert_ok(scene_undo(&s), &s.err);
			scene_expect(&s, 0);
		}
		scene_expect_clean(&s);
		scene_end(&s);
	}
}

static void test_apply__odd_sizes_of_raw(void **state)
{
	struct scene s;

	scene_set(&s, *state, raw_kind, 50 * KIB + 1, 41 * KIB + 4095);
	s.options.keep_journal = true;
	assert_ok(scene_apply(&s), &s.err);
	scene_expect(&s, 1);
	assert_ok(scene_undo(&s), &s.err);
	scene_expect(&s, 0);
	scene_end(&s);
}

/* A disk of whole sectors cannot become one that ends inside a sector. */
static void test_apply__odd_size_of_an_image(void **state)
{
	struct bytes before;
	struct scene s;

	scene_set(&s, *state, vhd_kind, SIZE, SIZE + 100);
	before = bytes_of(s.target);
	assert_fails(scene_apply(&s), TRANSHIP_EUNSUPPORTED, &s.err, "cannot have");
	expect_same(s.target, &before);
	scene_expect_clean(&s);
	scene_end(&s);
}

/* An image of the format with the content of a raw file. */
static void make_sparse(const struct target_kind *kind, const char *path, const char *raw)
{
	struct tranship_create_options create = { .format = kind->format,
						  .options = kind->options };
	struct tranship_copy_options copy = { .threads = 1 };
	struct tranship_writer *writer;
	struct tranship_disk *source;
	struct tranship_error err;

	assert_ok(tranship_open(raw, NULL, &source, &err), &err);
	create.size = tranship_disk_size(source);
	assert_ok(tranship_create(path, &create, &writer, &err), &err);
	assert_ok(tranship_copy(source, writer, &copy, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close(source);
}

static void refuse_size(const char *folder, const char *format, const char *options, uint64_t old,
			uint64_t new, const char *message)
{
	struct target_kind kind = { format, format, options, false };
	struct tranship_diff_options diff = { .copy.threads = 1 };
	struct tranship_diff_base base = { 0 };
	struct tranship_diff_result result;
	struct tranship_disk *disk;
	struct bytes before;
	struct scene s;
	char raw[PATH_MAX];
	int fd;

	mkdir(folder, 0700);
	scene_set(&s, folder, &kind, 4096, 4096);
	place(raw, folder, "raw");
	fd = open(raw, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, (off_t)old), 0);
	make_sparse(&kind, s.target, raw);
	assert_ok(tranship_open(raw, NULL, &base.disk, &s.err), &s.err);
	place(raw, folder, "new");
	close(fd);
	fd = open(raw, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, (off_t) new), 0);
	assert_ok(tranship_open(raw, NULL, &disk, &s.err), &s.err);
	assert_ok(tranship_diff(&base, disk, s.delta, &diff, &result, &s.err), &s.err);
	tranship_disk_close(disk);
	tranship_disk_close(base.disk);
	close(fd);
	before = bytes_of(s.target);
	assert_int_not_equal(scene_apply(&s), 0);
	assert_non_null(strstr(s.err.message, message));
	assert_null(strstr(s.err.message, "unfinished"));
	expect_same(s.target, &before);
	scene_expect_clean(&s);
	scene_end(&s);
}

/* What the format cannot take is refused before anything is changed. */
static void test_apply__impossible_sizes(void **state)
{
	static const uint64_t gib = 1ULL << 30;
	const char *split = "subformat=twoGbMaxExtentSparse";

	refuse_size(path_in(*state, "a"), "vpc", NULL, 64 * MIB, 3000 * gib, "2040 GiB");
	refuse_size(path_in(*state, "c"), "vmdk", split, 3 * gib, 5 * gib, "end of its last file");
	refuse_size(path_in(*state, "d"), "vmdk", split, 3 * gib, gib, "only the last of 2");
}

static void test_apply__wrong_base(void **state)
{
	unsigned i;

	for (i = 0; i < TARGET_KINDS; i++) {
		const char *folder = path_in(*state, target_kinds[i].name);
		struct bytes before;
		struct scene s;
		size_t at = 0;
		char range[60];

		mkdir(folder, 0700);
		scene_begin(&s, folder, &target_kinds[i], SIZE, SIZE);
		memset(s.content[0] + 3 * 4096, 'a', 4096);
		memset(s.content[1] + 3 * 4096, 'b', 4096);
		scene_finish(&s);
		s.content[0][3 * 4096 + 7] ^= 1;
		target_make(s.kind, s.target, s.content[0], s.sizes[0]);
		for (at = 0; memcmp(s.content[0] + at, s.content[1] + at, 4096) == 0;)
			at += 4096;
		assert_true(at <= 3 * 4096);
		before = bytes_of(s.target);
		assert_fails(scene_apply(&s), TRANSHIP_EMISMATCH, &s.err, "the first that differ");
		snprintf(range, sizeof(range), "bytes %u to %u ", 3 * 4096, 4 * 4096);
		assert_non_null(strstr(s.err.message, range));
		expect_same(s.target, &before);
		scene_expect_clean(&s);
		scene_end(&s);
	}
}

/* As long as what the delta makes, but not it. */
static void test_apply__new_size_and_other_content(void **state)
{
	struct scene s;

	scene_begin(&s, *state, raw_kind, SIZE, 2 * SIZE);
	memset(s.content[0] + 8192, 'a', 4096);
	memset(s.content[1] + 8192, 'b', 4096);
	scene_finish(&s);
	s.content[1][8200] = 'c';
	target_make(raw_kind, s.target, s.content[1], 2 * SIZE);
	assert_fails(scene_apply(&s), TRANSHIP_EMISMATCH, &s.err,
		     "bytes 8192 to 12288 are the first that differ");
	scene_end(&s);
}

static void test_apply__other_size(void **state)
{
	struct scene s;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	assert_int_equal(truncate(s.target, SIZE - 512), 0);
	assert_fails(scene_apply(&s), TRANSHIP_EMISMATCH, &s.err, "the delta is for 98816");
	scene_end(&s);
}

static void test_apply__empty_delta(void **state)
{
	struct scene s;

	scene_begin(&s, *state, raw_kind, SIZE, SIZE);
	memcpy(s.content[1], s.content[0], SIZE);
	scene_finish(&s);
	assert_ok(scene_apply(&s), &s.err);
	assert_true(s.result.nothing);
	scene_end(&s);
}

/* Only the size changes. */
static void test_apply__delta_of_a_size(void **state)
{
	struct scene s;

	scene_begin(&s, *state, raw_kind, SIZE, SIZE + 8192);
	memcpy(s.content[1], s.content[0], SIZE);
	memset(s.content[1] + SIZE, 0, 8192);
	scene_finish(&s);
	s.options.keep_journal = true;
	assert_ok(scene_apply(&s), &s.err);
	assert_false(s.result.nothing);
	scene_expect(&s, 1);
	assert_ok(scene_undo(&s), &s.err);
	scene_expect(&s, 0);
	scene_end(&s);
}

/* Half new without a journal is no base. */
static void test_apply__neither_version(void **state)
{
	struct scene s;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	memcpy(s.content[0] + SIZE / 2, s.content[1] + SIZE / 2, SIZE - SIZE / 2);
	target_make(raw_kind, s.target, s.content[0], SIZE);
	assert_fails(scene_apply(&s), TRANSHIP_EMISMATCH, &s.err, "is not the base");
	scene_expect(&s, 0);
	scene_end(&s);
}

static void test_apply__ids(void **state)
{
	struct tranship_diff_options diff = { .base_id = "monday", .target_id = "tuesday" };
	struct scene s;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	delta_make(s.delta, s.content[0], SIZE, s.content[1], SIZE, &diff);
	s.options.base_id = "sunday";
	assert_fails(scene_apply(&s), TRANSHIP_EMISMATCH, &s.err, "the delta is for 'monday'");
	scene_expect(&s, 0);
	s.options.base_id = "monday";
	assert_ok(scene_apply(&s), &s.err);
	scene_expect(&s, 1);
	scene_end(&s);
}

static void test_apply__from_a_pipe(void **state)
{
	struct scene s;
	char fifo[PATH_MAX];
	struct bytes delta;
	pid_t child;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	delta = bytes_of(s.delta);
	place(fifo, *state, "fifo");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	child = fork();
	if (child == 0) {
		int fd = open(fifo, O_WRONLY);

		_exit(write(fd, delta.bytes, delta.size) != (ssize_t)delta.size);
	}
	strcpy(s.delta, fifo);
	s.options.spool_folder = *state;
	assert_ok(scene_apply(&s), &s.err);
	scene_expect(&s, 1);
	free(delta.bytes);
	scene_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_apply__every_kind_and_back),
		IN_FOLDER(test_apply__sizes),
		IN_FOLDER(test_apply__several_lineages),
		IN_FOLDER(test_apply__odd_sizes_of_raw),
		IN_FOLDER(test_apply__odd_size_of_an_image),
		IN_FOLDER(test_apply__impossible_sizes),
		IN_FOLDER(test_apply__wrong_base),
		IN_FOLDER(test_apply__new_size_and_other_content),
		IN_FOLDER(test_apply__other_size),
		IN_FOLDER(test_apply__empty_delta),
		IN_FOLDER(test_apply__delta_of_a_size),
		IN_FOLDER(test_apply__neither_version),
		IN_FOLDER(test_apply__ids),
		IN_FOLDER(test_apply__from_a_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
