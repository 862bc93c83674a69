/* SPDX-License-Identifier: Apache-2.0 */
/* What unit tests share. */
#ifndef TESTS_UNIT_SUPPORT_H
#define TESTS_UNIT_SUPPORT_H

/* cmocka's header needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* and here it is */
#include <cmocka.h>

#include "tranship/tranship.h"

/* Fails with the error's message unless rc is 0. */
#define assert_ok(rc, err) assert_ok_at((rc), (err), __FILE__, __LINE__)
void assert_ok_at(int rc, const struct tranship_error *err, const char *file, int line);

/* assert_memory_equal, at the speed of memcmp. */
#define assert_same_bytes(a, b, len) assert_same_bytes_at((a), (b), (len), __FILE__, __LINE__)
void assert_same_bytes_at(const void *a, const void *b, size_t len, const char *file, int line);

/* Fails unless rc is `code` and the message contains `piece`. */
#define assert_fails(rc, code, err, piece) \
	assert_fails_at((rc), (code), (err), (piece), __FILE__, __LINE__)
void assert_fails_at(int rc, int code, const struct tranship_error *err, const char *piece,
		     const char *file, int line);

/* A repeatable random source. */
struct rng {
	uint64_t state;
};
uint64_t rng_next(struct rng *rng);
/* 0 <= result < bound; bound > 0 */
uint64_t rng_below(struct rng *rng, uint64_t bound);
void rng_fill(struct rng *rng, void *buf, size_t len);

/*
 * Content of a disk: stretches of random bytes, of text that compresses, and of zeros, of odd
 * lengths. malloc'ed; the caller frees.
 */
unsigned char *random_disk(struct rng *rng, size_t size);

/* Writes `content` as an image into a fresh file in memory. `options` may be NULL. */
struct tranship_file *image_of(const char *format, const char *options,
			       const unsigned char *content, size_t size, unsigned threads);

/* Opens a copy of an image in memory and reads all of it; fails on any error. malloc'ed, *size is
 * the disk's. */
unsigned char *content_of(struct tranship_file *image, const char *format, size_t *size);

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* All bytes of a file. malloc'ed. */
unsigned char *file_bytes(struct tranship_file *file, size_t *size);

/* A file in memory with a copy of these bytes. */
struct tranship_file *file_of(const void *bytes, size_t size);

/*
 * Opens the file as `format` (NULL: find out) and, if that works, maps, reads and checks all of it.
 * Fails where a property of walk.h does not hold. Closes the file. Returns what the first call that
 * failed returned, with its error in *err; 0 if none did. `twin` is a second file of the same
 * bytes, or NULL.
 */
int exercise(struct tranship_file *file, struct tranship_file *twin, const char *format,
	     unsigned flags, struct tranship_error *err);

/*
 * Exercises images that differ from a good one: in one byte of [from, to), by three values each; in
 * their length, which is each multiple of `step` and one byte more. All must read or fail cleanly.
 */
void exercise_flips(const void *image, size_t size, const char *format, size_t from, size_t to);
void exercise_cuts(const void *image, size_t size, const char *format, size_t step);

/* What was warned of: pass warnings_take and a zeroed struct warnings to the library. */
struct warnings {
	unsigned count;
	char last[500];
};
void warnings_take(void *ctx, const char *message);

/* What a check of the image says. Closes the file. */
struct findings {
	struct tranship_check_result result;
	char text[4000]; /* of all findings, a line each */
};
void findings_of(struct tranship_file *file, const char *format, struct findings *out);
/* Fails unless the findings have so many errors and leaks and, unless it is NULL, this piece of
 * text. */
void findings_match(const struct findings *f, uint64_t errors, uint64_t leaks, const char *piece);

/* A fresh folder, for state of a cmocka test: cmocka_unit_test_setup_teardown(test, folder_make,
 * folder_remove). */
int folder_make(void **state);
int folder_remove(void **state);

/* FOLDER/NAME; lives until the next eight calls. */
const char *path_in(const char *folder, const char *name);
void write_path(const char *path, const void *bytes, size_t size);
/* All of it; malloc'ed. */
unsigned char *read_path(const char *path, size_t *size);

/* For a test in a folder. */
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

/* How many entries a folder has, how many descriptors this process has open. */
unsigned count_entries(const char *folder);
unsigned count_descriptors(void);

#endif
