/* SPDX-License-Identifier: Apache-2.0 */
/* The start (and the end) of file systems, as far as a probe looks at them: sound ones, to be
 * damaged by tests. */
#ifndef TESTS_UNIT_IMAGE_FS_H
#define TESTS_UNIT_IMAGE_FS_H

#include <stddef.h>
#include <stdint.h>

/* The least size. */
#define IMAGE_FS_SIZE ((size_t)256 << 10)

struct image_fs {
	const char *name;
	const char *type, *id, *label;                 /* what a probe says of it */
	void (*fill)(unsigned char *raw, size_t size); /* zeros before */
	void (*sum)(unsigned char *raw,
		    size_t size); /* makes its checksum right; NULL: it has none */
};

extern const struct image_fs image_fs_list[];
extern const size_t image_fs_count;

/* NULL: no such name. */
const struct image_fs *image_fs_find(const char *name);

/* malloc'ed; size: a multiple of 64 KiB. */
unsigned char *image_fs_make(const struct image_fs *fs, size_t size);

#endif
