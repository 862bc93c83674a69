/* SPDX-License-Identifier: Apache-2.0 */
/* A server that speaks enough S3 to test a client, and misbehaves on demand: objects in memory, one
 * bucket, signatures and digests checked. */
#ifndef TESTS_UNIT_S3_SERVER_H
#define TESTS_UNIT_S3_SERVER_H

#include "http_server.h"

#include <pthread.h>
#include <stdint.h>

#define S3_SERVER_BUCKET "bucket-1"
#define S3_SERVER_ID "AKIDEXAMPLE"
#define S3_SERVER_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define S3_SERVER_REGION "us-east-1"

/* What happens instead of the answer. AFTER: the request was carried out. */
enum s3_trouble {
	S3_FINE,
	S3_RESET,       /* before a byte of the reply */
	S3_RESET_AFTER, /* the same, but it was done */
	S3_RESET_IN_HEAD,
	S3_RESET_IN_BODY,
	S3_END_IN_HEAD, /* not reset, but closed */
	S3_END_IN_BODY,
	S3_CLOSE,
	S3_STATUS_500,
	S3_STATUS_503,
	S3_STATUS_429, /* with Retry-After */
	S3_STATUS_507,
	S3_REQUEST_TIMEOUT, /* 400 */
	S3_STALL,
	S3_STALL_IN_BODY,
	S3_SLOWLY,      /* in small pieces */
	S3_LENGTH_LESS, /* Content-Length is one less than there is */
	S3_LENGTH_MORE, /* and one more, and the connection ends */
	S3_SHORT_RANGE, /* a part that ends too soon, and says so */
	S3_WRONG_RANGE, /* another part than was asked for */
	S3_NO_RANGES,   /* all of it, 200 */
	S3_NO_RANGES_CHUNKED,
	S3_BROKEN_XML,
	S3_DOCTYPE_XML,
	S3_OK_ERROR, /* 200, and an error as its body */
	S3_NO_ETAG,
	S3_SKEWED,
	S3_EXPIRED,
	S3_DENIED,
	S3_REDIRECT,
	S3_HTML_502,
	S3_EVIL_ERROR, /* with what drives a terminal */
	S3_LONG_ERROR,
	S3_TRUNCATED_NO_TOKEN,
	S3_UNSORTED,
};

struct s3_object {
	char key[512];
	unsigned char *bytes;
	size_t len;
	int64_t time;
};

struct s3_server {
	struct http_server *http;
	pthread_mutex_t lock; /* of what follows */
	struct s3_object objects[3000];
	size_t count;
	enum s3_trouble trouble;
	unsigned times;    /* how many requests have it yet */
	unsigned page;     /* keys of a listing's page; 0: 1000 */
	const char *token; /* session token that is wanted; NULL: none */
	const char *secret;
	unsigned bad_signatures;
	char last_target[2048], last_host[200];
};

void s3_server_start(struct s3_server *s);
void s3_server_stop(struct s3_server *s);
/* The next `times` requests have it. */
void s3_server_trouble(struct s3_server *s, enum s3_trouble trouble, unsigned times);
/* NULL: there is none. key: with the prefix. */
const struct s3_object *s3_server_object(struct s3_server *s, const char *key);
void s3_server_add(struct s3_server *s, const char *key, const void *bytes, size_t len);

#endif
