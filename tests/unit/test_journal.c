// SPDX-License-Identifier: Apache-2.0
/* Interrupted changes in place: recovery, what it refuses, and calls that fail. */
#include "edited.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

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
	assert_fails(recover_disk(other, &found, &err), TRANSHIP_EMISMATCH, &err,
		     "remove the journal");
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

/* Headers that a crash does not leave, with checksums that are right. */
static const struct {
	const char *field;
	size_t off; /* in the struct */
	uint64_t value;
	int code;
	const char *piece;
} hostile[] = {
	{ "undo_len", offsetof(struct journal_header, undo_len), 1ULL << 63, TRANSHIP_ECORRUPT,
	  "length to go back to is 9223372036854775808" },
	{ "old_len", offsetof(struct journal_header, old_len), 1ULL << 63, TRANSHIP_ECORRUPT,
	  "old length is" },
	{ "new_len", offsetof(struct journal_header, new_len), UINT64_MAX, TRANSHIP_ECORRUPT,
	  "new length is" },
	{ "pages", offsetof(struct journal_header, pages), JOURNAL_PAGES_MAX + 1, TRANSHIP_ECORRUPT,
	  "number of pages is 1048577" },
	{ "pages", offsetof(struct journal_header, pages), 1, TRANSHIP_ECORRUPT, "damaged" },
	{ "pages", offsetof(struct journal_header, pages), JOURNAL_PAGES_MAX, TRANSHIP_ECORRUPT,
	  "damaged" },
	{ "id", offsetof(struct journal_header, id), 1, TRANSHIP_ECORRUPT, "its head at 512" },
	{ "old_len", offsetof(struct journal_header, old_len), SIZE + 1, TRANSHIP_ECORRUPT,
	  "the file's length 24876" },
};

static void test_recover__hostile_headers(void **state)
{
	struct recording *killed = killed_in_the_target(), *rec;
	unsigned char half[SIZE], journal[4 * JOURNAL_RECORD];
	size_t size, i;

	(void)state;
	memcpy(half, recording_get(killed, "disk", &size), SIZE);
	recording_get(killed, "disk" JOURNAL_SUFFIX, &size);
	assert_true(size <= sizeof(journal));
	for (i = 0; i < COUNT_OF(hostile); i++) {
		struct journal_header h;
		struct tranship_error err;
		bool found;

		memcpy(journal, recording_get(killed, "disk" JOURNAL_SUFFIX, &size), size);
		assert_int_equal(journal_header_decode(journal, &h, &err), JOURNAL_GOOD);
		memcpy((char *)&h + hostile[i].off, &hostile[i].value, sizeof(uint64_t));
		journal_header_encode(&h, journal);
		rec = recording_new();
		recording_put(rec, "disk", half, SIZE);
		recording_put(rec, "disk" JOURNAL_SUFFIX, journal, size);
		if (recover_disk(rec, &found, &err) == 0)
			fail_msg("%s %llu is taken", hostile[i].field,
				 (unsigned long long)hostile[i].value);
		assert_fails(recover_disk(rec, &found, &err), hostile[i].code, &err,
			     hostile[i].piece);
		assert_true(disk_is(rec, half) && has_journal(rec));
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
	unsigned n, undone = 0;

	for (n = 1; failed; n++) {
		struct recording *rec = make_disk();
		int rc = change_with_fault(rec, n, for_good, sys);
		struct tranship_error err;

		failed = recording_faults(rec)->failed;
		assert_ok(recover_disk(rec, &found, &err), &err);
		assert_false(has_journal(rec));
		/* As it was, without what had been written free behind its end. */
		undone += found && disk_is(rec, initial);
		if (rc == 0)
			assert_true(begins_as(rec, changed));
		else /* the very last call, the folder's sync, may fail when all is done */
			assert_true(begins_as(rec, initial) || begins_as(rec, changed));
		recording_free(rec);
	}
	assert_true(n > 20 && (undone > 3 || !for_good));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recover__undoes_what_was_begun),
		cmocka_unit_test(test_recover__another_files_journal),
		cmocka_unit_test(test_recover__a_page_that_is_neither),
		cmocka_unit_test(test_recover__a_length_that_is_neither),
		cmocka_unit_test(test_recover__altered_journals),
		cmocka_unit_test(test_recover__cut_journals),
		cmocka_unit_test(test_recover__hostile_headers),
		cmocka_unit_test(test_apply__calls_that_fail),
		cmocka_unit_test(test_recover__calls_that_fail),
		cmocka_unit_test(test_apply__no_room_for_the_journal),
		cmocka_unit_test(test_apply__no_room_for_the_target),
	};

	return cmocka_run_group_tests(tests, edited_content, NULL);
}
