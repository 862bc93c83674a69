// SPDX-License-Identifier: Apache-2.0
#include "boot_found.h"

#include "support.h"

#include <stdio.h>
#include <string.h>

static void take(void *ctx, bool fault, const char *finding)
{
	struct boot_found *f = ctx;
	size_t len = strlen(f->text);

	if (fault)
		f->faults++;
	else
		f->remarks++;
	snprintf(f->text + len, sizeof(f->text) - len, "%s: %s\n", fault ? "fault" : "remark",
		 finding);
}

void boot_verify(struct tranship_disk *disk, struct boot_found *found,
		 struct tranship_boot_verdict *verdict)
{
	struct tranship_boot_verdict again;
	struct tranship_error err;

	memset(found, 0, sizeof(*found));
	assert_ok(tranship_boot_verify(disk, take, found, verdict, &err), &err);
	assert_int_equal(verdict->faults, found->faults);
	assert_ok(tranship_boot_verify(disk, NULL, NULL, &again, NULL), NULL);
	assert_memory_equal(&again, verdict, sizeof(again));
}
