/* SPDX-License-Identifier: Apache-2.0 */
/* What one `tranship replicate` is asked to do, by a job file and by options. */
#ifndef CLI_JOB_H
#define CLI_JOB_H

#include "boot_options.h"
#include "store_options.h"
#include "texts.h"

#define JOB_PASSES_DEFAULT 10U
#define JOB_PASSES_MAX 1000U
#define JOB_UPLOADS_MAX 64U
#define JOB_LEVEL_MAX 19

/* The list of what changed. */
struct job_changes {
	const char *file; /* NULL: none */
	const char *format, *base_id, *target_id;
	uint64_t size, block_size;
};

struct job {
	struct texts texts; /* owns what comes from files */
	/* The source, and how it is opened. */
	const char *location;
	struct cli_source source;
	struct cli_boot boot;
	/* The store. */
	const char *store;
	struct cli_store store_options;
	/* The point. */
	const char *name;
	const char *own_name; /* of the job, whatever the options call the point */
	const char *disk, *version, *source_identity;
	/* How. */
	struct job_changes changes;
	enum tranship_lost_tracking on_lost_tracking;
	const char *checkpoint;
	bool no_checkpoint;
	int level;
	unsigned threads, uploads;
	uint64_t rate, grace;
	/* Passes. */
	bool until_quiet;
	uint64_t quiet;
	const char *pass_command;
	unsigned max_passes;
	/* What is told. */
	const char *report, *metrics;
	bool progress;
	enum cli_output output;
};

void job_init(struct job *job);
void job_free(struct job *job);

/* "fail" or "fingerprint". false: neither. */
bool job_lost_tracking(struct job *job, const char *text);

/* job_file.c. Adds what a job file says. TRANSHIP_EINVAL: something in it is wrong. */
int job_load(struct job *job, const char *path, struct tranship_error *err);

/* What a pass command answers, over what the last pass had. *last: it says that this is the last
 * pass. */
int job_take_answer(struct job *job, const char *text, size_t len, bool *last,
		    struct tranship_error *err);

/* Says which disk it is, where nobody did. */
int job_complete(struct job *job, struct tranship_error *err);

/* Where the checkpoint is, where nobody said it: in a folder of the user's. Without one there is
 * none, with a warning. */
void job_place_checkpoint(struct job *job, const char *store_id, tranship_warn_fn *warn);

#endif
