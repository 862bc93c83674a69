// SPDX-License-Identifier: Apache-2.0
/* Packing and unpacking, with zlib as the oracle in both directions. */
#include "support.h"

#include "base/deflate.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const size_t sizes[] = {
	0,     1,     2,     3,     100,    511,    512,     4096,
	65535, 65536, 65537, 70000, 131071, 131072, 1 << 20, (1 << 20) + 1
};

#define SIZE_MOST ((1 << 20) + 1)

enum content { ZEROS, TEXT, RANDOM, MIXED, CONTENT_COUNT };

static unsigned char *make_content(enum content kind, size_t size)
{
	struct rng rng = { (uint64_t)kind + size };
	unsigned char *bytes = calloc(1, size + 1);
	size_t i;

	assert_non_null(bytes);
	if (kind == RANDOM)
		rng_fill(&rng, bytes, size);
	for (i = 0; kind == TEXT && i < size; i++)
		bytes[i] =
			(unsigned char)"the quick brown fox "[i % 20 + (i % 7 == 0 && i % 20 < 19)];
	for (i = 0; kind == MIXED && i < size; i++)
		bytes[i] = i / 300 % 2 ? (unsigned char)rng_next(&rng) : (unsigned char)(i / 900);
	return bytes;
}

/* Packs with the library, unpacks with zlib and with the library. */
static void check_packing(struct deflater *def, struct inflater *inf, const unsigned char *bytes,
			  size_t size)
{
	size_t cap = deflate_bound(size), packed, got;
	unsigned char *stored = malloc(cap), *back = malloc(size + 1);
	unsigned long zlib_got = size + 1;
	struct tranship_error err;

	assert_true(stored && back);
	assert_ok(deflater_run(def, bytes, size, stored, &packed, &err), &err);
	assert_in_range(packed, 1, cap);
	assert_int_equal(uncompress(back, &zlib_got, stored, packed), Z_OK);
	assert_int_equal(zlib_got, size);
	assert_memory_equal(back, bytes, size);
	memset(back, 0xEE, size);
	assert_int_equal(inflater_run(inf, stored, packed, back, size, &got), INFLATE_OK);
	assert_int_equal(got, size);
	assert_memory_equal(back, bytes, size);
	free(stored);
	free(back);
}

static void test_deflater_run__zlib_unpacks_every_level_size_and_content(void **state)
{
	struct inflater *inf;
	struct tranship_error err;
	int level, kind;
	size_t i;

	(void)state;
	assert_ok(inflater_new(&inf, &err), &err);
	for (level = 0; level <= DEFLATE_LEVEL_MAX; level++) {
		struct deflater *def;

		assert_ok(deflater_new(level, false, &def, &err), &err);
		for (kind = 0; kind < CONTENT_COUNT; kind++)
			for (i = 0; i < COUNT_OF(sizes); i++) {
				unsigned char *bytes = make_content((enum content)kind, sizes[i]);

				/* The slow levels are slow. */
				if (level <= 6 || sizes[i] <= 131072)
					check_packing(def, inf, bytes, sizes[i]);
				free(bytes);
			}
		deflater_free(def);
	}
	inflater_free(inf);
	inflater_free(NULL);
	deflater_free(NULL);
}

/* Short blocks of repeats and of bytes some of which are common: many codes of equal weight. */
static void make_ties(struct rng *rng, unsigned char *bytes, size_t size)
{
	size_t at = 0, from, n;

	while (at < size) {
		if (at > 20 && rng_below(rng, 5) == 0) {
			from = (size_t)rng_below(rng, at);
			for (n = 3 + (size_t)rng_below(rng, 17); n > 0 && at < size; n--)
				bytes[at++] = bytes[from++];
		} else {
			bytes[at++] =
				(unsigned char)rng_below(rng, rng_below(rng, 5) < 2 ? 256 : 8);
		}
	}
}

/* ISA-L's codes depend on where its state lies: a packer that was asked to repeat is not one. */
static void test_deflater_run__repeats_when_asked_to(void **state)
{
	enum { PACKERS = 6, BLOCKS = 3000, SIZE = 200 };
	struct rng rng = { 7 };
	struct deflater *def[PACKERS];
	struct tranship_error err;
	unsigned char bytes[SIZE], one[2 * SIZE], other[2 * SIZE];
	size_t first, got;
	int i, block;

	(void)state;
	assert_in_range(deflate_bound(SIZE), SIZE, sizeof(one));
	for (i = 0; i < PACKERS; i++)
		assert_ok(deflater_new(1, true, &def[i], &err), &err);
	for (block = 0; block < BLOCKS; block++) {
		make_ties(&rng, bytes, SIZE);
		assert_ok(deflater_run(def[0], bytes, SIZE, one, &first, &err), &err);
		for (i = 1; i < PACKERS; i++) {
			assert_ok(deflater_run(def[i], bytes, SIZE, other, &got, &err), &err);
			assert_int_equal(got, first);
			assert_memory_equal(one, other, got);
		}
	}
	for (i = 0; i < PACKERS; i++)
		deflater_free(def[i]);
}

/* A block with a guard behind exactly deflate_bound bytes. */
static void test_deflate_bound__holds_for_random_data(void **state)
{
	struct rng rng = { 9 };
	struct tranship_error err;
	int level, i;

	(void)state;
	for (level = 0; level <= DEFLATE_LEVEL_MAX; level++) {
		struct deflater *def;

		assert_ok(deflater_new(level, false, &def, &err), &err);
		for (i = 0; i < 60; i++) {
			size_t size = (size_t)rng_below(&rng, i % 10 == 0 ? 200000 : 3000), got;
			size_t bound = deflate_bound(size);
			unsigned char *bytes = malloc(size + 1), *out = malloc(bound + 64);

			assert_true(bytes && out);
			rng_fill(&rng, bytes, size);
			memset(out + bound, 0xA5, 64);
			assert_ok(deflater_run(def, bytes, size, out, &got, &err), &err);
			assert_in_range(got, 1, bound);
			assert_int_equal(out[bound], 0xA5);
			assert_memory_equal(out + bound, out + bound + 1, 63);
			free(bytes);
			free(out);
		}
		deflater_free(def);
	}
}

/* Packs with zlib. */
static unsigned char *zlib_pack(const unsigned char *bytes, size_t size, int level, int window,
				size_t *packed)
{
	size_t cap = compressBound(size) + 100;
	unsigned char *out = malloc(cap);
	z_stream s = { 0 };

	assert_non_null(out);
	assert_int_equal(deflateInit2(&s, level, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY), Z_OK);
	s.next_in = (unsigned char *)(uintptr_t)bytes;
	s.avail_in = (unsigned)size;
	s.next_out = out;
	s.avail_out = (unsigned)cap;
	assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
	*packed = s.total_out;
	deflateEnd(&s);
	return out;
}

static void test_inflater_run__unpacks_what_zlib_packs(void **state)
{
	static const int levels[] = { 0, 1, 6, 9 }, windows[] = { 9, 12, 15 };
	struct inflater *inf;
	struct tranship_error err;
	size_t i, l, w, packed, got;

	(void)state;
	assert_ok(inflater_new(&inf, &err), &err);
	for (i = 0; i < COUNT_OF(sizes); i++) {
		unsigned char *bytes = make_content(MIXED, sizes[i]), *back = malloc(sizes[i] + 1);

		assert_non_null(back);
		for (l = 0; l < COUNT_OF(levels); l++)
			for (w = 0; w < COUNT_OF(windows); w++) {
				unsigned char *stored =
					zlib_pack(bytes, sizes[i], levels[l], windows[w], &packed);

				assert_int_equal(
					inflater_run(inf, stored, packed, back, sizes[i], &got),
					INFLATE_OK);
				assert_int_equal(got, sizes[i]);
				assert_memory_equal(back, bytes, got);
				free(stored);
			}
		free(bytes);
		free(back);
	}
	inflater_free(inf);
}

static void test_inflater_run__what_is_wrong(void **state)
{
	unsigned char *bytes = make_content(TEXT, 10000), back[10001];
	size_t packed, got, i;
	unsigned char *stored = zlib_pack(bytes, 10000, 6, 15, &packed);
	unsigned char *longer = malloc(packed + 100);
	struct inflater *inf;
	struct tranship_error err;

	(void)state;
	assert_non_null(longer);
	assert_ok(inflater_new(&inf, &err), &err);
	assert_int_equal(inflater_run(inf, stored, packed, back, 9999, &got), INFLATE_LONG);
	assert_int_equal(inflater_run(inf, stored, packed, back, 10001, &got), INFLATE_OK);
	assert_int_equal(got, 10000);
	for (i = 0; i < packed; i++) /* libdeflate goes on with zeros, which may be too many */
		assert_int_not_equal(inflater_run(inf, stored, i, back, 10001, &got), INFLATE_OK);
	memcpy(longer, stored, packed);
	memset(longer + packed, 0xFF, 100); /* the rest of a sector */
	assert_int_equal(inflater_run(inf, longer, packed + 100, back, 10000, &got), INFLATE_OK);
	stored[packed - 1] ^= 1; /* the checksum of the content */
	assert_int_equal(inflater_run(inf, stored, packed, back, 10000, &got), INFLATE_BAD);
	stored[packed - 1] ^= 1;
	stored[0] ^= 0xFF; /* the header */
	assert_int_equal(inflater_run(inf, stored, packed, back, 10000, &got), INFLATE_BAD);
	stored[0] ^= 0xFF;
	assert_int_equal(inflater_run(inf, stored, packed, back, 10000, &got), INFLATE_OK);
	assert_memory_equal(back, bytes, 10000);
	inflater_free(inf);
	free(longer);
	free(stored);
	free(bytes);
}

static void test_inflater_run__any_damage_is_bad_or_no_damage(void **state)
{
	unsigned char *bytes = make_content(MIXED, 3000), back[3000];
	size_t packed, got, i;
	unsigned char *stored = zlib_pack(bytes, 3000, 6, 15, &packed);
	struct inflater *inf;
	struct tranship_error err;
	int bit;

	(void)state;
	assert_ok(inflater_new(&inf, &err), &err);
	for (i = 0; i < packed; i++)
		for (bit = 0; bit < 8; bit++) {
			enum inflate_result result;

			stored[i] ^= (unsigned char)(1 << bit);
			result = inflater_run(inf, stored, packed, back, sizeof(back), &got);
			if (result == INFLATE_OK)
				assert_memory_equal(back, bytes, got);
			stored[i] ^= (unsigned char)(1 << bit);
		}
	inflater_free(inf);
	free(stored);
	free(bytes);
}

static void test_deflater_new__a_level_that_is_none(void **state)
{
	struct deflater *def;
	struct tranship_error err;

	(void)state;
	assert_int_not_equal(deflater_new(DEFLATE_LEVEL_MAX + 1, false, &def, &err), 0);
	assert_null(def);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deflater_run__zlib_unpacks_every_level_size_and_content),
		cmocka_unit_test(test_deflater_run__repeats_when_asked_to),
		cmocka_unit_test(test_deflate_bound__holds_for_random_data),
		cmocka_unit_test(test_inflater_run__unpacks_what_zlib_packs),
		cmocka_unit_test(test_inflater_run__what_is_wrong),
		cmocka_unit_test(test_inflater_run__any_damage_is_bad_or_no_damage),
		cmocka_unit_test(test_deflater_new__a_level_that_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
