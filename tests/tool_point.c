// SPDX-License-Identifier: Apache-2.0
#include "tool_point.h"

#include "emit/manifest.h"
#include "emit/store_inside.h"

#include "tranship/pipeline.h"

#include <stdio.h>
#include <stdlib.h>

int tool_point(int argc, char **argv)
{
	struct tranship_store_options options = { .key_file = getenv("TRANSHIP_KEY_FILE"),
						  .cache = "" };
	struct manifest m = {
		.version = "v", .source_format = "raw", .size = 1U << 20, .sector_size = 512
	};
	struct tranship_store *store;
	struct tranship_error err;
	int rc;

	if (argc < 5 || argc > 6) {
		fprintf(stderr, "usage: test-tool %s\n", TOOL_POINT_USAGE);
		return 2;
	}
	snprintf(m.disk, sizeof(m.disk), "%s", argv[3]);
	snprintf(m.name, sizeof(m.name), "%s", argv[4]);
	snprintf(m.predecessor, sizeof(m.predecessor), "%s", argc > 5 ? argv[5] : "");
	rc = tranship_store_open(argv[2], &options, &store, &err);
	if (rc == 0)
		rc = manifest_write(store, &m, NULL, &err);
	if (rc == 0)
		printf("%s\n", m.id);
	else
		fprintf(stderr, "test-tool: %s\n", err.message);
	tranship_store_close(store);
	return rc ? 1 : 0;
}

int tool_replicate(int argc, char **argv)
{
	struct tranship_store_options options = { .key_file = getenv("TRANSHIP_KEY_FILE"),
						  .cache = "" };
	struct tranship_replicate_options run = { 0 };
	struct tranship_open_options raw = { .format = "raw" };
	struct tranship_replicate_result result;
	struct tranship_store *store = NULL;
	struct tranship_disk *disk = NULL;
	struct tranship_error err;
	int rc;

	if (argc != 6) {
		fprintf(stderr, "usage: test-tool %s\n", TOOL_REPLICATE_USAGE);
		return 2;
	}
	run.disk = argv[3];
	run.name = argv[4];
	rc = tranship_store_open(argv[2], &options, &store, &err);
	if (rc == 0)
		rc = tranship_open(argv[5], &raw, &disk, &err);
	if (rc == 0)
		rc = tranship_replicate(disk, store, &run, &result, &err);
	if (rc == 0)
		printf("%s\n", result.point);
	else
		fprintf(stderr, "test-tool: %s\n", err.message);
	tranship_disk_close(disk);
	tranship_store_close(store);
	return rc ? 1 : 0;
}
