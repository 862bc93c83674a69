// SPDX-License-Identifier: Apache-2.0
/* What changed between two points is what comparing their contents says, unit by unit; and no block
 * is read for it. */
#include "support.h"

#include "base/checked.h"
#include "base/zero.h"
#include "emit/point_disk.h"
#include "memory_target.h"
#include "points_made.h"

#include <stdlib.h>
#include <string.h>

#define MIB (1U << 20)

struct version {
	unsigned char *content;
	size_t size;
	struct manifest manifest;
	struct tranship_disk *disk;
};

static void make_version(struct made *m, struct version *v, const struct version *before)
{
	struct made_disk disk = { .content = v->content,
				  .size = v->size,
				  .before = before ? &before->manifest : NULL,
				  .content_before = before ? before->content : NULL };
	struct tranship_error err;

	made_point(m, &disk, &v->manifest);
	strcpy(v->manifest.version, before ? "new" : "old");
	assert_ok(point_disk_open(m->store, &v->manifest, 0, &v->disk, &err), &err);
}

static void free_version(struct version *v)
{
	tranship_disk_close(v->disk);
	free(v->content);
}

/* A unit of a disk, with zeros where it ends. */
static void take_unit(const struct version *v, uint64_t off, unsigned char *out)
{
	size_t n = off < v->size ? (size_t)min_u64(STORE_UNIT, v->size - off) : 0;

	memset(out, 0, STORE_UNIT);
	if (n > 0)
		memcpy(out, v->content + off, n);
}

/* Whether all of [off, end) is in the set, and of this kind; or none of it. */
static void check_range(const struct tranship_changes *changes, uint64_t off, uint64_t end,
			bool changed, bool zero)
{
	size_t i = tranship_changes_find(changes, off);
	struct tranship_change c = { 0 };

	if (i < tranship_changes_count(changes))
		c = tranship_changes_at(changes, i);
	if (!changed) {
		assert_true(c.len == 0 || c.off >= end);
		return;
	}
	assert_true(c.len > 0 && c.off <= off && end <= c.off + c.len);
	assert_int_equal(c.zero, zero);
}

/* Compares with what the contents say. */
static void check_changes(const struct version *a, const struct version *b,
			  const struct tranship_changes *changes)
{
	static unsigned char x[STORE_UNIT], y[STORE_UNIT];
	uint64_t same = min_u64(a->size, b->size), off, end;

	assert_int_equal(tranship_changes_size(changes), b->size);
	assert_string_equal(tranship_changes_base_id(changes), a->manifest.version);
	assert_string_equal(tranship_changes_target_id(changes), b->manifest.version);
	assert_string_equal(tranship_changes_origin(changes), "store");
	for (off = 0; off < b->size; off += STORE_UNIT) {
		bool zero;

		take_unit(a, off, x);
		take_unit(b, off, y);
		zero = bytes_are_zero(y, STORE_UNIT);
		end = min_u64(off + STORE_UNIT, same);
		if (off < end)
			check_range(changes, off, end, memcmp(x, y, STORE_UNIT) != 0, zero);
		end = min_u64(off + STORE_UNIT, b->size);
		if (max_u64(off, same) < end)
			check_range(changes, max_u64(off, same), end, true, zero);
	}
}

static void compare(const struct version *a, const struct version *b)
{
	struct tranship_changes *changes;
	struct tranship_error err;

	assert_int_equal(b->disk->ops->changes_since(b->disk, a->disk, &changes, &err), 1);
	check_changes(a, b, changes);
	tranship_changes_free(changes);
}

static void edit(struct rng *rng, unsigned char *bytes, size_t size)
{
	unsigned n = (unsigned)rng_below(rng, 20);

	while (n-- > 0 && size > 0) {
		size_t at = (size_t)rng_below(rng, size);
		size_t len = (size_t)rng_below(rng, 200000) + 1;

		if (len > size - at)
			len = size - at;
		if (rng_below(rng, 2))
			memset(bytes + at, 0, len);
		else
			rng_fill(rng, bytes + at, len);
	}
}

static void test_changes__equal_comparing(void **state)
{
	struct rng rng = { 21 };
	unsigned i;

	(void)state;
	for (i = 0; i < 40; i++) {
		struct version a = { 0 }, b = { 0 };
		struct made m;

		made_open(&m, i % 2, MIB);
		a.size = (size_t)rng_below(&rng, 9 * MIB) + 1;
		b.size = rng_below(&rng, 2) ? a.size : (size_t)rng_below(&rng, 9 * MIB) + 1;
		a.content = random_disk(&rng, a.size);
		b.content = random_disk(&rng, b.size);
		memcpy(b.content, a.content, a.size < b.size ? a.size : b.size);
		edit(&rng, b.content, b.size);
		make_version(&m, &a, NULL);
		make_version(&m, &b, &a);
		compare(&a, &b);
		compare(&b, &a);
		compare(&a, &a);
		free_version(&a);
		free_version(&b);
		made_close(&m);
	}
}

/* Trees of one level and of two; some leaves are zeros on one side. */
static void test_changes__of_many_leaves(void **state)
{
	static const size_t sizes[] = { (size_t)LEAF_BYTES - STORE_BLOCK, (size_t)LEAF_BYTES,
					(size_t)LEAF_BYTES + 100, (size_t)(3 * LEAF_BYTES) };
	struct rng rng = { 5 };
	struct made m;
	size_t i, j, k;
	struct version v[COUNT_OF(sizes)] = { 0 };

	(void)state;
	made_open(&m, false, MIB);
	for (i = 0; i < COUNT_OF(sizes); i++) {
		v[i].size = sizes[i];
		v[i].content = calloc(1, sizes[i]);
		assert_non_null(v[i].content);
		for (k = 0; k < 5; k++)
			v[i].content[rng_below(&rng, sizes[i])] = 1;
		v[i].content[100 * STORE_UNIT] = 77;
		make_version(&m, &v[i], i > 0 ? &v[i - 1] : NULL);
	}
	for (i = 0; i < COUNT_OF(sizes); i++)
		for (j = 0; j < COUNT_OF(sizes); j++)
			compare(&v[i], &v[j]);
	for (i = 0; i < COUNT_OF(sizes); i++)
		free_version(&v[i]);
	made_close(&m);
}

/* Two versions of 40 MiB, of which one block differs. */
static void two_versions(struct made *m, struct version *a, struct version *b)
{
	struct rng rng = { 9 };

	*a = *b = (struct version){ .size = 40 * MIB };
	made_open(m, false, MIB);
	a->content = malloc(a->size);
	b->content = malloc(b->size);
	assert_non_null(a->content);
	assert_non_null(b->content);
	rng_fill(&rng, a->content, a->size);
	memcpy(b->content, a->content, a->size);
	b->content[20 * MIB] ^= 1;
	make_version(m, a, NULL);
	make_version(m, b, a);
}

static void test_changes__no_block_is_read(void **state)
{
	struct made m;
	struct version a, b;
	unsigned long reads;

	(void)state;
	two_versions(&m, &a, &b);
	reads = memory_target_of(m.store->target)->reads;
	compare(&a, &b);
	assert_int_equal(memory_target_of(m.store->target)->reads, reads);
	free_version(&a);
	free_version(&b);
	made_close(&m);
}

static void test_store_changes__by_name(void **state)
{
	struct tranship_changes *changes;
	struct tranship_error err;
	struct made m;
	struct version a, b;

	(void)state;
	two_versions(&m, &a, &b);
	assert_ok(manifest_write(m.store, &a.manifest, NULL, &err), &err);
	assert_ok(manifest_write(m.store, &b.manifest, NULL, &err), &err);
	assert_ok(tranship_store_changes(m.store, a.manifest.id, b.manifest.id, &changes, &err),
		  &err);
	check_changes(&a, &b, changes);
	tranship_changes_free(changes);
	assert_fails(tranship_store_changes(m.store, a.manifest.id, "none", &changes, &err),
		     TRANSHIP_ENOTFOUND, &err, "none");
	free_version(&a);
	free_version(&b);
	made_close(&m);
}

static void test_changes__another_lineage(void **state)
{
	struct tranship_changes *changes;
	struct tranship_error err;
	struct made m;
	struct version a, b;

	(void)state;
	two_versions(&m, &a, &b);
	free_version(&b);
	b = (struct version){ .size = MIB, .content = calloc(1, MIB) };
	m.seed.bytes[0] ^= 1;
	make_version(&m, &b, NULL);
	assert_ok(manifest_write(m.store, &a.manifest, NULL, &err), &err);
	assert_ok(manifest_write(m.store, &b.manifest, NULL, &err), &err);
	assert_fails(tranship_store_changes(m.store, a.manifest.id, b.manifest.id, &changes, &err),
		     TRANSHIP_EMISMATCH, &err, "different lineages");
	assert_null(changes);
	/* Where nobody asked for it by name, it is just not known. */
	assert_int_equal(b.disk->ops->changes_since(b.disk, a.disk, &changes, &err), 0);
	free_version(&a);
	free_version(&b);
	made_close(&m);
}

/* A diff of two points reads what changed; of a point and another disk all. */
static void test_diff__reads_what_changed(void **state)
{
	struct tranship_diff_result result;
	struct tranship_open_options raw = { .format = "raw" };
	struct tranship_diff_options options = { 0 };
	struct tranship_diff_base base = { 0 };
	struct tranship_disk *other;
	struct tranship_error err;
	struct made m;
	struct version a, b;

	(void)state;
	two_versions(&m, &a, &b);
	base.disk = a.disk;
	assert_ok(tranship_diff(&base, b.disk, NULL, &options, &result, &err), &err);
	assert_int_equal(result.changed, 4096);
	assert_true(result.read <= STORE_UNIT);
	assert_ok(tranship_open_file(file_of(a.content, a.size), &raw, &other, &err), &err);
	base.disk = other;
	assert_ok(tranship_diff(&base, b.disk, NULL, &options, &result, &err), &err);
	assert_int_equal(result.changed, 4096);
	assert_int_equal(result.read, b.size);
	tranship_disk_close(other);
	free_version(&a);
	free_version(&b);
	made_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes__equal_comparing),
		cmocka_unit_test(test_changes__of_many_leaves),
		cmocka_unit_test(test_changes__no_block_is_read),
		cmocka_unit_test(test_store_changes__by_name),
		cmocka_unit_test(test_changes__another_lineage),
		cmocka_unit_test(test_diff__reads_what_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
