// SPDX-License-Identifier: Apache-2.0
#include "points_made.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/zero.h"
#include "memory_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define WRITER_SIZE 8U

void made_into(struct made *m, struct tranship_store *store, size_t slot_limit)
{
	struct tranship_error err;

	memset(m, 0, sizeof(*m));
	m->store = store;
	m->slot_limit = slot_limit;
	memset(m->seed.bytes, 0x5A, sizeof(m->seed.bytes));
	assert_ok(slot_builder_new(slot_limit, &m->builder, &err), &err);
}

void made_open(struct made *m, bool encrypted, size_t slot_limit)
{
	struct tranship_store *store = calloc(1, sizeof(*store));
	struct tranship_error err;

	assert_non_null(store);
	store->target = memory_target_new();
	store->keys.encrypted = encrypted;
	memset(store->keys.store_id, 0x77, sizeof(store->keys.store_id));
	strcpy(store->id, "77777777-7777-7777-7777-777777777777");
	if (encrypted) {
		memset(store->keys.data_key, 0x12, sizeof(store->keys.data_key));
		assert_ok(store_keys_derive(&store->keys, &err), &err);
	}
	store->slot_size = (uint32_t)slot_limit;
	assert_ok(slots_new(store->target, &store->keys, &store->slots, &err), &err);
	made_into(m, store, slot_limit);
	m->ends_here = true;
}

void made_close(struct made *m)
{
	slot_builder_free(m->builder);
	if (m->ends_here) {
		slots_free(m->store->slots);
		target_close(m->store->target);
		free(m->store);
	}
	memset(m, 0, sizeof(*m));
}

void made_flush(struct made *m)
{
	unsigned char sha256[32];
	char key[TARGET_KEY_MAX + 1];
	const unsigned char *bytes;
	struct tranship_error err;
	size_t len;

	if (m->slots == 0 || slot_builder_count(m->builder) == 0)
		return;
	slot_key(slot_builder_id(m->builder), key);
	assert_ok(slot_builder_seal(m->builder, &m->store->keys, &bytes, &len, sha256, &err), &err);
	assert_ok(target_put(m->store->target, key, bytes, len, sha256, &err), &err);
	m->slots++;
	slot_builder_begin(m->builder, &(struct slot_id){ 0 });
}

static void begin_slot(struct made *m)
{
	struct slot_id id;

	m->slots += m->slots == 0;
	memset(id.bytes, 0xAB, WRITER_SIZE);
	put_be64(id.bytes + WRITER_SIZE, m->slots);
	slot_builder_begin(m->builder, &id);
}

void made_record(struct made *m, enum record_kind kind, const void *bytes, size_t len,
		 struct record_ref *at, unsigned char name[NAME_SIZE])
{
	size_t cap = ZSTD_compressBound(len), n;
	unsigned char *packed = malloc(cap);
	struct slot_entry entry = { .raw = (uint32_t)len, .kind = kind };
	struct tranship_error err;

	assert_non_null(packed);
	assert_ok(name_of(&m->store->keys, bytes, len, entry.name, &err), &err);
	n = ZSTD_compress(packed, cap, bytes, len, 1);
	assert_false(ZSTD_isError(n));
	entry.codec = n < len ? CODEC_ZSTD : CODEC_NONE;
	entry.stored = (uint32_t)(n < len ? n : len);
	if (m->slots > 0 && slot_builder_count(m->builder) > 0 &&
	    slot_builder_is_full(m->builder, entry.stored))
		made_flush(m);
	if (m->slots == 0 || slot_builder_count(m->builder) == 0)
		begin_slot(m);
	at->slot = *slot_builder_id(m->builder);
	assert_ok(
		slot_builder_add(m->builder, &entry,
				 entry.codec == CODEC_ZSTD ? packed : (const unsigned char *)bytes,
				 &at->record, &err),
		&err);
	if (name)
		memcpy(name, entry.name, NAME_SIZE);
	free(packed);
}

static void put_page(struct made *m, const struct buffer *page, struct page_ref *out)
{
	unsigned char name[NAME_SIZE];

	out->there = true;
	made_record(m, RECORD_PAGE, page->bytes, page->len, &out->at, name);
	memcpy(out->pin, name, sizeof(out->pin));
}

/* A page of a level, by its number. */
struct numbered {
	uint64_t number;
	struct page_ref ref;
};

/* The pages above `count` pages of the level below take their place; returns how many. */
static size_t put_level(struct made *m, uint32_t level, struct numbered *pages, size_t count)
{
	struct table_node *node = malloc(sizeof(*node));
	struct buffer page = { 0 };
	struct tranship_error err;
	size_t i = 0, made = 0;

	assert_non_null(node);
	while (i < count) {
		uint64_t number = pages[i].number / TABLE_FANOUT;

		memset(node, 0, sizeof(*node));
		for (; i < count && pages[i].number / TABLE_FANOUT == number; i++)
			node->refs[pages[i].number % TABLE_FANOUT] = pages[i].ref;
		page.len = 0;
		assert_ok(table_node_encode(node, level, number, &page, &err), &err);
		pages[made].number = number;
		put_page(m, &page, &pages[made++].ref);
	}
	buffer_free(&page);
	free(node);
	return made;
}

void made_table(struct made *m, const struct made_leaf *leaves, size_t count, uint64_t size,
		struct table_root *out)
{
	struct numbered *pages = calloc(count + 1, sizeof(*pages));
	struct buffer page = { 0 };
	struct tranship_error err;
	size_t i, n = 0;
	uint32_t level;

	assert_non_null(pages);
	for (i = 0; i < count; i++) {
		if (table_leaf_is_zero(leaves[i].leaf))
			continue;
		page.len = 0;
		assert_ok(table_leaf_encode(leaves[i].leaf, leaves[i].number, &page, &err), &err);
		pages[n].number = leaves[i].number;
		put_page(m, &page, &pages[n++].ref);
	}
	memset(out, 0, sizeof(*out));
	out->level = table_levels(size);
	for (level = 1; level <= out->level; level++)
		n = put_level(m, level, pages, n);
	if (n > 0)
		out->page = pages[0].ref;
	made_flush(m);
	buffer_free(&page);
	free(pages);
}

/* One block of a disk, padded with zeros. */
struct made_block {
	unsigned char bytes[STORE_BLOCK];
	unsigned first, end; /* units, without zeros at both ends */
};

static void take_block(const struct made_disk *disk, size_t off, struct made_block *b)
{
	size_t n = (size_t)min_u64(STORE_BLOCK, disk->size - off);

	memset(b->bytes, 0, sizeof(b->bytes));
	memcpy(b->bytes, disk->content + off, n);
	b->first = 0;
	b->end = STORE_BLOCK_UNITS;
	while (b->first < b->end && bytes_are_zero(b->bytes + b->first * STORE_UNIT, STORE_UNIT))
		b->first++;
	while (b->end > b->first &&
	       bytes_are_zero(b->bytes + (b->end - 1) * STORE_UNIT, STORE_UNIT))
		b->end--;
}

static void put_block(struct made *m, const struct digester *d, struct made_block *b,
		      struct table_leaf *leaf, struct table_unit *units)
{
	struct record_ref at;
	struct tranship_error err;
	uint16_t slot;
	unsigned i;

	if (b->first == b->end)
		return;
	made_record(m, RECORD_BLOCK, b->bytes + b->first * STORE_UNIT,
		    (b->end - b->first) * STORE_UNIT, &at, NULL);
	assert_ok(table_leaf_slot(leaf, &at.slot, &slot, &err), &err);
	for (i = b->first; i < b->end; i++) {
		const unsigned char *bytes = b->bytes + i * STORE_UNIT;

		if (bytes_are_zero(bytes, STORE_UNIT))
			continue;
		units[i].slot = slot;
		units[i].record = (uint16_t)at.record;
		units[i].sub = (uint8_t)(i - b->first);
		assert_ok(digest_blocks(d, bytes, 1, units[i].digest, &err), &err);
	}
}

/* Whether the block is what it was, so that all of it stays as it is. */
static bool is_same(const struct made_disk *disk, size_t off)
{
	size_t n = (size_t)min_u64(STORE_BLOCK, disk->size - off);

	return disk->before && range_ok(off, n, disk->before->size) &&
	       (n == STORE_BLOCK || off + n == disk->before->size) &&
	       memcmp(disk->content + off, disk->content_before + off, n) == 0;
}

static void keep_block(struct table *before, uint64_t block, struct table_leaf *leaf,
		       struct table_unit *units)
{
	struct table_block was;
	struct tranship_error err;
	unsigned i;

	assert_ok(table_read_block(before, block, &was, &err), &err);
	for (i = 0; i < STORE_BLOCK_UNITS; i++) {
		if (was.units[i].zero)
			continue;
		assert_ok(table_leaf_slot(leaf, &was.units[i].at.slot, &units[i].slot, &err), &err);
		units[i].record = (uint16_t)was.units[i].at.record;
		units[i].sub = was.units[i].sub;
		memcpy(units[i].digest, was.units[i].digest, UNIT_DIGEST);
	}
}

static void fill_leaf_of(struct made *m, const struct made_disk *disk, struct table *before,
			 const struct digester *d, const struct made_leaf *out)
{
	struct made_block *b = malloc(sizeof(*b));
	uint64_t first = out->number * LEAF_BLOCKS, block;

	assert_non_null(b);
	for (block = first; block < first + LEAF_BLOCKS && block * STORE_BLOCK < disk->size;
	     block++) {
		struct table_unit *units = out->leaf->units + (block - first) * STORE_BLOCK_UNITS;

		if (is_same(disk, (size_t)(block * STORE_BLOCK))) {
			keep_block(before, block, out->leaf, units);
			continue;
		}
		take_block(disk, (size_t)(block * STORE_BLOCK), b);
		put_block(m, d, b, out->leaf, units);
	}
	free(b);
}

void made_point(struct made *m, const struct made_disk *disk, struct manifest *out)
{
	size_t count = (size_t)div_up(disk->size, LEAF_BYTES), i;
	struct made_leaf *leaves = calloc(count + 1, sizeof(*leaves));
	struct table *before = NULL;
	struct tranship_error err;
	struct digester d;

	assert_non_null(leaves);
	if (disk->before)
		assert_ok(table_open(m->store->slots, &disk->before->root, disk->before->size,
				     &before, &err),
			  &err);
	assert_ok(digester_init(&d, DIGEST_XXH3, STORE_UNIT, &m->seed, &err), &err);
	for (i = 0; i < count; i++) {
		leaves[i].number = i;
		leaves[i].leaf = calloc(1, sizeof(*leaves[i].leaf));
		assert_non_null(leaves[i].leaf);
		table_leaf_clear(leaves[i].leaf);
		fill_leaf_of(m, disk, before, &d, &leaves[i]);
	}
	memset(out, 0, sizeof(*out));
	strcpy(out->disk, disk->disk ? disk->disk : "a disk");
	strcpy(out->name, disk->name ? disk->name : "a point");
	snprintf(out->version, sizeof(out->version), "version %llu", (unsigned long long)m->slots);
	strcpy(out->source_format, "raw");
	out->size = disk->size;
	out->sector_size = 512;
	out->seed = m->seed;
	made_table(m, leaves, count, disk->size, &out->root);
	for (i = 0; i < count; i++) {
		table_leaf_fini(leaves[i].leaf);
		free(leaves[i].leaf);
	}
	free(leaves);
	table_close(before);
}
