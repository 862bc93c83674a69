// SPDX-License-Identifier: Apache-2.0
/* Slots as they are built, and read again from a target. */
#include "support.h"

#include "emit/slot.h"
#include "memory_target.h"
#include "store_keys.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static struct slot_id id_of(unsigned char n)
{
	struct slot_id id = { { 1, 2, 3, 4, 5, 6, 7, 8 } };

	id.bytes[OBJECT_ID_SIZE - 1] = n;
	return id;
}

/* Content of record n: text that compresses, or not. */
static size_t content_of_record(uint32_t n, unsigned char *raw)
{
	size_t len = 1 + (size_t)n * 977 % 70000;
	struct rng rng = { n + 1 };

	if (n % 2)
		rng_fill(&rng, raw, len);
	else
		memset(raw, 'a' + (int)(n % 26), len);
	return len;
}

static void add_record(struct slot_builder *b, const struct store_keys *keys, uint32_t n)
{
	static unsigned char raw[RECORD_RAW_MAX], packed[RECORD_RAW_MAX * 2];
	struct slot_entry e = { .kind = n % 3 ? RECORD_BLOCK : RECORD_PAGE };
	struct tranship_error err;
	const void *stored = raw;
	uint32_t record;

	e.raw = e.stored = (uint32_t)content_of_record(n, raw);
	if (n % 2 == 0) {
		e.codec = CODEC_ZSTD;
		e.stored = (uint32_t)ZSTD_compress(packed, sizeof(packed), raw, e.raw, 1);
		stored = packed;
	}
	assert_ok(name_of(keys, raw, e.raw, e.name, &err), &err);
	assert_ok(slot_builder_add(b, &e, stored, &record, &err), &err);
	assert_int_equal(record, n);
}

/* Puts a slot of `count` records. */
static void put_slot(struct target *t, const struct store_keys *keys, struct slot_builder *b,
		     const struct slot_id *id, uint32_t count)
{
	unsigned char sha256[32], hash[32];
	char key[TARGET_KEY_MAX + 1];
	const unsigned char *bytes;
	struct tranship_error err;
	uint32_t n;
	size_t len;

	slot_builder_begin(b, id);
	for (n = 0; n < count; n++)
		add_record(b, keys, n);
	assert_ok(slot_builder_seal(b, keys, &bytes, &len, sha256, &err), &err);
	SHA256(bytes, len, hash);
	assert_memory_equal(hash, sha256, 32);
	slot_key(id, key);
	assert_ok(target_put(t, key, bytes, len, sha256, &err), &err);
}

static void read_slot(struct target *t, const struct store_keys *keys, const struct slot_id *id,
		      uint32_t count)
{
	static unsigned char raw[RECORD_RAW_MAX], want[RECORD_RAW_MAX], stored[RECORD_RAW_MAX * 2];
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

		assert_int_equal(e->raw, content_of_record(n, want));
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
	struct slot_id first = id_of(1), second = id_of(2);
	char key[TARGET_KEY_MAX + 1];
	struct tranship_error err;
	struct slot_builder *b;
	unsigned char *bytes;
	size_t len;

	assert_ok(slot_builder_new(SLOT_SIZE_DEFAULT, &b, &err), &err);
	put_slot(t, &keys, b, &first, count);
	put_slot(t, &keys, b, &second, 1); /* the builder serves again */
	read_slot(t, &keys, &first, count);
	read_slot(t, &keys, &second, 1);
	slot_key(&first, key);
	bytes = memory_target_bytes(t, key, &len);
	assert_ok(slot_check(&keys, &first, bytes, len, true, &err), &err);
	slot_builder_free(b);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slot__round_trip),
		cmocka_unit_test(test_slot__long_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
