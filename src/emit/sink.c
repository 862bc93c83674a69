// SPDX-License-Identifier: Apache-2.0
#include "emit/sink.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define UPLOADS_DEFAULT 2U
#define UPLOADS_MAX 64U
/* Pages are few and small: their slots need less room, and what is read of them is near together.
 */
#define PAGE_SLOT_SIZE (4U << 20)
#define PAGE_BUILDERS 2U

enum builder_state { BUILDER_FREE, BUILDER_FILLING, BUILDER_QUEUED, BUILDER_STORING };

/* A slot's memory. */
struct lane_slot {
	struct slot_builder *builder;
	enum builder_state state;
	uint64_t sequence; /* queued or storing: its number among those that were sent, from 1 on */
};

/* The slots of a kind of record: one is filled, the others are on their way. */
struct lane {
	struct lane_slot *slots;
	unsigned count;
	struct lane_slot *filling; /* NULL: nothing was added since the last one was sent */
	size_t limit;
};

struct sink {
	struct tranship_store *store;
	unsigned char writer[WRITER_ID_SIZE];
	uint64_t next; /* slot's number */
	struct lane blocks, pages;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	uint64_t sent, bytes;
	bool stop;
	int code; /* of the first put that failed; 0: none */
	struct tranship_error why;
	pthread_t threads[UPLOADS_MAX];
	unsigned thread_count;
};

static struct lane_slot *oldest_queued(struct lane *lane, struct lane_slot *best)
{
	unsigned i;

	for (i = 0; i < lane->count; i++)
		if (lane->slots[i].state == BUILDER_QUEUED &&
		    (!best || lane->slots[i].sequence < best->sequence))
			best = &lane->slots[i];
	return best;
}

static int store_slot(struct sink *s, struct slot_builder *b, size_t *len,
		      struct tranship_error *err)
{
	char key[TARGET_KEY_MAX + 1];
	const unsigned char *bytes;
	unsigned char sha256[32];
	int rc = slot_builder_seal(b, &s->store->keys, &bytes, len, sha256, err);

	if (rc)
		return rc;
	slot_key(slot_builder_id(b), key);
	return target_put(s->store->target, key, bytes, *len, sha256, err);
}

static void *upload(void *ctx)
{
	struct sink *s = ctx;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct lane_slot *slot = oldest_queued(&s->pages, oldest_queued(&s->blocks, NULL));
		struct tranship_error why = { 0 };
		size_t len = 0;
		int rc;

		if (s->stop || s->code)
			break;
		if (!slot) {
			pthread_cond_wait(&s->work, &s->lock);
			continue;
		}
		slot->state = BUILDER_STORING;
		pthread_mutex_unlock(&s->lock);
		rc = store_slot(s, slot->builder, &len, &why);
		pthread_mutex_lock(&s->lock);
		if (rc && !s->code) {
			s->code = rc;
			s->why = why;
		} else if (rc == 0) {
			s->bytes += len;
			slot->state = BUILDER_FREE;
		}
		pthread_cond_broadcast(&s->done);
	}
	pthread_cond_broadcast(&s->work);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static int lane_init(struct lane *lane, unsigned count, size_t limit, struct tranship_error *err)
{
	unsigned i;
	int rc = 0;

	lane->limit = limit;
	lane->slots = calloc(count, sizeof(*lane->slots));
	if (!lane->slots)
		return error_nomem(err, count * sizeof(*lane->slots));
	lane->count = count;
	for (i = 0; i < count && rc == 0; i++)
		rc = slot_builder_new(limit, &lane->slots[i].builder, err);
	return rc;
}

static void lane_fini(struct lane *lane)
{
	unsigned i;

	for (i = 0; i < lane->count; i++)
		slot_builder_free(lane->slots[i].builder);
	free(lane->slots);
}

int sink_new(const struct sink_params *params, struct sink **out, struct tranship_error *err)
{
	unsigned uploads = params->uploads ? params->uploads : UPLOADS_DEFAULT, i;
	size_t limit = params->store->slot_size;
	struct sink *s;
	int rc;

	*out = NULL;
	if (uploads > UPLOADS_MAX)
		return error_set(err, TRANSHIP_EINVAL, "%u uploads at once; 1 to %u are taken",
				 uploads, UPLOADS_MAX);
	s = calloc(1, sizeof(*s));
	if (!s)
		return error_nomem(err, sizeof(*s));
	s->store = params->store;
	memcpy(s->writer, params->writer, sizeof(s->writer));
	s->next = params->first;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->work, NULL);
	pthread_cond_init(&s->done, NULL);
	rc = lane_init(&s->blocks, uploads + 1, limit, err);
	if (rc == 0)
		rc = lane_init(&s->pages, PAGE_BUILDERS, (size_t)min_u64(limit, PAGE_SLOT_SIZE),
			       err);
	for (i = 0; i < uploads && rc == 0; i++) {
		if (pthread_create(&s->threads[i], NULL, upload, s) != 0)
			rc = error_set(err, TRANSHIP_ENOMEM, "no thread for uploads");
		else
			s->thread_count++;
	}
	if (rc) {
		sink_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void sink_free(struct sink *s)
{
	unsigned i;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->work);
	pthread_mutex_unlock(&s->lock);
	for (i = 0; i < s->thread_count; i++)
		pthread_join(s->threads[i], NULL);
	lane_fini(&s->blocks);
	lane_fini(&s->pages);
	pthread_cond_destroy(&s->done);
	pthread_cond_destroy(&s->work);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Under the lock. */
static void lane_send(struct sink *s, struct lane *lane)
{
	if (!lane->filling)
		return;
	lane->filling->sequence = ++s->sent;
	lane->filling->state = BUILDER_QUEUED;
	lane->filling = NULL;
	pthread_cond_signal(&s->work);
}

/* Waits for the memory of a slot, which begins. Under the lock. */
static int lane_begin(struct sink *s, struct lane *lane, struct tranship_error *err)
{
	struct slot_id id;
	unsigned i;

	for (;;) {
		if (s->code)
			return error_copy(err, &s->why, s->code);
		for (i = 0; i < lane->count; i++)
			if (lane->slots[i].state == BUILDER_FREE)
				break;
		if (i < lane->count)
			break;
		pthread_cond_wait(&s->done, &s->lock);
	}
	memcpy(id.bytes, s->writer, WRITER_ID_SIZE);
	put_be64(id.bytes + WRITER_ID_SIZE, s->next++);
	lane->filling = &lane->slots[i];
	lane->filling->state = BUILDER_FILLING;
	slot_builder_begin(lane->filling->builder, &id);
	return 0;
}

int sink_add(struct sink *s, const struct slot_entry *entry, const void *stored,
	     struct record_ref *out, struct tranship_error *err)
{
	struct lane *lane = entry->kind == RECORD_PAGE ? &s->pages : &s->blocks;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (s->code)
		rc = error_copy(err, &s->why, s->code);
	if (rc == 0 && lane->filling && slot_builder_is_full(lane->filling->builder, entry->stored))
		lane_send(s, lane);
	if (rc == 0 && !lane->filling)
		rc = lane_begin(s, lane, err);
	pthread_mutex_unlock(&s->lock);
	if (rc)
		return rc;
	out->slot = *slot_builder_id(lane->filling->builder);
	return slot_builder_add(lane->filling->builder, entry, stored, &out->record, err);
}

int sink_flush(struct sink *s, struct tranship_error *err)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	lane_send(s, &s->blocks);
	lane_send(s, &s->pages);
	rc = s->code ? error_copy(err, &s->why, s->code) : 0;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

uint64_t sink_sent(const struct sink *s)
{
	return s->sent; /* only the adding thread changes it */
}

static uint64_t first_open(const struct lane *lane, uint64_t least)
{
	unsigned i;

	for (i = 0; i < lane->count; i++)
		if (lane->slots[i].state == BUILDER_QUEUED ||
		    lane->slots[i].state == BUILDER_STORING)
			least = min_u64(least, lane->slots[i].sequence);
	return least;
}

static uint64_t stored_locked(struct sink *s)
{
	return first_open(&s->pages, first_open(&s->blocks, s->sent + 1)) - 1;
}

uint64_t sink_stored(struct sink *s)
{
	uint64_t stored;

	pthread_mutex_lock(&s->lock);
	stored = stored_locked(s);
	pthread_mutex_unlock(&s->lock);
	return stored;
}

int sink_drain(struct sink *s, struct tranship_error *err)
{
	int rc = sink_flush(s, err);

	pthread_mutex_lock(&s->lock);
	while (rc == 0 && stored_locked(s) < s->sent) {
		if (s->code)
			rc = error_copy(err, &s->why, s->code);
		else
			pthread_cond_wait(&s->done, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

uint64_t sink_bytes(struct sink *s)
{
	uint64_t bytes;

	pthread_mutex_lock(&s->lock);
	bytes = s->bytes;
	pthread_mutex_unlock(&s->lock);
	return bytes;
}
