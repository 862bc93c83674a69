// SPDX-License-Identifier: Apache-2.0
/* What the head of a reply says, and the XML in its body: all of it is the server's to choose. */
#include "support.h"

#include "emit/http_reply.h"
#include "emit/s3_xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void line(struct http_reply *r, const char *text)
{
	http_reply_line(r, text, strlen(text));
}

static void test_line__each(void **state)
{
	struct http_reply r = { 0 };

	(void)state;
	http_reply_begin(&r);
	assert_int_equal(r.date, -1);
	line(&r, "CONTENT-length:  123 \r\n");
	line(&r, "Date: Fri, 24 May 2013 00:00:00 GMT\r\n");
	line(&r, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT");
	line(&r, "ETag: \"x\"");
	line(&r, "retry-after: 99999");
	line(&r, "x-amz-bucket-region: eu-west-1");
	line(&r, "no header at all");
	line(&r, ": 5");
	assert_true(r.has_length);
	assert_int_equal(r.length, 123);
	assert_int_equal(r.date, 1369353600);
	assert_int_equal(r.modified, 784111777);
	assert_string_equal(r.etag, "\"x\"");
	assert_int_equal(r.retry_after, 3600);
	assert_string_equal(r.region, "eu-west-1");
	http_reply_begin(&r); /* of the real one, behind 100 Continue */
	assert_false(r.has_length);
	assert_string_equal(r.etag, "");
	line(&r, "Content-Length: 18446744073709551616");
	assert_false(r.has_length);
	line(&r, "Content-Length: 12x");
	assert_false(r.has_length);
	line(&r, "Content-Length: -1");
	assert_false(r.has_length);
	line(&r, "Date: nonsense");
	assert_int_equal(r.date, -1);
	line(&r, "Retry-After: Fri, 24 May 2013 00:00:00 GMT");
	assert_int_equal(r.retry_after, 0);
}

static void test_line__long(void **state)
{
	struct http_reply r = { 0 };
	char text[1000] = "ETag: ";

	(void)state;
	http_reply_begin(&r);
	memset(text + 6, 'e', 150);
	line(&r, text);
	assert_string_equal(r.etag, "");
	memset(text + 6, 'e', 900);
	line(&r, text);
	assert_string_equal(r.etag, "");
	http_reply_line(&r, "ETag: a\0b", 9);
	assert_string_equal(r.etag, "");
	http_reply_line(&r, "", 0);
}

static void test_line__content_range(void **state)
{
	static const struct {
		const char *value;
		bool range, total;
		uint64_t first, last, size;
	} rows[] = {
		{ "bytes 0-9/100", true, true, 0, 9, 100 },
		{ "Bytes 90-99/100", true, true, 90, 99, 100 },
		{ "bytes 0-9/*", true, false, 0, 9, 0 },
		{ "bytes */100", false, true, 0, 0, 100 },
		{ "bytes */*", false, false, 0, 0, 0 },
		{ "bytes 9-0/100", false, false, 0, 0, 0 },
		{ "bytes 0-100/100", false, false, 0, 0, 0 },
		{ "bytes 0-9", false, false, 0, 0, 0 },
		{ "bytes 0-9/100 ", true, true, 0, 9, 100 },
		{ "bytes 0-9/100x", false, false, 0, 0, 0 },
		{ "bytes -9/100", false, false, 0, 0, 0 },
		{ "bytes 0-18446744073709551616/*", false, false, 0, 0, 0 },
		{ "units 0-9/100", false, false, 0, 0, 0 },
		{ "bytes *", false, false, 0, 0, 0 },
		{ "bytes ", false, false, 0, 0, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		struct http_reply r = { 0 };
		char text[100];

		http_reply_begin(&r);
		snprintf(text, sizeof(text), "Content-Range: %s\r\n", rows[i].value);
		line(&r, text);
		if (r.has_range != rows[i].range || r.has_total != rows[i].total ||
		    r.first != rows[i].first || r.last != rows[i].last || r.total != rows[i].size)
			fail_msg("%s", rows[i].value);
	}
}

static void test_reply__is_odd(void **state)
{
	struct http_reply r = { .status = 206 };

	(void)state;
	http_reply_begin(&r);
	line(&r, "Content-Range: bytes 0-9/100");
	assert_false(http_reply_is_odd(&r));
	line(&r, "Content-Length: 10");
	assert_false(http_reply_is_odd(&r));
	line(&r, "Content-Length: 9");
	assert_true(http_reply_is_odd(&r));
}

static int count(void *ctx, unsigned depth, const char *name, const char *parent, const char *text,
		 struct tranship_error *err)
{
	unsigned *n = ctx;

	(void)depth, (void)name, (void)parent, (void)err;
	assert_true(strlen(text) <= S3_XML_TEXT_MAX);
	++*n;
	return 0;
}

static int read_xml(const char *text, size_t len, struct tranship_error *err)
{
	unsigned n = 0;

	return s3_xml_read(text, len, count, &n, err);
}

static void test_xml__refused(void **state)
{
	static const struct {
		const char *text, *piece;
	} rows[] = {
		{ "", "XML" },
		{ "<a>", "XML" },
		{ "<a></b>", "XML" },
		{ "<a/><b/>", "XML" },
		{ "no", "XML" },
		{ "<a>&nothing;</a>", "XML" },
		{ "<a>\x01</a>", "XML" },
		{ "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "document type" },
		{ "<!DOCTYPE a SYSTEM \"http://127.0.0.1/\"><a/>", "document type" },
		{ "<1><2><3><4><5><6><7><8><9>", "XML" },
		{ "<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>", "too deep" },
		{ "<a b='1' c='1' d='1' e='1' f='1' g='1' h='1' i='1' j='1'/>", "attributes" },
	};
	struct tranship_error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++)
		assert_fails(read_xml(rows[i].text, strlen(rows[i].text), &err), TRANSHIP_ECORRUPT,
			     &err, rows[i].piece);
	assert_ok(read_xml("<a><b>&lt;&#65;</b><c/></a>", 27, &err), &err);
}

/* A tag, a comment and names without an end take no time in proportion to their square. */
static void test_xml__long(void **state)
{
	size_t size = (size_t)8 << 20, at;
	struct tranship_error err;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', size);
	memcpy(text, "<a ", 3);
	assert_fails(read_xml(text, size, &err), TRANSHIP_ECORRUPT, &err, "too long");
	memset(text, '-', size);
	memcpy(text, "<a><!-- ", 8);
	assert_int_equal(read_xml(text, size, &err), TRANSHIP_ECORRUPT);
	memcpy(text, "<a>", 3);
	for (at = 3; at + 16 < size; at += 16) {
		char one[20];

		snprintf(one, sizeof(one), "<n%012zx/>", at);
		memcpy(text + at, one, 16);
	}
	assert_fails(read_xml(text, at, &err), TRANSHIP_ECORRUPT, &err, "too long");
	/* Text is cut. */
	memset(text, 'x', size);
	memcpy(text, "<a>", 3);
	memcpy(text + 100000, "</a>", 4);
	assert_ok(read_xml(text, 100004, &err), &err);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line__each),          cmocka_unit_test(test_line__long),
		cmocka_unit_test(test_line__content_range), cmocka_unit_test(test_reply__is_odd),
		cmocka_unit_test(test_xml__refused),        cmocka_unit_test(test_xml__long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
