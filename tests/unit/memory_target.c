// SPDX-License-Identifier: Apache-2.0
#include "memory_target.h"

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

	(void)sha256;
	pthread_mutex_lock(&m->lock);
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
	}
	pthread_mutex_unlock(&m->lock);
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

	pthread_mutex_lock(&m->lock);
	m->reads++;
	o = find(m, key);
	*got = 0;
	if (o && off < o->info.size) {
		uint64_t left = o->info.size - off;

		*got = len < left ? len : (size_t)left;
		memcpy(buf, o->bytes + off, *got);
	}
	pthread_mutex_unlock(&m->lock);
	return o ? 0 : absent(m, key, err);
}

static int memory_tail(struct target *t, const char *key, void *buf, size_t len, size_t *got,
		       uint64_t *size, struct tranship_error *err)
{
	struct memory_target *m = memory_target_of(t);
	const struct memory_object *o;

	pthread_mutex_lock(&m->lock);
	m->reads++;
	o = find(m, key);
	*got = 0;
	*size = 0;
	if (o) {
		*size = o->info.size;
		*got = len < *size ? len : (size_t)*size;
		memcpy(buf, o->bytes + *size - *got, *got);
	}
	pthread_mutex_unlock(&m->lock);
	return o ? 0 : absent(m, key, err);
}

static int memory_stat(struct target *t, const char *key, struct object_info *out,
		       struct tranship_error *err)
{
	struct memory_target *m = memory_target_of(t);
	const struct memory_object *o;

	pthread_mutex_lock(&m->lock);
	o = find(m, key);
	if (o)
		*out = o->info;
	pthread_mutex_unlock(&m->lock);
	return o ? 0 : absent(m, key, err);
}

/* What is told is a copy: the caller may put and remove meanwhile. */
static int memory_list(struct target *t, const char *prefix, object_fn *fn, void *ctx,
		       struct tranship_error *err)
{
	struct memory_target *m = memory_target_of(t);
	struct object_info *copy;
	size_t count = 0, i;
	int rc = 0;

	pthread_mutex_lock(&m->lock);
	copy = malloc((m->count + 1) * sizeof(*copy));
	for (i = 0; copy && i < m->count; i++)
		if (strncmp(m->objects[i].info.key, prefix, strlen(prefix)) == 0)
			copy[count++] = m->objects[i].info;
	pthread_mutex_unlock(&m->lock);
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

	(void)err;
	pthread_mutex_lock(&m->lock);
	o = find(m, key);
	if (o) {
		size_t at = (size_t)(o - m->objects);

		free(o->bytes);
		m->count--;
		memmove(o, o + 1, (m->count - at) * sizeof(*o));
	}
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static int memory_now(struct target *t, int64_t *out, struct tranship_error *err)
{
	struct memory_target *m = memory_target_of(t);

	(void)err;
	pthread_mutex_lock(&m->lock);
	*out = m->now;
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static void memory_close(struct target *t)
{
	struct memory_target *m = memory_target_of(t);
	size_t i;

	for (i = 0; i < m->count; i++)
		free(m->objects[i].bytes);
	free(m->objects);
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
