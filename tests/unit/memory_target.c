// SPDX-License-Identifier: Apache-2.0
#include "memory_target_inside.h"

#include "base/error.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory_target *memory_target_of(struct target *t)
{
	return (struct memory_target *)t;
}

/* Where the key is, or would be. */
static size_t place_of(const struct memory_target *m, const char *key)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(m->objects[middle].info.key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct memory_object *find(struct memory_target *m, const char *key)
{
	size_t at = place_of(m, key);

	return at < m->count && strcmp(m->objects[at].info.key, key) == 0 ? &m->objects[at] : NULL;
}

static int absent(const struct memory_target *m, const char *key, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ENOTFOUND, "%s/%s: there is no such object", m->target.name,
			 key);
}

/* One thread at a time; what others do meanwhile is not told. */
static void call_hook(struct memory_target *m, enum memory_op op, const char *key, bool after)
{
	memory_hook *hook;
	void *ctx;

	pthread_mutex_lock(&m->lock);
	hook = m->in_hook ? NULL : m->hook;
	ctx = m->hook_ctx;
	if (hook)
		m->in_hook = true;
	pthread_mutex_unlock(&m->lock);
	if (!hook)
		return;
	hook(ctx, op, key, after);
	pthread_mutex_lock(&m->lock);
	m->in_hook = false;
	pthread_mutex_unlock(&m->lock);
}

/* What all operations begin with; 0 means that the lock is held. */
static int begin(struct memory_target *m, enum memory_op op, const char *key,
		 struct tranship_error *err)
{
	int code = 0;

	call_hook(m, op, key, false);
	pthread_mutex_lock(&m->lock);
	if (++m->calls == m->fail_at)
		code = m->fail_code;
	if (code == 0)
		return 0;
	pthread_mutex_unlock(&m->lock);
	return error_set(err, code, "%s/%s: made to fail", m->target.name, key);
}

static void end(struct memory_target *m, enum memory_op op, const char *key)
{
	pthread_mutex_unlock(&m->lock);
	call_hook(m, op, key, true);
}

/* A new, empty object. NULL: no memory. */
static struct memory_object *insert(struct memory_target *m, const char *key)
{
	size_t at = place_of(m, key);

	if (m->count == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 16;
		struct memory_object *more = realloc(m->objects, cap * sizeof(*more));

		if (!more)
			return NULL;
		m->objects = more;
		m->cap = cap;
	}
	memmove(m->objects + at + 1, m->objects + at, (m->count - at) * sizeof(*m->objects));
	m->count++;
	memset(&m->objects[at], 0, sizeof(m->objects[at]));
	snprintf(m->objects[at].info.key, sizeof(m->objects[at].info.key), "%s", key);
	return &m->objects[at];
}

static int memory_put(struct target *t, const char *key, const void *bytes, size_t len,
		      const unsigned char *sha256, struct tranship_error *err)
{
	struct memory_target *m = memory_target_of(t);
	unsigned char *copy = malloc(len + 1);
	struct memory_object *o = NULL;
	int rc = begin(m, MEMORY_PUT, key, err);

	(void)sha256;
	if (rc) {
		free(copy);
		return rc;
	}
	m->puts++;
	if (copy) {
		o = find(m, key);
		if (!o)
			o = insert(m, key);
	}
	if (o) {
		if (len > 0)
			memcpy(copy, bytes, len);
		free(o->bytes);
		o->bytes = copy;
		o->info.size = len;
		o->info.time = m->now;
		memory_lag_note(m, &o->info, true);
	}
	end(m, MEMORY_PUT, key);
	if (o)
		return 0;
	free(copy);
	return error_nomem(err, len);
}

static int memory_get(struct target *t, const char *key, uint64_t off, void *buf, size_t len,
		      size_t *got, struct tranship_error *err)
{
	struct memory_target *m = memory_target_of(t);
	const struct memory_object *o;
	int rc = begin(m, MEMORY_GET, key, err);

	*got = 0;
	if (rc)
		return rc;
	m->reads++;
	o = find(m, key);
	if (o && off < o->info.size) {
		uint64_t left = o->info.size - off;

		*got = len < left ? len : (size_t)left;
		memcpy(buf, o->bytes + off, *got);
	}
	end(m, MEMORY_GET, key);
	return o ? 0 : absent(m, key, err);
}

static int memory_tail(struct target *t, const char *key, void *buf, size_t len, size_t *got,
		       uint64_t *size, struct tranship_error *err)
{
	struct memory_target *m = memory_target_of(t);
	const struct memory_object *o;
	int rc = begin(m, MEMORY_TAIL, key, err);

	*got = 0;
	*size = 0;
	if (rc)
		return rc;
	m->reads++;
	o = find(m, key);
	if (o) {
		*size = o->info.size;
		*got = len < *size ? len : (size_t)*size;
		memcpy(buf, o->bytes + *size - *got, *got);
	}
	end(m, MEMORY_TAIL, key);
	return o ? 0 : absent(m, key, err);
}

static int memory_stat(struct target *t, const char *key, struct object_info *out,
		       struct tranship_error *err)
{
	struct memory_target *m = memory_target_of(t);
	const struct memory_object *o;
	int rc = begin(m, MEMORY_STAT, key, err);

	if (rc)
		return rc;
	o = find(m, key);
	if (o)
		*out = o->info;
	end(m, MEMORY_STAT, key);
	return o ? 0 : absent(m, key, err);
}

/* What is told is a copy: the caller may put and remove meanwhile. */
static int memory_list(struct target *t, const char *prefix, object_fn *fn, void *ctx,
		       struct tranship_error *err)
{
	struct memory_target *m = memory_target_of(t);
	struct object_info *copy;
	size_t total, count = 0, i;
	int rc = begin(m, MEMORY_LIST, prefix, err);

	if (rc)
		return rc;
	memory_lag_settle(m);
	total = m->lags ? m->shown_count : m->count;
	copy = malloc((total + 1) * sizeof(*copy));
	for (i = 0; copy && i < total; i++) {
		const struct object_info *info = m->lags ? &m->shown[i] : &m->objects[i].info;

		if (strncmp(info->key, prefix, strlen(prefix)) == 0)
			copy[count++] = *info;
	}
	end(m, MEMORY_LIST, prefix);
	if (!copy)
		return error_nomem(err, sizeof(*copy));
	for (i = 0; i < count && rc == 0; i++)
		rc = fn(ctx, &copy[i], err);
	free(copy);
	return rc;
}

static int memory_remove(struct target *t, const char *key, struct tranship_error *err)
{
	struct memory_target *m = memory_target_of(t);
	struct memory_object *o;
	int rc = begin(m, MEMORY_REMOVE, key, err);

	if (rc)
		return rc;
	o = find(m, key);
	if (o) {
		size_t at = (size_t)(o - m->objects);

		memory_lag_note(m, &o->info, false);
		free(o->bytes);
		m->count--;
		memmove(o, o + 1, (m->count - at) * sizeof(*o));
	}
	end(m, MEMORY_REMOVE, key);
	return 0;
}

static int memory_now(struct target *t, int64_t *out, struct tranship_error *err)
{
	struct memory_target *m = memory_target_of(t);

	int rc = begin(m, MEMORY_NOW, "", err);

	if (rc)
		return rc;
	*out = m->now;
	end(m, MEMORY_NOW, "");
	return 0;
}

static void memory_close(struct target *t)
{
	struct memory_target *m = memory_target_of(t);
	size_t i;

	for (i = 0; i < m->count; i++)
		free(m->objects[i].bytes);
	free(m->objects);
	free(m->shown);
	free(m->changes);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static const struct target_ops memory_ops = {
	.put = memory_put,
	.get = memory_get,
	.tail = memory_tail,
	.stat = memory_stat,
	.list = memory_list,
	.remove = memory_remove,
	.now = memory_now,
	.close = memory_close,
};

struct target *memory_target_new(void)
{
	struct memory_target *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->target.ops = &memory_ops;
	snprintf(m->target.name, sizeof(m->target.name), "memory");
	pthread_mutex_init(&m->lock, NULL);
	m->now = 1700000000;
	return &m->target;
}

void memory_target_set_time(struct target *t, int64_t now)
{
	struct memory_target *m = memory_target_of(t);

	pthread_mutex_lock(&m->lock);
	m->now = now;
	pthread_mutex_unlock(&m->lock);
}

unsigned char *memory_target_bytes(struct target *t, const char *key, size_t *len)
{
	struct memory_target *m = memory_target_of(t);
	struct memory_object *o;

	pthread_mutex_lock(&m->lock);
	o = find(m, key);
	if (o && len)
		*len = (size_t)o->info.size;
	pthread_mutex_unlock(&m->lock);
	return o ? o->bytes : NULL;
}

bool memory_target_has(struct target *t, const char *key)
{
	return memory_target_bytes(t, key, NULL) != NULL;
}

void memory_target_fail(struct target *t, unsigned long nth, int code)
{
	struct memory_target *m = memory_target_of(t);

	pthread_mutex_lock(&m->lock);
	m->fail_at = nth ? m->calls + nth : 0;
	m->fail_code = code;
	pthread_mutex_unlock(&m->lock);
}

void memory_target_hook(struct target *t, memory_hook *hook, void *ctx)
{
	struct memory_target *m = memory_target_of(t);

	m->hook = hook;
	m->hook_ctx = ctx;
}
