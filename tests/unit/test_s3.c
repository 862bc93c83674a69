// SPDX-License-Identifier: Apache-2.0
/*
 * The S3 target against a server in this process that checks signatures and misbehaves as it is
 * told: what can be tried again is, what cannot ends at once with a sentence that helps.
 */
#include "support.h"

#include "emit/s3.h"
#include "s3_server.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRIES 4U
#define PREFIX "vm/disk 1"

static const struct s3_tuning quick = { .backoff = 1, .backoff_max = 4 };

struct scene {
	struct s3_server server;
	struct tranship_s3_options options;
	struct target *t;
};

static void open_scene(struct scene *s)
{
	struct tranship_error err;

	assert_ok(s3_open("s3://" S3_SERVER_BUCKET "/" PREFIX, &s->options, &quick, &s->t, &err),
		  &err);
}

static void reopen(struct scene *s)
{
	target_close(s->t);
	open_scene(s);
}

static int set_up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s3_server_start(&s->server);
	setenv("HOME", "/nonexistent", 1);
	setenv("no_proxy", "*", 1);
	setenv("AWS_ACCESS_KEY_ID", S3_SERVER_ID, 1);
	setenv("AWS_SECRET_ACCESS_KEY", S3_SERVER_SECRET, 1);
	unsetenv("AWS_SESSION_TOKEN");
	unsetenv("AWS_PROFILE");
	unsetenv("AWS_CA_BUNDLE");
	s->options.endpoint = http_server_url(s->server.http);
	s->options.region = S3_SERVER_REGION;
	s->options.retries = RETRIES;
	s->options.timeout = 20;
	open_scene(s);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	target_close(s->t);
	s3_server_stop(&s->server);
	free(s);
	return 0;
}

struct names {
	unsigned count;
	char text[4000];
};

static int note(void *ctx, const struct object_info *o, struct tranship_error *err)
{
	struct names *n = ctx;

	(void)err;
	assert_int_equal(o->time, 1700000000);
	n->count++;
	if (strlen(n->text) + strlen(o->key) + 30 < sizeof(n->text))
		sprintf(n->text + strlen(n->text), "%s:%llu ", o->key, (unsigned long long)o->size);
	return 0;
}

static void test_target__all(void **state)
{
	struct scene *s = *state;
	struct tranship_error err;
	struct names names = { 0 };
	struct object_info info;
	unsigned char buf[100];
	uint64_t size;
	int64_t time_;
	size_t got;

	assert_string_equal(s->t->name, "s3://" S3_SERVER_BUCKET "/" PREFIX);
	assert_ok(target_put(s->t, "store.json", "hello, store", 12, NULL, &err), &err);
	assert_non_null(s3_server_object(&s->server, PREFIX "/store.json"));
	assert_ok(target_put(s->t, "slots/00/e", NULL, 0, NULL, &err), &err);
	assert_ok(target_get(s->t, "store.json", 7, buf, sizeof(buf), &got, &err), &err);
	assert_int_equal(got, 5);
	assert_memory_equal(buf, "store", 5);
	assert_ok(target_get(s->t, "store.json", 12, buf, 10, &got, &err), &err);
	assert_int_equal(got, 0);
	assert_ok(target_get(s->t, "slots/00/e", 0, buf, 10, &got, &err), &err);
	assert_int_equal(got, 0);
	assert_ok(target_get(s->t, "store.json", 0, buf, 0, &got, &err), &err);
	assert_fails(target_get(s->t, "none", 0, buf, 0, &got, &err), TRANSHIP_ENOTFOUND, &err,
		     PREFIX "/none");
	assert_ok(target_tail(s->t, "store.json", buf, 5, &got, &size, &err), &err);
	assert_int_equal(got, 5);
	assert_int_equal(size, 12);
	assert_memory_equal(buf, "store", 5);
	assert_ok(target_tail(s->t, "store.json", buf, 50, &got, &size, &err), &err);
	assert_int_equal(got, 12);
	assert_ok(target_tail(s->t, "slots/00/e", buf, 50, &got, &size, &err), &err);
	assert_int_equal(got, 0);
	assert_int_equal(size, 0);
	assert_ok(target_stat(s->t, "store.json", &info, &err), &err);
	assert_int_equal(info.size, 12);
	assert_int_equal(info.time, 1700000000);
	assert_string_equal(info.key, "store.json");
	assert_ok(target_list(s->t, "", note, &names, &err), &err);
	assert_string_equal(names.text, "slots/00/e:0 store.json:12 ");
	assert_ok(target_remove(s->t, "store.json", &err), &err);
	assert_ok(target_remove(s->t, "store.json", &err), &err);
	assert_fails(target_stat(s->t, "store.json", &info, &err), TRANSHIP_ENOTFOUND, &err,
		     "no object");
	assert_ok(target_now(s->t, &time_, &err), &err);
	assert_true(time_ >= time(NULL) - 60 && time_ <= time(NULL) + 1);
	assert_int_equal(s->server.bad_signatures, 0);
}

enum op { PUT = 1, GET = 2, TAIL = 4, STAT = 8, LIST = 16, REMOVE = 32, NOW = 64, ALL = 127 };

static int none(void *ctx, const struct object_info *o, struct tranship_error *err)
{
	(void)ctx, (void)o, (void)err;
	return 0;
}

/* One call, whose result is checked where it succeeds. */
static int call(struct scene *s, enum op op, struct tranship_error *err)
{
	unsigned char buf[64];
	struct object_info info;
	struct names names = { 0 };
	uint64_t size;
	int64_t time_;
	size_t got;
	int rc = 0;

	memset(buf, 0x55, sizeof(buf));
	switch (op) {
	case PUT:
		rc = target_put(s->t, "a", "0123456789", 10, NULL, err);
		if (rc == 0)
			assert_int_equal(s3_server_object(&s->server, PREFIX "/a")->len, 10);
		break;
	case GET:
		rc = target_get(s->t, "a", 2, buf, 6, &got, err);
		if (rc == 0) {
			assert_int_equal(got, 6);
			assert_memory_equal(buf, "234567", 6);
		}
		assert_int_equal(buf[6], 0x55);
		break;
	case TAIL:
		rc = target_tail(s->t, "a", buf, 6, &got, &size, err);
		if (rc == 0) {
			assert_int_equal(got, 6);
			assert_int_equal(size, 10);
			assert_memory_equal(buf, "456789", 6);
		}
		assert_int_equal(buf[6], 0x55);
		break;
	case STAT:
		rc = target_stat(s->t, "a", &info, err);
		if (rc == 0)
			assert_int_equal(info.size, 10);
		break;
	case LIST:
		rc = target_list(s->t, "", note, &names, err);
		if (rc == 0)
			assert_string_equal(names.text, "a:10 b:3 ");
		break;
	case REMOVE: rc = target_remove(s->t, "gone", err); break;
	default: rc = target_now(s->t, &time_, err);
	}
	return rc;
}

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

static void fill(struct scene *s)
{
	s3_server_add(&s->server, PREFIX "/a", "0123456789", 10);
	s3_server_add(&s->server, PREFIX "/b", "abc", 3);
	s3_server_add(&s->server, "vm/disk", "other", 5);
	s3_server_add(&s->server, PREFIX "x/c", "other", 5);
}

static void try_row(struct scene *s, const struct trouble_row *row, enum op op)
{
	struct tranship_error err = { 0 };
	unsigned before;
	int rc;

	s3_server_trouble(&s->server, row->trouble, row->again ? RETRIES : 0);
	rc = call(s, op, &err);
	if (rc)
		fail_msg("trouble %d, op %d: %s", row->trouble, op, err.message);
	before = http_server_requests(s->server.http);
	s3_server_trouble(&s->server, row->trouble, 1000);
	rc = call(s, op, &err);
	if (rc != row->rc || (rc && !strstr(err.message, row->piece)))
		fail_msg("trouble %d, op %d: %d %s", row->trouble, op, rc, err.message);
	before = http_server_requests(s->server.http) - before;
	if (row->again && before < RETRIES + 1)
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

	fill(s);
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

	fill(s);
	s3_server_trouble(&s->server, S3_LENGTH_LESS, 1);
	assert_ok(call(s, LIST, &err), &err);
	assert_ok(call(s, GET, &err), &err);
}

static void test_trouble__stalls(void **state)
{
	struct scene *s = *state;
	struct tranship_error err;

	s->options.timeout = 1;
	s->options.retries = 1;
	reopen(s);
	fill(s);
	s3_server_trouble(&s->server, S3_STALL, 1);
	assert_ok(call(s, PUT, &err), &err);
	s3_server_trouble(&s->server, S3_STALL_IN_BODY, 1000);
	assert_fails(call(s, GET, &err), TRANSHIP_EIO, &err, "2 tries");
}

static void test_trouble__full(void **state)
{
	struct scene *s = *state;
	struct tranship_error err;

	s3_server_trouble(&s->server, S3_STATUS_507, 1);
	assert_fails(call(s, PUT, &err), TRANSHIP_EIO, &err, "507");
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
	reopen(s);
	s3_server_stop(&s->server);
	assert_fails(call(s, STAT, &err), TRANSHIP_EIO, &err, "5 tries");
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
	reopen(s);
	fill(s);
	for (op = PUT; op <= NOW; op *= 2) {
		before = http_server_requests(s->server.http);
		assert_fails(call(s, op, &err), TRANSHIP_EDENIED, &err,
			     "the secret is not that of");
		assert_null(strstr(err.message, "another"));
		assert_true(http_server_requests(s->server.http) - before <= 2);
	}
	setenv("AWS_ACCESS_KEY_ID", "nobody", 1);
	reopen(s);
	assert_fails(call(s, STAT, &err), TRANSHIP_EDENIED, &err, "does not know the access key");
	setenv("AWS_ACCESS_KEY_ID", S3_SERVER_ID, 1);
	setenv("AWS_SECRET_ACCESS_KEY", S3_SERVER_SECRET, 1);
	s->options.region = "eu-north-1";
	reopen(s);
	assert_fails(call(s, GET, &err), TRANSHIP_EDENIED, &err, "the region 'us-east-1'");
}

static void test_keys__token(void **state)
{
	struct scene *s = *state;
	struct tranship_error err;

	fill(s);
	s->server.token = "a/session+token==";
	assert_fails(call(s, GET, &err), TRANSHIP_EDENIED, &err, "expired");
	setenv("AWS_SESSION_TOKEN", "a/session+token==", 1);
	reopen(s);
	assert_ok(call(s, GET, &err), &err);
	assert_ok(call(s, PUT, &err), &err);
	unsetenv("AWS_SESSION_TOKEN");
}

static void test_bucket__none(void **state)
{
	struct scene *s = *state;
	struct tranship_error err;
	unsigned op;

	target_close(s->t);
	assert_ok(s3_open("s3://no-bucket", &s->options, &quick, &s->t, &err), &err);
	for (op = PUT; op <= NOW; op *= 2)
		assert_fails(call(s, op, &err), TRANSHIP_ENOTFOUND, &err, "no bucket 'no-bucket'");
}

static void test_style__virtual_host(void **state)
{
	struct scene *s = *state;
	struct tranship_error err;
	char url[64], host[100];
	unsigned op;

	snprintf(url, sizeof(url), "http://localhost:%u", http_server_port(s->server.http));
	s->options.endpoint = url;
	s->options.virtual_host = true;
	reopen(s);
	fill(s);
	for (op = PUT; op <= NOW; op *= 2)
		assert_ok(call(s, op, &err), &err);
	snprintf(host, sizeof(host), S3_SERVER_BUCKET ".localhost:%u",
		 http_server_port(s->server.http));
	assert_string_equal(s->server.last_host, host);
	s->options.virtual_host = false;
	s->options.endpoint = http_server_url(s->server.http);
	reopen(s);
	assert_ok(call(s, GET, &err), &err);
	assert_string_equal(s->server.last_target, "/" S3_SERVER_BUCKET "/vm/disk%201/a");
}

static void test_list__pages(void **state)
{
	struct scene *s = *state;
	struct tranship_error err;
	struct names names = { 0 };
	char key[100];
	unsigned i;

	s->server.page = 7;
	for (i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), PREFIX "/slots/%02u/x", i);
		s3_server_add(&s->server, key, "x", 1);
	}
	/* What no target wrote is left out. */
	s3_server_add(&s->server, PREFIX "/slots/50/A b+c\x01\xC3\xA9&<", "x", 1);
	s3_server_add(&s->server, PREFIX "/slots/", "", 0);
	s3_server_add(&s->server, "vm/disk 10/slots/01", "", 0);
	assert_ok(target_list(s->t, "slots/", note, &names, &err), &err);
	assert_int_equal(names.count, 100);
	assert_memory_equal(names.text, "slots/00/x:1 slots/01/x:1 ", 26);
	memset(&names, 0, sizeof(names));
	assert_ok(target_list(s->t, "slots/5", note, &names, &err), &err);
	assert_int_equal(names.count, 10);
	assert_int_equal(s->server.bad_signatures, 0);
}

static int stop_there(void *ctx, const struct object_info *o, struct tranship_error *err)
{
	(void)ctx, (void)o;
	(void)err;
	return TRANSHIP_ECANCELED;
}

static void test_list__stops(void **state)
{
	struct scene *s = *state;
	struct tranship_error err = { 0 };

	fill(s);
	s->server.page = 1;
	assert_int_equal(target_list(s->t, "", stop_there, NULL, &err), TRANSHIP_ECANCELED);
	assert_int_equal(http_server_requests(s->server.http), 1);
	assert_ok(target_list(s->t, "zz", none, NULL, &err), &err);
}

/* Large enough for "Expect: 100-continue". */
static void test_put__large(void **state)
{
	struct scene *s = *state;
	struct rng rng = { 1 };
	struct tranship_error err;
	size_t size = (3U << 20) + 17, got;
	unsigned char *bytes = malloc(size), *back = malloc(size), wrong[32] = { 1 };
	char digits[SIGV4_HEX_SIZE];
	unsigned char sha256[32];
	size_t i;

	assert_non_null(bytes);
	assert_non_null(back);
	rng_fill(&rng, bytes, size);
	assert_ok(sigv4_sha256(bytes, size, digits, &err), &err);
	for (i = 0; i < 32; i++) {
		char pair[3] = { digits[2 * i], digits[2 * i + 1], 0 };

		sha256[i] = (unsigned char)strtoul(pair, NULL, 16);
	}
	assert_ok(target_put(s->t, "slots/big", bytes, size, sha256, &err), &err);
	assert_ok(target_get(s->t, "slots/big", 0, back, size, &got, &err), &err);
	assert_int_equal(got, size);
	assert_memory_equal(bytes, back, size);
	/* The server checks what it received. */
	assert_fails(target_put(s->t, "slots/bad", bytes, size, wrong, &err), TRANSHIP_EIO, &err,
		     "received other bytes");
	assert_null(s3_server_object(&s->server, PREFIX "/slots/bad"));
	free(bytes);
	free(back);
}

struct worker {
	struct scene *scene;
	unsigned number;
	pthread_t thread;
	int rc;
	struct tranship_error err;
};

static void *work(void *ctx)
{
	struct worker *w = ctx;
	unsigned i;

	for (i = 0; i < 20 && w->rc == 0; i++) {
		unsigned char bytes[5000], back[5000];
		char key[40];
		size_t got = 0;

		memset(bytes, (int)(w->number * 20 + i), sizeof(bytes));
		snprintf(key, sizeof(key), "slots/%u/%u", w->number, i);
		w->rc = target_put(w->scene->t, key, bytes, sizeof(bytes), NULL, &w->err);
		if (w->rc == 0)
			w->rc = target_get(w->scene->t, key, 0, back, sizeof(back), &got, &w->err);
		if (w->rc == 0 && (got != sizeof(back) || memcmp(bytes, back, got) != 0))
			w->rc = TRANSHIP_ECORRUPT;
	}
	return NULL;
}

static void test_target__threads(void **state)
{
	struct worker workers[8];
	struct names names = { 0 };
	struct scene *s = *state;
	struct tranship_error err;
	unsigned i;

	for (i = 0; i < COUNT_OF(workers); i++) {
		workers[i] = (struct worker){ .scene = s, .number = i };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (i = 0; i < COUNT_OF(workers); i++) {
		pthread_join(workers[i].thread, NULL);
		assert_ok(workers[i].rc, &workers[i].err);
	}
	assert_ok(target_list(s->t, "slots/", note, &names, &err), &err);
	assert_int_equal(names.count, 160);
}

static void test_close__leaves_nothing(void **state)
{
	struct scene *s = *state;
	unsigned before = count_descriptors();
	struct tranship_error err;
	struct target *t;

	assert_ok(s3_open("s3://" S3_SERVER_BUCKET, &s->options, &quick, &t, &err), &err);
	assert_string_equal(t->name, "s3://" S3_SERVER_BUCKET);
	assert_ok(target_put(t, "a", "b", 1, NULL, &err), &err);
	assert_non_null(s3_server_object(&s->server, "a"));
	target_close(t);
	target_close(NULL);
	/* The server's end of the connection closes when it sees ours gone. */
	s3_server_stop(&s->server);
	assert_true(count_descriptors() < before);
	s3_server_start(&s->server);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_target__all),
		TEST(test_trouble__each),
		TEST(test_trouble__left_over),
		TEST(test_trouble__stalls),
		TEST(test_trouble__full),
		TEST(test_trouble__nobody_listens),
		TEST(test_keys__wrong),
		TEST(test_keys__token),
		TEST(test_bucket__none),
		TEST(test_style__virtual_host),
		TEST(test_list__pages),
		TEST(test_list__stops),
		TEST(test_put__large),
		TEST(test_target__threads),
		TEST(test_close__leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
