// SPDX-License-Identifier: Apache-2.0
#include "emit/commit_check.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { THERE = 1, TRASHED = 2 };

struct check {
	const struct manifest_slot *slots; /* ascending */
	size_t count;
	unsigned char *seen;
	unsigned char what;
};

static int compare(const void *key, const void *element)
{
	const struct manifest_slot *slot = element;

	return memcmp(key, &slot->id, sizeof(slot->id));
}

static int take(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	struct check *c = ctx;
	const struct manifest_slot *slot;
	struct slot_id id;

	(void)err;
	if (!slot_id_of_key(object->key, &id))
		return 0;
	slot = bsearch(&id, c->slots, c->count, sizeof(*slot), compare);
	if (slot)
		c->seen[slot - c->slots] |= c->what;
	return 0;
}

/* By key where it was not listed. */
static int is_good(struct tranship_store *store, const struct check *c, size_t i, bool *good,
		   struct tranship_error *err)
{
	char key[TARGET_KEY_MAX + 1];
	struct object_info info;
	int rc = 0;

	*good = !(c->seen[i] & TRASHED);
	if (!*good || c->seen[i] & THERE)
		return 0;
	slot_key(&c->slots[i].id, key);
	rc = target_stat(store->target, key, &info, err);
	*good = rc == 0;
	return rc == TRANSHIP_ENOTFOUND ? 0 : rc;
}

static int add_bad(struct slot_set **bad, const struct slot_id *id, struct tranship_error *err)
{
	int rc = *bad ? 0 : slot_set_new(bad, err);

	return rc ? rc : slot_set_add(*bad, id, err);
}

int commit_check(struct tranship_store *store, const struct manifest_slot *slots, size_t count,
		 struct slot_set **bad, struct tranship_error *err)
{
	struct check c = { .slots = slots, .count = count, .what = THERE };
	size_t i;
	bool good;
	int rc;

	*bad = NULL;
	c.seen = calloc(count + 1, 1);
	if (!c.seen)
		return error_nomem(err, count + 1);
	rc = target_list(store->target, "slots/", take, &c, err);
	c.what = TRASHED;
	if (rc == 0)
		rc = target_list(store->target, "trash/", take, &c, err);
	for (i = 0; i < count && rc == 0; i++) {
		rc = is_good(store, &c, i, &good, err);
		if (rc == 0 && !good)
			rc = add_bad(bad, &slots[i].id, err);
	}
	free(c.seen);
	if (rc) {
		slot_set_free(*bad);
		*bad = NULL;
	}
	return rc;
}
