/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of any NTFS that opens, whatever it contains. */
#ifndef TESTS_UNIT_NTFS_WALK_H
#define TESTS_UNIT_NTFS_WALK_H

#include "tranship/tranship.h"

struct ntfs_walk {
	unsigned files, folders, refused; /* what was met */
	const char *broken;               /* what does not hold; NULL: all does */
};

/*
 * Opens the volume that is all of `disk`, lists all folders, and reads the begin of each file as a
 * whole, in two parts, and at the places where it is said to stand; within limits, so that it ends
 * soon for any volume. Returns what opening returns; errors further down are counted.
 */
int ntfs_walk(struct tranship_disk *disk, struct ntfs_walk *out, struct tranship_error *err);

#endif
