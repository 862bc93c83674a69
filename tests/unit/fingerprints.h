/* SPDX-License-Identifier: Apache-2.0 */
/* Fingerprints for tests, in memory, of digests that are made up. */
#ifndef TESTS_UNIT_FINGERPRINTS_H
#define TESTS_UNIT_FINGERPRINTS_H

#include "support.h"

#include "delta/fingerprint_ondisk.h"

/* A head for a disk of `blocks` blocks of 4 KiB, with a secret and an id from `rng`. */
struct fingerprint_head some_head(struct rng *rng, enum digest_kind kind, uint64_t blocks);

/* Digests of `count` blocks, in stretches of zeros and others of up to `stretch`. malloc'ed. */
unsigned char *some_digests(struct rng *rng, enum digest_kind kind, size_t count, size_t stretch);

/* Writes a fingerprint of the blocks from the first one on, in pieces of random length, stretches
 * of zeros passed over in part. */
int write_fingerprint(struct tranship_file *file, const struct fingerprint_head *head,
		      const unsigned char *digests, size_t count, struct rng *rng,
		      struct tranship_error *err);

/* The file, and the same opened. */
struct tranship_file *fingerprint_file_of(const struct fingerprint_head *head,
					  const unsigned char *digests, size_t count);
struct tranship_fingerprint *fingerprint_of(const struct fingerprint_head *head,
					    const unsigned char *digests, size_t count);

#endif
