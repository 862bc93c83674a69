/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk as a grid of cells, for people who would rather look than read: as an SVG, or as blocks on
 * a terminal. Fed in one ascending pass; the memory is the same for every disk, because a cell (a
 * power of two of bytes) keeps only how many bytes of each kind are in it.
 */
#ifndef CLI_PICTURE_H
#define CLI_PICTURE_H

#include "tranship/tranship.h"

struct picture;

enum picture_kind {
	PICTURE_DATA, /* of a map: in which image of the chain is said by its depth */
	PICTURE_LOST,
	PICTURE_ZERO,
	PICTURE_HOLE,
	PICTURE_CHANGED, /* of a diff */
	PICTURE_ZEROED,
	PICTURE_SAME,
	PICTURE_EMPTY, /* the same, and nothing is stored there */
	PICTURE_UNREAD,
};

/*
 * A picture of the bytes [off, off + len) of the disk, which gives format, size and the names of
 * its layers, and outlives the picture. `title` is any text (a path); it is copied. Never NULL.
 */
struct picture *picture_new(const char *title, struct tranship_disk *disk, uint64_t off,
			    uint64_t len);
void picture_free(struct picture *p);

/* The next stretch. What lies outside of the picture is left out. `depth` counts for PICTURE_DATA.
 */
void picture_add(struct picture *p, uint64_t off, uint64_t len, enum picture_kind kind,
		 uint32_t depth);

/* The next stretch of a diff. What is the same is told apart by the map of the picture's disk, the
 * new one; from a pipe that is not possible, and all of it is PICTURE_SAME. */
void picture_add_diff(struct picture *p, uint64_t off, uint64_t len, enum tranship_diff_kind kind);

/*
 * Writes it as SVG to path, as every output is written ("-": standard output). A path that is a
 * file of the picture's disk, or of `other` (NULL: none; the old disk of a diff), is refused. 0, or
 * -1 with a message.
 */
int picture_write_svg(const struct picture *p, const char *path, struct tranship_disk *other);

/* Prints it to standard output: as wide as the terminal (or as COLUMNS says), in UTF-8 if that is
 * the locale's, in colours on a terminal unless NO_COLOR is set. */
void picture_print_blocks(const struct picture *p);

#endif
