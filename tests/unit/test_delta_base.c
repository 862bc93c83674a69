// SPDX-License-Identifier: Apache-2.0
/* A delta over its base, which may be of any kind, and of which only the right one will do. */
#include "delta_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void test_base__may_be_of_any_format(void **state)
{
	static const char *const formats[] = { "raw", "vhdx", "vpc", "vmdk" };
	static const char *const names[] = { "v0.raw", "v0.vhdx", "v0.vhd", "v0.vmdk" };
	const char *path = path_in(*state, "d.tsd");
	size_t i;

	for (i = 0; i < COUNT_OF(formats); i++) {
		struct delta_spec spec = { .from = 0,
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
	struct delta_spec spec = { .from = 2, .to = 0, .base_format = "raw", .hint = "v2.raw" };
	const char *path = path_in(*state, "d.tsd");

	write_image(path_in(*state, "v2.raw"), "raw", NULL, 2);
	write_delta(path, &spec);
	expect_opens(path, NULL, NULL, 0, 0);
}

static void test_base__may_be_a_delta(void **state)
{
	struct delta_spec first = {
		.from = 0, .to = 1, .base_format = "raw", .hint = "v0.raw", .target_id = "one"
	};
	struct delta_spec second = {
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
	struct delta_spec spec = { .from = 0, .to = 1, .base_format = "raw", .hint = "v0.raw" };
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
	disk[4 * BLOCK + 9] ^= 1;
	disk[5 * BLOCK] ^= 1;
	disk[6 * BLOCK + 1] ^= 1; /* the last one of its piece: the range ends with it */
	write_path(base, disk, 16 * BLOCK);
	expect_refused(path, NULL, NULL, 0, TRANSHIP_EMISMATCH, "it differs at 24576 to 28672");
	buffer_free(&bytes);
	free(disk);
	free(other);
}

static void test_base__of_no_known_format(void **state)
{
	struct delta_spec spec = { .from = 0, .to = 1, .hint = "v0.vhdx" };
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
	struct delta_spec spec = { .from = 0, .to = 1, .base_format = "raw", .hint = "v0.raw" };
	const char *path = path_in(*state, "d.tsd");
	static const struct tranship_policy policy = { .kind = TRANSHIP_POLICY_BESIDE };
	struct tranship_open_options open = { 0 };
	struct tranship_disk *disk;
	struct tranship_error err;

	write_image(path_in(*state, "v0.raw"), "raw", NULL, 0);
	write_delta(path, &spec);
	assert_fails(tranship_open(path, &open, &disk, &err), TRANSHIP_EDENIED, &err, "v0.raw");
	open.policy = &policy;
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
	struct delta_spec spec = { .from = 0, .to = 1, .base_format = "raw", .hint = "v0.raw" };
	static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
	struct tranship_open_options open = { .policy = &beside };
	const char *path = path_in(*state, "d.tsd");
	struct tranship_error err;

	write_image(path_in(*state, "v0.raw"), "raw", NULL, 0);
	write_delta(path, &spec);
	assert_fails(tranship_commit(path, &open, NULL, 0, NULL, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "apply it");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_FOLDER(test_base__may_be_of_any_format),
		IN_FOLDER(test_base__may_be_larger),
		IN_FOLDER(test_base__may_be_a_delta),
		IN_FOLDER(test_base__is_another_one),
		IN_FOLDER(test_base__of_no_known_format),
		IN_FOLDER(test_base__is_reached_as_the_policy_allows),
		IN_FOLDER(test_commit__is_not_for_deltas),
	};

	return cmocka_run_group_tests(tests, make_versions, free_versions);
}
