// SPDX-License-Identifier: Apache-2.0
/* The contract of a disk, checked once for all formats. */
#include "core/disk.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Where a disk has no clusters: so much at a time where its map fails. */
#define UNMAPPED_SIZE (64U << 10)

struct tranship_scratch {
	struct tranship_disk *disk;
	void *own; /* the format's */
	struct tranship_scratch *next;
};

struct property_sink {
	int (*fn)(void *ctx, const struct tranship_property *property);
	void *ctx;
	int stopped;
};

void disk_init(struct tranship_disk *disk, const struct disk_ops *ops, const char *format)
{
	disk->ops = ops;
	disk->format = format;
	disk->sector_size = 512;
	pthread_mutex_init(&disk->pool_lock, NULL);
}

static void parent_free(struct disk_parent *parent)
{
	size_t i;

	if (!parent)
		return;
	for (i = 0; i < parent->hint_count; i++)
		free(parent->hints[i]);
	free(parent->hints);
	free(parent->ids[0]);
	free(parent->ids[1]);
	free(parent->format);
	free(parent->options);
	free(parent);
}

void disk_fini(struct tranship_disk *disk)
{
	uint32_t i;

	while (disk->pool) {
		struct tranship_scratch *scratch = disk->pool;

		disk->pool = scratch->next;
		tranship_scratch_free(scratch);
	}
	for (i = 0; i < disk->file_count; i++)
		free(disk->files[i].name);
	free(disk->files);
	parent_free(disk->parent);
	pthread_mutex_destroy(&disk->pool_lock);
}

void tranship_disk_close(struct tranship_disk *disk)
{
	if (!disk)
		return;
	disk_fini(disk);
	disk->ops->close(disk);
}

void disk_close_keeping(struct tranship_disk *disk, struct tranship_file *file)
{
	file->kept = true;
	tranship_disk_close(disk);
	file->kept = false;
}

static int add_file(struct tranship_disk *disk, const struct disk_file *file,
		    struct tranship_error *err)
{
	size_t bytes = (disk->file_count + 1) * sizeof(*disk->files);
	struct disk_file *files = realloc(disk->files, bytes);

	if (!files)
		return error_nomem(err, bytes);
	disk->files = files;
	files[disk->file_count] = *file;
	files[disk->file_count].name = strdup(file->name);
	if (!files[disk->file_count].name)
		return error_nomem(err, strlen(file->name) + 1);
	disk->file_count++;
	return 0;
}

int disk_add_file(struct tranship_disk *disk, const struct tranship_file *file, const char *name,
		  uint32_t *index, struct tranship_error *err)
{
	struct disk_file added = { .name = (char *)name, .has_id = file->has_id, .id = file->id };
	int rc = add_file(disk, &added, err);

	if (rc)
		return rc;
	disk->allocated += file->allocated;
	if (index)
		*index = disk->file_count - 1;
	return 0;
}

int disk_add_place(struct tranship_disk *disk, const char *location, struct tranship_error *err)
{
	struct disk_file added = { .name = (char *)location };

	return add_file(disk, &added, err);
}

int disk_add_files_of(struct tranship_disk *disk, const struct tranship_disk *other,
		      uint32_t *first, struct tranship_error *err)
{
	uint32_t i;
	int rc = 0;

	*first = disk->file_count;
	for (i = 0; i < other->file_count && rc == 0; i++)
		rc = add_file(disk, &other->files[i], err);
	return rc;
}

int disk_need_parent(struct tranship_disk *disk, const char *id, const char *other_id,
		     struct tranship_error *err)
{
	struct disk_parent *parent = calloc(1, sizeof(*parent));

	if (!parent)
		return error_nomem(err, sizeof(*parent));
	parent->ids[0] = strdup(id);
	parent->ids[1] = other_id ? strdup(other_id) : NULL;
	if (!parent->ids[0] || (other_id && !parent->ids[1])) {
		parent_free(parent);
		return error_nomem(err, strlen(id) + 1);
	}
	disk->parent = parent;
	return 0;
}

int disk_add_hint(struct tranship_disk *disk, const char *hint, struct tranship_error *err)
{
	struct disk_parent *parent = disk->parent;
	size_t bytes = (parent->hint_count + 1) * sizeof(*parent->hints), i;
	char **hints;

	if (*hint == '\0')
		return 0;
	for (i = 0; i < parent->hint_count; i++)
		if (strcmp(parent->hints[i], hint) == 0)
			return 0;
	hints = realloc(parent->hints, bytes);
	if (!hints)
		return error_nomem(err, bytes);
	parent->hints = hints;
	hints[parent->hint_count] = strdup(hint);
	if (!hints[parent->hint_count])
		return error_nomem(err, strlen(hint) + 1);
	parent->hint_count++;
	return 0;
}

uint64_t tranship_disk_size(const struct tranship_disk *disk)
{
	return disk->size;
}

uint32_t tranship_disk_sector_size(const struct tranship_disk *disk)
{
	return disk->sector_size;
}

uint32_t tranship_disk_cluster_size(const struct tranship_disk *disk)
{
	return disk->cluster_size;
}

const char *tranship_disk_format(const struct tranship_disk *disk)
{
	return disk->format;
}

uint64_t tranship_disk_allocated(const struct tranship_disk *disk)
{
	return disk->allocated;
}

const char *tranship_disk_file_name(const struct tranship_disk *disk, uint32_t index)
{
	return index < disk->file_count ? disk->files[index].name : NULL;
}

bool tranship_disk_is_forward(const struct tranship_disk *disk)
{
	return disk->forward;
}

bool tranship_disk_is_complete(const struct tranship_disk *disk)
{
	return !disk->incomplete;
}

const char *tranship_disk_identity(const struct tranship_disk *disk)
{
	return disk->identity;
}

const char *tranship_disk_parent_identity(const struct tranship_disk *disk)
{
	return disk->parent ? disk->parent->ids[0] : NULL;
}

const char *tranship_disk_parent_format(const struct tranship_disk *disk)
{
	if (!disk->parent)
		return NULL;
	return disk->parent->format ? disk->parent->format : disk->format;
}

const char *tranship_disk_parent_hint(const struct tranship_disk *disk, uint32_t index)
{
	return disk->parent && index < disk->parent->hint_count ? disk->parent->hints[index] : NULL;
}

int disk_file_ids(const struct tranship_disk *const *disks, size_t disk_count, struct file_id **out,
		  size_t *count, struct tranship_error *err)
{
	size_t total = 0, d;
	uint32_t i;

	*out = NULL;
	*count = 0;
	for (d = 0; d < disk_count; d++)
		total += disks[d] ? disks[d]->file_count : 0;
	if (total == 0)
		return 0;
	*out = calloc(total, sizeof(**out));
	if (!*out)
		return error_nomem(err, total * sizeof(**out));
	for (d = 0; d < disk_count; d++)
		for (i = 0; disks[d] && i < disks[d]->file_count; i++)
			if (disks[d]->files[i].has_id)
				(*out)[(*count)++] = disks[d]->files[i].id;
	return 0;
}

int disk_require_complete(const struct tranship_disk *disk, struct tranship_error *err)
{
	const char *hint = tranship_disk_parent_hint(disk, 0);
	char shown[200];

	if (!disk->incomplete)
		return 0;
	text_escape(shown, sizeof(shown), hint ? hint : "", hint ? strlen(hint) : 0);
	return error_set(
		err, TRANSHIP_EMISMATCH,
		"%s: the image holds only what differs from its parent %s ('%s'), which is "
		"not there",
		disk->format, disk->parent->ids[0], shown);
}

bool is_loss(int code)
{
	return code == TRANSHIP_EIO || code == TRANSHIP_ECORRUPT;
}

void disk_pass_over(const struct tranship_disk *disk, uint64_t off, struct tranship_extent *out)
{
	uint64_t unit = disk->cluster_size ? disk->cluster_size : UNMAPPED_SIZE;

	*out = (struct tranship_extent){
		.off = off,
		.len = min_u64(unit - off % unit, disk->size - off),
		.kind = disk->cluster_size ? TRANSHIP_LOST : TRANSHIP_DATA,
		.file_off = TRANSHIP_NO_OFFSET,
	};
}

void disk_cancel(struct tranship_disk *disk)
{
	if (disk->ops->cancel)
		disk->ops->cancel(disk);
}

int tranship_scratch_new(struct tranship_disk *disk, struct tranship_scratch **out,
			 struct tranship_error *err)
{
	struct tranship_scratch *scratch = calloc(1, sizeof(*scratch));
	int rc = 0;

	*out = NULL;
	if (!scratch)
		return error_nomem(err, sizeof(*scratch));
	scratch->disk = disk;
	if (disk->ops->scratch_new)
		rc = disk->ops->scratch_new(disk, &scratch->own, err);
	if (rc) {
		free(scratch);
		return rc;
	}
	*out = scratch;
	return 0;
}

void tranship_scratch_free(struct tranship_scratch *scratch)
{
	if (!scratch)
		return;
	if (scratch->disk->ops->scratch_free)
		scratch->disk->ops->scratch_free(scratch->own);
	free(scratch);
}

static int scratch_borrow(struct tranship_disk *disk, struct tranship_scratch **out,
			  struct tranship_error *err)
{
	pthread_mutex_lock(&disk->pool_lock);
	*out = disk->pool;
	if (*out)
		disk->pool = (*out)->next;
	pthread_mutex_unlock(&disk->pool_lock);
	return *out ? 0 : tranship_scratch_new(disk, out, err);
}

static void scratch_return(struct tranship_disk *disk, struct tranship_scratch *scratch)
{
	pthread_mutex_lock(&disk->pool_lock);
	scratch->next = disk->pool;
	disk->pool = scratch;
	pthread_mutex_unlock(&disk->pool_lock);
}

int tranship_disk_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		      struct tranship_error *err)
{
	int rc;

	if (off >= disk->size)
		return error_set(err, TRANSHIP_EINVAL,
				 "offset %" PRIu64 " is not inside the disk (%" PRIu64 " bytes)",
				 off, disk->size);
	*out = (struct tranship_extent){ .off = off, .file_off = TRANSHIP_NO_OFFSET };
	rc = disk->ops->map(disk, off, out, err);
	if (rc)
		return rc;
	out->len = min_u64(out->len, disk->size - off);
	if (out->len == 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "%s: the map makes no progress at %" PRIu64, disk->format, off);
	return 0;
}

int tranship_disk_read(struct tranship_disk *disk, struct tranship_scratch *scratch, uint64_t off,
		       void *buf, size_t len, struct tranship_error *err)
{
	struct tranship_scratch *use = scratch;
	int rc;

	if (!range_ok(off, len, disk->size))
		return error_set(err, TRANSHIP_EINVAL,
				 "%zu bytes at %" PRIu64 " pass the end of the disk (%" PRIu64
				 " bytes)",
				 len, off, disk->size);
	if (len == 0)
		return 0;
	if (!use) {
		rc = scratch_borrow(disk, &use, err);
		if (rc)
			return rc;
	}
	rc = disk->ops->read(disk, use->own, off, buf, len, err);
	if (!scratch)
		scratch_return(disk, use);
	return rc;
}

static void property(struct property_sink *sink, const struct tranship_property *p)
{
	if (!sink->stopped)
		sink->stopped = sink->fn(sink->ctx, p);
}

void property_text(struct property_sink *sink, const char *name, const char *text)
{
	property(sink, &(struct tranship_property){ name, TRANSHIP_PROPERTY_TEXT, text, 0 });
}

void property_number(struct property_sink *sink, const char *name, uint64_t number)
{
	property(sink, &(struct tranship_property){ name, TRANSHIP_PROPERTY_NUMBER, NULL, number });
}

void property_bool(struct property_sink *sink, const char *name, bool value)
{
	property(sink, &(struct tranship_property){ name, TRANSHIP_PROPERTY_BOOL, NULL, value });
}

int tranship_disk_properties(struct tranship_disk *disk,
			     int (*fn)(void *ctx, const struct tranship_property *property),
			     void *ctx)
{
	struct property_sink sink = { .fn = fn, .ctx = ctx };

	if (disk->ops->properties)
		disk->ops->properties(disk, &sink);
	return sink.stopped;
}
