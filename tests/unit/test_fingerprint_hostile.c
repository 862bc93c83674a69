// SPDX-License-Identifier: Apache-2.0
/* Fingerprint files that are cut, altered or made to do harm, and a machine that fails. */
#include "fingerprints.h"

#include "base/bytes.h"
#include "faulty.h"
#include "heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 1000U /* of which the last page has a few */

struct sample {
	struct fingerprint_head head;
	unsigned char *digests, *bytes;
	size_t size;
};

/* Four pages of digests, of which the second is zeros and not stored. */
static struct sample make_sample(enum digest_kind kind)
{
	struct sample s;
	struct rng rng = { kind };
	struct tranship_file *file;
	size_t digest = kind == DIGEST_SHA256 ? 32 : 16, per_page;

	s.head = some_head(&rng, kind, BLOCKS);
	s.digests = malloc(BLOCKS * digest);
	assert_non_null(s.digests);
	rng_fill(&rng, s.digests, BLOCKS * digest);
	per_page = fingerprint_per_page(&s.head);
	memset(s.digests + per_page * digest, 0, per_page * digest);
	file = fingerprint_file_of(&s.head, s.digests, BLOCKS);
	s.bytes = file_bytes(file, &s.size);
	tranship_file_close(file);
	return s;
}

static void free_sample(struct sample *s)
{
	free(s->digests);
	free(s->bytes);
}

/* Opens a copy of the bytes and reads them in every way. Whatever is not refused must be right.
 * 0, or the first error. */
static int use(const unsigned char *bytes, size_t size, const struct sample *s,
	       struct tranship_error *err)
{
	struct tranship_file *file = file_of(bytes, size);
	struct tranship_fingerprint *fp;
	unsigned char digests[50 * 32];
	uint64_t block, next;
	int rc = tranship_fingerprint_open_file(file, &fp, err), read_rc = 0, check_rc;

	if (rc) {
		assert_null(fp);
		tranship_file_close(file);
		return rc;
	}
	for (block = 0; block < BLOCKS; block += 50) {
		size_t len = fingerprint_digester(fp)->size * 50;

		rc = fingerprint_read(fp, block, 50, digests, err);
		if (rc == 0)
			assert_memory_equal(
				digests, s->digests + block * fingerprint_digester(fp)->size, len);
		if (rc == 0)
			rc = fingerprint_next(fp, block, &next, err);
		read_rc = read_rc ? read_rc : rc;
	}
	check_rc = tranship_fingerprint_check(fp, read_rc ? NULL : err);
	tranship_fingerprint_close(fp);
	return read_rc ? read_rc : check_rc;
}

static void check_flips(enum digest_kind kind)
{
	struct sample s = make_sample(kind);
	struct tranship_error err;
	size_t i;

	assert_ok(use(s.bytes, s.size, &s, &err), &err);
	for (i = 0; i < s.size; i++) {
		int rc;

		s.bytes[i] ^= (unsigned char)(1U << i % 8);
		rc = use(s.bytes, s.size, &s, &err);
		if (rc != TRANSHIP_ECORRUPT && !(rc == TRANSHIP_EUNSUPPORTED && i >= 8 && i < 12))
			fail_msg("byte %zu: %d", i, rc);
		s.bytes[i] ^= (unsigned char)(1U << i % 8);
	}
	free_sample(&s);
}

static void test_fingerprint__every_byte_flipped(void **state)
{
	(void)state;
	check_flips(DIGEST_XXH3);
	check_flips(DIGEST_SHA256);
}

static void test_fingerprint__every_truncation(void **state)
{
	struct sample s = make_sample(DIGEST_XXH3);
	unsigned char *longer = calloc(1, s.size + 4096);
	struct tranship_error err;
	size_t i;

	(void)state;
	assert_non_null(longer);
	for (i = 0; i < s.size; i++) {
		struct tranship_file *file = file_of(s.bytes, i);
		struct tranship_fingerprint *fp;

		assert_fails(tranship_fingerprint_open_file(file, &fp, &err), TRANSHIP_ECORRUPT,
			     &err, "cut short");
		assert_null(fp);
		tranship_file_close(file);
	}
	/* Nor may anything follow, be it a second end. */
	memcpy(longer, s.bytes, s.size);
	assert_int_equal(use(longer, s.size + 1, &s, &err), TRANSHIP_ECORRUPT);
	assert_int_equal(use(longer, s.size + 4096, &s, &err), TRANSHIP_ECORRUPT);
	memcpy(longer + s.size, s.bytes + s.size - 128, 128);
	assert_fails(use(longer, s.size + 128, &s, &err), TRANSHIP_ECORRUPT, &err, "its end says");
	free(longer);
	free_sample(&s);
}

/* A field of a part of the file, with the check of that part made right again. */
enum part { HEAD, END, PAGE, LEAF };

struct attack {
	enum part part;
	unsigned off, len;
	uint64_t value;
	int code;
	const char *piece;
};

static void reseal(unsigned char *bytes, size_t size, size_t check_off, uint64_t seed)
{
	put_le64(bytes + check_off, 0);
	put_le64(bytes + check_off, check64(bytes, size, seed));
}

static void plant(struct sample *s, unsigned char *bytes, const struct attack *a)
{
	unsigned char *part = bytes;
	unsigned i;

	if (a->part == END)
		part = bytes + s->size - 128;
	else if (a->part == PAGE) /* the first one of digests */
		part = bytes + 4096;
	else if (a->part == LEAF)
		part = bytes + s->size - 128 - 4096;
	for (i = 0; i < a->len; i++)
		part[a->off + i] = i < 8 ? (unsigned char)(a->value >> 8 * i) : 0;
	if (a->part == HEAD)
		reseal(part, 4096, 4088, 0);
	else if (a->part == END)
		reseal(part, 128, 120, s->head.file_id);
	else
		reseal(part, 4096, 24, s->head.file_id);
}

static void test_fingerprint__hostile_fields(void **state)
{
	static const struct attack attacks[] = {
		{ HEAD, 0, 8, 0, TRANSHIP_ECORRUPT, "no fingerprint" },
		{ HEAD, 8, 4, 2, TRANSHIP_EUNSUPPORTED, "version 2" },
		{ HEAD, 8, 4, 0, TRANSHIP_EUNSUPPORTED, "version 0" },
		{ HEAD, 12, 4, 0, TRANSHIP_EUNSUPPORTED, "hash 0" },
		{ HEAD, 12, 4, 3, TRANSHIP_EUNSUPPORTED, "hash 3" },
		{ HEAD, 12, 4, 2, TRANSHIP_ECORRUPT, "no secret" },
		{ HEAD, 16, 4, 0, TRANSHIP_ECORRUPT, "block size 0" },
		{ HEAD, 16, 4, 2048, TRANSHIP_ECORRUPT, "block size 2048" },
		{ HEAD, 16, 4, 4097, TRANSHIP_ECORRUPT, "block size 4097" },
		{ HEAD, 16, 4, 1 << 21, TRANSHIP_ECORRUPT, "block size 2097152" },
		{ HEAD, 16, 4, UINT32_MAX, TRANSHIP_ECORRUPT, "block size" },
		{ HEAD, 20, 4, 0, TRANSHIP_ECORRUPT, "sector size 0" },
		{ HEAD, 20, 4, 520, TRANSHIP_ECORRUPT, "sector size 520" },
		{ HEAD, 24, 8, UINT64_MAX, TRANSHIP_ECORRUPT, "passes 2^63" },
		{ HEAD, 24, 8, 1ULL << 63, TRANSHIP_ECORRUPT, "passes 2^63" },
		{ HEAD, 24, 8, 0, TRANSHIP_ECORRUPT, "3 pages of digests do not make" },
		{ HEAD, 24, 8, 254 * 4096, TRANSHIP_ECORRUPT, "3 pages" },
		{ HEAD, 24, 8, 3 * 254 * 4096, TRANSHIP_ECORRUPT, "page 3 is behind the end" },
		{ HEAD, 24, 8, 999 * 4096, TRANSHIP_ECORRUPT, "block 999 has a digest" },
		{ HEAD, 32, 8, 5, TRANSHIP_ECORRUPT, "the end fails its check" },
		{ HEAD, 72, 1, 0, TRANSHIP_ECORRUPT, "version id" },
		{ HEAD, 72, 1, 10, TRANSHIP_ECORRUPT, "version id" },
		{ HEAD, 72, 1, 0xC0, TRANSHIP_ECORRUPT, "version id" },
		{ END, 0, 8, 0, TRANSHIP_ECORRUPT, "cut short" },
		{ END, 8, 8, 0, TRANSHIP_ECORRUPT, "cannot be in a file" },
		{ END, 8, 8, UINT64_MAX, TRANSHIP_ECORRUPT, "cannot be in a file" },
		{ END, 8, 8, 4096, TRANSHIP_ECORRUPT, "the index page at 4096 is none" },
		{ END, 16, 4, 1, TRANSHIP_ECORRUPT, "another level" },
		{ END, 16, 4, 8, TRANSHIP_ECORRUPT, "cannot be in a file" },
		{ END, 24, 8, 0, TRANSHIP_ECORRUPT, "0 pages of digests do not make" },
		{ END, 24, 8, 4, TRANSHIP_ECORRUPT, "4 pages of digests do not make" },
		{ END, 24, 8, UINT64_MAX, TRANSHIP_ECORRUPT, "do not make" },
		{ END, 32, 8, 1001, TRANSHIP_ECORRUPT, "1001 blocks of data do not fit" },
		{ END, 32, 8, 2, TRANSHIP_ECORRUPT, "2 blocks of data do not fit" },
		{ END, 32, 8, 763, TRANSHIP_ECORRUPT, "763 blocks of data do not fit" },
		{ END, 32, 8, 745, TRANSHIP_ECORRUPT,
		  "746 blocks in 3 pages, and its end says 745" },
		{ END, 40, 8, 0, TRANSHIP_ECORRUPT, "its end says 0" },
		{ PAGE, 0, 4, 0, TRANSHIP_ECORRUPT, "digest page 0 at 4096 is none" },
		{ PAGE, 8, 8, 0, TRANSHIP_ECORRUPT, "another file" },
		{ PAGE, 16, 8, 2, TRANSHIP_ECORRUPT, "another number" },
		{ LEAF, 32, 8, 1, TRANSHIP_ECORRUPT, "digest page 1 at 4096 has another number" },
		{ LEAF, 32 + 16, 8, 1, TRANSHIP_ECORRUPT, "digest page 1 at 8192" },
		{ LEAF, 32 + 32, 8, 4, TRANSHIP_ECORRUPT, "page 4 is behind the end" },
		{ LEAF, 32 + 32, 8, UINT64_MAX, TRANSHIP_ECORRUPT, "is behind the end" },
		{ LEAF, 40, 8, 8192, TRANSHIP_ECORRUPT, "digest page 0 at 8192" },
		{ LEAF, 40, 8, UINT64_MAX - 4095, TRANSHIP_ECORRUPT, "pass the end of the file" },
		{ LEAF, 6, 2, 2, TRANSHIP_ECORRUPT, "in 2 pages, and its end says" },
	};
	struct sample s = make_sample(DIGEST_XXH3);
	unsigned char *bytes = malloc(s.size);
	size_t i;

	(void)state;
	assert_non_null(bytes);
	for (i = 0; i < COUNT_OF(attacks); i++) {
		struct tranship_fingerprint *fp;
		struct tranship_file *file;
		struct tranship_error err;
		int rc;

		memcpy(bytes, s.bytes, s.size);
		plant(&s, bytes, &attacks[i]);
		file = file_of(bytes, s.size);
		rc = tranship_fingerprint_open_file(file, &fp, &err);
		if (rc == 0) {
			rc = tranship_fingerprint_check(fp, &err);
			tranship_fingerprint_close(fp);
		} else {
			tranship_file_close(file);
		}
		assert_fails(rc, attacks[i].code, &err, attacks[i].piece);
	}
	free(bytes);
	free_sample(&s);
}

/* An id without an end, and the digests that are behind the end of the disk. */
static void test_fingerprint__what_is_not_the_disks(void **state)
{
	struct sample s = make_sample(DIGEST_XXH3);
	struct attack nothing = { HEAD, 0, 0, 0, 0, NULL };
	unsigned char *bytes = malloc(s.size), digests[16 * 30], zero[16 * 20] = { 0 };
	struct tranship_fingerprint *fp;
	struct tranship_error err;

	(void)state;
	assert_non_null(bytes);
	memcpy(bytes, s.bytes, s.size);
	memset(bytes + 72, 'x', 256);
	plant(&s, bytes, &nothing);
	assert_fails(use(bytes, s.size, &s, &err), TRANSHIP_ECORRUPT, &err, "version id");
	/* Blocks 990 to 999 stand in the file of a disk of 980 blocks. */
	memcpy(bytes, s.bytes, s.size);
	put_le64(bytes + 24, 990 * 4096);
	plant(&s, bytes, &nothing);
	assert_ok(tranship_fingerprint_open_file(file_of(bytes, s.size), &fp, &err), &err);
	assert_ok(fingerprint_read(fp, 980, 30, digests, &err), &err);
	assert_memory_equal(digests, s.digests + 980 * 16, 160);
	assert_memory_equal(digests + 160, zero, sizeof(zero));
	assert_fails(tranship_fingerprint_check(fp, &err), TRANSHIP_ECORRUPT, &err,
		     "block 990 has a digest and the disk has 990 blocks");
	tranship_fingerprint_close(fp);
	free(bytes);
	free_sample(&s);
}

/* A page that the index does not name, and whose blocks nobody misses, because they are zeros. */
static void test_fingerprint_check__a_page_that_is_not_named(void **state)
{
	static const struct attack count = { LEAF, 6, 2, 2, 0, NULL },
				   blocks = { END, 32, 8, 254 + 238, 0, NULL };
	struct sample s = make_sample(DIGEST_XXH3);
	struct tranship_fingerprint *fp;
	struct tranship_error err;

	(void)state;
	plant(&s, s.bytes, &count);
	plant(&s, s.bytes, &blocks);
	put_le64(s.bytes + s.size - 128 - 4096 + 32 + 16, 3); /* page 3 instead of page 2 */
	put_le64(s.bytes + s.size - 128 - 4096 + 32 + 24, 3 * 4096);
	reseal(s.bytes + s.size - 128 - 4096, 4096, 24, s.head.file_id);
	assert_ok(tranship_fingerprint_open_file(file_of(s.bytes, s.size), &fp, &err), &err);
	assert_fails(tranship_fingerprint_check(fp, &err), TRANSHIP_ECORRUPT, &err,
		     "it has 492 blocks in 2 pages, and its end says 492 in 3");
	tranship_fingerprint_close(fp);
	free_sample(&s);
}

/* ---- The machine fails ---- */

/* Writes, opens, reads, checks, compares. Takes over `file`. */
static int all_of_it(struct tranship_file *file, const struct sample *s, struct tranship_error *err)
{
	struct tranship_fingerprint *fp = NULL;
	struct tranship_changes *set = NULL;
	struct rng rng = { 1 };
	unsigned char digest[32];
	int rc = write_fingerprint(file, &s->head, s->digests, BLOCKS, &rng, err);

	if (rc == 0)
		rc = tranship_fingerprint_open_file(file, &fp, err);
	if (rc) {
		tranship_file_close(file);
		return rc;
	}
	rc = fingerprint_read(fp, 999, 1, digest, err);
	if (rc == 0)
		rc = tranship_fingerprint_check(fp, err);
	if (rc == 0)
		rc = tranship_fingerprint_compare(fp, fp, &set, err);
	tranship_changes_free(set);
	tranship_fingerprint_close(fp);
	return rc;
}

static void sweep_heap(enum digest_kind kind)
{
	struct sample s = make_sample(kind);
	unsigned long n;
	bool done = false;

	for (n = 1; !done; n++) {
		struct tranship_file *file = file_of(NULL, 0);
		struct tranship_error err;
		struct heap_seen seen;
		int rc;

		heap_watch(n, false);
		rc = all_of_it(file, &s, &err);
		seen = heap_unwatch();
		/* libcrypto, which derives the secret, does without some of its memory. */
		if (rc || (seen.failed && kind == DIGEST_SHA256))
			assert_int_equal(rc, seen.failed ? TRANSHIP_ENOMEM : 0);
		assert_true(seen.held <= 0);
		assert_true(seen.largest <= 2 << 20);
		done = !seen.failed;
	}
	assert_true(n > 8);
	free_sample(&s);
}

static void test_fingerprint__the_nth_allocation_fails(void **state)
{
	(void)state;
	if (!HEAP_WATCHED)
		skip();
	sweep_heap(DIGEST_SHA256);
	sweep_heap(DIGEST_XXH3);
}

static void test_fingerprint__the_nth_read_or_write_fails(void **state)
{
	struct sample s = make_sample(DIGEST_SHA256);
	bool more[2] = { true, true };
	unsigned n, kind;

	(void)state;
	for (n = 1; more[0] || more[1]; n++)
		for (kind = 0; kind < 2; kind++) {
			struct faults faults = { .fail_read = kind == 0 ? n : 0,
						 .fail_write = kind == 1 ? n : 0 };
			struct tranship_error err;
			int rc = all_of_it(faulty_over(file_of(NULL, 0), &faults), &s, &err);

			if (faults.failed)
				assert_fails(rc, TRANSHIP_EIO, &err, FAULT_MESSAGE);
			else
				assert_ok(rc, &err);
			more[kind] = faults.failed;
		}
	assert_true(n > 8);
	free_sample(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fingerprint__every_byte_flipped),
		cmocka_unit_test(test_fingerprint__every_truncation),
		cmocka_unit_test(test_fingerprint__hostile_fields),
		cmocka_unit_test(test_fingerprint__what_is_not_the_disks),
		cmocka_unit_test(test_fingerprint_check__a_page_that_is_not_named),
		cmocka_unit_test(test_fingerprint__the_nth_allocation_fails),
		cmocka_unit_test(test_fingerprint__the_nth_read_or_write_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
