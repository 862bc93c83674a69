// SPDX-License-Identifier: Apache-2.0
#include "io/spool.h"

#include "base/error.h"
#include "base/zero.h"
#include "io/file.h"
#include "io/file_local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK (1U << 20)
#define SPOOL_HOLE (64U << 10)

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
		return error_sys(err, errno, "no temporary file for what comes through the pipe");
	unlink(name);
	return fd;
}

/* Writes a chunk, leaving its zeros out. */
static int put_chunk(struct tranship_file *file, uint64_t off, const unsigned char *bytes,
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

int stream_spool(struct stream *stream, const char *folder, struct tranship_file **out,
		 struct tranship_error *err)
{
	unsigned char *bytes = malloc(CHUNK);
	struct tranship_file *file = NULL;
	uint64_t off = 0;
	int fd, rc;

	*out = NULL;
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
			rc = put_chunk(file, off, bytes, got, err);
		off += got;
		if (rc == 0 && got < CHUNK)
			break;
		if (rc == 0)
			rc = stream_look(stream, err);
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
