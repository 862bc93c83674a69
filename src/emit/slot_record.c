// SPDX-License-Identifier: Apache-2.0
/* Opening records, and checking slots that were read whole. */
#include "emit/slot_ondisk.h"

#include "base/digest.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static int damaged(const struct slot_index *index, uint32_t record, const char *what,
		   struct tranship_error *err)
{
	char name[SLOT_NAME_TEXT];

	slot_name(&index->id, name);
	return error_set(err, TRANSHIP_ECORRUPT, "slot %s: record %" PRIu32 " is damaged: %s", name,
			 record, what);
}

/* To exactly e->raw bytes. NULL, or what is wrong. */
static const char *unpack(const struct slot_entry *e, const unsigned char *stored,
			  ZSTD_DCtx *unpacker, void *raw)
{
	size_t got;

	if (e->codec == CODEC_NONE) {
		memcpy(raw, stored, e->raw);
		return NULL;
	}
	got = ZSTD_decompressDCtx(unpacker, raw, e->raw, stored, e->stored);
	if (ZSTD_isError(got))
		return "it cannot be unpacked";
	return got == e->raw ? NULL : "it unpacks to fewer bytes";
}

int slot_record_open(const struct slot_index *index, const struct store_keys *keys, uint32_t record,
		     unsigned char *stored, struct ZSTD_DCtx_s *unpacker, void *raw,
		     struct tranship_error *err)
{
	unsigned char name[NAME_SIZE];
	const struct slot_entry *e;
	const char *fault;
	int rc = 0;

	if (record >= index->count)
		return damaged(index, record, "the slot has fewer", err);
	e = &index->entries[record];
	if (index->sealer.encrypted)
		rc = unseal_part(&index->sealer, record, stored, e->stored, stored + e->stored,
				 err);
	if (rc)
		return rc == TRANSHIP_ECORRUPT ? damaged(index, record, "its seal is broken", err)
					       : rc;
	fault = unpack(e, stored, unpacker, raw);
	if (fault)
		return damaged(index, record, fault, err);
	rc = name_of(keys, raw, e->raw, name, err);
	if (rc == 0 && memcmp(name, e->name, NAME_SIZE) != 0)
		rc = damaged(index, record, "its content is not what its name says", err);
	return rc;
}

/* The SHA-256 of all before the trailer. */
static int check_sha256(const struct slot_id *id, const unsigned char *bytes, size_t len,
			struct tranship_error *err)
{
	const unsigned char *trailer = bytes + len - SLOT_TRAILER_SIZE;
	unsigned char hash[32];
	char name[SLOT_NAME_TEXT];
	struct sha256 *s;
	int rc = sha256_new(&s, err);

	if (rc == 0)
		rc = sha256_update(s, bytes, len - SLOT_TRAILER_SIZE, err);
	if (rc == 0)
		rc = sha256_final(s, hash, err);
	sha256_free(s);
	if (rc || memcmp(hash, trailer + SLOT_END_OFF_SHA256, sizeof(hash)) == 0)
		return rc;
	slot_name(id, name);
	return error_set(err, TRANSHIP_ECORRUPT, "slot %s: it is damaged: its SHA-256 is another",
			 name);
}

static int check_records(const struct slot_index *index, const struct store_keys *keys,
			 unsigned char *bytes, struct tranship_error *err)
{
	ZSTD_DCtx *unpacker = ZSTD_createDCtx();
	unsigned char *raw = malloc(RECORD_RAW_MAX);
	int rc = unpacker && raw ? 0 : error_nomem(err, RECORD_RAW_MAX);
	uint32_t i;

	for (i = 0; i < index->count && rc == 0; i++)
		rc = slot_record_open(index, keys, i, bytes + index->entries[i].off, unpacker, raw,
				      err);
	free(raw);
	ZSTD_freeDCtx(unpacker);
	return rc;
}

int slot_check(const struct store_keys *keys, const struct slot_id *id, unsigned char *bytes,
	       size_t len, bool deep, struct tranship_error *err)
{
	struct slot_index index = { 0 };
	size_t wanted;
	int rc;

	rc = slot_index_decode(keys, id, bytes, bytes, len, len, &index, &wanted, err);
	if (rc == 0)
		rc = check_sha256(id, bytes, len, err);
	if (rc == 0 && deep)
		rc = check_records(&index, keys, bytes, err);
	slot_index_fini(&index);
	return rc;
}
