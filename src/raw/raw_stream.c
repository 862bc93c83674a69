// SPDX-License-Identifier: Apache-2.0
/*
 * A pipe does not say how much will come, and every format but raw must know the size of a disk
 * before its first byte. With the option size the disk is passed on as it comes, and exactly that
 * much must come.
 */
#include "raw/raw.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/forward.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK (1U << 20)

struct raw_stream {
	struct tranship_disk disk;
	struct stream *stream;
	struct forward forward;
};

static struct raw_stream *stream_of(struct tranship_disk *disk)
{
	return (struct raw_stream *)disk;
}

/* The size was promised: what comes behind it is somebody's data, too. */
static int check_end(struct raw_stream *raw, struct tranship_error *err)
{
	const unsigned char *data;
	size_t got;
	int rc = stream_peek(raw->stream, 1, &data, &got, err);

	if (rc == 0 && got > 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "raw: the stream goes on after its %" PRIu64 " bytes",
				 raw->disk.size);
	return rc;
}

static int raw_stream_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
			  struct tranship_error *err)
{
	struct raw_stream *raw = stream_of(disk);
	struct forward_place place;
	unsigned char *bytes;
	size_t len;
	int rc;

	out->kind = TRANSHIP_DATA;
	forward_find(&raw->forward, off, &place);
	if (place.kind == FORWARD_CHUNK) {
		out->len = place.end - off;
		return 0;
	}
	if (off != stream_pos(raw->stream))
		return forward_gone("raw", off, err);
	len = (size_t)min_u64(CHUNK, disk->size - off);
	bytes = malloc(len);
	if (!bytes)
		return error_nomem(err, len);
	rc = stream_read(raw->stream, bytes, len, err);
	if (rc == 0 && off + len == disk->size)
		rc = check_end(raw, err);
	if (rc) {
		free(bytes);
		return rc;
	}
	out->len = len;
	return forward_push(&raw->forward, off, len, bytes, len, err);
}

static int raw_stream_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf,
			   size_t len, struct tranship_error *err)
{
	struct raw_stream *raw = stream_of(disk);
	unsigned char *to = buf;

	(void)scratch;
	while (len > 0) {
		struct forward_place place;
		size_t n;

		forward_find(&raw->forward, off, &place);
		if (place.kind != FORWARD_CHUNK)
			return forward_gone("raw", off, err);
		n = (size_t)min_u64(len, place.end - off);
		memcpy(to, place.chunk->stored + (off - place.chunk->off), n);
		forward_take(&raw->forward, place.chunk, n);
		to += n;
		off += n;
		len -= n;
	}
	return 0;
}

static void raw_stream_cancel(struct tranship_disk *disk)
{
	stream_cancel(stream_of(disk)->stream);
}

static void raw_stream_close(struct tranship_disk *disk)
{
	struct raw_stream *raw = stream_of(disk);

	forward_fini(&raw->forward);
	stream_close(raw->stream);
	free(raw);
}

static const struct disk_ops raw_stream_ops = {
	.map = raw_stream_map,
	.read = raw_stream_read,
	.cancel = raw_stream_cancel,
	.close = raw_stream_close,
};

bool raw_streams(const struct probe_input *in, const struct options *options)
{
	(void)in;
	return options_text(options, "size", NULL) != NULL;
}

int raw_stream_open(struct stream *stream, const struct open_params *params,
		    struct tranship_disk **out, struct tranship_error *err)
{
	struct raw_stream *raw;
	int rc;

	if (options_size(params->options, "offset", 0) > 0)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "raw: a pipe cannot be read from an offset");
	raw = calloc(1, sizeof(*raw));
	if (!raw)
		return error_nomem(err, sizeof(*raw));
	disk_init(&raw->disk, &raw_stream_ops, "raw");
	raw->disk.size = options_size(params->options, "size", 0);
	raw->disk.forward = true;
	raw->stream = stream;
	/* A disk of no bytes is not mapped. */
	rc = raw->disk.size == 0 ? check_end(raw, err) : 0;
	if (rc) {
		free(raw);
		return rc;
	}
	forward_init(&raw->forward);
	*out = &raw->disk;
	return 0;
}
