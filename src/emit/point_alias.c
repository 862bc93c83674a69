// SPDX-License-Identifier: Apache-2.0
/* aliases/TIME-ID: a sealed JSON list of versions, oldest first. */
#include "emit/point_alias.h"

#include "base/digest.h"
#include "base/error.h"
#include "emit/note.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a point. Before more come, the oldest are forgotten: lists begin at the newest. */
#define ALIASES_MAX 64U

void aliases_key(const char *id, char *out)
{
	snprintf(out, TARGET_KEY_MAX + 1, "aliases/%s", id);
}

/* *out is NULL where there are none. */
static int aliases_read(struct tranship_store *store, const char *id, json_t **out,
			struct tranship_error *err)
{
	unsigned char object_id[OBJECT_ID_SIZE];
	char key[TARGET_KEY_MAX + 1];
	struct tranship_error why;
	int rc;

	*out = NULL;
	aliases_key(id, key);
	if (!manifest_id_parse(id, object_id))
		return error_set(err, TRANSHIP_EINVAL, "not the id of a point");
	rc = note_get(store, key, SEAL_ALIASES, object_id, out, &why);
	if (rc == TRANSHIP_ENOTFOUND)
		return 0;
	if (rc == 0 && !json_is_array(*out)) {
		json_decref(*out);
		*out = NULL;
		return error_set(err, TRANSHIP_ECORRUPT, "%s/%s is no list of versions",
				 store->target->name, key);
	}
	return error_copy(err, &why, rc);
}

static bool is_among(const json_t *list, const char *version)
{
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text && strcmp(text, version) == 0)
			return true;
	}
	return false;
}

int point_has_alias(struct tranship_store *store, const char *id, const char *version, bool *has,
		    struct tranship_error *err)
{
	json_t *list;
	int rc = aliases_read(store, id, &list, err);

	*has = rc == 0 && is_among(list, version);
	json_decref(list);
	return rc;
}

int point_add_alias(struct tranship_store *store, const char *id, const char *version,
		    struct tranship_error *err)
{
	unsigned char object_id[OBJECT_ID_SIZE];
	char key[TARGET_KEY_MAX + 1];
	json_t *list;
	int rc = aliases_read(store, id, &list, err);

	if (rc || is_among(list, version)) {
		json_decref(list);
		return rc;
	}
	manifest_id_parse(id, object_id);
	aliases_key(id, key);
	if (!list)
		list = json_array();
	while (json_array_size(list) >= ALIASES_MAX)
		json_array_remove(list, 0);
	if (json_array_append_new(list, json_string(version)) < 0)
		rc = error_nomem(err, strlen(version));
	if (rc == 0)
		rc = note_put(store, key, SEAL_ALIASES, object_id, list, err);
	json_decref(list);
	return rc;
}

int point_copy_aliases(struct tranship_store *from, struct tranship_store *to, const char *id,
		       struct tranship_error *err)
{
	unsigned char object_id[OBJECT_ID_SIZE];
	char key[TARGET_KEY_MAX + 1];
	json_t *list;
	int rc = aliases_read(from, id, &list, err);

	if (rc == 0 && list) {
		manifest_id_parse(id, object_id);
		aliases_key(id, key);
		rc = note_put(to, key, SEAL_ALIASES, object_id, list, err);
	}
	json_decref(list);
	return rc;
}

int manifest_digest(struct tranship_store *store, const char *id, unsigned char digest[32],
		    struct tranship_error *err)
{
	char key[TARGET_KEY_MAX + 1];
	unsigned char *bytes;
	struct sha256 *sha;
	size_t len;
	int rc;

	manifest_key(id, key);
	rc = target_get_all(store->target, key, MANIFEST_SIZE_MAX, &bytes, &len, err);
	if (rc)
		return rc;
	rc = sha256_new(&sha, err);
	if (rc == 0) {
		rc = sha256_update(sha, bytes, len, err);
		if (rc == 0)
			rc = sha256_final(sha, digest, err);
		sha256_free(sha);
	}
	free(bytes);
	return rc;
}
