// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

const struct walk_limits fuzz_limits = { 2000, 8U << 20, 1U << 16 };

void fuzz_require(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "this does not hold: %s\n", what);
	abort();
}

static void require_unbroken(const char *broken)
{
	fuzz_require(broken == NULL, broken);
}

void fuzz_file(struct tranship_file *file, struct tranship_file *twin,
	       const struct tranship_open_options *options)
{
	struct tranship_disk *disk;
	struct tranship_error err = { 0 };
	int rc;

	if (!file) {
		tranship_file_close(twin);
		return;
	}
	rc = tranship_open_file(file, options, &disk, &err);
	fuzz_require((rc == 0) == (disk != NULL), "a disk comes exactly when nothing failed");
	if (rc) {
		require_unbroken(walk_error(rc, &err));
		tranship_file_close(file);
	} else {
		require_unbroken(walk_disk(disk, twin, &fuzz_limits, &rc, &err));
		require_unbroken(walk_check(disk, &fuzz_limits));
	}
	tranship_disk_close(disk);
	tranship_file_close(twin);
}
