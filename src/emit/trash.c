// SPDX-License-Identifier: Apache-2.0
#include "emit/trash.h"

static int take_mark(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	struct slot_id id;

	return slot_id_of_key(object->key, &id) ? slot_set_add(ctx, &id, err) : 0;
}

int trash_list(struct tranship_store *store, struct slot_set **out, struct tranship_error *err)
{
	int rc = slot_set_new(out, err);

	if (rc == 0)
		rc = target_list(store->target, "trash/", take_mark, *out, err);
	if (rc) {
		slot_set_free(*out);
		*out = NULL;
	}
	return rc;
}
