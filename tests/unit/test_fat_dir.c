// SPDX-License-Identifier: Apache-2.0
/* Folders of FAT32 volumes: names long and short, what is passed over, and chains that lie. */
#include "fat_scene.h"

#include "base/bytes.h"
#include "mbr-gpt/fat_ondisk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The names of a folder, each with its short one: "Long=SHORT " and so on. */
struct names {
	char text[4000];
	unsigned count, stop;
};

static int take_name(void *ctx, const struct fat_entry *entry)
{
	struct names *n = ctx;
	size_t len = strlen(n->text);

	if (len + strlen(entry->name) + 20 < sizeof(n->text)) /* a loop has more */
		sprintf(n->text + len, "%s=%s ", entry->name, entry->short_name);
	return ++n->count == n->stop ? 42 : 0;
}

static void test_fat_list__what_counts(void **state)
{
	struct names all = { .stop = 0 }, two = { .stop = 2 }, inner = { .stop = 0 };
	struct fat_entry folder, file;
	struct fat_scene s;
	bool found;

	(void)state;
	fat_scene_make(&s, NULL);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_ok(fat_list(&s.fat, NULL, take_name, &all, &s.err), &s.err);
	assert_string_equal(all.text, "EFI=EFI A long name.txt=ALONGN~1.TXT EMPTY.TXT=EMPTY.TXT "
				      "BOOTMGR=BOOTMGR ");
	assert_int_equal(fat_list(&s.fat, NULL, take_name, &two, &s.err), 42);
	assert_int_equal(two.count, 2);
	assert_ok(fat_find(&s.fat, "EFI//BOOT\\", &found, &folder, &s.err), &s.err);
	assert_true(found);
	assert_ok(fat_list(&s.fat, &folder, take_name, &inner, &s.err), &s.err);
	assert_string_equal(inner.text, "BOOTX64.EFI=BOOTX64.EFI ");
	assert_ok(fat_find(&s.fat, "BOOTMGR", &found, &file, &s.err), &s.err);
	assert_fails(fat_list(&s.fat, &file, take_name, &inner, &s.err), TRANSHIP_EINVAL, &s.err,
		     "no folder");
	fat_scene_close(&s);
}

static void test_fat_find__paths(void **state)
{
	static const struct {
		const char *path;
		bool found;
		uint32_t cluster;
	} cases[] = { { "", true, 2 },
		      { "/", true, 2 },
		      { "efi", true, 3 },
		      { "EFI/", true, 3 },
		      { "EFI/boot", true, 4 },
		      { "EFI/..", false, 0 },
		      { "EFI/./BOOT", false, 0 },
		      { "EFI/BOOT/BOOTX64.EFI/", true, 6 },
		      { "EFI/BOOT/BOOTX64.EFI/X", false, 0 },
		      { "EFI/BOOT/BOOTX64", false, 0 },
		      { "EFI/BOOT/BOOTX64.EFIX", false, 0 },
		      { "BOOTMGR.", false, 0 },
		      { "BOOTMG", false, 0 },
		      { "NO/NO", false, 0 },
		      { "a long name.TX", false, 0 },
		      { "A long name.txt", true, 5 },
		      { "ESP", false, 0 } };
	struct fat_scene s;
	size_t i;

	(void)state;
	fat_scene_make(&s, NULL);
	assert_ok(fat_scene_open(&s), &s.err);
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct fat_entry entry;
		bool found;

		assert_ok(fat_find(&s.fat, cases[i].path, &found, &entry, &s.err), &s.err);
		assert_int_equal(found, cases[i].found);
		if (found)
			assert_int_equal(entry.cluster, cases[i].cluster);
	}
	fat_scene_close(&s);
}

/* A folder at cluster 30 whose slots a test fills; what is listed of it. */
static void expect_names(const struct image_fat *image, const char *names)
{
	struct fat_entry folder = { .attributes = FAT_ATTR_DIRECTORY, .cluster = 30 };
	struct names got = { .stop = 0 };
	struct fat_scene s = { .image = *image };

	image_fat_link(&s.image, 30, 0x0FFFFFFF);
	assert_ok(fat_scene_open(&s), &s.err);
	assert_ok(fat_list(&s.fat, &folder, take_name, &got, &s.err), &s.err);
	assert_string_equal(got.text, names);
	fat_scene_close(&s);
}

/* A good long name of two parts (slots 0 and 1) and its short entry, then one byte otherwise. */
static void test_fat_list__long_names_that_are_none(void **state)
{
	static const struct {
		unsigned slot, off, value;
		const char *names;
	} cases[] = {
		{ 0, 0, 0x42, "Fourteen chars=FOURTE~1 " },
		{ 0, 0, 0x02, "FOURTE~1=FOURTE~1 " }, /* does not begin */
		{ 0, 0, 0x43, "FOURTE~1=FOURTE~1 " }, /* three parts */
		{ 0, 0, 0x41, "FOURTE~1=FOURTE~1 " }, /* one */
		{ 0, 0, 0x40, "FOURTE~1=FOURTE~1 " },
		{ 0, 0, 0x55, "FOURTE~1=FOURTE~1 " }, /* 21, one more than there may be */
		{ 0, 0, 0x7F, "FOURTE~1=FOURTE~1 " },
		{ 0, 0, 0xE5, "FOURTE~1=FOURTE~1 " },
		{ 0, 13, 0, "FOURTE~1=FOURTE~1 " },
		{ 1, 0, 0x02, "FOURTE~1=FOURTE~1 " },
		{ 1, 0, 0x41, "Fourteen char=FOURTE~1 " }, /* a new one, and a whole one */
		{ 1, 0, 0xE5, "FOURTE~1=FOURTE~1 " },
		{ 1, 13, 0, "FOURTE~1=FOURTE~1 " },
		{ 1, 11, 0x08, "FOURTE~1=FOURTE~1 " }, /* a label between */
		{ 1, 1, 0, "FOURTE~1=FOURTE~1 " },     /* the empty name */
		{ 2, 0, 'G', "GOURTE~1=GOURTE~1 " },   /* the checksum is another's */
		{ 2, 0, 0xE5, "" },
		{ 2, 0, 0, "" },
		{ 1, 0, 0, "" },                                       /* the end */
		{ 1, 2, 0xD8, "\xEF\xBF\xBDourteen chars=FOURTE~1 " }, /* half a surrogate */
		{ 1, 11, 0xCF, "Fourteen chars=FOURTE~1 " },           /* bits that nobody has */
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct image_fat image = image_fat_defaults();

		assert_int_equal(image_fat_new(&image), 0);
		image_fat_long(image_fat_slot(&image, 30, 0), "Fourteen chars", "FOURTE~1   ", 0x20,
			       0, 0);
		image_fat_slot(&image, 30, cases[i].slot)[cases[i].off] =
			(unsigned char)cases[i].value;
		expect_names(&image, cases[i].names);
	}
}

/* Names of all lengths: up to 255 units, which fill 19 parts and 8 units. */
static void test_fat_list__long_names_of_all_lengths(void **state)
{
	char text[262], names[300];
	unsigned len;

	(void)state;
	for (len = 1; len <= 260; len++) {
		struct image_fat image = image_fat_defaults();

		image.cluster_sectors = 2;
		assert_int_equal(image_fat_new(&image), 0);
		memset(text, 'n', len);
		text[len] = '\0';
		image_fat_long(image_fat_slot(&image, 30, 0), text, "NNNNNN~1EFI", 0, 0, 0);
		sprintf(names, "%s=NNNNNN~1.EFI ", len > 255 ? "NNNNNN~1.EFI" : text);
		expect_names(&image, names);
	}
}

static void test_fat_list__short_names(void **state)
{
	static const struct {
		const char raw[13];
		const char *names;
	} cases[] = {
		{ "FOO     BAR\x20\x18", "foo.bar=FOO.BAR " },
		{ "FOO     BAR\x20\x08", "foo.BAR=FOO.BAR " },
		{ "FOO     BAR\x20\x10", "FOO.bar=FOO.BAR " },
		{ "\x05OO        ", "\xCF\x83OO=_OO " },
		{ "\x80\xE1\xFF        ", "\xC3\x87\xC3\x9F\xC2\xA0=___ " },
		{ "A B     C D", "A B.C D=A B.C D " },
		{ "A\nB\x7F       ", "A_B\x7F=A_B_ " },
		{ "12345678901", "12345678.901=12345678.901 " },
		{ "       A   ", "       A=       A " },
		{ "        EXT", ".EXT=.EXT " },
		{ "...        ", "...=... " },
		{ "..         ", "" },
		{ ".          ", "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct image_fat image = image_fat_defaults();

		assert_int_equal(image_fat_new(&image), 0);
		memcpy(image_fat_slot(&image, 30, 0), cases[i].raw, 13);
		expect_names(&image, cases[i].names);
	}
}

static void expect_list_fails(struct fat_scene *s, const struct fat_entry *folder,
			      const char *piece)
{
	struct names got = { .stop = UINT32_MAX };

	assert_ok(fat_scene_open(s), &s->err);
	assert_fails(fat_list(&s->fat, folder, take_name, &got, &s->err), TRANSHIP_ECORRUPT,
		     &s->err, piece);
	fat_scene_close(s);
}

static void test_fat_list__broken_chains(void **state)
{
	static const struct {
		uint32_t cluster, value;
		const char *piece;
	} cases[] = {
		{ 4, 0, "the table has 0 for cluster 4" },
		{ 4, 1, "out of range" },
		{ 4, 122, "out of range" },
		{ 4, FAT_BAD, "it is bad" },
		{ 4, 30, "the table has 0 for cluster 30" },
		{ 20, 0, "for cluster 20" },
		{ 4, 4, "is a loop, or has more than" },
		{ 20, 4, "is a loop" },
	};
	struct fat_entry folder = { .attributes = FAT_ATTR_DIRECTORY, .cluster = 4 };
	struct fat_scene s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		fat_scene_make(&s, NULL);
		/* So that it goes on. */
		image_fat_entry(image_fat_slot(&s.image, 20, 15), "FILLER     ", FAT_ATTR_VOLUME, 0,
				0);
		image_fat_link(&s.image, cases[i].cluster, cases[i].value);
		expect_list_fails(&s, &folder, cases[i].piece);
	}
	folder.cluster = 0;
	fat_scene_make(&s, NULL);
	expect_list_fails(&s, &folder, "cluster 0 is used");
	fat_scene_make(&s, NULL);
	image_fat_link(&s.image, 2, 0);
	expect_list_fails(&s, NULL, "the table has 0 for cluster 2");
}

/* 32 clusters of 2048 slots: as many as there may be, and one cluster more. */
static void test_fat_list__the_longest_folder(void **state)
{
	struct fat_entry folder = { .attributes = FAT_ATTR_DIRECTORY, .cluster = 30 };
	struct image_fat image = image_fat_defaults();
	uint32_t clusters, i;

	(void)state;
	image.cluster_sectors = 128;
	image.clusters = 64;
	for (clusters = 32; clusters <= 33; clusters++) {
		struct names got = { .stop = 0 };
		struct fat_scene s;

		fat_scene_make(&s, &image);
		for (i = 30; i < 30 + clusters; i++)
			image_fat_link(&s.image, i, i + 1 < 30 + clusters ? i + 1 : FAT_MASK);
		for (i = 0; i < clusters * 2048; i++)
			image_fat_entry(image_fat_slot(&s.image, 30, i), "\345          ", 0, 0, 0);
		image_fat_entry(image_fat_slot(&s.image, 30, 65535), "LAST       ", 0, 0, 0);
		if (clusters == 33) {
			expect_list_fails(&s, &folder, "more than 65536 entries");
			continue;
		}
		assert_ok(fat_scene_open(&s), &s.err);
		assert_ok(fat_list(&s.fat, &folder, take_name, &got, &s.err), &s.err);
		assert_string_equal(got.text, "LAST=LAST ");
		fat_scene_close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fat_list__what_counts),
		cmocka_unit_test(test_fat_find__paths),
		cmocka_unit_test(test_fat_list__long_names_that_are_none),
		cmocka_unit_test(test_fat_list__long_names_of_all_lengths),
		cmocka_unit_test(test_fat_list__short_names),
		cmocka_unit_test(test_fat_list__broken_chains),
		cmocka_unit_test(test_fat_list__the_longest_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
