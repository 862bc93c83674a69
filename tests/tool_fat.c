// SPDX-License-Identifier: Apache-2.0
#include "tool_fat.h"

#include "base/digest.h"
#include "base/hex.h"
#include "mbr-gpt/fat.h"
#include "tranship/tranship.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 8
#define FILE_MAX ((size_t)64 << 20)

/* An open volume; `patches` are over it. */
struct scene {
	struct tranship_disk *disk;
	struct patches patches;
	struct fat fat;
	struct tranship_error err;
};

static int open_scene(const char *image, struct scene *s)
{
	struct tranship_open_options raw = { .format = "raw" };
	struct volume volume;
	int rc = tranship_open(image, &raw, &s->disk, &s->err);

	if (rc)
		return rc;
	patches_init(&s->patches, s->disk);
	volume = volume_whole(s->disk, &s->patches);
	return fat_open(&volume, &s->fat, &s->err);
}

static void close_scene(struct scene *s)
{
	fat_close(&s->fat);
	patches_free(&s->patches);
	tranship_disk_close(s->disk);
}

/* The digest of a file's bytes, as sha256sum prints it. */
static int sum(struct scene *s, const struct fat_entry *file, char hex[65])
{
	unsigned char *bytes, digest[32];
	struct sha256 *sha;
	int rc = fat_read_all(&s->fat, file, FILE_MAX, &bytes, &s->err);

	if (rc)
		return rc;
	rc = sha256_new(&sha, &s->err);
	if (rc == 0)
		rc = sha256_update(sha, bytes, file->size, &s->err);
	if (rc == 0)
		rc = sha256_final(sha, digest, &s->err);
	sha256_free(sha);
	free(bytes);
	if (rc == 0)
		hex_text(digest, sizeof(digest), hex);
	return rc;
}

struct listing {
	struct scene *scene;
	const char *folder;
	unsigned depth;
};

/* PATH, SHORT-NAME, ATTRIBUTES, SIZE and SHA256, a tab between; a folder's digest is "-". */
static int list_one(void *ctx, const struct fat_entry *entry)
{
	struct listing *listing = ctx;
	char path[4096], hex[65] = "-";
	struct listing inner = { listing->scene, path, listing->depth + 1 };
	bool folder = entry->attributes & FAT_ATTR_DIRECTORY;
	int rc = folder ? 0 : sum(listing->scene, entry, hex);

	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/%s", listing->folder, entry->name);
	printf("%s\t%s\t%02x\t%lu\t%s\n", path, entry->short_name, entry->attributes,
	       (unsigned long)entry->size, hex);
	if (!folder || listing->depth == DEPTH_MAX)
		return 0;
	return fat_list(&listing->scene->fat, entry, list_one, &inner, &listing->scene->err);
}

static int find_file(struct scene *s, const char *path, struct fat_entry *out)
{
	bool found;
	int rc = fat_find(&s->fat, path, &found, out, &s->err);

	if (rc == 0 && !found) {
		snprintf(s->err.message, sizeof(s->err.message), "'%s' is not there", path);
		return TRANSHIP_ENOTFOUND;
	}
	return rc;
}

static int cat(struct scene *s, const char *path)
{
	unsigned char *bytes;
	struct fat_entry file;
	int rc = find_file(s, path, &file);

	if (rc == 0)
		rc = fat_read_all(&s->fat, &file, FILE_MAX, &bytes, &s->err);
	if (rc)
		return rc;
	fwrite(bytes, 1, file.size, stdout);
	free(bytes);
	return fflush(stdout) ? TRANSHIP_EIO : 0;
}

static int read_file(const char *path, unsigned char **out, size_t *len)
{
	FILE *f = fopen(path, "rb");

	*out = malloc(FILE_MAX);
	if (!f || !*out) {
		perror(path);
		return TRANSHIP_EIO;
	}
	*len = fread(*out, 1, FILE_MAX, f);
	return fclose(f) ? TRANSHIP_EIO : 0;
}

/* The sectors that are replaced go into the image. */
static int write_patches(const char *image, const struct patches *p)
{
	int fd = open(image, O_WRONLY);
	size_t i;

	for (i = 0; fd >= 0 && i < p->count; i++)
		if (pwrite(fd, p->at[i].bytes, p->sector_size,
			   (off_t)(p->at[i].sector * p->sector_size)) != (ssize_t)p->sector_size)
			return TRANSHIP_EIO;
	return fd < 0 || close(fd) < 0 ? TRANSHIP_EIO : 0;
}

/* Also where it fails: then nothing may have been replaced. */
static int put(struct scene *s, char **argv)
{
	unsigned attributes = (unsigned)strtoul(argv[6], NULL, 0);
	unsigned char *bytes = NULL;
	size_t len = 0;
	int rc = read_file(argv[5], &bytes, &len);

	if (rc == 0)
		rc = fat_put(&s->fat, &s->patches, argv[4], attributes, bytes, len, "a test",
			     &s->err);
	free(bytes);
	printf("%zu sectors\n", s->patches.count);
	return rc;
}

int tool_fat(int argc, char **argv)
{
	const char *verb = argc > 3 ? argv[2] : "";
	struct scene s = { 0 };
	int rc;

	if (argc != (strcmp(verb, "list") == 0 ? 4 : strcmp(verb, "cat") == 0 ? 5 : 7)) {
		fprintf(stderr, "usage: test-tool %s\n", TOOL_FAT_USAGE);
		return 2;
	}
	rc = open_scene(argv[3], &s);
	if (rc == 0 && argc == 4) {
		struct listing listing = { &s, "", 0 };

		rc = fat_list(&s.fat, NULL, list_one, &listing, &s.err);
	} else if (rc == 0 && argc == 5) {
		rc = cat(&s, argv[4]);
	} else if (rc == 0) {
		rc = put(&s, argv);
	}
	if (s.disk)
		tranship_disk_close(s.disk);
	s.disk = NULL; /* its lock is gone: the image may be written */
	if (rc == 0 && argc == 7)
		rc = write_patches(argv[3], &s.patches);
	if (rc)
		fprintf(stderr, "test-tool: %s\n", s.err.message);
	close_scene(&s);
	return rc ? 1 : 0;
}
