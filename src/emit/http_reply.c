// SPDX-License-Identifier: Apache-2.0
#include "emit/http_reply.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RETRY_AFTER_MAX 3600U

void http_reply_begin(struct http_reply *reply)
{
	reply->has_length = reply->has_range = reply->has_total = false;
	reply->length = reply->first = reply->last = reply->total = 0;
	reply->date = reply->modified = -1;
	reply->retry_after = 0;
	reply->etag[0] = reply->region[0] = '\0';
}

static bool number(const char **p, uint64_t *out)
{
	const char *from = *p;
	uint64_t value = 0;

	for (; **p >= '0' && **p <= '9'; ++*p)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(**p - '0'), &value))
			return false;
	*out = value;
	return *p > from;
}

/* "bytes 0-9/100", "bytes 0-9/" and a star for an unknown size, "bytes" star "/100" for a range
 * that could not be had (RFC 9110, section 14.4). */
static void content_range(struct http_reply *r, const char *value)
{
	uint64_t first = 0, last = 0, total = 0;
	bool ranged, sized;

	if (strncasecmp(value, "bytes ", 6) != 0)
		return;
	value += 6;
	ranged = *value != '*';
	if (ranged) {
		if (!number(&value, &first) || *value++ != '-' || !number(&value, &last))
			return;
	} else {
		value++;
	}
	if (*value++ != '/')
		return;
	sized = number(&value, &total);
	if (*value != '\0' && (sized || strcmp(value, "*") != 0))
		return;
	if (ranged && (first > last || (sized && last >= total)))
		return;
	r->has_range = ranged;
	r->first = first;
	r->last = last;
	r->has_total = sized;
	r->total = total;
}

static void take(struct http_reply *r, const char *name, const char *value)
{
	const char *p = value;
	uint64_t n;

	if (strcasecmp(name, "content-length") == 0) {
		r->has_length = number(&p, &r->length) && *p == '\0';
	} else if (strcasecmp(name, "content-range") == 0) {
		content_range(r, value);
	} else if (strcasecmp(name, "date") == 0) {
		r->date = curl_getdate(value, NULL);
	} else if (strcasecmp(name, "last-modified") == 0) {
		r->modified = curl_getdate(value, NULL);
	} else if (strcasecmp(name, "retry-after") == 0) {
		if (number(&p, &n) && *p == '\0')
			r->retry_after = n < RETRY_AFTER_MAX ? (unsigned)n : RETRY_AFTER_MAX;
	} else if (strcasecmp(name, "etag") == 0) {
		if (strlen(value) < sizeof(r->etag))
			strcpy(r->etag, value);
	} else if (strcasecmp(name, "x-amz-bucket-region") == 0) {
		if (strlen(value) < sizeof(r->region))
			strcpy(r->region, value);
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void http_reply_line(struct http_reply *reply, const char *line, size_t len)
{
	char text[300];
	char *value;

	while (len > 0 && is_blank(line[len - 1]))
		len--;
	if (len >= sizeof(text) || memchr(line, '\0', len))
		return;
	memcpy(text, line, len);
	text[len] = '\0';
	value = strchr(text, ':');
	if (!value)
		return;
	*value++ = '\0';
	while (is_blank(*value))
		value++;
	take(reply, text, value);
}

bool http_reply_is_odd(const struct http_reply *reply)
{
	return reply->status == 206 && reply->has_range && reply->has_length &&
	       reply->length != reply->last - reply->first + 1;
}
