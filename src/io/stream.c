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

struct stream {
	int fd;
	uint64_t pos;
	atomic_bool canceled;
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

void stream_close(struct stream *s)
{
	if (!s)
		return;
	close(s->fd);
	free(s);
}

uint64_t stream_pos(const struct stream *s)
{
	return s->pos;
}

void stream_cancel(struct stream *s)
{
	atomic_store(&s->canceled, true);
}

/* One read(2) that gives something, or 0 at the end. */
static int fetch(struct stream *s, void *buf, size_t len, size_t *got, struct tranship_error *err)
{
	for (;;) {
		struct pollfd p = { .fd = s->fd, .events = POLLIN };
		int ready;
		ssize_t n;

		if (atomic_load(&s->canceled))
			return error_set(err, TRANSHIP_ECANCELED, "canceled");
		ready = poll(&p, 1, CANCEL_POLL_MS);
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
