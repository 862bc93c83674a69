// SPDX-License-Identifier: Apache-2.0
/*
 * Mending a sparse extent by what it has twice. What is read, the primary directory and its tables,
 * is right wherever it can be; the redundant copies are made to say the same. Only what the primary
 * ones cannot mean is taken from the copies: a directory that is lost, a table that is outside the
 * file, an entry that is. A table that has no place of its own gets one at the end of the file, so
 * nothing is ever written over what something else may use.
 */
#include "vmdk/vmdk_modify.h"

#include "base/bytes.h"
#include "base/error.h"
#include "core/check.h"

#include <stdlib.h>
#include <string.h>

struct mend {
	struct vmdk_sparse *s;
	bool redundant;
	struct bitmap sound; /* tables that stand where nothing else does */
	struct usage usage;  /* by sectors, of the file as it was */
	struct usage grains; /* of these, what grains use */
};

static uint64_t table_sectors(const struct vmdk_sparse *s)
{
	return vmdk_gt_sectors(&s->header);
}

static bool mark(struct mend *m, uint64_t sector, uint64_t sectors)
{
	return usage_mark(&m->usage, sector * VMDK_SECTOR, sectors * VMDK_SECTOR);
}

static bool mark_grain(struct mend *m, uint64_t index, uint64_t entry)
{
	uint64_t len = min_u64(m->s->grain_size, m->s->size - index * m->s->grain_size);

	usage_mark(&m->grains, entry * VMDK_SECTOR, len);
	return mark(m, entry, len / VMDK_SECTOR);
}

/* Whether a grain uses some of these sectors. */
static bool in_grain(const struct mend *m, uint64_t sector, uint64_t sectors)
{
	uint64_t end = min_u64(sector + sectors, m->grains.map.bits);

	return sector < end && bitmap_next(&m->grains.map, sector, true) < end;
}

/* A new table like the one at `from`; entry gt of the directory at `gd` names it. */
static int new_table(struct vmdk_sparse *s, uint64_t gd, uint64_t gt, uint64_t from,
		     struct tranship_error *err)
{
	uint64_t end = div_up(tranship_file_size(s->file), VMDK_SECTOR), first = s->header.overhead;
	uint64_t to = first +
		      (end > first ? div_up(end - first, table_sectors(s)) : 0) * table_sectors(s);
	int rc = vmdk_check_end(to + table_sectors(s), err);

	if (rc == 0)
		rc = file_resize(s->file, (to + table_sectors(s)) * VMDK_SECTOR, err);
	if (rc == 0)
		rc = vmdk_copy_sectors(s, from, to, table_sectors(s), err);
	return rc ? rc : vmdk_put_table(s, gd, gt, to, err);
}

/* The table of which entry gt of a new directory names a copy, 0: none; or that it names itself. */
static int source_table(struct vmdk_sparse *s, bool redundant, uint64_t gt, uint64_t *from,
			uint64_t *itself, struct tranship_error *err)
{
	uint64_t own, table, copy = 0;
	int rc = vmdk_sparse_tables(s, s->header.gd_offset, gt, 1, &own, err);

	*from = *itself = 0;
	if (rc == 0)
		rc = vmdk_sparse_table(s, gt, &table, err);
	if (rc == 0 && s->copies)
		rc = vmdk_sparse_tables(s, s->header.rgd_offset, gt, 1, &copy, err);
	if (rc)
		return rc;
	/* A table that the entry names already stays where it is. */
	if (redundant || s->by_redundant || own != table) {
		if (redundant && copy != table && vmdk_gde_fits(s, copy))
			*from = copy;
		else if (vmdk_gde_fits(s, table))
			*from = table;
	}
	if (*from == 0) /* and what cannot be mended as it is */
		*itself = table;
	return 0;
}

/*
 * A directory that is lost, or that is not written into: another one at the end of the file, with
 * tables of its own. Where the old one was, and what stands there, stays as it is.
 */
static int new_directory(struct vmdk_sparse *s, bool redundant, struct tranship_error *err)
{
	uint64_t tables = vmdk_gd_entries(&s->header), gt, sectors = table_sectors(s);
	uint64_t gd = vmdk_sparse_end(s), from, itself;
	uint64_t start = gd + div_up(vmdk_gd_sectors(&s->header), sectors) * sectors;
	uint64_t end = start + tables * sectors;
	unsigned char raw[4];
	int rc = vmdk_check_end(end, err);

	if (rc == 0)
		rc = file_resize(s->file, end * VMDK_SECTOR, err);
	for (gt = 0; gt < tables && rc == 0; gt++) {
		rc = source_table(s, redundant, gt, &from, &itself, err);
		if (rc == 0 && from) {
			itself = start + gt * sectors;
			rc = vmdk_copy_sectors(s, from, itself, sectors, err);
		}
		put_le32(raw, (uint32_t)itself);
		if (rc == 0)
			rc = modify_free(s->file, gd * VMDK_SECTOR + 4 * gt, raw, sizeof(raw), err);
	}
	if (rc)
		return rc;
	*(redundant ? &s->header.rgd_offset : &s->header.gd_offset) = gd;
	rc = vmdk_put_header(s, err);
	if (rc == 0)
		rc = vmdk_sparse_apply(s, err);
	table_cache_forget(s->cache, 0, UINT64_MAX);
	return rc;
}

/* Calls fn for each table that the directory names. */
static int each_table(struct mend *m,
		      int (*fn)(struct mend *m, uint64_t gt, const struct vmdk_table *t,
				struct tranship_error *err),
		      struct tranship_error *err)
{
	struct vmdk_sparse *s = m->s;
	uint64_t tables = vmdk_gd_entries(&s->header), gt;
	int rc = 0;

	for (gt = 0; gt < tables && rc == 0; gt++) {
		struct vmdk_table t = { 0 };

		rc = vmdk_sparse_table(s, gt, &t.table, err);
		if (rc == 0 && m->redundant)
			rc = vmdk_sparse_tables(s, s->header.rgd_offset, gt, 1, &t.copy, err);
		if (rc == 0 && t.table)
			rc = fn(m, gt, &t, err);
		if (rc == 0 && s->changed >= VMDK_CHANGES_MAX)
			rc = vmdk_sparse_apply(s, err);
	}
	return rc;
}

static int mark_table(struct mend *m, uint64_t gt, const struct vmdk_table *t,
		      struct tranship_error *err)
{
	(void)err;
	if (vmdk_gde_fits(m->s, t->table) && mark(m, t->table, table_sectors(m->s)))
		bitmap_set(&m->sound, gt, 1);
	return 0;
}

/* How many entries of table gt, from `at` on, are looked at; 0: it ends there. */
static size_t entries_at(const struct vmdk_sparse *s, uint64_t gt, uint64_t at)
{
	uint64_t first = gt * s->header.gtes_per_gt;
	uint64_t count = min_u64(s->header.gtes_per_gt, s->grains - first);

	return at < count ? (size_t)min_u64(count - at, VMDK_ENTRIES_AT_ONCE) : 0;
}

static int mark_grains(struct mend *m, uint64_t gt, const struct vmdk_table *t,
		       struct tranship_error *err)
{
	struct vmdk_sparse *s = m->s;
	uint64_t entries[VMDK_ENTRIES_AT_ONCE], at = 0;
	size_t n, i;
	int rc = 0;

	if (!bitmap_get(&m->sound, gt))
		return 0;
	for (; rc == 0 && (n = entries_at(s, gt, at)) > 0; at += n) {
		rc = vmdk_sparse_table_entries(s, t->table, at, n, entries, err);
		for (i = 0; rc == 0 && i < n; i++) {
			uint64_t index = gt * s->header.gtes_per_gt + at + i;

			if (entries[i] > VMDK_GTE_ZERO && vmdk_gte_fits(s, index, entries[i]))
				mark_grain(m, index, entries[i]);
		}
	}
	return rc;
}

/* Makes one entry and its copy the same, if one of them can be. */
static int mend_entry(struct mend *m, uint64_t gt, const struct vmdk_table *t, uint64_t at,
		      uint64_t entry, uint64_t other, struct tranship_error *err)
{
	uint64_t index = gt * m->s->header.gtes_per_gt + at;

	if (!vmdk_gte_fits(m->s, index, entry)) {
		if (!vmdk_gte_fits(m->s, index, other) ||
		    (other > VMDK_GTE_ZERO && !mark_grain(m, index, other)))
			return 0;
		entry = other;
	} else if (entry <= VMDK_GTE_ZERO && other > VMDK_GTE_ZERO &&
		   vmdk_gte_fits(m->s, index, other)) {
		return 0; /* which of them is right nobody knows; a grain is never dropped */
	}
	return vmdk_set_entries(m->s, t, at, 1, (uint32_t)entry, 0, err);
}

/* Whether the primary table names nothing, while its copy names grains and all of them can be:
 * in the file, and where nothing else is. Marks these. */
static int is_wiped(struct mend *m, uint64_t gt, const struct vmdk_table *t, bool *out,
		    struct tranship_error *err)
{
	struct vmdk_sparse *s = m->s;
	uint64_t entries[VMDK_ENTRIES_AT_ONCE], others[VMDK_ENTRIES_AT_ONCE], at, grains = 0;
	uint64_t first = gt * s->header.gtes_per_gt;
	unsigned round;
	size_t n, i;

	*out = false;
	for (round = 0; round == 0 || (round == 1 && grains > 0); round++)
		for (at = 0; (n = entries_at(s, gt, at)) > 0; at += n) {
			int rc = vmdk_sparse_table_entries(s, t->table, at, n, entries, err);

			if (rc == 0)
				rc = vmdk_sparse_table_entries(s, t->copy, at, n, others, err);
			if (rc)
				return rc;
			for (i = 0; i < n; i++) {
				uint64_t index = first + at + i;

				if ((entries[i] && vmdk_gte_fits(s, index, entries[i])) ||
				    !vmdk_gte_fits(s, index, others[i]))
					return 0;
				grains += others[i] > VMDK_GTE_ZERO;
				if (round == 1 && others[i] > VMDK_GTE_ZERO &&
				    !mark_grain(m, index, others[i]))
					return 0;
			}
		}
	*out = grains > 0;
	return 0;
}

/* Puts back what a wiped table said. */
static int restore_table(struct vmdk_sparse *s, uint64_t gt, const struct vmdk_table *t,
			 struct tranship_error *err)
{
	struct vmdk_table only = { .table = t->table };
	uint64_t others[VMDK_ENTRIES_AT_ONCE], at = 0;
	size_t n, i;
	int rc = 0;

	for (; rc == 0 && (n = entries_at(s, gt, at)) > 0; at += n) {
		rc = vmdk_sparse_table_entries(s, t->copy, at, n, others, err);
		for (i = 0; rc == 0 && i < n; i++)
			rc = vmdk_set_entries(s, &only, at + i, 1, (uint32_t)others[i], 0, err);
	}
	return rc;
}

static int mend_entries(struct mend *m, uint64_t gt, const struct vmdk_table *t,
			struct tranship_error *err)
{
	struct vmdk_sparse *s = m->s;
	uint64_t entries[VMDK_ENTRIES_AT_ONCE], others[VMDK_ENTRIES_AT_ONCE], at = 0;
	size_t n, i;
	int rc = 0;

	for (; rc == 0 && (n = entries_at(s, gt, at)) > 0; at += n) {
		rc = vmdk_sparse_table_entries(s, t->table, at, n, entries, err);
		if (rc == 0)
			rc = vmdk_sparse_table_entries(s, t->copy, at, n, others, err);
		for (i = 0; rc == 0 && i < n; i++)
			if (entries[i] != others[i])
				rc = mend_entry(m, gt, t, at + i, entries[i], others[i], err);
	}
	return rc;
}

static int mend_table(struct mend *m, uint64_t gt, const struct vmdk_table *t,
		      struct tranship_error *err)
{
	struct vmdk_sparse *s = m->s;
	bool sound = bitmap_get(&m->sound, gt), wiped;
	bool copied = vmdk_gde_fits(s, t->copy) && mark(m, t->copy, table_sectors(s));
	int rc;

	if (sound && in_grain(m, t->table, table_sectors(s)))
		return 0; /* a table, or a guest's data: left alone */
	if (t->table == t->copy)
		return sound ? new_table(s, s->header.gd_offset, gt, t->copy, err) : 0;
	if (sound && copied) {
		rc = is_wiped(m, gt, t, &wiped, err);
		if (rc)
			return rc;
		return wiped ? restore_table(s, gt, t, err) : mend_entries(m, gt, t, err);
	}
	if (sound)
		return new_table(s, s->header.rgd_offset, gt, t->table, err);
	return copied ? new_table(s, s->header.gd_offset, gt, t->copy, err) : 0;
}

/* Marks what the file has once, and all that the directory names. */
static int survey(struct mend *m, struct tranship_error *err)
{
	const struct vmdk_header *h = &m->s->header;
	uint64_t size = tranship_file_size(m->s->file);
	int rc = bitmap_init(&m->sound, vmdk_gd_entries(h), err);

	if (rc == 0)
		rc = usage_init(&m->usage, size, VMDK_SECTOR, 0, err);
	if (rc == 0)
		rc = usage_init(&m->grains, size, VMDK_SECTOR, 0, err);
	if (rc)
		return rc;
	mark(m, 0, 1);
	mark(m, h->descriptor_offset, h->descriptor_sectors);
	mark(m, h->gd_offset, vmdk_gd_sectors(h));
	if (m->redundant)
		mark(m, h->rgd_offset, vmdk_gd_sectors(h));
	rc = each_table(m, mark_table, err);
	return rc ? rc : each_table(m, mark_grains, err);
}

static void mend_free(struct mend *m)
{
	bitmap_free(&m->sound);
	usage_free(&m->usage);
	usage_free(&m->grains);
	*m = (struct mend){ .s = m->s };
}

/* A directory that cannot be written into, or stands where a grain is, gets another place. */
static int mend_directories(struct vmdk_sparse *s, struct tranship_error *err)
{
	uint64_t sectors = vmdk_gd_sectors(&s->header);
	struct mend m = { .s = s, .redundant = s->copies };
	bool own = s->by_redundant || (s->gd_unsound && s->copies);
	bool copy = s->rgd_unsound || (!s->by_redundant && !vmdk_has_redundant(s));
	int rc;

	if (s->gd_unsound && !s->copies)
		return 0; /* neither can be trusted, and nothing is written on their word */
	rc = survey(&m, err);
	if (rc == 0) {
		own |= in_grain(&m, s->header.gd_offset, sectors);
		copy |= m.redundant && in_grain(&m, s->header.rgd_offset, sectors);
	}
	mend_free(&m);
	if (rc == 0 && own) {
		rc = new_directory(s, false, err);
		if (rc == 0) {
			s->by_redundant = s->gd_unsound = false;
			s->by_copy = 0;
			s->copies = vmdk_has_redundant(s);
		}
	}
	if (rc || !copy)
		return rc;
	rc = new_directory(s, true, err);
	if (rc == 0) {
		s->rgd_unsound = false;
		s->copies = true;
	}
	return rc;
}

static int mend_tables(struct vmdk_sparse *s, struct tranship_error *err)
{
	struct mend m = { .s = s, .redundant = vmdk_has_redundant(s) };
	int rc = m.redundant ? survey(&m, err) : 0;

	if (rc == 0 && m.redundant)
		rc = each_table(&m, mend_table, err);
	mend_free(&m);
	return rc;
}

int vmdk_sparse_mend(struct vmdk_sparse *s, struct tranship_error *err)
{
	int rc = s->unread ? vmdk_check_directory(s, err) : 0;

	if (rc == 0 && vmdk_wants_redundant(s))
		rc = mend_directories(s, err);
	if (rc == 0 && vmdk_wants_redundant(s) && !s->gd_unsound && !s->rgd_unsound)
		rc = mend_tables(s, err);
	if (rc == 0)
		s->by_copy = 0;
	if (rc == 0 && s->header.unclean) {
		s->header.unclean = false;
		rc = vmdk_put_header(s, err);
	}
	return rc ? rc : vmdk_sparse_apply(s, err);
}
