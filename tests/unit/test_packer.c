// SPDX-License-Identifier: Apache-2.0
/* Many records on several threads: the same bytes, in order, and whole. */
#include "delta/packer.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 4096U
#define DISK ((uint64_t)1 << 40)

static const struct delta_head head = { .file_id = 7,
					.kind = DIGEST_XXH3,
					.block_size = BLOCK,
					.sector_size = 512,
					.base_size = DISK,
					.target_size = DISK,
					.lineages = 2 };

/* Runs of all lengths, of which some fill several records; some of zeros, some of another lineage.
 */
static void add_runs(struct packer *p, const struct digester *g, unsigned char *data, uint32_t most)
{
	unsigned char *old_digests = calloc(most, 16), *new_digests = malloc((size_t)most * 16);
	struct rng rng = { 99 };
	struct tranship_error err;
	uint64_t off = 0;
	unsigned n;

	memset(old_digests, 5, (size_t)most * 16);
	assert_ok(digest_blocks(g, data, most, new_digests, &err), &err);
	for (n = 0; n < 400; n++) {
		uint32_t blocks =
			(uint32_t)rng_below(&rng, rng_below(&rng, 10) == 0 ? most : 40) + 1;
		struct changed c = { .off = off,
				     .blocks = blocks,
				     .kind = rng_below(&rng, 5) == 0 ? RECORD_ZERO : RECORD_DATA,
				     .lineage = (uint8_t)(n / 100 % 2),
				     .data = data,
				     .old_digests = old_digests,
				     .new_digests = new_digests };

		assert_ok(packer_add(p, &c, &err), &err);
		off += ((uint64_t)blocks + rng_below(&rng, 1000)) * BLOCK;
	}
	free(old_digests);
	free(new_digests);
}

static unsigned char *pack_with(unsigned threads, int level, size_t *size)
{
	struct record_rule rule = delta_rule(&head);
	uint32_t most = 700;
	unsigned char *data = malloc((size_t)most * BLOCK), *bytes;
	struct rng rng = { 3 };
	struct delta_writer *writer;
	struct tranship_file *file;
	struct tranship_error err;
	struct digester g;
	struct delta_end end;
	struct packer *p;
	struct delta *d;

	rng_fill(&rng, data, (size_t)most * BLOCK / 2); /* packed at two speeds */
	memset(data + (size_t)most * BLOCK / 2, 'a', (size_t)most * BLOCK / 2);
	assert_ok(digester_init(&g, DIGEST_XXH3, BLOCK, &head.seeds[0], &err), &err);
	assert_ok(tranship_file_memory(NULL, 0, &file, &err), &err);
	assert_ok(delta_writer_new(file, &head, &writer, &err), &err);
	assert_ok(packer_new(writer, &rule, level, threads, &p, &err), &err);
	add_runs(p, &g, data, most);
	assert_ok(packer_finish(p, &err), &err);
	assert_ok(delta_writer_finish(writer, &end, &err), &err);
	packer_free(p);
	delta_writer_free(writer);
	assert_ok(delta_open(file, 0, &d, &err), &err);
	assert_ok(delta_verify(d, NULL, NULL, &err), &err);
	assert_true(delta_end(d)->records > 40);
	delta_close(d);
	bytes = file_bytes(file, size);
	tranship_file_close(file);
	free(data);
	return bytes;
}

static void test_packer__the_same_on_any_number_of_threads(void **state)
{
	static const int levels[] = { 0, 1, 5 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(levels); i++) {
		size_t want_size, size;
		unsigned char *want = pack_with(1, levels[i], &want_size), *got;
		unsigned threads;

		for (threads = 2; threads < 7; threads++) {
			got = pack_with(threads, levels[i], &size);
			assert_int_equal(size, want_size);
			assert_memory_equal(got, want, size);
			free(got);
		}
		free(want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packer__the_same_on_any_number_of_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
