// SPDX-License-Identifier: Apache-2.0
/* Where the bucket is: from the location that was typed, the options, the environment and the
 * profile, to the origin and the path of a request. */
#include "emit/s3.h"

#include "base/error.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define AUTHORITY_MAX 240U

static int bad(const char *what, const char *text, const char *why, struct tranship_error *err)
{
	char shown[300];

	text_escape(shown, sizeof(shown), text, strlen(text));
	return error_set(err, TRANSHIP_EINVAL, "%s '%s' %s", what, shown, why);
}

/* Buckets of other servers may have upper case and '_'; in a host name neither works. */
static int check_bucket(const char *bucket, bool virtual_host, struct tranship_error *err)
{
	const char *allowed = virtual_host ? LOWER DIGITS ".-" : LOWER UPPER DIGITS "._-";
	size_t len = strlen(bucket);

	if (len < 3 || len > S3_BUCKET_MAX || strspn(bucket, allowed) != len ||
	    strchr(".-_", bucket[0]) || strchr(".-", bucket[len - 1]) || strstr(bucket, ".."))
		return bad("the bucket", bucket,
			   "is no name of a bucket (3 to 63 letters, digits, '.', '-')", err);
	return 0;
}

/* Levels without dots alone, controls and empty ones; what is left is encoded on the wire. */
static int check_prefix(const char *prefix, struct tranship_error *err)
{
	const char *level = prefix;

	if (strlen(prefix) > S3_PREFIX_MAX || !text_is_line(prefix, S3_PREFIX_MAX))
		return bad("the prefix", prefix, "is no line of text of at most 200 bytes", err);
	while (*level) {
		size_t len = strcspn(level, "/");

		if (len == 0 || (len == 1 && level[0] == '.') ||
		    (len == 2 && memcmp(level, "..", 2) == 0))
			return bad("the prefix", prefix, "has a level that is empty or dots", err);
		level += len;
		if (*level == '/' && *++level == '\0')
			return bad("the prefix", prefix, "has a level that is empty or dots", err);
	}
	return 0;
}

static int parse_url(const char *url, struct s3_place *out, struct tranship_error *err)
{
	const char *p = strncmp(url, "s3://", 5) == 0 ? url + 5 : NULL;
	size_t len = p ? strcspn(p, "/") : 0, rest;
	int rc;

	if (!p)
		return bad("the location", url, "does not begin with s3://", err);
	if (len > S3_BUCKET_MAX)
		return bad("the location", url, "has a bucket of more than 63 characters", err);
	memcpy(out->bucket, p, len);
	out->bucket[len] = '\0';
	rc = check_bucket(out->bucket, out->virtual_host, err);
	if (rc)
		return rc;
	p += len + (p[len] == '/');
	rest = strlen(p);
	if (rest > 0 && p[rest - 1] == '/')
		rest--;
	if (rest == 0 && *p)
		return bad("the location", url, "has a prefix with an empty level", err);
	if (rest > S3_PREFIX_MAX)
		return bad("the location", url, "has a prefix of more than 200 bytes", err);
	memcpy(out->prefix, p, rest);
	out->prefix[rest] = '\0';
	rc = check_prefix(out->prefix, err);
	if (rc == 0 && rest > 0)
		strcat(out->prefix, "/");
	return rc;
}

/* host or host:port, without a port that the scheme has anyway. */
static int check_authority(const char *endpoint, const char *host, size_t len, const char *port,
			   char out[AUTHORITY_MAX], struct tranship_error *err)
{
	size_t name = strcspn(host, ":");
	char *end;
	unsigned long number;

	if (host[0] == '[') { /* IPv6 */
		name = strcspn(host, "]") + 1;
		if (name > len || strspn(host + 1, DIGITS "abcdefABCDEF:.") != name - 2)
			return bad("the endpoint", endpoint, "has no valid host", err);
	} else if ((name < len ? name : len) == 0 || host[0] == '.' || host[0] == '-' ||
		   strspn(host, LOWER UPPER DIGITS ".-") < (name < len ? name : len)) {
		return bad("the endpoint", endpoint, "has no valid host", err);
	}
	if (name >= len) {
		snprintf(out, AUTHORITY_MAX, "%.*s", (int)len, host);
		return 0;
	}
	number = strtoul(host + name + 1, &end, 10);
	if (host[name] != ':' || end != host + len || strspn(host + name + 1, DIGITS) == 0 ||
	    number == 0 || number > 65535)
		return bad("the endpoint", endpoint, "has no valid port", err);
	if (number == strtoul(port, NULL, 10))
		snprintf(out, AUTHORITY_MAX, "%.*s", (int)name, host);
	else
		snprintf(out, AUTHORITY_MAX, "%.*s:%lu", (int)name, host, number);
	return 0;
}

static bool is_address(const char *host)
{
	return host[0] == '[' || strspn(host, DIGITS ".:") == strlen(host);
}

static int parse_endpoint(const char *endpoint, struct s3_place *out, struct tranship_error *err)
{
	bool tls = strncmp(endpoint, "https://", 8) == 0;
	const char *host = endpoint + (tls ? 8 : 7);
	char authority[AUTHORITY_MAX];
	size_t len;
	int rc;

	if (!tls && strncmp(endpoint, "http://", 7) != 0)
		return bad("the endpoint", endpoint, "does not begin with https:// or http://",
			   err);
	len = strcspn(host, "/?#");
	if (strcmp(host + len, "") != 0 && strcmp(host + len, "/") != 0)
		return bad("the endpoint", endpoint, "has more than a host and a port", err);
	if (len >= AUTHORITY_MAX)
		return bad("the endpoint", endpoint, "is too long", err);
	rc = check_authority(endpoint, host, len, tls ? "443" : "80", authority, err);
	if (rc)
		return rc;
	if (out->virtual_host && is_address(authority))
		return bad("the endpoint", endpoint,
			   "is an address, before which no bucket's name can stand", err);
	snprintf(out->host, sizeof(out->host), "%s%s%s", out->virtual_host ? out->bucket : "",
		 out->virtual_host ? "." : "", authority);
	snprintf(out->origin, sizeof(out->origin), "%s://%s", tls ? "https" : "http", out->host);
	return 0;
}

/* The first that is there and not empty. */
static const char *first(const char *a, const char *b, const char *c, const char *d)
{
	const char *all[] = { a, b, c, d };
	size_t i;

	for (i = 0; i < 4; i++)
		if (all[i] && all[i][0])
			return all[i];
	return NULL;
}

static int choose_region(const struct tranship_s3_options *options,
			 const struct s3_settings *settings, struct s3_place *out,
			 struct tranship_error *err)
{
	const char *region = first(options->region, secure_getenv("AWS_REGION"),
				   secure_getenv("AWS_DEFAULT_REGION"), settings->region);
	size_t len;

	region = region ? region : "us-east-1";
	len = strlen(region);
	if (len > S3_REGION_MAX || strspn(region, LOWER UPPER DIGITS "-_") != len)
		return bad("the region", region, "is no name of a region", err);
	strcpy(out->region, region);
	return 0;
}

int s3_place_parse(const char *url, const struct tranship_s3_options *options,
		   const struct s3_settings *settings, struct s3_place *out,
		   struct tranship_error *err)
{
	const char *endpoint = first(options->endpoint, secure_getenv("AWS_ENDPOINT_URL_S3"),
				     secure_getenv("AWS_ENDPOINT_URL"), settings->endpoint);
	struct s3_place place = { .virtual_host = options->virtual_host };
	char amazon[120];
	int rc = parse_url(url, &place, err);

	if (rc == 0)
		rc = choose_region(options, settings, &place, err);
	if (rc)
		return rc;
	if (!endpoint) {
		snprintf(amazon, sizeof(amazon), "https://s3.%s.amazonaws.com%s", place.region,
			 strncmp(place.region, "cn-", 3) == 0 ? ".cn" : "");
		endpoint = amazon;
	}
	rc = parse_endpoint(endpoint, &place, err);
	if (rc == 0)
		*out = place;
	return rc;
}

int s3_path(const struct s3_place *place, const char *key, struct buffer *out,
	    struct tranship_error *err)
{
	int rc = buffer_append(out, "/", 1, err);

	if (rc == 0 && !place->virtual_host)
		rc = sigv4_encode(out, place->bucket, false, err);
	if (rc == 0 && !place->virtual_host && key)
		rc = buffer_append(out, "/", 1, err);
	return rc ? rc : sigv4_encode(out, key ? key : "", true, err);
}
