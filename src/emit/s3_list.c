// SPDX-License-Identifier: Apache-2.0
/*
 * Listings by ListObjectsV2, a page a request. Keys are asked for URL-encoded, since XML cannot
 * hold all of them. A page is read to its end before anything of it is told, so a broken one is
 * simply asked for again.
 */
#include "emit/s3.h"

#include "base/error.h"
#include "base/text.h"
#include "emit/s3_xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A page has up to 1000 keys; a key in XML takes at most 1024 x 3 bytes, and as much again. */
#define PAGE_KEYS 1000U
#define PAGE_BYTES ((size_t)8 << 20)
/* Pages of one listing, and how many without any key may follow each other. */
#define PAGES_MAX 10000000U
#define EMPTY_PAGES_MAX 1000U
#define TOKEN_MAX 2048U

struct entry {
	size_t key; /* in keys, as it was sent */
	uint64_t size;
	int64_t time;
};

struct page {
	struct buffer bytes; /* of the reply */
	bool too_long;
	struct buffer keys; /* each with a terminator */
	struct entry *entries;
	size_t count;
	bool encoded, truncated;
	char token[TOKEN_MAX + 1]; /* of the next page */
	char code[64];             /* of an error that came instead */
	/* of the entry that is being read */
	struct entry entry;
	bool has_key, has_size, has_time;
};

static bool digits(const char *p, int count, int *out)
{
	int i;

	*out = 0;
	for (i = 0; i < count; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*out = *out * 10 + (p[i] - '0');
	}
	return true;
}

int64_t s3_time(const char *text)
{
	int year, month, day, hour, minute, second;
	struct tm tm = { 0 };

	if (strnlen(text, 41) > 40 || strlen(text) < 20 || text[4] != '-' || text[7] != '-' ||
	    text[10] != 'T' || text[13] != ':' || text[16] != ':' || !digits(text, 4, &year) ||
	    !digits(text + 5, 2, &month) || !digits(text + 8, 2, &day) ||
	    !digits(text + 11, 2, &hour) || !digits(text + 14, 2, &minute) ||
	    !digits(text + 17, 2, &second))
		return -1;
	text += 19;
	if (*text == '.')
		text += 1 + strspn(text + 1, "0123456789");
	if (strcmp(text, "Z") != 0 || year < 1970 || month < 1 || month > 12 || day < 1 ||
	    day > 31 || hour > 23 || minute > 59 || second > 60)
		return -1;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	tm.tm_hour = hour;
	tm.tm_min = minute;
	tm.tm_sec = second;
	return (int64_t)timegm(&tm);
}

static int bad_page(const char *what, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT, "the server's listing has %s", what);
}

static bool parse_size(const char *text, uint64_t *out)
{
	char *end;

	if (text[0] < '0' || text[0] > '9' || strlen(text) > 19)
		return false;
	*out = strtoull(text, &end, 10);
	return *end == '\0';
}

static int end_entry(struct page *p, struct tranship_error *err)
{
	if (!p->has_key || !p->has_size || !p->has_time)
		return bad_page("an object without key, size or time", err);
	if (p->count == PAGE_KEYS)
		return bad_page("more objects than were asked for", err);
	p->entries[p->count++] = p->entry;
	p->has_key = p->has_size = p->has_time = false;
	return 0;
}

static int entry_field(struct page *p, const char *name, const char *text,
		       struct tranship_error *err)
{
	if (strcmp(name, "Key") == 0) {
		if (strlen(text) >= S3_XML_TEXT_MAX)
			return bad_page("a key that is too long", err);
		p->has_key = true;
		p->entry.key = p->keys.len;
		return buffer_append(&p->keys, text, strlen(text) + 1, err);
	}
	if (strcmp(name, "Size") == 0) {
		p->has_size = parse_size(text, &p->entry.size);
		return p->has_size ? 0 : bad_page("a size that is no number", err);
	}
	if (strcmp(name, "LastModified") == 0) {
		p->entry.time = s3_time(text);
		p->has_time = p->entry.time >= 0;
		return p->has_time ? 0 : bad_page("a time that is none", err);
	}
	return 0;
}

static int on_element(void *ctx, unsigned depth, const char *name, const char *parent,
		      const char *text, struct tranship_error *err)
{
	struct page *p = ctx;

	if (depth == 1)
		return strcmp(name, "ListBucketResult") == 0 || p->code[0]
			       ? 0
			       : bad_page("another root than ListBucketResult", err);
	if (depth == 3 && strcmp(parent, "Contents") == 0)
		return entry_field(p, name, text, err);
	if (depth != 2)
		return 0;
	if (strcmp(parent, "Error") == 0 && strcmp(name, "Code") == 0)
		snprintf(p->code, sizeof(p->code), "%s", text);
	if (strcmp(name, "Contents") == 0)
		return end_entry(p, err);
	if (strcmp(name, "IsTruncated") == 0)
		p->truncated = strcmp(text, "true") == 0;
	if (strcmp(name, "EncodingType") == 0)
		p->encoded = strcmp(text, "url") == 0;
	if (strcmp(name, "NextContinuationToken") == 0) {
		if (strlen(text) > TOKEN_MAX)
			return bad_page("a continuation token that is too long", err);
		strcpy(p->token, text);
	}
	return 0;
}

static void begin_page(void *ctx)
{
	struct page *p = ctx;

	p->bytes.len = p->keys.len = 0;
	p->count = 0;
	p->too_long = p->encoded = p->truncated = false;
	p->has_key = p->has_size = p->has_time = false;
	p->token[0] = p->code[0] = '\0';
}

static bool take_bytes(void *ctx, const struct http_reply *reply, const unsigned char *bytes,
		       size_t len)
{
	struct page *p = ctx;

	(void)reply;
	p->too_long =
		len > PAGE_BYTES - p->bytes.len || buffer_append(&p->bytes, bytes, len, NULL) != 0;
	return !p->too_long;
}

/* What a proxy or a dying server makes of a listing is asked for again. */
static int check_page(void *ctx, const struct http_reply *reply, struct tranship_error *err)
{
	struct page *p = ctx;
	struct s3_fault fault = { .code = "" };
	char code[100];
	int rc;

	if (p->too_long)
		return error_set(err, TRANSHIP_ELIMIT,
				 "a page of the server's listing is longer than %zu MiB",
				 PAGE_BYTES >> 20);
	rc = s3_xml_read((char *)p->bytes.bytes, p->bytes.len, on_element, p, err);
	if (rc == 0 && p->code[0]) {
		memcpy(fault.code, p->code, sizeof(p->code));
		text_escape(code, sizeof(code), p->code, strlen(p->code));
		error_set(err, TRANSHIP_EIO, "instead of a listing the server sent the error %s",
			  code);
		return s3_fault_again(reply, &fault) ? S3_AGAIN : TRANSHIP_EIO;
	}
	if (rc == 0 && p->truncated && !p->token[0])
		rc = bad_page("no token for its next page", err);
	return rc == TRANSHIP_ECORRUPT ? S3_AGAIN : rc;
}

static int hex_digit(char c)
{
	const char *digits_ = "0123456789abcdef", *at;

	at = c ? strchr(digits_, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
	return at ? (int)(at - digits_) : -1;
}

/* In place. */
static bool decode(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text == '%') {
			int high = hex_digit(text[1]), low = high < 0 ? -1 : hex_digit(text[2]);

			if (low < 0 || (high == 0 && low == 0))
				return false;
			*to++ = (char)(high << 4 | low);
			text += 2;
		} else {
			*to++ = *text == '+' ? ' ' : *text;
		}
	}
	*to = '\0';
	return true;
}

struct listing {
	struct s3 *s3;
	const char *whole; /* prefix, with that of the target */
	object_fn *fn;
	void *ctx;
	bool any;
	char last[S3_XML_TEXT_MAX + 1]; /* key of this listing */
};

/* Keys that no target writes are other people's. */
static int tell(struct listing *l, const struct page *p, struct tranship_error *err)
{
	size_t own = strlen(l->s3->place.prefix), i;
	int rc = 0;

	for (i = 0; i < p->count && rc == 0; i++) {
		char *key = (char *)p->keys.bytes + p->entries[i].key;
		struct object_info info = { .size = p->entries[i].size,
					    .time = p->entries[i].time };

		if (p->encoded && !decode(key))
			return bad_page("a key that is not encoded right", err);
		if (strncmp(key, l->whole, strlen(l->whole)) != 0)
			return bad_page("a key that was not asked for", err);
		if (l->any && strcmp(key, l->last) <= 0)
			return bad_page("keys out of order", err);
		l->any = true;
		strcpy(l->last, key);
		if (strlen(key + own) > TARGET_KEY_MAX || !target_key_ok(key + own))
			continue;
		strcpy(info.key, key + own);
		rc = l->fn(l->ctx, &info, err);
	}
	return rc;
}

static int get_page(struct s3 *s3, const char *whole, const char *token, struct page *p,
		    struct tranship_error *err)
{
	const struct sigv4_pair query[] = { { "list-type", "2" },
					    { "encoding-type", "url" },
					    { "max-keys", "1000" },
					    { "prefix", whole },
					    { "continuation-token", token } };
	struct s3_request request = { .method = "GET",
				      .query = query,
				      .query_count = token[0] ? 5 : 4,
				      .sink = take_bytes,
				      .begin = begin_page,
				      .check = check_page,
				      .ctx = p };
	struct http_reply reply;
	int rc = s3_send(s3, &request, &reply, err);

	http_reply_free(&reply);
	return rc;
}

static int all_pages(struct listing *l, struct page *p, struct tranship_error *err)
{
	unsigned pages, empty = 0;
	char token[TOKEN_MAX + 1] = "";
	int rc = 0;

	for (pages = 0; pages < PAGES_MAX && empty < EMPTY_PAGES_MAX; pages++) {
		rc = get_page(l->s3, l->whole, token, p, err);
		if (rc == 0)
			rc = tell(l, p, err);
		if (rc || !p->truncated)
			return rc;
		empty = p->count ? 0 : empty + 1;
		strcpy(token, p->token);
	}
	return bad_page("no end", err);
}

int s3_list(struct s3 *s3, const char *prefix, object_fn *fn, void *ctx, struct tranship_error *err)
{
	char whole[S3_PREFIX_MAX + 2 + TARGET_KEY_MAX + 1];
	struct listing *l = calloc(1, sizeof(*l));
	struct page *p = calloc(1, sizeof(*p));
	int rc = 0;

	if (p)
		p->entries = calloc(PAGE_KEYS, sizeof(*p->entries));
	if (!l || !p || !p->entries)
		rc = error_nomem(err, sizeof(*l));
	else if (strlen(prefix) > TARGET_KEY_MAX)
		rc = error_set(err, TRANSHIP_EINVAL, "not a prefix of keys");
	if (rc == 0) {
		snprintf(whole, sizeof(whole), "%s%s", s3->place.prefix, prefix);
		*l = (struct listing){ .s3 = s3, .whole = whole, .fn = fn, .ctx = ctx };
		rc = all_pages(l, p, err);
	}
	if (p) {
		buffer_free(&p->bytes);
		buffer_free(&p->keys);
		free(p->entries);
	}
	free(p);
	free(l);
	return rc;
}
