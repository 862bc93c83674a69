/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP request and its reply, over libcurl: a pool of easy handles, one a call in flight, which
 * keep their connections. Certificates are always verified, no redirect is followed, nothing is
 * tried again: that is for who knows what the request does.
 *
 * Threads: http_do from any number of threads at once; it blocks.
 */
#ifndef EMIT_HTTP_H
#define EMIT_HTTP_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a body that no sink takes: what is longer is cut off. */
#define HTTP_TEXT_MAX ((size_t)64 << 10)

struct http;

struct http_options {
	const char *ca_file;      /* trusted instead of the system's certificates; NULL: those */
	const char *proxy;        /* NULL: as the environment says */
	bool direct;              /* never over a proxy */
	unsigned timeout;         /* seconds without a byte moving */
	unsigned connect_timeout; /* seconds */
};

struct http_reply;

/* Takes bytes of the body of a success (2xx). false: enough, the transfer ends as a success. */
typedef bool http_sink_fn(void *ctx, const struct http_reply *reply, const unsigned char *bytes,
			  size_t len);

struct http_request {
	const char *method;         /* GET, HEAD, PUT, DELETE */
	const char *url;            /* encoded; it is sent as it stands */
	const char *const *headers; /* whole lines, "Name: value" */
	size_t header_count;
	const void *body; /* of a PUT */
	size_t body_len;
	http_sink_fn *sink; /* NULL: the body of a success is kept like that of an error */
	void *sink_ctx;
};

enum http_fault {
	HTTP_OK,     /* there is a reply, of any status */
	HTTP_AGAIN,  /* there is none, but another try may bring one */
	HTTP_FAILED, /* there will be none */
};

/* http_reply_free gives the memory back; it may be used again after that. */
struct http_reply {
	enum http_fault fault;
	int status;
	bool has_length, has_range, has_total;
	uint64_t length;             /* Content-Length */
	uint64_t first, last, total; /* Content-Range; without has_range only total counts */
	int64_t date, modified;      /* seconds since 1970; -1: not said */
	unsigned retry_after;        /* seconds */
	char etag[100];
	char region[40];   /* x-amz-bucket-region */
	uint64_t body_len; /* of a success: bytes that the sink was given */
	char *text;        /* the body otherwise, with a terminator; may be NULL */
	size_t text_len;
	struct tranship_error why; /* without a reply */
};

int http_open(const struct http_options *options, struct http **out, struct tranship_error *err);
void http_close(struct http *http); /* NULL is accepted */

/* Nonzero: there was no memory for it. What the network did is in reply->fault. */
int http_do(struct http *http, const struct http_request *request, struct http_reply *reply,
	    struct tranship_error *err);
void http_reply_free(struct http_reply *reply);

#endif
