/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target whose objects are in memory, and whose clock stands where it is put: for tests of what
 * keeps objects in targets.
 */
#ifndef TESTS_UNIT_MEMORY_TARGET_H
#define TESTS_UNIT_MEMORY_TARGET_H

#include "emit/target.h"

#include <pthread.h>

struct memory_object {
	struct object_info info;
	unsigned char *bytes;
};

struct memory_target {
	struct target target;
	pthread_mutex_t lock;          /* the rest */
	struct memory_object *objects; /* ascending by key */
	size_t count, cap;
	int64_t now;
	unsigned long puts, reads; /* calls so far; get and tail are reads */
};

/* Empty; closed by target_close. Fails the test where there is no memory. */
struct target *memory_target_new(void);
struct memory_target *memory_target_of(struct target *t);
/* The clock; it is 1700000000 at first. */
void memory_target_set_time(struct target *t, int64_t now);
/* The object's bytes, to be looked at or damaged in place; NULL: there is none. */
unsigned char *memory_target_bytes(struct target *t, const char *key, size_t *len);

#endif
