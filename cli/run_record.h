/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a run of `tranship replicate`, for those who tell it. */
#ifndef CLI_RUN_RECORD_H
#define CLI_RUN_RECORD_H

#include "job.h"

/* A pass: one call of tranship_replicate. */
struct run_pass {
	double started; /* seconds since 1970 */
	bool failed;
	struct tranship_boot_plan *plan; /* with --boot, where it got so far */
	struct tranship_replicate_result result;
};

struct run_record {
	const struct job *job;
	char store_id[64];     /* "": the store was not opened */
	double started, ended; /* seconds since 1970 */
	double seconds;        /* by a clock that nobody sets */
	int exit_code;
	struct tranship_error err; /* code 0: nothing went wrong */
	bool quiet;                /* --until-quiet: the last pass was, or was called the last */
	struct run_pass *passes;   /* room for job->max_passes */
	unsigned pass_count;
};

/* How it ended, as one word. */
static inline const char *run_result_word(const struct run_record *run)
{
	return run->exit_code > 128                    ? "canceled"
	       : run->exit_code == EXIT_OK             ? "point"
	       : run->exit_code == EXIT_NOTHING        ? "nothing"
	       : run->exit_code == EXIT_TRACKING       ? "lost-tracking"
	       : run->exit_code == EXIT_SOURCE_CHANGED ? "source-changed"
	       : run->exit_code == EXIT_NOT_QUIET      ? "not-quiet"
	       : run->exit_code == EXIT_REFUSED        ? "refused"
						       : "failed";
}

/* Whether everything that was asked for was done. */
static inline bool run_succeeded(const struct run_record *run)
{
	return run->exit_code == EXIT_OK || run->exit_code == EXIT_NOTHING;
}

#endif
