// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the MBR. An extended partition is a chain of boot records, each with the entry of one
 * logical partition, relative to the record, and a link to the next one, relative to the extended
 * partition. Tools leave the chain in any order, and records without a partition; what no tool
 * does is to leave the extended partition, to share sectors, or to come back.
 */
#include "base/checked.h"
#include "base/error.h"
#include "mbr-gpt/mbr_ondisk.h"

#include <inttypes.h>
#include <string.h>

bool mbr_is_extended(unsigned char type)
{
	return type == 0x05 || type == 0x0F || type == 0x85;
}

static bool is_free(const struct mbr_entry *e)
{
	return e->type == 0;
}

static bool overlap(const struct mbr_entry *a, const struct mbr_entry *b)
{
	return a->first < (uint64_t)b->first + b->sectors &&
	       b->first < (uint64_t)a->first + a->sectors;
}

static bool covers(const struct mbr_entry *e, uint64_t sector)
{
	return sector >= e->first && sector - e->first < e->sectors;
}

/* The first fault stays. */
static struct tranship_error *fault_of(struct mbr *mbr)
{
	return mbr->fault.code ? NULL : &mbr->fault;
}

static void check_entry(struct mbr *mbr, unsigned index, uint64_t disk_sectors)
{
	const struct mbr_entry *e = &mbr->at[index];
	unsigned i;

	if (e->first == 0 || e->sectors == 0)
		error_set(fault_of(mbr), TRANSHIP_ECORRUPT,
			  "mbr: partition %u begins in sector %" PRIu32 " and has %" PRIu32
			  " sectors",
			  index + 1, e->first, e->sectors);
	else if (!range_ok(e->first, e->sectors, disk_sectors))
		error_set(fault_of(mbr), TRANSHIP_ECORRUPT,
			  "mbr: partition %u (%" PRIu32 " sectors from %" PRIu32
			  ") passes the end of the disk (%" PRIu64 " sectors)",
			  index + 1, e->sectors, e->first, disk_sectors);
	for (i = 0; i < index; i++)
		if (!is_free(&mbr->at[i]) && mbr->at[i].type != MBR_TYPE_PROTECTIVE &&
		    overlap(&mbr->at[i], e))
			error_set(fault_of(mbr), TRANSHIP_ECORRUPT,
				  "mbr: partitions %u and %u overlap", i + 1, index + 1);
}

static void check_table(struct mbr *mbr, uint64_t disk_sectors)
{
	unsigned i, extended = 0;

	for (i = 0; i < MBR_ENTRIES; i++) {
		/* The protective one covers all, and may say more than there is. */
		if (!is_free(&mbr->at[i]) && mbr->at[i].type != MBR_TYPE_PROTECTIVE)
			check_entry(mbr, i, disk_sectors);
		if (mbr_is_extended(mbr->at[i].type) && ++extended == 2)
			error_set(fault_of(mbr), TRANSHIP_ECORRUPT,
				  "mbr: partition %u is a second extended partition", i + 1);
	}
}

static enum mbr_kind kind_of(struct mbr *mbr)
{
	unsigned i, used = 0, protective = 0, at = 0;

	if (!mbr_has_signature(mbr->raw))
		return MBR_NONE;
	for (i = 0; i < MBR_ENTRIES; i++) {
		mbr_entry_decode(mbr->raw, i, &mbr->at[i]);
		if (mbr->at[i].status != 0 && !mbr->at[i].active)
			return MBR_NONE;
		used += !is_free(&mbr->at[i]);
		if (mbr->at[i].type == MBR_TYPE_PROTECTIVE) {
			protective++;
			at = i;
		}
	}
	if (used == 0 && mbr_is_file_system(mbr->raw))
		return MBR_NONE;
	if (protective == 0)
		return MBR_PLAIN;
	return used == 1 && mbr->at[at].first == 1 ? MBR_PROTECTIVE : MBR_HYBRID;
}

/* The walk along the chain. */
struct chain {
	struct tranship_disk *disk;
	struct mbr *mbr;
	const struct mbr_entry *extended;
	uint32_t visited[MBR_LOGICAL_MAX]; /* sectors of the records */
	uint32_t count;
};

/* Whether a record may stand in this sector; what is wrong goes to the fault. */
static bool record_ok(const struct chain *c, uint64_t sector)
{
	struct mbr *mbr = c->mbr;
	uint32_t i;

	if (!covers(c->extended, sector)) {
		error_set(fault_of(mbr), TRANSHIP_ECORRUPT,
			  "mbr: a link leads to sector %" PRIu64
			  ", outside of the extended partition (%" PRIu32 " sectors from %" PRIu32
			  ")",
			  sector, c->extended->sectors, c->extended->first);
		return false;
	}
	if (c->count == MBR_LOGICAL_MAX) {
		error_set(fault_of(mbr), TRANSHIP_ELIMIT,
			  "mbr: the extended partition has more than %d boot records",
			  MBR_LOGICAL_MAX);
		return false;
	}
	for (i = 0; i < c->count; i++)
		if (c->visited[i] == sector) {
			error_set(fault_of(mbr), TRANSHIP_ECORRUPT,
				  "mbr: the boot records of the extended partition are a loop: "
				  "sector %" PRIu64 " comes twice",
				  sector);
			return false;
		}
	for (i = 0; i < mbr->logical_count; i++)
		if (covers(&mbr->logical[i], sector)) {
			error_set(fault_of(mbr), TRANSHIP_ECORRUPT,
				  "mbr: the boot record in sector %" PRIu64
				  " is inside of partition %" PRIu32,
				  sector, i + 5);
			return false;
		}
	return true;
}

/* Adds the logical partition that a record in `sector` names. */
static bool add_logical(struct chain *c, uint32_t sector, const struct mbr_entry *relative)
{
	struct mbr *mbr = c->mbr;
	struct mbr_entry e = *relative;
	uint64_t first = (uint64_t)sector + relative->first;
	uint32_t number = mbr->logical_count + 5, i;
	const struct mbr_entry *x = c->extended;

	if (relative->first == 0 || relative->sectors == 0 || first < x->first ||
	    !range_ok(first - x->first, relative->sectors, x->sectors)) {
		error_set(fault_of(mbr), TRANSHIP_ECORRUPT,
			  "mbr: partition %" PRIu32 " (%" PRIu32 " sectors from %" PRIu64
			  ") does not lie in the extended partition (%" PRIu32
			  " sectors from %" PRIu32 ")",
			  number, relative->sectors, first, x->sectors, x->first);
		return false;
	}
	e.first = (uint32_t)first;
	for (i = 0; i < mbr->logical_count; i++)
		if (overlap(&mbr->logical[i], &e)) {
			error_set(fault_of(mbr), TRANSHIP_ECORRUPT,
				  "mbr: partitions %" PRIu32 " and %" PRIu32 " overlap", i + 5,
				  number);
			return false;
		}
	for (i = 0; i < c->count; i++)
		if (covers(&e, c->visited[i])) {
			error_set(fault_of(mbr), TRANSHIP_ECORRUPT,
				  "mbr: partition %" PRIu32
				  " covers the boot record in sector %" PRIu32,
				  number, c->visited[i]);
			return false;
		}
	mbr->logical[mbr->logical_count++] = e;
	return true;
}

/* What one record says: at most one partition, and the sector of the next record, 0 at the end. */
static bool take_record(struct chain *c, uint32_t sector, const unsigned char *raw, uint64_t *next)
{
	struct mbr_entry partition = { 0 }, link = { 0 };
	unsigned i;

	*next = 0;
	if (!mbr_has_signature(raw)) {
		error_set(fault_of(c->mbr), TRANSHIP_ECORRUPT,
			  "mbr: no boot record of the extended partition in sector %" PRIu32,
			  sector);
		return false;
	}
	/* Usually in this order; OS/2 left something in the other two. */
	for (i = 0; i < 2; i++) {
		struct mbr_entry e;

		mbr_entry_decode(raw, i, &e);
		if (mbr_is_extended(e.type) && is_free(&link))
			link = e;
		else if (!is_free(&e) && is_free(&partition))
			partition = e;
	}
	if (!is_free(&link))
		*next = (uint64_t)c->extended->first + link.first;
	return is_free(&partition) || add_logical(c, sector, &partition);
}

static int walk_chain(struct chain *c, struct tranship_error *err)
{
	uint32_t sector_size = tranship_disk_sector_size(c->disk);
	uint64_t next = c->extended->first;
	unsigned char raw[MBR_SIZE];

	while (next && record_ok(c, next)) {
		uint32_t sector = (uint32_t)next;
		int rc = tranship_disk_read(c->disk, NULL, next * sector_size, raw, sizeof(raw),
					    err);

		if (rc)
			return rc;
		c->visited[c->count++] = sector;
		if (!take_record(c, sector, raw, &next))
			break;
	}
	return 0;
}

static int read_logical(struct tranship_disk *disk, struct mbr *mbr, uint64_t disk_sectors,
			struct tranship_error *err)
{
	struct chain c = { .disk = disk, .mbr = mbr };
	unsigned i;

	for (i = 0; i < MBR_ENTRIES; i++) {
		c.extended = &mbr->at[i];
		if (mbr_is_extended(c.extended->type) && c.extended->first > 0 &&
		    range_ok(c.extended->first, c.extended->sectors, disk_sectors))
			return walk_chain(&c, err);
	}
	return 0;
}

int mbr_read(struct tranship_disk *disk, struct mbr *out, struct tranship_error *err)
{
	uint64_t sectors = tranship_disk_size(disk) / tranship_disk_sector_size(disk);
	int rc;

	memset(out, 0, sizeof(*out));
	if (sectors == 0)
		return 0;
	rc = tranship_disk_read(disk, NULL, 0, out->raw, sizeof(out->raw), err);
	if (rc)
		return rc;
	out->kind = kind_of(out);
	if (out->kind == MBR_NONE) {
		memset(out->at, 0, sizeof(out->at));
		return 0;
	}
	out->signature = mbr_disk_signature(out->raw);
	check_table(out, sectors);
	return read_logical(disk, out, sectors, err);
}
