// SPDX-License-Identifier: Apache-2.0
/* lzma_unpack: streams like GRUB's, what is not whole, and bytes of any kind. What GRUB packs is in
 * cli/test_boot_verify_linux.sh. */
#include "support.h"

#include "mbr-gpt/lzma.h"

#include <lzma.h>
#include <stdlib.h>
#include <string.h>

enum { PACKED_MAX = 1 << 16 };

/* Without header and end mark. Returns the length; out has PACKED_MAX bytes. */
static size_t pack(const unsigned char *in, size_t len, unsigned char *out)
{
	lzma_options_lzma options;
	lzma_filter filters[] = { { LZMA_FILTER_LZMA1EXT, &options }, { LZMA_VLI_UNKNOWN, NULL } };
	size_t packed = 0;

	assert_false(lzma_lzma_preset(&options, LZMA_PRESET_DEFAULT));
	options.ext_flags = 0;
	lzma_set_ext_size(options, len);
	assert_int_equal(lzma_raw_buffer_encode(filters, NULL, in, len, out, &packed, PACKED_MAX),
			 LZMA_OK);
	return packed;
}

static void test_lzma_unpack__whole(void **state)
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
		unsigned char was = packed[i];

		packed[i] ^= (unsigned char)(1 + rng_below(&rng, 255));
		assert_false(lzma_unpack(packed, len, out, 3000));
		packed[i] = was;
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
		cmocka_unit_test(test_lzma_unpack__whole),
		cmocka_unit_test(test_lzma_unpack__what_is_not_whole),
		cmocka_unit_test(test_lzma_unpack__bytes_of_any_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
