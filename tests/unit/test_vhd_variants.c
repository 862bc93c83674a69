// SPDX-License-Identifier: Apache-2.0
/* VHD files as their many writers leave them. */
#include "support.h"

#include "base/bytes.h"
#include "image_vhd.h"

#include <stdlib.h>
#include <string.h>

#define DISK (9 * 4096U + 512)

static unsigned char content[DISK];

static int make_content(void **state)
{
	struct rng rng = { 71 };

	(void)state;
	rng_fill(&rng, content, DISK);
	memset(content + 4096, 0, 8192);
	memset(content + 4 * 4096 + 512, 0, 1024);
	memset(content + 6 * 4096, 0, 512);
	memset(content + 8 * 4096 - 512, 0, 512);
	return 0;
}

static void build(const struct image_vhd *image, struct buffer *out)
{
	*out = (struct buffer){ 0 };
	assert_int_equal(image_vhd(image, content, DISK, out), 0);
}

static struct tranship_disk *open_bytes(const void *bytes, size_t len, const char *options)
{
	struct tranship_open_options open = { .options = options };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open_file(file_of(bytes, len), &open, &disk, &err), &err);
	assert_string_equal(tranship_disk_format(disk), "vpc");
	return disk;
}

static void assert_reads(const void *bytes, size_t len, size_t size)
{
	struct tranship_disk *disk = open_bytes(bytes, len, NULL);
	unsigned char *back = malloc(size);
	struct tranship_error err;

	assert_non_null(back);
	assert_int_equal(tranship_disk_size(disk), size);
	assert_ok(tranship_disk_read(disk, NULL, 0, back, size, &err), &err);
	assert_memory_equal(back, content, size);
	free(back);
	tranship_disk_close(disk);
	assert_ok(exercise(file_of(bytes, len), file_of(bytes, len), NULL, 0, &err), &err);
}

static void test_vhd__bitmaps_say_what_is_there(void **state)
{
	struct image_vhd image = image_vhd_defaults();
	struct buffer out;
	int kind;

	(void)state;
	for (kind = 0; kind < 4; kind++) {
		image.whole_blocks = kind & 1;
		image.dirty = kind & 2; /* what is not there must not be read */
		build(&image, &out);
		assert_reads(out.bytes, out.len, DISK);
		buffer_free(&out);
	}
}

static void test_vhd__a_sector_without_its_bit_is_absent(void **state)
{
	struct image_vhd image = image_vhd_defaults();
	struct tranship_extent extent;
	struct tranship_disk *disk;
	struct tranship_error err;
	struct buffer out;

	(void)state;
	image.dirty = true;
	build(&image, &out);
	disk = open_bytes(out.bytes, out.len, NULL);
	assert_ok(tranship_disk_map(disk, 4 * 4096, &extent, &err), &err);
	assert_true(extent.kind == TRANSHIP_DATA && extent.len == 512);
	assert_ok(tranship_disk_map(disk, 4 * 4096 + 700, &extent, &err), &err);
	assert_true(extent.kind == TRANSHIP_ABSENT && extent.len == 1024 - 188);
	assert_ok(tranship_disk_map(disk, 4096, &extent, &err), &err);
	assert_true(extent.kind == TRANSHIP_ABSENT && extent.len == 8192);
	tranship_disk_close(disk);
	buffer_free(&out);
}

static void test_vhd__blocks_of_every_size(void **state)
{
	struct image_vhd image = image_vhd_defaults();
	struct buffer out;

	(void)state;
	for (image.block_size = VHD_BLOCK_MIN; image.block_size <= 8U << 20;
	     image.block_size *= 4) {
		build(&image, &out);
		assert_reads(out.bytes, out.len, DISK);
		buffer_free(&out);
	}
}

static void test_vhd__one_good_footer_suffices(void **state)
{
	struct image_vhd image = image_vhd_defaults();
	struct warnings warnings = { 0 };
	struct tranship_open_options open = { .warn = warnings_take, .warn_ctx = &warnings };
	unsigned char *back = malloc(DISK);
	struct tranship_file *file;
	struct tranship_disk *disk;
	struct tranship_error err;
	struct buffer out;

	(void)state;
	assert_non_null(back);
	build(&image, &out);
	memset(out.bytes, 0, 512);
	/* That may as well be a guest's raw disk with a footer that it wrote. */
	file = file_of(out.bytes, out.len);
	assert_fails(tranship_open_file(file, &open, &disk, &err), TRANSHIP_ECORRUPT, &err,
		     "does not begin as one");
	open.format = "vpc";
	assert_ok(tranship_open_file(file, &open, &disk, &err), &err);
	assert_int_equal(tranship_disk_size(disk), DISK);
	assert_ok(tranship_disk_read(disk, NULL, 0, back, DISK, &err), &err);
	assert_memory_equal(back, content, DISK);
	assert_int_equal(warnings.count, 1);
	assert_non_null(strstr(warnings.last, "at the beginning is damaged"));
	tranship_disk_close(disk);
	buffer_free(&out);

	build(&image, &out);
	memset(out.bytes + out.len - 512, 0, 512);
	assert_reads(out.bytes, out.len, DISK);
	assert_reads(out.bytes, out.len - 512, DISK); /* not even there */
	assert_ok(tranship_open_file(file_of(out.bytes, out.len - 512), &open, &disk, &err), &err);
	assert_int_equal(warnings.count, 2);
	assert_non_null(strstr(warnings.last, "its copy at the beginning is used"));
	tranship_disk_close(disk);
	buffer_free(&out);
	free(back);
}

/* A fixed disk has one footer; without it the file is raw, or refused where a VHD was asked for. */
static void test_vhd__a_fixed_disk_without_its_footer(void **state)
{
	struct image_vhd image = image_vhd_defaults();
	struct tranship_disk *disk;
	struct tranship_error err;
	struct buffer out;

	(void)state;
	image.type = VHD_FIXED;
	build(&image, &out);
	assert_reads(out.bytes, out.len, DISK);
	assert_ok(tranship_open_file(file_of(out.bytes, DISK), NULL, &disk, &err), &err);
	assert_string_equal(tranship_disk_format(disk), "raw");
	tranship_disk_close(disk);
	assert_fails(exercise(file_of(out.bytes, DISK), NULL, "vpc", 0, &err), TRANSHIP_ECORRUPT,
		     &err, "there is no footer");
	buffer_free(&out);
}

static void test_vhd__force_checksum_takes_a_longer_fixed_disk(void **state)
{
	struct image_vhd image = image_vhd_defaults();
	struct tranship_error err;
	struct buffer out;

	(void)state;
	image.type = VHD_FIXED;
	build(&image, &out);
	put_be64(out.bytes + DISK + 48, DISK - 1024);
	assert_fails(exercise(file_of(out.bytes, out.len), NULL, "vpc", 0, &err), TRANSHIP_ECORRUPT,
		     &err, "checksum");
	assert_ok(exercise(file_of(out.bytes, out.len), NULL, "vpc", TRANSHIP_OPEN_FORCE_CHECKSUM,
			   &err),
		  &err);
	buffer_free(&out);
}

/* Whoever made it, the current size counts; the geometry (here 68 sectors of 73) by option. */
static void test_vhd__the_size_by_every_creator(void **state)
{
	static const char *const creators[] = { "vpc ", "vs  ",  "qemu", "qem2",  "win ",
						"d2v ", "tap\0", "vbox", "wa\0\0" };
	size_t i;
	int fixed;

	(void)state;
	for (i = 0; i < COUNT_OF(creators); i++)
		for (fixed = 0; fixed < 2; fixed++) {
			struct image_vhd image = image_vhd_defaults();
			struct tranship_disk *disk;
			struct buffer out;

			image.creator = creators[i];
			image.cylinders = 1;
			image.type = fixed ? VHD_FIXED : VHD_DYNAMIC;
			build(&image, &out);
			assert_reads(out.bytes, out.len, DISK);
			disk = open_bytes(out.bytes, out.len, "force_size_calc=current_size");
			assert_int_equal(tranship_disk_size(disk), DISK);
			tranship_disk_close(disk);
			disk = open_bytes(out.bytes, out.len, "force_size_calc=chs");
			assert_int_equal(tranship_disk_size(disk), 68 * 512);
			tranship_disk_close(disk);
			buffer_free(&out);
		}
}

static void test_vhd__a_geometry_larger_than_the_disk(void **state)
{
	struct tranship_open_options open = { .format = "vpc", .options = "force_size_calc=chs" };
	struct image_vhd image = image_vhd_defaults();
	struct tranship_disk *disk;
	struct tranship_error err;
	struct buffer out;

	(void)state;
	image.cylinders = 65535;
	for (image.type = VHD_FIXED; image.type <= VHD_DYNAMIC; image.type++) {
		struct tranship_file *file;

		build(&image, &out);
		file = file_of(out.bytes, out.len);
		assert_fails(tranship_open_file(file, &open, &disk, &err), TRANSHIP_ECORRUPT, &err,
			     image.type == VHD_FIXED ? "the geometry stands for" : "too short");
		tranship_file_close(file);
		buffer_free(&out);
	}
}

static int find_property(void *ctx, const struct tranship_property *property)
{
	const char **wanted = ctx;

	if (strcmp(property->name, wanted[0]) != 0)
		return 0;
	assert_string_equal(property->text, wanted[1]);
	return 1;
}

static void test_vhd__properties_are_text_whatever_the_creator_is(void **state)
{
	static const char *const creators[][2] = { { "win ", "win " },
						   { "a\x1b\xff"
						     "b",
						     "a" },
						   { "\0\0\0\0", "" } };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(creators); i++) {
		const char *wanted[2] = { "creator", creators[i][1] };
		struct image_vhd image = image_vhd_defaults();
		struct tranship_disk *disk;
		struct buffer out;

		image.creator = creators[i][0];
		build(&image, &out);
		disk = open_bytes(out.bytes, out.len, NULL);
		assert_int_equal(tranship_disk_properties(disk, find_property, wanted), 1);
		tranship_disk_close(disk);
		buffer_free(&out);
	}
}

static void test_vhd_geometry__never_stands_for_more_than_the_size(void **state)
{
	struct rng rng = { 72 };
	int i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		uint64_t size = rng_below(&rng, (uint64_t)1 << (9 + rng_below(&rng, 33)));
		struct vhd_footer f = { 0 };

		vhd_geometry_for(size, &f);
		assert_true(vhd_geometry_size(&f) <= size);
		assert_true(f.heads > 0 && f.sectors_per_track > 0);
		/* Up to its limit it loses less than a cylinder. */
		if (size < (uint64_t)65535 * 16 * 255 * 512 && size > 4 * 17 * 512)
			assert_true(size - vhd_geometry_size(&f) <
				    ((uint64_t)f.heads * f.sectors_per_track + 1) * 512);
	}
}

static void test_vhd_ondisk__decodes_what_it_encodes(void **state)
{
	unsigned char raw[VHD_DYNAMIC_SIZE], again[VHD_DYNAMIC_SIZE];
	struct rng rng = { 73 };
	struct tranship_error err;
	int i;

	(void)state;
	for (i = 0; i < 200; i++) {
		struct vhd_dynamic d = { .table_offset = rng_next(&rng),
					 .max_entries = (uint32_t)rng_next(&rng),
					 .block_size = VHD_BLOCK_MIN << rng_below(&rng, 17),
					 .parent_timestamp = (uint32_t)rng_next(&rng) };
		struct vhd_footer f = { .data_offset = rng_next(&rng),
					.timestamp = (uint32_t)rng_next(&rng),
					.creator_version = (uint32_t)rng_next(&rng),
					.original_size = rng_next(&rng),
					.current_size = rng_below(&rng, 1 << 30) * 512,
					.cylinders = (uint16_t)rng_next(&rng),
					.heads = (uint8_t)rng_next(&rng),
					.sectors_per_track = (uint8_t)rng_next(&rng),
					.type = (uint32_t)rng_below(&rng, 3) + 2,
					.saved_state = i % 2 };

		rng_fill(&rng, d.parent_id.bytes, 16);
		rng_fill(&rng, d.parent_name, 512);
		rng_fill(&rng, f.id.bytes, 16);
		rng_fill(&rng, f.creator, 4);
		vhd_dynamic_encode(&d, raw);
		assert_ok(vhd_dynamic_decode(raw, false, &d, &err), &err);
		vhd_dynamic_encode(&d, again);
		assert_memory_equal(raw, again, VHD_DYNAMIC_SIZE);
		vhd_footer_encode(&f, raw);
		assert_ok(vhd_footer_decode(raw, false, &f, &err), &err);
		vhd_footer_encode(&f, again);
		assert_memory_equal(raw, again, VHD_FOOTER_SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vhd__bitmaps_say_what_is_there),
		cmocka_unit_test(test_vhd__a_sector_without_its_bit_is_absent),
		cmocka_unit_test(test_vhd__blocks_of_every_size),
		cmocka_unit_test(test_vhd__one_good_footer_suffices),
		cmocka_unit_test(test_vhd__a_fixed_disk_without_its_footer),
		cmocka_unit_test(test_vhd__force_checksum_takes_a_longer_fixed_disk),
		cmocka_unit_test(test_vhd__the_size_by_every_creator),
		cmocka_unit_test(test_vhd__a_geometry_larger_than_the_disk),
		cmocka_unit_test(test_vhd__properties_are_text_whatever_the_creator_is),
		cmocka_unit_test(test_vhd_geometry__never_stands_for_more_than_the_size),
		cmocka_unit_test(test_vhd_ondisk__decodes_what_it_encodes),
	};

	return cmocka_run_group_tests(tests, make_content, NULL);
}
