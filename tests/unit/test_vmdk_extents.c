// SPDX-License-Identifier: Apache-2.0
/* Disks of several extents: sparse, flat, zeros, read-only, forbidden; each in a file of its own.
 */
#include "support.h"

#include "heap.h"
#include "image_vmdk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"

/* Pieces of the disk, of which the files are made. */
#define PIECE 40960U /* 80 sectors, ten grains */

static unsigned char *content; /* eight pieces */

/* FOLDER/flat0 to flat3: pieces 0 to 3, behind 1024 bytes; sparse0 to sparse3: pieces 4 to 7. */
static int make_files(void **state)
{
	struct image_vmdk image = image_vmdk_defaults();
	struct rng rng = { 61 };
	char name[20];
	int i;

	if (folder_make(state))
		return -1;
	content = calloc(1, 8 * PIECE);
	if (!content)
		return -1;
	rng_fill(&rng, content, 8 * PIECE);
	memset(content + 5 * PIECE + 4096, 0, 8192);
	image.descriptor = NULL;
	for (i = 0; i < 4; i++) {
		struct buffer flat = { 0 }, sparse = { 0 };

		if (buffer_append(&flat, content, 1024, NULL) ||
		    buffer_append(&flat, content + (size_t)i * PIECE, PIECE, NULL) ||
		    image_vmdk(&image, content + (size_t)(4 + i) * PIECE, PIECE, &sparse))
			return -1;
		snprintf(name, sizeof(name), "flat%d", i);
		write_path(path_in(*state, name), flat.bytes, flat.len);
		snprintf(name, sizeof(name), "sparse%d", i);
		write_path(path_in(*state, name), sparse.bytes, sparse.len);
		buffer_free(&flat);
		buffer_free(&sparse);
	}
	return 0;
}

static int remove_files(void **state)
{
	free(content);
	return folder_remove(state);
}

static int open_lines(const char *folder, const char *lines, struct tranship_disk **disk,
		      struct tranship_error *err)
{
	static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
	struct tranship_open_options open = { .policy = &beside };
	const char *path = path_in(folder, "disk.vmdk");
	char text[2000];

	snprintf(text, sizeof(text), HEAD "%s", lines);
	write_path(path, text, strlen(text));
	return tranship_open(path, &open, disk, err);
}

/* The disk that the lines describe; its pieces are those of the numbers, '-' stands for zeros. */
static void assert_pieces(const char *folder, const char *lines, const char *want)
{
	unsigned before = count_descriptors();
	size_t size = strlen(want) * PIECE, i;
	unsigned char *back = malloc(size), *zeros = calloc(1, PIECE);
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_true(back && zeros);
	assert_ok(open_lines(folder, lines, &disk, &err), &err);
	assert_int_equal(tranship_disk_size(disk), size);
	assert_ok(tranship_disk_read(disk, NULL, 0, back, size, &err), &err);
	for (i = 0; want[i]; i++)
		assert_memory_equal(
			back + i * PIECE,
			want[i] == '-' ? zeros : content + (size_t)(want[i] - '0') * PIECE, PIECE);
	tranship_disk_close(disk);
	assert_int_equal(count_descriptors(), before);
	free(back);
	free(zeros);
}

static void test_extents__of_each_kind(void **state)
{
	assert_pieces(*state, "RW 80 FLAT \"flat0\" 2\n", "0");
	assert_pieces(*state, "RW 80 FLAT \"flat0\" 2\nRW 80 FLAT \"flat1\" 2\n", "01");
	assert_pieces(*state, "RW 80 SPARSE \"sparse0\"\nRW 80 SPARSE \"sparse1\"\n", "45");
	assert_pieces(*state, "RW 80 VMFS \"flat3\" 2\n", "3");
	assert_pieces(*state, "RW 80 ZERO\n", "-");
}

/* The cases that peers drop, so that the disk shrinks and its tail shifts. */
static void test_extents__zero_and_read_only_ones_keep_their_place(void **state)
{
	assert_pieces(*state,
		      "RW 80 FLAT \"flat0\" 2\nRW 80 ZERO\nRDONLY 80 SPARSE \"sparse3\"\n"
		      "RDONLY 80 ZERO\nRDONLY 80 FLAT \"flat1\" 2\nRW 0 ZERO\n",
		      "0-7-1");
	assert_pieces(*state, "RW 0 ZERO\nRW 0 FLAT \"flat0\" 0\nRW 80 FLAT \"flat2\" 2\n", "2");
}

static void test_extents__that_forbid_access_fail_where_they_are_read(void **state)
{
	struct tranship_extent extent;
	unsigned char buf[1024];
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(open_lines(*state,
			     "RW 80 FLAT \"flat0\" 2\nNOACCESS 80 FLAT \"gone\" 0\n"
			     "RW 80 FLAT \"flat1\" 2\n",
			     &disk, &err),
		  &err);
	assert_int_equal(tranship_disk_size(disk), 3 * PIECE);
	assert_ok(tranship_disk_map(disk, PIECE, &extent, &err), &err);
	assert_true(extent.kind == TRANSHIP_DATA && extent.len == PIECE);
	assert_ok(tranship_disk_read(disk, NULL, PIECE - 512, buf, 512, &err), &err);
	assert_fails(tranship_disk_read(disk, NULL, PIECE - 512, buf, 513, &err),
		     TRANSHIP_EUNSUPPORTED, &err, "extent 2 is marked NOACCESS");
	assert_fails(tranship_disk_read(disk, NULL, 2 * PIECE - 1, buf, 1, &err),
		     TRANSHIP_EUNSUPPORTED, &err, "NOACCESS");
	assert_ok(tranship_disk_read(disk, NULL, 2 * PIECE, buf, 512, &err), &err);
	assert_memory_equal(buf, content + PIECE, 512);
	tranship_disk_close(disk);
}

static void test_extents__reads_cross_their_borders(void **state)
{
	static const struct {
		uint64_t off;
		size_t len;
	} reads[] = { { PIECE - 1, 2 },
		      { PIECE - 5, 10 },
		      { 0, 4 * PIECE },
		      { 2 * PIECE - 7, PIECE + 9 },
		      { 3 * PIECE + 1, PIECE - 1 } };
	unsigned char *back = malloc(4 * PIECE), *want = malloc(4 * PIECE);
	struct tranship_disk *disk;
	struct tranship_error err;
	size_t i;

	assert_true(back && want);
	memcpy(want, content, PIECE);
	memcpy(want + PIECE, content + 5 * PIECE, PIECE);
	memset(want + 2 * PIECE, 0, PIECE);
	memcpy(want + 3 * PIECE, content + 6 * PIECE, PIECE);
	assert_ok(open_lines(*state,
			     "RW 80 FLAT \"flat0\" 2\nRW 80 SPARSE \"sparse1\"\nRW 80 ZERO\n"
			     "RW 80 SPARSE \"sparse2\"\n",
			     &disk, &err),
		  &err);
	for (i = 0; i < COUNT_OF(reads); i++) {
		assert_ok(tranship_disk_read(disk, NULL, reads[i].off, back, reads[i].len, &err),
			  &err);
		assert_memory_equal(back, want + reads[i].off, reads[i].len);
	}
	tranship_disk_close(disk);
	free(back);
	free(want);
}

static void test_extents__the_map_names_their_files(void **state)
{
	static const char *const names[] = { "disk.vmdk", "flat0", "sparse1" };
	struct tranship_extent extent;
	struct tranship_disk *disk;
	struct tranship_error err;
	uint32_t i;

	assert_ok(open_lines(*state, "RW 80 FLAT \"flat0\" 2\nRW 80 SPARSE \"sparse1\"\n", &disk,
			     &err),
		  &err);
	for (i = 0; i < 3; i++)
		assert_non_null(strstr(tranship_disk_file_name(disk, i), names[i]));
	assert_null(tranship_disk_file_name(disk, 3));
	assert_ok(tranship_disk_map(disk, 512, &extent, &err), &err);
	assert_true(extent.file_index == 1 && extent.file_off == 1024 + 512);
	assert_ok(tranship_disk_map(disk, PIECE, &extent, &err), &err);
	assert_int_equal(extent.file_index, 2);
	tranship_disk_close(disk);
}

static void test_extents__that_cannot_be(void **state)
{
	static const struct {
		const char *lines;
		int code;
		const char *piece;
	} cases[] = {
		{ "RW 81 FLAT \"flat0\" 2\n", TRANSHIP_ECORRUPT,
		  "'flat0': vmdk: the extent needs" },
		{ "RW 80 FLAT \"flat0\" 3\n", TRANSHIP_ECORRUPT, "the extent needs" },
		{ "RW 80 FLAT \"flat0\" 18014398509481983\n", TRANSHIP_ECORRUPT,
		  "the extent needs" },
		{ "RW 81 SPARSE \"sparse0\"\n", TRANSHIP_ECORRUPT,
		  "'sparse0': vmdk: the extent has 40960 bytes, the descriptor wants 41472" },
		{ "RW 80 SPARSE \"flat0\"\n", TRANSHIP_ECORRUPT,
		  "'flat0': vmdk: no sparse header" },
		{ "RW 80 SPARSE \"disk.vmdk\"\n", TRANSHIP_ECORRUPT, "'disk.vmdk': vmdk:" },
		{ "RW 80 FLAT \"missing\" 0\n", TRANSHIP_EIO, "'missing'" },
		{ "RW 80 FLAT \"../flat0\" 0\n", TRANSHIP_EDENIED, "leads out" },
		{ "RW 80 FLAT \"flat0\" 2\nRW 80 VMFSRDM \"sparse0\"\n", TRANSHIP_EUNSUPPORTED,
		  "extent 2" },
	};
	unsigned before = count_descriptors();
	struct tranship_disk *disk;
	struct tranship_error err;
	size_t i;

	for (i = 0; i < COUNT_OF(cases); i++) {
		assert_fails(open_lines(*state, cases[i].lines, &disk, &err), cases[i].code, &err,
			     cases[i].piece);
		assert_null(disk);
	}
	assert_int_equal(count_descriptors(), before);
}

/* What the descriptor does not cover of a file is not read. */
static void test_extents__larger_files_than_needed(void **state)
{
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(open_lines(*state, "RW 79 FLAT \"flat0\" 2\nRW 8 SPARSE \"sparse0\"\n", &disk,
			     &err),
		  &err);
	assert_int_equal(tranship_disk_size(disk), 87 * 512);
	tranship_disk_close(disk);
}

static void test_extents__a_sparse_one_alone_is_its_own_disk(void **state)
{
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned char *back = malloc(PIECE);

	assert_non_null(back);
	assert_ok(tranship_open(path_in(*state, "sparse2"), NULL, &disk, &err), &err);
	assert_string_equal(tranship_disk_format(disk), "vmdk");
	assert_int_equal(tranship_disk_size(disk), PIECE);
	assert_ok(tranship_disk_read(disk, NULL, 0, back, PIECE, &err), &err);
	assert_memory_equal(back, content + 6 * PIECE, PIECE);
	tranship_disk_close(disk);
	free(back);
}

static void test_extents__one_that_is_written_is_busy(void **state)
{
	struct tranship_create_options create = { .format = "raw",
						  .size = 4,
						  .flags = TRANSHIP_CREATE_IN_PLACE };
	struct tranship_writer *writer;
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_create(path_in(*state, "flat1"), &create, &writer, &err), &err);
	assert_fails(
		open_lines(*state, "RW 80 FLAT \"flat0\" 2\nRW 80 FLAT \"flat1\" 2\n", &disk, &err),
		TRANSHIP_EBUSY, &err, "'flat1'");
	tranship_writer_close(writer);
}

static const char *const subformats[] = { "subformat=monolithicFlat",
					  "subformat=twoGbMaxExtentFlat",
					  "subformat=twoGbMaxExtentSparse" };

/* Writes a disk of zeros and opens it. */
static int write_zeros(const char *path, const char *options, uint64_t size,
		       struct tranship_error *err)
{
	struct tranship_create_options create = { .format = "vmdk",
						  .options = options,
						  .size = size };
	struct tranship_writer *writer;
	int rc = tranship_create(path, &create, &writer, err);

	if (rc == 0)
		rc = tranship_writer_zero(writer, 0, tranship_writer_size(writer), err);
	if (rc == 0)
		rc = tranship_writer_finish(writer, err);
	tranship_writer_close(writer);
	return rc;
}

static void assert_zeros(const char *path, uint64_t size)
{
	static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
	struct tranship_open_options open = { .policy = &beside };
	unsigned char buf[512] = { 1 };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open(path, &open, &disk, &err), &err);
	assert_true(tranship_disk_size(disk) == size);
	if (size > 0)
		assert_ok(tranship_disk_read(disk, NULL, size - 512, buf, 512, &err), &err);
	assert_int_equal(buf[0], size == 0);
	tranship_disk_close(disk);
}

/* Sizes at the edges of an extent. */
static void test_create__subformats_of_several_files(void **state)
{
	static const uint64_t split = (uint64_t)2047 << 20;
	static const uint64_t sizes[] = { 512,   1024,        split - 512,
					  split, split + 512, 3 * split + 1536 };
	const char *path = path_in(*state, "new.vmdk");
	struct tranship_error err;
	size_t f, s;

	for (f = 0; f < COUNT_OF(subformats); f++)
		for (s = 0; s < COUNT_OF(sizes); s++) {
			assert_ok(write_zeros(path, subformats[f], sizes[s], &err), &err);
			assert_zeros(path, sizes[s]);
		}
}

/* An empty disk has one empty extent. Memory ends soon, so that it cannot have any number. */
static void test_create__an_empty_disk_of_several_files(void **state)
{
	const char *path = path_in(*state, "new.vmdk");
	struct tranship_error err;
	size_t f;
	int rc;

	if (!HEAP_WATCHED)
		skip();
	for (f = 0; f < COUNT_OF(subformats); f++) {
		heap_watch(2000, true);
		rc = write_zeros(path, subformats[f], 0, &err);
		heap_unwatch();
		assert_ok(rc, &err);
		assert_zeros(path, 0);
	}
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, make_files, remove_files)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILES(test_extents__of_each_kind),
		WITH_FILES(test_extents__zero_and_read_only_ones_keep_their_place),
		WITH_FILES(test_extents__that_forbid_access_fail_where_they_are_read),
		WITH_FILES(test_extents__reads_cross_their_borders),
		WITH_FILES(test_extents__the_map_names_their_files),
		WITH_FILES(test_extents__that_cannot_be),
		WITH_FILES(test_extents__larger_files_than_needed),
		WITH_FILES(test_extents__a_sparse_one_alone_is_its_own_disk),
		WITH_FILES(test_extents__one_that_is_written_is_busy),
		WITH_FILES(test_create__subformats_of_several_files),
		WITH_FILES(test_create__an_empty_disk_of_several_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
