// SPDX-License-Identifier: Apache-2.0
/*
 * A stream-optimized VMDK that comes through a pipe, read forward by its markers (VMware, "Virtual
 * Disk Format 5.0", "Stream-Optimized Compressed Sparse Extents"). Grains must come in ascending
 * order, as all writers place them.
 *
 * How a stream says that it is whole: VMware's writers end it with a footer and an end-of-stream
 * marker; open-vmdk puts the tables in front and only that marker behind; qemu-img puts the tables
 * in front and just stops, so there the grains are counted against the tables. With
 * TRANSHIP_OPEN_SALVAGE the walk over its markers (vmdk_walk.c) says what there is instead.
 */
#include "vmdk/vmdk_walk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "core/forward.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct vmdk_stream {
	struct vmdk_disk vmdk; /* one sparse extent, without a file */
	struct stream *stream;
	struct forward forward;
	uint64_t next_lba; /* no grain may come before it */
	atomic_bool ended; /* readers look, the map sets */
	bool footer_seen;
	uint64_t grains_seen;
	struct vmdk_grain_count count;
	struct vmdk_walk *walk; /* salvage; NULL: none */
};

static struct vmdk_stream *stream_of(struct tranship_disk *disk)
{
	return (struct vmdk_stream *)disk;
}

static struct vmdk_sparse *sparse_of(struct vmdk_stream *vs)
{
	return &vs->vmdk.extents[0].sparse;
}

/* Takes one packed grain, whose first sector (got bytes of it) is at hand. */
static int take_grain(struct vmdk_stream *vs, const struct vmdk_marker *marker,
		      const unsigned char *sector, size_t got, struct tranship_error *err)
{
	struct vmdk_sparse *s = sparse_of(vs);
	uint64_t at = stream_pos(vs->stream) - got, off = marker->value * VMDK_SECTOR;
	size_t total = VMDK_GRAIN_MARKER_SIZE + (size_t)marker->size, padded, waste_len;
	unsigned char waste[VMDK_SECTOR], *stored;
	int rc = 0;

	if (marker->value >= s->header.capacity || marker->value % s->header.grain_sectors)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: the grain at %" PRIu64 " of the stream has LBA %" PRIu64
				 ", which no grain of this disk has (%" PRIu64 " sectors)",
				 at, marker->value, s->header.capacity);
	if (marker->value < vs->next_lba)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "vmdk: the grain at %" PRIu64
				 " of the stream goes back to LBA %" PRIu64
				 "; such a stream can be read from a file only",
				 at, marker->value);
	if (total > vmdk_grain_stored_max(s))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: the grain at LBA %" PRIu64 " has %" PRIu32
				 " packed bytes, more than deflate makes",
				 marker->value, marker->size);
	stored = malloc(total);
	if (!stored)
		return error_nomem(err, total);
	memcpy(stored, sector, total < got ? total : got);
	if (total > got)
		rc = got < VMDK_SECTOR
			     ? error_set(err, TRANSHIP_ECORRUPT,
					 "vmdk: the stream ends inside the grain at LBA %" PRIu64,
					 marker->value)
			     : stream_read(vs->stream, stored + got, total - got, err);
	padded = (size_t)round_up(total, VMDK_SECTOR);
	if (rc == 0 && padded > VMDK_SECTOR) /* qemu-img does not pad the last one */
		rc = stream_read_some(vs->stream, waste, padded - total, &waste_len, err);
	if (rc) {
		free(stored);
		return rc;
	}
	vs->next_lba = marker->value + s->header.grain_sectors;
	vs->grains_seen++;
	return forward_push(&vs->forward, off, min_u64(s->grain_size, s->size - off), stored, total,
			    err);
}

static int take_footer(struct vmdk_stream *vs, struct tranship_error *err)
{
	const struct vmdk_header *h = &sparse_of(vs)->header;
	unsigned char raw[VMDK_HEADER_SIZE];
	struct vmdk_header footer;
	int rc = stream_read(vs->stream, raw, sizeof(raw), err);

	if (rc == 0)
		rc = vmdk_header_decode(raw, &footer, err);
	if (rc)
		return rc;
	if (footer.capacity != h->capacity || footer.grain_sectors != h->grain_sectors)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: header and footer describe different disks");
	vs->footer_seen = true;
	return 0;
}

/* The end of the pipe or the end-of-stream marker: is everything there? */
static int take_end(struct vmdk_stream *vs, bool marked, struct tranship_error *err)
{
	vs->ended = true;
	if (sparse_of(vs)->header.gd_offset == VMDK_GD_AT_END && !(marked && vs->footer_seen))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: the stream ends after %" PRIu64
				 " grains without its %s: it was cut short",
				 vs->grains_seen, marked ? "footer" : "end-of-stream marker");
	if (vs->count.known && vs->grains_seen != vs->count.grains)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: the stream ends after %" PRIu64
				 " grains, its tables name %" PRIu64,
				 vs->grains_seen, vs->count.grains);
	if (!marked && !vs->count.known)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: the stream ends without an end-of-stream marker and may be "
				 "cut short");
	return 0;
}

/* Salvage: the next thing that the walk finds. */
static int take_found(struct vmdk_stream *vs, struct tranship_error *err)
{
	struct vmdk_found found;
	unsigned char *stored;
	int rc = vmdk_walk_next(vs->walk, &found, err);

	if (rc)
		return rc;
	if (found.kind == VMDK_FOUND_END)
		vs->ended = true;
	if (found.kind == VMDK_FOUND_LOST)
		return forward_push_lost(&vs->forward, found.off, found.len, found.pos, err);
	if (found.kind != VMDK_FOUND_GRAIN)
		return 0;
	stored = malloc(found.stored_len);
	if (!stored)
		return error_nomem(err, found.stored_len);
	memcpy(stored, found.stored, found.stored_len);
	return forward_push(&vs->forward, found.off, found.len, stored, found.stored_len, err);
}

/* Takes the next thing off the pipe. */
static int take_next(struct vmdk_stream *vs, struct tranship_error *err)
{
	unsigned char sector[VMDK_SECTOR] = { 0 };
	struct vmdk_marker marker;
	size_t got;
	int rc;

	if (vs->walk)
		return take_found(vs, err);
	rc = stream_read_some(vs->stream, sector, sizeof(sector), &got, err);
	if (rc)
		return rc;
	if (got == 0)
		return take_end(vs, false, err);
	vmdk_marker_decode(sector, &marker);
	if (marker.size > 0)
		return take_grain(vs, &marker, sector, got, err);
	if (got < sizeof(sector))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: the stream ends at %" PRIu64 ", inside a marker",
				 stream_pos(vs->stream));
	switch (marker.type) {
	case VMDK_MARKER_EOS: return take_end(vs, true, err);
	case VMDK_MARKER_GT:
	case VMDK_MARKER_GD:
		if (marker.value > UINT32_MAX)
			return error_set(err, TRANSHIP_ECORRUPT,
					 "vmdk: a marker at %" PRIu64 " announces %" PRIu64
					 " sectors",
					 stream_pos(vs->stream) - got, marker.value);
		return stream_skip(vs->stream, marker.value * VMDK_SECTOR, err);
	case VMDK_MARKER_FOOTER: return take_footer(vs, err);
	default:
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: a marker of unknown type %" PRIu32 " at %" PRIu64,
				 marker.type, stream_pos(vs->stream) - got);
	}
}

/* Behind the last grain: the tables, and the proof that the stream is whole. */
static int take_rest(struct vmdk_stream *vs, struct tranship_error *err)
{
	int rc = 0;

	while (!vs->ended && rc == 0)
		rc = take_next(vs, err);
	return rc;
}

static int stream_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		      struct tranship_error *err)
{
	struct vmdk_stream *vs = stream_of(disk);

	for (;;) {
		struct forward_place place;
		int rc;

		forward_find(&vs->forward, off, &place);
		switch (place.kind) {
		case FORWARD_CHUNK:
			out->kind = TRANSHIP_DATA;
			out->compressed = true;
			out->len = place.end - off;
			return place.end == disk->size ? take_rest(vs, err) : 0;
		case FORWARD_LOST:
			out->kind = TRANSHIP_LOST;
			out->len = place.end - off;
			return place.end == disk->size ? take_rest(vs, err) : 0;
		case FORWARD_GONE: return forward_gone("vmdk", off, err);
		case FORWARD_GAP: break;
		}
		if (place.end != UINT64_MAX || vs->ended) {
			out->kind = TRANSHIP_ABSENT;
			out->len = place.end - off;
			return 0;
		}
		rc = take_next(vs, err);
		if (rc)
			return rc;
	}
}

/* The part [off, off + len) of a chunk. */
static int read_chunk(struct vmdk_stream *vs, struct vmdk_scratch *scratch,
		      const struct forward_chunk *chunk, uint64_t off, unsigned char *to,
		      size_t len, struct tranship_error *err)
{
	struct vmdk_sparse *s = sparse_of(vs);
	uint64_t index = chunk->off / s->grain_size;
	int rc;

	if (off == chunk->off && len == s->grain_size)
		return vmdk_grain_unpack(s, scratch, chunk->stored, chunk->stored_len, index, to,
					 len, len, err);
	if (!scratch->grain) {
		scratch->grain = malloc(s->grain_size);
		if (!scratch->grain)
			return error_nomem(err, s->grain_size);
	}
	rc = vmdk_grain_unpack(s, scratch, chunk->stored, chunk->stored_len, index, scratch->grain,
			       s->grain_size, (size_t)chunk->len, err);
	if (rc == 0)
		memcpy(to, scratch->grain + (off - chunk->off), len);
	return rc;
}

/* Before anything is taken, which could not be read again: whether some of it is lost. */
static int check_lost(struct vmdk_stream *vs, uint64_t off, uint64_t end,
		      struct tranship_error *err)
{
	while (vs->walk && off < end) {
		struct forward_place place;

		forward_find(&vs->forward, off, &place);
		if (place.kind == FORWARD_LOST)
			return vmdk_walk_lost(place.pos, err);
		if (place.kind == FORWARD_GONE)
			break;
		off = place.end;
	}
	return 0;
}

static int stream_read_disk(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf,
			    size_t len, struct tranship_error *err)
{
	struct vmdk_stream *vs = stream_of(disk);
	unsigned char *to = buf;
	int lost = check_lost(vs, off, off + len, err);

	if (lost)
		return lost;
	while (len > 0) {
		struct forward_place place;
		size_t n;
		int rc = 0;

		forward_find(&vs->forward, off, &place);
		n = (size_t)min_u64(len, place.end - off);
		if (place.kind == FORWARD_GONE)
			return forward_gone("vmdk", off, err);
		if (place.kind == FORWARD_CHUNK)
			rc = read_chunk(vs, scratch, place.chunk, off, to, n, err);
		else if (place.end != UINT64_MAX || vs->ended)
			memset(to, 0, n);
		else
			rc = error_set(err, TRANSHIP_EINVAL,
				       "vmdk: a pipe is mapped before it is read, its map did not "
				       "reach offset %" PRIu64,
				       off);
		if (rc)
			return rc;
		if (place.kind == FORWARD_CHUNK)
			forward_take(&vs->forward, place.chunk, n);
		to += n;
		off += n;
		len -= n;
	}
	return 0;
}

static void stream_disk_close(struct tranship_disk *disk)
{
	struct vmdk_stream *vs = stream_of(disk);

	forward_fini(&vs->forward);
	stream_close(vs->stream);
	vmdk_walk_free(vs->walk);
	free(vs->vmdk.extents);
	free(vs);
}

static void stream_disk_cancel(struct tranship_disk *disk)
{
	stream_cancel(stream_of(disk)->stream);
}

static int stream_scratch_new(struct tranship_disk *disk, void **out, struct tranship_error *err)
{
	(void)disk;
	*out = calloc(1, sizeof(struct vmdk_scratch));
	return *out ? 0 : error_nomem(err, sizeof(struct vmdk_scratch));
}

void vmdk_stream_properties(struct tranship_disk *disk, struct property_sink *sink)
{
	struct vmdk_disk *vmdk = vmdk_of(disk);

	property_number(sink, "cid", vmdk->cid);
	property_number(sink, "parent-cid", vmdk->parent_cid);
	property_text(sink, "create-type", vmdk->create_type);
}

static const struct disk_ops stream_disk_ops = {
	.map = stream_map,
	.read = stream_read_disk,
	.scratch_new = stream_scratch_new,
	.scratch_free = vmdk_scratch_free,
	.properties = vmdk_stream_properties,
	.cancel = stream_disk_cancel,
	.close = stream_disk_close,
};

bool vmdk_streams(const struct probe_input *in, const struct options *options)
{
	struct vmdk_header h;

	(void)options;
	return in->head_len >= VMDK_HEADER_SIZE && vmdk_header_decode(in->head, &h, NULL) == 0 &&
	       vmdk_header_streams(&h);
}

static int open_front(struct vmdk_stream *vs, struct stream *stream, unsigned flags,
		      struct tranship_error *err)
{
	bool salvage = flags & TRANSHIP_OPEN_SALVAGE;
	struct vmdk_front front = { .stream = stream, .vmdk = &vs->vmdk, .salvage = salvage };
	int rc = vmdk_front_take(&front, err);

	if (rc == 0 && vs->vmdk.disk.parent && !(flags & TRANSHIP_OPEN_LAYER))
		rc = error_set(err, TRANSHIP_EUNSUPPORTED,
			       "vmdk: a delta link, whose parent has CID %08" PRIx32
			       ", cannot be read from a pipe but as a layer",
			       vs->vmdk.parent_cid);
	vs->count = front.count;
	if (rc == 0 && salvage)
		rc = vmdk_walk_new(stream, sparse_of(vs), &front.count, &vs->walk, err);
	return rc;
}

int vmdk_stream_open(struct stream *stream, const struct open_params *params,
		     struct tranship_disk **out, struct tranship_error *err)
{
	struct vmdk_stream *vs = calloc(1, sizeof(*vs));
	int rc;

	if (!vs)
		return error_nomem(err, sizeof(*vs));
	disk_init(&vs->vmdk.disk, &stream_disk_ops, "vmdk");
	forward_init(&vs->forward);
	vs->vmdk.parent_cid = VMDK_NO_PARENT;
	vs->vmdk.extents = calloc(1, sizeof(*vs->vmdk.extents));
	vs->stream = stream;
	rc = vs->vmdk.extents ? open_front(vs, stream, params->flags, err)
			      : error_nomem(err, sizeof(*vs->vmdk.extents));
	if (rc) {
		vs->stream = NULL; /* stays the caller's */
		disk_fini(&vs->vmdk.disk);
		stream_disk_close(&vs->vmdk.disk);
		return rc;
	}
	vs->vmdk.disk.forward = true;
	*out = &vs->vmdk.disk;
	return 0;
}
