// SPDX-License-Identifier: Apache-2.0
/*
 * Digests of blocks. They stand in files that outlive this build, so they are pinned to values that
 * tests/golden_digests.py computes on its own.
 */
#include "support.h"

#include "base/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Byte i is the high byte of i * 2654435761 mod 2^32. */
static unsigned char *block_of(size_t size)
{
	unsigned char *block = malloc(size);
	size_t i;

	assert_non_null(block);
	for (i = 0; i < size; i++)
		block[i] = (unsigned char)((uint32_t)i * 2654435761U >> 24);
	return block;
}

static void assert_hex(const unsigned char *bytes, size_t len, const char *want)
{
	char text[2 * DIGEST_SIZE_MAX + 1];
	size_t i;

	for (i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	assert_string_equal(text, want);
}

static struct digest_seed counting_seed(void)
{
	struct digest_seed seed;
	unsigned i;

	for (i = 0; i < DIGEST_SEED_SIZE; i++)
		seed.bytes[i] = (unsigned char)i;
	return seed;
}

static void test_digest_blocks__are_what_they_always_were(void **state)
{
	static const struct {
		enum digest_kind kind;
		bool seeded;
		uint32_t size;
		const char *hex;
	} cases[] = {
		{ DIGEST_XXH3, true, 4096, "ffa61e5c3bbf9ea19423994840882dd7" },
		{ DIGEST_XXH3, false, 4096, "922d7b66f64f64d96fae9b3370a2e7fd" },
		{ DIGEST_XXH3, true, 65536, "679d8e3cb7d47f4c7b33b3ffe4f90300" },
		{ DIGEST_XXH3, false, 65536, "5d70031b61d402d84dff2f1723824a98" },
		{ DIGEST_XXH3, true, 1 << 20, "a3588fd6a090e1c991781138277bd475" },
		{ DIGEST_XXH3, false, 1 << 20, "972f11faa24667de6cddd8b6d2cffc8f" },
		{ DIGEST_SHA256, false, 4096,
		  "e8b3f20275f7b9cd35f2ddf0e1be6263c9a2982e5e6e44d7168c140398b7cc64" },
		{ DIGEST_SHA256, false, 65536,
		  "55928607572270ea0eafc10865d705adcf4483fc86166136b687ad06e5dc14ff" },
		{ DIGEST_SHA256, false, 1 << 20,
		  "ca6073392ee71dbd1a2d356c3caa233f8f828ae17f8f8ba8570ee3491be128ab" },
	};
	const struct digest_seed none = { { 0 } }, seed = counting_seed();
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		unsigned char *block = block_of(cases[i].size), digest[DIGEST_SIZE_MAX];
		struct tranship_error err;
		struct digester d;

		assert_ok(digester_init(&d, cases[i].kind, cases[i].size,
					cases[i].seeded ? &seed : &none, &err),
			  &err);
		assert_ok(digest_blocks(&d, block, 1, digest, &err), &err);
		assert_hex(digest, d.size, cases[i].hex);
		free(block);
	}
}

static void test_check64__is_what_it_always_was(void **state)
{
	unsigned char *block = block_of(4096);
	const struct digest_seed seed = counting_seed();
	char name[20];

	(void)state;
	assert_true(check64(block, 4096, 0) == 0x9bf67f8deff876aeULL);
	assert_true(check64(block, 4096, 0x1122334455667788ULL) == 0xa85c3a0c6c125ed6ULL);
	digest_seed_name(&seed, name);
	assert_string_equal(name, "630dcd2966c43366");
	free(block);
}

/* Zeros are the zero digest and nothing else is; blocks stand one behind the other. */
static void check_zeros(enum digest_kind kind)
{
	const struct digest_seed seed = { { 0 } };
	unsigned char *blocks = calloc(3, 4096), digests[3 * DIGEST_SIZE_MAX];
	struct tranship_error err;
	struct digester d;
	size_t i;

	assert_non_null(blocks);
	assert_ok(digester_init(&d, kind, 4096, &seed, &err), &err);
	for (i = 0; i < 4096; i += 511) {
		blocks[4096 + i] = 1;
		memset(digests, 0xEE, sizeof(digests));
		assert_ok(digest_blocks(&d, blocks, 3, digests, &err), &err);
		assert_true(digest_is_zero(&d, digests));
		assert_false(digest_is_zero(&d, digests + d.size));
		assert_true(digest_is_zero(&d, digests + 2 * d.size));
		blocks[4096 + i] = 0;
	}
	free(blocks);
}

static void test_digest_blocks__zeros(void **state)
{
	(void)state;
	check_zeros(DIGEST_XXH3);
	check_zeros(DIGEST_SHA256);
}

static void test_digest_kind__names(void **state)
{
	enum digest_kind kind;
	struct tranship_error err;

	(void)state;
	assert_ok(digest_kind_parse(NULL, &kind, &err), &err);
	assert_int_equal(kind, DIGEST_XXH3);
	assert_ok(digest_kind_parse("sha256", &kind, &err), &err);
	assert_int_equal(kind, DIGEST_SHA256);
	assert_string_equal(digest_kind_name(kind), "sha256");
	assert_fails(digest_kind_parse("md5", &kind, &err), TRANSHIP_EINVAL, &err, "'md5'");
	assert_false(digest_kind_known(0) || digest_kind_known(3));
	assert_true(digest_kind_known(1) && digest_kind_known(2));
}

static void test_sha256__of_a_stream(void **state)
{
	struct sha256 *s;
	unsigned char out[32];
	struct tranship_error err;

	(void)state; /* FIPS 180-2, appendix B.1 */
	assert_ok(sha256_new(&s, &err), &err);
	assert_ok(sha256_update(s, "a", 1, &err), &err);
	assert_ok(sha256_update(s, "bc", 2, &err), &err);
	assert_ok(sha256_final(s, out, &err), &err);
	sha256_free(s);
	assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digest_blocks__are_what_they_always_were),
		cmocka_unit_test(test_check64__is_what_it_always_was),
		cmocka_unit_test(test_digest_blocks__zeros),
		cmocka_unit_test(test_digest_kind__names),
		cmocka_unit_test(test_sha256__of_a_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
