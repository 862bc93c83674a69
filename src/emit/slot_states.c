// SPDX-License-Identifier: Apache-2.0
#include "emit/slot_states.h"

#include "base/bytes.h"
#include "base/error.h"
#include "core/disk.h"

#include <pthread.h>
#include <stdlib.h>

#define FIRST_CAP 64U

struct slot_state {
	struct slot_id id;
	bool there, sound;
};

/* Open addressing, at most half full. */
struct slot_states {
	pthread_mutex_t lock;
	size_t count, cap;
	struct slot_state *at;
};

int slot_states_new(struct slot_states **out, struct tranship_error *err)
{
	struct slot_states *s = calloc(1, sizeof(*s));

	*out = s;
	if (s)
		s->at = calloc(FIRST_CAP, sizeof(*s->at));
	if (!s || !s->at) {
		free(s);
		*out = NULL;
		return error_nomem(err, FIRST_CAP * sizeof(*s->at));
	}
	s->cap = FIRST_CAP;
	pthread_mutex_init(&s->lock, NULL);
	return 0;
}

void slot_states_free(struct slot_states *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s->at);
	free(s);
}

/* Where it is, or would be. Ids are counted up by writers with random names. */
static struct slot_state *place_of(struct slot_state *at, size_t cap, const struct slot_id *id)
{
	uint64_t hash = get_be64(id->bytes) ^ get_be64(id->bytes + 8) * 0x9E3779B97F4A7C15ULL;
	size_t i = (size_t)(hash ^ hash >> 32) & (cap - 1);

	while (at[i].there && !slot_id_equal(&at[i].id, id))
		i = (i + 1) & (cap - 1);
	return &at[i];
}

static int grow(struct slot_states *s, struct tranship_error *err)
{
	size_t cap = 2 * s->cap, i;
	struct slot_state *at = calloc(cap, sizeof(*at));

	if (!at)
		return error_nomem(err, cap * sizeof(*at));
	for (i = 0; i < s->cap; i++)
		if (s->at[i].there)
			*place_of(at, cap, &s->at[i].id) = s->at[i];
	free(s->at);
	s->at = at;
	s->cap = cap;
	return 0;
}

static int note(struct slot_states *s, const struct slot_id *id, bool sound,
		struct tranship_error *err)
{
	struct slot_state *state;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (s->count >= s->cap / 2)
		rc = grow(s, err);
	if (rc == 0) {
		state = place_of(s->at, s->cap, id);
		s->count += !state->there;
		*state = (struct slot_state){ *id, true, sound };
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int slot_states_ask(struct slot_states *s, struct slots *slots, const struct slot_id *id,
		    bool *sound, struct tranship_error *err)
{
	const struct record_ref first = { *id, 0 };
	struct slot_state state;
	struct slot_entry entry;
	struct tranship_error why;
	int rc;

	pthread_mutex_lock(&s->lock);
	state = *place_of(s->at, s->cap, id);
	pthread_mutex_unlock(&s->lock);
	*sound = state.sound;
	if (state.there)
		return 0;
	rc = slots_entry(slots, &first, &entry, &why);
	if (rc && rc != TRANSHIP_ENOTFOUND && !is_loss(rc))
		return error_copy(err, &why, rc);
	*sound = rc == 0;
	return note(s, id, *sound, err);
}
