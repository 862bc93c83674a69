// SPDX-License-Identifier: Apache-2.0
/* NTFS volumes with one field that is wrong: a clear error, and nothing else. */
#include "support.h"

#include "base/bytes.h"
#include "image_ntfs.h"
#include "mbr-gpt/ntfs.h"
#include "ntfs_walk.h"
#include "patched.h"

#include <stdlib.h>
#include <string.h>

/* What a row changes: the boot sector; a record's head; an attribute of it; that attribute's value,
 * or its runs; a block of a folder. */
enum place { BOOT, RECORD, ATTRIBUTE, VALUE, RUNS, BLOCK };

struct row {
	const char *what;
	enum place place;
	unsigned record, which; /* the attribute's type, the block's number */
	size_t off, width;
	uint64_t value;
	const char *path; /* that is read or, with a '/' at its end, listed; NULL: nothing opens */
	int code;
	const char *piece;
};

#define BAD TRANSHIP_ECORRUPT
#define NOT_OURS TRANSHIP_EUNSUPPORTED
#define TOO_MUCH TRANSHIP_ELIMIT
#define NO_FILE NULL

static const struct row rows[] = {
	{ "no NTFS", BOOT, 0, 0, 3, 1, 'M', NO_FILE, BAD, "not that of an NTFS" },
	{ "BitLocker", BOOT, 0, 0, 3, 8, 0x2D53462D4556462D, NO_FILE, NOT_OURS, "BitLocker" },
	{ "sectors of 0", BOOT, 0, 0, 11, 2, 0, NO_FILE, BAD, "sectors of 0 bytes" },
	{ "sectors of 256", BOOT, 0, 0, 11, 2, 256, NO_FILE, BAD, "sectors of 256 bytes" },
	{ "sectors of 513", BOOT, 0, 0, 11, 2, 513, NO_FILE, BAD, "sectors of 513 bytes" },
	{ "sectors of 8192", BOOT, 0, 0, 11, 2, 8192, NO_FILE, BAD, "sectors of 8192 bytes" },
	{ "clusters of 0", BOOT, 0, 0, 13, 1, 0, NO_FILE, BAD, "clusters of 0 bytes" },
	{ "clusters of 3", BOOT, 0, 0, 13, 1, 3, NO_FILE, BAD, "clusters of 1536 bytes" },
	{ "clusters of 129", BOOT, 0, 0, 13, 1, 129, NO_FILE, BAD, "clusters of 0 bytes" },
	{ "clusters of 4 MiB", BOOT, 0, 0, 13, 1, 243, NO_FILE, BAD, "clusters of 4194304 bytes" },
	{ "clusters of 2 MiB", BOOT, 0, 0, 13, 1, 244, NO_FILE, BAD, "file records of 4194304" },
	{ "no sectors", BOOT, 0, 0, 0x28, 8, 0, NO_FILE, BAD, "cluster 8 of 0" },
	{ "more sectors", BOOT, 0, 0, 0x28, 8, 1 << 20, NO_FILE, BAD, "1048576 sectors" },
	{ "most sectors", BOOT, 0, 0, 0x28, 8, UINT64_MAX, NO_FILE, BAD, "sectors of 512 bytes" },
	{ "sectors of 2^64 bytes", BOOT, 0, 0, 0x28, 8, 1ULL << 55, NO_FILE, BAD, "sectors of" },
	{ "MFT past the end", BOOT, 0, 0, 0x30, 8, 9999, NO_FILE, BAD, "the MFT begins at" },
	{ "MFT elsewhere", BOOT, 0, 0, 0x30, 8, 9, NO_FILE, BAD, "file record 0 has no signature" },
	{ "records of 0", BOOT, 0, 0, 0x40, 1, 0, NO_FILE, BAD, "file records of 0 bytes" },
	{ "records of 512", BOOT, 0, 0, 0x40, 1, 0xF7, NO_FILE, BAD, "file records of 512 bytes" },
	{ "records of 8192", BOOT, 0, 0, 0x40, 1, 0xF3, NO_FILE, BAD, "file records of 8192" },
	{ "records of 2^128", BOOT, 0, 0, 0x40, 1, 0x80, NO_FILE, BAD, "file records of 0 bytes" },
	{ "blocks of 128 KiB", BOOT, 0, 0, 0x44, 1, 0xEF, NO_FILE, BAD, "index blocks of 131072" },

	{ "BAAD", RECORD, 12, 0, 0, 4, 0x44414142, "alpha.txt", BAD, "12 is marked as bad" },
	{ "no FILE", RECORD, 12, 0, 0, 4, 0, "alpha.txt", BAD, "record 12 has no signature" },
	{ "array past its stride", RECORD, 12, 0, 4, 2, 506, "alpha.txt", BAD, "3 at 506" },
	{ "array in the head", RECORD, 12, 0, 4, 2, 6, "alpha.txt", BAD, "3 at 6" },
	{ "array of 2", RECORD, 12, 0, 6, 2, 2, "alpha.txt", BAD, "an update sequence array of 2" },
	{ "array of 65535", RECORD, 12, 0, 6, 2, 65535, "alpha.txt", BAD, "array of 65535" },
	{ "not in use", RECORD, 12, 0, 22, 2, 0, "alpha.txt", BAD, "not in use" },
	{ "sequence", RECORD, 12, 0, 16, 2, 13, "alpha.txt", BAD, "number 12, and has 13" },
	{ "a base", RECORD, 12, 0, 32, 8, 13, "alpha.txt", BAD, "it belongs to record 13" },
	{ "attributes at 0", RECORD, 12, 0, 20, 2, 0, "alpha.txt", BAD, "attributes from 0" },
	{ "attributes at 57", RECORD, 12, 0, 20, 2, 57, "alpha.txt", BAD, "attributes from 57" },
	{ "attributes at the end", RECORD, 12, 0, 20, 2, 65528, "alpha.txt", BAD, "from 65528" },
	{ "too much in use", RECORD, 12, 0, 24, 4, 1025, "alpha.txt", BAD, "to 1025 of 1024" },
	{ "most in use", RECORD, 12, 0, 24, 4, UINT32_MAX, "alpha.txt", BAD, "to 4294967295" },
	{ "no end", RECORD, 12, 0, 24, 4, 184, "alpha.txt", BAD, "have no end" },
	{ "is a directory", RECORD, 12, 0, 22, 2, 3, "alpha.txt", BAD, "it has no index root" },

	{ "attribute of 0", ATTRIBUTE, 12, 0x80, 4, 4, 0, "alpha.txt", BAD, "length is wrong (0)" },
	{ "attribute of 12", ATTRIBUTE, 12, 0x80, 4, 4, 12, "alpha.txt", BAD, "wrong (12)" },
	{ "long attribute", ATTRIBUTE, 12, 0x80, 4, 4, 2048, "alpha.txt", BAD, "wrong (2048)" },
	{ "longest attribute", ATTRIBUTE, 12, 0x80, 4, 4, 0xFFFFFFF8, "alpha.txt", BAD, "wrong" },
	{ "long name", ATTRIBUTE, 12, 0x80, 9, 1, 255, "alpha.txt", BAD, "its name passes" },
	{ "long value", ATTRIBUTE, 12, 0x80, 16, 4, 2000, "alpha.txt", BAD, "its value passes" },
	{ "longest value", ATTRIBUTE, 12, 0x80, 16, 4, UINT32_MAX, "alpha.txt", BAD, "its value" },
	{ "value elsewhere", ATTRIBUTE, 12, 0x80, 20, 2, 65000, "alpha.txt", BAD, "its value" },

	{ "runs at 8", ATTRIBUTE, 13, 0x80, 32, 2, 8, "Bravo", BAD, "not within it (8)" },
	{ "runs at 65535", ATTRIBUTE, 13, 0x80, 32, 2, 65535, "Bravo", BAD,
	  "not within it (65535)" },
	{ "a short one with runs", ATTRIBUTE, 12, 0x80, 4, 8, 0x100000038, "alpha.txt", BAD,
	  "too short for runs" },
	{ "lowest VCN", ATTRIBUTE, 13, 0x80, 16, 8, 1, "Bravo", BAD, "does not go on" },
	{ "negative VCN", ATTRIBUTE, 13, 0x80, 16, 8, 1ULL << 63, "Bravo", BAD, "VCN is negative" },
	{ "highest VCN", ATTRIBUTE, 13, 0x80, 24, 8, 7, "Bravo", BAD, "they do not end with" },
	{ "highest VCN of 0", ATTRIBUTE, 13, 0x80, 24, 8, 0, "Bravo", 0, "" },
	{ "negative highest", ATTRIBUTE, 13, 0x80, 24, 8, 1ULL << 63, "Bravo", BAD, "negative" },
	{ "size past its runs", ATTRIBUTE, 13, 0x80, 48, 8, 4 * 512 + 1, "Bravo", BAD, "runs end" },
	{ "largest size", ATTRIBUTE, 13, 0x80, 48, 8, UINT64_MAX, "Bravo", BAD, "its runs end" },
	{ "initialised", ATTRIBUTE, 13, 0x80, 56, 8, 4 * 512, "Bravo", BAD, "is initialised" },
	{ "a field of 9 bytes", RUNS, 13, 0x80, 0, 1, 0x19, "Bravo", BAD, "more than 8 bytes" },
	{ "an offset of 9 bytes", RUNS, 13, 0x80, 0, 1, 0x91, "Bravo", BAD, "more than 8 bytes" },
	{ "no length", RUNS, 13, 0x80, 0, 1, 0x10, "Bravo", BAD, "or of none" },
	{ "long fields", RUNS, 13, 0x80, 0, 1, 0x88, "Bravo", BAD, "pass the attribute's end" },
	{ "length 0", RUNS, 13, 0x80, 1, 1, 0, "Bravo", BAD, "a length below 1" },
	{ "length -1", RUNS, 13, 0x80, 1, 1, 0xFF, "Bravo", BAD, "a length below 1" },
	{ "before the volume", RUNS, 13, 0x80, 2, 1, 0x80, "Bravo", BAD, "before the volume" },
	{ "past the volume", RUNS, 13, 0x80, 0, 4, 0x7FFF0421, "Bravo", BAD, "the volume's end" },
	{ "no runs", RUNS, 13, 0x80, 0, 1, 0, "Bravo", BAD, "they do not end with" },
	{ "a hole of 2^62", RUNS, 13, 0x80, 0, 8, 0x08, "Bravo", BAD, "pass the attribute's end" },

	{ "a method", ATTRIBUTE, 15, 0x80, 12, 2, 2, "Delta", NOT_OURS, "unknown method" },
	{ "unit of 2^5", ATTRIBUTE, 15, 0x80, 34, 1, 5, "Delta", NOT_OURS,
	  "by its power of two (5)" },
	{ "unit of 2^0", ATTRIBUTE, 15, 0x80, 34, 1, 0, "Delta", NOT_OURS,
	  "by its power of two (0)" },

	{ "entry of 0", VALUE, 16, 0x20, 4, 2, 0, "echo", BAD, "an entry of 0 bytes at 0 of 64" },
	{ "long entry", VALUE, 16, 0x20, 36, 2, 33, "echo", BAD, "an entry of 33 bytes at 32" },
	{ "entry's name", VALUE, 16, 0x20, 6, 1, 200, "echo", BAD, "name of the entry at 0" },
	{ "not listed", VALUE, 16, 0x20, 8, 8, 1, "echo", BAD, "0x80 from VCN 1 on is not in" },
	{ "instance", VALUE, 16, 0x20, 24, 2, 9, "echo", BAD, "is not in record 17" },
	{ "itself", VALUE, 16, 0x20, 16, 8, 16, "echo", BAD, "is not in record 16" },
	{ "the first again", VALUE, 16, 0x20, 40, 8, 0, "echo", BAD, "is not in record 18" },
	{ "no extension", VALUE, 16, 0x20, 16, 8, 12, "echo", BAD, "12 belongs to record 0" },
	{ "another's extension", VALUE, 16, 0x20, 16, 8, 26, "echo", BAD,
	  "26 belongs to record 25" },
	{ "past the MFT", VALUE, 16, 0x20, 16, 8, 999, "echo", BAD, "999; the MFT has 28" },
	{ "old reference", VALUE, 16, 0x20, 22, 2, 3, "echo", BAD,
	  "sequence number 3, and has 17" },
	{ "base's number", RECORD, 17, 0, 32, 1, 25, "echo", BAD, "17 belongs to record 25" },
	{ "base's sequence", RECORD, 17, 0, 38, 2, 3, "echo", BAD, "16 of sequence number 3" },
	{ "long list", ATTRIBUTE, 25, 0x20, 48, 8, 1 << 20, "Far", BAD, "its runs end before" },

	{ "root in clusters", ATTRIBUTE, 19, 0x90, 0, 4, 0x91, "golf/", BAD, "no index root" },
	{ "short root", ATTRIBUTE, 19, 0x90, 16, 4, 31, "golf/", BAD, "root is too short" },
	{ "type", VALUE, 19, 0x90, 0, 4, 0x80, "golf/", BAD, "not one of file names" },
	{ "collation", VALUE, 19, 0x90, 4, 4, 0, "golf/", BAD, "not one of file names" },
	{ "block size 0", VALUE, 19, 0x90, 8, 4, 0, "golf/", BAD, "impossible size (0)" },
	{ "block size 2^31", VALUE, 19, 0x90, 8, 4, 1U << 31, "golf/", BAD, "impossible size" },
	{ "first entry", VALUE, 19, 0x90, 16, 4, 8, "golf/", BAD, "entries from 8" },
	{ "last entry", VALUE, 19, 0x90, 20, 4, 4096, "golf/", BAD, "to 4096" },
	{ "backwards", VALUE, 19, 0x90, 16, 4, 0x7FFFFFFF, "golf/", BAD,
	  "entries from 2147483647" },
	{ "entry of 0", VALUE, 19, 0x90, 40, 2, 0, "golf/", BAD, "its length is wrong" },
	{ "entry of 17", VALUE, 19, 0x90, 40, 2, 17, "golf/", BAD, "its length is wrong" },
	{ "long entry", VALUE, 19, 0x90, 40, 2, 65528, "golf/", BAD, "its length is wrong" },
	{ "no last entry", VALUE, 19, 0x90, 44, 2, 0, "golf/", BAD, "its key is no file name" },
	{ "child", VALUE, 19, 0x90, 48, 8, 100, "golf/kilo", BAD, "not in its index (100)" },
	{ "child between", VALUE, 19, 0x90, 48, 8, 1, "golf/kilo", BAD, "not in its index (1)" },
	{ "child of 2^63", VALUE, 19, 0x90, 48, 8, 1ULL << 63, "golf/kilo", BAD,
	  "not in its index" },
	{ "free block", VALUE, 19, 0xB0, 0, 1, 5, "golf/kilo", BAD, "not in use (2)" },
	{ "no bitmap", ATTRIBUTE, 19, 0xB0, 16, 4, 0, "golf/kilo", BAD, "not in use (2)" },
	{ "huge index", ATTRIBUTE, 19, 0xA0, 48, 8, 1ULL << 50, "golf/", BAD, "its runs end" },
	{ "no INDX", BLOCK, 19, 1, 0, 1, 'X', "golf/", BAD, "index block 2 has no signature" },
	{ "another block", BLOCK, 19, 1, 16, 8, 4, "golf/", BAD, "by its VCN (4)" },
	{ "block's entries", BLOCK, 19, 1, 24, 4, 1001, "golf/", BAD, "entries from 1001" },
	{ "block's end", BLOCK, 19, 1, 28, 4, 1001, "golf/", BAD, "to 1001 of 1000" },
	{ "key", BLOCK, 19, 1, 48 + 10, 2, 200, "golf/", BAD, "its key passes its end" },
	{ "short key", BLOCK, 19, 1, 48 + 10, 2, 60, "golf/", BAD, "its key is no file name" },
	{ "long name", BLOCK, 19, 1, 48 + 16 + 64, 1, 200, "golf/", BAD,
	  "its name passes its key" },
	{ "no name", BLOCK, 19, 1, 48 + 16 + 64, 1, 0, "golf/", BAD, "its name passes its key" },
	/* The child of "mike" is the block that it stands in. */
	{ "a loop", BLOCK, 19, 1, 48 + 96, 8, 2, "golf/kilo", BAD, "too many levels, or a loop" },

	{ "version", VALUE, 3, 0x70, 8, 1, 1, NO_FILE, NOT_OURS, "version 1.1" },
	{ "no information", ATTRIBUTE, 3, 0x70, 16, 4, 11, NO_FILE, BAD, "$Volume has no" },
	{ "upcase", ATTRIBUTE, 10, 0x80, 48, 8, 131070, NO_FILE, BAD, "is initialised" },
	{ "no upcase", RECORD, 10, 0, 22, 2, 0, NO_FILE, BAD, "record 10 is referred to" },
	{ "resident MFT", ATTRIBUTE, 0, 0x80, 8, 1, 0, NO_FILE, BAD, "" },
	{ "no data of the MFT", ATTRIBUTE, 0, 0x80, 0, 4, 0x81, NO_FILE, BAD,
	  "no runs of its own" },
};

static unsigned char *place_of(const struct image_ntfs *image, const struct row *row)
{
	unsigned char *a;

	switch (row->place) {
	case BOOT: return image->bytes;
	case RECORD: return image_ntfs_record(image, row->record);
	case BLOCK: return image_ntfs_block(image, row->record, row->which);
	default: break;
	}
	a = image_ntfs_attribute(image, row->record, row->which);
	assert_non_null(a);
	if (row->place == ATTRIBUTE)
		return a;
	return a + get_le16(a + (row->place == VALUE ? 20 : 32));
}

static int nothing(void *ctx, const char *name, uint64_t record, bool is_directory)
{
	(void)ctx;
	(void)name;
	(void)record;
	(void)is_directory;
	return 0;
}

/* Opens the volume, and what the path says; lists it or reads all of it. */
static int use(struct tranship_disk *disk, const char *path, struct tranship_error *err)
{
	struct volume volume = volume_whole(disk, NULL);
	struct ntfs_file *file = NULL;
	unsigned char *bytes = NULL;
	struct ntfs *ntfs;
	int rc = ntfs_open(&volume, &ntfs, err);

	if (rc == 0 && path)
		rc = ntfs_find(ntfs, path, &file, err);
	if (rc == 0 && path && !file)
		fail_msg("%s is not there", path);
	if (rc == 0 && file && ntfs_file_is_directory(file))
		rc = ntfs_list(file, nothing, NULL, err);
	else if (rc == 0 && file)
		rc = ntfs_file_read_all(file, 1 << 20, &bytes, err);
	free(bytes);
	ntfs_file_close(file);
	ntfs_close(ntfs);
	return rc;
}

static struct tranship_disk *disk_of(struct tranship_file *file)
{
	struct tranship_open_options options = { .format = "raw" };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_non_null(file);
	assert_ok(tranship_open_file(file, &options, &disk, &err), &err);
	return disk;
}

/* A copy of the scene with one row's change, sealed and used. */
static bool check_row(const struct image_ntfs *scene, const struct row *row)
{
	struct image_ntfs image = *scene;
	struct tranship_error err = { 0 };
	struct ntfs_walk walk;
	struct tranship_disk *disk;
	unsigned char value[8], *at;
	bool right;
	int rc;

	image.bytes = malloc((size_t)image.size);
	assert_non_null(image.bytes);
	memcpy(image.bytes, scene->bytes, (size_t)image.size);
	put_le64(value, row->value);
	at = place_of(&image, row) + row->off;
	assert_memory_not_equal(at, value, row->width);
	memcpy(at, value, row->width);
	image_ntfs_seal(image.bytes, (size_t)image.front, 1024, 1024);
	disk = disk_of(file_of(image.bytes, (size_t)image.size));
	rc = use(disk, row->path, &err);
	right = rc == row->code && strstr(err.message, row->piece);
	if (!right)
		print_error("%s: %d \"%s\", wanted %d \"%s\"\n", row->what, rc, err.message,
			    row->code, row->piece);
	ntfs_walk(disk, &walk, &err);
	assert_null(walk.broken);
	tranship_disk_close(disk);
	free(image.bytes);
	return right;
}

static void test_ntfs__one_wrong_field(void **state)
{
	struct image_ntfs scene = { 0 };
	unsigned wrong = 0;
	size_t i;

	(void)state;
	image_ntfs_scene(&scene);
	for (i = 0; i < COUNT_OF(rows); i++)
		wrong += !check_row(&scene, &rows[i]);
	image_ntfs_free(&scene);
	assert_int_equal(wrong, 0);
}

/* Attributes that are large on paper: all of them is a hole. */
static void test_ntfs__large_by_holes(void **state)
{
	static const struct {
		unsigned record;
		uint32_t type;
		uint64_t size;
		const char *name, *path;
		int code;
		const char *piece;
	} rows_of_holes[] = {
		{ IMAGE_FAR_LIST, 0x20, (256 << 10) + 1, "", "Far", TOO_MUCH,
		  "an attribute list of 262145 bytes" },
		{ IMAGE_FAR_LIST, 0x20, 256 << 10, "", "Far", BAD, "an entry of 0 bytes at 0" },
		{ IMAGE_FAR_LIST, 0x20, 1ULL << 50, "", "Far", TOO_MUCH, "bytes; 262144 are" },
		{ IMAGE_FOLDER, 0xA0, 1ULL << 50, "$I30", "golf/", BAD, "larger than the volume" },
		{ IMAGE_FOLDER, 0xB0, 1ULL << 50, "$I30", "golf/kilo", BAD, "is not in use" },
		{ IMAGE_RESIDENT, 0x80, 1ULL << 50, "", "alpha.txt", TOO_MUCH, "at most 1048576" },
		{ IMAGE_RESIDENT, 0x80, 1ULL << 63, "", "alpha.txt", BAD, "longer than can be" },
		{ 3, 0x60, 1 << 20, "", NULL, BAD, "a label of 1048576 bytes" },
		{ 10, 0x80, 1 << 20, "", NULL, BAD, "$UpCase has 1048576 bytes" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows_of_holes); i++) {
		uint64_t size = rows_of_holes[i].size;
		struct image_runs runs = { .size = size, .initialised = size };
		struct image_ntfs image = { 0 };
		struct tranship_error err;
		struct tranship_disk *disk;

		image_ntfs_scene(&image);
		put_le32(image_ntfs_attribute(&image, rows_of_holes[i].record,
					      rows_of_holes[i].type),
			 0x1000);
		runs.at[0] = (struct image_run){ 0, (size + 511) / 512 };
		image_ntfs_runs(&image, rows_of_holes[i].record, rows_of_holes[i].type,
				rows_of_holes[i].name, &runs);
		image_ntfs_seal(image.bytes, (size_t)image.front, 1024, 1024);
		disk = disk_of(file_of(image.bytes, (size_t)image.size));
		assert_fails(use(disk, rows_of_holes[i].path, &err), rows_of_holes[i].code, &err,
			     rows_of_holes[i].piece);
		tranship_disk_close(disk);
		image_ntfs_free(&image);
	}
}

/* Opens "Delta" with its first unit changed: other runs, or other bytes where they lead. */
static void check_unit(const struct image_run *runs, const void *bytes, size_t len,
		       const char *piece)
{
	struct image_ntfs image = { 0 };
	struct image_runs all = { .size = 16 * 512, .initialised = 16 * 512, .flags = 1 };
	struct tranship_error err;
	struct tranship_disk *disk;
	uint64_t lcn;
	size_t i;

	image_ntfs_scene(&image);
	lcn = image_ntfs_take(&image, 4);
	memcpy(image_ntfs_cluster(&image, lcn), bytes, len);
	for (i = 0; runs[i].count > 0; i++)
		all.at[i] = (struct image_run){ runs[i].lcn ? lcn + runs[i].lcn - 1 : 0,
						runs[i].count };
	put_le32(image_ntfs_attribute(&image, IMAGE_PACKED, 0x80), 0x1000);
	image_ntfs_runs(&image, IMAGE_PACKED, 0x80, "", &all);
	image_ntfs_seal(image.bytes, (size_t)image.front, 1024, 1024);
	disk = disk_of(file_of(image.bytes, (size_t)image.size));
	if (piece)
		assert_fails(use(disk, "Delta", &err), BAD, &err, piece);
	else
		assert_ok(use(disk, "Delta", &err), &err);
	tranship_disk_close(disk);
	image_ntfs_free(&image);
}

static void test_ntfs__damaged_units(void **state)
{
	static const struct image_run good[] = { { 1, 1 }, { 0, 15 }, { 0, 0 } };
	static const struct image_run torn[] = {
		{ 1, 1 }, { 0, 1 }, { 3, 1 }, { 0, 13 }, { 0, 0 }
	};
	static const struct image_run behind[] = { { 0, 1 }, { 1, 1 }, { 0, 14 }, { 0, 0 } };

	(void)state;
	check_unit(good, "\x01\xB0\0a", 5, NULL);
	check_unit(good, "\x01\xA0\0a", 5, "compression unit 0: what is packed in it is damaged");
	check_unit(good, "\xFF\xBF\0a", 5, "compression unit 0: what is packed in it is damaged");
	check_unit(torn, "\x01\xB0\0a", 5, "compression unit 0: it goes on behind a hole");
	check_unit(behind, "\x01\xB0\0a", 5, "it goes on behind a hole");
}

/* A unit that fails leaves nothing in what holds the last unit. */
static void test_ntfs__a_good_unit_behind_a_damaged_one(void **state)
{
	struct image_ntfs image = { 0 };
	struct image_runs runs = { .size = 32 * 512, .initialised = 32 * 512, .flags = 1 };
	struct tranship_error err;
	struct tranship_disk *disk;
	struct volume volume;
	struct ntfs_file *file;
	struct ntfs *ntfs;
	char got[3] = "";
	uint64_t lcn;

	(void)state;
	image_ntfs_scene(&image);
	lcn = image_ntfs_take(&image, 2);
	memcpy(image_ntfs_cluster(&image, lcn), "\x02\xB0\0ab", 6);
	memcpy(image_ntfs_cluster(&image, lcn + 1), "\x02\xB0\0cd\1", 6);
	put_le32(image_ntfs_attribute(&image, IMAGE_PACKED, 0x80), 0x1000);
	memcpy(runs.at, (struct image_run[4]){ { lcn, 1 }, { 0, 15 }, { lcn + 1, 1 }, { 0, 15 } },
	       4 * sizeof(runs.at[0]));
	image_ntfs_runs(&image, IMAGE_PACKED, 0x80, "", &runs);
	image_ntfs_seal(image.bytes, (size_t)image.front, 1024, 1024);
	disk = disk_of(file_of(image.bytes, (size_t)image.size));
	volume = volume_whole(disk, NULL);
	assert_ok(ntfs_open(&volume, &ntfs, &err), &err);
	assert_ok(ntfs_find(ntfs, "Delta", &file, &err), &err);
	assert_ok(ntfs_file_read(file, 0, got, 2, &err), &err);
	assert_string_equal(got, "ab");
	assert_fails(ntfs_file_read(file, 16 * 512, got, 2, &err), BAD, &err, "unit 1: what");
	assert_ok(ntfs_file_read(file, 0, got, 2, &err), &err);
	assert_string_equal(got, "ab");
	ntfs_file_close(file);
	ntfs_close(ntfs);
	tranship_disk_close(disk);
	image_ntfs_free(&image);
}

/* A sector that was not written with the others of its record or block. */
static void test_ntfs__a_fixup_that_does_not_match(void **state)
{
	struct image_ntfs image = { 0 };
	struct tranship_error err;
	size_t stride;

	(void)state;
	image_ntfs_scene(&image);
	image_ntfs_seal(image.bytes, (size_t)image.front, 1024, 1024);
	for (stride = 0; stride < 4; stride++) {
		unsigned char *raw = stride < 2 ? image_ntfs_record(&image, IMAGE_RESIDENT)
						: image_ntfs_block(&image, 5, 2);
		struct tranship_disk *disk;

		raw[stride % 2 * 512 + 511] ^= 1;
		disk = disk_of(file_of(image.bytes, (size_t)image.size));
		raw[stride % 2 * 512 + 511] ^= 1;
		assert_fails(use(disk, stride < 2 ? "alpha.txt" : "golf", &err), TRANSHIP_ECORRUPT,
			     &err, stride % 2 ? "stride 1 has fixup" : "stride 0 has fixup");
		tranship_disk_close(disk);
	}
	image_ntfs_free(&image);
}

/* Each byte of the front in turn, with its fixups right and as they are: no crash, no endless loop,
 * nothing that contradicts itself. */
static void test_ntfs__each_byte_flipped(void **state)
{
	struct image_ntfs image = { 0 };
	struct rng rng = { 99 };
	struct tranship_error err;
	unsigned n;

	(void)state;
	image_ntfs_scene(&image);
	for (n = 0; n < 4000; n++) {
		size_t used = (size_t)image.next_lcn * 512, at;
		struct tranship_disk *disk;
		struct ntfs_walk walk;
		unsigned char *copy = malloc(used);
		struct patch patch = { 0, used, copy };

		assert_non_null(copy);
		memcpy(copy, image.bytes, used);
		/* Records and blocks more often than what the files hold. */
		at = (size_t)rng_below(&rng, rng_below(&rng, 4) ? 4096 + 28 * 1024 : used);
		copy[at] = (unsigned char)rng_next(&rng);
		if (n % 4 > 0)
			image_ntfs_seal(copy, used, 1024, 1024);
		disk = disk_of(
			patched_file(image.bytes, (size_t)image.size, image.size, &patch, 1));
		ntfs_walk(disk, &walk, &err);
		if (walk.broken)
			fail_msg("byte %zu: %s", at, walk.broken);
		tranship_disk_close(disk);
		free(copy);
	}
	image_ntfs_free(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ntfs__one_wrong_field),
		cmocka_unit_test(test_ntfs__large_by_holes),
		cmocka_unit_test(test_ntfs__damaged_units),
		cmocka_unit_test(test_ntfs__a_good_unit_behind_a_damaged_one),
		cmocka_unit_test(test_ntfs__a_fixup_that_does_not_match),
		cmocka_unit_test(test_ntfs__each_byte_flipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
