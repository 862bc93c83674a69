// SPDX-License-Identifier: Apache-2.0
/* Differencing VHD files that are written: what is put, zeroed and skipped, and the parent's name.
 */
#include "support.h"

#include "base/checked.h"
#include "faulty.h"
#include "heap.h"
#include "image_vhd.h"
#include "vhd/vhd.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK (512U << 10)
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
	struct rng rng = { 101 };

	(void)state;
	rng_fill(&rng, parent_content, DISK);
	parent_image = image_of("vpc", "seed=aa", parent_content, DISK, 1);
	return 0;
}

static int free_parent(void **state)
{
	(void)state;
	tranship_file_close(parent_image);
	return 0;
}

/* A child being written, and what it should be. */
struct child {
	struct tranship_disk *parent;
	struct tranship_file *image;
	struct tranship_writer *writer;
	uint64_t at; /* sectors */
	unsigned char content[DISK];
	bool owned[SECTORS];
};

static struct child *child_begin(const char *options)
{
	struct child *c = calloc(1, sizeof(*c));
	struct tranship_create_options create = { .format = "vpc",
						  .size = DISK,
						  .options = options,
						  .base_hint = "base.vhd",
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

enum step { SKIP, ZERO, PUT };

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
		c->owned[c->at + i] = step != SKIP;
	if (step == SKIP)
		rc = tranship_writer_skip(c->writer, off, len, &err);
	else if (step == ZERO)
		rc = tranship_writer_zero(c->writer, off, len, &err);
	else
		rc = tranship_writer_put(c->writer, off, c->content + off, len, &err);
	assert_ok(rc, &err);
	c->at += sectors;
}

/* Finishes; the layer has what it should have, and no more. */
static void child_end(struct child *c)
{
	struct tranship_check_result result;
	struct tranship_extent extent;
	struct tranship_disk *disk;
	struct tranship_error err;
	uint64_t i, n, blocks = 0;
	unsigned char back[512];

	child_step(c, SKIP, SECTORS - c->at, NULL);
	assert_ok(tranship_writer_finish(c->writer, &err), &err);
	tranship_writer_close(c->writer);
	disk = open_layer(c->image);
	assert_int_equal(tranship_disk_size(disk), DISK);
	assert_string_equal(tranship_disk_parent_identity(disk), tranship_disk_identity(c->parent));
	assert_string_equal(tranship_disk_parent_hint(disk, 0), ".\\base.vhd");
	assert_string_equal(tranship_disk_parent_hint(disk, 1), "base.vhd");
	assert_null(tranship_disk_parent_hint(disk, 2));
	for (i = 0; i < SECTORS; i++) {
		assert_ok(tranship_disk_map(disk, 512 * i, &extent, &err), &err);
		assert_int_equal(extent.kind, c->owned[i] ? TRANSHIP_DATA : TRANSHIP_ABSENT);
		if (!c->owned[i])
			continue;
		assert_ok(tranship_disk_read(disk, NULL, 512 * i, back, 512, &err), &err);
		assert_memory_equal(back, c->content + 512 * i, 512);
	}
	for (i = 0; i < SECTORS; i += n) {
		n = min_u64(BLOCK / 512, SECTORS - i);
		blocks += memchr(c->owned + i, true, n) != NULL;
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
	child_end(child_begin("block_size=512k"));
}

/* Each kind of step alone, of a sector, a block, odd ones, at each place in a block. */
static void test_child__one_step(void **state)
{
	static const uint64_t starts[] = { 0, 1, 7, 1023, 1024, 1500, SECTORS - 1 };
	static const uint64_t lengths[] = { 1, 3, 8, 9, 1023, 1024, 1025, 3000, SECTORS };
	struct rng rng = { 102 };
	size_t s, l;
	int step;

	(void)state;
	for (step = ZERO; step <= PUT; step++)
		for (s = 0; s < COUNT_OF(starts); s++)
			for (l = 0; l < COUNT_OF(lengths); l++) {
				struct child *c = child_begin("block_size=512k");

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
		struct child *c = child_begin("block_size=512k,subformat=dynamic");

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
	struct tranship_create_options create = { .format = "vpc", .size = DISK };
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
		{ "raw", "vpc", NULL, TRANSHIP_EMISMATCH, "identity is '', which is no unique id" },
		{ "vpc", "vpc", "subformat=fixed", TRANSHIP_EINVAL, "a fixed disk has no base" },
		{ "vpc", "azure", NULL, TRANSHIP_EUNSUPPORTED, "cannot be written over a base" },
		{ "vpc", "raw", NULL, TRANSHIP_EUNSUPPORTED, "cannot be written over a base" },
		{ "vhdx", "vpc", NULL, TRANSHIP_EINVAL, "over a base of format 'vhdx'" },
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
	static const char *const names[] = { "base.vhd", "child.vhd", "grandchild.vhd" };
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
	write_path(path_in(*state, "base.vhd"), bytes, size);
	free(bytes);
	for (i = 1; i < 3; i++) {
		struct tranship_create_options create = { .format = "vpc",
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

/* Writes a child over the parent and reads it back as a layer. Takes over the file. */
static int write_and_read(struct tranship_disk *parent, struct tranship_file *out,
			  struct tranship_error *err)
{
	struct tranship_create_options create = { .format = "vpc",
						  .size = DISK,
						  .options = "block_size=512k",
						  .base = parent,
						  .base_hint = "base.vhd" };
	struct tranship_open_options open = { .flags = TRANSHIP_OPEN_LAYER };
	static unsigned char back[DISK];
	struct tranship_writer *writer;
	struct tranship_disk *disk = NULL;
	int rc = tranship_create_file(out, &create, &writer, err);

	if (rc == 0)
		rc = tranship_writer_put(writer, 0, parent_content, 5 * 512, err);
	if (rc == 0)
		rc = tranship_writer_skip(writer, 5 * 512, BLOCK, err);
	if (rc == 0)
		rc = tranship_writer_zero(writer, 5 * 512 + BLOCK, DISK - BLOCK - 5 * 512, err);
	if (rc == 0)
		rc = tranship_writer_finish(writer, err);
	tranship_writer_close(writer);
	if (rc == 0)
		rc = tranship_open_file(out, &open, &disk, err);
	if (rc)
		tranship_file_close(out);
	else
		rc = tranship_disk_read(disk, NULL, 0, back, DISK, err);
	tranship_disk_close(disk);
	return rc;
}

static void test_sweep__allocations(void **state)
{
	struct tranship_disk *parent = open_layer(parent_image);
	struct heap_seen seen = { .failed = true };
	unsigned long n;

	(void)state;
	if (!HEAP_WATCHED) {
		tranship_disk_close(parent);
		skip();
	}
	for (n = 1; seen.failed; n++) {
		struct tranship_error err = { 0 };
		struct tranship_file *out;
		int rc;

		heap_watch(n, n % 2);
		rc = tranship_file_memory(NULL, 0, &out, &err);
		if (rc == 0)
			rc = write_and_read(parent, out, &err);
		seen = heap_unwatch();
		assert_int_equal(seen.held, 0);
		if (seen.failed && rc != 0)
			assert_int_equal(rc, TRANSHIP_ENOMEM);
		if (!seen.failed)
			assert_ok(rc, &err);
	}
	assert_true(n > 20);
	tranship_disk_close(parent);
}

static void test_sweep__writes(void **state)
{
	struct tranship_disk *parent = open_layer(parent_image);
	struct faults faults = { .failed = true };
	unsigned n;

	(void)state;
	for (n = 1; faults.failed; n++) {
		struct tranship_error err;
		struct tranship_file *out;
		int rc;

		faults = (struct faults){ .fail_write = n };
		out = faulty_over(file_of(NULL, 0), &faults);
		assert_non_null(out);
		rc = write_and_read(parent, out, &err);
		if (!faults.failed)
			assert_ok(rc, &err);
		else
			assert_fails(rc, TRANSHIP_EIO, &err, FAULT_MESSAGE);
	}
	assert_true(n > 10);
	tranship_disk_close(parent);
}

#define ID "0a0B0c0d-0e0f-1011-1213-141516171819"

static void describe(const struct base_info *base, struct vhd_dynamic *d, struct buffer *data)
{
	struct tranship_error err;

	*d = (struct vhd_dynamic){ 0 };
	*data = (struct buffer){ 0 };
	assert_ok(vhd_parent_describe(base, d, data, &err), &err);
	assert_int_equal(data->len % 512, 0);
}

static void assert_locator(const struct vhd_dynamic *d, const struct buffer *data, int index,
			   uint32_t platform, const char *ascii)
{
	const struct vhd_locator *l = &d->locators[index];
	size_t at = (size_t)(l->data_offset - VHD_LOCATORS_AT), i;

	assert_int_equal(l->platform, platform);
	assert_int_equal(l->data_length, 2 * strlen(ascii));
	assert_int_equal(l->data_space, round_up(l->data_length, 512));
	assert_int_equal(at % 512, 0);
	assert_true(at + l->data_space <= data->len);
	for (i = 0; ascii[i]; i++) {
		assert_int_equal(data->bytes[at + 2 * i], ascii[i]);
		assert_int_equal(data->bytes[at + 2 * i + 1], 0);
	}
}

static void test_describe__locators_and_name(void **state)
{
	static const char *const paths[][2] = {
		{ "base.vhd", ".\\base.vhd" },
		{ "./base.vhd", ".\\base.vhd" },
		{ "../up/base.vhd", "..\\up\\base.vhd" },
		{ "down/base.vhd", ".\\down\\base.vhd" },
	};
	struct vhd_dynamic d;
	struct buffer data;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(paths); i++) {
		struct base_info base = { .identity = ID,
					  .relative = paths[i][0],
					  .absolute = "/srv/disks/base.vhd",
					  .sector_size = 512,
					  .time = VHD_EPOCH + 77 };

		describe(&base, &d, &data);
		assert_locator(&d, &data, 0, VHD_LOCATOR_W2RU, paths[i][1]);
		assert_locator(&d, &data, 1, VHD_LOCATOR_W2KU, "/srv/disks/base.vhd");
		assert_int_equal(data.len, 1024);
		assert_int_equal(d.parent_timestamp, 77);
		assert_int_equal(d.parent_id.bytes[1], 0x0B);
		assert_int_equal(d.parent_id.bytes[15], 0x19);
		assert_memory_equal(d.parent_name, "\0b\0a\0s\0e\0.\0v\0h\0d\0\0", 18);
		buffer_free(&data);
	}
}

static void test_describe__little_is_known(void **state)
{
	struct base_info base = { .identity = ID, .sector_size = 512, .time = 5 };
	struct vhd_dynamic d;
	struct buffer data;

	(void)state;
	describe(&base, &d, &data);
	assert_int_equal(data.len, 0);
	assert_int_equal(d.parent_timestamp, 0);
	assert_int_equal(d.locators[0].platform, 0);
	base.absolute = "/a/\xf0\x9f\x98\x80"; /* a pair of surrogates */
	describe(&base, &d, &data);
	assert_int_equal(d.locators[1].data_length, 10);
	assert_memory_equal(data.bytes, "/\0a\0/\0\x3d\xd8\x00\xde\0\0", 12);
	assert_memory_equal(d.parent_name, "\xd8\x3d\xde\x00\0\0", 6);
	buffer_free(&data);
}

static void test_describe__what_cannot_be_said(void **state)
{
	static const char *const ids[] = { "",
					   "xyz",
					   ID "0",
					   "0a0b0c0d0e0f101112131415161718190000",
					   "0a0b0c0d-0e0f-1011-1213-14151617181",
					   "0a0b0c0d-0e0f-1011-1213-14151617181g" };
	struct vhd_dynamic d = { 0 };
	struct buffer data = { 0 };
	struct tranship_error err;
	char *path = malloc(40000);
	size_t i;

	(void)state;
	assert_non_null(path);
	for (i = 0; i < COUNT_OF(ids); i++) {
		struct base_info base = { .identity = ids[i], .sector_size = 512 };

		assert_fails(vhd_parent_describe(&base, &d, &data, &err), TRANSHIP_EMISMATCH, &err,
			     "which is no unique id");
	}
	memset(path, 'a', 39999);
	path[39999] = '\0';
	for (i = 0; i < 3; i++) {
		struct base_info base = { .identity = ID, .sector_size = 512 };

		if (i == 0)
			base.sector_size = 4096;
		else if (i == 1)
			base.relative = path;
		else
			base.absolute = "/a\xff/b";
		assert_fails(vhd_parent_describe(&base, &d, &data, &err),
			     i == 0 ? TRANSHIP_EMISMATCH : TRANSHIP_EINVAL, &err,
			     i == 0 ? "sectors have 4096 bytes" : "the parent's path is no UTF-8");
	}
	buffer_free(&data);
	free(path);
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
		cmocka_unit_test(test_sweep__allocations),
		cmocka_unit_test(test_sweep__writes),
		cmocka_unit_test(test_describe__locators_and_name),
		cmocka_unit_test(test_describe__little_is_known),
		cmocka_unit_test(test_describe__what_cannot_be_said),
	};

	return cmocka_run_group_tests(tests, make_parent, free_parent);
}
