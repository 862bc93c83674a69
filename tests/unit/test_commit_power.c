// SPDX-License-Identifier: Apache-2.0
/*
 * Commit, killed or without power at any instant: the child reads what it did before, at any time,
 * or is refused; the parent has its old content or the new one, or is refused; another child of the
 * parent never reads wrong data; and the same commit again ends the work.
 */
#include "chain_files.h"
#include "copy/commit.h"
#include "folder_power.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define IMAGES_MAX 3

struct job {
	const char *format;
	unsigned images; /* the child first */
	unsigned target;
	size_t sizes[IMAGES_MAX]; /* of the disks */
	unsigned flags;           /* TRANSHIP_COMMIT_* */
	bool together;            /* in one folder, and found by what the images say */
	unsigned changes;         /* in each child */
	bool notes_only;
	unsigned one_in; /* so many states are looked at; 0: all */
	unsigned nested_one_in;
};

/* A job in a folder. */
struct site {
	const struct job *job;
	char paths[IMAGES_MAX][PATH_MAX];
	const char *parents[IMAGES_MAX];
	char siblings[IMAGES_MAX][PATH_MAX]; /* [i]: another child of image i, above the child */
	unsigned char *content[IMAGES_MAX], *others[IMAGES_MAX]; /* of the siblings */
	unsigned char *wanted;                                   /* the target afterwards */
	struct tranship_policy policy;
};

static struct tranship_open_options options_at(const struct site *site, unsigned image)
{
	struct tranship_open_options options = { .format = site->job->format,
						 .policy = &site->policy };

	if (!site->job->together && image + 1 < site->job->images) {
		options.parents = site->parents + image + 1;
		options.parent_count = site->job->images - image - 1;
	}
	return options;
}

static int run_commit(const struct medium *medium, void *ctx, struct tranship_error *err)
{
	const struct site *site = ctx;
	const struct job *job = site->job;
	struct tranship_open_options options = options_at(site, 0);

	return commit_on(medium, site->paths[0], &options,
			 job->target == 1 ? NULL : site->paths[job->target], job->flags, NULL, err);
}

/* A refusal that says what to do. */
static bool is_refused(int rc, const struct tranship_error *err)
{
	return rc == TRANSHIP_EBUSY && err->sys_errno == 0 &&
	       (strstr(err->message, "must be finished first") ||
		strstr(err->message, "'check -r all'"));
}

/* Whether the image reads as one of the contents (the second may be NULL), or is refused; EMISMATCH
 * counts if it `may_differ`. */
static bool reads_right(const char *path, const struct tranship_open_options *options,
			const unsigned char *one, size_t one_size, const unsigned char *other,
			size_t other_size, bool may_differ, char *why, size_t cap)
{
	struct tranship_error err = { 0 };
	unsigned char *got;
	size_t size;
	bool good;
	int rc = chain_read(path, options, &got, &size, &err);

	if (rc) {
		snprintf(why, cap, "%s: %s", path, err.message);
		return is_refused(rc, &err) || (may_differ && rc == TRANSHIP_EMISMATCH);
	}
	good = (size == one_size && memcmp(got, one, size) == 0) ||
	       (other && size == other_size && memcmp(got, other, size) == 0);
	free(got);
	if (!good)
		snprintf(why, cap, "%s has wrong content (%zu bytes)", path, size);
	return good;
}

static size_t wanted_size(const struct job *job)
{
	return job->sizes[0] > job->sizes[job->target] ? job->sizes[0] : job->sizes[job->target];
}

/* The other children of what was written over, be it beneath: they read right or not at all. */
static bool siblings_read_right(struct site *site, bool may_read, char *why, size_t cap)
{
	unsigned i;

	for (i = 1; i <= site->job->target; i++) {
		struct tranship_open_options options = options_at(site, i - 1);
		unsigned char *got;
		size_t size;

		if (!reads_right(site->siblings[i], &options, site->others[i], site->job->sizes[i],
				 NULL, 0, true, why, cap))
			return false;
		if (may_read || chain_read(site->siblings[i], &options, &got, &size, NULL))
			continue;
		free(got);
		snprintf(why, cap, "%s still reads", site->siblings[i]);
		return false;
	}
	return true;
}

static bool look(void *ctx, char *why, size_t cap)
{
	struct site *site = ctx;
	const struct job *job = site->job;
	struct tranship_open_options child = options_at(site, 0);
	struct tranship_open_options target = options_at(site, job->target);

	return reads_right(site->paths[0], &child, site->content[0], job->sizes[0], NULL, 0, false,
			   why, cap) &&
	       reads_right(site->paths[job->target], &target, site->content[job->target],
			   job->sizes[job->target], site->wanted, wanted_size(job), false, why,
			   cap) &&
	       siblings_read_right(site, true, why, cap);
}

static bool is_done(void *ctx, char *why, size_t cap)
{
	struct site *site = ctx;
	const struct job *job = site->job;
	struct tranship_open_options child = options_at(site, 0);
	struct tranship_open_options target = options_at(site, job->target);
	struct tranship_error err;
	unsigned char *got;
	size_t size;

	if (chain_read(site->paths[0], &child, &got, &size, &err) ||
	    (free(got), chain_read(site->paths[job->target], &target, &got, &size, &err))) {
		snprintf(why, cap, "%s", err.message);
		return false;
	}
	free(got);
	if (!reads_right(site->paths[0], &child, site->content[0], job->sizes[0], NULL, 0, false,
			 why, cap) ||
	    !reads_right(site->paths[job->target], &target, site->wanted, wanted_size(job), NULL, 0,
			 false, why, cap) ||
	    !siblings_read_right(site, false, why, cap))
		return false;
	if (chain_errors(site->paths[0], why, cap) ||
	    chain_errors(site->paths[job->target], why, cap))
		return false;
	snprintf(why, cap, "the child is not empty");
	return job->target > 1 || job->flags & TRANSHIP_COMMIT_KEEP_CHILD ||
	       chain_is_empty(site->paths[0]);
}

/* What lies over the parent: it, and random changes; zeros behind its end. */
static unsigned char *over(struct rng *rng, const unsigned char *base, size_t base_size,
			   size_t size, unsigned changes)
{
	unsigned char *content = calloc(size, 1);

	assert_non_null(content);
	if (base)
		memcpy(content, base, base_size < size ? base_size : size);
	chain_change(rng, content, size, changes);
	return content;
}

static void make_sibling(struct site *site, unsigned i, const char *folder, struct rng *rng)
{
	const struct job *job = site->job;
	struct tranship_open_options options = options_at(site, i);
	struct chain_image image = { .format = job->format,
				     .path = site->siblings[i],
				     .size = job->sizes[i],
				     .base = site->paths[i],
				     .base_options = &options,
				     .hint = job->together ? i == 1 ? "1" : "2" : NULL };

	assert_true(snprintf(site->siblings[i], PATH_MAX, "%s/other%u", folder, i) < PATH_MAX);
	site->others[i] = over(rng, site->content[i], job->sizes[i], job->sizes[i], job->changes);
	image.content = site->others[i];
	chain_make(&image);
}

static void make_images(struct site *site, const char *folder)
{
	static const char *const folders[] = { "child", "middle", "deep" };
	const struct job *job = site->job;
	struct rng rng = { 5 };
	char sub[PATH_MAX];
	unsigned i;

	for (i = job->images; i-- > 0;) {
		bool last = i == job->images - 1;
		struct tranship_open_options options;
		struct chain_image image = { .format = job->format,
					     .size = job->sizes[i],
					     .base_options = &options };

		snprintf(sub, sizeof(sub), "%s/%s", folder, job->together ? "all" : folders[i]);
		mkdir(sub, 0700);
		assert_true(snprintf(site->paths[i], PATH_MAX, "%s/%u", sub, i) < PATH_MAX);
		site->parents[i] = site->paths[i];
		site->content[i] = last ? over(&rng, NULL, 0, job->sizes[i], 3 * job->changes)
					: over(&rng, site->content[i + 1], job->sizes[i + 1],
					       job->sizes[i], job->changes);
		image.path = site->paths[i];
		image.content = site->content[i];
		image.base = last ? NULL : site->paths[i + 1];
		options = options_at(site, i + 1);
		image.hint = !last && job->together ? i == 0 ? "1" : "2" : NULL;
		chain_make(&image);
		if (i > 0)
			make_sibling(site, i, sub, &rng);
	}
}

static void set_up(struct site *site, const struct job *job, const char *folder)
{
	size_t end = job->sizes[0];

	*site = (struct site){ .job = job, .policy.kind = TRANSHIP_POLICY_BESIDE };
	make_images(site, folder);
	site->wanted = over(NULL, site->content[job->target], job->sizes[job->target],
			    wanted_size(job), 0);
	memcpy(site->wanted, site->content[0], end);
}

static void tear_down(struct site *site)
{
	unsigned i;

	for (i = 0; i < IMAGES_MAX; i++) {
		free(site->content[i]);
		free(site->others[i]);
	}
	free(site->wanted);
}

static void prove(const struct job *job, const char *folder)
{
	struct site site;
	struct folder_case c = { .run = run_commit,
				 .look = look,
				 .done = is_done,
				 .ctx = &site,
				 .spare_notes = job->target,
				 .notes_only = job->notes_only,
				 .one_in = job->one_in,
				 .nested_one_in = job->nested_one_in };

	set_up(&site, job, folder);
	c.fm = folder_medium_new(folder);
	folder_prove(&c);
	folder_medium_free(c.fm);
	tear_down(&site);
}

#define VHD_SIZE (6 * 4096U + 512)

static void test_commit__vhd_into_the_next_parent(void **state)
{
	prove(&(struct job){ .format = "vpc",
			     .images = 2,
			     .target = 1,
			     .sizes = { VHD_SIZE, VHD_SIZE },
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_commit__vhd_that_is_kept_beside_its_parent(void **state)
{
	prove(&(struct job){ .format = "vpc",
			     .images = 2,
			     .target = 1,
			     .sizes = { VHD_SIZE, VHD_SIZE },
			     .flags = TRANSHIP_COMMIT_KEEP_CHILD,
			     .together = true,
			     .changes = 3,
			     .notes_only = true,
			     .nested_one_in = 400 },
	      *state);
}

static void test_commit__vhd_into_a_deeper_parent(void **state)
{
	prove(&(struct job){ .format = "vpc",
			     .images = 3,
			     .target = 2,
			     .sizes = { VHD_SIZE, VHD_SIZE, VHD_SIZE },
			     .changes = 3,
			     .notes_only = true,
			     .nested_one_in = 400 },
	      *state);
}

static void test_commit__vhd_into_a_smaller_parent(void **state)
{
	prove(&(struct job){ .format = "vpc",
			     .images = 2,
			     .target = 1,
			     .sizes = { VHD_SIZE, VHD_SIZE - 4096 },
			     .changes = 3,
			     .notes_only = true,
			     .nested_one_in = 400 },
	      *state);
}

#define MIB (1U << 20)

static void test_commit__vhdx_into_the_next_parent(void **state)
{
	prove(&(struct job){ .format = "vhdx",
			     .images = 2,
			     .target = 1,
			     .sizes = { 2 * MIB, 2 * MIB },
			     .changes = 3,
			     .one_in = 24,
			     .nested_one_in = 400 },
	      *state);
}

static void test_commit__vmdk_into_the_next_parent(void **state)
{
	prove(&(struct job){ .format = "vmdk",
			     .images = 2,
			     .target = 1,
			     .sizes = { MIB / 4, MIB / 4 },
			     .changes = 3,
			     .one_in = 24,
			     .nested_one_in = 400 },
	      *state);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_FOLDER(test_commit__vhd_into_the_next_parent),
		IN_FOLDER(test_commit__vhd_that_is_kept_beside_its_parent),
		IN_FOLDER(test_commit__vhd_into_a_deeper_parent),
		IN_FOLDER(test_commit__vhd_into_a_smaller_parent),
		IN_FOLDER(test_commit__vhdx_into_the_next_parent),
		IN_FOLDER(test_commit__vmdk_into_the_next_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
