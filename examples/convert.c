// SPDX-License-Identifier: Apache-2.0
/* Converts an image by the library: convert SOURCE FORMAT OUTPUT */
#include <tranship/tranship.h>

#include <stdio.h>

int main(int argc, char **argv)
{
	struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };
	struct tranship_open_options open = { .policy = &beside };
	struct tranship_create_options create = { 0 };
	struct tranship_writer *writer = NULL;
	struct tranship_disk *disk;
	struct tranship_error err;
	int rc;

	if (argc != 4) {
		fprintf(stderr, "usage: %s SOURCE FORMAT OUTPUT\n", argv[0]);
		return 2;
	}
	rc = tranship_open(argv[1], &open, &disk, &err);
	if (rc == 0) {
		create.format = argv[2];
		create.size = tranship_disk_size(disk);
		create.source = disk;
		rc = tranship_create(argv[3], &create, &writer, &err);
		if (rc == 0)
			rc = tranship_copy(disk, writer, NULL, &err);
		if (rc == 0)
			rc = tranship_writer_finish(writer, &err);
		tranship_writer_close(writer);
		tranship_disk_close(disk);
	}
	if (rc)
		fprintf(stderr, "%s: %s\n", argv[0], err.message);
	return rc ? 1 : 0;
}
