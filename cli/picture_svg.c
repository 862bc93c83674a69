// SPDX-License-Identifier: Apache-2.0
/*
 * The picture as SVG 1.1: no script, nothing from elsewhere. All bars of one shade are one path,
 * and the lines between the cells are a pattern laid over everything, so the file stays small:
 * half a MiB if no two cells are alike. Colours are those of Okabe and Ito, which people who do
 * not see red or green tell apart, too.
 */
#include "picture_inside.h"

#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	CELL = 16, /* pixels */
	STEP = CELL / PICTURE_LEVELS,
	LEFT = 96,
	TOP = 76,
	GRID = PICTURE_COLUMNS * CELL,
	WIDTH = LEFT + GRID + 24,
	ENTRY = GRID / 4, /* of the legend */
	ENTRY_HEIGHT = 44,
	TITLE_CHARS = 80,
	ENTRY_CHARS = 30,
	TIP_SHADES = 4,
};

static const char style[] =
	"<style>\n"
	"text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;"
	"fill:#1f2328}\n"
	".title{font-size:20px;font-weight:600}.muted{fill:#59636e}\n"
	".off{font-size:11px;text-anchor:end}\n"
	".paper{fill:#fff}.line{stroke:#fff;fill:none}.mark{stroke:#000;fill:none;stroke-width:1.5}"
	"\n"
	".s0{fill:#0072b2}.s1{fill:#e69f00}.s2{fill:#009e73}.s3{fill:#cc79a7}.s4{fill:#56b4e9}"
	".s5{fill:#c9b900}.s6{fill:#6a3d9a}.s7{fill:#6b6b6b}\n"
	".s8{fill:#d55e00}.s9{fill:#d55e00}.s10{fill:#0072b2}\n"
	".s11{fill:#dbe1e7}.s12{fill:#eff1f3}.s13{fill:#bcc5ce}.s14{fill:#eff1f3}\n"
	".edge{stroke:#afb8c1}.hatch{stroke:#bcc5ce;fill:none}.under{fill:#eff1f3}\n"
	".tips path{fill:none;pointer-events:all}.tips path:hover{stroke:#1f2328}\n"
	"@media(prefers-color-scheme:dark){\n"
	"text{fill:#e6edf3}.muted{fill:#9198a1}.paper{fill:#15181d}.line{stroke:#15181d}"
	".mark{stroke:#fff}\n"
	".s0,.s10{fill:#3d9fe0}.s3{fill:#d98fb8}.s5{fill:#f0e442}.s6{fill:#b08fe0}"
	".s7{fill:#b5b5b5}.s8,.s9{fill:#f0781e}\n"
	".s11{fill:#3d454f}.s12,.s14,.under{fill:#22272e}.s13{fill:#59636e}"
	".edge{stroke:#59636e}.hatch{stroke:#59636e}\n"
	".tips path:hover{stroke:#e6edf3}\n"
	"}\n"
	"</style>\n";

/*
 * One character of UTF-8; *text moves on. What is none, what XML does not allow, and what turns the
 * direction of writing comes back as U+FFFD.
 */
static uint32_t next_char(const unsigned char **text)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	const unsigned char *t = *text;
	unsigned more = *t < 0x80 ? 0 : *t < 0xC0 ? 4 : *t < 0xE0 ? 1 : *t < 0xF0 ? 2 : 3, i;
	uint32_t c = more == 0 ? *t : more > 3 ? 0 : *t & (0x3FU >> more);

	*text = t + 1;
	if (more > 3 || *t >= 0xF8)
		return 0xFFFD;
	for (i = 1; i <= more; i++) {
		if ((t[i] & 0xC0) != 0x80)
			return 0xFFFD;
		c = c << 6 | (t[i] & 0x3F);
	}
	*text = t + more + 1;
	if (c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) || c < 0x20 ||
	    (c >= 0x7F && c < 0xA0) || (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c < 0xFDF0) ||
	    c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
	    (c >= 0x2066 && c <= 0x2069))
		return 0xFFFD;
	return c;
}

static void put_char(FILE *out, uint32_t c)
{
	switch (c) {
	case '&': fputs("&amp;", out); return;
	case '<': fputs("&lt;", out); return;
	case '>': fputs("&gt;", out); return;
	case '"': fputs("&quot;", out); return;
	case '\'': fputs("&#39;", out); return;
	default: break;
	}
	if (c < 0x80)
		fputc((int)c, out);
	else
		fprintf(out, "&#%" PRIu32 ";", c);
}

/* Text of any origin; of more than `most` characters the middle is left out. */
static void put_text(FILE *out, const char *text, size_t most)
{
	const unsigned char *t = (const unsigned char *)text;
	size_t count = 0, i, head = most / 2 - 1;

	while (*t) {
		next_char(&t);
		count++;
	}
	t = (const unsigned char *)text;
	for (i = 0; i < count; i++) {
		uint32_t c = next_char(&t);

		if (count <= most || i < head || i >= count - (most - head - 1))
			put_char(out, c);
		else if (i == head)
			put_char(out, 0x2026);
	}
}

/* Where a path is; pieces that follow the first are given from there, which is shorter. */
struct pen {
	bool down;
	int x, y;
};

/* A piece of a path that covers [from, to) of the cells, which stand in one row, from `bottom` to
 * `bottom + height` levels of them. */
static void put_piece(struct pen *pen, unsigned from, unsigned to, unsigned bottom, unsigned height,
		      FILE *out)
{
	int x = LEFT + (int)(from % PICTURE_COLUMNS) * CELL, width = (int)(to - from) * CELL;
	int y = TOP + (int)(from / PICTURE_COLUMNS + 1) * CELL - (int)(bottom + height) * STEP;

	if (pen->down)
		fprintf(out, "m%d%s%d", x - pen->x, y < pen->y ? "" : " ", y - pen->y);
	else
		fprintf(out, "M%d %d", x, y);
	fprintf(out, "h%dv%uh-%dz", width, height * STEP, width);
	*pen = (struct pen){ true, x, y };
}

/* What is drawn of one shade: as ground, as tint behind the bars, as bar, or as a mark over it. */
enum layer { LAYER_GROUND, LAYER_TINT, LAYER_BAR, LAYER_MARK };

static unsigned height_of(const struct look *look, enum layer layer, enum shade shade,
			  unsigned *bottom)
{
	unsigned i;

	*bottom = 0;
	if (layer == LAYER_GROUND)
		return look->ground == shade ? PICTURE_LEVELS : 0;
	if (layer == LAYER_TINT)
		return look->main == shade ? PICTURE_LEVELS : 0;
	for (i = 0; i < look->bar_count; i++) {
		if (look->bars[i].shade == shade)
			return look->bars[i].level;
		*bottom += look->bars[i].level;
	}
	return 0;
}

/* All of one shade in one path; neighbours that are alike are one piece. */
static void put_path(const struct picture *p, const struct look *looks, enum layer layer,
		     enum shade shade, FILE *out)
{
	unsigned i, from = 0, bottom = 0, height = 0;
	struct pen pen = { 0 };

	for (i = 0; i <= p->count; i++) {
		unsigned next_bottom = 0, next = 0;

		if (i < p->count)
			next = height_of(&looks[i], layer, shade, &next_bottom);
		if (i % PICTURE_COLUMNS != 0 && next == height && next_bottom == bottom)
			continue;
		if (height > 0) {
			if (!pen.down && shade == SHADE_UNREAD)
				fputs("<path fill=\"url(#hatch)\" d=\"", out);
			else if (!pen.down)
				fprintf(out, "<path class=\"s%d\" d=\"", (int)shade);
			put_piece(&pen, from, i, bottom, height, out);
		}
		from = i;
		bottom = next_bottom;
		height = next;
	}
	if (pen.down)
		fputs("\"/>\n", out);
}

static void put_marks(const struct picture *p, FILE *out)
{
	unsigned i;

	if (p->total.bytes[SHADE_LOST] == 0)
		return;
	fputs("<path class=\"mark\" d=\"", out);
	for (i = 0; i < p->count; i++)
		if (p->cells[i].bytes[SHADE_LOST] > 0)
			fprintf(out, "M%u %ul9 9m0-9l-9 9", LEFT + i % PICTURE_COLUMNS * CELL + 4,
				TOP + i / PICTURE_COLUMNS * CELL + 4);
	fputs("\"/>\n", out);
}

static void put_grid(const struct picture *p, FILE *out)
{
	struct look *looks = calloc(p->count + 1, sizeof(*looks));
	unsigned i, rows = (p->count + PICTURE_COLUMNS - 1) / PICTURE_COLUMNS;
	enum shade s;

	if (!looks)
		abort();
	for (i = 0; i < p->count; i++)
		picture_look(&p->cells[i], &looks[i]);
	for (s = SHADE_GROUND; s < SHADE_COUNT; s++)
		put_path(p, looks, LAYER_GROUND, s, out);
	fputs("<g fill-opacity=\".3\">\n", out);
	for (s = 0; s < SHADE_GROUND; s++)
		put_path(p, looks, LAYER_TINT, s, out);
	fputs("</g>\n", out);
	for (s = 0; s < SHADE_GROUND; s++)
		put_path(p, looks, LAYER_BAR, s, out);
	fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%u\" fill=\"url(#lines)\"/>\n",
		LEFT, TOP, GRID, rows * CELL);
	put_marks(p, out);
	free(looks);
}

/* The offset at the left of every fourth row. */
static void put_offsets(const struct picture *p, FILE *out)
{
	char text[PICTURE_TEXT];
	unsigned i;

	for (i = 0; i < p->count; i += 4 * PICTURE_COLUMNS)
		fprintf(out, "<text class=\"off muted\" x=\"%d\" y=\"%u\">%s</text>\n", LEFT - 8,
			TOP + i / PICTURE_COLUMNS * CELL + 12,
			picture_exact(picture_cell_off(p, i, p->shift), text));
}

/* "1.25 GiB + 32 MiB: data 40.0 %, hole 60.0 %", of the cells [from, to). */
static void put_tip(const struct picture *p, unsigned from, unsigned to, FILE *out)
{
	char text[PICTURE_TEXT], size[PICTURE_TEXT];
	struct cell sum = { 0 };
	unsigned i, told = 0, rare = SHADE_GROUND - SHADE_LOST;
	uint64_t whole;

	for (i = from; i < to; i++)
		picture_sum(&sum, &p->cells[i]);
	whole = picture_bytes(&sum);
	fputs(picture_exact(picture_cell_off(p, from, p->shift), text), out);
	if (to - from > 1)
		fprintf(out, " + %s", picture_exact(whole, size));
	for (i = 0; i < SHADE_COUNT; i++) {
		/* What is rare and matters is told first. */
		enum shade s = i < rare ? SHADE_LOST + i : i < SHADE_GROUND ? i - rare : i;

		if (sum.bytes[s] == 0)
			continue;
		if (told == TIP_SHADES) {
			fputs(", ...", out);
			break;
		}
		fprintf(out, "%s%s ", told++ == 0 ? ": " : ", ", picture_shade_name(p, s, text));
		put_text(out, picture_share(sum.bytes[s], whole, size), PICTURE_TEXT);
	}
}

static bool look_alike(const struct look *a, const struct look *b)
{
	unsigned i;

	if (a->ground != b->ground || a->main != b->main || a->bar_count != b->bar_count)
		return false;
	for (i = 0; i < a->bar_count; i++)
		if (a->bars[i].shade != b->bars[i].shade || a->bars[i].level != b->bars[i].level)
			return false;
	return true;
}

/* Nothing to be seen, but a place for the pointer: one for each run of cells that look alike. */
static void put_tips(const struct picture *p, FILE *out)
{
	struct look first = { 0 }, next = { 0 };
	unsigned i, from = 0;

	fputs("<g class=\"tips\">\n", out);
	for (i = 0; i <= p->count; i++) {
		if (i < p->count)
			picture_look(&p->cells[i], &next);
		if (i < p->count && i % PICTURE_COLUMNS != 0 && look_alike(&first, &next))
			continue;
		if (i > 0) {
			struct pen pen = { 0 };

			fputs("<path d=\"", out);
			put_piece(&pen, from, i, 0, PICTURE_LEVELS, out);
			fputs("\"><title>", out);
			put_tip(p, from, i, out);
			fputs("</title></path>\n", out);
		}
		from = i;
		first = next;
	}
	fputs("</g>\n", out);
}

static void put_entry(const struct picture *p, enum shade s, unsigned x, unsigned y, FILE *out)
{
	char text[PICTURE_TEXT];
	const char *file = picture_shade_file(p, s);

	if (s == SHADE_UNREAD)
		fputs("<path fill=\"url(#hatch)\"", out);
	else
		fprintf(out, "<path class=\"s%d%s\"", (int)s, s >= SHADE_GROUND ? " edge" : "");
	fprintf(out, " d=\"M%u %uh15v15h-15z\"/>\n", x, y);
	if (s == SHADE_LOST)
		fprintf(out, "<path class=\"mark\" d=\"M%u %ul9 9m0-9l-9 9\"/>\n", x + 3, y + 3);
	fprintf(out, "<text x=\"%u\" y=\"%u\">%s", x + 24, y + 12, picture_shade_name(p, s, text));
	if (file) {
		fputs(": ", out);
		put_text(out, strrchr(file, '/') ? strrchr(file, '/') + 1 : file, ENTRY_CHARS - 9);
	}
	fprintf(out, "</text>\n<text class=\"muted\" x=\"%u\" y=\"%u\">%s, ", x + 24, y + 29,
		picture_size(p->total.bytes[s], text));
	put_text(out, picture_share(p->total.bytes[s], p->len, text), PICTURE_TEXT);
	fputs("</text>\n", out);
}

/* What is in the picture, in rows of four. */
static void put_legend(const struct picture *p, unsigned y, FILE *out)
{
	unsigned count = 0;
	enum shade s;

	for (s = 0; s < SHADE_COUNT; s++) {
		if (p->total.bytes[s] == 0)
			continue;
		put_entry(p, s, LEFT + count % 4 * ENTRY, y + count / 4 * ENTRY_HEIGHT, out);
		count++;
	}
}

/* For those who hear it, and for programs: the totals to the byte. */
static void put_desc(const struct picture *p, FILE *out)
{
	char text[PICTURE_TEXT];
	bool first = true;
	enum shade s;

	fprintf(out, "<desc id=\"desc\">%" PRIu64 " bytes from %" PRIu64 ":", p->len, p->off);
	for (s = 0; s < SHADE_COUNT; s++) {
		if (p->total.bytes[s] == 0)
			continue;
		fprintf(out, "%s %s %" PRIu64 " bytes", first ? "" : ",",
			picture_shade_name(p, s, text), p->total.bytes[s]);
		first = false;
	}
	fputs("</desc>\n", out);
}

static void put_head(const struct picture *p, FILE *out)
{
	char size[PICTURE_TEXT], cell[PICTURE_TEXT], from[PICTURE_TEXT];

	fprintf(out, "<text class=\"title\" x=\"%d\" y=\"34\">", LEFT);
	put_text(out, p->title, TITLE_CHARS);
	fprintf(out, "</text>\n<text class=\"muted\" x=\"%d\" y=\"58\">%s, ", LEFT,
		tranship_disk_format(p->disk));
	if (p->off > 0 || p->len < tranship_disk_size(p->disk))
		fprintf(out, "%s from %s of ", picture_size(p->len, size),
			picture_exact(p->off, from));
	fprintf(out,
		"%s. Each cell is %s, and a bar as high as its share of the "
		"cell.</text>\n",
		picture_size(tranship_disk_size(p->disk), size),
		picture_exact((uint64_t)1 << p->shift, cell));
}

static void put_svg(const struct picture *p, FILE *out)
{
	unsigned rows = (p->count + PICTURE_COLUMNS - 1) / PICTURE_COLUMNS;
	unsigned legend = TOP + rows * CELL + 24, kinds = 0, height;
	enum shade s;

	for (s = 0; s < SHADE_COUNT; s++)
		kinds += p->total.bytes[s] > 0;
	height = legend + (kinds + 3) / 4 * ENTRY_HEIGHT + 4;
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" "
		"viewBox=\"0 0 %d %u\" role=\"img\" aria-labelledby=\"title desc\">\n"
		"<title id=\"title\">",
		WIDTH, height, WIDTH, height);
	put_text(out, p->title, SIZE_MAX);
	fputs("</title>\n", out);
	put_desc(p, out);
	fputs(style, out);
	fprintf(out,
		"<defs>\n<pattern id=\"lines\" patternUnits=\"userSpaceOnUse\" x=\"%d\" y=\"%d\" "
		"width=\"%d\" height=\"%d\"><path class=\"line\" d=\"M0 .5h%dM.5 0v%d\"/>"
		"</pattern>\n"
		"<pattern id=\"hatch\" patternUnits=\"userSpaceOnUse\" width=\"4\" height=\"4\">"
		"<rect class=\"under\" width=\"4\" height=\"4\"/>"
		"<path class=\"hatch\" d=\"M-1 1L1-1M0 4L4 0M3 5L5 3\"/></pattern>\n</defs>\n"
		"<rect class=\"paper\" width=\"%d\" height=\"%u\" rx=\"8\"/>\n",
		LEFT, TOP, CELL, CELL, CELL, CELL, WIDTH, height);
	put_head(p, out);
	put_offsets(p, out);
	put_grid(p, out);
	put_legend(p, legend, out);
	put_tips(p, out);
	fputs("</svg>\n", out);
}

/* The library replaces a file only by a whole one, and knows the files of a disk: to it the picture
 * is an image like others. */
static int create(const char *path, const struct tranship_disk *source, uint64_t size,
		  struct tranship_writer **out, struct tranship_error *err)
{
	struct tranship_create_options options = { .format = "raw",
						   .size = size,
						   .source = source };

	*out = NULL;
	return tranship_create(path, &options, out, err);
}

static int write_file(const struct picture *p, const char *path, struct tranship_disk *other,
		      const char *text, size_t size)
{
	struct tranship_writer *writer = NULL;
	struct tranship_error err;
	struct stat st;
	int rc = 0;

	/* One disk at a time is told to the library. The files of the other one are busy to it,
	 * because they are open here. */
	if (other && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
		rc = create(path, other, size, &writer, &err);
		rc = rc == TRANSHIP_EBUSY ? 0 : rc;
		tranship_writer_close(writer);
		writer = NULL;
	}
	if (rc == 0)
		rc = create(path, p->disk, size, &writer, &err);
	if (rc == 0)
		rc = tranship_writer_put(writer, 0, text, size, &err);
	if (rc == 0)
		rc = tranship_writer_finish(writer, &err);
	if (rc)
		cli_report(path, &err);
	tranship_writer_close(writer);
	return rc ? -1 : 0;
}

int picture_write_svg(const struct picture *p, const char *path, struct tranship_disk *other)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int rc;

	if (!out)
		abort();
	put_svg(p, out);
	if (fclose(out))
		abort();
	rc = write_file(p, path, other, text, size);
	free(text);
	return rc;
}
