// SPDX-License-Identifier: Apache-2.0
/* Delta links that are written, over a parent full of 0xFF: what is put, zeroed and skipped, and
 * the parent's name. */
#include "support.h"

#include "base/checked.h"
#include "faulty.h"
#include "heap.h"
#include "vmdk/vmdk_write.h"

#include <stdlib.h>
#include <string.h>

#define GRAIN VMDK_GRAIN_SIZE
#define TABLE (VMDK_GTES_PER_GT * (uint64_t)GRAIN) /* of the disk: 32 MiB */
/* Two tables, and an odd end. */
#define DISK (TABLE + 5 * GRAIN + 3 * 512)
#define GRAINS ((DISK + GRAIN - 1) / GRAIN)

enum step { SKIP, ZERO, PUT };

static unsigned char *full; /* DISK bytes of 0xFF */

static int make_full(void **state)
{
	(void)state;
	full = malloc(DISK);
	if (full)
		memset(full, 0xFF, DISK);
	return full ? 0 : -1;
}

static int free_full(void **state)
{
	(void)state;
	free(full);
	return 0;
}

static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };

static struct tranship_disk *open_at(const char *path, unsigned flags)
{
	struct tranship_open_options open = { .policy = &beside, .flags = flags };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open(path, &open, &disk, &err), &err);
	return disk;
}

static struct tranship_disk *make_parent(const char *folder)
{
	const char *path = path_in(folder, "base.vmdk");
	struct tranship_create_options create = { .format = "vmdk", .size = DISK };
	struct tranship_writer *writer;
	struct tranship_error err;

	assert_ok(tranship_create(path, &create, &writer, &err), &err);
	assert_ok(tranship_writer_put(writer, 0, full, DISK, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	return open_at(path, 0);
}

/* A child being written, and what it should be. */
struct child {
	const char *folder;
	struct tranship_disk *parent;
	struct tranship_writer *writer;
	bool stores_zeros;
	uint64_t at; /* grains */
	unsigned char steps[GRAINS];
	unsigned char fill[GRAINS]; /* of grains that were put: all their bytes */
};

static struct child *child_begin(const char *folder, const char *options)
{
	struct tranship_create_options create = {
		.format = "vmdk", .size = DISK, .options = options, .base_hint = "base.vmdk"
	};
	struct child *c = calloc(1, sizeof(*c));
	struct tranship_error err;

	assert_non_null(c);
	c->folder = folder;
	c->parent = make_parent(folder);
	c->stores_zeros = options && strstr(options, "zeroed_grain=off");
	create.base = c->parent;
	assert_ok(tranship_create(path_in(folder, "child.vmdk"), &create, &c->writer, &err), &err);
	return c;
}

static void child_step(struct child *c, enum step step, uint64_t grains, unsigned char fill)
{
	uint64_t off = GRAIN * c->at, len = min_u64(grains * GRAIN, DISK - off), i;
	unsigned char *bytes = NULL;
	struct tranship_error err;
	int rc;

	for (i = 0; i < grains; i++) {
		c->steps[c->at + i] = (unsigned char)step;
		c->fill[c->at + i] = step == PUT ? fill : step == ZERO ? 0 : 0xFF;
	}
	if (step == PUT) {
		bytes = malloc(len);
		assert_non_null(bytes);
		memset(bytes, fill, len);
		rc = tranship_writer_put(c->writer, off, bytes, len, &err);
		free(bytes);
	} else if (step == ZERO) {
		rc = tranship_writer_zero(c->writer, off, len, &err);
	} else {
		rc = tranship_writer_skip(c->writer, off, len, &err);
	}
	assert_ok(rc, &err);
	c->at += grains;
}

static enum tranship_extent_kind expected_kind(const struct child *c, uint64_t grain)
{
	return c->steps[grain] == SKIP                       ? TRANSHIP_ABSENT
	       : c->steps[grain] == ZERO && !c->stores_zeros ? TRANSHIP_ZERO
							     : TRANSHIP_DATA;
}

static void assert_layer(const struct child *c, struct tranship_disk *layer)
{
	struct tranship_check_result result;
	struct tranship_extent extent;
	struct tranship_error err;
	uint64_t i, stored = 0;

	assert_string_equal(tranship_disk_parent_identity(layer),
			    tranship_disk_identity(c->parent));
	assert_string_equal(tranship_disk_parent_hint(layer, 0), "base.vmdk");
	for (i = 0; i < GRAINS; i++) {
		assert_ok(tranship_disk_map(layer, GRAIN * i, &extent, &err), &err);
		assert_int_equal(extent.kind, expected_kind(c, i));
		stored += extent.kind == TRANSHIP_DATA;
	}
	assert_ok(tranship_check(layer, NULL, NULL, &result, &err), &err);
	assert_int_equal(result.errors, 0);
	assert_int_equal(result.leaks, 0);
	assert_int_equal(result.allocated, stored);
}

/* Finishes; the layer has what it should have and no more, and over its parent it reads right. */
static void child_end(struct child *c)
{
	unsigned char back[GRAIN], want[GRAIN];
	struct tranship_disk *disk;
	struct tranship_error err;
	uint64_t i;

	if (c->at < GRAINS)
		child_step(c, SKIP, GRAINS - c->at, 0);
	assert_ok(tranship_writer_finish(c->writer, &err), &err);
	tranship_writer_close(c->writer);
	disk = open_at(path_in(c->folder, "child.vmdk"), TRANSHIP_OPEN_LAYER);
	assert_int_equal(tranship_disk_size(disk), DISK);
	assert_layer(c, disk);
	tranship_disk_close(disk);
	disk = open_at(path_in(c->folder, "child.vmdk"), 0);
	assert_int_equal(tranship_disk_layer_count(disk), 2);
	for (i = 0; i < GRAINS; i++) {
		size_t len = (size_t)min_u64(GRAIN, DISK - i * GRAIN);

		assert_ok(tranship_disk_read(disk, NULL, i * GRAIN, back, len, &err), &err);
		memset(want, c->fill[i], len);
		assert_memory_equal(back, want, len);
	}
	tranship_disk_close(disk);
	tranship_disk_close(c->parent);
	free(c);
}

static const char *const kinds[] = { NULL, "subformat=twoGbMaxExtentSparse", "zeroed_grain=off" };

static void test_child__of_nothing_has_no_grain(void **state)
{
	size_t k;

	for (k = 0; k < COUNT_OF(kinds); k++)
		child_end(child_begin(*state, kinds[k]));
}

/* Each kind of step alone, at the ends of the disk and of a table. */
static void test_child__one_step(void **state)
{
	static const uint64_t starts[] = { 0, 1, 511, 512, GRAINS - 1 };
	static const uint64_t lengths[] = { 1, 2, 513, GRAINS };
	size_t k, s, l;
	int step;

	for (k = 0; k < COUNT_OF(kinds); k++)
		for (step = ZERO; step <= PUT; step++)
			for (s = 0; s < COUNT_OF(starts); s++)
				for (l = k; l < COUNT_OF(lengths); l += 2) {
					struct child *c = child_begin(*state, kinds[k]);

					if (starts[s] > 0)
						child_step(c, SKIP, starts[s], 0);
					child_step(c, (enum step)step,
						   min_u64(lengths[l], GRAINS - starts[s]), 0xA5);
					child_end(c);
				}
}

static void test_child__many_steps(void **state)
{
	struct rng rng = { 203 };
	int i;

	for (i = 0; i < 9; i++) {
		struct child *c = child_begin(*state, kinds[i % 3]);

		while (c->at < GRAINS)
			child_step(c, (enum step)rng_below(&rng, 3),
				   1 + rng_below(&rng, min_u64(GRAINS - c->at, i < 6 ? 9 : 300)),
				   (unsigned char)(1 + rng_below(&rng, 255)));
		child_end(c);
	}
}

/* A base of more than one extent: the step goes over the border of both. */
static void test_child__of_several_extents(void **state)
{
	uint64_t size = VMDK_SPLIT_SECTORS * 512ULL + 3 * 512, at = VMDK_SPLIT_SECTORS * 512ULL;
	struct tranship_create_options create = { .format = "vmdk",
						  .size = size,
						  .options = "subformat=twoGbMaxExtentSparse",
						  .base_hint = "base.vmdk" };
	struct tranship_disk *disk;
	struct tranship_writer *writer;
	struct tranship_extent extent;
	struct tranship_error err;

	create.base = make_parent(*state);
	assert_ok(tranship_create(path_in(*state, "child.vmdk"), &create, &writer, &err), &err);
	assert_ok(tranship_writer_skip(writer, 0, at - GRAIN, &err), &err);
	assert_ok(tranship_writer_zero(writer, at - GRAIN, GRAIN + 3 * 512, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close((struct tranship_disk *)create.base);
	disk = open_at(path_in(*state, "child.vmdk"), TRANSHIP_OPEN_LAYER);
	assert_int_equal(tranship_disk_size(disk), size);
	assert_ok(tranship_disk_map(disk, at - GRAIN - 1, &extent, &err), &err);
	assert_int_equal(extent.kind, TRANSHIP_ABSENT);
	assert_ok(tranship_disk_map(disk, at - GRAIN, &extent, &err), &err);
	assert_int_equal(extent.kind, TRANSHIP_ZERO);
	assert_ok(tranship_disk_map(disk, at, &extent, &err), &err);
	assert_int_equal(extent.kind, TRANSHIP_ZERO);
	assert_int_equal(extent.len, 3 * 512);
	tranship_disk_close(disk);
}

static void test_create__subformats_without_a_base(void **state)
{
	static const struct {
		const char *options, *piece;
	} rows[] = {
		{ "subformat=streamOptimized", "streamOptimized is for whole disks" },
		{ "subformat=monolithicFlat", "monolithicFlat holds every byte and has no base" },
		{ "subformat=twoGbMaxExtentFlat", "twoGbMaxExtentFlat holds every byte" },
	};
	struct tranship_disk *parent = make_parent(*state);
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		struct tranship_create_options create = {
			.format = "vmdk", .size = DISK, .options = rows[i].options, .base = parent
		};
		struct tranship_writer *writer;
		struct tranship_error err;

		assert_fails(tranship_create(path_in(*state, "child.vmdk"), &create, &writer, &err),
			     TRANSHIP_EINVAL, &err, rows[i].piece);
		assert_null(writer);
	}
	assert_int_equal(count_entries(*state), 1);
	tranship_disk_close(parent);
}

static void test_describe__the_parent(void **state)
{
	static char longest[VMDK_HINT_MAX + 1];
	struct {
		struct base_info base;
		int code;
		const char *want; /* the hint, or a piece of the message */
	} rows[] = {
		{ { .identity = "0a1B2c3d", .relative = "up/b.vmdk", .absolute = "/b" },
		  0,
		  "up/b.vmdk" },
		{ { .identity = "00000000", .absolute = "/b", .sector_size = 512 }, 0, "/b" },
		{ { .identity = "fffffffe", .relative = "", .absolute = "/b" }, 0, "/b" },
		{ { .identity = "0a1b2c3d", .relative = "a\"", .absolute = "/b" }, 0, "/b" },
		{ { .identity = "0a1b2c3d", .relative = longest, .absolute = "/b" }, 0, "/b" },
		{ { .identity = "0a1b2c3d", .relative = longest + 1 }, 0, longest + 1 },
		{ { .identity = "0a1b2c3d" }, 0, "" },
		{ { .identity = "0a1b2c3d", .relative = "a\nb" },
		  TRANSHIP_EINVAL,
		  "a quote or a control" },
		{ { .identity = "" }, TRANSHIP_EMISMATCH, "identity is '', which is no CID" },
		{ { .identity = "0a1b2c3" }, TRANSHIP_EMISMATCH, "which is no CID" },
		{ { .identity = "0a1b2c3d4" }, TRANSHIP_EMISMATCH, "which is no CID" },
		{ { .identity = "0a1b2c3g" }, TRANSHIP_EMISMATCH, "which is no CID" },
		{ { .identity = "ffffffff" }, TRANSHIP_EMISMATCH, "which is no CID" },
		{ { .identity = "0a1b2c3d", .sector_size = 4096 },
		  TRANSHIP_EMISMATCH,
		  "4096 bytes" },
	};
	char hint[VMDK_HINT_MAX];
	struct tranship_error err;
	uint32_t cid;
	size_t i;

	(void)state;
	memset(longest, 'a', VMDK_HINT_MAX);
	for (i = 0; i < COUNT_OF(rows); i++) {
		int rc = vmdk_parent_describe(&rows[i].base, &cid, hint, &err);

		if (rows[i].code) {
			assert_fails(rc, rows[i].code, &err, rows[i].want);
			continue;
		}
		assert_ok(rc, &err);
		assert_string_equal(hint, rows[i].want);
		assert_int_equal(cid, strtoul(rows[i].base.identity, NULL, 16));
	}
}

/* Writes a child over the parent and reads it back as a layer. Takes over the file. */
static int write_and_read(struct tranship_disk *parent, struct tranship_file *out,
			  struct tranship_error *err)
{
	struct tranship_create_options create = {
		.format = "vmdk", .size = DISK, .base = parent, .base_hint = "base.vmdk"
	};
	struct tranship_open_options open = { .flags = TRANSHIP_OPEN_LAYER };
	unsigned char back[512];
	struct tranship_writer *writer;
	struct tranship_disk *disk = NULL;
	int rc = tranship_create_file(out, &create, &writer, err);

	if (rc == 0)
		rc = tranship_writer_put(writer, 0, full, GRAIN, err);
	if (rc == 0)
		rc = tranship_writer_skip(writer, GRAIN, TABLE - GRAIN, err);
	if (rc == 0)
		rc = tranship_writer_zero(writer, TABLE, DISK - TABLE, err);
	if (rc == 0)
		rc = tranship_writer_finish(writer, err);
	tranship_writer_close(writer);
	if (rc == 0)
		rc = tranship_open_file(out, &open, &disk, err);
	if (rc)
		tranship_file_close(out);
	else
		rc = tranship_disk_read(disk, NULL, 0, back, sizeof(back), err);
	tranship_disk_close(disk);
	return rc;
}

static void test_sweep__allocations(void **state)
{
	struct tranship_disk *parent = make_parent(*state);
	struct heap_seen seen = { .failed = true };
	unsigned long n;

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
	assert_true(n > 10);
	tranship_disk_close(parent);
}

static void test_sweep__writes(void **state)
{
	struct tranship_disk *parent = make_parent(*state);
	struct faults faults = { .failed = true };
	unsigned n;

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
	assert_true(n > 8);
	tranship_disk_close(parent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_child__of_nothing_has_no_grain),
		IN_FOLDER(test_child__one_step),
		IN_FOLDER(test_child__many_steps),
		IN_FOLDER(test_child__of_several_extents),
		IN_FOLDER(test_create__subformats_without_a_base),
		cmocka_unit_test(test_describe__the_parent),
		IN_FOLDER(test_sweep__allocations),
		IN_FOLDER(test_sweep__writes),
	};

	return cmocka_run_group_tests(tests, make_full, free_full);
}
