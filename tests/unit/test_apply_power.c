// SPDX-License-Identifier: Apache-2.0
/*
 * A delta that is applied, or taken back, killed or without power at any instant: the target reads
 * as its old version, as the new one, or is refused; and both the same call again and the other one
 * end the work.
 */
#include "chain_files.h"
#include "delta/apply.h"
#include "delta/apply_journal.h"
#include "deltas.h"
#include "folder_power.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct job {
	unsigned kind; /* of target_kinds */
	size_t sizes[2];
	bool back;         /* the work is to go back, else to apply */
	bool other;        /* after an interruption the other one is done */
	bool elsewhere;    /* the journal stands in another folder */
	bool extent_alone; /* who takes the flat extent for a disk is looked after, too */
	unsigned changes;
	unsigned one_in, nested_one_in;
	unsigned spare_notes;
};

struct site {
	const struct job *job;
	char target[PATH_MAX], delta[PATH_MAX], journal[PATH_MAX];
	unsigned char *content[2]; /* old, new */
	struct tranship_policy policy;
	struct tranship_open_options open;
	bool no_journal; /* the last run found none to go back by */
};

static struct tranship_apply_options options_of(const struct site *site)
{
	return (struct tranship_apply_options){ .target = &site->open,
						.journal =
							site->job->elsewhere ? site->journal : NULL,
						.copy.threads = 1 };
}

static int run_apply(const struct medium *medium, void *ctx, struct tranship_error *err)
{
	struct site *site = ctx;
	struct tranship_apply_options options = options_of(site);
	struct tranship_apply_result result;

	site->no_journal = false;
	return apply_on(medium, site->delta, site->target, &options, &result, err);
}

/* Where there is nothing to go back by, the target is old, or new for good. */
static int run_undo(const struct medium *medium, void *ctx, struct tranship_error *err)
{
	struct site *site = ctx;
	struct tranship_apply_options options = options_of(site);
	struct tranship_apply_result result;
	int rc = apply_undo_on(medium, site->target, &options, &result, err);

	site->no_journal = rc == TRANSHIP_EINVAL;
	return site->no_journal ? 0 : rc;
}

static int read_version(const struct site *site, const char *path,
			const struct tranship_open_options *options, unsigned *version,
			struct tranship_error *err)
{
	unsigned char *got;
	size_t size;
	int rc = chain_read(path, options, &got, &size, err);

	if (rc)
		return rc;
	for (*version = 0; *version < 2; (*version)++)
		if (size == site->job->sizes[*version] &&
		    memcmp(got, site->content[*version], size) == 0)
			break;
	free(got);
	return 0;
}

static int read_target(const struct site *site, unsigned *version, struct tranship_error *err)
{
	return read_version(site, site->target, &site->open, version, err);
}

/* Where no note stands the journal must not claim that something is under way in a target that was
 * finished: the next delta would be refused. */
static bool journal_is_honest(const struct site *site, unsigned version, char *why, size_t cap)
{
	struct apply_head head;
	unsigned char *raw;
	size_t size;
	bool good = true;

	if (access(site->journal, F_OK) != 0)
		return true;
	raw = read_path(site->journal, &size);
	if (size >= APPLY_HEAD_SIZE && apply_head_decode(raw, size, &head, NULL) == 0)
		good = head.state != APPLY_UNFINISHED ||
		       (version == 0 && (!site->job->back || site->job->other));
	free(raw);
	if (!good)
		snprintf(why, cap, "the journal is unfinished, and the target is complete");
	return good;
}

static bool is_refusal(int rc, const struct tranship_error *err)
{
	return rc == TRANSHIP_EBUSY && err->sys_errno == 0 &&
	       (strstr(err->message, "must be finished first") ||
		strstr(err->message, "'check -r all'"));
}

/* The flat extent by itself, as a raw disk. */
static bool look_at_extent(const struct site *site, char *why, size_t cap)
{
	struct tranship_open_options raw = { .format = "raw" };
	struct tranship_error err = { 0 };
	char extent[PATH_MAX];
	unsigned version;
	int rc;

	assert_true(snprintf(extent, PATH_MAX, "%s-flat.vmdk", site->target) < PATH_MAX);
	rc = read_version(site, extent, &raw, &version, &err);
	snprintf(why, cap, "the extent: %s", rc ? err.message : "it is neither old nor new");
	return rc ? is_refusal(rc, &err) : version < 2;
}

static bool look(void *ctx, char *why, size_t cap)
{
	const struct site *site = ctx;
	struct tranship_error err = { 0 };
	unsigned version;
	int rc = read_target(site, &version, &err);

	if (site->job->extent_alone && !look_at_extent(site, why, cap))
		return false;
	snprintf(why, cap, "%s", rc ? err.message : "the target is neither old nor new");
	return rc ? is_refusal(rc, &err)
		  : version < 2 && journal_is_honest(site, version, why, cap);
}

static bool is_version(struct site *site, unsigned wanted, bool or_other, char *why, size_t cap)
{
	struct tranship_error err = { 0 };
	unsigned version;

	if (read_target(site, &version, &err)) {
		snprintf(why, cap, "%s", err.message);
		return false;
	}
	snprintf(why, cap, "the target is version %u, wanted was %u", version, wanted);
	if (version != wanted && !(or_other && version < 2))
		return false;
	if (!or_other && access(site->journal, F_OK) == 0 &&
	    !(site->job->back && wanted == 1)) { /* it was to be kept */
		snprintf(why, cap, "the journal is still there");
		return false;
	}
	return strcmp(site->open.format, "raw") == 0 || chain_errors(site->target, why, cap) == 0;
}

static bool is_new(void *ctx, char *why, size_t cap)
{
	return is_version(ctx, 1, false, why, cap);
}

static bool is_old(void *ctx, char *why, size_t cap)
{
	struct site *site = ctx;

	return is_version(site, 0, site->no_journal, why, cap);
}

static void make_contents(struct site *site)
{
	const size_t *sizes = site->job->sizes;
	struct rng rng = { 5 + site->job->kind };
	size_t both = sizes[0] < sizes[1] ? sizes[0] : sizes[1];
	unsigned i;

	for (i = 0; i < 2; i++) {
		site->content[i] = calloc(sizes[i], 1);
		assert_non_null(site->content[i]);
	}
	chain_change(&rng, site->content[0], sizes[0], 3 * site->job->changes);
	memcpy(site->content[1], site->content[0], both);
	chain_change(&rng, site->content[1], sizes[1], site->job->changes);
	if (sizes[0] != sizes[1]) { /* something where only one of them is */
		i = sizes[1] > sizes[0];
		rng_fill(&rng, site->content[i] + both, (sizes[i] - both) / 2 + 1);
	}
}

static void set_up(struct site *site, const struct job *job, const char *folder)
{
	const struct target_kind *kind = &target_kinds[job->kind];
	char sub[PATH_MAX];

	*site = (struct site){ .job = job, .policy.kind = TRANSHIP_POLICY_BESIDE };
	site->open =
		(struct tranship_open_options){ .format = kind->format, .policy = &site->policy };
	assert_true(snprintf(site->target, PATH_MAX, "%s/target", folder) < PATH_MAX);
	assert_true(snprintf(site->delta, PATH_MAX, "%s/delta", folder) < PATH_MAX);
	assert_true(snprintf(sub, PATH_MAX, "%s/there", folder) < PATH_MAX);
	mkdir(sub, 0700);
	assert_true(snprintf(site->journal, PATH_MAX,
			     job->elsewhere ? "%s/there/journal" : "%s/target.tranship-journal",
			     folder) < PATH_MAX);
	make_contents(site);
	delta_make(site->delta, site->content[0], job->sizes[0], site->content[1], job->sizes[1],
		   NULL);
	target_make(kind, site->target, site->content[0], job->sizes[0]);
}

/* What is to be taken back must have been applied, on the medium of the case. */
static void apply_first(struct site *site, struct folder_medium *fm)
{
	struct tranship_apply_options options = options_of(site);
	struct tranship_apply_result result;
	struct folder_log log = { 0 };
	struct tranship_error err;

	options.keep_journal = true;
	folder_medium_begin(fm, &log);
	assert_ok(apply_on(folder_medium(fm), site->delta, site->target, &options, &result, &err),
		  &err);
	folder_medium_rebase(fm);
	folder_log_free(&log);
}

static void prove(const struct job *job, const char *folder)
{
	struct site site;
	struct folder_case c = { .run = job->back ? run_undo : run_apply,
				 .look = look,
				 .done = job->back ? is_old : is_new,
				 .ctx = &site,
				 .spare_notes = job->spare_notes,
				 .nested_kills = job->elsewhere,
				 .one_in = job->one_in,
				 .nested_one_in = job->nested_one_in };

	if (job->other) {
		c.run_again = job->back ? run_apply : run_undo;
		c.done_again = job->back ? is_new : is_old;
	}
	set_up(&site, job, folder);
	c.fm = folder_medium_new(folder);
	if (job->back)
		apply_first(&site, c.fm);
	folder_prove(&c);
	folder_medium_free(c.fm);
	free(site.content[0]);
	free(site.content[1]);
}

#define KIB 1024U
#define MIB (1U << 20)
enum { RAW, VHD_FIXED, VHD_DYNAMIC, VHDX, VMDK_SPARSE, VMDK_FLAT };

#define VHD_SIZE (6 * 4096U + 512)

static void test_apply__raw(void **state)
{
	prove(&(struct job){ .kind = RAW,
			     .sizes = { 40 * KIB, 40 * KIB },
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply__raw_then_undo(void **state)
{
	prove(&(struct job){ .kind = RAW,
			     .sizes = { 40 * KIB, 40 * KIB },
			     .other = true,
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply__raw_elsewhere(void **state)
{
	prove(&(struct job){ .kind = RAW,
			     .sizes = { 40 * KIB, 40 * KIB },
			     .elsewhere = true,
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply__raw_that_grows(void **state)
{
	prove(&(struct job){ .kind = RAW,
			     .sizes = { 30 * KIB + 100, 41 * KIB + 7 },
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply__raw_that_shrinks(void **state)
{
	prove(&(struct job){ .kind = RAW,
			     .sizes = { 41 * KIB + 7, 30 * KIB + 100 },
			     .other = true,
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply__fixed_vhd(void **state)
{
	prove(&(struct job){ .kind = VHD_FIXED,
			     .sizes = { VHD_SIZE, VHD_SIZE },
			     .changes = 4,
			     .spare_notes = 1,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply__dynamic_vhd(void **state)
{
	prove(&(struct job){ .kind = VHD_DYNAMIC,
			     .sizes = { VHD_SIZE, VHD_SIZE },
			     .changes = 4,
			     .spare_notes = 1,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply__dynamic_vhd_then_undo(void **state)
{
	prove(&(struct job){ .kind = VHD_DYNAMIC,
			     .sizes = { VHD_SIZE, VHD_SIZE },
			     .other = true,
			     .changes = 4,
			     .spare_notes = 1,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply__dynamic_vhd_that_grows(void **state)
{
	prove(&(struct job){ .kind = VHD_DYNAMIC,
			     .sizes = { VHD_SIZE, VHD_SIZE + 8192 },
			     .other = true,
			     .changes = 4,
			     .spare_notes = 1,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply__vhdx(void **state)
{
	prove(&(struct job){ .kind = VHDX,
			     .sizes = { 2 * MIB, 2 * MIB },
			     .one_in = 24,
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply__sparse_vmdk(void **state)
{
	prove(&(struct job){ .kind = VMDK_SPARSE,
			     .sizes = { MIB / 4, MIB / 4 },
			     .one_in = 8,
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply__flat_vmdk(void **state)
{
	prove(&(struct job){ .kind = VMDK_FLAT,
			     .extent_alone = true,
			     .sizes = { 40 * KIB, 40 * KIB },
			     .changes = 4,
			     .spare_notes = 3, /* notes of two files in one folder */
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply_undo__raw(void **state)
{
	prove(&(struct job){ .kind = RAW,
			     .sizes = { 40 * KIB, 40 * KIB },
			     .back = true,
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply_undo__raw_elsewhere_then_apply(void **state)
{
	prove(&(struct job){ .kind = RAW,
			     .sizes = { 40 * KIB, 40 * KIB },
			     .back = true,
			     .other = true,
			     .elsewhere = true,
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply_undo__raw_that_grew(void **state)
{
	prove(&(struct job){ .kind = RAW,
			     .sizes = { 30 * KIB + 100, 41 * KIB + 7 },
			     .back = true,
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply_undo__raw_that_shrank(void **state)
{
	prove(&(struct job){ .kind = RAW,
			     .sizes = { 41 * KIB + 7, 30 * KIB + 100 },
			     .back = true,
			     .other = true,
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply_undo__fixed_vhd(void **state)
{
	prove(&(struct job){ .kind = VHD_FIXED,
			     .sizes = { VHD_SIZE, VHD_SIZE },
			     .back = true,
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply_undo__dynamic_vhd(void **state)
{
	prove(&(struct job){ .kind = VHD_DYNAMIC,
			     .sizes = { VHD_SIZE, VHD_SIZE },
			     .back = true,
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply_undo__dynamic_vhd_that_grew(void **state)
{
	prove(&(struct job){ .kind = VHD_DYNAMIC,
			     .sizes = { VHD_SIZE, VHD_SIZE + 8192 },
			     .back = true,
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply_undo__vhdx(void **state)
{
	prove(&(struct job){ .kind = VHDX,
			     .sizes = { 2 * MIB, 2 * MIB },
			     .one_in = 24,
			     .back = true,
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply_undo__sparse_vmdk(void **state)
{
	prove(&(struct job){ .kind = VMDK_SPARSE,
			     .sizes = { MIB / 4, MIB / 4 },
			     .one_in = 8,
			     .back = true,
			     .changes = 4,
			     .nested_one_in = 400 },
	      *state);
}

static void test_apply_undo__flat_vmdk(void **state)
{
	prove(&(struct job){ .kind = VMDK_FLAT,
			     .extent_alone = true,
			     .sizes = { 40 * KIB, 40 * KIB },
			     .back = true,
			     .changes = 4,
			     .spare_notes = 2,
			     .nested_one_in = 400 },
	      *state);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_FOLDER(test_apply__raw),
		IN_FOLDER(test_apply__raw_then_undo),
		IN_FOLDER(test_apply__raw_elsewhere),
		IN_FOLDER(test_apply__raw_that_grows),
		IN_FOLDER(test_apply__raw_that_shrinks),
		IN_FOLDER(test_apply__fixed_vhd),
		IN_FOLDER(test_apply__dynamic_vhd),
		IN_FOLDER(test_apply__dynamic_vhd_then_undo),
		IN_FOLDER(test_apply__dynamic_vhd_that_grows),
		IN_FOLDER(test_apply__vhdx),
		IN_FOLDER(test_apply__sparse_vmdk),
		IN_FOLDER(test_apply__flat_vmdk),
		IN_FOLDER(test_apply_undo__raw),
		IN_FOLDER(test_apply_undo__raw_elsewhere_then_apply),
		IN_FOLDER(test_apply_undo__raw_that_grew),
		IN_FOLDER(test_apply_undo__raw_that_shrank),
		IN_FOLDER(test_apply_undo__fixed_vhd),
		IN_FOLDER(test_apply_undo__dynamic_vhd),
		IN_FOLDER(test_apply_undo__dynamic_vhd_that_grew),
		IN_FOLDER(test_apply_undo__vhdx),
		IN_FOLDER(test_apply_undo__sparse_vmdk),
		IN_FOLDER(test_apply_undo__flat_vmdk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
