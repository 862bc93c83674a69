// SPDX-License-Identifier: Apache-2.0
/* Changes in place: what a transaction is, what is refused, devices, notes, real files. */
#include "edited.h"

#include "heap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a transaction is. */

/* Random calls on a file that is edited, beside a copy in memory that does the same. */
static void test_edit__reads_what_was_written(void **state)
{
	static unsigned char model[200 * 1024], piece[9000], back[200 * 1024];
	struct recording *rec = make_disk();
	struct edit *e = open_disk(rec);
	struct tranship_file *file = edit_file(e);
	struct rng rng = { 11 };
	struct tranship_error err;
	size_t size = SIZE, step;

	(void)state;
	memcpy(model, initial, SIZE);
	for (step = 0; step < 3000; step++) {
		size_t off = rng_below(&rng, sizeof(model) - sizeof(piece));
		size_t len = 1 + rng_below(&rng, sizeof(piece) - 1);
		unsigned what = (unsigned)rng_below(&rng, 10);

		rng_fill(&rng, piece, len);
		if (what < 4) {
			assert_ok(file_write(file, off, piece, len, &err), &err);
			memcpy(model + off, piece, len);
			size = off + len > size ? off + len : size;
		} else if (what < 6) {
			assert_ok(file_zero(file, off, len, &err), &err);
			memset(model + off, 0, len);
			size = off + len > size ? off + len : size;
		} else if (what < 8) {
			int rc = file_resize(file, off, &err);

			if (rc == TRANSHIP_ELIMIT)
				continue;
			assert_ok(rc, &err);
			if (off < size)
				memset(model + off, 0, size - off);
			size = off;
		} else if (what < 9) {
			int rc = edit_write_free(e, off, piece, len, &err);

			if (rc == TRANSHIP_EINVAL)
				continue;
			assert_ok(rc, &err);
			memcpy(model + off, piece, len);
			size = off + len > size ? off + len : size;
		} else {
			assert_ok(edit_apply(e, &err), &err);
			assert_false(edit_pending(e));
		}
		assert_int_equal(tranship_file_size(file), size);
		assert_ok(tranship_file_read(file, 0, back, size, &err), &err);
		assert_memory_equal(back, model, size);
	}
	assert_ok(edit_apply(e, &err), &err);
	edit_close(e);
	assert_memory_equal(recording_get(rec, "disk", &size), model, size);
	recording_free(rec);
}

static void test_edit__what_is_not_applied_is_dropped(void **state)
{
	struct recording *rec = make_disk();
	struct edit *e = open_disk(rec);
	struct tranship_file *view;
	unsigned char back[800];
	struct tranship_error err;

	(void)state;
	assert_ok(change(e, &err), &err);
	assert_ok(edit_write_free(e, SIZE + 100, "tail", 4, &err), &err);
	assert_true(edit_pending(e));
	assert_ok(edit_view(e, &view, &err), &err);
	assert_int_equal(tranship_file_size(view), SIZE + 104);
	assert_ok(tranship_file_read(view, 5 * PAGE, back, 800, &err), &err);
	assert_memory_equal(back, changed + 5 * PAGE, 800);
	tranship_file_close(view);
	edit_close(e);
	assert_true(disk_is(rec, initial));
	recording_free(rec);
}

/* Pages that are written as they were cost no journal. */
static void test_edit__nothing_changed_nothing_written(void **state)
{
	struct recording *rec = make_disk();
	struct edit *e = open_disk(rec);
	size_t before = recording_length(rec);
	struct tranship_error err;

	(void)state;
	assert_ok(file_write(edit_file(e), 100, initial + 100, 9000, &err), &err);
	assert_ok(edit_apply(e, &err), &err);
	assert_int_equal(recording_length(rec), before);
	edit_close(e);
	recording_free(rec);
}

static void test_edit__bounds(void **state)
{
	static unsigned char big[200 * 1024];
	struct recording *rec = recording_new();
	struct edit_params params = { .medium = recording_medium(rec), .memory_max = 20 * PAGE };
	struct tranship_error err;
	struct edit *e;

	(void)state;
	recording_put(rec, "disk", big, sizeof(big));
	assert_ok(edit_open("disk", &params, &e, &err), &err);
	assert_fails(file_write(edit_file(e), 0, initial, 21 * PAGE, &err), TRANSHIP_ELIMIT, &err,
		     "more than 80 KiB");
	assert_ok(edit_apply(e, &err), &err); /* the pages that it held are as they were */
	assert_ok(file_write(edit_file(e), 0, initial, 6 * PAGE, &err), &err);
	assert_fails(file_resize(edit_file(e), sizeof(big) - EDIT_CUT_MAX - 1, &err),
		     TRANSHIP_ELIMIT, &err, "65537 were asked for");
	assert_fails(file_resize(edit_file(e), (uint64_t)1 << 63, &err), TRANSHIP_ELIMIT, &err,
		     "long");
	assert_fails(edit_write_free(e, INT64_MAX, "x", 1, &err), TRANSHIP_ELIMIT, &err, "past");
	assert_fails(edit_truncate(e, 5, &err), TRANSHIP_EINVAL, &err, "nothing pending");
	assert_ok(edit_apply(e, &err), &err);
	assert_fails(edit_truncate(e, sizeof(big) + 1, &err), TRANSHIP_EINVAL, &err, "shorter");
	assert_ok(edit_truncate(e, 5, &err), &err);
	assert_int_equal(tranship_file_size(edit_file(e)), 5);
	edit_close(e);
	recording_free(rec);
}

static void test_edit__memory_runs_out(void **state)
{
	bool failed = true, found;
	unsigned long n;

	(void)state;
	if (!HEAP_WATCHED)
		skip();
	for (n = 1; failed; n++) {
		const char *path = path_in(*state, "disk");
		struct edit_params params = { 0 };
		struct heap_seen seen;
		struct tranship_error err;
		struct edit *e;
		int rc;

		write_path(path, initial, SIZE);
		heap_watch(n, false);
		rc = edit_open(path, &params, &e, &err);
		if (rc == 0)
			rc = change(e, &err);
		if (rc == 0)
			rc = edit_apply(e, &err);
		edit_close(e);
		seen = heap_unwatch();
		failed = seen.failed;
		assert_int_equal(seen.held, 0);
		assert_int_equal(rc, failed ? TRANSHIP_ENOMEM : 0);
		assert_ok(edit_recover(path, &params, &found, &err), &err);
		assert_int_equal(count_entries(*state), 1);
	}
	assert_true(n > 5);
}

/* Devices and notes. */

static void test_edit__device(void **state)
{
	struct recording *rec = make_disk();
	struct edit_params params = { .medium = recording_medium(rec) };
	struct tranship_error err;
	struct edit *e;
	char text[EDIT_NOTE_MAX + 1];
	uint32_t kind;
	size_t size;
	bool found;

	(void)state;
	recording_faults(rec)->device = true;
	assert_fails(edit_open("/dev/disk", &params, &e, &err), TRANSHIP_EINVAL, &err, "journal");
	params.journal_path = "/var/lib/disk.journal";
	params.with_note = true;
	assert_ok(edit_open("/dev/disk", &params, &e, &err), &err);
	assert_fails(file_resize(edit_file(e), SIZE - 1, &err), TRANSHIP_EINVAL, &err, "device");
	assert_fails(file_write(edit_file(e), SIZE, "x", 1, &err), TRANSHIP_EINVAL, &err, "device");
	assert_fails(edit_write_free(e, SIZE, "x", 1, &err), TRANSHIP_EINVAL, &err, "device");
	assert_fails(edit_truncate(e, 1, &err), TRANSHIP_EINVAL, &err, "device");
	assert_ok(edit_note_write(e, EDIT_NOTE_COMMIT, "on with it", &err), &err);
	assert_non_null(recording_get(rec, "disk.journal" NOTE_SUFFIX, &size));
	assert_ok(edit_note_read(e, &found, &kind, text, &err), &err);
	assert_true(found && kind == EDIT_NOTE_COMMIT && strcmp(text, "on with it") == 0);
	assert_ok(change(e, &err), &err);
	recording_faults(rec)->calls = 0;
	recording_faults(rec)->fail_at = 12; /* in the target */
	recording_faults(rec)->for_good = true;
	assert_int_equal(edit_apply(e, &err), TRANSHIP_EIO);
	recording_faults(rec)->fail_at = 0;
	edit_close(e);
	assert_non_null(recording_get(rec, "disk.journal", &size));
	assert_ok(edit_recover("/dev/disk", &params, &found, &err), &err);
	assert_true(found && disk_is(rec, initial));
	recording_free(rec);
}

static void test_edit__a_note_stands(void **state)
{
	struct recording *rec = make_disk();
	struct edit_params params = { .medium = recording_medium(rec) };
	struct edit *e = open_disk(rec);
	struct tranship_error err;
	char text[EDIT_NOTE_MAX + 2] = "";

	(void)state;
	memset(text, 'a', EDIT_NOTE_MAX + 1);
	assert_fails(edit_note_write(e, EDIT_NOTE_COMMIT, text, &err), TRANSHIP_ELIMIT, &err,
		     "4097");
	text[EDIT_NOTE_MAX] = '\0';
	assert_ok(edit_note_write(e, EDIT_NOTE_COMMIT, text, &err), &err);
	assert_ok(edit_note_write(e, EDIT_NOTE_COMMIT, "commit\tagain", &err), &err);
	edit_close(e);
	assert_fails(edit_open("disk", &params, &e, &err), TRANSHIP_EBUSY, &err,
		     "commit\\x09again");
	recording_flip(rec, "disk" NOTE_SUFFIX, JOURNAL_HEADER + 3, 1);
	assert_fails(edit_open("disk", &params, &e, &err), TRANSHIP_ECORRUPT, &err, "damaged");
	recording_free(rec);
}

/* Real files. */

static void test_check__refuses_while_a_journal_stands(void **state)
{
	const char *path = path_in(*state, "disk"), *link = path_in(*state, "link");
	const char *journal = path_in(*state, "disk" JOURNAL_SUFFIX);
	struct tranship_error err;
	int fd, folder;

	write_path(path, initial, SIZE);
	assert_int_equal(symlink("disk", link), 0);
	fd = open(path, O_RDONLY);
	folder = open(*state, O_RDONLY);
	assert_ok(journal_check(path, &err), &err);
	assert_ok(journal_check(link, &err), &err);
	assert_ok(journal_check_fd(fd, &err), &err);
	assert_ok(journal_check(path_in(*state, "nothing"), &err), &err);
	write_path(journal, "", 0);
	assert_fails(journal_check(path, &err), TRANSHIP_EBUSY, &err, "'check -r all'");
	assert_int_equal(err.sys_errno, 0);
	assert_fails(journal_check(link, &err), TRANSHIP_EBUSY, &err, "interrupted");
	assert_fails(journal_check_fd(fd, &err), TRANSHIP_EBUSY, &err, "interrupted");
	assert_fails(journal_check_at(folder, "disk", &err), TRANSHIP_EBUSY, &err, "interrupted");
	assert_fails(journal_check_at(folder, "link", &err), TRANSHIP_EBUSY, &err, "interrupted");
	assert_ok(edit_recover(link, &(struct edit_params){ 0 }, NULL, &err), &err);
	assert_ok(journal_check(path, &err), &err);
	close(fd);
	close(folder);
}

static void test_check__tells_the_note(void **state)
{
	const char *path = path_in(*state, "disk");
	struct edit_params params = { .with_note = true };
	struct tranship_error err;
	struct edit *e;

	write_path(path, initial, SIZE);
	assert_ok(edit_open(path, &params, &e, &err), &err);
	assert_ok(edit_note_write(e, EDIT_NOTE_COMMIT, "commit top.vhdx again", &err), &err);
	assert_fails(journal_check(path, &err), TRANSHIP_EBUSY, &err, "commit top.vhdx again");
	assert_ok(edit_note_write(e, EDIT_NOTE_COMMIT, "'b\\c'\033 \"d\"", &err), &err);
	assert_fails(journal_check(path, &err), TRANSHIP_EBUSY, &err, "'b\\c'\\x1b \"d\"");
	assert_ok(edit_note_remove(e, &err), &err);
	assert_ok(journal_check(path, &err), &err);
	edit_close(e);
	write_path(path_in(*state, "disk" NOTE_SUFFIX), "x", 1);
	assert_fails(journal_check(path, &err), TRANSHIP_EBUSY, &err, "cannot be read");
}

/* Another file took the name, or a copy was made of all of it. */
static void test_check__of_another_file(void **state)
{
	const char *path = path_in(*state, "disk"), *other = path_in(*state, "other");
	struct edit_params params = { .with_note = true };
	struct journal_header h = { .ino = 1 };
	unsigned char raw[JOURNAL_HEADER];
	struct tranship_error err;
	struct edit *e;

	write_path(path, initial, SIZE);
	assert_ok(edit_open(path, &params, &e, &err), &err);
	assert_ok(edit_note_write(e, EDIT_NOTE_APPLY, "apply it again", &err), &err);
	edit_close(e);
	write_path(other, initial, SIZE);
	assert_int_equal(rename(other, path), 0);
	assert_fails(journal_check(path, &err), TRANSHIP_EBUSY, &err,
		     "applying a delta to it was interrupted, of another file: if this one "
		     "replaced that, remove 'disk.tranship-note'");
	assert_fails(edit_open(path, &params, &e, &err), TRANSHIP_EMISMATCH, &err,
		     "remove the note");
	unlink(path_in(*state, "disk" NOTE_SUFFIX));
	journal_header_encode(&h, raw);
	write_path(path_in(*state, "disk" JOURNAL_SUFFIX), raw, sizeof(raw));
	assert_fails(journal_check(path, &err), TRANSHIP_EBUSY, &err,
		     "remove 'disk.tranship-pages'");
}

/* Who comes by another name finds no journal. */
static void test_edit__several_names(void **state)
{
	const char *path = path_in(*state, "disk"), *other = path_in(*state, "other");
	struct edit_params params = { 0 }, with_note = { .with_note = true };
	struct tranship_error err;
	struct edit *e;

	write_path(path, initial, SIZE);
	assert_int_equal(link(path, other), 0);
	assert_fails(edit_open(path, &params, &e, &err), TRANSHIP_EUNSUPPORTED, &err, "2 names");
	assert_fails(edit_open(other, &with_note, &e, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "2 names");
	assert_int_equal(count_entries(*state), 2);
	assert_ok(edit_recover(path, &params, NULL, &err), &err);
	/* What was begun before is brought to an end. */
	write_path(path_in(*state, "disk" JOURNAL_SUFFIX), "", 0);
	assert_fails(edit_open(path, &params, &e, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "was undone, but the file has 2 names");
	assert_int_equal(count_entries(*state), 2);
	unlink(other);
	assert_ok(edit_open(path, &params, &e, &err), &err);
	assert_ok(edit_note_write(e, EDIT_NOTE_COMMIT, "again", &err), &err);
	edit_close(e);
	assert_int_equal(link(path, other), 0);
	assert_fails(edit_open(path, &params, &e, &err), TRANSHIP_EBUSY, &err, "again");
	assert_ok(edit_open(path, &with_note, &e, &err), &err);
	assert_ok(edit_note_remove(e, &err), &err);
	edit_close(e);
}

static void open_two(const char *main_path, const char *part_path, bool with_note, struct edit **e,
		     struct edit **part)
{
	struct edit_params params = { .with_note = with_note }, as_part = { .part = true };
	struct tranship_error err;

	assert_ok(edit_open(main_path, &params, e, &err), &err);
	assert_ok(edit_open(part_path, &as_part, part, &err), &err);
}

/* Of an image that has a second file, whatever note is missing or too many. */
static void test_edit__notes_of_parts(void **state)
{
	const char *path = path_in(*state, "disk"), *extent = path_in(*state, "extent");
	const char *note = path_in(*state, "disk" NOTE_SUFFIX);
	const char *part_note = path_in(*state, "extent" NOTE_SUFFIX);
	struct edit_params params = { .with_note = true };
	struct tranship_error err;
	struct edit *e, *part;

	write_path(path, initial, SIZE);
	write_path(extent, initial, SIZE);
	open_two(path, extent, false, &e, &part);
	assert_ok(edit_join(e, part, &err), &err);
	assert_ok(edit_note_write(e, EDIT_NOTE_APPLY, "apply it again", &err), &err);
	assert_fails(journal_check(extent, &err), TRANSHIP_EBUSY, &err, "the note of 'disk'");
	assert_ok(edit_note_remove(e, &err), &err);
	assert_int_equal(count_entries(*state), 2);
	assert_ok(edit_note_write(e, EDIT_NOTE_APPLY, "apply it again", &err), &err);
	edit_close(part);
	edit_close(e);
	assert_fails(edit_open(extent, &params, &e, &err), TRANSHIP_EBUSY, &err,
		     "the note of 'disk'");

	assert_int_equal(unlink(part_note), 0);
	open_two(path, extent, true, &e, &part);
	assert_ok(edit_join(e, part, &err), &err);
	assert_int_equal(access(part_note, F_OK), 0);
	edit_close(part);
	edit_close(e);

	assert_int_equal(unlink(note), 0);
	open_two(path, extent, false, &e, &part);
	assert_ok(edit_join(e, part, &err), &err);
	assert_int_equal(count_entries(*state), 2);
	/* Of another image. */
	assert_ok(edit_note_write(e, EDIT_NOTE_APPLY, "apply it again", &err), &err);
	edit_close(part);
	edit_close(e);
	write_path(path_in(*state, "copy"), initial, SIZE);
	open_two(path_in(*state, "copy"), extent, false, &e, &part);
	assert_fails(edit_join(e, part, &err), TRANSHIP_EBUSY, &err, "the note of 'disk'");
	edit_close(part);
	edit_close(e);
}

static void test_edit__opens_files_and_nothing_else(void **state)
{
	const char *path = path_in(*state, "disk"), *link = path_in(*state, "link");
	struct edit_params params = { 0 }, elsewhere = { .journal_path = "/tmp/x" };
	struct tranship_error err;
	struct edit *e, *second;
	struct stat st;

	write_path(path, initial, SIZE);
	assert_int_equal(symlink("disk", link), 0);
	assert_int_equal(mkfifo(path_in(*state, "pipe"), 0600), 0);
	assert_fails(edit_open(path_in(*state, "pipe"), &params, &e, &err), TRANSHIP_EINVAL, &err,
		     "neither a regular file");
	assert_fails(edit_open("/dev/null", &params, &e, &err), TRANSHIP_EINVAL, &err, "neither");
	assert_fails(edit_open(*state, &params, &e, &err), TRANSHIP_EIO, &err, "directory");
	assert_fails(edit_open(path_in(*state, "none"), &params, &e, &err), TRANSHIP_EIO, &err,
		     "No such");
	assert_fails(edit_open(path, &elsewhere, &e, &err), TRANSHIP_EINVAL, &err, "beside it");
	assert_ok(edit_open(link, &params, &e, &err), &err);
	assert_fails(edit_open(path, &params, &second, &err), TRANSHIP_EBUSY, &err, "open");
	assert_ok(change(e, &err), &err);
	assert_ok(edit_apply(e, &err), &err);
	edit_close(e);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(count_entries(*state), 3);
	assert_ok(edit_open(path, &params, &e, &err), &err);
	assert_ok(tranship_file_read(edit_file(e), 0, initial, 1, &err), &err);
	edit_close(e);
}

/* The file system takes no more: the journal goes, the file stays. */
static void test_edit__a_limit_of_the_system(void **state)
{
	static unsigned char bytes[SIZE];
	const char *path = path_in(*state, "disk");
	struct rlimit old, small;
	struct tranship_error err;
	struct edit *e;
	size_t size;
	unsigned char *now;
	int rc;

	memcpy(bytes, initial, SIZE);
	write_path(path, bytes, SIZE);
	assert_ok(edit_open(path, &(struct edit_params){ 0 }, &e, &err), &err);
	assert_ok(change(e, &err), &err);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = (struct rlimit){ 9000, old.rlim_max };
	setrlimit(RLIMIT_FSIZE, &small);
	rc = edit_apply(e, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_fails(rc, TRANSHIP_EIO, &err, "the journal");
	assert_int_equal(err.sys_errno, EFBIG);
	assert_int_equal(count_entries(*state), 1);
	now = read_path(path, &size);
	assert_int_equal(size, SIZE);
	assert_memory_equal(now, bytes, SIZE);
	free(now);
	edit_close(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edit__reads_what_was_written),
		cmocka_unit_test(test_edit__what_is_not_applied_is_dropped),
		cmocka_unit_test(test_edit__nothing_changed_nothing_written),
		cmocka_unit_test(test_edit__bounds),
		IN_FOLDER(test_edit__memory_runs_out),
		cmocka_unit_test(test_edit__device),
		cmocka_unit_test(test_edit__a_note_stands),
		IN_FOLDER(test_check__refuses_while_a_journal_stands),
		IN_FOLDER(test_check__tells_the_note),
		IN_FOLDER(test_check__of_another_file),
		IN_FOLDER(test_edit__several_names),
		IN_FOLDER(test_edit__notes_of_parts),
		IN_FOLDER(test_edit__opens_files_and_nothing_else),
		IN_FOLDER(test_edit__a_limit_of_the_system),
	};

	return cmocka_run_group_tests(tests, edited_content, NULL);
}
