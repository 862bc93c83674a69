/* SPDX-License-Identifier: Apache-2.0 */
/* A small HTTP server in this process: on loopback, at a port of the system's choice, a thread a
 * connection. It reads requests; a function of the test answers them, or misbehaves. */
#ifndef TESTS_UNIT_HTTP_SERVER_H
#define TESTS_UNIT_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

struct http_server;

/* One request. Strings live as long as the function that is given it runs. */
struct http_exchange {
	struct http_server *server;
	int fd;
	unsigned number; /* of the request at this server, from 0 */
	char method[16];
	char target[2048]; /* path and query as they were sent */
	char headers[16384];
	unsigned char *body;
	size_t body_len;
	bool close; /* the connection ends after this */
};

typedef void http_server_fn(void *ctx, struct http_exchange *x);

/* Never NULL: a test that cannot have it fails. */
struct http_server *http_server_start(http_server_fn *fn, void *ctx);
unsigned http_server_port(const struct http_server *s);
/* "http://127.0.0.1:port"; lives with the server. */
const char *http_server_url(const struct http_server *s);
unsigned http_server_requests(struct http_server *s);
/* Ends all connections and threads; no call may be in flight. */
void http_server_stop(struct http_server *s);

/* The value of a header, "" where there is none; name in any case. out has cap bytes. */
const char *http_header(const struct http_exchange *x, const char *name, char *out, size_t cap);

/* Bytes as they are; a client that is gone is no failure. */
void http_send(struct http_exchange *x, const void *bytes, size_t len);
void http_send_text(struct http_exchange *x, const char *text);
/* A whole reply. headers: lines that end with "\r\n", without Content-Length. A reply to HEAD has
 * no body, but says the length of it. */
void http_reply_with(struct http_exchange *x, int status, const char *headers, const void *body,
		     size_t len);
/* The peer gets a reset. */
void http_reset(struct http_exchange *x);
/* Says nothing until the client goes away or the server stops. */
void http_stall(struct http_exchange *x);

#endif
