// SPDX-License-Identifier: Apache-2.0
/* What a target does, as requests to S3. */
#include "emit/s3.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRIES 8U
#define TIMEOUT 60U
#define CONNECT_TIMEOUT_MAX 30U

static const struct s3_tuning network = { .backoff = 250, .backoff_max = 20000 };

/* The key of the bucket. */
struct whole_key {
	char text[S3_PREFIX_MAX + 2 + TARGET_KEY_MAX + 1];
};

static struct s3 *s3_of(struct target *t)
{
	return (struct s3 *)t; /* its first member */
}

static const char *whole(struct target *t, const char *key, struct whole_key *out)
{
	snprintf(out->text, sizeof(out->text), "%s%s", s3_of(t)->place.prefix, key);
	return out->text;
}

static int odd(const char *what, struct tranship_error *err)
{
	error_set(err, TRANSHIP_EIO, "the server's reply %s", what);
	return S3_AGAIN;
}

static int check_put(void *ctx, const struct http_reply *reply, struct tranship_error *err)
{
	(void)ctx;
	return reply->etag[0] ? 0 : odd("to a PUT has no ETag", err);
}

static int put(struct target *t, const char *key, const void *bytes, size_t len,
	       const unsigned char *sha256, struct tranship_error *err)
{
	struct whole_key name;
	struct s3_request request = { .method = "PUT",
				      .key = whole(t, key, &name),
				      .body = len ? bytes : "",
				      .body_len = len,
				      .sha256 = sha256,
				      .check = check_put };
	struct http_reply reply;
	int rc;

	if (len > S3_PUT_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "an object has %zu bytes, at most %zu", len,
				 S3_PUT_MAX);
	rc = s3_send(s3_of(t), &request, &reply, err);
	http_reply_free(&reply);
	return rc;
}

/* Where the bytes of a part of an object go. */
struct part {
	bool tail;
	uint64_t off;
	unsigned char *buf;
	size_t want, got;
	uint64_t seen; /* bytes of the body */
	uint64_t total;
};

static void begin_part(void *ctx)
{
	struct part *p = ctx;

	p->got = 0;
	p->seen = 0;
}

/* A server that does not know ranges sends all of it: what is before the part is dropped. */
static uint64_t part_begins(const struct part *p, const struct http_reply *reply)
{
	if (reply->status == 206)
		return 0;
	if (!p->tail)
		return p->off;
	return reply->length > p->want ? reply->length - p->want : 0;
}

static bool take_part(void *ctx, const struct http_reply *reply, const unsigned char *bytes,
		      size_t len)
{
	struct part *p = ctx;
	uint64_t from = part_begins(p, reply), before;

	before = p->seen < from ? min_u64(from - p->seen, len) : 0;
	p->seen += len;
	bytes += before;
	len -= (size_t)before;
	if (len > p->want - p->got)
		len = p->want - p->got;
	if (len > 0)
		memcpy(p->buf + p->got, bytes, len);
	p->got += len;
	/* The rest of a range is read, so that the connection can be used again. */
	return reply->status == 206 ? p->seen <= p->want : p->got < p->want;
}

/* All of the range that the reply says, and the right one. */
static int check_range(struct part *p, const struct http_reply *r, struct tranship_error *err)
{
	uint64_t end = r->last + 1;

	if (!r->has_range)
		return odd("has a part without Content-Range", err);
	p->total = r->total;
	if (p->seen != r->last - r->first + 1)
		return odd("is shorter or longer than its Content-Range", err);
	if (p->tail ? !r->has_total || end != r->total || p->got != min_u64(p->want, r->total)
		    : r->first != p->off ||
			      (p->got < p->want && (!r->has_total || end != r->total)))
		return odd("has another part than was asked for", err);
	return 0;
}

static int check_part(void *ctx, const struct http_reply *reply, struct tranship_error *err)
{
	struct part *p = ctx;

	if (reply->status == 416) { /* it begins behind the end */
		p->got = 0;
		return 0;
	}
	if (reply->status == 206)
		return check_range(p, reply, err);
	if (reply->status != 200)
		return odd("is neither an object nor a part of one", err);
	p->total = reply->length;
	/* Without a length the end of a body is not known from a cut. */
	if (!reply->has_length && (p->tail || p->got < p->want))
		return odd("has no Content-Length", err);
	if (p->got < p->want && p->seen != reply->length)
		return odd("is shorter than its Content-Length", err);
	return 0;
}

static int get_part(struct target *t, const char *key, const char *range, struct part *p,
		    int *status, struct tranship_error *err)
{
	struct whole_key name;
	struct s3_request request = { .method = "GET",
				      .key = whole(t, key, &name),
				      .range = range,
				      .sink = take_part,
				      .begin = begin_part,
				      .check = check_part,
				      .ctx = p,
				      .quiet = { 416 } };
	struct http_reply reply;
	int rc = s3_send(s3_of(t), &request, &reply, err);

	*status = reply.status;
	http_reply_free(&reply);
	return rc;
}

static bool stop_at_once(void *ctx, const struct http_reply *reply, const unsigned char *bytes,
			 size_t len)
{
	(void)ctx, (void)reply, (void)bytes, (void)len;
	return false;
}

/* A reply to HEAD has no body that says what is wrong: the same is asked by GET then. */
static int head(struct s3 *s3, const char *key, struct http_reply *reply,
		struct tranship_error *err)
{
	static const struct sigv4_pair one[] = { { "list-type", "2" }, { "max-keys", "1" } };
	struct s3_request ask = { .method = "HEAD", .key = key };
	struct s3_request explain = { .method = "GET",
				      .key = key,
				      .query = one,
				      .query_count = key ? 0 : 2,
				      .range = key ? "bytes=0-0" : NULL,
				      .sink = stop_at_once,
				      .quiet = { 416 } };
	struct http_reply why;
	int rc = s3_send(s3, &ask, reply, err), why_rc;

	if (rc == 0 || reply->fault != HTTP_OK || reply->status / 100 != 4)
		return rc;
	why_rc = s3_send(s3, &explain, &why, err);
	http_reply_free(&why);
	if (why_rc)
		return why_rc;
	http_reply_free(reply); /* it came in between, or HEAD alone is forbidden */
	return s3_send(s3, &ask, reply, err);
}

static int stat_object(struct target *t, const char *key, struct object_info *out,
		       struct tranship_error *err)
{
	struct whole_key name;
	struct http_reply reply;
	int rc = head(s3_of(t), whole(t, key, &name), &reply, err);

	if (rc == 0 && (!reply.has_length || reply.modified < 0))
		rc = error_set(err, TRANSHIP_EIO,
			       "%s/%s: the server does not say its length and time", t->name, key);
	if (rc == 0) {
		*out = (struct object_info){ .size = reply.length, .time = reply.modified };
		snprintf(out->key, sizeof(out->key), "%s", key);
	}
	http_reply_free(&reply);
	return rc;
}

static int get(struct target *t, const char *key, uint64_t off, void *buf, size_t len, size_t *got,
	       struct tranship_error *err)
{
	struct part p = { .off = off, .buf = buf, .want = len };
	struct object_info info;
	uint64_t end;
	char range[64];
	int rc, status;

	*got = 0;
	if (len == 0)
		return stat_object(t, key, &info, err);
	if (!add_ok(off, len, &end))
		return error_set(err, TRANSHIP_EINVAL, "a read ends past 2^64");
	snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, off, end - 1);
	rc = get_part(t, key, range, &p, &status, err);
	if (rc == 0)
		*got = p.got;
	return rc;
}

static int tail(struct target *t, const char *key, void *buf, size_t len, size_t *got,
		uint64_t *size, struct tranship_error *err)
{
	struct part p = { .tail = true, .buf = buf, .want = len };
	struct object_info info;
	char range[64];
	int rc = 0, status = 416;

	*got = 0;
	*size = 0;
	snprintf(range, sizeof(range), "bytes=-%zu", len);
	if (len > 0)
		rc = get_part(t, key, range, &p, &status, err);
	if (rc)
		return rc;
	if (status != 416) {
		*got = p.got;
		*size = p.total;
		return 0;
	}
	rc = stat_object(t, key, &info, err); /* nothing is the end of an empty one */
	if (rc == 0 && info.size > 0 && len > 0)
		return error_set(err, TRANSHIP_EIO,
				 "%s/%s: the server does not give its last %zu bytes", t->name, key,
				 len);
	*size = rc ? 0 : info.size;
	return rc;
}

static int list(struct target *t, const char *prefix, object_fn *fn, void *ctx,
		struct tranship_error *err)
{
	return s3_list(s3_of(t), prefix, fn, ctx, err);
}

static int remove_object(struct target *t, const char *key, struct tranship_error *err)
{
	struct whole_key name;
	struct s3_request request = { .method = "DELETE", .key = whole(t, key, &name) };
	struct s3_fault fault;
	struct http_reply reply;
	int rc = s3_send(s3_of(t), &request, &reply, err);

	if (rc == TRANSHIP_ENOTFOUND) {
		s3_fault_read(&reply, &fault);
		rc = strcmp(fault.code, "NoSuchBucket") == 0 ? rc : 0;
	}
	http_reply_free(&reply);
	return rc;
}

static int now(struct target *t, int64_t *out, struct tranship_error *err)
{
	struct http_reply reply;
	int rc = head(s3_of(t), NULL, &reply, err);

	if (rc == 0 && reply.date < 0)
		rc = error_set(err, TRANSHIP_EIO, "%s: the server does not say its time", t->name);
	*out = rc ? 0 : reply.date;
	http_reply_free(&reply);
	return rc;
}

static void close_s3(struct target *t)
{
	struct s3 *s3 = s3_of(t);

	http_close(s3->http);
	s3_credentials_close(s3->credentials);
	free(s3);
}

static const struct target_ops ops = {
	.put = put,
	.get = get,
	.tail = tail,
	.stat = stat_object,
	.list = list,
	.remove = remove_object,
	.now = now,
	.close = close_s3,
};

static int open_parts(struct s3 *s3, const char *url, const struct tranship_s3_options *options,
		      struct tranship_error *err)
{
	unsigned timeout = options->timeout ? options->timeout : TIMEOUT;
	const char *bundle = secure_getenv("AWS_CA_BUNDLE");
	struct http_options http = {
		.ca_file = options->ca_file      ? options->ca_file
			   : bundle && bundle[0] ? bundle
						 : NULL,
		.proxy = options->proxy,
		.timeout = timeout,
		.connect_timeout = timeout < CONNECT_TIMEOUT_MAX ? timeout : CONNECT_TIMEOUT_MAX,
	};
	struct s3_settings settings;
	int rc = s3_credentials_open(options, &s3->credentials, &settings, err);

	if (rc == 0)
		rc = s3_place_parse(url, options, &settings, &s3->place, err);
	return rc ? rc : http_open(&http, &s3->http, err);
}

int s3_open(const char *url, const struct tranship_s3_options *options,
	    const struct s3_tuning *tuning, struct target **out, struct tranship_error *err)
{
	struct s3 *s3 = calloc(1, sizeof(*s3));
	size_t len;
	int rc;

	*out = NULL;
	if (!s3)
		return error_nomem(err, sizeof(*s3));
	s3->base.ops = &ops;
	s3->tuning = tuning ? *tuning : network;
	s3->retries = options->retries ? options->retries : RETRIES;
	rc = open_parts(s3, url, options, err);
	if (rc) {
		close_s3(&s3->base);
		return rc;
	}
	len = strlen(s3->place.prefix);
	snprintf(s3->base.name, sizeof(s3->base.name), "s3://%s%s%.*s", s3->place.bucket,
		 len ? "/" : "", len ? (int)len - 1 : 0, s3->place.prefix);
	*out = &s3->base;
	return 0;
}

int target_s3_open(const char *url, const struct tranship_store_options *options,
		   struct target **out, struct tranship_error *err)
{
	static const struct tranship_s3_options none;

	return s3_open(url, options ? &options->s3 : &none, NULL, out, err);
}
