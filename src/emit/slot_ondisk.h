/* SPDX-License-Identifier: Apache-2.0 */
/* Where the fields of a slot stand, and what must hold of them; docs/formats/store.md, "Slots". */
#ifndef EMIT_SLOT_ONDISK_H
#define EMIT_SLOT_ONDISK_H

#include "emit/slot.h"

#define SLOT_MAGIC "TSSLOT01"
#define SLOT_END_MAGIC "TSSLEND1"
#define SLOT_VERSION 1U
#define SLOT_FLAG_ENCRYPTED 1U

#define SLOT_OFF_VERSION 8
#define SLOT_OFF_FLAGS 12
#define SLOT_OFF_STORE_ID 16
#define SLOT_OFF_ID 32
#define SLOT_OFF_SALT 48
#define SLOT_OFF_RESERVED 80

#define SLOT_END_OFF_COUNT 8
#define SLOT_END_OFF_INDEX_LEN 12
#define SLOT_END_OFF_INDEX_OFF 16
#define SLOT_END_OFF_SHA256 24
#define SLOT_END_OFF_RESERVED 56
#define SLOT_END_OFF_CHECK 88

#define SLOT_ENTRY_SIZE 48U
#define ENTRY_OFF_OFF 32
#define ENTRY_OFF_STORED 36
#define ENTRY_OFF_RAW 40
#define ENTRY_OFF_KIND 44
#define ENTRY_OFF_CODEC 45
#define ENTRY_OFF_RESERVED 46

/* The number of the index among the sealed parts. */
#define SLOT_INDEX_PART 0xFFFFFFFFU
#define SLOT_INDEX_MAX (SLOT_RECORDS_MAX * SLOT_ENTRY_SIZE)
/* More than zstd makes of RECORD_RAW_MAX bytes at worst. */
#define SLOT_STORED_MAX (RECORD_RAW_MAX + (RECORD_RAW_MAX >> 7))
/* The longest object: a record and an index may stand beyond the size that was asked for. */
#define SLOT_OBJECT_MAX                                                                   \
	(SLOT_SIZE_MAX + SLOT_STORED_MAX + SLOT_INDEX_MAX + SLOT_RECORDS_MAX * SEAL_TAG + \
	 SLOT_HEAD_SIZE + SLOT_TRAILER_SIZE + SEAL_TAG)

#define SLOT_NAME_TEXT 33U
/* The id as 32 digits, which is what messages call a slot. */
void slot_name(const struct slot_id *id, char out[SLOT_NAME_TEXT]);

struct slot_trailer {
	uint32_t count;
	uint32_t index_len; /* without its tag */
	uint64_t index_off;
	unsigned char sha256[32]; /* of all before the trailer */
};

void slot_head_encode(const struct store_keys *keys, const struct slot_id *id,
		      const unsigned char salt[SEAL_SALT], unsigned char *raw);
/* Checks that it is the head of this slot of this store. */
int slot_head_check(const struct store_keys *keys, const struct slot_id *id,
		    const unsigned char *raw, struct tranship_error *err);

void slot_trailer_encode(const struct slot_trailer *trailer, unsigned char *raw);
/* size: of the object. What it says of the index lies in it. */
int slot_trailer_decode(const struct slot_id *id, const unsigned char *raw, uint64_t size,
			struct slot_trailer *out, struct tranship_error *err);

/* What must hold of any record: NULL, or what is wrong with it. */
const char *slot_entry_fault(const struct slot_entry *e);
void slot_entry_encode(const struct slot_entry *e, unsigned char *raw);
/* All entries of an index; they tile [SLOT_HEAD_SIZE, index_off). */
int slot_entries_decode(const struct store_keys *keys, const struct slot_id *id,
			const unsigned char *raw, const struct slot_trailer *trailer,
			struct slot_entry *out, struct tranship_error *err);

#endif
