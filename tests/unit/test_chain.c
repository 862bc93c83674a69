// SPDX-License-Identifier: Apache-2.0
/* Chains of images that the library writes, against what they should be, computed beside them. */
#include "support.h"

#include "base/checked.h"
#include "walk.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK (512U << 10)
#define LONGEST (3 * BLOCK + 7 * 512)
#define SECTORS (LONGEST / 512)
#define LAYERS_MAX 5

static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };

/* What a disk of the chain has; the layers are counted from the base on. */
struct model {
	unsigned layers;
	size_t size;
	unsigned char content[LONGEST];
	unsigned owner[SECTORS]; /* the layer that says what the sector is */
	bool zero[SECTORS];      /* it says so because it ends before the sector */
};

static const char *layer_path(const char *folder, unsigned layer)
{
	char name[20];

	snprintf(name, sizeof(name), "%u.vhd", layer);
	return path_in(folder, name);
}

/* The disk of a layer that is laid over the model, before anything is written. */
static void model_begin(struct model *m, size_t size)
{
	size_t i;

	for (i = m->size / 512; m->layers > 0 && i < SECTORS; i++) {
		m->owner[i] = m->layers - 1;
		m->zero[i] = true;
		memset(m->content + 512 * i, 0, 512);
	}
	m->size = size;
	m->layers++;
}

static void model_write(struct model *m, uint64_t off, uint64_t len, struct rng *rng)
{
	uint64_t i;

	if (rng)
		rng_fill(rng, m->content + off, len);
	else
		memset(m->content + off, 0, len);
	for (i = off / 512; i < (off + len) / 512; i++) {
		m->owner[i] = m->layers - 1;
		m->zero[i] = false;
	}
}

static void write_layer(struct model *m, struct tranship_writer *writer, bool over_base,
			struct rng *rng)
{
	uint64_t off, len;
	struct tranship_error err;

	for (off = 0; off < m->size; off += len) {
		uint64_t what = rng_below(rng, 4);
		int rc;

		len = 512 * (1 + rng_below(rng, rng_below(rng, 3) ? 20 : 1200));
		len = min_u64(len, m->size - off);
		if (what < 2 && over_base) {
			rc = tranship_writer_skip(writer, off, len, &err);
		} else if (what == 2) {
			model_write(m, off, len, NULL);
			rc = tranship_writer_zero(writer, off, len, &err);
		} else {
			model_write(m, off, len, rng);
			rc = tranship_writer_put(writer, off, m->content + off, len, &err);
		}
		assert_ok(rc, &err);
	}
	assert_ok(tranship_writer_finish(writer, &err), &err);
}

static struct tranship_disk *open_top(const char *folder, const struct model *m)
{
	struct tranship_open_options open = { .policy = &beside };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open(layer_path(folder, m->layers - 1), &open, &disk, &err), &err);
	return disk;
}

/* Writes another layer over the model. */
static void add_layer(const char *folder, struct model *m, size_t size, struct rng *rng)
{
	struct tranship_create_options create = { .format = "vpc",
						  .size = size,
						  .options = "block_size=512k" };
	struct tranship_disk *base = NULL;
	struct tranship_writer *writer;
	struct tranship_error err;
	char hint[20];

	if (m->layers > 0) {
		base = open_top(folder, m);
		snprintf(hint, sizeof(hint), "%u.vhd", m->layers - 1);
		create.base_hint = hint;
	}
	create.base = base;
	assert_ok(tranship_create(layer_path(folder, m->layers), &create, &writer, &err), &err);
	model_begin(m, size);
	write_layer(m, writer, base, rng);
	tranship_writer_close(writer);
	tranship_disk_close(base);
}

static struct model *make_chain(const char *folder, const size_t *sizes, unsigned layers,
				struct rng *rng)
{
	struct model *m = calloc(1, sizeof(*m));
	unsigned i;

	assert_non_null(m);
	for (i = 0; i < layers; i++)
		add_layer(folder, m, sizes[i], rng);
	return m;
}

/* Where an extent says that its data stands in a file, there it stands. */
static void assert_stands_there(struct tranship_disk *disk, const struct model *m,
				const struct tranship_extent *e)
{
	size_t size, len = strlen("0.vhd");
	const char *name = tranship_disk_file_name(disk, e->file_index);
	unsigned char *bytes;

	assert_non_null(name);
	assert_int_equal(name[strlen(name) - len] - '0', m->layers - 1 - e->depth);
	bytes = read_path(name, &size);
	assert_true(range_ok(e->file_off, e->len, size));
	assert_memory_equal(bytes + e->file_off, m->content + e->off, e->len);
	free(bytes);
}

static void assert_map(struct tranship_disk *disk, const struct model *m)
{
	struct tranship_extent e;
	struct tranship_error err;
	uint64_t off, i;
	unsigned seen = 0;

	for (off = 0; off < m->size; off += e.len) {
		assert_ok(tranship_disk_map(disk, off, &e, &err), &err);
		assert_int_equal(e.off, off);
		assert_in_range(e.len, 1, m->size - off);
		for (i = off / 512; i < (off + e.len) / 512; i++) {
			assert_int_equal(m->layers - 1 - m->owner[i], e.depth);
			if (m->zero[i])
				assert_int_equal(e.kind, TRANSHIP_ZERO);
			else if (m->owner[i] > 0)
				assert_int_equal(e.kind, TRANSHIP_DATA);
		}
		if (e.kind == TRANSHIP_DATA && seen++ % 16 == 0)
			assert_stands_there(disk, m, &e);
	}
	assert_int_equal(off, m->size);
}

/* Reads that begin and end anywhere. */
static void assert_reads(struct tranship_disk *disk, struct tranship_scratch *scratch,
			 const struct model *m, struct rng *rng, int count)
{
	unsigned char *back = malloc(m->size);
	struct tranship_error err;

	assert_non_null(back);
	while (count-- > 0) {
		uint64_t off = rng_below(rng, m->size), len;

		len = 1 + rng_below(rng, rng_below(rng, 8) ? 3000 : m->size);
		len = min_u64(len, m->size - off);
		memset(back, 0x5A, len);
		assert_ok(tranship_disk_read(disk, scratch, off, back, len, &err), &err);
		assert_memory_equal(back, m->content + off, len);
	}
	free(back);
}

static void assert_is(struct tranship_disk *disk, const struct model *m, struct rng *rng)
{
	unsigned char *back = malloc(m->size);
	struct tranship_error err;
	const char *broken;
	unsigned i;
	int rc = 0;

	assert_non_null(back);
	assert_int_equal(tranship_disk_size(disk), m->size);
	assert_true(tranship_disk_is_complete(disk));
	assert_int_equal(tranship_disk_layer_count(disk), m->layers);
	for (i = 0; i < m->layers; i++)
		assert_non_null(tranship_disk_layer(disk, i));
	assert_null(tranship_disk_layer(disk, m->layers));
	assert_ok(tranship_disk_read(disk, NULL, 0, back, m->size, &err), &err);
	assert_memory_equal(back, m->content, m->size);
	assert_map(disk, m);
	assert_reads(disk, NULL, m, rng, 100);
	broken = walk_disk(disk, NULL, &walk_all, &rc, &err);
	if (broken)
		fail_msg("%s", broken);
	assert_ok(rc, &err);
	free(back);
}

static void check_chain(const char *folder, const size_t *sizes, unsigned layers, uint64_t seed)
{
	struct rng rng = { seed };
	struct model *m = make_chain(folder, sizes, layers, &rng);
	struct tranship_disk *disk = open_top(folder, m);

	assert_is(disk, m, &rng);
	tranship_disk_close(disk);
	free(m);
}

static void test_chain__of_1_2_and_5(void **state)
{
	static const size_t sizes[] = { LONGEST, LONGEST, LONGEST, LONGEST, LONGEST };
	uint64_t seed;

	for (seed = 1; seed < 4; seed++) {
		check_chain(*state, sizes, 1, seed);
		check_chain(*state, sizes, 2, 10 + seed);
		check_chain(*state, sizes, 5, 20 + seed);
	}
}

/* Behind the end of a parent are zeros, also where that one's parent has something. */
static void test_chain__parents_of_other_sizes(void **state)
{
	static const size_t sizes[][LAYERS_MAX] = {
		{ BLOCK, LONGEST },
		{ 512, LONGEST },
		{ LONGEST, BLOCK + 512 },
		{ LONGEST, BLOCK, LONGEST },
		{ LONGEST - 512, BLOCK + 512, 2 * BLOCK, 3 * BLOCK + 512, 1024 },
		{ 512, BLOCK, BLOCK + 512, LONGEST - 512, LONGEST },
	};
	static const unsigned layers[] = { 2, 2, 2, 3, 5, 5 };
	size_t i;

	for (i = 0; i < COUNT_OF(sizes); i++)
		check_chain(*state, sizes[i], layers[i], 40 + i);
}

struct reader {
	struct tranship_disk *disk;
	const struct model *model;
	uint64_t seed;
	bool lent; /* its scratch is one that the disk lends */
	bool right;
};

/* No assertions here: cmocka's do not leave a thread. */
static void *read_some(void *ctx)
{
	struct reader *r = ctx;
	struct tranship_scratch *scratch = NULL;
	struct rng rng = { r->seed };
	unsigned char back[3000];
	int i;

	r->right = r->lent || tranship_scratch_new(r->disk, &scratch, NULL) == 0;
	for (i = 0; i < 500 && r->right; i++) {
		uint64_t off = rng_below(&rng, r->model->size);
		size_t len =
			(size_t)min_u64(1 + rng_below(&rng, sizeof(back)), r->model->size - off);
		struct tranship_extent e;

		r->right = tranship_disk_map(r->disk, off, &e, NULL) == 0 &&
			   e.depth == r->model->layers - 1 - r->model->owner[off / 512] &&
			   tranship_disk_read(r->disk, scratch, off, back, len, NULL) == 0 &&
			   memcmp(back, r->model->content + off, len) == 0;
	}
	tranship_scratch_free(scratch);
	return NULL;
}

static void test_chain__several_threads_read(void **state)
{
	static const size_t sizes[] = { LONGEST, BLOCK, LONGEST, LONGEST - 512 };
	struct rng rng = { 60 };
	struct model *m = make_chain(*state, sizes, COUNT_OF(sizes), &rng);
	struct tranship_disk *disk = open_top(*state, m);
	struct reader readers[4];
	pthread_t threads[4];
	unsigned i;

	for (i = 0; i < 4; i++) {
		readers[i] = (struct reader){ disk, m, 61 + i, i % 2, false };
		assert_int_equal(pthread_create(&threads[i], NULL, read_some, &readers[i]), 0);
	}
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < 4; i++)
		assert_true(readers[i].right);
	tranship_disk_close(disk);
	free(m);
}

/* A chain is a disk like any other: copied by several threads, and a part of it cut out. */
static void test_chain__is_copied(void **state)
{
	static const size_t sizes[] = { LONGEST, BLOCK + 512, LONGEST };
	struct tranship_create_options create = { .format = "vhdx", .size = LONGEST };
	struct tranship_copy_options copy = { .threads = 3 };
	struct tranship_file *image = file_of(NULL, 0);
	struct rng rng = { 70 };
	struct model *m = make_chain(*state, sizes, COUNT_OF(sizes), &rng);
	struct tranship_disk *disk = open_top(*state, m), *part;
	struct tranship_writer *writer;
	struct tranship_error err;
	unsigned char *back;
	size_t size;

	assert_ok(tranship_create_file(image, &create, &writer, &err), &err);
	assert_ok(tranship_copy(disk, writer, &copy, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	back = content_of(image, "vhdx", &size);
	assert_int_equal(size, LONGEST);
	assert_memory_equal(back, m->content, size);
	assert_ok(tranship_disk_window(disk, 1000, BLOCK, &part, &err), &err);
	assert_ok(tranship_disk_read(part, NULL, 0, back, BLOCK, &err), &err);
	assert_memory_equal(back, m->content + 1000, BLOCK);
	tranship_disk_close(part);
	tranship_file_close(image);
	free(back);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_chain__of_1_2_and_5),
		IN_FOLDER(test_chain__parents_of_other_sizes),
		IN_FOLDER(test_chain__several_threads_read),
		IN_FOLDER(test_chain__is_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
