// SPDX-License-Identifier: Apache-2.0
/* A restore point read as a disk: whole, in pieces, by several threads, damaged. */
#include "support.h"

#include "base/checked.h"
#include "emit/point_disk.h"
#include "memory_target.h"
#include "points_made.h"
#include "walk.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1U << 20)

struct scene {
	struct made made;
	unsigned char *content;
	size_t size;
	struct manifest manifest;
	struct tranship_disk *disk;
};

static void open_disk(struct scene *s, unsigned flags)
{
	struct tranship_error err;

	tranship_disk_close(s->disk);
	assert_ok(point_disk_open(s->made.store, &s->manifest, flags, &s->disk, &err), &err);
}

/* The content is the caller's; freed by scene_close. */
static void scene_of(struct scene *s, unsigned char *content, size_t size, bool encrypted)
{
	struct made_disk disk = { .content = content, .size = size };

	memset(s, 0, sizeof(*s));
	s->content = content;
	s->size = size;
	made_open(&s->made, encrypted, MIB);
	made_point(&s->made, &disk, &s->manifest);
	open_disk(s, 0);
}

static void scene_close(struct scene *s)
{
	tranship_disk_close(s->disk);
	made_close(&s->made);
	free(s->content);
}

/* Forgets what was kept of slots, as another process would. */
static void forget(struct scene *s, unsigned flags)
{
	struct tranship_error err;

	tranship_disk_close(s->disk);
	s->disk = NULL;
	slots_free(s->made.store->slots);
	assert_ok(
		slots_new(s->made.store->target, &s->made.store->keys, &s->made.store->slots, &err),
		&err);
	open_disk(s, flags);
}

static void check_content(struct scene *s)
{
	unsigned char *got = malloc(s->size + 1);
	struct tranship_error err;
	int rc;

	assert_non_null(got);
	assert_null(walk_disk(s->disk, NULL, &walk_all, &rc, &err));
	assert_ok(rc, &err);
	assert_ok(tranship_disk_read(s->disk, NULL, 0, got, s->size, &err), &err);
	assert_same_bytes(got, s->content, s->size);
	free(got);
}

static void test_point__reads_back(void **state)
{
	static const size_t sizes[] = {
		1, 512, STORE_UNIT - 1, STORE_UNIT + 512, STORE_BLOCK, 5 * MIB + 12345, 9 * MIB
	};
	struct rng rng = { 4 };
	struct scene s;
	size_t i;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(sizes); i++) {
		size_t size = sizes[i / 2];

		scene_of(&s, random_disk(&rng, size), size, i % 2);
		assert_int_equal(tranship_disk_size(s.disk), size);
		assert_int_equal(tranship_disk_cluster_size(s.disk), STORE_UNIT);
		assert_string_equal(tranship_disk_format(s.disk), "store");
		check_content(&s);
		scene_close(&s);
	}
}

static void test_point__empty(void **state)
{
	struct scene s;

	(void)state;
	scene_of(&s, calloc(1, 1), 0, false);
	assert_int_equal(tranship_disk_size(s.disk), 0);
	scene_close(&s);
}

/* Of three leaves: the first and the last have something. */
static void test_map__zeros_are_jumped_over(void **state)
{
	size_t size = (size_t)(2 * LEAF_BYTES + 3 * STORE_UNIT + 100);
	unsigned char *content = calloc(1, size), got[100];
	struct tranship_extent e;
	struct tranship_error err;
	struct scene s;

	(void)state;
	assert_non_null(content);
	content[2 * STORE_UNIT] = 1;
	content[size - 1] = 7;
	scene_of(&s, content, size, false);
	assert_ok(tranship_disk_map(s.disk, 5, &e, &err), &err);
	assert_int_equal(e.kind, TRANSHIP_ZERO);
	assert_int_equal(e.len, 2 * STORE_UNIT - 5);
	assert_ok(tranship_disk_map(s.disk, 2 * STORE_UNIT, &e, &err), &err);
	assert_int_equal(e.kind, TRANSHIP_DATA);
	assert_true(e.compressed);
	assert_int_equal(e.len, STORE_UNIT);
	assert_ok(tranship_disk_map(s.disk, LEAF_BYTES, &e, &err), &err);
	assert_int_equal(e.kind, TRANSHIP_ZERO);
	assert_int_equal(e.len, LEAF_BYTES);
	assert_ok(tranship_disk_map(s.disk, 2 * LEAF_BYTES + 3 * STORE_UNIT, &e, &err), &err);
	assert_int_equal(e.kind, TRANSHIP_DATA);
	assert_int_equal(e.len, 100);
	assert_ok(tranship_disk_read(s.disk, NULL, size - 100, got, 100, &err), &err);
	assert_memory_equal(got, content + size - 100, 100);
	scene_close(&s);
}

struct reader {
	struct scene *scene;
	uint64_t seed;
	bool wrong;
};

static void *read_at_random(void *arg)
{
	struct reader *r = arg;
	struct tranship_scratch *scratch;
	unsigned char *buf = malloc(MIB);
	struct rng rng = { r->seed };
	unsigned i;

	r->wrong = !buf || tranship_scratch_new(r->scene->disk, &scratch, NULL) != 0;
	for (i = 0; i < 150 && !r->wrong; i++) {
		uint64_t off = rng_below(&rng, r->scene->size);
		size_t len = (size_t)min_u64(rng_below(&rng, MIB), r->scene->size - off);

		r->wrong = tranship_disk_read(r->scene->disk, scratch, off, buf, len, NULL) != 0 ||
			   memcmp(buf, r->scene->content + off, len) != 0;
	}
	tranship_scratch_free(scratch);
	free(buf);
	return NULL;
}

static void test_read__several_threads(void **state)
{
	struct rng rng = { 8 };
	struct reader readers[4];
	pthread_t threads[4];
	struct scene s;
	size_t i;

	(void)state;
	scene_of(&s, random_disk(&rng, 8 * MIB), 8 * MIB, true);
	for (i = 0; i < COUNT_OF(threads); i++) {
		readers[i] = (struct reader){ &s, i + 1, false };
		assert_int_equal(pthread_create(&threads[i], NULL, read_at_random, &readers[i]), 0);
	}
	for (i = 0; i < COUNT_OF(threads); i++) {
		pthread_join(threads[i], NULL);
		assert_false(readers[i].wrong);
	}
	scene_close(&s);
}

/* A block that is read in small pieces is read from the store once. */
static void test_read__pieces_cost_one_reading(void **state)
{
	struct tranship_scratch *scratch;
	struct rng rng = { 8 };
	struct tranship_error err;
	unsigned long reads;
	unsigned char sector[512];
	unsigned char *content = malloc(MIB);
	struct scene s;
	size_t i;

	(void)state;
	assert_non_null(content);
	rng_fill(&rng, content, MIB);
	scene_of(&s, content, MIB, false);
	assert_ok(tranship_scratch_new(s.disk, &scratch, &err), &err);
	assert_ok(tranship_disk_read(s.disk, scratch, 0, sector, 512, &err), &err);
	reads = memory_target_of(s.made.store->target)->reads;
	for (i = 0; i < STORE_BLOCK; i += 512)
		assert_ok(tranship_disk_read(s.disk, scratch, i, sector, 512, &err), &err);
	assert_int_equal(memory_target_of(s.made.store->target)->reads, reads);
	tranship_scratch_free(scratch);
	scene_close(&s);
}

/* Where a unit of the disk is. */
static struct record_ref where(struct scene *s, uint64_t off)
{
	struct tranship_error err;
	struct table_block b;
	struct table *table;
	size_t unit = (size_t)(off % STORE_BLOCK / STORE_UNIT);

	assert_ok(table_open(s->made.store->slots, &s->manifest.root, s->size, &table, &err), &err);
	assert_ok(table_read_block(table, off / STORE_BLOCK, &b, &err), &err);
	assert_false(b.units[unit].zero);
	table_close(table);
	return b.units[unit].at;
}

/* Random bytes: each block is a record of 8 units, two or so in a slot of 1 MiB. */
static void random_scene(struct scene *s, size_t size)
{
	unsigned char *content = malloc(size);
	struct rng rng = { 99 };

	assert_non_null(content);
	rng_fill(&rng, content, size);
	scene_of(s, content, size, false);
}

static void damage_record(struct scene *s, const struct record_ref *at)
{
	struct tranship_error err;
	struct slot_entry entry;
	char key[TARGET_KEY_MAX + 1];
	unsigned char *bytes;
	size_t len;

	assert_ok(slots_entry(s->made.store->slots, at, &entry, &err), &err);
	slot_key(&at->slot, key);
	bytes = memory_target_bytes(s->made.store->target, key, &len);
	assert_non_null(bytes);
	assert_true(entry.off + entry.stored / 2 < len);
	bytes[entry.off + entry.stored / 2] ^= 0x10;
}

static void remove_slot(struct scene *s, const struct slot_id *id)
{
	struct tranship_error err;
	char key[TARGET_KEY_MAX + 1];

	slot_key(id, key);
	assert_ok(target_remove(s->made.store->target, key, &err), &err);
}

static void test_read__damage_is_named(void **state)
{
	struct record_ref at;
	unsigned char got[512];
	struct tranship_error err;
	struct scene s;

	(void)state;
	random_scene(&s, 4 * MIB);
	at = where(&s, 3 * STORE_BLOCK);
	damage_record(&s, &at);
	forget(&s, 0);
	assert_fails(tranship_disk_read(s.disk, NULL, 3 * STORE_BLOCK + STORE_UNIT + 512, got, 512,
					&err),
		     TRANSHIP_ECORRUPT, &err, "bytes 1638400 to 1703936 of the disk: slot ababab");
	assert_ok(tranship_disk_read(s.disk, NULL, 2 * STORE_BLOCK, got, 512, &err), &err);
	assert_memory_equal(got, s.content + 2 * STORE_BLOCK, 512);
	scene_close(&s);
}

static void test_read__missing_slot_is_named(void **state)
{
	struct record_ref at;
	unsigned char got[512];
	struct tranship_extent e;
	struct tranship_error err;
	struct scene s;

	(void)state;
	random_scene(&s, 4 * MIB);
	at = where(&s, 0);
	remove_slot(&s, &at.slot);
	forget(&s, 0);
	assert_ok(tranship_disk_map(s.disk, 0, &e, &err), &err);
	assert_int_equal(e.kind, TRANSHIP_DATA);
	assert_fails(tranship_disk_read(s.disk, NULL, 0, got, 512, &err), TRANSHIP_ECORRUPT, &err,
		     "bytes 0 to 65536 of the disk: ");
	assert_non_null(strstr(err.message, "abababababababab0000000000000001"));
	scene_close(&s);
}

/* A record that is sound and not the one that was written there. */
static void test_read__wrong_unit_shows(void **state)
{
	struct table_leaf *leaf = calloc(1, sizeof(*leaf));
	struct made_leaf leaves[1] = { { 0, leaf } };
	unsigned char got[512];
	struct tranship_error err;
	struct table *table;
	struct scene s;

	(void)state;
	assert_non_null(leaf);
	random_scene(&s, 4 * MIB);
	table_leaf_clear(leaf);
	assert_ok(table_open(s.made.store->slots, &s.manifest.root, s.size, &table, &err), &err);
	assert_ok(table_read_leaf(table, 0, leaf, &err), &err);
	table_close(table);
	leaf->units[3].sub = 4;
	leaf->units[8].digest[5] ^= 1;
	leaf->units[16].record = 5000;
	made_table(&s.made, leaves, 1, s.size, &s.manifest.root);
	open_disk(&s, 0);
	assert_ok(tranship_disk_read(s.disk, NULL, 4 * STORE_UNIT, got, 512, &err), &err);
	assert_fails(tranship_disk_read(s.disk, NULL, 3 * STORE_UNIT, got, 512, &err),
		     TRANSHIP_ECORRUPT, &err, "is not what the block table says");
	assert_fails(tranship_disk_read(s.disk, NULL, 8 * STORE_UNIT, got, 512, &err),
		     TRANSHIP_ECORRUPT, &err, "is not what the block table says");
	assert_fails(tranship_disk_read(s.disk, NULL, 16 * STORE_UNIT, got, 512, &err),
		     TRANSHIP_ECORRUPT, &err, "record 5000");
	table_leaf_fini(leaf);
	free(leaf);
	scene_close(&s);
}

/* The records of a slot are fewer units than the table says. */
static void test_read__record_is_too_short(void **state)
{
	struct table_leaf *leaf = calloc(1, sizeof(*leaf));
	struct made_leaf leaves[1] = { { 0, leaf } };
	unsigned char got[512], *bytes = calloc(1, STORE_UNIT);
	struct record_ref at;
	struct tranship_error err;
	struct scene s;

	(void)state;
	assert_non_null(leaf);
	assert_non_null(bytes);
	random_scene(&s, 4 * MIB);
	made_record(&s.made, RECORD_BLOCK, bytes, STORE_UNIT - 1, &at, NULL);
	table_leaf_clear(leaf);
	assert_ok(table_leaf_slot(leaf, &at.slot, &leaf->units[0].slot, &err), &err);
	leaf->units[0].record = (uint16_t)at.record;
	made_table(&s.made, leaves, 1, s.size, &s.manifest.root);
	open_disk(&s, 0);
	assert_fails(tranship_disk_read(s.disk, NULL, 0, got, 512, &err), TRANSHIP_ECORRUPT, &err,
		     "which has 65535 bytes");
	table_leaf_fini(leaf);
	free(leaf);
	free(bytes);
	scene_close(&s);
}

struct losses {
	unsigned ranges;
	uint64_t off[8], len[8];
};

static void lose(void *ctx, uint64_t off, uint64_t len, const char *why)
{
	struct losses *l = ctx;

	assert_non_null(strstr(why, "of the disk: "));
	assert_true(l->ranges < COUNT_OF(l->off));
	l->off[l->ranges] = off;
	l->len[l->ranges++] = len;
}

/* What a copy with salvage makes of the disk. */
static unsigned char *salvaged(struct scene *s, struct losses *losses)
{
	struct tranship_create_options create = { .format = "raw", .size = s->size };
	struct tranship_copy_options copy = { .threads = 2, .lost = lose, .lost_ctx = losses };
	struct tranship_file *file;
	struct tranship_writer *writer;
	struct tranship_error err;
	unsigned char *bytes;
	size_t size;

	memset(losses, 0, sizeof(*losses));
	assert_ok(tranship_file_memory(NULL, 0, &file, &err), &err);
	assert_ok(tranship_create_file(file, &create, &writer, &err), &err);
	assert_ok(tranship_copy(s->disk, writer, &copy, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	bytes = file_bytes(file, &size);
	assert_int_equal(size, s->size);
	tranship_file_close(file);
	return bytes;
}

static void check_salvaged(struct scene *s, uint64_t off, uint64_t len)
{
	struct losses losses;
	unsigned char *got = salvaged(s, &losses);

	assert_int_equal(losses.ranges, 1);
	assert_int_equal(losses.off[0], off);
	assert_int_equal(losses.len[0], len);
	memset(s->content + off, 0, (size_t)len);
	assert_same_bytes(got, s->content, s->size);
	free(got);
}

static void test_salvage__slot_is_missing(void **state)
{
	struct record_ref at;
	struct tranship_extent e;
	struct tranship_error err;
	unsigned long reads;
	struct scene s;
	size_t i;

	(void)state;
	random_scene(&s, 8 * MIB);
	at = where(&s, 4 * STORE_BLOCK);
	remove_slot(&s, &at.slot);
	forget(&s, TRANSHIP_OPEN_SALVAGE);
	assert_ok(tranship_disk_map(s.disk, 0, &e, &err), &err);
	assert_int_equal(e.kind, TRANSHIP_DATA);
	assert_ok(tranship_disk_map(s.disk, e.len, &e, &err), &err);
	assert_int_equal(e.kind, TRANSHIP_LOST);
	assert_true(e.off <= 4 * STORE_BLOCK && 4 * STORE_BLOCK < e.off + e.len);
	reads = memory_target_of(s.made.store->target)->reads;
	for (i = 0; i < s.size; i += STORE_UNIT)
		assert_ok(tranship_disk_map(s.disk, i, &(struct tranship_extent){ 0 }, &err), &err);
	/* No slot is asked for twice. */
	assert_true(memory_target_of(s.made.store->target)->reads - reads < 3 * 16);
	check_salvaged(&s, e.off, e.len);
	scene_close(&s);
}

static void test_salvage__record_is_damaged(void **state)
{
	struct record_ref at;
	unsigned long reads;
	struct scene s;

	(void)state;
	random_scene(&s, 8 * MIB);
	at = where(&s, 5 * STORE_BLOCK);
	damage_record(&s, &at);
	forget(&s, TRANSHIP_OPEN_SALVAGE);
	reads = memory_target_of(s.made.store->target)->reads;
	check_salvaged(&s, 5 * STORE_BLOCK, STORE_BLOCK);
	/* Of a record that fails not every sector is tried. */
	assert_true(memory_target_of(s.made.store->target)->reads - reads < 200);
	scene_close(&s);
}

static void test_salvage__table_is_missing(void **state)
{
	struct losses losses;
	struct tranship_error err;
	unsigned char *got, *content = malloc(MIB);
	size_t size = (size_t)(LEAF_BYTES + MIB), i;
	struct scene s;
	struct table *table;
	struct page_ref ref;
	struct rng rng = { 3 };

	(void)state;
	/* Two leaves; the second one's page gets a slot of its own. */
	s.content = calloc(1, size);
	assert_non_null(s.content);
	assert_non_null(content);
	rng_fill(&rng, content, MIB);
	memcpy(s.content + LEAF_BYTES, content, MIB);
	s.content[0] = 1;
	free(content);
	scene_of(&s, s.content, size, false);
	assert_ok(table_open(s.made.store->slots, &s.manifest.root, size, &table, &err), &err);
	assert_ok(table_page_ref(table, 0, 1, &ref, &err), &err);
	table_close(table);
	damage_record(&s, &ref.at);
	forget(&s, TRANSHIP_OPEN_SALVAGE);
	got = salvaged(&s, &losses);
	assert_int_equal(losses.ranges, 1);
	assert_int_equal(losses.off[0], LEAF_BYTES);
	assert_int_equal(losses.len[0], MIB);
	assert_int_equal(got[0], 1);
	for (i = (size_t)LEAF_BYTES; i < size; i++)
		assert_int_equal(got[i], 0);
	free(got);
	forget(&s, 0);
	assert_fails(tranship_disk_read(s.disk, NULL, LEAF_BYTES, &(char){ 0 }, 1, &err),
		     TRANSHIP_ECORRUPT, &err, "bytes 268435456 to 269484032 of the disk");
	scene_close(&s);
}

static int take_property(void *ctx, const struct tranship_property *p)
{
	char *text = ctx;

	if (p->type == TRANSHIP_PROPERTY_TEXT) {
		strcat(text, p->name);
		strcat(text, "=");
		strcat(text, p->text);
		strcat(text, ";");
	}
	return 0;
}

/* Through the store's own door. */
static void test_open_point__by_name(void **state)
{
	struct rng rng = { 5 };
	struct tranship_error err;
	char text[1000] = "", wanted[200];
	struct scene s;

	(void)state;
	scene_of(&s, random_disk(&rng, MIB), MIB, true);
	assert_ok(manifest_write(s.made.store, &s.manifest, NULL, &err), &err);
	tranship_disk_close(s.disk);
	assert_ok(tranship_store_open_point(s.made.store, "a point", 0, &s.disk, &err), &err);
	check_content(&s);
	tranship_disk_properties(s.disk, take_property, text);
	snprintf(wanted, sizeof(wanted), "point=%s;name=a point;disk=a disk;version=version ",
		 s.manifest.id);
	assert_non_null(strstr(text, wanted));
	assert_non_null(strstr(text, ";time=20"));
	tranship_disk_close(s.disk);
	assert_ok(tranship_store_open_point(s.made.store, s.manifest.id, 0, &s.disk, &err), &err);
	tranship_disk_close(s.disk);
	assert_fails(tranship_store_open_point(s.made.store, "another", 0, &s.disk, &err),
		     TRANSHIP_ENOTFOUND, &err, "another");
	assert_null(s.disk);
	assert_fails(tranship_store_open_point(s.made.store, "a point", TRANSHIP_OPEN_LAYER,
					       &s.disk, &err),
		     TRANSHIP_EINVAL, &err, "flags");
	scene_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_point__reads_back),
		cmocka_unit_test(test_point__empty),
		cmocka_unit_test(test_map__zeros_are_jumped_over),
		cmocka_unit_test(test_read__several_threads),
		cmocka_unit_test(test_read__pieces_cost_one_reading),
		cmocka_unit_test(test_read__damage_is_named),
		cmocka_unit_test(test_read__missing_slot_is_named),
		cmocka_unit_test(test_read__wrong_unit_shows),
		cmocka_unit_test(test_read__record_is_too_short),
		cmocka_unit_test(test_salvage__slot_is_missing),
		cmocka_unit_test(test_salvage__record_is_damaged),
		cmocka_unit_test(test_salvage__table_is_missing),
		cmocka_unit_test(test_open_point__by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
