// SPDX-License-Identifier: Apache-2.0
/*
 * Another capacity for a sparse extent.
 *
 * A larger one needs more grain tables. They are put at the end of the file, all of them and their
 * copies, because not every program writes into a disk whose directory has an entry without a
 * table; they are holes. If the directory does not fit into its sectors any more a larger one, and
 * its copy, stand before them; where it was is a leak. So no grain moves; the header names the
 * directories, wherever they are, and its overhead stays what it is for every reader: where the
 * first grain can stand. What stands last are tables, which a repair can move into gaps one by one.
 *
 * A smaller one leaves the tables that are not needed any more, and their grains, to a repair. The
 * entries behind the new end are cleared: a capacity that grows again must find zeros there.
 */
#include "vmdk/vmdk_modify.h"

#include "base/bytes.h"
#include "base/error.h"

#include <inttypes.h>

/* Where new directories and tables begin, in sectors. */
struct growth {
	uint64_t from, to; /* the numbers of the new tables */
	uint64_t gd, rgd;
	uint64_t tables, copies;
	uint64_t end; /* of the file */
};

/* Takes so many sectors, rounded up to what tables are aligned to, from the end of the file. */
static uint64_t take(struct growth *g, uint64_t sectors, uint64_t gt)
{
	uint64_t at = g->end;

	g->end += div_up(sectors, gt) * gt;
	return at;
}

static struct growth plan(const struct vmdk_sparse *s, const struct vmdk_header *grown)
{
	struct growth g = { .from = vmdk_gd_entries(&s->header),
			    .to = vmdk_gd_entries(grown),
			    .gd = s->header.gd_offset,
			    .rgd = s->header.rgd_offset,
			    .end = vmdk_sparse_end(s) };
	uint64_t gt = vmdk_gt_sectors(grown), gd = vmdk_gd_sectors(grown);
	bool redundant = vmdk_has_redundant(s), moves = gd != vmdk_gd_sectors(&s->header);

	if (moves)
		g.gd = take(&g, gd, gt);
	if (moves && redundant)
		g.rgd = take(&g, gd, gt);
	g.tables = take(&g, (g.to - g.from) * gt, gt);
	if (redundant)
		g.copies = take(&g, (g.to - g.from) * gt, gt);
	return g;
}

/*
 * Writes entries of a directory from number `first` on, at sector `at`: those of the old one at
 * sector `old`, and those of the new tables, which follow each other from `tables` on. Nothing
 * refers to any of it before the header does.
 */
static int write_directory(struct vmdk_sparse *s, const struct growth *g, uint64_t old,
			   uint64_t tables, uint64_t at, struct tranship_error *err)
{
	uint64_t sectors[VMDK_ENTRIES_AT_ONCE], i = at == old ? g->from : 0;
	unsigned char raw[4 * VMDK_ENTRIES_AT_ONCE];
	int rc = 0;

	while (i < g->to && rc == 0) {
		size_t n = (size_t)min_u64(g->to - i, VMDK_ENTRIES_AT_ONCE), k;
		uint64_t off = at * VMDK_SECTOR + 4 * i;

		if (i < g->from) {
			n = (size_t)min_u64(n, g->from - i);
			rc = vmdk_sparse_tables(s, old, i, n, sectors, err);
			if (rc)
				break;
		}
		for (k = 0; k < n; k++)
			put_le32(raw + 4 * k,
				 (uint32_t)(i < g->from ? sectors[k]
							: tables + (i + k - g->from) *
									   vmdk_gt_sectors(
										   &s->header)));
		rc = modify_free(s->file, off, raw, 4 * n, err);
		i += n;
	}
	return rc;
}

/* What the last grain has behind the old end was never a part of the disk. */
static int clear_tail(struct vmdk_sparse *s, struct tranship_error *err)
{
	uint64_t within = s->size % s->grain_size, entry, off;
	int rc;

	if (within == 0)
		return 0;
	rc = vmdk_sparse_entries(s, s->grains - 1, 1, &entry, err);
	if (rc || entry <= VMDK_GTE_ZERO)
		return rc;
	off = entry * VMDK_SECTOR;
	if (off + s->grain_size > tranship_file_size(s->file))
		rc = file_resize(s->file, off + s->grain_size, err);
	return rc ? rc : vmdk_zero_bytes(s->file, off + within, s->grain_size - within, err);
}

static int grow(struct vmdk_sparse *s, struct vmdk_header *grown, struct tranship_error *err)
{
	struct growth g;
	int rc = clear_tail(s, err);

	if (rc)
		return rc;
	g = plan(s, grown);
	if (g.from == g.to)
		return 0;
	rc = vmdk_check_end(g.end, err);
	if (rc == 0)
		rc = write_directory(s, &g, s->header.gd_offset, g.tables, g.gd, err);
	if (rc == 0 && g.copies)
		rc = write_directory(s, &g, s->header.rgd_offset, g.copies, g.rgd, err);
	grown->gd_offset = g.gd;
	grown->rgd_offset = g.rgd;
	if (rc == 0 && tranship_file_size(s->file) < g.end * VMDK_SECTOR)
		rc = file_resize(s->file, g.end * VMDK_SECTOR, err);
	return rc;
}

/* Clears what the last table that stays has behind the new end. */
static int clear_entries(struct vmdk_sparse *s, const struct vmdk_header *shrunk,
			 struct tranship_error *err)
{
	uint64_t per_gt = s->header.gtes_per_gt;
	uint64_t grains = div_up(shrunk->capacity, shrunk->grain_sectors), at = grains % per_gt;
	struct vmdk_table t = { 0 };
	int rc;

	if (at == 0)
		return 0;
	rc = vmdk_sparse_table(s, grains / per_gt, &t.table, err);
	if (rc || t.table == 0)
		return rc;
	if (vmdk_has_redundant(s))
		rc = vmdk_sparse_tables(s, s->header.rgd_offset, grains / per_gt, 1, &t.copy, err);
	if (!vmdk_table_fits(s, t.copy))
		t.copy = 0;
	while (rc == 0 && at < per_gt) {
		size_t n = (size_t)min_u64(per_gt - at, VMDK_ENTRIES_AT_ONCE);

		rc = vmdk_set_entries(s, &t, at, n, VMDK_GTE_ABSENT, 0, err);
		at += n;
	}
	return rc;
}

static int shrink(struct vmdk_sparse *s, const struct vmdk_header *shrunk,
		  struct tranship_error *err)
{
	uint64_t from = 4 * vmdk_gd_entries(shrunk), len = 4 * vmdk_gd_entries(&s->header) - from;
	int rc = clear_entries(s, shrunk, err);

	if (rc == 0 && len > 0)
		rc = file_zero(s->file, s->header.gd_offset * VMDK_SECTOR + from, len, err);
	if (rc == 0 && len > 0 && vmdk_has_redundant(s))
		rc = file_zero(s->file, s->header.rgd_offset * VMDK_SECTOR + from, len, err);
	return rc;
}

int vmdk_sparse_resize(struct vmdk_sparse *s, uint64_t sectors, struct tranship_error *err)
{
	struct vmdk_header h = s->header;
	int rc = vmdk_check_directory(s, err);

	if (rc)
		return rc;
	h.capacity = sectors;
	if (vmdk_gd_entries(&h) > VMDK_GD_ENTRIES_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "vmdk: %" PRIu64 " sectors take a grain directory of %" PRIu64
				 " entries, more than %u",
				 sectors, vmdk_gd_entries(&h), VMDK_GD_ENTRIES_MAX);
	rc = sectors > s->header.capacity ? grow(s, &h, err) : shrink(s, &h, err);
	if (rc)
		return rc;
	s->header = h;
	s->size = h.capacity * VMDK_SECTOR;
	s->grains = div_up(h.capacity, h.grain_sectors);
	table_cache_forget(s->cache, 0, UINT64_MAX);
	return vmdk_put_header(s, err);
}

/* Clears the entries of one table that are not absent, in both copies. */
static int empty_table(struct vmdk_sparse *s, uint64_t gt, const struct vmdk_table *t,
		       struct tranship_error *err)
{
	uint64_t per_gt = s->header.gtes_per_gt, first = gt * per_gt;
	uint64_t count = min_u64(per_gt, s->grains - first), entries[VMDK_ENTRIES_AT_ONCE], at;
	int rc = 0;

	for (at = 0; at < count && rc == 0; at += VMDK_ENTRIES_AT_ONCE) {
		size_t n = (size_t)min_u64(count - at, VMDK_ENTRIES_AT_ONCE), i;

		rc = vmdk_sparse_entries(s, first + at, n, entries, err);
		for (i = 0; i < n && rc == 0 && entries[i] == VMDK_GTE_ABSENT;)
			i++;
		if (rc == 0 && i < n)
			rc = vmdk_set_entries(s, t, at, n, VMDK_GTE_ABSENT, 0, err);
	}
	return rc;
}

static int empty_tables(struct vmdk_sparse *s, uint64_t *end, struct tranship_error *err)
{
	uint64_t tables = vmdk_gd_entries(&s->header), gt;
	bool redundant = vmdk_has_redundant(s);
	int rc = 0;

	for (gt = 0; gt < tables && rc == 0; gt++) {
		struct vmdk_table t = { 0 };

		rc = vmdk_sparse_table(s, gt, &t.table, err);
		if (rc == 0 && redundant)
			rc = vmdk_sparse_tables(s, s->header.rgd_offset, gt, 1, &t.copy, err);
		if (rc || t.table == 0)
			continue;
		if (!vmdk_table_fits(s, t.copy))
			t.copy = 0;
		rc = empty_table(s, gt, &t, err);
		*end = max_u64(*end, max_u64(t.table, t.copy) + vmdk_gt_sectors(&s->header));
		if (rc == 0 && s->changed >= VMDK_CHANGES_MAX)
			rc = vmdk_sparse_apply(s, err);
	}
	return rc;
}

int vmdk_sparse_empty(struct vmdk_sparse *s, struct tranship_error *err)
{
	const struct vmdk_header *h = &s->header;
	uint64_t end = max_u64(h->overhead, h->gd_offset + vmdk_gd_sectors(h));
	int rc = vmdk_check_directory(s, err);

	if (vmdk_has_redundant(s))
		end = max_u64(end, h->rgd_offset + vmdk_gd_sectors(h));
	end = max_u64(end, h->descriptor_offset + h->descriptor_sectors);
	if (rc == 0)
		rc = empty_tables(s, &end, err);
	if (rc == 0)
		rc = vmdk_sparse_apply(s, err);
	if (rc == 0 && tranship_file_size(s->file) > end * VMDK_SECTOR)
		rc = modify_cut(s->file, end * VMDK_SECTOR, err);
	return rc;
}
