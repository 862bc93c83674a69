// SPDX-License-Identifier: Apache-2.0
/*
 * Reading records. Disks are read in order more often than not, and blocks that follow each other
 * on a disk are neighbours in a slot, so: the last few records are kept, because a page or a block
 * is asked for many times in parts; and where a record follows the one before it, those behind it
 * are read with it in one go, twice as many bytes each time up to a limit. On a server a request
 * costs as much as a hundred kilobytes do.
 */
#include "base/error.h"
#include "emit/slots_inside.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define KEPT_RECORDS 4U
#define AHEAD_MIN (256U << 10)
#define AHEAD_MAX (2U << 20)

/* A record, unpacked. */
struct kept_record {
	bool there;
	struct record_ref ref;
	unsigned char *raw;
	size_t len, cap;
	uint64_t used;
};

/* Records as they are stored, and not opened yet: [first, end) of a slot. */
struct ahead {
	struct slot_id slot;
	uint32_t first, end;
	size_t off; /* in the slot, of the first of `bytes` */
	unsigned char *bytes;
	size_t cap;
};

struct slots_scratch {
	const struct slots *owner; /* whose records it has */
	struct kept_record kept[KEPT_RECORDS];
	uint64_t clock;
	struct ahead ahead;
	struct record_ref next; /* behind the one that was read last */
	size_t ahead_size;      /* that is worth reading in one go */
	ZSTD_DCtx *unpacker;
};

int slots_scratch_new(struct slots_scratch **out, struct tranship_error *err)
{
	struct slots_scratch *s = calloc(1, sizeof(*s));

	if (s)
		s->unpacker = ZSTD_createDCtx();
	if (s && !s->unpacker) {
		free(s);
		s = NULL;
	}
	*out = s;
	return s ? 0 : error_nomem(err, sizeof(*s));
}

void slots_scratch_free(struct slots_scratch *s)
{
	unsigned i;

	if (!s)
		return;
	for (i = 0; i < KEPT_RECORDS; i++)
		free(s->kept[i].raw);
	free(s->ahead.bytes);
	ZSTD_freeDCtx(s->unpacker);
	free(s);
}

/* What it has of another store's is not this one's, though the ids may be the same. */
static void belong_to(struct slots_scratch *s, const struct slots *owner)
{
	unsigned i;

	if (s->owner == owner)
		return;
	for (i = 0; i < KEPT_RECORDS; i++)
		s->kept[i].there = false;
	s->ahead.first = s->ahead.end = 0;
	s->next = (struct record_ref){ 0 };
	s->owner = owner;
}

static bool ref_equal(const struct record_ref *a, const struct record_ref *b)
{
	return a->record == b->record && slot_id_equal(&a->slot, &b->slot);
}

/* Room for at least len bytes; what was there is lost. */
static int make_room(unsigned char **bytes, size_t *cap, size_t len, struct tranship_error *err)
{
	if (len <= *cap)
		return 0;
	free(*bytes);
	*cap = 0;
	*bytes = malloc(len);
	if (!*bytes)
		return error_nomem(err, len);
	*cap = len;
	return 0;
}

/* How far to read: behind the record, or behind as many more as are worth it. */
static uint32_t end_of_read(struct slots_scratch *s, const struct store_keys *keys,
			    const struct slot_index *index, const struct record_ref *ref)
{
	size_t size = slot_entry_space(keys, &index->entries[ref->record]);
	uint32_t end = ref->record + 1;

	if (!ref_equal(ref, &s->next)) {
		s->ahead_size = AHEAD_MIN;
		return end;
	}
	while (end < index->count) {
		size += slot_entry_space(keys, &index->entries[end]);
		if (size > s->ahead_size)
			break;
		end++;
	}
	if (s->ahead_size < AHEAD_MAX)
		s->ahead_size *= 2;
	return end;
}

/* Reads the record, and some that follow it, into s->ahead. */
static int read_ahead(struct slots_scratch *s, struct target *t, const struct store_keys *keys,
		      const struct slot_index *index, const struct record_ref *ref,
		      struct tranship_error *err)
{
	uint32_t end = end_of_read(s, keys, index, ref);
	const struct slot_entry *first = &index->entries[ref->record];
	const struct slot_entry *last = &index->entries[end - 1];
	size_t len = last->off + slot_entry_space(keys, last) - first->off;
	char key[TARGET_KEY_MAX + 1];
	int rc;

	s->ahead.first = s->ahead.end = 0;
	rc = make_room(&s->ahead.bytes, &s->ahead.cap, len, err);
	slot_key(&ref->slot, key);
	if (rc == 0)
		rc = target_get_exactly(t, key, first->off, s->ahead.bytes, len, err);
	if (rc)
		return rc;
	s->ahead.slot = ref->slot;
	s->ahead.off = first->off;
	s->ahead.first = ref->record;
	s->ahead.end = end;
	return 0;
}

static bool is_ahead(const struct ahead *a, const struct record_ref *ref)
{
	return ref->record >= a->first && ref->record < a->end &&
	       slot_id_equal(&a->slot, &ref->slot);
}

/* The record's place among those that are kept: where it is, or the one used longest ago. */
static struct kept_record *place_for(struct slots_scratch *s, const struct record_ref *ref)
{
	struct kept_record *oldest = &s->kept[0];
	unsigned i;

	for (i = 0; i < KEPT_RECORDS; i++) {
		struct kept_record *k = &s->kept[i];

		if (k->there && ref_equal(&k->ref, ref))
			return k;
		if (k->used < oldest->used)
			oldest = k;
	}
	oldest->there = false;
	return oldest;
}

static int open_record(struct slots_scratch *s, const struct slots *slots,
		       const struct slot_index *index, const struct record_ref *ref,
		       struct kept_record *k, struct tranship_error *err)
{
	const struct store_keys *keys = slots_keys(slots);
	const struct slot_entry *e = &index->entries[ref->record];
	int rc = make_room(&k->raw, &k->cap, e->raw, err);

	if (rc == 0 && !is_ahead(&s->ahead, ref))
		rc = read_ahead(s, slots_target(slots), keys, index, ref, err);
	if (rc)
		return rc;
	s->ahead.first = ref->record + 1; /* opening it overwrites it */
	s->next = (struct record_ref){ ref->slot, ref->record + 1 };
	rc = slot_record_open(index, keys, ref->record, s->ahead.bytes + (e->off - s->ahead.off),
			      s->unpacker, k->raw, err);
	k->len = e->raw;
	k->ref = *ref;
	k->there = rc == 0;
	return rc;
}

int slots_read(struct slots *slots, struct slots_scratch *s, const struct record_ref *ref,
	       const unsigned char **raw, size_t *len, struct tranship_error *err)
{
	struct kept_record *k;
	int rc = 0;

	belong_to(s, slots);
	k = place_for(s, ref);
	if (!k->there) {
		struct kept_slot *slot;

		rc = slots_hold(slots, &ref->slot, &slot, err);
		if (rc == 0)
			rc = slots_check_ref(&slot->index, ref->record, err);
		if (rc == 0)
			rc = open_record(s, slots, &slot->index, ref, k, err);
		slots_release(slots, slot);
	}
	k->used = ++s->clock;
	*raw = rc ? NULL : k->raw;
	*len = rc ? 0 : k->len;
	return rc;
}
