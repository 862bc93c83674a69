// SPDX-License-Identifier: Apache-2.0
/*
 * Pages above the leaves, packed. Only refs that are there stand in one, ascending; slots in the
 * order of their first use. docs/formats/store.md, "The block table".
 */
#include "base/bytes.h"
#include "base/error.h"
#include "emit/table_ondisk.h"

#include <string.h>

#define REF_OFF_INDEX 0U
#define REF_OFF_SLOT 2U
#define REF_OFF_RECORD 4U
#define REF_OFF_PIN 6U

bool page_ref_equal(const struct page_ref *a, const struct page_ref *b)
{
	if (!a->there || !b->there)
		return a->there == b->there;
	return slot_id_equal(&a->at.slot, &b->at.slot) && a->at.record == b->at.record &&
	       memcmp(a->pin, b->pin, sizeof(a->pin)) == 0;
}

bool table_node_is_zero(const struct table_node *node)
{
	size_t i;

	for (i = 0; i < TABLE_FANOUT; i++)
		if (node->refs[i].there)
			return false;
	return true;
}

/* The number of ref i's slot among the *count that stand at `slots`, where a new one is put. */
static size_t slot_number(unsigned char *slots, size_t *count, const struct slot_id *id)
{
	size_t i;

	for (i = *count; i-- > 0;)
		if (memcmp(slots + i * OBJECT_ID_SIZE, id->bytes, OBJECT_ID_SIZE) == 0)
			return i;
	memcpy(slots + *count * OBJECT_ID_SIZE, id->bytes, OBJECT_ID_SIZE);
	return (*count)++;
}

int table_node_encode(const struct table_node *node, uint32_t level, uint64_t number,
		      struct buffer *out, struct tranship_error *err)
{
	unsigned char refs[TABLE_FANOUT * NODE_REF_SIZE], *begin, *p = refs;
	size_t count = 0, i;
	int rc = buffer_reserve(out, NODE_ENCODED_MAX, err);

	if (rc)
		return rc;
	begin = out->bytes + out->len;
	for (i = 0; i < TABLE_FANOUT; i++) {
		const struct page_ref *ref = &node->refs[i];

		if (!ref->there)
			continue;
		if (ref->at.record >= SLOT_RECORDS_MAX)
			return error_set(err, TRANSHIP_EINVAL,
					 "store: ref %zu of page %llu of level %u has record %u", i,
					 (unsigned long long)number, level, ref->at.record);
		put_le16(p + REF_OFF_INDEX, (uint16_t)i);
		put_le16(p + REF_OFF_SLOT,
			 (uint16_t)slot_number(begin + PAGE_HEAD_SIZE, &count, &ref->at.slot));
		put_le16(p + REF_OFF_RECORD, (uint16_t)ref->at.record);
		memcpy(p + REF_OFF_PIN, ref->pin, sizeof(ref->pin));
		p += NODE_REF_SIZE;
	}
	if (count == 0)
		return error_set(err, TRANSHIP_EINVAL,
				 "store: page %llu of level %u has nothing but zeros",
				 (unsigned long long)number, level);
	page_head_put(begin, level, count, number);
	memcpy(begin + PAGE_HEAD_SIZE + count * OBJECT_ID_SIZE, refs, (size_t)(p - refs));
	out->len += PAGE_HEAD_SIZE + count * OBJECT_ID_SIZE + (size_t)(p - refs);
	return 0;
}

/* One ref. *next: the least index that it may have; *used: slots so far. */
static int get_ref(const unsigned char *p, const unsigned char *slots, size_t count, size_t *next,
		   size_t *used, struct table_node *node, struct tranship_error *err)
{
	size_t index = get_le16(p + REF_OFF_INDEX), slot = get_le16(p + REF_OFF_SLOT);
	uint32_t record = get_le16(p + REF_OFF_RECORD);
	struct page_ref *ref;

	if (index < *next || index >= TABLE_FANOUT)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "store: a page has ref %zu where %zu to %u may stand", index,
				 *next, TABLE_FANOUT - 1);
	if (slot >= count || slot > *used)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "store: ref %zu is in slot %zu; %zu of %zu were used", index, slot,
				 *used, count);
	if (record >= SLOT_RECORDS_MAX)
		return error_set(err, TRANSHIP_ECORRUPT, "store: ref %zu has record %u (below %u)",
				 index, record, SLOT_RECORDS_MAX);
	*used += slot == *used;
	*next = index + 1;
	ref = &node->refs[index];
	ref->there = true;
	memcpy(ref->at.slot.bytes, slots + slot * OBJECT_ID_SIZE, OBJECT_ID_SIZE);
	ref->at.record = record;
	memcpy(ref->pin, p + REF_OFF_PIN, sizeof(ref->pin));
	return 0;
}

int table_node_decode(const unsigned char *bytes, size_t len, uint32_t level, uint64_t number,
		      struct table_node *node, struct tranship_error *err)
{
	const unsigned char *slots = bytes + PAGE_HEAD_SIZE;
	size_t count, left, next = 0, used = 0;
	int rc = page_head_get(bytes, len, level, number, TABLE_FANOUT, &count, err);

	memset(node, 0, sizeof(*node));
	if (rc)
		return rc;
	left = len - PAGE_HEAD_SIZE;
	if (count * OBJECT_ID_SIZE > left || (left - count * OBJECT_ID_SIZE) % NODE_REF_SIZE != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "store: page %llu of level %u has %zu bytes behind its head, for "
				 "%zu slots and its refs",
				 (unsigned long long)number, level, left, count);
	left -= count * OBJECT_ID_SIZE;
	rc = page_slots_check(slots, count, number, err);
	for (bytes = slots + count * OBJECT_ID_SIZE; left > 0 && rc == 0; left -= NODE_REF_SIZE) {
		rc = get_ref(bytes, slots, count, &next, &used, node, err);
		bytes += NODE_REF_SIZE;
	}
	if (rc == 0 && used != count)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "store: page %llu of level %u uses %zu of its %zu slots",
			       (unsigned long long)number, level, used, count);
	if (rc)
		memset(node, 0, sizeof(*node));
	return rc;
}
