// SPDX-License-Identifier: Apache-2.0
/*
 * The input is the start and the end of a disk (tables_input.h), read as a GPT and as an MBR with
 * logical partitions. A GPT with a good copy that is put anew reads back as it was, both copies
 * good; one that is erased is gone, but where its partitions lie. What an MBR has of logical
 * partitions lies in the extended one, and does not overlap. Any disk can be judged.
 */
#include "harness.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "image_gpt.h"
#include "mbr-gpt/gpt.h"
#include "mbr-gpt/mbr.h"
#include "sparse_disk.h"
#include "tables_input.h"
#include "tranship/boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect_fault(const struct gpt_copy *copy)
{
	fuzz_require(!copy->good || (copy->present && copy->array), "a good copy is there");
	fuzz_require(copy->good || !copy->array, "a bad copy has no array");
	fuzz_require(!copy->present || copy->good == (copy->fault.code == 0),
		     "a bad copy says what is wrong");
	if (copy->fault.code)
		fuzz_require(walk_error(copy->fault.code, &copy->fault) == NULL,
			     "so that it can be printed");
}

static void read_again(struct tranship_disk *disk, const struct patches *patches, struct gpt *out)
{
	struct tranship_disk *copy = sparse_disk_copy(disk);

	if (!copy)
		abort();
	sparse_disk_patch(copy, patches);
	fuzz_require(gpt_read(copy, out, NULL) == 0, "it reads again");
	tranship_disk_close(copy);
}

static size_t array_len(const struct gpt *gpt)
{
	return (size_t)gpt->count * gpt->used->header.entry_size;
}

static void put(const struct gpt *gpt, struct tranship_disk *disk)
{
	struct tranship_error err = { 0 };
	struct patches patches;
	struct gpt again;
	int rc;

	patches_init(&patches, disk);
	rc = gpt_put(gpt, disk, gpt->used->array, &patches, &err);
	fuzz_require(rc == 0 || rc == TRANSHIP_EUNSUPPORTED, "it is put, or there is no room");
	if (rc == 0) {
		read_again(disk, &patches, &again);
		fuzz_require(again.primary.good && again.backup.good && !again.differ,
			     "both copies are good");
		fuzz_require(!again.backup_misplaced, "the backup is at the end");
		fuzz_require(array_len(&again) == array_len(gpt) &&
				     memcmp(again.used->array, gpt->used->array, array_len(gpt)) ==
					     0,
			     "it reads back as it was");
		fuzz_require(memcmp(again.entries, gpt->entries,
				    gpt->count * sizeof(*gpt->entries)) == 0,
			     "its entries are the same");
		gpt_free(&again);
	} else {
		fuzz_require(walk_error(rc, &err) == NULL, "a failure says what it is");
	}
	patches_free(&patches);
}

static bool in_partition(const struct gpt *gpt, uint64_t lba)
{
	uint32_t i;

	for (i = 0; i < gpt->count; i++)
		if (!guid_is_zero(&gpt->entries[i].type) && gpt->entries[i].first <= lba &&
		    lba <= gpt->entries[i].last)
			return true;
	return false;
}

static void erase(const struct gpt *gpt, struct tranship_disk *disk)
{
	struct patches patches;
	struct gpt again;
	size_t i;

	patches_init(&patches, disk);
	fuzz_require(gpt_erase(gpt, disk, &patches, NULL) == 0, "it is erased");
	for (i = 0; i < patches.count; i++)
		fuzz_require(patches.at[i].sector > 0 && !in_partition(gpt, patches.at[i].sector),
			     "partitions and the MBR stay");
	read_again(disk, &patches, &again);
	fuzz_require(!again.primary.present || in_partition(gpt, again.primary.lba),
		     "no primary is left");
	fuzz_require(!again.backup.present || in_partition(gpt, again.backup.lba),
		     "no backup is left");
	gpt_free(&again);
	patches_free(&patches);
}

static void look_at_gpt(struct tranship_disk *disk)
{
	struct tranship_error err = { 0 };
	struct gpt gpt;
	uint32_t i;

	fuzz_require(gpt_read(disk, &gpt, &err) == 0, "a disk that reads has no errors");
	expect_fault(&gpt.primary);
	expect_fault(&gpt.backup);
	fuzz_require(gpt.found == (gpt.primary.good || gpt.backup.good), "found is one good one");
	erase(&gpt, disk);
	if (!gpt.found) {
		gpt_free(&gpt);
		return;
	}
	for (i = 0; i < gpt.count; i++) {
		unsigned char raw[GPT_ENTRY_MIN];
		struct gpt_entry *e = &gpt.entries[i];

		if (guid_is_zero(&e->type))
			continue;
		fuzz_require(e->first > 1 && e->first <= e->last && e->last < gpt.sectors,
			     "partitions lie on the disk");
		gpt_entry_encode(e, raw, sizeof(raw));
		fuzz_require(memcmp(raw, gpt.used->array + (size_t)i * gpt.used->header.entry_size,
				    56) == 0,
			     "encode(decode(x)) is x, names apart");
	}
	put(&gpt, disk);
	gpt_free(&gpt);
}

static void look_at_mbr(struct tranship_disk *disk)
{
	struct mbr *mbr = malloc(sizeof(*mbr));
	uint64_t sectors = tranship_disk_size(disk) / tranship_disk_sector_size(disk);
	uint32_t i, j;

	if (!mbr)
		abort();
	fuzz_require(mbr_read(disk, mbr, NULL) == 0, "a disk that reads has no errors");
	fuzz_require(mbr->kind != MBR_NONE || mbr->logical_count == 0, "what is none has none");
	for (i = 0; i < mbr->logical_count; i++) {
		const struct mbr_entry *e = &mbr->logical[i];

		fuzz_require(e->type != 0 && e->sectors > 0 &&
				     range_ok(e->first, e->sectors, sectors),
			     "logical partitions lie on the disk");
		for (j = 0; j < i; j++)
			fuzz_require(e->first >= (uint64_t)mbr->logical[j].first +
							     mbr->logical[j].sectors ||
					     mbr->logical[j].first >=
						     (uint64_t)e->first + e->sectors,
				     "and do not overlap");
	}
	free(mbr);
}

static void take_finding(void *ctx, bool fault, const char *finding)
{
	struct tranship_error shown = { .code = TRANSHIP_ECORRUPT };
	uint32_t *faults = ctx;

	*faults += fault;
	snprintf(shown.message, sizeof(shown.message), "%s", finding);
	fuzz_require(walk_error(shown.code, &shown) == NULL, "a finding can be printed");
}

/* Whatever stands there. */
static void look_at_boot(struct tranship_disk *disk)
{
	struct tranship_boot_verdict verdict;
	uint32_t faults = 0;

	fuzz_require(tranship_boot_verify(disk, take_finding, &faults, &verdict, NULL) == 0,
		     "a disk that reads can be judged");
	fuzz_require(faults == verdict.faults, "faults are counted");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t sector_size, start;
	struct tranship_disk *disk;
	uint64_t bytes;

	if (size < TABLES_HEAD)
		return 0;
	sector_size = data[TABLES_OFF_FLAGS] & TABLES_FLAG_4K ? 4096 : 512;
	bytes = (uint64_t)get_le32(data + TABLES_OFF_SECTORS) * sector_size;
	start = get_le32(data + TABLES_OFF_START);
	size -= TABLES_HEAD;
	if (size > bytes)
		size = (size_t)bytes;
	if (start > size)
		start = (uint32_t)size;
	disk = sparse_disk(bytes, sector_size);
	if (!disk)
		return 0;
	sparse_disk_write(disk, 0, data + TABLES_HEAD, start);
	sparse_disk_write(disk, bytes - (size - start), data + TABLES_HEAD + start, size - start);
	if (data[TABLES_OFF_FLAGS] & TABLES_FLAG_SUM && bytes >= 3 * (uint64_t)sector_size) {
		image_gpt_sum(disk, 1);
		image_gpt_sum(disk, bytes / sector_size - 1);
	}
	look_at_gpt(disk);
	look_at_mbr(disk);
	look_at_boot(disk);
	tranship_disk_close(disk);
	return 0;
}
