// SPDX-License-Identifier: Apache-2.0
/* The keys of slots and of their marks. */
#include "emit/slot_ondisk.h"

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

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool slot_id_of_key(const char *key, struct slot_id *out)
{
	char again[TARGET_KEY_MAX + 1];
	const char *name = strrchr(key, '/');
	struct slot_id id;
	size_t i;

	if (!name || strlen(++name) != 2 * OBJECT_ID_SIZE)
		return false;
	for (i = 0; i < OBJECT_ID_SIZE; i++) {
		int high = digit_of(name[2 * i]), low = digit_of(name[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		id.bytes[i] = (unsigned char)(high << 4 | low);
	}
	slot_key(&id, again);
	if (strcmp(key, again) != 0) {
		slot_trash_key(&id, again);
		if (strcmp(key, again) != 0)
			return false;
	}
	*out = id;
	return true;
}
