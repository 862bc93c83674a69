// SPDX-License-Identifier: Apache-2.0
#include "emit/commit_check.h"

#include "base/error.h"

#include <string.h>

static int take_slot(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	struct slot_id id;

	return slot_id_of_key(object->key, &id) ? slot_set_add(ctx, &id, err) : 0;
}

static int list_slots(struct tranship_store *store, const char *prefix, struct slot_set **out,
		      struct tranship_error *err)
{
	int rc = slot_set_new(out, err);

	if (rc == 0)
		rc = target_list(store->target, prefix, take_slot, *out, err);
	if (rc) {
		slot_set_free(*out);
		*out = NULL;
	}
	return rc;
}

int trash_list(struct tranship_store *store, struct slot_set **out, struct tranship_error *err)
{
	return list_slots(store, "trash/", out, err);
}

/* A listing may lag behind what was just stored: then the slot itself is asked for. */
static int is_there(struct tranship_store *store, const struct slot_id *id, bool *there,
		    struct tranship_error *err)
{
	struct object_info info;
	char key[TARGET_KEY_MAX + 1];
	int rc;

	slot_key(id, key);
	rc = target_stat(store->target, key, &info, err);
	*there = rc == 0;
	return rc == TRANSHIP_ENOTFOUND ? 0 : rc;
}

int commit_check(struct tranship_store *store, const struct manifest_slot *slots, size_t count,
		 struct slot_set **bad, struct tranship_error *err)
{
	struct slot_set *listed = NULL, *trash = NULL;
	size_t i;
	int rc = slot_set_new(bad, err);

	if (rc == 0)
		rc = list_slots(store, "slots/", &listed, err);
	if (rc == 0)
		rc = trash_list(store, &trash, err);
	for (i = 0; i < count && rc == 0; i++) {
		bool there = slot_set_has(listed, &slots[i].id);

		if (!there)
			rc = is_there(store, &slots[i].id, &there, err);
		if (rc == 0 && (!there || slot_set_has(trash, &slots[i].id)))
			rc = slot_set_add(*bad, &slots[i].id, err);
	}
	slot_set_free(listed);
	slot_set_free(trash);
	if (rc) {
		slot_set_free(*bad);
		*bad = NULL;
	}
	return rc;
}
