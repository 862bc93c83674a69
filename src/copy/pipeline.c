// SPDX-License-Identifier: Apache-2.0
/*
 * A ring of slots. A worker takes the planner's seat (one mutex), claims the next slot in sequence
 * once it is free, plans into it and leaves the seat to the next worker while it works. The
 * committer takes slots in sequence. There is no planner thread to be scheduled and no queue
 * between the stages, and a slow commit stops the planning when the ring is full, which bounds the
 * memory.
 */
#include "copy/pipeline.h"

#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* So often `idle` is called when nothing moves. */
#define IDLE_NS (100 * 1000 * 1000)

enum slot_state { SLOT_FREE, SLOT_TAKEN, SLOT_DONE };

struct slot {
	enum slot_state state;
	bool end; /* nothing was planned into it: the sequence ends before it */
	void *item;
	int rc;
	struct tranship_error err;
};

struct pipeline {
	const struct pipeline_ops *ops;
	void *ctx;
	pthread_mutex_t seat; /* held while planning; guards next */
	uint64_t next;        /* the sequence number that is planned next */
	bool planned_all;     /* also under the seat */
	pthread_mutex_t lock; /* guards the states and stop */
	pthread_cond_t freed, done;
	bool stop;
	struct slot *awaited; /* what the committer waits for; NULL: it is at work */
	unsigned slots;
	struct slot *ring;
};

struct thread {
	pthread_t id;
	struct pipeline *p;
	void *worker;
};

/* Waits until the slot may be planned into; false: stop. */
static bool claim(struct pipeline *p, struct slot *slot)
{
	bool go;

	pthread_mutex_lock(&p->lock);
	while (slot->state != SLOT_FREE && !p->stop)
		pthread_cond_wait(&p->freed, &p->lock);
	go = !p->stop;
	if (go)
		slot->state = SLOT_TAKEN;
	pthread_mutex_unlock(&p->lock);
	return go;
}

static void publish(struct pipeline *p, struct slot *slot)
{
	pthread_mutex_lock(&p->lock);
	slot->state = SLOT_DONE;
	if (slot == p->awaited)
		pthread_cond_signal(&p->done);
	pthread_mutex_unlock(&p->lock);
}

/* Plans the next item; NULL when there is no more to plan. */
static struct slot *plan_next(struct pipeline *p)
{
	struct slot *slot = NULL;

	pthread_mutex_lock(&p->seat);
	if (!p->planned_all) {
		slot = &p->ring[p->next % p->slots];
		if (claim(p, slot)) {
			int rc = p->ops->plan(p->ctx, slot->item, &slot->err);

			p->next++;
			slot->end = rc == 0;
			slot->rc = rc < 0 ? rc : 0;
			p->planned_all = rc != 1;
		} else {
			slot = NULL;
			p->planned_all = true;
		}
	}
	pthread_mutex_unlock(&p->seat);
	return slot;
}

static void *worker_main(void *arg)
{
	struct thread *t = arg;
	struct pipeline *p = t->p;
	struct slot *slot;

	while ((slot = plan_next(p))) {
		if (!slot->end && slot->rc == 0)
			slot->rc = p->ops->work(p->ctx, t->worker, slot->item, &slot->err);
		publish(p, slot);
	}
	return NULL;
}

/* Waits for a slot to be done, calling idle now and then. */
static int await_done(struct pipeline *p, struct slot *slot, struct tranship_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	p->awaited = slot;
	while (slot->state != SLOT_DONE && rc == 0) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += IDLE_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		if (pthread_cond_timedwait(&p->done, &p->lock, &until) != 0 && p->ops->idle) {
			pthread_mutex_unlock(&p->lock);
			rc = p->ops->idle(p->ctx, err);
			pthread_mutex_lock(&p->lock);
		}
	}
	p->awaited = NULL;
	pthread_mutex_unlock(&p->lock);
	return rc;
}

static void release(struct pipeline *p, struct slot *slot)
{
	pthread_mutex_lock(&p->lock);
	slot->state = SLOT_FREE;
	pthread_cond_signal(&p->freed);
	pthread_mutex_unlock(&p->lock);
}

static int commit_all(struct pipeline *p, struct tranship_error *err)
{
	uint64_t n;

	for (n = 0;; n++) {
		struct slot *slot = &p->ring[n % p->slots];
		int rc = await_done(p, slot, err);

		if (rc)
			return rc;
		if (slot->rc)
			return error_copy(err, &slot->err, slot->rc);
		if (slot->end)
			return 0;
		rc = p->ops->commit(p->ctx, slot->item, err);
		if (rc)
			return rc < 0 ? rc : 0;
		release(p, slot);
	}
}

static int run_threads(struct pipeline *p, struct thread *threads, unsigned count,
		       struct tranship_error *err)
{
	unsigned started, i;
	int rc = 0;

	for (started = 0; started < count; started++) {
		int sys =
			pthread_create(&threads[started].id, NULL, worker_main, &threads[started]);

		if (sys && started == 0)
			rc = error_sys(err, sys, "no thread could be started");
		if (sys) /* fewer than wanted do the same work */
			break;
	}
	if (rc == 0)
		rc = commit_all(p, err);
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->freed);
	pthread_mutex_unlock(&p->lock);
	if (p->ops->cancel)
		p->ops->cancel(p->ctx);
	for (i = 0; i < started; i++)
		pthread_join(threads[i].id, NULL);
	return rc;
}

/* One thread: the same three steps in a row. */
static int run_alone(struct pipeline *p, void *worker, struct tranship_error *err)
{
	void *item = p->ring[0].item;
	int rc;

	while ((rc = p->ops->plan(p->ctx, item, err)) == 1) {
		rc = p->ops->work(p->ctx, worker, item, err);
		if (rc == 0)
			rc = p->ops->commit(p->ctx, item, err);
		if (rc)
			return rc < 0 ? rc : 0;
	}
	return rc;
}

static int setup(struct pipeline *p, struct thread *threads, unsigned count,
		 struct tranship_error *err)
{
	unsigned i;
	int rc = 0;

	for (i = 0; i < p->slots && rc == 0; i++)
		rc = p->ops->item_new(p->ctx, &p->ring[i].item, err);
	for (i = 0; i < count && rc == 0; i++) {
		threads[i].p = p;
		rc = p->ops->worker_new(p->ctx, &threads[i].worker, err);
	}
	return rc;
}

int pipeline_run(const struct pipeline_ops *ops, void *ctx, unsigned threads,
		 struct tranship_error *err)
{
	/*
	 * Two items a worker and some more: where the committer is the bottleneck (a slow write)
	 * the workers run ahead instead of sleeping at every turn. Twelve more measured 10 % faster
	 * than one more.
	 */
	unsigned spare = ops->spare_items ? ops->spare_items : 12;
	struct pipeline p = { .ops = ops,
			      .ctx = ctx,
			      .slots = threads == 1 ? 1 : 2 * threads + spare };
	struct thread *list = calloc(threads, sizeof(*list));
	pthread_condattr_t attr;
	unsigned i;
	int rc;

	p.ring = calloc(p.slots, sizeof(*p.ring));
	pthread_mutex_init(&p.seat, NULL);
	pthread_mutex_init(&p.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p.freed, &attr);
	pthread_cond_init(&p.done, &attr);
	pthread_condattr_destroy(&attr);
	rc = list && p.ring ? setup(&p, list, threads, err)
			    : error_nomem(err, p.slots * sizeof(*p.ring));
	if (rc == 0)
		rc = threads == 1 ? run_alone(&p, list[0].worker, err)
				  : run_threads(&p, list, threads, err);
	for (i = 0; list && i < threads; i++)
		if (list[i].worker)
			ops->worker_free(ctx, list[i].worker);
	for (i = 0; p.ring && i < p.slots; i++)
		if (p.ring[i].item)
			ops->item_free(ctx, p.ring[i].item);
	free(p.ring);
	free(list);
	pthread_cond_destroy(&p.freed);
	pthread_cond_destroy(&p.done);
	pthread_mutex_destroy(&p.lock);
	pthread_mutex_destroy(&p.seat);
	return rc;
}
