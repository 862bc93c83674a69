// SPDX-License-Identifier: Apache-2.0
#include "chain_files.h"

#include "core/disk.h"
#include "image_vhd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VHD_ID 68 /* where a footer has the unique id */
#define SECTOR 512U

static struct tranship_disk *open_layer(const char *path)
{
	struct tranship_policy policy = { .kind = TRANSHIP_POLICY_BESIDE };
	struct tranship_open_options options = { .flags = TRANSHIP_OPEN_LAYER, .policy = &policy };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open(path, &options, &disk, &err), &err);
	return disk;
}

/* Where a file has its identity: a repeatable one is derived from its path. */
static struct guid id_of(const char *path)
{
	struct guid id;
	struct rng rng = { 77 };

	for (; *path; path++)
		rng.state = rng.state * 31 + (unsigned char)*path;
	rng_fill(&rng, id.bytes, sizeof(id.bytes));
	return id;
}

static void hint_locator(const char *hint, unsigned char *room, struct image_vhd_locator *out)
{
	size_t i, len = strlen(hint);

	for (i = 0; i < len; i++) {
		room[2 * i] = (unsigned char)hint[i];
		room[2 * i + 1] = 0;
	}
	*out = (struct image_vhd_locator){ VHD_LOCATOR_W2RU, 512, room, (uint32_t)(2 * len) };
}

static void make_vhd(const struct chain_image *image)
{
	struct image_vhd vhd = image_vhd_defaults();
	struct image_vhd_locator locator;
	struct buffer out = { 0 };
	unsigned char *owned = NULL, *base = NULL, room[400];
	struct guid id = id_of(image->path);
	size_t base_size = 0, i;

	if (image->base) {
		struct tranship_error err;

		assert_ok(chain_read(image->base, image->base_options, &base, &base_size, &err),
			  &err);
		vhd.type = VHD_DIFFERENCING;
		vhd.parent_id = id_of(image->base);
		owned = calloc(image->size / SECTOR, 1);
		assert_non_null(owned);
		for (i = 0; i < image->size / SECTOR; i++)
			owned[i] = i >= base_size / SECTOR ||
				   memcmp(base + i * SECTOR, image->content + i * SECTOR, SECTOR);
		vhd.owned = owned;
	}
	if (image->hint) {
		hint_locator(image->hint, room, &locator);
		vhd.locators = &locator;
		vhd.locator_count = 1;
	}
	assert_int_equal(image_vhd(&vhd, image->content, image->size, &out), 0);
	memcpy(out.bytes + VHD_ID, id.bytes, sizeof(id.bytes));
	memcpy(out.bytes + out.len - VHD_FOOTER_SIZE + VHD_ID, id.bytes, sizeof(id.bytes));
	image_vhd_repair(out.bytes, out.len);
	write_path(image->path, out.bytes, out.len);
	buffer_free(&out);
	free(owned);
	free(base);
}

void chain_make(const struct chain_image *image)
{
	struct tranship_open_options open = { .format = "raw" };
	struct tranship_create_options create = { .format = image->format,
						  .size = image->size,
						  .base_hint = image->hint };
	struct tranship_copy_options copy = { .threads = 1 };
	struct tranship_disk *source;
	struct tranship_writer *writer;
	struct tranship_error err;

	if (strcmp(image->format, "vpc") == 0) {
		make_vhd(image);
		return;
	}
	create.options = strcmp(image->format, "vhdx") == 0 ? "block_size=1M" : NULL;
	assert_ok(tranship_open_file(file_of(image->content, image->size), &open, &source, &err),
		  &err);
	if (image->base)
		assert_ok(tranship_open(image->base, image->base_options, &create.base, &err),
			  &err);
	assert_ok(tranship_create(image->path, &create, &writer, &err), &err);
	assert_ok(tranship_copy(source, writer, &copy, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close(create.base);
	tranship_disk_close(source);
}

void chain_change(struct rng *rng, unsigned char *content, size_t size, unsigned times)
{
	while (times-- > 0) {
		size_t sectors = 1 + (size_t)rng_below(rng, 4);
		size_t at = (size_t)rng_below(rng, size / SECTOR - sectors + 1);

		if (times % 3 == 0)
			memset(content + at * SECTOR, 0, sectors * SECTOR);
		else
			rng_fill(rng, content + at * SECTOR, sectors * SECTOR);
	}
}

int chain_read(const char *path, const struct tranship_open_options *options,
	       unsigned char **content, size_t *size, struct tranship_error *err)
{
	struct tranship_disk *disk;
	int rc = tranship_open(path, options, &disk, err);

	*content = NULL;
	if (rc)
		return rc;
	*size = (size_t)tranship_disk_size(disk);
	*content = malloc(*size + 1);
	assert_non_null(*content);
	rc = tranship_disk_read(disk, NULL, 0, *content, *size, err);
	tranship_disk_close(disk);
	if (rc) {
		free(*content);
		*content = NULL;
	}
	return rc;
}

void chain_expect(const char *path, const struct tranship_open_options *options,
		  const unsigned char *content, size_t size)
{
	struct tranship_error err;
	unsigned char *got;
	size_t got_size;

	assert_ok(chain_read(path, options, &got, &got_size, &err), &err);
	assert_int_equal(got_size, size);
	assert_memory_equal(got, content, size);
	free(got);
}

bool chain_is_empty(const char *path)
{
	struct tranship_disk *disk = open_layer(path);
	uint64_t off = 0;
	bool empty = true;

	while (off < tranship_disk_size(disk)) {
		struct tranship_extent extent;
		struct tranship_error err;

		assert_ok(tranship_disk_map(disk, off, &extent, &err), &err);
		empty = empty && extent.kind == TRANSHIP_ABSENT;
		off += extent.len;
	}
	tranship_disk_close(disk);
	return empty;
}

struct first_error {
	char *why;
	size_t cap;
};

static void take_error(void *ctx, enum tranship_finding_kind kind, const char *message)
{
	struct first_error *first = ctx;

	if (kind == TRANSHIP_FINDING_ERROR)
		snprintf(first->why, first->cap, "%s", message);
}

uint64_t chain_errors(const char *path, char *why, size_t cap)
{
	struct tranship_disk *disk = open_layer(path);
	struct first_error first = { why, cap };
	struct tranship_check_result result;
	struct tranship_error err;

	assert_ok(tranship_check(disk, take_error, &first, &result, &err), &err);
	tranship_disk_close(disk);
	return result.errors;
}

void chain_identities(const char *path, char own[40], char parents[40])
{
	struct tranship_disk *disk = open_layer(path);

	snprintf(own, 40, "%s", disk->identity);
	snprintf(parents, 40, "%s", disk->parent ? disk->parent->ids[0] : "");
	tranship_disk_close(disk);
}
