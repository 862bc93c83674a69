// SPDX-License-Identifier: Apache-2.0
/* Runs into a store: what each point has is read back and compared, byte by byte. */
#include "store_scene.h"

#include "emit/points.h"
#include "emit/slot.h"
#include "emit/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB 1024ULL
#define MIB (1024ULL * KIB)
#define GIB (1024ULL * MIB)
#define SMALL_SLOTS (1U << 20)

static void test_replicate__points_of_all_sizes(void **state)
{
	static const uint64_t sizes[] = { 1,         511,
					  64 * KIB,  64 * KIB + 1,
					  512 * KIB, 512 * KIB - 1,
					  256 * MIB, 256 * MIB + 512,
					  128 * GIB, 128 * GIB + 512,
					  3000 * GIB };
	size_t i;
	int encrypted;

	(void)state;
	for (encrypted = 0; encrypted < 2; encrypted++)
		for (i = (size_t)encrypted; i < COUNT_OF(sizes); i += 1 + 4 * (size_t)encrypted) {
			struct sparse_disk d = { .size = sizes[i] };
			struct tranship_replicate_result result;
			struct store_scene s;
			size_t tail = (size_t)(sizes[i] < 100000 ? sizes[i] : 100000);

			store_scene_begin(&s, encrypted, SMALL_SLOTS);
			sparse_write(&d, &s.rng, sizes[i] - tail, tail);
			if (sizes[i] > 3 * MIB)
				sparse_write(&d, &s.rng, 300000, 2 * MIB);
			store_scene_run(&s, &d, NULL, &result);
			assert_false(result.nothing);
			assert_int_equal(result.method, TRANSHIP_METHOD_FULL);
			store_scene_check(&s, "d", &d);
			sparse_free(&d);
			store_scene_end(&s);
		}
}

static void test_replicate__an_empty_disk_is_a_point(void **state)
{
	struct sparse_disk d = { .size = 5 * GIB };
	struct tranship_replicate_result result;
	struct store_scene s;

	(void)state;
	store_scene_begin(&s, false, SMALL_SLOTS);
	store_scene_run(&s, &d, NULL, &result);
	assert_false(result.nothing);
	assert_int_equal(result.slots, 0);
	store_scene_check(&s, "d", &d);
	store_scene_run(&s, &d, NULL, &result);
	assert_true(result.nothing);
	store_scene_end(&s);
}

#define HISTORY 7

/* Random edits, grown and shrunk disks; all points stay what they were. */
static void history(bool encrypted, int level)
{
	struct sparse_disk was[HISTORY], d = { .size = 300 * MIB };
	struct tranship_replicate_result result;
	char points[HISTORY][64];
	struct store_scene s;
	int run, i;

	store_scene_begin(&s, encrypted, SMALL_SLOTS);
	sparse_write(&d, &s.rng, 100, 3 * MIB);
	sparse_write(&d, &s.rng, 200 * MIB, 2 * MIB);
	sparse_write(&d, &s.rng, 299 * MIB, MIB);
	for (run = 0; run < HISTORY; run++) {
		const struct tranship_replicate_options options = {
			.disk = "d", .level = level, .threads = 1 + (unsigned)run % 3
		};

		if (run == 3)
			d.size = 700 * GIB; /* another level of pages */
		if (run == 4)
			sparse_write(&d, &s.rng, 600 * GIB, 70000);
		if (run == 5)
			d.size = 201 * MIB + 1000;
		for (i = 0; run > 0 && i < 12; i++) {
			size_t len = 1 + (size_t)rng_below(&s.rng, i < 8 ? 3000 : 400000);
			uint64_t off = 100 + rng_below(&s.rng, 3 * MIB - len);

			if (i % 5 == 4)
				sparse_zero(&d, off, len);
			else
				sparse_write(&d, &s.rng, off, len);
		}
		store_scene_run(&s, &d, &options, &result);
		assert_false(result.nothing);
		assert_int_equal(result.method,
				 run ? TRANSHIP_METHOD_FINGERPRINT : TRANSHIP_METHOD_FULL);
		snprintf(points[run], sizeof(points[run]), "%s", result.point);
		sparse_copy(&d, &was[run]);
	}
	for (run = 0; run < HISTORY; run++) {
		store_scene_check(&s, points[run], &was[run]);
		sparse_free(&was[run]);
	}
	sparse_free(&d);
	store_scene_end(&s);
}

static void test_replicate__all_points_of_a_history_stay(void **state)
{
	(void)state;
	history(false, 0);
	history(true, 3);
	history(false, TRANSHIP_LEVEL_NONE);
}

static struct tranship_changes *changes_of(uint64_t size, const char *base, const char *target)
{
	struct tranship_changes *changes;
	struct tranship_error err;

	assert_ok(tranship_changes_new(size, &changes, &err), &err);
	assert_ok(tranship_changes_set_ids(changes, base, target, &err), &err);
	return changes;
}

static void test_replicate__reads_what_changes_say(void **state)
{
	struct tranship_replicate_options options = { .disk = "d", .version = "v1" };
	struct sparse_disk d = { .size = 900 * MIB };
	struct tranship_replicate_result result;
	struct tranship_error err;
	struct tranship_changes *changes;
	struct store_scene s;

	(void)state;
	store_scene_begin(&s, false, SMALL_SLOTS);
	sparse_write(&d, &s.rng, 0, 8 * MIB);
	sparse_write(&d, &s.rng, 800 * MIB, 3 * MIB);
	store_scene_run(&s, &d, &options, &result);
	sparse_write(&d, &s.rng, 801 * MIB + 5, 100);
	changes = changes_of(d.size, "v1", "v2");
	assert_ok(tranship_changes_add(changes, 801 * MIB, 512, false, &err), &err);
	options.version = NULL;
	options.changes = changes;
	store_scene_run(&s, &d, &options, &result);
	assert_int_equal(result.method, TRANSHIP_METHOD_CHANGES);
	assert_int_equal(result.read, STORE_BLOCK);
	assert_int_equal(result.changed, STORE_UNIT);
	assert_string_equal(result.version, "v2");
	store_scene_check(&s, "d", &d);
	tranship_changes_free(changes);

	/* Nothing in them: no point, but the next list may begin at v3. */
	options.changes = changes = changes_of(d.size, "v2", "v3");
	store_scene_run(&s, &d, &options, &result);
	assert_true(result.nothing);
	tranship_changes_free(changes);
	sparse_write(&d, &s.rng, 5, 5);
	options.changes = changes = changes_of(d.size, "v3", "v4");
	assert_ok(tranship_changes_add(changes, 0, 4096, false, &err), &err);
	store_scene_run(&s, &d, &options, &result);
	assert_int_equal(result.method, TRANSHIP_METHOD_CHANGES);
	store_scene_check(&s, "d", &d);
	tranship_changes_free(changes);
	sparse_free(&d);
	store_scene_end(&s);
}

static void test_replicate__changes_that_do_not_fit_are_refused(void **state)
{
	struct tranship_replicate_options options = { .disk = "d" };
	struct sparse_disk d = { .size = 2 * MIB };
	struct tranship_replicate_result result;
	struct tranship_error err;
	struct store_scene s;
	size_t i;

	static const struct {
		const char *base, *target, *piece;
	} cases[] = { { "", "v2", "do not say" },
		      { "v1", "", "do not say" },
		      { "v0", "v2", "begin at version 'v0'" } };

	(void)state;
	store_scene_begin(&s, false, SMALL_SLOTS);
	sparse_write(&d, &s.rng, 0, MIB);
	options.changes = changes_of(d.size, "v0", "v1");
	assert_fails(store_scene_try(&s, &d, &options, &result, &err), TRANSHIP_ETRACKING, &err,
		     "has no point");
	tranship_changes_free((struct tranship_changes *)(uintptr_t)options.changes);
	options.changes = NULL;
	options.version = "v1";
	store_scene_run(&s, &d, &options, &result);
	options.version = NULL;
	sparse_write(&d, &s.rng, 9, 9);
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct tranship_changes *changes =
			changes_of(d.size, cases[i].base, cases[i].target);

		options.changes = changes;
		options.on_lost_tracking = TRANSHIP_LOST_TRACKING_FAIL;
		assert_fails(store_scene_try(&s, &d, &options, &result, &err), TRANSHIP_ETRACKING,
			     &err, cases[i].piece);
		tranship_changes_free(changes);
	}
	options.changes = changes_of(d.size, "v0", "v2");
	options.on_lost_tracking = TRANSHIP_LOST_TRACKING_FINGERPRINT;
	store_scene_run(&s, &d, &options, &result);
	assert_true(result.lost_tracking);
	assert_int_equal(result.method, TRANSHIP_METHOD_FINGERPRINT);
	store_scene_check(&s, "d", &d);
	tranship_changes_free((struct tranship_changes *)(uintptr_t)options.changes);
	sparse_free(&d);
	store_scene_end(&s);
}

static void test_replicate__equal_blocks_are_stored_once(void **state)
{
	struct sparse_disk d = { .size = 64 * MIB }, e;
	struct tranship_replicate_options other = { .disk = "e" };
	struct tranship_replicate_result result;
	struct store_scene s;
	unsigned char block[STORE_BLOCK];
	uint64_t sent;

	(void)state;
	store_scene_begin(&s, true, SMALL_SLOTS);
	sparse_write(&d, &s.rng, 0, 4 * MIB);
	store_scene_run(&s, &d, NULL, &result);
	sent = result.sent;
	assert_true(sent > 2 * MIB);
	sparse_copy(&d, &e); /* the same content on another disk, and twice on it */
	sparse_write(&e, &s.rng, 32 * MIB, STORE_BLOCK);
	sparse_read(&e, MIB, block, sizeof(block));
	memcpy(e.pieces[1].bytes, block, sizeof(block));
	store_scene_run(&s, &e, &other, &result);
	assert_int_equal(result.deduplicated, 4 * MIB + STORE_BLOCK);
	assert_true(result.sent < MIB / 8);
	store_scene_check(&s, "e", &e);
	store_scene_check(&s, "d", &d);
	sparse_free(&d);
	sparse_free(&e);
	store_scene_end(&s);
}

/* A mark as gc makes it. */
static void mark_trash(struct store_scene *s, const struct slot_id *id)
{
	char key[TARGET_KEY_MAX + 1];
	struct tranship_error err;

	slot_trash_key(id, key);
	assert_ok(target_put(s->target, key, "", 0, NULL, &err), &err);
}

static void test_replicate__what_is_in_trash_is_stored_again(void **state)
{
	struct sparse_disk d = { .size = 300 * MIB };
	struct tranship_replicate_result result;
	struct tranship_error err;
	struct store_scene s;
	struct manifest m;
	char key[TARGET_KEY_MAX + 1];
	size_t i, count;

	(void)state;
	store_scene_begin(&s, false, SMALL_SLOTS);
	sparse_write(&d, &s.rng, 0, 6 * MIB);
	sparse_write(&d, &s.rng, 280 * MIB, 2 * MIB);
	store_scene_run(&s, &d, NULL, &result);
	assert_ok(manifest_find(s.store, "d", true, &m, &err), &err);
	count = m.slot_count;
	assert_true(count > 4);
	for (i = 0; i < count; i += 2)
		mark_trash(&s, &m.slots[i].id);
	/* Not a byte of the disk is another, but the last point will not last. */
	store_scene_run(&s, &d, NULL, &result);
	assert_false(result.nothing);
	assert_int_equal(result.changed, 0);
	for (i = 0; i < count; i += 2) {
		slot_key(&m.slots[i].id, key);
		assert_ok(target_remove(s.target, key, &err), &err);
	}
	manifest_free(&m);
	store_scene_check(&s, result.point, &d);
	sparse_free(&d);
	store_scene_end(&s);
}

/* Slots that were put since it was set up as a target's hook. */
static bool counts_slot(unsigned *slots, enum memory_op op, const char *key, bool after)
{
	if (op != MEMORY_PUT || !after || strncmp(key, "slots/", 6) != 0)
		return false;
	++*slots;
	return true;
}

/* gc comes by when the run has put its first slot; it looked at the trash before. */
struct visit {
	struct store_scene *s;
	const struct manifest *last;
	unsigned slots;
};

static void visit(void *ctx, enum memory_op op, const char *key, bool after)
{
	struct visit *v = ctx;
	size_t i;

	if (!counts_slot(&v->slots, op, key, after) || v->slots != 1)
		return;
	for (i = 0; i < v->last->slot_count; i++)
		mark_trash(v->s, &v->last->slots[i].id);
}

static void test_replicate__what_is_marked_meanwhile_is_stored_again(void **state)
{
	struct sparse_disk d = { .size = 600 * MIB };
	struct tranship_replicate_result result;
	struct store_scene s;
	struct visit v = { .s = &s };
	struct tranship_replicate_options options = { .disk = "d", .threads = 1 };
	struct tranship_error err;
	struct manifest m;
	char key[TARGET_KEY_MAX + 1];
	size_t i;

	(void)state;
	store_scene_begin(&s, false, SMALL_SLOTS);
	sparse_write(&d, &s.rng, 0, 2 * MIB);
	sparse_write(&d, &s.rng, 280 * MIB, 5 * MIB);
	sparse_write(&d, &s.rng, 590 * MIB, 10 * MIB);
	store_scene_run(&s, &d, NULL, &result);
	assert_ok(manifest_find(s.store, "d", true, &m, &err), &err);
	v.last = &m;
	sparse_write(&d, &s.rng, 591 * MIB, 1000);
	memory_target_hook(s.target, visit, &v);
	store_scene_run(&s, &d, &options, &result);
	memory_target_hook(s.target, NULL, NULL);
	assert_true(v.slots > 1);
	for (i = 0; i < m.slot_count; i++) {
		slot_key(&m.slots[i].id, key);
		assert_ok(target_remove(s.target, key, &err), &err);
	}
	store_scene_check(&s, result.point, &d);
	manifest_free(&m);
	sparse_free(&d);
	store_scene_end(&s);
}

/* Whoever deleted or damaged it: the next run does not need it. */
static void test_replicate__a_damaged_last_point_is_not_built_upon(void **state)
{
	enum { GONE, FLIPPED, MANIFEST } how;

	(void)state;
	for (how = GONE; how <= MANIFEST; how++) {
		struct sparse_disk d = { .size = 600 * MIB };
		struct tranship_replicate_result result;
		struct warnings w = { 0 };
		struct tranship_replicate_options options = { .disk = "d",
							      .warn = warnings_take,
							      .warn_ctx = &w };
		struct tranship_error err;
		struct store_scene s;
		struct manifest m;
		char key[TARGET_KEY_MAX + 1];
		unsigned char *bytes;
		size_t len;

		store_scene_begin(&s, false, SMALL_SLOTS);
		sparse_write(&d, &s.rng, 280 * MIB, 5 * MIB);
		store_scene_run(&s, &d, NULL, &result);
		assert_ok(manifest_find(s.store, "d", true, &m, &err), &err);
		/* Pages stand in the slot that was begun last. */
		slot_key(&m.slots[m.slot_count - 1].id, key);
		if (how == GONE) {
			assert_ok(target_remove(s.target, key, &err), &err);
		} else if (how == FLIPPED) {
			bytes = memory_target_bytes(s.target, key, &len);
			bytes[SLOT_HEAD_SIZE + 20] ^= 1;
		} else { /* its list of slots, without which its front can be read */
			manifest_key(m.id, key);
			bytes = memory_target_bytes(s.target, key, &len);
			bytes[len - 20] ^= 1;
		}
		/* Who opens the store anew remembers nothing of the slot. */
		slots_free(s.store->slots);
		assert_ok(slots_new(s.target, &s.store->keys, &s.store->slots, &err), &err);
		store_scene_run(&s, &d, &options, &result);
		assert_int_equal(result.method, TRANSHIP_METHOD_FULL);
		assert_int_equal(w.count, 1);
		assert_true(result.deduplicated > 3 * MIB);
		store_scene_check(&s, result.point, &d);
		manifest_free(&m);
		sparse_free(&d);
		store_scene_end(&s);
	}
}

/* What a run with this checkpoint leaves. */
static void forget_last(const char *checkpoint)
{
	char last[100];

	snprintf(last, sizeof(last), "%s.last", checkpoint);
	assert_int_equal(unlink(last), 0);
}

/* Ends a run after so many slots: by a put that fails as the run is canceled. */
struct stop {
	struct target *target;
	unsigned slots, limit;
};

static void stop_at(void *ctx, enum memory_op op, const char *key, bool after)
{
	struct stop *stop = ctx;

	if (counts_slot(&stop->slots, op, key, after) && stop->slots == stop->limit)
		memory_target_fail(stop->target, 1, TRANSHIP_ECANCELED);
}

static void try_and_stop(struct store_scene *s, const struct sparse_disk *d,
			 const struct tranship_replicate_options *options, unsigned limit,
			 struct tranship_replicate_result *result)
{
	struct stop stop = { .target = s->target, .limit = limit };
	struct tranship_error err;

	memory_target_hook(s->target, stop_at, &stop);
	assert_fails(store_scene_try(s, d, options, result, &err), TRANSHIP_ECANCELED, &err,
		     "made to fail");
	memory_target_hook(s->target, NULL, NULL);
}

static void test_replicate__goes_on_from_a_checkpoint(void **state)
{
	struct sparse_disk d = { .size = 2 * GIB };
	char path[] = "/tmp/tranship-test-XXXXXX";
	struct tranship_replicate_result result;
	struct tranship_error err;
	struct store_scene s;
	uint64_t before, all = 0;
	int i, fd = mkstemp(path);
	struct tranship_replicate_options options = { .disk = "d",
						      .threads = 2,
						      .source_identity = "the same" };

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	options.checkpoint = path;
	store_scene_begin(&s, true, SMALL_SLOTS);
	for (i = 0; i < 8; i++)
		sparse_write(&d, &s.rng, (uint64_t)i * 256 * MIB, 6 * MIB);
	for (i = 0; i < 2; i++) {
		try_and_stop(&s, &d, &options, 14, &result);
		assert_true(result.resumed == (i > 0));
		assert_fails(manifest_find(s.store, "d", false, &(struct manifest){ 0 }, &err),
			     TRANSHIP_ENOTFOUND, &err, "");
		all += result.sent;
	}
	before = memory_target_of(s.target)->puts;
	store_scene_run(&s, &d, &options, &result);
	assert_true(result.resumed);
	assert_true(memory_target_of(s.target)->puts > before);
	all += result.sent;
	/* Two thirds of random bytes: what was sent twice is less than was interrupted at once. */
	assert_in_range(all, 48 * MIB * 2 / 3, 48 * MIB * 2 / 3 + 12 * MIB);
	store_scene_check(&s, "d", &d);
	assert_int_equal(access(path, F_OK), -1);
	forget_last(path);
	sparse_free(&d);
	store_scene_end(&s);
}

/* Somebody took the newest point away: nothing in the store says so. */
static void test_replicate__a_store_that_was_rolled_back_is_noticed(void **state)
{
	struct sparse_disk d = { .size = MIB };
	char folder[] = "/tmp/tranship-test-XXXXXX", path[100], last[110], key[TARGET_KEY_MAX + 1];
	struct tranship_replicate_result result;
	struct tranship_error err;
	struct store_scene s;
	struct warnings w = { 0 };
	struct tranship_replicate_options options = {
		.disk = "d", .checkpoint = path, .warn = warnings_take, .warn_ctx = &w
	};

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/checkpoint", folder);
	snprintf(last, sizeof(last), "%s.last", path);
	store_scene_begin(&s, false, SMALL_SLOTS);
	sparse_write(&d, &s.rng, 0, 1000);
	store_scene_run(&s, &d, &options, &result);
	sparse_write(&d, &s.rng, 0, 1000);
	store_scene_run(&s, &d, &options, &result);
	assert_int_equal(w.count, 0);
	manifest_key(result.point, key);
	assert_ok(target_remove(s.target, key, &err), &err);
	store_scene_run(&s, &d, &options, &result);
	assert_int_equal(w.count, 1);
	assert_non_null(strstr(w.last, "is not in the store"));
	store_scene_run(&s, &d, &options, &result);
	assert_int_equal(w.count, 1);
	assert_int_equal(unlink(last), 0);
	assert_int_equal(rmdir(folder), 0);
	sparse_free(&d);
	store_scene_end(&s);
}

/* The checkpoint names what is not there any more. */
static void test_replicate__a_checkpoint_whose_slots_are_gone(void **state)
{
	struct sparse_disk d = { .size = 2 * GIB };
	char path[] = "/tmp/tranship-test-XXXXXX";
	struct tranship_replicate_result result;
	struct tranship_error err;
	struct store_scene s;
	struct warnings w = { 0 };
	struct memory_target *memory;
	int i, fd = mkstemp(path);
	struct tranship_replicate_options options = {
		.disk = "d", .source_identity = "one", .warn = warnings_take, .warn_ctx = &w
	};
	size_t n;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	options.checkpoint = path;
	store_scene_begin(&s, false, SMALL_SLOTS);
	for (i = 0; i < 8; i++)
		sparse_write(&d, &s.rng, (uint64_t)i * 256 * MIB, 6 * MIB);
	try_and_stop(&s, &d, &options, 24, &result);
	memory = memory_target_of(s.target);
	for (n = memory->count; n > 0; n--) {
		char key[TARGET_KEY_MAX + 1];

		snprintf(key, sizeof(key), "%s", memory->objects[n - 1].info.key);
		if (strncmp(key, "slots/", 6) == 0)
			assert_ok(target_remove(s.target, key, &err), &err);
	}
	slots_free(s.store->slots);
	assert_ok(slots_new(s.target, &s.store->keys, &s.store->slots, &err), &err);
	store_scene_run(&s, &d, &options, &result);
	assert_int_equal(w.count, 1);
	assert_int_equal(result.deduplicated, 0);
	store_scene_check(&s, "d", &d);
	forget_last(path);
	sparse_free(&d);
	store_scene_end(&s);
}

/* The checkpoint is of another content: its leaves do not count, its slots do. */
static void test_replicate__a_checkpoint_of_another_source(void **state)
{
	struct sparse_disk d = { .size = 2 * GIB };
	char path[] = "/tmp/tranship-test-XXXXXX";
	struct tranship_replicate_result result;
	struct store_scene s;
	int i, fd = mkstemp(path);
	struct tranship_replicate_options options = { .disk = "d", .source_identity = "one" };

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	options.checkpoint = path;
	store_scene_begin(&s, false, SMALL_SLOTS);
	for (i = 0; i < 8; i++)
		sparse_write(&d, &s.rng, (uint64_t)i * 256 * MIB, 6 * MIB);
	try_and_stop(&s, &d, &options, 24, &result);
	sparse_write(&d, &s.rng, 1000, 1000);
	options.source_identity = "two";
	store_scene_run(&s, &d, &options, &result);
	assert_true(result.resumed);
	assert_true(result.deduplicated > 10 * MIB);
	store_scene_check(&s, "d", &d);
	forget_last(path);
	sparse_free(&d);
	store_scene_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replicate__points_of_all_sizes),
		cmocka_unit_test(test_replicate__an_empty_disk_is_a_point),
		cmocka_unit_test(test_replicate__all_points_of_a_history_stay),
		cmocka_unit_test(test_replicate__reads_what_changes_say),
		cmocka_unit_test(test_replicate__changes_that_do_not_fit_are_refused),
		cmocka_unit_test(test_replicate__equal_blocks_are_stored_once),
		cmocka_unit_test(test_replicate__what_is_in_trash_is_stored_again),
		cmocka_unit_test(test_replicate__what_is_marked_meanwhile_is_stored_again),
		cmocka_unit_test(test_replicate__a_damaged_last_point_is_not_built_upon),
		cmocka_unit_test(test_replicate__goes_on_from_a_checkpoint),
		cmocka_unit_test(test_replicate__a_store_that_was_rolled_back_is_noticed),
		cmocka_unit_test(test_replicate__a_checkpoint_whose_slots_are_gone),
		cmocka_unit_test(test_replicate__a_checkpoint_of_another_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
