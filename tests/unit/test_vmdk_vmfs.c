// SPDX-License-Identifier: Apache-2.0
/* COWD and seSparse extents: good ones, and ones with one field that is wrong. */
#include "support.h"

#include "base/bytes.h"
#include "image_vmfs.h"
#include "patched.h"
#include "vmdk/vmdk_ondisk.h"

#include <stdlib.h>
#include <string.h>

#define DISK ((17U << 20) + 512) /* nine tables of a COWD, two of an seSparse extent */
#define FEW ((5U << 20) + 512)   /* what COWD images are of that are looked at byte by byte */

static unsigned char *content; /* DISK bytes, of which most are zeros */

enum kind { COWD, SESPARSE, KIND_COUNT };

static struct buffer images[KIND_COUNT];

static int make_images(void **state)
{
	struct image_cowd cowd = image_cowd_defaults();
	struct image_sesparse sesparse = image_sesparse_defaults();
	struct rng rng = { 91 };

	(void)state;
	content = calloc(1, DISK);
	if (!content)
		return -1;
	rng_fill(&rng, content, 3 * 4096);
	rng_fill(&rng, content + 5 * 4096 + 1000, 5000);
	rng_fill(&rng, content + (4U << 20), 2 * 4096);
	rng_fill(&rng, content + (16U << 20) + 8192, 4096);
	rng_fill(&rng, content + FEW - 700, 700);
	rng_fill(&rng, content + DISK - 700, 700);
	return image_cowd(&cowd, content, FEW, &images[COWD]) ||
			       image_sesparse(&sesparse, content, DISK, &images[SESPARSE])
		       ? -1
		       : 0;
}

static int free_images(void **state)
{
	enum kind kind;

	(void)state;
	for (kind = 0; kind < KIND_COUNT; kind++)
		buffer_free(&images[kind]);
	free(content);
	return 0;
}

/* Opens the image, exercises it, checks it, and compares all of its content. */
static void assert_reads(struct buffer *image, size_t size)
{
	struct tranship_file *file = file_of(image->bytes, image->len);
	struct tranship_check_result result;
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned char *back;
	size_t got;

	assert_ok(exercise(file_of(image->bytes, image->len), file_of(image->bytes, image->len),
			   NULL, 0, &err),
		  &err);
	back = content_of(file, NULL, &got);
	assert_int_equal(got, size);
	assert_memory_equal(back, content, size);
	free(back);
	assert_ok(tranship_open_file(file, NULL, &disk, &err), &err);
	assert_string_equal(tranship_disk_format(disk), "vmdk");
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	assert_int_equal(result.errors, 0);
	assert_int_equal(result.leaks, 0);
	tranship_disk_close(disk);
	buffer_free(image);
}

static void test_cowd__of_every_shape(void **state)
{
	static const uint32_t grains[] = { 1, 8, 128, 2048 };
	struct image_cowd image = image_cowd_defaults();
	struct buffer out = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(grains); i++) {
		image.grain_sectors = grains[i];
		image.spare_sectors = (uint32_t)i * 5000;
		assert_int_equal(image_cowd(&image, content, DISK, &out), 0);
		assert_reads(&out, DISK);
		assert_int_equal(image_cowd(&image, content, 512, &out), 0);
		assert_reads(&out, 512);
	}
}

static void test_sesparse__of_every_shape(void **state)
{
	struct image_sesparse image = image_sesparse_defaults();
	struct buffer out = { 0 };
	int hole, descending;

	(void)state;
	for (hole = VMDK_SESPARSE_ABSENT; hole <= VMDK_SESPARSE_ZERO; hole++)
		for (descending = 0; descending < 2; descending++) {
			image.hole = (enum vmdk_sesparse_grain)hole;
			image.descending = descending;
			assert_int_equal(image_sesparse(&image, content, DISK, &out), 0);
			assert_reads(&out, DISK);
		}
	image.first_grain = 4090; /* the upper digits of a number are used, too */
	assert_int_equal(image_sesparse(&image, content, DISK, &out), 0);
	assert_reads(&out, DISK);
	assert_int_equal(image_sesparse(&image, content, 1024, &out), 0);
	assert_reads(&out, 1024);
}

/* A grain that was never written is the parent's; one that was given back or zeroed is not. */
static void test_sesparse__kinds_of_holes(void **state)
{
	static const enum tranship_extent_kind kinds[] = { TRANSHIP_ABSENT, TRANSHIP_ZERO,
							   TRANSHIP_ZERO };
	struct image_sesparse image = image_sesparse_defaults();
	struct tranship_extent extent;
	struct tranship_disk *disk;
	struct tranship_error err;
	struct buffer out = { 0 };
	int hole;

	(void)state;
	for (hole = VMDK_SESPARSE_ABSENT; hole <= VMDK_SESPARSE_ZERO; hole++) {
		image.hole = (enum vmdk_sesparse_grain)hole;
		assert_int_equal(image_sesparse(&image, content, DISK, &out), 0);
		assert_ok(tranship_open_file(file_of(out.bytes, out.len), NULL, &disk, &err), &err);
		assert_ok(tranship_disk_map(disk, 3 * 4096, &extent, &err), &err);
		assert_int_equal(extent.kind, kinds[hole]);
		assert_int_equal(extent.len, 2 * 4096);
		assert_ok(tranship_disk_map(disk, 4096, &extent, &err), &err);
		assert_int_equal(extent.kind, TRANSHIP_DATA);
		assert_int_equal(extent.len, 2 * 4096);
		tranship_disk_close(disk);
		buffer_free(&out);
	}
}

static void test_sesparse__entries_come_back(void **state)
{
	static const uint64_t grains[] = {
		0, 1, 4095, 4096, 0x123456789AB, ((uint64_t)1 << 60) - 1
	};
	enum vmdk_sesparse_grain kind;
	uint64_t grain;
	uint32_t table;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(grains); i++) {
		uint64_t raw = vmdk_sesparse_gte_encode(VMDK_SESPARSE_ALLOCATED, grains[i]);

		assert_true(vmdk_sesparse_gte_decode(raw, &kind, &grain));
		assert_int_equal(kind, VMDK_SESPARSE_ALLOCATED);
		assert_true(grain == grains[i]);
	}
	/* As they stand in a file: grain 0x1002 is 1 above and 2 below. */
	assert_true(vmdk_sesparse_gte_encode(VMDK_SESPARSE_ALLOCATED, 0x1002) ==
		    0x3002000000000001);
	assert_true(vmdk_sesparse_gde_decode(0x1000000000000007, &table) && table == 7);
	assert_false(vmdk_sesparse_gte_decode(1, &kind, &grain));
	assert_false(vmdk_sesparse_gte_decode(0x4000000000000000, &kind, &grain));
	assert_false(vmdk_sesparse_gde_decode(0x3000000000000007, &table));
}

/* Opened alone it may lack what only a descriptor would say. */
static void test_vmfs__an_extent_without_its_descriptor_is_warned_of(void **state)
{
	enum kind kind;

	(void)state;
	for (kind = 0; kind < KIND_COUNT; kind++) {
		struct warnings warnings = { 0 };
		struct tranship_open_options open = { .warn = warnings_take,
						      .warn_ctx = &warnings };
		struct tranship_disk *disk;
		struct tranship_error err;

		assert_ok(tranship_open_file(file_of(images[kind].bytes, images[kind].len), &open,
					     &disk, &err),
			  &err);
		assert_int_equal(warnings.count, 1);
		assert_non_null(strstr(warnings.last, "without its descriptor"));
		tranship_disk_close(disk);
	}
}

/* Where the header, the first entry of directory and of the first table, and the first grain are.
 */
enum place { HEADER, VOLATILE, GD, GT };

static uint64_t find(enum kind kind, enum place place)
{
	const unsigned char *raw = images[kind].bytes;
	uint64_t gd = kind == COWD ? get_le32(raw + 20) : get_le64(raw + 80 + 16 * 3);

	switch (place) {
	case HEADER: return 0;
	case VOLATILE: return get_le64(raw + 80) * VMDK_SECTOR;
	case GD: return gd * VMDK_SECTOR;
	default:
		return kind == COWD ? get_le32(raw + gd * VMDK_SECTOR) * (uint64_t)VMDK_SECTOR
				    : get_le64(raw + 80 + 16 * 4) * VMDK_SECTOR;
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
#define PART(n) (80 + 16 * (n))

static const struct row rows[] = {
	{ "version 0", COWD, HEADER, 4, 4, 0, NOT_OURS, "COWD version 0; only 1" },
	{ "Workstation 3's", COWD, HEADER, 4, 4, 3, NOT_OURS, "COWD version 3; only 1" },
	{ "grains of nothing", COWD, HEADER, 16, 4, 0, BAD, "grains of 0 sectors" },
	{ "grains of 3 sectors", COWD, HEADER, 16, 4, 3, BAD, "grains of 3 sectors" },
	{ "grains past the limit", COWD, HEADER, 16, 4, VMDK_GRAIN_SECTORS_MAX * 2, BAD,
	  "grains of 524288 sectors" },
	{ "a directory in the header", COWD, HEADER, 20, 4, 3, BAD, "lies in the header" },
	{ "no directory", COWD, HEADER, 20, 4, 0, BAD, "lies in the header" },
	{ "a directory past the end", COWD, HEADER, 20, 4, UINT32_MAX, BAD,
	  "the grain directory, 3 entries at sector 4294967295" },
	{ "a directory that is too small", COWD, HEADER, 24, 4, 2, BAD,
	  "a grain directory of 2 entries, the disk needs 3" },
	{ "no entries", COWD, HEADER, 24, 4, 0, BAD, "a grain directory of 0 entries" },
	{ "the largest disk", COWD, HEADER, 12, 4, UINT32_MAX, BAD,
	  "a grain directory of 3 entries, the disk needs 1048576" },
	{ "a table past the end", COWD, GD, 0, 4, UINT32_MAX, BAD, "grain directory[0] points" },
	{ "a later table past the end", COWD, GD, 8, 4, 99999, BAD, "grain directory[2] points" },
	{ "a grain past the end", COWD, GT, 0, 4, UINT32_MAX, BAD, "table 0 entry 0 points" },
	{ "a grain in sector 1", COWD, GT, 0, 4, 1, BAD, "table 0 entry 0 is of no known kind" },
	{ "magic with more to it", SESPARSE, HEADER, 4, 4, 1, BAD, "no seSparse header" },
	{ "another version", SESPARSE, HEADER, 8, 8, 0x200000002, NOT_OURS,
	  "seSparse version 0x200000002" },
	{ "capacity past the limit", SESPARSE, HEADER, 16, 8, VMDK_CAPACITY_MAX + 1, TOO_MUCH,
	  "capacity of 137438953473 sectors" },
	{ "the largest capacity", SESPARSE, HEADER, 16, 8, UINT64_MAX, TOO_MUCH, "capacity of" },
	{ "a directory that is too small", SESPARSE, HEADER, 16, 8, VMDK_CAPACITY_MAX, BAD,
	  "a grain directory of 8 sectors, too few for 4194304 tables" },
	{ "other grains", SESPARSE, HEADER, 24, 8, 16, NOT_OURS, "seSparse grain size 0x10" },
	{ "other tables", SESPARSE, HEADER, 32, 8, 32, NOT_OURS, "seSparse grain table size" },
	{ "flags", SESPARSE, HEADER, 40, 8, 1, NOT_OURS, "seSparse flags 0x1" },
	{ "a reserved field", SESPARSE, HEADER, 72, 8, 5, NOT_OURS, "reserved field 4 0x5" },
	{ "a volatile header past the end", SESPARSE, HEADER, PART(0), 8, 999999, BAD,
	  "the volatile header at sector 999999" },
	{ "a volatile header far away", SESPARSE, HEADER, PART(0), 8, UINT64_MAX, BAD,
	  "part 1 of the seSparse extent" },
	{ "a volatile header in the header", SESPARSE, HEADER, PART(0), 8, 0, BAD,
	  "part 1 of the seSparse extent lies in its header" },
	{ "a directory past the end", SESPARSE, HEADER, PART(3), 8, 999999, BAD,
	  "the grain directory, 2 entries at sector 999999" },
	{ "a directory that wraps", SESPARSE, HEADER, PART(3), 8, (uint64_t)1 << 55, BAD,
	  "is larger than any file" },
	{ "a directory of nothing", SESPARSE, HEADER, PART(3) + 8, 8, 0, BAD, "too few for 2" },
	{ "tables far away", SESPARSE, HEADER, PART(4), 8, (uint64_t)1 << 54, BAD,
	  "points past any file" },
	{ "tables past the end", SESPARSE, HEADER, PART(4), 8, 999999, BAD,
	  "grain directory[0] points at sector 999999" },
	{ "grains past the end", SESPARSE, HEADER, PART(7), 8, 999999, BAD,
	  "grain table 0 entry 0 points at sector 999999" },
	{ "grains far away", SESPARSE, HEADER, PART(7), 8, (uint64_t)1 << 54, BAD,
	  "grain table 0 entry 0" },
	{ "a volatile header that is none", SESPARSE, VOLATILE, 0, 8, VMDK_MAGIC_SESPARSE, BAD,
	  "no volatile header" },
	{ "a journal to replay", SESPARSE, VOLATILE, 24, 8, 1, NOT_OURS, "must be replayed" },
	{ "a journal to replay, said otherwise", SESPARSE, VOLATILE, 24, 8, (uint64_t)1 << 63,
	  NOT_OURS, "must be replayed" },
	{ "a table of another kind", SESPARSE, GD, 0, 8, 0x2000000000000000, BAD,
	  "grain directory[0] is of no known kind" },
	{ "a table past the end", SESPARSE, GD, 0, 8, 0x10000000FFFFFFFF, BAD,
	  "grain directory[0] points at sector" },
	{ "a table that is just a number", SESPARSE, GD, 8, 8, 1, BAD,
	  "grain directory[1] is of no known kind" },
	{ "a grain of another kind", SESPARSE, GT, 0, 8, 0x4000000000000000, BAD,
	  "entry 0 is of no known kind" },
	{ "a grain that is just a number", SESPARSE, GT, 8, 8, 1, BAD, "" },
	{ "a grain past the end", SESPARSE, GT, 0, 8, 0x3000000000000001, BAD,
	  "grain table 0 entry 0 points" },
	{ "the largest grain", SESPARSE, GT, 0, 8, 0x3FFFFFFFFFFFFFFF, BAD,
	  "points past any file" },
};

static void test_vmfs__one_field_wrong(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		const struct buffer *image = &images[row->kind];
		struct tranship_error err;
		unsigned char raw[8];
		struct patch patch = { find(row->kind, row->place) + row->off, row->width, raw };
		int rc;

		put_le64(raw, row->value);
		rc = exercise(patched_file(image->bytes, image->len, image->len, &patch, 1), NULL,
			      "vmdk", 0, &err);
		if (rc != row->code || !strstr(err.message, row->piece))
			fail_msg("%s: %s, %s", row->what, tranship_code_name(rc), err.message);
	}
}

static void test_vmfs__cut_short(void **state)
{
	enum kind kind;

	(void)state;
	for (kind = 0; kind < KIND_COUNT; kind++)
		exercise_cuts(images[kind].bytes, images[kind].len, "vmdk",
			      images[kind].len / 150 / 512 * 512 + 512);
}

static void test_vmfs__every_byte_of_headers_and_tables(void **state)
{
	enum kind kind;

	(void)state;
	for (kind = 0; kind < KIND_COUNT; kind++) {
		const struct buffer *image = &images[kind];
		size_t gd = (size_t)find(kind, GD), gt = (size_t)find(kind, GT);

		exercise_flips(image->bytes, image->len, "vmdk", 4, 8);
		/* not the flags, by which a COWD has a parent */
		exercise_flips(image->bytes, image->len, "vmdk", 12, kind == COWD ? 40 : 208);
		exercise_flips(image->bytes, image->len, "vmdk", gd, gd + 24);
		exercise_flips(image->bytes, image->len, "vmdk", gt, gt + 24);
	}
	exercise_flips(images[SESPARSE].bytes, images[SESPARSE].len, "vmdk", 512, 512 + 32);
}

static struct tranship_check_result checked(enum kind kind, enum place place, size_t off,
					    uint64_t value, size_t width)
{
	const struct buffer *image = &images[kind];
	struct tranship_check_result result;
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned char raw[8];
	struct patch patch = { find(kind, place) + off, width, raw };

	put_le64(raw, value);
	assert_ok(tranship_open_file(patched_file(image->bytes, image->len, image->len, &patch, 1),
				     NULL, &disk, &err),
		  &err);
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	tranship_disk_close(disk);
	return result;
}

static void test_check__finds_what_is_wrong(void **state)
{
	static const struct {
		const char *what;
		enum kind kind;
		enum place place;
		size_t off;
		uint64_t value;
	} cases[] = {
		{ "two grains in one place", COWD, GT, 4, 0 },
		{ "a grain past the end", COWD, GT, 4, UINT32_MAX },
		{ "a grain in the header", COWD, GT, 4, 3 },
		{ "a grain over the directory", COWD, GT, 4, 4 },
		{ "a table past the end", COWD, GD, 0, UINT32_MAX },
		{ "a grain behind the next free sector", COWD, HEADER, 28, 40 },
		{ "two grains in one place", SESPARSE, GT, 8, 0x3000000000000000 },
		{ "a grain past the end", SESPARSE, GT, 8, 0x3000000000000001 },
		{ "a grain of no kind", SESPARSE, GT, 8, 0x5000000000000000 },
		{ "a table of no kind", SESPARSE, GD, 0, 0x5000000000000000 },
		{ "a table that is named twice", SESPARSE, GD, 8, 0x1000000000000000 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		size_t width = cases[i].kind == COWD ? 4 : 8;
		uint64_t first = get_le32(images[COWD].bytes + find(COWD, GT));

		if (checked(cases[i].kind, cases[i].place, cases[i].off,
			    cases[i].value ? cases[i].value : first, width)
			    .errors == 0)
			fail_msg("%s was not found", cases[i].what);
	}
}

static void test_check__finds_grains_that_nothing_uses(void **state)
{
	(void)state;
	assert_int_equal(checked(COWD, GT, 4, 0, 4).leaks, 1);
	assert_int_equal(checked(COWD, GT, 4, 0, 4).errors, 0);
	/* Here the bitmap of free grains has it. */
	assert_int_equal(checked(SESPARSE, GT, 8, 0, 8).leaks, 0);
}

/* The largest disk that ESXi makes. Its directory takes 32 MiB, its tables 124 GiB of holes. */
static void test_sesparse__of_62_tebibytes(void **state)
{
	const uint64_t size = (uint64_t)62 << 40, tables = size >> 24, gd_at = 16;
	struct vmdk_sesparse_header h = {
		.capacity = size / VMDK_SECTOR,
		.parts = { { 1, 1 }, { 2, 2 }, { 4, 12 }, { gd_at, tables * 8 / VMDK_SECTOR } },
	};
	unsigned char head[1024], gde[8], gte[8], data[4096], back[4096];
	struct patch patches[3] = { { 0, 8, gde }, { 0, 8, gte }, { 0, sizeof(data), data } };
	struct tranship_extent extent;
	struct tranship_disk *disk;
	struct tranship_error err;

	(void)state;
	h.parts[VMDK_SESPARSE_GRAIN_TABLES].offset = gd_at + h.parts[3].size;
	h.parts[VMDK_SESPARSE_GRAINS].offset =
		h.parts[VMDK_SESPARSE_GRAIN_TABLES].offset + tables * VMDK_SESPARSE_GT_SECTORS;
	vmdk_sesparse_encode(&h, head);
	vmdk_sesparse_volatile_encode(false, head + 512);
	memset(data, 'x', sizeof(data));
	put_le64(gde, vmdk_sesparse_gde_encode((uint32_t)tables - 1));
	put_le64(gte, vmdk_sesparse_gte_encode(VMDK_SESPARSE_ALLOCATED, 5000000000));
	patches[0].off = gd_at * VMDK_SECTOR + 8 * (tables - 1);
	patches[1].off = h.parts[VMDK_SESPARSE_GRAINS].offset * VMDK_SECTOR - 8;
	patches[2].off = h.parts[VMDK_SESPARSE_GRAINS].offset * VMDK_SECTOR + 5000000000 * 4096;
	assert_ok(tranship_open_file(patched_file(head, sizeof(head), (uint64_t)1 << 46, patches,
						  COUNT_OF(patches)),
				     NULL, &disk, &err),
		  &err);
	assert_true(tranship_disk_size(disk) == size);
	assert_ok(tranship_disk_map(disk, 0, &extent, &err), &err);
	assert_true(extent.kind == TRANSHIP_ABSENT && extent.len == size - (16 << 20));
	assert_ok(tranship_disk_map(disk, size - 4096, &extent, &err), &err);
	assert_true(extent.kind == TRANSHIP_DATA && extent.file_off == patches[2].off);
	assert_ok(tranship_disk_read(disk, NULL, size - 4096, back, sizeof(back), &err), &err);
	assert_memory_equal(back, data, sizeof(back));
	tranship_disk_close(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cowd__of_every_shape),
		cmocka_unit_test(test_sesparse__of_every_shape),
		cmocka_unit_test(test_sesparse__kinds_of_holes),
		cmocka_unit_test(test_sesparse__entries_come_back),
		cmocka_unit_test(test_sesparse__of_62_tebibytes),
		cmocka_unit_test(test_vmfs__an_extent_without_its_descriptor_is_warned_of),
		cmocka_unit_test(test_vmfs__one_field_wrong),
		cmocka_unit_test(test_vmfs__cut_short),
		cmocka_unit_test(test_vmfs__every_byte_of_headers_and_tables),
		cmocka_unit_test(test_check__finds_what_is_wrong),
		cmocka_unit_test(test_check__finds_grains_that_nothing_uses),
	};

	return cmocka_run_group_tests(tests, make_images, free_images);
}
