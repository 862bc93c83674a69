// SPDX-License-Identifier: Apache-2.0
/* Differencing VHDX files that are written: what is put, zeroed and skipped, and the parent's name.
 */
#include "support.h"

#include "base/checked.h"
#include "vhdx/vhdx_locator_ondisk.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK (1U << 20)
#define DISK (5 * BLOCK + 3 * 512)
#define SECTORS (DISK / 512)

static unsigned char parent_content[DISK];
static struct tranship_file *parent_image;

static struct tranship_disk *open_layer(struct tranship_file *image)
{
	struct tranship_open_options open = { .flags = TRANSHIP_OPEN_LAYER };
	size_t size;
	unsigned char *bytes = file_bytes(image, &size);
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open_file(file_of(bytes, size), &open, &disk, &err), &err);
	free(bytes);
	return disk;
}

static int make_parent(void **state)
{
	(void)state;
	memset(parent_content, 0xFF, DISK);
	parent_image = image_of("vhdx", "seed=aa", parent_content, DISK, 1);
	return 0;
}

static int free_parent(void **state)
{
	(void)state;
	tranship_file_close(parent_image);
	return 0;
}

enum step { SKIP, ZERO, PUT };

/* A child being written, and what it should be. */
struct child {
	struct tranship_disk *parent;
	struct tranship_file *image;
	struct tranship_writer *writer;
	uint64_t at; /* sectors */
	unsigned char content[DISK];
	enum step steps[SECTORS];
};

static struct child *child_begin(const char *options)
{
	struct child *c = calloc(1, sizeof(*c));
	struct tranship_create_options create = { .format = "vhdx",
						  .size = DISK,
						  .options = options,
						  .base_hint = "base.vhdx",
						  .time = 1000000000 };
	struct tranship_error err;

	assert_non_null(c);
	memcpy(c->content, parent_content, DISK);
	c->parent = open_layer(parent_image);
	c->image = file_of(NULL, 0);
	create.base = c->parent;
	assert_ok(tranship_create_file(c->image, &create, &c->writer, &err), &err);
	return c;
}

static void child_step(struct child *c, enum step step, uint64_t sectors, struct rng *rng)
{
	uint64_t off = 512 * c->at, len = 512 * sectors, i;
	struct tranship_error err;
	int rc;

	if (step == PUT)
		rng_fill(rng, c->content + off, len);
	if (step == ZERO)
		memset(c->content + off, 0, len);
	for (i = 0; i < sectors; i++)
		c->steps[c->at + i] = step;
	if (step == SKIP)
		rc = tranship_writer_skip(c->writer, off, len, &err);
	else if (step == ZERO)
		rc = tranship_writer_zero(c->writer, off, len, &err);
	else
		rc = tranship_writer_put(c->writer, off, c->content + off, len, &err);
	assert_ok(rc, &err);
	c->at += sectors;
}

/* What became of the block of these sectors; *stored: it has a place in the file. */
static enum tranship_extent_kind sector_kind(const struct child *c, uint64_t sector, bool *stored)
{
	uint64_t first = sector / (BLOCK / 512) * (BLOCK / 512), i, skipped = 0, put = 0;
	uint64_t end = min_u64(first + BLOCK / 512, SECTORS);

	for (i = first; i < end; i++) {
		skipped += c->steps[i] == SKIP;
		put += c->steps[i] == PUT;
	}
	*stored = put > 0 || (skipped > 0 && skipped < end - first);
	return c->steps[sector] == SKIP ? TRANSHIP_ABSENT : *stored ? TRANSHIP_DATA : TRANSHIP_ZERO;
}

/* Finishes; the layer has what it should have, and no more. */
static void child_end(struct child *c)
{
	struct tranship_check_result result;
	struct tranship_extent extent;
	struct tranship_disk *disk;
	struct tranship_error err;
	uint64_t i, blocks = 0;
	unsigned char back[512];
	bool stored;

	child_step(c, SKIP, SECTORS - c->at, NULL);
	assert_ok(tranship_writer_finish(c->writer, &err), &err);
	tranship_writer_close(c->writer);
	disk = open_layer(c->image);
	assert_int_equal(tranship_disk_size(disk), DISK);
	assert_string_equal(tranship_disk_parent_identity(disk), tranship_disk_identity(c->parent));
	assert_string_equal(tranship_disk_parent_hint(disk, 0), ".\\base.vhdx");
	assert_null(tranship_disk_parent_hint(disk, 1));
	for (i = 0; i < SECTORS; i++) {
		assert_ok(tranship_disk_map(disk, 512 * i, &extent, &err), &err);
		assert_int_equal(extent.kind, sector_kind(c, i, &stored));
		blocks += stored && i % (BLOCK / 512) == 0;
		if (extent.kind == TRANSHIP_ABSENT)
			continue;
		assert_ok(tranship_disk_read(disk, NULL, 512 * i, back, 512, &err), &err);
		assert_memory_equal(back, c->content + 512 * i, 512);
	}
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	assert_int_equal(result.errors, 0);
	assert_int_equal(result.leaks, 0);
	assert_int_equal(result.allocated, blocks);
	tranship_disk_close(disk);
	tranship_disk_close(c->parent);
	tranship_file_close(c->image);
	free(c);
}

static void test_child__of_nothing_has_no_block(void **state)
{
	(void)state;
	child_end(child_begin("block_size=1M"));
}

/* Each kind of step alone, of a sector, a block, odd ones, at each place in a block. */
static void test_child__one_step(void **state)
{
	static const uint64_t starts[] = { 0, 1, 7, 2047, 2048, 3000, SECTORS - 1 };
	static const uint64_t lengths[] = { 1, 3, 8, 9, 2047, 2048, 2049, 5000, SECTORS };
	struct rng rng = { 102 };
	size_t s, l;
	int step;

	(void)state;
	for (step = ZERO; step <= PUT; step++)
		for (s = 0; s < COUNT_OF(starts); s++)
			for (l = 0; l < COUNT_OF(lengths); l++) {
				struct child *c = child_begin("block_size=1M");

				child_step(c, SKIP, starts[s], NULL);
				child_step(c, (enum step)step,
					   min_u64(lengths[l], SECTORS - starts[s]), &rng);
				child_end(c);
			}
}

static void test_child__many_steps(void **state)
{
	struct rng rng = { 103 };
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		struct child *c = child_begin("block_size=1M,subformat=dynamic");

		while (c->at < SECTORS)
			child_step(
				c, (enum step)rng_below(&rng, 3),
				1 + rng_below(&rng, min_u64(SECTORS - c->at, i < 10 ? 30 : 2000)),
				&rng);
		child_end(c);
	}
}

static void test_skip__needs_a_base_and_the_right_place(void **state)
{
	struct tranship_create_options create = { .format = "vhdx", .size = DISK };
	struct tranship_file *image = file_of(NULL, 0);
	struct tranship_writer *writer;
	struct tranship_error err;
	struct child *c;

	(void)state;
	assert_ok(tranship_create_file(image, &create, &writer, &err), &err);
	assert_fails(tranship_writer_skip(writer, 0, 512, &err), TRANSHIP_EINVAL, &err,
		     "the disk has no base");
	assert_ok(tranship_writer_zero(writer, 0, DISK, &err), &err); /* it goes on */
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	tranship_file_close(image);

	c = child_begin(NULL);
	assert_fails(tranship_writer_skip(c->writer, 512, 512, &err), TRANSHIP_EINVAL, &err,
		     "does not follow 0");
	assert_fails(tranship_writer_skip(c->writer, 0, DISK + 512, &err), TRANSHIP_EINVAL, &err,
		     "pass the end");
	assert_fails(tranship_writer_skip(c->writer, 0, 100, &err), TRANSHIP_EINVAL, &err,
		     "no multiple");
	assert_ok(tranship_writer_skip(c->writer, 0, 0, &err), &err);
	child_end(c);
}

static void test_create__bases_that_will_not_do(void **state)
{
	static const struct {
		const char *base, *format, *options;
		int code;
		const char *piece;
	} rows[] = {
		{ "raw", "vhdx", NULL, TRANSHIP_EMISMATCH, "identity is '', which is no data" },
		{ "vhdx", "vhdx", "subformat=fixed", TRANSHIP_EINVAL, "a fixed disk has no base" },
		{ "vhdx", "vhdx", "logical_sector_size=4096", TRANSHIP_EMISMATCH,
		  "logical_sector_size 4096 over a base whose sectors have 512" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		struct tranship_file *base = image_of(rows[i].base, NULL, parent_content, 1024, 1);
		struct tranship_open_options open = { .format = rows[i].base };
		struct tranship_create_options create = { .format = rows[i].format,
							  .options = rows[i].options,
							  .size = 1024 };
		struct tranship_file *image = file_of(NULL, 0);
		struct tranship_disk *disk;
		struct tranship_writer *writer;
		struct tranship_error err;

		assert_ok(tranship_open_file(base, &open, &disk, &err), &err);
		create.base = disk;
		assert_fails(tranship_create_file(image, &create, &writer, &err), rows[i].code,
			     &err, rows[i].piece);
		assert_null(writer);
		tranship_disk_close(disk);
		tranship_file_close(image);
	}
}

/* The first and the second child of a chain, in files, read as one disk. */
static void test_child__is_read_over_its_parent(void **state)
{
	static const char *const names[] = { "base.vhdx", "child.vhdx", "grandchild.vhdx" };
	struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
	struct tranship_open_options open = { .policy = &beside };
	struct rng rng = { 104 };
	unsigned char *content = malloc(DISK), *back = malloc(DISK), *bytes;
	struct tranship_disk *disk;
	struct tranship_error err;
	size_t size;
	int i;

	assert_true(content && back);
	memcpy(content, parent_content, DISK);
	bytes = file_bytes(parent_image, &size);
	write_path(path_in(*state, "base.vhdx"), bytes, size);
	free(bytes);
	for (i = 1; i < 3; i++) {
		struct tranship_create_options create = { .format = "vhdx",
							  .size = DISK,
							  .base_hint = names[i - 1] };
		struct tranship_writer *writer;
		uint64_t at = 0, n;

		assert_ok(tranship_open(path_in(*state, names[i - 1]), &open, &disk, &err), &err);
		create.base = disk;
		assert_ok(tranship_create(path_in(*state, names[i]), &create, &writer, &err), &err);
		for (; at < DISK; at += n) {
			uint64_t what = rng_below(&rng, 3);

			n = min_u64(512 * (1 + rng_below(&rng, 500)), DISK - at);
			if (what == 0) {
				assert_ok(tranship_writer_skip(writer, at, n, &err), &err);
				continue;
			}
			if (what == 1)
				memset(content + at, 0, n);
			else
				rng_fill(&rng, content + at, n);
			if (what == 1)
				assert_ok(tranship_writer_zero(writer, at, n, &err), &err);
			else
				assert_ok(tranship_writer_put(writer, at, content + at, n, &err),
					  &err);
		}
		assert_ok(tranship_writer_finish(writer, &err), &err);
		tranship_writer_close(writer);
		tranship_disk_close(disk);
		assert_ok(tranship_open(path_in(*state, names[i]), &open, &disk, &err), &err);
		assert_int_equal(tranship_disk_layer_count(disk), i + 1);
		assert_ok(tranship_disk_read(disk, NULL, 0, back, DISK, &err), &err);
		assert_memory_equal(back, content, DISK);
		tranship_disk_close(disk);
	}
	free(content);
	free(back);
}

/* Two chunks and a piece, each of 4 GiB: a bitmap for the first and the third. */
static void test_child__of_several_chunks(void **state)
{
	const uint64_t gib = 1U << 30, size = 9 * gib;
	const uint64_t puts[] = { 512, 4 * gib - 512, 8 * gib + 5 * 512 };
	struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
	struct tranship_open_options open = { .policy = &beside };
	struct tranship_create_options create = { .format = "vhdx", .size = size };
	const char *base = path_in(*state, "base.vhdx"), *child = path_in(*state, "child.vhdx");
	struct tranship_check_result result;
	struct tranship_writer *writer;
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned char bytes[512], back[512];
	uint64_t at = 0;
	size_t i;

	memset(bytes, 0x5A, sizeof(bytes));
	assert_ok(tranship_create(base, &create, &writer, &err), &err);
	assert_ok(tranship_writer_zero(writer, 0, size, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	assert_ok(tranship_open(base, &open, &disk, &err), &err);
	create.base = disk;
	create.base_hint = "base.vhdx";
	create.options = "block_size=256M";
	assert_ok(tranship_create(child, &create, &writer, &err), &err);
	for (i = 0; i < COUNT_OF(puts); i++) {
		assert_ok(tranship_writer_skip(writer, at, puts[i] - at, &err), &err);
		assert_ok(tranship_writer_put(writer, puts[i], bytes, 512, &err), &err);
		at = puts[i] + 512;
	}
	assert_ok(tranship_writer_skip(writer, at, size - at, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close(disk);
	assert_ok(tranship_open(child, &open, &disk, &err), &err);
	for (i = 0; i < COUNT_OF(puts); i++) {
		struct tranship_extent extent;

		assert_ok(tranship_disk_map(disk, puts[i], &extent, &err), &err);
		assert_int_equal(extent.kind, TRANSHIP_DATA);
		assert_int_equal(extent.len, 512);
		assert_ok(tranship_disk_read(disk, NULL, puts[i], back, 512, &err), &err);
		assert_memory_equal(back, bytes, 512);
	}
	tranship_disk_close(disk);
	open.flags = TRANSHIP_OPEN_LAYER;
	assert_ok(tranship_open(child, &open, &disk, &err), &err);
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	assert_int_equal(result.errors + result.leaks, 0);
	assert_int_equal(result.allocated, 3);
	tranship_disk_close(disk);
}

static void test_locator__encodes_what_it_decodes(void **state)
{
	static const unsigned char path[] = { '.', 0, '\\', 0, 0xE4, 0, 0x3D, 0xD8, 0x00, 0xDE };
	struct vhdx_locator locator = { .linkage = "11223344-5566-7788-99aa-bbccddeeff00",
					.linkage2 = "01020304-5566-7788-99aa-bbccddeeff00" };
	struct vhdx_locator back;
	struct tranship_error err;
	int i, j;

	(void)state;
	for (i = 0; i < 8; i++) {
		struct buffer item = { 0 };

		for (j = 0; j < VHDX_LOCATOR_PATHS; j++) {
			locator.paths[j].utf16le = i >> j & 1 ? path + 2 * j : NULL;
			locator.paths[j].units = i >> j & 1 ? sizeof(path) / 2 - (size_t)j : 0;
		}
		assert_ok(vhdx_locator_encode(&locator, &item, &err), &err);
		assert_ok(vhdx_locator_decode(item.bytes, item.len, &back, &err), &err);
		assert_string_equal(back.linkage, locator.linkage);
		assert_string_equal(back.linkage2, locator.linkage2);
		for (j = 0; j < VHDX_LOCATOR_PATHS; j++) {
			assert_int_equal(back.paths[j].units, locator.paths[j].units);
			if (locator.paths[j].utf16le)
				assert_memory_equal(back.paths[j].utf16le, locator.paths[j].utf16le,
						    2 * back.paths[j].units);
		}
		buffer_free(&item);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child__of_nothing_has_no_block),
		cmocka_unit_test(test_child__one_step),
		cmocka_unit_test(test_child__many_steps),
		cmocka_unit_test(test_skip__needs_a_base_and_the_right_place),
		cmocka_unit_test(test_create__bases_that_will_not_do),
		IN_FOLDER(test_child__is_read_over_its_parent),
		IN_FOLDER(test_child__of_several_chunks),
		cmocka_unit_test(test_locator__encodes_what_it_decodes),
	};

	return cmocka_run_group_tests(tests, make_parent, free_parent);
}
