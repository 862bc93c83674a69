// SPDX-License-Identifier: Apache-2.0
/*
 * Deltas of a disk's versions, merged: what comes of it is the delta between the first and the last
 * one, to the block, whatever happened in between. The system's calls are replaced in this
 * executable by ones that count.
 */
#include "heap.h"
#include "history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the replaced calls do: number fail_at fails. */
static struct {
	unsigned calls, fail_at;
	bool failed;
} os;

static bool refused(void)
{
	if (++os.calls != os.fail_at)
		return false;
	os.failed = true;
	errno = EIO;
	return true;
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	return refused() ? -1 : syscall(SYS_pwrite64, fd, buf, len, off);
}

ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
	return refused() ? -1 : syscall(SYS_pread64, fd, buf, len, off);
}

int fsync(int fd)
{
	return refused() ? -1 : (int)syscall(SYS_fsync, fd);
}

/* Each case: one lineage for all, one each, several that overlap; SHA-256. */
static void test_merge__is_the_delta_from_the_first_to_the_last(void **state)
{
	static const struct {
		enum digest_kind kind;
		unsigned step, lineages;
	} cases[] = { { DIGEST_XXH3, 0, 1 },
		      { DIGEST_XXH3, 1, 1 },
		      { DIGEST_XXH3, 1, 3 },
		      { DIGEST_SHA256, 0, 1 } };
	static const size_t sizes[] = { 400000, 0, 1, 4096, 262144 + 512, 700000 };
	struct rng rng = { 501 };
	size_t c, round, i;

	for (c = 0; c < COUNT_OF(cases); c++)
		for (round = 0; round < 8; round++) {
			size_t size = sizes[rng_below(&rng, COUNT_OF(sizes))];
			struct history h;

			history_begin(&h, *state, random_disk(&rng, size), size);
			for (i = 0; i < 5; i++) {
				if (round % 2)
					size = sizes[rng_below(&rng, COUNT_OF(sizes))];
				history_add(&h, history_edited(&rng, &h, size), size, cases[c].kind,
					    (unsigned)i * cases[c].step, cases[c].lineages);
			}
			history_merge_all(&h);
			history_free(&h);
		}
}

/* In whatever order it is done, the same bytes come of it. */
static void test_merge__is_associative(void **state)
{
	static const struct tranship_merge_options options = { .options = "seed=5eed,level=3" };
	struct rng rng = { 502 };
	struct history h;
	char *pair[2], *left, *right, *a = strdup(path_in(*state, "a"));
	size_t i, size = 600000, sizes[3];
	unsigned char *bytes[3];
	struct tranship_error err;

	history_begin(&h, *state, random_disk(&rng, size), size);
	for (i = 0; i < 3; i++)
		history_add(&h, history_edited(&rng, &h, size), size, DIGEST_XXH3, 0, 1);
	left = strdup(path_in(*state, "left"));
	right = strdup(path_in(*state, "right"));
	assert_ok(history_merge(h.deltas, 3, a, &options, &err), &err);
	bytes[0] = read_path(a, &sizes[0]);
	assert_ok(history_merge(h.deltas, 2, left, &options, &err), &err);
	pair[0] = left;
	pair[1] = h.deltas[2];
	assert_ok(history_merge(pair, 2, a, &options, &err), &err);
	bytes[1] = read_path(a, &sizes[1]);
	assert_ok(history_merge(h.deltas + 1, 2, right, &options, &err), &err);
	pair[0] = h.deltas[0];
	pair[1] = right;
	assert_ok(history_merge(pair, 2, a, &options, &err), &err);
	bytes[2] = read_path(a, &sizes[2]);
	for (i = 1; i < 3; i++) {
		assert_int_equal(sizes[i], sizes[0]);
		assert_memory_equal(bytes[i], bytes[0], sizes[0]);
	}
	for (i = 0; i < 3; i++)
		free(bytes[i]);
	free(a);
	free(left);
	free(right);
	history_free(&h);
}

static void test_merge__there_and_back_is_nothing(void **state)
{
	struct rng rng = { 503 };
	struct tranship_diff_result result;
	struct tranship_delta_info info;
	struct history h;
	size_t size = 300000;
	struct tranship_error err;

	history_begin(&h, *state, random_disk(&rng, size), size);
	history_add(&h, history_edited(&rng, &h, size), size, DIGEST_XXH3, 0, 1);
	history_add(&h, history_copy(h.disks[0], 70001, 70001), 70001, DIGEST_XXH3, 1, 2);
	history_add(&h, history_copy(h.disks[0], size, size), size, DIGEST_XXH3, 2, 2);
	assert_ok(tranship_delta_merge((const char *const *)h.deltas, 3, path_in(*state, "out"),
				       NULL, &result, &err),
		  &err);
	assert_ok(tranship_delta_inspect(path_in(*state, "out"), true, &info, &err), &err);
	assert_int_equal(info.records, 0);
	assert_int_equal(result.pieces + result.changed + result.zeroed, 0);
	assert_string_equal(result.target_id, "v3");
	assert_int_equal(result.written, info.file_size);
	history_free(&h);
}

/* A record of a MiB is full; what follows begins another. */
static void test_merge__result_says_what_there_is(void **state)
{
	struct rng rng = { 504 };
	struct tranship_diff_result result;
	struct tranship_delta_info info;
	struct history h;
	size_t size = 5 << 20;
	unsigned char *disk = calloc(1, size);
	const char *out = path_in(*state, "out");
	struct tranship_error err;
	struct stat st;

	assert_non_null(disk);
	memset(disk + (4 << 20), 1, 1 << 20);
	history_begin(&h, *state, disk, size);
	disk = history_copy(disk, size, size);
	rng_fill(&rng, disk, 2 << 20);
	history_add(&h, disk, size, DIGEST_XXH3, 0, 1);
	disk = history_copy(disk, size, size - 100);
	memset(disk + (4 << 20), 0, (1 << 20) - 100);
	rng_fill(&rng, disk, 100);
	history_add(&h, disk, size - 100, DIGEST_XXH3, 0, 1);
	assert_ok(tranship_delta_merge((const char *const *)h.deltas, 2, out, NULL, &result, &err),
		  &err);
	assert_int_equal(result.pieces, 2);
	assert_int_equal(result.changed, 2 << 20);
	assert_int_equal(result.zeroed, 1 << 20);
	assert_ok(tranship_delta_inspect(out, true, &info, &err), &err);
	assert_int_equal(info.records, 2);
	assert_string_equal(info.base_format, "raw");
	history_check(out, &h, 0, 2);
	assert_int_equal(stat(out, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	history_free(&h);
}

static void test_merge__output_is_none_of_them(void **state)
{
	static const struct tranship_merge_options keep = { .create_flags =
								    TRANSHIP_CREATE_NO_CLOBBER };
	static const struct tranship_merge_options level = { .options = "level=20" };
	struct rng rng = { 510 };
	struct history h;
	struct tranship_error err;
	size_t len, now_len;
	unsigned char *bytes, *now;

	history_begin(&h, *state, random_disk(&rng, 30000), 30000);
	history_add(&h, history_edited(&rng, &h, 30000), 30000, DIGEST_XXH3, 0, 1);
	history_add(&h, history_edited(&rng, &h, 30000), 30000, DIGEST_XXH3, 0, 1);
	bytes = read_path(h.deltas[1], &len);
	assert_fails(history_merge(h.deltas, 2, h.deltas[1], NULL, &err), TRANSHIP_EINVAL, &err,
		     "would be overwritten");
	assert_fails(history_merge(h.deltas, 1, h.deltas[1], &keep, &err), TRANSHIP_EIO, &err,
		     "exists");
	assert_fails(history_merge(h.deltas, 1, h.deltas[1], &level, &err), TRANSHIP_EINVAL, &err,
		     "level 20");
	now = read_path(h.deltas[1], &now_len);
	assert_int_equal(now_len, len);
	assert_memory_equal(now, bytes, len);
	assert_int_equal(count_entries(*state), 2);
	free(bytes);
	free(now);
	history_free(&h);
}

static int cancel(void *ctx, const struct tranship_progress *progress)
{
	return strcmp(progress->phase, ctx) == 0;
}

static void test_merge__is_canceled(void **state)
{
	static const char *const phases[] = { "verifying", "merging" };
	struct tranship_merge_options options = { .copy = { .progress = cancel } };
	struct rng rng = { 511 };
	struct history h;
	struct tranship_error err;
	size_t i;

	history_begin(&h, *state, random_disk(&rng, 100000), 100000);
	history_add(&h, history_edited(&rng, &h, 100000), 100000, DIGEST_XXH3, 0, 1);
	for (i = 0; i < COUNT_OF(phases); i++) {
		options.copy.progress_ctx = (void *)phases[i];
		assert_fails(history_merge(h.deltas, 1, path_in(*state, "out"), &options, &err),
			     TRANSHIP_ECANCELED, &err, "canceled");
		assert_int_equal(count_entries(*state), 1);
	}
	history_free(&h);
}

/* Two small deltas of two lineages, so that digests are made anew. */
static void sweep_begin(struct history *h, const char *folder)
{
	struct rng rng = { 512 };

	history_begin(h, folder, random_disk(&rng, 60000), 60000);
	history_add(h, history_edited(&rng, h, 60000), 60000, DIGEST_XXH3, 0, 1);
	history_add(h, history_edited(&rng, h, 60000), 60000, DIGEST_XXH3, 1, 1);
}

static void sweep_allocations(const struct history *h, const char *out, bool strict)
{
	static const struct tranship_merge_options alone = { .copy.threads = 1 };
	struct heap_seen seen = { .failed = true };
	unsigned descriptors = count_descriptors();
	unsigned long n;

	for (n = 1; seen.failed; n++) {
		struct tranship_error err = { 0 };
		int rc;

		unlink(out);
		heap_watch(n, n % 2);
		rc = history_merge(h->deltas, 2, out, &alone, &err);
		seen = heap_unwatch();
		if (strict)
			assert_int_equal(seen.held, 0);
		assert_int_equal(count_descriptors(), descriptors);
		if (seen.failed && rc != 0) /* some can be done without */
			assert_int_equal(rc, TRANSHIP_ENOMEM);
		if (!seen.failed)
			assert_ok(rc, &err);
		assert_int_equal(count_entries(h->folder), rc ? 2 : 3);
	}
	assert_true(n > 30);
	history_check(out, h, 0, 2);
}

static void test_sweep__allocations(void **state)
{
	struct history h;

	if (!HEAP_WATCHED)
		skip();
	sweep_begin(&h, *state);
	/* libcrypto takes memory for its first error in a thread, and keeps that. */
	sweep_allocations(&h, path_in(*state, "out"), false);
	sweep_allocations(&h, path_in(*state, "out"), true);
	history_free(&h);
}

static void test_sweep__calls_of_the_system(void **state)
{
	const char *out = path_in(*state, "out");
	unsigned descriptors = count_descriptors(), n;
	struct history h;

	sweep_begin(&h, *state);
	os.failed = true;
	for (n = 1; os.failed; n++) {
		struct tranship_error err = { 0 };
		int rc;

		unlink(out);
		os.calls = 0;
		os.failed = false;
		os.fail_at = n;
		rc = history_merge(h.deltas, 2, out, NULL, &err);
		os.fail_at = 0;
		assert_int_equal(count_descriptors(), descriptors);
		if (!os.failed)
			assert_ok(rc, &err);
		else
			assert_int_equal(rc, TRANSHIP_EIO);
		/* When it has its name it is whole: only the sync of the folder failed then. */
		if (count_entries(*state) == 3)
			history_check(out, &h, 0, 2);
		else
			assert_true(rc && count_entries(*state) == 2);
	}
	assert_true(n > 10);
	history_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_merge__is_the_delta_from_the_first_to_the_last),
		IN_FOLDER(test_merge__is_associative),
		IN_FOLDER(test_merge__there_and_back_is_nothing),
		IN_FOLDER(test_merge__result_says_what_there_is),
		IN_FOLDER(test_merge__output_is_none_of_them),
		IN_FOLDER(test_merge__is_canceled),
		IN_FOLDER(test_sweep__allocations),
		IN_FOLDER(test_sweep__calls_of_the_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
