// SPDX-License-Identifier: Apache-2.0
/*
 * VHDs that are changed in place under power loss: whatever is lost, the disk opens, reads as it
 * was or as it was to become, and a check finds no errors in it; leaks are allowed.
 */
#include "core/modify.h"
#include "image_vhd.h"
#include "power.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 4096U
#define SIZE (5 * BLOCK + 1024)
#define LARGER (140 * BLOCK) /* its BAT passes a sector */
#define STAGES 3

/* What is done to the image, and what the disk reads as after each step. */
struct work {
	int (*step[STAGES - 1])(struct tranship_disk *disk, struct tranship_error *err);
	unsigned steps;
	unsigned open_flags;
	unsigned char *content[STAGES];
	size_t sizes[STAGES];
};

static int run_work(struct recording *rec, void *ctx, struct tranship_error *err)
{
	const struct work *w = ctx;
	struct tranship_open_options options = { .format = "vpc", .flags = w->open_flags };
	struct modified m = { .edits.medium = recording_medium(rec) };
	unsigned i;
	int rc = modify_open(POWER_TARGET, &options, false, &m, err);

	for (i = 0; rc == 0 && i < w->steps; i++) {
		rc = w->step[i](m.disk, err);
		if (rc == 0)
			recording_mark(rec, i + 1);
	}
	modify_close(&m);
	return rc;
}

static bool reads_as(struct tranship_disk *disk, const struct work *w, unsigned stage)
{
	unsigned char *bytes;
	bool same;

	if (stage > w->steps || tranship_disk_size(disk) != w->sizes[stage])
		return false;
	bytes = malloc(w->sizes[stage] + 1);
	assert_non_null(bytes);
	same = tranship_disk_read(disk, NULL, 0, bytes, w->sizes[stage], NULL) == 0 &&
	       memcmp(bytes, w->content[stage], w->sizes[stage]) == 0;
	free(bytes);
	return same;
}

static bool work_good(const struct power_state *state, void *ctx)
{
	const struct work *w = ctx;
	struct tranship_open_options options = { .format = "vpc",
						 .flags = TRANSHIP_OPEN_LAYER | w->open_flags };
	struct tranship_check_result result;
	struct tranship_file *file;
	struct tranship_disk *disk;
	size_t size;
	const unsigned char *bytes = recording_get(state->rec, POWER_TARGET, &size);
	bool good;

	file = file_of(bytes, size);
	if (tranship_open_file(file, &options, &disk, NULL)) {
		tranship_file_close(file);
		return false;
	}
	good = reads_as(disk, w, state->mark) ||
	       (!state->settled && reads_as(disk, w, state->mark + 1));
	good = good && tranship_check(disk, NULL, NULL, &result, NULL) == 0 && result.errors == 0;
	tranship_disk_close(disk);
	return good;
}

/* Of half of the blocks. */
static void stage(struct work *w, unsigned n, size_t size)
{
	struct rng rng = { 9 };
	size_t at;

	w->content[n] = calloc(1, size);
	assert_non_null(w->content[n]);
	w->sizes[n] = size;
	if (n > 0)
		memcpy(w->content[n], w->content[n - 1],
		       size < w->sizes[n - 1] ? size : w->sizes[n - 1]);
	for (at = 0; n == 0 && at < size && at < SIZE; at += 2 * BLOCK)
		rng_fill(&rng, w->content[n] + at, size - at < BLOCK ? size - at : BLOCK);
}

static void build(const struct work *w, enum vhd_type type, struct buffer *out)
{
	struct image_vhd image = image_vhd_defaults();

	image.type = type;
	image.whole_blocks = type == VHD_DYNAMIC;
	assert_int_equal(image_vhd(&image, w->content[0], w->sizes[0], out), 0);
}

/* Each call fails once, alone or with all behind it: what the next one who opens it finds is as
 * good. */
static void try_failures(struct work *w, const struct buffer *image, bool for_good)
{
	unsigned n;
	bool failed = true;

	for (n = 1; failed; n++) {
		struct recording *rec = recording_new();
		struct edit_params params = { .medium = recording_medium(rec) };
		struct power_state state = { rec, 0, false };
		struct recording_faults *faults = recording_faults(rec);
		struct tranship_error err;
		size_t size;

		recording_put(rec, POWER_TARGET, image->bytes, image->len);
		faults->fail_at = n;
		faults->for_good = for_good;
		run_work(rec, w, &err);
		failed = faults->failed;
		faults->fail_at = 0;
		assert_int_equal(recording_open_handles(rec), 0);
		assert_ok(edit_recover(POWER_TARGET, &params, NULL, &err), &err);
		state.mark = recording_mark_at(rec, recording_length(rec), &state.settled);
		state.settled = false;
		if (!work_good(&state, w))
			fail_msg("call %u failed, and %zu bytes are not good", n,
				 (size_t)(recording_get(rec, POWER_TARGET, &size) ? size : 0));
		recording_free(rec);
	}
}

static void try_work(struct work *w, struct buffer *image)
{
	struct power_case c = { .initial = image->bytes,
				.size = image->len,
				.run = run_work,
				.good = work_good,
				.ctx = w,
				.opening_syncs = EDIT_OPENING_SYNCS };
	struct power_lost_sync none = { 0 };
	struct power_result result;
	unsigned i;

	power_try(&c, none, &result);
	if (result.failed)
		fail_msg("%s", result.why);
	print_message("%zu states, %u syncs\n", result.states, result.syncs);
	try_failures(w, image, false);
	try_failures(w, image, true);
	for (i = 0; i <= w->steps; i++)
		free(w->content[i]);
	buffer_free(image);
}

static int to_larger(struct tranship_disk *disk, struct tranship_error *err)
{
	return disk->ops->modify->resize(disk, LARGER, err);
}

static int to_smaller(struct tranship_disk *disk, struct tranship_error *err)
{
	return disk->ops->modify->resize(disk, SIZE, err);
}

static void try_resize(enum vhd_type type, size_t from, size_t to,
		       int (*step)(struct tranship_disk *disk, struct tranship_error *err))
{
	struct work w = { .step = { step }, .steps = 1 };
	struct buffer image = { 0 };

	stage(&w, 0, from);
	stage(&w, 1, to);
	build(&w, type, &image);
	try_work(&w, &image);
}

static void test_power__larger(void **state)
{
	(void)state;
	try_resize(VHD_FIXED, SIZE, LARGER, to_larger);
	try_resize(VHD_DYNAMIC, SIZE, LARGER, to_larger);
	try_resize(VHD_DIFFERENCING, SIZE, LARGER, to_larger);
}

static void test_power__smaller(void **state)
{
	(void)state;
	try_resize(VHD_FIXED, LARGER, SIZE, to_smaller);
	try_resize(VHD_DYNAMIC, 60 * BLOCK, SIZE, to_smaller);
}

/* Into blocks that are absent: what is written before flush is either there or not. */
static const unsigned char written[3 * 512] = { 4, 5, 6 };

static int write_absent(struct tranship_disk *disk, struct tranship_error *err)
{
	int rc = disk->ops->modify->write(disk, BLOCK + 512, written, sizeof(written), err);

	return rc ? rc : disk->ops->modify->flush(disk, err);
}

static int write_more(struct tranship_disk *disk, struct tranship_error *err)
{
	int rc = disk->ops->modify->write(disk, 3 * BLOCK, written, sizeof(written), err);

	return rc ? rc : disk->ops->modify->flush(disk, err);
}

static void try_write(enum vhd_type type)
{
	struct work w = { .step = { write_absent, write_more }, .steps = 2 };
	struct buffer image = { 0 };

	stage(&w, 0, SIZE);
	stage(&w, 1, SIZE);
	memcpy(w.content[1] + BLOCK + 512, written, sizeof(written));
	stage(&w, 2, SIZE);
	memcpy(w.content[2] + 3 * BLOCK, written, sizeof(written));
	build(&w, type, &image);
	try_work(&w, &image);
}

static void test_power__write_and_flush(void **state)
{
	(void)state;
	try_write(VHD_DYNAMIC);
	try_write(VHD_DIFFERENCING);
}

static int renew(struct tranship_disk *disk, struct tranship_error *err)
{
	struct idgen ids;
	int rc = idgen_init(&ids, "12", err);

	return rc ? rc : disk->ops->modify->renew(disk, &ids, err);
}

static int relink(struct tranship_disk *disk, struct tranship_error *err)
{
	static const struct base_info base = { .identity = "01234567-89ab-cdef-0123-456789abcdef",
					       .relative = "base.vhd",
					       .absolute = "/folder/base.vhd",
					       .sector_size = 512 };

	return disk->ops->modify->relink(disk, &base, err);
}

static int stand_alone(struct tranship_disk *disk, struct tranship_error *err)
{
	return disk->ops->modify->relink(disk, NULL, err);
}

static void test_power__identity_and_parent(void **state)
{
	static const struct {
		int (*first)(struct tranship_disk *disk, struct tranship_error *err);
		int (*second)(struct tranship_disk *disk, struct tranship_error *err);
	} cases[] = { { renew, relink }, { relink, stand_alone } };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct work w = { .step = { cases[i].first, cases[i].second }, .steps = 2 };
		struct buffer image = { 0 };

		stage(&w, 0, SIZE);
		stage(&w, 1, SIZE);
		stage(&w, 2, SIZE);
		build(&w, VHD_DIFFERENCING, &image);
		try_work(&w, &image);
	}
}

static int mend(struct tranship_disk *disk, struct tranship_error *err)
{
	return disk->ops->modify->repair(disk, TRANSHIP_REPAIR_ERRORS | TRANSHIP_REPAIR_LEAKS, err);
}

static void test_power__leaks_are_given_back(void **state)
{
	struct work w = { .step = { mend }, .steps = 1 };
	struct buffer image = { 0 };

	(void)state;
	stage(&w, 0, SIZE);
	build(&w, VHD_DYNAMIC, &image);
	memset(image.bytes + 1536, 0xFF, 4);
	memset(w.content[0], 0, BLOCK);
	stage(&w, 1, SIZE);
	try_work(&w, &image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power__larger),
		cmocka_unit_test(test_power__smaller),
		cmocka_unit_test(test_power__write_and_flush),
		cmocka_unit_test(test_power__identity_and_parent),
		cmocka_unit_test(test_power__leaks_are_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
