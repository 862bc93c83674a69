// SPDX-License-Identifier: Apache-2.0
#include "vmdk/vmdk_front.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>

/* A directory in front is held while its tables pass: 1 MiB of it stands for 8 TiB of disk. */
#define FRONT_GD_MAX (1U << 18)

/* Counts the grains that the tables in [gd, overhead) name; the pipe stands at the directory. */
static int count_grains(struct vmdk_front *front, const struct vmdk_header *h,
			struct tranship_error *err)
{
	uint64_t entries = vmdk_gd_entries(h), sector = h->gd_offset + vmdk_gd_sectors(h),
		 count = 0, i;
	size_t gd_bytes = (size_t)vmdk_gd_sectors(h) * VMDK_SECTOR,
	       gt_bytes = (size_t)vmdk_gt_sectors(h) * VMDK_SECTOR;
	unsigned char *gd = malloc(gd_bytes + gt_bytes + 1), *gt;
	int rc;

	if (!gd)
		return error_nomem(err, gd_bytes + gt_bytes);
	gt = gd + gd_bytes;
	rc = stream_read(front->stream, gd, gd_bytes, err);
	for (i = 0; i < entries && rc == 0; i++) {
		uint64_t at = get_le32(gd + 4 * i);
		uint32_t n;

		if (at == 0)
			continue;
		if (at < sector ||
		    at + vmdk_gt_sectors(h) > h->overhead) /* tables in an order of their own */
			goto out;
		rc = stream_skip(front->stream, (at - sector) * VMDK_SECTOR, err);
		if (rc == 0)
			rc = stream_read(front->stream, gt, gt_bytes, err);
		for (n = 0; rc == 0 && n < h->gtes_per_gt; n++)
			count += get_le32(gt + 4 * n) > VMDK_GTE_ZERO;
		sector = at + vmdk_gt_sectors(h);
	}
	front->count.known = rc == 0;
	front->count.grains = count;
out:
	free(gd);
	return rc;
}

/* A front that is damaged, or ends too soon, is no reason to stop where there is salvage. */
static int forgive(const struct vmdk_front *front, int rc)
{
	return rc == TRANSHIP_ECORRUPT && front->salvage ? 0 : rc;
}

static int take_text(struct vmdk_front *front, const struct vmdk_header *h,
		     struct tranship_error *err)
{
	size_t len = (size_t)h->descriptor_sectors * VMDK_SECTOR;
	char *text = malloc(len);
	int rc;

	if (!text)
		return error_nomem(err, len);
	rc = stream_skip(front->stream, h->descriptor_offset * VMDK_SECTOR - VMDK_HEADER_SIZE, err);
	if (rc == 0)
		rc = stream_read(front->stream, text, len, err);
	if (rc == 0)
		rc = vmdk_take_embedded(front->vmdk, text, len, err);
	free(text);
	return rc;
}

/* The way from the header to the first grain: the descriptor, then tables in front if there are
 * any. */
static int skip_to_grains(struct vmdk_front *front, const struct vmdk_header *h,
			  struct tranship_error *err)
{
	uint64_t pos, end = h->overhead * VMDK_SECTOR;
	int rc = 0;

	if (h->descriptor_offset > 0 && h->descriptor_sectors > 0)
		rc = forgive(front, take_text(front, h, err));
	pos = stream_pos(front->stream);
	if (rc == 0 && h->gd_offset != VMDK_GD_AT_END && h->gd_offset * VMDK_SECTOR >= pos &&
	    h->gd_offset < h->overhead && vmdk_gd_entries(h) <= FRONT_GD_MAX) {
		rc = stream_skip(front->stream, h->gd_offset * VMDK_SECTOR - pos, err);
		if (rc == 0)
			rc = count_grains(front, h, err);
		rc = forgive(front, rc);
	}
	pos = stream_pos(front->stream);
	if (rc == 0)
		rc = stream_skip(front->stream, end > pos ? end - pos : 0, err);
	return forgive(front, rc);
}

bool vmdk_header_streams(const struct vmdk_header *h)
{
	return h->flags & VMDK_FLAG_COMPRESSED && h->flags & VMDK_FLAG_MARKERS;
}

static int check_streamable(const struct vmdk_header *h, struct tranship_error *err)
{
	if (!vmdk_header_streams(h))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: only a stream-optimized disk can be read from a pipe; this "
				 "one needs a file");
	if (h->overhead == 0 || h->overhead > UINT32_MAX ||
	    !range_ok(h->descriptor_offset, h->descriptor_sectors, h->overhead) ||
	    h->descriptor_sectors > VMDK_EMBEDDED_MAX / VMDK_SECTOR)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: overhead of %" PRIu64 " sectors, descriptor of %" PRIu64
				 " at %" PRIu64 ": they do not fit",
				 h->overhead, h->descriptor_sectors, h->descriptor_offset);
	return 0;
}

int vmdk_front_take(struct vmdk_front *front, struct tranship_error *err)
{
	struct vmdk_sparse *s = &front->vmdk->extents[0].sparse;
	unsigned char raw[VMDK_HEADER_SIZE];
	int rc = stream_read(front->stream, raw, sizeof(raw), err);

	if (rc == 0)
		rc = vmdk_header_decode(raw, &s->header, err);
	if (rc == 0)
		rc = check_streamable(&s->header, err);
	if (rc)
		return rc;
	s->size = s->header.capacity * VMDK_SECTOR;
	s->grain_size = (uint32_t)(s->header.grain_sectors * VMDK_SECTOR);
	s->grains = div_up(s->header.capacity, s->header.grain_sectors);
	front->vmdk->disk.size = s->size;
	front->vmdk->disk.cluster_size = s->grain_size;
	return skip_to_grains(front, &s->header, err);
}
