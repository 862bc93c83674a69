// SPDX-License-Identifier: Apache-2.0
/*
 * The input says how a FAT32 volume differs from a good one (fat_input.h). It is listed and read,
 * and a file is put into it. What is put is there and reads as it was given; the other files that
 * could be read are as they were, but those that share clusters with what was replaced or with a
 * folder; where putting fails nothing is replaced.
 */
#include "harness.h"

#include "fat_input.h"

#include "base/digest.h"
#include "mbr-gpt/fat_ondisk.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 200, DEPTH_MAX = 4, FILE_MAX = 1 << 20, CLUSTERS_MAX = 4096 };

struct file {
	struct fat_entry entry;
	bool readable;
	uint64_t check;
};

/* A volume and all that is in it. */
struct scene {
	struct fat_input input;
	struct tranship_disk *disk;
	struct patches patches;
	struct fat fat;
	struct file files[ENTRIES_MAX];
	size_t count;
	bool whole; /* all of it was listed */
	unsigned depth;
	unsigned char folders[CLUSTERS_MAX]; /* whether a cluster belongs to one */
};

static void expect_error(int rc, const struct tranship_error *err)
{
	fuzz_require(rc < 0 && walk_error(rc, err) == NULL, "a failure says what it is");
}

/* Marks the clusters of a chain, as far as it goes; whether one of them was marked. */
static bool mark_chain(struct scene *s, uint32_t cluster, unsigned char *marks, bool set)
{
	uint32_t next, steps;
	bool met = false;

	for (steps = 0; steps <= s->fat.clusters && cluster >= 2 && cluster < CLUSTERS_MAX;
	     steps++) {
		if (cluster - 2 >= s->fat.clusters)
			break;
		met |= marks[cluster];
		marks[cluster] |= set;
		if (fat_next(&s->fat, cluster, &next, NULL))
			break;
		cluster = next;
	}
	return met;
}

static void read_file(struct scene *s, struct file *file)
{
	struct tranship_error err = { 0 };
	unsigned char *bytes;
	int rc = fat_read_all(&s->fat, &file->entry, FILE_MAX, &bytes, &err);

	file->readable = rc == 0;
	file->check = 0;
	if (rc) {
		expect_error(rc, &err);
		return;
	}
	file->check = check64(bytes, file->entry.size, 0);
	free(bytes);
}

static int list_one(void *ctx, const struct fat_entry *entry)
{
	struct scene *s = ctx;
	struct tranship_error err = { 0 };
	struct file *file = &s->files[s->count];
	int rc;

	if (s->count == ENTRIES_MAX) {
		s->whole = false;
		return 1;
	}
	fuzz_require(strlen(entry->name) < FAT_NAME_TEXT && entry->short_name[12] == '\0',
		     "names end");
	s->count++;
	*file = (struct file){ .entry = *entry };
	if (!(entry->attributes & FAT_ATTR_DIRECTORY)) {
		read_file(s, file);
		return 0;
	}
	if (s->depth == DEPTH_MAX) {
		s->whole = false;
		return 0;
	}
	mark_chain(s, entry->cluster, s->folders, true);
	s->depth++;
	rc = fat_list(&s->fat, &file->entry, list_one, s, &err);
	s->depth--;
	if (rc < 0) {
		expect_error(rc, &err);
		s->whole = false;
		return 0;
	}
	return rc;
}

static void list_all(struct scene *s)
{
	struct tranship_error err = { 0 };
	int rc;

	s->count = 0;
	s->depth = 0;
	s->whole = true;
	mark_chain(s, s->fat.root_cluster, s->folders, true);
	rc = fat_list(&s->fat, NULL, list_one, s, &err);
	if (rc < 0) {
		expect_error(rc, &err);
		s->whole = false;
	}
}

/* The file that `old` was, after something was put. */
static void expect_same(struct scene *s, const struct file *old, bool listed)
{
	struct file now = { .entry = old->entry };
	size_t i;

	read_file(s, &now);
	fuzz_require(now.readable && now.check == old->check, "other files are as they were");
	for (i = 0; listed && i < s->count; i++)
		if (s->files[i].entry.entry_off == old->entry.entry_off &&
		    strcmp(s->files[i].entry.name, old->entry.name) == 0)
			return;
	fuzz_require(!listed, "other files are still there");
}

static void expect_content(struct scene *s, const unsigned char *bytes)
{
	struct tranship_error err = { 0 };
	struct fat_entry entry;
	unsigned char *got;
	bool found;
	int rc = fat_find(&s->fat, s->input.path, &found, &entry, &err);

	fuzz_require(rc == 0 && found, "what was put is found");
	fuzz_require(entry.size == s->input.len && entry.attributes == FAT_ATTR_ARCHIVE,
		     "it has its size and attributes");
	rc = fat_read_all(&s->fat, &entry, FILE_MAX, &got, &err);
	fuzz_require(rc == 0 && memcmp(got, bytes, s->input.len) == 0, "it reads as it was given");
	free(got);
}

/* What is there before: the files that must stay as they are go to others. */
static size_t files_apart(struct scene *s, struct file *others, bool *listed)
{
	static unsigned char replaced[CLUSTERS_MAX];
	struct fat_entry entry = { 0 };
	size_t i, count = 0;
	bool found = false;

	memset(replaced, 0, sizeof(replaced));
	if (fat_find(&s->fat, s->input.path, &found, &entry, NULL))
		found = false;
	*listed = s->whole;
	/* Where a file is a folder, too, what is in that goes with it. */
	if (found && mark_chain(s, entry.cluster, s->folders, false))
		*listed = false;
	if (found)
		mark_chain(s, entry.cluster, replaced, true);
	for (i = 0; i < s->count; i++) {
		const struct file *f = &s->files[i];

		if (!f->readable || (found && f->entry.entry_off == entry.entry_off) ||
		    mark_chain(s, f->entry.cluster, s->folders, false) ||
		    mark_chain(s, f->entry.cluster, replaced, false))
			continue;
		others[count++] = *f;
	}
	return count;
}

static void put(struct scene *s)
{
	static struct file others[ENTRIES_MAX];
	static unsigned char bytes[1 << 15];
	struct tranship_error err = { 0 };
	size_t count, i;
	bool listed;
	int rc;

	for (i = 0; i < s->input.len; i++)
		bytes[i] = (unsigned char)(i * 31 + i / 256);
	count = files_apart(s, others, &listed);
	rc = fat_put(&s->fat, &s->patches, s->input.path, FAT_ATTR_ARCHIVE, bytes, s->input.len,
		     "fuzz", &err);
	if (rc) {
		expect_error(rc, &err);
		fuzz_require(s->patches.count == 0, "a failure replaces nothing");
		return;
	}
	expect_content(s, bytes);
	list_all(s);
	for (i = 0; i < count; i++)
		expect_same(s, &others[i], listed);
	rc = fat_put(&s->fat, &s->patches, s->input.path, FAT_ATTR_ARCHIVE, bytes, s->input.len,
		     "fuzz", &err);
	fuzz_require(rc == 0, "it can be replaced by itself");
	expect_content(s, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scene s;
	struct tranship_open_options raw = { .format = "raw" };
	struct tranship_error err = { 0 };
	struct tranship_file *file;
	struct volume volume;
	int rc;

	memset(&s, 0, sizeof(s));
	if (fat_input_parse(data, size, &s.input) ||
	    tranship_file_memory(s.input.image.bytes, s.input.image.size, &file, NULL)) {
		free(s.input.image.bytes);
		return 0;
	}
	free(s.input.image.bytes);
	if (tranship_open_file(file, &raw, &s.disk, NULL)) {
		tranship_file_close(file);
		return 0;
	}
	patches_init(&s.patches, s.disk);
	volume = volume_whole(s.disk, &s.patches);
	rc = fat_open(&volume, &s.fat, &err);
	if (rc) {
		expect_error(rc, &err);
	} else {
		list_all(&s);
		put(&s);
	}
	fat_close(&s.fat);
	patches_free(&s.patches);
	tranship_disk_close(s.disk);
	return 0;
}
