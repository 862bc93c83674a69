// SPDX-License-Identifier: Apache-2.0
/* The S3 target against a server in this process that checks signatures and digests. */
#include "support.h"

#include "s3_scene.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

	assert_string_equal(s->t->name, "s3://" S3_SERVER_BUCKET "/" S3_SCENE_PREFIX);
	assert_ok(target_put(s->t, "store.json", "hello, store", 12, NULL, &err), &err);
	assert_non_null(s3_server_object(&s->server, S3_SCENE_PREFIX "/store.json"));
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
		     S3_SCENE_PREFIX "/none");
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
	assert_ok(target_list(s->t, "", names_note, &names, &err), &err);
	assert_string_equal(names.text, "slots/00/e:0 store.json:12 ");
	assert_ok(target_remove(s->t, "store.json", &err), &err);
	assert_ok(target_remove(s->t, "store.json", &err), &err);
	assert_fails(target_stat(s->t, "store.json", &info, &err), TRANSHIP_ENOTFOUND, &err,
		     "no object");
	assert_ok(target_now(s->t, &time_, &err), &err);
	assert_true(time_ >= time(NULL) - 60 && time_ <= time(NULL) + 1);
	assert_int_equal(s->server.bad_signatures, 0);
}

static int none(void *ctx, const struct object_info *o, struct tranship_error *err)
{
	(void)ctx, (void)o, (void)err;
	return 0;
}

static void test_bucket__none(void **state)
{
	struct scene *s = *state;
	struct tranship_error err;
	unsigned op;

	target_close(s->t);
	assert_ok(s3_open("s3://no-bucket", &s->options, &s->tuning, &s->t, &err), &err);
	for (op = PUT; op <= NOW; op *= 2)
		assert_fails(s3_scene_call(s, op, &err), TRANSHIP_ENOTFOUND, &err,
			     "no bucket 'no-bucket'");
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
	s3_scene_reopen(s);
	s3_scene_fill(s);
	for (op = PUT; op <= NOW; op *= 2)
		assert_ok(s3_scene_call(s, op, &err), &err);
	snprintf(host, sizeof(host), S3_SERVER_BUCKET ".localhost:%u",
		 http_server_port(s->server.http));
	assert_string_equal(s->server.last_host, host);
	s->options.virtual_host = false;
	s->options.endpoint = http_server_url(s->server.http);
	s3_scene_reopen(s);
	assert_ok(s3_scene_call(s, GET, &err), &err);
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
		snprintf(key, sizeof(key), S3_SCENE_PREFIX "/slots/%02u/x", i);
		s3_server_add(&s->server, key, "x", 1);
	}
	/* What no target wrote is left out. */
	s3_server_add(&s->server, S3_SCENE_PREFIX "/slots/50/A b+c\x01\xC3\xA9&<", "x", 1);
	s3_server_add(&s->server, S3_SCENE_PREFIX "/slots/", "", 0);
	s3_server_add(&s->server, "vm/disk 10/slots/01", "", 0);
	assert_ok(target_list(s->t, "slots/", names_note, &names, &err), &err);
	assert_int_equal(names.count, 100);
	assert_memory_equal(names.text, "slots/00/x:1 slots/01/x:1 ", 26);
	memset(&names, 0, sizeof(names));
	assert_ok(target_list(s->t, "slots/5", names_note, &names, &err), &err);
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

	s3_scene_fill(s);
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
	assert_null(s3_server_object(&s->server, S3_SCENE_PREFIX "/slots/bad"));
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
	assert_ok(target_list(s->t, "slots/", names_note, &names, &err), &err);
	assert_int_equal(names.count, 160);
}

static void test_close__leaves_nothing(void **state)
{
	struct scene *s = *state;
	unsigned before = count_descriptors();
	struct tranship_error err;
	struct target *t;

	assert_ok(s3_open("s3://" S3_SERVER_BUCKET, &s->options, &s->tuning, &t, &err), &err);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_S3(test_target__all),         IN_S3(test_bucket__none),
		IN_S3(test_style__virtual_host), IN_S3(test_list__pages),
		IN_S3(test_list__stops),         IN_S3(test_put__large),
		IN_S3(test_target__threads),     IN_S3(test_close__leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
