// SPDX-License-Identifier: Apache-2.0
/* The tables of a disk that is to start under BIOS. */
#include "base/checked.h"
#include "base/error.h"
#include "mbr-gpt/boot_verify.h"
#include "mbr-gpt/mbr_ondisk.h"

#include <inttypes.h>
#include <stdlib.h>

static void add_mbr(struct verify *v, const struct mbr_entry *e, uint32_t number)
{
	if (e->type != 0 && !mbr_is_extended(e->type) && range_ok(e->first, e->sectors, v->sectors))
		v->at[v->count++] = (struct verify_partition){ .number = number,
							       .first = e->first,
							       .count = e->sectors,
							       .type = e->type,
							       .active = e->active };
}

static int list_mbr(struct verify *v, struct tranship_error *err)
{
	size_t bytes = (MBR_ENTRIES + MBR_LOGICAL_MAX) * sizeof(*v->at);
	uint32_t i;

	v->at = malloc(bytes);
	if (!v->at)
		return error_nomem(err, bytes);
	for (i = 0; i < MBR_ENTRIES; i++)
		add_mbr(v, &v->mbr.at[i], i + 1);
	for (i = 0; i < v->mbr.logical_count; i++)
		add_mbr(v, &v->mbr.logical[i], i + MBR_ENTRIES + 1);
	return 0;
}

static int list_gpt(struct verify *v, struct tranship_error *err)
{
	size_t bytes = v->gpt.count * sizeof(*v->at);
	uint32_t i;

	v->at = malloc(bytes);
	if (!v->at)
		return error_nomem(err, bytes);
	for (i = 0; i < v->gpt.count; i++) {
		const struct gpt_entry *e = &v->gpt.entries[i];

		if (!guid_is_zero(&e->type))
			v->at[v->count++] =
				(struct verify_partition){ .number = i + 1,
							   .first = e->first,
							   .count = e->last - e->first + 1,
							   .gpt = e };
	}
	return 0;
}

static void check_copy(struct verify *v, const struct gpt_copy *copy, const char *name)
{
	if (copy->good)
		return;
	if (copy->present)
		verify_fault(v, "%s (the %s table)", copy->fault.message, name);
	else
		verify_fault(v, "gpt: there is no %s table in sector %" PRIu64, name, copy->lba);
}

static void check_gpt(struct verify *v)
{
	const struct gpt *gpt = &v->gpt;

	check_copy(v, &gpt->primary, "primary");
	check_copy(v, &gpt->backup, "backup");
	if (gpt->differ)
		verify_fault(v, "gpt: the primary and the backup table differ");
	if (gpt->backup_misplaced && gpt->backup.good)
		verify_remark(v,
			      "gpt: the backup table stands in sector %" PRIu64
			      ", the disk ends with sector %" PRIu64,
			      gpt->backup.lba, v->sectors - 1);
}

/* The entry 0xEE of a GPT disk: UEFI 2.10, table 5.4. */
static void check_protective(struct verify *v)
{
	uint64_t wanted = min_u64(v->sectors - 1, UINT32_MAX);
	unsigned i;

	if (v->mbr.kind == MBR_HYBRID)
		verify_remark(v, "mbr: it is a hybrid one: a GPT has other partitions beside 0xEE");
	for (i = 0; i < MBR_ENTRIES; i++)
		if (v->mbr.kind == MBR_PROTECTIVE && v->mbr.at[i].type == MBR_TYPE_PROTECTIVE &&
		    v->mbr.at[i].sectors != wanted)
			verify_remark(v,
				      "mbr: the protective partition has %" PRIu32
				      " sectors instead of %" PRIu64,
				      v->mbr.at[i].sectors, wanted);
}

/* Systems that look for a GPT first would find the old one. */
static void check_remains(struct verify *v, const struct gpt_copy *copy, const char *name)
{
	if (copy->present)
		verify_fault(v,
			     "gpt: the remains of a %s table stand in sector %" PRIu64
			     " of an MBR disk",
			     name, copy->lba);
}

static void check_no_mbr(struct verify *v)
{
	if (v->sectors == 0)
		verify_fault(v, "boot: the disk is empty");
	else if (!mbr_has_signature(v->mbr.raw))
		verify_fault(v, "mbr: the first sector does not end in 55 AA");
	else
		verify_fault(v, "mbr: the first sector has no partition table");
}

int verify_tables(struct verify *v, struct tranship_error *err)
{
	enum mbr_kind kind = v->mbr.kind;

	if (kind == MBR_NONE)
		check_no_mbr(v);
	if (v->mbr.fault.code)
		verify_fault(v, "%s", v->mbr.fault.message);
	if (kind == MBR_PLAIN) {
		v->verdict->table = TRANSHIP_TABLE_MBR;
		check_remains(v, &v->gpt.primary, "primary");
		check_remains(v, &v->gpt.backup, "backup");
		return list_mbr(v, err);
	}
	if (kind == MBR_NONE && !v->gpt.primary.present && !v->gpt.backup.present)
		return 0;
	check_gpt(v);
	if (!v->gpt.found)
		return 0;
	v->verdict->table = kind == MBR_HYBRID ? TRANSHIP_TABLE_HYBRID : TRANSHIP_TABLE_GPT;
	check_protective(v);
	return list_gpt(v, err);
}
