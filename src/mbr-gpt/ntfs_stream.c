// SPDX-License-Identifier: Apache-2.0
/* The content of an attribute: within its record, or in runs of clusters. */
#include "base/checked.h"
#include "base/error.h"
#include "mbr-gpt/ntfs_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int bad_stream(const struct ntfs_stream *s, int code, const char *what, uint64_t value,
		      struct tranship_error *err)
{
	return error_set(err, code,
			 "ntfs: file record %" PRIu64 ": attribute 0x%x: %s (%" PRIu64 ")",
			 s->record, s->type, what, value);
}

static int add_resident(struct ntfs_stream *s, const struct ntfs_attribute *a,
			struct tranship_error *err)
{
	s->value = malloc(a->value_len ? a->value_len : 1);
	if (!s->value)
		return error_nomem(err, a->value_len);
	memcpy(s->value, a->value, a->value_len);
	s->resident = true;
	s->size = s->initialised = a->value_len;
	return 0;
}

static int begin_runs(const struct ntfs *ntfs, struct ntfs_stream *s,
		      const struct ntfs_attribute *a, struct tranship_error *err)
{
	s->compressed = a->compression != 0;
	s->size = a->size;
	s->initialised = a->initialised;
	if (s->initialised > s->size)
		return bad_stream(s, TRANSHIP_ECORRUPT, "more is initialised than it has bytes",
				  s->initialised, err);
	if (a->compression > NTFS_COMPRESSION_LZNT1)
		return bad_stream(s, TRANSHIP_EUNSUPPORTED, "an unknown method of compression",
				  a->compression, err);
	if (s->compressed && a->compression_unit != NTFS_COMPRESSION_UNIT)
		return bad_stream(s, TRANSHIP_EUNSUPPORTED,
				  "a compression unit that is not 16 clusters, by its power of two",
				  a->compression_unit, err);
	if (s->compressed && ntfs->g.cluster_size > NTFS_COMPRESSED_CLUSTER_MAX)
		return bad_stream(s, TRANSHIP_EUNSUPPORTED,
				  "it is compressed in clusters of more than 4096 bytes",
				  ntfs->g.cluster_size, err);
	return 0;
}

int ntfs_stream_add(const struct ntfs *ntfs, struct ntfs_stream *s, const struct ntfs_attribute *a,
		    uint64_t number, struct tranship_error *err)
{
	int rc = 0;

	if (s->opened && (s->resident || a->resident))
		return bad_stream(s, TRANSHIP_ECORRUPT, "it is there twice", 2, err);
	if (!s->opened) {
		s->opened = true;
		s->record = number;
		s->type = a->type;
		s->encrypted = a->encrypted;
		s->unit.number = UINT64_MAX;
		if (a->resident)
			return add_resident(s, a, err);
		rc = begin_runs(ntfs, s, a, err);
	}
	return rc ? rc : ntfs_runs_append(&s->runs, a, &ntfs->g, number, err);
}

int ntfs_stream_check(const struct ntfs *ntfs, const struct ntfs_stream *s,
		      struct tranship_error *err)
{
	/* ntfs_runs_append keeps the product below 2^63. */
	if (!s->opened || s->resident || s->size <= s->runs.next_vcn * ntfs->g.cluster_size)
		return 0;
	return bad_stream(s, TRANSHIP_ECORRUPT, "its runs end before it does", s->size, err);
}

void ntfs_stream_close(struct ntfs_stream *s)
{
	free(s->value);
	ntfs_runs_free(&s->runs);
	free(s->unit.packed);
	free(s->unit.plain);
	*s = (struct ntfs_stream){ 0 };
}

/* Reads as much of it as one run has: *got bytes. */
static int read_run(const struct ntfs *ntfs, const struct ntfs_stream *s, uint64_t off,
		    unsigned char *buf, size_t len, size_t *got, struct tranship_error *err)
{
	uint32_t cluster = ntfs->g.cluster_size;
	const struct ntfs_run *run = ntfs_runs_find(&s->runs, off / cluster);
	uint64_t within;

	if (!run)
		return bad_stream(s, TRANSHIP_ECORRUPT, "its runs do not reach", off, err);
	within = off - run->vcn * cluster;
	*got = (size_t)min_u64(len, run->count * cluster - within);
	if (run->lcn == NTFS_HOLE) {
		memset(buf, 0, *got);
		return 0;
	}
	return volume_read(&ntfs->volume, run->lcn * cluster + within, buf, *got, err);
}

static int read_unit(const struct ntfs *ntfs, struct ntfs_stream *s, uint64_t off,
		     unsigned char *buf, size_t len, size_t *got, struct tranship_error *err)
{
	uint32_t unit = ntfs_unit_size(ntfs), within = (uint32_t)(off % unit);

	*got = (size_t)min_u64(len, unit - within);
	return ntfs_unit_read(ntfs, s, off / unit, within, buf, *got, err);
}

int ntfs_stream_read(const struct ntfs *ntfs, struct ntfs_stream *s, uint64_t off, void *buf,
		     size_t len, struct tranship_error *err)
{
	unsigned char *to = buf;
	size_t real, got = 0;
	int rc = 0;

	if (!range_ok(off, len, s->size))
		return bad_stream(s, TRANSHIP_EINVAL, "a read passes its end", off, err);
	real = off < s->initialised ? (size_t)min_u64(len, s->initialised - off) : 0;
	memset(to + real, 0, len - real);
	if (s->resident) {
		memcpy(to, s->value + off, real);
		return 0;
	}
	for (; real > 0 && rc == 0; off += got, to += got, real -= got)
		rc = s->compressed ? read_unit(ntfs, s, off, to, real, &got, err)
				   : read_run(ntfs, s, off, to, real, &got, err);
	return rc;
}
