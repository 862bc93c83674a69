// SPDX-License-Identifier: Apache-2.0
/* Delta links of every kind, each opened as a layer: what they say of their parents, what they have
 * of their own. */
#include "support.h"

#include "core/disk.h"
#include "image_vmdk.h"
#include "image_vmfs.h"

#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARENT "CID=0a1B2c3d\nparentCID=89abcdef\nparentFileNameHint=\"base.vmdk\"\n"
#define HEAD "# Disk DescriptorFile\nversion=1\n" PARENT

/* Each extent: a grain of data, holes, a grain of data. */
#define GRAIN 4096U
#define PIECE (10 * GRAIN)
#define LINE "RW 80 "

static unsigned char piece[PIECE];

static int save(const char *folder, const char *name, struct buffer *out, int rc)
{
	if (rc == 0)
		write_path(path_in(folder, name), out->bytes, out->len);
	buffer_free(out);
	return rc;
}

/* FOLDER/sparse, zeroed (holes are grains of zeros), cowd, sesparse, unmapped, flat */
static int make_files(void **state)
{
	struct image_vmdk vmdk = image_vmdk_defaults();
	struct image_cowd cowd = image_cowd_defaults();
	struct image_sesparse se = image_sesparse_defaults();
	struct rng rng = { 71 };
	struct buffer out = { 0 };

	if (folder_make(state))
		return -1;
	rng_fill(&rng, piece, GRAIN);
	rng_fill(&rng, piece + PIECE - GRAIN, GRAIN);
	write_path(path_in(*state, "flat"), piece, PIECE);
	vmdk.descriptor = NULL;
	if (save(*state, "sparse", &out, image_vmdk(&vmdk, piece, PIECE, &out)) ||
	    save(*state, "cowd", &out, image_cowd(&cowd, piece, PIECE, &out)) ||
	    save(*state, "sesparse", &out, image_sesparse(&se, piece, PIECE, &out)))
		return -1;
	vmdk.version = 2;
	vmdk.flags |= VMDK_FLAG_ZERO_GRAIN;
	se.hole = VMDK_SESPARSE_UNMAPPED;
	return save(*state, "zeroed", &out, image_vmdk(&vmdk, piece, PIECE, &out)) ||
			       save(*state, "unmapped", &out,
				    image_sesparse(&se, piece, PIECE, &out))
		       ? -1
		       : 0;
}

static struct tranship_disk *open_layer(const char *folder, const char *text)
{
	static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
	struct tranship_open_options open = { .policy = &beside, .flags = TRANSHIP_OPEN_LAYER };
	const char *path = path_in(folder, "disk.vmdk");
	struct tranship_disk *disk;
	struct tranship_error err;

	write_path(path, text, strlen(text));
	assert_ok(tranship_open(path, &open, &disk, &err), &err);
	return disk;
}

/* Data, a hole of this kind, data, from `at` on. */
static void assert_layer(struct tranship_disk *disk, uint64_t at, enum tranship_extent_kind hole)
{
	unsigned char back[PIECE];
	struct tranship_extent extent;
	struct tranship_error err;

	assert_ok(tranship_disk_map(disk, at, &extent, &err), &err);
	assert_true(extent.kind == TRANSHIP_DATA && extent.len == GRAIN);
	assert_ok(tranship_disk_map(disk, at + GRAIN, &extent, &err), &err);
	assert_true(extent.kind == hole && extent.len == PIECE - 2 * GRAIN);
	assert_ok(tranship_disk_map(disk, at + PIECE - GRAIN, &extent, &err), &err);
	assert_true(extent.kind == TRANSHIP_DATA && extent.len == GRAIN);
	assert_ok(tranship_disk_read(disk, NULL, at, back, PIECE, &err), &err);
	assert_memory_equal(back, piece, PIECE);
}

static void assert_parent(const struct tranship_disk *disk)
{
	assert_string_equal(disk->identity, "0a1b2c3d");
	assert_non_null(disk->parent);
	assert_string_equal(disk->parent->ids[0], "89abcdef");
	assert_null(disk->parent->ids[1]);
	assert_int_equal(disk->parent->hint_count, 1);
	assert_string_equal(disk->parent->hints[0], "base.vmdk");
}

static void test_delta__of_each_kind(void **state)
{
	static const struct {
		const char *line;
		enum tranship_extent_kind hole;
	} cases[] = {
		{ "createType=\"monolithicSparse\"\n" LINE "SPARSE \"sparse\"\n", TRANSHIP_ABSENT },
		{ LINE "SPARSE \"zeroed\"\n", TRANSHIP_ZERO },
		{ "createType=\"vmfsSparse\"\n" LINE "VMFSSPARSE \"cowd\"\n", TRANSHIP_ABSENT },
		{ "createType=\"seSparse\"\n" LINE "SESPARSE \"sesparse\"\n", TRANSHIP_ABSENT },
		{ "createType=\"seSparse\"\n" LINE "SESPARSE \"unmapped\"\n", TRANSHIP_ZERO },
	};
	size_t i;

	for (i = 0; i < COUNT_OF(cases); i++) {
		struct tranship_disk *disk;
		char text[500];

		snprintf(text, sizeof(text), HEAD "%s", cases[i].line);
		disk = open_layer(*state, text);
		assert_int_equal(tranship_disk_size(disk), PIECE);
		assert_parent(disk);
		assert_layer(disk, 0, cases[i].hole);
		tranship_disk_close(disk);
	}
}

static void test_delta__of_several_extents(void **state)
{
	struct tranship_disk *disk = open_layer(
		*state, HEAD "createType=\"twoGbMaxExtentSparse\"\n" LINE "SPARSE \"sparse\"\n" LINE
			     "SPARSE \"zeroed\"\n" LINE "VMFSSPARSE \"cowd\"\n" LINE
			     "SESPARSE \"sesparse\"\n" LINE "FLAT \"flat\" 0\n" LINE "ZERO\n");
	struct tranship_check_result result;
	struct tranship_extent extent;
	struct tranship_error err;

	assert_int_equal(tranship_disk_size(disk), 6 * PIECE);
	assert_parent(disk);
	assert_layer(disk, 0, TRANSHIP_ABSENT);
	assert_layer(disk, PIECE, TRANSHIP_ZERO);
	assert_layer(disk, 2 * PIECE, TRANSHIP_ABSENT);
	assert_layer(disk, 3 * PIECE, TRANSHIP_ABSENT);
	assert_ok(tranship_disk_map(disk, 4 * PIECE, &extent, &err), &err);
	assert_int_equal(extent.kind, TRANSHIP_DATA);
	assert_ok(tranship_disk_map(disk, 5 * PIECE, &extent, &err), &err);
	assert_int_equal(extent.kind, TRANSHIP_ZERO);
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	assert_int_equal(result.errors, 0);
	tranship_disk_close(disk);
}

static struct tranship_disk *open_memory(const void *bytes, size_t len)
{
	struct tranship_open_options open = { .flags = TRANSHIP_OPEN_LAYER };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open_file(file_of(bytes, len), &open, &disk, &err), &err);
	return disk;
}

static void test_delta__by_an_embedded_descriptor(void **state)
{
	struct image_vmdk image = image_vmdk_defaults();
	struct tranship_disk *disk;
	struct buffer out = { 0 };

	(void)state;
	image.descriptor = HEAD LINE "SPARSE \"x.vmdk\"\n";
	assert_int_equal(image_vmdk(&image, piece, PIECE, &out), 0);
	disk = open_memory(out.bytes, out.len);
	assert_parent(disk);
	assert_layer(disk, 0, TRANSHIP_ABSENT);
	tranship_disk_close(disk);
	buffer_free(&out);
}

static void test_delta__without_a_hint(void **state)
{
	const char *text = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=2\nRW 8 ZERO\n";
	struct tranship_disk *disk = open_memory(text, strlen(text));

	(void)state;
	assert_string_equal(disk->identity, "00000001");
	assert_string_equal(disk->parent->ids[0], "00000002");
	assert_int_equal(disk->parent->hint_count, 0);
	tranship_disk_close(disk);
}

static void test_delta__no_parent_and_no_descriptor(void **state)
{
	struct image_vmdk image = image_vmdk_defaults();
	struct tranship_disk *disk;
	struct buffer out = { 0 };

	(void)state;
	assert_int_equal(image_vmdk(&image, piece, PIECE, &out), 0);
	disk = open_memory(out.bytes, out.len);
	assert_string_equal(disk->identity, "12345678");
	assert_null(disk->parent);
	tranship_disk_close(disk);
	buffer_free(&out);
	image.descriptor = NULL;
	assert_int_equal(image_vmdk(&image, piece, PIECE, &out), 0);
	disk = open_memory(out.bytes, out.len);
	assert_string_equal(disk->identity, "");
	assert_null(disk->parent);
	tranship_disk_close(disk);
	buffer_free(&out);
}

/* A redo log of old: the header itself says what it was made from. */
static void test_cowd__whose_header_names_a_parent(void **state)
{
	struct image_cowd image = image_cowd_defaults();
	struct tranship_disk *disk;
	struct buffer out = { 0 };

	(void)state;
	image.parent_name = "disk.vmdk.REDO";
	image.parent_generation = 0x1234;
	assert_int_equal(image_cowd(&image, piece, PIECE, &out), 0);
	disk = open_memory(out.bytes, out.len);
	assert_string_equal(disk->identity, "");
	assert_string_equal(disk->parent->ids[0], "generation 00001234");
	assert_string_equal(disk->parent->hints[0], "disk.vmdk.REDO");
	assert_layer(disk, 0, TRANSHIP_ABSENT);
	tranship_disk_close(disk);
	buffer_free(&out);
}

struct seen {
	char parent[50];
	uint64_t cid;
};

static int take_property(void *ctx, const struct tranship_property *p)
{
	struct seen *seen = ctx;

	if (strcmp(p->name, "parent") == 0)
		snprintf(seen->parent, sizeof(seen->parent), "%s", p->text);
	if (strcmp(p->name, "parent-cid") == 0)
		seen->cid = p->number;
	return 0;
}

static void test_delta__is_shown(void **state)
{
	const char *text = HEAD "RW 8 ZERO\n";
	struct tranship_disk *disk = open_memory(text, strlen(text));
	struct seen seen = { 0 };

	(void)state;
	assert_int_equal(tranship_disk_properties(disk, take_property, &seen), 0);
	assert_string_equal(seen.parent, "base.vmdk");
	assert_int_equal(seen.cid, 0x89abcdef);
	tranship_disk_close(disk);
}

static bool iconv_knows(const char *name)
{
	iconv_t cd = iconv_open("UTF-8", name);

	if (cd == (iconv_t)-1)
		return false;
	iconv_close(cd);
	return true;
}

static void test_delta__hints_in_other_encodings(void **state)
{
	static const struct {
		const char *encoding, *iconv, *hint, *want;
	} cases[] = {
		{ "windows-1252", "CP1252", "M\xfcller.vmdk", "M\xc3\xbcller.vmdk" },
		{ "WINDOWS-1251", "CP1251", "\xe4\xe8\xf1\xea",
		  "\xd0\xb4\xd0\xb8\xd1\x81\xd0\xba" },
		{ "GBK", "GBK", "\xb4\xc5\xc5\xcc", "\xe7\xa3\x81\xe7\x9b\x98" },
		{ "Shift_JIS", "SHIFT_JIS", "\x83\x66.vmdk", "\xe3\x83\x87.vmdk" },
		{ "UTF-8", NULL, "M\xc3\xbcller", "M\xc3\xbcller" },
		{ "UTF-8", NULL, "M\xfcller", "M\xfcller" },      /* not what it says */
		{ "GBK", "GBK", "\xb4\xc5\xff", "\xb4\xc5\xff" }, /* neither */
		{ "EBCDIC-US", NULL, "\xc1", "\xc1" },            /* nothing writes it */
		{ "../../x//TRANSLIT", NULL, "\xc1", "\xc1" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct tranship_disk *disk;
		char text[300];

		if (cases[i].iconv && !iconv_knows(cases[i].iconv)) {
			print_message("SKIP: iconv has no %s\n", cases[i].iconv);
			continue;
		}
		snprintf(text, sizeof(text),
			 "# Disk DescriptorFile\nversion=1\nencoding=\"%s\"\nCID=1\nparentCID=2\n"
			 "parentFileNameHint=\"%s\"\nRW 8 ZERO\n",
			 cases[i].encoding, cases[i].hint);
		disk = open_memory(text, strlen(text));
		assert_string_equal(disk->parent->hints[0], cases[i].want);
		tranship_disk_close(disk);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delta__of_each_kind),
		cmocka_unit_test(test_delta__of_several_extents),
		cmocka_unit_test(test_delta__by_an_embedded_descriptor),
		cmocka_unit_test(test_delta__without_a_hint),
		cmocka_unit_test(test_delta__no_parent_and_no_descriptor),
		cmocka_unit_test(test_delta__is_shown),
		cmocka_unit_test(test_delta__hints_in_other_encodings),
		cmocka_unit_test(test_cowd__whose_header_names_a_parent),
	};

	return cmocka_run_group_tests(tests, make_files, folder_remove);
}
