// SPDX-License-Identifier: Apache-2.0
/*
 * More than four partitions: one extended partition holds those that follow a gap, and the links of
 * all of its logical partitions (extended boot records) stand in that gap, because partitions that
 * were made for a GPT touch each other. Linux, sfdisk and sgdisk read that: a link's own partition
 * is counted from the link, the next link from the extended partition's start.
 */
#include "base/bytes.h"
#include "base/error.h"
#include "mbr-gpt/boot_plan.h"

#define REASON_LINKS "links of the extended partition"

static uint64_t first_of(const struct plan_entries *e, uint32_t i)
{
	return e->at[i]->public.off / MBR_SIZE;
}

static uint64_t end_of(const struct plan_entries *e, uint32_t i)
{
	return (e->at[i]->public.off + e->at[i]->public.len) / MBR_SIZE;
}

/* The fewest logical partitions that leave at most three others, behind a gap with room for a link
 * each. */
bool plan_extended_find(const struct plan_entries *e, uint64_t reserved, struct plan_extended *out)
{
	uint32_t logical = e->count - (MBR_ENTRIES - 1), first;

	for (first = 0; first + logical <= e->count; first++) {
		uint64_t hole = first > 0 ? end_of(e, first - 1) : 1 + reserved;

		if (hole > first_of(e, first) || first_of(e, first) - hole < logical)
			continue;
		*out = (struct plan_extended){ first, first + logical, hole };
		return true;
	}
	return false;
}

/* One link: a partition, and where the next link stands (0: there is none). */
static void encode_link(unsigned char raw[MBR_SIZE], const struct mbr_entry *partition,
			const struct mbr_entry *next)
{
	mbr_entry_encode(partition, raw + MBR_OFF_TABLE);
	if (next->sectors > 0)
		mbr_entry_encode(next, raw + MBR_OFF_TABLE + 16);
	raw[MBR_SIZE - 2] = 0x55;
	raw[MBR_SIZE - 1] = 0xAA;
}

int plan_extended_put(struct planning *p, const struct plan_entries *e,
		      const struct plan_extended *x, struct tranship_error *err)
{
	uint32_t i;
	int rc = 0;

	for (i = x->first; i < x->end && rc == 0; i++) {
		unsigned char raw[MBR_SIZE] = { 0 };
		uint64_t link = x->hole + (i - x->first);
		struct mbr_entry next = { 0 }, partition = {
			.type = e->types[i],
			.first = (uint32_t)(first_of(e, i) - link),
			.sectors = (uint32_t)(end_of(e, i) - first_of(e, i)),
		};

		if (i + 1 < x->end)
			next = (struct mbr_entry){
				.type = 0x05,
				.first = (uint32_t)(link + 1 - x->hole),
				.sectors = (uint32_t)(end_of(e, i + 1) - link - 1),
			};
		encode_link(raw, &partition, &next);
		rc = plan_put(p, link * MBR_SIZE, raw, sizeof(raw), REASON_LINKS, err);
	}
	return rc;
}
