/* SPDX-License-Identifier: Apache-2.0 */
/* What the two ways to show a picture share: its cells, and what a cell looks like. */
#ifndef CLI_PICTURE_INSIDE_H
#define CLI_PICTURE_INSIDE_H

#include "picture.h"

#include <stdio.h>

enum {
	PICTURE_COLUMNS = 64,
	PICTURE_CELLS = 64 * 40, /* a disk whose size is a power of two has 2048 */
	PICTURE_LAYERS = 8,      /* the last one stands for all that are deeper, too */
	PICTURE_LEVELS = 8,      /* how finely a share is drawn */
	PICTURE_BARS = 3,
	PICTURE_TEXT = 32, /* bytes of a share or a size as text */
};

/* What is told apart. Figures are drawn as bars as high as their share, however small that is; of
 * the grounds behind them only the largest shows. */
enum shade {
	SHADE_LAYER,
	SHADE_LOST = SHADE_LAYER + PICTURE_LAYERS,
	SHADE_CHANGED,
	SHADE_ZEROED,
	SHADE_GROUND, /* from here on */
	SHADE_ZERO = SHADE_GROUND,
	SHADE_HOLE,
	SHADE_SAME,
	SHADE_EMPTY,
	SHADE_UNREAD,
	SHADE_COUNT,
};

struct cell {
	uint64_t bytes[SHADE_COUNT];
};

struct picture {
	char *title;
	struct tranship_disk *disk;
	uint64_t off, len;
	unsigned shift; /* a cell stands for 1 << shift bytes */
	unsigned count; /* of cells */
	struct cell *cells;
	struct cell total;
};

/* The bars of a cell from the bottom up, in PICTURE_LEVELS of its height; the largest one; and what
 * is seen behind them: SHADE_COUNT if there is nothing else. */
struct look {
	enum shade ground;
	enum shade main; /* SHADE_COUNT: no bar */
	unsigned bar_count;
	struct {
		enum shade shade;
		unsigned level;
	} bars[PICTURE_BARS];
};

void picture_look(const struct cell *cell, struct look *out);
void picture_sum(struct cell *into, const struct cell *cell);
uint64_t picture_bytes(const struct cell *cell);

/* 1 to PICTURE_LEVELS, which is said of the whole only; 0 for nothing. */
unsigned picture_level(uint64_t part, uint64_t whole);

/* "47.5 %"; a little is not 0, and nearly all is not 100. */
const char *picture_share(uint64_t part, uint64_t whole, char *text);

/* "3.76 GiB": three digits of it. */
const char *picture_size(uint64_t bytes, char *text);

/* "1.25 GiB": the number itself, in the largest unit of which it is whole eighths. */
const char *picture_exact(uint64_t bytes, char *text);

/* Bytes that the cell with this number stands for begin here. */
uint64_t picture_cell_off(const struct picture *p, unsigned cell, unsigned shift);

/* Whether the disk is a chain, so that layers are told apart. */
bool picture_has_layers(const struct picture *p);

/* What a shade is called, without the name of the layer's file. */
const char *picture_shade_name(const struct picture *p, enum shade shade, char *text);
/* The file of a layer; NULL for other shades, and where there is no chain. */
const char *picture_shade_file(const struct picture *p, enum shade shade);

#endif
