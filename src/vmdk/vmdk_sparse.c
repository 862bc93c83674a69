// SPDX-License-Identifier: Apache-2.0
/*
 * VMware, "Virtual Disk Format 5.0", "Hosted Sparse Extents". The grain directory has an entry for
 * each grain table, a grain table one for each grain; both are read through a bounded cache,
 * because a disk of 62 TiB has 4 GiB of them. COWD and seSparse extents are the same with another
 * header (vmdk_vmfs.c) and, seSparse, other entries: these are made into sectors where they are
 * read, and nothing else here knows the kinds apart.
 */
#include "vmdk/vmdk_sparse.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/zero.h"
#include "vmdk/vmdk_sesparse_ondisk.h"

#include <inttypes.h>
#include <string.h>

/* Entries that are looked up at once. */
#define ENTRIES_AT_ONCE 512U
/* A map looks no further than this many grains of one kind, so that it always returns soon. */
#define MAP_GRAINS_MAX (1U << 22)

/* The directory is at the end of a stream: the last but one sector repeats the header with its
 * place. */
static int read_footer(struct vmdk_sparse *s, struct tranship_error *err)
{
	uint64_t size = tranship_file_size(s->file);
	unsigned char raw[VMDK_HEADER_SIZE];
	struct tranship_error inner;
	struct vmdk_header footer;
	int rc;

	if (size < 3 * VMDK_SECTOR)
		return error_set(err, TRANSHIP_ECORRUPT, "vmdk: the stream ends before its footer");
	rc = tranship_file_read(s->file, size - 2 * VMDK_SECTOR, raw, sizeof(raw), err);
	if (rc)
		return rc;
	if (vmdk_header_decode(raw, &footer, &inner))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: no footer at %" PRIu64
				 ", the stream was cut short or something follows it (%s)",
				 size - 2 * VMDK_SECTOR, inner.message);
	if (footer.gd_offset == VMDK_GD_AT_END)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: the footer does not say where the grain directory is");
	if (footer.capacity != s->header.capacity ||
	    footer.grain_sectors != s->header.grain_sectors ||
	    footer.gtes_per_gt != s->header.gtes_per_gt || footer.flags != s->header.flags)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: header and footer describe different disks");
	s->header.gd_offset = footer.gd_offset;
	return 0;
}

static int open_hosted(struct vmdk_sparse *s, struct tranship_error *err)
{
	unsigned char raw[VMDK_HEADER_SIZE];
	int rc;

	if (tranship_file_size(s->file) < sizeof(raw))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: %" PRIu64 " bytes are too few for a header",
				 tranship_file_size(s->file));
	rc = tranship_file_read(s->file, 0, raw, sizeof(raw), err);
	if (rc == 0)
		rc = vmdk_header_decode(raw, &s->header, err);
	if (rc == 0 && s->header.gd_offset == VMDK_GD_AT_END)
		rc = read_footer(s, err);
	return rc;
}

static int read_magic(struct tranship_file *file, uint32_t *magic, struct tranship_error *err)
{
	unsigned char raw[4] = { 0 };
	size_t len = (size_t)min_u64(sizeof(raw), tranship_file_size(file));
	int rc = tranship_file_read(file, 0, raw, len, err);

	*magic = get_le32(raw);
	return rc;
}

/* The file says what kind it is; descriptors name all of them SPARSE at times. */
int vmdk_sparse_open(struct vmdk_sparse *s, struct tranship_file *file, size_t cache_memory,
		     struct tranship_error *err)
{
	uint32_t magic;
	int rc = read_magic(file, &magic, err);

	*s = (struct vmdk_sparse){ .file = file };
	if (rc == 0 && magic == VMDK_MAGIC_COWD)
		rc = vmdk_cowd_open(s, err);
	else if (rc == 0 && magic == VMDK_MAGIC_SESPARSE)
		rc = vmdk_sesparse_open(s, err);
	else if (rc == 0)
		rc = open_hosted(s, err);
	if (rc)
		return rc;
	s->size = s->header.capacity * VMDK_SECTOR;
	s->grain_size = (uint32_t)(s->header.grain_sectors * VMDK_SECTOR);
	s->grains = div_up(s->header.capacity, s->header.grain_sectors);
	rc = table_cache_new(file, cache_memory, &s->cache, err);
	return rc ? rc : vmdk_directory_choose(s, err);
}

void vmdk_sparse_close(struct vmdk_sparse *s)
{
	table_cache_free(s->cache);
	s->cache = NULL;
}

/* A numbered part of an seSparse extent. */
static uint64_t numbered(uint64_t start, uint64_t number, uint64_t sectors)
{
	uint64_t at;

	return mul_ok(number, sectors, &at) && add_ok(at, start, &at) && at < VMDK_NOWHERE
		       ? at
		       : VMDK_NOWHERE;
}

static uint64_t sesparse_entry(const struct vmdk_sparse *s, uint64_t raw)
{
	enum vmdk_sesparse_grain kind;
	uint64_t grain;

	if (!vmdk_sesparse_gte_decode(raw, &kind, &grain))
		return VMDK_NOWHERE;
	switch (kind) {
	case VMDK_SESPARSE_ABSENT: return VMDK_GTE_ABSENT;
	case VMDK_SESPARSE_ALLOCATED: return numbered(s->data, grain, VMDK_SESPARSE_GRAIN_SECTORS);
	default: return VMDK_GTE_ZERO;
	}
}

/* Entry i of a part of a table. */
static uint64_t decode_entry(const struct vmdk_sparse *s, const unsigned char *raw, size_t i)
{
	uint32_t entry;

	if (s->kind == VMDK_SESPARSE)
		return sesparse_entry(s, get_le64(raw + 8 * i));
	entry = get_le32(raw + 4 * i);
	/* A COWD extent has no grains of zeros, and its header where such a one would be. */
	return s->kind == VMDK_COWD && entry == VMDK_GTE_ZERO ? VMDK_NOWHERE : entry;
}

int vmdk_sparse_table_entries(struct vmdk_sparse *s, uint64_t table, uint64_t first, size_t count,
			      uint64_t *entries, struct tranship_error *err)
{
	unsigned char raw[8 * ENTRIES_AT_ONCE];
	uint32_t width = vmdk_entry_size(s);
	size_t i, n;

	for (; count > 0; count -= n, first += n, entries += n) {
		int rc;

		n = count < ENTRIES_AT_ONCE ? count : ENTRIES_AT_ONCE;
		rc = table_cache_read(s->cache, table * VMDK_SECTOR + width * first, raw, width * n,
				      err);
		if (rc)
			return rc;
		for (i = 0; i < n; i++)
			entries[i] = decode_entry(s, raw, i);
	}
	return 0;
}

/* The same of table `gt`, wherever the directory says that it is. */
static int table_entries(struct vmdk_sparse *s, uint64_t table, uint64_t gt, size_t first,
			 size_t count, uint64_t *entries, struct tranship_error *err)
{
	if (table == 0) {
		memset(entries, 0, count * sizeof(*entries));
		return 0;
	}
	if (table == VMDK_NOWHERE)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: grain directory[%" PRIu64
				 "] is of no known kind, or points past any file",
				 gt);
	if (!range_ok(table * VMDK_SECTOR, vmdk_table_size(s), tranship_file_size(s->file)))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: grain directory[%" PRIu64 "] points at sector %" PRIu64
				 ", where no table fits before the end of the file (sector %" PRIu64
				 ")",
				 gt, table, tranship_file_size(s->file) / VMDK_SECTOR);
	return vmdk_sparse_table_entries(s, table, first, count, entries, err);
}

/* Entry i of a part of a directory. */
static uint64_t decode_table(const struct vmdk_sparse *s, const unsigned char *raw, size_t i)
{
	uint32_t number;
	uint64_t gde;

	if (s->kind != VMDK_SESPARSE)
		return get_le32(raw + 4 * i);
	gde = get_le64(raw + 8 * i);
	if (gde == 0)
		return 0;
	return vmdk_sesparse_gde_decode(gde, &number)
		       ? numbered(s->tables, number, VMDK_SESPARSE_GT_SECTORS)
		       : VMDK_NOWHERE;
}

int vmdk_sparse_tables(struct vmdk_sparse *s, uint64_t gd, uint64_t first, size_t count,
		       uint64_t *sectors, struct tranship_error *err)
{
	unsigned char raw[8 * ENTRIES_AT_ONCE];
	uint32_t width = vmdk_entry_size(s);
	size_t i, n;

	for (; count > 0; count -= n, first += n, sectors += n) {
		int rc;

		n = count < ENTRIES_AT_ONCE ? count : ENTRIES_AT_ONCE;
		rc = table_cache_read(s->cache, gd * VMDK_SECTOR + width * first, raw, width * n,
				      err);
		if (rc)
			return rc;
		for (i = 0; i < n; i++)
			sectors[i] = decode_table(s, raw, i);
	}
	return 0;
}

int vmdk_sparse_table(struct vmdk_sparse *s, uint64_t gt, uint64_t *sector,
		      struct tranship_error *err)
{
	int rc;

	*sector = 0;
	rc = vmdk_sparse_tables(s, s->header.gd_offset, gt, 1, sector, err);
	return rc ? rc : vmdk_directory_patch(s, gt, sector, err);
}

int vmdk_sparse_entries(struct vmdk_sparse *s, uint64_t first, size_t count, uint64_t *entries,
			struct tranship_error *err)
{
	uint32_t per_gt = s->header.gtes_per_gt;

	while (count > 0) {
		size_t at = (size_t)(first % per_gt);
		size_t n = count < per_gt - at ? count : per_gt - at;
		uint64_t table;
		int rc = vmdk_sparse_table(s, first / per_gt, &table, err);

		if (rc == 0)
			rc = table_entries(s, table, first / per_gt, at, n, entries, err);
		if (rc == 0)
			rc = vmdk_entries_patch(s, table, first, n, entries, err);
		if (rc)
			return rc;
		first += n;
		count -= n;
		entries += n;
	}
	return 0;
}

int vmdk_sparse_entries_some(struct vmdk_sparse *s, uint64_t first, size_t *count,
			     uint64_t *entries, struct tranship_error *err)
{
	int rc = vmdk_sparse_entries(s, first, *count, entries, err);

	if (rc && *count > 1) {
		*count = 1;
		rc = vmdk_sparse_entries(s, first, 1, entries, err);
	}
	return rc;
}

static enum tranship_extent_kind entry_kind(uint64_t entry)
{
	return entry == VMDK_GTE_ABSENT ? TRANSHIP_ABSENT
	       : entry == VMDK_GTE_ZERO ? TRANSHIP_ZERO
					: TRANSHIP_DATA;
}

/* How much of a grain the disk has: all of it but for the last one. */
static size_t grain_len(const struct vmdk_sparse *s, uint64_t index)
{
	return (size_t)min_u64(s->grain_size, s->size - index * s->grain_size);
}

static int check_grain(const struct vmdk_sparse *s, uint64_t index, uint64_t entry,
		       struct tranship_error *err)
{
	size_t len =
		s->header.flags & VMDK_FLAG_COMPRESSED ? vmdk_grain_head(s) : grain_len(s, index);

	len = s->salvage ? 1 : len; /* see vmdk_cut_to_file */
	if (range_ok(entry * VMDK_SECTOR, len, tranship_file_size(s->file)))
		return 0;
	if (entry == VMDK_NOWHERE)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: grain table %" PRIu64 " entry %" PRIu64
				 " is of no known kind, or points past any file",
				 index / s->header.gtes_per_gt, index % s->header.gtes_per_gt);
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vmdk: grain table %" PRIu64 " entry %" PRIu64 " points at sector %" PRIu64
			 ", where no grain fits before the end of the file (sector %" PRIu64 ")",
			 index / s->header.gtes_per_gt, index % s->header.gtes_per_gt, entry,
			 tranship_file_size(s->file) / VMDK_SECTOR);
}

/* How many of the grains behind the first of `entries` continue it. */
static size_t same_extent(const struct vmdk_sparse *s, const uint64_t *entries, size_t count,
			  uint64_t *expect)
{
	enum tranship_extent_kind kind = entry_kind(entries[0]);
	size_t n;

	for (n = 0; n < count; n++) {
		if (entry_kind(entries[n]) != kind)
			break;
		if (kind == TRANSHIP_DATA) {
			if (entries[n] != *expect)
				break;
			*expect = entries[n] + s->header.grain_sectors;
		}
	}
	return n;
}

/* Whole tables that the directory does not have, or that are holes of the file, are passed over at
 * once. */
static int skip_absent_tables(struct vmdk_sparse *s, uint64_t *grain, struct tranship_error *err)
{
	uint64_t gt = *grain / s->header.gtes_per_gt, gts = vmdk_gd_entries(&s->header);
	uint64_t table = 0;
	int rc = 0;

	if (*grain % s->header.gtes_per_gt)
		return 0;
	while (gt < gts && rc == 0) {
		rc = vmdk_sparse_table(s, gt, &table, err);
		if (rc || (table != 0 &&
			   !table_cache_is_hole(s->cache, table * VMDK_SECTOR, vmdk_table_size(s))))
			break;
		gt++;
	}
	*grain = min_u64(gt * s->header.gtes_per_gt, s->grains);
	return rc;
}

int vmdk_sparse_map(struct vmdk_sparse *s, uint64_t off, struct tranship_extent *out,
		    struct tranship_error *err)
{
	uint64_t entries[ENTRIES_AT_ONCE];
	uint64_t first = off / s->grain_size, grain = first, expect = 0;
	bool packed = s->header.flags & VMDK_FLAG_COMPRESSED;

	while (grain < s->grains && grain - first < MAP_GRAINS_MAX) {
		/* Stay within one table, so that a missing table is seen at its start. */
		size_t count = (size_t)min_u64(s->grains - grain, ENTRIES_AT_ONCE), n;
		int rc;

		count = (size_t)min_u64(count,
					s->header.gtes_per_gt - grain % s->header.gtes_per_gt);
		if (packed)
			count = 1;
		rc = vmdk_sparse_entries_some(s, grain, &count, entries, err);
		if (rc && grain > first) /* what is damaged there ends what is sound here */
			break;
		if (rc)
			return rc;
		if (grain == first) {
			out->kind = entry_kind(entries[0]);
			expect = entries[0];
			if (out->kind == TRANSHIP_DATA) {
				rc = check_grain(s, grain, entries[0], err);
				if (rc)
					return rc;
				out->file_off = entries[0] * VMDK_SECTOR +
						(packed ? 0 : off % s->grain_size);
				out->compressed = packed;
			}
		} else if (entry_kind(entries[0]) != out->kind) {
			break;
		}
		n = same_extent(s, entries, count, &expect);
		grain += n;
		if (n < count || (packed && out->kind == TRANSHIP_DATA))
			break;
		if (out->kind == TRANSHIP_ABSENT) {
			rc = skip_absent_tables(s, &grain, err);
			if (rc)
				break;
		}
	}
	out->len = min_u64(grain * s->grain_size, s->size) - off;
	if (out->kind == TRANSHIP_DATA && !packed)
		vmdk_cut_to_file(s, off, out);
	return 0;
}

/* Grains that follow each other in the file are read at once. */
static int read_plain(struct vmdk_sparse *s, uint64_t off, unsigned char *buf, size_t len,
		      struct tranship_error *err)
{
	while (len > 0) {
		struct tranship_extent extent = { .off = off };
		int rc = vmdk_sparse_map(s, off, &extent, err);
		size_t n;

		if (rc)
			return rc;
		n = (size_t)min_u64(len, extent.len);
		if (extent.kind == TRANSHIP_DATA)
			rc = tranship_file_read(s->file, extent.file_off, buf, n, err);
		else if (extent.kind == TRANSHIP_LOST)
			rc = vmdk_cut_error(s, off, err);
		else
			memset(buf, 0, n);
		if (rc)
			return rc;
		off += n;
		buf += n;
		len -= n;
	}
	return 0;
}

int vmdk_sparse_read(struct vmdk_sparse *s, struct vmdk_scratch *scratch, uint64_t off, void *buf,
		     size_t len, struct tranship_error *err)
{
	return s->header.flags & VMDK_FLAG_COMPRESSED
		       ? vmdk_grain_read(s, scratch, off, buf, len, err)
		       : read_plain(s, off, buf, len, err);
}
