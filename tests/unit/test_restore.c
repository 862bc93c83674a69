// SPDX-License-Identifier: Apache-2.0
/* Restoring points: as new images, into existing ones, damaged. */
#include "support.h"

#include "base/checked.h"
#include "memory_target.h"
#include "points_made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1U << 20)
#define DISK (6 * MIB)
#define CHUNK 4096U

struct scene {
	struct made made;
	unsigned char *content;
	char point[POINT_ID_TEXT];
};

static void scene_open(struct scene *s, unsigned char *content, size_t size)
{
	struct made_disk disk = { .content = content, .size = size };
	struct manifest m;
	struct tranship_error err;

	s->content = content;
	made_open(&s->made, false, MIB);
	made_point(&s->made, &disk, &m);
	assert_ok(manifest_write(s->made.store, &m, NULL, &err), &err);
	strcpy(s->point, m.id);
	manifest_free(&m);
}

static void scene_close(struct scene *s)
{
	made_close(&s->made);
	free(s->content);
}

static void scene_random(struct scene *s, uint64_t seed)
{
	struct rng rng = { seed };

	scene_open(s, random_disk(&rng, DISK), DISK);
}

static int restore(struct scene *s, const char *path, const struct tranship_restore_options *o,
		   struct tranship_restore_result *result, struct tranship_error *err)
{
	return tranship_restore(s->made.store, s->point, path, o, result, err);
}

/* What an image holds. */
static void check_image(const char *path, const char *format, const unsigned char *content,
			size_t size)
{
	struct tranship_open_options how = { .format = format };
	unsigned char *got = malloc(size);
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_non_null(got);
	assert_ok(tranship_open(path, &how, &disk, &err), &err);
	assert_true(tranship_disk_size(disk) >= size);
	assert_ok(tranship_disk_read(disk, NULL, 0, got, size, &err), &err);
	assert_same_bytes(got, content, size);
	tranship_disk_close(disk);
	free(got);
}

static const char *const formats[] = { "raw", "vmdk", "vhdx", "vpc" };

static void test_restore__new_images(void **state)
{
	struct tranship_restore_result result;
	struct tranship_error err;
	struct scene s;
	size_t i;

	scene_random(&s, 3);
	for (i = 0; i < COUNT_OF(formats); i++) {
		struct tranship_restore_options o = { .format = formats[i], .copy.threads = 2 };
		const char *path = path_in(*state, formats[i]);

		assert_ok(restore(&s, path, &o, &result, &err), &err);
		assert_int_equal(result.written, DISK);
		assert_int_equal(result.same, 0);
		assert_int_equal(result.lost, 0);
		check_image(path, formats[i], s.content, DISK);
	}
	assert_int_equal(count_entries(*state), COUNT_OF(formats));
	scene_close(&s);
}

/* Edits of whole chunks; returns the bytes of those that differ from the content. */
static uint64_t edit(struct rng *rng, unsigned char *bytes, const unsigned char *content)
{
	uint64_t differ = 0;
	unsigned n;
	size_t at;

	for (n = 0; n < 30; n++) {
		at = (size_t)rng_below(rng, DISK / CHUNK) * CHUNK;
		if (n % 3 == 0)
			memset(bytes + at, 0, CHUNK);
		else
			rng_fill(rng, bytes + at, CHUNK);
	}
	for (at = 0; at < DISK; at += CHUNK)
		differ += memcmp(bytes + at, content + at, CHUNK) ? CHUNK : 0;
	return differ;
}

/* An image of these bytes, at path. */
static void make_image(const char *path, const char *format, const unsigned char *bytes,
		       size_t size)
{
	struct tranship_open_options raw = { .format = "raw" };
	struct tranship_create_options create = { .format = format, .size = size };
	struct tranship_writer *writer;
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open_file(file_of(bytes, size), &raw, &disk, &err), &err);
	assert_ok(tranship_create(path, &create, &writer, &err), &err);
	assert_ok(tranship_copy(disk, writer, NULL, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close(disk);
}

static void test_in_place__only_what_differs(void **state)
{
	struct tranship_restore_result result;
	unsigned char *bytes = malloc(DISK);
	struct tranship_error err;
	struct rng rng = { 7 };
	struct scene s;
	size_t i;

	assert_non_null(bytes);
	scene_random(&s, 5);
	for (i = 0; i < 2 * COUNT_OF(formats); i++) {
		const char *format = formats[i / 2], *path = path_in(*state, format);
		struct tranship_restore_options o = { .format = format,
						      .create_flags = TRANSHIP_CREATE_IN_PLACE,
						      .copy.threads = 2 };
		uint64_t differ;

		memcpy(bytes, s.content, DISK);
		differ = edit(&rng, bytes, s.content);
		make_image(path, format, bytes, DISK);
		assert_ok(restore(&s, path, &o, &result, &err), &err);
		check_image(path, format, s.content, DISK);
		/* A format's unit may be larger than a chunk, and its disk than ours. */
		if (strcmp(format, "raw") == 0) {
			assert_int_equal(result.written, differ);
			assert_int_equal(result.same, DISK - differ);
		}
		assert_true(result.written >= differ && result.same >= DISK / 2);
		assert_ok(restore(&s, path, &o, &result, &err), &err);
		assert_int_equal(result.written, 0);
		assert_true(result.same >= DISK);
		check_image(path, format, s.content, DISK);
		unlink(path);
	}
	assert_int_equal(count_entries(*state), 0);
	free(bytes);
	scene_close(&s);
}

static void write_at(const char *path, const void *bytes, size_t len, size_t off)
{
	FILE *f = fopen(path, "r+b");

	assert_non_null(f);
	assert_int_equal(fseek(f, (long)off, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* Holes stay holes, and what is behind the disk's end stays, too. */
static void test_in_place__sparse_and_larger(void **state)
{
	struct tranship_restore_options o = { .format = "raw",
					      .create_flags = TRANSHIP_CREATE_IN_PLACE };
	const char *path = path_in(*state, "disk"), tail[] = "behind the end";
	size_t size = 64 * MIB, got_size;
	unsigned char *content = calloc(1, size), *got;
	struct tranship_restore_result result;
	struct tranship_error err;
	struct scene s;
	struct stat st;

	assert_non_null(content);
	content[40 * MIB + 5] = 1;
	scene_open(&s, content, size);
	write_path(path, "x", 1);
	assert_int_equal(truncate(path, (off_t)size + 100), 0);
	write_at(path, tail, sizeof(tail), size);
	assert_ok(restore(&s, path, &o, &result, &err), &err);
	assert_int_equal(result.written, 2 * CHUNK);
	assert_int_equal(result.same, size - 2 * CHUNK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, size + 100);
	assert_true(st.st_blocks * 512 < MIB);
	check_image(path, "raw", content, size);
	got = read_path(path, &got_size);
	assert_int_equal(got_size, size + 100);
	assert_memory_equal(got + size, tail, sizeof(tail));
	free(got);
	scene_close(&s);
}

static void test_in_place__odd_sizes(void **state)
{
	static const size_t sizes[] = { 1, 511, 4095, 4097, MIB + 1, 3 * MIB - 700 };
	struct tranship_restore_options o = { .format = "raw",
					      .create_flags = TRANSHIP_CREATE_IN_PLACE };
	const char *path = path_in(*state, "disk");
	struct tranship_restore_result result;
	struct tranship_error err;
	struct rng rng = { 77 };
	struct scene s;
	size_t i;

	for (i = 0; i < COUNT_OF(sizes); i++) {
		unsigned char *content = malloc(sizes[i]);

		assert_non_null(content);
		rng_fill(&rng, content, sizes[i]);
		scene_open(&s, content, sizes[i]);
		content[sizes[i] - 1] ^= 1;
		write_path(path, content, sizes[i]);
		content[sizes[i] - 1] ^= 1;
		assert_ok(restore(&s, path, &o, &result, &err), &err);
		assert_int_equal(result.written + result.same, sizes[i]);
		assert_true(result.written > 0 && result.written <= CHUNK);
		check_image(path, "raw", content, sizes[i]);
		scene_close(&s);
	}
}

static void test_in_place__too_small(void **state)
{
	struct tranship_restore_options o = { .create_flags = TRANSHIP_CREATE_IN_PLACE };
	const char *path = path_in(*state, "disk");
	struct tranship_restore_result result;
	unsigned char *before = calloc(1, DISK);
	struct tranship_error err;
	struct scene s;
	size_t i;

	assert_non_null(before);
	scene_random(&s, 5);
	for (i = 0; i < COUNT_OF(formats); i++) {
		o.format = formats[i];
		make_image(path, formats[i], before, DISK / 2);
		assert_fails(restore(&s, path, &o, &result, &err), TRANSHIP_ELIMIT, &err,
			     "the target has");
		check_image(path, formats[i], before, DISK / 2);
		unlink(path);
	}
	assert_fails(restore(&s, path, &o, &result, &err), TRANSHIP_EIO, &err, "");
	free(before);
	scene_close(&s);
}

static int stop_at_half(void *ctx, const struct tranship_progress *progress)
{
	(void)ctx;
	return progress->done >= DISK / 2;
}

/* What was interrupted is finished by doing it again; a new output leaves nothing. */
static void test_restore__interrupted(void **state)
{
	struct tranship_restore_options o = { .format = "raw",
					      .copy = { .threads = 1, .progress = stop_at_half } };
	const char *path = path_in(*state, "disk");
	struct tranship_restore_result result;
	unsigned char *zeros = calloc(1, DISK);
	struct tranship_error err;
	struct scene s;

	assert_non_null(zeros);
	scene_random(&s, 5);
	assert_fails(restore(&s, path, &o, &result, &err), TRANSHIP_ECANCELED, &err, "");
	assert_int_equal(count_entries(*state), 0);
	write_path(path, zeros, DISK);
	o.create_flags = TRANSHIP_CREATE_IN_PLACE;
	assert_fails(restore(&s, path, &o, &result, &err), TRANSHIP_ECANCELED, &err, "");
	o.copy.progress = NULL;
	assert_ok(restore(&s, path, &o, &result, &err), &err);
	check_image(path, "raw", s.content, DISK);
	free(zeros);
	scene_close(&s);
}

struct losses {
	uint64_t bytes;
	unsigned ranges;
	uint64_t off;
};

static void lose(void *ctx, uint64_t off, uint64_t len, const char *why)
{
	struct losses *l = ctx;

	assert_non_null(strstr(why, "slot "));
	l->bytes += len;
	l->off = off;
	l->ranges++;
}

/* Damages the first block that is stored. */
static void damage(struct scene *s)
{
	size_t len;
	struct slot_id id;
	char key[TARGET_KEY_MAX + 1];
	unsigned char *bytes;

	memset(id.bytes, 0xAB, 8);
	memset(id.bytes + 8, 0, 8);
	id.bytes[15] = 1;
	slot_key(&id, key);
	bytes = memory_target_bytes(s->made.store->target, key, &len);
	assert_non_null(bytes);
	bytes[SLOT_HEAD_SIZE + 10] ^= 1;
}

static void test_restore__damage(void **state)
{
	struct losses losses = { 0 };
	struct tranship_restore_options o = { .format = "raw", .lost_ctx = &losses };
	const char *path = path_in(*state, "disk");
	struct tranship_restore_result result;
	unsigned char *content = malloc(DISK);
	struct tranship_error err;
	struct rng rng = { 2 };
	struct scene s;

	assert_non_null(content);
	rng_fill(&rng, content, DISK);
	scene_open(&s, content, DISK);
	damage(&s);
	assert_fails(restore(&s, path, &o, &result, &err), TRANSHIP_ECORRUPT, &err,
		     "of the disk: slot ");
	assert_int_equal(count_entries(*state), 0);
	o.lost = lose;
	assert_ok(restore(&s, path, &o, &result, &err), &err);
	assert_int_equal(result.lost, STORE_BLOCK);
	assert_int_equal(losses.bytes, STORE_BLOCK);
	assert_int_equal(losses.ranges, 1);
	assert_int_equal(losses.off, 0);
	memset(content, 0, STORE_BLOCK);
	check_image(path, "raw", content, DISK);
	scene_close(&s);
}

static void test_restore__refused(void **state)
{
	struct tranship_restore_options o = { 0 };
	const char *path = path_in(*state, "disk");
	struct tranship_restore_result result;
	struct tranship_error err;
	struct scene s;

	scene_random(&s, 5);
	assert_fails(restore(&s, path, &o, &result, &err), TRANSHIP_EINVAL, &err, "format");
	o.format = "paper";
	assert_fails(restore(&s, path, &o, &result, &err), TRANSHIP_EINVAL, &err, "paper");
	o.format = "raw";
	strcpy(s.point, "nobody");
	assert_fails(restore(&s, path, &o, &result, &err), TRANSHIP_ENOTFOUND, &err, "nobody");
	assert_int_equal(count_entries(*state), 0);
	scene_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_restore__new_images),
		IN_FOLDER(test_in_place__only_what_differs),
		IN_FOLDER(test_in_place__sparse_and_larger),
		IN_FOLDER(test_in_place__odd_sizes),
		IN_FOLDER(test_in_place__too_small),
		IN_FOLDER(test_restore__interrupted),
		IN_FOLDER(test_restore__damage),
		IN_FOLDER(test_restore__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
