// SPDX-License-Identifier: Apache-2.0
/*
 * A disk that GRUB starts: its first sector loads one sector of core.img, which has a list of where
 * the rest is. What core.img then looks for (its configuration, /boot/grub) is not looked at.
 */
#include "base/checked.h"
#include "base/error.h"
#include "mbr-gpt/boot_verify.h"
#include "mbr-gpt/grub.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	OFF_BOOT_DRIVE = 0x64,
	FIRST_DISK = 0x80, /* 0xFF: the one that the BIOS names */
};

/* core.img: `count` sectors from `first`. */
struct core {
	uint64_t first, count;
};

static bool overlaps(const struct core *c, uint64_t first, uint64_t count)
{
	return c->first < first + count && first < c->first + c->count;
}

static bool is_bios_boot(const struct verify_partition *p)
{
	return p->gpt && guid_equal(&p->gpt->type, &gpt_type_bios_boot);
}

/* The extended partition holds boot records between the logical ones. */
static void check_extended(struct verify *v, const struct core *c)
{
	unsigned i;

	for (i = 0; v->verdict->table == TRANSHIP_TABLE_MBR && i < MBR_ENTRIES; i++)
		if (mbr_is_extended(v->mbr.at[i].type) &&
		    overlaps(c, v->mbr.at[i].first, v->mbr.at[i].sectors))
			verify_fault(v,
				     "grub: core.img (%" PRIu64 " sectors from %" PRIu64
				     ") lies in the extended partition %u",
				     c->count, c->first, i + 1);
}

/* Whether core.img lies in sectors that are nobody's, or GRUB's. */
static void check_place(struct verify *v, const struct core *c)
{
	uint32_t i;
	bool reserved = false;

	for (i = 0; i < v->count; i++) {
		const struct verify_partition *p = &v->at[i];

		if (!overlaps(c, p->first, p->count))
			continue;
		if (!is_bios_boot(p))
			verify_fault(v,
				     "grub: core.img (%" PRIu64 " sectors from %" PRIu64
				     ") lies in partition %" PRIu32 " (%s)",
				     c->count, c->first, p->number,
				     p->gpt ? "which is no BIOS boot partition" : "over its data");
		else if (c->first < p->first || !range_ok(c->first - p->first, c->count, p->count))
			verify_fault(v,
				     "grub: core.img (%" PRIu64 " sectors from %" PRIu64
				     ") passes the BIOS boot partition %" PRIu32 " (%" PRIu64
				     " sectors from %" PRIu64 ")",
				     c->count, c->first, p->number, p->count, p->first);
		else
			reserved = true;
	}
	check_extended(v, c);
	if (!v->gpt.found || v->verdict->table == TRANSHIP_TABLE_MBR)
		return;
	if (c->first < v->gpt.used->header.first_usable ||
	    c->first + c->count - 1 > v->gpt.used->header.last_usable)
		verify_fault(v,
			     "grub: core.img (%" PRIu64 " sectors from %" PRIu64
			     ") lies over the GPT",
			     c->count, c->first);
	else if (!reserved)
		verify_remark(v,
			      "grub: no BIOS boot partition keeps core.img's %" PRIu64
			      " sectors from %" PRIu64,
			      c->count, c->first);
}

static int read_rest(struct verify *v, const struct core *c, struct tranship_error *err)
{
	size_t len = (size_t)(c->count - 1) * MBR_SIZE;
	unsigned char *bytes = malloc(len);
	int rc;

	if (!bytes)
		return error_nomem(err, len);
	rc = tranship_disk_read(v->disk, NULL, (c->first + 1) * MBR_SIZE, bytes, len, err);
	if (rc == 0)
		rc = verify_core(v, bytes, len, c->first + 1, err);
	free(bytes);
	return rc;
}

int verify_grub(struct verify *v, uint64_t core_sector, struct tranship_error *err)
{
	struct core c = { .first = core_sector };
	unsigned char raw[MBR_SIZE], drive = v->mbr.raw[OFF_BOOT_DRIVE];
	uint64_t next;
	uint32_t rest;
	int rc;

	if (drive < FIRST_DISK)
		verify_fault(v, "grub: the first sector reads core.img from drive 0x%02x, no disk",
			     drive);
	if (core_sector == 0 || core_sector >= v->sectors) {
		verify_fault(v,
			     "grub: the first sector has core.img at sector %" PRIu64
			     ", the disk has %" PRIu64,
			     core_sector, v->sectors);
		return 0;
	}
	rc = tranship_disk_read(v->disk, NULL, core_sector * MBR_SIZE, raw, sizeof(raw), err);
	if (rc)
		return rc;
	if (!grub_is_core(raw, &next, &rest)) {
		verify_fault(v,
			     "grub: no core.img with a block list stands in sector %" PRIu64
			     ", where the first sector looks for it",
			     core_sector);
		return 0;
	}
	c.count = 1 + (uint64_t)rest;
	if (next != core_sector + 1) {
		verify_fault(v,
			     "grub: core.img in sector %" PRIu64
			     " has the rest of it at sector %" PRIu64 " in its block list",
			     core_sector, next);
		return 0;
	}
	if (!range_ok(c.first, c.count, v->sectors)) {
		verify_fault(v,
			     "grub: core.img (%" PRIu64 " sectors from %" PRIu64
			     ") passes the end of the disk",
			     c.count, c.first);
		return 0;
	}
	check_place(v, &c);
	return read_rest(v, &c, err);
}
