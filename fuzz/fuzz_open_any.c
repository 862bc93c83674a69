// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a file of a kind that is to be found out; and, with the checksums of its headers
 * made right, a tar archive whose members are walked and opened.
 */
#include "harness.h"

#include "base/checked.h"
#include "io/tar.h"
#include "patched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512, AT_SUM = 148, AT_MAGIC = 257 };

/* Of each block that looks like a header. */
static void repair_headers(unsigned char *tar, size_t size)
{
	size_t at, i;

	for (at = 0; at + BLOCK <= size; at += BLOCK) {
		unsigned char *h = tar + at;
		unsigned sum = 0;

		if (memcmp(h + AT_MAGIC, "ustar", 5) != 0)
			continue;
		memset(h + AT_SUM, ' ', 8);
		for (i = 0; i < BLOCK; i++)
			sum += h[i];
		snprintf((char *)h + AT_SUM, 8, "%06o", sum);
	}
}

struct walk {
	uint64_t size; /* of the archive */
	unsigned count;
	char first[TAR_NAME_MAX];
};

static int see(void *ctx, const struct tar_member *member)
{
	struct walk *walk = ctx;

	fuzz_require(memchr(member->name, 0, sizeof(member->name)) != NULL, "a name ends");
	fuzz_require(range_ok(member->off, member->size, walk->size), "a member is in its archive");
	fuzz_require(member->off % BLOCK == 0 && member->off >= BLOCK, "it follows its header");
	if (walk->count++ == 0)
		memcpy(walk->first, member->name, sizeof(walk->first));
	return 0;
}

static void walk_tar(const unsigned char *tar, size_t size)
{
	static struct walk walk;
	struct tranship_file *file = patched_file(tar, size, size, NULL, 0);
	struct tranship_open_options options = { .member = walk.first };
	struct tranship_error err = { 0 };
	int rc;

	if (!file)
		return;
	walk = (struct walk){ .size = size };
	rc = tar_walk(file, see, &walk, &err);
	if (rc)
		fuzz_require(walk_error(rc, &err) == NULL, "a failure says what it is");
	tranship_file_close(file);
	if (walk.count > 0)
		fuzz_file(patched_file(tar, size, size, NULL, 0), NULL, &options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tranship_open_options options = { .flags = TRANSHIP_OPEN_STRICT };
	unsigned char *copy = malloc(size ? size : 1);

	if (!copy)
		return 0;
	fuzz_file(patched_file(data, size, size, NULL, 0), patched_file(data, size, size, NULL, 0),
		  &options);
	memcpy(copy, data, size);
	repair_headers(copy, size);
	walk_tar(copy, size);
	free(copy);
	return 0;
}
