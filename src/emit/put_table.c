// SPDX-License-Identifier: Apache-2.0
/* The pages above the leaves. */
#include "emit/put_inside.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/disk.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* Digests do not compress: more than this level does is not worth its time. */
#define PAGE_LEVEL 1

int put_page(struct put *put, struct page_ref *out, struct tranship_error *err)
{
	size_t bound = ZSTD_compressBound(put->page.len), got;
	struct slot_entry entry = { .raw = (uint32_t)put->page.len,
				    .kind = RECORD_PAGE,
				    .codec = CODEC_ZSTD };
	const unsigned char *stored = put->packed.bytes;
	int rc;

	put->packed.len = 0;
	rc = buffer_reserve(&put->packed, bound, err);
	if (rc == 0)
		rc = name_of(&put->p->store->keys, put->page.bytes, put->page.len, entry.name, err);
	if (rc)
		return rc;
	stored = put->packed.bytes;
	got = ZSTD_compress(put->packed.bytes, bound, put->page.bytes, put->page.len, PAGE_LEVEL);
	if (ZSTD_isError(got))
		return error_set(err, TRANSHIP_EIO, "zstd: %s", ZSTD_getErrorName(got));
	if (got >= put->page.len) {
		stored = put->page.bytes;
		got = put->page.len;
		entry.codec = CODEC_NONE;
	}
	entry.stored = (uint32_t)got;
	out->there = true;
	memcpy(out->pin, entry.name, sizeof(out->pin));
	return sink_add(put->p->sink, &entry, stored, &out->at, err);
}

static int old_node(const struct put *put, uint32_t level, uint64_t number, struct page_ref *out,
		    struct tranship_error *err)
{
	memset(out, 0, sizeof(*out));
	if (!put->p->old || level > put->p->old_root.level)
		return 0;
	return table_page_ref(put->p->old, level, number, out, err);
}

static bool node_is_empty(const struct table_node *node)
{
	size_t i;

	for (i = 0; i < TABLE_FANOUT; i++)
		if (node->refs[i].there)
			return false;
	return true;
}

/* The page of a node: the old one, if it says the same. */
static int node_page(struct put *put, uint32_t level, struct page_ref *out,
		     struct tranship_error *err)
{
	const struct table_node *node = put->tree.nodes[level];
	uint64_t number = put->tree.numbers[level];
	unsigned char name[NAME_SIZE];
	struct page_ref was;
	int rc = old_node(put, level, number, &was, err);

	memset(out, 0, sizeof(*out));
	put->page.len = 0;
	if (rc == 0 && !node_is_empty(node)) {
		rc = table_node_encode(node, level, number, &put->page, err);
		if (rc == 0)
			rc = name_of(&put->p->store->keys, put->page.bytes, put->page.len, name,
				     err);
		if (rc)
			return rc;
		if (was.there && memcmp(was.pin, name, sizeof(was.pin)) == 0 &&
		    !slot_set_has(put->p->bad, &was.at.slot)) {
			*out = was;
			return 0;
		}
		rc = put_page(put, out, err);
	}
	if (rc == 0 && was.there)
		rc = put_change_uses(put, &was.at.slot, -1, err);
	if (rc == 0 && out->there)
		rc = put_change_uses(put, &out->at.slot, 1, err);
	return rc;
}

static int add_ref(struct put *put, uint32_t level, uint64_t child, const struct page_ref *ref,
		   struct tranship_error *err);

/* The node of this level is full, or the last one. */
static int end_node(struct put *put, uint32_t level, struct tranship_error *err)
{
	struct put_tree *tree = &put->tree;
	uint64_t number = tree->numbers[level];
	struct page_ref ref;
	int rc = node_page(put, level, &ref, err);

	memset(tree->nodes[level], 0, sizeof(*tree->nodes[level]));
	if (rc)
		return rc;
	if (level < tree->level)
		return add_ref(put, level + 1, number, &ref, err);
	if (number == 0) /* those behind it are of a larger, older disk, and empty now */
		tree->root = ref;
	return 0;
}

static int add_ref(struct put *put, uint32_t level, uint64_t child, const struct page_ref *ref,
		   struct tranship_error *err)
{
	struct put_tree *tree = &put->tree;
	uint64_t number = child / TABLE_FANOUT;
	int rc = 0;

	if (number != tree->numbers[level])
		rc = end_node(put, level, err);
	tree->numbers[level] = number;
	tree->nodes[level]->refs[child % TABLE_FANOUT] = *ref;
	return rc;
}

int put_tree_begin(struct put *put, struct tranship_error *err)
{
	struct put_tree *tree = &put->tree;
	uint32_t level;

	tree->level = table_levels(put->p->source->size);
	for (level = 1; level <= tree->level; level++) {
		tree->nodes[level] = calloc(1, sizeof(*tree->nodes[level]));
		if (!tree->nodes[level])
			return error_nomem(err, sizeof(*tree->nodes[level]));
	}
	return 0;
}

void put_tree_fini(struct put *put)
{
	uint32_t level;

	for (level = 1; level < TABLE_LEVELS_MAX; level++)
		free(put->tree.nodes[level]);
}

int put_tree_leaf(struct put *put, uint64_t leaf, const struct page_ref *ref,
		  struct tranship_error *err)
{
	if (put->tree.level > 0)
		return add_ref(put, 1, leaf, ref, err);
	if (leaf == 0)
		put->tree.root = *ref;
	return 0;
}

/* The pages of an old table that was higher than this one is. */
static int drop_higher(struct put *put, struct tranship_error *err)
{
	uint64_t count = div_up(put->p->old_size, LEAF_BYTES), number;
	struct page_ref ref;
	uint32_t level;
	int rc = 0;

	if (!put->p->old)
		return 0;
	for (level = 1; level <= put->p->old_root.level; level++) {
		count = div_up(count, TABLE_FANOUT);
		for (number = 0; level > put->tree.level && number < count && rc == 0; number++) {
			rc = old_node(put, level, number, &ref, err);
			if (rc == 0 && ref.there)
				rc = put_change_uses(put, &ref.at.slot, -1, err);
		}
	}
	return rc;
}

int put_tree_end(struct put *put, struct page_ref *root, struct tranship_error *err)
{
	uint32_t level;
	int rc = 0;

	for (level = 1; level <= put->tree.level && rc == 0; level++)
		rc = end_node(put, level, err);
	if (rc == 0)
		rc = drop_higher(put, err);
	*root = put->tree.root;
	return rc;
}
