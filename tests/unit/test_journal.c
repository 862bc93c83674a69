// SPDX-License-Identifier: Apache-2.0
/* Changes in place: what a transaction is, what is refused, and what happens when a call fails. */
#include "recording.h"

#include "heap.h"
#include "io/edit.h"
#include "io/file_local.h"
#include "io/journal.h"
#include "io/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096U
#define SIZE (6 * PAGE + 300)

static unsigned char initial[SIZE], changed[SIZE];

/* The change of most tests: two pages, and it grows by what file `changed` does not show. */
static int change(struct edit *e, struct tranship_error *err)
{
	int rc = file_write(edit_file(e), 600, changed + 600, 3000, err);

	return rc ? rc : file_write(edit_file(e), 5 * PAGE, changed + 5 * PAGE, 800, err);
}

static int make_content(void **state)
{
	struct rng rng = { 7 };

	(void)state;
	rng_fill(&rng, initial, SIZE);
	memcpy(changed, initial, SIZE);
	rng_fill(&rng, changed + 600, 3000);
	rng_fill(&rng, changed + 5 * PAGE, 800);
	return 0;
}

static struct recording *make_disk(void)
{
	struct recording *rec = recording_new();

	recording_put(rec, "disk", initial, SIZE);
	return rec;
}

static struct edit *open_disk(struct recording *rec)
{
	struct edit_params params = { .medium = recording_medium(rec) };
	struct tranship_error err;
	struct edit *e;

	assert_ok(edit_open("disk", &params, &e, &err), &err);
	return e;
}

static bool disk_is(const struct recording *rec, const unsigned char *bytes)
{
	size_t size;
	const unsigned char *now = recording_get(rec, "disk", &size);

	return size == SIZE && memcmp(now, bytes, SIZE) == 0;
}

static bool has_journal(const struct recording *rec)
{
	size_t size;

	return recording_get(rec, "disk" JOURNAL_SUFFIX, &size) != NULL;
}

static int recover_disk(struct recording *rec, bool *found, struct tranship_error *err)
{
	struct edit_params params = { .medium = recording_medium(rec) };

	return edit_recover("disk", &params, found, err);
}

/* A folder as it is when the program was killed in the middle of writing the target. */
static struct recording *killed_in_the_target(void)
{
	struct recording *rec = make_disk(), *left = NULL;
	struct edit *e = open_disk(rec);
	struct tranship_error err;
	size_t i;

	assert_ok(change(e, &err), &err);
	assert_ok(edit_apply(e, &err), &err);
	edit_close(e);
	for (i = 0; i <= recording_length(rec); i++) {
		left = recording_kill(rec, i);
		if (!disk_is(left, initial)) /* the first page is written */
			break;
		recording_free(left);
	}
	assert_true(has_journal(left) && !disk_is(left, changed));
	recording_free(rec);
	return left;
}

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

/* Recovery. */

static void test_recover__undoes_what_was_begun(void **state)
{
	struct recording *rec = killed_in_the_target();
	struct tranship_error err;
	struct edit *e;
	bool found;

	(void)state;
	e = open_disk(rec); /* opening is recovering */
	assert_true(edit_recovered(e));
	edit_close(e);
	assert_true(disk_is(rec, initial));
	assert_false(has_journal(rec));
	assert_ok(recover_disk(rec, &found, &err), &err);
	assert_false(found);
	recording_free(rec);
}

/* The journal of a file that was replaced, or copied. */
static void test_recover__another_files_journal(void **state)
{
	struct recording *rec = killed_in_the_target(), *other = recording_new();
	const unsigned char *journal;
	struct tranship_error err;
	size_t size;
	bool found;

	(void)state;
	recording_put(other, "first", "", 0);
	recording_put(other, "disk", initial, SIZE);
	journal = recording_get(rec, "disk" JOURNAL_SUFFIX, &size);
	recording_put(other, "disk" JOURNAL_SUFFIX, journal, size);
	assert_fails(recover_disk(other, &found, &err), TRANSHIP_EMISMATCH, &err, "another file");
	assert_true(disk_is(other, initial) && has_journal(other));
	recording_free(other);
	recording_free(rec);
}

static void test_recover__a_page_that_is_neither(void **state)
{
	struct recording *rec = killed_in_the_target();
	struct tranship_error err;
	unsigned char before[SIZE];
	size_t size;
	bool found;

	(void)state;
	recording_flip(rec, "disk", 5 * PAGE + 700, 1);
	memcpy(before, recording_get(rec, "disk", &size), SIZE);
	assert_fails(recover_disk(rec, &found, &err), TRANSHIP_ECORRUPT, &err,
		     "512 bytes at 20992 are neither");
	assert_true(disk_is(rec, before) && has_journal(rec));
	recording_free(rec);
}

static void test_recover__a_length_that_is_neither(void **state)
{
	struct recording *rec = killed_in_the_target();
	const struct medium *m = recording_medium(rec);
	struct tranship_error err;
	bool found;
	int file;

	(void)state;
	assert_int_equal(m->ops->open(m->ctx, 0, "disk", false, &file), 0);
	assert_int_equal(m->ops->resize(m->ctx, file, SIZE + 1), 0);
	m->ops->close(m->ctx, file);
	assert_fails(recover_disk(rec, &found, &err), TRANSHIP_ECORRUPT, &err, "24877 bytes long");
	assert_true(has_journal(rec));
	recording_free(rec);
}

/* Whatever byte of a journal is altered while its target is half written: it is refused, with
 * nothing written, or the target is old again. */
static void test_recover__altered_journals(void **state)
{
	struct recording *killed = killed_in_the_target(), *rec;
	unsigned char half[SIZE];
	size_t size, off;
	unsigned refused = 0;

	(void)state;
	memcpy(half, recording_get(killed, "disk", &size), SIZE);
	recording_get(killed, "disk" JOURNAL_SUFFIX, &size);
	for (off = 0; off < size; off++) {
		struct tranship_error err;
		bool found;
		int rc;

		rec = recording_kill(killed, recording_length(killed));
		recording_flip(rec, "disk" JOURNAL_SUFFIX, off, (unsigned char)(1U << off % 8));
		rc = recover_disk(rec, &found, &err);
		if (rc == 0)
			fail_msg("byte %zu of the journal does not matter", off);
		assert_int_equal(rc == TRANSHIP_EUNSUPPORTED ? TRANSHIP_ECORRUPT : rc,
				 TRANSHIP_ECORRUPT);
		assert_true(disk_is(rec, half) && has_journal(rec));
		refused++;
		recording_free(rec);
	}
	assert_int_equal(refused, size);
	recording_free(killed);
}

/* Cut at any length, the same: it may go only if the target was not touched. */
static void test_recover__cut_journals(void **state)
{
	struct recording *killed = killed_in_the_target(), *rec;
	const struct medium *m;
	size_t size, len;
	int file;

	(void)state;
	recording_get(killed, "disk" JOURNAL_SUFFIX, &size);
	for (len = JOURNAL_HEADER + JOURNAL_HEAD; len < size; len += 97) {
		struct tranship_error err;
		bool found;

		rec = recording_kill(killed, recording_length(killed));
		m = recording_medium(rec);
		assert_int_equal(m->ops->open(m->ctx, 0, "disk" JOURNAL_SUFFIX, false, &file), 0);
		assert_int_equal(m->ops->resize(m->ctx, file, len), 0);
		m->ops->close(m->ctx, file);
		assert_fails(recover_disk(rec, &found, &err), TRANSHIP_ECORRUPT, &err,
			     "the file's page at 0 does not agree");
		assert_true(has_journal(rec));
		recording_free(rec);
	}
	recording_free(killed);
}

/* Calls that fail. */

/* Runs the change with call number n failing; once, or from there on. Returns what was returned. */
static int change_with_fault(struct recording *rec, unsigned n, bool for_good, int sys)
{
	struct edit_params params = { .medium = recording_medium(rec) };
	struct recording_faults *faults = recording_faults(rec);
	struct tranship_error err = { 0 };
	struct edit *e;
	bool failed;
	int rc;

	*faults = (struct recording_faults){ .fail_at = n, .for_good = for_good, .sys = sys };
	rc = edit_open("disk", &params, &e, &err);
	if (rc == 0)
		rc = edit_write_free(e, SIZE + 512, changed, 512, &err);
	if (rc == 0)
		rc = change(e, &err);
	if (rc == 0)
		rc = edit_apply(e, &err);
	if (rc && err.sys_errno != sys)
		fail_msg("call %u: %s: %s", n, tranship_code_name(rc), err.message);
	if (rc && e && edit_failed(e))
		assert_fails(edit_apply(e, &err), TRANSHIP_EIO, &err, "earlier failure");
	edit_close(e);
	failed = faults->failed;
	*faults = (struct recording_faults){ .failed = failed };
	assert_int_equal(recording_open_handles(rec), 0);
	return rc;
}

/* Whether the disk begins as these SIZE bytes; behind them may be what was written free. */
static bool begins_as(const struct recording *rec, const unsigned char *bytes)
{
	size_t size;
	const unsigned char *now = recording_get(rec, "disk", &size);

	return size >= SIZE && memcmp(now, bytes, SIZE) == 0;
}

static void sweep(bool for_good, int sys)
{
	bool failed = true, found;
	unsigned n;

	for (n = 1; failed; n++) {
		struct recording *rec = make_disk();
		int rc = change_with_fault(rec, n, for_good, sys);
		struct tranship_error err;

		failed = recording_faults(rec)->failed;
		assert_ok(recover_disk(rec, &found, &err), &err);
		assert_false(has_journal(rec));
		if (rc == 0)
			assert_true(begins_as(rec, changed));
		else /* the very last call, the folder's sync, may fail when all is done */
			assert_true(begins_as(rec, initial) || begins_as(rec, changed));
		recording_free(rec);
	}
	assert_true(n > 20);
}

static void test_apply__calls_that_fail(void **state)
{
	(void)state;
	sweep(false, EIO);
	sweep(false, ENOSPC);
	sweep(true, EIO);
}

static void test_recover__calls_that_fail(void **state)
{
	bool failed = true, found;
	unsigned n;

	(void)state;
	for (n = 1; failed; n++) {
		struct recording *rec = killed_in_the_target();
		struct tranship_error err;
		int rc;

		*recording_faults(rec) = (struct recording_faults){ .fail_at = n };
		rc = recover_disk(rec, &found, &err);
		failed = recording_faults(rec)->failed;
		assert_int_equal(rc != 0, failed);
		assert_int_equal(recording_open_handles(rec), 0);
		*recording_faults(rec) = (struct recording_faults){ 0 };
		assert_ok(recover_disk(rec, &found, &err), &err);
		assert_true(disk_is(rec, initial) && !has_journal(rec));
		recording_free(rec);
	}
	assert_true(n > 15);
}

static void test_apply__no_room_for_the_journal(void **state)
{
	struct recording *rec = make_disk();
	struct edit *e = open_disk(rec);
	struct tranship_error err;

	(void)state;
	recording_faults(rec)->room = SIZE + 5000;
	assert_ok(change(e, &err), &err);
	assert_fails(edit_apply(e, &err), TRANSHIP_EIO, &err, "writing");
	assert_int_equal(err.sys_errno, ENOSPC);
	assert_true(disk_is(rec, initial) && !has_journal(rec));
	assert_false(edit_failed(e));
	recording_faults(rec)->room = 0; /* and once there is room, it goes on */
	assert_ok(edit_apply(e, &err), &err);
	assert_true(disk_is(rec, changed) && !has_journal(rec));
	edit_close(e);
	recording_free(rec);
}

/* The disk fills up while the target grows: it is put back at once. */
static void test_apply__no_room_for_the_target(void **state)
{
	struct recording *rec = make_disk();
	struct edit *e = open_disk(rec);
	struct tranship_error err;

	(void)state;
	assert_ok(change(e, &err), &err);
	assert_ok(file_write(edit_file(e), SIZE, changed, SIZE, &err), &err);
	recording_faults(rec)->room = SIZE + 600 + 9 * (uint64_t)JOURNAL_RECORD + 2 * PAGE;
	assert_fails(edit_apply(e, &err), TRANSHIP_EIO, &err, "writing");
	assert_true(edit_failed(e));
	assert_true(disk_is(rec, initial) && !has_journal(rec));
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
	assert_ok(edit_note_remove(e, &err), &err);
	assert_ok(journal_check(path, &err), &err);
	edit_close(e);
	write_path(path_in(*state, "disk" NOTE_SUFFIX), "x", 1);
	assert_fails(journal_check(path, &err), TRANSHIP_EBUSY, &err, "cannot be read");
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
		cmocka_unit_test(test_recover__undoes_what_was_begun),
		cmocka_unit_test(test_recover__another_files_journal),
		cmocka_unit_test(test_recover__a_page_that_is_neither),
		cmocka_unit_test(test_recover__a_length_that_is_neither),
		cmocka_unit_test(test_recover__altered_journals),
		cmocka_unit_test(test_recover__cut_journals),
		cmocka_unit_test(test_apply__calls_that_fail),
		cmocka_unit_test(test_recover__calls_that_fail),
		cmocka_unit_test(test_apply__no_room_for_the_journal),
		cmocka_unit_test(test_apply__no_room_for_the_target),
		IN_FOLDER(test_edit__memory_runs_out),
		cmocka_unit_test(test_edit__device),
		cmocka_unit_test(test_edit__a_note_stands),
		IN_FOLDER(test_check__refuses_while_a_journal_stands),
		IN_FOLDER(test_check__tells_the_note),
		IN_FOLDER(test_edit__opens_files_and_nothing_else),
		IN_FOLDER(test_edit__a_limit_of_the_system),
	};

	return cmocka_run_group_tests(tests, make_content, NULL);
}
