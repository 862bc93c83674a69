// SPDX-License-Identifier: Apache-2.0
/* VHDs that are changed where they stand: what they hold, their size, their parent, damage. */
#include "base/bytes.h"
#include "core/modify.h"
#include "image_vhd.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096U
#define BLOCKS 100U
#define SIZE (BLOCKS * BLOCK - 1024)

/* Some blocks of it are zeros. */
static unsigned char *content_new(size_t size)
{
	struct rng rng = { 77 };
	unsigned char *bytes = calloc(1, size + 1);
	size_t at;

	assert_non_null(bytes);
	for (at = 0; at < size; at += BLOCK)
		if (rng_below(&rng, 2))
			rng_fill(&rng, bytes + at, size - at < BLOCK ? size - at : BLOCK);
	return bytes;
}

static const char *make(void **state, enum vhd_type type, const char *creator,
			const unsigned char *content, size_t size)
{
	struct image_vhd image = image_vhd_defaults();
	const char *path = path_in(*state, "a.vhd");
	struct buffer out = { 0 };

	image.type = type;
	image.creator = creator;
	image.whole_blocks = type == VHD_DYNAMIC;
	assert_int_equal(image_vhd(&image, content, size, &out), 0);
	write_path(path, out.bytes, out.len);
	buffer_free(&out);
	return path;
}

/* The image has this content, then zeros up to `size`, and a check finds so many leaks. */
static void expect(const char *path, const unsigned char *content, size_t len, size_t size,
		   bool leaks)
{
	struct tranship_open_options options = { .format = "vpc", .flags = TRANSHIP_OPEN_LAYER };
	unsigned char *bytes = calloc(1, size + 1);
	struct tranship_check_result result;
	struct tranship_disk *disk;
	struct tranship_error err;
	size_t i;

	assert_ok(tranship_open(path, &options, &disk, &err), &err);
	assert_int_equal(tranship_disk_size(disk), size);
	assert_ok(tranship_disk_read(disk, NULL, 0, bytes, size, &err), &err);
	assert_memory_equal(bytes, content, len < size ? len : size);
	for (i = len; i < size; i++)
		assert_int_equal(bytes[i], 0);
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	assert_int_equal(result.errors, 0);
	if (!leaks)
		assert_int_equal(result.leaks, 0);
	tranship_disk_close(disk);
	free(bytes);
}

static void open_it(const char *path, struct modified *m)
{
	struct tranship_open_options options = { .format = "vpc" };
	struct tranship_error err;

	*m = (struct modified){ 0 };
	assert_ok(modify_open(path, &options, false, m, &err), &err);
}

/* Writes here and there, as a commit does; the content follows. */
static void scribble(const char *path, unsigned char *content, size_t size)
{
	struct rng rng = { 5 };
	struct tranship_error err;
	struct modified m;
	unsigned i;

	open_it(path, &m);
	for (i = 0; i < 60; i++) {
		size_t at = (size_t)rng_below(&rng, size / 512) * 512, n;

		n = ((size_t)rng_below(&rng, 20) + 1) * 512;
		n = n < size - at ? n : size - at;
		if (i % 5 == 4) {
			memset(content + at, 0, n);
			assert_ok(m.disk->ops->modify->zero(m.disk, at, n, &err), &err);
		} else {
			rng_fill(&rng, content + at, n);
			assert_ok(m.disk->ops->modify->write(m.disk, at, content + at, n, &err),
				  &err);
		}
		if (i % 20 == 19)
			assert_ok(m.disk->ops->modify->flush(m.disk, &err), &err);
	}
	modify_close(&m);
}

static void damage(const char *path, long off, int whence, const void *with, size_t len)
{
	FILE *f = fopen(path, "r+b");

	assert_non_null(f);
	assert_int_equal(fseek(f, off, whence), 0);
	assert_int_equal(fwrite(with, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static const struct kind {
	enum vhd_type type;
	const char *creator;
} kinds[] = { { VHD_FIXED, "win " },
	      { VHD_FIXED, "vpc " },
	      { VHD_DYNAMIC, "win " },
	      { VHD_DYNAMIC, "qemu" },
	      { VHD_DIFFERENCING, "win " } };

static void test_write__reads_back(void **state)
{
	size_t i;

	for (i = 0; i < COUNT_OF(kinds); i++) {
		unsigned char *content = content_new(SIZE);
		const char *path = make(state, kinds[i].type, kinds[i].creator, content, SIZE);

		scribble(path, content, SIZE);
		expect(path, content, SIZE, SIZE, false);
		free(content);
	}
}

/* A new block stands where others, which are not referred to any more, and a footer stood. */
static void test_write__over_what_was_there(void **state)
{
	enum vhd_type type;

	for (type = VHD_DYNAMIC; type <= VHD_DIFFERENCING; type++) {
		unsigned char *content = calloc(1, SIZE);
		const char *path;

		assert_non_null(content);
		memset(content, 0xEE, 3 * BLOCK);
		path = make(state, type, "win ", content, SIZE);
		damage(path, 1536 + 4 * 2, SEEK_SET, "\377\377\377\377", 4);
		memset(content + 2 * BLOCK, 0, BLOCK);
		scribble(path, content, SIZE);
		expect(path, content, SIZE, SIZE, false);
		free(content);
	}
}

/* All bits of a new block of a disk without a parent, exactly the written ones in a child. */
static void test_write__bits(void **state)
{
	enum vhd_type type;

	for (type = VHD_DYNAMIC; type <= VHD_DIFFERENCING; type++) {
		static const unsigned char zeros[SIZE], ones[1024] = { 1, 2, 3 };
		const char *path = make(state, type, "win ", zeros, SIZE);
		struct tranship_error err;
		struct modified m;
		unsigned char *bytes;
		size_t size, at, i;

		open_it(path, &m);
		assert_ok(m.disk->ops->modify->write(m.disk, 7 * BLOCK + 1024, ones, 1024, &err),
			  &err);
		assert_ok(m.disk->ops->modify->flush(m.disk, &err), &err);
		modify_close(&m);
		bytes = read_path(path, &size);
		at = (size_t)get_be32(bytes + 1536 + 7 * 4) * 512;
		assert_int_equal(bytes[at], type == VHD_DYNAMIC ? 0xFF : 0x30);
		assert_memory_equal(bytes + at + 512 + 1024, ones, 1024);
		for (i = 0; i < 1024; i++)
			assert_int_equal(bytes[at + 512 + i] | bytes[at + 512 + 2048 + i], 0);
		free(bytes);
	}
}

static void test_resize__keeps_the_content(void **state)
{
	static const size_t sizes[] = { SIZE + 512, SIZE + 1536, 400 * BLOCK, 3000 * BLOCK + 512 };
	struct tranship_error err;
	size_t i, n;

	for (i = 0; i < COUNT_OF(kinds); i++)
		for (n = 0; n < COUNT_OF(sizes); n++) {
			struct tranship_open_options options = { .format = "vpc",
								 .flags = TRANSHIP_OPEN_LAYER };
			unsigned char *content = content_new(SIZE), *after;
			const char *path =
				make(state, kinds[i].type, kinds[i].creator, content, SIZE);
			size_t len;

			assert_ok(tranship_resize(path, &options, sizes[n], 0, &err), &err);
			expect(path, content, SIZE, sizes[n], false);
			after = read_path(path, &len);
			if (kinds[i].type != VHD_FIXED)
				assert_memory_equal(after, after + len - 512, 512);
			free(after);
			if (kinds[i].type != VHD_DIFFERENCING) {
				assert_ok(tranship_resize(path, NULL, SIZE, TRANSHIP_RESIZE_SHRINK,
							  &err),
					  &err);
				expect(path, content, SIZE, SIZE, false);
			}
			free(content);
		}
}

static void test_resize__refuses(void **state)
{
	unsigned char *content = content_new(SIZE);
	const char *path = make(state, VHD_DYNAMIC, "win ", content, SIZE);
	struct tranship_error err;

	assert_fails(tranship_resize(path, NULL, (2040ULL << 30) + 1, 0, &err), TRANSHIP_ELIMIT,
		     &err, "vhdx");
	assert_fails(tranship_resize(path, NULL, BLOCK, 0, &err), TRANSHIP_EINVAL, &err, "fewer");
	assert_fails(tranship_resize(path, NULL, BLOCK, TRANSHIP_RESIZE_SHRINK, &err),
		     TRANSHIP_EINVAL, &err, "data behind");
	expect(path, content, SIZE, SIZE, false);
	free(content);
}

static void test_renew_and_relink(void **state)
{
	unsigned char *content = content_new(SIZE);
	const char *path = make(state, VHD_DIFFERENCING, "win ", content, SIZE);
	struct base_info base = { .identity = "01234567-89ab-cdef-0123-456789abcdef",
				  .relative = "folder/base.vhd",
				  .absolute = "/a/folder/base.vhd",
				  .sector_size = 512,
				  .time = 1000000000 };
	struct tranship_error err;
	struct idgen ids;
	struct modified m;
	char old[DISK_IDENTITY_SIZE];

	open_it(path, &m);
	strcpy(old, m.disk->identity);
	assert_ok(idgen_init(&ids, "1234", &err), &err);
	assert_ok(m.disk->ops->modify->renew(m.disk, &ids, &err), &err);
	assert_string_not_equal(old, m.disk->identity);
	strcpy(old, m.disk->identity);
	assert_ok(m.disk->ops->modify->relink(m.disk, &base, &err), &err);
	modify_close(&m);
	expect(path, content, SIZE, SIZE, false);
	open_it(path, &m);
	assert_string_equal(old, m.disk->identity);
	assert_string_equal(m.disk->parent->ids[0], base.identity);
	assert_string_equal(m.disk->parent->hints[0], ".\\folder\\base.vhd");
	assert_string_equal(m.disk->parent->hints[1], base.absolute);
	assert_ok(m.disk->ops->modify->relink(m.disk, NULL, &err), &err);
	modify_close(&m);
	open_it(path, &m);
	assert_null(m.disk->parent);
	assert_fails(m.disk->ops->modify->relink(m.disk, &base, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "without a parent");
	modify_close(&m);
	expect(path, content, SIZE, SIZE, false);
	free(content);
}

/* What qemu sees, which passes over the bits: no clear bit hides anything. */
static void test_relink__cleans_what_bits_hide(void **state)
{
	struct image_vhd image = image_vhd_defaults();
	static unsigned char content[BLOCK], owned[BLOCK / 512] = { 1, 0, 0, 1 };
	const char *path = path_in(*state, "a.vhd");
	struct buffer out = { 0 };
	struct tranship_error err;
	struct modified m;
	unsigned char *bytes;
	size_t size, i;

	image.type = VHD_DIFFERENCING;
	image.dirty = true;
	image.owned = owned;
	memset(content, 7, 512);
	memset(content + 3 * 512, 8, 512);
	assert_int_equal(image_vhd(&image, content, BLOCK, &out), 0);
	write_path(path, out.bytes, out.len);
	buffer_free(&out);
	open_it(path, &m);
	assert_ok(m.disk->ops->modify->relink(m.disk, NULL, &err), &err);
	modify_close(&m);
	bytes = read_path(path, &size);
	i = (size_t)get_be32(bytes + 1536) * 512 + 512;
	assert_memory_equal(bytes + i, content, BLOCK);
	free(bytes);
	expect(path, content, BLOCK, BLOCK, false);
}

static void test_empty(void **state)
{
	unsigned char *content = content_new(SIZE);
	static const unsigned char zeros[SIZE];
	const char *path = make(state, VHD_DIFFERENCING, "win ", content, SIZE);
	struct tranship_error err;
	struct modified m;

	open_it(path, &m);
	assert_ok(m.disk->ops->modify->empty(m.disk, &err), &err);
	modify_close(&m);
	expect(path, zeros, SIZE, SIZE, false);
	free(content);
}

static void repair(const char *path, unsigned open_flags, uint64_t errors, uint64_t left)
{
	struct tranship_open_options options = { .format = "vpc", .flags = open_flags };
	struct tranship_check_result before, after;
	struct tranship_error err;

	assert_ok(tranship_repair(path, &options, TRANSHIP_REPAIR_ERRORS | TRANSHIP_REPAIR_LEAKS,
				  NULL, NULL, &before, &after, NULL, &err),
		  &err);
	assert_int_equal(before.errors, errors);
	assert_int_equal(after.errors, left);
	assert_int_equal(after.leaks, 0);
}

static void test_repair__footers(void **state)
{
	unsigned char *content = content_new(SIZE), *bytes;
	static const unsigned char junk[512] = { 1, 2, 3 };
	const char *path = make(state, VHD_DYNAMIC, "win ", content, SIZE);
	size_t size;

	damage(path, 100, SEEK_SET, junk, 50);
	repair(path, 0, 1, 0);
	damage(path, -100, SEEK_END, junk, 50);
	repair(path, 0, 1, 0);
	damage(path, -512, SEEK_END, junk, 512);
	repair(path, 0, 1, 0);
	bytes = read_path(path, &size);
	assert_int_equal(truncate(path, (off_t)size - 512), 0);
	repair(path, 0, 1, 0);
	damage(path, 512 + 36, SEEK_SET, junk, 4);
	repair(path, TRANSHIP_OPEN_FORCE_CHECKSUM, 1, 0);
	expect(path, content, SIZE, SIZE, false);
	free(bytes);
	free(content);
	content = content_new(SIZE);
	path = make(state, VHD_FIXED, "win ", content, SIZE);
	damage(path, -512 + 64, SEEK_END, junk, 4);
	repair(path, TRANSHIP_OPEN_FORCE_CHECKSUM, 1, 0);
	expect(path, content, SIZE, SIZE, false);
	free(content);
}

/* A fixed disk was being made shorter: its footer stands at both ends. */
static void test_repair__ends_a_cut(void **state)
{
	unsigned char *content = content_new(SIZE), *bytes;
	const char *path = make(state, VHD_FIXED, "win ", content, SIZE);
	struct tranship_open_options options = { .format = "vpc" };
	size_t small = 9 * BLOCK, len;
	struct tranship_disk *disk;
	struct tranship_error err;
	struct vhd_footer footer;

	bytes = read_path(path, &len);
	assert_ok(vhd_footer_decode(bytes + SIZE, false, &footer, &err), &err);
	footer.current_size = small;
	vhd_footer_encode(&footer, bytes + small);
	vhd_footer_encode(&footer, bytes + SIZE);
	write_path(path, bytes, len); /* not marked: somebody made the file longer */
	assert_fails(tranship_open(path, &options, &disk, &err), TRANSHIP_ECORRUPT, &err, "needs");
	vhd_footer_mark_cut(bytes + SIZE);
	write_path(path, bytes, len);
	expect(path, content, small, small, true);
	repair(path, 0, 0, 0);
	expect(path, content, small, small, false);
	bytes[small + 70] ^= 1; /* of another disk */
	image_vhd_sum(bytes + small, 512, VHD_FOOTER_CHECKSUM);
	write_path(path, bytes, len);
	assert_fails(tranship_open(path, &options, &disk, &err), TRANSHIP_ECORRUPT, &err, "needs");
	free(bytes);
	free(content);
}

static void test_repair__leaks(void **state)
{
	unsigned char *content = content_new(SIZE), *before, *after;
	const char *path = make(state, VHD_DYNAMIC, "win ", content, SIZE);
	size_t i, was, is;

	for (i = 1; i < 50; i += 3) {
		memset(content + i * BLOCK, 0, BLOCK);
		damage(path, (long)(1536 + 4 * i), SEEK_SET, "\377\377\377\377", 4);
	}
	before = read_path(path, &was);
	repair(path, 0, 0, 0);
	after = read_path(path, &is);
	assert_true(is < was);
	expect(path, content, SIZE, SIZE, false);
	free(before);
	free(after);
	free(content);
}

/* Blocks that lie on each other are left as they are. */
static void test_repair__never_worse(void **state)
{
	unsigned char *content = content_new(SIZE), *before, *after;
	const char *path = make(state, VHD_DYNAMIC, "win ", content, SIZE);
	size_t was, is, i, n = 0, two[2];

	before = read_path(path, &was);
	for (i = 0; n < 2; i++)
		if (get_be32(before + 1536 + 4 * i) != VHD_BAT_UNUSED)
			two[n++] = i;
	damage(path, (long)(1536 + 4 * two[1]), SEEK_SET, before + 1536 + 4 * two[0], 4);
	free(before);
	before = read_path(path, &was);
	{
		struct tranship_check_result found, left;
		struct tranship_error err;

		assert_ok(tranship_repair(path, NULL,
					  TRANSHIP_REPAIR_ERRORS | TRANSHIP_REPAIR_LEAKS, NULL,
					  NULL, &found, &left, NULL, &err),
			  &err);
		assert_int_equal(left.errors, 1);
	}
	after = read_path(path, &is);
	assert_int_equal(is, was);
	assert_memory_equal(before, after, was);
	free(before);
	free(after);
	free(content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_write__reads_back),
		IN_FOLDER(test_write__over_what_was_there),
		IN_FOLDER(test_write__bits),
		IN_FOLDER(test_resize__keeps_the_content),
		IN_FOLDER(test_resize__refuses),
		IN_FOLDER(test_renew_and_relink),
		IN_FOLDER(test_relink__cleans_what_bits_hide),
		IN_FOLDER(test_empty),
		IN_FOLDER(test_repair__footers),
		IN_FOLDER(test_repair__ends_a_cut),
		IN_FOLDER(test_repair__leaks),
		IN_FOLDER(test_repair__never_worse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
