// SPDX-License-Identifier: Apache-2.0
#include "io/stream.h"

#include "base/checked.h"
#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often a read that waits for input looks whether it was canceled. */
#define CANCEL_POLL_MS 200

#define SECTOR 512U

struct stream {
	int fd; /* -1: a file */
	struct tranship_file *file;
	uint64_t fetched; /* of the file */
	uint64_t pos;
	atomic_bool canceled;
	int (*look)(void *ctx, struct tranship_error *err); /* NULL: none */
	void *look_ctx;
	size_t ahead_start,
		ahead_end; /* what was peeked and not taken stands in ahead[start, end) */
	unsigned char ahead[STREAM_PEEK_MAX];
};

int stream_new(int fd, struct stream **out, struct tranship_error *err)
{
	struct stream *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (!s)
		return error_nomem(err, sizeof(*s));
	s->fd = fd;
	atomic_init(&s->canceled, false);
	*out = s;
	return 0;
}

int stream_of_file(struct tranship_file *file, struct stream **out, struct tranship_error *err)
{
	int rc = stream_new(-1, out, err);

	if (rc == 0)
		(*out)->file = file;
	return rc;
}

void stream_close(struct stream *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

uint64_t stream_pos(const struct stream *s)
{
	return s->pos;
}

void stream_watch(struct stream *s, int (*look)(void *ctx, struct tranship_error *err), void *ctx)
{
	s->look = look;
	s->look_ctx = ctx;
}

int stream_look(struct stream *s, struct tranship_error *err)
{
	return s->look ? s->look(s->look_ctx, err) : 0;
}

void stream_cancel(struct stream *s)
{
	atomic_store(&s->canceled, true);
}

/* The same from a file; what cannot be read is zeros. */
static int fetch_file(struct stream *s, unsigned char *buf, size_t len, size_t *got,
		      struct tranship_error *err)
{
	size_t n = (size_t)min_u64(len, tranship_file_size(s->file) - s->fetched), at, part;
	int rc = n ? tranship_file_read(s->file, s->fetched, buf, n, err) : 0;

	for (at = 0; rc == TRANSHIP_EIO && at < n; at += part) {
		part = (size_t)min_u64(SECTOR - (s->fetched + at) % SECTOR, n - at);
		if (tranship_file_read(s->file, s->fetched + at, buf + at, part, err))
			memset(buf + at, 0, part);
	}
	if (rc && rc != TRANSHIP_EIO)
		return rc;
	s->fetched += n;
	*got = n;
	return 0;
}

/* One read(2) that gives something, or 0 at the end. */
static int fetch(struct stream *s, void *buf, size_t len, size_t *got, struct tranship_error *err)
{
	if (s->file)
		return fetch_file(s, buf, len, got, err);
	for (;;) {
		struct pollfd p = { .fd = s->fd, .events = POLLIN };
		int ready;
		ssize_t n;

		if (atomic_load(&s->canceled))
			return error_set(err, TRANSHIP_ECANCELED, "canceled");
		ready = poll(&p, 1, CANCEL_POLL_MS);
		if (ready <= 0 && s->look) {
			int rc = s->look(s->look_ctx, err);

			if (rc)
				return rc;
		}
		if (ready == 0 || (ready < 0 && errno == EINTR))
			continue;
		n = read(s->fd, buf, len);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return error_sys(err, errno, "reading the stream at %" PRIu64 " failed",
					 s->pos);
		*got = (size_t)n;
		return 0;
	}
}

int stream_peek(struct stream *s, size_t want, const unsigned char **data, size_t *got,
		struct tranship_error *err)
{
	want = want < STREAM_PEEK_MAX ? want : STREAM_PEEK_MAX;
	if (s->ahead_start > 0) {
		memmove(s->ahead, s->ahead + s->ahead_start, s->ahead_end - s->ahead_start);
		s->ahead_end -= s->ahead_start;
		s->ahead_start = 0;
	}
	while (s->ahead_end < want) {
		size_t n;
		int rc = fetch(s, s->ahead + s->ahead_end, want - s->ahead_end, &n, err);

		if (rc)
			return rc;
		if (n == 0)
			break;
		s->ahead_end += n;
	}
	*data = s->ahead;
	*got = s->ahead_end < want ? s->ahead_end : want;
	return 0;
}

int stream_read_some(struct stream *s, void *buf, size_t len, size_t *got,
		     struct tranship_error *err)
{
	size_t ahead = s->ahead_end - s->ahead_start;

	*got = ahead < len ? ahead : len;
	memcpy(buf, s->ahead + s->ahead_start, *got);
	s->ahead_start += *got;
	s->pos += *got;
	while (*got < len) {
		size_t n;
		int rc = fetch(s, (unsigned char *)buf + *got, len - *got, &n, err);

		if (rc)
			return rc;
		if (n == 0)
			break;
		*got += n;
		s->pos += n;
	}
	return 0;
}

int stream_read(struct stream *s, void *buf, size_t len, struct tranship_error *err)
{
	uint64_t from = s->pos;
	size_t got;
	int rc = stream_read_some(s, buf, len, &got, err);

	if (rc == 0 && got < len)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "the stream ends at %" PRIu64
				 ", inside %zu bytes that begin at %" PRIu64,
				 s->pos, len, from);
	return rc;
}

int stream_skip(struct stream *s, uint64_t len, struct tranship_error *err)
{
	unsigned char waste[16 * 1024];
	int rc = 0;

	while (len > 0 && rc == 0) {
		size_t n = (size_t)min_u64(len, sizeof(waste));

		rc = stream_read(s, waste, n, err);
		len -= n;
	}
	return rc;
}
