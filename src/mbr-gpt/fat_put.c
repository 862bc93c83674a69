// SPDX-License-Identifier: Apache-2.0
/*
 * Files put into a FAT32 volume. What is put goes into the patches step by step, as the reads that
 * come after it must see it; where a step fails the patches become what they were, so nothing
 * is ever half put.
 */
#include "mbr-gpt/fat_dir.h"
#include "mbr-gpt/fat_writer.h"

#include "base/error.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SHOWN = 80 };

/* Of a file that is taken away: its clusters are freed one by one, wherever they stand. */
#define REPLACED_MAX (64U << 20)

/* One component of a path. */
struct component {
	const char *text;
	size_t len;
	bool is_last;
};

/* The next one, behind the separators at *path; false: there is none. */
static bool next_component(const char **path, struct component *out)
{
	out->text = *path + strspn(*path, "/\\");
	out->len = strcspn(out->text, "/\\");
	*path = out->text + out->len;
	*path += strspn(*path, "/\\");
	out->is_last = **path == '\0';
	return out->len > 0;
}

static int refuse(int code, const struct component *name, const char *what,
		  struct tranship_error *err)
{
	char shown[NAME_SHOWN];

	text_escape(shown, sizeof(shown), name->text, name->len);
	return error_set(err, code, "fat: '%s' %s", shown, what);
}

/* What a folder has for a name. */
struct place {
	bool exists;
	struct fat_found found;
	uint64_t free_off;       /* a slot that may be used; 0: there is none */
	uint64_t end_off;        /* a slot that must end the folder then; 0: nothing to do */
	uint32_t cluster, slots; /* the last one that was walked, what was walked: if it is full */
};

/* Notes whether a slot may be used. One behind a part of a long name would take that name. */
static int note_free(struct fat_dir *dir, const struct fat_slot *slot, bool behind_long,
		     struct place *out, struct tranship_error *err)
{
	struct fat_slot next;
	bool more;
	int rc;

	if (out->free_off != 0 || (slot->raw[0] == FAT_SLOT_FREE && behind_long))
		return 0;
	out->free_off = slot->off;
	if (slot->raw[0] != FAT_SLOT_LAST)
		return 0;
	/* What stands behind the end is not looked at until the end moves. */
	rc = fat_dir_slot(dir, &more, &next, err);
	if (rc == 0 && more && next.raw[0] != FAT_SLOT_LAST)
		out->end_off = next.off;
	return rc;
}

static int look_at_slot(struct fat_gather *gather, const struct fat_slot *slot,
			const struct component *name, struct place *out, struct tranship_error *err)
{
	struct fat_found found;

	if (!fat_gather_slot(gather, slot, &found) ||
	    !fat_name_is(&found.entry, found.raw, name->text, name->len))
		return 0;
	if (out->exists)
		return refuse(TRANSHIP_ECORRUPT, name, "is in its folder twice", err);
	out->exists = true;
	out->found = found;
	return 0;
}

/* Goes through all of a folder. */
static int look_up(struct fat *fat, uint32_t cluster, const struct component *name,
		   struct place *out, struct tranship_error *err)
{
	struct fat_dir *dir = malloc(sizeof(*dir));
	struct fat_gather gather = { 0 };
	bool more = true, behind_long = false;
	struct fat_slot slot;
	int rc;

	if (!dir)
		return error_nomem(err, sizeof(*dir));
	*out = (struct place){ 0 };
	rc = fat_dir_start(fat, cluster, dir, err);
	while (rc == 0) {
		rc = fat_dir_slot(dir, &more, &slot, err);
		if (rc || !more)
			break;
		if (slot.raw[0] == FAT_SLOT_FREE || slot.raw[0] == FAT_SLOT_LAST)
			rc = note_free(dir, &slot, behind_long, out, err);
		if (rc || slot.raw[0] == FAT_SLOT_LAST)
			break;
		behind_long = slot.raw[0] != FAT_SLOT_FREE && fat_slot_is_long(slot.raw);
		rc = look_at_slot(&gather, &slot, name, out, err);
	}
	out->slots = dir->slots;
	if (rc == 0)
		rc = fat_dir_finish(dir, err);
	out->cluster = dir->cluster;
	free(dir);
	return rc;
}

/* Where a new entry goes; a full folder gets one more cluster. */
static int find_room(struct fat_writer *w, const struct component *name, struct place *place,
		     struct tranship_error *err)
{
	uint32_t more = w->fat->cluster_size / FAT_SLOT, cluster;
	int rc;

	if (place->free_off != 0)
		return 0;
	if (place->slots + more > FAT_SLOTS_MAX)
		return refuse(TRANSHIP_ELIMIT, name, "does not fit into its folder, which is full",
			      err);
	rc = fat_writer_blank(w, place->cluster, &cluster, err);
	if (rc == 0)
		place->free_off = fat_cluster_off(w->fat, cluster);
	return rc;
}

/* Writes an entry into a slot that was free. */
static int add_entry(struct fat_writer *w, const struct component *name, struct place *place,
		     const unsigned char slot[FAT_SLOT], struct tranship_error *err)
{
	static const unsigned char last = FAT_SLOT_LAST;
	int rc = find_room(w, name, place, err);

	if (rc == 0)
		rc = fat_writer_put(w, place->free_off, slot, FAT_SLOT, err);
	if (rc == 0 && place->end_off != 0)
		rc = fat_writer_put(w, place->end_off, &last, 1, err);
	return rc;
}

/* Makes a folder in the one at `parent`. */
static int make_folder(struct fat_writer *w, uint32_t parent, const struct component *name,
		       struct place *place, uint32_t *out, struct tranship_error *err)
{
	unsigned char text[FAT_SLOT_SHORT], slots[2 * FAT_SLOT];
	uint32_t above = parent == w->fat->root_cluster ? 0 : parent;
	int rc;

	if (!fat_short_encode(name->text, name->len, text))
		return refuse(TRANSHIP_EINVAL, name, "is no name of 8 and 3 characters", err);
	rc = fat_writer_blank(w, 0, out, err);
	if (rc)
		return rc;
	fat_slot_encode((const unsigned char *)".          ", FAT_ATTR_DIRECTORY, *out, 0, slots);
	fat_slot_encode((const unsigned char *)"..         ", FAT_ATTR_DIRECTORY, above, 0,
			slots + FAT_SLOT);
	rc = fat_writer_put(w, fat_cluster_off(w->fat, *out), slots, sizeof(slots), err);
	if (rc)
		return rc;
	fat_slot_encode(text, FAT_ATTR_DIRECTORY, *out, 0, slots);
	return add_entry(w, name, place, slots, err);
}

/* Takes what has the name away: its clusters, and the slots of its long name. The slot of its short
 * one may be used. */
static int take_away(struct fat_writer *w, const struct component *name, struct place *place,
		     struct tranship_error *err)
{
	static const unsigned char free_slot = FAT_SLOT_FREE;
	const struct fat_found *found = &place->found;
	unsigned i;
	int rc;

	if (found->entry.attributes & FAT_ATTR_DIRECTORY)
		return refuse(TRANSHIP_EUNSUPPORTED, name,
			      "is a folder, and a file is to have this name", err);
	if (found->entry.size > REPLACED_MAX)
		return refuse(TRANSHIP_ELIMIT, name, "is there and longer than 64 MiB", err);
	rc = fat_writer_free(w, &found->entry, err);
	for (i = 0; rc == 0 && i < found->long_count; i++)
		rc = fat_writer_put(w, found->long_off[i], &free_slot, 1, err);
	place->free_off = found->entry.entry_off;
	place->end_off = 0;
	return rc;
}

struct content {
	const void *bytes;
	size_t len;
	unsigned attributes;
};

static int put_file(struct fat_writer *w, const struct component *name, struct place *place,
		    const struct content *content, struct tranship_error *err)
{
	unsigned char text[FAT_SLOT_SHORT], slot[FAT_SLOT];
	uint32_t first = 0;
	int rc = 0;

	if (!fat_short_encode(name->text, name->len, text))
		return refuse(TRANSHIP_EINVAL, name, "is no name of 8 and 3 characters", err);
	if (place->exists)
		rc = take_away(w, name, place, err);
	if (rc == 0)
		rc = fat_writer_store(w, content->bytes, content->len, &first, err);
	if (rc)
		return rc;
	fat_slot_encode(text, content->attributes, first, (uint32_t)content->len, slot);
	return add_entry(w, name, place, slot, err);
}

/* Goes down the path, making the folders that are not there. */
static int put_path(struct fat_writer *w, const char *path, const struct content *content,
		    struct tranship_error *err)
{
	uint32_t at = w->fat->root_cluster;
	struct component name;
	struct place place;

	while (next_component(&path, &name)) {
		int rc = look_up(w->fat, at, &name, &place, err);

		if (rc)
			return rc;
		if (name.is_last)
			return put_file(w, &name, &place, content, err);
		if (!place.exists)
			rc = make_folder(w, at, &name, &place, &at, err);
		else if (!(place.found.entry.attributes & FAT_ATTR_DIRECTORY))
			rc = refuse(TRANSHIP_EUNSUPPORTED, &name,
				    "is a file, where a folder is needed", err);
		else
			at = place.found.entry.cluster;
		if (rc)
			return rc;
	}
	return error_set(err, TRANSHIP_EINVAL, "fat: the path of the file is empty");
}

static int check_arguments(const struct fat *fat, const struct patches *patches,
			   const struct content *content, struct tranship_error *err)
{
	unsigned known = FAT_ATTR_READ_ONLY | FAT_ATTR_HIDDEN | FAT_ATTR_SYSTEM | FAT_ATTR_ARCHIVE;

	if (fat->volume.over != patches)
		return error_set(err, TRANSHIP_EINVAL,
				 "fat: the volume is not read through the patches");
	if (content->attributes & ~known)
		return error_set(err, TRANSHIP_EINVAL, "fat: 0x%02x are no attributes of a file",
				 content->attributes);
	if (content->len > UINT32_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "fat: a file of %zu bytes is longer than FAT32 can have",
				 content->len);
	return 0;
}

int fat_put(struct fat *fat, struct patches *patches, const char *path, unsigned attributes,
	    const void *bytes, size_t len, const char *reason, struct tranship_error *err)
{
	struct fat_writer writer = {
		.fat = fat, .patches = patches, .reason = reason, .cursor = FAT_FIRST
	};
	struct content content = { bytes, len, attributes };
	struct patches before;
	int rc = check_arguments(fat, patches, &content, err);

	if (rc == 0)
		rc = patches_copy(patches, &before, err);
	if (rc)
		return rc;
	fat->page_off = FAT_NO_PAGE; /* others put into the patches, too */
	rc = put_path(&writer, path, &content, err);
	if (rc == 0)
		rc = fat_writer_finish(&writer, err);
	if (rc) {
		patches_free(patches);
		*patches = before;
		fat->page_off = FAT_NO_PAGE;
		return rc;
	}
	patches_free(&before);
	return 0;
}
