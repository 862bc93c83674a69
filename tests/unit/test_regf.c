// SPDX-License-Identifier: Apache-2.0
/* Registry hives: what the builder put in is read, with all kinds of lists, names and data; what is
 * edited stays a hive. */
#include "support.h"

#include "base/bytes.h"
#include "image_hive.h"
#include "mbr-gpt/regf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A hive in memory, and what it was built from. */
struct scene {
	struct hive_image image;
	struct buffer file;
	struct regf_memory memory;
	struct regf_store store;
	struct regf hive;
};

static void scene_open(struct scene *s)
{
	struct tranship_error err = { 0 };

	s->file.len = 0;
	hive_image_build(&s->image, &s->file);
	s->memory = (struct regf_memory){ s->file.bytes, s->file.len };
	s->store = regf_store_memory(&s->memory);
	assert_ok(regf_open(&s->store, &s->hive, &err), &err);
}

static void scene_close(struct scene *s)
{
	hive_image_free(&s->image);
	buffer_free(&s->file);
}

/* A key "Many" with `count` subkeys that have all sorts of things, and names of other scripts. */
static void fill(struct hive_image *image, unsigned count)
{
	static unsigned char big[40000];
	struct hive_key *key;
	char name[60];
	unsigned i;

	for (i = 0; i < sizeof(big); i++)
		big[i] = (unsigned char)(i * 7 % 251);
	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "Many\\key %u", i * 7 % count);
		key = hive_image_key(image, name);
		key->security = i % HIVE_SECURITIES;
		key->class_name = i % 3 ? NULL : "class";
		hive_image_dword(key, "n", i);
		hive_image_value(key, "data", HIVE_BINARY, big, i * 11 % 60);
	}
	key = hive_image_key(image, "Gr\xC3\xBC\xC3\x9F\\\xD0\xBA\xD0\xBB\xD1\x8E\xD1\x87");
	hive_image_text(key, "", HIVE_SZ, "default");
	hive_image_text(key, "\xE2\x82\xAC", HIVE_MULTI_SZ, "a|b");
	hive_image_value(key, "empty", HIVE_BINARY, "", 0);
	hive_image_value(key, "one", HIVE_BINARY, big, 16344);
	hive_image_value(key, "two", HIVE_BINARY, big, 16345);
	hive_image_value(key, "three", HIVE_BINARY, big, sizeof(big));
}

static void same_value(struct scene *s, const struct hive_value *want,
		       const struct regf_value *value)
{
	struct tranship_error err = { 0 };
	struct buffer data = { 0 };

	assert_string_equal(value->name, want->name);
	assert_int_equal(value->type, want->type);
	assert_int_equal(value->len, want->len);
	assert_int_equal(value->cell, want->cell);
	assert_ok(regf_data(&s->hive, value, want->len, &data, &err), &err);
	assert_int_equal(data.len, want->len);
	if (data.len)
		assert_same_bytes(data.bytes, want->data, data.len);
	if (want->len)
		assert_fails(regf_data(&s->hive, value, want->len - 1, &data, &err),
			     TRANSHIP_ELIMIT, &err, "are taken");
	buffer_free(&data);
}

static void same_key(struct scene *s, const struct hive_key *want, const struct regf_key *key)
{
	struct tranship_error err = { 0 };
	struct regf_value value;
	struct regf_key subkey;
	uint32_t i;

	assert_string_equal(key->name, want->name);
	assert_int_equal(key->cell, want->cell);
	assert_int_equal(key->subkeys, want->subkey_count);
	assert_int_equal(key->values, want->value_count);
	for (i = 0; i < key->values; i++) {
		assert_ok(regf_value(&s->hive, key, i, &value, &err), &err);
		same_value(s, &want->values[i], &value);
	}
	for (i = 0; i < key->subkeys; i++) {
		assert_ok(regf_subkey(&s->hive, key, i, &subkey, &err), &err);
		assert_int_equal(subkey.parent, key->cell);
		same_key(s, want->subkeys[i], &subkey);
	}
	assert_fails(regf_subkey(&s->hive, key, i, &subkey, &err), TRANSHIP_EINVAL, &err, "subkey");
	assert_fails(regf_value(&s->hive, key, key->values, &value, &err), TRANSHIP_EINVAL, &err,
		     "value");
}

static void same_hive(struct scene *s)
{
	struct tranship_error err = { 0 };
	struct regf_key root;

	assert_ok(regf_check(&s->hive, &err), &err);
	assert_ok(regf_root(&s->hive, &root, &err), &err);
	same_key(s, &s->image.root, &root);
}

static struct regf_key key_of(struct scene *s, const char *path)
{
	struct tranship_error err = { 0 };
	struct regf_key key;
	bool found;

	assert_ok(regf_root(&s->hive, &key, &err), &err);
	assert_ok(regf_find(&s->hive, &key, path, &found, &key, &err), &err);
	assert_true(found);
	return key;
}

static struct regf_value value_of(struct scene *s, const char *path, const char *name)
{
	struct regf_key key = key_of(s, path);
	struct tranship_error err = { 0 };
	struct regf_value value;
	bool found;

	assert_ok(regf_find_value(&s->hive, &key, name, &found, &value, &err), &err);
	assert_true(found);
	return value;
}

/* Every kind of list, with and without an index over it, with narrow and wide names. */
static const struct kind {
	enum hive_list list;
	size_t leaf_max;
	bool wide;
	unsigned minor;
} kinds[] = {
	{ HIVE_LI, 0, false, 3 }, { HIVE_LF, 0, false, 4 }, { HIVE_LH, 0, false, 5 },
	{ HIVE_LI, 1, false, 3 }, { HIVE_LF, 5, true, 5 },  { HIVE_LH, 16, true, 6 },
};

static void scene_kind(struct scene *s, const struct kind *kind, unsigned count)
{
	memset(s, 0, sizeof(*s));
	hive_image_init(&s->image);
	s->image.list = kind->list;
	s->image.leaf_max = kind->leaf_max;
	s->image.wide = kind->wide;
	s->image.minor = kind->minor;
	fill(&s->image, count);
	scene_open(s);
}

static void test_read__all_kinds(void **state)
{
	struct scene s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(kinds); i++) {
		scene_kind(&s, &kinds[i], 40);
		same_hive(&s);
		scene_close(&s);
	}
}

static void test_find__path_and_case(void **state)
{
	struct tranship_error err = { 0 };
	struct regf_key root, key;
	struct regf_value value;
	struct scene s;
	bool found;

	(void)state;
	scene_kind(&s, &kinds[4], 12);
	assert_string_equal(key_of(&s, "mAnY\\KEY 7").name, "key 7");
	assert_string_equal(key_of(&s, "").name, "NewStoreRoot");
	assert_ok(regf_root(&s.hive, &root, &err), &err);
	assert_ok(regf_find(&s.hive, &root, "Many\\key", &found, &key, &err), &err);
	assert_false(found);
	assert_ok(regf_find(&s.hive, &root, "Many\\key 70", &found, &key, &err), &err);
	assert_false(found);
	assert_ok(regf_find(&s.hive, &root, "key 7", &found, &key, &err), &err);
	assert_false(found);
	key = key_of(&s, "Many\\key 3");
	assert_ok(regf_find_value(&s.hive, &key, "DATA", &found, &value, &err), &err);
	assert_true(found);
	assert_ok(regf_find_value(&s.hive, &key, "dat", &found, &value, &err), &err);
	assert_false(found);
	scene_close(&s);
}

static void test_open__dirty_hive_opens(void **state)
{
	struct scene s;
	struct tranship_error err = { 0 };

	(void)state;
	scene_kind(&s, &kinds[2], 3);
	assert_false(s.hive.dirty);
	put_le32(s.file.bytes + 4, 99);
	hive_image_sum(s.file.bytes);
	assert_ok(regf_open(&s.store, &s.hive, &err), &err);
	assert_true(s.hive.dirty);
	same_hive(&s);
	scene_close(&s);
}

/* Sets data and reads all of the hive again; the header stays. */
static void set_and_read(struct scene *s, const char *path, const char *name, const void *data,
			 size_t len)
{
	struct regf_value value = value_of(s, path, name);
	struct tranship_error err = { 0 };
	unsigned char head[4096];

	memcpy(head, s->file.bytes, sizeof(head));
	assert_ok(regf_set_data(&s->hive, &value, data, len, &err), &err);
	assert_memory_equal(head, s->file.bytes, sizeof(head));
	/* The image learns it, too, but is not built anew: cells stay where they were. */
	hive_image_value(hive_image_key(&s->image, path), name, value.type, data, len);
	assert_ok(regf_open(&s->store, &s->hive, &err), &err);
	same_hive(s);
}

static void test_set_data__as_long_or_shorter(void **state)
{
	static unsigned char data[40000];
	const char *path = "Gr\xC3\xBC\xC3\x9F\\\xD0\xBA\xD0\xBB\xD1\x8E\xD1\x87";
	struct regf_value value;
	struct tranship_error err = { 0 };
	struct scene s;

	(void)state;
	memset(data, 0xA7, sizeof(data));
	scene_kind(&s, &kinds[2], 9);
	set_and_read(&s, "Many\\key 4", "n", "abcd", 4);
	set_and_read(&s, "Many\\key 4", "n", "e", 1);
	set_and_read(&s, "Many\\key 4", "n", "", 0);
	set_and_read(&s, path, "", data, 16);
	set_and_read(&s, path, "", data, 5);
	set_and_read(&s, path, "", data, 4); /* its cell is free now */
	set_and_read(&s, path, "one", data, 16344);
	set_and_read(&s, path, "one", data, 100);
	set_and_read(&s, path, "three", data, 40000);
	set_and_read(&s, path, "three", data, 2 * 16344 + 1);
	set_and_read(&s, path, "two", data, 16345);

	value = value_of(&s, path, "two");
	assert_fails(regf_set_data(&s.hive, &value, data, 16344, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "would need other cells");
	assert_fails(regf_set_data(&s.hive, &value, data, 16346, &err), TRANSHIP_EINVAL, &err,
		     "in place of the 16345");
	value = value_of(&s, "Many\\key 4", "n");
	assert_fails(regf_set_data(&s.hive, &value, data, 1, &err), TRANSHIP_EINVAL, &err,
		     "1 bytes in place of the 0");
	s.store.write = NULL;
	assert_ok(regf_open(&s.store, &s.hive, &err), &err);
	value = value_of(&s, path, "one");
	assert_fails(regf_set_data(&s.hive, &value, data, 100, &err), TRANSHIP_EINVAL, &err,
		     "opened for reading");
	same_hive(&s);
	scene_close(&s);
}

/* What was in a cell that shrinks is gone. */
static void test_set_data__zeros_behind(void **state)
{
	const char *path = "Gr\xC3\xBC\xC3\x9F\\\xD0\xBA\xD0\xBB\xD1\x8E\xD1\x87";
	static const unsigned char zeros[16244];
	struct scene s;
	uint32_t cell;

	(void)state;
	scene_kind(&s, &kinds[2], 3);
	cell = hive_image_key(&s.image, path)->values[3].data_cell;
	set_and_read(&s, path, "one", zeros, 100);
	assert_memory_equal(s.file.bytes + 0x1004 + cell + 100, zeros, sizeof(zeros));
	scene_close(&s);
}

/* Of all allocated cells. */
static uint64_t used_bytes(const struct buffer *file)
{
	uint64_t total = 0;
	size_t bin, at;

	for (bin = 0x1000; bin < file->len; bin += get_le32(file->bytes + bin + 8)) {
		size_t end = bin + get_le32(file->bytes + bin + 8);

		for (at = bin + 32; at < end;) {
			uint32_t size = get_le32(file->bytes + at);

			total += size <= INT32_MAX ? 0 : 0U - size;
			at += size <= INT32_MAX ? size : 0U - size;
		}
	}
	return total;
}

static void delete_one(struct scene *s, uint32_t index)
{
	struct regf_key many = key_of(s, "Many");
	struct tranship_error err = { 0 };
	char path[700];

	snprintf(path, sizeof(path), "Many\\%s",
		 hive_image_key(&s->image, "Many")->subkeys[index]->name);
	assert_ok(regf_delete_subkey(&s->hive, &many, index, &err), &err);
	assert_true(hive_image_remove(&s->image, path));
	same_hive(s);
}

/* All subkeys of a key, in an order of its own for each kind of list. */
static void test_delete_subkey__until_none_is_left(void **state)
{
	enum { COUNT = 25 };
	struct scene s;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT_OF(kinds); i++) {
		struct rng rng = { i + 1 };
		struct buffer without = { 0 };
		unsigned char head[4096];

		scene_kind(&s, &kinds[i], COUNT);
		memcpy(head, s.file.bytes, sizeof(head));
		for (n = COUNT; n > 0; n--)
			delete_one(&s, (uint32_t)rng_below(&rng, n));
		assert_memory_equal(head, s.file.bytes, sizeof(head));
		/* A hive that never had them needs as much. */
		hive_image_build(&s.image, &without);
		assert_int_equal(used_bytes(&s.file), used_bytes(&without));
		buffer_free(&without);
		scene_close(&s);
	}
}

/* The last key with a descriptor takes it along; the others' ring closes. */
static void test_delete_subkey__security(void **state)
{
	struct tranship_error err = { 0 };
	struct scene s;
	struct regf_key many;
	uint32_t cell, i;

	(void)state;
	scene_kind(&s, &kinds[2], 8);
	cell = s.image.security[2];
	assert_int_equal(get_le32(s.file.bytes + 0x1004 + cell + 12), 2);
	many = key_of(&s, "Many");
	for (i = 0; i < many.subkeys; i++) {
		if (hive_image_key(&s.image, "Many")->subkeys[i]->security != 2)
			continue;
		delete_one(&s, i);
		many = key_of(&s, "Many");
		i--;
	}
	assert_in_range(get_le32(s.file.bytes + 0x1000 + cell), 8, 200); /* free */
	assert_int_equal(get_le32(s.file.bytes + 0x1004 + s.image.security[1] + 4),
			 s.image.security[3]);
	assert_int_equal(get_le32(s.file.bytes + 0x1004 + s.image.security[3] + 8),
			 s.image.security[1]);
	assert_ok(regf_check(&s.hive, &err), &err);
	scene_close(&s);
}

static void test_delete_subkey__refuses(void **state)
{
	struct tranship_error err = { 0 };
	struct regf_key root;
	struct scene s;
	struct buffer before = { 0 };

	(void)state;
	scene_kind(&s, &kinds[2], 4);
	buffer_append(&before, s.file.bytes, s.file.len, NULL);
	assert_ok(regf_root(&s.hive, &root, &err), &err);
	assert_fails(regf_delete_subkey(&s.hive, &root, 2, &err), TRANSHIP_EINVAL, &err,
		     "subkey 2 of a key that has 2");
	assert_fails(regf_delete_subkey(&s.hive, &root, 0, &err), TRANSHIP_EINVAL, &err,
		     "cannot be deleted alone");
	assert_same_bytes(before.bytes, s.file.bytes, before.len);
	buffer_free(&before);
	scene_close(&s);
}

/* A store whose nth call fails. */
struct faulty_store {
	struct regf_store inner;
	uint64_t left;
};

static int faulty_call(struct faulty_store *f, struct tranship_error *err)
{
	if (f->left-- > 0)
		return 0;
	f->left = 0;
	err->code = TRANSHIP_EIO;
	strcpy(err->message, "the disk is gone");
	return TRANSHIP_EIO;
}

static int faulty_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	struct faulty_store *f = ctx;
	int rc = faulty_call(f, err);

	return rc ? rc : f->inner.read(f->inner.ctx, off, buf, len, err);
}

static int faulty_write(void *ctx, uint64_t off, const void *buf, size_t len,
			struct tranship_error *err)
{
	struct faulty_store *f = ctx;
	int rc = faulty_call(f, err);

	return rc ? rc : f->inner.write(f->inner.ctx, off, buf, len, err);
}

static int work(const struct regf_store *store, struct tranship_error *err)
{
	struct regf_value value;
	struct regf hive;
	struct regf_key key;
	bool found;
	int rc = regf_open(store, &hive, err);

	if (rc == 0)
		rc = regf_check(&hive, err);
	if (rc == 0)
		rc = regf_root(&hive, &key, err);
	if (rc == 0)
		rc = regf_find(&hive, &key, "Many", &found, &key, err);
	if (rc == 0)
		rc = regf_delete_subkey(&hive, &key, 3, err);
	if (rc == 0)
		rc = regf_find(&hive, &key, "key 1", &found, &key, err);
	if (rc == 0)
		rc = regf_find_value(&hive, &key, "data", &found, &value, err);
	return rc ? rc : regf_set_data(&hive, &value, "abcdef", 6, err);
}

static void test_store__every_call_may_fail(void **state)
{
	struct tranship_error err = { 0 };
	struct scene s;
	uint64_t n;
	int rc = -1;

	(void)state;
	for (n = 0; rc; n++) {
		struct faulty_store f;
		struct regf_store store;

		scene_kind(&s, &kinds[3], 5);
		f = (struct faulty_store){ s.store, n };
		store = (struct regf_store){ s.store.size, &f, faulty_read, faulty_write };
		rc = work(&store, &err);
		if (rc)
			assert_fails(rc, TRANSHIP_EIO, &err, "the disk is gone");
		scene_close(&s);
	}
	assert_in_range(n, 100, 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read__all_kinds),
		cmocka_unit_test(test_find__path_and_case),
		cmocka_unit_test(test_open__dirty_hive_opens),
		cmocka_unit_test(test_set_data__as_long_or_shorter),
		cmocka_unit_test(test_set_data__zeros_behind),
		cmocka_unit_test(test_delete_subkey__until_none_is_left),
		cmocka_unit_test(test_delete_subkey__security),
		cmocka_unit_test(test_delete_subkey__refuses),
		cmocka_unit_test(test_store__every_call_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
