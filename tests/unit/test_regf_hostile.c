// SPDX-License-Identifier: Apache-2.0
/* Hives that lie: each says in which field, and none is walked for ever. */
#include "support.h"

#include "base/bytes.h"
#include "image_hive.h"
#include "mbr-gpt/regf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a table's offset counts from: the file, or the content of a cell. */
enum from {
	HEAD,
	BIN,
	ROOT,
	KEY,    /* "K", with values */
	SECOND, /* "L" */
	LIST,   /* of the root's subkeys */
	LEAF,   /* the first list below that */
	VALUES, /* of KEY */
	INLINE, /* a value of two bytes */
	PLAIN,  /* a value of 100 bytes */
	BIG,    /* a value of two segments */
	DATA,   /* PLAIN's */
	DB,     /* BIG's */
	SECURITY,
};

struct scene {
	struct hive_image image;
	struct buffer file;
};

static void scene_open(struct scene *s)
{
	static unsigned char big[20000];
	struct hive_key *key;
	char name[30];
	unsigned i;

	memset(s, 0, sizeof(*s));
	hive_image_init(&s->image);
	s->image.leaf_max = 3;
	key = hive_image_key(&s->image, "K");
	hive_image_value(key, "in", HIVE_BINARY, "ab", 2);
	hive_image_value(key, "plain", HIVE_BINARY, big, 100);
	hive_image_value(key, "big", HIVE_BINARY, big, sizeof(big));
	for (i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "L%u", i);
		hive_image_dword(hive_image_key(&s->image, name), "n", i);
	}
	hive_image_build(&s->image, &s->file);
}

static void scene_close(struct scene *s)
{
	hive_image_free(&s->image);
	buffer_free(&s->file);
}

/* The cell of something; HEAD and BIN have none. */
static uint32_t cell_of(struct scene *s, enum from from)
{
	const struct hive_key *key = hive_image_key(&s->image, "K");
	const unsigned char *list = s->file.bytes + 0x1004 + s->image.root.subkey_list;

	switch (from) {
	case ROOT: return s->image.root.cell;
	case KEY: return key->cell;
	case SECOND: return hive_image_key(&s->image, "L0")->cell;
	case LIST: return s->image.root.subkey_list;
	case LEAF: return get_le32(list + 4);
	case VALUES: return key->value_list;
	case INLINE: return key->values[0].cell;
	case PLAIN: return key->values[1].cell;
	case BIG: return key->values[2].cell;
	case DATA: return key->values[1].data_cell;
	case DB: return key->values[2].data_cell;
	case SECURITY: return s->image.security[0];
	default: return 0;
	}
}

static size_t place_of(struct scene *s, enum from from, int off)
{
	size_t base = from == HEAD ? 0 : from == BIN ? 0x1000 : 0x1004 + cell_of(s, from);

	return base + (size_t)(long)off;
}

static int walk(struct regf *hive, const struct regf_key *key, unsigned *budget,
		struct tranship_error *err)
{
	struct regf_value value;
	struct regf_key subkey;
	struct buffer data = { 0 };
	uint32_t i;
	int rc = 0;

	for (i = 0; i < key->values && rc == 0 && *budget > 0; i++, --*budget) {
		data.len = 0;
		rc = regf_value(hive, key, i, &value, err);
		if (rc == 0)
			rc = regf_data(hive, &value, 1 << 20, &data, err);
	}
	buffer_free(&data);
	for (i = 0; i < key->subkeys && rc == 0 && *budget > 0; i++, --*budget) {
		rc = regf_subkey(hive, key, i, &subkey, err);
		if (rc == 0)
			rc = walk(hive, &subkey, budget, err);
	}
	return rc;
}

/* Opens it, walks it by its keys (`also_walk`), and checks it. */
static int look(struct scene *s, bool also_walk, struct tranship_error *err)
{
	struct regf_memory memory = { s->file.bytes, s->file.len };
	struct regf_store store = regf_store_memory(&memory);
	unsigned budget = 1000;
	struct regf_key root;
	struct regf hive;
	int rc = regf_open(&store, &hive, err);

	if (rc == 0)
		rc = regf_root(&hive, &root, err);
	if (rc == 0 && also_walk)
		rc = walk(&hive, &root, &budget, err);
	return rc ? rc : regf_check(&hive, err);
}

#define NOWHERE 0x777770U

/* One field, four bytes, and what is said; those that walking does not see are found by checking.
 */
static const struct lie {
	enum from from;
	int off;
	uint32_t value;
	int code;
	const char *piece;
} lies[] = {
	{ HEAD, 0, 0x66676573, TRANSHIP_ECORRUPT, "no registry hive" },
	{ HEAD, 20, 2, TRANSHIP_EUNSUPPORTED, "version 2.5" },
	{ HEAD, 24, 2, TRANSHIP_EUNSUPPORTED, "version 1.2" },
	{ HEAD, 24, 7, TRANSHIP_EUNSUPPORTED, "version 1.7" },
	{ HEAD, 28, 1, TRANSHIP_EUNSUPPORTED, "the type 1" },
	{ HEAD, 32, 0, TRANSHIP_EUNSUPPORTED, "the format 0" },
	{ HEAD, 36, NOWHERE, TRANSHIP_ECORRUPT, "a key at 0x777770 is no cell" },
	{ HEAD, 36, 0x24, TRANSHIP_ECORRUPT, "a key at 0x24 is no cell" },
	{ HEAD, 36, 0x18, TRANSHIP_ECORRUPT, "in the header of a hive bin" },
	{ HEAD, 40, 0, TRANSHIP_ECORRUPT, "0 bytes of bins" },
	{ HEAD, 40, 0x1800, TRANSHIP_ECORRUPT, "6144 bytes of bins" },
	{ HEAD, 40, 0xFFFFF000, TRANSHIP_ECORRUPT, "4294963200 bytes of bins" },
	{ HEAD, 40, 0x1000, TRANSHIP_ECORRUPT, "is no cell of the hive" },
	{ BIN, 0, 0, TRANSHIP_ECORRUPT, "stands in no hive bin" },
	{ BIN, 4, 0x1000, TRANSHIP_ECORRUPT, "stands in no hive bin" },
	{ BIN, 8, 0, TRANSHIP_ECORRUPT, "stands in no hive bin" },
	{ BIN, 8, 0xFFFFF000, TRANSHIP_ECORRUPT, "stands in no hive bin" },
	{ BIN, 8, 0x1001, TRANSHIP_ECORRUPT, "stands in no hive bin" },
	{ ROOT, -4, 0x60, TRANSHIP_ECORRUPT, "which is free" },
	{ ROOT, -4, 0, TRANSHIP_ECORRUPT, "which is free" },
	{ ROOT, -4, 0x80000000, TRANSHIP_ECORRUPT, "which is free" },
	{ ROOT, -4, 0U - 0x5C, TRANSHIP_ECORRUPT, "which is free" },
	{ ROOT, -4, 0U - 0x10000, TRANSHIP_ECORRUPT, "passes its bin's end" },
	{ ROOT, -4, 0U - 0x28, TRANSHIP_ECORRUPT, "a cell of 36 bytes, and needs 76" },
	{ ROOT, 0, 0x002C6B76, TRANSHIP_ECORRUPT, "begins with 0x766b, not with 'nk'" },
	{ ROOT, 20, 0xFFFFFFFF, TRANSHIP_ECORRUPT, "more than fit" },
	{ ROOT, 20, 7, TRANSHIP_ECORRUPT, "end before 1 of its subkeys" },
	{ ROOT, 28, NOWHERE, TRANSHIP_ECORRUPT, "a list of subkeys at 0x777770" },
	{ ROOT, 44, NOWHERE, TRANSHIP_ECORRUPT, "no cell starts at 0x777770" },
	{ ROOT, 72, 0x200, TRANSHIP_ELIMIT, "256 characters are taken" },
	{ ROOT, 72, 0xF0, TRANSHIP_ECORRUPT, "pass the end of the cell" },
	{ KEY, 36, 0xFFFFFFFF, TRANSHIP_ECORRUPT, "more than fit" },
	{ KEY, 36, 300, TRANSHIP_ECORRUPT, "a list of values" },
	{ KEY, 40, NOWHERE, TRANSHIP_ECORRUPT, "a list of values at 0x777770" },
	{ LIST, 0, 0xFFFF6972, TRANSHIP_ECORRUPT, "65535 lists, more than fit" },
	{ LIST, 0, 0x00026372, TRANSHIP_ECORRUPT, "0x7263, not with 'li'" },
	{ LIST, 0, 0x00016972, TRANSHIP_ECORRUPT, "end before 3 of its subkeys" },
	{ LIST, 4, NOWHERE, TRANSHIP_ECORRUPT, "a list of subkeys at 0x777770" },
	{ LEAF, 0, 0x0003686D, TRANSHIP_ECORRUPT, "0x6d68, not with 'li'" },
	{ LEAF, 0, 0x00016972, TRANSHIP_ECORRUPT, "0x7269, not with 'li'" },
	{ LEAF, 0, 0xFFFF686C, TRANSHIP_ECORRUPT, "65535 entries, more than fit" },
	{ LEAF, 4, NOWHERE, TRANSHIP_ECORRUPT, "a key at 0x777770" },
	{ VALUES, 0, NOWHERE, TRANSHIP_ECORRUPT, "a value at 0x777770" },
	{ INLINE, 0, 0x00026B6E, TRANSHIP_ECORRUPT, "0x6e6b, not with 'vk'" },
	{ INLINE, 0, 0xFFFF6B76, TRANSHIP_ELIMIT, "256 characters are taken" },
	{ INLINE, 4, 0x80000005, TRANSHIP_ECORRUPT, "keeps 5 bytes where 4 fit" },
	{ INLINE, 4, 100, TRANSHIP_ECORRUPT, "data at " },
	{ PLAIN, 4, 0x7FFFFFFF, TRANSHIP_ECORRUPT, "begins with 0x0000, not with 'db'" },
	{ PLAIN, 4, 200, TRANSHIP_ECORRUPT, "and needs 200" },
	{ PLAIN, 8, NOWHERE, TRANSHIP_ECORRUPT, "data at 0x777770" },
	{ PLAIN, 16, 0, TRANSHIP_ECORRUPT, "which is no UTF-16" },
	{ BIG, 4, 16344, TRANSHIP_ECORRUPT, "and needs 16344" },
	{ BIG, 4, 40000, TRANSHIP_ECORRUPT, "2 segments of 16344 bytes for 40000" },
	{ DB, 0, 0x00036264, TRANSHIP_ECORRUPT, "3 segments of 16344 bytes for 20000" },
	{ DB, 4, NOWHERE, TRANSHIP_ECORRUPT, "a list of segments at 0x777770" },
	{ SECURITY, 0, 0, TRANSHIP_ECORRUPT, "not with 'sk'" },
	{ SECURITY, 4, NOWHERE, TRANSHIP_ECORRUPT, "no security descriptor is at 0x777770" },
	{ SECURITY, 8, NOWHERE, TRANSHIP_ECORRUPT, "no security descriptor is at 0x777770" },
	{ SECURITY, 12, 1, TRANSHIP_ECORRUPT, "than it counts" },
	{ DATA, -4, 8, TRANSHIP_ECORRUPT, "which is free" },
};

static void test_open__one_lie(void **state)
{
	struct tranship_error err = { 0 };
	struct scene s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(lies); i++) {
		const struct lie *lie = &lies[i];
		scene_open(&s);
		put_le32(s.file.bytes + place_of(&s, lie->from, lie->off), lie->value);
		hive_image_sum(s.file.bytes);
		if (look(&s, true, &err) != lie->code || !strstr(err.message, lie->piece))
			fail_msg("lie %zu: '%s' lacks '%s'", i, err.message, lie->piece);
		scene_close(&s);
	}
}

/* Fields that point to what is there, but is another's. */
static const struct alias {
	enum from from;
	int off;
	enum from to;
	bool walks;
	const char *piece;
} aliases[] = {
	{ LEAF, 4, ROOT, false, "is used twice" },  /* a key below itself */
	{ LEAF, 4, SECOND, true, "is used twice" }, /* listed twice */
	{ KEY, 40, LIST, false, "is used twice" },
	{ VALUES, 0, PLAIN, true, "is used twice" },
	{ PLAIN, 8, DB, false, "" },
	{ BIG, 8, DATA, false, "" },
	{ PLAIN, 8, PLAIN, false, "" },
	{ LIST, 8, LEAF, false, "" },
	{ SECOND, 44, KEY, true, "is used twice" },
	{ SECURITY, 4, KEY, true, "no security descriptor is at" },
};

static void test_check__cells_that_are_used_twice(void **state)
{
	struct tranship_error err = { 0 };
	struct scene s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(aliases); i++) {
		const struct alias *a = &aliases[i];

		scene_open(&s);
		put_le32(s.file.bytes + place_of(&s, a->from, a->off), cell_of(&s, a->to));
		if (look(&s, a->walks, &err) != TRANSHIP_ECORRUPT || !strstr(err.message, a->piece))
			fail_msg("alias %zu: '%s' lacks '%s'", i, err.message, a->piece);
		scene_close(&s);
	}
}

/* Keys that are their own subkeys: a walk by hand has its own limit, checking sees it at once. */
static void test_check__depth(void **state)
{
	struct tranship_error err = { 0 };
	char path[4 * 520] = "";
	struct scene s = { 0 };
	unsigned i;

	(void)state;
	hive_image_init(&s.image);
	for (i = 0; i < 511; i++)
		strcat(path, "k\\");
	hive_image_key(&s.image, path);
	hive_image_build(&s.image, &s.file);
	assert_ok(look(&s, true, &err), &err);
	strcat(path, "k\\");
	hive_image_key(&s.image, path);
	s.file.len = 0;
	hive_image_build(&s.image, &s.file);
	assert_fails(look(&s, true, &err), TRANSHIP_ELIMIT, &err, "deeper than 512 levels");
	scene_close(&s);
}

/* Bins that do not lie side by side, cells that do not fill them: only checking looks. */
static void test_check__bins_and_cells(void **state)
{
	struct tranship_error err = { 0 };
	struct scene s;
	size_t end;

	(void)state;
	scene_open(&s);
	end = 0x1000 + get_le32(s.file.bytes + 0x1008);
	s.file.bytes[end] = 'H';
	assert_fails(look(&s, false, &err), TRANSHIP_ECORRUPT, &err, "no hive bin starts at");
	s.file.bytes[end] = 'h';
	put_le32(s.file.bytes + end + 32, 0);
	assert_fails(look(&s, false, &err), TRANSHIP_ECORRUPT, &err, "has 0 bytes");
	put_le32(s.file.bytes + end + 32, 12);
	assert_fails(look(&s, false, &err), TRANSHIP_ECORRUPT, &err, "has 12 bytes");
	put_le32(s.file.bytes + end + 32, 0x100000);
	assert_fails(look(&s, false, &err), TRANSHIP_ECORRUPT, &err, "has 1048576 bytes");
	scene_close(&s);
}

static void test_open__checksum(void **state)
{
	struct tranship_error err = { 0 };
	struct scene s;

	(void)state;
	scene_open(&s);
	s.file.bytes[60] ^= 1;
	assert_fails(look(&s, false, &err), TRANSHIP_ECORRUPT, &err, "the header's checksum is 0x");
	scene_close(&s);
}

/* Every byte of the structures by three values, and every length. */
static void test_open__flips_and_cuts(void **state)
{
	static const unsigned char flips[] = { 0x00, 0xFF, 0x80 };
	struct tranship_error err = { 0 };
	struct scene s;
	size_t i, k, len;

	(void)state;
	scene_open(&s);
	for (i = 0; i < 0x1000 + 0x800; i++) {
		for (k = 0; k < COUNT_OF(flips); k++) {
			unsigned char old = s.file.bytes[i];
			uint32_t sum = get_le32(s.file.bytes + 508);

			s.file.bytes[i] = flips[k];
			if (i < 508)
				hive_image_sum(s.file.bytes);
			look(&s, true, &err);
			s.file.bytes[i] = old;
			put_le32(s.file.bytes + 508, sum);
		}
		i += i >= 512 && i < 0x1000 ? 100 : 0;
	}
	assert_ok(look(&s, true, &err), &err);
	for (len = s.file.len - 1; len > 0; len = len * 2 / 3) {
		s.file.len = len;
		assert_int_equal(look(&s, true, &err), TRANSHIP_ECORRUPT);
	}
	scene_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open__one_lie),
		cmocka_unit_test(test_check__cells_that_are_used_twice),
		cmocka_unit_test(test_check__depth),
		cmocka_unit_test(test_check__bins_and_cells),
		cmocka_unit_test(test_open__checksum),
		cmocka_unit_test(test_open__flips_and_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
