// SPDX-License-Identifier: Apache-2.0
/*
 * Verifying a store: every manifest, the presence of every slot that one names, the content of
 * slots (where asked for), and every table. Damage is collected slot by slot, and told with the
 * ranges of the points that it affects.
 */
#include "emit/verify_inside.h"

#include "base/digest.h"
#include "base/error.h"
#include "emit/point_keys.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct points {
	struct point_keys ids;
	unsigned char (*digests)[32]; /* of their manifests */
	bool *sound;
	uint64_t bytes; /* of their disks */
};

static int hash(const unsigned char *bytes, size_t len, unsigned char out[32],
		struct tranship_error *err)
{
	struct sha256 *s;
	int rc = sha256_new(&s, err);

	if (rc == 0)
		rc = sha256_update(s, bytes, len, err);
	if (rc == 0)
		rc = sha256_final(s, out, err);
	sha256_free(s);
	return rc;
}

/* Where the predecessor is still there it must be the one that was there when this was made. */
static void check_predecessor(struct verify *v, const struct points *p, size_t at,
			      const struct manifest *m)
{
	size_t i;

	for (i = at; i > 0 && *m->predecessor; i--) {
		if (strcmp(p->ids.at[i - 1], m->predecessor) != 0)
			continue;
		if (p->sound[i - 1] &&
		    memcmp(p->digests[i - 1], m->predecessor_digest, sizeof(p->digests[0])) != 0)
			verify_finding(v,
				       "point %s: its predecessor %s is not what it was when this "
				       "point was made: it was put back, exchanged or copied "
				       "again",
				       m->id, m->predecessor);
		return;
	}
}

static int take_slots(struct verify *v, const struct manifest *m, struct tranship_error *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < m->slot_count && rc == 0; i++)
		rc = slot_set_add(v->named, &m->slots[i].id, err);
	return rc;
}

static int check_manifest(struct verify *v, struct points *p, size_t i, struct tranship_error *err)
{
	struct manifest m = { 0 };
	struct tranship_error why = { 0 };
	char key[TARGET_KEY_MAX + 1];
	unsigned char *bytes;
	size_t len;
	int rc;

	manifest_key(p->ids.at[i], key);
	rc = target_get_all(v->store->target, key, MANIFEST_SIZE_MAX, &bytes, &len, &why);
	if (rc == TRANSHIP_ENOTFOUND)
		return 0; /* it was pruned since it was listed */
	v->result->points++;
	if (rc == 0)
		rc = hash(bytes, len, p->digests[i], &why);
	if (rc == 0)
		rc = manifest_decode(&v->store->keys, p->ids.at[i], bytes, len, true, &m, &why);
	free(bytes);
	if (rc && verify_is_finding(rc, &why))
		verify_finding(v, "point %s: %s", p->ids.at[i], why.message);
	else if (rc)
		return error_copy(err, &why, rc);
	if (rc)
		return 0;
	p->sound[i] = true;
	p->bytes += m.size;
	check_predecessor(v, p, i, &m);
	rc = take_slots(v, &m, err);
	manifest_free(&m);
	return rc;
}

static int check_manifests(struct verify *v, struct points *p, struct tranship_error *err)
{
	size_t i;
	int rc = point_keys_read(v->store, POINTS_PREFIX, &p->ids, err);

	if (rc)
		return rc;
	if (*p->ids.stray)
		verify_finding(v, "'%s' is no point, and stands among them", p->ids.stray);
	p->digests = calloc(p->ids.count + 1, sizeof(*p->digests));
	p->sound = calloc(p->ids.count + 1, sizeof(*p->sound));
	if (!p->digests || !p->sound)
		return error_nomem(err, (p->ids.count + 1) * sizeof(*p->digests));
	for (i = 0; i < p->ids.count && rc == 0; i++)
		rc = check_manifest(v, p, i, err);
	v->result->slots = slot_set_count(v->named);
	return rc;
}

struct presence {
	struct verify *v;
	struct slot_set *there;
};

static int take_present(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	struct presence *p = ctx;
	struct slot_id id;

	if (!slot_id_of_key(object->key, &id) || !slot_set_has(p->v->named, &id))
		return 0;
	return slot_set_add(p->there, &id, err);
}

/* What a listing lacks may only be late in it: it is asked for by its key. */
static int check_presence(struct verify *v, struct tranship_error *err)
{
	struct presence p = { .v = v };
	const struct slot_id *ids;
	size_t count, i;
	int rc = slot_set_new(&p.there, err);

	if (rc == 0)
		rc = target_list(v->store->target, "slots/", take_present, &p, err);
	if (rc == 0)
		rc = slot_set_list(v->named, &ids, &count, err);
	for (i = 0; rc == 0 && i < count; i++) {
		struct tranship_error why = { 0 };
		char key[TARGET_KEY_MAX + 1];
		struct object_info info;
		struct damaged_slot *d;

		if (slot_set_has(p.there, &ids[i]))
			continue;
		slot_key(&ids[i], key);
		rc = target_stat(v->store->target, key, &info, &why);
		if (rc == TRANSHIP_ENOTFOUND) {
			rc = damage_add(v, &ids[i], why.message, &d, err);
			if (rc == 0 && d)
				d->all = true;
		} else if (rc) {
			error_copy(err, &why, rc);
		}
	}
	slot_set_free(p.there);
	return rc;
}

static int check_tables(struct verify *v, const struct points *p, struct tranship_error *err)
{
	size_t i;
	int rc = 0;

	meter_start(&v->meter, &v->copy, "checking tables", p->bytes);
	for (i = 0; i < p->ids.count && rc == 0; i++) {
		struct manifest m = { 0 };

		if (!p->sound[i])
			continue;
		rc = manifest_read(v->store, p->ids.at[i], true, &m, err);
		if (rc == 0)
			rc = verify_table(v, &m, err);
		else if (rc == TRANSHIP_ENOTFOUND)
			rc = 0;
		manifest_free(&m);
	}
	return rc ? rc : meter_end(&v->meter, err);
}

int tranship_store_verify(struct tranship_store *store,
			  const struct tranship_store_verify_options *options,
			  struct tranship_store_verify_result *out, struct tranship_error *err)
{
	struct verify v = { .store = store, .options = options, .result = out };
	struct points p = { 0 };
	int rc;

	*out = (struct tranship_store_verify_result){ 0 };
	if (!(options->subset >= 0 && options->subset <= 1))
		return error_set(err, TRANSHIP_EINVAL, "%g is no share: 0 to 1 is",
				 options->subset);
	v.copy.progress = options->progress;
	v.copy.progress_ctx = options->progress_ctx;
	rc = slot_set_new(&v.named, err);
	if (rc == 0)
		rc = slot_set_new(&v.bad, err);
	if (rc == 0)
		rc = check_manifests(&v, &p, err);
	if (rc == 0)
		rc = check_presence(&v, err);
	if (rc == 0 && options->read_data)
		rc = verify_data(&v, err);
	if (rc == 0)
		rc = check_tables(&v, &p, err);
	if (rc == 0)
		damage_tell(&v);
	damage_free(&v);
	slot_set_free(v.named);
	slot_set_free(v.bad);
	point_keys_free(&p.ids);
	free(p.digests);
	free(p.sound);
	return rc;
}
