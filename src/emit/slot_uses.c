// SPDX-License-Identifier: Apache-2.0
#include "emit/slot_uses.h"

#include "base/bytes.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void slot_uses_free(struct slot_uses *u)
{
	free(u->at);
	free(u->taken);
	*u = (struct slot_uses){ 0 };
}

/* cap is a power of two and the table is never full. */
static size_t place(const struct slot_uses *u, const struct slot_id *id)
{
	uint64_t hash = (get_be64(id->bytes) ^ get_be64(id->bytes + 8) * 0x9E3779B97F4A7C15U) *
			0xD6E8FEB86659FD93U;
	size_t at = (size_t)(hash >> 20) & (u->cap - 1);

	while (u->taken[at] && !slot_id_equal(&u->at[at].id, id))
		at = (at + 1) & (u->cap - 1);
	return at;
}

static int grow(struct slot_uses *u, struct tranship_error *err)
{
	struct slot_uses more = { .cap = u->cap ? u->cap * 2 : 256, .count = u->count };
	size_t i, to;

	more.at = calloc(more.cap, sizeof(*more.at));
	more.taken = calloc(more.cap, 1);
	if (!more.at || !more.taken) {
		slot_uses_free(&more);
		return error_nomem(err, u->cap * 2 * sizeof(*more.at));
	}
	for (i = 0; i < u->cap; i++) {
		if (!u->taken[i])
			continue;
		to = place(&more, &u->at[i].id);
		more.at[to] = u->at[i];
		more.taken[to] = 1;
	}
	slot_uses_free(u);
	*u = more;
	return 0;
}

int slot_uses_add(struct slot_uses *u, const struct slot_id *id, uint64_t more,
		  struct tranship_error *err)
{
	size_t at;

	if (u->count * 4 >= u->cap * 3) {
		int rc = grow(u, err);

		if (rc)
			return rc;
	}
	at = place(u, id);
	if (!u->taken[at]) {
		u->taken[at] = 1;
		u->at[at].id = *id;
		u->count++;
	}
	u->at[at].uses += more;
	return 0;
}

uint64_t slot_uses_of(const struct slot_uses *u, const struct slot_id *id)
{
	size_t at;

	if (u->cap == 0)
		return 0;
	at = place(u, id);
	return u->taken[at] ? u->at[at].uses : 0;
}

int slot_uses_add_all(struct slot_uses *u, const struct manifest_slot *slots, size_t count,
		      struct tranship_error *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < count && rc == 0; i++)
		rc = slot_uses_add(u, &slots[i].id, slots[i].uses, err);
	return rc;
}

static int compare(const void *a, const void *b)
{
	const struct manifest_slot *one = a, *two = b;

	return memcmp(&one->id, &two->id, sizeof(one->id));
}

int slot_uses_list(const struct slot_uses *u, struct manifest_slot **slots, size_t *count,
		   struct tranship_error *err)
{
	size_t i, n = 0;

	*count = 0;
	*slots = malloc((u->count + 1) * sizeof(**slots));
	if (!*slots)
		return error_nomem(err, (u->count + 1) * sizeof(**slots));
	for (i = 0; i < u->cap; i++)
		if (u->taken[i] && u->at[i].uses)
			(*slots)[n++] = u->at[i];
	qsort(*slots, n, sizeof(**slots), compare);
	*count = n;
	return 0;
}
