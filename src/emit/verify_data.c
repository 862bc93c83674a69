// SPDX-License-Identifier: Apache-2.0
/*
 * Reading slots whole. Of a share of them those are taken that follow a random place in the order
 * of a hash of their ids: so the number is exact, slots of all ages are among them, and one run
 * after the other covers other slots.
 */
#include "emit/verify_inside.h"

#include "base/bytes.h"
#include "base/cpus.h"
#include "base/digest.h"
#include "base/error.h"
#include "emit/slot_ondisk.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

#define THREADS_MAX 64U

struct pick {
	uint64_t hash;
	struct slot_id id;
};

struct reading {
	struct verify *v;
	struct pick *picks;
	size_t count;
	pthread_mutex_t lock; /* the rest, and v */
	pthread_cond_t ended;
	size_t next, done;
	unsigned running;
	bool stop;
	int code;
	struct tranship_error error;
};

static int compare(const void *a, const void *b)
{
	const struct pick *one = a, *two = b;

	if (one->hash != two->hash)
		return one->hash < two->hash ? -1 : 1;
	return memcmp(&one->id, &two->id, sizeof(one->id));
}

/* Where the share begins; the slots from there on, around the end, are moved to the front. */
static int rotate(struct reading *r, size_t total, struct tranship_error *err)
{
	struct pick *turned = malloc(total * sizeof(*turned));
	unsigned char random[8];
	size_t from;
	int rc = turned ? random_bytes(random, sizeof(random), err)
			: error_nomem(err, total * sizeof(*turned));

	if (rc == 0) {
		from = (size_t)(get_le64(random) % total);
		memcpy(turned, r->picks + from, (total - from) * sizeof(*turned));
		memcpy(turned + (total - from), r->picks, from * sizeof(*turned));
		free(r->picks);
		r->picks = turned;
		turned = NULL;
	}
	free(turned);
	return rc;
}

static int choose(struct reading *r, struct tranship_error *err)
{
	double share = r->v->options->subset;
	const struct slot_id *ids;
	size_t total, i;
	int rc = slot_set_list(r->v->named, &ids, &total, err);

	if (rc || total == 0)
		return rc;
	r->picks = malloc(total * sizeof(*r->picks));
	if (!r->picks)
		return error_nomem(err, total * sizeof(*r->picks));
	for (i = 0; i < total; i++)
		r->picks[i] = (struct pick){ check64(&ids[i], sizeof(ids[i]), 0), ids[i] };
	r->count = total;
	if (!(share > 0 && share < 1))
		return 0;
	r->count = (size_t)(share * (double)total);
	r->count += (double)r->count < share * (double)total; /* rounded up */
	qsort(r->picks, total, sizeof(*r->picks), compare);
	return rotate(r, total, err);
}

/* Which records of a damaged slot are damaged: of the others the points read well. */
static int find_records(struct verify *v, struct damaged_slot *d, unsigned char *bytes, size_t len,
			struct tranship_error *err)
{
	struct slot_index index = { 0 };
	ZSTD_DCtx *unpacker = ZSTD_createDCtx();
	unsigned char *raw = malloc(RECORD_RAW_MAX);
	size_t wanted;
	uint32_t i;
	int rc = unpacker && raw ? 0 : error_nomem(err, RECORD_RAW_MAX);

	if (rc == 0 && slot_index_decode(&v->store->keys, &d->id, bytes, bytes, len, len, &index,
					 &wanted, NULL))
		d->all = true;
	for (i = 0; rc == 0 && !d->all && i < index.count; i++)
		if (slot_record_open(&index, &v->store->keys, i, bytes + index.entries[i].off,
				     unpacker, raw, NULL))
			rc = damage_record(d, i, err);
	slot_index_fini(&index);
	free(raw);
	ZSTD_freeDCtx(unpacker);
	return rc;
}

static int add_damage(struct reading *r, const struct slot_id *id, const char *why,
		      unsigned char *bytes, size_t len, struct tranship_error *err)
{
	struct damaged_slot *d;
	int rc;

	pthread_mutex_lock(&r->lock);
	rc = damage_add(r->v, id, why, &d, err);
	if (rc == 0 && d && !bytes)
		d->all = true;
	else if (rc == 0 && d && !d->all)
		rc = find_records(r->v, d, bytes, len, err);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

/* The check overwrites what it checks, so what is found damaged is read again. */
static int check_slot(struct reading *r, const struct slot_id *id, struct tranship_error *err)
{
	struct tranship_store *store = r->v->store;
	struct tranship_error why = { 0 };
	char key[TARGET_KEY_MAX + 1];
	unsigned char *bytes;
	size_t len;
	int rc, found;

	slot_key(id, key);
	rc = target_get_all(store->target, key, SLOT_OBJECT_MAX, &bytes, &len, &why);
	if (rc)
		return verify_is_finding(rc, &why) ? add_damage(r, id, why.message, NULL, 0, err)
						   : error_copy(err, &why, rc);
	pthread_mutex_lock(&r->lock);
	r->v->result->read += len;
	pthread_mutex_unlock(&r->lock);
	found = slot_check(&store->keys, id, bytes, len, true, &why);
	if (found && !verify_is_finding(found, &why))
		rc = error_copy(err, &why, found);
	free(bytes);
	if (rc || found == 0)
		return rc;
	if (target_get_all(store->target, key, SLOT_OBJECT_MAX, &bytes, &len, NULL))
		bytes = NULL;
	rc = add_damage(r, id, why.message, bytes, len, err);
	free(bytes);
	return rc;
}

static void *work(void *arg)
{
	struct reading *r = arg;
	struct tranship_error err;
	size_t i;
	int rc;

	pthread_mutex_lock(&r->lock);
	while (!r->stop && r->next < r->count) {
		i = r->next++;
		pthread_mutex_unlock(&r->lock);
		rc = check_slot(r, &r->picks[i].id, &err);
		pthread_mutex_lock(&r->lock);
		r->done++;
		if (rc && !r->stop) {
			r->stop = true;
			r->code = rc;
			r->error = err;
		}
	}
	r->running--;
	pthread_cond_signal(&r->ended);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* Reports on this thread while the others work. */
static int watch(struct reading *r, struct tranship_error *err)
{
	uint64_t told = 0;
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	while (r->running) {
		struct timespec until;
		uint64_t done;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 100000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&r->ended, &r->lock, &until);
		done = (uint64_t)r->done * r->v->store->slot_size;
		pthread_mutex_unlock(&r->lock);
		if (rc == 0)
			rc = meter_add(&r->v->meter, done - told, done - told, err);
		told = done;
		pthread_mutex_lock(&r->lock);
		r->stop = r->stop || rc;
	}
	pthread_mutex_unlock(&r->lock);
	if (rc == 0 && r->code)
		rc = error_copy(err, &r->error, r->code);
	return rc;
}

static unsigned thread_count(const struct reading *r)
{
	unsigned n = r->v->options->threads ? r->v->options->threads : cpus_usable();

	if (n > THREADS_MAX)
		n = THREADS_MAX;
	if (r->v->options->threads == 0 && n > 8)
		n = 8;
	return n > r->count ? (unsigned)r->count : n;
}

int verify_data(struct verify *v, struct tranship_error *err)
{
	struct reading r = { .v = v,
			     .lock = PTHREAD_MUTEX_INITIALIZER,
			     .ended = PTHREAD_COND_INITIALIZER };
	pthread_t threads[THREADS_MAX];
	unsigned count = 0, want, i;
	int rc = choose(&r, err), failed = 0;

	if (rc)
		goto out;
	meter_start(&v->meter, &v->copy, "reading slots", (uint64_t)r.count * v->store->slot_size);
	want = thread_count(&r);
	r.running = want;
	for (i = 0; i < want && failed == 0; i++) {
		failed = pthread_create(&threads[i], NULL, work, &r);
		count += failed == 0;
	}
	pthread_mutex_lock(&r.lock);
	r.running -= want - count;
	r.stop = r.stop || failed;
	pthread_mutex_unlock(&r.lock);
	rc = watch(&r, err);
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	if (failed)
		rc = error_sys(err, failed, "a thread cannot be made");
	if (rc == 0)
		rc = meter_end(&v->meter, err);
out:
	free(r.picks);
	return rc;
}
