// SPDX-License-Identifier: Apache-2.0
/*
 * Which grain directory of a hosted sparse extent is believed. A header can name a place where none
 * is: the header itself, a descriptor, a table, a guest's grain. So the primary directory is judged
 * by its place, its entries and a sample of its tables; where it fails and the redundant one does
 * not, that one is used. Where single entries of it cannot be, the copy's are.
 */
#include "vmdk/vmdk_sparse.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

#define ENTRIES_AT_ONCE 512U
/* Tables of which the beginning is compared with that of their copies. */
#define SAMPLE_MAX 256U

struct verdict {
	bool inside; /* the file */
	bool place;  /* and nothing else is known to stand there */
	uint64_t good, bad;
	int rc; /* why some of it could not be read */
};

struct sample {
	unsigned bad, bad_copies; /* mostly, while the other one has nothing bad */
	unsigned some_bad, count;
};

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a_len > 0 && b_len > 0 && a <= b + (b_len - 1) && b <= a + (a_len - 1);
}

static bool packed(const struct vmdk_sparse *s)
{
	return s->header.flags & VMDK_FLAG_COMPRESSED;
}

/* Whether the header, or the descriptor, stands in these sectors. */
static bool hits_front(const struct vmdk_sparse *s, uint64_t sector, uint64_t sectors)
{
	const struct vmdk_header *h = &s->header;

	return overlap(sector, sectors, 0, vmdk_header_sectors(s)) ||
	       (h->descriptor_offset < VMDK_NOWHERE && h->descriptor_sectors < VMDK_NOWHERE &&
		overlap(sector, sectors, h->descriptor_offset, h->descriptor_sectors));
}

static bool inside(const struct vmdk_sparse *s, uint64_t sector)
{
	uint64_t off;

	return mul_ok(sector, VMDK_SECTOR, &off) &&
	       range_ok(off, vmdk_directory_size(s), tranship_file_size(s->file));
}

static bool hits_directory(const struct vmdk_sparse *s, uint64_t sector, uint64_t gd)
{
	return inside(s, gd) &&
	       overlap(sector, vmdk_gt_sectors(&s->header), gd, vmdk_gd_sectors(&s->header));
}

/* A table that fits, beside what is in front and one directory or two (0: none). */
static bool can_be_table(const struct vmdk_sparse *s, uint64_t sector, uint64_t gd, uint64_t other)
{
	return sector != 0 && vmdk_table_fits(s, sector) &&
	       !hits_front(s, sector, vmdk_gt_sectors(&s->header)) &&
	       !hits_directory(s, sector, gd) && (!other || !hits_directory(s, sector, other));
}

bool vmdk_gde_fits(const struct vmdk_sparse *s, uint64_t sector)
{
	return can_be_table(s, sector, s->header.gd_offset, s->copies ? s->header.rgd_offset : 0);
}

bool vmdk_has_redundant(const struct vmdk_sparse *s)
{
	const struct vmdk_header *h = &s->header;

	return vmdk_wants_redundant(s) && !s->by_redundant && inside(s, h->rgd_offset) &&
	       !hits_front(s, h->rgd_offset, vmdk_gd_sectors(h)) &&
	       !overlap(h->rgd_offset, vmdk_gd_sectors(h), h->gd_offset, vmdk_gd_sectors(h));
}

/* What cannot be read stops no reader of the rest, but whoever would change something. */
static bool failed(struct vmdk_sparse *s, int rc)
{
	if (rc)
		s->unread = rc;
	return rc != 0;
}

/* Judges the directory at sector `gd` by itself, and by the other one unless that is 0. */
static void judge(struct vmdk_sparse *s, uint64_t gd, uint64_t other, struct verdict *v,
		  struct tranship_error *err)
{
	uint64_t tables = vmdk_gd_entries(&s->header), at, sectors[ENTRIES_AT_ONCE];
	uint64_t gd_sectors = vmdk_gd_sectors(&s->header);

	*v = (struct verdict){ .inside = inside(s, gd) };
	if (!v->inside)
		return;
	v->place = packed(s) || (!hits_front(s, gd, gd_sectors) &&
				 (!other || !overlap(gd, gd_sectors, other, gd_sectors)));
	for (at = 0; at < tables; at += ENTRIES_AT_ONCE) {
		size_t n = (size_t)min_u64(tables - at, ENTRIES_AT_ONCE), i;
		int rc;

		if (table_cache_is_hole(s->cache, gd * VMDK_SECTOR + 4 * at, 4 * n))
			continue;
		rc = vmdk_sparse_tables(s, gd, at, n, sectors, err);
		if (failed(s, rc))
			v->rc = rc;
		for (i = 0; rc == 0 && i < n; i++)
			if (packed(s) || can_be_table(s, sectors[i], gd, other))
				v->good += sectors[i] != 0;
			else
				v->bad += sectors[i] != 0;
	}
}

/* What the entries at the beginning of a table are. */
struct entries_seen {
	unsigned good, bad; /* not 0 */
};

static struct entries_seen look_at_table(struct vmdk_sparse *s, uint64_t gt, uint64_t table)
{
	uint64_t first = gt * s->header.gtes_per_gt, entries[ENTRIES_AT_ONCE];
	size_t n = (size_t)min_u64(min_u64(s->header.gtes_per_gt, s->grains - first),
				   ENTRIES_AT_ONCE),
	       i;
	struct entries_seen seen = { 0 };

	if (table_cache_is_hole(s->cache, table * VMDK_SECTOR, vmdk_table_size(s)) ||
	    failed(s, vmdk_sparse_table_entries(s, table, 0, n, entries, NULL)))
		return seen;
	for (i = 0; i < n; i++)
		if (!vmdk_gte_fits(s, first + i, entries[i]))
			seen.bad++;
		else if (entries[i])
			seen.good++;
	return seen;
}

/* Compares the first tables that both directories name, and that are not empty. */
static void compare_tables(struct vmdk_sparse *s, uint64_t gd, uint64_t rgd, struct sample *out)
{
	uint64_t tables = vmdk_gd_entries(&s->header), gt, table, copy;

	*out = (struct sample){ 0 };
	for (gt = 0; gt < tables && gt < 64 * SAMPLE_MAX && out->count < SAMPLE_MAX; gt++) {
		struct entries_seen own, other;

		if (failed(s, vmdk_sparse_tables(s, gd, gt, 1, &table, NULL)) ||
		    failed(s, vmdk_sparse_tables(s, rgd, gt, 1, &copy, NULL)) ||
		    !can_be_table(s, table, gd, rgd) || !can_be_table(s, copy, gd, rgd))
			continue;
		own = look_at_table(s, gt, table);
		other = look_at_table(s, gt, copy);
		if (own.good + own.bad + other.good + other.bad == 0)
			continue;
		out->count++;
		out->some_bad += own.bad > other.bad;
		out->bad += own.bad > own.good && other.bad == 0;
		out->bad_copies += other.bad > other.good && own.bad == 0;
	}
}

/* How many tables only the copy of the directory names. */
static uint64_t count_by_copy(struct vmdk_sparse *s)
{
	uint64_t tables = vmdk_gd_entries(&s->header), at, count = 0;
	uint64_t sectors[ENTRIES_AT_ONCE], copies[ENTRIES_AT_ONCE];

	for (at = 0; at < tables; at += ENTRIES_AT_ONCE) {
		size_t n = (size_t)min_u64(tables - at, ENTRIES_AT_ONCE), i;

		if (table_cache_is_hole(s->cache, s->header.rgd_offset * VMDK_SECTOR + 4 * at,
					4 * n) ||
		    failed(s, vmdk_sparse_tables(s, s->header.gd_offset, at, n, sectors, NULL)) ||
		    failed(s, vmdk_sparse_tables(s, s->header.rgd_offset, at, n, copies, NULL)))
			continue;
		for (i = 0; i < n; i++)
			count += !vmdk_gde_fits(s, sectors[i]) && vmdk_gde_fits(s, copies[i]);
	}
	return count;
}

static bool usable(const struct verdict *v)
{
	return v->place && v->good > v->bad;
}

/* Which of the two is believed, of an extent that has both. */
static int choose(struct vmdk_sparse *s, struct tranship_error *err)
{
	const struct vmdk_header *h = &s->header;
	struct sample sample = { 0 };
	struct verdict own, copy;
	bool lost, trusted;

	judge(s, h->rgd_offset, 0, &copy, err);
	trusted = usable(&copy) && h->rgd_offset != h->gd_offset;
	judge(s, h->gd_offset, trusted ? h->rgd_offset : 0, &own, err);
	if (own.rc && own.good == 0) /* what could not be read is not gone */
		return own.rc;
	if (own.place && trusted && !packed(s))
		compare_tables(s, h->gd_offset, h->rgd_offset, &sample);
	lost = !own.place || (own.good == 0 && copy.good > 0) || own.bad > own.good ||
	       (2 * sample.bad > sample.count && sample.bad_copies == 0);
	if (lost && copy.rc && copy.good == 0)
		return copy.rc;
	if (lost && (trusted || (copy.inside && copy.good > 0 && !own.inside))) {
		s->header.gd_offset = s->header.rgd_offset;
		s->by_redundant = true;
		s->rgd_unsound = copy.bad > 0;
		return 0;
	}
	if (2 * sample.bad_copies > sample.count && sample.bad == 0) {
		trusted = false;
		judge(s, h->gd_offset, 0, &own, err);
	}
	s->gd_unsound = !own.place || own.bad > 0;
	s->rgd_unsound = !copy.place || copy.bad > 0 || (own.good > 0 && !trusted);
	s->copies = trusted && vmdk_has_redundant(s);
	s->bad_tables = s->copies ? sample.some_bad : 0;
	if (s->copies)
		s->by_copy = count_by_copy(s);
	return 0;
}

int vmdk_directory_choose(struct vmdk_sparse *s, struct tranship_error *err)
{
	uint64_t size = tranship_file_size(s->file);
	int rc = s->header.flags & VMDK_FLAG_REDUNDANT_GD ? choose(s, err) : 0;

	if (rc || inside(s, s->header.gd_offset))
		return rc;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vmdk: the grain directory, %" PRIu64 " entries at sector %" PRIu64
			 ", passes the end of the file (sector %" PRIu64 ")",
			 vmdk_gd_entries(&s->header), s->header.gd_offset, size / VMDK_SECTOR);
}

int vmdk_directory_patch(struct vmdk_sparse *s, uint64_t gt, uint64_t *sector,
			 struct tranship_error *err)
{
	uint64_t copy;
	int rc;

	if (s->by_copy == 0 || vmdk_gde_fits(s, *sector))
		return 0;
	rc = vmdk_sparse_tables(s, s->header.rgd_offset, gt, 1, &copy, err);
	if (rc == 0 && vmdk_gde_fits(s, copy))
		*sector = copy;
	return rc;
}

int vmdk_entries_patch(struct vmdk_sparse *s, uint64_t table, uint64_t first, size_t count,
		       uint64_t *entries, struct tranship_error *err)
{
	uint64_t per_gt = s->header.gtes_per_gt, copy;
	size_t i;

	if (!s->copies)
		return 0;
	for (i = 0; i < count; i++) {
		int rc;

		if (vmdk_gte_fits(s, first + i, entries[i]))
			continue;
		rc = vmdk_sparse_tables(s, s->header.rgd_offset, first / per_gt, 1, &copy, err);
		if (rc)
			return rc;
		if (copy == table || !vmdk_gde_fits(s, copy))
			return 0;
		rc = vmdk_sparse_table_entries(s, copy, (first + i) % per_gt, 1, &copy, err);
		if (rc)
			return rc;
		if (vmdk_gte_fits(s, first + i, copy))
			entries[i] = copy;
	}
	return 0;
}
