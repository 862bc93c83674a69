// SPDX-License-Identifier: Apache-2.0
#include "nbd/nbd_pool.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <time.h>

/* Before a connection is made again: doubled from try to try. */
#define PAUSE_FIRST_MS 100U
#define PAUSE_MAX_MS 5000U

static int check_same(const struct nbd_pool *pool, const struct nbd_facts *now,
		      struct tranship_error *err)
{
	const struct nbd_facts *was = &pool->facts;
	const char *name = pool->target->url.shown;

	if (now->size != was->size)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "nbd: %s: the export has %" PRIu64 " bytes now, and had %" PRIu64,
				 name, now->size, was->size);
	if (now->min_block > was->min_block || now->max_payload < was->max_payload ||
	    now->has_context != was->has_context)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "nbd: %s: the server takes other requests now than before", name);
	return 0;
}

int nbd_pool_open(struct nbd_pool *pool, const struct nbd_target *target, unsigned wanted,
		  unsigned reconnects, struct tranship_error *err)
{
	int rc;

	*pool = (struct nbd_pool){ .target = target, .reconnects = reconnects };
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->idle_again, NULL);
	rc = nbd_connection_open(target, &pool->idle[0], &pool->facts, err);
	if (rc)
		return rc;
	pool->idle_count = pool->open = 1;
	pool->wanted = pool->limit = pool->facts.multi_conn ? wanted : 1;
	return 0;
}

static void close_idle(struct nbd_pool *pool)
{
	pool->open -= pool->idle_count;
	while (pool->idle_count > 0)
		nbd_connection_close(pool->idle[--pool->idle_count]);
}

void nbd_pool_close(struct nbd_pool *pool)
{
	close_idle(pool);
	pthread_cond_destroy(&pool->idle_again);
	pthread_mutex_destroy(&pool->lock);
}

/* One that is idle, or the right to open one (NULL). */
static struct nbd_connection *take_idle(struct nbd_pool *pool)
{
	struct nbd_connection *c = NULL;

	pthread_mutex_lock(&pool->lock);
	while (pool->idle_count == 0 && pool->open >= pool->limit)
		pthread_cond_wait(&pool->idle_again, &pool->lock);
	if (pool->idle_count > 0)
		c = pool->idle[--pool->idle_count];
	else
		pool->open++;
	pthread_mutex_unlock(&pool->lock);
	return c;
}

/* Gives up what take_idle gave the right to; whether there are others to wait for. */
static bool give_right_back(struct nbd_pool *pool)
{
	bool others;

	pthread_mutex_lock(&pool->lock);
	others = --pool->open > 0;
	if (others)
		pool->limit = pool->open; /* the server takes no more */
	pthread_cond_signal(&pool->idle_again);
	pthread_mutex_unlock(&pool->lock);
	return others;
}

static int take(struct nbd_pool *pool, struct nbd_connection **out, struct tranship_error *err)
{
	struct nbd_facts facts;
	int rc;

	do {
		*out = take_idle(pool);
		if (*out)
			return 0;
		rc = nbd_connection_open(pool->target, out, &facts, err);
		if (rc == 0)
			rc = check_same(pool, &facts, err);
		if (rc == 0)
			return 0;
		nbd_connection_close(*out);
		*out = NULL;
	} while (give_right_back(pool) && rc == TRANSHIP_EIO);
	return rc;
}

static void give_back(struct nbd_pool *pool, struct nbd_connection *c)
{
	bool lost = nbd_connection_lost(c);

	pthread_mutex_lock(&pool->lock);
	if (lost) {
		/* Those that nobody uses went to the same server. */
		close_idle(pool);
		pool->open--;
		pool->limit = pool->wanted;
		pthread_cond_broadcast(&pool->idle_again);
	} else {
		pool->idle[pool->idle_count++] = c;
		pthread_cond_signal(&pool->idle_again);
	}
	pthread_mutex_unlock(&pool->lock);
	if (lost)
		nbd_connection_close(c);
}

static void pause_before(unsigned try)
{
	uint64_t ms = min_u64((uint64_t)PAUSE_FIRST_MS << (try < 16 ? try : 16), PAUSE_MAX_MS);
	struct timespec t = { .tv_sec = (time_t)(ms / 1000),
			      .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

int nbd_pool_do(struct nbd_pool *pool, nbd_request *request, void *ctx, struct tranship_error *err)
{
	struct nbd_connection *c;
	unsigned try;
	bool lost;
	int rc;

	for (try = 0;; try++) {
		rc = take(pool, &c, err);
		lost = rc == TRANSHIP_EIO;
		if (rc == 0) {
			rc = request(c, ctx, err);
			lost = rc && nbd_connection_lost(c);
			give_back(pool, c);
		}
		if (!lost || try >= pool->reconnects)
			return rc;
		pause_before(try);
	}
}
