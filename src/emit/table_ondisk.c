// SPDX-License-Identifier: Apache-2.0
/*
 * Leaves of the block table, in memory and packed. docs/formats/store.md, "The block table".
 *
 * There is one packed form of what a leaf says: slots stand in the order of their first use, runs
 * are as long as they can be, nothing unused is kept. So a leaf that did not change has the bytes,
 * and the name, that it had before; and a decoder that insists on it has little left to check.
 */
#include "emit/table_ondisk.h"

#include "base/bytes.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static const unsigned char magic[4] = { 't', 's', 'p', 'g' };

uint32_t table_levels(uint64_t size)
{
	uint64_t pages = size / LEAF_BYTES + (size % LEAF_BYTES != 0);
	uint32_t level = 0;

	for (; pages > 1; level++)
		pages = pages / TABLE_FANOUT + (pages % TABLE_FANOUT != 0);
	return level;
}

void table_leaf_clear(struct table_leaf *leaf)
{
	static const struct table_unit zero = { .slot = UNIT_ZERO };
	size_t i;

	leaf->slot_count = 0;
	leaf->slot_last = 0;
	for (i = 0; i < LEAF_UNITS; i++)
		leaf->units[i] = zero;
}

bool table_leaf_is_zero(const struct table_leaf *leaf)
{
	size_t i;

	for (i = 0; i < LEAF_UNITS; i++)
		if (leaf->units[i].slot != UNIT_ZERO)
			return false;
	return true;
}

void table_leaf_fini(struct table_leaf *leaf)
{
	free(leaf->slots);
	leaf->slots = NULL;
	leaf->slot_count = leaf->slot_cap = leaf->slot_last = 0;
}

/* Takes out of the list what no unit uses. */
static void drop_unused(struct table_leaf *leaf)
{
	uint16_t to[LEAF_SLOTS_MAX];
	uint32_t i, kept = 0;

	memset(to, 0, sizeof(to));
	for (i = 0; i < LEAF_UNITS; i++)
		if (leaf->units[i].slot < leaf->slot_count)
			to[leaf->units[i].slot] = 1;
	for (i = 0; i < leaf->slot_count; i++)
		if (to[i]) {
			leaf->slots[kept] = leaf->slots[i];
			to[i] = (uint16_t)kept++;
		}
	for (i = 0; i < LEAF_UNITS; i++)
		if (leaf->units[i].slot < leaf->slot_count)
			leaf->units[i].slot = to[leaf->units[i].slot];
	leaf->slot_count = kept;
	leaf->slot_last = 0;
}

static int reserve_slots(struct table_leaf *leaf, uint32_t count, struct tranship_error *err)
{
	uint32_t cap = leaf->slot_cap ? leaf->slot_cap : 16;
	struct slot_id *slots;

	while (cap < count)
		cap *= 2;
	if (cap == leaf->slot_cap)
		return 0;
	slots = realloc(leaf->slots, cap * sizeof(*slots));
	if (!slots)
		return error_nomem(err, cap * sizeof(*slots));
	leaf->slots = slots;
	leaf->slot_cap = cap;
	return 0;
}

int table_leaf_copy(const struct table_leaf *from, struct table_leaf *to,
		    struct tranship_error *err)
{
	int rc = reserve_slots(to, from->slot_count, err);

	if (rc)
		return rc;
	if (from->slot_count > 0)
		memcpy(to->slots, from->slots, from->slot_count * sizeof(*to->slots));
	to->slot_count = from->slot_count;
	to->slot_last = 0;
	memcpy(to->units, from->units, sizeof(to->units));
	return 0;
}

int table_leaf_slot(struct table_leaf *leaf, const struct slot_id *id, uint16_t *out,
		    struct tranship_error *err)
{
	uint32_t i, at;
	int rc;

	/* Blocks come in order, and their slots nearly so. */
	for (i = 0, at = leaf->slot_last; i < leaf->slot_count; i++, at++) {
		if (at >= leaf->slot_count)
			at = 0;
		if (slot_id_equal(&leaf->slots[at], id)) {
			leaf->slot_last = at;
			*out = (uint16_t)at;
			return 0;
		}
	}
	if (leaf->slot_count >= LEAF_SLOTS_MAX)
		drop_unused(leaf);
	rc = reserve_slots(leaf, leaf->slot_count + 1, err);
	if (rc)
		return rc;
	leaf->slot_last = leaf->slot_count;
	leaf->slots[leaf->slot_count] = *id;
	*out = (uint16_t)leaf->slot_count++;
	return 0;
}

void page_head_put(unsigned char *p, uint32_t level, size_t slots, uint64_t number)
{
	memcpy(p, magic, sizeof(magic));
	put_le16(p + PAGE_OFF_LEVEL, (uint16_t)level);
	put_le16(p + PAGE_OFF_SLOTS, (uint16_t)slots);
	put_le64(p + PAGE_OFF_NUMBER, number);
}

static int check_unit(const struct table_leaf *leaf, size_t i, uint64_t number,
		      struct tranship_error *err)
{
	const struct table_unit *u = &leaf->units[i];

	if (u->slot < leaf->slot_count && u->record < SLOT_RECORDS_MAX &&
	    u->sub < STORE_BLOCK_UNITS)
		return 0;
	return error_set(err, TRANSHIP_EINVAL,
			 "store: unit %zu of leaf %llu has slot %u of %u, record %u and sub %u", i,
			 (unsigned long long)number, u->slot, leaf->slot_count, u->record, u->sub);
}

/* Puts the slots that are used behind the head, and says which number each has got. */
static int put_slots(const struct table_leaf *leaf, uint64_t number, unsigned char **at,
		     uint16_t *to, size_t *count, struct tranship_error *err)
{
	size_t i;
	int rc;

	memset(to, 0xFF, LEAF_SLOTS_MAX * sizeof(*to));
	*count = 0;
	for (i = 0; i < LEAF_UNITS; i++) {
		uint16_t slot = leaf->units[i].slot;

		if (slot == UNIT_ZERO)
			continue;
		rc = check_unit(leaf, i, number, err);
		if (rc)
			return rc;
		if (to[slot] != UNIT_ZERO)
			continue;
		memcpy(*at, leaf->slots[slot].bytes, OBJECT_ID_SIZE);
		*at += OBJECT_ID_SIZE;
		to[slot] = (uint16_t)(*count)++;
	}
	if (*count == 0)
		return error_set(err, TRANSHIP_EINVAL, "store: leaf %llu has nothing but zeros",
				 (unsigned long long)number);
	return 0;
}

static unsigned mask_of(const struct table_unit *units)
{
	unsigned i, mask = 0;

	for (i = 0; i < STORE_BLOCK_UNITS; i++)
		mask |= (unsigned)(units[i].slot != UNIT_ZERO) << i;
	return mask;
}

/* Whether unit b goes on where unit a, the one before it, ends. */
static bool goes_on(const struct table_unit *a, const struct table_unit *b)
{
	return b->slot == a->slot && b->record == a->record && b->sub == a->sub + 1;
}

static unsigned char *put_block(const struct table_unit *units, unsigned mask, const uint16_t *to,
				unsigned char *p)
{
	unsigned i, n;

	*p++ = (unsigned char)mask;
	for (i = 0; i < STORE_BLOCK_UNITS; i += n) {
		n = 1;
		if (units[i].slot == UNIT_ZERO)
			continue;
		while (i + n < STORE_BLOCK_UNITS && goes_on(&units[i + n - 1], &units[i + n]))
			n++;
		put_le16(p, to[units[i].slot]);
		put_le16(p + 2, units[i].record);
		p[4] = (unsigned char)(units[i].sub | (n - 1) << 4);
		p += LEAF_RUN_SIZE;
	}
	for (i = 0; i < STORE_BLOCK_UNITS; i++)
		if (units[i].slot != UNIT_ZERO) {
			memcpy(p, units[i].digest, UNIT_DIGEST);
			p += UNIT_DIGEST;
		}
	return p;
}

int table_leaf_encode(const struct table_leaf *leaf, uint64_t number, struct buffer *out,
		      struct tranship_error *err)
{
	unsigned char *begin, *bits, *p;
	uint16_t to[LEAF_SLOTS_MAX];
	size_t count;
	unsigned b;
	int rc = buffer_reserve(out, LEAF_ENCODED_MAX, err);

	if (rc)
		return rc;
	begin = out->bytes + out->len;
	p = begin + PAGE_HEAD_SIZE;
	rc = put_slots(leaf, number, &p, to, &count, err);
	if (rc)
		return rc;
	page_head_put(begin, 0, count, number);
	bits = p;
	memset(bits, 0, LEAF_BLOCKS / 8);
	p += LEAF_BLOCKS / 8;
	for (b = 0; b < LEAF_BLOCKS; b++) {
		const struct table_unit *units = leaf->units + (size_t)b * STORE_BLOCK_UNITS;
		unsigned mask = mask_of(units);

		if (!mask)
			continue;
		bits[b / 8] |= (unsigned char)(1U << b % 8);
		p = put_block(units, mask, to, p);
	}
	out->len = (size_t)(p - out->bytes);
	return 0;
}

/* What is read, and how far. */
struct cursor {
	const unsigned char *at;
	size_t left;
	uint64_t number; /* of the page, for messages */
};

static const unsigned char *take(struct cursor *c, size_t len)
{
	const unsigned char *p = c->at;

	if (len > c->left)
		return NULL;
	c->at += len;
	c->left -= len;
	return p;
}

static int cut_short(const struct cursor *c, const char *what, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT, "store: leaf %llu ends in %s: %zu bytes are left",
			 (unsigned long long)c->number, what, c->left);
}

int page_head_get(const unsigned char *bytes, size_t len, uint32_t level, uint64_t number,
		  size_t slots_max, size_t *slots, struct tranship_error *err)
{
	if (len < PAGE_HEAD_SIZE)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "store: a page of the block table has %zu bytes, its head %u", len,
				 PAGE_HEAD_SIZE);
	if (memcmp(bytes, magic, sizeof(magic)) != 0)
		return error_set(err, TRANSHIP_ECORRUPT, "store: this is no page of a block table");
	if (get_le16(bytes + PAGE_OFF_LEVEL) != level ||
	    get_le64(bytes + PAGE_OFF_NUMBER) != number)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "store: page %llu of level %u stands where page %llu of level %u "
				 "should be",
				 (unsigned long long)get_le64(bytes + PAGE_OFF_NUMBER),
				 get_le16(bytes + PAGE_OFF_LEVEL), (unsigned long long)number,
				 level);
	*slots = get_le16(bytes + PAGE_OFF_SLOTS);
	if (*slots == 0 || *slots > slots_max)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "store: page %llu of level %u has %zu slots (1 to %zu)",
				 (unsigned long long)number, level, *slots, slots_max);
	return 0;
}

/* A few slots are usual; 4096, the most, take some milliseconds. */
int page_slots_check(const unsigned char *slots, size_t count, uint64_t number,
		     struct tranship_error *err)
{
	size_t i, j;

	for (i = 1; i < count; i++) {
		const unsigned char *id = slots + i * OBJECT_ID_SIZE;
		uint64_t low = get_le64(id + 8); /* writers count there */

		for (j = 0; j < i; j++) {
			const unsigned char *other = slots + j * OBJECT_ID_SIZE;

			if (get_le64(other + 8) == low && get_le64(other) == get_le64(id))
				return error_set(err, TRANSHIP_ECORRUPT,
						 "store: slots %zu and %zu of page %llu are one", j,
						 i, (unsigned long long)number);
		}
	}
	return 0;
}

/* One run of a block: what it says goes to the units from number i on. *used: slots so far. */
static int get_run(struct cursor *c, struct table_leaf *leaf, struct table_unit *units,
		   unsigned mask, unsigned *i, uint32_t *used, struct tranship_error *err)
{
	const unsigned char *p = take(c, LEAF_RUN_SIZE);
	unsigned slot, record, sub, count, n;

	if (!p)
		return cut_short(c, "a run", err);
	slot = get_le16(p);
	record = get_le16(p + 2);
	sub = p[4] & 0x0F;
	count = (p[4] >> 4) + 1U;
	/* A slot is either known, or the next one of the list: the list is in this order. */
	if (slot >= leaf->slot_count || slot > *used)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "store: a run of leaf %llu is in slot %u; %u of %u were used",
				 (unsigned long long)c->number, slot, *used, leaf->slot_count);
	if (record >= SLOT_RECORDS_MAX || sub + count > STORE_BLOCK_UNITS ||
	    *i + count > STORE_BLOCK_UNITS)
		return error_set(
			err, TRANSHIP_ECORRUPT,
			"store: a run of leaf %llu has record %u and units %u to %u of it, "
			"at unit %u",
			(unsigned long long)c->number, record, sub, sub + count, *i);
	*used += slot == *used;
	for (n = 0; n < count; n++, (*i)++) {
		if (!(mask >> *i & 1))
			return error_set(err, TRANSHIP_ECORRUPT,
					 "store: a run of leaf %llu covers unit %u, which is zeros",
					 (unsigned long long)c->number, *i);
		units[*i].slot = (uint16_t)slot;
		units[*i].record = (uint16_t)record;
		units[*i].sub = (uint8_t)(sub + n);
	}
	return 0;
}

static int get_block(struct cursor *c, struct table_leaf *leaf, struct table_unit *units,
		     uint32_t *used, struct tranship_error *err)
{
	const unsigned char *p = take(c, 1);
	unsigned mask = p ? *p : 0, i = 0;
	int rc;

	if (mask == 0)
		return p ? error_set(err, TRANSHIP_ECORRUPT,
				     "store: leaf %llu has a block of zeros among the others",
				     (unsigned long long)c->number)
			 : cut_short(c, "a block", err);
	while (i < STORE_BLOCK_UNITS) {
		unsigned first = i;

		if (!(mask >> i & 1)) {
			i++;
			continue;
		}
		rc = get_run(c, leaf, units, mask, &i, used, err);
		if (rc)
			return rc;
		if (first > 0 && units[first - 1].slot != UNIT_ZERO &&
		    goes_on(&units[first - 1], &units[first]))
			return error_set(err, TRANSHIP_ECORRUPT,
					 "store: leaf %llu has two runs that are one, at unit %u",
					 (unsigned long long)c->number, first);
	}
	for (i = 0; i < STORE_BLOCK_UNITS; i++) {
		if (!(mask >> i & 1))
			continue;
		p = take(c, UNIT_DIGEST);
		if (!p)
			return cut_short(c, "a digest", err);
		memcpy(units[i].digest, p, UNIT_DIGEST);
	}
	return 0;
}

/* All behind the slots. */
static int get_blocks(struct cursor *c, struct table_leaf *leaf, struct tranship_error *err)
{
	const unsigned char *bits = take(c, LEAF_BLOCKS / 8);
	uint32_t used = 0;
	unsigned b;
	int rc;

	if (!bits)
		return cut_short(c, "the bits of its blocks", err);
	for (b = 0; b < LEAF_BLOCKS; b++) {
		if (!(bits[b / 8] >> b % 8 & 1))
			continue;
		rc = get_block(c, leaf, leaf->units + (size_t)b * STORE_BLOCK_UNITS, &used, err);
		if (rc)
			return rc;
	}
	if (used != leaf->slot_count || c->left > 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "store: leaf %llu uses %u of its %u slots and has %zu bytes more",
				 (unsigned long long)c->number, used, leaf->slot_count, c->left);
	return 0;
}

int table_leaf_decode(const unsigned char *bytes, size_t len, uint64_t number,
		      struct table_leaf *leaf, struct tranship_error *err)
{
	struct cursor c = { bytes, len, number };
	const unsigned char *p;
	size_t slots, i;
	int rc = page_head_get(bytes, len, 0, number, LEAF_UNITS, &slots, err);

	table_leaf_clear(leaf);
	if (rc)
		return rc;
	take(&c, PAGE_HEAD_SIZE);
	p = take(&c, slots * OBJECT_ID_SIZE);
	if (!p)
		return cut_short(&c, "its slots", err);
	rc = page_slots_check(p, slots, number, err);
	if (rc == 0)
		rc = reserve_slots(leaf, (uint32_t)slots, err);
	if (rc)
		return rc;
	for (i = 0; i < slots; i++)
		memcpy(leaf->slots[i].bytes, p + i * OBJECT_ID_SIZE, OBJECT_ID_SIZE);
	leaf->slot_count = (uint32_t)slots;
	rc = get_blocks(&c, leaf, err);
	if (rc)
		table_leaf_clear(leaf);
	return rc;
}
