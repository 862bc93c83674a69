// SPDX-License-Identifier: Apache-2.0
/* A leaf by itself. */
#include "emit/table.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

int table_leaf_fetch(struct slots *slots, const struct page_ref *ref, uint64_t number,
		     struct table_leaf *out, struct tranship_error *err)
{
	struct slots_scratch *scratch;
	const unsigned char *bytes;
	struct slot_entry entry;
	size_t len;
	int rc = slots_entry(slots, &ref->at, &entry, err);

	if (rc)
		return rc;
	if (memcmp(entry.name, ref->pin, sizeof(ref->pin)) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "page %" PRIu64 " of a block table is not the one that is named",
				 number);
	rc = slots_scratch_new(&scratch, err);
	if (rc)
		return rc;
	rc = slots_read(slots, scratch, &ref->at, &bytes, &len, err);
	if (rc == 0)
		rc = table_leaf_decode(bytes, len, number, out, err);
	slots_scratch_free(scratch);
	return rc;
}
