/* SPDX-License-Identifier: Apache-2.0 */
/* Three versions of a disk, images of them, and deltas between them, in files. */
#ifndef TESTS_UNIT_DELTA_FILES_H
#define TESTS_UNIT_DELTA_FILES_H

#include "image_delta.h"
#include "support.h"

#define BLOCK 4096U
#define DISK (600 * 1024U)
#define ODD (DISK + 3 * 512)

/* The last one is larger. */
extern unsigned char *versions[3];
extern const size_t version_sizes[3];

/* Of a group of tests. */
int make_versions(void **state);
int free_versions(void **state);

/* How a delta between two versions is made. */
struct delta_spec {
	int from, to;
	const char *base_id, *target_id, *base_format, *hint;
	int level;
	uint32_t block_size; /* 0: BLOCK */
};

struct buffer delta_of(const struct delta_spec *spec);
void write_delta(const char *path, const struct delta_spec *spec);
/* A version as an image. */
void write_image(const char *path, const char *format, const char *options, int version);

/* The disk is complete and reads as that version. */
void expect_version(struct tranship_disk *disk, int version);

/* Opens it with the policy "beside". */
int open_with(const char *path, const char *options, unsigned flags, const char *const *parents,
	      size_t count, struct tranship_disk **out, struct tranship_error *err);

#endif
