// SPDX-License-Identifier: Apache-2.0
/*
 * Compressed grains (VMware, "Virtual Disk Format 5.0", "Stream-Optimized Compressed Sparse
 * Extents"). A grain begins at a sector with its marker and takes as many bytes as the marker says.
 * Grains that follow each other in the file, as all writers place them, are fetched with one read
 * and unpacked straight into the caller's buffer.
 *
 * A grain that does not compress is larger packed than not (65562 bytes for 65536 have been seen):
 * anything up to deflate's own bound is taken.
 */
#include "vmdk/vmdk_sparse.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/deflate.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A read of packed grains fetches no more of the file than this at once (or one grain). */
#define FETCH_MAX (1U << 20)
/* Grains that are looked up at once; one more is looked at to see where the last one ends. */
#define GROUP_MAX 64U

size_t vmdk_grain_stored_max(const struct vmdk_sparse *s)
{
	return vmdk_grain_head(s) + deflate_bound(s->grain_size);
}

void vmdk_scratch_free(void *arg)
{
	struct vmdk_scratch *scratch = arg;

	if (!scratch)
		return;
	inflater_free(scratch->inflater);
	free(scratch->packed);
	free(scratch->grain);
	free(scratch);
}

static int ensure(unsigned char **buf, size_t *cap, size_t need, struct tranship_error *err)
{
	if (*cap >= need)
		return 0;
	free(*buf);
	*buf = malloc(need);
	*cap = *buf ? need : 0;
	return *buf ? 0 : error_nomem(err, need);
}

static int bad_grain(const struct vmdk_sparse *s, uint64_t index, const char *what, uint64_t value,
		     uint64_t bound, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vmdk: the grain at LBA %" PRIu64 " %s (%" PRIu64 ", %" PRIu64 ")",
			 index * s->header.grain_sectors, what, value, bound);
}

int vmdk_grain_unpack(const struct vmdk_sparse *s, struct vmdk_scratch *scratch,
		      const unsigned char *stored, size_t stored_len, uint64_t index,
		      unsigned char *out, size_t cap, size_t need, struct tranship_error *err)
{
	size_t head = vmdk_grain_head(s), packed, got;
	int rc = 0;

	if (stored_len < head)
		return bad_grain(s, index, "is cut off by the end of the file (has, needs)",
				 stored_len, head, err);
	packed = get_le32(stored + head - 4);
	if (s->header.flags & VMDK_FLAG_MARKERS &&
	    get_le64(stored) != index * s->header.grain_sectors)
		return bad_grain(s, index, "has another grain's marker (has, wanted)",
				 get_le64(stored), index * s->header.grain_sectors, err);
	if (packed > vmdk_grain_stored_max(s) - head)
		return bad_grain(s, index, "is larger than deflate makes one (bytes, bound)",
				 packed, vmdk_grain_stored_max(s) - head, err);
	if (packed > stored_len - head)
		return bad_grain(s, index,
				 "is cut off by the end of the file or the next grain (needs, has)",
				 packed, stored_len - head, err);
	if (!scratch->inflater)
		rc = inflater_new(&scratch->inflater, err);
	if (rc)
		return rc;
	switch (inflater_run(scratch->inflater, stored + head, packed, out, cap, &got)) {
	case INFLATE_OK:
		if (got < need)
			return bad_grain(s, index, "unpacks to too few bytes (has, needs)", got,
					 need, err);
		return 0;
	case INFLATE_LONG:
		return bad_grain(s, index, "unpacks to more than a grain (packed bytes, grain)",
				 packed, cap, err);
	default:
		return bad_grain(s, index,
				 "does not unpack, its data is damaged (packed bytes, grain)",
				 packed, cap, err);
	}
}

/* A stretch of packed grains to fetch at once: entries[0..count) of grains `index` and following.
 */
struct group {
	uint64_t index;
	size_t count;
	uint64_t file_off;
	size_t len;
};

/*
 * The longest stretch from entries[0] on whose grains ascend in the file. Where a grain ends is
 * known from where the next one begins; `entries` has one more than `count` for that, 0 if unknown.
 */
static void gather(const struct vmdk_sparse *s, const uint64_t *entries, size_t count,
		   struct group *group)
{
	uint64_t start = entries[0] * VMDK_SECTOR, end = start;
	size_t max = vmdk_grain_stored_max(s), n = 0;

	while (n < count && entries[n] > VMDK_GTE_ZERO) {
		uint64_t off = entries[n] * VMDK_SECTOR;
		uint64_t next = entries[n + 1] * VMDK_SECTOR;
		bool known = next > off && next - off <= round_up(max, VMDK_SECTOR);

		if (n > 0 && (off != end || off - start + max > FETCH_MAX))
			break;
		n++;
		end = known ? next : off + max;
		if (!known)
			break;
	}
	end = min_u64(end, tranship_file_size(s->file));
	group->count = n;
	group->file_off = start;
	group->len = (size_t)(end - start);
}

/* Unpacks grain `index` for the part [from, to) of the disk that is wanted of it, to buf. */
static int deliver(struct vmdk_sparse *s, struct vmdk_scratch *scratch, const unsigned char *stored,
		   size_t stored_len, uint64_t index, uint64_t from, uint64_t to,
		   unsigned char *buf, struct tranship_error *err)
{
	uint64_t start = index * s->grain_size;
	size_t need = (size_t)min_u64(s->grain_size, s->size - start);
	int rc;

	if (from == start && to - from == s->grain_size)
		return vmdk_grain_unpack(s, scratch, stored, stored_len, index, buf, s->grain_size,
					 need, err);
	rc = ensure(&scratch->grain, &scratch->grain_cap, s->grain_size, err);
	scratch->held = NULL;
	if (rc == 0)
		rc = vmdk_grain_unpack(s, scratch, stored, stored_len, index, scratch->grain,
				       s->grain_size, need, err);
	if (rc)
		return rc;
	scratch->held = s;
	scratch->held_index = index;
	memcpy(buf, scratch->grain + (from - start), (size_t)(to - from));
	return 0;
}

/* What is wanted, and how far it got. */
struct request {
	uint64_t off;
	unsigned char *buf;
	size_t len;
};

/* The part of grain `index` that the request wants next is [*from, *to). */
static void part_of(const struct vmdk_sparse *s, const struct request *req, uint64_t index,
		    uint64_t *from, uint64_t *to)
{
	*from = req->off;
	*to = min_u64((index + 1) * s->grain_size, req->off + req->len);
}

static void advance(struct request *req, uint64_t len)
{
	req->off += len;
	req->buf += len;
	req->len -= (size_t)len;
}

static int read_group(struct vmdk_sparse *s, struct vmdk_scratch *scratch,
		      const struct group *group, const uint64_t *entries, struct request *req,
		      struct tranship_error *err)
{
	size_t i;
	int rc;

	rc = ensure(&scratch->packed, &scratch->packed_cap,
		    FETCH_MAX + vmdk_grain_stored_max(s) + VMDK_SECTOR, err);
	if (rc == 0)
		rc = tranship_file_read(s->file, group->file_off, scratch->packed, group->len, err);
	for (i = 0; i < group->count && rc == 0; i++) {
		uint64_t start = entries[i] * VMDK_SECTOR - group->file_off, from, to;
		size_t at = (size_t)min_u64(start, group->len); /* it may begin past the file */

		part_of(s, req, group->index + i, &from, &to);
		rc = deliver(s, scratch, scratch->packed + at, group->len - at, group->index + i,
			     from, to, req->buf, err);
		advance(req, to - from);
	}
	return rc;
}

/* Grains that need not be fetched: absent, zero, or the one that is held unpacked. */
static bool at_hand(struct vmdk_sparse *s, struct vmdk_scratch *scratch, uint64_t entry,
		    struct request *req)
{
	uint64_t index = req->off / s->grain_size, from, to;
	bool held = scratch->held == s && scratch->held_index == index;

	if (entry > VMDK_GTE_ZERO && !held)
		return false;
	part_of(s, req, index, &from, &to);
	if (entry > VMDK_GTE_ZERO)
		memcpy(req->buf, scratch->grain + (from - index * s->grain_size),
		       (size_t)(to - from));
	else
		memset(req->buf, 0, (size_t)(to - from));
	advance(req, to - from);
	return true;
}

static int check_start(const struct vmdk_sparse *s, const struct group *group, uint64_t entry,
		       struct tranship_error *err)
{
	uint64_t size = tranship_file_size(s->file);

	if (group->file_off < size)
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vmdk: grain table %" PRIu64 " entry %" PRIu64 " points at sector %" PRIu64
			 ", past the end of the file (sector %" PRIu64 ")",
			 group->index / s->header.gtes_per_gt, group->index % s->header.gtes_per_gt,
			 entry, size / VMDK_SECTOR);
}

int vmdk_grain_read(struct vmdk_sparse *s, struct vmdk_scratch *scratch, uint64_t off,
		    unsigned char *buf, size_t len, struct tranship_error *err)
{
	struct request req = { off, buf, len };
	int rc = 0;

	while (req.len > 0 && rc == 0) {
		uint64_t entries[GROUP_MAX + 1] = { 0 };
		uint64_t first = req.off / s->grain_size;
		uint64_t last = (req.off + req.len - 1) / s->grain_size;
		size_t count = (size_t)min_u64(last - first + 1, GROUP_MAX), i = 0;
		size_t known = (size_t)min_u64(count + 1, s->grains - first);

		rc = vmdk_sparse_entries_some(s, first, &known, entries, err);
		count = known < count ? known : count;
		while (i < count && rc == 0) {
			struct group group = { .index = first + i };

			if (at_hand(s, scratch, entries[i], &req)) {
				i++;
				continue;
			}
			gather(s, entries + i, count - i, &group);
			rc = check_start(s, &group, entries[i], err);
			if (rc == 0)
				rc = read_group(s, scratch, &group, entries + i, &req, err);
			i += group.count;
		}
	}
	return rc;
}
