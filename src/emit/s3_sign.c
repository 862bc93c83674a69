// SPDX-License-Identifier: Apache-2.0
#include "emit/s3.h"

#include "base/error.h"
#include "base/hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct draft {
	struct sigv4_pair headers[S3_LINES_MAX];
	struct sigv4_request request;
	char payload[SIGV4_HEX_SIZE];
	char date[SIGV4_DATE_SIZE];
	struct buffer path, query, authorization;
};

static int line(struct s3_signed *out, const char *name, const char *value,
		struct tranship_error *err)
{
	if (asprintf(&out->lines[out->count], "%s: %s", name, value) < 0)
		return error_nomem(err, strlen(value));
	out->count++;
	return 0;
}

/* Ascending by name, as they are signed. */
static void list_headers(struct draft *d, const struct s3 *s3, const struct s3_request *r,
			 const struct s3_keys *keys)
{
	struct sigv4_pair *h = d->headers;

	if (r->body)
		*h++ = (struct sigv4_pair){ "content-type", "application/octet-stream" };
	*h++ = (struct sigv4_pair){ "host", s3->place.host };
	if (r->range)
		*h++ = (struct sigv4_pair){ "range", r->range };
	*h++ = (struct sigv4_pair){ "x-amz-content-sha256", d->payload };
	*h++ = (struct sigv4_pair){ "x-amz-date", d->date };
	if (keys->token[0])
		*h++ = (struct sigv4_pair){ "x-amz-security-token", keys->token };
	d->request.headers = d->headers;
	d->request.header_count = (size_t)(h - d->headers);
}

static int draft(struct draft *d, const struct s3 *s3, const struct s3_request *r,
		 const struct s3_keys *keys, int64_t now, struct tranship_error *err)
{
	int rc = sigv4_date(now, d->date, err);

	if (rc == 0 && r->sha256)
		hex_text(r->sha256, 32, d->payload);
	else if (rc == 0)
		rc = sigv4_sha256(r->body ? r->body : "", r->body ? r->body_len : 0, d->payload,
				  err);
	if (rc == 0)
		rc = s3_path(&s3->place, r->key, &d->path, err);
	if (rc == 0)
		rc = sigv4_query(&d->query, r->query, r->query_count, err);
	if (rc)
		return rc;
	list_headers(d, s3, r, keys);
	d->request.method = r->method;
	d->request.path = (char *)d->path.bytes;
	d->request.query = (char *)d->query.bytes;
	d->request.payload = d->payload;
	d->request.date = d->date;
	d->request.region = s3->place.region;
	d->request.service = "s3";
	return sigv4_authorization(&d->request, keys->id, keys->secret, &d->authorization, err);
}

static int write_down(const struct draft *d, const struct s3 *s3, struct s3_signed *out,
		      struct tranship_error *err)
{
	const struct sigv4_request *r = &d->request;
	size_t i;
	int rc = 0;

	for (i = 0; i < r->header_count && rc == 0; i++)
		rc = line(out, r->headers[i].name, r->headers[i].value, err);
	if (rc == 0)
		rc = line(out, "authorization", (char *)d->authorization.bytes, err);
	if (rc)
		return rc;
	if (asprintf(&out->url, "%s%s%s%s", s3->place.origin, r->path, r->query[0] ? "?" : "",
		     r->query) < 0) {
		out->url = NULL;
		return error_nomem(err, 1);
	}
	return 0;
}

int s3_sign(const struct s3 *s3, const struct s3_request *request, const struct s3_keys *keys,
	    int64_t now, struct s3_signed *out, struct tranship_error *err)
{
	struct draft d = { .payload = "" };
	int rc = draft(&d, s3, request, keys, now, err);

	*out = (struct s3_signed){ .time = now };
	snprintf(out->key_id, sizeof(out->key_id), "%s", keys->id);
	if (rc == 0)
		rc = write_down(&d, s3, out, err);
	buffer_free(&d.path);
	buffer_free(&d.query);
	buffer_free(&d.authorization);
	if (rc)
		s3_signed_free(out);
	return rc;
}

void s3_signed_free(struct s3_signed *s)
{
	size_t i;

	for (i = 0; i < s->count; i++) {
		explicit_bzero(s->lines[i], strlen(s->lines[i]));
		free(s->lines[i]);
	}
	free(s->url);
	*s = (struct s3_signed){ .count = 0 };
}
