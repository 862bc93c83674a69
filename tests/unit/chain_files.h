/* SPDX-License-Identifier: Apache-2.0 */
/* Small chains of images as files, and what they read as. */
#ifndef TESTS_UNIT_CHAIN_FILES_H
#define TESTS_UNIT_CHAIN_FILES_H

#include "support.h"

/* An image to be made. */
struct chain_image {
	const char *format; /* vpc (with blocks of 4 KiB), vhdx or vmdk */
	const char *path;
	const unsigned char *content; /* what it reads as, with its base */
	size_t size;
	const char *base; /* path of its base; NULL: none */
	const struct tranship_open_options *base_options;
	const char *hint; /* where it says that this is; NULL: it does not */
};

void chain_make(const struct chain_image *image);

/* Two or more whole sectors of the content, at any place, become random or zeros. */
void chain_change(struct rng *rng, unsigned char *content, size_t size, unsigned times);

/* Opens it: 0, and all that it reads as in *content (malloc'ed), or the code. */
int chain_read(const char *path, const struct tranship_open_options *options,
	       unsigned char **content, size_t *size, struct tranship_error *err);
/* Asserts that it reads as that. */
void chain_expect(const char *path, const struct tranship_open_options *options,
		  const unsigned char *content, size_t size);
/* Whether the image holds nothing itself. */
bool chain_is_empty(const char *path);
/* Errors that a check of the image alone finds; a line of them goes to `why`. */
uint64_t chain_errors(const char *path, char *why, size_t cap);
/* The identity of the image, and of the parent that it wants ("": none). */
void chain_identities(const char *path, char own[40], char parents[40]);

#endif
