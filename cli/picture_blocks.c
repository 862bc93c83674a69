// SPDX-License-Identifier: Apache-2.0
/*
 * The picture on a terminal: the same cells, or groups of them, one character each. With colours
 * and blocks a character is a bar as high as the share, in the colour of its kind; without, what is
 * there is said by a letter.
 */
#include "picture_inside.h"

#include "cli.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { ROWS = 20, COLUMNS_MIN = 8, COLUMNS_MAX = 128, WIDTH_DEFAULT = 80 };

struct screen {
	bool utf8;
	bool colour;
	unsigned columns; /* of cells; a power of two, so that rows begin at round offsets */
	unsigned shift;   /* a cell stands for 1 << shift bytes */
	unsigned count;   /* of cells */
	int label;        /* characters that an offset takes */
};

/* Of 256 colours, near those of the SVG. */
static const unsigned char colours[SHADE_COUNT] = {
	32,
	214,
	36,
	175,
	117,
	185,
	97,
	245, /* layers */
	[SHADE_LOST] = 202,
	[SHADE_CHANGED] = 202,
	[SHADE_ZEROED] = 32,
	[SHADE_ZERO] = 245,
	[SHADE_HOLE] = 245,
	[SHADE_SAME] = 245,
	[SHADE_EMPTY] = 245,
	[SHADE_UNREAD] = 245,
};

static bool is_utf8(void)
{
	locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	bool utf8 = locale && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;

	if (locale)
		freelocale(locale);
	return utf8;
}

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && term && *term && strcmp(term, "dumb") != 0;
}

static unsigned terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	unsigned long width = 0;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		width = size.ws_col;
	else if (columns)
		width = strtoul(columns, NULL, 10);
	return width > 0 && width < 10000 ? (unsigned)width : WIDTH_DEFAULT;
}

/* The widest offset at the beginning of a row. */
static int label_width(const struct picture *p, const struct screen *s)
{
	char text[PICTURE_TEXT];
	size_t width = 0;
	unsigned i;

	for (i = 0; i < s->count; i += s->columns) {
		size_t len = strlen(picture_exact(picture_cell_off(p, i, s->shift), text));

		width = len > width ? len : width;
	}
	return (int)width;
}

static void measure(const struct picture *p, struct screen *s)
{
	unsigned width = terminal_width();

	s->utf8 = is_utf8();
	s->colour = wants_colour();
	for (s->columns = COLUMNS_MAX; s->columns >= COLUMNS_MIN; s->columns /= 2) {
		s->shift = p->shift;
		s->count = p->count;
		while (s->count > ROWS * s->columns) {
			s->count = (s->count + 1) / 2;
			s->shift++;
		}
		s->label = label_width(p, s);
		if (s->columns == COLUMNS_MIN || (unsigned)s->label + 3 + s->columns <= width)
			return;
	}
}

/* One character, and its shade. */
static const char *glyph(const struct screen *screen, const struct picture *p, enum shade s,
			 unsigned level)
{
	static const char *const blocks[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const ascii[] = { " ", "-", "-", "=", "=", "=", "*", "*", "#" };
	static const char *const layers[PICTURE_LAYERS] = {
		"0", "1", "2", "3", "4", "5", "6", "7"
	};
	bool distinct = screen->colour && screen->utf8;

	switch (s) {
	case SHADE_LOST: return "!";
	case SHADE_ZEROED:
		if (!distinct)
			return "z";
		break;
	case SHADE_ZERO:
	case SHADE_SAME: return screen->utf8 ? "·" : ".";
	case SHADE_UNREAD: return "~";
	case SHADE_HOLE:
	case SHADE_EMPTY:
	case SHADE_COUNT: return " ";
	default:
		if (s < SHADE_LOST && !distinct && picture_has_layers(p))
			return layers[s];
	}
	return screen->utf8 ? blocks[level] : ascii[level];
}

/* What a cell shows of its mixture: what is lost, then what changed, then data; else its ground. */
static enum shade choose(const struct cell *cell, unsigned *level)
{
	uint64_t whole = picture_bytes(cell), data = 0;
	struct look look;
	enum shade s;

	for (s = SHADE_LOST; s < SHADE_GROUND; s++) {
		*level = picture_level(cell->bytes[s], whole);
		if (*level > 0)
			return s;
	}
	for (s = 0; s < SHADE_LOST; s++)
		data += cell->bytes[s];
	*level = picture_level(data, whole);
	picture_look(cell, &look);
	return data > 0 ? look.main : look.ground;
}

static void print_row(const struct picture *p, const struct screen *screen, unsigned from)
{
	unsigned group = 1U << (screen->shift - p->shift), i, j;
	enum shade before = SHADE_COUNT;
	char text[PICTURE_TEXT];

	printf("%*s ", screen->label,
	       picture_exact(picture_cell_off(p, from, screen->shift), text));
	fputs(screen->utf8 ? "▏" : "|", stdout);
	for (i = from; i < screen->count && i < from + screen->columns; i++) {
		struct cell sum = { 0 };
		enum shade s;
		unsigned level;

		for (j = i * group; j < (i + 1) * group && j < p->count; j++)
			picture_sum(&sum, &p->cells[j]);
		s = choose(&sum, &level);
		if (screen->colour && s != SHADE_COUNT && s != before)
			printf("\033[38;5;%um", (unsigned)colours[s]);
		before = s;
		fputs(glyph(screen, p, s, level), stdout);
	}
	if (screen->colour)
		fputs("\033[0m", stdout);
	puts(screen->utf8 ? "▕" : "|");
}

static void print_legend(const struct picture *p, const struct screen *screen)
{
	char text[PICTURE_TEXT];
	enum shade s;

	for (s = 0; s < SHADE_COUNT; s++) {
		const char *file = picture_shade_file(p, s);

		if (p->total.bytes[s] == 0)
			continue;
		fputs("  [", stdout);
		if (screen->colour)
			printf("\033[38;5;%um", (unsigned)colours[s]);
		fputs(glyph(screen, p, s, PICTURE_LEVELS), stdout);
		fputs(screen->colour ? "\033[0m] " : "] ", stdout);
		printf("%-12s ", picture_shade_name(p, s, text));
		printf("%10s ", picture_size(p->total.bytes[s], text));
		printf("%8s  ", picture_share(p->total.bytes[s], p->len, text));
		printf("%" PRIu64 " bytes", p->total.bytes[s]);
		if (file) {
			fputs("  ", stdout);
			cli_print_text(file);
		}
		putchar('\n');
	}
}

void picture_print_blocks(const struct picture *p)
{
	char size[PICTURE_TEXT], from[PICTURE_TEXT];
	struct screen screen;
	unsigned i;

	measure(p, &screen);
	cli_print_text(p->title);
	printf(": %s, ", tranship_disk_format(p->disk));
	if (p->off > 0 || p->len < tranship_disk_size(p->disk))
		printf("%s from %s of ", picture_size(p->len, size), picture_exact(p->off, from));
	printf("%s", picture_size(tranship_disk_size(p->disk), size));
	printf(" (%" PRIu64 " bytes)\n", tranship_disk_size(p->disk));
	printf("one character is %s, one line %s\n\n",
	       picture_exact((uint64_t)1 << screen.shift, size),
	       picture_exact((uint64_t)screen.columns << screen.shift, from));
	for (i = 0; i < screen.count; i += screen.columns)
		print_row(p, &screen, i);
	putchar('\n');
	print_legend(p, &screen);
}
