/* SPDX-License-Identifier: Apache-2.0 */
/* A target over a server in this process, for tests of cmocka. */
#ifndef TESTS_UNIT_S3_SCENE_H
#define TESTS_UNIT_S3_SCENE_H

#include "emit/s3.h"
#include "s3_server.h"

#define S3_SCENE_RETRIES 4U
#define S3_SCENE_PREFIX "vm/disk 1"

struct scene {
	struct s3_server server;
	struct tranship_s3_options options;
	struct s3_tuning tuning; /* short waits */
	struct target *t;
};

int s3_scene_set_up(void **state);
int s3_scene_tear_down(void **state);
#define IN_S3(test) cmocka_unit_test_setup_teardown(test, s3_scene_set_up, s3_scene_tear_down)

/* With the options and the environment of now. */
void s3_scene_reopen(struct scene *s);
/* Objects "a", of ten digits, and "b", and some of others. */
void s3_scene_fill(struct scene *s);

struct names {
	unsigned count;
	char text[4000]; /* "KEY:SIZE " each */
};
/* Notes an object of a listing. */
int names_note(void *ctx, const struct object_info *o, struct tranship_error *err);

/* One call on what s3_scene_fill made, whose result is checked where it succeeds. */
enum op { PUT = 1, GET = 2, TAIL = 4, STAT = 8, LIST = 16, REMOVE = 32, NOW = 64, ALL = 127 };
int s3_scene_call(struct scene *s, enum op op, struct tranship_error *err);

#endif
