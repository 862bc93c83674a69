// SPDX-License-Identifier: Apache-2.0
/* Reading records through the indexes that are kept, by one thread and by many. */
#include "support.h"

#include "emit/slot_ondisk.h"
#include "heap.h"
#include "memory_target.h"
#include "slot_scene.h"
#include "store_keys.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct scene {
	struct store_keys keys;
	struct target *t;
	struct slots *slots;
	struct slots_scratch *scratch;
};

/* Slots 1 to `slots` of `records` records each. */
static struct scene scene_of(bool encrypted, uint32_t slots, uint32_t records)
{
	struct scene s = { .keys = store_keys_of(encrypted), .t = memory_target_new() };
	struct tranship_error err;
	uint32_t n;

	for (n = 1; n <= slots; n++) {
		struct slot_id id = slot_id_of(n);

		scene_put(s.t, &s.keys, &id, records);
	}
	assert_ok(slots_scratch_new(&s.scratch, &err), &err);
	return s;
}

static void open_slots(struct scene *s)
{
	struct tranship_error err;

	assert_ok(slots_new(s->t, &s->keys, &s->slots, &err), &err);
	memory_target_of(s->t)->reads = 0;
}

static void close_scene(struct scene *s)
{
	slots_scratch_free(s->scratch);
	slots_free(s->slots);
	target_close(s->t);
}

static unsigned long reads(const struct scene *s)
{
	return memory_target_of(s->t)->reads;
}

/* Whether the record is read, and what it must be. */
static bool reads_right(struct slots *slots, struct slots_scratch *scratch, uint32_t slot,
			uint32_t record)
{
	struct record_ref ref = { slot_id_of(slot), record };
	unsigned char *want = malloc(SCENE_RECORD_MAX);
	const unsigned char *raw;
	size_t len;
	bool right = want && slots_read(slots, scratch, &ref, &raw, &len, NULL) == 0 &&
		     len == scene_record(record, want) && memcmp(raw, want, len) == 0;

	free(want);
	return right;
}

static void assert_reads(struct scene *s, uint32_t slot, uint32_t record)
{
	assert_true(reads_right(s->slots, s->scratch, slot, record));
}

/* The last few are kept, and cost nothing; the index is read once. */
static void keeps_records(bool encrypted)
{
	struct scene s = scene_of(encrypted, 2, 300);
	unsigned i;

	open_slots(&s);
	assert_reads(&s, 1, 9);
	assert_int_equal(reads(&s), 3); /* tail, head, record */
	assert_reads(&s, 1, 7);
	assert_reads(&s, 1, 40);
	assert_reads(&s, 1, 100);
	assert_int_equal(reads(&s), 6);
	for (i = 0; i < 5; i++) {
		assert_reads(&s, 1, 9);
		assert_reads(&s, 1, 7);
		assert_reads(&s, 1, 40);
		assert_reads(&s, 1, 100);
	}
	assert_int_equal(reads(&s), 6);
	assert_reads(&s, 2, 9); /* another slot's, in the place of 1's 9 */
	assert_int_equal(reads(&s), 9);
	assert_reads(&s, 1, 9);
	assert_int_equal(reads(&s), 10);
	close_scene(&s);
}

static void test_slots_read__keeps_the_last(void **state)
{
	(void)state;
	keeps_records(false);
	keeps_records(true);
}

/* One behind the other they come many in one read; some of them twice. */
static void reads_ahead(bool encrypted)
{
	struct scene s = scene_of(encrypted, 1, 300);
	uint64_t bytes = 0;
	uint32_t n;

	open_slots(&s);
	for (n = 0; n < 300; n++) {
		struct record_ref ref = { slot_id_of(1), n };
		struct slot_entry e;

		assert_reads(&s, 1, n);
		assert_int_equal(slots_entry(s.slots, &ref, &e, NULL), 0);
		bytes += e.stored;
	}
	assert_true(bytes > 4U << 20);
	assert_in_range(reads(&s), 5, 12);
	/* Backwards each is a read of its own, and what was read ahead is not used twice. */
	for (n = 290; n-- > 280;)
		assert_reads(&s, 1, n);
	assert_in_range(reads(&s), 15, 22);
	close_scene(&s);
}

static void test_slots_read__ahead(void **state)
{
	(void)state;
	reads_ahead(false);
	reads_ahead(true);
}

/* Read, skipped and read again: in an encrypted store opening a record overwrites what was read. */
static void test_slots_read__in_any_order(void **state)
{
	struct scene s = scene_of(true, 5, 60);
	struct rng rng = { 5 };
	uint32_t at = 0;
	unsigned i;

	(void)state;
	open_slots(&s);
	for (i = 0; i < 3000; i++) {
		uint64_t how = rng_below(&rng, 8);

		if (how == 0)
			at = (uint32_t)rng_below(&rng, 5 * 60);
		else if (how < 6)
			at = (at + 1) % (5 * 60);
		else if (how == 6)
			at = (at + 3) % (5 * 60);
		else
			at = (at + 5 * 60 - 2) % (5 * 60);
		assert_reads(&s, 1 + at / 60, at % 60);
	}
	close_scene(&s);
}

/* Many slots, of which a bounded number is kept. */
static void test_slots__more_than_are_kept(void **state)
{
	struct scene s = scene_of(false, 200, 3);
	uint32_t n;

	(void)state;
	open_slots(&s);
	for (n = 1; n <= 200; n++)
		assert_reads(&s, n, 1);
	assert_int_equal(reads(&s), 400);
	for (n = 140; n <= 200; n++) /* these are kept */
		assert_reads(&s, n, 0);
	assert_int_equal(reads(&s), 461);
	assert_reads(&s, 1, 0); /* this one is not */
	assert_int_equal(reads(&s), 463);
	close_scene(&s);
}

/* However many entries their indexes have, they take 8 MB. */
static void test_slots__memory(void **state)
{
	struct scene s = scene_of(false, 1, 1);
	struct slot_entry e = { .raw = 1, .stored = 1, .kind = RECORD_BLOCK };
	const unsigned char *bytes;
	unsigned char sha256[32];
	struct slot_builder *b;
	struct heap_seen seen;
	uint32_t n, record;
	size_t len;

	(void)state;
	assert_int_equal(slot_builder_new(SLOT_SIZE_DEFAULT, &b, NULL), 0);
	for (n = 1; n <= 20; n++) {
		struct slot_id id = slot_id_of(n);
		char key[TARGET_KEY_MAX + 1];

		slot_builder_begin(b, &id);
		while (slot_builder_count(b) < SLOT_RECORDS_MAX)
			assert_int_equal(slot_builder_add(b, &e, "x", &record, NULL), 0);
		assert_int_equal(slot_builder_seal(b, &s.keys, &bytes, &len, sha256, NULL), 0);
		slot_key(&id, key);
		assert_int_equal(target_put(s.t, key, bytes, len, sha256, NULL), 0);
	}
	slot_builder_free(b);
	open_slots(&s);
	heap_watch(0, false);
	for (n = 1; n <= 20; n++) {
		struct record_ref ref = { slot_id_of(n), SLOT_RECORDS_MAX - 1 };

		assert_int_equal(slots_entry(s.slots, &ref, &e, NULL), 0);
	}
	seen = heap_unwatch();
	if (HEAP_WATCHED)
		assert_in_range(seen.bytes, 6U << 20, 9U << 20);
	close_scene(&s);
}

/* What is missing, and comes; what is damaged, beside what is not. */
static void test_slots_read__errors(void **state)
{
	struct scene s = scene_of(true, 2, 5);
	struct record_ref ref = { slot_id_of(3), 0 };
	char key[TARGET_KEY_MAX + 1];
	const unsigned char *raw;
	struct tranship_error err;
	struct slot_entry e;
	size_t len;

	(void)state;
	open_slots(&s);
	assert_fails(slots_read(s.slots, s.scratch, &ref, &raw, &len, &err), TRANSHIP_ENOTFOUND,
		     &err, "01020304050607080000000000000003");
	assert_fails(slots_entry(s.slots, &ref, &e, &err), TRANSHIP_ENOTFOUND, &err, "slots/03/");
	scene_put(s.t, &s.keys, &ref.slot, 1);
	assert_reads(&s, 3, 0);
	ref.record = 1;
	assert_fails(slots_read(s.slots, s.scratch, &ref, &raw, &len, &err), TRANSHIP_ECORRUPT,
		     &err, "record 1 is asked for, it has 1");
	assert_fails(slots_entry(s.slots, &ref, &e, &err), TRANSHIP_ECORRUPT, &err, "has 1");

	ref = (struct record_ref){ slot_id_of(1), 2 };
	assert_ok(slots_entry(s.slots, &ref, &e, &err), &err);
	slot_key(&ref.slot, key);
	memory_target_bytes(s.t, key, NULL)[e.off] ^= 4;
	assert_reads(&s, 1, 1);
	assert_fails(slots_read(s.slots, s.scratch, &ref, &raw, &len, &err), TRANSHIP_ECORRUPT,
		     &err, "slot 01020304050607080000000000000001: record 2 is damaged");
	assert_null(raw);
	assert_reads(&s, 1, 3);
	assert_fails(slots_read(s.slots, s.scratch, &ref, &raw, &len, &err), TRANSHIP_ECORRUPT,
		     &err, "record 2 is damaged");
	memory_target_bytes(s.t, key, NULL)[e.off] ^= 4;
	assert_reads(&s, 1, 2);
	close_scene(&s);
}

/* A scratch that went from one store to another, with slots of the same ids. */
static void test_slots_read__another_store(void **state)
{
	struct scene a = scene_of(false, 1, 3), b = scene_of(true, 0, 0);
	struct record_ref ref = { slot_id_of(1), 0 };
	const unsigned char *raw;
	struct tranship_error err;
	size_t len;

	(void)state;
	open_slots(&a);
	open_slots(&b);
	assert_reads(&a, 1, 0);
	assert_fails(slots_read(b.slots, a.scratch, &ref, &raw, &len, &err), TRANSHIP_ENOTFOUND,
		     &err, "no such object");
	assert_reads(&a, 1, 0);
	close_scene(&a);
	close_scene(&b);
}

/* Builds, seals, puts and reads a slot. */
static int use_all(const struct store_keys *keys, struct tranship_error *err)
{
	struct slot_entry e = { .raw = 5, .stored = 5, .kind = RECORD_BLOCK };
	struct record_ref ref = { slot_id_of(1), 0 };
	struct target *t = memory_target_new();
	struct slots_scratch *scratch = NULL;
	unsigned char sha256[32];
	char key[TARGET_KEY_MAX + 1];
	const unsigned char *bytes;
	struct slot_builder *b = NULL;
	struct slots *slots = NULL;
	size_t len;
	int rc = slot_builder_new(SLOT_SIZE_MIN, &b, err);

	slot_key(&ref.slot, key);
	if (rc == 0)
		slot_builder_begin(b, &ref.slot);
	if (rc == 0)
		rc = name_of(keys, "block", 5, e.name, err);
	if (rc == 0)
		rc = slot_builder_add(b, &e, "block", &ref.record, err);
	if (rc == 0)
		rc = slot_builder_seal(b, keys, &bytes, &len, sha256, err);
	if (rc == 0)
		rc = target_put(t, key, bytes, len, sha256, err);
	if (rc == 0)
		rc = slots_new(t, keys, &slots, err);
	if (rc == 0)
		rc = slots_scratch_new(&scratch, err);
	if (rc == 0)
		rc = slots_read(slots, scratch, &ref, &bytes, &len, err);
	assert_true(rc || (len == 5 && memcmp(bytes, "block", 5) == 0));
	slots_scratch_free(scratch);
	slots_free(slots);
	slot_builder_free(b);
	target_close(t);
	return rc;
}

/* Whichever allocation fails, libcrypto's too: a code, and nothing is kept. */
static void test_slots__no_memory(void **state)
{
	int encrypted, rc;

	(void)state;
	for (encrypted = 0; encrypted < 2; encrypted++) {
		struct store_keys keys = store_keys_of(encrypted);
		struct heap_seen seen = { .failed = true };
		struct tranship_error err;
		unsigned long nth;

		assert_ok(use_all(&keys, &err), &err);
		/* The first is the target's. */
		for (nth = 2; HEAP_WATCHED && seen.failed; nth++) {
			heap_watch(nth, false);
			rc = use_all(&keys, &err);
			seen = heap_unwatch();
			assert_true(rc == 0 || rc == TRANSHIP_ENOMEM);
			assert_int_equal(seen.held, 0);
		}
		assert_ok(use_all(&keys, &err), &err);
	}
}

struct reader {
	pthread_t thread;
	struct slots *slots;
	uint32_t slots_count, records, seed;
	bool right;
};

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	struct slots_scratch *scratch;
	struct rng rng = { r->seed };
	unsigned i;

	r->right = slots_scratch_new(&scratch, NULL) == 0;
	for (i = 0; r->right && i < 400; i++)
		r->right = reads_right(r->slots, scratch,
				       1 + (uint32_t)rng_below(&rng, r->slots_count),
				       (uint32_t)rng_below(&rng, r->records));
	slots_scratch_free(scratch);
	return NULL;
}

static void read_by_many(struct scene *s, uint32_t slots, uint32_t records)
{
	struct reader readers[4];
	unsigned i;

	for (i = 0; i < COUNT_OF(readers); i++) {
		readers[i] = (struct reader){
			.slots = s->slots, .slots_count = slots, .records = records, .seed = i + 1
		};
		assert_int_equal(pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]),
				 0);
	}
	for (i = 0; i < COUNT_OF(readers); i++)
		pthread_join(readers[i].thread, NULL);
	for (i = 0; i < COUNT_OF(readers); i++)
		assert_true(readers[i].right);
}

static void test_slots_read__by_many_threads(void **state)
{
	struct scene s = scene_of(true, 90, 4);

	(void)state;
	open_slots(&s);
	read_by_many(&s, 90, 4);
	close_scene(&s);
}

/* However many want one, its index is read once: a tail, which is all of a slot as small as this.
 */
static void test_slots__one_reads_an_index(void **state)
{
	struct scene s = scene_of(false, 1, 1);

	(void)state;
	open_slots(&s);
	read_by_many(&s, 1, 1);
	assert_int_equal(reads(&s), 1 + 4);
	close_scene(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots_read__keeps_the_last),
		cmocka_unit_test(test_slots_read__ahead),
		cmocka_unit_test(test_slots_read__in_any_order),
		cmocka_unit_test(test_slots__more_than_are_kept),
		cmocka_unit_test(test_slots__memory),
		cmocka_unit_test(test_slots_read__errors),
		cmocka_unit_test(test_slots_read__another_store),
		cmocka_unit_test(test_slots__no_memory),
		cmocka_unit_test(test_slots_read__by_many_threads),
		cmocka_unit_test(test_slots__one_reads_an_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
