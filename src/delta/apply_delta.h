/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DELTA_APPLY_DELTA_H
#define DELTA_APPLY_DELTA_H

#include "delta/delta_file.h"

/* A delta file that is open. */
struct apply_delta {
	struct tranship_file *file;
	struct delta *delta;
};

/* "-": standard input. What comes through a pipe is kept in the folder until it is closed. */
int apply_delta_open(struct apply_delta *d, const char *path, const char *spool_folder,
		     struct tranship_error *err);
void apply_delta_close(struct apply_delta *d);

#endif
