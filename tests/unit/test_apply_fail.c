// SPDX-License-Identifier: Apache-2.0
/* Applying and going back where calls fail, memory ends, or the disk is full. */
#include "apply_scene.h"
#include "base/zero.h"
#include "delta/apply.h"
#include "failing_medium.h"
#include "heap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

		scene_set(&s, folder, kind, 40 * KIB, 48 * KIB);
		s.options.copy.threads = 1;
		s.options.keep_journal = back;
		if (back)
			assert_ok(scene_apply(&s), &s.err);
		failing_init(&f, n);
		rc = back ? apply_undo_on(&f.medium, s.target, &s.options, &s.result, &s.err)
			  : apply_on(&f.medium, s.delta, s.target, &s.options, &s.result, &s.err);
		if (!f.failed) {
			assert_ok(rc, &s.err);
			scene_end(&s);
			assert_true(n > 20);
			return;
		}
		opened = tranship_open(s.target, &s.open, &disk, &s.err);
		if (opened == 0)
			tranship_disk_close(disk);
		else
			assert_int_equal(opened, TRANSHIP_EBUSY);
		rc = end ? scene_undo(&s) : scene_apply(&s);
		if (end && rc == TRANSHIP_EINVAL) { /* it did not begin, or was through */
			assert_int_equal(opened, 0);
		} else {
			assert_ok(rc, &s.err);
			scene_expect(&s, !end);
		}
		assert_false(is_there(s.note));
		unlink(s.journal);
		scene_end(&s);
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

		scene_set(&s, *state, raw_kind, SIZE, SIZE);
		failing_init(&f, 0);
		f.fail_write = n;
		before = bytes_of(s.target);
		assert_fails(apply_on(&f.medium, s.delta, s.target, &s.options, &s.result, &s.err),
			     TRANSHIP_EIO, &s.err, "No space left");
		expect_same(s.target, &before);
		scene_expect_clean(&s);
		scene_end(&s);
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
		scene_begin(&s, path_in(*state, target_kinds[i].name), &target_kinds[i], 4 * MIB,
			    4 * MIB);
		mkdir(path_in(*state, target_kinds[i].name), 0700);
		memset(s.content[0] + MIB, 0, 2 * MIB);
		memset(s.content[1] + MIB, 'n', 2 * MIB);
		scene_finish(&s);
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
		scene_expect_clean(&s);
		little_room = 4 * MIB;
		assert_ok(apply_on(&medium, s.delta, s.target, &s.options, &s.result, &s.err),
			  &s.err);
		scene_expect(&s, 1);
		scene_end(&s);
	}
}

/* What is only replaced needs none. */
static void test_apply__room_is_not_asked_for_in_vain(void **state)
{
	struct medium_ops ops = *medium_local.ops;
	struct medium medium = { &ops, NULL };
	struct scene s;

	scene_begin(&s, *state, raw_kind, 4 * MIB, 4 * MIB);
	memset(s.content[0], 'o', 4 * MIB);
	memset(s.content[1], 'n', 4 * MIB);
	scene_finish(&s);
	ops.info = little_info;
	little_room = 4096;
	assert_ok(apply_on(&medium, s.delta, s.target, &s.options, &s.result, &s.err), &s.err);
	scene_expect(&s, 1);
	scene_end(&s);
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

	scene_begin(&s, *state, raw_kind, 4 * MIB, 4 * MIB);
	memset(s.content[0], 0, 4 * MIB);
	memset(s.content[1], 0, 4 * MIB);
	memset(s.content[0], 'o', MIB);
	memset(s.content[1] + MIB, 'n', 2 * MIB);
	memset(s.content[0] + 3 * MIB, 'o', MIB);
	memset(s.content[1] + 3 * MIB, 'n', MIB);
	scene_finish(&s);
	ops.write = ordered_write;
	ops.punch = ordered_punch;
	s.options.keep_journal = true;
	order.back = order.zeroed = false;
	assert_ok(apply_on(&medium, s.delta, s.target, &s.options, &s.result, &s.err), &s.err);
	assert_true(order.zeroed && order.punched == 0);
	scene_expect(&s, 1);
	order.back = true;
	order.zeroed = false;
	assert_ok(apply_undo_on(&medium, s.target, &s.options, &s.result, &s.err), &s.err);
	assert_true(order.punched > 0);
	scene_expect(&s, 0);
	fd = open(s.target, O_RDONLY | O_CLOEXEC);
	assert_int_equal(medium_local.ops->info(NULL, fd, &info), 0);
	assert_true(info.allocated <= 2 * MIB + 64 * KIB);
	close(fd);
	scene_end(&s);
}

/* Each allocation fails once. */
static void test_apply__failing_allocations(void **state)
{
	unsigned long n;
	struct scene s;

	if (!HEAP_WATCHED)
		return;
	scene_set(&s, *state, raw_kind, 40 * KIB, 40 * KIB);
	assert_ok(scene_apply(&s), &s.err); /* libcrypto keeps what it needs once */
	scene_end(&s);
	for (n = 1;; n++) {
		struct heap_seen seen;
		int rc;

		scene_set(&s, *state, vhd_kind, 40 * KIB, 40 * KIB);
		s.options.copy.threads = 1;
		heap_watch(n, false);
		rc = scene_apply(&s);
		seen = heap_unwatch();
		/* libcrypto keeps the errors that it saw. */
		assert_true(seen.held == 0 || strstr(s.err.message, "libcrypto"));
		assert_true(seen.failed || rc == 0);
		assert_true(rc == 0 || rc == TRANSHIP_ENOMEM);
		if (rc && is_there(s.note)) {
			heap_watch(n % 40, false); /* it may fail again */
			rc = n % 2 ? scene_undo(&s) : scene_apply(&s);
			seen = heap_unwatch();
			assert_true(seen.held == 0 || strstr(s.err.message, "libcrypto"));
		}
		assert_ok(scene_apply(&s), &s.err);
		scene_expect(&s, 1);
		scene_expect_clean(&s);
		scene_end(&s);
		if (!seen.failed && rc == 0 && n > 100)
			return;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_apply__failing_medium),
		IN_FOLDER(test_undo__failing_medium),
		IN_FOLDER(test_apply__no_room_for_the_journal),
		IN_FOLDER(test_apply__no_room_for_the_data),
		IN_FOLDER(test_apply__room_is_not_asked_for_in_vain),
		IN_FOLDER(test_undo__gives_room_back_first),
		IN_FOLDER(test_apply__failing_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
