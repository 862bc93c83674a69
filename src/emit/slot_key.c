// SPDX-License-Identifier: Apache-2.0
/* The keys of slots and of their marks. */
#include "emit/slot_ondisk.h"

#include "base/hex.h"

#include <stdio.h>
#include <string.h>

void slot_key(const struct slot_id *id, char *out)
{
	char name[SLOT_NAME_TEXT];

	slot_name(id, name);
	snprintf(out, TARGET_KEY_MAX + 1, "slots/%s/%s", name + 2 * (OBJECT_ID_SIZE - 1), name);
}

void slot_trash_key(const struct slot_id *id, char *out)
{
	char name[SLOT_NAME_TEXT];

	slot_name(id, name);
	snprintf(out, TARGET_KEY_MAX + 1, "trash/%s", name);
}

bool slot_id_of_key(const char *key, struct slot_id *out)
{
	char again[TARGET_KEY_MAX + 1];
	const char *name = strrchr(key, '/');
	struct slot_id id;

	if (!name || strlen(++name) != 2 * OBJECT_ID_SIZE ||
	    !hex_parse(name, id.bytes, OBJECT_ID_SIZE))
		return false;
	slot_key(&id, again);
	if (strcmp(key, again) != 0) {
		slot_trash_key(&id, again);
		if (strcmp(key, again) != 0)
			return false;
	}
	*out = id;
	return true;
}
