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
};

static uint64_t table_sectors(const struct vmdk_sparse *s)
{
	return vmdk_gt_sectors(&s->header);
}

static bool mark(struct mend *m, uint64_t sector, uint64_t sectors)
{
	return usage_mark(&m->usage, sector * VMDK_SECTOR, sectors * VMDK_SECTOR);
}

/* Whether an entry can be one: absent, zeros, or a grain inside the file. */
static bool entry_ok(const struct vmdk_sparse *s, uint64_t index, uint64_t entry)
{
	uint64_t len = min_u64(s->grain_size, s->size - index * s->grain_size);

	return entry <= VMDK_GTE_ZERO ||
	       (entry >= s->header.overhead &&
		range_ok(entry * VMDK_SECTOR, len, tranship_file_size(s->file)));
}

static bool mark_grain(struct mend *m, uint64_t index, uint64_t entry)
{
	uint64_t len = min_u64(m->s->grain_size, m->s->size - index * m->s->grain_size);

	return mark(m, entry, len / VMDK_SECTOR);
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

/* The directory is lost: another one, with tables of its own, at the end of the file. */
static int new_directory(struct vmdk_sparse *s, struct tranship_error *err)
{
	uint64_t tables = vmdk_gd_entries(&s->header), gt, sector, gd = vmdk_sparse_end(s);
	uint64_t start =
		gd + div_up(vmdk_gd_sectors(&s->header), table_sectors(s)) * table_sectors(s);
	uint64_t end = start + tables * table_sectors(s);
	unsigned char raw[4];
	int rc = vmdk_check_end(end, err);

	if (rc == 0)
		rc = file_resize(s->file, end * VMDK_SECTOR, err);
	for (gt = 0; gt < tables && rc == 0; gt++) {
		uint64_t to = start + gt * table_sectors(s);

		rc = vmdk_sparse_table(s, gt, &sector, err);
		if (rc)
			break;
		if (sector && vmdk_table_fits(s, sector)) {
			rc = vmdk_copy_sectors(s, sector, to, table_sectors(s), err);
			sector = to;
		}
		put_le32(raw, (uint32_t)sector);
		if (rc == 0)
			rc = modify_free(s->file, gd * VMDK_SECTOR + 4 * gt, raw, sizeof(raw), err);
	}
	s->header.gd_offset = gd;
	if (rc == 0)
		rc = vmdk_put_header(s, err);
	if (rc == 0)
		rc = vmdk_sparse_apply(s, err);
	s->by_redundant = rc != 0;
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
	if (vmdk_table_fits(m->s, t->table) && mark(m, t->table, table_sectors(m->s)))
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

			if (entries[i] > VMDK_GTE_ZERO && entry_ok(s, index, entries[i]))
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

	if (!entry_ok(m->s, index, entry)) {
		if (!entry_ok(m->s, index, other) ||
		    (other > VMDK_GTE_ZERO && !mark_grain(m, index, other)))
			return 0;
		entry = other;
	}
	return vmdk_set_entries(m->s, t, at, 1, (uint32_t)entry, 0, err);
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
	bool sound = bitmap_get(&m->sound, gt);
	bool copied = t->copy && vmdk_table_fits(s, t->copy) && mark(m, t->copy, table_sectors(s));

	if (sound && copied)
		return mend_entries(m, gt, t, err);
	if (sound)
		return new_table(s, s->header.rgd_offset, gt, t->table, err);
	return copied ? new_table(s, s->header.gd_offset, gt, t->copy, err) : 0;
}

static int mend_tables(struct vmdk_sparse *s, struct tranship_error *err)
{
	const struct vmdk_header *h = &s->header;
	struct mend m = { .s = s, .redundant = true };
	int rc = bitmap_init(&m.sound, vmdk_gd_entries(h), err);

	if (rc == 0)
		rc = usage_init(&m.usage, tranship_file_size(s->file), VMDK_SECTOR, 0, err);
	if (rc)
		goto out;
	mark(&m, 0, 1);
	mark(&m, h->descriptor_offset, h->descriptor_sectors);
	mark(&m, h->gd_offset, vmdk_gd_sectors(h));
	mark(&m, h->rgd_offset, vmdk_gd_sectors(h));
	rc = each_table(&m, mark_table, err);
	if (rc == 0)
		rc = each_table(&m, mark_grains, err);
	if (rc == 0)
		rc = each_table(&m, mend_table, err);
out:
	bitmap_free(&m.sound);
	usage_free(&m.usage);
	return rc;
}

int vmdk_sparse_mend(struct vmdk_sparse *s, struct tranship_error *err)
{
	int rc = s->by_redundant ? new_directory(s, err) : 0;

	if (rc == 0 && vmdk_has_redundant(s))
		rc = mend_tables(s, err);
	if (rc == 0 && s->header.unclean) {
		s->header.unclean = false;
		rc = vmdk_put_header(s, err);
	}
	return rc ? rc : vmdk_sparse_apply(s, err);
}
