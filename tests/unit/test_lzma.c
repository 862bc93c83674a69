// SPDX-License-Identifier: Apache-2.0
/* lzma_unpack: streams of literals packed here, what is not whole, and bytes of any kind. What GRUB
 * packs is in cli/test_boot_verify_linux.sh. */
#include "support.h"

#include "mbr-gpt/lzma.h"

#include <stdlib.h>
#include <string.h>

enum { PACKED_MAX = 1 << 16, HALF = 1 << 10 };

/* A range coder (LZMA specification, "Range Encoder"): the carry waits in a byte and what follows.
 */
struct coder {
	unsigned char *out;
	size_t len;
	uint64_t low;
	uint32_t range;
	unsigned char cache;
	size_t pending;
	uint16_t match[4]; /* state 0 only: there are no matches */
	uint16_t literal[8][0x300];
};

static void shift(struct coder *c)
{
	if (c->low < 0xFF000000U || c->low >> 32) {
		unsigned char carry = (unsigned char)(c->low >> 32), byte = c->cache;

		for (; c->pending > 0; c->pending--) {
			c->out[c->len++] = (unsigned char)(byte + carry);
			byte = 0xFF;
		}
		c->cache = (unsigned char)(c->low >> 24);
	}
	c->pending++;
	c->low = (c->low & 0x00FFFFFF) << 8;
}

static void put_bit(struct coder *c, uint16_t *prob, unsigned bit)
{
	uint32_t bound = (c->range >> 11) * *prob;

	if (bit) {
		c->low += bound;
		c->range -= bound;
		*prob = (uint16_t)(*prob - (*prob >> 5));
	} else {
		c->range = bound;
		*prob = (uint16_t)(*prob + ((2048 - *prob) >> 5));
	}
	for (; c->range < 1U << 24; c->range <<= 8)
		shift(c);
}

/* Packs as literals. Returns the length; out has PACKED_MAX bytes. */
static size_t pack(const unsigned char *in, size_t len, unsigned char *out)
{
	struct coder *c = calloc(1, sizeof(*c));
	size_t i, packed;
	unsigned k;

	assert_non_null(c);
	c->out = out;
	c->range = UINT32_MAX;
	c->pending = 1;
	for (i = 0; i < 4; i++)
		c->match[i] = HALF;
	for (i = 0; i < 8; i++)
		for (k = 0; k < 0x300; k++)
			c->literal[i][k] = HALF;
	for (i = 0; i < len; i++) {
		uint16_t *probs = c->literal[i ? in[i - 1] >> 5 : 0];
		unsigned symbol = 1;

		put_bit(c, &c->match[i % 4], 0);
		for (k = 8; k-- > 0; symbol = symbol << 1 | (in[i] >> k & 1))
			put_bit(c, &probs[symbol], in[i] >> k & 1);
	}
	for (i = 0; i < 5; i++)
		shift(c);
	packed = c->len;
	free(c);
	return packed;
}

static void test_lzma_unpack__literals(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 100, 5000, 20000 };
	unsigned char *packed = malloc(PACKED_MAX), *in = malloc(20000), *out = malloc(20000);
	struct rng rng = { 7 };
	size_t i, k;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(sizes); i++) {
		size_t size = sizes[i / 2], len;

		rng_fill(&rng, in, size);
		for (k = 0; k < size && i % 2; k++)
			in[k] = (unsigned char)"tranship moves disks. "[k % 22];
		len = pack(in, size, packed);
		memset(out, 0, size);
		assert_true(lzma_unpack(packed, len, out, size));
		assert_same_bytes(in, out, size);
	}
	free(packed);
	free(in);
	free(out);
}

static void test_lzma_unpack__what_is_not_whole(void **state)
{
	unsigned char *packed = malloc(PACKED_MAX), *in = malloc(3000), *out = malloc(3001);
	struct rng rng = { 9 };
	size_t len, i;

	(void)state;
	rng_fill(&rng, in, 3000);
	len = pack(in, 3000, packed);
	assert_true(lzma_unpack(packed, len, out, 3000));
	for (i = 0; i < len; i++)
		assert_false(lzma_unpack(packed, i, out, 3000));
	assert_false(lzma_unpack(packed, len + 1, out, 3000));
	assert_false(lzma_unpack(packed, len, out, 2999));
	assert_false(lzma_unpack(packed, len, out, 3001));
	for (i = 0; i < len; i++) {
		packed[i] ^= (unsigned char)(1 + rng_below(&rng, 255));
		assert_false(lzma_unpack(packed, len, out, 3000));
		len = pack(in, 3000, packed);
	}
	free(packed);
	free(in);
	free(out);
}

/* None of them may do harm; that they are whole would be an accident. */
static void test_lzma_unpack__bytes_of_any_kind(void **state)
{
	struct rng rng = { 11 };
	unsigned i;

	(void)state;
	for (i = 0; i < 3000; i++) {
		size_t len = 5 + (size_t)rng_below(&rng, 400), size = 1 + rng_below(&rng, 3000);
		unsigned char *in = malloc(len), *out = malloc(size);

		rng_fill(&rng, in, len);
		in[0] = 0;
		assert_false(lzma_unpack(in, len, out, size));
		free(in);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lzma_unpack__literals),
		cmocka_unit_test(test_lzma_unpack__what_is_not_whole),
		cmocka_unit_test(test_lzma_unpack__bytes_of_any_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
