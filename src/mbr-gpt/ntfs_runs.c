// SPDX-License-Identifier: Apache-2.0
/* Run lists ("mapping pairs"): which clusters a file's content stands in. */
#include "mbr-gpt/ntfs_ondisk.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>

static int bad_runs(uint64_t number, const struct ntfs_attribute *a, uint64_t vcn, const char *what,
		    struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT,
			 "ntfs: file record %" PRIu64 ": attribute 0x%x: runs at VCN %" PRIu64
			 ": %s",
			 number, a->type, vcn, what);
}

static int add(struct ntfs_runs *runs, uint64_t lcn, uint64_t count, struct tranship_error *err)
{
	struct ntfs_run *last = runs->count > 0 ? &runs->at[runs->count - 1] : NULL;

	if (last && (lcn == NTFS_HOLE ? last->lcn == NTFS_HOLE
				      : last->lcn != NTFS_HOLE && last->lcn + last->count == lcn)) {
		last->count += count;
		runs->next_vcn += count;
		return 0;
	}
	if (runs->count == NTFS_RUNS_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "ntfs: a file of more than %u runs",
				 (unsigned)NTFS_RUNS_MAX);
	if (runs->count == runs->cap) {
		uint32_t cap = runs->cap ? 2 * runs->cap : 8;
		struct ntfs_run *at = realloc(runs->at, cap * sizeof(*at));

		if (!at)
			return error_nomem(err, cap * sizeof(*at));
		runs->at = at;
		runs->cap = cap;
	}
	runs->at[runs->count++] = (struct ntfs_run){ runs->next_vcn, lcn, count };
	runs->next_vcn += count;
	return 0;
}

/* A signed integer of 1 to 8 bytes. */
static int64_t get_signed(const unsigned char *p, unsigned width)
{
	uint64_t v = p[width - 1] & 0x80 ? UINT64_MAX : 0;

	while (width > 0)
		v = v << 8 | p[--width];
	return (int64_t)v;
}

/* Decodes the pair at *p. Returns what is wrong with it, or NULL; *count 0: the list ends. */
static const char *decode_pair(const unsigned char **p, const unsigned char *end, int64_t *lcn,
			       bool *hole, uint64_t *count)
{
	unsigned length_size, offset_size;
	int64_t length, delta;

	*count = 0;
	if (*p == end || **p == 0)
		return NULL;
	length_size = **p & 0x0F;
	offset_size = **p >> 4;
	(*p)++;
	if (length_size == 0 || length_size > 8 || offset_size > 8)
		return "a field of more than 8 bytes, or of none";
	if ((size_t)(end - *p) < length_size + offset_size)
		return "they pass the attribute's end";
	length = get_signed(*p, length_size);
	*p += length_size;
	if (length <= 0)
		return "a length below 1";
	*hole = offset_size == 0;
	if (!*hole) {
		delta = get_signed(*p, offset_size);
		*p += offset_size;
		if (__builtin_add_overflow(*lcn, delta, lcn) || *lcn < 0)
			return "a cluster before the volume";
	}
	*count = (uint64_t)length;
	return NULL;
}

int ntfs_runs_append(struct ntfs_runs *runs, const struct ntfs_attribute *a,
		     const struct ntfs_geometry *g, uint64_t number, struct tranship_error *err)
{
	const uint64_t vcn_max = (uint64_t)INT64_MAX / g->cluster_size;
	const unsigned char *p = a->runs, *end = a->runs + a->runs_len;
	int64_t lcn = 0;

	if (a->lowest_vcn != runs->next_vcn)
		return bad_runs(number, a, a->lowest_vcn,
				"this extent does not go on where the one before ends", err);
	for (;;) {
		uint64_t count;
		bool hole;
		const char *fault = decode_pair(&p, end, &lcn, &hole, &count);
		int rc;

		if (!fault && count == 0)
			break;
		if (!fault && !hole && !range_ok((uint64_t)lcn, count, g->clusters))
			fault = "they pass the volume's end";
		if (!fault && !range_ok(runs->next_vcn, count, vcn_max))
			fault = "the file is longer than can be";
		if (fault)
			return bad_runs(number, a, runs->next_vcn, fault, err);
		rc = add(runs, hole ? NTFS_HOLE : (uint64_t)lcn, count, err);
		if (rc)
			return rc;
	}
	/* ntfs-3g takes a highest VCN of 0 as "not given", so there are such volumes. */
	if (a->next_vcn != runs->next_vcn && a->next_vcn != 1)
		return bad_runs(number, a, runs->next_vcn,
				"they do not end with the highest VCN of their extent", err);
	return 0;
}

const struct ntfs_run *ntfs_runs_find(const struct ntfs_runs *runs, uint64_t vcn)
{
	uint32_t low = 0, high = runs->count;

	if (vcn >= runs->next_vcn)
		return NULL;
	/* The last one that begins at vcn or before. */
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (runs->at[middle].vcn <= vcn)
			low = middle;
		else
			high = middle;
	}
	return &runs->at[low];
}

void ntfs_runs_free(struct ntfs_runs *runs)
{
	free(runs->at);
	*runs = (struct ntfs_runs){ 0 };
}
