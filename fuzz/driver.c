// SPDX-License-Identifier: Apache-2.0
/* Runs a fuzz target over the files of the folders that are named, where there is no libFuzzer. */
#include "harness.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned count;

static int run_file(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	unsigned char *bytes = NULL;
	size_t size = (size_t)st->st_size;
	FILE *f;

	(void)ftw;
	if (kind != FTW_F)
		return 0;
	f = fopen(path, "rb");
	bytes = malloc(size ? size : 1); /* exact, so that a sanitizer sees its end */
	if (!f || !bytes || fread(bytes, 1, size, f) != size) {
		perror(path);
		exit(1);
	}
	fclose(f);
	LLVMFuzzerTestOneInput(bytes, size);
	free(bytes);
	count++;
	return 0;
}

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

int main(int argc, char **argv)
{
	int i;

	LLVMFuzzerInitialize(&argc, &argv);
	for (i = 1; i < argc; i++)
		if (nftw(argv[i], run_file, 16, FTW_PHYS) != 0) {
			perror(argv[i]);
			return 1;
		}
	printf("%u inputs\n", count);
	return count == 0;
}
