// SPDX-License-Identifier: Apache-2.0
/*
 * VMDKs of several files whose size changes while the program is killed, before each call that
 * changes a file: what is left is the old disk or the new one, at once or when the journal of one
 * of the files was undone.
 */
#include "support.h"

#include "base/checked.h"
#include "core/modify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE ((3U << 20) + 512)
#define LARGE ((40U << 20) + 1024) /* takes another grain table */

static unsigned calls, kill_at;

static void count(void)
{
	if (++calls == kill_at)
		_exit(0);
}

static int kill_open(void *ctx, int folder, const char *name, bool create, int *out)
{
	if (create)
		count();
	return medium_local.ops->open(ctx, folder, name, create, out);
}

static int kill_write(void *ctx, int file, uint64_t off, const void *buf, size_t len)
{
	count();
	return medium_local.ops->write(ctx, file, off, buf, len);
}

static int kill_resize(void *ctx, int file, uint64_t size)
{
	count();
	return medium_local.ops->resize(ctx, file, size);
}

static int kill_unlink(void *ctx, int folder, const char *name)
{
	count();
	return medium_local.ops->unlink(ctx, folder, name);
}

static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
static const struct tranship_open_options layer = { .policy = &beside,
						    .flags = TRANSHIP_OPEN_LAYER };

static void make(const char *path, const char *options, const unsigned char *content, uint64_t size)
{
	struct tranship_create_options create = { .format = "vmdk",
						  .size = size,
						  .options = options };
	struct tranship_writer *writer;
	struct tranship_error err;
	uint64_t data = min_u64(size, 2U << 20);

	assert_ok(tranship_create(path, &create, &writer, &err), &err);
	assert_ok(tranship_writer_put(writer, 0, content, data, &err), &err);
	assert_ok(tranship_writer_zero(writer, data, size - data, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
}

/* In a process of its own, which may end before a call. *ended: it did. */
static void resize(const char *path, uint64_t size, unsigned at, bool *ended)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct medium_ops ops = *medium_local.ops;
		struct medium medium = { &ops, medium_local.ctx };
		struct modified m = { .edits = { .medium = &medium } };

		ops.open = kill_open;
		ops.write = kill_write;
		ops.resize = kill_resize;
		ops.unlink = kill_unlink;
		kill_at = at;
		if (modify_open(path, &layer, false, &m, NULL) ||
		    m.disk->ops->modify->resize(m.disk, size, NULL))
			_exit(2);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	*ended = WEXITSTATUS(status) == 0;
}

/* Opens for changes, which undoes what was interrupted; then it is one of both. */
static void look(const char *path, const unsigned char *content, uint64_t old, uint64_t new,
		 bool ended)
{
	unsigned char *back = malloc(LARGE);
	struct tranship_check_result result;
	struct tranship_disk *disk;
	struct tranship_error err;
	struct modified m = { 0 };
	uint64_t size;

	assert_non_null(back);
	assert_ok(modify_open(path, &layer, false, &m, &err), &err);
	modify_close(&m);
	assert_ok(tranship_open(path, &layer, &disk, &err), &err);
	size = tranship_disk_size(disk);
	assert_true(size == new || (ended && size == old));
	assert_ok(tranship_disk_read(disk, NULL, 0, back, size, &err), &err);
	assert_memory_equal(back, content, size);
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	assert_int_equal(result.errors, 0);
	tranship_disk_close(disk);
	free(back);
}

static void test_kill__resize(void **state)
{
	static const char *const kinds[] = { "subformat=monolithicSparse",
					     "subformat=monolithicFlat",
					     "subformat=twoGbMaxExtentSparse",
					     "subformat=twoGbMaxExtentFlat" };
	static const uint64_t sizes[][2] = { { SIZE, LARGE }, { LARGE, SIZE } };
	unsigned char *content = calloc(1, LARGE);
	const char *path = path_in(*state, "a.vmdk");
	struct rng rng = { 8 };
	size_t k, s;

	assert_non_null(content);
	rng_fill(&rng, content, 2U << 20);
	for (k = 0; k < COUNT_OF(kinds); k++)
		for (s = 0; s < COUNT_OF(sizes); s++) {
			bool ended = true;
			unsigned n;

			for (n = 1; ended; n++) {
				make(path, kinds[k], content, sizes[s][0]);
				resize(path, sizes[s][1], n, &ended);
				look(path, content, sizes[s][0], sizes[s][1], ended);
			}
			assert_true(n > 6);
		}
	free(content);
}

int main(void)
{
	const struct CMUnitTest tests[] = { IN_FOLDER(test_kill__resize) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
