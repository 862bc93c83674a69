// SPDX-License-Identifier: Apache-2.0
#include "http_server.h"

#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define BODY_MAX ((size_t)64 << 20)

struct connection {
	struct http_server *server;
	pthread_t thread;
	int fd;
};

struct http_server {
	http_server_fn *fn;
	void *ctx;
	int fd;
	unsigned port;
	char url[64];
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	bool stopping;
	unsigned requests;
	size_t count;
	struct connection connections[CONNECTIONS_MAX];
};

static bool is_stopping(struct http_server *s)
{
	bool stopping;

	pthread_mutex_lock(&s->lock);
	stopping = s->stopping;
	pthread_mutex_unlock(&s->lock);
	return stopping;
}

void http_send(struct http_exchange *x, const void *bytes, size_t len)
{
	const char *p = bytes;

	while (len > 0) {
		ssize_t n = send(x->fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			x->close = true;
			return;
		}
		p += n;
		len -= (size_t)n;
	}
}

void http_send_text(struct http_exchange *x, const char *text)
{
	http_send(x, text, strlen(text));
}

static void date_line(char *out, size_t cap)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(out, cap, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
}

void http_reply_with(struct http_exchange *x, int status, const char *headers, const void *body,
		     size_t len)
{
	char head[4096], date[64];
	bool has_length = strcasestr(headers, "content-length:");

	date_line(date, sizeof(date));
	snprintf(head, sizeof(head), "HTTP/1.1 %d Whatever\r\n%s%s", status,
		 strcasestr(headers, "date:") == headers ? "" : date, headers);
	http_send_text(x, head);
	if (!has_length) {
		snprintf(head, sizeof(head), "Content-Length: %zu\r\n", len);
		http_send_text(x, head);
	}
	http_send_text(x, "\r\n");
	if (strcmp(x->method, "HEAD") != 0)
		http_send(x, body, len);
}

void http_reset(struct http_exchange *x)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(x->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	x->close = true;
}

void http_stall(struct http_exchange *x)
{
	char byte;

	while (!is_stopping(x->server)) {
		struct pollfd p = { .fd = x->fd, .events = POLLIN };

		if (poll(&p, 1, 20) > 0 && recv(x->fd, &byte, 1, MSG_DONTWAIT) <= 0)
			break;
	}
	x->close = true;
}

const char *http_header(const struct http_exchange *x, const char *name, char *out, size_t cap)
{
	const char *line = x->headers;
	size_t len = strlen(name);

	out[0] = '\0';
	while (*line) {
		const char *end = strstr(line, "\r\n");

		if (!end)
			break;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			line += len + 1;
			line += strspn(line, " ");
			snprintf(out, cap, "%.*s", (int)(end - line), line);
			break;
		}
		line = end + 2;
	}
	return out;
}

/* Reads to the blank line; *have counts what is in raw, of which the head is *head_len. */
static bool read_head(int fd, char *raw, size_t cap, size_t *have, size_t *head_len)
{
	for (;;) {
		char *end = memmem(raw, *have, "\r\n\r\n", 4);
		ssize_t n;

		if (end) {
			*head_len = (size_t)(end - raw) + 4;
			return true;
		}
		if (*have == cap)
			return false;
		n = recv(fd, raw + *have, cap - *have, 0);
		if (n <= 0)
			return false;
		*have += (size_t)n;
	}
}

static bool read_body(struct http_exchange *x, const char *rest, size_t have)
{
	char text[32];

	x->body_len = strtoul(http_header(x, "content-length", text, sizeof(text)), NULL, 10);
	x->body = x->body_len <= BODY_MAX ? malloc(x->body_len + 1) : NULL;
	if (!x->body || have > x->body_len)
		return false;
	memcpy(x->body, rest, have);
	if (strcmp(http_header(x, "expect", text, sizeof(text)), "100-continue") == 0)
		http_send_text(x, "HTTP/1.1 100 Continue\r\n\r\n");
	while (have < x->body_len) {
		ssize_t n = recv(x->fd, x->body + have, x->body_len - have, 0);

		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	return true;
}

static bool serve_one(struct connection *c)
{
	struct http_exchange *x = calloc(1, sizeof(*x));
	char *raw = malloc(sizeof(x->headers));
	size_t have = 0, head;
	bool more = false;

	if (x && raw && read_head(c->fd, raw, sizeof(x->headers) - 1, &have, &head)) {
		char *line = memmem(raw, head, "\r\n", 2);

		*x = (struct http_exchange){ .server = c->server, .fd = c->fd };
		*line = '\0';
		memcpy(x->headers, line + 2, head - (size_t)(line + 2 - raw));
		if (sscanf(raw, "%15s %2047s", x->method, x->target) == 2 &&
		    read_body(x, raw + head, have - head)) {
			pthread_mutex_lock(&c->server->lock);
			x->number = c->server->requests++;
			pthread_mutex_unlock(&c->server->lock);
			c->server->fn(c->server->ctx, x);
			more = !x->close;
		}
		free(x->body);
	}
	free(raw);
	free(x);
	return more;
}

static void *serve(void *ctx)
{
	struct connection *c = ctx;

	while (serve_one(c) && !is_stopping(c->server))
		;
	pthread_mutex_lock(&c->server->lock);
	close(c->fd);
	c->fd = -1;
	pthread_mutex_unlock(&c->server->lock);
	return NULL;
}

/* In the place of one that is over, if there is one. */
static struct connection *add_connection(struct http_server *s, int fd)
{
	struct connection *c = NULL;
	size_t i;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < s->count && !c; i++)
		if (s->connections[i].fd < 0)
			c = &s->connections[i];
	if (c)
		pthread_join(c->thread, NULL);
	else if (s->count < CONNECTIONS_MAX)
		c = &s->connections[s->count++];
	if (c) {
		*c = (struct connection){ .server = s, .fd = fd };
		assert_int_equal(pthread_create(&c->thread, NULL, serve, c), 0);
	}
	pthread_mutex_unlock(&s->lock);
	return c;
}

static void *accept_all(void *ctx)
{
	struct http_server *s = ctx;

	while (!is_stopping(s)) {
		struct pollfd p = { .fd = s->fd, .events = POLLIN };
		struct connection *c;
		int fd;

		if (poll(&p, 1, 20) <= 0)
			continue;
		fd = accept(s->fd, NULL, NULL);
		if (fd < 0)
			continue;
		/* Heads leave in pieces, which must not wait for each other. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		c = add_connection(s, fd);
		if (!c)
			close(fd);
	}
	return NULL;
}

struct http_server *http_server_start(http_server_fn *fn, void *ctx)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct http_server *s = calloc(1, sizeof(*s));
	socklen_t len = sizeof(at);

	assert_non_null(s);
	s->fn = fn;
	s->ctx = ctx;
	pthread_mutex_init(&s->lock, NULL);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->fd, 64), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", s->port);
	assert_int_equal(pthread_create(&s->thread, NULL, accept_all, s), 0);
	return s;
}

unsigned http_server_port(const struct http_server *s)
{
	return s->port;
}

const char *http_server_url(const struct http_server *s)
{
	return s->url;
}

unsigned http_server_requests(struct http_server *s)
{
	unsigned requests;

	pthread_mutex_lock(&s->lock);
	requests = s->requests;
	pthread_mutex_unlock(&s->lock);
	return requests;
}

void http_server_stop(struct http_server *s)
{
	size_t i;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	for (i = 0; i < s->count; i++)
		if (s->connections[i].fd >= 0)
			shutdown(s->connections[i].fd, SHUT_RDWR);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_mutex_lock(&s->lock); /* who was accepted in between */
	for (i = 0; i < s->count; i++)
		if (s->connections[i].fd >= 0)
			shutdown(s->connections[i].fd, SHUT_RDWR);
	pthread_mutex_unlock(&s->lock);
	for (i = 0; i < s->count; i++)
		pthread_join(s->connections[i].thread, NULL);
	close(s->fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
