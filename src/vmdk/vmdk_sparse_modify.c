// SPDX-License-Identifier: Apache-2.0
/*
 * Writing into a sparse extent where it stands. Grains are put at the end of the file, on the
 * borders of grains as the first one is; then the entries of both copies of the table name them, in
 * the transaction. The file is made longer than what was written by the transaction, so that what
 * is not written of a new grain is zeros.
 */
#include "vmdk/vmdk_modify.h"

#include "base/bytes.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

int vmdk_zero_bytes(struct tranship_file *file, uint64_t off, uint64_t len,
		    struct tranship_error *err)
{
	return modify_zero_free(file, off, len, err);
}

int vmdk_check_end(uint64_t sector, struct tranship_error *err)
{
	uint32_t narrow;

	if (narrow32_ok(sector, &narrow))
		return 0;
	return error_set(err, TRANSHIP_ELIMIT,
			 "vmdk: a sparse file ends at 2 TiB, its tables cannot name sector %" PRIu64
			 "; take a flat subformat, or vhdx",
			 sector);
}

uint64_t vmdk_sparse_end(const struct vmdk_sparse *s)
{
	uint64_t sectors = div_up(tranship_file_size(s->file), VMDK_SECTOR);
	uint64_t first = s->header.overhead;

	return sectors <= first ? first
				: first + round_up(sectors - first, s->header.grain_sectors);
}

int vmdk_put_header(struct vmdk_sparse *s, struct tranship_error *err)
{
	unsigned char raw[VMDK_HEADER_SIZE];

	vmdk_header_encode(&s->header, raw);
	return file_write(s->file, 0, raw, sizeof(raw), err);
}

int vmdk_sparse_apply(struct vmdk_sparse *s, struct tranship_error *err)
{
	s->changed = 0;
	return modify_apply(s->file, err);
}

int vmdk_check_directory(const struct vmdk_sparse *s, struct tranship_error *err)
{
	if (s->unread)
		return error_set(err, s->unread,
				 "vmdk: the grain directories, or tables, could not be read when "
				 "the file was opened");
	if (!s->by_redundant && s->by_copy == 0 && !(vmdk_has_redundant(s) && s->rgd_unsound))
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vmdk: the grain directory is lost%s and must be repaired before anything "
			 "is changed",
			 s->by_redundant ? "" : " in part, or its redundant copy is,");
}

int vmdk_copy_sectors(struct vmdk_sparse *s, uint64_t from, uint64_t to, uint64_t sectors,
		      struct tranship_error *err)
{
	uint64_t off, len = sectors * VMDK_SECTOR;
	unsigned char raw[4096];
	int rc = 0;

	for (off = 0; off < len && rc == 0; off += sizeof(raw)) {
		size_t n = (size_t)min_u64(len - off, sizeof(raw));

		rc = tranship_file_read(s->file, from * VMDK_SECTOR + off, raw, n, err);
		if (rc == 0)
			rc = modify_free(s->file, to * VMDK_SECTOR + off, raw, n, err);
	}
	table_cache_forget(s->cache, to * VMDK_SECTOR, len);
	return rc;
}

int vmdk_put_table(struct vmdk_sparse *s, uint64_t gd, uint64_t gt, uint64_t sector,
		   struct tranship_error *err)
{
	uint64_t off = gd * VMDK_SECTOR + 4 * gt;
	unsigned char raw[4];

	put_le32(raw, (uint32_t)sector);
	table_cache_forget(s->cache, off, sizeof(raw));
	s->changed++;
	return file_write(s->file, off, raw, sizeof(raw), err);
}

/* A table that the directory lacks is put at the end, and its copy. */
static int add_table(struct vmdk_sparse *s, uint64_t gt, struct vmdk_table *t,
		     struct tranship_error *err)
{
	uint64_t sectors = div_up(vmdk_table_size(s), VMDK_SECTOR), end;
	int rc;

	t->table = vmdk_sparse_end(s);
	t->copy = vmdk_has_redundant(s) ? t->table + sectors : 0;
	end = t->table + sectors * (t->copy ? 2 : 1);
	rc = vmdk_check_end(end, err);
	if (rc == 0)
		rc = file_resize(s->file, end * VMDK_SECTOR, err);
	if (rc == 0)
		rc = vmdk_put_table(s, s->header.gd_offset, gt, t->table, err);
	if (rc == 0 && t->copy)
		rc = vmdk_put_table(s, s->header.rgd_offset, gt, t->copy, err);
	return rc;
}

int vmdk_find_table(struct vmdk_sparse *s, uint64_t gt, struct vmdk_table *t,
		    struct tranship_error *err)
{
	int rc = vmdk_sparse_table(s, gt, &t->table, err);

	t->copy = 0;
	if (rc == 0 && t->table == 0)
		return add_table(s, gt, t, err);
	if (rc == 0 && vmdk_has_redundant(s))
		rc = vmdk_sparse_tables(s, s->header.rgd_offset, gt, 1, &t->copy, err);
	if (!vmdk_table_fits(s, t->copy))
		t->copy = 0; /* for a repair */
	return rc;
}

int vmdk_set_entries(struct vmdk_sparse *s, const struct vmdk_table *t, uint64_t at, size_t count,
		     uint32_t entry, uint32_t step, struct tranship_error *err)
{
	unsigned char raw[4 * VMDK_ENTRIES_AT_ONCE];
	uint64_t places[2] = { t->table * VMDK_SECTOR + 4 * at, t->copy * VMDK_SECTOR + 4 * at };
	size_t i;
	int rc = 0;

	for (i = 0; i < count; i++)
		put_le32(raw + 4 * i, entry + (uint32_t)i * step);
	for (i = 0; i < (t->copy ? 2U : 1U) && rc == 0; i++) {
		table_cache_forget(s->cache, places[i], 4 * count);
		rc = file_write(s->file, places[i], raw, 4 * count, err);
	}
	s->changed++;
	return rc;
}

/* An absent grain of a delta link is written as a whole or not at all: [off, off + len) has all of
 * what it touches. */
static int check_whole(const struct vmdk_sparse *s, uint64_t off, uint64_t len, bool first_absent,
		       bool last_absent, struct tranship_error *err)
{
	uint64_t end = off + len;

	if ((!first_absent || off % s->grain_size == 0) &&
	    (!last_absent || end % s->grain_size == 0 || end == s->size))
		return 0;
	return error_set(err, TRANSHIP_EINVAL,
			 "vmdk: the grains at %" PRIu64 ", %" PRIu64
			 " bytes, are the parent's; a part of one cannot be written",
			 off, len);
}

/* `count` grains at the end of the file, named by the table; *sector is the first one's. They are
 * zeros until they are written. */
static int add_grains(struct vmdk_sparse *s, uint64_t grain, size_t count, uint64_t *sector,
		      struct tranship_error *err)
{
	uint32_t step = (uint32_t)s->header.grain_sectors;
	struct vmdk_table t;
	int rc = vmdk_find_table(s, grain / s->header.gtes_per_gt, &t, err);

	*sector = vmdk_sparse_end(s);
	if (rc == 0)
		rc = vmdk_check_end(*sector + count * step, err);
	if (rc == 0)
		rc = vmdk_set_entries(s, &t, grain % s->header.gtes_per_gt, count,
				      (uint32_t)*sector, step, err);
	if (rc == 0)
		rc = file_resize(s->file, (*sector + count * step) * VMDK_SECTOR, err);
	return rc;
}

/* A grain that is there, and whose place can be one. */
static int check_present(const struct vmdk_sparse *s, uint64_t grain, uint64_t entry,
			 struct tranship_error *err)
{
	uint64_t len = min_u64(s->grain_size, s->size - grain * s->grain_size);

	if (entry >= s->header.overhead &&
	    range_ok(entry * VMDK_SECTOR, len, tranship_file_size(s->file)))
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vmdk: grain table %" PRIu64 " entry %" PRIu64 " points at sector %" PRIu64
			 ", where no grain can be written (sectors %" PRIu64 " to %" PRIu64 ")",
			 grain / s->header.gtes_per_gt, grain % s->header.gtes_per_gt, entry,
			 s->header.overhead, tranship_file_size(s->file) / VMDK_SECTOR);
}

/* How many grains of [off, off + len) lie in the table of the first one, and are looked at. */
static size_t grains_at_once(const struct vmdk_sparse *s, uint64_t off, uint64_t len)
{
	uint64_t grain = off / s->grain_size;
	uint64_t count = div_up(off % s->grain_size + len, s->grain_size);

	count = min_u64(count, s->header.gtes_per_gt - grain % s->header.gtes_per_gt);
	return (size_t)min_u64(count, VMDK_ENTRIES_AT_ONCE);
}

/* Writes so much of [off, off + *len) as lies in one grain that is there, or in as many as are not.
 */
static int write_some(struct vmdk_sparse *s, bool child, uint64_t off, const unsigned char *buf,
		      size_t *len, struct tranship_error *err)
{
	uint64_t entries[VMDK_ENTRIES_AT_ONCE];
	uint64_t grain = off / s->grain_size, within = off % s->grain_size, sector;
	size_t count = grains_at_once(s, off, *len), n = 1;
	int rc = vmdk_sparse_entries(s, grain, count, entries, err);

	if (rc)
		return rc;
	if (entries[0] > VMDK_GTE_ZERO) {
		*len = (size_t)min_u64(*len, s->grain_size - within);
		sector = entries[0];
		rc = check_present(s, grain, sector, err);
	} else {
		while (n < count && entries[n] <= VMDK_GTE_ZERO)
			n++;
		*len = (size_t)min_u64(*len, (uint64_t)n * s->grain_size - within);
		if (child)
			rc = check_whole(s, off, *len, entries[0] == VMDK_GTE_ABSENT,
					 entries[n - 1] == VMDK_GTE_ABSENT, err);
		if (rc == 0)
			rc = add_grains(s, grain, n, &sector, err);
	}
	return rc ? rc : modify_free(s->file, sector * VMDK_SECTOR + within, buf, *len, err);
}

int vmdk_sparse_write(struct vmdk_sparse *s, bool child, uint64_t off, const unsigned char *buf,
		      size_t len, struct tranship_error *err)
{
	int rc = vmdk_check_directory(s, err);

	while (len > 0 && rc == 0) {
		size_t n = len;

		rc = write_some(s, child, off, buf, &n, err);
		if (rc == 0 && s->changed >= VMDK_CHANGES_MAX)
			rc = vmdk_sparse_apply(s, err);
		off += n;
		buf += n;
		len -= n;
	}
	return rc;
}

/* Absent grains become zeros, which hide what the parent has; *len becomes how far this went. */
static int hide(struct vmdk_sparse *s, uint64_t off, uint64_t *len, struct tranship_error *err)
{
	uint64_t grain = off / s->grain_size, sector;
	size_t count = grains_at_once(s, off, *len);
	struct vmdk_table t;
	int rc;

	*len = min_u64(*len, (uint64_t)count * s->grain_size - off % s->grain_size);
	rc = check_whole(s, off, *len, true, true, err);
	if (rc)
		return rc;
	if (!(s->header.flags & VMDK_FLAG_ZERO_GRAIN))
		return add_grains(s, grain, count, &sector, err);
	rc = vmdk_find_table(s, grain / s->header.gtes_per_gt, &t, err);
	return rc ? rc
		  : vmdk_set_entries(s, &t, grain % s->header.gtes_per_gt, count, VMDK_GTE_ZERO, 0,
				     err);
}

int vmdk_sparse_zero(struct vmdk_sparse *s, bool child, uint64_t off, uint64_t len,
		     struct tranship_error *err)
{
	int rc = vmdk_check_directory(s, err);

	while (len > 0 && rc == 0) {
		struct tranship_extent extent = { .off = off };
		uint64_t n;

		rc = vmdk_sparse_map(s, off, &extent, err);
		if (rc)
			break;
		n = min_u64(len, extent.len);
		if (extent.kind == TRANSHIP_DATA) {
			uint64_t grain = off / s->grain_size;

			n = min_u64(n, s->grain_size - off % s->grain_size);
			rc = check_present(s, grain,
					   (extent.file_off - off % s->grain_size) / VMDK_SECTOR,
					   err);
			if (rc == 0)
				rc = vmdk_zero_bytes(s->file, extent.file_off, n, err);
		} else if (extent.kind == TRANSHIP_ABSENT && child) {
			rc = hide(s, off, &n, err);
		}
		if (rc == 0 && s->changed >= VMDK_CHANGES_MAX)
			rc = vmdk_sparse_apply(s, err);
		off += n;
		len -= n;
	}
	return rc;
}
