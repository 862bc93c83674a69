// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a slot of the store of slot_image.h, plain or (by its head's flag) encrypted all but
 * its index. It is read as it is, and with index, hash and check sealed anew, so that what they
 * guard is reached. What decodes tiles the object, and encodes to the same index; a record that
 * opens has its name.
 */
#include "harness.h"

#include "base/bytes.h"
#include "emit/slot_ondisk.h"
#include "slot_image.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static void expect_error(int rc, const struct tranship_error *err)
{
	fuzz_require(rc < 0 && walk_error(rc, err) == NULL, "a failure says what it is");
}

/* What is read must be a slot's. bytes: of all of it, opened by slot_image_open. */
static void look_at_index(const struct store_keys *keys, const struct slot_index *index,
			  const unsigned char *bytes, size_t size)
{
	uint64_t at = SLOT_HEAD_SIZE;
	unsigned char raw[SLOT_ENTRY_SIZE];
	const unsigned char *entries;
	uint32_t i;

	fuzz_require(index->count > 0 && index->count <= SLOT_RECORDS_MAX, "it has records");
	entries = bytes + size - SLOT_TRAILER_SIZE - SEAL_TAG -
		  (size_t)index->count * SLOT_ENTRY_SIZE;
	for (i = 0; i < index->count; i++) {
		const struct slot_entry *e = &index->entries[i];

		fuzz_require(!slot_entry_fault(e), "a record can be");
		fuzz_require(e->off == at, "records tile the slot");
		at += slot_entry_space(keys, e);
		slot_entry_encode(e, raw);
		fuzz_require(memcmp(raw, entries + (size_t)i * SLOT_ENTRY_SIZE, sizeof(raw)) == 0,
			     "decode(encode(x)) is x");
	}
	fuzz_require(at == (uint64_t)(entries - bytes), "the index is behind the records");
}

/* Returns whether all of them open. */
static bool open_records(const struct store_keys *keys, const struct slot_index *index,
			 const unsigned char *bytes, ZSTD_DCtx *zstd)
{
	unsigned char *raw, *stored, name[NAME_SIZE];
	struct tranship_error err = { 0 };
	bool all = true;
	uint32_t i;

	for (i = 0; i < index->count; i++) {
		const struct slot_entry *e = &index->entries[i];
		int rc;

		raw = malloc(e->raw);
		stored = malloc(slot_entry_space(keys, e));
		if (raw && stored) {
			memcpy(stored, bytes + e->off, slot_entry_space(keys, e));
			rc = slot_record_open(index, keys, i, stored, zstd, raw, &err);
			all = all && rc == 0;
			if (rc)
				expect_error(rc, &err);
			else
				fuzz_require(name_of(keys, raw, e->raw, name, NULL) == 0 &&
						     memcmp(name, e->name, NAME_SIZE) == 0,
					     "it has its name");
		}
		free(raw);
		free(stored);
	}
	return all;
}

/* Reads it with a tail of this length. 1: that is too short. */
static int decode(const struct store_keys *keys, const unsigned char *bytes, size_t size,
		  size_t tail, struct slot_index *index, size_t *wanted)
{
	struct slot_id id = slot_image_id();
	struct tranship_error err = { 0 };
	unsigned char *copy = malloc(tail);
	int rc;

	memset(index, 0, sizeof(*index));
	if (!copy)
		return TRANSHIP_ENOMEM;
	memcpy(copy, bytes + size - tail, tail);
	rc = slot_index_decode(keys, &id, bytes, copy, tail, size, index, wanted, &err);
	free(copy);
	if (rc < 0)
		expect_error(rc, &err);
	return rc;
}

static void read_slot(const struct store_keys *keys, unsigned char *bytes, size_t size,
		      ZSTD_DCtx *zstd)
{
	struct slot_index index, again;
	struct slot_id id = slot_image_id();
	struct tranship_error err = { 0 };
	size_t wanted = 0;
	bool opens;
	int rc;

	if (size < SLOT_HEAD_SIZE)
		return;
	if (decode(keys, bytes, size, size, &index, &wanted))
		return;
	fuzz_require(decode(keys, bytes, size, wanted, &again, &wanted) == 0 &&
			     again.count == index.count,
		     "as much as is wanted is enough");
	slot_index_fini(&again);
	fuzz_require(decode(keys, bytes, size, wanted - 1, &again, &wanted) == 1,
		     "and less is not");
	slot_index_fini(&again);
	opens = open_records(keys, &index, bytes, zstd);
	slot_image_open(keys, bytes, size);
	look_at_index(keys, &index, bytes, size);
	slot_image_close(keys, bytes, size);
	slot_index_fini(&index);
	rc = slot_check(keys, &id, bytes, size, true, &err);
	fuzz_require((rc == 0) == opens, "a check says what reading says");
	if (rc)
		expect_error(rc, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool encrypted = size > SLOT_OFF_FLAGS && data[SLOT_OFF_FLAGS] & SLOT_FLAG_ENCRYPTED;
	unsigned char *bytes = malloc(size ? size : 1);
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	struct slot_id id = slot_image_id();
	struct tranship_error err = { 0 };
	struct store_keys keys;
	int rc;

	if (bytes && zstd && slot_image_keys(encrypted, &keys, NULL) == 0) {
		memcpy(bytes, data, size);
		rc = slot_check(&keys, &id, bytes, size, true, &err);
		if (rc)
			expect_error(rc, &err);
		memcpy(bytes, data, size);
		slot_image_close(&keys, bytes, size);
		read_slot(&keys, bytes, size, zstd);
	}
	free(bytes);
	ZSTD_freeDCtx(zstd);
	return 0;
}
