/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature Version 4 as S3 takes it ("Authenticating Requests: Using the Authorization Header",
 * Amazon S3 API Reference). Pure: bytes in, text out; no clock and no environment.
 *
 * What is signed is what is sent: the caller makes path and query with the functions here, once,
 * and gives both to the signer and to the wire. S3 normalizes no paths and encodes only once.
 */
#ifndef EMIT_SIGV4_H
#define EMIT_SIGV4_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGV4_HEX_SIZE 65U  /* SHA-256 in hexadecimal digits, with the terminator */
#define SIGV4_DATE_SIZE 17U /* "20130524T000000Z", with the terminator */
#define SIGV4_QUERY_MAX 16U /* parameters of a query */

struct sigv4_pair {
	const char *name;
	const char *value;
};

struct sigv4_request {
	const char *method;
	const char *path;  /* encoded, begins with '/' */
	const char *query; /* encoded and sorted, without '?'; "": none */
	/* What is signed: names in lower case, ascending; values without spaces at their ends. */
	const struct sigv4_pair *headers;
	size_t header_count;
	const char *payload; /* SHA-256 of the body in hexadecimal digits */
	const char *date;    /* as sigv4_date writes it */
	const char *region;
	const char *service; /* "s3" */
};

/* UTC, 1970 to 9999. TRANSHIP_EINVAL. */
int sigv4_date(int64_t time, char out[SIGV4_DATE_SIZE], struct tranship_error *err);

/* Appends text with every byte that is not unreserved (RFC 3986, section 2.3) as %XX. */
int sigv4_encode(struct buffer *out, const char *text, bool keep_slash, struct tranship_error *err);

/* Appends name=value&... of up to SIGV4_QUERY_MAX parameters that are not encoded yet, sorted as
 * they are signed. */
int sigv4_query(struct buffer *out, const struct sigv4_pair *pairs, size_t count,
		struct tranship_error *err);

int sigv4_sha256(const void *bytes, size_t len, char out[SIGV4_HEX_SIZE],
		 struct tranship_error *err);

/* The steps of a signature, each appended to out; out ends with a NUL that its len does not count.
 */
int sigv4_canonical_request(const struct sigv4_request *r, struct buffer *out,
			    struct tranship_error *err);
int sigv4_string_to_sign(const struct sigv4_request *r, struct buffer *out,
			 struct tranship_error *err);
/* The value of the header Authorization. */
int sigv4_authorization(const struct sigv4_request *r, const char *key_id, const char *secret,
			struct buffer *out, struct tranship_error *err);

#endif
