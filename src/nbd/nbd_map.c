// SPDX-License-Identifier: Apache-2.0
#include "nbd/nbd_map.h"

#include "base/checked.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Flags of base:allocation. */
#define STATE_HOLE 1U
#define STATE_ZERO 2U

#define REPLIES_KEPT 8U
#define EXTENTS_MAX 8192U /* of a reply: 128 KiB */

struct extent {
	uint64_t end;
	enum tranship_extent_kind kind;
};

/* What a server said of [off, the last extent's end). */
struct reply {
	uint64_t off;
	size_t count; /* 0: there is none */
	struct extent *at;
	uint64_t used; /* the map's clock when it was last of use */
};

struct nbd_map {
	struct nbd_pool *pool;
	pthread_mutex_t lock;
	uint64_t clock;
	struct reply replies[REPLIES_KEPT];
};

int nbd_map_new(struct nbd_pool *pool, struct nbd_map **out, struct tranship_error *err)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return error_nomem(err, sizeof(**out));
	(*out)->pool = pool;
	pthread_mutex_init(&(*out)->lock, NULL);
	return 0;
}

void nbd_map_free(struct nbd_map *map)
{
	size_t i;

	if (!map)
		return;
	for (i = 0; i < REPLIES_KEPT; i++)
		free(map->replies[i].at);
	pthread_mutex_destroy(&map->lock);
	free(map);
}

/* A hole of which it is not said that it reads as zeros may read as anything. Other bits are not
 * ours. */
static enum tranship_extent_kind kind_of(uint32_t flags)
{
	if (!(flags & STATE_ZERO))
		return TRANSHIP_DATA;
	return flags & STATE_HOLE ? TRANSHIP_ABSENT : TRANSHIP_ZERO;
}

/* A request and what came of it. */
struct query {
	uint64_t off, len, size;
	struct reply reply;
};

static int take_extents(void *ctx, const uint32_t *entries, size_t pairs)
{
	struct query *q = ctx;
	struct reply *r = &q->reply;
	uint64_t end = q->off;
	size_t i;

	free(r->at);
	r->count = 0;
	r->off = q->off;
	r->at = malloc(min_u64(pairs, EXTENTS_MAX) * sizeof(*r->at));
	if (!r->at)
		return -1;
	for (i = 0; i < pairs && end < q->size; i++) {
		enum tranship_extent_kind kind = kind_of(entries[2 * i + 1]);

		end += min_u64(entries[2 * i], q->size - end);
		if (r->count > 0 && r->at[r->count - 1].kind == kind)
			r->at[r->count - 1].end = end;
		else if (r->count == EXTENTS_MAX)
			break;
		else
			r->at[r->count++] = (struct extent){ .end = end, .kind = kind };
	}
	return 0;
}

static int ask(struct nbd_connection *c, void *ctx, struct tranship_error *err)
{
	struct query *q = ctx;

	return nbd_connection_status(c, q->off, q->len, take_extents, q, err);
}

/* The number of the extent that off is in; count if it is in none. */
static size_t find_in(const struct reply *r, uint64_t off)
{
	size_t low = 0, high = r->count;

	if (r->count == 0 || off < r->off)
		return r->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->at[mid].end <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool take_from(const struct reply *r, uint64_t off, struct tranship_extent *out)
{
	size_t i = find_in(r, off);

	if (i == r->count)
		return false;
	out->len = r->at[i].end - off;
	out->kind = r->at[i].kind;
	return true;
}

static bool look_up(struct nbd_map *map, uint64_t off, struct tranship_extent *out)
{
	bool found = false;
	size_t i;

	pthread_mutex_lock(&map->lock);
	for (i = 0; i < REPLIES_KEPT && !found; i++) {
		found = take_from(&map->replies[i], off, out);
		if (found)
			map->replies[i].used = ++map->clock;
	}
	pthread_mutex_unlock(&map->lock);
	return found;
}

/* In the place of the one that was not of use for the longest time. */
static void keep(struct nbd_map *map, const struct reply *reply)
{
	struct reply *oldest = &map->replies[0];
	size_t i;

	pthread_mutex_lock(&map->lock);
	for (i = 1; i < REPLIES_KEPT; i++)
		if (map->replies[i].used < oldest->used)
			oldest = &map->replies[i];
	free(oldest->at);
	*oldest = *reply;
	oldest->used = ++map->clock;
	pthread_mutex_unlock(&map->lock);
}

int nbd_map_find(struct nbd_map *map, uint64_t off, struct tranship_extent *out,
		 struct tranship_error *err)
{
	const struct nbd_facts *facts = &map->pool->facts;
	struct query q = { .off = round_down(off, facts->min_block), .size = facts->size };
	int rc;

	if (!facts->has_context) {
		out->len = facts->size - off;
		out->kind = TRANSHIP_DATA;
		return 0;
	}
	if (look_up(map, off, out))
		return 0;
	q.len = min_u64(facts->size - q.off, NBD_STATUS_MAX);
	rc = nbd_pool_do(map->pool, ask, &q, err);
	if (rc == 0 && !take_from(&q.reply, off, out))
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "nbd: %s: what the server says of its blocks does not reach %llu",
			       map->pool->target->url.shown, (unsigned long long)off);
	if (rc)
		free(q.reply.at);
	else
		keep(map, &q.reply);
	return rc;
}
