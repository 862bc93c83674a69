// SPDX-License-Identifier: Apache-2.0
/*
 * VHD files with one field that is wrong. A footer's or header's checksum is made right again
 * behind the change, so that it is the field itself that is refused.
 */
#include "support.h"

#include "base/bytes.h"
#include "image_vhd.h"
#include "patched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK (9 * 4096U + 512)

static struct buffer dynamic, fixed;

static int make_images(void **state)
{
	struct image_vhd image = image_vhd_defaults();
	static unsigned char content[DISK];
	struct rng rng = { 31 };

	(void)state;
	rng_fill(&rng, content, sizeof(content));
	memset(content + 4096, 0, 8192);
	memset(content + 4 * 4096 + 512, 0, 1024);
	if (image_vhd(&image, content, sizeof(content), &dynamic))
		return -1;
	image.type = VHD_FIXED;
	return image_vhd(&image, content, sizeof(content), &fixed);
}

static int free_images(void **state)
{
	(void)state;
	buffer_free(&dynamic);
	buffer_free(&fixed);
	return 0;
}

/* What a row changes: both footers of a dynamic disk, a fixed disk's one, the header, the BAT. */
enum place { FOOTERS, FIXED, DYNAMIC, BAT };

struct row {
	const char *what;
	enum place place;
	size_t off, width;
	uint64_t value;
	int code;
	const char *piece;
};

#define BAD TRANSHIP_ECORRUPT
#define NOT_OURS TRANSHIP_EUNSUPPORTED
#define TOO_MUCH TRANSHIP_ELIMIT

static const struct row rows[] = {
	{ "version 2", FOOTERS, 12, 4, 0x00020000, NOT_OURS, "version 0x00020000; 1.0" },
	{ "version 0", FOOTERS, 12, 4, 0, NOT_OURS, "version 0x00000000" },
	{ "header past the end", FOOTERS, 16, 8, 1000000, BAD, "dynamic disk header at 1000000" },
	{ "header at 2^63", FOOTERS, 16, 8, (uint64_t)1 << 63, BAD, "dynamic disk header" },
	{ "header at the largest offset", FOOTERS, 16, 8, UINT64_MAX, BAD, "dynamic disk header" },
	{ "header in the footer", FOOTERS, 16, 8, 0, BAD, "there is no dynamic disk header" },
	{ "size of half a sector", FOOTERS, 48, 8, DISK + 1, BAD, "no whole number of sectors" },
	{ "size past the BAT", FOOTERS, 48, 8, 11 * 4096, BAD, "BAT of 10 entries is too short" },
	{ "size at the limit", FOOTERS, 48, 8, (uint64_t)1 << 48, BAD, "too short" },
	{ "size past the limit", FOOTERS, 48, 8, ((uint64_t)1 << 48) + 512, TOO_MUCH, "past all" },
	{ "largest size", FOOTERS, 48, 8, UINT64_MAX - 511, TOO_MUCH, "past all limits" },
	{ "disk type 0", FOOTERS, 60, 4, 0, NOT_OURS, "disk type 0" },
	{ "disk type 1", FOOTERS, 60, 4, 1, NOT_OURS, "disk type 1" },
	{ "disk type 5", FOOTERS, 60, 4, 5, NOT_OURS, "disk type 5" },
	{ "largest disk type", FOOTERS, 60, 4, UINT32_MAX, NOT_OURS, "disk type 4294967295" },
	{ "differencing", FOOTERS, 60, 4, VHD_DIFFERENCING, TRANSHIP_EMISMATCH,
	  "needs the parent" },
	{ "dynamic said to be fixed", FOOTERS, 60, 4, VHD_FIXED, BAD, "a fixed disk of" },
	{ "fixed said to be dynamic", FIXED, 60, 4, VHD_DYNAMIC, BAD, "dynamic disk header at" },
	{ "fixed and too large", FIXED, 48, 8, DISK + 512, BAD, "needs a file of 38400" },
	{ "fixed and too small", FIXED, 48, 8, DISK - 512, BAD, "needs a file of 37376" },
	{ "fixed and far too large", FIXED, 48, 8, (uint64_t)1 << 48, BAD, "needs a file of" },
	{ "header without cookie", DYNAMIC, 0, 8, 0, BAD, "no dynamic disk header" },
	{ "header version 2", DYNAMIC, 24, 4, 0x00020000, NOT_OURS, "header version 0x00020000" },
	{ "BAT past the end", DYNAMIC, 16, 8, 1000000, BAD, "the BAT, 10 entries at 1000000" },
	{ "BAT at 2^63", DYNAMIC, 16, 8, (uint64_t)1 << 63, BAD, "the BAT" },
	{ "BAT at the largest offset", DYNAMIC, 16, 8, UINT64_MAX, BAD, "the BAT" },
	{ "BAT of no entries", DYNAMIC, 28, 4, 0, BAD, "BAT of 0 entries is too short" },
	{ "BAT of an entry too few", DYNAMIC, 28, 4, 9, BAD, "BAT of 9 entries is too short" },
	{ "BAT of entries past the end", DYNAMIC, 28, 4, 100000, BAD, "passes the end" },
	{ "largest BAT", DYNAMIC, 28, 4, UINT32_MAX, BAD, "the BAT, 4294967295 entries" },
	{ "blocks of nothing", DYNAMIC, 32, 4, 0, BAD, "block size 0" },
	{ "blocks of 5000 bytes", DYNAMIC, 32, 4, 5000, BAD, "block size 5000" },
	{ "blocks below the limit", DYNAMIC, 32, 4, 2048, BAD, "block size 2048" },
	{ "blocks past the limit", DYNAMIC, 32, 4, 512U << 20, BAD, "block size 536870912" },
	{ "largest blocks", DYNAMIC, 32, 4, 0x80000000U, BAD, "block size 2147483648" },
	{ "blocks larger than the file", DYNAMIC, 32, 4, 256U << 20, BAD, "where no block fits" },
	{ "block past the end", BAT, 0, 4, 5000, BAD, "BAT[0] points at sector 5000" },
	{ "block far past the end", BAT, 16, 4, UINT32_MAX - 1, BAD, "BAT[4] points at" },
	{ "block that passes the end", BAT, 12, 4, 80, BAD, "BAT[3] points at sector 80" },
};

/* Copies an image with the change, its checksums made right. */
static unsigned char *changed(const struct row *row, size_t *len)
{
	const struct buffer *image = row->place == FIXED ? &fixed : &dynamic;
	static const size_t starts[] = { 0, 0, VHD_FOOTER_SIZE,
					 VHD_FOOTER_SIZE + VHD_DYNAMIC_SIZE };
	unsigned char *copy = malloc(image->len), raw[8];
	size_t at = row->place == FIXED ? image->len - 512 : starts[row->place];

	assert_non_null(copy);
	memcpy(copy, image->bytes, image->len);
	put_be64(raw, row->value << (64 - 8 * row->width));
	memcpy(copy + at + row->off, raw, row->width);
	if (row->place == FOOTERS)
		memcpy(copy + image->len - 512 + row->off, raw, row->width);
	image_vhd_repair(copy, image->len);
	*len = image->len;
	return copy;
}

static void test_vhd__one_field_wrong(void **state)
{
	size_t i, len;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		unsigned char *bytes = changed(&rows[i], &len);
		struct tranship_error err;
		int rc = exercise(file_of(bytes, len), NULL, "vpc", 0, &err);

		if (rc != rows[i].code || !strstr(err.message, rows[i].piece))
			fail_msg("%s: %s, %s", rows[i].what, tranship_code_name(rc), err.message);
		free(bytes);
	}
}

static void test_vhd__unchanged_images_are_right(void **state)
{
	const struct buffer *images[] = { &dynamic, &fixed };
	struct tranship_error err;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++)
		assert_ok(exercise(file_of(images[i]->bytes, images[i]->len),
				   file_of(images[i]->bytes, images[i]->len), NULL, 0, &err),
			  &err);
}

/* Opens a copy with these bytes of both footers, or of the header, turned around. */
static int open_bent(size_t head, size_t tail, size_t header, unsigned flags,
		     struct tranship_error *err)
{
	unsigned char *copy = malloc(dynamic.len);
	int rc;

	assert_non_null(copy);
	memcpy(copy, dynamic.bytes, dynamic.len);
	if (head)
		copy[head] ^= 0xFF;
	if (tail)
		copy[dynamic.len - 512 + tail] ^= 0xFF;
	if (header)
		copy[512 + header] ^= 0xFF;
	rc = exercise(file_of(copy, dynamic.len), NULL, "vpc", flags, err);
	free(copy);
	return rc;
}

static void test_vhd__wrong_checksums(void **state)
{
	struct tranship_error err;

	(void)state;
	assert_ok(open_bent(0, 90, 0, 0, &err), &err);
	assert_ok(open_bent(90, 0, 0, 0, &err), &err);
	assert_fails(open_bent(90, 90, 0, 0, &err), BAD, &err, "the checksum of the footer is 0x");
	assert_fails(open_bent(0, 0, 900, 0, &err), BAD, &err, "of the dynamic disk header is 0x");
	assert_ok(open_bent(90, 90, 0, TRANSHIP_OPEN_FORCE_CHECKSUM, &err), &err);
	assert_ok(open_bent(0, 0, 900, TRANSHIP_OPEN_FORCE_CHECKSUM, &err), &err);
}

static void test_vhd__every_length(void **state)
{
	(void)state;
	exercise_cuts(dynamic.bytes, dynamic.len, "vpc", 512);
	exercise_cuts(fixed.bytes, fixed.len, "vpc", 512);
	exercise_cuts(fixed.bytes, fixed.len, NULL, 512);
}

static void test_vhd__every_byte_of_what_is_no_data(void **state)
{
	(void)state;
	exercise_flips(dynamic.bytes, dynamic.len, "vpc", 0, 512 + 64);
	exercise_flips(dynamic.bytes, dynamic.len, "vpc", 512 + 1024, 512 + 1024 + 40);
	exercise_flips(dynamic.bytes, dynamic.len, "vpc", 2048, 2048 + 8); /* a bitmap */
	exercise_flips(dynamic.bytes, dynamic.len, "vpc", dynamic.len - 512, dynamic.len);
	exercise_flips(fixed.bytes, fixed.len, NULL, fixed.len - 512, fixed.len);
}

/* The same behind the checksums: each field of the structures that they guard takes any value. */
static void test_vhd__every_byte_that_a_checksum_guards(void **state)
{
	struct row row = { .width = 1, .place = FOOTERS };
	struct tranship_error err;
	size_t len;
	int value;

	(void)state;
	for (; row.place <= DYNAMIC; row.place++)
		for (row.off = 8; row.off < 88; row.off++)
			for (value = 0; value < 256; value += 15) {
				unsigned char *bytes;

				row.value = (uint64_t)value;
				bytes = changed(&row, &len);
				exercise(file_of(bytes, len), NULL, "vpc", 0, &err);
				free(bytes);
			}
}

static void findings_with(size_t entry, uint32_t value, struct findings *f)
{
	struct row row = { .place = BAT, .off = 4 * entry, .width = 4, .value = value };
	size_t len;
	unsigned char *bytes = changed(&row, &len);

	findings_of(file_of(bytes, len), "vpc", f);
	free(bytes);
}

/* Blocks of 9 sectors stand one behind the other from sector 4 on: entries 0, 2, 4 and so on. */
static void test_check__finds_what_is_wrong(void **state)
{
	uint32_t first = get_be32(dynamic.bytes + 1536);
	uint32_t end = (uint32_t)(dynamic.len / 512) - 1; /* where the footer stands */
	unsigned i;
	struct findings f;
	char text[200];

	(void)state;
	findings_of(file_of(dynamic.bytes, dynamic.len), "vpc", &f);
	findings_match(&f, 0, 0, NULL);
	findings_of(file_of(fixed.bytes, fixed.len), "vpc", &f);
	findings_match(&f, 0, 0, NULL);
	findings_with(0, VHD_BAT_UNUSED, &f);
	snprintf(text, sizeof(text), "4608 bytes at %u are used by nothing", first * 512);
	findings_match(&f, 0, 1, text);
	findings_with(3, first, &f); /* two blocks in one place, and the place of the one is free */
	snprintf(text, sizeof(text),
		 "the block of BAT[3] at sector %u overlaps BAT[0], which ends at sector %u", first,
		 first + 9);
	findings_match(&f, 1, 1, text);
	for (i = 1; i < 9; i += 7) { /* two that overlap in all but a sector, and in one */
		findings_with(3, first + i, &f);
		snprintf(
			text, sizeof(text),
			"the block of BAT[3] at sector %u overlaps BAT[0], which ends at sector %u",
			first + i, first + 9);
		assert_non_null(strstr(f.text, text));
	}
	findings_with(3, 0, &f); /* the footer's copy */
	findings_match(&f, 1, 1, "BAT[3] points at sector 0, where no block fits");
	findings_with(3, 1, &f); /* over the metadata and a block */
	findings_match(&f, 2, 1, "the block of BAT[3] at sector 1 overlaps the metadata");
	assert_non_null(strstr(f.text, "the block of BAT[0] at sector 4 overlaps BAT[3]"));
	findings_with(3, 5000, &f); /* past the end */
	findings_match(&f, 1, 1, "BAT[3] points at sector 5000, where no block fits");
	findings_with(3, end - 8, &f);
	snprintf(text, sizeof(text), "the block of BAT[3] at sector %u overlaps the footer at %u",
		 end - 8, end * 512);
	assert_non_null(strstr(f.text, text));
}

/* However many entries name one block, each is said once, and time does not explode. */
static void test_check__every_entry_names_one_block(void **state)
{
	enum { BLOCKS = 1 << 16 };
	size_t bat = 1536 + 4 * BLOCKS, len = bat + BLOCKS * 64 + 512, i;
	unsigned char *bytes = calloc(1, len);
	struct findings f;

	(void)state;
	assert_non_null(bytes);
	memcpy(bytes, dynamic.bytes, 1536);
	put_be64(bytes + 48, (uint64_t)BLOCKS * 4096);
	put_be32(bytes + 512 + 28, BLOCKS);
	for (i = 0; i < BLOCKS; i++)
		put_be32(bytes + 1536 + 4 * i, (uint32_t)(bat / 512));
	memcpy(bytes + len - 512, bytes, 512);
	image_vhd_repair(bytes, len);
	findings_of(file_of(bytes, len), "vpc", &f);
	assert_non_null(strstr(f.text, "BAT[1] at sector"));
	assert_non_null(strstr(f.text, "more blocks than the file has room for"));
	assert_in_range(f.result.errors, 900, BLOCKS);
	free(bytes);
}

static void test_check__finds_damaged_footers(void **state)
{
	unsigned char *copy = malloc(dynamic.len);
	struct findings f;

	(void)state;
	assert_non_null(copy);
	memcpy(copy, dynamic.bytes, dynamic.len);
	copy[100] ^= 1;
	findings_of(file_of(copy, dynamic.len), "vpc", &f);
	findings_match(&f, 1, 0, "the copy of the footer");
	copy[100] ^= 1;
	copy[dynamic.len - 100] ^= 1;
	findings_of(file_of(copy, dynamic.len), "vpc", &f);
	findings_match(&f, 1, 0, "the footer at the end of the file is damaged");
	free(copy);
}

/* A raw disk whose guest wrote something like a footer into its last sector stays raw. */
static void test_probe__a_sector_like_a_footer(void **state)
{
	struct warnings warnings = { 0 };
	struct tranship_open_options open = { .warn = warnings_take, .warn_ctx = &warnings };
	unsigned char *disk = calloc(1, 65536);
	struct tranship_disk *opened;
	struct tranship_error err;

	(void)state;
	assert_non_null(disk);
	memcpy(disk + 65536 - 512, fixed.bytes + fixed.len - 512, 512);
	assert_ok(tranship_open_file(file_of(disk, 65536), &open, &opened, &err), &err);
	assert_string_equal(tranship_disk_format(opened), "raw");
	assert_int_equal(tranship_disk_size(opened), 65536);
	assert_int_equal(warnings.count, 1); /* a good checksum, another size */
	tranship_disk_close(opened);
	disk[65536 - 512 + 100] ^= 1;
	assert_ok(tranship_open_file(file_of(disk, 65536), &open, &opened, &err), &err);
	assert_string_equal(tranship_disk_format(opened), "raw");
	assert_int_equal(warnings.count, 2);
	tranship_disk_close(opened);
	free(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vhd__unchanged_images_are_right),
		cmocka_unit_test(test_vhd__one_field_wrong),
		cmocka_unit_test(test_vhd__wrong_checksums),
		cmocka_unit_test(test_vhd__every_length),
		cmocka_unit_test(test_vhd__every_byte_of_what_is_no_data),
		cmocka_unit_test(test_vhd__every_byte_that_a_checksum_guards),
		cmocka_unit_test(test_check__finds_what_is_wrong),
		cmocka_unit_test(test_check__every_entry_names_one_block),
		cmocka_unit_test(test_check__finds_damaged_footers),
		cmocka_unit_test(test_probe__a_sector_like_a_footer),
	};

	return cmocka_run_group_tests(tests, make_images, free_images);
}
