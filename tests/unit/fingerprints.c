// SPDX-License-Identifier: Apache-2.0
#include "fingerprints.h"

#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t digest_size(enum digest_kind kind)
{
	return kind == DIGEST_SHA256 ? 32 : 16;
}

struct fingerprint_head some_head(struct rng *rng, enum digest_kind kind, uint64_t blocks)
{
	struct fingerprint_head head = { .size = blocks * 4096,
					 .sector_size = 512,
					 .block_size = 4096,
					 .kind = kind,
					 .file_id = rng_next(rng) };

	if (kind == DIGEST_XXH3)
		rng_fill(rng, head.seed.bytes, sizeof(head.seed.bytes));
	snprintf(head.id, sizeof(head.id), "version %u", (unsigned)rng_below(rng, 1000000));
	return head;
}

unsigned char *some_digests(struct rng *rng, enum digest_kind kind, size_t count, size_t stretch)
{
	size_t size = digest_size(kind), at = 0;
	unsigned char *digests = calloc(count + 1, size);

	assert_non_null(digests);
	while (at < count) {
		size_t n = 1 + rng_below(rng, stretch);

		n = n < count - at ? n : count - at;
		if (rng_below(rng, 2))
			rng_fill(rng, digests + at * size, n * size);
		at += n;
	}
	return digests;
}

static bool zeros(const unsigned char *bytes, size_t len)
{
	while (len > 0 && bytes[len - 1] == 0)
		len--;
	return len == 0;
}

int write_fingerprint(struct tranship_file *file, const struct fingerprint_head *head,
		      const unsigned char *digests, size_t count, struct rng *rng,
		      struct tranship_error *err)
{
	size_t size = digest_size(head->kind), at = 0;
	struct fingerprint_writer *w;
	int rc = fingerprint_writer_new(file, head, &w, err);

	while (rc == 0 && at < count) {
		size_t n = 1 + rng_below(rng, 700);

		n = n < count - at ? n : count - at;
		if (!zeros(digests + at * size, n * size) || rng_below(rng, 2))
			rc = fingerprint_writer_add(w, at, n, digests + at * size, err);
		at += n;
	}
	if (rc == 0)
		rc = fingerprint_writer_finish(w, err);
	fingerprint_writer_free(w);
	return rc;
}

struct tranship_file *fingerprint_file_of(const struct fingerprint_head *head,
					  const unsigned char *digests, size_t count)
{
	struct tranship_file *file = file_of(NULL, 0);
	struct rng rng = { count };
	struct tranship_error err;

	assert_ok(write_fingerprint(file, head, digests, count, &rng, &err), &err);
	return file;
}

struct tranship_fingerprint *fingerprint_of(const struct fingerprint_head *head,
					    const unsigned char *digests, size_t count)
{
	struct tranship_fingerprint *fp;
	struct tranship_error err;

	assert_ok(tranship_fingerprint_open_file(fingerprint_file_of(head, digests, count), &fp,
						 &err),
		  &err);
	return fp;
}
