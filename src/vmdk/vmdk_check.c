// SPDX-License-Identifier: Apache-2.0
/*
 * Checking sparse extents: every directory and table entry, both copies of the tables against each
 * other, grains that overlap, and space that nothing uses. Usage is kept in one bit for each grain
 * of the file where all grains are aligned to grains, as every known writer does, else for each
 * stretch that they are aligned to, down to a sector. A table that is a hole of the file has no
 * grains and is not read: a disk of 62 TiB has 8 GiB of tables.
 */
#include "vmdk/vmdk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "core/check.h"
#include "vmdk/vmdk_user.h"

#include <inttypes.h>
#include <string.h>

#define ENTRIES_AT_ONCE 512U

struct sparse_check {
	struct vmdk_sparse *s;
	struct check *check;
	bool redundant;      /* there are copies to compare with */
	struct bitmap sound; /* tables that stand where nothing else does */
	struct usage tables; /* of what stands before the grains, by sectors */
	struct usage usage;  /* of the rest, or of all */
	uint64_t end;        /* behind the last thing that is used */
	uint64_t searched;   /* entries that were looked at for who else uses a place */
};

static bool is_packed(const struct vmdk_sparse *s)
{
	return s->header.flags & VMDK_FLAG_COMPRESSED;
}

/* A table that lies inside the file. */
static bool table_is_hole(const struct vmdk_sparse *s, uint64_t sector)
{
	return table_cache_is_hole(s->cache, sector * VMDK_SECTOR, vmdk_table_size(s));
}

/* As usage_mark, on both maps. */
static bool mark(struct sparse_check *c, uint64_t off, uint64_t len)
{
	uint64_t border = c->tables.size;
	bool unused = off >= border || usage_mark(&c->tables, off, min_u64(len, border - off));

	return usage_mark(&c->usage, off, len) && unused;
}

/* Marks part of the metadata; false if it overlaps something. */
static bool mark_metadata(struct sparse_check *c, const char *what, uint64_t sector,
			  uint64_t sectors)
{
	uint64_t off = sector * VMDK_SECTOR, len = sectors * VMDK_SECTOR;
	bool unused = mark(c, off, len);

	if (!unused)
		check_error(c->check, "vmdk: the %s at sector %" PRIu64 " overlaps something else",
			    what, sector);
	c->end = max_u64(c->end, off + len);
	return unused;
}

/* A packed grain must begin with its own marker; its length says how much of the file it uses. */
static int packed_len(struct sparse_check *c, uint64_t index, uint64_t entry, uint64_t *len,
		      struct tranship_error *err)
{
	unsigned char raw[VMDK_GRAIN_MARKER_SIZE];
	size_t head = vmdk_grain_head(c->s);
	uint64_t lba = index * c->s->header.grain_sectors;
	int rc = tranship_file_read(c->s->file, entry * VMDK_SECTOR, raw, head, err);

	if (rc)
		return rc;
	*len = head + get_le32(raw + head - 4);
	if (head == VMDK_GRAIN_MARKER_SIZE && get_le64(raw) != lba)
		check_error(c->check,
			    "vmdk: the grain at sector %" PRIu64 " has the marker of LBA %" PRIu64
			    ", not %" PRIu64,
			    entry, get_le64(raw), lba);
	if (*len > vmdk_grain_stored_max(c->s)) {
		check_error(c->check,
			    "vmdk: the grain at LBA %" PRIu64 " claims %" PRIu64
			    " bytes, more than deflate makes",
			    lba, *len);
		*len = head;
	}
	return 0;
}

static int check_grain(struct sparse_check *c, uint64_t index, uint64_t entry,
		       struct tranship_error *err)
{
	struct vmdk_sparse *s = c->s;
	uint64_t off = entry * VMDK_SECTOR, size = tranship_file_size(s->file);
	uint64_t len = is_packed(s) ? vmdk_grain_head(s)
				    : min_u64(s->grain_size, s->size - index * s->grain_size);
	int rc;

	if (!range_ok(off, len, size)) {
		check_error(c->check,
			    "vmdk: grain table %" PRIu64 " entry %" PRIu64
			    " points at sector %" PRIu64
			    ", past the end of the file (sector %" PRIu64 ")",
			    index / s->header.gtes_per_gt, index % s->header.gtes_per_gt, entry,
			    size / VMDK_SECTOR);
		return 0;
	}
	if (is_packed(s)) {
		rc = packed_len(c, index, entry, &len, err);
		if (rc)
			return rc;
		if (!range_ok(off, len, size)) {
			check_error(c->check,
				    "vmdk: the packed grain at sector %" PRIu64
				    " passes the end of the file",
				    entry);
			len = size - off;
		}
	}
	if (is_packed(s))
		len = round_up(len, VMDK_SECTOR);
	check_unit(c->check, off, len, is_packed(s));
	if (!mark(c, off, len) && round_up(off + len, VMDK_SECTOR) <= round_up(size, VMDK_SECTOR)) {
		struct vmdk_user user = { .index = index, .off = off, .len = len };

		vmdk_find_user(s, &c->searched, &user);
		check_error(c->check,
			    "vmdk: grain table %" PRIu64 " entry %" PRIu64
			    " points at sector %" PRIu64 ", which %s uses, too",
			    index / s->header.gtes_per_gt, index % s->header.gtes_per_gt, entry,
			    user.name);
	}
	c->end = max_u64(c->end, off + len);
	return 0;
}

/* Whether a table is read at the place that only the copy of the directory names. */
static bool is_by_copy(const struct sparse_check *c, uint64_t table, uint64_t copy)
{
	return c->s->by_copy > 0 && !vmdk_gde_fits(c->s, table) && vmdk_gde_fits(c->s, copy);
}

/* `table` and `copy` are what the directories say of table `gt`. */
static int mark_table(struct sparse_check *c, uint64_t gt, uint64_t table, uint64_t copy,
		      struct tranship_error *err)
{
	uint64_t sectors = div_up(vmdk_table_size(c->s), VMDK_SECTOR);

	(void)err;
	if (is_by_copy(c, table, copy)) {
		check_error(c->check,
			    "vmdk: grain directory[%" PRIu64 "] is %" PRIu64
			    ", where no table can be; its redundant copy says %" PRIu64
			    " and is used",
			    gt, table, copy);
		if (mark_metadata(c, "redundant grain table", copy, sectors))
			bitmap_set(&c->sound, gt, 1);
		return 0;
	}
	if (table == 0)
		return 0;
	if (!vmdk_table_fits(c->s, table)) {
		check_error(c->check,
			    "vmdk: grain directory[%" PRIu64 "] points at sector %" PRIu64
			    ", past the end of the file (sector %" PRIu64 ")",
			    gt, table, tranship_file_size(c->s->file) / VMDK_SECTOR);
		return 0;
	}
	/* What stands in a table that another entry named is counted there. */
	if (!mark_metadata(c, "grain table", table, sectors))
		return 0;
	bitmap_set(&c->sound, gt, 1);
	if (c->redundant && copy && vmdk_table_fits(c->s, copy))
		mark_metadata(c, "redundant grain table", copy, sectors);
	else if (c->redundant)
		check_error(c->check,
			    "vmdk: redundant grain directory[%" PRIu64 "] points at sector %" PRIu64
			    ", where no table is",
			    gt, copy);
	return 0;
}

/* A grain that only the copy names is no leak: which of the two is right nobody knows. */
static void keep_copy(struct sparse_check *c, uint64_t index, uint64_t entry, uint64_t other)
{
	struct vmdk_sparse *s = c->s;
	uint64_t len = min_u64(s->grain_size, s->size - index * s->grain_size);

	if (other > VMDK_GTE_ZERO && vmdk_gte_fits(s, index, other) &&
	    (entry <= VMDK_GTE_ZERO || !vmdk_gte_fits(s, index, entry))) {
		mark(c, other * VMDK_SECTOR, len);
		c->end = max_u64(c->end, other * VMDK_SECTOR + len);
	}
}

/* The copy must say the same. */
static int compare_redundant(struct sparse_check *c, uint64_t gt, uint64_t copy,
			     const uint64_t *entries, size_t count, uint64_t from,
			     struct tranship_error *err)
{
	uint64_t others[ENTRIES_AT_ONCE];
	size_t i;
	int rc = vmdk_sparse_table_entries(c->s, copy, from, count, others, err);

	if (rc || memcmp(entries, others, count * sizeof(*entries)) == 0)
		return rc;
	for (i = 0; i < count; i++)
		if (others[i] != entries[i]) {
			check_error(c->check,
				    "vmdk: grain table %" PRIu64 " entry %" PRIu64 " is %" PRIu64
				    ", its redundant copy says %" PRIu64,
				    gt, from + i, entries[i], others[i]);
			keep_copy(c, gt * c->s->header.gtes_per_gt + from + i, entries[i],
				  others[i]);
		}
	return 0;
}

/* The entries of a table that was marked, and its copy's. */
static int check_entries(struct sparse_check *c, uint64_t gt, uint64_t table, uint64_t copy,
			 struct tranship_error *err)
{
	struct vmdk_sparse *s = c->s;
	uint64_t first = gt * s->header.gtes_per_gt;
	uint64_t count = min_u64(s->header.gtes_per_gt, s->grains - first), at;
	uint64_t entries[ENTRIES_AT_ONCE];
	bool copied = copy && vmdk_table_fits(s, copy);
	int rc = 0;

	if (is_by_copy(c, table, copy)) {
		table = copy;
		copied = false;
	}
	if (!bitmap_get(&c->sound, gt) ||
	    (table_is_hole(s, table) && (!copied || table_is_hole(s, copy))))
		return 0;
	for (at = 0; at < count && rc == 0; at += ENTRIES_AT_ONCE) {
		size_t n = (size_t)min_u64(count - at, ENTRIES_AT_ONCE), i;

		rc = vmdk_sparse_table_entries(s, table, at, n, entries, err);
		for (i = 0; i < n && rc == 0; i++)
			if (entries[i] > VMDK_GTE_ZERO)
				rc = check_grain(c, first + at + i, entries[i], err);
		if (rc == 0 && copied)
			rc = compare_redundant(c, gt, copy, entries, n, at, err);
	}
	return rc;
}

/* Calls fn for each table, with what the directories say of it (no redundant one: 0). */
static int each_table(struct sparse_check *c,
		      int (*fn)(struct sparse_check *c, uint64_t gt, uint64_t table, uint64_t copy,
				struct tranship_error *err),
		      struct tranship_error *err)
{
	const struct vmdk_header *h = &c->s->header;
	uint64_t tables = vmdk_gd_entries(h), at;
	uint64_t places[ENTRIES_AT_ONCE], copies[ENTRIES_AT_ONCE] = { 0 };
	int rc = 0;

	for (at = 0; at < tables && rc == 0; at += ENTRIES_AT_ONCE) {
		size_t n = (size_t)min_u64(tables - at, ENTRIES_AT_ONCE), i;

		rc = vmdk_sparse_tables(c->s, h->gd_offset, at, n, places, err);
		if (rc == 0 && c->redundant)
			rc = vmdk_sparse_tables(c->s, h->rgd_offset, at, n, copies, err);
		for (i = 0; i < n && rc == 0; i++)
			rc = fn(c, at + i, places[i], copies[i], err);
	}
	return rc;
}

/* Or-s the distances of a table's grains from the first place for one into *places: they are all
 * aligned as this is. */
static int or_grains(struct vmdk_sparse *s, uint64_t gt, uint64_t table, uint64_t *places)
{
	uint64_t first = gt * s->header.gtes_per_gt, at;
	uint64_t count = min_u64(s->header.gtes_per_gt, s->grains - first);
	uint64_t entries[ENTRIES_AT_ONCE];

	if (table_is_hole(s, table))
		return 0;
	for (at = 0; at < count; at += ENTRIES_AT_ONCE) {
		size_t n = (size_t)min_u64(count - at, ENTRIES_AT_ONCE), i;
		int rc = vmdk_sparse_table_entries(s, table, at, n, entries, NULL);

		if (rc)
			return rc;
		for (i = 0; i < n; i++)
			if (entries[i] > VMDK_GTE_ZERO)
				*places |= entries[i] - s->header.overhead;
	}
	return 0;
}

/* The same of the tables behind the overhead that a directory names; *behind: there are some. */
static int or_tables(struct vmdk_sparse *s, uint64_t directory, uint64_t *places, bool *behind)
{
	uint64_t tables = vmdk_gd_entries(&s->header), at;
	uint64_t sectors[ENTRIES_AT_ONCE];

	if (directory >= s->header.overhead)
		*places |= directory - s->header.overhead;
	for (at = 0; at < tables; at += ENTRIES_AT_ONCE) {
		size_t n = (size_t)min_u64(tables - at, ENTRIES_AT_ONCE), i;
		int rc = vmdk_sparse_tables(s, directory, at, n, sectors, NULL);

		if (rc)
			return rc;
		for (i = 0; i < n; i++)
			if (sectors[i] >= s->header.overhead) {
				*places |= sectors[i] - s->header.overhead;
				*behind = true;
			}
	}
	return 0;
}

/* Or-s the places of all grains. `seen` marks what tables were looked at: several entries may name
 * one. */
static int or_all_grains(struct vmdk_sparse *s, struct usage *seen, uint64_t *places)
{
	uint64_t tables = vmdk_gd_entries(&s->header), at;
	uint64_t gd[ENTRIES_AT_ONCE];
	int rc = 0;

	for (at = 0; at < tables && rc == 0 && !(*places & 1); at += ENTRIES_AT_ONCE) {
		size_t n = (size_t)min_u64(tables - at, ENTRIES_AT_ONCE), i;

		rc = vmdk_sparse_tables(s, s->header.gd_offset, at, n, gd, NULL);
		for (i = 0; i < n && rc == 0 && !(*places & 1); i++)
			if (gd[i] && usage_mark(seen, gd[i] * VMDK_SECTOR, vmdk_table_size(s)))
				rc = or_grains(s, at + i, gd[i], places);
	}
	return rc;
}

/*
 * How many sectors, a power of two and a grain at most, all that stands behind the overhead is
 * aligned to from there on: grains, and tables of a disk that grew; *out 1 where something cannot
 * be read, which the check finds again.
 */
static int alignment(struct vmdk_sparse *s, uint64_t *out, struct tranship_error *err)
{
	uint64_t size = tranship_file_size(s->file), places = s->header.grain_sectors;
	struct usage seen;
	bool behind = false;
	int rc;

	*out = 1;
	if (or_tables(s, s->header.gd_offset, &places, &behind) ||
	    (vmdk_has_redundant(s) && or_tables(s, s->header.rgd_offset, &places, &behind)))
		return 0;
	if (!behind)
		size = min_u64(size, s->header.overhead * VMDK_SECTOR);
	rc = usage_init(&seen, size, VMDK_SECTOR, 0, err);
	if (rc == 0 && or_all_grains(s, &seen, &places) == 0)
		*out = places & -places;
	usage_free(&seen);
	return rc;
}

/* Prepares the maps: one bit a stretch that all grains are aligned to. */
static int usage_prepare(struct sparse_check *c, struct tranship_error *err)
{
	const struct vmdk_header *h = &c->s->header;
	uint64_t size = tranship_file_size(c->s->file), sectors = 1, before = 0;
	int rc = 0;

	if (!is_packed(c->s) && h->overhead <= UINT32_MAX)
		rc = alignment(c->s, &sectors, err);
	if (rc)
		return rc;
	if (sectors > 1)
		before = h->overhead * VMDK_SECTOR;
	rc = bitmap_init(&c->sound, vmdk_gd_entries(h), err);
	if (rc == 0)
		rc = usage_init(&c->usage, size, sectors * VMDK_SECTOR, before, err);
	return rc ? rc : usage_init(&c->tables, min_u64(size, before), VMDK_SECTOR, 0, err);
}

/* A COWD extent grows in large steps; what lies behind its next free sector is not lost. */
static void mark_free(struct sparse_check *c)
{
	uint64_t size = tranship_file_size(c->s->file), from = c->s->free_sector * VMDK_SECTOR;

	if (from < c->end)
		check_error(c->check,
			    "vmdk: the next free sector is %" PRIu64
			    ", but there are grains up to sector %" PRIu64,
			    c->s->free_sector, div_up(c->end, VMDK_SECTOR));
	else if (from < size)
		usage_mark(&c->usage, from, size - from);
}

static int check_sparse(struct vmdk_sparse *s, struct check *check, struct tranship_error *err)
{
	struct sparse_check c = { .s = s, .check = check, .redundant = vmdk_has_redundant(s) };
	int rc;

	check->result.total += s->grains;
	rc = usage_prepare(&c, err);
	if (rc)
		goto out;
	if (s->by_redundant)
		check_error(check, "vmdk: the grain directory is lost, its redundant copy is used");
	mark_metadata(&c, "header", 0, vmdk_header_sectors(s));
	mark_metadata(&c, "grain directory", s->header.gd_offset,
		      div_up(vmdk_directory_size(s), VMDK_SECTOR));
	if (c.redundant)
		mark_metadata(&c, "redundant grain directory", s->header.rgd_offset,
			      vmdk_gd_sectors(&s->header));
	else if (vmdk_wants_redundant(s) && !s->by_redundant)
		check_error(check,
			    "vmdk: the redundant grain directory at sector %" PRIu64
			    " overlaps something else or passes the end of the file",
			    s->header.rgd_offset);
	/* Tables first, so that a grain in the place of one is the grain's fault. */
	rc = each_table(&c, mark_table, err);
	if (rc == 0)
		rc = each_table(&c, check_entries, err);
	if (rc == 0 && s->kind == VMDK_COWD)
		mark_free(&c);
	/* Grains that nothing uses are in an seSparse extent's bitmap, for later use. */
	if (rc == 0 && !is_packed(s) && s->kind != VMDK_SESPARSE &&
	    s->header.overhead <= UINT32_MAX)
		usage_report_leaks(&c.usage, s->header.overhead * VMDK_SECTOR, s->grain_size,
				   "vmdk", check);
	check->result.image_end = max_u64(check->result.image_end, c.end);
out:
	bitmap_free(&c.sound);
	usage_free(&c.tables);
	usage_free(&c.usage);
	return rc;
}

int vmdk_check(struct tranship_disk *disk, struct check *check, struct tranship_error *err)
{
	struct vmdk_disk *vmdk = vmdk_of(disk);
	size_t i;
	int rc = 0;

	for (i = 0; i < vmdk->extent_count && rc == 0; i++)
		if (vmdk->extents[i].kind == VMDK_EXTENT_SPARSE && !vmdk->extents[i].no_access)
			rc = check_sparse(&vmdk->extents[i].sparse, check, err);
	return rc;
}
