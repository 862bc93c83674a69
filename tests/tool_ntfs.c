// SPDX-License-Identifier: Apache-2.0
#include "tool_ntfs.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "base/hex.h"
#include "mbr-gpt/ntfs_inside.h"
#include "tranship/tranship.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 100003, DEPTH_MAX = 200 };

struct walk {
	struct ntfs *ntfs;
	const char *path; /* of the folder that is listed */
	unsigned depth;
	struct tranship_error *err;
};

/* Calls fn with the file, piece by piece, in odd sizes. */
static int each_piece(struct ntfs_file *file, int (*fn)(void *ctx, const void *bytes, size_t len),
		      void *ctx, struct tranship_error *err)
{
	static unsigned char piece[PIECE];
	uint64_t off, size = ntfs_file_size(file);
	size_t len;
	int rc = 0;

	for (off = 0; off < size && rc == 0; off += len) {
		len = (size_t)(off * 7 % PIECE) + 1;
		len = len < size - off ? len : (size_t)(size - off);
		rc = ntfs_file_read(file, off, piece, len, err);
		if (rc == 0)
			rc = fn(ctx, piece, len);
	}
	return rc;
}

static int sum_piece(void *ctx, const void *bytes, size_t len)
{
	return sha256_update(ctx, bytes, len, NULL);
}

static int print_piece(void *ctx, const void *bytes, size_t len)
{
	return fwrite(bytes, 1, len, ctx) == len ? 0 : TRANSHIP_EIO;
}

static int sum_file(struct ntfs_file *file, char hex[65], struct tranship_error *err)
{
	unsigned char digest[32];
	struct sha256 *s;
	int rc = sha256_new(&s, err);

	if (rc == 0)
		rc = each_piece(file, sum_piece, s, err);
	if (rc == 0)
		rc = sha256_final(s, digest, err);
	if (rc == 0)
		hex_text(digest, sizeof(digest), hex);
	sha256_free(s);
	return rc;
}

static int sum_entry(void *ctx, const char *name, uint64_t record, bool is_directory);

static int sum_folder(struct walk *w, struct ntfs_file *folder, const char *path)
{
	struct walk below = { w->ntfs, path, w->depth + 1, w->err };

	return below.depth > DEPTH_MAX ? TRANSHIP_ELIMIT
				       : ntfs_list(folder, sum_entry, &below, w->err);
}

static int sum_entry(void *ctx, const char *name, uint64_t record, bool is_directory)
{
	struct walk *w = ctx;
	size_t cap = strlen(w->path) + strlen(name) + 2;
	char *path = malloc(cap), hex[65];
	struct ntfs_file *file;
	int rc;

	if (!path)
		return TRANSHIP_ENOMEM;
	snprintf(path, cap, "%s%s%s", w->path, *w->path ? "/" : "", name);
	rc = ntfs_file_open(w->ntfs, record, &file, w->err);
	if (rc == 0 && ntfs_file_is_directory(file) != is_directory)
		rc = TRANSHIP_EMISMATCH;
	if (rc == 0 && is_directory) {
		rc = sum_folder(w, file, path);
	} else {
		if (rc == 0)
			rc = sum_file(file, hex, w->err);
		printf("%s %" PRIu64 " %s\n", rc ? tranship_code_name(rc) : hex,
		       ntfs_reference_number(record), path);
		if (rc)
			fprintf(stderr, "%s: %s\n", path, w->err->message);
		rc = 0;
	}
	ntfs_file_close(file);
	free(path);
	return rc;
}

static int list_entry(void *ctx, const char *name, uint64_t record, bool is_directory)
{
	(void)ctx;
	(void)record;
	printf("%s%s\n", name, is_directory ? "/" : "");
	return 0;
}

static int print_places(struct ntfs_file *file, struct tranship_error *err)
{
	uint64_t off = 0, at, len;

	while (off < ntfs_file_size(file)) {
		int rc = ntfs_file_where(file, off, &at, &len, err);

		if (rc == TRANSHIP_EUNSUPPORTED) {
			off++; /* a test's files are small */
			continue;
		}
		if (rc)
			return rc;
		printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", off, at, len);
		off += len;
	}
	return 0;
}

/* What this process has read so far, of anything. */
static uint64_t bytes_read(void)
{
	FILE *f = fopen("/proc/self/io", "r");
	uint64_t n = 0;

	if (!f || fscanf(f, "rchar: %" SCNu64, &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

static int print_cost(struct ntfs_file *file, size_t len, uint64_t before,
		      struct tranship_error *err)
{
	uint64_t found = bytes_read();
	unsigned char *bytes = malloc(len ? len : 1);
	int rc = bytes ? ntfs_file_read(file, 0, bytes, len, err) : TRANSHIP_ENOMEM;

	printf("%" PRIu64 " to find, %" PRIu64 " to read\n", found - before, bytes_read() - found);
	free(bytes);
	return rc;
}

/* Sets the initialised size in the unnamed $DATA of a record, which stands at `at` of the image.
 * The field must not touch the two bytes that fixups guard. */
static int set_initialised(const char *image, uint64_t at, const struct ntfs_record *record,
			   uint64_t len)
{
	struct ntfs_attribute a;
	unsigned char raw[8];
	uint32_t off, next = 0;
	FILE *f = NULL;

	do {
		off = next ? next : record->attributes_off;
		if (ntfs_attribute_next(record, &next, &a, NULL) <= 0)
			return TRANSHIP_ENOTFOUND;
	} while (!ntfs_attribute_is(&a, NTFS_DATA, ""));
	off += 56;
	put_le64(raw, len);
	if (!a.resident && off % NTFS_STRIDE <= NTFS_STRIDE - 10)
		f = fopen(image, "r+b");
	if (!f || fseek(f, (long)(at + off), SEEK_SET) || fwrite(raw, 8, 1, f) != 1)
		len = UINT64_MAX;
	return f && fclose(f) == 0 && len != UINT64_MAX ? 0 : TRANSHIP_EIO;
}

static int uninitialised(struct ntfs *ntfs, const char *image, uint64_t number, uint64_t len,
			 struct tranship_error *err)
{
	struct ntfs_record record;
	struct ntfs_file *mft;
	uint64_t at, got;
	int rc = ntfs_record_read(ntfs, number, &record, err);

	if (rc == 0)
		rc = ntfs_file_open(ntfs, NTFS_RECORD_MFT, &mft, err);
	if (rc)
		return rc;
	rc = ntfs_file_where(mft, number * ntfs->g.record_size, &at, &got, err);
	if (rc == 0)
		rc = set_initialised(image, at, &record, len);
	ntfs_file_close(mft);
	return rc;
}

static int open_path(struct ntfs *ntfs, const char *path, struct ntfs_file **out,
		     struct tranship_error *err)
{
	int rc = *path == '#' ? ntfs_file_open(ntfs, strtoull(path + 1, NULL, 10), out, err)
			      : ntfs_find(ntfs, path, out, err);

	if (rc == 0 && !*out) {
		snprintf(err->message, sizeof(err->message), "not there");
		rc = TRANSHIP_ENOTFOUND;
	}
	return rc;
}

static int run(struct ntfs *ntfs, char **args, const char *path, const char *len, uint64_t before,
	       struct tranship_error *err)
{
	const char *verb = args[0];
	struct walk w = { ntfs, path, 0, err };
	struct ntfs_file *file;
	int rc;

	if (strcmp(verb, "info") == 0) {
		printf("%s\n%016" PRIx64 "\n%s\n", ntfs_label(ntfs), ntfs_serial(ntfs),
		       ntfs_is_dirty(ntfs) ? "dirty" : "clean");
		return 0;
	}
	rc = open_path(ntfs, path, &file, err);
	if (rc)
		return rc;
	if (strcmp(verb, "sums") == 0)
		rc = sum_folder(&w, file, path);
	else if (strcmp(verb, "list") == 0)
		rc = ntfs_list(file, list_entry, NULL, err);
	else if (strcmp(verb, "cat") == 0)
		rc = each_piece(file, print_piece, stdout, err);
	else if (strcmp(verb, "where") == 0)
		rc = print_places(file, err);
	else if (strcmp(verb, "cost") == 0)
		rc = print_cost(file, strtoull(len, NULL, 10), before, err);
	else if (strcmp(verb, "uninitialised") == 0)
		rc = uninitialised(ntfs, args[1], file->number, strtoull(len, NULL, 10), err);
	else
		rc = TRANSHIP_EINVAL;
	ntfs_file_close(file);
	return rc;
}

int tool_ntfs(int argc, char **argv)
{
	struct tranship_open_options options = { .format = "raw" };
	const char *path = argc > 4 ? argv[4] : "", *len = argc > 5 ? argv[5] : "0";
	struct tranship_error err = { 0 };
	struct tranship_disk *disk;
	struct volume volume;
	struct ntfs *ntfs = NULL;
	uint64_t before;
	int rc;

	if (argc < 4) {
		fprintf(stderr, "usage: test-tool " TOOL_NTFS_USAGE "\n");
		return 2;
	}
	rc = tranship_open(argv[3], &options, &disk, &err);
	before = bytes_read();
	if (rc == 0) {
		volume = volume_whole(disk, NULL);
		rc = ntfs_open(&volume, &ntfs, &err);
	}
	if (rc == 0)
		rc = run(ntfs, argv + 2, path, len, before, &err);
	ntfs_close(ntfs);
	tranship_disk_close(disk);
	if (rc == 0)
		return fflush(stdout) ? 1 : 0;
	fprintf(stderr, "%s: %s\n", tranship_code_name(rc), err.message);
	return 1;
}
