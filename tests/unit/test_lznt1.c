// SPDX-License-Identifier: Apache-2.0
/* LZNT1: the example of [MS-XCA], every shape of a copy token, and what is damaged. */
#include "support.h"

#include "base/bytes.h"
#include "mbr-gpt/ntfs.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4096 };

/* Unpacks from memory of exactly this size to memory of exactly `cap`, so that a sanitizer sees
 * what goes past either. *out is malloc'ed. */
static long unpack(const void *in, size_t len, size_t cap, unsigned char **out)
{
	unsigned char *copy = malloc(len ? len : 1);
	long got;

	*out = malloc(cap ? cap : 1);
	assert_true(copy && *out);
	memcpy(copy, in, len);
	memset(*out, 0xAA, cap);
	got = lznt1_unpack(copy, len, *out, cap);
	assert_true(got >= -1 && got <= (long)cap);
	free(copy);
	return got;
}

/* [MS-XCA] 3.3 */
static void test_lznt1_unpack__the_example_of_the_specification(void **state)
{
	static const unsigned char packed[] = {
		0x38, 0xb0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00,
		0x10, 0xa2, 0x47, 0x01, 0xa0, 0x45, 0x20, 0x44, 0x00, 0x08, 0x45, 0x01,
		0x50, 0x79, 0x00, 0xc0, 0x45, 0x20, 0x05, 0x24, 0x13, 0x88, 0x05, 0xb4,
		0x02, 0x4a, 0x44, 0xef, 0x03, 0x58, 0x02, 0x8c, 0x09, 0x16, 0x01, 0x48,
		0x45, 0x00, 0xbe, 0x00, 0x9e, 0x00, 0x04, 0x01, 0x18, 0x90, 0x00,
	};
	static const char text[] =
		"F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E "
		"F# D E F# G F# D E F# G F# E D E A F# F# G A A G F# E D D E F# E D D";
	unsigned char *out;

	(void)state;
	/* The example ends with the terminator of its text. */
	assert_int_equal(unpack(packed, sizeof(packed), 1000, &out), sizeof(text));
	assert_same_bytes(out, text, sizeof(text));
	free(out);
}

/* A chunk of n literals, and a copy of the 3 bytes that are `back` back. Returns its length. */
static size_t literals_and_copy(unsigned char *out, size_t n, size_t back, size_t length)
{
	size_t at = 2, i, flags = 0;
	unsigned bits = 4;

	for (i = 0; i <= n; i++) {
		if (i % 8 == 0) {
			flags = at++;
			out[flags] = 0;
		}
		if (i < n) {
			out[at++] = (unsigned char)(i * 31 >> 3);
			continue;
		}
		out[flags] |= (unsigned char)(1 << i % 8);
		/* So many bits of displacement that all of the chunk can be reached, and 4. */
		while ((1UL << bits) < n)
			bits++;
		put_le16(out + at, (uint16_t)((back - 1) << (16 - bits) | (length - 3)));
		at += 2;
	}
	put_le16(out, (uint16_t)(0xB000 | (at - 3)));
	return at;
}

static void test_lznt1_unpack__a_copy_at_each_place(void **state)
{
	unsigned char packed[2 * CHUNK], *out;
	size_t n;

	(void)state;
	/* More literals than these do not fit into a chunk with their flags. */
	for (n = 1; n <= 3600; n++) {
		size_t len = literals_and_copy(packed, n, n, 3), i;

		assert_int_equal(unpack(packed, len, CHUNK, &out), n + 3);
		for (i = 0; i < 3; i++)
			assert_int_equal(out[n + i], out[i]);
		free(out);
		len = literals_and_copy(packed, n, 1, 3);
		assert_int_equal(unpack(packed, len, CHUNK, &out), n + 3);
		assert_int_equal(out[n + 2], (unsigned char)((n - 1) * 31 >> 3));
		free(out);
	}
}

static void test_lznt1_unpack__a_copy_may_overlap_itself(void **state)
{
	static const unsigned char zeros[] = { 0x03, 0xB0, 0x02, 0x55, 0xFC, 0x0F };
	unsigned char *out;
	size_t i;

	(void)state;
	assert_int_equal(unpack(zeros, sizeof(zeros), CHUNK, &out), CHUNK);
	for (i = 0; i < CHUNK; i++)
		assert_int_equal(out[i], 0x55);
	free(out);
}

static void test_lznt1_unpack__several_chunks(void **state)
{
	static const unsigned char full[] = { 0x03, 0xB0, 0x02, 0x55, 0xFC, 0x0F };
	unsigned char packed[3 * CHUNK], *out;
	size_t len = 0, i;

	(void)state;
	/* Packed; stored and short, so that zeros follow; stored; the end; what is behind it. */
	memcpy(packed, full, sizeof(full));
	len += sizeof(full);
	memcpy(packed + len,
	       "\x02\x30"
	       "abc",
	       5);
	len += 5;
	put_le16(packed + len, 0x3FFF);
	memset(packed + len + 2, 'z', CHUNK);
	len += 2 + CHUNK;
	memcpy(packed + len, "\0\0\xFF\xFF\xFF", 5);
	len += 5;
	assert_int_equal(unpack(packed, len, 4 * CHUNK, &out), 3 * CHUNK);
	assert_int_equal(out[CHUNK - 1], 0x55);
	assert_same_bytes(out + CHUNK, "abc", 3);
	for (i = CHUNK + 3; i < 2 * (size_t)CHUNK; i++)
		assert_int_equal(out[i], 0);
	assert_int_equal(out[2 * CHUNK], 'z');
	assert_int_equal(out[3 * CHUNK - 1], 'z');
	free(out);
	/* What there is no room for is cut. */
	assert_int_equal(unpack(packed, len, CHUNK, &out), CHUNK);
	free(out);
	assert_int_equal(unpack(packed, len, CHUNK + 2, &out), CHUNK + 2);
	assert_same_bytes(out + CHUNK, "ab", 2);
	free(out);
	assert_int_equal(unpack(packed, len, 0, &out), 0);
	free(out);
	assert_int_equal(unpack(packed, sizeof(full) + 5, 4 * CHUNK, &out), CHUNK + 3);
	free(out);
}

static void test_lznt1_unpack__what_is_damaged(void **state)
{
	static const struct {
		const char *what;
		size_t len;
		unsigned char bytes[12];
		long made;
	} rows[] = {
		{ "nothing", 0, { 0 }, 0 },
		{ "half a header", 1, { 0x38 }, 0 },
		{ "the end", 2, { 0, 0 }, 0 },
		{ "a signature of 2", 4, { 0x00, 0xA0, 0, 'a' }, -1 },
		{ "a signature of 7", 4, { 0x00, 0xF0, 0, 'a' }, -1 },
		{ "a stored chunk past the end", 4, { 0x02, 0x30, 'a', 'b' }, -1 },
		{ "a packed chunk past the end", 4, { 0x02, 0xB0, 0, 'a' }, -1 },
		{ "a header and no more", 2, { 0x00, 0xB0 }, -1 },
		{ "flags and no more", 3, { 0x00, 0xB0, 0 }, 0 },
		{ "one literal", 4, { 0x01, 0xB0, 0, 'a' }, 1 },
		{ "a copy of nothing", 5, { 0x02, 0xB0, 1, 0, 0 }, -1 },
		{ "half a copy", 5, { 0x02, 0xB0, 2, 'a', 0 }, -1 },
		{ "a copy from before the chunk", 6, { 0x03, 0xB0, 2, 'a', 0, 0x10 }, -1 },
		{ "a copy past the chunk's end", 6, { 0x03, 0xB0, 2, 'a', 0xFD, 0x0F }, -1 },
		{ "a literal past the chunk's end",
		  7,
		  { 0x04, 0xB0, 2, 'a', 0xFC, 0x0F, 'b' },
		  -1 },
		{ "a good chunk and a bad one", 8, { 0x01, 0xB0, 0, 'a', 0x01, 0x80, 0, 'a' }, -1 },
	};
	unsigned char *out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		long got = unpack(rows[i].bytes, rows[i].len, 2 * CHUNK, &out);

		if (got != rows[i].made)
			fail_msg("%s: %ld, wanted %ld", rows[i].what, got, rows[i].made);
		free(out);
	}
}

static void test_lznt1_unpack__noise(void **state)
{
	struct rng rng = { 4 };
	unsigned char noise[300], *out;
	unsigned i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		size_t len = (size_t)rng_below(&rng, sizeof(noise));

		rng_fill(&rng, noise, len);
		if (len >= 2)
			put_le16(noise, (uint16_t)(0xB000 | rng_below(&rng, 2 * len)));
		unpack(noise, len, (size_t)rng_below(&rng, 3 * CHUNK), &out);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lznt1_unpack__the_example_of_the_specification),
		cmocka_unit_test(test_lznt1_unpack__a_copy_at_each_place),
		cmocka_unit_test(test_lznt1_unpack__a_copy_may_overlap_itself),
		cmocka_unit_test(test_lznt1_unpack__several_chunks),
		cmocka_unit_test(test_lznt1_unpack__what_is_damaged),
		cmocka_unit_test(test_lznt1_unpack__noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
