// SPDX-License-Identifier: Apache-2.0
/* What verifying finds: each kind of damage, with the ranges that it affects. */
#include "support.h"

#include "emit/slot_ondisk.h"
#include "made_stores.h"
#include "memory_target.h"
#include "whole_points.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE (300U * STORE_UNIT) /* 18.75 MiB */

/* Two points of a disk of random bytes and zeros in small slots. */
struct scene {
	struct tranship_store *store;
	struct made made;
	unsigned char *first, *second;
	struct manifest points[2];
	char text[8000]; /* findings, a line each */
	struct tranship_store_verify_result result;
};

static void scene_make(struct scene *s, bool encrypted)
{
	struct rng rng = { 11 };

	memset(s, 0, sizeof(*s));
	s->store = store_make(encrypted);
	made_into(&s->made, s->store, 1U << 20);
	s->first = malloc(SIZE);
	s->second = malloc(SIZE);
	assert_true(s->first && s->second);
	rng_fill(&rng, s->first, SIZE);
	memset(s->first + 20 * STORE_UNIT, 0, 100 * STORE_UNIT);
	memcpy(s->second, s->first, SIZE);
	rng_fill(&rng, s->second + 200 * STORE_UNIT, 8 * STORE_UNIT);
	whole_point(&s->made, "a", s->first, SIZE, NULL, NULL, &s->points[0]);
	whole_point(&s->made, "a", s->second, SIZE, &s->points[0], s->first, &s->points[1]);
}

static void scene_free(struct scene *s)
{
	made_close(&s->made);
	manifest_free(&s->points[0]);
	manifest_free(&s->points[1]);
	free(s->first);
	free(s->second);
	tranship_store_close(s->store);
}

static void take(void *ctx, enum tranship_finding_kind kind, const char *message)
{
	struct scene *s = ctx;
	size_t n = strlen(s->text);

	assert_int_equal(kind, TRANSHIP_FINDING_ERROR);
	snprintf(s->text + n, sizeof(s->text) - n, "%s\n", message);
}

static void verify(struct scene *s, bool read_data, double subset)
{
	struct tranship_store_verify_options options = { .read_data = read_data,
							 .subset = subset,
							 .threads = 2,
							 .finding = take,
							 .finding_ctx = s };
	struct tranship_error err;

	s->text[0] = '\0';
	/* What was read before is not asked for again. */
	slots_free(s->store->slots);
	assert_ok(slots_new(s->store->target, &s->store->keys, &s->store->slots, &err), &err);
	assert_ok(tranship_store_verify(s->store, &options, &s->result, &err), &err);
}

static void expect(struct scene *s, uint64_t errors, const char *piece)
{
	if (s->result.errors != errors || (piece && !strstr(s->text, piece)))
		fail_msg("%llu errors, wanted %llu and '%s':\n%s",
			 (unsigned long long)s->result.errors, (unsigned long long)errors,
			 piece ? piece : "", s->text);
}

/* Where a unit of a point is. */
static void unit_at(struct scene *s, unsigned point, unsigned unit, struct record_ref *out)
{
	struct table_block block;
	struct tranship_error err;
	struct table *t;

	assert_ok(table_open(s->store->slots, &s->points[point].root, SIZE, &t, &err), &err);
	assert_ok(table_read_block(t, unit / STORE_BLOCK_UNITS, &block, &err), &err);
	assert_false(block.units[unit % STORE_BLOCK_UNITS].zero);
	*out = block.units[unit % STORE_BLOCK_UNITS].at;
	table_close(t);
}

static unsigned char *slot_bytes(struct scene *s, const struct slot_id *id, size_t *len)
{
	char key[TARGET_KEY_MAX + 1];

	slot_key(id, key);
	return memory_target_bytes(s->store->target, key, len);
}

static void test_verify__sound(void **state)
{
	struct scene s;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		scene_make(&s, i == 1);
		verify(&s, false, 0);
		expect(&s, 0, NULL);
		assert_int_equal(s.result.points, 2);
		assert_true(s.result.slots > 10);
		assert_int_equal(s.result.read, 0);
		verify(&s, true, 0);
		expect(&s, 0, NULL);
		assert_true(s.result.read > 195U * STORE_UNIT);
		scene_free(&s);
	}
}

/* The slot of the first block: both points are affected, in all its ranges. */
static void test_verify__missing_slot(void **state)
{
	char key[TARGET_KEY_MAX + 1], want[300];
	struct tranship_error err;
	struct record_ref at;
	struct scene s;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		scene_make(&s, false);
		unit_at(&s, 0, 0, &at);
		slot_key(&at.slot, key);
		assert_ok(target_remove(s.store->target, key, &err), &err);
		verify(&s, i == 1, 0);
		expect(&s, 1, key);
		snprintf(want, sizeof(want), "; point %s: bytes 0 to ", s.points[0].id);
		expect(&s, 1, want);
		snprintf(want, sizeof(want), "; point %s: bytes 0 to ", s.points[1].id);
		expect(&s, 1, want);
		scene_free(&s);
	}
}

/* One bit of one record: found where data is read, and nothing else is affected. */
static void test_verify__damaged_record(void **state)
{
	struct record_ref at;
	struct slot_entry e;
	struct tranship_error err;
	char want[200];
	unsigned char *bytes;
	struct scene s;
	size_t len;

	(void)state;
	scene_make(&s, false);
	unit_at(&s, 1, 200, &at);
	assert_ok(slots_entry(s.store->slots, &at, &e, &err), &err);
	bytes = slot_bytes(&s, &at.slot, &len);
	bytes[e.off + e.stored / 2] ^= 4;
	verify(&s, false, 0);
	expect(&s, 0, NULL);
	verify(&s, true, 0);
	snprintf(want, sizeof(want), "; point %s: bytes %u to %u\n", s.points[1].id,
		 200U * STORE_UNIT, 208U * STORE_UNIT);
	expect(&s, 1, want);
	assert_null(strstr(s.text, s.points[0].id));
	scene_free(&s);
}

static void test_verify__damaged_index(void **state)
{
	struct record_ref at;
	unsigned char *bytes;
	struct scene s;
	size_t len;

	(void)state;
	scene_make(&s, false);
	unit_at(&s, 0, 0, &at);
	bytes = slot_bytes(&s, &at.slot, &len);
	bytes[len - SLOT_TRAILER_SIZE - SEAL_TAG - 5] ^= 1;
	verify(&s, false, 0);
	expect(&s, 1, "its index is damaged; point ");
	expect(&s, 1, ": bytes 0 to ");
	verify(&s, true, 0);
	expect(&s, 1, ": bytes 0 to ");
	scene_free(&s);
}

/* The leaf that holds all of the second point. */
static void test_verify__damaged_page(void **state)
{
	struct slot_entry e;
	struct tranship_error err;
	unsigned char *bytes;
	char want[200];
	struct scene s;
	size_t len;

	(void)state;
	scene_make(&s, false);
	assert_ok(slots_entry(s.store->slots, &s.points[1].root.page.at, &e, &err), &err);
	bytes = slot_bytes(&s, &s.points[1].root.page.at.slot, &len);
	bytes[e.off + e.stored - 3] ^= 1;
	verify(&s, false, 0);
	snprintf(want, sizeof(want), "; point %s: bytes 0 to %u\n", s.points[1].id, SIZE);
	expect(&s, 1, want);
	scene_free(&s);
}

static void put_again(struct scene *s, struct manifest *m)
{
	unsigned char *bytes, digest[32];
	char key[TARGET_KEY_MAX + 1];
	struct tranship_error err;
	size_t len;

	assert_ok(manifest_encode(m, &s->store->keys, &bytes, &len, digest, &err), &err);
	manifest_key(m->id, key);
	assert_ok(target_put(s->store->target, key, bytes, len, NULL, &err), &err);
	free(bytes);
}

static void test_verify__manifests(void **state)
{
	char key[TARGET_KEY_MAX + 1];
	unsigned char *bytes;
	struct scene s;
	size_t len;

	(void)state;
	scene_make(&s, true);
	s.points[1].slots[0].uses++;
	put_again(&s, &s.points[1]);
	verify(&s, false, 0);
	expect(&s, 1, "its manifest says that it uses slot ");
	s.points[1].slots[0].uses--;
	s.points[1].slot_count--;
	put_again(&s, &s.points[1]);
	verify(&s, false, 0);
	expect(&s, 1, "its table names 1 slots that its manifest does not list");
	s.points[1].slot_count++;
	put_again(&s, &s.points[1]);
	put_again(&s, &s.points[0]); /* with another salt: not what it was */
	verify(&s, false, 0);
	expect(&s, 1, "it was put back, exchanged");
	manifest_key(s.points[0].id, key);
	bytes = memory_target_bytes(s.store->target, key, &len);
	bytes[len / 2] ^= 1;
	verify(&s, true, 0);
	expect(&s, 1, s.points[0].id);
	assert_int_equal(s.result.points, 2);
	scene_free(&s);
}

/* Each run reads so many slots and no more, and many runs read all of them. */
static void test_verify__subset(void **state)
{
	struct record_ref at;
	unsigned char *bytes;
	struct scene s;
	uint64_t whole;
	unsigned i, found = 0;
	size_t len;

	(void)state;
	scene_make(&s, false);
	verify(&s, true, 0);
	whole = s.result.read;
	unit_at(&s, 0, 0, &at);
	bytes = slot_bytes(&s, &at.slot, &len);
	bytes[len / 2] ^= 1;
	for (i = 0; i < 200 && found == 0; i++) {
		verify(&s, true, 0.2);
		assert_true(s.result.read < whole / 2);
		assert_true(s.result.read > 0);
		found += s.result.errors != 0;
	}
	assert_true(found > 0);
	scene_free(&s);
}

static int stop(void *ctx, const struct tranship_progress *progress)
{
	(void)ctx;
	(void)progress;
	return 1;
}

/* An operation that fails for another reason than damage ends it; nothing is lost. */
static void test_verify__faults(void **state)
{
	struct tranship_store_verify_options options = { .read_data = true, .threads = 2 };
	struct tranship_error err;
	struct scene s;
	unsigned long nth;
	int rc = -1;

	(void)state;
	scene_make(&s, false);
	for (nth = 1; rc; nth += 1 + nth / 8) {
		slots_free(s.store->slots);
		assert_ok(slots_new(s.store->target, &s.store->keys, &s.store->slots, &err), &err);
		memory_target_fail(s.store->target, nth, TRANSHIP_EDENIED);
		rc = tranship_store_verify(s.store, &options, &s.result, &err);
		assert_true(rc == 0 || rc == TRANSHIP_EDENIED);
	}
	memory_target_fail(s.store->target, 0, 0);
	options.progress = stop;
	assert_fails(tranship_store_verify(s.store, &options, &s.result, &err), TRANSHIP_ECANCELED,
		     &err, "");
	options.subset = 1.5;
	assert_fails(tranship_store_verify(s.store, &options, &s.result, &err), TRANSHIP_EINVAL,
		     &err, "1.5");
	scene_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify__sound),
		cmocka_unit_test(test_verify__missing_slot),
		cmocka_unit_test(test_verify__damaged_record),
		cmocka_unit_test(test_verify__damaged_index),
		cmocka_unit_test(test_verify__damaged_page),
		cmocka_unit_test(test_verify__manifests),
		cmocka_unit_test(test_verify__subset),
		cmocka_unit_test(test_verify__faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
