// SPDX-License-Identifier: Apache-2.0
/*
 * A stream-optimized file that is cut short or damaged, read in any order: the walk over its
 * markers, made once when it is opened, gives a list of the grains that are whole and of what is
 * lost. The file's tables are not used, even where they are there: a table under a damaged stretch
 * says "absent" as convincingly as a sound one.
 */
#include "vmdk/vmdk_walk.h"

#include "base/checked.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* A grain; or with stored_len 0, what is lost up to the next entry or the end of the disk. */
struct entry {
	uint64_t off; /* in the disk */
	uint64_t pos; /* in the file */
	uint32_t stored_len;
};

struct salvage {
	struct vmdk_disk vmdk; /* one sparse extent, without its tables */
	struct entry *entries; /* ascending */
	size_t count, cap;
};

static struct salvage *salvage_of(struct tranship_disk *disk)
{
	return (struct salvage *)disk;
}

static int add_entry(struct salvage *sv, const struct vmdk_found *found, struct tranship_error *err)
{
	if (sv->count == sv->cap) {
		size_t cap = sv->cap ? 2 * sv->cap : 1024;
		struct entry *entries = realloc(sv->entries, cap * sizeof(*entries));

		if (!entries)
			return error_nomem(err, cap * sizeof(*entries));
		sv->entries = entries;
		sv->cap = cap;
	}
	sv->entries[sv->count++] =
		(struct entry){ found->off, found->pos, (uint32_t)found->stored_len };
	return 0;
}

/* What stands at an offset: an entry, or NULL for a gap; and where that ends. */
static const struct entry *find_entry(struct salvage *sv, uint64_t off, uint64_t *end)
{
	uint64_t size = sv->vmdk.disk.size, next;
	size_t low = 0, high = sv->count;
	const struct entry *entry;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (sv->entries[mid].off <= off)
			low = mid + 1;
		else
			high = mid;
	}
	next = low < sv->count ? sv->entries[low].off : size;
	*end = next;
	if (low == 0)
		return NULL;
	entry = &sv->entries[low - 1];
	if (entry->stored_len == 0)
		return entry;
	if (off - entry->off >= sv->vmdk.disk.cluster_size)
		return NULL;
	*end = min_u64(entry->off + sv->vmdk.disk.cluster_size, next);
	return entry;
}

static int salvage_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		       struct tranship_error *err)
{
	uint64_t end;
	const struct entry *entry = find_entry(salvage_of(disk), off, &end);

	(void)err;
	out->len = end - off;
	out->kind = !entry                   ? TRANSHIP_ABSENT
		    : entry->stored_len == 0 ? TRANSHIP_LOST
					     : TRANSHIP_DATA;
	if (out->kind == TRANSHIP_DATA) {
		out->compressed = true;
		out->file_off = entry->pos;
	}
	return 0;
}

/* Unpacks a grain into the scratch, unless it is there. */
static int hold_grain(struct salvage *sv, struct vmdk_scratch *scratch, const struct entry *entry,
		      struct tranship_error *err)
{
	struct vmdk_sparse *s = &sv->vmdk.extents[0].sparse;
	uint64_t index = entry->off / s->grain_size;
	int rc;

	if (scratch->held == s && scratch->held_index == index)
		return 0;
	scratch->held = NULL;
	if (!scratch->grain)
		scratch->grain = malloc(s->grain_size);
	if (!scratch->packed)
		scratch->packed = malloc(vmdk_grain_stored_max(s));
	if (!scratch->grain || !scratch->packed)
		return error_nomem(err, vmdk_grain_stored_max(s));
	rc = tranship_file_read(sv->vmdk.file, entry->pos, scratch->packed, entry->stored_len, err);
	if (rc == 0)
		rc = vmdk_grain_unpack(s, scratch, scratch->packed, entry->stored_len, index,
				       scratch->grain, s->grain_size,
				       (size_t)min_u64(s->grain_size, s->size - entry->off), err);
	if (rc)
		return rc;
	scratch->held = s;
	scratch->held_index = index;
	return 0;
}

static int salvage_read(struct tranship_disk *disk, void *arg, uint64_t off, void *buf, size_t len,
			struct tranship_error *err)
{
	struct salvage *sv = salvage_of(disk);
	struct vmdk_scratch *scratch = arg;
	unsigned char *to = buf;

	while (len > 0) {
		uint64_t end;
		const struct entry *entry = find_entry(sv, off, &end);
		size_t n = (size_t)min_u64(len, end - off);
		int rc = 0;

		if (entry && entry->stored_len == 0)
			return vmdk_walk_lost(entry->pos, err);
		if (entry)
			rc = hold_grain(sv, scratch, entry, err);
		if (rc)
			return rc;
		if (entry)
			memcpy(to, scratch->grain + (off - entry->off), n);
		else
			memset(to, 0, n);
		to += n;
		off += n;
		len -= n;
	}
	return 0;
}

static int salvage_scratch_new(struct tranship_disk *disk, void **out, struct tranship_error *err)
{
	(void)disk;
	*out = calloc(1, sizeof(struct vmdk_scratch)); /* filled as reads need it */
	return *out ? 0 : error_nomem(err, sizeof(struct vmdk_scratch));
}

static void salvage_close(struct tranship_disk *disk)
{
	struct salvage *sv = salvage_of(disk);

	tranship_file_close(sv->vmdk.file);
	free(sv->vmdk.extents);
	free(sv->entries);
	free(sv);
}

static const struct disk_ops salvage_ops = {
	.map = salvage_map,
	.read = salvage_read,
	.scratch_new = salvage_scratch_new,
	.scratch_free = vmdk_scratch_free,
	.properties = vmdk_stream_properties,
	.close = salvage_close,
};

/* Walks the whole stream. */
static int list_grains(struct salvage *sv, struct stream *stream, struct tranship_error *err)
{
	struct vmdk_front front = { .stream = stream, .vmdk = &sv->vmdk, .salvage = true };
	struct vmdk_found found = { .kind = VMDK_FOUND_LOST };
	struct vmdk_walk *walk = NULL;
	int rc = vmdk_front_take(&front, err);

	if (rc == 0)
		rc = vmdk_walk_new(stream, &sv->vmdk.extents[0].sparse, &front.count, &walk, err);
	while (rc == 0) {
		rc = vmdk_walk_next(walk, &found, err);
		if (rc || found.kind == VMDK_FOUND_END)
			break;
		rc = add_entry(sv, &found, err);
	}
	vmdk_walk_free(walk);
	return rc;
}

static int open_stream(struct salvage *sv, struct tranship_file *file,
		       const struct open_params *params, struct tranship_error *err)
{
	struct stream *stream = NULL;
	int rc;

	sv->vmdk.extents = calloc(1, sizeof(*sv->vmdk.extents));
	if (!sv->vmdk.extents)
		return error_nomem(err, sizeof(*sv->vmdk.extents));
	rc = disk_add_file(&sv->vmdk.disk, file, params->name, NULL, err);
	if (rc == 0)
		rc = stream_of_file(file, &stream, err);
	if (rc == 0)
		rc = list_grains(sv, stream, err);
	stream_close(stream);
	return rc;
}

static bool is_stream(struct tranship_file *file)
{
	unsigned char raw[VMDK_HEADER_SIZE];
	struct vmdk_header h;

	return tranship_file_size(file) >= sizeof(raw) &&
	       tranship_file_read(file, 0, raw, sizeof(raw), NULL) == 0 &&
	       vmdk_header_decode(raw, &h, NULL) == 0 && vmdk_header_streams(&h);
}

int vmdk_salvage_open(struct tranship_file *file, const struct open_params *params, bool *mine,
		      struct tranship_disk **out, struct tranship_error *err)
{
	struct salvage *sv;
	int rc;

	*mine = is_stream(file);
	if (!*mine)
		return 0;
	sv = calloc(1, sizeof(*sv));
	if (!sv)
		return error_nomem(err, sizeof(*sv));
	disk_init(&sv->vmdk.disk, &salvage_ops, "vmdk");
	sv->vmdk.disk.salvage = true;
	sv->vmdk.parent_cid = VMDK_NO_PARENT;
	rc = open_stream(sv, file, params, err);
	if (rc) {
		disk_fini(&sv->vmdk.disk);
		salvage_close(&sv->vmdk.disk); /* the file stays the caller's */
		return rc;
	}
	sv->vmdk.file = file;
	*out = &sv->vmdk.disk;
	return 0;
}
