// SPDX-License-Identifier: Apache-2.0
/* VHDX files as their writers leave them, and as a crash does. */
#include "support.h"

#include "base/bytes.h"
#include "base/zero.h"
#include "image_vhdx.h"
#include "patched.h"

#include <stdlib.h>
#include <string.h>

static struct tranship_disk *open_patched(const struct buffer *image, const struct patch *patches,
					  size_t count, struct warnings *warnings)
{
	struct tranship_open_options open = { .warn = warnings_take, .warn_ctx = warnings };
	struct tranship_disk *disk;
	struct tranship_error err;

	*warnings = (struct warnings){ 0 };
	assert_ok(tranship_open_file(
			  patched_file(image->bytes, image->len, image->len, patches, count), &open,
			  &disk, &err),
		  &err);
	assert_string_equal(tranship_disk_format(disk), "vhdx");
	return disk;
}

/* Whether [off, off + len) of the disk is this byte throughout. */
static void assert_filled(struct tranship_disk *disk, uint64_t off, size_t len, int byte)
{
	unsigned char *got = malloc(len);
	struct tranship_error err;

	assert_non_null(got);
	assert_ok(tranship_disk_read(disk, NULL, off, got, len, &err), &err);
	assert_int_equal(got[0], byte);
	assert_memory_equal(got, got + 1, len - 1);
	free(got);
}

static void test_vhdx__every_state_of_a_block(void **state)
{
	static const unsigned states[] = { VHDX_BLOCK_NOT_PRESENT,   VHDX_BLOCK_UNDEFINED,
					   VHDX_BLOCK_ZERO,          VHDX_BLOCK_UNMAPPED,
					   VHDX_BLOCK_UNMAPPED_095,  VHDX_BLOCK_FULLY_PRESENT,
					   VHDX_BLOCK_FULLY_PRESENT, VHDX_BLOCK_NOT_PRESENT };
	static const unsigned char fill[8] = { 0, 0, 0, 0, 0, 0x55, 0x66, 0 };
	static const enum tranship_extent_kind kinds[] = { TRANSHIP_ABSENT, TRANSHIP_ZERO,
							   TRANSHIP_ZERO,   TRANSHIP_ZERO,
							   TRANSHIP_ZERO,   TRANSHIP_DATA,
							   TRANSHIP_DATA,   TRANSHIP_ABSENT };
	struct image_vhdx vhdx = image_vhdx_defaults();
	struct buffer image = { 0 };
	struct warnings warnings;
	struct tranship_disk *disk;
	struct tranship_error err;
	size_t i;

	(void)state;
	vhdx.states = states;
	vhdx.fill = fill;
	vhdx.blocks = 8;
	vhdx.disk_size = 8 * VHDX_MB - 512; /* the last block is cut */
	assert_int_equal(image_vhdx(&vhdx, &image), 0);
	disk = open_patched(&image, NULL, 0, &warnings);
	assert_int_equal(warnings.count, 0);
	assert_true(tranship_disk_size(disk) == vhdx.disk_size);
	for (i = 0; i < 8; i++) {
		struct tranship_extent extent;

		assert_ok(tranship_disk_map(disk, i * VHDX_MB, &extent, &err), &err);
		assert_int_equal(extent.kind, kinds[i]);
		assert_filled(disk, i * VHDX_MB, 100000, fill[i]);
	}
	tranship_disk_close(disk);
	assert_ok(exercise(file_of(image.bytes, image.len), file_of(image.bytes, image.len), NULL,
			   0, &err),
		  &err);
	buffer_free(&image);
}

/* What an entry that is not present says of an offset does not matter. */
static void test_vhdx__offsets_of_what_is_not_there(void **state)
{
	static const unsigned states[] = { 0, 1, 2, 3, 5 };
	struct image_vhdx vhdx = image_vhdx_defaults();
	struct buffer image = { 0 };
	struct tranship_error err;
	size_t i;

	(void)state;
	assert_int_equal(image_vhdx(&vhdx, &image), 0);
	for (i = 0; i < COUNT_OF(states); i++) {
		unsigned char entry[8];
		struct patch patch = { IMAGE_VHDX_BAT + 8, 8, entry };

		put_le64(entry, 0xFFFFFFFFFFF00000U | states[i]);
		assert_ok(exercise(patched_file(image.bytes, image.len, image.len, &patch, 1), NULL,
				   NULL, 0, &err),
			  &err);
	}
	buffer_free(&image);
}

static void test_vhdx__sectors_of_4096_bytes(void **state)
{
	struct image_vhdx vhdx = image_vhdx_defaults();
	struct buffer image = { 0 };
	struct warnings warnings;
	struct tranship_disk *disk;
	struct tranship_error err;

	(void)state;
	vhdx.logical_sector = 4096;
	assert_int_equal(image_vhdx(&vhdx, &image), 0);
	disk = open_patched(&image, NULL, 0, &warnings);
	assert_int_equal(tranship_disk_sector_size(disk), 4096);
	assert_filled(disk, 0, 1 << 20, 0xA1);
	assert_filled(disk, 1 << 20, 1 << 20, 0);
	tranship_disk_close(disk);
	buffer_free(&image);
	vhdx.disk_size += 512; /* no whole number of its sectors */
	assert_int_equal(image_vhdx(&vhdx, &image), 0);
	assert_fails(exercise(file_of(image.bytes, image.len), NULL, NULL, 0, &err),
		     TRANSHIP_ECORRUPT, &err, "whole sectors of 4096");
	buffer_free(&image);
}

/* Written by us: the disk's size becomes a whole number of its sectors. */
static void test_vhdx__writes_sectors_of_4096_bytes(void **state)
{
	const size_t size = (3 << 20) + 512;
	struct rng rng = { 4096 };
	unsigned char *content = random_disk(&rng, size), *got = malloc(size);
	struct tranship_check_result result;
	struct tranship_disk *disk;
	struct tranship_error err;

	(void)state;
	assert_non_null(got);
	assert_ok(tranship_open_file(image_of("vhdx", "logical_sector_size=4096,block_size=1M",
					      content, size, 1),
				     NULL, &disk, &err),
		  &err);
	assert_int_equal(tranship_disk_sector_size(disk), 4096);
	assert_int_equal(tranship_disk_size(disk), (3 << 20) + 4096);
	assert_ok(tranship_disk_read(disk, NULL, 0, got, size, &err), &err);
	assert_memory_equal(got, content, size);
	assert_filled(disk, size, 4096 - 512, 0);
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	assert_int_equal(result.errors + result.leaks, 0);
	tranship_disk_close(disk);
	free(content);
	free(got);
}

/*
 * Behind each 4096 payload blocks (512-byte sectors, blocks of 1 MiB) stands the entry of a bitmap
 * block. The blocks of both sides of one are there.
 */
static void test_vhdx__bitmap_entries_are_passed_over(void **state)
{
	enum { RATIO = 4096, BLOCKS = RATIO + 3 };
	unsigned *states = calloc(BLOCKS, sizeof(*states));
	unsigned char *fill = calloc(1, BLOCKS);
	struct image_vhdx vhdx = image_vhdx_defaults();
	struct buffer image = { 0 };
	struct warnings warnings;
	struct tranship_disk *disk;
	struct tranship_error err;

	(void)state;
	assert_true(states && fill);
	states[RATIO - 1] = states[RATIO] = VHDX_BLOCK_FULLY_PRESENT;
	fill[RATIO - 1] = 0x11;
	fill[RATIO] = 0x22;
	vhdx.states = states;
	vhdx.fill = fill;
	vhdx.blocks = BLOCKS;
	vhdx.disk_size = BLOCKS * VHDX_MB;
	assert_int_equal(image_vhdx(&vhdx, &image), 0);
	assert_int_equal(get_le64(image.bytes + IMAGE_VHDX_BAT + 8 * RATIO), 0);
	disk = open_patched(&image, NULL, 0, &warnings);
	assert_filled(disk, (RATIO - 2) * VHDX_MB, 1 << 20, 0);
	assert_filled(disk, (RATIO - 1) * VHDX_MB, 1 << 20, 0x11);
	assert_filled(disk, RATIO * VHDX_MB, 1 << 20, 0x22);
	assert_filled(disk, (RATIO + 1) * VHDX_MB, 1 << 20, 0);
	tranship_disk_close(disk);
	assert_ok(exercise(file_of(image.bytes, image.len), NULL, NULL, 0, &err), &err);
	buffer_free(&image);
	free(states);
	free(fill);
}

/* An image whose two headers say different things of the log, so that it shows which one counts. */
static int open_with_headers(const uint64_t sequence[2], int broken, struct tranship_error *err)
{
	struct image_vhdx vhdx = image_vhdx_defaults();
	struct buffer image = { 0 };
	unsigned char *second;
	int rc;

	memcpy(vhdx.sequence, sequence, sizeof(vhdx.sequence));
	assert_int_equal(image_vhdx(&vhdx, &image), 0);
	second = image.bytes + VHDX_HEADER_2;
	put_le64(second + VHDX_HEAD_LOG_OFFSET, 77); /* refused, if it counts */
	image_vhdx_sum(second, VHDX_HEADER_SIZE, VHDX_HEAD_CHECKSUM);
	if (broken >= 0)
		image.bytes[(broken ? VHDX_HEADER_2 : VHDX_HEADER_1) + 1000] ^= 1;
	rc = exercise(file_of(image.bytes, image.len), NULL, NULL, 0, err);
	buffer_free(&image);
	return rc;
}

static void test_vhdx__the_current_header(void **state)
{
	static const struct {
		uint64_t sequence[2];
		int broken, current;
	} cases[] = {
		{ { 1, 2 }, -1, 1 },          { { 2, 1 }, -1, 0 },
		{ { 7, 7 }, -1, 0 }, /* Disk2vhd */
		{ { 0, UINT64_MAX }, -1, 1 }, { { UINT64_MAX, 0 }, -1, 0 },
		{ { 1, 2 }, 1, 0 },           { { 2, 1 }, 0, 1 },
	};
	struct tranship_error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		int rc = open_with_headers(cases[i].sequence, cases[i].broken, &err);

		if (cases[i].current == 1)
			assert_fails(rc, TRANSHIP_ECORRUPT, &err, "the log");
		else
			assert_ok(rc, &err);
	}
}

static void test_vhdx__a_broken_region_table(void **state)
{
	static const unsigned char byte = 0x99;
	struct patch patches[2] = { { VHDX_REGION_TABLE_1 + 40000, 1, &byte },
				    { VHDX_REGION_TABLE_2 + 40000, 1, &byte } };
	struct image_vhdx vhdx = image_vhdx_defaults();
	struct buffer image = { 0 };
	struct warnings warnings;
	struct tranship_disk *disk;
	int i;

	(void)state;
	assert_int_equal(image_vhdx(&vhdx, &image), 0);
	for (i = 0; i < 2; i++) {
		disk = open_patched(&image, &patches[i], 1, &warnings);
		assert_filled(disk, 0, 4096, 0xA1);
		assert_int_equal(warnings.count, 1);
		assert_non_null(strstr(warnings.last, i == 0 ? "first" : "second"));
		tranship_disk_close(disk);
	}
	buffer_free(&image);
}

/* A new file may have one header only; in one that was written to both should be there. */
static void test_vhdx__a_broken_header(void **state)
{
	static const struct {
		uint64_t sequence[2];
		uint32_t broken;
		const char *warning;
	} cases[] = {
		{ { 3, 4 }, VHDX_HEADER_1, "the first header is damaged" },
		{ { 5, 4 }, VHDX_HEADER_2, "the second header is damaged" },
		{ { 1, 2 }, VHDX_HEADER_2, "the second header is damaged" },
	};
	static const unsigned char byte = 0x99;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct patch patch = { cases[i].broken + 1000, 1, &byte };
		struct image_vhdx vhdx = image_vhdx_defaults();
		struct buffer image = { 0 };
		struct warnings warnings;

		memcpy(vhdx.sequence, cases[i].sequence, sizeof(vhdx.sequence));
		assert_int_equal(image_vhdx(&vhdx, &image), 0);
		tranship_disk_close(open_patched(&image, &patch, 1, &warnings));
		assert_int_equal(warnings.count, 1);
		assert_non_null(strstr(warnings.last, cases[i].warning));
		buffer_free(&image);
	}
}

/* Opens an image whose current header has this log GUID and version, and whose log begins so. */
static int open_with_log(const unsigned char *guid, uint16_t version, const void *log, size_t off,
			 struct tranship_error *err)
{
	struct image_vhdx vhdx = image_vhdx_defaults();
	struct buffer image = { 0 };
	unsigned char *header;
	int rc;

	assert_int_equal(image_vhdx(&vhdx, &image), 0);
	header = image.bytes + VHDX_HEADER_2;
	memcpy(header + VHDX_HEAD_LOG_GUID, guid, 16);
	put_le16(header + VHDX_HEAD_LOG_VERSION, version);
	image_vhdx_sum(header, VHDX_HEADER_SIZE, VHDX_HEAD_CHECKSUM);
	memcpy(image.bytes + IMAGE_VHDX_LOG + off, log, 64);
	rc = exercise(file_of(image.bytes, image.len), NULL, NULL, 0, err);
	buffer_free(&image);
	return rc;
}

/* A log GUID says that there is something to replay; where that cannot be found, nothing that the
 * tables say can be believed. test_vhdx_log.c has what is found. */
static void test_vhdx__a_log_without_entries(void **state)
{
	static const unsigned char none[16], guid[16] = { 1, 2, 3 }, other[16] = { 9 };
	unsigned char entry[64] = "loge";
	struct tranship_error err;

	(void)state;
	memcpy(entry + 32, guid, 16);
	assert_ok(open_with_log(none, 0, entry, 0, &err), &err);
	assert_fails(open_with_log(guid, 0, entry, 0, &err), TRANSHIP_ECORRUPT, &err,
		     "the log has no whole sequence");
	assert_fails(open_with_log(guid, 1, entry, 0, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "log version 1");
	assert_fails(open_with_log(other, 0, entry, 0, &err), TRANSHIP_ECORRUPT, &err,
		     "the log has no whole sequence");
}

static void test_vhdx__an_empty_disk(void **state)
{
	struct image_vhdx vhdx = image_vhdx_defaults();
	struct buffer image = { 0 };
	struct tranship_error err;

	(void)state;
	vhdx.disk_size = 0;
	vhdx.blocks = 0;
	assert_int_equal(image_vhdx(&vhdx, &image), 0);
	assert_ok(exercise(file_of(image.bytes, image.len), NULL, NULL, 0, &err), &err);
	buffer_free(&image);
}

static void test_vhdx_ondisk__decodes_what_it_encodes(void **state)
{
	unsigned char *raw = malloc(VHDX_METADATA_ENCODED), *again = malloc(VHDX_METADATA_ENCODED);
	struct rng rng = { 81 };
	struct tranship_error err;
	int i;

	(void)state;
	assert_true(raw && again);
	for (i = 0; i < 50; i++) {
		struct vhdx_header h = { .sequence = rng_next(&rng),
					 .log_version = (uint16_t)rng_next(&rng),
					 .version = 1,
					 .log_length = (uint32_t)rng_next(&rng),
					 .log_offset = rng_next(&rng) };
		struct vhdx_regions r = { .bat = { (1 + rng_below(&rng, 1 << 20)) * VHDX_MB,
						   (1 + rng_below(&rng, 4095)) * VHDX_MB },
					  .metadata = { (1 + rng_below(&rng, 1 << 20)) * VHDX_MB,
							VHDX_MB } };
		struct vhdx_metadata m = { .block_size = VHDX_BLOCK_MIN << rng_below(&rng, 9),
					   .leave_blocks_allocated = i % 2,
					   .has_parent = i % 3 == 0,
					   .disk_size = rng_below(&rng, (uint64_t)1 << 34) * 4096,
					   .logical_sector = i % 2 ? 512 : 4096,
					   .physical_sector = i % 4 ? 512 : 4096 };

		rng_fill(&rng, &h.log_guid, 16);
		rng_fill(&rng, &h.data_write_guid, 16);
		rng_fill(&rng, &m.disk_id, 16);
		vhdx_header_encode(&h, raw);
		assert_ok(vhdx_header_decode(raw, false, &h, &err), &err);
		vhdx_header_encode(&h, again);
		assert_memory_equal(raw, again, VHDX_HEADER_SIZE);
		vhdx_regions_encode(&r, raw);
		assert_ok(vhdx_regions_decode(raw, false, &r, &err), &err);
		vhdx_regions_encode(&r, again);
		assert_memory_equal(raw, again, VHDX_TABLE_SIZE);
		vhdx_metadata_encode(&m, raw);
		assert_ok(vhdx_metadata_decode(raw, VHDX_METADATA_ENCODED, &m, &err), &err);
		vhdx_metadata_encode(&m, again);
		assert_memory_equal(raw, again, VHDX_METADATA_ENCODED);
	}
	free(raw);
	free(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vhdx__every_state_of_a_block),
		cmocka_unit_test(test_vhdx__offsets_of_what_is_not_there),
		cmocka_unit_test(test_vhdx__sectors_of_4096_bytes),
		cmocka_unit_test(test_vhdx__writes_sectors_of_4096_bytes),
		cmocka_unit_test(test_vhdx__bitmap_entries_are_passed_over),
		cmocka_unit_test(test_vhdx__the_current_header),
		cmocka_unit_test(test_vhdx__a_broken_region_table),
		cmocka_unit_test(test_vhdx__a_broken_header),
		cmocka_unit_test(test_vhdx__a_log_without_entries),
		cmocka_unit_test(test_vhdx__an_empty_disk),
		cmocka_unit_test(test_vhdx_ondisk__decodes_what_it_encodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
