// SPDX-License-Identifier: Apache-2.0
/* A delta as a disk: alone, and over bases of all kinds, of which only the right one will do. */
#include "support.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "heap.h"
#include "image_delta.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 4096U
#define DISK (600 * 1024U)
#define ODD (DISK + 3 * 512)

static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };

/* Three versions of a disk, the last one larger. */
static unsigned char *versions[3];
static const size_t sizes[3] = { DISK, DISK, ODD };

static void change(struct rng *rng, unsigned char *disk, size_t size, unsigned times)
{
	for (; times > 0; times--) {
		size_t off = (size_t)rng_below(rng, size);
		size_t len = (size_t)min_u64(rng_below(rng, 20000) + 1, size - off);

		if (rng_below(rng, 3) == 0)
			memset(disk + off, 0, len);
		else
			rng_fill(rng, disk + off, len);
	}
}

static int make_versions(void **state)
{
	struct rng rng = { 2024 };
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		versions[i] = random_disk(&rng, ODD);
		if (i > 0)
			memcpy(versions[i], versions[i - 1], sizes[i - 1]);
		change(&rng, versions[i], sizes[i], 9);
	}
	return 0;
}

static int free_versions(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		free(versions[i]);
	return 0;
}

/* How a delta between two versions is made. */
struct spec {
	int from, to;
	const char *base_id, *target_id, *base_format, *hint;
	int level;
	uint32_t block_size; /* 0: BLOCK */
};

static struct buffer delta_of(const struct spec *spec)
{
	struct image_delta image = image_delta_defaults(sizes[spec->from], sizes[spec->to]);
	struct buffer bytes = { 0 };

	image.level = spec->level;
	image.record_blocks = 9;
	image.head.lineages = 2;
	if (spec->block_size)
		image.head.block_size = spec->block_size;
	snprintf(image.head.base_id, sizeof(image.head.base_id), "%s",
		 spec->base_id ? spec->base_id : "");
	snprintf(image.head.target_id, sizeof(image.head.target_id), "%s",
		 spec->target_id ? spec->target_id : "");
	snprintf(image.head.base_format, sizeof(image.head.base_format), "%s",
		 spec->base_format ? spec->base_format : "");
	snprintf(image.head.base_hint, sizeof(image.head.base_hint), "%s",
		 spec->hint ? spec->hint : "");
	assert_int_equal(image_delta(&image, versions[spec->from], versions[spec->to], &bytes), 0);
	return bytes;
}

static void write_delta(const char *path, const struct spec *spec)
{
	struct buffer bytes = delta_of(spec);

	write_path(path, bytes.bytes, bytes.len);
	buffer_free(&bytes);
}

static void write_image(const char *path, const char *format, const char *options, int version)
{
	struct tranship_file *file =
		image_of(format, options, versions[version], sizes[version], 1);
	size_t size;
	unsigned char *bytes = file_bytes(file, &size);

	write_path(path, bytes, size);
	free(bytes);
	tranship_file_close(file);
}

static void expect_version(struct tranship_disk *disk, int version)
{
	unsigned char *back = malloc(sizes[version]);
	struct tranship_error err;

	assert_true(tranship_disk_is_complete(disk));
	assert_int_equal(tranship_disk_size(disk), sizes[version]);
	assert_ok(tranship_disk_read(disk, NULL, 0, back, sizes[version], &err), &err);
	assert_memory_equal(back, versions[version], sizes[version]);
	free(back);
}

static int open_with(const char *path, const char *options, unsigned flags,
		     const char *const *parents, size_t count, struct tranship_disk **out,
		     struct tranship_error *err)
{
	struct tranship_open_options open = { .policy = &beside,
					      .options = options,
					      .flags = flags,
					      .parents = parents,
					      .parent_count = count };

	return tranship_open(path, &open, out, err);
}

static void expect_opens(const char *path, const char *options, const char *const *parents,
			 size_t count, int version)
{
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(open_with(path, options, 0, parents, count, &disk, &err), &err);
	expect_version(disk, version);
	tranship_disk_close(disk);
}

static void expect_refused(const char *path, const char *options, const char *const *parents,
			   size_t count, int code, const char *piece)
{
	unsigned before = count_descriptors();
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_fails(open_with(path, options, 0, parents, count, &disk, &err), code, &err, piece);
	assert_null(disk);
	assert_int_equal(count_descriptors(), before);
}

/* ---- Alone ---- */

static void test_alone__holds_the_properties_of_a_disk(void **state)
{
	static const struct spec specs[] = {
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
	struct spec spec = { .from = 0, .to = 1, .base_format = "vhdx", .hint = "a/b.vhdx" };
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
	struct spec spec = { .from = 0, .to = 2, .base_id = "A", .hint = "../v0.raw" };
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
	struct spec spec = { .from = 0, .to = 2, .base_id = "A", .target_id = "B", .level = 1 };
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
	struct spec spec = { .from = 0, .to = 1, .level = 0 };
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

/* ---- Over a base ---- */

static void test_base__may_be_of_any_format(void **state)
{
	static const char *const formats[] = { "raw", "vhdx", "vpc", "vmdk" };
	static const char *const names[] = { "v0.raw", "v0.vhdx", "v0.vhd", "v0.vmdk" };
	const char *path = path_in(*state, "d.tsd");
	size_t i;

	for (i = 0; i < COUNT_OF(formats); i++) {
		struct spec spec = { .from = 0,
				     .to = 2,
				     .base_format = formats[i],
				     .hint = names[i],
				     .level = (int)(i % 2) };

		write_image(path_in(*state, names[i]), formats[i],
			    strcmp(formats[i], "vpc") == 0 ? "force_size=on" : NULL, 0);
		write_delta(path, &spec);
		expect_opens(path, NULL, NULL, 0, 2);
	}
}

/* Smaller than its base: what is cut off does not come back. */
static void test_base__may_be_larger(void **state)
{
	struct spec spec = { .from = 2, .to = 0, .base_format = "raw", .hint = "v2.raw" };
	const char *path = path_in(*state, "d.tsd");

	write_image(path_in(*state, "v2.raw"), "raw", NULL, 2);
	write_delta(path, &spec);
	expect_opens(path, NULL, NULL, 0, 0);
}

static void test_base__may_be_a_delta(void **state)
{
	struct spec first = {
		.from = 0, .to = 1, .base_format = "raw", .hint = "v0.raw", .target_id = "one"
	};
	struct spec second = {
		.from = 1, .to = 2, .base_format = "tsd", .hint = "d1.tsd", .base_id = "one"
	};
	const char *d1 = path_in(*state, "d1.tsd"), *d2 = path_in(*state, "d2.tsd");
	const char *parents[] = { d1, path_in(*state, "v0.raw") };
	struct tranship_extent extent;
	struct tranship_disk *disk;
	struct tranship_error err;

	write_image(parents[1], "raw", NULL, 0);
	write_delta(d1, &first);
	write_delta(d2, &second);
	assert_ok(open_with(d2, NULL, 0, NULL, 0, &disk, &err), &err);
	expect_version(disk, 2);
	assert_int_equal(tranship_disk_layer_count(disk), 3);
	assert_string_equal(tranship_disk_format(tranship_disk_layer(disk, 2)), "raw");
	assert_ok(tranship_disk_map(disk, 0, &extent, &err), &err);
	tranship_disk_close(disk);

	/* It was made from an image of that version; now there is only the other delta. */
	second.base_format = "raw";
	second.hint = "v1.raw";
	write_delta(d2, &second);
	expect_opens(d2, "base-format=tsd", parents, 2, 2);
	expect_opens(d2, "base-format=tsd:raw", parents, 2, 2);
	expect_refused(d2, "base-format=tsd:vhdx", parents, 2, TRANSHIP_ECORRUPT, "v0.raw");
	expect_refused(d2, NULL, parents, 2, TRANSHIP_EMISMATCH, "the base has");
	/* The blocks would do, the ids do not. */
	second.base_id = "two";
	write_delta(d2, &second);
	expect_refused(d2, "base-format=tsd", parents, 2, TRANSHIP_EMISMATCH,
		       "the base wanted is two, this delta makes one");
	/* A wrong image at the bottom is the lower delta's to find. */
	write_image(parents[1], "raw", NULL, 1);
	expect_refused(d2, "base-format=tsd", parents, 2, TRANSHIP_EMISMATCH, "it differs at");
}

/* A base that is not the one: by its size, or by the first range that differs. */
static void test_base__is_another_one(void **state)
{
	struct spec spec = { .from = 0, .to = 1, .base_format = "raw", .hint = "v0.raw" };
	const char *path = path_in(*state, "d.tsd"), *base = path_in(*state, "v0.raw");
	struct image_delta image = image_delta_defaults(16 * BLOCK, 16 * BLOCK);
	unsigned char *disk = calloc(16, BLOCK), *other = calloc(16, BLOCK);
	struct buffer bytes = { 0 };

	write_delta(path, &spec);
	write_path(base, versions[0], DISK - 512);
	expect_refused(path, NULL, NULL, 0, TRANSHIP_EMISMATCH,
		       "the base has 613888 bytes, the delta was made from one of 614400");
	write_path(base, versions[0], DISK);
	expect_opens(path, NULL, NULL, 0, 1);

	/* Blocks 3 to 6 and 9 are replaced. */
	memset(disk, 'o', 16 * BLOCK);
	memcpy(other, disk, 16 * BLOCK);
	memset(other + 3 * BLOCK, 'n', 4 * BLOCK);
	memset(other + 9 * BLOCK, 'n', BLOCK);
	snprintf(image.head.base_hint, sizeof(image.head.base_hint), "v0.raw");
	image.record_blocks = 2;
	assert_int_equal(image_delta(&image, disk, other, &bytes), 0);
	write_path(path, bytes.bytes, bytes.len);
	disk[7 * BLOCK] ^= 1; /* which it does not touch */
	disk[9 * BLOCK + 5] ^= 1;
	write_path(base, disk, 16 * BLOCK);
	expect_refused(path, NULL, NULL, 0, TRANSHIP_EMISMATCH, "it differs at 36864 to 40960");
	disk[4 * BLOCK + 9] ^= 1;
	disk[5 * BLOCK] ^= 1;
	write_path(base, disk, 16 * BLOCK);
	expect_refused(path, NULL, NULL, 0, TRANSHIP_EMISMATCH, "it differs at 16384 to 24576");
	buffer_free(&bytes);
	free(disk);
	free(other);
}

static void test_base__of_no_known_format(void **state)
{
	struct spec spec = { .from = 0, .to = 1, .hint = "v0.vhdx" };
	const char *path = path_in(*state, "d.tsd");
	const char *const base[] = { path_in(*state, "v0.vhdx") };

	write_image(base[0], "vhdx", NULL, 0);
	write_delta(path, &spec);
	expect_refused(path, NULL, NULL, 0, TRANSHIP_EINVAL,
		       "the format of the base is not recorded");
	expect_opens(path, "base-format=vhdx", NULL, 0, 1);
	expect_opens(path, NULL, base, 1, 1);
	expect_refused(path, "base-format=raw", base, 1, TRANSHIP_EMISMATCH, "the base has");
	expect_refused(path, "base-format=what", base, 1, TRANSHIP_EINVAL, "'what' is unknown");
	expect_refused(path, "base-format=vhdx:raw", base, 1, TRANSHIP_EINVAL, "base-format");
}

static void test_base__is_reached_as_the_policy_allows(void **state)
{
	struct spec spec = { .from = 0, .to = 1, .base_format = "raw", .hint = "v0.raw" };
	const char *path = path_in(*state, "d.tsd");
	struct tranship_open_options open = { 0 };
	struct tranship_disk *disk;
	struct tranship_error err;

	write_image(path_in(*state, "v0.raw"), "raw", NULL, 0);
	write_delta(path, &spec);
	assert_fails(tranship_open(path, &open, &disk, &err), TRANSHIP_EDENIED, &err, "v0.raw");
	open.policy = &beside;
	open.flags = TRANSHIP_OPEN_STRICT;
	assert_fails(tranship_open(path, &open, &disk, &err), TRANSHIP_EDENIED, &err, "strict");
	spec.hint = "../v0.raw";
	write_delta(path, &spec);
	expect_refused(path, NULL, NULL, 0, TRANSHIP_EDENIED, "v0.raw");
	spec.hint = NULL;
	write_delta(path, &spec);
	expect_refused(path, NULL, NULL, 0, TRANSHIP_EMISMATCH, "does not say where it is");
	spec.hint = "d.tsd"; /* itself */
	spec.base_format = "tsd";
	write_delta(path, &spec);
	expect_refused(path, NULL, NULL, 0, TRANSHIP_ECORRUPT, "comes back to");
}

static void test_commit__is_not_for_deltas(void **state)
{
	struct spec spec = { .from = 0, .to = 1, .base_format = "raw", .hint = "v0.raw" };
	struct tranship_open_options open = { .policy = &beside };
	const char *path = path_in(*state, "d.tsd");
	struct tranship_error err;

	write_image(path_in(*state, "v0.raw"), "raw", NULL, 0);
	write_delta(path, &spec);
	assert_fails(tranship_commit(path, &open, NULL, 0, NULL, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "apply it");
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
	struct spec spec = {
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
	struct spec spec = { .from = 0, .to = 2, .base_format = "raw", .hint = "v0.raw" };
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
		IN_FOLDER(test_base__may_be_of_any_format),
		IN_FOLDER(test_base__may_be_larger),
		IN_FOLDER(test_base__may_be_a_delta),
		IN_FOLDER(test_base__is_another_one),
		IN_FOLDER(test_base__of_no_known_format),
		IN_FOLDER(test_base__is_reached_as_the_policy_allows),
		IN_FOLDER(test_commit__is_not_for_deltas),
		IN_FOLDER(test_threads__read_at_once),
		IN_FOLDER(test_sweep__allocations),
	};

	return cmocka_run_group_tests(tests, make_versions, free_versions);
}
