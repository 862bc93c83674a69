// SPDX-License-Identifier: Apache-2.0
/*
 * What stands on a disk. Only what decides is read: the tables, some 30 KiB of each partition, and
 * the folders of the EFI system partition.
 */
#include "mbr-gpt/layout_inside.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "core/disk.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NOTE_MAX = 700,
	/* As many partitions as a GPT usually has room for are looked into. */
	PROBED_MAX = 128,
};

int layout_note(struct tranship_layout *layout, struct tranship_error *err, const char *fmt, ...)
{
	char text[NOTE_MAX], shown[NOTE_MAX], **notes, *note;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	text_show(shown, sizeof(shown), text, strlen(text));
	note = strdup(shown);
	notes = realloc(layout->notes, (layout->note_count + 1) * sizeof(*notes));
	if (notes)
		layout->notes = notes;
	if (!note || !notes) {
		free(note);
		return error_nomem(err, sizeof(shown));
	}
	notes[layout->note_count++] = note;
	return 0;
}

int layout_note_fault(struct tranship_layout *layout, const struct layout_partition *partition,
		      int rc, const struct tranship_error *fault, struct tranship_error *err)
{
	if (rc == 0 || rc == TRANSHIP_ENOMEM || rc == TRANSHIP_ECANCELED)
		return error_copy(err, fault, rc);
	return layout_note(layout, err, "partition %" PRIu32 ": %s", partition->public.number,
			   fault->message);
}

struct volume layout_volume(const struct layout_partition *partition, struct tranship_disk *disk,
			    const struct patches *over)
{
	uint64_t size = tranship_disk_size(disk);
	uint64_t off = min_u64(partition->public.off, size);

	/* A table may say more than there is. */
	return (struct volume){ disk, over, off, min_u64(partition->public.len, size - off) };
}

static bool has_content(const struct tranship_layout *layout, const struct layout_partition *p)
{
	return layout->table != TRANSHIP_TABLE_MBR ||
	       !mbr_is_extended((unsigned char)strtoul(p->type_text, NULL, 16));
}

static int probe_all(struct tranship_layout *layout, struct tranship_error *err)
{
	uint32_t i;

	for (i = 0; i < layout->count; i++) {
		struct layout_partition *p = &layout->at[i];
		struct tranship_error fault;
		struct volume volume = layout_volume(p, layout->disk, NULL);
		int rc;

		p->fs.type = "";
		if (i < PROBED_MAX && has_content(layout, p)) {
			rc = fs_probe(&volume, &p->fs, &fault);
			if (rc)
				rc = layout_note_fault(layout, p, rc, &fault, err);
			if (rc)
				return rc;
		}
		p->public.fs = p->fs.type;
		p->public.fs_id = p->fs.id;
		p->public.fs_label = p->fs.label;
	}
	if (layout->count > PROBED_MAX)
		return layout_note(layout, err,
				   "only the first %d of %" PRIu32 " partitions were looked into",
				   PROBED_MAX, layout->count);
	return 0;
}

int tranship_layout_read(struct tranship_disk *disk, struct tranship_layout **out,
			 struct tranship_error *err)
{
	struct tranship_layout *layout;
	int rc;

	*out = NULL;
	if (tranship_disk_is_forward(disk))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "boot: the partitions of a disk that comes from a pipe cannot be "
				 "looked at");
	rc = disk_require_complete(disk, err);
	if (rc)
		return rc;
	layout = calloc(1, sizeof(*layout));
	if (!layout)
		return error_nomem(err, sizeof(*layout));
	layout->disk = disk;
	rc = layout_read_tables(layout, err);
	if (rc == 0)
		rc = probe_all(layout, err);
	if (rc == 0)
		rc = layout_read_esp(layout, err);
	if (rc == 0)
		rc = layout_read_boots(layout, err);
	layout->disk = NULL;
	if (rc) {
		tranship_layout_free(layout);
		return rc;
	}
	*out = layout;
	return 0;
}

void tranship_layout_free(struct tranship_layout *layout)
{
	uint32_t i;

	if (!layout)
		return;
	for (i = 0; i < layout->note_count; i++)
		free(layout->notes[i]);
	free(layout->notes);
	free(layout->at);
	gpt_free(&layout->gpt);
	free(layout);
}

enum tranship_table tranship_layout_table(const struct tranship_layout *layout)
{
	return layout->table;
}

const char *tranship_layout_id(const struct tranship_layout *layout)
{
	return layout->id;
}

unsigned tranship_layout_boots(const struct tranship_layout *layout)
{
	return layout->boots;
}

uint32_t tranship_layout_count(const struct tranship_layout *layout)
{
	return layout->count;
}

const struct tranship_partition *tranship_layout_partition(const struct tranship_layout *layout,
							   uint32_t index)
{
	return index < layout->count ? &layout->at[index].public : NULL;
}

const char *tranship_layout_note(const struct tranship_layout *layout, uint32_t index)
{
	return index < layout->note_count ? layout->notes[index] : NULL;
}
