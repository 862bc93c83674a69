// SPDX-License-Identifier: Apache-2.0
/*
 * The S3 target against a server in this process that misbehaves as it is told: what can be tried
 * again is, what cannot ends at once with a sentence that helps.
 */
#include "support.h"

#include "s3_scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* rc 0: it works in spite of it, however often it comes. */
struct trouble_row {
	enum s3_trouble trouble;
	unsigned ops;
	bool again; /* is tried again, and works then */
	int rc;
	const char *piece;
};

static const struct trouble_row rows[] = {
	{ S3_RESET, ALL, true, TRANSHIP_EIO, "tries" },
	{ S3_RESET_AFTER, ALL, true, TRANSHIP_EIO, "tries" },
	{ S3_RESET_IN_HEAD, ALL, true, TRANSHIP_EIO, "tries" },
	{ S3_END_IN_HEAD, ALL, true, TRANSHIP_EIO, "tries" },
	{ S3_CLOSE, ALL, true, TRANSHIP_EIO, "tries" },
	{ S3_RESET_IN_BODY, GET | TAIL | LIST, true, TRANSHIP_EIO, "tries" },
	{ S3_END_IN_BODY, GET | TAIL | LIST, true, TRANSHIP_EIO, "tries" },
	{ S3_STATUS_500, ALL, true, TRANSHIP_EIO, "500" },
	{ S3_STATUS_503, ALL, true, TRANSHIP_EIO, "503" },
	{ S3_STATUS_429, ALL & ~(STAT | NOW), true, TRANSHIP_EIO, "TooManyRequests" },
	{ S3_HTML_502, ALL, true, TRANSHIP_EIO, "502" },
	{ S3_REQUEST_TIMEOUT, ALL & ~(STAT | NOW), true, TRANSHIP_EIO, "RequestTimeout" },
	{ S3_SLOWLY, GET | TAIL | LIST, false, 0, NULL },
	{ S3_LENGTH_LESS, GET | TAIL, true, TRANSHIP_EIO, "" },
	{ S3_LENGTH_MORE, GET | TAIL | LIST, true, TRANSHIP_EIO, "" },
	{ S3_SHORT_RANGE, GET | TAIL, true, TRANSHIP_EIO, "Content-Range" },
	{ S3_WRONG_RANGE, GET | TAIL, true, TRANSHIP_EIO, "another part" },
	{ S3_NO_RANGES, GET | TAIL, false, 0, NULL },
	{ S3_NO_RANGES_CHUNKED, GET, false, 0, NULL },
	{ S3_NO_RANGES_CHUNKED, TAIL, true, TRANSHIP_EIO, "Content-Length" },
	{ S3_BROKEN_XML, LIST, true, TRANSHIP_EIO, "XML" },
	{ S3_DOCTYPE_XML, LIST, true, TRANSHIP_EIO, "document type" },
	{ S3_TRUNCATED_NO_TOKEN, LIST, true, TRANSHIP_EIO, "no token" },
	{ S3_UNSORTED, LIST, false, TRANSHIP_ECORRUPT, "out of order" },
	{ S3_OK_ERROR, PUT | REMOVE | LIST, true, TRANSHIP_EIO, "InternalError" },
	{ S3_NO_ETAG, PUT, true, TRANSHIP_EIO, "ETag" },
	{ S3_STATUS_507, ALL, false, TRANSHIP_EIO, "507" },
	{ S3_SKEWED, ALL, false, TRANSHIP_EDENIED, "the server's 2013-05-24 00:00:00 UTC" },
	{ S3_EXPIRED, ALL, false, TRANSHIP_EDENIED, "session token has expired" },
	{ S3_DENIED, ALL, false, TRANSHIP_EDENIED, "needs the right s3:" },
	{ S3_REDIRECT, ALL, false, TRANSHIP_EDENIED, "region 'eu-west-7'" },
	{ S3_LONG_ERROR, ALL, false, TRANSHIP_EIO, "400" },
	{ S3_EVIL_ERROR, ALL & ~(STAT | NOW), false, TRANSHIP_EIO, "Bad\\xc2\\x9b2J\\x27" },
};

static void try_row(struct scene *s, const struct trouble_row *row, enum op op)
{
	struct tranship_error err = { 0 };
	unsigned before;
	int rc;

	s3_server_trouble(&s->server, row->trouble, row->again ? S3_SCENE_RETRIES : 0);
	rc = s3_scene_call(s, op, &err);
	if (rc)
		fail_msg("trouble %d, op %d: %s", row->trouble, op, err.message);
	before = http_server_requests(s->server.http);
	s3_server_trouble(&s->server, row->trouble, 1000);
	rc = s3_scene_call(s, op, &err);
	if (rc != row->rc || (rc && !strstr(err.message, row->piece)))
		fail_msg("trouble %d, op %d: %d %s", row->trouble, op, rc, err.message);
	before = http_server_requests(s->server.http) - before;
	if (row->again && before < S3_SCENE_RETRIES + 1)
		fail_msg("trouble %d, op %d: only %u requests", row->trouble, op, before);
	if (!row->again && before > 2) /* a HEAD is explained by a GET */
		fail_msg("trouble %d, op %d: %u requests", row->trouble, op, before);
	s3_server_trouble(&s->server, S3_FINE, 0);
}

static void test_trouble__each(void **state)
{
	struct scene *s = *state;
	unsigned op;
	size_t i;

	s3_scene_fill(s);
	for (i = 0; i < COUNT_OF(rows); i++)
		for (op = PUT; op <= NOW; op *= 2)
			if (rows[i].ops & op)
				try_row(s, &rows[i], op);
	assert_int_equal(s->server.bad_signatures, 0);
}

/* What is left of a reply is not taken for the next one. */
static void test_trouble__left_over(void **state)
{
	struct scene *s = *state;
	struct tranship_error err;

	s3_scene_fill(s);
	s3_server_trouble(&s->server, S3_LENGTH_LESS, 1);
	assert_ok(s3_scene_call(s, LIST, &err), &err);
	assert_ok(s3_scene_call(s, GET, &err), &err);
}

static void test_trouble__stalls(void **state)
{
	struct scene *s = *state;
	struct tranship_error err;

	s->options.timeout = 1;
	s->options.retries = 1;
	s3_scene_reopen(s);
	s3_scene_fill(s);
	s3_server_trouble(&s->server, S3_STALL, 1);
	assert_ok(s3_scene_call(s, PUT, &err), &err);
	s3_server_trouble(&s->server, S3_STALL_IN_BODY, 1000);
	assert_fails(s3_scene_call(s, GET, &err), TRANSHIP_EIO, &err, "2 tries");
}

static void test_trouble__full(void **state)
{
	struct scene *s = *state;
	struct tranship_error err;

	s3_server_trouble(&s->server, S3_STATUS_507, 1);
	assert_fails(s3_scene_call(s, PUT, &err), TRANSHIP_EIO, &err, "507");
	assert_int_equal(err.sys_errno, ENOSPC);
}

static void test_trouble__nobody_listens(void **state)
{
	struct scene *s = *state;
	struct tranship_error err;
	char url[64];

	/* A port that was just ours. */
	snprintf(url, sizeof(url), "%s", http_server_url(s->server.http));
	s->options.endpoint = url;
	s3_scene_reopen(s);
	s3_server_stop(&s->server);
	assert_fails(s3_scene_call(s, STAT, &err), TRANSHIP_EIO, &err, "5 tries");
	assert_int_equal(err.sys_errno, ECONNREFUSED);
	s3_server_start(&s->server);
}

static void test_keys__wrong(void **state)
{
	struct scene *s = *state;
	struct tranship_error err;
	unsigned before;
	unsigned op;

	setenv("AWS_SECRET_ACCESS_KEY", "another", 1);
	s3_scene_reopen(s);
	s3_scene_fill(s);
	for (op = PUT; op <= NOW; op *= 2) {
		before = http_server_requests(s->server.http);
		assert_fails(s3_scene_call(s, op, &err), TRANSHIP_EDENIED, &err,
			     "the secret is not that of");
		assert_null(strstr(err.message, "another"));
		assert_true(http_server_requests(s->server.http) - before <= 2);
	}
	setenv("AWS_ACCESS_KEY_ID", "nobody", 1);
	s3_scene_reopen(s);
	assert_fails(s3_scene_call(s, STAT, &err), TRANSHIP_EDENIED, &err,
		     "does not know the access key");
	setenv("AWS_ACCESS_KEY_ID", S3_SERVER_ID, 1);
	setenv("AWS_SECRET_ACCESS_KEY", S3_SERVER_SECRET, 1);
	s->options.region = "eu-north-1";
	s3_scene_reopen(s);
	assert_fails(s3_scene_call(s, GET, &err), TRANSHIP_EDENIED, &err, "the region 'us-east-1'");
}

static void test_keys__token(void **state)
{
	struct scene *s = *state;
	struct tranship_error err;

	s3_scene_fill(s);
	s->server.token = "a/session+token==";
	assert_fails(s3_scene_call(s, GET, &err), TRANSHIP_EDENIED, &err, "expired");
	setenv("AWS_SESSION_TOKEN", "a/session+token==", 1);
	s3_scene_reopen(s);
	assert_ok(s3_scene_call(s, GET, &err), &err);
	assert_ok(s3_scene_call(s, PUT, &err), &err);
	unsetenv("AWS_SESSION_TOKEN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_S3(test_trouble__each),
		IN_S3(test_trouble__left_over),
		IN_S3(test_trouble__stalls),
		IN_S3(test_trouble__full),
		IN_S3(test_trouble__nobody_listens),
		IN_S3(test_keys__wrong),
		IN_S3(test_keys__token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
