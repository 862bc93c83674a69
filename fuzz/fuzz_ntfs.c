// SPDX-License-Identifier: Apache-2.0
/*
 * The input is how an NTFS differs from a good one (ntfs_input.h). What opens is walked: all
 * folders, the begin of each file as a whole and in two parts, and where it says it stands.
 */
#include "harness.h"

#include "ntfs_input.h"
#include "ntfs_walk.h"
#include "patched.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tranship_open_options options = { .format = "raw" };
	struct tranship_error err = { 0 };
	struct tranship_disk *disk;
	struct tranship_file *file;
	struct ntfs_input input = ntfs_input(data, size);
	struct patch patch = { 0, (size_t)input.good->front, input.front };
	struct ntfs_walk walk;
	int rc;

	if (!input.front)
		return 0;
	file = patched_file(input.good->bytes, (size_t)input.good->size, input.good->size, &patch,
			    1);
	if (file && tranship_open_file(file, &options, &disk, NULL) == 0) {
		rc = ntfs_walk(disk, &walk, &err);
		fuzz_require(rc == 0 || walk_error(rc, &err) == NULL, "a failure says what it is");
		fuzz_require(!walk.broken, walk.broken ? walk.broken : "");
		tranship_disk_close(disk);
	} else {
		tranship_file_close(file);
	}
	free(input.front);
	return 0;
}
