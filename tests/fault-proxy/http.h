/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of HTTP/1.1 as it takes to know where a message begins and ends.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_MAX 65536U

/* A connection that is read through a buffer. */
struct stream {
	int fd;
	size_t from, to; /* what was received and not taken yet */
	unsigned char buf[HEAD_MAX];
};

bool stream_fill(struct stream *s);
bool send_all(int fd, const void *bytes, size_t len);

struct head {
	char text[HEAD_MAX + 1]; /* as it came, with the empty line */
	size_t len;
	char method[16], target[4096]; /* of a request */
	unsigned status;               /* of an answer */
	bool has_body, chunked, has_length, close, expect;
	uint64_t length;
};

/* False: the connection ended, or this is not HTTP. */
bool head_read(struct stream *s, bool is_request, struct head *out);

/* What is done at a place of a body: to the bytes that are about to be passed on, of which the
 * first is the one. False: all is over. */
typedef bool body_fn(void *ctx, unsigned char *bytes);

/* Passes the body of a message on to `to` (-1: nowhere); at the byte `place` of it, or before it
 * ends, calls `fn` once. */
bool body_pass(struct stream *from, const struct head *head, int to, uint64_t place, body_fn *fn,
	       void *ctx);

#endif
