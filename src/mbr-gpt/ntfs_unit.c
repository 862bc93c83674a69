// SPDX-License-Identifier: Apache-2.0
/*
 * Compressed files: units of 16 clusters, each by itself. A unit with all its clusters is stored as
 * it is, one without any is zeros, and one with some of them in front and a hole behind is packed.
 */
#include "base/checked.h"
#include "base/error.h"
#include "mbr-gpt/ntfs_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_CLUSTERS ((uint64_t)1 << NTFS_COMPRESSION_UNIT)

uint32_t ntfs_unit_size(const struct ntfs *ntfs)
{
	return ntfs->g.cluster_size << NTFS_COMPRESSION_UNIT;
}

static int bad_unit(const struct ntfs_stream *s, uint64_t number, const char *what,
		    struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT,
			 "ntfs: file record %" PRIu64 ": compression unit %" PRIu64 ": %s",
			 s->record, number, what);
}

/* How many clusters the unit has before its hole; there may be none behind it. */
static int count_clusters(const struct ntfs_stream *s, uint64_t number, uint64_t *clusters,
			  struct tranship_error *err)
{
	uint64_t first = number * UNIT_CLUSTERS, vcn, end;
	const struct ntfs_run *run;
	bool hole = false;

	*clusters = 0;
	for (vcn = first; vcn < first + UNIT_CLUSTERS; vcn = end) {
		run = ntfs_runs_find(&s->runs, vcn);
		if (!run)
			return 0;
		end = min_u64(run->vcn + run->count, first + UNIT_CLUSTERS);
		if (run->lcn == NTFS_HOLE)
			hole = true;
		else if (hole)
			return bad_unit(s, number, "it goes on behind a hole", err);
		else
			*clusters += end - vcn;
	}
	return 0;
}

/* Reads len bytes at off of the clusters that the unit has. */
static int read_clusters(const struct ntfs *ntfs, const struct ntfs_stream *s, uint64_t number,
			 uint32_t off, unsigned char *buf, size_t len, struct tranship_error *err)
{
	uint32_t cluster = ntfs->g.cluster_size;
	uint64_t at = number * UNIT_CLUSTERS * cluster + off;
	int rc = 0;

	while (len > 0 && rc == 0) {
		const struct ntfs_run *run = ntfs_runs_find(&s->runs, at / cluster);
		uint64_t within = at - run->vcn * cluster;
		size_t piece = (size_t)min_u64(len, run->count * cluster - within);

		rc = volume_read(&ntfs->volume, run->lcn * cluster + within, buf, piece, err);
		at += piece;
		buf += piece;
		len -= piece;
	}
	return rc;
}

/* Unpacks a unit of so many clusters into s->unit.plain. */
static int unpack(const struct ntfs *ntfs, struct ntfs_stream *s, uint64_t number,
		  uint64_t clusters, struct tranship_error *err)
{
	uint32_t size = ntfs_unit_size(ntfs);
	size_t packed = (size_t)clusters * ntfs->g.cluster_size;
	struct ntfs_unit *u = &s->unit;
	long got;
	int rc;

	u->number = UINT64_MAX;
	if (!u->packed)
		u->packed = malloc(size);
	if (!u->plain)
		u->plain = malloc(size);
	if (!u->packed || !u->plain)
		return error_nomem(err, size);
	rc = read_clusters(ntfs, s, number, 0, u->packed, packed, err);
	if (rc)
		return rc;
	got = lznt1_unpack(u->packed, packed, u->plain, size);
	if (got < 0)
		return bad_unit(s, number, "what is packed in it is damaged", err);
	memset(u->plain + got, 0, size - (size_t)got);
	u->number = number;
	return 0;
}

int ntfs_unit_read(const struct ntfs *ntfs, struct ntfs_stream *s, uint64_t number, uint32_t off,
		   unsigned char *buf, size_t len, struct tranship_error *err)
{
	uint64_t clusters;
	int rc;

	if (number != s->unit.number) {
		rc = count_clusters(s, number, &clusters, err);
		if (rc)
			return rc;
		if (clusters == UNIT_CLUSTERS)
			return read_clusters(ntfs, s, number, off, buf, len, err);
		if (clusters == 0) {
			memset(buf, 0, len);
			return 0;
		}
		rc = unpack(ntfs, s, number, clusters, err);
		if (rc)
			return rc;
	}
	memcpy(buf, s->unit.plain + off, len);
	return 0;
}
