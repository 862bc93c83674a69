// SPDX-License-Identifier: Apache-2.0
/* Manifests between bytes and structs, and what is refused of them. */
#include "support.h"

#include "base/bytes.h"
#include "emit/manifest_ondisk.h"
#include "heap.h"
#include "manifest_image.h"
#include "store_keys.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

static struct manifest manifest_of(size_t slots)
{
	struct tranship_error err;
	struct manifest m;

	assert_ok(manifest_image(slots, &m, &err), &err);
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

static void test_manifest_id(void **state)
{
	static const struct {
		int64_t time;
		const char *text;
	} times[] = {
		{ 0, "19700101T000000000000Z" },
		{ 1, "19700101T000000000001Z" },
		{ INT64_C(1700000000123456), "20231114T221320123456Z" },
		{ INT64_C(1709251199999999), "20240229T235959999999Z" },
		{ INT64_C(253402300799999999), "99991231T235959999999Z" },
	};
	static const char *const none[] = {
		"",
		"20231114T221320123456Z",
		"20231114T221320123456Z-000102030405060708090a0b0c0d0e0",
		"20231114T221320123456Z-000102030405060708090a0b0c0d0e0ff",
		"20231114T221320123456Z-000102030405060708090A0b0c0d0e0f",
		"20231114t221320123456Z-000102030405060708090a0b0c0d0e0f",
		"2023111 T221320123456Z-000102030405060708090a0b0c0d0e0f",
		"20231114T221320123456Z/000102030405060708090a0b0c0d0e0f",
	};
	static const char digits[] = "-000102030405060708090a0b0c0d0e0f";
	unsigned char bytes[OBJECT_ID_SIZE], got[OBJECT_ID_SIZE];
	char id[POINT_ID_TEXT], key[TARGET_KEY_MAX + 1];
	struct tranship_error err;
	unsigned char i;

	(void)state;
	for (i = 0; i < OBJECT_ID_SIZE; i++)
		bytes[i] = i;
	for (i = 0; i < COUNT_OF(times); i++) {
		assert_ok(manifest_id_format(times[i].time, bytes, id, &err), &err);
		assert_memory_equal(id, times[i].text, strlen(times[i].text));
		assert_string_equal(id + strlen(times[i].text), digits);
		assert_true(manifest_id_parse(id, got) && manifest_id_parse(id, NULL));
		assert_memory_equal(got, bytes, sizeof(bytes));
	}
	manifest_key(id, key);
	assert_string_equal(key, "points/99991231T235959999999Z-000102030405060708090a0b0c0d0e0f");
	manifest_trash_key(id, key);
	assert_string_equal(key,
			    "trash/points/99991231T235959999999Z-000102030405060708090a0b0c0d0e0f");
	for (i = 0; i < COUNT_OF(none); i++)
		assert_false(manifest_id_parse(none[i], got));
	assert_fails(manifest_id_format(-1, bytes, id, &err), TRANSHIP_EINVAL, &err, "time -1");
	assert_fails(manifest_id_format(INT64_C(253402300800000000), bytes, id, &err),
		     TRANSHIP_EINVAL, &err, "1970 to 9999");
}

#define BAD TRANSHIP_ECORRUPT
#define NOT_OURS TRANSHIP_EUNSUPPORTED
#define FROM_0 "not a number from 0 on"

/* What stands in the text, what comes in its place, and what is said of it. */
static const struct text_row {
	const char *old, *new;
	int code;
	const char *piece;
} text_rows[] = {
	{ "{", "[", BAD, "JSON text is none of an object" },
	{ ",\"slots\":3}", "", BAD, "JSON text is none" },
	{ "\"data\":123", "\"data\":123,\"data\":123", BAD, "JSON text is none" },
	{ "\"data\":123", "\"later\":[{\"a\":null}],\"data\":123", 0, "" },
	{ "\"version\":1", "\"version\":2", NOT_OURS, "version 2, known is 1" },
	{ "\"version\":1", "\"version\":\"1\"", BAD, "'version' is " FROM_0 },
	{ "\"version\":1", "\"v\":1", BAD, "'version' is " FROM_0 },
	{ "\"name\":\"nightly\"", "\"name\":1", BAD, "'name' is not a line" },
	{ "\"name\":\"nightly\"", "\"n\":\"nightly\"", BAD, "'name' is not a line" },
	{ "nightly", "", BAD, "'name' is no line" },
	{ "nightly", "night\\nly", BAD, "'name' is no line" },
	{ "nightly", "night\\u0000ly", BAD, "JSON text is none" },
	{ "nightly", "night\xff", BAD, "JSON text is none" },
	{ "vm-7/disk 0", "", BAD, "'disk' is no line" },
	{ "\"disk_version\":", "\"dv\":", BAD, "'disk_version' is not" },
	{ "\"vmdk\"", "\"a format that is long\"", BAD, "'source_format' is not" },
	{ "\"id\":\"20231114T", "\"id\":\"20231115T", BAD, "'id' is none of its 'time'" },
	{ "abab\",", "abac\",", BAD, "it is the point 20231114T221320123456Z-abab" },
	{ "\"time\":1700000000123456", "\"time\":1700000000123457", BAD, "none of its 'time'" },
	{ "\"time\":1700000000123456", "\"time\":-1", BAD, "'time' is " FROM_0 },
	{ "\"time\":1700000000123456", "\"time\":9223372036854775807", BAD, "of its 'time'" },
	{ "20231113T221320000000Z-0", "20231113T221320000000Z-g", BAD, "is no id of a point" },
	{ "20231113T221320000000Z", "20231114T221320123456Z", BAD, "'predecessor' is not earlier" },
	{ "\"predecessor_digest\":\"d1", "\"predecessor_digest\":\"d", BAD, "64 hexadecimal" },
	{ "\"predecessor_digest\"", "\"pd\"", BAD, "'predecessor_digest' is not 64" },
	{ "\"size\":1099511627776", "\"size\":-1", BAD, "'size' is " FROM_0 },
	{ "\"size\":1099511627776", "\"size\":1e3", BAD, "'size' is " FROM_0 },
	{ "\"size\":1099511627776", "\"size\":9223372036854775808", BAD, "JSON text is none" },
	{ "\"sector_size\":512", "\"sector_size\":513", BAD, "'sector_size' is not 512 or 4096" },
	{ "\"sector_size\":512", "\"sector_size\":4294967808", BAD, "number of 32 bits" },
	{ "\"seed\":\"5e", "\"seed\":\"5E", BAD, "'seed' is not 64 hexadecimal digits" },
	{ "\"seed\":\"5e", "\"seed\":\"005e", BAD, "'seed' is not 64 hexadecimal digits" },
	{ "\"root\":{", "\"root\":1,\"r\":{", BAD, "'root' is not an object" },
	{ "\"level\":2", "\"level\":5", BAD, "'level' is 5, the most is 4" },
	{ "\"level\":2", "\"l\":2", BAD, "'level' is " FROM_0 },
	{ "\"slot\":\"", "\"slot\":\"00", BAD, "'slot' is not 32 hexadecimal digits" },
	{ "\"slot\":\"", "\"s\":\"", 0, "" }, /* no page: nothing but zeros */
	{ "\"record\":77", "\"record\":16384", BAD, "'record' is 16384, the most is 16383" },
	{ "\"record\":77", "\"record\":null", BAD, "'record' is " FROM_0 },
	{ "\"pin\":\"", "\"pin\":\"0", BAD, "'pin' is not 32 hexadecimal digits" },
	{ "\"stored\":6", "\"stored\":true", BAD, "'stored' is " FROM_0 },
	{ "\"slots\":3", "\"slots\":4", BAD, "its head says 3 slots, its text 4" },
};

/* The object with another text in it, sealed; malloc'ed. Takes over bytes. */
static unsigned char *with_text(const struct store_keys *keys, unsigned char *bytes, size_t *len,
				const struct text_row *row)
{
	size_t json_len = get_le32(bytes + MANIFEST_OFF_JSON_LEN);
	size_t old_len = strlen(row->old), new_len = strlen(row->new);
	size_t before, changed = *len - old_len + new_len;
	unsigned char *at, *out = malloc(changed);

	assert_non_null(out);
	manifest_image_open(keys, bytes, *len);
	at = memmem(bytes + MANIFEST_HEAD_SIZE, json_len, row->old, old_len);
	if (!at)
		fail_msg("there is no %s", row->old);
	before = (size_t)(at - bytes);
	memcpy(out, bytes, before);
	memcpy(out + before, row->new, new_len);
	memcpy(out + before + new_len, at + old_len, *len - before - old_len);
	put_le32(out + MANIFEST_OFF_JSON_LEN, (uint32_t)(json_len - old_len + new_len));
	manifest_image_close(keys, out, changed);
	free(bytes);
	*len = changed;
	return out;
}

static void test_manifest__texts_that_are_wrong(void **state)
{
	struct manifest m = manifest_of(3), got;
	struct tranship_error err = { 0 };
	size_t i, len;
	int rc;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(text_rows); i++) {
		const struct text_row *row = &text_rows[i / 2];
		struct store_keys keys = store_keys_of(i % 2);
		unsigned char *bytes = encoded(&m, &keys, &len);

		bytes = with_text(&keys, bytes, &len, row);
		rc = manifest_decode(&keys, m.id, bytes, len, i % 2, &got, &err);
		if (rc != row->code || (rc && !strstr(err.message, row->piece)))
			fail_msg("%s: %d \"%s\"", row->new, rc, err.message);
		assert_true(rc == 0 || (got.id[0] == '\0' && !got.slots));
		manifest_free(&got);
		free(bytes);
	}
	manifest_free(&m);
}

static const struct byte_row {
	const char *what;
	size_t off, width;
	bool in_list; /* off counts from the list's begin */
	uint64_t value;
	int code;
	const char *piece;
} byte_rows[] = {
	{ "magic", 7, 1, false, '2', BAD, "does not begin as one does" },
	{ "version", 8, 4, false, 2, NOT_OURS, "version 2, known is 1" },
	{ "flags", 12, 4, false, 2, NOT_OURS, "flags 0x2" },
	{ "store", 16, 1, false, 1, BAD, "belongs to another store" },
	{ "point", 32, 1, false, 1, BAD, "another point's manifest stands in its place" },
	{ "padding", 95, 1, false, 1, BAD, "must be zero" },
	{ "no text", 80, 4, false, 0, BAD, "a text of 0 bytes" },
	{ "a long text", 80, 4, false, MANIFEST_JSON_MAX + 1, BAD, "a text of 65537 bytes" },
	{ "a longer text", 80, 4, false, 1000, BAD, "by its head it has" },
	{ "many slots", 84, 4, false, MANIFEST_SLOTS_MAX + 1, BAD, "67108865 slots" },
	{ "a slot more", 84, 4, false, 4, BAD, "by its head it has" },
	{ "a slot less", 84, 4, false, 2, BAD, "by its head it has" },
	{ "an unused slot", 16, 8, true, 0, BAD, "number 0 of its list, is not used" },
	{ "a slot twice", 24 + 15, 1, true, 1, BAD, "number 1 of its list, does not stand behind" },
	{ "slots in disorder", 48 + 15, 1, true, 3, BAD, "number 2 of its list" },
};

static void test_manifest__bytes_that_are_wrong(void **state)
{
	struct manifest m = manifest_of(3), got;
	struct tranship_error err = { 0 };
	size_t i, len, j;
	int rc;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(byte_rows); i++) {
		const struct byte_row *row = &byte_rows[i / 2];
		struct store_keys keys = store_keys_of(i % 2);
		unsigned char *bytes = encoded(&m, &keys, &len), *at = bytes + row->off;

		manifest_image_open(&keys, bytes, len);
		if (row->in_list)
			at += MANIFEST_HEAD_SIZE + get_le32(bytes + MANIFEST_OFF_JSON_LEN) +
			      SEAL_TAG;
		for (j = 0; j < row->width; j++)
			at[j] = (unsigned char)(row->value >> 8 * j);
		manifest_image_close(&keys, bytes, len);
		rc = manifest_decode(&keys, m.id, bytes, len, true, &got, &err);
		if (rc != row->code || !strstr(err.message, row->piece))
			fail_msg("%s: %d \"%s\"", row->what, rc, rc ? err.message : "");
		assert_true(got.id[0] == '\0' && !got.slots);
		free(bytes);
	}
	manifest_free(&m);
}

/* Each bit flipped, each length, and in another's place: nothing is taken. */
static void test_manifest__damaged(void **state)
{
	struct manifest m = manifest_of(3), got;
	struct tranship_error err;
	size_t i, len;
	int which, rc;

	(void)state;
	for (which = 0; which < 2; which++) {
		struct store_keys keys = store_keys_of(which);
		unsigned char *bytes = encoded(&m, &keys, &len);

		for (i = 0; i < 8 * len; i++) {
			bytes[i / 8] ^= (unsigned char)(1 << i % 8);
			rc = manifest_decode(&keys, m.id, bytes, len, true, &got, &err);
			assert_true(rc == BAD || rc == NOT_OURS);
			bytes[i / 8] ^= (unsigned char)(1 << i % 8);
		}
		for (i = 0; i < len; i++) {
			unsigned char *copy = malloc(i + 1);

			assert_non_null(copy);
			memcpy(copy, bytes, i);
			copy = realloc(copy, i ? i : 1);
			assert_int_equal(manifest_decode(&keys, m.id, copy, i, true, &got, &err),
					 BAD);
			free(copy);
		}
		free(bytes);
	}
	manifest_free(&m);
}

/* Under another id, even one of the same digits, and with parts in each other's place. */
static void test_manifest__in_anothers_place(void **state)
{
	size_t slots = 2 * MANIFEST_PART_SLOTS, len, at;
	size_t part = MANIFEST_PART_SLOTS * MANIFEST_SLOT_SIZE + SEAL_TAG;
	struct manifest m = manifest_of(slots), got;
	unsigned char *swap = malloc(part);
	struct tranship_error err;
	char other[POINT_ID_TEXT];
	int which;

	(void)state;
	assert_non_null(swap);
	memcpy(other, m.id, sizeof(other));
	other[0] = '3';
	for (which = 0; which < 2; which++) {
		struct store_keys keys = store_keys_of(which);
		unsigned char *bytes = encoded(&m, &keys, &len);

		assert_fails(manifest_decode(&keys, other, bytes, len, true, &got, &err), BAD, &err,
			     "it is the point 2023");
		assert_fails(manifest_decode(&keys, "../x\n", bytes, len, true, &got, &err), BAD,
			     &err, "point '../x\\x0a': that is no id");
		at = len - 2 * part;
		memcpy(swap, bytes + at, part);
		memcpy(bytes + at, bytes + at + part, part);
		memcpy(bytes + at + part, swap, part);
		assert_fails(manifest_decode(&keys, m.id, bytes, len, true, &got, &err), BAD, &err,
			     "part 1 of its manifest is damaged");
		/* The list cut by one part, and its count with it: the text knows. */
		memcpy(swap, bytes + at, part);
		memcpy(bytes + at, bytes + at + part, part);
		put_le32(bytes + MANIFEST_OFF_SLOTS, MANIFEST_PART_SLOTS);
		assert_fails(manifest_decode(&keys, m.id, bytes, len - part, true, &got, &err), BAD,
			     &err, "its head says 2048 slots, its text 4096");
		free(bytes);
	}
	free(swap);
	manifest_free(&m);
}

/* In an encrypted store the same manifest never looks the same, and cannot be seen. */
static void test_manifest_encode__salt(void **state)
{
	struct manifest m = manifest_of(5);
	struct store_keys keys = store_keys_of(true);
	size_t len, len_b;
	unsigned char *a = encoded(&m, &keys, &len), *b = encoded(&m, &keys, &len_b);

	(void)state;
	assert_int_equal(len, len_b);
	assert_memory_not_equal(a + MANIFEST_OFF_SALT, b + MANIFEST_OFF_SALT, SEAL_SALT);
	assert_memory_not_equal(a + MANIFEST_HEAD_SIZE, b + MANIFEST_HEAD_SIZE, 16);
	assert_null(memmem(a, len, m.name, strlen(m.name)));
	free(a);
	free(b);
	manifest_free(&m);
}

/* What could not be read again is not written. */
static void test_manifest_encode__refuses(void **state)
{
	struct store_keys keys = store_keys_of(false);
	struct manifest m = manifest_of(2), bad;
	unsigned char *bytes, digest[32];
	struct tranship_error err;
	size_t len;

	(void)state;
#define REFUSES(change, piece)                                                         \
	do {                                                                           \
		bad = m;                                                               \
		change;                                                                \
		assert_fails(manifest_encode(&bad, &keys, &bytes, &len, digest, &err), \
			     TRANSHIP_EINVAL, &err, piece);                            \
		assert_null(bytes);                                                    \
	} while (0)
	REFUSES(bad.id[0] = '\0', "'id' is no line");
	REFUSES(bad.id[0] = '1', "'id' is none of its 'time'");
	REFUSES(bad.time_us = -1, "'id' is none of its 'time'");
	REFUSES(bad.name[0] = '\n', "'name' is no line");
	REFUSES(bad.disk[0] = '\0', "'disk' is no line");
	REFUSES(memset(bad.version, 'x', sizeof(bad.version)), "'disk_version' is no line");
	REFUSES(memset(bad.source_format, 'x', 16), "'source_format' is no line");
	REFUSES(bad.predecessor[3] = '4', "'predecessor' is not earlier");
	REFUSES(bad.size = UINT64_C(1) << 63, "'size' is 9223372036854775808");
	REFUSES(bad.stored = UINT64_MAX, "'stored' is");
	REFUSES(bad.sector_size = 0, "'sector_size'");
	REFUSES(bad.root.level = TABLE_LEVELS_MAX, "'level' is 5");
	REFUSES(bad.root.page.at.record = SLOT_RECORDS_MAX, "'record' is 16384");
	m.slots[1].uses = 0;
	REFUSES((void)0, "number 1 of its list, is not used");
	m.slots[1] = m.slots[0];
	REFUSES((void)0, "does not stand behind");
	manifest_free(&m);
}

/* Whichever allocation fails: a code that says so, and nothing is kept. */
static void test_manifest__no_memory(void **state)
{
	struct manifest m = manifest_of(3000), got;
	unsigned char *bytes, digest[32];
	int encrypted, rc;
	size_t len;

	(void)state;
	for (encrypted = 0; encrypted < 2; encrypted++) {
		struct store_keys keys = store_keys_of(encrypted);
		struct heap_seen seen = { .failed = true };
		struct tranship_error err;
		unsigned long nth;

		for (nth = 1; HEAP_WATCHED && seen.failed; nth++) {
			heap_watch(nth, false);
			rc = manifest_encode(&m, &keys, &bytes, &len, digest, &err);
			if (rc == 0)
				rc = manifest_decode(&keys, m.id, bytes, len, true, &got, &err);
			if (rc == 0)
				manifest_free(&got);
			free(bytes);
			seen = heap_unwatch();
			if (rc != 0 && rc != TRANSHIP_ENOMEM)
				fail_msg("allocation %lu: %d \"%s\"", nth, rc, err.message);
			assert_int_equal(seen.held, 0);
		}
	}
	manifest_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manifest__round_trip),
		cmocka_unit_test(test_manifest__of_zeros_and_first),
		cmocka_unit_test(test_manifest_id),
		cmocka_unit_test(test_manifest__texts_that_are_wrong),
		cmocka_unit_test(test_manifest__bytes_that_are_wrong),
		cmocka_unit_test(test_manifest__damaged),
		cmocka_unit_test(test_manifest__in_anothers_place),
		cmocka_unit_test(test_manifest__no_memory),
		cmocka_unit_test(test_manifest_encode__salt),
		cmocka_unit_test(test_manifest_encode__refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
