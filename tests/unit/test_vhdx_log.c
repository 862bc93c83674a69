// SPDX-License-Identifier: Apache-2.0
/* VHDX files that were not closed cleanly: what their log says is read, and nothing else of it. */
#include "support.h"

#include "base/bytes.h"
#include "image_vhdx_log.h"
#include "patched.h"
#include "vhdx/vhdx.h"
#include "walk.h"

#include <stdlib.h>
#include <string.h>

#define BAD TRANSHIP_ECORRUPT
#define MB(n) ((uint64_t)(n) << 20)
#define BLOCK IMAGE_VHDX_BLOCKS /* where the first block stands */
#define AT(image, n) ((image)->bytes + IMAGE_VHDX_LOG + (n))

/* Three blocks: present, not present, present; the log is named and empty. */
static void make_image(struct buffer *image)
{
	static const unsigned states[] = { VHDX_BLOCK_FULLY_PRESENT, VHDX_BLOCK_NOT_PRESENT,
					   VHDX_BLOCK_FULLY_PRESENT };
	static const unsigned char fill[] = { 0xA1, 0, 0xC3 };
	struct image_vhdx vhdx = image_vhdx_defaults();

	vhdx.states = states;
	vhdx.fill = fill;
	vhdx.blocks = 3;
	vhdx.disk_size = MB(3);
	*image = (struct buffer){ 0 };
	assert_int_equal(image_vhdx(&vhdx, image), 0);
	image_log_name(image->bytes);
}

static struct tranship_disk *open_image(const struct buffer *image, struct warnings *warnings)
{
	struct tranship_open_options open = { .warn = warnings_take, .warn_ctx = warnings };
	struct tranship_disk *disk;
	struct tranship_error err;

	*warnings = (struct warnings){ 0 };
	assert_ok(tranship_open_file(file_of(image->bytes, image->len), &open, &disk, &err), &err);
	return disk;
}

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

static int exercise_image(const struct buffer *image, struct tranship_error *err)
{
	return exercise(file_of(image->bytes, image->len), file_of(image->bytes, image->len), NULL,
			0, err);
}

/* An entry that fills one sector of the first block. */
static uint32_t put_fill(struct buffer *image, uint32_t at, uint64_t sequence, uint32_t tail,
			 unsigned sector, unsigned char fill)
{
	struct image_log_write write = { .off = BLOCK + (uint64_t)sector * LOG_SECTOR,
					 .fill = fill };
	struct image_log_entry entry = { sequence, tail, image->len, image->len, &write, 1 };

	return image_log_put(image->bytes, at, &entry);
}

/* Sectors of the first block from 0 on, each filled with one byte. */
static void assert_sectors(const struct buffer *image, const unsigned char *want, size_t count)
{
	struct warnings warnings;
	struct tranship_disk *disk = open_image(image, &warnings);
	size_t i;

	for (i = 0; i < count; i++)
		assert_filled(disk, i * LOG_SECTOR, LOG_SECTOR, want[i]);
	tranship_disk_close(disk);
}

static void test_vhdx_log__is_read_as_replayed(void **state)
{
	struct buffer image;
	struct warnings warnings;
	struct tranship_disk *disk;
	struct tranship_extent extent;
	struct tranship_error err;

	(void)state;
	make_image(&image);
	assert_int_equal(image_log_usual(image.bytes, image.len), 0);
	disk = open_image(&image, &warnings);
	assert_int_equal(warnings.count, 1);
	assert_non_null(strstr(warnings.last, "2 entries that were not replayed"));
	assert_filled(disk, 0, 2 * LOG_SECTOR, 0);
	assert_filled(disk, 2 * LOG_SECTOR, LOG_SECTOR, 0x88);
	assert_filled(disk, 3 * LOG_SECTOR, (1 << 20) - 3 * LOG_SECTOR, 0xA1);
	assert_filled(disk, MB(1), 1 << 20, 0); /* behind the end of the file */
	assert_filled(disk, MB(2), 1 << 20, 0xC3);
	/* What is in the log, or nowhere, has no place in the file. */
	assert_ok(tranship_disk_map(disk, 0, &extent, &err), &err);
	assert_int_equal(extent.kind, TRANSHIP_DATA);
	assert_true(extent.len == 3 * LOG_SECTOR && extent.file_off == TRANSHIP_NO_OFFSET);
	assert_ok(tranship_disk_map(disk, 3 * LOG_SECTOR, &extent, &err), &err);
	assert_true(extent.len == MB(1) - 3 * LOG_SECTOR);
	assert_true(extent.file_off == BLOCK + 3 * LOG_SECTOR);
	assert_ok(tranship_disk_map(disk, MB(1), &extent, &err), &err);
	assert_int_equal(extent.kind, TRANSHIP_DATA);
	assert_true(extent.len == MB(1) && extent.file_off == TRANSHIP_NO_OFFSET);
	tranship_disk_close(disk);
	assert_ok(exercise_image(&image, &err), &err);
	buffer_free(&image);
}

static void test_vhdx_log__a_torn_end(void **state)
{
	static const unsigned char want[] = { 0x11, 0x22, 0xA1 };
	/* A byte of the third entry, which has two sectors: anywhere. */
	static const uint32_t torn[] = { 0, 5, 9, 60, 70, 90, 2000, 4095, 4096, 4100, 6000, 8191 };
	struct buffer image;
	size_t i;

	(void)state;
	make_image(&image);
	for (i = 0; i < COUNT_OF(torn); i++) {
		uint32_t at = put_fill(&image, 0, 5, 0, 0, 0x11);

		at = put_fill(&image, at, 6, 0, 1, 0x22);
		put_fill(&image, at, 7, 0, 2, 0x33);
		AT(&image, at)[torn[i]] ^= 0x40;
		assert_sectors(&image, want, 3);
	}
	buffer_free(&image);
}

/* A sequence that broke off in the middle, and what an earlier round of the ring left. */
static void test_vhdx_log__the_greatest_number_counts(void **state)
{
	static const unsigned char newer[] = { 0xA1, 0x22, 0x33, 0xA1 };
	static const unsigned char other[] = { 0x11, 0xA1, 0xA1, 0xA1 };
	struct buffer image;
	uint32_t at;

	(void)state;
	make_image(&image);
	put_fill(&image, 0, 0x1FFFFFFFF, 0, 0, 0x11); /* on its own */
	at = put_fill(&image, 64 << 10, 0x2FFFFFFFF, 64 << 10, 1, 0x22);
	at = put_fill(&image, at, 0x300000000, 64 << 10, 2, 0x33);
	put_fill(&image, at, 0x300000002, 64 << 10, 3, 0x44); /* one is missing before it */
	assert_sectors(&image, newer, 4);
	/* A sequence counts only if its head's tail is one of its own. */
	put_le32(AT(&image, at - 2 * LOG_SECTOR) + LOG_TAIL, 0);
	image_log_sum(image.bytes, at - 2 * LOG_SECTOR);
	assert_sectors(&image, other, 4);
	buffer_free(&image);
}

/* Entries that have another log GUID are of an earlier life of the file. */
static void test_vhdx_log__entries_of_another_life(void **state)
{
	static const unsigned char want[] = { 0x11, 0xA1 };
	struct buffer image;
	uint32_t at;

	(void)state;
	make_image(&image);
	at = put_fill(&image, 0, 5, 0, 0, 0x11);
	put_fill(&image, at, 6, 0, 1, 0x22);
	AT(&image, at)[LOG_GUID] ^= 1;
	image_log_sum(image.bytes, at);
	assert_sectors(&image, want, 2);
	buffer_free(&image);
}

/* What goes before the tail of the last entry is safely in the file. */
static void test_vhdx_log__begins_at_the_tail(void **state)
{
	static const unsigned char want[] = { 0xA1, 0x22, 0x33 };
	struct buffer image;
	uint32_t second, third;

	(void)state;
	make_image(&image);
	second = put_fill(&image, 0, 5, 0, 0, 0x11);
	third = put_fill(&image, second, 6, 0, 1, 0x22);
	put_fill(&image, third, 7, second, 2, 0x33);
	assert_sectors(&image, want, 3);
	buffer_free(&image);
}

/* Entries go round the end of the ring at each of their sectors: two of descriptors, 130 of data
 * (the last one zeros). */
static void test_vhdx_log__wraps(void **state)
{
	enum { WRITES = 131, SECTORS = 2 + WRITES - 1 };
	struct image_log_write writes[WRITES];
	unsigned char want[WRITES + 2];
	struct buffer image;
	unsigned before, i;

	(void)state;
	for (i = 0; i < WRITES; i++) {
		want[i] = (unsigned char)(i + 1);
		writes[i] = (struct image_log_write){ .off = BLOCK + (uint64_t)i * LOG_SECTOR,
						      .fill = want[i] };
	}
	writes[WRITES - 1].zeros = LOG_SECTOR;
	want[WRITES - 1] = 0;
	want[WRITES] = 0x77;
	want[WRITES + 1] = 0xA1;
	for (before = 0; before <= SECTORS + 1; before += before < 4 ? 1 : 32) {
		uint32_t start = IMAGE_VHDX_LOG_SIZE - before * LOG_SECTOR;
		struct image_log_entry entry = { 9,     start % IMAGE_VHDX_LOG_SIZE, 0, 0, writes,
						 WRITES };
		uint32_t next;

		make_image(&image);
		next = image_log_put(image.bytes, entry.tail, &entry);
		put_fill(&image, next, 10, entry.tail, WRITES, 0x77);
		assert_sectors(&image, want, WRITES + 2);
		buffer_free(&image);
	}
}

/* An entry that takes all of the ring; one without descriptors; one that is longer than it must. */
static void test_vhdx_log__odd_entries(void **state)
{
	static const unsigned char want[] = { 0x11, 0x22 }, without[] = { 0x11, 0xA1 };
	struct image_log_entry empty = { 6, 0, 0, 0, NULL, 0 };
	struct tranship_error err;
	struct buffer image;
	uint32_t at;

	(void)state;
	make_image(&image);
	at = put_fill(&image, 0, 5, 0, 0, 0x11);
	at = image_log_put(image.bytes, at, &empty);
	put_fill(&image, at, 7, 0, 1, 0x22);
	put_le32(AT(&image, at) + LOG_LENGTH, 3 * LOG_SECTOR);
	image_log_sum(image.bytes, at);
	assert_sectors(&image, want, 2);
	memcpy(AT(&image, at + 2 * LOG_SECTOR), "loge", 4); /* another entry begins in it */
	image_log_sum(image.bytes, at);
	assert_sectors(&image, without, 2);
	buffer_free(&image);
	make_image(&image);
	at = put_fill(&image, 8192, 5, 8192, 0, 0x11);
	put_le32(AT(&image, 8192) + LOG_LENGTH, IMAGE_VHDX_LOG_SIZE);
	image_log_sum(image.bytes, 8192);
	assert_sectors(&image, want, 1);
	/* Its own number plus one would follow it, if it followed itself. */
	assert_ok(exercise_image(&image, &err), &err);
	buffer_free(&image);
}

/* Region tables, metadata and BAT are read as the log leaves them. */
static void test_vhdx_log__changes_the_tables(void **state)
{
	const uint64_t items = IMAGE_VHDX_METADATA + VHDX_METADATA_ITEMS;
	unsigned char metadata[LOG_SECTOR], table[LOG_SECTOR];
	struct image_log_write writes[] = { { .off = items, .bytes = metadata },
					    { .off = VHDX_REGION_TABLE_1, .bytes = table } };
	struct image_log_entry entry = { 1, 0, 0, 0, writes, 2 };
	struct warnings warnings;
	struct tranship_disk *disk;
	struct buffer image;

	(void)state;
	make_image(&image);
	memcpy(metadata, image.bytes + items, LOG_SECTOR);
	put_le64(metadata + 8, MB(2));
	memcpy(table, image.bytes + VHDX_REGION_TABLE_1, LOG_SECTOR);
	image.bytes[VHDX_REGION_TABLE_1] = 'X'; /* torn, which the log mends */
	image_log_put(image.bytes, 0, &entry);
	disk = open_image(&image, &warnings);
	assert_true(tranship_disk_size(disk) == MB(2));
	assert_int_equal(warnings.count, 1);
	tranship_disk_close(disk);
	buffer_free(&image);
}

struct row {
	const char *what;
	size_t off, width; /* in the log */
	uint64_t value;
	int code;
	const char *piece;
};

#define NONE BAD, "no whole sequence"
#define DATA (LOG_FIRST)      /* the first descriptor */
#define ZERO (LOG_FIRST + 32) /* the second one */
#define BODY LOG_SECTOR       /* the data sector */

static const struct row rows[] = {
	{ "signature", 0, 4, 0, NONE },
	{ "no length", LOG_LENGTH, 4, 0, NONE },
	{ "half a sector", LOG_LENGTH, 4, 2 * LOG_SECTOR + 512, NONE },
	{ "a sector too few", LOG_LENGTH, 4, LOG_SECTOR, NONE },
	{ "more than the ring", LOG_LENGTH, 4, IMAGE_VHDX_LOG_SIZE + LOG_SECTOR, NONE },
	{ "the longest", LOG_LENGTH, 4, 0xFFFFF000, NONE },
	{ "a crooked tail", LOG_TAIL, 4, 1, NONE },
	{ "a tail past the ring", LOG_TAIL, 4, IMAGE_VHDX_LOG_SIZE, NONE },
	{ "a tail where nothing is", LOG_TAIL, 4, 16 * LOG_SECTOR, NONE },
	{ "a tail in itself", LOG_TAIL, 4, LOG_SECTOR, NONE },
	{ "another number", LOG_SEQUENCE, 8, 4, NONE },
	{ "no number", LOG_SEQUENCE, 8, 0, NONE },
	{ "another log", LOG_GUID, 8, 4, NONE },
	{ "a descriptor too many", LOG_DESCRIPTORS, 4, 3, NONE },
	{ "the most descriptors", LOG_DESCRIPTORS, 4, UINT32_MAX, NONE },
	{ "descriptors that fill it", LOG_DESCRIPTORS, 4, 126 + 128, NONE },
	{ "no such descriptor", DATA, 4, 0, NONE },
	{ "a descriptor of another entry", DATA + LOG_DESC_SEQUENCE, 8, 4, NONE },
	{ "zeros of another entry", ZERO + LOG_DESC_SEQUENCE, 8, 0x100000005, NONE },
	{ "no data sector", BODY, 4, 0, NONE },
	{ "the data of another entry", BODY + 4, 4, 1, NONE },
	{ "data that was torn", BODY + LOG_SECTOR - 4, 4, 4, NONE },
	{ "data of an entry", BODY, 4, 0x65676F6C, NONE },
	{ "data between sectors", DATA + LOG_DESC_OFFSET, 8, BLOCK + 512, BAD,
	  "log entry 5 writes 4096 bytes at 4194816; whole" },
	{ "data in the identifier", DATA + LOG_DESC_OFFSET, 8, 0, BAD, "in the headers" },
	{ "data in a header", DATA + LOG_DESC_OFFSET, 8, VHDX_HEADER_2, BAD, "in the headers" },
	{ "data in the log", DATA + LOG_DESC_OFFSET, 8, IMAGE_VHDX_LOG, BAD, "or the log" },
	{ "data at 128 TiB", DATA + LOG_DESC_OFFSET, 8, (uint64_t)1 << 47, BAD, "below 128 TiB" },
	{ "data at the end of all", DATA + LOG_DESC_OFFSET, 8, UINT64_MAX - 4095, BAD, "below" },
	{ "zeros between sectors", ZERO + LOG_DESC_OFFSET, 8, BLOCK + 1, BAD, "whole sectors" },
	{ "zeros of a byte", ZERO + LOG_DESC_LENGTH, 8, 1, BAD, "writes 1 bytes" },
	{ "the most zeros", ZERO + LOG_DESC_LENGTH, 8, UINT64_MAX - 4095, BAD, "below 128 TiB" },
	{ "zeros over the log", ZERO + LOG_DESC_OFFSET, 8, MB(2) - LOG_SECTOR, BAD, "the log" },
	{ "a file that was longer", LOG_FLUSHED, 8, MB(6) + 1, BAD, "the file was cut" },
	{ "a file too long", LOG_LAST, 8, ((uint64_t)1 << 47) + 1, BAD, "more than 128 TiB" },
	{ "the longest file", LOG_LAST, 8, UINT64_MAX, BAD, "more than 128 TiB" },
	{ "a long file", LOG_LAST, 8, (uint64_t)1 << 40, 0, "" },
	{ "no zeros", ZERO + LOG_DESC_LENGTH, 8, 0, 0, "" },
	{ "zeros past the end", ZERO + LOG_DESC_LENGTH, 8, (uint64_t)1 << 40, 0, "" },
};

static void make_hostile(struct buffer *image)
{
	static const struct image_log_write writes[] = {
		{ .off = BLOCK, .fill = 0x55 }, { .off = MB(5), .zeros = 2 * LOG_SECTOR }
	};
	struct image_log_entry entry = { 5, 0, MB(6), MB(6), writes, 2 };

	make_image(image);
	assert_true(image->len == MB(6));
	image_log_put(image->bytes, 0, &entry);
}

static void test_vhdx_log__one_field_wrong(void **state)
{
	struct tranship_error err = { 0 };
	struct buffer image;
	size_t i;

	(void)state;
	make_hostile(&image);
	assert_ok(exercise_image(&image, &err), &err);
	for (i = 0; i < COUNT_OF(rows); i++) {
		unsigned char old[8], value[8], sum[4];
		int rc;

		memcpy(old, AT(&image, rows[i].off), 8);
		memcpy(sum, AT(&image, LOG_CHECKSUM), 4);
		put_le64(value, rows[i].value);
		memcpy(AT(&image, rows[i].off), value, rows[i].width);
		image_log_sum(image.bytes, 0);
		err.message[0] = '\0';
		rc = exercise_image(&image, &err);
		if (rc != rows[i].code || !strstr(err.message, rows[i].piece))
			fail_msg("%s: %s, %s", rows[i].what, tranship_code_name(rc), err.message);
		memcpy(AT(&image, rows[i].off), old, 8);
		memcpy(AT(&image, LOG_CHECKSUM), sum, 4);
	}
	buffer_free(&image);
}

/* Every byte of the entry's header and descriptors, behind its checksum. */
static void test_vhdx_log__every_byte(void **state)
{
	static const unsigned char bits[] = { 1, 0x80, 0xFF };
	struct tranship_error err;
	struct buffer image;
	size_t at, i;

	(void)state;
	make_hostile(&image);
	for (at = 8; at < LOG_FIRST + 64; at++)
		for (i = 0; i < COUNT_OF(bits); i++) {
			AT(&image, at)[0] ^= bits[i];
			image_log_sum(image.bytes, 0);
			exercise_image(&image, &err);
			AT(&image, at)[0] ^= bits[i];
		}
	buffer_free(&image);
}

static void test_vhdx_log__headers(void **state)
{
	static const struct {
		size_t off, width;
		uint64_t value, size; /* of the file, 0: as it is */
		int code;
		const char *piece;
	} cases[] = {
		{ VHDX_HEAD_LOG_VERSION, 2, 1, 0, TRANSHIP_EUNSUPPORTED, "log version 1" },
		{ VHDX_HEAD_LOG_LENGTH, 4, 0, 0, BAD, "its length is 0" },
		{ VHDX_HEAD_LOG_LENGTH, 4, MB(65), MB(80), TRANSHIP_ELIMIT, "at most 67108864" },
		{ VHDX_HEAD_LOG_LENGTH, 4, MB(64), MB(80), BAD, "in the headers or the log" },
		{ VHDX_HEAD_LOG_LENGTH, 4, MB(64), 0, BAD, "is not in whole MiB inside" },
		{ VHDX_HEAD_LOG_OFFSET, 8, MB(4), 0, BAD, "no whole sequence" },
		{ VHDX_HEAD_LOG_GUID, 8, 1, 0, BAD, "no whole sequence" },
	};
	struct tranship_error err;
	struct buffer image;
	size_t i;

	(void)state;
	make_hostile(&image);
	for (i = 0; i < COUNT_OF(cases); i++) {
		unsigned char header[VHDX_HEADER_SIZE], value[8];
		struct patch patch = { VHDX_HEADER_2, sizeof(header), header };
		uint64_t size = cases[i].size ? cases[i].size : image.len;
		struct tranship_file *file;
		struct tranship_disk *disk;

		memcpy(header, image.bytes + VHDX_HEADER_2, sizeof(header));
		put_le64(value, cases[i].value);
		memcpy(header + cases[i].off, value, cases[i].width);
		image_vhdx_sum(header, sizeof(header), VHDX_HEAD_CHECKSUM);
		file = patched_file(image.bytes, image.len, size, &patch, 1);
		assert_non_null(file);
		assert_fails(tranship_open_file(file, NULL, &disk, &err), cases[i].code, &err,
			     cases[i].piece);
		tranship_file_close(file);
	}
	buffer_free(&image);
}

/* Random entries over the first and third block, and a model of them. */
static void put_random(struct buffer *image, struct rng *rng, unsigned char *model)
{
	uint32_t at = (uint32_t)rng_below(rng, 256) * LOG_SECTOR, tail = at;
	unsigned n, i, entries = 1 + (unsigned)rng_below(rng, 12);

	for (n = 0; n < entries; n++) {
		struct image_log_write writes[8] = { { 0 } };
		struct image_log_entry entry = { 100 + n, tail, 0, 0, writes, 0 };

		entry.count = rng_below(rng, COUNT_OF(writes) + 1);
		for (i = 0; i < entry.count; i++) {
			uint64_t sector = rng_below(rng, 24);

			writes[i].off = BLOCK + MB(1) - 12 * LOG_SECTOR + sector * LOG_SECTOR;
			writes[i].fill = (unsigned char)(1 + rng_below(rng, 255));
			writes[i].zeros = rng_below(rng, 2) * (1 + rng_below(rng, 9)) * LOG_SECTOR;
			memset(model + writes[i].off, writes[i].zeros ? 0 : writes[i].fill,
			       writes[i].zeros ? writes[i].zeros : LOG_SECTOR);
		}
		at = image_log_put(image->bytes, at, &entry);
	}
}

/* The view is what the entries say, read in any pieces; the replay makes the same bytes. */
static void check_model(const struct buffer *image, const unsigned char *model, struct rng *rng)
{
	struct warnings warnings;
	struct tranship_disk *disk = open_image(image, &warnings);
	struct vhdx_disk *vhdx = vhdx_of(disk);
	struct tranship_file *file = file_of(image->bytes, image->len);
	unsigned char *got = malloc(image->len);
	struct tranship_error err;
	int i;

	assert_non_null(got);
	for (i = 0; i < 30; i++) {
		uint64_t off = BLOCK + MB(1) - 14 * LOG_SECTOR + rng_below(rng, 20 * LOG_SECTOR);
		size_t len = (size_t)rng_below(rng, 14 * LOG_SECTOR);

		assert_ok(tranship_file_read(vhdx->file, off, got, len, &err), &err);
		assert_memory_equal(got, model + off, len);
	}
	assert_ok(vhdx_log_replay_to(vhdx, file, file_write, &err), &err);
	assert_true(tranship_file_size(file) == image->len);
	assert_ok(tranship_file_read(file, 0, got, image->len, &err), &err);
	assert_memory_equal(got + BLOCK, model + BLOCK, image->len - BLOCK);
	tranship_file_close(file);
	tranship_disk_close(disk);
	free(got);
}

static void test_vhdx_log__random_entries(void **state)
{
	struct rng rng = { 2024 };
	struct tranship_error err;
	int i;

	(void)state;
	for (i = 0; i < 60; i++) {
		struct buffer image;
		unsigned char *model;

		make_image(&image);
		model = malloc(image.len);
		assert_non_null(model);
		memcpy(model, image.bytes, image.len);
		put_random(&image, &rng, model);
		check_model(&image, model, &rng);
		if (i % 10 == 0)
			assert_ok(exercise_image(&image, &err), &err);
		free(model);
		buffer_free(&image);
	}
}

/* Replayed, and its header told so, the file is clean and reads as it did. */
static void test_vhdx_log__replayed_to_a_file(void **state)
{
	struct tranship_check_result result;
	struct tranship_file *file;
	struct tranship_disk *disk;
	struct warnings warnings;
	struct tranship_error err;
	struct buffer image;
	unsigned char header[VHDX_HEADER_SIZE], *before = malloc(MB(3)), *after = malloc(MB(3));

	(void)state;
	assert_true(before && after);
	make_image(&image);
	assert_int_equal(image_log_usual(image.bytes, image.len), 0);
	file = file_of(image.bytes, image.len);
	disk = open_image(&image, &warnings);
	assert_ok(tranship_disk_read(disk, NULL, 0, before, MB(3), &err), &err);
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	assert_int_equal(result.errors, 1); /* the log itself */
	assert_int_equal(result.allocated, 3);
	assert_ok(vhdx_log_replay_to(vhdx_of(disk), file, file_write, &err), &err);
	assert_true(tranship_file_size(file) == image.len + MB(1));
	memcpy(header, image.bytes + VHDX_HEADER_2, sizeof(header));
	memset(header + VHDX_HEAD_LOG_GUID, 0, 16);
	image_vhdx_sum(header, sizeof(header), VHDX_HEAD_CHECKSUM);
	assert_ok(file_write(file, VHDX_HEADER_2, header, sizeof(header), &err), &err);
	tranship_disk_close(disk);

	warnings = (struct warnings){ 0 };
	assert_ok(tranship_open_file(file,
				     &(struct tranship_open_options){ .warn = warnings_take,
								      .warn_ctx = &warnings },
				     &disk, &err),
		  &err);
	assert_int_equal(warnings.count, 0);
	assert_null(vhdx_of(disk)->log);
	assert_ok(vhdx_log_replay_to(vhdx_of(disk), file, file_write, &err),
		  &err); /* nothing to do */
	assert_ok(tranship_disk_read(disk, NULL, 0, after, MB(3), &err), &err);
	assert_memory_equal(before, after, MB(3));
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	assert_int_equal(result.errors + result.leaks, 0);
	tranship_disk_close(disk);
	buffer_free(&image);
	free(before);
	free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vhdx_log__is_read_as_replayed),
		cmocka_unit_test(test_vhdx_log__a_torn_end),
		cmocka_unit_test(test_vhdx_log__the_greatest_number_counts),
		cmocka_unit_test(test_vhdx_log__entries_of_another_life),
		cmocka_unit_test(test_vhdx_log__begins_at_the_tail),
		cmocka_unit_test(test_vhdx_log__wraps),
		cmocka_unit_test(test_vhdx_log__odd_entries),
		cmocka_unit_test(test_vhdx_log__changes_the_tables),
		cmocka_unit_test(test_vhdx_log__one_field_wrong),
		cmocka_unit_test(test_vhdx_log__every_byte),
		cmocka_unit_test(test_vhdx_log__headers),
		cmocka_unit_test(test_vhdx_log__random_entries),
		cmocka_unit_test(test_vhdx_log__replayed_to_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
