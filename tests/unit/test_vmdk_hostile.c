// SPDX-License-Identifier: Apache-2.0
/* Sparse VMDK files with one field that is wrong: a clear error or right data, and nothing else. */
#include "support.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "image_vmdk.h"
#include "patched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK (23 * 4096U + 512) /* six tables of four grains, the last of one sector */

/* Plain with all tables twice, and once; packed with tables in front, and behind. */
enum kind { PLAIN, SINGLE, FRONT, STREAM, KIND_COUNT };

static struct buffer images[KIND_COUNT];

static int make_images(void **state)
{
	static const uint32_t flags[KIND_COUNT] = {
		VMDK_FLAG_NEWLINE_TEST | VMDK_FLAG_REDUNDANT_GD,
		VMDK_FLAG_NEWLINE_TEST,
		VMDK_FLAG_NEWLINE_TEST | VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS,
		VMDK_FLAG_NEWLINE_TEST | VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS,
	};
	static unsigned char content[DISK];
	struct rng rng = { 21 };
	int kind;

	(void)state;
	rng_fill(&rng, content, sizeof(content));
	memset(content + 2 * 4096, 0, 4096);
	memset(content + 8 * 4096, 0, 5 * 4096);
	memset(content + 14 * 4096 + 100, 0, 3000);
	for (kind = 0; kind < KIND_COUNT; kind++) {
		struct image_vmdk image = image_vmdk_defaults();

		image.flags = flags[kind];
		image.version = kind < FRONT ? 1 : 3;
		image.footer = kind == STREAM;
		if (image_vmdk(&image, content, sizeof(content), &images[kind]))
			return -1;
	}
	return 0;
}

static int free_images(void **state)
{
	int kind;

	(void)state;
	for (kind = 0; kind < KIND_COUNT; kind++)
		buffer_free(&images[kind]);
	return 0;
}

/* What a row of the table below changes. */
enum place { HEADER, GD, GT, GRAIN, FOOTER };

/* Where that stands: the directory that counts, the first table, the first grain (or its marker).
 */
static uint64_t find(const struct buffer *image, enum place place)
{
	const unsigned char *raw = image->bytes;
	uint64_t gd = get_le64(raw + 56), gt;

	if (gd == VMDK_GD_AT_END)
		gd = get_le64(raw + image->len - 1024 + 56);
	gt = get_le32(raw + gd * 512);
	switch (place) {
	case HEADER: return 0;
	case GD: return gd * 512;
	case GT: return gt * 512;
	case GRAIN: return get_le32(raw + gt * 512) * 512U;
	default: return image->len - 1024;
	}
}

struct row {
	const char *what;
	enum kind kind;
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
	{ "magic", PLAIN, HEADER, 0, 4, 0x564D444C, BAD, "neither a sparse header" },
	{ "magic of vmfsSparse", PLAIN, HEADER, 0, 4, VMDK_MAGIC_COWD, BAD, "grains of 0 sectors" },
	{ "magic of seSparse", PLAIN, HEADER, 0, 8, VMDK_MAGIC_SESPARSE, NOT_OURS, "seSparse" },
	{ "version 0", PLAIN, HEADER, 4, 4, 0, NOT_OURS, "version 0; 1 to 3" },
	{ "version 4", PLAIN, HEADER, 4, 4, 4, NOT_OURS, "version 4; 1 to 3" },
	{ "largest version", PLAIN, HEADER, 4, 4, UINT32_MAX, NOT_OURS, "version 4294967295" },
	{ "capacity past the limit", PLAIN, HEADER, 12, 8, VMDK_CAPACITY_MAX + 1, TOO_MUCH,
	  "capacity of 137438953473 sectors" },
	{ "capacity of 2^63", PLAIN, HEADER, 12, 8, (uint64_t)1 << 63, TOO_MUCH, "capacity" },
	{ "largest capacity", PLAIN, HEADER, 12, 8, UINT64_MAX, TOO_MUCH, "capacity" },
	{ "capacity at the limit", PLAIN, HEADER, 12, 8, VMDK_CAPACITY_MAX, TOO_MUCH,
	  "a grain directory of 4294967296 entries" },
	{ "the largest directory", PLAIN, HEADER, 12, 8, (uint64_t)VMDK_GD_ENTRIES_MAX * 32, BAD,
	  "the grain directory, 8388608 entries" },
	{ "grains of nothing", PLAIN, HEADER, 20, 8, 0, BAD, "grains of 0 sectors" },
	{ "grains of 9 sectors", PLAIN, HEADER, 20, 8, 9, BAD, "grains of 9 sectors" },
	{ "grains past the limit", PLAIN, HEADER, 20, 8, VMDK_GRAIN_SECTORS_MAX * 2, BAD,
	  "grains of 524288 sectors" },
	{ "largest grains", PLAIN, HEADER, 20, 8, UINT64_MAX, BAD, "grains of" },
	{ "grains of 2^63", PLAIN, HEADER, 20, 8, (uint64_t)1 << 63, BAD, "grains of" },
	{ "packed grains past the limit", FRONT, HEADER, 20, 8, VMDK_PACKED_GRAIN_SECTORS_MAX * 2,
	  BAD, "grains of 4096 sectors" },
	{ "descriptor past the end", PLAIN, HEADER, 28, 8, 1000000, BAD, "the descriptor" },
	{ "descriptor at 2^55", PLAIN, HEADER, 28, 8, (uint64_t)1 << 55, BAD, "the descriptor" },
	{ "descriptor of a megabyte", PLAIN, HEADER, 36, 8, 2048, BAD, "the descriptor" },
	{ "descriptor past the limit", PLAIN, HEADER, 36, 8, 2049, BAD, "the descriptor" },
	{ "largest descriptor", PLAIN, HEADER, 36, 8, UINT64_MAX, BAD, "the descriptor" },
	{ "tables of nothing", PLAIN, HEADER, 44, 4, 0, BAD, "grain tables of 0 entries" },
	{ "tables past the limit", PLAIN, HEADER, 44, 4, VMDK_GTES_PER_GT_MAX + 1, BAD,
	  "grain tables of 65537 entries" },
	{ "largest tables", PLAIN, HEADER, 44, 4, UINT32_MAX, BAD, "grain tables of" },
	{ "one large table", PLAIN, HEADER, 44, 4, VMDK_GTES_PER_GT_MAX, BAD,
	  "where no table fits" },
	{ "directory past the end", SINGLE, HEADER, 56, 8, 1000000, BAD, "at sector 1000000" },
	{ "directory at 2^55", SINGLE, HEADER, 56, 8, (uint64_t)1 << 55, BAD, "grain directory" },
	{ "directory at the largest but one", SINGLE, HEADER, 56, 8, UINT64_MAX - 1, BAD,
	  "grain directory" },
	{ "directory at the end of what is no stream", PLAIN, HEADER, 56, 8, VMDK_GD_AT_END, BAD,
	  "no footer" },
	{ "newlines turned", PLAIN, HEADER, 73, 4, 0x0A0A200A, BAD, "newline test" },
	{ "unknown compression", FRONT, HEADER, 77, 2, 2, NOT_OURS, "compression algorithm 2" },
	{ "no compression", FRONT, HEADER, 77, 2, 0, NOT_OURS, "compression algorithm 0" },
	{ "a table past the end", SINGLE, GD, 0, 4, UINT32_MAX, BAD, "grain directory[0] points" },
	{ "a later table past the end", SINGLE, GD, 12, 4, 5000, BAD, "grain directory[3] points" },
	{ "a packed table past the end", STREAM, GD, 4, 4, UINT32_MAX, BAD, "grain directory[1]" },
	{ "a grain past the end", SINGLE, GT, 0, 4, UINT32_MAX, BAD,
	  "grain table 0 entry 0 points" },
	{ "a later grain past the end", SINGLE, GT, 4, 4, 9999, BAD, "" },
	{ "a packed grain past the end", FRONT, GT, 4, 4, 9999, BAD,
	  "grain table 0 entry 1 points" },
	{ "a packed grain far past the end", STREAM, GT, 0, 4, UINT32_MAX, BAD, "entry 0 points" },
	{ "a packed grain that is none", FRONT, GT, 0, 4, 3, BAD, "another grain's marker" },
	{ "another grain's LBA", STREAM, GRAIN, 0, 8, 8, BAD, "marker (has, wanted) (8, 0)" },
	{ "the largest LBA", FRONT, GRAIN, 0, 8, UINT64_MAX, BAD, "another grain's marker" },
	{ "a grain of no bytes", FRONT, GRAIN, 8, 4, 0, BAD, "does not unpack" },
	{ "a grain cut in half", FRONT, GRAIN, 8, 4, 2000, BAD, "LBA 0" },
	{ "a grain larger than deflate's", FRONT, GRAIN, 8, 4, 5000, BAD, "larger than deflate" },
	{ "the largest grain", STREAM, GRAIN, 8, 4, UINT32_MAX, BAD, "larger than deflate" },
	{ "no zlib header", STREAM, GRAIN, 12, 2, 0xFFFF, BAD, "its data is damaged" },
	{ "a damaged grain", FRONT, GRAIN, 2000, 8, 0x123456789, BAD, "LBA 0" },
	{ "footer without magic", STREAM, FOOTER, 0, 4, 0, BAD, "no footer" },
	{ "footer of no known version", STREAM, FOOTER, 4, 4, 9, BAD, "no footer" },
	{ "footer that does not know, either", STREAM, FOOTER, 56, 8, VMDK_GD_AT_END, BAD,
	  "does not say where" },
	{ "footer that points past the end", STREAM, FOOTER, 56, 8, 5000, BAD,
	  "at sector 5000, passes the end" },
	{ "footer of a larger disk", STREAM, FOOTER, 12, 8, 1 << 20, BAD, "different disks" },
	{ "footer of other grains", STREAM, FOOTER, 20, 8, 16, BAD, "different disks" },
	{ "footer of other tables", STREAM, FOOTER, 44, 4, 8, BAD, "different disks" },
	{ "footer of other flags", STREAM, FOOTER, 8, 4, 1, BAD, "different disks" },
};

static void test_vmdk__one_field_wrong(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		const struct buffer *image = &images[row->kind];
		struct tranship_error err;
		unsigned char raw[8];
		struct patch patch = { find(image, row->place) + row->off, row->width, raw };
		int rc;

		put_le64(raw, row->value);
		rc = exercise(patched_file(image->bytes, image->len, image->len, &patch, 1), NULL,
			      "vmdk", 0, &err);
		if (rc != row->code || !strstr(err.message, row->piece))
			fail_msg("%s: %s, %s", row->what, tranship_code_name(rc), err.message);
	}
}

static void test_vmdk__unchanged_images_are_right(void **state)
{
	int kind;

	(void)state;
	for (kind = 0; kind < KIND_COUNT; kind++) {
		const struct buffer *image = &images[kind];
		struct tranship_error err;

		assert_ok(exercise(file_of(image->bytes, image->len),
				   file_of(image->bytes, image->len), NULL, 0, &err),
			  &err);
	}
}

static void test_vmdk__every_length(void **state)
{
	int kind;

	(void)state;
	for (kind = 0; kind < KIND_COUNT; kind++)
		exercise_cuts(images[kind].bytes, images[kind].len, "vmdk", 512);
}

static void test_vmdk__every_byte_of_header_and_tables(void **state)
{
	int kind;

	(void)state;
	for (kind = 0; kind < KIND_COUNT; kind++) {
		const struct buffer *image = &images[kind];
		size_t gd = (size_t)find(image, GD), gt = (size_t)find(image, GT);

		exercise_flips(image->bytes, image->len, "vmdk", 0, 96);
		exercise_flips(image->bytes, image->len, "vmdk", 512, 512 + 160);
		exercise_flips(image->bytes, image->len, "vmdk", gd, gd + 24);
		exercise_flips(image->bytes, image->len, "vmdk", gt, gt + 16);
	}
}

static void test_vmdk__every_byte_of_markers_and_footer(void **state)
{
	const struct buffer *image = &images[STREAM];
	size_t grain = (size_t)find(image, GRAIN), at;

	(void)state;
	exercise_flips(image->bytes, image->len, "vmdk", grain, grain + 64);
	exercise_flips(image->bytes, image->len, "vmdk", image->len - 1024, image->len - 900);
	for (at = 0; at < image->len; at += 61) /* and some anywhere */
		exercise_flips(image->bytes, image->len, "vmdk", at, at + 1);
}

/*
 * Packed grains that are fetched together: the second begins past the end of the file. What an
 * earlier read left in memory must not pass for it.
 */
static void test_vmdk__a_later_grain_past_the_end(void **state)
{
	static unsigned char content[DISK], back[2 * 4096];
	struct image_vmdk image = image_vmdk_defaults();
	struct rng rng = { 22 };
	struct buffer out = { 0 };
	struct tranship_scratch *scratch;
	struct tranship_disk *disk;
	struct tranship_error err;
	size_t last;
	uint32_t entry;

	(void)state;
	rng_fill(&rng, content, sizeof(content));
	memset(content + 15 * 4096, 7, 4096); /* packs into a sector */
	image.flags = VMDK_FLAG_NEWLINE_TEST | VMDK_FLAG_COMPRESSED;
	assert_int_equal(image_vmdk(&image, content, sizeof(content), &out), 0);
	last = (size_t)get_le32(out.bytes + get_le64(out.bytes + 56) * 512 + 4 * 3) * 512 + 4 * 2;
	entry = get_le32(out.bytes + last + 4);
	put_le32(out.bytes + last + 4, entry + 8); /* grain 15 is the fourth of the fourth table */
	put_le32(out.bytes + last, entry);
	assert_ok(tranship_open_file(file_of(out.bytes, (size_t)(entry + 1) * 512), NULL, &disk,
				     &err),
		  &err);
	assert_ok(tranship_scratch_new(disk, &scratch, &err), &err);
	assert_ok(tranship_disk_read(disk, scratch, 0, back, sizeof(back), &err), &err);
	assert_fails(tranship_disk_read(disk, scratch, 14 * 4096, back, sizeof(back), &err),
		     TRANSHIP_ECORRUPT, &err, "cut off");
	tranship_scratch_free(scratch);
	tranship_disk_close(disk);
	buffer_free(&out);
}

static unsigned errors_of_check(struct tranship_file *file)
{
	struct findings f;

	findings_of(file, "vmdk", &f);
	return (unsigned)f.result.errors;
}

static void findings_with(const struct buffer *image, enum place place, size_t off, uint32_t value,
			  struct findings *f)
{
	unsigned char raw[4];
	struct patch patch = { find(image, place) + off, 4, raw };

	put_le32(raw, value);
	findings_of(patched_file(image->bytes, image->len, image->len, &patch, 1), "vmdk", f);
}

static unsigned errors_with(const struct buffer *image, enum place place, size_t off,
			    uint32_t value)
{
	struct findings f;

	findings_with(image, place, off, value, &f);
	return (unsigned)f.result.errors;
}

static void test_check__finds_what_is_wrong(void **state)
{
	static const struct {
		enum kind kind;
		enum place place;
		size_t off;
		uint32_t value; /* 0: the first grain's place */
		const char *text;
	} cases[] = {
		{ SINGLE, GT, 4, 0, ", which grain table 0 entry 0 uses, too" },
		{ SINGLE, GT, 4, UINT32_MAX, "entry 1 points at sector 4294967295, past the end" },
		{ SINGLE, GT, 4, 2, "points at sector 2, which the grain directory uses" },
		{ SINGLE, GT, 4, 8, "points at sector 8, which grain table" },
		{ SINGLE, GD, 4, UINT32_MAX, "grain directory[1] points at sector 4294967295" },
		{ PLAIN, GT, 4, 1, "grain table 0 entry 1 is 1, its redundant copy says" },
		{ FRONT, GT, 4, UINT32_MAX, "entry 1 points at sector 4294967295, past the end" },
		{ FRONT, GT, 4, 0, "which grain table 0 entry 0 uses, too" },
		{ FRONT, GRAIN, 8, UINT32_MAX, "more than deflate makes" },
		{ FRONT, GRAIN, 0, 8, "has the marker of LBA 8, not 0" },
	};
	struct findings f;
	size_t i;

	(void)state;
	for (i = 0; i < KIND_COUNT; i++)
		assert_int_equal(errors_of_check(file_of(images[i].bytes, images[i].len)), 0);
	for (i = 0; i < COUNT_OF(cases); i++) {
		const struct buffer *image = &images[cases[i].kind];
		uint32_t first = get_le32(image->bytes + find(image, GT));

		findings_with(image, cases[i].place, cases[i].off,
			      cases[i].value ? cases[i].value : first, &f);
		if (f.result.errors == 0 || !strstr(f.text, cases[i].text))
			fail_msg("'%s' was not said, but: %s", cases[i].text, f.text);
	}
}

static void test_check__finds_a_grain_that_nothing_names(void **state)
{
	const struct buffer *image = &images[SINGLE];
	uint32_t first = get_le32(image->bytes + find(image, GT));
	struct findings f;
	char text[100];

	(void)state;
	findings_with(image, GT, 0, 0, &f);
	snprintf(text, sizeof(text), "4096 bytes at %u are used by nothing", first * 512);
	findings_match(&f, 0, 1, text);
}

/*
 * Grains at places that are not multiples of a grain: usage is kept in smaller units, down to
 * sectors, and a part of an overlap is seen. The first grain moves up by less than a grain, over
 * the second.
 */
static void test_check__grains_at_any_sector(void **state)
{
	static const uint32_t shifts[] = { 1, 2, 3, 4, 7 };
	const struct buffer *image = &images[SINGLE];
	uint32_t first = get_le32(image->bytes + find(image, GT));
	struct findings f;
	char text[100];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(shifts); i++) {
		findings_with(image, GT, 0, first + shifts[i], &f);
		snprintf(text, sizeof(text), "grain table 0 entry 1 points at sector %u, which",
			 first + 8);
		findings_match(&f, 1, 0, text);
	}
}

/* Two that stand one behind the other, at no multiple of a grain, overlap nothing; one of them
 * moved back by a sector overlaps the other. */
static void test_check__neighbours_at_any_sector(void **state)
{
	const struct buffer *image = &images[SINGLE];
	uint32_t free_sector = (uint32_t)round_up(image->len / 512 + 1, 8) + 2;
	size_t gt = find(image, GT);
	unsigned char raw[8];
	struct patch patch = { gt, sizeof(raw), raw };
	struct findings f;
	uint32_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		put_le32(raw, free_sector);
		put_le32(raw + 4, free_sector + 8 - i);
		findings_of(
			patched_file(image->bytes, image->len, (free_sector + 16) * 512, &patch, 1),
			"vmdk", &f);
		assert_int_equal(f.result.errors, i);
		assert_in_range(f.result.leaks, 3, 4); /* where they were, and before them */
	}
}

/* Each table has its own place. Here the fourth is where the third is, which has no grains. */
static void test_check__finds_a_table_that_is_named_twice(void **state)
{
	const struct buffer *image = &images[SINGLE];
	uint32_t third = get_le32(image->bytes + find(image, GD) + 4 * 2);

	(void)state;
	assert_int_not_equal(errors_with(image, GD, 4 * 3, third), 0);
}

/*
 * A directory whose entries all name one table makes a small file into a huge disk. Its grains need
 * not be counted again for each: the table was reported when it was named for the second time.
 */
static void test_check__a_table_that_is_named_again_is_not_walked_again(void **state)
{
	enum { TABLES = 1000, PER_TABLE = 4096 };
	struct vmdk_header h = { .version = 1,
				 .flags = VMDK_FLAG_NEWLINE_TEST,
				 .capacity = (uint64_t)TABLES * PER_TABLE * 8,
				 .grain_sectors = 8,
				 .gtes_per_gt = PER_TABLE,
				 .gd_offset = 8,
				 .overhead = 64 };
	size_t len = 512 * 1024, i;
	unsigned char *bytes = calloc(1, len);

	(void)state;
	assert_non_null(bytes);
	vmdk_header_encode(&h, bytes);
	for (i = 0; i < TABLES; i++)
		put_le32(bytes + 8 * 512 + 4 * i, 16);
	for (i = 0; i < PER_TABLE; i++)
		put_le32(bytes + 16 * 512 + 4 * i, 64);
	assert_in_range(errors_of_check(file_of(bytes, len)), TABLES - 1, TABLES + PER_TABLE);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmdk__unchanged_images_are_right),
		cmocka_unit_test(test_vmdk__one_field_wrong),
		cmocka_unit_test(test_vmdk__every_length),
		cmocka_unit_test(test_vmdk__every_byte_of_header_and_tables),
		cmocka_unit_test(test_vmdk__every_byte_of_markers_and_footer),
		cmocka_unit_test(test_vmdk__a_later_grain_past_the_end),
		cmocka_unit_test(test_check__finds_what_is_wrong),
		cmocka_unit_test(test_check__finds_a_grain_that_nothing_names),
		cmocka_unit_test(test_check__grains_at_any_sector),
		cmocka_unit_test(test_check__neighbours_at_any_sector),
		cmocka_unit_test(test_check__finds_a_table_that_is_named_twice),
		cmocka_unit_test(test_check__a_table_that_is_named_again_is_not_walked_again),
	};

	return cmocka_run_group_tests(tests, make_images, free_images);
}
