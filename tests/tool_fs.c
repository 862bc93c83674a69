// SPDX-License-Identifier: Apache-2.0
#include "tool_fs.h"

#include "image_fs.h"
#include "mbr-gpt/layout.h"
#include "mbr-gpt/volume.h"
#include "tranship/tranship.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* blkid looks for no RAID on what could be a floppy disk. */
#define MADE_SIZE ((size_t)4 << 20)

static int probe(const char *path)
{
	struct tranship_open_options options = { .format = "raw" };
	struct tranship_disk *disk;
	struct tranship_error err;
	struct fs_found found;
	struct volume volume;
	int rc = tranship_open(path, &options, &disk, &err);

	if (rc == 0) {
		volume = volume_whole(disk, NULL);
		rc = fs_probe(&volume, &found, &err);
		tranship_disk_close(disk);
	}
	if (rc) {
		fprintf(stderr, "test-tool: %s\n", err.message);
		return 1;
	}
	printf("%s\n%s\n%s\n", found.type, found.id, found.label);
	return 0;
}

static int make(const char *name, const char *path)
{
	const struct image_fs *fs = image_fs_find(name);
	unsigned char *raw = fs ? image_fs_make(fs, MADE_SIZE) : NULL;
	FILE *f = raw ? fopen(path, "wb") : NULL;
	int rc = 1;

	if (f && fwrite(raw, 1, MADE_SIZE, f) == MADE_SIZE)
		rc = 0;
	if (f && fclose(f) != 0)
		rc = 1;
	free(raw);
	return rc;
}

int tool_fs(int argc, char **argv)
{
	size_t i;

	if (argc == 3 && strcmp(argv[1], "fs") == 0)
		return probe(argv[2]);
	if (argc == 4 && strcmp(argv[1], "fs-make") == 0)
		return make(argv[2], argv[3]);
	if (argc != 2 || strcmp(argv[1], "fs-list") != 0)
		return 2;
	for (i = 0; i < image_fs_count; i++)
		puts(image_fs_list[i].name);
	return 0;
}
