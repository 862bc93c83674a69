/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold of any disk that opens, however hostile its image is. The unit tests and the fuzz
 * targets both ask.
 */
#ifndef TESTS_UNIT_WALK_H
#define TESTS_UNIT_WALK_H

#include "tranship/tranship.h"

/* Where a walk stops: a hostile image may claim terabytes. */
struct walk_limits {
	uint64_t extents; /* that are mapped */
	uint64_t bytes;   /* that are read, about */
	uint64_t units;   /* that a checked disk may have (its size in clusters) */
};

/* Enough for images of a test. */
extern const struct walk_limits walk_all;

/*
 * Maps and reads the disk. Returns NULL, or the property that does not hold:
 *   - the extents from 0 on tile [0, size), and an extent's middle is of its kind;
 *   - what is called zero or absent reads as zeros;
 *   - a read in two parts gives what one read gives;
 *   - data that stands in the file as it is reads as the file's bytes there;
 *   - an error has a code of the library's and a message of printable text.
 * An error of map or read ends the walk without breaking anything; its code goes to *rc, and what
 * it says to *err. `twin` is a second file with the image's bytes, or NULL.
 */
const char *walk_disk(struct tranship_disk *disk, struct tranship_file *twin,
		      const struct walk_limits *limits, int *rc, struct tranship_error *err);

/* The same for tranship_check (not called where the disk has too many units) and the properties. */
const char *walk_check(struct tranship_disk *disk, const struct walk_limits *limits);

/* The same for a failed call's error. */
const char *walk_error(int rc, const struct tranship_error *err);

#endif
