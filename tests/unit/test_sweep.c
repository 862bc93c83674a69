// SPDX-License-Identifier: Apache-2.0
/*
 * Everything fails once: the nth allocation, read, write. Each format is opened, mapped, read,
 * checked, copied and created; whatever fails, the code says so, nothing leaks, and nothing is
 * called done that is not. (What is left on disk when the system refuses: test_sweep_local.c.)
 */
#include "support.h"

#include "base/error.h"
#include "faulty.h"
#include "heap.h"
#include "image_vmdk.h"
#include "image_vmfs.h"
#include "io/file.h"
#include "patched.h"

#include <stdlib.h>
#include <string.h>

#define DISK (300 * 1024 + 512)

static const struct {
	const char *format, *options;
} kinds[] = {
	{ "raw", NULL },
	{ "vmdk", NULL },
	{ "vmdk", "subformat=streamOptimized" },
	{ "vmdk", "subformat=streamOptimized,compression_level=1" },
	{ "vpc", NULL },
	{ "vpc", "subformat=fixed" },
	{ "azure", NULL },
	{ "vhdx", "block_size=1M" },
	{ "vhdx", "subformat=fixed,block_size=1M" },
};

static unsigned char *content;
static unsigned char *images[COUNT_OF(kinds)];
static size_t image_sizes[COUNT_OF(kinds)];

/* What is read goes here: a test that watches the heap allocates nothing itself. */
static unsigned char back[2 << 20];

static int make_images(void **state)
{
	struct rng rng = { 91 };
	size_t k;

	(void)state;
	content = random_disk(&rng, DISK);
	memset(content + 100000, 0, 80000);
	for (k = 0; k < COUNT_OF(kinds); k++) {
		struct tranship_file *file =
			image_of(kinds[k].format, kinds[k].options, content, DISK, 1);

		images[k] = file_bytes(file, &image_sizes[k]);
		tranship_file_close(file);
	}
	return 0;
}

static int free_images(void **state)
{
	size_t k;

	(void)state;
	for (k = 0; k < COUNT_OF(kinds); k++)
		free(images[k]);
	free(content);
	return 0;
}

/* Copies the disk to nowhere. */
static int copy_away(struct tranship_disk *disk, unsigned threads, struct tranship_error *err)
{
	struct tranship_create_options create = { .format = "null",
						  .size = tranship_disk_size(disk) };
	struct tranship_copy_options copy = { .threads = threads };
	struct tranship_writer *writer;
	int rc = tranship_create(NULL, &create, &writer, err);

	if (rc == 0)
		rc = tranship_copy(disk, writer, &copy, err);
	if (rc == 0)
		rc = tranship_writer_finish(writer, err);
	tranship_writer_close(writer);
	return rc;
}

static int map_all(struct tranship_disk *disk, struct tranship_error *err)
{
	struct tranship_extent extent;
	uint64_t at;
	int rc;

	for (at = 0; at < tranship_disk_size(disk); at += extent.len) {
		rc = tranship_disk_map(disk, at, &extent, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int ignore_property(void *ctx, const struct tranship_property *property)
{
	(void)ctx;
	return property->name == NULL;
}

/* Does all that can be done to a disk. A format without a structure has nothing to check. */
static int use_disk(struct tranship_disk *disk, unsigned threads, struct tranship_error *err)
{
	size_t size = (size_t)tranship_disk_size(disk);
	struct tranship_compare_result same = { 0 };
	struct tranship_copy_options options = { .threads = threads };
	struct tranship_check_result checked;
	int rc = map_all(disk, err);

	tranship_disk_properties(disk, ignore_property, NULL);
	if (rc == 0)
		rc = tranship_disk_read(disk, NULL, 0, back, size, err);
	if (rc == 0)
		rc = copy_away(disk, threads, err);
	if (rc == 0)
		rc = tranship_compare(disk, disk, true, &options, &same, err);
	if (rc == 0)
		rc = tranship_check(disk, NULL, NULL, &checked, err);
	if (rc == TRANSHIP_EUNSUPPORTED)
		rc = 0;
	if (rc == 0 && (same.difference != TRANSHIP_SAME || memcmp(back, content, DISK) != 0))
		rc = error_set(err, TRANSHIP_EMISMATCH, "what was read is wrong");
	return rc;
}

/* Opens the file, uses the disk, closes all. Takes over the file in any case. */
static int use_file(struct tranship_file *file, unsigned threads, struct tranship_error *err)
{
	struct tranship_disk *disk;
	int rc = tranship_open_file(file, NULL, &disk, err);

	if (rc)
		tranship_file_close(file);
	else
		rc = use_disk(disk, threads, err);
	tranship_disk_close(disk);
	return rc;
}

/* Writes the content as an image of kind k into `out`, which stays the caller's. */
static int make_image(size_t k, struct tranship_file *out, unsigned threads,
		      struct tranship_error *err)
{
	struct tranship_open_options open = { .format = "raw" };
	struct tranship_create_options create = {
		.format = kinds[k].format, .options = kinds[k].options, .size = DISK, .time = 1
	};
	struct tranship_copy_options copy = { .threads = threads };
	struct tranship_file *source = patched_file(content, DISK, DISK, NULL, 0);
	struct tranship_writer *writer = NULL;
	struct tranship_disk *disk = NULL;
	int rc = source ? tranship_open_file(source, &open, &disk, err) : TRANSHIP_ENOMEM;

	if (rc)
		tranship_file_close(source);
	if (rc == 0)
		rc = tranship_create_file(out, &create, &writer, err);
	if (rc == 0)
		rc = tranship_copy(disk, writer, &copy, err);
	if (rc == 0)
		rc = tranship_writer_finish(writer, err);
	tranship_writer_close(writer);
	tranship_disk_close(disk);
	return rc;
}

/* One thing to sweep: it is done for kind k and gives back all that it took. */
typedef int sweep_fn(size_t k, struct tranship_error *err);

static int read_kind(size_t k, struct tranship_error *err)
{
	struct tranship_file *file =
		patched_file(images[k], image_sizes[k], image_sizes[k], NULL, 0);

	return file ? use_file(file, 1, err) : TRANSHIP_ENOMEM;
}

static int write_kind(size_t k, struct tranship_error *err)
{
	struct tranship_file *out;
	int rc = tranship_file_memory(NULL, 0, &out, err);

	if (rc == 0)
		rc = make_image(k, out, 1, err);
	tranship_file_close(out);
	return rc;
}

static int measure_kind(size_t k, struct tranship_error *err)
{
	struct tranship_create_options create = { .format = kinds[k].format,
						  .options = kinds[k].options,
						  .size = DISK };
	struct tranship_measure measure;

	return tranship_measure(NULL, &create, &measure, err);
}

/* Every allocation fails once, alone or with all behind it, until one more is more than there are.
 */
static void sweep_allocations(sweep_fn *fn, size_t k, bool for_good)
{
	unsigned long n;

	for (n = 1;; n++) {
		struct tranship_error err = { 0 };
		struct heap_seen seen;
		int rc;

		heap_watch(n, for_good);
		rc = fn(k, &err);
		seen = heap_unwatch();
		if (seen.held != 0)
			fail_msg("%s %s: allocation %lu failed, %ld blocks leaked", kinds[k].format,
				 kinds[k].options, n, seen.held);
		if (!seen.failed) {
			assert_ok(rc, &err);
			assert_true(n > 1);
			return;
		}
		if (rc != 0 && rc != TRANSHIP_ENOMEM)
			fail_msg("%s: allocation %lu failed, and that was %s: %s", kinds[k].format,
				 n, tranship_code_name(rc), err.message);
	}
}

static void sweep_all_allocations(sweep_fn *fn)
{
	size_t k;

	if (!HEAP_WATCHED)
		skip();
	for (k = 0; k < COUNT_OF(kinds); k++) {
		sweep_allocations(fn, k, false);
		sweep_allocations(fn, k, true);
	}
}

static void test_sweep__allocations_of_reading(void **state)
{
	(void)state;
	sweep_all_allocations(read_kind);
}

static void test_sweep__allocations_of_writing(void **state)
{
	(void)state;
	sweep_all_allocations(write_kind);
}

static void test_sweep__allocations_of_measuring(void **state)
{
	(void)state;
	sweep_all_allocations(measure_kind);
}

/* A VMDK of two extents beside its descriptor, opened by its path. */
static char descriptor_path[4200];

static int read_descriptor(size_t k, struct tranship_error *err)
{
	static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
	struct tranship_open_options open = { .policy = &beside };
	struct tranship_disk *disk;
	int rc = tranship_open(descriptor_path, &open, &disk, err);

	(void)k;
	if (rc == 0)
		rc = use_disk(disk, 1, err);
	tranship_disk_close(disk);
	return rc;
}

static void test_sweep__allocations_of_a_descriptor(void **state)
{
	static const char text[] = "# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\n"
				   "RW 200 FLAT \"flat\" 0\nRW 401 SPARSE \"sparse\"\n";
	struct image_vmdk image = image_vmdk_defaults();
	unsigned descriptors = count_descriptors();
	struct buffer sparse = { 0 };

	if (!HEAP_WATCHED)
		skip();
	strcpy(descriptor_path, path_in(*state, "disk.vmdk"));
	assert_int_equal(image_vmdk(&image, content + 200 * 512, DISK - 200 * 512, &sparse), 0);
	write_path(descriptor_path, text, strlen(text));
	write_path(path_in(*state, "flat"), content, 200 * 512);
	write_path(path_in(*state, "sparse"), sparse.bytes, sparse.len);
	buffer_free(&sparse);
	sweep_allocations(read_descriptor, 1, false);
	sweep_allocations(read_descriptor, 1, true);
	assert_int_equal(count_descriptors(), descriptors);
}

/* A delta link of the kinds of extents that nothing writes, over a parent with a name in another
 * encoding. */
static void test_sweep__allocations_of_a_delta_link(void **state)
{
	static const char text[] = "# Disk DescriptorFile\nversion=1\nencoding=\"windows-1252\"\n"
				   "CID=1\nparentCID=2\nparentFileNameHint=\"M\xfcller\"\n"
				   "RW 200 VMFSSPARSE \"cowd\"\nRW 401 SESPARSE \"sesparse\"\n";
	static const char parent[] = "# Disk DescriptorFile\nversion=1\nCID=2\n"
				     "parentCID=ffffffff\nRW 601 ZERO\n";
	struct image_cowd cowd = image_cowd_defaults();
	struct image_sesparse se = image_sesparse_defaults();
	unsigned descriptors = count_descriptors();
	struct buffer out = { 0 };

	if (!HEAP_WATCHED)
		skip();
	strcpy(descriptor_path, path_in(*state, "disk.vmdk"));
	write_path(descriptor_path, text, strlen(text));
	write_path(path_in(*state, "M\xc3\xbcller"), parent, strlen(parent));
	assert_int_equal(image_cowd(&cowd, content, 200 * 512, &out), 0);
	write_path(path_in(*state, "cowd"), out.bytes, out.len);
	buffer_free(&out);
	assert_int_equal(image_sesparse(&se, content + 200 * 512, DISK - 200 * 512, &out), 0);
	write_path(path_in(*state, "sesparse"), out.bytes, out.len);
	buffer_free(&out);
	assert_int_equal(read_descriptor(1, NULL), 0); /* iconv keeps what it loads */
	sweep_allocations(read_descriptor, 1, false);
	sweep_allocations(read_descriptor, 1, true);
	assert_int_equal(count_descriptors(), descriptors);
}

/* The nth read of the image fails. It may have been one that nobody needed: then all is right. */
static void sweep_reads(size_t k, unsigned threads)
{
	struct faults faults = { 0 };
	unsigned n;

	for (n = 1; n == 1 || faults.failed; n++) {
		struct tranship_file *file;
		struct tranship_error err = { 0 };
		int rc;

		faults = (struct faults){ .fail_read = n };
		file = faulty_over(patched_file(images[k], image_sizes[k], image_sizes[k], NULL, 0),
				   &faults);
		assert_non_null(file);
		rc = use_file(file, threads, &err);
		if (!faults.failed)
			assert_ok(rc, &err);
		else if (rc != 0)
			assert_fails(rc, TRANSHIP_EIO, &err, FAULT_MESSAGE);
	}
	assert_true(n > 3);
}

static void test_sweep__reads(void **state)
{
	size_t k;

	(void)state;
	for (k = 0; k < COUNT_OF(kinds); k++) {
		sweep_reads(k, 1);
		sweep_reads(k, 3);
	}
}

/* The nth read of a source that is copied fails: the copy does, too, whoever has read it. */
static void test_sweep__reads_of_a_copy(void **state)
{
	struct tranship_open_options open = { .format = "raw" };
	struct faults faults = { 0 };
	unsigned n;

	(void)state;
	for (n = 1; n == 1 || faults.failed; n++) {
		struct tranship_disk *disk;
		struct tranship_error err;
		struct tranship_file *file;
		int rc;

		faults = (struct faults){ .fail_read = n };
		file = faulty_over(patched_file(content, DISK, DISK, NULL, 0), &faults);
		assert_ok(tranship_open_file(file, &open, &disk, &err), &err);
		rc = copy_away(disk, 3, &err);
		if (faults.failed)
			assert_fails(rc, TRANSHIP_EIO, &err, FAULT_MESSAGE);
		else
			assert_ok(rc, &err);
		tranship_disk_close(disk);
	}
}

/* The nth write fails: whatever it was, the image is not called finished. */
static void sweep_writes(size_t k, unsigned threads)
{
	struct faults faults = { 0 };
	unsigned n;

	for (n = 1; n == 1 || faults.failed; n++) {
		struct tranship_file *file;
		struct tranship_error err = { 0 };
		int rc;

		faults = (struct faults){ .fail_write = n };
		file = faulty_over(file_of(NULL, 0), &faults);
		assert_non_null(file);
		rc = make_image(k, file, threads, &err);
		if (faults.failed)
			assert_fails(rc, TRANSHIP_EIO, &err, FAULT_MESSAGE);
		else
			assert_ok(rc, &err);
		tranship_file_close(file);
	}
	assert_true(n > 3);
}

static void test_sweep__writes(void **state)
{
	size_t k;

	(void)state;
	for (k = 0; k < COUNT_OF(kinds); k++) {
		sweep_writes(k, 1);
		sweep_writes(k, 3);
	}
}

/* A writer that failed takes nothing more, so that nobody can finish it by trying again. */
static void test_writer__is_of_no_use_after_a_failure(void **state)
{
	size_t k;

	(void)state;
	for (k = 0; k < COUNT_OF(kinds); k++) {
		struct tranship_create_options create = { .format = kinds[k].format,
							  .options = kinds[k].options,
							  .size = DISK };
		struct faults faults = { 0 };
		struct tranship_file *file = faulty_over(file_of(NULL, 0), &faults);
		struct tranship_writer *writer;
		struct tranship_error err;

		assert_ok(tranship_create_file(file, &create, &writer, &err), &err);
		faults.fail_write = faults.writes + 1;
		assert_fails(tranship_writer_put(writer, 0, content, 65536, &err), TRANSHIP_EIO,
			     &err, FAULT_MESSAGE);
		assert_fails(tranship_writer_put(writer, 0, content, 65536, &err), TRANSHIP_EINVAL,
			     &err, "it failed");
		assert_fails(tranship_writer_zero(writer, 0, 65536, &err), TRANSHIP_EINVAL, &err,
			     "it failed");
		assert_fails(tranship_writer_finish(writer, &err), TRANSHIP_EINVAL, &err,
			     "it failed");
		tranship_writer_close(writer);
		tranship_file_close(file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sweep__allocations_of_reading),
		cmocka_unit_test(test_sweep__allocations_of_writing),
		cmocka_unit_test(test_sweep__allocations_of_measuring),
		IN_FOLDER(test_sweep__allocations_of_a_descriptor),
		IN_FOLDER(test_sweep__allocations_of_a_delta_link),
		cmocka_unit_test(test_sweep__reads),
		cmocka_unit_test(test_sweep__reads_of_a_copy),
		cmocka_unit_test(test_sweep__writes),
		cmocka_unit_test(test_writer__is_of_no_use_after_a_failure),
	};

	return cmocka_run_group_tests(tests, make_images, free_images);
}
