// SPDX-License-Identifier: Apache-2.0
/* The journal of an apply: kept, elsewhere, lost, damaged, another's. */
#include "apply_scene.h"
#include "delta/apply.h"
#include "delta/apply_journal.h"
#include "failing_medium.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_undo__refused_when_written_since(void **state)
{
	struct bytes before;
	struct scene s;

	scene_begin(&s, *state, raw_kind, SIZE, SIZE);
	memset(s.content[0] + 8192, 'a', 4096);
	memset(s.content[1] + 8192, 'b', 4096);
	memset(s.content[0] + SIZE - 512, 'x', 512);
	memset(s.content[1] + SIZE - 512, 'x', 512);
	scene_finish(&s);
	s.options.keep_journal = true;
	assert_ok(scene_apply(&s), &s.err);
	poke(s.target, SIZE - 100, 'y'); /* where the delta is not */
	before = bytes_of(s.target);
	assert_fails(scene_undo(&s), TRANSHIP_EMISMATCH, &s.err, "was written since");
	expect_same(s.target, &before);
	scene_end(&s);
}

/* Even where the time of the file tells nothing. */
static void test_undo__refused_when_a_block_changed(void **state)
{
	struct timespec times[2];
	struct bytes before;
	struct stat st;
	struct scene s;

	scene_begin(&s, *state, raw_kind, SIZE, SIZE);
	memset(s.content[0] + 8192, 'a', 4096);
	memset(s.content[1] + 8192, 'b', 4096);
	scene_finish(&s);
	s.options.keep_journal = true;
	assert_ok(scene_apply(&s), &s.err);
	assert_int_equal(stat(s.target, &st), 0);
	poke(s.target, 8192, 'c');
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, s.target, times, 0), 0);
	before = bytes_of(s.target);
	assert_fails(scene_undo(&s), TRANSHIP_EMISMATCH, &s.err, "at 8192 to begin with");
	expect_same(s.target, &before);
	scene_end(&s);
}

static void test_undo__refused_after_another_change(void **state)
{
	struct scene s;

	scene_set(&s, *state, vhd_kind, SIZE, SIZE);
	s.options.keep_journal = true;
	assert_ok(scene_apply(&s), &s.err);
	assert_ok(tranship_resize(s.target, &s.open, 2 * SIZE, 0, &s.err), &s.err);
	assert_fails(scene_undo(&s), TRANSHIP_EMISMATCH, &s.err, "was written since");
	scene_end(&s);
}

static void test_apply__replaces_a_kept_journal(void **state)
{
	struct scene s;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	s.options.keep_journal = true;
	assert_ok(scene_apply(&s), &s.err);
	delta_make(s.delta, s.content[1], SIZE, s.content[0], SIZE, NULL);
	assert_ok(scene_apply(&s), &s.err);
	scene_expect(&s, 0);
	assert_ok(scene_undo(&s), &s.err);
	scene_expect(&s, 1);
	scene_expect_clean(&s);
	scene_end(&s);
}

static void test_apply__journal_elsewhere(void **state)
{
	const char *folder = path_in(*state, "there");
	struct tranship_disk *disk;
	struct scene s;
	char *journal;

	mkdir(folder, 0700);
	journal = strdup(path_in(folder, "journal"));
	assert_non_null(journal);
	scene_set(&s, *state, vhd_kind, SIZE, SIZE);
	s.options.journal = journal;
	place(s.journal, *state, "there/journal");
	scene_leave_unfinished(&s);
	assert_fails(tranship_open(s.target, &s.open, &disk, &s.err), TRANSHIP_EBUSY, &s.err,
		     "there/journal");
	s.options.journal = NULL;
	assert_fails(scene_apply(&s), TRANSHIP_EBUSY, &s.err, "there/journal");
	assert_fails(scene_undo(&s), TRANSHIP_EBUSY, &s.err, "there/journal");
	s.options.journal = journal;
	assert_ok(scene_undo(&s), &s.err);
	scene_expect(&s, 0);
	scene_expect_clean(&s);
	scene_end(&s);
	free(journal);
}

/* The note tells who stands in another folder where the journal is, and what to do without it. */
static void test_apply__lost_journal(void **state)
{
	const char *folder = path_in(*state, "it's here");
	struct tranship_disk *disk;
	char here[PATH_MAX];
	struct scene s;

	mkdir(folder, 0700);
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(*state), 0);
	scene_set(&s, folder, raw_kind, SIZE, SIZE);
	s.options.journal = "journal";
	place(s.journal, *state, "journal");
	scene_leave_unfinished(&s);
	assert_int_equal(chdir(here), 0);
	assert_fails(tranship_open(s.target, &s.open, &disk, &s.err), TRANSHIP_EBUSY, &s.err,
		     s.journal);
	s.options.journal = NULL;
	assert_fails(scene_undo(&s), TRANSHIP_EBUSY, &s.err, "if that is lost");
	assert_non_null(strstr(s.err.message, s.journal));
	s.options.journal = s.journal;
	assert_ok(scene_undo(&s), &s.err);
	scene_expect(&s, 0);
	scene_end(&s);
}

static void test_apply__journal_of_another_target(void **state)
{
	char *journal = strdup(path_in(*state, "journal"));
	struct scene s;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	s.options.journal = journal;
	place(s.journal, *state, "journal");
	scene_leave_unfinished(&s);
	place(s.target, *state, "another");
	target_make(raw_kind, s.target, s.content[0], SIZE);
	assert_fails(scene_apply(&s), TRANSHIP_EMISMATCH, &s.err, "to another file");
	assert_fails(scene_undo(&s), TRANSHIP_EMISMATCH, &s.err, "to another file");
	scene_expect(&s, 0);
	scene_end(&s);
	free(journal);
}

/* A journal that was kept is the only way back of who kept it. */
static void test_apply__kept_journal_of_another_target(void **state)
{
	char *journal = strdup(path_in(*state, "journal"));
	char first[PATH_MAX];
	struct bytes before;
	struct scene s;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	s.options.journal = journal;
	s.options.keep_journal = true;
	place(s.journal, *state, "journal");
	assert_ok(scene_apply(&s), &s.err);
	before = bytes_of(s.journal);
	strcpy(first, s.target);
	place(s.target, *state, "another");
	target_make(raw_kind, s.target, s.content[0], SIZE);
	assert_fails(scene_apply(&s), TRANSHIP_EMISMATCH, &s.err,
		     "target', that is kept to go back");
	assert_fails(scene_undo(&s), TRANSHIP_EMISMATCH, &s.err, "to another file");
	scene_expect(&s, 0);
	expect_same(s.journal, &before);
	strcpy(s.target, first);
	assert_ok(scene_undo(&s), &s.err);
	scene_expect(&s, 0);
	scene_end(&s);
	free(journal);
}

static void test_apply__partial_that_is_in_the_way(void **state)
{
	static const unsigned char precious[] = "precious";
	char partial[PATH_MAX + 10];
	struct bytes before, target;
	struct scene s;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	snprintf(partial, sizeof(partial), "%s-partial", s.journal);
	write_path(partial, precious, sizeof(precious));
	before = bytes_of(partial);
	target = bytes_of(s.target);
	assert_fails(scene_apply(&s), TRANSHIP_EBUSY, &s.err, "is there");
	expect_same(partial, &before);
	expect_same(s.target, &target);
	write_path(partial, (const unsigned char *)APPLY_MAGIC, 8); /* no head: too short */
	assert_fails(scene_apply(&s), TRANSHIP_EBUSY, &s.err, "is there");
	write_path(partial, precious, 0); /* what a power loss leaves */
	assert_ok(scene_apply(&s), &s.err);
	scene_expect(&s, 1);
	scene_expect_clean(&s);
	scene_end(&s);
}

/* A partial journal is removed, but not while it is being written. */
static void test_apply__partial_of_another_run(void **state)
{
	unsigned char raw[APPLY_HEAD_SECTOR] = APPLY_MAGIC;
	char partial[PATH_MAX + 10];
	struct bytes target;
	int folder, file;
	struct scene s;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	snprintf(partial, sizeof(partial), "%s-partial", s.journal);
	write_path(partial, raw, sizeof(raw));
	assert_int_equal(medium_local.ops->open_folder(NULL, *state, &folder), 0);
	assert_ok(medium_local.ops->claim(NULL, folder, "target.tranship-journal-partial", &file,
					  &s.err),
		  &s.err);
	target = bytes_of(s.target);
	assert_fails(scene_apply(&s), TRANSHIP_EBUSY, &s.err, "another run");
	expect_same(s.target, &target);
	assert_true(is_there(partial));
	medium_local.ops->close(NULL, file);
	medium_local.ops->close(NULL, folder);
	assert_ok(scene_apply(&s), &s.err);
	scene_expect(&s, 1);
	scene_expect_clean(&s);
	scene_end(&s);
}

/* A medium on which another run comes in between: a file appears, which is not to be touched. */
struct intruder {
	const char *partial; /* of the journal */
	const char *where;   /* the file that appears */
	bool at_rename;      /* in front of it; else when the partial is created */
};

static const unsigned char intruder_bytes[] = "of another run";

static void intrude(const struct intruder *i, bool at_rename, const char *name)
{
	if (at_rename != i->at_rename || strcmp(name, i->partial) != 0)
		return;
	unlink(i->where);
	write_path(i->where, intruder_bytes, sizeof(intruder_bytes));
}

static int intruded_open(void *ctx, int folder, const char *name, bool create, int *out)
{
	if (create)
		intrude(ctx, false, name);
	return medium_local.ops->open(NULL, folder, name, create, out);
}

static int intruded_rename(void *ctx, int folder, const char *from, const char *to)
{
	int sys = medium_local.ops->rename(NULL, folder, from, to);

	intrude(ctx, true, from);
	return sys;
}

static void expect_intruder_kept(struct scene *s, const struct intruder *i)
{
	struct medium_ops ops = *medium_local.ops;
	struct medium medium = { &ops, (void *)i };
	struct bytes target = bytes_of(s->target);
	unsigned char *bytes;
	size_t size;
	int rc;

	ops.open = intruded_open;
	ops.rename = intruded_rename;
	rc = apply_on(&medium, s->delta, s->target, &s->options, &s->result, &s->err);
	assert_fails(rc, TRANSHIP_EBUSY, &s->err, "another run made the journal");
	expect_same(s->target, &target);
	assert_false(is_there(s->note));
	bytes = read_path(i->where, &size);
	assert_int_equal(size, sizeof(intruder_bytes));
	assert_memory_equal(bytes, intruder_bytes, size);
	free(bytes);
	unlink(i->where);
}

static void test_apply__journal_of_another_run_meanwhile(void **state)
{
	struct intruder i = { .partial = "target.tranship-journal-partial" };
	struct scene s;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	i.where = s.journal;
	expect_intruder_kept(&s, &i);
	scene_expect_clean(&s);
	i.at_rename = true;
	expect_intruder_kept(&s, &i);
	assert_ok(scene_apply(&s), &s.err);
	scene_expect_clean(&s);
	scene_end(&s);
}

/* As a kill between the journal and the note leaves it. */
static void leave_unbegun(struct scene *s)
{
	struct failing f;

	failing_init(&f, 0);
	f.fail_rename = 2; /* that of the note; and its journal stays */
	assert_int_not_equal(
		apply_on(&f.medium, s->delta, s->target, &s->options, &s->result, &s->err), 0);
	assert_true(is_there(s->journal));
	assert_false(is_there(s->note));
}

static void test_apply__not_begun(void **state)
{
	char first[PATH_MAX];
	struct scene s;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	leave_unbegun(&s);
	assert_ok(scene_undo(&s), &s.err);
	assert_true(s.result.nothing);
	scene_expect_clean(&s);
	scene_expect(&s, 0);

	/* Another delta is welcome, and so is what somebody wrote since. */
	leave_unbegun(&s);
	poke(s.target, SIZE - 7, 'x');
	s.content[0][SIZE - 7] = 'x';
	memcpy(s.content[1], s.content[0], SIZE);
	s.content[1][5] ^= 1;
	strcpy(first, s.delta);
	place(s.delta, *state, "other");
	delta_make(s.delta, s.content[0], SIZE, s.content[1], SIZE, NULL);
	assert_ok(scene_apply(&s), &s.err);
	assert_false(s.result.resumed);
	scene_expect(&s, 1);
	scene_expect_clean(&s);
	scene_end(&s);
}

/* A note that was lost is no reason to forget what was begun. */
static void test_apply__begun_without_a_note(void **state)
{
	struct scene s;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	scene_leave_unfinished(&s);
	unlink(s.note);
	assert_ok(scene_undo(&s), &s.err);
	assert_false(s.result.nothing);
	scene_expect(&s, 0);
	scene_expect_clean(&s);
	scene_end(&s);
}

/* What a failed fsync left in memory reads as if it had been written. */
static void test_undo__writes_all_after_a_failed_fsync(void **state)
{
	uint64_t all;
	struct failing f;
	struct scene s;
	int rc;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	s.options.keep_journal = true;
	assert_ok(scene_apply(&s), &s.err);
	all = s.result.written;
	failing_init(&f, 0);
	f.fail_sync = 8; /* that of the data: behind its opening's, the journal's, the note's and
			  * the mark's */
	rc = apply_undo_on(&f.medium, s.target, &s.options, &s.result, &s.err);
	assert_fails(rc, TRANSHIP_EIO, &s.err, "the target is unfinished");
	assert_int_equal(s.result.written, all);
	assert_ok(scene_undo(&s), &s.err);
	assert_int_equal(s.result.written, all);
	scene_expect(&s, 0);
	scene_expect_clean(&s);
	scene_end(&s);
}

/* Every part of the journal counts, and nothing is written by a journal that is not whole. */
static void test_apply__damaged_journal(void **state)
{
	struct bytes journal, before;
	struct scene s;
	size_t at;

	scene_set(&s, *state, raw_kind, SIZE, SIZE);
	scene_leave_unfinished(&s);
	journal = bytes_of(s.journal);
	for (at = 0; at < journal.size; at += at < 512 ? 3 : 131) {
		bool gap = at >= 512 && at < APPLY_HEAD_SIZE; /* nothing is there */
		unsigned back;

		poke(s.journal, (off_t)at, journal.bytes[at] ^ 0x10);
		for (back = 0; back < 2 && !gap; back++) {
			int rc;

			before = bytes_of(s.target);
			rc = back ? scene_undo(&s) : scene_apply(&s);
			/* The padding in front of the second delta is nothing, either. */
			if (rc == 0) {
				scene_expect(&s, !back);
				free(before.bytes);
				scene_end(&s);
				scene_set(&s, *state, raw_kind, SIZE, SIZE);
				scene_leave_unfinished(&s);
				free(journal.bytes);
				journal = bytes_of(s.journal);
				break;
			}
			expect_same(s.target, &before);
		}
		if (is_there(s.journal))
			poke(s.journal, (off_t)at, journal.bytes[at]);
	}
	for (at = 0; at < journal.size; at += 1111) {
		before = bytes_of(s.target);
		write_path(s.journal, journal.bytes, at);
		assert_fails(scene_undo(&s), TRANSHIP_ECORRUPT, &s.err, "journal");
		assert_fails(scene_apply(&s), TRANSHIP_ECORRUPT, &s.err, "journal");
		expect_same(s.target, &before);
	}
	free(journal.bytes);
	scene_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_undo__refused_when_written_since),
		IN_FOLDER(test_undo__refused_when_a_block_changed),
		IN_FOLDER(test_undo__refused_after_another_change),
		IN_FOLDER(test_apply__replaces_a_kept_journal),
		IN_FOLDER(test_apply__journal_elsewhere),
		IN_FOLDER(test_apply__lost_journal),
		IN_FOLDER(test_apply__journal_of_another_target),
		IN_FOLDER(test_apply__kept_journal_of_another_target),
		IN_FOLDER(test_apply__partial_that_is_in_the_way),
		IN_FOLDER(test_apply__partial_of_another_run),
		IN_FOLDER(test_apply__journal_of_another_run_meanwhile),
		IN_FOLDER(test_apply__not_begun),
		IN_FOLDER(test_apply__begun_without_a_note),
		IN_FOLDER(test_undo__writes_all_after_a_failed_fsync),
		IN_FOLDER(test_apply__damaged_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
