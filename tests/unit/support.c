// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include "heap.h"
#include "io/file.h"
#include "patched.h"
#include "walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void assert_ok_at(int rc, const struct tranship_error *err, const char *file, int line)
{
	if (rc)
		print_error("%s: %s\n", tranship_code_name(rc), err ? err->message : "");
	_assert_int_equal((uintmax_t)rc, 0, file, line);
}

void assert_same_bytes_at(const void *a, const void *b, size_t len, const char *file, int line)
{
	if (memcmp(a, b, len) != 0)
		_assert_memory_equal(a, b, len, file, line);
}

void assert_fails_at(int rc, int code, const struct tranship_error *err, const char *piece,
		     const char *file, int line)
{
	if (rc != code || (err && !strstr(err->message, piece)))
		print_error("wanted %s with '%s', got %s: %s\n", tranship_code_name(code), piece,
			    tranship_code_name(rc), err ? err->message : "");
	_assert_int_equal((uintmax_t)(intmax_t)rc, (uintmax_t)(intmax_t)code, file, line);
	if (err)
		_assert_true(strstr(err->message, piece) != NULL, "the message has the piece", file,
			     line);
}

uint64_t rng_next(struct rng *rng)
{
	uint64_t x = rng->state += 0x9E3779B97F4A7C15U;

	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9U;
	x = (x ^ x >> 27) * 0x94D049BB133111EBU;
	return x ^ x >> 31;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
	return rng_next(rng) % bound;
}

void rng_fill(struct rng *rng, void *buf, size_t len)
{
	unsigned char *p = buf;

	while (len-- > 0)
		*p++ = (unsigned char)rng_next(rng);
}

unsigned char *random_disk(struct rng *rng, size_t size)
{
	unsigned char *disk = calloc(1, size + 1);
	size_t at = 0;

	assert_non_null(disk);
	while (at < size) {
		size_t n = (size_t)rng_below(rng, rng_below(rng, 8) == 0 ? 1 << 20 : 70000) + 1, i;

		n = n < size - at ? n : size - at;
		switch (rng_below(rng, 3)) {
		case 0: rng_fill(rng, disk + at, n); break;
		case 1:
			for (i = 0; i < n; i++)
				disk[at + i] =
					(unsigned char)"tranship moves disks. "[(at + i) % 22];
			break;
		default: /* zeros */ break;
		}
		at += n;
	}
	return disk;
}

struct tranship_file *file_of(const void *bytes, size_t size)
{
	struct tranship_file *file;
	struct tranship_error err;

	assert_ok(tranship_file_memory(bytes, size, &file, &err), &err);
	return file;
}

struct tranship_file *image_of(const char *format, const char *options,
			       const unsigned char *content, size_t size, unsigned threads)
{
	struct tranship_create_options create = {
		.format = format, .size = size, .options = options, .time = 1000000000
	};
	struct tranship_copy_options copy = { .threads = threads };
	struct tranship_file *source = file_of(content, size), *image = file_of(NULL, 0);
	struct tranship_open_options open = { .format = "raw" };
	struct tranship_writer *writer;
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open_file(source, &open, &disk, &err), &err);
	assert_ok(tranship_create_file(image, &create, &writer, &err), &err);
	assert_ok(tranship_copy(disk, writer, &copy, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close(disk);
	return image;
}

unsigned char *file_bytes(struct tranship_file *file, size_t *size)
{
	unsigned char *bytes;
	struct tranship_error err;

	*size = (size_t)tranship_file_size(file);
	bytes = malloc(*size + 1);
	assert_non_null(bytes);
	assert_ok(tranship_file_read(file, 0, bytes, *size, &err), &err);
	return bytes;
}

unsigned char *content_of(struct tranship_file *image, const char *format, size_t *size)
{
	struct tranship_open_options open = { .format = format };
	size_t image_size;
	unsigned char *bytes = file_bytes(image, &image_size), *content;
	struct tranship_file *copy = file_of(bytes, image_size);
	struct tranship_disk *disk;
	struct tranship_error err;

	free(bytes);
	assert_ok(tranship_open_file(copy, &open, &disk, &err), &err);
	*size = (size_t)tranship_disk_size(disk);
	content = malloc(*size + 1);
	assert_non_null(content);
	assert_ok(tranship_disk_read(disk, NULL, 0, content, *size, &err), &err);
	tranship_disk_close(disk);
	return content;
}

/* What opening and reading any image may ask for at once. */
#define LARGEST_BLOCK ((size_t)8 << 20)

/* Where the image that is exercised was changed or cut, for messages. */
static size_t last_changed;

static void assert_holds(const char *broken, const struct tranship_error *err)
{
	if (broken)
		fail_msg("broken: %s (%s; last changed at %zu)", broken, err->message,
			 last_changed);
}

int exercise(struct tranship_file *file, struct tranship_file *twin, const char *format,
	     unsigned flags, struct tranship_error *err)
{
	struct tranship_open_options open = { .format = format, .flags = flags };
	struct tranship_disk *disk;
	int rc;

	*err = (struct tranship_error){ 0 };
	heap_watch(0, false);
	rc = tranship_open_file(file, &open, &disk, err);
	if (rc) {
		assert_null(disk);
		assert_holds(walk_error(rc, err), err);
		tranship_file_close(file);
	} else {
		assert_holds(walk_disk(disk, twin, &walk_all, &rc, err), err);
		assert_holds(walk_check(disk, &walk_all), err);
		tranship_disk_close(disk);
	}
	tranship_file_close(twin);
	assert_in_range(heap_unwatch().largest, 0, LARGEST_BLOCK);
	return rc;
}

static void exercise_changed(const void *image, size_t size, const char *format, size_t cut,
			     const struct patch *patch)
{
	size_t count = patch ? 1 : 0;
	struct tranship_error err;

	last_changed = patch ? (size_t)patch->off : cut;
	exercise(patched_file(image, size, cut, patch, count),
		 patched_file(image, size, cut, patch, count), format, 0, &err);
}

void exercise_flips(const void *image, size_t size, const char *format, size_t from, size_t to)
{
	static const unsigned char masks[] = { 0x01, 0x80, 0xFF };
	size_t at, i;

	for (at = from; at < to; at++)
		for (i = 0; i < COUNT_OF(masks); i++) {
			unsigned char byte = ((const unsigned char *)image)[at] ^ masks[i];

			exercise_changed(image, size, format, size,
					 &(struct patch){ at, 1, &byte });
		}
}

void exercise_cuts(const void *image, size_t size, const char *format, size_t step)
{
	size_t cut;

	for (cut = 0; cut < size; cut += step) {
		exercise_changed(image, size, format, cut, NULL);
		exercise_changed(image, size, format, cut + 1, NULL);
	}
}

static void add_finding(void *ctx, enum tranship_finding_kind kind, const char *message)
{
	struct findings *f = ctx;
	size_t len = strlen(f->text);

	snprintf(f->text + len, sizeof(f->text) - len, "%s: %s\n",
		 kind == TRANSHIP_FINDING_LEAK ? "leak" : "error", message);
}

void findings_of(struct tranship_file *file, const char *format, struct findings *out)
{
	struct tranship_open_options open = { .format = format };
	struct tranship_disk *disk;
	struct tranship_error err;

	*out = (struct findings){ 0 };
	assert_ok(tranship_open_file(file, &open, &disk, &err), &err);
	assert_ok(tranship_check(disk, add_finding, out, &out->result, &err), &err);
	tranship_disk_close(disk);
}

void findings_match(const struct findings *f, uint64_t errors, uint64_t leaks, const char *piece)
{
	if (f->result.errors != errors || f->result.leaks != leaks ||
	    (piece && !strstr(f->text, piece)))
		fail_msg("wanted %llu errors, %llu leaks and '%s', got %llu, %llu and:\n%s",
			 (unsigned long long)errors, (unsigned long long)leaks, piece ? piece : "",
			 (unsigned long long)f->result.errors, (unsigned long long)f->result.leaks,
			 f->text);
}

void warnings_take(void *ctx, const char *message)
{
	struct warnings *w = ctx;

	w->count++;
	snprintf(w->last, sizeof(w->last), "%s", message);
}

int folder_make(void **state)
{
	const char *base = getenv("TMPDIR");
	char *folder = malloc(PATH_MAX);

	assert_non_null(folder);
	snprintf(folder, PATH_MAX, "%s/tranship-unit-XXXXXX", base ? base : "/tmp");
	*state = mkdtemp(folder);
	return *state ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

int folder_remove(void **state)
{
	int rc = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return rc;
}

const char *path_in(const char *folder, const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 8];

	assert_true(snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX);
	return path;
}

void write_path(const char *path, const void *bytes, size_t size)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

unsigned char *read_path(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	unsigned char *bytes;
	struct stat st;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	*size = (size_t)st.st_size;
	bytes = malloc(*size + 1);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, *size, f), *size);
	fclose(f);
	return bytes;
}

unsigned count_entries(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

unsigned count_descriptors(void)
{
	return count_entries("/proc/self/fd");
}
