// SPDX-License-Identifier: Apache-2.0
/* Differencing VHDX files: what they say of their parent, and what of the disk they hold. */
#include "support.h"

#include "base/bytes.h"
#include "core/disk.h"
#include "faulty.h"
#include "heap.h"
#include "image_vhdx_log.h"
#include "patched.h"
#include "vhdx/vhdx_locator_ondisk.h"

#include <stdlib.h>
#include <string.h>

#define BAD TRANSHIP_ECORRUPT
#define LAYER TRANSHIP_OPEN_LAYER
#define MB(n) ((uint64_t)(n) << 20)
#define LINKAGE "11223344-5566-7788-99aa-bbccddeeff00"

/* A child with these blocks. */
static struct image_vhdx child(const unsigned *states, const unsigned char *bits, size_t blocks)
{
	static unsigned char fill[8] = { 0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7 };
	struct image_vhdx vhdx = image_vhdx_defaults();

	vhdx.has_parent = true;
	vhdx.locator = image_vhdx_locator;
	vhdx.locator_pairs = COUNT_OF(image_vhdx_locator);
	vhdx.states = states;
	vhdx.bits = bits;
	vhdx.fill = fill;
	vhdx.blocks = blocks;
	vhdx.disk_size = blocks * (uint64_t)vhdx.block_size;
	memset(vhdx.data_write_guid.bytes, 0xD0, 16);
	return vhdx;
}

static const unsigned usual_states[] = { VHDX_BLOCK_PARTIALLY_PRESENT, VHDX_BLOCK_NOT_PRESENT,
					 VHDX_BLOCK_FULLY_PRESENT, VHDX_BLOCK_ZERO };
static const unsigned char usual_bits[] = { 0x0F, 0, 0, 0 };

static void make_usual(struct buffer *image)
{
	struct image_vhdx vhdx = child(usual_states, usual_bits, 4);

	*image = (struct buffer){ 0 };
	assert_int_equal(image_vhdx(&vhdx, image), 0);
}

static struct tranship_disk *open_layer(const struct buffer *image)
{
	struct tranship_open_options open = { .flags = LAYER };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open_file(file_of(image->bytes, image->len), &open, &disk, &err), &err);
	return disk;
}

static int exercise_layer(const struct buffer *image, struct tranship_error *err)
{
	return exercise(file_of(image->bytes, image->len), file_of(image->bytes, image->len), NULL,
			LAYER, err);
}

/* The extent at off is so long and of this kind; its bytes are this one. */
static void assert_extent(struct tranship_disk *disk, uint64_t off, uint64_t len,
			  enum tranship_extent_kind kind, unsigned char byte)
{
	struct tranship_extent extent;
	struct tranship_error err;
	unsigned char first, last;

	assert_ok(tranship_disk_map(disk, off, &extent, &err), &err);
	assert_int_equal(extent.kind, kind);
	assert_int_equal(extent.len, len);
	assert_true((extent.file_off == TRANSHIP_NO_OFFSET) == (kind != TRANSHIP_DATA));
	assert_ok(tranship_disk_read(disk, NULL, off, &first, 1, &err), &err);
	assert_ok(tranship_disk_read(disk, NULL, off + len - 1, &last, 1, &err), &err);
	assert_int_equal(first, byte);
	assert_int_equal(last, byte);
}

static void test_child__says_what_it_needs(void **state)
{
	static const char *const hints[] = { ".\\parent.vhdx",
					     "\\\\?\\Volume{5e0bd954}\\disks\\parent.vhdx",
					     "C:\\disks\\parent.vhdx" };
	struct tranship_disk *disk;
	struct buffer image;
	size_t i;

	(void)state;
	make_usual(&image);
	disk = open_layer(&image);
	assert_string_equal(disk->identity, "d0d0d0d0-d0d0-d0d0-d0d0-d0d0d0d0d0d0");
	assert_non_null(disk->parent);
	assert_string_equal(disk->parent->ids[0], LINKAGE);
	assert_null(disk->parent->ids[1]);
	assert_int_equal(disk->parent->hint_count, 3);
	for (i = 0; i < 3; i++)
		assert_string_equal(disk->parent->hints[i], hints[i]);
	tranship_disk_close(disk);
	buffer_free(&image);
}

static void test_child__an_identity_without_a_parent(void **state)
{
	struct image_vhdx vhdx = image_vhdx_defaults();
	struct buffer image = { 0 };
	struct tranship_disk *disk;

	(void)state;
	vhdx.data_write_guid.bytes[0] = 0xAB;
	assert_int_equal(image_vhdx(&vhdx, &image), 0);
	disk = open_layer(&image);
	assert_string_equal(disk->identity, "000000ab-0000-0000-0000-000000000000");
	assert_null(disk->parent);
	tranship_disk_close(disk);
	buffer_free(&image);
}

static void test_child__extents(void **state)
{
	struct tranship_disk *disk;
	struct tranship_error err;
	struct buffer image;

	(void)state;
	make_usual(&image);
	disk = open_layer(&image);
	assert_extent(disk, 0, 2048, TRANSHIP_DATA, 0xA0); /* the lowest bit first */
	assert_extent(disk, 100, 1948, TRANSHIP_DATA, 0xA0);
	assert_extent(disk, 2048, 2048, TRANSHIP_ABSENT, 0);
	assert_extent(disk, 4096, 2048, TRANSHIP_DATA, 0xA0);
	assert_extent(disk, MB(1) - 2048, 2048, TRANSHIP_ABSENT, 0); /* not past the block */
	assert_extent(disk, MB(1), MB(1), TRANSHIP_ABSENT, 0);
	assert_extent(disk, MB(2), MB(1), TRANSHIP_DATA, 0xA2);
	assert_extent(disk, MB(3), MB(1), TRANSHIP_ZERO, 0);
	tranship_disk_close(disk);
	assert_ok(exercise_layer(&image, &err), &err);
	buffer_free(&image);
}

/* A block that is partly there does not continue the one before it, wherever it stands. */
static void test_child__neighbours_in_the_file(void **state)
{
	static const unsigned states[] = { VHDX_BLOCK_PARTIALLY_PRESENT, VHDX_BLOCK_FULLY_PRESENT,
					   VHDX_BLOCK_PARTIALLY_PRESENT };
	static const unsigned char bits[] = { 0xFF, 0, 0x01 };
	struct image_vhdx vhdx = child(states, bits, 3);
	struct buffer image = { 0 };
	struct tranship_disk *disk;

	(void)state;
	assert_int_equal(image_vhdx(&vhdx, &image), 0);
	disk = open_layer(&image);
	assert_extent(disk, 0, MB(1), TRANSHIP_DATA, 0xA0);
	assert_extent(disk, MB(1), MB(1), TRANSHIP_DATA, 0xA1);
	assert_extent(disk, MB(2), 512, TRANSHIP_DATA, 0xA2);
	assert_extent(disk, MB(2) + 512, 7 * 512, TRANSHIP_ABSENT, 0);
	tranship_disk_close(disk);
	buffer_free(&image);
}

/* Runs that are longer than what is read of a bitmap at once, with one sector that is different. */
static void test_child__long_runs(void **state)
{
	static const unsigned states[] = { VHDX_BLOCK_PARTIALLY_PRESENT,
					   VHDX_BLOCK_PARTIALLY_PRESENT };
	static const unsigned char bits[] = { 0xFF, 0x00 };
	const uint64_t block = MB(4), odd = 6001; /* the sector */
	struct image_vhdx vhdx = child(states, bits, 2);
	struct buffer image = { 0 };
	struct tranship_disk *disk;
	struct tranship_error err;

	(void)state;
	vhdx.block_size = (uint32_t)block;
	vhdx.disk_size = 2 * block - 1536;
	assert_int_equal(image_vhdx(&vhdx, &image), 0);
	disk = open_layer(&image);
	assert_extent(disk, 0, block, TRANSHIP_DATA, 0xA0);
	assert_extent(disk, block, block - 1536, TRANSHIP_ABSENT, 0);
	tranship_disk_close(disk);
	image.bytes[IMAGE_VHDX_BLOCKS + odd / 8] ^= 1U << odd % 8;
	image.bytes[IMAGE_VHDX_BLOCKS + 1024 + odd / 8] ^= 1U << odd % 8;
	disk = open_layer(&image);
	assert_extent(disk, 0, odd * 512, TRANSHIP_DATA, 0xA0);
	assert_extent(disk, odd * 512, 512, TRANSHIP_ABSENT, 0);
	assert_extent(disk, (odd + 1) * 512, block - (odd + 1) * 512, TRANSHIP_DATA, 0xA0);
	assert_extent(disk, block, odd * 512, TRANSHIP_ABSENT, 0);
	assert_extent(disk, block + odd * 512 + 1, 511, TRANSHIP_DATA, 0xA1);
	tranship_disk_close(disk);
	assert_ok(exercise_layer(&image, &err), &err);
	buffer_free(&image);
}

static void test_child__sectors_of_4096_bytes(void **state)
{
	struct image_vhdx vhdx = child(usual_states, usual_bits, 4);
	struct buffer image = { 0 };
	struct tranship_disk *disk;
	struct tranship_error err;

	(void)state;
	vhdx.logical_sector = 4096;
	assert_int_equal(image_vhdx(&vhdx, &image), 0);
	disk = open_layer(&image);
	assert_int_equal(tranship_disk_sector_size(disk), 4096);
	assert_extent(disk, 0, 4 * 4096, TRANSHIP_DATA, 0xA0);
	assert_extent(disk, 4 * 4096, 4 * 4096, TRANSHIP_ABSENT, 0);
	tranship_disk_close(disk);
	assert_ok(exercise_layer(&image, &err), &err);
	buffer_free(&image);
}

static void check_patched(const struct buffer *image, size_t off, uint64_t value,
			  struct tranship_check_result *result)
{
	struct tranship_open_options open = { .flags = LAYER };
	unsigned char raw[8];
	struct patch patch = { IMAGE_VHDX_BAT + off, 8, raw };
	struct tranship_disk *disk;
	struct tranship_error err;

	put_le64(raw, value);
	assert_ok(tranship_open_file(patched_file(image->bytes, image->len, image->len, &patch, 1),
				     &open, &disk, &err),
		  &err);
	assert_ok(tranship_check(disk, NULL, NULL, result, &err), &err);
	tranship_disk_close(disk);
}

/* Each chunk (of 4096 blocks here) has its own bitmap, the last one, which is not full, too. */
static void test_child__the_second_chunk(void **state)
{
	enum { RATIO = 4096, BLOCKS = RATIO + 2 };
	unsigned *states = calloc(BLOCKS, sizeof(*states));
	unsigned char *bits = calloc(1, BLOCKS), *fill = calloc(1, BLOCKS);
	struct image_vhdx vhdx = child(states, bits, BLOCKS);
	struct tranship_check_result result;
	struct buffer image = { 0 };
	struct tranship_disk *disk;
	struct tranship_error err;

	(void)state;
	assert_true(states && bits && fill);
	vhdx.fill = fill;
	states[RATIO - 1] = states[RATIO + 1] = VHDX_BLOCK_PARTIALLY_PRESENT;
	bits[RATIO - 1] = 0xF0;
	bits[RATIO + 1] = 0x03;
	fill[RATIO - 1] = 0x11;
	fill[RATIO + 1] = 0x22;
	assert_int_equal(image_vhdx(&vhdx, &image), 0);
	disk = open_layer(&image);
	assert_extent(disk, MB(RATIO - 1), 2048, TRANSHIP_ABSENT, 0);
	assert_extent(disk, MB(RATIO - 1) + 2048, 2048, TRANSHIP_DATA, 0x11);
	assert_extent(disk, MB(RATIO), MB(1), TRANSHIP_ABSENT, 0);
	assert_extent(disk, MB(RATIO + 1), 1024, TRANSHIP_DATA, 0x22);
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	assert_int_equal(result.errors + result.leaks, 0);
	assert_true(result.image_end == image.len);
	tranship_disk_close(disk);
	/* A chunk without such blocks needs no bitmap. */
	put_le64(image.bytes + IMAGE_VHDX_BAT + 8 * (RATIO + 2), 0);
	check_patched(&image, 8 * (2 * RATIO + 1), 0, &result);
	assert_int_equal(result.errors, 0);
	buffer_free(&image);
	free(states);
	free(bits);
	free(fill);
}

#define BITMAP_ENTRY (8 * 4096) /* in the BAT */

static void test_child__bitmaps_that_are_wrong(void **state)
{
	static const struct {
		size_t off;
		uint64_t value;
		const char *piece; /* NULL: it reads */
		uint64_t errors, leaks;
	} cases[] = {
		{ BITMAP_ENTRY, MB(4) | 6, NULL, 0, 0 }, /* as it was */
		{ BITMAP_ENTRY, MB(4), "block 0 is partially present, but the sector bitmap", 1,
		  1 },
		{ BITMAP_ENTRY, MB(4) | 1, "(BAT entry 4096) has state 1", 1, 1 },
		{ BITMAP_ENTRY, MB(4) | 7, "has state 7", 1, 1 },
		{ BITMAP_ENTRY, MB(0) | 6, "is said to be at 0", 1, 1 },
		{ BITMAP_ENTRY, MB(7) | 6, "outside the file (7340032 bytes)", 1, 1 },
		{ BITMAP_ENTRY, (UINT64_MAX << 20) | 6, "outside the file", 1, 1 },
		{ BITMAP_ENTRY, MB(5) | 6, NULL, 1, 1 }, /* over a block */
		{ 0, MB(5) | 4, "has state 4, which a disk with a parent cannot have", 1, 1 },
		{ 0, MB(7) | 7, "block 0 is said to be at 7340032", 1, 1 },
		{ 0, 0, NULL, 0, 1 },           /* the bitmap stays: that is no fault */
		{ 8, MB(6) | 7, NULL, 1, 0 },   /* two blocks in one place */
		{ 800, MB(4) | 7, NULL, 0, 0 }, /* behind the last block */
	};
	struct tranship_check_result result;
	struct tranship_error err;
	struct buffer image;
	size_t i;

	(void)state;
	make_usual(&image);
	for (i = 0; i < COUNT_OF(cases); i++) {
		unsigned char raw[8];
		struct patch patch = { IMAGE_VHDX_BAT + cases[i].off, 8, raw };
		int rc;

		put_le64(raw, cases[i].value);
		rc = exercise(patched_file(image.bytes, image.len, image.len, &patch, 1), NULL,
			      NULL, LAYER, &err);
		if (cases[i].piece)
			assert_fails(rc, BAD, &err, cases[i].piece);
		else
			assert_ok(rc, &err);
		check_patched(&image, cases[i].off, cases[i].value, &result);
		if (result.errors != cases[i].errors || result.leaks != cases[i].leaks)
			fail_msg("case %zu: %llu errors, %llu leaks", i,
				 (unsigned long long)result.errors,
				 (unsigned long long)result.leaks);
	}
	buffer_free(&image);
}

/* The last chunk of a child is a whole one: 512 GiB in blocks of 1 MiB need 128 * 4097 entries. */
static void test_child__a_table_too_short(void **state)
{
	struct tranship_error err;
	unsigned char size[8];
	struct patch patch = { IMAGE_VHDX_METADATA + VHDX_METADATA_ITEMS + 8, 8, size };
	struct buffer image;

	(void)state;
	make_usual(&image);
	put_le64(size, (uint64_t)127 << 32 | 512); /* 31 whole chunks and a bit fill a MiB */
	assert_fails(exercise(patched_file(image.bytes, image.len, image.len, &patch, 1), NULL,
			      NULL, LAYER, &err),
		     BAD, &err, "is too short, the disk needs 4195328");
	put_le64(size, (uint64_t)31 << 32);
	assert_ok(exercise(patched_file(image.bytes, image.len, image.len, &patch, 1), NULL, NULL,
			   LAYER, &err),
		  &err);
	put_le64(size, ((uint64_t)31 << 32) + 512);
	assert_fails(exercise(patched_file(image.bytes, image.len, image.len, &patch, 1), NULL,
			      NULL, LAYER, &err),
		     BAD, &err, "is too short");
	buffer_free(&image);
}

/* A bitmap is one of the things that a log changes. */
static void test_child__with_a_log(void **state)
{
	const uint64_t bitmap = IMAGE_VHDX_BLOCKS;
	struct image_log_write write = { .off = bitmap, .fill = 0x01 };
	struct image_log_entry entry = { 3, 0, 0, 0, &write, 1 };
	struct tranship_disk *disk;
	struct tranship_error err;
	struct buffer image;

	(void)state;
	make_usual(&image);
	image_log_put(image.bytes, 0, &entry);
	image_log_name(image.bytes);
	disk = open_layer(&image);
	assert_extent(disk, 0, 512, TRANSHIP_DATA, 0xA0);
	assert_extent(disk, 512, 7 * 512, TRANSHIP_ABSENT, 0);
	tranship_disk_close(disk);
	assert_ok(exercise_layer(&image, &err), &err);
	buffer_free(&image);
}

/* Opens a child whose log is dirty and reads it, with the nth allocation or read failing. */
static int use_dirty(const struct buffer *image, unsigned long allocation, struct faults *faults,
		     struct heap_seen *seen, struct tranship_error *err)
{
	static unsigned char back[1 << 20];
	struct tranship_open_options open = { .flags = LAYER };
	struct tranship_file *file = patched_file(image->bytes, image->len, image->len, NULL, 0);
	struct tranship_disk *disk = NULL;
	int rc;

	assert_non_null(file);
	file = faulty_over(file, faults);
	assert_non_null(file);
	heap_watch(allocation, false);
	rc = tranship_open_file(file, &open, &disk, err);
	if (rc == 0)
		rc = tranship_disk_read(disk, NULL, 0, back, sizeof(back), err);
	*seen = heap_unwatch();
	assert_true(rc == 0 || err->code == rc);
	if (!disk) {
		assert_true(!HEAP_WATCHED || seen->held == 0);
		tranship_file_close(file);
	}
	tranship_disk_close(disk);
	return rc;
}

static void test_child__everything_fails_once(void **state)
{
	struct image_log_write writes[] = { { .off = IMAGE_VHDX_BLOCKS, .fill = 0x0F },
					    { .off = IMAGE_VHDX_BLOCKS + MB(1), .zeros = 8192 } };
	struct image_log_entry entry = { 3, 0, 0, 0, writes, 2 };
	struct heap_seen seen = { .failed = true };
	struct tranship_error err;
	struct buffer image;
	unsigned n;

	(void)state;
	make_usual(&image);
	image_log_put(image.bytes, 0, &entry);
	image_log_name(image.bytes);
	for (n = 1; HEAP_WATCHED && seen.failed; n++) {
		struct faults none = { 0 };
		int rc = use_dirty(&image, n, &none, &seen, &err);

		assert_int_equal(rc, seen.failed ? TRANSHIP_ENOMEM : 0);
	}
	assert_true(!HEAP_WATCHED || n > 15);
	for (n = 1;; n++) {
		struct faults faults = { .fail_read = n };
		int rc = use_dirty(&image, 0, &faults, &seen, &err);

		if (!faults.failed) {
			assert_ok(rc, &err);
			break;
		}
		assert_fails(rc, TRANSHIP_EIO, &err, FAULT_MESSAGE);
	}
	assert_true(n > 8);
	buffer_free(&image);
}

#define FULL "{" LINKAGE "}"
#define UPPER "{11223344-5566-7788-99AA-BBCCDDEEFF00}"

static void test_locator__linkage(void **state)
{
	static const struct {
		const char *linkage, *linkage2, *want, *want2; /* NULL: it is refused */
	} cases[] = {
		{ FULL, NULL, LINKAGE, "" },
		{ UPPER, NULL, LINKAGE, "" },
		{ LINKAGE, UPPER, LINKAGE, LINKAGE },
		{ FULL, "{00000000-0000-0000-0000-000000000000}", LINKAGE, "" },
		{ "", NULL, NULL, NULL },
		{ "{" LINKAGE, NULL, NULL, NULL },
		{ LINKAGE "}", NULL, NULL, NULL },
		{ "{" LINKAGE "}}", NULL, NULL, NULL },
		{ "{11223344-5566-7788-99aa-bbccddeeff0g}", NULL, NULL, NULL },
		{ "{112233440-566-7788-99aa-bbccddeeff00}", NULL, NULL, NULL },
		{ "{11223344-5566-7788-99aa-bbccddeeff-0}", NULL, NULL, NULL },
		{ FULL, "nothing\n", NULL, NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct image_vhdx_pair pairs[] = { { "parent_linkage", cases[i].linkage },
						   { "parent_linkage2", cases[i].linkage2 } };
		struct vhdx_locator locator;
		struct buffer raw = { 0 };
		struct tranship_error err;
		int rc;

		assert_int_equal(image_vhdx_locate(pairs, cases[i].linkage2 ? 2 : 1, &raw), 0);
		rc = vhdx_locator_decode(raw.bytes, raw.len, &locator, &err);
		if (cases[i].want) {
			assert_ok(rc, &err);
			assert_string_equal(locator.linkage, cases[i].want);
			assert_string_equal(locator.linkage2, cases[i].want2);
		} else {
			assert_fails(rc, BAD, &err, "is no GUID");
		}
		buffer_free(&raw);
	}
}

static void test_locator__one_field_wrong(void **state)
{
	static const struct {
		const char *what;
		size_t off, width;
		uint64_t value;
		int code;
		const char *piece;
	} cases[] = {
		{ "type", 0, 1, 0, TRANSHIP_EUNSUPPORTED, "type b04aef00-d19e-4a81" },
		{ "no entries", 18, 2, 0, BAD, "lacks parent_linkage" },
		{ "without linkage", 18, 2, 1, BAD, "lacks parent_linkage" },
		{ "too many", 18, 2, 0xFFFF, BAD, "has 65535 entries" },
		{ "a key far off", 20, 4, UINT32_MAX, BAD, "entry 0 of the parent locator" },
		{ "a value far off", 24, 4, 0x80000000, BAD, "a value of" },
		{ "half a unit", 28, 2, 3, BAD, "a key of 3 bytes" },
		{ "half a unit of value", 30, 2, 5, BAD, "a value of 5 bytes" },
		{ "a long key", 28, 2, 0xFFFE, BAD, "a key of 65534 bytes" },
		{ "a long value", 30, 2, 0xFFFE, BAD, "a value of 65534 bytes" },
		{ "linkage of nothing", 42, 2, 0, BAD, "is no GUID" },
	};
	const struct image_vhdx_pair twice[] = { { "parent_linkage", FULL },
						 { "parent_linkage", FULL } };
	struct vhdx_locator locator;
	struct buffer good = { 0 }, raw = { 0 };
	struct tranship_error err = { 0 };
	size_t i;

	(void)state;
	assert_int_equal(image_vhdx_locate(image_vhdx_locator, 5, &good), 0);
	for (i = 0; i < COUNT_OF(cases); i++) {
		unsigned char value[8], *copy = malloc(good.len);
		int rc;

		assert_non_null(copy);
		memcpy(copy, good.bytes, good.len);
		put_le64(value, cases[i].value);
		memcpy(copy + cases[i].off, value, cases[i].width);
		rc = vhdx_locator_decode(copy, good.len, &locator, &err);
		if (rc != cases[i].code || !strstr(err.message, cases[i].piece))
			fail_msg("%s: %s, %s", cases[i].what, tranship_code_name(rc), err.message);
		free(copy);
	}
	assert_int_equal(image_vhdx_locate(twice, 2, &raw), 0);
	assert_fails(vhdx_locator_decode(raw.bytes, raw.len, &locator, &err), BAD, &err,
		     "lists parent_linkage twice");
	for (i = 0; i < good.len; i++) { /* cut short, in memory that ends there */
		unsigned char *copy = malloc(i + 1);

		assert_non_null(copy);
		memcpy(copy, good.bytes, i);
		if (vhdx_locator_decode(copy, i, &locator, &err) == 0)
			fail_msg("%zu of %zu bytes were enough", i, good.len);
		free(copy);
	}
	buffer_free(&good);
	buffer_free(&raw);
}

static void test_child__bytes_of_what_is_no_data(void **state)
{
	struct tranship_error err;
	struct buffer image;
	size_t at, i;

	(void)state;
	make_usual(&image);
	for (at = 0; at < 200; at++)
		for (i = 0; i < 8; i += 7) {
			unsigned char *byte = image.bytes + IMAGE_VHDX_METADATA + VHDX_LOCATOR + at;

			*byte ^= 1U << i;
			exercise_layer(&image, &err);
			*byte ^= 1U << i;
		}
	for (at = 0; at < 8; at++) {
		image.bytes[IMAGE_VHDX_BAT + BITMAP_ENTRY + at] ^= 0x81;
		exercise_layer(&image, &err);
		image.bytes[IMAGE_VHDX_BAT + BITMAP_ENTRY + at] ^= 0x81;
	}
	buffer_free(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child__says_what_it_needs),
		cmocka_unit_test(test_child__an_identity_without_a_parent),
		cmocka_unit_test(test_child__extents),
		cmocka_unit_test(test_child__neighbours_in_the_file),
		cmocka_unit_test(test_child__long_runs),
		cmocka_unit_test(test_child__sectors_of_4096_bytes),
		cmocka_unit_test(test_child__the_second_chunk),
		cmocka_unit_test(test_child__bitmaps_that_are_wrong),
		cmocka_unit_test(test_child__a_table_too_short),
		cmocka_unit_test(test_child__with_a_log),
		cmocka_unit_test(test_child__everything_fails_once),
		cmocka_unit_test(test_locator__linkage),
		cmocka_unit_test(test_locator__one_field_wrong),
		cmocka_unit_test(test_child__bytes_of_what_is_no_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
