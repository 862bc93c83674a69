// SPDX-License-Identifier: Apache-2.0
/* Slots as they are built, and read again from a target. */
#include "support.h"

#include "emit/slot_ondisk.h"
#include "memory_target.h"
#include "slot_scene.h"
#include "store_keys.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static void read_slot(struct target *t, const struct store_keys *keys, const struct slot_id *id,
		      uint32_t count)
{
	static unsigned char raw[SCENE_RECORD_MAX], want[SCENE_RECORD_MAX];
	static unsigned char stored[2 * SCENE_RECORD_MAX];
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	char key[TARGET_KEY_MAX + 1];
	struct tranship_error err;
	struct slot_index index;
	uint32_t n;

	slot_key(id, key);
	assert_ok(slot_index_read(t, keys, id, &index, &err), &err);
	assert_int_equal(index.count, count);
	for (n = 0; n < count; n++) {
		const struct slot_entry *e = &index.entries[n];

		assert_int_equal(e->raw, scene_record(n, want));
		assert_int_equal(e->kind, n % 3 ? RECORD_BLOCK : RECORD_PAGE);
		assert_ok(
			target_get_exactly(t, key, e->off, stored, slot_entry_space(keys, e), &err),
			&err);
		assert_ok(slot_record_open(&index, keys, n, stored, zstd, raw, &err), &err);
		assert_memory_equal(raw, want, e->raw);
	}
	slot_index_fini(&index);
	ZSTD_freeDCtx(zstd);
}

static void round_trip(bool encrypted, uint32_t count)
{
	struct store_keys keys = store_keys_of(encrypted);
	struct target *t = memory_target_new();
	struct slot_id id = slot_id_of(1);
	char key[TARGET_KEY_MAX + 1];
	struct tranship_error err;
	unsigned char *bytes;
	size_t len;

	scene_put(t, &keys, &id, count);
	read_slot(t, &keys, &id, count);
	slot_key(&id, key);
	bytes = memory_target_bytes(t, key, &len);
	assert_ok(slot_check(&keys, &id, bytes, len, false, &err), &err);
	assert_ok(slot_check(&keys, &id, bytes, len, true, &err), &err);
	target_close(t);
}

static void test_slot__round_trip(void **state)
{
	(void)state;
	round_trip(false, 1);
	round_trip(false, 40);
	round_trip(true, 1);
	round_trip(true, 40);
}

/* An index that is longer than what is read first. */
static void test_slot__long_index(void **state)
{
	(void)state;
	round_trip(false, 700);
	round_trip(true, 700);
}

static void test_slot_key(void **state)
{
	static const char *const none[] = {
		"slots/02/0102030405060708000000000000000g",
		"slots/03/01020304050607080000000000000002",
		"slots/02/0102030405060708000000000000000A",
		"slots/02/0102030405060708000000000000002",
		"slots/01020304050607080000000000000002",
		"trash/points/01020304050607080000000000000002",
		"trash/02/01020304050607080000000000000002",
		"slots/",
		"",
	};
	struct slot_id id = slot_id_of(2), got;
	char key[TARGET_KEY_MAX + 1];
	size_t i;

	(void)state;
	slot_key(&id, key);
	assert_string_equal(key, "slots/02/01020304050607080000000000000002");
	assert_true(slot_id_of_key(key, &got) && slot_id_equal(&id, &got));
	slot_trash_key(&id, key);
	assert_string_equal(key, "trash/01020304050607080000000000000002");
	memset(&got, 0, sizeof(got));
	assert_true(slot_id_of_key(key, &got) && slot_id_equal(&id, &got));
	for (i = 0; i < COUNT_OF(none); i++)
		assert_false(slot_id_of_key(none[i], &got));
}

/* A slot takes records up to its size, and at least one; and its number of records. */
static void test_slot_builder__is_full(void **state)
{
	struct store_keys keys = store_keys_of(true);
	struct slot_id id = slot_id_of(1);
	const unsigned char *bytes;
	struct slot_entry e = { .raw = 1, .stored = 1, .kind = RECORD_BLOCK };
	static unsigned char big[RECORD_RAW_MAX];
	unsigned char sha256[32];
	struct tranship_error err;
	struct slot_builder *b;
	uint32_t record, n;
	size_t len;

	(void)state;
	assert_ok(slot_builder_new(SLOT_SIZE_MIN, &b, &err), &err);
	slot_builder_begin(b, &id);
	assert_false(slot_builder_is_full(b, SLOT_STORED_MAX));
	e.raw = e.stored = RECORD_RAW_MAX;
	assert_ok(slot_builder_add(b, &e, big, &record, &err), &err);
	assert_true(slot_builder_is_full(b, 1));
	assert_true(slot_builder_size(b) > SLOT_SIZE_MIN);
	assert_ok(slot_builder_seal(b, &keys, &bytes, &len, sha256, &err), &err);
	assert_int_equal(len, slot_builder_size(b));

	slot_builder_begin(b, &id);
	e.raw = e.stored = 1;
	for (n = 0; !slot_builder_is_full(b, 1); n++)
		assert_ok(slot_builder_add(b, &e, "x", &record, &err), &err);
	assert_int_equal(n, slot_builder_count(b));
	assert_in_range(slot_builder_size(b), SLOT_SIZE_MIN - 80, SLOT_SIZE_MIN);
	while (slot_builder_count(b) < SLOT_RECORDS_MAX)
		assert_ok(slot_builder_add(b, &e, "x", &record, &err), &err);
	assert_true(slot_builder_is_full(b, 1));
	assert_fails(slot_builder_add(b, &e, "x", &record, &err), TRANSHIP_ELIMIT, &err, "no room");
	assert_ok(slot_builder_seal(b, &keys, &bytes, &len, sha256, &err), &err);
	slot_builder_free(b);
}

static void test_slot_builder__refuses(void **state)
{
	static const struct {
		struct slot_entry entry;
		const char *piece;
	} rows[] = {
		{ { .raw = 1, .stored = 1 }, "kind" },
		{ { .raw = 1, .stored = 1, .kind = 3 }, "kind" },
		{ { .raw = 1, .stored = 1, .kind = RECORD_PAGE, .codec = 2 }, "codec" },
		{ { .stored = 1, .kind = RECORD_PAGE, .codec = CODEC_ZSTD }, "empty" },
		{ { .raw = RECORD_RAW_MAX + 1, .stored = 1, .kind = RECORD_BLOCK }, "too large" },
		{ { .raw = 5, .kind = RECORD_BLOCK, .codec = CODEC_ZSTD }, "no bytes" },
		{ { .raw = 5, .stored = 500, .kind = RECORD_BLOCK, .codec = CODEC_ZSTD },
		  "too many" },
		{ { .raw = 5, .stored = 4, .kind = RECORD_BLOCK }, "another size" },
	};
	struct store_keys keys = store_keys_of(false);
	struct slot_id id = slot_id_of(1);
	const unsigned char *bytes;
	unsigned char sha256[32];
	struct tranship_error err;
	struct slot_builder *b;
	uint32_t record;
	size_t len, i;

	(void)state;
	assert_fails(slot_builder_new((size_t)SLOT_SIZE_MAX + 1, &b, &err), TRANSHIP_ELIMIT, &err,
		     "allowed are");
	assert_ok(slot_builder_new(SLOT_SIZE_MIN, &b, &err), &err);
	slot_builder_begin(b, &id);
	for (i = 0; i < COUNT_OF(rows); i++)
		assert_fails(slot_builder_add(b, &rows[i].entry, "", &record, &err),
			     TRANSHIP_EINVAL, &err, rows[i].piece);
	assert_fails(slot_builder_seal(b, &keys, &bytes, &len, sha256, &err), TRANSHIP_EINVAL, &err,
		     "empty");
	scene_add(b, &keys, 0);
	assert_ok(slot_builder_seal(b, &keys, &bytes, &len, sha256, &err), &err);
	assert_fails(slot_builder_seal(b, &keys, &bytes, &len, sha256, &err), TRANSHIP_EINVAL, &err,
		     "sealed");
	slot_builder_begin(b, &id);
	scene_add(b, &keys, 0);
	assert_ok(slot_builder_seal(b, &keys, &bytes, &len, sha256, &err), &err);
	slot_builder_free(b);
}

/* The object of records 0 to 2; malloc'ed. */
static unsigned char *sealed_once(const struct store_keys *keys, size_t *len)
{
	struct target *t = memory_target_new();
	struct slot_id id = slot_id_of(1);
	char key[TARGET_KEY_MAX + 1];
	struct tranship_error err;
	unsigned char *bytes;

	scene_put(t, keys, &id, 3);
	slot_key(&id, key);
	assert_ok(target_get_all(t, key, SLOT_OBJECT_MAX, &bytes, len, &err), &err);
	target_close(t);
	return bytes;
}

/* In an encrypted store the same content never looks the same, and cannot be seen. */
static void test_slot_builder__salt(void **state)
{
	unsigned char *a, *b, raw[SCENE_RECORD_MAX];
	size_t len, len_b, raw_len = scene_record(1, raw);
	struct store_keys keys = store_keys_of(true);

	(void)state;
	a = sealed_once(&keys, &len);
	b = sealed_once(&keys, &len_b);
	assert_int_equal(len, len_b);
	assert_memory_not_equal(a + SLOT_OFF_SALT, b + SLOT_OFF_SALT, SEAL_SALT);
	assert_memory_not_equal(a + SLOT_HEAD_SIZE, b + SLOT_HEAD_SIZE, 16);
	assert_null(memmem(a, len, raw, raw_len));
	free(a);
	free(b);
	keys = store_keys_of(false);
	a = sealed_once(&keys, &len);
	b = sealed_once(&keys, &len_b);
	assert_int_equal(len, len_b);
	assert_memory_equal(a, b, len);
	assert_non_null(memmem(a, len, raw, raw_len));
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slot__round_trip),
		cmocka_unit_test(test_slot__long_index),
		cmocka_unit_test(test_slot_key),
		cmocka_unit_test(test_slot_builder__is_full),
		cmocka_unit_test(test_slot_builder__refuses),
		cmocka_unit_test(test_slot_builder__salt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
