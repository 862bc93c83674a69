// SPDX-License-Identifier: Apache-2.0
/* The tree of a hive. */
#include "image_hive.h"

#include "base/bytes.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void *grown(void *array, size_t count, size_t size)
{
	void *more = realloc(array, (count + 1) * size);

	if (!more)
		abort();
	memset((unsigned char *)more + count * size, 0, size);
	return more;
}

void hive_image_init(struct hive_image *hive)
{
	memset(hive, 0, sizeof(*hive));
	hive->minor = 5;
	hive->list = HIVE_LH;
	strcpy(hive->root.name, "NewStoreRoot");
}

static void free_key(struct hive_key *key)
{
	size_t i;

	for (i = 0; i < key->value_count; i++)
		free(key->values[i].data);
	free(key->values);
	for (i = 0; i < key->subkey_count; i++) {
		free_key(key->subkeys[i]);
		free(key->subkeys[i]);
	}
	free(key->subkeys);
}

void hive_image_free(struct hive_image *hive)
{
	free_key(&hive->root);
}

uint16_t hive_image_upper(uint16_t c)
{
	return c >= 'a' && c <= 'z' ? (uint16_t)(c - 'a' + 'A') : c;
}

size_t hive_image_units(const char *name, uint16_t units[HIVE_NAME])
{
	long count = text_to_utf16(units, HIVE_NAME, name);

	if (count < 0)
		abort();
	return (size_t)count;
}

static int compare_names(const char *a, const char *b)
{
	uint16_t ua[HIVE_NAME], ub[HIVE_NAME];
	size_t la = hive_image_units(a, ua), lb = hive_image_units(b, ub), i;

	for (i = 0; i < la && i < lb; i++)
		if (hive_image_upper(ua[i]) != hive_image_upper(ub[i]))
			return hive_image_upper(ua[i]) < hive_image_upper(ub[i]) ? -1 : 1;
	return la < lb ? -1 : la > lb;
}

/* The subkey with that name, or where it belongs. */
static bool locate(const struct hive_key *key, const char *name, size_t *at)
{
	int order = 1;

	for (*at = 0; *at < key->subkey_count && order > 0; (*at)++) {
		order = compare_names(name, key->subkeys[*at]->name);
		if (order <= 0)
			break;
	}
	return *at < key->subkey_count && order == 0;
}

static struct hive_key *subkey(struct hive_key *key, const char *name)
{
	size_t at;

	if (locate(key, name, &at))
		return key->subkeys[at];
	key->subkeys = grown(key->subkeys, key->subkey_count, sizeof(*key->subkeys));
	memmove(key->subkeys + at + 1, key->subkeys + at,
		(key->subkey_count - at) * sizeof(*key->subkeys));
	key->subkeys[at] = grown(NULL, 0, sizeof(**key->subkeys));
	strcpy(key->subkeys[at]->name, name);
	key->subkey_count++;
	return key->subkeys[at];
}

/* The next component of a path, which moves behind it. */
static bool component(const char **path, char name[HIVE_NAME])
{
	size_t len = strcspn(*path, "\\");

	if (len == 0)
		return false;
	if (len >= HIVE_NAME)
		abort();
	memcpy(name, *path, len);
	name[len] = '\0';
	*path += len + ((*path)[len] == '\\');
	return true;
}

struct hive_key *hive_image_key(struct hive_image *hive, const char *path)
{
	struct hive_key *key = &hive->root;
	char name[HIVE_NAME];

	while (component(&path, name))
		key = subkey(key, name);
	return key;
}

bool hive_image_remove(struct hive_image *hive, const char *path)
{
	struct hive_key *key = &hive->root, *gone;
	char name[HIVE_NAME];
	size_t at;

	while (component(&path, name)) {
		if (!locate(key, name, &at))
			return false;
		gone = key->subkeys[at];
		if (*path) {
			key = gone;
			continue;
		}
		free_key(gone);
		free(gone);
		key->subkey_count--;
		memmove(key->subkeys + at, key->subkeys + at + 1,
			(key->subkey_count - at) * sizeof(*key->subkeys));
		return true;
	}
	return false;
}

struct hive_value *hive_image_value(struct hive_key *key, const char *name, uint32_t type,
				    const void *data, size_t len)
{
	struct hive_value *value = NULL;
	size_t i;

	for (i = 0; i < key->value_count; i++)
		if (compare_names(key->values[i].name, name) == 0)
			value = &key->values[i];
	if (!value) {
		key->values = grown(key->values, key->value_count, sizeof(*key->values));
		value = &key->values[key->value_count++];
		strcpy(value->name, name);
	}
	free(value->data);
	value->data = grown(NULL, 0, len + 1);
	if (len)
		memcpy(value->data, data, len);
	value->len = len;
	value->type = type;
	return value;
}

struct hive_value *hive_image_text(struct hive_key *key, const char *name, uint32_t type,
				   const char *text)
{
	size_t units = strlen(text) + 1 + (type == HIVE_MULTI_SZ), i;
	unsigned char *raw = grown(NULL, 0, 2 * units);
	struct hive_value *value;

	for (i = 0; text[i]; i++)
		raw[2 * i] = type == HIVE_MULTI_SZ && text[i] == '|' ? 0 : (unsigned char)text[i];
	value = hive_image_value(key, name, type, raw, 2 * units);
	free(raw);
	return value;
}

struct hive_value *hive_image_dword(struct hive_key *key, const char *name, uint32_t number)
{
	unsigned char raw[4];

	put_le32(raw, number);
	return hive_image_value(key, name, HIVE_DWORD, raw, sizeof(raw));
}
