/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DELTA_APPLY_DELTA_H
#define DELTA_APPLY_DELTA_H

#include "copy/meter.h"
#include "delta/delta_file.h"

#include <pthread.h>
#include <stdatomic.h>

/* A delta file that is open. */
struct apply_delta {
	const char *path; /* borrowed */
	struct tranship_file *file;
	struct delta *delta;
	/* Of the verification. */
	pthread_t thread;
	bool running;
	atomic_bool stop;
	int rc;
	struct tranship_error err;
};

/* "-": standard input. What comes through a pipe is kept in the folder until it is closed; the
 * meter, which was started, is asked meanwhile whether it is to go on. */
int apply_delta_open(struct apply_delta *d, const char *path, const char *spool_folder,
		     struct meter *meter, struct tranship_error *err);
/*
 * Verifies all of it, beside what the caller does until apply_delta_verified; `alone`: at once. A
 * failure of the verification is told by the latter, which is called in any case.
 */
void apply_delta_verify(struct apply_delta *d, bool alone);
/* `stop`: the result does not matter any more. */
int apply_delta_verified(struct apply_delta *d, bool stop, struct tranship_error *err);
void apply_delta_close(struct apply_delta *d);

#endif
