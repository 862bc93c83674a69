// SPDX-License-Identifier: Apache-2.0
#include "emit/slot_uses.h"

#include "base/bytes.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64U

/* Open addressing; a slot whose uses are gone keeps its place. */
struct slot_uses {
	struct manifest_slot *at;
	unsigned char *taken;
	size_t count, cap;
};

static size_t place_of(const struct slot_uses *u, const struct slot_id *id)
{
	uint64_t h = get_be64(id->bytes) ^ get_be64(id->bytes + 8) * 0x9E3779B97F4A7C15ULL;
	size_t i = (size_t)(h ^ h >> 32) & (u->cap - 1);

	while (u->taken[i] && !slot_id_equal(&u->at[i].id, id))
		i = (i + 1) & (u->cap - 1);
	return i;
}

static int resize(struct slot_uses *u, size_t cap, struct tranship_error *err)
{
	struct slot_uses larger = { .count = u->count, .cap = cap };
	size_t i;

	larger.at = malloc(cap * sizeof(*larger.at));
	larger.taken = calloc(cap, 1);
	if (!larger.at || !larger.taken) {
		free(larger.at);
		free(larger.taken);
		return error_nomem(err, cap * sizeof(*larger.at));
	}
	for (i = 0; i < u->cap; i++)
		if (u->taken[i]) {
			size_t to = place_of(&larger, &u->at[i].id);

			larger.at[to] = u->at[i];
			larger.taken[to] = 1;
		}
	free(u->at);
	free(u->taken);
	*u = larger;
	return 0;
}

int slot_uses_new(const struct manifest_slot *slots, size_t count, struct slot_uses **out,
		  struct tranship_error *err)
{
	struct slot_uses *u = calloc(1, sizeof(*u));
	size_t cap = FIRST_CAP, i;
	int rc;

	*out = NULL;
	if (!u)
		return error_nomem(err, sizeof(*u));
	while (3 * cap < 4 * (count + 1))
		cap *= 2;
	rc = resize(u, cap, err);
	for (i = 0; i < count && rc == 0; i++) {
		size_t at = place_of(u, &slots[i].id);

		u->at[at] = slots[i];
		u->count += !u->taken[at];
		u->taken[at] = 1;
	}
	if (rc) {
		slot_uses_free(u);
		return rc;
	}
	*out = u;
	return 0;
}

void slot_uses_free(struct slot_uses *u)
{
	if (!u)
		return;
	free(u->at);
	free(u->taken);
	free(u);
}

int slot_uses_change(struct slot_uses *u, const struct slot_id *id, int64_t by,
		     struct tranship_error *err)
{
	int rc = 4 * (u->count + 1) > 3 * u->cap ? resize(u, 2 * u->cap, err) : 0;
	struct manifest_slot *slot;
	size_t at;

	if (rc)
		return rc;
	at = place_of(u, id);
	slot = &u->at[at];
	if (!u->taken[at]) {
		*slot = (struct manifest_slot){ .id = *id };
		u->taken[at] = 1;
		u->count++;
	}
	if (by < 0 && slot->uses < (uint64_t)-by)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "the last point's manifest says that %" PRIu64
				 " units and pages are in a slot of which its table names %" PRId64
				 " more",
				 slot->uses, -by - (int64_t)slot->uses);
	slot->uses += (uint64_t)by;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	return memcmp(((const struct manifest_slot *)a)->id.bytes,
		      ((const struct manifest_slot *)b)->id.bytes, OBJECT_ID_SIZE);
}

int slot_uses_list(const struct slot_uses *u, struct manifest_slot **out, size_t *count,
		   struct tranship_error *err)
{
	struct manifest_slot *list = malloc((u->count + 1) * sizeof(*list));
	size_t i, n = 0;

	*out = NULL;
	if (!list)
		return error_nomem(err, (u->count + 1) * sizeof(*list));
	for (i = 0; i < u->cap; i++)
		if (u->taken[i] && u->at[i].uses > 0)
			list[n++] = u->at[i];
	qsort(list, n, sizeof(*list), by_id);
	*out = list;
	*count = n;
	return 0;
}
