// SPDX-License-Identifier: Apache-2.0
/* Manifests between bytes and structs, and what is refused of them. */
#include "support.h"

#include "base/bytes.h"
#include "emit/manifest_ondisk.h"
#include "store_keys.h"

#include <jansson.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of 2023-11-14, with this many slots. */
static struct manifest manifest_of(size_t slots)
{
	struct manifest m = {
		.time_us = INT64_C(1700000000123456),
		.name = "nightly",
		.disk = "vm-7/disk 0",
		.version = "52 de c0 d9/4",
		.predecessor = "20231113T221320000000Z-00112233445566778899aabbccddeeff",
		.source_format = "vmdk",
		.size = UINT64_C(1) << 40,
		.sector_size = 512,
		.root = { 2, { true, { { "slot of the root" }, 77 }, "pin of the root!" } },
		.data = 123,
		.changed = 45,
		.stored = 6,
		.slot_count = slots,
	};
	unsigned char id[OBJECT_ID_SIZE];
	struct tranship_error err;
	size_t i;

	memset(id, 0xAB, sizeof(id));
	assert_ok(manifest_id_format(m.time_us, id, m.id, &err), &err);
	memset(m.predecessor_digest, 0xD1, sizeof(m.predecessor_digest));
	memset(m.seed.bytes, 0x5E, sizeof(m.seed.bytes));
	m.slots = calloc(slots + 1, sizeof(*m.slots));
	assert_non_null(m.slots);
	for (i = 0; i < slots; i++) {
		put_be64(m.slots[i].id.bytes + 8, 3 * i + 1);
		m.slots[i].uses = UINT64_C(1) << (i % 64);
	}
	return m;
}

static void assert_same(const struct manifest *a, const struct manifest *b)
{
	struct manifest x = *a, y = *b;

	x.slots = y.slots = NULL;
	x.slot_count = y.slot_count = 0;
	assert_memory_equal(&x.root.page.at, &y.root.page.at, sizeof(x.root.page.at));
	assert_int_equal(x.root.level, y.root.level);
	assert_int_equal(x.root.page.there, y.root.page.there);
	assert_memory_equal(x.root.page.pin, y.root.page.pin, 16);
	assert_string_equal(x.id, y.id);
	assert_string_equal(x.name, y.name);
	assert_string_equal(x.disk, y.disk);
	assert_string_equal(x.version, y.version);
	assert_string_equal(x.predecessor, y.predecessor);
	assert_string_equal(x.source_format, y.source_format);
	assert_memory_equal(x.predecessor_digest, y.predecessor_digest, 32);
	assert_memory_equal(&x.seed, &y.seed, sizeof(x.seed));
	assert_true(x.time_us == y.time_us && x.size == y.size && x.data == y.data &&
		    x.changed == y.changed && x.stored == y.stored);
	assert_int_equal(x.sector_size, y.sector_size);
}

/* Encoded; malloc'ed. */
static unsigned char *encoded(const struct manifest *m, const struct store_keys *keys, size_t *len)
{
	unsigned char digest[32], hash[32], *bytes;
	struct tranship_error err;

	assert_ok(manifest_encode(m, keys, &bytes, len, digest, &err), &err);
	SHA256(bytes, *len, hash);
	assert_memory_equal(hash, digest, 32);
	return bytes;
}

static void round_trip(bool encrypted, size_t slots)
{
	struct store_keys keys = store_keys_of(encrypted);
	struct manifest m = manifest_of(slots), got;
	struct tranship_error err;
	size_t len, front;
	unsigned char *bytes = encoded(&m, &keys, &len);

	assert_ok(manifest_decode(&keys, m.id, bytes, len, true, &got, &err), &err);
	assert_same(&m, &got);
	assert_int_equal(got.slot_count, slots);
	if (slots > 0)
		assert_memory_equal(got.slots, m.slots, slots * sizeof(*m.slots));
	manifest_free(&got);
	assert_null(got.slots);

	front = MANIFEST_HEAD_SIZE + get_le32(bytes + MANIFEST_OFF_JSON_LEN) + SEAL_TAG;
	assert_true(front <= len && front <= MANIFEST_FRONT_MAX && len <= MANIFEST_SIZE_MAX);
	assert_ok(manifest_decode(&keys, m.id, bytes, front, false, &got, &err), &err);
	assert_same(&m, &got);
	assert_null(got.slots);
	assert_int_equal(got.slot_count, 0);
	manifest_free(&got);
	assert_fails(manifest_decode(&keys, m.id, bytes, front - 1, false, &got, &err),
		     TRANSHIP_ECORRUPT, &err, "by its head");
	free(bytes);
	manifest_free(&m);
}

static void test_manifest__round_trip(void **state)
{
	static const size_t slots[] = { 0, 1, MANIFEST_PART_SLOTS, MANIFEST_PART_SLOTS + 1, 5000 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(slots); i++) {
		round_trip(false, slots[i]);
		round_trip(true, slots[i]);
	}
}

static void test_manifest__of_zeros_and_first(void **state)
{
	struct store_keys keys = store_keys_of(true);
	struct manifest m = manifest_of(0), got;
	struct tranship_error err;
	unsigned char *bytes;
	size_t len;

	(void)state;
	m.predecessor[0] = '\0';
	memset(m.predecessor_digest, 0, 32);
	memset(&m.root.page, 0, sizeof(m.root.page));
	m.version[0] = m.source_format[0] = '\0';
	bytes = encoded(&m, &keys, &len);
	assert_ok(manifest_decode(&keys, m.id, bytes, len, true, &got, &err), &err);
	assert_same(&m, &got);
	manifest_free(&got);
	free(bytes);
	manifest_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manifest__round_trip),
		cmocka_unit_test(test_manifest__of_zeros_and_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
