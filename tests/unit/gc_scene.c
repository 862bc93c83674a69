// SPDX-License-Identifier: Apache-2.0
#include "gc_scene.h"

#include "base/bytes.h"
#include "emit/commit_check.h"
#include "made_stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take_warning(void *ctx, const char *message)
{
	struct scene *s = ctx;

	snprintf(s->warned, sizeof(s->warned), "%s", message);
}

void care_open(struct scene *s, const char *lag)
{
	memset(s, 0, sizeof(*s));
	s->store = store_make(false);
	s->store->warn = take_warning;
	s->store->warn_ctx = s;
	s->t = s->store->target;
	if (lag)
		memory_target_lag(s->t, lag, 0, LAG);
}

static void forget(struct writer *w)
{
	slot_uses_free(&w->uses);
	slot_set_free(w->trash);
	memset(w, 0, sizeof(*w));
}

void care_close(struct scene *s)
{
	unsigned n;

	for (n = 0; n < WRITERS_MAX; n++)
		forget(&s->writers[n]);
	tranship_store_close(s->store);
}

void care_pass(struct scene *s, unsigned seconds)
{
	unsigned n;

	memory_target_set_time(s->t, memory_target_of(s->t)->now + seconds);
	for (n = 0; n < WRITERS_MAX; n++)
		s->writers[n].lease.renewed_here -= seconds;
}

void care_gc(struct scene *s)
{
	struct tranship_gc_options options = { .grace = GRACE };
	struct tranship_error err;

	assert_ok(tranship_store_gc(s->store, &options, &s->gc, &err), &err);
}

static void at_operation(void *ctx, enum memory_op op, const char *key, bool after)
{
	struct scene *s = ctx;

	(void)op;
	(void)key;
	if (!after && ++s->seen == s->at)
		s->step(s);
}

bool care_gc_with(struct scene *s, unsigned long at, void (*step)(struct scene *s))
{
	s->at = at;
	s->seen = 0;
	s->step = step;
	memory_target_hook(s->t, at_operation, s);
	care_gc(s);
	memory_target_hook(s->t, NULL, NULL);
	return s->seen >= at;
}

void care_prune(struct scene *s, const char *disk)
{
	struct tranship_prune_options options = { .disk = disk, .keep_last = 1 };
	struct tranship_error err;

	assert_ok(tranship_store_prune(s->store, &options, &err), &err);
}

bool care_has_slot(struct scene *s, const struct slot_id *slot)
{
	char key[TARGET_KEY_MAX + 1];

	slot_key(slot, key);
	return memory_target_has(s->t, key);
}

bool care_has_mark(struct scene *s, const struct slot_id *slot)
{
	char key[TARGET_KEY_MAX + 1];

	slot_trash_key(slot, key);
	return memory_target_has(s->t, key);
}

static bool point_complete(struct scene *s, const char *id)
{
	struct tranship_error err;
	struct manifest m = { 0 };
	bool whole = true;
	size_t i;

	assert_ok(manifest_read(s->store, id, true, &m, &err), &err);
	for (i = 0; i < m.slot_count; i++)
		whole = whole && care_has_slot(s, &m.slots[i].id);
	manifest_free(&m);
	return whole;
}

bool care_complete(struct scene *s)
{
	struct memory_target *m = memory_target_of(s->t);
	bool whole = true;
	size_t i;

	for (i = 0; i < m->count && whole; i++)
		if (strncmp(m->objects[i].info.key, "points/", 7) == 0)
			whole = point_complete(s, m->objects[i].info.key + 7);
	return whole;
}

void care_end(struct scene *s)
{
	unsigned i;

	for (i = 0; i < 4; i++) {
		assert_true(care_complete(s));
		care_gc(s);
		care_pass(s, GRACE + LAG + 1);
	}
	assert_true(care_complete(s));
}

void care_point(struct scene *s, const char *disk, char id[POINT_ID_TEXT], struct slot_id *slot)
{
	unsigned n = WRITERS_MAX - 1;
	struct slot_id own;
	struct tranship_error err;
	struct manifest m = { 0 };

	assert_true(writer_begin(s, n, ""));
	own = writer_put(s, n);
	assert_int_equal(writer_check(s, n), 0);
	assert_int_equal(writer_commit(s, n, disk, disk), 0);
	writer_end(s, n);
	care_pass(s, LAG); /* it is listed from now on */
	assert_ok(manifest_newest(s->store, disk, false, &m, &err), &err);
	if (id)
		memcpy(id, m.id, sizeof(m.id));
	if (slot)
		*slot = own;
	manifest_free(&m);
}

/* ---- Writers ---- */

static int take_trash(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	struct slot_id id;

	return slot_id_of_key(object->key, &id) ? slot_set_add(ctx, &id, err) : 0;
}

static void begin(struct scene *s, struct writer *w, const unsigned char *id, const char *base)
{
	struct tranship_error err;

	assert_ok(lease_take(s->store, id, base, GRACE, &w->lease, &err), &err);
	slot_set_free(w->trash);
	assert_ok(slot_set_new(&w->trash, &err), &err);
	assert_ok(target_list(s->t, "trash/", take_trash, w->trash, &err), &err);
	w->used = true;
}

/* The base is read when the lease is there: then it is safe from then on. */
bool writer_begin(struct scene *s, unsigned n, const char *base)
{
	struct writer *w = &s->writers[n];
	struct tranship_error err;
	struct manifest m = { 0 };
	int rc = 0;

	begin(s, w, NULL, base);
	w->next = 1;
	if (*base)
		rc = manifest_read(s->store, base, true, &m, &err);
	if (rc == 0)
		rc = slot_uses_add_all(&w->uses, m.slots, m.slot_count, &err);
	manifest_free(&m);
	if (rc == 0)
		return true;
	assert_int_equal(rc, TRANSHIP_ENOTFOUND);
	writer_end(s, n);
	return false;
}

void writer_resume(struct scene *s, unsigned n)
{
	struct writer *w = &s->writers[n];
	struct lease old = w->lease;

	begin(s, w, old.writer, old.base);
}

bool writer_dedupe(struct scene *s, unsigned n, const struct slot_id *slot)
{
	struct tranship_error err;

	if (slot_set_has(s->writers[n].trash, slot) || !care_has_slot(s, slot))
		return false;
	assert_ok(slot_uses_add(&s->writers[n].uses, slot, 1, &err), &err);
	return true;
}

struct slot_id writer_put(struct scene *s, unsigned n)
{
	struct writer *w = &s->writers[n];
	char key[TARGET_KEY_MAX + 1];
	struct tranship_error err;
	struct slot_id id;

	memcpy(id.bytes, w->lease.writer, WRITER_ID_SIZE);
	put_be64(id.bytes + WRITER_ID_SIZE, w->next++);
	slot_key(&id, key);
	assert_ok(target_put(s->t, key, "slot", 4, NULL, &err), &err);
	assert_ok(slot_uses_add(&w->uses, &id, 1, &err), &err);
	return id;
}

static void store_again(struct scene *s, unsigned n, struct slot_set *bad)
{
	struct writer *w = &s->writers[n];
	const struct slot_id *ids;
	struct tranship_error err;
	size_t count, i;

	assert_ok(slot_set_list(bad, &ids, &count, &err), &err);
	for (i = 0; i < count; i++) {
		uint64_t uses = slot_uses_of(&w->uses, &ids[i]);

		assert_ok(slot_uses_add(&w->uses, &ids[i], -uses, &err), &err);
		writer_put(s, n);
		w->restored++;
	}
}

int writer_check(struct scene *s, unsigned n)
{
	struct writer *w = &s->writers[n];
	struct manifest_slot *slots;
	struct tranship_error err;
	struct slot_set *bad;
	size_t count;
	int rc;

	do {
		rc = lease_keep(&w->lease, &err);
		if (rc)
			return rc;
		assert_ok(slot_uses_list(&w->uses, &slots, &count, &err), &err);
		assert_ok(commit_check(s->store, slots, count, &bad, &err), &err);
		free(slots);
		if (bad)
			store_again(s, n, bad);
		rc = bad != NULL;
		slot_set_free(bad);
	} while (rc);
	return 0;
}

int writer_commit(struct scene *s, unsigned n, const char *disk, const char *name)
{
	struct writer *w = &s->writers[n];
	struct manifest m = {
		.version = "v", .source_format = "raw", .size = 1U << 20, .sector_size = 512
	};
	struct tranship_error err;
	int rc = lease_check(&w->lease, &err);

	if (rc)
		return rc;
	snprintf(m.disk, sizeof(m.disk), "%s", disk);
	snprintf(m.name, sizeof(m.name), "%s", name);
	assert_ok(slot_uses_list(&w->uses, &m.slots, &m.slot_count, &err), &err);
	assert_ok(manifest_write(s->store, &m, NULL, &err), &err);
	manifest_free(&m);
	return 0;
}

void writer_end(struct scene *s, unsigned n)
{
	struct tranship_error err;

	assert_ok(lease_drop(&s->writers[n].lease, &err), &err);
	forget(&s->writers[n]);
}

void writer_die(struct scene *s, unsigned n)
{
	s->writers[n].used = false;
}
