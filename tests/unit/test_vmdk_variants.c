// SPDX-License-Identifier: Apache-2.0
/* Sparse VMDK files of kinds that the library reads and does not write. */
#include "support.h"

#include "base/bytes.h"
#include "image_vmdk.h"

#include <stdlib.h>
#include <string.h>

#define PACKED (VMDK_FLAG_NEWLINE_TEST | VMDK_FLAG_COMPRESSED)
#define STREAM (PACKED | VMDK_FLAG_MARKERS)

#define DISK ((1U << 20) + 1536)

static unsigned char *content;

static int make_content(void **state)
{
	struct rng rng = { 41 };

	(void)state;
	content = random_disk(&rng, DISK);
	memset(content + 300000, 0, 200000);
	rng_fill(&rng, content + DISK - 1024, 1024);
	return 0;
}

static int free_content(void **state)
{
	(void)state;
	free(content);
	return 0;
}

/* Opens the image, exercises it, and compares all of its content. */
static void assert_reads(const void *bytes, size_t len, const unsigned char *want, size_t size)
{
	struct tranship_file *file = file_of(bytes, len);
	struct tranship_error err;
	size_t got;
	unsigned char *back;

	assert_ok(exercise(file_of(bytes, len), file_of(bytes, len), NULL, 0, &err), &err);
	back = content_of(file, NULL, &got);
	assert_int_equal(got, size);
	assert_memory_equal(back, want, size);
	free(back);
	tranship_file_close(file);
}

static void assert_image_reads(const struct image_vmdk *image)
{
	struct buffer out = { 0 };

	assert_int_equal(image_vmdk(image, content, DISK, &out), 0);
	assert_reads(out.bytes, out.len, content, DISK);
	buffer_free(&out);
}

static void test_vmdk__plain_extents_of_every_version_and_shape(void **state)
{
	static const struct {
		uint64_t grain_sectors;
		uint32_t gtes_per_gt;
	} shapes[] = { { 1, 1 }, { 8, 4 }, { 8, 512 }, { 16, 3 }, { 128, 512 }, { 4096, 65536 } };
	struct image_vmdk image = image_vmdk_defaults();
	size_t i;

	(void)state;
	for (image.version = 1; image.version <= 3; image.version++)
		for (i = 0; i < COUNT_OF(shapes); i++) {
			image.grain_sectors = shapes[i].grain_sectors;
			image.gtes_per_gt = shapes[i].gtes_per_gt;
			image.flags = i % 2 ? VMDK_FLAG_REDUNDANT_GD : VMDK_FLAG_NEWLINE_TEST;
			assert_image_reads(&image);
		}
}

static void test_vmdk__packed_extents_of_every_version_and_shape(void **state)
{
	static const uint64_t grains[] = { 1, 8, 128, 2048 };
	struct image_vmdk image = image_vmdk_defaults();
	size_t i;
	int footer;

	(void)state;
	image.flags = STREAM;
	for (image.version = 1; image.version <= 3; image.version++)
		for (i = 0; i < COUNT_OF(grains); i++)
			for (footer = 0; footer < 2; footer++) {
				image.grain_sectors = grains[i];
				image.footer = footer;
				assert_image_reads(&image);
			}
}

static void test_vmdk__packed_without_markers(void **state)
{
	struct image_vmdk image = image_vmdk_defaults();

	(void)state;
	image.flags = PACKED;
	assert_image_reads(&image);
	image.stored = true;
	assert_image_reads(&image);
}

/* A grain of 64 KiB that takes more than 64 KiB of the file. */
static void test_vmdk__grains_that_do_not_compress(void **state)
{
	struct image_vmdk image = image_vmdk_defaults();

	(void)state;
	image.flags = STREAM;
	image.grain_sectors = 128;
	image.gtes_per_gt = 512;
	image.stored = true;
	assert_image_reads(&image);
	image.footer = true;
	assert_image_reads(&image);
}

static void test_vmdk__the_last_grain_has_only_what_the_disk_has(void **state)
{
	struct image_vmdk image = image_vmdk_defaults();

	(void)state;
	image.flags = STREAM;
	image.grain_sectors = 128;
	image.short_last = true;
	assert_image_reads(&image);
	image.unpadded = true;
	assert_image_reads(&image);
}

static void test_vmdk__zeroed_grain_entries(void **state)
{
	struct image_vmdk image = image_vmdk_defaults();
	struct tranship_extent extent;
	struct tranship_disk *disk;
	struct tranship_error err;
	struct buffer out = { 0 };

	(void)state;
	image.version = 2;
	image.flags |= VMDK_FLAG_ZERO_GRAIN;
	assert_image_reads(&image);
	assert_int_equal(image_vmdk(&image, content, DISK, &out), 0);
	assert_ok(tranship_open_file(file_of(out.bytes, out.len), NULL, &disk, &err), &err);
	assert_ok(tranship_disk_map(disk, 400000, &extent, &err), &err);
	assert_int_equal(extent.kind, TRANSHIP_ZERO); /* a base must not show through */
	tranship_disk_close(disk);
	buffer_free(&out);
	image.flags = STREAM | VMDK_FLAG_ZERO_GRAIN;
	assert_image_reads(&image);
}

static void test_vmdk__without_a_descriptor(void **state)
{
	struct image_vmdk image = image_vmdk_defaults();

	(void)state;
	image.descriptor = NULL;
	assert_image_reads(&image);
	image.flags = STREAM;
	image.footer = true;
	assert_image_reads(&image);
}

static void test_vmdk__embedded_descriptors(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *piece;
	} cases[] = {
		{ "CID=1\nRW 9 SPARSE \"renamed.vmdk\"\n", 0, "" },
		{ "garbage \x01\x02", 0, "" },
		{ "CID=1\nparentCID=2\nparentFileNameHint=\"b\"\n", 0, "" },
		{ "RW 1 SPARSE \"a\"\nRW 1 SPARSE \"b\"\n", TRANSHIP_EUNSUPPORTED, "2 extents" },
		{ "RW x SPARSE \"a\"\n", TRANSHIP_ECORRUPT, "extent line 1" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct image_vmdk image = image_vmdk_defaults();
		struct buffer out = { 0 };
		struct tranship_error err;
		int rc;

		image.descriptor = cases[i].text;
		assert_int_equal(image_vmdk(&image, content, DISK, &out), 0);
		rc = exercise(file_of(out.bytes, out.len), NULL, NULL, TRANSHIP_OPEN_LAYER, &err);
		if (cases[i].code)
			assert_fails(rc, cases[i].code, &err, cases[i].piece);
		else
			assert_ok(rc, &err);
		buffer_free(&out);
	}
}

static void test_vmdk__an_image_that_was_not_closed_is_warned_of(void **state)
{
	struct warnings warnings = { 0 };
	struct tranship_open_options open = { .warn = warnings_take, .warn_ctx = &warnings };
	struct image_vmdk image = image_vmdk_defaults();
	struct tranship_disk *disk;
	struct tranship_error err;
	struct buffer out = { 0 };

	(void)state;
	assert_int_equal(image_vmdk(&image, content, DISK, &out), 0);
	out.bytes[72] = 1;
	assert_ok(tranship_open_file(file_of(out.bytes, out.len), &open, &disk, &err), &err);
	assert_int_equal(warnings.count, 1);
	assert_non_null(strstr(warnings.last, "not closed cleanly"));
	tranship_disk_close(disk);
	buffer_free(&out);
}

/*
 * The directory was wiped, its redundant copy was not: the disk is all there. Other readers return
 * zeros and say nothing.
 */
static void test_vmdk__the_redundant_directory_stands_in(void **state)
{
	struct warnings warnings = { 0 };
	struct tranship_open_options open = { .warn = warnings_take, .warn_ctx = &warnings };
	struct image_vmdk image = image_vmdk_defaults();
	unsigned char *back = malloc(DISK);
	struct tranship_disk *disk;
	struct tranship_error err;
	struct buffer out = { 0 };
	size_t gd, entries = (DISK / 4096 + 4) / 4;

	(void)state;
	assert_non_null(back);
	image.flags |= VMDK_FLAG_REDUNDANT_GD;
	assert_int_equal(image_vmdk(&image, content, DISK, &out), 0);
	gd = (size_t)get_le64(out.bytes + 56) * VMDK_SECTOR;
	memset(out.bytes + gd, 0, entries * 4);
	assert_ok(tranship_open_file(file_of(out.bytes, out.len), &open, &disk, &err), &err);
	assert_ok(tranship_disk_read(disk, NULL, 0, back, DISK, &err), &err);
	assert_memory_equal(back, content, DISK);
	assert_true(warnings.count > 0);
	tranship_disk_close(disk);
	buffer_free(&out);
	free(back);
}

/* Grains that stand behind each other only as 32-bit numbers do: 2 TiB lie between them. */
struct far_file {
	unsigned char head[64 * 512];
};

static int far_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	const struct far_file *far = ctx;
	unsigned char *to = buf;

	(void)err;
	for (; len > 0; len--, off++)
		*to++ = off < sizeof(far->head) ? far->head[off] : (unsigned char)(off >> 36);
	return 0;
}

static void test_vmdk__grains_around_the_last_sector(void **state)
{
	static const struct tranship_file_ops ops = { .read = far_read };
	struct vmdk_header h = { .version = 1,
				 .capacity = 16,
				 .grain_sectors = 8,
				 .gtes_per_gt = 512,
				 .gd_offset = 1,
				 .overhead = 8 };
	struct far_file *far = calloc(1, sizeof(*far));
	unsigned char got[8192];
	struct tranship_disk *disk;
	struct tranship_file *file;
	struct tranship_error err;

	(void)state;
	assert_non_null(far);
	vmdk_header_encode(&h, far->head);
	put_le32(far->head + 512, 2);
	put_le32(far->head + 1024, 0xFFFFFFF8U + 2); /* + 8 is 2 in 32 bits */
	put_le32(far->head + 1028, 2);
	assert_ok(tranship_file_new(&ops, far, (uint64_t)3 << 40, &file, &err), &err);
	assert_ok(tranship_open_file(file, NULL, &disk, &err), &err);
	assert_ok(tranship_disk_read(disk, NULL, 0, got, sizeof(got), &err), &err);
	assert_int_equal(got[0], 31); /* just below 2 TiB */
	assert_int_equal(got[4095], 32);
	assert_memory_equal(got + 4096, far->head + 1024, 4096);
	tranship_disk_close(disk);
	free(far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmdk__plain_extents_of_every_version_and_shape),
		cmocka_unit_test(test_vmdk__packed_extents_of_every_version_and_shape),
		cmocka_unit_test(test_vmdk__packed_without_markers),
		cmocka_unit_test(test_vmdk__grains_that_do_not_compress),
		cmocka_unit_test(test_vmdk__the_last_grain_has_only_what_the_disk_has),
		cmocka_unit_test(test_vmdk__zeroed_grain_entries),
		cmocka_unit_test(test_vmdk__without_a_descriptor),
		cmocka_unit_test(test_vmdk__embedded_descriptors),
		cmocka_unit_test(test_vmdk__an_image_that_was_not_closed_is_warned_of),
		cmocka_unit_test(test_vmdk__the_redundant_directory_stands_in),
		cmocka_unit_test(test_vmdk__grains_around_the_last_sector),
	};

	return cmocka_run_group_tests(tests, make_content, free_content);
}
