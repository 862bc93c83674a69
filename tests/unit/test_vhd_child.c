// SPDX-License-Identifier: Apache-2.0
/* Differencing VHD files, opened as layers: what they have, and what they say of their parent. */
#include "support.h"

#include "base/bytes.h"
#include "base/text.h"
#include "core/disk.h"
#include "image_vhd.h"

#include <stdlib.h>
#include <string.h>

#define DISK (9 * 4096U + 512)
#define SECTORS (DISK / 512)
#define LOCATOR_AT (512 + VHD_DYNAMIC_LOCATORS)
#define PARENT_ID "01020304-0506-0708-090a-0b0c0d0e0f10"

static unsigned char content[DISK], owned[SECTORS];

/* Sectors that are data, zeros that the child has, and what it leaves to its parent. */
static int make_content(void **state)
{
	struct rng rng = { 91 };
	size_t i;

	(void)state;
	for (i = 0; i < SECTORS; i++) {
		size_t block = i / 8;

		owned[i] = block == 1 || block == 3 ? 0 : block == 2 || rng_next(&rng) % 2;
		if (owned[i] && i % 3)
			rng_fill(&rng, content + 512 * i, 512);
	}
	owned[SECTORS - 1] = 1;
	return 0;
}

static struct image_vhd child(void)
{
	struct image_vhd image = image_vhd_defaults();
	size_t i;

	image.type = VHD_DIFFERENCING;
	image.owned = owned;
	image.dirty = true;
	for (i = 0; i < 16; i++)
		image.parent_id.bytes[i] = (unsigned char)(i + 1);
	return image;
}

static void build(const struct image_vhd *image, struct buffer *out)
{
	*out = (struct buffer){ 0 };
	assert_int_equal(image_vhd(image, content, DISK, out), 0);
}

static struct image_vhd_locator utf16(uint32_t platform, const char *text, unsigned char *room)
{
	text_to_utf16le(room, strlen(text), text);
	return (struct image_vhd_locator){ platform, 512, room, (uint32_t)(2 * strlen(text)) };
}

static struct image_vhd_locator url(const char *text)
{
	return (struct image_vhd_locator){ VHD_LOCATOR_MACX, 1, text, (uint32_t)strlen(text) };
}

static struct tranship_disk *open_child(const void *bytes, size_t len, unsigned flags,
					struct warnings *warnings)
{
	struct tranship_open_options open = { .flags = flags | TRANSHIP_OPEN_LAYER,
					      .warn = warnings_take,
					      .warn_ctx = warnings };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open_file(file_of(bytes, len), &open, &disk, &err), &err);
	assert_string_equal(tranship_disk_format(disk), "vpc");
	return disk;
}

/* Opens the image; its hints are these, in this order, and so many warnings came. */
static void assert_hints(const void *bytes, size_t len, const char *const *hints, size_t count,
			 unsigned warned)
{
	struct warnings warnings = { 0 };
	struct tranship_disk *disk = open_child(bytes, len, 0, &warnings);
	size_t i;

	assert_int_equal(warnings.count, warned);
	assert_non_null(disk->parent);
	assert_string_equal(disk->parent->ids[0], PARENT_ID);
	assert_null(disk->parent->ids[1]);
	assert_int_equal(disk->parent->hint_count, count);
	for (i = 0; i < count; i++)
		assert_string_equal(disk->parent->hints[i], hints[i]);
	tranship_disk_close(disk);
}

static void test_child__is_refused_without_its_parent(void **state)
{
	struct image_vhd image = child();
	struct tranship_error err;
	struct buffer out;

	(void)state;
	build(&image, &out);
	assert_fails(exercise(file_of(out.bytes, out.len), NULL, NULL, 0, &err), TRANSHIP_EMISMATCH,
		     &err, "needs the parent " PARENT_ID);
	assert_ok(exercise(file_of(out.bytes, out.len), file_of(out.bytes, out.len), NULL,
			   TRANSHIP_OPEN_LAYER, &err),
		  &err);
	buffer_free(&out);
}

static void assert_is_ours(struct tranship_disk *disk)
{
	unsigned char back[512];
	struct tranship_extent extent;
	struct tranship_error err;
	size_t i;

	assert_int_equal(tranship_disk_size(disk), DISK);
	for (i = 0; i < SECTORS; i++) {
		assert_ok(tranship_disk_map(disk, 512 * i, &extent, &err), &err);
		assert_int_equal(extent.kind, owned[i] ? TRANSHIP_DATA : TRANSHIP_ABSENT);
		assert_ok(tranship_disk_read(disk, NULL, 512 * i, back, 512, &err), &err);
		assert_memory_equal(back, content + 512 * i, 512);
	}
}

static void test_child__has_the_sectors_whose_bits_are_set(void **state)
{
	struct image_vhd image = child();
	struct warnings warnings = { 0 };
	struct tranship_disk *disk;
	struct buffer out;

	(void)state;
	for (image.block_size = VHD_BLOCK_MIN; image.block_size <= 64U << 10;
	     image.block_size *= 2) {
		build(&image, &out);
		disk = open_child(out.bytes, out.len, 0, &warnings);
		assert_is_ours(disk);
		tranship_disk_close(disk);
		buffer_free(&out);
	}
	assert_int_equal(warnings.count, 0);
}

static void test_child__hints_of_each_kind(void **state)
{
	unsigned char room[2][100];
	struct image_vhd_locator locators[] = {
		utf16(VHD_LOCATOR_W2KU, "C:\\disks\\base.vhd", room[0]),
		{ 0x4D616320, 512, "alias", 5 },    /* Mac */
		{ 0x57693272, 512, "wi2r.vhd", 8 }, /* Wi2r */
		{ 0x5769326B, 512, "wi2k.vhd", 8 }, /* Wi2k */
		{ 0, 512, "nothing", 7 },
		utf16(VHD_LOCATOR_W2RU, ".\\base.vhd", room[1]),
		url("file://host/disks/my%20base.vhd"),
		url("file://./base.vhd"),
	};
	static const char *const hints[] = { ".\\base.vhd", "/disks/my base.vhd", "./base.vhd",
					     "C:\\disks\\base.vhd", "base.vhd" };
	struct image_vhd image = child();
	struct buffer out;

	(void)state;
	image.locators = locators;
	image.locator_count = COUNT_OF(locators);
	image.parent_name = "base.vhd";
	build(&image, &out);
	assert_hints(out.bytes, out.len, hints, COUNT_OF(hints), 0);
	buffer_free(&out);
	image.locator_count = 0; /* the name alone */
	build(&image, &out);
	assert_hints(out.bytes, out.len, hints + 4, 1, 0);
	buffer_free(&out);
	image.parent_name = NULL;
	build(&image, &out);
	assert_hints(out.bytes, out.len, NULL, 0, 0);
	buffer_free(&out);
}

static void test_child__urls(void **state)
{
	static const char *const urls[][2] = {
		{ "file:///a/b.vhd", "/a/b.vhd" },
		{ "file://localhost/a.vhd", "/a.vhd" },
		{ "file://../up/b.vhd", "../up/b.vhd" },
		{ "file:///%61%4A%c3%A4%2Fb", "/aJ\xc3\xa4/b" },
		{ "file:///100%/%zz%4", "/100%/%zz%4" },
		{ "file:///a%00b", "/a" },
		{ "file://host", NULL },
		{ "file://", NULL },
		{ "file", NULL },
		{ "http://host/a.vhd", NULL },
		{ "/a.vhd", NULL },
	};
	struct image_vhd image = child();
	struct buffer out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(urls); i++) {
		struct image_vhd_locator locator = url(urls[i][0]);

		image.locators = &locator;
		image.locator_count = 1;
		build(&image, &out);
		assert_hints(out.bytes, out.len, &urls[i][1], urls[i][1] ? 1 : 0, 0);
		buffer_free(&out);
	}
}

/* A field of locator 0, of W2ru ".\base.vhd"; its data stands at 2048. */
struct row {
	const char *what;
	size_t off, width;
	uint64_t value;
	const char *hint;    /* what it gives; NULL: nothing */
	const char *warning; /* a piece of it; NULL: none */
};

static const struct row rows[] = {
	{ "unchanged", 0, 4, VHD_LOCATOR_W2RU, ".\\base.vhd", NULL },
	{ "unused", 0, 4, 0, NULL, NULL },
	{ "of an unknown platform", 0, 4, UINT32_MAX, NULL, NULL },
	{ "a URL that is none", 0, 4, VHD_LOCATOR_MACX, NULL, NULL },
	{ "no space", 4, 4, 0, ".\\base.vhd", NULL },
	{ "all space", 4, 4, UINT32_MAX, ".\\base.vhd", NULL },
	{ "no length", 8, 4, 0, NULL, NULL },
	{ "half a unit", 8, 4, 1, NULL, NULL },
	{ "an odd length", 8, 4, 5, ".\\", NULL },
	{ "up to zeros", 8, 4, 512, ".\\base.vhd", NULL },
	{ "past the limit", 8, 4, 65537, NULL, "locator 0 has 65537 bytes, at most 65536" },
	{ "largest length", 8, 4, UINT32_MAX, NULL, "locator 0 has 4294967295 bytes" },
	{ "at the limit, past the end", 8, 4, 65536, NULL, "65536 bytes at 2048, passes the end" },
	{ "offset past the end", 16, 8, 1000000, NULL, "20 bytes at 1000000, passes the end" },
	{ "offset 2^63", 16, 8, (uint64_t)1 << 63, NULL, "passes the end" },
	{ "largest offset", 16, 8, UINT64_MAX, NULL, "passes the end" },
};

static void test_child__hostile_locators(void **state)
{
	unsigned char room[100], raw[8];
	struct image_vhd_locator locator = utf16(VHD_LOCATOR_W2RU, ".\\base.vhd", room);
	struct image_vhd image = child();
	size_t i;

	(void)state;
	image.locators = &locator;
	image.locator_count = 1;
	for (i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		struct warnings warnings = { 0 };
		struct tranship_disk *disk;
		struct tranship_error err;
		struct buffer out;

		build(&image, &out);
		put_be64(raw, row->value << (64 - 8 * row->width));
		memcpy(out.bytes + LOCATOR_AT + row->off, raw, row->width);
		image_vhd_repair(out.bytes, out.len);
		disk = open_child(out.bytes, out.len, 0, &warnings);
		if (disk->parent->hint_count != (row->hint ? 1 : 0) ||
		    (row->hint && strcmp(disk->parent->hints[0], row->hint) != 0) ||
		    warnings.count != (row->warning ? 1 : 0) ||
		    (row->warning && !strstr(warnings.last, row->warning)))
			fail_msg("%s: %zu hints, the first %s; %u warnings, the last %s", row->what,
				 disk->parent->hint_count,
				 disk->parent->hint_count ? disk->parent->hints[0] : "none",
				 warnings.count, warnings.last);
		tranship_disk_close(disk);
		assert_ok(exercise(file_of(out.bytes, out.len), NULL, NULL, TRANSHIP_OPEN_LAYER,
				   &err),
			  &err);
		buffer_free(&out);
	}
}

/* Surrogates, alone and in pairs, and the longest text there can be. */
static void test_child__utf16_of_every_kind(void **state)
{
	static const unsigned char units[] = { 0x3D, 0xD8, 0x00, 0xDE, 'a',  0,
					       0x00, 0xDC, 'b',  0,    0x3D, 0xD8 };
	static const char *const hints[] = { "\xf0\x9f\x98\x80"
					     "a\xef\xbf\xbd"
					     "b\xef\xbf\xbd" };
	struct image_vhd_locator locator = { VHD_LOCATOR_W2KU, 512, units, sizeof(units) };
	struct image_vhd image = child();
	struct warnings warnings = { 0 };
	unsigned char *longest = malloc(VHD_LOCATOR_MAX);
	struct tranship_disk *disk;
	struct buffer out;

	(void)state;
	assert_non_null(longest);
	image.locators = &locator;
	image.locator_count = 1;
	build(&image, &out);
	assert_hints(out.bytes, out.len, hints, 1, 0);
	buffer_free(&out);
	memset(longest, 0xD7, VHD_LOCATOR_MAX); /* three bytes of UTF-8 each */
	locator.data = longest;
	locator.len = VHD_LOCATOR_MAX;
	build(&image, &out);
	disk = open_child(out.bytes, out.len, 0, &warnings);
	assert_int_equal(disk->parent->hint_count, 1);
	assert_int_equal(strlen(disk->parent->hints[0]), VHD_LOCATOR_MAX / 2 * 3);
	tranship_disk_close(disk);
	buffer_free(&out);
	free(longest);
}

static void test_child__a_name_without_an_end(void **state)
{
	struct image_vhd image = child();
	struct warnings warnings = { 0 };
	struct tranship_disk *disk;
	struct buffer out;
	size_t i;

	(void)state;
	build(&image, &out);
	for (i = 0; i < 512; i++)
		out.bytes[512 + 64 + i] = 0xD7;
	image_vhd_repair(out.bytes, out.len);
	disk = open_child(out.bytes, out.len, 0, &warnings);
	assert_int_equal(disk->parent->hint_count, 1);
	assert_int_equal(strlen(disk->parent->hints[0]), 3 * 256);
	tranship_disk_close(disk);
	buffer_free(&out);
}

struct properties {
	const char *subformat, *id, *hint;
	uint64_t time;
	unsigned seen;
};

static int see_property(void *ctx, const struct tranship_property *p)
{
	struct properties *want = ctx;

	if (strcmp(p->name, "subformat") == 0)
		assert_string_equal(p->text, want->subformat);
	else if (strcmp(p->name, "parent-unique-id") == 0)
		assert_string_equal(p->text, want->id);
	else if (strcmp(p->name, "parent-timestamp") == 0)
		assert_int_equal(p->number, want->time);
	else if (strcmp(p->name, "parent") == 0)
		assert_string_equal(p->text, want->hint);
	else
		return 0;
	want->seen++;
	return 0;
}

static void test_child__properties(void **state)
{
	struct properties want = { "differencing", PARENT_ID, "base.vhd", VHD_EPOCH + 5000, 0 };
	struct image_vhd image = child();
	struct warnings warnings = { 0 };
	struct tranship_disk *disk;
	struct buffer out;

	(void)state;
	image.parent_timestamp = 5000;
	image.parent_name = "base.vhd";
	build(&image, &out);
	disk = open_child(out.bytes, out.len, 0, &warnings);
	assert_string_equal(disk->identity, "00000000-0000-0000-0000-000000000000");
	tranship_disk_properties(disk, see_property, &want);
	assert_int_equal(want.seen, 4);
	tranship_disk_close(disk);
	buffer_free(&out);
	image.parent_timestamp = 0; /* as Windows 10 leaves it */
	image.parent_name = NULL;
	want.time = want.seen = 0;
	build(&image, &out);
	disk = open_child(out.bytes, out.len, 0, &warnings);
	tranship_disk_properties(disk, see_property, &want);
	assert_int_equal(want.seen, 3);
	tranship_disk_close(disk);
	buffer_free(&out);
}

static void test_identity__is_the_unique_id(void **state)
{
	struct image_vhd image = image_vhd_defaults();
	struct warnings warnings = { 0 };
	struct buffer out;

	(void)state;
	for (image.type = VHD_FIXED; image.type <= VHD_DIFFERENCING; image.type++) {
		struct tranship_disk *disk;
		size_t i;

		build(&image, &out);
		for (i = 0; i < 16; i++)
			out.bytes[out.len - 512 + 68 + i] = (unsigned char)(i + 1);
		image_vhd_repair(out.bytes, out.len);
		disk = open_child(out.bytes, out.len, 0, &warnings);
		assert_string_equal(disk->identity, PARENT_ID);
		assert_int_equal(disk->parent != NULL, image.type == VHD_DIFFERENCING);
		tranship_disk_close(disk);
		buffer_free(&out);
	}
}

/* Damages a copy (0: the tail, 1: the head, 2: both, 3: the header) in a byte that matters little,
 * and opens. */
static struct tranship_disk *open_damaged(int which, unsigned flags, struct warnings *warnings)
{
	struct image_vhd image = child();
	struct tranship_disk *disk;
	struct buffer out;

	*warnings = (struct warnings){ 0 };
	build(&image, &out);
	if (which == 0 || which == 2)
		out.bytes[out.len - 512 + 90] ^= 1;
	if (which == 1 || which == 2)
		out.bytes[90] ^= 1;
	if (which == 3)
		out.bytes[512 + 1000] ^= 1;
	disk = open_child(out.bytes, out.len, flags, warnings);
	buffer_free(&out);
	return disk;
}

static void test_child__one_good_footer_suffices(void **state)
{
	static const struct {
		unsigned flags, warned;
		const char *piece;
	} want[] = {
		{ 0, 1, "its copy at the beginning is used (vhd: the checksum of the footer" },
		{ 0, 1, "the copy of the footer at the beginning is damaged" },
		{ TRANSHIP_OPEN_FORCE_CHECKSUM, 2, "the copy of the footer at the beginning" },
		{ TRANSHIP_OPEN_FORCE_CHECKSUM, 1, "dynamic disk header is 0x" },
	};
	struct warnings warnings;
	int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct tranship_disk *disk = open_damaged(i, want[i].flags, &warnings);
		struct tranship_check_result result;
		struct tranship_error err;

		assert_int_equal(warnings.count, want[i].warned);
		assert_non_null(strstr(warnings.last, want[i].piece));
		assert_is_ours(disk);
		assert_string_equal(disk->parent->ids[0], PARENT_ID);
		assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
		assert_int_equal(result.errors, i == 2 ? 2 : 1);
		tranship_disk_close(disk);
	}
}

static void test_force_checksum__takes_the_sound_copy(void **state)
{
	struct image_vhd image = child();
	struct warnings warnings = { 0 };
	struct tranship_disk *disk;
	struct buffer out;

	(void)state;
	build(&image, &out);
	put_be64(out.bytes + out.len - 512 + 48, DISK - 512); /* the size, in the tail only */
	disk = open_child(out.bytes, out.len, TRANSHIP_OPEN_FORCE_CHECKSUM, &warnings);
	assert_is_ours(disk);
	assert_int_equal(warnings.count, 1);
	tranship_disk_close(disk);
	buffer_free(&out);
}

static uint64_t check_errors(const struct buffer *image)
{
	struct warnings warnings = { 0 };
	struct tranship_disk *disk = open_child(image->bytes, image->len, 0, &warnings);
	struct tranship_check_result result;
	struct tranship_error err;

	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	assert_int_equal(result.leaks, 0);
	tranship_disk_close(disk);
	return result.errors;
}

static void test_check__locators(void **state)
{
	struct image_vhd_locator locators[10];
	struct image_vhd image = child();
	static char room[4096];
	struct buffer out;
	uint64_t blocks;
	size_t i;

	(void)state;
	memset(room, 'x', sizeof(room));
	for (i = 0; i < 8; i++) /* more than a block of them is no leak */
		locators[i] = (struct image_vhd_locator){ VHD_LOCATOR_MACX, 8, room, sizeof(room) };
	image.locators = locators;
	image.locator_count = 8;
	build(&image, &out);
	assert_int_equal(check_errors(&out), 0);
	blocks = 2048 + 8 * sizeof(room);
	put_be64(out.bytes + LOCATOR_AT + 7 * 24 + 16, blocks + 4096); /* in a block */
	put_be64(out.bytes + LOCATOR_AT + 6 * 24 + 16, blocks - 4096);
	image_vhd_repair(out.bytes, out.len);
	assert_int_equal(check_errors(&out), 1);
	put_be64(out.bytes + LOCATOR_AT + 7 * 24 + 16, out.len - 4095);
	image_vhd_repair(out.bytes, out.len);
	assert_int_equal(check_errors(&out), 1);
	put_be64(out.bytes + LOCATOR_AT + 7 * 24 + 16, blocks - 4095); /* over the first one */
	image_vhd_repair(out.bytes, out.len);
	assert_int_equal(check_errors(&out), 1);
	buffer_free(&out);
}

static void test_child__every_byte_and_length(void **state)
{
	unsigned char room[100];
	struct image_vhd_locator locators[] = { utf16(VHD_LOCATOR_W2RU, ".\\b", room),
						url("file:///a%20b") };
	struct image_vhd image = child();
	struct tranship_error err;
	struct buffer out;
	size_t at;
	int value;

	(void)state;
	image.locators = locators;
	image.locator_count = COUNT_OF(locators);
	build(&image, &out);
	for (at = 512; at < 512 + 1024; at += at < LOCATOR_AT || at > LOCATOR_AT + 48 ? 7 : 1)
		for (value = 0; value < 256; value += 51) {
			unsigned char was = out.bytes[at];

			out.bytes[at] = (unsigned char)value;
			image_vhd_repair(out.bytes, out.len);
			exercise(file_of(out.bytes, out.len), NULL, "vpc", TRANSHIP_OPEN_LAYER,
				 &err);
			out.bytes[at] = was;
		}
	image_vhd_repair(out.bytes, out.len);
	for (at = 0; at < out.len; at += 512)
		exercise(file_of(out.bytes, at), NULL, "vpc", TRANSHIP_OPEN_LAYER, &err);
	buffer_free(&out);
}

/* XenServer's disks may be larger than what Hyper-V makes; the BAT's sectors end at 2 TiB of file,
 * not of disk. */
static void test_vhd__a_disk_larger_than_is_written(void **state)
{
	const uint64_t size = (uint64_t)3 << 40;
	const uint32_t entries = (uint32_t)(size / VHD_BLOCK_MAX);
	struct vhd_dynamic d = { .table_offset = 1536,
				 .max_entries = entries,
				 .block_size = VHD_BLOCK_MAX };
	struct vhd_footer f = { .data_offset = 512, .current_size = size, .type = VHD_DYNAMIC };
	size_t len = 1536 + 4 * entries + 512;
	unsigned char *image = malloc(len);
	struct warnings warnings = { 0 };
	struct tranship_extent extent;
	struct tranship_disk *disk;
	struct tranship_error err;

	(void)state;
	assert_non_null(image);
	memset(image, 0xFF, len);
	vhd_footer_encode(&f, image);
	vhd_footer_encode(&f, image + len - 512);
	vhd_dynamic_encode(&d, image + 512);
	disk = open_child(image, len, 0, &warnings);
	assert_int_equal(tranship_disk_size(disk), size);
	assert_ok(tranship_disk_map(disk, size - 512, &extent, &err), &err);
	assert_int_equal(extent.kind, TRANSHIP_ABSENT);
	tranship_disk_close(disk);
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child__is_refused_without_its_parent),
		cmocka_unit_test(test_child__has_the_sectors_whose_bits_are_set),
		cmocka_unit_test(test_child__hints_of_each_kind),
		cmocka_unit_test(test_child__urls),
		cmocka_unit_test(test_child__hostile_locators),
		cmocka_unit_test(test_child__utf16_of_every_kind),
		cmocka_unit_test(test_child__a_name_without_an_end),
		cmocka_unit_test(test_child__properties),
		cmocka_unit_test(test_identity__is_the_unique_id),
		cmocka_unit_test(test_child__one_good_footer_suffices),
		cmocka_unit_test(test_force_checksum__takes_the_sound_copy),
		cmocka_unit_test(test_check__locators),
		cmocka_unit_test(test_child__every_byte_and_length),
		cmocka_unit_test(test_vhd__a_disk_larger_than_is_written),
	};

	return cmocka_run_group_tests(tests, make_content, NULL);
}
