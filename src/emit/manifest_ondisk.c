// SPDX-License-Identifier: Apache-2.0
/*
 * Manifests between bytes and structs. Each part of an object is sealed with its number, and the
 * text in the first says how many slots there are, so nothing can be cut off or put in.
 */
#include "emit/manifest_ondisk.h"

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/text.h"
#include "base/zero.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(MANIFEST_OFF_RESERVED + 8 == MANIFEST_HEAD_SIZE, "head");
_Static_assert(MANIFEST_PART_SLOTS *MANIFEST_SLOT_SIZE + SEAL_TAG <= MANIFEST_PART_SLOTS * 25,
	       "MANIFEST_SIZE_MAX");

void manifest_free(struct manifest *m)
{
	free(m->boot);
	free(m->slots);
	explicit_bzero(m, sizeof(*m));
}

/* Bytes of the list of slots, with its tags. */
static uint64_t list_size(uint64_t slots)
{
	return slots * MANIFEST_SLOT_SIZE + div_up(slots, MANIFEST_PART_SLOTS) * SEAL_TAG;
}

static int check_slots(const struct manifest *m, int code, struct tranship_error *err)
{
	char shown[2 * OBJECT_ID_SIZE + 1];
	size_t i;

	for (i = 0; i < m->slot_count; i++) {
		const struct manifest_slot *s = &m->slots[i];
		const char *fault = NULL;

		if (s->uses == 0)
			fault = "is not used";
		else if (i > 0 && memcmp(s[-1].id.bytes, s->id.bytes, OBJECT_ID_SIZE) >= 0)
			fault = "does not stand behind a smaller one";
		if (!fault)
			continue;
		hex_text(s->id.bytes, OBJECT_ID_SIZE, shown);
		return error_set(err, code, "point %s: slot %s, number %zu of its list, %s", m->id,
				 shown, i, fault);
	}
	return 0;
}

/* bytes: of the part, with room for its tag behind len. */
static int append_sealed(struct buffer *to, const struct sealer *s, uint32_t number, size_t len,
			 struct tranship_error *err)
{
	unsigned char *bytes = to->bytes + to->len;
	int rc = seal_part(s, number, bytes, len, bytes + len, err);

	to->len += len + SEAL_TAG;
	return rc;
}

static int append_slots(struct buffer *to, const struct sealer *s, const struct manifest *m,
			struct tranship_error *err)
{
	uint32_t number = 1;
	size_t at, i;
	int rc = 0;

	for (at = 0; at < m->slot_count && rc == 0; at += MANIFEST_PART_SLOTS) {
		size_t count = (size_t)min_u64(m->slot_count - at, MANIFEST_PART_SLOTS);

		for (i = 0; i < count; i++) {
			unsigned char *raw = to->bytes + to->len + i * MANIFEST_SLOT_SIZE;

			memcpy(raw, m->slots[at + i].id.bytes, OBJECT_ID_SIZE);
			put_le64(raw + OBJECT_ID_SIZE, m->slots[at + i].uses);
		}
		rc = append_sealed(to, s, number++, count * MANIFEST_SLOT_SIZE, err);
	}
	return rc;
}

static void append_head(struct buffer *to, const struct store_keys *keys, const struct manifest *m,
			const unsigned char *salt, size_t json_len)
{
	unsigned char *raw = to->bytes, id[OBJECT_ID_SIZE];

	manifest_id_parse(m->id, id);
	memset(raw, 0, MANIFEST_HEAD_SIZE);
	memcpy(raw, MANIFEST_MAGIC, 8);
	put_le32(raw + MANIFEST_OFF_VERSION, MANIFEST_VERSION);
	put_le32(raw + MANIFEST_OFF_FLAGS, keys->encrypted ? MANIFEST_FLAG_ENCRYPTED : 0);
	memcpy(raw + MANIFEST_OFF_STORE_ID, keys->store_id, STORE_ID_SIZE);
	memcpy(raw + MANIFEST_OFF_ID, id, OBJECT_ID_SIZE);
	memcpy(raw + MANIFEST_OFF_SALT, salt, SEAL_SALT);
	put_le32(raw + MANIFEST_OFF_JSON_LEN, (uint32_t)json_len);
	put_le32(raw + MANIFEST_OFF_SLOTS, (uint32_t)m->slot_count);
	to->len = MANIFEST_HEAD_SIZE;
}

/* Head, text and list. `to` is empty, and may have some bytes in it after an error. */
static int append_all(struct buffer *to, const struct store_keys *keys, const struct manifest *m,
		      const char *json, struct tranship_error *err)
{
	unsigned char salt[SEAL_SALT] = { 0 }, id[OBJECT_ID_SIZE];
	size_t len = strlen(json);
	struct sealer sealer;
	int rc = keys->encrypted ? random_bytes(salt, sizeof(salt), err) : 0;

	if (rc == 0)
		rc = buffer_reserve(
			to, MANIFEST_HEAD_SIZE + len + SEAL_TAG + (size_t)list_size(m->slot_count),
			err);
	if (rc)
		return rc;
	manifest_id_parse(m->id, id);
	rc = sealer_init(&sealer, keys, SEAL_POINT, id, salt, err);
	if (rc)
		return rc;
	append_head(to, keys, m, salt, len);
	memcpy(to->bytes + to->len, json, len);
	rc = append_sealed(to, &sealer, 0, len, err);
	if (rc == 0)
		rc = append_slots(to, &sealer, m, err);
	explicit_bzero(&sealer, sizeof(sealer));
	return rc;
}

static int hash_all(const struct buffer *bytes, unsigned char digest[32],
		    struct tranship_error *err)
{
	struct sha256 *s;
	int rc = sha256_new(&s, err);

	if (rc == 0)
		rc = sha256_update(s, bytes->bytes, bytes->len, err);
	if (rc == 0)
		rc = sha256_final(s, digest, err);
	sha256_free(s);
	return rc;
}

int manifest_encode(const struct manifest *m, const struct store_keys *keys, unsigned char **bytes,
		    size_t *len, unsigned char digest[32], struct tranship_error *err)
{
	struct buffer out = { 0 };
	char *json = NULL;
	int rc = manifest_check_fields(m, TRANSHIP_EINVAL, err);

	*bytes = NULL;
	*len = 0;
	if (rc == 0 && m->slot_count > MANIFEST_SLOTS_MAX)
		rc = error_set(err, TRANSHIP_ELIMIT, "point %s: %zu slots, the most is %u", m->id,
			       m->slot_count, MANIFEST_SLOTS_MAX);
	if (rc == 0)
		rc = check_slots(m, TRANSHIP_EINVAL, err);
	if (rc == 0)
		rc = manifest_json_make(m, &json, err);
	if (rc)
		return rc;
	rc = append_all(&out, keys, m, json, err);
	explicit_bzero(json, strlen(json));
	free(json);
	if (rc == 0)
		rc = hash_all(&out, digest, err);
	if (rc) {
		buffer_free(&out);
		return rc;
	}
	*bytes = out.bytes;
	*len = out.len;
	return 0;
}

/* The counts of a head. */
struct counts {
	uint32_t json_len;
	uint32_t slots;
};

/* What it is, and whether it is this store's and this point's. */
static int check_head(const struct store_keys *keys, const char *id, const unsigned char *raw,
		      size_t len, struct tranship_error *err)
{
	uint32_t version, flags;

	if (len < MANIFEST_HEAD_SIZE || memcmp(raw, MANIFEST_MAGIC, 8) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "point %s: its manifest does not begin as one does", id);
	version = get_le32(raw + MANIFEST_OFF_VERSION);
	flags = get_le32(raw + MANIFEST_OFF_FLAGS);
	if (version != MANIFEST_VERSION)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "point %s: its manifest is of version %" PRIu32 ", known is %u",
				 id, version, MANIFEST_VERSION);
	if (flags & ~MANIFEST_FLAG_ENCRYPTED)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "point %s: its manifest has the flags 0x%" PRIx32
				 ", of which only 0x1 is known",
				 id, flags);
	if (flags != (keys->encrypted ? MANIFEST_FLAG_ENCRYPTED : 0))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "point %s: its manifest is%s encrypted, the store is%s", id,
				 flags ? "" : " not", flags ? " not" : "");
	if (memcmp(raw + MANIFEST_OFF_STORE_ID, keys->store_id, STORE_ID_SIZE) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "point %s: its manifest belongs to another store", id);
	if (!bytes_are_zero(raw + MANIFEST_OFF_RESERVED,
			    MANIFEST_HEAD_SIZE - MANIFEST_OFF_RESERVED) ||
	    (!keys->encrypted && !bytes_are_zero(raw + MANIFEST_OFF_SALT, SEAL_SALT)))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "point %s: bytes of its head that must be zero are not", id);
	return 0;
}

static int decode_head(const char *id, const unsigned char *raw, size_t len, bool with_slots,
		       struct counts *out, struct tranship_error *err)
{
	struct counts c = { get_le32(raw + MANIFEST_OFF_JSON_LEN),
			    get_le32(raw + MANIFEST_OFF_SLOTS) };
	uint64_t front = MANIFEST_HEAD_SIZE + (uint64_t)c.json_len + SEAL_TAG;

	if (c.json_len == 0 || c.json_len > MANIFEST_JSON_MAX || c.slots > MANIFEST_SLOTS_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "point %s: a text of %" PRIu32 " bytes and %" PRIu32
				 " slots; the most are %u and %u",
				 id, c.json_len, c.slots, MANIFEST_JSON_MAX, MANIFEST_SLOTS_MAX);
	if (with_slots ? len != front + list_size(c.slots) : len < front)
		return error_set(
			err, TRANSHIP_ECORRUPT,
			"point %s: its manifest has %zu bytes, by its head it has %" PRIu64, id,
			len, front + list_size(c.slots));
	*out = c;
	return 0;
}

/* A part that is followed by its tag, unsealed into `out`. */
static int open_part(const struct sealer *s, const char *id, uint32_t number,
		     const unsigned char *sealed, size_t len, unsigned char *out,
		     struct tranship_error *err)
{
	int rc;

	memcpy(out, sealed, len);
	rc = unseal_part(s, number, out, len, sealed + len, err);
	if (rc == TRANSHIP_ECORRUPT)
		return error_set(err, rc, "point %s: part %" PRIu32 " of its manifest is damaged",
				 id, number);
	return rc;
}

static int decode_json(const struct sealer *s, const char *id, const unsigned char *raw,
		       const struct counts *counts, struct manifest *out,
		       struct tranship_error *err)
{
	unsigned char *text = malloc(counts->json_len);
	uint64_t slots = 0;
	int rc;

	if (!text)
		return error_nomem(err, counts->json_len);
	rc = open_part(s, id, 0, raw, counts->json_len, text, err);
	if (rc == 0)
		rc = manifest_json_parse(id, (char *)text, counts->json_len, out, &slots, err);
	if (rc == 0 && slots != counts->slots)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "point %s: its head says %" PRIu32 " slots, its text %" PRIu64, id,
			       counts->slots, slots);
	explicit_bzero(text, counts->json_len);
	free(text);
	return rc;
}

/* Fills in out->slots, of which `count` are allocated. */
static int decode_list(const struct sealer *s, const unsigned char *raw, size_t count,
		       struct manifest *out, struct tranship_error *err)
{
	unsigned char *part = malloc((size_t)MANIFEST_PART_SLOTS * MANIFEST_SLOT_SIZE);
	uint32_t number = 1;
	int rc = part ? 0 : error_nomem(err, (size_t)MANIFEST_PART_SLOTS * MANIFEST_SLOT_SIZE);

	while (rc == 0 && out->slot_count < count) {
		size_t n = (size_t)min_u64(count - out->slot_count, MANIFEST_PART_SLOTS), i;
		size_t len = n * MANIFEST_SLOT_SIZE;

		rc = open_part(s, out->id, number++, raw, len, part, err);
		raw += len + SEAL_TAG;
		for (i = 0; rc == 0 && i < n; i++) {
			struct manifest_slot *slot = &out->slots[out->slot_count++];

			memcpy(slot->id.bytes, part + i * MANIFEST_SLOT_SIZE, OBJECT_ID_SIZE);
			slot->uses = get_le64(part + i * MANIFEST_SLOT_SIZE + OBJECT_ID_SIZE);
		}
	}
	free(part);
	return rc ? rc : check_slots(out, TRANSHIP_ECORRUPT, err);
}

static int decode_sealed(const struct store_keys *keys, const char *id,
			 const unsigned char *object_id, const unsigned char *bytes,
			 const struct counts *counts, bool with_slots, struct manifest *out,
			 struct tranship_error *err)
{
	const unsigned char *list = bytes + MANIFEST_HEAD_SIZE + counts->json_len + SEAL_TAG;
	struct sealer sealer;
	int rc = sealer_init(&sealer, keys, SEAL_POINT, object_id, bytes + MANIFEST_OFF_SALT, err);

	if (rc == 0)
		rc = decode_json(&sealer, id, bytes + MANIFEST_HEAD_SIZE, counts, out, err);
	if (rc == 0 && with_slots && counts->slots > 0) {
		out->slots = malloc((size_t)counts->slots * sizeof(*out->slots));
		rc = out->slots ? decode_list(&sealer, list, counts->slots, out, err)
				: error_nomem(err, (size_t)counts->slots * sizeof(*out->slots));
	}
	explicit_bzero(&sealer, sizeof(sealer));
	return rc;
}

int manifest_decode(const struct store_keys *keys, const char *id, const unsigned char *bytes,
		    size_t len, bool with_slots, struct manifest *out, struct tranship_error *err)
{
	unsigned char object_id[OBJECT_ID_SIZE];
	char shown[200];
	struct counts counts = { 0 };
	int rc;

	memset(out, 0, sizeof(*out));
	if (!manifest_id_parse(id, object_id)) {
		text_escape(shown, sizeof(shown), id, strlen(id));
		return error_set(err, TRANSHIP_ECORRUPT, "point '%s': that is no id of a point",
				 shown);
	}
	rc = check_head(keys, id, bytes, len, err);
	if (rc == 0 && memcmp(bytes + MANIFEST_OFF_ID, object_id, OBJECT_ID_SIZE) != 0)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "point %s: another point's manifest stands in its place", id);
	if (rc == 0)
		rc = decode_head(id, bytes, len, with_slots, &counts, err);
	if (rc == 0)
		rc = decode_sealed(keys, id, object_id, bytes, &counts, with_slots, out, err);
	if (rc)
		manifest_free(out);
	return rc;
}
