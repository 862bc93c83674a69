// SPDX-License-Identifier: Apache-2.0
/*
 * The indexes of slots for reading. A list of a few dozen is searched from end to end: that is
 * nothing beside reading a record. Those that nobody holds go, the one held longest ago first, when
 * there are too many or their entries take too much; those that are held are as many as threads
 * read.
 */
#include "emit/slots_inside.h"

#include "base/error.h"
#include "emit/slot_ondisk.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_SLOTS_MAX 64U
#define KEPT_ENTRIES_MAX ((8U << 20) / sizeof(struct slot_entry))

struct slots {
	struct target *target;
	const struct store_keys *keys;
	pthread_mutex_t lock; /* the rest */
	pthread_cond_t loaded;
	struct kept_slot *first;
	size_t count, entries;
	uint64_t clock;
};

int slots_new(struct target *t, const struct store_keys *keys, struct slots **out,
	      struct tranship_error *err)
{
	struct slots *s = calloc(1, sizeof(*s));

	*out = s;
	if (!s)
		return error_nomem(err, sizeof(*s));
	s->target = t;
	s->keys = keys;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->loaded, NULL);
	return 0;
}

void slots_free(struct slots *s)
{
	struct kept_slot *slot, *next;

	if (!s)
		return;
	for (slot = s->first; slot; slot = next) {
		next = slot->next;
		slot_index_fini(&slot->index);
		free(slot);
	}
	pthread_cond_destroy(&s->loaded);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct target *slots_target(const struct slots *s)
{
	return s->target;
}

const struct store_keys *slots_keys(const struct slots *s)
{
	return s->keys;
}

static struct kept_slot *find(const struct slots *s, const struct slot_id *id)
{
	struct kept_slot *slot = s->first;

	while (slot && !slot_id_equal(&slot->index.id, id))
		slot = slot->next;
	return slot;
}

/* Takes it out of the list, and frees it. */
static void forget(struct slots *s, struct kept_slot *slot)
{
	struct kept_slot **at = &s->first;

	while (*at != slot)
		at = &(*at)->next;
	*at = slot->next;
	s->count--;
	s->entries -= slot->index.count;
	slot_index_fini(&slot->index);
	free(slot);
}

static struct kept_slot *oldest_unheld(const struct slots *s)
{
	struct kept_slot *oldest = NULL, *slot;

	for (slot = s->first; slot; slot = slot->next)
		if (slot->holders == 0 && (!oldest || slot->used < oldest->used))
			oldest = slot;
	return oldest;
}

static void make_room(struct slots *s)
{
	while (s->count > KEPT_SLOTS_MAX || s->entries > KEPT_ENTRIES_MAX) {
		struct kept_slot *oldest = oldest_unheld(s);

		if (!oldest)
			break;
		forget(s, oldest);
	}
}

/* A new one, held, and to be loaded. */
static struct kept_slot *add(struct slots *s, const struct slot_id *id)
{
	struct kept_slot *slot = calloc(1, sizeof(*slot));

	if (!slot)
		return NULL;
	slot->index.id = *id;
	slot->loading = true;
	slot->holders = 1;
	slot->next = s->first;
	s->first = slot;
	s->count++;
	return slot;
}

/* The lock is held, and given up while the index is read. */
static int load(struct slots *s, struct kept_slot *slot, struct tranship_error *err)
{
	struct slot_id id = slot->index.id;
	struct slot_index index;
	int rc;

	pthread_mutex_unlock(&s->lock);
	rc = slot_index_read(s->target, s->keys, &id, &index, err);
	pthread_mutex_lock(&s->lock);
	if (rc) {
		forget(s, slot);
	} else {
		slot->index = index;
		s->entries += index.count;
		slot->loading = false;
		make_room(s);
		explicit_bzero(&index, sizeof(index));
	}
	pthread_cond_broadcast(&s->loaded);
	return rc;
}

int slots_hold(struct slots *s, const struct slot_id *id, struct kept_slot **out,
	       struct tranship_error *err)
{
	struct kept_slot *slot;
	int rc = 0;

	*out = NULL;
	pthread_mutex_lock(&s->lock);
	/* Who waited and finds it gone, because it could not be read, tries for itself. */
	while ((slot = find(s, id)) && slot->loading)
		pthread_cond_wait(&s->loaded, &s->lock);
	if (slot) {
		slot->holders++;
	} else {
		slot = add(s, id);
		rc = slot ? load(s, slot, err) : error_nomem(err, sizeof(*slot));
	}
	if (rc == 0) {
		slot->used = ++s->clock;
		*out = slot;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

void slots_release(struct slots *s, struct kept_slot *slot)
{
	if (!slot)
		return;
	pthread_mutex_lock(&s->lock);
	slot->holders--;
	make_room(s);
	pthread_mutex_unlock(&s->lock);
}

int slots_check_ref(const struct slot_index *index, uint32_t record, struct tranship_error *err)
{
	char name[SLOT_NAME_TEXT];

	if (record < index->count)
		return 0;
	slot_name(&index->id, name);
	return error_set(err, TRANSHIP_ECORRUPT,
			 "slot %s: record %" PRIu32 " is asked for, it has %" PRIu32, name, record,
			 index->count);
}

int slots_entry(struct slots *s, const struct record_ref *ref, struct slot_entry *out,
		struct tranship_error *err)
{
	struct kept_slot *slot;
	int rc = slots_hold(s, &ref->slot, &slot, err);

	if (rc == 0)
		rc = slots_check_ref(&slot->index, ref->record, err);
	if (rc == 0)
		*out = slot->index.entries[ref->record];
	slots_release(s, slot);
	return rc;
}
