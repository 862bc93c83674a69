// SPDX-License-Identifier: Apache-2.0
/*
 * Building a slot in one buffer, which is used again for the next. Room for a tag is left behind
 * each record, because it is only known at the end whether the store is encrypted; where it is not,
 * the records close up. A record is encrypted (or moved) and hashed in one go, while the
 * processor's cache still holds it.
 */
#include "emit/slot_ondisk.h"

#include "base/error.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum builder_state { BUILDER_FILLING, BUILDER_SEALED };

struct slot_builder {
	size_t limit;
	size_t cap;           /* of bytes: the limit, one more record, and the index */
	unsigned char *bytes; /* the object: head, records, ... */
	size_t len;           /* of head and records */
	struct slot_id id;
	enum builder_state state;
	uint32_t count;
	struct slot_entry *entries; /* SLOT_RECORDS_MAX of them; what is not used is not touched */
	EVP_MD_CTX *hash, *copy;
};

int slot_builder_new(size_t limit, struct slot_builder **out, struct tranship_error *err)
{
	struct slot_builder *b;

	*out = NULL;
	if (limit > SLOT_SIZE_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "slots of %zu bytes, allowed are %u", limit,
				 SLOT_SIZE_MAX);
	b = calloc(1, sizeof(*b));
	if (!b)
		return error_nomem(err, sizeof(*b));
	b->limit = limit;
	b->cap = limit + SLOT_HEAD_SIZE + SLOT_STORED_MAX + SLOT_INDEX_MAX + 2 * SEAL_TAG +
		 SLOT_TRAILER_SIZE;
	b->bytes = malloc(b->cap);
	b->entries = malloc(SLOT_RECORDS_MAX * sizeof(*b->entries));
	b->hash = EVP_MD_CTX_new();
	b->copy = EVP_MD_CTX_new();
	if (!b->bytes || !b->entries || !b->hash || !b->copy) {
		size_t wanted = b->cap;

		slot_builder_free(b);
		return error_nomem(err, wanted);
	}
	b->len = SLOT_HEAD_SIZE;
	*out = b;
	return 0;
}

void slot_builder_free(struct slot_builder *b)
{
	if (!b)
		return;
	EVP_MD_CTX_free(b->hash);
	EVP_MD_CTX_free(b->copy);
	free(b->entries);
	free(b->bytes);
	free(b);
}

void slot_builder_begin(struct slot_builder *b, const struct slot_id *id)
{
	b->id = *id;
	b->count = 0;
	b->len = SLOT_HEAD_SIZE;
	b->state = BUILDER_FILLING;
}

const struct slot_id *slot_builder_id(const struct slot_builder *b)
{
	return &b->id;
}

uint32_t slot_builder_count(const struct slot_builder *b)
{
	return b->count;
}

/* With an index of this many entries, and the trailer. */
static size_t size_with(const struct slot_builder *b, uint32_t count)
{
	return b->len + (size_t)count * SLOT_ENTRY_SIZE + SEAL_TAG + SLOT_TRAILER_SIZE;
}

size_t slot_builder_size(const struct slot_builder *b)
{
	return size_with(b, b->count);
}

bool slot_builder_is_full(const struct slot_builder *b, size_t stored)
{
	return b->count == SLOT_RECORDS_MAX ||
	       (b->count > 0 && size_with(b, b->count + 1) + stored + SEAL_TAG > b->limit);
}

int slot_builder_add(struct slot_builder *b, const struct slot_entry *entry, const void *stored,
		     uint32_t *record, struct tranship_error *err)
{
	const char *fault = slot_entry_fault(entry);

	if (fault)
		return error_set(err, TRANSHIP_EINVAL, "a record for a slot: %s", fault);
	if (b->state != BUILDER_FILLING)
		return error_set(err, TRANSHIP_EINVAL, "a record for a slot that is sealed");
	if (b->count == SLOT_RECORDS_MAX ||
	    size_with(b, b->count + 1) + entry->stored + SEAL_TAG > b->cap)
		return error_set(err, TRANSHIP_ELIMIT,
				 "a slot of %zu bytes and %u records has no room for one more",
				 slot_builder_size(b), b->count);
	memcpy(b->bytes + b->len, stored, entry->stored);
	b->entries[b->count] = *entry;
	b->entries[b->count].off = (uint32_t)b->len;
	b->len += entry->stored + SEAL_TAG;
	*record = b->count++;
	return 0;
}

static int hash_failed(struct tranship_error *err)
{
	ERR_clear_error();
	return error_set(err, TRANSHIP_ENOMEM, "SHA-256: libcrypto failed");
}

static int hash_on(struct slot_builder *b, size_t from, size_t to, struct tranship_error *err)
{
	return EVP_DigestUpdate(b->hash, b->bytes + from, to - from) == 1 ? 0 : hash_failed(err);
}

/* Encrypts the records, or moves them together; *end: behind the last one. */
static int seal_records(struct slot_builder *b, const struct sealer *sealer, size_t *end,
			struct tranship_error *err)
{
	size_t at = SLOT_HEAD_SIZE, from;
	int rc = 0;
	uint32_t i;

	for (i = 0; i < b->count && rc == 0; i++) {
		struct slot_entry *e = &b->entries[i];

		if (at != e->off)
			memmove(b->bytes + at, b->bytes + e->off, e->stored);
		e->off = (uint32_t)at;
		from = at;
		at += e->stored;
		if (sealer->encrypted) {
			rc = seal_part(sealer, i, b->bytes + from, e->stored, b->bytes + at, err);
			at += SEAL_TAG;
		}
		if (rc == 0)
			rc = hash_on(b, from, at, err);
	}
	*end = at;
	return rc;
}

static int seal_index(struct slot_builder *b, const struct sealer *sealer, size_t at,
		      struct slot_trailer *trailer, struct tranship_error *err)
{
	size_t len = (size_t)b->count * SLOT_ENTRY_SIZE;
	uint32_t i;
	int rc;

	for (i = 0; i < b->count; i++)
		slot_entry_encode(&b->entries[i], b->bytes + at + (size_t)i * SLOT_ENTRY_SIZE);
	rc = seal_part(sealer, SLOT_INDEX_PART, b->bytes + at, len, b->bytes + at + len, err);
	if (rc == 0)
		rc = hash_on(b, at, at + len + SEAL_TAG, err);
	*trailer = (struct slot_trailer){ .count = b->count,
					  .index_len = (uint32_t)len,
					  .index_off = at };
	return rc;
}

/* The hash so far goes into the trailer, and goes on over it. */
static int end_object(struct slot_builder *b, struct slot_trailer *trailer, size_t at,
		      unsigned char sha256[32], struct tranship_error *err)
{
	if (EVP_MD_CTX_copy_ex(b->copy, b->hash) != 1 ||
	    EVP_DigestFinal_ex(b->copy, trailer->sha256, NULL) != 1)
		return hash_failed(err);
	slot_trailer_encode(trailer, b->bytes + at);
	if (hash_on(b, at, at + SLOT_TRAILER_SIZE, NULL) ||
	    EVP_DigestFinal_ex(b->hash, sha256, NULL) != 1)
		return hash_failed(err);
	return 0;
}

int slot_builder_seal(struct slot_builder *b, const struct store_keys *keys,
		      const unsigned char **bytes, size_t *len, unsigned char sha256[32],
		      struct tranship_error *err)
{
	unsigned char salt[SEAL_SALT] = { 0 };
	struct slot_trailer trailer = { 0 };
	struct sealer sealer;
	size_t end = 0;
	int rc = 0;

	if (b->count == 0 || b->state != BUILDER_FILLING)
		return error_set(err, TRANSHIP_EINVAL, "a slot that is %s cannot be sealed",
				 b->count == 0 ? "empty" : "sealed");
	if (keys->encrypted)
		rc = random_bytes(salt, sizeof(salt), err);
	if (rc == 0)
		rc = sealer_init(&sealer, keys, SEAL_SLOT, b->id.bytes, salt, err);
	if (rc)
		return rc;
	b->state = BUILDER_SEALED; /* even if it fails: some records are changed then */
	slot_head_encode(keys, &b->id, salt, b->bytes);
	if (EVP_DigestInit_ex(b->hash, EVP_sha256(), NULL) != 1)
		rc = hash_failed(err);
	if (rc == 0)
		rc = hash_on(b, 0, SLOT_HEAD_SIZE, err);
	if (rc == 0)
		rc = seal_records(b, &sealer, &end, err);
	if (rc == 0)
		rc = seal_index(b, &sealer, end, &trailer, err);
	explicit_bzero(&sealer, sizeof(sealer));
	end += trailer.index_len + SEAL_TAG;
	if (rc == 0)
		rc = end_object(b, &trailer, end, sha256, err);
	*bytes = rc ? NULL : b->bytes;
	*len = rc ? 0 : end + SLOT_TRAILER_SIZE;
	return rc;
}
