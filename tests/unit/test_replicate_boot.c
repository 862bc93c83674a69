// SPDX-License-Identifier: Apache-2.0
/*
 * Runs whose source is read through a boot plan: each point has the bytes of a fresh conversion,
 * whatever happened to disk and plan since the last one, although only changes were read.
 */
#include "store_scene.h"

#include "emit/points.h"
#include "mbr-gpt/boot_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB 1024ULL
#define MIB (1024ULL * KIB)
#define SECTOR 512ULL
#define FRONT (4 * MIB) /* piece 0 of the disk: where plans replace */

/* A run of replaced sectors, all of one byte. */
struct replaced {
	uint64_t sector, count;
	unsigned char fill;
};
/* Ends with a count of 0. */
typedef struct replaced replaced_list[8];

struct scene {
	struct store_scene s;
	struct sparse_disk d; /* as the guest has it */
	unsigned version;     /* v1, v2, ... */
	char base_id[16], target_id[16];
	struct tranship_changes *changes; /* of the guest, since the last run */
	struct tranship_replicate_options options;
	struct tranship_replicate_result result;
};

static void scene_begin(struct scene *t, bool encrypted)
{
	memset(t, 0, sizeof(*t));
	store_scene_begin(&t->s, encrypted, 1U << 20);
	t->d.size = 600 * MIB;
	sparse_write(&t->d, &t->s.rng, 0, FRONT);
	sparse_write(&t->d, &t->s.rng, 300 * MIB, MIB);
	t->options = (struct tranship_replicate_options){ .disk = "d", .threads = 2 };
}

static void scene_end(struct scene *t)
{
	tranship_changes_free(t->changes);
	sparse_free(&t->d);
	store_scene_end(&t->s);
}

static struct tranship_boot_plan *plan_of(struct tranship_disk *disk, const struct replaced *r)
{
	struct tranship_boot_plan *plan = calloc(1, sizeof(*plan));
	unsigned char sector[SECTOR];
	struct tranship_error err;
	uint64_t i;

	assert_non_null(plan);
	plan->target = TRANSHIP_BOOT_BIOS_GPT;
	plan->os = TRANSHIP_OS_LINUX;
	plan->size = tranship_disk_size(disk);
	plan->sector_size = SECTOR;
	patches_init(&plan->patches, disk);
	for (; r->count; r++) {
		memset(sector, r->fill, sizeof(sector));
		for (i = 0; i < r->count; i++)
			assert_ok(patches_put(&plan->patches, disk, (r->sector + i) * SECTOR,
					      sector, sizeof(sector), "test", &err),
				  &err);
	}
	assert_ok(plan_finish(plan, disk, &err), &err);
	return plan;
}

/* What a fresh conversion has: the disk with the sectors over it. NULL: as it is. */
static void materialise(const struct sparse_disk *d, const struct replaced *r,
			struct sparse_disk *out)
{
	sparse_copy(d, out);
	for (; r && r->count; r++) {
		assert_true((r->sector + r->count) * SECTOR <= FRONT);
		memset(out->pieces[0].bytes + r->sector * SECTOR, r->fill, r->count * SECTOR);
	}
}

static void guest_writes(struct scene *t, uint64_t off, size_t len)
{
	struct tranship_error err;

	sparse_write(&t->d, &t->s.rng, off, len);
	if (t->changes)
		assert_ok(tranship_changes_add(t->changes, off, len, false, &err), &err);
}

/* From now on changes are noted. */
static void track(struct scene *t)
{
	struct tranship_error err;

	tranship_changes_free(t->changes);
	assert_ok(tranship_changes_new(t->d.size, &t->changes, &err), &err);
}

static int try_run(struct scene *t, const struct replaced *r, struct tranship_error *err)
{
	struct tranship_disk *disk = sparse_open(&t->d), *booted;
	struct tranship_boot_plan *plan = r ? plan_of(disk, r) : NULL;
	struct tranship_error bad;
	int rc;

	snprintf(t->base_id, sizeof(t->base_id), "v%u", t->version);
	snprintf(t->target_id, sizeof(t->target_id), "v%u", ++t->version);
	if (t->changes)
		assert_ok(tranship_changes_set_ids(t->changes, t->base_id, t->target_id, &bad),
			  &bad);
	t->options.changes = t->changes;
	t->options.version = t->target_id;
	t->options.boot = plan;
	if (plan) {
		assert_ok(tranship_boot_open(disk, plan, &booted, &bad), &bad);
		disk = booted;
	}
	rc = tranship_replicate(disk, t->s.store, &t->options, &t->result, err);
	tranship_boot_plan_free(plan);
	tranship_disk_close(disk);
	return rc;
}

/* A run, whose point is then compared. */
static void run(struct scene *t, const struct replaced *r)
{
	struct tranship_error err;
	struct sparse_disk wanted;

	assert_ok(try_run(t, r, &err), &err);
	assert_int_equal(t->result.method, t->changes       ? TRANSHIP_METHOD_CHANGES
					   : t->version > 1 ? TRANSHIP_METHOD_FINGERPRINT
							    : TRANSHIP_METHOD_FULL);
	materialise(&t->d, r, &wanted);
	store_scene_check(&t->s, t->result.point, &wanted);
	sparse_free(&wanted);
	if (t->changes)
		track(t);
}

static const replaced_list plan_a = { { 0, 1, 'A' }, { 34, 200, 'c' }, { 3000, 5, 'e' } };
static const replaced_list plan_b = { { 0, 1, 'A' }, { 34, 200, 'C' }, { 5000, 2, 'n' } };
static const replaced_list plan_none = { { 0, 0, 0 } };

static int count_boot(void *ctx, const struct tranship_point *point)
{
	unsigned *booted = ctx;

	*booted += strcmp(point->boot, "bios-gpt") == 0;
	assert_true(*point->boot == '\0' || strcmp(point->boot, "bios-gpt") == 0);
	return 0;
}

/* T7: the plan stays, changes, goes and comes, while the guest writes under it and beside it. */
static void cycles(bool encrypted, bool with_changes)
{
	const struct replaced *const plans[] = { plan_a, plan_a,    plan_b, NULL,   plan_b,
						 plan_a, plan_none, plan_a, plan_b, plan_b };
	struct tranship_error err;
	unsigned booted = 0;
	struct scene t;
	size_t i;

	scene_begin(&t, encrypted);
	for (i = 0; i < COUNT_OF(plans); i++) {
		run(&t, plans[i]);
		assert_false(t.result.nothing);
		if (with_changes)
			track(&t);
		guest_writes(&t, 300 * MIB + 70000 * i, 5000);
		if (i % 2)
			guest_writes(&t, 3001 * SECTOR, 700); /* under one of them */
		if (i % 3)
			guest_writes(&t, 0, 440);
	}
	assert_ok(tranship_store_list(t.s.store, "d", count_boot, &booted, &err), &err);
	assert_int_equal(booted, COUNT_OF(plans) - 1);
	scene_end(&t);
}

static void test_replicate_boot__cycles(void **state)
{
	(void)state;
	cycles(false, true);
	cycles(true, true);
	cycles(false, false);
}

/* Only what differs between two plans is read beside the changes. */
static void test_replicate_boot__reads_what_differs(void **state)
{
	struct scene t;

	(void)state;
	scene_begin(&t, false);
	run(&t, plan_a);
	track(&t);
	guest_writes(&t, 300 * MIB, 100);
	run(&t, plan_a);
	assert_int_equal(t.result.read, STORE_BLOCK);
	run(&t, plan_b); /* a block each: sectors 34 to 233, 3000 to 3004, 5000 */
	assert_int_equal(t.result.read, 3 * STORE_BLOCK);
	run(&t, NULL);
	assert_int_equal(t.result.read, 2 * STORE_BLOCK);
	assert_false(t.result.nothing);
	run(&t, NULL);
	assert_true(t.result.nothing);
	assert_int_equal(t.result.read, 0);
	scene_end(&t);
}

static void test_replicate_boot__the_same_plan_is_nothing(void **state)
{
	struct scene t;
	int tracked;

	(void)state;
	for (tracked = 0; tracked < 2; tracked++) {
		scene_begin(&t, tracked);
		run(&t, plan_a);
		if (tracked)
			track(&t);
		run(&t, plan_a);
		assert_true(t.result.nothing);
		/* A plan that replaces nothing is like none. */
		run(&t, plan_none);
		assert_false(t.result.nothing);
		run(&t, NULL);
		assert_true(t.result.nothing);
		scene_end(&t);
	}
}

/*
 * The guest writes what the plan had put there, then something else: the bytes under the plan stay
 * the same, while which of them are the guest's does not.
 */
static void test_replicate_boot__the_guest_writes_what_the_plan_has(void **state)
{
	static const replaced_list plan = { { 100, 1, 'Z' } };
	struct tranship_error err;
	struct scene t;

	(void)state;
	scene_begin(&t, false);
	memset(t.d.pieces[0].bytes + 100 * SECTOR, 'Z', SECTOR);
	run(&t, plan); /* nothing to replace: the guest has it */
	track(&t);
	memset(t.d.pieces[0].bytes + 100 * SECTOR, 'y', SECTOR);
	assert_ok(tranship_changes_add(t.changes, 100 * SECTOR, SECTOR, false, &err), &err);
	run(&t, plan); /* the same bytes, of the plan now */
	assert_false(t.result.nothing);
	run(&t, NULL); /* nothing was written, and it is the guest's again */
	assert_false(t.result.nothing);
	scene_end(&t);
}

/* The disk grows and shrinks, and what the plan has at its end goes with it. */
static void test_replicate_boot__another_size(void **state)
{
	struct scene t;

	(void)state;
	scene_begin(&t, false);
	run(&t, plan_a);
	t.d.size += 3 * MIB + SECTOR;
	track(&t);
	run(&t, plan_b);
	t.d.size = 400 * MIB;
	track(&t);
	run(&t, plan_a);
	t.d.size = 2 * MIB; /* plan_b has sectors behind it */
	t.d.pieces[0].len = 2 * MIB;
	track(&t);
	run(&t, plan_a);
	scene_end(&t);
}

/* More extents than a point remembers: as ranges of several. */
static void test_replicate_boot__many_extents(void **state)
{
	struct replaced *many = calloc(3001, sizeof(*many));
	struct tranship_error err;
	struct manifest m;
	struct scene t;
	size_t i;

	(void)state;
	assert_non_null(many);
	for (i = 0; i < 3000; i++)
		many[i] = (struct replaced){ 1 + 2 * i, 1, 'm' };
	scene_begin(&t, false);
	run(&t, many);
	assert_ok(manifest_newest(t.s.store, "d", true, &m, &err), &err);
	assert_int_equal(m.boot->count, 500);
	assert_int_equal(m.boot->extents[1].off, 13 * SECTOR);
	assert_int_equal(m.boot->extents[1].len, 11 * SECTOR);
	manifest_free(&m);
	track(&t);
	run(&t, many);
	assert_true(t.result.nothing && t.result.read == 0);
	many[1234].fill = 'M';
	run(&t, many);
	assert_int_equal(t.result.read, STORE_BLOCK);
	guest_writes(&t, 2 * SECTOR, 100); /* between two that are remembered as one */
	run(&t, many);
	many[2000].count = 0;
	run(&t, many);
	run(&t, plan_a);
	scene_end(&t);
	free(many);
}

static int stop_at(void *ctx, const struct tranship_replicate_progress *progress)
{
	return progress->sent >= *(uint64_t *)ctx;
}

/* What an interrupted run read through another plan does not count. */
static void test_replicate_boot__a_checkpoint_of_another_plan(void **state)
{
	const struct replaced *const plans[][2] = { { plan_a, plan_b },
						    { plan_a, NULL },
						    { NULL, plan_a } };
	char path[] = "/tmp/tranship-test-XXXXXX", last[40];
	uint64_t limit;
	struct tranship_error err;
	struct scene t;
	size_t i, j;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	snprintf(last, sizeof(last), "%s.last", path);
	for (i = 0; i < COUNT_OF(plans); i++) {
		scene_begin(&t, false);
		t.d.size = 8 * 256 * MIB;
		for (j = 2; j < 8; j++)
			sparse_write(&t.d, &t.s.rng, j * 256 * MIB, 6 * MIB);
		t.options.source_identity = "the same";
		t.options.checkpoint = path;
		t.options.progress = stop_at;
		t.options.progress_ctx = &limit;
		t.options.rate = 40 * MIB;
		limit = 20 * MIB;
		assert_fails(try_run(&t, plans[i][0], &err), TRANSHIP_ECANCELED, &err, "");
		t.version = 0;
		t.options.rate = 0;
		limit = UINT64_MAX;
		run(&t, plans[i][1]);
		assert_true(t.result.resumed);
		assert_true(t.result.read > 36 * MIB); /* from the front */
		unlink(last);
		scene_end(&t);
	}
}

/* A plan that is none of the source's, or refused: no run; the last point stays the newest. */
static void test_replicate_boot__a_wrong_plan(void **state)
{
	struct tranship_disk *disk;
	struct tranship_boot_plan *plan;
	struct tranship_error err;
	struct manifest m;
	char refusal[] = "it is too old", *refusals[] = { refusal };
	struct scene t;

	(void)state;
	scene_begin(&t, false);
	run(&t, plan_a);
	disk = sparse_open(&t.d);
	plan = plan_of(disk, plan_b);
	t.options.boot = plan;
	plan->size += SECTOR;
	assert_fails(tranship_replicate(disk, t.s.store, &t.options, &t.result, &err),
		     TRANSHIP_EINVAL, &err, "of a disk of 629146112 bytes");
	plan->size -= SECTOR;
	plan->refusals.at = refusals;
	plan->refusals.count = 1;
	assert_fails(tranship_replicate(disk, t.s.store, &t.options, &t.result, &err),
		     TRANSHIP_EINVAL, &err, "it is too old");
	plan->refusals.at = NULL;
	plan->refusals.count = 0;
	assert_ok(manifest_newest(t.s.store, "d", true, &m, &err), &err);
	assert_string_equal(m.version, "v1");
	manifest_free(&m);
	tranship_boot_plan_free(plan);
	tranship_disk_close(disk);
	scene_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replicate_boot__cycles),
		cmocka_unit_test(test_replicate_boot__reads_what_differs),
		cmocka_unit_test(test_replicate_boot__the_same_plan_is_nothing),
		cmocka_unit_test(test_replicate_boot__the_guest_writes_what_the_plan_has),
		cmocka_unit_test(test_replicate_boot__another_size),
		cmocka_unit_test(test_replicate_boot__many_extents),
		cmocka_unit_test(test_replicate_boot__a_checkpoint_of_another_plan),
		cmocka_unit_test(test_replicate_boot__a_wrong_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
