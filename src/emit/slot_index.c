// SPDX-License-Identifier: Apache-2.0
/* Reading the index of a slot, of which its end is enough, and its head. */
#include "emit/slot_ondisk.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What is read first: the index of some 330 records. */
#define TAIL_FIRST (16U << 10)

/* The index, in memory of its own, unsealed. `sealed`: it and its tag. */
static int unseal_index(const struct slot_index *index, const unsigned char *sealed, size_t len,
			unsigned char **out, struct tranship_error *err)
{
	unsigned char *raw = malloc(len);
	char name[SLOT_NAME_TEXT];
	int rc;

	*out = NULL;
	if (!raw)
		return error_nomem(err, len);
	memcpy(raw, sealed, len);
	rc = unseal_part(&index->sealer, SLOT_INDEX_PART, raw, len, sealed + len, err);
	if (rc == 0) {
		*out = raw;
		return 0;
	}
	free(raw);
	slot_name(&index->id, name);
	return rc == TRANSHIP_ECORRUPT ? error_set(err, rc, "slot %s: its index is damaged", name)
				       : rc;
}

static int decode_entries(const struct store_keys *keys, const unsigned char *sealed,
			  const struct slot_trailer *trailer, struct slot_index *index,
			  struct tranship_error *err)
{
	size_t bytes = trailer->count * sizeof(*index->entries);
	unsigned char *raw;
	int rc = unseal_index(index, sealed, trailer->index_len, &raw, err);

	if (rc)
		return rc;
	index->count = trailer->count;
	index->entries = malloc(bytes);
	rc = index->entries
		     ? slot_entries_decode(keys, &index->id, raw, trailer, index->entries, err)
		     : error_nomem(err, bytes);
	free(raw);
	return rc;
}

/* Whether an object can be a slot at all, and the tail is what it is said to be. */
static int check_size(const struct slot_id *id, size_t tail_len, uint64_t size,
		      struct tranship_error *err)
{
	char name[SLOT_NAME_TEXT];

	slot_name(id, name);
	if (size < SLOT_HEAD_SIZE + SEAL_TAG + SLOT_TRAILER_SIZE || size > SLOT_OBJECT_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "slot %s: it has %" PRIu64 " bytes, a slot has %u to %u", name,
				 size, SLOT_HEAD_SIZE + SEAL_TAG + SLOT_TRAILER_SIZE,
				 (unsigned)SLOT_OBJECT_MAX);
	if (tail_len < SLOT_TRAILER_SIZE || tail_len > size)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "slot %s: of its %" PRIu64 " bytes the last %zu were read", name,
				 size, tail_len);
	return 0;
}

int slot_index_decode(const struct store_keys *keys, const struct slot_id *id,
		      const unsigned char *head, const unsigned char *tail, size_t tail_len,
		      uint64_t size, struct slot_index *out, size_t *wanted,
		      struct tranship_error *err)
{
	struct slot_index index = { .id = *id, .size = size };
	struct slot_trailer trailer;
	size_t need;
	int rc = check_size(id, tail_len, size, err);

	memset(out, 0, sizeof(*out));
	if (rc == 0)
		rc = slot_head_check(keys, id, head, err);
	if (rc == 0)
		rc = slot_trailer_decode(id, tail + tail_len - SLOT_TRAILER_SIZE, size, &trailer,
					 err);
	if (rc)
		return rc;
	need = (size_t)trailer.index_len + SEAL_TAG + SLOT_TRAILER_SIZE;
	*wanted = need;
	if (tail_len < need)
		return 1;
	rc = sealer_init(&index.sealer, keys, SEAL_SLOT, id->bytes, head + SLOT_OFF_SALT, err);
	if (rc == 0)
		rc = decode_entries(keys, tail + tail_len - need, &trailer, &index, err);
	if (rc)
		slot_index_fini(&index);
	else
		*out = index;
	explicit_bzero(&index.sealer, sizeof(index.sealer));
	return rc;
}

void slot_index_fini(struct slot_index *index)
{
	free(index->entries);
	explicit_bzero(index, sizeof(*index));
}

/* A buffer for the end of a slot, and what is in it. */
struct tail {
	unsigned char *bytes;
	size_t len;
	uint64_t size; /* of the slot */
};

static int read_tail(struct target *t, const char *key, size_t wanted, struct tail *tail,
		     struct tranship_error *err)
{
	unsigned char *bytes = realloc(tail->bytes, wanted);

	if (!bytes)
		return error_nomem(err, wanted);
	tail->bytes = bytes;
	return target_tail(t, key, bytes, wanted, &tail->len, &tail->size, err);
}

int slot_index_read(struct target *t, const struct store_keys *keys, const struct slot_id *id,
		    struct slot_index *out, struct tranship_error *err)
{
	unsigned char head[SLOT_HEAD_SIZE];
	struct tail tail = { 0 };
	char key[TARGET_KEY_MAX + 1];
	size_t wanted = 0;
	int rc;

	memset(out, 0, sizeof(*out));
	slot_key(id, key);
	rc = read_tail(t, key, TAIL_FIRST, &tail, err);
	if (rc == 0)
		rc = check_size(id, tail.len, tail.size, err);
	if (rc == 0 && tail.len == tail.size)
		memcpy(head, tail.bytes, sizeof(head));
	else if (rc == 0)
		rc = target_get_exactly(t, key, 0, head, sizeof(head), err);
	if (rc == 0)
		rc = slot_index_decode(keys, id, head, tail.bytes, tail.len, tail.size, out,
				       &wanted, err);
	if (rc == 1) {
		rc = read_tail(t, key, wanted, &tail, err);
		if (rc == 0)
			rc = slot_index_decode(keys, id, head, tail.bytes, tail.len, tail.size, out,
					       &wanted, err);
		if (rc == 1)
			rc = error_set(err, TRANSHIP_ECORRUPT,
				       "%s/%s: another object came while it was read", t->name,
				       key);
	}
	free(tail.bytes);
	return rc;
}
