// SPDX-License-Identifier: Apache-2.0
/*
 * docs/formats/store.md, "Leases". The writer measures the age of its lease by its own clock that
 * does not stop in suspend, from before the put on; gc measures it by the server's. A lease that
 * was not renewed for half the grace is lost and never renewed: gc may have acted on its absence.
 */
#include "emit/lease.h"

#include "base/error.h"
#include "base/hex.h"
#include "base/text.h"
#include "emit/note.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LEASES "leases/"
#define LEASE_KEY_SIZE 32U
#define RENEW_SECONDS 600.0

static double clock_here(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void lease_key(const unsigned char writer[WRITER_ID_SIZE], char key[LEASE_KEY_SIZE])
{
	char text[2 * WRITER_ID_SIZE + 1];

	hex_text(writer, WRITER_ID_SIZE, text);
	snprintf(key, LEASE_KEY_SIZE, LEASES "%s", text);
}

static void object_id_of(const unsigned char writer[WRITER_ID_SIZE],
			 unsigned char id[OBJECT_ID_SIZE])
{
	memset(id, 0, OBJECT_ID_SIZE);
	memcpy(id, writer, WRITER_ID_SIZE);
}

/* ---- One's own ---- */

static int put_lease(struct lease *l, struct tranship_error *err)
{
	json_t *json = json_pack("{s:s, s:I}", "base", l->base, "grace", (json_int_t)l->grace);
	unsigned char id[OBJECT_ID_SIZE];
	double before = clock_here();
	struct object_info info;
	char key[LEASE_KEY_SIZE];
	int rc;

	lease_key(l->writer, key);
	object_id_of(l->writer, id);
	rc = note_put(l->store, key, SEAL_LEASE, id, json, err);
	json_decref(json);
	if (rc == 0)
		rc = target_stat(l->store->target, key, &info, err);
	if (rc)
		return rc;
	l->renewed = info.time;
	l->renewed_here = before;
	return 0;
}

int lease_take(struct tranship_store *store, const unsigned char *writer, const char *base,
	       uint64_t grace, struct lease *out, struct tranship_error *err)
{
	int rc = 0;

	*out = (struct lease){ .store = store, .grace = grace ? grace : TRANSHIP_GRACE_DEFAULT };
	if (out->grace > INT64_MAX || strlen(base) >= sizeof(out->base) ||
	    !text_is_line(base, sizeof(out->base) - 1))
		return error_set(err, TRANSHIP_EINVAL, "a lease cannot name this point or grace");
	strcpy(out->base, base);
	if (writer)
		memcpy(out->writer, writer, WRITER_ID_SIZE);
	else
		rc = random_bytes(out->writer, WRITER_ID_SIZE, err);
	return rc ? rc : put_lease(out, err);
}

static double lease_age(const struct lease *l)
{
	return clock_here() - l->renewed_here;
}

int lease_keep(struct lease *lease, struct tranship_error *err)
{
	double every = (double)lease->grace / 16;
	int rc = lease_check(lease, err);

	if (rc || lease_age(lease) < (every < RENEW_SECONDS ? every : RENEW_SECONDS))
		return rc;
	return put_lease(lease, err);
}

int lease_check(const struct lease *lease, struct tranship_error *err)
{
	double age = lease_age(lease);

	if (age >= 0 && age <= (double)lease->grace / 2)
		return 0;
	return error_set(err, TRANSHIP_ECANCELED,
			 "the lease on %s was renewed %.0f seconds ago, at most half the grace of "
			 "%llu seconds may pass: gc may have removed what this run counts on",
			 lease->store->target->name, age, (unsigned long long)lease->grace);
}

int lease_drop(struct lease *lease, struct tranship_error *err)
{
	char key[LEASE_KEY_SIZE];

	lease_key(lease->writer, key);
	return target_remove(lease->store->target, key, err);
}

/* ---- Those of others ---- */

struct listing {
	struct tranship_store *store;
	lease_fn *fn;
	void *ctx;
};

static int unreadable(const struct tranship_store *store, const char *key,
		      struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT, "%s/%s is no lease", store->target->name, key);
}

static int read_lease(struct tranship_store *store, const char *key, struct lease_info *info,
		      struct tranship_error *err)
{
	unsigned char id[OBJECT_ID_SIZE];
	const char *base;
	json_int_t grace;
	json_t *json;
	int rc;

	if (strlen(key) != strlen(LEASES) + 2 * WRITER_ID_SIZE ||
	    !hex_parse(key + strlen(LEASES), info->writer, WRITER_ID_SIZE))
		return unreadable(store, key, err);
	object_id_of(info->writer, id);
	rc = note_get(store, key, SEAL_LEASE, id, &json, err);
	if (rc)
		return rc;
	base = json_string_value(json_object_get(json, "base"));
	if (base && strlen(base) < sizeof(info->base) && text_is_line(base, sizeof(info->base) - 1))
		strcpy(info->base, base);
	else
		rc = unreadable(store, key, err);
	grace = json_integer_value(json_object_get(json, "grace"));
	info->grace = grace > 0 ? (uint64_t)grace : 0;
	json_decref(json);
	return rc;
}

static int take_lease(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	const struct listing *l = ctx;
	struct object_info now;
	struct lease_info info;
	int rc = read_lease(l->store, object->key, &info, err);

	/* When it was renewed is asked of the object itself: a listing may lag. */
	if (rc == 0)
		rc = target_stat(l->store->target, object->key, &now, err);
	if (rc)
		return rc == TRANSHIP_ENOTFOUND ? 0 : rc;
	info.renewed = now.time;
	return l->fn(l->ctx, &info, err);
}

int lease_list(struct tranship_store *store, lease_fn *fn, void *ctx, struct tranship_error *err)
{
	struct listing l = { store, fn, ctx };

	return target_list(store->target, LEASES, take_lease, &l, err);
}
