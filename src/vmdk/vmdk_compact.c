// SPDX-License-Identifier: Apache-2.0
/*
 * Giving back what nothing uses: the last grains of the file move into the gaps, from its start on,
 * then tables and directories that stand behind the overhead, then the file is cut. A grain is
 * copied into a gap first; then the transaction names it there, so that its old place is a gap from
 * then on, which is not used again.
 *
 * A grain that a table names and its copy does not, or that two entries name, or that stands
 * between the places of grains, does not move: what is damaged is left for a repair that mends it.
 */
#include "vmdk/vmdk_modify.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Owners of a place. Others are a grain's number and 1. */
#define FREE 0U
#define FIXED UINT32_MAX

/* Each round that moves tables frees places for the next one. */
#define ROUNDS_MAX 8U

struct compact {
	struct vmdk_sparse *s;
	uint64_t count;          /* places for grains behind the overhead */
	uint32_t *owners;        /* of each */
	bool damaged;            /* what may be lost by moving anything */
	uint64_t next;           /* the place where room for tables is looked for */
	uint64_t room, room_end; /* sectors that nothing uses */
};

static uint64_t place_sector(const struct compact *c, uint64_t place)
{
	return c->s->header.overhead + place * c->s->header.grain_sectors;
}

/* What stands in these sectors stays there. */
static void fix(struct compact *c, uint64_t sector, uint64_t sectors)
{
	uint64_t first = c->s->header.overhead, size = c->s->header.grain_sectors, place;

	if (sectors == 0 || sector + sectors <= first)
		return;
	place = sector > first ? (sector - first) / size : 0;
	for (; place < c->count && place_sector(c, place) < sector + sectors; place++)
		c->owners[place] = FIXED;
}

static void take_entry(struct compact *c, uint64_t grain, uint64_t entry, uint64_t other)
{
	const struct vmdk_header *h = &c->s->header;
	uint64_t place;

	if (entry != other && other > VMDK_GTE_ZERO)
		fix(c, other, h->grain_sectors);
	if (entry <= VMDK_GTE_ZERO)
		return;
	if (entry < h->overhead || (entry - h->overhead) % h->grain_sectors || entry != other) {
		fix(c, entry, h->grain_sectors);
		return;
	}
	place = (entry - h->overhead) / h->grain_sectors;
	if (place < c->count)
		c->owners[place] = c->owners[place] == FREE ? (uint32_t)(grain + 1) : FIXED;
}

static int take_table(struct compact *c, uint64_t gt, const struct vmdk_table *t,
		      struct tranship_error *err)
{
	struct vmdk_sparse *s = c->s;
	uint64_t per_gt = s->header.gtes_per_gt, first = gt * per_gt, at;
	uint64_t count = min_u64(per_gt, s->grains - first);
	uint64_t entries[VMDK_ENTRIES_AT_ONCE], others[VMDK_ENTRIES_AT_ONCE];
	int rc = 0;

	fix(c, t->table, vmdk_gt_sectors(&s->header));
	fix(c, t->copy, vmdk_gt_sectors(&s->header));
	for (at = 0; at < count && rc == 0; at += VMDK_ENTRIES_AT_ONCE) {
		size_t n = (size_t)min_u64(count - at, VMDK_ENTRIES_AT_ONCE), i;

		rc = vmdk_sparse_table_entries(s, t->table, at, n, entries, err);
		memcpy(others, entries, sizeof(others));
		if (rc == 0 && t->copy)
			rc = vmdk_sparse_table_entries(s, t->copy, at, n, others, err);
		for (i = 0; rc == 0 && i < n; i++)
			take_entry(c, first + at + i, entries[i], others[i]);
	}
	return rc;
}

/* Who owns what. */
static int survey(struct compact *c, struct tranship_error *err)
{
	struct vmdk_sparse *s = c->s;
	const struct vmdk_header *h = &s->header;
	uint64_t tables = vmdk_gd_entries(h), gt;
	bool redundant = vmdk_has_redundant(s);
	int rc = 0;

	fix(c, h->gd_offset, vmdk_gd_sectors(h));
	fix(c, redundant ? h->rgd_offset : 0, vmdk_gd_sectors(h));
	fix(c, h->descriptor_offset, h->descriptor_sectors);
	for (gt = 0; gt < tables && rc == 0 && !c->damaged; gt++) {
		struct vmdk_table t = { 0 };

		rc = vmdk_sparse_table(s, gt, &t.table, err);
		if (rc == 0 && redundant)
			rc = vmdk_sparse_tables(s, h->rgd_offset, gt, 1, &t.copy, err);
		if (rc)
			break;
		c->damaged = !vmdk_table_fits(s, t.table) || !vmdk_table_fits(s, t.copy) ||
			     (redundant && (t.table == 0) != (t.copy == 0));
		if (!c->damaged && t.table)
			rc = take_table(c, gt, &t, err);
	}
	return rc;
}

/* Moves the grain at place `from` to `to`; pending. */
static int move(struct compact *c, uint64_t from, uint64_t to, unsigned char *bytes,
		struct tranship_error *err)
{
	struct vmdk_sparse *s = c->s;
	uint64_t grain = c->owners[from] - 1U, off = place_sector(c, from) * VMDK_SECTOR;
	uint64_t sector = place_sector(c, to);
	size_t len = (size_t)min_u64(s->grain_size, tranship_file_size(s->file) - off);
	struct vmdk_table t;
	int rc = tranship_file_read(s->file, off, bytes, len, err);

	if (rc == 0)
		rc = modify_free(s->file, sector * VMDK_SECTOR, bytes, len, err);
	if (rc == 0)
		rc = vmdk_find_table(s, grain / s->header.gtes_per_gt, &t, err);
	if (rc == 0)
		rc = vmdk_set_entries(s, &t, grain % s->header.gtes_per_gt, 1, (uint32_t)sector, 0,
				      err);
	if (rc == 0 && s->changed >= VMDK_CHANGES_MAX)
		rc = vmdk_sparse_apply(s, err);
	return rc;
}

/* *end becomes the first place behind all that is used. */
static int move_all(struct compact *c, uint64_t *end, struct tranship_error *err)
{
	unsigned char *bytes = malloc(c->s->grain_size);
	uint64_t gap = 0, last = c->count;
	int rc = bytes ? 0 : error_nomem(err, c->s->grain_size);

	while (rc == 0) {
		while (last > 0 && c->owners[last - 1] == FREE)
			last--;
		while (gap < last && c->owners[gap] != FREE)
			gap++;
		if (gap >= last || c->owners[last - 1] == FIXED)
			break;
		rc = move(c, last - 1, gap, bytes, err);
		c->owners[gap] = c->owners[last - 1];
		c->owners[last - 1] = FREE;
	}
	*end = last;
	free(bytes);
	return rc;
}

/* Room for so many sectors, in a gap below sector `below`. */
static bool take_room(struct compact *c, uint64_t sectors, uint64_t below, uint64_t *out)
{
	while (c->room_end - c->room < sectors) {
		while (c->next < c->count && c->owners[c->next] != FREE)
			c->next++;
		c->room = place_sector(c, c->next);
		while (c->next < c->count && c->owners[c->next] == FREE)
			c->next++;
		c->room_end = place_sector(c, c->next);
		if (c->room == c->room_end)
			return false;
	}
	if (c->room + sectors > below)
		return false;
	*out = c->room;
	c->room += sectors;
	return true;
}

/* Moves the tables of one directory, the last ones first, as far as there is room; pending. */
static int move_tables(struct compact *c, uint64_t gd, bool *moved, struct tranship_error *err)
{
	struct vmdk_sparse *s = c->s;
	uint64_t gt = vmdk_gd_entries(&s->header), sectors = vmdk_gt_sectors(&s->header);
	uint64_t from, to;
	int rc = 0;

	while (gt-- > 0 && rc == 0) {
		rc = vmdk_sparse_tables(s, gd, gt, 1, &from, err);
		if (rc || from < s->header.overhead || !take_room(c, sectors, from, &to))
			continue;
		rc = vmdk_copy_sectors(s, from, to, sectors, err);
		if (rc == 0)
			rc = vmdk_put_table(s, gd, gt, to, err);
		if (rc == 0 && s->changed >= VMDK_CHANGES_MAX)
			rc = vmdk_sparse_apply(s, err);
		*moved = true;
	}
	return rc;
}

/* The same of the directory itself. */
static int move_directory(struct compact *c, uint64_t *gd, bool *moved, struct tranship_error *err)
{
	struct vmdk_sparse *s = c->s;
	uint64_t sectors = vmdk_gd_sectors(&s->header), to;
	int rc;

	if (*gd < s->header.overhead ||
	    !take_room(c,
		       div_up(sectors, vmdk_gt_sectors(&s->header)) * vmdk_gt_sectors(&s->header),
		       *gd, &to))
		return 0;
	rc = vmdk_copy_sectors(s, *gd, to, sectors, err);
	*gd = to;
	*moved = true;
	return rc ? rc : vmdk_put_header(s, err);
}

/* Tables and directories of a disk that grew stand among the grains. Applies. */
static int move_metadata(struct compact *c, bool *moved, struct tranship_error *err)
{
	struct vmdk_header *h = &c->s->header;
	bool redundant = vmdk_has_redundant(c->s);
	int rc = redundant ? move_tables(c, h->rgd_offset, moved, err) : 0;

	if (rc == 0)
		rc = move_tables(c, h->gd_offset, moved, err);
	if (rc == 0)
		rc = move_directory(c, &h->gd_offset, moved, err);
	if (rc == 0 && redundant)
		rc = move_directory(c, &h->rgd_offset, moved, err);
	return rc ? rc : vmdk_sparse_apply(c->s, err);
}

/* One round: grains, then what else is in the way of a cut; *again: that moved, too. */
static int compact_once(struct vmdk_sparse *s, bool *again, struct tranship_error *err)
{
	uint64_t sectors = div_up(tranship_file_size(s->file), VMDK_SECTOR), end = 0;
	struct compact c = { .s = s };
	int rc;

	*again = false;
	if (sectors <= s->header.overhead)
		return 0;
	c.count = div_up(sectors - s->header.overhead, s->header.grain_sectors);
	c.owners = calloc(c.count, sizeof(*c.owners));
	if (!c.owners)
		return error_nomem(err, c.count * sizeof(*c.owners));
	rc = survey(&c, err);
	if (rc == 0 && !c.damaged)
		rc = move_all(&c, &end, err);
	c.count = end; /* nothing moves behind it; what became free there is not used */
	if (rc == 0 && !c.damaged)
		rc = move_metadata(&c, again, err);
	free(c.owners);
	end = place_sector(&c, end) * VMDK_SECTOR;
	if (rc || c.damaged || end >= tranship_file_size(s->file))
		return rc;
	return modify_cut(s->file, end, err);
}

int vmdk_sparse_compact(struct vmdk_sparse *s, struct tranship_error *err)
{
	bool again = true;
	unsigned round;
	int rc = 0;

	if (s->by_redundant || s->by_copy > 0 || s->gd_unsound || s->rgd_unsound ||
	    s->grains >= FIXED - 1U)
		return 0;
	for (round = 0; round < ROUNDS_MAX && rc == 0 && again; round++)
		rc = compact_once(s, &again, err);
	return rc;
}
