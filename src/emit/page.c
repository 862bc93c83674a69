// SPDX-License-Identifier: Apache-2.0
#include "emit/page.h"

#include "base/error.h"
#include "emit/slot_ondisk.h"

#include <inttypes.h>
#include <string.h>

uint64_t page_bytes(uint32_t level)
{
	uint64_t bytes = LEAF_BYTES;

	while (level-- > 0)
		bytes *= TABLE_FANOUT;
	return bytes;
}

int page_read(struct slots *slots, struct slots_scratch *scratch, const struct page_ref *ref,
	      uint32_t level, uint64_t number, struct table_leaf *leaf, struct table_node *node,
	      struct tranship_error *err)
{
	const unsigned char *raw;
	struct slot_entry entry;
	size_t len;
	int rc = slots_entry(slots, &ref->at, &entry, err);

	if (rc)
		return rc;
	if (entry.kind != RECORD_PAGE || memcmp(entry.name, ref->pin, sizeof(ref->pin)) != 0) {
		char slot[SLOT_NAME_TEXT];

		slot_name(&ref->at.slot, slot);
		return error_set(err, TRANSHIP_ECORRUPT,
				 "slot %s: record %" PRIu32 " is not page %" PRIu64
				 " of level %" PRIu32 " of the block table",
				 slot, ref->at.record, number, level);
	}
	rc = slots_read(slots, scratch, &ref->at, &raw, &len, err);
	if (rc)
		return rc;
	return level == 0 ? table_leaf_decode(raw, len, number, leaf, err)
			  : table_node_decode(raw, len, level, number, node, err);
}
