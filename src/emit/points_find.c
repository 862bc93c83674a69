// SPDX-License-Identifier: Apache-2.0
/* Single manifests: read, committed, and looked for. */
#include "base/error.h"
#include "base/text.h"
#include "emit/points.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Reading and committing ---- */

static int no_point(const struct tranship_store *store, const char *text,
		    struct tranship_error *err)
{
	char shown[200];

	text_escape(shown, sizeof(shown), text, strlen(text));
	return error_set(err, TRANSHIP_ENOTFOUND, "%s has no restore point '%s'",
			 store->target->name, shown);
}

int manifest_read(struct tranship_store *store, const char *id, bool with_slots,
		  struct manifest *out, struct tranship_error *err)
{
	char key[TARGET_KEY_MAX + 1];
	unsigned char *bytes;
	size_t len = 0;
	int rc;

	*out = (struct manifest){ 0 };
	if (!manifest_id_parse(id, NULL))
		return no_point(store, id, err);
	manifest_key(id, key);
	if (with_slots) {
		rc = target_get_all(store->target, key, (size_t)MANIFEST_SIZE_MAX, &bytes, &len,
				    err);
	} else {
		bytes = malloc(MANIFEST_FRONT_MAX);
		rc = bytes ? target_get(store->target, key, 0, bytes, MANIFEST_FRONT_MAX, &len, err)
			   : error_nomem(err, MANIFEST_FRONT_MAX);
	}
	if (rc == TRANSHIP_ENOTFOUND)
		rc = no_point(store, id, err);
	if (rc == 0)
		rc = manifest_decode(&store->keys, id, bytes, len, with_slots, out, err);
	free(bytes);
	return rc;
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* A clock that went back does not put a point before its predecessor. */
static int give_id(struct manifest *m, struct tranship_error *err)
{
	unsigned char random[OBJECT_ID_SIZE];
	int64_t before = -1;
	int rc = random_bytes(random, sizeof(random), err);

	if (rc)
		return rc;
	if (m->predecessor[0] && !point_id_time(m->predecessor, &before))
		return error_set(err, TRANSHIP_EINVAL, "the predecessor is no restore point");
	m->time_us = now_us();
	if (m->time_us <= before)
		m->time_us = before + 1;
	return manifest_id_format(m->time_us, random, m->id, err);
}

int manifest_write(struct tranship_store *store, struct manifest *m, unsigned char digest[32],
		   struct tranship_error *err)
{
	unsigned char *bytes, sha256[32];
	char key[TARGET_KEY_MAX + 1];
	size_t len;
	int rc = give_id(m, err);

	if (rc == 0)
		rc = manifest_encode(m, &store->keys, &bytes, &len, sha256, err);
	if (rc)
		return rc;
	manifest_key(m->id, key);
	rc = target_put(store->target, key, bytes, len, sha256, err);
	free(bytes);
	if (rc == 0 && digest)
		memcpy(digest, sha256, sizeof(sha256));
	return rc;
}

/* ---- Looking for one ---- */

struct search {
	const char *disk, *name; /* NULL: any */
	char found[POINT_ID_TEXT];
};

static int compare_point(void *ctx, const struct manifest *m, const struct tags *tags,
			 struct tranship_error *err)
{
	struct search *s = ctx;

	(void)tags;
	(void)err;
	if ((s->disk && strcmp(s->disk, m->disk) != 0) ||
	    (s->name && strcmp(s->name, m->name) != 0))
		return 0;
	strcpy(s->found, m->id);
	return 1;
}

/* The newest that fits. TRANSHIP_ENOTFOUND, without a message: the caller knows what it looked for.
 * What is damaged was warned of and does not hinder the others. */
static int search(struct tranship_store *store, const struct point_ids *ids, struct search *s,
		  struct tranship_error *err)
{
	struct points_walk walk = { .newest_first = true, .fn = compare_point, .ctx = s };
	int rc = points_walk(store, ids, &walk, err);

	return rc == 1 ? 0 : rc ? rc : TRANSHIP_ENOTFOUND;
}

int manifest_newest(struct tranship_store *store, const char *disk, bool with_slots,
		    struct manifest *out, struct tranship_error *err)
{
	struct search s = { .disk = disk };
	struct point_ids ids = { 0 };
	char shown[300];
	int rc = point_ids_list(store, POINTS_PREFIX, &ids, err);

	*out = (struct manifest){ 0 };
	if (rc == 0) {
		rc = search(store, &ids, &s, err);
		if (rc == TRANSHIP_ENOTFOUND) {
			text_escape(shown, sizeof(shown), disk, strlen(disk));
			error_set(err, rc, "%s has no restore point of the disk '%s'",
				  store->target->name, shown);
		}
	}
	point_ids_free(&ids);
	return rc ? rc : manifest_read(store, s.found, with_slots, out, err);
}

/* The digits at the end of an id. */
static bool find_digits(const struct point_ids *ids, const char *text, char found[POINT_ID_TEXT])
{
	size_t i, from = POINT_ID_TEXT - 1 - 2 * OBJECT_ID_SIZE;

	if (strlen(text) != 2 * OBJECT_ID_SIZE)
		return false;
	for (i = ids->count; i > 0; i--)
		if (strcmp(ids->at[i - 1] + from, text) == 0) {
			strcpy(found, ids->at[i - 1]);
			return true;
		}
	return false;
}

int manifest_find(struct tranship_store *store, const char *text, bool with_slots,
		  struct manifest *out, struct tranship_error *err)
{
	struct search s = { .name = text };
	struct point_ids ids = { 0 };
	int rc;

	*out = (struct manifest){ 0 };
	if (manifest_id_parse(text, NULL))
		return manifest_read(store, text, with_slots, out, err);
	rc = point_ids_list(store, POINTS_PREFIX, &ids, err);
	if (rc == 0 && !find_digits(&ids, text, s.found)) {
		rc = search(store, &ids, &s, err);
		if (rc == TRANSHIP_ENOTFOUND)
			no_point(store, text, err);
	}
	point_ids_free(&ids);
	return rc ? rc : manifest_read(store, s.found, with_slots, out, err);
}
