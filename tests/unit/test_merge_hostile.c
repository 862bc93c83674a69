// SPDX-License-Identifier: Apache-2.0
/* Deltas that do not follow each other, that are damaged, or too many, are refused when they are to
 * be merged, and leave nothing. */
#include "history.h"

#include <stdlib.h>
#include <string.h>

/* A delta that follows in its head; what it says of the blocks is another matter. */
static void pretend(struct history *h, const unsigned char *base, const unsigned char *target)
{
	history_write(h, h->count - 2, &h->made[h->count - 2], base, target);
}

static void assert_refused(const struct history *h, size_t count, int code, const char *piece)
{
	unsigned before = count_entries(h->folder);
	struct tranship_error err;

	assert_fails(history_merge(h->deltas, count, path_in(h->folder, "out"), NULL, &err), code,
		     &err, piece);
	assert_int_equal(count_entries(h->folder), before);
}

static void test_merge__heads_that_do_not_follow(void **state)
{
	struct rng rng = { 505 };
	struct history h;
	struct image_delta good;
	size_t size = 100000;

	history_begin(&h, *state, random_disk(&rng, size), size);
	history_add(&h, history_edited(&rng, &h, size), size, DIGEST_XXH3, 0, 1);
	history_add(&h, history_edited(&rng, &h, size), size, DIGEST_XXH3, 0, 1);
	good = h.made[1];
	h.made[1].head.base_size = size - 1;
	pretend(&h, h.disks[1], h.disks[2]);
	assert_refused(&h, 2, TRANSHIP_EMISMATCH, "d1': it is for a disk of 99999 bytes");
	h.made[1] = good;
	strcpy(h.made[1].head.base_id, "another");
	pretend(&h, h.disks[1], h.disks[2]);
	assert_refused(&h, 2, TRANSHIP_EMISMATCH, "version 'another'");
	h.made[1] = good;
	h.made[1].head.block_size = 8192;
	pretend(&h, h.disks[1], h.disks[2]);
	assert_refused(&h, 2, TRANSHIP_EUNSUPPORTED, "blocks of 8192 bytes and the hash xxh3");
	h.made[1] = good;
	h.made[1].head.kind = DIGEST_SHA256;
	pretend(&h, h.disks[1], h.disks[2]);
	assert_refused(&h, 2, TRANSHIP_EUNSUPPORTED, "the hash sha256");
	h.made[1] = good;
	h.made[1].head.base_id[0] = '\0'; /* it does not know: the digests say it */
	pretend(&h, h.disks[1], h.disks[2]);
	history_merge_all(&h);
	history_free(&h);
}

/* The second delta found something else than the first left: in one lineage, and in two. */
static void test_merge__blocks_that_do_not_follow(void **state)
{
	struct rng rng = { 506 };
	size_t size = 10 * BLOCK, c;

	for (c = 0; c < 3; c++) {
		struct history h;
		unsigned char *wrong;

		history_begin(&h, *state, random_disk(&rng, size), size);
		h.disks[0][5 * BLOCK] = 1;
		history_add(&h, history_copy(h.disks[0], size, size), size, DIGEST_XXH3, 0, 1);
		h.disks[1][5 * BLOCK] = 2;
		if (c == 2)
			memset(h.disks[1] + 5 * BLOCK, 0, BLOCK);
		pretend(&h, h.disks[0], h.disks[1]);
		history_add(&h, history_copy(h.disks[0], size, size), size, DIGEST_XXH3, c > 0, 1);
		h.disks[2][5 * BLOCK] = 3;
		wrong = history_copy(h.disks[1], size, size);
		wrong[6 * BLOCK - 1] ^= 1;
		pretend(&h, wrong, h.disks[2]);
		assert_refused(&h, 2, TRANSHIP_EMISMATCH,
			       "another version of the disk has [20480, 24576)");
		pretend(&h, h.disks[1], h.disks[2]);
		history_merge_all(&h);
		free(wrong);
		history_free(&h);
	}
}

/* A smaller disk cuts off what its delta does not name; a larger one finds something in what was
 * added. */
static void test_merge__ends_that_do_not_follow(void **state)
{
	static const size_t cuts[] = { 6 * BLOCK, 6 * BLOCK + 100 };
	struct rng rng = { 507 };
	size_t size = 10 * BLOCK, c;
	unsigned char *wrong;
	struct history h;

	for (c = 0; c < COUNT_OF(cuts); c++) {
		history_begin(&h, *state, calloc(1, size), size);
		history_add(&h, history_copy(h.disks[0], size, size), size, DIGEST_XXH3, 0, 1);
		rng_fill(&rng, h.disks[1] + 6 * BLOCK, 2 * BLOCK);
		pretend(&h, h.disks[0], h.disks[1]);
		history_add(&h, history_copy(h.disks[1], cuts[c], cuts[c]), cuts[c], DIGEST_XXH3, 0,
			    1);
		wrong = history_copy(h.disks[1], cuts[c], size);
		pretend(&h, wrong, h.disks[2]);
		assert_refused(&h, 2, TRANSHIP_EMISMATCH, "cuts off, and does not name, [24576, ");
		free(wrong);
		history_free(&h);
	}
	history_begin(&h, *state, calloc(1, 100), 100);
	history_add(&h, calloc(1, size), size, DIGEST_XXH3, 0, 1);
	history_add(&h, calloc(1, size), size, DIGEST_XXH3, 0, 1);
	wrong = calloc(1, size);
	wrong[8 * BLOCK] = 1;
	pretend(&h, wrong, h.disks[2]);
	assert_refused(&h, 2, TRANSHIP_EMISMATCH, "behind the end of the disk, at [32768, 36864)");
	free(wrong);
	history_free(&h);
}

static void test_merge__damaged_ones_are_refused_before_the_output(void **state)
{
	struct rng rng = { 508 };
	struct history h;
	unsigned char *bytes;
	size_t size = 200000, len, at;

	history_begin(&h, *state, random_disk(&rng, size), size);
	history_add(&h, history_edited(&rng, &h, size), size, DIGEST_XXH3, 0, 1);
	history_add(&h, history_edited(&rng, &h, size), size, DIGEST_XXH3, 0, 1);
	bytes = read_path(h.deltas[1], &len);
	for (at = 0; at < len; at += 1 + rng_below(&rng, 3000)) {
		bytes[at] ^= 4;
		write_path(h.deltas[1], bytes, len);
		assert_refused(&h, 2, TRANSHIP_ECORRUPT, "d1': tsd: ");
		bytes[at] ^= 4;
	}
	write_path(h.deltas[1], bytes, len - 1);
	assert_refused(&h, 2, TRANSHIP_ECORRUPT, "d1': tsd: ");
	free(bytes);
	history_free(&h);
}

static void test_merge__how_many(void **state)
{
	struct rng rng = { 509 };
	struct history h;
	struct tranship_error err;
	size_t i, c;
	int rc;

	history_begin(&h, *state, random_disk(&rng, 30000), 30000);
	for (i = 0; i < 34; i++)
		history_add(&h, history_edited(&rng, &h, 30000), 30000, DIGEST_XXH3, (unsigned)i,
			    1);
	assert_refused(&h, 0, TRANSHIP_EINVAL, "0 deltas");
	assert_refused(&h, 33, TRANSHIP_ELIMIT, "1 to 32");
	assert_ok(history_merge(h.deltas, 32, path_in(*state, "out"), NULL, &err), &err);
	history_check(path_in(*state, "out"), &h, 0, 32);
	/* One that has 32 lineages already, whose last one the next delta shares; and one that
	 * does not. */
	for (c = 0; c < 2; c++) {
		h.made[33].head.lineages = 32;
		for (i = 0; i < 32; i++)
			h.made[33].head.seeds[i].bytes[0] = (unsigned char)(2 + i + 32 * c);
		history_write(&h, 33, &h.made[33], h.disks[33], h.disks[34]);
		rc = history_merge(h.deltas + 32, 2, path_in(*state, "out"), NULL, &err);
		if (c == 0)
			assert_ok(rc, &err);
		else
			assert_fails(rc, TRANSHIP_ELIMIT, &err, "more than 32 lineages");
	}
	history_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_merge__heads_that_do_not_follow),
		IN_FOLDER(test_merge__blocks_that_do_not_follow),
		IN_FOLDER(test_merge__ends_that_do_not_follow),
		IN_FOLDER(test_merge__damaged_ones_are_refused_before_the_output),
		IN_FOLDER(test_merge__how_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
