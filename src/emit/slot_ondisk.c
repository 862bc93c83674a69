// SPDX-License-Identifier: Apache-2.0
/* Head, trailer and index entries of a slot, between bytes and structs. */
#include "emit/slot_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/zero.h"

#include <inttypes.h>
#include <string.h>
#include <zstd.h>

_Static_assert(SLOT_OFF_RESERVED == SLOT_OFF_SALT + SEAL_SALT, "head");
_Static_assert(SLOT_END_OFF_CHECK + 8 == SLOT_TRAILER_SIZE, "trailer");
_Static_assert(ZSTD_COMPRESSBOUND(RECORD_RAW_MAX) <= SLOT_STORED_MAX, "a record that grows");
_Static_assert(SLOT_OBJECT_MAX <= UINT32_MAX, "offsets have 32 bits");

void slot_name(const struct slot_id *id, char out[SLOT_NAME_TEXT])
{
	hex_text(id->bytes, OBJECT_ID_SIZE, out);
}

void slot_head_encode(const struct store_keys *keys, const struct slot_id *id,
		      const unsigned char salt[SEAL_SALT], unsigned char *raw)
{
	memset(raw, 0, SLOT_HEAD_SIZE);
	memcpy(raw, SLOT_MAGIC, 8);
	put_le32(raw + SLOT_OFF_VERSION, SLOT_VERSION);
	put_le32(raw + SLOT_OFF_FLAGS, keys->encrypted ? SLOT_FLAG_ENCRYPTED : 0);
	memcpy(raw + SLOT_OFF_STORE_ID, keys->store_id, STORE_ID_SIZE);
	memcpy(raw + SLOT_OFF_ID, id->bytes, OBJECT_ID_SIZE);
	memcpy(raw + SLOT_OFF_SALT, salt, SEAL_SALT);
}

int slot_head_check(const struct store_keys *keys, const struct slot_id *id,
		    const unsigned char *raw, struct tranship_error *err)
{
	uint32_t version = get_le32(raw + SLOT_OFF_VERSION), flags = get_le32(raw + SLOT_OFF_FLAGS);
	char name[SLOT_NAME_TEXT];

	slot_name(id, name);
	if (memcmp(raw, SLOT_MAGIC, 8) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "slot %s: it does not begin as a slot does", name);
	if (version != SLOT_VERSION)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "slot %s: it is of version %" PRIu32 ", known is %u", name,
				 version, SLOT_VERSION);
	if (flags & ~SLOT_FLAG_ENCRYPTED)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "slot %s: it has the flags 0x%" PRIx32
				 ", of which only 0x1 is known",
				 name, flags);
	if (flags != (keys->encrypted ? SLOT_FLAG_ENCRYPTED : 0))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "slot %s: it is%s encrypted, the store is%s", name,
				 flags ? "" : " not", flags ? " not" : "");
	if (memcmp(raw + SLOT_OFF_STORE_ID, keys->store_id, STORE_ID_SIZE) != 0)
		return error_set(err, TRANSHIP_ECORRUPT, "slot %s: it belongs to another store",
				 name);
	if (memcmp(raw + SLOT_OFF_ID, id->bytes, OBJECT_ID_SIZE) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "slot %s: another slot stands in its place", name);
	if (!bytes_are_zero(raw + SLOT_OFF_RESERVED, SLOT_HEAD_SIZE - SLOT_OFF_RESERVED) ||
	    (!keys->encrypted && !bytes_are_zero(raw + SLOT_OFF_SALT, SEAL_SALT)))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "slot %s: bytes of its head that must be zero are not", name);
	return 0;
}

void slot_trailer_encode(const struct slot_trailer *trailer, unsigned char *raw)
{
	memset(raw, 0, SLOT_TRAILER_SIZE);
	memcpy(raw, SLOT_END_MAGIC, 8);
	put_le32(raw + SLOT_END_OFF_COUNT, trailer->count);
	put_le32(raw + SLOT_END_OFF_INDEX_LEN, trailer->index_len);
	put_le64(raw + SLOT_END_OFF_INDEX_OFF, trailer->index_off);
	memcpy(raw + SLOT_END_OFF_SHA256, trailer->sha256, sizeof(trailer->sha256));
	put_le64(raw + SLOT_END_OFF_CHECK, check64(raw, SLOT_END_OFF_CHECK, 0));
}

int slot_trailer_decode(const struct slot_id *id, const unsigned char *raw, uint64_t size,
			struct slot_trailer *out, struct tranship_error *err)
{
	struct slot_trailer t = {
		.count = get_le32(raw + SLOT_END_OFF_COUNT),
		.index_len = get_le32(raw + SLOT_END_OFF_INDEX_LEN),
		.index_off = get_le64(raw + SLOT_END_OFF_INDEX_OFF),
	};
	char name[SLOT_NAME_TEXT];

	slot_name(id, name);
	if (memcmp(raw, SLOT_END_MAGIC, 8) != 0)
		return error_set(err, TRANSHIP_ECORRUPT, "slot %s: it does not end as a slot does",
				 name);
	if (get_le64(raw + SLOT_END_OFF_CHECK) != check64(raw, SLOT_END_OFF_CHECK, 0) ||
	    !bytes_are_zero(raw + SLOT_END_OFF_RESERVED,
			    SLOT_END_OFF_CHECK - SLOT_END_OFF_RESERVED))
		return error_set(err, TRANSHIP_ECORRUPT, "slot %s: its trailer is damaged", name);
	if (t.count == 0 || t.count > SLOT_RECORDS_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "slot %s: it has %" PRIu32 " records, allowed are 1 to %u", name,
				 t.count, SLOT_RECORDS_MAX);
	if (t.index_len != t.count * SLOT_ENTRY_SIZE)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "slot %s: the index has %" PRIu32 " bytes, %" PRIu32
				 " records need %" PRIu32,
				 name, t.index_len, t.count, t.count * SLOT_ENTRY_SIZE);
	if (t.index_off < SLOT_HEAD_SIZE || size > SLOT_OBJECT_MAX || t.index_off > size ||
	    size - t.index_off != (uint64_t)t.index_len + SEAL_TAG + SLOT_TRAILER_SIZE)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "slot %s: an index of %" PRIu32 " bytes at %" PRIu64
				 " is not what ends an object of %" PRIu64,
				 name, t.index_len, t.index_off, size);
	memcpy(t.sha256, raw + SLOT_END_OFF_SHA256, sizeof(t.sha256));
	*out = t;
	return 0;
}

const char *slot_entry_fault(const struct slot_entry *e)
{
	if (e->kind != RECORD_BLOCK && e->kind != RECORD_PAGE)
		return "its kind is not known";
	if (e->codec != CODEC_NONE && e->codec != CODEC_ZSTD)
		return "its codec is not known";
	if (e->raw == 0 || e->raw > RECORD_RAW_MAX)
		return "it is empty or too large";
	if (e->stored == 0 || e->stored > ZSTD_compressBound(e->raw))
		return "it takes no bytes or too many";
	if (e->codec == CODEC_NONE && e->stored != e->raw)
		return "it is not compressed, but has another size";
	return NULL;
}

void slot_entry_encode(const struct slot_entry *e, unsigned char *raw)
{
	memcpy(raw, e->name, NAME_SIZE);
	put_le32(raw + ENTRY_OFF_OFF, e->off);
	put_le32(raw + ENTRY_OFF_STORED, e->stored);
	put_le32(raw + ENTRY_OFF_RAW, e->raw);
	raw[ENTRY_OFF_KIND] = (unsigned char)e->kind;
	raw[ENTRY_OFF_CODEC] = (unsigned char)e->codec;
	put_le16(raw + ENTRY_OFF_RESERVED, 0);
}

static void entry_decode(const unsigned char *raw, struct slot_entry *e)
{
	memcpy(e->name, raw, NAME_SIZE);
	e->off = get_le32(raw + ENTRY_OFF_OFF);
	e->stored = get_le32(raw + ENTRY_OFF_STORED);
	e->raw = get_le32(raw + ENTRY_OFF_RAW);
	e->kind = raw[ENTRY_OFF_KIND];
	e->codec = raw[ENTRY_OFF_CODEC];
}

int slot_entries_decode(const struct store_keys *keys, const struct slot_id *id,
			const unsigned char *raw, const struct slot_trailer *trailer,
			struct slot_entry *out, struct tranship_error *err)
{
	uint64_t at = SLOT_HEAD_SIZE;
	char name[SLOT_NAME_TEXT];
	uint32_t i;

	slot_name(id, name);
	for (i = 0; i < trailer->count; i++, raw += SLOT_ENTRY_SIZE) {
		const char *fault;

		entry_decode(raw, &out[i]);
		fault = slot_entry_fault(&out[i]);
		if (get_le16(raw + ENTRY_OFF_RESERVED) != 0)
			fault = "bytes of its entry that must be zero are not";
		if (fault)
			return error_set(err, TRANSHIP_ECORRUPT,
					 "slot %s: record %" PRIu32
					 ": %s (kind %u, codec %u, %" PRIu32
					 " bytes stored for %" PRIu32 ")",
					 name, i, fault, (unsigned)out[i].kind,
					 (unsigned)out[i].codec, out[i].stored, out[i].raw);
		if (out[i].off != at ||
		    !range_ok(at, slot_entry_space(keys, &out[i]), trailer->index_off))
			return error_set(err, TRANSHIP_ECORRUPT,
					 "slot %s: record %" PRIu32 " is said to be %" PRIu32
					 " bytes at %" PRIu32 ", it must be at %" PRIu64
					 " and end before %" PRIu64,
					 name, i, out[i].stored, out[i].off, at,
					 trailer->index_off);
		at += slot_entry_space(keys, &out[i]);
	}
	if (at != trailer->index_off)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "slot %s: its records end at %" PRIu64
				 ", the index begins at %" PRIu64,
				 name, at, trailer->index_off);
	return 0;
}
