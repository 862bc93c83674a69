// SPDX-License-Identifier: Apache-2.0
#include "emit/sigv4.h"

#include "base/error.h"
#include "base/hex.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECRET_MAX 256U

int sigv4_date(int64_t time, char out[SIGV4_DATE_SIZE], struct tranship_error *err)
{
	time_t t = (time_t)time;
	struct tm tm;

	if (time < 0 || !gmtime_r(&t, &tm) || tm.tm_year > 8099 ||
	    strftime(out, SIGV4_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm) != SIGV4_DATE_SIZE - 1)
		return error_set(err, TRANSHIP_EINVAL,
				 "the clock of this machine is wrong: requests cannot be signed");
	return 0;
}

int sigv4_sha256(const void *bytes, size_t len, char out[SIGV4_HEX_SIZE],
		 struct tranship_error *err)
{
	unsigned char digest[32];

	if (EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL) != 1)
		return error_set(err, TRANSHIP_EIO, "libcrypto cannot compute SHA-256");
	hex_text(digest, sizeof(digest), out);
	return 0;
}

static bool unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

/* The terminator is there, and not counted. */
static int terminate(struct buffer *out, struct tranship_error *err)
{
	int rc = buffer_reserve(out, 1, err);

	if (rc == 0)
		out->bytes[out->len] = '\0';
	return rc;
}

int sigv4_encode(struct buffer *out, const char *text, bool keep_slash, struct tranship_error *err)
{
	const unsigned char *p;
	int rc = 0;

	for (p = (const unsigned char *)text; *p && rc == 0; p++)
		rc = unreserved((char)*p) || (*p == '/' && keep_slash)
			     ? buffer_append(out, p, 1, err)
			     : buffer_printf(out, err, "%%%02X", *p);
	return rc ? rc : terminate(out, err);
}

static int compare_pairs(const void *a, const void *b)
{
	const struct sigv4_pair *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : strcmp(x->value, y->value);
}

/* The order is that of the encoded names. */
static int encode_pairs(const struct sigv4_pair *pairs, size_t count, struct buffer *text,
			struct sigv4_pair *encoded, struct tranship_error *err)
{
	size_t at[SIGV4_QUERY_MAX][2], i;
	int rc = 0;

	for (i = 0; i < count && rc == 0; i++) {
		at[i][0] = text->len;
		rc = sigv4_encode(text, pairs[i].name, false, err);
		text->len++; /* keeps the terminator */
		at[i][1] = text->len;
		if (rc == 0)
			rc = sigv4_encode(text, pairs[i].value, false, err);
		text->len++;
	}
	for (i = 0; i < count && rc == 0; i++)
		encoded[i] = (struct sigv4_pair){ (char *)text->bytes + at[i][0],
						  (char *)text->bytes + at[i][1] };
	return rc;
}

int sigv4_query(struct buffer *out, const struct sigv4_pair *pairs, size_t count,
		struct tranship_error *err)
{
	struct sigv4_pair encoded[SIGV4_QUERY_MAX];
	struct buffer text = { 0 };
	size_t i;
	int rc;

	if (count > SIGV4_QUERY_MAX)
		return error_set(err, TRANSHIP_EINVAL, "a query has %zu parameters, at most %u",
				 count, SIGV4_QUERY_MAX);
	rc = encode_pairs(pairs, count, &text, encoded, err);
	if (rc == 0 && count > 1)
		qsort(encoded, count, sizeof(encoded[0]), compare_pairs);
	for (i = 0; i < count && rc == 0; i++)
		rc = buffer_printf(out, err, "%s%s=%s", i ? "&" : "", encoded[i].name,
				   encoded[i].value);
	buffer_free(&text);
	return rc ? rc : terminate(out, err);
}

static int signed_headers(const struct sigv4_request *r, struct buffer *out,
			  struct tranship_error *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < r->header_count && rc == 0; i++)
		rc = buffer_printf(out, err, "%s%s", i ? ";" : "", r->headers[i].name);
	return rc;
}

/* Runs of spaces count as one. */
static int canonical_value(const char *value, struct buffer *out, struct tranship_error *err)
{
	int rc = 0;

	for (; *value && rc == 0; value++)
		if (value[0] != ' ' || value[1] != ' ')
			rc = buffer_append(out, value, 1, err);
	return rc;
}

int sigv4_canonical_request(const struct sigv4_request *r, struct buffer *out,
			    struct tranship_error *err)
{
	size_t i;
	int rc = buffer_printf(out, err, "%s\n%s\n%s\n", r->method, r->path, r->query);

	for (i = 0; i < r->header_count && rc == 0; i++) {
		rc = buffer_printf(out, err, "%s:", r->headers[i].name);
		if (rc == 0)
			rc = canonical_value(r->headers[i].value, out, err);
		if (rc == 0)
			rc = buffer_append(out, "\n", 1, err);
	}
	if (rc == 0)
		rc = buffer_append(out, "\n", 1, err);
	if (rc == 0)
		rc = signed_headers(r, out, err);
	if (rc == 0)
		rc = buffer_printf(out, err, "\n%s", r->payload);
	return rc ? rc : terminate(out, err);
}

int sigv4_string_to_sign(const struct sigv4_request *r, struct buffer *out,
			 struct tranship_error *err)
{
	struct buffer canonical = { 0 };
	char digest[SIGV4_HEX_SIZE];
	int rc = sigv4_canonical_request(r, &canonical, err);

	if (rc == 0)
		rc = sigv4_sha256(canonical.bytes, canonical.len, digest, err);
	if (rc == 0)
		rc = buffer_printf(out, err, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s",
				   r->date, r->date, r->region, r->service, digest);
	if (canonical.bytes) /* it has the session token */
		explicit_bzero(canonical.bytes, canonical.len);
	buffer_free(&canonical);
	return rc ? rc : terminate(out, err);
}

static int hmac(const void *key, size_t key_len, const void *data, size_t len,
		unsigned char out[32], struct tranship_error *err)
{
	if (!HMAC(EVP_sha256(), key, (int)key_len, data, len, out, NULL))
		return error_set(err, TRANSHIP_EIO, "libcrypto cannot compute HMAC-SHA-256");
	return 0;
}

static int sign(const struct sigv4_request *r, const char *secret, const void *text, size_t len,
		unsigned char out[32], struct tranship_error *err)
{
	char first[4 + SECRET_MAX + 1] = "AWS4";
	unsigned char key[2][32];
	size_t secret_len = strlen(secret);
	int rc;

	if (secret_len > SECRET_MAX)
		return error_set(err, TRANSHIP_EINVAL,
				 "the secret access key has %zu bytes, at most %u", secret_len,
				 SECRET_MAX);
	memcpy(first + 4, secret, secret_len);
	rc = hmac(first, 4 + secret_len, r->date, 8, key[0], err);
	if (rc == 0)
		rc = hmac(key[0], 32, r->region, strlen(r->region), key[1], err);
	if (rc == 0)
		rc = hmac(key[1], 32, r->service, strlen(r->service), key[0], err);
	if (rc == 0)
		rc = hmac(key[0], 32, "aws4_request", 12, key[1], err);
	if (rc == 0)
		rc = hmac(key[1], 32, text, len, out, err);
	explicit_bzero(first, sizeof(first));
	explicit_bzero(key, sizeof(key));
	return rc;
}

int sigv4_authorization(const struct sigv4_request *r, const char *key_id, const char *secret,
			struct buffer *out, struct tranship_error *err)
{
	struct buffer text = { 0 };
	unsigned char signature[32];
	char digits[SIGV4_HEX_SIZE];
	int rc = sigv4_string_to_sign(r, &text, err);

	if (rc == 0)
		rc = sign(r, secret, text.bytes, text.len, signature, err);
	buffer_free(&text);
	if (rc)
		return rc;
	hex_text(signature, 32, digits);
	rc = buffer_printf(out, err,
			   "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=",
			   key_id, r->date, r->region, r->service);
	if (rc == 0)
		rc = signed_headers(r, out, err);
	if (rc == 0)
		rc = buffer_printf(out, err, ", Signature=%s", digits);
	return rc ? rc : terminate(out, err);
}
