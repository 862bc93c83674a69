// SPDX-License-Identifier: Apache-2.0
#include "tool_tables.h"

#include "core/disk.h"
#include "mbr-gpt/gpt.h"
#include "mbr-gpt/mbr.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_faults(const struct gpt *gpt)
{
	if (gpt->primary.fault.code)
		printf("fault: %s\n", gpt->primary.fault.message);
	if (gpt->backup.fault.code)
		printf("fault: %s\n", gpt->backup.fault.message);
	if (gpt->differ)
		printf("note: the copies differ\n");
	if (gpt->backup_misplaced)
		printf("note: the backup stands in sector %" PRIu64 "\n", gpt->backup.lba);
	if (gpt->foreign_sector_size)
		printf("note: a table of sectors of %" PRIu32 " bytes\n", gpt->foreign_sector_size);
	if (gpt->found && !gpt->primary.good)
		printf("note: the backup is used\n");
}

static void print_gpt(const struct gpt *gpt)
{
	char type[GUID_TEXT_SIZE], id[GUID_TEXT_SIZE];
	uint32_t i;

	print_faults(gpt);
	if (!gpt->found)
		return;
	guid_text_le(&gpt->used->header.disk, id);
	printf("gpt %s %" PRIu64 " %" PRIu64 "\n", id, gpt->used->header.first_usable,
	       gpt->used->header.last_usable);
	for (i = 0; i < gpt->count; i++) {
		const struct gpt_entry *e = &gpt->entries[i];

		guid_text_le(&e->type, type);
		guid_text_le(&e->id, id);
		if (!guid_is_zero(&e->type))
			printf("%" PRIu32 " %" PRIu64 " %" PRIu64 " %s %s %s\n", i + 1, e->first,
			       e->last - e->first + 1, type, id, e->name);
	}
}

static void print_entry(const struct mbr_entry *e, uint32_t number)
{
	if (e->type)
		printf("%" PRIu32 " %" PRIu32 " %" PRIu32 " %x %c\n", number, e->first, e->sectors,
		       e->type, e->active ? '*' : '-');
}

static void print_mbr(const struct mbr *mbr)
{
	static const char *const kinds[] = { "none", "plain", "protective", "hybrid" };
	uint32_t i;

	printf("mbr %s 0x%08" PRIx32 "\n", kinds[mbr->kind], mbr->signature);
	if (mbr->fault.code)
		printf("fault: %s\n", mbr->fault.message);
	for (i = 0; i < MBR_ENTRIES; i++)
		print_entry(&mbr->at[i], i + 1);
	for (i = 0; i < mbr->logical_count; i++)
		print_entry(&mbr->logical[i], i + 5);
}

static int write_patches(const char *path, const struct patches *p)
{
	int fd = open(path, O_WRONLY), rc = fd < 0;
	size_t i;

	for (i = 0; i < p->count && rc == 0; i++)
		rc = pwrite(fd, p->at[i].bytes, p->sector_size,
			    (off_t)(p->at[i].sector * p->sector_size)) != (ssize_t)p->sector_size;
	return close(fd) || rc;
}

static int change(const char *verb, const char *path, struct tranship_disk *disk,
		  const struct gpt *gpt, struct tranship_error *err)
{
	struct patches patches;
	int rc;

	patches_init(&patches, disk);
	rc = strcmp(verb, "gpt-put") == 0
		     ? gpt_put(gpt, disk, gpt->found ? gpt->used->array : NULL, &patches, err)
		     : gpt_erase(gpt, disk, &patches, err);
	if (rc == 0 && write_patches(path, &patches))
		rc = snprintf(err->message, sizeof(err->message), "cannot write");
	patches_free(&patches);
	return rc;
}

int tool_tables(int argc, char **argv)
{
	struct tranship_open_options options = { .format = "raw" };
	struct tranship_disk *disk = NULL;
	struct tranship_error err = { 0 };
	struct gpt gpt = { 0 };
	struct mbr mbr;
	int rc;

	if (argc < 3)
		return 2;
	rc = tranship_open(argv[2], &options, &disk, &err);
	if (rc == 0 && argc > 3)
		disk->sector_size = (uint32_t)strtoul(argv[3], NULL, 10);
	if (rc == 0)
		rc = gpt_read(disk, &gpt, &err);
	if (rc == 0 && strcmp(argv[1], "tables") != 0)
		rc = change(argv[1], argv[2], disk, &gpt, &err);
	else if (rc == 0 && (rc = mbr_read(disk, &mbr, &err)) == 0) {
		print_gpt(&gpt);
		print_mbr(&mbr);
	}
	if (rc)
		fprintf(stderr, "test-tool: %s\n", err.message);
	gpt_free(&gpt);
	tranship_disk_close(disk);
	return rc ? 1 : 0;
}
