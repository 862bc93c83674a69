// SPDX-License-Identifier: Apache-2.0
#include "tool_verify.h"

#include "tranship/boot.h"
#include "tranship/image.h"

#include <stdio.h>

static void print(void *ctx, bool fault, const char *finding)
{
	(void)ctx;
	printf("%s: %s\n", fault ? "fault" : "remark", finding);
}

int tool_verify(int argc, char **argv)
{
	struct tranship_open_options options = { .format = "raw" };
	struct tranship_boot_verdict verdict;
	struct tranship_disk *disk = NULL;
	struct tranship_error err = { 0 };
	int rc;

	if (argc != 3)
		return 2;
	rc = tranship_open(argv[2], &options, &disk, &err);
	if (rc == 0)
		rc = tranship_boot_verify(disk, print, NULL, &verdict, &err);
	if (rc)
		fprintf(stderr, "test-tool: %s\n", err.message);
	else
		printf("%d %d %u\n", verdict.table, verdict.os, verdict.faults);
	tranship_disk_close(disk);
	return rc ? 1 : 0;
}
