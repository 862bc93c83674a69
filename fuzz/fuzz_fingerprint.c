// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a fingerprint in short (fingerprint_input.h). What opens says the same however it is
 * asked; what is found sound can be read from end to end, has as many blocks as it says, is equal
 * to itself, and written again says the same.
 */
#include "harness.h"

#include "base/checked.h"
#include "fingerprint_input.h"

#include <stdlib.h>
#include <string.h>

#define SPAN 600U /* blocks that are looked at together: more than two pages */

static void expect_error(int rc, const struct tranship_error *err)
{
	fuzz_require(rc < 0 && walk_error(rc, err) == NULL, "a failure says what it is");
}

static void look_at_info(const struct tranship_fingerprint *fp)
{
	struct tranship_fingerprint_info info;

	tranship_fingerprint_get_info(fp, &info);
	fuzz_require(info.size <= INT64_MAX, "a disk has an end");
	fuzz_require(is_pow2(info.block_size) && info.block_size >= TRANSHIP_BLOCK_MIN &&
			     info.block_size <= TRANSHIP_BLOCK_MAX,
		     "blocks have a size");
	fuzz_require(strlen(info.id) > 0 && strlen(info.id) <= TRANSHIP_ID_MAX, "it has an id");
	fuzz_require(info.blocks <= div_up(info.size, info.block_size),
		     "the blocks are the disk's");
}

/* A read in two parts is one read. 0 or the error's code. */
static int read_span(struct tranship_fingerprint *fp, uint64_t first, unsigned char *whole)
{
	static unsigned char parts[SPAN * DIGEST_SIZE_MAX];
	size_t size = fingerprint_digester(fp)->size, cut = (size_t)(first * 31 % SPAN);
	struct tranship_error err = { 0 };
	int rc = fingerprint_read(fp, first, SPAN, whole, &err), rc2;

	if (rc)
		expect_error(rc, &err);
	rc2 = fingerprint_read(fp, first, cut, parts, NULL);
	if (rc2 == 0)
		rc2 = fingerprint_read(fp, first + cut, SPAN - cut, parts + cut * size, NULL);
	fuzz_require((rc == 0) == (rc2 == 0), "two parts can be read where the whole can");
	fuzz_require(rc || memcmp(whole, parts, SPAN * size) == 0, "two parts are the whole");
	return rc;
}

static uint64_t count_digests(const struct tranship_fingerprint *fp, const unsigned char *digests)
{
	const struct digester *d = fingerprint_digester(fp);
	uint64_t count = 0;
	size_t i;

	for (i = 0; i < SPAN; i++)
		count += !digest_is_zero(d, digests + i * d->size);
	return count;
}

/* Goes through what is stored; hands it to a writer where there is one. Steps are bounded by the
 * pages that the file has. The code of the first failure. */
static int walk(struct tranship_fingerprint *fp, struct fingerprint_writer *w, uint64_t *count)
{
	static unsigned char digests[SPAN * DIGEST_SIZE_MAX];
	uint64_t blocks = fingerprint_blocks(fingerprint_head(fp)), block = 0, next;
	unsigned steps;

	for (steps = 0; steps <= FINGERPRINT_INPUT_PAGES; steps++) {
		struct tranship_error err = { 0 };
		int rc = fingerprint_next(fp, block, &next, &err);

		if (rc) {
			expect_error(rc, &err);
			return rc;
		}
		if (next == UINT64_MAX)
			return 0;
		fuzz_require(next >= block && next < blocks, "the next block is ahead");
		rc = read_span(fp, next, digests);
		if (rc)
			return rc;
		*count += count_digests(fp, digests);
		if (w)
			fuzz_require(fingerprint_writer_add(w, next,
							    (size_t)min_u64(SPAN, blocks - next),
							    digests, NULL) == 0,
				     "digests that were read can be written");
		block = next + SPAN;
	}
	fuzz_require(0, "the walk ends");
	return 0;
}

static void compare(struct tranship_fingerprint *a, struct tranship_fingerprint *b)
{
	struct tranship_changes *changes;

	fuzz_require(tranship_fingerprint_compare(a, b, &changes, NULL) == 0,
		     "two sound ones can be compared");
	fuzz_require(tranship_changes_count(changes) == 0, "and are the same");
	tranship_changes_free(changes);
}

/* Of one that is sound. */
static void write_again(struct tranship_fingerprint *fp)
{
	struct tranship_fingerprint *again = NULL;
	struct fingerprint_writer *w = NULL;
	struct tranship_file *file = NULL;
	uint64_t count = 0;

	fuzz_require(tranship_file_memory(NULL, 0, &file, NULL) == 0 &&
			     fingerprint_writer_new(file, fingerprint_head(fp), &w, NULL) == 0,
		     "its head can be written");
	fuzz_require(walk(fp, w, &count) == 0, "what is sound can be read");
	fuzz_require(fingerprint_writer_finish(w, NULL) == 0, "it is finished");
	fingerprint_writer_free(w);
	fuzz_require(tranship_fingerprint_open_file(file, &again, NULL) == 0 &&
			     tranship_fingerprint_check(again, NULL) == 0,
		     "what was written is sound");
	compare(fp, again);
	compare(again, fp);
	tranship_fingerprint_close(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tranship_file *file = fingerprint_input_file(data, size);
	struct tranship_fingerprint_info info;
	struct tranship_fingerprint *fp;
	struct tranship_error err = { 0 };
	uint64_t count = 0;
	int rc, walked;

	if (!file)
		return 0;
	rc = tranship_fingerprint_open_file(file, &fp, &err);
	if (rc) {
		expect_error(rc, &err);
		fuzz_require(!fp, "a failure leaves nothing");
		tranship_file_close(file);
		return 0;
	}
	look_at_info(fp);
	tranship_fingerprint_get_info(fp, &info);
	walked = walk(fp, NULL, &count);
	rc = tranship_fingerprint_check(fp, &err);
	if (rc) {
		expect_error(rc, &err);
	} else {
		fuzz_require(walked == 0 && count == info.blocks, "it has what it says");
		write_again(fp);
	}
	tranship_fingerprint_close(fp);
	return 0;
}
