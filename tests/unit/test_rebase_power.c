// SPDX-License-Identifier: Apache-2.0
/*
 * Rebase, killed or without power at any instant: the image reads what it did before, over its old
 * parent or over the new one, or is refused; and the same rebase again ends the work.
 */
#include "chain_files.h"
#include "copy/commit.h"
#include "folder_power.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
	const char *format;
	size_t size;
	unsigned changes;
	bool same;       /* the new parent has the content of the old one */
	unsigned flags;  /* TRANSHIP_REBASE_* */
	const char *new; /* name of the new parent; NULL: none */
	bool notes_only;
	unsigned one_in; /* so many states are looked at; 0: all */
};

struct site {
	const struct job *job;
	char child[PATH_MAX], old[PATH_MAX], new[PATH_MAX];
	unsigned char *content, *old_content, *new_content;
	struct tranship_policy policy;
	struct tranship_open_options options;
};

static int run_rebase(const struct medium *medium, void *ctx, struct tranship_error *err)
{
	const struct site *site = ctx;

	return rebase_on(medium, site->child, &site->options, site->job->new, site->job->flags,
			 NULL, err);
}

/* The child reads as it should, or, if it `may_wait`, is refused with what to do. */
static bool reads_right(const struct site *site, bool may_wait, char *why, size_t cap)
{
	struct tranship_error err = { 0 };
	unsigned char *got;
	size_t size;
	bool good;
	int rc = chain_read(site->child, &site->options, &got, &size, &err);

	snprintf(why, cap, "%s", rc ? err.message : "the image has wrong content");
	if (rc)
		return may_wait && rc == TRANSHIP_EBUSY && strstr(err.message, "'check -r all'");
	good = size == site->job->size && memcmp(got, site->content, size) == 0;
	free(got);
	return good;
}

static bool look(void *ctx, char *why, size_t cap)
{
	return reads_right(ctx, true, why, cap);
}

static bool is_done(void *ctx, char *why, size_t cap)
{
	const struct site *site = ctx;
	char own[40], parent[40], wanted[40] = "", none[40];

	if (!reads_right(site, false, why, cap) || chain_errors(site->child, why, cap))
		return false;
	chain_identities(site->child, own, parent);
	if (site->job->new)
		chain_identities(site->new, wanted, none);
	snprintf(why, cap, "its parent is %s, not %s", parent, wanted);
	return strcmp(parent, wanted) == 0;
}

static void make_images(struct site *site, const char *folder)
{
	const struct job *job = site->job;
	struct rng rng = { 8 };
	struct chain_image image = { .format = job->format, .size = job->size };

	snprintf(site->child, PATH_MAX, "%s", path_in(folder, "child"));
	snprintf(site->old, PATH_MAX, "%s", path_in(folder, "old"));
	snprintf(site->new, PATH_MAX, "%s", path_in(folder, "new"));
	site->old_content = calloc(job->size, 1);
	site->new_content = malloc(job->size);
	site->content = malloc(job->size);
	assert_true(site->old_content && site->new_content && site->content);
	chain_change(&rng, site->old_content, job->size, 3 * job->changes);
	memcpy(site->new_content, site->old_content, job->size);
	if (!job->same)
		chain_change(&rng, site->new_content, job->size, job->changes);
	memcpy(site->content, site->old_content, job->size);
	chain_change(&rng, site->content, job->size, job->changes);

	image.path = site->old;
	image.content = site->old_content;
	chain_make(&image);
	image.path = site->new;
	image.content = site->new_content;
	chain_make(&image);
	image.path = site->child;
	image.content = site->content;
	image.base = site->old;
	image.hint = "old";
	chain_make(&image);
}

static void prove(const struct job *job, const char *folder)
{
	struct site site = { .job = job, .policy.kind = TRANSHIP_POLICY_BESIDE };
	struct folder_case c = { .run = run_rebase,
				 .look = look,
				 .done = is_done,
				 .ctx = &site,
				 .notes_only = job->notes_only,
				 .one_in = job->one_in,
				 .nested_one_in = 300 };

	site.options =
		(struct tranship_open_options){ .format = job->format, .policy = &site.policy };
	make_images(&site, folder);
	c.fm = folder_medium_new(folder);
	folder_prove(&c);
	folder_medium_free(c.fm);
	free(site.content);
	free(site.old_content);
	free(site.new_content);
}

#define VHD_SIZE (6 * 4096U + 512)
#define MIB (1U << 20)

static void test_rebase__vhd_to_another_parent(void **state)
{
	prove(&(struct job){ .format = "vpc", .size = VHD_SIZE, .changes = 4, .new = "new" },
	      *state);
}

static void test_rebase__vhd_to_none(void **state)
{
	prove(&(struct job){ .format = "vpc", .size = VHD_SIZE, .changes = 3, .notes_only = true },
	      *state);
}

static void test_rebase__vhd_unsafe(void **state)
{
	prove(&(struct job){ .format = "vpc",
			     .size = VHD_SIZE,
			     .changes = 3,
			     .same = true,
			     .flags = TRANSHIP_REBASE_UNSAFE,
			     .new = "new" },
	      *state);
}

static void test_rebase__vhdx_to_another_parent(void **state)
{
	prove(&(struct job){ .format = "vhdx",
			     .size = 2 * MIB,
			     .changes = 3,
			     .new = "new",
			     .one_in = 8 },
	      *state);
}

static void test_rebase__vmdk_to_another_parent(void **state)
{
	prove(
		&(struct job){
			.format = "vmdk", .size = MIB, .changes = 3, .new = "new", .one_in = 4 },
		*state);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_FOLDER(test_rebase__vhd_to_another_parent),
		IN_FOLDER(test_rebase__vhd_to_none),
		IN_FOLDER(test_rebase__vhd_unsafe),
		IN_FOLDER(test_rebase__vhdx_to_another_parent),
		IN_FOLDER(test_rebase__vmdk_to_another_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
