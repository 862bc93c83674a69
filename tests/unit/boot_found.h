/* SPDX-License-Identifier: Apache-2.0 */
/* What tranship_boot_verify finds on a disk. For cmocka. */
#ifndef TESTS_UNIT_BOOT_FOUND_H
#define TESTS_UNIT_BOOT_FOUND_H

#include "tranship/boot.h"

struct boot_found {
	unsigned faults, remarks;
	char text[8000]; /* a line each: "fault: ..." */
};

/* Verifies, which must work; and again, with nobody who listens. */
void boot_verify(struct tranship_disk *disk, struct boot_found *found,
		 struct tranship_boot_verdict *verdict);

#endif
