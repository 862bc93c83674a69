// SPDX-License-Identifier: Apache-2.0
#include "http.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

bool stream_fill(struct stream *s)
{
	ssize_t got;

	if (s->from == s->to)
		s->from = s->to = 0;
	if (s->to == sizeof(s->buf)) {
		memmove(s->buf, s->buf + s->from, s->to - s->from);
		s->to -= s->from;
		s->from = 0;
	}
	if (s->to == sizeof(s->buf))
		return false;
	do
		got = recv(s->fd, s->buf + s->to, sizeof(s->buf) - s->to, 0);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return false;
	s->to += (size_t)got;
	return true;
}

bool send_all(int fd, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	while (len) {
		ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		at += sent;
		len -= (size_t)sent;
	}
	return true;
}

/* The value of a header in this line; NULL: it is another. */
static const char *value_of(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	line += len + 1;
	return line + strspn(line, " \t");
}

static void parse_header(const char *line, struct head *out)
{
	const char *value;

	value = value_of(line, "content-length");
	if (value) {
		out->has_length = true;
		out->length = strtoull(value, NULL, 10);
	}
	value = value_of(line, "transfer-encoding");
	if (value && strncasecmp(value, "chunked", 7) == 0)
		out->chunked = true;
	value = value_of(line, "connection");
	if (value && strncasecmp(value, "close", 5) == 0)
		out->close = true;
	if (value_of(line, "expect"))
		out->expect = true;
}

static bool parse_head(struct head *out, bool is_request)
{
	const char *line;
	unsigned minor;

	if (is_request && sscanf(out->text, "%15[A-Z] %4095[^ ] HTTP/1.%u", out->method,
				 out->target, &minor) != 3)
		return false;
	if (!is_request && sscanf(out->text, "HTTP/1.%u %u", &minor, &out->status) != 2)
		return false;
	out->close = minor == 0;
	for (line = strstr(out->text, "\r\n"); line; line = strstr(line + 2, "\r\n"))
		parse_header(line + 2, out);
	if (is_request)
		out->has_body = out->chunked || out->length > 0;
	else
		out->has_body = out->status >= 200 && out->status != 204 && out->status != 304;
	return true;
}

bool head_read(struct stream *s, bool is_request, struct head *out)
{
	const unsigned char *end;

	while (!(end = memmem(s->buf + s->from, s->to - s->from, "\r\n\r\n", 4)))
		if (!stream_fill(s))
			return false;
	memset(out, 0, sizeof(*out));
	out->len = (size_t)(end + 4 - (s->buf + s->from));
	memcpy(out->text, s->buf + s->from, out->len);
	s->from += out->len;
	return parse_head(out, is_request);
}

/* A body on its way. */
struct passing {
	struct stream *from;
	int to;
	uint64_t place; /* until fn is called */
	body_fn *fn;    /* NULL: it was */
	void *ctx;
};

static bool pass_some(struct passing *p, size_t len)
{
	unsigned char *at = p->from->buf + p->from->from;

	if (p->to >= 0 && !send_all(p->to, at, len))
		return false;
	p->from->from += len;
	return true;
}

/* The bytes of the content. */
static bool pass_content(struct passing *p, uint64_t len)
{
	while (len) {
		size_t now;

		if (p->from->from == p->from->to && !stream_fill(p->from))
			return false;
		now = p->from->to - p->from->from;
		now = now < len ? now : (size_t)len;
		if (p->fn && p->place == 0) {
			if (!p->fn(p->ctx, p->from->buf + p->from->from))
				return false;
			p->fn = NULL;
		}
		if (p->fn && now > p->place)
			now = (size_t)p->place;
		if (!pass_some(p, now))
			return false;
		len -= now;
		p->place -= p->fn ? now : 0;
	}
	return true;
}

/* A line with its end, which is passed on too. */
static bool pass_line(struct passing *p, char *out, size_t room)
{
	const unsigned char *end;
	size_t len;

	while (!(
		end = memmem(p->from->buf + p->from->from, p->from->to - p->from->from, "\r\n", 2)))
		if (!stream_fill(p->from))
			return false;
	len = (size_t)(end + 2 - (p->from->buf + p->from->from));
	if (len >= room)
		return false;
	memcpy(out, p->from->buf + p->from->from, len);
	out[len] = 0;
	return pass_some(p, len);
}

static bool pass_chunks(struct passing *p)
{
	char line[8192];

	for (;;) {
		uint64_t len;

		if (!pass_line(p, line, sizeof(line)) || !isxdigit((unsigned char)line[0]))
			return false;
		len = strtoull(line, NULL, 16);
		if (len == 0)
			break;
		if (p->place >= len) /* the length of all of it is not known: in the first chunk */
			p->place %= len;
		if (!pass_content(p, len) || !pass_line(p, line, sizeof(line)))
			return false;
	}
	do
		if (!pass_line(p, line, sizeof(line)))
			return false;
	while (line[0] != '\r');
	return true;
}

static bool pass_to_end(struct passing *p)
{
	while (p->from->from < p->from->to || stream_fill(p->from))
		if (!pass_content(p, p->from->to - p->from->from))
			return false;
	return true;
}

bool body_pass(struct stream *from, const struct head *head, int to, uint64_t place, body_fn *fn,
	       void *ctx)
{
	struct passing p = { .from = from, .to = to, .place = place, .fn = fn, .ctx = ctx };
	bool ok = true;

	if (head->has_length && !head->chunked && head->length)
		p.place %= head->length;
	if (!head->has_body)
		ok = true;
	else if (head->chunked)
		ok = pass_chunks(&p);
	else if (head->has_length)
		ok = pass_content(&p, head->length);
	else if (head->status)
		ok = pass_to_end(&p);
	if (ok && p.fn)
		ok = p.fn(p.ctx, NULL);
	return ok;
}
