// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a VMDK: a sparse file or a descriptor. A descriptor finds the extents "flat" and
 * "sparse", of 64 sectors each, in a folder that is listed.
 */
#include "harness.h"

#include "image_vmdk.h"
#include "patched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXTENT (64 * 512)

static char folder[] = "/tmp/tranship-fuzz-XXXXXX";

static void remove_folder(void)
{
	if (chdir(folder) == 0) {
		unlink("flat");
		unlink("sparse");
	}
	rmdir(folder);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "wb");
	fuzz_require(f && fwrite(bytes, 1, size, f) == size && fclose(f) == 0, "files are written");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct image_vmdk image = image_vmdk_defaults();
	unsigned char content[EXTENT];
	struct buffer sparse = { 0 };

	(void)argc;
	(void)argv;
	memset(content, 0, sizeof(content));
	memset(content + 5000, 'x', 9000);
	image.descriptor = NULL;
	fuzz_require(mkdtemp(folder) && !image_vmdk(&image, content, sizeof(content), &sparse),
		     "there is a folder");
	atexit(remove_folder);
	write_file("flat", content, sizeof(content));
	write_file("sparse", sparse.bytes, sparse.len);
	buffer_free(&sparse);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *folders[] = { folder };
	struct tranship_policy policy = { .kind = TRANSHIP_POLICY_LISTED,
					  .folders = folders,
					  .folder_count = 1,
					  .table_memory = 8192 };
	struct tranship_open_options options = { .format = "vmdk", .policy = &policy };

	fuzz_file(patched_file(data, size, size, NULL, 0), patched_file(data, size, size, NULL, 0),
		  &options);
	options.flags = TRANSHIP_OPEN_SALVAGE;
	fuzz_file(patched_file(data, size, size, NULL, 0), patched_file(data, size, size, NULL, 0),
		  &options);
	return 0;
}
