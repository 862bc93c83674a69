// SPDX-License-Identifier: Apache-2.0
#include "emit/note.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

int note_put(struct tranship_store *store, const char *key, enum seal_purpose purpose,
	     const unsigned char object_id[OBJECT_ID_SIZE], const json_t *json,
	     struct tranship_error *err)
{
	size_t len = json ? json_dumpb(json, NULL, 0, JSON_COMPACT) : 0;
	unsigned char *bytes = malloc(NOTE_HEAD_SIZE + len);
	struct sealer sealer = { 0 };
	int rc;

	if (len > NOTE_TEXT_MAX) {
		free(bytes);
		return error_set(err, TRANSHIP_ELIMIT, "%s would have more than %u bytes", key,
				 NOTE_TEXT_MAX);
	}
	if (!bytes || len == 0 ||
	    json_dumpb(json, (char *)bytes + NOTE_HEAD_SIZE, len, JSON_COMPACT) != len) {
		free(bytes);
		return error_nomem(err, NOTE_HEAD_SIZE + len);
	}
	memset(bytes, 0, NOTE_HEAD_SIZE);
	memcpy(bytes, NOTE_MAGIC, NOTE_OFF_SALT);
	rc = store->keys.encrypted ? random_bytes(bytes + NOTE_OFF_SALT, SEAL_SALT, err) : 0;
	if (rc == 0)
		rc = sealer_init(&sealer, &store->keys, purpose, object_id, bytes + NOTE_OFF_SALT,
				 err);
	if (rc == 0)
		rc = seal_part(&sealer, 0, bytes + NOTE_HEAD_SIZE, len, bytes + NOTE_OFF_TAG, err);
	explicit_bzero(&sealer, sizeof(sealer));
	if (rc == 0)
		rc = target_put(store->target, key, bytes, NOTE_HEAD_SIZE + len, NULL, err);
	free(bytes);
	return rc;
}

static int broken(const struct tranship_store *store, const char *key, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT, "%s/%s is damaged, or of another store",
			 store->target->name, key);
}

static int open_note(struct tranship_store *store, const char *key, enum seal_purpose purpose,
		     const unsigned char object_id[OBJECT_ID_SIZE], unsigned char *bytes,
		     size_t len, json_t **out, struct tranship_error *err)
{
	struct sealer sealer;
	int rc;

	if (len < NOTE_HEAD_SIZE || memcmp(bytes, NOTE_MAGIC, NOTE_OFF_SALT) != 0)
		return broken(store, key, err);
	rc = sealer_init(&sealer, &store->keys, purpose, object_id, bytes + NOTE_OFF_SALT, err);
	if (rc == 0)
		rc = unseal_part(&sealer, 0, bytes + NOTE_HEAD_SIZE, len - NOTE_HEAD_SIZE,
				 bytes + NOTE_OFF_TAG, err);
	explicit_bzero(&sealer, sizeof(sealer));
	if (rc)
		return rc == TRANSHIP_ECORRUPT ? broken(store, key, err) : rc;
	*out = json_loadb((char *)bytes + NOTE_HEAD_SIZE, len - NOTE_HEAD_SIZE,
			  JSON_REJECT_DUPLICATES, NULL);
	return *out ? 0 : broken(store, key, err);
}

int note_get(struct tranship_store *store, const char *key, enum seal_purpose purpose,
	     const unsigned char object_id[OBJECT_ID_SIZE], json_t **out,
	     struct tranship_error *err)
{
	unsigned char *bytes;
	size_t len;
	int rc;

	*out = NULL;
	rc = target_get_all(store->target, key, NOTE_HEAD_SIZE + NOTE_TEXT_MAX, &bytes, &len, err);
	if (rc)
		return rc;
	rc = open_note(store, key, purpose, object_id, bytes, len, out, err);
	free(bytes);
	return rc;
}
