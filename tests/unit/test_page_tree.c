// SPDX-License-Identifier: Apache-2.0
/* The paged index: written in one pass between other things, read at random, attacked. */
#include "support.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "delta/page_tree.h"
#include "faulty.h"
#include "heap.h"
#include "io/file.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FILE_ID 0x1122334455667788ULL
#define FIRST 100U /* where the first page may stand */

static uint64_t sink_where(void *ctx)
{
	return tranship_file_size(ctx);
}

static int sink_put(void *ctx, const void *page, size_t len, struct tranship_error *err)
{
	return file_write(ctx, tranship_file_size(ctx), page, len, err);
}

/* Entry i is the i-th of `keys`; its other bytes follow from the key. */
static void make_entry(unsigned char *entry, size_t size, uint64_t key)
{
	size_t i;

	put_le64(entry, key);
	for (i = 8; i < size; i++)
		entry[i] = (unsigned char)(key * 31 + i);
}

static int write_tree(struct tranship_file *file, size_t entry_size, const uint64_t *keys,
		      size_t count, struct page_root *root, struct tranship_error *err)
{
	const struct page_sink sink = { sink_where, sink_put, file };
	unsigned char entry[PAGE_ENTRY_MAX], other[FIRST] = { 0xAB, 0xCD };
	struct page_tree_writer *w;
	size_t i;
	int rc = page_tree_writer_new(entry_size, FILE_ID, &sink, &w, err);

	if (rc == 0)
		rc = file_write(file, 0, other, FIRST, err);
	for (i = 0; i < count && rc == 0; i++) {
		make_entry(entry, entry_size, keys[i]);
		/* Other things stand between the pages. */
		if (i % 50 == 0)
			rc = file_write(file, tranship_file_size(file), other, entry_size, err);
		if (rc == 0)
			rc = page_tree_writer_add(w, entry, err);
	}
	if (rc == 0)
		rc = page_tree_writer_finish(w, root, err);
	page_tree_writer_free(w);
	return rc;
}

static uint64_t *some_keys(struct rng *rng, size_t count, uint64_t first)
{
	uint64_t *keys = malloc((count + 1) * sizeof(*keys)), at = first;
	size_t i;

	assert_non_null(keys);
	for (i = 0; i < count; i++) {
		keys[i] = at;
		at += 1 + rng_below(rng, 5);
	}
	return keys;
}

static struct tranship_file *tree_of(size_t entry_size, const uint64_t *keys, size_t count,
				     struct page_root *root)
{
	struct tranship_file *file = file_of(NULL, 0);
	struct tranship_error err;

	assert_ok(write_tree(file, entry_size, keys, count, root, &err), &err);
	assert_int_equal(root->count, count);
	return file;
}

/* How many of the keys are less than `key`. */
static size_t model_rank(const uint64_t *keys, size_t count, uint64_t key)
{
	size_t low = 0;

	while (count > 0) {
		size_t half = count / 2;

		if (keys[low + half] < key) {
			low += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return low;
}

static void compare_entry(int rc, const unsigned char *got, size_t entry_size, bool there,
			  uint64_t key, const struct tranship_error *err)
{
	unsigned char want[PAGE_ENTRY_MAX];

	if (rc < 0)
		assert_ok(rc, err);
	assert_int_equal(rc, there);
	if (!there)
		return;
	make_entry(want, entry_size, key);
	assert_memory_equal(got, want, entry_size);
}

static void compare_at(struct page_tree *tree, size_t entry_size, const uint64_t *keys,
		       size_t count, uint64_t key)
{
	size_t n = model_rank(keys, count, key);
	bool exact = n < count && keys[n] == key;
	unsigned char entry[PAGE_ENTRY_MAX];
	struct tranship_error err;
	int rc = page_tree_at_least(tree, key, entry, &err);

	compare_entry(rc, entry, entry_size, n < count, n < count ? keys[n] : 0, &err);
	rc = page_tree_at_most(tree, key, entry, &err);
	if (exact)
		compare_entry(rc, entry, entry_size, true, key, &err);
	else
		compare_entry(rc, entry, entry_size, n > 0, n > 0 ? keys[n - 1] : 0, &err);
}

static void check_tree(size_t entry_size, size_t count, uint64_t first, uint32_t level)
{
	struct rng rng = { count * 100 + entry_size };
	uint64_t *keys = some_keys(&rng, count, first);
	uint64_t end = count > 0 ? keys[count - 1] : first, key;
	struct page_tree *tree;
	struct page_root root;
	struct tranship_file *file = tree_of(entry_size, keys, count, &root);
	struct tranship_error err;
	unsigned i;

	assert_int_equal(root.level, level);
	assert_int_equal(root.off == 0, count == 0);
	assert_ok(page_tree_open(file, "test", entry_size, FILE_ID, &root, 0, &tree, &err), &err);
	if (count <= 1000)
		for (key = first > 2 ? first - 2 : 0; key < end + 3; key++)
			compare_at(tree, entry_size, keys, count, key);
	for (i = 0; i < 5000; i++)
		compare_at(tree, entry_size, keys, count, first + rng_below(&rng, end - first + 9));
	compare_at(tree, entry_size, keys, count, 0);
	compare_at(tree, entry_size, keys, count, UINT64_MAX);
	page_tree_close(tree);
	tranship_file_close(file);
	free(keys);
}

static void test_page_tree__sizes(void **state)
{
	static const struct {
		size_t entry_size, count;
		uint32_t level;
	} cases[] = {
		{ 32, 0, 0 },      { 32, 1, 0 },   { 32, 126, 0 },   { 32, 127, 0 },
		{ 32, 128, 1 },    { 32, 129, 1 }, { 16, 254, 0 },   { 16, 255, 1 },
		{ 8, 508, 0 },     { 8, 509, 1 },  { 64, 63, 0 },    { 64, 64, 1 },
		{ 24, 169, 0 },    { 24, 170, 1 }, { 32, 32258, 1 }, { 32, 32259, 2 },
		{ 16, 100000, 2 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		check_tree(cases[i].entry_size, cases[i].count, 1000, cases[i].level);
		check_tree(cases[i].entry_size, cases[i].count, 0, cases[i].level);
	}
}

static void test_page_tree__keys_at_the_end_of_the_range(void **state)
{
	const uint64_t keys[] = { 0, 1, UINT64_MAX - 1, UINT64_MAX };
	struct page_tree *tree;
	struct page_root root;
	struct tranship_file *file = tree_of(16, keys, COUNT_OF(keys), &root);
	struct tranship_error err;
	size_t i;

	(void)state;
	assert_ok(page_tree_open(file, "test", 16, FILE_ID, &root, 0, &tree, &err), &err);
	for (i = 0; i < COUNT_OF(keys); i++)
		compare_at(tree, 16, keys, COUNT_OF(keys), keys[i]);
	compare_at(tree, 16, keys, COUNT_OF(keys), 2);
	page_tree_close(tree);
	tranship_file_close(file);
}

static void test_page_tree_writer_add__keys_must_ascend(void **state)
{
	const uint64_t same[] = { 5, 5 }, back[] = { 5, 4 };
	struct tranship_file *file = file_of(NULL, 0);
	struct page_tree_writer *w;
	struct page_root root;
	struct tranship_error err;
	size_t size;

	(void)state;
	assert_fails(write_tree(file, 16, same, 2, &root, &err), TRANSHIP_EINVAL, &err,
		     "key 5 does not follow key 5");
	assert_fails(write_tree(file, 16, back, 2, &root, &err), TRANSHIP_EINVAL, &err,
		     "key 4 does not follow key 5");
	for (size = 0; size < 100; size++)
		if (size < 8 || size > PAGE_ENTRY_MAX) {
			assert_fails(page_tree_writer_new(size, 1, NULL, &w, &err), TRANSHIP_EINVAL,
				     &err, "not 8 to 64");
			assert_null(w);
		}
	tranship_file_close(file);
}

/* Looks for each key that may be there, and around. 0, or the first code that was not 0 or 1; what
 * is found must be right for the keys 0, 2, 4, ... below 2 * count. */
static int probe_tree(struct tranship_file *file, const struct page_root *root, size_t entry_size,
		      uint64_t count, uint64_t step)
{
	unsigned char entry[PAGE_ENTRY_MAX], want[PAGE_ENTRY_MAX];
	struct page_tree *tree;
	struct tranship_error err;
	uint64_t key;
	int rc = page_tree_open(file, "test", entry_size, FILE_ID, root, 0, &tree, &err);

	for (key = 0; key < 2 * count + 2 && rc >= 0; key += step) {
		rc = page_tree_at_most(tree, key, entry, &err);
		if (rc < 0)
			break;
		make_entry(want, entry_size, key >= 2 * count ? 2 * count - 2 : key & ~1ULL);
		assert_int_equal(rc, 1);
		assert_memory_equal(entry, want, entry_size);
		rc = page_tree_at_least(tree, key, entry, &err);
		if (rc < 0)
			break;
		assert_int_equal(rc, key < 2 * count - 1);
		make_entry(want, entry_size, (key + 1) & ~1ULL);
		if (rc == 1)
			assert_memory_equal(entry, want, entry_size);
	}
	if (rc < 0)
		assert_int_equal(rc, TRANSHIP_ECORRUPT);
	page_tree_close(tree);
	return rc < 0 ? rc : 0;
}

#define ATTACKED 300U

static unsigned char *even_tree(size_t count, struct page_root *root, size_t *size)
{
	uint64_t *keys = malloc(count * sizeof(*keys));
	struct tranship_file *file;
	unsigned char *bytes;
	size_t i;

	assert_non_null(keys);
	for (i = 0; i < count; i++)
		keys[i] = 2 * i;
	file = tree_of(32, keys, count, root);
	bytes = file_bytes(file, size);
	tranship_file_close(file);
	free(keys);
	return bytes;
}

static void test_page_tree__every_byte_flipped(void **state)
{
	struct page_root root;
	size_t size, i, refused = 0;
	unsigned char *bytes = even_tree(ATTACKED, &root, &size);
	struct tranship_file *file;

	(void)state;
	for (i = 0; i < size; i++) {
		unsigned char was = bytes[i];

		bytes[i] = (unsigned char)(was ^ (1U << (i % 8)));
		file = file_of(bytes, size);
		refused += probe_tree(file, &root, 32, ATTACKED, 23) != 0;
		tranship_file_close(file);
		bytes[i] = was;
	}
	/* All of a page is checked: only what stands between the pages is nobody's. */
	assert_int_equal(refused, size - FIRST - (ATTACKED + 49) / 50 * 32);
	free(bytes);
}

static void test_page_tree__every_truncation(void **state)
{
	struct page_root root;
	size_t size, i;
	unsigned char *bytes = even_tree(ATTACKED, &root, &size);
	struct tranship_file *file;

	(void)state;
	for (i = 0; i < size; i++) {
		file = file_of(bytes, i);
		assert_int_equal(probe_tree(file, &root, 32, ATTACKED, 599), TRANSHIP_ECORRUPT);
		tranship_file_close(file);
	}
	free(bytes);
}

static void test_page_tree_open__hostile_roots(void **state)
{
	struct page_root good, root;
	size_t size;
	unsigned char *bytes = even_tree(ATTACKED, &good, &size);
	struct tranship_file *file = file_of(bytes, size);

	(void)state;
	assert_int_equal(probe_tree(file, &good, 32, ATTACKED, 1), 0);
	for (root = good, root.level = 0; root.level < 70000; root.level++)
		if (root.level != good.level)
			assert_int_equal(probe_tree(file, &root, 32, ATTACKED, 599),
					 TRANSHIP_ECORRUPT);
	for (root = good, root.off = 0; root.off < size + 2; root.off++)
		if (root.off != good.off)
			assert_int_equal(probe_tree(file, &root, 32, ATTACKED, 599),
					 TRANSHIP_ECORRUPT);
	root.off = UINT64_MAX - 100;
	assert_int_equal(probe_tree(file, &root, 32, ATTACKED, 599), TRANSHIP_ECORRUPT);
	root = good;
	root.count = 0;
	assert_int_equal(probe_tree(file, &root, 32, ATTACKED, 599), TRANSHIP_ECORRUPT);
	root.count = UINT64_MAX;
	assert_int_equal(probe_tree(file, &root, 32, ATTACKED, 599), TRANSHIP_ECORRUPT);
	tranship_file_close(file);
	free(bytes);
}

static void repair(unsigned char *page)
{
	put_le64(page + 24, 0);
	put_le64(page + 24, check64(page, PAGE_SIZE_BYTES, FILE_ID));
}

/* Pages whose check is right and whose content is not. Entry 1 of the root names the second leaf:
 * the keys from 254 on. */
static void test_page_tree__hostile_pages(void **state)
{
	static const struct {
		bool root; /* the root's page, not the second leaf */
		size_t off;
		unsigned len;
		uint64_t value;
		const char *piece;
	} cases[] = {
		{ true, 0, 4, 0, "is none" },
		{ true, 4, 2, 0, "another level" },
		{ true, 4, 2, 2, "another level" },
		{ true, 6, 2, 0, "a count that does not fit" },
		{ true, 6, 2, 255, "a count that does not fit" },
		{ true, 8, 8, 1, "another file" },
		{ true, 16, 8, 1, "another place" },
		{ true, 32, 8, 1, "another key than the page above" }, /* a first key of all */
		{ true, 48, 8, 0, "do not ascend" },
		{ true, 48, 8, 254 * 2, "do not ascend" },
		{ true, 48, 8, 250, "another key than the page above" },
		{ true, 56, 8, 0, "not before it" },
		{ true, 56, 8, UINT64_MAX, "not before it" },
		{ true, 56, 8, UINT64_MAX - 4095, "not before it" },
		{ true, 56, 8, 100, "is none" },
		{ false, 0, 4, 1, "is none" },
		{ false, 4, 2, 1, "another level" },
		{ false, 6, 2, 0, "a count that does not fit" },
		{ false, 6, 2, 128, "a count that does not fit" },
		{ false, 8, 8, 1, "another file" },
		{ false, 16, 8, 132, "another place" },
		{ false, 32, 8, 253, "another key than the page above" },
		{ false, 32 + 5 * 32, 8, 263 - 1, "do not ascend" },
		{ false, 32 + 126 * 32, 8, 508, "keys of the page behind" },
	};
	unsigned char entry[PAGE_ENTRY_MAX];
	struct page_root root;
	size_t size, i;
	unsigned char *bytes = even_tree(ATTACKED, &root, &size), *raw = malloc(size);
	uint64_t leaf = get_le64(bytes + root.off + 32 + 16 + 8);

	(void)state;
	assert_int_equal(root.level, 1);
	for (i = 0; i < COUNT_OF(cases); i++) {
		unsigned char *page = raw + (cases[i].root ? root.off : leaf);
		struct tranship_file *file;
		struct page_tree *tree;
		struct tranship_error err;
		unsigned j;

		memcpy(raw, bytes, size);
		for (j = 0; j < cases[i].len; j++)
			page[cases[i].off + j] = (unsigned char)(cases[i].value >> 8 * j);
		repair(page);
		file = file_of(raw, size);
		assert_ok(page_tree_open(file, "test", 32, FILE_ID, &root, 0, &tree, &err), &err);
		assert_fails(page_tree_at_least(tree, i == 7 ? 0 : 300, entry, &err),
			     TRANSHIP_ECORRUPT, &err, cases[i].piece);
		assert_fails(page_tree_at_most(tree, i == 7 ? 0 : 300, entry, &err),
			     TRANSHIP_ECORRUPT, &err, "test: ");
		page_tree_close(tree);
		tranship_file_close(file);
	}
	free(raw);
	free(bytes);
}

/* A root that names itself, and two pages that name each other. */
static void test_page_tree__a_loop_is_refused(void **state)
{
	struct page_root root;
	size_t size;
	unsigned char *bytes = even_tree(ATTACKED, &root, &size), entry[PAGE_ENTRY_MAX];
	struct tranship_file *file;
	struct page_tree *tree;
	struct tranship_error err;

	(void)state;
	put_le64(bytes + root.off + 32 + 8, root.off);
	repair(bytes + root.off);
	file = file_of(bytes, size);
	assert_ok(page_tree_open(file, "test", 32, FILE_ID, &root, 0, &tree, &err), &err);
	assert_fails(page_tree_at_most(tree, 3, entry, &err), TRANSHIP_ECORRUPT, &err,
		     "not before it");
	page_tree_close(tree);
	tranship_file_close(file);
	free(bytes);
}

static void test_page_tree__another_file_is_refused(void **state)
{
	struct page_root root;
	size_t size;
	unsigned char *bytes = even_tree(10, &root, &size), entry[PAGE_ENTRY_MAX];
	struct tranship_file *file = file_of(bytes, size);
	struct page_tree *tree;
	struct tranship_error err;

	(void)state;
	assert_ok(page_tree_open(file, "test", 32, FILE_ID + 1, &root, 0, &tree, &err), &err);
	assert_fails(page_tree_at_most(tree, 3, entry, &err), TRANSHIP_ECORRUPT, &err,
		     "fails its check");
	page_tree_close(tree);
	assert_fails(page_tree_open(file, "test", 65, FILE_ID, &root, 0, &tree, &err),
		     TRANSHIP_EINVAL, &err, "not 8 to 64");
	assert_null(tree);
	tranship_file_close(file);
	free(bytes);
}

static void test_page_tree__the_nth_allocation_fails(void **state)
{
	struct rng rng = { 7 };
	uint64_t *keys = some_keys(&rng, 300, 0);
	unsigned long n;
	bool done = false;

	(void)state;
	for (n = 1; HEAP_WATCHED && !done; n++) {
		struct tranship_file *file = file_of(NULL, 0);
		struct page_tree *tree = NULL;
		struct page_root root;
		struct tranship_error err;
		struct heap_seen seen;
		int rc;

		heap_watch(n, false);
		rc = write_tree(file, 32, keys, 300, &root, &err);
		if (rc == 0)
			rc = page_tree_open(file, "test", 32, FILE_ID, &root, 0, &tree, &err);
		page_tree_close(tree);
		seen = heap_unwatch();
		assert_int_equal(rc, seen.failed ? TRANSHIP_ENOMEM : 0);
		done = !seen.failed;
		tranship_file_close(file);
	}
	free(keys);
}

static void test_page_tree__the_nth_read_or_write_fails(void **state)
{
	struct rng rng = { 7 };
	uint64_t *keys = some_keys(&rng, 300, 0);
	unsigned char entry[PAGE_ENTRY_MAX];
	unsigned n;
	bool done = false;

	(void)state;
	for (n = 1; !done; n++) {
		struct faults faults = { .fail_write = n };
		struct tranship_file *file = faulty_over(file_of(NULL, 0), &faults);
		struct page_root root;
		struct tranship_error err;
		int rc = write_tree(file, 32, keys, 300, &root, &err);

		assert_int_equal(rc, faults.failed ? TRANSHIP_EIO : 0);
		done = !faults.failed;
		tranship_file_close(file);
	}
	for (n = 1, done = false; !done; n++) {
		struct page_root root;
		struct faults faults = { .fail_read = n };
		struct tranship_file *file = faulty_over(tree_of(32, keys, 300, &root), &faults);
		struct page_tree *tree;
		struct tranship_error err;
		int rc;

		assert_ok(page_tree_open(file, "test", 32, FILE_ID, &root, 1, &tree, &err), &err);
		rc = page_tree_at_least(tree, keys[299], entry, &err);
		assert_int_equal(rc, faults.failed ? TRANSHIP_EIO : 1);
		done = !faults.failed;
		/* A failed read leaves nothing behind. */
		faults.fail_read = 0;
		compare_at(tree, 32, keys, 300, keys[299]);
		page_tree_close(tree);
		tranship_file_close(file);
	}
	free(keys);
}

#define SHARED 20000U

struct shared {
	struct page_tree *tree;
	const uint64_t *keys;
	uint64_t seed;
	bool wrong;
};

static void *look_up(void *ctx)
{
	struct shared *s = ctx;
	struct rng rng = { s->seed };
	unsigned char entry[PAGE_ENTRY_MAX], want[PAGE_ENTRY_MAX];
	unsigned i;

	for (i = 0; i < 3000; i++) {
		uint64_t key = s->keys[rng_below(&rng, SHARED)];

		make_entry(want, 32, key);
		if (page_tree_at_most(s->tree, key, entry, NULL) != 1 ||
		    memcmp(entry, want, 32) != 0 ||
		    page_tree_at_least(s->tree, key, entry, NULL) != 1 ||
		    memcmp(entry, want, 32) != 0)
			s->wrong = true;
	}
	return NULL;
}

static void test_page_tree__threads(void **state)
{
	struct rng rng = { 3 };
	uint64_t *keys = some_keys(&rng, SHARED, 77);
	struct page_root root;
	struct tranship_file *file = tree_of(32, keys, SHARED, &root);
	struct shared shared[4];
	pthread_t threads[4];
	struct page_tree *tree;
	struct tranship_error err;
	unsigned i;

	(void)state;
	assert_ok(page_tree_open(file, "test", 32, FILE_ID, &root, 16384, &tree, &err), &err);
	for (i = 0; i < 4; i++) {
		shared[i] = (struct shared){ tree, keys, i + 1, false };
		assert_int_equal(pthread_create(&threads[i], NULL, look_up, &shared[i]), 0);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_false(shared[i].wrong);
	}
	page_tree_close(tree);
	tranship_file_close(file);
	free(keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page_tree__sizes),
		cmocka_unit_test(test_page_tree__keys_at_the_end_of_the_range),
		cmocka_unit_test(test_page_tree_writer_add__keys_must_ascend),
		cmocka_unit_test(test_page_tree__every_byte_flipped),
		cmocka_unit_test(test_page_tree__every_truncation),
		cmocka_unit_test(test_page_tree_open__hostile_roots),
		cmocka_unit_test(test_page_tree__hostile_pages),
		cmocka_unit_test(test_page_tree__a_loop_is_refused),
		cmocka_unit_test(test_page_tree__another_file_is_refused),
		cmocka_unit_test(test_page_tree__the_nth_allocation_fails),
		cmocka_unit_test(test_page_tree__the_nth_read_or_write_fails),
		cmocka_unit_test(test_page_tree__threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
