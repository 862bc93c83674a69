/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A volume has its 128 KiB of $UpCase, and a file of each kind; an input is what differs from the
 * scene of image_ntfs.h:
 *
 *	1 byte	1 leaves fixups as they are; what to start from: 2 and 4, a geometry
 *	then records:
 *	1 byte	the place: below 28 a file record, 28 to 30 a block of the root, 31 to 33 a block of
 *		IMAGE_FOLDER, 34 the boot sector, else a sector behind the records
 *	2 bytes	offset from it (little-endian)
 *	1 byte	length n
 *	n bytes	that stand there instead
 */
#ifndef FUZZ_NTFS_INPUT_H
#define FUZZ_NTFS_INPUT_H

#include "image_ntfs.h"

enum {
	NTFS_AS_IT_IS = 1,
	NTFS_GEOMETRIES = 4,
	NTFS_AT_ROOT = IMAGE_RECORDS,
	NTFS_AT_FOLDER = NTFS_AT_ROOT + 3,
	NTFS_AT_BOOT = NTFS_AT_FOLDER + 3,
	NTFS_AT_SECTORS,
};

/* A good volume, which stays, and its front with the changes; malloc'ed, NULL: no memory. */
struct ntfs_input {
	const struct image_ntfs *good;
	unsigned char *front; /* good->front bytes */
};
struct ntfs_input ntfs_input(const uint8_t *data, size_t size);

#endif
