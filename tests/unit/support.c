// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void assert_ok_at(int rc, const struct tranship_error *err, const char *file, int line)
{
	if (rc)
		print_error("%s: %s\n", tranship_code_name(rc), err ? err->message : "");
	_assert_int_equal((uintmax_t)rc, 0, file, line);
}

void assert_fails_at(int rc, int code, const struct tranship_error *err, const char *piece, const char *file, int line)
{
	if (rc != code || (err && !strstr(err->message, piece)))
		print_error("wanted %s with '%s', got %s: %s\n", tranship_code_name(code), piece, tranship_code_name(rc),
			    err ? err->message : "");
	_assert_int_equal((uintmax_t)(intmax_t)rc, (uintmax_t)(intmax_t)code, file, line);
	if (err)
		_assert_true(strstr(err->message, piece) != NULL, "the message has the piece", file, line);
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
		case 0:
			rng_fill(rng, disk + at, n);
			break;
		case 1:
			for (i = 0; i < n; i++)
				disk[at + i] = (unsigned char)"tranship moves disks. "[(at + i) % 22];
			break;
		default: /* zeros */
			break;
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

struct tranship_file *image_of(const char *format, const char *options, const unsigned char *content, size_t size,
			       unsigned threads)
{
	struct tranship_create_options create = { .format = format, .size = size, .options = options, .time = 1000000000 };
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
