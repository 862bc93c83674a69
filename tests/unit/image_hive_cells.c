// SPDX-License-Identifier: Apache-2.0
/* The cells of a hive, one behind the other. The layout is that of M. Suhanov's "Windows registry
 * file format specification". */
#include "image_hive.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 0x1000U
#define NONE UINT32_MAX
#define SEGMENT 16344U

/* What is built, and where the bin that cells are taken from ends. */
struct cells {
	const struct hive_image *hive;
	struct buffer *out;
	size_t used, end; /* in out; used == end: no bin is open */
};

static void more(struct cells *c, size_t len)
{
	if (buffer_reserve(c->out, len, NULL))
		abort();
	memset(c->out->bytes + c->out->len, 0, len);
	c->out->len += len;
}

static void close_bin(struct cells *c)
{
	if (c->used < c->end)
		put_le32(c->out->bytes + c->used, (uint32_t)(c->end - c->used)); /* free */
	c->used = c->end;
}

static void open_bin(struct cells *c, size_t cell)
{
	size_t len = (size_t)round_up(cell + 32, BLOCK), at = c->out->len;

	close_bin(c);
	more(c, len);
	memcpy(c->out->bytes + at, "hbin", 4);
	put_le32(c->out->bytes + at + 4, (uint32_t)(at - BLOCK));
	put_le32(c->out->bytes + at + 8, (uint32_t)len);
	c->used = at + 32;
	c->end = c->out->len;
}

/* A cell of zeros for len bytes; the number that others know it by. */
static uint32_t cell_new(struct cells *c, size_t len)
{
	size_t size = (size_t)round_up(len + 4, 8), at;

	if (c->end - c->used < size)
		open_bin(c, size);
	at = c->used;
	c->used += size;
	put_le32(c->out->bytes + at, (uint32_t) - (int32_t)size);
	return (uint32_t)(at - BLOCK);
}

static unsigned char *cell_data(struct cells *c, uint32_t cell)
{
	return c->out->bytes + BLOCK + cell + 4;
}

/* The name as it is stored; its length in bytes. */
static size_t stored_name(const struct hive_image *hive, const char *name, unsigned char *raw,
			  bool *latin)
{
	uint16_t units[HIVE_NAME];
	size_t count = hive_image_units(name, units), i;

	*latin = !hive->wide;
	for (i = 0; i < count; i++)
		*latin = *latin && units[i] <= 0xFF;
	for (i = 0; i < count; i++) {
		if (*latin)
			raw[i] = (unsigned char)units[i];
		else
			put_le16(raw + 2 * i, units[i]);
	}
	return *latin ? count : 2 * count;
}

static uint32_t put_bytes(struct cells *c, const void *bytes, size_t len)
{
	uint32_t cell = cell_new(c, len);

	memcpy(cell_data(c, cell), bytes, len);
	return cell;
}

/* "db": segments of 16344 bytes, whose cells have four bytes more. */
static uint32_t put_big(struct cells *c, const unsigned char *data, size_t len)
{
	size_t count = (size_t)div_up(len, SEGMENT), i;
	uint32_t list = cell_new(c, 4 * count), db = cell_new(c, 8);

	for (i = 0; i < count; i++) {
		size_t part = (size_t)min_u64(SEGMENT, len - i * SEGMENT);
		uint32_t cell = cell_new(c, part + 4);

		memcpy(cell_data(c, cell), data + i * SEGMENT, part);
		put_le32(cell_data(c, list) + 4 * i, cell);
	}
	memcpy(cell_data(c, db), "db", 2);
	put_le16(cell_data(c, db) + 2, (uint16_t)count);
	put_le32(cell_data(c, db) + 4, list);
	return db;
}

static void put_value(struct cells *c, struct hive_value *value)
{
	unsigned char name[2 * HIVE_NAME], *vk;
	bool latin;
	size_t name_len = stored_name(c->hive, value->name, name, &latin);

	value->cell = cell_new(c, 20 + name_len);
	value->data_cell = NONE;
	if (value->len > SEGMENT && c->hive->minor >= 4)
		value->data_cell = put_big(c, value->data, value->len);
	else if (value->len > 4)
		value->data_cell = put_bytes(c, value->data, value->len);
	vk = cell_data(c, value->cell);
	memcpy(vk, "vk", 2);
	put_le16(vk + 2, (uint16_t)name_len);
	put_le32(vk + 4, (uint32_t)value->len | (value->len <= 4 ? 0x80000000U : 0));
	if (value->len > 4)
		put_le32(vk + 8, value->data_cell);
	else
		memcpy(vk + 8, value->data, value->len);
	put_le32(vk + 12, value->type);
	put_le16(vk + 16, latin && name_len > 0);
	memcpy(vk + 20, name, name_len);
}

static uint32_t put_values(struct cells *c, struct hive_key *key)
{
	uint32_t list;
	size_t i;

	if (key->value_count == 0)
		return NONE;
	for (i = 0; i < key->value_count; i++)
		put_value(c, &key->values[i]);
	list = cell_new(c, 4 * key->value_count);
	for (i = 0; i < key->value_count; i++)
		put_le32(cell_data(c, list) + 4 * i, key->values[i].cell);
	return list;
}

static uint32_t lh_hash(const char *name)
{
	uint16_t units[HIVE_NAME];
	size_t count = hive_image_units(name, units), i;
	uint32_t hash = 0;

	for (i = 0; i < count; i++)
		hash = hash * 37 + hive_image_upper(units[i]);
	return hash;
}

static uint32_t put_leaf(struct cells *c, struct hive_key **keys, size_t count)
{
	static const char *const names[] = { [HIVE_LI] = "li", [HIVE_LF] = "lf", [HIVE_LH] = "lh" };
	enum hive_list kind = c->hive->list;
	size_t entry = kind == HIVE_LI ? 4 : 8, i;
	uint32_t leaf = cell_new(c, 4 + entry * count);
	unsigned char *at = cell_data(c, leaf);

	memcpy(at, names[kind], 2);
	put_le16(at + 2, (uint16_t)count);
	for (i = 0; i < count; i++) {
		put_le32(at + 4 + entry * i, keys[i]->cell);
		if (kind == HIVE_LF)
			memcpy(at + 8 + entry * i, keys[i]->name,
			       (size_t)min_u64(4, strlen(keys[i]->name)));
		else if (kind == HIVE_LH)
			put_le32(at + 8 + entry * i, lh_hash(keys[i]->name));
	}
	return leaf;
}

static uint32_t put_list(struct cells *c, const struct hive_key *key)
{
	size_t max = c->hive->leaf_max, count, i;
	uint32_t root;

	if (key->subkey_count == 0)
		return NONE;
	if (max == 0 || key->subkey_count <= max)
		return put_leaf(c, key->subkeys, key->subkey_count);
	count = (size_t)div_up(key->subkey_count, max);
	root = cell_new(c, 4 + 4 * count);
	for (i = 0; i < count; i++) {
		size_t part = (size_t)min_u64(max, key->subkey_count - i * max);
		uint32_t leaf = put_leaf(c, key->subkeys + i * max, part);

		put_le32(cell_data(c, root) + 4 + 4 * i, leaf);
	}
	memcpy(cell_data(c, root), "ri", 2);
	put_le16(cell_data(c, root) + 2, (uint16_t)count);
	return root;
}

static uint32_t put_class(struct cells *c, const char *name)
{
	uint32_t cell = cell_new(c, 2 * strlen(name));

	text_to_utf16le(cell_data(c, cell), strlen(name), name);
	return cell;
}

static void put_nk(struct cells *c, const struct hive_key *key, uint32_t parent, uint32_t class)
{
	unsigned char *nk = cell_data(c, key->cell), name[2 * HIVE_NAME];
	bool latin;
	size_t name_len = stored_name(c->hive, key->name, name, &latin);

	memcpy(nk, "nk", 2);
	put_le16(nk + 2, (uint16_t)((latin ? 0x20 : 0) | (key == &c->hive->root ? 0x0C : 0)));
	put_le64(nk + 4, UINT64_C(0x01DA1749A2C6C000));
	put_le32(nk + 16, parent);
	put_le32(nk + 20, (uint32_t)key->subkey_count);
	put_le32(nk + 28, key->subkey_list);
	put_le32(nk + 32, NONE);
	put_le32(nk + 36, (uint32_t)key->value_count);
	put_le32(nk + 40, key->value_list);
	put_le32(nk + 44, c->hive->security[key->security]);
	put_le32(nk + 48, class);
	put_le32(nk + 52, 2 * HIVE_NAME);
	put_le16(nk + 72, (uint16_t)name_len);
	put_le16(nk + 74, key->class_name ? (uint16_t)(2 * strlen(key->class_name)) : 0);
	memcpy(nk + 76, name, name_len);
}

static void put_key(struct cells *c, struct hive_key *key, uint32_t parent)
{
	unsigned char raw[2 * HIVE_NAME];
	bool latin;
	uint32_t class;
	size_t i;

	key->cell = cell_new(c, 76 + stored_name(c->hive, key->name, raw, &latin));
	class = key->class_name ? put_class(c, key->class_name) : NONE;
	key->value_list = put_values(c, key);
	for (i = 0; i < key->subkey_count; i++)
		put_key(c, key->subkeys[i], key->cell);
	key->subkey_list = put_list(c, key);
	put_nk(c, key, parent, class);
}

static void count_security(const struct hive_key *key, uint32_t counts[HIVE_SECURITIES])
{
	size_t i;

	counts[key->security]++;
	for (i = 0; i < key->subkey_count; i++)
		count_security(key->subkeys[i], counts);
}

/* Self-relative descriptors that differ in their owner, in a ring. */
static void put_security(struct cells *c, struct hive_image *hive)
{
	static const unsigned char descriptor[] = {
		1, 0, 0, 0x80, 20, 0, 0, 0, 36, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, /* head */
		1, 2, 0, 0,    0,  0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0,             /* owner */
		1, 1, 0, 0,    0,  0, 0, 5, 18, 0, 0, 0,                          /* group */
	};
	uint32_t counts[HIVE_SECURITIES] = { 0 }, last = 0, i;

	count_security(&hive->root, counts);
	for (i = 0; i < HIVE_SECURITIES; i++) {
		hive->security[i] = counts[i] ? cell_new(c, 20 + sizeof(descriptor)) : NONE;
		last = counts[i] ? i : last;
	}
	for (i = 0; i < HIVE_SECURITIES; i++) {
		unsigned char *sk;
		uint32_t next = i;

		if (counts[i] == 0)
			continue;
		do
			next = (next + 1) % HIVE_SECURITIES;
		while (counts[next] == 0);
		sk = cell_data(c, hive->security[i]);
		memcpy(sk, "sk", 2);
		put_le32(sk + 4, hive->security[next]);
		put_le32(sk + 8, hive->security[last]);
		put_le32(sk + 12, counts[i]);
		put_le32(sk + 16, sizeof(descriptor));
		memcpy(sk + 20, descriptor, sizeof(descriptor));
		sk[20 + 32] = (unsigned char)(32 + i);
		last = i;
	}
}

void hive_image_sum(unsigned char *bytes)
{
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < 508; i += 4)
		sum ^= get_le32(bytes + i);
	put_le32(bytes + 508, sum == 0 ? 1 : sum == UINT32_MAX ? UINT32_MAX - 1 : sum);
}

void hive_image_build(struct hive_image *hive, struct buffer *out)
{
	struct cells c = { hive, out, 0, 0 };
	unsigned char *head;

	more(&c, BLOCK);
	put_security(&c, hive);
	put_key(&c, &hive->root, NONE);
	close_bin(&c);
	head = out->bytes;
	memcpy(head, "regf", 4);
	put_le32(head + 4, 7);
	put_le32(head + 8, 7);
	put_le64(head + 12, UINT64_C(0x01DA1749A2C6C000));
	put_le32(head + 20, 1);
	put_le32(head + 24, hive->minor);
	put_le32(head + 32, 1);
	put_le32(head + 36, hive->root.cell);
	put_le32(head + 40, (uint32_t)(out->len - BLOCK));
	put_le32(head + 44, 1);
	text_to_utf16le(head + 48, 32, "\\Boot\\HIVE");
	hive_image_sum(head);
}
