// SPDX-License-Identifier: Apache-2.0
/* A delta as a disk: what it says, alone, from many threads, and when everything fails once. */
#include "delta_files.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "heap.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void test_alone__holds_the_properties_of_a_disk(void **state)
{
	static const struct delta_spec specs[] = {
		{ .from = 0, .to = 1, .level = 1 },
		{ .from = 1, .to = 2, .level = 0 },
		{ .from = 2, .to = 0, .level = 1, .block_size = 65536 },
		{ .from = 0, .to = 0, .level = 1 },
		{ .from = 0, .to = 2, .level = 0, .block_size = 1U << 20 },
	};
	struct tranship_error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(specs); i++) {
		struct buffer bytes = delta_of(&specs[i]);

		assert_ok(exercise(file_of(bytes.bytes, bytes.len), file_of(bytes.bytes, bytes.len),
				   NULL, TRANSHIP_OPEN_LAYER, &err),
			  &err);
		buffer_free(&bytes);
	}
}

static int count_property(void *ctx, const struct tranship_property *p)
{
	unsigned *seen = ctx;

	if (strcmp(p->name, "base-id") == 0)
		*seen += strcmp(p->text, "A") == 0;
	if (strcmp(p->name, "target-id") == 0)
		*seen += strcmp(p->text, "B") == 0;
	if (strcmp(p->name, "hash") == 0)
		*seen += strcmp(p->text, "xxh3") == 0;
	if (strcmp(p->name, "base-size") == 0)
		*seen += p->number == DISK;
	if (strcmp(p->name, "block-size") == 0)
		*seen += p->number == BLOCK;
	return 0;
}

static void test_alone__says_what_it_needs(void **state)
{
	struct delta_spec spec = { .from = 0, .to = 1, .base_format = "vhdx", .hint = "a/b.vhdx" };
	const char *path = path_in(*state, "d.tsd");
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned seen = 0;

	write_delta(path, &spec);
	assert_ok(open_with(path, NULL, TRANSHIP_OPEN_LAYER, NULL, 0, &disk, &err), &err);
	assert_false(tranship_disk_is_complete(disk));
	assert_string_equal(tranship_disk_format(disk), "tsd");
	assert_string_equal(tranship_disk_identity(disk), "");
	assert_string_equal(tranship_disk_parent_identity(disk), "unnamed base of 614400 bytes");
	assert_string_equal(tranship_disk_parent_format(disk), "vhdx");
	assert_string_equal(tranship_disk_parent_hint(disk, 0), "a/b.vhdx");
	assert_null(tranship_disk_parent_hint(disk, 1));
	assert_int_equal(tranship_disk_cluster_size(disk), BLOCK);
	tranship_disk_close(disk);

	spec.base_id = "A";
	spec.target_id = "B";
	write_delta(path, &spec);
	assert_ok(open_with(path, NULL, TRANSHIP_OPEN_DELTA_LAYER, NULL, 0, &disk, &err), &err);
	assert_false(tranship_disk_is_complete(disk));
	assert_string_equal(tranship_disk_parent_identity(disk), "A");
	tranship_disk_properties(disk, count_property, &seen);
	assert_int_equal(seen, 5);
	tranship_disk_close(disk);
}

static void test_probe__names_the_base(void **state)
{
	struct delta_spec spec = { .from = 0, .to = 2, .base_id = "A", .hint = "../v0.raw" };
	const char *path = path_in(*state, "d.tsd");
	struct tranship_probe_result *result;
	struct tranship_error err;

	write_delta(path, &spec);
	assert_ok(tranship_probe(path, NULL, &result, &err), &err);
	assert_string_equal(result->format, "tsd");
	assert_true(result->needs_parent);
	assert_string_equal(result->parent_id, "A");
	assert_int_equal(result->virtual_size, ODD);
	assert_int_equal(result->reference_count, 1);
	assert_int_equal(result->references[0].role, TRANSHIP_ROLE_PARENT);
	assert_int_equal(result->references[0].place, TRANSHIP_PLACE_ABOVE);
	assert_string_equal(result->references[0].path, "../v0.raw");
	assert_false(result->ambiguous);
	tranship_probe_free(result);
}

static void test_inspect__says_what_is_in_it(void **state)
{
	struct delta_spec spec = {
		.from = 0, .to = 2, .base_id = "A", .target_id = "B", .level = 1
	};
	const char *path = path_in(*state, "d.tsd");
	struct tranship_delta_info info;
	struct tranship_error err;
	unsigned char *bytes;
	size_t size;

	write_delta(path, &spec);
	assert_ok(tranship_delta_inspect(path, true, &info, &err), &err);
	assert_int_equal(info.base_size, DISK);
	assert_int_equal(info.target_size, ODD);
	assert_int_equal(info.block_size, BLOCK);
	assert_int_equal(info.sector_size, 512);
	assert_string_equal(info.hash, "xxh3");
	assert_string_equal(info.base_id, "A");
	assert_string_equal(info.target_id, "B");
	assert_string_equal(info.base_format, "");
	assert_true(info.records > 1 && info.data > 0 && info.zero > 0);
	bytes = read_path(path, &size);
	assert_int_equal(info.file_size, size);
	bytes[4000] ^= 1; /* of the head, where nothing stands: only the SHA-256 says so */
	put_le64(bytes + 56, 0);
	put_le64(bytes + 56, check64(bytes, DELTA_HEAD_SIZE, 0));
	write_path(path, bytes, size);
	assert_ok(tranship_delta_inspect(path, false, &info, &err), &err);
	assert_fails(tranship_delta_inspect(path, true, &info, &err), TRANSHIP_ECORRUPT, &err,
		     "it has another SHA-256");
	bytes[4000] ^= 1;
	write_path(path, bytes, size);
	assert_fails(tranship_delta_inspect(path, false, &info, &err), TRANSHIP_ECORRUPT, &err,
		     "the head is damaged");
	free(bytes);
	assert_fails(tranship_delta_inspect(path_in(*state, "none"), false, &info, &err),
		     TRANSHIP_EIO, &err, "No such file");
}

/* Damage is a finding, with the place. */
static void test_check__finds_damage(void **state)
{
	struct delta_spec spec = { .from = 0, .to = 1, .level = 0 };
	struct buffer bytes = delta_of(&spec);
	struct tranship_open_options open = { .flags = TRANSHIP_OPEN_LAYER };
	struct tranship_check_result result;
	struct tranship_disk *disk;
	struct tranship_error err;
	size_t at = image_delta_record(bytes.bytes, bytes.len, 1);
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_ok(tranship_open_file(file_of(bytes.bytes, bytes.len), &open, &disk, &err),
			  &err);
		assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
		assert_int_equal(result.errors, i);
		assert_int_equal(result.total, DISK / BLOCK);
		if (i == 0)
			assert_true(result.allocated > 5);
		tranship_disk_close(disk);
		bytes.bytes[at - 1] ^= 1;
	}
	buffer_free(&bytes);
}

/* ---- Threads, and everything that fails ---- */

struct reader {
	struct tranship_disk *disk;
	uint64_t seed;
	bool right;
};

static void *read_at_random(void *ctx)
{
	struct reader *r = ctx;
	struct rng rng = { r->seed };
	struct tranship_scratch *scratch;
	unsigned char *back = malloc(100000);
	unsigned n;

	r->right = tranship_scratch_new(r->disk, &scratch, NULL) == 0;
	for (n = 0; n < 400 && r->right; n++) {
		uint64_t off = rng_below(&rng, ODD);
		size_t len = (size_t)min_u64(rng_below(&rng, 100000), ODD - off);
		struct tranship_extent extent;

		r->right = tranship_disk_read(r->disk, scratch, off, back, len, NULL) == 0 &&
			   memcmp(back, versions[2] + off, len) == 0 &&
			   tranship_disk_map(r->disk, off, &extent, NULL) == 0;
	}
	tranship_scratch_free(scratch);
	free(back);
	return NULL;
}

static void test_threads__read_at_once(void **state)
{
	struct delta_spec spec = {
		.from = 0, .to = 2, .base_format = "raw", .hint = "v0.raw", .level = 1
	};
	const char *path = path_in(*state, "d.tsd");
	struct reader readers[6];
	pthread_t threads[6];
	struct tranship_disk *disk;
	struct tranship_error err;
	size_t i;

	write_image(path_in(*state, "v0.raw"), "raw", NULL, 0);
	write_delta(path, &spec);
	assert_ok(open_with(path, NULL, 0, NULL, 0, &disk, &err), &err);
	for (i = 0; i < COUNT_OF(readers); i++) {
		readers[i] = (struct reader){ disk, i + 1, false };
		assert_int_equal(pthread_create(&threads[i], NULL, read_at_random, &readers[i]), 0);
	}
	for (i = 0; i < COUNT_OF(readers); i++) {
		pthread_join(threads[i], NULL);
		assert_true(readers[i].right);
	}
	tranship_disk_close(disk);
}

static void test_sweep__allocations(void **state)
{
	struct delta_spec spec = { .from = 0, .to = 2, .base_format = "raw", .hint = "v0.raw" };
	const char *path = path_in(*state, "d.tsd");
	static unsigned char back[ODD];
	unsigned before, pass;
	unsigned long n;
	bool failed;

	if (!HEAP_WATCHED)
		skip();
	write_image(path_in(*state, "v0.raw"), "raw", NULL, 0);
	write_delta(path, &spec);
	before = count_descriptors();
	for (pass = 0; pass < 2; pass++)
		for (n = 1, failed = true; failed; n++) {
			struct tranship_disk *disk;
			struct heap_seen seen;
			int rc;

			heap_watch(n, false);
			rc = open_with(path, NULL, 0, NULL, 0, &disk, NULL);
			if (rc == 0) {
				rc = tranship_disk_read(disk, NULL, 0, back, ODD, NULL);
				tranship_disk_close(disk);
			}
			ERR_clear_error();
			seen = heap_unwatch();
			failed = seen.failed;
			if (pass == 1)
				assert_int_equal(seen.held, 0);
			if (rc != 0)
				assert_int_equal(rc, TRANSHIP_ENOMEM);
			else
				assert_memory_equal(back, versions[2], ODD);
			assert_int_equal(count_descriptors(), before);
		}
	assert_true(n > 30);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone__holds_the_properties_of_a_disk),
		IN_FOLDER(test_alone__says_what_it_needs),
		IN_FOLDER(test_probe__names_the_base),
		IN_FOLDER(test_inspect__says_what_is_in_it),
		cmocka_unit_test(test_check__finds_damage),
		IN_FOLDER(test_threads__read_at_once),
		IN_FOLDER(test_sweep__allocations),
	};

	return cmocka_run_group_tests(tests, make_versions, free_versions);
}
