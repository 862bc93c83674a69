// SPDX-License-Identifier: Apache-2.0
/* Files: the wrappers that check ranges, memory, parts, local files and their locks, the table
 * cache. */
#include "support.h"

#include "faulty.h"
#include "io/file.h"
#include "io/file_local.h"
#include "io/lock.h"
#include "io/table_cache.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1U << 20)

static void test_file_read__ranges(void **state)
{
	struct tranship_file *file = file_of("0123456789", 10);
	unsigned char buf[11];
	struct tranship_error err;

	(void)state;
	assert_ok(tranship_file_read(file, 3, buf, 4, &err), &err);
	assert_memory_equal(buf, "3456", 4);
	assert_ok(tranship_file_read(file, 10, buf, 0, &err), &err);
	assert_fails(tranship_file_read(file, 0, buf, 11, &err), TRANSHIP_ECORRUPT, &err,
		     "11 bytes at 0 pass the end of the file (10 bytes)");
	assert_fails(tranship_file_read(file, UINT64_MAX, buf, 2, &err), TRANSHIP_ECORRUPT, &err,
		     "pass the end");
	assert_int_equal(tranship_file_read(file, 11, buf, 0, NULL), TRANSHIP_ECORRUPT);
	tranship_file_close(file);
	tranship_file_close(NULL);
}

static int map_nothing(void *ctx, uint64_t off, struct tranship_file_extent *out,
		       struct tranship_error *err)
{
	(void)ctx;
	(void)off;
	(void)err;
	out->len = 0;
	out->hole = true;
	return 0;
}

static int map_too_much(void *ctx, uint64_t off, struct tranship_file_extent *out,
			struct tranship_error *err)
{
	(void)ctx;
	(void)err;
	*out = (struct tranship_file_extent){ off + 1, UINT64_MAX, true };
	return 0;
}

static void test_file_map__a_bad_answer_does_no_harm(void **state)
{
	static const struct tranship_file_ops nothing = { .map = map_nothing },
					      too_much = { .map = map_too_much };
	struct tranship_file_extent extent;
	struct tranship_file *file;
	struct tranship_error err;

	(void)state;
	assert_ok(tranship_file_new(&nothing, NULL, 100, &file, &err), &err);
	assert_ok(tranship_file_map(file, 10, &extent, &err), &err);
	assert_true(extent.off == 10 && extent.len == 90 && !extent.hole);
	assert_fails(tranship_file_map(file, 100, &extent, &err), TRANSHIP_EINVAL, &err,
		     "not inside");
	tranship_file_close(file);
	assert_ok(tranship_file_new(&too_much, NULL, 100, &file, &err), &err);
	assert_ok(tranship_file_map(file, 10, &extent, &err), &err);
	assert_true(extent.off == 10 && extent.len == 90 && extent.hole);
	tranship_file_close(file);
}

static void test_file_write__read_only_and_too_far(void **state)
{
	static const struct tranship_file_ops read_only = { .read = NULL };
	struct tranship_file *file;
	struct tranship_error err;

	(void)state;
	assert_ok(tranship_file_new(&read_only, NULL, 10, &file, &err), &err);
	assert_fails(file_write(file, 0, "x", 1, &err), TRANSHIP_EINVAL, &err, "read-only");
	assert_fails(file_resize(file, 5, &err), TRANSHIP_EINVAL, &err, "cannot be changed");
	assert_ok(file_sync(file, &err), &err);
	tranship_file_close(file);
	file = file_of(NULL, 0);
	assert_fails(file_write(file, INT64_MAX, "x", 1, &err), TRANSHIP_ELIMIT, &err, "past");
	assert_fails(file_write(file, UINT64_MAX, "x", 1, &err), TRANSHIP_ELIMIT, &err, "past");
	assert_fails(file_write(file, (uint64_t)5 << 30, "x", 1, &err), TRANSHIP_ELIMIT, &err,
		     "4 GiB");
	assert_int_equal(tranship_file_size(file), 0);
	tranship_file_close(file);
}

static void test_file_memory__grows_with_zeros(void **state)
{
	struct tranship_file *file = file_of("abc", 3);
	unsigned char buf[8];
	struct tranship_error err;

	(void)state;
	assert_ok(file_write(file, 6, "z", 1, &err), &err);
	assert_int_equal(tranship_file_size(file), 7);
	assert_ok(tranship_file_read(file, 0, buf, 7, &err), &err);
	assert_memory_equal(buf, "abc\0\0\0z", 7);
	assert_ok(file_resize(file, 2, &err), &err);
	assert_ok(file_resize(file, 4, &err), &err);
	assert_ok(tranship_file_read(file, 0, buf, 4, &err), &err);
	assert_memory_equal(buf, "ab\0\0", 4);
	assert_ok(file_zero(file, 1, 100000, &err), &err);
	assert_int_equal(tranship_file_size(file), 100001);
	assert_ok(tranship_file_read(file, 0, buf, 2, &err), &err);
	assert_memory_equal(buf, "a\0", 2);
	tranship_file_close(file);
}

static void test_file_part__shifts_and_stays_inside(void **state)
{
	struct tranship_file *whole = file_of("0123456789", 10), *part;
	struct tranship_file_extent extent;
	unsigned char buf[8];
	struct tranship_error err;

	(void)state;
	assert_fails(tranship_file_part(whole, 5, 6, &part, &err), TRANSHIP_ECORRUPT, &err,
		     "passes the end");
	assert_null(part);
	assert_fails(tranship_file_part(whole, UINT64_MAX, 2, &part, &err), TRANSHIP_ECORRUPT, &err,
		     "passes the end");
	assert_ok(tranship_file_part(whole, 4, 5, &part, &err), &err);
	assert_int_equal(tranship_file_size(part), 5);
	assert_ok(tranship_file_read(part, 1, buf, 4, &err), &err);
	assert_memory_equal(buf, "5678", 4);
	assert_int_equal(tranship_file_read(part, 1, buf, 5, NULL), TRANSHIP_ECORRUPT);
	assert_ok(tranship_file_map(part, 2, &extent, &err), &err);
	assert_true(extent.off == 2 && extent.len == 3 && !extent.hole);
	assert_int_equal(file_write(part, 0, "x", 1, NULL), TRANSHIP_EINVAL);
	tranship_file_close(part);
}

/* FOLDER/sparse: 64 KiB of 'a', a hole up to 4 MiB, 64 KiB of 'b' and one byte. */
static const char *sparse_file(const char *folder)
{
	const char *path = path_in(folder, "sparse");
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *bytes = malloc(65537);

	assert_true(fd >= 0 && bytes != NULL);
	memset(bytes, 'a', 65537);
	assert_int_equal(pwrite(fd, bytes, 65536, 0), 65536);
	memset(bytes, 'b', 65537);
	assert_int_equal(pwrite(fd, bytes, 65537, 4 * MIB), 65537);
	free(bytes);
	close(fd);
	return path;
}

static bool has_holes(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_blocks * 512 < st.st_size;
}

static void test_file_open__holes_are_seen(void **state)
{
	const char *path = sparse_file(*state);
	struct tranship_file_extent extent;
	struct tranship_file *file;
	struct tranship_error err;
	uint64_t at;

	if (!has_holes(path))
		skip();
	assert_ok(tranship_file_open(path, 0, &file, &err), &err);
	assert_int_equal(tranship_file_size(file), 4 * MIB + 65537);
	for (at = 0; at < tranship_file_size(file); at += extent.len) {
		assert_ok(tranship_file_map(file, at, &extent, &err), &err);
		assert_int_equal(extent.off, at);
		assert_int_equal(extent.hole, at >= 65536 && at < 4 * MIB);
	}
	assert_ok(tranship_file_map(file, 2 * MIB, &extent, &err), &err);
	assert_true(extent.hole && extent.len == 2 * MIB);
	tranship_file_close(file);
}

/* Reads of odd ranges give the same bytes whatever the flags. */
static void check_flags(const char *path, unsigned flags)
{
	static const struct {
		uint64_t off;
		size_t len;
	} reads[] = { { 0, 4096 },
		      { 1, 1 },
		      { 65535, 2 },
		      { 4 * MIB - 7, 20 },
		      { 0, 4 * MIB + 65537 },
		      { 4 * MIB + 65536, 1 },
		      { 4095, 2 * MIB },
		      { 4 * MIB + 61440, 4097 } };
	struct tranship_file *file;
	struct tranship_error err;
	size_t size, i;
	unsigned char *want = read_path(path, &size), *got = malloc(size);

	assert_non_null(got);
	assert_ok(tranship_file_open(path, flags, &file, &err), &err);
	for (i = 0; i < COUNT_OF(reads); i++) {
		memset(got, 0xEE, size);
		assert_ok(tranship_file_read(file, reads[i].off, got, reads[i].len, &err), &err);
		assert_memory_equal(got, want + reads[i].off, reads[i].len);
	}
	tranship_file_close(file);
	free(want);
	free(got);
}

static void test_file_open__the_same_bytes_with_every_flag(void **state)
{
	const char *path = sparse_file(*state);

	check_flags(path, 0);
	check_flags(path, TRANSHIP_FILE_DROP_BEHIND);
	check_flags(path, TRANSHIP_FILE_DIRECT);
	check_flags(path, TRANSHIP_FILE_DIRECT | TRANSHIP_FILE_DROP_BEHIND);
	check_flags(path, TRANSHIP_FILE_FORCE_SHARE);
}

static void test_file_open__a_file_that_shrinks_is_an_error(void **state)
{
	static const unsigned flags[] = { 0, TRANSHIP_FILE_DROP_BEHIND, TRANSHIP_FILE_DIRECT };
	size_t i;

	for (i = 0; i < COUNT_OF(flags); i++) {
		const char *path = sparse_file(*state);
		struct tranship_file *file;
		unsigned char buf[4096];
		struct tranship_error err;

		assert_ok(tranship_file_open(path, flags[i], &file, &err), &err);
		assert_int_equal(truncate(path, 8192), 0);
		assert_ok(tranship_file_read(file, 4096, buf, 4096, &err), &err);
		assert_fails(tranship_file_read(file, 8191, buf, 4096, &err), TRANSHIP_ECORRUPT,
			     &err, "became shorter");
		assert_fails(tranship_file_read(file, MIB, buf, 10, &err), TRANSHIP_ECORRUPT, &err,
			     "became shorter");
		tranship_file_close(file);
	}
}

static void test_file_open__what_is_no_file(void **state)
{
	const char *fifo = path_in(*state, "fifo");
	struct tranship_file *file;
	struct tranship_error err;

	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_fails(tranship_file_open(*state, 0, &file, &err), TRANSHIP_EINVAL, &err,
		     "a directory");
	assert_null(file);
	assert_fails(tranship_file_open(fifo, 0, &file, &err), TRANSHIP_EINVAL, &err, "a pipe");
	assert_fails(tranship_file_open("/dev/null", 0, &file, &err), TRANSHIP_EINVAL, &err,
		     "a character device");
	assert_fails(tranship_file_open(path_in(*state, "nothing"), 0, &file, &err), TRANSHIP_EIO,
		     &err, "No such file");
}

static struct tranship_file *writer_of(const char *path, enum tranship_cache cache)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	struct tranship_file *file;
	struct tranship_error err;

	assert_ok(file_local_writer(fd, cache, false, &file, &err), &err);
	assert_int_equal(file_local_fd(file), fd);
	return file;
}

static void test_file_local_writer__every_cache_mode_writes_the_same(void **state)
{
	static const enum tranship_cache modes[] = { TRANSHIP_CACHE_WRITEBACK, TRANSHIP_CACHE_NONE,
						     TRANSHIP_CACHE_WRITETHROUGH,
						     TRANSHIP_CACHE_UNSAFE };
	size_t size = 20 * MIB + 5, got, i, at;
	unsigned char *bytes = malloc(size), *back;
	struct rng rng = { 3 };
	struct tranship_error err;

	assert_non_null(bytes);
	rng_fill(&rng, bytes, size);
	for (i = 0; i < COUNT_OF(modes); i++) {
		const char *path = path_in(*state, "out");
		struct tranship_file *file = writer_of(path, modes[i]);

		for (at = 0; at < size; at += MIB)
			assert_ok(file_write(file, at, bytes + at, size - at < MIB ? 5 : MIB, &err),
				  &err);
		assert_ok(file_sync(file, &err), &err);
		tranship_file_close(file);
		back = read_path(path, &got);
		assert_int_equal(got, size);
		assert_memory_equal(back, bytes, size);
		free(back);
		assert_int_equal(unlink(path), 0);
	}
	free(bytes);
}

static void test_file_zero__inside_and_past_the_end_of_a_local_file(void **state)
{
	struct tranship_file *file = writer_of(path_in(*state, "zeros"), TRANSHIP_CACHE_WRITEBACK);
	unsigned char *bytes = malloc(300000);
	struct tranship_error err;
	size_t i;

	assert_non_null(bytes);
	memset(bytes, 0xAA, 300000);
	assert_ok(file_write(file, 0, bytes, 200000, &err), &err);
	assert_ok(file_zero(file, 1000, 100000, &err), &err);
	assert_ok(file_zero(file, 150000, 150000, &err), &err);
	assert_int_equal(tranship_file_size(file), 300000);
	assert_ok(tranship_file_read(file, 0, bytes, 300000, &err), &err);
	for (i = 0; i < 300000; i++)
		assert_int_equal(bytes[i], i < 1000 || (i >= 101000 && i < 150000) ? 0xAA : 0);
	tranship_file_close(file);
	free(bytes);
}

static void test_file_write__a_pipe_goes_forward_only(void **state)
{
	unsigned char buf[100];
	struct tranship_file *file;
	struct tranship_error err;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_ok(file_local_writer(fds[1], TRANSHIP_CACHE_WRITEBACK, true, &file, &err), &err);
	assert_ok(file_write(file, 0, "ab", 2, &err), &err);
	assert_ok(file_write(file, 5, "c", 1, &err), &err); /* the gap is filled with zeros */
	assert_fails(file_write(file, 3, "x", 1, &err), TRANSHIP_EINVAL, &err, "cannot be written");
	assert_fails(file_resize(file, 4, &err), TRANSHIP_EINVAL, &err, "shorter");
	assert_ok(file_resize(file, 8, &err), &err);
	assert_ok(file_zero(file, 8, 2, &err), &err);
	assert_ok(file_sync(file, &err), &err);
	assert_int_equal(tranship_file_size(file), 10);
	tranship_file_close(file);
	assert_int_equal(read(fds[0], buf, sizeof(buf)), 10);
	assert_memory_equal(buf, "ab\0\0\0c\0\0\0\0", 10);
	close(fds[0]);
}

/* Locks belong to an open file, not to a process: two opens here stand for two programs. */
static void test_lock__readers_share_a_writer_is_alone(void **state)
{
	const char *path = sparse_file(*state);
	struct tranship_file *first, *second;
	struct tranship_error err;
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	assert_ok(tranship_file_open(path, 0, &first, &err), &err);
	assert_ok(tranship_file_open(path, 0, &second, &err), &err);
	assert_fails(lock_exclusive(fd, &err), TRANSHIP_EBUSY, &err, "another program");
	tranship_file_close(first);
	tranship_file_close(second);
	close(fd);
	fd = open(path, O_RDWR);
	assert_ok(lock_exclusive(fd, &err), &err);
	assert_fails(tranship_file_open(path, 0, &first, &err), TRANSHIP_EBUSY, &err,
		     "holds it for writing");
	assert_null(first);
	assert_ok(tranship_file_open(path, TRANSHIP_FILE_FORCE_SHARE, &first, &err), &err);
	tranship_file_close(first);
	close(fd);
	assert_ok(tranship_file_open(path, 0, &first, &err), &err);
	tranship_file_close(first);
}

/* What a running qemu holds: it writes (byte 101) and lets others write, too, or not (byte 201). */
static void test_lock__bytes_are_those_of_qemu(void **state)
{
	const char *path = sparse_file(*state);
	struct flock writes = { .l_type = F_RDLCK, .l_start = 101, .l_len = 1 };
	struct flock refuses_readers = { .l_type = F_RDLCK, .l_start = 200, .l_len = 1 };
	struct tranship_file *file;
	struct tranship_error err;
	int fd = open(path, O_RDONLY);

	assert_int_equal(fcntl(fd, F_OFD_SETLK, &writes), 0);
	assert_fails(tranship_file_open(path, 0, &file, &err), TRANSHIP_EBUSY, &err, "for writing");
	close(fd);
	fd = open(path, O_RDONLY);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &refuses_readers), 0);
	assert_fails(tranship_file_open(path, 0, &file, &err), TRANSHIP_EBUSY, &err, "for writing");
	close(fd);
}

static void test_table_cache__every_size_of_memory_gives_the_same(void **state)
{
	static const size_t memories[] = { 0, 1, 4096, 3 * 4096, 1 << 20 };
	struct rng rng = { 5 };
	size_t size = 50000, m, i;
	unsigned char *bytes = malloc(size), buf[9000];
	struct tranship_file *file;
	struct tranship_error err;

	(void)state;
	assert_non_null(bytes);
	rng_fill(&rng, bytes, size);
	file = file_of(bytes, size);
	for (m = 0; m < COUNT_OF(memories); m++) {
		struct table_cache *cache;

		assert_ok(table_cache_new(file, memories[m], &cache, &err), &err);
		for (i = 0; i < 500; i++) {
			size_t off = (size_t)rng_below(&rng, size),
			       len = (size_t)rng_below(&rng, 9000);

			len = len < size - off ? len : size - off;
			assert_ok(table_cache_read(cache, off, buf, len, &err), &err);
			assert_memory_equal(buf, bytes + off, len);
		}
		assert_fails(table_cache_read(cache, size - 3, buf, 4, &err), TRANSHIP_ECORRUPT,
			     &err, "pass the end");
		assert_int_equal(table_cache_read(cache, UINT64_MAX, buf, 4, NULL),
				 TRANSHIP_ECORRUPT);
		table_cache_free(cache);
	}
	tranship_file_close(file);
	table_cache_free(NULL);
	free(bytes);
}

static void test_table_cache__a_failed_fill_leaves_nothing_wrong_behind(void **state)
{
	unsigned char *bytes = calloc(4, 4096), buf[4];
	struct faults faults = { .fail_read = 2 };
	struct table_cache *cache;
	struct tranship_file *file;
	struct tranship_error err;

	(void)state;
	assert_non_null(bytes);
	bytes[0] = 1;
	bytes[3 * 4096] = 3;
	file = faulty_over(file_of(bytes, 4 * 4096), &faults);
	assert_non_null(file);
	assert_ok(table_cache_new(file, 1, &cache, &err), &err); /* one slot */
	assert_ok(table_cache_read(cache, 0, buf, 1, &err), &err);
	assert_int_equal(buf[0], 1);
	assert_fails(table_cache_read(cache, 3 * 4096, buf, 1, &err), TRANSHIP_EIO, &err,
		     FAULT_MESSAGE);
	assert_ok(table_cache_read(cache, 0, buf, 1, &err), &err);
	assert_int_equal(buf[0], 1);
	assert_ok(table_cache_read(cache, 3 * 4096, buf, 1, &err), &err);
	assert_int_equal(buf[0], 3);
	assert_int_equal(faults.reads, 3); /* the page that was held was not read again */
	table_cache_free(cache);
	tranship_file_close(file);
	free(bytes);
}

struct holed {
	uint64_t from, to; /* the hole */
	unsigned reads, maps;
};

/* All that is read is 1; the hole must not be. */
static int holed_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	struct holed *holed = ctx;

	(void)off;
	(void)err;
	holed->reads++;
	memset(buf, 1, len);
	return 0;
}

static int holed_map(void *ctx, uint64_t off, struct tranship_file_extent *out,
		     struct tranship_error *err)
{
	struct holed *holed = ctx;

	(void)err;
	holed->maps++;
	out->hole = off >= holed->from && off < holed->to;
	if (out->hole)
		out->len = holed->to - off;
	else if (off < holed->from)
		out->len = holed->from - off;
	return 0;
}

static void test_table_cache__holes_are_not_read(void **state)
{
	static const struct tranship_file_ops ops = { .read = holed_read, .map = holed_map };
	/* The hole ends in the middle of a page, which is read. */
	struct holed holed = { .from = 8192, .to = 40960 + 2048 };
	unsigned char buf[4096], zeros[4096] = { 0 };
	struct table_cache *cache;
	struct tranship_file *file;
	struct tranship_error err;
	uint64_t at;

	(void)state;
	assert_ok(tranship_file_new(&ops, &holed, 65536, &file, &err), &err);
	assert_ok(table_cache_new(file, 4096, &cache, &err), &err);
	for (at = 8192; at < 40960; at += 4096) {
		assert_true(table_cache_is_hole(cache, at, 4096));
		assert_ok(table_cache_read(cache, at, buf, 4096, &err), &err);
		assert_memory_equal(buf, zeros, 4096);
	}
	assert_int_equal(holed.reads, 0);
	assert_int_equal(holed.maps, 1); /* it is remembered */
	assert_false(table_cache_is_hole(cache, 40960, 4096));
	assert_false(table_cache_is_hole(cache, 4096, 8192));
	assert_false(table_cache_is_hole(cache, 65536, 1)); /* past the end */
	assert_false(table_cache_is_hole(cache, UINT64_MAX, 1));
	assert_ok(table_cache_read(cache, 40960, buf, 4096, &err), &err);
	assert_int_equal(buf[0], 1);
	assert_ok(table_cache_read(cache, 8000, buf, 400, &err), &err);
	assert_int_equal(buf[191], 1);
	assert_int_equal(buf[192], 0);
	assert_int_equal(holed.reads, 2);
	table_cache_free(cache);
	tranship_file_close(file);
}

struct reader {
	struct table_cache *cache;
	uint64_t seed;
	unsigned wrong;
};

/* Page n of the file is filled with byte n. */
static void *read_pages(void *arg)
{
	struct reader *reader = arg;
	struct rng rng = { reader->seed };
	int i;

	for (i = 0; i < 20000; i++) {
		uint64_t page = rng_below(&rng, 16);
		unsigned char byte = 0xFF;

		if (table_cache_read(reader->cache, page * 4096 + rng_below(&rng, 4096), &byte, 1,
				     NULL) ||
		    byte != page)
			reader->wrong++;
	}
	return NULL;
}

static void test_table_cache__many_threads(void **state)
{
	unsigned char *bytes = malloc(16 * 4096);
	struct tranship_file *file;
	struct table_cache *cache;
	struct reader readers[4];
	struct tranship_error err;
	pthread_t ids[4];
	size_t i;

	(void)state;
	assert_non_null(bytes);
	for (i = 0; i < 16; i++)
		memset(bytes + i * 4096, (int)i, 4096);
	file = file_of(bytes, 16 * 4096);
	assert_ok(table_cache_new(file, 3 * 4096, &cache, &err), &err);
	for (i = 0; i < 4; i++) {
		readers[i] = (struct reader){ cache, i, 0 };
		assert_int_equal(pthread_create(&ids[i], NULL, read_pages, &readers[i]), 0);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(ids[i], NULL);
		assert_int_equal(readers[i].wrong, 0);
	}
	table_cache_free(cache);
	tranship_file_close(file);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_read__ranges),
		cmocka_unit_test(test_file_map__a_bad_answer_does_no_harm),
		cmocka_unit_test(test_file_write__read_only_and_too_far),
		cmocka_unit_test(test_file_memory__grows_with_zeros),
		cmocka_unit_test(test_file_part__shifts_and_stays_inside),
		IN_FOLDER(test_file_open__holes_are_seen),
		IN_FOLDER(test_file_open__the_same_bytes_with_every_flag),
		IN_FOLDER(test_file_open__a_file_that_shrinks_is_an_error),
		IN_FOLDER(test_file_open__what_is_no_file),
		IN_FOLDER(test_file_local_writer__every_cache_mode_writes_the_same),
		IN_FOLDER(test_file_zero__inside_and_past_the_end_of_a_local_file),
		cmocka_unit_test(test_file_write__a_pipe_goes_forward_only),
		IN_FOLDER(test_lock__readers_share_a_writer_is_alone),
		IN_FOLDER(test_lock__bytes_are_those_of_qemu),
		cmocka_unit_test(test_table_cache__every_size_of_memory_gives_the_same),
		cmocka_unit_test(test_table_cache__a_failed_fill_leaves_nothing_wrong_behind),
		cmocka_unit_test(test_table_cache__holes_are_not_read),
		cmocka_unit_test(test_table_cache__many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
