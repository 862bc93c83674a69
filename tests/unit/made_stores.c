// SPDX-License-Identifier: Apache-2.0
#include "made_stores.h"

#include "memory_target.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void key_file_make(char path[64], unsigned char fill, size_t len)
{
	int fd;

	strcpy(path, "/tmp/tranship-unit-key.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	for (; len > 0; len--)
		assert_int_equal(write(fd, &fill, 1), 1);
	close(fd);
}

struct tranship_store *store_make(bool encrypted)
{
	struct tranship_store_init_options options = { .encrypt = encrypted, .open.cache = "" };
	struct target *t = memory_target_new();
	struct tranship_store *store;
	struct tranship_error err;
	char path[64];

	key_file_make(path, 7, 32);
	if (encrypted)
		options.open.key_file = path;
	assert_ok(store_init_target(t, &options, &err), &err);
	assert_ok(store_open_target(t, &options.open, &store, &err), &err);
	unlink(path);
	return store;
}

void point_make(struct tranship_store *store, const char *disk, const char *name,
		const char *predecessor, char id[POINT_ID_TEXT])
{
	struct manifest m = {
		.version = "v", .source_format = "raw", .size = 1U << 20, .sector_size = 512
	};
	struct tranship_error err;

	snprintf(m.disk, sizeof(m.disk), "%s", disk);
	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.predecessor, sizeof(m.predecessor), "%s", predecessor);
	assert_ok(manifest_write(store, &m, NULL, &err), &err);
	if (id)
		strcpy(id, m.id);
	manifest_free(&m);
}
