/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EMIT_TARGET_FOLDER_INSIDE_H
#define EMIT_TARGET_FOLDER_INSIDE_H

#include "emit/target.h"

#include <pthread.h>

#define PARTIAL_SUFFIX ".partial"

struct folder_target {
	struct target target;
	int root;
	pthread_mutex_t lock;
	void *synced; /* search tree of folders that are known to be on stable storage */
};

/* The folder that a key's object is in, opened, and the last part of the key. `make`: folders that
 * are not there are made, and synced. */
int folder_enter(struct folder_target *f, const char *key, bool make, int *fd, const char **name,
		 struct tranship_error *err);
/* The error for what the system refused. */
int folder_fail(const struct folder_target *f, const char *key, int sys, const char *what,
		struct tranship_error *err);

bool target_is_folder(const struct target *t);
int folder_list(struct target *t, const char *prefix, object_fn *fn, void *ctx,
		struct tranship_error *err);

#endif
