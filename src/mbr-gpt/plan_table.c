// SPDX-License-Identifier: Apache-2.0
/* A GPT that becomes an MBR: what each partition is there, and where. */
#include "base/bytes.h"
#include "base/error.h"
#include "mbr-gpt/boot_plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define REASON_TABLE "MBR partition table in place of the GPT"

uint32_t plan_signature(const struct tranship_layout *layout)
{
	const struct guid *disk = &layout->gpt.used->header.disk;

	return (uint32_t)crc32(0, disk->bytes, sizeof(disk->bytes)) | 1;
}

static bool is_recovery(const struct layout_partition *part)
{
	return guid_equal(&part->type, &gpt_type_recovery);
}

bool plan_drops(const struct planning *p, const struct layout_partition *part)
{
	uint32_t i, kept = 0;

	if (guid_equal(&part->type, &gpt_type_msr) || guid_equal(&part->type, &gpt_type_bios_boot))
		return true;
	if (!is_recovery(part) || !(p->options->flags & TRANSHIP_BOOT_DROP_RECOVERY))
		return false;
	for (i = 0; i < p->layout->count; i++)
		kept += !guid_equal(&p->layout->at[i].type, &gpt_type_msr) &&
			!guid_equal(&p->layout->at[i].type, &gpt_type_bios_boot);
	return kept > MBR_ENTRIES;
}

/* The type by what stands there, where the GPT's says too little. 0: unknown. */
static unsigned char type_by_fs(const char *fs)
{
	static const struct {
		const char *fs;
		unsigned char type;
	} rows[] = {
		{ "fat12", 0x0C }, { "fat16", 0x0C }, { "fat32", 0x0C }, { "ntfs", 0x07 },
		{ "exfat", 0x07 }, { "refs", 0x07 },  { "ext2", 0x83 },  { "ext3", 0x83 },
		{ "ext4", 0x83 },  { "xfs", 0x83 },   { "btrfs", 0x83 }, { "luks", 0x83 },
		{ "swap", 0x82 },  { "lvm2", 0x8E },  { "raid", 0xFD },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].fs, fs) == 0)
			return rows[i].type;
	return 0;
}

/* What is neither known by its GPT type nor by its content is data of nobody (0xDA). */
static unsigned char mbr_type(const struct planning *p, const struct layout_partition *part)
{
	static const struct {
		const struct guid *gpt;
		unsigned char type;
	} rows[] = {
		{ &gpt_type_recovery, 0x27 },
		{ &gpt_type_linux, 0x83 },
		{ &gpt_type_linux_root_x86_64, 0x83 },
		{ &gpt_type_swap, 0x82 },
		{ &gpt_type_lvm, 0x8E },
		{ &gpt_type_raid, 0xFD },
	};
	unsigned char type = type_by_fs(part->fs.type);
	size_t i;

	if (guid_equal(&part->type, &gpt_type_esp))
		return p->plan->os == TRANSHIP_OS_WINDOWS ? 0x0C : 0xEF;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (guid_equal(&part->type, rows[i].gpt))
			return rows[i].type;
	if (guid_equal(&part->type, &gpt_type_basic_data))
		return type == 0x0C ? 0x0C : 0x07;
	return type ? type : 0xDA;
}

static int by_start(const void *a, const void *b)
{
	const struct layout_partition *const *x = a, *const *y = b;

	return (*x)->public.off < (*y)->public.off ? -1 : 1;
}

static int collect(struct planning *p, struct plan_entries *entries, struct tranship_error *err)
{
	uint32_t i, count = p->layout->count;
	int rc = 0;

	*entries = (struct plan_entries){ .at = calloc(count + 1, sizeof(*entries->at)),
					  .types = calloc(count + 1, 1) };
	if (!entries->at || !entries->types)
		return error_nomem(err, count * sizeof(*entries->at));
	for (i = 0; i < count; i++)
		if (!plan_drops(p, &p->layout->at[i]))
			entries->at[entries->count++] = &p->layout->at[i];
	qsort(entries->at, entries->count, sizeof(*entries->at), by_start);
	for (i = 0; i < entries->count && rc == 0; i++) {
		entries->types[i] = mbr_type(p, entries->at[i]);
		if (entries->types[i] == 0xDA)
			rc = plan_note(p, err,
				       "partition %u is of type %s, which has no counterpart in an "
				       "MBR: it becomes 0xDA",
				       entries->at[i]->public.number, entries->at[i]->type_text);
	}
	return rc;
}

static struct mbr_entry entry_of(const struct planning *p, const struct plan_entries *entries,
				 uint32_t i)
{
	const struct layout_partition *part = entries->at[i];
	uint32_t esp = p->layout->esp.partition;

	return (struct mbr_entry){
		.active = p->plan->os == TRANSHIP_OS_WINDOWS && part == &p->layout->at[esp],
		.type = entries->types[i],
		.first = (uint32_t)(part->public.off / MBR_SIZE),
		.sectors = (uint32_t)(part->public.len / MBR_SIZE),
	};
}

/* Those behind the first one of the extended partition have no place in the first sector. */
static bool has_slot(const struct plan_extended *extended, uint32_t i)
{
	return i <= extended->first || i >= extended->end;
}

static bool is_extended(const struct plan_extended *extended, uint32_t i)
{
	return i == extended->first && i < extended->end;
}

/* Whether an entry keeps its number. */
static bool keeps_number(const struct plan_entries *entries, const struct plan_extended *extended,
			 uint32_t i)
{
	return has_slot(extended, i) && !is_extended(extended, i) &&
	       entries->at[i]->public.number <= MBR_ENTRIES;
}

/* Which place in the first sector an entry has: by its number where that is one of the first four,
 * else one that is left. */
static uint32_t slot_of(const struct plan_entries *entries, const struct plan_extended *extended,
			uint32_t i)
{
	bool taken[MBR_ENTRIES] = { false };
	uint32_t j, slot = 0;

	if (keeps_number(entries, extended, i))
		return entries->at[i]->public.number - 1;
	for (j = 0; j < entries->count; j++)
		if (keeps_number(entries, extended, j))
			taken[entries->at[j]->public.number - 1] = true;
	for (j = 0; j <= i; j++) {
		if (!has_slot(extended, j) || keeps_number(entries, extended, j))
			continue;
		for (slot = 0; taken[slot]; slot++)
			;
		taken[slot] = true;
	}
	return slot;
}

static struct mbr_entry extended_entry(const struct plan_entries *entries,
				       const struct plan_extended *extended)
{
	const struct tranship_partition *last = &entries->at[extended->end - 1]->public;
	struct mbr_entry entry = { .type = 0x0F, .first = (uint32_t)extended->hole };

	entry.sectors = (uint32_t)((last->off + last->len) / MBR_SIZE) - entry.first;
	return entry;
}

static int put_table(struct planning *p, const struct plan_entries *entries,
		     const struct plan_extended *extended, struct tranship_error *err)
{
	unsigned char raw[MBR_SIZE - MBR_CODE_SIZE] = { 0 };
	uint32_t i;
	int rc = 0;

	put_le32(raw, plan_signature(p->layout));
	for (i = 0; i < entries->count && rc == 0; i++) {
		uint32_t slot = slot_of(entries, extended, i);
		struct mbr_entry entry = is_extended(extended, i)
						 ? extended_entry(entries, extended)
						 : entry_of(p, entries, i);

		if (!has_slot(extended, i))
			continue;
		mbr_entry_encode(&entry, raw + (MBR_OFF_TABLE - MBR_CODE_SIZE) + 16 * (size_t)slot);
		if (!is_extended(extended, i) && slot + 1 != entries->at[i]->public.number)
			rc = plan_note(p, err,
				       "partition %u becomes number %u: what names it by number "
				       "has to change",
				       entries->at[i]->public.number, slot + 1);
	}
	raw[sizeof(raw) - 2] = 0x55;
	raw[sizeof(raw) - 1] = 0xAA;
	return rc ? rc : plan_put(p, MBR_CODE_SIZE, raw, sizeof(raw), REASON_TABLE, err);
}

static int refuse_count(struct planning *p, uint32_t count, struct tranship_error *err)
{
	uint32_t i, recovery = 0;

	if (p->plan->os != TRANSHIP_OS_WINDOWS)
		return plan_refuse(
			p, err,
			"%u partitions are more than an MBR's 4, and no gap between them "
			"has room for the links of an extended partition",
			count);
	for (i = 0; i < p->layout->count; i++)
		recovery += is_recovery(&p->layout->at[i]);
	return plan_refuse(p, err, "%u partitions are more than an MBR's 4%s", count,
			   recovery && !(p->options->flags & TRANSHIP_BOOT_DROP_RECOVERY)
				   ? "; the recovery partition can be left out (--drop-recovery)"
				   : "");
}

static int put_all(struct planning *p, const struct plan_entries *entries, uint64_t reserved,
		   struct tranship_error *err)
{
	struct plan_extended extended = { 0 };
	int rc;

	if (entries->count > MBR_ENTRIES - 1 + MBR_LOGICAL_MAX)
		return plan_refuse(p, err,
				   "%u partitions: an MBR has 3 and %d logical ones that systems "
				   "look at",
				   entries->count, MBR_LOGICAL_MAX);
	if (entries->count > MBR_ENTRIES && (p->plan->os == TRANSHIP_OS_WINDOWS ||
					     !plan_extended_find(entries, reserved, &extended)))
		return refuse_count(p, entries->count, err);
	rc = gpt_erase(&p->layout->gpt, p->disk, &p->plan->patches, err);
	if (rc == 0)
		rc = put_table(p, entries, &extended, err);
	if (rc == 0 && extended.first < extended.end) {
		rc = plan_extended_put(p, entries, &extended, err);
		if (rc == 0)
			rc = plan_note(
				p, err,
				"more than 4 partitions: some become logical ones, with "
				"other numbers; what names them by number or PARTUUID has to "
				"change");
	}
	return rc;
}

int plan_table(struct planning *p, uint64_t reserved, struct tranship_error *err)
{
	struct plan_entries entries;
	int rc = collect(p, &entries, err);

	if (rc == 0)
		rc = put_all(p, &entries, reserved, err);
	free(entries.at);
	free(entries.types);
	return rc;
}
