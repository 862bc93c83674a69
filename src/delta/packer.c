// SPDX-License-Identifier: Apache-2.0
/*
 * A ring of records. The caller fills the one at its head; full ones are packed by whichever thread
 * is free, and written by the caller from the ring's tail, in order.
 */
#include "delta/packer.h"

#include "base/error.h"

#include <pthread.h>
#include <stdlib.h>

/* More threads than these pack no faster than the caller can write, and each costs 4 MB. */
#define PACKER_THREADS_MAX 4U
#define PACKER_SLOTS_MAX (2 * PACKER_THREADS_MAX + 2)

enum slot_state { SLOT_FREE, SLOT_FULL, SLOT_PACKED };

struct slot {
	enum slot_state state;
	struct record_builder *builder;
	struct buffer encoded;
	struct record_span span;
	int rc;
	struct tranship_error err;
};

/* Has the compressor, which a slot need not have. */
struct packer_thread {
	pthread_t id;
	struct packer *packer;
	struct record_builder *builder;
};

struct packer {
	struct delta_writer *writer;
	uint32_t block_size;
	size_t digest_size;
	pthread_mutex_t lock; /* guards the states, the head, next and stop */
	pthread_cond_t full, packed;
	unsigned slots, threads;
	struct slot ring[PACKER_SLOTS_MAX];
	/* Where there are no threads the caller packs as the first of them. */
	struct packer_thread workers[PACKER_THREADS_MAX];
	uint64_t head; /* the record that is filled; changed by the caller only */
	uint64_t tail; /* the record that is written next; the caller's */
	uint64_t next; /* the record that is packed next */
	bool stop;
};

static struct slot *slot_of(struct packer *p, uint64_t n)
{
	return &p->ring[n % p->slots];
}

static void pack(struct record_builder *b, struct slot *s)
{
	record_builder_swap(b, s->builder);
	s->encoded.len = 0;
	s->rc = record_builder_encode(b, &s->encoded, &s->span, &s->err);
	record_builder_swap(b, s->builder);
}

/* The next record that is full; NULL: there will be none. */
static struct slot *take_full(struct packer *p)
{
	struct slot *s = NULL;

	pthread_mutex_lock(&p->lock);
	while (!p->stop && p->next == p->head)
		pthread_cond_wait(&p->full, &p->lock);
	if (!p->stop)
		s = slot_of(p, p->next++);
	pthread_mutex_unlock(&p->lock);
	return s;
}

static void *packer_main(void *arg)
{
	struct packer_thread *t = arg;
	struct packer *p = t->packer;
	struct slot *s;

	while ((s = take_full(p))) {
		pack(t->builder, s);
		pthread_mutex_lock(&p->lock);
		s->state = SLOT_PACKED;
		pthread_cond_signal(&p->packed);
		pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

/* Whether the record at the tail is packed; with `wait` it will be. */
static bool tail_is_packed(struct packer *p, bool wait)
{
	struct slot *s = slot_of(p, p->tail);
	bool is;

	pthread_mutex_lock(&p->lock);
	while (wait && s->state == SLOT_FULL)
		pthread_cond_wait(&p->packed, &p->lock);
	is = s->state == SLOT_PACKED;
	pthread_mutex_unlock(&p->lock);
	return is;
}

static int write_tail(struct packer *p, struct tranship_error *err)
{
	struct slot *s = slot_of(p, p->tail);
	int rc = s->rc ? error_copy(err, &s->err, s->rc)
		       : delta_writer_put(p->writer, &s->span, s->encoded.bytes + s->span.at, err);

	pthread_mutex_lock(&p->lock);
	s->state = SLOT_FREE;
	pthread_mutex_unlock(&p->lock);
	p->tail++;
	return rc;
}

/* Hands over the record at the head, and makes room for the next one. */
static int submit(struct packer *p, struct tranship_error *err)
{
	struct slot *s = slot_of(p, p->head);
	int rc = 0;

	if (p->threads == 0)
		pack(p->workers[0].builder, s);
	pthread_mutex_lock(&p->lock);
	s->state = p->threads == 0 ? SLOT_PACKED : SLOT_FULL;
	p->head++;
	pthread_cond_signal(&p->full);
	pthread_mutex_unlock(&p->lock);
	while (rc == 0 && p->tail < p->head && tail_is_packed(p, p->head - p->tail == p->slots))
		rc = write_tail(p, err);
	return rc;
}

/* The first blocks of c, which then begins behind them. */
static struct changed split(const struct packer *p, struct changed *c, uint32_t blocks)
{
	uint64_t bytes = (uint64_t)blocks * p->block_size;
	struct changed first = *c;

	first.blocks = blocks;
	c->off += bytes;
	c->blocks -= blocks;
	if (c->kind == RECORD_DATA) {
		c->data += bytes;
		c->new_digests += blocks * p->digest_size;
	}
	c->old_digests += blocks * p->digest_size;
	return first;
}

int packer_add(struct packer *p, const struct changed *found, struct tranship_error *err)
{
	struct changed c = *found;
	int rc = 0;

	while (rc == 0 && c.blocks > 0) {
		struct record_builder *b = slot_of(p, p->head)->builder;
		uint32_t room = record_builder_room(b, c.kind);
		bool other = record_builder_blocks(b) > 0 && record_builder_lineage(b) != c.lineage;
		struct changed part;

		if (room == 0 || other) {
			rc = submit(p, err);
			continue;
		}
		part = split(p, &c, c.blocks < room ? c.blocks : room);
		rc = record_builder_add(b, part.off, part.blocks, part.kind, part.lineage,
					part.data, part.old_digests, part.new_digests, err);
	}
	return rc;
}

int packer_finish(struct packer *p, struct tranship_error *err)
{
	int rc = 0;

	if (record_builder_blocks(slot_of(p, p->head)->builder) > 0)
		rc = submit(p, err);
	while (rc == 0 && p->tail < p->head && tail_is_packed(p, true))
		rc = write_tail(p, err);
	return rc;
}

static int start_threads(struct packer *p, unsigned wanted, const struct record_rule *rule,
			 int level, struct tranship_error *err)
{
	unsigned i;
	int rc = 0;

	for (i = 0; i < wanted && rc == 0; i++) {
		struct packer_thread *t = &p->workers[i];

		t->packer = p;
		rc = record_builder_new(rule, level, &t->builder, err);
		if (rc || wanted == 1)
			break;
		if (pthread_create(&t->id, NULL, packer_main, t) != 0)
			break; /* fewer do the same work; none: the caller */
		p->threads++;
	}
	return rc;
}

int packer_new(struct delta_writer *writer, const struct record_rule *rule, int level,
	       unsigned threads, struct packer **out, struct tranship_error *err)
{
	struct packer *p = calloc(1, sizeof(*p));
	unsigned wanted = threads < PACKER_THREADS_MAX ? threads : PACKER_THREADS_MAX, i;
	int rc = 0;

	*out = NULL;
	if (!p)
		return error_nomem(err, sizeof(*p));
	p->writer = writer;
	p->block_size = rule->block_size;
	p->digest_size = rule->digest_size;
	p->slots = wanted > 1 ? 2 * wanted + 2 : 1;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->full, NULL);
	pthread_cond_init(&p->packed, NULL);
	for (i = 0; rc == 0 && i < p->slots; i++)
		rc = record_builder_new(rule, 0, &p->ring[i].builder, err);
	if (rc == 0)
		rc = start_threads(p, wanted, rule, level, err);
	if (rc)
		packer_free(p);
	else
		*out = p;
	return rc;
}

void packer_free(struct packer *p)
{
	unsigned i;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->full);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->threads; i++)
		pthread_join(p->workers[i].id, NULL);
	for (i = 0; i < PACKER_THREADS_MAX; i++)
		record_builder_free(p->workers[i].builder);
	for (i = 0; i < p->slots; i++) {
		record_builder_free(p->ring[i].builder);
		buffer_free(&p->ring[i].encoded);
	}
	pthread_cond_destroy(&p->packed);
	pthread_cond_destroy(&p->full);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
