// SPDX-License-Identifier: Apache-2.0
#include "s3_server.h"

#include "support.h"

#include "base/buffer.h"
#include "emit/sigv4.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct answer {
	int status;
	char headers[600];
	struct buffer body;
};

static void error_xml(struct answer *a, int status, const char *code, const char *message)
{
	a->status = status;
	snprintf(a->headers, sizeof(a->headers), "Content-Type: application/xml\r\n");
	assert_int_equal(buffer_printf(&a->body, NULL,
				       "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s"
				       "</Code><Message>%s</Message></Error>",
				       code, message),
			 0);
}

/* Whether the header Authorization is what the signer makes of the rest. */
static const char *check_signature(struct s3_server *s, const struct http_exchange *x)
{
	char given[2000], names[300], values[10][1600], payload[80], date[40], region[60] = "";
	char id[100] = "", path[2048], *query, *name, *next = NULL;
	struct sigv4_pair headers[10];
	struct sigv4_request r = {
		.method = x->method, .headers = headers, .region = region, .service = "s3"
	};
	struct buffer made = { 0 };
	bool same;

	http_header(x, "authorization", given, sizeof(given));
	if (sscanf(given,
		   "AWS4-HMAC-SHA256 Credential=%99[^/]/%*[^/]/%59[^/]/s3/aws4_request, "
		   "SignedHeaders=%299[^,],",
		   id, region, names) != 3)
		return "AccessDenied";
	if (strcmp(id, S3_SERVER_ID) != 0)
		return "InvalidAccessKeyId";
	for (name = strtok_r(names, ";", &next); name; name = strtok_r(NULL, ";", &next)) {
		http_header(x, name, values[r.header_count], sizeof(values[0]));
		headers[r.header_count] = (struct sigv4_pair){ name, values[r.header_count] };
		r.header_count++;
	}
	snprintf(path, sizeof(path), "%s", x->target);
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	r.path = path;
	r.query = query ? query : "";
	r.payload = http_header(x, "x-amz-content-sha256", payload, sizeof(payload));
	r.date = http_header(x, "x-amz-date", date, sizeof(date));
	assert_int_equal(sigv4_authorization(&r, id, s->secret, &made, NULL), 0);
	same = strcmp((char *)made.bytes, given) == 0;
	buffer_free(&made);
	if (strcmp(region, S3_SERVER_REGION) != 0)
		return "AuthorizationHeaderMalformed";
	return same ? NULL : "SignatureDoesNotMatch";
}

/* The value of a parameter, decoded; NULL: it is not there. */
static const char *parameter(const struct http_exchange *x, const char *name, char out[600])
{
	const char *p = strchr(x->target, '?');
	size_t len = strlen(name), n = 0;

	while (p) {
		p++;
		if (strncmp(p, name, len) == 0 && p[len] == '=')
			break;
		p = strchr(p, '&');
	}
	if (!p)
		return NULL;
	for (p += len + 1; *p && *p != '&' && n < 599; p++) {
		unsigned byte = (unsigned char)*p;

		if (*p == '%' && sscanf(p + 1, "%2x", &byte) == 1)
			p += 2;
		out[n++] = (char)byte;
	}
	out[n] = '\0';
	return out;
}

static int compare_objects(const void *a, const void *b)
{
	return strcmp(((const struct s3_object *)a)->key, ((const struct s3_object *)b)->key);
}

static struct s3_object *find(struct s3_server *s, const char *key)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (strcmp(s->objects[i].key, key) == 0)
			return &s->objects[i];
	return NULL;
}

static void store(struct s3_server *s, const char *key, const void *bytes, size_t len)
{
	struct s3_object *o = find(s, key);

	if (!o) {
		assert_true(s->count < COUNT_OF(s->objects));
		o = &s->objects[s->count++];
		snprintf(o->key, sizeof(o->key), "%s", key);
	}
	free(o->bytes);
	o->bytes = malloc(len + 1);
	assert_non_null(o->bytes);
	if (len)
		memcpy(o->bytes, bytes, len);
	o->len = len;
	o->time = 1700000000;
	qsort(s->objects, s->count, sizeof(s->objects[0]), compare_objects);
}

static void put(struct s3_server *s, const struct http_exchange *x, const char *key,
		struct answer *a, enum s3_trouble trouble)
{
	char made[SIGV4_HEX_SIZE], said[80];

	assert_int_equal(sigv4_sha256(x->body, x->body_len, made, NULL), 0);
	if (strcmp(http_header(x, "x-amz-content-sha256", said, sizeof(said)), made) != 0) {
		error_xml(a, 400, "XAmzContentSHA256Mismatch", "The digests differ.");
		return;
	}
	store(s, key, x->body, x->body_len);
	a->status = 200;
	if (trouble != S3_NO_ETAG)
		strcpy(a->headers, "ETag: \"900150983cd24fb0d6963f7d28e17f72\"\r\n");
}

/* "bytes=1-2" or "bytes=-2"; false: it cannot be had. */
static bool range_of(const char *text, size_t size, size_t *from, size_t *to)
{
	if (text[6] == '-') {
		size_t len = strtoul(text + 7, NULL, 10);

		*from = len < size ? size - len : 0;
		*to = size - 1;
	} else {
		char *end;

		*from = strtoul(text + 6, &end, 10);
		*to = strtoul(end + 1, NULL, 10);
		*to = *to < size ? *to : size - 1;
	}
	return size > 0 && *from < size;
}

static void get(const struct http_exchange *x, const struct s3_object *o, struct answer *a,
		enum s3_trouble trouble)
{
	char range[100];
	size_t from = 0, to = o->len;

	http_header(x, "range", range, sizeof(range));
	if (!range[0] || trouble == S3_NO_RANGES || trouble == S3_NO_RANGES_CHUNKED) {
		a->status = 200;
		snprintf(a->headers, sizeof(a->headers),
			 "Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n");
		assert_int_equal(buffer_append(&a->body, o->bytes, o->len, NULL), 0);
		return;
	}
	if (!range_of(range, o->len, &from, &to)) {
		error_xml(a, 416, "InvalidRange", "Not satisfiable");
		return;
	}
	if (trouble == S3_WRONG_RANGE)
		from += from < to;
	a->status = 206;
	snprintf(a->headers, sizeof(a->headers), "Content-Range: bytes %zu-%zu/%zu\r\n", from, to,
		 o->len);
	if (trouble == S3_SHORT_RANGE)
		to -= from < to;
	assert_int_equal(buffer_append(&a->body, o->bytes + from, to - from + 1, NULL), 0);
}

static void list(struct s3_server *s, const struct http_exchange *x, struct answer *a,
		 enum s3_trouble trouble)
{
	char prefix[600] = "", token[600] = "";
	unsigned page = s->page ? s->page : 1000, told = 0;
	struct buffer *out = &a->body;
	size_t i;

	parameter(x, "prefix", prefix);
	parameter(x, "continuation-token", token);
	assert_int_equal(buffer_printf(out, NULL,
				       "%s<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/"
				       "2006-03-01/\"><Name>" S3_SERVER_BUCKET "</Name>",
				       trouble == S3_DOCTYPE_XML ? "<!DOCTYPE a [<!ENTITY b SYSTEM "
								   "\"file:///etc/passwd\">]>"
								 : "<?xml version=\"1.0\"?>"),
			 0);
	for (i = 0; i < s->count; i++) {
		const struct s3_object *o =
			&s->objects[trouble == S3_UNSORTED ? s->count - 1 - i : i];

		if (strncmp(o->key, prefix, strlen(prefix)) != 0 || strcmp(o->key, token) <= 0)
			continue;
		if (told++ == page)
			break;
		assert_int_equal(buffer_printf(out, NULL, "<Contents><Key>"), 0);
		assert_int_equal(sigv4_encode(out, o->key, true, NULL), 0);
		assert_int_equal(buffer_printf(out, NULL,
					       "</Key><LastModified>2023-11-14T22:13:20.000Z"
					       "</LastModified><ETag>&quot;x&quot;</ETag><Size>%zu"
					       "</Size></Contents>",
					       o->len),
				 0);
		snprintf(token, sizeof(token), "%s", trouble == S3_UNSORTED ? "" : o->key);
	}
	assert_int_equal(
		buffer_printf(out, NULL, "<IsTruncated>%s</IsTruncated>",
			      told > page || trouble == S3_TRUNCATED_NO_TOKEN ? "true" : "false"),
		0);
	if (told > page)
		assert_int_equal(buffer_printf(out, NULL,
					       "<NextContinuationToken>%s"
					       "</NextContinuationToken>",
					       token),
				 0);
	assert_int_equal(
		buffer_printf(out, NULL, "<EncodingType>url</EncodingType>%s",
			      trouble == S3_BROKEN_XML ? "<Contents>" : "</ListBucketResult>"),
		0);
	a->status = 200;
}

/* Its bucket and key, from the path or the host. */
static bool place_of(const struct http_exchange *x, char bucket[100], char key[600])
{
	char path[2048], host[200];
	const char *p;
	size_t n = 0, len;

	snprintf(path, sizeof(path), "%s", x->target);
	path[strcspn(path, "?")] = '\0';
	http_header(x, "host", host, sizeof(host));
	len = strcspn(host, ".");
	if (strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0) {
		len = strcspn(path + 1, "/");
		snprintf(bucket, 100, "%.*s", (int)len, path + 1);
		p = path[1 + len] ? path + len + 2 : "";
	} else {
		snprintf(bucket, 100, "%.*s", (int)len, host);
		p = path + 1;
	}
	for (; *p && n < 599; p++) {
		unsigned byte = (unsigned char)*p;

		if (*p == '%' && sscanf(p + 1, "%2x", &byte) == 1)
			p += 2;
		key[n++] = (char)byte;
	}
	key[n] = '\0';
	return strcmp(bucket, S3_SERVER_BUCKET) == 0;
}

static void route(struct s3_server *s, const struct http_exchange *x, struct answer *a,
		  enum s3_trouble trouble)
{
	char bucket[100], key[600];
	struct s3_object *o;

	if (!place_of(x, bucket, key)) {
		error_xml(a, 404, "NoSuchBucket", "There is none.");
		return;
	}
	o = find(s, key);
	if (!key[0] && strcmp(x->method, "HEAD") == 0) {
		a->status = 200;
	} else if (!key[0]) {
		list(s, x, a, trouble);
	} else if (strcmp(x->method, "PUT") == 0) {
		put(s, x, key, a, trouble);
	} else if (strcmp(x->method, "DELETE") == 0) {
		a->status = 204;
		if (o) {
			free(o->bytes);
			*o = s->objects[--s->count];
			qsort(s->objects, s->count, sizeof(s->objects[0]), compare_objects);
		}
	} else if (!o) {
		error_xml(a, 404, "NoSuchKey", "There is none.");
	} else {
		get(x, o, a, trouble);
	}
}

/* Whether the trouble is the answer; nothing is carried out then. */
static bool refuse(enum s3_trouble trouble, struct answer *a)
{
	size_t i;

	switch (trouble) {
	case S3_STATUS_500:
		error_xml(a, 500, "InternalError", "We encountered an internal error.");
		return true;
	case S3_STATUS_503:
		error_xml(a, 503, "SlowDown", "Please reduce your request rate.");
		return true;
	case S3_STATUS_429:
		error_xml(a, 429, "TooManyRequests", "Slower.");
		strcat(a->headers, "Retry-After: 3\r\n");
		return true;
	case S3_STATUS_507: error_xml(a, 507, "InsufficientStorage", "It is full."); return true;
	case S3_REQUEST_TIMEOUT:
		error_xml(a, 400, "RequestTimeout", "Idle connections are closed.");
		return true;
	case S3_SKEWED:
		error_xml(a, 403, "RequestTimeTooSkewed", "The difference is too large.");
		snprintf(a->headers, sizeof(a->headers), "Date: Fri, 24 May 2013 00:00:00 GMT\r\n");
		return true;
	case S3_EXPIRED:
		error_xml(a, 400, "ExpiredToken", "The provided token has expired.");
		return true;
	case S3_DENIED: error_xml(a, 403, "AccessDenied", "Access Denied"); return true;
	case S3_REDIRECT:
		error_xml(a, 301, "PermanentRedirect", "Use another endpoint.");
		strcat(a->headers, "x-amz-bucket-region: eu-west-7\r\n"
				   "Location: http://127.0.0.1:1/elsewhere\r\n");
		return true;
	case S3_HTML_502:
		a->status = 502;
		assert_int_equal(buffer_printf(&a->body, NULL, "<html><hr>Bad Gateway"), 0);
		return true;
	case S3_EVIL_ERROR: error_xml(a, 400, "Bad&#x9b;2J'", "&#xd;&#x85;[31m\"red"); return true;
	case S3_LONG_ERROR:
		a->status = 400;
		for (i = 0; i < 20000; i++)
			assert_int_equal(buffer_printf(&a->body, NULL, "<Error><Code>No"), 0);
		return true;
	case S3_OK_ERROR:
		error_xml(a, 200, "InternalError", "We encountered an internal error.");
		return true;
	default: return false;
	}
}

static void send_slowly(struct http_exchange *x, const struct answer *a)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	char head[800];
	size_t i, len;

	snprintf(head, sizeof(head), "HTTP/1.1 %d OK\r\n%sContent-Length: %zu\r\n\r\n", a->status,
		 a->headers, a->body.len);
	len = strlen(head);
	for (i = 0; i < len; i += 16) {
		http_send(x, head + i, strnlen(head + i, 16));
		nanosleep(&pause, NULL);
	}
	http_send(x, a->body.bytes, a->body.len / 2);
	nanosleep(&pause, NULL);
	http_send(x, a->body.bytes + a->body.len / 2, a->body.len - a->body.len / 2);
}

static void send_half(struct http_exchange *x, const struct answer *a)
{
	char head[800];

	snprintf(head, sizeof(head), "HTTP/1.1 %d OK\r\n%sContent-Length: %zu\r\n\r\n", a->status,
		 a->headers, a->body.len);
	http_send_text(x, head);
	http_send(x, a->body.bytes, a->body.len / 2);
}

static void send_chunked(struct http_exchange *x, const struct answer *a)
{
	char text[800];

	snprintf(text, sizeof(text),
		 "HTTP/1.1 %d OK\r\n%sTransfer-Encoding: chunked\r\n\r\n%zx\r\n", a->status,
		 a->headers, a->body.len);
	http_send_text(x, text);
	http_send(x, a->body.bytes, a->body.len);
	http_send_text(x, "\r\n0\r\n\r\n");
}

static void send_length(struct http_exchange *x, struct answer *a, size_t length)
{
	char line[60];

	snprintf(line, sizeof(line), "Content-Length: %zu\r\n", length);
	strcat(a->headers, line);
	http_reply_with(x, a->status, a->headers, a->body.bytes, a->body.len);
	x->close = true;
}

static void deliver(struct http_exchange *x, struct answer *a, enum s3_trouble trouble)
{
	switch (trouble) {
	case S3_RESET_AFTER: http_reset(x); break;
	case S3_RESET_IN_HEAD:
		http_send_text(x, "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nConte");
		http_reset(x);
		break;
	case S3_END_IN_HEAD:
		http_send_text(x, "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nConte");
		x->close = true;
		break;
	case S3_RESET_IN_BODY:
		send_half(x, a);
		http_reset(x);
		break;
	case S3_END_IN_BODY:
		send_half(x, a);
		x->close = true;
		break;
	case S3_STALL_IN_BODY:
		send_half(x, a);
		http_stall(x);
		break;
	case S3_SLOWLY: send_slowly(x, a); break;
	case S3_NO_RANGES_CHUNKED: send_chunked(x, a); break;
	case S3_LENGTH_LESS:
	case S3_LENGTH_MORE:
		send_length(x, a, trouble == S3_LENGTH_LESS ? a->body.len - 1 : a->body.len + 1);
		break;
	default: http_reply_with(x, a->status, a->headers, a->body.bytes, a->body.len);
	}
}

static void answer(struct s3_server *s, const struct http_exchange *x, struct answer *a,
		   enum s3_trouble trouble)
{
	const char *wrong = check_signature(s, x);
	char token[1000];

	http_header(x, "x-amz-security-token", token, sizeof(token));
	if (wrong) {
		s->bad_signatures++;
		error_xml(a, strcmp(wrong, "AuthorizationHeaderMalformed") == 0 ? 400 : 403, wrong,
			  "It is wrong.");
		if (a->status == 400)
			strcat(a->headers, "x-amz-bucket-region: " S3_SERVER_REGION "\r\n");
	} else if (strcmp(token, s->token ? s->token : "") != 0) {
		error_xml(a, 400, "ExpiredToken", "The provided token has expired.");
	} else {
		route(s, x, a, trouble);
	}
}

static void handle(void *ctx, struct http_exchange *x)
{
	struct s3_server *s = ctx;
	struct answer a = { .headers = "" };
	enum s3_trouble trouble;

	pthread_mutex_lock(&s->lock);
	trouble = s->times > 0 ? s->trouble : S3_FINE;
	s->times -= s->times > 0;
	snprintf(s->last_target, sizeof(s->last_target), "%s", x->target);
	http_header(x, "host", s->last_host, sizeof(s->last_host));
	if (trouble != S3_RESET && trouble != S3_CLOSE && trouble != S3_STALL &&
	    !refuse(trouble, &a))
		answer(s, x, &a, trouble);
	pthread_mutex_unlock(&s->lock);
	if (trouble == S3_RESET)
		http_reset(x);
	else if (trouble == S3_CLOSE)
		x->close = true;
	else if (trouble == S3_STALL)
		http_stall(x);
	else
		deliver(x, &a, trouble);
	buffer_free(&a.body);
}

void s3_server_start(struct s3_server *s)
{
	memset(s, 0, sizeof(*s));
	s->secret = S3_SERVER_SECRET;
	pthread_mutex_init(&s->lock, NULL);
	s->http = http_server_start(handle, s);
}

void s3_server_stop(struct s3_server *s)
{
	http_server_stop(s->http);
	while (s->count > 0)
		free(s->objects[--s->count].bytes);
	pthread_mutex_destroy(&s->lock);
}

void s3_server_trouble(struct s3_server *s, enum s3_trouble trouble, unsigned times)
{
	pthread_mutex_lock(&s->lock);
	s->trouble = trouble;
	s->times = times;
	pthread_mutex_unlock(&s->lock);
}

const struct s3_object *s3_server_object(struct s3_server *s, const char *key)
{
	const struct s3_object *o;

	pthread_mutex_lock(&s->lock);
	o = find(s, key);
	pthread_mutex_unlock(&s->lock);
	return o;
}

void s3_server_add(struct s3_server *s, const char *key, const void *bytes, size_t len)
{
	pthread_mutex_lock(&s->lock);
	store(s, key, bytes, len);
	pthread_mutex_unlock(&s->lock);
}
