// SPDX-License-Identifier: Apache-2.0
/* The NTFS reader on a volume with a file of each kind, in several geometries. */
#include "support.h"

#include "base/bytes.h"
#include "faulty.h"
#include "heap.h"
#include "image_ntfs.h"
#include "mbr-gpt/ntfs.h"
#include "ntfs_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tranship_disk *disk_of(struct tranship_file *file)
{
	struct tranship_open_options options = { .format = "raw" };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open_file(file, &options, &disk, &err), &err);
	return disk;
}

/* The scene, sealed, on a disk. */
static struct tranship_disk *scene(struct image_ntfs *image)
{
	image_ntfs_scene(image);
	image_ntfs_seal(image->bytes, (size_t)image->size, image->record_size, image->block_size);
	return disk_of(file_of(image->bytes, (size_t)image->size));
}

static struct ntfs *open_ntfs(struct tranship_disk *disk)
{
	struct volume volume = volume_whole(disk, NULL);
	struct tranship_error err;
	struct ntfs *ntfs;

	assert_ok(ntfs_open(&volume, &ntfs, &err), &err);
	return ntfs;
}

static struct ntfs_file *find(struct ntfs *ntfs, const char *path)
{
	struct tranship_error err;
	struct ntfs_file *file;

	assert_ok(ntfs_find(ntfs, path, &file, &err), &err);
	return file;
}

/* The file has this content: as a whole, and from each of some places to each of some others. */
static void check_file(struct ntfs_file *file, const unsigned char *content, size_t size)
{
	struct rng rng = { size };
	struct tranship_error err;
	unsigned char *got;
	unsigned i;

	assert_int_equal(ntfs_file_size(file), size);
	assert_false(ntfs_file_is_directory(file));
	assert_ok(ntfs_file_read_all(file, size, &got, &err), &err);
	assert_same_bytes(got, content, size);
	for (i = 0; i < 50; i++) {
		uint64_t off = rng_below(&rng, size);
		size_t len = (size_t)rng_below(&rng, size - off) + 1;

		assert_ok(ntfs_file_read(file, off, got, len, &err), &err);
		assert_same_bytes(got, content + off, len);
	}
	free(got);
	assert_fails(ntfs_file_read(file, 0, &rng, size + 1, &err), TRANSHIP_EINVAL, &err,
		     "pass the end");
	assert_fails(ntfs_file_read_all(file, size - 1, &got, &err), TRANSHIP_ELIMIT, &err,
		     "are read");
	assert_null(got);
}

static void check_all(struct image_ntfs *image)
{
	struct tranship_disk *disk = scene(image);
	struct ntfs *ntfs = open_ntfs(disk);
	struct ntfs_walk walk;
	struct tranship_error err;
	unsigned i;

	for (i = 0; i < IMAGE_RECORDS; i++) {
		struct ntfs_file *file;
		unsigned char *content;
		size_t size;

		content = image_ntfs_content(image, i, &size);
		if (!content)
			continue;
		file = find(ntfs, image_ntfs_path(i));
		assert_non_null(file);
		check_file(file, content, size);
		ntfs_file_close(file);
		free(content);
	}
	ntfs_close(ntfs);
	assert_ok(ntfs_walk(disk, &walk, &err), &err);
	assert_null(walk.broken);
	assert_int_equal(walk.folders, 2);
	tranship_disk_close(disk);
	image_ntfs_free(image);
}

static void test_ntfs__each_kind_of_file_in_each_geometry(void **state)
{
	static const struct image_ntfs rows[] = {
		{ 512, 512, 1024, 1024 },   { 512, 1024, 1024, 4096 },   { 512, 2048, 4096, 1024 },
		{ 512, 4096, 1024, 4096 },  { 512, 4096, 1024, 65536 },  { 4096, 4096, 4096, 4096 },
		{ 512, 65536, 1024, 4096 }, { 512, 131072, 1024, 4096 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		struct image_ntfs image = rows[i];

		check_all(&image);
	}
}

static void test_ntfs_open__what_the_volume_says(void **state)
{
	struct image_ntfs image = { 0 };
	struct tranship_disk *disk;
	struct ntfs *ntfs;

	(void)state;
	image_ntfs_scene(&image);
	image_ntfs_attribute(&image, 3, 0x70)[24 + 10] |= 1;
	image_ntfs_seal(image.bytes, (size_t)image.size, 1024, 1024);
	disk = disk_of(file_of(image.bytes, (size_t)image.size));
	ntfs = open_ntfs(disk);
	assert_true(ntfs_is_dirty(ntfs));
	assert_string_equal(ntfs_label(ntfs), "sc\xC3\xA8ne");
	assert_int_equal(ntfs_serial(ntfs), 0x1234567890ABCDEF);
	ntfs_close(ntfs);
	tranship_disk_close(disk);
	image_ntfs_free(&image);
}

static void test_ntfs_find__paths(void **state)
{
	static const struct {
		const char *path;
		size_t size; /* 0: it is not there */
	} rows[] = {
		{ "ALPHA.TXT", 100 },
		{ "/alpha.txt", 100 },
		{ "\\Golf\\KILO", 100 },
		{ "golf//kilo", 100 },
		{ "golf/kilo/", 100 },
		{ "golf/kilo~1", 100 },
		{ "golf/MIKE", 100 },
		{ "golf/Z\xC3\x9CLU", 100 },
		{ "alpha.tx", 0 },
		{ "alpha.txt2", 0 },
		{ "alpha.txt/kilo", 0 },
		{ "aaa", 0 },
		{ "zzz", 0 },
		{ "golf/a", 0 },
		{ "golf/n", 0 },
		{ "golf/zzzz", 0 },
		{ "golf/..", 0 },
		{ "echo2", 0 },
		{ "\xFF", 0 },
		{ "golf/\xE2\x82", 0 },
	};
	struct image_ntfs image = { 0 };
	struct tranship_disk *disk = scene(&image);
	struct ntfs *ntfs = open_ntfs(disk);
	struct ntfs_file *file;
	char lengthy[3000];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		file = find(ntfs, rows[i].path);
		if ((file ? ntfs_file_size(file) : 0) != rows[i].size)
			fail_msg("%s", rows[i].path);
		ntfs_file_close(file);
	}
	for (i = 254; i <= 2 * 256 + 255; i += 257) {
		memset(lengthy, 'a', sizeof(lengthy));
		lengthy[i] = '\0';
		assert_null(find(ntfs, lengthy));
	}
	memset(lengthy, 'a', sizeof(lengthy));
	lengthy[sizeof(lengthy) - 1] = '\0';
	assert_null(find(ntfs, lengthy));
	file = find(ntfs, "");
	assert_true(ntfs_file_is_directory(file));
	assert_int_equal(ntfs_file_size(file), 0);
	ntfs_file_close(file);
	ntfs_close(ntfs);
	tranship_disk_close(disk);
	image_ntfs_free(&image);
}

/* Collects names, "NAME:RECORD " or "NAME/:RECORD ". */
static int note_name(void *ctx, const char *name, uint64_t record, bool is_directory)
{
	char *text = ctx;
	size_t len = strlen(text);

	snprintf(text + len, 1000 - len, "%s%s:%u.%u ", name, is_directory ? "/" : "",
		 (unsigned)record, (unsigned)(record >> 48));
	return strcmp(name, "mike") == 0 ? 77 : 0;
}

static void test_ntfs_list__names(void **state)
{
	struct image_ntfs image = { 0 };
	struct tranship_disk *disk = scene(&image);
	struct ntfs *ntfs = open_ntfs(disk);
	struct tranship_error err;
	struct ntfs_file *file = find(ntfs, "");
	char text[1000] = "";

	(void)state;
	assert_ok(ntfs_list(file, note_name, text, &err), &err);
	/* Those of the root come first; the blocks follow. */
	assert_string_equal(text, "echo:16.16 alpha.txt:12.12 Bravo:13.13 charlie:14.14 "
				  "Delta:15.15 Far:25.25 golf/:19.19 hotel:21.21 India:22.22 "
				  "juliet/:23.23 ");
	ntfs_file_close(file);
	file = find(ntfs, "golf");
	text[0] = '\0';
	/* Its alias is passed over, and it stops where it is told to. */
	assert_int_equal(ntfs_list(file, note_name, text, &err), 77);
	assert_string_equal(text, "kilo:20.20 mike:20.20 ");
	ntfs_file_close(file);
	file = find(ntfs, "alpha.txt");
	assert_fails(ntfs_list(file, note_name, text, &err), TRANSHIP_EINVAL, &err, "no directory");
	ntfs_file_close(file);
	ntfs_close(ntfs);
	tranship_disk_close(disk);
	image_ntfs_free(&image);
}

static void test_ntfs_find__files_that_are_refused(void **state)
{
	static const struct {
		unsigned record;
		const char *piece;
	} rows[] = {
		{ IMAGE_WOF, "'hotel': ntfs: file record 21 is compressed by WOF" },
		{ IMAGE_ENCRYPTED, "'India': ntfs: file record 22 is encrypted" },
		{ IMAGE_JUNCTION, "'juliet': ntfs: file record 23 is a reparse point (tag "
				  "0xa0000003)" },
	};
	struct image_ntfs image = { 0 };
	struct tranship_disk *disk = scene(&image);
	struct ntfs *ntfs = open_ntfs(disk);
	struct tranship_error err;
	struct ntfs_file *file;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		assert_fails(ntfs_find(ntfs, image_ntfs_path(rows[i].record), &file, &err),
			     TRANSHIP_EUNSUPPORTED, &err, rows[i].piece);
		assert_null(file);
	}
	assert_fails(ntfs_find(ntfs, "juliet/inside", &file, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "reparse point");
	ntfs_close(ntfs);
	tranship_disk_close(disk);
	image_ntfs_free(&image);
}

static void test_ntfs_file_open__by_reference(void **state)
{
	static const struct {
		uint64_t number, sequence;
		const char *piece; /* NULL: it opens */
	} rows[] = {
		{ IMAGE_PLAIN, IMAGE_PLAIN, NULL },
		{ IMAGE_PLAIN, 0, NULL },
		{ IMAGE_PLAIN, 14, "is referred to with sequence number 14, and has 13" },
		{ IMAGE_UNUSED, 0, "not in use" },
		{ IMAGE_EXTENT, 0, "it belongs to record 16" },
		{ IMAGE_RECORDS, 0, "the MFT has 28" },
		{ (1ULL << 48) - 1, 0, "the MFT has 28" },
	};
	struct image_ntfs image = { 0 };
	struct tranship_disk *disk = scene(&image);
	struct ntfs *ntfs = open_ntfs(disk);
	struct tranship_error err;
	struct ntfs_file *file;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		int rc = ntfs_file_open(ntfs, rows[i].number | rows[i].sequence << 48, &file, &err);

		if (rows[i].piece)
			assert_fails(rc, TRANSHIP_ECORRUPT, &err, rows[i].piece);
		else
			assert_ok(rc, &err);
		ntfs_file_close(file);
	}
	ntfs_close(ntfs);
	tranship_disk_close(disk);
	image_ntfs_free(&image);
}

static void test_ntfs_file_where(void **state)
{
	static const struct {
		unsigned record;
		uint64_t off;
		uint64_t len; /* 0: it has none */
		const char *piece;
	} rows[] = {
		{ IMAGE_RESIDENT, 5, 0, "in the file record" },
		{ IMAGE_PACKED, 5, 0, "compressed" },
		{ IMAGE_PLAIN, 0, 3 * 512 - 7, NULL },
		{ IMAGE_PLAIN, 3 * 512 - 8, 1, NULL },
		{ IMAGE_PLAIN, 3 * 512 - 7, 0, "nothing was written" },
		{ IMAGE_PIECES, 100, 924, NULL },
		{ IMAGE_PIECES, 1024, 1024, NULL },
		{ IMAGE_PIECES, 2048, 0, "sparse" },
		{ IMAGE_PIECES, 7 * 512, 517, NULL },
		{ IMAGE_LISTED, 1024, 4 * 512 - 1, NULL },
	};
	struct image_ntfs image = { 0 };
	struct tranship_disk *disk = scene(&image);
	struct ntfs *ntfs = open_ntfs(disk);
	struct tranship_error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		struct ntfs_file *file = find(ntfs, image_ntfs_path(rows[i].record));
		uint64_t at = 0, len = 0;
		unsigned char *content;
		size_t size;
		int rc = ntfs_file_where(file, rows[i].off, &at, &len, &err);

		content = image_ntfs_content(&image, rows[i].record, &size);
		if (rows[i].piece) {
			assert_fails(rc, TRANSHIP_EUNSUPPORTED, &err, rows[i].piece);
		} else {
			assert_ok(rc, &err);
			assert_int_equal(len, rows[i].len);
			assert_same_bytes(image.bytes + at, content + rows[i].off, (size_t)len);
		}
		assert_fails(ntfs_file_where(file, size, &at, &len, &err), TRANSHIP_EINVAL, &err,
			     "of");
		free(content);
		ntfs_file_close(file);
	}
	ntfs_close(ntfs);
	tranship_disk_close(disk);
	image_ntfs_free(&image);
}

/* The first record of the MFT has only its first clusters; a list names the rest, which stands in a
 * record that those clusters hold. */
static void test_ntfs_open__an_mft_with_an_attribute_list(void **state)
{
	struct image_ntfs image = { 0 };
	struct image_runs runs = { 0 };
	unsigned char list[64] = { 0 };
	struct tranship_disk *disk;
	struct ntfs_walk walk;
	struct tranship_error err;

	(void)state;
	image_ntfs_scene(&image);
	put_le32(list, 0x80);
	put_le16(list + 4, 32);
	put_le64(list + 16, 1ULL << 48);
	put_le16(list + 24, 1);
	memcpy(list + 32, list, 32);
	put_le64(list + 32 + 8, 16);
	put_le64(list + 32 + 16, 4ULL << 48 | 4);
	put_le16(list + 32 + 24, 0);
	image_ntfs_begin(&image, 0, 1, 1, 0);
	image_ntfs_resident(&image, 0, 0x20, "", list, sizeof(list));
	runs.size = runs.initialised = IMAGE_RECORDS * 1024;
	runs.at[0] = (struct image_run){ image.mft_lcn, 16 };
	image_ntfs_runs(&image, 0, 0x80, "", &runs);
	image_ntfs_begin(&image, 4, 4, 1, 1ULL << 48);
	runs.lowest_vcn = 16;
	runs.at[0] = (struct image_run){ image.mft_lcn + 16, 2 * IMAGE_RECORDS - 16 };
	image_ntfs_runs(&image, 4, 0x80, "", &runs);
	image_ntfs_seal(image.bytes, (size_t)image.size, 1024, 1024);
	disk = disk_of(file_of(image.bytes, (size_t)image.size));
	assert_ok(ntfs_walk(disk, &walk, &err), &err);
	assert_null(walk.broken);
	assert_int_equal(walk.folders, 2);
	assert_int_equal(walk.files, 10); /* one of them by four names */
	tranship_disk_close(disk);
	image_ntfs_free(&image);
}

/* Each read of the disk fails once: what was asked for fails with it, or did not need it. */
static void test_ntfs__each_read_fails(void **state)
{
	struct image_ntfs image = { 0 };
	struct ntfs_walk walk;
	struct tranship_error err;
	unsigned n;
	bool failed = true;

	(void)state;
	tranship_disk_close(scene(&image));
	for (n = 1; failed; n++) {
		struct faults faults = { .fail_read = n };
		struct tranship_file *file =
			faulty_over(file_of(image.bytes, (size_t)image.size), &faults);
		struct tranship_disk *disk = disk_of(file);
		int rc = ntfs_walk(disk, &walk, &err);

		failed = faults.failed;
		if (rc)
			assert_fails(rc, TRANSHIP_EIO, &err, FAULT_MESSAGE);
		else if (failed)
			assert_true(walk.broken || walk.refused > 0);
		tranship_disk_close(disk);
	}
	assert_true(n > 20);
	image_ntfs_free(&image);
}

/* Opens the volume and reads a file; the nth allocation fails. Returns whether there was an nth. */
static bool read_with_failure(const struct volume *volume, const char *path, unsigned long n)
{
	struct ntfs *ntfs = NULL;
	struct ntfs_file *file = NULL;
	unsigned char *bytes = NULL;
	struct heap_seen seen;
	int rc;

	heap_watch(n, false);
	rc = ntfs_open(volume, &ntfs, NULL);
	if (rc == 0)
		rc = ntfs_find(ntfs, path, &file, NULL);
	if (rc == 0)
		rc = ntfs_file_read_all(file, 1 << 20, &bytes, NULL);
	free(bytes);
	ntfs_file_close(file);
	ntfs_close(ntfs);
	seen = heap_unwatch();
	assert_int_equal(rc, seen.failed ? TRANSHIP_ENOMEM : 0);
	assert_int_equal(seen.held, 0);
	return seen.failed;
}

static void test_ntfs__each_allocation_fails(void **state)
{
	static const char *const files[] = { "Delta", "Far", "golf/kilo" };
	struct image_ntfs image = { 0 };
	struct tranship_disk *disk = scene(&image);
	struct volume volume = volume_whole(disk, NULL);
	unsigned long n;
	size_t i;

	(void)state;
	ntfs_close(open_ntfs(disk)); /* the disk keeps what it reads with */
	for (i = 0; i < COUNT_OF(files); i++) {
		for (n = 1; read_with_failure(&volume, files[i], n); n++)
			;
		assert_true(n > 8 || !HEAP_WATCHED);
	}
	tranship_disk_close(disk);
	image_ntfs_free(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ntfs__each_kind_of_file_in_each_geometry),
		cmocka_unit_test(test_ntfs_open__what_the_volume_says),
		cmocka_unit_test(test_ntfs_find__paths),
		cmocka_unit_test(test_ntfs_list__names),
		cmocka_unit_test(test_ntfs_find__files_that_are_refused),
		cmocka_unit_test(test_ntfs_file_open__by_reference),
		cmocka_unit_test(test_ntfs_file_where),
		cmocka_unit_test(test_ntfs_open__an_mft_with_an_attribute_list),
		cmocka_unit_test(test_ntfs__each_read_fails),
		cmocka_unit_test(test_ntfs__each_allocation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
