// SPDX-License-Identifier: Apache-2.0
/* Only looked for where two things were found in one place, so by going through the tables again:
 * a check keeps bits, not names. */
#include "vmdk/vmdk_user.h"

#include <inttypes.h>
#include <stdio.h>

#define ENTRIES_AT_ONCE 512U
/* All searches of a check look at no more entries than this: 64 MiB of them. */
#define SEARCHED_MAX (1U << 24)

static bool uses(const struct vmdk_user *u, uint64_t sector, uint64_t len)
{
	uint64_t off = sector * VMDK_SECTOR;

	return sector != 0 && off < u->off + u->len && u->off < off + len;
}

static void search_table(struct vmdk_sparse *s, uint64_t *searched, uint64_t gt, uint64_t table,
			 struct vmdk_user *u)
{
	uint64_t first = gt * s->header.gtes_per_gt, entries[ENTRIES_AT_ONCE];
	uint64_t count = min_u64(s->header.gtes_per_gt, s->grains - first), at;
	bool packed = s->header.flags & VMDK_FLAG_COMPRESSED;

	if (!vmdk_table_fits(s, table) ||
	    table_cache_is_hole(s->cache, table * VMDK_SECTOR, vmdk_table_size(s)))
		return;
	for (at = 0; at < count && !*u->name; at += ENTRIES_AT_ONCE) {
		size_t n = (size_t)min_u64(count - at, ENTRIES_AT_ONCE), i;

		*searched += n;
		if (vmdk_sparse_table_entries(s, table, at, n, entries, NULL))
			return;
		for (i = 0; i < n && !*u->name; i++)
			if (entries[i] > VMDK_GTE_ZERO && first + at + i != u->index &&
			    uses(u, entries[i], packed ? VMDK_SECTOR : s->grain_size))
				snprintf(u->name, sizeof(u->name),
					 "grain table %" PRIu64 " entry %" PRIu64, gt, at + i);
	}
}

void vmdk_find_user(struct vmdk_sparse *s, uint64_t *searched, struct vmdk_user *u)
{
	const struct vmdk_header *h = &s->header;
	uint64_t tables = vmdk_gd_entries(h), gt, table, copy = 0;
	bool redundant = vmdk_has_redundant(s);
	uint64_t gd_len = vmdk_directory_size(s), gt_len = vmdk_table_size(s);

	if (uses(u, h->gd_offset, gd_len))
		snprintf(u->name, sizeof(u->name), "the grain directory");
	else if (redundant && uses(u, h->rgd_offset, gd_len))
		snprintf(u->name, sizeof(u->name), "the redundant grain directory");
	for (gt = 0; gt < tables && !*u->name && *searched < SEARCHED_MAX; gt++) {
		++*searched;
		if (vmdk_sparse_table(s, gt, &table, NULL) ||
		    (redundant && vmdk_sparse_tables(s, h->rgd_offset, gt, 1, &copy, NULL)))
			continue;
		if (uses(u, table, gt_len))
			snprintf(u->name, sizeof(u->name), "grain table %" PRIu64, gt);
		else if (uses(u, copy, gt_len))
			snprintf(u->name, sizeof(u->name), "redundant grain table %" PRIu64, gt);
		else if (table != 0)
			search_table(s, searched, gt, table, u);
	}
	if (!*u->name)
		snprintf(u->name, sizeof(u->name), "%s",
			 u->off < h->overhead * VMDK_SECTOR ? "something before the grains"
							    : "another grain or table");
}
