// SPDX-License-Identifier: Apache-2.0
#include "ntfs_walk.h"

#include "mbr-gpt/ntfs.h"
#include "walk.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 300, BYTES_MAX = 128 << 10, DEPTH_MAX = 8 };

struct state {
	struct ntfs_walk *out;
	struct tranship_disk *disk;
	struct ntfs *ntfs;
	unsigned char *whole, *part;
	unsigned entries, depth;
};

static void require(struct state *s, bool holds, const char *what)
{
	if (!holds && !s->out->broken)
		s->out->broken = what;
}

static void count_error(struct state *s, int rc, const struct tranship_error *err)
{
	s->out->refused++;
	require(s, !walk_error(rc, err), "an error says what it is");
}

/* Where a file stands, the volume has its bytes. */
static void look_at_places(struct state *s, struct ntfs_file *file, size_t len)
{
	uint64_t off = 0, at, n, places;

	for (places = 0; off < len && places < 100; places++) {
		size_t piece;

		if (ntfs_file_where(file, off, &at, &n, NULL)) {
			off += 512;
			continue;
		}
		require(s, n > 0 && n <= ntfs_file_size(file) - off, "a place has a length");
		piece = (size_t)(n < len - off ? n : len - off);
		if (tranship_disk_read(s->disk, NULL, at, s->part, piece, NULL))
			require(s, false, "a place is on the volume");
		else
			require(s, memcmp(s->whole + off, s->part, piece) == 0,
				"a place has the file's bytes");
		off += piece;
	}
}

static void read_file(struct state *s, struct ntfs_file *file)
{
	uint64_t size = ntfs_file_size(file);
	size_t len = size < BYTES_MAX ? (size_t)size : BYTES_MAX, cut = len / 3;
	struct tranship_error err = { 0 };
	int rc = ntfs_file_read(file, 0, s->whole, len, &err);

	if (rc) {
		count_error(s, rc, &err);
		return;
	}
	s->out->files++;
	/* The last part first, so that what a cache holds is another thing. */
	memset(s->part, 0xCC, len);
	require(s,
		ntfs_file_read(file, cut, s->part + cut, len - cut, &err) == 0 &&
			ntfs_file_read(file, 0, s->part, cut, &err) == 0,
		"what is read once is read again");
	require(s, memcmp(s->whole, s->part, len) == 0, "a read in two parts is one read");
	require(s, ntfs_file_read(file, size, s->part, 1, &err) == TRANSHIP_EINVAL,
		"no byte is behind the end");
	if (len < BYTES_MAX) {
		unsigned char *all;

		rc = ntfs_file_read_all(file, BYTES_MAX, &all, &err);
		require(s, rc == 0 && memcmp(s->whole, all, len) == 0, "all of it is the same");
		free(rc == 0 ? all : NULL);
	}
	look_at_places(s, file, len);
}

static int visit(void *ctx, const char *name, uint64_t record, bool is_directory);

static void visit_file(struct state *s, struct ntfs_file *file)
{
	struct tranship_error err = { 0 };
	int rc;

	if (!ntfs_file_is_directory(file)) {
		read_file(s, file);
		return;
	}
	s->out->folders++;
	if (s->depth == DEPTH_MAX)
		return;
	s->depth++;
	rc = ntfs_list(file, visit, s, &err);
	if (rc < 0)
		count_error(s, rc, &err);
	s->depth--;
}

static int visit(void *ctx, const char *name, uint64_t record, bool is_directory)
{
	struct state *s = ctx;
	struct tranship_error err = { 0 };
	struct ntfs_file *file;
	int rc;

	(void)is_directory;
	if (s->entries++ == ENTRIES_MAX)
		return 1;
	rc = ntfs_file_open(s->ntfs, record, &file, &err);
	require(s, (rc == 0) == (file != NULL), "a file comes exactly when nothing failed");
	if (rc)
		count_error(s, rc, &err);
	else
		visit_file(s, file);
	ntfs_file_close(file);
	/* Look-ups end, whatever they find. */
	rc = ntfs_find(s->ntfs, name, &file, &err);
	if (rc)
		count_error(s, rc, &err);
	ntfs_file_close(file);
	return s->out->broken ? 1 : 0;
}

int ntfs_walk(struct tranship_disk *disk, struct ntfs_walk *out, struct tranship_error *err)
{
	struct volume volume = volume_whole(disk, NULL);
	struct state s = { .out = out, .disk = disk };
	int rc = ntfs_open(&volume, &s.ntfs, err);

	*out = (struct ntfs_walk){ 0 };
	if (rc)
		return rc;
	s.whole = malloc(BYTES_MAX);
	s.part = malloc(BYTES_MAX);
	if (s.whole && s.part) {
		visit(&s, "", 5, true);
		visit(&s, "golf/kilo", 0, false);
	}
	free(s.whole);
	free(s.part);
	ntfs_close(s.ntfs);
	return 0;
}
