// SPDX-License-Identifier: Apache-2.0
#include "delta_files.h"

#include "base/checked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };

unsigned char *versions[3];
const size_t version_sizes[3] = { DISK, DISK, ODD };

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

int make_versions(void **state)
{
	struct rng rng = { 2024 };
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		versions[i] = random_disk(&rng, ODD);
		if (i > 0)
			memcpy(versions[i], versions[i - 1], version_sizes[i - 1]);
		change(&rng, versions[i], version_sizes[i], 9);
	}
	return 0;
}

int free_versions(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		free(versions[i]);
	return 0;
}

struct buffer delta_of(const struct delta_spec *spec)
{
	struct image_delta image =
		image_delta_defaults(version_sizes[spec->from], version_sizes[spec->to]);
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

void write_delta(const char *path, const struct delta_spec *spec)
{
	struct buffer bytes = delta_of(spec);

	write_path(path, bytes.bytes, bytes.len);
	buffer_free(&bytes);
}

void write_image(const char *path, const char *format, const char *options, int version)
{
	struct tranship_file *file =
		image_of(format, options, versions[version], version_sizes[version], 1);
	size_t size;
	unsigned char *bytes = file_bytes(file, &size);

	write_path(path, bytes, size);
	free(bytes);
	tranship_file_close(file);
}

void expect_version(struct tranship_disk *disk, int version)
{
	unsigned char *back = malloc(version_sizes[version]);
	struct tranship_error err;

	assert_true(tranship_disk_is_complete(disk));
	assert_int_equal(tranship_disk_size(disk), version_sizes[version]);
	assert_ok(tranship_disk_read(disk, NULL, 0, back, version_sizes[version], &err), &err);
	assert_memory_equal(back, versions[version], version_sizes[version]);
	free(back);
}

int open_with(const char *path, const char *options, unsigned flags, const char *const *parents,
	      size_t count, struct tranship_disk **out, struct tranship_error *err)
{
	struct tranship_open_options open = { .policy = &beside,
					      .options = options,
					      .flags = flags,
					      .parents = parents,
					      .parent_count = count };

	return tranship_open(path, &open, out, err);
}
