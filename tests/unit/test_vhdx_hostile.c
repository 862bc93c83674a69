// SPDX-License-Identifier: Apache-2.0
/*
 * VHDX files with one field that is wrong. Where a CRC guards the field it is made right again
 * behind the change, in both copies of the structure, so that it is the field itself that is
 * refused.
 */
#include "support.h"

#include "base/bytes.h"
#include "image_vhdx.h"
#include "patched.h"

#include <stdlib.h>
#include <string.h>

static struct buffer image;

static int make_image(void **state)
{
	static const unsigned states[] = { VHDX_BLOCK_FULLY_PRESENT, VHDX_BLOCK_NOT_PRESENT,
					   VHDX_BLOCK_FULLY_PRESENT, VHDX_BLOCK_ZERO };
	static const unsigned char fill[] = { 0xA1, 0, 0xC3, 0 };
	struct image_vhdx vhdx = image_vhdx_defaults();

	(void)state;
	vhdx.disk_size = 4 * VHDX_MB;
	vhdx.blocks = 4;
	vhdx.states = states;
	vhdx.fill = fill;
	return image_vhdx(&vhdx, &image);
}

static int free_image(void **state)
{
	(void)state;
	buffer_free(&image);
	return 0;
}

enum place { IDENTIFIER, HEADERS, REGIONS, METADATA, BAT };

/* Where a place begins, its second copy (0: none), the structure's size and its checksum's place.
 */
static const struct {
	size_t at, copy, size, checksum;
} places[] = {
	[IDENTIFIER] = { 0, 0, 0, 0 },
	[HEADERS] = { VHDX_HEADER_1, VHDX_HEADER_2, VHDX_HEADER_SIZE, VHDX_HEAD_CHECKSUM },
	[REGIONS] = { VHDX_REGION_TABLE_1, VHDX_REGION_TABLE_2, VHDX_TABLE_SIZE,
		      VHDX_REGION_CHECKSUM },
	[METADATA] = { IMAGE_VHDX_METADATA, 0, 0, 0 },
	[BAT] = { IMAGE_VHDX_BAT, 0, 0, 0 },
};

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
#define MB(n) ((uint64_t)(n) << 20)

/* Entry n of the metadata table; item n's bytes, as the encoder places them. */
#define ENTRY(n) (VHDX_METADATA_FIRST + 32 * (n))
#define BLOCK_SIZE VHDX_METADATA_ITEMS
#define PARAMETERS (VHDX_METADATA_ITEMS + 4)
#define DISK_SIZE (VHDX_METADATA_ITEMS + 8)
#define LOGICAL (VHDX_METADATA_ITEMS + 32)
#define PHYSICAL (VHDX_METADATA_ITEMS + 36)

static const struct row rows[] = {
	{ "identifier", IDENTIFIER, 0, 8, 0, BAD, "no file identifier" },
	{ "no header", HEADERS, 0, 4, 0, BAD, "there is no header" },
	{ "version 0", HEADERS, VHDX_HEAD_VERSION, 2, 0, NOT_OURS, "version 0; 1 is known" },
	{ "version 2", HEADERS, VHDX_HEAD_VERSION, 2, 2, NOT_OURS, "version 2; 1 is known" },
	{ "log of a byte", HEADERS, VHDX_HEAD_LOG_LENGTH, 4, 1, BAD, "the log, 1 bytes" },
	{ "log past the end", HEADERS, VHDX_HEAD_LOG_LENGTH, 4, 0xFFF00000, BAD, "the log" },
	{ "log in the headers", HEADERS, VHDX_HEAD_LOG_OFFSET, 8, 0, BAD, "the log, 1048576" },
	{ "log between megabytes", HEADERS, VHDX_HEAD_LOG_OFFSET, 8, MB(1) + 1, BAD, "the log" },
	{ "log at the largest offset", HEADERS, VHDX_HEAD_LOG_OFFSET, 8, UINT64_MAX - MB(1) + 1,
	  BAD, "the log" },
	{ "log over the metadata", HEADERS, VHDX_HEAD_LOG_OFFSET, 8, MB(2), BAD,
	  "overlaps the metadata region" },
	{ "no region table", REGIONS, 0, 4, 0, BAD, "no region table" },
	{ "table of too many entries", REGIONS, VHDX_REGION_COUNT, 4, 2048, BAD, "2048 entries" },
	{ "table of the most entries", REGIONS, VHDX_REGION_COUNT, 4, UINT32_MAX, BAD, "entries" },
	{ "table without metadata", REGIONS, VHDX_REGION_COUNT, 4, 1, BAD, "lacks the metadata" },
	{ "empty table", REGIONS, VHDX_REGION_COUNT, 4, 0, BAD, "lacks the BAT" },
	{ "BAT under another name", REGIONS, VHDX_REGION_BAT, 8, 1, NOT_OURS,
	  "is required and unknown" },
	{ "BAT in the headers", REGIONS, VHDX_REGION_BAT + 16, 8, 0, BAD, "the BAT, 1048576" },
	{ "BAT between megabytes", REGIONS, VHDX_REGION_BAT + 16, 8, MB(3) + 512, BAD, "the BAT" },
	{ "BAT past the end", REGIONS, VHDX_REGION_BAT + 16, 8, MB(100), BAD, "the BAT" },
	{ "BAT at 2^63", REGIONS, VHDX_REGION_BAT + 16, 8, (uint64_t)1 << 63, BAD, "the BAT" },
	{ "BAT at the last megabyte of all", REGIONS, VHDX_REGION_BAT + 16, 8,
	  UINT64_MAX - MB(1) + 1, BAD, "the BAT" },
	{ "BAT over the log", REGIONS, VHDX_REGION_BAT + 16, 8, MB(1), BAD, "overlaps the BAT" },
	{ "BAT of nothing", REGIONS, VHDX_REGION_BAT + 24, 4, 0, BAD, "the BAT, 0 bytes" },
	{ "BAT of a byte", REGIONS, VHDX_REGION_BAT + 24, 4, 1, BAD, "the BAT, 1 bytes" },
	{ "largest BAT", REGIONS, VHDX_REGION_BAT + 24, 4, 0xFFF00000, BAD, "the BAT" },
	{ "metadata past the end", REGIONS, VHDX_REGION_METADATA + 16, 8, MB(100), BAD,
	  "the metadata region" },
	{ "metadata in a block", REGIONS, VHDX_REGION_METADATA + 16, 8, MB(4), BAD,
	  "no metadata table" },
	{ "no metadata table", METADATA, 0, 8, 0, BAD, "no metadata table" },
	{ "too many items", METADATA, VHDX_METADATA_COUNT, 2, 2048, BAD, "2048 entries" },
	{ "no items", METADATA, VHDX_METADATA_COUNT, 2, 0, BAD, "lacks the file parameters" },
	{ "an item is missing", METADATA, VHDX_METADATA_COUNT, 2, 4, BAD, "lacks the physical" },
	{ "an unknown item", METADATA, ENTRY(0), 8, 1, NOT_OURS, "is required and unknown" },
	{ "an item of the user's", METADATA, ENTRY(0) + 24, 4, 5, NOT_OURS,
	  "required and unknown" },
	{ "an item in the table", METADATA, ENTRY(1) + 16, 4, 512, BAD,
	  "virtual disk size, 8 bytes" },
	{ "an item past the region", METADATA, ENTRY(1) + 16, 4, 0xFFFFF, BAD, "is misplaced" },
	{ "an item at the largest offset", METADATA, ENTRY(1) + 16, 4, UINT32_MAX, BAD,
	  "misplaced" },
	{ "an item of a wrong size", METADATA, ENTRY(1) + 20, 4, 4, BAD, "of a wrong size" },
	{ "an item of the largest size", METADATA, ENTRY(2) + 20, 4, UINT32_MAX, BAD,
	  "wrong size" },
	{ "blocks of nothing", METADATA, BLOCK_SIZE, 4, 0, BAD, "block size 0" },
	{ "blocks of 512 KiB", METADATA, BLOCK_SIZE, 4, 512 << 10, BAD, "block size 524288" },
	{ "blocks of 3 MiB", METADATA, BLOCK_SIZE, 4, MB(3), BAD, "block size 3145728" },
	{ "blocks past the limit", METADATA, BLOCK_SIZE, 4, MB(512), BAD, "block size 536870912" },
	{ "largest blocks", METADATA, BLOCK_SIZE, 4, 0x80000000, BAD, "block size 2147483648" },
	{ "a parent", METADATA, PARAMETERS, 4, 2, BAD, "lacks the parent locator" },
	{ "half a sector", METADATA, DISK_SIZE, 8, MB(4) + 256, BAD, "virtual disk size 4194560" },
	{ "a disk past the limit", METADATA, DISK_SIZE, 8, VHDX_SIZE_MAX + 512, BAD, "disk size" },
	{ "the largest disk", METADATA, DISK_SIZE, 8, UINT64_MAX - 511, BAD, "virtual disk size" },
	{ "a disk at the limit", METADATA, DISK_SIZE, 8, VHDX_SIZE_MAX, BAD, "is too short" },
	{ "no sectors", METADATA, LOGICAL, 4, 0, BAD, "logical sector size 0" },
	{ "sectors of 1024", METADATA, LOGICAL, 4, 1024, BAD, "logical sector size 1024" },
	{ "no physical sectors", METADATA, PHYSICAL, 4, 0, BAD, "physical sector size 0" },
	{ "a block in state 4", BAT, 0, 8, MB(4) | 4, BAD, "block 0 has state 4" },
	{ "a block in state 7", BAT, 8, 8, MB(4) | 7, BAD, "block 1 has state 7" },
	{ "a block in the headers", BAT, 0, 8, 6, BAD, "block 0 is said to be at 0" },
	{ "a block past the end", BAT, 16, 8, MB(6) | 6, BAD, "block 2 is said to be at 6291456" },
	{ "a block far past the end", BAT, 16, 8, ~MB(1) << 1 | 6, BAD, "block 2 is said to be" },
	{ "a block at the last megabyte of all", BAT, 0, 8, (UINT64_MAX - MB(1) + 1) | 6, BAD,
	  "block 0 is said to be" },
};

/* The patches of one change, with the structure around it where a checksum guards that. */
struct change {
	unsigned char raw[8];
	unsigned char *whole[2];
	struct patch patches[2];
	size_t count;
};

static void make_change(const struct row *row, struct change *c)
{
	size_t i, copies = places[row->place].copy ? 2 : 1, size = places[row->place].size;

	*c = (struct change){ .count = copies };
	put_le64(c->raw, row->value);
	for (i = 0; i < copies; i++) {
		size_t at = i ? places[row->place].copy : places[row->place].at;

		c->patches[i] = (struct patch){ at + row->off, row->width, c->raw };
		if (size == 0)
			continue;
		c->whole[i] = malloc(size);
		assert_non_null(c->whole[i]);
		memcpy(c->whole[i], image.bytes + at, size);
		memcpy(c->whole[i] + row->off, c->raw, row->width);
		image_vhdx_sum(c->whole[i], size, places[row->place].checksum);
		c->patches[i] = (struct patch){ at, size, c->whole[i] };
	}
}

/* Exercises the image with a change. */
static int exercise_row(const struct row *row, struct tranship_error *err)
{
	struct change c;
	int rc;

	make_change(row, &c);
	rc = exercise(patched_file(image.bytes, image.len, image.len, c.patches, c.count),
		      patched_file(image.bytes, image.len, image.len, c.patches, c.count), "vhdx",
		      0, err);
	free(c.whole[0]);
	free(c.whole[1]);
	return rc;
}

static void test_vhdx__one_field_wrong(void **state)
{
	struct tranship_error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		int rc = exercise_row(&rows[i], &err);

		if (rc != rows[i].code || !strstr(err.message, rows[i].piece))
			fail_msg("%s: %s, %s", rows[i].what, tranship_code_name(rc), err.message);
	}
}

static void test_vhdx__unchanged_image_is_right(void **state)
{
	struct tranship_error err;

	(void)state;
	assert_ok(exercise(file_of(image.bytes, image.len), file_of(image.bytes, image.len), NULL,
			   0, &err),
		  &err);
}

static void test_vhdx__items_and_regions_that_stand_twice(void **state)
{
	unsigned char *table = malloc(VHDX_TABLE_SIZE);
	struct patch patches[2] = { { VHDX_REGION_TABLE_1, VHDX_TABLE_SIZE, table },
				    { VHDX_REGION_TABLE_2, VHDX_TABLE_SIZE, table } };
	const unsigned char *metadata = image.bytes + IMAGE_VHDX_METADATA;
	struct patch item = { IMAGE_VHDX_METADATA + ENTRY(1), 32, metadata + ENTRY(0) };
	struct tranship_error err;

	(void)state;
	assert_non_null(table);
	memcpy(table, image.bytes + VHDX_REGION_TABLE_1, VHDX_TABLE_SIZE);
	memcpy(table + VHDX_REGION_METADATA, table + VHDX_REGION_BAT, 32);
	image_vhdx_sum(table, VHDX_TABLE_SIZE, VHDX_REGION_CHECKSUM);
	assert_fails(exercise(patched_file(image.bytes, image.len, image.len, patches, 2), NULL,
			      "vhdx", 0, &err),
		     BAD, &err, "lists the BAT twice");
	assert_fails(exercise(patched_file(image.bytes, image.len, image.len, &item, 1), NULL,
			      "vhdx", 0, &err),
		     BAD, &err, "lists the file parameters twice");
	free(table);
}

/* Unknown and not required: passed over. */
static void test_vhdx__optional_strangers(void **state)
{
	static const unsigned char no_flags[4];
	unsigned char count[2] = { 6, 0 }, entry[32] = { 1, 2, 3 };
	struct patch patches[2] = {
		{ IMAGE_VHDX_METADATA + VHDX_METADATA_COUNT, 2, count },
		{ IMAGE_VHDX_METADATA + ENTRY(5), 32, entry },
	};
	struct tranship_error err;

	(void)state;
	memcpy(entry + 24, no_flags, 4);
	assert_ok(exercise(patched_file(image.bytes, image.len, image.len, patches, 2), NULL,
			   "vhdx", 0, &err),
		  &err);
}

static void test_vhdx__wrong_checksums(void **state)
{
	static const size_t places_of[4] = { VHDX_HEADER_1, VHDX_HEADER_2, VHDX_REGION_TABLE_1,
					     VHDX_REGION_TABLE_2 };
	static const unsigned char byte = 0x77;
	struct tranship_error err;
	unsigned bent;

	(void)state;
	for (bent = 0; bent < 16; bent++) {
		bool lost = (bent & 3) == 3 || (bent & 12) == 12;
		struct patch patches[4];
		size_t count = 0, i;
		int rc;

		for (i = 0; i < 4; i++)
			if (bent & 1U << i)
				patches[count++] = (struct patch){ places_of[i] + 3000, 1, &byte };
		rc = exercise(patched_file(image.bytes, image.len, image.len, patches, count), NULL,
			      "vhdx", 0, &err);
		if (lost)
			assert_fails(rc, BAD, &err, "the checksum of the");
		else
			assert_ok(rc, &err);
		assert_ok(exercise(patched_file(image.bytes, image.len, image.len, patches, count),
				   NULL, "vhdx", TRANSHIP_OPEN_FORCE_CHECKSUM, &err),
			  &err);
	}
}

static void test_vhdx__every_length(void **state)
{
	(void)state;
	exercise_cuts(image.bytes, image.len, "vhdx", 16384);
	exercise_cuts(image.bytes, image.len, NULL, 1 << 20);
}

static void test_vhdx__bytes_of_what_is_no_data(void **state)
{
	size_t at;

	(void)state;
	exercise_flips(image.bytes, image.len, "vhdx", 0, 8);
	for (at = 0; at < 80; at += 5) {
		exercise_flips(image.bytes, image.len, "vhdx", VHDX_HEADER_1 + at,
			       VHDX_HEADER_1 + at + 1);
		exercise_flips(image.bytes, image.len, "vhdx", VHDX_REGION_TABLE_1 + at,
			       VHDX_REGION_TABLE_1 + at + 1);
	}
	exercise_flips(image.bytes, image.len, "vhdx", IMAGE_VHDX_METADATA,
		       IMAGE_VHDX_METADATA + ENTRY(5));
	exercise_flips(image.bytes, image.len, "vhdx", IMAGE_VHDX_METADATA + BLOCK_SIZE,
		       IMAGE_VHDX_METADATA + BLOCK_SIZE + 40);
	exercise_flips(image.bytes, image.len, "vhdx", IMAGE_VHDX_BAT, IMAGE_VHDX_BAT + 32);
}

/* The same behind the checksums. */
static void test_vhdx__bytes_that_a_checksum_guards(void **state)
{
	static const unsigned char values[] = { 0, 1, 0x10, 0x7F, 0x80, 0xFF };
	struct row row = { .width = 1 };
	struct tranship_error err;
	size_t i;

	(void)state;
	for (row.place = HEADERS; row.place <= REGIONS; row.place++)
		for (row.off = 8; row.off < 80; row.off++)
			for (i = 0; i < COUNT_OF(values); i++) {
				row.value = values[i];
				exercise_row(&row, &err);
			}
}

static void check_changed(const struct change *c, struct findings *f)
{
	findings_of(patched_file(image.bytes, image.len, image.len, c->patches, c->count), "vhdx",
		    f);
}

static void test_check__finds_what_is_wrong(void **state)
{
	static const struct {
		size_t off;
		uint64_t value, errors, leaks;
		const char *text;
	} cases[] = {
		{ 0, MB(4) | 6, 0, 0, NULL }, /* as it was */
		{ 8, MB(4) | 6, 1, 0, "block 1 at 4194304 overlaps another block" },
		{ 8, MB(1) | 6, 1, 0, "block 1 at 1048576 overlaps the log" },
		{ 8, MB(2) | 6, 1, 0, "block 1 at 2097152 overlaps the metadata region" },
		{ 8, MB(3) | 6, 1, 0, "block 1 at 3145728 overlaps the BAT" },
		{ 8, MB(9) | 6, 1, 0, "block 1 is said to be at 9437184, outside the file" },
		{ 8, 6, 1, 0, "block 1 is said to be at 0, outside" },
		{ 8, 4, 1, 0, "block 1 has state 4" },
		{ 8, 7, 1, 0, "block 1 has state 7" },
		{ 0, MB(4) | 6 | 8, 1, 0, "block 0 is 0x000000000040000e, with reserved bits" },
		{ 0, 0, 0, 1, "1048576 bytes at 4194304 are used by nothing" },
	};
	struct findings f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct row row = {
			.place = BAT, .off = cases[i].off, .width = 8, .value = cases[i].value
		};
		struct change c;

		make_change(&row, &c);
		check_changed(&c, &f);
		findings_match(&f, cases[i].errors, cases[i].leaks, cases[i].text);
	}
}

/* A log of no bytes stands nowhere, whatever its offset says. */
static void test_check__an_empty_log_has_no_end(void **state)
{
	struct row row = { .place = HEADERS, .off = VHDX_HEAD_LOG_LENGTH, .width = 4 };
	struct findings f;
	struct change c;
	int i;

	(void)state;
	make_change(&row, &c);
	for (i = 0; i < 2; i++) {
		put_le64(c.whole[i] + VHDX_HEAD_LOG_OFFSET, (uint64_t)0x7F << 56);
		image_vhdx_sum(c.whole[i], VHDX_HEADER_SIZE, VHDX_HEAD_CHECKSUM);
	}
	check_changed(&c, &f);
	free(c.whole[0]);
	free(c.whole[1]);
	assert_true(f.result.image_end == image.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vhdx__unchanged_image_is_right),
		cmocka_unit_test(test_vhdx__one_field_wrong),
		cmocka_unit_test(test_vhdx__items_and_regions_that_stand_twice),
		cmocka_unit_test(test_vhdx__optional_strangers),
		cmocka_unit_test(test_vhdx__wrong_checksums),
		cmocka_unit_test(test_vhdx__every_length),
		cmocka_unit_test(test_vhdx__bytes_of_what_is_no_data),
		cmocka_unit_test(test_vhdx__bytes_that_a_checksum_guards),
		cmocka_unit_test(test_check__finds_what_is_wrong),
		cmocka_unit_test(test_check__an_empty_log_has_no_end),
	};

	return cmocka_run_group_tests(tests, make_image, free_image);
}
