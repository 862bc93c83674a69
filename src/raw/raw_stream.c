// SPDX-License-Identifier: Apache-2.0
/*
 * A pipe does not say how much will come. With the option size the disk is passed on as it comes,
 * and exactly that much must come; without it the pipe is first put into an unnamed temporary file,
 * with its zeros left out, because every format but raw must know the size of a disk before its
 * first byte.
 */
#include "raw/raw.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/zero.h"
#include "core/forward.h"
#include "io/file_local.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK (1U << 20)
#define SPOOL_HOLE (64U << 10)

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

static int open_forward(struct stream *stream, uint64_t size, struct tranship_disk **out,
			struct tranship_error *err)
{
	struct raw_stream *raw = calloc(1, sizeof(*raw));

	if (!raw)
		return error_nomem(err, sizeof(*raw));
	disk_init(&raw->disk, &raw_stream_ops, "raw");
	raw->disk.size = size;
	raw->disk.forward = true;
	forward_init(&raw->forward);
	raw->stream = stream;
	*out = &raw->disk;
	return 0;
}

/* A file without a name: gone with its last descriptor, whatever happens. */
static int open_unnamed(const char *folder, struct tranship_error *err)
{
	char name[4096] = "";
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if ((size_t)snprintf(name, sizeof(name), "%s/.tranship-spool-XXXXXX", folder) <
	    sizeof(name))
		fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno,
				 "raw: no temporary file for what comes through the pipe");
	unlink(name);
	return fd;
}

/* Writes a chunk, leaving its zeros out. */
static int spool_chunk(struct tranship_file *file, uint64_t off, const unsigned char *bytes,
		       size_t len, struct tranship_error *err)
{
	int rc = 0;

	while (len > 0 && rc == 0) {
		size_t n = len < SPOOL_HOLE ? len : SPOOL_HOLE;

		if (!bytes_are_zero(bytes, n))
			rc = file_write(file, off, bytes, n, err);
		off += n;
		bytes += n;
		len -= n;
	}
	return rc;
}

static int spool(struct stream *stream, const char *folder, struct tranship_file **out,
		 struct tranship_error *err)
{
	unsigned char *bytes = malloc(CHUNK);
	struct tranship_file *file = NULL;
	uint64_t off = 0;
	int fd, rc;

	if (!bytes)
		return error_nomem(err, CHUNK);
	fd = open_unnamed(folder, err);
	if (fd < 0) {
		free(bytes);
		return fd;
	}
	rc = file_local_writer(fd, TRANSHIP_CACHE_UNSAFE, false, &file, err);
	if (rc)
		close(fd);
	while (rc == 0) {
		size_t got;

		rc = stream_read_some(stream, bytes, CHUNK, &got, err);
		if (rc == 0)
			rc = spool_chunk(file, off, bytes, got, err);
		off += got;
		if (rc == 0 && got < CHUNK)
			break;
	}
	if (rc == 0)
		rc = file_resize(file, off, err);
	free(bytes);
	if (rc) {
		tranship_file_close(file);
		return rc;
	}
	*out = file;
	return 0;
}

int raw_stream_open(struct stream *stream, const struct open_params *params,
		    struct tranship_disk **out, struct tranship_error *err)
{
	const char *size = options_text(params->options, "size", NULL);
	struct tranship_file *file = NULL;
	int rc;

	if (options_size(params->options, "offset", 0) > 0)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "raw: a pipe cannot be read from an offset");
	if (size)
		return open_forward(stream, options_size(params->options, "size", 0), out, err);
	if (!params->spool_folder)
		return error_set(
			err, TRANSHIP_EINVAL,
			"raw: a pipe does not say how large its disk is; the option size does");
	rc = spool(stream, params->spool_folder, &file, err);
	if (rc)
		return rc;
	rc = raw_open(file, params, out, err);
	if (rc) {
		tranship_file_close(file);
		return rc;
	}
	stream_close(stream);
	return 0;
}
