// SPDX-License-Identifier: Apache-2.0
/*
 * Which table counts. Linux, Windows and EDK2 take a GPT only where the MBR has an entry of type
 * 0xEE; an MBR with partitions and without one counts itself, and a GPT beside it is a leftover.
 * Where the MBR says nothing at all, the GPT is shown with a note, for that is damage.
 */
#include "mbr-gpt/layout_inside.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool mbr_has_partitions(const struct mbr *mbr)
{
	uint32_t i;

	for (i = 0; i < MBR_ENTRIES; i++)
		if (mbr->at[i].type != 0)
			return true;
	return false;
}

static enum tranship_table choose(const struct tranship_layout *l)
{
	if (l->mbr.kind == MBR_PLAIN && (!l->gpt.found || mbr_has_partitions(&l->mbr)))
		return TRANSHIP_TABLE_MBR;
	if (!l->gpt.found)
		return TRANSHIP_TABLE_NONE;
	return l->mbr.kind == MBR_HYBRID ? TRANSHIP_TABLE_HYBRID : TRANSHIP_TABLE_GPT;
}

/* Why there is no table although something says that there ought to be one. */
static int note_unusable(struct tranship_layout *l, struct tranship_error *err)
{
	const struct gpt *gpt = &l->gpt;
	const struct gpt_copy *copies[] = { &gpt->primary, &gpt->backup };
	bool said = false;
	size_t i;
	int rc = 0;

	for (i = 0; i < 2 && rc == 0; i++)
		if (copies[i]->present) {
			said = true;
			rc = layout_note(l, err, "the %s partition table cannot be used: %s",
					 i ? "backup" : "primary", copies[i]->fault.message);
		}
	if (rc == 0 && gpt->foreign_sector_size) {
		said = true;
		rc = layout_note(l, err,
				 "there is a GUID partition table for sectors of %" PRIu32
				 " bytes, the disk has sectors of %" PRIu32 " bytes",
				 gpt->foreign_sector_size, gpt->sector_size);
	}
	if (rc == 0 && !said && l->mbr.kind != MBR_NONE)
		rc = layout_note(l, err,
				 "the MBR is a protective one, and there is no GUID partition "
				 "table");
	return rc;
}

static int note_copies(struct tranship_layout *l, struct tranship_error *err)
{
	const struct gpt *gpt = &l->gpt;
	int rc = 0;

	if (gpt->used == &gpt->backup)
		rc = layout_note(l, err, "the backup partition table is used: %s",
				 gpt->primary.present ? gpt->primary.fault.message
						      : "there is no primary one");
	else if (!gpt->backup.good && gpt->backup.present)
		rc = layout_note(l, err, "the backup partition table cannot be used: %s",
				 gpt->backup.fault.message);
	else if (!gpt->backup.good)
		rc = layout_note(l, err,
				 "there is no backup partition table in the last sector (%" PRIu64
				 ")",
				 gpt->sectors - 1);
	if (rc == 0 && gpt->backup_misplaced)
		rc = layout_note(l, err,
				 "the backup partition table stands in sector %" PRIu64
				 ", not in the last one (%" PRIu64 ")",
				 gpt->backup.lba, gpt->sectors - 1);
	if (rc == 0 && gpt->differ)
		rc = layout_note(l, err,
				 "the two copies of the partition table differ; the primary one is "
				 "used");
	return rc;
}

static int note_tables(struct tranship_layout *l, struct tranship_error *err)
{
	int rc = 0;

	if (l->table == TRANSHIP_TABLE_NONE)
		return note_unusable(l, err);
	if (l->table != TRANSHIP_TABLE_MBR) {
		rc = note_copies(l, err);
		if (rc == 0 && l->table == TRANSHIP_TABLE_HYBRID)
			rc = layout_note(l, err,
					 "the MBR has other partitions than the protective one "
					 "(it is a hybrid)");
		if (rc == 0 && l->mbr.kind != MBR_HYBRID && l->mbr.kind != MBR_PROTECTIVE)
			rc = layout_note(l, err,
					 "the MBR has no protective partition: systems do not "
					 "look for the GUID partition table");
	} else if (l->gpt.found) {
		rc = layout_note(l, err,
				 "there is a GUID partition table, too, which does not count: "
				 "the MBR has partitions and no protective one");
	}
	if (rc == 0 && l->mbr.fault.code && l->table != TRANSHIP_TABLE_GPT)
		rc = layout_note(l, err, "%s", l->mbr.fault.message);
	return rc;
}

static void take_gpt_entry(struct layout_partition *p, const struct gpt_entry *e, uint32_t index,
			   uint32_t sector_size)
{
	const char *kind = gpt_type_name(&e->type);

	p->type = e->type;
	p->id = e->id;
	p->entry = index;
	guid_text_le(&e->type, p->type_text);
	guid_text_le(&e->id, p->id_text);
	memcpy(p->name, e->name, sizeof(p->name));
	p->public = (struct tranship_partition){
		.number = index + 1,
		.off = e->first * sector_size,
		.len = (e->last - e->first + 1) * sector_size,
		.type = p->type_text,
		.kind = kind ? kind : "",
		.id = p->id_text,
		.name = p->name,
		.attributes = e->attributes,
	};
}

static void take_gpt(struct tranship_layout *l)
{
	uint32_t i;

	guid_text_le(&l->gpt.used->header.disk, l->id);
	for (i = 0; i < l->gpt.count; i++)
		if (!guid_is_zero(&l->gpt.entries[i].type))
			take_gpt_entry(&l->at[l->count++], &l->gpt.entries[i], i,
				       l->gpt.sector_size);
}

/* index: 0 to 3, logical ones from 4. */
static void take_mbr_entry(struct tranship_layout *l, const struct mbr_entry *e, uint32_t index)
{
	uint32_t sector_size = l->gpt.sector_size;
	struct layout_partition *p = &l->at[l->count++];
	const char *kind = mbr_type_name(e->type);

	p->entry = index;
	snprintf(p->type_text, sizeof(p->type_text), "%02x", (unsigned)e->type);
	if (l->mbr.signature)
		snprintf(p->id_text, sizeof(p->id_text), "%08x-%02x", (unsigned)l->mbr.signature,
			 (unsigned)index + 1);
	p->public = (struct tranship_partition){
		.number = index + 1,
		.off = (uint64_t)e->first * sector_size,
		.len = (uint64_t)e->sectors * sector_size,
		.type = p->type_text,
		.kind = kind ? kind : "",
		.id = p->id_text,
		.name = p->name,
		.active = e->active,
		.logical = index >= MBR_ENTRIES,
	};
}

static void take_mbr(struct tranship_layout *l)
{
	uint32_t i;

	if (l->mbr.signature)
		snprintf(l->id, sizeof(l->id), "%08x", (unsigned)l->mbr.signature);
	for (i = 0; i < MBR_ENTRIES; i++)
		if (l->mbr.at[i].type != 0)
			take_mbr_entry(l, &l->mbr.at[i], i);
	for (i = 0; i < l->mbr.logical_count; i++)
		take_mbr_entry(l, &l->mbr.logical[i], MBR_ENTRIES + i);
}

static uint32_t count_partitions(const struct tranship_layout *l)
{
	uint32_t count = 0, i;

	if (l->table == TRANSHIP_TABLE_MBR)
		return MBR_ENTRIES + l->mbr.logical_count;
	for (i = 0; i < l->gpt.count; i++)
		count += !guid_is_zero(&l->gpt.entries[i].type);
	return count;
}

int layout_read_tables(struct tranship_layout *layout, struct tranship_error *err)
{
	uint32_t room;
	int rc = gpt_read(layout->disk, &layout->gpt, err);

	if (rc == 0)
		rc = mbr_read(layout->disk, &layout->mbr, err);
	if (rc)
		return rc;
	layout->table = choose(layout);
	rc = note_tables(layout, err);
	if (rc || layout->table == TRANSHIP_TABLE_NONE)
		return rc;
	room = count_partitions(layout);
	layout->at = calloc(room ? room : 1, sizeof(*layout->at));
	if (!layout->at)
		return error_nomem(err, room * sizeof(*layout->at));
	if (layout->table == TRANSHIP_TABLE_MBR)
		take_mbr(layout);
	else
		take_gpt(layout);
	return 0;
}
