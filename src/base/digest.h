/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests of blocks of a disk, by which changes are found. A block is `block_size` bytes; one that
 * the end of the disk cuts short counts as if zeros followed, so growing a disk changes no digest.
 * A block of zeros has the digest zero; no other block has it.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum digest_kind { DIGEST_XXH3 = 1, DIGEST_SHA256 = 2 };

#define DIGEST_SIZE_MAX 32U
#define DIGEST_SEED_SIZE 32U
#define DIGEST_SECRET_SIZE 192U

/* What makes the digests of one lineage its own; all zero for SHA-256. */
struct digest_seed {
	unsigned char bytes[DIGEST_SEED_SIZE];
};

/* Constant once it is made: any number of threads. */
struct digester {
	enum digest_kind kind;
	uint32_t block_size;
	size_t size; /* of a digest: 16 or 32 */
	struct digest_seed seed;
	unsigned char secret[DIGEST_SECRET_SIZE];
};

/* block_size: a power of two. */
int digester_init(struct digester *d, enum digest_kind kind, uint32_t block_size,
		  const struct digest_seed *seed, struct tranship_error *err);

/* The digests of `count` whole blocks, one behind the other (the last block of a disk is padded
 * with zeros by who reads it). */
int digest_blocks(const struct digester *d, const void *bytes, size_t count, unsigned char *out,
		  struct tranship_error *err);

bool digest_is_zero(const struct digester *d, const unsigned char *digest);

/* "xxh3", "sha256"; NULL text is xxh3. TRANSHIP_EINVAL. Never NULL. */
int digest_kind_parse(const char *text, enum digest_kind *out, struct tranship_error *err);
const char *digest_kind_name(enum digest_kind kind);
/* Whether a number read from a file is a kind. */
bool digest_kind_known(uint32_t kind);

/* A name for the seed that does not give it away: 16 hexadecimal digits. */
void digest_seed_name(const struct digest_seed *seed, char out[20]);

/* A 64-bit check over bytes that were written and read back (XXH3-64, seeded). */
uint64_t check64(const void *bytes, size_t len, uint64_t seed);

/* SHA-256 of a stream. */
struct sha256;
int sha256_new(struct sha256 **out, struct tranship_error *err);
int sha256_update(struct sha256 *s, const void *bytes, size_t len, struct tranship_error *err);
int sha256_final(struct sha256 *s, unsigned char out[32], struct tranship_error *err);
void sha256_free(struct sha256 *s);

#endif
