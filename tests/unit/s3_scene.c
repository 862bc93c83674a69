// SPDX-License-Identifier: Apache-2.0
#include "s3_scene.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct s3_tuning quick = { .backoff = 1, .backoff_max = 4 };

static void open_scene(struct scene *s)
{
	struct tranship_error err;

	assert_ok(s3_open("s3://" S3_SERVER_BUCKET "/" S3_SCENE_PREFIX, &s->options, &s->tuning,
			  &s->t, &err),
		  &err);
}

void s3_scene_reopen(struct scene *s)
{
	target_close(s->t);
	open_scene(s);
}

int s3_scene_set_up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s3_server_start(&s->server);
	s->tuning = quick;
	setenv("HOME", "/nonexistent", 1);
	setenv("no_proxy", "*", 1);
	setenv("AWS_ACCESS_KEY_ID", S3_SERVER_ID, 1);
	setenv("AWS_SECRET_ACCESS_KEY", S3_SERVER_SECRET, 1);
	unsetenv("AWS_SESSION_TOKEN");
	unsetenv("AWS_PROFILE");
	unsetenv("AWS_CA_BUNDLE");
	s->options.endpoint = http_server_url(s->server.http);
	s->options.region = S3_SERVER_REGION;
	s->options.retries = S3_SCENE_RETRIES;
	s->options.timeout = 20;
	open_scene(s);
	*state = s;
	return 0;
}

int s3_scene_tear_down(void **state)
{
	struct scene *s = *state;

	target_close(s->t);
	s3_server_stop(&s->server);
	free(s);
	return 0;
}

int names_note(void *ctx, const struct object_info *o, struct tranship_error *err)
{
	struct names *n = ctx;

	(void)err;
	assert_int_equal(o->time, 1700000000);
	n->count++;
	if (strlen(n->text) + strlen(o->key) + 30 < sizeof(n->text))
		sprintf(n->text + strlen(n->text), "%s:%llu ", o->key, (unsigned long long)o->size);
	return 0;
}

void s3_scene_fill(struct scene *s)
{
	s3_server_add(&s->server, S3_SCENE_PREFIX "/a", "0123456789", 10);
	s3_server_add(&s->server, S3_SCENE_PREFIX "/b", "abc", 3);
	s3_server_add(&s->server, "vm/disk", "other", 5);
	s3_server_add(&s->server, S3_SCENE_PREFIX "x/c", "other", 5);
}

int s3_scene_call(struct scene *s, enum op op, struct tranship_error *err)
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
			assert_int_equal(s3_server_object(&s->server, S3_SCENE_PREFIX "/a")->len,
					 10);
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
		rc = target_list(s->t, "", names_note, &names, err);
		if (rc == 0)
			assert_string_equal(names.text, "a:10 b:3 ");
		break;
	case REMOVE: rc = target_remove(s->t, "gone", err); break;
	default: rc = target_now(s->t, &time_, err);
	}
	return rc;
}
