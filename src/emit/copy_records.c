// SPDX-License-Identifier: Apache-2.0
/*
 * The records of points that are copied: workers read, name and pack them, the caller's thread
 * stores them, in order. Where neither store is encrypted names are the same, and what the other
 * store has is not read.
 */
#include "emit/copy_inside.h"

#include "base/error.h"
#include "emit/slot_ondisk.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define THREADS_MAX 64U
#define WINDOW_PER_THREAD 4U
#define LEVEL 3

enum state { EMPTY, QUEUED, DONE };

/* A place in the ring. */
struct job {
	enum state state;
	struct record_ref from, to;
	unsigned subs;
	bool found;
	struct slot_entry entry;
	unsigned char *stored;
	int code;
	struct tranship_error error;
};

struct copy_pool {
	struct tranship_store *from, *to;
	struct block_index *index;
	pthread_mutex_t lock; /* the rest, but for what is in a job that is being worked on */
	pthread_cond_t queued, done;
	struct job *jobs;
	size_t window;
	uint64_t submitted, taken;
	bool stop;
	pthread_t threads[THREADS_MAX];
	unsigned count;
};

struct worker {
	struct copy_pool *pool;
	struct slots_scratch *scratch;
	ZSTD_CCtx *packer;
};

static int pack(struct worker *w, struct job *job, const unsigned char *raw, size_t len,
		struct tranship_error *err)
{
	struct slot_entry *e = &job->entry;
	bool packed = e->codec == CODEC_ZSTD;
	size_t got = 0;

	if (!job->stored)
		job->stored = malloc(STORE_BLOCK);
	if (!job->stored)
		return error_nomem(err, STORE_BLOCK);
	/* What does not become smaller is kept as it is. */
	if (packed) {
		got = ZSTD_compressCCtx(w->packer, job->stored, len - 1, raw, len, LEVEL);
		packed = !ZSTD_isError(got);
	}
	if (!packed)
		memcpy(job->stored, raw, len);
	e->codec = packed ? CODEC_ZSTD : CODEC_NONE;
	e->stored = (uint32_t)(packed ? got : len);
	return 0;
}

static int find(struct copy_pool *p, struct job *job, struct tranship_error *err)
{
	int rc = block_index_find(p->index, job->entry.name, job->entry.raw, &job->to, err);

	job->found = rc > 0;
	return rc < 0 ? rc : 0;
}

static int check_entry(const struct job *job, struct tranship_error *err)
{
	const struct slot_entry *e = &job->entry;
	char slot[SLOT_NAME_TEXT];

	slot_name(&job->from.slot, slot);
	if (e->kind != RECORD_BLOCK || e->raw == 0 || e->raw % STORE_UNIT || e->raw > STORE_BLOCK ||
	    job->subs > e->raw / STORE_UNIT)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "slot %s: record %u is not the %u units that the table says", slot,
				 job->from.record, job->subs);
	return 0;
}

static int do_job(struct worker *w, struct job *job, struct tranship_error *err)
{
	struct copy_pool *p = w->pool;
	bool same_names = !p->from->keys.encrypted && !p->to->keys.encrypted;
	const unsigned char *raw;
	size_t len;
	int rc = slots_entry(p->from->slots, &job->from, &job->entry, err);

	job->found = false;
	if (rc == 0)
		rc = check_entry(job, err);
	if (rc == 0 && same_names)
		rc = find(p, job, err);
	if (rc || job->found)
		return rc;
	rc = slots_read(p->from->slots, w->scratch, &job->from, &raw, &len, err);
	if (rc == 0 && !same_names)
		rc = name_of(&p->to->keys, raw, len, job->entry.name, err);
	if (rc == 0 && !same_names)
		rc = find(p, job, err);
	return rc || job->found ? rc : pack(w, job, raw, len, err);
}

static void *work(void *arg)
{
	struct copy_pool *p = arg;
	struct worker w = { .pool = p, .packer = ZSTD_createCCtx() };
	struct tranship_error err;
	int rc = w.packer ? slots_scratch_new(&w.scratch, &err) : error_nomem(&err, 0);

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct job *job;

		while (!p->stop && p->taken == p->submitted)
			pthread_cond_wait(&p->queued, &p->lock);
		if (p->stop)
			break;
		job = &p->jobs[p->taken++ % p->window];
		pthread_mutex_unlock(&p->lock);
		job->error = err;
		job->code = rc ? rc : do_job(&w, job, &job->error);
		pthread_mutex_lock(&p->lock);
		job->state = DONE;
		pthread_cond_signal(&p->done);
	}
	pthread_mutex_unlock(&p->lock);
	slots_scratch_free(w.scratch);
	ZSTD_freeCCtx(w.packer);
	return NULL;
}

int copy_pool_new(struct tranship_store *from, struct tranship_store *to, struct block_index *index,
		  unsigned threads, struct copy_pool **out, struct tranship_error *err)
{
	struct copy_pool *p = calloc(1, sizeof(*p));
	int failed = 0;

	*out = NULL;
	if (!p)
		return error_nomem(err, sizeof(*p));
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	p->from = from;
	p->to = to;
	p->index = index;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->queued, NULL);
	pthread_cond_init(&p->done, NULL);
	p->window = (size_t)threads * WINDOW_PER_THREAD;
	p->jobs = calloc(p->window, sizeof(*p->jobs));
	while (p->jobs && failed == 0 && p->count < threads) {
		failed = pthread_create(&p->threads[p->count], NULL, work, p);
		p->count += failed == 0;
	}
	if (p->jobs && failed == 0) {
		*out = p;
		return 0;
	}
	copy_pool_free(p);
	return failed ? error_sys(err, failed, "a thread cannot be made")
		      : error_nomem(err, threads * WINDOW_PER_THREAD * sizeof(struct job));
}

void copy_pool_free(struct copy_pool *p)
{
	size_t i;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->queued);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->count; i++)
		pthread_join(p->threads[i], NULL);
	for (i = 0; p->jobs && i < p->window; i++)
		free(p->jobs[i].stored);
	free(p->jobs);
	pthread_cond_destroy(&p->queued);
	pthread_cond_destroy(&p->done);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void submit(struct copy_pool *p, const struct copy_record *record)
{
	struct job *job;

	pthread_mutex_lock(&p->lock);
	job = &p->jobs[p->submitted++ % p->window];
	job->state = QUEUED;
	job->from = record->from;
	job->subs = record->subs;
	pthread_cond_signal(&p->queued);
	pthread_mutex_unlock(&p->lock);
}

/* The oldest job, whose number is n. */
static struct job *wait_for(struct copy_pool *p, uint64_t n)
{
	struct job *job = &p->jobs[n % p->window];

	pthread_mutex_lock(&p->lock);
	while (job->state != DONE)
		pthread_cond_wait(&p->done, &p->lock);
	job->state = EMPTY;
	pthread_mutex_unlock(&p->lock);
	return job;
}

static int finish(struct copying *c, struct job *job, struct copy_record *record,
		  struct tranship_error *err)
{
	int rc = job->code;

	if (rc)
		return error_copy(err, &job->error, rc);
	if (!job->found) /* one before it may have been the same */
		rc = find(c->pool, job, err);
	if (rc == 0 && !job->found) {
		rc = sink_add(c->sink, &job->entry, job->stored, &job->to, err);
		if (rc == 0)
			rc = block_index_add(c->index, job->entry.name, job->entry.raw, &job->to,
					     err);
	}
	record->to = job->to;
	record->raw = job->entry.raw;
	return rc;
}

/* After an error what is queued is waited for, and dropped. */
int copy_records(struct copying *c, struct copy_record *records, size_t count,
		 struct tranship_error *err)
{
	struct copy_pool *p = c->pool;
	uint64_t base = p->submitted;
	size_t sent = 0, i;
	int rc = 0;

	for (i = 0; i < count; i++) {
		struct job *job;

		while (rc == 0 && sent < count && sent - i < p->window)
			submit(p, &records[sent++]);
		if (i == sent)
			break;
		job = wait_for(p, base + i);
		if (rc == 0)
			rc = finish(c, job, &records[i], err);
	}
	return rc;
}
