/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The S3 target inside: where the server is, a signed request that is tried again, what its errors
 * mean, listings. "Amazon Simple Storage Service API Reference", API version 2006-03-01.
 */
#ifndef EMIT_S3_H
#define EMIT_S3_H

#include "emit/http.h"
#include "emit/s3_credentials.h"
#include "emit/sigv4.h"
#include "emit/target.h"

#include <stdatomic.h>

#define S3_BUCKET_MAX 63U
#define S3_PREFIX_MAX 200U
#define S3_HOST_MAX 300U
#define S3_REGION_MAX 60U
/* Slots have at most this much, and one PUT takes up to 5 GiB. */
#define S3_PUT_MAX ((size_t)512 << 20)

/* s3://bucket/prefix, and the server that has it. */
struct s3_place {
	char bucket[S3_BUCKET_MAX + 1];
	char prefix[S3_PREFIX_MAX + 2]; /* "", or it ends with '/' */
	char origin[S3_HOST_MAX + 16];  /* "https://host:port" of the requests */
	char host[S3_HOST_MAX + 8];     /* the header Host */
	char region[S3_REGION_MAX + 1];
	bool virtual_host;
};

/* What tests make small. */
struct s3_tuning {
	unsigned backoff;     /* milliseconds that the first wait has at most; each doubles it */
	unsigned backoff_max; /* milliseconds */
};

struct s3 {
	struct target base;
	struct s3_place place;
	struct s3_tuning tuning;
	unsigned retries;
	struct http *http;
	struct s3_credentials *credentials;
};

struct s3_request {
	const char *method;
	const char *key;                /* of the bucket, whole; NULL: the bucket itself */
	const struct sigv4_pair *query; /* not encoded */
	size_t query_count;
	const char *range; /* "bytes=0-9", or NULL */
	const void *body;
	size_t body_len;
	const unsigned char *sha256; /* of the body; NULL: computed */
	http_sink_fn *sink;
	/* Before each try; the sink begins anew. May be NULL. */
	void (*begin)(void *ctx);
	/* Whether a success is one: 0, or S3_AGAIN with a message, or a code. May be NULL. */
	int (*check)(void *ctx, const struct http_reply *reply, struct tranship_error *err);
	void *ctx;    /* of these three */
	int quiet[2]; /* statuses that are no errors here, besides 2xx */
};

/* No code of ours: the reply is of no use, another may be. */
#define S3_AGAIN 1

/* The error of a server, as far as it is told. */
struct s3_fault {
	char code[64];
	char message[256];
	char region[40];
	char endpoint[120];
};

/* s3_location.c */
int s3_place_parse(const char *url, const struct tranship_s3_options *options,
		   const struct s3_settings *settings, struct s3_place *out,
		   struct tranship_error *err);
/* The encoded path of a request. */
int s3_path(const struct s3_place *place, const char *key, struct buffer *out,
	    struct tranship_error *err);

/* s3_sign.c: the headers of a request, whole lines for the wire. */
#define S3_LINES_MAX 10U
struct s3_signed {
	char *lines[S3_LINES_MAX];
	size_t count;
	char *url;
	int64_t time;     /* of this machine's clock, as it was signed */
	char key_id[140]; /* which key signed it */
	unsigned tries;
};
int s3_sign(const struct s3 *s3, const struct s3_request *request, const struct s3_keys *keys,
	    int64_t now, struct s3_signed *out, struct tranship_error *err);
void s3_signed_free(struct s3_signed *s);

/* s3_retry.c. The reply is the caller's to free, also after an error. */
int s3_send(struct s3 *s3, const struct s3_request *request, struct http_reply *reply,
	    struct tranship_error *err);

/* s3_error.c */
/* What the body of a reply says; empty strings where it says nothing. */
void s3_fault_read(const struct http_reply *reply, struct s3_fault *out);
bool s3_fault_again(const struct http_reply *reply, const struct s3_fault *fault);
/* Never 0. */
int s3_fault_report(const struct s3 *s3, const struct s3_request *request,
		    const struct http_reply *reply, const struct s3_fault *fault,
		    const struct s3_signed *sent, struct tranship_error *err);
/* "s3://bucket/key" for messages. */
void s3_what(const struct s3 *s3, const char *key, char *out, size_t cap);

/* s3_list.c */
int s3_list(struct s3 *s3, const char *prefix, object_fn *fn, void *ctx,
	    struct tranship_error *err);
/* "2009-10-12T17:50:30.000Z"; -1: it is none. */
int64_t s3_time(const char *text);

/* target_s3.c. tuning NULL: what is right for a network. */
int s3_open(const char *url, const struct tranship_s3_options *options,
	    const struct s3_tuning *tuning, struct target **out, struct tranship_error *err);

#endif
