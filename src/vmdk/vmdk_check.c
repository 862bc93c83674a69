// SPDX-License-Identifier: Apache-2.0
/*
 * Checking sparse extents: every directory and table entry, both copies of the tables against each
 * other, grains that overlap, and space that nothing uses. Usage is kept in one bit for each grain
 * of the file where all grains are aligned alike, as every known writer does, else for each sector.
 */
#include "vmdk/vmdk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "core/check.h"

#include <inttypes.h>

struct sparse_check {
	struct vmdk_sparse *s;
	struct check *check;
	struct usage tables; /* of what stands before the grains, by sectors */
	struct usage usage;  /* of the rest, or of all */
	uint64_t end;        /* behind the last thing that is used */
};

static bool is_packed(const struct vmdk_sparse *s)
{
	return s->header.flags & VMDK_FLAG_COMPRESSED;
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
	if (!mark(c, off, len) && round_up(off + len, VMDK_SECTOR) <= round_up(size, VMDK_SECTOR))
		check_error(c->check,
			    "vmdk: grain table %" PRIu64 " entry %" PRIu64
			    " points at sector %" PRIu64 ", which something else uses, too",
			    index / s->header.gtes_per_gt, index % s->header.gtes_per_gt, entry);
	c->end = max_u64(c->end, off + len);
	return 0;
}

/* The redundant copy of table `gt` must say the same; it has its own directory entry. */
static int check_redundant(struct sparse_check *c, uint64_t gt, const uint64_t *entries,
			   size_t count, uint64_t from, struct tranship_error *err)
{
	struct vmdk_sparse *s = c->s;
	unsigned char raw[4 * 512];
	uint64_t at;
	size_t i;
	int rc = table_cache_read(s->cache, s->header.rgd_offset * VMDK_SECTOR + 4 * gt, raw, 4,
				  err);

	if (rc)
		return rc;
	at = (uint64_t)get_le32(raw) * VMDK_SECTOR;
	if (at == 0 ||
	    !range_ok(at, (uint64_t)s->header.gtes_per_gt * 4, tranship_file_size(s->file))) {
		if (from == 0)
			check_error(c->check,
				    "vmdk: redundant grain directory[%" PRIu64
				    "] points at sector %" PRIu64 ", where no table is",
				    gt, at / VMDK_SECTOR);
		return 0;
	}
	if (from == 0)
		mark_metadata(c, "redundant grain table", at / VMDK_SECTOR,
			      vmdk_gt_sectors(&s->header));
	rc = table_cache_read(s->cache, at + 4 * from, raw, 4 * count, err);
	for (i = 0; i < count && rc == 0; i++)
		if (get_le32(raw + 4 * i) != entries[i])
			check_error(c->check,
				    "vmdk: grain table %" PRIu64 " entry %" PRIu64 " is %" PRIu64
				    ", its redundant copy says %" PRIu32,
				    gt, from + i, entries[i], get_le32(raw + 4 * i));
	return rc;
}

static bool has_redundant(const struct vmdk_sparse *s)
{
	uint64_t off;

	return s->header.flags & VMDK_FLAG_REDUNDANT_GD && !is_packed(s) && !s->by_redundant &&
	       mul_ok(s->header.rgd_offset, VMDK_SECTOR, &off) &&
	       range_ok(off, vmdk_gd_entries(&s->header) * 4, tranship_file_size(s->file));
}

static int check_table(struct sparse_check *c, uint64_t gt, struct tranship_error *err)
{
	struct vmdk_sparse *s = c->s;
	uint64_t first = gt * s->header.gtes_per_gt;
	uint64_t count = min_u64(s->header.gtes_per_gt, s->grains - first), at;
	uint64_t entries[512];
	uint64_t table;
	int rc = vmdk_sparse_table(s, gt, &table, err);

	if (rc || table == 0)
		return rc;
	if (!range_ok(table * VMDK_SECTOR, vmdk_table_size(s), tranship_file_size(s->file))) {
		check_error(c->check,
			    "vmdk: grain directory[%" PRIu64 "] points at sector %" PRIu64
			    ", past the end of the file",
			    gt, table);
		return 0;
	}
	/* What stands in a table that another entry named is counted there. */
	if (!mark_metadata(c, "grain table", table, div_up(vmdk_table_size(s), VMDK_SECTOR)))
		return 0;
	for (at = 0; at < count && rc == 0; at += 512) {
		size_t n = (size_t)min_u64(count - at, 512), i;

		rc = vmdk_sparse_entries(s, first + at, n, entries, err);
		for (i = 0; i < n && rc == 0; i++)
			if (entries[i] > VMDK_GTE_ZERO)
				rc = check_grain(c, first + at + i, entries[i], err);
		if (rc == 0 && has_redundant(s))
			rc = check_redundant(c, gt, entries, n, at, err);
	}
	return rc;
}

/* Grains of a plain extent stand at multiples of the grain from here; tables and header stand
 * before it. */
static uint64_t grain_phase(const struct vmdk_sparse *s)
{
	uint64_t overhead = s->header.overhead;

	return overhead <= UINT32_MAX && overhead % s->header.grain_sectors == 0 ? s->grain_size
										 : VMDK_SECTOR;
}

/* Whether the grains of a table are aligned to grains. */
static bool table_aligned(struct vmdk_sparse *s, uint64_t gt)
{
	uint64_t grain = gt * s->header.gtes_per_gt;
	uint64_t end = min_u64(grain + s->header.gtes_per_gt, s->grains);
	uint64_t entries[512];

	while (grain < end) {
		size_t n = (size_t)min_u64(end - grain, 512), i;

		if (vmdk_sparse_entries(s, grain, n, entries, NULL))
			return false;
		for (i = 0; i < n; i++)
			if (entries[i] > VMDK_GTE_ZERO && entries[i] % s->header.grain_sectors)
				return false;
		grain += n;
	}
	return true;
}

/*
 * Whether every grain is aligned to grains, and every table stands before them, so that one bit a
 * grain tells the truth. A table that several entries name is looked at once; what cannot be read
 * is no obstacle to the check, which finds it again.
 */
static int all_aligned(struct vmdk_sparse *s, bool *out, struct tranship_error *err)
{
	uint64_t before = s->header.overhead * VMDK_SECTOR, gt, table = 0;
	struct usage seen;
	int rc = usage_init(&seen, min_u64(tranship_file_size(s->file), before), VMDK_SECTOR, 0,
			    err);

	*out = true;
	for (gt = 0; rc == 0 && *out && gt < vmdk_gd_entries(&s->header); gt++) {
		if (vmdk_sparse_table(s, gt, &table, NULL) || table >= s->header.overhead)
			*out = false;
		else if (table && usage_mark(&seen, table * VMDK_SECTOR, vmdk_table_size(s)))
			*out = table_aligned(s, gt);
	}
	usage_free(&seen);
	return rc;
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
	struct sparse_check c = { .s = s, .check = check };
	uint64_t size = tranship_file_size(s->file), unit = VMDK_SECTOR, before = 0, gt;
	bool by_grains = false;
	int rc = 0;

	check->result.total += s->grains;
	if (!is_packed(s) && grain_phase(s) == s->grain_size)
		rc = all_aligned(s, &by_grains, err);
	if (by_grains) {
		unit = s->grain_size;
		before = s->header.overhead * VMDK_SECTOR;
	}
	if (rc == 0)
		rc = usage_init(&c.usage, size, unit, before, err);
	if (rc == 0)
		rc = usage_init(&c.tables, min_u64(size, before), VMDK_SECTOR, 0, err);
	if (rc) {
		usage_free(&c.usage);
		return rc;
	}
	if (s->by_redundant)
		check_error(check, "vmdk: the grain directory is lost, its redundant copy is used");
	mark_metadata(&c, "header", 0, vmdk_header_sectors(s));
	mark_metadata(&c, "grain directory", s->header.gd_offset,
		      div_up(vmdk_directory_size(s), VMDK_SECTOR));
	if (has_redundant(s))
		mark_metadata(&c, "redundant grain directory", s->header.rgd_offset,
			      vmdk_gd_sectors(&s->header));
	for (gt = 0; gt < vmdk_gd_entries(&s->header) && rc == 0; gt++)
		rc = check_table(&c, gt, err);
	if (rc == 0 && s->kind == VMDK_COWD)
		mark_free(&c);
	/* Grains that nothing uses are in an seSparse extent's bitmap, for later use. */
	if (rc == 0 && !is_packed(s) && s->kind != VMDK_SESPARSE &&
	    s->header.overhead <= UINT32_MAX)
		usage_report_leaks(&c.usage, s->header.overhead * VMDK_SECTOR, s->grain_size,
				   "vmdk", check);
	check->result.image_end = max_u64(check->result.image_end, c.end);
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
