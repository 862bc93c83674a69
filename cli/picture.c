// SPDX-License-Identifier: Apache-2.0
/* What is counted, and what a cell looks like; see picture_svg.c and picture_blocks.c for how it is
 * shown. */
#include "picture_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR_SHIFT 9

struct picture *picture_new(const char *title, struct tranship_disk *disk, uint64_t off,
			    uint64_t len)
{
	struct picture *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->title = strdup(title);
	p->disk = disk;
	p->off = off;
	p->len = len;
	p->shift = SECTOR_SHIFT;
	if (len > 0) {
		while ((len - 1) >> p->shift >= PICTURE_CELLS)
			p->shift++;
		p->count = (unsigned)((len - 1) >> p->shift) + 1;
	}
	p->cells = calloc(p->count + 1, sizeof(*p->cells));
	if (!p->title || !p->cells)
		abort();
	return p;
}

void picture_free(struct picture *p)
{
	if (!p)
		return;
	free(p->title);
	free(p->cells);
	free(p);
}

static enum shade shade_of(enum picture_kind kind, uint32_t depth)
{
	switch (kind) {
	case PICTURE_DATA: break;
	case PICTURE_LOST: return SHADE_LOST;
	case PICTURE_ZERO: return SHADE_ZERO;
	case PICTURE_HOLE: return SHADE_HOLE;
	case PICTURE_CHANGED: return SHADE_CHANGED;
	case PICTURE_ZEROED: return SHADE_ZEROED;
	case PICTURE_SAME: return SHADE_SAME;
	case PICTURE_EMPTY: return SHADE_EMPTY;
	case PICTURE_UNREAD: return SHADE_UNREAD;
	}
	return SHADE_LAYER + (depth < PICTURE_LAYERS ? depth : PICTURE_LAYERS - 1);
}

void picture_add(struct picture *p, uint64_t off, uint64_t len, enum picture_kind kind,
		 uint32_t depth)
{
	enum shade shade = shade_of(kind, depth);

	if (off < p->off) {
		uint64_t before = p->off - off;

		if (len <= before)
			return;
		off += before;
		len -= before;
	}
	off -= p->off;
	if (off >= p->len)
		return;
	if (len > p->len - off)
		len = p->len - off;
	p->total.bytes[shade] += len;
	while (len > 0) {
		uint64_t size = (uint64_t)1 << p->shift, room = size - (off & (size - 1));
		uint64_t n = len < room ? len : room;

		p->cells[off >> p->shift].bytes[shade] += n;
		off += n;
		len -= n;
	}
}

/* Whether there is anything to read or not; where the map does not say, there is. */
static void add_same(struct picture *p, uint64_t off, uint64_t len)
{
	struct tranship_extent e;

	while (len > 0 && !tranship_disk_is_forward(p->disk) && off < tranship_disk_size(p->disk) &&
	       tranship_disk_map(p->disk, off, &e, NULL) == 0) {
		uint64_t n = e.len < len ? e.len : len;
		bool empty = e.kind == TRANSHIP_ZERO || e.kind == TRANSHIP_ABSENT;

		picture_add(p, off, n, empty ? PICTURE_EMPTY : PICTURE_SAME, 0);
		off += n;
		len -= n;
	}
	picture_add(p, off, len, PICTURE_SAME, 0);
}

void picture_add_diff(struct picture *p, uint64_t off, uint64_t len, enum tranship_diff_kind kind)
{
	switch (kind) {
	case TRANSHIP_DIFF_SAME: add_same(p, off, len); break;
	case TRANSHIP_DIFF_CHANGED: picture_add(p, off, len, PICTURE_CHANGED, 0); break;
	case TRANSHIP_DIFF_ZEROED: picture_add(p, off, len, PICTURE_ZEROED, 0); break;
	case TRANSHIP_DIFF_UNREAD: picture_add(p, off, len, PICTURE_UNREAD, 0); break;
	}
}

void picture_sum(struct cell *into, const struct cell *cell)
{
	int s;

	for (s = 0; s < SHADE_COUNT; s++)
		into->bytes[s] += cell->bytes[s];
}

uint64_t picture_bytes(const struct cell *cell)
{
	uint64_t sum = 0;
	int s;

	for (s = 0; s < SHADE_COUNT; s++)
		sum += cell->bytes[s];
	return sum;
}

unsigned picture_level(uint64_t part, uint64_t whole)
{
	unsigned level;

	if (part == 0 || part >= whole)
		return part ? PICTURE_LEVELS : 0;
	level = (unsigned)((double)part / (double)whole * PICTURE_LEVELS + 0.5);
	return level < 1 ? 1 : level < PICTURE_LEVELS ? level : PICTURE_LEVELS - 1;
}

/* The largest of the shades [from, to); SHADE_COUNT if there is none of them. */
static enum shade largest(const struct cell *cell, enum shade from, enum shade to)
{
	enum shade s, best = SHADE_COUNT;

	for (s = from; s < to; s++)
		if (cell->bytes[s] > 0 &&
		    (best == SHADE_COUNT || cell->bytes[s] > cell->bytes[best]))
			best = s;
	return best;
}

/* Rounded and lifted, the levels need not add up any more: the largest bar gives or takes. */
static void fit_levels(struct look *look, bool full)
{
	unsigned sum = 0, i, most = 0, limit = full ? PICTURE_LEVELS : PICTURE_LEVELS - 1;

	for (i = 0; i < look->bar_count; i++)
		sum += look->bars[i].level;
	while (look->bar_count > 0 && (sum > limit || (full && sum < limit))) {
		for (i = 0; i < look->bar_count; i++)
			if (look->bars[i].level > look->bars[most].level)
				most = i;
		look->bars[most].level += sum > limit ? -1U : 1U;
		sum += sum > limit ? -1U : 1U;
	}
}

void picture_look(const struct cell *cell, struct look *out)
{
	uint64_t whole = picture_bytes(cell);
	struct cell left = *cell;
	bool bars[SHADE_COUNT] = { false };
	unsigned count = 0;
	enum shade s;

	/* What is rare and matters has a bar in any case; then the largest layers have theirs. */
	for (s = SHADE_LOST; s < SHADE_GROUND; s++) {
		bars[s] = cell->bytes[s] > 0;
		count += bars[s];
	}
	while (count < PICTURE_BARS &&
	       (s = largest(&left, SHADE_LAYER, SHADE_LOST)) != SHADE_COUNT) {
		bars[s] = true;
		left.bytes[s] = 0;
		count++;
	}
	*out = (struct look){ .ground = largest(cell, SHADE_GROUND, SHADE_COUNT),
			      .main = largest(cell, SHADE_LAYER, SHADE_GROUND) };
	for (s = 0; s < SHADE_GROUND; s++) {
		if (!bars[s])
			continue;
		out->bars[out->bar_count].shade = s;
		out->bars[out->bar_count++].level = picture_level(cell->bytes[s], whole);
	}
	fit_levels(out, out->ground == SHADE_COUNT);
}

const char *picture_share(uint64_t part, uint64_t whole, char *text)
{
	double percent = whole ? 100.0 * (double)part / (double)whole : 0;

	if (part > 0 && percent < 0.1)
		return strcpy(text, "<0.1 %");
	if (part < whole && percent > 99.9)
		return strcpy(text, ">99.9 %");
	snprintf(text, PICTURE_TEXT, "%.*f %%", part == 0 || part == whole ? 0 : 1, percent);
	return text;
}

static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

const char *picture_size(uint64_t bytes, char *text)
{
	double value = (double)bytes;
	unsigned unit = 0;

	/* What would be rounded to 1024 is 1 of the next. */
	for (; value >= 1023.5; value /= 1024)
		unit++;
	snprintf(text, PICTURE_TEXT, "%.*g %s", value >= 999.5 ? 4 : 3, value, units[unit]);
	return text;
}

const char *picture_exact(uint64_t bytes, char *text)
{
	static const char *const eighths[] = { "",   ".125", ".25", ".375",
					       ".5", ".625", ".75", ".875" };
	unsigned exponent = 60;
	uint64_t unit;

	if (bytes == 0)
		return strcpy(text, "0");
	for (; exponent > 0; exponent -= 10) {
		unit = (uint64_t)1 << exponent;
		if (bytes >= unit && bytes % unit * 8 % unit == 0)
			break;
	}
	unit = (uint64_t)1 << exponent;
	snprintf(text, PICTURE_TEXT, "%" PRIu64 "%s %s", bytes / unit,
		 exponent ? eighths[bytes % unit * 8 / unit] : "", units[exponent / 10]);
	return text;
}

uint64_t picture_cell_off(const struct picture *p, unsigned cell, unsigned shift)
{
	return p->off + ((uint64_t)cell << shift);
}

bool picture_has_layers(const struct picture *p)
{
	return tranship_disk_layer_count(p->disk) > 1;
}

const char *picture_shade_name(const struct picture *p, enum shade shade, char *text)
{
	static const char *const names[] = {
		[SHADE_LOST] = "lost",         [SHADE_CHANGED] = "changed",
		[SHADE_ZEROED] = "zeroed",     [SHADE_ZERO] = "zero",
		[SHADE_HOLE] = "hole",         [SHADE_SAME] = "same",
		[SHADE_EMPTY] = "same, empty", [SHADE_UNREAD] = "not compared",
	};
	bool deeper = shade == SHADE_LAYER + PICTURE_LAYERS - 1 &&
		      tranship_disk_layer_count(p->disk) > PICTURE_LAYERS;

	if (shade >= SHADE_LOST)
		return names[shade];
	if (!picture_has_layers(p))
		return "data";
	snprintf(text, PICTURE_TEXT, "layer %d%s", (int)shade, deeper ? " and deeper" : "");
	return text;
}

const char *picture_shade_file(const struct picture *p, enum shade shade)
{
	struct tranship_disk *layer;

	if (shade >= SHADE_LOST || !picture_has_layers(p))
		return NULL;
	layer = tranship_disk_layer(p->disk, (uint32_t)shade);
	return layer ? tranship_disk_file_name(layer, 0) : NULL;
}
