// SPDX-License-Identifier: Apache-2.0
/*
 * Delta files: what is written is read back, at random and front to back; and whatever is cut off,
 * flipped, or wrong in one field with all checks made right again, is refused or changes nothing.
 */
#include "support.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "image_delta.h"
#include "io/file.h"

#include <stdlib.h>
#include <string.h>

/* A disk and what became of it. */
struct pair {
	unsigned char *base, *target;
	uint64_t base_size, target_size;
};

static void pair_free(struct pair *p)
{
	free(p->base);
	free(p->target);
}

/* Some stretches of `base` change: to random bytes, to text, to zeros. */
static struct pair pair_new(struct rng *rng, uint64_t base_size, uint64_t target_size,
			    unsigned edits)
{
	struct pair p = { random_disk(rng, base_size + 1), random_disk(rng, target_size + 1),
			  base_size, target_size };
	uint64_t shared = min_u64(base_size, target_size);

	memcpy(p.target, p.base, shared);
	for (; edits > 0 && target_size > 0; edits--) {
		uint64_t off = rng_below(rng, target_size);
		size_t len = (size_t)min_u64(rng_below(rng, 30000) + 1, target_size - off);
		unsigned char *fresh = random_disk(rng, len);

		if (rng_below(rng, 3) == 0)
			memset(fresh, 0, len);
		memcpy(p.target + off, fresh, len);
		free(fresh);
	}
	return p;
}

static struct buffer delta_of(const struct image_delta *image, const struct pair *p)
{
	struct buffer bytes = { 0 };

	assert_int_equal(image_delta(image, p->base, p->target, &bytes), 0);
	return bytes;
}

/* What a delta makes of a base, read record by record, at random or in order. The code, or 0. */
static int apply_records(struct delta *d, unsigned char *disk, uint64_t size,
			 struct tranship_error *err)
{
	const struct record_rule *rule = delta_record_rule(d);
	struct unpacker *u;
	struct record r = { 0 };
	uint64_t off = 0, at;
	int rc = unpacker_new(&u, err);

	while (rc == 0) {
		const unsigned char *data;
		uint32_t i;

		rc = delta_find(d, off, &r, &at, err);
		if (rc <= 0)
			break;
		rc = delta_read_data(d, u, at, &r, err);
		if (rc)
			break;
		data = r.data;
		for (i = 0; i < r.head.pieces; i++) {
			const struct record_piece *p = &r.pieces[i];
			uint64_t len = (uint64_t)p->blocks * rule->block_size;
			uint64_t n = p->off < size ? min_u64(len, size - p->off) : 0;

			if (n > 0 && p->kind == RECORD_ZERO)
				memset(disk + p->off, 0, n);
			if (n > 0 && p->kind == RECORD_DATA)
				memcpy(disk + p->off, data, n);
			if (p->kind == RECORD_DATA)
				data += len;
		}
		off = r.head.end;
	}
	record_free(&r);
	unpacker_free(u);
	return rc;
}

/* Opens and applies; what the base becomes goes to `disk`. */
static int apply_file(struct tranship_file *file, const struct pair *p, unsigned char *disk,
		      struct tranship_error *err)
{
	struct delta *d;
	int rc = delta_open(file, 0, &d, err);

	if (rc == 0) {
		memset(disk, 0, p->target_size);
		memcpy(disk, p->base, min_u64(p->base_size, p->target_size));
		rc = apply_records(d, disk, p->target_size, err);
	}
	delta_close(d);
	return rc;
}

static int verify_file(struct tranship_file *file, struct tranship_error *err)
{
	struct delta *d;
	int rc = delta_open(file, 0, &d, err);

	if (rc == 0)
		rc = delta_verify(d, NULL, NULL, err);
	delta_close(d);
	return rc;
}

static void expect_delta(const struct buffer *bytes, const struct pair *p)
{
	struct tranship_file *file = file_of(bytes->bytes, bytes->len);
	unsigned char *disk = malloc(p->target_size + 1);
	struct tranship_error err;

	assert_ok(apply_file(file, p, disk, &err), &err);
	assert_memory_equal(disk, p->target, p->target_size);
	assert_ok(verify_file(file, &err), &err);
	free(disk);
	tranship_file_close(file);
}

static void test_delta__round_trips(void **state)
{
	static const int levels[] = { 0, 1, 3, 19 };
	struct rng rng = { 4011 };
	unsigned n;

	(void)state;
	for (n = 0; n < 60; n++) {
		uint64_t size = rng_below(&rng, 900000) + 1;
		uint64_t other = rng_below(&rng, 2) ? size : rng_below(&rng, 900000);
		struct pair p = pair_new(&rng, size, other, (unsigned)rng_below(&rng, 12));
		struct image_delta image = image_delta_defaults(size, other);
		struct buffer bytes;

		image.head.block_size = TRANSHIP_BLOCK_MIN << rng_below(&rng, 9);
		image.head.kind = rng_below(&rng, 2) ? DIGEST_XXH3 : DIGEST_SHA256;
		image.head.lineages = (uint32_t)rng_below(&rng, 3) + 1;
		image.head.file_id = rng_next(&rng);
		image.level = levels[rng_below(&rng, COUNT_OF(levels))];
		image.record_blocks = (uint32_t)rng_below(&rng, 40);
		image.record_data = (size_t)1 << (12 + rng_below(&rng, 9));
		bytes = delta_of(&image, &p);
		expect_delta(&bytes, &p);
		buffer_free(&bytes);
		pair_free(&p);
	}
}

static void test_delta__head_is_what_was_written(void **state)
{
	struct rng rng = { 5 };
	struct pair p = pair_new(&rng, 100000, 123456, 3);
	struct image_delta image = image_delta_defaults(100000, 123456);
	const struct delta_head *head;
	struct tranship_file *file;
	struct tranship_error err;
	struct buffer bytes;
	struct delta *d;

	(void)state;
	image.head.lineages = DELTA_LINEAGES_MAX;
	image.head.sector_size = 4096;
	memset(image.head.base_id, 'b', TRANSHIP_ID_MAX);
	memset(image.head.base_hint, 'h', DELTA_HINT_MAX);
	bytes = delta_of(&image, &p);
	file = file_of(bytes.bytes, bytes.len);
	assert_ok(delta_open(file, 0, &d, &err), &err);
	head = delta_head(d);
	assert_true(head->file_id == image.head.file_id);
	assert_int_equal(head->kind, image.head.kind);
	assert_int_equal(head->block_size, 4096);
	assert_int_equal(head->sector_size, 4096);
	assert_int_equal(head->base_size, 100000);
	assert_int_equal(head->target_size, 123456);
	assert_string_equal(head->base_id, image.head.base_id);
	assert_string_equal(head->target_id, "after");
	assert_string_equal(head->base_format, "raw");
	assert_string_equal(head->base_hint, image.head.base_hint);
	assert_int_equal(head->lineages, DELTA_LINEAGES_MAX);
	assert_memory_equal(head->seeds, image.head.seeds, sizeof(head->seeds));
	delta_close(d);
	tranship_file_close(file);
	buffer_free(&bytes);
	pair_free(&p);
}

/* Found from any offset, with a record that holds another one, or none. */
static void test_find__is_the_same_from_anywhere(void **state)
{
	struct rng rng = { 77 };
	struct pair p = pair_new(&rng, 3000000, 3000000, 120);
	struct image_delta image = image_delta_defaults(3000000, 3000000);
	struct record kept = { 0 };
	struct tranship_file *file;
	struct tranship_error err;
	struct buffer bytes;
	struct delta *d;
	unsigned n;

	(void)state;
	image.record_blocks = 1; /* many records: the index has pages above pages */
	bytes = delta_of(&image, &p);
	file = file_of(bytes.bytes, bytes.len);
	assert_ok(delta_open(file, 0, &d, &err), &err);
	assert_true(delta_end(d)->root.level > 0);
	for (n = 0; n < 3000; n++) {
		struct record fresh = { 0 };
		uint64_t off = rng_below(&rng, 3000000), at_kept = 0, at = 0;
		int rc = delta_find(d, off, &fresh, &at, &err);

		assert_true(rc >= 0);
		assert_int_equal(delta_find(d, off, &kept, &at_kept, &err), rc);
		if (rc == 1) {
			assert_int_equal(fresh.head.off, kept.head.off);
			assert_true(fresh.head.end > off);
		}
		record_free(&fresh);
	}
	assert_int_equal(delta_find(d, round_up(3000000, 4096), &kept, &(uint64_t){ 0 }, &err), 0);
	record_free(&kept);
	delta_close(d);
	tranship_file_close(file);
	buffer_free(&bytes);
	pair_free(&p);
}

static void test_writer__refuses_records_that_do_not_ascend(void **state)
{
	struct image_delta image = image_delta_defaults(65536, 65536);
	struct record_span span = { .off = 8192, .end = 12288, .len = 64 };
	unsigned char stored[64] = { 0 };
	struct tranship_file *file = file_of(NULL, 0);
	struct delta_writer *w;
	struct tranship_error err;

	(void)state;
	assert_ok(delta_writer_new(file, &image.head, &w, &err), &err);
	assert_ok(delta_writer_put(w, &span, stored, &err), &err);
	assert_fails(delta_writer_put(w, &span, stored, &err), TRANSHIP_EINVAL, &err,
		     "does not follow one that ends at 12288");
	delta_writer_free(w);
	tranship_file_close(file);
}

/* ---- Damage ---- */

/* A small delta: a few records, one of them of zeros. */
static struct buffer small_delta(struct pair *p, int level)
{
	struct image_delta image = image_delta_defaults(9 * 4096, 10 * 4096 - 700);
	struct rng rng = { 15 };
	size_t i;

	*p = (struct pair){ calloc(1, 9 * 4096), calloc(1, 10 * 4096), 9 * 4096, 10 * 4096 - 700 };
	memset(p->base, 'b', 9 * 4096);
	memcpy(p->target, p->base, 9 * 4096);
	memset(p->target + 2 * 4096, 0, 2 * 4096);
	for (i = 0; i < 4096; i++)
		p->target[7 * 4096 + i] = (unsigned char)(i / 512 + 1);
	rng_fill(&rng, p->target + 9 * 4096, 40);
	image.level = level;
	image.head.lineages = 2;
	image.record_data = 4096;
	return delta_of(&image, p);
}

/* Each prefix is refused when it is opened. */
static void test_open__refuses_every_prefix(void **state)
{
	struct pair p;
	struct buffer bytes = small_delta(&p, 1);
	struct tranship_error err;
	size_t len;

	(void)state;
	for (len = 0; len < bytes.len; len++) {
		struct tranship_file *file = file_of(bytes.bytes, len);
		struct delta *d;
		int rc = delta_open(file, 0, &d, &err);

		assert_int_equal(rc, TRANSHIP_ECORRUPT);
		assert_null(d);
		tranship_file_close(file);
	}
	buffer_free(&bytes);
	pair_free(&p);
}

/* Applies and verifies. *applied: what the code of the first was. */
static int use_file(struct tranship_file *file, const struct pair *p, unsigned char *disk,
		    int *applied)
{
	struct delta *d;
	int rc = *applied = delta_open(file, 0, &d, NULL);

	if (rc)
		return rc;
	memset(disk, 0, p->target_size);
	memcpy(disk, p->base, min_u64(p->base_size, p->target_size));
	*applied = apply_records(d, disk, p->target_size, NULL);
	rc = delta_verify(d, NULL, NULL, NULL);
	delta_close(d);
	return rc;
}

/* What applies in spite of it is right; reading all of the file always finds it. Of a packed file
 * each bit, of one that is not one of each byte. */
static void flip_bits(int level)
{
	struct pair p;
	struct buffer bytes = small_delta(&p, level);
	unsigned char *disk = malloc(p.target_size);
	size_t bit, step = level > 0 ? 1 : 9, refused = 0, all = 0;

	for (bit = 0; bit < bytes.len * 8; bit += step, all++) {
		struct tranship_file *file;
		int applied;

		bytes.bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
		file = file_of(bytes.bytes, bytes.len);
		assert_int_not_equal(use_file(file, &p, disk, &applied), 0);
		if (applied == 0)
			assert_memory_equal(disk, p.target, p.target_size);
		else
			refused++;
		tranship_file_close(file);
		bytes.bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
	}
	/* All but what only reading all of it looks at. */
	assert_true(refused * 10 > all * 9);
	free(disk);
	buffer_free(&bytes);
	pair_free(&p);
}

static void test_delta__refuses_every_flipped_bit(void **state)
{
	(void)state;
	flip_bits(1);
	flip_bits(0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delta__round_trips),
		cmocka_unit_test(test_delta__head_is_what_was_written),
		cmocka_unit_test(test_find__is_the_same_from_anywhere),
		cmocka_unit_test(test_writer__refuses_records_that_do_not_ascend),
		cmocka_unit_test(test_open__refuses_every_prefix),
		cmocka_unit_test(test_delta__refuses_every_flipped_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
