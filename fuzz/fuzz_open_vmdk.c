// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a VMDK: a sparse file of any kind or a descriptor. A descriptor finds the extents
 * "flat", "sparse", "cowd" and "sesparse", of 64 sectors each, in a folder that is listed. Delta
 * links are opened as layers.
 */
#include "harness.h"

#include "image_vmdk.h"
#include "image_vmfs.h"
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
		unlink("cowd");
		unlink("sesparse");
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
	struct image_cowd cowd = image_cowd_defaults();
	struct image_sesparse se = image_sesparse_defaults();
	struct buffer sparse = { 0 }, cowd_out = { 0 }, se_out = { 0 };

	(void)argc;
	(void)argv;
	memset(content, 0, sizeof(content));
	memset(content + 5000, 'x', 9000);
	image.descriptor = NULL;
	fuzz_require(mkdtemp(folder) && !image_vmdk(&image, content, sizeof(content), &sparse) &&
			     !image_cowd(&cowd, content, sizeof(content), &cowd_out) &&
			     !image_sesparse(&se, content, sizeof(content), &se_out),
		     "there is a folder");
	atexit(remove_folder);
	write_file("flat", content, sizeof(content));
	write_file("sparse", sparse.bytes, sparse.len);
	write_file("cowd", cowd_out.bytes, cowd_out.len);
	write_file("sesparse", se_out.bytes, se_out.len);
	buffer_free(&sparse);
	buffer_free(&cowd_out);
	buffer_free(&se_out);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *folders[] = { folder };
	struct tranship_policy policy = { .kind = TRANSHIP_POLICY_LISTED,
					  .folders = folders,
					  .folder_count = 1,
					  .table_memory = 8192 };
	struct tranship_open_options options = { .format = "vmdk",
						 .policy = &policy,
						 .flags = TRANSHIP_OPEN_LAYER };

	fuzz_file(patched_file(data, size, size, NULL, 0), patched_file(data, size, size, NULL, 0),
		  &options);
	options.flags = TRANSHIP_OPEN_SALVAGE;
	fuzz_file(patched_file(data, size, size, NULL, 0), patched_file(data, size, size, NULL, 0),
		  &options);
	return 0;
}
