// SPDX-License-Identifier: Apache-2.0
#include "emit/tags.h"

#include "base/error.h"
#include "base/text.h"
#include "emit/note.h"
#include "emit/points.h"

#include <stdio.h>
#include <string.h>

void tags_key(const char *id, char *out)
{
	snprintf(out, TARGET_KEY_MAX + 1, "tags/%s", id);
}

/* Where it is, or where it belongs. */
static size_t find(const struct tags *tags, const char *tag)
{
	size_t i;

	for (i = 0; i < tags->count && strcmp(tags->at[i], tag) < 0;)
		i++;
	return i;
}

bool tags_have(const struct tags *tags, const char *tag)
{
	size_t i = find(tags, tag);

	return i < tags->count && strcmp(tags->at[i], tag) == 0;
}

static int add(struct tags *tags, const char *tag, struct tranship_error *err)
{
	size_t i = find(tags, tag);

	if (*tag == '\0' || !text_is_line(tag, TAG_MAX))
		return error_set(err, TRANSHIP_EINVAL, "a tag is one line of 1 to %u bytes",
				 TAG_MAX);
	if (tags_have(tags, tag))
		return 0;
	if (tags->count == TAGS_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "a point has at most %u tags", TAGS_MAX);
	memmove(tags->at + i + 1, tags->at + i, (tags->count - i) * sizeof(tags->at[0]));
	strcpy(tags->at[i], tag);
	tags->count++;
	return 0;
}

static void drop(struct tags *tags, const char *tag)
{
	size_t i = find(tags, tag);

	if (!tags_have(tags, tag))
		return;
	tags->count--;
	memmove(tags->at + i, tags->at + i + 1, (tags->count - i) * sizeof(tags->at[0]));
}

int tags_read(struct tranship_store *store, const char *id, struct tags *out,
	      struct tranship_error *err)
{
	unsigned char object_id[OBJECT_ID_SIZE];
	char key[TARGET_KEY_MAX + 1];
	const char *tag;
	size_t i;
	json_t *json;
	int rc;

	out->count = 0;
	tags_key(id, key);
	if (!manifest_id_parse(id, object_id))
		return 0;
	rc = note_get(store, key, SEAL_TAGS, object_id, &json, err);
	if (rc)
		return rc == TRANSHIP_ENOTFOUND ? 0 : rc;
	if (!json_is_array(json))
		rc = TRANSHIP_EINVAL;
	for (i = 0; rc == 0 && i < json_array_size(json); i++) {
		tag = json_string_value(json_array_get(json, i));
		rc = add(out, tag ? tag : "", NULL);
	}
	json_decref(json);
	return rc ? error_set(err, TRANSHIP_ECORRUPT, "%s/%s is no list of tags",
			      store->target->name, key)
		  : 0;
}

int tags_write(struct tranship_store *store, const char *id, const struct tags *tags,
	       struct tranship_error *err)
{
	unsigned char object_id[OBJECT_ID_SIZE];
	char key[TARGET_KEY_MAX + 1];
	json_t *json;
	size_t i;
	int rc;

	tags_key(id, key);
	if (tags->count == 0)
		return target_remove(store->target, key, err);
	if (!manifest_id_parse(id, object_id))
		return error_set(err, TRANSHIP_EINVAL, "only a restore point has tags");
	json = json_array();
	for (i = 0; json && i < tags->count; i++)
		if (json_array_append_new(json, json_string(tags->at[i]))) {
			json_decref(json);
			json = NULL;
		}
	rc = note_put(store, key, SEAL_TAGS, object_id, json, err);
	json_decref(json);
	return rc;
}

int tranship_store_tag(struct tranship_store *store, const char *point, const char *const *add_tags,
		       size_t add_count, const char *const *drop_tags, size_t drop_count,
		       struct tranship_error *err)
{
	struct manifest m;
	struct tags tags;
	size_t i;
	int rc = manifest_find(store, point, false, &m, err);

	if (rc)
		return rc;
	rc = tags_read(store, m.id, &tags, err);
	for (i = 0; rc == 0 && i < drop_count; i++)
		drop(&tags, drop_tags[i]);
	for (i = 0; rc == 0 && i < add_count; i++)
		rc = add(&tags, add_tags[i], err);
	if (rc == 0)
		rc = tags_write(store, m.id, &tags, err);
	manifest_free(&m);
	return rc;
}
