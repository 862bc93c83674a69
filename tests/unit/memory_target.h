/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target whose objects are in memory, and whose clock stands where it is put: for tests of what
 * keeps objects in targets. Its listings may lag, its operations may fail, and a test may step in
 * before and after each of them.
 */
#ifndef TESTS_UNIT_MEMORY_TARGET_H
#define TESTS_UNIT_MEMORY_TARGET_H

#include "emit/target.h"

#include <pthread.h>
#include <stdbool.h>

struct memory_object {
	struct object_info info;
	unsigned char *bytes;
};

/* A put or remove that listings do not show yet. */
struct memory_change {
	struct object_info info;
	bool there;
	unsigned long due;
	int64_t due_time;
};

enum memory_op {
	MEMORY_PUT,
	MEMORY_GET,
	MEMORY_TAIL,
	MEMORY_STAT,
	MEMORY_LIST,
	MEMORY_REMOVE,
	MEMORY_NOW,
};

/* Called before (`after` false) and after each operation; not for operations of its own. key: of a
 * list, the prefix; of now, "". */
typedef void memory_hook(void *ctx, enum memory_op op, const char *key, bool after);

struct memory_target {
	struct target target;
	pthread_mutex_t lock;          /* the rest */
	struct memory_object *objects; /* ascending by key */
	size_t count, cap;
	int64_t now;
	unsigned long puts, reads; /* calls so far; get and tail are reads */
	unsigned long calls;       /* of all kinds */

	/* Lagging listings: what they show, and what they do not show yet. */
	char lag_prefix[64];
	unsigned long lag_calls;
	int64_t lag_seconds;
	bool lags;
	struct object_info *shown; /* ascending by key */
	size_t shown_count;
	struct memory_change *changes; /* in order */
	size_t change_count;

	unsigned long fail_at; /* number of the call; 0: none */
	int fail_code;
	memory_hook *hook;
	void *hook_ctx;
	bool in_hook;
};

/* Empty; closed by target_close. Fails the test where there is no memory. */
struct target *memory_target_new(void);
struct memory_target *memory_target_of(struct target *t);
/* The clock; it is 1700000000 at first. */
void memory_target_set_time(struct target *t, int64_t now);
/* The object's bytes, to be looked at or damaged in place; NULL: there is none. */
unsigned char *memory_target_bytes(struct target *t, const char *key, size_t *len);
bool memory_target_has(struct target *t, const char *key);
/*
 * From now on a put or remove of a key that begins with `prefix` shows in listings only when so
 * many more operations were made, and the clock went on by so many seconds; each shows behind those
 * before it. What does not show yet goes on waiting for what it was told. Reading one key never
 * lags.
 */
void memory_target_lag(struct target *t, const char *prefix, unsigned long calls, int64_t seconds);
/* The nth operation from now on (1: the next) fails with `code`; 0: none does. */
void memory_target_fail(struct target *t, unsigned long nth, int code);
/* NULL: none. */
void memory_target_hook(struct target *t, memory_hook *hook, void *ctx);

#endif
