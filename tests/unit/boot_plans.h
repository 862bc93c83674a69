/* SPDX-License-Identifier: Apache-2.0 */
/* Plans made by hand, of disks in memory. */
#ifndef TESTS_UNIT_BOOT_PLANS_H
#define TESTS_UNIT_BOOT_PLANS_H

#include "support.h"

#include "mbr-gpt/boot_plan.h"

/* A disk in memory with a copy of these bytes, and sectors of 512 bytes. */
struct tranship_disk *memory_disk(const unsigned char *bytes, size_t size);

/* A plan for the disk that replaces nothing yet; plan_ready makes its extents and digest. */
struct tranship_boot_plan *plan_for(struct tranship_disk *disk);
void plan_ready(struct tranship_boot_plan *plan, struct tranship_disk *disk);

/* Replaces bytes by the plan, and in `bytes`, all of the disk, unless that is NULL. */
void plan_replace(struct tranship_boot_plan *plan, struct tranship_disk *disk, unsigned char *bytes,
		  uint64_t off, const void *with, size_t len, const char *reason);

#endif
