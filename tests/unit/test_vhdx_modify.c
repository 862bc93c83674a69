// SPDX-License-Identifier: Apache-2.0
/* VHDX files that are changed in place: written, resized, given another parent, committed, mended.
 */
#include "support.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "core/modify.h"
#include "image_vhdx_log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MB(n) ((size_t)(n) << 20)
#define SMALL "block_size=1M"

static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
static const struct tranship_open_options with_parents = { .policy = &beside };

static void make_image(const char *path, const char *options, const unsigned char *content,
		       size_t size)
{
	struct tranship_file *image = image_of("vhdx", options, content, size, 1);
	size_t len;
	unsigned char *bytes = file_bytes(image, &len);

	write_path(path, bytes, len);
	free(bytes);
	tranship_file_close(image);
}

/* A child in which nothing is the disk's own. */
static void make_child(const char *path, const char *base, const char *hint, uint64_t size)
{
	struct tranship_create_options create = {
		.format = "vhdx", .size = size, .options = SMALL, .base_hint = hint
	};
	struct tranship_writer *writer;
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open(base, &with_parents, &disk, &err), &err);
	create.base = disk;
	assert_ok(tranship_create(path, &create, &writer, &err), &err);
	assert_ok(tranship_writer_skip(writer, 0, tranship_writer_size(writer), &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close(disk);
}

/* The image reads as this, and its check finds no errors; returns how many leaks. */
static uint64_t expect(const char *path, const unsigned char *content, size_t size)
{
	struct tranship_open_options layer = { .flags = TRANSHIP_OPEN_LAYER };
	struct tranship_check_result result;
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned char *back = malloc(size + 1);

	assert_non_null(back);
	assert_ok(tranship_open(path, &with_parents, &disk, &err), &err);
	assert_int_equal(tranship_disk_size(disk), size);
	assert_ok(tranship_disk_read(disk, NULL, 0, back, size, &err), &err);
	assert_memory_equal(back, content, size);
	tranship_disk_close(disk);
	free(back);
	assert_ok(tranship_open(path, &layer, &disk, &err), &err);
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	assert_int_equal(result.errors, 0);
	tranship_disk_close(disk);
	return result.leaks;
}

static void identity_of(const char *path, char text[DISK_IDENTITY_SIZE])
{
	struct tranship_open_options layer = { .flags = TRANSHIP_OPEN_LAYER };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open(path, &layer, &disk, &err), &err);
	strcpy(text, tranship_disk_identity(disk));
	tranship_disk_close(disk);
}

/* Up and down; what comes is zeros, also where something was before. */
static void resize_often(const char *path, unsigned char *content, size_t size, uint32_t sector,
			 size_t max, uint64_t seed)
{
	struct rng rng = { seed };
	struct tranship_error err;
	int i;

	for (i = 0; i < 14; i++) {
		size_t next = 1 + (size_t)rng_below(&rng, max), rounded;

		if (i % 5 == 4)
			next = (size_t)round_up(next, MB(1));
		if (i % 7 == 6)
			next = 0;
		rounded = (size_t)round_up(next, sector);
		if (rounded < size) { /* only zeros may go */
			struct modified m = { 0 };

			assert_ok(modify_open(path, NULL, false, &m, &err), &err);
			assert_ok(m.disk->ops->modify->zero(m.disk, rounded, size - rounded, &err),
				  &err);
			assert_ok(m.disk->ops->modify->flush(m.disk, &err), &err);
			modify_close(&m);
			next = rounded;
		} else {
			memset(content + size, 0, rounded - size);
		}
		assert_ok(tranship_resize(path, &with_parents, next, TRANSHIP_RESIZE_SHRINK, &err),
			  &err);
		size = rounded;
		expect(path, content, size);
	}
}

static void test_resize__of_a_disk_alone(void **state)
{
	static const char *const options[] = { SMALL, SMALL ",subformat=fixed",
					       SMALL ",logical_sector_size=4096" };
	struct rng rng = { 1 };
	size_t i, size = MB(3) + 4096 * 3, max = MB(9);

	for (i = 0; i < COUNT_OF(options); i++) {
		const char *path = path_in(*state, "disk.vhdx");
		unsigned char *content = random_disk(&rng, max + 4096);

		make_image(path, options[i], content, size);
		resize_often(path, content, size, i == 2 ? 4096 : 512, max, 10 + i);
		free(content);
	}
}

/* The parent is longer than the child at times: what was cut off must not come back. */
static void test_resize__of_a_child(void **state)
{
	const char *base = path_in(*state, "base.vhdx"), *child = path_in(*state, "child.vhdx");
	size_t size = MB(4) + 512 * 5, max = MB(9);
	unsigned char *content = malloc(max + 512);
	struct tranship_error err;
	struct modified m = { 0 };

	assert_non_null(content);
	memset(content, 0xFF, size);
	make_image(base, SMALL, content, size);
	make_child(child, base, "base.vhdx", size);
	assert_ok(modify_open(child, NULL, false, &m, &err), &err);
	memset(content + MB(1) + 512, 0x11, 5 * 512);
	assert_ok(m.disk->ops->modify->write(m.disk, MB(1) + 512, content + MB(1) + 512, 5 * 512,
					     &err),
		  &err);
	memset(content + MB(4), 0x22, 512);
	assert_ok(m.disk->ops->modify->write(m.disk, MB(4), content + MB(4), 512, &err), &err);
	assert_ok(m.disk->ops->modify->flush(m.disk, &err), &err);
	modify_close(&m);
	expect(child, content, size);
	resize_often(child, content, size, 512, max, 20);
	free(content);
}

/* A BAT of 1 MiB is enough for 128 GiB in blocks of 1 MiB. */
static void test_resize__the_bat_needs_more_room(void **state)
{
	static const uint64_t sizes[] = { (uint64_t)200 << 30, (uint64_t)1000 << 30 };
	const char *path = path_in(*state, "disk.vhdx");
	struct tranship_open_options layer = { .flags = TRANSHIP_OPEN_LAYER };
	struct rng rng = { 2 };
	unsigned char *content = random_disk(&rng, MB(3)), *back = malloc(MB(3));
	struct tranship_check_result result;
	struct tranship_disk *disk;
	struct tranship_error err;
	char before[DISK_IDENTITY_SIZE], after[DISK_IDENTITY_SIZE];
	struct stat st;
	size_t i;
	int empty;

	assert_non_null(back);
	for (empty = 0; empty < 2; empty++) {
		if (empty)
			memset(content, 0, MB(3));
		else
			content[0] = content[MB(1)] = content[MB(2)] = 1;
		make_image(path, SMALL, content, MB(3));
		identity_of(path, before);
		for (i = 0; i < COUNT_OF(sizes); i++) {
			assert_ok(tranship_resize(path, NULL, sizes[i], 0, &err), &err);
			assert_ok(tranship_open(path, &layer, &disk, &err), &err);
			assert_int_equal(tranship_disk_size(disk), sizes[i]);
			assert_ok(tranship_disk_read(disk, NULL, 0, back, MB(3), &err), &err);
			assert_memory_equal(back, content, MB(3));
			assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
			assert_int_equal(result.errors, 0);
			assert_int_equal(result.allocated, empty ? 0 : 3);
			/* in place where nothing stands behind, else the old region is left */
			assert_int_equal(result.leaks, empty ? 0 : 1);
			tranship_disk_close(disk);
		}
		identity_of(path, after);
		assert_string_not_equal(before, after);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, MB(3 + 8));
	assert_fails(tranship_resize(path, NULL, ((uint64_t)64 << 40) + 1, 0, &err),
		     TRANSHIP_ELIMIT, &err, "VHDX ends at 64 TiB; raw");
	assert_ok(tranship_resize(path, NULL, (uint64_t)64 << 40, 0, &err), &err);
	assert_fails(tranship_resize(path, NULL, 0, 0, &err), TRANSHIP_EINVAL, &err, "fewer");
	free(content);
	free(back);
}

/* Random writes and zeros, with a model. */
static void scribble(const char *path, unsigned char *model, size_t size, struct rng *rng,
		     int steps)
{
	struct tranship_error err;
	struct modified m = { 0 };
	unsigned char *back = malloc(size);
	int i;

	assert_non_null(back);
	assert_ok(modify_open(path, NULL, false, &m, &err), &err);
	for (i = 0; i < steps; i++) {
		size_t sectors = size / 512, at = (size_t)rng_below(rng, sectors);
		size_t n = 1 + (size_t)rng_below(rng, i % 3 ? 40 : 5000);

		n = n < sectors - at ? n : sectors - at;
		if (rng_below(rng, 3)) {
			rng_fill(rng, model + 512 * at, 512 * n);
			assert_ok(m.disk->ops->modify->write(m.disk, 512 * at, model + 512 * at,
							     512 * n, &err),
				  &err);
		} else {
			memset(model + 512 * at, 0, 512 * n);
			assert_ok(m.disk->ops->modify->zero(m.disk, 512 * at, 512 * n, &err), &err);
		}
		if (!m.disk->parent) { /* also before it is flushed */
			assert_ok(tranship_disk_read(m.disk, NULL, 0, back, size, &err), &err);
			assert_memory_equal(back, model, size);
		}
		if (rng_below(rng, 10) == 0)
			assert_ok(m.disk->ops->modify->flush(m.disk, &err), &err);
	}
	assert_ok(m.disk->ops->modify->flush(m.disk, &err), &err);
	modify_close(&m);
	free(back);
}

static void test_write__reads_back(void **state)
{
	const char *base = path_in(*state, "base.vhdx"), *child = path_in(*state, "child.vhdx");
	size_t size = MB(5) + 512 * 7;
	struct rng rng = { 3 };
	unsigned char *content = random_disk(&rng, size);
	int i;

	make_image(base, SMALL, content, size);
	for (i = 0; i < 3; i++) {
		scribble(base, content, size, &rng, 20);
		assert_int_equal(expect(base, content, size), 0);
	}
	memset(content, 0xFF, size);
	make_image(base, SMALL, content, size);
	for (i = 0; i < 4; i++) {
		memset(content, 0xFF, size);
		make_child(child, base, "base.vhdx", size);
		scribble(child, content, size, &rng, 2 + 12 * i);
		assert_int_equal(expect(child, content, size), 0);
		scribble(child, content, size, &rng, 10);
		assert_int_equal(expect(child, content, size), 0);
	}
	free(content);
}

static void test_commit__and_its_child_is_empty(void **state)
{
	const char *base = path_in(*state, "base.vhdx"), *child = path_in(*state, "child.vhdx");
	size_t size = MB(4) + 512 * 3;
	struct rng rng = { 4 };
	unsigned char *content = random_disk(&rng, size);
	char before[DISK_IDENTITY_SIZE], after[DISK_IDENTITY_SIZE];
	struct tranship_error err;
	struct stat st;
	int i;

	make_image(base, SMALL, content, size);
	make_child(child, base, "base.vhdx", size);
	for (i = 0; i < 3; i++) {
		scribble(child, content, size, &rng, 12);
		identity_of(base, before);
		assert_ok(tranship_commit(child, &with_parents, NULL, 0, NULL, &err), &err);
		identity_of(base, after);
		assert_string_not_equal(before, after);
		assert_int_equal(expect(base, content, size), 0);
		assert_int_equal(expect(child, content, size), 0);
		assert_int_equal(stat(child, &st), 0);
		assert_int_equal(st.st_size, MB(4)); /* headers, log, metadata, BAT */
	}
	assert_ok(tranship_resize(child, &with_parents, size + MB(2), 0, &err), &err);
	content = realloc(content, size + MB(2));
	assert_non_null(content);
	memset(content + size, 0, MB(2));
	scribble(child, content, size + MB(2), &rng, 12);
	assert_ok(tranship_commit(child, &with_parents, NULL, 0, NULL, &err), &err);
	assert_int_equal(expect(base, content, size + MB(2)), 0);
	assert_int_equal(expect(child, content, size + MB(2)), 0);
	free(content);
}

static void test_rebase__keeps_the_content(void **state)
{
	const char *a = path_in(*state, "a.vhdx"), *b = path_in(*state, "b.vhdx");
	const char *child = path_in(*state, "child.vhdx");
	size_t size = MB(4) + 512 * 3, name;
	struct rng rng = { 5 };
	unsigned char *content = random_disk(&rng, size), *other = random_disk(&rng, size);
	struct tranship_error err;
	struct tranship_disk *disk;

	make_image(a, SMALL, content, size);
	memcpy(other, content, MB(2)); /* half of it is the same */
	make_image(b, SMALL, other, size);
	make_child(child, a, "a.vhdx", size);
	scribble(child, content, size, &rng, 6);
	assert_ok(tranship_rebase(child, &with_parents, "b.vhdx", 0, NULL, &err), &err);
	expect(child, content, size);
	assert_ok(tranship_open(child, &with_parents, &disk, &err), &err);
	assert_int_equal(tranship_disk_layer_count(disk), 2);
	name = strlen(tranship_disk_file_name(tranship_disk_layer(disk, 1), 0));
	assert_string_equal(tranship_disk_file_name(tranship_disk_layer(disk, 1), 0) + name - 6,
			    "b.vhdx");
	tranship_disk_close(disk);
	/* none, */
	assert_ok(tranship_rebase(child, &with_parents, NULL, 0, NULL, &err), &err);
	expect(child, content, size);
	assert_ok(tranship_open(child, &with_parents, &disk, &err), &err);
	assert_int_equal(tranship_disk_layer_count(disk), 1);
	tranship_disk_close(disk);
	scribble(child, content, size, &rng, 6);
	expect(child, content, size);
	/* and one again */
	assert_ok(tranship_rebase(child, &with_parents, "a.vhdx", 0, NULL, &err), &err);
	expect(child, content, size);
	scribble(child, content, size, &rng, 6);
	expect(child, content, size);
	free(content);
	free(other);
}

/* Only the record changes: what is absent is the new parent's, or zeros. */
static void test_rebase__unsafe(void **state)
{
	const char *a = path_in(*state, "a.vhdx"), *b = path_in(*state, "b.vhdx");
	const char *child = path_in(*state, "child.vhdx");
	struct tranship_error err;
	struct modified m = { 0 };
	unsigned char *content = malloc(MB(3));

	assert_non_null(content);
	memset(content, 0xAA, MB(3));
	make_image(a, SMALL, content, MB(3));
	make_child(child, a, "a.vhdx", MB(3));
	memset(content, 0xBB, MB(3));
	make_image(b, SMALL, content, MB(3));
	memset(content + MB(1) + 1024, 0xCC, 1024);
	assert_ok(modify_open(child, NULL, false, &m, &err), &err);
	assert_ok(m.disk->ops->modify->write(m.disk, MB(1) + 1024, content + MB(1) + 1024, 1024,
					     &err),
		  &err);
	assert_ok(m.disk->ops->modify->flush(m.disk, &err), &err);
	modify_close(&m);
	assert_ok(
		tranship_rebase(child, &with_parents, "b.vhdx", TRANSHIP_REBASE_UNSAFE, NULL, &err),
		&err);
	assert_int_equal(expect(child, content, MB(3)), 0);
	memset(content, 0, MB(3));
	memset(content + MB(1) + 1024, 0xCC, 1024);
	assert_ok(tranship_rebase(child, &with_parents, NULL, TRANSHIP_REBASE_UNSAFE, NULL, &err),
		  &err);
	expect(child, content, MB(3));
	free(content);
}

static void repair(const char *path, unsigned flags, uint64_t errors, uint64_t leaks)
{
	struct tranship_check_result before, after;
	struct tranship_error err;

	assert_ok(tranship_repair(path, NULL, flags, NULL, NULL, &before, &after, NULL, &err),
		  &err);
	assert_int_equal(before.errors, errors);
	assert_int_equal(before.leaks, leaks);
	assert_int_equal(after.errors, 0);
	assert_int_equal(after.leaks, 0);
}

static void test_repair__copies(void **state)
{
	static const size_t places[] = { VHDX_HEADER_1, VHDX_HEADER_2, VHDX_REGION_TABLE_1,
					 VHDX_REGION_TABLE_2 };
	const char *path = path_in(*state, "disk.vhdx");
	struct rng rng = { 6 };
	unsigned char *content = random_disk(&rng, MB(3)), *image;
	size_t size, i;

	for (i = 0; i < COUNT_OF(places); i++) {
		make_image(path, SMALL, content, MB(3));
		image = read_path(path, &size);
		image[places[i] + 100] ^= 1;
		image[places[(i & 2) ^ 2] + 7] ^= 1; /* one of the other kind, too */
		write_path(path, image, size);
		free(image);
		repair(path, TRANSHIP_REPAIR_ERRORS, 2, 0);
		assert_int_equal(expect(path, content, MB(3)), 0);
		repair(path, TRANSHIP_REPAIR_ERRORS | TRANSHIP_REPAIR_LEAKS, 0, 0);
	}
	free(content);
}

/* An image with a log, what it reads as, and its size. */
static void make_dirty(struct buffer *image, unsigned char content[MB(3)])
{
	static const unsigned states[] = { 6, 6, 0 };
	static const unsigned char fill[] = { 0xA1, 0xB2, 0 };
	struct image_vhdx vhdx = image_vhdx_defaults();
	struct tranship_disk *disk;
	struct tranship_error err;

	vhdx.states = states;
	vhdx.fill = fill;
	vhdx.blocks = 3;
	vhdx.disk_size = MB(3);
	*image = (struct buffer){ 0 };
	assert_int_equal(image_vhdx(&vhdx, image), 0);
	assert_int_equal(image_log_usual(image->bytes, image->len), 0);
	assert_ok(tranship_open_file(file_of(image->bytes, image->len), NULL, &disk, &err), &err);
	assert_int_equal(tranship_disk_size(disk), MB(3));
	assert_ok(tranship_disk_read(disk, NULL, 0, content, MB(3), &err), &err);
	tranship_disk_close(disk);
}

static void test_repair__a_log(void **state)
{
	const char *path = path_in(*state, "disk.vhdx");
	static unsigned char content[MB(3)], larger[MB(4)];
	struct warnings warnings = { 0 };
	struct tranship_open_options open = { .warn = warnings_take, .warn_ctx = &warnings };
	struct tranship_disk *disk;
	struct tranship_error err;
	struct buffer image;

	make_dirty(&image, content);
	write_path(path, image.bytes, image.len);
	/* the second block's old place is left */
	repair(path, TRANSHIP_REPAIR_ERRORS | TRANSHIP_REPAIR_LEAKS, 1, 1);
	expect(path, content, MB(3));
	assert_ok(tranship_open(path, &open, &disk, &err), &err);
	assert_int_equal(warnings.count, 0);
	tranship_disk_close(disk);
	/* Anything else replays it first. */
	write_path(path, image.bytes, image.len);
	assert_ok(tranship_resize(path, NULL, MB(4), 0, &err), &err);
	memcpy(larger, content, MB(3));
	expect(path, larger, MB(4));
	write_path(path, image.bytes, image.len);
	{
		struct rng rng = { 7 };

		scribble(path, content, MB(3), &rng, 5);
		expect(path, content, MB(3));
	}
	buffer_free(&image);
}

/* Gaps before blocks and bitmaps are filled from the end, which is cut off. */
static void test_repair__leaks(void **state)
{
	const char *base = path_in(*state, "base.vhdx"), *child = path_in(*state, "child.vhdx");
	size_t size = MB(12), full;
	struct rng rng = { 8 };
	unsigned char *content = malloc(size), *image;
	struct tranship_check_result before, after;
	struct tranship_error err;
	int i;

	assert_non_null(content);
	memset(content, 0xFF, size);
	make_image(base, SMALL, content, size);
	for (i = 0; i < 4; i++) {
		uint64_t dropped = 0, entry, n;

		memset(content, 0xFF, size);
		make_child(child, base, "base.vhdx", size);
		scribble(child, content, size, &rng, 25);
		image = read_path(child, &full);
		for (n = 0; n < 12; n++) { /* blocks that become the parent's again */
			unsigned char *at = image + MB(3) + 8 * n;

			entry = get_le64(at);
			if (rng_below(&rng, 2) || (entry & 7) < 6)
				continue;
			put_le64(at, 0);
			memset(content + n * MB(1), 0xFF, MB(1));
			dropped++;
		}
		write_path(child, image, full);
		free(image);
		assert_ok(tranship_repair(child, NULL, TRANSHIP_REPAIR_LEAKS, NULL, NULL, &before,
					  &after, NULL, &err),
			  &err);
		assert_int_equal(before.leaks, dropped);
		assert_int_equal(after.leaks, 0);
		assert_int_equal(after.image_end, full - MB(dropped));
		assert_int_equal(expect(child, content, size), 0);
		image = read_path(child, &full);
		assert_int_equal(full, after.image_end);
		free(image);
		scribble(child, content, size, &rng, 5);
		assert_int_equal(expect(child, content, size), 0);
	}
	free(content);
}

/* What overlaps is neither changed nor made worse. */
static void test_change__not_of_what_overlaps(void **state)
{
	const char *path = path_in(*state, "disk.vhdx");
	struct tranship_check_result before, after;
	struct rng rng = { 9 };
	unsigned char *content = malloc(MB(3)), *image, *now;
	struct tranship_error err;
	size_t size, same;

	assert_non_null(content);
	rng_fill(&rng, content, MB(3));
	make_image(path, SMALL, content, MB(3));
	image = read_path(path, &size);
	memcpy(image + MB(3) + 8, image + MB(3), 8);
	write_path(path, image, size);
	assert_fails(tranship_resize(path, NULL, MB(4), 0, &err), TRANSHIP_ECORRUPT, &err,
		     "overlaps something else");
	assert_ok(tranship_repair(path, NULL, TRANSHIP_REPAIR_LEAKS | TRANSHIP_REPAIR_ERRORS, NULL,
				  NULL, &before, &after, NULL, &err),
		  &err);
	assert_int_equal(after.errors, 1);
	now = read_path(path, &same);
	assert_int_equal(same, size);
	assert_memory_equal(now, image, size);
	free(now);
	free(image);
	free(content);
}

/* Two chunks of 4 GiB and a piece; blocks of 256 MiB. */
static void test_write__in_several_chunks(void **state)
{
	const uint64_t gib = 1U << 30, size = 9 * gib;
	const uint64_t puts[] = { 8 * gib + 5 * 512, 512, 4 * gib - 512, 4 * gib };
	const char *base = path_in(*state, "base.vhdx"), *child = path_in(*state, "child.vhdx");
	struct tranship_create_options create = { .format = "vhdx",
						  .size = size,
						  .options = "block_size=256M" };
	struct tranship_open_options layer = { .flags = TRANSHIP_OPEN_LAYER };
	struct tranship_check_result result;
	unsigned char bytes[512], back[512];
	struct tranship_extent extent;
	struct tranship_writer *writer;
	struct tranship_disk *disk;
	struct tranship_error err;
	struct modified m = { 0 };
	size_t i;

	assert_ok(tranship_create(base, &create, &writer, &err), &err);
	assert_ok(tranship_writer_zero(writer, 0, size, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	assert_ok(tranship_open(base, &layer, &disk, &err), &err);
	create.base = disk;
	assert_ok(tranship_create(child, &create, &writer, &err), &err);
	assert_ok(tranship_writer_skip(writer, 0, size, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close(disk);
	assert_ok(modify_open(child, NULL, false, &m, &err), &err);
	for (i = 0; i < COUNT_OF(puts); i++) {
		memset(bytes, (int)i + 1, sizeof(bytes));
		assert_ok(m.disk->ops->modify->write(m.disk, puts[i], bytes, 512, &err), &err);
	}
	assert_ok(m.disk->ops->modify->flush(m.disk, &err), &err);
	modify_close(&m);
	assert_ok(tranship_open(child, &layer, &disk, &err), &err);
	for (i = 0; i < COUNT_OF(puts); i++) {
		memset(bytes, (int)i + 1, sizeof(bytes));
		assert_ok(tranship_disk_map(disk, puts[i], &extent, &err), &err);
		assert_int_equal(extent.kind, TRANSHIP_DATA);
		assert_int_equal(extent.len, 512);
		assert_ok(tranship_disk_read(disk, NULL, puts[i], back, 512, &err), &err);
		assert_memory_equal(back, bytes, 512);
		assert_ok(tranship_disk_map(disk, puts[i] + 512, &extent, &err), &err);
		assert_int_equal(extent.kind, i == 2 ? TRANSHIP_DATA : TRANSHIP_ABSENT);
	}
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	assert_int_equal(result.errors + result.leaks, 0);
	assert_int_equal(result.allocated, 4);
	tranship_disk_close(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_resize__of_a_disk_alone),
		IN_FOLDER(test_resize__of_a_child),
		IN_FOLDER(test_resize__the_bat_needs_more_room),
		IN_FOLDER(test_write__reads_back),
		IN_FOLDER(test_write__in_several_chunks),
		IN_FOLDER(test_commit__and_its_child_is_empty),
		IN_FOLDER(test_rebase__keeps_the_content),
		IN_FOLDER(test_rebase__unsafe),
		IN_FOLDER(test_repair__copies),
		IN_FOLDER(test_repair__a_log),
		IN_FOLDER(test_repair__leaks),
		IN_FOLDER(test_change__not_of_what_overlaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
