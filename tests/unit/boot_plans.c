// SPDX-License-Identifier: Apache-2.0
#include "boot_plans.h"

#include <stdlib.h>
#include <string.h>

struct tranship_disk *memory_disk(const unsigned char *bytes, size_t size)
{
	struct tranship_open_options options = { .format = "raw" };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open_file(file_of(bytes, size), &options, &disk, &err), &err);
	return disk;
}

struct tranship_boot_plan *plan_for(struct tranship_disk *disk)
{
	struct tranship_boot_plan *plan = calloc(1, sizeof(*plan));

	assert_non_null(plan);
	plan->target = TRANSHIP_BOOT_BIOS_GPT;
	plan->os = TRANSHIP_OS_LINUX;
	plan->size = tranship_disk_size(disk);
	plan->sector_size = tranship_disk_sector_size(disk);
	patches_init(&plan->patches, disk);
	return plan;
}

void plan_ready(struct tranship_boot_plan *plan, struct tranship_disk *disk)
{
	struct tranship_error err;

	assert_ok(plan_finish(plan, disk, &err), &err);
}

void plan_replace(struct tranship_boot_plan *plan, struct tranship_disk *disk, unsigned char *bytes,
		  uint64_t off, const void *with, size_t len, const char *reason)
{
	struct tranship_error err;

	assert_ok(patches_put(&plan->patches, disk, off, with, len, reason, &err), &err);
	if (bytes)
		memcpy(bytes + off, with, len);
}
