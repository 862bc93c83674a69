// SPDX-License-Identifier: Apache-2.0
/*
 * A B-tree that is only ever appended to. A page is written when the entry behind its last one
 * comes, so the last page of each level is never empty and the root has at least two entries,
 * unless it is a leaf. The key of a page in the page above it is its own first key, which gives a
 * reader both bounds of what may stand in a page.
 */
#include "delta/page_tree.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/digest.h"
#include "base/error.h"
#include "io/table_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "TPGE"
#define OFF_LEVEL 4
#define OFF_COUNT 6
#define OFF_FILE_ID 8
#define OFF_OWN_OFFSET 16
#define OFF_CHECK 24
#define INNER_ENTRY 16U /* key, offset */
#define KEY_SIZE 8U

/* The check is over the page with zeros in its own place. */
static uint64_t page_check(unsigned char *page, uint64_t file_id)
{
	put_le64(page + OFF_CHECK, 0);
	return check64(page, PAGE_SIZE_BYTES, file_id);
}

static size_t size_of_entry(size_t entry_size, uint32_t level)
{
	return level == 0 ? entry_size : INNER_ENTRY;
}

static uint32_t capacity(size_t entry_size, uint32_t level)
{
	return (uint32_t)((PAGE_SIZE_BYTES - PAGE_HEAD) / size_of_entry(entry_size, level));
}

/* ---- Writing ---- */

/* The page of a level that is being filled. */
struct level {
	uint32_t count;
	unsigned char page[PAGE_SIZE_BYTES];
};

struct page_tree_writer {
	struct page_sink sink;
	size_t entry_size;
	uint64_t file_id;
	uint64_t count;    /* of entries */
	uint64_t last_key; /* if there are any */
	struct level *levels[PAGE_TREE_LEVELS];
};

int page_tree_writer_new(size_t entry_size, uint64_t file_id, const struct page_sink *sink,
			 struct page_tree_writer **out, struct tranship_error *err)
{
	struct page_tree_writer *w;

	*out = NULL;
	if (entry_size < KEY_SIZE || entry_size > PAGE_ENTRY_MAX)
		return error_set(err, TRANSHIP_EINVAL,
				 "index: entries of %zu bytes are not 8 to %u", entry_size,
				 PAGE_ENTRY_MAX);
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_nomem(err, sizeof(*w));
	w->sink = *sink;
	w->entry_size = entry_size;
	w->file_id = file_id;
	*out = w;
	return 0;
}

void page_tree_writer_free(struct page_tree_writer *w)
{
	size_t i;

	if (!w)
		return;
	for (i = 0; i < PAGE_TREE_LEVELS; i++)
		free(w->levels[i]);
	free(w);
}

/* Writes the page of a level and begins an empty one; `entry` is what the level above gets. */
static int write_page(struct page_tree_writer *w, uint32_t level, unsigned char *entry,
		      struct tranship_error *err)
{
	struct level *l = w->levels[level];
	uint64_t off = w->sink.where(w->sink.ctx);
	int rc;

	memcpy(l->page, MAGIC, 4);
	put_le16(l->page + OFF_LEVEL, (uint16_t)level);
	put_le16(l->page + OFF_COUNT, (uint16_t)l->count);
	put_le64(l->page + OFF_FILE_ID, w->file_id);
	put_le64(l->page + OFF_OWN_OFFSET, off);
	put_le64(l->page + OFF_CHECK, page_check(l->page, w->file_id));
	rc = w->sink.put(w->sink.ctx, l->page, sizeof(l->page), err);
	if (rc)
		return rc;
	memcpy(entry, l->page + PAGE_HEAD, KEY_SIZE);
	put_le64(entry + KEY_SIZE, off);
	*l = (struct level){ 0 };
	return 0;
}

static int add_entry(struct page_tree_writer *w, uint32_t level, const unsigned char *entry,
		     struct tranship_error *err)
{
	unsigned char above[INNER_ENTRY], below[INNER_ENTRY];
	size_t size;
	int rc;

	/* A full page makes room, and becomes the entry of the level above, which may be full. */
	for (;; level++) {
		struct level *l;
		bool full;

		if (level == PAGE_TREE_LEVELS)
			return error_set(err, TRANSHIP_ELIMIT, "index: more than %u levels",
					 PAGE_TREE_LEVELS);
		if (!w->levels[level])
			w->levels[level] = calloc(1, sizeof(*w->levels[level]));
		l = w->levels[level];
		if (!l)
			return error_nomem(err, sizeof(*l));
		size = size_of_entry(w->entry_size, level);
		full = l->count == capacity(w->entry_size, level);
		rc = full ? write_page(w, level, above, err) : 0;
		if (rc)
			return rc;
		memcpy(l->page + PAGE_HEAD + l->count * size, entry, size);
		l->count++;
		if (!full)
			return 0;
		memcpy(below, above, sizeof(below));
		entry = below;
	}
}

int page_tree_writer_add(struct page_tree_writer *w, const unsigned char *entry,
			 struct tranship_error *err)
{
	uint64_t key = get_le64(entry);
	int rc;

	if (w->count > 0 && key <= w->last_key)
		return error_set(err, TRANSHIP_EINVAL, "index: key %llu does not follow key %llu",
				 (unsigned long long)key, (unsigned long long)w->last_key);
	rc = add_entry(w, 0, entry, err);
	if (rc)
		return rc;
	w->last_key = key;
	w->count++;
	return 0;
}

int page_tree_writer_finish(struct page_tree_writer *w, struct page_root *root,
			    struct tranship_error *err)
{
	unsigned char entry[INNER_ENTRY];
	uint32_t level;
	int rc;

	*root = (struct page_root){ 0 };
	if (w->count == 0)
		return 0;
	for (level = 0;; level++) {
		rc = write_page(w, level, entry, err);
		if (rc)
			return rc;
		if (level + 1 == PAGE_TREE_LEVELS || !w->levels[level + 1])
			break;
		rc = add_entry(w, level + 1, entry, err);
		if (rc)
			return rc;
	}
	*root = (struct page_root){ get_le64(entry + KEY_SIZE), level, w->count };
	return 0;
}

/* ---- Reading ---- */

struct page_tree {
	struct tranship_file *file;
	struct table_cache *cache;
	struct page_root root;
	size_t entry_size;
	uint64_t file_id;
	char what[40];
};

static int corrupt_root(struct page_tree *tree, struct tranship_error *err)
{
	const struct page_root *r = &tree->root;

	return error_set(
		err, TRANSHIP_ECORRUPT,
		"%s: an index of %llu entries, its root at %llu and level %u, cannot be in "
		"a file of %llu bytes",
		tree->what, (unsigned long long)r->count, (unsigned long long)r->off,
		(unsigned)r->level, (unsigned long long)tranship_file_size(tree->file));
}

static bool root_ok(const struct page_tree *tree)
{
	const struct page_root *r = &tree->root;
	uint64_t size = tranship_file_size(tree->file);

	if (r->off == 0)
		return r->level == 0 && r->count == 0;
	return r->count > 0 && r->count <= size / tree->entry_size && r->level < PAGE_TREE_LEVELS &&
	       range_ok(r->off, PAGE_SIZE_BYTES, size);
}

int page_tree_open(struct tranship_file *file, const char *what, size_t entry_size,
		   uint64_t file_id, const struct page_root *root, size_t memory,
		   struct page_tree **out, struct tranship_error *err)
{
	struct page_tree *tree;
	int rc;

	*out = NULL;
	if (entry_size < KEY_SIZE || entry_size > PAGE_ENTRY_MAX)
		return error_set(err, TRANSHIP_EINVAL,
				 "%s: index entries of %zu bytes are not 8 to "
				 "%u",
				 what, entry_size, PAGE_ENTRY_MAX);
	tree = calloc(1, sizeof(*tree));
	if (!tree)
		return error_nomem(err, sizeof(*tree));
	tree->file = file;
	tree->root = *root;
	tree->entry_size = entry_size;
	tree->file_id = file_id;
	snprintf(tree->what, sizeof(tree->what), "%s", what);
	rc = root_ok(tree) ? 0 : corrupt_root(tree, err);
	if (rc == 0)
		rc = table_cache_new(file, memory, &tree->cache, err);
	if (rc) {
		page_tree_close(tree);
		return rc;
	}
	*out = tree;
	return 0;
}

void page_tree_close(struct page_tree *tree)
{
	if (!tree)
		return;
	table_cache_free(tree->cache);
	free(tree);
}

/* A page in memory, and what the page above said of it. */
struct page {
	uint64_t off;
	uint32_t level;
	bool has_low, has_high;
	uint64_t low;  /* its first key */
	uint64_t high; /* no key reaches it: where the next page of the level begins */
	uint32_t count;
	size_t entry; /* bytes */
	unsigned char raw[PAGE_SIZE_BYTES];
};

static const unsigned char *entry_at(const struct page *p, uint32_t i)
{
	return p->raw + PAGE_HEAD + i * p->entry;
}

static uint64_t key_at(const struct page *p, uint32_t i)
{
	return get_le64(entry_at(p, i));
}

static int bad_page(const struct page_tree *tree, const struct page *p, const char *why,
		    struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT, "%s: the index page at %llu %s", tree->what,
			 (unsigned long long)p->off, why);
}

static int check_keys(const struct page_tree *tree, const struct page *p,
		      struct tranship_error *err)
{
	uint32_t i;

	if (p->has_low && key_at(p, 0) != p->low)
		return bad_page(tree, p, "begins with another key than the page above says", err);
	for (i = 1; i < p->count; i++)
		if (key_at(p, i) <= key_at(p, i - 1))
			return bad_page(tree, p, "has keys that do not ascend", err);
	if (p->has_high && key_at(p, p->count - 1) >= p->high)
		return bad_page(tree, p, "has keys of the page behind it", err);
	return 0;
}

/* Reads the page at p->off and checks it against the rest of *p. */
static int load(const struct page_tree *tree, struct page *p, struct tranship_error *err)
{
	int rc = table_cache_read(tree->cache, p->off, p->raw, sizeof(p->raw), err);
	uint64_t check;

	if (rc)
		return rc;
	if (memcmp(p->raw, MAGIC, 4) != 0)
		return bad_page(tree, p, "is none", err);
	check = get_le64(p->raw + OFF_CHECK);
	if (check != page_check(p->raw, tree->file_id))
		return bad_page(tree, p, "fails its check", err);
	if (get_le64(p->raw + OFF_FILE_ID) != tree->file_id)
		return bad_page(tree, p, "belongs to another file", err);
	if (get_le64(p->raw + OFF_OWN_OFFSET) != p->off)
		return bad_page(tree, p, "belongs to another place", err);
	if (get_le16(p->raw + OFF_LEVEL) != p->level)
		return bad_page(tree, p, "is of another level than the page above says", err);
	p->count = get_le16(p->raw + OFF_COUNT);
	p->entry = size_of_entry(tree->entry_size, p->level);
	if (p->count == 0 || p->count > capacity(tree->entry_size, p->level))
		return bad_page(tree, p, "has a count that does not fit", err);
	return check_keys(tree, p, err);
}

/* How many entries have a key of at most `key`. */
static uint32_t rank(const struct page *p, uint64_t key)
{
	uint32_t low = 0, high = p->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (key_at(p, middle) <= key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* From a page to the one that its entry i names. It was written earlier, so stands before it:
 * a tree that bites its own tail is none. */
static int descend(const struct page_tree *tree, struct page *p, uint32_t i,
		   struct tranship_error *err)
{
	uint64_t off = get_le64(entry_at(p, i) + KEY_SIZE);

	if (off == 0 || !range_ok(off, PAGE_SIZE_BYTES, p->off))
		return bad_page(tree, p, "names a page that is not before it", err);
	p->has_low = true;
	p->low = key_at(p, i);
	if (i + 1 < p->count) {
		p->has_high = true;
		p->high = key_at(p, i + 1);
	}
	p->off = off;
	p->level--;
	return load(tree, p, err);
}

/* The leaf that `key` is in, if it is anywhere; the first one for a key before all others. The
 * depth is that of the root, which was bounded at open. */
static int find_leaf(const struct page_tree *tree, uint64_t key, struct page *p,
		     struct tranship_error *err)
{
	int rc;

	p->off = tree->root.off;
	p->level = tree->root.level;
	p->has_low = p->has_high = false;
	rc = load(tree, p, err);
	while (rc == 0 && p->level > 0) {
		uint32_t n = rank(p, key);

		rc = descend(tree, p, n > 0 ? n - 1 : 0, err);
	}
	return rc;
}

static int give(const struct page *p, uint32_t i, unsigned char *entry)
{
	memcpy(entry, entry_at(p, i), p->entry);
	return 1;
}

int page_tree_at_most(struct page_tree *tree, uint64_t key, unsigned char *entry,
		      struct tranship_error *err)
{
	struct page p;
	uint32_t n;
	int rc;

	if (tree->root.off == 0)
		return 0;
	rc = find_leaf(tree, key, &p, err);
	if (rc)
		return rc;
	n = rank(&p, key);
	return n > 0 ? give(&p, n - 1, entry) : 0;
}

int page_tree_at_least(struct page_tree *tree, uint64_t key, unsigned char *entry,
		       struct tranship_error *err)
{
	struct page p;
	int rc;

	if (tree->root.off == 0)
		return 0;
	rc = find_leaf(tree, key, &p, err);
	if (rc)
		return rc;
	/* Behind the last key of a leaf the first one of the next leaf follows. */
	if (key_at(&p, p.count - 1) < key) {
		if (!p.has_high)
			return 0;
		key = p.high;
		rc = find_leaf(tree, key, &p, err);
		if (rc)
			return rc;
	}
	return give(&p, key == 0 ? 0 : rank(&p, key - 1), entry);
}
