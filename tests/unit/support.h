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

/* Fails unless rc is `code` and the message contains `piece`. */
#define assert_fails(rc, code, err, piece) assert_fails_at((rc), (code), (err), (piece), __FILE__, __LINE__)
void assert_fails_at(int rc, int code, const struct tranship_error *err, const char *piece, const char *file, int line);

/* A repeatable random source. */
struct rng {
	uint64_t state;
};
uint64_t rng_next(struct rng *rng);
/* 0 <= result < bound; bound > 0 */
uint64_t rng_below(struct rng *rng, uint64_t bound);
void rng_fill(struct rng *rng, void *buf, size_t len);

/*
 * Content of a disk: stretches of random bytes, of text that compresses, and of zeros, of odd lengths.
 * malloc'ed; the caller frees.
 */
unsigned char *random_disk(struct rng *rng, size_t size);

/* Writes `content` as an image into a fresh file in memory. `options` may be NULL. */
struct tranship_file *image_of(const char *format, const char *options, const unsigned char *content, size_t size,
			       unsigned threads);

/* Opens a copy of an image in memory and reads all of it; fails on any error. malloc'ed, *size is the disk's. */
unsigned char *content_of(struct tranship_file *image, const char *format, size_t *size);

/* All bytes of a file. malloc'ed. */
unsigned char *file_bytes(struct tranship_file *file, size_t *size);

/* A file in memory with a copy of these bytes. */
struct tranship_file *file_of(const void *bytes, size_t size);

#endif
