// SPDX-License-Identifier: Apache-2.0
/* Pictures of disks: every byte is counted once, a little is never nothing, and the file is small
 * whatever the disk is. */
#include "support.h"

#include "picture_inside.h"

#include <stdlib.h>
#include <string.h>

#define GIB ((uint64_t)1 << 30)
#define SVG_MAX (512 * 1024)

/* A raw disk of any size that is one hole. */
static int hole_map(void *ctx, uint64_t off, struct tranship_file_extent *out,
		    struct tranship_error *err)
{
	(void)err;
	*out = (struct tranship_file_extent){ .off = off,
					      .len = *(uint64_t *)ctx - off,
					      .hole = true };
	return 0;
}

static int hole_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	(void)ctx;
	(void)off;
	(void)err;
	memset(buf, 0, len);
	return 0;
}

static const struct tranship_file_ops hole_ops = { .read = hole_read, .map = hole_map };

static struct tranship_disk *hole(uint64_t *size)
{
	struct tranship_open_options options = { .format = "raw" };
	struct tranship_disk *disk;
	struct tranship_file *file;
	struct tranship_error err;

	assert_ok(tranship_file_new(&hole_ops, size, *size, &file, &err), &err);
	assert_ok(tranship_open_file(file, &options, &disk, &err), &err);
	return disk;
}

static unsigned bar_of(const struct cell *cell, enum shade shade)
{
	struct look look;
	unsigned i;

	picture_look(cell, &look);
	for (i = 0; i < look.bar_count; i++)
		if (look.bars[i].shade == shade)
			return look.bars[i].level;
	return 0;
}

/* Each cell has all of its bytes, each kind what was said of it. */
static void test_add__every_byte_counts_once(void **state)
{
	struct rng rng = { 1 };
	unsigned round, i;

	(void)state;
	for (round = 0; round < 60; round++) {
		uint64_t size = rng_below(&rng, (uint64_t)1 << (1 + rng_below(&rng, 62))) + 1;
		uint64_t off = rng_below(&rng, size + 1), len = rng_below(&rng, size - off + 1);
		uint64_t at = 0, wanted[PICTURE_UNREAD + 1] = { 0 };
		struct tranship_disk *disk = hole(&size);
		struct picture *p = picture_new("x", disk, off, len);

		while (at < size) {
			uint64_t n = rng_below(&rng, rng_below(&rng, 2) ? size : size / 100 + 1);
			enum picture_kind kind = (enum picture_kind)rng_below(&rng, 9);
			uint64_t from = at > off ? at : off, to;

			n = n < size - at ? n + 1 : size - at;
			n = n < size - at ? n : size - at;
			to = at + n < off + len ? at + n : off + len;
			wanted[kind] += to > from ? to - from : 0;
			picture_add(p, at, n, kind, (uint32_t)rng_below(&rng, 20));
			at += n;
		}
		assert_true(p->count <= PICTURE_CELLS);
		assert_true(len < PICTURE_CELLS * 512 || p->count > PICTURE_CELLS / 2);
		for (i = 0; i < p->count; i++)
			assert_int_equal(picture_bytes(&p->cells[i]),
					 i + 1 < p->count ? (uint64_t)1 << p->shift
							  : len - ((uint64_t)i << p->shift));
		assert_int_equal(picture_bytes(&p->total), len);
		assert_int_equal(p->total.bytes[SHADE_LOST], wanted[PICTURE_LOST]);
		assert_int_equal(p->total.bytes[SHADE_ZERO], wanted[PICTURE_ZERO]);
		assert_int_equal(p->total.bytes[SHADE_HOLE], wanted[PICTURE_HOLE]);
		assert_int_equal(p->total.bytes[SHADE_CHANGED], wanted[PICTURE_CHANGED]);
		assert_int_equal(p->total.bytes[SHADE_ZEROED], wanted[PICTURE_ZEROED]);
		assert_int_equal(p->total.bytes[SHADE_SAME], wanted[PICTURE_SAME]);
		assert_int_equal(p->total.bytes[SHADE_EMPTY], wanted[PICTURE_EMPTY]);
		assert_int_equal(p->total.bytes[SHADE_UNREAD], wanted[PICTURE_UNREAD]);
		picture_free(p);
		tranship_disk_close(disk);
	}
}

/* One sector of a cell of 1 GiB has a bar of its own, and the rest still shows. */
static void test_look__one_sector_is_seen(void **state)
{
	static const enum shade figures[] = { SHADE_LAYER, SHADE_LOST, SHADE_CHANGED,
					      SHADE_ZEROED };
	struct look look;
	unsigned i;

	(void)state;
	for (i = 0; i < COUNT_OF(figures); i++) {
		struct cell cell = { 0 };

		cell.bytes[figures[i]] = 512;
		cell.bytes[SHADE_SAME] = GIB - 512;
		assert_int_equal(bar_of(&cell, figures[i]), 1);
		cell.bytes[figures[i]] = GIB - 512;
		cell.bytes[SHADE_SAME] = 512;
		assert_int_equal(bar_of(&cell, figures[i]), PICTURE_LEVELS - 1);
		cell.bytes[figures[i]] = GIB;
		cell.bytes[SHADE_SAME] = 0;
		assert_int_equal(bar_of(&cell, figures[i]), PICTURE_LEVELS);
		picture_look(&cell, &look);
		assert_int_equal(look.ground, SHADE_COUNT);
		assert_int_equal(look.main, figures[i]);
	}
}

/* A random mixture, in which some kinds are very small. */
static void mix(struct rng *rng, struct cell *cell)
{
	int s;

	*cell = (struct cell){ 0 };
	for (s = 0; s < SHADE_COUNT; s++)
		if (rng_below(rng, 3) == 0)
			cell->bytes[s] = rng_below(rng, 2) ? 512 : rng_below(rng, GIB);
}

/* The bars fill the cell if there is no ground, and leave some of it to see if there is. */
static void test_look__bars_fit(void **state)
{
	struct rng rng = { 2 };
	unsigned round, i, sum;

	(void)state;
	for (round = 0; round < 100000; round++) {
		struct cell cell;
		struct look look;

		mix(&rng, &cell);
		picture_look(&cell, &look);
		for (i = 0, sum = 0; i < look.bar_count; i++) {
			assert_true(look.bars[i].level > 0);
			assert_true(cell.bytes[look.bars[i].shade] > 0);
			sum += look.bars[i].level;
		}
		if (look.ground != SHADE_COUNT)
			assert_true(sum < PICTURE_LEVELS);
		else if (picture_bytes(&cell) > 0)
			assert_int_equal(sum, PICTURE_LEVELS);
		assert_int_equal(bar_of(&cell, SHADE_LOST) > 0, cell.bytes[SHADE_LOST] > 0);
		assert_int_equal(bar_of(&cell, SHADE_CHANGED) > 0, cell.bytes[SHADE_CHANGED] > 0);
		assert_int_equal(bar_of(&cell, SHADE_ZEROED) > 0, cell.bytes[SHADE_ZEROED] > 0);
	}
}

static char *svg_of(const struct picture *p, const char *folder)
{
	const char *path = path_in(folder, "picture.svg");
	unsigned char *bytes;
	size_t size;
	char *text;

	assert_int_equal(picture_write_svg(p, path, NULL), 0);
	bytes = read_path(path, &size);
	if (size >= SVG_MAX)
		fail_msg("it takes %zu bytes", size);
	text = calloc(1, size + 1);
	assert_non_null(text);
	memcpy(text, bytes, size);
	free(bytes);
	assert_int_equal(strlen(text), size);
	return text;
}

/* The most that there can be: every cell another mixture. */
static void test_svg__is_bounded(void **state)
{
	struct rng rng = { 3 };
	uint64_t size = PICTURE_CELLS * GIB * 16, at;
	struct tranship_disk *disk = hole(&size);
	struct picture *p = picture_new("<x>", disk, 0, size);

	(void)state;
	assert_int_equal(p->count, PICTURE_CELLS);
	for (at = 0; at < size;) {
		uint64_t n = (rng_below(&rng, GIB >> 9) + 1) << 10;

		n = n < size - at ? n : size - at;
		picture_add(p, at, n, (enum picture_kind)rng_below(&rng, 9),
			    (uint32_t)rng_below(&rng, 20));
		at += n;
	}
	free(svg_of(p, *state));
	picture_free(p);
	tranship_disk_close(disk);
}

static void has(const char *text, const char *piece)
{
	if (!strstr(text, piece))
		fail_msg("there is no '%s'", piece);
}

static void test_svg__a_diff(void **state)
{
	uint64_t size = (uint64_t)1 << 62, part = size / 8;
	struct tranship_disk *disk = hole(&size);
	struct picture *p = picture_new("new & old", disk, 0, size);
	char *text;

	picture_add_diff(p, 0, part, TRANSHIP_DIFF_SAME);
	picture_add_diff(p, part, 512, TRANSHIP_DIFF_CHANGED);
	picture_add_diff(p, part + 512, part - 512, TRANSHIP_DIFF_SAME);
	picture_add_diff(p, 2 * part, part, TRANSHIP_DIFF_ZEROED);
	picture_add_diff(p, 3 * part, 5 * part, TRANSHIP_DIFF_UNREAD);
	text = svg_of(p, *state);
	has(text, "<title id=\"title\">new &amp; old</title>");
	has(text, "changed 512 bytes, zeroed 576460752303423488 bytes, same, empty "
		  "1152921504606846464 bytes, not compared 2882303761517117440 bytes");
	has(text, "changed &lt;0.1 %");
	has(text, "class=\"s9\"");
	has(text, "4 EiB");
	free(text);
	picture_free(p);
	tranship_disk_close(disk);
}

/* What a name may be made of: markup, broken UTF-8, what XML forbids, what turns text around. */
static void test_svg__hostile_names(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{ "</title><script>x</script>", "&lt;/title&gt;&lt;script&gt;x&lt;/script&gt;" },
		{ "]]>&lt;\"'", "]]&gt;&amp;lt;&quot;&#39;" },
		{ "a\x01\x1b[2J\x7f", "a&#65533;&#65533;[2J&#65533;" },
		{ "\xff\xc0\xaf.\xed\xa0\x80.", ">&#65533;&#65533;.&#65533;.<" },
		{ "\xe2\x80\xaegpj", "&#65533;gpj" },
		{ "\xef\xbf\xbf\xf4\x90\x80\x80", ">&#65533;&#65533;<" },
		{ "\xc3\xa4\xf0\x9f\x92\xbe", "&#228;&#128190;" },
		{ "cut \xe2\x82", "cut &#65533;&#65533;<" },
		{ "\xc2\x85\n\t", "&#65533;&#65533;&#65533;" },
	};
	uint64_t size = GIB;
	struct tranship_disk *disk = hole(&size);
	size_t i;

	for (i = 0; i < COUNT_OF(cases); i++) {
		struct picture *p = picture_new(cases[i].name, disk, 0, size);
		char *text;

		picture_add(p, 0, size, PICTURE_HOLE, 0);
		text = svg_of(p, *state);
		has(text, cases[i].want);
		free(text);
		picture_free(p);
	}
	tranship_disk_close(disk);
}

static void test_new__nothing_to_draw(void **state)
{
	uint64_t size = 0;
	struct tranship_disk *disk = hole(&size);
	struct picture *p = picture_new("", disk, 0, 0);

	picture_add(p, 0, 0, PICTURE_DATA, 0);
	free(svg_of(p, *state));
	picture_free(p);
	picture_free(NULL);
	tranship_disk_close(disk);
}

static void test_share__little_is_not_nothing(void **state)
{
	static const struct {
		uint64_t part, whole;
		const char *want;
	} cases[] = {
		{ 0, 0, "0 %" },         { 0, 7, "0 %" },
		{ 7, 7, "100 %" },       { 1, UINT64_MAX, "<0.1 %" },
		{ 1, 8, "12.5 %" },      { UINT64_MAX - 1, UINT64_MAX, ">99.9 %" },
		{ 999, 1000, "99.9 %" },
	};
	char text[PICTURE_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++)
		assert_string_equal(picture_share(cases[i].part, cases[i].whole, text),
				    cases[i].want);
}

static void test_exact__is_exact(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *want, *size;
	} cases[] = {
		{ 0, "0", "0 B" },
		{ 1023, "1023 B", "1023 B" },
		{ 1025, "1025 B", "1 KiB" },
		{ 5 * GIB / 4, "1.25 GiB", "1.25 GiB" },
		{ 11 * GIB / 10, "1181116006 B", "1.1 GiB" },
		{ GIB - 1, "1073741823 B", "1 GiB" },
		{ GIB + 1024, "1048577 KiB", "1 GiB" },
		{ (uint64_t)15 << 60, "15 EiB", "15 EiB" },
		{ UINT64_MAX, "18446744073709551615 B", "16 EiB" },
	};
	char text[PICTURE_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		assert_string_equal(picture_exact(cases[i].bytes, text), cases[i].want);
		assert_string_equal(picture_size(cases[i].bytes, text), cases[i].size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add__every_byte_counts_once),
		cmocka_unit_test(test_look__one_sector_is_seen),
		cmocka_unit_test(test_look__bars_fit),
		IN_FOLDER(test_svg__is_bounded),
		IN_FOLDER(test_svg__a_diff),
		IN_FOLDER(test_svg__hostile_names),
		IN_FOLDER(test_new__nothing_to_draw),
		cmocka_unit_test(test_share__little_is_not_nothing),
		cmocka_unit_test(test_exact__is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
