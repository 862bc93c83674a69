// SPDX-License-Identifier: Apache-2.0
/* Random disks through every format in memory, with several thread counts, and back. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *format;
	const char *options;
	const char *read_as;
	unsigned rounding; /* the size is rounded up to this */
} kinds[] = {
	{ "raw", NULL, "raw", 1 },
	{ "vmdk", NULL, NULL, 512 },
	{ "vmdk", "subformat=streamOptimized", NULL, 512 },
	{ "vmdk", "subformat=streamOptimized,compression_level=0", NULL, 512 },
	{ "vmdk", "subformat=streamOptimized,compression_level=1", NULL, 512 },
	{ "vmdk", "subformat=streamOptimized,compression_level=12", NULL, 512 },
	{ "vpc", NULL, NULL, 512 },
	{ "vpc", "block_size=512k", NULL, 512 },
	{ "vpc", "subformat=fixed", NULL, 512 },
	{ "azure", NULL, NULL, 1 << 20 },
	{ "vhdx", "block_size=1M", NULL, 512 },
	{ "vhdx", "subformat=fixed", NULL, 512 },
	{ "vhdx", "logical_sector_size=4096,block_size=1M", NULL, 4096 },
	{ "vhdx", "logical_sector_size=4096,subformat=fixed", NULL, 4096 },
};

static const size_t sizes[] = {
	0, 1, 512, 1000, (1 << 20) - 512, 1 << 20, (3 << 20) + 512, (5 << 20) + 77
};

static void check_kind(size_t k, const unsigned char *content, size_t size)
{
	struct tranship_file *image = image_of(kinds[k].format, kinds[k].options, content, size, 2);
	size_t got, want = (size + kinds[k].rounding - 1) / kinds[k].rounding * kinds[k].rounding,
		    i;
	unsigned char *back = content_of(image, kinds[k].read_as, &got);

	assert_int_equal(got, want);
	assert_memory_equal(back, content, size);
	for (i = size; i < want; i++)
		assert_int_equal(back[i], 0);
	free(back);
	tranship_file_close(image);
}

static void test_roundtrip__every_kind_and_size(void **state)
{
	struct rng rng = { 1 };
	size_t k, s;

	(void)state;
	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		unsigned char *content = random_disk(&rng, sizes[s]);

		for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
			check_kind(k, content, sizes[s]);
		free(content);
	}
}

static void test_roundtrip__threads_make_the_same_bytes(void **state)
{
	static const unsigned threads[] = { 1, 2, 7 };
	size_t size = (9 << 20) + 512, k, t;
	struct rng rng = { 2 };
	unsigned char *content = random_disk(&rng, size);

	(void)state;
	for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		unsigned char *first = NULL;
		size_t first_size = 0;
		char options[200];

		snprintf(options, sizeof(options), "seed=5eed%s%s", kinds[k].options ? "," : "",
			 kinds[k].options ? kinds[k].options : "");
		for (t = 0; t < sizeof(threads) / sizeof(threads[0]); t++) {
			struct tranship_file *image =
				image_of(kinds[k].format, options, content, size, threads[t]);
			size_t image_size;
			unsigned char *bytes = file_bytes(image, &image_size);

			tranship_file_close(image);
			if (!first) {
				first = bytes;
				first_size = image_size;
				continue;
			}
			assert_int_equal(image_size, first_size);
			assert_memory_equal(bytes, first, first_size);
			free(bytes);
		}
		free(first);
	}
	free(content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roundtrip__every_kind_and_size),
		cmocka_unit_test(test_roundtrip__threads_make_the_same_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
