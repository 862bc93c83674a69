// SPDX-License-Identifier: Apache-2.0
#include "job.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void job_init(struct job *job)
{
	*job = (struct job){ .max_passes = JOB_PASSES_DEFAULT };
	cli_source_init(&job->source);
	cli_store_init(&job->store_options);
}

void job_free(struct job *job)
{
	cli_source_free(&job->source);
	cli_store_free(&job->store_options);
	texts_free(&job->texts);
}

bool job_lost_tracking(struct job *job, const char *text)
{
	bool fail = strcmp(text, "fail") == 0;

	job->on_lost_tracking =
		fail ? TRANSHIP_LOST_TRACKING_FAIL : TRANSHIP_LOST_TRACKING_FINGERPRINT;
	return fail || strcmp(text, "fingerprint") == 0;
}

int job_complete(struct job *job, struct tranship_error *err)
{
	char path[PATH_MAX];

	if (job->disk)
		return 0;
	job->disk = job->own_name;
	if (!job->disk && strcmp(job->location, "-") == 0)
		return texts_error(err, TRANSHIP_EINVAL,
				   "what comes through a pipe has no name: --disk is needed");
	if (!job->disk)
		job->disk = realpath(job->location, path) ? texts_keep(&job->texts, path)
							  : job->location;
	if (strlen(job->disk) > TRANSHIP_ID_MAX)
		return texts_error(err, TRANSHIP_EINVAL,
				   "the name of the source is longer than %d bytes, which the id "
				   "of a disk may have: --disk is needed",
				   TRANSHIP_ID_MAX);
	return 0;
}

/* Folders on the way that are not there are made, for their owner only. */
static int make_folders(char *path)
{
	char *slash;
	int rc = 0;

	for (slash = strchr(path + 1, '/'); rc == 0; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		rc = mkdir(path, 0700) < 0 && errno != EEXIST ? -1 : 0;
		if (!slash)
			break;
		*slash = '/';
	}
	return rc;
}

/* FNV-1a: names a file; who two disks of one number are is said in the file. */
static uint64_t digest_of(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return h;
}

void job_place_checkpoint(struct job *job, const char *store_id, tranship_warn_fn *warn)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	const char *folder = NULL;
	char *path;

	if (job->checkpoint || job->no_checkpoint)
		return;
	if (state && *state == '/')
		folder = texts_printf(&job->texts, "%s/tranship", state);
	else if (home && *home == '/')
		folder = texts_printf(&job->texts, "%s/.local/state/tranship", home);
	if (!folder) {
		warn(NULL, "there is no home folder for a checkpoint: what is interrupted begins "
			   "anew (--checkpoint FILE)");
		return;
	}
	path = strdup(folder);
	if (!path)
		abort();
	if (make_folders(path) == 0)
		job->checkpoint = texts_printf(&job->texts, "%s/%s-%016" PRIx64 ".checkpoint",
					       folder, store_id, digest_of(job->disk));
	else
		warn(NULL, texts_printf(&job->texts,
					"'%s' could not be made: %s: there is no checkpoint, what "
					"is interrupted begins anew",
					folder, strerror(errno)));
	free(path);
}
