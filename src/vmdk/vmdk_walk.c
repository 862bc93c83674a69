// SPDX-License-Identifier: Apache-2.0
#include "vmdk/vmdk_walk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What the window holds beyond the largest grain. */
#define WINDOW_EXTRA (256U << 10)

struct vmdk_walk {
	struct stream *stream;
	const struct vmdk_sparse *sparse;
	struct vmdk_grain_count count;
	struct vmdk_scratch *scratch;
	unsigned char *window; /* [start, end) of it is at hand */
	size_t cap, start, end;
	uint64_t next_lba; /* of the first grain that can follow */
	uint64_t grains;
	bool in_step;
	bool complete; /* a directory or a footer stood behind the last grain, in step */
	bool ended;
	uint64_t damaged_at; /* of the stream, when not in step */
	bool held;           /* a grain waits behind what was lost before it */
	struct vmdk_found grain;
};

void vmdk_walk_free(struct vmdk_walk *walk)
{
	if (!walk)
		return;
	vmdk_scratch_free(walk->scratch);
	free(walk->window);
	free(walk);
}

int vmdk_walk_new(struct stream *stream, const struct vmdk_sparse *sparse,
		  const struct vmdk_grain_count *count, struct vmdk_walk **out,
		  struct tranship_error *err)
{
	struct vmdk_walk *walk = calloc(1, sizeof(*walk));

	*out = NULL;
	if (!walk)
		return error_nomem(err, sizeof(*walk));
	walk->stream = stream;
	walk->sparse = sparse;
	walk->count = *count;
	walk->in_step = true;
	walk->cap = (size_t)round_up(vmdk_grain_stored_max(sparse), VMDK_SECTOR) + WINDOW_EXTRA;
	walk->window = malloc(walk->cap);
	walk->scratch = calloc(1, sizeof(*walk->scratch));
	if (walk->scratch)
		walk->scratch->grain = malloc(sparse->grain_size);
	if (!walk->window || !walk->scratch || !walk->scratch->grain) {
		error_nomem(err, walk->cap + sparse->grain_size);
		vmdk_walk_free(walk);
		return TRANSHIP_ENOMEM;
	}
	*out = walk;
	return 0;
}

int vmdk_walk_lost(uint64_t pos, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vmdk: the stream is damaged or cut short at %" PRIu64
			 ", no whole grain is found for this",
			 pos);
}

/* Of the stream: where the window's next byte stands. */
static uint64_t walk_pos(const struct vmdk_walk *walk)
{
	return stream_pos(walk->stream) - (walk->end - walk->start);
}

/* Fetches, so that the largest grain would be at hand; less is there only at the end. */
static int fill(struct vmdk_walk *walk, size_t *have, struct tranship_error *err)
{
	size_t need = walk->cap - WINDOW_EXTRA, got;
	int rc = 0;

	if (walk->end - walk->start < need) {
		memmove(walk->window, walk->window + walk->start, walk->end - walk->start);
		walk->end -= walk->start;
		walk->start = 0;
		rc = stream_read_some(walk->stream, walk->window + walk->end, walk->cap - walk->end,
				      &got, err);
		walk->end += rc ? 0 : got;
	}
	*have = walk->end - walk->start;
	return rc;
}

/* Passes over len bytes; false: the stream ends before. */
static int pass(struct vmdk_walk *walk, uint64_t len, bool *there, struct tranship_error *err)
{
	int rc = 0;

	*there = true;
	while (len > 0 && rc == 0) {
		size_t have, n;

		rc = fill(walk, &have, err);
		if (rc || have == 0) {
			*there = false;
			break;
		}
		n = (size_t)min_u64(len, have);
		walk->start += n;
		len -= n;
	}
	return rc;
}

static void lose_step(struct vmdk_walk *walk)
{
	if (walk->in_step)
		walk->damaged_at = walk_pos(walk);
	walk->in_step = false;
}

/* Whether a zlib header (RFC 1950, 2.2) begins here: spares an attempt to unpack most of what is no
 * grain. */
static bool begins_zlib(const unsigned char *at)
{
	return (at[0] & 0x0f) == 8 && (at[0] << 8 | at[1]) % 31 == 0;
}

/* Whether a whole grain that may follow begins the window, and its place. Codes other than those of
 * damage are errors. */
static int look_for_grain(struct vmdk_walk *walk, size_t have, bool *found,
			  struct tranship_error *err)
{
	const struct vmdk_sparse *s = walk->sparse;
	const unsigned char *at = walk->window + walk->start;
	struct vmdk_marker marker;
	struct tranship_error why;
	uint64_t off, len;
	size_t total;
	int rc;

	*found = false;
	if (have < VMDK_GRAIN_MARKER_SIZE + 2)
		return 0;
	marker.value = get_le64(at);
	marker.size = get_le32(at + 8);
	total = VMDK_GRAIN_MARKER_SIZE + (size_t)marker.size;
	if (marker.size < 2 || total > vmdk_grain_stored_max(s) || total > have ||
	    marker.value < walk->next_lba || marker.value >= s->header.capacity ||
	    marker.value % s->header.grain_sectors || !begins_zlib(at + VMDK_GRAIN_MARKER_SIZE))
		return 0;
	off = marker.value * VMDK_SECTOR;
	len = min_u64(s->grain_size, s->size - off);
	rc = vmdk_grain_unpack(s, walk->scratch, at, total, off / s->grain_size,
			       walk->scratch->grain, s->grain_size, (size_t)len, &why);
	if (rc && rc != TRANSHIP_ECORRUPT)
		return error_copy(err, &why, rc);
	*found = rc == 0;
	walk->grain = (struct vmdk_found){ VMDK_FOUND_GRAIN, off, len, walk_pos(walk), at, total };
	return 0;
}

/* Takes the grain that was found; what was lost before it goes first. */
static void take_grain(struct vmdk_walk *walk, size_t have, struct vmdk_found *out)
{
	const struct vmdk_header *h = &walk->sparse->header;
	uint64_t lba = walk->grain.off / VMDK_SECTOR;

	*out = walk->grain;
	walk->held = !walk->in_step && lba > walk->next_lba;
	if (walk->held)
		*out = (struct vmdk_found){ .kind = VMDK_FOUND_LOST,
					    .off = walk->next_lba * VMDK_SECTOR,
					    .len = (lba - walk->next_lba) * VMDK_SECTOR,
					    .pos = walk->damaged_at };
	walk->in_step = true;
	walk->complete = false;
	walk->next_lba = min_u64(lba + h->grain_sectors, h->capacity);
	walk->grains++;
	/* The bytes stay where they are until the window is filled again. */
	walk->start += (size_t)min_u64(round_up(walk->grain.stored_len, VMDK_SECTOR), have);
}

static bool is_footer(const struct vmdk_walk *walk, const unsigned char *raw)
{
	const struct vmdk_header *h = &walk->sparse->header;
	struct vmdk_header footer;

	return vmdk_header_decode(raw, &footer, NULL) == 0 && footer.capacity == h->capacity &&
	       footer.grain_sectors == h->grain_sectors;
}

/* Whether nothing is missing of what stands before here. */
static bool all_seen(const struct vmdk_walk *walk)
{
	return walk->complete || (walk->count.known && walk->count.grains == walk->grains);
}

/* In step, and no grain: a table, the footer, the end, or damage. */
static int take_marker(struct vmdk_walk *walk, size_t have, struct tranship_error *err)
{
	const struct vmdk_header *h = &walk->sparse->header;
	const unsigned char *at = walk->window + walk->start;
	struct vmdk_marker marker = { .size = 1 };
	uint64_t sectors = 0;
	bool known = false, there;
	int rc;

	if (have >= VMDK_SECTOR)
		vmdk_marker_decode(at, &marker);
	if (marker.size == 0) {
		/* Nobody pads tables by more than a grain of 64 KiB. */
		if (marker.type == VMDK_MARKER_GT || marker.type == VMDK_MARKER_GD) {
			sectors = marker.type == VMDK_MARKER_GT ? vmdk_gt_sectors(h)
								: vmdk_gd_sectors(h);
			known = marker.value <= round_up(sectors, 128);
			sectors = marker.value;
		} else if (marker.type == VMDK_MARKER_FOOTER) {
			sectors = 1;
			known = have >= 2 * VMDK_SECTOR && is_footer(walk, at + VMDK_SECTOR);
		} else if (marker.type == VMDK_MARKER_EOS && marker.value == 0) {
			/* Zeros in the middle look the same. */
			if (h->gd_offset != VMDK_GD_AT_END && have == VMDK_SECTOR)
				walk->complete = true;
			walk->ended = known = all_seen(walk);
		}
	}
	if (!known)
		lose_step(walk);
	rc = pass(walk, min_u64(have, VMDK_SECTOR), &there, err);
	if (rc == 0 && known)
		rc = pass(walk, sectors * VMDK_SECTOR, &there, err);
	if (rc)
		return rc;
	if (!there)
		lose_step(walk);
	else if (known && (marker.type == VMDK_MARKER_GD || marker.type == VMDK_MARKER_FOOTER))
		walk->complete = true;
	return 0;
}

/* The input is at its end, or something says that nothing follows. */
static void take_end(struct vmdk_walk *walk, struct vmdk_found *out)
{
	const struct vmdk_header *h = &walk->sparse->header;

	*out = (struct vmdk_found){ .kind = VMDK_FOUND_END };
	if (!all_seen(walk) && walk->next_lba < h->capacity) {
		lose_step(walk);
		*out = (struct vmdk_found){ .kind = VMDK_FOUND_LOST,
					    .off = walk->next_lba * VMDK_SECTOR,
					    .len = (h->capacity - walk->next_lba) * VMDK_SECTOR,
					    .pos = walk->damaged_at };
		walk->next_lba = h->capacity;
	}
	walk->ended = true;
}

int vmdk_walk_next(struct vmdk_walk *walk, struct vmdk_found *out, struct tranship_error *err)
{
	if (walk->held) {
		walk->held = false;
		*out = walk->grain;
		return 0;
	}
	while (!walk->ended) {
		bool found, there;
		size_t have;
		int rc = fill(walk, &have, err);

		if (rc == 0 && have == 0)
			break;
		if (rc == 0)
			rc = look_for_grain(walk, have, &found, err);
		if (rc)
			return rc;
		if (found) {
			take_grain(walk, have, out);
			return 0;
		}
		rc = walk->in_step ? take_marker(walk, have, err)
				   : pass(walk, VMDK_SECTOR, &there, err);
		if (rc)
			return rc;
	}
	take_end(walk, out);
	return 0;
}
