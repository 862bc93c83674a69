/* SPDX-License-Identifier: Apache-2.0 */
/* The passes of a run: one, or as many as it takes until little changes. */
#ifndef CLI_PASSES_H
#define CLI_PASSES_H

#include "run_record.h"

/* Fills passes, quiet, store_id, exit_code, and err where something went wrong. */
void passes_run(struct job *job, struct run_record *run);

/* Seconds since 1970. */
double passes_now(void);

#endif
