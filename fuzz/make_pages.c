// SPDX-License-Identifier: Apache-2.0
#include "make_pages.h"

#include "base/bytes.h"
#include "emit/table.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX 9U /* fuzz_table.c */

static struct table_leaf leaf;
static struct table_node node;

static struct slot_id slot_number(unsigned number)
{
	struct slot_id id;

	memset(&id, 0, sizeof(id));
	put_be64(id.bytes, 0x7472616E73686970ULL);
	put_be64(id.bytes + 8, number);
	return id;
}

/* Every `step`th block, of which unit u is there where bit u of the mask says so. */
static void fill(unsigned step, unsigned mask, unsigned blocks_a_slot)
{
	unsigned i;

	table_leaf_clear(&leaf);
	for (i = 0; i < LEAF_UNITS; i++) {
		unsigned block = i / STORE_BLOCK_UNITS, unit = i % STORE_BLOCK_UNITS;
		struct slot_id id = slot_number(1 + block / blocks_a_slot);

		if (block % step != 0 || !(mask >> unit & 1) ||
		    table_leaf_slot(&leaf, &id, &leaf.units[i].slot, NULL))
			continue;
		leaf.units[i].record = (uint16_t)block;
		leaf.units[i].sub = (uint8_t)unit;
		memset(leaf.units[i].digest, (int)(i % 255 + 1), UNIT_DIGEST);
	}
}

static void begin(struct buffer *out, unsigned level, uint64_t number)
{
	unsigned char prefix[PREFIX] = { (unsigned char)level };

	put_le64(prefix + 1, number);
	out->len = 0;
	if (buffer_append(out, prefix, PREFIX, NULL))
		abort();
}

void make_pages(void (*save)(const char *target, const char *name, const void *bytes, size_t size))
{
	static const struct {
		const char *name;
		unsigned step, mask, blocks;
	} leaves[] = { { "leaf-one-unit", 512, 0x10, 512 },
		       { "leaf-blocks", 100, 0xFF, 2 },
		       { "leaf-gaps", 60, 0xA7, 100 } };
	struct buffer out = { 0 };
	size_t i;

	for (i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		fill(leaves[i].step, leaves[i].mask, leaves[i].blocks);
		begin(&out, 0, i);
		if (table_leaf_encode(&leaf, i, &out, NULL))
			abort();
		save("table", leaves[i].name, out.bytes, out.len);
	}
	for (i = 0; i < TABLE_FANOUT; i += 40)
		node.refs[i] = (struct page_ref){ true,
						  { slot_number((unsigned)i / 100), 7 },
						  { (unsigned char)i } };
	begin(&out, 2, 3);
	if (table_node_encode(&node, 2, 3, &out, NULL))
		abort();
	save("table", "node", out.bytes, out.len);
	memcpy(out.bytes + PREFIX + PAGE_HEAD_SIZE + OBJECT_ID_SIZE,
	       out.bytes + PREFIX + PAGE_HEAD_SIZE, OBJECT_ID_SIZE);
	save("table", "node-slot-twice", out.bytes, out.len);
	buffer_free(&out);
	table_leaf_fini(&leaf);
}
