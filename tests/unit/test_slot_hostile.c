// SPDX-License-Identifier: Apache-2.0
/*
 * Slots with one field that is wrong, every seal, hash and check over it made right again, so that
 * it is the field itself that is refused; and slots with each bit flipped, and cut at each length.
 */
#include "support.h"

#include "base/bytes.h"
#include "emit/slot_ondisk.h"
#include "memory_target.h"
#include "slot_image.h"

#include <stdlib.h>
#include <string.h>

/* A plain one and an encrypted one. */
static struct store_keys keys[2];
static struct buffer good[2];

static int make_good(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 2; i++)
		if (slot_image_keys(i == 1, &keys[i], NULL) || slot_image(&keys[i], &good[i], NULL))
			return -1;
	return 0;
}

static int free_good(void **state)
{
	(void)state;
	buffer_free(&good[0]);
	buffer_free(&good[1]);
	return 0;
}

/* Reads all records through a target, and compares them. The first code. */
static int read_all(const struct store_keys *k, const void *bytes, size_t len,
		    struct tranship_error *err)
{
	static unsigned char want[SLOT_IMAGE_RAW_MAX];
	struct record_ref ref = { slot_image_id(), 0 };
	struct target *t = memory_target_new();
	struct slots_scratch *scratch = NULL;
	char key[TARGET_KEY_MAX + 1];
	struct slots *slots = NULL;
	const unsigned char *raw;
	size_t got;
	int rc;

	slot_key(&ref.slot, key);
	rc = target_put(t, key, bytes, len, NULL, err);
	if (rc == 0)
		rc = slots_new(t, k, &slots, err);
	if (rc == 0)
		rc = slots_scratch_new(&scratch, err);
	for (; rc == 0 && ref.record < SLOT_IMAGE_RECORDS; ref.record++) {
		rc = slots_read(slots, scratch, &ref, &raw, &got, err);
		if (rc == 0) {
			assert_int_equal(got, slot_image_record(ref.record, want));
			assert_memory_equal(raw, want, got);
		}
	}
	slots_scratch_free(scratch);
	slots_free(slots);
	target_close(t);
	return rc;
}

/* On a copy of exactly this size, so that a sanitizer sees what is read beyond. */
static int check(const struct store_keys *k, const void *bytes, size_t len, bool deep,
		 struct tranship_error *err)
{
	struct slot_id id = slot_image_id();
	unsigned char *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	rc = slot_check(k, &id, copy, len, deep, err);
	free(copy);
	return rc;
}

/* Where an offset counts from. */
enum place { HEAD, END, INDEX, RECORDS };

#define BAD TRANSHIP_ECORRUPT
#define NOT_OURS TRANSHIP_EUNSUPPORTED
#define ENTRY(n, field) ((n)*SLOT_ENTRY_SIZE + (field))
#define PLAIN 1
#define ENCRYPTED 2
#define BOTH 3

static const struct row {
	const char *what;
	enum place place;
	size_t off, width;
	uint64_t value;
	int stores;
	int code;
	const char *piece;
} rows[] = {
	{ "magic", HEAD, 7, 1, '2', BOTH, BAD, "does not begin as a slot does" },
	{ "a later version", HEAD, 8, 4, 2, BOTH, NOT_OURS, "version 2, known is 1" },
	{ "a flag", HEAD, 12, 4, 2, BOTH, NOT_OURS, "flags 0x2" },
	{ "encrypted", HEAD, 12, 4, 1, PLAIN, BAD, "it is encrypted, the store is not" },
	{ "not encrypted", HEAD, 12, 4, 0, ENCRYPTED, BAD, "it is not encrypted, the store is" },
	{ "another store", HEAD, 31, 1, 0, BOTH, BAD, "belongs to another store" },
	{ "another slot", HEAD, 47, 1, 8, BOTH, BAD, "another slot stands in its place" },
	{ "a salt", HEAD, 48, 1, 1, PLAIN, BAD, "must be zero" },
	{ "padding of the head", HEAD, 95, 1, 1, BOTH, BAD, "must be zero" },
	{ "magic of the end", END, 7, 1, '2', BOTH, BAD, "does not end as a slot does" },
	{ "no records", END, 8, 4, 0, BOTH, BAD, "has 0 records" },
	{ "fewer records", END, 8, 4, 3, BOTH, BAD, "3 records need 144" },
	{ "too many records", END, 8, 4, SLOT_RECORDS_MAX + 1, BOTH, BAD, "has 16385 records" },
	{ "records that wrap", END, 8, 4, 0x05555559, BOTH, BAD, "records, allowed are" },
	{ "a longer index", END, 12, 4, 193, BOTH, BAD, "has 193 bytes" },
	{ "an index elsewhere", END, 16, 8, 96, BOTH, BAD, "is not what ends" },
	{ "an index in the head", END, 16, 8, 95, BOTH, BAD, "is not what ends" },
	{ "an index far off", END, 16, 8, UINT64_MAX, BOTH, BAD, "is not what ends" },
	{ "padding of the end", END, 56, 1, 1, BOTH, BAD, "trailer is damaged" },
	{ "a name", INDEX, ENTRY(0, 0), 1, 0xA5, BOTH, BAD, "content is not what its name says" },
	{ "offset", INDEX, ENTRY(0, 32), 4, 95, BOTH, BAD, "record 0 is said to be" },
	{ "a gap", INDEX, ENTRY(1, 32), 4, 4000, BOTH, BAD, "record 1 is said to be" },
	{ "no bytes", INDEX, ENTRY(0, 36), 4, 0, BOTH, BAD, "takes no bytes or too many" },
	{ "too many bytes", INDEX, ENTRY(0, 36), 4, 6000, BOTH, BAD, "no bytes or too many" },
	{ "bytes that wrap", INDEX, ENTRY(0, 36), 4, UINT32_MAX, BOTH, BAD, "too many" },
	{ "more bytes", INDEX, ENTRY(2, 36), 4, 4000, BOTH, BAD, "end before" },
	{ "the last a bit more", INDEX, ENTRY(3, 40), 4, 3, BOTH, BAD, "has another size" },
	{ "the last a bit less", INDEX, ENTRY(3, 36), 8, 0x100000001, BOTH, BAD,
	  "its records end at" },
	{ "no content", INDEX, ENTRY(0, 40), 4, 0, BOTH, BAD, "empty or too large" },
	{ "too much content", INDEX, ENTRY(0, 40), 4, RECORD_RAW_MAX + 1, BOTH, BAD, "too large" },
	{ "less content", INDEX, ENTRY(0, 40), 4, 4999, BOTH, BAD, "cannot be unpacked" },
	{ "more content", INDEX, ENTRY(0, 40), 4, 5001, BOTH, BAD, "to fewer bytes" },
	{ "no kind", INDEX, ENTRY(2, 44), 1, 0, BOTH, BAD, "kind is not known" },
	{ "another kind", INDEX, ENTRY(2, 44), 1, 3, BOTH, BAD, "kind is not known" },
	{ "another codec", INDEX, ENTRY(2, 45), 1, 2, BOTH, BAD, "codec is not known" },
	{ "the wrong codec", INDEX, ENTRY(1, 45), 1, 1, BOTH, BAD, "cannot be unpacked" },
	{ "padding of an entry", INDEX, ENTRY(3, 47), 1, 1, BOTH, BAD, "must be zero" },
	{ "a packed record", RECORDS, 1, 1, 0xEE, PLAIN, BAD, "record 0 is damaged" },
	{ "a record", RECORDS, 0, 1, 0xEE, ENCRYPTED, BAD, "record 0 is damaged: its seal" },
};

static void put_le(unsigned char *to, uint64_t value, size_t width)
{
	for (; width > 0; width--, value >>= 8)
		*to++ = (unsigned char)value;
}

static void refuse_row(const struct row *row, int which)
{
	size_t len = good[which].len;
	unsigned char *bytes = malloc(len), *end, *at;
	struct tranship_error err;
	uint64_t index;
	int rc;

	assert_non_null(bytes);
	memcpy(bytes, good[which].bytes, len);
	end = bytes + len - SLOT_TRAILER_SIZE;
	index = get_le64(end + SLOT_END_OFF_INDEX_OFF);
	slot_image_open(&keys[which], bytes, len);
	at = row->place == HEAD    ? bytes
	     : row->place == END   ? end
	     : row->place == INDEX ? bytes + index
				   : bytes + SLOT_HEAD_SIZE;
	put_le(at + row->off, row->value, row->width);
	slot_image_close(&keys[which], bytes, len);
	rc = check(&keys[which], bytes, len, true, &err);
	if (rc != row->code || !strstr(err.message, row->piece))
		fail_msg("%s (%d): %d \"%s\"", row->what, which, rc, rc ? err.message : "");
	rc = read_all(&keys[which], bytes, len, &err);
	if (rc != row->code || !strstr(err.message, row->piece))
		fail_msg("%s (%d), read: %d \"%s\"", row->what, which, rc, rc ? err.message : "");
	free(bytes);
}

static void test_slot__one_field_is_wrong(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		if (rows[i].stores & PLAIN)
			refuse_row(&rows[i], 0);
		if (rows[i].stores & ENCRYPTED)
			refuse_row(&rows[i], 1);
	}
}

/* What the rows do to it leaves it good if nothing is changed. */
static void test_slot_image__is_good(void **state)
{
	struct tranship_error err;
	int which;

	(void)state;
	for (which = 0; which < 2; which++) {
		slot_image_open(&keys[which], good[which].bytes, good[which].len);
		slot_image_close(&keys[which], good[which].bytes, good[which].len);
		assert_ok(check(&keys[which], good[which].bytes, good[which].len, true, &err),
			  &err);
		assert_ok(read_all(&keys[which], good[which].bytes, good[which].len, &err), &err);
	}
}

/* A check of the whole finds every bit. A read does not look at all of them; what it gives back is
 * right. */
static void test_slot__flipped_bits(void **state)
{
	struct tranship_error err;
	int which, code;
	size_t bit;

	(void)state;
	for (which = 0; which < 2; which++)
		for (bit = 0; bit < 8 * good[which].len; bit++) {
			unsigned char *byte = good[which].bytes + bit / 8;

			*byte ^= (unsigned char)(1 << bit % 8);
			code = check(&keys[which], good[which].bytes, good[which].len, false, &err);
			assert_true(code == BAD || code == NOT_OURS);
			code = read_all(&keys[which], good[which].bytes, good[which].len, &err);
			assert_true(code == 0 || code == BAD || code == NOT_OURS);
			*byte ^= (unsigned char)(1 << bit % 8);
		}
}

static void test_slot__cut_short(void **state)
{
	struct tranship_error err;
	int which;
	size_t len;

	(void)state;
	for (which = 0; which < 2; which++)
		for (len = 0; len < good[which].len; len++) {
			assert_int_equal(check(&keys[which], good[which].bytes, len, false, &err),
					 BAD);
			assert_int_equal(read_all(&keys[which], good[which].bytes, len, &err), BAD);
			assert_int_equal(
				check(&keys[which], good[which].bytes + 1, len, false, &err), BAD);
		}
}

/* Two records of one size in each other's place: the seals know. */
static void test_slot__swapped_records(void **state)
{
	struct slot_entry e = { .raw = 64, .stored = 64, .kind = RECORD_BLOCK };
	unsigned char raw[64], swapped[64 + SEAL_TAG], sha256[32], *copy;
	struct slot_id id = slot_image_id();
	const unsigned char *bytes;
	struct tranship_error err;
	struct slot_builder *b;
	uint32_t n, record;
	size_t len;

	(void)state;
	assert_ok(slot_builder_new(SLOT_SIZE_MIN, &b, &err), &err);
	slot_builder_begin(b, &id);
	for (n = 0; n < 2; n++) {
		memset(raw, 'a' + (int)n, sizeof(raw));
		assert_ok(name_of(&keys[1], raw, sizeof(raw), e.name, &err), &err);
		assert_ok(slot_builder_add(b, &e, raw, &record, &err), &err);
	}
	assert_ok(slot_builder_seal(b, &keys[1], &bytes, &len, sha256, &err), &err);
	copy = malloc(len);
	assert_non_null(copy);
	memcpy(copy, bytes, len);
	memcpy(swapped, copy + SLOT_HEAD_SIZE, sizeof(swapped));
	memmove(copy + SLOT_HEAD_SIZE, copy + SLOT_HEAD_SIZE + sizeof(swapped), sizeof(swapped));
	memcpy(copy + SLOT_HEAD_SIZE + sizeof(swapped), swapped, sizeof(swapped));
	slot_image_open(&keys[1], copy, len);
	slot_image_close(&keys[1], copy, len);
	assert_fails(slot_check(&keys[1], &id, copy, len, true, &err), BAD, &err,
		     "record 0 is damaged: its seal is broken");
	free(copy);
	slot_builder_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slot_image__is_good),
		cmocka_unit_test(test_slot__one_field_is_wrong),
		cmocka_unit_test(test_slot__flipped_bits),
		cmocka_unit_test(test_slot__cut_short),
		cmocka_unit_test(test_slot__swapped_records),
	};

	return cmocka_run_group_tests(tests, make_good, free_good);
}
