// SPDX-License-Identifier: Apache-2.0
/* tranship_boot_verify where memory or reads end: it says so, leaks nothing, and what it found
 * before is no verdict. */
#include "support.h"

#include "faulty.h"
#include "heap.h"
#include "image_windows.h"
#include "sparse_disk.h"

#include <stdlib.h>

static const struct image_windows good;

/* The first ones one by one, then some of them. */
static unsigned long next_of(unsigned long n)
{
	return n < 60 ? n + 1 : n + 41;
}

static void test_boot_verify__memory_ends(void **state)
{
	struct tranship_boot_verdict verdict;
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned long n;

	(void)state;
	if (!HEAP_WATCHED)
		skip();
	disk = image_windows(&good);
	/* What the disk keeps for readers is there then. */
	assert_ok(tranship_boot_verify(disk, NULL, NULL, &verdict, &err), &err);
	for (n = 1;; n = next_of(n)) {
		struct heap_seen seen;
		int rc;

		heap_watch(n, false);
		rc = tranship_boot_verify(disk, NULL, NULL, &verdict, &err);
		seen = heap_unwatch();
		assert_int_equal(seen.held, 0);
		if (!seen.failed) {
			assert_ok(rc, &err);
			break;
		}
		assert_fails(rc, TRANSHIP_ENOMEM, &err, "");
	}
	assert_true(n > 20);
	tranship_disk_close(disk);
}

static void test_boot_verify__reads_fail(void **state)
{
	struct tranship_open_options options = { .format = "raw" };
	size_t size = WINDOWS_SECTORS * (size_t)512;
	struct tranship_disk *made = image_windows(&good), *disk;
	unsigned char *bytes = malloc(size);
	struct tranship_boot_verdict verdict;
	struct faults faults = { 0 };
	struct tranship_error err;
	unsigned long n;

	(void)state;
	sparse_disk_read(made, 0, bytes, size);
	tranship_disk_close(made);
	assert_ok(tranship_open_file(faulty_over(file_of(bytes, size), &faults), &options, &disk,
				     &err),
		  &err);
	for (n = 1;; n = next_of(n)) {
		int rc;

		faults.reads = 0;
		faults.failed = false;
		faults.fail_read = (unsigned)n;
		rc = tranship_boot_verify(disk, NULL, NULL, &verdict, &err);
		if (!faults.failed) {
			assert_ok(rc, &err);
			assert_int_equal(verdict.faults, 0);
			break;
		}
		assert_fails(rc, TRANSHIP_EIO, &err, FAULT_MESSAGE);
	}
	assert_true(n > 20);
	tranship_disk_close(disk);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boot_verify__memory_ends),
		cmocka_unit_test(test_boot_verify__reads_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
