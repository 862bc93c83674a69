// SPDX-License-Identifier: Apache-2.0
/* Applying deltas in place and going back; test_apply_power.c has what interrupts it. */
#include "base/zero.h"
#include "chain_files.h"
#include "core/disk.h"
#include "delta/apply.h"
#include "delta/apply_journal.h"
#include "deltas.h"
#include "failing_medium.h"
#include "heap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB 1024U
#define MIB (1U << 20)
#define SIZE (96 * KIB + 512)

static const struct target_kind *const raw_kind = &target_kinds[0];
static const struct target_kind *const vhd_kind = &target_kinds[2];

/* Two versions of a disk, a delta between them, and a target that is the first. */
struct scene {
	char target[PATH_MAX], delta[PATH_MAX], journal[PATH_MAX], note[PATH_MAX];
	unsigned char *content[2];
	size_t sizes[2];
	const struct target_kind *kind;
	struct tranship_policy policy;
	struct tranship_open_options open;
	struct tranship_apply_options options;
	struct tranship_apply_result result;
	struct tranship_error err;
};

static void place(char *out, const char *folder, const char *name)
{
	assert_true(snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX);
}

static void make_contents(struct scene *s, unsigned changes)
{
	struct rng rng = { 11 };
	size_t most = s->sizes[0] > s->sizes[1] ? s->sizes[0] : s->sizes[1];
	unsigned char *both = random_disk(&rng, most);
	unsigned i;

	for (i = 0; i < 2; i++) {
		s->content[i] = calloc(most, 1);
		assert_non_null(s->content[i]);
		memcpy(s->content[i], both, s->sizes[i]);
	}
	chain_change(&rng, s->content[1], s->sizes[1], changes);
	free(both);
}

/* Changes of its content are made before finish_scene. */
static void begin_scene(struct scene *s, const char *folder, const struct target_kind *kind,
			size_t old_size, size_t new_size)
{
	*s = (struct scene){ .kind = kind,
			     .sizes = { old_size, new_size },
			     .policy.kind = TRANSHIP_POLICY_BESIDE };
	s->open = (struct tranship_open_options){ .format = kind->format, .policy = &s->policy };
	s->options = (struct tranship_apply_options){ .target = &s->open };
	place(s->target, folder, "target");
	place(s->delta, folder, "delta");
	place(s->journal, folder, "target.tranship-journal");
	place(s->note, folder, "target.tranship-note");
	make_contents(s, 5);
}

static void finish_scene(struct scene *s)
{
	delta_make(s->delta, s->content[0], s->sizes[0], s->content[1], s->sizes[1], NULL);
	target_make(s->kind, s->target, s->content[0], s->sizes[0]);
}

static void set_scene(struct scene *s, const char *folder, const struct target_kind *kind,
		      size_t old_size, size_t new_size)
{
	begin_scene(s, folder, kind, old_size, new_size);
	finish_scene(s);
}

static void end_scene(struct scene *s)
{
	free(s->content[0]);
	free(s->content[1]);
}

static int run_apply(struct scene *s)
{
	return tranship_apply(s->delta, s->target, &s->options, &s->result, &s->err);
}

static int run_undo(struct scene *s)
{
	return tranship_apply_undo(s->target, &s->options, &s->result, &s->err);
}

static void expect_version(const struct scene *s, unsigned version)
{
	chain_expect(s->target, &s->open, s->content[version], s->sizes[version]);
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static void expect_nothing_left(const struct scene *s)
{
	char partial[PATH_MAX + 10];

	snprintf(partial, sizeof(partial), "%s-partial", s->journal);
	assert_false(is_there(s->journal));
	assert_false(is_there(s->note));
	assert_false(is_there(partial));
}

/* All of the file's bytes, to see later whether one changed. */
struct bytes {
	unsigned char *bytes;
	size_t size;
};

static struct bytes bytes_of(const char *path)
{
	struct bytes b;

	b.bytes = read_path(path, &b.size);
	return b;
}

static void expect_same(const char *path, struct bytes *before)
{
	struct bytes now = bytes_of(path);

	assert_int_equal(now.size, before->size);
	assert_memory_equal(now.bytes, before->bytes, now.size);
	free(now.bytes);
	free(before->bytes);
}

/* Applies it on a medium that fails in the middle. */
static void leave_unfinished(struct scene *s)
{
	struct failing f;
	int rc;

	failing_init(&f, 0);
	/* That of the data of a raw target, behind two of its opening, the journal's and the
	 * note's; other targets do not come that far. */
	f.fail_sync = s->options.journal ? 9 : 8;
	rc = apply_on(&f.medium, s->delta, s->target, &s->options, &s->result, &s->err);
	assert_fails(rc, TRANSHIP_EIO, &s->err, "the target is unfinished");
	assert_true(is_there(s->journal));
	assert_true(is_there(s->note));
}

static void test_apply__every_kind_and_back(void **state)
{
	unsigned i;

	for (i = 0; i < TARGET_KINDS; i++) {
		const char *folder = path_in(*state, target_kinds[i].name);
		char before[40], after[40], parents[40];
		struct scene s;

		mkdir(folder, 0700);
		set_scene(&s, folder, &target_kinds[i], SIZE, SIZE);
		chain_identities(s.target, before, parents);
		s.options.keep_journal = true;
		assert_ok(run_apply(&s), &s.err);
		assert_false(s.result.nothing || s.result.resumed);
		assert_true(s.result.written >= 4 * KIB && s.result.written < SIZE);
		expect_version(&s, 1);
		chain_identities(s.target, after, parents);
		assert_int_equal(strcmp(before, after) == 0, *before == '\0');
		assert_true(is_there(s.journal));

		assert_ok(run_apply(&s), &s.err);
		assert_true(s.result.nothing);
		assert_true(is_there(s.journal));

		assert_ok(run_undo(&s), &s.err);
		expect_version(&s, 0);
		chain_identities(s.target, after, parents);
		assert_string_equal(before, after);
		expect_nothing_left(&s);
		assert_fails(run_undo(&s), TRANSHIP_EINVAL, &s.err, "there is no journal");

		s.options.keep_journal = false;
		assert_ok(run_apply(&s), &s.err);
		expect_version(&s, 1);
		expect_nothing_left(&s);
		end_scene(&s);
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
			set_scene(&s, path_in(*state, name), &target_kinds[kind], sizes[i][0],
				  sizes[i][1]);
			s.options.keep_journal = true;
			assert_ok(run_apply(&s), &s.err);
			expect_version(&s, 1);
			assert_ok(run_undo(&s), &s.err);
			expect_version(&s, 0);
			expect_nothing_left(&s);
			end_scene(&s);
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
		begin_scene(&s, folder, &target_kinds[i], SIZE, SIZE + 20 * KIB);
		merge_lineages(&s, folder);
		s.options.keep_journal = true;
		assert_ok(run_apply(&s), &s.err);
		expect_version(&s, 1);
		assert_ok(run_undo(&s), &s.err);
		expect_version(&s, 0);
		if (i == 0) { /* where each interruption is finished, and undone */
			leave_unfinished(&s);
			assert_ok(run_apply(&s), &s.err);
			expect_version(&s, 1);
			target_make(s.kind, s.target, s.content[0], s.sizes[0]);
			unlink(s.journal);
			leave_unfinished(&s);
			assert_ok(run_undo(&s), &s.err);
			expect_version(&s, 0);
		}
		expect_nothing_left(&s);
		end_scene(&s);
	}
}

static void test_apply__odd_sizes_of_raw(void **state)
{
	struct scene s;

	set_scene(&s, *state, raw_kind, 50 * KIB + 1, 41 * KIB + 4095);
	s.options.keep_journal = true;
	assert_ok(run_apply(&s), &s.err);
	expect_version(&s, 1);
	assert_ok(run_undo(&s), &s.err);
	expect_version(&s, 0);
	end_scene(&s);
}

/* A disk of whole sectors cannot become one that ends inside a sector. */
static void test_apply__odd_size_of_an_image(void **state)
{
	struct bytes before;
	struct scene s;

	set_scene(&s, *state, vhd_kind, SIZE, SIZE + 100);
	before = bytes_of(s.target);
	assert_fails(run_apply(&s), TRANSHIP_EUNSUPPORTED, &s.err, "cannot have");
	expect_same(s.target, &before);
	expect_nothing_left(&s);
	end_scene(&s);
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
	set_scene(&s, folder, &kind, 4096, 4096);
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
	assert_int_not_equal(run_apply(&s), 0);
	assert_non_null(strstr(s.err.message, message));
	assert_null(strstr(s.err.message, "unfinished"));
	expect_same(s.target, &before);
	expect_nothing_left(&s);
	end_scene(&s);
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
		begin_scene(&s, folder, &target_kinds[i], SIZE, SIZE);
		memset(s.content[0] + 3 * 4096, 'a', 4096);
		memset(s.content[1] + 3 * 4096, 'b', 4096);
		finish_scene(&s);
		s.content[0][3 * 4096 + 7] ^= 1;
		target_make(s.kind, s.target, s.content[0], s.sizes[0]);
		for (at = 0; memcmp(s.content[0] + at, s.content[1] + at, 4096) == 0;)
			at += 4096;
		assert_true(at <= 3 * 4096);
		before = bytes_of(s.target);
		assert_fails(run_apply(&s), TRANSHIP_EMISMATCH, &s.err, "the first that differ");
		snprintf(range, sizeof(range), "bytes %u to %u ", 3 * 4096, 4 * 4096);
		assert_non_null(strstr(s.err.message, range));
		expect_same(s.target, &before);
		expect_nothing_left(&s);
		end_scene(&s);
	}
}

/* As long as what the delta makes, but not it. */
static void test_apply__new_size_and_other_content(void **state)
{
	struct scene s;

	begin_scene(&s, *state, raw_kind, SIZE, 2 * SIZE);
	memset(s.content[0] + 8192, 'a', 4096);
	memset(s.content[1] + 8192, 'b', 4096);
	finish_scene(&s);
	s.content[1][8200] = 'c';
	target_make(raw_kind, s.target, s.content[1], 2 * SIZE);
	assert_fails(run_apply(&s), TRANSHIP_EMISMATCH, &s.err,
		     "bytes 8192 to 12288 are the first that differ");
	end_scene(&s);
}

static void test_apply__other_size(void **state)
{
	struct scene s;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	assert_int_equal(truncate(s.target, SIZE - 512), 0);
	assert_fails(run_apply(&s), TRANSHIP_EMISMATCH, &s.err, "the delta is for 98816");
	end_scene(&s);
}

static void test_apply__empty_delta(void **state)
{
	struct scene s;

	begin_scene(&s, *state, raw_kind, SIZE, SIZE);
	memcpy(s.content[1], s.content[0], SIZE);
	finish_scene(&s);
	assert_ok(run_apply(&s), &s.err);
	assert_true(s.result.nothing);
	end_scene(&s);
}

/* Only the size changes. */
static void test_apply__delta_of_a_size(void **state)
{
	struct scene s;

	begin_scene(&s, *state, raw_kind, SIZE, SIZE + 8192);
	memcpy(s.content[1], s.content[0], SIZE);
	memset(s.content[1] + SIZE, 0, 8192);
	finish_scene(&s);
	s.options.keep_journal = true;
	assert_ok(run_apply(&s), &s.err);
	assert_false(s.result.nothing);
	expect_version(&s, 1);
	assert_ok(run_undo(&s), &s.err);
	expect_version(&s, 0);
	end_scene(&s);
}

/* Half new without a journal is no base. */
static void test_apply__neither_version(void **state)
{
	struct scene s;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	memcpy(s.content[0] + SIZE / 2, s.content[1] + SIZE / 2, SIZE - SIZE / 2);
	target_make(raw_kind, s.target, s.content[0], SIZE);
	assert_fails(run_apply(&s), TRANSHIP_EMISMATCH, &s.err, "is not the base");
	expect_version(&s, 0);
	end_scene(&s);
}

static void test_apply__ids(void **state)
{
	struct tranship_diff_options diff = { .base_id = "monday", .target_id = "tuesday" };
	struct scene s;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	delta_make(s.delta, s.content[0], SIZE, s.content[1], SIZE, &diff);
	s.options.base_id = "sunday";
	assert_fails(run_apply(&s), TRANSHIP_EMISMATCH, &s.err, "the delta is for 'monday'");
	expect_version(&s, 0);
	s.options.base_id = "monday";
	assert_ok(run_apply(&s), &s.err);
	expect_version(&s, 1);
	end_scene(&s);
}

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

	begin_scene(&s, *state, vhd_kind, SIZE, SIZE);
	memset(s.content[0] + SIZE - 4096, 'x', 4096);
	memset(s.content[1] + SIZE - 4096, 'x', 4096);
	finish_scene(&s);
	s.options.verify = print_of(&s, path_in(*state, "print"), NULL);
	assert_ok(run_apply(&s), &s.err);
	expect_version(&s, 1);

	s.content[0][SIZE - 1] ^= 1; /* the delta does not touch it */
	target_make(vhd_kind, s.target, s.content[0], SIZE);
	before = bytes_of(s.target);
	assert_fails(run_apply(&s), TRANSHIP_EMISMATCH, &s.err, "not those of the fingerprint");
	expect_same(s.target, &before);
	expect_nothing_left(&s);
	s.options.verify = (tranship_fingerprint_close(s.options.verify), NULL);
	assert_ok(run_apply(&s), &s.err);
	end_scene(&s);
}

static void test_apply__fingerprint_of_another_version(void **state)
{
	struct tranship_diff_options diff = { .base_id = "monday" };
	struct scene s;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	delta_make(s.delta, s.content[0], SIZE, s.content[1], SIZE, &diff);
	s.options.verify = print_of(&s, path_in(*state, "print"), "sunday");
	assert_fails(run_apply(&s), TRANSHIP_EMISMATCH, &s.err, "the disk of the fingerprint");
	tranship_fingerprint_close(s.options.verify);
	end_scene(&s);
}

static void test_apply__unfinished_is_refused(void **state)
{
	struct tranship_check_result result[2];
	struct tranship_disk *disk;
	struct scene s;

	set_scene(&s, *state, vhd_kind, SIZE, SIZE);
	leave_unfinished(&s);
	assert_fails(tranship_open(s.target, &s.open, &disk, &s.err), TRANSHIP_EBUSY, &s.err,
		     "tranship apply --undo goes back");
	assert_int_equal(s.err.sys_errno, 0);
	assert_fails(tranship_resize(s.target, &s.open, 2 * SIZE, 0, &s.err), TRANSHIP_EBUSY,
		     &s.err, "applying a delta to it was interrupted");
	assert_ok(tranship_repair(s.target, &s.open, TRANSHIP_REPAIR_ERRORS, NULL, NULL, &result[0],
				  &result[1], NULL, &s.err),
		  &s.err);
	assert_int_equal(result[1].errors, 1);
	assert_ok(run_apply(&s), &s.err);
	assert_true(s.result.resumed);
	expect_version(&s, 1);
	expect_nothing_left(&s);
	end_scene(&s);
}

static void test_apply__another_delta_is_refused(void **state)
{
	struct bytes before;
	struct scene s;
	char *first;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	leave_unfinished(&s);
	first = strdup(s.delta);
	place(s.delta, *state, "other");
	delta_make(s.delta, s.content[1], SIZE, s.content[0], SIZE, NULL);
	before = bytes_of(s.target);
	assert_fails(run_apply(&s), TRANSHIP_EBUSY, &s.err, "applying another delta");
	expect_same(s.target, &before);
	strcpy(s.delta, first);
	free(first);
	assert_ok(run_undo(&s), &s.err);
	assert_true(s.result.resumed);
	expect_version(&s, 0);
	expect_nothing_left(&s);
	end_scene(&s);
}

/* What is half written may look like another format by then. */
static void test_apply__resumed_as_the_format_it_was(void **state)
{
	struct scene s;

	begin_scene(&s, *state, raw_kind, SIZE, SIZE);
	memset(s.content[0], 0, 4096);
	memset(s.content[1], 0, 4096);
	memcpy(s.content[1], "conectix", 8);
	finish_scene(&s);
	s.open.format = NULL;
	leave_unfinished(&s);
	assert_ok(run_apply(&s), &s.err);
	s.open.format = "raw";
	expect_version(&s, 1);
	end_scene(&s);
}

static void poke(const char *path, off_t at, unsigned char byte)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void test_apply__written_by_somebody_meanwhile(void **state)
{
	struct bytes before;
	struct scene s;

	begin_scene(&s, *state, raw_kind, SIZE, SIZE);
	memset(s.content[0] + 8192, 'a', 4096);
	memset(s.content[1] + 8192, 'b', 4096);
	finish_scene(&s);
	leave_unfinished(&s);
	poke(s.target, 8192 + 700, 'c');
	before = bytes_of(s.target);
	assert_fails(run_apply(&s), TRANSHIP_ECORRUPT, &s.err, "512 bytes of the target at 8704");
	assert_fails(run_undo(&s), TRANSHIP_ECORRUPT, &s.err, "something else wrote there");
	expect_same(s.target, &before);
	poke(s.target, 8192 + 700, 'a'); /* that sector is neither yet, but for this byte */
	memset(s.content[0] + 8192, 'a', 4096);
	assert_fails(run_apply(&s), TRANSHIP_ECORRUPT, &s.err, "at 8704");
	poke(s.target, 8192 + 700, 'b');
	assert_ok(run_apply(&s), &s.err);
	expect_version(&s, 1);
	end_scene(&s);
}

/* A block that was torn is told from one that was written. */
static void test_apply__torn_block(void **state)
{
	unsigned back;

	for (back = 0; back < 2; back++) {
		struct scene s;
		unsigned i;

		begin_scene(&s, *state, raw_kind, SIZE, SIZE);
		memset(s.content[0] + 8192, 'a', 4096);
		memset(s.content[1] + 8192, 'b', 4096);
		finish_scene(&s);
		leave_unfinished(&s);
		for (i = 0; i < 512; i++)
			poke(s.target, 8192 + 1024 + (off_t)i, 'a');
		assert_ok(back ? run_undo(&s) : run_apply(&s), &s.err);
		expect_version(&s, !back);
		expect_nothing_left(&s);
		end_scene(&s);
	}
}

static void test_undo__refused_when_written_since(void **state)
{
	struct bytes before;
	struct scene s;

	begin_scene(&s, *state, raw_kind, SIZE, SIZE);
	memset(s.content[0] + 8192, 'a', 4096);
	memset(s.content[1] + 8192, 'b', 4096);
	memset(s.content[0] + SIZE - 512, 'x', 512);
	memset(s.content[1] + SIZE - 512, 'x', 512);
	finish_scene(&s);
	s.options.keep_journal = true;
	assert_ok(run_apply(&s), &s.err);
	poke(s.target, SIZE - 100, 'y'); /* where the delta is not */
	before = bytes_of(s.target);
	assert_fails(run_undo(&s), TRANSHIP_EMISMATCH, &s.err, "was written since");
	expect_same(s.target, &before);
	end_scene(&s);
}

/* Even where the time of the file tells nothing. */
static void test_undo__refused_when_a_block_changed(void **state)
{
	struct timespec times[2];
	struct bytes before;
	struct stat st;
	struct scene s;

	begin_scene(&s, *state, raw_kind, SIZE, SIZE);
	memset(s.content[0] + 8192, 'a', 4096);
	memset(s.content[1] + 8192, 'b', 4096);
	finish_scene(&s);
	s.options.keep_journal = true;
	assert_ok(run_apply(&s), &s.err);
	assert_int_equal(stat(s.target, &st), 0);
	poke(s.target, 8192, 'c');
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, s.target, times, 0), 0);
	before = bytes_of(s.target);
	assert_fails(run_undo(&s), TRANSHIP_EMISMATCH, &s.err, "at 8192 to begin with");
	expect_same(s.target, &before);
	end_scene(&s);
}

static void test_undo__refused_after_another_change(void **state)
{
	struct scene s;

	set_scene(&s, *state, vhd_kind, SIZE, SIZE);
	s.options.keep_journal = true;
	assert_ok(run_apply(&s), &s.err);
	assert_ok(tranship_resize(s.target, &s.open, 2 * SIZE, 0, &s.err), &s.err);
	assert_fails(run_undo(&s), TRANSHIP_EMISMATCH, &s.err, "was written since");
	end_scene(&s);
}

static void test_apply__replaces_a_kept_journal(void **state)
{
	struct scene s;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	s.options.keep_journal = true;
	assert_ok(run_apply(&s), &s.err);
	delta_make(s.delta, s.content[1], SIZE, s.content[0], SIZE, NULL);
	assert_ok(run_apply(&s), &s.err);
	expect_version(&s, 0);
	assert_ok(run_undo(&s), &s.err);
	expect_version(&s, 1);
	expect_nothing_left(&s);
	end_scene(&s);
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
	set_scene(&s, *state, vhd_kind, SIZE, SIZE);
	s.options.journal = journal;
	place(s.journal, *state, "there/journal");
	leave_unfinished(&s);
	assert_fails(tranship_open(s.target, &s.open, &disk, &s.err), TRANSHIP_EBUSY, &s.err,
		     "there/journal");
	s.options.journal = NULL;
	assert_fails(run_apply(&s), TRANSHIP_EBUSY, &s.err, "there/journal");
	assert_fails(run_undo(&s), TRANSHIP_EBUSY, &s.err, "there/journal");
	s.options.journal = journal;
	assert_ok(run_undo(&s), &s.err);
	expect_version(&s, 0);
	expect_nothing_left(&s);
	end_scene(&s);
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
	set_scene(&s, folder, raw_kind, SIZE, SIZE);
	s.options.journal = "journal";
	place(s.journal, *state, "journal");
	leave_unfinished(&s);
	assert_int_equal(chdir(here), 0);
	assert_fails(tranship_open(s.target, &s.open, &disk, &s.err), TRANSHIP_EBUSY, &s.err,
		     s.journal);
	s.options.journal = NULL;
	assert_fails(run_undo(&s), TRANSHIP_EBUSY, &s.err, "if that is lost");
	assert_non_null(strstr(s.err.message, s.journal));
	s.options.journal = s.journal;
	assert_ok(run_undo(&s), &s.err);
	expect_version(&s, 0);
	end_scene(&s);
}

static void test_apply__journal_of_another_target(void **state)
{
	char *journal = strdup(path_in(*state, "journal"));
	struct scene s;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	s.options.journal = journal;
	place(s.journal, *state, "journal");
	leave_unfinished(&s);
	place(s.target, *state, "another");
	target_make(raw_kind, s.target, s.content[0], SIZE);
	assert_fails(run_apply(&s), TRANSHIP_EMISMATCH, &s.err, "to another file");
	assert_fails(run_undo(&s), TRANSHIP_EMISMATCH, &s.err, "to another file");
	expect_version(&s, 0);
	end_scene(&s);
	free(journal);
}

/* A journal that was kept is the only way back of who kept it. */
static void test_apply__kept_journal_of_another_target(void **state)
{
	char *journal = strdup(path_in(*state, "journal"));
	char first[PATH_MAX];
	struct bytes before;
	struct scene s;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	s.options.journal = journal;
	s.options.keep_journal = true;
	place(s.journal, *state, "journal");
	assert_ok(run_apply(&s), &s.err);
	before = bytes_of(s.journal);
	strcpy(first, s.target);
	place(s.target, *state, "another");
	target_make(raw_kind, s.target, s.content[0], SIZE);
	assert_fails(run_apply(&s), TRANSHIP_EMISMATCH, &s.err, "target', that is kept to go back");
	assert_fails(run_undo(&s), TRANSHIP_EMISMATCH, &s.err, "to another file");
	expect_version(&s, 0);
	expect_same(s.journal, &before);
	strcpy(s.target, first);
	assert_ok(run_undo(&s), &s.err);
	expect_version(&s, 0);
	end_scene(&s);
	free(journal);
}

static void test_apply__partial_that_is_in_the_way(void **state)
{
	static const unsigned char precious[] = "precious";
	char partial[PATH_MAX + 10];
	struct bytes before, target;
	struct scene s;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	snprintf(partial, sizeof(partial), "%s-partial", s.journal);
	write_path(partial, precious, sizeof(precious));
	before = bytes_of(partial);
	target = bytes_of(s.target);
	assert_fails(run_apply(&s), TRANSHIP_EBUSY, &s.err, "is there");
	expect_same(partial, &before);
	expect_same(s.target, &target);
	write_path(partial, (const unsigned char *)APPLY_MAGIC, 8); /* no head: too short */
	assert_fails(run_apply(&s), TRANSHIP_EBUSY, &s.err, "is there");
	write_path(partial, precious, 0); /* what a power loss leaves */
	assert_ok(run_apply(&s), &s.err);
	expect_version(&s, 1);
	expect_nothing_left(&s);
	end_scene(&s);
}

/* A partial journal is removed, but not while it is being written. */
static void test_apply__partial_of_another_run(void **state)
{
	unsigned char raw[APPLY_HEAD_SECTOR] = APPLY_MAGIC;
	char partial[PATH_MAX + 10];
	struct bytes target;
	int folder, file;
	struct scene s;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	snprintf(partial, sizeof(partial), "%s-partial", s.journal);
	write_path(partial, raw, sizeof(raw));
	assert_int_equal(medium_local.ops->open_folder(NULL, *state, &folder), 0);
	assert_ok(medium_local.ops->claim(NULL, folder, "target.tranship-journal-partial", &file,
					  &s.err),
		  &s.err);
	target = bytes_of(s.target);
	assert_fails(run_apply(&s), TRANSHIP_EBUSY, &s.err, "another run");
	expect_same(s.target, &target);
	assert_true(is_there(partial));
	medium_local.ops->close(NULL, file);
	medium_local.ops->close(NULL, folder);
	assert_ok(run_apply(&s), &s.err);
	expect_version(&s, 1);
	expect_nothing_left(&s);
	end_scene(&s);
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

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	i.where = s.journal;
	expect_intruder_kept(&s, &i);
	expect_nothing_left(&s);
	i.at_rename = true;
	expect_intruder_kept(&s, &i);
	assert_ok(run_apply(&s), &s.err);
	expect_nothing_left(&s);
	end_scene(&s);
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

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	leave_unbegun(&s);
	assert_ok(run_undo(&s), &s.err);
	assert_true(s.result.nothing);
	expect_nothing_left(&s);
	expect_version(&s, 0);

	/* Another delta is welcome, and so is what somebody wrote since. */
	leave_unbegun(&s);
	poke(s.target, SIZE - 7, 'x');
	s.content[0][SIZE - 7] = 'x';
	memcpy(s.content[1], s.content[0], SIZE);
	s.content[1][5] ^= 1;
	strcpy(first, s.delta);
	place(s.delta, *state, "other");
	delta_make(s.delta, s.content[0], SIZE, s.content[1], SIZE, NULL);
	assert_ok(run_apply(&s), &s.err);
	assert_false(s.result.resumed);
	expect_version(&s, 1);
	expect_nothing_left(&s);
	end_scene(&s);
}

/* A note that was lost is no reason to forget what was begun. */
static void test_apply__begun_without_a_note(void **state)
{
	struct scene s;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	leave_unfinished(&s);
	unlink(s.note);
	assert_ok(run_undo(&s), &s.err);
	assert_false(s.result.nothing);
	expect_version(&s, 0);
	expect_nothing_left(&s);
	end_scene(&s);
}

/* What a failed fsync left in memory reads as if it had been written. */
static void test_undo__writes_all_after_a_failed_fsync(void **state)
{
	uint64_t all;
	struct failing f;
	struct scene s;
	int rc;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	s.options.keep_journal = true;
	assert_ok(run_apply(&s), &s.err);
	all = s.result.written;
	failing_init(&f, 0);
	f.fail_sync = 8; /* that of the data: behind its opening's, the journal's, the note's and
			  * the mark's */
	rc = apply_undo_on(&f.medium, s.target, &s.options, &s.result, &s.err);
	assert_fails(rc, TRANSHIP_EIO, &s.err, "the target is unfinished");
	assert_int_equal(s.result.written, all);
	assert_ok(run_undo(&s), &s.err);
	assert_int_equal(s.result.written, all);
	expect_version(&s, 0);
	expect_nothing_left(&s);
	end_scene(&s);
}

/* Every part of the journal counts, and nothing is written by a journal that is not whole. */
static void test_apply__damaged_journal(void **state)
{
	struct bytes journal, before;
	struct scene s;
	size_t at;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	leave_unfinished(&s);
	journal = bytes_of(s.journal);
	for (at = 0; at < journal.size; at += at < 512 ? 3 : 131) {
		bool gap = at >= 512 && at < APPLY_HEAD_SIZE; /* nothing is there */
		unsigned back;

		poke(s.journal, (off_t)at, journal.bytes[at] ^ 0x10);
		for (back = 0; back < 2 && !gap; back++) {
			int rc;

			before = bytes_of(s.target);
			rc = back ? run_undo(&s) : run_apply(&s);
			/* The padding in front of the second delta is nothing, either. */
			if (rc == 0) {
				expect_version(&s, !back);
				free(before.bytes);
				end_scene(&s);
				set_scene(&s, *state, raw_kind, SIZE, SIZE);
				leave_unfinished(&s);
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
		assert_fails(run_undo(&s), TRANSHIP_ECORRUPT, &s.err, "journal");
		assert_fails(run_apply(&s), TRANSHIP_ECORRUPT, &s.err, "journal");
		expect_same(s.target, &before);
	}
	free(journal.bytes);
	end_scene(&s);
}

static void test_apply__image_with_a_parent(void **state)
{
	struct tranship_open_options base_options = { .format = "vpc" };
	struct chain_image child = { .format = "vpc", .size = SIZE, .hint = "target" };
	struct scene s;

	set_scene(&s, *state, vhd_kind, SIZE, SIZE);
	child.path = path_in(*state, "child");
	child.content = s.content[0];
	child.base = s.target;
	child.base_options = &base_options;
	chain_make(&child);
	place(s.target, *state, "child");
	assert_fails(run_apply(&s), TRANSHIP_EUNSUPPORTED, &s.err, "has a parent");
	end_scene(&s);
}

static void test_apply__children_of_the_old_version(void **state)
{
	struct chain_image child = { .format = "vpc", .size = SIZE, .hint = "target" };
	struct tranship_disk *disk;
	struct scene s;
	char path[PATH_MAX];

	set_scene(&s, *state, vhd_kind, SIZE, SIZE);
	place(path, *state, "child");
	child.path = path;
	child.content = s.content[1];
	child.base = s.target;
	child.base_options = &s.open;
	chain_make(&child);
	s.options.keep_journal = true;
	assert_ok(run_apply(&s), &s.err);
	assert_fails(tranship_open(path, &s.open, &disk, &s.err), TRANSHIP_EMISMATCH, &s.err,
		     "the parent wanted is");
	assert_ok(run_undo(&s), &s.err);
	chain_expect(path, &s.open, s.content[1], SIZE);
	end_scene(&s);
}

static void test_apply__unchangeable_image(void **state)
{
	static const struct target_kind stream = { "stream", "vmdk", "subformat=streamOptimized",
						   false };
	struct scene s;

	set_scene(&s, *state, &stream, SIZE, SIZE);
	assert_fails(run_apply(&s), TRANSHIP_EUNSUPPORTED, &s.err, "cannot be changed in place");
	end_scene(&s);
}

static void test_apply__target_in_use(void **state)
{
	struct tranship_disk *disk;
	struct scene s;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	assert_ok(tranship_open(s.target, &s.open, &disk, &s.err), &s.err);
	assert_fails(run_apply(&s), TRANSHIP_EBUSY, &s.err, "");
	tranship_disk_close(disk);
	assert_ok(run_apply(&s), &s.err);
	end_scene(&s);
}

static void test_apply__damaged_delta(void **state)
{
	struct bytes delta, before;
	struct scene s;
	size_t at;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
	delta = bytes_of(s.delta);
	for (at = 1; at < delta.size; at += 997) {
		before = bytes_of(s.target);
		poke(s.delta, (off_t)at, delta.bytes[at] ^ 1);
		assert_int_not_equal(run_apply(&s), 0);
		assert_non_null(strstr(s.err.message, "delta"));
		expect_same(s.target, &before);
		poke(s.delta, (off_t)at, delta.bytes[at]);
	}
	expect_nothing_left(&s);
	free(delta.bytes);
	end_scene(&s);
}

/* Each call of the medium fails once: the target is old, new, or refused until the work is ended,
 * by either way. */
static void sweep_medium(const char *folder, const struct target_kind *kind, bool back, bool end)
{
	unsigned n;

	for (n = 1;; n++) {
		struct tranship_disk *disk;
		struct failing f;
		struct scene s;
		int rc, opened;

		set_scene(&s, folder, kind, 40 * KIB, 48 * KIB);
		s.options.copy.threads = 1;
		s.options.keep_journal = back;
		if (back)
			assert_ok(run_apply(&s), &s.err);
		failing_init(&f, n);
		rc = back ? apply_undo_on(&f.medium, s.target, &s.options, &s.result, &s.err)
			  : apply_on(&f.medium, s.delta, s.target, &s.options, &s.result, &s.err);
		if (!f.failed) {
			assert_ok(rc, &s.err);
			end_scene(&s);
			assert_true(n > 20);
			return;
		}
		opened = tranship_open(s.target, &s.open, &disk, &s.err);
		if (opened == 0)
			tranship_disk_close(disk);
		else
			assert_int_equal(opened, TRANSHIP_EBUSY);
		rc = end ? run_undo(&s) : run_apply(&s);
		if (end && rc == TRANSHIP_EINVAL) { /* it did not begin, or was through */
			assert_int_equal(opened, 0);
		} else {
			assert_ok(rc, &s.err);
			expect_version(&s, !end);
		}
		assert_false(is_there(s.note));
		unlink(s.journal);
		end_scene(&s);
	}
}

static void test_apply__failing_medium(void **state)
{
	sweep_medium(*state, raw_kind, false, false);
	sweep_medium(*state, raw_kind, false, true);
	sweep_medium(*state, vhd_kind, false, false);
	sweep_medium(*state, vhd_kind, false, true);
}

static void test_undo__failing_medium(void **state)
{
	sweep_medium(*state, raw_kind, true, false);
	sweep_medium(*state, raw_kind, true, true);
	sweep_medium(*state, vhd_kind, true, true);
}

/* A full disk, wherever it shows before the target is touched, leaves it as it was. */
static void test_apply__no_room_for_the_journal(void **state)
{
	unsigned n;

	for (n = 1; n < 8; n++) {
		struct bytes before;
		struct failing f;
		struct scene s;

		set_scene(&s, *state, raw_kind, SIZE, SIZE);
		failing_init(&f, 0);
		f.fail_write = n;
		before = bytes_of(s.target);
		assert_fails(apply_on(&f.medium, s.delta, s.target, &s.options, &s.result, &s.err),
			     TRANSHIP_EIO, &s.err, "No space left");
		expect_same(s.target, &before);
		expect_nothing_left(&s);
		end_scene(&s);
	}
}

/* A medium with little room left, as it says. */
static uint64_t little_room;

static int little_info(void *ctx, int file, struct medium_info *out)
{
	int sys = medium_local.ops->info(ctx, file, out);

	out->room = little_room;
	return sys;
}

static void test_apply__no_room_for_the_data(void **state)
{
	struct medium_ops ops = *medium_local.ops;
	struct medium medium = { &ops, NULL };
	struct bytes before;
	struct scene s;
	unsigned i;

	for (i = 0; i < TARGET_KINDS; i++) {
		if (target_kinds[i].small_vhd) /* not one of this size */
			continue;
		begin_scene(&s, path_in(*state, target_kinds[i].name), &target_kinds[i], 4 * MIB,
			    4 * MIB);
		mkdir(path_in(*state, target_kinds[i].name), 0700);
		memset(s.content[0] + MIB, 0, 2 * MIB);
		memset(s.content[1] + MIB, 'n', 2 * MIB);
		finish_scene(&s);
		if (s.kind->format[0] == 'r') { /* a hole */
			int fd = open(s.target, O_WRONLY | O_CLOEXEC);

			assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
						   MIB, 2 * MIB),
					 0);
			close(fd);
		}
		ops.info = little_info;
		little_room = 2 * MIB;
		before = bytes_of(s.target);
		assert_fails(apply_on(&medium, s.delta, s.target, &s.options, &s.result, &s.err),
			     TRANSHIP_EIO, &s.err, "bytes of room are needed");
		assert_int_equal(s.err.sys_errno, ENOSPC);
		expect_same(s.target, &before);
		expect_nothing_left(&s);
		little_room = 4 * MIB;
		assert_ok(apply_on(&medium, s.delta, s.target, &s.options, &s.result, &s.err),
			  &s.err);
		expect_version(&s, 1);
		end_scene(&s);
	}
}

/* What is only replaced needs none. */
static void test_apply__room_is_not_asked_for_in_vain(void **state)
{
	struct medium_ops ops = *medium_local.ops;
	struct medium medium = { &ops, NULL };
	struct scene s;

	begin_scene(&s, *state, raw_kind, 4 * MIB, 4 * MIB);
	memset(s.content[0], 'o', 4 * MIB);
	memset(s.content[1], 'n', 4 * MIB);
	finish_scene(&s);
	ops.info = little_info;
	little_room = 4096;
	assert_ok(apply_on(&medium, s.delta, s.target, &s.options, &s.result, &s.err), &s.err);
	expect_version(&s, 1);
	end_scene(&s);
}

/* Where zeros are written, or punched, and data. */
static struct {
	bool back, zeroed;
	unsigned punched;
} order;

static int ordered_punch(void *ctx, int file, uint64_t off, uint64_t len)
{
	order.zeroed = true;
	order.punched++;
	return medium_local.ops->punch(ctx, file, off, len);
}

static int ordered_write(void *ctx, int file, uint64_t off, const void *buf, size_t len)
{
	const unsigned char *bytes = buf;

	if (len >= 4096 && len % 4096 == 0 && bytes_are_zero(bytes, len))
		order.zeroed = true;
	else if (len >= 4096 && len % 4096 == 0) /* the journal has other lengths */
		assert_int_equal(order.zeroed, order.back);
	return medium_local.ops->write(ctx, file, off, buf, len);
}

/* Zeros come last, and where it goes back first, and there they give room back. */
static void test_undo__gives_room_back_first(void **state)
{
	struct medium_ops ops = *medium_local.ops;
	struct medium medium = { &ops, NULL };
	struct medium_info info;
	struct scene s;
	int fd;

	begin_scene(&s, *state, raw_kind, 4 * MIB, 4 * MIB);
	memset(s.content[0], 0, 4 * MIB);
	memset(s.content[1], 0, 4 * MIB);
	memset(s.content[0], 'o', MIB);
	memset(s.content[1] + MIB, 'n', 2 * MIB);
	memset(s.content[0] + 3 * MIB, 'o', MIB);
	memset(s.content[1] + 3 * MIB, 'n', MIB);
	finish_scene(&s);
	ops.write = ordered_write;
	ops.punch = ordered_punch;
	s.options.keep_journal = true;
	order.back = order.zeroed = false;
	assert_ok(apply_on(&medium, s.delta, s.target, &s.options, &s.result, &s.err), &s.err);
	assert_true(order.zeroed && order.punched == 0);
	expect_version(&s, 1);
	order.back = true;
	order.zeroed = false;
	assert_ok(apply_undo_on(&medium, s.target, &s.options, &s.result, &s.err), &s.err);
	assert_true(order.punched > 0);
	expect_version(&s, 0);
	fd = open(s.target, O_RDONLY | O_CLOEXEC);
	assert_int_equal(medium_local.ops->info(NULL, fd, &info), 0);
	assert_true(info.allocated <= 2 * MIB + 64 * KIB);
	close(fd);
	end_scene(&s);
}

/* Each allocation fails once. */
static void test_apply__failing_allocations(void **state)
{
	unsigned long n;
	struct scene s;

	if (!HEAP_WATCHED)
		return;
	set_scene(&s, *state, raw_kind, 40 * KIB, 40 * KIB);
	assert_ok(run_apply(&s), &s.err); /* libcrypto keeps what it needs once */
	end_scene(&s);
	for (n = 1;; n++) {
		struct heap_seen seen;
		int rc;

		set_scene(&s, *state, vhd_kind, 40 * KIB, 40 * KIB);
		s.options.copy.threads = 1;
		heap_watch(n, false);
		rc = run_apply(&s);
		seen = heap_unwatch();
		/* libcrypto keeps the errors that it saw. */
		assert_true(seen.held == 0 || strstr(s.err.message, "libcrypto"));
		assert_true(seen.failed || rc == 0);
		assert_true(rc == 0 || rc == TRANSHIP_ENOMEM);
		if (rc && is_there(s.note)) {
			heap_watch(n % 40, false); /* it may fail again */
			rc = n % 2 ? run_undo(&s) : run_apply(&s);
			seen = heap_unwatch();
			assert_true(seen.held == 0 || strstr(s.err.message, "libcrypto"));
		}
		assert_ok(run_apply(&s), &s.err);
		expect_version(&s, 1);
		expect_nothing_left(&s);
		end_scene(&s);
		if (!seen.failed && rc == 0 && n > 100)
			return;
	}
}

static void test_apply__from_a_pipe(void **state)
{
	struct scene s;
	char fifo[PATH_MAX];
	struct bytes delta;
	pid_t child;

	set_scene(&s, *state, raw_kind, SIZE, SIZE);
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
	assert_ok(run_apply(&s), &s.err);
	expect_version(&s, 1);
	free(delta.bytes);
	end_scene(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
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
		IN_FOLDER(test_apply__verified_by_a_fingerprint),
		IN_FOLDER(test_apply__fingerprint_of_another_version),
		IN_FOLDER(test_apply__unfinished_is_refused),
		IN_FOLDER(test_apply__another_delta_is_refused),
		IN_FOLDER(test_apply__resumed_as_the_format_it_was),
		IN_FOLDER(test_apply__written_by_somebody_meanwhile),
		IN_FOLDER(test_apply__torn_block),
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
		IN_FOLDER(test_apply__image_with_a_parent),
		IN_FOLDER(test_apply__children_of_the_old_version),
		IN_FOLDER(test_apply__unchangeable_image),
		IN_FOLDER(test_apply__target_in_use),
		IN_FOLDER(test_apply__damaged_delta),
		IN_FOLDER(test_apply__failing_medium),
		IN_FOLDER(test_undo__failing_medium),
		IN_FOLDER(test_apply__no_room_for_the_journal),
		IN_FOLDER(test_apply__no_room_for_the_data),
		IN_FOLDER(test_apply__room_is_not_asked_for_in_vain),
		IN_FOLDER(test_undo__gives_room_back_first),
		IN_FOLDER(test_apply__failing_allocations),
		IN_FOLDER(test_apply__from_a_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
