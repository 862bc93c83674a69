// SPDX-License-Identifier: Apache-2.0
#include "tool_point.h"

#include "emit/manifest.h"
#include "emit/store_inside.h"

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
